//! Any bytes as the index beside a small store: it opens, and has what it has without an index.
//!
//! The first byte says how the rest is mended, so that more than the checksums is reached: bit 0 the
//! sums of all pages, bit 1 the store's uuid and covered end in page 0. An index whose sums are right
//! may leave keys out, which nobody can see; what it finds must be right all the same.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use adit_core::kernel::crc32c_of;
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::store::{OpenMode, Store, StoreOptions};
use libfuzzer_sys::fuzz_target;

const LOG: &[u8] = include_bytes!("../../tests/data/store/golden.adit");
const INDEX: &[u8] = include_bytes!("../../tests/data/store/golden.adit.idx");
const PAGE: usize = 4096;

type Values = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// All keys that the store ever had.
fn keys() -> impl Iterator<Item = Vec<u8>> {
    let few = ["one", "sixty-four", "nothing", "", "weights", "gone", "never", "not there"];
    let many = (0..200).map(|number| format!("key-{number}").into_bytes());
    few.into_iter().map(|key| key.as_bytes().to_vec()).chain(many)
}

/// None where the index was found out while the store was open.
fn values(index: Option<&[u8]>, mode: OpenMode) -> Option<Values> {
    let disk = SimStorage::new();
    let path = Path::new("/store");
    disk.put_durable(path, LOG);
    if let Some(index) = index {
        disk.put_durable(Path::new("/store.idx"), index);
    }
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let options = StoreOptions {
        mode,
        ..StoreOptions::default()
    };
    let store = Store::open_on(storage, path, &options).expect("whatever the index, it opens");
    let snapshot = store.snapshot().expect("a snapshot");
    let mut values = Values::new();
    for key in keys() {
        let value = snapshot.get(&key).ok()?;
        let bytes = value.map(|value| {
            let region = value.region;
            region.to_vec(0, region.len()).expect("its bytes")
        });
        values.insert(key, bytes);
    }
    Some(values)
}

fn sound() -> &'static Values {
    static SOUND: OnceLock<Values> = OnceLock::new();
    SOUND.get_or_init(|| {
        let rebuilt = values(None, OpenMode::Read).expect("without an index");
        let sound = values(Some(INDEX), OpenMode::Read).expect("with its own");
        assert_eq!(rebuilt, sound);
        sound
    })
}

fn mend(index: &mut [u8], how: u8) {
    let first = index.len().min(PAGE);
    if how & 2 != 0 && first == PAGE {
        // Magic, version, page size, uuid and what is covered.
        index[..72].copy_from_slice(&INDEX[..72]);
    }
    if how & 1 == 0 {
        return;
    }
    for (number, page) in (0_u64..).zip(index.chunks_exact_mut(PAGE)) {
        if number == 0 {
            let crc = crc32c_of(0, &page[..PAGE - 4]);
            page[PAGE - 4..].copy_from_slice(&crc.to_le_bytes());
            continue;
        }
        page[4040..4048].copy_from_slice(&number.to_le_bytes());
        page[4048..4096].copy_from_slice(&INDEX[PAGE + 4048..PAGE + 4096]);
        let crc = crc32c_of(crc32c_of(0, &page[..4032]), &page[4040..]);
        page[4032..4036].copy_from_slice(&crc.to_le_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, rest)) = bytes.split_first() else {
        return;
    };
    let sound = sound();
    let mut index = rest.to_vec();
    mend(&mut index, how);
    let is_sealed = how & 1 != 0;
    let mode = if how & 4 == 0 { OpenMode::Read } else { OpenMode::Write };
    let Some(found) = values(Some(&index), mode) else {
        // A page is looked at when it is touched; the store can be built without it.
        return;
    };
    for (key, value) in &found {
        assert!(*value == sound[key] || is_sealed && value.is_none(), "{key:?}");
    }
});
