//! Conversion by the card, against conversion by the host and an upload of what that made.

use super::{Adapter, Named, check, compare, fill, named};
use crate::adit::{F16, F32, GGML, Gpu, GpuBuffer, Tensor, Uploads, kernel};
use crate::harness::{Unit, wall_time};
use crate::memory::HugeBuffer;
use crate::{Context, Result};

const ELEMENTS: usize = 64 << 20;

/// `ADIT_DTYPE_Q8_0` is 8 in ggml's numbering, `ADIT_DTYPE_Q4_0` 2.
const TYPES: [(&str, i32); 3] = [("f16", F16), ("Q8_0", GGML + 8), ("Q4_0", GGML + 2)];

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let Some(adapter) = Adapter::find() else {
        return Ok(());
    };
    println!("# GB/s of the f32 that are made; the peers are this library too");
    for (name, dtype) in TYPES {
        let (block, elements) = kernel::block(dtype);
        let mut source = HugeBuffer::new(ELEMENTS / elements * block)?;
        fill(source.plain_mut());
        measure(context, &adapter, name, dtype, source.bytes())?;
    }
    Ok(())
}

fn measure(
    context: &Context,
    adapter: &Adapter,
    name: &str,
    dtype: i32,
    source: &[u8],
) -> Result<()> {
    let tensor = &Tensor::over(source, dtype, &[ELEMENTS as i64])?;
    let bytes = ELEMENTS * 4;
    let unit = Unit::Rate(bytes as f64);
    let mut host = HugeBuffer::new(bytes)?;
    kernel::to_f32(source, dtype, host.plain_mut())?;
    let wanted = host.bytes().to_vec();
    for &way in adapter.ways() {
        let gpu = Gpu::open(way)?;
        let mut all: Vec<Named<'_>> = Vec::new();
        for (title, on_host) in [("uploaded, then by the card", false), ("by the host", true)] {
            let buffer = gpu.buffer(bytes)?;
            let upload = move |buffer: &GpuBuffer| {
                let mut items = Uploads::new()?;
                items.add(tensor, (buffer, 0), F32, on_host)?;
                items.upload()
            };
            upload(&buffer)?;
            check(&buffer, &wanted)?;
            let title = format!("{title}, {}", way.name());
            all.push(named(title, move || wall_time(|| upload(&buffer))));
        }
        compare(context.rounds, &format!("{name} to f32"), unit, 1, all)?;
        let (from, to) = (gpu.buffer(source.len())?, gpu.buffer(bytes)?);
        from.upload(0, source)?;
        let all = vec![
            named(format!("adit_gpu_convert, {}", way.name()), || {
                wall_time(|| from.convert(dtype, (&to, F32), ELEMENTS as u64))
            }),
            named("adit_convert in memory", || {
                wall_time(|| kernel::to_f32(source, dtype, host.plain_mut()))
            }),
        ];
        compare(
            context.rounds,
            &format!("{name} to f32 where it lies"),
            unit,
            1,
            all,
        )?;
        check(&to, &wanted)?;
    }
    Ok(())
}
