//! arec files that were cut, and files with a bit flipped: what the reader says, what recovery saves.

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

use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::record::{
    ArecOptions, Check, Error, ReaderOptions, RecordReader, Recovery, Schema, StopReason,
    WriterOptions, recover,
};
use arec_tools::parse::{Parsed, parse};
use arec_tools::{Random, Record, images, ragged, records, small, write};

const FROM: &str = "/data/set.arec";
const TO: &str = "/data/saved.arec";

fn go_on(_: u64, _: u64) -> bool {
    true
}

fn file_of(options: &WriterOptions, records: &[Record]) -> Vec<u8> {
    let sim = SimStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    write(&storage, Path::new(FROM), options, records).unwrap();
    sim.contents(Path::new(FROM)).unwrap()
}

fn open(bytes: &[u8], check: Check) -> Result<RecordReader, Error> {
    let sim = SimStorage::new();
    sim.put_durable(Path::new(FROM), bytes);
    let options = ReaderOptions {
        check,
        ..ReaderOptions::default()
    };
    RecordReader::open_in(Arc::new(sim), Path::new(FROM), &options)
}

/// What recovery saves, the records too.
fn save(bytes: &[u8]) -> Result<(Recovery, Vec<Record>), Error> {
    let sim = SimStorage::new();
    sim.put_durable(Path::new(FROM), bytes);
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let recovery = recover(&storage, FROM.as_ref(), TO.as_ref(), None, &mut go_on)?;
    let saved = parse(&sim.contents(Path::new(TO)).unwrap()).records;
    Ok((recovery, saved))
}

/// A file cut at byte `cut`: how many records must be saved, by its blocks.
fn whole_until(parsed: &Parsed, cut: u64) -> u64 {
    let whole = parsed.blocks.iter().filter(|block| block.end <= cut);
    whole.map(|block| block.count).sum()
}

fn check_cut(bytes: &[u8], parsed: &Parsed, cut: usize, previous: &mut Option<u64>) {
    let bytes = &bytes[..cut];
    let error = open(bytes, Check::OnCopy).map(|_| ()).unwrap_err();
    let kind = if cut < 16 {
        Kind::WrongFormat
    } else {
        Kind::Unfinished
    };
    assert_eq!(error.kind(), kind, "cut at {cut}: {error}");
    let whole = whole_until(parsed, cut as u64);
    let blocks = &parsed.blocks;
    // Between blocks' ends nothing changes but where the walk is cut: look there closely.
    let is_near = blocks.iter().any(|block| {
        [block.start, block.start + 64, block.end]
            .iter()
            .any(|edge| edge.abs_diff(cut as u64) < 2)
    });
    if *previous == Some(whole) && !is_near && !cut.is_multiple_of(97) {
        return;
    }
    *previous = Some(whole);
    match save(bytes) {
        Ok((recovery, saved)) => {
            assert_eq!(recovery.records, whole, "cut at {cut}");
            assert!(saved == parsed.records[..whole as usize], "cut at {cut}");
            check_stop(parsed, cut as u64, &recovery);
        }
        Err(error) => {
            assert_eq!(whole, 0, "cut at {cut}: {error}");
            let kind = match cut {
                0..16 => Kind::WrongFormat,
                16.. if (cut as u64) < parsed.header.bytes => Kind::Unfinished,
                _ => Kind::Malformed,
            };
            assert_eq!(error.kind(), kind, "cut at {cut}: {error}");
        }
    }
}

fn check_stop(parsed: &Parsed, cut: u64, recovery: &Recovery) {
    let next = parsed
        .blocks
        .iter()
        .find(|block| block.end > cut)
        .map(|block| block.start);
    let Some(next) = next else {
        return;
    };
    let stop = next.min(cut);
    assert_eq!(recovery.stop_offset, stop, "cut at {cut}");
    let reason = if cut <= next {
        StopReason::End
    } else {
        StopReason::Cut
    };
    assert_eq!(recovery.reason, reason, "cut at {cut}");
    assert_eq!(recovery.dropped_bytes, cut - stop, "cut at {cut}");
}

