//! The text form of RFC 1035 section 5, cut into tokens: quotes, escapes, comments, and parentheses that
//! carry an entry over several lines.

use std::iter::Peekable;
use std::str::Chars;

/// A word or a quoted string. Its escapes are still in it: a name and a string read them differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// What lies between two ends of lines, or more when parentheses hold it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    /// Whether it starts with white space: its owner is the last one.
    pub(crate) indented: bool,
    pub(crate) tokens: Vec<Token>,
}

/// A text that cannot be cut into tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadText {
    pub(crate) line: usize,
    pub(crate) message: &'static str,
}

/// Reads entries one after the other.
pub(crate) struct Entries<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Entries { rest: text.chars().peekable(), line: 1 }
    }

    fn bad(&self, message: &'static str) -> BadText {
        BadText { line: self.line, message }
    }

    /// The next entry that has a token.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, BadText> {
        while self.rest.peek().is_some() {
            let indented = matches!(self.rest.peek(), Some(' ' | '\t'));
            let line = self.line;
            let tokens = self.tokens()?;
            if !tokens.is_empty() {
                return Ok(Some(Entry { line, indented, tokens }));
            }
        }
        Ok(None)
    }

    /// The tokens up to the end of the entry, which is taken too.
    fn tokens(&mut self) -> Result<Vec<Token>, BadText> {
        let mut tokens = Vec::new();
        let mut open = false;
        while let Some(&c) = self.rest.peek() {
            match c {
                '\n' => {
                    self.rest.next();
                    self.line += 1;
                    if !open {
                        return Ok(tokens);
                    }
                }
                ' ' | '\t' | '\r' => {
                    self.rest.next();
                }
                ';' => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '(' if open => return Err(self.bad("expected `)` before the next `(`")),
                ')' if !open => return Err(self.bad("expected `(` before `)`")),
                '(' | ')' => {
                    self.rest.next();
                    open = c == '(';
                }
                '"' => tokens.push(self.quoted()?),
                _ => tokens.push(self.word()?),
            }
        }
        if open { Err(self.bad("expected `)` before the end of the text")) } else { Ok(tokens) }
    }

    fn quoted(&mut self) -> Result<Token, BadText> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(Token { text, quoted: true }),
                Some('\\') => self.escape(&mut text)?,
                Some('\n') | None => return Err(self.bad("expected `\"` before the end of the line")),
                Some(c) => text.push(c),
            }
        }
    }

    fn word(&mut self) -> Result<Token, BadText> {
        let mut text = String::new();
        while let Some(c) =
            self.rest.next_if(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '(' | ')' | '"'))
        {
            if c == '\\' {
                self.escape(&mut text)?;
            } else {
                text.push(c);
            }
        }
        Ok(Token { text, quoted: false })
    }

    /// Takes what a backslash stands before, as it is written.
    fn escape(&mut self, text: &mut String) -> Result<(), BadText> {
        let Some(c) = self.rest.next_if(|c| *c != '\n') else {
            return Err(self.bad("expected a character or three digits after `\\`"));
        };
        text.extend(['\\', c]);
        Ok(())
    }
}

/// The tokens of a text that is one entry.
pub(crate) fn one_entry(text: &str) -> Option<Vec<Token>> {
    let mut entries = Entries::new(text);
    let entry = entries.next().ok()??;
    entries.next().ok()?.is_none().then_some(entry.tokens)
}

/// The bytes that a text with escapes stands for: `\.` a dot, `\046` the byte 46; each with whether it was
/// escaped. `None` for an escape that is none.
pub(crate) fn unescaped(text: &str) -> Option<Vec<(u8, bool)>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push((byte, false));
            continue;
        }
        let first = rest.next()?;
        if !first.is_ascii_digit() {
            bytes.push((first, true));
            continue;
        }
        let digits = [first, rest.next()?, rest.next()?];
        let value = std::str::from_utf8(&digits).ok()?;
        bytes.push((value.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?, true));
    }
    Some(bytes)
}

/// The bytes of a character-string.
pub(crate) fn string(text: &str) -> Option<Vec<u8>> {
    Some(unescaped(text)?.into_iter().map(|(byte, _)| byte).collect())
}

/// Bytes as a quoted character-string.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let mut entries = Entries::new(text);
        let mut all = Vec::new();
        while let Some(entry) = entries.next().unwrap() {
            all.push(entry.tokens.into_iter().map(|t| t.text).collect());
        }
        all
    }

    #[test]
    fn parentheses_comments_and_quotes() {
        let text = "a b ; c\n\n  ( d\n ; no ) here\n e \"f ; (\" ) g\r\n\"\"";
        assert_eq!(words(text), [vec!["a", "b"], vec!["d", "e", "f ; (", "g"], vec![""]]);
        let mut entries = Entries::new(text);
        let lines: Vec<_> =
            std::iter::from_fn(|| entries.next().unwrap().map(|e| (e.line, e.indented))).collect();
        assert_eq!(lines, [(1, false), (3, true), (6, false)]);
    }

    #[test]
    fn what_is_no_text_says_its_line() {
        for (text, line) in [("a\n(b\nc", 3), ("a )", 1), ("\n\"b\nc\"", 2), ("((", 1), ("a\\", 1)] {
            let mut entries = Entries::new(text);
            let error = loop {
                match entries.next() {
                    Ok(entry) => assert!(entry.is_some(), "{text:?}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.line, line, "{text:?}");
        }
    }

    #[test]
    fn escapes_are_decimal() {
        assert_eq!(string(r"a\.b\046\200").unwrap(), [b'a', b'.', b'b', b'.', 200]);
        assert_eq!(string(r"\999"), None);
        assert_eq!(string(r"\1x2"), None);
        assert_eq!(quoted(&[b'a', b'"', b'\\', 7]), r#""a\"\\\007""#);
    }
}
