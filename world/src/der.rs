//! One element of DER: its tag, its length, its contents (X.690 section 8.1).

/// An element with these contents.
pub fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let n = contents.len();
    if n < 0x80 {
        out.push(n as u8);
    } else {
        let bytes = n.to_be_bytes();
        let skip = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(contents);
    out
}

/// The contents of the first element, if it has this tag, and what follows it.
pub fn read_tlv(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*short) {
        n if n < 0x80 => (n, rest),
        n => {
            let (bytes, rest) = rest.split_at_checked(n & 0x7f).filter(|(b, _)| b.len() <= 4)?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_bytes_that_they_need_and_are_read_back() {
        for (len, head) in
            [(3, &[4, 3][..]), (127, &[4, 127]), (128, &[4, 0x81, 128]), (300, &[4, 0x82, 1, 44])]
        {
            let (contents, rest) = (vec![7; len], [8]);
            let der = [tlv(4, &contents).as_slice(), &rest].concat();
            assert!(der.starts_with(head), "{len}");
            assert_eq!(read_tlv(&der, 4), Some((contents.as_slice(), &rest[..])));
            assert_eq!(read_tlv(&der, 5), None);
            assert_eq!(read_tlv(&der[..len], 4), None, "cut off");
        }
        for bad in [&[][..], &[4], &[4, 0x82, 1], &[4, 0x85, 0, 0, 0, 0, 1, 7]] {
            assert_eq!(read_tlv(bad, 4), None, "{bad:?}");
        }
    }
}
