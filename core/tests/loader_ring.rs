//! Batches come in their order, whole, and once, however many threads fill them.

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
use adit_core::loader::{Error, NO_RECORD, PADDING, RaggedMode, SOUND, Uneven};
use loader_tools::{
    MATRIX, PAIRS, TEXT, Toy, bytes, check, epoch, expected, field, open, options, refused,
    sequential, tensor, value, words,
};

#[test]
fn every_number_of_workers_delivers_the_same() {
    for workers in [0, 1, 2, 3, 7] {
        for depth in [0, 3, 4, 11] {
            let toy = Arc::new(Toy::new(103));
            let mut options = options(8);
            options.workers = Some(workers);
            options.depth = depth;
            let mut loader = open(&toy, &options);
            assert_eq!(loader.steps(), 12);
            for number in 0..3 {
                let mut wanted = expected(103, &options, number);
                wanted.truncate(96);
                assert_eq!(
                    epoch(&mut loader),
                    wanted,
                    "{workers} workers, epoch {number}"
                );
            }
            let stats = loader.stats().unwrap();
            assert_eq!((stats.steps, stats.records), (36, 288));
            assert_eq!(stats.bytes, 288 * 20);
            assert!(stats.read_bytes >= stats.bytes);
            assert!(stats.cold_pages >= 288);
            assert_eq!(stats.workers, workers as u64);
            assert_eq!(
                stats.slots,
                if depth == 0 { 3 + workers } else { depth } as u64
            );
            assert!(stats.memory >= stats.slots * 8 * 20);
            assert!(workers > 0 || stats.wait_ns > 0);
            assert_eq!(
                (stats.replaced, stats.masked, stats.dropped_bytes),
                (0, 0, 0)
            );
        }
    }
}

#[test]
fn every_step_is_announced_once_before_it_is_filled() {
    for workers in [0, 1, 4] {
        let toy = Arc::new(Toy::new(40));
        let mut options = options(4);
        options.workers = Some(workers);
        let mut loader = open(&toy, &options);
        assert_eq!(epoch(&mut loader), expected(40, &options, 0));
        let wanted: Vec<u64> = (0..9)
            .flat_map(|number| expected(40, &options, number))
            .collect();
        drop(loader);
        let mut announced = toy.announced.lock().unwrap().clone();
        if workers > 1 {
            // Several threads announce: each step's records stay together.
            let steps = wanted.chunks(4);
            for step in steps.take(10) {
                assert_eq!(
                    announced.chunks(4).filter(|other| *other == step).count(),
                    1
                );
            }
        } else {
            assert!(announced.len() > 40);
            announced.truncate(wanted.len());
            assert_eq!(announced, wanted[..announced.len()]);
        }
    }
}

#[test]
fn nothing_is_announced_that_goes_past_the_cache() {
    let toy = Arc::new(Toy::new(40));
    let mut options = options(4);
    options.io = adit_core::map::Io::Direct;
    epoch(&mut open(&toy, &options));
    assert!(toy.announced.lock().unwrap().is_empty());
}

#[test]
fn a_batch_tells_where_it_is_from() {
    let toy = Arc::new(Toy::new(20));
    let mut options = sequential(5);
    options.epoch = 9;
    let mut loader = open(&toy, &options);
    let batch = loader.next().unwrap().unwrap();
    assert_eq!((batch.epoch(), batch.step(), batch.valid()), (9, 0, 5));
    assert_eq!((batch.rows(), batch.len(), batch.is_empty()), (5, 2, false));
    assert_eq!(batch.records(), [0, 1, 2, 3, 4]);
    assert_eq!(batch.flags(), [SOUND; 5]);
    assert_eq!(
        (batch.name(0), batch.name(1), batch.name(2)),
        (Some("x"), Some("id"), None)
    );
    assert_eq!((batch.find("id"), batch.find("text")), (Some(1), None));
    assert!(batch.tensor(2).is_none());
    let x = batch.tensor(0).unwrap();
    assert_eq!((x.dtype, x.shape.dims()), (DType::F32, &[5, 3][..]));
    assert_eq!(x.bytes.as_ptr().addr() % 4096, 0);
    let id = batch.tensor(1).unwrap();
    assert_eq!((id.dtype, id.shape.dims()), (DType::I64, &[5][..]));
    assert_eq!(batch.bytes(), 100);
    assert_eq!(format!("{batch:?}"), "Batch(epoch 9, step 0, 5 rows)");
    assert_eq!(format!("{loader:?}"), "Loader('toy', epoch 9, step 1)");
    check(&batch);
}

