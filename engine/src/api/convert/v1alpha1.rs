//! The ACME configuration of `certmanager.k8s.io/v1alpha1`.
//!
//! There an issuer named the ways that it had (`http01: {}`, `dns01.providers`), and each Certificate said which of its
//! domains take which (`spec.acme.config`). `v1` has solvers with selectors, at the issuer alone. An issuer's ways
//! become solvers; what only the old form can say is kept in an annotation ([`CONVERSION_DATA`]), from which
//! controllers of the old design read it, and from which [`offer_solvers`] makes solvers with selectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::node::{self, each, put, take};
use crate::api::{
    AcmeChallengeSolver, AcmeChallengeSolverDns01, AcmeChallengeSolverHttp01,
    AcmeChallengeSolverHttp01Ingress, CertificateDnsNameSelector, IssuerSpec, Kind, Object, ObjectMeta,
    ServiceType,
};
use crate::manifest::Span;
use crate::manifest::tree::{Entry, Node, Value};

/// The annotation that keeps, as JSON, what only `v1alpha1` can say.
pub const CONVERSION_DATA: &str = "certmanager.k8s.io/conversion-data";

/// `spec.acme` of a Certificate of `v1alpha1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcmeConfig {
    /// Which domains take which solver.
    pub config: Vec<DomainConfig>,
}

/// How some domains of a Certificate are solved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainConfig {
    /// The domains.
    pub domains: Vec<String>,
    /// By HTTP-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http01: Option<DomainHttp01>,
    /// By DNS-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns01: Option<DomainDns01>,
}

/// Through which Ingress: at most one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainHttp01 {
    /// An existing one, to edit in place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ingress: String,
    /// A new one of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class: Option<String>,
}

/// By which of the issuer's providers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DomainDns01 {
    /// Its name.
    pub provider: String,
}

/// The ways of an ACME issuer of `v1alpha1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcmeIssuerConfig {
    /// HTTP-01 is allowed, with Services of this type.
    pub http01: Option<Option<ServiceType>>,
    /// DNS-01 providers by name.
    pub providers: BTreeMap<String, AcmeChallengeSolverDns01>,
}

/// The kept JSON of an object.
fn kept(meta: &ObjectMeta) -> Option<Json> {
    serde_json::from_str(meta.annotations.get(CONVERSION_DATA)?).ok()
}

/// What a Certificate of `v1alpha1` said about its domains; nothing for others.
pub fn acme_config(meta: &ObjectMeta) -> Option<AcmeConfig> {
    serde_json::from_value(kept(meta)?).ok()
}

/// Which ways an issuer of `v1alpha1` had; nothing for others.
pub fn acme_issuer_config(meta: &ObjectMeta) -> Option<AcmeIssuerConfig> {
    let kept = kept(meta)?;
    let http01 = kept.get("http01").map(service_type);
    let providers = providers(&kept)
        .into_iter()
        .filter_map(|(name, provider)| Some((name, serde_json::from_value(provider).ok()?)))
        .collect();
    Some(AcmeIssuerConfig { http01, providers })
}

fn service_type(http01: &Json) -> Option<ServiceType> {
    serde_json::from_value(http01.get("serviceType")?.clone()).ok()
}

/// The providers of an issuer's old configuration, in their order, with the field names of `v1`.
fn providers(old: &Json) -> Vec<(String, Json)> {
    const NAMES: [(&str, &str); 3] =
        [("clouddns", "cloudDNS"), ("azuredns", "azureDNS"), ("acmedns", "acmeDNS")];
    let listed = old.pointer("/dns01/providers").and_then(Json::as_array);
    let mut providers = Vec::new();
    for provider in listed.into_iter().flatten().filter_map(Json::as_object) {
        let mut provider: Map<String, Json> = provider.clone();
        let name = provider.remove("name").and_then(|name| name.as_str().map(str::to_owned));
        for (old, new) in NAMES {
            if let Some(value) = provider.remove(old) {
                provider.insert(new.to_owned(), value);
            }
        }
        providers.push((name.unwrap_or_default(), Json::Object(provider)));
    }
    providers
}

/// The solvers that stand for an issuer's old configuration, as JSON of `v1`.
fn solvers(old: &Json) -> Vec<Json> {
    let http01 = old.get("http01").map(|config| {
        let mut ingress = Map::new();
        if let Some(type_) = config.get("serviceType") {
            ingress.insert("serviceType".to_owned(), type_.clone());
        }
        json!({ "http01": { "ingress": ingress } })
    });
    let dns01 = providers(old).into_iter().map(|(_, provider)| json!({ "dns01": provider }));
    http01.into_iter().chain(dns01).collect()
}

