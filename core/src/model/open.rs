//! Opening: by path, from a list of files, from open bytes.

use std::path::Path;
use std::sync::Arc;

use super::content::{Content, Weights, content_of};
use super::error::{Error, Result};
use super::metadata::Metadata;
use super::pages::Pages;
use super::safetensors::{self, Refused};
use super::table::Tensors;
use super::weights::{Format, Model};
use super::{index, raw, splits};
use crate::error::Kind;
use crate::map::{Access, Data, DataOptions, Origin, RealStorage, Storage};

/// How to open a model.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// How to open the files' bytes, all of them; always for reading.
    pub data: DataOptions,
    /// Take the file, of whatever content, as one tensor of u8 called "data".
    pub raw: bool,
}

impl ModelOptions {
    pub(super) fn open_file(&self, storage: &dyn Storage, path: &Path) -> Result<Arc<Data>> {
        let options = DataOptions {
            access: Access::ReadOnly,
            ..self.data.clone()
        };
        Ok(Arc::new(Data::open_in(storage, path, &options)?))
    }
}

impl Model {
    /// Opens the model at `path`, by its content: a safetensors file, an index of shards
    /// (`*.index.json`) with the shards beside it, a GGUF file, or the first part of a split one
    /// with the others beside it.
    ///
    /// # Errors
    /// Those of [`Data::open`]; [`Error::WrongFormat`] for other content, [`Error::Malformed`] for
    /// files that break their format's rules, [`Error::Set`] for files that don't fit together.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Model> {
        Model::open_in(&RealStorage, path, options)
    }

    /// As [`Model::open`], from a storage.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_in(storage: &dyn Storage, path: &Path, options: &ModelOptions) -> Result<Model> {
        let data = options.open_file(storage, path)?;
        if options.raw {
            return raw::model(data);
        }
        match content_of(&data)? {
            Content::Index => index::open(storage, path, options),
            Content::Weights(Weights::Gguf) => {
                splits::open(data, &mut |path| options.open_file(storage, path))
            }
            Content::Weights(Weights::Safetensors) => of_safetensors(vec![data]),
        }
    }

    /// Opens exactly these files as one model: one file, safetensors shards in any order (the
    /// tensors come in this order; no index is needed), or all parts of a split GGUF file in any
    /// order (they say which they are; the tensors come in that order).
    ///
    /// # Errors
    /// As [`Model::open`]; [`Error::Unsupported`] for an index.
    pub fn open_files(paths: &[&Path], options: &ModelOptions) -> Result<Model> {
        Model::open_files_in(&RealStorage, paths, options)
    }

    /// As [`Model::open_files`], from a storage.
    ///
    /// # Errors
    /// As [`Model::open_files`].
    pub fn open_files_in(
        storage: &dyn Storage,
        paths: &[&Path],
        options: &ModelOptions,
    ) -> Result<Model> {
        let mut files = Vec::new();
        for path in paths {
            files.push(options.open_file(storage, path)?);
        }
        Model::from_data(files, options)
    }

    /// As [`Model::open_files`], of files' bytes that are open already; the options' own about
    /// that have no effect.
    ///
    /// # Errors
    /// As [`Model::open_files`].
    pub fn from_data(files: Vec<Arc<Data>>, options: &ModelOptions) -> Result<Model> {
        let Some(first) = files.first() else {
            return Err(Error::Set {
                origin: Origin::Memory,
                why: "no files were given".to_owned(),
                kind: Kind::InvalidArgument,
            });
        };
        if options.raw {
            if files.len() > 1 {
                let why = format!("{} files were given, raw bytes are of one", files.len());
                return Err(Error::Set {
                    origin: first.origin().clone(),
                    why,
                    kind: Kind::InvalidArgument,
                });
            }
            return raw::model(Arc::clone(first));
        }
        let weights = weights_of(first)?;
        for file in &files {
            let other = weights_of(file)?;
            if other != weights {
                let (other, weights) = (Content::Weights(other), Content::Weights(weights));
                return Err(not_together(file, other, first, weights));
            }
        }
        match weights {
            Weights::Gguf => splits::from_files(files),
            Weights::Safetensors => of_safetensors(files),
        }
    }
}

pub(super) fn not_together(file: &Data, is: Content, first: &Data, other: Content) -> Error {
    Error::Set {
        origin: file.origin().clone(),
        why: format!(
            "it is {}, but {} is {}: a model's files are of one format",
            is.name(),
            first.origin(),
            other.name()
        ),
        kind: Kind::Malformed,
    }
}

/// Of which kind a file is, which isn't an index.
fn weights_of(file: &Data) -> Result<Weights> {
    match content_of(file)? {
        Content::Weights(weights) => Ok(weights),
        Content::Index => Err(Error::Unsupported {
            origin: file.origin().clone(),
            offset: 0,
            tensor: None,
            what: "an index of shards finds them by its own path: open that path alone, or give \
                   the shards without the index"
                .to_owned(),
        }),
    }
}

fn of_safetensors(files: Vec<Arc<Data>>) -> Result<Model> {
    let mut set = Set::default();
    for file in files {
        set.add(file)?;
    }
    Ok(set.into_model())
}

/// Safetensors files that become one model.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) files: Vec<Arc<Data>>,
    pub(super) tensors: Tensors,
    pub(super) metadata: Metadata,
}

impl Set {
    /// Adds a file's tensors and metadata.
    pub(super) fn add(&mut self, data: Arc<Data>) -> Result<()> {
        let too_many = || Error::Unsupported {
            origin: data.origin().clone(),
            offset: 0,
            tensor: None,
            what: "a model of more than 2^32 files".to_owned(),
        };
        let file = u32::try_from(self.files.len()).map_err(|_| too_many())?;
        safetensors::parse(&data, file, &mut self.tensors, &mut self.metadata).map_err(
            |refused| match refused {
                Refused::Broken(error) => error,
                Refused::Twice { number } => self.twice(number, &data),
            },
        )?;
        self.files.push(data);
        Ok(())
    }

    fn twice(&self, number: usize, data: &Data) -> Error {
        let name = self.tensors.name(number).unwrap_or_default();
        let entry = self.tensors.get(number);
        let other = entry.and_then(|entry| self.files.get(entry.file as usize));
        let other = other.map_or(&Origin::Memory, |file| file.origin());
        Error::Set {
            origin: data.origin().clone(),
            why: format!(
                "tensor '{}' is in it and in {other} too",
                String::from_utf8_lossy(name)
            ),
            kind: Kind::Malformed,
        }
    }

    pub(super) fn into_model(self) -> Model {
        Model {
            format: Format::Safetensors,
            files: self.files,
            tensors: self.tensors,
            metadata: self.metadata,
            big_endian: false,
            pages: Pages::default(),
        }
    }
}
