//! What others send or write, whole and damaged: the seeds of the fuzz targets (`scenarios/fuzz`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../scenarios/fuzz/harness/dns.rs"]
mod dns;
#[path = "../../scenarios/fuzz/harness/manage.rs"]
mod manage;
#[path = "../../scenarios/fuzz/harness/question.rs"]
mod question;
#[path = "../../scenarios/fuzz/harness/rules.rs"]
mod rules;
#[path = "../../scenarios/fuzz/harness/seeds.rs"]
mod seeds;
#[path = "../../scenarios/fuzz/harness/update.rs"]
mod update;
#[path = "../../scenarios/fuzz/harness/zone.rs"]
mod zone;

#[test]
fn messages() {
    seeds::each("dns", 200, dns::run);
}

#[test]
fn questions_to_the_challenge_servers() {
    seeds::each("question", 40, question::run);
}

#[test]
fn calls_of_the_challenge_servers() {
    seeds::each("manage", 40, manage::run);
}

#[test]
fn updates() {
    seeds::each("update", 100, update::run);
}

#[test]
fn zone_files() {
    seeds::each("zone", 300, zone::run);
}

#[test]
fn scripts_of_rules() {
    seeds::each("rules", 200, rules::run);
}
