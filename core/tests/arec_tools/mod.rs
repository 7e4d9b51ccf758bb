//! Records of any fields, and what a file of them holds by the format's description alone.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub mod parse;

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::map::Storage;
use adit_core::record::{ArecOptions, Field, RecordWriter, Result, Schema, WriterOptions};
use adit_core::tensor::{MAX_DIMS, Shape, TensorView};

/// A size of each record's own.
pub const ANY: i64 = -1;

/// The simplest of generators: the same numbers for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// splitmix64: https://prng.di.unimi.it/splitmix64.c
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// A tensor that owns its bytes, in C order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub dtype: DType,
    pub dims: Vec<i64>,
    pub bytes: Vec<u8>,
}

/// A tensor for each field.
pub type Record = Vec<Tensor>;

impl Tensor {
    pub fn random(random: &mut Random, dtype: DType, dims: &[i64]) -> Tensor {
        let bytes = Shape::new(dims).unwrap().bytes(dtype).unwrap();
        Tensor {
            dtype,
            dims: dims.to_vec(),
            bytes: random.bytes(bytes as usize),
        }
    }

    pub fn view(&self) -> TensorView<'_> {
        let shape = Shape::new(&self.dims).unwrap();
        let mut strides = [0; MAX_DIMS];
        strides.copy_from_slice(&shape.c_strides());
        let (data, len) = (self.bytes.as_ptr(), self.bytes.len() as u64);
        // SAFETY: the vector is readable for its length while the view borrows it.
        unsafe { TensorView::new(data, len, self.dtype, shape, strides) }.unwrap()
    }
}

pub fn schema(fields: &[Field]) -> Schema {
    let mut schema = Schema::new();
    for field in fields {
        schema.add(field.clone()).unwrap();
    }
    schema
}

/// An image and its label: fixed.
pub fn images(side: i64) -> Schema {
    schema(&[
        Field::new("image", DType::U8, &[side, side]),
        Field::new("label", DType::I64, &[]),
    ])
}

/// Tokens and their number, a name, a picture of any size.
pub fn ragged() -> Schema {
    schema(&[
        Field::new("tokens", DType::U16, &[ANY]),
        Field::new("id", DType::U64, &[]),
        Field::bytes("name"),
        Field::new("picture", DType::F32, &[ANY, 3, ANY]),
    ])
}

/// A record of a schema, whose own sizes are below `most`.
pub fn record(random: &mut Random, schema: &Schema, most: u64) -> Record {
    let tensor = |field: &Field| {
        let adit_core::record::FieldShape::Dims(dims) = &field.shape else {
            panic!("a field without dimensions");
        };
        let dims: Vec<i64> = dims
            .iter()
            .map(|&dim| match dim {
                ..0 => random.below(most) as i64,
                dim => dim,
            })
            .collect();
        Tensor::random(random, field.dtype.unwrap_or(DType::U8), &dims)
    };
    schema.fields().iter().map(tensor).collect()
}

pub fn records(seed: u64, schema: &Schema, count: usize, most: u64) -> Vec<Record> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|_| record(&mut random, schema, most))
        .collect()
}

/// Blocks as small as they get.
pub fn small(schema: &Schema) -> WriterOptions {
    WriterOptions {
        schema: Some(schema.clone()),
        arec: ArecOptions {
            block_bytes: 16 << 10,
            ..ArecOptions::default()
        },
        ..WriterOptions::default()
    }
}

pub fn append(writer: &mut RecordWriter, record: &Record) -> Result<()> {
    let views: Vec<_> = record.iter().map(Tensor::view).collect();
    writer.append(&views)
}

pub fn write(
    storage: &Arc<dyn Storage>,
    path: &Path,
    options: &WriterOptions,
    records: &[Record],
) -> Result<()> {
    let mut writer = RecordWriter::create(Arc::clone(storage), path, options)?;
    for record in records {
        append(&mut writer, record)?;
    }
    writer.finish()
}
