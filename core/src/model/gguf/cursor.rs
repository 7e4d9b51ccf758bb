//! The front of a file, copied piece by piece as far as a parser comes.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use crate::map::Data;
use crate::model::fault::Fault;

/// What is read at first; each further piece is as long as all before it.
const FIRST: u64 = 64 << 10;

/// The longest header: the largest known ones, of big vocabularies, have some 20 MB.
pub(super) const LONGEST: u64 = 1 << 30;

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Walks from the file's start; what it has passed lies in memory.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    data: &'a Data,
    len: u64,
    text: Vec<u8>,
    at: usize,
    pub(super) big_endian: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a Data) -> Cursor<'a> {
        Cursor {
            data,
            len: data.len(),
            text: Vec::new(),
            at: 0,
            big_endian: false,
        }
    }

    /// Where in the file it stands.
    #[inline]
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// As [`Cursor::at`]: no header is longer than [`LONGEST`].
    #[inline]
    pub(super) fn item(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }

    /// The bytes of the file from here on.
    pub(super) fn rest(&self) -> u64 {
        self.len.saturating_sub(self.at as u64)
    }

    /// Goes back to where it has been.
    pub(super) fn back_to(&mut self, at: u64) {
        self.at = usize::try_from(at).unwrap_or(0).min(self.at);
    }

    /// What it has passed.
    pub(super) fn passed(&self, start: usize, len: usize) -> &[u8] {
        let end = start.saturating_add(len).min(self.at);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Everything that it has passed, and no more.
    pub(super) fn into_text(mut self) -> Vec<u8> {
        self.text.truncate(self.at);
        // Not shrink_to_fit, which ends the process where there is no memory.
        let mut own = Vec::new();
        if own.try_reserve_exact(self.text.len()).is_err() {
            return self.text;
        }
        own.extend_from_slice(&self.text);
        own
    }

    pub(super) fn data(&self) -> &'a Data {
        self.data
    }

    /// Passes `len` bytes; where they start in the text.
    #[inline]
    pub(super) fn pass(&mut self, len: u64) -> Result<usize> {
        let start = self.at;
        let end = (start as u64).saturating_add(len);
        if end > self.text.len() as u64 {
            self.fill(len, end)?;
        }
        self.at = usize::try_from(end).unwrap_or(usize::MAX);
        Ok(start)
    }

    #[inline]
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let start = self.pass(N as u64)?;
        let bytes = self.text.get(start..).and_then(<[u8]>::first_chunk);
        // There are so many: they were passed.
        Ok(bytes.copied().unwrap_or([0; N]))
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32> {
        let bytes = self.bytes()?;
        Ok(match self.big_endian {
            false => u32::from_le_bytes(bytes),
            true => u32::from_be_bytes(bytes),
        })
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64> {
        let bytes = self.bytes()?;
        Ok(match self.big_endian {
            false => u64::from_le_bytes(bytes),
            true => u64::from_be_bytes(bytes),
        })
    }

    /// Reads on until the text reaches `end`, which is `len` bytes from here.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, len: u64, end: u64) -> Result<()> {
        let at = self.at as u64;
        if end > self.len {
            let rest = self.rest();
            let why = format!(
                "{len} bytes are needed here, but {rest} follow: the file is cut or a length is \
                 wrong"
            );
            return Err(Fault::malformed(at, why));
        }
        if end > LONGEST {
            let what = format!("the header has more than {LONGEST} bytes; no more are read");
            return Err(Fault::unsupported(at, what));
        }
        let had = self.text.len();
        let wish = (had as u64).saturating_mul(2).max(FIRST).max(end);
        let more = wish.min(self.len).saturating_sub(had as u64);
        let piece = usize::try_from(more).unwrap_or(usize::MAX);
        self.data.read_behind(had as u64, piece, &mut self.text)?;
        Ok(())
    }
}
