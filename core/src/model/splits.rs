//! GGUF models: one file, or the parts of a split one.
//!
//! Source: `tools/gguf-split` and `src/llama-model-loader.cpp` of llama.cpp. Part n of m is called
//! `<prefix>-<n>-of-<m>.gguf`, both with five digits. Each part says which it is (`split.no`, from
//! 0) and how many there are (`split.count`), the first also how many tensors they have together
//! (`split.tensors.count`). The first part's metadata are the model's.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::gguf::{self, Header};
use super::metadata::Metadata;
use super::pages::Pages;
use super::table::Tensors;
use super::weights::{Format, Model};
use crate::error::{Kind, Report};
use crate::map::{Data, Origin};

/// The model that starts in `first`, whose other parts `open` opens by the names beside it.
pub(super) fn open(
    first: Arc<Data>,
    open: &mut dyn FnMut(&Path) -> Result<Arc<Data>>,
) -> Result<Model> {
    let mut parts = Parts::default();
    parts.add(first)?;
    let count = parts.split.map_or(1, |split| split.count);
    let names = match parts.files.first() {
        Some(first) if count > 1 => Names::of(first, count)?,
        _ => return parts.into_model(),
    };
    for number in 1..count {
        let path = names.path(number);
        let part = open(&path).map_err(|error| names.missing(number, error))?;
        parts.add(part)?;
    }
    parts.into_model()
}

/// The model of exactly these files: one, or all parts in any order.
pub(super) fn from_files(mut files: Vec<Arc<Data>>) -> Result<Model> {
    if files.len() > 1 {
        files = in_order(files)?;
    }
    let mut parts = Parts::default();
    for file in files {
        parts.add(file)?;
    }
    parts.into_model()
}

/// The files by the numbers that they have as parts; what isn't one is told later.
fn in_order(files: Vec<Arc<Data>>) -> Result<Vec<Arc<Data>>> {
    let mut numbered = Vec::new();
    for file in files {
        let split = Split::of(&file, &gguf::metadata_of(&file)?)?;
        numbered.push((split.map_or(0, |split| split.number), file));
    }
    numbered.sort_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, file)| file).collect())
}

/// What a part says of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    number: u64,
    count: u64,
}

impl Split {
    /// None where the file is a model by itself.
    fn of(data: &Data, metadata: &Metadata) -> Result<Option<Split>> {
        let count = integer(data, metadata, "split.count")?.unwrap_or(0);
        if count <= 1 {
            return Ok(None);
        }
        let number = integer(data, metadata, "split.no")?;
        match number {
            Some(number) if number < count => Ok(Some(Split { number, count })),
            Some(number) => {
                let why = format!("split.no is {number}, but split.count {count}");
                Err(unfit(data, Kind::Malformed, why))
            }
            None => {
                let why = format!("split.count is {count}, but there is no split.no");
                Err(unfit(data, Kind::Malformed, why))
            }
        }
    }
}

/// The value of a key, where it is there.
fn integer(data: &Data, metadata: &Metadata, key: &str) -> Result<Option<u64>> {
    let Some(value) = metadata.find(key.as_bytes()) else {
        return Ok(None);
    };
    match metadata.u64(value) {
        Ok(integer) => Ok(Some(integer)),
        Err(error) => Err(unfit(data, Kind::Malformed, error.to_string())),
    }
}

fn unfit(data: &Data, kind: Kind, why: String) -> Error {
    Error::Set {
        origin: data.origin().clone(),
        why,
        kind,
    }
}

/// The parts so far.
#[derive(Debug, Default)]
struct Parts {
    files: Vec<Arc<Data>>,
    tensors: Tensors,
    /// The first part's.
    header: Option<Header>,
    split: Option<Split>,
}

impl Parts {
    fn add(&mut self, data: Arc<Data>) -> Result<()> {
        let number = self.files.len();
        let file = u32::try_from(number).unwrap_or(u32::MAX);
        let header = gguf::read(&self.files, file, &data, &mut self.tensors)?;
        let split = Split::of(&data, &header.metadata)?;
        match &self.header {
            None => {
                if let Some(split) = split.filter(|split| split.number > 0) {
                    return Err(not_first(&data, split));
                }
                (self.split, self.header) = (split, Some(header));
            }
            Some(first) => self.check(&data, number as u64, split, first, &header)?,
        }
        self.files.push(data);
        Ok(())
    }

