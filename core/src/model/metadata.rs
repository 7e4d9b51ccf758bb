//! What a model's files say beside their tensors: keys with typed values.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::names::{Names, Refusal};

/// The type of a value. Numbers are GGUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetadataKind {
    /// An unsigned integer of 8 bits.
    U8 = 0,
    /// A signed integer of 8 bits.
    I8 = 1,
    /// An unsigned integer of 16 bits.
    U16 = 2,
    /// A signed integer of 16 bits.
    I16 = 3,
    /// An unsigned integer of 32 bits.
    U32 = 4,
    /// A signed integer of 32 bits.
    I32 = 5,
    /// A float of 32 bits.
    F32 = 6,
    /// True or false.
    Bool = 7,
    /// Bytes, mostly UTF-8.
    String = 8,
    /// Values of one kind.
    Array = 9,
    /// An unsigned integer of 64 bits.
    U64 = 10,
    /// A signed integer of 64 bits.
    I64 = 11,
    /// A float of 64 bits.
    F64 = 12,
}

impl MetadataKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [MetadataKind; 13] = [
        MetadataKind::U8,
        MetadataKind::I8,
        MetadataKind::U16,
        MetadataKind::I16,
        MetadataKind::U32,
        MetadataKind::I32,
        MetadataKind::F32,
        MetadataKind::Bool,
        MetadataKind::String,
        MetadataKind::Array,
        MetadataKind::U64,
        MetadataKind::I64,
        MetadataKind::F64,
    ];

    /// The kind of a GGUF number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<MetadataKind> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The name in messages, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MetadataKind::U8 => "u8",
            MetadataKind::I8 => "i8",
            MetadataKind::U16 => "u16",
            MetadataKind::I16 => "i16",
            MetadataKind::U32 => "u32",
            MetadataKind::I32 => "i32",
            MetadataKind::F32 => "f32",
            MetadataKind::Bool => "bool",
            MetadataKind::String => "string",
            MetadataKind::Array => "array",
            MetadataKind::U64 => "u64",
            MetadataKind::I64 => "i64",
            MetadataKind::F64 => "f64",
        }
    }

    /// The bytes of a number or a bool; none for strings and arrays, which have no one size.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        match self {
            MetadataKind::U8 | MetadataKind::I8 | MetadataKind::Bool => Some(1),
            MetadataKind::U16 | MetadataKind::I16 => Some(2),
            MetadataKind::U32 | MetadataKind::I32 | MetadataKind::F32 => Some(4),
            MetadataKind::U64 | MetadataKind::I64 | MetadataKind::F64 => Some(8),
            MetadataKind::String | MetadataKind::Array => None,
        }
    }
}

/// Keys with values, in the order of their files.
///
/// Values go by numbers: those below [`Metadata::len`] are the keys' values, greater ones arrays in
/// arrays. Strings and the elements of arrays stay in one copy of the file's header. Beside it there
/// are 4 bytes for each string in an array, 16 for each array in an array, and for each key some 40
/// and the key itself: in all less than six times the header's bytes, whatever they claim.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    keys: Names,
    values: Vec<Value>,
    /// Arrays in arrays, numbered on from the keys' values.
    nested: Vec<Elements>,
    /// For each array of strings, where in the text their lengths stand; for each array of arrays,
    /// their numbers among the nested ones.
    items: Vec<u32>,
    text: Vec<u8>,
    /// Whether numbers in the text have their most significant byte first.
    big_endian: bool,
}

/// A value; integers are sign-extended, floats an f64's bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Number(MetadataKind, u64),
    /// Where in the text it starts, and its bytes.
    String(u32, u32),
    Array(Elements),
}

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements {
    pub(super) kind: MetadataKind,
    pub(super) len: u32,
    /// Where they start: in the text, or among the items for strings and arrays.
    pub(super) start: u32,
}

impl Metadata {
    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key `index`. The byte behind it is a NUL.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<&[u8]> {
        self.keys.get(index)
    }

    /// The number of a key, in constant time.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.keys.find(key)
    }

    pub(super) fn add_string(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.text
            .try_reserve(value.len())
            .map_err(|_| Refusal::Full)?;
        let start = u32::try_from(self.text.len()).map_err(|_| Refusal::Full)?;
        let len = u32::try_from(value.len()).map_err(|_| Refusal::Full)?;
        self.add(key, Value::String(start, len))?;
        self.text.extend_from_slice(value);
        Ok(())
    }

    /// A number of a kind, in 64 bits: sign-extended, or an f64's bits.
    pub(super) fn add_number(
        &mut self,
        key: &[u8],
        kind: MetadataKind,
        bits: u64,
    ) -> Result<(), Refusal> {
        self.add(key, Value::Number(kind, bits))
    }

    /// A value, whose text comes by [`Metadata::adopt`].
    pub(super) fn add(&mut self, key: &[u8], value: Value) -> Result<(), Refusal> {
        self.values.try_reserve(1).map_err(|_| Refusal::Full)?;
        self.keys.add(key)?;
        self.values.push(value);
        Ok(())
    }

    /// An array in an array: its number among them.
    pub(super) fn add_nested(&mut self, elements: Elements) -> Result<u32, Refusal> {
        let number = u32::try_from(self.nested.len()).map_err(|_| Refusal::Full)?;
        self.nested.try_reserve(1).map_err(|_| Refusal::Full)?;
        self.nested.push(elements);
        Ok(number)
    }

    /// Where the next item goes.
    pub(super) fn items(&self) -> u32 {
        // Each stands for 8 bytes or more of a header that u32s measure.
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// What an array of strings or arrays has, in order.
    pub(super) fn add_items(&mut self, items: &[u32]) -> Result<(), Refusal> {
        self.items
            .try_reserve(items.len())
            .map_err(|_| Refusal::Full)?;
        self.items.extend_from_slice(items);
        Ok(())
    }

    /// Takes the text that the values added so far lie in.
    pub(super) fn adopt(&mut self, text: Vec<u8>, big_endian: bool) {
        debug_assert!(self.text.is_empty());
        self.text = text;
        self.big_endian = big_endian;
    }
}

mod get;
