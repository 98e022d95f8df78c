//! `cert-manager.io/v1`: Certificate and CertificateRequest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta::{Condition, ObjectMeta, ObjectReference, SecretKeySelector};
use super::scalar::{ByteString, GoDuration, Time};
use super::serial::{null_if_empty, omit};

/// A wish for a certificate that is kept valid in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Certificate {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What is wished for.
    pub spec: CertificateSpec,
    /// What the controllers found.
    #[serde(skip_serializing_if = "omit")]
    pub status: CertificateStatus,
}

/// What a [`Certificate`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateSpec {
    /// `spec.acme` of `certmanager.k8s.io/v1alpha1`, for the releases that had it.
    #[serde(skip)]
    pub acme: Option<Box<super::LegacyAcmeConfig>>,
    /// The parts of the subject other than the common name.
    #[serde(skip_serializing_if = "omit")]
    pub subject: Option<X509Subject>,
    /// A whole RFC 4514 subject; excludes `commonName` and `subject` (1.9 on).
    #[serde(skip_serializing_if = "omit")]
    pub literal_subject: String,
    /// The common name, at most 64 characters; for ACME it must be among the names.
    #[serde(skip_serializing_if = "omit")]
    pub common_name: String,
    /// The lifetime asked for; absent: [`defaults::CERTIFICATE_DURATION`](super::defaults::CERTIFICATE_DURATION).
    #[serde(skip_serializing_if = "omit")]
    pub duration: Option<GoDuration>,
    /// How long before the end to renew; absent: a third of the real lifetime.
    #[serde(skip_serializing_if = "omit")]
    pub renew_before: Option<GoDuration>,
    /// The same in percent of the lifetime (1.16 on).
    #[serde(skip_serializing_if = "omit")]
    pub renew_before_percentage: Option<i32>,
    /// When renewals may start (1.21 on).
    #[serde(skip_serializing_if = "omit")]
    pub renewal: Option<CertificateRenewal>,
    /// DNS names.
    #[serde(skip_serializing_if = "omit")]
    pub dns_names: Vec<String>,
    /// IP addresses.
    #[serde(skip_serializing_if = "omit")]
    pub ip_addresses: Vec<String>,
    /// URIs.
    #[serde(skip_serializing_if = "omit")]
    pub uris: Vec<String>,
    /// UTF-8 otherNames (1.14 on).
    #[serde(skip_serializing_if = "omit")]
    pub other_names: Vec<OtherName>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "omit")]
    pub email_addresses: Vec<String>,
    /// The Secret that receives key and chain.
    pub secret_name: String,
    /// Labels and annotations for that Secret.
    #[serde(skip_serializing_if = "omit")]
    pub secret_template: Option<SecretTemplate>,
    /// Key stores to add to that Secret.
    #[serde(skip_serializing_if = "omit")]
    pub keystores: Option<CertificateKeystores>,
    /// Who is to sign.
    pub issuer_ref: ObjectReference,
    /// Whether the certificate may sign others.
    #[serde(rename = "isCA", skip_serializing_if = "omit")]
    pub is_ca: bool,
    /// Key usages; empty: digital signature and key encipherment.
    #[serde(skip_serializing_if = "omit")]
    pub usages: Vec<KeyUsage>,
    /// How the private key is made and kept.
    #[serde(skip_serializing_if = "omit")]
    pub private_key: Option<CertificatePrivateKey>,
    /// The algorithm the request is signed with (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// Whether the CSR names the usages; absent: yes.
    #[serde(skip_serializing_if = "omit")]
    pub encode_usages_in_request: Option<bool>,
    /// How many CertificateRequests are kept; absent: all (one since 1.18).
    #[serde(skip_serializing_if = "omit")]
    pub revision_history_limit: Option<i32>,
    /// Further forms of key and chain in the Secret.
    #[serde(skip_serializing_if = "omit")]
    pub additional_output_formats: Vec<CertificateAdditionalOutputFormat>,
    /// X.509 name constraints of a CA certificate (1.14 on).
    #[serde(skip_serializing_if = "omit")]
    pub name_constraints: Option<NameConstraints>,
}

/// The X.509 subject without its common name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct X509Subject {
    /// `O`.
    #[serde(skip_serializing_if = "omit")]
    pub organizations: Vec<String>,
    /// `C`.
    #[serde(skip_serializing_if = "omit")]
    pub countries: Vec<String>,
    /// `OU`.
    #[serde(skip_serializing_if = "omit")]
    pub organizational_units: Vec<String>,
    /// `L`.
    #[serde(skip_serializing_if = "omit")]
    pub localities: Vec<String>,
    /// `ST`.
    #[serde(skip_serializing_if = "omit")]
    pub provinces: Vec<String>,
    /// `STREET`.
    #[serde(skip_serializing_if = "omit")]
    pub street_addresses: Vec<String>,
    /// Postal codes.
    #[serde(skip_serializing_if = "omit")]
    pub postal_codes: Vec<String>,
    /// The subject's serial number.
    #[serde(skip_serializing_if = "omit")]
    pub serial_number: String,
}

