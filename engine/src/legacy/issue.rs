//! From the right to a certificate to the Secret: key, CSR, signature, and the events that tell of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use world::PrivateKey;

use super::{Legacy, Need, common_name, dns_names, log, need, status};
use crate::acme::AcmeError;
use crate::api::{Certificate, ConditionStatus, ObjectMeta, Resource as _, Secret, State};
use crate::certificates::{TLS_CRT, TLS_KEY, data, target_key};
use crate::compat::OneController;
use crate::controller::{SyncError, SyncResult};
use crate::pki;
use crate::recorder::EventType;

/// The private key and the chain, PEM.
type Pair = (String, Vec<u8>);

impl Legacy {
    /// Prepares, issues, stores; `renew` chooses the words.
    pub(super) async fn issue(
        self: &Arc<Self>,
        certificate: &mut Certificate,
        account: &str,
        renew: bool,
    ) -> SyncResult {
        let key = certificate.key();
        let prepared = match self.which {
            OneController::V0_2 => {
                let text = "Preparing certificate with issuer";
                self.log.say(log::PREPARING, text.to_owned());
                self.context.recorder.normal(certificate, "PrepareCertificate", text);
                self.prepare_authorizations(certificate, account).await
            }
            OneController::V0_5 => {
                self.log.say(log::PREPARING, format!("Preparing certificate {key} with issuer"));
                self.prepare_order(certificate).await
            }
        };
        if let Err(error) = prepared {
            match self.which {
                OneController::V0_2 => {
                    let text = format!("Error preparing issuer for certificate: {error}");
                    self.log.say(log::PREPARE_FAILED, text.clone());
                    self.context.recorder.warning(certificate, "ErrorPrepareCertificate", &text);
                }
                OneController::V0_5 => {
                    let text = format!("Error preparing issuer for certificate {key}: {error}");
                    self.log.say(log::PREPARE_FAILED, text);
                }
            }
            return Err(error);
        }
        let (text, v0_5, v0_2) = if renew {
            ("Renewing certificate...", "RenewCert", "RenewCertificate")
        } else {
            ("Issuing certificate...", "IssueCert", "IssueCertificate")
        };
        self.log.say(log::ISSUING, text.to_owned());
        self.tell(certificate, EventType::Normal, v0_5, v0_2, text);
        let pair = match self.obtain(certificate).await {
            Ok(pair) => pair,
            Err(error) => {
                self.issue_failed(certificate, &error, renew);
                return Err(error);
            }
        };
        if let Err(error) = self.save(certificate, &pair).await {
            let text = format!("Error saving TLS certificate: {error}");
            self.log.say(log::SAVE_FAILED, text.clone());
            self.tell(certificate, EventType::Warning, "SaveCertError", "ErrorSaveCertificate", &text);
            return Err(error);
        }
        let word = if renew { "renewed" } else { "issued" };
        match self.which {
            // The spelling is the release's.
            OneController::V0_2 => {
                let text = format!("Certificated {word} successfully");
                self.log.say(log::ISSUED, text.clone());
                let reason = if renew { "CeritifcateRenewed" } else { "CeritifcateIssued" };
                self.context.recorder.normal(certificate, reason, &text);
            }
            OneController::V0_5 => {
                let reason = if renew { "CertRenewed" } else { "CertIssued" };
                let text = format!("Certificate {word} successfully");
                self.log.say(log::ISSUED, text.clone());
                self.context.recorder.normal(certificate, reason, &text);
                self.condition(certificate, "Ready", ConditionStatus::True, reason, text, true);
            }
        }
        Ok(())
    }

    fn issue_failed(&self, certificate: &mut Certificate, error: &SyncError, renew: bool) {
        match self.which {
            OneController::V0_2 => {
                let (what, reason) = if renew {
                    ("renewing", "ErrorRenewCertificate")
                } else {
                    ("issuing", "ErrorIssueCertificate")
                };
                self.not_ready(
                    certificate,
                    "ErrIssueCert",
                    format!("Error issuing TLS certificate: {error}"),
                    false,
                );
                let text = format!("Error {what} certificate: {error}");
                self.log.say(log::ISSUE_FAILED, text.clone());
                self.context.recorder.warning(certificate, reason, &text);
            }
            OneController::V0_5 => {
                let text = format!("Error issuing certificate for {}: {error}", certificate.key());
                self.log.say(log::ISSUE_FAILED, text);
            }
        }
    }

