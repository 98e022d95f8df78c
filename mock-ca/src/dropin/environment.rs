//! Pebble's environment variables. Its two slips are not repeated: `PEBBLE_AUTHZREUSE=0` uses no
//! authorization again (there it is one in a hundred), and more than 100 % is 100 % (there it is 99 %, while
//! 100 is 100).

use std::time::Duration;

use super::hierarchy::HierarchyOptions;
use crate::config::Config;

/// What the environment says; without a value, the variable is not there or says nothing that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `PEBBLE_VA_NOSLEEP`: validation starts at once.
    pub no_sleep: bool,
    /// `PEBBLE_VA_SLEEPTIME`: a validation waits for whole seconds below this.
    pub sleep_time: Option<u64>,
    /// `PEBBLE_VA_ALWAYS_VALID`: every challenge passes.
    pub always_valid: bool,
    /// `PEBBLE_WFE_NONCEREJECT`: how many of a hundred good nonces are refused.
    pub nonce_reject: Option<u8>,
    /// `PEBBLE_AUTHZREUSE`: how many of a hundred valid authorizations are used again.
    pub authz_reuse: Option<u8>,
    /// `PEBBLE_WFE_ORDERS_PER_PAGE`.
    pub orders_per_page: Option<usize>,
    /// `PEBBLE_ALTERNATE_ROOTS`.
    pub alternate_roots: Option<u16>,
    /// `PEBBLE_CHAIN_LENGTH`.
    pub chain_length: Option<u16>,
    /// What was not understood, in sentences.
    pub warnings: Vec<String>,
}

impl Environment {
    /// Reads the variables that `get` knows.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let mut warnings = Vec::new();
        let flag =
            |name: &str| get(name).is_some_and(|v| matches!(v.as_str(), "1" | "true" | "True" | "TRUE"));
        let mut number = |name: &str, least: i64, most: i64| -> Option<i64> {
            let text = get(name).filter(|text| !text.is_empty())?;
            match text.parse::<i64>() {
                Ok(n) if n >= least => Some(n.min(most)),
                Ok(_) | Err(_) => {
                    warnings.push(format!(
                        "{name}: {text:?} is no whole number from {least} on; it does not count"
                    ));
                    None
                }
            }
        };
        // A percentage below zero is zero.
        let percent = |n: i64| u8::try_from(n.max(0)).unwrap_or(100);
        let sleep_time = number("PEBBLE_VA_SLEEPTIME", 1, i64::MAX).and_then(|n| u64::try_from(n).ok());
        let nonce_reject = number("PEBBLE_WFE_NONCEREJECT", i64::MIN, 100).map(percent);
        let authz_reuse = number("PEBBLE_AUTHZREUSE", i64::MIN, 100).map(percent);
        let per_page = number("PEBBLE_WFE_ORDERS_PER_PAGE", 1, i64::MAX);
        let few = |n: Option<i64>| n.and_then(|n| u16::try_from(n).ok());
        let alternate_roots = few(number("PEBBLE_ALTERNATE_ROOTS", 0, ALTERNATE_ROOTS_MAX));
        let chain_length = few(number("PEBBLE_CHAIN_LENGTH", 1, CHAIN_LENGTH_MAX));
        Environment {
            no_sleep: flag("PEBBLE_VA_NOSLEEP"),
            sleep_time,
            always_valid: flag("PEBBLE_VA_ALWAYS_VALID"),
            nonce_reject,
            authz_reuse,
            orders_per_page: per_page.and_then(|n| usize::try_from(n).ok()),
            alternate_roots,
            chain_length,
            warnings,
        }
    }

    pub(super) fn apply(&self, config: &mut Config, hierarchy: &mut HierarchyOptions) {
        let chance = &mut config.randomness;
        if let Some(seconds) = self.sleep_time {
            chance.validation_sleep = Duration::from_secs(seconds);
        }
        if self.no_sleep {
            chance.validation_sleep = Duration::ZERO;
        }
        chance.nonce_reject_percent = self.nonce_reject.unwrap_or(chance.nonce_reject_percent);
        chance.authz_reuse_percent = self.authz_reuse.or(chance.authz_reuse_percent);
        config.always_valid |= self.always_valid;
        config.orders_per_page = self.orders_per_page.unwrap_or(config.orders_per_page);
        hierarchy.alternate_roots = self.alternate_roots.unwrap_or(hierarchy.alternate_roots);
        hierarchy.chain_length = self.chain_length.unwrap_or(hierarchy.chain_length);
    }
}

/// Each root is a key and certificates to be made: a typing error must not keep the server from starting.
const ALTERNATE_ROOTS_MAX: i64 = 100;
/// The same for intermediates of each chain.
const CHAIN_LENGTH_MAX: i64 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Randomness;

    fn of(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn nothing_changes_nothing() {
        assert_eq!(of(&[]), Environment::default());
        let mut config = Config { randomness: Randomness::pebble(), ..Config::pebble() };
        let before = config.clone();
        of(&[("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "")])
            .apply(&mut config, &mut HierarchyOptions::default());
        assert_eq!(config, before);
    }

    #[test]
    fn every_variable_has_its_place() {
        let mut config = Config { randomness: Randomness::pebble(), ..Config::pebble() };
        let mut hierarchy = HierarchyOptions::default();
        let environment = of(&[
            ("PEBBLE_VA_SLEEPTIME", "9"),
            ("PEBBLE_VA_ALWAYS_VALID", "True"),
            ("PEBBLE_WFE_NONCEREJECT", "20"),
            ("PEBBLE_AUTHZREUSE", "100"),
            ("PEBBLE_WFE_ORDERS_PER_PAGE", "15"),
            ("PEBBLE_ALTERNATE_ROOTS", "2"),
            ("PEBBLE_CHAIN_LENGTH", "3"),
        ]);
        environment.apply(&mut config, &mut hierarchy);
        let chance = &config.randomness;
        assert_eq!(chance.validation_sleep, Duration::from_secs(9));
        assert_eq!((chance.nonce_reject_percent, chance.authz_reuse_percent), (20, Some(100)));
        assert_eq!((config.always_valid, config.orders_per_page), (true, 15));
        assert_eq!((hierarchy.alternate_roots, hierarchy.chain_length), (2, 3));
        of(&[("PEBBLE_VA_SLEEPTIME", "9"), ("PEBBLE_VA_NOSLEEP", "1")]).apply(&mut config, &mut hierarchy);
        assert_eq!(config.randomness.validation_sleep, Duration::ZERO);
    }

    #[test]
    fn numbers_at_their_ends() {
        for (text, percent) in
            [("-5", Some(0)), ("0", Some(0)), ("100", Some(100)), ("101", Some(100)), ("x", None)]
        {
            let environment = of(&[("PEBBLE_WFE_NONCEREJECT", text), ("PEBBLE_AUTHZREUSE", text)]);
            assert_eq!((environment.nonce_reject, environment.authz_reuse), (percent, percent), "{text}");
        }
        let environment = of(&[
            ("PEBBLE_VA_SLEEPTIME", "0"),
            ("PEBBLE_WFE_ORDERS_PER_PAGE", "0"),
            ("PEBBLE_ALTERNATE_ROOTS", "-1"),
            ("PEBBLE_CHAIN_LENGTH", "0"),
        ]);
        let nothing = Environment { warnings: environment.warnings.clone(), ..Environment::default() };
        assert_eq!(environment, nothing);
        assert_eq!(environment.warnings.len(), 4);
        assert_eq!(
            environment.warnings[0],
            "PEBBLE_VA_SLEEPTIME: \"0\" is no whole number from 1 on; it does not count"
        );
    }
}
