//! The append store: opened, written, read through snapshots.

use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, c_path, check};
use crate::Result;

#[repr(C)]
struct RawStore {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawBatch {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawSnapshot {
    _opaque: [u8; 0],
}

/// `ADIT_SYNC_BATCH`.
pub const SYNC_BATCH: i32 = 0;
/// `ADIT_SYNC_GROUP`.
pub const SYNC_GROUP: i32 = 1;
/// `ADIT_SYNC_EXPLICIT`.
pub const SYNC_EXPLICIT: i32 = 2;

/// `adit_store_options`; zeros are the defaults.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StoreOptions {
    struct_size: usize,
    mode: i32,
    sync: i32,
    check: i32,
    access: i32,
    align: u32,
    flags: u32,
    reservation: u64,
    expected_keys: u64,
    index_memory: u64,
    checkpoint_bytes: u64,
    reserved: [u64; 4],
}

const _: () = assert!(size_of::<StoreOptions>() == 96);

impl StoreOptions {
    /// For writing, with one of the constants above.
    #[must_use]
    pub fn writing(sync: i32) -> StoreOptions {
        StoreOptions {
            sync,
            ..StoreOptions::default()
        }
    }

    /// With values checked as they are lent first.
    #[must_use]
    pub fn checked(self) -> StoreOptions {
        StoreOptions { check: 1, ..self }
    }

    /// For a store that is there, and that another handle may write.
    #[must_use]
    pub fn reading() -> StoreOptions {
        StoreOptions {
            mode: 3,
            ..StoreOptions::default()
        }
    }
}

/// `adit_store_statistics`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StoreStats {
    struct_size: usize,
    /// The file's length.
    pub file_bytes: u64,
    tail: u64,
    durable_tail: u64,
    /// Keys that are there.
    pub live_keys: u64,
    live_bytes: u64,
    dead_bytes: u64,
    records: u64,
    torn_bytes: u64,
    /// Records that were read to open.
    pub replayed_records: u64,
    /// The index's file.
    pub index_mapped_bytes: u64,
    /// The index in memory.
    pub index_memory_bytes: u64,
    /// The most that will be.
    pub index_memory_cap: u64,
    mapped_bytes: u64,
    /// Writes.
    pub commits: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Merges of the index.
    pub merges: u64,
    compactions: u64,
    snapshots: u64,
    writer_pid: u64,
}

