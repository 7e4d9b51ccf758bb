//! What the writer writes, by the format's description alone.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod arec_tools;

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::record::{ArecOptions, Field, FieldShape, RecordWriter, Schema, WriterOptions};
use arec_tools::parse::parse;
use arec_tools::{ANY, Random, Record, Tensor, append, images, ragged, record, records, schema};
use arec_tools::{small, write};

fn path() -> &'static Path {
    Path::new("/data/set.arec")
}

fn storage() -> (SimStorage, Arc<dyn Storage>) {
    let sim = SimStorage::new();
    (sim.clone(), Arc::new(sim))
}

/// Writes, parses, compares.
fn check(options: &WriterOptions, records: &[Record]) -> arec_tools::parse::Parsed {
    let (sim, storage) = storage();
    write(&storage, path(), options, records).unwrap();
    let parsed = parse(&sim.contents(path()).unwrap());
    assert!(parsed.records == records);
    assert_eq!(sim.names(), [path()]);
    parsed
}

#[test]
fn fixed_records_fill_blocks() {
    let schema = images(28);
    let records = records(1, &schema, 100, 0);
    let parsed = check(&small(&schema), &records);
    // 28 x 28 + 8 bytes are 832 with the alignment; 8 more in the table.
    assert_eq!(parsed.header.per_block, (16384 - 64) / (832 + 8));
    let counts: Vec<u64> = parsed.blocks.iter().map(|block| block.count).collect();
    assert_eq!(counts, [19, 19, 19, 19, 19, 5]);
}

#[test]
fn ragged_records_fill_blocks() {
    let schema = ragged();
    let records = records(2, &schema, 300, 30);
    let parsed = check(&small(&schema), &records);
    assert!(parsed.blocks.len() > 20);
    assert!(parsed.blocks.iter().all(|block| block.strides == 1));
}

#[test]
fn a_record_over_a_stride_has_a_block_of_its_own() {
    let schema = ragged();
    let mut all = records(3, &schema, 10, 20);
    let mut random = Random::new(4);
    for len in [9_000, 8_100, 40_000, 1] {
        let mut large = record(&mut random, &schema, 4);
        large[0] = Tensor::random(&mut random, DType::U16, &[len]);
        all.push(large);
    }
    all.extend(records(5, &schema, 10, 20));
    let parsed = check(&small(&schema), &all);
    let large: Vec<(u64, u64)> = parsed
        .blocks
        .iter()
        .map(|block| (block.count, block.strides))
        .collect();
    assert!(
        large.contains(&(1, 2)) && large.contains(&(1, 5)),
        "{large:?}"
    );
}

/// However much of the last block's stride is left: the file ends with its trailer.
#[test]
fn the_last_block_may_be_filled_to_any_degree() {
    const BLOCK: i64 = 1 << 20;
    let bytes = Field {
        name: "bytes".to_owned(),
        dtype: Some(DType::U8),
        shape: FieldShape::Dims(vec![ANY]),
        is_bytes: true,
    };
    let mut options = small(&schema(&[bytes]));
    options.arec.block_bytes = BLOCK.cast_unsigned();
    for left in (0..BLOCK / 8).step_by(4000) {
        let tensor = Tensor::random(&mut Random::new(7), DType::U8, &[BLOCK - left - 200]);
        check(&options, &[vec![tensor]]);
    }
}

#[test]
fn a_file_ends_with_its_trailer_however_full_its_last_block_is() {
    let wide = |schema: &Schema| WriterOptions {
        schema: Some(schema.clone()),
        arec: ArecOptions {
            block_bytes: 256 << 10,
            ..ArecOptions::default()
        },
        ..WriterOptions::default()
    };
    let schema = images(64);
    let per_block = check(&wide(&schema), &records(1, &schema, 1, 0))
        .header
        .per_block as usize;
    for count in [
        per_block - 3,
        per_block - 1,
        per_block,
        2 * per_block,
        2 * per_block + 1,
    ] {
        check(&wide(&schema), &records(2, &schema, count, 0));
    }
    let schema = arec_tools::schema(&[Field::bytes("all")]);
    let mut random = Random::new(3);
    for less in (0..24).map(|kib| kib << 10) {
        for strides in [1, 2] {
            let len = (strides << 18) - 256 - less;
            check(
                &wide(&schema),
                &[vec![Tensor::random(&mut random, DType::U8, &[len])]],
            );
        }
    }
}

