//! The bytes of `.npy` files, versions 1.0, 2.0 and 3.0.
//!
//! Source: `numpy/lib/_format_impl.py` of NumPy 2.4.6, whose `read_array_header_*` is the measure.
//! `\x93NUMPY`, two bytes of version, the header's length (u16, from version 2.0 on u32), the
//! header (latin-1, from version 3.0 on UTF-8), the elements. The header is a Python literal, a
//! dict of exactly `descr`, `fortran_order` and `shape`.
//!
//! What is read here NumPy reads too, and as the same array. NumPy's `ast.literal_eval` takes
//! other spellings of the same values, which nobody writes and which are refused: string prefixes,
//! triple quotes, adjacent strings, escapes in keys and types; numbers in other bases, with
//! underscores, or apart from their sign or `L`; `True` as a dimension; values in parentheses; line
//! joining by a backslash; carriage returns; a line break or form feed before the dict; a key twice
//! (the last would count). Of types only the strings that NumPy writes are read, not the names that
//! its `dtype()` knows too; `f1`, as ml_dtypes names float8_e5m2, is read where that dtype is named,
//! though NumPy doesn't. Negative dimensions and those of more than 64 bits are refused at once;
//! NumPy fails on them when it comes to the elements.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Fault, Result};
use super::header::{Format, Header};
use super::literal::{Token, Tokens, shown};
use crate::dtype::DType;
use crate::map::{Data, Window};

/// The first bytes of every file.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The most bytes before the header.
const PREFIX_MAX: usize = 12;

/// The most bytes of a header: what NumPy reads by default (`max_header_size`). Numeric arrays
/// need about a hundred.
pub(super) const HEADER_MAX: usize = 10_000;

/// The most bytes that are read to find the elements.
pub(super) const LONGEST: usize = PREFIX_MAX + HEADER_MAX;

/// The bytes that hold nearly every header.
pub(super) const USUAL: usize = 256;

/// Reads and checks the header; elements without a type are `named`. The window is of [`USUAL`]
/// bytes at least.
pub(super) fn read<'a>(
    window: &mut Window<'a>,
    data: &'a Data,
    named: Option<DType>,
) -> Result<Header> {
    let origin = data.origin();
    let prefix = window.some_bytes(0, data.len().min(PREFIX_MAX as u64))?;
    let prefix = Prefix::parse(prefix, data.len()).map_err(|fault| fault.of(origin))?;
    let mut long = Window::new(data, LONGEST);
    let window = match prefix.header_offset.saturating_add(prefix.header_len) <= USUAL as u64 {
        true => window,
        false => &mut long,
    };
    let header = window.some_bytes(prefix.header_offset, prefix.header_len)?;
    parse(header, &prefix, named).map_err(|fault| fault.of(origin))
}

/// What stands before the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    major: u8,
    header_offset: u64,
    header_len: u64,
}

