//! What an array's file says about itself, whatever its format.

use super::error::{Error, Fault, Result};
use super::{mmap, npy};
use crate::dtype::DType;
use crate::map::{Data, Window};
use crate::tensor::{Shape, dense_bytes};

/// The formats of array files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// NumPy's `.npy`.
    #[default]
    Npy,
    /// `MMAP`, of scirs2-core.
    Mmap,
}

impl Format {
    /// The name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Mmap => "MMAP",
        }
    }
}

/// What a file says about its array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) dtype: DType,
    /// Whether elements of several bytes have the most significant one first.
    pub(super) big_endian: bool,
    pub(super) fortran_order: bool,
    /// None negative.
    pub(super) dims: Vec<i64>,
    /// Where the type stands in the file.
    pub(super) descr_offset: u64,
    /// Where the shape stands in the file, and where its text ends.
    pub(super) shape_offset: u64,
    pub(super) shape_end: u64,
    /// Where the elements start in the file.
    pub(super) data_offset: u64,
}

impl Header {
    /// Reads and checks the header, from a copy: a file cut meanwhile is an error. Elements that
    /// the file gives a size but no type are `named`.
    pub(super) fn read(data: &Data, named: Option<DType>) -> Result<Header> {
        let mut window = Window::new(data, npy::USUAL.max(mmap::HEADER));
        let start = window.some_bytes(0, data.len().min(mmap::MAGIC.len() as u64))?;
        let header = if start == mmap::MAGIC {
            mmap::read(&mut window, data)
        } else {
            npy::read(&mut window, data, named)
        }?;
        if let Some(named) = named.filter(|&named| named != header.dtype) {
            return Err(Error::DType {
                origin: data.origin().clone(),
                offset: header.descr_offset,
                dtype: header.dtype,
                asked: named,
            });
        }
        Ok(header)
    }

    /// The header of a new file, and its bytes.
    pub(super) fn new(
        format: Format,
        dtype: DType,
        fortran_order: bool,
        shape: Shape,
    ) -> std::result::Result<(Header, Vec<u8>), Fault> {
        let mut header = Header {
            format,
            dtype,
            big_endian: cfg!(target_endian = "big"),
            fortran_order,
            dims: shape.dims().to_vec(),
            descr_offset: 0,
            shape_offset: 0,
            shape_end: 0,
            data_offset: 0,
        };
        let bytes = header.encode()?;
        header.data_offset = bytes.len() as u64;
        Ok((header, bytes))
    }

    /// The header as a file of its format has it.
    pub(super) fn encode(&self) -> std::result::Result<Vec<u8>, Fault> {
        match self.format {
            Format::Npy => npy::encode(self),
            Format::Mmap => mmap::encode(self),
        }
    }

    /// The bytes of the elements.
    pub(super) fn bytes(&self) -> std::result::Result<u64, crate::tensor::Error> {
        dense_bytes(&self.dims, self.dtype)
    }

    /// Whether the elements' bytes must be swapped for this machine.
    pub(super) fn is_swapped(&self) -> bool {
        self.dtype.block_bytes() > 1 && self.big_endian != cfg!(target_endian = "big")
    }

    /// Whether elements that differ in the first dimension alone lie in one piece each, so that
    /// more of them can follow.
    pub(super) fn grows(&self) -> bool {
        !self.fortran_order || self.dims.iter().skip(1).all(|&dim| dim == 1)
    }
}
