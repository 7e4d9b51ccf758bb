//! Finished records for reading, whatever they lie in: the dispatch over formats and sets.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::arec::{ArecFile, ArecTensor};
use super::error::{Error, Result};
use super::gather::Tools;
use super::rrec::{RecordTensor, RrecReader, Verification};
use super::schema::Schema;
use super::set::{Manifest, SetReader, identity};
use crate::dtype::DType;
use crate::map::{
    Data, DataOptions, Origin, Progress, RealStorage, Release, Storage, TO_END, Window,
};
use crate::tensor::{Lent, Source};

/// When the checksums of fields are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Never but in a verification.
    Never,
    /// When a field is copied: of the copy.
    #[default]
    OnCopy,
    /// When a field is lent, too.
    Always,
}

/// How to open records. The default maps them and checks what is copied.
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    /// How the files' bytes are opened.
    pub data: DataOptions,
    /// When checksums are compared, where the format has any.
    pub check: Check,
    /// The most descriptors that a set keeps open; 0 for 256. Calls that are under way at the
    /// same time may need one more each.
    pub most_descriptors: usize,
}

/// A record file or a set of them, finished. Each record is checked when it is asked for.
#[derive(Debug)]
pub struct RecordReader {
    records: Records,
    check: Check,
    tools: Tools,
}

#[derive(Debug)]
enum Records {
    Rrec(RrecReader),
    One(ArecFile),
    Set(SetReader),
}

/// One file of a reader.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FileRef<'a> {
    /// rrec version 1.
    Rrec(&'a RrecReader),
    /// The native format.
    Arec(&'a ArecFile),
}

/// A tensor of a record, aligned for its dtype, in C order, not moved since it was found.
#[derive(Clone, Copy, Debug)]
pub enum FieldTensor<'a, 'h> {
    /// Of rrec version 1.
    Rrec(RecordTensor<'a, 'h>),
    /// Of the native format.
    Arec(ArecTensor<'a, 'h>),
}

impl<'a> FieldTensor<'a, '_> {
    /// The tensor by itself.
    #[must_use]
    #[inline]
    pub fn lent(&self) -> Lent<'a> {
        match self {
            FieldTensor::Rrec(tensor) => tensor.lent(),
            FieldTensor::Arec(tensor) => tensor.lent(),
        }
    }
}

/// The first bytes of a file, as many as tell the formats apart.
const START: usize = 64;

impl RecordReader {
    /// Opens what stands at `path`, by its content: an rrec file, an arec file, or the manifest of
    /// a set.
    ///
    /// # Errors
    /// Those of [`Data::open`]; [`Error::WrongFormat`], [`Error::Version`], [`Error::Unfinished`],
    /// [`Error::Malformed`].
    pub fn open(path: &Path, options: &ReaderOptions) -> Result<RecordReader> {
        RecordReader::open_in(Arc::new(RealStorage), path, options)
    }

    /// As [`RecordReader::open`], from a storage.
    ///
    /// # Errors
    /// As [`RecordReader::open`].
    pub fn open_in(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &ReaderOptions,
    ) -> Result<RecordReader> {
        let data = Data::open_in(&*storage, path, &options.data)?;
        if Content::of(&data)? == Content::Manifest {
            let set = SetReader::open(storage, path, &data, options)?;
            return Ok(RecordReader::new(Records::Set(set), options));
        }
        RecordReader::from_data(Arc::new(data), options)
    }

    /// Opens arec files as one set, in this order.
    ///
    /// # Errors
    /// As [`RecordReader::open`]; [`Error::Schema`] where no file is given or their fields differ.
    pub fn open_files(paths: &[&Path], options: &ReaderOptions) -> Result<RecordReader> {
        let storage = Arc::new(RealStorage);
        let set = SetReader::open_files(storage, paths, options)?;
        Ok(RecordReader::new(Records::Set(set), options))
    }

    /// Opens a record file's bytes.
    ///
    /// # Errors
    /// As [`RecordReader::open`] but the system's.
    pub fn from_data(data: Arc<Data>, options: &ReaderOptions) -> Result<RecordReader> {
        let records = match Content::of(&data)? {
            Content::Arec => Records::One(ArecFile::open(data)?),
            Content::Manifest => {
                return Err(Error::WrongFormat {
                    origin: data.origin().clone(),
                    why: "it is a manifest by its start, whose files are beside it: open its path"
                        .to_owned(),
                });
            }
            Content::Other => Records::Rrec(RrecReader::from_data(data)?),
        };
        Ok(RecordReader::new(records, options))
    }

    fn new(records: Records, options: &ReaderOptions) -> RecordReader {
        let check = options.check;
        RecordReader {
            records,
            check,
            tools: Tools::new(options.most_descriptors),
        }
    }

