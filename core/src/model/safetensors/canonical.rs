//! Headers as the safetensors crate and package write them, read without a JSON parser.
//!
//! Exactly their form: no blanks but behind the last brace, no escapes, a tensor's keys in their
//! order. Whatever else comes, sound or not, makes this give up, and serde_json reads the header
//! from its start: only headers that serde_json reads too, and as the same, are read here (the
//! tests hold that). A model of 20 k tensors opens in about half the time.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::borrow::Cow;

use super::header::{Header, Name, Pending};
use crate::dtype::DType;

/// How the metadata starts, where there is any.
pub(super) const METADATA: &[u8; 16] = b"\"__metadata__\":{";

/// Adds what the header says; none where it has another form, and then `header` is to be dropped.
pub(super) fn read(header: &mut Header<'_>) -> Option<()> {
    let text = header.text;
    let mut cursor = Cursor::new(text.as_bytes());
    cursor.eat(b"{")?;
    if cursor.eat(METADATA).is_some() {
        strings(&mut cursor, |key, value| {
            header.keys.add(key.as_bytes()).ok()?;
            header.values.try_reserve(1).ok()?;
            header.values.push(Cow::Borrowed(value));
            Some(())
        })?;
        // A header without tensors is rare enough for the other reader.
        cursor.eat(b",")?;
    }
    loop {
        let first_dim = header.dims.len();
        let piece = tensor(&mut cursor, &mut header.dims)?;
        let start = text.len().checked_sub(piece.left)?;
        header.pending.try_reserve(1).ok()?;
        header.pending.push(Pending {
            begin: piece.begin,
            end: piece.end,
            name: Name::in_text(start, piece.name.len())?,
            dims: u32::try_from(first_dim).ok()?,
            ndim: u32::try_from(header.dims.len().checked_sub(first_dim)?).ok()?,
            dtype: piece.dtype,
        });
        match cursor.byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.rest.iter().all(|&byte| byte == b' ').then_some(())
}

/// The members of `__metadata__` and its closing brace.
pub(super) fn strings<'h>(
    cursor: &mut Cursor<'h>,
    mut add: impl FnMut(&'h str, &'h str) -> Option<()>,
) -> Option<()> {
    loop {
        let key = str::from_utf8(cursor.string()?).ok()?;
        cursor.eat(b":")?;
        let value = str::from_utf8(cursor.string()?).ok()?;
        add(key, value)?;
        match cursor.byte()? {
            b',' => {}
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

/// A tensor, as the header has it.
pub(super) struct Piece<'h> {
    pub(super) name: &'h [u8],
    /// The bytes from where the name starts on.
    pub(super) left: usize,
    pub(super) dtype: DType,
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// `"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`, its dimensions to `dims`.
#[inline]
pub(super) fn tensor<'h>(cursor: &mut Cursor<'h>, dims: &mut Vec<i64>) -> Option<Piece<'h>> {
    let left = cursor.left().checked_sub(1)?;
    let name = cursor.string()?;
    if name == b"__metadata__" {
        return None;
    }
    cursor.eat(b":{\"dtype\":")?;
    let dtype = str::from_utf8(cursor.string()?).ok()?;
    let dtype = DType::from_safetensors(dtype)?;
    cursor.eat(b",\"shape\":[")?;
    if cursor.eat(b"]").is_none() {
        loop {
            let dim = i64::try_from(cursor.number()?).ok()?;
            dims.try_reserve(1).ok()?;
            dims.push(dim);
            match cursor.byte()? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
    }
    cursor.eat(b",\"data_offsets\":[")?;
    let begin = cursor.number()?;
    cursor.eat(b",")?;
    let end = cursor.number()?;
    cursor.eat(b"]}")?;
    Some(Piece {
        name,
        left,
        dtype,
        begin,
        end,
    })
}

pub(super) struct Cursor<'h> {
    rest: &'h [u8],
}

impl<'h> Cursor<'h> {
    pub(super) fn new(text: &'h [u8]) -> Cursor<'h> {
        Cursor { rest: text }
    }

    /// The bytes that weren't read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    #[inline]
    pub(super) fn eat<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let (start, rest) = self.rest.split_first_chunk::<N>()?;
        if start != expected {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// A string without escapes; it may not be UTF-8.
    #[inline]
    fn string(&mut self) -> Option<&'h [u8]> {
        self.eat(b"\"")?;
        let (string, rest) = self.rest.split_at_checked(plain(self.rest)?)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(string)
    }

    /// An integer of at most 64 bits, written as JSON has it.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut len) = (0u64, 0usize);
        let mut digits = self.rest.iter().map(|byte| byte.wrapping_sub(b'0'));
        // Ten digits fit without a check, and most numbers have no more.
        for digit in digits.by_ref().take_while(|&digit| digit < 10) {
            len = len.checked_add(1)?;
            number = match len {
                ..=10 => number.wrapping_mul(10).wrapping_add(digit.into()),
                _ => number.checked_mul(10)?.checked_add(digit.into())?,
            };
        }
        let (digits, rest) = self.rest.split_at_checked(len)?;
        // A number that ends the text may go on behind it.
        if rest.is_empty() || matches!(digits, [] | [b'0', _, ..]) {
            return None;
        }
        self.rest = rest;
        Some(number)
    }
}

/// How many bytes come before the first one that a string can't have as it is: a quote, a
/// backslash, a control character. Eight at a time: names are most of a header.
fn plain(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let (words, tail) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The top bit of each byte that is less than `limit`; above a true one also of others.
        let less =
            |word: u64, limit: u64| word.wrapping_sub(ONES.wrapping_mul(limit)) & !word & TOPS;
        let quote = less(word ^ (ONES.wrapping_mul(0x22)), 1);
        let backslash = less(word ^ (ONES.wrapping_mul(0x5c)), 1);
        let found = less(word, 0x20) | quote | backslash;
        if found != 0 {
            let within = (found.trailing_zeros() / 8) as usize;
            return number.checked_mul(8)?.checked_add(within);
        }
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < b' ';
    let within = tail.iter().position(special)?;
    text.len().checked_sub(tail.len())?.checked_add(within)
}
