//! An item worked out: which bytes of which file become which bytes.

use super::error::{Error, Result};
use super::item::{Item, Output};
use crate::kernel::{Conversion, Stores};
use crate::tensor;

/// What is to be read for an item, in units: elements, or blocks where the file's dtype has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) item: u64,
    pub(super) output: Output,
    /// The number of the file.
    pub(super) file: usize,
    /// Where the first unit lies in the file's bytes.
    pub(super) offset: u64,
    pub(super) units: u64,
    /// Units that lie side by side; not 0.
    pub(super) run_units: u64,
    /// Bytes from the start of a run to that of the next.
    pub(super) stride: u64,
    /// The bytes of a unit, in the file and converted.
    pub(super) unit_in: usize,
    pub(super) unit_out: usize,
    pub(super) conversion: Option<Conversion>,
    /// How the output is written, whatever the size of a piece.
    pub(super) stores: Stores,
}

/// A stretch of a job's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) job: usize,
    pub(super) start: u64,
    pub(super) count: u64,
}

impl Job {
    /// Behind its last byte in the file.
    pub(super) fn end(&self) -> u64 {
        let runs = self.units.div_ceil(self.run_units.max(1));
        let before = runs.saturating_sub(1).saturating_mul(self.stride);
        let last = self.bytes_in(self.run_units.min(self.units));
        self.offset.saturating_add(before).saturating_add(last)
    }

    pub(super) fn new(item: &Item, number: u64, file: usize) -> Result<Job> {
        let source = &item.source;
        let origin = || source.data.origin().clone();
        let wrong = |error: tensor::Error| Error::Part {
            item: number,
            origin: origin(),
            offset: source.offset,
            source: Box::new(error),
        };
        let part = source.part(&item.slice).map_err(wrong)?;
        let dtype = item.dtype.unwrap_or(part.dtype);
        let conversion = if dtype == part.dtype {
            None
        } else {
            let known = Conversion::new(part.dtype, dtype, item.overflow);
            Some(known.ok_or_else(|| Error::NoConversion {
                item: number,
                origin: origin(),
                dtype: part.dtype,
                asked: dtype,
            })?)
        };
        let bytes = part.shape.bytes(dtype).map_err(wrong)?;
        let outside = |source| Error::Item {
            item: number,
            source,
        };
        let total = if bytes == 0 { 0 } else { part.bytes() };
        if total > 0 {
            let span = part.span();
            source.data.range(part.offset, span).map_err(outside)?;
        }
        let unit_in = part.dtype.block_bytes() as usize;
        let unit_out = conversion.map_or(unit_in, |conversion| conversion.bytes_out());
        let units = total / unit_in as u64;
        Ok(Job {
            item: number,
            output: Output {
                dtype,
                shape: part.shape,
                bytes,
            },
            file,
            offset: part.offset,
            units,
            run_units: (part.run_bytes / unit_in as u64).max(1),
            stride: part.stride,
            unit_in,
            unit_out,
            conversion,
            stores: Stores::Auto,
        })
    }

    /// Whether all units lie side by side.
    pub(super) fn is_one_run(&self) -> bool {
        self.run_units >= self.units
    }

    /// The bytes that a piece becomes.
    pub(super) fn bytes_out(&self, piece: &Piece) -> u64 {
        piece.count.saturating_mul(self.unit_out as u64)
    }

    /// Where the bytes of a piece start in the output.
    pub(super) fn place_of(&self, piece: &Piece) -> u64 {
        piece.start.saturating_mul(self.unit_out as u64)
    }

    /// The bytes of a piece in the file, without what lies between runs.
    pub(super) fn bytes_in(&self, units: u64) -> u64 {
        units.saturating_mul(self.unit_in as u64)
    }

    /// Where unit `unit` lies in the file's bytes.
    pub(super) fn offset_of(&self, unit: u64) -> u64 {
        let (run, within) = (unit / self.run_units, unit % self.run_units);
        self.offset
            .saturating_add(run.saturating_mul(self.stride))
            .saturating_add(self.bytes_in(within))
    }
}
