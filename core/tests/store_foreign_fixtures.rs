//! Stores that simd-r-drive 0.1.0-alpha and 0.17.5-alpha wrote, and damaged ones: each behaves as
//! its sidecar says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod foreign_tools;

use std::path::{Path, PathBuf};

use adit_core::error::{Kind, Report};
use adit_core::kernel;
use adit_core::map::Data;
use adit_core::store::{Copied, Error, ForeignLayout, ForeignOrder, ForeignStore};
use common::{Folder, region};
use foreign_tools::{bytes_of, hex, sha256};
use serde_json::Value;

const FORMATS: [(&str, ForeignLayout); 2] = [
    ("store010", ForeignLayout::Packed19),
    ("store017", ForeignLayout::Aligned64),
];

struct Fixture {
    path: PathBuf,
    layout: ForeignLayout,
    bytes: Vec<u8>,
    says: Value,
}

impl Fixture {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn contents(&self) -> &Value {
        &self.says["contents"]
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.contents()[name].as_u64()
    }
}

fn fixtures(expect: &[&str]) -> Vec<Fixture> {
    let mut found = Vec::new();
    for (format, layout) in FORMATS {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
        for entry in std::fs::read_dir(Path::new(data).join(format)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "bin") {
                continue;
            }
            let mut sidecar = path.clone().into_os_string();
            sidecar.push(".json");
            let says: Value = serde_json::from_slice(&std::fs::read(sidecar).unwrap()).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(says["sha256"], sha256(&bytes), "{}", path.display());
            if expect.is_empty() || expect.contains(&says["expect"].as_str().unwrap()) {
                found.push(Fixture {
                    path,
                    layout,
                    bytes,
                    says,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{expect:?}");
    found
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A key of a sidecar: its hash, and the key itself where it is known.
fn key_of(name: &str) -> (u64, Option<Vec<u8>>) {
    match name.strip_prefix("hash:") {
        Some(hash) => (u64::from_str_radix(hash, 16).unwrap(), None),
        None => {
            let key = unhex(name);
            (kernel::hash(&key, 0), Some(key))
        }
    }
}

/// Every key and value that the sidecar has in the end, and none else.
fn check_values(store: &ForeignStore, fixture: &Fixture, corrupt: &[u64]) {
    let what = fixture.name();
    let keys = fixture.contents()["final_newest_wins"].as_object().unwrap();
    assert_eq!(store.len(), (keys.len() + corrupt.len()) as u64, "{what}");
    assert_eq!(
        store.is_empty(),
        keys.is_empty() && corrupt.is_empty(),
        "{what}"
    );
    let mut hashes: Vec<u64> = corrupt.to_vec();
    for (name, says) in keys {
        let (hash, key) = key_of(name);
        hashes.push(hash);
        let value = store.get_hash(hash).unwrap().unwrap();
        assert_eq!(says["len"], value.len() as u64, "{what} {name}");
        assert_eq!(says["sha256"], sha256(&bytes_of(value)), "{what} {name}");
        if let Some(key) = key {
            let again = store.get(&key).unwrap().unwrap();
            assert_eq!(again.as_ptr(), value.as_ptr(), "{what} {name}");
            assert!(store.contains(&key), "{what} {name}");
        }
        let entry = store.iter(ForeignOrder::Newest, false);
        let entry = entry.into_iter().find(|entry| entry.hash == hash).unwrap();
        if let Some(start) = says["payload_start"].as_u64() {
            assert_eq!(entry.offset, start, "{what} {name}");
        }
    }
    let mut live: Vec<u64> = store
        .iter(ForeignOrder::Oldest, false)
        .map(|entry| entry.hash)
        .collect();
    let mut newest_first: Vec<u64> = store
        .iter(ForeignOrder::Newest, false)
        .map(|entry| entry.hash)
        .collect();
    newest_first.reverse();
    assert_eq!(live, newest_first, "{what}");
    live.sort_unstable();
    hashes.sort_unstable();
    assert_eq!(live, hashes, "{what}");
    assert!(!store.contains(b"no such key"), "{what}");
    assert!(store.get(b"no such key").unwrap().is_none(), "{what}");
}

#[test]
fn sound_files_have_what_was_written() {
    let mut deletions = 0;
    for fixture in fixtures(&["ok"]) {
        let what = fixture.name();
        let store = ForeignStore::open(&fixture.path).unwrap();
        assert_eq!(store.valid_bytes(), fixture.bytes.len() as u64, "{what}");
        assert_eq!(store.file_bytes(), fixture.bytes.len() as u64, "{what}");
        assert_eq!(
            Some(store.entries()),
            fixture.number("entry_count"),
            "{what}"
        );
        check_values(&store, &fixture, &[]);
        if fixture.bytes.is_empty() {
            assert!(store.is_empty());
            continue;
        }
        assert_eq!(store.layout(), fixture.layout, "{what}");
        let align = fixture.number("payload_alignment");
        assert_eq!(Some(store.layout().alignment()), align, "{what}");
        let metadata = fixture.number("metadata_bytes");
        assert_eq!(Some(store.layout().metadata_bytes()), metadata, "{what}");
        let mut list = String::new();
        let entries = fixture.contents()["entries_oldest_first"].as_array();
        let all: Vec<_> = store.iter(ForeignOrder::Oldest, true).collect();
        let mut back: Vec<_> = store.iter(ForeignOrder::Newest, true).collect();
        back.reverse();
        assert_eq!(all, back, "{what}");
        for (number, entry) in all.iter().enumerate() {
            let value = store.value(entry.number).unwrap().unwrap();
            let sha = sha256(&bytes_of(value));
            list += &format!("{:016x}:{}:{sha};", entry.hash, value.len());
            assert_eq!(entry.number, number as u64, "{what}");
            assert_eq!(store.entry(entry.number), Some(*entry), "{what}");
            if let Some(says) = entries.and_then(|entries| entries.get(number)) {
                assert_eq!(says["key_hash"], format!("{:016x}", entry.hash), "{what}");
                assert_eq!(says["payload_start"], entry.offset, "{what}");
                assert_eq!(says["payload_len"], entry.len, "{what}");
                let tombstone = says["tombstone"].as_bool().unwrap_or(false);
                assert_eq!(tombstone, entry.is_deletion, "{what}");
                deletions += u64::from(tombstone);
            }
            let place = fixture.bytes.get(entry.offset as usize..).unwrap();
            assert_eq!(bytes_of(value), place[..entry.len as usize], "{what}");
        }
        let says = fixture.contents()["entries_sha256"].as_str();
        assert_eq!(says, Some(sha256(list.as_bytes()).as_str()), "{what}");
        assert_eq!(store.entry(all.len() as u64), None, "{what}");
        assert!(store.value(all.len() as u64).unwrap().is_none(), "{what}");
    }
    assert!(deletions >= 4, "{deletions}");
}

#[test]
fn deleted_keys_are_gone() {
    let deletes = fixtures(&["ok"]);
    let deletes = deletes.iter().find(|f| f.name().ends_with("deletes.bin"));
    let store = ForeignStore::open(&deletes.unwrap().path).unwrap();
    for key in [b"key-000", b"key-001", b"key-004"] {
        assert!(store.get(key).unwrap().is_none());
        assert!(!store.contains(key));
    }
    let mut put: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut told = Vec::new();
    let keys: [&[u8]; 4] = [b"key-003", b"key-000", b"nobody", b"renamed"];
    let copied = store.copy_keys(
        &keys,
        &mut |key, value| {
            put.push((key.to_vec(), value.len()));
            Ok(())
        },
        Some(&mut |done, of| {
            told.push((done, of));
            true
        }),
    );
    let counts = Copied {
        copied: 2,
        missing: 2,
        damaged: 0,
    };
    assert_eq!(copied.unwrap(), counts);
    assert_eq!(put, [(b"key-003".to_vec(), 10), (b"renamed".to_vec(), 30)]);
    assert_eq!(told, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    let mut puts = 0;
    let mut put = |_: &[u8], _: adit_core::map::Region<'_>| {
        puts += 1;
        Ok(())
    };
    let cancelled = store.copy_keys(&keys, &mut put, Some(&mut |_, _| false));
    assert_eq!(cancelled.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(puts, 1);
    let mut full = |_: &[u8], _: adit_core::map::Region<'_>| Err(Error::KeyTooLong { len: 7 });
    let refused = store.copy_keys(&keys, &mut full, None);
    assert_eq!(refused.unwrap_err().kind(), Kind::OutOfRange);
}

#[test]
fn damaged_tails_are_left_out() {
    for fixture in fixtures(&["recover"]) {
        let what = fixture.name();
        let store = ForeignStore::open(&fixture.path).unwrap();
        let valid = fixture.number("valid_prefix_bytes");
        assert_eq!(Some(store.valid_bytes()), valid, "{what}");
        assert_eq!(
            Some(store.entries()),
            fixture.number("entry_count"),
            "{what}"
        );
        assert_eq!(store.layout(), fixture.layout, "{what}");
        check_values(&store, &fixture, &[]);
    }
}

#[test]
fn damaged_values_are_errors_and_the_others_good() {
    for fixture in fixtures(&["checksum_error"]) {
        let what = fixture.name();
        let store = ForeignStore::open(&fixture.path).unwrap();
        assert_eq!(store.layout(), fixture.layout, "{what}");
        let valid = fixture.number("valid_prefix_bytes");
        assert_eq!(Some(store.valid_bytes()), valid, "{what}");
        assert_eq!(
            Some(store.entries()),
            fixture.number("entry_count"),
            "{what}"
        );
        let corrupt: Vec<Vec<u8>> = fixture.contents()["corrupt_keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| unhex(key.as_str().unwrap()))
            .collect();
        let hashes: Vec<u64> = corrupt.iter().map(|key| kernel::hash(key, 0)).collect();
        check_values(&store, &fixture, &hashes);
        for key in &corrupt {
            let error = store.get(key).unwrap_err();
            assert!(matches!(error, Error::Record { .. }), "{what}: {error}");
            assert_eq!(error.kind(), Kind::Checksum, "{what}");
            let place = error.place();
            assert_eq!(place.path.as_deref(), Some(&*fixture.path), "{what}");
            let entry = store.iter(ForeignOrder::Newest, true);
            let hash = kernel::hash(key, 0);
            let entry = entry.into_iter().find(|entry| entry.hash == hash).unwrap();
            assert_eq!(place.offset, Some(entry.offset), "{what}");
            assert!(error.to_string().contains("checksum"), "{error}");
            assert_eq!(
                store.value(entry.number).unwrap_err().kind(),
                Kind::Checksum
            );
            let mut put = |_: &[u8], _: adit_core::map::Region<'_>| panic!("{what}");
            let copied = store.copy_keys(&[key], &mut put, None).unwrap();
            assert_eq!((copied.copied, copied.damaged), (0, 1), "{what}");
        }
    }
}

#[test]
fn a_broken_chain_keeps_what_is_below_it() {
    for fixture in fixtures(&["either"]) {
        let what = fixture.name();
        let store = ForeignStore::open(&fixture.path).unwrap();
        let sound = fixture.number("entries_before_damage");
        assert_eq!(Some(store.entries()), sound, "{what}");
        assert_eq!(store.layout(), fixture.layout, "{what}");
        for entry in store.iter(ForeignOrder::Newest, true) {
            assert!(store.value(entry.number).unwrap().is_some(), "{what}");
        }
    }
}

#[test]
fn the_source_stays_as_it_is() {
    let folder = Folder::new();
    for fixture in fixtures(&[]) {
        let path = folder.file("store", &fixture.bytes);
        let before = std::fs::metadata(&path).unwrap();
        let store = ForeignStore::open(&path).unwrap();
        for entry in store.iter(ForeignOrder::Oldest, true) {
            let _ = store.value(entry.number);
        }
        drop(store);
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), fixture.bytes);
        assert_eq!(folder.names(), ["store"]);
    }
}

#[test]
fn any_cut_leaves_sound_entries() {
    let copy = |bytes: &[u8]| ForeignStore::from_data(Data::copy_of(region(bytes)).unwrap());
    for fixture in fixtures(&["ok"]) {
        let what = fixture.name();
        let whole = copy(&fixture.bytes).unwrap();
        let entries: Vec<_> = whole.iter(ForeignOrder::Oldest, true).collect();
        let metadata = whole.layout().metadata_bytes();
        let ends: Vec<u64> = entries
            .iter()
            .map(|entry| entry.offset + entry.len + metadata)
            .collect();
        // Of long files not every cut: some, and all around the ends of entries.
        let step = (fixture.bytes.len() / 300).max(1);
        let near = |cut: usize| ends.iter().any(|end| end.abs_diff(cut as u64) < 24);
        for cut in 0..fixture.bytes.len() {
            if cut % step != 0 && !near(cut) {
                continue;
            }
            let left = ends.iter().filter(|end| **end <= cut as u64).count();
            let store = match copy(&fixture.bytes[..cut]) {
                Ok(store) => store,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::WrongFormat, "{what} cut at {cut}");
                    assert_eq!(left, 0, "{what} cut at {cut}");
                    continue;
                }
            };
            // The first entry less the last byte of its CRC is whole in the oldest layout.
            let is_older = left == 0 && !store.is_empty();
            if is_older {
                let short = (ForeignLayout::Packed19, ends[0] - 1);
                assert_eq!((store.layout(), cut as u64), short, "{what} cut at {cut}");
            }
            let left = left.max(usize::from(is_older));
            assert_eq!(store.entries(), left as u64, "{what} cut at {cut}");
            let end = match (is_older, left) {
                (true, _) => ends[0] - 1,
                (_, 0) => 0,
                _ => ends[left - 1],
            };
            assert_eq!(store.valid_bytes(), end, "{what} cut at {cut}");
            for (entry, own) in entries.iter().zip(store.iter(ForeignOrder::Oldest, true)) {
                assert_eq!(
                    (entry.hash, entry.offset, entry.len),
                    (own.hash, own.offset, own.len)
                );
                let value = bytes_of(store.value(own.number).unwrap().unwrap());
                let place = fixture.bytes.get(entry.offset as usize..).unwrap();
                assert_eq!(value, place[..entry.len as usize], "{what} cut at {cut}");
            }
        }
    }
}

#[test]
fn any_flipped_bit_is_never_a_good_value() {
    for fixture in fixtures(&["ok"]) {
        if fixture.bytes.len() > 2000 {
            continue;
        }
        let what = fixture.name();
        let copy = |bytes: &[u8]| ForeignStore::from_data(Data::copy_of(region(bytes)).unwrap());
        let whole = (!fixture.bytes.is_empty()).then(|| copy(&fixture.bytes).unwrap());
        let known: Vec<(u64, String)> = whole
            .iter()
            .flat_map(|store| {
                store.iter(ForeignOrder::Oldest, true).map(|entry| {
                    let value = store.value(entry.number).unwrap().unwrap();
                    (entry.offset, hex(bytes_of(value)))
                })
            })
            .collect();
        let mut bytes = fixture.bytes.clone();
        for place in 0..bytes.len() {
            bytes[place] ^= 1 << (place % 8);
            if let Ok(store) = copy(&bytes) {
                for entry in store.iter(ForeignOrder::Newest, true) {
                    if let Ok(Some(value)) = store.value(entry.number) {
                        let value = (entry.offset, hex(bytes_of(value)));
                        assert!(known.contains(&value), "{what} at {place}");
                    }
                }
            }
            bytes[place] ^= 1 << (place % 8);
        }
    }
}
