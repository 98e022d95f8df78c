//! Subjects: from the fields of a Certificate, or from its `literalSubject` in the form of RFC 4514.

use x509_parser::x509::X509Name;

use super::{PkiError, der};
use crate::api::{CertificateSpec, X509Subject};
use crate::compat::Features;

/// Attribute types that RFC 4514 strings name, as cert-manager knows them.
const TYPES: &[(&str, &str)] = &[
    ("C", "2.5.4.6"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("CN", COMMON_NAME),
    ("SERIALNUMBER", SERIAL_NUMBER),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
];
const COMMON_NAME: &str = "2.5.4.3";
const SERIAL_NUMBER: &str = "2.5.4.5";

/// The lists of a subject by attribute type, in the order that Go writes them.
type List = (&'static str, fn(&X509Subject) -> &Vec<String>, fn(&mut X509Subject) -> &mut Vec<String>);
const LISTS: &[List] = &[
    ("2.5.4.6", |s| &s.countries, |s| &mut s.countries),
    ("2.5.4.10", |s| &s.organizations, |s| &mut s.organizations),
    ("2.5.4.11", |s| &s.organizational_units, |s| &mut s.organizational_units),
    ("2.5.4.7", |s| &s.localities, |s| &mut s.localities),
    ("2.5.4.8", |s| &s.provinces, |s| &mut s.provinces),
    ("2.5.4.9", |s| &s.street_addresses, |s| &mut s.street_addresses),
    ("2.5.4.17", |s| &s.postal_codes, |s| &mut s.postal_codes),
];

/// A subject in DER and its common name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) der: Vec<u8>,
    pub(crate) common_name: String,
}

impl Subject {
    /// Whether it names nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.der == [der::SEQUENCE, 0]
    }
}

fn attribute(type_: &str, value: &[u8]) -> Result<Vec<u8>, PkiError> {
    Ok(der::sequence([der::oid(type_)?.as_slice(), value]))
}

/// The subject that a Certificate asks for.
///
/// # Errors
/// [`PkiError`] for a `literalSubject` that cannot be read.
pub(crate) fn of_spec(spec: &CertificateSpec, features: &Features) -> Result<Subject, PkiError> {
    if features.literal_subject && !spec.literal_subject.is_empty() {
        return literal(&spec.literal_subject);
    }
    let subject = spec.subject.clone().unwrap_or_default();
    of_fields(&subject, &spec.common_name)
}

/// A subject of single fields: one set per type, as Go writes it.
pub(crate) fn of_fields(subject: &X509Subject, common_name: &str) -> Result<Subject, PkiError> {
    let mut sets = Vec::new();
    for (type_, list, _) in LISTS {
        let values = list(subject).iter().map(|value| attribute(type_, &der::text(value)));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        if !values.is_empty() {
            sets.push(der::set_of(values));
        }
    }
    for (type_, value) in [(COMMON_NAME, common_name), (SERIAL_NUMBER, &subject.serial_number)] {
        if !value.is_empty() {
            sets.push(der::set_of(vec![attribute(type_, &der::text(value))?]));
        }
    }
    Ok(Subject { der: der::sequence(sets), common_name: common_name.to_owned() })
}

/// The fields of a name that was read. What is no text is left out.
pub(crate) fn read(name: &X509Name<'_>) -> X509Subject {
    let mut subject = X509Subject::default();
    for attribute in name.iter_attributes() {
        let Ok(value) = attribute.as_str() else { continue };
        let type_ = attribute.attr_type().to_id_string();
        if type_ == SERIAL_NUMBER {
            value.clone_into(&mut subject.serial_number);
        }
        if let Some((.., list)) = LISTS.iter().find(|(known, ..)| *known == type_) {
            list(&mut subject).push(value.to_owned());
        }
    }
    subject
}

/// Reads an RFC 4514 string. Its last part is the first of the DER.
///
/// # Errors
/// [`PkiError`] says what is wrong and at which part.
pub(crate) fn literal(text: &str) -> Result<Subject, PkiError> {
    let mut common_name = None;
    let mut sets = Vec::new();
    for relative in split(text, &[',', ';'])?.into_iter().rev() {
        let mut attributes = Vec::new();
        for pair in split(relative, &['+'])? {
            let (type_, value) = pair
                .split_once('=')
                .ok_or_else(|| PkiError(format!("DN ended with incomplete type, value pair: {pair:?}")))?;
            let type_ = type_.trim();
            let known = TYPES.iter().find(|(name, _)| *name == type_);
            let oid = known.map_or_else(|| type_.strip_prefix("oid.").unwrap_or(type_), |(_, oid)| oid);
            let value = Value::parse(value)?;
            if oid == COMMON_NAME
                && let Value::Text(name) = &value
            {
                common_name.get_or_insert_with(|| name.clone());
            }
            attributes.push(attribute(oid, &value.into_der())?);
        }
        sets.push(der::set_of(attributes));
    }
    Ok(Subject { der: der::sequence(sets), common_name: common_name.unwrap_or_default() })
}

