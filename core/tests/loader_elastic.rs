//! Real loaders over a real set, in worlds of many sizes, with threads: together they deliver what
//! the order says, and what an uninterrupted run would, wherever they stop and however they go on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::loader::{
    Batch, Loader, LoaderOptions, NO_RECORD, Order, OrderOptions, OutputField, PADDING, Partition,
    Sample, Shuffle, Transform, Uneven,
};
use adit_core::map::Io;
use adit_core::record::{
    Field, ReaderOptions, RecordFormat, RecordReader, RecordWriter, Schema, WriterOptions,
};
use common::Tensor;

/// SplitMix64: the same cases in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn small(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

/// The input of a record and its target.
fn values(record: u64) -> ([f32; 3], f32) {
    let number = record as f32;
    ([number, -number, number * 0.5], number + 1.0)
}

/// What a record has beside them, where the format can have such things.
fn text(record: u64) -> Vec<u8> {
    vec![record as u8; usize::try_from(record % 5).unwrap()]
}

/// A set of each kind in turn: an rrec file, an arec file, shards of about 4 KiB and their manifest.
fn set_of(folder: &common::Folder, kind: u64, records: u64) -> Arc<RecordReader> {
    let path =
        folder.join(["set.rrec", "set.arec", "set.json"][usize::try_from(kind % 3).unwrap()]);
    let mut schema = Schema::new();
    schema.add(Field::new("input", DType::F32, &[3])).unwrap();
    schema.add(Field::new("target", DType::F32, &[])).unwrap();
    schema.add(Field::new("text", DType::U8, &[-1])).unwrap();
    let mut options = WriterOptions {
        format: if kind.is_multiple_of(3) {
            RecordFormat::Rrec1
        } else {
            RecordFormat::Arec
        },
        schema: (!kind.is_multiple_of(3)).then_some(schema),
        shard_bytes: if kind % 3 == 2 { 4096 } else { 0 },
        ..WriterOptions::default()
    };
    options.arec.block_bytes = if kind.is_multiple_of(3) { 0 } else { 16 << 10 };
    let mut writer = RecordWriter::create(common::disk(), &path, &options).unwrap();
    for record in 0..records {
        let (input, target) = values(record);
        let text = text(record);
        let len = i64::try_from(text.len()).unwrap();
        let all = [
            Tensor::f32(&[3], &input),
            Tensor::f32(&[], &[target]),
            Tensor::new(DType::U8, &[len], text),
        ];
        let fields = if kind.is_multiple_of(3) { 2 } else { 3 };
        let views: Vec<_> = all.iter().take(fields).map(Tensor::view).collect();
        writer.append(&views).unwrap();
    }
    writer.finish().unwrap();
    Arc::new(RecordReader::open(&path, &ReaderOptions::default()).unwrap())
}

fn bytes(batch: &Batch, tensor: usize, dtype: DType) -> Vec<u8> {
    let lent = batch.tensor(tensor).unwrap();
    assert_eq!(lent.dtype, dtype);
    lent.bytes.to_vec(0, lent.bytes.len()).unwrap()
}

