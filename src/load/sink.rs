//! Loading through the caller's own slots and copies.

use std::ffi::{c_int, c_void};

use adit_core::transfer::{MAX_PARTS, Part, Sink, load_to_sink};

use super::items::adit_load_items;
use super::list::Items;
use super::{adit_load_options, adit_load_stats, load_options};
use crate::boundary::{
    Failure, Options, SizedOut, guard_handle, init_options, read_options, refuse_reserved,
};
use crate::error::{adit_error, adit_status};

//@c-before
//@ /**
//@  * Gives the memory of slot `slot`, writable for slot_bytes bytes at any alignment, in `*memory`.
//@  * The library fills it, and leaves it alone from the slot's submit on.
//@  */
//@ typedef int (ADIT_CALL *adit_sink_acquire_fn)(void *ctx, uint32_t slot, void **memory);
//@
//@ /**
//@  * Starts copying the first `bytes` bytes of slot `slot` to byte `offset` of what item `item`
//@  * becomes. It should return at once; the copy may go on until the slot is waited for.
//@  */
//@ typedef int (ADIT_CALL *adit_sink_submit_fn)(void *ctx, uint32_t slot, uint64_t item,
//@                                              uint64_t offset, uint64_t bytes);
//@
//@ /**
//@  * What a slot carries of one item: `bytes` bytes from byte `start` of the slot on, which belong to
//@  * byte `offset` of what item `item` becomes. Its layout is frozen.
//@  */
//@ typedef struct adit_sink_part {
//@     uint64_t item;
//@     uint64_t offset;
//@     uint64_t start;
//@     uint64_t bytes;
//@ } adit_sink_part;
//@
//@ /**
//@  * Starts copying all `count` parts of slot `slot`, of as many items, to where they belong. `parts`
//@  * is good until this returns. It should return at once; the copies may go on until the slot is
//@  * waited for.
//@  */
//@ typedef int (ADIT_CALL *adit_sink_submit_parts_fn)(void *ctx, uint32_t slot,
//@                                                    const adit_sink_part *parts, size_t count);
//@
//@ /** Returns when all copying from slot `slot` is done: the slot is free then. */
//@ typedef int (ADIT_CALL *adit_sink_wait_fn)(void *ctx, uint32_t slot);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_sink_acquire_fn =
    Option<unsafe extern "C" fn(*mut c_void, u32, *mut *mut c_void) -> c_int>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_sink_submit_fn =
    Option<unsafe extern "C" fn(*mut c_void, u32, u64, u64, u64) -> c_int>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_sink_part {
    item: u64,
    offset: u64,
    start: u64,
    bytes: u64,
}

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_sink_submit_parts_fn =
    Option<unsafe extern "C" fn(*mut c_void, u32, *const adit_sink_part, usize) -> c_int>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_sink_wait_fn = Option<unsafe extern "C" fn(*mut c_void, u32) -> c_int>;

/// The most parts that one call of submit_parts has.
pub const ADIT_SINK_MAX_PARTS: u32 = 4096;

const _: () = assert!(ADIT_SINK_MAX_PARTS as usize == MAX_PARTS);

/// A device, as a load sees it: slots of memory, and copies from them that go on by themselves. For
/// each slot the calls come in turn: acquire, submit (or submit_parts), wait; all run on the thread that called
/// adit_load_to_sink. A result other than 0 ends the load with ADIT_ERR_CALLBACK. A slot whose
/// submit returned 0 is waited for once, whatever else happens; one that was acquired and not
/// submitted when the load ends is free.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_sink {
    /// sizeof(adit_sink).
    pub struct_size: usize,
    /// Given to all functions.
    pub ctx: *mut c_void,
    /// The bytes of each slot: at least 4096; megabytes are best.
    pub slot_bytes: u64,
    /// How many slots there are, 1 to 4096: with two or more, one is filled while another is
    /// copied, and as many threads can read as there are slots.
    pub slots: u32,
    /// Zero.
    pub reserved0: u32,
    /// Gives a slot's memory.
    pub acquire: adit_sink_acquire_fn,
    /// Starts a slot's copy; not called, and may be NULL, where submit_parts isn't.
    pub submit: adit_sink_submit_fn,
    /// Waits for it.
    pub wait: adit_sink_wait_fn,
    /// Starts the copies of a slot that carries several items: at most ADIT_SINK_MAX_PARTS. NULL for
    /// slots with one item each, and submit. With it, many small items take few slots.
    pub submit_parts: adit_sink_submit_parts_fn,
    /// What the start of a part in its slot, and its offset in what the item becomes, are multiples
    /// of: a power of two, at most slot_bytes; 0 for 1. The bytes between parts are undefined.
    pub align: u64,
    /// Zeros.
    pub reserved: [u64; 2],
}

//@c-after
//@ /** A sink without functions. */
//@ #define ADIT_SINK_INIT { sizeof(adit_sink), NULL, 0, 0, 0, NULL, NULL, NULL, NULL, 0, { 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer, numbers, no functions.
unsafe impl Options for adit_sink {}

/// Fills `sink` with zeros and its size, as ADIT_SINK_INIT does; `size` is the struct's size as the
/// caller knows it. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_sink_init(sink: *mut adit_sink, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(sink, size) };
}

/// The caller's sink, all of whose functions are there.
struct CallersSink {
    ctx: *mut c_void,
    slots: usize,
    slot_bytes: usize,
    acquire: unsafe extern "C" fn(*mut c_void, u32, *mut *mut c_void) -> c_int,
    submit: Submit,
    align: usize,
    wait: unsafe extern "C" fn(*mut c_void, u32) -> c_int,
}

