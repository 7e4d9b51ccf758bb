//! The header: what a file's records are, and where its blocks lie.

use std::collections::HashSet;

use super::field::{FieldKind, FieldRow, LONGEST_NAME};
use super::layout::{Given, Layout, MOST_FIELDS, PAGE};
use super::parts::{Filled, Flaw, Parts, is_summed};
use crate::dtype::DType;
use crate::kernel;
use crate::map::{Data, Origin};
use crate::record::error::{Error, Result};
use crate::tensor::MAX_DIMS;

pub(super) const MAGIC: [u8; 16] = *b"\x89ADITRECORDS\r\n\x1a\n";
const VERSION: u32 = 1;
/// What stands before the fields' rows.
pub(super) const BEFORE_ROWS: usize = 128;
pub(super) const ROW_BYTES: usize = 192;
const NAME_BYTES: usize = LONGEST_NAME + 1;
const DTYPE_NAME_BYTES: usize = 24;
/// The most that is read of a header.
const LONGEST: u64 = 1 << 20;

const FIXED: u8 = 1;
const PAGES: u8 = 2;
const CRC32C: u8 = 1;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Another for each file.
    pub(crate) uuid: [u8; 16],
    /// The seed of the file's hashes, and what tells its blocks from others'.
    pub(crate) nonce: u64,
    /// Compatible features: unknown ones may be ignored.
    pub(crate) compatible: u64,
    pub(crate) layout: Layout,
}

impl Header {
    /// Whether a file that starts with these bytes is one of this format.
    pub(crate) fn is_start(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// The header's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let layout = &self.layout;
        let flag = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
        let flags = flag(layout.is_fixed, FIXED) | flag(layout.pages, PAGES);
        let fields = u32::try_from(layout.fields.len()).unwrap_or(0);
        let start = Filled::<BEFORE_ROWS>::EMPTY
            .put(&MAGIC)
            .u32(VERSION)
            .u32(u32::try_from(layout.header_len).unwrap_or(0))
            .u64(self.compatible)
            .u64(0)
            .put(&self.uuid)
            .u64(self.nonce)
            .u32(fields)
            .u8(layout.align_log2)
            .u8(0)
            .u8(CRC32C)
            .u8(flags)
            .u64(layout.stride)
            .u64(layout.per_block)
            .u64(layout.record_stride)
            .u64(layout.fixed_end)
            .u64(layout.data_start);
        let mut bytes = start.done().to_vec();
        for field in &layout.fields {
            bytes.extend(encode_row(field));
        }
        let end = usize::try_from(layout.header_len.saturating_sub(4)).unwrap_or(0);
        bytes.resize(end, 0);
        let sum = kernel::crc32c_of(0, &bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], [`Error::Version`], [`Error::Unfinished`] where the file ends in its
    /// header, [`Error::Damaged`], [`Error::NotKnown`], [`Error::Malformed`], those of
    /// [`Data::read`].
    pub(crate) fn read(data: &Data) -> Result<Header> {
        let origin = data.origin();
        let mut bytes = Vec::new();
        let first = usize::try_from(data.len().min(PAGE)).unwrap_or(0);
        data.read_to(0, first, &mut bytes)?;
        let len = Header::len(&bytes, data.len(), origin)?;
        if let Some(rest) = len.checked_sub(first).filter(|&rest| rest > 0) {
            data.read_behind(first as u64, rest, &mut bytes)?;
        }
        Header::decode(&bytes, origin)
    }

    /// The header's length, as its first bytes say, in a file of `file_len`.
    ///
    /// # Errors
    /// As [`Header::read`].
    fn len(start: &[u8], file_len: u64, origin: &Origin) -> Result<usize> {
        if !Header::is_start(start) {
            let found = start.get(..MAGIC.len()).unwrap_or(start);
            let why = match found {
                [] => "it is empty".to_owned(),
                _ => format!("it starts with \"{}\"", found.escape_ascii()),
            };
            return Err(Error::WrongFormat {
                origin: origin.clone(),
                why,
            });
        }
        let cut = || Error::Unfinished {
            origin: origin.clone(),
            why: format!("it has {file_len} bytes, not even its whole header"),
        };
        let mut parts = Parts(start.get(MAGIC.len()..BEFORE_ROWS).ok_or_else(cut)?);
        let version = parts.u32();
        if version != VERSION {
            return Err(Error::Version {
                origin: origin.clone(),
                format: "arec",
                version,
            });
        }
        let len = u64::from(parts.u32());
        if !len.is_multiple_of(PAGE) || len == 0 || len > LONGEST {
            let why = format!("a header of {len} bytes; it has a multiple of 4096, at most 2^20");
            return Err(Flaw::new(20, why).of(origin, 0));
        }
        if len > file_len {
            return Err(cut());
        }
        usize::try_from(len).map_err(|_| cut())
    }

    /// The header that just these bytes are.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub(crate) fn decode(bytes: &[u8], origin: &Origin) -> Result<Header> {
        let len = Header::len(bytes, bytes.len() as u64, origin)?;
        let bytes = bytes.get(..len).unwrap_or_default();
        if !is_summed(bytes) {
            return Err(Error::Damaged {
                origin: origin.clone(),
                offset: 0,
                what: "header".to_owned(),
            });
        }
        let unknown = |offset, what: String| Error::NotKnown {
            origin: origin.clone(),
            offset,
            what,
        };
        // Magic, version and length.
        let mut parts = Parts(bytes.get(24..).unwrap_or_default());
        let compatible = parts.u64();
        let incompatible = parts.u64();
        if incompatible != 0 {
            return Err(unknown(32, format!("features {incompatible:#x}")));
        }
        let (uuid, nonce) = (parts.array(), parts.u64());
        let fields = parts.u32();
        let [align_log2, codec, checksums, flags] = parts.array();
        if codec != 0 {
            return Err(unknown(69, format!("codec {codec}")));
        }
        if checksums != CRC32C {
            return Err(unknown(70, format!("checksums of kind {checksums}")));
        }
        let rest = Rest {
            fields,
            align_log2,
            flags,
            stride: parts.u64(),
            per_block: parts.u64(),
            record_stride: parts.u64(),
            fixed_end: parts.u64(),
            data_start: parts.u64(),
        };
        let layout = rest.layout(bytes).map_err(|fault| match fault {
            Fault::Flaw(flaw) => flaw.of(origin, 0),
            Fault::NotKnown(offset, what) => unknown(offset, what),
        })?;
        Ok(Header {
            uuid,
            nonce,
            compatible,
            layout,
        })
    }
}

