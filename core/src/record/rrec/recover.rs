//! Whole records saved from a file that was never finished, or lost its end.
//!
//! The records carry no checksum and no mark of their own, so a walk can mistake other bytes for
//! records: twelve zero bytes are a sound 0-d f32. Nothing is invented. The walk follows a schema,
//! given or taken from record 0, and stops at the first tensor that doesn't fit it, at the index,
//! and at zeros that go on to the end of the file: also inside a record, when more zeros follow
//! it. Where the index is whole, a record that it has at the same place is no guess: it may be
//! zeros, and unlike record 0.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::format::{Entry, FIELDS, Flaw, HEADER_BYTES, Header, MOST_DIMS, TensorHead};
use super::writer::RrecWriter;
use crate::dtype::DType;
use crate::map::{Data, Fetch, Storage, Window};
use crate::record::error::{Error, Result};
use crate::record::schema::{Field, FieldShape, Schema};
use crate::record::{Pace, Progress, Recovery, StopReason};

impl StopReason {
    fn words(self) -> &'static str {
        match self {
            StopReason::End => "the records end",
            StopReason::Cut => "a record is cut by the end of the file",
            StopReason::Zeros => "zeros go on to the end of the file",
            StopReason::Mismatch => "the bytes don't fit the schema",
        }
    }
}

const WINDOW: usize = 1 << 20;
const INDEX_WINDOW: usize = 64 << 10;

/// Saves the whole records of the damaged file `data` into a new one at `to`, which must not
/// exist. The damaged file is only read. `progress` is told bytes walked and in all.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Version`], [`Error::Schema`], [`Error::NothingToRecover`],
/// [`Error::Cancelled`]; those of opening, reading and writing.
pub fn recover(
    storage: &Arc<dyn Storage>,
    data: &Data,
    to: &Path,
    schema: Option<&Schema>,
    progress: Progress<'_>,
) -> Result<Recovery> {
    let given = schema.map(fields_of).transpose()?;
    let header = Header::read(data)?;
    let mut writer = RrecWriter::create(Arc::clone(storage), to, false)?;
    let mut walk = Walk::new(data, header, given, progress)?;
    let mut copy = Window::new(data, WINDOW);
    let mut pace = Pace::new();
    let (limit, mut at) = (walk.limit, walk.at);
    let mut tick = |at: u64, records: u64, bytes: u64| {
        if pace.is_due(records, bytes) && !progress(at, limit) {
            return Err(Error::Cancelled);
        }
        Ok(())
    };
    let reason = loop {
        tick(at, 1, 0)?;
        match walk.next()? {
            Ok(entry) => writer.append_encoded(entry.length, |done, out| {
                let from = entry.offset.saturating_add(done);
                let piece = copy.some_bytes(from, entry.length.saturating_sub(done))?;
                out.extend_from_slice(piece);
                tick(from, 0, piece.len() as u64)
            })?,
            Err(reason) => break reason,
        }
        at = walk.at;
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
    data.still_whole()?;
    if !progress(limit, limit) {
        return Err(Error::Cancelled);
    }
    writer.finish()?;
    let dropped_bytes = match reason {
        StopReason::End => 0,
        _ => limit.saturating_sub(stop_offset),
    };
    Ok(Recovery {
        records,
        stop_offset,
        dropped_bytes,
        reason,
    })
}

struct Walk<'a> {
    window: Window<'a>,
    /// Where the next record starts, and its number.
    at: u64,
    count: u64,
    /// Where records can end at the latest.
    limit: u64,
    /// From here to `limit` there are only zeros.
    zeros_from: u64,
    header: Header,
    /// The index, where it is whole.
    index: Option<Window<'a>>,
    fields: Option<[Field; FIELDS]>,
    given: bool,
    first: Option<Entry>,
}

/// What stands where a tensor of a field should.
enum Found {
    Whole(u64),
    Cut,
    Other,
}

