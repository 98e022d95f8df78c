//! Fields that stood elsewhere, or had other words, in older versions: one row each. Source: the conversion functions
//! of cert-manager 1.7.1, and the types of 0.10 for `v1alpha1`.

use super::Version;
use super::Version::{V1Alpha1, V1Alpha2, V1Alpha3, V1Beta1};
use super::node::{each, put, take};
use crate::api::Kind;
use crate::manifest::tree::{Node, Value};

/// A field that changed its place or its words.
struct Move {
    kinds: &'static [Kind],
    /// The first and the last version that have the old form.
    versions: (Version, Version),
    /// The mappings that the two paths start from.
    at: &'static str,
    old: &'static str,
    new: &'static str,
    /// Old and new words of its value.
    words: &'static [(&'static str, &'static str)],
}

const CERTIFICATE: &[Kind] = &[Kind::Certificate];
const WITH_REQUEST: &[Kind] = &[Kind::CertificateRequest, Kind::Order];
const CHALLENGE: &[Kind] = &[Kind::Challenge];
const ISSUERS: &[Kind] = &[Kind::Issuer, Kind::ClusterIssuer];
const WITH_ISSUER: &[Kind] = &[Kind::Certificate, Kind::CertificateRequest, Kind::Order, Kind::Challenge];

const SPEC: &str = "spec";
const SOLVERS: &str = "spec.acme.solvers[].dns01";
const SOLVER: &str = "spec.solver.dns01";

const NO_WORDS: &[(&str, &str)] = &[];
const ALGORITHMS: &[(&str, &str)] = &[("rsa", "RSA"), ("ecdsa", "ECDSA")];
const ENCODINGS: &[(&str, &str)] = &[("pkcs1", "PKCS1"), ("pkcs8", "PKCS8")];
const TYPES: &[(&str, &str)] = &[("http-01", "HTTP-01"), ("dns-01", "DNS-01")];
const GROUPS: &[(&str, &str)] = &[("certmanager.k8s.io", "cert-manager.io")];

/// A row of the table.
const fn row(
    kinds: &'static [Kind],
    versions: (Version, Version),
    at: &'static str,
    old: &'static str,
    new: &'static str,
    words: &'static [(&'static str, &'static str)],
) -> Move {
    Move { kinds, versions, at, old, new, words }
}

const MOVES: &[Move] = &[
    row(CERTIFICATE, (V1Alpha1, V1Alpha2), SPEC, "organization", "subject.organizations", NO_WORDS),
    row(CERTIFICATE, (V1Alpha1, V1Alpha3), SPEC, "keySize", "privateKey.size", NO_WORDS),
    row(CERTIFICATE, (V1Alpha1, V1Alpha3), SPEC, "keyAlgorithm", "privateKey.algorithm", ALGORITHMS),
    row(CERTIFICATE, (V1Alpha1, V1Alpha3), SPEC, "keyEncoding", "privateKey.encoding", ENCODINGS),
    row(CERTIFICATE, (V1Alpha2, V1Beta1), SPEC, "uriSANs", "uris", NO_WORDS),
    row(CERTIFICATE, (V1Alpha2, V1Beta1), SPEC, "emailSANs", "emailAddresses", NO_WORDS),
    row(WITH_REQUEST, (V1Alpha1, V1Alpha3), SPEC, "csr", "request", NO_WORDS),
    row(CHALLENGE, (V1Alpha1, V1Alpha3), SPEC, "authzURL", "authorizationURL", NO_WORDS),
    row(CHALLENGE, (V1Alpha1, V1Alpha3), SPEC, "type", "type", TYPES),
    row(WITH_ISSUER, (V1Alpha1, V1Alpha1), SPEC, "issuerRef.group", "issuerRef.group", GROUPS),
    row(ISSUERS, (V1Alpha1, V1Alpha3), SOLVERS, "clouddns", "cloudDNS", NO_WORDS),
    row(ISSUERS, (V1Alpha1, V1Alpha3), SOLVERS, "azuredns", "azureDNS", NO_WORDS),
    row(ISSUERS, (V1Alpha1, V1Alpha3), SOLVERS, "acmedns", "acmeDNS", NO_WORDS),
    row(CHALLENGE, (V1Alpha1, V1Alpha3), SOLVER, "clouddns", "cloudDNS", NO_WORDS),
    row(CHALLENGE, (V1Alpha1, V1Alpha3), SOLVER, "azuredns", "azureDNS", NO_WORDS),
    row(CHALLENGE, (V1Alpha1, V1Alpha3), SOLVER, "acmedns", "acmeDNS", NO_WORDS),
];

/// The rows that are about a kind in a version.
fn rows(kind: Kind, version: Version) -> impl Iterator<Item = &'static Move> {
    MOVES
        .iter()
        .filter(move |row| row.kinds.contains(&kind) && (row.versions.0..=row.versions.1).contains(&version))
}

/// From the older version to `v1`.
pub(super) fn forward(kind: Kind, version: Version, object: &mut Node) {
    for row in rows(kind, version) {
        carry(object, row.at, row.old, row.new, |word| {
            row.words.iter().find(|(old, _)| *old == word).map(|(_, new)| *new)
        });
    }
}

/// From `v1` to the older version.
pub(super) fn backward(kind: Kind, version: Version, object: &mut Node) {
    for row in rows(kind, version) {
        carry(object, row.at, row.new, row.old, |word| {
            row.words.iter().find(|(_, new)| *new == word).map(|(old, _)| *old)
        });
    }
}

fn carry(object: &mut Node, at: &str, from: &str, to: &str, word: impl Fn(&str) -> Option<&'static str>) {
    each(object, at, &mut |node| {
        let Some(mut entry) = take(node, from) else { return };
        if let Value::String(text) = &mut entry.value.value
            && let Some(other) = word(text)
        {
            other.clone_into(text);
        }
        put(node, to, entry);
    });
}

/// The paths of `v1` that have another name in an older version: under the new one it does not know them.
pub(super) fn renamed(kind: Kind, version: Version) -> impl Iterator<Item = (&'static str, &'static str)> {
    rows(kind, version).filter(|row| row.old != row.new).map(|row| (row.at, row.new))
}
