//! What a model consists of, and where it goes.

use super::coverage::Coverage;
use super::error::{Result, WriteError};
use super::files::{FileNames, Files, Folder};
use super::header::{Line, PREFIX, header, index_text};
use super::layout::{Layout, Spot, Unfit, alignment, lay_out};
use super::{Declared, Location, ModelWriter, Stage, Work};
use crate::dtype::DType;
use crate::model::names::Refusal;
use crate::tensor::{self, dense_bytes};

/// What a header calls its metadata.
const METADATA: &str = "__metadata__";

impl ModelWriter {
    /// Adds a tensor; its number is how many there were. What is refused leaves the writer as it
    /// was.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::DType`], [`WriteError::Shape`]; [`WriteError::State`]
    /// once the writing has begun; memory.
    pub fn declare(&mut self, name: &str, dtype: DType, dims: &[i64]) -> Result<usize> {
        self.check_declaring()?;
        let bytes = self.checked(name, dtype, dims)?;
        let room = self.tensors.try_reserve(1).map_err(|_| Refusal::Full);
        match room.and_then(|()| self.names.add(name.as_bytes())) {
            Ok(number) => {
                let dims = dims.into();
                self.tensors.push(Declared { dtype, dims, bytes });
                Ok(number)
            }
            Err(Refusal::Taken(number)) => {
                Err(self.bad_name(name, format!("is that of tensor {number} already")))
            }
            Err(Refusal::Full) => Err(self.no_memory(name.len())),
        }
    }

    /// The bytes of a tensor that the format can hold.
    fn checked(&self, name: &str, dtype: DType, dims: &[i64]) -> Result<u64> {
        if name == METADATA {
            return Err(self.bad_name(name, "is what files call their metadata".to_owned()));
        }
        let (origin, index) = (self.origin(), self.tensors.len() as u64);
        let name = || name.to_owned();
        if dtype.safetensors().is_none() {
            return Err(WriteError::DType {
                origin,
                index,
                name: name(),
                dtype,
            });
        }
        bytes_of(dims, dtype).map_err(|source| WriteError::Shape {
            origin,
            index,
            name: name(),
            source: Box::new(source),
        })
    }

    fn bad_name(&self, name: &str, why: String) -> WriteError {
        WriteError::Name {
            origin: self.origin(),
            index: self.tensors.len() as u64,
            name: name.to_owned(),
            why,
        }
    }

    /// Sets a value of the metadata, which every file of the model gets. A key that is there
    /// already gets the new value in its old place.
    ///
    /// # Errors
    /// [`WriteError::State`] once the writing has begun; memory.
    pub fn set_metadata(&mut self, key: &str, value: &str) -> Result<()> {
        self.check_declaring()?;
        let mut own = String::new();
        let room = own.try_reserve_exact(value.len());
        let room = room.and_then(|()| self.values.try_reserve(1));
        room.map_err(|_| self.no_memory(value.len()))?;
        own.push_str(value);
        match self.keys.add(key.as_bytes()) {
            Ok(_) => self.values.push(own),
            Err(Refusal::Taken(number)) => {
                if let Some(value) = self.values.get_mut(number) {
                    *value = own;
                }
            }
            Err(Refusal::Full) => return Err(self.no_memory(key.len())),
        }
        Ok(())
    }

    fn no_memory(&self, bytes: usize) -> WriteError {
        WriteError::OutOfMemory {
            origin: self.origin(),
            bytes: bytes as u64,
        }
    }

    /// What `items` gives, in memory that may run out.
    fn collected<T>(&self, items: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        all.try_reserve_exact(items.len())
            .map_err(|_| self.no_memory(items.len().saturating_mul(size_of::<T>())))?;
        all.extend(items);
        Ok(all)
    }