impl<'a> Walk<'a> {
    fn new(
        data: &'a Data,
        header: Header,
        fields: Option<[Field; FIELDS]>,
        progress: Progress<'_>,
    ) -> Result<Walk<'a>> {
        let finished = header.check(data).is_ok();
        let limit = if finished {
            header.index_offset
        } else {
            data.len()
        };
        Ok(Walk {
            window: Window::new(data, WINDOW),
            at: HEADER_BYTES,
            count: 0,
            limit,
            zeros_from: zeros_from(data, limit, progress)?,
            header,
            index: finished.then(|| Window::new(data, INDEX_WINDOW)),
            given: fields.is_some(),
            fields,
            first: None,
        })
    }

    /// The next whole record, or why there is none.
    fn next(&mut self) -> Result<std::result::Result<Entry, StopReason>> {
        if self.at >= self.limit || self.at_index()? {
            return Ok(Err(StopReason::End));
        }
        let Some(heads) = self.heads()? else {
            return Ok(Err(if self.at >= self.zeros_from {
                StopReason::Zeros
            } else {
                self.why_unreadable()?
            }));
        };
        let [_, target] = &heads;
        let entry = Entry {
            offset: self.at,
            length: target.end.saturating_sub(self.at),
        };
        let indexed = self.is_indexed(entry)?;
        if !indexed && self.may_be_unwritten(target) {
            return Ok(Err(StopReason::Zeros));
        }
        if !self.fits(&heads, indexed)? {
            return Ok(Err(StopReason::Mismatch));
        }
        self.first.get_or_insert(entry);
        self.at = entry.end();
        self.count = self.count.saturating_add(1);
        Ok(Ok(entry))
    }

    /// The heads of the record here, if it can be one.
    fn heads(&mut self) -> Result<Option<[TensorHead; FIELDS]>> {
        let input = match TensorHead::fetch(&mut self.window, self.at, self.limit) {
            Ok(head) => head,
            Err(Flaw::Map(error)) => return Err(error.into()),
            Err(Flaw::At(..)) => return Ok(None),
        };
        match TensorHead::fetch(&mut self.window, input.end, self.limit) {
            Ok(target) => Ok(Some([input, target])),
            Err(Flaw::Map(error)) => Err(error.into()),
            Err(Flaw::At(..)) => Ok(None),
        }
    }

    /// Whether the index begins here, as far as the file goes: a writer that died before it
    /// patched the header has perhaps written that already, and it can walk as records too.
    fn at_index(&mut self) -> Result<bool> {
        if self.at == self.header.index_offset {
            return Ok(true);
        }
        let Some(first) = self.first.filter(|_| self.index.is_none()) else {
            return Ok(false);
        };
        let encoded = first.encode();
        let rest = self.limit.saturating_sub(self.at);
        let here = self
            .window
            .some_bytes(self.at, rest.min(encoded.len() as u64))?;
        Ok(encoded.starts_with(here))
    }

    /// Whether the index has this very record.
    fn is_indexed(&mut self, entry: Entry) -> Result<bool> {
        let Some(index) = &mut self.index else {
            return Ok(false);
        };
        if self.count >= self.header.records {
            return Ok(false);
        }
        let found = Entry::load(index, self.header, self.count)?;
        Ok(found == entry)
    }

    /// Whether the record with this target, or the end of its elements, may be space that was
    /// never written: zeros, and more of them behind it. Padding is zeros either way.
    fn may_be_unwritten(&self, target: &TensorHead) -> bool {
        let elements_end = target.data_at.saturating_add(target.bytes);
        self.at >= self.zeros_from || elements_end > self.zeros_from && target.end < self.limit
    }

    fn fits(&mut self, heads: &[TensorHead; FIELDS], indexed: bool) -> Result<bool> {
        let mut found = Vec::new();
        for head in heads {
            let mut dims = Vec::new();
            for axis in 0..head.ndim {
                dims.push(head.dim(&mut self.window, axis)?);
            }
            found.push((head.dtype, dims));
        }
        let fields = self.fields.get_or_insert_with(|| freeze(&found));
        let alike = fields
            .iter()
            .zip(&found)
            .all(|(field, (dtype, dims))| field.takes(*dtype, dims));
        Ok(alike || indexed && !self.given)
    }

    /// Why no record can be read here: the file ends inside one that fits so far, or it is none.
    fn why_unreadable(&mut self) -> Result<StopReason> {
        let any = || Field {
            name: String::new(),
            dtype: None,
            shape: FieldShape::Any,
            is_bytes: false,
        };
        let fields = self.fields.clone().unwrap_or_else(|| [any(), any()]);
        let mut at = self.at;
        for field in &fields {
            match self.find(at, field)? {
                Found::Whole(end) => at = end,
                Found::Cut => return Ok(StopReason::Cut),
                Found::Other => return Ok(StopReason::Mismatch),
            }
        }
        Ok(StopReason::Mismatch)
    }

    /// What stands at byte `start`, where a tensor of `field` should.
    fn find(&mut self, start: u64, field: &Field) -> Result<Found> {
        let Some(ndim) = self.word(start)? else {
            return Ok(Found::Cut);
        };
        let sizes = match &field.shape {
            FieldShape::Any => None,
            FieldShape::Dims(sizes) => Some(sizes),
        };
        if ndim > MOST_DIMS || sizes.is_some_and(|sizes| sizes.len() as u64 != u64::from(ndim)) {
            return Ok(Found::Other);
        }
        let mut at = start.saturating_add(4);
        for axis in 0..ndim as usize {
            let Some(dim) = self.word(at)? else {
                return Ok(Found::Cut);
            };
            let size = sizes.and_then(|sizes| sizes.get(axis));
            if size.is_some_and(|&size| size >= 0 && size != i64::from(dim)) {
                return Ok(Found::Other);
            }
            at = at.saturating_add(4);
        }
        let Some(tag) = self.word(at)? else {
            return Ok(Found::Cut);
        };
        let dtype = super::format::dtype_of_tag(tag);
        if dtype.is_none() || field.dtype.is_some() && field.dtype != dtype {
            return Ok(Found::Other);
        }
        match TensorHead::fetch(&mut self.window, start, self.limit) {
            Ok(head) => Ok(Found::Whole(head.end)),
            Err(Flaw::Map(error)) => Err(error.into()),
            Err(Flaw::At(..)) => Ok(Found::Cut),
        }
    }

    fn word(&mut self, at: u64) -> Result<Option<u32>> {
        if at.checked_add(4).is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        Ok(Some(self.window.u32_at(at)?))
    }
}

