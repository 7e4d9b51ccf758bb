//! Gathered rows: every path and every size gives the rows, and nothing outside is touched.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod kernel_memory;

use adit_core::dtype::DType;
use adit_core::kernel::{Conversion, Overflow, Stores, gather, gather_converted, gather_on};
use kernel_memory::{CANARY, Guarded, noise, paths};

const STORES: [Stores; 3] = [Stores::Auto, Stores::Cached, Stores::Streaming];

/// Where rows of `bytes` start in a memory of `room`: the very first and the very last ones,
/// repeats, neighbours, and some in between.
fn places(count: usize, bytes: usize, room: usize) -> Vec<usize> {
    let last = room - bytes;
    let place = |number: usize| match number % 5 {
        0 => last,
        1 => 0,
        2 => number * 7919 % (last + 1),
        3 => last,
        _ => number * 104_729 % (last + 1),
    };
    (0..count).map(place).collect()
}

fn sizes() -> impl Iterator<Item = usize> {
    let large = [2047, 2048, 2049, 2112, 2304, 2368, 3000, 4096, 5000, 12_288];
    (0..=80)
        .chain([127, 128, 129, 255, 256, 257, 600, 1024, 1999])
        .chain(large)
}

#[test]
fn every_path_gathers_rows_of_every_size() {
    const ROOM: usize = 64 << 10;
    let mut from = Guarded::new(ROOM);
    let noise = noise(from.bytes().len());
    from.bytes_mut().copy_from_slice(&noise);
    for path in paths() {
        for bytes in sizes() {
            for count in [0, 1, 2, 7, 8, 9, 15, 17, 63, 64, 65, 130] {
                let places = places(count, bytes, ROOM);
                let rows = || {
                    places
                        .iter()
                        .map(|&place| from.start().wrapping_add(place).cast_const())
                };
                let expected: Vec<u8> = places
                    .iter()
                    .flat_map(|&place| &noise[place..place + bytes])
                    .copied()
                    .collect();
                let len = bytes * count;
                let mut to = Guarded::new(len + 8);
                for stores in STORES {
                    // To the end, to the start, and to an odd address.
                    for target in [to.ends(len)[1], to.start(), to.start().wrapping_add(5)] {
                        to.fill();
                        // SAFETY: every row lies in `from`, and `to` has room for all of them; the
                        // path is available.
                        unsafe { gather_on(path, rows(), bytes, target, stores) };
                        let wrote = target.addr() - to.start().addr();
                        let what = (path, bytes, count, stores, wrote);
                        to.check(target, &expected, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn an_iterator_that_knows_no_length_is_as_good() {
    let from = noise(100_000);
    let places: Vec<usize> = (0..200).map(|n| n * 463).collect();
    let mut to = vec![CANARY; 100 * 3000 + 1];
    let rows = places
        .iter()
        .filter(|place| *place % 2 == 0)
        .map(|&place| from[place..].as_ptr());
    // SAFETY: 100 rows of 3000 bytes lie in `from`: the last starts at 198 * 463.
    unsafe { gather(rows, 3000, to.as_mut_ptr(), Stores::Auto) };
    for (number, row) in to.chunks_exact(3000).enumerate() {
        let place = places[2 * number];
        assert!(*row == from[place..place + 3000], "{number}");
    }
    assert_eq!(to.last(), Some(&CANARY));
}

#[test]
fn conversions_on_the_way_are_as_conversions_after() {
    const ROOM: usize = 96 << 10;
    let mut from = Guarded::new(ROOM);
    let noise = noise(from.bytes().len());
    from.bytes_mut().copy_from_slice(&noise);
    let pairs = [
        (DType::F16, DType::F32),
        (DType::F32, DType::F16),
        (DType::U8, DType::F32),
        (DType::F32, DType::F32),
        (DType::I16, DType::U8),
        (DType::F64, DType::F8E4M3FN),
    ];
    for (read, written) in pairs {
        let conversion = Conversion::new(read, written, Overflow::Plain).unwrap();
        let (size, size_out) = (read.block_bytes() as usize, written.block_bytes() as usize);
        for count in [
            0, 1, 3, 16, 127, 128, 500, 1023, 1024, 1025, 2048, 3001, 6144,
        ] {
            for rows in [0, 1, 5, 8, 9, 64, 66] {
                let places = places(rows, count * size, ROOM);
                let own = places
                    .iter()
                    .map(|&place| from.start().wrapping_add(place).cast_const());
                let mut expected = vec![0; rows * count * size_out];
                for (row, out) in own
                    .clone()
                    .zip(expected.chunks_exact_mut((count * size_out).max(1)))
                {
                    // SAFETY: the row lies in `from`; `out` has room for `count` elements.
                    unsafe { conversion.run(row, out.as_mut_ptr(), count, Stores::Cached) };
                }
                let len = expected.len();
                let mut to = Guarded::new(len + 8);
                for stores in STORES {
                    for target in [to.ends(len)[1], to.start(), to.start().wrapping_add(3)] {
                        to.fill();
                        // SAFETY: every row lies in `from`, and `to` has room for all of them.
                        unsafe {
                            gather_converted(own.clone(), &conversion, count, target, stores)
                        };
                        let wrote = target.addr() - to.start().addr();
                        let what = (read, written, count, rows, stores, wrote);
                        to.check(target, &expected, &what);
                    }
                }
            }
        }
    }
}
