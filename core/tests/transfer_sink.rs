//! Loads to a sink: a device whose copies are done when they are waited for, and no sooner.
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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{BytesOwner, Data, Region};
use adit_core::tensor::{Shape, Source};
use adit_core::transfer::{
    Item, LoadOptions, MAX_SLOTS, MIN_SLOT_BYTES, Part, Sink, THREAD_NAME, Watch, load_to_sink,
};
use transfer_tools::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Free,
    Acquired,
    Submitted(Vec<Part>),
}

/// Copies that go on until they are waited for; the slot is overwritten then.
struct Device {
    items: Vec<Vec<u8>>,
    slots: Vec<Vec<u8>>,
    states: Vec<State>,
    thread: ThreadId,
    align: usize,
    packs: bool,
    /// The call that fails, counted over all.
    fails_at: Option<usize>,
    /// Whether it panics then.
    panics: bool,
    calls: Vec<(&'static str, usize)>,
    /// Item and offset of every submit.
    pieces: Vec<(usize, u64)>,
}

impl Device {
    fn new(sizes: &[usize], slots: usize, slot_bytes: usize) -> Device {
        Device {
            items: sizes.iter().map(|&size| vec![0xAA; size]).collect(),
            slots: vec![vec![0xEE; slot_bytes]; slots],
            states: vec![State::Free; slots],
            thread: thread::current().id(),
            align: 1,
            packs: false,
            fails_at: None,
            panics: false,
            calls: Vec::new(),
            pieces: Vec::new(),
        }
    }

    fn call(&mut self, what: &'static str, slot: usize) -> Result<(), i32> {
        assert_eq!(self.thread, thread::current().id());
        self.calls.push((what, slot));
        if self.fails_at == Some(self.calls.len()) {
            assert!(!self.panics, "on purpose");
            return Err(40 + self.calls.len() as i32);
        }
        Ok(())
    }
}

// SAFETY: a slot's memory stays where it is, and is read and written here only in wait.
unsafe impl Sink for Device {
    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn slot_bytes(&self) -> usize {
        self.slots.first().map_or(MIN_SLOT_BYTES, Vec::len)
    }

    fn acquire(&mut self, slot: usize) -> Result<*mut u8, i32> {
        assert_eq!(self.states[slot], State::Free);
        self.call("acquire", slot)?;
        self.states[slot] = State::Acquired;
        Ok(self.slots[slot].as_mut_ptr())
    }

    fn align(&self) -> usize {
        self.align
    }

    fn packs(&self) -> bool {
        self.packs
    }

    fn submit(&mut self, slot: usize, parts: &[Part]) -> Result<(), i32> {
        assert_eq!(self.states[slot], State::Acquired);
        self.call("submit", slot)?;
        assert!(self.packs || parts.len() == 1);
        let mut end = 0;
        for part in parts {
            assert!(part.bytes > 0 && part.start >= end);
            assert_eq!(part.start % self.align, 0);
            assert_eq!(part.offset % self.align as u64, 0);
            end = part.start + part.bytes;
            self.pieces.push((part.item, part.offset));
        }
        assert!(end > 0 && end <= self.slot_bytes());
        self.states[slot] = State::Submitted(parts.to_vec());
        Ok(())
    }

