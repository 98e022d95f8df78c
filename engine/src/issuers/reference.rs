//! References to issuers: from an object that names one to the issuer, and back.

use super::AnyIssuer;
use crate::api::{
    ClusterIssuer, ConditionStatus, Issuer, IssuerSpec, IssuerStatus, Kind, ObjectKey, ObjectMeta,
    ObjectReference, Resource,
};
use crate::controller::{self, Context};
use crate::informer::{Informers, Lister};
use crate::log::Logger;
use crate::queue::WorkQueue;

/// The caches of both kinds of issuer.
pub(crate) struct IssuerListers {
    issuers: Lister<Issuer>,
    cluster_issuers: Lister<ClusterIssuer>,
}

impl IssuerListers {
    pub(crate) fn new(informers: &Informers) -> Self {
        IssuerListers { issuers: informers.lister(), cluster_issuers: informers.lister() }
    }

    /// The issuer that an object in `namespace` names.
    pub(crate) fn find(&self, issuer: &ObjectReference, namespace: &str) -> Option<FoundIssuer> {
        let name = issuer.name.as_str();
        if issuer.kind_or_default() == "ClusterIssuer" {
            return self.cluster_issuers.get(&ObjectKey::new("", name)).map(|i| FoundIssuer::of(i.as_ref()));
        }
        self.issuers.get(&ObjectKey::new(namespace, name)).map(|i| FoundIssuer::of(i.as_ref()))
    }

    /// Specification and status of [`IssuerListers::find`].
    pub(crate) fn get(
        &self,
        issuer: &ObjectReference,
        namespace: &str,
    ) -> Option<(IssuerSpec, IssuerStatus)> {
        self.find(issuer, namespace).map(|found| (found.spec, found.status))
    }
}

/// The types of issuer, in the order in which a release looks for the one that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuerType {
    Acme,
    Ca,
    Vault,
    SelfSigned,
    Venafi,
}

impl IssuerType {
    /// The type of an issuer; `None` when none is set.
    pub(crate) fn of(spec: &IssuerSpec) -> Option<Self> {
        let set = [
            (spec.acme.is_some(), IssuerType::Acme),
            (spec.ca.is_some(), IssuerType::Ca),
            (spec.vault.is_some(), IssuerType::Vault),
            (spec.self_signed.is_some(), IssuerType::SelfSigned),
            (spec.venafi.is_some(), IssuerType::Venafi),
        ];
        set.into_iter().find(|(is_set, _)| *is_set).map(|(_, type_)| type_)
    }
}

/// An issuer of either kind, as its cache showed it.
#[derive(Clone, Debug)]
pub(crate) struct FoundIssuer {
    kind: Kind,
    pub(crate) meta: ObjectMeta,
    pub(crate) spec: IssuerSpec,
    status: IssuerStatus,
}

impl FoundIssuer {
    pub(crate) fn of<R: AnyIssuer>(issuer: &R) -> Self {
        FoundIssuer {
            kind: R::KIND,
            meta: issuer.meta().clone(),
            spec: issuer.spec().clone(),
            status: issuer.status().clone(),
        }
    }

    /// Whether it has a true Ready condition.
    pub(crate) fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True)
    }

    /// `namespace/name`; a ClusterIssuer's namespace is empty, the slash stays.
    pub(crate) fn namespaced_name(&self) -> String {
        format!("{}/{}", self.meta.namespace, self.meta.name)
    }

    /// The namespace of the Secrets that it names: its own, or for a ClusterIssuer the process's.
    pub(crate) fn secret_namespace<'a>(&'a self, cluster_resource_namespace: &'a str) -> &'a str {
        if self.kind.is_namespaced() { &self.meta.namespace } else { cluster_resource_namespace }
    }

    /// A logger whose lines name it as what they are related to.
    pub(crate) fn relate(&self, log: &Logger) -> Logger {
        log.with_related(self.kind, &self.meta)
    }
}

/// Puts the objects into the queue that name a changed issuer by `reference`.
pub(crate) fn watch_issuers_of<R: Resource>(
    context: &Context,
    controller: &str,
    queue: &WorkQueue,
    reference: fn(&R) -> &ObjectReference,
) {
    for kind in [Kind::Issuer, Kind::ClusterIssuer] {
        let objects = context.informers.lister::<R>();
        controller::watch(context, controller, kind, queue, move |notice| {
            let named = notice.change.object.meta();
            let refers = |object: &R| {
                let reference = reference(object);
                let near = !kind.is_namespaced() || object.meta().namespace == named.namespace;
                near && reference.name == named.name && reference.kind_or_default() == kind.as_str()
            };
            objects.keys(refers)
        });
    }
}
