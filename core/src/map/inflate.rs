//! gzip and zstd, decompressed to the heap under a cap.
//!
//! Formats: RFC 1952 (gzip, of one or more members) and RFC 8878 (zstd, of one or more frames,
//! skippable ones passed over). The output's memory grows with what comes out, never by what a
//! header claims; beside it the decoders keep tables, and zstd a window of at most 128 MiB.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::error::{Error, Result};
use super::heap::HeapBytes;
use super::origin::Origin;
use super::range::RangeReader;
use crate::error::Kind;

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
}

/// Decompresses all of `source` to `heap`.
pub(super) fn inflate(
    source: RangeReader<'_>,
    compression: Compression,
    cap: u64,
    heap: HeapBytes,
    origin: &Origin,
) -> Result<HeapBytes> {
    let format = match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let mut source = BufReader::with_capacity(READ, source);
    let mut out = Output {
        bytes: heap,
        chunk: vec![0; CHUNK],
        cap,
        origin,
        format,
    };
    let result = match compression {
        Compression::Gzip => out.take_all(&mut MultiGzDecoder::new(&mut source), gzip_kind),
        Compression::Zstd => out.take_frames(&mut source),
    };
    let reader = source.get_mut();
    match (result, reader.failure.take()) {
        // A decoder takes a failing disk or a file cut meanwhile for damage.
        (Err(_), Some(failure)) => Err(failure.into_error(reader.range, origin)),
        (result, _) => result.map(|()| out.bytes),
    }
}

const READ: usize = 64 << 10;
const CHUNK: usize = 64 << 10;

/// The largest window that a zstd frame may ask for: zstd's own limit where nobody raises it.
const LARGEST_WINDOW: u64 = 128 << 20;

struct Output<'a> {
    bytes: HeapBytes,
    chunk: Vec<u8>,
    cap: u64,
    origin: &'a Origin,
    format: &'static str,
}

/// Only its words tell flate2's checksum error from its others.
fn gzip_kind(why: &str) -> Kind {
    if why.contains("matching checksum") {
        Kind::Checksum
    } else {
        Kind::Malformed
    }
}

impl Output<'_> {
    /// Takes what a decoder gives; `kind` classifies what it says when it fails.
    fn take_all(&mut self, decoder: &mut impl Read, kind: fn(&str) -> Kind) -> Result<()> {
        loop {
            let got = match decoder.read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let why = error.to_string();
                    return Err(self.broken(kind(&why), why));
                }
            };
            self.append(got)?;
        }
    }

    /// Takes all zstd frames, by one decoder, which keeps its tables.
    fn take_frames(&mut self, source: &mut impl BufRead) -> Result<()> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        loop {
            match StreamingDecoder::new_with_decoder(&mut *source, &mut decoder) {
                Ok(mut frame) => {
                    self.take_all(&mut frame, |_| Kind::Malformed)?;
                    let stored = decoder.get_checksum_from_data();
                    if stored.is_some() && stored != decoder.get_calculated_checksum() {
                        let why = "the content differs from its checksum";
                        return Err(self.broken(Kind::Checksum, why.to_owned()));
                    }
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(source, u64::from(length))?,
                Err(
                    error @ (FrameDecoderError::WindowSizeTooBig { .. }
                    | FrameDecoderError::DictNotProvided { .. }),
                ) => return Err(self.broken(Kind::Unsupported, error.to_string())),
                Err(error) => return Err(self.broken(Kind::Malformed, error.to_string())),
            }
            if source
                .fill_buf()
                .map_err(Error::io("read", self.origin))?
                .is_empty()
            {
                return Ok(());
            }
        }
    }

    fn skip(&self, source: &mut impl BufRead, length: u64) -> Result<()> {
        let skipped = io::copy(&mut source.take(length), &mut io::sink())
            .map_err(Error::io("read", self.origin))?;
        if skipped < length {
            let why = "it ends inside a skippable frame".to_owned();
            return Err(self.broken(Kind::Malformed, why));
        }
        Ok(())
    }

    fn broken(&self, kind: Kind, why: String) -> Error {
        Error::Compressed {
            origin: self.origin.clone(),
            format: self.format,
            why,
            kind,
        }
    }

    /// Appends the first `got` bytes of the chunk.
    fn append(&mut self, got: usize) -> Result<()> {
        let chunk = self.chunk.get(..got).unwrap_or_default();
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
