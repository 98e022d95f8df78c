//! Questions to Mozilla's [public suffix list](https://publicsuffix.org), asked as a CA asks them.
//!
//! The list is a crate (`psl`) that a robot publishes whenever the list changes, as one generic function of
//! ten thousand arms that is compiled into whoever calls it. It is called here and nowhere else, so that
//! nobody else's build pays for it; the root manifest compiles this crate without optimization (2 s in place
//! of 20 s; a question costs a quarter of a microsecond).
//!
//! The list has two sections. A CA refuses names that are not under the ICANN section, and counts
//! certificates with both, so that each customer of `github.io` has a count of their own.
//!
//! Names are in lower case and in ASCII, without `*.` and without a dot at the end.

use psl::{Psl as _, Type};

/// The registered domain (public suffix and one label) that `name` is in, by both sections; a top-level name
/// that is not on the list counts as a suffix. `None` when `name` is itself a suffix, or no name.
///
/// ```
/// assert_eq!(public_suffix::registered_domain("a.b.example.co.uk").as_deref(), Some("example.co.uk"));
/// assert_eq!(public_suffix::registered_domain("a.b.github.io").as_deref(), Some("b.github.io"));
/// assert_eq!(public_suffix::registered_domain("a.b.test").as_deref(), Some("b.test"));
/// assert_eq!(public_suffix::registered_domain("co.uk"), None);
/// ```
pub fn registered_domain(name: &str) -> Option<String> {
    if name.split('.').any(str::is_empty) {
        return None;
    }
    let domain = psl::domain(name.as_bytes())?;
    std::str::from_utf8(domain.as_bytes()).ok().map(str::to_owned)
}

/// Whether `name` is on the list, in either section.
///
/// ```
/// assert!(public_suffix::is_public_suffix("co.uk") && public_suffix::is_public_suffix("github.io"));
/// assert!(!public_suffix::is_public_suffix("example.com") && !public_suffix::is_public_suffix("test"));
/// ```
pub fn is_public_suffix(name: &str) -> bool {
    listed(name).is_some_and(|(suffix, _)| suffix == name)
}

/// The suffix of `name` by the ICANN section alone; `None` when no rule covers it, which is when Let's
/// Encrypt says that the name "does not end with a valid public suffix".
///
/// ```
/// assert_eq!(public_suffix::icann_suffix("a.example.co.uk"), Some("co.uk"));
/// assert_eq!(public_suffix::icann_suffix("a.github.io"), Some("io"));
/// assert_eq!(public_suffix::icann_suffix("a.test"), None);
/// ```
pub fn icann_suffix(name: &str) -> Option<&str> {
    let mut rest = name;
    loop {
        // The longest rule wins, so what the ICANN section says is behind the private one's first label.
        let (suffix, section) = listed(rest)?;
        match section {
            Type::Icann => return Some(suffix),
            Type::Private => rest = suffix.split_once('.')?.1,
        }
    }
}

/// The longest rule's suffix of `name`, with its section; `None` when there is no rule.
fn listed(name: &str) -> Option<(&str, Type)> {
    if name.split('.').any(str::is_empty) {
        return None;
    }
    let suffix = psl::List.suffix(name.as_bytes())?;
    let section = suffix.typ()?;
    let start = name.len().checked_sub(suffix.as_bytes().len())?;
    Some((name.get(start..)?, section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_question() {
        for (name, registered, listed, icann) in [
            ("example.com", Some("example.com"), false, Some("com")),
            ("a.b.example.com", Some("example.com"), false, Some("com")),
            ("com", None, true, Some("com")),
            ("github.io", None, true, Some("io")),
            ("x.duckdns.org", Some("x.duckdns.org"), false, Some("org")),
            // A wildcard rule, and its exception.
            ("b.ck", None, true, Some("b.ck")),
            ("a.b.ck", Some("a.b.ck"), false, Some("b.ck")),
            ("a.www.ck", Some("www.ck"), false, Some("ck")),
            ("city.kawasaki.jp", Some("city.kawasaki.jp"), false, Some("kawasaki.jp")),
            // Private below private, and a private wildcard.
            ("a.s3.amazonaws.com", Some("a.s3.amazonaws.com"), false, Some("com")),
            ("x.y.xn--p1ai", Some("y.xn--p1ai"), false, Some("xn--p1ai")),
            ("a.b.corp", Some("b.corp"), false, None),
            ("corp", None, false, None),
            ("", None, false, None),
            ("a..com", None, false, None),
            (".com", None, false, None),
            ("a.com.", None, false, None),
        ] {
            assert_eq!(registered_domain(name).as_deref(), registered, "{name}");
            assert_eq!(is_public_suffix(name), listed, "{name}");
            assert_eq!(icann_suffix(name), icann, "{name}");
        }
    }
}