#[test]
fn a_set_without_records_is_a_file() {
    for schema in [images(3), ragged()] {
        let parsed = check(&small(&schema), &[]);
        assert_eq!(parsed.data_end, parsed.header.data_start);
    }
}

/// Dtypes whose records can have sizes of their own.
const DTYPES: [DType; 8] = [
    DType::Bool,
    DType::U8,
    DType::BF16,
    DType::F32,
    DType::I64,
    DType::Complex128,
    DType::Q4_0,
    DType::F4E2M1,
];

fn random_schema(random: &mut Random) -> Schema {
    let fields = 1 + random.below(5);
    let field = |number: u64| {
        let dtype = DTYPES[random.below(DTYPES.len() as u64) as usize];
        let ndim = random.below(4);
        let mut dims: Vec<i64> = (0..ndim)
            .map(|_| match random.below(5) {
                0 => ANY,
                1 => 0,
                size => size as i64,
            })
            .collect();
        if dtype.is_block() {
            dims.push(i64::from(dtype.block_elements()));
        }
        if random.below(6) == 0 {
            return Field::bytes(&format!("f{number}"));
        }
        Field::new(&format!("f{number}"), dtype, &dims)
    };
    schema(&(0..fields).map(field).collect::<Vec<_>>())
}

#[test]
fn whatever_the_fields_and_options() {
    for seed in 0..150 {
        let mut random = Random::new(1000 + seed);
        let schema = random_schema(&mut random);
        let align = [64, 256, 4096][random.below(3) as usize];
        let options = WriterOptions {
            arec: ArecOptions {
                align,
                field_align: [0, 1, 16, 64][random.below(4) as usize],
                pages: random.below(2) == 1,
                block_bytes: [1, 16 << 10, 20_000, 64 << 10][random.below(4) as usize],
            },
            ..small(&schema)
        };
        let count = random.below(60) as usize;
        let most = [3, 30, 100][random.below(3) as usize];
        let records = records(seed, &schema, count, most);
        check(&options, &records);
    }
}

#[test]
fn without_a_schema_the_first_record_tells_the_fields() {
    let (sim, storage) = storage();
    let options = WriterOptions::default();
    let mut writer = RecordWriter::create(storage, path(), &options).unwrap();
    writer.set_metadata("early", b"1").unwrap();
    assert!(writer.temporary().is_some());
    let all = records(6, &images(5), 3, 0);
    for record in &all {
        append(&mut writer, record).unwrap();
    }
    let other = records(6, &images(6), 1, 0);
    let error = append(&mut writer, &other[0]).unwrap_err();
    assert_eq!(error.kind(), Kind::Shape);
    let text = error.to_string();
    assert!(
        text.contains("record 3") && text.contains("\"field0\""),
        "{text}"
    );
    writer.finish().unwrap();
    let parsed = parse(&sim.contents(path()).unwrap());
    assert!(parsed.records == all);
    let names: Vec<&str> = parsed
        .header
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["field0", "field1"]);
    assert_eq!(parsed.metadata, [("early".to_owned(), b"1".to_vec())]);
    // 4 MiB blocks, at a multiple of their size.
    assert_eq!(
        (parsed.header.stride, parsed.header.data_start),
        (4 << 20, 4 << 20)
    );
}

#[test]
fn columns_are_appended_row_by_row() {
    let (sim, storage) = storage();
    let schema = images(28);
    let all = records(7, &schema, 64, 0);
    let column = |field: usize, dims: &[i64]| Tensor {
        dtype: all[0][field].dtype,
        dims: dims.to_vec(),
        bytes: all.iter().flat_map(|r| r[field].bytes.clone()).collect(),
    };
    let (image, label) = (column(0, &[64, 28, 28]), column(1, &[64]));
    let mut writer = RecordWriter::create(storage, path(), &small(&schema)).unwrap();
    writer.append_batch(&[image.view(), label.view()]).unwrap();
    assert_eq!(writer.count(), 64);
    let short = column(1, &[64]);
    let short = Tensor {
        dims: vec![63],
        ..short
    };
    let error = writer
        .append_batch(&[image.view(), short.view()])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Shape, "{error}");
    assert_eq!(writer.count(), 64);
    writer.finish().unwrap();
    assert!(parse(&sim.contents(path()).unwrap()).records == all);
}

