//! The target Secret of a Certificate: what certificates-issuing applies to it, and how an apply changes what is
//! stored.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    ANNOTATION_CERTIFICATE_NAME, CA_CRT, LABEL_PART_OF, TLS_CRT, TLS_KEY, controller_reference, data,
};
use crate::api::{
    ByteString, Certificate, CertificateOutputFormatType, CertificateRequest, Kind, ManagedFieldsEntry,
    ObjectMeta, Secret,
};
use crate::compat::{Compat, SecretCare};
use crate::pki::{self, Leaf, PkiError};

pub(crate) const ISSUER_NAME: &str = "cert-manager.io/issuer-name";
pub(crate) const ISSUER_KIND: &str = "cert-manager.io/issuer-kind";
pub(crate) const ISSUER_GROUP: &str = "cert-manager.io/issuer-group";

/// `additionalOutputFormats: DER`.
pub(super) const KEY_DER: &str = "key.der";
/// `additionalOutputFormats: CombinedPEM`.
pub(super) const COMBINED_PEM: &str = "tls-combined.pem";

/// Key, chain and origin of a certificate: what everything else in the Secret is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SecretData {
    pub(super) private_key: ByteString,
    pub(super) certificate: ByteString,
    pub(super) ca: ByteString,
    pub(super) certificate_name: String,
    /// Name, kind and group of the issuer; all empty: a temporary certificate.
    pub(super) issuer: [String; 3],
}

impl SecretData {
    /// A request's result.
    pub(super) fn issued(certificate: &Certificate, request: &CertificateRequest, key: String) -> Self {
        let issuer = &request.spec.issuer_ref;
        SecretData {
            private_key: key.into(),
            certificate: request.status.certificate.clone(),
            ca: request.status.ca.clone(),
            certificate_name: certificate.metadata.name.clone(),
            issuer: [issuer.name.clone(), issuer.kind.clone(), issuer.group.clone()],
        }
    }

    /// What a Secret contains, to make the rest again from it.
    pub(super) fn stored(secret: &Secret) -> Self {
        let annotation = |key: &str| secret.metadata.annotations.get(key).cloned().unwrap_or_default();
        let entry = |key: &str| ByteString::from(data(secret, key));
        SecretData {
            private_key: entry(TLS_KEY),
            certificate: entry(TLS_CRT),
            ca: entry(CA_CRT),
            certificate_name: annotation(ANNOTATION_CERTIFICATE_NAME),
            issuer: [ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP].map(annotation),
        }
    }
}

/// By which name certificates-issuing applies: the first part of its user agent.
pub(super) fn field_manager(compat: &Compat) -> &'static str {
    match compat.secret_care {
        SecretCare::Template => "cert-manager",
        SecretCare::Everything => "cert-manager-certificates-issuing",
    }
}

/// The fields of the Secret that are applied; `keystores` are further entries of its data.
///
/// # Errors
/// [`PkiError`] when the certificate or the key cannot be read.
pub(super) fn wanted(
    certificate: &Certificate,
    content: &SecretData,
    keystores: BTreeMap<String, ByteString>,
    compat: &Compat,
    owner_ref: bool,
) -> Result<Secret, PkiError> {
    let metadata = ObjectMeta::named(&super::target_key(certificate));
    let mut secret =
        Secret { metadata, type_: "kubernetes.io/tls".into(), data: keystores, ..Secret::default() };
    secret.data.extend(output_formats(certificate, content, compat)?);
    secret.data.insert(TLS_KEY.into(), content.private_key.clone());
    secret.data.insert(TLS_CRT.into(), content.certificate.clone());
    if !content.ca.is_empty() {
        secret.data.insert(CA_CRT.into(), content.ca.clone());
    }
    let meta = &mut secret.metadata;
    if let Some(template) = &certificate.spec.secret_template {
        meta.labels.extend(template.labels.clone());
        meta.annotations.extend(template.annotations.clone());
    }
    meta.annotations.extend(origin_annotations(certificate, content, compat));
    if !content.certificate.is_empty() {
        meta.annotations.extend(detail_annotations(&pki::leaf(content.certificate.as_slice())?, compat));
    }
    if compat.secret_care == SecretCare::Everything {
        meta.labels.insert(LABEL_PART_OF.into(), "true".into());
    }
    if owner_ref {
        meta.owner_references.push(controller_reference(certificate));
    }
    Ok(secret)
}

/// `key.der` and `tls-combined.pem`, if they are asked for.
pub(super) fn output_formats(
    certificate: &Certificate,
    content: &SecretData,
    compat: &Compat,
) -> Result<Vec<(String, ByteString)>, PkiError> {
    if !compat.features.additional_output_formats {
        return Ok(Vec::new());
    }
    let formats = certificate.spec.additional_output_formats.iter().map(|format| {
        Ok(match format.type_ {
            CertificateOutputFormatType::Der => {
                (KEY_DER.to_owned(), pki::key_der(content.private_key.as_slice())?.into())
            }
            CertificateOutputFormatType::CombinedPem => {
                let parts = [content.private_key.as_slice(), content.certificate.as_slice()];
                (COMBINED_PEM.to_owned(), parts.join(&b'\n').into())
            }
        })
    });
    formats.collect()
}

