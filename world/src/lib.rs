//! World: time, tasks, network, randomness and keys, and nothing else, behind one handle.
//!
//! Everything in Rehearse that waits, talks, draws or signs asks a [`World`] for it. Three drivers stand
//! behind the handle:
//!
//! | driver | clock | tasks | network | randomness |
//! |---|---|---|---|---|
//! | [`sim`] | virtual, nanoseconds, jumps when nothing can run | one thread, order drawn from the [`Tape`] | in memory | seeded |
//! | [`guest`] | the same clock inside a paused tokio runtime | tokio current-thread | in memory | seeded |
//! | [`real`] | the system's, or [`Steering`] | tokio multi-thread | TCP and UDP | the system's |
//!
//! ```
//! use std::time::Duration;
//!
//! let run = world::sim::run(world::sim::Config::default(), |world| async move {
//!     world.sleep(Duration::from_secs(8 * 24 * 3600)).await;
//!     world.now()
//! });
//! assert_eq!(run.unwrap().value.to_string(), "1970-01-09T00:00:00Z");
//! ```
//!
//! **Invariant:** a simulated world is a pure function of its configuration: no thread, no socket, no
//! system clock and no system entropy is reachable from it.

mod clock;
pub mod command;
mod cost;
pub mod der;
pub mod duration;
pub mod files;
pub mod goflag;
pub mod guest;
mod hash;
pub mod http;
pub mod keys;
pub mod net;
pub mod real;
pub mod resolver;
mod rng;
pub mod sim;
mod steer;
pub mod system;
mod tape;
mod task;
mod time;
pub mod tls;
mod trace;
pub mod tsig;
mod world;

pub use crate::clock::{Sleep, WallClock, WallStep};
pub use crate::cost::Costs;
pub use crate::hash::{hex, sha256};
pub use crate::keys::{KeyAlgorithm, Keys, PrivateKey, PublicKey};
pub use crate::net::{Datagrams, Listener, Stream};
pub use crate::rng::Rng;
pub use crate::steer::{BackInTime, Steering};
pub use crate::tape::Tape;
pub use crate::task::{Spawner, TaskGroup};
pub use crate::time::{BadTimestamp, Timestamp};
pub use crate::trace::{Divergence, Record, Trace};
pub use crate::world::{Elapsed, Instant, Raced, Reading, TaskHandle, World, race};
