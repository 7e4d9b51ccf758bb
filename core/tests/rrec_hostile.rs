//! Files made to break a reader: each claim is answered, nothing is believed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{DataOptions, Io};
use adit_core::record::{Error, RrecReader, recover};
use common::{Folder, Pair, Tensor, data_of, disk, encode, fixture, gather, go_on, noise, read};
use proptest::prelude::*;

fn open(bytes: &[u8]) -> Result<RrecReader, Error> {
    RrecReader::from_data(data_of(bytes))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A file of one record of these bytes.
fn one(record: &[u8]) -> Vec<u8> {
    let mut bytes = encode(&[]);
    bytes.extend(record);
    let index_offset = bytes.len() as u64;
    bytes[8..16].copy_from_slice(&1u64.to_le_bytes());
    bytes[16..24].copy_from_slice(&index_offset.to_le_bytes());
    bytes.extend(64u64.to_le_bytes());
    bytes.extend((index_offset - 64).to_le_bytes());
    bytes
}

fn three() -> Vec<Pair> {
    (0..3).map(|n| [noise(n, &[4]), noise(n, &[])]).collect()
}

#[test]
fn headers_claim_any_index() {
    let good = encode(&three());
    let len = good.len() as u64;
    let malformed = [
        (u64::MAX, 64),
        (1 << 60, 64),
        (1 << 60, u64::MAX),
        ((u64::MAX - 64) / 16 + 1, 64),
        (3, u64::MAX),
        (3, u64::MAX - 47),
        (3, len - 47),
        (4, len - 48),
        (0, len + 1),
        (3, 1),
        (0, 63),
    ];
    let with = |(records, index_offset): (u64, u64)| {
        let mut bytes = good.clone();
        bytes[8..16].copy_from_slice(&records.to_le_bytes());
        bytes[16..24].copy_from_slice(&index_offset.to_le_bytes());
        open(&bytes)
    };
    for claim in malformed {
        let error = with(claim).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{claim:?}: {error}");
        assert!(matches!(error.place().offset, Some(8 | 16)), "{error}");
    }
    for claim in [(0, 0), (1, 0), (u64::MAX, 0)] {
        assert_eq!(with(claim).unwrap_err().kind(), Kind::Unfinished);
    }
    for claim in [(0, 64), (0, len), (3, len - 48), (2, len - 48), (3, 64)] {
        assert_eq!(with(claim).unwrap().len(), claim.0);
    }
}

#[test]
fn index_entries_claim_any_bytes() {
    let good = encode(&three());
    let index = good.len() - 48;
    let (first, size) = (64u64, (index as u64 - 64) / 3);
    for (offset, length) in [
        (0, size),
        (63, size + 1),
        (first, 0),
        (first, 3),
        (first, size - 4),
        (first, size + 4),
        (first, size + 1),
        (first, 2 * size),
        (first + 4, size),
        (index as u64 - 4, size),
        (index as u64, 0),
        (index as u64, 16),
        (good.len() as u64, 16),
        (u64::MAX, 1),
        (u64::MAX - size + 1, size),
        (u64::MAX, u64::MAX),
        (first, u64::MAX),
        (first, u64::MAX - 64),
    ] {
        let mut bytes = good.clone();
        bytes[index..index + 8].copy_from_slice(&offset.to_le_bytes());
        bytes[index + 8..index + 16].copy_from_slice(&length.to_le_bytes());
        let reader = open(&bytes).unwrap();
        let error = reader.get(0).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{offset}, {length}: {error}");
        assert_eq!(error.place().index, Some(0));
        for io in [Io::Map, Io::Read] {
            let same = gather(&reader, 0, &[1, 0], 100, io).unwrap_err();
            assert_eq!(same.to_string(), error.to_string());
        }
        let found = reader.verify(&mut go_on).unwrap();
        assert_eq!((found.records, found.bad_records), (3, 1));
        assert_eq!(found.first_bad.unwrap().to_string(), error.to_string());
    }
    // Two entries for one record: odd, but each is a record.
    let mut bytes = good.clone();
    bytes.copy_within(index..index + 16, index + 16);
    let records = read(&open(&bytes).unwrap());
    assert_eq!(records[0], records[1]);
}

#[test]
fn tensors_claim_any_shape() {
    let most = u32::MAX;
    let scalar = [0, 0, 0];
    for (tensor, at) in [
        (vec![most], 64),
        (vec![1 << 30, 1, 1], 64),
        (vec![1025], 64),
        (vec![2, most, most, 0, 0, 0], 64),
        (vec![4, 1 << 16, 1 << 16, 1 << 16, 1 << 16, 0], 64),
        (vec![3, most, most, most, 1], 64),
        (vec![1, 2, 2, 0, 0], 72),
        (vec![1, 2, most, 0, 0], 72),
        (vec![0, 2, 0], 68),
        (vec![1, 100, 0, 0], 64),
    ] {
        for second in [false, true] {
            let (bytes, at) = if second {
                (one(&words(&[&scalar[..], &tensor].concat())), at + 12)
            } else {
                (one(&words(&[&tensor[..], &scalar].concat())), at)
            };
            let reader = open(&bytes).unwrap();
            let error = reader.get(0).unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed, "{tensor:?}: {error}");
            assert_eq!(error.place().offset, Some(at), "{tensor:?}: {error}");
            assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 1);
            assert_eq!(reader.schema().unwrap_err().kind(), Kind::Malformed);
        }
    }
}

