//! All of an index in its order, for merges and verifications: where a search takes what it passes on
//! trust, this checks each page and the place of each entry.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::super::error::Result;
use super::super::format::PAGE;
use super::base::{Base, Candidate, PAGE_BYTES};
use super::home;
use super::pages::{ENTRY, SLOTS, read_entry};

impl Base {
    /// All entries in the order of (hash, offset), each page and the place of each entry checked.
    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries {
            base: self,
            page: [0; PAGE],
            number: 0,
            slot: SLOTS,
            next: 0,
            last: None,
            count: 0,
            is_done: false,
        }
    }
}

/// All entries: see [`Base::entries`].
pub(crate) struct Entries<'a> {
    base: &'a Base,
    page: [u8; PAGE],
    /// Of the page.
    number: u64,
    /// The next one in the page.
    slot: usize,
    /// The first slot of all pages that may take the next entry.
    next: u64,
    last: Option<(u64, u64)>,
    count: u64,
    is_done: bool,
}

impl Iterator for Entries<'_> {
    type Item = Result<Candidate>;

    fn next(&mut self) -> Option<Result<Candidate>> {
        if self.is_done {
            return None;
        }
        let next = self.advance().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Entries<'_> {
    fn advance(&mut self) -> Result<Option<Candidate>> {
        loop {
            if self.slot == SLOTS {
                if self.number == self.base.first.pages {
                    return self.end();
                }
                self.number = self.number.saturating_add(1);
                self.base.checked_page(self.number, &mut self.page)?;
                self.slot = 0;
            }
            let slot = self.slot;
            self.slot = slot.saturating_add(1);
            let (entries, _) = self.page.as_chunks::<ENTRY>();
            let Some((hash, offset)) = entries.get(slot).map(read_entry) else {
                continue;
            };
            if offset != 0 {
                return self.entry(slot, hash, offset).map(Some);
            }
        }
    }

    fn entry(&mut self, slot: usize, hash: u64, offset: u64) -> Result<Candidate> {
        let within = (slot as u64).saturating_mul(ENTRY as u64);
        let at = self
            .number
            .saturating_mul(PAGE_BYTES)
            .saturating_add(within);
        if !self.base.is_covered(offset) {
            return Err(self.base.bad(at, "an entry names a place without a record"));
        }
        if self.last >= Some((hash, offset)) {
            return Err(self.base.bad(at, "entries are out of order"));
        }
        let before = self.number.saturating_sub(1).saturating_mul(SLOTS as u64);
        let place = before.saturating_add(slot as u64);
        let home = home(hash, self.base.first.buckets).saturating_mul(4);
        if place != self.next.max(home) {
            return Err(self.base.bad(at, "an entry stands in the wrong place"));
        }
        self.next = place.saturating_add(1);
        self.last = Some((hash, offset));
        self.count = self.count.saturating_add(1);
        Ok(Candidate { hash, offset, at })
    }

    fn end(&self) -> Result<Option<Candidate>> {
        if self.count == self.base.first.live {
            Ok(None)
        } else {
            Err(self
                .base
                .bad(0, "it has another number of entries than it says"))
        }
    }
}
