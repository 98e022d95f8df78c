//! Zone files: whatever is read is written, read back as the same, and served.
#![no_main]

use mock_dns::{Config, Dns};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let text = text.to_owned();
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
    if let Err(stopped) = run {
        panic!("{stopped}");
    }
});