/// Sizes that are 0 by one dimension are 0 whatever the others multiply to.
#[test]
fn empty_tensors_of_any_size_are_good() {
    let most = u32::MAX;
    let tensor = words(&[6, most, most, most, 0, most, most, 1]);
    let reader = open(&one(&[&tensor[..], &tensor].concat())).unwrap();
    let [input, _] = reader.get(0).unwrap();
    let most = i64::from(most);
    assert_eq!(input.shape.dims(), [most, most, most, 0, most, most]);
    assert!(input.bytes.is_empty());
    let (found, bytes) = gather(&reader, 1, &[0; 5], 0, Io::Map).unwrap();
    assert_eq!(found.shape.dims(), [5, most, most, most, 0, most, most]);
    assert!(bytes.is_empty());
}

#[test]
fn more_dimensions_than_a_tensor_has_are_told_by_dims() {
    for ndim in [7, 8, 9, 64, 1024] {
        let dims: Vec<u32> = (0..ndim).map(|axis| 1 + u32::from(axis == 6)).collect();
        let input = words(&[&[ndim], &dims[..], &[0, 1, 2]].concat());
        let reader = open(&one(&[&input[..], &words(&[0, 0, 3])].concat())).unwrap();
        let own: Vec<i64> = dims.iter().map(|&dim| dim.into()).collect();
        assert_eq!(reader.dims(0, 0).unwrap(), own);
        assert_eq!(reader.dims(0, 1).unwrap(), [0i64; 0]);
        assert_eq!(reader.dims(0, 2).unwrap_err().kind(), Kind::OutOfRange);
        assert_eq!(reader.schema().unwrap().fields().len(), 2);
        assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
        match reader.get(0) {
            Ok([input, _]) => assert!(ndim <= 8 && input.shape.dims() == own),
            Err(error) => {
                assert!(ndim > 8 && matches!(error, Error::ManyDims { .. }));
                assert_eq!(error.kind(), Kind::Unsupported);
                assert!(error.to_string().contains(&format!("{ndim} dimensions")));
            }
        }
        let gathered = gather(&reader, 0, &[0], 8, Io::Read);
        assert_eq!(gathered.is_ok(), ndim == 7);
        assert_eq!(
            gather(&reader, 1, &[0], 4, Io::Read).unwrap().1,
            [3, 0, 0, 0]
        );
    }
}

