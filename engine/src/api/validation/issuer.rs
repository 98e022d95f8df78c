//! Issuer and ClusterIssuer, and the solvers that Challenges copy from them.

use super::super::{
    AcmeChallengeSolver, AcmeChallengeSolverDns01, AcmeChallengeSolverHttp01, AcmeIssuer, Dns01Cloudflare,
    Dns01Rfc2136, IssuerSpec, SecretKeySelector, ServiceType, VaultIssuer, VenafiIssuer,
};
use super::field::{Errors, Path};

/// Checks that exactly one of several alternatives is present: the first one found counts.
fn one_of(present: &[(&str, bool)], path: &Path, none: &str, several: &str, errors: &mut Errors) {
    let mut found = present.iter().filter(|(_, present)| *present);
    if found.next().is_none() {
        errors.required(path.clone(), none);
    }
    for (name, _) in found {
        errors.forbidden(path.child(name), several);
    }
}

fn secret_key(selector: &SecretKeySelector, path: &Path, errors: &mut Errors) {
    if selector.name.is_empty() {
        errors.required(path.child("name"), "secret name is required");
    }
}

/// Checks the configuration of an issuer.
pub(super) fn issuer(spec: &IssuerSpec, path: &Path, errors: &mut Errors) {
    let present = [
        ("acme", spec.acme.is_some()),
        ("ca", spec.ca.is_some()),
        ("selfSigned", spec.self_signed.is_some()),
        ("vault", spec.vault.is_some()),
        ("venafi", spec.venafi.is_some()),
    ];
    let several = "may not specify more than one issuer type";
    one_of(&present, path, "at least one issuer must be configured", several, errors);
    if let Some(config) = &spec.acme {
        acme(config, &path.child("acme"), errors);
    }
    if let Some(config) = &spec.ca {
        errors.require(&config.secret_name, path.child("ca").child("secretName"));
    }
    if let Some(config) = &spec.vault {
        vault(config, &path.child("vault"), errors);
    }
    if let Some(config) = &spec.venafi {
        venafi(config, &path.child("venafi"), errors);
    }
}

fn acme(config: &AcmeIssuer, path: &Path, errors: &mut Errors) {
    if config.server.is_empty() {
        errors.required(path.child("server"), "acme server URL is a required field");
    }
    if config.private_key_secret_ref.name.is_empty() {
        let path = path.child("privateKeySecretRef").child("name");
        errors.required(path, "private key secret name is a required field");
    }
    errors.limit(&config.preferred_chain, 64, path.child("preferredChain"));
    if !config.ca_bundle.is_empty() && config.skip_tls_verify {
        let detail = "caBundle and skipTLSVerify are mutually exclusive and cannot both be set";
        errors.forbidden(path.child("skipTLSVerify"), detail);
    }
    if let Some(binding) = &config.external_account_binding {
        let path = path.child("externalAccountBinding");
        if binding.key_id.is_empty() {
            errors.required(
                path.child("keyID"),
                "the keyID field is required when using externalAccountBinding",
            );
        }
        secret_key(&binding.key_secret_ref, &path.child("keySecretRef"), errors);
    }
    for (index, config) in config.solvers.iter().enumerate() {
        solver(config, &path.child("solvers").index(index), errors);
    }
}

/// Checks one solver.
pub(super) fn solver(config: &AcmeChallengeSolver, path: &Path, errors: &mut Errors) {
    let present = [("http01", config.http01.is_some()), ("dns01", config.dns01.is_some())];
    let several = "may not specify more than one solver type";
    one_of(&present, path, "no solver type configured", several, errors);
    if let Some(config) = &config.http01 {
        http01(config, &path.child("http01"), errors);
    }
    if let Some(config) = &config.dns01 {
        dns01(config, &path.child("dns01"), errors);
    }
}

