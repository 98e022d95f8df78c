//! The scenario language: what a `scenario.yaml` may say.
//!
//! A script is data: a world (clock, hosts, links, DNS, CA), a cluster with its delays, the engine, and what
//! must come out. Everything has a default; an unknown key is an error that names the nearest known one.

mod base;
mod checks;
mod durations;
mod load;
mod outcome;
mod overrides;
mod process;
mod timeline;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use engine::Controllers;
use engine::api::{Kind, ObjectReference};
use engine::client::Verb;
use engine::compat::switches::{self, SWITCHES, SwitchError};
use engine::compat::{Compat, RELEASES, V1_21};
use engine::manifest::Options;
use engine::store::ChangeType;
use mock_ca::faults::Moment;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use world::net::Verdict;
use world::{Timestamp, WallClock};

use crate::backends;
use crate::cluster::external::ExternalIssuer;
pub use checks::{Ablation, Bounds, Check};
pub use durations::{Durations, InTurn};
pub use load::{Loaded, Missing, ScriptError, load, nearest};
pub(crate) use load::{account_key, check};
pub use overrides::{OverrideError, apply};
pub use process::{ClockStep, Crash, Processes, Shift, Suspension};
pub use timeline::{Action, Patch, Records, Seen, Step};

/// A whole script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// One line: what happens.
    pub title: String,
    /// Where it comes from: a document, a failure catalogue.
    pub source: String,
    /// Why it happens, in one or two sentences.
    pub cause: String,
    /// What it shows, by the numbers of the failure catalogue: `F01`.
    #[serde(default)]
    pub failures: Vec<String>,
    /// Another scenario of the library, whose world and objects this one has: what is said here goes before. Title, source,
    /// cause, failures, timeline, expectations and ablations are a scenario's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The wall clock.
    pub clock: Clock,
    /// When the run ends.
    pub until: Timestamp,
    /// Hosts and their addresses.
    #[serde(default)]
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Links between hosts; the first that fits counts.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The DNS server.
    #[serde(default)]
    pub dns: DnsServer,
    /// The CA.
    #[serde(default)]
    pub ca: CaServer,
    /// CAs beside it: staging beside production.
    #[serde(default)]
    pub further_cas: Vec<CaServer>,
    /// The servers behind issuers that are not ACME.
    #[serde(default)]
    pub backends: Backends,
    /// The cluster around the engine.
    #[serde(default)]
    pub cluster: Cluster,
    /// The engine.
    #[serde(default)]
    pub engine: Engine,
    /// Which part of the log counts.
    #[serde(default)]
    pub log: LogWindow,
    /// How the manifests are read.
    #[serde(default)]
    pub manifests: Manifests,
    /// What people and other controllers do meanwhile.
    #[serde(default)]
    pub timeline: Vec<Step>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
    /// The scenario without its cause.
    #[serde(default)]
    pub ablations: Vec<Ablation>,
}

impl Scenario {
    /// All CAs, each with the path by which the script has it.
    pub(crate) fn cas(&self) -> impl Iterator<Item = (String, &CaServer)> {
        let further = self.further_cas.iter().enumerate();
        std::iter::once(("ca".to_owned(), &self.ca))
            .chain(further.map(|(i, ca)| (format!("furtherCas[{i}]"), ca)))
    }

    /// How manifests are read for the release of the engine.
    pub(crate) fn manifest_options(&self) -> Options {
        let options = self.engine.compat().map(|compat| Options::of(&compat)).unwrap_or_default();
        Options { convert: self.manifests.convert, ..options }
    }
}

/// How the manifests are read. What the API server of the release does not serve, or refuses, is an error.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Manifests {
    /// Mistakes are mended, and told.
    pub lenient: bool,
    /// Objects of versions that the release does not serve are converted.
    pub convert: bool,
}

/// The wall clock of all hosts, and how processes read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Clock {
    /// When the world begins: the start of the engine's process.
    pub start: Timestamp,
    /// A process reads wall and monotonic clock one after the other: how far apart, reading by reading.
    #[serde(default)]
    pub reading_gaps: Durations,
    /// Steps of the wall clock.
    #[serde(default)]
    pub steps: Vec<ClockStep>,
}