/// Keeps what `v1` cannot say, and says the rest its way.
pub(super) fn to_v1(kind: Kind, object: &mut Node) {
    match kind {
        Kind::Certificate => {
            let Some(entry) = take_below(object, "spec", "acme") else { return };
            let old = node::to_json(&entry.value);
            // Without its list it says nothing.
            if old.get("config").is_some_and(Json::is_array) {
                keep(object, &old, entry.key_span);
            }
        }
        Kind::Issuer | Kind::ClusterIssuer => {
            let mut old = Map::new();
            let mut place = None;
            for field in ["http01", "dns01"] {
                let Some(entry) = take_below(object, "spec.acme", field) else { continue };
                place.get_or_insert(entry.key_span);
                let value = node::to_json(&entry.value);
                // `http01:` without a value is absent, as in Go.
                if !value.is_null() {
                    old.insert(field.to_owned(), value);
                }
            }
            let Some(place) = place.filter(|_| !old.is_empty()) else { return };
            let old = Json::Object(old);
            append_solvers(object, &solvers(&old), place);
            keep(object, &old, place);
        }
        Kind::Challenge => {
            let Some(entry) = take_below(object, "spec", "config") else { return };
            let old = node::to_json(&entry.value);
            let http01: Option<DomainHttp01> =
                old.get("http01").and_then(|config| serde_json::from_value(config.clone()).ok());
            if let (Some(http01), None) = (http01, object.get("spec").and_then(|spec| spec.get("solver"))) {
                let solver = serde_json::to_value(http01_solver(&http01, None)).unwrap_or_default();
                let value = with_span(node::from_json(&solver), entry.value.span);
                put(object, "spec.solver", Entry { value, ..entry });
            }
        }
        _ => {}
    }
}

/// Says again what was kept.
pub(super) fn from_v1(kind: Kind, object: &mut Node) {
    let Some(Json::Object(old)) = forget(object) else { return };
    match kind {
        Kind::Certificate => put_json(object, "spec.acme", &Json::Object(old)),
        Kind::Issuer | Kind::ClusterIssuer => {
            let made = backward_names(&solvers(&Json::Object(old.clone())));
            each(object, "spec.acme.solvers", &mut |list| {
                if let Value::Sequence(items) = &mut list.value {
                    let tail = items.len().saturating_sub(made.len());
                    let same = items.iter().skip(tail).map(node::to_json).eq(made.iter().cloned());
                    if same && items.len() >= made.len() {
                        items.truncate(tail);
                    }
                }
            });
            let empty = object
                .get("spec")
                .and_then(|spec| spec.get("acme"))
                .and_then(|acme| acme.get("solvers"))
                .is_some_and(|solvers| solvers.value == Value::Sequence(Vec::new()));
            if empty {
                take(object, "spec.acme.solvers");
            }
            for (field, value) in &old {
                put_json(object, &format!("spec.acme.{field}"), value);
            }
        }
        _ => {}
    }
}

/// The solvers as `v1alpha1` names their providers.
fn backward_names(solvers: &[Json]) -> Vec<Json> {
    let issuer = json!({ "spec": { "acme": { "solvers": solvers } } });
    let mut issuer = node::from_json(&issuer);
    super::moves::backward(Kind::Issuer, super::Version::V1Alpha1, &mut issuer);
    let json = node::to_json(&issuer);
    json.pointer("/spec/acme/solvers").and_then(Json::as_array).cloned().unwrap_or_default()
}

fn take_below(object: &mut Node, at: &str, key: &str) -> Option<Entry> {
    let mut taken = None;
    each(object, at, &mut |node| taken = take(node, key));
    taken
}

fn with_span(mut node: Node, span: Span) -> Node {
    node.span = span;
    match &mut node.value {
        Value::Sequence(items) => {
            for item in items {
                *item = with_span(std::mem::replace(item, Node { span, value: Value::Null }), span);
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                entry.key_span = span;
                let value = std::mem::replace(&mut entry.value, Node { span, value: Value::Null });
                entry.value = with_span(value, span);
            }
        }
        _ => {}
    }
    node
}

fn append_solvers(object: &mut Node, solvers: &[Json], place: Span) {
    let made = solvers.iter().map(|solver| with_span(node::from_json(solver), place));
    each(object, "spec.acme", &mut |acme| {
        let list = match node::entry_mut(acme, "solvers") {
            Some(entry) => &mut entry.value.value,
            None => {
                let value = Node { span: place, value: Value::Sequence(Vec::new()) };
                put(acme, "solvers", Entry { key: "solvers".to_owned(), key_span: place, value });
                match node::entry_mut(acme, "solvers") {
                    Some(entry) => &mut entry.value.value,
                    None => return,
                }
            }
        };
        if *list == Value::Null {
            *list = Value::Sequence(Vec::new());
        }
        if let Value::Sequence(items) = list {
            items.extend(made.clone());
        }
    });
}

fn put_json(object: &mut Node, path: &str, json: &Json) {
    let value = node::from_json(json);
    put(object, path, Entry { key: String::new(), key_span: Span::default(), value });
}

