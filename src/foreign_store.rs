//! Foreign stores
//!
//! An adit_foreign_store reads a file that simd-r-drive wrote, of any version from 0.1.0-alpha to
//! 0.17.5-alpha. Such a file doesn't say which of its four layouts it has; that is found by following
//! its entries from the end to the start, with their checksums. The file is never written, cut or
//! locked, whatever is in it, and is to be left alone by others while it is open.
//!
//! These files don't hold keys, but the XXH3 hashes of keys: entries are found by a key that the
//! caller has, or gone through by hash. To go on with what is in such a file, open a store and copy
//! the keys into it: adit_foreign_store_copy_keys.
//!
//! Lent values are good until the foreign store is closed; their addresses are multiples of what the
//! layout says, 1 for versions before 0.14.
//!
//! Threads: all functions but adit_foreign_store_close take a `const adit_foreign_store *` and may run
//! at the same time on any threads; an iterator belongs to one at a time.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::store::{
    ForeignEntry, ForeignIter, ForeignLayout, ForeignOrder, ForeignStore, Store,
};

use crate::boundary::{
    Failure, Handle, Opaque, SizedOut, Zeroable, choose, close, guard_bytes, guard_derived,
    guard_handle, guard_handle_mut, guard_new, path_argument, peek_sound, progress_of,
    refuse_flags, slice,
};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};
use crate::store::{
    ADIT_ENTRY_LIVE, ADIT_ENTRY_TOMBSTONE, ADIT_STORE_ITER_ALL, adit_store, adit_store_order,
    key_argument, missing,
};

/// A file of simd-r-drive.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_foreign_store(Handle<Arc<ForeignStore>>);

// SAFETY: repr(transparent) over Handle<Arc<ForeignStore>>.
unsafe impl Opaque for adit_foreign_store {
    type Value = Arc<ForeignStore>;
    const PARAMETER: &'static str = "store";
}

/// How a foreign store is laid out.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_foreign_layout {
    /// 0.1.0-alpha to alpha2: 19 bytes of metadata, values at any byte.
    ADIT_FOREIGN_PACKED_19 = 1,
    /// 0.1.0-alpha3 to 0.13: 20 bytes of metadata, values at any byte.
    ADIT_FOREIGN_PACKED_20 = 2,
    /// 0.14: values at multiples of 16.
    ADIT_FOREIGN_ALIGNED_16 = 3,
    /// 0.15 to 0.17.5: values at multiples of 64.
    ADIT_FOREIGN_ALIGNED_64 = 4,
}

/// What a foreign store is made of.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_foreign_store_info {
    /// sizeof(adit_foreign_store_info), set by the caller.
    pub struct_size: usize,
    /// An adit_foreign_layout. Where several read the file alike, the latest.
    pub layout: i32,
    /// What values' addresses are multiples of.
    pub alignment: u32,
    /// The file's length.
    pub file_bytes: u64,
    /// The bytes from its start that are the store: what lies behind was torn off.
    pub valid_bytes: u64,
    /// Entries, older versions and deletions included.
    pub entries: u64,
    /// Keys that are there.
    pub live_keys: u64,
}

/// An entry of a foreign store.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_foreign_entry {
    /// sizeof(adit_foreign_entry), set by the caller.
    pub struct_size: usize,
    /// Its number, from 0 for the oldest.
    pub number: u64,
    /// adit_hash of its key, with a seed of 0.
    pub hash: u64,
    /// Where its value starts in the file.
    pub offset: u64,
    /// The bytes of its value.
    pub value_len: u64,
    /// ADIT_ENTRY_LIVE, ADIT_ENTRY_TOMBSTONE.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
}

/// What became of the keys that were to be copied.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_foreign_copied {
    /// sizeof(adit_foreign_copied), set by the caller.
    pub struct_size: usize,
    /// Keys whose values were put.
    pub copied: u64,
    /// Keys that aren't there, or were deleted.
    pub missing: u64,
    /// Keys whose values aren't what was written: nothing was put.
    pub damaged: u64,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_FOREIGN_STORE_INFO_INIT { sizeof(adit_foreign_store_info), 0, 0, 0, 0, 0, 0 }
