//! What the tests of conversions share.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::path::Path;

use adit_core::convert::{Result, convert_records};
use adit_core::dtype::DType;
use adit_core::record::{
    Check, FieldShape, ReaderOptions, RecordFormat, RecordReader, RecordWriter, Schema,
    WriterOptions,
};

use crate::common::{Tensor, disk, go_on};

/// A field's name, dtype, sizes (-1 for each record's own), and whether it is bytes.
pub type Row = (String, DType, Vec<i64>, bool);

pub fn row(name: &str, dtype: DType, dims: &[i64]) -> Row {
    (name.to_owned(), dtype, dims.to_vec(), false)
}

pub fn bytes_row(name: &str) -> Row {
    (name.to_owned(), DType::U8, vec![-1], true)
}

pub fn schema(rows: &[Row]) -> Schema {
    let mut schema = Schema::new();
    for (name, dtype, dims, is_bytes) in rows.iter().cloned() {
        let field = adit_core::record::Field {
            name,
            dtype: Some(dtype),
            shape: FieldShape::Dims(dims),
            is_bytes,
        };
        schema.add(field).unwrap();
    }
    schema
}

/// The fields of a finished file or set.
pub fn rows_of(reader: &RecordReader) -> Vec<Row> {
    let schema = reader.schema().unwrap();
    let fields = schema.fields().iter().map(|field| {
        let FieldShape::Dims(dims) = &field.shape else {
            panic!("{field:?}");
        };
        let dims = dims.iter().map(|&dim| dim.max(-1)).collect();
        (
            field.name.clone(),
            field.dtype.unwrap(),
            dims,
            field.is_bytes,
        )
    });
    fields.collect()
}

pub fn open(path: &Path) -> RecordReader {
    let options = ReaderOptions {
        check: Check::Always,
        ..ReaderOptions::default()
    };
    RecordReader::open_in(disk(), path, &options).unwrap()
}

/// All records.
pub fn read_all(reader: &RecordReader) -> Vec<Vec<Tensor>> {
    (0..reader.len())
        .map(|index| reader.get(index).unwrap().iter().map(Tensor::of).collect())
        .collect()
}

/// Writes a finished file with what these options say.
pub fn write_with(path: &Path, options: &WriterOptions, records: &[Vec<Tensor>]) {
    let mut writer = RecordWriter::create(disk(), path, options).unwrap();
    for record in records {
        let views: Vec<_> = record.iter().map(Tensor::view).collect();
        writer.append(&views).unwrap();
    }
    writer.finish().unwrap();
}

pub fn arec(rows: &[Row]) -> WriterOptions {
    WriterOptions {
        schema: Some(schema(rows)),
        ..WriterOptions::default()
    }
}

pub fn rrec() -> WriterOptions {
    WriterOptions {
        format: RecordFormat::Rrec1,
        ..WriterOptions::default()
    }
}

pub fn convert(from: &Path, to: &Path, options: &WriterOptions) -> Result<u64> {
    convert_records(&disk(), from, to, options, &mut go_on)
}

/// Bytes that differ from record to record.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}
