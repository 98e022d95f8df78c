//! Zone files: whatever is read is written, read back as the same, and served.

use mock_dns::{Config, Dns};

/// Whether it is a zone.
pub(crate) fn run(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text).map(str::to_owned) else { return false };
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let dns = Dns::new(world.clone(), Config::default()).ok()?;
        dns.add_zone_file(&text, Some("example.test")).ok()?;
        let zone = dns.zones().pop()?;
        let written = dns.zone_file(&zone)?;
        let again = Dns::new(world, Config::default()).ok()?;
        again.add_zone_file(&written, None).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(again.zone_file(&zone)?, written);
        Some(())
    });
    // The kernel turns a panic of a task into an error.
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value.is_some()
}
