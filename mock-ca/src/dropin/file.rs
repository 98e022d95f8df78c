//! Pebble's configuration file: `{"pebble": {…}}`. Keys are read without regard to case, as Go reads them;
//! unknown keys and `null` say nothing; of two spellings of a key the last one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::address::listen_address;
use super::hierarchy::{HierarchyOptions, IssuerKey};
use crate::config::{Config, Profile};
use crate::dialect::DialectName;
use crate::faults::explain;

/// Where Pebble's sample configuration listens for ACME.
pub const SAMPLE_LISTEN: &str = "0.0.0.0:14000";
/// Where Pebble's sample configuration listens for management.
pub const SAMPLE_MANAGEMENT: &str = "0.0.0.0:15000";

/// A validity of 0 seconds, or of more than Go's durations can hold, is this one.
const VALIDITY: u64 = 7_776_000;
/// From this many seconds on.
const VALIDITY_MAX: u64 = 9_223_372_038;

/// What a key wants, by the end of its path.
const WANTED: &[(&str, &str)] = &[
    ("listenaddress", "an address such as \"0.0.0.0:14000\" or \"[::1]:14000\""),
    ("managementlistenaddress", "an address such as \"0.0.0.0:15000\", or \"\" for no management"),
    ("certificate", "the path of a PEM file with the HTTPS certificate and its chain"),
    ("privatekey", "the path of a PEM file with the key of that certificate"),
    ("httpport", "the port that http-01 challenges are fetched from, such as 5002"),
    ("tlsport", "the port that tls-alpn-01 challenges are asked at, such as 5001"),
    ("ocspresponderurl", "a URL, or \"\" for none"),
    ("externalaccountbindingrequired", "true or false"),
    ("externalaccountmackeys", "an object of base64url keys by their key identifiers"),
    ("caaidentities", "a list of domain names such as [\"pebble.letsencrypt.org\"]"),
    ("domainblocklist", "a list of domain names such as [\"blocked-domain.example\"]"),
    ("retryafter", "an object such as {\"authz\": 3, \"order\": 5}, in seconds"),
    ("authz", "a number of seconds, or 0 for no header"),
    ("order", "a number of seconds, or 0 for no header"),
    ("keyalgorithm", "\"rsa\" or \"ecdsa\""),
    ("profiles", "an object of profiles by their names"),
    ("description", "a text"),
    ("promotecommonname", "true or false"),
    ("validityperiod", "a number of seconds"),
    ("pebble", "an object with Pebble's settings"),
];

/// What is wrong in a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key, with those around it; empty where the text is no JSON.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What is wanted in its place.
    pub wanted: Option<&'static str>,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        self.wanted.map_or(Ok(()), |wanted| write!(f, "; want {wanted}"))
    }
}

impl std::error::Error for BadFile {}

/// Reads JSON, with the place of an error in words.
pub(super) fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, BadFile> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = error.path().to_string();
        BadFile::new(key, error.inner())
    })?;
    json.end().map_err(|error| BadFile::new(String::new(), &error))?;
    Ok(read)
}

impl BadFile {
    fn new(key: String, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&place).unwrap_or(&text);
        let explained = explain(error.line(), error.column(), &key, text);
        let (line, column) = (explained.line, explained.column);
        let what = match explained.nearest {
            Some(nearest) => format!("{}; did you mean `{nearest}`?", explained.message),
            None => explained.message,
        };
        let key = if error.is_data() && key != "." { key } else { String::new() };
        let last = key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let last = last.split('[').next().unwrap_or_default();
        let inside = || key.to_ascii_lowercase().contains("externalaccountmackeys");
        let wanted = match WANTED.iter().find(|(name, _)| *name == last) {
            Some((_, wanted)) => Some(*wanted),
            None if inside() => Some("a base64url text without padding"),
            None => None,
        };
        BadFile { line, column, key, what, wanted }
    }
}

