//! The body of an ACME request: it is read, or what is wrong with it is said.

use mock_ca::dialect::DialectName;
use mock_ca::problem::Problem;
use mock_ca::wfe::jws::{Identity, Jws};

/// Whether a dialect reads it.
pub(crate) fn run(body: &[u8]) -> bool {
    let mut accepted = false;
    for dialect in [DialectName::Boulder, DialectName::Pebble] {
        let Some(jws) = told(Jws::parse(body, dialect.table())) else { continue };
        accepted = true;
        if let Some(Some(Identity::Key(key))) = told(jws.identity()) {
            assert!(!key.thumbprint().is_empty());
            if let Err(weak) = key.check_strength() {
                assert!(!weak.to_string().is_empty());
            }
            told(jws.verify_signature(&key));
        }
        if let Some(payload) = told(jws.payload()) {
            assert!(payload.member("").is_none() || payload.json().is_object());
        }
        told(jws.check_url(jws.url().unwrap_or_default()));
    }
    accepted
}

fn told<T>(read: Result<T, Problem>) -> Option<T> {
    read.map_err(|problem| assert!(!problem.detail.is_empty(), "{problem:?}")).ok()
}
