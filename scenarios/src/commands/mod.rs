//! What `rehearse` does, a module for each command that is more than a few lines.

pub(crate) mod bench;
pub(crate) mod fleet;
mod progress;
pub(crate) mod report;
pub(crate) mod run;

use std::io::Write as _;

/// Writes to standard output. Who reads it may stop reading (`| head`): then there is nobody to tell.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
