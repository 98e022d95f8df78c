//! Response codes by the mnemonics that `dig` prints.

use hickory_proto::op::ResponseCode;

const NAMES: [(ResponseCode, &str); 12] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::YXDomain, "YXDOMAIN"),
    (ResponseCode::YXRRSet, "YXRRSET"),
    (ResponseCode::NXRRSet, "NXRRSET"),
    (ResponseCode::NotAuth, "NOTAUTH"),
    (ResponseCode::NotZone, "NOTZONE"),
    (ResponseCode::BADVERS, "BADVERS"),
];

/// The mnemonic of a code, or `RCODE` and its number.
pub(crate) fn code_name(code: ResponseCode) -> String {
    let name = NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("RCODE{}", u16::from(code)))
}

/// The code of a mnemonic, in any case.
pub(crate) fn code(text: &str) -> Option<ResponseCode> {
    let text = text.to_ascii_uppercase();
    let named = NAMES.iter().find(|(_, name)| *name == text).map(|(code, _)| *code);
    named.or_else(|| {
        let number: u16 = text.strip_prefix("RCODE")?.parse().ok()?;
        (number < 4096).then(|| number.into())
    })
}

/// A code's mnemonic, for `#[serde(with)]`.
pub(crate) mod text {
    use hickory_proto::op::ResponseCode;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(code: &ResponseCode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::code_name(*code))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResponseCode, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::code(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no response code: expected NOERROR, SERVFAIL, NXDOMAIN, …"
            ))
        })
    }
}
