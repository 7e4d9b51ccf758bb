//! Loading into memory.

use std::ffi::c_void;

use adit_core::transfer::{Arena, Destination, Item, load};

use super::items::{adit_load_items, no_item};
use super::list::Items;
use super::{adit_load_options, adit_load_stats, load_options};
use crate::boundary::{
    Failure, Handle, Opaque, Out, SizedOut, close, guard_handle, guard_value, into_raw, peek,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::adit_tensor;

/// Loaded tensors in one block of memory.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_arena(Handle<Arena>);

// SAFETY: repr(transparent) over Handle<Arena>.
unsafe impl Opaque for adit_arena {
    type Value = Arena;
    const PARAMETER: &'static str = "arena";
}

/// Loads all items: those with a `dst` there, the others into one block of memory. On success
/// `*arena` is a handle that the caller frees with adit_arena_free; `arena` may be NULL if every
/// item has a `dst`. `options` and `stats` may be NULL; the caller sets `stats->struct_size`.
///
/// After a failure, and when cancelled, the memory of every `dst` has any contents, and there is no
/// arena. Where several items fail, the error is that of the first in the order of the files; its
/// index is the item's number.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_TRUNCATED, ADIT_ERR_IO,
/// ADIT_ERR_UNSUPPORTED (options of a later version), ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load(
    items: *const adit_load_items,
    options: *const adit_load_options,
    arena: *mut *mut adit_arena,
    stats: *mut adit_load_stats,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(arena) };
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let stats = unsafe { SizedOut::zeroed(stats) };
    let body = |items: &Items| {
        stats.optional("stats")?;
        let items = items.to_load()?;
        let needs_arena = |item: &Item| matches!(item.destination, Destination::Arena);
        if let Some(item) = items
            .iter()
            .position(needs_arena)
            .filter(|_| !out.is_wanted())
        {
            return Err(Failure::invalid(format_args!(
                "arena is NULL, but item {item} has no dst"
            )));
        }
        // SAFETY: NULL or options, as the header asks.
        let (options, mut callbacks) = unsafe { load_options(options, "options") }?;
        let loaded = load(items, &options, &mut callbacks)?;
        stats.set(adit_load_stats::of(&loaded.stats));
        if out.is_wanted() {
            out.set(into_raw(loaded.arena));
        }
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_handle(items, err, body) }
}

/// The tensor that item `item` became. It is good until the arena is freed, and may be written.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, an item with a `dst`), ADIT_ERR_OUT_OF_RANGE (no such
/// item).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_arena_tensor(
    arena: *const adit_arena,
    item: usize,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |arena: &Arena| {
        if item >= arena.items() {
            return Err(no_item(item, arena.items()));
        }
        let Some(lent) = arena.tensor(item) else {
            return Err(Failure::invalid(format_args!(
                "item {item} isn't in the arena: it has a dst"
            )));
        };
        let writable = true;
        Ok(adit_tensor::lent(&lent, writable))
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_value(arena, tensor, "tensor", err, body) }
}

/// All of the arena's memory, tensors with zeros between them; NULL if there is none, or for NULL.
/// Good until the arena is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_arena_bytes(arena: *const adit_arena) -> *const c_void {
    // SAFETY: NULL or a handle, as the header asks.
    let arena = unsafe { peek(arena) };
    arena.map_or(std::ptr::null(), |arena| arena.bytes().as_ptr().cast())
}

/// The bytes of all of its memory; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_arena_len(arena: *const adit_arena) -> u64 {
    // SAFETY: NULL or a handle, as the header asks.
    unsafe { peek(arena) }.map_or(0, |arena| arena.bytes().len() as u64)
}

/// Frees an arena; NULL is nothing. Its tensors end here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_arena_free(arena: *mut adit_arena) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(arena) };
}
