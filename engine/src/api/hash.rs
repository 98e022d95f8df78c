//! Names that contain a hash of an object, computed as cert-manager computes them.
//!
//! An Order is called `<CertificateRequest>-<hash of the Order's specification>`, a Challenge
//! `<Order>-<hash of the Challenge's specification>`: FNV-1 with 32 bits over Go's JSON.

use serde::Serialize;

/// FNV-1 (not 1a) with 32 bits, as Go's `fnv.New32`.
pub fn fnv1_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte))
}

/// Compact JSON as Go's `encoding/json` writes it: `<`, `>`, `&` and the two line separators of Unicode are
/// escaped. A value that has no JSON form gives an empty text.
pub fn go_json(value: &impl Serialize) -> String {
    // None of the API types can fail: all their keys are strings.
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut escaped = String::with_capacity(json.len());
    // Outside of strings none of these characters occurs, so that no parse is needed.
    for c in json.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `<prefix, shortened to 52>-<FNV-1 of the object's JSON, in decimal>`.
pub fn compute_name(prefix: &str, object: &impl Serialize) -> String {
    format!("{}-{}", shorten_to_52(prefix), fnv1_32(go_json(object).as_bytes()))
}

/// The first 52 characters of a name that is as long or longer, without non-alphanumerics at the end.
pub fn shorten_to_52(name: &str) -> &str {
    shorten(name, 52)
}

/// The same for any length.
pub fn shorten(name: &str, length: usize) -> &str {
    if name.len() < length {
        return name;
    }
    let cut = name.char_indices().nth(length).map_or(name, |(end, _)| &name[..end]);
    cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::super::{AcmeChallengeSolver, ChallengeSpec, ObjectReference, OrderSpec};
    use super::*;

    fn rancher() -> ObjectReference {
        ObjectReference { name: "rancher".into(), kind: "Issuer".into(), group: "cert-manager.io".into() }
    }

    #[test]
    fn an_order_has_the_name_that_the_log_shows() {
        let spec = OrderSpec {
            issuer_ref: rancher(),
            dns_names: vec!["rancher.ewhisper.cn".into()],
            ..OrderSpec::default()
        };
        assert_eq!(
            go_json(&spec),
            r#"{"request":null,"issuerRef":{"name":"rancher","kind":"Issuer","group":"cert-manager.io"},"dnsNames":["rancher.ewhisper.cn"]}"#
        );
        assert_eq!(compute_name("tls-rancher-ingress-5j9mm", &spec), "tls-rancher-ingress-5j9mm-2528720963");
    }

    #[test]
    fn an_order_of_two_names_has_the_name_that_its_author_saw() {
        let spec = OrderSpec {
            issuer_ref: ObjectReference {
                name: "dnspod".into(),
                kind: "ClusterIssuer".into(),
                group: "cert-manager.io".into(),
            },
            dns_names: vec!["ewhisper.cn".into(), "*.ewhisper.cn".into()],
            ..OrderSpec::default()
        };
        assert_eq!(fnv1_32(go_json(&spec).as_bytes()), 2_449_993_249);
    }

    #[test]
    fn a_challenge_has_the_name_that_the_log_shows() {
        let token = "bN3yq0T1x8VdJmQkR5sW7uZaCeFgHiLoPnS2tY4vXwE";
        let spec = ChallengeSpec {
            url: "https://acme-v02.api.letsencrypt.org/acme/chall-v3/106244123456/cgT1bO".into(),
            authorization_url: "https://acme-v02.api.letsencrypt.org/acme/authz-v3/106244123456".into(),
            dns_name: "rancher.ewhisper.cn".into(),
            token: token.into(),
            key: format!("{token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"),
            solver: serde_json::from_str::<AcmeChallengeSolver>(
                r#"{"http01":{"ingress":{"class":"nginx"}}}"#,
            )
            .unwrap(),
            issuer_ref: rancher(),
            ..ChallengeSpec::default()
        };
        assert_eq!(fnv1_32(go_json(&spec).as_bytes()), 983_401_508);
    }

    #[test]
    fn json_is_escaped_as_in_go() {
        assert_eq!(go_json(&"a<b>&\u{2028}\u{e9}\""), r#""a\u003cb\u003e\u0026\u2028é\"""#);
    }

    #[test]
    fn long_names_are_cut_at_an_alphanumeric() {
        let short = "a".repeat(51);
        assert_eq!(shorten_to_52(&short), short);
        assert_eq!(shorten_to_52(&format!("{}.--{}", "a".repeat(49), "b".repeat(9))), "a".repeat(49));
        assert_eq!(shorten_to_52(&"é".repeat(60)), "");
    }
}
