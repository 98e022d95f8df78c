//! Fields of `v1` that an older version does not have: the newest version without them, by kind. Source: the types of
//! cert-manager 1.7.1 (`v1alpha2` to `v1beta1`) and 0.10 (`v1alpha1`).

use super::Version;
use super::Version::{V1Alpha1, V1Beta1};
use super::moves;
use super::node::{each, take};
use crate::api::Kind;
use crate::manifest::tree::Node;

/// Fields that versions up to one do not have.
struct Newer {
    kinds: &'static [Kind],
    last_without: Version,
    at: &'static str,
    fields: &'static [&'static str],
}

const ISSUERS: &[Kind] = &[Kind::Issuer, Kind::ClusterIssuer];

const NEWER: &[Newer] = &[
    Newer {
        kinds: &[Kind::Certificate],
        last_without: V1Beta1,
        at: "spec",
        fields: &[
            "literalSubject",
            "renewBeforePercentage",
            "renewal",
            "otherNames",
            "signatureAlgorithm",
            "nameConstraints",
            "keystores.jks.alias",
            "keystores.jks.password",
            "keystores.pkcs12.profile",
            "keystores.pkcs12.password",
        ],
    },
    Newer {
        kinds: &[Kind::Certificate],
        last_without: V1Beta1,
        at: "status",
        fields: &["failedIssuanceAttempts", "acme"],
    },
    Newer {
        kinds: &[Kind::Certificate],
        last_without: V1Alpha1,
        at: "spec",
        fields: &[
            "subject.countries",
            "subject.organizationalUnits",
            "subject.localities",
            "subject.provinces",
            "subject.streetAddresses",
            "subject.postalCodes",
            "subject.serialNumber",
            "uris",
            "emailAddresses",
            "secretTemplate",
            "keystores",
            "privateKey.rotationPolicy",
            "encodeUsagesInRequest",
            "revisionHistoryLimit",
            "additionalOutputFormats",
        ],
    },
    Newer {
        kinds: &[Kind::Certificate],
        last_without: V1Alpha1,
        at: "status",
        fields: &["notBefore", "renewalTime", "revision", "nextPrivateKeySecretName"],
    },
    Newer {
        kinds: &[Kind::CertificateRequest],
        last_without: V1Alpha1,
        at: "spec",
        fields: &["username", "uid", "groups", "extra"],
    },
    Newer {
        kinds: ISSUERS,
        last_without: V1Beta1,
        at: "spec",
        fields: &[
            "acme.caBundle",
            "acme.profile",
            "ca.issuingCertificateURLs",
            "vault.serverName",
            "vault.caBundleSecretRef",
            "vault.clientCertSecretRef",
            "vault.clientKeySecretRef",
            "vault.auth.clientCertificate",
            "vault.auth.kubernetes.serviceAccountRef",
            "venafi.tpp.caBundleSecretRef",
        ],
    },
    Newer { kinds: ISSUERS, last_without: V1Beta1, at: "status", fields: &["acme.lastPrivateKeyHash"] },
    Newer {
        kinds: ISSUERS,
        last_without: V1Alpha1,
        at: "spec",
        fields: &[
            "acme.preferredChain",
            "acme.externalAccountBinding",
            "acme.disableAccountKeyGeneration",
            "acme.enableDurationFeature",
            "ca.crlDistributionPoints",
            "ca.ocspServers",
            "selfSigned.crlDistributionPoints",
            "vault.namespace",
            "vault.auth.kubernetes",
        ],
    },
    Newer { kinds: &[Kind::Order], last_without: V1Beta1, at: "spec", fields: &["profile", "replaces"] },
    Newer { kinds: &[Kind::Order], last_without: V1Alpha1, at: "spec", fields: &["ipAddresses", "duration"] },
    Newer { kinds: &[Kind::Order], last_without: V1Alpha1, at: "status", fields: &["authorizations"] },
    Newer { kinds: &[Kind::Challenge], last_without: V1Beta1, at: "status", fields: &["presentedAt"] },
];

/// Fields of solvers, wherever they stand.
const SOLVER_NEWER: &[(Version, &[&str])] = &[
    (
        V1Beta1,
        &[
            "waitInsteadOfSelfCheck",
            "http01.ingress.ingressClassName",
            "http01.ingress.podTemplate.spec.imagePullSecrets",
            "http01.ingress.podTemplate.spec.securityContext",
            "http01.ingress.podTemplate.spec.resources",
            "http01.gatewayHTTPRoute.parentRefs",
            "http01.gatewayHTTPRoute.podTemplate",
            "dns01.route53.auth",
            "dns01.route53.accessKeyIDSecretRef",
            "dns01.rfc2136.protocol",
            "dns01.azureDNS.managedIdentity.tenantID",
        ],
    ),
    (
        V1Alpha1,
        &[
            "http01.gatewayHTTPRoute",
            "http01.ingress.ingressTemplate",
            "http01.ingress.podTemplate.spec.priorityClassName",
            "http01.ingress.podTemplate.spec.serviceAccountName",
            "dns01.cloudDNS.hostedZoneName",
            "dns01.cloudflare.apiTokenSecretRef",
            "dns01.azureDNS.managedIdentity",
        ],
    ),
];

/// Takes out what the version does not have, under the names of `v1`: new fields, and new places of old ones.
pub(super) fn drop(kind: Kind, version: Version, object: &mut Node) -> Vec<String> {
    if version == Version::V1 {
        return Vec::new();
    }
    let mut dropped = Vec::new();
    for (at, field) in moves::renamed(kind, version) {
        remove(object, at, field, &mut dropped);
    }
    dropped.extend(drop_newer(kind, version, object));
    dropped
}

/// Takes out what the version cannot say at all.
pub(super) fn drop_newer(kind: Kind, version: Version, object: &mut Node) -> Vec<String> {
    let mut dropped = Vec::new();
    for row in NEWER.iter().filter(|row| row.kinds.contains(&kind) && version <= row.last_without) {
        for field in row.fields {
            remove(object, row.at, field, &mut dropped);
        }
    }
    let solvers = match kind {
        Kind::Issuer | Kind::ClusterIssuer => "spec.acme.solvers[]",
        Kind::Challenge => "spec.solver",
        _ => return dropped,
    };
    for (last_without, fields) in SOLVER_NEWER {
        for field in fields.iter().filter(|_| version <= *last_without) {
            remove(object, solvers, field, &mut dropped);
        }
    }
    dropped
}

fn remove(object: &mut Node, at: &str, field: &str, dropped: &mut Vec<String>) {
    each(object, at, &mut |node| {
        if take(node, field).is_some() {
            dropped.push(format!("{at}.{field}"));
        }
    });
}
