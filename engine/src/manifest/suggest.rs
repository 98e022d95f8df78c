//! The nearest known name for an unknown one.

/// How many known names are listed.
const FEW: usize = 12;

/// The known name that is meant, probably.
pub(crate) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let lower = name.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let (near, distance) =
        known.iter().map(|known| (*known, distance(known))).min_by_key(|(_, distance)| *distance)?;
    let length = name.chars().count().min(near.chars().count());
    (distance <= (length / 3).max(1) && distance < length).then_some(near)
}

/// What to write instead of an unknown name.
pub(super) fn advice(name: &str, known: &[&str]) -> Option<String> {
    if let Some(near) = nearest(name, known) {
        return Some(format!("did you mean `{near}`?"));
    }
    (1..=FEW).contains(&known.len()).then(|| {
        let quoted: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
        format!("the fields here are {}", quoted.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_recognised_and_strangers_are_not() {
        let known = ["server", "email", "privateKeySecretRef", "metadata", "duration", "ca"];
        for (typo, meant) in [
            ("srver", "server"),
            ("meteadata", "metadata"),
            ("duraton", "duration"),
            ("privatekeysecretref", "privateKeySecretRef"),
            ("CA", "ca"),
        ] {
            assert_eq!(nearest(typo, &known), Some(meant), "{typo}");
        }
        assert_eq!(nearest("http01", &known), None);
        assert_eq!(nearest("x", &["y"]), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn strangers_are_told_the_names_when_they_are_few() {
        assert_eq!(advice("http01", &["name", "key"]).unwrap(), "the fields here are `name`, `key`");
        assert_eq!(advice("http01", &["aaaaaaaa"; 13]), None);
    }
}
