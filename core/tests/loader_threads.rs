//! Threads that end, memory that is given back, batches that many threads drop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod loader_tools;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use adit_core::error::{Kind, Report};
use adit_core::loader::{LoaderOptions, RaggedMode};
use adit_core::map::{BulkAllocator, SystemAllocator};
use loader_tools::{
    Toy, check, epoch, expected, field, open, options, refused, threads, threads_end,
};

/// The tests here count this process's threads, so they wait for one another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that look random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

#[test]
fn it_stops_at_any_moment() {
    let _alone = alone();
    for seed in 0..300 {
        let mut draw = Draw(seed);
        let toy = Arc::new(Toy::new(60));
        let mut options = options(1 + draw.below(9));
        options.workers = Some(draw.below(5) as usize);
        options.max_held = 1 + draw.below(3) as usize;
        let workers = options.workers.unwrap();
        let mut loader = open(&toy, &options);
        let mut held = Vec::new();
        for _ in 0..draw.below(30) {
            match draw.below(8) {
                0 => held.clear(),
                1 => loader.set_epoch(draw.below(3)).unwrap(),
                2 => {
                    let state = loader.state().encode();
                    loader.restore(&state).unwrap();
                }
                _ => match loader.next() {
                    Ok(Some(batch)) => {
                        check(&batch);
                        held.push(batch);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::Busy);
                        held.remove(0);
                    }
                },
            }
        }
        assert!(threads() <= workers, "seed {seed}");
        if draw.below(2) == 0 {
            held.clear();
        }
        drop(loader);
        assert!(threads_end(), "seed {seed}");
        held.iter().for_each(check);
    }
}

#[test]
fn it_waits_for_a_read_under_way_and_leaves_no_thread() {
    let _alone = alone();
    let toy = Arc::new(Toy::new(60));
    toy.close();
    let mut options = options(4);
    options.workers = Some(3);
    let loader = open(&toy, &options);
    while toy.waiting.load(Ordering::SeqCst) < 3 {
        std::thread::yield_now();
    }
    let (sender, receiver) = mpsc::channel();
    let closing = std::thread::spawn(move || {
        drop(loader);
        sender.send(()).unwrap();
    });
    assert!(receiver.try_recv().is_err());
    toy.open();
    closing.join().unwrap();
    receiver.recv().unwrap();
    assert!(threads_end());
    // It may have gone on until it was told to close, but no further than there is memory.
    assert!((3..=6).contains(&toy.fills.load(Ordering::SeqCst)));
}

#[test]
fn a_jump_leaves_what_was_begun_behind() {
    let _alone = alone();
    let toy = Arc::new(Toy::new(60));
    toy.close();
    let mut options = options(4);
    options.workers = Some(3);
    let mut loader = open(&toy, &options);
    while toy.waiting.load(Ordering::SeqCst) < 3 {
        std::thread::yield_now();
    }
    loader.set_epoch(4).unwrap();
    toy.open();
    assert_eq!(epoch(&mut loader), expected(60, &options, 4));
}

