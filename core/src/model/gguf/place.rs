//! Where tensors lie in the data: inside, aligned, apart.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::sync::Arc;

use super::Info;
use crate::dtype::DType;
use crate::error::Kind;
use crate::map::Data;
use crate::model::error::{Error, Result};
use crate::model::fault::Fault;
use crate::model::names::Refusal;
use crate::model::table::{Found, Tensors};
use crate::tensor::dense_bytes;

/// The data of a file, where tensors find their place.
pub(super) struct Place<'a> {
    files: &'a [Arc<Data>],
    file: u32,
    data: &'a Data,
    /// Where the data starts.
    start: u64,
    alignment: u64,
    /// The number of the file's first tensor.
    first: usize,
    /// Where the last tensor ends, as long as all came in order.
    end: u64,
    in_order: bool,
    /// Where the last tensor in the file ends.
    last: u64,
}

impl<'a> Place<'a> {
    pub(super) fn new(
        files: &'a [Arc<Data>],
        file: u32,
        data: &'a Data,
        start: u64,
        alignment: u64,
        first: usize,
    ) -> Place<'a> {
        Place {
            files,
            file,
            data,
            start,
            alignment,
            first,
            end: 0,
            in_order: true,
            last: start,
        }
    }

    /// From where the data start to the end of the last tensor.
    pub(super) fn len(&self) -> u64 {
        self.last.saturating_sub(self.start)
    }

    /// Checks a tensor and adds it.
    pub(super) fn add(&mut self, name: &[u8], info: &Info, tensors: &mut Tensors) -> Result<()> {
        let dtype = DType::from_ggml(info.ggml);
        let placed = self.placed(info, dtype);
        let (offset, bytes) =
            placed.map_err(|fault| fault.in_tensor(shown(name)).of(self.data.origin()))?;
        self.in_order &= offset >= self.end;
        self.end = offset.saturating_add(bytes.max(least(info)));
        self.last = self.last.max(self.end);
        let found = Found {
            file: self.file,
            dtype,
            ggml: info.ggml,
            dims: info.dims(),
            offset,
            bytes,
        };
        match tensors.add(name, found) {
            Ok(_) => Ok(()),
            Err(Refusal::Taken(other)) => Err(self.twice(name, info, other, tensors)),
            Err(Refusal::Full) => Err(Fault::no_memory(name.len() as u64).of(self.data.origin())),
        }
    }

    /// Where a tensor's elements start in the file, and their bytes where the type is known.
    fn placed(&self, info: &Info, dtype: Option<DType>) -> std::result::Result<(u64, u64), Fault> {
        let bytes = match dtype {
            Some(dtype) => dense_bytes(info.dims(), dtype)
                .map_err(|error| Fault::malformed(info.dims_at, error.to_string()))?,
            None => 0,
        };
        let wrong = |why| Fault::malformed(info.offset_at, why);
        let alignment = self.alignment;
        if !info.offset.is_multiple_of(alignment) {
            let why = format!(
                "an offset of {}, which is no multiple of {alignment}",
                info.offset
            );
            return Err(wrong(why));
        }
        let len = self.data.len();
        let offset = self.start.checked_add(info.offset);
        // Of a type that isn't known, a byte at least is there.
        let least = bytes.max(least(info));
        match offset.and_then(|offset| Some((offset, offset.checked_add(least)?))) {
            Some((offset, end)) if end <= len => Ok((offset, bytes)),
            _ => Err(wrong(format!(
                "{least} bytes or more at offset {} of the data, which starts at {}, but the file \
                 has {len}: it is cut or the offset is wrong",
                info.offset, self.start
            ))),
        }
    }

    #[cold]
    fn twice(&self, name: &[u8], info: &Info, other: usize, tensors: &Tensors) -> Error {
        let other = tensors.get(other).map_or(0, |entry| entry.file);
        let origin = self.data.origin().clone();
        if other == self.file {
            return Error::Malformed {
                origin,
                offset: info.dims_at.saturating_sub(4),
                tensor: Some(shown(name)),
                why: "it is there twice".to_owned(),
            };
        }
        let other = self.files.get(other as usize);
        let other = other.map_or_else(String::new, |other| other.origin().to_string());
        Error::Set {
            origin,
            why: format!("tensor '{}' is in {other} too", shown(name)),
            kind: Kind::Malformed,
        }
    }

    /// Checks that no two tensors share a byte.
    pub(super) fn check_overlaps(&self, tensors: &Tensors) -> Result<()> {
        if self.in_order {
            return Ok(());
        }
        let mut places: Vec<(u64, u64, usize)> = Vec::new();
        let count = tensors.len().saturating_sub(self.first);
        places.try_reserve_exact(count).map_err(|_| {
            Fault::no_memory((count as u64).saturating_mul(24)).of(self.data.origin())
        })?;
        for number in self.first..tensors.len() {
            let Some(entry) = tensors.get(number) else {
                continue;
            };
            let empty = tensors.dims(entry).contains(&0);
            let bytes = entry.bytes.max(u64::from(!empty));
            if bytes > 0 {
                places.push((entry.offset, entry.offset.saturating_add(bytes), number));
            }
        }
        places.sort_unstable();
        for (one, two) in places.iter().zip(places.iter().skip(1)) {
            if one.1 > two.0 {
                let name = |number| shown(tensors.name(number).unwrap_or_default());
                let why = format!(
                    "it starts inside of tensor '{}', which has bytes {} to {}",
                    name(one.2),
                    one.0,
                    one.1
                );
                return Err(Fault::malformed(two.0, why)
                    .in_tensor(name(two.2))
                    .of(self.data.origin()));
            }
        }
        Ok(())
    }
}

/// The bytes that a tensor has at least, whatever its type.
fn least(info: &Info) -> u64 {
    u64::from(!info.dims().contains(&0))
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
