//! A folder of files, such as images: a record each, with the file's bytes as they are.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::held::Held;
use super::sink::Sink;
use crate::dtype::DType;
use crate::error::Kind;
use crate::map::{self, Data, DataOptions, Origin, Progress, Storage};
use crate::record::{Field, FieldShape, Schema, WriterOptions};
use crate::tensor::Shape;

/// The fields of such records: the last one only where there are folders in the folder.
pub const FOLDER_FIELDS: [&str; 3] = ["name", "data", "label"];

/// Writes the files in the folder `from` as records to `to`, in the order of their names' bytes:
/// field "name" is a file's name and "data" its contents, both bytes.
///
/// Where the folder holds folders, each of them is a class: the classes in the order of their
/// names, field "label" is a class's number as an i32 without dimensions, "name" is
/// `class/file`, and the metadata has an entry `class.<number>` with each class's name. Files
/// and folders side by side, or folders in those folders, are an error. Names that start with a
/// dot are passed over, and links are followed.
///
/// Gives the number of records. `progress` is told records done and in all.
///
/// # Errors
/// [`Error::Folder`]; the system's; those of writing; [`Error::Cancelled`].
pub fn convert_folder(
    storage: &Arc<dyn Storage>,
    from: &Path,
    to: &Path,
    options: &WriterOptions,
    progress: Progress<'_>,
) -> Result<u64> {
    let listing = Listing::of(from)?;
    let classes = listing.folders.len();
    let mut files: Vec<(Option<usize>, PathBuf)> = Vec::new();
    for (label, name) in listing.folders.iter().enumerate() {
        let inside = Listing::of(&from.join(name))?;
        if let Some(folder) = inside.folders.first() {
            return Err(Error::Folder {
                path: from.join(name).join(folder),
                why: "a folder inside a class's folder: files were expected",
                kind: Kind::NotAFile,
            });
        }
        let paths = inside.files.into_iter().map(|file| name.join(file));
        files.extend(paths.map(|path| (Some(label), path)));
    }
    if let (Some(file), true) = (listing.files.first(), classes > 0) {
        return Err(Error::Folder {
            path: from.join(file),
            why: "a file beside folders: either files, or folders that are classes",
            kind: Kind::InvalidArgument,
        });
    }
    files.extend(listing.files.into_iter().map(|path| (None, path)));
    if files.is_empty() {
        return Err(Error::Folder {
            path: from.to_owned(),
            why: "there are no files in it",
            kind: Kind::InvalidArgument,
        });
    }
    let fields = if classes > 0 { 3 } else { 2 };
    let schema = schema_of(fields)?;
    let total = files.len() as u64;
    let mut sink = Sink::create(storage, to, options, Some(schema), total, progress)?;
    for (label, name) in listing.folders.iter().enumerate() {
        let name = name.as_os_str().as_encoded_bytes();
        sink.set_metadata(&format!("class.{label}"), name)?;
    }
    let mut record: Vec<Held> = (0..fields).map(|_| Held::new()).collect();
    for (label, path) in files {
        fill(&mut record, storage, from, &path, label)?;
        sink.append_held(&record)?;
    }
    sink.finish()
}

/// What a folder holds, by names in order.
struct Listing {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Listing {
    fn of(folder: &Path) -> Result<Listing> {
        let origin = Origin::Path(folder.to_owned());
        let failed = || map::Error::io("list", &origin);
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = folder.join(&name);
            let origin = Origin::Path(path.clone());
            // Followed where it is a link.
            let kind = fs::metadata(&path).map_err(map::Error::io("look at", &origin))?;
            if kind.is_dir() {
                folders.push(PathBuf::from(name));
            } else if kind.is_file() {
                files.push(PathBuf::from(name));
            } else {
                return Err(Error::Folder {
                    path,
                    why: "neither a file nor a folder",
                    kind: Kind::NotAFile,
                });
            }
        }
        let bytes = |path: &PathBuf| path.as_os_str().as_encoded_bytes().to_vec();
        files.sort_by_cached_key(bytes);
        folders.sort_by_cached_key(bytes);
        Ok(Listing { files, folders })
    }
}

fn schema_of(fields: usize) -> Result<Schema> {
    let mut schema = Schema::new();
    for name in FOLDER_FIELDS.into_iter().take(fields) {
        let is_bytes = name != "label";
        let (dtype, dims) = if is_bytes {
            (DType::U8, vec![-1])
        } else {
            (DType::I32, Vec::new())
        };
        schema.add(Field {
            name: name.to_owned(),
            dtype: Some(dtype),
            shape: FieldShape::Dims(dims),
            is_bytes,
        })?;
    }
    Ok(schema)
}

/// One record: the file at `path` in the folder `from`.
fn fill(
    record: &mut [Held],
    storage: &Arc<dyn Storage>,
    from: &Path,
    path: &Path,
    label: Option<usize>,
) -> Result<()> {
    let whole = from.join(path);
    let origin = Origin::Path(whole.clone());
    let too_large = || map::Error::OutOfMemory {
        bytes: u64::MAX,
        origin: origin.clone(),
    };
    for (field, held) in record.iter_mut().enumerate() {
        match field {
            0 => {
                held.bytes.clear();
                held.bytes.extend_from_slice(&name_bytes(path.as_os_str()));
            }
            1 => {
                let data = Data::open_in(storage.as_ref(), &whole, &DataOptions::default())?;
                let len = usize::try_from(data.len()).map_err(|_| too_large())?;
                data.read_to(0, len, &mut held.bytes)?;
            }
            _ => {
                let label = label.and_then(|label| i32::try_from(label).ok());
                let label = label.unwrap_or(i32::MAX).to_le_bytes();
                held.bytes.clear();
                held.bytes.extend_from_slice(&label);
                (held.dtype, held.shape) = (DType::I32, Shape::default());
                continue;
            }
        }
        let len = held.bytes.len() as i64;
        let shape = Shape::new(&[len]).map_err(|_| too_large())?;
        (held.dtype, held.shape) = (DType::U8, shape);
    }
    Ok(())
}

/// A path's bytes with `/` between folder and file, whatever the system has there.
fn name_bytes(path: &OsStr) -> Vec<u8> {
    let mut bytes = path.as_encoded_bytes().to_vec();
    for byte in &mut bytes {
        if *byte == std::path::MAIN_SEPARATOR as u8 {
            *byte = b'/';
        }
    }
    bytes
}
