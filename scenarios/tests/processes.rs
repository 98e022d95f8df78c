//! Processes that crash at any step, elect a leader, stand still, and see the clock jump.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::{count, load, times};
use engine::api::{Certificate, CertificateRequest, Challenge, Kind, Lease, Resource, Secret};
use engine::pki;
use reports::Outcome;
use scenarios::runner::{Options, Whole, run_whole};
use world::{PrivateKey, Rng};

const NAME: &str = "first-issuance";

fn run(overrides: &[&str]) -> Whole {
    let overrides = overrides.iter().map(|s| (*s).to_owned()).collect();
    run_whole(&load(NAME), &Options { overrides, ..Options::default() }).unwrap()
}

fn all<R: Resource>(whole: &Whole) -> Vec<&R> {
    whole.objects.iter().filter_map(|o| o.get::<R>()).map(AsRef::as_ref).collect()
}

/// What must hold after any run that had the time to heal: a certificate with its key, and nothing that was needed on the
/// way. Gives the revision.
fn assert_sound(whole: &Whole, what: &str) -> u64 {
    if let Outcome::Stopped { report } = &whole.record.outcome {
        panic!("{what}: {report}");
    }
    let [certificate] = all::<Certificate>(whole)[..] else { panic!("{what}: one Certificate") };
    let ready = certificate.status.conditions.iter().find(|c| c.type_ == "Ready");
    assert!(ready.is_some_and(|c| c.reason == "Ready"), "{what}: {:?}", certificate.status);
    let secrets = all::<Secret>(whole);
    let secret = secrets.iter().find(|s| s.metadata.name == certificate.spec.secret_name).unwrap();
    let leaf = pki::leaf(secret.data["tls.crt"].as_slice()).unwrap();
    let key = PrivateKey::from_pem(secret.data["tls.key"].as_slice()).unwrap();
    assert_eq!(leaf.public_key, *key.public(), "{what}: key and certificate belong together");
    let solver: Vec<_> = whole
        .objects
        .iter()
        .filter(|o| matches!(o.kind(), Kind::Pod | Kind::Service | Kind::Ingress))
        .filter(|o| o.meta().name.starts_with("cm-acme-http-solver-"))
        .map(|o| format!("{} {}", o.kind(), o.key()))
        .collect();
    assert!(solver.is_empty(), "{what}: no solver object is left: {solver:?}");
    assert!(all::<Challenge>(whole).is_empty(), "{what}: no challenge is left");
    let next_keys =
        secrets.iter().filter(|s| s.metadata.labels.contains_key("cert-manager.io/next-private-key"));
    assert_eq!(next_keys.count(), 0, "{what}: no temporary key is left");
    certificate.status.revision.unwrap_or_default()
}

/// And it took no more than one issuance.
fn assert_healed(whole: &Whole, what: &str) {
    assert_eq!(assert_sound(whole, what), 1, "{what}: one revision");
    let requests = all::<CertificateRequest>(whole);
    assert_eq!(requests.len(), 1, "{what}: one request of the revision");
}

/// Nothing but the store outlives a crash, and that is enough: wherever in its steps the process ends.
#[test]
fn a_crash_between_any_two_steps_costs_time_and_nothing_else() {
    let (mut step, mut crashed) = (1, 0);
    loop {
        let crash = format!("engine.processes.crashes=[{{afterSteps: {step}}}]");
        let whole = run(&["until=2022-02-03T09:20:00Z", "engine.processes.restartDelay=5s", &crash]);
        assert_healed(&whole, &crash);
        assert_eq!(whole.record.counts.certificates, 1, "{crash}: one certificate at the CA");
        // A process that had all its steps before the run ended was not hit by this crash.
        if whole.record.counts.engine_starts == 1 {
            break;
        }
        assert_eq!(whole.record.counts.engine_starts, 2, "{crash}");
        crashed += 1;
        // Densely where most happens in few steps, and never the same distance twice.
        step += 1 + step / 25 + crashed % 7;
    }
    assert!(crashed > 50, "{crashed} crashes were tried");
}

/// Delays of the API server and of the caches. The first ones of each are drawn anew: none, some, or so long that whole
/// steps go by on what was known before; then all is well. (Where it never is, some releases never end, either: a cache of
/// Secrets that is behind for good makes each new pair differ from the request of the next.)
fn drawn_delays(rng: &Rng) -> Vec<String> {
    let drawn = |most: u64, then: &str| {
        let ms = |_| {
            let most = [5, most / 20, most][usize::try_from(rng.below(3)).unwrap()];
            format!("{}ms, ", rng.below(most))
        };
        format!("[{}{then}]", (0..12).map(ms).collect::<String>())
    };
    let lags = |most: u64| {
        let each =
            Kind::ALL.iter().map(|kind| format!("{kind}: {{kind: {kind}, lag: {}}}", drawn(most, "2ms")));
        each.collect::<Vec<_>>().join(", ")
    };
    vec![
        format!("cluster.api.calls={{default: {{takes: {}, reply: 1ms}}}}", drawn(400, "20ms")),
        format!("cluster.watch.lister={{{}}}", lags(3000)),
        format!("cluster.watch.handler={{{}}}", lags(1500)),
    ]
}

