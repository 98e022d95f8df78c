//! What happens, a line for each step, on standard error.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use engine::api::{Challenge, Event, Kind, Object, ObjectKey};
use engine::log::{Entry, Sink, render};
use world::Timestamp;

use super::goal::issuer_ready;

/// Yellow, and back.
const WARNING: (&str, &str) = ("\u{1b}[33m", "\u{1b}[0m");

/// Prints what is new.
#[derive(Debug)]
pub(super) struct Progress {
    colour: bool,
    /// The last words of each object.
    said: Mutex<BTreeMap<(Kind, ObjectKey), String>>,
}

impl Progress {
    /// On a terminal warnings are yellow, unless `NO_COLOR` is set.
    pub(super) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Progress { colour: !plain && std::io::stderr().is_terminal(), said: Mutex::default() }
    }

    /// A line.
    pub(super) fn say(&self, now: Timestamp, text: &str, warning: bool) {
        let (on, off) = if warning && self.colour { WARNING } else { ("", "") };
        let time = now.rfc3339_secs();
        let time = time.get(11..).unwrap_or(&time);
        // Who reads may have stopped to.
        let _ = writeln!(std::io::stderr().lock(), "{time} {on}{}{off}", printable(text));
    }

    /// What a change tells that has not been said.
    pub(super) fn tell(&self, now: Timestamp, object: &Object) {
        let Some((about, text, warning)) = line(object) else { return };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let last = said.insert((object.kind(), object.key()), text.clone());
        if last.as_ref() != Some(&text) {
            drop(said);
            self.say(now, &format!("{about}: {text}"), warning);
        }
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, object: &Object) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.remove(&(object.kind(), object.key()));
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Whom a change is about, what it says, and whether somebody should look.
fn line(object: &Object) -> Option<(String, String, bool)> {
    match object.kind() {
        Kind::Event => {
            let event = object.get::<Event>()?;
            let about = &event.involved_object;
            let key = ObjectKey::new(about.namespace.as_str(), about.name.as_str());
            Some((format!("{} {key}", about.kind), event.message.clone(), event.type_ == "Warning"))
        }
        Kind::Challenge => {
            let challenge = object.get::<Challenge>()?;
            // What ends a challenge is an event as well.
            let waits = !challenge.status.reason.is_empty() && !challenge.status.state.is_final();
            waits.then(|| (format!("Challenge {}", object.key()), challenge.status.reason.clone(), true))
        }
        Kind::Issuer | Kind::ClusterIssuer => {
            let ready = issuer_ready(object)?;
            let about = format!("{} {}", object.kind(), object.key());
            // What is wrong with it is an event as well.
            (ready.status == engine::api::ConditionStatus::True).then_some((about, ready.message, false))
        }
        _ => None,
    }
}

/// Without what a terminal would act on: texts come from servers.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The engine's log: to standard error, or nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogSink {
    /// Whether it is wanted.
    pub(super) verbose: bool,
}

impl Sink for LogSink {
    fn entry(&self, entry: Entry) {
        if self.verbose {
            let _ = writeln!(std::io::stderr().lock(), "{}", printable(&render(&entry, 1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_draw_on_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{9b}d"), "a [2Jb  c d");
    }

    #[test]
    fn an_event_is_a_line_about_its_object() {
        let mut event = Event::default();
        event.involved_object.kind = "Certificate".into();
        event.involved_object.namespace = "default".into();
        event.involved_object.name = "www".into();
        event.message = "Stored".into();
        event.type_ = "Normal".into();
        let line = line(&event.into());
        assert_eq!(line, Some(("Certificate default/www".into(), "Stored".into(), false)));
    }
}
