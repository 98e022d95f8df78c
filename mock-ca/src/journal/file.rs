//! Writing lines to a file from a task of its own.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use world::World;

use super::Entry;

/// Lines that may wait for a slow disk.
const WAITING_MAX: usize = 65_536;
/// Bytes that are written at once when many lines wait.
const BATCH_BYTES: usize = 64 * 1024;

/// The near end: takes lines and never waits.
#[derive(Debug)]
pub(super) struct Lines {
    sender: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the task that writes.
    pub(super) fn start(
        world: &World,
        sink: impl Write + Send + 'static,
        report: impl Fn(&io::Error) + Send + 'static,
    ) -> Self {
        let (sender, lines) = mpsc::channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { sink, report, lost: lost.clone(), failed: false, reported: false };
        world.spawn("journal file", writer.run(lines));
        Lines { sender, lost }
    }

    /// Takes what is to be a line.
    pub(super) fn add(&self, entry: Entry) {
        if self.sender.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer<W, R> {
    sink: W,
    report: R,
    lost: Arc<AtomicU64>,
    /// The last write failed, perhaps in the middle of a line.
    failed: bool,
    reported: bool,
}

impl<W: Write, R: Fn(&io::Error)> Writer<W, R> {
    async fn run(mut self, mut lines: mpsc::Receiver<Entry>) {
        while let Some(first) = lines.recv().await {
            let (mut text, mut count) = (String::new(), 0);
            let mut next = Some(first);
            while let Some(entry) = next {
                text.push_str(&entry.to_json());
                text.push('\n');
                count += 1;
                next = (text.len() < BATCH_BYTES).then(|| lines.try_recv().ok()).flatten();
            }
            self.write(&text, count);
        }
    }

    fn write(&mut self, text: &str, count: u64) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let note = match (self.failed, lost) {
            (_, 0) => String::new(),
            (true, lost) => format!("\n{{\"event\":\"linesLost\",\"lines\":{lost}}}\n"),
            (false, lost) => format!("{{\"event\":\"linesLost\",\"lines\":{lost}}}\n"),
        };
        let written =
            self.sink.write_all(format!("{note}{text}").as_bytes()).and_then(|()| self.sink.flush());
        self.failed = written.is_err();
        if let Err(error) = written {
            self.lost.fetch_add(lost + count, Ordering::Relaxed);
            if !self.reported {
                self.reported = true;
                (self.report)(&error);
            }
        }
    }
}
