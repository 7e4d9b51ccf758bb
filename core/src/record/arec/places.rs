//! Where a record and its fields lie: what the columns say, checked where it is used.

use super::field::FieldRow;
use super::file::ArecFile;
use crate::map::Fetch;
use crate::record::error::{Error, Result};
use crate::tensor::{MAX_DIMS, Shape};

/// Where a field of a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first byte's offset in the file.
    pub(crate) offset: u64,
    /// The number of bytes.
    pub(crate) bytes: u64,
    /// The dimensions.
    pub(crate) shape: Shape,
}

/// The own sizes of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    sizes: [u32; MAX_DIMS],
    count: usize,
}

impl Own {
    #[inline]
    pub(super) fn sizes(&self) -> &[u32] {
        self.sizes.get(..self.count).unwrap_or_default()
    }
}

impl ArecFile {
    /// Where a record starts, and its length: between the blocks' start and end, and long enough
    /// for the fixed fields.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::Malformed`], those of fetching.
    #[inline]
    pub(crate) fn extent(&self, from: &mut impl Fetch, index: u64) -> Result<(u64, u64)> {
        if index >= self.len() {
            return Err(self.no_record(index));
        }
        let layout = &self.header.layout;
        if layout.is_fixed {
            // All of the records' number follow from one another: see `Trailer::check`.
            return Ok((layout.known_place(index), layout.record_bytes));
        }
        // No overflow: the columns have a row for each record, inside of the file.
        let places = self.columns.places.wrapping_add(index.wrapping_mul(8));
        let lengths = self.columns.lengths.wrapping_add(index.wrapping_mul(4));
        let start = from.u64_at(places)?;
        let units = u64::from(from.u32_at(lengths)?);
        let len = units.wrapping_shl(layout.align_log2.into());
        let inside = start >= layout.data_start
            && start & layout.align().wrapping_sub(1) == 0
            && start
                .checked_add(len)
                .is_some_and(|end| end <= self.trailer.data_end)
            && len >= layout.fixed_end;
        if inside {
            Ok((start, len))
        } else {
            Err(self.outside(index, places, start, len))
        }
    }

    /// Where a field of a record lies.
    ///
    /// # Errors
    /// As [`ArecFile::extent`]; [`Error::NoField`].
    #[inline]
    pub(crate) fn place(&self, from: &mut impl Fetch, index: u64, field: usize) -> Result<Place> {
        let Some(row) = self.header.layout.fields.get(field) else {
            return Err(self.no_field(field));
        };
        let (start, len) = self.extent(from, index)?;
        if row.is_fixed() {
            return Ok(Place {
                // No overflow: the record is long enough for its fixed fields.
                offset: start.wrapping_add(row.offset),
                bytes: row.unit,
                shape: row.shape,
            });
        }
        let (offset, bytes, own) = self.ragged_span(from, index, field, len)?;
        Ok(Place {
            offset: start.wrapping_add(offset),
            bytes,
            shape: row.shape_of(own.sizes()),
        })
    }

    /// Where a field that isn't fixed lies in its record of `len` bytes, its bytes and own sizes.
    #[inline]
    fn ragged_span(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
        len: u64,
    ) -> Result<(u64, u64, Own)> {
        let layout = &self.header.layout;
        let mut end = layout.fixed_end;
        for &number in &layout.ragged {
            let Some(row) = layout.fields.get(number) else {
                continue;
            };
            let own = self.own_sizes(from, index, number, row)?;
            let (start, bytes) = layout.after(end, row, own.sizes());
            end = start.saturating_add(bytes);
            if end > len {
                return Err(self.too_long(index, number, end, len));
            }
            if number == field {
                return Ok((start, bytes, own));
            }
        }
        Err(self.no_field(field))
    }

