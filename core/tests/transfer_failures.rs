//! Loads that end before all is there: files cut meanwhile, stops, panics, no memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod transfer_tools;

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{BulkAllocator, BytesOwner, Data, Io, Region, SystemAllocator};
use adit_core::tensor::{Shape, Source};
use adit_core::transfer::{Error, Item, LoadOptions, THREAD_NAME, Watch, load};
use transfer_tools::*;

/// 24 tensors of 1 MiB.
fn large() -> (Sheet, Vec<Item>) {
    let tensors: Vec<Given> = (0..24).map(|_| given(DType::U8, &[1 << 20], 0)).collect();
    let sheet = Sheet::new(&tensors);
    let items = items_of(&sheet);
    (sheet, items)
}

#[test]
fn a_file_cut_meanwhile_names_the_item_that_lost_bytes() {
    for threads in [1, 3] {
        for (direct, io) in [(false, Io::Auto), (true, Io::Auto), (false, Io::Map)] {
            let (sheet, items) = large();
            // Cut while the load goes on: when its first bytes are there.
            struct Cut(std::path::PathBuf);
            impl Watch for Cut {
                fn progress(&mut self, done: u64, _: u64) -> bool {
                    if done == 0 {
                        let file = OpenOptions::new().write(true).open(&self.0).unwrap();
                        file.set_len((20 << 20) + 77).unwrap();
                    }
                    true
                }
            }
            let options = LoadOptions {
                threads,
                direct,
                io,
                ..LoadOptions::default()
            };
            let mut watch = Cut(sheet.path.clone());
            if io == Io::Map {
                // Before the map is touched: what a touch of the lost pages would do, no test can.
                watch.progress(0, 0);
            }
            let error = load(&items, &options, &mut watch).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{error}");
            let place = error.place();
            assert_eq!(place.path, Some(sheet.path.clone()));
            let text = error.to_string();
            assert_eq!(place.index, Some(20), "{text} {options:?}");
            assert!(text.starts_with("item 20: "), "{text}");
            let seen = if io == Io::Map { 77 } else { 0 };
            assert_eq!(place.offset, Some((20 << 20) + seen), "{text}");
            // Seen before, even if it grew again.
            let file = OpenOptions::new().write(true).open(&sheet.path).unwrap();
            file.set_len(24 << 20).unwrap();
            let error = load(&items[..1], &options, &mut ()).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated);
        }
    }
}

#[test]
fn of_small_neighbours_the_one_that_is_gone_is_named() {
    let tensors: Vec<Given> = (0..100).map(|_| given(DType::U8, &[1000], 0)).collect();
    let sheet = Sheet::new(&tensors);
    let items = items_of(&sheet);
    struct Cut<'a>(&'a Sheet);
    impl Watch for Cut<'_> {
        fn progress(&mut self, _: u64, _: u64) -> bool {
            let file = OpenOptions::new().write(true).open(&self.0.path).unwrap();
            file.set_len(66_500).unwrap();
            true
        }
    }
    for direct in [false, true] {
        let options = LoadOptions {
            direct,
            ..LoadOptions::default()
        };
        std::fs::write(&sheet.path, &sheet.bytes).unwrap();
        let data = Arc::new(Data::open(&sheet.path, &Default::default()).unwrap());
        let mut items = items.clone();
        for item in &mut items {
            item.source.data = Arc::clone(&data);
        }
        let error = load(&items, &options, &mut Cut(&sheet)).unwrap_err();
        assert_eq!(error.place().index, Some(66), "{error}");
        assert_eq!(error.place().offset, Some(66_000));
    }
}

#[test]
fn stopped() {
    let (sheet, mut items) = large();
    let sizes = vec![1 << 20; items.len()];
    for threads in [1, 2, 4] {
        for patience in [1, 2, 5, 9] {
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let mut log = Log::stopping_after(patience);
            let error = load(&items, &options, &mut log).unwrap_err();
            assert!(matches!(error, Error::Cancelled), "{error}");
            assert_eq!(error.kind(), Kind::Cancelled);
            assert_eq!(log.patience, 0);
            assert_eq!(log.progress[0], (0, 24 << 20));
            let rooms = Rooms::for_items(&mut items, &sizes);
            let mut log = Log::stopping_after(patience);
            assert!(load(&items, &options, &mut log).is_err());
            // Whatever was told to be there is there.
            let rooms = rooms.take();
            for &item in &log.items {
                assert!(rooms[item] == sheet.bytes[item << 20..][..1 << 20]);
            }
            items = items_of(&sheet);
        }
    }
}

/// Bytes that count the threads of a load that look at them: these live, and those that did.
struct Counted {
    bytes: Vec<u8>,
    counts: Arc<Counts>,
    /// Makes each thread of a load wait for the others, at its first look.
    all: Barrier,
}

#[derive(Default)]
struct Counts {
    live: AtomicUsize,
    ever: AtomicUsize,
}