#[test]
fn strided_tensors_are_written_in_c_order() {
    let (sim, storage) = storage();
    let schema = schema(&[Field::new("x", DType::F32, &[200, 300])]);
    let whole = Tensor::random(&mut Random::new(8), DType::F32, &[300, 200]);
    let mut writer = RecordWriter::create(storage, path(), &small(&schema)).unwrap();
    writer
        .append(&[whole.view().transposed().unwrap()])
        .unwrap();
    writer.finish().unwrap();
    let parsed = parse(&sim.contents(path()).unwrap());
    let element = |row: usize, column: usize| &whole.bytes[4 * (column * 200 + row)..][..4];
    let wanted: Vec<u8> = (0..200 * 300)
        .flat_map(|n| element(n / 300, n % 300).to_vec())
        .collect();
    assert!(parsed.records[0][0].bytes == wanted);
}

#[test]
fn metadata_is_kept_and_checked() {
    let (sim, storage) = storage();
    let schema = images(2);
    let mut writer = RecordWriter::create(storage, path(), &small(&schema)).unwrap();
    writer.set_metadata("a", b"1").unwrap();
    writer.set_metadata("b", b"").unwrap();
    writer.set_metadata("a", &[0, 255]).unwrap();
    let empty = writer.set_metadata("", b"x").unwrap_err();
    assert_eq!(empty.kind(), Kind::InvalidArgument);
    let long = writer.set_metadata("c", &vec![0; 64 << 20]).unwrap_err();
    assert_eq!(long.kind(), Kind::OutOfRange);
    assert!(long.to_string().contains("\"c\""), "{long}");
    writer.finish().unwrap();
    let entry = |key: &str, value: &[u8]| (key.to_owned(), value.to_vec());
    let found = parse(&sim.contents(path()).unwrap()).metadata;
    assert_eq!(found, [entry("a", &[0, 255]), entry("b", b"")]);
}

#[test]
fn what_does_not_fit_leaves_the_writer_as_it_was() {
    let (sim, storage) = storage();
    let schema = ragged();
    let good = records(9, &schema, 3, 10);
    let mut writer = RecordWriter::create(storage, path(), &small(&schema)).unwrap();
    append(&mut writer, &good[0]).unwrap();
    let mut dtype = good[1].clone();
    dtype[0].dtype = DType::F16;
    let mut ndim = good[1].clone();
    ndim[0].dims.push(1);
    let mut size = good[1].clone();
    size[3] = Tensor::random(&mut Random::new(1), DType::F32, &[2, 4, 2]);
    let few = good[1][..3].to_vec();
    let cases = [
        (dtype, Kind::DType, "\"tokens\", is u16, the tensor f16"),
        (ndim, Kind::Shape, "\"tokens\" has the shape [any]"),
        (
            size,
            Kind::Shape,
            "\"picture\" has the shape [any, 3, any], the tensor [2, 4, 2]",
        ),
        (few, Kind::InvalidArgument, "a record has 4 fields, not 3"),
    ];
    for (record, kind, what) in cases {
        let error = append(&mut writer, &record).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(what) && text.contains("record 1 for"),
            "{text}"
        );
        assert_eq!(error.place().path.as_deref(), Some(path()));
        assert_eq!(writer.count(), 1);
    }
    append(&mut writer, &good[1]).unwrap();
    writer.finish().unwrap();
    let closed = append(&mut writer, &good[2]).unwrap_err();
    assert_eq!(closed.kind(), Kind::InvalidArgument, "{closed}");
    assert!(parse(&sim.contents(path()).unwrap()).records == good[..2]);
}
