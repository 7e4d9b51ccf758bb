//! gzip and zstd, decompressed to the heap under a cap.
//!
//! Formats: RFC 1952 (gzip, of one or more members) and RFC 8878 (zstd, of one or more frames,
//! skippable ones passed over). Memory grows with what comes out, never by what a header claims.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::error::{Error, Result};
use super::heap::{BulkAllocator, HeapBytes};
use super::origin::Origin;

/// The compression that the first bytes of a file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By magic: gzip's two bytes and its only method, zstd's frame or skippable frame.
    pub(super) fn of(head: [u8; 4]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, 0x08, _] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Compression::Zstd),
            [low, 0x2a, 0x4d, 0x18] if low & 0xf0 == 0x50 => Some(Compression::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// Decompresses all of `source`.
pub(super) fn inflate(
    source: impl Read,
    compression: Compression,
    cap: u64,
    allocator: Arc<dyn BulkAllocator>,
    origin: &Origin,
) -> Result<HeapBytes> {
    let mut source = BufReader::with_capacity(1 << 20, source);
    let mut out = Output {
        bytes: HeapBytes::new(allocator),
        cap,
        origin,
    };
    let name = compression.name();
    // Only its words tell flate2's checksum error from its others.
    let broken = |why: String| Error::Compressed {
        origin: origin.clone(),
        format: name,
        checksum: why.contains("matching checksum"),
        why,
    };
    loop {
        match compression {
            Compression::Gzip => {
                let mut member = GzDecoder::new(&mut source);
                out.take_all(&mut member)
                    .map_err(|error| error.unwrap_or_else(broken))?;
            }
            Compression::Zstd => match StreamingDecoder::new(&mut source) {
                Ok(mut frame) => {
                    out.take_all(&mut frame)
                        .map_err(|error| error.unwrap_or_else(broken))?;
                    let stored = frame.decoder.get_checksum_from_data();
                    if stored.is_some() && stored != frame.decoder.get_calculated_checksum() {
                        return Err(Error::Compressed {
                            origin: origin.clone(),
                            format: name,
                            why: "the content differs from its checksum".to_owned(),
                            checksum: true,
                        });
                    }
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped =
                        io::copy(&mut (&mut source).take(u64::from(length)), &mut io::sink())
                            .map_err(Error::io("read", origin))?;
                    if skipped < u64::from(length) {
                        return Err(broken("it ends inside a skippable frame".to_owned()));
                    }
                }
                Err(error) => return Err(broken(error.to_string())),
            },
        }
        if source
            .fill_buf()
            .map_err(Error::io("read", origin))?
            .is_empty()
        {
            return Ok(out.bytes);
        }
    }
}

struct Output<'a> {
    bytes: HeapBytes,
    cap: u64,
    origin: &'a Origin,
}

/// A failure of the output, or the decoder's own words.
enum Failure {
    Output(Error),
    Decoder(String),
}

impl Failure {
    fn unwrap_or_else(self, broken: impl FnOnce(String) -> Error) -> Error {
        match self {
            Failure::Output(error) => error,
            Failure::Decoder(why) => broken(why),
        }
    }
}

impl Output<'_> {
    fn take_all(&mut self, decoder: &mut impl Read) -> std::result::Result<(), Failure> {
        let mut chunk = vec![0u8; 256 << 10];
        loop {
            let got = match decoder.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Decoder(error.to_string())),
            };
            self.append(chunk.get(..got).unwrap_or_default())
                .map_err(Failure::Output)?;
        }
    }

    fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let needed = self.bytes.len() as u64 + chunk.len() as u64;
        if needed > self.cap {
            return Err(Error::OverCap {
                origin: self.origin.clone(),
                cap: self.cap,
            });
        }
        if needed > self.bytes.capacity() as u64 {
            let doubled = (self.bytes.capacity() as u64)
                .saturating_mul(2)
                .max(64 << 10);
            let capacity = doubled.min(self.cap).max(needed);
            let too_large = || Error::OutOfMemory {
                bytes: capacity,
                origin: self.origin.clone(),
            };
            let capacity = usize::try_from(capacity).map_err(|_| too_large())?;
            self.bytes.grow(capacity, self.origin)?;
        }
        let fits = self.bytes.extend(chunk);
        debug_assert!(fits);
        Ok(())
    }
}
