//! Gateways: a listener with TLS is a host and the Secrets of its certificate.

use std::collections::BTreeMap;

use super::{Blocks, IngressLike, join};
use crate::api::{Gateway, Listener, TlsMode};
use crate::compat::Shims;
use crate::log::{Message, catalogue as msg};

/// Listeners that get no Certificate, by name, separated by commas.
const IGNORE: &str = "cert-manager.io/ignore-tls-listeners";

/// What is wrong with the listener at `path` of a Gateway in `namespace`.
fn errors(path: &str, listener: &Listener, namespace: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if listener.hostname.as_deref().unwrap_or_default().is_empty() {
        errors.push(format!("{path}.hostname: Required value: the hostname cannot be empty"));
    }
    let Some(tls) = &listener.tls else {
        errors.push(format!("{path}.tls: Required value: the TLS block cannot be empty"));
        return errors;
    };
    let path = format!("{path}.tls");
    if tls.certificate_refs.is_empty() {
        errors.push(format!("{path}.certificateRef: Required value: listener has no certificateRefs"));
    }
    for (index, secret) in tls.certificate_refs.iter().enumerate() {
        let path = format!("{path}.certificateRef[{index}]");
        let group = secret.group.as_deref().unwrap_or_default();
        if !matches!(group, "core" | "") {
            let supported = r#"supported values: "core", """#;
            errors.push(format!("{path}.group: Unsupported value: {group:?}: {supported}"));
        }
        let kind = secret.kind.as_deref().unwrap_or_default();
        if !matches!(kind, "Secret" | "") {
            let supported = r#"supported values: "Secret", """#;
            errors.push(format!("{path}.kind: Unsupported value: {kind:?}: {supported}"));
        }
        if let Some(other) = secret.namespace.as_ref().filter(|other| *other != namespace) {
            let why = "cross-namespace secret references are not allowed in listeners";
            errors.push(format!("{path}.namespace: Invalid value: {other:?}: {why}"));
        }
    }
    match tls.mode {
        None => errors.push(format!("{path}.mode: Required value: the mode field is required")),
        Some(TlsMode::Terminate) => {}
        Some(mode) => {
            let supported = r#"supported values: "Terminate""#;
            errors.push(format!("{path}.mode: Unsupported value: {:?}: {supported}", mode.as_str()));
        }
    }
    errors
}

impl Gateway {
    /// Whether the listener is none that anybody would want a Certificate for.
    fn passes_over(&self, listener: &Listener) -> bool {
        let ignored = self.metadata.annotations.get(IGNORE).map_or("", String::as_str);
        !matches!(listener.protocol.as_str(), "HTTPS" | "TLS")
            || listener.tls.as_ref().is_some_and(|tls| tls.mode == Some(TlsMode::Passthrough))
            || ignored.split(',').any(|name| name.trim() == listener.name)
    }
}

impl IngressLike for Gateway {
    const SHIM: &'static str = "gateway-shim";
    const AUTO: bool = false;
    const GONE: (&'static Message, &'static str) = (&msg::GATEWAY_GONE, "Gateway");

    fn flaw(&self) -> Option<String> {
        None
    }

    fn blocks(&self, shims: Shims) -> Blocks {
        let mut blocks = Blocks::default();
        for (index, listener) in self.spec.listeners.iter().enumerate() {
            if shims.selects_listeners && self.passes_over(listener) {
                continue;
            }
            let path = format!("spec.listeners[{index}]");
            if let Some(error) = join(&errors(&path, listener, &self.metadata.namespace)) {
                blocks.skipped.push(format!("Skipped a listener block: {error}"));
                continue;
            }
            let (Some(host), Some(tls)) = (&listener.hostname, &listener.tls) else { continue };
            for secret in &tls.certificate_refs {
                blocks.hosts.entry(secret.name.clone()).or_default().push(host.clone());
            }
        }
        blocks
    }