/// When a renewal may start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateRenewal {
    /// What triggers a renewal.
    #[serde(skip_serializing_if = "omit")]
    pub policy: Option<RenewalPolicy>,
    /// The windows in which one may start; none: any time.
    #[serde(skip_serializing_if = "omit")]
    pub windows: Vec<RenewalWindow>,
}

/// A recurring span of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RenewalWindow {
    /// When it opens, in cron syntax.
    pub cron: String,
    /// How long it stays open.
    #[serde(skip_serializing_if = "omit")]
    pub window_duration: Option<GoDuration>,
    /// The time zone of `cron`; empty: UTC.
    #[serde(skip_serializing_if = "omit")]
    pub timezone: String,
}

/// A subject alternative name of type otherName.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OtherName {
    /// The object identifier of its type.
    #[serde(skip_serializing_if = "omit")]
    pub oid: String,
    /// Its value.
    #[serde(skip_serializing_if = "omit")]
    pub utf8_value: String,
}

/// Labels and annotations copied to the target Secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretTemplate {
    /// Annotations; those of cert-manager itself are not allowed.
    #[serde(skip_serializing_if = "omit")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "omit")]
    pub labels: BTreeMap<String, String>,
}

/// Key stores kept in the target Secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateKeystores {
    /// `keystore.jks` and `truststore.jks`.
    #[serde(skip_serializing_if = "omit")]
    pub jks: Option<JksKeystore>,
    /// `keystore.p12` and `truststore.p12`.
    #[serde(skip_serializing_if = "omit")]
    pub pkcs12: Option<Pkcs12Keystore>,
}

/// A Java key store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JksKeystore {
    /// Whether it is wanted.
    pub create: bool,
    /// The alias of the entry (1.14 on).
    #[serde(skip_serializing_if = "omit")]
    pub alias: Option<String>,
    /// The password.
    #[serde(skip_serializing_if = "omit")]
    pub password_secret_ref: SecretKeySelector,
    /// The password in clear (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub password: Option<String>,
}

/// A PKCS#12 key store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pkcs12Keystore {
    /// Whether it is wanted.
    pub create: bool,
    /// Its encryption (1.14 on).
    #[serde(skip_serializing_if = "omit")]
    pub profile: Option<Pkcs12Profile>,
    /// The password.
    #[serde(skip_serializing_if = "omit")]
    pub password_secret_ref: SecretKeySelector,
    /// The password in clear (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub password: Option<String>,
}

/// How a private key is made and kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificatePrivateKey {
    /// Whether a re-issuance makes a new key; absent: no (yes since 1.18).
    #[serde(skip_serializing_if = "omit")]
    pub rotation_policy: Option<PrivateKeyRotationPolicy>,
    /// The PEM form; absent: PKCS#1.
    #[serde(skip_serializing_if = "omit")]
    pub encoding: Option<PrivateKeyEncoding>,
    /// The algorithm; absent: RSA.
    #[serde(skip_serializing_if = "omit")]
    pub algorithm: Option<PrivateKeyAlgorithm>,
    /// Its size in bits; zero: 2048 for RSA, 256 for ECDSA.
    #[serde(skip_serializing_if = "omit")]
    pub size: u32,
}

/// One further form of key and chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateAdditionalOutputFormat {
    /// Which form.
    pub type_: CertificateOutputFormatType,
}

/// X.509 name constraints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NameConstraints {
    /// Whether the extension is critical.
    #[serde(skip_serializing_if = "omit")]
    pub critical: bool,
    /// What is allowed.
    #[serde(skip_serializing_if = "omit")]
    pub permitted: Option<NameConstraintItem>,
    /// What is not.
    #[serde(skip_serializing_if = "omit")]
    pub excluded: Option<NameConstraintItem>,
}

/// One side of the name constraints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NameConstraintItem {
    /// DNS domains.
    #[serde(skip_serializing_if = "omit")]
    pub dns_domains: Vec<String>,
    /// IP ranges.
    #[serde(skip_serializing_if = "omit")]
    pub ip_ranges: Vec<String>,
    /// E-mail addresses or domains.
    #[serde(skip_serializing_if = "omit")]
    pub email_addresses: Vec<String>,
    /// URI domains.
    #[serde(skip_serializing_if = "omit")]
    pub uri_domains: Vec<String>,
}

