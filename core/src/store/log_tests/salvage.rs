//! Stores that were salvaged, beside what a plain look at the same bytes gives.

use std::path::Path;

use super::super::error::Error;
use super::super::format::{FIRST, RecordType};
use super::super::salvage::{Salvage, salvage};
use super::super::verify::verify_file;
use super::maker::{Disk, Made, Maker, PATH, READ};
use crate::error::{Kind, Report};

use RecordType::{Delete, Put, Tensor};

const TO: &str = "/d/saved.adit";

fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// A log of random batches, checkpoints and syncs, which is durable as a whole.
fn random_log(seed: u64) -> Maker {
    let mut random = numbers(seed + 1);
    let mut maker = Maker::new(if random(4) == 0 { 9 } else { 6 });
    maker.epoch(1);
    for _ in 0..8 + random(30) {
        let mut entries = Vec::new();
        for _ in 0..1 + random(4) {
            let kind = [Put, Put, Put, Delete, Tensor][random(5) as usize];
            let key = vec![b'k'; random(4) as usize];
            let len = [0, 1, 64, 500][random(4) as usize];
            let len = if kind == Delete { 0 } else { len };
            entries.push((kind, key, vec![random(256) as u8; len]));
        }
        let entries: Vec<_> = entries
            .iter()
            .map(|(kind, key, value)| (*kind, &key[..], &value[..]))
            .collect();
        maker.batch(&entries);
        match random(8) {
            0 => maker.checkpoint(),
            1 => maker.sync(),
            2 => maker.epoch(random(256) as u8),
            _ => {}
        }
    }
    maker.checkpoint();
    maker
}

/// Whether a record can be told from the bytes around it: it is as it was, and so is what binds it
/// to a neighbour.
fn is_found(maker: &Maker, number: usize, is_bad: &dyn Fn(u64) -> bool) -> bool {
    let made = &maker.made[number];
    if made.covered().into_iter().flatten().any(is_bad) {
        return false;
    }
    let chain_before = match made.record.head.prev {
        0 => return true,
        prev => prev + 32..prev + 40,
    };
    if maker.checkpoints().contains(&made.record.offset) {
        return true;
    }
    let follower = maker.made.get(number + 1);
    let head_behind = follower.map(|next| next.record.offset..next.record.offset + 48);
    !chain_before.into_iter().any(is_bad) || head_behind.is_some_and(|mut head| !head.any(is_bad))
}

fn found<'m>(maker: &'m Maker, is_bad: &dyn Fn(u64) -> bool) -> Vec<&'m Made> {
    let numbers = 0..maker.made.len();
    let numbers = numbers.filter(|&number| is_found(maker, number, is_bad));
    numbers.map(|number| &maker.made[number]).collect()
}

fn run(disk: &Disk) -> super::super::Result<Salvage> {
    salvage(
        &disk.storage,
        Path::new(PATH),
        Path::new(TO),
        &READ,
        &mut |_, _| true,
    )
}

