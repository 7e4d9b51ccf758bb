//! The tokens of a Python literal, as far as NumPy writes them.
//!
//! Every text of these tokens is one of Python's, not the other way round: strings without prefix
//! (escapes are passed over, not decoded), decimal integers with an adjacent sign, names, brackets,
//! comments.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::Fault;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// One of `{ } [ ] ( ) : ,`.
    Mark(u8),
    /// What stands between quotes, escapes undecoded.
    Text(&'a [u8]),
    /// Decimal digits, perhaps after a sign.
    Number(&'a [u8]),
    /// A name: `True`, `False`.
    Word(&'a [u8]),
    /// Nothing follows.
    End,
}

/// The tokens of a text, one after the other.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    /// Where the text ends in the file.
    end: u64,
    /// Whether integers may end in `L`, as Python 2 wrote long ones.
    long_suffix: bool,
}

impl<'a> Tokens<'a> {
    /// The tokens of `text`, which starts at byte `start` of the file.
    pub(super) fn new(text: &'a [u8], start: u64, long_suffix: bool) -> Tokens<'a> {
        Tokens {
            rest: text,
            end: start.saturating_add(text.len() as u64),
            long_suffix,
        }
    }

    /// The next token, and where in the file it starts.
    pub(super) fn next(&mut self) -> Result<(u64, Token<'a>), Fault> {
        self.skip_blanks();
        let start = self.offset();
        let Some(&first) = self.rest.first() else {
            return Ok((start, Token::End));
        };
        let token = match first {
            b'{' | b'}' | b'[' | b']' | b'(' | b')' | b':' | b',' => {
                self.take(1);
                Token::Mark(first)
            }
            b'\'' | b'"' => Token::Text(self.text(first)?),
            b'+' | b'-' | b'0'..=b'9' => Token::Number(self.number()?),
            _ => match self.take_while(is_word) {
                [] => {
                    let what = format!("{} has no place in a header", shown(&[first]));
                    return Err(Fault::malformed(start, what));
                }
                word => Token::Word(word),
            },
        };
        Ok((start, token))
    }

    /// Where the unread text starts in the file.
    fn offset(&self) -> u64 {
        self.end.saturating_sub(self.rest.len() as u64)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !wanted(byte));
        self.take(end.unwrap_or(self.rest.len()))
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c' | b'\n'));
            if self.rest.first() != Some(&b'#') {
                return;
            }
            self.take_while(|byte| !is_newline(byte));
        }
    }

    fn text(&mut self, quote: u8) -> Result<&'a [u8], Fault> {
        let start = self.offset();
        self.take(1);
        let mut escaped = false;
        let end = self.rest.iter().position(|&byte| {
            let ends = !escaped && (byte == quote || is_newline(byte));
            escaped = !escaped && byte == b'\\';
            ends
        });
        let text = self.take(end.unwrap_or(self.rest.len()));
        if self.take(1) == [quote] {
            Ok(text)
        } else {
            Err(Fault::malformed(
                start,
                "a string without its closing quote",
            ))
        }
    }

    fn number(&mut self) -> Result<&'a [u8], Fault> {
        let (start, all) = (self.offset(), self.rest);
        if matches!(self.rest.first(), Some(b'+' | b'-')) {
            self.take(1);
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let length = all.len().saturating_sub(self.rest.len());
        if digits.is_empty() {
            return Err(Fault::malformed(start, "a sign without a number"));
        }
        if digits.first() == Some(&b'0') && digits.iter().any(|&digit| digit != b'0') {
            return Err(Fault::malformed(start, "a number with leading zeros"));
        }
        if self.long_suffix && self.rest.first() == Some(&b'L') {
            self.take(1);
        }
        Ok(all.get(..length).unwrap_or_default())
    }
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Bytes of a file for a message: escaped, in quotes, and not more than a line of them.
pub(super) fn shown(bytes: &[u8]) -> String {
    const LIMIT: usize = 40;
    match bytes.get(..LIMIT) {
        Some(start) if bytes.len() > LIMIT => format!("\"{}...\"", start.escape_ascii()),
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}
