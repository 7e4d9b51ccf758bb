//! Opening and closing a file of a million small records.

use std::hint::black_box;
use std::path::Path;

use rumus::data::{Dataset, RecordDataset};

use crate::adit::{F32, Reader, Tensor, Writer};
use crate::data::with_peers_copy;
use crate::harness::{Side, Unit, interleave, report, time};
use crate::machine::kernel;
use crate::memory::{PlainMap, bytes_of};
use crate::{Context, RUMUS, Result};

const RECORDS: usize = 1_000_000;

/// Opens of one run: the peer's takes hundreds of times longer.
const OWN_OPENS: usize = 2_000;
const PEER_OPENS: usize = 10;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let file = context.scratch.file("open.rrec");
    write(&file)?;
    check(&file, file.text()?)?;

    let sides: [Side<'_, 1>; 3] = [
        Box::new(|_| {
            let own = time(OWN_OPENS, || {
                for _ in 0..OWN_OPENS {
                    black_box(Reader::open(black_box(&file))?.len());
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let path = file.text()?;
            let peer = time(PEER_OPENS, || {
                for _ in 0..PEER_OPENS {
                    black_box(RecordDataset::open(black_box(path))?.len());
                }
                Ok(())
            })?;
            Ok([peer])
        }),
        Box::new(|_| {
            let plain = time(OWN_OPENS, || {
                for _ in 0..OWN_OPENS {
                    black_box(PlainMap::open(black_box(&file))?.bytes().len());
                }
                Ok(())
            })?;
            Ok([plain])
        }),
    ];
    let [[ours], [peer], [plain]] = interleave(context.rounds, sides)?;
    let name = "open and close a file of 1 M records";
    report(name, Unit::Time, &ours, &peer, RUMUS);
    let calls = format!("open, fstat, mmap, munmap, close ({})", kernel());
    report(name, Unit::Time, &ours, &plain, &calls);
    Ok(())
}

/// Record i is the numbers i and -i.
fn write(path: &Path) -> Result<()> {
    let inputs: Vec<f32> = (0..RECORDS).map(|index| index as f32).collect();
    let targets: Vec<f32> = inputs.iter().map(|input| -input).collect();
    let shape = [RECORDS as i64, 1];
    let mut writer = Writer::create(path)?;
    writer.append_batch(&[
        Tensor::over(bytes_of(&inputs), F32, &shape)?,
        Tensor::over(bytes_of(&targets), F32, &shape)?,
    ])?;
    writer.finish()
}

fn check(path: &Path, text: &str) -> Result<()> {
    let (ours, peer) = (Reader::open(path)?, RecordDataset::open(text)?);
    if (ours.len(), peer.len()) != (RECORDS as u64, RECORDS) {
        return Err("other numbers of records than were written".into());
    }
    let mut tensors = [Tensor::EMPTY; 2];
    for index in (0..RECORDS as u64).step_by(997) {
        ours.get(index, &mut tensors)?;
        let own = (tensors[0].bytes(), tensors[1].bytes());
        let written = [index as f32, -(index as f32)];
        let (input, target) = bytes_of(&written).split_at(4);
        let same = own == (input, target)
            && with_peers_copy(&peer, index, |own_input, own_target| {
                (own_input, own_target) == (input, target)
            });
        if !same {
            return Err(format!("record {index} has other values than were written").into());
        }
    }
    Ok(())
}
