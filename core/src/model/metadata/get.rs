//! Values by their numbers.

use std::mem::MaybeUninit;

use super::{Elements, Metadata, MetadataKind, Value};
use crate::error::Kind;
use crate::model::error::{Error, Result};

/// The greatest integer below which an f64 has all of them.
const EXACT: u64 = 1 << 53;

impl Metadata {
    /// The kind of a value; none where there is no such value.
    #[must_use]
    pub fn kind(&self, value: usize) -> Option<MetadataKind> {
        Some(match self.value(value)? {
            Value::Number(kind, _) => kind,
            Value::String(..) => MetadataKind::String,
            Value::Array(_) => MetadataKind::Array,
        })
    }

    /// An integer that fits.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`] for another kind of value, [`Kind::OutOfRange`] for a
    /// negative integer and where there is no such value.
    pub fn u64(&self, value: usize) -> Result<u64> {
        let (kind, bits) = self.integer(value)?;
        match signed(kind, bits) {
            Some(integer) if integer < 0 => Err(self.unfit(value, integer, "u64")),
            _ => Ok(bits),
        }
    }

    /// An integer that fits.
    ///
    /// # Errors
    /// As [`Metadata::u64`], for one over `i64::MAX`.
    pub fn i64(&self, value: usize) -> Result<i64> {
        let (kind, bits) = self.integer(value)?;
        match signed(kind, bits) {
            Some(integer) => Ok(integer),
            None => i64::try_from(bits).map_err(|_| self.unfit(value, bits, "i64")),
        }
    }

    /// A float, or an integer of at most 2^53 either way.
    ///
    /// # Errors
    /// As [`Metadata::u64`], for an integer beyond.
    pub fn f64(&self, value: usize) -> Result<f64> {
        if let Value::Number(MetadataKind::F32 | MetadataKind::F64, bits) = self.present(value)? {
            return Ok(f64::from_bits(bits));
        }
        let Ok((kind, bits)) = self.integer(value) else {
            return Err(self.other_kind(value, "a number"));
        };
        match signed(kind, bits) {
            Some(integer) if integer.unsigned_abs() <= EXACT => Ok(integer as f64),
            None if bits <= EXACT => Ok(bits as f64),
            Some(integer) => Err(self.unfit(value, integer, "f64")),
            None => Err(self.unfit(value, bits, "f64")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn bool(&self, value: usize) -> Result<bool> {
        match self.present(value)? {
            Value::Number(MetadataKind::Bool, bits) => Ok(bits != 0),
            _ => Err(self.other_kind(value, "a bool")),
        }
    }

    /// A string's bytes: mostly UTF-8, not checked, with no NUL behind them.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn string(&self, value: usize) -> Result<&[u8]> {
        match self.present(value)? {
            Value::String(start, len) => Ok(self.text(start as usize, len as usize)),
            _ => Err(self.other_kind(value, "a string")),
        }
    }

    /// The kind of an array's elements.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn array_kind(&self, value: usize) -> Result<MetadataKind> {
        self.elements(value).map(|elements| elements.kind)
    }

    /// How many elements an array has.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn array_len(&self, value: usize) -> Result<u64> {
        self.elements(value).map(|elements| u64::from(elements.len))
    }

    /// Copies `count` numbers or bools of an array from element `start` on to the front of `out`,
    /// in this machine's byte order; bools are bytes of 0 or 1.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`] for an array of strings or arrays and for no array,
    /// [`Kind::OutOfRange`] past the array's end, for an `out` that is too small and where there
    /// is no such value.
    pub fn array_read(
        &self,
        value: usize,
        start: u64,
        count: u64,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<()> {
        let elements = self.elements(value)?;
        let Some(size) = elements.kind.bytes() else {
            return Err(self.other_elements(value, "numbers"));
        };
        let end = start.checked_add(count);
        if end.is_none_or(|end| end > u64::from(elements.len)) {
            let why = format!(
                "has {} elements, but {count} from element {start} on were asked for",
                elements.len
            );
            return Err(self.wrong(value, Kind::OutOfRange, why));
        }
        // Both lie in the array, which lies in the text.
        let from = usize::try_from(start).unwrap_or(0).saturating_mul(size);
        let len = usize::try_from(count).unwrap_or(0).saturating_mul(size);
        let given = out.len();
        let Some(out) = out.get_mut(..len) else {
            let why = format!("needs {len} bytes for {count} elements, but {given} were given");
            return Err(self.wrong(value, Kind::OutOfRange, why));
        };
        let bytes = self.text((elements.start as usize).saturating_add(from), len);
        if size == 1 || self.big_endian == cfg!(target_endian = "big") {
            out.write_copy_of_slice(bytes);
            return Ok(());
        }
        for (out, number) in out.chunks_exact_mut(size).zip(bytes.chunks_exact(size)) {
            for (out, &byte) in out.iter_mut().zip(number.iter().rev()) {
                out.write(byte);
            }
        }
        Ok(())
    }

    /// String `index` of an array, as [`Metadata::string`] gives one; in constant time.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn array_string(&self, value: usize, index: u64) -> Result<&[u8]> {
        let item = self.item(value, index, MetadataKind::String, "strings")?;
        // The parser saw the length, and that many bytes behind it.
        let start = item as usize;
        let len = self.text.get(start..).and_then(<[u8]>::first_chunk::<8>);
        let len = match (len, self.big_endian) {
            (Some(&bytes), false) => u64::from_le_bytes(bytes),
            (Some(&bytes), true) => u64::from_be_bytes(bytes),
            (None, _) => 0,
        };
        let len = usize::try_from(len).unwrap_or(0);
        Ok(self.text(start.saturating_add(8), len))
    }

