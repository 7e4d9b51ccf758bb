//! The writer's choice of a layout.

use super::field::{ANY, FieldKind, FieldRow, LONGEST_NAME};
use super::layout::{Given, Layout, MOST_FIELDS, PAGE};
use super::layout::{MOST_STRIDE, header_bytes};
use crate::dtype::DType;
use crate::record::error::{Error, Result};
use crate::record::schema::{Field, FieldShape, Schema};

/// How a file is laid out; zeros are the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArecOptions {
    /// The alignment of records in bytes: 64 (the default), 256 or 4096.
    pub align: u64,
    /// The least alignment of fields in their record: a power of two, at most that of records. The
    /// default is each dtype's own.
    pub field_align: u64,
    /// Whether no record touches more pages of 4096 bytes than it must: random reads from a disk
    /// get cheaper, and the file longer.
    pub pages: bool,
    /// The bytes of a block: 4 MiB by default, at least 16 KiB, and at most 1 TiB. It is rounded up
    /// to a multiple of 4096, above 4 MiB of 2 MiB, and so that a record fits where all fields are
    /// fixed.
    pub block_bytes: u64,
}

const USUAL_BLOCK: u64 = 4 << 20;
const LEAST_BLOCK: u64 = 16 << 10;
/// Blocks of more are made of whole huge pages.
const HUGE: u64 = 2 << 20;

fn refused(why: impl Into<String>) -> Error {
    Error::Schema { why: why.into() }
}

/// Of fields that can be told, and whose records can't be.
fn too_much(why: impl Into<String>) -> Error {
    Error::SchemaShape { why: why.into() }
}

impl Layout {
    /// The layout that a writer gives to records of a schema.
    ///
    /// # Errors
    /// [`Error::Schema`], [`Error::SchemaShape`].
    pub(crate) fn plan(schema: &Schema, options: &ArecOptions) -> Result<Layout> {
        let align = if options.align == 0 {
            64
        } else {
            options.align
        };
        if ![64, 256, 4096].contains(&align) {
            let why = format!("records are aligned to 64, 256 or 4096 bytes, not to {align}");
            return Err(refused(why));
        }
        let field_align = options.field_align.max(1);
        if !field_align.is_power_of_two() || field_align > align {
            return Err(refused(format!(
                "fields are aligned to a power of two, at most the records' {align}, not to \
                 {field_align}"
            )));
        }
        if schema.fields().is_empty() || schema.fields().len() > MOST_FIELDS {
            let why = format!(
                "records have 1 to {MOST_FIELDS} fields, not {}",
                schema.fields().len()
            );
            return Err(refused(why));
        }
        if options.block_bytes > MOST_STRIDE {
            let why = format!(
                "a block has at most 2^40 bytes, not {}",
                options.block_bytes
            );
            return Err(refused(why));
        }
        let rows: Result<Vec<FieldRow>> = schema
            .fields()
            .iter()
            .map(|field| row_of(field, field_align))
            .collect();
        let given = Given {
            fields: rows?,
            align_log2: log2(align),
            pages: options.pages,
        };
        let layout = Layout::of_fields(given).map_err(|flaw| too_much(flaw.why))?;
        layout.with_chosen_blocks(options.block_bytes)
    }

    /// Whether these are the fields, whatever the options were.
    pub(crate) fn is_of(&self, schema: &Schema) -> bool {
        let planned = Layout::plan(schema, &ArecOptions::default());
        planned.is_ok_and(|planned| planned.schema() == self.schema())
    }

    fn with_chosen_blocks(self, block_bytes: u64) -> Result<Layout> {
        let asked = if block_bytes == 0 {
            USUAL_BLOCK
        } else {
            block_bytes.max(LEAST_BLOCK)
        };
        let least = if self.is_fixed {
            self.fixed_block_bytes(1)
        } else {
            0
        };
        let bytes = asked.max(least);
        let unit = if bytes > USUAL_BLOCK { HUGE } else { PAGE };
        let stride = bytes
            .checked_next_multiple_of(unit)
            .filter(|&stride| stride <= MOST_STRIDE)
            .ok_or_else(|| too_much("a record has at most 2^40 bytes with its block"))?;
        let per_block = if self.is_fixed {
            self.most_records(stride)
        } else {
            0
        };
        let header_len = header_bytes(self.fields.len());
        let data_start = header_len
            .checked_next_multiple_of(stride.min(USUAL_BLOCK))
            .unwrap_or(MOST_STRIDE);
        self.with_blocks(header_len, stride, per_block, data_start)
            .map_err(|flaw| too_much(flaw.why))
    }

    /// The most fixed records that a block of a stride has room for: one at least has.
    fn most_records(&self, stride: u64) -> u64 {
        // Of so many it is known that they fit, and of so many that they don't.
        let (mut fits, mut not) = (1u64, (stride / 64).max(2));
        while not > fits.saturating_add(1) {
            let middle = fits.midpoint(not);
            if self.fixed_block_bytes(middle) <= stride {
                fits = middle;
            } else {
                not = middle;
            }
        }
        fits
    }
}

fn log2(power: u64) -> u8 {
    u8::try_from(power.trailing_zeros()).unwrap_or(0)
}

fn row_of(field: &Field, field_align: u64) -> Result<FieldRow> {
    let named = |why: String| refused(format!("field {:?}: {why}", field.name));
    if field.name.is_empty() || field.name.len() > LONGEST_NAME || field.name.contains('\0') {
        let why = format!("names have 1 to {LONGEST_NAME} bytes and no zero");
        return Err(named(why));
    }
    let FieldShape::Dims(sizes) = &field.shape else {
        return Err(named(
            "it needs its dimensions; a size can be each record's own".to_owned(),
        ));
    };
    let Some(dtype) = field.dtype.or(field.is_bytes.then_some(DType::U8)) else {
        return Err(named("it needs a dtype".to_owned()));
    };
    let dims: Vec<u64> = sizes
        .iter()
        .map(|&size| u64::try_from(size).unwrap_or(ANY))
        .collect();
    let kind = if field.is_bytes {
        FieldKind::Bytes
    } else if dims.contains(&ANY) {
        FieldKind::Ragged
    } else {
        FieldKind::Fixed
    };
    let align = field_align.max(dtype.align().into());
    FieldRow::new(field.name.clone(), dtype, kind, log2(align), &dims)
        .map_err(|why| too_much(format!("field {:?}: {why}", field.name)))
}