/// What a configuration file says. What it leaves out is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PebbleFile {
    listen: Address,
    management: Address,
    certificate: String,
    private_key: String,
    http_port: Option<u16>,
    tls_port: Option<u16>,
    ocsp_url: String,
    external_required: bool,
    external_keys: BTreeMap<String, MacKey>,
    caa_identities: Vec<String>,
    blocklist: Vec<String>,
    retry_after: Option<RetryAfter>,
    key: IssuerKey,
    profiles: BTreeMap<String, FileProfile>,
}

impl PebbleFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`BadFile`] when it is no JSON, or a known key has a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, BadFile> {
        read_json::<Outer>(text).map(|outer| outer.pebble)
    }

    /// Where to listen for ACME; `None` when it does not say.
    pub fn listen(&self) -> Option<&str> {
        self.listen.0.as_deref().filter(|text| !text.is_empty())
    }

    /// Where to listen for management; `None` is nowhere.
    pub fn management(&self) -> Option<&str> {
        self.management.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The files of the HTTPS certificate and of its key, each empty when it does not say.
    pub fn identity(&self) -> (&str, &str) {
        (&self.certificate, &self.private_key)
    }

    pub(super) fn apply(self, config: &mut Config, hierarchy: &mut HierarchyOptions) {
        config.http_port = self.http_port.unwrap_or(config.http_port);
        config.tls_port = self.tls_port.unwrap_or(config.tls_port);
        config.external_accounts.required = self.external_required;
        config.external_accounts.keys = self.external_keys.into_iter().map(|(id, key)| (id, key.0)).collect();
        if !self.caa_identities.is_empty() {
            config.caa_identities = self.caa_identities;
        }
        config.blocklist = self.blocklist;
        let seconds = |n| u64::try_from(n).ok().filter(|n| *n > 0).map(Duration::from_secs);
        if let Some(wait) = self.retry_after {
            config.retry_after.authz = seconds(wait.authz);
            config.retry_after.order = seconds(wait.order);
        }
        hierarchy.key = self.key;
        hierarchy.ocsp_url = self.ocsp_url;
        let mut profiles = self.profiles;
        if profiles.is_empty() && config.dialect == DialectName::Pebble {
            let description = "The default profile".to_owned();
            profiles.insert("default".to_owned(), FileProfile { description, ..FileProfile::default() });
        }
        if !profiles.is_empty() {
            config.profiles = profiles.into_iter().map(|(name, profile)| (name, profile.into())).collect();
        }
        // Orders that name no profile get one all the same: this one where nothing is left to chance.
        if !config.profiles.contains_key(&config.default_profile) {
            config.default_profile = config.profiles.keys().next().cloned().unwrap_or_default();
        }
    }
}

/// A key of an external account.
#[derive(Clone, Default, PartialEq)]
struct MacKey(String);

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// Reads a text and looks at it while its place is known: errors of a visitor are where the text is, errors
/// that come later are where the object around it ends.
struct Checked<F>(F);

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Checked<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for MacKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Checked(|text: &str| match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if !bytes.is_empty() => Ok(MacKey(text.to_owned())),
            _ => Err("the MAC key cannot be decoded".to_owned()),
        }))
    }
}

/// An address to listen on, as it was written; empty is none.
#[derive(Clone, Debug, Default, PartialEq)]
struct Address(Option<String>);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Checked(|text: &str| match listen_address(text) {
            Err(bad) if !text.is_empty() => Err(format!("cannot listen on {text:?}: {}", bad.why)),
            _ => Ok(Address(Some(text.to_owned()))),
        }))
    }
}

impl<'de> Deserialize<'de> for IssuerKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Checked(|text: &str| match text {
            "" | "rsa" => Ok(IssuerKey::Rsa),
            "ecdsa" => Ok(IssuerKey::Ecdsa),
            other => Err(format!("unknown key algorithm {other:?}")),
        }))
    }
}

/// A struct that is filled key by key. `set` is told the key in lower case, and takes its value or nothing.
trait ByKey: Default {
    const EXPECTING: &'static str;

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

struct ByKeyVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: ByKey> Visitor<'de> for ByKeyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = T::default();
        while let Some(key) = map.next_key::<String>()? {
            value.set(&key.to_ascii_lowercase(), &mut map)?;
        }
        Ok(value)
    }
}

