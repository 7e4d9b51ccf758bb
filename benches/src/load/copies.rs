//! What loads are measured against: copies by several threads.

use std::mem::MaybeUninit;
use std::thread;

use crate::Result;
use crate::memory::copy;

/// Parts end at multiples of this in both buffers, so that no two threads write to one page.
const HUGE_PAGE: usize = 2 << 20;

/// memcpy of parts of equal sizes on `threads` threads, the caller's among them.
pub fn copy_by(threads: u32, from: &[u8], to: &mut [MaybeUninit<u8>]) {
    let part = from
        .len()
        .div_ceil(threads as usize)
        .next_multiple_of(HUGE_PAGE);
    thread::scope(|scope| {
        let mut parts = from.chunks(part).zip(to.chunks_mut(part));
        let own = parts.next();
        for (from, to) in parts {
            scope.spawn(move || copy(from, to));
        }
        if let Some((from, to)) = own {
            copy(from, to);
        }
    });
}

/// `convert` of parts of equal sizes on `threads` threads; each makes `scale` bytes of one.
///
/// # Errors
/// The first of a part, and a thread that panicked.
pub fn convert_by(
    threads: u32,
    from: &[u8],
    to: &mut [u8],
    scale: usize,
    convert: fn(&[u8], &mut [u8]) -> Result<()>,
) -> Result<()> {
    let part = from
        .len()
        .div_ceil(threads as usize)
        .next_multiple_of(HUGE_PAGE);
    let run = |from, to| convert(from, to).map_err(|error| error.to_string());
    thread::scope(|scope| {
        let mut parts = from.chunks(part).zip(to.chunks_mut(scale * part));
        let own = parts.next();
        let others: Vec<_> = parts
            .map(|(from, to)| scope.spawn(move || run(from, to)))
            .collect();
        if let Some((from, to)) = own {
            run(from, to)?;
        }
        for other in others {
            other.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}
