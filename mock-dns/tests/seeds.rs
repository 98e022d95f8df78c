//! What others send or write, whole and damaged: the seeds of the fuzz targets (`scenarios/fuzz`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../scenarios/fuzz/harness/dns.rs"]
mod dns;
#[path = "../../scenarios/fuzz/harness/seeds.rs"]
pub(crate) mod harness;
#[path = "../../scenarios/fuzz/harness/manage.rs"]
mod manage;
#[path = "../../scenarios/fuzz/harness/question.rs"]
mod question;
#[path = "../../scenarios/fuzz/harness/rules.rs"]
pub(crate) mod rules;
#[path = "../../scenarios/fuzz/harness/update.rs"]
mod update;
#[path = "../../scenarios/fuzz/harness/zone.rs"]
pub(crate) mod zone;

#[test]
fn messages() {
    harness::each("dns", 200, dns::run);
}

#[test]
fn questions_to_the_challenge_servers() {
    harness::each("question", 40, question::run);
}

#[test]
fn calls_of_the_challenge_servers() {
    harness::each("manage", 40, manage::run);
}

#[test]
fn updates() {
    harness::each("update", 100, update::run);
}

#[test]
fn zone_files() {
    harness::each("zone", 300, zone::run);
}

#[test]
fn scripts_of_rules() {
    harness::each("rules", 200, rules::run);
}
