//! Checkpoints: from where the next opening has to look.

use super::format::Slot;
use super::log::Log;
use super::store::{Counters, Inner, Mark};
use super::syncs::{Checkpoint, Token};

/// Writes the next slot where one is due. Everything below `mark` is durable; the slot is with the
/// next sync, and until then the one before counts. A failure costs time when the store is opened,
/// no more, and is logged.
pub(super) fn write(
    inner: &Inner,
    token: &Token<'_>,
    log: &Log,
    mark: &Mark,
    checkpoint: Checkpoint,
) {
    let before = token.slot();
    let distance = mark.end.tail.saturating_sub(before.end.tail);
    let is_due = match checkpoint {
        Checkpoint::Sometimes => distance >= inner.options.checkpoint_bytes(),
        Checkpoint::Now => distance > 0,
    };
    if !is_due {
        return;
    }
    let slot = next(&before, mark);
    let bytes = slot.encode(&log.header);
    match log.file.write_all_at(&bytes, Slot::offset(slot.sequence)) {
        Ok(()) => {
            token.set_slot(slot);
            Counters::count(&inner.counters.checkpoints);
        }
        Err(error) => log::warn!("{} gets no checkpoint: {error}", inner.origin),
    }
}

pub(super) fn next(before: &Slot, mark: &Mark) -> Slot {
    Slot {
        sequence: before.sequence.saturating_add(1),
        end: mark.end,
        live: mark.live,
        live_bytes: mark.live_bytes,
    }
}
