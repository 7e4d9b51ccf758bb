//! Whole records saved from a file that was never finished, or lost its end.
//!
//! The records carry no checksum and no mark of their own, so a walk can mistake other bytes for
//! records: twelve zero bytes are a sound 0-d f32. Nothing is invented: the walk follows a schema,
//! given or taken from record 0, and stops at the first tensor that doesn't fit it, and at zeros
//! that go on to the end of the file.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::Progress;
use super::error::{Error, Result};
use super::rrec::{Entry, FIELDS, Flaw, HEADER_BYTES, Header, TensorHead};
use super::schema::{Field, FieldShape, Schema};
use super::writer::RecordWriter;
use crate::map::{Data, DataOptions, Storage, Window};

/// Why a recovery stopped where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The last record ends where the file, or its index, begins or ends.
    End,
    /// A record is cut by the end of the file.
    Cut,
    /// Only zeros follow: space that was never written.
    Zeros,
    /// What follows doesn't fit the schema.
    Mismatch,
}

impl StopReason {
    fn words(self) -> &'static str {
        match self {
            StopReason::End => "the records end",
            StopReason::Cut => "a record is cut by the end of the file",
            StopReason::Zeros => "only zeros follow",
            StopReason::Mismatch => "the bytes don't fit the schema",
        }
    }
}

/// What a recovery saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whole records saved.
    pub records: u64,
    /// Where in the damaged file the walk stopped: all before it was saved.
    pub stop_offset: u64,
    /// The bytes from there to the end of the file.
    pub dropped_bytes: u64,
    /// Why it stopped.
    pub reason: StopReason,
}

const WINDOW: usize = 1 << 20;

/// Records between two calls of the progress callback.
const STRIDE: u64 = 1024;

/// The unit in which a disk keeps or loses what was written.
const SECTOR: u64 = 512;

/// Saves the whole records of the damaged file at `from` into a new one at `to`, which must not
/// exist. The damaged file is only read. `progress` is told bytes walked and in all.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Version`], [`Error::Schema`], [`Error::NothingToRecover`],
/// [`Error::Cancelled`]; those of opening, reading and writing.
pub fn recover(
    storage: &Arc<dyn Storage>,
    from: &Path,
    to: &Path,
    schema: Option<&Schema>,
    progress: Progress<'_>,
) -> Result<Recovery> {
    let data = Data::open_in(storage.as_ref(), from, &DataOptions::default())?;
    let header = Header::read(&data)?;
    let limit = match header.check(&data) {
        Ok(()) => header.index_offset,
        Err(_) => data.len(),
    };
    let mut walk = Walk {
        window: Window::new(&data, WINDOW),
        data: &data,
        limit,
        zeros_from: zeros_from(&data, limit)?,
        at: HEADER_BYTES,
        fields: schema.map(fields_of).transpose()?,
    };
    let mut writer = RecordWriter::create(Arc::clone(storage), to, false)?;
    let mut copy = Window::new(&data, WINDOW);
    let reason = loop {
        if writer.count().is_multiple_of(STRIDE) && !progress(walk.at, limit) {
            return Err(Error::Cancelled);
        }
        match walk.next()? {
            Ok(entry) => writer.append_encoded(entry.length, |done, out| {
                let at = entry.offset.saturating_add(done);
                let piece = copy.some_bytes(at, entry.length.saturating_sub(done))?;
                out.extend_from_slice(piece);
                Ok(())
            })?,
            Err(reason) => break reason,
        }
    };
    let (records, stop_offset) = (writer.count(), walk.at);
    if records == 0 {
        let origin = data.origin().clone();
        return Err(Error::NothingToRecover {
            origin,
            offset: stop_offset,
            why: reason.words(),
        });
    }
    writer.finish()?;
    let dropped_bytes = limit.saturating_sub(stop_offset);
    Ok(Recovery {
        records,
        stop_offset,
        dropped_bytes,
        reason,
    })
}

struct Walk<'a> {
    window: Window<'a>,
    data: &'a Data,
    /// Where records can end at the latest.
    limit: u64,
    /// From here to `limit` there are only zeros.
    zeros_from: u64,
    at: u64,
    fields: Option<[Field; FIELDS]>,
}

