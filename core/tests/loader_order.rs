//! What must hold for the order of an epoch, its steps and the ranks' parts, over random sets,
//! options and worlds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use adit_core::loader::{
    MOST_LANES, MOST_RECORDS, MOST_WORLD, Order, OrderOptions, Partition, PlanError, Shuffle,
    State, Uneven,
};

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

    /// Small numbers more often than large ones.
    fn up_to(&mut self, most: u64) -> u64 {
        let bits = 64 - most.leading_zeros();
        let shift = self.below(u64::from(bits) + 1);
        (self.next() & ((1 << shift) - 1)).min(most)
    }

    fn order(&mut self) -> OrderOptions {
        OrderOptions {
            shuffle: if self.below(8) == 0 {
                Shuffle::Sequential
            } else {
                Shuffle::Windowed
            },
            seed: self.next(),
            block: 1 + self.up_to(40),
            window: self.up_to(20),
            canonical_nodes: u32::try_from(self.below(17)).unwrap(),
        }
    }

    fn uneven(&mut self) -> Uneven {
        [Uneven::Drop, Uneven::Pad, Uneven::Keep][usize::try_from(self.below(3)).unwrap()]
    }
}

/// A step of all ranks: the records that count, in the order of ranks, and the padding.
fn step_of(
    order: &Order,
    step: u64,
    world: u32,
    batch: u64,
    uneven: Uneven,
) -> (Vec<u64>, Vec<u64>) {
    let (mut sound, mut padding) = (Vec::new(), Vec::new());
    let mut records = Vec::new();
    for rank in 0..world {
        let partition = Partition {
            batch,
            world,
            rank,
            uneven,
        };
        partition.check().unwrap();
        let valid = partition.take(order, step, &mut records).unwrap();
        let places = partition.places();
        let size = usize::try_from(places.end - places.start).unwrap();
        match uneven {
            Uneven::Drop => assert_eq!((valid, records.len()), (size, size)),
            Uneven::Pad => assert_eq!(records.len(), size),
            Uneven::Keep => assert_eq!(records.len(), valid),
        }
        assert!(valid <= records.len() && records.len() <= size);
        sound.extend_from_slice(&records[..valid]);
        padding.extend_from_slice(&records[valid..]);
    }
    (sound, padding)
}

#[test]
fn every_record_comes_once_an_epoch_in_every_world() {
    let mut random = Random(1);
    for case in 0..1500u64 {
        let records = random.up_to(3000);
        let options = random.order();
        let epoch = random.below(5);
        let order = Order::new(records, &options, epoch).unwrap();
        assert_eq!(order.len(), records);
        let uneven = random.uneven();
        let world = 1 + u32::try_from(case % 64).unwrap();
        let batch = match random.below(4) {
            0 => 1 + random.below(u64::from(world)),
            1 => u64::from(world) * (1 + random.below(8)),
            2 => records + 1 + random.below(100),
            _ => 1 + random.up_to(500),
        };
        let what = format!("case {case}: {records} {options:?} {world} {batch} {uneven:?}");
        let one = Partition {
            batch,
            uneven,
            ..Partition::default()
        };
        let mut times = vec![0u32; usize::try_from(records).unwrap()];
        let mut padded = 0;
        for step in 0..one.steps(records) {
            let (sound, padding) = step_of(&order, step, world, batch, uneven);
            assert_eq!(
                (sound.clone(), padding.clone()),
                step_of(&order, step, 1, batch, uneven),
                "{what}"
            );
            for &record in &sound {
                times[usize::try_from(record).unwrap()] += 1;
            }
            padded += padding.len() as u64;
            let first: Vec<u64> = (0..padding.len() as u64)
                .map(|position| order.record_at(position % records).unwrap())
                .collect();
            assert_eq!(padding, first, "{what}");
        }
        let sum: u64 = times.iter().map(|&times| u64::from(times)).sum();
        assert!(times.iter().all(|&times| times <= 1), "{what}");
        match uneven {
            Uneven::Drop => assert_eq!((sum, padded), (records / batch * batch, 0), "{what}"),
            Uneven::Pad => {
                let whole = records.div_ceil(batch) * batch;
                assert_eq!((sum, padded), (records, whole - records), "{what}");
            }
            Uneven::Keep => assert_eq!((sum, padded), (records, 0), "{what}"),
        }
        let beyond = one.steps(records);
        let no_step = PlanError::NoStep {
            step: beyond,
            steps: beyond,
        };
        assert_eq!(
            one.take(&order, beyond, &mut Vec::new()),
            Err(no_step),
            "{what}"
        );
    }
}

#[test]
fn a_step_has_the_positions_it_should_have() {
    let mut random = Random(2);
    for _ in 0..500 {
        let records = 1 + random.up_to(2000);
        let order = Order::new(records, &random.order(), random.below(3)).unwrap();
        let batch = 1 + random.up_to(300);
        for step in 0..records.div_ceil(batch) {
            let mut expected: Vec<u64> = (step * batch..records.min((step + 1) * batch))
                .map(|position| order.record_at(position).unwrap())
                .collect();
            let (mut sound, _) = step_of(&order, step, 1, batch, Uneven::Keep);
            expected.sort_unstable();
            sound.sort_unstable();
            assert_eq!(sound, expected);
        }
    }
}

