//! Safetensors files as the official package lays them out: offsets in the header's order, spaces
//! up to a multiple of 8.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::Name;
use crate::Result;

/// Writes a tensor of one dtype and shape for each name; `fill` is told its number.
///
/// # Errors
/// The system's.
pub fn write(
    path: &Path,
    names: &[Name],
    (dtype, element): (&str, usize),
    shape: &[usize],
    mut fill: impl FnMut(usize, &mut [u8]),
) -> Result<()> {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    let dims = dims.join(",");
    let bytes = shape.iter().product::<usize>() * element;
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    for (number, name) in names.iter().enumerate() {
        let (name, start) = (&name.text, number * bytes);
        let end = start + bytes;
        write!(
            header,
            ",\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{dims}],\"data_offsets\":[{start},{end}]}}"
        )?;
    }
    header.push('}');
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut elements = vec![0; bytes];
    for number in 0..names.len() {
        fill(number, &mut elements);
        out.write_all(&elements)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}
