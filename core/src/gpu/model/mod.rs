//! A whole model on the card.

mod behind;
mod steps;

use super::buffer::{Buffer, COPY_ALIGN};
use super::device::Device;
use super::error::{Error, Result};
use super::layout::{Layout, Part, Refusal, Rules, TooLarge, Wanted};
use super::options::ModelOptions;
use super::place::Place;
use crate::dtype::DType;
use crate::kernel::{Conversion, Overflow};
use crate::model::Model;
use crate::transfer::{self, LoadOptions, Stats, Watch, list_of};
use behind::Behind;
use steps::{Step, steps, uploads};

/// What places are multiples of where nothing was asked for: what every card can bind.
const DEFAULT_ALIGN: u64 = 256;

/// The greatest such number that can be asked for.
const MAX_ALIGN: u64 = 2 << 20;

/// A model's tensors in buffers. They stay when this is dropped, where clones of them do.
#[derive(Debug)]
pub struct GpuModel {
    buffers: Vec<Buffer>,
    /// By tensor, then by row.
    places: Vec<Place>,
    /// Where each tensor's places start, and the end of all.
    starts: Vec<usize>,
}

impl GpuModel {
    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn places(&self, index: usize) -> Option<&[Place]> {
        let (start, end) = (self.starts.get(index)?, self.starts.get(index + 1)?);
        self.places.get(*start..*end)
    }

    /// In how many parts tensor `index` of the model lies; none where there is no such tensor.
    #[must_use]
    pub fn parts(&self, index: usize) -> Option<usize> {
        self.places(index).map(<[Place]>::len)
    }

    /// Where part `part` of tensor `index` lies.
    #[must_use]
    pub fn place(&self, index: usize, part: usize) -> Option<Place> {
        self.places(index)?.get(part).copied()
    }

    /// The buffers.
    #[must_use]
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }
}

/// Uploads all tensors of a model, in the order in which its files have them, into as few buffers as
/// the limit allows, and waits until the card has them. `watch` is told bytes as they become, and
/// tensors by their numbers in the model. After a failure all buffers are gone.
///
/// # Errors
/// Those of [`Model::source`] as [`Error::Model`]; [`Error::TensorTooLarge`], [`Error::Tensor`] for a
/// file that fails, and those of [`Buffer::create`] and [`super::upload()`].
pub fn upload_model(
    device: &Device,
    model: &Model,
    options: &ModelOptions,
    load: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<(GpuModel, Stats)> {
    device.sound()?;
    let wanted = wanted(model, options)?;
    let rules = rules(device, options)?;
    let layout = Layout::new(&wanted, rules).map_err(|refusal| match refusal {
        Refusal::Other(error) => error,
        Refusal::TooLarge(large) => too_large(&large, model, &wanted, rules.limit),
    })?;
    let mut buffers = list_of(layout.buffers.len())?;
    for &bytes in &layout.buffers {
        buffers.push(Buffer::create(device, bytes)?);
    }
    let steps = steps(device, &layout.parts, options.release)?;
    let uploads = uploads(&steps, &layout.parts, &buffers)?;
    let mut behind = Behind::new(&steps, wanted.len(), options.release, watch)?;
    let stats = behind.send(&uploads, load);
    let stats = stats.map_err(|error| of_tensor(error, &steps, model))?;
    let (places, starts) = by_tensor(layout.parts, wanted.len())?;
    let model = GpuModel {
        buffers,
        places,
        starts,
    };
    Ok((model, stats))
}

fn wanted(model: &Model, options: &ModelOptions) -> Result<Vec<Wanted>> {
    let mut all = list_of(model.tensors().len())?;
    for index in 0..model.tensors().len() {
        let source = model
            .source(index)
            .map_err(|error| Error::Model(Box::new(error)))?;
        let dtype = becomes(source.dtype, options.dtype);
        all.push(Wanted { source, dtype });
    }
    Ok(all)
}

/// What a tensor becomes where floats and blocks shall be of another dtype.
fn becomes(own: DType, asked: Option<DType>) -> DType {
    use DType::{BF16, F16, F32, F64};
    let is_number = matches!(own, F16 | BF16 | F32 | F64) || is_small_float(own) || own.is_block();
    let can = |asked: &DType| Conversion::new(own, *asked, Overflow::default()).is_some();
    asked.filter(|_| is_number).filter(can).unwrap_or(own)
}

/// Floats of 8 bits; the scales of others aren't.
fn is_small_float(own: DType) -> bool {
    use DType::{F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ};
    matches!(own, F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ)
}

fn rules(device: &Device, options: &ModelOptions) -> Result<Rules> {
    let wrong = |why: String| Err(Error::Arguments { why, item: None });
    let align = match options.align {
        0 => DEFAULT_ALIGN,
        align => align,
    };
    if !align.is_power_of_two() || !(COPY_ALIGN..=MAX_ALIGN).contains(&align) {
        return wrong(format!(
            "an alignment of {align}; powers of two from {COPY_ALIGN} to {MAX_ALIGN} can be had"
        ));
    }
    let most = device.info().limits.buffer_bytes;
    let limit = match options.buffer_bytes {
        0 => most,
        bytes => bytes.min(most),
    };
    let limit = limit & !(COPY_ALIGN - 1);
    if limit == 0 {
        return wrong(format!("buffers of at most {} bytes", options.buffer_bytes));
    }
    Ok(Rules {
        limit,
        align,
        split: options.split,
    })
}

/// What went wrong with a file, by the tensor's name.
fn of_tensor(error: Error, steps: &[Step], model: &Model) -> Error {
    let Error::Transfer(transfer::Error::Item { item, source }) = error else {
        return error;
    };
    let step = usize::try_from(item).ok().and_then(|item| steps.get(item));
    let Some(step) = step else {
        return transfer::Error::Item { item, source }.into();
    };
    Error::Tensor {
        index: step.tensor as u64,
        name: name_of(model, step.tensor),
        source: Box::new(source),
    }
}

fn too_large(large: &TooLarge, model: &Model, wanted: &[Wanted], limit: u64) -> Error {
    let Some(Wanted { source, .. }) = wanted.get(large.tensor) else {
        return Error::Internal("a tensor that isn't the model's");
    };
    Error::TensorTooLarge {
        origin: source.data.origin().clone(),
        offset: source.offset,
        index: large.tensor as u64,
        name: name_of(model, large.tensor),
        row: large.row,
        bytes: large.bytes,
        limit,
        instead: match large.row {
            true => "no row is split",
            false => "let it be split by rows, or convert it to a smaller dtype",
        },
    }
}

fn name_of(model: &Model, index: usize) -> String {
    let name = model.tensors().name(index).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The parts' places, by tensor and row.
fn by_tensor(mut parts: Vec<Part>, tensors: usize) -> Result<(Vec<Place>, Vec<usize>)> {
    parts.sort_unstable_by_key(|part| (part.tensor, part.place.row_start));
    let mut starts = list_of(tensors.saturating_add(1))?;
    for tensor in 0..=tensors {
        starts.push(parts.partition_point(|part| part.tensor < tensor));
    }
    let mut places = list_of(parts.len())?;
    places.extend(parts.iter().map(|part| part.place));
    Ok((places, starts))
}
