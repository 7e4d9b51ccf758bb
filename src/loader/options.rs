//! How a loader is opened.

use std::ffi::c_void;

use adit_core::loader::{
    BadRecord, Cache, LoaderOptions, OrderOptions, Partition, Ranks, STATE_BYTES, Shuffle, Uneven,
};

use adit_core::record::Check;

use super::fields::adit_loader_fields;
use super::transform::{adit_transform_fn, transform_argument};
use crate::boundary::{
    Failure, Options, choose, init_options, peek_sound, read_options, refuse_flags, refuse_reserved,
};
use crate::callbacks::{adit_allocator, allocator};
use crate::data::any_io_argument;
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::record_reader::check_argument;

/// The order of an epoch.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_order {
    /// Shuffled by seed and epoch; see the head of this section.
    ADIT_ORDER_SHUFFLED = 0,
    /// As the records are.
    ADIT_ORDER_SEQUENTIAL = 1,
}

/// What becomes of a last step that isn't full.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_uneven {
    /// It is left out: its records come in other epochs.
    ADIT_UNEVEN_DROP = 0,
    /// It is filled up from the epoch's start; adit_batch_flags tells ADIT_ROW_PADDING.
    ADIT_UNEVEN_PAD = 1,
    /// Its batches have fewer valid rows, in some ranks none; zeros stand in the others.
    ADIT_UNEVEN_KEEP = 2,
}

/// What a loader does about the page cache.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_cache {
    /// Keep where the set fits into the memory that the process may use (its control group's limit,
    /// else half of the machine's), drop else.
    ADIT_CACHE_AUTO = 0,
    /// Leave it to the system.
    ADIT_CACHE_KEEP = 1,
    /// Let go of each window's pages when it is done.
    ADIT_CACHE_DROP = 2,
}

/// What becomes of a record that can't be had.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_bad_record {
    /// adit_loader_next fails and tells its number.
    ADIT_BAD_RECORD_FAIL = 0,
    /// Another takes its place: the first sound one of those 1, 2, 4 and so on to 32768 places on in
    /// the set, which follow its end at its start; none is a failure.
    ADIT_BAD_RECORD_REPLACE = 1,
    /// Zeros take its place.
    ADIT_BAD_RECORD_MASK = 2,
}

/// In adit_loader_options.flags: no threads; adit_loader_next reads and transforms itself.
pub const ADIT_LOADER_NO_THREADS: u32 = 1;
/// In adit_loader_options.flags: rank and world are those that the launcher's environment says
/// (OMPI_COMM_WORLD_RANK and _SIZE, PMI_RANK and _SIZE, PMIX_RANK, SLURM_PROCID and _NTASKS, RANK and
/// WORLD_SIZE); in the options they must be 0. Sources that disagree, and an environment that says
/// nothing, are ADIT_ERR_INVALID_ARGUMENT, which names them.
pub const ADIT_LOADER_FROM_ENVIRONMENT: u32 = 2;
/// In adit_loader_options.flags: as ADIT_CONVERT_SATURATE, for every field that is converted.
pub const ADIT_LOADER_SATURATE: u32 = 4;

/// The most that a loader's state has, in bytes.
pub const ADIT_LOADER_STATE_BYTES: usize = 256;

const _: () = assert!(STATE_BYTES <= ADIT_LOADER_STATE_BYTES);

/// How to load. `batch` must be set; zero in any other field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_loader_options {
    /// sizeof(adit_loader_options).
    pub struct_size: usize,
    /// The global batch: records of a step over all ranks, at most 2^32. With fewer than `world` some ranks have
    /// batches without rows.
    pub batch: u64,
    /// What the order, and the transform's seeds, are a function of.
    pub seed: u64,
    /// The first epoch.
    pub epoch: u64,
    /// This process among `world`, from 0.
    pub rank: u32,
    /// How many processes share the steps, at most 2^24; 0 for 1.
    pub world: u32,
    /// Lanes of the order, at most 65536; 0 for 1.
    pub canonical_nodes: u32,
    /// ADIT_LOADER_... flags.
    pub flags: u32,
    /// Records of a block, at most 2^60; 0 for as many as make about 4 MiB of this set.
    pub block: u64,
    /// Blocks of a window; 0 for the whole lane.
    pub window: u64,
    /// An adit_order.
    pub order: i32,
    /// An adit_uneven.
    pub uneven: i32,
    /// An adit_io. ADIT_IO_AUTO is ADIT_IO_READ.
    pub io: i32,
    /// An adit_cache.
    pub cache: i32,
    /// An adit_bad_record.
    pub bad_record: i32,
    /// An adit_record_check: ADIT_RECORD_CHECK_NEVER compares no checksums; 0 as the reader was
    /// opened.
    pub check: i32,
    /// Threads; 0 for one, at most 1024.
    pub workers: u32,
    /// Batches that there is memory for, those held among them: at least max_held + 1, at most 1024;
    /// 0 for a few more than are held.
    pub depth: u32,
    /// Batches that the caller may hold; 0 for 2.
    pub max_held: u32,
    /// Zero.
    pub reserved0: u32,
    /// The most memory in bytes for batches; 0 for no limit. What each thread reads through comes on
    /// top: with a transform about 4 MiB of its records, or 16 of a ragged field; with ADIT_IO_DIRECT
    /// 1 MiB or more.
    pub memory_budget: u64,
    /// The fields; NULL for all of the set's, as they are, ragged ones packed.
    pub fields: *const adit_loader_fields,
    /// Makes the outputs of `fields`; NULL where there are none.
    pub transform: adit_transform_fn,
    /// Given to transform.
    pub transform_ctx: *mut c_void,
    /// Where batches' memory comes from; NULL for the system's allocator. It must live until the
    /// loader is closed and the last batch released.
    pub allocator: *const adit_allocator,
    /// Zeros.
    pub reserved: [u64; 8],
}

