//! Foreign stores built by the rules of all four layouts, torn and hostile ones.

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

use std::collections::BTreeMap;

use adit_core::error::{Kind, Report};
use adit_core::kernel;
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::store::{Error, ForeignLayout, ForeignOrder, ForeignStore};
use common::Folder;
use foreign_tools::{LAYOUTS, Writer, bytes_of, crc32, open};
use proptest::prelude::*;

/// Keys a, b, ... with values of these lengths, all of them different.
fn store_of(layout: ForeignLayout, lens: &[usize]) -> Writer {
    let mut writer = Writer::new(layout);
    for (number, len) in lens.iter().enumerate() {
        let value: Vec<u8> = (0..*len)
            .map(|at| (at * 7 + number * 31 + 1) as u8)
            .collect();
        writer.put(&[b'a' + number as u8], &value);
    }
    writer
}

fn all_values(store: &ForeignStore) -> Vec<(u64, Vec<u8>)> {
    let entries = store.iter(ForeignOrder::Oldest, true);
    entries
        .map(|entry| {
            let value = store.value(entry.number).unwrap().unwrap();
            (entry.hash, bytes_of(value))
        })
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>),
    Delete(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..200),
        proptest::collection::vec(0u8..2, 1..100),
        (1usize..300).prop_map(|len| vec![0; len + 1]),
        // The length after which layouts don't round apart.
        proptest::collection::vec(any::<u8>(), 44..45),
    ];
    let step = prop_oneof![
        4 => (0u8..12, value).prop_map(|(key, value)| Step::Put(key, value)),
        1 => (0u8..12).prop_map(Step::Delete),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn random_stores_of_all_layouts_read_back(
        steps in steps(),
        number in 0usize..4,
        cut in any::<prop::sample::Index>(),
        tail in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let layout = LAYOUTS[number];
        let mut writer = Writer::new(layout);
        let mut model = BTreeMap::new();
        let mut written = Vec::new();
        for step in &steps {
            match step {
                Step::Put(key, value) if value[..] == [0] => writer.put(&[*key], &[1]),
                Step::Put(key, value) => writer.put(&[*key], value),
                Step::Delete(key) => writer.delete(&[*key]),
            }
            let (key, value) = match step {
                Step::Put(key, value) if value[..] == [0] => (*key, Some(vec![1])),
                Step::Put(key, value) => (*key, Some(value.clone())),
                Step::Delete(key) => (*key, None),
            };
            written.push((kernel::hash(&[key], 0), value.clone().unwrap_or(vec![0])));
            model.insert(key, value);
        }
        let store = open(&writer.bytes).unwrap();
        prop_assert_eq!(store.valid_bytes(), writer.bytes.len() as u64);
        prop_assert_eq!(all_values(&store), written.clone());
        let live = model.values().filter(|value| value.is_some()).count();
        prop_assert_eq!(store.len(), live as u64);
        for (key, value) in &model {
            let found = store.get(&[*key]).unwrap().map(bytes_of);
            prop_assert_eq!(&found, value);
        }

        // Cut anywhere, with any bytes behind: what was whole is there, and nothing else.
        let cut = cut.index(writer.bytes.len());
        let whole = writer.ends.iter().filter(|end| **end <= cut).count();
        let torn = [&writer.bytes[..cut], &tail].concat();
        match open(&torn) {
            Ok(store) => {
                // One more where the bytes behind happen to go on as those that were cut off: its
                // value is what was written, or an error.
                let found = store.entries() as usize;
                prop_assert!(found == whole || found == whole + 1);
                for entry in store.iter(ForeignOrder::Oldest, true) {
                    let number = entry.number as usize;
                    match store.value(entry.number) {
                        Ok(value) => {
                            let own = (entry.hash, bytes_of(value.unwrap()));
                            prop_assert_eq!(&own, &written[number]);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.kind(), Kind::Checksum);
                            prop_assert_eq!(number, whole);
                        }
                    }
                }
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::WrongFormat);
                prop_assert_eq!(whole, 0);
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(0u8..4, 0..400)) {
        match open(&bytes) {
            Ok(store) => {
                prop_assert!(store.valid_bytes() <= bytes.len() as u64);
                let _ = store.iter(ForeignOrder::Newest, true).count();
            }
            Err(error) => prop_assert_eq!(error.kind(), Kind::WrongFormat),
        }
    }
}

