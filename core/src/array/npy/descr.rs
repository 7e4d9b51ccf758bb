//! The value of `descr`: which dtype the elements have.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::super::error::Fault;
use super::super::literal::{Token, Tokens, shown};
use crate::dtype::DType;

/// The value of `descr`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Descr<'a> {
    Text(&'a [u8]),
    List,
    Tuple,
}

impl<'a> Descr<'a> {
    pub(super) fn parse(tokens: &mut Tokens<'a>) -> std::result::Result<(u64, Descr<'a>), Fault> {
        match tokens.next()? {
            (at, Token::Text(text)) => Ok((at, Descr::Text(text))),
            (at, Token::Mark(b'[')) => nested(tokens, b']').map(|()| (at, Descr::List)),
            (at, Token::Mark(b'(')) => nested(tokens, b')').map(|()| (at, Descr::Tuple)),
            (at, _) => Err(Fault::malformed(at, "descr is neither a string nor a list")),
        }
    }

    /// The element type, and whether it is big-endian.
    pub(super) fn dtype(
        self,
        at: u64,
        named: Option<DType>,
    ) -> std::result::Result<(DType, bool), Fault> {
        match self {
            Descr::Text(text) => type_string(at, text, named),
            Descr::List => Err(Fault::unsupported(
                at,
                "a structured dtype is no tensor's; save each field as an array of its own",
            )),
            Descr::Tuple => Err(Fault::unsupported(
                at,
                "a sub-array dtype is no tensor's; save it with these dimensions in its shape",
            )),
        }
    }
}

/// Passes over the lists and tuples of strings and integers that describe structured dtypes, up to
/// the bracket that closes the outermost, which is open already.
fn nested(tokens: &mut Tokens<'_>, close: u8) -> std::result::Result<(), Fault> {
    let mut open = vec![close];
    let mut value_may_follow = true;
    while let Some(&close) = open.last() {
        let (at, token) = tokens.next()?;
        value_may_follow = match token {
            Token::Mark(mark) if mark == close => {
                open.pop();
                false
            }
            Token::Mark(b'[') if value_may_follow => {
                open.push(b']');
                true
            }
            Token::Mark(b'(') if value_may_follow => {
                open.push(b')');
                true
            }
            Token::Text(_) | Token::Number(_) if value_may_follow => false,
            Token::Mark(b',') if !value_may_follow => true,
            _ => return Err(Fault::malformed(at, "descr is no list of fields")),
        };
    }
    Ok(())
}

/// The dtype of a type string: an optional byte order, a letter, a size. Without `<` or `>` the
/// order is this machine's, as for NumPy.
fn type_string(
    at: u64,
    text: &[u8],
    named: Option<DType>,
) -> std::result::Result<(DType, bool), Fault> {
    let (order, name) = match text {
        [order @ (b'<' | b'>' | b'=' | b'|'), name @ ..] => (*order, name),
        name => (b'=', name),
    };
    let known = std::str::from_utf8(name).ok().and_then(DType::from_npy);
    if let Some(dtype) = known {
        let big_endian = match order {
            b'>' => true,
            b'<' => false,
            _ => cfg!(target_endian = "big"),
        };
        return Ok((dtype, big_endian && dtype.block_bytes() > 1));
    }
    let shown = shown(text);
    let unsupported = |what: &str| Err(Fault::unsupported(at, format!("dtype {shown} {what}")));
    match name {
        [b'O', ..] => unsupported("holds pickled Python objects, which aren't read"),
        [b'U' | b'S' | b'a' | b'T', ..] => unsupported("holds strings, which are no tensor's"),
        [b'M' | b'm', ..] => unsupported("holds dates or times; save them as int64"),
        b"f1" if named == Some(DType::F8E5M2) => Ok((DType::F8E5M2, false)),
        b"f1" => unsupported(
            "is the name that ml_dtypes gives float8_e5m2 and NumPy doesn't read; name the dtype \
             when opening the file",
        ),
        [b'V', ..] if named.is_some_and(DType::is_block) => {
            unsupported("can't be one whose elements come in blocks")
        }
        [b'V', size @ ..] => match named {
            Some(dtype) if size == dtype.block_bytes().to_string().as_bytes() => {
                // NumPy gives such bytes no order; ml_dtypes saves its types as the machine's.
                Ok((
                    dtype,
                    cfg!(target_endian = "big") && dtype.block_bytes() > 1,
                ))
            }
            Some(dtype) => {
                let (name, bytes) = (dtype.name(), dtype.block_bytes());
                unsupported(&format!("isn't {name}, whose elements have {bytes} bytes"))
            }
            None => unsupported(
                "holds bytes without a type, as bfloat16 and float8 are saved; name their dtype \
                 when opening the file",
            ),
        },
        b"f12" | b"f16" | b"c24" | b"c32" => {
            unsupported("is a long double, which differs between machines; save it as f8 or c16")
        }
        [letter, size @ ..]
            if letter.is_ascii_alphabetic()
                && !size.is_empty()
                && size.iter().all(u8::is_ascii_digit) =>
        {
            Err(Fault::malformed(at, format!("there is no dtype {shown}")))
        }
        [] => Err(Fault::malformed(at, "an empty dtype")),
        _ => unsupported("isn't a type string such as \"<f4\"; save the array with a recent NumPy"),
    }
}
