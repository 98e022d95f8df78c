//! Which controllers a process runs (`--controllers`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::manifest::suggest::nearest;

/// The controllers that there are, by the names that cert-manager gives them.
const KNOWN: &[&str] = &[
    "certificaterequests-approver",
    "certificaterequests-issuer-acme",
    "certificaterequests-issuer-ca",
    "certificaterequests-issuer-selfsigned",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
    "certificates-issuing",
    "certificates-key-manager",
    "certificates-readiness",
    "certificates-request-manager",
    "certificates-revision-manager",
    "certificates-trigger",
    "challenges",
    "clusterissuers",
    "gateway-shim",
    "ingress-shim",
    "issuers",
    "orders",
];

/// A name that is none of a controller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not in the list of known controllers{}", nearest.map_or(String::new(), |n| format!("; did you mean {n:?}?")))]
pub struct UnknownController {
    name: String,
    nearest: Option<&'static str>,
}

/// The controllers that run: all of them, unless something else is said.
///
/// Written as cert-manager's option: `*` for all, a name for one more, `-` before a name for one that does not run,
/// wherever in the list it stands; where there are only such, `*` goes without saying. (1.7 runs nothing then.)
/// The gateway-shim runs only with the Gateway API ([`EngineConfig::gateway_api`](crate::EngineConfig)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Controllers(BTreeSet<&'static str>);

impl Default for Controllers {
    fn default() -> Self {
        Controllers(KNOWN.iter().copied().collect())
    }
}

impl TryFrom<Vec<String>> for Controllers {
    type Error = UnknownController;

    fn try_from(list: Vec<String>) -> Result<Self, UnknownController> {
        let (mut enabled, mut disabled) = (BTreeSet::new(), BTreeSet::new());
        for entry in &list {
            match entry.strip_prefix('-') {
                _ if entry == "*" => enabled.extend(KNOWN),
                Some(name) => drop(disabled.insert(known(name)?)),
                None => drop(enabled.insert(known(entry)?)),
            }
        }
        if enabled.is_empty() && !disabled.is_empty() {
            enabled.extend(KNOWN);
        }
        Ok(Controllers(enabled.difference(&disabled).copied().collect()))
    }
}

impl From<Controllers> for Vec<String> {
    fn from(controllers: Controllers) -> Vec<String> {
        if controllers == Controllers::default() {
            return vec!["*".to_owned()];
        }
        controllers.0.into_iter().map(str::to_owned).collect()
    }
}

fn known(name: &str) -> Result<&'static str, UnknownController> {
    let found = KNOWN.iter().copied().find(|known| *known == name);
    found.ok_or_else(|| UnknownController { name: name.to_owned(), nearest: nearest(name, KNOWN) })
}

impl Controllers {
    /// Whether the controller of this name runs.
    pub fn runs(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[&str]) -> Result<Controllers, UnknownController> {
        Controllers::try_from(list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_list_names_who_runs_and_a_minus_who_does_not() {
        assert_eq!(of(&["*"]), Ok(Controllers::default()));
        let one = of(&["orders", "challenges", "-orders"]).unwrap();
        assert!(one.runs("challenges") && !one.runs("orders") && !one.runs("issuers"));
        for without in [&["*", "-certificaterequests-approver"][..], &["-certificaterequests-approver"]] {
            let without = of(without).unwrap();
            assert!(without.runs("orders") && !without.runs("certificaterequests-approver"));
        }
        assert_eq!(Vec::from(Controllers::default()), ["*"]);
        assert_eq!(Vec::from(one), ["challenges"]);
        assert_eq!(of(&[]), Ok(Controllers(BTreeSet::new())));
    }

    #[test]
    fn a_name_that_is_none_is_told_with_the_nearest_one() {
        let text = |name: &str| of(&[name]).unwrap_err().to_string();
        assert_eq!(
            text("order"),
            "\"order\" is not in the list of known controllers; did you mean \"orders\"?"
        );
        assert_eq!(text("-nonsense"), "\"nonsense\" is not in the list of known controllers");
    }
}
