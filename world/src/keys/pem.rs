//! PEM (RFC 7468), writing and splitting.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{PemObject, SectionKind};

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
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text)
        .map_while(Result::ok)
        .filter(|(k, _)| *k == kind)
        .map(|(_, der)| der)
        .collect()
}
