//! The command line: Pebble's flags, and those that only this server has.

use std::path::PathBuf;

use world::goflag::{Flag, Kind, Parsed, Stop, parse, usage};

use crate::dialect::DialectName;
use crate::state::{Durability, StateDir};

/// Where Pebble looks for its configuration unless it is told.
pub(super) const CONFIG: &str = "test/config/pebble-config.json";

/// All flags.
pub const FLAGS: &[Flag] = &[
    Flag::new(
        "config",
        Kind::Text,
        CONFIG,
        "Configuration `FILE` as Pebble has it; without the default file, the values of Pebble's sample count",
    ),
    Flag::new("strict", Kind::Bool, "false", "Refuse what only old drafts of ACME allow"),
    Flag::new(
        "dnsserver",
        Kind::Text,
        "",
        "Nameserver that validation asks, `HOST:PORT`; none: those of the system",
    ),
    Flag::new("version", Kind::Bool, "false", "Print the version, and end"),
    Flag::new("listen", Kind::Text, "", "`ADDRESS` to listen on for ACME, in place of the configuration's"),
    Flag::new(
        "management",
        Kind::Text,
        "",
        "`ADDRESS` to listen on for management, in place of the configuration's",
    ),
    Flag::new(
        "seed",
        Kind::Number,
        "",
        "Makes keys, nonces, tokens, serial numbers and all chance repeat; none: drawn, and printed",
    ),
    Flag::new("dialect", Kind::Text, "pebble", "Whose behaviours the server has: `pebble|boulder`"),
    Flag::new(
        "preset",
        Kind::Text,
        "",
        "Limits, lifetimes and names of `letsencrypt-prod|letsencrypt-staging`",
    ),
    Flag::new("clock", Kind::Text, "real", "`real|virtual`: virtual can be moved by /rehearse/clock"),
    Flag::new("state", Kind::Text, "", "`DIR` to keep accounts, orders, certificates and keys in"),
    Flag::new(
        "state-durability",
        Kind::Text,
        "machine",
        "What an answer outlives with -state: the `machine` (each write waits for the disk) or the process",
    ),
    Flag::new("faults", Kind::Text, "", "Fault script `FILE`"),
    Flag::new("fault", Kind::Texts, "", "One fault rule, `SPEC`; can be given more than once"),
    Flag::new("journal", Kind::Text, "", "`FILE` to write the journal to, a line of JSON for each entry"),
    Flag::new(
        "root-out",
        Kind::Text,
        "",
        "`FILE` to write roots to, PEM: that of the HTTPS certificate if it is made here, then those of issued certificates",
    ),
    Flag::new(
        "settings",
        Kind::Text,
        "",
        "`FILE` with settings of this server, JSON, which count before the configuration and the environment",
    ),
];

/// Whose environment the server plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Let's Encrypt's production.
    LetsencryptProd,
    /// Let's Encrypt's staging.
    LetsencryptStaging,
}

/// Which clock the server reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockKind {
    /// The system's.
    #[default]
    Real,
    /// One that starts as the system's and can be moved.
    Virtual,
}

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pebble's configuration file.
    pub config: PathBuf,
    /// Whether that file was named, and so must be there.
    pub config_named: bool,
    /// `-strict`.
    pub strict: bool,
    /// Nameserver of validation, as it was written; empty is the system's.
    pub dnsserver: String,
    /// Whether only the version was asked for.
    pub version: bool,
    /// Where to listen for ACME, in place of the file's.
    pub listen: Option<String>,
    /// Where to listen for management, in place of the file's; an empty text is nowhere.
    pub management: Option<String>,
    /// Root of all randomness.
    pub seed: Option<u64>,
    /// Whose behaviours.
    pub dialect: DialectName,
    /// Whose environment.
    pub preset: Option<Preset>,
    /// Which clock.
    pub clock: ClockKind,
    /// Where state is kept.
    pub state: Option<StateDir>,
    /// Script of faults.
    pub faults: Option<PathBuf>,
    /// Rules of faults, each in a line.
    pub fault: Vec<String>,
    /// Where the journal goes.
    pub journal: Option<PathBuf>,
    /// Where roots go.
    pub root_out: Option<PathBuf>,
    /// Settings of our own.
    pub settings: Option<PathBuf>,
}

/// The one of `names` that a flag has.
fn one_of<T: Copy>(program: &str, parsed: &Parsed, flag: &str, names: &[(&str, T)]) -> Result<T, Stop> {
    let text = parsed.text(flag);
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let good: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let good = good.join(" or ");
        let text = format!("invalid value {text:?} for flag -{flag}: want {good}\n{}", usage(program, FLAGS));
        Stop { text, code: 2 }
    })
}