#[test]
fn a_run_that_goes_on_elsewhere_is_the_run_that_never_stopped() {
    let mut random = Random(3);
    for case in 0..400 {
        let records = 1 + random.up_to(2000);
        let options = random.order();
        let (batch, uneven) = (1 + random.up_to(200), random.uneven());
        let state_of = |epoch, step| State {
            identity: 77,
            records,
            order: options,
            batch,
            uneven,
            epoch,
            step,
        };
        let steps = |world, from: State, to: u64| {
            let order = Order::new(records, &from.order, from.epoch).unwrap();
            let all = (from.step..to).map(|step| step_of(&order, step, world, batch, uneven));
            all.collect::<Vec<_>>()
        };
        let one = Partition {
            batch,
            uneven,
            ..Partition::default()
        };
        let count = one.steps(records);
        let whole = steps(1, state_of(4, 0), count);
        // Stopped twice, and each time taken up by another number of ranks.
        let (mut first, mut second) = (random.below(count + 1), random.below(count + 1));
        (first, second) = (first.min(second), first.max(second));
        let world = |random: &mut Random| 1 + u32::try_from(random.below(64)).unwrap();
        let mut pieces = steps(world(&mut random), state_of(4, 0), first);
        for (from, to) in [(first, second), (second, count)] {
            let state = State::decode(&state_of(4, from).encode()).unwrap();
            state.check_against(&state_of(0, 0)).unwrap();
            pieces.extend(steps(world(&mut random), state, to));
        }
        assert_eq!(
            pieces, whole,
            "case {case}: {records} {options:?} {batch} {uneven:?}"
        );
    }
}

#[test]
fn windows_hold_what_they_say_and_are_done_when_they_are() {
    let mut random = Random(4);
    for case in 0..400 {
        let records = 1 + random.up_to(1500);
        let options = random.order();
        let order = Order::new(records, &options, 1).unwrap();
        let what = format!("case {case}: {records} {options:?}");
        // The positions of each window.
        let mut windows: BTreeMap<(u32, u64), Vec<u64>> = BTreeMap::new();
        for position in 0..records {
            let window = order.window_of(position).unwrap();
            assert_eq!(order.lane_of(position).unwrap().0, window.lane, "{what}");
            windows
                .entry((window.lane, window.number))
                .or_default()
                .push(position);
        }
        assert_eq!(order.window_of(records), None);
        let mut all_blocks = Vec::new();
        for (&(lane, number), positions) in &windows {
            let window = order.window_of(positions[0]).unwrap();
            assert_eq!((window.lane, window.number), (lane, number));
            let blocks: Vec<_> = order.blocks_of(window).collect();
            let mut own: Vec<u64> = blocks.iter().cloned().flatten().collect();
            let mut taken: Vec<u64> = positions
                .iter()
                .map(|&position| order.record_at(position).unwrap())
                .collect();
            own.sort_unstable();
            taken.sort_unstable();
            assert_eq!(own, taken, "{what}");
            all_blocks.extend(blocks.into_iter().map(|block| block.start));
        }
        all_blocks.sort_unstable();
        let starts: Vec<u64> = (0..records.div_ceil(options.block))
            .map(|block| block * options.block)
            .collect();
        assert_eq!(all_blocks, starts, "{what}");
        // Going on by any stretches, each window is done once: when its last position is passed.
        let mut done: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        let mut from = 0;
        while from < records {
            let to = (from + 1 + random.up_to(records)).min(records);
            order.each_window_done(from, to, |window| {
                assert_eq!(
                    done.insert((window.lane, window.number), to),
                    None,
                    "{what}"
                );
                let last = *windows[&(window.lane, window.number)].last().unwrap();
                assert!(from <= last && last < to, "{what}");
            });
            from = to;
        }
        assert_eq!(done.len(), windows.len(), "{what}");
    }
}

#[test]
fn ranks_of_a_node_read_their_own_lane() {
    for (nodes, each) in [(2u32, 4u32), (4, 2), (8, 8)] {
        let options = OrderOptions {
            seed: 5,
            block: 10,
            window: 4,
            canonical_nodes: nodes,
            ..OrderOptions::default()
        };
        // So many blocks that all lanes are of one length.
        let records = u64::from(nodes) * 10 * 50;
        let order = Order::new(records, &options, 0).unwrap();
        let lanes: BTreeMap<u64, u32> = (0..records)
            .map(|position| {
                (
                    order.record_at(position).unwrap(),
                    order.lane_of(position).unwrap().0,
                )
            })
            .collect();
        let world = nodes * each;
        let mut taken = Vec::new();
        for rank in 0..world {
            let partition = Partition {
                batch: u64::from(world) * 5,
                world,
                rank,
                uneven: Uneven::Drop,
            };
            for step in 0..partition.steps(records) {
                partition.take(&order, step, &mut taken).unwrap();
                assert_eq!(taken.len(), 5);
                assert!(taken.iter().all(|record| lanes[record] == rank / each));
            }
        }
    }
}