/// Dropped when its thread ends, before that can be joined.
struct Alive(Arc<Counts>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    static ALIVE: RefCell<Option<Alive>> = const { RefCell::new(None) };
}

// SAFETY: the vector's bytes stay where they are.
unsafe impl BytesOwner for Counted {
    fn region(&self) -> Region<'_> {
        let is_new = || ALIVE.with_borrow(Option::is_none);
        if thread::current().name() == Some(THREAD_NAME) && is_new() {
            self.counts.live.fetch_add(1, Ordering::SeqCst);
            self.counts.ever.fetch_add(1, Ordering::SeqCst);
            ALIVE.set(Some(Alive(Arc::clone(&self.counts))));
            self.all.wait();
        }
        common::region(&self.bytes)
    }
}

#[test]
fn a_panic_of_the_caller_leaves_no_thread_behind() {
    struct Panics;
    impl Watch for Panics {
        fn item_done(&mut self, _: usize) -> bool {
            panic!("on purpose")
        }
    }
    let counts = Arc::new(Counts::default());
    let data = Arc::new(Data::lent(Box::new(Counted {
        bytes: vec![1; 96 << 20],
        counts: Arc::clone(&counts),
        all: Barrier::new(3),
    })));
    let items = [0, 1, 2, 3, 4, 5].map(|number| {
        Item::new(Source {
            data: Arc::clone(&data),
            offset: number << 24,
            dtype: DType::U8,
            shape: Shape::new(&[1 << 24]).unwrap(),
        })
    });
    let options = LoadOptions {
        threads: 3,
        ..LoadOptions::default()
    };
    let call = || load(&items, &options, &mut Panics).map(|_| ());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    let payload = result.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(counts.ever.load(Ordering::SeqCst), 3);
    assert_eq!(counts.live.load(Ordering::SeqCst), 0);
}

/// Bytes whose owner panics in threads of a load.
struct Trap(Vec<u8>);

// SAFETY: the vector's bytes stay where they are.
unsafe impl BytesOwner for Trap {
    fn region(&self) -> Region<'_> {
        assert_ne!(thread::current().name(), Some(THREAD_NAME), "trapped");
        common::region(&self.0)
    }
}

#[test]
fn a_panic_in_a_thread_is_an_error() {
    let bytes = noise(3, 4 << 20);
    let data = Arc::new(Data::lent(Box::new(Trap(bytes.clone()))));
    let source = Source {
        data,
        offset: 0,
        dtype: DType::U8,
        shape: Shape::new(&[4 << 20]).unwrap(),
    };
    let options = |threads| LoadOptions {
        threads,
        ..LoadOptions::default()
    };
    let items = [Item::new(source)];
    let error = load(&items, &options(2), &mut ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.to_string().contains("trapped"), "{error}");
    let loaded = load(&items, &options(1), &mut ()).unwrap();
    assert!(loaded.arena.bytes().to_vec(0, 4 << 20) == Some(bytes));
}

/// Memory that ends, and is counted.
#[derive(Default)]
struct Purse {
    left: AtomicUsize,
    lent: AtomicUsize,
}

// SAFETY: the system's.
unsafe impl BulkAllocator for Purse {
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let enough = |left: usize| left.checked_sub(size);
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, enough)
            .ok()?;
        self.lent.fetch_add(1, Ordering::SeqCst);
        SystemAllocator.allocate(size, align)
    }

    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, align: usize) {
        self.lent.fetch_sub(1, Ordering::SeqCst);
        // SAFETY: the caller's promise.
        unsafe { SystemAllocator.free(ptr, size, align) };
    }
}

#[test]
fn out_of_memory() {
    let sheet = Sheet::new(&[given(DType::F16, &[1 << 20], 0)]);
    let mut item = Item::new(sheet.sources[0].clone());
    item.dtype = Some(DType::F32);
    // Nothing for the arena; nothing for a window; enough.
    for (left, text) in [
        (100, Some("4194304 bytes for all items together")),
        ((4 << 20) + 100, Some("item 0: out of memory")),
        (16 << 20, None),
    ] {
        let purse = Arc::new(Purse::default());
        purse.left.store(left, Ordering::SeqCst);
        let options = LoadOptions {
            allocator: Some(Arc::clone(&purse) as Arc<dyn BulkAllocator>),
            ..LoadOptions::default()
        };
        match (load(std::slice::from_ref(&item), &options, &mut ()), text) {
            (Ok(loaded), None) => {
                assert_eq!(purse.lent.load(Ordering::SeqCst), 1);
                let bytes = loaded.arena.bytes().to_vec(0, 4 << 20).unwrap();
                assert!(bytes == sheet.wanted(&item));
            }
            (Err(error), Some(text)) => {
                assert_eq!(error.kind(), Kind::OutOfMemory);
                assert!(error.to_string().contains(text), "{error}");
            }
            (other, _) => panic!("{other:?}"),
        }
        assert_eq!(purse.lent.load(Ordering::SeqCst), 0);
    }
}
