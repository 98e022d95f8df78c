//! The kinds, and an object of any kind.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Certificate, CertificateRequest, Challenge, ClusterIssuer, Endpoints, Event, Gateway, HTTPRoute, Ingress,
    Issuer, Lease, ObjectMeta, Order, Pod, Secret, Service,
};

/// A kind of object as a Rust type.
pub trait Resource: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;

    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;

    /// Its metadata, to change.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// As an object of any kind.
    fn into_object(self: Arc<Self>) -> Object;

    /// The object as this kind, if it is one.
    fn from_object(object: &Object) -> Option<&Arc<Self>>;

    /// Takes over the status of `other`; does nothing for kinds without a status subresource.
    fn copy_status_from(&mut self, other: &Self);

    /// Its namespace and name.
    fn key(&self) -> ObjectKey {
        ObjectKey::of(self.meta())
    }
}

/// Namespace and name of an object; cheap to clone. Ordered by namespace, then by name.
#[derive(Clone, Eq)]
pub struct ObjectKey {
    /// `namespace/name`, or `name` alone, as in work queues and logs.
    text: Arc<str>,
    /// Where the name begins.
    name_at: u32,
    /// A hash of the text: maps that grow do not read all the texts again.
    hash: u32,
}

impl ObjectKey {
    /// From its parts; the namespace is empty for cluster-scoped kinds.
    pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        let (namespace, name) = (namespace.as_ref(), name.as_ref());
        let (text, name_at): (Arc<str>, _) = match namespace.len() {
            0 => (name.into(), 0),
            length => ([namespace, "/", name].concat().into(), length + 1),
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        ObjectKey { text, name_at: name_at as u32, hash: hasher.finish() as u32 }
    }

    /// The key of the object with this metadata.
    pub fn of(meta: &ObjectMeta) -> Self {
        ObjectKey::new(&meta.namespace, &meta.name)
    }

    /// The namespace, empty for cluster-scoped kinds.
    pub fn namespace(&self) -> &str {
        &self.text[..self.name_at.saturating_sub(1) as usize]
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.text[self.name_at as usize..]
    }

    /// `namespace/name`, or `name` alone.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for ObjectKey {
    fn default() -> Self {
        ObjectKey::new("", "")
    }
}

impl PartialEq for ObjectKey {
    fn eq(&self, other: &Self) -> bool {
        let alike = || (self.hash, self.name_at) == (other.hash, other.name_at) && self.text == other.text;
        Arc::ptr_eq(&self.text, &other.text) || alike()
    }
}

impl Hash for ObjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl Ord for ObjectKey {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.name_at == other.name_at {
            // With namespaces of one length the slashes are in one place.
            return self.text.cmp(&other.text);
        }
        (self.namespace(), self.name()).cmp(&(other.namespace(), other.name()))
    }
}

impl PartialOrd for ObjectKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `namespace/name`, or `name` alone, as in work queues and logs.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({:?})", self.as_str())
    }
}

/// There is no such kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind {0:?}")]
pub struct UnknownKind(pub String);

/// Whether a row of the table says the word.
macro_rules! is {
    (namespaced, namespaced) => {
        true
    };
    (status, status) => {
        true
    };
    ($($other:ident),*) => {
        false
    };
}

/// The body of `copy_status_from`.
macro_rules! copy_status {
    (status, $to:ident, $from:ident) => {
        $to.status.clone_from(&$from.status)
    };
    (plain, $to:ident, $from:ident) => {{
        let _ = $from;
    }};
}

