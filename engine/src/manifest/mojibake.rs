//! Text that was decoded with the wrong code page: UTF-8 taken for Windows-1252.

/// The characters of Windows-1252 from 0x80 to 0x9F; what it leaves undefined stays a control character.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The byte that Windows-1252 (or Latin-1) shows as this character.
fn byte(c: char) -> Option<u8> {
    if let Some(at) = HIGH.iter().position(|high| *high == c) {
        return u8::try_from(0x80 + at).ok();
    }
    u8::try_from(u32::from(c)).ok().filter(|byte| *byte >= 0x80)
}

/// The text as it was meant, with the offset of each place that was mended (in the old text).
pub(super) fn mend(text: &str) -> (String, Vec<usize>) {
    let (mut mended, mut places) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        mended.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let run = rest.find(|c: char| c.is_ascii()).unwrap_or(rest.len());
        let (wrong, after) = rest.split_at(run);
        let bytes: Option<Vec<u8>> = wrong.chars().map(byte).collect();
        match bytes.map(String::from_utf8) {
            Some(Ok(right)) if !wrong.is_empty() => {
                places.push(text.len() - rest.len());
                mended.push_str(&right);
            }
            _ => mended.push_str(wrong),
        }
        rest = after;
    }
    (mended, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_that_was_taken_for_windows_1252_is_read_again() {
        for (wrong, right) in [
            ("# Ã¼ber â‚¬", "# über €"),
            ("ç”¨äºŽACME", "用于ACME"),
            // Not mojibake: these bytes are no UTF-8.
            ("café, naïve", "café, naïve"),
            ("用于", "用于"),
            ("", ""),
        ] {
            assert_eq!(mend(wrong).0, right);
        }
        assert_eq!(mend("a Ã¼b â‚¬").1, [2, 8]);
    }
}
