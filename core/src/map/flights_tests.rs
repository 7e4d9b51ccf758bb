//! Reads of a real file, many at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs::{self, OpenOptions};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DEPTH, Flights, Wanted};
use crate::map::{Data, DataOptions, Error, HeapBytes, Origin, SystemAllocator};

struct File(PathBuf, Vec<u8>);

impl File {
    /// Not in `/tmp`, which may have no direct reads.
    fn new(name: &str, len: usize) -> File {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}-{}", std::process::id()));
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7 % 251) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        File(path, bytes)
    }

    fn open(&self) -> Arc<Data> {
        Arc::new(Data::open(&self.0, &DataOptions::default()).unwrap())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn stretches_come_in_any_order_and_each_once() {
    let file = File::new("flights", 3_000_001);
    let data = file.open();
    let Some(direct) = data.direct() else {
        eprintln!("skipped: no file system with direct reads");
        return;
    };
    // More than are under way at once, of all lengths, up to the file's last byte.
    let count = 2 * DEPTH + 3;
    let stretches: Vec<(u64, usize)> = (0..count)
        .map(|number| match number {
            0 => (3_000_000, 1),
            _ => ((number * 5003) as u64, 1 + number * 13 % 9000),
        })
        .collect();
    let sizes: Vec<usize> = stretches
        .iter()
        .map(|&(offset, len)| direct.window_len(offset, len).unwrap())
        .collect();
    let mut heap = HeapBytes::aligned(Arc::new(SystemAllocator), direct.window_align());
    heap.grow(sizes.iter().sum(), &Origin::Memory).unwrap();
    let mut rest = heap.spare_mut();
    let mut wanted = Vec::new();
    for (&(offset, len), &size) in stretches.iter().zip(&sizes) {
        let (window, after) = rest.split_at_mut(size);
        rest = after;
        wanted.push(Wanted {
            offset,
            len,
            window,
        });
    }
    let mut seen = vec![0; count];
    let mut flights = Flights::default();
    direct.fetch_each(&mut flights, &mut wanted, &mut |number, fetched, window| {
        let Some(skip) = fetched.unwrap() else {
            return;
        };
        seen[number] += 1;
        let (offset, len) = stretches[number];
        let expected = &file.1[offset as usize..offset as usize + len];
        for (got, expected) in window[skip..skip + len].iter().zip(expected) {
            // SAFETY: the read wrote these bytes.
            assert_eq!(unsafe { got.assume_init() }, *expected);
        }
    });
    assert!(seen.iter().all(|&seen| seen == 1));
}

#[test]
fn stretches_that_are_gone_are_told_by_number() {
    let file = File::new("flights-cut", 100_000);
    let data = file.open();
    let Some(direct) = data.direct() else {
        eprintln!("skipped: no file system with direct reads");
        return;
    };
    let cut = OpenOptions::new().write(true).open(&file.0).unwrap();
    cut.set_len(50_000).unwrap();
    let align = direct.window_align();
    let mut heap = HeapBytes::aligned(Arc::new(SystemAllocator), align);
    heap.grow(3 << 14, &Origin::Memory).unwrap();
    let (one, rest) = heap.spare_mut().split_at_mut(1 << 14);
    let (two, three) = rest.split_at_mut(1 << 14);
    let one_of = |offset, len, window| Wanted {
        offset,
        len,
        window,
    };
    let mut wanted = [
        one_of(100, 200, one),
        one_of(60_000, 200, two),
        // In the last block that there is, in part.
        one_of(49_900, 200, three),
    ];
    let mut told = [const { None }; 3];
    let mut flights = Flights::default();
    direct.fetch_each(&mut flights, &mut wanted, &mut |number, fetched, _| {
        told[number] = Some(fetched);
    });
    assert!(matches!(told[0], Some(Ok(Some(100 | 0)))), "{told:?}");
    for told in &told[1..] {
        let truncated = matches!(told, Some(Err(Error::Truncated { .. })));
        assert!(truncated, "{told:?}");
    }
    let mut out = [MaybeUninit::new(0); 1];
    assert!(data.read(99_999, &mut out).is_err());
}

#[test]
fn ranges_are_brought_into_memory() {
    let file = File::new("flights-ahead", 1 << 20);
    let data = file.open();
    let mut flights = Flights::default();
    let ranges: Vec<(u64, u64)> = (0..40).map(|number| (number * 20_000, 5000)).collect();
    data.prefetch_each(&mut flights, &ranges).unwrap();
    data.prefetch_each(&mut flights, &[]).unwrap();
    let beyond = data.prefetch_each(&mut flights, &[(0, 1), (1 << 20, 1)]);
    assert!(
        matches!(beyond, Err(Error::OutOfRange { .. })),
        "{beyond:?}"
    );
    // They were in memory before, as they were written a moment ago, and are what they were.
    let mut out = [MaybeUninit::new(0); 5000];
    data.read(39 * 20_000, &mut out).unwrap();
    // SAFETY: initialised when it was made.
    let first = unsafe { out[0].assume_init() };
    assert_eq!(first, file.1[39 * 20_000]);
}