#[test]
fn the_layout_is_told_by_the_values() {
    for layout in LAYOUTS {
        let writer = store_of(layout, &[5, 17, 64, 1, 300]);
        let store = open(&writer.bytes).unwrap();
        assert_eq!(store.layout(), layout);
        assert_eq!(store.entries(), 5);
        for entry in store.iter(ForeignOrder::Oldest, true) {
            assert!(entry.offset.is_multiple_of(layout.alignment()));
        }
    }
    // Where none places a value elsewhere: the latest, and the values all the same.
    for layout in &LAYOUTS[1..] {
        let writer = store_of(*layout, &[44, 44, 108]);
        let store = open(&writer.bytes).unwrap();
        assert_eq!(store.layout(), ForeignLayout::Aligned64);
        assert_eq!(store.entries(), 3);
        assert_eq!(store.get(b"c").unwrap().unwrap().len(), 108);
    }
    // The newest values tell nothing, the oldest do.
    for layout in &LAYOUTS[1..] {
        let mut writer = Writer::new(*layout);
        writer.put(b"first", &[9; 7]);
        writer.put(b"second", &[8; 9]);
        // From here on each ends at a whole multiple of 64.
        let align = usize::try_from(layout.alignment()).unwrap();
        let start = writer.bytes.len().next_multiple_of(align);
        writer.put(
            b"even",
            &vec![6; (start + 20).next_multiple_of(64) - 20 - start],
        );
        let bytes = writer.bytes.len();
        for _ in 0..50 {
            writer.put(b"even", &[3; 44]);
        }
        assert!(bytes.is_multiple_of(64));
        let store = open(&writer.bytes).unwrap();
        assert_eq!(store.get(b"first").unwrap().map(bytes_of), Some(vec![9; 7]));
        assert_eq!(
            store.get(b"second").unwrap().map(bytes_of),
            Some(vec![8; 9])
        );
    }
}

#[test]
fn an_empty_file_is_an_empty_store() {
    let store = open(b"").unwrap();
    assert!(store.is_empty());
    assert_eq!((store.entries(), store.valid_bytes()), (0, 0));
    assert!(store.get(b"").unwrap().is_none());
    assert_eq!(store.iter(ForeignOrder::Newest, true).count(), 0);
}