    fn check(
        &self,
        data: &Data,
        number: u64,
        split: Option<Split>,
        first: &Header,
        header: &Header,
    ) -> Result<()> {
        let wrong = |why| Err(unfit(data, Kind::Malformed, why));
        let origin = self
            .files
            .first()
            .map_or(&Origin::Memory, |file| file.origin());
        let Some(whole) = self.split else {
            return wrong(format!(
                "{origin} is a model by itself: it has no split.count over 1"
            ));
        };
        let Some(split) = split else {
            return wrong(format!(
                "it is no part of {origin}: it has no split.count over 1"
            ));
        };
        if split.count != whole.count {
            return wrong(format!(
                "split.count is {}, but {} in {origin}",
                split.count, whole.count
            ));
        }
        if split.number != number {
            return wrong(format!(
                "split.no is {}, where part {number} of {origin} belongs (the first is part 0)",
                split.number
            ));
        }
        if header.big_endian != first.big_endian {
            return wrong(format!("its byte order isn't that of {origin}"));
        }
        if let Some((own, others)) = header.other_start(first, data.len()) {
            return wrong(format!(
                "it has no general.alignment, so that its data start at byte {own}, but its \
                 length fits the alignment of {origin} and a start at {others}: write it again \
                 with that key"
            ));
        }
        Ok(())
    }

    fn into_model(self) -> Result<Model> {
        let (Some(header), Some(first)) = (self.header, self.files.first()) else {
            let why = "no files were given".to_owned();
            let (origin, kind) = (Origin::Memory, Kind::InvalidArgument);
            return Err(Error::Set { origin, why, kind });
        };
        if let Some(split) = self.split {
            let there = self.files.len() as u64;
            if there < split.count {
                let why = format!(
                    "it is the first of {} parts, but {there} were given",
                    split.count
                );
                return Err(unfit(first, Kind::NotFound, why));
            }
            let has = self.tensors.len() as u64;
            let claimed = integer(first, &header.metadata, "split.tensors.count")?;
            if let Some(claimed) = claimed.filter(|&claimed| claimed != has) {
                let why = format!("split.tensors.count is {claimed}, but the parts have {has}");
                return Err(unfit(first, Kind::Malformed, why));
            }
        }
        Ok(Model {
            format: Format::Gguf,
            files: self.files,
            tensors: self.tensors,
            metadata: header.metadata,
            big_endian: header.big_endian,
            pages: Pages::default(),
        })
    }
}

fn not_first(data: &Data, split: Split) -> Error {
    let part = split.number.saturating_add(1);
    let first = data.origin().path().and_then(|path| {
        let suffix = suffix(split.number, split.count);
        let name = path.file_name()?;
        Some(path.with_file_name(joined(
            prefix(name, &suffix)?,
            &self::suffix(0, split.count),
        )))
    });
    let first = match first {
        Some(first) => format!(": open the first, '{}'", first.display()),
        None => ": start with the first".to_owned(),
    };
    let why = format!(
        "it is part {part} of {} of a split model{first}",
        split.count
    );
    unfit(data, Kind::InvalidArgument, why)
}

/// Where the parts of a split model are looked for.
struct Names {
    first: PathBuf,
    prefix: OsString,
    count: u64,
}

impl Names {
    fn of(first: &Data, count: u64) -> Result<Names> {
        let suffix = suffix(0, count);
        let path = first.origin().path();
        let name = path.and_then(Path::file_name);
        match (path, name.and_then(|name| prefix(name, &suffix))) {
            (Some(path), Some(prefix)) => Ok(Names {
                first: path.to_owned(),
                prefix: prefix.to_owned(),
                count,
            }),
            _ => {
                let why = format!(
                    "it is the first of {count} parts, but its name doesn't end in '{suffix}', \
                     by which the others are found: give all files"
                );
                Err(unfit(first, Kind::NotFound, why))
            }
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        let name = joined(&self.prefix, &suffix(number, self.count));
        self.first.with_file_name(name)
    }

    fn missing(&self, number: u64, error: Error) -> Error {
        if error.kind() != Kind::NotFound {
            return error;
        }
        let part = number.saturating_add(1);
        Error::Set {
            origin: Origin::Path(self.path(number)),
            why: format!(
                "part {part} of {} of '{}' is missing: {error}",
                self.count,
                self.first.display()
            ),
            kind: Kind::NotFound,
        }
    }
}

fn suffix(number: u64, count: u64) -> String {
    format!("-{:05}-of-{count:05}.gguf", number.saturating_add(1))
}

fn joined(prefix: &OsStr, suffix: &str) -> OsString {
    let mut name = prefix.to_owned();
    name.push(suffix);
    name
}

fn prefix<'a>(name: &'a OsStr, suffix: &str) -> Option<&'a OsStr> {
    let prefix = name.as_encoded_bytes().strip_suffix(suffix.as_bytes())?;
    // SAFETY: the bytes are those of an OsStr, split right before UTF-8 that isn't empty.
    Some(unsafe { OsStr::from_encoded_bytes_unchecked(prefix) })
}
