//! What says that it maps nothing maps nothing: a file that is cut meanwhile is an error there, and
//! never a fault.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod store_read;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::map::{RealStorage, Storage};
use adit_core::store::{Batch, Damage, Store, StoreAccess, StoreOptions, Verified, verify_file};
use common::Folder;
use store_read::{options, region};

const KEYS: u64 = 6000;

/// A store with an index file, of which a page is damaged.
fn store_with_bad_index(path: &Path) -> PathBuf {
    let store = Store::open(path, &options()).unwrap();
    let mut batch = Batch::new();
    for number in 0..KEYS {
        let bytes = number.to_le_bytes();
        batch.put(&bytes, region(&bytes)).unwrap();
    }
    store.write(&mut batch).unwrap();
    store.close();
    let mut index = path.as_os_str().to_owned();
    index.push(".idx");
    let file = std::fs::File::options().write(true).open(&index).unwrap();
    file.write_all_at(b"!", 4096 + 8).unwrap();
    index.into()
}

/// The maps of this process whose names start with a path.
fn maps_of(path: &Path) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = path.to_str().unwrap();
    let maps = maps.lines().filter(|line| line.contains(path));
    maps.map(str::to_owned).collect()
}

/// Looks at the maps while the index is compared with the log.
fn maps_during(
    path: &Path,
    index: &Path,
    verify: impl FnOnce(&mut dyn FnMut(&Damage<'_>)) -> Verified,
) -> Vec<String> {
    let (mut maps, mut places) = (Vec::new(), Vec::new());
    let verified = verify(&mut |damage| {
        places.push((damage.path.to_owned(), damage.offset));
        maps = maps_of(path);
    });
    assert_eq!(places, [(index.to_owned(), 4096)]);
    assert_eq!((verified.entries, verified.damages), (KEYS, 1));
    assert!(verified.has_index);
    maps
}

#[test]
fn verifying_a_file_maps_nothing() {
    let folder = Folder::new();
    let path = folder.join("file");
    let index = store_with_bad_index(&path);
    let storage: Arc<dyn Storage> = Arc::new(RealStorage);
    let verify = |tell: &mut dyn FnMut(&Damage<'_>)| {
        verify_file(&storage, &path, tell, &mut |_, _| true).unwrap()
    };
    assert_eq!(maps_during(&path, &index, verify), Vec::<String>::new());
}

#[test]
fn an_exclusive_handle_maps_nothing() {
    let folder = Folder::new();
    for (access, maps) in [(StoreAccess::Exclusive, false), (StoreAccess::Mapped, true)] {
        let path = folder.join(&format!("{access:?}"));
        let index = store_with_bad_index(&path);
        let options = StoreOptions {
            access,
            ..options()
        };
        // Opened with the index as it was.
        let damaged = std::fs::read(&index).unwrap();
        std::fs::remove_file(&index).unwrap();
        let store = Store::open(&path, &options).unwrap();
        std::fs::write(&index, &damaged).unwrap();
        let verify = |tell: &mut dyn FnMut(&Damage<'_>)| store.verify(tell, &mut |_, _| true);
        let found = maps_during(&path, &index, |tell| verify(tell).unwrap());
        assert_eq!(!found.is_empty(), maps, "{access:?}: {found:?}");
        drop(store);
    }
}
