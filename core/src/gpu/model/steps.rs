//! A model's parts cut into what is uploaded at once.

use std::ops::Range;

use crate::dtype::DType;
use crate::gpu::buffer::{Buffer, COPY_ALIGN};
use crate::gpu::device::Device;
use crate::gpu::error::{Error, Result};
use crate::gpu::layout::Part;
use crate::gpu::upload::Upload;
use crate::tensor::{Shape, Source};
use crate::transfer::{Item, list_of, reserve};

/// How many bytes of a file are read before their pages are let go of.
const STEP: u64 = 16 << 20;

/// What is uploaded at once, as far as the page cache is concerned.
pub(super) struct Step {
    pub(super) tensor: usize,
    part: usize,
    pub(super) source: Source,
    /// Where it starts in the part's place.
    offset: u64,
    /// What of the file can be let go of behind it.
    pub(super) read: Range<u64>,
    /// The bytes that travel.
    pub(super) travels: u64,
}

impl Step {
    pub(super) fn stored(&self) -> u64 {
        self.read.end.saturating_sub(self.read.start)
    }
}

/// Parts cut into steps, where `cut` says so; each has one at least.
pub(super) fn steps(device: &Device, parts: &[Part], cut: bool) -> Result<Vec<Step>> {
    let mut all = list_of(parts.len())?;
    for (number, part) in parts.iter().enumerate() {
        let source = &part.source;
        let stored = source.shape.bytes(source.dtype);
        let stored = stored.map_err(|_| Error::Internal("a part of a tensor without a size"))?;
        let on_card = device.converts(source.dtype, part.place.dtype);
        let step = |source: Source, offset: u64, bytes: u64, becomes: u64| Step {
            tensor: part.tensor,
            part: number,
            read: source.offset..source.offset.saturating_add(bytes),
            source,
            offset,
            travels: if on_card { bytes } else { becomes },
        };
        if !cut || stored <= STEP {
            reserve(&mut all, 1)?;
            all.push(step(source.clone(), 0, stored, part.place.bytes));
            continue;
        }
        // Elements lie side by side, so any whole blocks are a tensor.
        let blocks = [source.dtype, part.place.dtype].map(DType::block_elements);
        let [block_in, block_out] = blocks.map(u64::from);
        let block = block_in.max(block_out);
        let unit_in = block / block_in * u64::from(source.dtype.block_bytes());
        let unit_out = block / block_out * u64::from(part.place.dtype.block_bytes());
        let aligned = COPY_ALIGN >> unit_out.trailing_zeros().min(COPY_ALIGN.trailing_zeros());
        let most = STEP / unit_in / aligned * aligned;
        let units = stored / unit_in;
        let mut unit = 0;
        while unit < units {
            let count = most.min(units - unit);
            let shape =
                i64::try_from(count.saturating_mul(block)).map(|count| Shape::new(&[count]));
            let Ok(Ok(shape)) = shape else {
                return Err(Error::Internal("a step without a shape"));
            };
            let own = Source {
                offset: source.offset.saturating_add(unit.saturating_mul(unit_in)),
                shape,
                ..source.clone()
            };
            reserve(&mut all, 1)?;
            all.push(step(
                own,
                unit * unit_out,
                count * unit_in,
                count * unit_out,
            ));
            unit += count;
        }
    }
    Ok(all)
}

pub(super) fn uploads(steps: &[Step], parts: &[Part], buffers: &[Buffer]) -> Result<Vec<Upload>> {
    let mut all = list_of(steps.len())?;
    for step in steps {
        let place = parts.get(step.part).map(|part| part.place);
        let place = place.ok_or(Error::Internal("a step of no part"))?;
        let buffer = buffers.get(place.buffer);
        let dtype = (place.dtype != step.source.dtype).then_some(place.dtype);
        all.push(Upload {
            item: Item {
                dtype,
                ..Item::new(step.source.clone())
            },
            buffer: buffer
                .ok_or(Error::Internal("a place in no buffer"))?
                .clone(),
            offset: place.offset.saturating_add(step.offset),
            on_host: false,
        });
    }
    Ok(all)
}