    fn names_secret(&self, secret: &str) -> bool {
        let refs =
            self.spec.listeners.iter().filter_map(|l| l.tls.as_ref()).flat_map(|t| &t.certificate_refs);
        refs.into_iter().any(|r| r.name == secret)
    }

    fn lead_here(&self, annotations: &mut BTreeMap<String, String>) {
        let mut set = |key: &str, value: &str| {
            annotations.insert(format!("acme.cert-manager.io/{key}"), value.to_owned());
        };
        set("http01-parentrefkind", "Gateway");
        set("http01-parentrefname", &self.metadata.name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compat::{V1_7, V1_21};

    fn gateway(listeners: Value) -> Gateway {
        let json = json!({
            "metadata": {"name": "web", "namespace": "infra", "annotations": {IGNORE: "legacy, other"}},
            "spec": {"listeners": listeners},
        });
        serde_json::from_value(json).unwrap()
    }

    fn listener(host: &str, secrets: &[&str]) -> Value {
        let refs: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
        json!({"name": host, "hostname": host, "protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": refs}})
    }

    #[test]
    fn listeners_that_share_a_secret_share_a_certificate() {
        let gateway = gateway(json!([listener("a.test", &["one"]), listener("b.test", &["one", "two"])]));
        let hosts = gateway.blocks(V1_21.shims).hosts;
        assert_eq!(hosts["one"], ["a.test", "b.test"]);
        assert_eq!(hosts["two"], ["b.test"]);
    }

    #[test]
    fn plain_listeners_are_a_complaint_in_older_releases_and_passed_over_in_newer_ones() {
        let mut passed = listener("p.test", &["p"]);
        passed["tls"]["mode"] = "Passthrough".into();
        let mut ignored = listener("i.test", &["i"]);
        ignored["name"] = "legacy".into();
        let plain = json!({"name": "http", "hostname": "a.test", "protocol": "HTTP", "port": 80});
        let gateway = gateway(json!([plain, passed, ignored]));
        assert_eq!(gateway.blocks(V1_21.shims), Blocks::default());
        let old = gateway.blocks(V1_7.shims);
        assert_eq!(
            old.skipped,
            [
                "Skipped a listener block: spec.listeners[0].tls: Required value: the TLS block cannot be empty",
                "Skipped a listener block: spec.listeners[1].tls.mode: Unsupported value: \"Passthrough\": supported \
                 values: \"Terminate\"",
            ]
        );
        assert_eq!(old.hosts.keys().collect::<Vec<_>>(), ["i"]);
        assert!(gateway.names_secret("p"));
    }

    #[test]
    fn what_is_wrong_with_a_listener_is_told_all_at_once() {
        let bad = json!({"name": "x", "protocol": "TLS", "port": 443, "tls": {"certificateRefs": [
            {"name": "s", "group": "x.test", "kind": "Vault", "namespace": "other"},
        ]}});
        let start = "Skipped a listener block: [spec.listeners[0].hostname: Required value: the hostname cannot be empty, \
                     spec.listeners[0].tls.certificateRef[0].group: Unsupported value: \"x.test\": supported values: \"core\", \"\", ";
        let skipped = gateway(json!([bad])).blocks(V1_21.shims).skipped;
        assert!(skipped[0].starts_with(start), "{skipped:?}");
        assert!(skipped[0].contains("cross-namespace secret references are not allowed in listeners"));
        let none = gateway(json!([listener("a.test", &[])])).blocks(V1_21.shims).skipped;
        assert!(none[0].ends_with("certificateRef: Required value: listener has no certificateRefs"));
    }

    #[test]
    fn its_challenges_come_through_itself() {
        let mut annotations = BTreeMap::new();
        gateway(json!([])).lead_here(&mut annotations);
        assert_eq!(annotations["acme.cert-manager.io/http01-parentrefname"], "web");
        assert_eq!(annotations["acme.cert-manager.io/http01-parentrefkind"], "Gateway");
    }
}