//@c-after
//@ /** The default options; set batch. */
//@ #define ADIT_LOADER_OPTIONS_INIT \
//@     { sizeof(adit_loader_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
//@       NULL, NULL, NULL, NULL, { 0, 0, 0, 0, 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers, null pointers, no function.
unsafe impl Options for adit_loader_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_options_init(options: *mut adit_loader_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(super) unsafe fn loader_options(
    ptr: *const adit_loader_options,
) -> Result<LoaderOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    let known = ADIT_LOADER_NO_THREADS | ADIT_LOADER_FROM_ENVIRONMENT | ADIT_LOADER_SATURATE;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    // SAFETY: NULL or an open handle, by the caller's promise.
    let fields = unsafe { peek_sound(own.fields) }?;
    let fields = fields.cloned().unwrap_or_default();
    // SAFETY: the caller's promise.
    let allocator = unsafe { allocator(own.allocator) }?;
    let transform = transform_argument(own.transform, own.transform_ctx, &fields.made)?;
    let overflow = match own.flags & ADIT_LOADER_SATURATE {
        0 => overflow_of(0),
        _ => overflow_of(ADIT_CONVERT_SATURATE),
    };
    Ok(LoaderOptions {
        order: OrderOptions {
            shuffle: order_of(own.order)?,
            seed: own.seed,
            block: own.block,
            window: own.window,
            canonical_nodes: own.canonical_nodes,
        },
        partition: partition_of(&own)?,
        epoch: own.epoch,
        io: any_io_argument(own.io, "options->io")?,
        cache: cache_of(own.cache)?,
        workers: workers_of(&own)?,
        depth: own.depth as usize,
        max_held: own.max_held as usize,
        fields: fields.read,
        overflow,
        bad: bad_of(own.bad_record)?,
        transform,
        outputs: fields.made,
        allocator,
        memory_budget: own.memory_budget,
        check: check_of(own.check)?,
    })
}

fn partition_of(own: &adit_loader_options) -> Result<Partition, Failure> {
    let ranks = match own.flags & ADIT_LOADER_FROM_ENVIRONMENT {
        0 => Ranks {
            rank: own.rank,
            world: own.world.max(1),
        },
        _ if own.rank != 0 || own.world != 0 => {
            return Err(Failure::invalid(
                "options->rank and options->world must be 0 with ADIT_LOADER_FROM_ENVIRONMENT",
            ));
        }
        _ => Ranks::from_environment(|name| std::env::var(name).ok())?,
    };
    Ok(Partition {
        batch: own.batch,
        world: ranks.world,
        rank: ranks.rank,
        uneven: uneven_of(own.uneven)?,
    })
}

fn check_of(check: i32) -> Result<Option<Check>, Failure> {
    let check = check_argument(check, "options->check")?;
    Ok((check != Check::default()).then_some(check))
}

fn workers_of(own: &adit_loader_options) -> Result<Option<usize>, Failure> {
    match (own.flags & ADIT_LOADER_NO_THREADS, own.workers) {
        (0, 0) => Ok(None),
        (0, workers) => Ok(Some(workers as usize)),
        (_, 0) => Ok(Some(0)),
        (_, workers) => Err(Failure::invalid(format_args!(
            "options->workers is {workers}, but ADIT_LOADER_NO_THREADS says none"
        ))),
    }
}

fn order_of(order: i32) -> Result<Shuffle, Failure> {
    let table = [
        (adit_order::ADIT_ORDER_SHUFFLED as i32, Shuffle::Windowed),
        (
            adit_order::ADIT_ORDER_SEQUENTIAL as i32,
            Shuffle::Sequential,
        ),
    ];
    choose(order, "options->order", "adit_order", &table)
}

fn uneven_of(uneven: i32) -> Result<Uneven, Failure> {
    let table = [
        (adit_uneven::ADIT_UNEVEN_DROP as i32, Uneven::Drop),
        (adit_uneven::ADIT_UNEVEN_PAD as i32, Uneven::Pad),
        (adit_uneven::ADIT_UNEVEN_KEEP as i32, Uneven::Keep),
    ];
    choose(uneven, "options->uneven", "adit_uneven", &table)
}

fn cache_of(cache: i32) -> Result<Cache, Failure> {
    let table = [
        (adit_cache::ADIT_CACHE_AUTO as i32, Cache::Auto),
        (adit_cache::ADIT_CACHE_KEEP as i32, Cache::Keep),
        (adit_cache::ADIT_CACHE_DROP as i32, Cache::Drop),
    ];
    choose(cache, "options->cache", "adit_cache", &table)
}

fn bad_of(bad: i32) -> Result<BadRecord, Failure> {
    use adit_bad_record as own;
    let table = [
        (own::ADIT_BAD_RECORD_FAIL as i32, BadRecord::Fail),
        (own::ADIT_BAD_RECORD_REPLACE as i32, BadRecord::Replace),
        (own::ADIT_BAD_RECORD_MASK as i32, BadRecord::Mask),
    ];
    choose(bad, "options->bad_record", "adit_bad_record", &table)
}
