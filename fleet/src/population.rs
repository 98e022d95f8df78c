//! From a plan to the certificates of a fleet: names once each, sets of names once each, and what a renewal is
//! computed from once for all that share it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::api::{CertificateRenewal, CertificateSpec};
use mock_ca::limits::IdentifierKind;
use world::{Rng, Timestamp};

use crate::authority::{Authority, Ordered};
use crate::error::PlanError;
use crate::plan::{Certificate, Distribution, Plan, Policy};
use crate::policy::Engine;

/// A set of names that certificates are issued for.
#[derive(Debug)]
pub(crate) struct Set {
    /// Its own number.
    pub(crate) number: usize,
    /// The numbers of its names, sorted by name.
    pub(crate) names: Box<[u32]>,
}

impl Set {
    /// As the limits take them.
    pub(crate) fn identifiers<'a>(&self, names: &'a [Box<str>]) -> Vec<(IdentifierKind, &'a str)> {
        let kind = |name: &str| match name.parse::<IpAddr>() {
            Ok(_) => IdentifierKind::Ip,
            Err(_) => IdentifierKind::Dns,
        };
        let known = self.names.iter().filter_map(|number| names.get(*number as usize));
        known.map(|name| (kind(name), name.as_ref())).collect()
    }
}

/// What is known of one certificate before the run.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// What it is called.
    pub(crate) name: Arc<str>,
    /// Who orders it.
    pub(crate) account: u64,
    /// For which set of names.
    pub(crate) set: u32,
    /// By which specification.
    pub(crate) spec: u32,
    /// From an order to its certificate.
    pub(crate) order_time: Duration,
    /// How it begins.
    pub(crate) start: Start,
}

/// How a certificate begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It is issued first at this time.
    New(Timestamp),
    /// It exists, from and until these times.
    Existing(Timestamp, Timestamp),
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Population {
    pub(crate) members: Vec<Member>,
    pub(crate) sets: Vec<Set>,
    pub(crate) specs: Vec<CertificateSpec>,
    pub(crate) names: Vec<Box<str>>,
}

/// What a certificate says of its renewal.
struct Renewal<'a> {
    before: Option<Duration>,
    percentage: Option<i32>,
    windows: Option<&'a CertificateRenewal>,
}

impl Renewal<'_> {
    fn of(policy: &Policy) -> Renewal<'_> {
        Renewal {
            before: policy.renew_before,
            percentage: policy.renew_before_percentage,
            windows: policy.renewal.as_ref(),
        }
    }

    fn spec(&self) -> CertificateSpec {
        CertificateSpec {
            renew_before: self.before.map(Into::into),
            renew_before_percentage: self.percentage,
            renewal: self.windows.cloned(),
            ..CertificateSpec::default()
        }
    }
}

/// What specifications are told apart by: time before the end, percentage, and the text of the windows.
type SpecKey = (Option<Duration>, Option<i32>, Option<String>);

