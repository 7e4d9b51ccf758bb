//! Elements of one dtype turned into elements of another.

mod elements;
mod environment;
mod exact;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod number;
mod plan;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
))]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::mem::MaybeUninit;

use super::cache::{LINE, fence};
use super::copy::copy_bare;
use super::path::CpuPath;
use crate::dtype::DType;
use environment::Host;
use plan::Way;

/// A loop that turns `count` elements at `from` into `count` elements at `to`, at any alignment of
/// either. Where the source's dtype comes in blocks, `count` counts blocks.
///
/// # Safety
/// `from` is readable and `to` writable for the elements; the two don't overlap.
pub(super) type Loop = unsafe fn(from: *const u8, to: *mut u8, count: usize);

/// What becomes of a value that the target's dtype can't hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// What the dtype has for it: infinity, else NaN. Integers from integers wrap; those from
    /// floats are clamped.
    #[default]
    Plain,
    /// The nearest finite value, for an infinity too (as the saturation of OCP's 8-bit floats).
    /// Only where the target doesn't hold all finite values of the source: what can't overflow
    /// keeps its infinities. NaNs stay NaNs.
    Saturate,
}

/// How results are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stores {
    /// Past the caches where there is more output than they hold, else through them.
    #[default]
    Auto,
    /// Through the caches.
    Cached,
    /// Past the caches, where the path can.
    Streaming,
}

/// A conversion between two dtypes, chosen once and run on any number of stretches.
///
/// Results are the same bits on every path and CPU, however the host has set its floating-point
/// unit:
///
/// - A dtype to itself is a copy of the bytes.
/// - Each value is rounded once, from the source's exact value, to nearest, a tie to even.
/// - A NaN stays a NaN, quiet, with its sign and the high bits of its payload; `f8_e4m3fn` and
///   `f8_e8m0` have one payload each, `f8_e8m0` no sign.
/// - What the target can't hold is for [`Overflow`] to say.
/// - Floats become integers by truncation toward zero; outside the integer's range they are
///   clamped, and NaN becomes 0.
/// - Whatever isn't zero, a NaN too, is true. A `bool` that is not 0 reads as 1.
/// - `f8_e8m0` has no zero and nothing negative: these become NaN, or the smallest number where
///   they are to saturate. The nearest power of two is taken, the higher one from the middle on,
///   and for anything between the two smallest ones (as ml_dtypes and PyTorch do).
/// - A real number becomes a complex one with an imaginary part of 0. There is no way back.
/// - Blocks of quantised elements become f32, f16, bf16 or f64.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    from: DType,
    to: DType,
    way: Way,
}

impl Conversion {
    /// The conversion on the best path of this CPU; none where the pair makes no sense.
    #[must_use]
    pub fn new(from: DType, to: DType, overflow: Overflow) -> Option<Conversion> {
        Conversion::on(CpuPath::best(), from, to, overflow)
    }

    /// The conversion on a given path; none where the pair makes no sense or the CPU lacks the
    /// path.
    #[must_use]
    pub fn on(path: CpuPath, from: DType, to: DType, overflow: Overflow) -> Option<Conversion> {
        if !path.is_available() {
            return None;
        }
        let way = plan::way(path, from, to, overflow == Overflow::Saturate)?;
        Some(Conversion { from, to, way })
    }

    /// The dtype that is read.
    #[must_use]
    pub fn from(&self) -> DType {
        self.from
    }

    /// The dtype that is written.
    #[must_use]
    pub fn to(&self) -> DType {
        self.to
    }

    /// The bytes that are written for each element (or block, where the source's dtype has them).
    #[must_use]
    pub fn bytes_out(&self) -> usize {
        if self.to.is_block() {
            return self.to.block_bytes() as usize;
        }
        self.to.block_bytes() as usize * self.from.block_elements() as usize
    }

    /// Converts `count` elements (whole blocks, where the source's dtype has them).
    ///
    /// # Safety
    /// `from` is readable and `to` writable for `count` elements, at any alignment; the two don't
    /// overlap. Another process may change what is read meanwhile: some value comes out.
    #[inline]
    pub unsafe fn run(&self, from: *const u8, to: *mut u8, count: usize, stores: Stores) {
        if count == 0 {
            return;
        }
        let bytes_out = count.saturating_mul(self.bytes_out());
        let streams = stores.over(bytes_out) == Stores::Streaming;
        around(streams, || {
            // SAFETY: the caller's promise; `around` is around it.
            unsafe { self.run_bare(from, to, count, streams) }
        });
    }

    /// As [`Conversion::run`], for one of many stretches: without what [`around`] does.
    ///
    /// # Safety
    /// That of [`Conversion::run`], inside of [`around`].
    #[inline]
    pub(super) unsafe fn run_bare(
        &self,
        from: *const u8,
        to: *mut u8,
        count: usize,
        streams: bool,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.way.run(from, to, count, streams) };
    }
}

/// Does `work` with the floating-point unit as conversions need it, and has stores past the caches
/// seen by everybody after it.
#[inline]
pub(super) fn around(streams: bool, work: impl FnOnce()) {
    let host = Host::set_aside();
    work();
    host.restore();
    if streams {
        fence();
    }
}

/// The bytes between the two loops of a way of two: few enough to stay in the nearest cache.
const MIDDLE: usize = 8192;

#[repr(C, align(64))]
struct Middle(MaybeUninit<[u8; MIDDLE]>);

impl Way {
    /// # Safety
    /// That of [`Conversion::run`].
    unsafe fn run(self, from: *const u8, to: *mut u8, count: usize, streams: bool) {
        match self {
            Way::Copy { bytes } => {
                // SAFETY: the caller's promise; the best path is one that the CPU has.
                unsafe { copy_bare(CpuPath::best(), from, to, count * bytes, streams) };
            }
            Way::Direct { pair, parts } => {
                let direct = if streams { pair.streaming } else { pair.cached };
                // SAFETY: the caller's promise; an element of the dtypes is `parts` of the loop's.
                unsafe { direct(from, to, count * parts) };
            }
            Way::Twice(twice) => {
                // SAFETY: the caller's promise.
                unsafe { twice.run(from, to, count, streams) };
            }
        }
    }
}

impl plan::Twice {
    /// Goes by pieces that fit between the loops.
    ///
    /// # Safety
    /// That of [`Conversion::run`].
    unsafe fn run(self, from: *const u8, to: *mut u8, count: usize, streams: bool) {
        let second = if streams {
            self.second.streaming
        } else {
            self.second.cached
        };
        let mut middle = Middle(MaybeUninit::uninit());
        let middle: *mut u8 = middle.0.as_mut_ptr().cast();
        let whole = MIDDLE / self.middle_bytes;
        // After a shorter first piece all others start on a line, if elements can.
        let skew = to.addr() % LINE / self.bytes_out;
        let mut piece = if skew < whole { whole - skew } else { whole };
        let mut done = 0;
        while done < count {
            let now = piece.min(count - done);
            // SAFETY: `now` elements of the source, and no more than the buffer holds.
            unsafe { (self.first)(from.wrapping_add(done * self.bytes_in), middle, now) };
            let to = to.wrapping_add(done * self.bytes_out);
            // SAFETY: what the first loop wrote; `now` elements of the target.
            unsafe { second(middle, to, now * self.parts) };
            done += now;
            piece = whole;
        }
    }
}