/// The parts between separators that no backslash precedes.
fn split<'a>(text: &'a str, separators: &[char]) -> Result<Vec<&'a str>, PkiError> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if separators.contains(&c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if escaped {
        return Err(PkiError("got corrupted escaped character at the end of the DN".to_owned()));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

enum Value {
    Text(String),
    /// What `#` and hexadecimal digits gave.
    Der(Vec<u8>),
}

impl Value {
    fn parse(text: &str) -> Result<Self, PkiError> {
        let text = text.trim_start();
        if let Some(digits) = text.strip_prefix('#') {
            return hexadecimal(digits.trim_end()).map(Value::Der);
        }
        let mut bytes = Vec::new();
        // Blanks at the end count only when they are escaped.
        let mut kept = 0;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
                continue;
            }
            let mut ahead = rest.clone();
            let pair = (ahead.next(), ahead.next());
            match pair {
                (Some(high), Some(low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    bytes.extend(hexadecimal(&format!("{high}{low}"))?);
                    rest = ahead;
                }
                (Some(c), _) => {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest.next();
                }
                (None, _) => {}
            }
            kept = bytes.len();
        }
        bytes.truncate(kept);
        let text = String::from_utf8(bytes).map_err(|_| PkiError("DN is not UTF-8".to_owned()))?;
        Ok(Value::Text(text))
    }

    fn into_der(self) -> Vec<u8> {
        match self {
            Value::Text(text) => der::text(&text),
            Value::Der(der) => der,
        }
    }
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, PkiError> {
    let bad = || PkiError(format!("failed to decode hexadecimal characters: {digits:?}"));
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(bad());
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use x509_parser::prelude::FromDer as _;

    use super::*;

    fn shown(text: &str) -> String {
        let subject = literal(text).unwrap();
        X509Name::from_der(&subject.der).unwrap().1.to_string()
    }

    #[test]
    fn a_literal_subject_is_written_from_its_end() {
        assert_eq!(shown("CN=foo,OU=a+O=b,DC=example,DC=net"), "DC=net, DC=example, O=b + OU=a, CN=foo");
        assert_eq!(literal("OU=x,CN=last,CN=first").unwrap().common_name, "first");
        assert_eq!(shown("2.5.4.3=by number"), "CN=by number");
    }

    #[test]
    fn escapes_of_rfc_4514_are_understood() {
        assert_eq!(literal("CN=a\\,b\\+c\\=d").unwrap().common_name, "a,b+c=d");
        assert_eq!(literal("CN=Lu\\C4\\8Di\\C4\\87").unwrap().common_name, "Lučić");
        assert_eq!(literal("CN= blank \\  ").unwrap().common_name, "blank  ");
        assert_eq!(shown("CN=#0c0161"), "CN=a");
    }

    #[test]
    fn a_broken_literal_subject_is_an_error() {
        for bad in ["CN", "CN=a\\", "XY=a", "CN=#0", "CN=#zz", "CN=a,", "CN=\\FF"] {
            assert!(literal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_are_written_in_the_order_of_go_and_read_back() {
        let subject = X509Subject {
            organizations: vec!["b".into(), "a".into()],
            countries: vec!["DE".into()],
            postal_codes: vec!["1".into()],
            serial_number: "7".into(),
            ..X509Subject::default()
        };
        let made = of_fields(&subject, "cn").unwrap();
        let (_, name) = X509Name::from_der(&made.der).unwrap();
        let types: Vec<_> = name.iter_rdn().map(|rdn| rdn.iter().count()).collect();
        assert_eq!(types, [1, 2, 1, 1, 1], "C, O (two in a set), postal code, CN, serial number");
        let back = read(&name);
        assert_eq!(back.organizations, ["a", "b"]);
        assert_eq!((back.serial_number.as_str(), back.postal_codes.len()), ("7", 1));
        assert!(of_fields(&X509Subject::default(), "").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = literal(&text);
        }

        #[test]
        fn an_escaped_value_is_read_back(value in "[a-z,+=;\\\\ #\"<>é]{1,12}") {
            let escaped: String = value.chars().flat_map(|c| ['\\', c]).collect();
            // A backslash before a hexadecimal digit means a byte.
            prop_assume!(!value.bytes().any(|b| b.is_ascii_hexdigit()));
            prop_assert_eq!(literal(&format!("CN={escaped}")).unwrap().common_name, value);
        }
    }
}