    /// Has the certificate signed: with the key that the Secret has, or a new one.
    async fn obtain(&self, certificate: &mut Certificate) -> Result<Pair, SyncError> {
        let client = self.client(certificate)?;
        let order = match self.which {
            OneController::V0_2 => self.order(certificate, &client).await?,
            OneController::V0_5 => {
                let url = status(certificate).order_url.clone();
                let fetched = client.get_order(&url).await;
                fetched.map_err(|e| SyncError::Other(format!("error getting order details: {e}")))?
            }
        };
        let (common_name, names) = (common_name(certificate), dns_names(certificate));
        let stored = self.secrets.get(&target_key(certificate));
        let stored = stored.and_then(|secret| PrivateKey::from_pem(data(&secret, TLS_KEY)).ok());
        if stored.is_none() && order.status == State::Valid {
            // An order is finalized once; its key is lost.
            status(certificate).order_url.clear();
            self.not_ready(
                certificate,
                "IssueError",
                "Creating new order due to lost TLS private key".into(),
                false,
            );
            return Err(SyncError::other(
                "marking certificate as failed to trigger a new order to be created due to lost private key",
            ));
        }
        let private = match stored {
            Some(key) => key,
            None => {
                let algorithm = pki::key_algorithm(&certificate.spec).map_err(SyncError::other)?;
                let made = self.context.world.keys(&format!("legacy {}", order.url)).generate(algorithm);
                made.map_err(|e| SyncError::Other(format!("error generating private key: {e}")))?
            }
        };
        let chain = if order.status == State::Valid {
            let fetched = client.fetch_certificate(&order.certificate).await;
            fetched.map_err(|e| SyncError::Other(format!("error retrieving certificate: {e}")))?
        } else {
            let mut named = certificate.clone();
            named.spec.common_name.clone_from(&common_name);
            named.spec.dns_names.clone_from(&names);
            let pem = pki::make_request(&named, &private, &self.context.compat.features)
                .map_err(SyncError::other)?;
            let csr = pki::request(pem.as_bytes()).map_err(SyncError::other)?;
            match client.finalize(&order.finalize, &csr.der).await {
                Ok((chain, _)) => chain,
                Err(error) => return Err(self.finalize_failed(certificate, &error)),
            }
        };
        let pem: String = chain.iter().map(|der| world::keys::pem_encode("CERTIFICATE", der)).collect();
        if self.which == OneController::V0_5 {
            self.check_obtained(certificate, &private, pem.as_bytes())?;
            let text = "Obtained certificate from ACME server";
            self.context.recorder.normal(certificate, "CertObtained", text);
        }
        if self.which == OneController::V0_2 {
            let text = "Certificate issued successfully".to_owned();
            self.condition(certificate, "Ready", ConditionStatus::True, "CertIssueSuccess", text, false);
        }
        let how = if self.which == OneController::V0_2 { "got" } else { "obtained" };
        let (alt, url) = (names.join(" "), &order.url);
        let text = format!("successfully {how} certificate: cn={common_name:?} altNames=[{alt}] url={url:?}");
        self.log.say(log::OBTAINED, text);
        Ok((pki::encode_key(&private, &certificate.spec), pem.into_bytes()))
    }

    /// The order of the last issuance is still in the status, and gives the old certificate again: one that is near its
    /// end, for another key or for other names is followed by a new order (0.5).
    fn check_obtained(&self, certificate: &mut Certificate, key: &PrivateKey, pem: &[u8]) -> SyncResult {
        let leaf = pki::leaf(pem)
            .map_err(|e| SyncError::Other(format!("failed to parse returned x509 certificate: {e}")))?;
        let (names, now) = (dns_names(certificate), self.context.world.now());
        let stored = Some((&leaf.names, leaf.not_after));
        let (told, why) = match need(stored, &common_name(certificate), &names, now) {
            Need::Renew => {
                status(certificate).order_url.clear();
                let text = "triggering new order creation as existing order's certificate is nearing expiry";
                return Err(SyncError::other(text));
            }
            _ if leaf.public_key != *key.public() => ("lost TLS private key", "lost private key"),
            Need::Issue => ("change in common name", "change in common name"),
            Need::Nothing => return Ok(()),
        };
        status(certificate).order_url.clear();
        self.not_ready(certificate, "IssueError", format!("Creating new order due to {told}"), false);
        let text = format!("marking certificate as failed to trigger a new order to be created due to {why}");
        Err(SyncError::Other(text))
    }

    /// The CA refused the CSR: a new order is made next time.
    fn finalize_failed(&self, certificate: &mut Certificate, error: &AcmeError) -> SyncError {
        if error.problem().is_some_and(|p| (400..500).contains(&p.status)) {
            status(certificate).order_url.clear();
        }
        let text = format!("Failed to finalize order: {error}");
        if self.which == OneController::V0_5 {
            self.not_ready(certificate, "IssueError", text.clone(), false);
            self.context.recorder.warning(certificate, "IssueError", &text);
            return SyncError::Other(format!("error getting certificate from acme server: {error}"));
        }
        SyncError::Other(format!("error getting certificate for acme server: {error}"))
    }

    async fn save(&self, certificate: &Certificate, (key, chain): &Pair) -> SyncResult {
        let target = target_key(certificate);
        let known = self.secrets.get(&target);
        let mut secret = known.as_ref().map_or_else(
            || Secret {
                metadata: ObjectMeta::named(&target),
                type_: "kubernetes.io/tls".to_owned(),
                ..Secret::default()
            },
            |known| known.as_ref().clone(),
        );
        secret.data.insert(TLS_CRT.to_owned(), chain.clone().into());
        secret.data.insert(TLS_KEY.to_owned(), key.as_str().into());
        if self.which == OneController::V0_5 {
            let issuer = &certificate.spec.issuer_ref;
            let about = BTreeMap::from([
                ("alt-names", dns_names(certificate).join(",")),
                ("common-name", common_name(certificate)),
                ("issuer-name", issuer.name.clone()),
                ("issuer-kind", issuer.kind_or_default().to_owned()),
            ]);
            let about = about.into_iter().map(|(key, value)| (format!("certmanager.k8s.io/{key}"), value));
            secret.metadata.annotations.extend(about);
            let label = "certmanager.k8s.io/certificate-name".to_owned();
            secret.metadata.labels.insert(label, certificate.metadata.name.clone());
        }
        if known.is_some() {
            self.context.client.update(secret).await?;
        } else {
            self.context.client.create(secret).await?;
        }
        Ok(())
    }
}