#[test]
fn held_batches_keep_their_bytes_and_one_too_many_is_refused() {
    for workers in [0, 2] {
        for held in [1, 2, 5] {
            let toy = Arc::new(Toy::new(80));
            let mut options = options(4);
            options.workers = Some(workers);
            options.max_held = held;
            let mut loader = open(&toy, &options);
            let mut batches: Vec<_> = (0..held).map(|_| loader.next().unwrap().unwrap()).collect();
            let error = loader.next().unwrap_err();
            assert_eq!(error.kind(), Kind::Busy);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{held} batches are held")),
                "{error}"
            );
            assert_eq!(loader.state().step, held as u64);
            for step in held as u64..20 {
                drop(batches.remove(0));
                let batch = loader.next().unwrap().unwrap();
                assert_eq!(batch.step(), step);
                batches.push(batch);
                batches.iter().for_each(check);
                assert_eq!(loader.next().is_err(), step < 19);
            }
        }
    }
}

#[test]
fn batches_outlive_their_loader() {
    let toy = Arc::new(Toy::new(80));
    let weak = Arc::downgrade(&toy);
    let mut loader = open(&toy, &options(4));
    let (one, two) = (
        loader.next().unwrap().unwrap(),
        loader.next().unwrap().unwrap(),
    );
    drop(toy);
    drop(loader);
    check(&one);
    drop(one);
    assert!(weak.upgrade().is_some());
    std::thread::spawn(move || check(&two)).join().unwrap();
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_epoch_that_is_set_starts_over() {
    for workers in [0, 3] {
        let toy = Arc::new(Toy::new(50));
        let mut options = options(5);
        options.workers = Some(workers);
        let mut loader = open(&toy, &options);
        for number in [7, 0, 7, u64::MAX] {
            let held = loader.next().unwrap().unwrap();
            loader.set_epoch(number).unwrap();
            assert_eq!((loader.state().epoch, loader.state().step), (number, 0));
            assert_eq!(epoch(&mut loader), expected(50, &options, number));
            check(&held);
        }
        // The one after the last is the first.
        assert_eq!(loader.next().unwrap().unwrap().epoch(), 0);
    }
}

#[test]
fn a_state_goes_on_exactly_where_it_was_taken() {
    let toy = Arc::new(Toy::new(50));
    let mut options = options(5);
    let whole: Vec<u64> = (0..2)
        .flat_map(|number| expected(50, &options, number))
        .collect();
    for stop in 0..=20usize {
        options.workers = Some(stop % 4);
        let mut loader = open(&toy, &options);
        let mut ends = 0;
        let mut seen = Vec::new();
        while seen.len() < stop * 5 {
            match loader.next().unwrap() {
                Some(batch) => seen.extend_from_slice(batch.records()),
                None => ends += 1,
            }
        }
        let state = loader.state().encode();
        drop(loader);
        options.workers = Some((stop + 1) % 3);
        options.epoch = 99;
        let mut loader = open(&toy, &options);
        loader.next().unwrap().unwrap();
        loader.restore(&state).unwrap();
        assert_eq!(loader.state().encode(), state);
        while ends < 2 {
            match loader.next().unwrap() {
                Some(batch) => seen.extend_from_slice(batch.records()),
                None => ends += 1,
            }
        }
        assert_eq!(seen, whole, "stopped after {stop} steps");
        options.epoch = 0;
    }
}

#[test]
fn a_state_of_something_else_changes_nothing() {
    let toy = Arc::new(Toy::new(50));
    let mut options = options(5);
    let mut loader = open(&toy, &options);
    loader.next().unwrap().unwrap();
    let error = loader.restore(b"nonsense").unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    options.order.seed = 6;
    let other = open(&toy, &options).state().encode();
    let error = loader.restore(&other).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(
        error.to_string().contains("its seed is 6, the loader's 5"),
        "{error}"
    );
    options.order.seed = 5;
    assert_eq!(epoch(&mut loader), expected(50, &options, 0)[5..]);
}

#[test]
fn the_last_step_is_dropped_padded_or_kept() {
    let toy = Arc::new(Toy::new(22));
    for world in [1, 2, 3, 5] {
        for (uneven, steps) in [(Uneven::Drop, 4), (Uneven::Pad, 5), (Uneven::Keep, 5)] {
            let (mut seen, mut padded) = (Vec::new(), Vec::new());
            for rank in 0..world {
                let mut options = options(5);
                options.partition.world = world;
                options.partition.rank = rank;
                options.partition.uneven = uneven;
                let mut loader = open(&toy, &options);
                assert_eq!(loader.steps(), steps);
                let mut count = 0;
                while let Some(batch) = loader.next().unwrap() {
                    check(&batch);
                    assert_eq!(batch.rows(), loader.rows());
                    seen.extend_from_slice(&batch.records()[..batch.valid()]);
                    assert!(
                        batch.flags()[..batch.valid()]
                            .iter()
                            .all(|flag| *flag == SOUND)
                    );
                    assert!(
                        batch.flags()[batch.valid()..]
                            .iter()
                            .all(|flag| *flag == PADDING)
                    );
                    padded.extend_from_slice(&batch.records()[batch.valid()..]);
                    count += 1;
                }
                assert_eq!(count, steps);
            }
            seen.sort_unstable();
            seen.dedup();
            let first = expected(22, &options(5), 0);
            match uneven {
                Uneven::Drop => {
                    assert_eq!(seen.len(), 20);
                    assert!(padded.is_empty());
                }
                Uneven::Pad => {
                    assert_eq!(seen.len(), 22);
                    assert_eq!(padded, first[..3]);
                }
                Uneven::Keep => {
                    assert_eq!(seen.len(), 22);
                    assert_eq!(padded, [NO_RECORD; 3]);
                }
            }
        }
    }
}

#[test]
fn ragged_fields_come_packed_with_their_offsets() {
    let toy = Arc::new(Toy::new(22));
    let mut options = sequential(5);
    options.partition.uneven = Uneven::Keep;
    options.fields = vec![field("text"), field("pairs"), field("matrix")];
    let mut loader = open(&toy, &options);
    let mut first = 0;
    while let Some(batch) = loader.next().unwrap() {
        let records: Vec<u64> = (first..22.min(first + 5)).collect();
        assert_eq!(batch.records()[..batch.valid()], records);
        let names: Vec<_> = (0..batch.len())
            .map(|index| batch.name(index).unwrap())
            .collect();
        let wanted = [
            "text",
            "text.offsets",
            "pairs",
            "pairs.offsets",
            "matrix",
            "matrix.offsets",
        ];
        assert_eq!(names, wanted);
        for (name, field, size, inner) in [
            ("text", TEXT, 1, None),
            ("pairs", PAIRS, 4, Some(2)),
            ("matrix", MATRIX, 8, None),
        ] {
            let mut all = Vec::new();
            let mut offsets = vec![0];
            for &record in &records {
                all.extend(value(record, field).1);
                offsets.push(all.len() as u64 / size);
            }
            offsets.resize(6, all.len() as u64 / size);
            assert_eq!(tensor(&batch, name), all);
            assert_eq!(words(&tensor(&batch, &format!("{name}.offsets"))), offsets);
            let lent = batch.tensor(batch.find(name).unwrap()).unwrap();
            let elements = (all.len() as u64 / size) as i64;
            match inner {
                Some(inner) => assert_eq!(lent.shape.dims(), [elements / inner, inner]),
                None => assert_eq!(lent.shape.dims(), [elements]),
            }
            let lent = batch
                .tensor(batch.find(&format!("{name}.offsets")).unwrap())
                .unwrap();
            assert_eq!((lent.dtype, lent.shape.dims()), (DType::U64, &[6][..]));
        }
        first += 5;
    }
    assert_eq!(first, 25);
}

#[test]
fn ragged_fields_come_padded_with_their_lengths() {
    let toy = Arc::new(Toy::new(22));
    let mut options = sequential(5);
    options.partition.uneven = Uneven::Keep;
    options.fields = vec![field("text"), field("pairs")];
    for option in &mut options.fields {
        option.ragged = RaggedMode::Padded {
            length: 4,
            cut: true,
        };
    }
    let mut loader = open(&toy, &options);
    let mut first = 0;
    while let Some(batch) = loader.next().unwrap() {
        for (name, field, size) in [("text", TEXT, 1), ("pairs", PAIRS, 8)] {
            let (mut all, mut lengths) = (Vec::new(), Vec::new());
            for record in first..first + 5 {
                let (dims, mut bytes) = value(record, field);
                let dim = if record < 22 { dims[0] as u64 } else { 0 };
                bytes.truncate(dim as usize * size);
                bytes.resize(4 * size, 0);
                all.extend(bytes);
                lengths.push(dim.min(4));
            }
            assert_eq!(tensor(&batch, name), all);
            assert_eq!(words(&tensor(&batch, &format!("{name}.lengths"))), lengths);
        }
        let text = batch.tensor(0).unwrap();
        assert_eq!(text.shape.dims(), [5, 4]);
        let pairs = batch.tensor(batch.find("pairs").unwrap()).unwrap();
        assert_eq!(pairs.shape.dims(), [5, 4, 2]);
        assert_eq!(bytes(&pairs).len(), 160);
        first += 5;
    }
}

#[test]
fn all_fields_come_where_none_is_named() {
    let toy = Arc::new(Toy::new(8));
    let mut options = sequential(4);
    options.fields.clear();
    let batch = open(&toy, &options).next().unwrap().unwrap();
    assert_eq!(batch.len(), 8);
    assert_eq!(batch.find("matrix.offsets"), Some(7));
}

#[test]
fn options_that_make_no_sense_say_why() {
    let toy = Arc::new(Toy::new(10));
    let why = |options: &adit_core::loader::LoaderOptions| {
        let error = refused(&toy, options);
        assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
        error.to_string()
    };
    assert_eq!(why(&options(0)), "batch is 0; a step has 1 to 2^32 records");
    assert!(why(&options(11)).contains("has 10 records, fewer than the 11 of a step"));
    let with = |change: &dyn Fn(&mut adit_core::loader::LoaderOptions)| {
        let mut options = options(5);
        change(&mut options);
        why(&options)
    };
    let text = with(&|options| options.fields.push(field("y")));
    assert_eq!(
        text,
        "'toy' has no field \"y\"; its fields are x, text, id, pairs, matrix"
    );
    let text = with(&|options| options.fields.push(field("x")));
    assert_eq!(text, "two tensors of a batch would be called \"x\"");
    let text = with(&|options| options.fields[0].dtype = Some(DType::Q4_0));
    assert_eq!(text, "field \"x\" is f32, which can't be converted to q4_0");
    let text = with(&|options| {
        options.fields = vec![field("matrix")];
        options.fields[0].ragged = RaggedMode::Padded {
            length: 3,
            cut: false,
        };
    });
    assert!(
        text.starts_with("field \"matrix\" differs in more than its first"),
        "{text}"
    );
    let text = with(&|options| options.depth = 2);
    assert!(
        text.starts_with("depth is 2, but with max_held 2 at least 3"),
        "{text}"
    );
    let text = with(&|options| options.depth = 1025);
    assert!(
        text.starts_with("memory for 1025 batches; at most 1024"),
        "{text}"
    );
    let text = with(&|options| options.workers = Some(1025));
    assert!(
        text.starts_with("1025 workers are asked for; at most 1024"),
        "{text}"
    );
    let text = with(&|options| options.partition.rank = 1);
    assert_eq!(text, "rank is 1; ranks are below world");
    let empty = Arc::new(Toy::new(0));
    let error = refused(&empty, &options(1));
    assert_eq!(error.to_string(), "'toy' has no records");
    let error: Error = refused(&toy, &{
        let mut options = options(5);
        options.outputs.push(adit_core::loader::OutputField {
            name: "y".into(),
            dtype: DType::U8,
            dims: vec![],
        });
        options
    });
    assert_eq!(
        error.to_string(),
        "there are output fields, but no transform to make them"
    );
}
