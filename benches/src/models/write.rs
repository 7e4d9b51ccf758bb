//! Safetensors files written, against the `safetensors` crate's `serialize_to_file`.
//!
//! Both write a temporary file and rename it over the one before. Ours is on the disk when finish
//! returns; the peer syncs nothing, so it is measured as it is and with fsyncs of file and folder
//! after it. Times of the wall: most of them wait for the disk.

use std::fs::File;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};

use super::Name;
use crate::adit::{BF16, Model, ModelWriter};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report_wall, wall_time};
use crate::scratch::ScratchFile;
use crate::{Context, Result, SAFETENSORS};

/// Runs the benchmark.
///
/// # Errors
/// A side's, or files that differ.
pub fn run(context: &Context) -> Result<()> {
    measure(context, 64, 4 << 20)?;
    measure(context, 20_000, 64)
}

fn measure(context: &Context, count: usize, bytes: usize) -> Result<()> {
    let names = Name::list(count)?;
    let mut random = Random(11);
    let mut data = vec![0u8; count * bytes];
    for word in data.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    let tensors: Vec<&[u8]> = data.chunks_exact(bytes).collect();
    let (own, other) = (
        context.scratch.file("ours.safetensors"),
        context.scratch.file("peers.safetensors"),
    );
    let folder = context.scratch.folder();
    let sides: [Side<'_, 1>; 3] = [
        Box::new(|_| Ok([wall_time(|| ours(&own, &names, &tensors))?])),
        Box::new(|_| Ok([wall_time(|| peers(&other, &names, &tensors))?])),
        Box::new(|_| {
            let synced = wall_time(|| {
                peers(&other, &names, &tensors)?;
                File::open(&*other)?.sync_all()?;
                Ok(File::open(folder)?.sync_all()?)
            })?;
            Ok([synced])
        }),
    ];
    let [[ours], [peer], [synced]] = interleave(context.rounds, sides)?;
    check(&own, &other, &names)?;
    let total = count * bytes;
    let name = format!("write {count} tensors of {bytes} bytes, durably");
    let unit = match bytes {
        64 => Unit::Time,
        _ => Unit::Rate(total as f64),
    };
    let fsync = format!("serialize_to_file and fsyncs, {SAFETENSORS}");
    report_wall(&name, unit, &ours, &synced, &fsync);
    let unsynced = format!("serialize_to_file, which syncs nothing, {SAFETENSORS}");
    report_wall(&name, unit, &ours, &peer, &unsynced);
    Ok(())
}

fn shape(bytes: usize) -> usize {
    bytes / 2
}

fn ours(path: &Path, names: &[Name], tensors: &[&[u8]]) -> Result<()> {
    let mut writer = ModelWriter::create(path)?;
    for (name, bytes) in names.iter().zip(tensors) {
        writer.declare(&name.c, BF16, &[shape(bytes.len()) as i64])?;
    }
    writer.begin()?;
    for (index, bytes) in tensors.iter().enumerate() {
        writer.write(index, bytes)?;
    }
    writer.finish()
}

fn peers(path: &Path, names: &[Name], tensors: &[&[u8]]) -> Result<()> {
    let views: Vec<(&str, TensorView<'_>)> = names
        .iter()
        .zip(tensors)
        .map(|(name, bytes)| {
            let view = TensorView::new(Dtype::BF16, vec![shape(bytes.len())], bytes)?;
            Ok((name.text.as_str(), view))
        })
        .collect::<Result<_>>()?;
    Ok(serialize_to_file(views, None, path)?)
}

/// Both files have the same tensors.
fn check(own: &ScratchFile, other: &ScratchFile, names: &[Name]) -> Result<()> {
    let (own, other) = (Model::open(own)?, Model::open(other)?);
    if (own.len(), other.len()) != (names.len(), names.len()) {
        return Err("other numbers of tensors than were written".into());
    }
    for name in names {
        let tensor = own.tensor(own.find(&name.c)?)?;
        if tensor.bytes() != other.tensor(other.find(&name.c)?)?.bytes() {
            return Err(format!("the files differ over {}", name.text).into());
        }
    }
    Ok(())
}