/// What the header says of the layout, as it stands there.
struct Rest {
    fields: u32,
    align_log2: u8,
    flags: u8,
    stride: u64,
    per_block: u64,
    record_stride: u64,
    fixed_end: u64,
    data_start: u64,
}

enum Fault {
    Flaw(Flaw),
    NotKnown(u64, String),
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Fault {
        Fault::Flaw(flaw)
    }
}

impl Rest {
    fn layout(&self, bytes: &[u8]) -> std::result::Result<Layout, Fault> {
        let rows = usize::try_from(self.fields)
            .ok()
            .filter(|&fields| (1..=MOST_FIELDS).contains(&fields))
            .and_then(|fields| fields.checked_mul(ROW_BYTES))
            .and_then(|len| {
                bytes
                    .get(BEFORE_ROWS..bytes.len().checked_sub(4)?)?
                    .get(..len)
            })
            .ok_or_else(|| {
                let why = format!("{} fields don't fit into the header", self.fields);
                Flaw::new(64, why)
            })?;
        if ![6, 8, 12].contains(&self.align_log2) {
            let why = format!("2^{} is no alignment of records", self.align_log2);
            return Err(Flaw::new(68, why).into());
        }
        if self.flags & !(FIXED | PAGES) != 0 {
            let why = format!("layout bits {:#x}, of which only two are known", self.flags);
            return Err(Flaw::new(71, why).into());
        }
        let mut fields: Vec<FieldRow> = Vec::new();
        let mut names = HashSet::new();
        let mut offsets = Vec::new();
        for (row, start) in rows
            .chunks(ROW_BYTES)
            .zip((BEFORE_ROWS..).step_by(ROW_BYTES))
        {
            let start = start as u64;
            let (field, offset) = decode_row(row, start)?;
            if field.align_log2 > self.align_log2 {
                let why = format!(
                    "field {:?} is aligned to more than its record is",
                    field.name
                );
                return Err(Flaw::new(start.saturating_add(69), why).into());
            }
            if !names.insert(row.get(..NAME_BYTES)) {
                let why = format!("there are two fields {:?}", field.name);
                return Err(Flaw::new(start, why).into());
            }
            fields.push(field);
            offsets.push((offset, start.saturating_add(72)));
        }
        let layout = Layout::of_fields(Given {
            fields,
            align_log2: self.align_log2,
            pages: self.flags & PAGES != 0,
        })?;
        for (field, (offset, at)) in layout.fields.iter().zip(offsets) {
            same(at, "where a field lies", offset, field.offset)?;
        }
        let is_fixed = u64::from(self.flags & FIXED != 0);
        same(
            71,
            "whether all fields are fixed",
            is_fixed,
            layout.is_fixed.into(),
        )?;
        same(
            88,
            "the stride of records",
            self.record_stride,
            layout.record_stride,
        )?;
        same(
            96,
            "the end of the fixed fields",
            self.fixed_end,
            layout.fixed_end,
        )?;
        let header_len = bytes.len() as u64;
        Ok(layout.with_blocks(header_len, self.stride, self.per_block, self.data_start)?)
    }
}