/// The one table of kinds.
macro_rules! kinds {
    ( $( $kind:ident $group:literal $plural:literal $singular:literal $scope:ident $status:ident; )+ ) => {
        /// A kind that the API server serves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("`", $plural, "`.")]
                $kind,
            )+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[ $( Kind::$kind, )+ ];

            /// The name: `Certificate`.
            pub const fn as_str(self) -> &'static str {
                match self { $( Kind::$kind => stringify!($kind), )+ }
            }

            /// The API group, empty for the core group.
            pub const fn group(self) -> &'static str {
                match self { $( Kind::$kind => $group, )+ }
            }

            /// The name in URLs: `certificates`.
            pub const fn plural(self) -> &'static str {
                match self { $( Kind::$kind => $plural, )+ }
            }

            /// The name in the error texts of listers: `certificate`.
            pub const fn singular(self) -> &'static str {
                match self { $( Kind::$kind => $singular, )+ }
            }

            /// Whether its objects live in namespaces.
            pub const fn is_namespaced(self) -> bool {
                match self { $( Kind::$kind => is!($scope, namespaced), )+ }
            }

            /// Whether `status` is written apart from the rest.
            pub const fn has_status_subresource(self) -> bool {
                match self { $( Kind::$kind => is!($status, status), )+ }
            }
        }

        /// An object of any kind, cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object {
            $(
                #[doc = concat!("A ", stringify!($kind), ".")]
                $kind(Arc<$kind>),
            )+
        }

        impl Object {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $( Object::$kind(_) => Kind::$kind, )+ }
            }

            /// Whether both are one object in memory, not only alike.
            pub(crate) fn is(&self, other: &Object) -> bool {
                match (self, other) {
                    $( (Object::$kind(one), Object::$kind(other)) => Arc::ptr_eq(one, other), )+
                    _ => false,
                }
            }

            /// Its metadata.
            pub fn meta(&self) -> &ObjectMeta {
                match self { $( Object::$kind(object) => &object.metadata, )+ }
            }

            /// The object with other metadata. Like the other two, it is copied only if somebody else has it, too.
            #[must_use]
            pub fn with_meta(self, change: impl FnOnce(&mut ObjectMeta)) -> Object {
                match self {
                    $( Object::$kind(mut object) => {
                        change(&mut Arc::make_mut(&mut object).metadata);
                        Object::$kind(object)
                    } )+
                }
            }

            /// The object with the status of another one. Without a status subresource, or when the other is
            /// of another kind, it stays as it is.
            #[must_use]
            pub fn with_status_of(self, other: &Object) -> Object {
                match (self, other) {
                    $( (Object::$kind(mut object), Object::$kind(other)) => {
                        if is!($status, status) {
                            Arc::make_mut(&mut object).copy_status_from(other);
                        }
                        Object::$kind(object)
                    } )+
                    (object, _) => object,
                }
            }

            /// The object as it is before anybody wrote its status; without a status subresource, as it is.
            #[must_use]
            pub fn without_status(self) -> Object {
                match self {
                    $( Object::$kind(mut object) => {
                        if is!($status, status) {
                            Arc::make_mut(&mut object).copy_status_from(&$kind::default());
                        }
                        Object::$kind(object)
                    } )+
                }
            }

            /// The fields as JSON, without `apiVersion` and `kind`.
            fn fields(&self) -> Value {
                // None of the types can fail: all their keys are strings.
                match self { $( Object::$kind(object) => serde_json::to_value(object.as_ref()).unwrap_or_default(), )+ }
            }

            /// Reads an object of a known kind from a source that does not contain `apiVersion` and `kind`.
            ///
            /// # Errors
            /// Those of the source.
            pub fn deserialize_as<'de, D: serde::Deserializer<'de>>(
                kind: Kind,
                source: D,
            ) -> Result<Object, D::Error> {
                match kind {
                    $( Kind::$kind => serde::Deserialize::deserialize(source)
                        .map(|object: $kind| Object::$kind(Arc::new(object))), )+
                }
            }
        }

        $(
            impl Resource for $kind {
                const KIND: Kind = Kind::$kind;

                fn meta(&self) -> &ObjectMeta {
                    &self.metadata
                }

                fn meta_mut(&mut self) -> &mut ObjectMeta {
                    &mut self.metadata
                }

                fn into_object(self: Arc<Self>) -> Object {
                    Object::$kind(self)
                }

                fn from_object(object: &Object) -> Option<&Arc<Self>> {
                    match object {
                        Object::$kind(object) => Some(object),
                        _ => None,
                    }
                }

                fn copy_status_from(&mut self, other: &Self) {
                    copy_status!($status, self, other);
                }
            }

            impl From<$kind> for Object {
                fn from(object: $kind) -> Object {
                    Object::$kind(Arc::new(object))
                }
            }
        )+
    };
}

kinds! {
    Certificate        "cert-manager.io"      "certificates"        "certificate"        namespaced status;
    CertificateRequest "cert-manager.io"      "certificaterequests" "certificaterequest" namespaced status;
    Issuer             "cert-manager.io"      "issuers"             "issuer"             namespaced status;
    ClusterIssuer      "cert-manager.io"      "clusterissuers"      "clusterissuer"      cluster    status;
    Order              "acme.cert-manager.io" "orders"              "order"              namespaced status;
    Challenge          "acme.cert-manager.io" "challenges"          "challenge"          namespaced status;
    Secret             ""                     "secrets"             "secret"             namespaced plain;
    Pod                ""                     "pods"                "pod"                namespaced status;
    Service            ""                     "services"            "service"            namespaced status;
    Endpoints          ""                     "endpoints"           "endpoints"          namespaced plain;
    Ingress            "networking.k8s.io"    "ingresses"           "ingress"            namespaced status;
    Gateway            "gateway.networking.k8s.io" "gateways"       "gateway"            namespaced status;
    HTTPRoute          "gateway.networking.k8s.io" "httproutes"     "httproute"          namespaced status;
    Event              ""                     "events"              "event"              namespaced plain;
    Lease              "coordination.k8s.io"  "leases"              "lease"              namespaced plain;
}

