//! What is told of the golden files is what is read, and each of their parts is encoded as it was.

use std::mem::MaybeUninit;

use super::super::directory::{ColumnKind, Directory};
use super::super::field::FieldKind;
use super::super::file::ArecFile;
use super::super::frame::{FRAME_LEN, Frame};
use super::super::header::Header;
use super::super::metadata;
use super::super::table::TableRow;
use super::super::trailer::{TRAILER_LEN, Trailer};
use super::super::whole::Block;
use super::*;
use crate::error::{Kind, Report};
use crate::kernel::crc32c_of;
use crate::map::{Mapped, Window};
use crate::record::reader::Check;

/// The dimensions of a field with these sizes of its own.
fn dims(field: &Value, sizes: &[u64]) -> Vec<i64> {
    let mut sizes = sizes.iter();
    let dims = array(&field["shape"]).iter();
    dims.map(|dim| match dim.as_i64() {
        Some(dim) => dim,
        None => *sizes.next().unwrap() as i64,
    })
    .collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    array(value).iter().map(number).collect()
}

fn read(file: &ArecFile, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![MaybeUninit::uninit(); len];
    file.data().read(offset, &mut bytes).unwrap();
    // SAFETY: the read filled them all.
    bytes
        .iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect()
}

#[test]
fn every_value_is_read() {
    for name in FINISHED {
        let (file, told) = (open(name), told(name));
        let fields = array(&told["fields"]);
        let records = array(&told["records"]);
        assert_eq!(file.len(), records.len() as u64, "{name}");
        assert_eq!(file.data().len(), number(&told["bytes"]));
        assert_eq!(file.uuid().to_vec(), hex(&told["uuid"]));
        let mut mapped = Mapped::new(file.data());
        let mut window = Window::new(file.data(), 100);
        for (index, record) in (0..).zip(records) {
            let fields = fields.iter().zip(array(record)).enumerate();
            let mut lent = Vec::new();
            for check in [Check::OnCopy, Check::Always] {
                lent.clear();
                file.lend_each(index, check, |number, tensor| {
                    assert_eq!(number, lent.len());
                    lent.push(tensor.lent());
                })
                .unwrap();
            }
            let (start, len) = file.extent(&mut mapped, index).unwrap();
            for (number_of, (field, told)) in fields {
                let what = format!("{name}, record {index}, {}", field["name"]);
                let (bytes, sizes) = (hex(&told["bytes"]), numbers(&told["sizes"]));
                let place = file.place(&mut mapped, index, number_of).unwrap();
                assert_eq!(place, file.place(&mut window, index, number_of).unwrap());
                assert_eq!(place.offset, number(&told["offset"]), "{what}");
                assert_eq!(place.bytes, bytes.len() as u64, "{what}");
                assert_eq!(place.shape.dims(), dims(field, &sizes), "{what}");
                assert!(place.offset >= start && place.offset + place.bytes <= start + len);
                assert_eq!(place.offset % number(&field["align"]), 0);
                let lent = &lent[number_of];
                assert_eq!(
                    lent.bytes.to_vec(0, lent.bytes.len()).unwrap(),
                    bytes,
                    "{what}"
                );
                assert_eq!(
                    (lent.shape, lent.dtype.name()),
                    (place.shape, field["dtype"].as_str().unwrap())
                );
                let crc = file.crc(&mut mapped, index, number_of).unwrap();
                assert_eq!(crc, crc32c_of(0, &bytes), "{what}");
                file.soon(&mut mapped, index, number_of, true);
            }
        }
        let none = file.place(&mut mapped, file.len(), 0).unwrap_err();
        assert_eq!(none.kind(), Kind::OutOfRange);
        assert_eq!(
            file.crc(&mut mapped, u64::MAX, 0).unwrap_err().kind(),
            Kind::OutOfRange
        );
        if file.len() > 0 {
            let none = file.place(&mut mapped, 0, fields.len()).unwrap_err();
            assert_eq!(none.kind(), Kind::OutOfRange);
        }
    }
}

