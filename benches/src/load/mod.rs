//! A load generator for ACME servers: it issues certificates over real sockets as fast as the server lets it, and measures
//! what one costs.
//!
//! An order here is what a client does: newOrder, its authorizations, the token published, the challenge answered, the order
//! polled until it is ready, finalize, polls, the download, the chain parsed. Nothing is retried but a refused nonce, and
//! nothing that goes wrong is left out of the count.
//!
//! ```text
//! Runner -> Servers (two processes, /proc)          what runs, and what it uses
//!        -> drive   -> Worker (one order at a time) -> Session (nonce, JWS) -> Connection (TLS, HTTP)
//!                                                   -> Responder (publishes tokens)
//!        -> Outcome -> report                       what is printed
//! ```
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this measures real servers with a real clock over real sockets; nothing here runs in a simulated world"
)]

mod account;
mod connection;
mod csr;
mod drive;
mod failure;
mod order;
mod process;
mod report;
mod responder;
mod servers;
mod session;
mod tally;

pub use connection::{Protocol, Trust};
pub use drive::{Load, Target, Watched, drive};
pub use failure::Failure;
pub use process::{ProcessError, Usage};
pub use report::{Outcome, Summary, row, summarize};
pub use servers::{Binaries, Kind, Servers, StartError};
pub use tally::{Tally, Window};
