//! Arrays side by side: record i is row i of each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::held::Held;
use super::sink::Sink;
use crate::array::{Array, ArrayOptions, ReadOptions};
use crate::map::{self, Progress, Storage};
use crate::record::{Field, FieldShape, Schema, WriterOptions};
use crate::tensor::Shape;

/// The bytes of rows that are held at once, of all arrays; one row may have more.
const HELD: u64 = 8 << 20;

/// Writes records to `to`, one for each row of the arrays at `paths`, which all have as many: field
/// f of record i is row i of array f, in C order and little-endian whatever the file's order is. A
/// row of an array of one dimension has none. The fields have these `names`, or where there are
/// none, the files' names without what follows the last dot. Gives the number of records.
/// `progress` is told records done and in all.
///
/// # Errors
/// Those of [`Array::open`] and [`Array::read`]; [`Error::Rows`]; [`Error::Argument`]; those of
/// writing; [`Error::Cancelled`].
pub fn convert_arrays(
    storage: &Arc<dyn Storage>,
    paths: &[PathBuf],
    names: &[String],
    to: &Path,
    options: &WriterOptions,
    progress: Progress<'_>,
) -> Result<u64> {
    let names = names_of(paths, names)?;
    let mut arrays = Vec::new();
    for path in paths {
        arrays.push(Array::open_in(storage, path, &ArrayOptions::default())?);
    }
    let rows = rows_of(&arrays)?;
    let mut schema = Schema::new();
    for (array, name) in arrays.iter().zip(names) {
        schema.add(Field {
            name,
            dtype: Some(array.dtype()),
            shape: FieldShape::Dims(array.dims().get(1..).unwrap_or_default().to_vec()),
            is_bytes: false,
        })?;
    }
    let row_bytes: u64 = arrays
        .iter()
        .map(|array| array.region().len() as u64 / rows.max(1))
        .sum();
    let at_once = (HELD / row_bytes.max(1)).max(1);
    let mut sink = Sink::create(storage, to, options, Some(schema), rows, progress)?;
    let mut columns: Vec<Held> = arrays.iter().map(|_| Held::new()).collect();
    let mut first = 0;
    while first < rows {
        let count = at_once.min(rows - first);
        for (array, column) in arrays.iter().zip(&mut columns) {
            read_rows(array, first, count, column)?;
        }
        sink.append_batch(&columns, count)?;
        first += count;
    }
    sink.finish()
}

/// The fields' names: those given, or the files'.
fn names_of(paths: &[PathBuf], names: &[String]) -> Result<Vec<String>> {
    let argument = |why: String| Error::Argument { why };
    if paths.is_empty() {
        return Err(argument("no arrays were given".to_owned()));
    }
    if !names.is_empty() {
        return if names.len() == paths.len() {
            Ok(names.to_vec())
        } else {
            let (names, paths) = (names.len(), paths.len());
            Err(argument(format!("{paths} arrays, but {names} names")))
        };
    }
    let name_of = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        stem.map(str::to_owned).ok_or_else(|| {
            let path = path.display();
            argument(format!("{path} gives its field no name: give one"))
        })
    };
    paths.iter().map(name_of).collect()
}

/// The number of rows, which all arrays have.
fn rows_of(arrays: &[Array]) -> Result<u64> {
    let mut rows = None;
    for array in arrays {
        let differs = |why: String| Error::Rows {
            origin: array.data().origin().clone(),
            why,
        };
        let Some(own) = array.dims().first() else {
            let why = "it has no dimensions, so no rows that could be records";
            return Err(differs(why.to_owned()));
        };
        let own = own.cast_unsigned();
        match rows {
            Some(rows) if rows != own => {
                let first = arrays.first().map(|first| first.data().origin());
                let first = first.map(ToString::to_string).unwrap_or_default();
                return Err(differs(format!(
                    "it has {own} rows, but {first} has {rows}"
                )));
            }
            _ => rows = Some(own),
        }
    }
    Ok(rows.unwrap_or(0))
}

/// Reads rows by pread: a file that is cut meanwhile is an error.
fn read_rows(array: &Array, first: u64, count: u64, column: &mut Held) -> Result<()> {
    let origin = array.data().origin();
    let mut start = vec![0; array.dims().len()];
    let mut counts = array.dims().to_vec();
    for (own, value) in [(&mut start, first), (&mut counts, count)] {
        if let Some(own) = own.first_mut() {
            *own = value.cast_signed();
        }
    }
    let shape = Shape::new(&counts).and_then(|shape| Ok((shape, shape.bytes(array.dtype())?)));
    let (shape, bytes) = shape.map_err(|source| crate::array::Error::Tensor {
        origin: origin.clone(),
        source,
    })?;
    let out_of_memory = || map::Error::OutOfMemory {
        bytes,
        origin: origin.clone(),
    };
    let len = usize::try_from(bytes).map_err(|_| out_of_memory())?;
    let buffer = &mut column.bytes;
    buffer.clear();
    buffer.try_reserve(len).map_err(|_| out_of_memory())?;
    let room = buffer.spare_capacity_mut().get_mut(..len);
    let how = ReadOptions {
        start: Some(&start),
        counts: Some(&counts),
        ..ReadOptions::default()
    };
    array.read(&how, room.unwrap_or_default())?;
    // SAFETY: the read filled the `len` bytes of the elements, which were reserved, or failed.
    unsafe { buffer.set_len(len) };
    (column.dtype, column.shape) = (array.dtype(), shape);
    Ok(())
}
