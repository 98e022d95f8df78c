//! The people and other controllers of a script: does what its timeline says, when it says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::api::{Kind, Object, ObjectKey};
use engine::client::{Client, NoDelay};
use engine::manifest::{self, Options};
use engine::store::{ApiError, ChangeType, Store};
use reports::Difference;
use serde_json::Value;
use world::{Instant, Timestamp, World};

use crate::expect::paths::{Subject, is_so};
use crate::runner::link_rules;
use crate::script::{Action, Link, Patch, Records, Scenario, Seen, Step};

/// What has been done, and what was not as the script says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doings(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    actions: Vec<(Timestamp, String)>,
    differences: Vec<Difference>,
    over: bool,
}

impl Doings {
    /// From now on nothing is done.
    pub(crate) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }

    fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).over
    }

    /// What was done, with its time.
    pub(crate) fn actions(&self) -> Vec<(Timestamp, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).actions.clone()
    }

    /// What went otherwise than the script says.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).differences.clone()
    }
}

/// Where the actors act.
#[derive(Clone)]
struct Stage {
    world: World,
    store: Store,
    dns: Option<mock_dns::Dns>,
    links: Vec<Link>,
    manifests: Options,
    start: Timestamp,
    doings: Doings,
}

/// Starts the timeline of a script.
pub(crate) fn start(
    world: &World,
    store: &Store,
    dns: Option<&mock_dns::Dns>,
    scenario: &Scenario,
) -> Doings {
    let doings = Doings::default();
    let stage = Stage {
        world: world.clone(),
        store: store.clone(),
        dns: dns.cloned(),
        links: scenario.links.clone(),
        manifests: scenario.manifest_options(),
        start: scenario.clock.start,
        doings: doings.clone(),
    };
    for (n, step) in scenario.timeline.iter().cloned().enumerate() {
        let stage = stage.clone();
        world.spawn(&format!("timeline[{n}]"), async move { stage.step(n, &step).await });
    }
    doings
}

impl Stage {
    async fn step(&self, n: usize, step: &Step) {
        if let Some(at) = step.at {
            self.world.sleep(at.of(self.start).since(self.start)).await;
        }
        let mut seen = step.when.as_ref().and_then(|when| Watcher::new(&self.store, when));
        let times = step.times.unwrap_or(if step.every.is_empty() { 1 } else { u64::MAX });
        for turn in 0..times {
            if let Some(seen) = &mut seen
                && !seen.next().await
            {
                return;
            }
            self.world.sleep(step.after.nth(usize::try_from(turn).unwrap_or(usize::MAX))).await;
            if step.until.is_some_and(|until| self.world.now() >= until.of(self.start)) {
                return;
            }
            for (i, action) in step.actions.iter().enumerate() {
                if self.doings.is_over() {
                    return;
                }
                let done = self.act(action).await;
                self.note(&format!("timeline[{n}].do[{i}]"), action, step.refused.as_deref(), done);
            }
            let pause = step.every.nth(usize::try_from(turn).unwrap_or(usize::MAX));
            // Without a pause nothing would ever come between two turns.
            self.world.sleep(pause.max(Duration::from_millis(1))).await;
        }
    }

    /// Remembers what was done, and tells what should have been refused or should not.
    fn note(&self, place: &str, action: &Action, refused: Option<&str>, done: Result<(), String>) {
        let mut doings = self.doings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = done.as_ref().err().map(|why| format!(": refused: {why}")).unwrap_or_default();
        let at = self.start + self.world.monotonic().since(Instant::default());
        doings.actions.push((at, format!("{}{outcome}", told(action))));
        let as_wanted = match (&done, refused) {
            (Ok(()), None) => true,
            (Err(why), Some(refused)) => why.contains(refused),
            _ => false,
        };
        if !as_wanted {
            doings.differences.push(Difference {
                what: place.to_owned(),
                expected: Some(refused.map_or("done".to_owned(), |refused| format!("refused: {refused}"))),
                actual: Some(done.err().unwrap_or_else(|| "done".to_owned())),
            });
        }
    }

