//! Records that can't be had: told by their numbers, replaced or masked, never a short batch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod loader_tools;

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::loader::{
    BadRecord, Error, MASKED, OutputField, REPLACED, SOUND, Sample, Transform, Uneven,
};
use adit_core::tensor::Lent;
use loader_tools::{
    ID, MATRIX, PAIRS, TEXT, Toy, X, bytes, check, epoch, expected, field, open, options, refused,
    sequential, tensor, value,
};

#[test]
fn a_bad_record_fails_its_batch_by_its_number_until_it_is_mended() {
    for workers in [0, 1, 3] {
        let toy = Arc::new(Toy::with_bad(40, &[13]));
        let mut options = sequential(4);
        options.workers = Some(workers);
        let mut loader = open(&toy, &options);
        for _ in 0..3 {
            check(&loader.next().unwrap().unwrap());
        }
        for _ in 0..5 {
            let error = loader.next().unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed);
            assert_eq!(
                (error.place().index, error.place().offset),
                (Some(13), Some(1300))
            );
            let text = error.to_string();
            assert!(text.starts_with("record 13 of 'toy': "), "{text}");
            assert!(
                text.ends_with("is damaged at byte 1300: it is bad"),
                "{text}"
            );
            assert_eq!(loader.state().step, 3);
        }
        toy.bad.lock().unwrap().clear();
        // What was begun before it was mended fails once more at most.
        let batch = match loader.next() {
            Ok(batch) => batch.unwrap(),
            Err(_) => loader.next().unwrap().unwrap(),
        };
        assert_eq!(batch.records(), [12, 13, 14, 15]);
        drop(batch);
        assert_eq!(epoch(&mut loader), (16..40).collect::<Vec<_>>());
        assert_eq!(loader.stats().unwrap().steps, 10);
    }
}

#[test]
fn an_error_comes_in_its_turn() {
    let toy = Arc::new(Toy::with_bad(40, &[0, 30]));
    let mut options = sequential(4);
    options.workers = Some(4);
    options.depth = 12;
    options.bad = BadRecord::Fail;
    let mut loader = open(&toy, &options);
    assert_eq!(loader.next().unwrap_err().place().index, Some(0));
    toy.bad.lock().unwrap().remove(&0);
    let mut steps = 0;
    loop {
        match loader.next() {
            Ok(Some(batch)) => {
                assert_eq!(batch.step(), steps);
                steps += 1;
            }
            Ok(None) => panic!("the epoch ended without record 30"),
            Err(error) if error.place().index == Some(0) => assert_eq!(steps, 0),
            Err(error) => {
                assert_eq!(error.place().index, Some(30));
                break;
            }
        }
    }
    assert_eq!(steps, 7);
}

#[test]
fn bad_records_are_replaced_by_the_first_sound_one_further_on() {
    // 1 and 2 places on from 10 are bad too; from 38, 1 place on is 39 and 2 places on is 0.
    let toy = Arc::new(Toy::with_bad(40, &[3, 10, 11, 12, 38, 39]));
    for workers in [0, 2] {
        let mut options = sequential(8);
        options.workers = Some(workers);
        options.bad = BadRecord::Replace;
        let mut loader = open(&toy, &options);
        let mut wanted: Vec<u64> = (0..40).collect();
        for (bad, other) in [(3, 4), (10, 14), (11, 13), (12, 13), (38, 0), (39, 0)] {
            wanted[bad] = other;
        }
        let mut flags = vec![SOUND; 40];
        for bad in [3, 10, 11, 12, 38, 39] {
            flags[bad] = REPLACED;
        }
        let (mut records, mut all_flags) = (Vec::new(), Vec::new());
        while let Some(batch) = loader.next().unwrap() {
            assert_eq!(batch.valid(), 8);
            check(&batch);
            records.extend_from_slice(batch.records());
            all_flags.extend_from_slice(batch.flags());
        }
        assert_eq!((records, all_flags), (wanted, flags));
        let stats = loader.stats().unwrap();
        assert_eq!((stats.replaced, stats.masked), (6, 0));
    }
}

