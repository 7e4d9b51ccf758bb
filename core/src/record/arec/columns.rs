//! The columns of a file being written, kept in memory until its footer.
//!
//! A record takes 4 bytes for each field; where not all fields are fixed, 12 bytes more and 4 for
//! each size of its own; a block takes 32.

use super::directory::BLOCK_ROW;
use super::filling::block_start;
use super::layout::Layout;
use super::parts::Filled;
use crate::kernel::Hasher;

/// A column grows by memory of at most this size, so that no large one is ever moved.
const CHUNK: usize = 1 << 20;

/// A column's bytes.
#[derive(Debug, Default)]
pub(super) struct Column {
    chunks: Vec<Vec<u8>>,
    bytes: u64,
}

impl Column {
    /// Makes room for so many bytes; false where memory runs out.
    fn reserve(&mut self, bytes: usize) -> bool {
        if let Some(last) = self.chunks.last_mut()
            && last.len().saturating_add(bytes) <= CHUNK
        {
            return last.try_reserve(bytes).is_ok();
        }
        let mut chunk = Vec::new();
        // Where one is full, more will follow.
        let size = if self.chunks.is_empty() {
            bytes
        } else {
            bytes.max(CHUNK)
        };
        let room = chunk.try_reserve_exact(size).is_ok() && self.chunks.try_reserve(1).is_ok();
        if room {
            self.chunks.push(chunk);
        }
        room
    }

    /// Room for the bytes has been made.
    fn push(&mut self, bytes: &[u8]) {
        if let Some(last) = self.chunks.last_mut() {
            last.extend_from_slice(bytes);
            self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        }
    }

    /// The bytes, in pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(Vec::as_slice)
    }

    /// Their number.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their hash.
    pub(super) fn hash(&self, nonce: u64) -> u64 {
        let mut hasher = Hasher::new(nonce);
        self.pieces().for_each(|piece| hasher.add(piece));
        hasher.hash()
    }
}

/// A block as the column of blocks tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRow {
    pub(super) stride: u64,
    pub(super) first: u64,
    pub(super) records: u32,
    pub(super) strides: u32,
    pub(super) table_hash: u64,
}

/// All columns but the metadata.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) blocks: Column,
    /// Of records where not all fields are fixed.
    pub(super) places: Column,
    pub(super) lengths: Column,
    /// For each of the fields that aren't fixed.
    pub(super) sizes: Vec<Column>,
    /// For each field.
    pub(super) checksums: Vec<Column>,
}

impl Columns {
    pub(super) fn new(layout: &Layout) -> Columns {
        Columns {
            blocks: Column::default(),
            places: Column::default(),
            lengths: Column::default(),
            sizes: layout.ragged.iter().map(|_| Column::default()).collect(),
            checksums: layout.fields.iter().map(|_| Column::default()).collect(),
        }
    }

    /// Makes room for a block of so many records; false where memory runs out.
    pub(super) fn reserve(&mut self, layout: &Layout, records: usize) -> bool {
        let mut room = self.blocks.reserve(BLOCK_ROW as usize);
        if !layout.is_fixed {
            room &= self.places.reserve(records.saturating_mul(8));
            room &= self.lengths.reserve(records.saturating_mul(4));
        }
        for (column, row) in self.sizes.iter_mut().zip(of_ragged(layout)) {
            room &= column.reserve(records.saturating_mul(row.saturating_mul(4)));
        }
        for column in &mut self.checksums {
            room &= column.reserve(records.saturating_mul(4));
        }
        room
    }

    /// Takes a block over, whose table this is, once there is room for it.
    pub(super) fn take(&mut self, layout: &Layout, block: BlockRow, table: &[u8]) {
        let row = Filled::<{ BLOCK_ROW as usize }>::EMPTY
            .u64(block.stride)
            .u64(block.first)
            .u32(block.records)
            .u32(block.strides)
            .u64(block.table_hash)
            .done();
        self.blocks.push(&row);
        let start = block_start(layout, block.stride);
        let rows = || table.chunks_exact(layout.table_row_bytes());
        let mut at = 0usize;
        if !layout.is_fixed {
            for row in rows() {
                let units = row.first_chunk().copied().map_or(0, u32::from_le_bytes);
                let place = u64::from(units).saturating_mul(layout.align());
                self.places.push(&start.saturating_add(place).to_le_bytes());
                self.lengths.push(row.get(4..8).unwrap_or_default());
            }
            at = 8;
        }
        let sizes = self.sizes.iter_mut().zip(of_ragged(layout));
        let sums = self.checksums.iter_mut().map(|column| (column, 1));
        for (column, words) in sizes.chain(sums) {
            let end = at.saturating_add(words.saturating_mul(4));
            for row in rows() {
                column.push(row.get(at..end).unwrap_or_default());
            }
            at = end;
        }
    }

    /// All that a file of this layout has, in the order of its directory.
    pub(super) fn all<'a>(&'a self, layout: &Layout) -> impl Iterator<Item = &'a Column> {
        let places = [&self.places, &self.lengths];
        let places = places.into_iter().take(if layout.is_fixed { 0 } else { 2 });
        let fields = self.sizes.iter().chain(&self.checksums);
        std::iter::once(&self.blocks).chain(places).chain(fields)
    }

    /// The bytes of all.
    pub(super) fn bytes(&self, layout: &Layout) -> u64 {
        self.all(layout).map(Column::bytes).sum()
    }
}

/// How many sizes of a record's own each field has that isn't fixed.
fn of_ragged(layout: &Layout) -> impl Iterator<Item = usize> + '_ {
    let rows = layout.ragged.iter().filter_map(|&f| layout.fields.get(f));
    rows.map(|row| usize::from(row.free))
}