#[test]
fn verification_can_be_stopped_inside_a_huge_record() {
    let huge = Tensor::new(DType::F32, &[20 << 20], vec![7; 80 << 20]);
    let records = [[huge, noise(2, &[])]];
    let reader = open(&encode(&records)).unwrap();
    let mut calls = 0;
    let found = reader.verify(&mut |_, _| {
        calls += 1;
        true
    });
    assert_eq!(found.unwrap().records, 1);
    assert!(calls > 5, "{calls}");
    for last in 0..calls {
        let mut left = last;
        let error = reader.verify(&mut |_, _| {
            left -= 1;
            left >= 0
        });
        assert_eq!(error.unwrap_err().kind(), Kind::Cancelled);
    }
}

const SEEDS: [&str; 6] = [
    "basic_3x4.rrec",
    "f16_hand.rrec",
    "ragged.rrec",
    "zero_size_dims.rrec",
    "unfinished_zero_tail.rrec",
    "bad_ndim_huge.rrec",
];

/// A change of four bytes somewhere, mostly to numbers that break things.
fn changes() -> impl Strategy<Value = (prop::sample::Index, u32)> {
    let small = 0u32..80;
    let hostile = prop::sample::select(vec![u32::MAX, 1 << 31, 1 << 30, 1 << 16, 1025, 64]);
    (
        any::<prop::sample::Index>(),
        prop_oneof![small, hostile, any::<u32>()],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    /// Every way to look at a broken file tells the same, and recovery saves sound records.
    #[test]
    fn broken_files_break_nothing(
        name in prop::sample::select(&SEEDS[..]),
        changes in prop::collection::vec(changes(), 1..4),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for (place, value) in changes {
            let at = place.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(reader) = open(&bytes) {
            check_alike(&reader);
        }
        let folder = Folder::new();
        let (from, to) = (folder.file("from", &bytes), folder.join("to"));
        match recover(&disk(), &from, &to, None, &mut go_on) {
            Ok(recovery) => {
                let reader = RrecReader::open(&to, &DataOptions::default()).unwrap();
                prop_assert_eq!(reader.len(), recovery.records);
                prop_assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
                let saved = std::fs::read(&to).unwrap();
                let end = recovery.stop_offset as usize;
                prop_assert_eq!(&saved[64..end], &bytes[64..end]);
            }
            Err(_) => prop_assert_eq!(folder.names(), ["from"]),
        }
    }
}

fn check_alike(reader: &RrecReader) {
    let mut bad = 0;
    for index in 0..reader.len() {
        let map = gather(reader, 0, &[index], 1 << 13, Io::Map);
        let read = gather(reader, 0, &[index], 1 << 13, Io::Read);
        let text = |error: Error| error.to_string();
        assert_eq!(map.as_ref().ok(), read.as_ref().ok());
        assert_eq!(map.map_err(text).err(), read.map_err(text).err());
        match reader.get(index) {
            Ok([input, _]) => assert_eq!(reader.dims(index, 0).unwrap(), input.shape.dims()),
            Err(Error::Malformed { .. }) => bad += 1,
            Err(error) => {
                let lent = [Kind::Misaligned, Kind::Unsupported].contains(&error.kind());
                assert!(lent, "{error}");
            }
        }
    }
    let _ = reader.schema();
    let found = reader.verify(&mut go_on).unwrap();
    assert_eq!((found.records, found.bad_records), (reader.len(), bad));
}

/// A million entries that all name one large record would be read for hours.
#[test]
fn overlapping_records_end_a_verification() {
    let mut bytes = encode(&[[noise(1, &[64 << 10]), noise(2, &[1])]]);
    let index_offset = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let entry = bytes[index_offset..].to_vec();
    for _ in 1..100_000 {
        bytes.extend_from_slice(&entry);
    }
    bytes[8..16].copy_from_slice(&100_000u64.to_le_bytes());
    let reader = open(&bytes).unwrap();
    let mut told = 0;
    let error = reader
        .verify(&mut |done, _| {
            told = done;
            true
        })
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.place().index),
        (Kind::Malformed, Some(1))
    );
    assert!(error.to_string().contains("overlap"), "{error}");
    assert!(told <= 1);
}
