//! Command lines in the syntax of Go's `flag` package, for programs that stand in for Go programs.
//!
//! `-x v`, `--x v`, `-x=v`; a boolean is `-x` or `-x=false`, and never takes the next argument; the first
//! argument that is no flag, or `--`, ends the flags. One table drives reading and the usage text.
//!
//! ```
//! use world::goflag::{Flag, Kind, parse};
//!
//! const FLAGS: &[Flag] = &[
//!     Flag::new("listen", Kind::Text, ":8055", "Where to listen"),
//!     Flag::new("strict", Kind::Bool, "false", "Whether to be strict"),
//! ];
//! let given = ["--listen=:9000", "-strict", "left"].map(String::from);
//! let parsed = parse("server", FLAGS, given).unwrap();
//! assert_eq!((parsed.text("listen"), parsed.is_set("strict")), (":9000", true));
//! assert_eq!(parsed.rest(), ["left"]);
//!
//! let stop = parse("server", FLAGS, ["-loud".to_owned()]).unwrap_err();
//! assert!(stop.text.starts_with("flag provided but not defined: -loud\nUsage of server:\n"));
//! assert_eq!(stop.code, 2);
//! ```

use std::fmt::Write as _;

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the last one counts.
    Text,
    /// Any text; every one counts ([`Parsed::texts`]).
    Texts,
    /// `true` or `false`, as Go's `strconv.ParseBool` reads them.
    Bool,
    /// A whole number, 0 to 2^64 - 1.
    Number,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Its value when it is not given.
    pub default: &'static str,
    /// What it does. A word in backquotes is what the usage text calls its value.
    pub help: &'static str,
    /// Another flag of the table that this one is an older name of.
    pub same_as: Option<&'static str>,
}

impl Flag {
    /// A flag with a name of its own.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Flag { name, kind, default, help, same_as: None }
    }

    /// An older name of the flag `of`, which must be in the table.
    pub const fn alias(name: &'static str, of: &'static str, kind: Kind, default: &'static str) -> Self {
        Flag { name, kind, default, help: "Older name of the flag with the same default", same_as: Some(of) }
    }
}

/// Why the program does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Stop {
    /// What to write on standard error, without a final line break.
    pub text: String,
    /// What to exit with: 2, or 0 when help was asked for.
    pub code: u8,
}

/// The values of all flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    flags: &'static [Flag],
    /// What was given for each flag of the table, in order.
    given: Vec<Vec<String>>,
    rest: Vec<String>,
}

impl Parsed {
    fn index(&self, name: &str) -> Option<usize> {
        index(self.flags, name)
    }

    /// The value of a flag: the last one that was given, or its default. Empty for a name that is not in
    /// the table.
    pub fn text(&self, name: &str) -> &str {
        let Some(at) = self.index(name) else { return "" };
        self.given[at].last().map_or(self.flags[at].default, String::as_str)
    }

    /// Every value that was given for a flag, in order.
    pub fn texts(&self, name: &str) -> &[String] {
        self.index(name).map(|at| self.given[at].as_slice()).unwrap_or_default()
    }

    /// Whether a boolean is true.
    pub fn is_set(&self, name: &str) -> bool {
        parse_bool(self.text(name)).unwrap_or_default()
    }

    /// The value of a number; `None` when it was not given and has no default.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    /// Whether the flag was on the command line.
    pub fn is_given(&self, name: &str) -> bool {
        !self.texts(name).is_empty()
    }

    /// The arguments after the flags.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }
}

/// Where the values of the flag `name` are kept.
fn index(flags: &[Flag], name: &str) -> Option<usize> {
    let at = flags.iter().position(|flag| flag.name == name)?;
    match flags[at].same_as {
        Some(of) => flags.iter().position(|flag| flag.name == of),
        None => Some(at),
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// [`Stop`] for a flag that is not in the table, lacks its value or has a bad one, and for `-h` and `-help`.
pub fn parse(
    program: &str,
    flags: &'static [Flag],
    arguments: impl IntoIterator<Item = String>,
) -> Result<Parsed, Stop> {
    let mut parsed = Parsed { flags, given: vec![Vec::new(); flags.len()], rest: Vec::new() };
    let bad = |text: String| Stop { text: format!("{text}\n{}", usage(program, flags)), code: 2 };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            parsed.rest.push(argument);
            break;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            break;
        }
        if flag.starts_with(['-', '=']) {
            return Err(bad(format!("bad flag syntax: {argument}")));
        }
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v.to_owned())));
        let Some(at) = index(flags, name) else {
            if matches!(name, "h" | "help") {
                return Err(Stop { text: usage(program, flags), code: 0 });
            }
            return Err(bad(format!("flag provided but not defined: -{name}")));
        };
        let value = match (value, flags[at].kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => arguments.next().ok_or_else(|| bad(format!("flag needs an argument: -{name}")))?,
        };
        match flags[at].kind {
            Kind::Bool if parse_bool(&value).is_none() => {
                return Err(bad(format!("invalid boolean value {value:?} for -{name}: parse error")));
            }
            Kind::Number if value.parse::<u64>().is_err() => {
                return Err(bad(format!("invalid value {value:?} for flag -{name}: parse error")));
            }
            _ => parsed.given[at].push(value),
        }
    }
    parsed.rest.extend(arguments);
    Ok(parsed)
}

