//! The management API: Pebble's own paths, and beside them, under `/rehearse/`, what Pebble does not have.
//!
//! It is made of pieces. Nothing here wants a `User-Agent`, a nonce or a signature: who reaches the
//! listener is trusted.

mod answer;
mod authorities;
mod clock;
mod limits;
mod pebble;
mod state;

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use http::header;

use crate::Ca;

/// One line of the index: methods, path, and what it is for.
type Line = (&'static str, &'static str, &'static str);

/// A part of the API: its routes, and how the index describes them.
#[derive(Debug)]
struct Piece {
    /// The routes, each under `/rehearse/`.
    router: Router,
    /// Lines of the index.
    lines: &'static [Line],
}

/// Pebble's own paths.
const PEBBLE: &[Line] = &[
    ("GET", "/roots/N", "the N-th root, PEM"),
    ("GET", "/root-keys/N", "its key, PEM"),
    ("GET", "/intermediates/N", "the intermediate of the N-th chain, PEM"),
    ("GET", "/intermediate-keys/N", "its key, PEM"),
    ("GET", "/cert-status-by-serial/HEX", "a certificate, and whether it is revoked"),
    ("POST", "/set-renewal-info/", "what a certificate's renewal information is: {Certificate, ARIResponse}"),
];

/// What is written elsewhere: faults, and the journal.
fn faults_and_journal(ca: &Ca) -> [Piece; 2] {
    [
        Piece {
            router: crate::faults::routes(ca.faults().clone()),
            lines: &[
                ("GET", "/rehearse/faults", "all fault rules, with their counts"),
                ("POST", "/rehearse/faults", "adds a script: JSON, or a rule in a line"),
                ("DELETE", "/rehearse/faults", "removes all rules"),
                ("GET", "/rehearse/faults/ID", "one rule"),
                ("DELETE", "/rehearse/faults/ID", "removes it"),
            ],
        },
        Piece {
            router: crate::journal::routes(ca.journal().clone()),
            lines: &[
                (
                    "GET",
                    "/rehearse/journal",
                    "the latest entries; ?event=, endpoint=, status=, since=, … narrow them",
                ),
                ("GET", "/rehearse/counters", "how often things happened, since the beginning"),
            ],
        },
    ]
}

/// The API of `ca`.
pub fn router(ca: &Ca) -> Router {
    let mut index = String::from("Management of mock-ca. Pebble's paths:\n\n");
    let mut list = |lines: &[Line]| {
        for (methods, path, what) in lines {
            // Writing to a string does not fail.
            let _ = writeln!(index, "{}", format!("{methods:<8} {path:<28} {what}").trim_end());
        }
    };
    list(PEBBLE);
    list(&[("", "", ""), ("GET", "/rehearse/", "this list")]);
    let mut router = Router::new();
    for piece in
        [state::piece(ca), clock::piece(ca), limits::piece(ca)].into_iter().chain(faults_and_journal(ca))
    {
        list(piece.lines);
        router = router.merge(piece.router);
    }
    let page = move || {
        let index = index.clone();
        async move { ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], index) }
    };
    let ca = ca.clone();
    let now = ca.world().clone();
    router
        .route("/rehearse", get(page.clone()))
        .route("/rehearse/", get(page))
        .fallback(move |request: Request| pebble::answer(ca.clone(), request))
        .layer(axum::middleware::map_response(move |response| {
            let now = now.clone();
            async move { answer::dated(response, now.now()) }
        }))
}
