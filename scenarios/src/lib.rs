//! Rehearsals: scenarios as data, the simulated cluster that they run in, and the runner.
//!
//! | room | what happens there |
//! |---|---|
//! | [`script`] | the language: types, loading, `--set` |
//! | [`cluster`] | what stands around the engine: API server times, kubelet, endpoints, ingress controller |
//! | `actors` | the people and other controllers of a script: its timeline |
//! | `processes` | the engine's processes: started, elected, crashed, held still |
//! | [`backends`] | the servers behind issuers that are not ACME: Vault, Venafi |
//! | [`schema`] | the language as a JSON Schema |
//! | [`runner`] | builds a world from a script, runs it, sees what a restart makes of its end |
//! | `record` | the record of a run, out of the evidence |
//! | [`history`] | what the API server had at any time of a run |
//! | [`evidence`] | all that a run leaves, each thing with its time |
//! | [`expect`] | holds the evidence against what the script expects |
//! | [`invariants`] | what holds in every run that does not say otherwise |
//! | [`issue`] | the engine outside of a scenario: real sockets, real time, any ACME server |
//! | [`fleet`] | scenarios of any number of Certificates, made in code |
//! | [`library`] | finds the scenarios of a folder |
//! | [`rehearsal`] | a scenario as somebody's test |
//! | [`template`] | the scenario that one begins with |
//! | [`workshop`] | many runs at once |
//!
//! ```no_run
//! let library = scenarios::library::Library::open(None).unwrap();
//! let loaded = library.load("rancher-renewal").unwrap();
//! let record = scenarios::runner::run(&loaded, 0, &[]).unwrap();
//! assert_eq!(record.outcome, reports::Outcome::Passed);
//! ```

mod actors;
pub mod backends;
pub mod cluster;
pub mod evidence;
pub mod expect;
pub mod fleet;
pub mod history;
pub mod invariants;
pub mod issue;
pub mod library;
mod processes;
mod record;
pub mod rehearsal;
pub mod runner;
pub mod schema;
pub mod script;
pub mod template;
pub mod workshop;

pub use rehearsal::scenario;
pub use script::nearest;