fn check(maker: &Maker, bytes: &[u8], is_bad: &dyn Fn(u64) -> bool, what: &str) -> Salvage {
    let disk = Disk::of(bytes);
    let saved = run(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(disk.sim.contents(Path::new(PATH)).unwrap(), bytes, "{what}");
    let expected = found(maker, is_bad);
    let of = |kinds: &[RecordType]| {
        let kinds = expected
            .iter()
            .filter(|made| kinds.contains(&made.record.head.kind));
        kinds.count() as u64
    };
    assert_eq!(saved.entries, of(&[Put, Tensor]), "{what}");
    assert_eq!(saved.tombstones, of(&[Delete]), "{what}");
    let recovered = disk.recover(TO).unwrap();
    assert_ne!(recovered.header.uuid, maker.header.uuid);
    assert_eq!(recovered.torn_bytes, 0);
    assert_eq!(recovered.live, saved.live);
    let held = disk.contents(TO, &recovered, &maker.made);
    assert_eq!(held, Maker::model_of(expected.into_iter()), "{what}");
    let mut none = |damage: &super::super::Damage<'_>| panic!("{what}: {damage:?}");
    verify_file(&disk.storage, Path::new(TO), &mut none, &mut |_, _| true).unwrap();
    saved
}

#[test]
fn a_store_in_one_piece_is_copied() {
    for seed in 0..20 {
        let maker = random_log(seed);
        let saved = check(&maker, &maker.bytes, &|_| false, &format!("seed {seed}"));
        assert_eq!((saved.damaged_stretches, saved.skipped_bytes), (0, 0));
    }
}

#[test]
fn an_empty_store_is_copied() {
    let maker = Maker::new(12);
    let saved = check(&maker, &maker.bytes, &|_| false, "empty");
    assert_eq!(saved, Salvage::default());
}

#[test]
fn damage_takes_no_more_than_what_it_hit() {
    let mut damaged = 0;
    for seed in 0..1500 {
        let maker = random_log(seed);
        let mut random = numbers(seed + 7777);
        let mut bytes = maker.bytes.clone();
        let len = bytes.len() as u64;
        let mut bad = Vec::new();
        for _ in 0..1 + random(4) {
            let start = FIRST + random(len - FIRST);
            let most = [1, 8, 200, 4096][random(4) as usize];
            let end = len.min(start + 1 + random(most));
            for at in start..end {
                bytes[at as usize] ^= 1 + random(255) as u8;
            }
            bad.push(start..end);
        }
        // Damage over damage may heal a byte.
        let is_bad = |at: u64| bytes[at as usize] != maker.bytes[at as usize];
        let saved = check(&maker, &bytes, &is_bad, &format!("seed {seed}, {bad:?}"));
        damaged += saved.damaged_stretches;
    }
    assert!(damaged > 1000, "{damaged}");
}

#[test]
fn a_cut_store_keeps_what_is_before_the_cut() {
    let maker = random_log(3);
    let last = maker.made.last().unwrap().record.offset;
    for cut in (FIRST..=last).step_by(48) {
        let is_bad = |at: u64| at >= cut;
        // A record whose padding is cut off isn't whole.
        let is_bad = |at: u64| {
            is_bad(at)
                || maker.made.iter().any(|made| {
                    let record = made.record;
                    (record.offset..record.extent.end).contains(&at) && record.extent.end > cut
                })
        };
        let bytes = &maker.bytes[..cut as usize];
        let saved = check(&maker, bytes, &is_bad, &format!("cut at {cut}"));
        assert_eq!(saved.damaged_stretches, u64::from(cut < maker.end.tail));
    }
}

#[test]
fn a_torn_tail_is_no_damage_and_not_copied() {
    let mut maker = random_log(5);
    let before = maker.model(maker.ends.len());
    let kept = maker.made.len();
    let end = maker.end.tail;
    maker.record(&(Put, b"never whole", &[1; 100]), false);
    maker.record(&(Put, b"nor this", &[1; 100]), false);
    let disk = Disk::of(&maker.bytes);
    let saved = run(&disk).unwrap();
    assert_eq!(saved.damaged_stretches, 0);
    assert_eq!(saved.torn_bytes, maker.end.tail - end);
    let recovered = disk.recover(TO).unwrap();
    assert_eq!(disk.contents(TO, &recovered, &maker.made), before);
    let epochs = maker.made[..kept].iter();
    let epochs = epochs.filter(|made| made.record.head.kind == RecordType::Epoch);
    assert_eq!(
        saved.entries + saved.tombstones,
        (kept - epochs.count()) as u64
    );
}

#[test]
fn a_damaged_header_is_guessed() {
    let maker = random_log(8);
    for at in [0, 9, 17, 20, 24, 32, 72, 73, 75, 100, 4092] {
        let mut bytes = maker.bytes.clone();
        bytes[at] ^= 0x40;
        check(
            &maker,
            &bytes,
            &|_| false,
            &format!("byte {at} of the header"),
        );
    }
    // No record is known by another uuid or seed.
    for at in [48, 64] {
        let mut bytes = maker.bytes.clone();
        bytes[at] ^= 0x40;
        let disk = Disk::of(&bytes);
        let error = run(&disk).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert_eq!(error.place().offset, Some(0));
        assert_eq!(disk.sim.names(), [Path::new(PATH)]);
    }
}

#[test]
fn nothing_is_written_over_and_nothing_stays_of_what_failed() {
    let maker = random_log(9);
    let disk = Disk::of(&maker.bytes);
    disk.sim.put_durable(Path::new(TO), b"something");
    let error = run(&disk).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(disk.sim.contents(Path::new(TO)).unwrap(), b"something");

    let disk = Disk::of(&maker.bytes);
    let mut never = |_, _| false;
    let error = salvage(
        &disk.storage,
        Path::new(PATH),
        Path::new(TO),
        &READ,
        &mut never,
    );
    assert!(matches!(error, Err(Error::Cancelled)));
    assert_eq!(disk.sim.names(), [Path::new(PATH)]);

    let calls = {
        let disk = Disk::of(&maker.bytes);
        run(&disk).unwrap();
        disk.sim.calls()
    };
    assert!(calls >= 5, "{calls}");
    for (errno, kind) in [(5, Kind::Io), (28, Kind::NoSpace)] {
        for call in 1..=calls {
            let disk = Disk::of(&maker.bytes);
            disk.sim.fail_at(call, errno);
            let result = run(&disk);
            // The name is there once the folder is to be synced.
            if call == calls {
                assert_eq!(result.unwrap_err().kind(), Kind::NotDurable);
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.kind(), kind, "call {call}: {error}");
            assert_eq!(error.os_code(), errno);
            assert!(!disk.sim.names().contains(&TO.into()), "call {call}");
            assert_eq!(disk.sim.contents(Path::new(PATH)).unwrap(), maker.bytes);
        }
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    for bytes in [&b""[..], b"text", &[7; 30000]] {
        let disk = Disk::of(bytes);
        let error = run(&disk).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongFormat);
        assert_eq!(disk.sim.names(), [Path::new(PATH)]);
    }
}
