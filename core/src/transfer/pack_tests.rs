//! What slots carry, against a plain model: every unit once, in order, where it may lie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::item::Output;
use super::job::Job;
use super::pack::{Cargo, MAX_PARTS, Packer, Slots, WORTH_A_CUT};
use crate::dtype::DType;
use crate::error::{Kind, Report};
use crate::kernel::Stores;
use crate::tensor::Shape;

struct Dice(u64);

impl Dice {
    /// Below `end`.
    fn roll(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len() as u64) as usize]
    }
}

fn job(item: u64, units: u64, unit_out: usize) -> Job {
    let bytes = units * unit_out as u64;
    Job {
        item,
        output: Output {
            dtype: DType::U8,
            shape: Shape::new(&[bytes as i64]).unwrap(),
            bytes,
        },
        file: 0,
        offset: 0,
        units,
        run_units: units.max(1),
        stride: 0,
        unit_in: unit_out,
        unit_out,
        conversion: None,
        stores: Stores::Auto,
    }
}

/// All slots' cargoes, and the jobs without units, in order.
fn packed(jobs: &[Job], order: &[usize], slots: Slots) -> (Vec<Cargo>, Vec<usize>) {
    let mut packer = Packer::new(jobs, order, slots);
    let (mut cargoes, mut empty) = (Vec::new(), Vec::new());
    loop {
        let mut cargo = Cargo::default();
        let tell = &mut |piece: super::job::Piece| {
            assert_eq!((piece.start, piece.count), (0, 0));
            empty.push(piece.job);
            Ok(())
        };
        packer.next(&mut cargo, tell).unwrap();
        if cargo.pieces.is_empty() {
            assert!(cargo.parts.is_empty());
            return (cargoes, empty);
        }
        cargoes.push(cargo);
    }
}

/// What must hold of any packing.
fn check(jobs: &[Job], order: &[usize], slots: Slots) -> Vec<Cargo> {
    let (cargoes, empty) = packed(jobs, order, slots);
    let is_empty = |&&number: &&usize| jobs[number].units == 0;
    let wanted: Vec<usize> = order.iter().filter(is_empty).copied().collect();
    assert_eq!(empty, wanted);
    let mut expected = order.iter().copied().filter(|&job| jobs[job].units > 0);
    let mut current: Option<(usize, u64)> = None;
    for cargo in &cargoes {
        assert_eq!(cargo.pieces.len(), cargo.parts.len());
        assert!(cargo.parts.len() <= if slots.packs { MAX_PARTS } else { 1 });
        let mut end = 0usize;
        for (piece, part) in cargo.pieces.iter().zip(&cargo.parts) {
            let (number, done) = current
                .take()
                .unwrap_or_else(|| (expected.next().unwrap(), 0));
            let job = &jobs[number];
            let unit = job.unit_out as u64;
            assert_eq!((piece.job, piece.start), (number, done));
            assert_eq!((part.item, part.offset), (number, done * unit));
            assert_eq!(part.bytes as u64, piece.count * unit);
            assert!(part.bytes > 0);
            assert_eq!(part.start, end.next_multiple_of(slots.align));
            assert_eq!(part.offset % slots.align as u64, 0);
            end = part.start + part.bytes;
            assert!(end <= slots.bytes);
            if done + piece.count < job.units {
                current = Some((number, done + piece.count));
            }
        }
    }
    assert_eq!((expected.next(), current), (None, None));
    cargoes
}