impl Clock {
    /// As the world takes it.
    pub(crate) fn to_wall(&self) -> WallClock {
        WallClock {
            start: self.start,
            reading_gaps: self.reading_gaps.to_vec(),
            steps: self.steps.iter().map(ClockStep::to_wall_step).collect(),
            ..WallClock::default()
        }
    }
}

/// What a link does. A field that is not given fits everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Link {
    /// The host that opens the connection.
    #[serde(default)]
    pub from: Option<String>,
    /// The host that is addressed.
    #[serde(default)]
    pub to: Option<String>,
    /// The port that is addressed.
    #[serde(default)]
    pub port: Option<u16>,
    /// One way.
    #[serde(default)]
    pub latency: Durations,
    /// Lost datagrams of 1000.
    #[serde(default)]
    pub loss_permille: u32,
    /// What becomes of what is sent.
    #[serde(default)]
    pub verdict: Verdict,
}

/// The DNS server, its zones, and what stands in front of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct DnsServer {
    /// Its host.
    pub host: String,
    /// Its zones.
    pub zones: Vec<mock_dns::Zone>,
    /// Its nameservers, each on a host of its own, with the time until a change is seen there. Without any there
    /// is one on the server's host.
    pub nameservers: Vec<mock_dns::Nameserver>,
    /// Zones that only some askers see.
    pub views: Vec<mock_dns::View>,
    /// Scripted answers.
    pub rules: Vec<mock_dns::Rule>,
    /// Who may change zones by UPDATE messages.
    pub updates: mock_dns::Updates,
    /// DNS over HTTPS.
    pub doh: Option<Doh>,
    /// The APIs through which records are written.
    pub providers: Vec<DnsProvider>,
}

impl DnsServer {
    /// The server's own configuration.
    pub(crate) fn config(&self) -> mock_dns::Config {
        mock_dns::Config {
            zones: self.zones.clone(),
            nameservers: self.nameservers.clone(),
            views: self.views.clone(),
            rules: self.rules.clone(),
            updates: self.updates.clone(),
            ..mock_dns::Config::default()
        }
    }
}

/// DNS over HTTPS, at `https://NAME/dns-query`. The engine trusts its certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Doh {
    /// Its host.
    pub host: String,
    /// The name in its certificate.
    pub name: String,
}

/// A DNS provider: an API on port 80 of a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DnsProvider {
    /// Its host.
    pub host: String,
    /// Which API it has.
    pub api: ProviderApi,
    /// How it behaves.
    #[serde(default)]
    pub config: mock_dns::provider::ProviderConfig,
}

/// The APIs of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderApi {
    /// A plain one: JSON with a bearer token.
    Rest,
    /// DNSPod's own.
    Dnspod,
    /// Tencent Cloud's, to which DNSPod belongs.
    Tencent,
}

/// A CA.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CaServer {
    /// Its host.
    pub host: String,
    /// Accounts that exist from earlier.
    pub accounts: Vec<CaAccount>,
    /// How it behaves.
    pub config: mock_ca::Config,
}

/// An account that exists from earlier.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CaAccount {
    /// Its number.
    pub id: u64,
    /// The Secret with its key, `namespace/name`.
    pub key_secret: String,
}

/// The servers behind issuers that are not ACME, and the issuers outside of the engine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Backends {
    /// Vaults.
    pub vaults: Vec<backends::vault::Config>,
    /// Venafi servers.
    pub venafis: Vec<backends::venafi::Config>,
    /// External issuers.
    pub external: Vec<ExternalIssuer>,
}

/// The cluster: API server, watches, kubelet, ingress controller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cluster {
    /// The API server's calls.
    pub api: Api,
    /// The watches.
    pub watch: Watches,
    /// The kubelet.
    pub kubelet: Kubelet,
    /// From a pod's readiness to the Endpoints of its services.
    pub endpoints_delay: Durations,
    /// The ingress controller.
    pub ingress: IngressController,
    /// DNS-01 solvers behind the API server.
    pub webhooks: Vec<Webhook>,
    /// Ingress controllers of other classes.
    pub further_ingresses: Vec<IngressController>,
    /// The gateway controller.
    pub gateway: GatewayController,
    /// From the deletion of an owner until the garbage collector takes what it owned.
    pub garbage_delay: Durations,
}

