//! The certificate that a server shows for tls-alpn-01, DER.

use mock_ca::policy::{DnsName, Identifier};
use mock_ca::va::certificate::check;

/// Whether it passes for `a.test` and the digest of `token.key`.
pub(crate) fn run(der: &[u8]) -> bool {
    let digest = world::sha256(b"token.key");
    let identifier = Identifier::Dns(DnsName::unchecked("a.test"));
    let [exact, lenient] = [true, false].map(|exact| check(der, &identifier, &digest, exact));
    // Boulder's care takes nothing that Pebble does not.
    assert!(exact.is_err() || lenient.is_ok(), "{lenient:?}");
    for flaw in [&exact, &lenient].into_iter().filter_map(|checked| checked.as_ref().err()) {
        assert!(!flaw.to_string().is_empty());
    }
    lenient.is_ok()
}
