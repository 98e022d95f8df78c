//! Issuer and ClusterIssuer, and the solvers that Challenges copy from them.

use super::super::{
    AcmeChallengeSolver, AcmeChallengeSolverDns01, AcmeChallengeSolverHttp01, AcmeChallengeSolverTlsAlpn01,
    AcmeIssuer, CaIssuer, Dns01AzureDns, Dns01Cloudflare, Dns01Rfc2136, IssuerSpec, SecretKeySelector,
    ServiceType, VaultAuth, VaultIssuer, VenafiIssuer,
};
use super::Rules;
use super::field::{Errors, Path};
use super::meta::subdomain_error;
use crate::pki;

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
    if selector.key.is_empty() {
        errors.required(path.child("key"), "secret key is required");
    }
}

/// Checks the configuration of an issuer.
pub(super) fn issuer(spec: &IssuerSpec, rules: &Rules, path: &Path, errors: &mut Errors) {
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
        acme(config, rules, &path.child("acme"), errors);
    }
    if let Some(config) = &spec.ca {
        ca(config, &path.child("ca"), errors);
    }
    if let Some(config) = &spec.vault {
        vault(config, rules, &path.child("vault"), errors);
    }
    if let Some(config) = &spec.venafi {
        venafi(config, rules, &path.child("venafi"), errors);
    }
}

fn acme(config: &AcmeIssuer, rules: &Rules, path: &Path, errors: &mut Errors) {
    if !config.ca_bundle.is_empty() {
        if config.skip_tls_verify {
            let detail = "caBundle and skipTLSVerify are mutually exclusive and cannot both be set";
            errors.invalid(path.child("caBundle"), "", detail);
            errors.invalid_value(path.child("skipTLSVerify"), true, detail);
        }
        if pki::leaf_alone(config.ca_bundle.as_slice()).is_err() {
            errors.invalid(path.child("caBundle"), "", rules.no_ca_certificates);
        }
    }
    if config.private_key_secret_ref.name.is_empty() {
        let path = path.child("privateKeySecretRef").child("name");
        errors.required(path, "private key secret name is a required field");
    }
    if config.server.is_empty() {
        errors.required(path.child("server"), "acme server URL is a required field");
    }
    errors.limit(&config.preferred_chain, 64, path.child("preferredChain"));
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
        solver(config, rules, &path.child("solvers").index(index), errors);
    }
}

/// Checks one solver.
pub(super) fn solver(config: &AcmeChallengeSolver, rules: &Rules, path: &Path, errors: &mut Errors) {
    let present = [config.http01.is_some(), config.dns01.is_some(), config.tls_alpn01.is_some()];
    match present.iter().filter(|present| **present).count() {
        0 => errors.required(path.clone(), "no solver type configured"),
        1 => {}
        _ => errors.forbidden(path.clone(), "may not specify more than one solver type in a single solver"),
    }
    if let Some(config) = &config.http01 {
        http01(config, rules, &path.child("http01"), errors);
    }
    if let Some(config) = &config.dns01 {
        dns01(config, rules, &path.child("dns01"), errors);
    }
    if let Some(config) = &config.tls_alpn01 {
        tls_alpn01(config, &path.child("tlsALPN01"), errors);
    }
}

fn http01(config: &AcmeChallengeSolverHttp01, rules: &Rules, path: &Path, errors: &mut Errors) {
    if let Some(ingress) = &config.ingress {
        let path = path.child("ingress");
        let given = [ingress.class.is_some(), !ingress.name.is_empty(), ingress.ingress_class_name.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            errors.forbidden(path.clone(), rules.one_ingress);
        }
        if let Some(class) = &ingress.ingress_class_name
            && let Some(detail) = subdomain_error(class)
        {
            let detail = format!("must be a valid IngressClass name: {detail}");
            errors.invalid(path.child("ingressClassName"), class, &detail);
        }
        service_type(ingress.service_type, &path, errors);
    }
    if let Some(route) = &config.gateway_http_route {
        let path = path.child("gateway");
        if rules.gateway_needs_labels && route.labels.is_empty() {
            errors.required(path.child("labels"), "labels must be set");
        }
        if rules.gateway_needs_parent && route.parent_refs.is_empty() {
            errors.required(path.child("parentRefs"), "at least 1 parentRef is required");
        }
        service_type(route.service_type, &path, errors);
    }
    match (&config.ingress, &config.gateway_http_route) {
        (None, None) => errors.required(path.clone(), "no HTTP01 solver type configured"),
        (Some(_), Some(_)) => errors.required(path.clone(), "only 1 HTTP01 solver type may be configured"),
        _ => {}
    }
}

