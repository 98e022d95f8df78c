//! Annotations of Ingresses and Gateways that become fields of a Certificate.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use serde_json::Value;

use crate::api::{
    CertificateSpec, GoDuration, KeyUsage, PrivateKeyAlgorithm, PrivateKeyEncoding, PrivateKeyRotationPolicy,
    SecretTemplate, X509Subject,
};
use crate::compat::ShimAnnotations;

type Annotations = BTreeMap<String, String>;
/// Sets one field from an annotation's value.
type Setter = fn(&mut CertificateSpec, &str) -> Result<(), String>;

/// Every annotation without its `cert-manager.io/`: since when it counts, and what it sets. They are looked at in this
/// order, and the first that is wrong ends it.
const TABLE: &[(&str, ShimAnnotations, Setter)] = &[
    ("common-name", ShimAnnotations::Few, |spec, value| {
        spec.common_name = value.to_owned();
        Ok(())
    }),
    ("alt-names", ShimAnnotations::All, |spec, value| {
        spec.dns_names.extend(list(value));
        Ok(())
    }),
    ("ip-sans", ShimAnnotations::All, |spec, value| {
        spec.ip_addresses.extend(list(value));
        Ok(())
    }),
    ("email-sans", ShimAnnotations::Many, |spec, value| {
        spec.email_addresses = value.split(',').map(str::to_owned).collect();
        Ok(())
    }),
    ("subject-organizations", ShimAnnotations::Many, |spec, value| {
        subject(spec, |s| &mut s.organizations, value)
    }),
    ("subject-organizationalunits", ShimAnnotations::Many, |spec, value| {
        subject(spec, |s| &mut s.organizational_units, value)
    }),
    ("subject-countries", ShimAnnotations::Many, |spec, value| subject(spec, |s| &mut s.countries, value)),
    ("subject-provinces", ShimAnnotations::Many, |spec, value| subject(spec, |s| &mut s.provinces, value)),
    ("subject-localities", ShimAnnotations::Many, |spec, value| subject(spec, |s| &mut s.localities, value)),
    ("subject-postalcodes", ShimAnnotations::Many, |spec, value| {
        subject(spec, |s| &mut s.postal_codes, value)
    }),
    ("subject-streetaddresses", ShimAnnotations::Many, |spec, value| {
        subject(spec, |s| &mut s.street_addresses, value)
    }),
    ("subject-serialnumber", ShimAnnotations::Many, |spec, value| {
        if !value.is_empty() {
            spec.subject.get_or_insert_default().serial_number = value.to_owned();
        }
        Ok(())
    }),
    ("duration", ShimAnnotations::Few, |spec, value| {
        spec.duration = Some(duration(value)?);
        Ok(())
    }),
    ("renew-before", ShimAnnotations::Few, |spec, value| {
        spec.renew_before = Some(duration(value)?);
        Ok(())
    }),
    ("renew-before-percentage", ShimAnnotations::Many, |spec, value| {
        spec.renew_before_percentage = Some(integer(value, "ParseInt")?);
        Ok(())
    }),
    ("usages", ShimAnnotations::Few, |spec, value| {
        let usage = |text: &str| -> Result<KeyUsage, String> {
            named(text.trim_matches(' ')).ok_or_else(|| format!("invalid key usage name {text:?}"))
        };
        spec.usages = value.split(',').map(usage).collect::<Result<_, _>>()?;
        Ok(())
    }),
    ("revision-history-limit", ShimAnnotations::Many, |spec, value| {
        let limit = integer(value, "ParseInt")?;
        if limit < 1 {
            return Err(format!("revision history limit must be a positive number {value:?}"));
        }
        spec.revision_history_limit = Some(limit);
        Ok(())
    }),
    ("private-key-algorithm", ShimAnnotations::Many, |spec, value| {
        let algorithm: Option<PrivateKeyAlgorithm> = named(value);
        let algorithm = algorithm.ok_or_else(|| format!("invalid private key algorithm {value:?}"))?;
        spec.private_key.get_or_insert_default().algorithm = Some(algorithm);
        Ok(())
    }),
    ("private-key-encoding", ShimAnnotations::Many, |spec, value| {
        let encoding: Option<PrivateKeyEncoding> = named(value);
        let encoding = encoding.ok_or_else(|| format!("invalid private key encoding {value:?}"))?;
        spec.private_key.get_or_insert_default().encoding = Some(encoding);
        Ok(())
    }),
    ("private-key-size", ShimAnnotations::Many, key_size),
    ("private-key-rotation-policy", ShimAnnotations::Many, |spec, value| {
        let policy: Option<PrivateKeyRotationPolicy> = named(value);
        let policy = policy.ok_or_else(|| format!("invalid private key rotation policy {value:?}"))?;
        spec.private_key.get_or_insert_default().rotation_policy = Some(policy);
        Ok(())
    }),
    ("secret-template", ShimAnnotations::Many, secret_template),
];

