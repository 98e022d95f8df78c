//! Renewal by the CA's suggestion (RFC 9773): what certificates-readiness asks, when, and what it writes down.

use world::keys::SectionKind;
use world::{Timestamp, World};

use super::{TLS_CRT, data};
use crate::acme::renewal_info::{RenewalInfo, certificate_id, next_check};
use crate::acme::{AcmeClients, AcmeError};
use crate::api::{
    AcmeRenewalInfo, AriWindow, Certificate, CertificateAcmeStatus, Resource as _, Secret, Time,
};
use crate::compat::Compat;
use crate::controller::Context;
use crate::issuers::IssuerListers;
use crate::pki::Leaf;
use crate::queue::{ScheduledQueue, WorkQueue};

/// The asking side of certificates-readiness.
pub(super) struct RenewalInfos {
    context: Context,
    clients: AcmeClients,
    issuers: IssuerListers,
    scheduled: ScheduledQueue,
}

/// What comes of a look at a Certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// `status.acme`, as it is to be.
    pub(super) acme: Option<CertificateAcmeStatus>,
    /// When to renew; `None`: as the specification says.
    pub(super) renewal: Option<Timestamp>,
}

/// What is to be done about a certificate that begins at `not_before`.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Ask the CA.
    Ask,
    /// The instant that was chosen holds.
    Keep(Timestamp),
    /// Nothing is known that holds.
    Nothing,
}

/// Whether the CA is asked at `now` about a certificate that begins at `not_before`: it is time to, or what is known is
/// about the certificate before it.
pub fn asks(
    last_checked: Option<Timestamp>,
    next_check: Option<Timestamp>,
    not_before: Timestamp,
    now: Timestamp,
) -> bool {
    next_check.is_none_or(|next| now >= next) || last_checked.is_some_and(|last| last < not_before)
}

fn look(certificate: &Certificate, not_before: Timestamp, now: Timestamp, compat: &Compat) -> Look {
    let known = certificate.status.acme.as_ref().and_then(|acme| acme.ari.as_ref());
    let time = |time: fn(&AcmeRenewalInfo) -> Option<Time>| known.and_then(time).map(Time::timestamp);
    if asks(time(|ari| ari.last_checked), time(|ari| ari.next_check), not_before, now) {
        return Look::Ask;
    }
    let window = known.and_then(|ari| ari.suggested_window.as_ref());
    let window = window.and_then(|w| Some((w.start?.timestamp(), w.end?.timestamp())));
    match (certificate.status.renewal_time.map(Time::timestamp), window) {
        (Some(at), Some((start, end))) if compat.renewal_info_kept && start <= at && at <= end => {
            Look::Keep(at)
        }
        _ => Look::Nothing,
    }
}

/// An instant that is in the window, and after the certificate's beginning, stays; else one is drawn.
pub fn instant(
    existing: Option<Timestamp>,
    not_before: Timestamp,
    info: &RenewalInfo,
    draw: impl FnOnce() -> Timestamp,
) -> Timestamp {
    existing.filter(|at| *at > not_before && info.contains(*at)).unwrap_or_else(draw)
}

impl RenewalInfos {
    pub(super) fn new(context: &Context, clients: &AcmeClients, name: &str, queue: &WorkQueue) -> Self {
        RenewalInfos {
            context: context.clone(),
            clients: clients.clone(),
            issuers: IssuerListers::new(&context.informers),
            scheduled: ScheduledQueue::new(&context.world, name, queue),
        }
    }

    /// Asks the CA if it is time to, and the release does that.
    pub(super) async fn look(
        &self,
        certificate: &Certificate,
        secret: Option<&Secret>,
        leaf: Option<&Leaf>,
    ) -> Suggestion {
        let compat = &self.context.compat;
        let status = &certificate.status;
        let as_it_is = Suggestion { acme: status.acme.clone(), renewal: None };
        let Some(leaf) = leaf else {
            // A certificate that cannot be read has no suggestion; no certificate leaves things as they are.
            let unreadable = secret.is_some_and(|s| !s.data.is_empty());
            return if unreadable { Suggestion { acme: None, renewal: None } } else { as_it_is };
        };
        let issuer = self.issuers.get(&certificate.spec.issuer_ref, &certificate.metadata.namespace);
        if !compat.features.ari || issuer.is_none_or(|(spec, _)| spec.acme.is_none()) {
            return as_it_is;
        }
        let now = self.context.world.now();
        match look(certificate, leaf.not_before, now, compat) {
            Look::Ask => {}
            Look::Keep(at) => {
                self.schedule(certificate, now, &as_it_is);
                return Suggestion { renewal: Some(at), ..as_it_is };
            }
            Look::Nothing => return as_it_is,
        }
        let asked = self.ask(certificate, secret).await;
        let suggestion = self.judge(certificate, leaf, now, asked);
        self.schedule(certificate, now, &suggestion);
        suggestion
    }

    fn schedule(&self, certificate: &Certificate, now: Timestamp, suggestion: &Suggestion) {
        let ari = suggestion.acme.as_ref().and_then(|acme| acme.ari.as_ref());
        if let Some(next) = ari.and_then(|ari| ari.next_check) {
            self.scheduled.add(certificate.key(), next.timestamp().since(now));
        }
    }