fn tls_alpn01(config: &AcmeChallengeSolverTlsAlpn01, path: &Path, errors: &mut Errors) {
    let path = path.child("ingress");
    let Some(ingress) = &config.ingress else {
        errors.required(path, "no TLS-ALPN-01 solver type configured");
        return;
    };
    if ingress.class.is_some() && ingress.ingress_class_name.is_some() {
        errors.forbidden(path.clone(), "only one of 'ingressClassName' or 'class' should be specified");
    }
    service_type(ingress.service_type, &path, errors);
}

fn service_type(service_type: Option<ServiceType>, path: &Path, errors: &mut Errors) {
    if let Some(other) = service_type
        && !matches!(other, ServiceType::ClusterIp | ServiceType::NodePort)
    {
        let detail = "must be empty, \"ClusterIP\" or \"NodePort\"";
        errors.invalid(path.child("serviceType"), other.as_str(), detail);
    }
}

fn dns01(config: &AcmeChallengeSolverDns01, rules: &Rules, path: &Path, errors: &mut Errors) {
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
        secret_key(&provider.access_token_secret_ref, &path.child("accessToken"), errors);
        secret_key(&provider.client_secret_secret_ref, &path.child("clientSecret"), errors);
        secret_key(&provider.client_token_secret_ref, &path.child("clientToken"), errors);
        errors.require(&provider.service_consumer_domain, path.child("serviceConsumerDomain"));
    }
    if let Some(provider) = &config.azure_dns {
        azure_dns(provider, rules, &path.child("azureDNS"), errors);
    }
    if let Some(provider) = &config.cloud_dns {
        let path = path.child("cloudDNS");
        if let Some(key) = &provider.service_account_secret_ref {
            secret_key(key, &path.child("serviceAccountSecretRef"), errors);
        }
        errors.require(&provider.project, path.child("project"));
    }
    if let Some(provider) = &config.cloudflare {
        cloudflare(provider, &path.child("cloudflare"), errors);
    }
    if let Some(provider) = &config.route53 {
        let path = path.child("route53");
        if rules.route53_needs_region {
            errors.require(&provider.region, path.child("region"));
        }
        if let Some(key) = &provider.access_key_id_secret_ref {
            if !provider.access_key_id.is_empty() {
                let detail = "accessKeyID and accessKeyIDSecretRef cannot both be specified";
                errors.required(path.clone(), detail);
            }
            secret_key(key, &path.child("accessKeyIDSecretRef"), errors);
        }
    }
    if let Some(provider) = &config.digitalocean {
        secret_key(&provider.token_secret_ref, &path.child("digitalocean").child("tokenSecretRef"), errors);
    }
    if let Some(provider) = &config.acme_dns {
        let path = path.child("acmeDNS");
        secret_key(&provider.account_secret_ref, &path.child("accountSecretRef"), errors);
        errors.require(&provider.host, path.child("host"));
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

/// A service principal has three parts; a managed identity has one way to name it, and excludes the principal.
fn azure_dns(provider: &Dns01AzureDns, rules: &Rules, path: &Path, errors: &mut Errors) {
    let identity = provider.managed_identity.as_ref();
    let principal = !provider.client_id.is_empty()
        || !provider.tenant_id.is_empty()
        || provider.client_secret_secret_ref.is_some();
    if principal {
        errors.require(&provider.client_id, path.child("clientID"));
        match &provider.client_secret_secret_ref {
            None => errors.required(path.child("clientSecretSecretRef"), ""),
            Some(key) => secret_key(key, &path.child("clientSecretSecretRef"), errors),
        }
        errors.require(&provider.tenant_id, path.child("tenantID"));
        if identity.is_some() {
            errors.forbidden(path.child("managedIdentity"), rules.identity_or_principal);
        }
    } else if let Some(identity) = identity {
        let path = path.child("managedIdentity");
        let (client, tenant) = (!identity.client_id.is_empty(), !identity.tenant_id.is_empty());
        let resource = !identity.resource_id.is_empty();
        if client && resource {
            let detail = "managedIdentityClientID and managedIdentityResourceID cannot both be specified";
            errors.forbidden(path.clone(), detail);
        }
        if tenant && resource {
            let detail = "managedIdentityTenantID and managedIdentityResourceID cannot both be specified";
            errors.forbidden(path.clone(), detail);
        }
        if tenant && !client {
            let detail = "managedIdentityClientID is required when using managedIdentityTenantID";
            errors.required(path, detail);
        }
    }
    errors.require(&provider.subscription_id, path.child("subscriptionID"));
    errors.require(&provider.resource_group_name, path.child("resourceGroupName"));
}

fn cloudflare(provider: &Dns01Cloudflare, path: &Path, errors: &mut Errors) {
    let (key, token) = (&provider.api_key_secret_ref, &provider.api_token_secret_ref);
    if let Some(key) = key {
        secret_key(key, &path.child("apiKeySecretRef"), errors);
    }
    if let Some(token) = token {
        secret_key(token, &path.child("apiTokenSecretRef"), errors);
    }
    match (key, token) {
        (None, None) => errors.required(path.clone(), "apiKeySecretRef or apiTokenSecretRef is required"),
        (Some(_), Some(_)) => {
            errors.forbidden(path.clone(), "apiKeySecretRef and apiTokenSecretRef cannot both be specified");
        }
        _ => {}
    }
    if key.is_some() {
        errors.require(&provider.email, path.child("email"));
    }
}

fn rfc2136(provider: &Dns01Rfc2136, path: &Path, errors: &mut Errors) {
    if provider.nameserver.is_empty() {
        errors.required(path.child("nameserver"), "");
    } else if !is_host_port(&provider.nameserver) {
        let detail = "nameserver must be set in the form host:port where host is an IPv4 address, an enclosed \
            IPv6 address or a hostname and port is an optional port number.";
        errors.invalid(path.child("nameserver"), &provider.nameserver, detail);
    }
    const ALGORITHMS: &[&str] = &["HMACMD5", "HMACSHA1", "HMACSHA256", "HMACSHA512"];
    let algorithm = provider.tsig_algorithm.as_str();
    if !algorithm.is_empty() && !ALGORITHMS.contains(&algorithm.to_uppercase().as_str()) {
        // The webhook leaves the value out.
        errors.unsupported(path.child("tsigAlgorithm"), "\"\"", ALGORITHMS);
    }
    let secret = &provider.tsig_secret_secret_ref;
    if !provider.tsig_key_name.is_empty() {
        secret_key(secret, &path.child("tsigSecretSecretRef"), errors);
    } else if !secret.name.is_empty() && !secret.key.is_empty() {
        errors.required(path.child("tsigKeyName"), "");
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

fn vault(config: &VaultIssuer, rules: &Rules, path: &Path, errors: &mut Errors) {
    errors.require(&config.server, path.child("server"));
    errors.require(&config.path, path.child("path"));
    no_dot_dot(&config.path, path.child("path"), errors);
    if !config.ca_bundle.is_empty() {
        if pki::leaf_alone(config.ca_bundle.as_slice()).is_err() {
            errors.invalid(path.child("caBundle"), "<snip>", rules.no_ca_certificates);
        }
        if let Some(reference) = &config.ca_bundle_secret_ref {
            let detail = "specified caBundle and caBundleSecretRef cannot be used together";
            errors.invalid(path.child("caBundle"), "<snip>", detail);
            let detail = "specified caBundleSecretRef and caBundle cannot be used together";
            errors.invalid(path.child("caBundleSecretRef"), &reference.name, detail);
        }
    }
    match (&config.client_cert_secret_ref, &config.client_key_secret_ref) {
        (Some(_), None) => {
            let detail = "clientKeySecretRef must be provided when defining the clientCertSecretRef";
            errors.invalid(path.child("clientKeySecretRef"), "<snip>", detail);
        }
        (None, Some(_)) => {
            let detail = "clientCertSecretRef must be provided when defining the clientKeySecretRef";
            errors.invalid(path.child("clientCertSecretRef"), "<snip>", detail);
        }
        _ => {}
    }
    if let Some(ways) = rules.vault_ways {
        vault_auth(&config.auth, ways, &path.child("auth"), errors);
    }
}

/// Checks the login. Of several ways the first one counts; that is no error.
fn vault_auth(auth: &VaultAuth, ways: &str, path: &Path, errors: &mut Errors) {
    if let Some(role) = &auth.app_role {
        let path = path.child("appRole");
        errors.require(&role.role_id, path.child("roleId"));
        errors.require(&role.secret_ref.name, path.child("secretRef").child("name"));
        no_dot_dot(&role.path, path.child("path"), errors);
    }
    if let Some(certificate) = &auth.client_certificate {
        no_dot_dot(&certificate.mount_path, path.child("clientCertificate").child("path"), errors);
    }
    if let Some(kubernetes) = &auth.kubernetes {
        let path = path.child("kubernetes");
        errors.require(&kubernetes.role, path.child("role"));
        no_dot_dot(&kubernetes.mount_path, path.child("path"), errors);
        let account = kubernetes.service_account_ref.as_ref();
        if let Some(account) = account {
            errors.require(&account.name, path.child("serviceAccountRef").child("name"));
        }
        let detail = "please supply one of: secretRef, serviceAccountRef";
        match (!kubernetes.secret_ref.name.is_empty(), account.is_some()) {
            (false, false) => errors.required(path, detail),
            (true, true) => errors.forbidden(path, detail),
            _ => {}
        }
    }
    let none = auth.token_secret_ref.is_none()
        && auth.app_role.is_none()
        && auth.client_certificate.is_none()
        && auth.kubernetes.is_none();
    if none {
        errors.required(path.clone(), ways);
    }
}

/// A path must not climb.
fn no_dot_dot(text: &str, path: Path, errors: &mut Errors) {
    if text.split('/').any(|segment| segment == "..") {
        errors.invalid(path, text, "must not contain '..' path segments");
    }
}

fn venafi(config: &VenafiIssuer, rules: &Rules, path: &Path, errors: &mut Errors) {
    errors.require(&config.zone, path.child("zone"));
    if let Some(tpp) = &config.tpp {
        let path = path.child("tpp");
        errors.require(&tpp.url, path.child("url"));
        if !tpp.ca_bundle.is_empty() && tpp.ca_bundle_secret_ref.is_some() {
            let detail = "may not specify more than one of caBundle/caBundleSecretRef as TPP CA Bundle";
            errors.forbidden(path, detail);
        }
    }
    match (&config.tpp, &config.cloud) {
        (None, None) => errors.required(path.clone(), rules.venafi_ways),
        (Some(_), Some(_)) => errors.forbidden(path.clone(), rules.venafi_ways),
        _ => {}
    }
}

fn ca(config: &CaIssuer, path: &Path, errors: &mut Errors) {
    errors.require(&config.secret_name, path.child("secretName"));
    let urls = [
        ("ocspServer", &config.ocsp_servers, "must be a valid URL, e.g., http://ocsp.int-x3.letsencrypt.org"),
        ("issuingCertificateURLs", &config.issuing_certificate_urls, "must be a valid URL"),
    ];
    for (field, urls, detail) in urls {
        for (index, url) in urls.iter().enumerate().filter(|(_, url)| url.is_empty()) {
            errors.invalid(path.child(field).index(index), url, detail);
        }
    }
}
