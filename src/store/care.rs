//! What is damaged in a store, and its dead bytes let go of.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::map::{RealStorage, Storage};
use adit_core::store::{self, Damage, Store, Verified};

use super::adit_store;
use super::options::{adit_store_options, store_options};
use crate::boundary::{
    Failure, Options, SizedOut, Zeroable, guard, guard_handle, init_options, line_to_c,
    path_argument, path_to_c, progress_of, read_options, refuse_reserved,
};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};

/// Something damaged.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_damage {
    /// sizeof(adit_store_damage) as the library knows it.
    pub struct_size: usize,
    /// The file: the store's, or its index, which can be removed.
    pub path: *const c_char,
    /// What is wrong, in words.
    pub why: *const c_char,
    /// Where it starts in the file.
    pub offset: u64,
    /// Its bytes, as far as that can be told: up to the next that are sound.
    pub len: u64,
    /// The hash of the key whose record it was, by the store's own seed; 0 where it can't be told.
    pub key_hash: u64,
}

//@c-type
//@ /** Told of damage, which is good during the call. Runs on the thread that made the call. */
//@ typedef void (ADIT_CALL *adit_store_damage_fn)(void *ctx, const adit_store_damage *damage);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_store_damage_fn = Option<unsafe extern "C" fn(*mut c_void, *const adit_store_damage)>;

/// What to do with what adit_store_verify finds. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_verify_options {
    /// sizeof(adit_store_verify_options).
    pub struct_size: usize,
    /// Told of each damage, in the order of the file; may be NULL.
    pub damage: adit_store_damage_fn,
    /// Given to `damage`.
    pub ctx: *mut c_void,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// In adit_store_verification.flags: there was an index, and it was compared with the log.
pub const ADIT_STORE_INDEX_COMPARED: u32 = 1;

/// What a verification found.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_verification {
    /// sizeof(adit_store_verification), set by the caller.
    pub struct_size: usize,
    /// Records that are sound, of all kinds, old versions too.
    pub records: u64,
    /// Of these, values.
    pub entries: u64,
    /// Of these, deletions.
    pub tombstones: u64,
    /// The bytes of the log.
    pub bytes: u64,
    /// Bytes behind the last whole batch, of a crash, a failed write or a stream that was aborted: no
    /// damage.
    pub torn_bytes: u64,
    /// Damages, those of the index included.
    pub damages: u64,
    /// Bytes of the log that are damaged.
    pub damaged_bytes: u64,
    /// ADIT_STORE_INDEX_COMPARED.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
}

/// What a salvage copied, and what it couldn't.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_salvaged {
    /// sizeof(adit_store_salvaged), set by the caller.
    pub struct_size: usize,
    /// Values copied, old versions too.
    pub entries: u64,
    /// Deletions copied.
    pub tombstones: u64,
    /// Keys that the new store has.
    pub live_keys: u64,
    /// Stretches that are damaged: a value, or some records.
    pub damages: u64,
    /// Their bytes.
    pub skipped_bytes: u64,
    /// Bytes behind the last whole batch, of a crash, a failed write or a stream that was aborted.
    pub torn_bytes: u64,
}

