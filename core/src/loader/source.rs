//! What a loader takes its records from.

use std::ops::Range;

use super::error::{Error, Result};
use crate::dtype::DType;
use crate::map::Origin;
use crate::record::{Announced, Column, FillCounts, FillOptions, Verdict};
use crate::tensor::Shape;

/// A field of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceField {
    /// Its name.
    pub name: String,
    /// Its dtype.
    pub dtype: DType,
    /// Its dimensions; a negative one is each record's own.
    pub dims: Vec<i64>,
}

/// Told what is wrong with a row, says what is to stand there, or ends the fill.
pub type Judge<'a> = &'a mut dyn FnMut(usize, Error) -> Result<Verdict>;

/// Records by number, read by several threads at once.
///
/// # Safety
/// Where [`Source::fill`] succeeds, all bytes that the rows have in the columns are written: of a
/// packed one as many elements as its last offset says, in the room asked for last.
pub unsafe trait Source: Send + Sync {
    /// The number of records.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The set's name in messages.
    fn origin(&self) -> Origin;

    /// Another number for every other set.
    fn identity(&self) -> u128;

    /// The bytes of all records.
    fn bytes(&self) -> u64;

    /// The fields.
    fn fields(&self) -> &[SourceField];

    /// The dimensions of a field of a record.
    ///
    /// # Errors
    /// What is wrong with the record.
    fn shape(&self, record: u64, field: usize) -> Result<Shape>;

    /// Fills columns with the fields of records, a row each.
    ///
    /// # Errors
    /// The judge's; what concerns no row.
    fn fill(
        &self,
        rows: &[u64],
        columns: &mut [Column<'_>],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts>;

    /// Starts reading records from the disk.
    fn announce(&self, rows: &[u64], fields: &[usize]) -> Announced;

    /// Lets go of the kernel's cache of some records that lie side by side, of what they share with
    /// those before or after them where these are done with too, and tells how many
    /// bytes that freed.
    fn release(&self, records: Range<u64>, before: bool, after: bool) -> u64;
}