fn http01(config: &AcmeChallengeSolverHttp01, path: &Path, errors: &mut Errors) {
    let present =
        [("ingress", config.ingress.is_some()), ("gatewayHTTPRoute", config.gateway_http_route.is_some())];
    let several = "only 1 HTTP01 solver type may be configured";
    one_of(&present, path, "no HTTP01 solver type configured", several, errors);
    if let Some(ingress) = &config.ingress {
        let path = path.child("ingress");
        let given = [ingress.class.is_some(), !ingress.name.is_empty(), ingress.ingress_class_name.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            let detail = "only one of 'ingressClassName', 'name' or 'class' should be specified";
            errors.forbidden(path.clone(), detail);
        }
        service_type(ingress.service_type, &path, errors);
    }
    if let Some(route) = &config.gateway_http_route {
        let path = path.child("gatewayHTTPRoute");
        if route.labels.is_empty() && route.parent_refs.is_empty() {
            errors.required(path.child("parentRefs"), "parentRefs or labels must be specified");
        }
        service_type(route.service_type, &path, errors);
    }
}

fn service_type(service_type: Option<ServiceType>, path: &Path, errors: &mut Errors) {
    if let Some(other) = service_type
        && !matches!(other, ServiceType::ClusterIp | ServiceType::NodePort)
    {
        let detail = "optional field serviceType must be one of [\"\" \"ClusterIP\" \"NodePort\"]";
        errors.invalid(path.child("serviceType"), other.as_str(), detail);
    }
}

fn dns01(config: &AcmeChallengeSolverDns01, path: &Path, errors: &mut Errors) {
    let present = [
        ("akamai", config.akamai.is_some()),
        ("azureDNS", config.azure_dns.is_some()),
        ("cloudDNS", config.cloud_dns.is_some()),
        ("cloudflare", config.cloudflare.is_some()),
        ("route53", config.route53.is_some()),
        ("digitalocean", config.digitalocean.is_some()),
        ("acmeDNS", config.acme_dns.is_some()),
        ("rfc2136", config.rfc2136.is_some()),
        ("webhook", config.webhook.is_some()),
    ];
    one_of(
        &present,
        path,
        "no DNS01 provider configured",
        "may not specify more than one provider type",
        errors,
    );
    if let Some(provider) = &config.akamai {
        let path = path.child("akamai");
        errors.require(&provider.service_consumer_domain, path.child("serviceConsumerDomain"));
        secret_key(&provider.access_token_secret_ref, &path.child("accessTokenSecretRef"), errors);
        secret_key(&provider.client_secret_secret_ref, &path.child("clientSecretSecretRef"), errors);
        secret_key(&provider.client_token_secret_ref, &path.child("clientTokenSecretRef"), errors);
    }
    if let Some(provider) = &config.azure_dns {
        let path = path.child("azureDNS");
        errors.require(&provider.subscription_id, path.child("subscriptionID"));
        errors.require(&provider.resource_group_name, path.child("resourceGroupName"));
    }
    if let Some(provider) = &config.cloud_dns {
        errors.require(&provider.project, path.child("cloudDNS").child("project"));
    }
    if let Some(provider) = &config.cloudflare {
        cloudflare(provider, &path.child("cloudflare"), errors);
    }
    if let Some(provider) = &config.route53
        && !provider.access_key_id.is_empty()
        && provider.access_key_id_secret_ref.is_some()
    {
        let detail = "accessKeyID and accessKeyIDSecretRef cannot both be specified";
        errors.forbidden(path.child("route53").child("accessKeyIDSecretRef"), detail);
    }
    if let Some(provider) = &config.digitalocean {
        secret_key(&provider.token_secret_ref, &path.child("digitalocean").child("tokenSecretRef"), errors);
    }
    if let Some(provider) = &config.acme_dns {
        let path = path.child("acmeDNS");
        errors.require(&provider.host, path.child("host"));
        secret_key(&provider.account_secret_ref, &path.child("accountSecretRef"), errors);
    }
    if let Some(provider) = &config.rfc2136 {
        rfc2136(provider, &path.child("rfc2136"), errors);
    }
    if let Some(provider) = &config.webhook
        && provider.solver_name.is_empty()
    {
        errors.required(path.child("webhook").child("solverName"), "solver name must be specified");
    }
}