#[test]
fn where_no_other_is_sound_the_first_is_told() {
    let all: Vec<u64> = (0..40).collect();
    let toy = Arc::new(Toy::with_bad(40, &all));
    let mut options = sequential(8);
    options.bad = BadRecord::Replace;
    let error = open(&toy, &options).next().unwrap_err();
    assert_eq!(error.place().index, Some(0));
    let text = error.to_string();
    assert!(text.starts_with("record 0 of 'toy': "), "{text}");
    assert!(
        text.ends_with("; 16 others were tried in its place, and failed too"),
        "{text}"
    );
}

#[test]
fn bad_records_are_masked_with_zeros() {
    let toy = Arc::new(Toy::with_bad(22, &[3, 4, 21]));
    for workers in [0, 2] {
        let mut options = sequential(5);
        options.workers = Some(workers);
        options.bad = BadRecord::Mask;
        options.partition.uneven = Uneven::Pad;
        let mut loader = open(&toy, &options);
        let batch = loader.next().unwrap().unwrap();
        check(&batch);
        assert_eq!(batch.records(), [0, 1, 2, 3, 4]);
        assert_eq!(batch.flags(), [SOUND, SOUND, SOUND, MASKED, MASKED]);
        assert_eq!(&tensor(&batch, "x")[36..], [0; 24]);
        drop(batch);
        for _ in 0..3 {
            check(&loader.next().unwrap().unwrap());
        }
        let batch = loader.next().unwrap().unwrap();
        assert_eq!(batch.records(), [20, 21, 0, 1, 2]);
        assert_eq!(batch.flags(), [0, MASKED, 4, 4, 4]);
        assert_eq!(loader.stats().unwrap().masked, 3);
    }
}

#[test]
fn masked_records_of_packed_fields_are_empty() {
    let toy = Arc::new(Toy::with_bad(4, &[2]));
    let mut options = sequential(4);
    options.bad = BadRecord::Mask;
    options.fields = vec![field("text")];
    let batch = open(&toy, &options).next().unwrap().unwrap();
    assert_eq!(tensor(&batch, "text"), [1, 3, 3, 3]);
    assert_eq!(
        loader_tools::words(&tensor(&batch, "text.offsets")),
        [0, 0, 1, 1, 4]
    );
}

#[test]
fn what_may_be_better_next_time_is_never_replaced() {
    for bad in [BadRecord::Replace, BadRecord::Mask] {
        let toy = Arc::new(Toy::new(8));
        toy.starved.lock().unwrap().insert(1);
        let mut options = sequential(4);
        options.bad = bad;
        options.workers = Some(0);
        let mut loader = open(&toy, &options);
        let error = loader.next().unwrap_err();
        assert_eq!(
            (error.kind(), error.place().index),
            (Kind::OutOfMemory, Some(1))
        );
        toy.starved.lock().unwrap().clear();
        let batch = loader.next().unwrap().unwrap();
        assert_eq!(batch.flags(), [SOUND; 4]);
    }
}

#[test]
fn a_bug_in_a_worker_is_an_error() {
    for workers in [0, 2] {
        let toy = Arc::new(Toy::new(8));
        toy.bug.store(6, std::sync::atomic::Ordering::SeqCst);
        let mut options = sequential(4);
        options.workers = Some(workers);
        let mut loader = open(&toy, &options);
        check(&loader.next().unwrap().unwrap());
        let error = loader.next().unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        assert!(error.to_string().contains("a bug in record 5"), "{error}");
        toy.bug.store(0, std::sync::atomic::Ordering::SeqCst);
        let mut tries = 0;
        while loader.next().is_err() {
            tries += 1;
            assert!(tries < 3);
        }
    }
}

/// Makes of x its sum, the seed and the record's number; of text its bytes reversed; refuses some.
struct Sum {
    refused: Vec<u64>,
}

