//! Headers in the usual form and order, taken in a piece at a time.
//!
//! A header of 200 k tensors has 30 MB: read into memory as one, its pages cost as much as its
//! text. Here it goes through a window that stays in the cache, and each tensor goes from there to
//! where it stays. Whatever is in another form or order, or breaks a rule, makes this give up: the
//! header is then read as a whole, from its start, and what is wrong is told from there.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::canonical::{self, Cursor};
use super::{PREFIX, check, check_end};
use crate::map::Data;
use crate::model::metadata::Metadata;
use crate::model::names::{Names, Refusal};
use crate::model::table::{Found, Tensors};

/// The bytes that are in memory at a time. A tensor or metadata of more is left to the other
/// reader.
pub(super) const WINDOW: usize = 64 << 10;

/// The tensors that tell how much room the others take.
const SAMPLE: usize = 16;

/// Adds the tensors of a header of `len` bytes, which the file has, and its metadata; none, and
/// nothing added, where that is for the other reader.
pub(super) fn read(
    data: &Data,
    len: u64,
    file: u32,
    tensors: &mut Tensors,
    metadata: &mut Metadata,
    window: usize,
) -> Option<()> {
    let first = tensors.len();
    let done = Reader::new(data, len, window).and_then(|mut reader| {
        let strings = reader.opening()?;
        reader.tensors(file, tensors)?;
        give(&strings, metadata)
    });
    if done.is_none() {
        tensors.truncate(first);
    }
    done
}

/// As [`Header::give_metadata`](super::header::Header::give_metadata).
fn give(strings: &[(String, String)], metadata: &mut Metadata) -> Option<()> {
    for (key, value) in strings {
        match metadata.add_string(key.as_bytes(), value.as_bytes()) {
            Ok(()) | Err(Refusal::Taken(_)) => {}
            Err(Refusal::Full) => return None,
        }
    }
    Some(())
}

struct Reader<'a> {
    data: &'a Data,
    /// Where the bytes behind the window lie in the file, and where the header ends.
    next: u64,
    stop: u64,
    window: Vec<u8>,
    /// Its bytes that have been read.
    used: usize,
    /// The most bytes of it.
    size: usize,
}

impl<'a> Reader<'a> {
    fn new(data: &'a Data, len: u64, window: usize) -> Option<Reader<'a>> {
        let size = usize::try_from(len).map_or(window, |len| len.min(window));
        let mut own = Vec::new();
        own.try_reserve_exact(size).ok()?;
        let mut reader = Reader {
            data,
            next: PREFIX,
            stop: PREFIX.checked_add(len)?,
            window: own,
            used: 0,
            size,
        };
        reader.fill()?;
        Some(reader)
    }

    /// Lets go of what was read and fills up with what follows; none where nothing fits or follows.
    fn fill(&mut self) -> Option<()> {
        self.window.drain(..self.used.min(self.window.len()));
        self.used = 0;
        let left = usize::try_from(self.stop.checked_sub(self.next)?).unwrap_or(usize::MAX);
        let more = left.min(self.size.checked_sub(self.window.len())?);
        let room = self.window.spare_capacity_mut().get_mut(..more)?;
        if room.is_empty() {
            return None;
        }
        self.data.read(self.next, room).ok()?;
        let len = self.window.len().checked_add(more)?;
        // SAFETY: the read filled all of the room, which starts behind the window's bytes.
        unsafe { self.window.set_len(len) };
        self.next = self.next.checked_add(more as u64)?;
        Some(())
    }

    /// Reads one thing. Where that fails it may be cut by the window's end: it is tried again with
    /// more of the header.
    fn take<T>(&mut self, mut read: impl FnMut(&mut Cursor<'_>) -> Option<T>) -> Option<T> {
        loop {
            let mut cursor = Cursor::new(self.window.get(self.used..)?);
            if let Some(taken) = read(&mut cursor) {
                self.used = self.window.len().checked_sub(cursor.left())?;
                return Some(taken);
            }
            self.fill()?;
        }
    }

    /// The first brace, and the metadata.
    fn opening(&mut self) -> Option<Vec<(String, String)>> {
        self.take(|cursor| {
            let (mut keys, mut strings) = (Names::default(), Vec::new());
            cursor.eat(b"{")?;
            if cursor.eat(canonical::METADATA).is_some() {
                canonical::strings(cursor, |key, value| {
                    keys.add(key.as_bytes()).ok()?;
                    strings.try_reserve(1).ok()?;
                    strings.push((key.to_owned(), value.to_owned()));
                    Some(())
                })?;
                // A header without tensors is rare enough for the other reader.
                cursor.eat(b",")?;
            }
            Some(strings)
        })
    }

    /// The tensors, up to the end.
    fn tensors(&mut self, file: u32, tensors: &mut Tensors) -> Option<()> {
        let start = self.stop;
        let (mut end, mut dims) = (0, Vec::new());
        let first = tensors.len();
        loop {
            if tensors.len().checked_sub(first) == Some(SAMPLE) {
                self.reserve(first, tensors);
            }
            let is_last = self.take(|cursor| {
                dims.clear();
                let piece = canonical::tensor(cursor, &mut dims)?;
                let is_last = match cursor.byte()? {
                    b',' => false,
                    b'}' => true,
                    _ => return None,
                };
                let name = piece.name;
                if !name.is_ascii() {
                    str::from_utf8(name).ok()?;
                }
                check(piece.dtype, (piece.begin, piece.end), &dims, end).ok()?;
                let found = Found {
                    file,
                    dtype: Some(piece.dtype),
                    ggml: 0,
                    dims: &dims,
                    offset: start.checked_add(piece.begin)?,
                    bytes: piece.end.saturating_sub(piece.begin),
                };
                tensors.add(name, found).ok()?;
                end = piece.end;
                Some(is_last)
            })?;
            if is_last {
                break;
            }
        }
        self.blanks()?;
        check_end(start.checked_add(end)?, self.data).ok()
    }

    /// Makes room for as many tensors as there will be if all are as the first ones.
    fn reserve(&self, first: usize, tensors: &mut Tensors) {
        let ahead = self.window.len().saturating_sub(self.used) as u64;
        let left = self.stop.saturating_sub(self.next).saturating_add(ahead);
        let seen = self.stop.saturating_sub(left);
        let more = |of: usize| {
            let more = (of as u64).saturating_mul(left).checked_div(seen);
            more.and_then(|more| usize::try_from(more).ok())
                .unwrap_or(0)
        };
        let (count, name_bytes, dims) = tensors.sizes_from(first);
        tensors.reserve(more(count), more(name_bytes), more(dims));
    }

    /// What may follow the last brace.
    fn blanks(&mut self) -> Option<()> {
        loop {
            let rest = self.window.get(self.used..)?;
            if rest.iter().any(|&byte| byte != b' ') {
                return None;
            }
            if self.next == self.stop {
                return Some(());
            }
            self.used = self.window.len();
            self.fill()?;
        }
    }
}
