//! `rehearse fleet`: what becomes of many certificates over a year.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::manifest::{self, yaml};
use fleet::plan::{Distribution, Lifetime, Outage, OutageKind, Plan, Window};
use fleet::{Outcome, input, page, text};
use miette::IntoDiagnostic as _;
use mock_ca::limits::Preset;
use world::Timestamp;
use world::duration::Span;

use super::say;

/// Which fleet, under what, for how long. A plan can say all of it; what is said here goes before.
#[derive(Args)]
pub(crate) struct FleetArgs {
    /// A plan (YAML); `rehearse fleet --show` prints one with all its keys.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Certificates as a table: CSV whose header names `name`, `names`, `issued`, `lifetime`, `renewBefore`, `account` and so on.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Certificates by their names, a line each.
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Certificates of manifests, with or without their status: `kubectl get certificates -A -o yaml`.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    manifests: Vec<PathBuf>,
    /// So many certificates that are alike, which have been issued and renewed for long.
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// Each certificate is new at the beginning (with --count).
    #[arg(long)]
    new: bool,
    /// When it begins (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// How long it is looked at.
    #[arg(long = "for", value_name = "TIME SPAN")]
    lasts: Option<Span>,
    /// How long certificates are valid.
    #[arg(long, value_name = "TIME SPAN")]
    lifetime: Option<Span>,
    /// How long before its end a certificate is renewed.
    #[arg(long, value_name = "TIME SPAN")]
    renew_before: Option<Span>,
    /// Whose limits and profiles the CA has.
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    preset: Option<Preset>,
    /// The release of cert-manager whose policy it is: `v1_21`.
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// The CA is away (`10d..13d`, or two times of RFC 3339), or cannot validate (`10d..13d=validation`). Repeatable.
    #[arg(long, value_name = "FROM..UNTIL")]
    outage: Vec<String>,
    /// What is drawn by chance.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The same under lifetimes of 90, 64, 45 and 6 days, side by side.
    #[arg(long)]
    compare: bool,
    /// Exit code 1 when a certificate expires or is refused.
    #[arg(long)]
    check: bool,
    /// The outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
    /// A page with plots.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the plan that would be run, as JSON, and run nothing.
    #[arg(long)]
    show: bool,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|e| e.to_string())
}

fn preset(name: &str) -> Result<Preset, String> {
    serde_json::from_value(name.into()).map_err(|e| e.to_string())
}

fn read(path: &Path) -> miette::Result<String> {
    std::fs::read_to_string(path).map_err(|e| miette::miette!("{}: {e}", path.display()))
}

/// Runs it; says whether all is well, if that is what is asked.
pub(crate) fn fleet(args: &FleetArgs) -> miette::Result<bool> {
    let plan = plan(args)?;
    if args.show {
        say(&format!("{}\n", serde_json::to_string_pretty(&plan).into_diagnostic()?));
        return Ok(true);
    }
    let outcomes: Vec<(String, Outcome)> = if args.compare {
        fleet::compare(&plan, &fleet::LIFETIMES).map_err(|e| miette::miette!("{e}"))?
    } else {
        vec![("the fleet".to_owned(), fleet::run(&plan).map_err(|e| miette::miette!("{e}"))?)]
    };
    if args.json {
        let json = match outcomes.as_slice() {
            [(_, only)] if !args.compare => serde_json::to_string(only),
            _ => serde_json::to_string(&outcomes),
        };
        say(&format!("{}\n", json.into_diagnostic()?));
    } else {
        match outcomes.as_slice() {
            [(_, only)] if !args.compare => say(&text::summary(only)),
            several => say(&text::side_by_side(several)),
        }
    }
    if let Some(path) = &args.output {
        reports::write_whole(path, page::page(&outcomes).as_bytes()).into_diagnostic()?;
        if !args.json {
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(!args.check || outcomes.iter().all(|(_, outcome)| outcome.is_clean()))
}

fn plan(args: &FleetArgs) -> miette::Result<Plan> {
    let mut plan: Plan = match &args.plan {
        None => Plan::default(),
        Some(path) => yaml::from_str(&path.display().to_string(), &read(path)?)?,
    };
    let wrong = |path: &Path| {
        let shown = path.display().to_string();
        move |e: input::InputError| miette::miette!("{shown}:{e}")
    };
    if let Some(path) = &args.csv {
        plan.certificates.list.extend(input::table(&read(path)?).map_err(wrong(path))?);
    }
    if let Some(path) = &args.names {
        plan.certificates.list.extend(input::list(&read(path)?).map_err(wrong(path))?);
    }
    let mut objects = Vec::new();
    for path in &args.manifests {
        objects.extend(manifest::load(&path.display().to_string(), &read(path)?)?);
    }
    plan.certificates.list.extend(input::manifests(&objects).certificates);
    if let Some(count) = args.count {
        let like = Distribution { count, existing: !args.new, ..Distribution::default() };
        plan.certificates.distributions.push(like);
    }
    if plan.certificates.list.is_empty() && plan.certificates.distributions.is_empty() {
        return Err(miette::miette!(
            help = "--count N, --csv FILE, --names FILE, -f MANIFESTS, or a --plan that has them",
            "there are no certificates"
        ));
    }
    let Window { from, until } = plan.window;
    let (from, lasts) = (args.from.unwrap_or(from), args.lasts.map_or(until.since(from), |span| span.0));
    plan.window = Window { from, until: from + lasts };
    if let Some(lifetime) = args.lifetime {
        plan.ca.lifetimes = vec![Lifetime { from: None, lifetime: lifetime.0, authorizations: None }];
    }
    if let Some(preset) = args.preset {
        plan.ca.preset = preset;
    }
    if let Some(before) = args.renew_before {
        plan.policy.renew_before = Some(before.0);
    }
    plan.policy.release = args.release.clone().unwrap_or(plan.policy.release);
    plan.seed = args.seed.unwrap_or(plan.seed);
    for text in &args.outage {
        let outage = outage(from, text).ok_or_else(|| {
            miette::miette!(
                help = "10d..13d after the beginning, or 2027-03-01T00:00:00Z..2027-03-04T00:00:00Z; =validation when only that fails",
                "--outage {text:?} is no time in which something fails"
            )
        })?;
        plan.outages.push(outage);
    }
    Ok(plan)
}

fn outage(start: Timestamp, text: &str) -> Option<Outage> {
    let (times, kind) = match text.split_once('=') {
        None => (text, OutageKind::Unavailable),
        Some((times, "validation")) => (times, OutageKind::Validation),
        Some(_) => return None,
    };
    let moment = |text: &str| {
        let after: Result<Span, _> = text.parse();
        after.map_or_else(|_| Timestamp::parse(text).ok(), |Span(after)| Some(start + after))
    };
    let (from, until) = times.split_once("..")?;
    let (from, until) = (moment(from)?, moment(until)?);
    (from < until).then_some(Outage { from, until, kind })
}
