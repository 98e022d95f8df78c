//! Keys, certificates and requests, in DER and PEM.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = world::PublicKey::from_spki(bytes) {
        assert_eq!(world::PublicKey::from_spki(&key.spki()), Ok(key));
    }
    let _ = world::PrivateKey::from_pem(bytes);
    let _ = world::PrivateKey::from_pkcs8(bytes);
    let _ = engine::pki::leaf(bytes);
    let _ = engine::pki::request(bytes);
    for label in ["CERTIFICATE", "CERTIFICATE REQUEST"] {
        let pem = world::keys::pem_encode(label, bytes);
        let _ = engine::pki::leaf(pem.as_bytes());
        let _ = engine::pki::request(pem.as_bytes());
    }
});
