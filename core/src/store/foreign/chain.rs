//! The chain from an end of the file down to its first byte, and which layout it has.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::bytes::{Window, crc32};
use super::layout::{ENDING, Entry, ForeignLayout};
use crate::map::Data;
use crate::store::error::{Error, Result};

/// Values of one kind whose checksums tell the layouts apart, and their bytes: one at least.
const SAMPLES: u64 = 8;
const SAMPLED_BYTES: u64 = 16 << 20;

/// An end from which the entries lead down to the first byte, and the layout in which they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) layout: ForeignLayout,
    pub(super) end: u64,
    pub(super) entries: u64,
}

/// The entries of a chain, newest first.
pub(super) struct Walk<'w, 'a> {
    window: &'w mut Window<'a>,
    layout: ForeignLayout,
    /// Where the next entry ends: 0 when the walk has come to the first byte.
    end: u64,
}

impl<'w, 'a> Walk<'w, 'a> {
    pub(super) fn new(window: &'w mut Window<'a>, layout: ForeignLayout, end: u64) -> Walk<'w, 'a> {
        Walk {
            window,
            layout,
            end,
        }
    }

    /// The next entry; none at the first byte, and where the chain breaks. Each ends below the one
    /// before it.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        if self.end == 0 {
            return Ok(None);
        }
        let bytes = self.window.before(self.end, ENDING)?;
        let Some((entry, prev)) = self.layout.entry(bytes, self.end) else {
            return Ok(None);
        };
        self.end = prev;
        Ok(Some(entry))
    }

    /// Whether the walk has come to the first byte.
    pub(super) fn is_down(&self) -> bool {
        self.end == 0
    }
}

/// The number of entries of the chain that ends at `end`, where it leads down to the first byte.
/// Each step takes one from `steps`; none where they don't suffice, or the chain breaks.
pub(super) fn length(
    window: &mut Window<'_>,
    layout: ForeignLayout,
    end: u64,
    steps: &mut u64,
) -> Result<Option<u64>> {
    let mut walk = Walk::new(window, layout, end);
    let mut entries = 0u64;
    while *steps > 0 && walk.next()?.is_some() {
        *steps = steps.saturating_sub(1);
        entries = entries.saturating_add(1);
    }
    Ok((walk.is_down() && entries > 0).then_some(entries))
}

/// Whether an entry's value is what was written.
pub(super) fn is_sound(data: &Data, layout: ForeignLayout, entry: &Entry) -> Result<bool> {
    let sum = crc32(data, 0, entry.start, entry.value_end(layout))?;
    Ok(layout.is_crc(sum, entry))
}

/// The values of a whole chain that are what was written, each read once.
pub(super) fn sound_entries(data: &Data, chain: &Chain) -> Result<u64> {
    let mut window = Window::new(data)?;
    let mut walk = Walk::new(&mut window, chain.layout, chain.end);
    let mut sound = 0u64;
    while let Some(entry) = walk.next()? {
        sound = sound.saturating_add(u64::from(is_sound(data, chain.layout, &entry)?));
    }
    Ok(sound)
}

/// Of some values of a chain, how many are what was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) sound: u64,
    pub(super) of: u64,
}

/// The chain that ends at `end`, in the layout in which the most of its sampled values are what was
/// written; where that tells nothing, in the first of [`ForeignLayout::ALL`] that it fits: then
/// all of them read the same values, or none reads any.
pub(super) fn ending_at(
    data: &Data,
    window: &mut Window<'_>,
    end: u64,
) -> Result<Option<(Chain, Sample)>> {
    let mut best: Option<(Chain, Sample)> = None;
    let mut unlimited = u64::MAX;
    for layout in ForeignLayout::ALL {
        let Some(entries) = length(window, layout, end, &mut unlimited)? else {
            continue;
        };
        let chain = Chain {
            layout,
            end,
            entries,
        };
        let sample = sample(data, window, &chain)?;
        if best.is_none_or(|(_, other)| sample.sound > other.sound) {
            best = Some((chain, sample));
        }
    }
    Ok(best)
}

/// Looks at the newest value and at some of those that the layouts place apart. All layouts with
/// metadata of one size are asked for the same entries.
fn sample(data: &Data, window: &mut Window<'_>, chain: &Chain) -> Result<Sample> {
    let mut walk = Walk::new(window, chain.layout, chain.end);
    // Those that 64 places elsewhere than 16 does, and those that 16 places elsewhere.
    let mut kinds = [(SAMPLES, SAMPLED_BYTES); 2];
    let mut sample = Sample::default();
    while let Some(entry) = walk.next()? {
        let prev = walk.end;
        let starts =
            [64, 16, 1].map(|align: u64| prev.checked_next_multiple_of(align).unwrap_or(prev));
        let mut is_wanted = sample.of == 0;
        for ((left, bytes), pair) in kinds.iter_mut().zip(starts.windows(2)) {
            let is_apart = pair.first() != pair.last();
            if entry.is_deletion || !is_apart || *left == 0 || *bytes == 0 {
                continue;
            }
            is_wanted = true;
            *left = left.saturating_sub(1);
            // By the distance of the ends, so that each layout has the same entries in its sample.
            *bytes = bytes.saturating_sub(entry.end.saturating_sub(prev));
        }
        if is_wanted {
            let is_sound = is_sound(data, chain.layout, &entry)?;
            sample.sound = sample.sound.saturating_add(u64::from(is_sound));
            sample.of = sample.of.saturating_add(1);
        }
    }
    Ok(sample)
}

/// All entries of a chain, oldest first.
pub(super) fn collect(data: &Data, chain: &Chain) -> Result<Vec<Entry>> {
    let out_of_memory = || {
        let bytes = chain.entries.saturating_mul(size_of::<Entry>() as u64);
        Error::out_of_memory(data.origin(), bytes)
    };
    let mut entries = Vec::new();
    // The chain was walked: it has so many.
    let count = usize::try_from(chain.entries).map_err(|_| out_of_memory())?;
    entries
        .try_reserve_exact(count)
        .map_err(|_| out_of_memory())?;
    let mut window = Window::new(data)?;
    let mut walk = Walk::new(&mut window, chain.layout, chain.end);
    // Never more than there is room for, should the file have changed since.
    while entries.len() < count
        && let Some(entry) = walk.next()?
    {
        entries.push(entry);
    }
    if !walk.is_down() {
        return Err(Error::Record {
            origin: data.origin().clone(),
            offset: walk.end,
            why: "the file was changed while it was opened",
        });
    }
    entries.reverse();
    Ok(entries)
}
