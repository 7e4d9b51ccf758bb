//! Any file as a model: its bytes as one tensor.

use super::error::{Error, Result};
use super::metadata::Metadata;
use super::pages::Pages;
use super::table::{Found, Tensors};
use super::weights::{Format, Model};
use crate::dtype::DType;
use crate::map::{self, Data};
use std::sync::Arc;

/// The tensor's name.
const NAME: &[u8] = b"data";

/// The model of one tensor of u8.
pub(super) fn model(data: Arc<Data>) -> Result<Model> {
    let len = data.len();
    let out_of_range = || Error::Unsupported {
        origin: data.origin().clone(),
        offset: 0,
        tensor: None,
        what: format!("{len} bytes are more than a tensor can have"),
    };
    let dim = i64::try_from(len).map_err(|_| out_of_range())?;
    let mut tensors = Tensors::default();
    let found = Found {
        file: 0,
        dtype: Some(DType::U8),
        ggml: 0,
        dims: &[dim],
        offset: 0,
        bytes: len,
    };
    tensors.add(NAME, found).map_err(|_| {
        Error::Map(map::Error::OutOfMemory {
            bytes: NAME.len() as u64,
            origin: data.origin().clone(),
        })
    })?;
    Ok(Model {
        format: Format::Raw,
        files: vec![data],
        tensors,
        metadata: Metadata::default(),
        big_endian: false,
        pages: Pages::default(),
    })
}
