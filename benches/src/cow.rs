//! One element of a 256 MiB array file changed in memory and not in the file: opened
//! copy-on-write, written, closed.

use std::hint::black_box;

use ferray_io::MemmapMode;
use ferray_io::memmap::memmap_mut;
use scirs2_core::MmapArray;

use crate::adit::{Array, F32, Format, Tensor};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report, time};
use crate::memory::bytes_of;
use crate::scratch::ScratchFile;
use crate::{Context, FERRAY, Result, SCIRS2};

const ELEMENTS: usize = 64 << 20;

/// Changes of one run: the peer that copies the array takes ten thousand times longer.
const CHANGES: usize = 500;

/// What is written; the file holds small numbers alone.
const NEW: f32 = 1e9;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or a change that is in the file.
pub fn run(context: &Context) -> Result<()> {
    let values: Vec<f32> = (0..ELEMENTS).map(|index| (index % 9973) as f32).collect();
    let tensor = Tensor::over(bytes_of(&values), F32, &[ELEMENTS as i64])?;
    let name = "open a 256 MiB array copy-on-write, write 1 element, close";

    let file = context.scratch.file("cow.mmap");
    Array::write(&file, &tensor, Format::Mmap)?;
    let sides: [Side<'_, 1>; 2] = [
        Box::new(|turn| ours(turn, &file)),
        Box::new(|turn| {
            let index = element(&mut Random(turn as u64));
            let seconds = time(1, || {
                let mut array = MmapArray::<f32>::open_cow(black_box(&file))?;
                array.view_mut()?[[index].as_slice()] = NEW;
                black_box(&array);
                Ok(())
            })?;
            Ok([seconds])
        }),
    ];
    let [[own], [peer]] = interleave(context.rounds, sides)?;
    report(&format!("{name}, MMAP"), Unit::Time, &own, &peer, SCIRS2);
    unchanged(&file, &values)?;
    file.remove()?;

    let file = context.scratch.file("cow.npy");
    Array::write(&file, &tensor, Format::Npy)?;
    let sides: [Side<'_, 1>; 2] = [
        Box::new(|turn| ours(turn, &file)),
        Box::new(|turn| {
            let mut random = Random(turn as u64);
            let seconds = time(CHANGES, || {
                for _ in 0..CHANGES {
                    let path: &std::path::Path = black_box(&file);
                    let mut array = memmap_mut::<f32, _>(path, MemmapMode::CopyOnWrite)?;
                    array.as_slice_mut()[element(&mut random)] = NEW;
                    black_box(array.as_slice().len());
                }
                Ok(())
            })?;
            Ok([seconds])
        }),
    ];
    let [[own], [peer]] = interleave(context.rounds, sides)?;
    report(&format!("{name}, npy"), Unit::Time, &own, &peer, FERRAY);
    unchanged(&file, &values)
}

fn element(random: &mut Random) -> usize {
    random.below(ELEMENTS as u64) as usize
}

fn ours(turn: usize, file: &ScratchFile) -> Result<[f64; 1]> {
    let mut random = Random(turn as u64);
    let seconds = time(CHANGES, || {
        for _ in 0..CHANGES {
            let mut array = Array::open_copy_on_write(black_box(file))?;
            let start = 4 * element(&mut random);
            array.bytes_mut()?[start..start + 4].copy_from_slice(&NEW.to_ne_bytes());
            black_box(&array);
        }
        Ok(())
    })?;
    Ok([seconds])
}

fn unchanged(file: &ScratchFile, values: &[f32]) -> Result<()> {
    if Array::open(file)?.tensor()?.bytes() == bytes_of(values) {
        Ok(())
    } else {
        Err("a change of a copy-on-write array is in its file".into())
    }
}
