//! Whose a Secret is that several Certificates name.

use crate::api::{Certificate, Secret};

use super::ANNOTATION_CERTIFICATE_NAME;

/// Whether `certificate` may issue into the Secret that it names. `rivals` are all Certificates of the namespace that name
/// the same one: the owner is the one that the Secret names in its annotation, else the oldest, of these the first by
/// name.
pub(super) fn owns_secret(
    certificate: &Certificate,
    rivals: &[&Certificate],
    secret: Option<&Secret>,
) -> bool {
    let named = secret.and_then(|s| s.metadata.annotations.get(ANNOTATION_CERTIFICATE_NAME));
    let named = named.filter(|name| rivals.iter().any(|rival| rival.metadata.name == **name));
    let oldest = || {
        let age = |c: &&'_ &Certificate| c.metadata.creation_timestamp;
        let first = |a: &&&Certificate, b: &&&Certificate| {
            age(a).cmp(&age(b)).then_with(|| a.metadata.name.cmp(&b.metadata.name))
        };
        rivals.iter().min_by(first).map(|c| &c.metadata.name)
    };
    named.or_else(oldest) == Some(&certificate.metadata.name)
}

#[cfg(test)]
mod tests {
    use world::Timestamp;

    use super::*;
    use crate::api::Time;

    fn certificate(name: &str, created: i64) -> Certificate {
        let mut c = Certificate::default();
        c.metadata.name = name.into();
        c.metadata.creation_timestamp = Some(Time::new(Timestamp::from_unix_secs(created)));
        c
    }

    #[test]
    fn of_several_certificates_the_one_in_the_annotation_owns_the_secret_else_the_oldest() {
        let (a, b, c) = (certificate("a", 20), certificate("b", 10), certificate("c", 10));
        let all = [&a, &b, &c];
        let owners = |secret: Option<&Secret>| {
            all.iter()
                .filter(|x| owns_secret(x, &all, secret))
                .map(|x| x.metadata.name.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(owners(None), ["b"], "the oldest, by name");
        let mut secret = Secret::default();
        assert_eq!(owners(Some(&secret)), ["b"]);
        secret.metadata.annotations.insert(ANNOTATION_CERTIFICATE_NAME.into(), "a".into());
        assert_eq!(owners(Some(&secret)), ["a"]);
        secret.metadata.annotations.insert(ANNOTATION_CERTIFICATE_NAME.into(), "gone".into());
        assert_eq!(owners(Some(&secret)), ["b"]);
        assert!(owns_secret(&a, &[&a], None));
    }
}
