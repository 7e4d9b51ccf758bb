//! A bit changed anywhere: told by record and field, or as the part of the file that it is in, or
//! of no meaning.

use super::super::layout::PAGE;
use super::super::whole::Block;
use super::*;
use crate::error::{Kind, Report};
use crate::map::Mapped;
use crate::record::Error;
use crate::record::reader::Check;

/// What a byte is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Byte {
    Nothing,
    /// So that the file doesn't open.
    Open(Kind),
    /// Of a frame or table.
    Block,
    Column,
    Field(u64, usize),
}

/// What each byte of a file is.
fn map_of(file: &ArecFile) -> Vec<Byte> {
    let mut map = vec![Byte::Nothing; file.data().len() as usize];
    let mut set = |offset: u64, len: u64, byte: Byte| {
        map[offset as usize..(offset + len) as usize].fill(byte);
    };
    let (layout, trailer) = (file.layout(), file.trailer());
    set(0, layout.header_len, Byte::Open(Kind::Checksum));
    set(0, 16, Byte::Open(Kind::WrongFormat));
    set(16, 4, Byte::Open(Kind::Unsupported));
    set(trailer.at, PAGE, Byte::Open(Kind::Unfinished));
    set(
        trailer.footer,
        trailer.directory_bytes,
        Byte::Open(Kind::Checksum),
    );
    for column in &file.directory.columns {
        set(column.offset, column.bytes, Byte::Column);
    }
    let mut stride = 0;
    while stride < trailer.strides {
        let at = layout.data_start + stride * layout.stride;
        let block = Block::read(file.data(), file.header(), at)
            .unwrap()
            .unwrap();
        set(at, 64, Byte::Block);
        let table = layout.table_bytes(block.frame.count.into());
        set(at + block.frame.table_at, table, Byte::Block);
        stride += u64::from(block.frame.strides);
    }
    for index in 0..file.len() {
        for field in 0..layout.fields.len() {
            let place = file
                .place(&mut Mapped::new(file.data()), index, field)
                .unwrap();
            set(place.offset, place.bytes, Byte::Field(index, field));
        }
    }
    map
}

/// Asserts what becomes of a file with one bit changed in such a byte.
fn check(what: &Byte, bytes: &[u8], at: usize, names: &[String]) {
    let file = match (what, open_bytes(bytes)) {
        (Byte::Open(kind), Err(error)) => {
            // Where the header's length is changed, it may be that it can't be, or that the file
            // ends in it.
            let is_len = (20..24).contains(&at)
                && [Kind::Malformed, Kind::Unfinished, Kind::Checksum].contains(&error.kind());
            assert!(is_len || error.kind() == *kind, "byte {at}: {error}");
            return;
        }
        (Byte::Open(_), Ok(_)) => panic!("byte {at}: it opened"),
        (_, opened) => opened.unwrap_or_else(|error| panic!("byte {at}: {error}")),
    };
    let found = match file.verify(&mut go_on) {
        Ok(found) => found,
        // Only columns say where records are.
        Err(error) => return assert_eq!(*what, Byte::Column, "byte {at}: {error}"),
    };
    let bad = (found.bad_records, found.bad_parts);
    match what {
        Byte::Nothing | Byte::Open(_) => assert_eq!(bad, (0, 0), "byte {at}: {found:?}"),
        Byte::Block => assert_eq!(bad, (0, 1), "byte {at}: {found:?}"),
        Byte::Column => assert!(found.bad_parts >= 1, "byte {at}: {found:?}"),
        Byte::Field(index, field) => {
            assert_eq!(bad, (1, 0), "byte {at}: {found:?}");
            let told = found.first_bad.unwrap();
            let lent = file
                .lend_each(*index, Check::Always, |_, _| {})
                .unwrap_err();
            assert_eq!(lent.to_string(), told.to_string());
            assert!(
                told.to_string().contains(&format!("record {index}:")),
                "{told}"
            );
            assert!(
                told.to_string().contains(&format!("{:?}", names[*field])),
                "{told}"
            );
            let place = told.place();
            assert_eq!((told.kind(), place.index), (Kind::Checksum, Some(*index)));
            assert!(place.offset.unwrap() <= at as u64);
            assert!(matches!(told, Error::Checksum { field: name, .. } if name == names[*field]));
            file.lend_each(*index, Check::OnCopy, |_, _| {}).unwrap();
        }
    }
    // Whatever the columns say, lending stays inside.
    for index in 0..file.len() {
        let _ = file.lend_each(index, Check::Never, |_, _| {});
    }
    let _ = file.metadata();
}

fn flip_in(name: &str, step: usize) {
    let file = open(name);
    let map = map_of(&file);
    let names: Vec<_> = file
        .layout()
        .fields
        .iter()
        .map(|row| row.name.clone())
        .collect();
    let mut bytes = bytes_of(name);
    for at in (0..bytes.len()).step_by(step) {
        let bit = 1 << (at / step % 8);
        bytes[at] ^= bit;
        check(&map[at], &bytes, at, &names);
        bytes[at] ^= bit;
    }
}

#[test]
fn every_byte_of_a_file_of_fixed_fields() {
    flip_in("small", 1);
}

#[test]
fn bytes_of_files_of_other_kinds() {
    for name in ["ragged", "pages_ragged", "pages_fixed", "aligned", "fixed"] {
        flip_in(name, 61);
    }
}

#[test]
fn every_byte_of_a_footer() {
    let file = open("ragged");
    let map = map_of(&file);
    let names: Vec<_> = file
        .layout()
        .fields
        .iter()
        .map(|row| row.name.clone())
        .collect();
    let mut bytes = bytes_of("ragged");
    for at in file.trailer().footer as usize..file.trailer().at as usize {
        for bit in [1 << (at % 8), 0x80] {
            bytes[at] ^= bit;
            check(&map[at], &bytes, at, &names);
            bytes[at] ^= bit;
        }
    }
}

#[test]
fn columns_that_agree_with_their_hashes_are_compared_with_the_blocks() {
    // Written so by somebody: sound by every checksum, and yet wrong.
    let file = open("ragged");
    for column in file
        .directory
        .columns
        .iter()
        .filter(|column| column.kind < 6)
    {
        let row = u64::from(column.row_bytes);
        let count = (column.bytes / row) as usize;
        let at = (column.offset + row * (count as u64 / 2)) as usize;
        for byte in 0..row as usize {
            let mut bytes = bytes_of("ragged");
            bytes[at + byte] ^= 0x11;
            let (start, len) = (column.offset as usize, column.bytes as usize);
            let hash = crate::kernel::hash(&bytes[start..start + len], file.header().nonce);
            let directory = file.trailer().footer as usize;
            let number = file
                .directory
                .columns
                .iter()
                .position(|own| own == column)
                .unwrap();
            put(
                &mut bytes,
                directory + number * 48 + 32,
                &hash.to_le_bytes(),
            );
            sum_trailer(&mut bytes, &file);
            let found = match open_bytes(&bytes).unwrap().verify(&mut go_on) {
                Ok(found) => found,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Malformed);
                    continue;
                }
            };
            assert!(found.bad_parts >= 1, "kind {}, byte {byte}", column.kind);
        }
    }
}
