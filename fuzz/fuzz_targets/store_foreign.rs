//! Any bytes as a store of simd-r-drive.
#![no_main]

use std::sync::OnceLock;

use adit_core::error::{Kind, Report};
use adit_core::kernel::crc32_of;
use adit_core::map::{Data, Region};
use adit_core::store::{ForeignOrder, ForeignStore};
use libfuzzer_sys::fuzz_target;

/// Mends the checksum of the entry at the end for the layout with 20 bytes of metadata and packed
/// values, so that what is behind the checksum is reached.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(split) = bytes.len().checked_sub(20) else {
        return bytes;
    };
    let prev = bytes[split + 8..split + 16]
        .try_into()
        .map(u64::from_le_bytes);
    if let Ok(prev) = prev
        && let Some(value) = bytes.get(usize::try_from(prev).unwrap_or(usize::MAX)..split)
    {
        let crc = crc32_of(0, value);
        bytes[split + 16..].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

fn exercise(bytes: &[u8]) {
    // SAFETY: the slice outlives the copy that is made of it.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let Ok(data) = Data::copy_of(region) else {
        return;
    };
    let store = match ForeignStore::from_data(data) {
        Ok(store) => store,
        Err(error) => {
            assert_eq!(error.kind(), Kind::WrongFormat, "{error}");
            return;
        }
    };
    assert!(store.valid_bytes() <= bytes.len() as u64);
    assert!(store.len() <= store.entries());
    assert_eq!(store.entries() == 0, bytes.is_empty());
    let metadata = store.layout().metadata_bytes();
    let mut end = 0;
    let mut sound = 0;
    for entry in store.iter(ForeignOrder::Oldest, true) {
        assert!(entry.offset >= end && entry.offset - end < 64);
        end = entry.offset + entry.len + metadata;
        match store.value(entry.number) {
            Ok(value) => {
                let value = value.expect("a number of its own");
                let place = entry.offset as usize;
                let own = value.to_vec(0, value.len()).expect("memory");
                assert_eq!(own, bytes[place..place + entry.len as usize]);
                let mask = if metadata == 19 { 0xFF_FFFF } else { u32::MAX };
                let mut crc = [0; 4];
                let kept = metadata as usize - 16;
                crc[..kept].copy_from_slice(&bytes[end as usize - kept..end as usize]);
                assert_eq!(bitwise(&own) & mask, u32::from_le_bytes(crc));
                sound += 1;
            }
            Err(error) => assert_eq!(error.kind(), Kind::Checksum, "{error}"),
        }
    }
    assert_eq!(end, store.valid_bytes());
    assert!(sound > 0 || bytes.is_empty());
    let live = store.iter(ForeignOrder::Newest, false).inspect(|entry| {
        let value = store.get_hash(entry.hash);
        assert!(!matches!(value, Ok(None)));
    });
    assert_eq!(live.count() as u64, store.len());
}

/// CRC-32 (IEEE), bit by bit, of a table made here: not the library's.
fn bitwise(bytes: &[u8]) -> u32 {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |sum, _| {
                (sum >> 1) ^ if sum & 1 != 0 { 0xEDB8_8320 } else { 0 }
            })
        })
    });
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (sum >> 8) ^ table[((sum ^ u32::from(*byte)) & 0xFF) as usize]
    })
}

fuzz_target!(|bytes: &[u8]| {
    exercise(bytes);
    exercise(&mended(bytes));
});