impl Prefix {
    /// `start` is the file's first [`PREFIX_MAX`] bytes, or all of them.
    fn parse(start: &[u8], file_len: u64) -> std::result::Result<Prefix, Fault> {
        let Some(rest) = start.strip_prefix(MAGIC) else {
            let found = start.get(..MAGIC.len()).unwrap_or(start);
            return Err(Fault::wrong_format(match found {
                [] => "it is empty".to_owned(),
                [b'P', b'K', ..] => {
                    "it is a zip archive; if it is an npz, extract its arrays first".to_owned()
                }
                _ => format!("it begins with {}, not {}", shown(found), shown(MAGIC)),
            }));
        };
        let cut = || Fault::malformed(file_len, "the file ends before its header");
        let (&[major, minor], rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (header_offset, header_len) = match (major, minor) {
            (1, 0) => {
                let (&bytes, _) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
                (10, u64::from(u16::from_le_bytes(bytes)))
            }
            (2 | 3, 0) => {
                let (&bytes, _) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                (12, u64::from(u32::from_le_bytes(bytes)))
            }
            _ => {
                let what = format!("format version {major}.{minor}; 1.0, 2.0 and 3.0 are known");
                return Err(Fault::unsupported(MAGIC.len() as u64, what));
            }
        };
        let available = file_len.saturating_sub(header_offset);
        if header_len > available {
            let why = format!(
                "a header of {header_len} bytes, but {available} follow; the file is incomplete \
                 or its header's length is wrong"
            );
            return Err(Fault::malformed(8, why));
        }
        if header_len > HEADER_MAX as u64 {
            let what = format!(
                "a header of {header_len} bytes; at most {HEADER_MAX} are read, as by NumPy"
            );
            return Err(Fault::unsupported(8, what));
        }
        Ok(Prefix {
            major,
            header_offset,
            header_len,
        })
    }
}

fn parse(
    header: &[u8],
    prefix: &Prefix,
    named: Option<DType>,
) -> std::result::Result<Header, Fault> {
    let start = prefix.header_offset;
    let at = |position: usize| start.saturating_add(position as u64);
    if let Some(position) = header.iter().position(|&byte| byte == 0) {
        let why = "a NUL byte in the header";
        return Err(Fault::malformed(at(position), why));
    }
    if prefix.major >= 3
        && let Err(error) = std::str::from_utf8(header)
    {
        let why = "the header of a version 3.0 file is not UTF-8";
        return Err(Fault::malformed(at(error.valid_up_to()), why));
    }
    // Python takes spaces and tabs before the dict, and with a form feed not always.
    if let Some(position) = header.iter().position(|byte| !b" \t".contains(byte))
        && header.get(position) != Some(&b'{')
    {
        let why = "the header doesn't begin with {";
        return Err(Fault::malformed(at(position), why));
    }
    // Python takes no indented end of a text. NumPy mends that up to version 2.0 only.
    let ends_in_blanks = matches!(header.last(), Some(b' ' | b'\t'));
    let last_sign = header.iter().rfind(|byte| !b" \t\x0c".contains(byte));
    if prefix.major >= 3 && ends_in_blanks && last_sign == Some(&b'\n') {
        let why = "blanks after the header's last line break";
        return Err(Fault::malformed(at(header.len()), why));
    }
    let fields = Fields::parse(&mut Tokens::new(header, start, prefix.major < 3))?;
    let missing = |key: &str| Fault::malformed(start, format!("the header has no key '{key}'"));
    let (descr_offset, descr) = fields.descr.ok_or_else(|| missing("descr"))?;
    let fortran_order = fields
        .fortran_order
        .ok_or_else(|| missing("fortran_order"))?;
    let (shape_offset, shape_end, dims) = fields.shape.ok_or_else(|| missing("shape"))?;
    let (dtype, big_endian) = descr.dtype(descr_offset, named)?;
    Ok(Header {
        format: Format::Npy,
        dtype,
        big_endian,
        fortran_order,
        dims,
        descr_offset,
        shape_offset,
        shape_end,
        data_offset: start.saturating_add(header.len() as u64),
    })
}

/// The dict's values, as they come.
#[derive(Debug, Default)]
struct Fields<'a> {
    descr: Option<(u64, Descr<'a>)>,
    fortran_order: Option<bool>,
    /// Where it starts and ends, and the dimensions.
    shape: Option<(u64, u64, Vec<i64>)>,
}

impl<'a> Fields<'a> {
    fn parse(tokens: &mut Tokens<'a>) -> std::result::Result<Fields<'a>, Fault> {
        let mut fields = Fields::default();
        expect(tokens, b'{', "the header isn't a dict")?;
        loop {
            let (at, key) = match tokens.next()? {
                (_, Token::Mark(b'}')) => break,
                (at, Token::Text(key)) => (at, key),
                (at, _) => return Err(Fault::malformed(at, "a key in quotes was expected")),
            };
            expect(tokens, b':', "no colon after a key")?;
            let again = match key {
                b"descr" => fields.descr.replace(Descr::parse(tokens)?).is_some(),
                b"fortran_order" => fields.fortran_order.replace(boolean(tokens)?).is_some(),
                b"shape" => fields.shape.replace(shape(tokens)?).is_some(),
                _ => {
                    let why = format!("the header has an unknown key {}", shown(key));
                    return Err(Fault::malformed(at, why));
                }
            };
            if again {
                let why = format!("the header has the key {} twice", shown(key));
                return Err(Fault::malformed(at, why));
            }
            match tokens.next()? {
                (_, Token::Mark(b',')) => {}
                (_, Token::Mark(b'}')) => break,
                (at, _) => return Err(Fault::malformed(at, "no comma or } after a value")),
            }
        }
        match tokens.next()? {
            (_, Token::End) => Ok(fields),
            (at, _) => Err(Fault::malformed(at, "text after the header's dict")),
        }
    }
}

fn expect(tokens: &mut Tokens<'_>, mark: u8, why: &str) -> std::result::Result<(), Fault> {
    match tokens.next()? {
        (_, Token::Mark(found)) if found == mark => Ok(()),
        (at, _) => Err(Fault::malformed(at, why)),
    }
}

fn boolean(tokens: &mut Tokens<'_>) -> std::result::Result<bool, Fault> {
    match tokens.next()? {
        (_, Token::Word(b"True")) => Ok(true),
        (_, Token::Word(b"False")) => Ok(false),
        (at, _) => Err(Fault::malformed(at, "fortran_order isn't True or False")),
    }
}

fn shape(tokens: &mut Tokens<'_>) -> std::result::Result<(u64, u64, Vec<i64>), Fault> {
    let start = match tokens.next()? {
        (at, Token::Mark(b'(')) => at,
        (at, _) => return Err(Fault::malformed(at, "the shape isn't a tuple")),
    };
    let mut dims = Vec::new();
    loop {
        match tokens.next()? {
            (at, Token::Mark(b')')) => return Ok((start, at.saturating_add(1), dims)),
            (at, Token::Number(number)) => dims.push(dim(at, number)?),
            (at, _) => return Err(Fault::malformed(at, "a dimension isn't an integer")),
        }
        match tokens.next()? {
            (_, Token::Mark(b',')) => {}
            (at, Token::Mark(b')')) if dims.len() > 1 => {
                return Ok((start, at.saturating_add(1), dims));
            }
            (at, Token::Mark(b')')) => {
                let why = "the shape is a number, not a tuple; one dimension is written (n,)";
                return Err(Fault::malformed(at, why));
            }
            (at, _) => return Err(Fault::malformed(at, "no comma or ) after a dimension")),
        }
    }
}

fn dim(at: u64, number: &[u8]) -> std::result::Result<i64, Fault> {
    let parsed = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse::<i64>().ok());
    match parsed {
        Some(dim) if dim >= 0 => Ok(dim),
        Some(dim) => Err(Fault::malformed(at, format!("a negative dimension {dim}"))),
        None => {
            let why = format!("the dimension {} doesn't fit 64 bits", shown(number));
            Err(Fault::malformed(at, why))
        }
    }
}

mod descr;
mod write;

use descr::Descr;
pub(super) use write::{encode, with_dims};

#[cfg(test)]
mod tests;
