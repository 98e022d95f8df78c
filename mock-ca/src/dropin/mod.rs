//! Starting as Pebble is started: its flags, its configuration file and its environment, read into a
//! [`Settings`]; and the two HTTPS servers that come of it.
//!
//! What counts, from the weakest: the built-in values (those of Pebble's sample configuration), the
//! configuration file, the environment, the settings file ([`Options::settings`]), the flags.

mod address;
mod environment;
mod file;
mod flags;
mod hierarchy;
mod serve;
mod settings;

pub use address::{BadServer, listen_address, nameservers};
pub use environment::Environment;
pub use file::{BadFile, PebbleFile, SAMPLE_LISTEN, SAMPLE_MANAGEMENT};
pub use flags::{ClockKind, FLAGS, Options, Preset};
pub use hierarchy::{HierarchyOptions, IssuerKey};
pub use serve::{Running, StartError, go_time, start};
pub use settings::{Settings, SettingsError, read};