/// A DNS-01 solver behind the API server: the program that answers for an API group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Webhook {
    /// Its host.
    pub host: String,
    /// The group, as issuers name it (`groupName`).
    pub group: String,
    /// Which program it is, and with that its `solverName` and what its `config` may say.
    pub plugin: Plugin,
    /// The URL of the provider's API, for a program that does not learn it from its `config`.
    #[serde(default)]
    pub api: String,
}

/// The programs that a webhook can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Plugin {
    /// `dnspod`: cert-manager-webhook-dnspod, over Tencent Cloud's API.
    Dnspod,
    /// `rest`: any provider with the plain API, by `config.url`.
    Rest,
}

/// The gateway controller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GatewayController {
    /// Its host; empty: there is none.
    pub host: String,
    /// The `gatewayClassName` that it serves. Empty: all.
    pub class: String,
    /// From a change until its routes show it.
    pub sync_delay: Durations,
}

/// The API server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Api {
    /// The resourceVersion to begin with.
    pub resource_version: u64,
    /// The next suffixes that it makes for `generateName`, by kind.
    pub names: BTreeMap<String, Vec<String>>,
    /// How long an Event stays after its last write (`--event-ttl`, 1 h); 0: for ever.
    #[serde(with = "world::duration::one")]
    pub event_ttl: Duration,
    /// What calls take, by a name for the rule. Of the rules that fit a call the one with most conditions counts.
    pub calls: BTreeMap<String, CallRule>,
}

impl Default for Api {
    fn default() -> Self {
        Api {
            resource_version: 0,
            names: BTreeMap::new(),
            event_ttl: Duration::from_secs(3600),
            calls: BTreeMap::new(),
        }
    }
}

/// What some calls take.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CallRule {
    /// Who calls: a controller's name.
    pub actor: Option<String>,
    /// `get`, `create`, `update`, `updateStatus`, `apply` or `delete`.
    pub verb: Option<Verb>,
    /// On which kind.
    pub kind: Option<String>,
    /// Until the write is committed.
    pub takes: Durations,
    /// From the commit until the caller knows.
    pub reply: Durations,
    /// The API server refuses the call with an internal error of this text, and writes nothing.
    pub refuses: Option<String>,
    /// The API server refuses the call for want of a right, in the words of RBAC.
    pub forbids: bool,
    /// How many calls it refuses before it takes them again; all, if nothing is said.
    pub refusals: Option<u64>,
    /// It refuses from then on.
    pub since: Option<Moment>,
    /// It refuses until then.
    pub until: Option<Moment>,
}

/// The watches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Watches {
    /// From a commit until the informer's cache shows it, by a name for the rule; most conditions count.
    pub lister: BTreeMap<String, LagRule>,
    /// From a commit until a controller's event handler runs, likewise; never before the cache.
    pub handler: BTreeMap<String, LagRule>,
}

/// A lag of some watch events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LagRule {
    /// Events of which kind.
    pub kind: Option<String>,
    /// `added`, `modified` or `deleted`.
    pub event: Option<ChangeType>,
    /// The controller whose handler it is (handler lags only).
    pub controller: Option<String>,
    /// How long.
    pub lag: Durations,
}

/// The kubelet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Kubelet {
    /// From a pod's creation until it is ready: scheduling, image, start, probe.
    pub pod_start: Durations,
    /// First address of pods.
    pub first_pod_ip: Option<IpAddr>,
}

/// The ingress controller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct IngressController {
    /// Its host; empty: there is none.
    pub host: String,
    /// Whose behaviour it has.
    pub behaviour: IngressBehaviour,
    /// The class it serves; Ingresses of another class it leaves alone. Empty: all.
    pub class: String,
    /// From a change until its routes show it.
    pub sync_delay: Durations,
    /// Every request on port 80 is sent to https, that of a challenge, too.
    pub redirect_to_https: bool,
}

/// How an ingress controller answers while a route is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IngressBehaviour {
    /// 404 without a route, 503 with a route and no endpoint.
    #[default]
    Nginx,
    /// 404 without a route; a route without a ready endpoint is none.
    Traefik,
    /// As Istio has it: 404 without a route (NR), 503 without a healthy endpoint (UH).
    Envoy,
}

