//! The names of certificates and requests: subject alternative names and the common name.

use std::net::IpAddr;

use x509_parser::prelude::GeneralName;
use x509_parser::x509::X509Name;

use super::der;
use crate::api::{CertificateSpec, OtherName};

/// Names of a certificate or request, in their order there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Common name; empty when there is none.
    pub common_name: String,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Names of other types whose value is UTF-8.
    pub others: Vec<OtherName>,
}

impl Names {
    /// What a specification asks for.
    pub(super) fn of_spec(spec: &CertificateSpec) -> Self {
        Names {
            common_name: spec.common_name.clone(),
            dns: spec.dns_names.clone(),
            ips: spec.ip_addresses.clone(),
            uris: spec.uris.clone(),
            emails: spec.email_addresses.clone(),
            others: spec.other_names.clone(),
        }
    }

    pub(super) fn of_subject(subject: &X509Name<'_>) -> Self {
        let first = subject.iter_common_name().next();
        let common_name = first.and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned();
        Names { common_name, ..Names::default() }
    }

    pub(super) fn take(&mut self, names: &[GeneralName<'_>]) {
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(mail) => self.emails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(|b| IpAddr::from(b).to_string());
                    let v6 = <[u8; 16]>::try_from(*bytes).map(|b| IpAddr::from(b).to_string());
                    self.ips.extend(v4.or(v6));
                }
                GeneralName::OtherName(oid, value) => {
                    let inner = der::read_tlv(value, 0xa0)
                        .and_then(|(inner, _)| der::read_tlv(inner, der::UTF8_STRING));
                    let text = inner.and_then(|(text, _)| std::str::from_utf8(text).ok());
                    self.others.extend(
                        text.map(|text| OtherName { oid: oid.to_id_string(), utf8_value: text.to_owned() }),
                    );
                }
                _ => {}
            }
        }
    }
}

/// Whether two lists have the same members, however ordered.
pub(super) fn same_set<T: Ord>(a: &[T], b: &[T]) -> bool {
    let sorted = |names: &[T]| -> Vec<usize> {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|x, y| names[*x].cmp(&names[*y]));
        order
    };
    a.len() == b.len() && sorted(a).into_iter().zip(sorted(b)).all(|(x, y)| a[x] == b[y])
}

/// The same for IP addresses, which may be written in more than one way.
pub(super) fn same_addresses(a: &[String], b: &[String]) -> bool {
    let parsed = |texts: &[String]| texts.iter().map(|t| t.parse().ok()).collect::<Vec<Option<IpAddr>>>();
    same_set(&parsed(a), &parsed(b))
}
