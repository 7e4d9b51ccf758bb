//! The index against plain maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::super::delta::Delta;
use super::super::super::format::{End, Header};
use super::super::super::live::LiveTails;
use super::super::super::log::View;
use super::super::{Base, Build, Entry, IndexSet, build_on_heap, home, publish_index};
use super::tools::{Folder, HEADER, TestLog, bytes_of, same_key};
use crate::map::Origin;

/// Keys of a test: few, so that they come again.
const KEYS: u8 = 24;

#[derive(Clone, Debug)]
enum Op {
    Put(u8),
    Delete(u8),
    /// Not published at once: a batch goes on.
    Unpublished(u8),
    Snapshot,
    Drop(usize),
    Freeze,
    MergeToFile,
    MergeOnHeap,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        12 => (0..KEYS).prop_map(Op::Put),
        4 => (0..KEYS).prop_map(Op::Delete),
        3 => (0..KEYS).prop_map(Op::Unpublished),
        4 => Just(Op::Snapshot),
        3 => (0..8_usize).prop_map(Op::Drop),
        1 => Just(Op::Freeze),
        1 => Just(Op::MergeToFile),
        1 => Just(Op::MergeOnHeap),
    ];
    vec(op, 1..120)
}

/// Keys of all lengths near where words end; some have one hash, some the hash of an empty place.
fn key(number: u8) -> (u64, Vec<u8>) {
    let hash = match number % 6 {
        0 => 0,
        1 => u64::MAX,
        2 => 7 << 40,
        _ => u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    };
    // Longer ones start as shorter ones do.
    (hash, vec![1; usize::from(number)])
}

/// A store that is all index.
struct Small {
    folder: Folder,
    log: TestLog,
    index: IndexSet,
    live: LiveTails,
    published: u64,
    /// Of each key its newest record, and whether it is a delete.
    model: BTreeMap<u8, Entry>,
    published_model: BTreeMap<u8, Entry>,
    snapshots: Vec<(View, IndexSet, BTreeMap<u8, Entry>)>,
}

impl Small {
    fn new(folder: Folder) -> Small {
        let log = TestLog::new(&folder);
        let start = End::start(&HEADER);
        Small {
            folder,
            log,
            index: IndexSet {
                base: Arc::new(Base::empty(Origin::Memory, &start)),
                frozen: None,
                active: Arc::new(Delta::new(4).unwrap()),
            },
            live: LiveTails::new(),
            published: start.tail,
            model: BTreeMap::new(),
            published_model: BTreeMap::new(),
            snapshots: Vec::new(),
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Put(number) => {
                self.write(number, false);
                self.publish();
            }
            Op::Delete(number) => {
                self.write(number, true);
                self.publish();
            }
            Op::Unpublished(number) => self.write(number, false),
            Op::Snapshot => {
                let view = self.log.log.view(self.published).unwrap();
                assert!(self.live.add(self.published));
                let model = self.published_model.clone();
                self.snapshots.push((view, self.index.clone(), model));
            }
            Op::Drop(number) if number < self.snapshots.len() => {
                let (view, ..) = self.snapshots.swap_remove(number);
                self.live.remove(view.tail);
            }
            Op::Drop(_) => {}
            Op::Freeze => self.freeze(),
            Op::MergeToFile => self.merge(true),
            Op::MergeOnHeap => self.merge(false),
        }
    }

    fn publish(&mut self) {
        self.published = self.log.end.tail;
        self.published_model = self.model.clone();
    }

    fn write(&mut self, number: u8, is_deleted: bool) {
        let (hash, key) = key(number);
        let offset = self.log.append(hash, &key, is_deleted);
        let entry = Entry { offset, is_deleted };
        self.model.insert(number, entry);
        let view = self.log.view();
        let has_key = |offset| view.has_key(&view.record(offset)?, &key);
        let (published, live) = (self.published, &self.live);
        while !self
            .index
            .active
            .enter(hash, entry, published, live, has_key)
            .unwrap()
        {
            let slots = self.index.active.bytes() as usize / 16 * 2;
            self.index.active = Arc::new(self.index.active.grown(slots).unwrap());
        }
    }

    fn freeze(&mut self) {
        if self.index.frozen.is_none() {
            let active = Arc::new(Delta::new(4).unwrap());
            self.index.frozen = Some(std::mem::replace(&mut self.index.active, active));
            // What is merged was published.
            self.publish();
        }
    }

