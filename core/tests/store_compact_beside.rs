//! Compaction beside writes whose index is merged meanwhile: what was written last counts, after a
//! reopening too, with the index that was left and without.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;
mod store_read;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use adit_core::map::Storage;
use adit_core::store::{OpenMode, Store, StoreOptions, SyncPolicy};
use common::Folder;
use proptest::prelude::*;
use store_read::{contents, on_both, region};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys that are written again and again.
const KEYS: u64 = 24;
/// More than a compaction leaves for its last round.
const MUCH: usize = 1 << 20;

/// Writes of one kind after another, the same for the same seed.
struct Writes(u64);

impl Writes {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn one(&mut self, store: &Store, model: &mut Model) {
        let key = self.next(KEYS).to_le_bytes().to_vec();
        if self.next(3) == 0 {
            store.delete(&key).unwrap();
            model.remove(&key);
        } else {
            let value = vec![self.next(256) as u8; self.next(300) as usize];
            store.put(&key, region(&value)).unwrap();
            model.insert(key, value);
        }
    }
}

/// Compacts; `plan` says how many writes come at each call of its progress, and whether there are
/// so many that it takes another round.
fn compact_beside(store: &Store, model: &mut Model, writes: &mut Writes, plan: &[u8], much: bool) {
    let mut plan = plan.iter().copied();
    let mut totals = Vec::new();
    let rounds = 1 + usize::from(much);
    let mut progress = |_, total| {
        if totals.last() != Some(&total) {
            totals.push(total);
        }
        // The last round, with the writer's lock held, has another total: the first call of each
        // round before has written something.
        if totals.len() > rounds {
            return true;
        }
        let first = totals.len();
        thread::scope(|scope| {
            scope.spawn(|| {
                if much && first == 1 {
                    store.put(b"much", region(&vec![1; MUCH])).unwrap();
                    model.insert(b"much".to_vec(), vec![1; MUCH]);
                }
                for _ in 0..1 + plan.next().unwrap_or(0) {
                    writes.one(store, model);
                }
            });
        });
        true
    };
    store.compact(Some(&mut progress)).unwrap();
    assert!(totals.len() > rounds, "{totals:?}");
}

fn check(
    storage: &Arc<dyn Storage>,
    path: &Path,
    options: &StoreOptions,
    model: &Model,
    what: &str,
) {
    for mode in [OpenMode::Read, OpenMode::Write] {
        let store = Store::open_on(
            Arc::clone(storage),
            path,
            &StoreOptions { mode, ..*options },
        )
        .unwrap();
        assert_eq!(
            contents(&store.snapshot().unwrap()),
            *model,
            "{what}, {mode:?}"
        );
        assert_eq!(
            store.snapshot().unwrap().len(),
            model.len() as u64,
            "{what}, {mode:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_was_written_last_counts(
        seed in any::<u64>(),
        before in 0u64..60,
        plans in prop::collection::vec((prop::collection::vec(0u8..40, 1..20), any::<bool>()), 1..4),
        memory in prop::sample::select(vec![1u64, 512, 4096, 0]),
        merge_thread in any::<bool>(),
    ) {
        let folder = Folder::new();
        on_both(&folder.join("beside"), |storage, path| {
            let options = StoreOptions {
                sync: SyncPolicy::None,
                index_memory: memory,
                merge_thread,
                reservation: 1 << 26,
                ..StoreOptions::default()
            };
            let store = Store::open_on(Arc::clone(&storage), path, &options).unwrap();
            let (mut model, mut writes) = (Model::new(), Writes(seed));
            for _ in 0..before {
                writes.one(&store, &mut model);
            }
            for (plan, much) in &plans {
                compact_beside(&store, &mut model, &mut writes, plan, *much);
                assert_eq!(contents(&store.snapshot().unwrap()), model, "after a compaction");
                store.sync(0).unwrap();
            }
            drop(store);
            check(&storage, path, &options, &model, "with its index");
            let index = path.with_file_name(format!("{}.idx", path.file_name().unwrap().display()));
            if storage.kind(&index).unwrap().is_some() {
                storage.remove(&index).unwrap();
            }
            check(&storage, path, &options, &model, "without");
        });
    }
}
