//! ingress-shim and gateway-shim: the Certificates that annotated Ingresses and Gateways ask for.
//!
//! Both do the same to objects of different kinds ([`IngressLike`]). Which Certificates there should be, and what is
//! to be done about those that there are, is decided by [`plan`]; the rest carries it out.

mod annotations;
mod gateway;
mod ingress;
mod issuer;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Certificate, Gateway, Ingress, Kind, ObjectKey, ObjectReference, Resource};
use crate::compat::{Compat, Shims};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::engine::EngineConfig;
use crate::informer::Lister;
use crate::log::{Logger, Message, catalogue as msg};
use wanted::Plan;

/// What the shims take where an object does not say (`--default-issuer-name` and so on).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimConfig {
    /// The issuer of an Ingress that names none; without a name there is none.
    pub default_issuer: ObjectReference,
    /// Annotations of an Ingress that, when true, ask for a certificate of the default issuer.
    pub auto_annotations: Vec<String>,
    /// Annotations that are copied to the Certificate (1.20 on).
    pub extra_annotations: Vec<String>,
}

impl Default for ShimConfig {
    fn default() -> Self {
        ShimConfig {
            default_issuer: ObjectReference {
                name: String::new(),
                kind: "Issuer".to_owned(),
                group: "cert-manager.io".to_owned(),
            },
            auto_annotations: vec!["kubernetes.io/tls-acme".to_owned()],
            extra_annotations: Vec::new(),
        }
    }
}

/// Starts ingress-shim, and gateway-shim if the Gateway API is on.
pub(crate) fn start(context: &Context, config: &EngineConfig) {
    run::<Ingress>(context, &config.shims);
    if config.gateway_api {
        run::<Gateway>(context, &config.shims);
    }
}

fn run<R: IngressLike>(context: &Context, config: &ShimConfig) {
    if !context.runs(R::SHIM) {
        return;
    }
    let context = context.named(R::SHIM);
    let queue = context.queue(R::SHIM, context.compat.backoff_requests);
    controller::watch_self(&context, R::SHIM, R::KIND, &queue);
    controller::watch_owned(&context, R::SHIM, Kind::Certificate, R::KIND, &queue);
    let shim = Shim::<R> {
        objects: context.informers.lister(),
        certificates: context.informers.lister(),
        config: config.clone(),
        context: context.clone(),
    };
    controller::start(&context, R::SHIM, &queue, Arc::new(shim));
}

/// Host names by Secret, and why some parts of the object were passed over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Blocks {
    hosts: BTreeMap<String, Vec<String>>,
    skipped: Vec<String>,
}

/// A kind that says for which hosts it wants which Secret.
trait IngressLike: Resource {
    /// The controller's name.
    const SHIM: &'static str;
    /// Whether `kubernetes.io/tls-acme` and the like count.
    const AUTO: bool;
    /// The line of an object that is gone: where it is from, and its text.
    const GONE: (&'static Message, &'static str);

    /// What makes the whole object useless.
    fn flaw(&self) -> Option<String>;

    /// The hosts, by Secret.
    fn blocks(&self, shims: Shims) -> Blocks;

    /// Whether the Secret is named anywhere in the object, in a part that was passed over, too.
    fn names_secret(&self, secret: &str) -> bool;

    /// Annotations of its Certificates that lead their challenges through the object itself.
    fn lead_here(&self, annotations: &mut BTreeMap<String, String>);
}

struct Shim<R> {
    context: Context,
    objects: Lister<R>,
    certificates: Lister<Certificate>,
    config: ShimConfig,
}