fn same(offset: u64, what: &str, told: u64, follows: u64) -> std::result::Result<(), Flaw> {
    if told == follows {
        return Ok(());
    }
    let why = format!("{what} is told as {told}, but from the fields follows {follows}");
    Err(Flaw::new(offset, why))
}

fn encode_row(field: &FieldRow) -> [u8; ROW_BYTES] {
    let name = Filled::<NAME_BYTES>::EMPTY.put(field.name.as_bytes());
    let dtype = Filled::<DTYPE_NAME_BYTES>::EMPTY.put(field.dtype.name().as_bytes());
    let mut row = Filled::<ROW_BYTES>::EMPTY
        .put(&name.done())
        .put(&field.dtype.number().to_le_bytes())
        .u8(field.kind as u8)
        .u8(field.align_log2)
        .u8(field.ndim)
        .skip(1)
        .u64(field.offset);
    for dim in field.dims {
        row = row.u64(dim);
    }
    row.put(&dtype.done()).done()
}

/// A field and where it is said to lie.
fn decode_row(row: &[u8], start: u64) -> std::result::Result<(FieldRow, u64), Fault> {
    let at = |offset: u64| start.saturating_add(offset);
    let mut parts = Parts(row);
    let name = text(parts.bytes(NAME_BYTES))
        .filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME)
        .ok_or_else(|| Flaw::new(start, "a field's name is no UTF-8 of 1 to 63 bytes"))?
        .to_owned();
    let number = parts.u32();
    let [kind, align_log2, ndim, _] = parts.array();
    let offset = parts.u64();
    let dims: [u64; MAX_DIMS] = std::array::from_fn(|_| parts.u64());
    let dtype_name = text(parts.bytes(DTYPE_NAME_BYTES)).unwrap_or_default();
    let dtype = i32::try_from(number).ok().and_then(DType::from_number);
    let Some(dtype) = dtype else {
        // Perhaps of a later version: that the file isn't damaged is known by now.
        let what = format!("dtype {number} ({dtype_name:?}) of field {name:?}");
        return Err(Fault::NotKnown(at(64), what));
    };
    let flaw = |offset, why: String| Flaw::new(at(offset), format!("field {name:?}: {why}"));
    if dtype.name() != dtype_name {
        let why = format!(
            "its dtype is {number}, which is {}, but called {dtype_name:?}",
            dtype.name()
        );
        return Err(flaw(144, why).into());
    }
    let kind = match kind {
        1 => FieldKind::Fixed,
        2 => FieldKind::Ragged,
        3 => FieldKind::Bytes,
        _ => return Err(flaw(68, format!("{kind} is no kind of field")).into()),
    };
    let Some((own, rest)) = dims.split_at_checked(ndim.into()) else {
        return Err(flaw(70, format!("it has {ndim} dimensions, at most 8 can be")).into());
    };
    if rest.iter().any(|&dim| dim != 0) {
        return Err(flaw(80, "there is a dimension behind the last".to_owned()).into());
    }
    let field = FieldRow::new(name.clone(), dtype, kind, align_log2, own);
    let field = field.map_err(|why| flaw(80, why))?;
    Ok((field, offset))
}

/// The text before the first zero; none where more than zeros follow, or it is no UTF-8.
fn text(bytes: &[u8]) -> Option<&str> {
    let len = bytes.iter().position(|&byte| byte == 0);
    let (text, rest) = bytes.split_at_checked(len.unwrap_or(bytes.len()))?;
    if rest.iter().any(|&byte| byte != 0) {
        return None;
    }
    std::str::from_utf8(text).ok()
}
