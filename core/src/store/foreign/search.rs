//! Where a store ends whose file doesn't end with an entry.
//!
//! The file's own end is tried first. A chain from there counts if its newest value is what was
//! written; if that value isn't, it counts if no other end keeps more sound values. Then each
//! earlier end is tried, nearest first: it must have a chain down to the first byte, and a newest
//! value that is what was written, and so must be most of a sample of the others. Tails of small numbers can lead into many a blind alley, and a
//! hostile one into all: this search may walk a number of steps and sum a number of bytes in
//! proportion to the file's length. Once it has used that up, the store is read from its start on,
//! each entry found by the end of the one before it and by its checksum, in one pass of the file
//! for each layout; that finds all of a store but what lies behind a damaged value.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::bytes::Window;
use super::chain::{Chain, ending_at, is_sound, length, sound_entries};
use super::layout::{ENDING, ForeignLayout};
use crate::kernel::crc32_of;
use crate::map::Data;
use crate::store::error::Result;

/// The store in a file, if there is one.
pub(super) fn find(data: &Data) -> Result<Option<Chain>> {
    let mut window = Window::new(data)?;
    let whole = ending_at(data, &mut window, data.len())?.map(|(chain, _)| chain);
    if let Some(chain) = &whole
        && newest_is_sound(data, &mut window, chain)?
    {
        return Ok(whole);
    }
    let part = match earlier(data, &mut window)? {
        Tried::Found(chain) => Some(chain),
        Tried::All => None,
        Tried::TooMany => from_the_start(data)?,
    };
    let Some(whole) = whole else {
        return Ok(part);
    };
    let sound = sound_entries(data, &whole)?;
    let elsewhere = match &part {
        Some(part) => sound_entries(data, part)?,
        None => 0,
    };
    Ok(if sound > 0 && sound >= elsewhere {
        Some(whole)
    } else {
        part
    })
}

fn newest_is_sound(data: &Data, window: &mut Window<'_>, chain: &Chain) -> Result<bool> {
    let bytes = window.before(chain.end, ENDING)?;
    match chain.layout.entry(bytes, chain.end) {
        Some((entry, _)) => is_sound(data, chain.layout, &entry),
        None => Ok(false),
    }
}

/// What the search of earlier ends came to.
enum Tried {
    Found(Chain),
    /// Every end, and none will do.
    All,
    /// So many that the search gave up.
    TooMany,
}

/// The nearest end before the file's that will do.
fn earlier(data: &Data, window: &mut Window<'_>) -> Result<Tried> {
    let len = data.len();
    let mut budget = Budget {
        steps: (len >> 4).saturating_add(4096),
        bytes: len.saturating_mul(4).saturating_add(1 << 20),
    };
    // Of its own: walks jump about.
    let mut walks = Window::new(data)?;
    let mut end = len;
    while let Some(candidate) = candidate_before(window, end)? {
        end = candidate;
        for layout in ForeignLayout::ALL {
            let Some((entry, _)) = layout.entry(window.before(end, ENDING)?, end) else {
                continue;
            };
            let entries = length(&mut walks, layout, end, &mut budget.steps)?;
            if budget.is_used_up() {
                return Ok(Tried::TooMany);
            }
            let Some(entries) = entries else { continue };
            budget.take(entry.len(layout), 0);
            if !is_sound(data, layout, &entry)? {
                continue;
            }
            let Some((chain, sample)) = ending_at(data, &mut walks, end)? else {
                continue;
            };
            // A value without bytes is sound by nothing: the sample must say more.
            if sample.sound > sample.of.saturating_sub(sample.sound) {
                return Ok(Tried::Found(chain));
            }
            budget.take(end.saturating_mul(4), entries.saturating_mul(4));
        }
    }
    Ok(Tried::All)
}

/// What the search of earlier ends may still do.
struct Budget {
    steps: u64,
    bytes: u64,
}

impl Budget {
    fn take(&mut self, bytes: u64, steps: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.steps = self.steps.saturating_sub(steps);
    }

    fn is_used_up(&self) -> bool {
        self.bytes == 0 || self.steps == 0
    }
}

