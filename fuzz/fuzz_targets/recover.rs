//! Any bytes as a damaged rrec file to recover.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use adit_core::map::sim::SimStorage;
use adit_core::map::{DataOptions, Storage};
use adit_core::record::{RrecReader, recover};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (from, to) = (Path::new("/from.rrec"), Path::new("/to.rrec"));
    let disk = SimStorage::new();
    disk.put_durable(from, bytes);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let result = recover(&storage, from, to, None, &mut |done, total| done <= total);
    assert_eq!(disk.contents(from).as_deref(), Some(bytes));
    let recovery = match result {
        Ok(recovery) => recovery,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(disk.names(), [from]);
            return;
        }
    };
    assert!(recovery.records > 0);
    assert!(recovery.stop_offset + recovery.dropped_bytes <= bytes.len() as u64);
    let reader = RrecReader::open_in(&disk, to, &DataOptions::default()).expect("a sound file");
    assert_eq!(reader.len(), recovery.records);
    let found = reader.verify(&mut |_, _| true).expect("a whole file");
    assert_eq!(found.bad_records, 0);
    let saved = &bytes[bytes.len().min(HEADER)..recovery.stop_offset as usize];
    assert!(
        disk.contents(to)
            .is_some_and(|out| out[HEADER..].starts_with(saved))
    );
});

/// The bytes before the first record.
const HEADER: usize = 64;