/// Whose certificate it is, and from whom.
pub(super) fn origin_annotations(
    certificate: &Certificate,
    content: &SecretData,
    compat: &Compat,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut add = |key: &str, value: &str| all.insert(key.to_owned(), value.to_owned());
    match compat.secret_care {
        SecretCare::Template => {
            let issuer = &certificate.spec.issuer_ref;
            add(ANNOTATION_CERTIFICATE_NAME, &certificate.metadata.name);
            add(ISSUER_NAME, &issuer.name);
            add(ISSUER_KIND, issuer.kind_or_default());
            add(ISSUER_GROUP, &issuer.group);
        }
        SecretCare::Everything => {
            if !content.certificate_name.is_empty() {
                add(ANNOTATION_CERTIFICATE_NAME, &content.certificate_name);
            }
            if content.issuer.iter().any(|part| !part.is_empty()) {
                for (key, value) in [ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP].iter().zip(&content.issuer) {
                    add(key, value);
                }
            }
        }
    }
    all
}

/// What the certificate has in it. Names are told even when there are none, the rest of the subject is not.
pub(super) fn detail_annotations(leaf: &Leaf, compat: &Compat) -> BTreeMap<String, String> {
    let (names, subject) = (&leaf.names, &leaf.subject);
    let plain = |values: &[String]| values.join(",");
    let join = match compat.secret_care {
        SecretCare::Template => plain,
        SecretCare::Everything => csv,
    };
    let mut all = vec![
        ("common-name", names.common_name.clone()),
        ("alt-names", join(&names.dns)),
        ("ip-sans", join(&names.ips)),
        ("uri-sans", join(&names.uris)),
    ];
    if compat.secret_care == SecretCare::Everything {
        let further = [
            ("subject-serialnumber", subject.serial_number.clone()),
            ("subject-organizations", csv(&subject.organizations)),
            ("subject-organizationalunits", csv(&subject.organizational_units)),
            ("subject-countries", csv(&subject.countries)),
            ("subject-provinces", csv(&subject.provinces)),
            ("subject-localities", csv(&subject.localities)),
            ("subject-postalcodes", csv(&subject.postal_codes)),
            ("subject-streetaddresses", csv(&subject.street_addresses)),
            ("email-sans", csv(&names.emails)),
        ];
        all.extend(further.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    all.into_iter().map(|(key, value)| (format!("cert-manager.io/{key}"), value)).collect()
}

/// One line of comma-separated values as Go's `encoding/csv` writes it.
fn csv(values: &[String]) -> String {
    let field = |value: &String| {
        let quoted =
            value.starts_with([' ', '\t']) || value.contains(['"', ',', '\n', '\r']) || value == "\\.";
        if quoted { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.clone() }
    };
    values.iter().map(field).collect::<Vec<_>>().join(",")
}

/// Server-side apply by force: the fields of `wanted` are set, those that `manager` had set before and does not want
/// any more are taken away, all others stay.
pub(super) fn apply(stored: Option<&Secret>, wanted: &Secret, manager: &str) -> Secret {
    let mut secret =
        stored.cloned().unwrap_or_else(|| Secret { type_: wanted.type_.clone(), ..Secret::default() });
    (secret.metadata.namespace, secret.metadata.name) =
        (wanted.metadata.namespace.clone(), wanted.metadata.name.clone());
    let managed = std::mem::take(&mut secret.metadata.managed_fields);
    let (own, mut others): (Vec<_>, Vec<_>) = managed.into_iter().partition(|entry| entry.manager == manager);
    for entry in &own {
        for name in entry.names(&["data"]) {
            secret.data.remove(name);
        }
        for name in entry.names(&["metadata", "labels"]) {
            secret.metadata.labels.remove(name);
        }
        for name in entry.names(&["metadata", "annotations"]) {
            secret.metadata.annotations.remove(name);
        }
        let owners = owners(entry);
        secret.metadata.owner_references.retain(|owner| !owners.contains(&owner.uid));
    }
    secret.data.extend(wanted.data.clone());
    secret.metadata.labels.extend(wanted.metadata.labels.clone());
    secret.metadata.annotations.extend(wanted.metadata.annotations.clone());
    for owner in &wanted.metadata.owner_references {
        secret.metadata.owner_references.retain(|known| known.uid != owner.uid);
        secret.metadata.owner_references.push(owner.clone());
    }
    others.push(ManagedFieldsEntry::applied(manager, &Kind::Secret.api_version(), fields(wanted)));
    secret.metadata.managed_fields = others;
    secret
}

/// The paths that are set in an applied Secret.
fn fields(secret: &Secret) -> Value {
    let tree =
        |keys: Vec<&String>| Value::Object(keys.into_iter().map(|k| (format!("f:{k}"), json!({}))).collect());
    let mut meta = Map::new();
    for (key, names) in
        [("f:annotations", &secret.metadata.annotations), ("f:labels", &secret.metadata.labels)]
    {
        if !names.is_empty() {
            meta.insert(key.to_owned(), tree(names.keys().collect()));
        }
    }
    let owners = &secret.metadata.owner_references;
    if !owners.is_empty() {
        let owners = owners.iter().map(|owner| (format!("k:{{\"uid\":\"{}\"}}", owner.uid), json!({})));
        meta.insert("f:ownerReferences".to_owned(), Value::Object(owners.collect()));
    }
    json!({ "f:data": tree(secret.data.keys().collect()), "f:metadata": meta, "f:type": {} })
}

/// The uids of the owner references in an entry.
pub(super) fn owners(entry: &ManagedFieldsEntry) -> Vec<String> {
    let set = entry.fields_v1.value().get("f:metadata").and_then(|meta| meta.get("f:ownerReferences"));
    let keys = set.and_then(Value::as_object).into_iter().flat_map(|set| set.keys());
    keys.filter_map(|key| Some(key.strip_prefix("k:{\"uid\":\"")?.strip_suffix("\"}")?.to_owned())).collect()
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
