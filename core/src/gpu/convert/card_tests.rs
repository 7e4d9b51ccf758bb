//! Conversions on the software driver, within bindings of sizes that no adapter has.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::OnceLock;

use super::super::{AdapterKind, DeviceOptions, Select};
use super::*;
use crate::kernel::{Conversion, CpuPath, Overflow, Stores};

/// The software driver; none where it isn't there, which is said and counted by the tests in
/// `core/tests`.
fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let open = || {
        Device::open(&DeviceOptions {
            select: Select::Kind(AdapterKind::Software),
            ..DeviceOptions::default()
        })
    };
    let opened = || match open() {
        Err(Error::NoGpu { .. }) => None,
        opened => Some(opened.unwrap()),
    };
    DEVICE.get_or_init(opened).as_ref()
}

/// What a buffer of other bytes is after a conversion into it.
struct Case<'a> {
    program: &'a Program,
    window: Window,
    source: &'a [u8],
    source_at: u64,
    target_at: u64,
    elements: u64,
    /// Bytes behind the result.
    behind: u64,
}

const OTHER: u8 = 0xa5;

impl Case<'_> {
    fn target_bytes(&self) -> u64 {
        self.elements * u64::from(self.program.to.block_bytes())
    }

    fn on_card(&self, device: &Device) -> Vec<u8> {
        let raw = device.raw();
        let buffer = |size: u64, usage| {
            raw.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: size.next_multiple_of(4),
                usage,
                mapped_at_creation: false,
            })
        };
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST
            | wgpu::BufferUsages::COPY_SRC;
        let source = buffer(self.source_at + self.source.len() as u64, usage);
        let mut padded = self.source.to_vec();
        padded.resize(padded.len().next_multiple_of(4), OTHER);
        device
            .queue()
            .write_buffer(&source, self.source_at, &padded);
        let size = self.target_at + self.target_bytes() + self.behind;
        let target = buffer(size, usage);
        device
            .queue()
            .write_buffer(&target, 0, &vec![OTHER; size as usize]);
        let back_usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let back = buffer(size, back_usage);
        let (src, dst) = ((&source, self.source_at), (&target, self.target_at));
        let run = device.run(|encoder| {
            let (converter, program) = (device.converter(), self.program);
            let window = self.window;
            converter.encode_within(window, device, encoder, program, src, dst, self.elements)?;
            encoder.copy_buffer_to_buffer(&target, 0, &back, 0, size);
            Ok(())
        });
        let submission = run.unwrap();
        back.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        device.wait(Some(submission), None).unwrap();
        back.get_mapped_range(..).unwrap().to_vec()
    }

    fn on_host(&self) -> Vec<u8> {
        let (from, to) = (self.program.from, self.program.to);
        let conversion = Conversion::on(CpuPath::Scalar, from, to, Overflow::Plain).unwrap();
        let mut all = vec![OTHER; self.target_at as usize];
        let mut result = vec![0; self.target_bytes() as usize];
        let blocks = self.elements / u64::from(from.block_elements());
        assert_eq!(
            self.source.len() as u64,
            blocks * u64::from(from.block_bytes())
        );
        // SAFETY: both hold that many blocks or elements.
        unsafe {
            conversion.run(
                self.source.as_ptr(),
                result.as_mut_ptr(),
                blocks as usize,
                Stores::Auto,
            );
        };
        all.append(&mut result);
        all.resize(all.len() + self.behind as usize, OTHER);
        all
    }

    fn check(&self, device: &Device) {
        let (found, expected) = (self.on_card(device), self.on_host());
        let at = found
            .iter()
            .zip(&expected)
            .position(|(one, other)| one != other);
        let what = (self.program.entry, self.window, self.elements);
        assert_eq!(at, None, "{what:?} {} {}", self.source_at, self.target_at);
        assert_eq!(found.len(), expected.len());
    }
}

fn random(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(step).take(bytes).collect()
}

#[test]
fn tiny_bindings_give_the_same() {
    let Some(device) = device() else { return };
    let align = device.info().limits.binding_align;
    let mut seed = 0;
    for program in &PROGRAMS {
        let each = u64::from(program.from.block_elements());
        for (bytes, blocks) in [
            (256, 1),
            (256, 64),
            (512, 100),
            (4096, 1000),
            (1 << 20, 777),
        ] {
            for (source_at, target_at, behind) in [(0, 0, 0), (4, 8, 4), (260, 20, 32)] {
                seed += 1;
                let bytes = bytes + align;
                let source = random(seed, blocks * program.from.block_bytes() as usize);
                Case {
                    program,
                    window: Window { bytes, align },
                    source: &source,
                    source_at,
                    target_at,
                    elements: blocks as u64 * each,
                    behind,
                }
                .check(device);
            }
        }
    }
}

/// More groups than one dimension has.
#[test]
fn two_dimensions_give_the_same() {
    let Some(device) = device() else { return };
    let limits = device.info().limits;
    let window = Window {
        bytes: limits.binding_bytes,
        align: limits.binding_align,
    };
    let program = &PROGRAMS[0];
    let groups = device.raw().limits().max_compute_workgroups_per_dimension;
    let elements = (u64::from(groups) + 1) * u64::from(GROUP * program.elements) + 1;
    let source = random(1, elements as usize * 2);
    Case {
        program,
        window,
        source: &source,
        source_at: 4,
        target_at: 4,
        elements,
        behind: 0,
    }
    .check(device);
}

#[test]
fn a_program_that_fails_is_an_error_each_time() {
    let Some(device) = device() else { return };
    let pipelines = Pipelines::default();
    let wrong = Program {
        entry: "nothing",
        ..PROGRAMS[0]
    };
    for _ in 0..2 {
        let error = pipelines.get(device, &wrong).unwrap_err();
        assert!(matches!(error, Error::Internal(_)), "{error}");
    }
    assert!(pipelines.get(device, &PROGRAMS[0]).is_ok());
}