/// Whatever the controllers did on stale knowledge (an issuance too many, requests and orders for keys that are gone): in
/// the end there is a certificate with its key, and nothing else.
#[test]
fn caches_that_lag_behind_cost_time_and_nothing_else() {
    for seed in 0..30 {
        let mut delays = drawn_delays(&Rng::from_seed(seed));
        delays.push("until=2022-02-03T12:00:00Z".to_owned());
        delays.push(format!("engine.compat={}", ["v1_7", "v1_21"][usize::from(seed % 2 == 1)]));
        let whole = run(&delays.iter().map(String::as_str).collect::<Vec<_>>());
        assert_sound(&whole, &format!("seed {seed}: {delays:#?}"));
    }
}

const TWO: &[&str] = &[
    "until=2022-02-03T09:20:00Z",
    "hosts={cert-manager: [10.42.0.5], cert-manager-2: [10.42.0.6], ns1: [10.43.0.10], nginx: [203.0.113.80], acme-v02: [198.51.100.10]}",
    "engine.processes.replicas=[cert-manager-2]",
    "engine.processes.leaderElection=true",
    "engine.processes.restartDelay=5s",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TWO.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn of_two_processes_one_is_elected_and_works() {
    let whole = run(TWO);
    assert_healed(&whole, "two processes");
    assert_eq!(
        times(&whole.record, "leaderelection.go:248", "kube-system/cert-manager-controller...").len(),
        2
    );
    assert_eq!(count(&whole.record, "leaderelection.go:258", "successfully acquired lease"), 1);
    let [lease] = all::<Lease>(&whole)[..] else { panic!("one lease") };
    assert_eq!(lease.spec.holder_identity, "cert-manager");
    assert_eq!((lease.spec.lease_transitions, lease.spec.lease_duration_seconds), (0, 60));
}

/// The lease of a leader that crashed must run out before the other works: 60 s from its last renewal.
#[test]
fn when_the_leader_crashes_the_other_takes_over_after_the_lease() {
    let whole = run(&with(&[
        "engine.processes.crashes=[{at: '2022-02-03T09:00:08Z'}]",
        "engine.processes.restartDelay=1h",
    ]));
    assert_healed(&whole, "the leader crashed");
    let [lease] = all::<Lease>(&whole)[..] else { panic!("one lease") };
    assert_eq!((lease.spec.holder_identity.as_str(), lease.spec.lease_transitions), ("cert-manager-2", 1));
    let acquired = times(&whole.record, "leaderelection.go:258", "successfully acquired lease");
    assert!(acquired[1].as_str() >= "09:01:00", "{acquired:?}");
}

/// A leader that stood still for longer than its lease finds another one in office and ends its process.
#[test]
fn a_leader_that_stood_still_loses_its_office_and_starts_anew() {
    let whole = run(&with(&["engine.processes.suspensions=[{at: '2022-02-03T09:00:08Z', for: 3m}]"]));
    assert_healed(&whole, "the leader stood still");
    assert_eq!(count(&whole.record, "leaderelection.go:283", "failed to renew lease"), 1);
    assert_eq!(count(&whole.record, "main.go:39", "leader election lost"), 1);
    let [lease] = all::<Lease>(&whole)[..] else { panic!("one lease") };
    assert_eq!(lease.spec.holder_identity, "cert-manager-2");
    assert_eq!(whole.record.counts.engine_starts, 3);
}

/// One process without a rival survives standing still: what was due is late.
#[test]
fn a_process_that_stood_still_goes_on() {
    let still = "engine.processes.suspensions=[{at: '2022-02-03T09:00:08Z', for: 2m}]";
    let whole = run(&["until=2022-02-03T09:20:00Z", still]);
    assert_healed(&whole, "stood still");
    let issued = times(&whole.record, "acme.go:209", "certificate issued");
    assert!(issued[0].as_str() > "09:02:08", "{issued:?}");
}

/// Timers run on the monotonic clock: a step of the wall clock moves no wait, only what is read from it.
#[test]
fn a_step_of_the_wall_clock_moves_no_timer() {
    for by in ["1h", "-1h", "10s"] {
        let step = format!("clock.steps=[{{after: 8s, by: '{by}'}}]");
        let whole = run(&["until=2022-02-03T09:20:00Z", &step]);
        assert_healed(&whole, &step);
        let calm = run(&["until=2022-02-03T09:20:00Z"]);
        assert_eq!(whole.record.counts.ca_requests, calm.record.counts.ca_requests, "{step}");
        assert_eq!(whole.record.log.len(), calm.record.log.len(), "{step}");
    }
}

/// A renewal timer is set from the wall clock and runs on the monotonic one: after a step forward the renewal comes as
/// late as the step was wide, unless something else makes the controller look.
#[test]
fn a_renewal_timer_does_not_see_a_step_of_the_wall_clock() {
    let renewal = |steps: &str| {
        let overrides = ["until=2022-05-01T00:00:00Z", steps].map(str::to_owned).to_vec();
        let whole = run_whole(&load(NAME), &Options { overrides, ..Options::default() }).unwrap();
        times(&whole.record, "trigger_controller.go:181", "Renewing")
    };
    assert_eq!(renewal("clock.steps=[]").len(), 1);
    let stepped = renewal("clock.steps=[{after: 1d, by: 1h}]");
    assert_eq!(stepped.len(), 1);
    assert!(stepped[0] > renewal("clock.steps=[]")[0], "{stepped:?}");
}

#[test]
fn a_replica_on_a_host_that_is_not_there_is_refused() {
    let overrides = vec!["engine.processes.replicas=[cert-manger]".to_owned()];
    let error = run_whole(&load(NAME), &Options { overrides, ..Options::default() }).unwrap_err();
    assert_eq!(error.to_string(), "there is no host \"cert-manger\"");
}