    fn merge(&mut self, to_file: bool) {
        self.freeze();
        let frozen = self.index.frozen.take().unwrap();
        // What is in the active delta too is newer.
        let build = Build {
            header: &HEADER,
            covered: self.log.end,
            // A claim that may be wrong.
            live: self.model.len() as u64 / 2,
            live_bytes: 77,
            base: &self.index.base,
            deltas: &[&frozen],
        };
        let view = self.log.view();
        let mut same = |a, b| same_key(&view, a, b);
        let (storage, path) = (&self.folder.storage, self.folder.index());
        let base = if to_file {
            publish_index(storage, &path, &build, &mut same, &mut |_, _| true).unwrap();
            let log_len = self.log.end.tail;
            Base::open(storage, &path, &HEADER, log_len, false)
                .unwrap()
                .unwrap()
        } else {
            build_on_heap(&path, &build, &mut same, &mut |_, _| true).unwrap()
        };
        assert_eq!((*base.covered(), base.live_bytes()), (self.log.end, 77));
        self.index.base = Arc::new(base);
    }

    /// All snapshots, and one of now, find what the maps say.
    fn check(&self) {
        let now = self.log.log.view(self.published).unwrap();
        check(&now, &self.index, &self.published_model);
        for (view, index, model) in &self.snapshots {
            check(view, index, model);
        }
    }
}

fn check(view: &View, index: &IndexSet, model: &BTreeMap<u8, Entry>) {
    for number in 0..KEYS {
        let (hash, key) = key(number);
        let found = index.find(view, hash, &key).unwrap();
        let found = found.map(|found| Entry {
            offset: found.record.offset,
            is_deleted: found.is_deleted,
        });
        let expected = model.get(&number).copied();
        // The index file doesn't keep deleted keys.
        let is_gone = expected.is_none_or(|entry| entry.is_deleted);
        assert!(
            found == expected || found.is_none() && is_gone,
            "key {number}: {found:?} {expected:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_find_what_they_should(ops in ops()) {
        let mut small = Small::new(Folder::simulated());
        for op in &ops {
            small.run(op);
            small.check();
        }
    }

    #[test]
    fn mapped_too(ops in ops(), number: u64) {
        let mut small = Small::new(Folder::real(&format!("model-{number}")));
        for op in &ops {
            small.run(op);
        }
        small.check();
    }

    #[test]
    fn an_index_has_the_entries_in_their_order(hashes in vec(any::<u64>(), 0..2000), few in 0..64_u32) {
        let folder = Folder::simulated();
        // High bits that are all the same: everything overflows.
        let mut versions: Vec<_> = hashes.iter().map(|hash| hash >> few).zip((16384..).step_by(64)).collect();
        let delta = Delta::new(4000).unwrap();
        for (hash, offset) in &versions {
            let entry = Entry { offset: *offset, is_deleted: false };
            prop_assert!(delta.insert(*hash, entry));
        }
        versions.sort_unstable();
        let end = End { tail: 1 << 40, ..End::start(&HEADER) };
        let none = Base::empty(Origin::Memory, &end);
        let live = versions.len() as u64;
        let build = Build { header: &HEADER, covered: end, live, live_bytes: 0, base: &none, deltas: &[&delta] };
        let (path, storage) = (folder.index(), &folder.storage);
        // Other keys, where hashes are the same.
        publish_index(storage, &path, &build, &mut |_, _| Ok(false), &mut |_, _| true).unwrap();
        let base = Base::open(storage, &path, &HEADER, 1 << 40, false).unwrap().unwrap();
        let entries: Vec<_> = base.entries().map(|entry| entry.map(|entry| (entry.hash, entry.offset))).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&entries, &versions);
        prop_assert_eq!(base.live(), live);
        for (hash, offset) in &versions {
            let mut candidates = base.candidates(*hash).map(Result::unwrap);
            prop_assert!(candidates.any(|candidate| candidate.offset == *offset && candidate.hash == *hash));
        }
        // As the format has it, found by the plain rule.
        let bytes = bytes_of(storage, &path);
        let buckets = live.div_ceil(3).max(1);
        let mut next = 0;
        for (hash, offset) in versions {
            let place = next.max(home(hash, buckets) * 4);
            next = place + 1;
            let at = (place / 252 + 1) * 4096 + place % 252 * 16;
            let entry = &bytes[at as usize..][..16];
            prop_assert_eq!(entry, &[hash.to_le_bytes(), offset.to_le_bytes()].concat()[..]);
        }
        let pages = next.div_ceil(252).max(buckets.div_ceil(63));
        prop_assert_eq!(bytes.len() as u64, (pages + 1) * 4096);
    }
}

