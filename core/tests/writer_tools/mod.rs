//! Models to write, and what a model that was read holds.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::map::Storage;
use adit_core::model::{Model, ModelOptions, ModelWriter, ModelWriterOptions, WriteError};

/// A tensor to write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weights {
    pub name: String,
    pub dtype: &'static str,
    pub dims: Vec<i64>,
    pub bytes: Vec<u8>,
}

impl Weights {
    /// Bytes of which none is zero, the same for the same seed.
    pub fn new(seed: u8, name: &str, dtype: DType, dims: &[i64]) -> Weights {
        let elements: i64 = dims.iter().product();
        let blocks = elements as usize / dtype.block_elements() as usize;
        let len = blocks * dtype.block_bytes() as usize;
        let byte = |n: usize| (n * 37 + n / 251 + usize::from(seed)) as u8 | 1;
        Weights {
            name: name.to_owned(),
            dtype: dtype.name(),
            dims: dims.to_vec(),
            bytes: (0..len).map(byte).collect(),
        }
    }

    pub fn dtype(&self) -> DType {
        DType::from_name(self.dtype).unwrap()
    }
}

pub const REPLACE: ModelWriterOptions = ModelWriterOptions {
    shard_bytes: None,
    replace: true,
};

/// A writer with everything declared.
pub fn declared(
    storage: &Arc<dyn Storage>,
    path: &Path,
    options: &ModelWriterOptions,
    model: &[Weights],
) -> Result<ModelWriter, WriteError> {
    let mut writer = ModelWriter::create(Arc::clone(storage), path, options)?;
    for (number, own) in model.iter().enumerate() {
        assert_eq!(writer.declare(&own.name, own.dtype(), &own.dims)?, number);
    }
    Ok(writer)
}

/// Writes a whole model, its last tensor first.
pub fn write(
    storage: &Arc<dyn Storage>,
    path: &Path,
    options: &ModelWriterOptions,
    model: &[Weights],
) -> Result<(), WriteError> {
    let mut writer = declared(storage, path, options, model)?;
    writer.begin()?;
    for (number, own) in model.iter().enumerate().rev() {
        writer.write(number, 0, &own.bytes)?;
    }
    writer.finish()
}

/// All tensors of a model, by name.
pub fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<Weights>, adit_core::model::Error> {
    let model = Model::open_in(storage, path, &ModelOptions::default())?;
    Ok(contents(&model))
}

pub fn contents(model: &Model) -> Vec<Weights> {
    let tensors = model.tensors();
    let own = |index: usize| {
        let entry = tensors.get(index).unwrap();
        let region = model.data_of(entry).unwrap().region();
        let bytes = region.slice(entry.offset, entry.bytes).unwrap();
        Weights {
            name: String::from_utf8(tensors.name(index).unwrap().to_vec()).unwrap(),
            dtype: entry.dtype.unwrap().name(),
            dims: tensors.dims(entry).to_vec(),
            bytes: bytes.to_vec(0, bytes.len()).unwrap(),
        }
    };
    let mut all: Vec<Weights> = (0..tensors.len()).map(own).collect();
    all.sort();
    all
}

pub fn sorted(model: &[Weights]) -> Vec<Weights> {
    let mut model = model.to_vec();
    model.sort();
    model
}

/// All but the first are out of the order in which they go to the file.
pub fn small() -> Vec<Weights> {
    vec![
        Weights::new(1, "odd", DType::U8, &[3]),
        Weights::new(2, "w.weight", DType::F32, &[2, 8]),
        Weights::new(3, "none", DType::I64, &[4, 0]),
        Weights::new(4, "w.bias", DType::BF16, &[5]),
        Weights::new(5, "scalar", DType::F64, &[]),
    ]
}
