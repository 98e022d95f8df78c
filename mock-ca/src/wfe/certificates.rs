//! Certificates: their download (RFC 8555 section 7.4.2) and their revocation (section 7.6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Call;
use super::authenticate::Requester;
use super::reply::Reply;
use crate::ca::csr::SubjectKey;
use crate::dialect::Endpoint;
use crate::journal::Event;
use crate::problem::{Problem, ProblemKind};
use crate::ra;

/// The reason keyCompromise.
const KEY_COMPROMISE: u8 = 1;

/// GET or POST-as-GET of a certificate chain, or of one of its alternates.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    call.require_empty()?;
    let serial = call.text(0).to_ascii_lowercase();
    let not_found = || Problem::missing("Certificate not found");
    let issued = call.state.db.certificates.get(serial.as_str()).ok_or_else(not_found)?;
    if call.account().is_some_and(|account| account != issued.account) {
        return Err(Problem::unauthorized("Account in use did not issue specified certificate"));
    }
    let chosen: usize = match call.incoming.params.get(1) {
        None => 0,
        Some(text) => text.parse().map_err(|_| not_found())?,
    };
    let hierarchy = call.ca.hierarchy();
    let right = || hierarchy.chain_pem(&issued.leaf, issued.issuer, chosen);
    let chain = match &issued.wrong_chain {
        Some(wrong) if chosen == 0 => wrong.to_string(),
        _ => right().ok_or_else(not_found)?,
    };
    let mut reply = Reply::text(200, call.dialect().chain_type, chain, format!("chain {chosen}"));
    for other in (0..hierarchy.chains(issued.issuer)).filter(|other| *other != chosen) {
        let url = match other {
            0 => call.urls().url(Endpoint::Certificate, &[&serial]),
            n => call.urls().url(Endpoint::Certificate, &[&serial, &n.to_string()]),
        };
        reply.header(header::LINK.as_str(), format!("<{url}>;rel=\"alternate\""));
    }
    Ok(reply)
}

#[derive(Deserialize)]
struct Revocation {
    certificate: String,
    reason: Option<i64>,
}

/// revokeCert.
pub(crate) fn revoke(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let request: Revocation = call.payload.read("Unable to JSON parse revoke request")?;
    let dialect = call.dialect();
    let unreadable = || Problem::malformed("Unable to parse certificate DER");
    let der = URL_SAFE_NO_PAD.decode(request.certificate).map_err(|_| unreadable())?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| unreadable())?;
    let serial = world::hex(certificate.raw_serial());
    let found = call.state.db.certificates.get(serial.as_str()).filter(|issued| *issued.leaf == *der);
    let unknown = || Problem::answer(dialect.answers.revoke_unknown, "Certificate from unrecognized issuer");
    let issued = found.ok_or_else(unknown)?;
    if issued.not_after < call.now && !dialect.revokes_expired {
        return Err(Problem::unauthorized("Certificate is expired"));
    }
    let by_key = match &call.requester {
        Requester::Key(key) => {
            let own = SubjectKey::read(&certificate.tbs_certificate.subject_pki).is_some_and(|k| k.is(key));
            if !own {
                return Err(Problem::unauthorized(
                    "JWK embedded in revocation request must be the same public key as the cert to be revoked",
                ));
            }
            true
        }
        Requester::Account(account) => {
            let owner = *account == issued.account;
            if !owner && !ra::controls_all(&call.state.db, *account, &issued.identifiers, call.now) {
                return Err(Problem::unauthorized(
                    "The key ID specified in the revocation request does not hold valid authorizations for all names in the certificate to be revoked",
                ));
            }
            false
        }
        Requester::Nobody => return Err(Problem::malformed("No Key ID or embedded JWK in JWS header")),
    };
    let given = request.reason.unwrap_or(0);
    let allowed = |code: &u8| dialect.revocation_reasons.contains(code);
    let code = u8::try_from(given).ok().filter(allowed).ok_or_else(|| {
        let detail = format!("unsupported revocation reason code provided: ({given})");
        Problem::new(ProblemKind::BadRevocationReason, detail)
    })?;
    // Whoever signs with the certificate's key has shown that others than its owner may have it.
    let code = if by_key && dialect.key_shows_compromise { KEY_COMPROMISE } else { code };
    if issued.revoked.is_some() {
        return Err(Problem::new(ProblemKind::AlreadyRevoked, "Certificate already revoked"));
    }
    if let Some(issued) = call.state.db.certificates.get_mut(serial.as_str()) {
        issued.revoked = Some((call.now, code));
    }
    Ok(Reply::empty(200, "certificate revoked").noting(Event::Revoked { serial, code }))
}
