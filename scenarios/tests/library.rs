//! Every scenario of the library passes, and says where it comes from and why it happens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::{library, run};
use reports::Outcome;

#[test]
fn every_scenario_passes() {
    let names = library().names();
    assert!(names.iter().any(|n| n == "rancher-renewal"), "{names:?}");
    for name in names {
        let record = run(&name, &[]);
        assert_eq!(record.outcome, Outcome::Passed, "{name}\n{}", reports::differences(&record));
        let scenario = library().load(&name).unwrap().scenario;
        assert!(!scenario.cause.is_empty() && !scenario.source.is_empty(), "{name}");
    }
}