/// What the controllers know about a [`Certificate`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateStatus {
    /// `status.acme` of `certmanager.k8s.io/v1alpha1`, for the releases that had it.
    #[serde(skip)]
    pub legacy: Option<Box<super::LegacyAcmeStatus>>,
    /// `Ready` and `Issuing`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<Condition>,
    /// When the last issuance failed; cleared by a success.
    #[serde(skip_serializing_if = "omit")]
    pub last_failure_time: Option<Time>,
    /// Start of the stored certificate.
    #[serde(skip_serializing_if = "omit")]
    pub not_before: Option<Time>,
    /// End of the stored certificate.
    #[serde(skip_serializing_if = "omit")]
    pub not_after: Option<Time>,
    /// When the stored certificate is renewed.
    #[serde(skip_serializing_if = "omit")]
    pub renewal_time: Option<Time>,
    /// Counts the issuances, from 1.
    #[serde(skip_serializing_if = "omit")]
    pub revision: Option<u64>,
    /// The temporary Secret with the key of the running issuance.
    #[serde(skip_serializing_if = "omit")]
    pub next_private_key_secret_name: Option<String>,
    /// Failures in a row, for the back-off (1.9 on).
    #[serde(skip_serializing_if = "omit")]
    pub failed_issuance_attempts: Option<u32>,
    /// What ACME has to say (1.21 on).
    #[serde(skip_serializing_if = "omit")]
    pub acme: Option<CertificateAcmeStatus>,
}

/// The ACME part of a [`CertificateStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateAcmeStatus {
    /// The CA's renewal information.
    #[serde(skip_serializing_if = "omit")]
    pub ari: Option<AcmeRenewalInfo>,
}

/// RFC 9773 renewal information as last read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeRenewalInfo {
    /// When it was read.
    #[serde(skip_serializing_if = "omit")]
    pub last_checked: Option<Time>,
    /// When it will be read again.
    #[serde(skip_serializing_if = "omit")]
    pub next_check: Option<Time>,
    /// The window the CA suggests.
    #[serde(skip_serializing_if = "omit")]
    pub suggested_window: Option<AriWindow>,
    /// A page that explains the suggestion.
    #[serde(rename = "explanationURL", skip_serializing_if = "omit")]
    pub explanation_url: String,
    /// The last failure to read it.
    #[serde(skip_serializing_if = "omit")]
    pub last_error: String,
}

/// The span in which a CA suggests to renew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AriWindow {
    /// Its start.
    #[serde(skip_serializing_if = "omit")]
    pub start: Option<Time>,
    /// Its end.
    #[serde(skip_serializing_if = "omit")]
    pub end: Option<Time>,
}

/// One signing request to one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateRequest {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The request; never changes.
    pub spec: CertificateRequestSpec,
    /// Its outcome.
    #[serde(skip_serializing_if = "omit")]
    pub status: CertificateRequestStatus,
}

/// What a [`CertificateRequest`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateRequestSpec {
    /// The lifetime asked for.
    #[serde(skip_serializing_if = "omit")]
    pub duration: Option<GoDuration>,
    /// Who is to sign.
    pub issuer_ref: ObjectReference,
    /// The CSR in PEM.
    #[serde(serialize_with = "null_if_empty")]
    pub request: ByteString,
    /// Whether the certificate may sign others.
    #[serde(rename = "isCA", skip_serializing_if = "omit")]
    pub is_ca: bool,
    /// Key usages; empty: digital signature and key encipherment.
    #[serde(skip_serializing_if = "omit")]
    pub usages: Vec<KeyUsage>,
    /// Who created the request; set by the API server.
    #[serde(skip_serializing_if = "omit")]
    pub username: String,
    /// Their uid; set by the API server.
    #[serde(skip_serializing_if = "omit")]
    pub uid: String,
    /// Their groups; set by the API server.
    #[serde(skip_serializing_if = "omit")]
    pub groups: Vec<String>,
    /// Their extra attributes; set by the API server.
    #[serde(skip_serializing_if = "omit")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The outcome of a [`CertificateRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateRequestStatus {
    /// `Ready`, `Approved`, `Denied`, `InvalidRequest`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<Condition>,
    /// The chain in PEM, leaf first.
    #[serde(skip_serializing_if = "omit")]
    pub certificate: ByteString,
    /// The top of the chain in PEM, if the issuer knows it.
    #[serde(skip_serializing_if = "omit")]
    pub ca: ByteString,
    /// When it failed.
    #[serde(skip_serializing_if = "omit")]
    pub failure_time: Option<Time>,
}

