//! What is asked of a gather, and what it answers.

use std::mem::MaybeUninit;

use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::map::Io;
use crate::record::error::{Error, Result};
use crate::record::reader::Check;
use crate::tensor::Shape;

/// How to gather one field. The default is the elements as they are stored, of records that are
/// alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatherOptions {
    /// How the records are read. `Auto` is from the map where a look at some of the pages finds
    /// them in memory; else, and for files on a network, they are announced to the kernel and read.
    pub io: Io,
    /// The dtype of the output; the records' where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the output's dtype can't hold.
    pub overflow: Overflow,
    /// Of records whose first dimension differs: the size that all have in the output, zeros behind
    /// what a record has.
    pub pad: Option<u64>,
    /// Whether what is longer than `pad` is cut to it; else it is an error.
    pub cut: bool,
    /// Whether checksums are compared; as the reader was opened where it is none.
    pub check: Option<Check>,
}

/// What a gather put into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The elements' type; none where the set is empty, so that nobody can tell.
    pub dtype: Option<DType>,
    /// The number of records, then a record's dimensions; of packed records the number of
    /// elements.
    pub shape: Shape,
    /// The bytes written.
    pub bytes: u64,
}

/// One field of the records that a fill copies, and where to.
pub struct Column<'a> {
    /// The field's number.
    pub field: usize,
    /// The dtype of the output.
    pub dtype: DType,
    /// What becomes of values that it can't hold.
    pub overflow: Overflow,
    /// Where to.
    pub out: Out<'a>,
}

/// Where a column goes.
pub enum Out<'a> {
    /// Records of one size, one after the other. With a schema that fixes the shape all are; of
    /// other fields those are refused that differ from the first.
    Fixed(&'a mut [MaybeUninit<u8>]),
    /// Records of any size, one after the other.
    Packed {
        /// Where each record starts, in elements, and where the last ends: one more than records.
        offsets: &'a mut [u64],
        /// Gives the memory for all of them.
        room: &'a mut dyn Room,
    },
    /// Records of any first dimension, each in a room of one size with zeros behind it. Their
    /// other dimensions must be alike.
    Padded {
        /// The first dimension in the output.
        size: u64,
        /// Whether longer records are cut to it; else they are faults.
        cut: bool,
        /// The first dimension of each record, after cutting: one a record, or empty.
        lengths: &'a mut [u64],
        /// The rooms.
        out: &'a mut [MaybeUninit<u8>],
    },
}

/// Memory for a packed column, whose size is known once all records were looked at.
pub trait Room {
    /// At least `bytes` bytes. Asked again, where a record was replaced, it may be the same memory.
    ///
    /// # Errors
    /// The implementor's, which end the fill.
    fn room(&mut self, bytes: u64) -> Result<&mut [MaybeUninit<u8>]>;
}

/// A buffer of one size.
impl Room for &mut [MaybeUninit<u8>] {
    fn room(&mut self, bytes: u64) -> Result<&mut [MaybeUninit<u8>]> {
        let given = self.len() as u64;
        let needed = bytes;
        let room = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| self.get_mut(..bytes));
        room.ok_or(Error::SmallBuffer { needed, given })
    }
}

/// How to fill columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct FillOptions {
    /// How the records are read; as for [`GatherOptions::io`].
    pub io: Io,
    /// Whether checksums are compared; as the reader was opened where it is none.
    pub check: Option<Check>,
    /// The records were announced: no look at pages, no announcement.
    pub announced: bool,
}

/// What stands for a record that can't be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Zeros stand for all of the record's fields; in a packed column it is empty.
    Mask,
    /// This record stands for it; if that one fails too, the question comes again.
    Replace(u64),
}

/// Told of a record that can't be copied, by its place among the rows asked for, and why; says what
/// stands for it, or ends the fill with an error: that one or its own.
pub type Judge<'a> = &'a mut dyn FnMut(usize, Error) -> Result<Verdict>;

/// What a fill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillCounts {
    /// Bytes of fields that were copied, as they are stored.
    pub bytes: u64,
    /// Bytes that were read from files for it; none from a map.
    pub bytes_read: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes whose checksum was compared.
    pub bytes_checked: u64,
}
