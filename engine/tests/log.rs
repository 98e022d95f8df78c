//! The log's forms, as the release writes them, and as `tracing` events for those who embed the engine.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use engine::api::{Certificate, ObjectKey, Pod};
use engine::compat::{Compat, LogFormat, V1_7, V1_16, V1_21};
use engine::log::{Logger, Memory, catalogue as msg, render};
use tracing_test::traced_test;
use world::sim::{self, Config};
use world::{Timestamp, WallClock};

fn named<R: engine::api::Resource + Default>(namespace: &str, name: &str) -> R {
    let mut object = R::default();
    let meta = object.meta_mut();
    (meta.namespace, meta.name) = (namespace.into(), name.into());
    object
}

/// What `write` logs at `-v=verbosity`, line by line; a millisecond and a nanosecond after the second.
fn lines(verbosity: u8, write: impl FnOnce(Logger) + Send + 'static) -> String {
    lines_of(V1_7, verbosity, write)
}

/// The same in the words of another release.
fn lines_of(compat: Compat, verbosity: u8, write: impl FnOnce(Logger) + Send + 'static) -> String {
    let wall = WallClock { start: Timestamp::parse("2022-02-03T09:00:00Z").unwrap(), ..WallClock::default() };
    let config = Config { wall, ..Config::default() };
    let finished = sim::run(config, move |world| async move {
        world.sleep(Duration::from_nanos(1_000_001)).await;
        let memory = Arc::new(Memory::default());
        write(Logger::new(&world, memory.clone(), verbosity).for_release(&compat));
        memory.entries().iter().map(|entry| render(entry, 1)).collect::<Vec<_>>()
    });
    finished.unwrap().value.join("\n")
}

#[test]
fn one_line_of_each_form() {
    let text = lines(2, |log| {
        let log = log.with_name("challenges");
        let certificate: Certificate = named("ns", "web");
        // The values of the logger by key, then those of the call by key.
        log.with_value("key", "ns/web")
            .info(&msg::MUST_BE_REISSUED, &[("reason", "Renewing".into()), ("message", "why".into())]);
        // A number is one.
        log.with_value("key", "ns/web").info(&msg::NOT_REISSUING, &[("retry_delay", 3_600_u64.into())]);
        // An object, one that it is related to, and values of the logger between them.
        log.with_value("type", "HTTP-01")
            .with_resource(&certificate)
            .with_value("dnsName", "a.test")
            .with_name("http01")
            .with_related_resource(&named::<Pod>("ns", "solver"))
            .info(&msg::POD_FOUND, &[]);
        // Errors come first; what they quote is quoted, what JSON in HTML would escape is not.
        log.error(
            &msg::PROPAGATION_CHECK_FAILED,
            Some("Get \"http://a?b&c\": <nil>"),
            &[("dnsName", "ä".into())],
        );
        log.with_resource(&certificate).error(&msg::ORDER_STATUS_WRITE_FAILED, None, &[]);
        // Plain klog lines: no name, no quotes.
        log.plain(&msg::CERTIFICATE_CONDITION_ADDED, "Setting lastTransitionTime for \"x\"".into());
        log.plain(&msg::INGRESS_GONE, "ingress 'ns/web' in work queue no longer exists".into());
    });
    insta::assert_snapshot!(text);
}

#[test]
fn verbosity_drops_information_and_never_an_error() {
    let write = |log: Logger| {
        log.info(&msg::SERVICE_CREATE, &[]);
        log.info(&msg::POD_CREATE, &[]);
        log.info(&msg::POD_FOUND, &[]);
        log.error(&msg::ACCEPT_FAILED, None, &[]);
    };
    let count = |verbosity| lines(verbosity, write).lines().count();
    assert_eq!([0, 1, 2, 3, 4].map(count), [2, 2, 3, 3, 4]);
}