/// Sets the fields that the annotations name, as far as the release knows them.
///
/// # Errors
/// The first annotation that is wrong, in the release's words.
pub(super) fn translate(
    spec: &mut CertificateSpec,
    annotations: &Annotations,
    known: ShimAnnotations,
) -> Result<(), String> {
    for (name, since, set) in TABLE.iter().filter(|(_, since, _)| *since <= known) {
        let _ = since;
        let key = format!("cert-manager.io/{name}");
        if let Some(value) = annotations.get(&key) {
            set(spec, value).map_err(|why| format!("invalid ingress annotation {key:?}: {why}"))?;
        }
    }
    Ok(())
}

/// A comma-separated list; nothing when it is empty.
fn list(value: &str) -> impl Iterator<Item = String> {
    value.split(',').filter(|_| !value.is_empty()).map(str::to_owned)
}

/// The variant of an enumeration with this text.
fn named<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

fn duration(value: &str) -> Result<GoDuration, String> {
    GoDuration::parse(value).map_err(|error| error.to_string())
}

/// A number of 32 bits, with the error of Go's function.
fn integer(value: &str, function: &str) -> Result<i32, String> {
    value.parse().map_err(|error: std::num::ParseIntError| {
        let range = matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
        let what = if range { "value out of range" } else { "invalid syntax" };
        format!("strconv.{function}: parsing {value:?}: {what}")
    })
}

fn subject(
    spec: &mut CertificateSpec,
    field: fn(&mut X509Subject) -> &mut Vec<String>,
    value: &str,
) -> Result<(), String> {
    let values = csv(value)?;
    if !values.is_empty() {
        *field(spec.subject.get_or_insert_default()) = values;
    }
    Ok(())
}

/// The fields of one line of comma-separated values. A field in quotation marks may have commas, and quotation marks
/// when they are doubled.
fn csv(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    if line.is_empty() {
        return Ok(fields);
    }
    let mut rest = line;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let Some((text, after)) = quoted.split_once('"') else {
                    return Err("parse error: extraneous or missing \" in quoted-field".to_owned());
                };
                field.push_str(text);
                let Some(more) = after.strip_prefix('"') else {
                    rest = after;
                    break;
                };
                field.push('"');
                quoted = more;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
            if field.contains('"') {
                return Err("parse error: bare \" in non-quoted-field".to_owned());
            }
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(fields),
            None => return Err("parse error: extraneous or missing \" in quoted-field".to_owned()),
        }
    }
}

fn key_size(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let size = integer(value, "Atoi")?;
    let key = spec.private_key.get_or_insert_default();
    let algorithm = key.algorithm.unwrap_or(PrivateKeyAlgorithm::Rsa);
    let fits = match algorithm {
        PrivateKeyAlgorithm::Rsa => (2048..=8192).contains(&size),
        PrivateKeyAlgorithm::Ecdsa => [256, 384, 521].contains(&size),
        PrivateKeyAlgorithm::Ed25519 => true,
    };
    match u32::try_from(size) {
        Ok(size) if fits => {
            key.size = size;
            Ok(())
        }
        _ => Err(format!("invalid private key size for {algorithm} algorithm {value:?}")),
    }
}

