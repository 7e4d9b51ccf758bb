//! The table behind a block's records: where each lies, its sizes and its checksums.

use super::layout::Layout;
use super::parts::Parts;

/// The rows of a block's table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
}

/// What the table says of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableRow {
    /// Where it starts, from the block's start.
    pub(crate) start: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its own sizes, in order of fields.
    pub(crate) own_sizes: Vec<u32>,
    /// The CRC-32C of each field.
    pub(crate) crcs: Vec<u32>,
}

impl<'a> Table<'a> {
    /// The table that these bytes are.
    pub(crate) fn new(layout: &'a Layout, bytes: &'a [u8]) -> Table<'a> {
        Table { layout, bytes }
    }

    /// Puts row `number` into `row`; false, and nothing meaningful there, where there is none.
    pub(crate) fn row(&self, number: u64, row: &mut TableRow) -> bool {
        let layout = self.layout;
        let bytes = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_mul(layout.table_row_bytes()))
            .and_then(|start| self.bytes.get(start..)?.get(..layout.table_row_bytes()));
        let Some(bytes) = bytes else {
            return false;
        };
        let mut parts = Parts(bytes);
        (row.start, row.len) = if layout.is_fixed {
            (layout.place_in_block(number), layout.record_bytes)
        } else {
            let mut units = || u64::from(parts.u32()).saturating_mul(layout.align());
            (units(), units())
        };
        row.own_sizes.clear();
        row.own_sizes
            .extend((0..layout.own_sizes).map(|_| parts.u32()));
        row.crcs.clear();
        row.crcs.extend(layout.fields.iter().map(|_| parts.u32()));
        true
    }
}
