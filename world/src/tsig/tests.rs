//! Vectors of BIND, codes, and arbitrary bytes.

use super::*;
use proptest::prelude::*;

const SECRET: &str = "c2VjcmV0IG9mIHRoZSBrZXk=";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |c: u8| u8::try_from(char::from(c).to_digit(16).unwrap()).unwrap();
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn key(algorithm: Algorithm) -> Key {
    Key::new("Key.Example", algorithm, SECRET).unwrap()
}

/// What `dig -y hmac-…:Key.Example.:… a.test TXT` of BIND 9.18 sent.
const QUESTIONS: [(Algorithm, &str); 4] = [
    (
        Algorithm::HmacMd5,
        "500901200001000000000001016104746573740000100001036b6579076578616d706c650000fa00ff00000000003a08\
         686d61632d6d6435077369672d616c670372656703696e740000006b08edcc012c0010ef434a9cf86f3f055872442aa5\
         4d51af500900000000",
    ),
    (
        Algorithm::HmacSha1,
        "4d8b01200001000000000001016104746573740000100001036b6579076578616d706c650000fa00ff00000000002f09\
         686d61632d736861310000006b08edcd012c0014ad62a0eac32735d53690811d606d21276eeed3ab4d8b00000000",
    ),
    (
        Algorithm::HmacSha256,
        "e55c01200001000000000001016104746573740000100001036b6579076578616d706c650000fa00ff00000000003d0b\
         686d61632d7368613235360000006b08edce012c002079f4a923c4739cfdbe12bebe6437893f4ed95888cf08b5600ddc\
         1a70585a5312e55c00000000",
    ),
    (
        Algorithm::HmacSha512,
        "24e301200001000000000001016104746573740000100001036b6579076578616d706c650000fa00ff00000000005d0b\
         686d61632d7368613531320000006b08edcf012c004000ddd68a380cb3383bf95e191521c24e467b0f5b9886122e5812\
         9527d0404d0582a7c891d221ccffa1fa99c7e54df81bcc9654b418bfdce7f664a505d5b84a7424e300000000",
    ),
];

/// An update that `nsupdate` sent, and the answer of `named` (BIND 9.18).
const UPDATE: &str = "96e428000001000000010001076578616d706c65047465737400000600010f5f61636d652d6368616c6c656e\
                      6765c00c001000010000003c00060576616c7565036b6579076578616d706c650000fa00ff00000000003d0b\
                      686d61632d7368613235360000006b08edd2012c00207e4f6dd4daef688f5e60ce3af73b9acbbd62915edf11\
                      c4899df9c498d5d7ce2f96e400000000";
const ANSWER: &str = "96e4a8000001000000000001076578616d706c6504746573740000060001036b6579076578616d706c650000\
                      fa00ff00000000003d0b686d61632d7368613235360000006b08edd2012c002005abd6d2ece40944a4f869d0\
                      9f953b8a0d950c8bfc42b81d836def934dcb760296e400000000";

fn at(signed: &Signed) -> Timestamp {
    Timestamp::from_unix_secs(i64::try_from(signed.signature.time).unwrap())
}

#[test]
fn questions_that_bind_signed_are_good_and_are_signed_the_same_here() {
    for (algorithm, hex) in QUESTIONS {
        let wire = bytes(hex);
        let signed = find(&wire).unwrap().unwrap();
        assert_eq!(key(algorithm).verify(&signed, at(&signed), None), Ok(()), "{algorithm:?}");
        let (again, signature) = key(algorithm).sign(signed.message.clone(), at(&signed));
        assert_eq!(again, wire, "{algorithm:?}");
        assert_eq!(signature.mac, signed.signature.mac);
        assert_eq!(again.len() - signed.message.len(), key(algorithm).signature_bytes());
    }
}

#[test]
fn an_answer_is_checked_against_its_question() {
    let question = find(&bytes(UPDATE)).unwrap().unwrap();
    let answer = find(&bytes(ANSWER)).unwrap().unwrap();
    let key = key(Algorithm::HmacSha256);
    assert_eq!(key.verify(&question, at(&question), None), Ok(()));
    assert_eq!(key.verify(&answer, at(&answer), Some(&question.signature)), Ok(()));
    assert_eq!(key.verify(&answer, at(&answer), None), Err(TsigError::BadSig));
    let ours = key.sign_answer(answer.message.clone(), at(&answer), &question.signature, None);
    assert_eq!(ours, bytes(ANSWER));
}

