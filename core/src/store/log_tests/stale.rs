//! Bytes that look like records and aren't any of this log as it is.

use std::path::Path;

use super::super::format::RecordType;
use super::super::index::{Build, publish_index};
use super::super::log::Log;
use super::super::recover::find_tail;
use super::super::replay::{Merges, replay};
use super::super::verify::verify_file;
use super::super::{Damage, StoreOptions};
use super::maker::{Disk, Maker, PATH, READ, origin};

use RecordType::Put;

/// A log whose last writer crashed; the next one has written less than lies there.
fn reopened(nonce: u8, same_batch: bool) -> (Maker, Maker) {
    let mut old = Maker::new(6);
    old.epoch(1);
    old.put(b"kept", &[1; 64]);
    old.checkpoint();
    let mut new = old.clone();
    old.put(b"lost", &[2; 64]);
    old.put(b"stale", &[3; 64]);
    old.put(b"stale too", &[3; 64]);
    new.bytes = old.bytes.clone();
    // The first of the three was torn; the others may lie there as if nothing had happened.
    new.epoch(nonce);
    if same_batch {
        new.put(b"lost", &[2; 64]);
    }
    (old, new)
}

#[test]
fn records_of_an_earlier_writer_dont_come_back() {
    for same_batch in [false, true] {
        let (_, new) = reopened(2, same_batch);
        let disk = Disk::of(&new.bytes);
        let found = disk.recover(PATH).unwrap();
        assert_eq!(found.end, new.end);
        assert!(found.torn_bytes > 0);
        let held = disk.contents(PATH, &found, &new.made);
        assert_eq!(held, new.model(new.ends.len()));
        let mut none = |damage: &Damage<'_>| panic!("{damage:?}");
        let verified = verify_file(&disk.storage, Path::new(PATH), &mut none, &mut |_, _| true);
        assert_eq!(verified.unwrap().torn_bytes, found.torn_bytes);
    }
}

#[test]
fn without_an_epoch_they_would() {
    let (old, mut new) = reopened(2, false);
    // The same bytes again where the torn ones lay: the chain goes on as it did.
    new.end = new.ends[2];
    new.put(b"lost", &[2; 64]);
    let disk = Disk::of(&new.bytes);
    assert_eq!(disk.recover(PATH).unwrap().end, old.end);
}

#[test]
fn a_store_inside_a_value_is_a_value() {
    let mut inner = Maker::new(6);
    inner.epoch(1);
    for number in 0..20 {
        inner.put(&[number], &[number; 64]);
    }
    inner.checkpoint();
    let mut other = inner.clone();
    other.header.uuid[0] ^= 1;
    let mut outer = Maker::new(6);
    outer.epoch(1);
    outer.put(b"before", &[1; 10]);
    // Itself as it was, and another store with the same seed.
    let own = outer.bytes.clone();
    outer.put(b"own", &own);
    outer.put(b"inner", &inner.bytes);
    outer.put(b"behind", &[2; 10]);
    outer.checkpoint();
    let values = outer.made.iter().filter(|made| made.value.len() > 10000);
    let values: Vec<_> = values.cloned().collect();
    assert_eq!(values.len(), 2);
    for hit in [None, Some(0), Some(1)] {
        let mut bytes = outer.bytes.clone();
        if let Some(number) = hit {
            // Without its head nothing says that what follows is its value.
            let at = values[number].record.offset as usize;
            bytes[at..at + 48].fill(0xEE);
        }
        let disk = Disk::of(&bytes);
        let mut damages = Vec::new();
        let mut on_damage = |damage: &Damage<'_>| damages.push((damage.offset, damage.len));
        let path = Path::new(PATH);
        let verified = verify_file(&disk.storage, path, &mut on_damage, &mut |_, _| true);
        let hit = hit.map(|number: usize| values[number].record);
        assert_eq!(verified.unwrap().records, 5 - u64::from(hit.is_some()));
        let expected: Vec<_> = hit.iter().map(|hit| (hit.offset, hit.bytes())).collect();
        assert_eq!(damages, expected);
    }
}