#[test]
fn cut_at_every_byte() {
    for (schema, count, most) in [(images(39), 15, 0), (ragged(), 45, 14)] {
        let bytes = file_of(&small(&schema), &records(1, &schema, count, most));
        let parsed = parse(&bytes);
        assert!(
            parsed.blocks.len() > 1 && bytes.len() < 120_000,
            "{}",
            bytes.len()
        );
        let mut previous = None;
        for cut in 0..bytes.len() {
            check_cut(&bytes, &parsed, cut, &mut previous);
        }
    }
}

#[test]
fn cut_a_large_file_at_thousands_of_bytes() {
    let schema = ragged();
    let options = WriterOptions {
        arec: ArecOptions {
            block_bytes: 64 << 10,
            ..ArecOptions::default()
        },
        ..small(&schema)
    };
    let bytes = file_of(&options, &records(2, &schema, 150, 60));
    let parsed = parse(&bytes);
    assert!(parsed.blocks.len() > 12, "{}", parsed.blocks.len());
    let mut random = Random::new(3);
    let mut cuts: Vec<usize> = (0..4000)
        .map(|_| random.below(bytes.len() as u64) as usize)
        .collect();
    cuts.sort_unstable();
    let mut previous = None;
    for cut in cuts {
        check_cut(&bytes, &parsed, cut, &mut previous);
    }
}

/// Flips a bit of every byte of a field, or of any that `step` skips to.
fn flips(bytes: &[u8], step: usize) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).step_by(step).map(|at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        (at, flipped)
    })
}

#[test]
fn a_flipped_bit_is_told_by_record_and_field() {
    let schema = images(20);
    let records = records(4, &schema, 60, 0);
    let bytes = file_of(&small(&schema), &records);
    let parsed = parse(&bytes);
    // 400 bytes and a label at 400: 448 in all.
    let (per_block, stride) = (parsed.header.per_block, 448);
    let mut told = [0; 2];
    for (at, flipped) in flips(&bytes[..parsed.data_end as usize], 7) {
        let mut whole = bytes.clone();
        whole[..flipped.len()].copy_from_slice(&flipped);
        let block = (at as u64)
            .checked_sub(16384)
            .map(|at| (at / 16384, at % 16384));
        let place = block.and_then(|(block, at)| Some((block, at.checked_sub(64)?)));
        let found = place.and_then(|(block, at)| {
            let (number, offset) = (at / stride, at % stride);
            let index = block * per_block + number;
            let field = [(0, 400), (400, 408)]
                .iter()
                .position(|&(from, to)| (from..to).contains(&offset))?;
            (number < per_block && index < 60).then_some((index, field))
        });
        let Some((index, field)) = found else {
            continue;
        };
        told[field] += 1;
        let reader = open(&whole, Check::Always).unwrap();
        let error = reader.get(index).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Checksum, "byte {at}: {error}");
        let name = ["\"image\"", "\"label\""][field];
        assert!(error.to_string().contains(name), "byte {at}: {error}");
        let place = error.place();
        assert_eq!(place.index, Some(index), "byte {at}");
        assert_eq!(place.path.as_deref(), Some(Path::new(FROM)));
        let (block, number) = (index / per_block, index % per_block);
        let field_at = 16384 * (block + 1) + 64 + number * stride + [0, 400][field];
        assert_eq!(place.offset, Some(field_at), "byte {at}");
        let verification = reader.verify(&mut go_on).unwrap();
        assert_eq!((verification.bad_records, verification.bad_parts), (1, 0));
        // Every other record is as good as before.
        let other = (index + 1) % 60;
        assert!(reader.get(other).is_ok());
    }
    assert!(told[0] > 3000 && told[1] > 50, "{told:?}");
}