    fn wait(&mut self, slot: usize) -> Result<(), i32> {
        let state = std::mem::replace(&mut self.states[slot], State::Free);
        let State::Submitted(parts) = state else {
            panic!("waited for {slot}, which is {state:?}");
        };
        self.call("wait", slot)?;
        for part in parts {
            let offset = part.offset as usize;
            let to = &mut self.items[part.item][offset..offset + part.bytes];
            to.copy_from_slice(&self.slots[slot][part.start..part.start + part.bytes]);
        }
        self.slots[slot].fill(0xEE);
        Ok(())
    }
}

#[test]
fn every_byte_arrives() {
    let (sheet, items) = mixed();
    let wanted: Vec<Vec<u8>> = items.iter().map(|item| sheet.wanted(item)).collect();
    let total: u64 = wanted.iter().map(|bytes| bytes.len() as u64).sum();
    let sizes: Vec<usize> = wanted.iter().map(Vec::len).collect();
    let heap = sheet.in_memory();
    let plain = [
        (1, 1, 1 << 20, false, false),
        (1, 2, (64 << 10) + 77, false, false),
        (2, 2, 1 << 20, false, false),
        (4, 3, 100_001, false, false),
        (0, 8, 256 << 10, false, false),
        (3, 4, 3 << 20, true, false),
        (2, 4, 1 << 20, false, true),
    ];
    let packed = [0, 4].map(|align| plain.map(|round| (align, round)));
    for (align, (threads, slots, slot_bytes, direct, in_memory)) in packed.into_iter().flatten() {
        let mut own = items.clone();
        if in_memory {
            for item in &mut own {
                item.source.data = Arc::clone(&heap);
            }
        }
        let mut device = Device::new(&sizes, slots, slot_bytes);
        (device.align, device.packs) = (align.max(1), align > 0);
        let mut log = Log::new();
        let options = LoadOptions {
            threads,
            direct,
            ..LoadOptions::default()
        };
        let stats = load_to_sink(&own, &mut device, &options, &mut log).unwrap();
        let direct = direct && can_read_directly(&own[0].source.data);
        assert_eq!((stats.bytes, stats.direct_bytes > 0), (total, direct));
        assert!(stats.threads >= 1 && stats.threads <= slots);
        log.check(items.len(), total);
        for (number, (found, wanted)) in device.items.iter().zip(&wanted).enumerate() {
            assert!(
                found == wanted,
                "{number} with {slots} slots of {slot_bytes}"
            );
        }
        assert_eq!(device.states, vec![State::Free; slots]);
    }
}

#[test]
fn small_items_share_slots() {
    const COUNT: usize = 1000;
    let tensors: Vec<Given> = (0..COUNT)
        .map(|at| given(DType::U8, &[1 + at as i64 % 9], 3))
        .collect();
    let sheet = Sheet::new(&tensors);
    // Every third one lies in memory, and none is in its file's order.
    let memory = sheet.sources_in(&sheet.in_memory());
    let mut items: Vec<Item> = (0..COUNT)
        .map(|at| {
            let from = if at % 3 == 0 { &memory } else { &sheet.sources };
            Item::new(from[at * 7 % COUNT].clone())
        })
        .collect();
    items[4].dtype = Some(DType::F32);
    let wanted: Vec<Vec<u8>> = items.iter().map(|item| sheet.wanted(item)).collect();
    let sizes: Vec<usize> = wanted.iter().map(Vec::len).collect();
    for (packs, submits) in [(false, COUNT), (true, 4)] {
        let mut device = Device::new(&sizes, 2, 4096);
        (device.align, device.packs) = (16, packs);
        let mut log = Log::new();
        let stats = load_to_sink(&items, &mut device, &LoadOptions::default(), &mut log).unwrap();
        assert_eq!(
            (stats.bytes, stats.threads),
            (sizes.iter().sum::<usize>() as u64, 1)
        );
        log.check(COUNT, stats.bytes);
        assert!(device.items == wanted);
        let calls = |what: &str| device.calls.iter().filter(|call| call.0 == what).count();
        assert_eq!(calls("submit"), submits);
        // Once at the start, and once for each slot.
        assert_eq!(log.progress.len(), 1 + submits);
    }
}

/// Two items, of three pieces and of none.
fn three() -> (Sheet, Vec<Item>, Vec<usize>) {
    let sheet = Sheet::new(&[
        given(DType::F16, &[5 * 2048], 3),
        given(DType::F16, &[0], 3),
    ]);
    let mut items: Vec<Item> = sheet.sources.iter().cloned().map(Item::new).collect();
    items[0].dtype = Some(DType::F32);
    (sheet, items, vec![5 * 8192, 0])
}

/// Bytes whose first look in a thread of a load lasts until another thread had several.
struct Slow {
    bytes: Vec<u8>,
    looks: Mutex<Looks>,
    changed: Condvar,
}

struct Looks {
    first: Option<ThreadId>,
    others: usize,
}

// SAFETY: the vector's bytes stay where they are.
unsafe impl BytesOwner for Slow {
    fn region(&self) -> Region<'_> {
        if thread::current().name() == Some(THREAD_NAME) {
            let mut looks = self.looks.lock().unwrap();
            let own = thread::current().id();
            if looks.first.is_none() {
                looks.first = Some(own);
                // No piece takes as many.
                while looks.others < 5 {
                    looks = self.changed.wait(looks).unwrap();
                }
            } else if looks.first != Some(own) {
                looks.others += 1;
                self.changed.notify_all();
            }
        }
        common::region(&self.bytes)
    }
}

