//! Record files and sets written anew: another format, alignment, layout or number of shards.

use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use super::error::{Error, Result};
use super::held::Held;
use super::sink::Sink;
use crate::dtype::DType;
use crate::error::Kind;
use crate::map::{Origin, Progress, Storage};
use crate::record::{
    Field, FieldShape, FileRef, Pace, ReaderOptions, RecordFormat, RecordReader, RrecReader,
    Schema, WriterOptions,
};

/// Writes the records of the file or set at `from` to `to`, in their order, with their metadata.
/// Each field's checksum is compared on the way, where the format has any: damage isn't passed
/// on. Without a schema in the options the fields are those of `from`; rrec declares none, so its
/// records are all looked at first, and a size in which they differ becomes each record's own.
/// Gives the number of records. `progress` is told records done and in all, of the look first.
///
/// # Errors
/// Those of [`RecordReader::open`] and [`RecordReader::get`]; [`Error::NotAlike`]; those of
/// writing; [`Error::Cancelled`].
pub fn convert_records(
    storage: &Arc<dyn Storage>,
    from: &Path,
    to: &Path,
    options: &WriterOptions,
    progress: Progress<'_>,
) -> Result<u64> {
    let reader = RecordReader::open_in(Arc::clone(storage), from, &ReaderOptions::default())?;
    let origin = Origin::Path(from.to_owned());
    let undeclared = undeclared(&reader)?;
    let schema = match (undeclared, options.format) {
        _ if options.schema.is_some() => None,
        (_, RecordFormat::Rrec1) => None,
        (None, RecordFormat::Arec) => Some(reader.schema()?),
        (Some(file), RecordFormat::Arec) => Some(survey(file, &origin, progress)?),
    };
    let mut sink = Sink::create(storage, to, options, schema, reader.len(), progress)?;
    if options.format == RecordFormat::Arec {
        for (key, value) in reader.metadata()? {
            sink.set_metadata(key, value)?;
        }
    }
    match undeclared {
        None => copy_batches(&reader, &mut sink)?,
        Some(file) => copy_records(file, &origin, &mut sink)?,
    }
    sink.finish()
}

/// Copies records whose fields the format declares.
fn copy_batches(reader: &RecordReader, sink: &mut Sink<'_>) -> Result<()> {
    let mut batch = Batch::new(&reader.schema()?);
    let mut first = 0;
    loop {
        let count = batch.read(reader, first)?;
        if count == 0 {
            return Ok(());
        }
        for row in 0..count {
            sink.append(&batch.record(reader, row)?)?;
        }
        first = first.saturating_add(count as u64);
    }
}

/// Copies records that differ as they like.
fn copy_records(file: &RrecReader, origin: &Origin, sink: &mut Sink<'_>) -> Result<()> {
    let mut fields = [Held::new(), Held::new()];
    for index in 0..file.len() {
        for (held, part) in fields.iter_mut().zip(file.parts(index)?) {
            held.read(file.data(), &part, origin)?;
        }
        sink.append_held(&fields)?;
    }
    Ok(())
}

/// The file, where its format doesn't say what the fields are.
fn undeclared(reader: &RecordReader) -> Result<Option<&RrecReader>> {
    if reader.shards() != 1 {
        return Ok(None);
    }
    Ok(match reader.file(0)? {
        FileRef::Rrec(file) => Some(file),
        FileRef::Arec(_) => None,
    })
}

/// The fields that all records are: sizes in which they differ are each record's own.
fn survey(file: &RrecReader, origin: &Origin, progress: Progress<'_>) -> Result<Schema> {
    let schema = file.schema()?;
    let mut seen: Vec<Option<(DType, Vec<i64>)>> = vec![None; schema.fields().len()];
    let mut pace = Pace::new();
    for index in 0..file.len() {
        if pace.is_due(1, 0) && !progress(index, file.len()) {
            return Err(Error::Cancelled);
        }
        let mut differs = None;
        for (field, (own, part)) in seen.iter_mut().zip(file.parts(index)?).enumerate() {
            let now = part.shape.dims();
            let Some((dtype, dims)) = own else {
                *own = Some((part.dtype, now.to_vec()));
                continue;
            };
            if *dtype != part.dtype {
                let (now, before) = (part.dtype.name(), dtype.name());
                let why = format!("it is {now}, those before are {before}");
                differs = Some((field, why, Kind::DType));
            } else if dims.len() != now.len() {
                let (now, before) = (now.len(), dims.len());
                let why = format!("it has {now} dimensions, those before have {before}");
                differs = Some((field, why, Kind::Shape));
            } else {
                for (own, &dim) in dims.iter_mut().zip(now) {
                    if *own != dim {
                        *own = -1;
                    }
                }
            }
        }
        if let Some((field, why, kind)) = differs {
            return Err(Error::NotAlike {
                origin: origin.clone(),
                index,
                field,
                why,
                kind,
            });
        }
    }
    let mut surveyed = Schema::new();
    for (field, seen) in schema.fields().iter().zip(seen) {
        let Some((dtype, dims)) = seen else {
            let why = format!("{origin} has no records that tell its fields: give a schema");
            return Err(Error::Argument { why });
        };
        surveyed.add(Field {
            name: field.name.clone(),
            dtype: Some(dtype),
            shape: FieldShape::Dims(dims),
            is_bytes: false,
        })?;
    }
    Ok(surveyed)
}