/// The nearest place before `end` where an entry of any layout could end, by what its metadata says
/// of the entry before.
fn candidate_before(window: &mut Window<'_>, end: u64) -> Result<Option<u64>> {
    let mut end = end.saturating_sub(1);
    while end > 0 {
        let bytes = window.up_to(end, ENDING)?;
        let at = end.saturating_sub(bytes.len() as u64);
        // Below so many bytes those of one metadata may not all be at hand.
        let least = if at == 0 { 1 } else { ENDING };
        while end >= at.saturating_add(least) {
            let place = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let rest = bytes.get(..place).unwrap_or_default();
            let could = |metadata: usize| {
                let (_, metadata) = rest.split_at_checked(rest.len().checked_sub(metadata)?)?;
                let prev = u64::from_le_bytes(*metadata.get(8..)?.first_chunk::<8>()?);
                // Zeros alone are what a crash leaves most often, and no entry's.
                Some(prev < end && (prev != 0 || metadata.iter().any(|&byte| byte != 0)))
            };
            if could(20) == Some(true) || could(19) == Some(true) {
                return Ok(Some(end));
            }
            end = end.saturating_sub(1);
        }
        if at == 0 {
            break;
        }
    }
    Ok(None)
}

/// The longest chain that is found from the file's start on.
fn from_the_start(data: &Data) -> Result<Option<Chain>> {
    let mut window = Window::new(data)?;
    let mut best: Option<Chain> = None;
    // All layouts with metadata of one size have the same first entry, or none.
    let mut barren = 0;
    for layout in ForeignLayout::ALL {
        if layout.metadata_bytes() == barren {
            continue;
        }
        let mut chain = Chain {
            layout,
            end: 0,
            entries: 0,
        };
        while let Some(end) = following(&mut window, data.len(), layout, chain.end)? {
            chain.end = end;
            chain.entries = chain.entries.saturating_add(1);
        }
        if chain.entries == 0 {
            barren = layout.metadata_bytes();
        }
        if chain.entries > best.map_or(0, |other| other.entries) {
            best = Some(chain);
        }
    }
    Ok(best)
}

/// Where the entry ends that follows one that ends at `prev`.
fn following(
    window: &mut Window<'_>,
    len: u64,
    layout: ForeignLayout,
    prev: u64,
) -> Result<Option<u64>> {
    let metadata = layout.metadata_bytes();
    // A deletion isn't rounded up: it would end before any other entry can.
    let deletion = prev.saturating_add(metadata).saturating_add(1);
    let bytes = window.after(prev, ENDING, len)?;
    if let Some(bytes) = bytes.get(..layout.metadata_len().saturating_add(1))
        && let Some((entry, before)) = layout.entry(bytes, deletion)
        && before == prev
        && entry.is_deletion
    {
        return Ok(Some(deletion));
    }
    // The sum of the value's bytes before `at`.
    let mut sum = 0;
    let Some(mut at) = layout.start_after(prev) else {
        return Ok(None);
    };
    while at.saturating_add(metadata) <= len {
        let bytes = window.after(at, metadata, len)?;
        let mut summed = 0;
        // Each place where the value could end and its metadata start.
        let places = bytes.windows(layout.metadata_len()).enumerate();
        for (number, place) in places {
            // The hash comes first, then the end of the entry before.
            if place.get(8..16) != Some(&prev.to_le_bytes()) {
                continue;
            }
            let end = at.saturating_add(number as u64).saturating_add(metadata);
            let Some((entry, _)) = layout.entry(place, end) else {
                continue;
            };
            sum = crc32_of(sum, bytes.get(summed..number).unwrap_or_default());
            summed = number;
            if layout.is_crc(sum, &entry) {
                return Ok(Some(end));
            }
        }
        let next = bytes
            .len()
            .saturating_sub(layout.metadata_len())
            .saturating_add(1);
        sum = crc32_of(sum, bytes.get(summed..next).unwrap_or_default());
        at = at.saturating_add(next as u64);
    }
    Ok(None)
}
