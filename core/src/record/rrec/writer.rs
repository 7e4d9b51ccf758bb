//! Records written to a temporary that becomes the file when it is finished.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::format::{self, ENTRY_BYTES, Entry, FIELDS, Header};
use crate::dtype::DType;
use crate::map::{self, Origin, Publication, Storage};
use crate::record::error::{Error, Result};
use crate::tensor::TensorView;

/// Writes go out in multiples of this, at multiples of this, so that the page cache keeps them in
/// large folios.
const WRITE: usize = 4 << 20;

/// A tensor from this size on is written from where it lies, not through the buffer.
const DIRECT: u64 = WRITE as u64;

/// Writes a record file. Nothing appears at the path before [`RrecWriter::finish`]; dropped
/// before, the writer leaves nothing.
pub struct RrecWriter {
    publication: Publication,
    /// What isn't written yet, from byte `written` of the file on.
    buffer: Vec<u8>,
    written: u64,
    index: Vec<Entry>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    Poisoned,
}

impl RrecWriter {
    /// Starts a file that will appear at `path`, replacing what stands there if `replace` is set.
    ///
    /// # Errors
    /// Those of [`Publication::create`]; memory.
    pub fn create(storage: Arc<dyn Storage>, path: &Path, replace: bool) -> Result<RrecWriter> {
        let publication = Publication::create(storage, path, replace)?;
        let mut writer = RrecWriter {
            publication,
            buffer: Vec::new(),
            written: 0,
            index: Vec::new(),
            state: State::Open,
        };
        writer.reserve(2 * WRITE)?;
        writer
            .buffer
            .extend_from_slice(&Header::UNFINISHED.encode());
        // Written again with what follows; until then the temporary says what it is.
        writer.publication.write(&Header::UNFINISHED.encode(), 0)?;
        Ok(writer)
    }

