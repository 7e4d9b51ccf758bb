//! Two buffers between which kernels work again and again.

use std::cell::RefCell;
use std::hint::black_box;

use crate::harness::{Side, time};
use crate::machine::free_memory;
use crate::memory::HugeBuffer;
use crate::{Context, Result};

/// The sizes that conversions are measured at, of what they read and write together, and names of
/// them: for L1, L2, beyond, and past most caches.
pub const SIZES: [(usize, &str); 4] = [
    (36 << 10, "36 KiB"),
    (576 << 10, "576 KiB"),
    (6 << 20, "6 MiB"),
    (256 << 20, "256 MiB"),
];

/// What one run of a side moves at least, in and out together or one way.
const RUN_BYTES: usize = 64 << 20;

/// Where the target starts in its buffer, in lines of the cache: not at the same place in a page
/// as the source, which would make loads wait for stores that have nothing to do with them.
const SKEW: usize = 33 * 64;

/// Source and target, in huge pages.
#[derive(Debug)]
pub struct Arena {
    from: HugeBuffer,
    to: RefCell<HugeBuffer>,
}

impl Arena {
    /// Room for `len` bytes on both sides, the source's filled by `fill`. None where that is more
    /// than the machine's memory has free.
    ///
    /// # Errors
    /// The system's.
    pub fn new(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Option<Arena>> {
        if free_memory() / 4 < len as u64 {
            println!("# skipped: two buffers of {len} bytes, of which memory has too little free");
            return Ok(None);
        }
        let mut from = HugeBuffer::new(len)?;
        fill(from.plain_mut());
        let to = RefCell::new(HugeBuffer::new(len + 2 * SKEW)?);
        Ok(Some(Arena { from, to }))
    }

    /// The source.
    #[must_use]
    pub fn from(&self) -> &[u8] {
        self.from.bytes()
    }

    /// A side that gives `call` the first `len` bytes of the target, as often as it needs to move
    /// enough bytes if it moves `moved` a call.
    pub fn side<'a>(
        &'a self,
        len: usize,
        moved: usize,
        call: impl FnMut(&mut [u8]) -> Result<()> + 'a,
    ) -> Side<'a, 1> {
        self.side_at(0, len, moved, call)
    }

    /// As [`Arena::side`], `skip` bytes further.
    pub fn side_at<'a>(
        &'a self,
        skip: usize,
        len: usize,
        moved: usize,
        mut call: impl FnMut(&mut [u8]) -> Result<()> + 'a,
    ) -> Side<'a, 1> {
        let times = (RUN_BYTES / moved).max(1);
        Box::new(move |_| {
            let mut to = self.to.borrow_mut();
            let to = &mut to.plain_mut()[SKEW + skip..][..len];
            let seconds = time(times, || {
                for _ in 0..times {
                    call(black_box(&mut *to))?;
                }
                Ok(())
            })?;
            Ok([seconds])
        })
    }

    /// Looks at what `call` puts into the first `len` bytes of the target, zeros before.
    ///
    /// # Errors
    /// The call's.
    pub fn result<T>(
        &self,
        len: usize,
        call: impl FnOnce(&mut [u8]) -> Result<()>,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let mut to = self.to.borrow_mut();
        let to = &mut to.plain_mut()[SKEW..][..len];
        to.fill(0);
        call(to)?;
        Ok(look(to))
    }
}

/// The rounds of kernels that move so many bytes a call: most runs are short, so there can be more.
#[must_use]
pub fn rounds(context: &Context, moved: usize) -> usize {
    if moved < RUN_BYTES {
        4 * context.rounds + 1
    } else {
        context.rounds
    }
}