#[test]
fn fields_and_metadata_are_read() {
    for name in FINISHED {
        let (file, told) = (open(name), told(name));
        let schema = file.schema();
        assert_eq!(schema.fields().len(), array(&told["fields"]).len());
        for ((own, row), field) in schema
            .fields()
            .iter()
            .zip(&file.layout().fields)
            .zip(array(&told["fields"]))
        {
            assert_eq!(own.name, field["name"].as_str().unwrap());
            assert_eq!(own.dtype.unwrap().name(), field["dtype"].as_str().unwrap());
            assert_eq!(own.is_bytes, field["kind"] == "bytes");
            let kind = match row.kind {
                FieldKind::Fixed => "fixed",
                FieldKind::Ragged => "ragged",
                FieldKind::Bytes => "bytes",
            };
            assert_eq!(field["kind"], kind);
            assert_eq!(row.offset, number(&field["offset"]));
        }
        let metadata: Vec<_> = array(&told["metadata"])
            .iter()
            .map(|entry| {
                (
                    entry["key"].as_str().unwrap().to_owned(),
                    hex(&entry["value"]),
                )
            })
            .collect();
        assert_eq!(file.metadata().unwrap(), metadata, "{name}");
        assert_eq!(file.metadata().unwrap(), metadata, "{name}");
    }
    assert_eq!(open("fixed").metadata().unwrap().len(), 3);
}

#[test]
fn every_part_is_encoded_as_it_was() {
    for name in FINISHED {
        let (file, told) = (open(name), told(name));
        let layout = file.layout();
        assert_eq!(
            file.header().encode(),
            read(&file, 0, layout.header_len as usize),
            "{name}"
        );
        let trailer = read(&file, file.trailer().at, TRAILER_LEN);
        assert_eq!(file.trailer().encode().to_vec(), trailer, "{name}");
        let directory = read(
            &file,
            file.trailer().footer,
            file.trailer().directory_bytes as usize,
        );
        assert_eq!(Directory::decode(&directory).encode(), directory, "{name}");
        if name != "ragged" {
            let has_metadata = file.columns.metadata.is_some();
            assert_eq!(
                Directory::bytes(layout, has_metadata),
                directory.len() as u64
            );
        }
        if let Some(column) = file.columns.metadata {
            let bytes = read(&file, column.offset, column.bytes as usize);
            assert_eq!(metadata::encode(file.metadata().unwrap()), bytes);
        }
        let mut columns = vec![];
        for row in array(&told["blocks"]) {
            let [stride, first, count, strides, hash] = numbers(row)[..] else {
                panic!("{row}")
            };
            let at = layout.data_start + stride * layout.stride;
            let block = Block::read(file.data(), file.header(), at)
                .unwrap()
                .unwrap();
            let frame = Frame {
                is_copy: false,
                nonce: number(&told["nonce"]),
                stride,
                first,
                count: count as u32,
                strides: strides as u32,
                table_at: block.frame.table_at,
                table_hash: hash,
            };
            assert_eq!(block.frame, frame, "{name}");
            assert_eq!(frame.encode().to_vec(), read(&file, at, FRAME_LEN));
            let mut table = vec![];
            let mut row = TableRow::default();
            for number in 0..count {
                assert!(block.table(layout).row(number, &mut row));
                let units = |bytes| (bytes / layout.align()) as u32;
                let place = (units(row.start), units(row.len));
                if !layout.is_fixed {
                    table.extend([place.0, place.1].into_iter().flat_map(u32::to_le_bytes));
                    table.extend(row.own_sizes.iter().flat_map(|size| size.to_le_bytes()));
                }
                table.extend(row.crcs.iter().flat_map(|crc| crc.to_le_bytes()));
            }
            assert!(!block.table(layout).row(count, &mut row));
            assert_eq!(
                table,
                read(&file, at + frame.table_at, table.len()),
                "{name}"
            );
            assert_eq!(table.len() as u64, layout.table_bytes(count));
            let mut window = Window::new(file.data(), 1 << 16);
            let is_whole = block.is_whole(layout, &mut window, &mut |_| Ok(()));
            assert!(is_whole.unwrap(), "{name}");
            columns.extend(stride.to_le_bytes());
            columns.extend(first.to_le_bytes());
            columns.extend((count as u32).to_le_bytes());
            columns.extend((strides as u32).to_le_bytes());
            columns.extend(hash.to_le_bytes());
        }
        assert_eq!(columns, read(&file, file.columns.blocks, columns.len()));
        let blocks = &file.directory.columns[0];
        assert_eq!(
            (blocks.kind, blocks.bytes),
            (ColumnKind::Blocks as u32, columns.len() as u64)
        );
    }
}