const _: () = assert!(size_of::<StoreStats>() == 168);

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_store_open(
        path: *const c_char,
        options: *const StoreOptions,
        out: *mut *mut RawStore,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_close(store: *mut RawStore);
    fn adit_store_put(
        store: *const RawStore,
        key: *const c_void,
        key_len: usize,
        value: *const c_void,
        value_len: usize,
        sequence: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_write(
        store: *const RawStore,
        batch: *mut RawBatch,
        sequence: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_compact(
        store: *const RawStore,
        progress: *const c_void,
        ctx: *mut c_void,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_stats(
        store: *const RawStore,
        stats: *mut StoreStats,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_batch_new(out: *mut *mut RawBatch, err: *mut *mut RawError) -> i32;
    fn adit_store_batch_put(
        batch: *mut RawBatch,
        key: *const c_void,
        key_len: usize,
        value: *const c_void,
        value_len: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_batch_put_lent(
        batch: *mut RawBatch,
        key: *const c_void,
        key_len: usize,
        value: *const c_void,
        value_len: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_store_batch_clear(batch: *mut RawBatch, err: *mut *mut RawError) -> i32;
    fn adit_store_batch_free(batch: *mut RawBatch);
    fn adit_store_snapshot(
        store: *const RawStore,
        out: *mut *mut RawSnapshot,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_snapshot_get(
        snapshot: *const RawSnapshot,
        key: *const c_void,
        key_len: usize,
        value: *mut *const c_void,
        len: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_snapshot_get_many(
        snapshot: *const RawSnapshot,
        n: usize,
        keys: *const *const c_void,
        key_lens: *const usize,
        values: *mut *const c_void,
        lens: *mut usize,
        found: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_snapshot_close(snapshot: *mut RawSnapshot);
}

/// `adit_store`.
#[derive(Debug)]
pub struct Store(*mut RawStore);

// SAFETY: the header promises that any threads may use a store at the same time.
unsafe impl Send for Store {}
// SAFETY: as above; closing takes the owner.
unsafe impl Sync for Store {}

impl Store {
    /// Opens the store at `path`, or makes one.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Store> {
        let path = c_path(path)?;
        let mut options = *options;
        options.struct_size = size_of::<StoreOptions>();
        let (mut store, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut store, &raw mut err);
        // SAFETY: a live string, live options, and two live places for outputs.
        let status = unsafe { adit_store_open(path.as_ptr(), &raw const options, out, err_out) };
        check(status, err)?;
        Ok(Store(store))
    }

    /// Stores a value by itself.
    ///
    /// # Errors
    /// The library's.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut err = null_mut();
        let (from, len) = (value.as_ptr().cast(), value.len());
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: an open store, live bytes, no place for a sequence number, one for an error.
        let status =
            unsafe { adit_store_put(self.0, key, key_len, from, len, null_mut(), &raw mut err) };
        check(status, err)
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// The library's.
    pub fn write(&self, batch: &mut Batch<'_>) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open store, a batch that nobody else uses, whose lent values live.
        let status = unsafe { adit_store_write(self.0, batch.raw, null_mut(), &raw mut err) };
        check(status, err)
    }

    /// Rewrites what is live.
    ///
    /// # Errors
    /// The library's.
    pub fn compact(&self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open store, no progress wanted.
        let status = unsafe { adit_store_compact(self.0, null(), null_mut(), &raw mut err) };
        check(status, err)
    }

    /// What the store says of itself.
    ///
    /// # Errors
    /// The library's.
    pub fn stats(&self) -> Result<StoreStats> {
        let (mut stats, mut err) = (StoreStats::default(), null_mut());
        stats.struct_size = size_of::<StoreStats>();
        // SAFETY: an open store and a struct of the size that it says.
        let status = unsafe { adit_store_stats(self.0, &raw mut stats, &raw mut err) };
        check(status, err)?;
        Ok(stats)
    }

    /// What is published now.
    ///
    /// # Errors
    /// The library's.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let (mut snapshot, mut err) = (null_mut(), null_mut());
        // SAFETY: an open store and two live places for outputs.
        let status = unsafe { adit_store_snapshot(self.0, &raw mut snapshot, &raw mut err) };
        check(status, err)?;
        Ok(Snapshot(snapshot))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: closed once, by the owner.
        unsafe { adit_store_close(self.0) };
    }
}

/// `adit_store_batch`, with values that are lent for `'a`.
#[derive(Debug)]
pub struct Batch<'a> {
    raw: *mut RawBatch,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// An empty one.
    ///
    /// # Errors
    /// The library's.
    pub fn new() -> Result<Batch<'a>> {
        let (mut raw, mut err) = (null_mut(), null_mut());
        // SAFETY: two live places for outputs.
        let status = unsafe { adit_store_batch_new(&raw mut raw, &raw mut err) };
        check(status, err)?;
        let lent = PhantomData;
        Ok(Batch { raw, lent })
    }

    /// Adds a value that is copied.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut err = null_mut();
        let (from, len) = (value.as_ptr().cast(), value.len());
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: a batch that nobody else uses, and live bytes.
        let status =
            unsafe { adit_store_batch_put(self.raw, key, key_len, from, len, &raw mut err) };
        check(status, err)
    }

    /// Adds a value that isn't copied.
    ///
    /// # Errors
    /// The library's.
    pub fn put_lent(&mut self, key: &[u8], value: &'a [u8]) -> Result<()> {
        let mut err = null_mut();
        let (from, len) = (value.as_ptr().cast(), value.len());
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: a batch that nobody else uses, live bytes, and the value outlives the batch.
        let status =
            unsafe { adit_store_batch_put_lent(self.raw, key, key_len, from, len, &raw mut err) };
        check(status, err)
    }

    /// Empties it, and keeps its memory.
    ///
    /// # Errors
    /// The library's.
    pub fn clear(&mut self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: a batch that nobody else uses.
        let status = unsafe { adit_store_batch_clear(self.raw, &raw mut err) };
        check(status, err)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { adit_store_batch_free(self.raw) };
    }
}

/// `adit_snapshot`.
#[derive(Debug)]
pub struct Snapshot(*mut RawSnapshot);

/// Keys and places for values of [`Snapshot::get_many`].
#[derive(Debug)]
pub struct Many<'k, const N: usize> {
    /// The keys.
    pub keys: [*const c_void; N],
    /// Their lengths.
    pub key_lens: [usize; N],
    /// The values, NULL where there is none.
    pub values: [*const c_void; N],
    /// Their lengths.
    pub lens: [usize; N],
    lent: PhantomData<&'k [u8]>,
}

impl<'k, const N: usize> Many<'k, N> {
    /// Over keys, without values yet.
    #[must_use]
    #[inline]
    pub fn of(keys: &'k [[u8; 16]; N]) -> Many<'k, N> {
        Many {
            keys: std::array::from_fn(|index| keys[index].as_ptr().cast()),
            key_lens: [16; N],
            values: [null(); N],
            lens: [0; N],
            lent: PhantomData,
        }
    }
}

impl Snapshot {
    /// Lends a value, which is of at least 8 bytes, and reads its first word.
    ///
    /// # Errors
    /// The library's; a key that isn't there.
    #[inline]
    pub fn first_word(&self, key: &[u8]) -> Result<u64> {
        let (mut value, mut len, mut err) = (null(), 0, null_mut());
        let (value_out, len_out) = (&raw mut value, &raw mut len);
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: an open snapshot, live bytes, and three live places for outputs.
        let status =
            unsafe { adit_snapshot_get(self.0, key, key_len, value_out, len_out, &raw mut err) };
        check(status, err)?;
        Ok(word_at(value, len))
    }

    /// Where a value lies.
    ///
    /// # Errors
    /// The library's; a key that isn't there.
    pub fn place(&self, key: &[u8]) -> Result<*const u8> {
        let (mut value, mut len, mut err) = (null(), 0, null_mut());
        let (value_out, len_out) = (&raw mut value, &raw mut len);
        let (key, key_len) = (key.as_ptr().cast(), key.len());
        // SAFETY: an open snapshot, live bytes, and three live places for outputs.
        let status =
            unsafe { adit_snapshot_get(self.0, key, key_len, value_out, len_out, &raw mut err) };
        check(status, err)?;
        Ok(value.cast())
    }

    /// Lends many values, and sums their first words.
    ///
    /// # Errors
    /// The library's; a key that isn't there.
    #[inline]
    pub fn first_words<const N: usize>(&self, keys: &[[u8; 16]; N]) -> Result<u64> {
        let mut many = Many::of(keys);
        let (mut found, mut err) = (0, null_mut());
        let (from, from_lens) = (many.keys.as_ptr(), many.key_lens.as_ptr());
        let (to, to_lens) = (many.values.as_mut_ptr(), many.lens.as_mut_ptr());
        let (found_out, err_out) = (&raw mut found, &raw mut err);
        // SAFETY: an open snapshot, N live keys and places, and live places for the rest.
        let status = unsafe {
            adit_snapshot_get_many(self.0, N, from, from_lens, to, to_lens, found_out, err_out)
        };
        check(status, err)?;
        if found != N {
            return Err(format!("{found} of {N} keys are there").into());
        }
        let words = many.values.iter().zip(many.lens);
        Ok(words.fold(0, |sum: u64, (&value, len)| {
            sum.wrapping_add(word_at(value, len))
        }))
    }
}

/// The first word of a lent value; 0 if it is shorter.
#[inline]
fn word_at(value: *const c_void, len: usize) -> u64 {
    if len < 8 {
        return 0;
    }
    // SAFETY: the snapshot that lent `len` bytes here is open while this is called.
    unsafe { value.cast::<u64>().read() }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: closed once; no borrowed value outlives a call here.
        unsafe { adit_snapshot_close(self.0) };
    }
}
