//! Files of records of alike size, whose bytes are known.

use std::mem::MaybeUninit;
use std::path::Path;

use crate::Result;
use crate::adit::{F16, Layout, Tensor, Writer};
use crate::data::Random;
use crate::memory::HugeBuffer;

/// Records that start at any multiple of 64 in a pool of f16 that are no NaNs or infinities: where,
/// their numbers say.
#[derive(Debug)]
pub struct Pool(HugeBuffer);

const POOL: usize = 16 << 20;

impl Pool {
    /// Makes it.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Pool> {
        let mut pool = HugeBuffer::new(2 * POOL)?;
        let mut random = Random(11);
        for word in pool.plain_mut().chunks_exact_mut(8) {
            // Exponents below 16: the highest of their bits is never set.
            let bits = random.next() & 0xbfff_bfff_bfff_bfff;
            word.copy_from_slice(&bits.to_le_bytes());
        }
        Ok(Pool(pool))
    }

    /// The bytes of a record, which has fewer than 16 MiB.
    #[must_use]
    pub fn record(&self, index: u64, bytes: usize) -> &[u8] {
        let start = (index as usize).wrapping_mul(64 * 1021) % POOL;
        &self.0.bytes()[start..start + bytes]
    }

    /// Writes `count` records of f16, `bytes` each.
    ///
    /// # Errors
    /// The library's.
    pub fn write(&self, path: &Path, count: usize, bytes: usize, layout: Layout) -> Result<()> {
        let dims = [bytes as i64 / 2];
        let mut writer = Writer::create_arec(path, F16, &dims, layout)?;
        for index in 0..count as u64 {
            let values = Tensor::over(self.record(index, bytes), F16, &dims)?;
            writer.append(&[values])?;
        }
        writer.finish()
    }

    /// Whether these are the records of a batch.
    ///
    /// # Errors
    /// Where they aren't.
    pub fn check(&self, batch: &[u64], found: &[u8], bytes: usize, whose: &str) -> Result<()> {
        for (&index, found) in batch.iter().zip(found.chunks_exact(bytes)) {
            if found != self.record(index, bytes) {
                return Err(format!("{whose} gave other bytes of record {index}").into());
            }
        }
        Ok(())
    }
}

/// Spoils a buffer, so that what isn't written to it is seen.
pub fn spoil(buffer: &mut HugeBuffer) {
    buffer.bytes_mut().fill(MaybeUninit::new(0xa5));
}