#[test]
fn what_is_no_store_is_refused_and_left() {
    let folder = Folder::new();
    let mut trailer = vec![0; 20];
    trailer[..8].fill(1);
    let wrong_crc = [&b"value"[..], &trailer].concat();
    let files: [(&str, Vec<u8>); 8] = [
        ("one byte", vec![0]),
        ("one letter", vec![b'x']),
        ("zeros", vec![0; 100_000]),
        ("ones", vec![1; 100_000]),
        ("text", b"no store at all, only some words\n".repeat(100)),
        ("all bits", vec![0xFF; 4096]),
        ("wrong CRC", wrong_crc),
        (
            "small numbers",
            (0..20_000u64)
                .flat_map(|n| (n % 50).to_le_bytes())
                .collect(),
        ),
    ];
    for (name, bytes) in files {
        let path = folder.file("file", &bytes);
        let error = ForeignStore::open(&path).unwrap_err();
        assert!(
            matches!(error, Error::WrongFormat { .. }),
            "{name}: {error}"
        );
        assert_eq!(error.kind(), Kind::WrongFormat, "{name}");
        assert_eq!(error.place().path.as_deref(), Some(&*path), "{name}");
        assert!(error.to_string().contains("simd-r-drive"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}");
    }
    let error = ForeignStore::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotAFile);
    let error = ForeignStore::open(&folder.join("nothing")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

/// One entry's metadata as given, after a value.
fn raw(bytes: &mut Vec<u8>, value: &[u8], hash: u64, prev: u64, crc: u32) {
    bytes.extend(value);
    bytes.extend(hash.to_le_bytes());
    bytes.extend(prev.to_le_bytes());
    bytes.extend(crc.to_le_bytes());
}

#[test]
fn chains_that_lead_nowhere_are_refused() {
    for prev in [1, 19, 20, 21, 24, 25, 26, 1 << 40, u64::MAX, u64::MAX - 20] {
        let mut bytes = Vec::new();
        raw(&mut bytes, b"value", 5, prev, crc32(b"value"));
        let error = open(&bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongFormat, "{prev}");
    }
    // Two that name one another, and each itself.
    for (first, second) in [(50, 25), (25, 50), (25, 25)] {
        let mut bytes = Vec::new();
        raw(&mut bytes, b"value", 5, first, crc32(b"value"));
        raw(&mut bytes, b"other", 6, second, crc32(b"other"));
        let error = open(&bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongFormat, "{first} {second}");
    }
}

#[test]
fn a_damaged_newest_value_is_told_and_not_dropped() {
    for layout in LAYOUTS {
        let mut writer = store_of(layout, &[5, 17, 64, 50]);
        let metadata = if layout == ForeignLayout::Packed19 {
            19
        } else {
            20
        };
        let last = writer.bytes.len() - metadata - 1;
        writer.bytes[last] ^= 4;
        let store = open(&writer.bytes).unwrap();
        assert_eq!((store.entries(), store.layout()), (4, layout));
        assert_eq!(store.get(b"d").unwrap_err().kind(), Kind::Checksum);
        assert_eq!(store.get(b"b").unwrap().unwrap().len(), 17);
    }
}

#[test]
fn a_torn_tail_behind_a_damaged_value_costs_the_tail() {
    for layout in LAYOUTS {
        let mut writer = store_of(layout, &[30, 40, 50, 60, 70]);
        writer.bytes[writer.ends[1] - 25] ^= 1;
        let cut = writer.bytes.len() - 3;
        let store = open(&writer.bytes[..cut]).unwrap();
        assert_eq!((store.entries(), store.layout()), (4, layout));
        assert_eq!(store.valid_bytes(), writer.ends[3] as u64);
        assert_eq!(store.get(b"b").unwrap_err().kind(), Kind::Checksum);
        for (key, len) in [(b"a", 30), (b"c", 50), (b"d", 60)] {
            assert_eq!(store.get(key).unwrap().unwrap().len(), len);
        }
    }
}

#[test]
fn a_store_as_a_value_is_a_value() {
    for layout in LAYOUTS {
        let inner = store_of(layout, &[30, 40, 50]);
        let mut writer = Writer::new(layout);
        writer.put(b"inner", &inner.bytes);
        writer.put(b"after", b"something else");
        let store = open(&writer.bytes).unwrap();
        assert_eq!(
            store.get(b"inner").unwrap().map(bytes_of),
            Some(inner.bytes)
        );
        // With the tail torn the nearest end before it is the outer store's.
        let cut = writer.bytes.len() - 1;
        let store = open(&writer.bytes[..cut]).unwrap();
        let only = writer.ends[0] as u64;
        assert_eq!((store.entries(), store.valid_bytes()), (1, only));
    }
}

#[test]
fn long_torn_tails_of_small_numbers_are_searched_in_bounds() {
    // Every eighth byte could end an entry that leads back to the start: the search gives up on
    // earlier ends, and finds the store from its start on.
    let labels: Vec<u8> = (0..200_000u64)
        .flat_map(|number| if number % 3 == 0 { 1u64 } else { 0 }.to_le_bytes())
        .collect();
    for layout in LAYOUTS {
        let mut writer = store_of(layout, &[5, 17, 50]);
        writer.delete(b"b");
        let whole = writer.bytes.len();
        writer.put(b"labels", &labels);
        let cut = writer.bytes.len() - 30;
        let store = open(&writer.bytes[..cut]).unwrap();
        assert_eq!(store.layout(), layout);
        assert_eq!((store.entries(), store.valid_bytes()), (4, whole as u64));
        assert!(store.get(b"b").unwrap().is_none());
        assert_eq!(store.get(b"c").unwrap().unwrap().len(), 50);
        // And as a whole value.
        let store = open(&writer.bytes).unwrap();
        assert_eq!(
            store.get(b"labels").unwrap().map(bytes_of),
            Some(labels.clone())
        );
    }
}

#[test]
fn long_blind_alleys_are_walked_in_bounds() {
    // A chain of tiny entries that starts nowhere, and every end of which must be tried: without
    // bounds the steps are the square of their number.
    let mut bytes = vec![0xEE; 64];
    let mut prev = 63;
    for number in 0..40_000u64 {
        raw(&mut bytes, b"", number + 1, prev, 0);
        prev = bytes.len() as u64;
    }
    assert_eq!(open(&bytes).unwrap_err().kind(), Kind::WrongFormat);
    // The same behind a sound store.
    let mut writer = store_of(ForeignLayout::Packed20, &[30, 40, 50]);
    let whole = writer.bytes.len();
    let mut prev = whole as u64 - 1;
    for number in 0..40_000u64 {
        raw(&mut writer.bytes, b"", number + 1, prev, 0);
        prev = writer.bytes.len() as u64;
    }
    writer.bytes.push(7);
    let store = open(&writer.bytes).unwrap();
    assert_eq!((store.entries(), store.valid_bytes()), (3, whole as u64));
}

#[test]
fn a_storage_is_only_read() {
    let storage = SimStorage::new();
    let path = std::path::Path::new("/store");
    let writer = store_of(ForeignLayout::Aligned64, &[30, 40, 50]);
    let file = storage.create_new(path).unwrap();
    file.write_all_at(&writer.bytes, 0).unwrap();
    let store = ForeignStore::open_on(&storage, path).unwrap();
    assert_eq!(store.len(), 3);
    assert_eq!(store.get(b"b").unwrap().unwrap().len(), 40);
    // Its writer may go on, and hold what lock it likes.
    assert!(file.try_lock().unwrap());
}
