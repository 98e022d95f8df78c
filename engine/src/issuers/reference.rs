//! References to issuers: from an object that names one to the issuer, and back.

use crate::api::{
    ClusterIssuer, Issuer, IssuerSpec, IssuerStatus, Kind, Object, ObjectKey, ObjectReference, Resource,
};
use crate::controller::{self, Context};
use crate::informer::{Informers, Lister};
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
    pub(crate) fn get(
        &self,
        issuer: &ObjectReference,
        namespace: &str,
    ) -> Option<(IssuerSpec, IssuerStatus)> {
        if issuer.kind_or_default() == "ClusterIssuer" {
            let found = self.cluster_issuers.get(&ObjectKey::new("", issuer.name.as_str()))?;
            return Some((found.spec.clone(), found.status.clone()));
        }
        let found = self.issuers.get(&ObjectKey::new(namespace, issuer.name.as_str()))?;
        Some((found.spec.clone(), found.status.clone()))
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
        controller::watch(context, controller, kind, queue, move |issuer: &Object| {
            let name = &issuer.meta().name;
            let refers = |object: &R| {
                let reference = reference(object);
                reference.name == *name && reference.kind_or_default() == kind.as_str()
            };
            objects.list(refers).iter().map(|object| object.key()).collect()
        });
    }
}
