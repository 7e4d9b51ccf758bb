//! Conversion on the card: shaders of integer arithmetic, which give what [`crate::kernel`] gives,
//! bit for bit.

mod call;
mod pipelines;
mod ranges;
#[cfg(test)]
mod card_tests;
#[cfg(test)]
mod tests;

pub use call::convert;

use super::device::Device;
use super::error::{Error, Result};
use crate::dtype::DType;
use pipelines::{GROUP, PROGRAMS, Pipelines, Program};
use ranges::{Range, Window, ranges};

/// The conversions of a device.
#[derive(Default)]
pub(super) struct Converter {
    pipelines: Pipelines,
}

fn program(from: DType, to: DType) -> Option<&'static Program> {
    // What lies within the shaders' words stands in the order of little-endian machines, and what is
    // uploaded in this one's.
    if cfg!(target_endian = "big") {
        return None;
    }
    PROGRAMS
        .iter()
        .find(|program| (program.from, program.to) == (from, to))
}

impl Converter {
    /// Whether the card can do it.
    pub(super) fn supports(from: DType, to: DType) -> bool {
        program(from, to).is_some()
    }

    /// Adds a conversion to commands. The offsets are multiples of 4 and the ranges lie within the
    /// buffers, which are two; the last word of the source's may be read as a whole.
    #[allow(clippy::too_many_arguments, reason = "two places")]
    pub(super) fn encode(
        &self,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
        from: DType,
        to: DType,
        src: (&wgpu::Buffer, u64),
        dst: (&wgpu::Buffer, u64),
        elements: u64,
    ) -> Result<()> {
        let limits = &device.info().limits;
        let window = Window {
            bytes: limits.binding_bytes,
            align: limits.binding_align,
        };
        let program = program(from, to).ok_or_else(|| unsupported(from, to))?;
        self.encode_within(window, device, encoder, program, src, dst, elements)
    }

    #[allow(clippy::too_many_arguments, reason = "two places")]
    fn encode_within(
        &self,
        window: Window,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
        program: &Program,
        src: (&wgpu::Buffer, u64),
        dst: (&wgpu::Buffer, u64),
        elements: u64,
    ) -> Result<()> {
        let ranges = ranges(program.words, src.1, dst.1, elements, window);
        let ranges = ranges.ok_or(Error::Internal("a conversion that no binding holds"))?;
        if ranges.is_empty() {
            return Ok(());
        }
        let (pipeline, layout) = self.pipelines.get(device, program)?;
        let most = device.raw().limits().max_compute_workgroups_per_dimension;
        device.scoped("a conversion", 0, || {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(pipeline);
            for range in &ranges {
                let group = bind(device.raw(), layout, src.0, dst.0, range);
                pass.set_bind_group(0, &group, &[]);
                // Less than a binding has bytes, 2^30.
                let elements = range.elements as u32;
                let job = [range.source.start, range.target.start, elements];
                let job = job.map(u32::to_ne_bytes);
                pass.set_immediates(0, job.as_flattened());
                let (x, y) = grid(elements.div_ceil(program.elements * GROUP), most);
                pass.dispatch_workgroups(x, y, 1);
            }
        })
    }
}

fn unsupported(from: DType, to: DType) -> Error {
    let can: Vec<String> = PROGRAMS
        .iter()
        .map(|program| format!("{} to {}", program.from.name(), program.to.name()))
        .collect();
    let can = can.join(", ");
    Error::NoConversion { from, to, can }
}

/// Two sides of at most `most` groups each, of at least `groups` together.
fn grid(groups: u32, most: u32) -> (u32, u32) {
    let rows = groups.div_ceil(most.max(1)).max(1);
    (groups.div_ceil(rows), rows)
}

fn bind(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    src: &wgpu::Buffer,
    dst: &wgpu::Buffer,
    range: &Range,
) -> wgpu::BindGroup {
    let entry = |binding, buffer, view: &ranges::View| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: view.offset,
            size: wgpu::BufferSize::new(view.bytes),
        }),
    };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout,
        entries: &[entry(0, src, &range.source), entry(1, dst, &range.target)],
    })
}