/// The engine process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Engine {
    /// Its host.
    pub host: String,
    /// The release that it reproduces: `v1_21`, or one of [`engine::compat::RELEASES`].
    pub compat: String,
    /// Single values of the release, set by name; null is what the release has.
    #[serde(serialize_with = "all_switches")]
    pub switches: BTreeMap<String, Value>,
    /// klog's `-v`.
    pub verbosity: u8,
    /// Status writes by server-side apply.
    pub server_side_apply: bool,
    /// How long a key that changed while it was worked on waits after that (client-go: not at all).
    pub rerun_delay: Durations,
    /// What computing takes at the places that have a name, in turn.
    pub work: BTreeMap<String, Durations>,
    /// Further attributes of its service account, which the API server writes into CertificateRequests.
    pub extra: BTreeMap<String, Vec<String>>,
    /// Its nameservers; empty: the scenario's DNS server.
    pub nameservers: Vec<SocketAddr>,
    /// Its processes, and what befalls them.
    pub processes: Processes,
    /// How its DNS-01 solver asks.
    pub dns01: Dns01,
    /// Nameservers of the HTTP-01 self-check (`--acme-http01-solver-nameservers`); empty: its own.
    pub http01_nameservers: Vec<SocketAddr>,
    /// Which controllers run (`--controllers`): `*`, names, and names with a `-` before them.
    pub controllers: Controllers,
    /// Gateway API (`--enable-gateway-api`).
    pub gateway_api: bool,
    /// Issuer of Ingresses that ask for a certificate and name none (`--default-issuer-name`, `-kind`, `-group`).
    pub default_issuer: Option<ObjectReference>,
    /// Annotations of Ingresses that are copied to Certificates (`--extra-certificate-annotations`).
    pub extra_certificate_annotations: Vec<String>,
}

/// How the DNS-01 solver asks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Dns01 {
    /// Whom it asks, `HOST:PORT` or an `https://` URL; empty: the engine's nameservers.
    pub nameservers: Vec<String>,
    /// The check asks them, too, instead of the nameservers of the zone.
    pub recursive_only: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Engine {
            host: "cert-manager".to_owned(),
            compat: "v1_21".to_owned(),
            switches: BTreeMap::new(),
            verbosity: 2,
            server_side_apply: false,
            rerun_delay: Durations::default(),
            work: BTreeMap::new(),
            extra: BTreeMap::new(),
            nameservers: Vec::new(),
            processes: Processes::default(),
            dns01: Dns01::default(),
            http01_nameservers: Vec::new(),
            controllers: Controllers::default(),
            gateway_api: false,
            default_issuer: None,
            extra_certificate_annotations: Vec::new(),
        }
    }
}

/// Every switch that there is, so that `show` lists it and `--set` finds it.
fn all_switches<S: Serializer>(set: &BTreeMap<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut all: BTreeMap<&str, &Value> = SWITCHES.iter().map(|s| (s.name, &Value::Null)).collect();
    all.extend(set.iter().map(|(name, value)| (name.as_str(), value)));
    all.serialize(serializer)
}

impl Engine {
    /// The row of the releases' table that the engine works by.
    ///
    /// # Errors
    /// Why a switch cannot be set.
    pub fn compat(&self) -> Result<Compat, SwitchError> {
        let release = RELEASES.iter().find(|(name, _)| *name == self.compat).map(|(_, compat)| *compat);
        let mut compat = release.cloned().unwrap_or(V1_21);
        compat.server_side_apply |= self.server_side_apply;
        if !self.rerun_delay.is_empty() {
            compat.rerun_delay = self.rerun_delay.nth(0);
        }
        for (name, value) in self.switches.iter().filter(|(_, value)| !value.is_null()) {
            switches::set(&mut compat, name, value)?;
        }
        Ok(compat)
    }
}

/// Which part of the log counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LogWindow {
    /// From when on.
    pub since: Option<Timestamp>,
}

/// What must come out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Expect {
    /// A file with the log, next to the script. A line `...` stands for lines that were left out.
    pub log: Option<String>,
    /// How many lines the `...` of the file stand for together.
    pub elided: Option<usize>,
    /// Objects at the end: `Kind namespace/name` to field paths and values.
    pub objects: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// What happens how often, and when.
    pub checks: Vec<Check>,
    /// The invariants that this scenario breaks, by name: every one of them must be broken, and no other.
    pub breaks: Vec<String>,
}

/// A kind by its name in a script.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    name.parse().ok()
}
