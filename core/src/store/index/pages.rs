//! The bytes of the index: `docs/store-format.md`.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::super::format::{
    End, FIRST, Header, MAX_LOG, PAGE, UNIT, bytes_at, is_sealed, put, seal, u32_at, u64_at,
};
use crate::kernel::crc32c_of;

/// The index starts with this.
const MAGIC: [u8; 16] = *b"\x89ADITKVINDEX\r\n\x1a\n";
/// The only version.
const VERSION: u32 = 1;
/// Buckets of a page.
pub(super) const BUCKETS: u64 = 63;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 16;
/// Entries of a page.
pub(super) const SLOTS: usize = 252;
/// Entries of a bucket.
pub(super) const BUCKET_SLOTS: u64 = 4;
/// Where the trailer of a page starts.
pub(super) const TRAILER: usize = 4032;
/// Behind the CRC and what isn't covered by it.
const COVERED: usize = TRAILER + 8;

/// What page 0 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstPage {
    pub(crate) uuid: [u8; 16],
    pub(crate) covered: End,
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
    /// Home buckets.
    pub(crate) buckets: u64,
    /// Pages that follow.
    pub(crate) pages: u64,
}

impl FirstPage {
    pub(super) fn empty(covered: &End) -> FirstPage {
        FirstPage {
            uuid: [0; 16],
            covered: *covered,
            live: 0,
            live_bytes: 0,
            buckets: 1,
            pages: 0,
        }
    }

    pub(crate) fn encode(&self) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        put(&mut page, 0, &MAGIC);
        put(&mut page, 16, &VERSION.to_le_bytes());
        put(&mut page, 20, &4096_u32.to_le_bytes());
        put(&mut page, 24, &self.uuid);
        let numbers = [
            self.covered.tail,
            self.covered.last,
            self.covered.chain,
            self.covered.records,
            self.live,
            self.live_bytes,
            self.buckets,
            self.pages,
        ];
        for (at, number) in (40..).step_by(8).zip(numbers) {
            put(&mut page, at, &number.to_le_bytes());
        }
        seal(&mut page);
        page
    }

    /// Page 0 of an index of the log with this header, in a file of `len` bytes.
    pub(crate) fn decode(
        page: &[u8; PAGE],
        header: &Header,
        len: u64,
    ) -> Result<FirstPage, &'static str> {
        if bytes_at(page, 0) != MAGIC {
            return Err("it is no index");
        }
        if !is_sealed(page) {
            return Err("the checksum of its first page is wrong");
        }
        if u32_at(page, 16) != VERSION || u32_at(page, 20) != 4096 {
            return Err("it is of another version");
        }
        if bytes_at(page, 24) != header.uuid {
            return Err("it is of another log");
        }
        let first = FirstPage {
            uuid: header.uuid,
            covered: End {
                tail: u64_at(page, 40),
                last: u64_at(page, 48),
                chain: u64_at(page, 56),
                records: u64_at(page, 64),
            },
            live: u64_at(page, 72),
            live_bytes: u64_at(page, 80),
            buckets: u64_at(page, 88),
            pages: u64_at(page, 96),
        };
        let tail = first.covered.tail;
        if !(FIRST..=MAX_LOG).contains(&tail)
            || !tail.is_multiple_of(UNIT)
            || first.covered.last >= tail
        {
            return Err("it covers a tail that no log can have");
        }
        if first
            .pages
            .checked_add(1)
            .and_then(|pages| pages.checked_mul(PAGE as u64))
            != Some(len)
        {
            return Err("it has another length than it says");
        }
        // The length bounds the pages, and they what follows.
        if first.buckets == 0 || first.buckets > first.pages.saturating_mul(BUCKETS) {
            return Err("it has a number of buckets that its pages can't have");
        }
        if first.live > first.pages.saturating_mul(SLOTS as u64) {
            return Err("it has a number of entries that its pages can't have");
        }
        Ok(first)
    }
}

/// What is wrong with a page behind the first one.
pub(super) fn fault_of(page: &[u8; PAGE], number: u64, first: &FirstPage) -> Option<&'static str> {
    if u32_at(page, TRAILER) != crc_of(page) {
        return Some("the checksum of the page is wrong");
    }
    let is_its = u64_at(page, COVERED) == number
        && u64_at(page, COVERED + 8) == first.covered.tail
        && bytes_at(page, COVERED + 16) == first.uuid;
    (!is_its).then_some("the page is of another index")
}

/// Writes the trailer of a page.
pub(super) fn seal_page(page: &mut [u8; PAGE], number: u64, first: &FirstPage) {
    put(page, COVERED, &number.to_le_bytes());
    put(page, COVERED + 8, &first.covered.tail.to_le_bytes());
    put(page, COVERED + 16, &first.uuid);
    let crc = crc_of(page);
    put(page, TRAILER, &crc.to_le_bytes());
}

fn crc_of(page: &[u8; PAGE]) -> u32 {
    let entries = crc32c_of(0, page.get(..TRAILER).unwrap_or_default());
    crc32c_of(entries, page.get(COVERED..).unwrap_or_default())
}

/// The hash and the offset of an entry.
pub(super) fn read_entry(entry: &[u8; ENTRY]) -> (u64, u64) {
    (u64_at(entry, 0), u64_at(entry, 8))
}

/// Writes an entry to its place in a page.
pub(super) fn write_entry(page: &mut [u8; PAGE], slot: usize, hash: u64, offset: u64) {
    let (entries, _) = page.as_chunks_mut::<ENTRY>();
    if let Some(entry) = entries.get_mut(slot) {
        put(entry, 0, &hash.to_le_bytes());
        put(entry, 8, &offset.to_le_bytes());
    }
}