#[test]
fn many_overwrites_take_no_room() {
    let delta = Delta::new(64).unwrap();
    let live = LiveTails::new();
    let offset = |number: u64| 16384 + 64 * number;
    assert!(live.add(offset(500)));
    for number in 0..2_000_000 {
        let entry = Entry {
            offset: offset(number),
            is_deleted: number % 3 == 0,
        };
        let has_key = |_| Ok::<_, ()>(true);
        assert_eq!(
            delta.enter(1, entry, offset(number), &live, has_key),
            Ok(true)
        );
    }
    // The newest, the one that is published while the next is written, the snapshot's.
    assert_eq!(delta.len(), 3);
    let seen = delta.candidates(1, offset(500)).map(|entry| entry.offset);
    assert_eq!(seen.max(), Some(offset(499)));
}

#[test]
fn a_full_delta_says_so_and_still_answers() {
    let delta = Delta::new(8).unwrap();
    let mut inserted = 0;
    while delta.insert(
        u64::MAX - inserted,
        Entry {
            offset: 16384,
            is_deleted: false,
        },
    ) {
        inserted += 1;
    }
    assert_eq!(delta.capacity() as u64, inserted);
    assert_eq!(delta.len() as u64, inserted);
    for hash in 0..inserted {
        assert_eq!(delta.candidates(u64::MAX - hash, u64::MAX).count(), 1);
    }
    assert_eq!(delta.candidates(0, u64::MAX).count(), 0);
    assert!(Delta::new(usize::MAX).is_none());
    assert!(Delta::new(1 << 58).is_none());
}

#[test]
fn live_tails_are_counted() {
    let live = LiveTails::new();
    for tail in [5, 3, 5, 9] {
        assert!(live.add(tail));
    }
    assert_eq!(live.len(), 4);
    assert!(live.any_in(4, 5) && live.any_in(2, 3) && live.any_in(5, 100));
    assert!(!live.any_in(5, 8) && !live.any_in(9, 100) && !live.any_in(0, 2));
    live.remove(5);
    assert!(live.any_in(4, 5));
    live.remove(5);
    live.remove(77);
    assert!(!live.any_in(4, 5));
    assert_eq!(live.len(), 2);
}

#[test]
fn many_are_found_as_one() {
    let folder = Folder::real("many");
    let mut log = TestLog::new(&folder);
    let header = Header { ..HEADER };
    let keys: Vec<_> = (0..1000_u32).map(|number| number.to_le_bytes()).collect();
    let active = Delta::new(4000).unwrap();
    let frozen = Delta::new(4000).unwrap();
    for (number, key) in keys.iter().enumerate() {
        let hash = header.hash(key);
        let is_deleted = number % 7 == 0;
        let offset = log.append(hash, key, is_deleted);
        let delta = if number % 2 == 0 { &active } else { &frozen };
        if number % 3 > 0 {
            assert!(delta.insert(hash, Entry { offset, is_deleted }));
        }
    }
    let index = IndexSet {
        base: Arc::new(Base::empty(Origin::Memory, &End::start(&header))),
        frozen: Some(Arc::new(frozen)),
        active: Arc::new(active),
    };
    let view = log.view();
    let mut found = vec![None; keys.len()];
    index
        .find_many(&view, &header, |number| &keys[number], &mut found)
        .unwrap();
    for (number, (found, key)) in found.iter().zip(&keys).enumerate() {
        let one = index.find(&view, header.hash(key), key).unwrap();
        let parts = |found: super::super::Found| (found.record.offset, found.is_deleted);
        assert_eq!(found.map(parts), one.map(parts));
        assert_eq!(found.is_some(), number % 3 > 0);
        assert_eq!(
            found.is_some_and(|found| found.is_deleted),
            number % 7 == 0 && number % 3 > 0
        );
    }
}