fn secret_template(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let template: SecretTemplate = serde_json::from_str(value)
        .map_err(|error| format!("error parsing secret template JSON: {error}"))?;
    if let Some(own) = template.annotations.keys().find(|key| key.starts_with("cert-manager.io/")) {
        return Err(format!("secretTemplate must not have cert-manager.io/ annotations: {own:?}"));
    }
    if !template.annotations.is_empty() || !template.labels.is_empty() {
        spec.secret_template = Some(template);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn translated(annotations: &[(&str, &str)], known: ShimAnnotations) -> Result<Value, String> {
        let annotations =
            annotations.iter().map(|(k, v)| (format!("cert-manager.io/{k}"), (*v).to_owned())).collect();
        let mut spec = CertificateSpec { dns_names: vec!["a.test".into()], ..CertificateSpec::default() };
        translate(&mut spec, &annotations, known)?;
        let mut json = serde_json::to_value(spec).unwrap();
        let fields = json.as_object_mut().unwrap();
        fields.remove("secretName");
        fields.remove("issuerRef");
        Ok(json)
    }

    #[test]
    fn every_annotation_becomes_a_field_in_the_releases_that_know_it() {
        use ShimAnnotations::{All, Few, Many};
        for (annotation, value, since, field) in [
            ("common-name", "a.test", Few, json!({"commonName": "a.test"})),
            ("duration", "2160h", Few, json!({"duration": "2160h0m0s"})),
            ("renew-before", "360h", Few, json!({"renewBefore": "360h0m0s"})),
            ("usages", "server auth, client auth", Few, json!({"usages": ["server auth", "client auth"]})),
            ("email-sans", "a@x.test,b@x.test", Many, json!({"emailAddresses": ["a@x.test", "b@x.test"]})),
            (
                "subject-organizations",
                "A,\"B, Inc.\"",
                Many,
                json!({"subject": {"organizations": ["A", "B, Inc."]}}),
            ),
            ("subject-organizationalunits", "A", Many, json!({"subject": {"organizationalUnits": ["A"]}})),
            ("subject-countries", "DE", Many, json!({"subject": {"countries": ["DE"]}})),
            ("subject-provinces", "A", Many, json!({"subject": {"provinces": ["A"]}})),
            ("subject-localities", "A", Many, json!({"subject": {"localities": ["A"]}})),
            ("subject-postalcodes", "1", Many, json!({"subject": {"postalCodes": ["1"]}})),
            ("subject-streetaddresses", "1 A St", Many, json!({"subject": {"streetAddresses": ["1 A St"]}})),
            ("subject-serialnumber", "7", Many, json!({"subject": {"serialNumber": "7"}})),
            ("renew-before-percentage", "30", Many, json!({"renewBeforePercentage": 30})),
            ("revision-history-limit", "7", Many, json!({"revisionHistoryLimit": 7})),
            ("private-key-algorithm", "ECDSA", Many, json!({"privateKey": {"algorithm": "ECDSA"}})),
            ("private-key-encoding", "PKCS8", Many, json!({"privateKey": {"encoding": "PKCS8"}})),
            ("private-key-size", "4096", Many, json!({"privateKey": {"size": 4096}})),
            (
                "private-key-rotation-policy",
                "Always",
                Many,
                json!({"privateKey": {"rotationPolicy": "Always"}}),
            ),
            (
                "secret-template",
                r#"{"labels":{"a":"b"}}"#,
                Many,
                json!({"secretTemplate": {"labels": {"a": "b"}}}),
            ),
            ("ip-sans", "10.0.0.1,::1", All, json!({"ipAddresses": ["10.0.0.1", "::1"]})),
            ("alt-names", "b.test", All, json!({"dnsNames": ["a.test", "b.test"]})),
        ] {
            for known in [Few, Many, All] {
                let mut expected = json!({"dnsNames": ["a.test"]});
                if known >= since {
                    expected.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
                }
                assert_eq!(
                    translated(&[(annotation, value)], known).unwrap(),
                    expected,
                    "{annotation} {known:?}"
                );
            }
        }
    }

    #[test]
    fn wrong_values_are_errors_in_the_releases_words() {
        let error = |annotation: &str, value: &str| {
            let text = translated(&[(annotation, value)], ShimAnnotations::All).unwrap_err();
            let start = format!("invalid ingress annotation \"cert-manager.io/{annotation}\": ");
            text.strip_prefix(&start).unwrap().to_owned()
        };
        assert_eq!(error("duration", "x"), r#"time: invalid duration "x""#);
        assert_eq!(error("renew-before", "3d"), r#"time: unknown unit "d" in duration "3d""#);
        assert_eq!(error("usages", "server auth, fly"), r#"invalid key usage name " fly""#);
        assert_eq!(
            error("revision-history-limit", "0"),
            r#"revision history limit must be a positive number "0""#
        );
        let syntax = r#"strconv.ParseInt: parsing "x": invalid syntax"#;
        assert_eq!(error("revision-history-limit", "x"), syntax);
        let range = r#"strconv.ParseInt: parsing "3000000000": value out of range"#;
        assert_eq!(error("renew-before-percentage", "3000000000"), range);
        assert_eq!(error("private-key-algorithm", "DSA"), r#"invalid private key algorithm "DSA""#);
        assert_eq!(error("private-key-encoding", "DER"), r#"invalid private key encoding "DER""#);
        assert_eq!(error("private-key-size", "1024"), r#"invalid private key size for RSA algorithm "1024""#);
        assert_eq!(error("private-key-size", "x"), r#"strconv.Atoi: parsing "x": invalid syntax"#);
        assert_eq!(error("private-key-rotation-policy", "x"), r#"invalid private key rotation policy "x""#);
        assert!(error("secret-template", "{\"x\":1}").starts_with("error parsing secret template JSON: "));
        assert_eq!(
            error("secret-template", r#"{"annotations":{"cert-manager.io/x":"y"}}"#),
            r#"secretTemplate must not have cert-manager.io/ annotations: "cert-manager.io/x""#
        );
        assert!(error("subject-organizations", "a\"b").starts_with("parse error: bare"));
        assert!(error("subject-organizations", "\"b").starts_with("parse error: extraneous"));
    }

    #[test]
    fn the_size_goes_with_the_algorithm() {
        let of = |algorithm: &str, size: &str| {
            let both = [("private-key-algorithm", algorithm), ("private-key-size", size)];
            translated(&both, ShimAnnotations::Many)
        };
        assert!(of("ECDSA", "384").is_ok());
        assert!(
            of("ECDSA", "2048")
                .unwrap_err()
                .ends_with(r#"invalid private key size for ECDSA algorithm "2048""#)
        );
    }
}
