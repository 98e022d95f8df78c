//! The record of a run, from which everything that people see is drawn.
//!
//! A record holds what happened and what it cost; it knows nothing of the engine or the servers. Renderers
//! read only the record: [`klog`], [`line()`], [`summary`].

mod record;
mod render;

pub use record::{Counts, Difference, LogLine, Outcome, RunRecord, SCHEMA};
pub use render::{differences, klog, line, summary};