#[test]
fn what_is_wrong_has_its_code() {
    let signed = find(&bytes(UPDATE)).unwrap().unwrap();
    let (now, good) = (at(&signed), key(Algorithm::HmacSha256));
    let other = Key::new("key.example", Algorithm::HmacSha256, "b3RoZXI=").unwrap();
    assert_eq!(other.verify(&signed, now, None), Err(TsigError::BadSig));
    let named = Key::new("other.example", Algorithm::HmacSha256, SECRET).unwrap();
    assert_eq!(named.verify(&signed, now, None), Err(TsigError::BadKey));
    assert_eq!(key(Algorithm::HmacSha1).verify(&signed, now, None), Err(TsigError::BadKey));
    let later = |secs| now + std::time::Duration::from_secs(secs);
    assert_eq!(good.verify(&signed, later(300), None), Ok(()));
    assert_eq!(good.verify(&signed, later(301), None), Err(TsigError::BadTime));
    // The server says when it came; its answer counts although the time in it is the question's.
    let answer = find(&bytes(ANSWER)).unwrap().unwrap().message;
    let told = good.sign_answer(answer.clone(), later(301), &signed.signature, Some(TsigError::BadTime));
    let told = find(&told).unwrap().unwrap();
    assert_eq!(good.verify(&told, now, Some(&signed.signature)), Ok(()));
    assert_eq!((told.signature.error, told.signature.other.len()), (18, 6));
    let refused = find(&signed.signature.refused(answer, TsigError::BadKey)).unwrap().unwrap();
    assert_eq!((refused.signature.error, refused.signature.mac.len()), (17, 0));
    let mut short = signed.clone();
    short.signature.mac.truncate(16);
    assert_eq!(good.verify(&short, now, None), Err(TsigError::BadSig));
}

#[test]
fn a_key_needs_a_name_and_a_secret() {
    let bad = |name: &str, secret: &str| Key::new(name, Algorithm::HmacSha1, secret).unwrap_err();
    assert_eq!(bad("a..b", SECRET).to_string(), "TSIG key \"a..b\": expected a domain name");
    assert_eq!(bad("a", "?").to_string(), "TSIG key \"a\": expected a secret in base64");
    assert_eq!(bad("a", "").to_string(), "TSIG key \"a\": expected a secret in base64");
    assert_eq!(format!("{:?}", key(Algorithm::HmacSha1)), "Key(Key.Example. hmac-sha1.)");
    assert_eq!(Algorithm::from_name("HMAC-MD5.SIG-ALG.REG.INT"), Some(Algorithm::HmacMd5));
    assert_eq!(Algorithm::from_name("gss-tsig"), None);
}

#[test]
fn a_signature_is_the_last_record() {
    let wire = bytes(UPDATE);
    let signed = find(&wire).unwrap().unwrap();
    assert_eq!(find(&signed.message), Ok(None));
    let twice = signed.signature.attach(wire.clone());
    assert_eq!(find(&twice), Err(Malformed));
    let mut behind = wire.clone();
    behind.push(0);
    assert_eq!(find(&behind), Err(Malformed));
    for end in 0..wire.len() {
        assert_eq!(find(&wire[..end]), Err(Malformed), "{end}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_apart_or_refused(message in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = find(&message);
    }

    /// A changed bit anywhere is noticed: it is malformed, or the digest does not fit.
    #[test]
    fn no_changed_bit_goes_unnoticed(at_bit in 0_usize..UPDATE.len() * 4) {
        let mut wire = bytes(UPDATE);
        let now = at(&find(&wire).unwrap().unwrap());
        let at_bit = at_bit % (wire.len() * 8);
        wire[at_bit / 8] ^= 1 << (at_bit % 8);
        // The id travels apart from the signed one, and names are compared without case.
        let letter_case = at_bit % 8 == 5;
        if at_bit >= 16 && !letter_case {
            let good = matches!(find(&wire), Ok(Some(signed))
                if key(Algorithm::HmacSha256).verify(&signed, now, None).is_ok());
            // The TTL of the signature's own record is 0 in what is signed, whatever it says.
            let record = wire.len() - key(Algorithm::HmacSha256).signature_bytes();
            let ttl = record + 17..record + 21;
            prop_assert!(!good || ttl.contains(&(at_bit / 8)), "bit {}", at_bit);
        }
    }
}
