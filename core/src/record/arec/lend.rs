//! Records lent from the map.

use super::file::ArecFile;
use crate::dtype::DType;
use crate::kernel;
use crate::map::{Mapped, Region};
use crate::record::error::{Error, Result};
use crate::record::reader::Check;
use crate::tensor::{self, Lent, Shape, is_aligned};

/// A field of a record, aligned for its dtype, in C order.
#[derive(Clone, Copy, Debug)]
pub struct ArecTensor<'a, 'h> {
    /// The elements' bytes.
    pub bytes: Region<'a>,
    /// The elements' type.
    pub dtype: DType,
    /// The dimensions.
    pub shape: &'h Shape,
}

impl<'a> ArecTensor<'a, '_> {
    /// The tensor by itself.
    #[must_use]
    pub fn lent(&self) -> Lent<'a> {
        Lent {
            bytes: self.bytes,
            dtype: self.dtype,
            shape: *self.shape,
            fortran_order: false,
        }
    }
}

impl ArecFile {
    /// Lends the fields of a record one after the other; `each` is told a field's number and
    /// tensor, also if a later field fails.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::Malformed`], [`Error::Tensor`] where a field lies misaligned,
    /// [`Error::Checksum`] where checksums are always compared.
    #[inline]
    pub(crate) fn lend_each<'a>(
        &'a self,
        index: u64,
        check: Check,
        mut each: impl FnMut(usize, ArecTensor<'a, '_>),
    ) -> Result<()> {
        let layout = &self.header.layout;
        let mut from = Mapped::new(&self.data);
        let (start, len) = self.extent(&mut from, index)?;
        let mut end = layout.fixed_end;
        for (field, row) in layout.fields.iter().enumerate() {
            let own_shape;
            let (offset, bytes, shape) = if row.is_fixed() {
                (row.offset, row.unit, &row.shape)
            } else {
                let own = self.own_sizes(&mut from, index, field, row)?;
                let (offset, bytes) = layout.after(end, row, own.sizes());
                end = offset.saturating_add(bytes);
                if end > len {
                    return Err(self.too_long(index, field, end, len));
                }
                own_shape = row.shape_of(own.sizes());
                (offset, bytes, &own_shape)
            };
            // No overflow: the record is long enough for the field, and lies in the file.
            let offset = start.wrapping_add(offset);
            let bytes = from.region().slice(offset, bytes).unwrap_or_default();
            if !is_aligned(bytes, row.dtype) {
                return Err(self.misaligned(index, field, offset));
            }
            if check == Check::Always && self.crc(&mut from, index, field)? != sum(bytes) {
                return Err(self.wrong_sum(index, field, offset));
            }
            let dtype = row.dtype;
            each(
                field,
                ArecTensor {
                    bytes,
                    dtype,
                    shape,
                },
            );
        }
        Ok(())
    }

    #[cold]
    fn misaligned(&self, index: u64, field: usize, offset: u64) -> Error {
        let dtype = match self.header.layout.fields.get(field) {
            Some(row) => row.dtype,
            None => return self.no_field(field),
        };
        Error::Tensor {
            origin: self.data.origin().clone(),
            index: Some(index),
            field,
            source: tensor::Error::Misaligned { offset, dtype },
        }
    }
}

fn sum(bytes: Region<'_>) -> u32 {
    // SAFETY: a region's bytes are readable for as long as its lifetime.
    unsafe { kernel::crc32c(0, bytes.as_ptr(), bytes.len()) }
}
