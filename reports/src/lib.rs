//! The record of a run, from which everything that people see is drawn.
//!
//! A record holds what happened and what it cost; it knows nothing of the engine or the servers. Renderers
//! read only the record: texts ([`line()`], [`story`], [`klog`]), forms for other programs ([`junit`], [`markdown`]), and the
//! page ([`page`]).

mod formats;
mod html;
mod log;
mod record;
mod render;
mod store;

pub use formats::{Timed, is_well, junit, markdown};
pub use html::page;
pub use log::of_log;
pub use record::{
    Change, Counts, Difference, Event, EventKind, Injected, Limit, LogLine, Outcome, RunRecord, SCHEMA,
    Severity, Told, Write,
};
pub use render::{differences, duration, klog, line, story, summary};
pub use store::{RecordError, file_name, read, read_all, write, write_whole};
