//! CAA records, one a line: flags, tag, value.

use mock_ca::va::caa::{Issuance, Property, permits};
use mock_ca::va::issuer::IssueValue;

/// Whether they let `ca.test` issue a name or a wildcard.
pub(crate) fn run(lines: &[u8]) -> bool {
    let mut records = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (Some(flags), Some(tag), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if let Some(read) = IssueValue::parse(value) {
            assert!(read.all("").next().is_none(), "a parameter without a name");
        }
        let tag = String::from_utf8_lossy(tag).into_owned();
        records.push(Property { critical: flags == b"128", tag, value: value.to_vec() });
    }
    let identities = ["ca.test".to_owned()];
    let account_url = "https://ca.test/acct/1";
    let [name, wildcard] = [false, true].map(|wildcard| {
        permits(&records, &Issuance { wildcard, identities: &identities, account_url, method: "dns-01" })
    });
    // What nobody understands forbids, whatever else is there.
    records.push(Property { critical: true, tag: "unheard-of".to_owned(), value: Vec::new() });
    let issuance = Issuance { wildcard: false, identities: &identities, account_url, method: "dns-01" };
    assert!(!permits(&records, &issuance));
    name || wildcard
}