//@ /** To be filled. */
//@ #define ADIT_FOREIGN_ENTRY_INIT { sizeof(adit_foreign_entry), 0, 0, 0, 0, 0, 0 }
//@ /** To be filled. */
//@ #define ADIT_FOREIGN_COPIED_INIT { sizeof(adit_foreign_copied), 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_foreign_store_info {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_foreign_entry {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_foreign_copied {}

/// Opens the file at `path`; an empty one is an empty store. The layout is the one, and the end the
/// last one, with which the chain of entries reaches the file's start and values are what their
/// checksums say. On success `*out` is a handle that the caller closes with adit_foreign_store_close.
///
/// Statuses: those of adit_data_open; ADIT_ERR_WRONG_FORMAT where there is no such chain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_open(
    path: *const c_char,
    out: *mut *mut adit_foreign_store,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        Ok(Arc::new(ForeignStore::open(path)?))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// What the store is made of. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_get_info(
    store: *const adit_foreign_store,
    info: *mut adit_foreign_store_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |store: &Arc<ForeignStore>| {
        out.required("info")?;
        let layout = match store.layout() {
            ForeignLayout::Packed19 => adit_foreign_layout::ADIT_FOREIGN_PACKED_19,
            ForeignLayout::Packed20 => adit_foreign_layout::ADIT_FOREIGN_PACKED_20,
            ForeignLayout::Aligned16 => adit_foreign_layout::ADIT_FOREIGN_ALIGNED_16,
            ForeignLayout::Aligned64 => adit_foreign_layout::ADIT_FOREIGN_ALIGNED_64,
        };
        out.set(adit_foreign_store_info {
            struct_size: 0,
            layout: layout as i32,
            alignment: store.layout().alignment() as u32,
            file_bytes: store.file_bytes(),
            valid_bytes: store.valid_bytes(),
            entries: store.entries(),
            live_keys: store.len(),
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

/// Lends the newest value of a key, whose checksum is compared. Good until the store is closed. Two
/// keys with one hash are one to such a file.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT; ADIT_ERR_NOT_FOUND without an error object; ADIT_ERR_CHECKSUM
/// (adit_error_offset says where), ADIT_ERR_TRUNCATED, ADIT_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_get(
    store: *const adit_foreign_store,
    key: *const c_void,
    key_len: usize,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Arc<ForeignStore>| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(store.get(key)?.ok_or_else(missing)?.into())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(store, value, len, err, body) }
}

/// As adit_foreign_store_get, of the key that has this hash.
///
/// Statuses: as adit_foreign_store_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_get_hash(
    store: *const adit_foreign_store,
    hash: u64,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Arc<ForeignStore>| Ok(store.get_hash(hash)?.ok_or_else(missing)?.into());
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(store, value, len, err, body) }
}

/// Lends the value of an entry by its number, an old version's too; that of a deletion is one byte 00.
///
/// Statuses: as adit_foreign_store_get; ADIT_ERR_OUT_OF_RANGE for a number that no entry has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_value(
    store: *const adit_foreign_store,
    number: u64,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Arc<ForeignStore>| {
        let found = store.value(number)?.ok_or_else(|| {
            let entries = store.entries();
            let message = format_args!("entry {number} of a store that has {entries}");
            Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message)
        })?;
        Ok(found.into())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(store, value, len, err, body) }
}

/// Entries of a foreign store one by one. It keeps the file open.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_foreign_store_iter(Handle<ForeignIter<Arc<ForeignStore>>>);

// SAFETY: repr(transparent) over Handle<ForeignIter<Arc<ForeignStore>>>.
unsafe impl Opaque for adit_foreign_store_iter {
    type Value = ForeignIter<Arc<ForeignStore>>;
    const PARAMETER: &'static str = "iter";
}