/// Writes the annotation.
fn keep(object: &mut Node, old: &Json, place: Span) {
    let value = Node { span: place, value: Value::String(old.to_string()) };
    let annotation = Entry { key: CONVERSION_DATA.to_owned(), key_span: place, value };
    if object.get("metadata").and_then(|meta| meta.get("annotations")).is_none() {
        let value = Node { span: place, value: Value::Null };
        put(object, "metadata.annotations", Entry { key: String::new(), key_span: place, value });
    }
    each(object, "metadata.annotations", &mut |annotations| {
        if annotations.value == Value::Null {
            annotations.value = Value::Mapping(Vec::new());
        }
        if let Value::Mapping(entries) = &mut annotations.value {
            entries.retain(|entry| entry.key != CONVERSION_DATA);
            entries.push(annotation.clone());
        }
    });
}

/// Takes the annotation off.
fn forget(object: &mut Node) -> Option<Json> {
    let mut found = None;
    each(object, "metadata.annotations", &mut |annotations| {
        if let Value::Mapping(entries) = &mut annotations.value
            && let Some(at) = entries.iter().position(|entry| entry.key == CONVERSION_DATA)
        {
            found = entries.remove(at).value.as_str().and_then(|text| serde_json::from_str(text).ok());
        }
    });
    let empty = |node: &Node| matches!(&node.value, Value::Mapping(entries) if entries.is_empty());
    if object.get("metadata").and_then(|meta| meta.get("annotations")).is_some_and(empty) {
        take(object, "metadata.annotations");
    }
    found
}

fn http01_solver(config: &DomainHttp01, service_type: Option<ServiceType>) -> AcmeChallengeSolver {
    let ingress = AcmeChallengeSolverHttp01Ingress {
        service_type,
        class: config.ingress_class.clone(),
        name: config.ingress.clone(),
        ..AcmeChallengeSolverHttp01Ingress::default()
    };
    let http01 = AcmeChallengeSolverHttp01 { ingress: Some(ingress), ..AcmeChallengeSolverHttp01::default() };
    AcmeChallengeSolver { http01: Some(http01), ..AcmeChallengeSolver::default() }
}

/// Gives the issuers among the objects a solver for each domain that a Certificate of `v1alpha1` configures, with the
/// domains as its selector, so that controllers of `v1` solve them as the Certificate says.
pub fn offer_solvers(objects: &mut [Object]) {
    let mut wanted: Vec<(Kind, String, String, DomainConfig)> = Vec::new();
    for object in objects.iter() {
        let Object::Certificate(certificate) = object else { continue };
        let Some(acme) = acme_config(&certificate.metadata) else { continue };
        let issuer = &certificate.spec.issuer_ref;
        let (kind, namespace) = match issuer.kind_or_default() {
            "ClusterIssuer" => (Kind::ClusterIssuer, String::new()),
            _ => (Kind::Issuer, certificate.metadata.namespace.clone()),
        };
        for config in acme.config {
            wanted.push((kind, namespace.clone(), issuer.name.clone(), config));
        }
    }
    for object in objects {
        let key = object.key();
        let own = wanted
            .iter()
            .filter(|(kind, namespace, name, _)| {
                *kind == object.kind() && *namespace == key.namespace() && *name == key.name()
            })
            .map(|(.., config)| config);
        let Some(ways) = acme_issuer_config(object.meta()) else { continue };
        let offered: Vec<AcmeChallengeSolver> = own.filter_map(|config| solver(config, &ways)).collect();
        match object {
            Object::Issuer(issuer) => offer(&mut Arc::make_mut(issuer).spec, &offered),
            Object::ClusterIssuer(issuer) => offer(&mut Arc::make_mut(issuer).spec, &offered),
            _ => {}
        }
    }
}

/// The solver for some domains; nothing when the issuer does not have the way.
fn solver(config: &DomainConfig, ways: &AcmeIssuerConfig) -> Option<AcmeChallengeSolver> {
    let selector = CertificateDnsNameSelector {
        dns_names: config.domains.clone(),
        ..CertificateDnsNameSelector::default()
    };
    let solver = match (&config.http01, &config.dns01) {
        (Some(http01), _) => http01_solver(http01, ways.http01?),
        (None, Some(dns01)) => {
            let dns01 = Some(ways.providers.get(&dns01.provider)?.clone());
            AcmeChallengeSolver { dns01, ..AcmeChallengeSolver::default() }
        }
        (None, None) => return None,
    };
    Some(AcmeChallengeSolver { selector: Some(selector), ..solver })
}

fn offer(spec: &mut IssuerSpec, solvers: &[AcmeChallengeSolver]) {
    if let Some(acme) = &mut spec.acme {
        for solver in
            solvers.iter().filter(|solver| !acme.solvers.contains(solver)).cloned().collect::<Vec<_>>()
        {
            acme.solvers.push(solver);
        }
    }
}
