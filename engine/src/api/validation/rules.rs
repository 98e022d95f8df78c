//! What differs between releases in what their webhook refuses, and in its words. A row says what differs from the
//! one before.

/// What a release's webhook refuses, and in which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A Certificate without any name.
    pub nameless: &'static str,
    /// `spec.secretName` must be a name that a Secret can have.
    pub secret_name_is_checked: bool,
    /// An RSA key of an unusual size.
    pub rsa_size: &'static str,
    /// Passwords of key stores may be given in clear.
    pub literal_passwords: bool,
    /// More than one way to name an Ingress.
    pub one_ingress: &'static str,
    /// Whether an HTTPRoute solver needs labels.
    pub gateway_needs_labels: bool,
    /// Whether an HTTPRoute solver needs a Gateway.
    pub gateway_needs_parent: bool,
    /// Route 53 needs a region.
    pub route53_needs_region: bool,
    /// Azure: a managed identity besides a service principal.
    pub identity_or_principal: &'static str,
    /// A bundle of CA certificates in which there is none.
    pub no_ca_certificates: &'static str,
    /// The ways to log in to Vault; absent: the login is not looked at.
    pub vault_ways: Option<&'static str>,
    /// The ways to reach Venafi.
    pub venafi_ways: &'static str,
    /// What a CSR that cannot be read is told: the text before the cause.
    pub unreadable_request: &'static str,
}

impl Rules {
    /// Those of cert-manager 1.7.1.
    pub const V1_7: Rules = Rules {
        nameless: "at least one of commonName, dnsNames, uris ipAddresses, or emailAddresses must be set",
        secret_name_is_checked: false,
        rsa_size: "must be between 2048 & 8192 for rsa keyAlgorithm",
        literal_passwords: false,
        one_ingress: "only one of 'name' or 'class' should be specified",
        gateway_needs_labels: true,
        gateway_needs_parent: false,
        route53_needs_region: true,
        identity_or_principal: "managed identity can not be used at the same time as clientID, \
            clientSecretSecretRef or tenantID",
        no_ca_certificates: "Specified CA bundle is invalid",
        vault_ways: None,
        venafi_ways: "please supply one of: tpp, cloud",
        unreadable_request: "failed to decode csr: ",
    };

    /// Those of cert-manager 1.16.5.
    pub const V1_16: Rules = Rules {
        nameless: "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, \
            uriSANs, ipAddresses, emailSANs or otherNames must be set",
        secret_name_is_checked: true,
        one_ingress: "only one of 'ingressClassName', 'name' or 'class' should be specified",
        gateway_needs_labels: false,
        gateway_needs_parent: true,
        route53_needs_region: false,
        no_ca_certificates: "cert bundle didn't contain any valid certificates",
        vault_ways: Some("please supply one of: appRole, kubernetes, tokenSecretRef, clientCertificate"),
        unreadable_request: "",
        ..Rules::V1_7
    };

    /// Those of cert-manager 1.21.1.
    pub const V1_21: Rules = Rules {
        nameless: "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, \
            emailSANs, ipAddresses, otherNames, or uriSANs must be set",
        rsa_size: "must be between 2048 and 8192 for rsa keyAlgorithm",
        literal_passwords: true,
        gateway_needs_parent: false,
        identity_or_principal: "managed identity cannot be used at the same time as clientID, \
            clientSecretSecretRef or tenantID",
        vault_ways: Some("please supply one of: appRole, kubernetes, tokenSecretRef, clientCertificate, aws"),
        venafi_ways: "please supply one of: tpp, cloud, ngts",
        ..Rules::V1_16
    };
}
