//! The memory that a load works in, counted in the allocator of the whole program.
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
use adit_core::transfer::{Item, LoadOptions, MIN_BUDGET, load};
use transfer_tools::*;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Items, threads and messages of a load, beside its budget.
const BOOKS: usize = 128 << 10;

// The only test of this program: others would be counted too.
#[test]
fn the_budget_is_kept() {
    let (sheet, mut items) = mixed();
    let sizes: Vec<usize> = items.iter().map(|item| sheet.wanted(item).len()).collect();
    let rooms = Rooms::for_items(&mut items, &sizes);
    let mut windows = 0;
    for direct in [false, true] {
        for budget in [MIN_BUDGET, 3 << 20, (5 << 20) + 4097] {
            for threads in [1, 2, 5, 100] {
                let options = LoadOptions {
                    threads,
                    direct,
                    budget,
                    ..LoadOptions::default()
                };
                let before = LIVE.load(Ordering::Relaxed);
                PEAK.store(before, Ordering::Relaxed);
                let loaded = load(&items, &options, &mut ()).unwrap();
                let peak = PEAK.load(Ordering::Relaxed) - before;
                assert!(loaded.stats.work_bytes <= budget, "{:?}", loaded.stats);
                assert!(peak <= budget as usize + BOOKS, "{peak} {options:?}");
                assert!(loaded.stats.threads as u64 <= budget / (256 << 10));
                windows += loaded.stats.work_bytes;
            }
        }
    }
    assert!(windows > 0);
    for (item, room) in items.iter().zip(rooms.take()) {
        assert!(room == sheet.wanted(item));
    }
    // Bytes that go to their place as they are need no window.
    let sheet = Sheet::new(&[given(DType::U8, &[30 << 20], 5)]);
    let items = [Item::new(sheet.sources[0].clone())];
    let loaded = load(&items, &LoadOptions::default(), &mut ()).unwrap();
    assert_eq!(loaded.stats.work_bytes, 0);
}