    async fn ask(&self, certificate: &Certificate, secret: Option<&Secret>) -> Result<RenewalInfo, Failure> {
        let issuer = &certificate.spec.issuer_ref;
        let client = self.clients.get(issuer, &certificate.metadata.namespace);
        let client = client.map_err(|error| Failure::Other(error.to_string()))?;
        let pem = secret.map(|s| data(s, TLS_CRT)).unwrap_or_default();
        let chain = world::keys::pem_sections(pem, SectionKind::Certificate);
        let id = chain.first().and_then(|der| certificate_id(der)).ok_or_else(|| {
            Failure::Other("acme: invalid ARI cert ID: missing AuthorityKeyId (AKI)".to_owned())
        })?;
        client.renewal_info(&id).await.map_err(|error| match error {
            AcmeError::NoRenewalInfo => Failure::NotOffered,
            other => Failure::Other(other.to_string()),
        })
    }

    fn judge(
        &self,
        certificate: &Certificate,
        leaf: &Leaf,
        now: Timestamp,
        asked: Result<RenewalInfo, Failure>,
    ) -> Suggestion {
        let acme = certificate.status.acme.clone();
        let mut ari = acme.and_then(|acme| acme.ari).unwrap_or_default();
        let rng = |what: &str| rng(&self.context.world, certificate, what, now);
        ari.last_checked = Some(Time::new(now));
        let (renewal, retry_after) = match asked {
            Err(Failure::NotOffered) => return Suggestion { acme: None, renewal: None },
            Err(Failure::Other(error)) => {
                let text = format!("Could not fetch ACME Renewal Information: {error}");
                self.context.recorder.warning(certificate, "ARIError", &text);
                ari.last_error = error;
                (None, None)
            }
            Ok(info) => {
                let existing = certificate.status.renewal_time.map(Time::timestamp);
                let at = instant(existing, leaf.not_before, &info, || info.instant(&rng("instant")));
                ari.last_error.clear();
                ari.suggested_window =
                    Some(AriWindow { start: Some(Time::new(info.start)), end: Some(Time::new(info.end)) });
                ari.explanation_url = info.explanation_url;
                (Some(at), info.retry_after)
            }
        };
        ari.next_check = Some(Time::new(next_check(now, retry_after, &rng("next check"))));
        Suggestion { acme: Some(CertificateAcmeStatus { ari: Some(ari) }), renewal }
    }
}

/// Why there is no renewal information.
#[derive(Debug)]
enum Failure {
    /// The CA has none.
    NotOffered,
    /// It could not be had.
    Other(String),
}

/// A stream of randomness for one choice about one Certificate at one time.
fn rng(world: &World, certificate: &Certificate, what: &str, now: Timestamp) -> world::Rng {
    world.rng(&format!("renewal info {what} {} {}", certificate.key(), now.unix_nanos()))
}

/// The Certificate's `replaces` of a new order: the identifier of the certificate that it has now.
pub(crate) fn replaces(secret: &Secret) -> Option<String> {
    let chain = world::keys::pem_sections(data(secret, TLS_CRT), SectionKind::Certificate);
    certificate_id(chain.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::V1_21;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(n: u32) -> Timestamp {
        Timestamp::UNIX_EPOCH + DAY * n
    }

    fn certificate(checked: u32, next: u32, renewal: u32) -> Certificate {
        let ari = AcmeRenewalInfo {
            last_checked: Some(Time::new(day(checked))),
            next_check: Some(Time::new(day(next))),
            suggested_window: Some(AriWindow {
                start: Some(Time::new(day(50))),
                end: Some(Time::new(day(52))),
            }),
            ..AcmeRenewalInfo::default()
        };
        let mut certificate = Certificate::default();
        certificate.status.acme = Some(CertificateAcmeStatus { ari: Some(ari) });
        certificate.status.renewal_time = Some(Time::new(day(renewal)));
        certificate
    }

    #[test]
    fn the_ca_is_asked_first_when_it_is_time_and_about_a_new_certificate() {
        for (certificate, now) in [
            (Certificate::default(), 1),
            (certificate(10, 11, 51), 11),
            (certificate(10, 11, 51), 40),
            // What is known is about the certificate before this one, of day 5.
            (certificate(4, 11, 51), 10),
        ] {
            assert_eq!(look(&certificate, day(5), day(now), &V1_21), Look::Ask, "{certificate:?}");
        }
    }

    #[test]
    fn between_two_looks_1_21_forgets_the_instant_which_a_switch_mends() {
        let known = certificate(10, 12, 51);
        let kept = Compat { renewal_info_kept: true, ..V1_21 };
        assert_eq!(look(&known, day(5), day(11), &V1_21), Look::Nothing);
        assert_eq!(look(&known, day(5), day(11), &kept), Look::Keep(day(51)));
        // One that is not of the window was not drawn from it.
        assert_eq!(look(&certificate(10, 12, 60), day(5), day(11), &kept), Look::Nothing);
    }

    #[test]
    fn an_instant_of_the_window_stays_and_another_is_drawn() {
        let info =
            RenewalInfo { start: day(50), end: day(52), explanation_url: String::new(), retry_after: None };
        let draw = || day(51);
        for (existing, want) in [
            (None, day(51)),
            (Some(day(50)), day(50)),
            (Some(day(52)), day(52)),
            (Some(day(53)), day(51)),
            (Some(day(4)), day(51)),
        ] {
            assert_eq!(instant(existing, day(5), &info, draw), want);
        }
    }
}
