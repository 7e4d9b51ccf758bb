//! How much staging memory a device has.

use super::error::{Error, Result};
use super::options::DeviceOptions;

/// What the bytes of a staging buffer are a multiple of, and the least and most of them.
const CHUNK_UNIT: u64 = 4 << 10;
const LEAST_CHUNK: u64 = 64 << 10;
const MOST_CHUNK: u64 = 256 << 20;

/// Copies on their way while others are filled: 4 MiB were the knee on a published discrete card and
/// on the software driver.
const DEFAULT_CHUNK: u64 = 4 << 20;
const DEFAULT_CHUNKS: u32 = 3;

impl DeviceOptions {
    /// The bytes of each staging buffer, and how many.
    ///
    /// # Errors
    /// [`Error::Arguments`].
    pub(super) fn staging(&self) -> Result<(u64, u32)> {
        let wrong = |why: String| Err(Error::Arguments { why, item: None });
        let chunk_bytes = match self.chunk_bytes {
            0 => DEFAULT_CHUNK,
            bytes => bytes,
        };
        let fits = (LEAST_CHUNK..=MOST_CHUNK).contains(&chunk_bytes);
        if !fits || !chunk_bytes.is_multiple_of(CHUNK_UNIT) {
            return wrong(format!(
                "staging buffers of {chunk_bytes} bytes; multiples of {CHUNK_UNIT} from \
                 {LEAST_CHUNK} to {MOST_CHUNK} can be had"
            ));
        }
        match self.chunks {
            0 => Ok((chunk_bytes, DEFAULT_CHUNKS)),
            chunks @ 2..=64 => Ok((chunk_bytes, chunks)),
            chunks => wrong(format!("{chunks} staging buffers; 2 to 64 can be had")),
        }
    }
}