impl Options {
    /// Reads the arguments behind the name of the `program`.
    ///
    /// # Errors
    /// [`Stop`]: what to print before the end, and what to exit with.
    pub fn parse(program: &str, arguments: impl IntoIterator<Item = String>) -> Result<Self, Stop> {
        let parsed = parse(program, FLAGS, arguments)?;
        if let Some(first) = parsed.rest().first() {
            let hint = match first.as_str() {
                "true" | "false" => " (a boolean flag takes its value behind `=`: -strict=false)",
                _ => "",
            };
            let text = format!("invalid command line arguments: {first:?} is no flag{hint}");
            return Err(Stop { text, code: 1 });
        }
        let path = |flag| Some(parsed.text(flag)).filter(|text| !text.is_empty()).map(PathBuf::from);
        let given = |flag| parsed.is_given(flag).then(|| parsed.text(flag).to_owned());
        let dialects = [("pebble", DialectName::Pebble), ("boulder", DialectName::Boulder)];
        let presets = [
            ("letsencrypt-prod", Some(Preset::LetsencryptProd)),
            ("letsencrypt-staging", Some(Preset::LetsencryptStaging)),
        ];
        let durabilities = [("machine", Durability::Machine), ("process", Durability::Process)];
        let durability = one_of(program, &parsed, "state-durability", &durabilities)?;
        let clocks = [("real", ClockKind::Real), ("virtual", ClockKind::Virtual)];
        Ok(Options {
            config: PathBuf::from(parsed.text("config")),
            config_named: parsed.is_given("config"),
            strict: parsed.is_set("strict"),
            dnsserver: parsed.text("dnsserver").to_owned(),
            version: parsed.is_set("version"),
            listen: given("listen"),
            management: given("management"),
            seed: parsed.number("seed"),
            dialect: one_of(program, &parsed, "dialect", &dialects)?,
            preset: match parsed.text("preset") {
                "" => None,
                _ => one_of(program, &parsed, "preset", &presets)?,
            },
            clock: one_of(program, &parsed, "clock", &clocks)?,
            state: path("state").map(|path| StateDir { path, durability }),
            faults: path("faults"),
            fault: parsed.texts("fault").to_vec(),
            journal: path("journal"),
            root_out: path("root-out"),
            settings: path("settings"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, Stop> {
        Options::parse("mock-ca", arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn nothing_is_needed() {
        let options = read(&[]).unwrap();
        assert_eq!((options.config.to_str(), options.config_named), (Some(CONFIG), false));
        assert_eq!((options.strict, options.dialect, options.seed), (false, DialectName::Pebble, None));
        assert_eq!((options.listen, options.management, options.preset), (None, None, None));
    }

    #[test]
    fn as_suites_call_it() {
        for (arguments, strict) in [
            (vec!["-config", "F", "-dnsserver", "[::1]:53", "-strict"], true),
            (vec!["-strict", "-config", "F", "--dnsserver=[::1]:53"], true),
            (vec!["-config=F", "-strict=false", "-dnsserver", "[::1]:53"], false),
        ] {
            let options = read(&arguments).unwrap();
            assert_eq!((options.config.to_str(), options.config_named), (Some("F"), true));
            assert_eq!((options.dnsserver.as_str(), options.strict), ("[::1]:53", strict));
        }
    }

    #[test]
    fn of_our_own() {
        let options = read(&[
            "-dialect",
            "boulder",
            "-preset=letsencrypt-staging",
            "-clock",
            "virtual",
            "-fault",
            "a",
            "-fault",
            "b",
            "-seed",
            "7",
            "-management",
            "",
            "-state",
            "d",
        ])
        .unwrap();
        assert_eq!(options.dialect, DialectName::Boulder);
        assert_eq!((options.preset, options.clock), (Some(Preset::LetsencryptStaging), ClockKind::Virtual));
        assert_eq!((options.fault, options.seed), (vec!["a".to_owned(), "b".to_owned()], Some(7)));
        assert_eq!((options.management.as_deref(), options.state), (Some(""), Some(StateDir::new("d"))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (arguments, first_line, code) in [
            (
                vec!["-strict", "false"],
                "invalid command line arguments: \"false\" is no flag (a boolean flag takes its value behind `=`: -strict=false)",
                1,
            ),
            (vec!["serve"], "invalid command line arguments: \"serve\" is no flag", 1),
            (vec!["-dialect", "step"], "invalid value \"step\" for flag -dialect: want pebble or boulder", 2),
            (vec!["-clock="], "invalid value \"\" for flag -clock: want real or virtual", 2),
            (vec!["-nope"], "flag provided but not defined: -nope", 2),
        ] {
            let stop = read(&arguments).unwrap_err();
            assert_eq!((stop.text.lines().next(), stop.code), (Some(first_line), code));
        }
    }

    #[test]
    fn the_usage() {
        insta::assert_snapshot!(usage("mock-ca", FLAGS));
    }
}