    /// Lays out the tensors and makes the files with all their space, under temporary names. A
    /// failure leaves nothing, and the writer as it was.
    ///
    /// # Errors
    /// Those of [`Publication::create`](crate::map::Publication::create) and
    /// [`Publication::allocate`](crate::map::Publication::allocate), no space above all;
    /// [`WriteError::Shadowed`], [`WriteError::HeaderTooLong`], [`WriteError::TooLarge`],
    /// [`WriteError::State`]; memory.
    pub fn begin(&mut self) -> Result<()> {
        self.check_declaring()?;
        let sizes = self.collected(self.tensors.iter().map(|tensor| tensor.bytes))?;
        let layout = lay_out(&sizes, self.options.shard_bytes).map_err(|unfit| {
            let origin = self.origin();
            match unfit {
                Unfit::TooLarge => WriteError::TooLarge { origin },
                Unfit::OutOfMemory => WriteError::OutOfMemory {
                    origin,
                    bytes: size_of_val(sizes.as_slice()) as u64,
                },
            }
        })?;
        let names = FileNames::new(&self.path, layout.files())?;
        let mut headers = Vec::with_capacity(layout.files());
        for shard in 0..layout.files() {
            headers.push(self.header(&layout, shard, &names)?);
        }
        let mut files = self.files(&layout, &names)?;
        let mut starts = Vec::with_capacity(headers.len());
        for (shard, (header, bytes)) in headers.iter().enumerate() {
            let start = PREFIX.saturating_add(header.len() as u64);
            files.start(shard, header, start.saturating_add(*bytes))?;
            starts.push(start);
        }
        let spots = layout.spots.iter();
        let locations = self.collected(spots.map(|spot| located(*spot, &starts)))?;
        let bytes = sizes.len().saturating_mul(size_of::<u64>());
        let coverage = Coverage::new(&sizes).ok_or_else(|| self.no_memory(bytes))?;
        self.locations = locations;
        self.shards = files.len();
        self.stage = Stage::Writing(Box::new(Work {
            names,
            files,
            coverage,
        }));
        Ok(())
    }

    /// The header of a file, and the bytes of its tensors.
    fn header(&self, layout: &Layout, shard: usize, names: &FileNames) -> Result<(Vec<u8>, u64)> {
        let origin = names.origin(&self.path, shard);
        let tensors = layout.shard(shard);
        let lines = tensors.iter().filter_map(|&tensor| {
            let own = self.tensors.get(tensor)?;
            let spot = layout.spots.get(tensor)?;
            Some(Line {
                name: self.name(tensor),
                dtype: own.dtype,
                dims: &own.dims,
                start: spot.offset,
                end: spot.offset.saturating_add(own.bytes),
            })
        });
        let keys = (0..self.keys.len()).map(|key| self.keys.get(key).unwrap_or_default());
        let keys = keys.map(|key| str::from_utf8(key).unwrap_or_default());
        let metadata = keys.zip(self.values.iter().map(String::as_str));
        let text = header(metadata, lines, &origin)?;
        let sizes = tensors
            .iter()
            .filter_map(|&tensor| self.tensors.get(tensor));
        let bytes = sizes.fold(0u64, |sum, tensor| sum.saturating_add(tensor.bytes));
        // As the system counts them, a file's bytes are signed.
        if bytes > i64::MAX.cast_unsigned() - PREFIX - text.len() as u64 {
            return Err(WriteError::TooLarge { origin });
        }
        Ok((text, bytes))
    }

    fn files(&self, layout: &Layout, names: &FileNames) -> Result<Files> {
        let folder = Folder {
            storage: &self.storage,
            path: &self.path,
            replace: self.options.replace,
        };
        let FileNames::Shards {
            shards,
            index,
            lock,
        } = names
        else {
            return folder.one();
        };
        let spots = layout.spots.iter().enumerate();
        let files = spots.map(|(tensor, spot)| (self.name(tensor), names.shard(spot.shard)));
        let files = self.collected(files)?;
        let total = self.tensors.iter().map(|tensor| tensor.bytes);
        let total = total.fold(0, u64::saturating_add);
        let text = index_text(total, files, &self.origin())?;
        folder.set(shards, (index, &text), lock)
    }
}

/// The bytes of a tensor that readers can read: they multiply the dimensions in their order, and
/// refuse what overflows on the way to a zero.
fn bytes_of(dims: &[i64], dtype: DType) -> tensor::Result<u64> {
    let negative = dims.iter().enumerate().find(|&(_, &dim)| dim < 0);
    if let Some((axis, &dim)) = negative {
        return Err(tensor::Error::Negative { axis, dim });
    }
    let product = |so_far: u64, &dim: &i64| so_far.checked_mul(dim.cast_unsigned());
    if dims.iter().try_fold(1, product).is_none() {
        let texts: Vec<String> = dims.iter().map(i64::to_string).collect();
        let elements = texts.join(" x ");
        return Err(tensor::Error::TooLarge { elements, dtype });
    }
    dense_bytes(dims, dtype)
}

fn located(spot: Spot, starts: &[u64]) -> Location {
    let start = starts.get(spot.shard).copied().unwrap_or_default();
    let offset = start.saturating_add(spot.offset);
    Location {
        shard: spot.shard,
        offset,
        alignment: alignment(offset),
    }
}
