//! Vault issuers: whether one is ready. The client is the one that signs, too.

mod client;
mod credentials;

use super::{AnyIssuer, FoundIssuer, IssuerOptions, Setup};
use crate::api::{ConditionStatus, VaultAuth, VaultIssuer};
use crate::compat::VaultRules;
use crate::conditions;
use crate::controller::Context;
use crate::log::catalogue as msg;

pub(crate) use client::{VaultClient, VaultError};

const REASON: &str = "VaultError";

/// What a Vault issuer lacks before anybody is asked, in the release's words.
fn incomplete(vault: &VaultIssuer, rules: &VaultRules) -> Option<&'static str> {
    let auth = &vault.auth;
    if vault.server.is_empty() || vault.path.is_empty() {
        return Some("Vault server and path are required fields");
    }
    match ways(auth, rules) {
        0 => return Some(rules.auth_required),
        1 => {}
        _ => return Some("Multiple auth methods cannot be set on the same Vault issuer"),
    }
    if auth.token_secret_ref.as_ref().is_some_and(|token| token.name.is_empty()) {
        return Some("Vault Token auth requires tokenSecretRef.name");
    }
    if let Some(role) = &auth.app_role {
        if role.role_id.is_empty() || role.secret_ref.name.is_empty() {
            return Some("Vault AppRole auth requires both roleId and tokenSecretRef.name");
        }
        if rules.newer_auth && role.secret_ref.key.is_empty() {
            return Some("Vault AppRole auth requires secretRef.key");
        }
    }
    let kubernetes = auth.kubernetes.as_ref()?;
    let (by_secret, by_account) =
        (!kubernetes.secret_ref.name.is_empty(), kubernetes.service_account_ref.is_some());
    if !rules.newer_auth {
        let complete = by_secret && !kubernetes.role.is_empty();
        return (!complete).then_some("Vault Kubernetes auth requires both role and secretRef.name");
    }
    match (kubernetes.role.is_empty(), by_secret, by_account) {
        (true, ..) => Some("Vault Kubernetes auth requires a role to be set"),
        (_, false, false) => {
            Some("Vault Kubernetes auth requires either secretRef.name or serviceAccountRef.name to be set")
        }
        (_, true, true) => {
            Some("Vault Kubernetes auth cannot be used with both secretRef.name and serviceAccountRef.name")
        }
        _ => None,
    }
}

/// How many ways to log in are set, of those that the release knows.
fn ways(auth: &VaultAuth, rules: &VaultRules) -> usize {
    let set = [
        auth.token_secret_ref.is_some(),
        auth.app_role.is_some(),
        auth.kubernetes.is_some(),
        auth.client_certificate.is_some() && rules.newer_auth,
    ];
    set.into_iter().filter(|is_set| *is_set).count()
}

pub(super) async fn set_up<R: AnyIssuer>(
    context: &Context,
    options: &IssuerOptions,
    issuer: &R,
    vault: &VaultIssuer,
) -> Setup {
    let rules = &context.compat.other_issuers.vault;
    let failed = |text: String| {
        context.log.plain(&msg::VAULT_NOT_SET_UP, format!("{}: {text}", issuer.meta().name));
        Setup::not_ready(REASON, text)
    };
    if let Some(text) = incomplete(vault, rules) {
        return failed(text.to_owned());
    }
    let found = FoundIssuer::of(issuer);
    let client = match VaultClient::log_in(context, options, &found, vault).await {
        Ok(client) => client,
        Err(error) => return failed(format!("Failed to initialize Vault client: {error}")).retried(error),
    };
    if let Err(error) = client.health().await {
        let general = "Vault is not initialized or is sealed";
        let text = match rules.unhealthy {
            None => general.to_owned(),
            Some(prefix) => format!("{prefix}{error}"),
        };
        let why = if rules.unhealthy.is_none() { general.to_owned() } else { error };
        return failed(text).retried(why);
    }
    let condition = conditions::new("Ready", ConditionStatus::True, "VaultVerified", "Vault verified");
    Setup { condition, account: None, retry: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{SecretKeySelector, ServiceAccountRef, VaultAppRole, VaultKubernetesAuth};
    use crate::compat::{V1_7, V1_21};

    fn issuer(change: impl FnOnce(&mut VaultAuth)) -> VaultIssuer {
        let mut vault = VaultIssuer {
            server: "https://vault.test".to_owned(),
            path: "pki/sign/x".to_owned(),
            ..VaultIssuer::default()
        };
        change(&mut vault.auth);
        vault
    }

    fn says(vault: &VaultIssuer) -> (Option<&'static str>, Option<&'static str>) {
        let rules = |compat: &crate::compat::Compat| compat.other_issuers.vault;
        (incomplete(vault, &rules(&V1_7)), incomplete(vault, &rules(&V1_21)))
    }

    fn named(name: &str) -> SecretKeySelector {
        SecretKeySelector { name: name.to_owned(), key: String::new() }
    }

    #[test]
    fn what_a_vault_issuer_lacks_is_said_in_the_releases_words() {
        let both = |text| (Some(text), Some(text));
        assert_eq!(says(&VaultIssuer::default()), both("Vault server and path are required fields"));
        let (old, new) = says(&issuer(|_| {}));
        assert_eq!(old, Some("Vault tokenSecretRef, appRole, or kubernetes is required"));
        assert_eq!(
            new,
            Some("Vault tokenSecretRef, appRole, clientCertificate, kubernetes, or aws is required")
        );
        let two = issuer(|a| {
            a.token_secret_ref = Some(named("t"));
            a.app_role = Some(VaultAppRole::default());
        });
        assert_eq!(says(&two), both("Multiple auth methods cannot be set on the same Vault issuer"));
        let token = issuer(|a| a.token_secret_ref = Some(named("")));
        assert_eq!(says(&token), both("Vault Token auth requires tokenSecretRef.name"));
        let role = issuer(|a| a.app_role = Some(VaultAppRole::default()));
        assert_eq!(says(&role), both("Vault AppRole auth requires both roleId and tokenSecretRef.name"));
        let mut app = VaultAppRole { role_id: "r".to_owned(), ..VaultAppRole::default() };
        app.secret_ref = named("s");
        let keyless = issuer(|a| a.app_role = Some(app));
        assert_eq!(says(&keyless), (None, Some("Vault AppRole auth requires secretRef.key")));
        assert_eq!(says(&issuer(|a| a.token_secret_ref = Some(named("t")))), (None, None));
    }

    #[test]
    fn kubernetes_auth_wants_a_role_and_one_source_of_the_token() {
        let of = |role: &str, secret: &str, account: bool| {
            let account = account.then(ServiceAccountRef::default);
            let auth = VaultKubernetesAuth {
                role: role.to_owned(),
                secret_ref: named(secret),
                service_account_ref: account,
                ..VaultKubernetesAuth::default()
            };
            says(&issuer(|a| a.kubernetes = Some(auth)))
        };
        let old = Some("Vault Kubernetes auth requires both role and secretRef.name");
        assert_eq!(of("", "s", false), (old, Some("Vault Kubernetes auth requires a role to be set")));
        let either =
            "Vault Kubernetes auth requires either secretRef.name or serviceAccountRef.name to be set";
        assert_eq!(of("r", "", false), (old, Some(either)));
        assert_eq!(of("r", "", true), (old, None));
        assert_eq!(of("r", "s", false), (None, None));
        let single =
            "Vault Kubernetes auth cannot be used with both secretRef.name and serviceAccountRef.name";
        assert_eq!(of("r", "s", true).1, Some(single));
    }
}