#[test]
fn pieces_are_submitted_in_order() {
    const SLOT: usize = 64 << 10;
    let bytes = noise(9, 3 << 20);
    for slots in [8, 9, 64] {
        let slow = Slow {
            bytes: bytes.clone(),
            looks: Mutex::new(Looks {
                first: None,
                others: 0,
            }),
            changed: Condvar::new(),
        };
        let data = Arc::new(Data::lent(Box::new(slow)));
        let item = |offset: usize, len: usize| {
            Item::new(Source {
                data: Arc::clone(&data),
                offset: offset as u64,
                dtype: DType::U8,
                shape: Shape::new(&[len as i64]).unwrap(),
            })
        };
        let (a, b) = (2 << 20, 1 << 20);
        let items = [item(a, b), item(0, a)];
        let mut device = Device::new(&[b, a], slots, SLOT);
        let options = LoadOptions {
            threads: 3,
            ..LoadOptions::default()
        };
        let stats = load_to_sink(&items, &mut device, &options, &mut ()).unwrap();
        assert_eq!(stats.threads, 3);
        let pieces =
            |item: usize, len: usize| (0..len).step_by(SLOT).map(move |at| (item, at as u64));
        let wanted: Vec<_> = pieces(1, a).chain(pieces(0, b)).collect();
        assert_eq!(device.pieces, wanted, "{slots} slots");
        assert!(device.items[1] == bytes[..a] && device.items[0] == bytes[a..]);
    }
}

#[test]
fn slots_take_turns() {
    let (_sheet, items, sizes) = three();
    let mut device = Device::new(&sizes, 2, 2 * 8192);
    let options = LoadOptions {
        threads: 1,
        ..LoadOptions::default()
    };
    load_to_sink(&items, &mut device, &options, &mut ()).unwrap();
    let (a, s, w) = ("acquire", "submit", "wait");
    let wanted = [
        (a, 0),
        (s, 0),
        (a, 1),
        (s, 1),
        (w, 0),
        (a, 0),
        (s, 0),
        (w, 1),
        (w, 0),
    ];
    assert_eq!(device.calls, wanted);
}

#[test]
fn a_callback_that_fails_ends_it() {
    let (_sheet, items, sizes) = three();
    for (threads, packs) in [(1, false), (2, false), (1, true), (2, true)] {
        for fails_at in 1..=9 {
            let mut device = Device::new(&sizes, 2, 2 * 8192);
            device.packs = packs;
            device.fails_at = Some(fails_at);
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let error = load_to_sink(&items, &mut device, &options, &mut ()).unwrap_err();
            let (what, slot) = device.calls[fails_at - 1];
            assert_eq!(error.kind(), Kind::Callback);
            assert_eq!(error.os_code(), 40 + fails_at as i32);
            assert_eq!(error.place().index, Some(0));
            let text = format!(
                "the sink's {what} of slot {slot} failed with {}",
                40 + fails_at
            );
            assert_eq!(error.to_string(), text);
            // What was submitted was waited for, and nothing new began.
            let after = &device.calls[fails_at..];
            assert!(after.iter().all(|call| call.0 == "wait"), "{after:?}");
            let submitted = |state: &State| matches!(state, State::Submitted(_));
            assert!(!device.states.iter().any(submitted));
        }
    }
}

#[test]
fn a_callback_that_panics_leaves_no_copy_behind() {
    let (_sheet, items, sizes) = three();
    for threads in [1, 2] {
        for fails_at in 1..=9 {
            let mut device = Device::new(&sizes, 2, 2 * 8192);
            device.fails_at = Some(fails_at);
            device.panics = true;
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let call = || load_to_sink(&items, &mut device, &options, &mut ()).map(|_| ());
            let result = catch_unwind(AssertUnwindSafe(call));
            let payload = result.unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
            let after = &device.calls[fails_at..];
            assert!(after.iter().all(|call| call.0 == "wait"), "{after:?}");
            let submitted = |state: &State| matches!(state, State::Submitted(_));
            assert!(!device.states.iter().any(submitted));
        }
    }
}