string_enum! {
    /// What triggers a renewal.
    pub enum RenewalPolicy {
        /// The time before the end of the certificate.
        RenewBefore = "RenewBefore",
        /// Nothing: the certificate is left to expire.
        Disabled = "Disabled",
    }
}

string_enum! {
    /// Whether a re-issuance makes a new private key.
    pub enum PrivateKeyRotationPolicy {
        /// The stored key is used again if it fits the specification.
        Never = "Never",
        /// Each issuance makes a new key.
        Always = "Always",
    }
}

string_enum! {
    /// The PEM form of a private key.
    pub enum PrivateKeyEncoding {
        /// The form of the algorithm: `RSA PRIVATE KEY` or `EC PRIVATE KEY`.
        Pkcs1 = "PKCS1",
        /// `PRIVATE KEY`.
        Pkcs8 = "PKCS8",
    }
}

string_enum! {
    /// The algorithm of a private key.
    pub enum PrivateKeyAlgorithm {
        /// RSA with 2048 to 8192 bits.
        Rsa = "RSA",
        /// ECDSA over P-256, P-384 or P-521.
        Ecdsa = "ECDSA",
        /// Ed25519.
        Ed25519 = "Ed25519",
    }
}

string_enum! {
    /// The algorithm that signs a CSR.
    pub enum SignatureAlgorithm {
        /// RSA PKCS#1 with SHA-256.
        Sha256WithRsa = "SHA256WithRSA",
        /// RSA PKCS#1 with SHA-384.
        Sha384WithRsa = "SHA384WithRSA",
        /// RSA PKCS#1 with SHA-512.
        Sha512WithRsa = "SHA512WithRSA",
        /// ECDSA with SHA-256.
        EcdsaWithSha256 = "ECDSAWithSHA256",
        /// ECDSA with SHA-384.
        EcdsaWithSha384 = "ECDSAWithSHA384",
        /// ECDSA with SHA-512.
        EcdsaWithSha512 = "ECDSAWithSHA512",
        /// Ed25519.
        PureEd25519 = "PureEd25519",
    }
}

string_enum! {
    /// The encryption of a PKCS#12 key store.
    pub enum Pkcs12Profile {
        /// RC2, the widest support.
        LegacyRc2 = "LegacyRC2",
        /// Triple DES.
        LegacyDes = "LegacyDES",
        /// AES and SHA-2.
        Modern2023 = "Modern2023",
    }
}

string_enum! {
    /// A further form of key and chain in a Secret.
    #[derive(Default)]
    pub enum CertificateOutputFormatType {
        /// `key.der`: the private key in DER.
        #[default]
        Der = "DER",
        /// `tls-combined.pem`: private key and chain in one file.
        CombinedPem = "CombinedPEM",
    }
}

string_enum! {
    /// A use that a key is allowed for, under the names of the Kubernetes certificates API.
    pub enum KeyUsage {
        /// Same bit as [`KeyUsage::DigitalSignature`].
        Signing = "signing",
        /// X.509 digitalSignature.
        DigitalSignature = "digital signature",
        /// X.509 nonRepudiation.
        ContentCommitment = "content commitment",
        /// X.509 keyEncipherment.
        KeyEncipherment = "key encipherment",
        /// X.509 keyAgreement.
        KeyAgreement = "key agreement",
        /// X.509 dataEncipherment.
        DataEncipherment = "data encipherment",
        /// X.509 keyCertSign.
        CertSign = "cert sign",
        /// X.509 cRLSign.
        CrlSign = "crl sign",
        /// X.509 encipherOnly.
        EncipherOnly = "encipher only",
        /// X.509 decipherOnly.
        DecipherOnly = "decipher only",
        /// Extended: any.
        Any = "any",
        /// Extended: TLS server.
        ServerAuth = "server auth",
        /// Extended: TLS client.
        ClientAuth = "client auth",
        /// Extended: code signing.
        CodeSigning = "code signing",
        /// Extended: e-mail.
        EmailProtection = "email protection",
        /// Extended: the same as [`KeyUsage::EmailProtection`].
        SMime = "s/mime",
        /// Extended: IPsec end system.
        IpsecEndSystem = "ipsec end system",
        /// Extended: IPsec tunnel.
        IpsecTunnel = "ipsec tunnel",
        /// Extended: IPsec user.
        IpsecUser = "ipsec user",
        /// Extended: time stamping.
        Timestamping = "timestamping",
        /// Extended: OCSP signing.
        OcspSigning = "ocsp signing",
        /// Extended: Microsoft server gated crypto.
        MicrosoftSgc = "microsoft sgc",
        /// Extended: Netscape server gated crypto.
        NetscapeSgc = "netscape sgc",
    }
}
