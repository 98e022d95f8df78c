//! What validation says about objects that are wrong in one way, and about changes.

use serde_json::{Value, json};

use super::{Rules, validate, validate_by, validate_update};
use crate::api::{Certificate, CertificateRequest, Challenge, Kind, Object, Order, Secret};

fn object(kind: Kind, json: Value) -> Object {
    Object::deserialize_as(kind, json).unwrap()
}

fn errors(kind: Kind, mut json: Value) -> Vec<String> {
    json["metadata"] = match kind.is_namespaced() {
        true => json!({"name": "a", "namespace": "b"}),
        false => json!({"name": "a"}),
    };
    validate_by(&Rules::V1_21, &object(kind, json)).iter().map(ToString::to_string).collect()
}

const INGRESS_CLASS: &str = "spec.acme.solvers[0].http01.ingress.ingressClassName: Invalid value: \"a_b\": must be a \
    valid IngressClass name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SECRET_NAME: &str = "spec.secretName: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of \
    lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// A valid Certificate with some other fields.
fn certificate(fields: Value) -> Vec<String> {
    let mut spec = json!({"secretName": "s", "issuerRef": {"name": "i"}, "dnsNames": ["example.com"]});
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    errors(Kind::Certificate, json!({ "spec": spec }))
}

#[test]
fn certificates() {
    assert_eq!(certificate(json!({})), [""; 0]);
    for (fields, error) in [
        (json!({"secretName": ""}), "spec.secretName: Required value: must be specified"),
        (json!({"issuerRef": {"name": ""}}), "spec.issuerRef.name: Required value: must be specified"),
        (
            json!({"issuerRef": {"name": "i", "kind": "Isuer"}}),
            r#"spec.issuerRef.kind: Invalid value: "Isuer": must be one of Issuer or ClusterIssuer"#,
        ),
        (
            json!({"dnsNames": []}),
            r#"spec: Invalid value: "": at least one of commonName (from the commonName field or from a literalSubject), dnsNames, emailSANs, ipAddresses, otherNames, or uriSANs must be set"#,
        ),
        (json!({"commonName": "x".repeat(65)}), "spec.commonName: Too long: must have at most 64 bytes"),
        (
            json!({"ipAddresses": ["::1", "1.2.3"]}),
            r#"spec.ipAddresses[1]: Invalid value: "1.2.3": invalid IP address"#,
        ),
        (
            json!({"emailAddresses": ["Me <me@example.com>"]}),
            r#"spec.emailAddresses[0]: Invalid value: "Me <me@example.com>": invalid email address: make sure the supplied value only contains the email address itself"#,
        ),
        (
            json!({"duration": "59m"}),
            "spec.duration: Invalid value: 59m0s: certificate duration must be greater than 1h0m0s",
        ),
        (
            json!({"renewBefore": "4m"}),
            "spec.renewBefore: Invalid value: 4m0s: certificate renewBefore must be greater than 5m0s",
        ),
        (
            json!({"renewBefore": "2160h"}),
            "spec.renewBefore: Invalid value: 2160h0m0s: certificate duration 2160h0m0s must be greater than \
             renewBefore 2160h0m0s",
        ),
        (
            json!({"duration": "1h", "renewBeforePercentage": 100}),
            "spec.renewBeforePercentage: Invalid value: 100: certificate renewBeforePercentage must result in a \
             renewBefore greater than 5m0s",
        ),
        (
            json!({"duration": "1h", "renewBeforePercentage": 0}),
            "spec.renewBeforePercentage: Invalid value: 0: certificate renewBeforePercentage must result in a \
             renewBefore less than duration",
        ),
        (
            json!({"renewal": {"policy": "Disabled", "windows": [{"cron": "0 0 * * *", "windowDuration": "1h"}]}}),
            "spec.renewal.windows: Forbidden: windows cannot be set when `renewal.policy` is set to Disabled",
        ),
        (
            json!({"renewal": {"policy": "RenewBefore", "windows": [{"cron": "0 0 * * *"}]}}),
            "spec.renewal.windows[0].windowDuration: Required value: windowDuration must be specified and should be \
             greater than 0",
        ),
        (
            json!({"renewal": {"policy": "RenewBefore", "windows": [{"cron": "a b", "windowDuration": "1h"}]}}),
            r#"spec.renewal.windows[0].cron: Invalid value: "a b": invalid cron syntax: expected exactly 5 fields, found 2: [a b]. cron needs to follow: cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow"#,
        ),
        (
            json!({"renewal": {}}),
            r#"spec.renewal.policy: Unsupported value: "": supported values: "Disabled", "RenewBefore""#,
        ),
        (json!({"secretName": "A_b"}), SECRET_NAME),
        (
            json!({"literalSubject": "CN=x", "commonName": "x"}),
            r#"spec.commonName: Invalid value: "x": When providing a `LiteralSubject` no `commonName` may be provided."#,
        ),
        (
            json!({"literalSubject": "CN=x", "subject": {"countries": ["DE"]}}),
            "spec.subject: Invalid value: {}: When providing a `LiteralSubject` no `Subject` properties may be provided.",
        ),
        (
            json!({"otherNames": [{"oid": "1.x", "utf8Value": "a"}]}),
            r#"spec.otherNames[0].oid: Invalid value: "1.x": invalid oid syntax"#,
        ),
        (
            json!({"otherNames": [{"oid": "1.2"}]}),
            "spec.otherNames[0].utf8Value: Required value: must be set to a valid non-empty UTF8 string",
        ),
        (json!({"uris": ["a b"]}), r#"spec.uris[0]: Invalid value: "a b": invalid URI"#),
        (
            json!({"nameConstraints": {"permitted": {}}}),
            "spec.nameConstraints: Invalid value: {}: isCa should be true when nameConstraints is set",
        ),
        (
            json!({"isCA": true, "nameConstraints": {}}),
            "spec.nameConstraints: Invalid value: {}: either permitted or excluded must be set",
        ),
        (
            json!({"keystores": {"pkcs12": {"create": true, "password": "x", "passwordSecretRef": {"name": "s"}}}}),
            "spec.keystores.pkcs12: Forbidden: exactly one of passwordSecretRef and password must be provided for \
             PKCS#12 keystores; cannot set both",
        ),
        (
            json!({"keystores": {"jks": {"create": true, "password": ""}}}),
            "spec.keystores.jks.password: Forbidden: literal password cannot be empty if set on JKS keystores",
        ),
        (
            json!({"privateKey": {"size": 1024}}),
            "spec.privateKey.size: Invalid value: 1024: must be between 2048 and 8192 for rsa keyAlgorithm",
        ),
        (
            json!({"privateKey": {"algorithm": "ECDSA", "size": 255}}),
            r#"spec.privateKey.size: Unsupported value: 255: supported values: "256", "384", "521""#,
        ),
        (
            json!({"signatureAlgorithm": "PureEd25519"}),
            r#"spec.signatureAlgorithm: Invalid value: "PureEd25519": for key algorithm RSA the allowed signature algorithms are [SHA256WithRSA SHA384WithRSA SHA512WithRSA]"#,
        ),
        (
            json!({"revisionHistoryLimit": 0}),
            "spec.revisionHistoryLimit: Invalid value: 0: must not be less than 1",
        ),
        (
            json!({"secretTemplate": {"annotations": {"cert-manager.io/x": ""}}}),
            r#"spec.secretTemplate.annotations: Invalid value: "cert-manager.io/x": cert-manager.io/* annotations are not allowed"#,
        ),
        (
            json!({"additionalOutputFormats": [{"type": "DER"}, {"type": "DER"}]}),
            r#"spec.additionalOutputFormats[type]: Duplicate value: "DER""#,
        ),
        (
            json!({"keystores": {"jks": {"create": true}}}),
            "spec.keystores.jks: Forbidden: must set exactly one of passwordSecretRef and password must for JKS keystores",
        ),
    ] {
        assert_eq!(certificate(fields), [error]);
    }
}

#[test]
fn issuers() {
    let acme = |solver: Value| {
        let acme = json!({"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "solvers": [solver]});
        json!({ "spec": { "acme": acme } })
    };
    let dns01 = |provider: Value| acme(json!({ "dns01": provider }));
    for (issuer, error) in [
        (json!({"spec": {}}), "spec: Required value: at least one issuer must be configured"),
        (
            json!({"spec": {"ca": {"secretName": "s"}, "selfSigned": {}}}),
            "spec.selfSigned: Forbidden: may not specify more than one issuer type",
        ),
        (json!({"spec": {"ca": {}}}), "spec.ca.secretName: Required value"),
        (
            json!({"spec": {"acme": {"server": "https://ca"}}}),
            "spec.acme.privateKeySecretRef.name: Required value: private key secret name is a required field",
        ),
        (acme(json!({})), "spec.acme.solvers[0]: Required value: no solver type configured"),
        (
            acme(json!({"http01": {}})),
            "spec.acme.solvers[0].http01: Required value: no HTTP01 solver type configured",
        ),
        (
            acme(json!({"dns01": {}})),
            "spec.acme.solvers[0].dns01: Required value: no DNS01 provider configured",
        ),
        (
            acme(json!({"http01": {"ingress": {"class": "nginx", "name": "web"}}})),
            "spec.acme.solvers[0].http01.ingress: Forbidden: only one of 'ingressClassName', 'name' or 'class' \
             should be specified",
        ),
        (
            acme(json!({"http01": {"ingress": {"serviceType": "LoadBalancer"}}})),
            r#"spec.acme.solvers[0].http01.ingress.serviceType: Invalid value: "LoadBalancer": must be empty, "ClusterIP" or "NodePort""#,
        ),
        (
            acme(json!({"http01": {"ingress": {}}, "dns01": {"cloudDNS": {"project": "p"}}})),
            "spec.acme.solvers[0]: Forbidden: may not specify more than one solver type in a single solver",
        ),
        (
            acme(json!({"http01": {"ingress": {}, "gatewayHTTPRoute": {}}})),
            "spec.acme.solvers[0].http01: Required value: only 1 HTTP01 solver type may be configured",
        ),
        (acme(json!({"http01": {"ingress": {"ingressClassName": "a_b"}}})), INGRESS_CLASS),
        (
            acme(json!({"http01": {"gatewayHTTPRoute": {"serviceType": "LoadBalancer"}}})),
            r#"spec.acme.solvers[0].http01.gateway.serviceType: Invalid value: "LoadBalancer": must be empty, "ClusterIP" or "NodePort""#,
        ),
        (
            dns01(json!({"cloudDNS": {"project": "p"}, "webhook": {"solverName": "s"}})),
            "spec.acme.solvers[0].dns01.webhook: Forbidden: may not specify more than one provider type",
        ),
        (
            dns01(json!({"cloudDNS": {"project": "p", "serviceAccountSecretRef": {"key": "k"}}})),
            "spec.acme.solvers[0].dns01.cloudDNS.serviceAccountSecretRef.name: Required value: secret name is required",
        ),
        (dns01(json!({"cloudDNS": {}})), "spec.acme.solvers[0].dns01.cloudDNS.project: Required value"),
        (
            dns01(json!({"digitalocean": {"tokenSecretRef": {"name": "n"}}})),
            "spec.acme.solvers[0].dns01.digitalocean.tokenSecretRef.key: Required value: secret key is required",
        ),
        (
            dns01(json!({"cloudflare": {"email": "a@b"}})),
            "spec.acme.solvers[0].dns01.cloudflare: Required value: apiKeySecretRef or apiTokenSecretRef is required",
        ),
        (
            dns01(json!({"cloudflare": {"apiKeySecretRef": {"name": "n", "key": "k"}}})),
            "spec.acme.solvers[0].dns01.cloudflare.email: Required value",
        ),
        (
            dns01(
                json!({"cloudflare": {"email": "a@b", "apiKeySecretRef": {"name": "n", "key": "k"}, "apiTokenSecretRef": {"name": "n", "key": "k"}}}),
            ),
            "spec.acme.solvers[0].dns01.cloudflare: Forbidden: apiKeySecretRef and apiTokenSecretRef cannot both be \
             specified",
        ),
        (
            dns01(
                json!({"route53": {"accessKeyID": "a", "accessKeyIDSecretRef": {"name": "n", "key": "k"}}}),
            ),
            "spec.acme.solvers[0].dns01.route53: Required value: accessKeyID and accessKeyIDSecretRef cannot both be \
             specified",
        ),
        (
            dns01(
                json!({"azureDNS": {"resourceGroupName": "r", "subscriptionID": "s", "clientID": "c", "tenantID": "t"}}),
            ),
            "spec.acme.solvers[0].dns01.azureDNS.clientSecretSecretRef: Required value",
        ),
        (
            dns01(json!({"azureDNS": {"resourceGroupName": "r", "managedIdentity": {"clientID": "c"}}})),
            "spec.acme.solvers[0].dns01.azureDNS.subscriptionID: Required value",
        ),
        (
            dns01(
                json!({"azureDNS": {"resourceGroupName": "r", "subscriptionID": "s", "managedIdentity": {"clientID": "c", "resourceID": "r"}}}),
            ),
            "spec.acme.solvers[0].dns01.azureDNS.managedIdentity: Forbidden: managedIdentityClientID and \
             managedIdentityResourceID cannot both be specified",
        ),
        (
            dns01(json!({"acmeDNS": {"accountSecretRef": {"name": "n", "key": "k"}}})),
            "spec.acme.solvers[0].dns01.acmeDNS.host: Required value",
        ),
        (
            dns01(json!({"rfc2136": {"nameserver": "ns", "tsigAlgorithm": "HMACX"}})),
            r#"spec.acme.solvers[0].dns01.rfc2136.tsigAlgorithm: Unsupported value: "": supported values: "HMACMD5", "HMACSHA1", "HMACSHA256", "HMACSHA512""#,
        ),
        (
            dns01(json!({"rfc2136": {"nameserver": "ns", "tsigSecretSecretRef": {"name": "n", "key": "k"}}})),
            "spec.acme.solvers[0].dns01.rfc2136.tsigKeyName: Required value",
        ),
        (
            dns01(json!({"webhook": {"groupName": "g"}})),
            "spec.acme.solvers[0].dns01.webhook.solverName: Required value: solver name must be specified",
        ),
        (
            json!({"spec": {"acme": {"privateKeySecretRef": {"name": "k"}}}}),
            "spec.acme.server: Required value: acme server URL is a required field",
        ),
        (
            json!({"spec": {"acme": {"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "preferredChain": "x".repeat(65)}}}),
            "spec.acme.preferredChain: Too long: must have at most 64 bytes",
        ),
        (
            json!({"spec": {"acme": {"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "caBundle": "eA=="}}}),
            r#"spec.acme.caBundle: Invalid value: "": cert bundle didn't contain any valid certificates"#,
        ),
        (
            json!({"spec": {"acme": {"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "externalAccountBinding": {"keySecretRef": {"name": "n", "key": "k"}}}}}),
            "spec.acme.externalAccountBinding.keyID: Required value: the keyID field is required when using \
             externalAccountBinding",
        ),
        (
            json!({"spec": {"ca": {"secretName": "s", "ocspServers": [""]}}}),
            r#"spec.ca.ocspServer[0]: Invalid value: "": must be a valid URL, e.g., http://ocsp.int-x3.letsencrypt.org"#,
        ),
        (
            json!({"spec": {"vault": {"server": "https://v", "path": "a/../b", "auth": {"tokenSecretRef": {"name": "n"}}}}}),
            r#"spec.vault.path: Invalid value: "a/../b": must not contain '..' path segments"#,
        ),
        (
            json!({"spec": {"vault": {"server": "https://v", "path": "p", "auth": {"kubernetes": {"role": "r"}}}}}),
            "spec.vault.auth.kubernetes: Required value: please supply one of: secretRef, serviceAccountRef",
        ),
        (
            json!({"spec": {"vault": {"server": "https://v", "path": "p", "clientCertSecretRef": {"name": "c"}, "auth": {"tokenSecretRef": {"name": "n"}}}}}),
            r#"spec.vault.clientKeySecretRef: Invalid value: "<snip>": clientKeySecretRef must be provided when defining the clientCertSecretRef"#,
        ),
        (
            json!({"spec": {"venafi": {"zone": "z"}}}),
            "spec.venafi: Required value: please supply one of: tpp, cloud, ngts",
        ),
        (json!({"spec": {"venafi": {"zone": "z", "tpp": {}}}}), "spec.venafi.tpp.url: Required value"),
        (
            acme(json!({"dns01": {"rfc2136": {}}})),
            "spec.acme.solvers[0].dns01.rfc2136.nameserver: Required value",
        ),
        (
            json!({"spec": {"vault": {"server": "https://v", "path": "p"}}}),
            "spec.vault.auth: Required value: please supply one of: appRole, kubernetes, tokenSecretRef, \
             clientCertificate, aws",
        ),
    ] {
        assert_eq!(errors(Kind::ClusterIssuer, issuer), [error]);
    }
    for (nameserver, good) in [
        ("192.0.2.1", true),
        ("192.0.2.1:53", true),
        ("ns.example.com:53", true),
        ("[::1]:53", true),
        ("[::1]", true),
        (":53", false),
        ("ns:99999", false),
        ("::1", false),
        ("[::1", false),
        ("a b", false),
    ] {
        let issuer = acme(json!({"dns01": {"rfc2136": {"nameserver": nameserver}}}));
        assert_eq!(errors(Kind::Issuer, issuer).is_empty(), good, "{nameserver}");
    }
}

#[test]
fn what_excludes_each_other_is_told_at_both_places() {
    let detail = "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set";
    assert_eq!(
        certificate(json!({"renewBefore": "24h", "renewBeforePercentage": 50})),
        [
            format!("spec.renewBefore: Invalid value: 24h0m0s: {detail}"),
            format!("spec.renewBeforePercentage: Invalid value: 50: {detail}"),
        ]
    );
    let detail = "caBundle and skipTLSVerify are mutually exclusive and cannot both be set";
    let acme = json!({"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "caBundle": "eA==", "skipTLSVerify": true});
    let told = errors(Kind::Issuer, json!({ "spec": { "acme": acme } }));
    assert_eq!(
        told[..2],
        [
            format!("spec.acme.caBundle: Invalid value: \"\": {detail}"),
            format!("spec.acme.skipTLSVerify: Invalid value: true: {detail}"),
        ]
    );
}

/// A duration below zero is none for any field, so that validation does not see it.
#[test]
fn a_wait_instead_of_the_self_check_is_not_negative() {
    let issuer = |wait: &str| {
        let solver = json!({"http01": {"ingress": {}}, "waitInsteadOfSelfCheck": wait});
        let acme = json!({"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "solvers": [solver]});
        Object::deserialize_as(
            Kind::ClusterIssuer,
            json!({"metadata": {"name": "a"}, "spec": {"acme": acme}}),
        )
    };
    assert!(issuer("0s").is_ok() && issuer("30s").is_ok());
    let error = issuer("-5s").unwrap_err().to_string();
    assert!(error.contains("time: negative duration \"-5s\""), "{error}");
}

#[test]
fn of_cert_managers_annotations_on_requests_only_the_pickup_id_may_change() {
    let request = |key: &str, value: &str| {
        let spec = json!({"request": "Y3Ny", "issuerRef": {"name": "i"}});
        object(Kind::CertificateRequest, json!({"metadata": {"annotations": {key: value}}, "spec": spec}))
    };
    let change = |key: &str| {
        let told = validate_update(&request(key, "a"), &request(key, "b"));
        told.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(change("venafi.cert-manager.io/pickup-id"), [""; 0]);
    for key in ["cert-manager.io/certificate-name", "acme.cert-manager.io/x"] {
        let text = format!(
            "metadata.annotations.{key}: Forbidden: cannot change cert-manager annotation after creation"
        );
        assert_eq!(change(key), [text]);
    }
}

#[test]
fn requests_are_approved_or_denied() {
    let request = |conditions: Value| {
        let spec = json!({"request": "Y3Ny", "issuerRef": {"name": "i"}});
        errors(Kind::CertificateRequest, json!({"spec": spec, "status": {"conditions": conditions}}))
    };
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status});
    assert_eq!(request(json!([condition("Approved", "True"), condition("Ready", "False")])), [""; 0]);
    assert_eq!(
        request(json!([condition("Approved", "True"), condition("Denied", "True")])),
        ["status.conditions: Forbidden: both 'Denied' and 'Approved' conditions cannot coexist"]
    );
    assert_eq!(
        request(json!([condition("Denied", "False")])),
        [r#"status.conditions.Denied: Invalid value: "False": "Denied" condition may only be set to True"#]
    );
}

#[test]
fn releases_differ_in_rules_and_words() {
    let errors = |rules: &Rules, kind: Kind, json: Value| -> Vec<String> {
        let mut json = json;
        json["metadata"] = json!({"name": "a", "namespace": "b"});
        validate_by(rules, &object(kind, json)).iter().map(ToString::to_string).collect()
    };
    let spec =
        json!({"spec": {"secretName": "A_b", "issuerRef": {"name": "i"}, "privateKey": {"size": 1024}}});
    assert_eq!(
        errors(&Rules::V1_7, Kind::Certificate, spec.clone()),
        [
            r#"spec: Invalid value: "": at least one of commonName, dnsNames, uris ipAddresses, or emailAddresses must be set"#,
            "spec.privateKey.size: Invalid value: 1024: must be between 2048 & 8192 for rsa keyAlgorithm",
        ]
    );
    assert_eq!(errors(&Rules::V1_16, Kind::Certificate, spec).len(), 3);
    let route = |solver: Value| json!({"spec": {"acme": {"server": "s", "privateKeySecretRef": {"name": "k"}, "solvers": [solver]}}});
    for (rules, gateway) in [
        (Rules::V1_7, Some("labels: Required value: labels must be set")),
        (Rules::V1_16, Some("parentRefs: Required value: at least 1 parentRef is required")),
        (Rules::V1_21, None),
    ] {
        let found = errors(&rules, Kind::Issuer, route(json!({"http01": {"gatewayHTTPRoute": {}}})));
        let wanted = gateway.map(|text| format!("spec.acme.solvers[0].http01.gateway.{text}"));
        assert_eq!(found, wanted.into_iter().collect::<Vec<_>>());
    }
    let vault = json!({"spec": {"vault": {"server": "s", "path": "p"}}});
    assert_eq!(errors(&Rules::V1_7, Kind::Issuer, vault), [""; 0]);
}

#[test]
fn what_is_set_in_an_order_stays() {
    let old: Order = serde_json::from_value(json!({
        "metadata": {}, "spec": {"request": "Y3Ny", "issuerRef": {"name": "i"}},
        "status": {"url": "u", "finalizeURL": "f", "certificate": "Yw==", "authorizations": [
            {"url": "a", "identifier": "x", "wildcard": false, "initialState": "pending",
             "challenges": [{"url": "c", "token": "t", "type": "http-01"}]}]},
    }))
    .unwrap();
    let change = |path: &str, value: Value| -> Vec<String> {
        let mut json = serde_json::to_value(&old).unwrap();
        *json.pointer_mut(path).unwrap() = value;
        let new: Order = serde_json::from_value(json).unwrap();
        let errors = validate_update(&old.clone().into(), &new.into());
        errors.iter().map(ToString::to_string).collect()
    };
    for (pointer, value, path) in [
        ("/spec/request", json!("eA=="), "spec.request"),
        ("/status/url", json!("v"), "status.url"),
        ("/status/finalizeURL", json!("v"), "status.finalizeURL"),
        ("/status/certificate", json!("eA=="), "status.certificate"),
        ("/status/authorizations", json!([]), "status.authorizations"),
        ("/status/authorizations/0/url", json!("v"), "status.authorizations[0].url"),
        ("/status/authorizations/0/identifier", json!("v"), "status.authorizations[0].identifier"),
        ("/status/authorizations/0/wildcard", json!(true), "status.authorizations[0].wildcard"),
        ("/status/authorizations/0/initialState", json!("valid"), "status.authorizations[0].initialState"),
        ("/status/authorizations/0/challenges", json!([]), "status.authorizations[0].challenges"),
        (
            "/status/authorizations/0/challenges/0/url",
            json!("v"),
            "status.authorizations[0].challenges[0].url",
        ),
        (
            "/status/authorizations/0/challenges/0/type",
            json!("v"),
            "status.authorizations[0].challenges[0].type",
        ),
        (
            "/status/authorizations/0/challenges/0/token",
            json!("v"),
            "status.authorizations[0].challenges[0].token",
        ),
    ] {
        assert_eq!(change(pointer, value), [format!("{path}: Forbidden: field is immutable once set")]);
    }
}

#[test]
fn decisions_about_requests_are_for_good() {
    let request = |conditions: Value| -> Object {
        let spec = json!({"request": "Y3Ny", "issuerRef": {"name": "i"}});
        let json = json!({"metadata": {}, "spec": spec, "status": {"conditions": conditions}});
        object(Kind::CertificateRequest, json)
    };
    let approved = request(json!([{"type": "Approved", "status": "True", "reason": "a"}]));
    for (new, count) in [
        (request(json!([])), 1),
        (request(json!([{"type": "Approved", "status": "True", "reason": "b"}])), 1),
        (approved.clone(), 0),
    ] {
        let errors = validate_update(&approved, &new);
        assert_eq!(errors.len(), count);
        let text = "status.conditions: Forbidden: 'Approved' condition may not be modified once set";
        assert!(errors.iter().all(|error| error.to_string() == text));
    }
    let twice = request(json!([{"type": "Denied", "status": "True"}, {"type": "Denied", "status": "True"}]));
    let twice = twice.with_meta(|meta| (meta.name, meta.namespace) = ("a".into(), "b".into()));
    let errors: Vec<String> = validate(&twice).iter().map(ToString::to_string).collect();
    assert_eq!(errors, [r#"status.conditions: Forbidden: multiple "Denied" conditions present"#]);
}

#[test]
fn metadata() {
    for (kind, metadata, path) in [
        (Kind::Secret, json!({"name": "a"}), "metadata.namespace"),
        (Kind::Secret, json!({"name": "a", "namespace": "a.b"}), "metadata.namespace"),
        (Kind::ClusterIssuer, json!({"name": "a", "namespace": "b"}), "metadata.namespace"),
        (Kind::Secret, json!({"namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a_b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a..b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a".repeat(254), "namespace": "b"}), "metadata.name"),
        (Kind::Service, json!({"name": "a.b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"generateName": "A-", "namespace": "b"}), "metadata.generateName"),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "labels": {"a/b/c": ""}}),
            "metadata.labels[a/b/c]",
        ),
        (Kind::Secret, json!({"name": "a", "namespace": "b", "labels": {"a": "-"}}), "metadata.labels[a]"),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "annotations": {"/a": ""}}),
            "metadata.annotations[/a]",
        ),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "annotations": {"a": "x".repeat(300_000)}}),
            "metadata.annotations",
        ),
    ] {
        let found = validate(&object(kind, json!({ "metadata": metadata })));
        let paths: Vec<&str> = found.iter().map(|error| error.path.as_str()).collect();
        assert!(paths.contains(&path), "{path}: {found:?}");
    }
    let fine =
        json!({"generateName": "a-", "namespace": "b", "labels": {"app.kubernetes.io/x_Y.z": "A.b_c"}});
    assert_eq!(validate(&object(Kind::Secret, json!({ "metadata": fine }))), []);
}

#[test]
fn what_was_decided_stays() {
    let texts = |old: Object, new: Object| -> Vec<String> {
        validate_update(&old, &new).iter().map(ToString::to_string).collect()
    };
    let request = CertificateRequest::default();
    let mut other = request.clone();
    other.spec.is_ca = true;
    other.metadata.annotations.insert("cert-manager.io/certificate-revision".into(), "3".into());
    other.metadata.annotations.insert("example.com/note".into(), "free".into());
    assert_eq!(
        texts(request.into(), other.into()),
        [
            "metadata.annotations.cert-manager.io/certificate-revision: Forbidden: cannot change cert-manager \
             annotation after creation",
            "spec: Forbidden: cannot change spec after creation",
        ]
    );

    let mut order = Order::default();
    let mut other = order.clone();
    other.status.url = "https://ca/order/1".into();
    assert_eq!(texts(order.clone().into(), other.clone().into()), [""; 0]);
    order.status.url = "https://ca/order/2".into();
    assert_eq!(texts(order.into(), other.into()), ["status.url: Forbidden: field is immutable once set"]);

    let challenge = Challenge::default();
    let mut other = challenge.clone();
    other.status.processing = true;
    assert_eq!(texts(challenge.clone().into(), other.clone().into()), [""; 0]);
    other.spec.token = "t".into();
    assert_eq!(
        texts(challenge.into(), other.into()),
        ["spec: Forbidden: challenge spec is immutable after creation"]
    );

    let secret = Secret { type_: "Opaque".into(), ..Secret::default() };
    let other = Secret { type_: "kubernetes.io/tls".into(), ..Secret::default() };
    assert_eq!(
        texts(secret.into(), other.into()),
        [r#"type: Invalid value: "kubernetes.io/tls": field is immutable"#]
    );
    assert_eq!(texts(Certificate::default().into(), Certificate::default().into()), [""; 0]);
}
