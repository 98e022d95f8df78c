//! PEM (RFC 7468), writing and splitting.
//!
//! Sections are read here and not by rustls, whose base64 takes the same time for every secret: the half of what it took to
//! read the pairs of a cluster. (Go's `encoding/pem` has no such care either.)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::SectionKind;

/// One PEM section with this label, base64 in lines of 64, a newline at the end.
pub fn pem_encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// The DER of every section of `kind` in `text`, in order; text around them is skipped. A damaged section
/// ends the list.
pub fn pem_sections(text: &[u8], kind: SectionKind) -> Vec<Vec<u8>> {
    Sections(text).filter(|(k, _)| *k == kind).map(|(_, der)| der).collect()
}

/// The first section of `text` that is of one of these kinds, and the DER in it.
pub fn pem_first(text: &[u8], kinds: &[SectionKind]) -> Option<(SectionKind, Vec<u8>)> {
    Sections(text).find(|(kind, _)| kinds.contains(kind))
}

/// The sections of a text, those of unknown kinds left out.
struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    /// The next line, without the whitespace at its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(line.trim_ascii_end())
    }
}

impl Iterator for Sections<'_> {
    type Item = (SectionKind, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut section: Option<&[u8]> = None;
        let mut content = Vec::new();
        while let Some(line) = self.line() {
            if let Some(begin) = line.strip_prefix(b"-----BEGIN ") {
                // One that begins within another is in its place.
                section = Some(begin.strip_suffix(b"-----").filter(|label| !label.ends_with(b"-"))?);
                content.clear();
                continue;
            }
            let Some(label) = section else { continue };
            let end = line.strip_prefix(b"-----END ").and_then(|end| end.strip_suffix(b"-----"));
            if end != Some(label) {
                match line.iter().any(u8::is_ascii_whitespace) {
                    true => content.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace())),
                    false => content.extend_from_slice(line),
                }
                continue;
            }
            section = None;
            if let Ok(kind) = SectionKind::try_from(label) {
                return STANDARD.decode(&content).ok().map(|der| (kind, der));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn by_rustls(text: &[u8]) -> Vec<(SectionKind, Vec<u8>)> {
        <(SectionKind, Vec<u8>)>::pem_slice_iter(text).map_while(Result::ok).collect()
    }

    const LABELS: [&str; 6] = [
        "CERTIFICATE",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "CERTIFICATE REQUEST",
        "DH PARAMETERS",
    ];

    proptest! {
        /// Whole texts, with other text between the sections and either end of lines, cut off anywhere.
        #[test]
        fn sections_are_those_that_rustls_finds(
            parts in prop::collection::vec((0..LABELS.len(), prop::collection::vec(any::<u8>(), 1..200), "[ a-z:\n]{0,20}"), 0..4),
            crlf in any::<bool>(),
            kept in 0.0..1.2_f64,
        ) {
            let section = |(label, der, around): &(usize, Vec<u8>, String)| {
                format!("{around}\n{}", pem_encode(LABELS[*label], der))
            };
            let mut text: String = parts.iter().map(section).collect();
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            let cut = (text.len() as f64 * kept) as usize;
            let text = &text.as_bytes()[..cut.min(text.len())];
            prop_assert_eq!(Sections(text).collect::<Vec<_>>(), by_rustls(text));
        }
    }

    #[test]
    fn a_damaged_section_ends_the_list() {
        let good = pem_encode("CERTIFICATE", &[1, 2, 3]);
        let damaged =
            ["-----BEGIN CERTIFICATE-----\nA*==\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE\n"];
        for damaged in damaged {
            let text = format!("{good}{damaged}{good}");
            assert_eq!(pem_sections(text.as_bytes(), SectionKind::Certificate), [vec![1, 2, 3]], "{damaged}");
        }
        let text = format!("{}{good}", damaged[0].replace("CERTIFICATE", "DH PARAMETERS"));
        let kinds = [SectionKind::Certificate];
        assert_eq!(pem_first(text.as_bytes(), &kinds), Some((SectionKind::Certificate, vec![1, 2, 3])));
    }
}
