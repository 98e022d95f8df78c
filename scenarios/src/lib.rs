//! Rehearsals: scenarios as data, the simulated cluster that they run in, and the runner.
//!
//! | room | what happens there |
//! |---|---|
//! | [`script`] | the language: types, loading, `--set` |
//! | [`cluster`] | what stands around the engine: API server times, kubelet, endpoints, ingress controller |
//! | `processes` | the engine's processes: started, elected, crashed, held still |
//! | [`backends`] | the servers behind issuers that are not ACME: Vault, Venafi |
//! | [`runner`] | builds a world from a script, runs it, makes the record |
//! | [`history`] | what the API server had at any time of a run |
//! | [`expect`] | holds the record against what the script expects |
//! | [`issue`] | the engine outside of a scenario: real sockets, real time, any ACME server |
//! | [`fleet`] | scenarios of any number of Certificates, made in code |
//! | [`library`] | finds the scenarios of a folder |
//!
//! ```no_run
//! let library = scenarios::library::Library::open(None).unwrap();
//! let loaded = library.load("rancher-renewal").unwrap();
//! let record = scenarios::runner::run(&loaded, 0, &[]).unwrap();
//! assert_eq!(record.outcome, reports::Outcome::Passed);
//! ```

pub mod backends;
pub mod cluster;
pub mod expect;
pub mod fleet;
pub mod history;
pub mod issue;
pub mod library;
mod processes;
pub mod runner;
pub mod script;
