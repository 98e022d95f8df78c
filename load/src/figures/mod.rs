//! What was measured: times by phase, counts, use of processes, and how it is told.

mod outcome;
mod phases;
mod process;
mod tally;
mod text;

pub use outcome::Outcome;
pub use phases::{Percentiles, Phase, Phases};
pub use process::{ProcessError, Usage, Used};
pub use tally::{Tally, Window};
pub use text::text;
