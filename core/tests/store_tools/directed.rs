//! Steps that lead to where chance seldom does.

use std::path::Path;
use std::sync::Arc;

use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::store::{Store, StoreOptions, SyncPolicy, salvage};

use super::case::{Case, EFBIG, EIO, ENOSPC, INDEX, Planted, Tally};
use super::life::{Disturbance, Op, PATH};
use super::look::look_at;
use super::model::{Model, Version};

pub fn put(key: &str, len: usize, fill: u8) -> Version {
    Version {
        key: key.as_bytes().to_vec(),
        value: Some(Arc::new(vec![fill; len])),
        tensor: None,
    }
}

pub fn delete(key: &str) -> Version {
    Version {
        key: key.as_bytes().to_vec(),
        value: None,
        tensor: None,
    }
}

fn options(planted: Planted, sync: SyncPolicy) -> StoreOptions {
    StoreOptions {
        sync,
        index_memory: 256,
        planted: planted.bug,
        ..StoreOptions::default()
    }
}

/// Two batches are issued; of the first one nothing is left by a power cut, of the second one all.
/// Whoever comes next writes the first one again, as it was: the second mustn't follow it.
pub fn write_again(planted: Planted) -> Tally {
    let (first, second) = (put("key/1", 600, 1), put("key/2", 600, 2));
    let mut total = Tally::default();
    for seed in 0..100 {
        let mut case = Case::new(seed, planted);
        let (disk, mut model) = (case.disk(), Model::default());
        let none = Disturbance::None;
        let lazy = options(planted, SyncPolicy::None);
        let made = [Op::Single(put("key/0", 100, 3)), Op::Sync];
        let ops = [Op::Single(first.clone()), Op::Single(second.clone())];
        let _ = case
            .live(&disk, &mut model, lazy, none, &made)
            .and_then(|()| {
                case.live(&disk, &mut model, lazy, none, &ops)?;
                let cut = disk.crash(seed);
                case.check(&cut.kill(0), model.clone(), "a power cut", Some(&disk))?;
                case.live(&cut, &mut model, lazy, none, &ops[..1])?;
                case.check(&cut.kill(1), model.clone(), "then a kill", Some(&cut))?;
                case.check(&cut.crash(1), model.clone(), "then a power cut", Some(&cut))
            });
        total.add(case.tally);
    }
    total
}

/// A power cut leaves all of a record but its last zeros, behind which the file ends: it is none.
/// It mustn't become one when the next writer's bytes are lost, but not the length that they gave
/// the file.
pub fn cut_by_the_end() -> Tally {
    let planted = Planted::default();
    let lazy = options(planted, SyncPolicy::None);
    let mut case = Case::new(9, planted);
    let (disk, mut model) = (case.disk(), Model::default());
    let none = Disturbance::None;
    let made = [Op::Single(put("key/0", 100, 3)), Op::Sync];
    let _ = case
        .live(&disk, &mut model, lazy, none, &made)
        .and_then(|()| {
            let synced = model.clone();
            let before = disk.contents(Path::new(PATH)).unwrap().len();
            let cut_off = [Op::Single(put("key/1", 1, 7))];
            case.live(&disk, &mut model, lazy, none, &cut_off)?;
            let mut log = disk.contents(Path::new(PATH)).unwrap();
            // The epoch, the head and the key, the one byte of the value.
            log.truncate(before + 64 + 64 + 1);
            let image = case.disk();
            image.put_durable(Path::new(PATH), &log);
            let mut model = synced;
            let longer = [Op::Single(put("key/2", 3000, 8))];
            case.live(&image, &mut model, lazy, none, &longer)?;
            // Lengths and names, without contents.
            case.check(&image.crash(4), model, "lengths alone", Some(&image))
        });
    case.tally
}

/// The index of the log before a compaction stands beside the one after it.
pub fn stale_index(planted: Planted) -> Tally {
    let mut case = Case::new(1, planted);
    let (disk, mut model) = (case.disk(), Model::default());
    let options = options(planted, SyncPolicy::Batch);
    let keys = (0..60).map(|n| Op::Single(put(&format!("key/{}", n % 12), 10 + n, n as u8)));
    let mut ops: Vec<Op> = keys.collect();
    ops.push(Op::Single(delete("key/3")));
    let none = Disturbance::None;
    let _ = case
        .live(&disk, &mut model, options, none, &ops)
        .and_then(|()| {
            let index = disk.contents(Path::new(INDEX)).unwrap();
            case.live(&disk, &mut model, options, none, &[Op::Compact])?;
            let image = disk.kill(1);
            image.put_durable(Path::new(INDEX), &index);
            case.check(
                &image,
                model.clone(),
                "the index of the old log",
                Some(&disk),
            )
        });
    case.tally
}