impl Transform for Sum {
    fn apply(&self, sample: &Sample<'_>, outputs: &mut [&mut [u8]]) -> Result<(), i32> {
        let [x, text, pairs, matrix] = sample.tensors else {
            return Err(1);
        };
        for (lent, field) in [(x, X), (text, TEXT), (pairs, PAIRS), (matrix, MATRIX)] {
            let (dims, wanted) = value(sample.record, field);
            assert_eq!((lent.shape.dims(), bytes(lent)), (&dims[..], wanted));
        }
        assert!(
            outputs
                .iter()
                .all(|output| output.iter().all(|byte| *byte == 0))
        );
        let sum: f32 = floats(x).iter().sum();
        outputs[0].copy_from_slice(&sum.to_le_bytes());
        outputs[1][..8].copy_from_slice(&sample.seed.to_le_bytes());
        outputs[1][8..].copy_from_slice(&sample.record.to_le_bytes());
        for (out, byte) in outputs[2].iter_mut().zip(bytes(text).iter().rev()) {
            *out = *byte;
        }
        if self.refused.contains(&sample.record) {
            return Err(-7);
        }
        Ok(())
    }
}

fn floats(lent: &Lent<'_>) -> Vec<f32> {
    let bytes = bytes(lent);
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn with_transform(batch: u64, refused: &[u64]) -> adit_core::loader::LoaderOptions {
    let mut options = options(batch);
    options.fields = vec![field("x"), field("text"), field("pairs"), field("matrix")];
    options.transform = Some(Arc::new(Sum {
        refused: refused.to_vec(),
    }));
    let output = |name: &str, dtype, dims: &[i64]| OutputField {
        name: name.to_owned(),
        dtype,
        dims: dims.to_vec(),
    };
    options.outputs = vec![
        output("sum", DType::F32, &[]),
        output("seed", DType::U64, &[2]),
        output("reversed", DType::U8, &[2, 3]),
    ];
    options
}

/// What the transform makes of a record.
fn made(record: u64) -> (Vec<u8>, Vec<u8>) {
    let mut text = value(record, TEXT).1;
    text.resize(6, 0);
    let sum = record as f32 * 30.0 + 3.0;
    (sum.to_le_bytes().to_vec(), text)
}

#[test]
fn a_transform_makes_the_same_in_every_world() {
    // More rows than are staged at once.
    let toy = Arc::new(Toy::new(100));
    let mut seeds = std::collections::BTreeMap::new();
    for (world, workers) in [(1, 0), (1, 3), (2, 1), (5, 0)] {
        for rank in 0..world {
            let mut options = with_transform(50, &[]);
            options.workers = Some(workers);
            options.partition.world = world;
            options.partition.rank = rank;
            let mut loader = open(&toy, &options);
            for number in 0..2 {
                while let Some(batch) = loader.next().unwrap() {
                    assert_eq!(batch.len(), 3);
                    let shape = batch.tensor(2).unwrap().shape;
                    assert_eq!(shape.dims(), [50 / i64::from(world), 2, 3]);
                    let own = loader_tools::words(&tensor(&batch, "seed"));
                    let sums = tensor(&batch, "sum");
                    let texts = tensor(&batch, "reversed");
                    for (row, &record) in batch.records().iter().enumerate() {
                        let (sum, text) = made(record);
                        assert_eq!(&sums[row * 4..][..4], sum);
                        assert_eq!(&texts[row * 6..][..6], text);
                        assert_eq!(own[row * 2 + 1], record);
                        let seed = seeds.entry((number, record)).or_insert(own[row * 2]);
                        assert_eq!(*seed, own[row * 2]);
                    }
                }
            }
        }
    }
    let mut different: Vec<u64> = seeds.values().copied().collect();
    different.sort_unstable();
    different.dedup();
    assert_eq!((seeds.len(), different.len()), (200, 200));
}

#[test]
fn a_record_that_the_transform_refuses_is_a_bad_one() {
    let toy = Arc::new(Toy::with_bad(100, &[20, 31]));
    for workers in [0, 2] {
        let mut options = with_transform(50, &[30, 50]);
        options.order.shuffle = adit_core::loader::Shuffle::Sequential;
        options.workers = Some(workers);
        let mut toy_bad = toy.bad.lock().unwrap();
        let bad = std::mem::take(&mut *toy_bad);
        drop(toy_bad);
        let mut loader = open(&toy, &options);
        let error = loader.next().unwrap_err();
        assert_eq!((error.kind(), error.os_code()), (Kind::Callback, -7));
        assert_eq!(error.place().index, Some(30));
        assert_eq!(
            error.to_string(),
            "the transform of record 30 of 'toy' failed with -7"
        );
        drop(loader);
        *toy.bad.lock().unwrap() = bad;

        options.bad = BadRecord::Mask;
        let mut loader = open(&toy, &options);
        let batch = loader.next().unwrap().unwrap();
        let masked = |row: &usize| batch.flags()[*row] == MASKED;
        assert_eq!((0..50).filter(masked).collect::<Vec<_>>(), [20, 30, 31]);
        let (sums, texts) = (tensor(&batch, "sum"), tensor(&batch, "reversed"));
        for row in 0..50 {
            let (sum, text) = match batch.flags()[row] {
                MASKED => (vec![0; 4], vec![0; 6]),
                _ => made(row as u64),
            };
            assert_eq!(
                (&sums[row * 4..][..4], &texts[row * 6..][..6]),
                (&sum[..], &text[..])
            );
        }
        drop(batch);
        assert_eq!(loader.next().unwrap().unwrap().flags()[0], MASKED);
        assert_eq!(loader.stats().unwrap().masked, 4);
        drop(loader);

        options.bad = BadRecord::Replace;
        let mut loader = open(&toy, &options);
        let batch = loader.next().unwrap().unwrap();
        let mut wanted: Vec<u64> = (0..50).collect();
        // 31 is bad, so 30 goes on to 32.
        (wanted[20], wanted[30], wanted[31]) = (21, 32, 32);
        assert_eq!(batch.records(), wanted);
        let sums = tensor(&batch, "sum");
        for (row, record) in wanted.into_iter().enumerate() {
            assert_eq!(&sums[row * 4..][..4], made(record).0);
        }
    }
}

#[test]
fn every_record_of_a_random_mix_of_faults_is_told_or_stands_for() {
    for seed in 0..12u64 {
        let bad: Vec<u64> = (0..200)
            .filter(|record| (record * 31 + seed * 7) % 9 == 0)
            .collect();
        let toy = Arc::new(Toy::with_bad(200, &bad));
        let mut options = options(8);
        options.order.seed = seed;
        options.workers = Some((seed % 4) as usize);
        options.bad = if seed % 2 == 0 {
            BadRecord::Mask
        } else {
            BadRecord::Replace
        };
        let mut loader = open(&toy, &options);
        let order = expected(200, &options, 0);
        let mut row = 0;
        while let Some(batch) = loader.next().unwrap() {
            check(&batch);
            assert_eq!((batch.valid(), batch.rows()), (8, 8));
            for (&record, &flags) in batch.records().iter().zip(batch.flags()) {
                let is_bad = bad.contains(&order[row]);
                let wanted = match (is_bad, options.bad) {
                    (false, _) => SOUND,
                    (true, BadRecord::Mask) => MASKED,
                    (true, _) => REPLACED,
                };
                assert_eq!(flags, wanted);
                if flags == REPLACED {
                    assert!(!bad.contains(&record));
                    let steps = (record + 200 - order[row]) % 200;
                    assert!(steps.is_power_of_two());
                } else {
                    assert_eq!(record, order[row]);
                }
                row += 1;
            }
        }
        assert_eq!(row, 200);
    }
}

#[test]
fn a_transform_and_its_outputs_belong_together() {
    let toy = Arc::new(Toy::new(10));
    let mut options = with_transform(5, &[]);
    options.outputs[1].dims = vec![3, -1];
    let error = refused(&toy, &options);
    assert_eq!(
        error.to_string(),
        "output \"seed\" needs at most 7 dimensions, none negative"
    );
    options.outputs.clear();
    let error = refused(&toy, &options);
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(
        error
            .to_string()
            .starts_with("a transform needs output fields"),
        "{error}"
    );
    assert!(matches!(error, Error::Arguments { .. }));
    assert_eq!(value(3, ID).1.len(), 8);
}
