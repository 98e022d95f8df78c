//! A run for a program that has nothing else to do: with a runtime, a look at how far it is, and an end on signals.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::drive::{DriveError, Load, Progress, Watched, drive};
use crate::figures::Outcome;
use crate::publish::Publish;
use crate::target::Target;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Drives `load` on as many threads as there are processors, and calls `look` four times a second. SIGINT and SIGTERM end
/// the run after the orders that are under way, and what was measured until then is the outcome; a second one ends the
/// program.
///
/// # Errors
/// When it cannot begin.
pub fn run(
    load: &Load,
    target: &Target,
    publish: &Publish,
    watched: Watched,
    mut look: impl FnMut(&Progress),
) -> Result<Outcome, DriveError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let progress = Arc::new(Progress::default());
        let mut driven = pin!(drive(load, target, publish, watched, &progress));
        let mut looks = tokio::time::interval(LOOK);
        let mut signals = Signals::new()?;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(outcome) = driven.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            while looks.poll_tick(cx).is_ready() {
                look(&progress);
            }
            while signals.poll(cx).is_ready() {
                if progress.is_stopped() {
                    return Poll::Ready(Err(DriveError::Interrupted));
                }
                progress.stop();
            }
            Poll::Pending
        })
        .await
    });
    // Connections that are still open are of no interest any more.
    runtime.shutdown_background();
    outcome
}

/// What asks a program to end.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals(vec![signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
    }

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let told = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
        if told { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What asks a program to end.
#[cfg(not(unix))]
struct Signals(std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>>>>);

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals(Box::pin(tokio::signal::ctrl_c())))
    }

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        if self.0.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.0 = Box::pin(tokio::signal::ctrl_c());
        Poll::Ready(())
    }
}