//@c-after
//@ /** The default options: damage is counted. */
//@ #define ADIT_STORE_VERIFY_OPTIONS_INIT \
//@     { sizeof(adit_store_verify_options), NULL, NULL, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_STORE_VERIFICATION_INIT \
//@     { sizeof(adit_store_verification), 0, 0, 0, 0, 0, 0, 0, 0, 0 }
//@ /** To be filled. */
//@ #define ADIT_STORE_SALVAGED_INIT { sizeof(adit_store_salvaged), 0, 0, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are no function, a null pointer and
// numbers.
unsafe impl Options for adit_store_verify_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_store_verification {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_store_salvaged {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_verify_options_init(
    options: *mut adit_store_verify_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Reads all of the store as this handle sees it: every record, batch, checksum and checkpoint, and
/// whether the index agrees. What it finds is told, in `found` and to options->damage, and is no error.
/// `options` and `found` may be NULL; the caller sets `found->struct_size`. `progress`, which may be
/// NULL, is told bytes.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_IO, ADIT_ERR_TRUNCATED, ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_FORKED, ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_verify(
    store: *const adit_store,
    options: *const adit_store_verify_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_store_verification,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = |store: &Store| {
        out.optional("found")?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { verify_options(options) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        // SAFETY: the header's contract of adit_store_damage_fn, during the call.
        let mut tell = |damage: &Damage<'_>| unsafe { tell(&own, damage) };
        let verified = store.verify(&mut tell, &mut progress)?;
        out.set(verification_of(&verified));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

/// As adit_store_verify, for a store that nobody has open for writing, or that can't be opened. The
/// file is only read.
///
/// Statuses: as adit_store_verify; those of adit_data_open, ADIT_ERR_WRONG_FORMAT (no store),
/// ADIT_ERR_UNSUPPORTED (a later version).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_verify_file(
    path: *const c_char,
    options: *const adit_store_verify_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_store_verification,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = || {
        out.optional("found")?;
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { verify_options(options) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        // SAFETY: the header's contract of adit_store_damage_fn, during the call.
        let mut tell = |damage: &Damage<'_>| unsafe { tell(&own, damage) };
        let verified = store::verify_file(&storage(), path, &mut tell, &mut progress)?;
        out.set(verification_of(&verified));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Copies what is sound of the store at `from`, however damaged, into a new one at `to`, which
/// appears whole or not at all: each entry whose header, key and value are what was written, in their
/// order, old versions and deletions too. Where a key's newest value is damaged, the one before it
/// counts again. `from` is only read. `options` are those of the new store, and may be NULL,
/// as may `found`; the caller sets `found->struct_size`. `progress`, which may be NULL, is told bytes.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, those of adit_data_open for `from`, ADIT_ERR_WRONG_FORMAT (no
/// store), ADIT_ERR_UNSUPPORTED, ADIT_ERR_EXISTS (something stands at `to`), ADIT_ERR_NO_SPACE,
/// ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY, ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_salvage(
    from: *const c_char,
    to: *const c_char,
    options: *const adit_store_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_store_salvaged,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = || {
        out.optional("found")?;
        // SAFETY: NULL or a string, as the header asks.
        let from = unsafe { path_argument(from, "from") }?;
        // SAFETY: NULL or a string, as the header asks.
        let to = unsafe { path_argument(to, "to") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { store_options(options) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let salvaged = store::salvage(&storage(), from, to, &options, &mut progress)?;
        out.set(adit_store_salvaged {
            struct_size: 0,
            entries: salvaged.entries,
            tombstones: salvaged.tombstones,
            live_keys: salvaged.live,
            damages: salvaged.damaged_stretches,
            skipped_bytes: salvaged.skipped_bytes,
            torn_bytes: salvaged.torn_bytes,
        });
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Writes what is live into a new file, in the order of the log, and puts it in the old one's place: at
/// once, also for a crash. Reading and writing go on meanwhile; the handle, and readers in other
/// processes, go on with the new file, snapshots with the old one, whose space is free once the last of
/// them is closed. `progress`, which may be NULL, is told bytes; what is cancelled, or fails, leaves the
/// store as it was.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_READ_ONLY, ADIT_ERR_BUSY (another compaction, a stream),
/// ADIT_ERR_CHECKSUM and ADIT_ERR_MALFORMED (something is damaged: nothing is thrown away then),
/// ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_TRUNCATED, ADIT_ERR_EXISTS (another file stands at the path),
/// ADIT_ERR_NOT_FOUND (none does any more: what is put goes on into the file without a name),
/// ADIT_ERR_NOT_DURABLE (the new file is in its place, but a power cut may still undo that: the store
/// can't be written any more), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_POISONED, ADIT_ERR_FORKED,
/// ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_compact(
    store: *const adit_store,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        Ok(store.compact(Some(&mut progress))?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

fn storage() -> Arc<dyn Storage> {
    Arc::new(RealStorage)
}

/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn verify_options(
    ptr: *const adit_store_verify_options,
) -> Result<adit_store_verify_options, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_reserved(&own.reserved, "options")?;
    Ok(own)
}

/// # Safety
/// `own.damage` may be called with `own.ctx`.
unsafe fn tell(own: &adit_store_verify_options, damage: &Damage<'_>) {
    let Some(callback) = own.damage else {
        return;
    };
    let (path, why) = (path_to_c(damage.path), line_to_c(damage.why));
    let damage = adit_store_damage {
        struct_size: size_of::<adit_store_damage>(),
        path: path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr()),
        why: why.as_ptr(),
        offset: damage.offset,
        len: damage.len,
        key_hash: damage.key_hash.unwrap_or(0),
    };
    // SAFETY: the caller's promise.
    unsafe { callback(own.ctx, &raw const damage) };
}

fn verification_of(verified: &Verified) -> adit_store_verification {
    adit_store_verification {
        struct_size: 0,
        records: verified.records,
        entries: verified.entries,
        tombstones: verified.tombstones,
        bytes: verified.bytes,
        torn_bytes: verified.torn_bytes,
        damages: verified.damages,
        damaged_bytes: verified.damaged_bytes,
        flags: match verified.has_index {
            true => ADIT_STORE_INDEX_COMPARED,
            false => 0,
        },
        reserved0: 0,
    }
}
