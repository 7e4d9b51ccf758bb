//! Loading to wherever the caller's own copies go: through slots of memory.

use super::error::{Error, Result};
use super::feed::feed;
use super::item::{Destination, Item};
use super::load::{LoadOptions, Stats, Watch};
use super::pack::Slots;
use super::plan::Plan;

/// The most slots that a sink can have.
pub const MAX_SLOTS: usize = 4096;

/// The least bytes of a slot: a block of any dtype, converted, fits.
pub const MIN_SLOT_BYTES: usize = 4096;

/// What a slot carries of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The item.
    pub item: usize,
    /// Where the bytes belong in what it becomes.
    pub offset: u64,
    /// Where they lie in the slot.
    pub start: usize,
    /// How many there are; not 0.
    pub bytes: usize,
}

/// A device, as the load sees it: slots of memory that are filled, and copies from them that go on
/// by themselves. All is called on the thread that called the load. An error is a number of the
/// caller's, which ends the load.
///
/// For each slot the calls come in turn: acquire, submit, wait. What was submitted is waited for
/// whatever happens, unless its submit failed. Items are submitted as their files have them, each
/// from its start to its end; no slot carries two parts of one item.
///
/// # Safety
/// `acquire` gives memory that is writable for [`Sink::slot_bytes`] bytes, and nobody else's, until
/// the slot's `submit`, or until the load ends.
pub unsafe trait Sink {
    /// How many slots there are: with two or more, one is filled while another is copied.
    fn slots(&self) -> usize;

    /// The bytes of each.
    fn slot_bytes(&self) -> usize;

    /// What all parts' starts and offsets are multiples of: a power of two, no more than a slot has
    /// bytes.
    fn align(&self) -> usize {
        1
    }

    /// Whether a slot may carry parts of several items; else each has one part.
    fn packs(&self) -> bool {
        false
    }

    /// The memory of a slot, to be filled.
    ///
    /// # Errors
    /// Any number.
    fn acquire(&mut self, slot: usize) -> std::result::Result<*mut u8, i32>;

    /// Starts copying the slot's parts to where they belong. The bytes between parts are of no
    /// meaning.
    ///
    /// # Errors
    /// Any number.
    fn submit(&mut self, slot: usize, parts: &[Part]) -> std::result::Result<(), i32>;

    /// Returns when the copy from the slot is done, so that it can be filled again.
    ///
    /// # Errors
    /// Any number.
    fn wait(&mut self, slot: usize) -> std::result::Result<(), i32>;
}

/// Loads all items, none with memory of its own, through the slots of a sink: in the order in which
/// the files have them, filled by several threads. Parts are whole elements, or blocks. Progress
/// counts what was waited for.
///
/// # Errors
/// As [`super::load`]; [`Error::Callback`].
pub fn load_to_sink(
    items: &[Item],
    sink: &mut dyn Sink,
    options: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<Stats> {
    let slots = Slots {
        count: sink.slots(),
        bytes: sink.slot_bytes(),
        align: sink.align(),
        packs: sink.packs(),
    };
    let arguments = |why: String, item| Err(Error::Arguments { why, item });
    if slots.count == 0 || slots.count > MAX_SLOTS {
        let count = slots.count;
        let why = format!("the sink has {count} slots; 1 to {MAX_SLOTS} are possible");
        return arguments(why, None);
    }
    let bytes = slots.bytes;
    if bytes < MIN_SLOT_BYTES {
        let why =
            format!("the sink's slots have {bytes} bytes; at least {MIN_SLOT_BYTES} are needed");
        return arguments(why, None);
    }
    if !slots.align.is_power_of_two() || slots.align > bytes {
        let why = format!(
            "the sink's alignment is {}; powers of two up to a slot's {bytes} bytes are possible",
            slots.align
        );
        return arguments(why, None);
    }
    let given = |item: &Item| matches!(item.destination, Destination::Given(_));
    if let Some(item) = items.iter().position(given) {
        let why = format!("item {item} has memory of its own, but goes to a sink");
        return arguments(why, Some(item as u64));
    }
    let plan = Plan::new(items, options, slots.count)?;
    slots.check(&plan.jobs)?;
    feed(&plan, slots, sink, watch)
}