#[traced_test]
#[test]
fn every_line_is_a_tracing_event_too() {
    let written = lines(2, |log| {
        log.with_name("orders").error(&msg::ORDER_STATUS_WRITE_FAILED, Some("lost"), &[]);
        log.with_name("orders").info(&msg::SERVICE_CREATE, &[]);
    });
    assert!(logs_contain(&written), "{written}");
    assert!(!logs_contain(msg::SERVICE_CREATE.text), "what -v drops is no event");
    logs_assert(|events: &[&str]| {
        let errors = events.iter().filter(|e| e.contains("ERROR") && e.contains("engine")).count();
        if errors == 1 { Ok(()) } else { Err(format!("{errors} errors in {events:#?}")) }
    });
}

/// Lines of every kind, as controllers log them.
fn some_of_each(log: Logger) {
    let trigger = log.for_controller("certificates-trigger");
    let certificate: Certificate = named("ns", "web");
    trigger.with_value("key", "ns/web").info(
        &msg::MUST_BE_REISSUED,
        &[("reason", "Renewing".into()), ("message", "a \"why\"\tor <two>".into())],
    );
    log.condition(
        &msg::CERTIFICATE_CONDITION_CHANGED,
        "Found status change for Certificate \"web\"".into(),
        &[
            ("certificate", "ns/web".into()),
            ("condition", "Ready".into()),
            ("oldStatus", "False".into()),
            ("status", "True".into()),
            ("lastTransitionTime", "2022-05-07 13:39:31.142484989 +0000 UTC m=+186628.212145824".into()),
        ],
    );
    let challenges = log.for_controller("challenges");
    // In the order of the calls, unless the release sorts them.
    let one =
        challenges.with_resource(&certificate).with_value("dnsName", "a.test").with_value("type", "HTTP-01");
    one.with_name("http01").with_related_resource(&named::<Pod>("ns", "solver")).info(&msg::POD_FOUND, &[]);
    one.with_name("acceptChallenge").error(&msg::WAIT_AUTHORIZATION_FAILED, Some("two\nlines"), &[]);
    one.error(&msg::PROPAGATION_CHECK_FAILED, Some("wrong status code '404', expected '200'"), &[]);
    challenges.error(&msg::CHALLENGE_GONE, Some("not found"), &[]);
    challenges.for_key(&ObjectKey::new("ns", "ch")).error(
        &msg::REQUEUE_ERROR,
        Some("context deadline exceeded"),
        &[],
    );
    challenges
        .for_key(&ObjectKey::new("ns", "ch"))
        .info(&msg::REQUEUE_CONFLICT, &[("error", "modified".into())]);
    let orders = log.for_controller("orders").with_resource(&certificate);
    orders.error(&msg::ORDER_STATUS_WRITE_FAILED, None, &[("violations", vec!["spec.dnsNames"].into())]);
    log.unhandled(&msg::INGRESS_GONE, "ingress 'ns/web' in work queue no longer exists".into());
    log.info(&msg::NOT_REISSUING, &[]);
    log.info_text(&msg::BACKING_OFF, "Backing off", &[]);
}

#[test]
fn v1_7_writes_names_and_values_as_json_by_key() {
    insta::assert_snapshot!(lines(2, some_of_each));
}

#[test]
fn v1_16_writes_contextual_text_and_conditions_in_one_sentence() {
    insta::assert_snapshot!(lines_of(V1_16, 2, some_of_each));
}

#[test]
fn v1_21_has_structured_conditions_and_no_lines_about_what_is_gone() {
    insta::assert_snapshot!(lines_of(V1_21, 2, some_of_each));
}

#[test]
fn with_logging_format_json_a_line_is_an_object() {
    let text = lines_of(Compat { log_format: LogFormat::Json, ..V1_21 }, 2, some_of_each);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_level_of_a_message_holds_in_every_release() {
    let write = |log: Logger| {
        log.info(&msg::CHALLENGE_NOT_READY, &[]);
        log.info(&msg::POD_CREATE, &[]);
    };
    let count = |compat, verbosity| lines_of(compat, verbosity, write).lines().count();
    assert_eq!((count(V1_21, 2), count(V1_21, 4), count(V1_21, 1)), (1, 2, 0));
    assert_eq!(count(V1_7, 4), 1, "a message of a later release");
}
