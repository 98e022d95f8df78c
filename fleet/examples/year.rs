//! How long a year takes: `cargo run --release -p fleet --example year -- 100000`. The number of certificates is
//! 100,000 if it is not given, their lifetime 45 days.

#![expect(clippy::print_stdout, reason = "a program")]

use std::time::Duration;

use fleet::plan::{Distribution, Lifetime, Plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let days = std::env::args().nth(2).map_or(Ok(45), |text| text.parse::<u64>())?;
    let mut plan = Plan::default();
    plan.certificates.distributions = vec![Distribution { count, per_domain: 10, ..Distribution::default() }];
    let lifetime = Duration::from_secs(days * 86_400);
    plan.ca.lifetimes = vec![Lifetime { from: None, lifetime, authorizations: None }];
    #[expect(clippy::disallowed_types, reason = "the time that the program takes, not a time in it")]
    let began = std::time::Instant::now();
    let outcome = fleet::run(&plan)?;
    let took = began.elapsed();
    print!("{}", fleet::text::summary(&outcome));
    let each = took.as_secs_f64() * 1e6 / (outcome.issued().max(1) as f64);
    println!("took      {:.2} s, {each:.2} µs for each certificate issued", took.as_secs_f64());
    Ok(())
}