    /// What gathers share.
    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// When checksums are compared.
    pub(crate) fn check(&self) -> Check {
        self.check
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.records {
            Records::Rrec(file) => file.len(),
            Records::One(file) => file.len(),
            Records::Set(set) => set.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fields. rrec declares none: as record 0 has them, and other records may differ.
    ///
    /// # Errors
    /// Of rrec those of record 0.
    pub fn schema(&self) -> Result<Schema> {
        match &self.records {
            Records::Rrec(file) => file.schema(),
            Records::One(file) => Ok(file.schema()),
            Records::Set(set) => Ok(set.schema().clone()),
        }
    }

    /// The number of fields of a record.
    #[must_use]
    pub fn fields(&self) -> usize {
        match &self.records {
            Records::Rrec(_) => super::FIELDS,
            Records::One(file) => file.layout().fields.len(),
            Records::Set(set) => set.schema().fields().len(),
        }
    }

    /// The number of the field called `name`.
    #[must_use]
    pub fn find_field(&self, name: &str) -> Option<usize> {
        match &self.records {
            Records::Rrec(_) => super::rrec::format::FIELD_NAMES
                .iter()
                .position(|own| *own == name),
            Records::One(file) => file.layout().find(name),
            Records::Set(set) => {
                let fields = set.schema().fields();
                fields.iter().position(|field| field.name == name)
            }
        }
    }

    /// A number that only readers of the same records in the same order have: a hash of the files'
    /// uuids and counts. rrec has no uuids: of its length, count and index.
    ///
    /// # Errors
    /// Of rrec those of [`Data::read`].
    pub fn identity(&self) -> Result<u128> {
        match &self.records {
            Records::Rrec(file) => identity::of_rrec(file),
            Records::One(file) => identity::of_shards([(file.uuid(), file.len())]),
            Records::Set(set) => {
                let shards = set.shards().iter();
                identity::of_shards(shards.map(|shard| (shard.uuid, shard.records)))
            }
        }
    }

    /// Keys and values that the writer gave.
    ///
    /// # Errors
    /// Those of [`Data::read`], [`Error::Malformed`].
    pub fn metadata(&self) -> Result<&[(String, Vec<u8>)]> {
        match &self.records {
            Records::Rrec(_) => Ok(&[]),
            Records::One(file) => file.metadata(),
            Records::Set(set) => Ok(set.metadata()),
        }
    }

    /// The tensors of a record, borrowed until the reader is dropped.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::Malformed`], [`Error::ManyDims`], [`Error::Tensor`] where a
    /// tensor lies misaligned; of a set those of its shard's opening.
    pub fn get(&self, index: u64) -> Result<Vec<Lent<'_>>> {
        let mut lent = Vec::with_capacity(self.fields());
        self.lend_each(index, |_, tensor| lent.push(tensor.lent()))?;
        Ok(lent)
    }

    /// As [`RecordReader::get`], where nanoseconds count: the tensors come one after the other and
    /// are not moved. `each` is told a field's number and tensor, also if a later field fails.
    ///
    /// # Errors
    /// As [`RecordReader::get`].
    #[inline]
    pub fn lend_each<'a>(
        &'a self,
        index: u64,
        mut each: impl FnMut(usize, FieldTensor<'a, '_>),
    ) -> Result<()> {
        match &self.records {
            Records::Rrec(file) => file.lend_each(index, |field, tensor| {
                each(field, FieldTensor::Rrec(tensor))
            }),
            Records::One(file) => file.lend_each(index, self.check, |field, tensor| {
                each(field, FieldTensor::Arec(tensor));
            }),
            Records::Set(set) => {
                let (shard, local) = set.locate(index)?;
                let lent = set
                    .file(shard)?
                    .lend_each(local, self.check, |field, tensor| {
                        each(field, FieldTensor::Arec(tensor));
                    });
                lent.map_err(|error| set.of_set(shard, error))
            }
        }
    }

    /// The dimensions of a field of a record, however many.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], [`Error::Malformed`].
    pub fn dims(&self, index: u64, field: usize) -> Result<Vec<i64>> {
        match &self.records {
            Records::Rrec(file) => file.dims(index, field),
            Records::One(file) => arec_dims(file, index, field),
            Records::Set(set) => {
                let (shard, local) = set.locate(index)?;
                let dims = arec_dims(set.file(shard)?, local, field);
                dims.map_err(|error| set.of_set(shard, error))
            }
        }
    }

    /// Where a field of a record lies, for what copies or uploads it; in any place of a file, aligned
    /// or not. Its checksums are not compared, whatever the reader's options say.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], [`Error::Malformed`], [`Error::ManyDims`], those of
    /// [`Data::read`]; of a set those of its shard's opening.
    pub fn source(&self, index: u64, field: usize) -> Result<Source> {
        match &self.records {
            Records::Rrec(file) => file.source(index, field),
            Records::One(file) => arec_source(file, index, field),
            Records::Set(set) => {
                let (shard, local) = set.locate(index)?;
                let source = arec_source(set.file(shard)?, local, field);
                source.map_err(|error| set.of_set(shard, error))
            }
        }
    }

