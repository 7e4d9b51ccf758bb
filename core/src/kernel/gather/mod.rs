//! Rows of one size, from anywhere in memory, put one after the other.
//!
//! Rows that lie apart come at the speed of a cache miss unless many misses are under way at once.
//! So long rows are worked on eight side by side, each with a stream of the CPU's own prefetch to
//! itself, and what comes next is fetched meanwhile; short ones are fetched so many ahead that
//! their misses overlap.

use std::mem::MaybeUninit;
use std::ptr;

use super::cache::{LINE, fence, prefetch, prefetch_far};
use super::convert::{Conversion, Stores, around};
use super::path::CpuPath;

#[cfg(target_arch = "x86_64")]
mod x86;

/// The most rows that are fetched ahead.
const WINDOW: usize = 64;

/// Rows that are worked on side by side.
const TOGETHER: usize = 8;

/// The bytes of a row from which on it is a long one.
const LONG: usize = 2 << 10;

/// Bytes that are fetched ahead of each long row.
const AHEAD: usize = 512;

/// Bytes of output that are fetched ahead of each long row that is converted: what is stored
/// through the caches would wait for its lines.
const AHEAD_OUT: usize = 1024;

/// Bytes of output that a conversion makes of a row before the next one has its turn: a call is
/// cheap beside them, and the inputs and outputs of all rows fit into the nearest cache.
const TURN: usize = 512;

/// Copies rows of `bytes` each to `to`, one after the other. [`Stores::Auto`] goes by the least
/// number of rows that the iterator's size hint gives.
///
/// # Safety
/// Every row is readable and `to` writable for `bytes` times the number of rows, and they don't
/// overlap. Nothing need be aligned. Another process may change what is read meanwhile.
pub unsafe fn gather(
    rows: impl Iterator<Item = *const u8>,
    bytes: usize,
    to: *mut u8,
    stores: Stores,
) {
    // SAFETY: the caller's promise; the best path is one that the CPU has.
    unsafe { gather_on(CpuPath::best(), rows, bytes, to, stores) }
}

/// As [`gather`], on a given path.
///
/// # Safety
/// As for [`gather`], and this CPU has the path ([`CpuPath::is_available`]).
pub unsafe fn gather_on(
    path: CpuPath,
    rows: impl Iterator<Item = *const u8>,
    bytes: usize,
    to: *mut u8,
    stores: Stores,
) {
    let streams = stores.over(rows.size_hint().0.saturating_mul(bytes)) == Stores::Streaming;
    let copy = copier(path, bytes, streams);
    in_windows(rows, |known, now, done| {
        // SAFETY: the caller's promise: of all the rows, `now` come after `done` others. The
        // copier was chosen for the path and for `bytes`; a fence follows.
        unsafe { copy(known, now, bytes, to.wrapping_add(done * bytes)) }
    });
    if streams {
        fence();
    }
}

/// Converts rows of `count` elements each (of blocks, where the dtype read has them) to `to`, one
/// after the other.
///
/// # Safety
/// As for [`gather`], where a row is `count` elements of the dtype that is read, and there is room
/// for as many of the dtype that is written.
pub unsafe fn gather_converted(
    rows: impl Iterator<Item = *const u8>,
    conversion: &Conversion,
    count: usize,
    to: *mut u8,
    stores: Stores,
) {
    let bytes = count * conversion.from().block_bytes() as usize;
    let bytes_out = count * conversion.bytes_out();
    let streams = stores.over(rows.size_hint().0.saturating_mul(bytes_out)) == Stores::Streaming;
    around(streams, || {
        in_windows(rows, |known, now, done| {
            let to = to.wrapping_add(done * bytes_out);
            if bytes < LONG {
                // SAFETY: the caller's promise: of all the rows, `now` come after `done` others;
                // `around` is around it.
                unsafe { convert_short(known, now, conversion, count, to, streams) };
            } else {
                // SAFETY: as above.
                unsafe { convert_long(known, now, conversion, count, to, streams) };
            }
        });
    });
}

/// Bytes of short rows that are put together for one run of a conversion.
const TOGETHER_BYTES: usize = 2 * LONG;

/// # Safety
/// As for [`gather_converted`], inside of [`around`], of the first `now` of `known`; a row is a short one.
unsafe fn convert_short(
    known: &[*const u8],
    now: usize,
    conversion: &Conversion,
    count: usize,
    to: *mut u8,
    streams: bool,
) {
    let bytes = count * conversion.from().block_bytes() as usize;
    let bytes_out = count * conversion.bytes_out();
    let copy = copier(CpuPath::best(), bytes, false);
    let most = (TOGETHER_BYTES / bytes.max(1)).max(1);
    let mut together = MaybeUninit::<[u8; TOGETHER_BYTES]>::uninit();
    let together: *mut u8 = together.as_mut_ptr().cast();
    for first in (0..now).step_by(most) {
        let rows = most.min(now - first);
        let known = known.get(first..).unwrap_or_default();
        // SAFETY: the caller's promise; so many rows have room there.
        unsafe { copy(known, rows, bytes, together) };
        let to = to.wrapping_add(first * bytes_out);
        // SAFETY: the rows were put there one after the other, and so are their rooms.
        unsafe { conversion.run_bare(together, to, rows * count, streams) };
    }
}

