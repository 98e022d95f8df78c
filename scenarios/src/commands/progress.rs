//! How far a command is, on standard error, if that is a terminal.

use std::io::{IsTerminal as _, Write as _};

/// Width of the bar, in characters.
const WIDTH: u64 = 30;

/// A line that is written over.
pub(crate) struct Progress {
    all: u64,
    shown: bool,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(all: u64) -> Self {
        Progress { all, shown: false, terminal: std::io::stderr().is_terminal() }
    }

    /// So many are done; and what else there is to say.
    pub(crate) fn show(&mut self, done: u64, more: &str) {
        if self.terminal && done < self.all {
            let filled = done * WIDTH / self.all;
            let bar: String = (0..WIDTH).map(|n| if n < filled { '#' } else { '.' }).collect();
            let _ = write!(std::io::stderr(), "\r[{bar}] {done} of {}{more}\u{1b}[K", self.all);
            self.shown = true;
        }
    }

    /// Takes the line away, so that others can be printed.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
