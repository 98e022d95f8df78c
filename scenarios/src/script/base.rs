//! The base of a scenario: another one, whose world it has.

use engine::manifest::tree::{Node, Value};

/// What a scenario does not take from its base.
const OWN: &[&str] = &["title", "source", "cause", "failures", "base", "timeline", "expect", "ablations"];

/// `own` with all that it does not say taken from `base`. Mappings are merged, everything else is replaced.
pub(super) fn over(own: &Node, base: &Node) -> Node {
    let mut base = base.clone();
    if let Value::Mapping(entries) = &mut base.value {
        entries.retain(|entry| !OWN.contains(&entry.key.as_str()));
    }
    merged(own, &base)
}

fn merged(own: &Node, base: &Node) -> Node {
    let (Value::Mapping(ours), Value::Mapping(theirs)) = (&own.value, &base.value) else {
        return own.clone();
    };
    let mut entries = Vec::new();
    for entry in theirs {
        let mut entry = entry.clone();
        if let Some(mine) = own.entry(&entry.key) {
            entry.value = merged(&mine.value, &entry.value);
            entry.key_span = mine.key_span;
        }
        entries.push(entry);
    }
    entries.extend(ours.iter().filter(|entry| base.entry(&entry.key).is_none()).cloned());
    Node { span: own.span, value: Value::Mapping(entries) }
}