/// # Safety
/// As for [`gather_converted`], inside of [`around`], of the first `now` of `known`.
unsafe fn convert_long(
    known: &[*const u8],
    now: usize,
    conversion: &Conversion,
    count: usize,
    to: *mut u8,
    streams: bool,
) {
    let (size, size_out) = (
        conversion.from().block_bytes() as usize,
        conversion.bytes_out(),
    );
    let (bytes, bytes_out) = (count * size, count * size_out);
    let turn = (TURN / size_out).max(1);
    let ahead = AHEAD.max(turn * size);
    let mut to = to;
    for first in (0..now).step_by(TOGETHER) {
        let group = TOGETHER.min(now - first);
        for at in (0..count).step_by(turn) {
            let elements = turn.min(count - at);
            let (from_at, to_at) = (at * size, at * size_out);
            let rows = known.iter().enumerate().skip(first).take(group);
            for (place, (number, row)) in rows.enumerate() {
                fetch_long(known, number, bytes, from_at + ahead, elements * size);
                let from = row.wrapping_add(from_at);
                let to = to.wrapping_add(place * bytes_out + to_at);
                if !streams {
                    fetch_near(to.wrapping_add(AHEAD_OUT), elements * size_out);
                }
                // SAFETY: these elements of the row, and the room for them, which comes after that
                // of the rows before.
                unsafe { conversion.run_bare(from, to, elements, streams) };
            }
        }
        to = to.wrapping_add(group * bytes_out);
    }
}

/// Copies the first `now` of the rows; the others come next.
///
/// # Safety
/// Each of the `now` rows is readable for `bytes`, `to` is writable for all of them, and they
/// don't overlap. Where the copier streams, a fence follows.
type Copier = unsafe fn(known: &[*const u8], now: usize, bytes: usize, to: *mut u8);

fn copier(path: CpuPath, bytes: usize, streams: bool) -> Copier {
    #[cfg(target_arch = "x86_64")]
    {
        // The rows of an output are aligned alike only so.
        let streams = streams && bytes.is_multiple_of(LINE);
        match (path, bytes >= LONG, streams) {
            (CpuPath::Avx512, true, true) => return x86::stream_long_avx512,
            (CpuPath::Avx512, true, false) => return x86::copy_long_avx512,
            (CpuPath::Avx512, false, _) => return x86::copy_short_avx512,
            (CpuPath::Avx2, true, true) => return x86::stream_long_avx2,
            (CpuPath::Avx2, true, false) => return x86::copy_long_avx2,
            (CpuPath::Avx2, false, _) => return x86::copy_short_avx2,
            _ => {}
        }
    }
    let _ = (path, bytes, streams);
    copy_plainly
}

/// # Safety
/// That of [`Copier`].
unsafe fn copy_plainly(known: &[*const u8], now: usize, bytes: usize, to: *mut u8) {
    for (number, row) in known.iter().take(now).enumerate() {
        let to = to.wrapping_add(number * bytes);
        // SAFETY: the caller's promise: row `number` and its room.
        unsafe { row.copy_to_nonoverlapping(to, bytes) };
    }
}

/// Calls `work` with stretches of the rows: known ones, of which the first so many are to be
/// worked on, and how many were before.
fn in_windows(
    mut rows: impl Iterator<Item = *const u8>,
    mut work: impl FnMut(&[*const u8], usize, usize),
) {
    let mut window = [ptr::null(); 2 * WINDOW];
    let (mut known, mut done) = (0, 0);
    loop {
        for (place, row) in window.iter_mut().skip(known).zip(&mut rows) {
            *place = row;
            known += 1;
        }
        let now = known.min(WINDOW);
        if now == 0 {
            return;
        }
        work(window.get(..known).unwrap_or_default(), now, done);
        window.copy_within(now..known, 0);
        known -= now;
        done += now;
    }
}

/// Fetches `len` bytes from byte `at` of `row` on; those past its end are the start of the row
/// that has its place in the next group.
#[inline(always)]
fn fetch_long(known: &[*const u8], row: usize, bytes: usize, at: usize, len: usize) {
    let (row, at) = if at < bytes {
        (row, at)
    } else {
        (row + TOGETHER, at - bytes)
    };
    if let Some(row) = known.get(row) {
        fetch(row.wrapping_add(at), len);
    }
}

#[inline(always)]
fn fetch_near(from: *const u8, len: usize) {
    for at in (0..len).step_by(LINE) {
        prefetch(from.wrapping_add(at));
    }
}

#[inline(always)]
fn fetch(from: *const u8, len: usize) {
    for at in (0..len).step_by(LINE) {
        prefetch_far(from.wrapping_add(at));
    }
}