/// The usage text: the flags by name, with what they take and their defaults. No final line break.
pub fn usage(program: &str, flags: &[Flag]) -> String {
    let mut sorted: Vec<&Flag> = flags.iter().collect();
    sorted.sort_by_key(|flag| flag.name);
    let mut text = format!("Usage of {program}:");
    for flag in sorted {
        let quoted = flag.help.split('`').nth(1);
        let value = quoted.unwrap_or(match flag.kind {
            Kind::Text | Kind::Texts => "string",
            Kind::Bool => "",
            Kind::Number => "uint",
        });
        let gap = if value.is_empty() { "" } else { " " };
        let help = flag.help.replace('`', "");
        // Writing to a string does not fail.
        let _ = write!(text, "\n  -{}{gap}{value}\n    \t{help}", flag.name);
        let _ = match (flag.kind, flag.default) {
            (_, "") | (Kind::Bool, "false") | (Kind::Number, "0") => Ok(()),
            (Kind::Text | Kind::Texts, default) => write!(text, " (default {default:?})"),
            (Kind::Bool | Kind::Number, default) => write!(text, " (default {default})"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::new("dnsserver", Kind::Text, ":8053", "Bind addresses"),
        Flag::alias("dns01", "dnsserver", Kind::Text, ":8053"),
        Flag::new("strict", Kind::Bool, "false", "Be strict"),
        Flag::new("wide", Kind::Bool, "true", "Be wide"),
        Flag::new("seed", Kind::Number, "", "Seed"),
        Flag::new("zone", Kind::Texts, "", "A zone `FILE`"),
    ];

    fn read(arguments: &[&str]) -> Result<Parsed, Stop> {
        parse("server", FLAGS, arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn every_form_of_a_value() {
        for (arguments, expected) in [
            (vec![], ":8053"),
            (vec!["-dnsserver", ":1"], ":1"),
            (vec!["--dnsserver", ":1"], ":1"),
            (vec!["-dnsserver=:1"], ":1"),
            (vec!["--dnsserver=a=b"], "a=b"),
            (vec!["-dns01", ":1"], ":1"),
            (vec!["-dnsserver", ":1", "-dns01", ":2"], ":2"),
            (vec!["-dnsserver="], ""),
            (vec!["-dnsserver", ""], ""),
            (vec!["-dnsserver", "\"\""], "\"\""),
            (vec!["-dnsserver", "-strict"], "-strict"),
        ] {
            assert_eq!(read(&arguments).unwrap().text("dnsserver"), expected, "{arguments:?}");
        }
        let zones = read(&["-zone", "a", "--zone=b"]).unwrap();
        assert_eq!(zones.texts("zone"), ["a", "b"]);
        assert_eq!((read(&["-seed", "7"]).unwrap().number("seed"), zones.number("seed")), (Some(7), None));
        assert!(zones.is_given("zone") && !zones.is_given("seed"));
    }

    #[test]
    fn booleans_never_take_the_next_argument() {
        let parsed = read(&["-strict", "false", "-seed", "x"]).unwrap();
        assert!(parsed.is_set("strict") && parsed.is_set("wide"));
        assert_eq!(parsed.rest(), ["false", "-seed", "x"], "an argument ends the flags");
        let parsed = read(&["-strict=F", "-wide=0"]).unwrap();
        assert!(!parsed.is_set("strict") && !parsed.is_set("wide"));
    }

    #[test]
    fn flags_end() {
        for (arguments, rest) in [
            (vec!["--", "-strict"], vec!["-strict"]),
            (vec!["-", "-strict"], vec!["-", "-strict"]),
            (vec!["", "-strict"], vec!["", "-strict"]),
        ] {
            let parsed = read(&arguments).unwrap();
            assert_eq!(parsed.rest(), rest);
            assert!(!parsed.is_set("strict"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_before_the_usage() {
        for (arguments, said, code) in [
            (vec!["-nope"], "flag provided but not defined: -nope\n", 2),
            (vec!["-nope=1"], "flag provided but not defined: -nope\n", 2),
            (vec!["-seed"], "flag needs an argument: -seed\n", 2),
            (vec!["-seed=-1"], "invalid value \"-1\" for flag -seed: parse error\n", 2),
            (vec!["-strict=yes"], "invalid boolean value \"yes\" for -strict: parse error\n", 2),
            (vec!["---x"], "bad flag syntax: ---x\n", 2),
            (vec!["-=x"], "bad flag syntax: -=x\n", 2),
            (vec!["-h"], "", 0),
            (vec!["--help"], "", 0),
        ] {
            let stop = read(&arguments).unwrap_err();
            assert_eq!((stop.text, stop.code), (format!("{said}{}", usage("server", FLAGS)), code));
        }
        assert_eq!(
            usage("server", FLAGS),
            "Usage of server:\n  -dns01 string\n    \tOlder name of the flag with the same default \
             (default \":8053\")\n  -dnsserver string\n    \tBind addresses (default \":8053\")\n  \
             -seed uint\n    \tSeed\n  -strict\n    \tBe strict\n  -wide\n    \tBe wide (default true)\n  \
             -zone FILE\n    \tA zone FILE"
        );
    }
}