/// Each thing that there is to do once.
pub fn everything() -> Vec<Op> {
    let many = |fill: u8| (0..8).map(move |n| put(&format!("key/{n}"), 40 * n, fill));
    let mut tensor = put("key/9", 64, 4);
    tensor.tensor = Some([8, 2]);
    vec![
        Op::Single(put("key/1", 700, 1)),
        Op::Write(many(2).collect()),
        Op::Snapshot,
        Op::Single(delete("key/2")),
        Op::Single(tensor),
        Op::Sync,
        Op::Stream(put("key/10", 9000, 5), true),
        Op::Stream(put("key/11", 9000, 6), false),
        Op::Write(many(7).collect()),
        Op::Look,
        Op::Compact,
        Op::Single(put("", 5000, 8)),
        Op::Reopen,
        Op::Write(vec![
            put("key/1", 3, 9),
            delete("key/1"),
            put("key/1", 4, 10),
        ]),
        Op::Compact,
        Op::Single(put("key/5", 0, 0)),
        Op::Reread,
        Op::Look,
    ]
}

/// Every call of `everything` fails once, in every way, and is once the last.
pub fn every_call(sync: SyncPolicy) -> Tally {
    let planted = Planted::default();
    let options = StoreOptions {
        checkpoint_bytes: 1024,
        ..options(planted, sync)
    };
    let ops = everything();
    let mut total = Tally::default();
    let mut run = |disturbance| -> u64 {
        let mut case = Case::new(7, planted);
        let (disk, mut model): (SimStorage, Model) = (case.disk(), Model::default());
        let lived = case.live(&disk, &mut model, options, disturbance, &ops);
        let _ = lived.and_then(|()| {
            for seed in [0, 1, 2, 77] {
                let how = format!("{disturbance:?}, power cut {seed}");
                case.check(&disk.crash(seed), model.clone(), &how, Some(&disk))?;
            }
            let how = format!("{disturbance:?}, a kill");
            case.check(&disk.kill(1), model.clone(), &how, Some(&disk))
        });
        total.add(case.tally);
        disk.calls()
    };
    let calls = run(Disturbance::None);
    for call in 1..=calls {
        run(Disturbance::Dies(call));
        for errno in [EIO, ENOSPC, EFBIG] {
            run(Disturbance::Fails(call, errno));
        }
    }
    total
}

/// Every call of a salvage fails once, and is once the last: the new store is there as a whole or
/// not at all, and the old one as it was. How many images were looked at.
pub fn every_call_of_salvage() -> u64 {
    let (from, to) = (Path::new(PATH), Path::new("/data/saved"));
    let planted = Planted::default();
    let options = options(planted, SyncPolicy::Batch);
    let mut case = Case::new(8, planted);
    let (disk, mut model) = (case.disk(), Model::default());
    let ops = [
        Op::Single(put("key/1", 700, 1)),
        Op::Single(delete("key/2")),
        Op::Single(put("key/1", 9000, 2)),
    ];
    let lived = case.live(&disk, &mut model, options, Disturbance::None, &ops);
    assert_eq!(lived, Ok(()), "{:?}", case.tally.violations);
    let (whole, old) = (model.versions(), disk.contents(from).unwrap());
    let (mut images, mut calls) = (0, 0);
    for call in 0.. {
        if call > calls {
            break;
        }
        for errno in [None, Some(EIO), Some(ENOSPC), Some(EFBIG)] {
            let disk = SimStorage::new();
            disk.put_durable(from, &old);
            match (call, errno) {
                (0, _) => {}
                (_, None) => disk.crash_at(call),
                (_, Some(errno)) => disk.fail_at(call, errno),
            }
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            let mut go_on = |_, _| true;
            let saved = salvage(&storage, from, to, &StoreOptions::default(), &mut go_on);
            calls = calls.max(if call == 0 { disk.calls() } else { 0 });
            let is_done = saved.is_ok() && !disk.is_dead();
            assert!(is_done || call > 0, "{saved:?}");
            for seed in 0..8 {
                for image in [disk.crash(seed), disk.kill(seed)] {
                    images += 1;
                    assert!(image.contents(from).as_ref() == Some(&old), "call {call}");
                    if image.contents(to).is_none() {
                        assert!(!is_done, "call {call}: gone");
                        continue;
                    }
                    let store = Store::open_on(Arc::new(image), to, &options);
                    let seen = look_at(&store.unwrap()).unwrap();
                    assert_eq!(seen, whole, "call {call}, {errno:?}, seed {seed}");
                }
            }
        }
    }
    images
}