#[test]
fn stopped() {
    let (_sheet, items, sizes) = three();
    for threads in [1, 2] {
        for patience in 1..=5 {
            let mut device = Device::new(&sizes, 2, 2 * 8192);
            let mut log = Log::stopping_after(patience);
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let error = load_to_sink(&items, &mut device, &options, &mut log).unwrap_err();
            assert_eq!(error.kind(), Kind::Cancelled);
            assert_eq!(log.patience, 0);
            let submitted = |state: &State| matches!(state, State::Submitted(_));
            assert!(!device.states.iter().any(submitted));
        }
    }
}

/// Cuts the file when it is asked for the first time.
struct Cut<'a>(&'a Sheet, u64);

impl Watch for Cut<'_> {
    fn progress(&mut self, _: u64, _: u64) -> bool {
        let file = std::fs::OpenOptions::new().write(true).open(&self.0.path);
        file.unwrap().set_len(self.1).unwrap();
        true
    }
}

#[test]
fn a_file_cut_meanwhile() {
    for threads in [1, 3] {
        for direct in [false, true] {
            let tensors: Vec<Given> = (0..8).map(|_| given(DType::U8, &[1 << 20], 0)).collect();
            let sheet = Sheet::new(&tensors);
            let items: Vec<Item> = sheet.sources.iter().cloned().map(Item::new).collect();
            let mut device = Device::new(&[1 << 20; 8], 4, 100_000);
            let options = LoadOptions {
                threads,
                direct,
                ..LoadOptions::default()
            };
            let cut = (5 << 20) + 250_000;
            let error = load_to_sink(&items, &mut device, &options, &mut Cut(&sheet, cut));
            let error = error.unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated);
            assert_eq!(error.place().index, Some(5));
            assert_eq!(error.place().offset, Some((5 << 20) + 200_000), "{error}");
            let submitted = |state: &State| matches!(state, State::Submitted(_));
            assert!(!device.states.iter().any(submitted));
        }
    }
}

#[test]
fn refused() {
    let (_sheet, mut items, sizes) = three();
    let options = LoadOptions::default();
    for (slots, slot_bytes, text) in [
        (0, 8192, "the sink has 0 slots"),
        (MAX_SLOTS + 1, 8192, "4097 slots"),
        (2, MIN_SLOT_BYTES - 1, "slots have 4095 bytes"),
        (
            2,
            8191,
            "the sink's alignment is 8192; powers of two up to a slot's 8191 bytes",
        ),
        (3, 8192, "the sink's alignment is 3;"),
    ] {
        let mut device = Device::new(&sizes, slots, slot_bytes);
        device.align = match slot_bytes {
            8191 => 8192,
            _ if slots == 3 => 3,
            _ => 1,
        };
        let error = load_to_sink(&items, &mut device, &options, &mut ()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains(text), "{error}");
        assert!(device.calls.is_empty());
    }
    // Blocks of 34 bytes meet 4096 every 69,632.
    let blocks = Sheet::new(&[given(DType::Q8_0, &[32 * 400], 0)]);
    let item = [Item::new(blocks.sources[0].clone())];
    let mut device = Device::new(&[34 * 400], 2, 8192);
    device.align = 4096;
    let error = load_to_sink(&item, &mut device, &options, &mut ()).unwrap_err();
    assert_eq!(
        (error.kind(), error.place().index),
        (Kind::InvalidArgument, Some(0))
    );
    assert!(error.to_string().contains("item 0 can't be cut"), "{error}");
    assert!(device.calls.is_empty());
    let _rooms = Rooms::for_items(&mut items[1..], &[0]);
    let mut device = Device::new(&sizes, 2, 8192);
    let error = load_to_sink(&items, &mut device, &options, &mut ()).unwrap_err();
    assert_eq!(error.place().index, Some(1));
    assert!(error.to_string().contains("item 1 has memory of its own"));
}