    /// Reads every record by pread and checks it. Damaged records are counted and passed over;
    /// what ends the walk is a cut file, a failing disk or `progress`, told records done and in
    /// all.
    ///
    /// # Errors
    /// Those of [`Data::read`], [`Error::Cancelled`].
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verification> {
        match &self.records {
            Records::Rrec(file) => file.verify(progress),
            Records::One(file) => file.verify(progress),
            Records::Set(set) => set.verify(progress),
        }
    }

    /// The number of files.
    #[must_use]
    pub fn shards(&self) -> usize {
        match &self.records {
            Records::Rrec(_) | Records::One(_) => 1,
            Records::Set(set) => set.shards().len(),
        }
    }

    /// The file that a record is in, and its number there.
    ///
    /// # Errors
    /// [`Error::NoRecord`].
    #[inline]
    pub fn shard_of(&self, index: u64) -> Result<(usize, u64)> {
        let origin = match &self.records {
            Records::Set(set) => return set.locate(index),
            Records::Rrec(file) if index < file.len() => return Ok((0, index)),
            Records::One(file) if index < file.len() => return Ok((0, index)),
            Records::Rrec(file) => file.data().origin(),
            Records::One(file) => file.data().origin(),
        };
        Err(Error::NoRecord {
            origin: origin.clone(),
            index,
            len: self.len(),
        })
    }

    /// What is wrong with a record of a file, told by its number in the set, where it is one.
    #[cold]
    pub(crate) fn of_set(&self, shard: usize, error: Error) -> Error {
        match &self.records {
            Records::Set(set) => set.of_set(shard, error),
            _ => error,
        }
    }

    /// A file, opened where that wasn't done yet; it stays open as long as the reader.
    ///
    /// # Errors
    /// [`Error::NoShard`]; those of opening it.
    #[inline]
    pub(crate) fn file(&self, shard: usize) -> Result<FileRef<'_>> {
        match &self.records {
            Records::Rrec(file) if shard == 0 => Ok(FileRef::Rrec(file)),
            Records::One(file) if shard == 0 => Ok(FileRef::Arec(file)),
            Records::Set(set) => Ok(FileRef::Arec(set.file(shard)?)),
            _ => Err(Error::NoShard { shard, len: 1 }),
        }
    }

    /// What the records are called in messages.
    pub(crate) fn origin(&self) -> &Origin {
        match &self.records {
            Records::Rrec(file) => file.data().origin(),
            Records::One(file) => file.data().origin(),
            Records::Set(set) => set.origin(),
        }
    }

    /// The bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.records {
            Records::Rrec(file) => file.data().len(),
            Records::One(file) => file.data().len(),
            Records::Set(set) => {
                let sizes = set.shards().iter().map(|shard| shard.bytes);
                sizes.fold(0, u64::saturating_add)
            }
        }
    }

    /// Lets go of the pages of all files that were opened, and tells how many bytes that freed.
    ///
    /// # Errors
    /// Those of [`Data::release`].
    pub fn release_all(&self, what: Release) -> Result<u64> {
        let all = |data: &Data| data.release(0, TO_END, what);
        match &self.records {
            Records::Rrec(file) => Ok(all(file.data())?),
            Records::One(file) => Ok(all(file.data())?),
            Records::Set(set) => {
                let mut freed = 0u64;
                for file in set.opened() {
                    freed = freed.saturating_add(all(file.data())?);
                }
                Ok(freed)
            }
        }
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// [`Error::NoShard`]; those of opening it.
    pub fn data(&self, shard: usize) -> Result<&Arc<Data>> {
        match self.file(shard)? {
            FileRef::Rrec(file) => Ok(file.data()),
            FileRef::Arec(file) => Ok(file.data()),
        }
    }
}

fn arec_dims(file: &ArecFile, index: u64, field: usize) -> Result<Vec<i64>> {
    let mut from = Window::new(file.data(), DIMS_WINDOW);
    let place = file.place(&mut from, index, field)?;
    Ok(place.shape.dims().to_vec())
}

fn arec_source(file: &ArecFile, index: u64, field: usize) -> Result<Source> {
    let mut from = Window::new(file.data(), DIMS_WINDOW);
    let place = file.place(&mut from, index, field)?;
    let row = file.layout().fields.get(field);
    Ok(Source {
        data: Arc::clone(file.data()),
        offset: place.offset,
        dtype: row.map_or(DType::U8, |row| row.dtype),
        shape: place.shape,
    })
}

/// Room for the columns' rows of one record.
const DIMS_WINDOW: usize = 512;

/// What a file is by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Arec,
    Manifest,
    /// rrec, or none of ours.
    Other,
}

impl Content {
    fn of(data: &Data) -> Result<Content> {
        let mut start = Vec::new();
        let len = usize::try_from(data.len()).unwrap_or(START).min(START);
        data.read_to(0, len, &mut start)?;
        Ok(if ArecFile::is_arec(&start) {
            Content::Arec
        } else if Manifest::may_start(&start) {
            Content::Manifest
        } else {
            Content::Other
        })
    }
}
