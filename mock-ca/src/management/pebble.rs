//! Pebble's own management paths. As with the multiplexer of Go's `net/http`, a path is found by how it
//! starts, and any method will do.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use world::keys::pem_encode;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::answer::{body, empty, field, text};
use super::authorities::Part;
use crate::Ca;
use crate::dialect::DialectName;
use crate::server::State;
use crate::state::Lost;
use crate::wfe::reply::Reply;

/// What is behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Authority(Part),
    Status,
    RenewalInfo,
}

/// How paths start.
const PAGES: &[(&str, Page)] = &[
    ("/roots/", Page::Authority(Part::Roots)),
    ("/root-keys/", Page::Authority(Part::RootKeys)),
    ("/intermediates/", Page::Authority(Part::Intermediates)),
    ("/intermediate-keys/", Page::Authority(Part::IntermediateKeys)),
    ("/cert-status-by-serial/", Page::Status),
    ("/set-renewal-info/", Page::RenewalInfo),
];

/// Answers a request.
pub(super) async fn answer(ca: Ca, request: Request) -> Response {
    let (parts, from) = request.into_parts();
    let path = parts.uri.path();
    let Some((prefix, page)) = PAGES.iter().find(|(prefix, _)| path.starts_with(prefix)) else {
        return without_slash(&ca, path, &parts.method, from).await;
    };
    let rest = &path[prefix.len()..];
    match page {
        Page::Authority(part) => authority(&ca, *part, rest, &base(&parts), prefix),
        Page::Status => status(&ca, rest),
        Page::RenewalInfo => set_renewal_info(&ca, &parts.method, from).await,
    }
}

/// Where a path leads that has no slash at its end: to the one that has; nowhere for others.
async fn without_slash(ca: &Ca, path: &str, method: &Method, from: Body) -> Response {
    match PAGES.iter().find(|(prefix, _)| prefix.strip_suffix('/') == Some(path)) {
        // Clients do not post again where they are sent to.
        Some((_, Page::RenewalInfo)) => set_renewal_info(ca, method, from).await,
        Some((prefix, _)) => {
            let mut response = empty(StatusCode::MOVED_PERMANENTLY);
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(prefix));
            response
        }
        None => {
            let page = "404 page not found\n".to_owned();
            let mut response = text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", page);
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            response
        }
    }
}

/// What a URL of this server starts with, as the request has it.
fn base(parts: &http::request::Parts) -> String {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| text("host"));
    let scheme = text("x-forwarded-proto").unwrap_or("https");
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

fn authority(ca: &Ca, part: Part, number: &str, base: &str, prefix: &str) -> Response {
    let found = number.parse::<usize>().ok().and_then(|n| Some((n, part.pem(ca, n)?)));
    let Some((n, pem)) = found else { return empty(StatusCode::NOT_FOUND) };
    let mut response = text(StatusCode::OK, part.content_type(), pem);
    for other in (0..part.count(ca)).filter(|other| *other != n) {
        // The host came in a header, so it can go out in one.
        if let Ok(link) = HeaderValue::try_from(format!("<{base}{prefix}{other}>;rel=\"alternate\"")) {
            response.headers_mut().append(header::LINK, link);
        }
    }
    response
}

/// The serial number as certificates are kept by: whole bytes, in lower case. `None` when it is no number.
fn serial(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let digits = text.trim_start_matches('0').to_ascii_lowercase();
    Some(if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") })
}

fn status(ca: &Ca, number: &str) -> Response {
    let Some(serial) = serial(number) else { return empty(StatusCode::BAD_REQUEST) };
    let object = {
        let state = ca.state();
        let Some(issued) = state.db.certificates.get(serial.as_str()) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let mut object = json!({
            "Status": if issued.revoked.is_some() { "Revoked" } else { "Valid" },
            "Serial": serial.trim_start_matches('0'),
            "Certificate": pem_encode("CERTIFICATE", &issued.leaf),
        });
        if let Some((at, reason)) = issued.revoked {
            object["Reason"] = json!(reason);
            object["RevokedAt"] = json!(at.go_string());
        }
        object
    };
    let dialect = DialectName::Pebble.table();
    Reply::json(200, &object, dialect, "the status of a certificate").into_response(ca.world().now())
}

/// Has the renewal information of a certificate answered with a given text, whatever it is. An empty text
/// takes that back.
async fn set_renewal_info(ca: &Ca, method: &Method, from: Body) -> Response {
    if *method != Method::POST {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let request: Option<Value> = match body(from).await {
        Some(bytes) => serde_json::from_slice(&bytes).ok(),
        None => None,
    };
    let text = |name| request.as_ref().and_then(|request| field(request, name)?.as_str());
    let pem = text("Certificate").and_then(|pem| x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok());
    let Some(der) = pem.map(|(_, pem)| pem.contents) else { return empty(StatusCode::BAD_REQUEST) };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let serial = world::hex(certificate.raw_serial());
    let answer = text("ARIResponse");
    let changed = ca.change(|state| set(state, &serial, &der, answer)).await;
    changed.unwrap_or_else(|Lost| empty(StatusCode::INTERNAL_SERVER_ERROR))
}

fn set(state: &mut State, serial: &str, der: &[u8], answer: Option<&str>) -> Response {
    match state.db.certificates.get_mut(serial).filter(|issued| *issued.leaf == *der) {
        None => empty(StatusCode::NOT_FOUND),
        Some(issued) => {
            issued.renewal_info = answer.filter(|text| !text.is_empty()).map(Into::into);
            empty(StatusCode::OK)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_whole_bytes() {
        for (text, expected) in [
            ("", None),
            ("0x1f", None),
            ("-1", None),
            ("zz", None),
            ("1F", Some("1f")),
            ("abc", Some("0abc")),
            ("000abc", Some("0abc")),
            ("463a20334997b431", Some("463a20334997b431")),
        ] {
            assert_eq!(serial(text).as_deref(), expected, "{text}");
        }
    }
}