/// A flip in any byte that means something is told by opening, by verification or by both; what
/// recovery saves is what was written all the same.
#[test]
fn a_flipped_bit_anywhere_is_told() {
    for (schema, count, most, step) in [(images(39), 15, 0, 11), (ragged(), 20, 14, 11)] {
        let records = records(5, &schema, count, most);
        let bytes = file_of(&small(&schema), &records);
        let parsed = parse(&bytes);
        let mut silent = 0;
        for (at, flipped) in flips(&bytes, step) {
            match open(&flipped, Check::OnCopy) {
                Err(error) => {
                    let kinds = [
                        Kind::WrongFormat,
                        Kind::Unfinished,
                        Kind::Malformed,
                        Kind::Checksum,
                        Kind::Unsupported,
                    ];
                    assert!(kinds.contains(&error.kind()), "byte {at}: {error}");
                }
                Ok(reader) => {
                    let found = reader.verify(&mut go_on).unwrap();
                    let is_bad = found.bad_records + found.bad_parts > 0;
                    assert_eq!(is_bad, found.first_bad.is_some());
                    if !is_bad {
                        // A gap: none of the records, and no part of the format, is there.
                        silent += 1;
                        assert!(read(&reader, &schema) == records, "byte {at}");
                    }
                }
            }
            if let Ok((recovery, saved)) = save(&flipped) {
                assert_eq!(recovery.records, saved.len() as u64);
                assert!(saved == records[..saved.len()], "byte {at}");
                let block = parsed
                    .blocks
                    .iter()
                    .find(|block| (block.start..block.end).contains(&(at as u64)));
                let least = block.map_or(records.len() as u64, |block| block.first);
                assert!(recovery.records >= least, "byte {at}: {recovery:?}");
            }
        }
        // The header's tail before the first block, the rest of the last block's stride, gaps
        // between fields, and the ends of the footer's columns.
        assert!(silent < bytes.len() / step / 2, "{silent}");
    }
}

fn read(reader: &RecordReader, schema: &Schema) -> Vec<Record> {
    let tensor = |lent: &adit_core::tensor::Lent<'_>| arec_tools::Tensor {
        dtype: lent.dtype,
        dims: lent.shape.dims().to_vec(),
        bytes: lent.bytes.to_vec(0, lent.bytes.len()).unwrap(),
    };
    assert_eq!(reader.schema().unwrap(), *schema);
    (0..reader.len())
        .map(|index| reader.get(index).unwrap().iter().map(tensor).collect())
        .collect()
}

#[test]
fn a_finished_file_is_recovered_whole() {
    let schema = ragged();
    let records = records(6, &schema, 40, 14);
    let bytes = file_of(&small(&schema), &records);
    let (recovery, saved) = save(&bytes).unwrap();
    assert!(saved == records);
    assert_eq!(recovery.reason, StopReason::End);
    assert_eq!(recovery.dropped_bytes, 0);
}

#[test]
fn recovery_refuses_what_is_not_its_file() {
    let schema = images(3);
    let bytes = file_of(&small(&schema), &records(7, &schema, 3, 0));
    let sim = SimStorage::new();
    sim.put_durable(Path::new(FROM), &bytes);
    sim.put_durable(Path::new(TO), b"somebody's");
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let exists = recover(&storage, FROM.as_ref(), TO.as_ref(), None, &mut go_on).unwrap_err();
    assert_eq!(exists.kind(), Kind::Exists);
    let free = Path::new("/data/free.arec");
    let other = recover(&storage, FROM.as_ref(), free, Some(&images(4)), &mut go_on).unwrap_err();
    assert_eq!(other.kind(), Kind::InvalidArgument, "{other}");
    assert!(other.to_string().contains(FROM), "{other}");
    let cancelled = recover(&storage, FROM.as_ref(), free, None, &mut |_, _| false).unwrap_err();
    assert_eq!(cancelled.kind(), Kind::Cancelled);
    assert_eq!(sim.names().len(), 2);
    let saved = recover(&storage, FROM.as_ref(), free, Some(&schema), &mut go_on).unwrap();
    assert_eq!(saved.records, 3);
    assert_eq!(sim.contents(Path::new(FROM)).unwrap(), bytes);
}