    async fn act(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::Apply(text) => self.apply(text),
            Action::Delete(object) => self.delete(object),
            Action::Patch(patch) => self.patch(patch),
            Action::Renew(name) => {
                let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
                let client = Client::new(&self.world, &self.store, Arc::new(NoDelay), "cmctl");
                let key = ObjectKey::new(namespace, name);
                engine::renew(&self.world, &client, &key).await.map_err(|e| e.to_string())
            }
            Action::Records(records) => self.records(records),
            Action::Links(links) => {
                let Some(net) = self.world.sim_net() else { return Ok(()) };
                let all: Vec<Link> = links.iter().chain(&self.links).cloned().collect();
                net.set_rules(link_rules(&all));
                Ok(())
            }
        }
    }

    fn apply(&self, text: &str) -> Result<(), String> {
        let objects = manifest::load_with("apply", text, &self.manifests).map_err(|e| e.to_string())?;
        for object in objects {
            match self.store.get(object.kind(), &object.key()) {
                None => drop(self.store.create(object).map_err(|e| e.to_string())?),
                Some(stored) => {
                    let mut given = object.to_json();
                    if let Value::Object(fields) = &mut given {
                        fields.remove("status");
                    }
                    self.merge(&stored, &given).map_err(|e| e.to_string())?;
                }
            }
        }
        Ok(())
    }

    fn delete(&self, object: &str) -> Result<(), String> {
        for object in self.named(object)? {
            self.store.delete(object.kind(), &object.key()).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn patch(&self, patch: &Patch) -> Result<(), String> {
        for object in self.named(&patch.object)? {
            self.merge(&object, &patch.with).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// The objects that a script names. One without a star has to be there.
    fn named(&self, text: &str) -> Result<Vec<Object>, String> {
        let subject = Subject::parse(text).ok_or_else(|| format!("{text:?} names no kind"))?;
        let found: Vec<_> = self.store.list(subject.kind).into_iter().filter(|o| subject.fits(o)).collect();
        if found.is_empty() && !text.contains('*') {
            let (resource, name) = (subject.kind.resource(), subject.name);
            return Err(ApiError::NotFound { resource, name }.to_string());
        }
        Ok(found)
    }

    fn merge(&self, stored: &Object, patch: &Value) -> Result<(), ApiError> {
        let mut json = stored.to_json();
        merge_patch(&mut json, patch);
        if let Value::Object(fields) = &mut json {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        let kind: Kind = stored.kind();
        let wanted = Object::deserialize_as(kind, json).map_err(|e| ApiError::Invalid {
            resource: kind.resource(),
            name: stored.meta().name.clone(),
            why: e.to_string(),
        })?;
        let written = self.store.update(wanted.clone())?;
        if kind.has_status_subresource() && patch.get("status").is_some() {
            let version = written.meta().resource_version;
            self.store.update_status(wanted.with_meta(|m| m.resource_version = version))?;
        }
        Ok(())
    }

    fn records(&self, records: &Records) -> Result<(), String> {
        let dns = self.dns.as_ref().ok_or("there is no DNS server")?;
        let kind = records.kind.parse().map_err(|_| format!("there is no type {:?}", records.kind))?;
        let values: Vec<&str> = records.values.iter().map(String::as_str).collect();
        if values.is_empty() {
            return dns.remove(&records.name, kind).map(drop).map_err(|e| e.to_string());
        }
        dns.set(&records.name, kind, records.ttl, &values).map_err(|e| e.to_string())
    }
}

/// RFC 7386.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge_patch(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// An action in words.
fn told(action: &Action) -> String {
    match action {
        Action::Apply(text) => {
            let named = |line: &&str| line.trim_start().starts_with("kind:") || line.contains("name:");
            let words: Vec<&str> = text.lines().filter(named).map(str::trim).take(2).collect();
            format!("somebody applies {}", words.join(", "))
        }
        Action::Delete(object) => format!("somebody deletes {object}"),
        Action::Patch(patch) => format!("somebody sets {} of {}", patch.with, patch.object),
        Action::Renew(name) => format!("somebody renews {name}"),
        Action::Records(Records { name, kind, values, .. }) if values.is_empty() => {
            format!("the {kind} records of {name} are removed")
        }
        Action::Records(Records { name, kind, values, .. }) => {
            format!("the {kind} records of {name} are now {}", values.join(", "))
        }
        Action::Links(links) if links.is_empty() => "the network is as it was".to_owned(),
        Action::Links(links) => {
            let each = links.iter().map(|link| {
                let end = |host: &Option<String>| host.clone().unwrap_or_else(|| "everybody".to_owned());
                format!("{} to {}: {:?}", end(&link.from), end(&link.to), link.verdict)
            });
            format!("the network changes: {}", each.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Waits for an object to come to be so.
struct Watcher {
    watch: engine::store::Watch,
    subject: Subject,
    seen: Seen,
}

impl Watcher {
    fn new(store: &Store, seen: &Seen) -> Option<Self> {
        let subject = Subject::parse(&seen.object)?;
        Some(Watcher { watch: store.watch(subject.kind), subject, seen: seen.clone() })
    }

    /// Waits for the next change after which it is so; `false` when there will be none.
    async fn next(&mut self) -> bool {
        while let Some(change) = self.watch.next().await {
            let gone = change.type_ == ChangeType::Deleted;
            if self.subject.fits(&change.object)
                && gone == self.seen.deleted
                && is_so(&change.object, &self.seen.is)
            {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_merged_and_null_takes_away() {
        let mut json: Value = serde_json::json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge_patch(&mut json, &serde_json::json!({ "a": { "b": null, "e": 3 }, "d": [2] }));
        assert_eq!(json, serde_json::json!({ "a": { "c": 2, "e": 3 }, "d": [2] }));
    }
}
