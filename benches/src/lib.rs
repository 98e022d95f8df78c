//! Benchmarks: criterion's are in `benches/`; the commands in `src/bin` measure servers side by side. `RESULTS.md` has what
//! they gave, with the machine that gave it.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this measures real servers with a real clock over real sockets; a simulated world is measured from outside"
)]

pub mod children;
pub mod cluster;
pub mod dns;
pub mod machine;
pub mod servers;
pub mod svg;
pub mod table;
