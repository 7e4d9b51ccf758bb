//! Memory for a GGUF file is bounded by its bytes, whatever it claims.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_core::model::{MetadataKind, Model, ModelOptions};

mod gguf_tools;
use gguf_tools::{Value, data, file};

/// Counts what is allocated, and the most at any time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::SeqCst) + bytes;
    MOST.fetch_max(now, Ordering::SeqCst);
}

// SAFETY: the system's allocator does it all; here is only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }

    // As where the pages of a large block move: its old place doesn't count beside the new one.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        grown(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that opening these takes beside them, and what stays of it.
#[track_caller]
fn opened(bytes: &[u8], sound: bool) -> (usize, usize) {
    let data = data(bytes);
    let before = NOW.load(Ordering::SeqCst);
    MOST.store(before, Ordering::SeqCst);
    let files = vec![std::sync::Arc::clone(&data)];
    let model = Model::from_data(files, &ModelOptions::default());
    let (most, now) = (MOST.load(Ordering::SeqCst), NOW.load(Ordering::SeqCst));
    assert_eq!(model.is_ok(), sound);
    (most - before, now - before)
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_is_bounded_by_the_file() {
    let huge = 1u64 << 62;
    for kind in [0, 7, 8, 9, 12] {
        let bytes = file(0, 1, |file| {
            file.string(b"key")
                .u32(9)
                .u32(kind)
                .u64(huge)
                .data(&[0; 64]);
        });
        assert!(opened(&bytes, false).0 < 4096);
    }
    for (tensors, keys) in [(huge, 0), (0, huge), (huge, huge)] {
        let bytes = file(tensors, keys, |file| {
            file.data(&[0; 64]);
        });
        assert!(opened(&bytes, false).0 < 4096);
    }
    // Claims that the bytes behind them would hold, of a file of 8 MiB that breaks off at once.
    for kind in [8, 9] {
        let bytes = file(0, 1, |file| {
            file.string(b"key")
                .u32(9)
                .u32(kind)
                .u64(600_000)
                .u64(u64::MAX);
            file.data(&vec![0; 8 << 20]);
        });
        assert!(opened(&bytes, false).0 < 1 << 17);
    }
    let bytes = file(300_000, 1, |file| {
        file.data(&vec![0; 8 << 20]);
    });
    assert!(opened(&bytes, false).0 < 1 << 17);

    // The least bytes for the most memory.
    // Just past where tables grow.
    let count = (1u32 << 17) + 1;
    let numbers = 0..u64::from(count);
    let flat = |value: Value| {
        file(0, 1, |file| {
            file.key(b"key", &value);
        })
    };
    let one = Value::Number(MetadataKind::U8, 1);
    let dense = [
        flat(Value::Strings(vec![vec![]; count as usize])),
        flat(Value::Arrays(vec![Value::Strings(vec![]); count as usize])),
        flat(Value::Arrays(vec![
            Value::Arrays(vec![Value::Arrays(
                vec![]
            )]);
            count as usize
        ])),
        file(0, u64::from(count), |file| {
            for number in numbers.clone() {
                let digits = format!("{number:x}");
                file.key(digits.as_bytes(), &one);
            }
        }),
        file(u64::from(count), 0, |file| {
            for number in numbers.clone() {
                let digits = format!("{number:x}");
                // In the opposite order, so that overlaps are looked for.
                let offset = 32 * (u64::from(count) - number);
                file.tensor(digits.as_bytes(), &[0], 0, offset);
            }
            file.pad(32).data(&vec![0; 32 * count as usize]);
        }),
    ];
    for (number, bytes) in dense.iter().enumerate() {
        let header = match number {
            4 => bytes.len() - 32 * count as usize,
            _ => bytes.len(),
        };
        let (most, stays) = opened(bytes, true);
        assert!(
            most < 8 * header && stays < 6 * header,
            "{number}: {most} and {stays} bytes for a header of {header}"
        );
    }
}
