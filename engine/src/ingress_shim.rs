//! ingress-shim: makes the Certificates that annotated Ingresses ask for. It watches all Ingresses, so that
//! the end of every solver ingress passes through its queue, too, and leaves a line.

use std::sync::Arc;

use crate::api::{Certificate, Ingress, Kind, ObjectKey, ObjectReference, Resource as _};
use crate::certificates::controller_reference;
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::informer::Lister;
use crate::log::catalogue as msg;

const NAME: &str = "ingress-shim";

struct IngressShim {
    context: Context,
    ingresses: Lister<Ingress>,
    certificates: Lister<Certificate>,
}

pub(crate) fn start(context: &Context) {
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_requests);
    controller::watch_self(&context, NAME, Kind::Ingress, &queue);
    controller::watch_owned(&context, NAME, Kind::Certificate, Kind::Ingress, &queue);
    let shim = IngressShim {
        ingresses: context.informers.lister(),
        certificates: context.informers.lister(),
        context: context.clone(),
    };
    controller::start(&context, NAME, &queue, Arc::new(shim));
}

/// What an Ingress asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// Nothing.
    None,
    /// Two things that exclude each other.
    Bad(String),
    /// A certificate of this issuer for each of its TLS blocks.
    Issuer(ObjectReference),
}

fn wish(ingress: &Ingress) -> Wish {
    let get = |key: &str| ingress.metadata.annotations.get(key).filter(|v| !v.is_empty()).cloned();
    let (issuer, cluster) = (get("cert-manager.io/issuer"), get("cert-manager.io/cluster-issuer"));
    let (name, kind) = match (issuer, cluster) {
        (None, None) => return Wish::None,
        (Some(_), Some(_)) => {
            return Wish::Bad(
                "both \"cert-manager.io/issuer\" and \"cert-manager.io/cluster-issuer\" may not be set"
                    .into(),
            );
        }
        (Some(name), None) => (name, "Issuer"),
        (None, Some(name)) => (name, "ClusterIssuer"),
    };
    Wish::Issuer(ObjectReference {
        name,
        kind: get("cert-manager.io/issuer-kind").unwrap_or_else(|| kind.to_owned()),
        group: get("cert-manager.io/issuer-group").unwrap_or_else(|| "cert-manager.io".to_owned()),
    })
}

/// The Certificates of an Ingress: one per TLS block with a Secret.
fn certificates(ingress: &Ingress, issuer: &ObjectReference) -> Result<Vec<Certificate>, String> {
    let mut all: Vec<Certificate> = Vec::new();
    for tls in ingress.spec.tls.iter().filter(|tls| !tls.secret_name.is_empty() && !tls.hosts.is_empty()) {
        if all.iter().any(|c| c.spec.secret_name == tls.secret_name) {
            return Err(format!("Duplicate TLS entry for secretName {:?}", tls.secret_name));
        }
        let mut certificate = Certificate::default();
        certificate.metadata.name.clone_from(&tls.secret_name);
        certificate.metadata.namespace.clone_from(&ingress.metadata.namespace);
        certificate.metadata.labels.clone_from(&ingress.metadata.labels);
        certificate.metadata.owner_references.push(controller_reference(ingress));
        certificate.spec.dns_names.clone_from(&tls.hosts);
        certificate.spec.secret_name.clone_from(&tls.secret_name);
        certificate.spec.issuer_ref = issuer.clone();
        certificate.spec.usages =
            vec![crate::api::KeyUsage::DigitalSignature, crate::api::KeyUsage::KeyEncipherment];
        all.push(certificate);
    }
    Ok(all)
}

impl IngressShim {
    async fn bring_about(&self, ingress: &Ingress, wanted: &Certificate) -> SyncResult {
        let (client, recorder) = (&self.context.client, &self.context.recorder);
        let name = &wanted.metadata.name;
        let Some(stored) = self.certificates.get(&wanted.key()) else {
            client.create(wanted.clone()).await?;
            let text = format!("Successfully created Certificate {name:?}");
            recorder.normal(ingress, "CreateCertificate", &text);
            return Ok(());
        };
        let ours = stored.metadata.is_controlled_by(&ingress.metadata.uid);
        if !ours || (stored.spec == wanted.spec && stored.metadata.labels == wanted.metadata.labels) {
            return Ok(());
        }
        let mut update = stored.as_ref().clone();
        update.spec = wanted.spec.clone();
        update.metadata.labels.clone_from(&wanted.metadata.labels);
        client.update(update).await?;
        let text = format!("Successfully updated Certificate {name:?}");
        recorder.normal(ingress, "UpdateCertificate", &text);
        Ok(())
    }
}

impl Reconcile for IngressShim {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(ingress) = self.ingresses.get(key) else {
            self.context
                .log
                .unhandled(&msg::INGRESS_GONE, format!("ingress '{key}' in work queue no longer exists"));
            return Ok(());
        };
        let recorder = &self.context.recorder;
        let wanted = match wish(&ingress) {
            Wish::None => return Ok(()),
            Wish::Bad(why) => Err(why),
            Wish::Issuer(issuer) => certificates(&ingress, &issuer),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(why) => {
                recorder.warning(ingress.as_ref(), "BadConfig", &why);
                return Ok(());
            }
        };
        for certificate in &wanted {
            self.bring_about(&ingress, certificate).await?;
        }
        for old in self.certificates.owned_by(&key.namespace, &ingress.metadata.uid) {
            if !wanted.iter().any(|c| c.metadata.name == old.metadata.name) {
                self.context.client.delete::<Certificate>(&old.key()).await?;
                let text = format!("Successfully deleted unrequired Certificate {:?}", old.metadata.name);
                recorder.normal(ingress.as_ref(), "DeleteCertificate", &text);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IngressTls;

    #[test]
    fn annotations_decide() {
        let mut ingress = Ingress::default();
        assert_eq!(wish(&ingress), Wish::None);
        let mut set = |key: &str, value: &str| {
            ingress.metadata.annotations.insert(format!("cert-manager.io/{key}"), value.into());
            wish(&ingress)
        };
        assert!(matches!(set("cluster-issuer", "le"), Wish::Issuer(r) if r.kind == "ClusterIssuer"));
        assert!(matches!(set("issuer", "le"), Wish::Bad(_)));
    }

    #[test]
    fn one_certificate_per_secret() {
        let mut ingress = Ingress::default();
        let block = |secret: &str| IngressTls { hosts: vec!["a.test".into()], secret_name: secret.into() };
        ingress.spec.tls = vec![block("one"), block("two"), block("")];
        let issuer = ObjectReference::default();
        assert_eq!(certificates(&ingress, &issuer).unwrap().len(), 2);
        ingress.spec.tls.push(block("one"));
        assert!(certificates(&ingress, &issuer).is_err());
    }
}