impl Kind {
    /// Group and version: `cert-manager.io/v1`, or `v1` for the core group.
    pub fn api_version(self) -> String {
        match self.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    /// Plural and group, as the API server's error texts name it: `certificates.cert-manager.io`, `secrets`.
    pub fn resource(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }
}

impl Kind {
    /// Kind and group, as errors about an object's content name it: `Certificate.cert-manager.io`, `Secret`.
    pub fn qualified(self) -> String {
        match self.group() {
            "" => self.as_str().to_owned(),
            group => format!("{}.{group}", self.as_str()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let found = Kind::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl Object {
    /// Its namespace and name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(self.meta())
    }

    /// The object as a given kind, if it is one.
    pub fn get<R: Resource>(&self) -> Option<&Arc<R>> {
        R::from_object(self)
    }

    /// As JSON, `apiVersion` and `kind` first.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::Map::new();
        json.insert("apiVersion".to_owned(), self.kind().api_version().into());
        json.insert("kind".to_owned(), self.kind().as_str().into());
        if let Value::Object(fields) = self.fields() {
            json.extend(fields);
        }
        Value::Object(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CertificateStatus, Time};
    use world::Timestamp;

    #[test]
    fn kinds_are_named_as_in_kubernetes() {
        assert_eq!(Kind::Certificate.api_version(), "cert-manager.io/v1");
        assert_eq!(Kind::Challenge.resource(), "challenges.acme.cert-manager.io");
        assert_eq!(Kind::Secret.api_version(), "v1");
        assert_eq!(Kind::Secret.resource(), "secrets");
        assert!(!Kind::ClusterIssuer.is_namespaced() && Kind::Issuer.is_namespaced());
        assert!(Kind::Order.has_status_subresource() && !Kind::Event.has_status_subresource());
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
        }
        assert_eq!("Gatewy".parse::<Kind>(), Err(UnknownKind("Gatewy".into())));
    }

    #[test]
    fn keys_are_ordered_by_namespace_and_then_by_name() {
        let parts = [("", "b"), ("a", "c"), ("a", "d"), ("a-b", "a"), ("b", ""), ("b", "a")];
        let keys = parts.map(|(namespace, name)| ObjectKey::new(namespace, name));
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys.each_ref().map(|key| (key.namespace(), key.name())), parts);
        assert_eq!(keys.map(|key| key.to_string()), ["b", "a/c", "a/d", "a-b/a", "b/", "b/a"]);
    }

    #[test]
    fn json_starts_with_version_and_kind_and_leaves_empty_fields_out() {
        let mut certificate = Certificate::default();
        certificate.metadata.name = "a".into();
        certificate.metadata.resource_version = 7;
        certificate.metadata.creation_timestamp = Some(Time::new(Timestamp::UNIX_EPOCH));
        certificate.spec.secret_name = "a-tls".into();
        certificate.spec.issuer_ref.name = "ca".into();
        assert_eq!(
            Object::from(certificate).to_json().to_string(),
            concat!(
                r#"{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"a","#,
                r#""resourceVersion":"7","creationTimestamp":"1970-01-01T00:00:00Z"},"#,
                r#""spec":{"secretName":"a-tls","issuerRef":{"name":"ca"}}}"#
            )
        );
    }

    #[test]
    fn status_is_taken_over_only_within_a_kind_that_has_one() {
        let old = Object::from(Certificate::default());
        let status = CertificateStatus { revision: Some(3), ..CertificateStatus::default() };
        let new = Object::from(Certificate { status, ..Certificate::default() });
        assert_eq!(old.clone().with_status_of(&new), new);
        assert_eq!(old.clone().with_status_of(&Object::from(Secret::default())), old);
        let named = old.clone().with_meta(|meta| meta.name = "b".into());
        assert_eq!((named.key().to_string().as_str(), old.meta().name.as_str()), ("b", ""));
        assert_eq!(named.get::<Certificate>().unwrap().metadata.name, "b");
        assert!(named.get::<Secret>().is_none());
    }
}
