//! The memory of columns, used again for batch after batch.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::error::{Error, Result};
use super::fields::{ColumnPlan, Layout, TensorOf};
use super::memory::Memory;
use super::room::Given;
use super::source::{Judge, Source};
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::map::{BulkAllocator, HeapBytes, Origin, Region};
use crate::record::{Column, FillCounts, FillOptions};
use crate::tensor::{Lent, Shape};

/// What addresses of columns are multiples of: of a page, for devices that lock whole ones.
pub(super) const ALIGN: usize = 4096;

/// The columns of a batch.
#[derive(Debug)]
pub(super) struct Columns {
    stores: Vec<Store>,
    overflow: Overflow,
    memory: Arc<Memory>,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) heap: HeapBytes,
    /// Where packed rows start, or the positions of padded ones.
    pub(super) places: Vec<u64>,
    shape: Shape,
}

impl Columns {
    /// Memory for so many rows, where that is known beforehand.
    pub(super) fn new(
        plans: &[ColumnPlan],
        rows: usize,
        overflow: Overflow,
        allocator: &Arc<dyn BulkAllocator>,
        memory: &Arc<Memory>,
    ) -> Result<Columns> {
        let mut columns = Columns {
            stores: Vec::with_capacity(plans.len()),
            overflow,
            memory: Arc::clone(memory),
        };
        for plan in plans {
            let count = plan.places_of(rows);
            let bytes = plan.bytes_of(rows).unwrap_or(0);
            let no_memory = || Error::no_memory(bytes.saturating_add(count), "a batch");
            let mut places = Vec::new();
            let reserved = places.try_reserve_exact(count);
            reserved.map_err(|_| no_memory())?;
            places.resize(count, 0);
            let mut heap = HeapBytes::aligned(Arc::clone(allocator), ALIGN);
            let grown = heap.grow(bytes, &Origin::Memory);
            grown.map_err(|_| no_memory())?;
            let shape = Shape::default();
            let store = Store {
                heap,
                places,
                shape,
            };
            memory.add(store.bytes());
            columns.stores.push(store);
        }
        Ok(columns)
    }

    /// The bytes of their memory.
    fn bytes(&self) -> usize {
        self.stores.iter().map(Store::bytes).sum()
    }

