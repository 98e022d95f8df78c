//! What a user of `certmanager.k8s.io/v1alpha1` wrote: the first issuance.

/// Of the issuer that `first-issuance` has.
pub(crate) const ISSUER: &str = "\
apiVersion: certmanager.k8s.io/v1alpha1
kind: Issuer
metadata: {name: letsencrypt, namespace: shop}
spec:
  acme:
    server: https://acme-v02.api.letsencrypt.org/directory
    email: ops@example.com
    privateKeySecretRef: {name: letsencrypt-account}
    http01: {}
";
/// Of its Certificate.
pub(crate) const CERTIFICATE: &str = "\
apiVersion: certmanager.k8s.io/v1alpha1
kind: Certificate
metadata: {name: shop, namespace: shop}
spec:
  secretName: shop-tls
  keyAlgorithm: ecdsa
  keySize: 256
  dnsNames: [shop.example.com, www.shop.example.com]
  issuerRef: {name: letsencrypt, kind: Issuer}
  acme:
    config:
      - domains: [shop.example.com, www.shop.example.com]
        http01: {ingressClass: nginx}
";
