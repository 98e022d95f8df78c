use super::*;

/// Events about `name` at whole seconds, and what becomes of them: `+message`, `name xN message`, or `-`.
struct Story(Correlator);

impl Story {
    fn event(&mut self, secs: u64, name: &str, message: &str) -> String {
        let now = Timestamp::from_unix_secs(i64::try_from(secs).unwrap());
        let mut event = Event { message: message.into(), reason: "R".into(), count: 1, ..Event::default() };
        event.metadata.name = format!("{name}.{secs}");
        event.involved_object.name = name.into();
        event.first_timestamp = Some(Time::new(now));
        event.last_timestamp = Some(Time::new(now));
        let at = Instant::default() + Duration::from_secs(secs);
        match self.0.correlate(event, now, at) {
            Verdict::Drop => "-".to_owned(),
            Verdict::Create { event, .. } => format!("+{}", event.message),
            Verdict::Patch { event, .. } => {
                format!("{} x{} {}", event.metadata.name, event.count, event.message)
            }
        }
    }
}

fn story() -> Story {
    Story(Correlator::default())
}

#[test]
fn the_same_event_again_is_counted_on_the_first_one() {
    let mut story = story();
    assert_eq!(story.event(1, "a", "m"), "+m");
    assert_eq!(story.event(2, "a", "m"), "a.1 x2 m");
    assert_eq!(story.event(9000, "a", "m"), "a.1 x3 m");
    assert_eq!(story.event(9001, "b", "m"), "+m", "about another object");
}

#[test]
fn ten_messages_of_one_likeness_within_ten_minutes_become_one() {
    let mut story = story();
    for n in 1..10 {
        assert_eq!(story.event(n, "a", &format!("m{n}")), format!("+m{n}"));
    }
    assert_eq!(story.event(10, "a", "m10"), "+(combined from similar events): m10");
    let again = story.event(11, "a", "m11");
    assert_eq!(again, format!("a.{:x} x2 (combined from similar events): m11", 10_000_000_000_i64));
    // Ten minutes and a second without one: each is its own again.
    assert_eq!(story.event(612, "a", "m12"), "+m12");
}

#[test]
fn after_25_events_about_an_object_one_comes_through_each_five_minutes() {
    let mut story = story();
    let came = (0..40).filter(|n| story.event(*n / 10, "a", "m") != "-").count();
    assert_eq!(came, 25);
    assert_eq!(story.event(299, "a", "m"), "-");
    assert_eq!(story.event(304, "a", "m"), "a.0 x42 m", "what was dropped is counted all the same");
    assert_eq!(story.event(305, "a", "m"), "-");
    assert_eq!(story.event(305, "b", "m"), "+m", "another object has a bucket of its own");
}

#[test]
fn what_was_used_longest_ago_is_forgotten() {
    let mut lru = Lru::default();
    for n in 0..CACHE_MAX {
        lru.put(n.to_string(), n);
    }
    assert_eq!(lru.get("0"), Some(&0));
    lru.put("new".into(), 1);
    assert_eq!((lru.get("0").copied(), lru.entries.len()), (Some(0), CACHE_MAX));
    assert_eq!(lru.get("1"), None);
    assert_eq!(lru.by_use.len(), CACHE_MAX);
}
