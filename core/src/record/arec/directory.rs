//! The footer's directory: where the columns lie.

use super::layout::Layout;
use super::parts::{Filled, Flaw, Parts};

pub(crate) const ROW_BYTES: usize = 48;
/// Columns start at multiples of it.
pub(crate) const COLUMN_ALIGN: u64 = 64;
/// The most bytes of a directory that are read: all columns of 1024 fields and many unknown ones.
pub(crate) const LONGEST: u64 = 1 << 20;
/// The bytes of a row of the blocks' column.
pub(crate) const BLOCK_ROW: u32 = 32;

/// What a column has a row for each record, or block, of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Stride, first record, records, strides and the table's hash of each block.
    Blocks = 1,
    /// Where each record starts.
    Places = 2,
    /// Each record's length in units of the records' alignment.
    Lengths = 3,
    /// A field's own sizes.
    Sizes = 4,
    /// A field's CRC-32C.
    Checksums = 5,
    /// Keys and values.
    Metadata = 6,
}

/// A row of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColumnRow {
    /// A [`ColumnKind`], or another that is passed over.
    pub(crate) kind: u32,
    /// The field that it is of; else 0.
    pub(crate) field: u32,
    pub(crate) row_bytes: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// XXH3 with the file's nonce as its seed.
    pub(crate) hash: u64,
}

/// The columns of a footer, in the order of kind, then field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) columns: Vec<ColumnRow>,
}

impl Directory {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let row = |column: &ColumnRow| {
            Filled::<ROW_BYTES>::EMPTY
                .u32(column.kind)
                .u32(column.field)
                .u32(column.row_bytes)
                .skip(4)
                .u64(column.offset)
                .u64(column.bytes)
                .u64(column.hash)
                .done()
        };
        self.columns.iter().flat_map(row).collect()
    }

    /// The directory that these bytes are, a whole number of rows.
    pub(crate) fn decode(bytes: &[u8]) -> Directory {
        let row = |row: &[u8; ROW_BYTES]| {
            let mut parts = Parts(row);
            let (kind, field, row_bytes, _) = (parts.u32(), parts.u32(), parts.u32(), parts.u32());
            ColumnRow {
                kind,
                field,
                row_bytes,
                offset: parts.u64(),
                bytes: parts.u64(),
                hash: parts.u64(),
            }
        };
        let (rows, _) = bytes.as_chunks();
        Directory {
            columns: rows.iter().map(row).collect(),
        }
    }

    /// The bytes of the directory of a file of this layout.
    pub(crate) fn bytes(layout: &Layout, has_metadata: bool) -> u64 {
        let columns = Directory::wanted(layout).count() as u64;
        columns
            .saturating_add(has_metadata.into())
            .saturating_mul(ROW_BYTES as u64)
    }

    /// Kind, field and row's bytes of all columns that a file of this layout must have, in order.
    pub(crate) fn wanted(layout: &Layout) -> impl Iterator<Item = (ColumnKind, u32, u32)> {
        let places = [(ColumnKind::Places, 0, 8), (ColumnKind::Lengths, 0, 4)];
        let places = places.into_iter().filter(|_| !layout.is_fixed);
        let numbered = || (0u32..).zip(&layout.fields);
        let sizes = numbered()
            .filter(|(_, field)| !field.is_fixed())
            .map(|(number, field)| {
                let bytes = u32::from(field.free).saturating_mul(4);
                (ColumnKind::Sizes, number, bytes)
            });
        let checksums = numbered().map(|(number, _)| (ColumnKind::Checksums, number, 4));
        std::iter::once((ColumnKind::Blocks, 0, BLOCK_ROW))
            .chain(places)
            .chain(sizes)
            .chain(checksums)
    }
}

/// Where each column starts that is read while records are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) blocks: u64,
    pub(super) places: u64,
    pub(super) lengths: u64,
    /// For each field; 0 for fixed ones.
    pub(super) sizes: Vec<u64>,
    /// For each field.
    pub(super) checksums: Vec<u64>,
    pub(super) metadata: Option<ColumnRow>,
}

/// What the columns must agree with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records: u64,
    pub(super) blocks: u64,
    /// Where the directory ends.
    pub(super) start: u64,
    /// Where the footer ends.
    pub(super) end: u64,
}