fn cloudflare(provider: &Dns01Cloudflare, path: &Path, errors: &mut Errors) {
    match (&provider.api_key_secret_ref, &provider.api_token_secret_ref) {
        (None, None) => errors.required(path.clone(), "apiKeySecretRef or apiTokenSecretRef is required"),
        (Some(_), Some(_)) => {
            errors.forbidden(path.clone(), "apiKeySecretRef and apiTokenSecretRef cannot both be specified");
        }
        (Some(key), None) => {
            secret_key(key, &path.child("apiKeySecretRef"), errors);
            errors.require(&provider.email, path.child("email"));
        }
        (None, Some(token)) => secret_key(token, &path.child("apiTokenSecretRef"), errors),
    }
}

fn rfc2136(provider: &Dns01Rfc2136, path: &Path, errors: &mut Errors) {
    if provider.nameserver.is_empty() {
        errors.required(path.child("nameserver"), "");
    } else if !is_host_port(&provider.nameserver) {
        let detail = "nameserver must be set in the form host:port where host is an IPv4 address, an enclosed \
            IPv6 address or a hostname and port is an optional port number";
        errors.invalid(path.child("nameserver"), &provider.nameserver, detail);
    }
    let (name, secret) =
        (!provider.tsig_key_name.is_empty(), !provider.tsig_secret_secret_ref.name.is_empty());
    if name && !secret {
        errors.required(path.child("tsigSecretSecretRef").child("name"), "required with tsigKeyName");
    }
    if secret && !name {
        errors.required(path.child("tsigKeyName"), "required with tsigSecretSecretRef");
    }
    const ALGORITHMS: &[&str] = &["HMACMD5", "HMACSHA1", "HMACSHA256", "HMACSHA512"];
    let algorithm = provider.tsig_algorithm.as_str();
    if !algorithm.is_empty() && !ALGORITHMS.contains(&algorithm.to_uppercase().as_str()) {
        errors.unsupported(path.child("tsigAlgorithm"), format_args!("{algorithm:?}"), ALGORITHMS);
    }
}

/// `host` or `host:port`, an IPv6 address in brackets.
fn is_host_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_fits = match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    !host.is_empty() && !host.contains(char::is_whitespace) && port_fits
}

fn vault(config: &VaultIssuer, path: &Path, errors: &mut Errors) {
    errors.require(&config.server, path.child("server"));
    errors.require(&config.path, path.child("path"));
    if !config.ca_bundle.is_empty() && config.ca_bundle_secret_ref.is_some() {
        let detail = "specified caBundle and caBundleSecretRef cannot be used together";
        errors.forbidden(path.child("caBundleSecretRef"), detail);
    }
    let auth = &config.auth;
    let present = [
        ("tokenSecretRef", auth.token_secret_ref.is_some()),
        ("appRole", auth.app_role.is_some()),
        ("clientCertificate", auth.client_certificate.is_some()),
        ("kubernetes", auth.kubernetes.is_some()),
    ];
    let none = "please supply one of: appRole, kubernetes, tokenSecretRef, clientCertificate";
    one_of(&present, &path.child("auth"), none, "may not specify more than one way to log in", errors);
}

fn venafi(config: &VenafiIssuer, path: &Path, errors: &mut Errors) {
    errors.require(&config.zone, path.child("zone"));
    let present = [("tpp", config.tpp.is_some()), ("cloud", config.cloud.is_some())];
    let none = "please supply one of: tpp, cloud";
    one_of(&present, path, none, "may not specify more than one of: tpp, cloud", errors);
    if let Some(tpp) = &config.tpp {
        let path = path.child("tpp");
        errors.require(&tpp.url, path.child("url"));
        errors.require(&tpp.credentials_ref.name, path.child("credentialsRef").child("name"));
    }
    if let Some(cloud) = &config.cloud {
        secret_key(&cloud.api_token_secret_ref, &path.child("cloud").child("apiTokenSecretRef"), errors);
    }
}
