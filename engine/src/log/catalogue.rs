//! Every message that the engine logs: its text, level, and place in the release's source.
//!
//! `v1_7` is the marker in 1.7.1. Where a line number is 0 the place is not known to us: the line is there, its
//! number is not. What differs in other releases is in [`super::places`], by the message's name.

use super::Severity;

/// A message of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Severity.
    pub severity: Severity,
    /// klog's `-v` level from which it is shown (errors always are).
    pub verbosity: u8,
    /// File and line in 1.7.1; empty when 1.7.1 does not have it.
    pub v1_7: &'static str,
    /// The text; for plain lines it names the line only.
    pub text: &'static str,
}

macro_rules! catalogue {
    ( $( $name:ident $severity:ident $verbosity:literal $marker:literal $text:literal; )+ ) => {
        $(
            #[doc = $text]
            pub const $name: Message = Message {
                name: stringify!($name),
                severity: Severity::$severity,
                verbosity: $verbosity,
                v1_7: $marker,
                text: $text,
            };
        )+

        /// The whole catalogue.
        pub const ALL: &[Message] = &[ $( $name, )+ ];
    };
}

catalogue! {
    // The loop of all controllers.
    SYNCING_ITEM Info 4 "controller.go:153" "syncing item";
    ITEM_PROCESSED Info 4 "controller.go:169" "finished processing work item";
    REQUEUE_CONFLICT Info 0 "controller.go:161" "re-queuing item due to optimistic locking on resource";
    REQUEUE_ERROR Error 0 "controller.go:163" "re-queuing item due to error processing";

    // Leader election: plain lines, but for the first.
    LEADER_STARTING Info 2 "controller.go:149" "starting leader election";
    LEADER_ATTEMPT Info 0 "leaderelection.go:248" "attempting to acquire leader lease ";
    LEADER_ACQUIRED Info 0 "leaderelection.go:258" "successfully acquired lease ";
    LEADER_NOT_RENEWED Info 0 "leaderelection.go:283" "failed to renew lease ";
    LEADER_LOST Error 0 "main.go:39" "error while executing";

    // Conditions: plain lines.
    CERTIFICATE_CONDITION_CHANGED Info 2 "conditions.go:190" "Found status change for Certificate";
    CERTIFICATE_CONDITION_ADDED Info 2 "conditions.go:201" "Setting lastTransitionTime for Certificate";
    REQUEST_CONDITION_CHANGED Info 2 "conditions.go:250" "Found status change for CertificateRequest";
    REQUEST_CONDITION_ADDED Info 2 "conditions.go:261" "Setting lastTransitionTime for CertificateRequest";
    ISSUER_CONDITION_CHANGED Info 2 "conditions.go:0" "Found status change for Issuer";
    ISSUER_CONDITION_ADDED Info 2 "conditions.go:0" "Setting lastTransitionTime for Issuer";

    // certificates-*
    MUST_BE_REISSUED Info 2 "trigger_controller.go:181" "Certificate must be re-issued";
    NOT_REISSUING Info 2 "trigger_controller.go:160" "Not re-issuing certificate as an attempt has been made in the last hour";
    BACKING_OFF Info 2 "" "Backing off from issuance due to previously failed issuance(s). Issuance will next be attempted at";
    NEXT_REQUEST_NOT_AVAILABLE Info 2 "trigger_controller.go:217" "next CertificateRequest not available, skipping checking if Certificate matches the CertificateRequest";
    NEXT_REQUEST_UNREADABLE Info 2 "trigger_controller.go:221" "next CertificateRequest cannot be decoded, skipping checking if Certificate matches the CertificateRequest";
    NEXT_REQUEST_DIFFERS Info 3 "trigger_controller.go:225" "Certificate is failing but the Certificate differs from CertificateRequest, backoff is not required";
    FAILED_LONG_AGO Info 3 "trigger_controller.go:233" "Certificate has been in failure state long enough, no need to back off";
    BACKOFF_DISABLED Info 2 "" "initial backoff duration is less than or equal to zero, skipping backoff";
    REQUEST_DOES_NOT_MATCH Info 2 "requestmanager_controller.go:324" "CertificateRequest does not match requirements on certificate.spec, deleting CertificateRequest";
    REQUEST_NOT_COMPARABLE Error 0 "requestmanager_controller.go:317" "Failed to check if CertificateRequest matches spec, deleting CertificateRequest";
    TOO_MANY_REQUESTS Info 0 "requestmanager_controller.go:210" "Multiple matching CertificateRequest resources exist, delete one of them. This is likely an error and should be reported on the issue tracker!";
    NEXT_KEY_NOT_DECODED Error 0 "requestmanager_controller.go:169" "Failed to decode next private key secret data, waiting for keymanager before processing certificate";
    CSR_NOT_MADE Error 0 "requestmanager_controller.go:355" "Failed to generate CSR - will not retry";
    NEXT_KEY_UNREADABLE Error 0 "keymanager_controller.go:208" "Deleting existing private key secret due to error decoding data";
    FAILED_REQUEST_FROM_PREVIOUS_ISSUANCE Info 2 "issuing_controller.go:265" "Found a failed CertificateRequest from previous issuance, waiting for it to be deleted...";
    NEXT_KEY_EMPTY Info 0 "issuing_controller.go:199" "Next private key secret does not contain any private key data, waiting for keymanager controller";
    NEXT_KEY_NOT_PARSED Error 0 "issuing_controller.go:205" "failed to parse next private key, waiting for keymanager controller";
    NEXT_KEY_DOES_NOT_FIT Info 0 "issuing_controller.go:213" "stored next private key does not match requirements on Certificate resource, waiting for keymanager controller";
    NEXT_KEY_OF_ANOTHER_REQUEST Info 0 "issuing_controller.go:304" "next private key does not match CSR public key, waiting for requestmanager controller";
    SECRET_NOT_COMPARABLE Error 0 "secret_manager.go:81" "failed to determine whether the SecretTemplate matches Secret";
    SECRET_TEMPLATE_APPLIED Info 0 "secret_manager.go:93" "mismatch between SecretTemplate and Secret, updating Secret annotations/labels";
    SECRET_DATA_APPLIED Info 0 "" "applying Secret data";
    REVISION_COLLECTED_1_7 Info 0 "revisionmanager_controller.go:142" "garbage collecting old certificate request revsion";
    REVISION_COLLECTED Info 0 "" "garbage collecting old certificate request revision";

    // certificaterequests-*
    REQUEST_SIGN_ERROR Error 0 "sync.go:136" "error issuing certificate request";
    CERTIFICATE_ISSUED Info 2 "acme.go:209" "certificate issued";
    REQUEST_INVALID Error 0 "acme.go:100" "Failed to decode CSR in spec.request";
    ORDER_NOT_CREATED Error 0 "acme.go:137" "Failed create new order resource";
    ORDER_CERTIFICATE_UNUSABLE Error 0 "acme.go:200" "failed to decode x509 certificate data on Order resource.";
    ORDER_KEY_DIFFERS Error 0 "acme.go:205" "The public key in Order.Status.Certificate does not match the public key in CertificateRequest.Spec.Request. Deleting the order.";
    CA_SECRET_MISSING Error 0 "ca.go:92" "Referenced secret not found";
    CA_SECRET_INVALID Error 0 "ca.go:101" "Failed to parse signing CA keypair from secret";
    CA_TEMPLATE_FAILED Error 0 "ca.go:117" "Error generating certificate template";
    CA_SIGNING_FAILED Error 0 "ca.go:128" "Error signing certificate";
    SELF_SIGNED_NO_ANNOTATION Error 0 "selfsigned.go:92" "Annotation missing or reference empty";
    SELF_SIGNED_SECRET_MISSING Error 0 "selfsigned.go:102" "Referenced secret not found";
    SELF_SIGNED_KEY_INVALID Error 0 "selfsigned.go:112" "Failed to get key referenced in annotation";
    SELF_SIGNED_TEMPLATE_FAILED Error 0 "selfsigned.go:129" "Error generating certificate template";
    SELF_SIGNED_KEY_DIFFERS Error 0 "selfsigned.go:162" "Error generating certificate template";
    VAULT_SECRET_MISSING Error 0 "vault.go:82" "Required secret resource not found";
    VAULT_INIT_FAILED Error 0 "vault.go:90" "Failed to initialise vault client for signing";
    VENAFI_SECRET_MISSING Error 0 "venafi.go:84" "Required secret resource not found";
    VENAFI_INIT_FAILED Error 0 "venafi.go:93" "Failed to initialise venafi client for signing";
    VENAFI_FIELDS_INVALID Error 0 "venafi.go:105" "Failed to parse annotation";
    VENAFI_FIELD_TYPE Error 0 "venafi.go:123" "certificate request contains an invalid Venafi custom fields type";
    VENAFI_REQUEST_FAILED Error 0 "venafi.go:131" "Failed to request venafi certificate";
    VENAFI_PENDING Error 0 "venafi.go:151" "Venafi certificate still in a pending state, the request will be retried";
    VENAFI_RETRIEVE_FAILED Error 0 "venafi.go:158" "Failed to obtain venafi certificate";
    VENAFI_BUNDLE_INVALID Error 0 "venafi.go:170" "Failed to parse returned certificate bundle";
    VAULT_SIGNING_FAILED Error 0 "vault.go:100" "Vault failed to sign certificate";

    // orders
    ORDER_GONE Error 0 "controller.go:0" "order in work queue no longer exists";
    ORDER_STATUS_WRITE_FAILED Error 0 "sync.go:70" "failed to update status";
    ORDER_CREATE_BAD_REQUEST Error 0 "sync.go:0" "failed to create Order resource due to bad request, marking Order as failed";
    ORDER_FETCH_BAD_REQUEST Error 0 "sync.go:99" "failed to update Order status due to a 4xx error, marking Order as failed";
    ORDER_AUTHORIZATION_BAD_REQUEST Error 0 "sync.go:0" "failed to fetch authorization metadata from acme server";
    ORDER_FINALIZE_BAD_REQUEST Error 0 "sync.go:0" "failed to finalize Order resource due to bad request, marking Order as failed";
    ORDER_GET_BAD_REQUEST Error 0 "sync.go:169" "failed to retrieve the ACME order (4xx error) marking Order as failed";
    ORDER_CERTIFICATE_BAD_REQUEST Error 0 "sync.go:648" "failed to retrieve issued certificate from ACME server";
    ORDER_SERVER_ERROR Error 0 "sync.go:0" "acme server fatal error";
    ORDER_REPLACES_REJECTED Info 2 "sync.go:0" "ACME server rejected `replaces`; retrying newOrder without it";
    ORDER_NO_SOLVER Error 0 "sync.go:0" "Failed to determine the list of Challenge resources needed for the Order";
    ORDER_WAITS_FOR_CA Info 2 "sync.go:0" "All challenges in a final state, waiting for ACME server to update the status of the order...";

    // challenges
    CHALLENGE_GONE Error 0 "controller.go:211" "challenge in work queue no longer exists";
    CHALLENGE_NOT_SCHEDULED Error 0 "controller.go:0" "error scheduling challenge for processing";
    PROPAGATION_CHECK_FAILED Error 0 "sync.go:186" "propagation check failed";
    CHALLENGE_NOT_READY Info 4 "" "challenge not ready to accept yet";
    ACCEPT_FAILED Error 0 "sync.go:0" "error accepting challenge";
    WAIT_AUTHORIZATION_FAILED Error 0 "sync.go:386" "error waiting for authorization";
    NON_ACME_ERROR Error 0 "sync.go:0" "unexpected non-ACME API error";
    TRANSIENT_NON_ACME_ERROR Error 0 "sync.go:0" "transient non-ACME API error, will retry";
    CLEAN_UP_FAILED Error 0 "sync.go:0" "error cleaning up challenge";

    // HTTP-01 solver
    POD_FOUND Info 0 "pod.go:59" "found one existing HTTP01 solver pod";
    POD_CREATE Info 2 "pod.go:71" "creating HTTP01 challenge solver pod";
    PODS_MULTIPLE Info 2 "pod.go:63" "multiple challenge solver pods found for challenge. cleaning up all existing pods.";
    SERVICE_FOUND Info 0 "service.go:43" "found one existing HTTP01 solver Service for challenge resource";
    SERVICE_CREATE Info 4 "service.go:55" "creating HTTP01 challenge solver service";
    SERVICES_MULTIPLE Info 4 "service.go:47" "multiple challenge solver services found for challenge. cleaning up all existing services.";
    INGRESS_FOUND Info 0 "ingress.go:98" "found one existing HTTP01 solver ingress";
    INGRESS_CREATE Info 4 "ingress.go:118" "creating HTTP01 challenge solver ingress";
    INGRESSES_MULTIPLE Info 2 "ingress.go:110" "multiple challenge solver ingresses found for challenge. cleaning up all existing ingresses.";
    INGRESS_SERVICE_CHANGED Info 4 "ingress.go:102" "service name changed. cleaning up all existing ingresses.";
    INGRESS_EDIT Info 4 "ingress.go:90" "adding solver paths to existing ingress resource";
    NAMED_INGRESS_GONE Error 0 "ingress.go:315" "named ingress resource not found, skipping cleanup";
    FOREIGN_POD Info 0 "pod.go:99" "found existing solver pod for this challenge resource, however it does not have an appropriate OwnerReference referencing this challenge. Skipping it altogether.";
    FOREIGN_SERVICE Info 0 "service.go:82" "found existing solver pod for this challenge resource, however it does not have an appropriate OwnerReference referencing this challenge. Skipping it altogether.";
    FOREIGN_INGRESS Info 0 "ingress.go:68" "found existing solver ingress for this challenge resource, however it does not have an appropriate OwnerReference referencing this challenge. Skipping it altogether.";
    ROUTES_GET Info 0 "httproute.go:67" "getting httpRoutes for challenge";
    ROUTE_CREATE Info 0 "httproute.go:47" "creating HTTPRoute for challenge";
    ROUTE_FOUND Info 0 "httproute.go:55" "Found existing HTTPRoute for challenge";
    ROUTE_EXTRA Info 0 "httproute.go:79" "Deleting extra HTTPRoute";
    ROUTE_OUTDATED Info 0 "httproute.go:126" "HTTPRoute is out of date, updating";

    // TLS-ALPN-01 solver: Rehearse's own, so there is no place in the release's source.
    ALPN_POD_FOUND Info 0 "tlsalpn01.rs:0" "found one existing TLS-ALPN-01 solver pod";
    ALPN_POD_CREATE Info 2 "tlsalpn01.rs:0" "creating TLS-ALPN-01 challenge solver pod";
    ALPN_SERVICE_FOUND Info 0 "tlsalpn01.rs:0" "found one existing TLS-ALPN-01 solver Service for challenge resource";
    ALPN_SERVICE_CREATE Info 4 "tlsalpn01.rs:0" "creating TLS-ALPN-01 challenge solver service";
    ALPN_INGRESS_FOUND Info 0 "tlsalpn01.rs:0" "found one existing TLS-ALPN-01 solver ingress";
    ALPN_INGRESS_CREATE Info 4 "tlsalpn01.rs:0" "creating TLS-ALPN-01 challenge solver ingress";

    // DNS-01 solver; the lines of wait.go are plain.
    DNS01_PRESENT_EXTERNAL Info 2 "dns.go:88" "presenting DNS01 challenge for domain";
    DNS01_PRESENT Info 4 "dns.go:102" "presenting DNS01 challenge for domain";
    DNS01_CHECK Info 4 "dns.go:116" "checking DNS propagation";
    DNS01_SETTLE Info 4 "dns.go:128" "waiting DNS record TTL to allow the DNS01 record to propagate for domain";
    DNS01_PROPAGATED Info 4 "dns.go:130" "ACME DNS01 validation record propagated";
    DNS01_CLEAN_UP Info 4 "dns.go:146" "cleaning up DNS01 challenge";
    DNS_ALIAS Info 4 "wait.go:90" "Updating FQDN: %s with its CNAME: %s";
    DNS_TXT Info 4 "wait.go:141" "Looking up TXT records for %q";
    DNS_TCP Info 4 "wait.go:179" "UDP dns lookup failed, retrying with TCP: %v";
    DNS_SEARCH Info 4 "wait.go:298" "Searching fqdn %q using seed nameservers [%s]";
    DNS_AUTHORITIES Info 4 "wait.go:316" "Returning authoritative nameservers [%s]";
    DNS_ZONE_CACHED Info 4 "wait.go:329" "Returning cached zone record %q for fqdn %q";
    DNS_ZONE_FOUND Info 4 "wait.go:383" "Returning discovered zone record %q for fqdn %q";
    WEBHOOK_PRESENTED Info 4 "webhook.go:63" "Present call succeeded";
    WEBHOOK_CLEANED Info 4 "webhook.go:99" "CleanUp call succeeded";

    // issuers
    ISSUER_GONE Error 0 "controller.go:133" "issuer in work queue no longer exists";
    CLUSTER_ISSUER_GONE Error 0 "controller.go:141" "clusterissuer in work queue no longer exists";
    ISSUER_SETUP_FAILED Info 1 "sync.go:60" "Error initializing issuer";
    CLUSTER_ISSUER_SETUP_FAILED Error 0 "sync.go:60" "error setting up issuer";
    CA_CERTIFICATE_UNUSABLE Error 0 "setup.go:48" "error getting signing CA TLS certificate";
    CA_KEY_UNUSABLE Error 0 "setup.go:57" "error getting signing CA private key";
    CA_IS_NO_CA Error 0 "setup.go:67" "signing certificate is not a CA";
    VENAFI_NOT_SET_UP Error 0 "setup.go:34" "Failed to setup Venafi issuer";
    VAULT_NOT_SET_UP Info 1 "setup.go:0" "name of the issuer: what is wrong";
    ACCOUNT_KEY_GENERATED Info 2 "setup.go:0" "generating acme account private key";
    ACCOUNT_CACHED Info 2 "setup.go:0" "skipping re-verifying ACME account as cached registration details look sufficient";
    ACCOUNT_HOST_CHANGED Info 2 "setup.go:0" "ACME server URL host and ACME private key registration host differ. Re-checking ACME account registration";
    ACCOUNT_VERIFIED Info 2 "setup.go:0" "verified existing registration with ACME server";
    ACCOUNT_REGISTRATION_FAILED Error 0 "setup.go:0" "failed to register an ACME account";
    ACCOUNT_NOT_RETRIED Error 0 "setup.go:0" "skipping retrying account registration as a BadRequest response was returned from the ACME server";
    ACCOUNT_NOT_VERIFIED Error 0 "setup.go:230" "failed to verify ACME account";
    ACCOUNT_UPDATE_FAILED Error 0 "setup.go:287" "failed to update ACME account";
    ACCOUNT_UPDATE_NOT_RETRIED Error 0 "setup.go:300" "skipping updating account email as a BadRequest response was returned from the ACME server";
    // Rehearse's own.
    ACCOUNT_KEY_CHANGED Info 2 "setup.go:0" "changed the key of the ACME account";

    // ingress-shim, gateway-shim
    INGRESS_GONE Error 0 "controller.go:102" "ingress in work queue no longer exists";
    GATEWAY_GONE Error 0 "controller.go:100" "Gateway in work queue no longer exists";
    SHIM_NO_ISSUER Error 0 "sync.go:106" "failed to determine issuer to be used for ingress resource";
    SHIM_CERTIFICATE_UNOWNED Info 2 "sync.go:369" "certificate resource has no owner. refusing to update non-owned certificate resource for object";
    SHIM_CERTIFICATE_FOREIGN Info 2 "sync.go:374" "certificate resource is not owned by this object. refusing to update non-owned certificate resource for object";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 17 markers that the document's log pins.
    #[test]
    fn the_markers_of_the_documents_log_are_in_the_catalogue() {
        for marker in [
            "trigger_controller.go:181",
            "controller.go:161",
            "controller.go:163",
            "controller.go:102",
            "controller.go:211",
            "conditions.go:201",
            "conditions.go:250",
            "conditions.go:261",
            "pod.go:59",
            "pod.go:71",
            "service.go:43",
            "ingress.go:98",
            "ingress.go:110",
            "sync.go:186",
            "sync.go:386",
            "sync.go:70",
            "acme.go:209",
        ] {
            assert!(ALL.iter().any(|m| m.v1_7 == marker), "{marker}");
        }
    }
}