impl Walk<'_> {
    /// The next whole record, or why there is none.
    fn next(&mut self) -> Result<std::result::Result<Entry, StopReason>> {
        if self.at >= self.limit {
            return Ok(Err(StopReason::End));
        }
        if self.at >= self.zeros_from {
            return Ok(Err(StopReason::Zeros));
        }
        let mut heads = Vec::new();
        let mut at = self.at;
        for _ in 0..FIELDS {
            match TensorHead::fetch(&mut self.window, at, self.limit) {
                Ok(head) => {
                    at = head.end;
                    heads.push(head);
                }
                Err(Flaw::Map(error)) => return Err(error.into()),
                Err(Flaw::At(..)) => return Ok(Err(self.unreadable())),
            }
        }
        let mut found = Vec::new();
        for head in &heads {
            found.push((head.dtype, self.dims(head)?));
        }
        let fields = self.fields.get_or_insert_with(|| freeze(&found));
        let fits = fields
            .iter()
            .zip(&found)
            .all(|(field, (dtype, dims))| field.takes(*dtype, dims));
        if !fits {
            return Ok(Err(StopReason::Mismatch));
        }
        if self.may_be_torn(at) {
            return Ok(Err(StopReason::Zeros));
        }
        let entry = Entry {
            offset: self.at,
            length: at.saturating_sub(self.at),
        };
        self.at = at;
        Ok(Ok(entry))
    }

    /// Whether the record that ends at `end` runs into the zeros at the end of the file, zeros
    /// that go on behind it and hold a whole sector's start: then its end was perhaps never
    /// written.
    fn may_be_torn(&self, end: u64) -> bool {
        let sector = self
            .zeros_from
            .checked_next_multiple_of(SECTOR)
            .unwrap_or(u64::MAX);
        end > sector && end < self.limit
    }

    /// Why a head can't be read: the file ends inside the record, or the bytes are no record.
    fn unreadable(&mut self) -> StopReason {
        let Some(fields) = &self.fields else {
            return StopReason::Mismatch;
        };
        // The tag and the dimensions, as far as they are there, must be the schema's for the
        // record to be one that was cut.
        let rest = self.limit.saturating_sub(self.at);
        let whole = fields
            .iter()
            .map(least_bytes)
            .fold(0u64, u64::saturating_add);
        if rest < whole {
            StopReason::Cut
        } else {
            StopReason::Mismatch
        }
    }

    fn dims(&mut self, head: &TensorHead) -> Result<Vec<u32>> {
        let mut dims = Vec::new();
        for axis in 0..head.ndim {
            dims.push(head.dim(&mut self.window, axis)?);
        }
        debug_assert!(self.data.len() >= head.end);
        Ok(dims)
    }
}

/// The least bytes that a tensor of this field takes.
fn least_bytes(field: &Field) -> u64 {
    let FieldShape::Dims(dims) = &field.shape else {
        return 8;
    };
    let head = (dims.len() as u64).saturating_mul(4).saturating_add(8);
    let size = field
        .dtype
        .map_or(2, |dtype| u64::from(dtype.block_bytes()));
    let elements = dims
        .iter()
        .map(|&dim| u64::try_from(dim).unwrap_or(0))
        .fold(1, u64::saturating_mul);
    head.saturating_add(elements.saturating_mul(size))
}

/// The schema that takes just what record 0 is.
fn freeze(found: &[(crate::dtype::DType, Vec<u32>)]) -> [Field; FIELDS] {
    let field = |number: usize| {
        let found = found.get(number);
        let dims = found.map(|(_, dims)| dims.iter().copied().map(i64::from).collect());
        Field {
            name: String::new(),
            dtype: found.map(|(dtype, _)| *dtype),
            shape: dims.map_or(FieldShape::Any, FieldShape::Dims),
        }
    };
    std::array::from_fn(field)
}

fn fields_of(schema: &Schema) -> Result<[Field; FIELDS]> {
    schema
        .fields()
        .to_vec()
        .try_into()
        .map_err(|fields: Vec<Field>| Error::Schema {
            why: format!("rrec version 1 has {FIELDS} fields, not {}", fields.len()),
        })
}

/// Where the zeros begin that go on to byte `limit`.
fn zeros_from(data: &Data, limit: u64) -> Result<u64> {
    let mut window = Window::new(data, WINDOW);
    let mut end = limit;
    while end > HEADER_BYTES {
        let start = end.saturating_sub(WINDOW as u64).max(HEADER_BYTES);
        let bytes = window.some_bytes(start, end.saturating_sub(start))?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            return Ok(start.saturating_add(last as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(HEADER_BYTES)
}
