//! The programs as text, the ranges against arithmetic, and whole conversions within tiny bindings.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use wgpu::naga;

use super::*;
use ranges::{View, Words};

#[test]
fn the_programs_are_valid_without_a_device() {
    let module = naga::front::wgsl::parse_str(pipelines::SOURCE)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(pipelines::SOURCE)));
    let (flags, needed) = (
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::IMMEDIATES,
    );
    let mut validator = naga::valid::Validator::new(flags, needed);
    validator.validate(&module).unwrap();
    let entries: Vec<&str> = module
        .entry_points
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    let programs: Vec<&str> = PROGRAMS.iter().map(|program| program.entry).collect();
    assert_eq!(entries, programs);
    for entry in &module.entry_points {
        assert_eq!(entry.workgroup_size, [GROUP, 1, 1], "{}", entry.name);
    }
    let immediates = module
        .global_variables
        .iter()
        .find(|(_, variable)| variable.space == naga::AddressSpace::Immediate);
    let size = module.types[immediates.unwrap().1.ty]
        .inner
        .size(module.to_ctx());
    assert_eq!(size, pipelines::IMMEDIATE_BYTES);
}

/// No float anywhere: nothing that a driver may flush or reorder.
#[test]
fn the_programs_have_no_floats() {
    let module = naga::front::wgsl::parse_str(pipelines::SOURCE).unwrap();
    for (_, ty) in module.types.iter() {
        let scalar = ty.inner.scalar();
        let float = scalar.is_some_and(|scalar| scalar.kind == naga::ScalarKind::Float);
        assert!(!float, "{ty:?}");
    }
}

const Q8_0: Words = Words {
    elements: 64,
    source: 17,
    target: 64,
};

/// Every word once, in order, within the window, at the alignment.
#[test]
fn ranges_cover_a_tensor() {
    let words = PROGRAMS.iter().map(|program| (program, program.words));
    for ((program, words), align) in words.flat_map(|words| [(words, 4), (words, 64), (words, 256)])
    {
        for bytes in [512, 516, 1024, 4096] {
            let each = u64::from(program.from.block_elements());
            for elements in (0..3000).filter(|elements| elements % each == 0) {
                for (source, target) in [(0, 0), (4, 252), (252, 4), (1028, 0)] {
                    let window = Window { bytes, align };
                    let all = ranges(words, source, target, elements, window).unwrap();
                    let (mut source, mut target, mut left) = (source, target, elements);
                    for range in &all {
                        for (view, at) in [(range.source, source), (range.target, target)] {
                            assert_eq!(view.offset % align, 0);
                            assert_eq!(view.offset + u64::from(view.start) * 4, at);
                            assert!(view.bytes <= bytes, "{view:?}");
                        }
                        let ends = (
                            range.source.offset + range.source.bytes,
                            range.target.offset + range.target.bytes,
                        );
                        let blocks = range.elements / each;
                        let taken = blocks * u64::from(program.from.block_bytes());
                        assert_eq!(ends.0, source + taken.next_multiple_of(4));
                        let made = range.elements * u64::from(program.to.block_bytes());
                        assert_eq!(ends.1, target + made);
                        (source, target) = (source + taken, target + made);
                        left -= range.elements;
                        assert!(left == 0 || source % 4 == 0, "{range:?}");
                    }
                    assert_eq!(left, 0);
                }
            }
        }
    }
}

#[test]
fn ranges_that_cannot_be_are_none() {
    let window = |bytes, align| Window { bytes, align };
    let two = Range {
        source: View {
            offset: 256,
            bytes: 72,
            start: 1,
        },
        target: View {
            offset: 0,
            bytes: 256,
            start: 0,
        },
        elements: 64,
    };
    assert_eq!(ranges(Q8_0, 260, 0, 64, window(256, 256)), Some(vec![two]));
    // Room for 63 words.
    assert_eq!(ranges(Q8_0, 260, 4, 64, window(256, 256)), None);
    assert_eq!(ranges(Q8_0, 260, 0, 64, window(252, 256)), None);
    assert_eq!(ranges(Q8_0, 0, 0, 64, window(256, 0)), None);
    assert_eq!(ranges(Q8_0, u64::MAX - 3, 0, 64, window(512, 256)), None);
    assert_eq!(ranges(Q8_0, 0, 0, 0, window(0, 0)), Some(vec![]));
    // No binding has more than 2^30 bytes, whatever the limit.
    let large = ranges(Q8_0, 0, 0, 1 << 29, window(u64::MAX, 256)).unwrap();
    let elements: Vec<u64> = large.iter().map(|range| range.elements).collect();
    assert_eq!(elements, [1 << 28, 1 << 28]);
}

#[test]
fn grids_have_enough_groups() {
    for most in [1, 2, 7, 65_535] {
        for groups in (1..200).chain([65_535, 65_536, 65_537, 1 << 22]) {
            let (x, y) = grid(groups, most);
            assert!(x <= most, "{groups} {most}: {x} x {y}");
            assert!(
                y <= most.max(groups.div_ceil(most)),
                "{groups} {most}: {x} x {y}"
            );
            let all = u64::from(x) * u64::from(y);
            assert!((u64::from(groups)..u64::from(groups) + u64::from(y)).contains(&all));
        }
    }
}