impl Columns {
    /// Finds the columns that the layout demands, each once, of the size that follows, and apart
    /// from each other; offsets of flaws are from the directory's start.
    pub(super) fn find(
        directory: &Directory,
        layout: &Layout,
        bounds: Bounds,
    ) -> std::result::Result<Columns, Flaw> {
        let mut found = Columns {
            sizes: vec![0; layout.fields.len()],
            checksums: vec![0; layout.fields.len()],
            ..Columns::default()
        };
        let mut wanted = Directory::wanted(layout).peekable();
        let mut before = (0, 0);
        for (column, at) in directory.columns.iter().zip((0u64..).step_by(ROW_BYTES)) {
            let order = (column.kind, column.field);
            if order <= before {
                return Err(Flaw::new(
                    at,
                    "columns are not in the order of kind and field",
                ));
            }
            before = order;
            let kind = wanted.peek().map(|&(kind, field, _)| (kind as u32, field));
            if kind == Some(order) {
                let (kind, field, row_bytes) = wanted.next().unwrap_or((ColumnKind::Blocks, 0, 0));
                let rows = match kind {
                    ColumnKind::Blocks => bounds.blocks,
                    _ => bounds.records,
                };
                column.check(at, row_bytes, Some(rows), bounds)?;
                found.set(kind, field, column.offset);
            } else if order == (ColumnKind::Metadata as u32, 0) {
                column.check(at, 1, None, bounds)?;
                found.metadata = Some(*column);
            } else if kind.is_some_and(|kind| kind < order) {
                break;
            } else if (1..=ColumnKind::Metadata as u32).contains(&column.kind) {
                let why = format!(
                    "there is a column of kind {} that nothing is for",
                    column.kind
                );
                return Err(Flaw::new(at, why));
            }
        }
        if let Some((kind, field, _)) = wanted.next() {
            let why = format!("the column {kind:?} of field {field} is missing");
            return Err(Flaw::new(0, why));
        }
        check_apart(&directory.columns)?;
        Ok(found)
    }

    fn set(&mut self, kind: ColumnKind, field: u32, offset: u64) {
        let field = usize::try_from(field).unwrap_or(usize::MAX);
        let own = match kind {
            ColumnKind::Blocks => Some(&mut self.blocks),
            ColumnKind::Places => Some(&mut self.places),
            ColumnKind::Lengths => Some(&mut self.lengths),
            ColumnKind::Sizes => self.sizes.get_mut(field),
            ColumnKind::Checksums => self.checksums.get_mut(field),
            ColumnKind::Metadata => None,
        };
        if let Some(own) = own {
            *own = offset;
        }
    }
}

impl ColumnRow {
    fn check(
        &self,
        at: u64,
        row_bytes: u32,
        rows: Option<u64>,
        bounds: Bounds,
    ) -> std::result::Result<(), Flaw> {
        let flaw = |field: u64, why: String| Err(Flaw::new(at.saturating_add(field), why));
        if self.row_bytes != row_bytes {
            let why = format!(
                "a column's rows have {} bytes, not {row_bytes}",
                self.row_bytes
            );
            return flaw(8, why);
        }
        if rows.is_some_and(|rows| rows.checked_mul(row_bytes.into()) != Some(self.bytes)) {
            let why = format!(
                "a column has {} bytes, but there are {} rows of {row_bytes}",
                self.bytes,
                rows.unwrap_or(0)
            );
            return flaw(24, why);
        }
        let inside = self.offset >= bounds.start
            && self.offset.is_multiple_of(COLUMN_ALIGN)
            && self
                .offset
                .checked_add(self.bytes)
                .is_some_and(|end| end <= bounds.end);
        if inside {
            return Ok(());
        }
        let why = format!(
            "a column of {} bytes can't lie at byte {}: columns lie at multiples of \
             {COLUMN_ALIGN}, between byte {} and byte {}",
            self.bytes, self.offset, bounds.start, bounds.end
        );
        flaw(16, why)
    }
}

/// Columns of known kinds share no byte. Unknown ones are passed over: what they are isn't known.
fn check_apart(columns: &[ColumnRow]) -> std::result::Result<(), Flaw> {
    let known = columns
        .iter()
        .zip((0u64..).step_by(ROW_BYTES))
        .filter(|(column, _)| column.kind <= ColumnKind::Metadata as u32 && column.bytes > 0);
    let mut spans: Vec<_> = known
        .map(|(column, at)| (column.offset, column.bytes, at))
        .collect();
    spans.sort_unstable();
    let mut end = 0;
    for (offset, bytes, at) in spans {
        if offset < end {
            let why = format!("a column starts at byte {offset}, inside of another");
            return Err(Flaw::new(at.saturating_add(16), why));
        }
        end = offset.saturating_add(bytes);
    }
    Ok(())
}
