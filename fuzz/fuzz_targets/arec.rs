//! Any bytes as an arec file, or a golden one changed in some places and its checksums mended, so
//! that what they guard is looked at too.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use adit_core::kernel::{crc32c_of, hash};
use adit_core::map::sim::SimStorage;
use adit_core::map::{Data, Region, Storage};
use adit_core::record::{Check, ReaderOptions, RecordReader, recover};
use libfuzzer_sys::fuzz_target;

const GOLDEN: [&[u8]; 5] = [
    include_bytes!("../../tests/data/arec/small.arec"),
    include_bytes!("../../tests/data/arec/ragged.arec"),
    include_bytes!("../../tests/data/arec/empty.arec"),
    include_bytes!("../../tests/data/arec/fixed.arec"),
    include_bytes!("../../tests/data/arec/unfinished.arec"),
];

/// Records looked at one by one: the rest is like them.
const LOOKED_AT: u64 = 64;

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else {
        return;
    };
    let bytes = match GOLDEN.get(usize::from(first & 7)) {
        Some(golden) => changed(golden, first >> 3, rest),
        None => rest.to_vec(),
    };
    read(&bytes);
    save(&bytes);
});

fn word(bytes: &[u8], at: usize) -> usize {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_le_bytes) as usize
}

/// A golden file with some bytes changed: each change is a region, a place in it, and bytes. The
/// bits of `mended` say which checksums are right again.
fn changed(golden: &[u8], mended: u8, mut changes: &[u8]) -> Vec<u8> {
    let mut bytes = golden.to_vec();
    let trailer = bytes.len() - 4096;
    let is_finished = bytes[trailer..].starts_with(b"\x89ADITREC-END");
    let (footer, directory) = match is_finished {
        true => (word(golden, trailer + 40), word(golden, trailer + 56)),
        false => (trailer, 0),
    };
    let regions = [
        0..128,
        128..4096,
        4096..footer,
        footer..footer + directory,
        footer + directory..trailer.max(footer + directory),
        trailer..trailer + 104,
        0..bytes.len(),
    ];
    while let [region, low, high, count, rest @ ..] = changes {
        let region = regions[usize::from(*region) % regions.len()].clone();
        let place = region.start + usize::from(u16::from_le_bytes([*low, *high])) % region.len().max(1);
        let (new, rest) = rest.split_at(usize::from(count % 9).min(rest.len()));
        for (own, new) in bytes[place..].iter_mut().zip(new) {
            *own = *new;
        }
        changes = rest;
    }
    let nonce = word(&bytes, 56) as u64;
    if is_finished && mended & 1 == 0 {
        for row in (footer..footer + directory).step_by(48) {
            let (offset, len) = (word(&bytes, row + 16), word(&bytes, row + 24));
            let column = offset.checked_add(len).and_then(|end| bytes.get(offset..end));
            if let Some(column) = column {
                let hash = hash(column, nonce).to_le_bytes();
                bytes[row + 32..row + 40].copy_from_slice(&hash);
            }
        }
    }
    if is_finished && mended & 2 == 0 {
        let hash = hash(&bytes[footer..footer + directory], nonce);
        bytes[trailer + 96..trailer + 104].copy_from_slice(&hash.to_le_bytes());
        let uuid: Vec<u8> = bytes[40..56].to_vec();
        bytes[trailer + 16..trailer + 32].copy_from_slice(&uuid);
        let sum = crc32c_of(0, &bytes[trailer..trailer + 4092]);
        bytes[trailer + 4092..].copy_from_slice(&sum.to_le_bytes());
    }
    if mended & 4 == 0 {
        let len = (word(&bytes, 16) >> 32).clamp(4096, trailer) & !4095;
        let sum = crc32c_of(0, &bytes[..len - 4]);
        bytes[len - 4..len].copy_from_slice(&sum.to_le_bytes());
    }
    if mended & 8 == 0 {
        mend_blocks(&mut bytes, nonce);
    }
    bytes
}

/// Frames and the tables that they name.
fn mend_blocks(bytes: &mut [u8], nonce: u64) {
    let row = |at: usize, bytes: &[u8]| {
        let count = word(bytes, at + 32) & 0xFFFF_FFFF;
        let start = at.saturating_add(word(bytes, at + 40));
        (start, count)
    };
    for at in (4096..bytes.len()).step_by(4096) {
        if !bytes[at..].starts_with(b"ADIT") {
            continue;
        }
        let (start, count) = row(at, bytes);
        let fields = word(bytes, 64) & 0xFFFF_FFFF;
        // Right where all fields are fixed.
        let len = count.saturating_mul(fields).saturating_mul(4);
        let table = start.checked_add(len).and_then(|end| bytes.get(start..end));
        if let Some(table) = table.filter(|_| bytes[71] & 1 != 0) {
            let hash = hash(table, nonce).to_le_bytes();
            bytes[at + 48..at + 56].copy_from_slice(&hash);
        }
        let sum = crc32c_of(0, &bytes[at..at + 60]);
        bytes[at + 60..at + 64].copy_from_slice(&sum.to_le_bytes());
    }
}

fn read(bytes: &[u8]) {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).expect("memory"));
    let open = |check| {
        let options = ReaderOptions {
            check,
            ..ReaderOptions::default()
        };
        RecordReader::from_data(Arc::clone(&data), &options)
    };
    let (never, always) = match (open(Check::Never), open(Check::Always)) {
        (Ok(never), Ok(always)) => (never, always),
        (Err(error), Err(_)) => return assert!(!error.to_string().is_empty()),
        _ => panic!("opened in one way alone"),
    };
    let schema = never.schema();
    let _ = never.metadata();
    let found = never.verify(&mut |done, total| done <= total);
    let is_sound = found
        .as_ref()
        .is_ok_and(|found| found.bad_records == 0 && found.bad_parts == 0);
    for index in 0..never.len().min(LOOKED_AT) {
        look_at(&never, index);
        assert!(!is_sound || always.get(index).is_ok());
    }
    assert!(never.get(never.len()).is_err());
    assert!(never.get(u64::MAX).is_err());
    if let Ok(found) = found {
        assert_eq!(found.records, never.len());
        let is_bad = found.bad_records > 0 || found.bad_parts > 0;
        assert_eq!(found.first_bad.is_some(), is_bad);
    }
    if let Ok(schema) = schema {
        assert_eq!(schema.fields().len(), never.fields());
    }
}

fn look_at(reader: &RecordReader, index: u64) {
    let lent = reader.get(index);
    for field in 0..reader.fields() {
        let dims = reader.dims(index, field);
        let (Ok(lent), Ok(dims)) = (&lent, &dims) else {
            continue;
        };
        let tensor = &lent[field];
        assert_eq!(tensor.shape.dims(), dims);
        let bytes = tensor.bytes.len() as u64;
        assert_eq!(tensor.shape.bytes(tensor.dtype), Ok(bytes));
        let align = tensor.dtype.align() as usize;
        assert_eq!(tensor.bytes.as_ptr().addr() % align, 0);
        assert!(tensor.bytes.to_vec(0, tensor.bytes.len()).is_some());
    }
}

fn save(bytes: &[u8]) {
    let (from, to) = (Path::new("/from.arec"), Path::new("/to.arec"));
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
    let options = ReaderOptions::default();
    let reader = RecordReader::open_in(storage, to, &options).expect("a sound file");
    assert_eq!(reader.len(), recovery.records);
    let found = reader.verify(&mut |_, _| true).expect("a whole file");
    assert_eq!((found.bad_records, found.bad_parts), (0, 0));
}
