//! Every way in which a signed request is refused.

use proptest::prelude::{any, prop, proptest};
use serde_json::json;
use world::{KeyAlgorithm, PrivateKey, Rng};

use super::*;
use crate::dialect::DialectName;
use crate::wfe::jwk::WeakKey;

const BOULDER: &Dialect = DialectName::Boulder.table();

const URL: &str = "https://acme.test/acme/new-order";

fn key(seed: u64, algorithm: KeyAlgorithm) -> PrivateKey {
    let run = world::sim::run(world::sim::Config { seed, ..Default::default() }, move |world| async move {
        world.keys("key").generate(algorithm).unwrap()
    });
    run.unwrap().value
}

fn jwk(key: &PrivateKey) -> Value {
    serde_json::from_str(&key.public().jwk()).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(key: &PrivateKey, header: &Value, payload: &str) -> Value {
    let (protected, payload) = (encode(header.to_string()), encode(payload));
    let signature = key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
    json!({ "protected": protected, "payload": payload, "signature": encode(signature) })
}

/// A server with one nonce, and the whole way of a request with a key through it.
struct Bench {
    key: PrivateKey,
    nonces: Nonces,
    nonce: String,
}

impl Bench {
    fn new(algorithm: KeyAlgorithm) -> Self {
        let mut nonces = Nonces::new(Rng::from_seed(1), 10, true, 32);
        let nonce = nonces.issue();
        Bench { key: key(1, algorithm), nonces, nonce }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.key.jws_algorithm(), "jwk": jwk(&self.key), "nonce": self.nonce, "url": URL })
    }

    fn check(&mut self, body: &Value) -> Result<Payload, Problem> {
        let jws = Jws::parse(body.to_string().as_bytes(), BOULDER)?;
        match jws.identity()? {
            Some(Identity::Key(key)) => jws.verify(&key, &mut self.nonces, URL),
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self, body: &Value) -> (ProblemKind, String) {
        let problem = self.check(body).unwrap_err();
        (problem.kind, problem.detail)
    }
}

#[test]
fn a_good_request_passes_once() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa(2048)] {
        let mut bench = Bench::new(algorithm);
        let body = signed(&bench.key, &bench.header(), "{\"a\":1}");
        assert_eq!(bench.check(&body).unwrap().json(), json!({ "a": 1 }));
        assert_eq!(bench.refusal(&body).0, ProblemKind::BadNonce);
    }
}

#[test]
fn a_post_as_get_has_no_payload() {
    let mut bench = Bench::new(KeyAlgorithm::EcdsaP256);
    let body = signed(&bench.key, &bench.header(), "");
    assert!(bench.check(&body).unwrap().is_empty());
}

#[test]
fn headers_that_are_refused() {
    use ProblemKind::{BadNonce, BadSignatureAlgorithm, Malformed};
    let cases: &[(&str, Value, ProblemKind, &str)] = &[
        (
            "alg",
            json!("HS256"),
            BadSignatureAlgorithm,
            "JWS signature header contains unsupported algorithm \"HS256\", expected one of [RS256 ES256 ES384 ES512]",
        ),
        ("alg", json!("none"), BadSignatureAlgorithm, "unsupported algorithm \"none\""),
        ("alg", Value::Null, BadSignatureAlgorithm, "unsupported algorithm \"\""),
        (
            "alg",
            json!("RS256"),
            Malformed,
            "JWS signature header algorithm \"RS256\" does not match expected algorithm \"ES256\" for JWK",
        ),
        ("alg", json!(7), Malformed, "Parse error reading JWS"),
        (
            "kid",
            json!("https://acme.test/acme/acct/1"),
            Malformed,
            "jwk and kid header fields are mutually exclusive",
        ),
        ("jwk", json!({}), Malformed, "Invalid JWK in JWS header"),
        (
            "jwk",
            json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" }),
            Malformed,
            "Invalid JWK in JWS header",
        ),
        (
            "jwk",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }),
            Malformed,
            "Invalid JWK in JWS header",
        ),
        ("nonce", Value::Null, BadNonce, "JWS has no anti-replay nonce"),
        ("nonce", json!(""), BadNonce, "JWS has no anti-replay nonce"),
        ("nonce", json!("other"), BadNonce, "JWS has an invalid anti-replay nonce: \"other\""),
        ("url", Value::Null, Malformed, "JWS header parameter 'url' required"),
        ("url", json!(7), Malformed, "JWS header parameter 'url' required"),
        (
            "url",
            json!("https://acme.test/other"),
            Malformed,
            "JWS header parameter 'url' incorrect. Expected \"https://acme.test/acme/new-order\" got \"https://acme.test/other\"",
        ),
    ];
    for (member, value, kind, detail) in cases {
        let mut bench = Bench::new(KeyAlgorithm::EcdsaP256);
        let mut header = bench.header();
        header[*member] = value.clone();
        let body = signed(&bench.key, &header, "{}");
        let refusal = bench.refusal(&body);
        assert!(refusal.0 == *kind && refusal.1.contains(detail), "{member}={value}: {refusal:?}");
    }
}

#[test]
fn the_algorithms_are_named_in_the_problem() {
    let bench = Bench::new(KeyAlgorithm::EcdsaP256);
    let mut header = bench.header();
    header["alg"] = json!("EdDSA");
    let problem = Jws::parse(signed(&bench.key, &header, "{}").to_string().as_bytes(), BOULDER).unwrap_err();
    assert_eq!(problem.to_json()["algorithms"], json!(["RS256", "ES256", "ES384", "ES512"]));
}

