//! What a load keeps of its items, where there is no memory for it: an error, and no more.
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

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::tensor::Shape;
use adit_core::transfer::{Item, LoadOptions, Part, Sink, load, load_to_sink};
use transfer_tools::*;

struct Refusing;

/// From this size on allocations are counted, and the one whose turn it is isn't made.
const LARGE: usize = 256 << 10;
static COUNT: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: the system's allocator, or no memory.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE
            && COUNT.fetch_add(1, Ordering::SeqCst) == REFUSED.load(Ordering::SeqCst)
        {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// One slot that leads nowhere.
struct Nowhere([u8; 4096]);

// SAFETY: the slot's memory stays where it is during the load, and is nobody else's.
unsafe impl Sink for Nowhere {
    fn slots(&self) -> usize {
        1
    }

    fn slot_bytes(&self) -> usize {
        self.0.len()
    }

    fn acquire(&mut self, _: usize) -> Result<*mut u8, i32> {
        Ok(self.0.as_mut_ptr())
    }

    fn submit(&mut self, _: usize, _: &[Part]) -> Result<(), i32> {
        Ok(())
    }

    fn wait(&mut self, _: usize) -> Result<(), i32> {
        Ok(())
    }
}

/// Lets a load meet every refusal, one after the other, until it meets none.
fn refusals(what: &str, load: &mut dyn FnMut() -> Result<(), adit_core::transfer::Error>) -> usize {
    for turn in 0..100 {
        COUNT.store(0, Ordering::SeqCst);
        REFUSED.store(turn, Ordering::SeqCst);
        let result = load();
        let met = COUNT.load(Ordering::SeqCst) > turn;
        REFUSED.store(usize::MAX, Ordering::SeqCst);
        match result {
            Ok(()) => {
                assert!(!met, "{what} went on without memory");
                return turn;
            }
            Err(error) => assert_eq!(error.kind(), Kind::OutOfMemory, "{what}: {error}"),
        }
    }
    panic!("{what} is always refused");
}

// The only test of this program: others would be refused too.
#[test]
fn many_items() {
    let sheet = Sheet::new(&[given(DType::U8, &[1], 0)]);
    let mut source = sheet.sources[0].clone();
    source.shape = Shape::new(&[1]).unwrap();
    let mut items = vec![Item::new(source); 100_000];
    let options = LoadOptions {
        threads: 1,
        ..LoadOptions::default()
    };
    let mut sink = Nowhere([0; 4096]);
    // Jobs, their files, order, places, what is left; the arena and its places.
    let met = refusals("an arena", &mut || {
        load(&items, &options, &mut ()).map(|_| ())
    });
    assert!(met >= 7, "{met}");
    let met = refusals("a sink", &mut || {
        load_to_sink(&items, &mut sink, &options, &mut ()).map(|_| ())
    });
    assert!(met >= 4, "{met}");
    let sizes = vec![1; 100_000];
    let rooms = Rooms::for_items(&mut items, &sizes);
    let met = refusals("rooms", &mut || load(&items, &options, &mut ()).map(|_| ()));
    assert!(met >= 6, "{met}");
    assert!(rooms.take().iter().all(|room| *room == sheet.bytes));
}