/// How the caller takes what a slot carries.
enum Submit {
    One(unsafe extern "C" fn(*mut c_void, u32, u64, u64, u64) -> c_int),
    Parts(
        unsafe extern "C" fn(*mut c_void, u32, *const adit_sink_part, usize) -> c_int,
        Vec<adit_sink_part>,
    ),
}

impl CallersSink {
    fn new(own: &adit_sink, items: usize) -> Result<CallersSink, Failure> {
        refuse_reserved(&own.reserved, "sink")?;
        refuse_reserved(&[own.reserved0.into()], "sink")?;
        let submit = match own.submit_parts {
            None => Submit::One(own.submit.ok_or_else(|| Failure::null("sink->submit"))?),
            Some(submit_parts) => {
                let mut parts = Vec::new();
                // A slot carries at most one part of an item.
                let room = parts.try_reserve_exact(items.min(MAX_PARTS));
                room.map_err(|_| {
                    Failure::new(adit_status::ADIT_ERR_OUT_OF_MEMORY, "no memory for parts")
                })?;
                Submit::Parts(submit_parts, parts)
            }
        };
        Ok(CallersSink {
            ctx: own.ctx,
            slots: own.slots as usize,
            slot_bytes: usize::try_from(own.slot_bytes)
                .ok()
                .filter(|&bytes| isize::try_from(bytes).is_ok())
                .ok_or_else(|| Failure::invalid("sink->slot_bytes is more than memory can hold"))?,
            acquire: own.acquire.ok_or_else(|| Failure::null("sink->acquire"))?,
            submit,
            align: usize::try_from(own.align.max(1)).unwrap_or(usize::MAX),
            wait: own.wait.ok_or_else(|| Failure::null("sink->wait"))?,
        })
    }
}

fn done(result: c_int) -> Result<(), i32> {
    if result == 0 { Ok(()) } else { Err(result) }
}

/// There are no more slots than a u32 counts.
fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

// SAFETY: the header asks of acquire what the trait asks.
unsafe impl Sink for CallersSink {
    fn slots(&self) -> usize {
        self.slots
    }

    fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    fn acquire(&mut self, slot: usize) -> Result<*mut u8, i32> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: the function may be called with its ctx during the load, as the header asks;
        // `memory` is a place for one pointer.
        done(unsafe { (self.acquire)(self.ctx, number(slot), &raw mut memory) })?;
        Ok(memory.cast())
    }

    fn align(&self) -> usize {
        self.align
    }

    fn packs(&self) -> bool {
        matches!(self.submit, Submit::Parts(..))
    }

    fn submit(&mut self, slot: usize, parts: &[Part]) -> Result<(), i32> {
        let slot = number(slot);
        match &mut self.submit {
            Submit::One(submit) => {
                for part in parts {
                    let (item, bytes) = (part.item as u64, part.bytes as u64);
                    // SAFETY: as above.
                    done(unsafe { submit(self.ctx, slot, item, part.offset, bytes) })?;
                }
                Ok(())
            }
            Submit::Parts(submit_parts, list) => {
                list.clear();
                list.extend(parts.iter().map(|part| adit_sink_part {
                    item: part.item as u64,
                    offset: part.offset,
                    start: part.start as u64,
                    bytes: part.bytes as u64,
                }));
                // SAFETY: as above; the list has so many parts.
                done(unsafe { submit_parts(self.ctx, slot, list.as_ptr(), list.len()) })
            }
        }
    }

    fn wait(&mut self, slot: usize) -> Result<(), i32> {
        // SAFETY: as above.
        done(unsafe { (self.wait)(self.ctx, number(slot)) })
    }
}

/// Loads all items, none of which has a `dst`, through the slots of a sink. A slot carries whole
/// elements, or blocks: of one item, or with sink->submit_parts of several, and then never two parts
/// of one item. Items are submitted one after the other, as their files have them, each from its
/// start to its end, but copies may end in any order. An item that is larger than a slot is cut at
/// elements or blocks that lie at multiples of sink->align.
/// Of an item without bytes nothing is submitted, but options->item_done is told.
///
/// `options` and `stats` may be NULL; options->align is checked, but has no effect. The caller sets
/// `sink->struct_size` and `stats->struct_size`; `sink` is only read.
///
/// Whatever the status, no copy is on its way any more when this returns.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (also for an item that no slot has room to cut so),
/// ADIT_ERR_CALLBACK (adit_error_os_code is its result; its index is the slot's first item),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_UNSUPPORTED (options of a later
/// version), ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_to_sink(
    items: *const adit_load_items,
    sink: *const adit_sink,
    options: *const adit_load_options,
    stats: *mut adit_load_stats,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let stats = unsafe { SizedOut::zeroed(stats) };
    let body = |items: &Items| {
        stats.optional("stats")?;
        let items = items.to_load()?;
        if sink.is_null() {
            return Err(Failure::null("sink"));
        }
        // SAFETY: a sink with its size in it, as the header asks.
        let own = unsafe { read_options(sink, "sink") }?;
        let mut sink = CallersSink::new(&own, items.len())?;
        // SAFETY: NULL or options, as the header asks.
        let (options, mut callbacks) = unsafe { load_options(options, "options") }?;
        let told = load_to_sink(items, &mut sink, &options, &mut callbacks)?;
        stats.set(adit_load_stats::of(&told));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_handle(items, err, body) }
}
