//! The places where computing may take time in a simulation.
//!
//! The engine calls [`world::World::work`] there; a scenario says how long each visit takes. A place that is not in
//! this table does not exist, so that a script that names one is wrong.

/// Every place, and what is computed there.
pub const PLACES: &[(&str, &str)] = &[
    ("certificates-trigger/timer", "the process gets to a renewal timer that has fired"),
    ("certificates/timer", "the process of 0.2 or 0.5 gets to a renewal timer that has fired"),
    ("certificates-readiness/timer", "the process gets to a timer of renewal information that has fired"),
    (
        "certificates-trigger/issue",
        "between deciding that a Certificate must be issued and the condition's time",
    ),
    ("certificates-key-manager/key", "reading or making the next private key"),
    ("certificates-request-manager/csr", "making the CSR"),
    ("certificaterequests-issuer-acme/issued", "checking the certificate of a valid Order"),
    ("certificaterequests-issuer-ca/sign", "signing with the key of a CA issuer"),
    ("conditions/Certificate/Issuing", "between a condition's time and the line that tells of it"),
    ("conditions/Certificate/Ready", "the same"),
    ("conditions/CertificateRequest/Approved", "the same"),
    ("conditions/CertificateRequest/Ready", "the same"),
    ("conditions/Issuer/Ready", "the same"),
    ("conditions/ClusterIssuer/Ready", "the same"),
    ("orders/timer", "the process gets to the timer of an Order that waits for its CA"),
    ("orders/status write failed", "between the line of a lost status write and the requeue"),
    ("challenges/ensurePod", "looking for the solver pod"),
    ("challenges/ensureService", "looking for the solver service"),
    ("challenges/ensureIngress", "looking for the solver ingress"),
    ("challenges/ensureGatewayHTTPRoute", "looking for the solver HTTPRoute"),
    ("challenges/selfCheck", "between a failed self-check and the line that tells of it"),
    ("challenges/accepted", "between accepting a challenge and waiting for its authorization"),
    ("challenges/wait failed", "between the line of a failed wait and the requeue"),
];

/// The place with this name.
///
/// # Panics
/// In debug builds, for a name that is not in the table: it is the code that is wrong then.
pub(crate) fn place(name: &str) -> &str {
    debug_assert!(PLACES.iter().any(|(known, _)| *known == name), "{name:?} is not in the table of places");
    name
}
