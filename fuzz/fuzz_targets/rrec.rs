//! Any bytes as an rrec file.
#![no_main]

use std::sync::Arc;

use adit_core::map::{Data, Io, Region};
use adit_core::record::{GatherOptions, ReaderOptions, RecordReader, RrecReader};
use libfuzzer_sys::fuzz_target;

/// Records looked at one by one: the rest is like them.
const LOOKED_AT: u64 = 64;

fuzz_target!(|bytes: &[u8]| {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).expect("memory"));
    let reader = match RrecReader::from_data(data) {
        Ok(reader) => reader,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = reader.schema();
    let mut bad = 0;
    for index in 0..reader.len().min(LOOKED_AT) {
        if !look_at(&reader, index) {
            bad += 1;
        }
    }
    assert!(reader.get(reader.len()).is_err());
    assert!(reader.get(u64::MAX).is_err());
    let found = reader
        .verify(&mut |done, total| done <= total)
        .expect("no file to be cut");
    assert_eq!(found.records, reader.len());
    assert!(found.bad_records >= bad);
    assert_eq!(found.first_bad.is_some(), found.bad_records > 0);
});

fn how(io: Io) -> GatherOptions {
    GatherOptions {
        io,
        ..GatherOptions::default()
    }
}

/// Whether the record is sound: one that can't be lent may be.
fn look_at(reader: &RrecReader, index: u64) -> bool {
    let lent = reader.get(index);
    let gatherer = RecordReader::from_data(Arc::clone(reader.data()), &ReaderOptions::default());
    let gatherer = gatherer.expect("a file that was opened before");
    let mut sound = true;
    for field in 0..2 {
        let dims = reader.dims(index, field);
        sound &= dims.is_ok();
        let mut buffers = [Io::Map, Io::Read, Io::Direct].map(|io| {
            let mut buffer = Vec::with_capacity(reader.data().len() as usize);
            let gathered = gatherer
                .gather(field, &[index], buffer.spare_capacity_mut(), &how(io))
                .ok()?;
            // SAFETY: the gather wrote so many bytes at the buffer's start.
            unsafe { buffer.set_len(gathered.bytes as usize) };
            Some(buffer)
        });
        assert_eq!(buffers[0], buffers[1]);
        assert_eq!(buffers[0], buffers[2]);
        if let (Ok(lent), Ok(dims)) = (&lent, &dims) {
            let tensor = &lent[field];
            assert_eq!(tensor.shape.dims(), dims);
            assert_eq!(
                tensor.shape.bytes(tensor.dtype),
                Ok(tensor.bytes.len() as u64)
            );
            assert_eq!(
                tensor.bytes.as_ptr().addr() % tensor.dtype.align() as usize,
                0
            );
            if let Some(gathered) = buffers[0].take() {
                assert_eq!(tensor.bytes.to_vec(0, tensor.bytes.len()), Some(gathered));
            }
        }
    }
    assert!(sound || lent.is_err());
    sound
}