    /// The records appended so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.index.len() as u64
    }

    /// Where the unfinished file is.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        self.publication.temporary()
    }

    /// Appends one record: input and target. What the format can't hold is refused and leaves the
    /// writer as it was; a failed write poisons it.
    ///
    /// # Errors
    /// [`Error::Schema`], [`Error::FormatDType`], [`Error::FormatShape`], [`Error::Closed`],
    /// those of [`Publication::write`].
    pub fn append(&mut self, tensors: &[TensorView<'_>]) -> Result<()> {
        self.check_open()?;
        let pair = pair(tensors).and_then(|pair| check(&pair).map(|()| pair));
        let pair = pair.map_err(|error| self.refused(error))?;
        self.append_checked(&pair)
    }

    /// Appends as many records as the columns have rows: record i is row i of each column. The
    /// columns are checked before the first record is written.
    ///
    /// # Errors
    /// As [`RrecWriter::append`].
    pub fn append_batch(&mut self, columns: &[TensorView<'_>]) -> Result<()> {
        self.check_open()?;
        let (columns, rows) = check_columns(columns).map_err(|error| self.refused(error))?;
        for row in 0..rows {
            let [input, target] = columns.map(|column| column.row(row));
            let (Some(input), Some(target)) = (input, target) else {
                let why = format!("the columns have no row {row}");
                return Err(Error::Schema { why });
            };
            if let Err(error) = self.append_checked(&[input, target]) {
                // Some rows are in and some are not: nobody could go on from there.
                self.state = State::Poisoned;
                return Err(error);
            }
        }
        Ok(())
    }

    fn refused(&self, error: Error) -> Error {
        Error::Refused {
            origin: self.origin(),
            index: self.count(),
            source: Box::new(error),
        }
    }

    fn append_checked(&mut self, pair: &[TensorView<'_>; FIELDS]) -> Result<()> {
        let room = pair.iter().map(buffered_bytes).sum::<usize>();
        self.reserve(room)?;
        let offset = self.position();
        for tensor in pair {
            if let Err(error) = self.put(tensor) {
                self.state = State::Poisoned;
                return Err(error);
            }
        }
        self.index.push(Entry {
            offset,
            length: self.position() - offset,
        });
        self.drain(WRITE)
    }

    /// Appends a record in the format's own bytes, given in pieces.
    pub(super) fn append_encoded(
        &mut self,
        length: u64,
        mut piece: impl FnMut(u64, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.check_open()?;
        self.reserve(WRITE)?;
        let offset = self.position();
        while self.position() - offset < length {
            let before = self.buffer.len();
            let done = self.position() - offset;
            if let Err(error) = piece(done, &mut self.buffer) {
                self.state = State::Poisoned;
                return Err(error);
            }
            debug_assert!(self.buffer.len() > before);
            self.drain(WRITE)?;
        }
        self.index.push(Entry { offset, length });
        Ok(())
    }

    /// Makes all that was appended durable, for a recovery.
    ///
    /// # Errors
    /// As [`RrecWriter::append`].
    pub fn sync(&mut self) -> Result<()> {
        self.check_open()?;
        let synced = self
            .drain(1)
            .and_then(|()| Ok(self.publication.sync()?))
            .and_then(|()| Ok(self.publication.sync_name()?));
        if synced.is_err() {
            self.state = State::Poisoned;
        }
        synced
    }

    /// Writes what is left and the index, patches the header, and publishes the file durably.
    /// Done, or failed, the writer can only be closed.
    ///
    /// # Errors
    /// [`Error::Closed`]; those of [`Publication::write`] and [`Publication::publish`].
    pub fn finish(&mut self) -> Result<()> {
        self.check_open()?;
        // Whatever happens now, there is no second try: a failed sync can't be repeated.
        self.state = State::Poisoned;
        let index_offset = self.position();
        self.drain(1)?;
        for entries in self.index.chunks(WRITE / ENTRY_BYTES as usize) {
            self.buffer.clear();
            self.buffer
                .extend(entries.iter().flat_map(|entry| entry.encode()));
            self.publication.write(&self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
        }
        // A header that names an index says that all before it is there: also after a power cut,
        // and also of the temporary, which may be all that is left then.
        self.publication.sync()?;
        let header = Header {
            records: self.count(),
            index_offset,
        };
        self.publication.write(&header.encode(), 0)?;
        self.publication.publish()?;
        self.state = State::Finished;
        self.buffer = Vec::new();
        Ok(())
    }

    /// The file's length so far.
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn put(&mut self, tensor: &TensorView<'_>) -> Result<()> {
        let tag = format::tag_of_dtype(tensor.dtype()).unwrap_or(u32::MAX);
        let ndim = tensor.shape().ndim() as u32;
        self.buffer.extend_from_slice(&ndim.to_le_bytes());
        for &dim in tensor.shape().dims() {
            self.buffer.extend_from_slice(&(dim as u32).to_le_bytes());
        }
        self.buffer.extend_from_slice(&tag.to_le_bytes());
        self.put_elements(tensor)?;
        let padding = tensor.bytes().wrapping_neg() % 4;
        self.buffer.extend((0..padding).map(|_| 0));
        Ok(())
    }

    /// Puts elements through the buffer, many strided ones part by part so that it stays small,
    /// or straight from where they lie side by side.
    fn put_elements(&mut self, tensor: &TensorView<'_>) -> Result<()> {
        let bytes = tensor.bytes();
        if bytes < DIRECT {
            if !tensor.append_to(&mut self.buffer) {
                return Err(self.out_of_memory(bytes));
            }
            return self.drain(WRITE);
        }
        if let Some(bytes) = tensor.dense() {
            self.drain(1)?;
            self.publication.write(bytes, self.written)?;
            self.written += bytes.len() as u64;
            return Ok(());
        }
        let shape = tensor.shape();
        let rows = shape.dims().first().map_or(1, |rows| rows.cast_unsigned());
        let row_bytes = (bytes / rows).max(1);
        // As many rows at once as stay below DIRECT; a longer row is taken apart in its turn.
        let at_once = ((DIRECT - 1) / row_bytes).max(1);
        let mut first = 0;
        while first < rows {
            let count = at_once.min(rows - first);
            let part = if count == 1 {
                tensor.row(first)
            } else {
                tensor.rows(first, count)
            };
            let Some(part) = part else {
                return Err(self.out_of_memory(bytes));
            };
            self.put_elements(&part)?;
            first += count;
        }
        Ok(())
    }

    /// Writes out the buffer once it holds `least` bytes: whole write units, so that all but the
    /// first write after a direct one stay aligned, or everything if `least` is 1.
    fn drain(&mut self, least: usize) -> Result<()> {
        if self.buffer.len() < least {
            return Ok(());
        }
        let unaligned = (self.position() % WRITE as u64) as usize;
        let keep = if least == 1 || unaligned > self.buffer.len() {
            0
        } else {
            unaligned
        };
        let write = self.buffer.len() - keep;
        let out = self.buffer.get(..write).unwrap_or_default();
        if let Err(error) = self.publication.write(out, self.written) {
            self.state = State::Poisoned;
            return Err(error.into());
        }
        self.written += write as u64;
        self.buffer.drain(..write);
        Ok(())
    }

    /// Makes room for so many more bytes in the buffer and one more index entry, so that what
    /// follows can't run out of memory half way.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        let room = self.buffer.try_reserve(bytes).is_ok() && self.index.try_reserve(1).is_ok();
        if room {
            Ok(())
        } else {
            Err(self.out_of_memory(bytes as u64))
        }
    }

    fn out_of_memory(&self, bytes: u64) -> Error {
        map::Error::OutOfMemory {
            bytes,
            origin: self.origin(),
        }
        .into()
    }

    fn origin(&self) -> Origin {
        Origin::Path(self.publication.path().to_owned())
    }

    fn check_open(&self) -> Result<()> {
        let (why, poisoned) = match self.state {
            State::Open => return Ok(self.publication.check_open()?),
            State::Finished => ("has finished", false),
            State::Poisoned => ("failed earlier", true),
        };
        Err(Error::Closed {
            origin: self.origin(),
            why,
            poisoned,
        })
    }
}

/// The most bytes that a tensor takes in the buffer at once, head and padding included.
fn buffered_bytes(tensor: &TensorView<'_>) -> usize {
    64 + tensor.bytes().min(DIRECT) as usize
}

fn pair<'a>(tensors: &[TensorView<'a>]) -> Result<[TensorView<'a>; FIELDS]> {
    tensors.try_into().map_err(|_| Error::Schema {
        why: format!(
            "rrec version 1 has {FIELDS} tensors a record, not {}",
            tensors.len()
        ),
    })
}

/// Checks that the format can hold the tensors.
fn check(pair: &[TensorView<'_>; FIELDS]) -> Result<()> {
    for (field, tensor) in pair.iter().enumerate() {
        check_field(field, tensor.dtype(), tensor.shape().dims())?;
    }
    Ok(())
}

/// The columns, and how many rows each has.
fn check_columns<'a>(columns: &[TensorView<'a>]) -> Result<([TensorView<'a>; FIELDS], u64)> {
    let columns = pair(columns)?;
    let mut rows = None;
    for (field, column) in columns.iter().enumerate() {
        let shape = column.shape();
        let Some((&own, dims)) = shape.dims().split_first() else {
            let why = "a column needs a first dimension, the number of records".to_owned();
            return Err(Error::FormatShape { field, why });
        };
        // All rows of a column are alike, and fit or don't whatever their number.
        check_field(field, column.dtype(), dims)?;
        if let Some(rows) = rows.filter(|&rows| rows != own) {
            let why = format!("the column has {own} rows, the one before it {rows}");
            return Err(Error::FormatShape { field, why });
        }
        rows = Some(own);
    }
    Ok((columns, rows.unwrap_or(0).cast_unsigned()))
}

fn check_field(field: usize, dtype: DType, dims: &[i64]) -> Result<()> {
    if format::tag_of_dtype(dtype).is_none() {
        return Err(Error::FormatDType { field, dtype });
    }
    match dims.iter().find(|&&dim| u32::try_from(dim).is_err()) {
        Some(dim) => {
            let why = format!("dimension {dim} doesn't fit the 32 bits that rrec gives it");
            Err(Error::FormatShape { field, why })
        }
        None => Ok(()),
    }
}

impl fmt::Debug for RrecWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.publication.path().display();
        write!(f, "RrecWriter('{path}', {} records)", self.count())
    }
}
