//! Certificates: their download (RFC 8555 section 7.4.2) and their revocation (section 7.6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::reply::Reply;
use super::{Call, Requester};
use crate::ca::csr::SubjectKey;
use crate::journal::Event;
use crate::problem::{Problem, ProblemKind};
use crate::ra;

/// Reasons that a subscriber may give (RFC 5280 section 5.3.1).
const REASONS: [u8; 4] = [0, 1, 4, 5];
/// The reason keyCompromise.
const KEY_COMPROMISE: u8 = 1;

/// GET or POST-as-GET of a certificate chain.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    if !call.payload.is_empty() {
        return Err(Problem::malformed("POST-as-GET requests must have an empty payload"));
    }
    let serial = call.text(0).to_ascii_lowercase();
    let found = call.state.db.certificates.get(&serial);
    let issued = found.ok_or_else(|| Problem::not_found("Certificate not found"))?;
    if call.account().is_some_and(|account| account != issued.account) {
        return Err(Problem::unauthorized("Account in use did not issue specified certificate"));
    }
    let kind = call.ca.dialect().chain_type;
    Ok(Reply::text(200, kind, issued.chain_pem.clone(), "the chain"))
}

#[derive(Deserialize)]
struct Revocation {
    certificate: String,
    reason: Option<i64>,
}

/// revokeCert.
pub(crate) fn revoke(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let request: Revocation = call.payload.read("Unable to JSON parse revoke request")?;
    let unreadable = || Problem::malformed("Unable to parse certificate DER");
    let der = URL_SAFE_NO_PAD.decode(request.certificate).map_err(|_| unreadable())?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| unreadable())?;
    let serial = world::hex(certificate.raw_serial());
    let found = call.state.db.certificates.get(&serial).filter(|issued| issued.leaf == der);
    let issued = found.ok_or_else(|| Problem::not_found("Certificate from unrecognized issuer"))?;
    if issued.not_after < call.now {
        return Err(Problem::unauthorized("Certificate is expired"));
    }
    let by_key = match &call.requester {
        Requester::Key(key) => {
            let own = SubjectKey::parse(&certificate.tbs_certificate.subject_pki).is_ok_and(|k| k.is(key));
            if !own {
                return Err(Problem::unauthorized(
                    "JWK embedded in revocation request must be the same public key as the cert to be revoked",
                ));
            }
            true
        }
        Requester::Account(account) => {
            let owner = *account == issued.account;
            if !owner && !ra::controls_all(&call.state.db, *account, &issued.names, call.now) {
                return Err(Problem::unauthorized(
                    "The key ID specified in the revocation request does not hold valid authorizations for all names in the certificate to be revoked",
                ));
            }
            false
        }
        Requester::Nobody => return Err(Problem::malformed("No Key ID or embedded JWK in JWS header")),
    };
    let given = request.reason.unwrap_or(0);
    let code = u8::try_from(given).ok().filter(|code| REASONS.contains(code)).ok_or_else(|| {
        let detail = format!("unsupported revocation reason code provided: ({given})");
        Problem::new(ProblemKind::BadRevocationReason, detail)
    })?;
    // Whoever signs with the certificate's key has shown that others than its owner may have it.
    let code = if by_key { KEY_COMPROMISE } else { code };
    if issued.revoked.is_some() {
        return Err(Problem::new(ProblemKind::AlreadyRevoked, "Certificate already revoked"));
    }
    if let Some(issued) = call.state.db.certificates.get_mut(&serial) {
        issued.revoked = Some((call.now, code));
    }
    Ok(Reply::empty(200, "certificate revoked").noting(Event::Revoked { serial, code }))
}