/// Makes them, one after the other.
pub(crate) struct Builder<'a> {
    plan: &'a Plan,
    engine: &'a Engine,
    population: Population,
    name_numbers: BTreeMap<Box<str>, u32>,
    set_numbers: BTreeMap<Box<[u32]>, u32>,
    spec_numbers: BTreeMap<SpecKey, u32>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(plan: &'a Plan, engine: &'a Engine) -> Self {
        Builder {
            plan,
            engine,
            population: Population::default(),
            name_numbers: BTreeMap::new(),
            set_numbers: BTreeMap::new(),
            spec_numbers: BTreeMap::new(),
        }
    }

    /// The fleet of the plan; `authority` says how long certificates are valid.
    pub(crate) fn build(mut self, authority: &Authority, rng: &Rng) -> Result<Population, PlanError> {
        let names_max = authority.terms(self.plan.window.from).names_max;
        for (index, certificate) in self.plan.certificates.list.iter().enumerate() {
            if certificate.name.is_empty() || certificate.names.iter().any(String::is_empty) {
                return Err(PlanError::Nameless(index));
            }
            self.listed(certificate, authority, names_max)?;
        }
        for (index, distribution) in self.plan.certificates.distributions.iter().enumerate() {
            self.distributed(index, distribution, authority, rng, names_max)?;
        }
        if self.population.members.is_empty() {
            return Err(PlanError::NoCertificates);
        }
        Ok(self.population)
    }

    fn listed(
        &mut self,
        certificate: &Certificate,
        authority: &Authority,
        names_max: usize,
    ) -> Result<(), PlanError> {
        let policy = &self.plan.policy;
        let own = certificate.renew_before.is_some() || certificate.renew_before_percentage.is_some();
        let general = Renewal::of(policy);
        let renewal = Renewal {
            before: if own { certificate.renew_before } else { general.before },
            percentage: if own { certificate.renew_before_percentage } else { general.percentage },
            windows: certificate.renewal.as_ref().or(general.windows),
        };
        let spec = self.spec(&renewal)?;
        let start = self.start(certificate, authority)?;
        let own_name = [certificate.name.clone()];
        let names = if certificate.names.is_empty() { &own_name[..] } else { &certificate.names };
        self.add(&certificate.name, names, certificate.account.unwrap_or(1), spec, start, names_max)
    }

    fn start(&self, certificate: &Certificate, authority: &Authority) -> Result<Start, PlanError> {
        let from = self.plan.window.from;
        if certificate.lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            return Err(PlanError::TooShort {
                place: format!("certificate {:?}: lifetime", certificate.name),
                least: "1s",
            });
        }
        Ok(match (certificate.issued, certificate.not_after) {
            (Some(_), Some(_)) => return Err(PlanError::TwoTimes(certificate.name.clone())),
            (Some(issued), None) if issued < from => {
                let (not_before, not_after) = authority.validity(issued);
                let second = Duration::from_secs(1);
                let end = certificate.lifetime.map_or(not_after, |life| not_before + life - second);
                Start::Existing(not_before, end)
            }
            (Some(issued), None) => Start::New(issued),
            (None, Some(not_after)) => {
                let lifetime = certificate.lifetime.unwrap_or_else(|| authority.terms(from).validity);
                Start::Existing(not_after + Duration::from_secs(1) - lifetime, not_after)
            }
            (None, None) => Start::New(from),
        })
    }

    fn distributed(
        &mut self,
        index: usize,
        distribution: &Distribution,
        authority: &Authority,
        rng: &Rng,
        names_max: usize,
    ) -> Result<(), PlanError> {
        let Distribution { count, names, per_domain, accounts, .. } = *distribution;
        for (key, zero) in
            [("names", names == 0), ("perDomain", per_domain == 0), ("accounts", accounts == 0)]
        {
            if zero {
                return Err(PlanError::Zero(format!("certificates.distributions[{index}].{key}")));
            }
        }
        let from = self.plan.window.from;
        let spec_number = self.spec(&Renewal::of(&self.plan.policy))?;
        let spread = distribution.spread.unwrap_or_else(|| match distribution.existing {
            false => Duration::ZERO,
            true => self.interval(authority, spec_number, from),
        });
        let rng = rng.fork(&format!("fleet/distribution {index}"));
        let prefix = &distribution.prefix;
        for n in 0..count {
            let domain = n / per_domain;
            let name = format!("{prefix}{n:06}");
            let base = format!("{name}.d{domain:04}.example");
            let others = (1..names).map(|other| format!("n{other}.{base}"));
            let names: Vec<String> = std::iter::once(base.clone()).chain(others).collect();
            let account = distribution.first_account + u64::from(domain) % accounts;
            let drawn = Duration::from_secs(rng.below(spread.as_secs()));
            let start = if distribution.existing {
                let issued = from - drawn - Duration::from_secs(1);
                let (not_before, not_after) = authority.validity(issued);
                Start::Existing(not_before, not_after)
            } else {
                Start::New(from + drawn)
            };
            self.add(&name, &names, account, spec_number, start, names_max)?;
        }
        Ok(())
    }

    /// From an issuance at `at` to its renewal.
    fn interval(&self, authority: &Authority, spec: u32, at: Timestamp) -> Duration {
        let valid = authority.validity(at);
        let spec = self.population.specs.get(spec as usize);
        let renewal = spec.and_then(|spec| self.engine.renewal_time(valid, spec));
        renewal.unwrap_or(valid.1).since(at)
    }

    fn add(
        &mut self,
        name: &str,
        names: &[String],
        account: u64,
        spec: u32,
        start: Start,
        names_max: usize,
    ) -> Result<(), PlanError> {
        let mut sorted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() > names_max {
            let (name, count) = (name.to_owned(), sorted.len());
            return Err(PlanError::Names { name, count, max: names_max });
        }
        let wildcard = sorted.iter().any(|name| name.starts_with("*."));
        let numbers = sorted.iter().map(|name| self.name(name)).collect::<Result<Box<[u32]>, _>>()?;
        let set = self.set(numbers)?;
        number(self.population.members.len())?;
        self.population.members.push(Member {
            name: name.into(),
            account,
            set,
            spec,
            order_time: self.engine.order_time(wildcard),
            start,
        });
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<u32, PlanError> {
        if let Some(number) = self.name_numbers.get(name) {
            return Ok(*number);
        }
        let number = number(self.population.names.len())?;
        self.population.names.push(name.into());
        self.name_numbers.insert(name.into(), number);
        Ok(number)
    }

    fn set(&mut self, names: Box<[u32]>) -> Result<u32, PlanError> {
        if let Some(number) = self.set_numbers.get(&names) {
            return Ok(*number);
        }
        let number = number(self.population.sets.len())?;
        self.population.sets.push(Set { number: number as usize, names: names.clone() });
        self.set_numbers.insert(names, number);
        Ok(number)
    }

    fn spec(&mut self, renewal: &Renewal<'_>) -> Result<u32, PlanError> {
        // Windows have no order of their own; their text has.
        let windows = renewal.windows.map(|windows| format!("{windows:?}"));
        let key = (renewal.before, renewal.percentage, windows);
        if let Some(known) = self.spec_numbers.get(&key) {
            return Ok(*known);
        }
        let number = number(self.population.specs.len())?;
        self.population.specs.push(renewal.spec());
        self.spec_numbers.insert(key, number);
        Ok(number)
    }
}

fn number(place: usize) -> Result<u32, PlanError> {
    u32::try_from(place).map_err(|_| PlanError::TooMany)
}

/// Tells the CA of the certificates that exist.
pub(crate) fn introduce(population: &Population, authority: &mut Authority, backdate: Duration) {
    for member in &population.members {
        if let (Start::Existing(not_before, _), Some(set)) =
            (member.start, population.sets.get(member.set as usize))
        {
            let order = Ordered { account: member.account, set, replaces: None };
            authority.knows(not_before + backdate, order);
        }
    }
}
