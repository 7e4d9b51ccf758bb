//! The golden files written again, byte for byte: what the writer makes is what the specification
//! says, since another program made the same of it.

use std::path::Path;

use super::super::writer::{ArecWriter, Limits};
use super::*;
use crate::map::sim::SimStorage;
use crate::map::{Publication, Storage};
use crate::record::reader::Check;
use crate::tensor::TensorView;

/// The file's records, in the order of `batches` of so many at a time, in a new file of the same
/// header.
fn again(file: &ArecFile, sync_every: u64) -> Vec<u8> {
    let storage = SimStorage::new();
    let path = Path::new("/again.arec");
    let seam: Arc<dyn Storage> = Arc::new(storage.clone());
    let publication = Publication::create(seam, path, true).unwrap();
    let header = file.header().clone();
    let mut writer =
        ArecWriter::with_header(publication, header, false, Limits::default()).unwrap();
    for index in 0..file.len() {
        let mut views = Vec::new();
        file.lend_each(index, Check::Always, |_, tensor| {
            let (bytes, strides) = (tensor.bytes, tensor.lent().strides());
            // SAFETY: the bytes are the file's, which outlives the views and doesn't change.
            let view = unsafe {
                TensorView::new(
                    bytes.as_ptr(),
                    bytes.len() as u64,
                    tensor.dtype,
                    *tensor.shape,
                    strides,
                )
            };
            views.push(view.unwrap());
        })
        .unwrap();
        assert!(writer.append(&views).unwrap());
        if (index + 1) % sync_every == 0 {
            writer.sync().unwrap();
        }
    }
    for (key, value) in file.metadata().unwrap() {
        writer.set_metadata(key, value).unwrap();
    }
    writer.finish().unwrap();
    storage.contents(path).unwrap()
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    a.iter().zip(b).position(|(a, b)| a != b)
}

#[test]
fn golden_files_are_written_again() {
    for name in FINISHED {
        let (file, golden) = (open(name), bytes_of(name));
        let mut written = again(&file, u64::MAX);
        // One has a column that this version doesn't know, one a column of no metadata.
        let same = match name {
            "ragged" | "empty" => file.trailer().footer as usize,
            _ => golden.len(),
        };
        let opened = open_bytes(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(opened.len(), file.len());
        written.truncate(same);
        assert_eq!(first_difference(&written, &golden), None, "{name}");
        assert_eq!(written.len(), same);
    }
}

#[test]
fn syncs_leave_nothing_in_a_finished_file() {
    for name in ["fixed", "pages_fixed", "pages_ragged", "small"] {
        let (file, golden) = (open(name), bytes_of(name));
        for every in [1, 3, 7] {
            let written = again(&file, every);
            let sound = open_bytes(&written).unwrap();
            let found = sound.verify(&mut go_on).unwrap();
            assert_eq!((found.bad_records, found.bad_parts), (0, 0), "{name}");
            // Copies may stay in holes; nothing that is read differs.
            assert_eq!(written.len(), golden.len(), "{name}");
            let footer = file.trailer().footer as usize;
            assert_eq!(
                first_difference(&written[footer..], &golden[footer..]),
                None,
                "{name}"
            );
        }
    }
}