#[test]
fn a_verification_finds_nothing_wrong() {
    for name in FINISHED {
        let file = open(name);
        let mut calls = 0;
        let found = file
            .verify(&mut |done, total| {
                assert!(done <= total && total == file.len());
                calls += 1;
                true
            })
            .unwrap();
        assert_eq!(
            (found.bad_records, found.bad_parts),
            (0, 0),
            "{name}: {found:?}"
        );
        assert_eq!(found.records, file.len());
        assert!(found.first_bad.is_none() && calls >= 1);
        let stopped = file.verify(&mut |_, _| false).unwrap_err();
        assert_eq!(stopped.kind(), Kind::Cancelled);
    }
}

#[test]
fn an_unfinished_file_says_so_and_has_its_blocks() {
    let (bytes, told) = (bytes_of("unfinished"), told("unfinished"));
    let data = data_of(&bytes);
    let error = ArecFile::open(data.clone()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unfinished);
    assert!(error.to_string().contains("adit_record_recover"), "{error}");
    let header = Header::read(&data).unwrap();
    let at = |stride| header.layout.data_start + stride * header.layout.stride;
    let block = |stride| Block::read(&data, &header, at(stride)).unwrap();
    let whole = block(0).unwrap();
    assert_eq!((whole.frame.is_copy, whole.frame.count), (false, 60));
    assert!(block(1).is_err());
    for (stride, count) in [(2, 15), (3, 9)] {
        let copy = block(stride).unwrap();
        let frame = copy.frame;
        assert_eq!((frame.is_copy, frame.stride, frame.first), (true, 1, 60));
        assert_eq!(frame.count, count);
        let mut row = TableRow::default();
        for number in 0..u64::from(count) {
            assert!(copy.table(&header.layout).row(number, &mut row));
            let told = &array(&told["records"])[60 + number as usize];
            for field in 0..2 {
                let (offset, bytes) = header.layout.field_span(&row.own_sizes, field).unwrap();
                let start = (at(stride) + row.start + offset) as usize;
                let value = hex(&array(told)[field]["bytes"]);
                assert_eq!(
                    data.region().to_vec(start as u64, bytes as usize).unwrap(),
                    value
                );
            }
        }
    }
    assert!(block(4).is_err());
}

#[test]
fn cut_anywhere_a_file_is_unfinished() {
    let bytes = bytes_of("small");
    for len in 0..bytes.len() {
        let error = open_bytes(&bytes[..len]).unwrap_err();
        let kind = if len < 16 {
            Kind::WrongFormat
        } else {
            Kind::Unfinished
        };
        assert_eq!(error.kind(), kind, "{len}: {error}");
    }
}

#[test]
fn trailers_of_other_files_are_none() {
    let (file, mut bytes) = (open("fixed"), bytes_of("fixed"));
    let other = bytes_of("small");
    let at = file.trailer().at as usize;
    put(&mut bytes, at, &other[other.len() - TRAILER_LEN..]);
    assert_eq!(open_bytes(&bytes).unwrap_err().kind(), Kind::Unfinished);
    // The right one, elsewhere.
    let mut bytes = bytes_of("fixed");
    bytes.extend_from_within(at..);
    assert_eq!(open_bytes(&bytes).unwrap_err().kind(), Kind::Unfinished);
    let trailer = Trailer::decode(
        bytes_of("fixed")[at..].first_chunk().unwrap(),
        file.uuid(),
        at as u64,
    );
    assert_eq!(trailer.as_ref(), Some(file.trailer()));
}