/// The schema that takes just what record 0 is.
fn freeze(found: &[(DType, Vec<u32>)]) -> [Field; FIELDS] {
    let field = |number: usize| {
        let found = found.get(number);
        let dims = found.map(|(_, dims)| dims.iter().copied().map(i64::from).collect());
        Field {
            name: String::new(),
            dtype: found.map(|(dtype, _)| *dtype),
            shape: dims.map_or(FieldShape::Any, FieldShape::Dims),
            is_bytes: false,
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

/// Where the zeros begin that go on to byte `limit`. Nothing is walked yet, but a file can have
/// more zeros than a caller has patience.
fn zeros_from(data: &Data, limit: u64, progress: Progress<'_>) -> Result<u64> {
    let mut window = Window::new(data, WINDOW);
    let mut pace = Pace::new();
    let mut end = limit;
    while end > HEADER_BYTES {
        let start = end.saturating_sub(WINDOW as u64).max(HEADER_BYTES);
        let bytes = window.some_bytes(start, end.saturating_sub(start))?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            return Ok(start.saturating_add(last as u64).saturating_add(1));
        }
        let passed = end.saturating_sub(start);
        end = start;
        if pace.is_due(0, passed) && !progress(HEADER_BYTES, limit) {
            return Err(Error::Cancelled);
        }
    }
    Ok(HEADER_BYTES)
}