/// Goes through the entries: those that are live, or with ADIT_STORE_ITER_ALL in `flags` all. `order` is
/// an adit_store_order. On success `*out` is a handle that the caller frees with
/// adit_foreign_store_iter_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_iter_new(
    store: *const adit_foreign_store,
    order: i32,
    flags: u32,
    out: *mut *mut adit_foreign_store_iter,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Arc<ForeignStore>| {
        refuse_flags(flags, ADIT_STORE_ITER_ALL, "flags")?;
        use adit_store_order as own;
        let table = [
            (own::ADIT_STORE_ORDER_NEWEST as i32, ForeignOrder::Newest),
            (own::ADIT_STORE_ORDER_LOG as i32, ForeignOrder::Oldest),
        ];
        let order = choose(order, "order", "adit_store_order", &table)?;
        Ok(ForeignIter::new(
            Arc::clone(store),
            order,
            flags & ADIT_STORE_ITER_ALL != 0,
        ))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(store, out, err, body) }
}

/// The next entry. The caller sets `entry->struct_size`; at the end its other fields are zeros. Values
/// aren't read: adit_foreign_store_value does.
///
/// Statuses: ADIT_END without an error object, ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_iter_next(
    iter: *mut adit_foreign_store_iter,
    entry: *mut adit_foreign_entry,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(entry) };
    let body = |iter: &mut ForeignIter<Arc<ForeignStore>>| {
        out.required("entry")?;
        let next = iter.next().ok_or(Failure::Quiet(adit_status::ADIT_END))?;
        out.set(entry_of(&next));
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(iter, err, body) }
}

fn entry_of(entry: &ForeignEntry) -> adit_foreign_entry {
    adit_foreign_entry {
        struct_size: 0,
        number: entry.number,
        hash: entry.hash,
        offset: entry.offset,
        value_len: entry.len,
        flags: match (entry.is_live, entry.is_deletion) {
            (true, _) => ADIT_ENTRY_LIVE,
            (false, true) => ADIT_ENTRY_TOMBSTONE,
            (false, false) => 0,
        },
        reserved0: 0,
    }
}

/// Frees an iterator; NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_iter_free(iter: *mut adit_foreign_store_iter) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(iter) };
}

/// Copies the newest values of `n` keys into a store, under these keys. Keys that aren't there, and
/// values that aren't what was written, are left out and counted in `found`, which may be NULL; the
/// caller sets `found->struct_size`. A key that was never written and has the hash of another one gets
/// its value. `progress`, which may be NULL, is told keys. After a failure some may have been copied.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_TRUNCATED, those of adit_store_write, ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_copy_keys(
    store: *const adit_foreign_store,
    n: usize,
    keys: *const *const c_void,
    key_lens: *const usize,
    into: *const adit_store,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_foreign_copied,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = |store: &Arc<ForeignStore>| {
        out.optional("found")?;
        // SAFETY: NULL or n pointers, as the header asks.
        let keys = unsafe { slice(keys, n, "keys") }?;
        // SAFETY: NULL or n lengths, as the header asks.
        let key_lens = unsafe { slice(key_lens, n, "key_lens") }?;
        // SAFETY: NULL or an open handle, as the header asks.
        let into: Option<&Store> = unsafe { peek_sound(into) }?;
        let into = into.ok_or_else(|| Failure::null("into"))?;
        let mut own: Vec<&[u8]> = Vec::new();
        own.try_reserve_exact(n).map_err(|_| {
            let message = format_args!("no memory for {n} keys");
            Failure::new(adit_status::ADIT_ERR_OUT_OF_MEMORY, message)
        })?;
        for (&key, &len) in keys.iter().zip(key_lens) {
            // SAFETY: readable for len bytes, as the header asks.
            own.push(unsafe { key_argument(key, len) }?);
        }
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let copied = store.copy_keys_to(&own, into, Some(&mut progress))?;
        out.set(adit_foreign_copied {
            struct_size: 0,
            copied: copied.copied,
            missing: copied.missing,
            damaged: copied.damaged,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

/// Closes a foreign store; NULL is nothing. What it lent ends here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_foreign_store_close(store: *mut adit_foreign_store) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(store) };
}
