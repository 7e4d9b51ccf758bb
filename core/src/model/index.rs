//! `*.index.json`: which shard of a safetensors model has which tensor.
//!
//! Source: what `save_pretrained` of the transformers package writes, an object of `metadata` and
//! `weight_map`; the latter's keys are tensors' names, its values the file names of shards. Other
//! keys are passed over. Shards are files in the folder that the index was opened in; a name that
//! leads elsewhere is refused. What the index says must be what the shards have, tensor by tensor.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod document;

use std::path::Path;

use self::document::Document;
use super::content::{Content, Weights, content_of};
use super::error::{Error, Result};
use super::fault::Fault;
use super::json;
use super::open::{ModelOptions, Set, not_together};
use super::weights::Model;
use crate::error::{Kind, Report};
use crate::map::{self, Data, Origin, Storage};

/// How often a set may be replaced while it is opened.
const TRIES: usize = 100;

/// Opens the shards that the index at `path` names. Whoever replaces a set removes its index
/// before the first shard: where the index has stayed, so have the shards, and where it hasn't,
/// the set that is there then is opened.
pub(super) fn open(storage: &dyn Storage, path: &Path, options: &ModelOptions) -> Result<Model> {
    for _ in 0..TRIES {
        // Open until the end, so that no later index gets the number of this one.
        let named = storage.open(path);
        let named = named.map_err(map::Error::io_path("open", path))?;
        let data = options.open_file(storage, path)?;
        let opened = open_shards(storage, path, &data, options);
        let (before, after) = (named.info(), storage.info(path));
        if let (Ok(before), Ok(after)) = (before, after)
            && before.id == after.id
        {
            return opened;
        }
    }
    Err(Error::Set {
        origin: Origin::Path(path.to_owned()),
        why: "the set was replaced again and again while it was opened".to_owned(),
        kind: Kind::Busy,
    })
}

/// Opens the shards that the index `data` at `path` names.
fn open_shards(
    storage: &dyn Storage,
    path: &Path,
    data: &Data,
    options: &ModelOptions,
) -> Result<Model> {
    let origin = data.origin();
    let bytes = json::copy_of(data, 0, data.len())?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Fault::malformed(error.valid_up_to() as u64, "the index isn't UTF-8").of(origin)
    })?;
    let document = Document::read(text).map_err(|fault| fault.of(origin))?;
    if !document.has_weight_map {
        return Err(Error::WrongFormat {
            origin: origin.clone(),
            why: "it is JSON without 'weight_map', so no index of shards".to_owned(),
        });
    }
    let mut set = Set::default();
    document
        .give_metadata(&mut set.metadata)
        .map_err(|_| json::no_memory(bytes.len(), origin))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let order = document
        .shards_in_order()
        .map_err(|fault| fault.of(origin))?;
    for &shard in &order {
        let at = folder.join(document.shard_name(shard));
        let file = match options.open_file(storage, &at) {
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(missing(&document, shard, &at, origin));
            }
            result => result.map_err(|error| no_shard(&at, error, origin))?,
        };
        let content = content_of(&file).map_err(|error| no_shard(&at, error, origin))?;
        if content != Content::Weights(Weights::Safetensors) {
            return Err(not_together(&file, content, data, Content::Index));
        }
        set.add(file)?;
    }
    compare(&document, &order, &set, origin)?;
    Ok(set.into_model())
}

fn missing(document: &Document<'_>, shard: usize, at: &Path, index: &Origin) -> Error {
    let (count, first) = document.tensors_of(shard);
    Error::Set {
        origin: Origin::Path(at.to_owned()),
        why: format!(
            "this shard is missing: {index} has {count} tensors in it, the first of them \
             '{first}'; get it and put it beside the index"
        ),
        kind: Kind::NotFound,
    }
}

/// An error of what can't be a shard whatever it holds: the index is what points there.
fn no_shard(at: &Path, error: Error, index: &Origin) -> Error {
    match error {
        Error::WrongFormat { origin, why } => Error::WrongFormat {
            origin,
            why: format!("{why}; {index} names it as a shard"),
        },
        error if error.kind() == Kind::NotAFile => Error::Set {
            origin: Origin::Path(at.to_owned()),
            why: format!("{index} names it as a shard, but {error}"),
            kind: Kind::NotAFile,
        },
        error => error,
    }
}

/// Checks that each tensor lies in the shard that the index says, and that none is left over.
fn compare(document: &Document<'_>, order: &[usize], set: &Set, index: &Origin) -> Result<()> {
    let malformed = |origin: &Origin, why: String| Error::Set {
        origin: origin.clone(),
        why,
        kind: Kind::Malformed,
    };
    for number in 0..set.tensors.len() {
        let (Some(name), Some(entry)) = (set.tensors.name(number), set.tensors.get(number)) else {
            continue;
        };
        let file = entry.file as usize;
        let said = document.find(name);
        if said.is_some() && said == order.get(file).copied() {
            continue;
        }
        let origin = set.files.get(file).map_or(index, |file| file.origin());
        let name = String::from_utf8_lossy(name);
        return Err(malformed(
            origin,
            match said {
                None => format!("tensor '{name}' is in it, but {index} doesn't name it"),
                Some(shard) => format!(
                    "tensor '{name}' is in it, but {index} says that it is in '{}'",
                    document.shard_name(shard)
                ),
            },
        ));
    }
    if document.len() == set.tensors.len() {
        return Ok(());
    }
    let nowhere = (0..document.len()).find_map(|number| {
        let (name, shard) = document.get(number)?;
        set.tensors
            .find(name.as_bytes())
            .is_none()
            .then_some((name, shard))
    });
    match nowhere {
        None => Ok(()),
        Some((name, shard)) => Err(malformed(
            index,
            format!(
                "it says that tensor '{name}' is in '{}', but no shard has it",
                document.shard_name(shard)
            ),
        )),
    }
}