/// Where a key's value goes: `null` leaves what is there.
fn into<'de, T: Deserialize<'de>, A: MapAccess<'de>>(place: &mut T, map: &mut A) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<T>>()? {
        *place = value;
    }
    Ok(())
}

macro_rules! by_key {
    ($Type:ident, $expecting:literal, { $($key:literal => $($field:ident).+),+ $(,)? }) => {
        impl ByKey for $Type {
            const EXPECTING: &'static str = $expecting;

            fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $($key => into(&mut self.$($field).+, map),)+
                    _ => map.next_value::<IgnoredAny>().map(drop),
                }
            }
        }

        impl<'de> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_map(ByKeyVisitor(std::marker::PhantomData))
            }
        }
    };
}

/// The file around Pebble's object.
#[derive(Default)]
struct Outer {
    pebble: PebbleFile,
}

by_key!(Outer, "an object with the key `pebble`", { "pebble" => pebble });

by_key!(PebbleFile, "an object", {
    "listenaddress" => listen,
    "managementlistenaddress" => management,
    "certificate" => certificate,
    "privatekey" => private_key,
    "httpport" => http_port,
    "tlsport" => tls_port,
    "ocspresponderurl" => ocsp_url,
    "externalaccountbindingrequired" => external_required,
    "externalaccountmackeys" => external_keys,
    "caaidentities" => caa_identities,
    "domainblocklist" => blocklist,
    "retryafter" => retry_after,
    "keyalgorithm" => key,
    "profiles" => profiles,
});

/// `Retry-After` headers, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct RetryAfter {
    authz: i64,
    order: i64,
}

by_key!(RetryAfter, "an object", { "authz" => authz, "order" => order });

/// A profile.
#[derive(Clone, Debug, Default, PartialEq)]
struct FileProfile {
    description: String,
    promote_common_name: bool,
    validity: u64,
}

by_key!(FileProfile, "an object", {
    "description" => description,
    "promotecommonname" => promote_common_name,
    "validityperiod" => validity,
});

