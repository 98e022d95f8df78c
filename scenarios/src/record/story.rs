//! The story of a run: what is worth telling of what happened, each thing once.

use std::collections::BTreeMap;

use reports::{Event, EventKind, Told};

/// In the order in which each was told first.
pub(super) fn story(events: &[Event]) -> Vec<Told> {
    let (mut all, mut known): (Vec<Told>, BTreeMap<&str, usize>) = Default::default();
    for event in events.iter().filter(|event| is_told(event)) {
        // What lasts is told when it is over: a request is refused by its answer.
        let at = event.at + event.lasts;
        match known.get(event.text.as_str()) {
            Some(n) => {
                let told: &mut Told = &mut all[*n];
                (told.last, told.times) = (at, told.times + 1);
            }
            None => {
                known.insert(&event.text, all.len());
                all.push(Told { at, last: at, times: 1, text: event.text.clone() });
            }
        }
    }
    all.sort_by_key(|told| told.at);
    all
}

fn is_told(event: &Event) -> bool {
    match event.kind {
        EventKind::Event
        | EventKind::Decision
        | EventKind::Issued
        | EventKind::Revoked
        | EventKind::Limit
        | EventKind::Action
        | EventKind::Process
        | EventKind::Ready => true,
        EventKind::Request => event.trouble,
        EventKind::Validation
        | EventKind::Fault
        | EventKind::Query
        | EventKind::Proxied
        | EventKind::Audit => false,
    }
}
