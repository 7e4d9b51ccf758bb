//! The programs on the card: compiled when first needed, once a device.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::super::device::Device;
use super::super::error::{Error, Result};
use super::ranges::Words;
use crate::dtype::DType;

/// The programs, in WGSL.
pub(super) const SOURCE: &str = concat!(
    include_str!("common.wgsl"),
    include_str!("floats.wgsl"),
    include_str!("blocks.wgsl"),
);

/// Bytes of a program's parameters: where the source's words start, where the target's, how many
/// elements there are.
pub(super) const IMMEDIATE_BYTES: u32 = 12;

/// Invocations of a group, as in the source.
pub(super) const GROUP: u32 = 64;

/// What a program turns into what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) from: DType,
    pub(super) to: DType,
    /// Its name in the source.
    pub(super) entry: &'static str,
    /// Elements of an invocation.
    pub(super) elements: u32,
    pub(super) words: Words,
}

pub(super) const PROGRAMS: [Program; 6] = [
    program(DType::F16, DType::F32, "f16_to_f32", 2, (2, 1, 2)),
    program(DType::BF16, DType::F32, "bf16_to_f32", 2, (2, 1, 2)),
    program(DType::Q8_0, DType::F32, "q8_0_to_f32", 4, (64, 17, 64)),
    program(DType::Q8_0, DType::F16, "q8_0_to_f16", 4, (64, 17, 32)),
    program(DType::Q4_0, DType::F32, "q4_0_to_f32", 8, (64, 9, 64)),
    program(DType::Q4_0, DType::F16, "q4_0_to_f16", 8, (64, 9, 32)),
];

const fn program(
    from: DType,
    to: DType,
    entry: &'static str,
    elements: u32,
    (unit, source, target): (u64, u64, u64),
) -> Program {
    Program {
        from,
        to,
        entry,
        elements,
        words: Words {
            elements: unit,
            source,
            target,
        },
    }
}

/// What the programs need of a device, and those that were compiled.
#[derive(Default)]
pub(super) struct Pipelines {
    /// Held while something is made: nothing is made twice.
    making: Mutex<()>,
    base: OnceLock<Base>,
    made: [OnceLock<wgpu::ComputePipeline>; PROGRAMS.len()],
}

struct Base {
    module: wgpu::ShaderModule,
    bindings: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
}

impl Pipelines {
    /// A program, ready to run, and the layout of its bindings. What fails is tried anew by the next
    /// call.
    pub(super) fn get(
        &self,
        device: &Device,
        program: &Program,
    ) -> Result<(&wgpu::ComputePipeline, &wgpu::BindGroupLayout)> {
        let place = PROGRAMS.iter().position(|known| known == program);
        let kept = place.and_then(|place| self.made.get(place));
        let kept = kept.ok_or(Error::Internal("a conversion without a program"))?;
        if kept.get().is_none() {
            let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if self.base.get().is_none() {
                let base = device.scoped("the conversions", 0, || base(device.raw()))?;
                let _ = self.base.set(base);
            }
            if let (None, Some(base)) = (kept.get(), self.base.get()) {
                let make = || pipeline(device.raw(), base, program);
                let _ = kept.set(device.scoped("a conversion", 0, make)?);
            }
        }
        let made = kept.get().zip(self.base.get());
        let (pipeline, base) = made.ok_or(Error::Internal("a program that isn't there"))?;
        Ok((pipeline, &base.bindings))
    }
}

fn base(device: &wgpu::Device) -> Base {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(SOURCE.into()),
    });
    let binding = |binding, read_only| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[binding(0, true), binding(1, false)],
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&bindings)],
        immediate_size: IMMEDIATE_BYTES,
    });
    Base {
        module,
        bindings,
        layout,
    }
}

fn pipeline(device: &wgpu::Device, base: &Base, program: &Program) -> wgpu::ComputePipeline {
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&base.layout),
        module: &base.module,
        entry_point: Some(program.entry),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    })
}
