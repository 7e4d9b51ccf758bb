//! All bytes of all tensors read, and what of them is no finite number.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::ops::Range;

use super::error::{Error, Result};
use super::weights::Model;
use crate::dtype::DType;
use crate::kernel::{has_scales, may_be_non_finite, non_finite};
use crate::map::Progress;

/// What is read at once: it stays in a core's own cache.
const PIECE: u64 = 512 << 10;

/// How many findings are kept.
const MOST_FINDINGS: usize = 1000;

/// What to look for beside bytes that can't be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Floats that are NaN or infinite.
    pub non_finite: bool,
    /// Scales of quantised blocks that are NaN or infinite.
    pub scales: bool,
}

/// What a verification read and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Tensors read.
    pub tensors: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Tensors that have something bad.
    pub bad_tensors: u64,
    /// What they have, in the order of the files' bytes; of the first 1000.
    pub findings: Vec<Finding>,
}

/// What is bad in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The tensor's number.
    pub index: usize,
    /// Whether the scales of blocks are meant, not elements.
    pub scales: bool,
    /// How many are NaN; the parts of a complex number count each.
    pub nans: u64,
    /// How many are infinite.
    pub infinities: u64,
    /// The first element that is bad, or the first block.
    pub first: u64,
    /// Where that element or block starts in the file's bytes.
    pub offset: u64,
}

impl Model {
    /// Reads all bytes of all tensors, by pread where there is a file, and looks into them as far
    /// as asked. What it finds is told, not an error. Elements in the other byte order, and types
    /// that aren't known, are read but not looked into. `progress` is told bytes.
    ///
    /// # Errors
    /// [`Error::Bytes`] for a file that was cut or that the disk can't give back,
    /// [`Error::Cancelled`].
    pub fn verify(&self, options: &VerifyOptions, progress: Progress<'_>) -> Result<Verified> {
        let stretches = self.stretches()?;
        let total = stretches.iter().fold(0u64, |sum, (_, range)| {
            sum.saturating_add(range.end.saturating_sub(range.start))
        });
        let mut verified = Verified::default();
        let mut buffer = Vec::new();
        for (index, range) in stretches {
            let look = self.looked_into(index, options);
            let finding = self.verify_one(index, &range, look, &mut buffer, &mut |bytes| {
                verified.bytes = verified.bytes.saturating_add(bytes);
                progress(verified.bytes, total)
            })?;
            verified.tensors = verified.tensors.saturating_add(1);
            let Some(finding) = finding else { continue };
            verified.bad_tensors = verified.bad_tensors.saturating_add(1);
            if verified.findings.len() < MOST_FINDINGS {
                verified.findings.push(finding);
            }
        }
        match progress(verified.bytes, total) {
            true => Ok(verified),
            false => Err(Error::Cancelled),
        }
    }

    /// The dtype, where elements of it are to be looked at.
    fn looked_into(&self, index: usize, options: &VerifyOptions) -> Option<DType> {
        let dtype = self.tensors.get(index)?.dtype?;
        let swapped = self.big_endian && dtype.is_swappable();
        let asked =
            options.non_finite && may_be_non_finite(dtype) || options.scales && has_scales(dtype);
        (asked && !swapped).then_some(dtype)
    }

    fn verify_one(
        &self,
        index: usize,
        range: &Range<u64>,
        look: Option<DType>,
        buffer: &mut Vec<u8>,
        tick: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Finding>> {
        let data = self.data_of(self.entry(index)?)?;
        let block = look.map_or(1, |dtype| u64::from(dtype.block_bytes()));
        let piece = PIECE.saturating_sub(PIECE.checked_rem(block).unwrap_or(0));
        let mut finding: Option<Finding> = None;
        let mut at = range.start;
        while at < range.end {
            let len = piece.min(range.end.saturating_sub(at));
            let bytes = usize::try_from(len).unwrap_or(usize::MAX);
            data.read_to(at, bytes, buffer)
                .map_err(|source| self.bytes_error(index, source))?;
            if let Some(dtype) = look {
                let found = non_finite(dtype, buffer);
                if let Some(first) = found.first {
                    let done = at.saturating_sub(range.start);
                    let before = done.checked_div(block).unwrap_or(0);
                    let own = finding.get_or_insert(Finding {
                        index,
                        scales: has_scales(dtype),
                        nans: 0,
                        infinities: 0,
                        first: before.saturating_add(first),
                        offset: at.saturating_add(first.saturating_mul(block)),
                    });
                    own.nans = own.nans.saturating_add(found.nans);
                    own.infinities = own.infinities.saturating_add(found.infinities);
                }
            }
            at = at.saturating_add(len);
            if !tick(len) {
                return Err(Error::Cancelled);
            }
        }
        Ok(finding)
    }
}
