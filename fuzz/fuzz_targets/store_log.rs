//! Logs of stores: arbitrary ones, and golden ones with damage, with an index beside them or not.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::store::{
    Damage, OpenMode, Store, StoreAccess, StoreOptions, salvage, verify_file,
};
use libfuzzer_sys::fuzz_target;

const GOLDEN: [(&[u8], &[u8]); 2] = [
    (
        include_bytes!("../../tests/data/store/golden.adit"),
        include_bytes!("../../tests/data/store/golden.adit.idx"),
    ),
    (
        include_bytes!("../../tests/data/store/golden4096.adit"),
        include_bytes!("../../tests/data/store/golden4096.adit.idx"),
    ),
];
const LOG: &str = "/d/log.adit";
const SAVED: &str = "/d/saved.adit";

/// Groups of 4 bytes: where (3), and what to put there; an odd place cuts there instead.
fn damage(file: &[u8], patches: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for patch in patches.chunks_exact(4) {
        let at = u32::from_le_bytes([patch[0], patch[1], patch[2], 0]) as usize % file.len();
        if patch[3] == 0xEE {
            bytes.truncate(at);
        } else if let Some(byte) = bytes.get_mut(at) {
            *byte ^= patch[3];
        }
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else {
        return;
    };
    let (log, index) = GOLDEN[usize::from(how & 1)];
    let bytes = if how & 2 == 0 { damage(log, rest) } else { rest.to_vec() };
    let disk = SimStorage::new();
    disk.put_durable(Path::new(LOG), &bytes);
    if how & 4 != 0 {
        disk.put_durable(Path::new("/d/log.adit.idx"), index);
    }
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut options = StoreOptions {
        mode: OpenMode::Read,
        access: StoreAccess::Exclusive,
        index_memory: 1,
        ..StoreOptions::default()
    };
    let mut damages = 0;
    let mut on_damage = |damage: &Damage<'_>| {
        assert!(!damage.why.is_empty());
        damages += 1;
    };
    let verified = verify_file(&storage, Path::new(LOG), &mut on_damage, &mut |_, _| true);
    let opened = Store::open_on(Arc::clone(&storage), Path::new(LOG), &options);
    if let Ok(verified) = &verified {
        assert_eq!(verified.damages, damages);
        // What is sound can be opened.
        assert!(damages > 0 || opened.is_ok());
    }
    if let Ok(store) = opened {
        store.verify(&mut |_| {}, &mut |_, _| true).unwrap();
    }
    let from = Path::new(LOG);
    let saved = salvage(&storage, from, Path::new(SAVED), &options, &mut |_, _| true);
    assert_eq!(disk.contents(from).unwrap(), bytes);
    if let Ok(saved) = saved {
        let mut none = |damage: &Damage<'_>| panic!("{damage:?}");
        let again = verify_file(&storage, Path::new(SAVED), &mut none, &mut |_, _| true).unwrap();
        assert_eq!((again.entries, again.tombstones), (saved.entries, saved.tombstones));
    }
    // Whoever may write doesn't make it worse.
    options.mode = OpenMode::Write;
    if let Ok(store) = Store::open_on(Arc::clone(&storage), from, &options) {
        let before = verified.map_or(0, |verified| verified.entries);
        drop(store);
        let after = verify_file(&storage, from, &mut |_| {}, &mut |_, _| true).unwrap();
        assert!(after.entries >= before);
    }
});
