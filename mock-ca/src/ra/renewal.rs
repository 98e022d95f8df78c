//! Renewal information and replacement of certificates (RFC 9773).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use world::{Timestamp, hex};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, Pem, X509Certificate};

use super::settle;
use crate::config::Config;
use crate::db::{Db, Issued};
use crate::dialect::RenewalRules;
use crate::policy::Identifier;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::OrderState;

/// When a certificate should be renewed, from and until.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From.
    pub start: Timestamp,
    /// Until.
    pub end: Timestamp,
}

/// The window of a certificate at `now`.
pub fn window(rules: &RenewalRules, issued: &Issued, now: Timestamp) -> Window {
    if let Some((at, _)) = issued.revoked {
        let start = (if rules.revoked_from_now { now } else { at }) - Duration::from_secs(3600);
        return Window { start, end: start + rules.revoked_length };
    }
    suggested(rules, issued.not_before, issued.not_after, now)
}

/// The window at `now` of a certificate that is valid from `not_before` to `not_after` and not revoked.
pub fn suggested(
    rules: &RenewalRules,
    not_before: Timestamp,
    not_after: Timestamp,
    now: Timestamp,
) -> Window {
    let validity = not_after.since(not_before) + Duration::from_secs(1);
    let share = if validity < rules.short_lived { 2 } else { 3 };
    let ideal = not_after - validity / share;
    let half = match rules.half_width {
        Some(width) => width,
        None => validity / 100,
    };
    let (start, end) = (ideal - half, ideal + half);
    if !rules.clamped {
        return Window { start, end };
    }
    let start = start.max(now).min(not_after);
    Window { start, end: end.max(start).min(not_after) }
}

/// The certificate with this ARI identifier: base64url of its issuer's key identifier, a dot, and base64url
/// of its serial number (RFC 9773 section 4.1). `None` when there is no such certificate.
///
/// # Errors
/// `malformed`: it is no such identifier, or names an issuer that is none of `issuers`.
pub fn find<'a>(db: &'a Db, issuers: &[Vec<u8>], id: &str) -> Result<Option<&'a Issued>, Problem> {
    let bad =
        |what: &str| Problem::malformed(format!("While parsing ARI CertID an error occurred :: {what}"));
    let decode =
        |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| bad("certID is not base64url without padding"));
    let (issuer, serial) = id.split_once('.').ok_or_else(|| bad("certID has no dot"))?;
    let (issuer, serial) = (decode(issuer)?, decode(serial)?);
    if issuer.is_empty() || serial.is_empty() {
        return Err(bad("certID has an empty part"));
    }
    if !issuers.contains(&issuer) {
        return Err(bad("certID has an authority key identifier that is not of this CA"));
    }
    let issued = db.certificates.get(hex(&serial).as_str());
    Ok(issued.filter(|issued| authority_key_id(&issued.leaf).is_some_and(|known| known == issuer)))
}

/// The ARI identifier of a certificate (DER); `None` when it does not name its issuer's key.
pub fn identifier(certificate: &[u8]) -> Option<String> {
    let issuer = authority_key_id(certificate)?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(format!("{}.{}", encode(&issuer), encode(parsed.raw_serial())))
}

fn authority_key_id(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0.to_vec()),
        _ => None,
    })
}

/// The key identifiers of issuers (their certificates in PEM, one after the other).
pub fn key_identifiers(pem: &str) -> Vec<Vec<u8>> {
    let subject_key_id = |der: &[u8]| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
    };
    let certificates = Pem::iter_from_buffer(pem.as_bytes()).filter_map(Result::ok);
    certificates.filter_map(|pem| subject_key_id(&pem.contents)).collect()
}

/// Whether an order of `account` for `identifiers` may replace the certificate; its serial number.
///
/// # Errors
/// What RFC 9773 section 5 wants to be refused, as the dialect says it.
pub fn may_replace(
    db: &mut Db,
    config: &Config,
    issuers: &[Vec<u8>],
    id: &str,
    account: u64,
    identifiers: &[Identifier],
    now: Timestamp,
) -> Result<Box<str>, Problem> {
    let answers = &config.dialect.table().answers;
    let unknown =
        || Problem::answer(answers.replaces_unknown, "could not find an order for the given certificate");
    let issued = find(db, issuers, id)?.ok_or_else(unknown)?;
    if issued.account != account {
        return Err(Problem::unauthorized(
            "requester account did not request the certificate being replaced by this order",
        ));
    }
    if !issued.identifiers.iter().any(|identifier| identifiers.contains(identifier)) {
        let detail =
            "identifiers in this order do not match any identifiers in the certificate being replaced";
        return Err(Problem::answer(answers.replaces_foreign, detail));
    }
    let (serial, replaced_by) = (issued.serial.clone(), issued.replaced_by);
    if let Some(order) = replaced_by {
        settle(db, order, now);
        // An order that came to nothing has replaced nothing.
        if db.orders.get(&order).is_some_and(|order| order.status != OrderState::Invalid) {
            let detail = format!(
                "cannot indicate an order replaces certificate with serial {serial:?}, which already has a replacement order"
            );
            return Err(Problem::new(ProblemKind::AlreadyReplaced, detail));
        }
    }
    Ok(serial)
}

/// Marks the certificate that an order replaces.
pub(super) fn replace(db: &mut Db, order: u64) {
    let Some(serial) = db.orders.get(&order).and_then(|order| order.replaces.clone()) else { return };
    if let Some(issued) = db.certificates.get_mut(&serial) {
        issued.replaced_by = Some(order);
    }
}
