//! Entries in the order of the log.

use std::ffi::c_void;

use adit_core::store::{Item, Iter, IterOptions, Order, Snapshot};

use super::snapshot::adit_snapshot;
use crate::boundary::{
    Failure, Handle, LentBytes, Opaque, Options, SizedOut, Zeroable, choose, close, guard_derived,
    guard_handle_mut, init_options, read_options, refuse_flags, refuse_reserved, slice,
};
use crate::error::{adit_error, adit_status};

/// In which order entries come.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_store_order {
    /// What was written last comes first.
    ADIT_STORE_ORDER_NEWEST = 0,
    /// What was written first comes first.
    ADIT_STORE_ORDER_LOG = 1,
}

/// In adit_store_iter_options.flags: overwritten values and deletions too.
pub const ADIT_STORE_ITER_ALL: u32 = 1;

/// What to go through. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_iter_options {
    /// sizeof(adit_store_iter_options).
    pub struct_size: usize,
    /// An adit_store_order.
    pub order: i32,
    /// ADIT_STORE_ITER_ALL.
    pub flags: u32,
    /// Only keys that start with these bytes; they are copied. NULL for all keys.
    pub prefix: *const c_void,
    /// The number of these bytes.
    pub prefix_len: usize,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// In adit_store_entry.flags: it is what its key has in this snapshot.
pub const ADIT_ENTRY_LIVE: u32 = 1;
/// In adit_store_entry.flags: the key was deleted here; there is no value.
pub const ADIT_ENTRY_TOMBSTONE: u32 = 2;
/// In adit_store_entry.flags: it was stored as a tensor, whose elements `value` is.
pub const ADIT_ENTRY_TENSOR: u32 = 4;

/// An entry of a store.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_entry {
    /// sizeof(adit_store_entry), set by the caller.
    pub struct_size: usize,
    /// The key; never NULL.
    pub key: *const c_void,
    /// Its length.
    pub key_len: usize,
    /// The value; NULL for a tombstone.
    pub value: *const c_void,
    /// Its length.
    pub value_len: usize,
    /// Where in the file its record starts.
    pub offset: u64,
    /// ADIT_ENTRY_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** The default options: what is live, newest first. */
//@ #define ADIT_STORE_ITER_OPTIONS_INIT \
//@     { sizeof(adit_store_iter_options), 0, 0, NULL, 0, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_STORE_ENTRY_INIT { sizeof(adit_store_entry), NULL, 0, NULL, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_store_iter_options {}
// SAFETY: zeros are null pointers and numbers.
unsafe impl Zeroable for adit_store_entry {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_iter_options_init(
    options: *mut adit_store_iter_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Entries of a snapshot one by one. It keeps what it needs of snapshot and store, which may be closed
/// before it.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_snapshot_iter(Handle<Iter>);

// SAFETY: repr(transparent) over Handle<Iter>.
unsafe impl Opaque for adit_snapshot_iter {
    type Value = Iter;
    const PARAMETER: &'static str = "iter";
}

/// The caller's struct for an entry.
pub(super) fn entry_of(item: &Item<'_>) -> adit_store_entry {
    let mut flags = 0;
    if item.is_live {
        flags |= ADIT_ENTRY_LIVE;
    }
    if item.is_tensor {
        flags |= ADIT_ENTRY_TENSOR;
    }
    if item.is_tombstone {
        flags |= ADIT_ENTRY_TOMBSTONE;
    }
    let LentBytes(key, key_len) = item.key.into();
    let LentBytes(value, value_len) = match item.is_tombstone {
        true => LentBytes(std::ptr::null(), 0),
        false => item.value.into(),
    };
    adit_store_entry {
        struct_size: 0,
        key,
        key_len,
        value,
        value_len,
        offset: item.offset,
        flags,
        reserved0: 0,
    }
}

/// Goes through the entries of a snapshot: those that are live, newest first, or as `options` says,
/// which may be NULL. With a prefix all records are read all the same. On success `*out` is a handle
/// that the caller frees with adit_snapshot_iter_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (options of a later version),
/// ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_iter_new(
    snapshot: *const adit_snapshot,
    options: *const adit_store_iter_options,
    out: *mut *mut adit_snapshot_iter,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |snapshot: &Snapshot| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { iter_options(options) }?;
        Ok(snapshot.iter(&options)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(snapshot, out, err, body) }
}

/// # Safety
/// `ptr` is null or points to options as the header asks, whose prefix is readable for `'a`.
unsafe fn iter_options<'a>(
    ptr: *const adit_store_iter_options,
) -> Result<IterOptions<'a>, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_flags(own.flags, ADIT_STORE_ITER_ALL, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    use adit_store_order as order;
    let table = [
        (order::ADIT_STORE_ORDER_NEWEST as i32, Order::Newest),
        (order::ADIT_STORE_ORDER_LOG as i32, Order::Log),
    ];
    // SAFETY: readable for prefix_len bytes, as the header asks.
    let prefix = unsafe { slice(own.prefix.cast(), own.prefix_len, "options->prefix") }?;
    Ok(IterOptions {
        order: choose(own.order, "options->order", "adit_store_order", &table)?,
        all_versions: own.flags & ADIT_STORE_ITER_ALL != 0,
        prefix: (own.prefix_len > 0).then_some(prefix),
    })
}

/// The next entry, which is good until the next call with this iterator. The caller sets
/// `entry->struct_size`; at the end its other fields are zeros.
///
/// Statuses: ADIT_END without an error object, also after it was told; ADIT_ERR_INVALID_ARGUMENT; those
/// of adit_snapshot_get for what is damaged, after which there is only ADIT_END.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_iter_next(
    iter: *mut adit_snapshot_iter,
    entry: *mut adit_store_entry,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(entry) };
    let body = |iter: &mut Iter| {
        out.required("entry")?;
        let next = iter.next()?;
        let item = next.ok_or(Failure::Quiet(adit_status::ADIT_END))?;
        out.set(entry_of(&item));
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(iter, err, body) }
}

/// Frees an iterator; NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_iter_free(iter: *mut adit_snapshot_iter) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(iter) };
}
