//! Many small tensors: one call for all, or one for each.

use super::{Adapter, Named, compare, fill, named};
use crate::adit::{BYTE, Gpu, GpuBuffer, Tensor, Uploads};
use crate::harness::{Unit, wall_time};
use crate::{Context, Result};

const COUNT: usize = 1024;
const BYTES: usize = 1024;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or bytes that differ.
pub fn run(context: &Context) -> Result<()> {
    let Some(adapter) = Adapter::find() else {
        return Ok(());
    };
    println!(
        "# time for all {COUNT} of {BYTES} bytes; the list of one call is made anew each time"
    );
    let mut source = vec![0; COUNT * BYTES];
    fill(&mut source);
    let source = &source;
    for &way in adapter.ways() {
        let gpu = &Gpu::open(way)?;
        let buffers: [GpuBuffer; 3] = [
            gpu.buffer(source.len())?,
            gpu.buffer(source.len())?,
            gpu.buffer(source.len())?,
        ];
        let [at_once, in_turn, waited] = &buffers;
        let mut all: Vec<Named<'_>> = vec![
            named(format!("{}, one call", way.name()), || {
                wall_time(|| together(source, at_once))
            }),
            named("adit_gpu_upload of each, waited for at the end", || {
                wall_time(|| {
                    for (number, part) in source.chunks(BYTES).enumerate() {
                        in_turn.send(number * BYTES, part)?;
                    }
                    gpu.wait()
                })
            }),
            named("adit_gpu_upload of each, each waited for", || {
                wall_time(|| {
                    let mut parts = source.chunks(BYTES).enumerate();
                    parts.try_for_each(|(number, part)| waited.upload(number * BYTES, part))
                })
            }),
        ];
        #[cfg(feature = "gpu-peer")]
        {
            let mut together = super::peer::Peer::open(&adapter.name)?;
            let buffer = together.buffer(source.len());
            let title = format!("Queue::write_buffer of each, one submit ({})", crate::WGPU);
            all.push(named(title, move || {
                wall_time(|| together.write_each(&buffer, source, BYTES, false))
            }));
            let mut each = super::peer::Peer::open(&adapter.name)?;
            let buffer = each.buffer(source.len());
            let title = format!(
                "Queue::write_buffer of each, submitted each ({})",
                crate::WGPU
            );
            all.push(named(title, move || {
                wall_time(|| each.write_each(&buffer, source, BYTES, true))
            }));
        }
        let rounds = 3 * context.rounds;
        compare(
            rounds,
            "1,024 x 1 KiB",
            Unit::Time,
            1,
            std::mem::take(&mut all),
        )?;
        for buffer in &buffers {
            let mut back = vec![0; source.len()];
            buffer.download(&mut back)?;
            if &back != source {
                return Err("other bytes are there than were uploaded".into());
            }
        }
    }
    Ok(())
}

fn together(source: &[u8], to: &GpuBuffer) -> Result<()> {
    let mut items = Uploads::new()?;
    for (number, part) in source.chunks(BYTES).enumerate() {
        let tensor = Tensor::over(part, BYTE, &[BYTES as i64])?;
        items.add(&tensor, (to, number * BYTES), 0, false)?;
    }
    items.upload()
}