    /// The number of array `index` in an array, for the calls above.
    ///
    /// # Errors
    /// [`Error::Metadata`]: [`Kind::DType`], [`Kind::OutOfRange`].
    pub fn array_nested(&self, value: usize, index: u64) -> Result<usize> {
        let item = self.item(value, index, MetadataKind::Array, "arrays")?;
        Ok(self.values.len().saturating_add(item as usize))
    }

    fn value(&self, value: usize) -> Option<Value> {
        match value.checked_sub(self.values.len()) {
            Some(nested) => self.nested.get(nested).copied().map(Value::Array),
            None => self.values.get(value).copied(),
        }
    }

    fn present(&self, value: usize) -> Result<Value> {
        self.value(value).ok_or_else(|| {
            let why = format!(
                "isn't there: there are {} values",
                self.values.len().saturating_add(self.nested.len())
            );
            self.wrong(value, Kind::OutOfRange, why)
        })
    }

    fn integer(&self, value: usize) -> Result<(MetadataKind, u64)> {
        match self.present(value)? {
            Value::Number(MetadataKind::F32 | MetadataKind::F64 | MetadataKind::Bool, _)
            | Value::String(..)
            | Value::Array(_) => Err(self.other_kind(value, "an integer")),
            Value::Number(kind, bits) => Ok((kind, bits)),
        }
    }

    fn elements(&self, value: usize) -> Result<Elements> {
        match self.present(value)? {
            Value::Array(elements) => Ok(elements),
            _ => Err(self.other_kind(value, "an array")),
        }
    }

    fn item(&self, value: usize, index: u64, kind: MetadataKind, asked: &str) -> Result<u32> {
        let elements = self.elements(value)?;
        if elements.kind != kind {
            return Err(self.other_elements(value, asked));
        }
        u32::try_from(index)
            .ok()
            .filter(|&index| index < elements.len)
            .and_then(|index| self.items.get(elements.start.checked_add(index)? as usize))
            .copied()
            .ok_or_else(|| {
                let why = format!("has {} elements, but {index} was asked for", elements.len);
                self.wrong(value, Kind::OutOfRange, why)
            })
    }

    fn text(&self, start: usize, len: usize) -> &[u8] {
        let end = start.saturating_add(len);
        self.text.get(start..end).unwrap_or_default()
    }

    #[cold]
    fn other_kind(&self, value: usize, asked: &str) -> Error {
        let kind = self.kind(value).map_or("nothing", MetadataKind::name);
        let why = format!("is of kind {kind}, not {asked}");
        self.wrong(value, Kind::DType, why)
    }

    #[cold]
    fn other_elements(&self, value: usize, asked: &str) -> Error {
        let kind = self.array_kind(value).map_or("nothing", MetadataKind::name);
        let why = format!("is an array of kind {kind}, not of {asked}");
        self.wrong(value, Kind::DType, why)
    }

    #[cold]
    fn unfit(&self, value: usize, integer: impl std::fmt::Display, asked: &str) -> Error {
        let why = format!("is {integer}, which no {asked} holds");
        self.wrong(value, Kind::OutOfRange, why)
    }

    #[cold]
    fn wrong(&self, value: usize, kind: Kind, why: String) -> Error {
        let key = match self.key(value) {
            Some(key) => String::from_utf8_lossy(key).into_owned(),
            None => format!("value {value}"),
        };
        Error::Metadata { key, why, kind }
    }
}

/// The integer of a signed kind.
fn signed(kind: MetadataKind, bits: u64) -> Option<i64> {
    use MetadataKind::{I8, I16, I32, I64};
    matches!(kind, I8 | I16 | I32 | I64).then(|| i64::from_ne_bytes(bits.to_ne_bytes()))
}