#[test]
fn every_unit_once_and_in_order() {
    let mut dice = Dice(0x9E37_79B9);
    let units = [
        1, 2, 4, 8, 12, 17, 18, 34, 84, 110, 144, 176, 210, 292, 1024,
    ];
    let (mut full, mut cut) = (0, 0);
    for _ in 0..2000 {
        let count = dice.roll(40);
        let jobs: Vec<Job> = (0..count)
            .map(|item| {
                let unit = dice.one_of(&units);
                let most = dice.one_of(&[1, 3, 50, 4000, 200_000]);
                job(item, dice.roll(1 + most / unit as u64), unit)
            })
            .collect();
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        for at in 1..order.len() {
            order.swap(at, dice.roll(at as u64 + 1) as usize);
        }
        let slots = Slots {
            count: 1,
            bytes: dice.one_of(&[4096, 4099, 65_536, 1 << 20]),
            align: dice.one_of(&[1, 2, 4, 16, 256]),
            packs: dice.roll(4) > 0,
        };
        if slots.check(&jobs).is_ok() {
            let cargoes = check(&jobs, &order, slots);
            full += cargoes.iter().filter(|cargo| cargo.parts.len() > 3).count();
            cut += cargoes
                .iter()
                .filter(|cargo| cargo.parts[0].offset > 0)
                .count();
        }
    }
    assert!(full > 1000 && cut > 1000, "{full} {cut}");
}

#[test]
fn little_of_a_slot_is_left() {
    let slots = Slots {
        count: 1,
        bytes: 1 << 20,
        align: 4,
        packs: true,
    };
    let jobs: Vec<Job> = (0..64).map(|item| job(item, 700_000, 1)).collect();
    let order: Vec<usize> = (0..64).collect();
    let cargoes = check(&jobs, &order, slots);
    for cargo in &cargoes[..cargoes.len() - 1] {
        let last = cargo.parts.last().unwrap();
        let left = slots.bytes - last.start - last.bytes;
        assert!((left as u64) < WORTH_A_CUT, "{left}");
    }
}

#[test]
fn nothing_is_cut_for_a_few_bytes() {
    let slots = Slots {
        count: 1,
        bytes: 1 << 20,
        align: 1,
        packs: true,
    };
    for (first, parts) in [((1 << 20) - (64 << 10), 2), ((1 << 20) - (64 << 10) + 1, 1)] {
        let jobs = [job(0, first, 1), job(1, 1 << 20, 1)];
        let cargoes = check(&jobs, &[0, 1], slots);
        assert_eq!(cargoes[0].parts.len(), parts);
        assert_eq!(cargoes.len(), 2);
    }
    // In a small slot, for a quarter of it.
    let slots = Slots {
        bytes: 4096,
        ..slots
    };
    for (first, parts) in [(3072, 2), (3073, 1)] {
        let jobs = [job(0, first, 1), job(1, 4096, 1)];
        assert_eq!(check(&jobs, &[0, 1], slots)[0].parts.len(), parts);
    }
}

#[test]
fn many_small_items_share_a_slot() {
    let slots = Slots {
        count: 1,
        bytes: 4 << 20,
        align: 4,
        packs: true,
    };
    let jobs: Vec<Job> = (0..10_000).map(|item| job(item, 3, 1)).collect();
    let order: Vec<usize> = (0..10_000).collect();
    let parts = |slots| -> Vec<usize> {
        let cargoes = check(&jobs, &order, slots);
        cargoes.iter().map(|cargo| cargo.parts.len()).collect()
    };
    assert_eq!(parts(slots), [4096, 4096, 1808]);
    assert_eq!(
        parts(Slots {
            packs: false,
            ..slots
        }),
        [1; 10_000]
    );
}

#[test]
fn an_item_that_no_cut_fits() {
    let slots = |align: usize, bytes: usize| Slots {
        count: 1,
        bytes,
        align,
        packs: true,
    };
    // Blocks of 210 bytes meet 256 every 26,880.
    let jobs = [job(0, 10, 4), job(1, 1000, 210)];
    let error = slots(256, 26_879).check(&jobs).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert_eq!(error.place().index, Some(1));
    assert!(error.to_string().contains("alignment, 256"), "{error}");
    let cargoes = check(&jobs, &[0, 1], slots(256, 26_880));
    assert!(cargoes.len() > 7);
    // What needn't be cut may be anything.
    let jobs = [job(0, 19, 210)];
    slots(4096, 4096).check(&jobs).unwrap();
    assert_eq!(check(&jobs, &[0], slots(4096, 4096)).len(), 1);
}