#[test]
fn forms_that_are_refused() {
    let not_signed = "POST JWS not signed";
    let cases: &[(&str, Value, &str)] = &[
        ("header", json!({ "alg": "ES256" }), "JWS \"header\" field not allowed"),
        ("signatures", json!([{}]), "JWS \"signatures\" field not allowed"),
        ("signature", Value::Null, not_signed),
        ("signature", json!(""), not_signed),
        ("signature", json!("a+b"), "Parse error reading JWS"),
        ("signature", json!("AAAA"), "JWS verification error"),
        ("payload", json!("AAAA"), "JWS verification error"),
        ("payload", json!("="), "Parse error reading JWS"),
        ("protected", json!(""), "Parse error reading JWS"),
        ("protected", json!(encode("7")), "Parse error reading JWS"),
    ];
    for (member, value, detail) in cases {
        let mut bench = Bench::new(KeyAlgorithm::EcdsaP256);
        let mut body = signed(&bench.key, &bench.header(), "{}");
        body[*member] = value.clone();
        let refusal = bench.refusal(&body);
        let right = refusal.0 == ProblemKind::Malformed && refusal.1.contains(detail);
        assert!(right, "{member}={value}: {refusal:?}");
        // A request that nobody has signed spends no nonce.
        let good = signed(&bench.key, &bench.header(), "{}");
        assert!(bench.check(&good).is_ok(), "{member}={value}");
    }
}

#[test]
fn a_payload_that_is_no_json_is_refused() {
    let mut bench = Bench::new(KeyAlgorithm::EcdsaP256);
    let body = signed(&bench.key, &bench.header(), "{");
    let detail = bench.refusal(&body).1;
    assert!(detail.starts_with("Request payload did not parse as JSON: EOF"), "{detail}");
}

#[test]
fn an_algorithm_inside_of_the_jwk_must_be_the_same() {
    let mut bench = Bench::new(KeyAlgorithm::EcdsaP256);
    let mut header = bench.header();
    header["jwk"]["alg"] = json!("ES384");
    let body = signed(&bench.key, &header, "{}");
    assert!(bench.refusal(&body).1.starts_with("JWK key header algorithm \"ES384\" does not match"));
}

#[test]
fn keys_that_are_too_weak() {
    let of = |algorithm| jwk(&key(3, algorithm));
    let rsa =
        |bits: usize, e: &[u8]| json!({ "kty": "RSA", "n": encode(vec![0xff; bits / 8]), "e": encode(e) });
    let good: &[u8] = &[1, 0, 1];
    for (jwk, expected) in [
        (of(KeyAlgorithm::EcdsaP256), Ok(())),
        (of(KeyAlgorithm::EcdsaP384), Ok(())),
        (of(KeyAlgorithm::EcdsaP521), Err(WeakKey::Curve("P-521"))),
        (of(KeyAlgorithm::Ed25519), Err(WeakKey::Curve("Ed25519"))),
        (rsa(2048, good), Ok(())),
        (rsa(4096, good), Ok(())),
        (rsa(1024, good), Err(WeakKey::RsaSize(1024))),
        (rsa(2056, good), Err(WeakKey::RsaSize(2056))),
        (rsa(2048, &[3]), Err(WeakKey::RsaExponent)),
    ] {
        assert_eq!(Jwk::parse(&jwk).unwrap().check_strength(), expected, "{jwk}");
    }
}

#[test]
fn an_account_key_is_the_same_key_from_both_sides() {
    use KeyAlgorithm::{EcdsaP256, EcdsaP384, EcdsaP521, Ed25519, Rsa};
    for (algorithm, name) in [
        (Rsa(2048), "RS256"),
        (EcdsaP256, "ES256"),
        (EcdsaP384, "ES384"),
        (EcdsaP521, "ES512"),
        (Ed25519, "EdDSA"),
    ] {
        let key = key(3, algorithm);
        let parsed = Jwk::of(key.public());
        assert_eq!(parsed.thumbprint(), key.public().thumbprint());
        assert_eq!((parsed.to_json(), parsed.algorithm()), (jwk(&key), name));
        assert_eq!(Jwk::parse(&jwk(&key)).as_ref(), Some(&parsed));
        let signature = key.sign_jws(b"message").signature;
        assert!(parsed.verify(b"message", &signature) && !parsed.verify(b"massage", &signature));
    }
}

#[test]
fn what_is_no_key_is_none() {
    let point = |x: u8| json!({ "kty": "EC", "crv": "P-256", "x": encode([x; 32]), "y": encode([2; 32]) });
    for jwk in [point(1), json!({ "kty": "RSA", "n": "", "e": "AQAB" }), json!({ "kty": "oct", "k": "AA" })] {
        assert_eq!(Jwk::parse(&jwk), None, "{jwk}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Jws::parse(&body, BOULDER);
    }

    #[test]
    fn reading_what_looks_like_a_request_never_panics(
        header in "\\{(\"(alg|kid|jwk|url|nonce)\":(\"[A-Z0-9]{0,6}\"|\\{\\}|7|null),?){0,4}\\}",
        payload in "[A-Za-z0-9_=-]{0,12}",
        signature in "[A-Za-z0-9_=-]{0,12}",
    ) {
        let body = json!({ "protected": encode(header), "payload": payload, "signature": signature });
        if let Ok(jws) = Jws::parse(body.to_string().as_bytes(), BOULDER) {
            let _ = jws.identity();
            let _ = jws.payload();
        }
    }

    #[test]
    fn reading_a_key_never_panics(kty in "RSA|EC", crv in "P-256|P-384|x", a in "[A-Za-z0-9_-]{0,90}", b in "[A-Za-z0-9_-]{0,90}") {
        let jwk = json!({ "kty": kty, "crv": crv, "x": a, "y": b, "n": a, "e": b });
        if let Some(key) = Jwk::parse(&jwk) {
            let _ = key.check_strength();
            let _ = key.verify(b"message", b"signature");
        }
    }
}