#[test]
fn many_threads_drop_batches() {
    let _alone = alone();
    for workers in [0, 1, 4] {
        let toy = Arc::new(Toy::new(4000));
        let mut options = options(4);
        options.workers = Some(workers);
        options.max_held = 8;
        let mut loader = open(&toy, &options);
        let (sender, receiver) = mpsc::channel::<adit_core::loader::Batch>();
        let receiver = Arc::new(Mutex::new(receiver));
        let seen = Arc::new(AtomicU64::new(0));
        let dropping: Vec<_> = (0..6)
            .map(|_| {
                let (receiver, seen) = (Arc::clone(&receiver), Arc::clone(&seen));
                std::thread::spawn(move || {
                    loop {
                        let Ok(batch) = receiver.lock().unwrap().recv() else {
                            return;
                        };
                        check(&batch);
                        seen.fetch_add(batch.records().iter().sum::<u64>(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut steps = 0;
        loop {
            match loader.next() {
                Ok(Some(batch)) => {
                    assert_eq!(batch.step(), steps);
                    steps += 1;
                    sender.send(batch).unwrap();
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Busy);
                    std::thread::yield_now();
                }
            }
        }
        drop(sender);
        dropping
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(steps, 1000);
        assert_eq!(seen.load(Ordering::Relaxed), 4000 * 3999 / 2);
    }
}

#[test]
fn a_forked_child_is_refused_and_ends() {
    let _alone = alone();
    let toy = Arc::new(Toy::new(60));
    for workers in [0, 2] {
        let mut options = options(4);
        options.workers = Some(workers);
        let mut loader = open(&toy, &options);
        let batch = loader.next().unwrap().unwrap();
        // As a worker that is at the ring when this one forks.
        // SAFETY: the child runs on with the one thread that forked, and ends by _exit; what it
        // does here takes no lock of another thread but the allocator's, which glibc minds.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = |kind: Option<Kind>| kind == Some(Kind::Forked);
            let kind = |error: adit_core::loader::Error| error.kind();
            let mut sound = refused(loader.next().err().map(kind));
            sound &= refused(loader.set_epoch(1).err().map(kind));
            sound &= refused(loader.restore(&[]).err().map(kind));
            sound &= refused(loader.stats().err().map(kind));
            sound &= batch.records().len() == 4;
            drop(batch);
            drop(loader);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if sound { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just forked; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        drop(batch);
        assert_eq!(loader.next().unwrap().unwrap().step(), 1);
    }
}

/// Counts what is out, and refuses the n-th.
#[derive(Default)]
struct Counting {
    out: AtomicI64,
    bytes: AtomicI64,
    calls: AtomicU64,
    refused: AtomicU64,
}

// SAFETY: the system's allocator does it all, or nothing is given.
unsafe impl BulkAllocator for Counting {
    fn allocate(&self, size: usize, align: usize) -> Option<std::ptr::NonNull<u8>> {
        assert!(align >= 4096);
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.refused.load(Ordering::SeqCst) {
            return None;
        }
        self.out.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(size as i64, Ordering::SeqCst);
        SystemAllocator.allocate(size, align)
    }

    unsafe fn free(&self, ptr: std::ptr::NonNull<u8>, size: usize, align: usize) {
        self.out.fetch_sub(1, Ordering::SeqCst);
        self.bytes.fetch_sub(size as i64, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { SystemAllocator.free(ptr, size, align) }
    }
}

fn ragged() -> LoaderOptions {
    let mut options = options(4);
    options.fields.push(field("text"));
    options
}

#[test]
fn memory_comes_from_the_callers_allocator_and_goes_back() {
    let _alone = alone();
    for workers in [0, 2] {
        let own = Arc::new(Counting::default());
        let toy = Arc::new(Toy::new(200));
        let mut options = ragged();
        options.workers = Some(workers);
        options.allocator = Some(own.clone());
        let mut loader = open(&toy, &options);
        assert!(own.out.load(Ordering::SeqCst) >= 6);
        let held = loader.next().unwrap().unwrap();
        assert_eq!(epoch(&mut loader), expected(200, &options, 0)[4..]);
        let places = loader.stats().unwrap().slots as i64 * 5 * 8;
        let memory = loader.stats().unwrap().memory as i64;
        // A worker may be growing a batch meanwhile.
        assert!(workers > 0 || memory == own.bytes.load(Ordering::SeqCst) + places);
        drop(loader);
        assert_eq!(own.out.load(Ordering::SeqCst), 3);
        check(&held);
        drop(held);
        assert_eq!(own.out.load(Ordering::SeqCst), 0);
        assert_eq!(own.bytes.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn an_allocator_that_refuses_is_an_error_and_no_leak() {
    let _alone = alone();
    let mut opened = 0;
    for refused in 1..40 {
        let own = Arc::new(Counting::default());
        own.refused.store(refused, Ordering::SeqCst);
        let toy = Arc::new(Toy::new(200));
        let mut options = ragged();
        options.workers = Some((refused % 3) as usize);
        options.allocator = Some(own.clone());
        let source = Arc::clone(&toy) as Arc<dyn adit_core::loader::Source>;
        match adit_core::loader::Loader::open_source(source, &options) {
            Err(error) => assert_eq!(error.kind(), Kind::OutOfMemory),
            Ok(mut loader) => {
                opened += 1;
                let (mut failed, mut records) = (0, Vec::new());
                loop {
                    match loader.next() {
                        Ok(Some(batch)) => {
                            check(&batch);
                            records.extend_from_slice(batch.records());
                        }
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
                            failed += 1;
                        }
                    }
                }
                // The next try had memory.
                assert!(failed <= 1);
                assert_eq!(records, expected(200, &options, 0));
            }
        }
        assert_eq!(own.out.load(Ordering::SeqCst), 0);
    }
    assert!(opened > 20);
}

#[test]
fn the_budget_decides_how_many_batches_there_are() {
    let _alone = alone();
    let toy = Arc::new(Toy::new(200));
    let mut options = options(4);
    options.depth = 10;
    options.max_held = 2;
    // 4 rows of 12 and 8 bytes.
    for (budget, slots) in [(240, 3), (319, 3), (320, 4), (800, 10), (100_000, 10)] {
        options.memory_budget = budget;
        let mut loader = open(&toy, &options);
        assert_eq!(loader.stats().unwrap().slots, slots);
        assert!(loader.stats().unwrap().memory <= budget);
        assert_eq!(epoch(&mut loader), expected(200, &options, 0));
    }
    options.memory_budget = 239;
    let error = refused(&toy, &options);
    assert_eq!(error.kind(), Kind::OutOfRange);
    let text = error.to_string();
    assert!(
        text.starts_with("memory_budget is 239 bytes, but batches"),
        "{text}"
    );
    assert!(text.contains(" need 240: "), "{text}");
}

#[test]
fn a_batch_that_outgrows_the_budget_is_told() {
    let _alone = alone();
    let toy = Arc::new(Toy::new(28));
    let mut options = loader_tools::sequential(7);
    options.fields = vec![field("text")];
    options.depth = 3;
    // 8 offsets a batch, and texts of 21 bytes.
    let least = 3 * (8 * 8 + 21);
    for (budget, fits) in [(least, true), (least - 1, false)] {
        options.memory_budget = budget;
        let mut loader = open(&toy, &options);
        match loader.next() {
            Ok(batch) => {
                assert!(fits);
                assert_eq!(batch.unwrap().bytes(), 85);
                while loader.next().unwrap().is_some() {}
                assert!(loader.stats().unwrap().memory <= budget);
            }
            Err(error) => {
                assert!(!fits);
                assert_eq!(error.kind(), Kind::OutOfRange);
                assert!(
                    error.to_string().contains(&format!("need {least}: ")),
                    "{error}"
                );
                // It stays one.
                assert!(loader.next().is_err());
            }
        }
    }
    options.fields[0].ragged = RaggedMode::Padded {
        length: 6,
        cut: false,
    };
    options.memory_budget = 3 * (7 * 6 + 7 * 8) - 1;
    assert!(refused(&toy, &options).to_string().contains(" need 294: "));
}
