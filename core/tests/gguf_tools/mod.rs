//! Writes GGUF files for tests, sound ones and others.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::mem::MaybeUninit;
use std::sync::Arc;

use adit_core::map::{Data, Region};
use adit_core::model::{Metadata, MetadataKind, Model, ModelOptions, Result};

/// A value of metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(MetadataKind, u64),
    String(Vec<u8>),
    /// Numbers of a kind, as their bits.
    Numbers(MetadataKind, Vec<u64>),
    Strings(Vec<Vec<u8>>),
    Arrays(Vec<Value>),
}

impl Value {
    pub fn kind(&self) -> MetadataKind {
        match self {
            Value::Number(kind, _) => *kind,
            Value::String(_) => MetadataKind::String,
            _ => MetadataKind::Array,
        }
    }
}

/// Bytes of a file in the making.
pub struct Bytes {
    pub bytes: Vec<u8>,
    pub big: bool,
}

impl Bytes {
    pub fn new(big: bool) -> Bytes {
        let bytes = b"GGUF".to_vec();
        Bytes { bytes, big }
    }

    /// The lowest `size` bytes of a number.
    pub fn number(&mut self, number: u64, size: usize) -> &mut Bytes {
        let bytes = number.to_le_bytes();
        let bytes = bytes[..size].iter().copied();
        match self.big {
            false => self.bytes.extend(bytes),
            true => self.bytes.extend(bytes.rev()),
        }
        self
    }

    pub fn u32(&mut self, number: u32) -> &mut Bytes {
        self.number(u64::from(number), 4)
    }

    pub fn u64(&mut self, number: u64) -> &mut Bytes {
        self.number(number, 8)
    }

    pub fn string(&mut self, string: &[u8]) -> &mut Bytes {
        self.u64(string.len() as u64);
        self.bytes.extend(string);
        self
    }

    /// Version and counts.
    pub fn start(&mut self, version: u32, tensors: u64, keys: u64) -> &mut Bytes {
        self.u32(version).u64(tensors).u64(keys)
    }

    pub fn key(&mut self, key: &[u8], value: &Value) -> &mut Bytes {
        self.string(key).u32(value.kind() as u32).value(value)
    }

    fn value(&mut self, value: &Value) -> &mut Bytes {
        match value {
            Value::Number(kind, bits) => self.number(*bits, kind.bytes().unwrap()),
            Value::String(string) => self.string(string),
            Value::Numbers(kind, numbers) => {
                self.u32(*kind as u32).u64(numbers.len() as u64);
                for &bits in numbers {
                    self.number(bits, kind.bytes().unwrap());
                }
                self
            }
            Value::Strings(strings) => {
                self.u32(8).u64(strings.len() as u64);
                for string in strings {
                    self.string(string);
                }
                self
            }
            Value::Arrays(arrays) => {
                self.u32(9).u64(arrays.len() as u64);
                for array in arrays {
                    self.value(array);
                }
                self
            }
        }
    }

    /// What a file says of a tensor; dimensions innermost first.
    pub fn tensor(&mut self, name: &[u8], ne: &[u64], ggml: u32, offset: u64) -> &mut Bytes {
        self.string(name).u32(ne.len() as u32);
        for &ne in ne {
            self.u64(ne);
        }
        self.u32(ggml).u64(offset)
    }

    /// Zeros to the next multiple.
    pub fn pad(&mut self, alignment: usize) -> &mut Bytes {
        let len = self.bytes.len().next_multiple_of(alignment);
        self.bytes.resize(len, 0);
        self
    }

    pub fn data(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.bytes.extend(bytes);
        self
    }
}

/// A file of these keys and tensors, by hand.
pub fn file(tensors: u64, keys: u64, rest: impl FnOnce(&mut Bytes)) -> Vec<u8> {
    let mut file = Bytes::new(false);
    rest(file.start(3, tensors, keys));
    file.bytes
}

/// Arrays in one another, the innermost of no numbers.
pub fn nest(depth: usize) -> Value {
    (1..depth).fold(Value::Numbers(MetadataKind::U8, vec![]), |inner, _| {
        Value::Arrays(vec![inner])
    })
}

pub fn data(bytes: &[u8]) -> Arc<Data> {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    Arc::new(Data::copy_of(region).unwrap())
}

pub fn open(bytes: &[u8]) -> Result<Model> {
    Model::from_data(vec![data(bytes)], &ModelOptions::default())
}

/// The bytes of a part of an array, in this machine's order.
pub fn read(metadata: &Metadata, value: usize, start: u64, count: u64) -> Vec<u8> {
    let size = metadata.array_kind(value).unwrap().bytes().unwrap();
    let mut out = vec![MaybeUninit::new(0xEE); count as usize * size];
    metadata.array_read(value, start, count, &mut out).unwrap();
    // SAFETY: every byte was initialised above.
    out.iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect()
}

/// A value as the metadata give it.
pub fn decoded(metadata: &Metadata, value: usize) -> Value {
    match metadata.kind(value).unwrap() {
        MetadataKind::String => Value::String(metadata.string(value).unwrap().to_vec()),
        MetadataKind::Array => decoded_array(metadata, value),
        kind => Value::Number(kind, bits(metadata, value, kind)),
    }
}

fn decoded_array(metadata: &Metadata, value: usize) -> Value {
    let len = metadata.array_len(value).unwrap();
    match metadata.array_kind(value).unwrap() {
        MetadataKind::String => Value::Strings(
            (0..len)
                .map(|index| metadata.array_string(value, index).unwrap().to_vec())
                .collect(),
        ),
        MetadataKind::Array => Value::Arrays(
            (0..len)
                .map(|index| decoded(metadata, metadata.array_nested(value, index).unwrap()))
                .collect(),
        ),
        kind => Value::Numbers(
            kind,
            read(metadata, value, 0, len)
                .chunks(kind.bytes().unwrap())
                .map(|bytes| {
                    let mut wide = [0; 8];
                    wide[..bytes.len()].copy_from_slice(bytes);
                    u64::from_le_bytes(wide)
                })
                .collect(),
        ),
    }
}

/// The bits that the file has for a number.
fn bits(metadata: &Metadata, value: usize, kind: MetadataKind) -> u64 {
    let wide = match kind {
        MetadataKind::F32 => u64::from((metadata.f64(value).unwrap() as f32).to_bits()),
        MetadataKind::F64 => metadata.f64(value).unwrap().to_bits(),
        MetadataKind::Bool => u64::from(metadata.bool(value).unwrap()),
        MetadataKind::I8 | MetadataKind::I16 | MetadataKind::I32 | MetadataKind::I64 => {
            metadata.i64(value).unwrap() as u64
        }
        _ => metadata.u64(value).unwrap(),
    };
    let unused = 64 - 8 * kind.bytes().unwrap() as u32;
    wide << unused >> unused
}