    /// Fills all columns with some records. On failure their contents are undefined.
    pub(super) fn fill(
        &mut self,
        source: &dyn Source,
        plans: &[ColumnPlan],
        rows: &[u64],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        let all = Cell::new(self.bytes());
        let memory = &*self.memory;
        let mut rooms = Vec::with_capacity(plans.len());
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            let room = Given::of(store, plan, rows.len(), memory, &all);
            rooms.push((room?, plan));
        }
        if rows.is_empty() {
            drop(rooms);
            self.begin_empty(plans)?;
            return Ok(FillCounts::default());
        }
        let mut columns = Vec::with_capacity(plans.len());
        for (room, plan) in &mut rooms {
            columns.push(Column {
                field: plan.field,
                dtype: plan.dtype,
                overflow: self.overflow,
                out: room.out(plan),
            });
        }
        let filled = source.fill(rows, &mut columns, how, judge);
        drop(columns);
        // What the source makes of it says less.
        if let Some(error) = rooms.into_iter().find_map(|(room, _)| room.failed()) {
            return Err(error);
        }
        let counts = filled?;
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            // SAFETY: the source wrote all of these rows, as it promises where it succeeds.
            unsafe { store.filled(plan, rows.len()) }?;
        }
        Ok(counts)
    }

    /// Puts rows of zeros, or empty ones, behind those that were filled.
    pub(super) fn fill_up(
        &mut self,
        plans: &[ColumnPlan],
        filled: usize,
        rows: usize,
    ) -> Result<()> {
        if filled >= rows {
            return Ok(());
        }
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            let bytes = match plan.layout {
                Layout::Packed { .. } => {
                    let end = store.places.get(filled).copied().unwrap_or(0);
                    store.places.get_mut(filled..).unwrap_or_default().fill(end);
                    continue;
                }
                Layout::Padded { bytes, .. } => {
                    store.places.get_mut(filled..).unwrap_or_default().fill(0);
                    bytes
                }
                Layout::Rows { bytes } => bytes,
            };
            let more = bytes * (rows - filled);
            let room = store.heap.spare_mut().get_mut(..more);
            room.ok_or(Error::Internal("less memory than a batch needs"))?
                .fill(MaybeUninit::new(0));
            // SAFETY: these were written just now, and they start the spare memory.
            unsafe { store.heap.filled(more) };
            store.shape = plan.shape(rows, 0)?;
        }
        Ok(())
    }

    /// A tensor of the batch.
    pub(super) fn tensor(&self, plans: &[ColumnPlan], which: TensorOf) -> Option<Lent<'_>> {
        match which {
            TensorOf::Elements(column) => {
                let (store, plan) = (self.stores.get(column)?, plans.get(column)?);
                Some(Lent {
                    bytes: store.heap.region(),
                    dtype: plan.dtype,
                    shape: store.shape,
                    fortran_order: false,
                })
            }
            TensorOf::Places(column) => {
                let places = &self.stores.get(column)?.places;
                // SAFETY: these are the list's own bytes, which nobody changes while self is
                // borrowed; a list has at most isize::MAX bytes.
                let bytes = unsafe { Region::new(places.as_ptr().cast(), size_of_val(&**places)) };
                Some(Lent {
                    bytes,
                    dtype: DType::U64,
                    shape: Shape::new(&[i64::try_from(places.len()).ok()?]).ok()?,
                    fortran_order: false,
                })
            }
        }
    }

    /// A row of a filled column, by itself. `of` tells the shape of packed ones that differ in
    /// several dimensions.
    pub(super) fn row(
        &self,
        column: usize,
        plan: &ColumnPlan,
        row: usize,
        of: impl FnOnce() -> Result<Shape>,
    ) -> Result<Lent<'_>> {
        let none = || Error::Internal("a row that isn't the batch's");
        let store = self.stores.get(column).ok_or_else(none)?;
        let (from, bytes, shape) = match plan.layout {
            Layout::Rows { bytes } | Layout::Padded { bytes, .. } => {
                (bytes * row, bytes, plan.row_shape(None)?)
            }
            Layout::Packed { inner } => {
                let place = |row: usize| store.places.get(row).copied().ok_or_else(none);
                let (from, to) = (place(row)?, place(row + 1)?);
                let elements = to.checked_sub(from).ok_or_else(none)?;
                let shape = match elements.checked_div(inner) {
                    Some(first) => plan.row_shape(Some(first))?,
                    None => of()?,
                };
                let (from, bytes) = (plan.bytes_in(from), plan.bytes_in(elements));
                (from, bytes, shape)
            }
        };
        let bytes = store.heap.region().slice(from as u64, bytes as u64);
        Ok(Lent {
            bytes: bytes.ok_or_else(none)?,
            dtype: plan.dtype,
            shape,
            fortran_order: false,
        })
    }

    /// Has no rows, of which the source would tell nothing.
    fn begin_empty(&mut self, plans: &[ColumnPlan]) -> Result<()> {
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            if let Some(first) = store.places.first_mut() {
                *first = 0;
            }
            store.shape = plan.shape(0, 0)?;
        }
        Ok(())
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        for store in &mut self.stores {
            store.heap.clear();
        }
    }

    /// The next row of all columns, whose sizes are known: zeros, to be written.
    pub(super) fn next_row(&mut self, plans: &[ColumnPlan]) -> Result<Vec<&mut [u8]>> {
        let mut rows = Vec::with_capacity(plans.len());
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            let bytes = plan.bytes_of(1).unwrap_or(0);
            let room = store.heap.spare_mut().get_mut(..bytes);
            let room = room.ok_or(Error::Internal("less memory than a batch needs"))?;
            room.fill(MaybeUninit::new(0));
            // SAFETY: they are zeros since the line above.
            rows.push(unsafe { room.assume_init_mut() });
        }
        Ok(rows)
    }

    /// Counts the row of the last [`Columns::next_row`] as filled.
    pub(super) fn row_done(&mut self, plans: &[ColumnPlan]) -> Result<()> {
        for (store, plan) in self.stores.iter_mut().zip(plans) {
            let bytes = plan.bytes_of(1).unwrap_or(0);
            let room = store.heap.spare_mut().get(..bytes);
            room.ok_or(Error::Internal("less memory than a batch needs"))?;
            // SAFETY: `next_row` put zeros there, and only bytes were written since.
            unsafe { store.heap.filled(bytes) };
            let rows = store.heap.len().checked_div(bytes).unwrap_or(0);
            store.shape = plan.shape(rows, 0)?;
        }
        Ok(())
    }
}

impl Drop for Columns {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes());
    }
}

impl Store {
    fn bytes(&self) -> usize {
        self.heap.capacity() + self.places.capacity() * size_of::<u64>()
    }

    /// # Safety
    /// All bytes of so many rows were written to the heap's memory.
    unsafe fn filled(&mut self, plan: &ColumnPlan, rows: usize) -> Result<()> {
        let elements = match plan.layout {
            Layout::Packed { .. } => self.places.get(rows).copied().unwrap_or(0),
            _ => 0,
        };
        let bytes = plan.bytes_of(rows);
        let bytes = bytes.unwrap_or_else(|| plan.bytes_in(elements));
        if bytes > self.heap.capacity() {
            return Err(Error::Internal("more bytes than there is memory for"));
        }
        // SAFETY: the caller wrote them; they are within the memory.
        unsafe { self.heap.filled(bytes) };
        self.shape = plan.shape(rows, elements)?;
        Ok(())
    }
}
