//! The names of fields as kubectl writes them: `lastTransitionTime` is `Last Transition Time`.

/// Words that stay in capitals.
const ACRONYMS: [&str; 5] = ["API", "URL", "UID", "OSB", "GUID"];

/// A field's name in words. One with other characters than letters and `-` stays as it is.
pub(super) fn label(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let word = |word: &String| {
        let upper = word.to_uppercase();
        if ACRONYMS.contains(&upper.as_str()) {
            return upper;
        }
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    };
    words(field).iter().map(word).collect::<Vec<String>>().join(" ")
}

/// Camel case in words: a change of case begins one; the last capital of several belongs to the small letters after.
fn words(field: &str) -> Vec<String> {
    let class = |c: char| {
        if c.is_lowercase() {
            1
        } else if c.is_uppercase() {
            2
        } else {
            3
        }
    };
    let mut runs: Vec<String> = Vec::new();
    let mut last = 0;
    for c in field.chars() {
        match runs.last_mut() {
            Some(run) if class(c) == last => run.push(c),
            _ => runs.push(c.to_string()),
        }
        last = class(c);
    }
    for i in 1..runs.len() {
        let capitals = runs[i - 1].chars().all(char::is_uppercase);
        if capitals
            && runs[i].chars().all(char::is_lowercase)
            && let Some(c) = runs[i - 1].pop()
        {
            runs[i].insert(0, c);
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_in_words() {
        for (field, text) in [
            ("lastTransitionTime", "Last Transition Time"),
            ("dnsNames", "Dns Names"),
            ("apiVersion", "API Version"),
            ("authorizationURL", "Authorization URL"),
            ("uid", "UID"),
            ("caBundle", "Ca Bundle"),
            ("clusterIPs", "Cluster I Ps"),
            ("http01", "http01"),
            ("tls.crt", "tls.crt"),
            ("pre-shared", "Pre - Shared"),
        ] {
            assert_eq!(label(field), text);
        }
    }
}
