//! Opening a small array file, lending its tensor, closing it. No peer does that from C: what the
//! kernel alone needs stands beside it.

use std::fs;
use std::hint::black_box;

use crate::adit::Array;
use crate::harness::{Side, Unit, interleave, report, time};
use crate::machine::kernel;
use crate::memory::{PlainMap, bytes_of};
use crate::{Context, Result};

const OPENS: usize = 2_000;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let file = context.scratch.file("small.npy");
    let values: Vec<f32> = (0..256_u16).map(f32::from).collect();
    fs::write(&*file, npy(&values))?;
    let array = Array::open(&file)?;
    let tensor = array.tensor()?;
    if tensor.bytes() != bytes_of(&values) || tensor.dims() != [256] {
        return Err("the library read other values than were written".into());
    }

    let sides: [Side<'_, 1>; 2] = [
        Box::new(|_| {
            let own = time(OPENS, || {
                for _ in 0..OPENS {
                    let array = Array::open(black_box(&file))?;
                    black_box(array.tensor()?.bytes()[0]);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let plain = time(OPENS, || {
                for _ in 0..OPENS {
                    let map = PlainMap::open(black_box(&file))?;
                    black_box(map.bytes()[HEAD]);
                }
                Ok(())
            })?;
            Ok([plain])
        }),
    ];
    let [[ours], [plain]] = interleave(context.rounds, sides)?;
    let calls = format!("open, fstat, mmap, munmap, close ({})", kernel());
    let name = "open a 1 KiB .npy, lend it, touch it, close";
    report(name, Unit::Time, &ours, &plain, &calls);
    Ok(())
}

/// The bytes before the elements.
const HEAD: usize = 128;

/// A .npy file of version 1.0.
fn npy(values: &[f32]) -> Vec<u8> {
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        values.len()
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(HEAD as u16 - 10).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(HEAD - 1, b' ');
    bytes.push(b'\n');
    bytes.extend_from_slice(bytes_of(values));
    bytes
}
