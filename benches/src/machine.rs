//! The machine that gave the figures, and what was measured on it.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use world::Timestamp;

/// The first line that a program prints; nothing when it is not there.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let ran = Command::new(program).args(arguments).output().ok()?;
    let said = if ran.stdout.is_empty() { ran.stderr } else { ran.stdout };
    let line = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
    Some(line).filter(|line| !line.is_empty())
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// One sentence: the day (UTC), processors, system and compiler.
pub fn machine() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (Timestamp::UNIX_EPOCH + since).to_string();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let or_unknown = |what: Option<String>| what.unwrap_or_else(|| "unknown".to_owned());
    format!(
        "{}: {processors} × {}, {}, {}",
        now.get(..10).unwrap_or(&now),
        or_unknown(processor()),
        or_unknown(first_line("uname", &["-srm"])),
        or_unknown(first_line("rustc", &["--version"])),
    )
}

/// The release of each Debian package that is on this machine, of those named: `pebble 2.4.0-1`.
pub fn packages(names: &[&str]) -> Vec<String> {
    let release = |name: &&str| {
        let shown = first_line("dpkg-query", &["--show", "--showformat=${Version}", name])?;
        Some(format!("{name} {shown}")).filter(|_| shown.starts_with(|c: char| c.is_ascii_digit()))
    };
    names.iter().filter_map(release).collect()
}
