//! The Secrets that an ACME issuer needs: its account key, its external account's key, and those of its DNS-01
//! solvers.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::acme::ExternalAccount;
use crate::api::{
    AcmeChallengeSolverDns01, AcmeExternalAccountBinding, AcmeIssuer, HmacKeyAlgorithm, ObjectKey, Secret,
    SecretKeySelector,
};
use crate::informer::Lister;

/// The Secrets of the issuer by name; a change of one of them makes the issuer be set up again. Those of solvers are
/// among them when the release checks them.
pub(crate) fn named(acme: &AcmeIssuer, solvers: bool) -> Vec<&str> {
    let mut names = vec![acme.private_key_secret_ref.name.as_str()];
    names.extend(acme.external_account_binding.iter().map(|e| e.key_secret_ref.name.as_str()));
    if solvers {
        names.extend(of_solvers(acme).iter().map(|s| s.name.as_str()));
    }
    names
}

/// What the issuer's DNS-01 solvers need.
fn of_solvers(acme: &AcmeIssuer) -> Vec<&SecretKeySelector> {
    acme.solvers.iter().filter_map(|s| s.dns01.as_ref()).flat_map(of_provider).collect()
}

fn of_provider(dns01: &AcmeChallengeSolverDns01) -> Vec<&SecretKeySelector> {
    let named = |s: &SecretKeySelector| !s.name.is_empty();
    let mut secrets = Vec::new();
    if let Some(p) = &dns01.akamai {
        secrets.extend([&p.access_token_secret_ref, &p.client_secret_secret_ref, &p.client_token_secret_ref]);
    }
    secrets.extend(dns01.azure_dns.iter().filter_map(|p| p.client_secret_secret_ref.as_ref()));
    secrets.extend(dns01.cloud_dns.iter().filter_map(|p| p.service_account_secret_ref.as_ref()));
    if let Some(p) = &dns01.cloudflare {
        secrets.extend(p.api_key_secret_ref.iter().chain(&p.api_token_secret_ref));
    }
    if let Some(p) = &dns01.route53 {
        secrets.extend(Some(&p.secret_access_key_secret_ref).filter(|s| named(s)));
        secrets.extend(&p.access_key_id_secret_ref);
    }
    secrets.extend(dns01.acme_dns.iter().map(|p| &p.account_secret_ref));
    secrets.extend(dns01.digitalocean.iter().map(|p| &p.token_secret_ref));
    secrets.extend(dns01.rfc2136.iter().map(|p| &p.tsig_secret_secret_ref).filter(|s| named(s)));
    secrets
}

/// What is missing of the solvers' Secrets, in the release's words.
pub(super) fn missing(secrets: &Lister<Secret>, acme: &AcmeIssuer, namespace: &str) -> Vec<String> {
    let get = |name: &str| secrets.get(&ObjectKey::new(namespace, name));
    of_solvers(acme).into_iter().filter_map(|wanted| lacks(wanted, get(&wanted.name))).collect()
}

fn lacks(wanted: &SecretKeySelector, found: Option<Arc<Secret>>) -> Option<String> {
    let SecretKeySelector { name, key, .. } = wanted;
    match found {
        None => Some(format!("failed to get secret {name:?}: {}", not_found(name))),
        Some(secret) if !key.is_empty() && !secret.data.contains_key(key) => {
            Some(format!("the secret {name:?} does not have key {key:?}"))
        }
        Some(_) => None,
    }
}

/// What the API server says of a Secret that is not there.
fn not_found(name: &str) -> String {
    format!("secrets {name:?} not found")
}

/// The external account of an issuer, its key from its Secret (base64url, without padding). The algorithm that the
/// issuer names counts only if the release looks at it.
pub(super) fn external_account(
    secrets: &Lister<Secret>,
    binding: &AcmeExternalAccountBinding,
    namespace: &str,
    with_algorithm: bool,
) -> Result<ExternalAccount, String> {
    let SecretKeySelector { name, key, .. } = &binding.key_secret_ref;
    let secret = secrets.get(&ObjectKey::new(namespace, name.as_str())).ok_or_else(|| not_found(name))?;
    let missing =
        || format!("failed to find external account binding key data in Secret {name:?} at index {key:?}");
    let encoded = secret.data.get(key).ok_or_else(missing)?;
    let mac_key = URL_SAFE_NO_PAD
        .decode(encoded.as_slice())
        .map_err(|e| format!("failed to decode external account binding key data: {e}"))?;
    let algorithm = binding.key_algorithm.filter(|_| with_algorithm).unwrap_or(HmacKeyAlgorithm::Hs256);
    Ok(ExternalAccount { key_id: binding.key_id.clone(), mac_key, algorithm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AcmeChallengeSolver, Dns01Cloudflare, Dns01Rfc2136, Dns01Route53};

    fn selector(name: &str, key: &str) -> SecretKeySelector {
        SecretKeySelector { name: name.into(), key: key.into() }
    }

    #[test]
    fn the_secrets_of_an_issuer_are_its_keys_and_its_solvers() {
        let provider = AcmeChallengeSolverDns01 {
            cloudflare: Some(Dns01Cloudflare {
                api_token_secret_ref: Some(selector("cf", "token")),
                ..Dns01Cloudflare::default()
            }),
            route53: Some(Dns01Route53::default()),
            rfc2136: Some(Dns01Rfc2136 {
                tsig_secret_secret_ref: selector("tsig", "key"),
                ..Dns01Rfc2136::default()
            }),
            ..AcmeChallengeSolverDns01::default()
        };
        let acme = AcmeIssuer {
            private_key_secret_ref: selector("account", ""),
            external_account_binding: Some(AcmeExternalAccountBinding {
                key_secret_ref: selector("eab", "key"),
                ..AcmeExternalAccountBinding::default()
            }),
            solvers: vec![AcmeChallengeSolver { dns01: Some(provider), ..AcmeChallengeSolver::default() }],
            ..AcmeIssuer::default()
        };
        assert_eq!(named(&acme, false), ["account", "eab"]);
        assert_eq!(named(&acme, true), ["account", "eab", "cf", "tsig"]);
    }

    #[test]
    fn a_missing_secret_and_a_missing_entry_are_told_in_the_releases_words() {
        let mut secret = Secret::default();
        secret.data.insert("token".into(), "x".into());
        let found = Some(Arc::new(secret));
        assert_eq!(lacks(&selector("cf", "token"), found.clone()), None);
        assert_eq!(lacks(&selector("cf", ""), found.clone()), None);
        assert_eq!(
            lacks(&selector("cf", "key"), found).unwrap(),
            r#"the secret "cf" does not have key "key""#
        );
        assert_eq!(
            lacks(&selector("cf", "token"), None).unwrap(),
            r#"failed to get secret "cf": secrets "cf" not found"#
        );
    }
}
