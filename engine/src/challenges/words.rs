//! The words and lines about solver objects: one table, for every type of challenge that is solved by a pod.

use super::objects::{self, Shape};
use crate::log::{Message, catalogue as msg};

/// The words and lines of one kind of solver object.
pub(super) struct Words {
    pub(super) logger: &'static str,
    pub(super) found: &'static Message,
    pub(super) create: &'static Message,
    pub(super) multiple: &'static Message,
    pub(super) multiple_error: &'static str,
    pub(super) foreign: &'static Message,
    /// For an object that leads elsewhere than it should.
    pub(super) changed: Option<&'static Message>,
}

/// The three kinds that a solver needs, as one challenge type has them.
pub(super) struct Kinds {
    pub(super) pod: Words,
    pub(super) service: Words,
    pub(super) ingress: Words,
    pub(super) shape: &'static Shape,
}

const POD: Words = Words {
    logger: "ensurePod",
    found: &msg::POD_FOUND,
    create: &msg::POD_CREATE,
    multiple: &msg::PODS_MULTIPLE,
    multiple_error: "multiple existing challenge solver pods found and cleaned up. retrying challenge sync",
    foreign: &msg::FOREIGN_POD,
    changed: None,
};

const SERVICE: Words = Words {
    logger: "ensureService",
    found: &msg::SERVICE_FOUND,
    create: &msg::SERVICE_CREATE,
    multiple: &msg::SERVICES_MULTIPLE,
    multiple_error: "multiple existing challenge solver services found and cleaned up. retrying challenge sync",
    foreign: &msg::FOREIGN_SERVICE,
    changed: None,
};

const INGRESS: Words = Words {
    logger: "ensureIngress",
    found: &msg::INGRESS_FOUND,
    create: &msg::INGRESS_CREATE,
    multiple: &msg::INGRESSES_MULTIPLE,
    multiple_error: "multiple existing challenge solver ingresses found and cleaned up. retrying challenge sync",
    foreign: &msg::FOREIGN_INGRESS,
    changed: Some(&msg::INGRESS_SERVICE_CHANGED),
};

pub(super) const HTTP01: Kinds =
    Kinds { pod: POD, service: SERVICE, ingress: INGRESS, shape: &objects::HTTP01 };

/// Has lines of its own about what is found and made, which name the challenge type.
pub(super) const TLS_ALPN01: Kinds = Kinds {
    pod: Words { found: &msg::ALPN_POD_FOUND, create: &msg::ALPN_POD_CREATE, ..POD },
    service: Words { found: &msg::ALPN_SERVICE_FOUND, create: &msg::ALPN_SERVICE_CREATE, ..SERVICE },
    ingress: Words { found: &msg::ALPN_INGRESS_FOUND, create: &msg::ALPN_INGRESS_CREATE, ..INGRESS },
    shape: &objects::TLS_ALPN01,
};