fn floats(batch: &Batch, tensor: usize) -> Vec<f32> {
    let bytes = bytes(batch, tensor, DType::F32);
    let (words, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn words(batch: &Batch, tensor: usize) -> Vec<u64> {
    let bytes = bytes(batch, tensor, DType::U64);
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect()
}

/// What a rank was given for a step: epoch, step, the records that count, the padding.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    epoch: u64,
    step: u64,
    sound: Vec<u64>,
    padding: Vec<u64>,
}

/// Looks at all of a batch.
fn part(batch: &Batch) -> Part {
    let (inputs, targets) = (floats(batch, 0), floats(batch, 1));
    assert_eq!(
        (inputs.len(), targets.len()),
        (batch.rows() * 3, batch.rows())
    );
    for (row, &record) in batch.records().iter().enumerate() {
        let (input, target) = if record == NO_RECORD {
            ([0.0; 3], 0.0)
        } else {
            values(record)
        };
        assert_eq!(inputs[row * 3..row * 3 + 3], input, "record {record}");
        assert_eq!(targets[row], target, "record {record}");
        let expected = if row < batch.valid() { 0 } else { PADDING };
        assert_eq!(batch.flags()[row], expected);
    }
    if let Some(tensor) = batch.find("text") {
        let starts = words(batch, batch.find("text.offsets").unwrap());
        let (mut offsets, mut all) = (vec![0], Vec::new());
        for &record in batch.records() {
            if record != NO_RECORD {
                all.extend(text(record));
            }
            offsets.push(all.len() as u64);
        }
        assert_eq!(starts, offsets);
        assert_eq!(bytes(batch, tensor, DType::U8), all);
    }
    let (sound, padding) = batch.records().split_at(batch.valid());
    Part {
        epoch: batch.epoch(),
        step: batch.step(),
        sound: sound.to_vec(),
        padding: padding
            .iter()
            .copied()
            .filter(|&record| record != NO_RECORD)
            .collect(),
    }
}

/// A run: what all its loaders have in common.
#[derive(Clone, Copy, Debug)]
struct Run {
    records: u64,
    order: OrderOptions,
    batch: u64,
    uneven: Uneven,
}

impl Run {
    fn random(random: &mut Random, records: u64) -> Run {
        let uneven = [Uneven::Drop, Uneven::Pad, Uneven::Keep][random.small(3)];
        let most = if uneven == Uneven::Drop { records } else { 100 };
        Run {
            records,
            order: OrderOptions {
                shuffle: [Shuffle::Windowed, Shuffle::Windowed, Shuffle::Sequential]
                    [random.small(3)],
                seed: random.next(),
                block: 1 + random.below(20),
                window: random.below(6),
                canonical_nodes: u32::try_from(random.below(5)).unwrap(),
            },
            batch: 1 + random.below(most.min(100)),
            uneven,
        }
    }

    fn steps(&self) -> u64 {
        self.partition(1, 0).steps(self.records)
    }

    fn partition(&self, world: u32, rank: u32) -> Partition {
        Partition {
            batch: self.batch,
            world,
            rank,
            uneven: self.uneven,
        }
    }

    /// What a rank should be given.
    fn expected(&self, world: u32, rank: u32, epoch: u64, step: u64) -> Part {
        let order = Order::new(self.records, &self.order, epoch).unwrap();
        let mut sound = Vec::new();
        let valid = self
            .partition(world, rank)
            .take(&order, step, &mut sound)
            .unwrap();
        let padding = sound.split_off(valid);
        Part {
            epoch,
            step,
            sound,
            padding,
        }
    }

    /// A rank's loader, with threads and memory as chance has it.
    fn open(
        &self,
        random: &mut Random,
        reader: &Arc<RecordReader>,
        world: u32,
        rank: u32,
    ) -> Loader {
        let mut options = LoaderOptions::new(self.batch);
        options.order = self.order;
        options.partition = self.partition(world, rank);
        options.workers = Some(random.small(5));
        options.max_held = 1 + random.small(3);
        options.depth = match random.small(3) {
            0 => 0,
            more => options.max_held + more,
        };
        options.io = [Io::Auto, Io::Map, Io::Read, Io::Direct][random.small(4)];
        Loader::open(Arc::clone(reader), &options).unwrap()
    }
}

/// Takes a step of all ranks, whichever is first.
fn step(random: &mut Random, run: &Run, loaders: &mut [Loader], epoch: u64, number: u64) {
    let world = u32::try_from(loaders.len()).unwrap();
    let (start, count) = (random.small(loaders.len()), loaders.len());
    for rank in (start..start + count).map(|rank| rank % count) {
        let batch = loaders[rank].next().unwrap().unwrap();
        let rank = u32::try_from(rank).unwrap();
        assert_eq!(
            part(&batch),
            run.expected(world, rank, epoch, number),
            "{run:?}"
        );
    }
}

#[test]
fn all_worlds_deliver_the_order_epoch_after_epoch() {
    let folder = common::Folder::new();
    let mut random = Random(1);
    for case in 0..40 {
        let records = 1 + random.below(300);
        let reader = set_of(&folder, case, records);
        let run = Run::random(&mut random, records);
        let world = 1 + u32::try_from(random.below(6)).unwrap();
        let mut loaders: Vec<Loader> = (0..world)
            .map(|rank| run.open(&mut random, &reader, world, rank))
            .collect();
        for epoch in 0..3 {
            for number in 0..run.steps() {
                step(&mut random, &run, &mut loaders, epoch, number);
            }
            for loader in &mut loaders {
                assert!(loader.next().unwrap().is_none());
            }
        }
    }
}

#[test]
fn a_run_goes_on_anywhere_in_any_world() {
    let folder = common::Folder::new();
    let mut random = Random(2);
    let readers = [0, 1, 2].map(|kind| set_of(&folder, kind, 500));
    for case in 0..30 {
        let reader = &readers[case % 3];
        let run = Run::random(&mut random, 500);
        let steps = run.steps();
        let mut at = 0;
        let mut state: Option<Vec<u8>> = None;
        // Stretches of other worlds, with others' states, over the ends of epochs.
        while at < 2 * steps + 1 {
            let world = 1 + u32::try_from(random.below(6)).unwrap();
            let mut loaders: Vec<Loader> = (0..world)
                .map(|rank| run.open(&mut random, reader, world, rank))
                .collect();
            if let Some(state) = &state {
                for loader in &mut loaders {
                    loader.restore(state).unwrap();
                    assert_eq!(loader.state().encode(), state[..]);
                }
            }
            for _ in 0..random.below(steps + 2) {
                if at > 0 && at % steps == 0 {
                    // The epoch's end is told once, before or after the state was taken.
                    for loader in &mut loaders {
                        if loader.state().step == steps {
                            assert!(loader.next().unwrap().is_none());
                        }
                    }
                }
                step(&mut random, &run, &mut loaders, at / steps, at % steps);
                at += 1;
            }
            let states: Vec<_> = loaders
                .iter()
                .map(|loader| loader.state().encode())
                .collect();
            assert!(states.iter().all(|other| *other == states[0]));
            state = Some(states[random.small(states.len())].to_vec());
        }
    }
}

#[test]
fn a_loader_jumps_at_any_time() {
    let folder = common::Folder::new();
    let mut random = Random(3);
    let readers = [0, 1, 2].map(|kind| set_of(&folder, kind, 200));
    for case in 0..20 {
        let reader = &readers[case % 3];
        let run = Run::random(&mut random, 200);
        let mut loader = run.open(&mut random, reader, 1, 0);
        let steps = run.steps();
        let (mut epoch, mut number) = (0, 0);
        let mut kept = Vec::new();
        for _ in 0..60 {
            match random.below(8) {
                0 => {
                    epoch = random.below(1000);
                    number = 0;
                    loader.set_epoch(epoch).unwrap();
                }
                1 => kept.push((loader.state().encode(), epoch, number)),
                2 if !kept.is_empty() => {
                    let (state, back, step) = kept[random.small(kept.len())];
                    (epoch, number) = (back, step);
                    loader.restore(&state).unwrap();
                }
                _ if number == steps => {
                    assert!(loader.next().unwrap().is_none());
                    (epoch, number) = (epoch + 1, 0);
                }
                _ => {
                    let batch = loader.next().unwrap().unwrap();
                    assert_eq!(part(&batch), run.expected(1, 0, epoch, number), "{run:?}");
                    number += 1;
                }
            }
        }
    }
}

/// Writes the seed it is given, and the record.
struct Seeds;

impl Transform for Seeds {
    fn apply(&self, sample: &Sample<'_>, outputs: &mut [&mut [u8]]) -> Result<(), i32> {
        let target = sample.tensors[1].bytes.to_vec(0, 4).unwrap();
        let target = f32::from_le_bytes(target.try_into().unwrap());
        assert_eq!(target, values(sample.record).1);
        outputs[0].copy_from_slice(&sample.seed.to_le_bytes());
        outputs[1].copy_from_slice(&sample.record.to_le_bytes());
        Ok(())
    }
}

#[test]
fn transforms_draw_the_same_in_every_world() {
    let folder = common::Folder::new();
    let reader = set_of(&folder, 2, 150);
    let output = |name: &str| OutputField {
        name: name.to_owned(),
        dtype: DType::U64,
        dims: Vec::new(),
    };
    let mut options = LoaderOptions::new(30);
    options.order.seed = 11;
    options.order.block = 7;
    options.transform = Some(Arc::new(Seeds));
    options.outputs = vec![output("seed"), output("record")];
    let order = |epoch| Order::new(150, &options.order, epoch).unwrap();
    for (world, workers) in [(1, 0), (1, 3), (4, 1), (7, 2)] {
        let mut seen = [0; 150];
        for rank in 0..world {
            let mut options = options.clone();
            options.partition.world = world;
            options.partition.rank = rank;
            options.workers = Some(workers);
            let mut loader = Loader::open(Arc::clone(&reader), &options).unwrap();
            for epoch in 0..2 {
                while let Some(batch) = loader.next().unwrap() {
                    let seeds: Vec<u64> = batch
                        .records()
                        .iter()
                        .map(|&record| order(epoch).record_seed(record))
                        .collect();
                    assert_eq!(words(&batch, 0), seeds);
                    assert_eq!(words(&batch, 1), batch.records());
                    for &record in batch.records() {
                        seen[usize::try_from(record).unwrap()] += 1;
                    }
                }
            }
        }
        assert_eq!(seen, [2; 150]);
    }
}