    /// A field's own sizes of a record that there is.
    #[inline]
    pub(super) fn own_sizes(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
        row: &FieldRow,
    ) -> Result<Own> {
        let count = usize::from(row.free);
        let mut own = Own {
            sizes: [0; MAX_DIMS],
            count,
        };
        // No overflow: the column has a row for each record, inside of the file.
        let row_bytes = (count as u64).wrapping_mul(4);
        let at = self
            .columns
            .sizes
            .get(field)
            .copied()
            .unwrap_or(u64::MAX)
            .wrapping_add(index.wrapping_mul(row_bytes));
        let sizes = own.sizes.get_mut(..count).unwrap_or_default();
        from.u32s_at(at, sizes)?;
        Ok(own)
    }

    /// The CRC-32C that a field of a record has.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], those of fetching.
    #[inline]
    pub(crate) fn crc(&self, from: &mut impl Fetch, index: u64, field: usize) -> Result<u32> {
        if index >= self.len() {
            return Err(self.no_record(index));
        }
        let Some(&column) = self.columns.checksums.get(field) else {
            return Err(self.no_field(field));
        };
        // No overflow: the column has a row for each record, inside of the file.
        Ok(from.u32_at(column.wrapping_add(index.wrapping_mul(4)))?)
    }

    /// Says that a field's place will be fetched, and its checksum where that is wanted: brings the
    /// columns' lines closer. A record that there isn't does no harm.
    #[inline]
    pub(crate) fn soon(&self, from: &mut impl Fetch, index: u64, field: usize, with_crc: bool) {
        let layout = &self.header.layout;
        let at = |column: u64, row: u64| column.wrapping_add(index.wrapping_mul(row));
        if with_crc && let Some(&column) = self.columns.checksums.get(field) {
            from.soon(at(column, 4));
        }
        if layout.is_fixed {
            return;
        }
        from.soon(at(self.columns.places, 8));
        from.soon(at(self.columns.lengths, 4));
        for &number in layout.ragged.iter().take_while(|&&number| number <= field) {
            if let (Some(&column), Some(row)) =
                (self.columns.sizes.get(number), layout.fields.get(number))
            {
                from.soon(at(column, u64::from(row.free).wrapping_mul(4)));
            }
        }
    }

    /// What is told of a field whose bytes, at `offset` of the file, have another checksum.
    #[cold]
    pub(crate) fn wrong_sum(&self, index: u64, field: usize, offset: u64) -> Error {
        let row = self.header.layout.fields.get(field);
        Error::Checksum {
            origin: self.data.origin().clone(),
            index,
            field: row.map_or_else(String::new, |row| row.name.clone()),
            offset,
        }
    }

    #[cold]
    pub(crate) fn no_record(&self, index: u64) -> Error {
        Error::NoRecord {
            origin: self.data.origin().clone(),
            index,
            len: self.len(),
        }
    }

    #[cold]
    pub(crate) fn no_field(&self, field: usize) -> Error {
        Error::NoField {
            field,
            len: self.header.layout.fields.len(),
        }
    }

    #[cold]
    fn outside(&self, index: u64, offset: u64, start: u64, len: u64) -> Error {
        let layout = &self.header.layout;
        let why = format!(
            "the columns say that it starts at byte {start} and has {len} bytes, but records have \
             at least {} and lie between byte {} and byte {}, at multiples of {}",
            layout.fixed_end.max(layout.align()),
            layout.data_start,
            self.trailer.data_end,
            layout.align()
        );
        self.malformed(index, offset, why)
    }

    #[cold]
    pub(super) fn too_long(&self, index: u64, field: usize, end: u64, len: u64) -> Error {
        let layout = &self.header.layout;
        let row = layout.fields.get(field);
        let why = format!(
            "field {:?} would end {end} bytes behind the record's start by its sizes, but the \
             record has {len}",
            row.map_or("", |row| row.name.as_str())
        );
        let row_bytes = row.map_or(0, |row| u64::from(row.free).saturating_mul(4));
        let column = self.columns.sizes.get(field).copied().unwrap_or(0);
        let offset = column.saturating_add(index.saturating_mul(row_bytes));
        self.malformed(index, offset, why)
    }

    #[cold]
    pub(super) fn malformed(&self, index: u64, offset: u64, why: String) -> Error {
        Error::Malformed {
            origin: self.data.origin().clone(),
            offset,
            index: Some(index),
            why,
        }
    }
}
