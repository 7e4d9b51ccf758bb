//! f16 and bf16 to and from f32, against NumPy's `astype` and, where its fresh memory would be
//! what is measured, `copyto` into an array that is kept.
//!
//! Both run in one Python process, ours through ctypes: below some tens of KiB the time of a call
//! from Python, about the same for both, is most of the time. Rates count bytes read and bytes
//! written.

use std::process::Command;

use crate::arena::SIZES;
use crate::harness::{Samples, Unit, report};
use crate::python::python_with;
use crate::{Context, Result};

const SCRIPT: &str = include_str!("astype.py");

/// What one side moves in a round at least.
const RUN_BYTES: usize = 32 << 20;

/// Runs the benchmark, where there is a Python with NumPy.
///
/// # Errors
/// The script's.
pub fn run(context: &Context) -> Result<()> {
    let Some(python) = python_with("numpy")? else {
        return Ok(());
    };
    let output = Command::new(&python)
        .args(["-c", SCRIPT, env!("BENCH_LIBRARY")])
        .arg(context.rounds.to_string())
        .arg(RUN_BYTES.to_string())
        .args(SIZES.map(|(bytes, _)| bytes.to_string()))
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", python.display(), said.trim()).into());
    }
    println!("# GB/s of bytes read and written together, called from Python");
    let mut versions = "";
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["versions", own] => versions = own,
            ["sample", name, bytes, peer, ref samples @ ..] => {
                let (ours, theirs) = parse(samples)?;
                let bytes: usize = bytes.parse()?;
                let size = SIZES.iter().find(|(size, _)| *size == bytes);
                let size = size.map_or("?", |(_, size)| *size);
                let name = format!("{name}, {size}, from Python");
                let peer = format!("{peer}, {versions}");
                report(&name, Unit::Rate(bytes as f64), &ours, &theirs, &peer);
            }
            _ => println!("# {line}"),
        }
    }
    Ok(())
}

fn parse(samples: &[&str]) -> Result<(Samples, Samples)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for sample in samples {
        let (own, other) = sample.split_once(',').ok_or("half a sample")?;
        ours.push(own.parse()?);
        theirs.push(other.parse()?);
    }
    Ok((Samples::new(ours), Samples::new(theirs)))
}
