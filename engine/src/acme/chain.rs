//! Certificate chains as a CA sends them (RFC 8555 section 9.1), with the bounds of the release's client.

use world::keys::SectionKind;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::call::Result;
use super::error::AcmeError;

/// The most certificates in a chain.
const CERTIFICATES_MAX: usize = 5;
/// The longest chain, in bytes: a mebibyte per certificate, and what base64 adds, roughly.
const BYTES_MAX: usize = CERTIFICATES_MAX * 1024 * 1024 / 33 * 34;

/// The certificates of a PEM chain, DER, in their order.
pub(super) fn read(pem: &[u8]) -> Result<Vec<Vec<u8>>> {
    let wrong = |text: String| Err(AcmeError::Malformed(text));
    if pem.len() > BYTES_MAX {
        return wrong("certificate chain is too big".to_owned());
    }
    let text = String::from_utf8_lossy(pem);
    let labels = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
    let other = labels.filter_map(|rest| rest.strip_suffix("-----")).find(|label| *label != "CERTIFICATE");
    if let Some(label) = other {
        let shown: String = label.chars().take(64).collect();
        return wrong(format!("invalid PEM cert type {shown:?}"));
    }
    let chain = world::keys::pem_sections(pem, SectionKind::Certificate);
    match chain.len() {
        0 => wrong("certificate chain is empty".to_owned()),
        1..=CERTIFICATES_MAX => Ok(chain),
        _ => wrong("certificate chain is too long".to_owned()),
    }
}

/// The common name of a certificate's issuer; `None` when it is no certificate.
pub(crate) fn issuer_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.issuer().iter_common_name().next();
    Some(name.and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned())
}

/// The targets of a `Link` header with the relation `alternate`.
pub(super) fn alternates(header: &str) -> Vec<String> {
    let link = |part: &str| {
        let (target, parameters) = part.split_once(';')?;
        let target = target.trim().strip_prefix('<')?.strip_suffix('>')?;
        let relation = |p: &str| {
            let (name, value) = p.split_once('=')?;
            (name.trim() == "rel").then(|| value.trim().trim_matches('"').to_owned())
        };
        let alternate = parameters.split(';').filter_map(relation).any(|rel| rel == "alternate");
        alternate.then(|| target.to_owned())
    };
    header.split(',').filter_map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str) -> String {
        world::keys::pem_encode(label, &[1, 2, 3])
    }

    #[test]
    fn a_chain_is_one_to_five_certificates_and_nothing_else() {
        let one = pem("CERTIFICATE");
        assert_eq!(read(one.as_bytes()).unwrap(), [[1, 2, 3]]);
        assert_eq!(read(one.repeat(5).as_bytes()).unwrap().len(), 5);
        for (text, why) in [
            (String::new(), "acme: certificate chain is empty"),
            ("<html>".to_owned(), "acme: certificate chain is empty"),
            (one.repeat(6), "acme: certificate chain is too long"),
            (one.clone() + &pem("PRIVATE KEY"), "acme: invalid PEM cert type \"PRIVATE KEY\""),
            (" ".repeat(BYTES_MAX + 1), "acme: certificate chain is too big"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn links_are_found_by_their_relation() {
        for (header, found) in [
            (r#"<https://ca/1>;rel="alternate""#, vec!["https://ca/1"]),
            (r#"<https://ca/d>; rel="index", <https://ca/1> ; rel=alternate"#, vec!["https://ca/1"]),
            (r#"<https://ca/d>;rel="up""#, vec![]),
            ("https://ca/1;rel=alternate", vec![]),
            ("<", vec![]),
            (";;,;<>;rel", vec![]),
        ] {
            assert_eq!(alternates(header), found, "{header}");
        }
    }
}