#[test]
fn other_seeds_and_epochs_are_other_orders() {
    let order = |seed, epoch| {
        let options = OrderOptions {
            seed,
            block: 4,
            window: 8,
            ..OrderOptions::default()
        };
        let order = Order::new(500, &options, epoch).unwrap();
        (0..500)
            .map(|at| order.record_at(at).unwrap())
            .collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for seed in 0..10 {
        for epoch in 0..10 {
            assert_eq!(order(seed, epoch), order(seed, epoch));
            all.push(order(seed, epoch));
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100);
}

#[test]
fn record_seeds_differ_by_record_epoch_and_seed() {
    let mut all = Vec::new();
    for seed in 0..10 {
        for epoch in 0..10 {
            let options = OrderOptions {
                seed,
                block: 1,
                ..OrderOptions::default()
            };
            let order = Order::new(10, &options, epoch).unwrap();
            all.extend((0..10).map(|record| order.record_seed(record)));
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000);
}

/// Nothing is computed or kept for each record.
#[test]
fn a_million_million_records_are_ordered_at_once() {
    for (records, block) in [
        (1_000_000_000_000, 64),
        (MOST_RECORDS, 1),
        (MOST_RECORDS - 1, 1 << 20),
    ] {
        for (window, canonical_nodes) in [(0, 1), (16, 8), (u64::MAX, 7), (1 << 40, MOST_LANES)] {
            let options = OrderOptions {
                seed: u64::MAX,
                block,
                window,
                canonical_nodes,
                ..OrderOptions::default()
            };
            let order = Order::new(records, &options, u64::MAX).unwrap();
            let mut seen = Vec::new();
            for position in [0, 1, 2, records / 2, records - 2, records - 1] {
                let record = order.record_at(position).unwrap();
                assert!(record < records);
                let window = order.window_of(position).unwrap();
                if options.window == 16 {
                    let mut blocks = order.blocks_of(window);
                    assert!(blocks.any(|block| block.contains(&record)));
                }
                seen.push(record);
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 6);
            let partition = Partition {
                batch: 1 << 20,
                world: MOST_WORLD,
                rank: MOST_WORLD - 1,
                uneven: Uneven::Pad,
            };
            let last = partition.steps(records) - 1;
            let mut taken = Vec::new();
            partition.take(&order, last, &mut taken).unwrap();
            assert_eq!(taken.len(), 1);
        }
    }
}

#[test]
fn nonsense_is_refused_by_its_name() {
    let options = OrderOptions {
        block: 1,
        ..OrderOptions::default()
    };
    let order = |records, options: &OrderOptions| match Order::new(records, options, 0) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    assert_eq!(
        order(1 << 62, &options),
        "the number of records is 4611686018427387904; at most 2^60 can be ordered"
    );
    assert_eq!(
        order(u64::MAX, &options).split(';').nth(1),
        Some(" at most 2^60 can be ordered")
    );
    let block = |block| OrderOptions { block, ..options };
    assert_eq!(
        order(5, &block(0)),
        "block is 0; a block has 1 to 2^60 records"
    );
    assert_eq!(
        order(5, &block(u64::MAX)),
        "block is 18446744073709551615; a block has 1 to 2^60 records"
    );
    let lanes = OrderOptions {
        canonical_nodes: MOST_LANES + 1,
        ..options
    };
    assert_eq!(
        order(5, &lanes),
        "canonical_nodes is 65537; at most 65536 are possible"
    );
    let refused = |batch, world, rank| {
        let partition = Partition {
            batch,
            world,
            rank,
            uneven: Uneven::Drop,
        };
        partition.check().unwrap_err().to_string()
    };
    assert_eq!(refused(0, 1, 0), "batch is 0; a step has 1 to 2^32 records");
    assert_eq!(
        refused(1 << 33, 1, 0),
        "batch is 8589934592; a step has 1 to 2^32 records"
    );
    assert_eq!(refused(1, 0, 0), "world is 0; there are 1 to 2^24 ranks");
    assert_eq!(
        refused(1, MOST_WORLD + 1, 0),
        "world is 16777217; there are 1 to 2^24 ranks"
    );
    assert_eq!(refused(1, 4, 4), "rank is 4; ranks are below world");
}

#[test]
fn blocks_are_about_4_mib_where_none_are_given() {
    let block = |records, bytes| OrderOptions::default().for_set(records, bytes).block;
    assert_eq!(block(1000, 4096 * 1000), 1024);
    assert_eq!(block(10, 10 << 30), 1);
    assert_eq!(block(0, 0), 4 << 20);
    assert_eq!(block(100, 0), 4 << 20);
    let given = OrderOptions {
        block: 7,
        ..OrderOptions::default()
    };
    assert_eq!(given.for_set(1000, 4096 * 1000).block, 7);
}
