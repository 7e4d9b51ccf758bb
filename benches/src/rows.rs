//! 256 random rows of 12 KiB from a plain map of a large file, by pointers: copied into one
//! buffer, and as f16 made f32 on the way.

use std::cell::RefCell;
use std::hint::black_box;

use crate::adit::{F16, F32, kernel};
use crate::convert::half_f16_to_f32;
use crate::data::{IMAGE_BYTES, Random, image_at};
use crate::harness::{Side, Unit, interleave, report, time};
use crate::machine::libc;
use crate::memory::{HugeBuffer, PlainMap, copy_over};
use crate::{Context, HALF, Result};

const ROWS: usize = 256;
const BYTES: usize = ROWS * IMAGE_BYTES;

/// Batches of one run.
const BATCHES: usize = 32;

/// Puts rows into a buffer.
type Fill<'a> = &'a mut dyn FnMut(&[&[u8]], &mut HugeBuffer) -> Result<()>;

/// Runs the benchmark over the images of a file of records, which is mapped and touched.
///
/// # Errors
/// The library's, or values that differ.
pub fn measure(context: &Context, map: &PlainMap, records: usize) -> Result<()> {
    let buffer = RefCell::new(HugeBuffer::new(2 * BYTES)?);
    let halfway = RefCell::new(HugeBuffer::new(BYTES)?);
    let pointers = RefCell::new(Vec::with_capacity(ROWS));
    let over = |turn: usize, fill: Fill<'_>| {
        let indices = Random(turn as u64).indices(BATCHES * ROWS, records);
        let rows: Vec<&[u8]> = indices
            .iter()
            .map(|&index| &map.bytes()[image_at(index as usize)..][..IMAGE_BYTES])
            .collect();
        let mut buffer = buffer.borrow_mut();
        let seconds = time(BATCHES, || {
            for batch in rows.chunks_exact(ROWS) {
                fill(batch, &mut buffer)?;
                black_box(buffer.bytes());
            }
            Ok(())
        })?;
        Ok([seconds])
    };
    let gather = |rows: &[&[u8]], to: &mut HugeBuffer, from_dtype, to_dtype| {
        let pointers = &mut *pointers.borrow_mut();
        kernel::gather(rows, from_dtype, to.bytes_mut(), to_dtype, pointers)
    };

    let mut own = |rows: &[&[u8]], to: &mut HugeBuffer| gather(rows, to, F32, F32);
    let mut memcpy = |rows: &[&[u8]], to: &mut HugeBuffer| {
        for (row, to) in rows
            .iter()
            .zip(to.plain_mut().chunks_exact_mut(IMAGE_BYTES))
        {
            copy_over(black_box(row), to);
        }
        Ok(())
    };
    let mut fused = |rows: &[&[u8]], to: &mut HugeBuffer| gather(rows, to, F16, F32);
    let mut half_each = |rows: &[&[u8]], to: &mut HugeBuffer| {
        let rooms = to.plain_mut().chunks_exact_mut(2 * IMAGE_BYTES);
        rows.iter()
            .zip(rooms)
            .try_for_each(|(row, to)| half_f16_to_f32(black_box(row), to))
    };
    let mut gather_then_half = |rows: &[&[u8]], to: &mut HugeBuffer| {
        let mut halfway = halfway.borrow_mut();
        gather(rows, &mut halfway, F16, F16)?;
        half_f16_to_f32(black_box(halfway.bytes()), to.plain_mut())
    };

    let fills: [(Fill<'_>, usize); 5] = [
        (&mut own, 0),
        (&mut memcpy, 0),
        (&mut fused, 2),
        (&mut half_each, 2),
        (&mut gather_then_half, 2),
    ];
    check(map, &buffer, fills)?;

    let sides: [Side<'_, 1>; 5] = [
        Box::new(|turn| over(turn, &mut own)),
        Box::new(|turn| over(turn, &mut memcpy)),
        Box::new(|turn| over(turn, &mut fused)),
        Box::new(|turn| over(turn, &mut half_each)),
        Box::new(|turn| over(turn, &mut gather_then_half)),
    ];
    let [[own], [memcpy], [fused], [each], [then]] = interleave(2 * context.rounds + 1, sides)?;
    let peer = format!("memcpy, per row ({})", libc());
    let rate = Unit::Rate(BYTES as f64);
    report(
        "gather of 256 random rows of 12 KiB",
        rate,
        &own,
        &memcpy,
        &peer,
    );
    let name = "gather of 256 random rows of 12 KiB, f16 to f32, in and out";
    let rate = Unit::Rate(3.0 * BYTES as f64);
    report(name, rate, &fused, &each, &format!("{HALF}, per row"));
    report(
        name,
        rate,
        &fused,
        &then,
        &format!("our gather, then {HALF}"),
    );
    Ok(())
}

/// Whether the fills of each group, the same number, put the same bytes into the buffer.
fn check<const N: usize>(
    map: &PlainMap,
    buffer: &RefCell<HugeBuffer>,
    fills: [(Fill<'_>, usize); N],
) -> Result<()> {
    let rows: Vec<&[u8]> = (0..ROWS)
        .map(|index| &map.bytes()[image_at(index)..][..IMAGE_BYTES])
        .collect();
    let mut first: Option<(usize, Vec<u8>)> = None;
    for (fill, group) in fills {
        let mut buffer = buffer.borrow_mut();
        buffer.plain_mut().fill(0xa5);
        fill(&rows, &mut buffer)?;
        match &first {
            Some((of, bytes)) if *of == group => {
                if bytes != buffer.bytes() {
                    return Err("two gathers of the same rows differ".into());
                }
            }
            _ => first = Some((group, buffer.bytes().to_vec())),
        }
    }
    Ok(())
}
