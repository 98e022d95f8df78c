//! The value of a CAA `issue` property (RFC 8659 section 4.2), which dns-persist-01 uses too: an issuer's
//! domain name and parameters.

/// `ca.example; accounturi=…; validationmethods=…`, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueValue<'a> {
    /// The issuer; empty is nobody.
    pub domain: &'a str,
    /// Tags and values, in their order.
    pub parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> IssueValue<'a> {
    /// Reads a value; `None` when it is not written as the grammar wants it.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (domain, rest) = match text.split_once(';') {
            Some((domain, rest)) => (trim(domain), trim(rest)),
            None => (trim(text), ""),
        };
        if !domain.is_empty() && !domain.split('.').all(is_label) {
            return None;
        }
        if rest.is_empty() {
            return Some(IssueValue { domain, parameters: Vec::new() });
        }
        // People end the list with a semicolon; Boulder forgives it.
        let rest = rest.strip_suffix(';').unwrap_or(rest);
        let parameters = rest.split(';').map(parameter).collect::<Option<_>>()?;
        Some(IssueValue { domain, parameters })
    }

    /// The values of all parameters with this tag.
    pub fn all<'s>(&'s self, tag: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.parameters
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(tag))
            .map(|(_, value)| *value)
    }

    /// Whether the issuer is one of `identities`.
    pub fn names_any(&self, identities: &[String]) -> bool {
        identities.iter().any(|identity| identity.eq_ignore_ascii_case(self.domain))
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Letters, digits, and hyphens between them: labels of names and tags of parameters alike.
fn is_label(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && text.bytes().all(good) && !text.starts_with('-') && !text.ends_with('-')
}

fn parameter(text: &str) -> Option<(&str, &str)> {
    let (tag, value) = text.split_once('=')?;
    let (tag, value) = (trim(tag), trim(value));
    let printable = value.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b';');
    (is_label(tag) && printable).then_some((tag, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
        IssueValue::parse(text.as_bytes()).map(|value| (value.domain, value.parameters))
    }

    #[test]
    fn values_by_the_grammar() {
        assert_eq!(parse("ca.example"), Some(("ca.example", vec![])));
        assert_eq!(parse(" \tca.example\t "), Some(("ca.example", vec![])));
        assert_eq!(parse(""), Some(("", vec![])));
        assert_eq!(parse(";"), Some(("", vec![])));
        assert_eq!(parse("ca.example;"), Some(("ca.example", vec![])));
        assert_eq!(parse("ca.example; account=230123"), Some(("ca.example", vec![("account", "230123")])));
        assert_eq!(
            parse("ca.example; a = 1 ;\tb=https://x/?y=z&w;"),
            Some(("ca.example", vec![("a", "1"), ("b", "https://x/?y=z&w")]))
        );
        assert_eq!(parse("; policy=ev"), Some(("", vec![("policy", "ev")])));
        assert_eq!(parse("ca.example; a="), Some(("ca.example", vec![("a", "")])));
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        for bad in [
            "%%%%%",
            "ca example",
            "-ca.example",
            "ca..example",
            "ca.example; a",
            "ca.example; a=1 b=2",
            "ca.example; ;a=1",
            "ca.example; -a=1",
            "ca.example; a=\u{e9}",
            "ca.example a=1",
            "ca_1.example",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(IssueValue::parse(&[0xff, 0xfe]), None);
    }

    proptest! {
        #[test]
        fn reading_never_panics(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = IssueValue::parse(&value);
        }

        #[test]
        fn what_is_written_reads_back(
            domain in "([a-z0-9]{1,5}(\\.[a-z0-9]{1,5}){0,3})?",
            parameters in proptest::collection::vec(("[a-z0-9]{1,8}", "[!-:<-~]{0,12}"), 0..4),
            blanks in proptest::collection::vec("[ \t]{0,2}", 20),
        ) {
            let mut blank = blanks.iter().cycle();
            let mut gap = || blank.next().unwrap().as_str();
            let mut text = format!("{}{domain}{}", gap(), gap());
            for (tag, value) in &parameters {
                text += &format!(";{}{tag}{}={}{value}{}", gap(), gap(), gap(), gap());
            }
            let read = IssueValue::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(read.domain, domain);
            let expected: Vec<_> = parameters.iter().map(|(t, v)| (t.as_str(), v.as_str())).collect();
            prop_assert_eq!(read.parameters, expected);
        }
    }
}
