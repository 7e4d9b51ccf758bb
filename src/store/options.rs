//! How a store is opened, and made.

use adit_core::store::{OpenMode, StoreAccess, StoreOptions, SyncPolicy, ValueCheck};

use crate::boundary::{
    Failure, Options, choose, init_options, read_options, refuse_flags, refuse_reserved,
};

/// What becomes of a store that isn't there, and of one that is.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_store_mode {
    /// It is opened for writing, and made where there is none.
    ADIT_STORE_CREATE = 0,
    /// It must be there, and is opened for writing.
    ADIT_STORE_WRITE = 1,
    /// It must not be there, and is made.
    ADIT_STORE_NEW = 2,
    /// It must be there, and is opened for reading: nothing is written, made or locked.
    ADIT_STORE_READ = 3,
}

/// When writes become durable; the head of this section has more.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_sync {
    /// Before each write returns.
    ADIT_SYNC_BATCH = 0,
    /// The same; writes of several threads share a sync.
    ADIT_SYNC_GROUP = 1,
    /// By adit_store_sync, by a checkpoint (adit_store_options.checkpoint_bytes) and by close.
    ADIT_SYNC_EXPLICIT = 2,
    /// By adit_store_sync alone.
    ADIT_SYNC_NONE = 3,
}

/// When the checksum of a value is compared as it is lent. A value that fails is ADIT_ERR_CHECKSUM.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_store_check {
    /// Never; adit_store_verify does.
    ADIT_STORE_CHECK_NEVER = 0,
    /// At about the first time that the handle lends it: which ones were checked is kept in a table
    /// of fixed size.
    ADIT_STORE_CHECK_FIRST = 1,
    /// Each time.
    ADIT_STORE_CHECK_ALWAYS = 2,
}

/// How the file is read.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_store_access {
    /// Mapped; network file systems are refused.
    ADIT_STORE_MAPPED = 0,
    /// Mapped whatever the file system: sound where one machine alone uses the file.
    ADIT_STORE_ANYWHERE = 1,
    /// Read by system calls into memory that snapshots own, the index in memory too, by one process
    /// at a time: for network file systems. A look-up is slower and its value a copy.
    ADIT_STORE_EXCLUSIVE = 2,
}

/// In adit_store_options.flags: the index is merged into its file by a thread of the store, which
/// ends at close, and not by the write that finds the part in memory full.
pub const ADIT_STORE_MERGE_THREAD: u32 = 1;

/// How to open a store. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_options {
    /// sizeof(adit_store_options).
    pub struct_size: usize,
    /// An adit_store_mode.
    pub mode: i32,
    /// An adit_sync.
    pub sync: i32,
    /// An adit_store_check.
    pub check: i32,
    /// An adit_store_access.
    pub access: i32,
    /// For a store that is made: what values' places in the file and in memory are multiples of, a
    /// power of two from 64 to 4096; 0 for 64. A store that is there keeps its own.
    pub align: u32,
    /// ADIT_STORE_MERGE_THREAD.
    pub flags: u32,
    /// Bytes of address space kept for the file to grow into: within them appends map nothing anew.
    /// Less is taken where there isn't so much. 0 for the larger of 64 GiB and four times the file.
    pub reservation: u64,
    /// Keys that are expected: the index has room for them from the start, within index_memory.
    pub expected_keys: u64,
    /// Bytes of memory for the part of the index that isn't in its file yet; twice as much while it
    /// is merged. 0 for 64 MiB.
    pub index_memory: u64,
    /// Bytes of log after which a checkpoint is made: what opening after a crash reads at most. 0
    /// for 64 MiB.
    pub checkpoint_bytes: u64,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options: made where there is none, each write durable when it returns. */
//@ #define ADIT_STORE_OPTIONS_INIT \
//@     { sizeof(adit_store_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_store_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_options_init(options: *mut adit_store_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(super) unsafe fn store_options(
    ptr: *const adit_store_options,
) -> Result<StoreOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_flags(own.flags, ADIT_STORE_MERGE_THREAD, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    // Zeros mean the default here as everywhere.
    let align = if own.align == 0 { 64 } else { own.align };
    if !align.is_power_of_two() || !(64..=4096).contains(&align) {
        return Err(Failure::invalid(format_args!(
            "options->align is {align}, no power of two from 64 to 4096"
        )));
    }
    Ok(StoreOptions {
        mode: mode_of(own.mode)?,
        sync: sync_of(own.sync)?,
        check: check_of(own.check)?,
        access: access_of(own.access)?,
        align: own.align,
        reservation: own.reservation,
        expected_keys: own.expected_keys,
        index_memory: own.index_memory,
        checkpoint_bytes: own.checkpoint_bytes,
        merge_thread: own.flags & ADIT_STORE_MERGE_THREAD != 0,
        ..StoreOptions::default()
    })
}

fn mode_of(mode: i32) -> Result<OpenMode, Failure> {
    let table = [
        (adit_store_mode::ADIT_STORE_CREATE as i32, OpenMode::Create),
        (adit_store_mode::ADIT_STORE_WRITE as i32, OpenMode::Write),
        (adit_store_mode::ADIT_STORE_NEW as i32, OpenMode::New),
        (adit_store_mode::ADIT_STORE_READ as i32, OpenMode::Read),
    ];
    choose(mode, "options->mode", "adit_store_mode", &table)
}

fn sync_of(sync: i32) -> Result<SyncPolicy, Failure> {
    let table = [
        (adit_sync::ADIT_SYNC_BATCH as i32, SyncPolicy::Batch),
        (adit_sync::ADIT_SYNC_GROUP as i32, SyncPolicy::Group),
        (adit_sync::ADIT_SYNC_EXPLICIT as i32, SyncPolicy::Explicit),
        (adit_sync::ADIT_SYNC_NONE as i32, SyncPolicy::None),
    ];
    choose(sync, "options->sync", "adit_sync", &table)
}

fn check_of(check: i32) -> Result<ValueCheck, Failure> {
    use adit_store_check as own;
    let table = [
        (own::ADIT_STORE_CHECK_NEVER as i32, ValueCheck::Never),
        (own::ADIT_STORE_CHECK_FIRST as i32, ValueCheck::FirstTouch),
        (own::ADIT_STORE_CHECK_ALWAYS as i32, ValueCheck::Always),
    ];
    choose(check, "options->check", "adit_store_check", &table)
}

fn access_of(access: i32) -> Result<StoreAccess, Failure> {
    use adit_store_access as own;
    let table = [
        (own::ADIT_STORE_MAPPED as i32, StoreAccess::Mapped),
        (own::ADIT_STORE_ANYWHERE as i32, StoreAccess::MappedAnywhere),
        (own::ADIT_STORE_EXCLUSIVE as i32, StoreAccess::Exclusive),
    ];
    choose(access, "options->access", "adit_store_access", &table)
}