/// Several errors of fields as one text.
fn join(errors: &[String]) -> Option<String> {
    match errors {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

/// Go's `strconv.ParseBool`, with anything else as no.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

fn is_being_deleted<R: Resource>(object: &R) -> bool {
    let meta = object.meta();
    meta.deletion_timestamp.is_some() || meta.finalizers.iter().any(|f| f == "foregroundDeletion")
}

impl<R: IngressLike> Shim<R> {
    async fn reconcile(&self, log: &Logger, object: &R) -> SyncResult {
        let (compat, recorder) = (&self.context.compat, &self.context.recorder);
        let asked =
            issuer::is_asked_for(object.meta(), if R::AUTO { &self.config.auto_annotations } else { &[] });
        if !asked || (compat.shims.skips_deleted && is_being_deleted(object)) {
            return Ok(());
        }
        let issuer = match issuer::choose(object.meta(), &self.config.default_issuer) {
            Ok(issuer) => issuer,
            Err(why) => {
                log.error(&msg::SHIM_NO_ISSUER, Some(&why), &[]);
                let text = format!("Could not determine issuer for ingress due to bad annotations: {why}");
                recorder.warning(object, "BadConfig", &text);
                return Ok(());
            }
        };
        if let Some(flaw) = object.flaw() {
            recorder.warning(object, "BadConfig", &flaw);
            return Ok(());
        }
        let blocks = object.blocks(compat.shims);
        for text in &blocks.skipped {
            recorder.warning(object, "BadConfig", text);
        }
        let wanted = wanted::certificates(object, &blocks, &issuer, &self.config, compat);
        let wanted = wanted.map_err(SyncError::Other)?;
        let stored = |wanted: &Certificate| self.certificates.get(&wanted.key());
        let plan = wanted::plan(wanted, stored, &object.meta().uid, compat.shims);
        self.carry_out(log, object, plan).await
    }

    async fn carry_out(&self, log: &Logger, object: &R, plan: Plan) -> SyncResult {
        let (client, recorder) = (&self.context.client, &self.context.recorder);
        for (certificate, has_owner) in &plan.foreign {
            let line =
                if *has_owner { &msg::SHIM_CERTIFICATE_FOREIGN } else { &msg::SHIM_CERTIFICATE_UNOWNED };
            log.with_related_resource(certificate.as_ref()).info(line, &[]);
        }
        for certificate in plan.create {
            let text = format!("Successfully created Certificate {:?}", certificate.metadata.name);
            client.create(certificate).await?;
            recorder.normal(object, "CreateCertificate", &text);
        }
        for certificate in plan.update {
            let text = format!("Successfully updated Certificate {:?}", certificate.metadata.name);
            self.update(certificate).await?;
            recorder.normal(object, "UpdateCertificate", &text);
        }
        let meta = object.meta();
        for old in self.certificates.owned_by(&meta.namespace, &meta.uid) {
            if !object.names_secret(&old.spec.secret_name) {
                client.delete::<Certificate>(&old.key()).await?;
                let text = format!("Successfully deleted unrequired Certificate {:?}", old.metadata.name);
                recorder.normal(object, "DeleteCertificate", &text);
            }
        }
        Ok(())
    }

    /// Writes the whole Certificate, or with server-side apply the fields that the shim owns.
    async fn update(&self, certificate: Certificate) -> SyncResult {
        let client = &self.context.client;
        if !self.context.compat.server_side_apply {
            client.update(certificate).await?;
            return Ok(());
        }
        let apply = |stored: Option<&Certificate>| {
            let mut applied = stored.cloned().unwrap_or_else(|| certificate.clone());
            applied.metadata.labels.extend(certificate.metadata.labels.clone());
            let (to, from) = (&mut applied.spec, &certificate.spec);
            to.dns_names.clone_from(&from.dns_names);
            to.ip_addresses.clone_from(&from.ip_addresses);
            to.secret_name.clone_from(&from.secret_name);
            to.issuer_ref.clone_from(&from.issuer_ref);
            to.usages.clone_from(&from.usages);
            applied
        };
        client.apply(&certificate.key(), apply).await?;
        Ok(())
    }
}

impl<R: IngressLike> Reconcile for Shim<R> {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(object) = self.objects.get(key) else {
            if self.context.compat.shims.logs_gone {
                let (line, kind) = R::GONE;
                self.context.log.unhandled(line, format!("{kind} '{key}' in work queue no longer exists"));
            }
            return Ok(());
        };
        let log = self.context.log.with_resource(object.as_ref());
        Box::pin(self.reconcile(&log, &object)).await
    }
}

/// Which annotations lead challenges where: the HTTP-01 solver's Ingress and its class, by annotations of the
/// Ingress, and what the object itself adds.
fn lead<R: IngressLike>(object: &R, compat: &Compat) -> BTreeMap<String, String> {
    let from = &object.meta().annotations;
    let mut to = BTreeMap::new();
    let mut set = |key: &str, value: &str| to.insert(key.to_owned(), value.to_owned());
    if from.get("acme.cert-manager.io/http01-edit-in-place").is_some_and(|value| value == "true") {
        set("acme.cert-manager.io/http01-override-ingress-name", &object.meta().name);
        set("cert-manager.io/issue-temporary-certificate", "true");
    }
    let overrides = compat.shims.solver_overrides;
    if let Some(class) = from.get("acme.cert-manager.io/http01-ingress-class")
        && !(overrides && class.is_empty())
    {
        set("acme.cert-manager.io/http01-override-ingress-class", class);
    }
    if overrides {
        if let Some(name) = from.get("acme.cert-manager.io/http01-ingress-ingressclassname")
            && !name.is_empty()
        {
            set("acme.cert-manager.io/http01-override-ingress-ingressclassname", name);
        }
        object.lead_here(&mut to);
    }
    to
}
