//! The examples of RFC 8659 and RFC 8657, and a model of tree climbing.

use proptest::prelude::*;

use super::*;

fn records(list: &[(u8, &str, &str)]) -> Vec<Property> {
    let record = |(flags, tag, value): &(u8, &str, &str)| Property {
        critical: flags & 0x80 != 0,
        tag: (*tag).to_owned(),
        value: value.as_bytes().to_vec(),
    };
    list.iter().map(record).collect()
}

const ACCOUNT: &str = "https://ca1.example.net/acct/7";

/// For which of a name and a wildcard ca1.example.net may issue, to account 7 by http-01.
fn permitted(list: &[(u8, &str, &str)]) -> (bool, bool) {
    let identities = ["ca1.example.net".to_owned()];
    let issuance = |wildcard| Issuance {
        wildcard,
        identities: &identities,
        account_url: ACCOUNT,
        method: if wildcard { "dns-01" } else { "http-01" },
    };
    let records = records(list);
    (permits(&records, &issuance(false)), permits(&records, &issuance(true)))
}

#[test]
fn examples_of_rfc_8659() {
    for (list, expected) in [
        // Section 4.1.1 and 4.2.
        (&[][..], (true, true)),
        (&[(0, "issue", "ca1.example.net"), (0, "issue", "ca2.example.org")][..], (true, true)),
        (&[(0, "issue", "ca2.example.org")][..], (false, false)),
        (&[(0, "issue", ";")][..], (false, false)),
        (&[(0, "issue", "")][..], (false, false)),
        (&[(0, "issue", "%%%%%")][..], (false, false)),
        (&[(0, "issue", ";"), (0, "issue", "ca1.example.net")][..], (true, true)),
        (&[(0, "issue", "ca1.example.net; account=230123")][..], (true, true)),
        // Section 4.3: wildcards.
        (&[(0, "issue", "ca1.example.net"), (0, "issuewild", "ca2.example.org")][..], (true, false)),
        (&[(0, "issue", "ca2.example.org"), (0, "issuewild", "ca1.example.net")][..], (false, true)),
        (&[(0, "issue", "ca1.example.net"), (0, "issuewild", ";")][..], (true, false)),
        (&[(0, "issuewild", "ca2.example.org")][..], (true, false)),
        // Section 4.4 and 4.5: what does not restrict, and what is critical.
        (&[(0, "iodef", "mailto:security@example.com")][..], (true, true)),
        (&[(128, "iodef", "https://iodef.example.com/")][..], (true, true)),
        (&[(0, "issue", "ca1.example.net"), (128, "tbs", "Unknown")][..], (false, false)),
        (&[(0, "issue", "ca1.example.net"), (0, "tbs", "Unknown")][..], (true, true)),
        (&[(1, "tbs", "Unknown")][..], (true, true)),
        (&[(128, "issue", "ca1.example.net")][..], (true, true)),
        // Tags and names are of either case (section 4.1).
        (&[(0, "ISSUE", "CA1.Example.NET")][..], (true, true)),
        (&[(0, "Issue", "ca2.example.org")][..], (false, false)),
        (&[(0, "issue", "x.ca1.example.net")][..], (false, false)),
    ] {
        assert_eq!(permitted(list), expected, "{list:?}");
    }
}

#[test]
fn accounts_and_methods_of_rfc_8657() {
    for (value, expected) in [
        ("ca1.example.net; accounturi=https://ca1.example.net/acct/7", (true, true)),
        ("ca1.example.net; ACCOUNTURI=https://ca1.example.net/acct/7", (true, true)),
        ("ca1.example.net; accounturi=https://ca1.example.net/acct/8", (false, false)),
        ("ca1.example.net; accounturi=https://CA1.example.net/acct/7", (false, false)),
        ("ca1.example.net; accounturi=", (false, false)),
        (
            "ca1.example.net; accounturi=https://ca1.example.net/acct/7; accounturi=https://ca1.example.net/acct/8",
            (false, false),
        ),
        ("ca1.example.net; validationmethods=dns-01", (false, true)),
        ("ca1.example.net; validationmethods=http-01,dns-01", (true, true)),
        ("ca1.example.net; validationmethods=HTTP-01", (false, false)),
        ("ca1.example.net; validationmethods=", (false, false)),
        ("ca1.example.net; validationmethods=http-01; validationmethods=http-01", (false, false)),
        (
            "ca1.example.net; accounturi=https://ca1.example.net/acct/7; validationmethods=http-01",
            (true, false),
        ),
        (
            "ca1.example.net; accounturi=https://ca1.example.net/acct/8; validationmethods=http-01",
            (false, false),
        ),
    ] {
        assert_eq!(permitted(&[(0, "issue", value)]), expected, "{value}");
    }
}

#[test]
fn only_names_above_a_zone_are_above_it() {
    for (level, zone, expected) in [
        ("com", Some("example.com"), true),
        ("example.com", Some("example.com"), false),
        ("www.example.com", Some("example.com"), false),
        ("ample.com", Some("example.com"), false),
        ("com", None, false),
    ] {
        assert_eq!(is_above(level, zone), expected, "{level} {zone:?}");
    }
}

fn any_property() -> impl Strategy<Value = Property> {
    let tag = prop_oneof![Just("issue"), Just("issuewild"), Just("iodef"), Just("tbs")];
    let value = prop_oneof![
        Just(&b"ca1.example.net"[..]),
        Just(&b"ca2.example.org"[..]),
        Just(&b";"[..]),
        Just(&b"\xff"[..])
    ];
    (any::<bool>(), tag, value).prop_map(|(critical, tag, value)| Property {
        critical,
        tag: tag.to_owned(),
        value: value.to_vec(),
    })
}

proptest! {
    #[test]
    fn deciding_never_panics(
        list in proptest::collection::vec((any::<bool>(), "[a-zA-Z0-9]{0,6}", any::<Vec<u8>>()), 0..6),
    ) {
        let list: Vec<_> =
            list.into_iter().map(|(critical, tag, value)| Property { critical, tag, value }).collect();
        let _ = permits(&list, &Issuance { wildcard: true, identities: &[], account_url: "", method: "" });
    }

    /// The sentences of RFC 8659 sections 4.2 to 4.5 for a CA that is asked without parameters.
    #[test]
    fn records_decide_as_the_sentences_say(
        list in proptest::collection::vec(any_property(), 0..5),
        wildcard in any::<bool>(),
    ) {
        let identities = ["ca1.example.net".to_owned()];
        let issuance = Issuance { wildcard, identities: &identities, account_url: "", method: "dns-01" };
        let with = |tag: &str| list.iter().filter(|p| p.tag == tag).collect::<Vec<_>>();
        let ours = |list: &[&Property]| list.iter().any(|p| p.value == b"ca1.example.net");
        let refused = with("tbs").iter().any(|p| p.critical);
        let model = match (wildcard, with("issuewild"), with("issue")) {
            (true, wild, _) if !wild.is_empty() => ours(&wild),
            (_, _, issue) => issue.is_empty() || ours(&issue),
        };
        prop_assert_eq!(permits(&list, &issuance), model && !refused);
    }
}