#[test]
fn an_index_of_another_log_or_time_is_built_again() {
    let mut maker = Maker::new(6);
    maker.epoch(1);
    for number in 0..200u8 {
        maker.put(&[number], &[number; 10]);
    }
    maker.checkpoint();
    let early = maker.clone();
    for number in 0..100u8 {
        maker.put(&[number], &[1; 20]);
        maker.batch(&[(RecordType::Delete, &[number + 100], b"")]);
    }
    maker.checkpoint();
    let index_of = |maker: &Maker| {
        let disk = Disk::of(&maker.bytes);
        index(&disk);
        disk.sim.contents(Path::new("/d/store.adit.idx")).unwrap()
    };
    let mut other = maker.clone();
    other.put(b"more", b"");
    other.checkpoint();
    let mut foreign = Maker::new(6);
    foreign.header.uuid[3] ^= 1;
    foreign.bytes[..4096].copy_from_slice(&foreign.header.encode());
    foreign.end.chain = foreign.header.chain_start();
    foreign.ends = vec![foreign.end];
    foreign.checkpoint();
    foreign.put(b"a", b"");
    foreign.checkpoint();
    let good = index_of(&maker);
    let mut cut = good.clone();
    cut.truncate(good.len() - 4096);
    let mut flipped = good.clone();
    flipped[5000] ^= 1;
    for (name, index, is_rebuilt) in [
        ("its own", good.clone(), false),
        ("an earlier one", index_of(&early), false),
        ("a later one", index_of(&other), true),
        ("another log's", index_of(&foreign), true),
        ("empty", Vec::new(), true),
        ("one that was cut", cut, true),
        ("text", b"once upon a time".to_vec(), true),
    ] {
        let disk = Disk::of(&maker.bytes);
        disk.sim.put_durable(Path::new("/d/store.adit.idx"), &index);
        let found = disk.recover(PATH).unwrap();
        assert_eq!(found.rebuilt_index, is_rebuilt, "{name}");
        let held = disk.contents(PATH, &found, &maker.made);
        assert_eq!(held, maker.model(maker.ends.len()), "{name}");
    }
    // A page that is damaged shows when it is needed: where records follow, or in a look-up.
    let disk = Disk::of(&maker.bytes);
    disk.sim
        .put_durable(Path::new("/d/store.adit.idx"), &flipped);
    let mut on_index = 0;
    let mut on_damage = |damage: &Damage<'_>| {
        assert_eq!(damage.path, Path::new("/d/store.adit.idx"));
        on_index += 1;
    };
    verify_file(
        &disk.storage,
        Path::new(PATH),
        &mut on_damage,
        &mut |_, _| true,
    )
    .unwrap();
    assert_eq!(on_index, 1);
}

/// Writes the index file.
fn index(disk: &Disk) {
    let made = disk.recover(PATH).unwrap();
    let log = Log::new(disk.file(PATH), origin(PATH), made.header, true, 0);
    let view = log.view(made.end.tail).unwrap();
    let build = Build {
        header: &made.header,
        covered: made.end,
        live: made.live,
        live_bytes: made.live_bytes,
        base: &made.index.base,
        deltas: &[&made.index.active],
    };
    let key_at = |offset| {
        let mut key = Vec::new();
        view.key(&view.record(offset).unwrap(), &mut key).unwrap();
        key
    };
    let path = Path::new("/d/store.adit.idx");
    let mut same = |a, b| Ok(key_at(a) == key_at(b));
    publish_index(&disk.storage, path, &build, &mut same, &mut |_, _| true).unwrap();
}

#[test]
fn an_index_in_little_memory_is_the_same() {
    let mut maker = Maker::new(6);
    maker.epoch(1);
    for number in 0..30_000u32 {
        let key = (number % 20_000).to_le_bytes();
        match number % 7 {
            6 => maker.batch(&[(RecordType::Delete, &key, b"")]),
            _ => maker.batch(&[(Put, &key, &number.to_le_bytes())]),
        }
    }
    maker.sync();
    let disk = Disk::of(&maker.bytes);
    let options = StoreOptions {
        index_memory: 64 << 10,
        ..READ
    };
    let path = Path::new(PATH);
    for merges in [Merges::OnHeap, Merges::ToFile] {
        let file = disk.file(PATH);
        let tail = find_tail(&*file, &origin(PATH), &options, None).unwrap();
        let log = Log::new(file, origin(PATH), tail.header, true, 0);
        let replayed = replay(&disk.storage, path, &log, &tail, &options, merges).unwrap();
        let model = maker.model(maker.ends.len());
        assert_eq!(replayed.counts.live, model.len() as u64);
        assert!(replayed.index.active.bytes() <= 64 << 10);
        let view = log.view(tail.end.tail).unwrap();
        for key in (0..20_000u32).map(u32::to_le_bytes) {
            let hash = tail.header.hash(&key);
            let found = replayed.index.find(&view, hash, &key).unwrap();
            let found = found.filter(|found| !found.is_deleted);
            assert_eq!(found.is_some(), model.contains_key(&key[..]));
        }
    }
    // The file that was left by the last merge is of use to the next one who opens the log.
    let found = disk.recover(PATH).unwrap();
    assert!(!found.rebuilt_index);
    assert!(found.replayed < 4000, "{}", found.replayed);
}