impl From<FileProfile> for Profile {
    fn from(profile: FileProfile) -> Self {
        let seconds = if profile.validity == 0 || profile.validity >= VALIDITY_MAX {
            VALIDITY
        } else {
            profile.validity
        };
        Profile {
            description: profile.description,
            common_name: Some(profile.promote_common_name),
            validity: Some(Duration::from_secs(seconds)),
            ..Profile::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (Config, HierarchyOptions) {
        let (mut config, mut hierarchy) = (Config::pebble(), HierarchyOptions::default());
        PebbleFile::parse(text).unwrap().apply(&mut config, &mut hierarchy);
        (config, hierarchy)
    }

    #[test]
    fn an_empty_file_is_pebble_with_one_profile() {
        for text in
            ["{}", r#"{"pebble":{}}"#, r#"{"pebble":null}"#, r#"{"PEBBLE":{"profiles":{},"httpPort":null}}"#]
        {
            let (config, hierarchy) = config(text);
            let expected = Config { profiles: config.profiles.clone(), ..Config::pebble() };
            assert_eq!(config, expected, "{text}");
            assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["default"]);
            assert_eq!(
                config.terms(Some("default"), world::Timestamp::UNIX_EPOCH).validity.as_secs(),
                7_776_000
            );
            assert_eq!(hierarchy, HierarchyOptions::default());
        }
    }

    #[test]
    fn every_key_has_its_place() {
        let text = r#"{"pebble": {
            "listenAddress": "[::1]:14000", "managementListenAddress": "",
            "certificate": "c.pem", "privateKey": "k.pem", "httpPort": 80, "tlsPort": 443,
            "ocspResponderURL": "http://127.0.0.1:4002", "externalAccountBindingRequired": true,
            "externalAccountMACKeys": {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"},
            "caaIdentities": ["ca.test"], "domainBlocklist": ["Blocked-Domain.example"],
            "retryAfter": {"authz": 3, "order": 5}, "keyAlgorithm": "ecdsa", "certificateValidityPeriod": 157766400,
            "profiles": {
                "b": {"description": "B", "promoteCommonName": true, "validityPeriod": 518400},
                "a": {"description": "A", "validityPeriod": 0},
                "huge": {"validityPeriod": 9223372038}, "long": {"validityPeriod": 9223372037}
            }
        }}"#;
        let file = PebbleFile::parse(text).unwrap();
        assert_eq!((file.listen(), file.management()), (Some("[::1]:14000"), None));
        assert_eq!(file.identity(), ("c.pem", "k.pem"));
        let (config, hierarchy) = config(text);
        assert_eq!((config.http_port, config.tls_port), (80, 443));
        assert!(config.external_accounts.required && config.external_accounts.keys.contains_key("kid-1"));
        assert_eq!(
            (config.caa_identities, config.blocklist),
            (vec!["ca.test".to_owned()], vec!["Blocked-Domain.example".to_owned()])
        );
        assert_eq!(config.retry_after.authz, Some(Duration::from_secs(3)));
        assert_eq!(config.retry_after.order, Some(Duration::from_secs(5)));
        assert_eq!((hierarchy.key, hierarchy.ocsp_url.as_str()), (IssuerKey::Ecdsa, "http://127.0.0.1:4002"));
        let seconds = |name: &str| config.profiles[name].validity.unwrap().as_secs();
        assert_eq!(
            [seconds("a"), seconds("b"), seconds("huge"), seconds("long")],
            [7_776_000, 518_400, 7_776_000, 9_223_372_037]
        );
        assert_eq!(
            (config.profiles["a"].common_name, config.profiles["b"].common_name),
            (Some(false), Some(true))
        );
        assert_eq!(config.default_profile, "a", "the first by name, as there is no `default`");
    }

    #[test]
    fn keys_are_read_without_regard_to_case_and_unknown_ones_are_left() {
        let text = r#"{"Pebble": {"LISTENADDRESS": ":1", "HTTPPort": 1, "httpport": 2, "httpPort": null,
            "IGNOREmanagementListenAddress": 5, "retryafter": {"ORDER": 7, "authz": 0},
            "Profiles": {"Default": {"ValidityPeriod": 60}}}, "comment": []}"#;
        let file = PebbleFile::parse(text).unwrap();
        assert_eq!((file.listen(), file.management()), (Some(":1"), None));
        let (config, _) = config(text);
        assert_eq!(config.http_port, 2, "the last one counts, and null says nothing");
        assert_eq!(
            (config.retry_after.authz, config.retry_after.order),
            (None, Some(Duration::from_secs(7)))
        );
        assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["Default"], "names keep their case");
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        let texts = [
            "",
            "{\"pebble\": {",
            "{\"pebble\": {}} {}",
            "[]",
            "{\"pebble\": []}",
            "{\"pebble\": {\n  \"listenAddress\": 14000\n}}",
            "{\"pebble\": {\n  \"listenAddress\": \"localhost\"\n}}",
            "{\"pebble\": {\"httpPort\": \"5002\"}}",
            "{\"pebble\": {\"tlsPort\": 70000}}",
            "{\"pebble\": {\"keyAlgorithm\": \"ed25519\"}}",
            "{\"pebble\": {\"retryAfter\": {\"order\": \"5s\"}}}",
            "{\"pebble\": {\"domainBlocklist\": [\"a.test\", 5]}}",
            "{\"pebble\": {\"externalAccountMACKeys\": {\"kid-1\": \"not base64!\"}}}",
            "{\"pebble\": {\"profiles\": {\"x\": {\"validityPeriod\": -1}}}}",
        ];
        let said: Vec<String> = texts
            .iter()
            .map(|text| format!("{text}\n    {}", PebbleFile::parse(text).unwrap_err()))
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,100}") {
            let _ = PebbleFile::parse(&text).map_err(|bad| bad.to_string());
            let inside = format!("{{\"pebble\": {{\"profiles\": {text}}}}}");
            let _ = PebbleFile::parse(&inside).map_err(|bad| bad.to_string());
        }
    }
}
