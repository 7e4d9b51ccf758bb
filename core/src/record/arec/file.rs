//! A finished file for reading.

use std::sync::Arc;

use super::directory::{Bounds, Columns, Directory};
use super::field::{ANY, FieldKind};
use super::header::Header;
use super::layout::Layout;
use super::metadata::{self, Entry};
use super::trailer::{TRAILER_LEN, Trailer};
use crate::kernel;
use crate::map::Data;
use crate::record::error::{Error, Result};
use crate::record::schema::{Field, FieldShape, Schema};
use crate::record::slot::Slot;

/// A finished file. Opening it reads header, trailer and directory, however many records there
/// are; what the columns say of a record is checked when it is asked for.
#[derive(Debug)]
pub(crate) struct ArecFile {
    pub(super) data: Arc<Data>,
    pub(super) header: Header,
    pub(super) trailer: Trailer,
    pub(super) directory: Directory,
    pub(super) columns: Columns,
    metadata: Slot<Vec<Entry>>,
}

impl ArecFile {
    /// Whether a file that starts with these bytes is one of this format.
    pub(crate) fn is_arec(first_bytes: &[u8]) -> bool {
        Header::is_start(first_bytes)
    }

    /// Opens a file's bytes.
    ///
    /// # Errors
    /// Those of [`Header::read`]; [`Error::Unfinished`] without a trailer, [`Error::Damaged`],
    /// [`Error::Malformed`].
    pub(crate) fn open(data: Arc<Data>) -> Result<ArecFile> {
        let header = Header::read(&data)?;
        let trailer = read_trailer(&data, &header)?;
        let origin = data.origin();
        trailer
            .check(&header.layout)
            .map_err(|flaw| flaw.of(origin, trailer.at))?;
        let mut bytes = Vec::new();
        // At most 1 MiB, and inside of the file: the trailer's check.
        let len = usize::try_from(trailer.directory_bytes).unwrap_or(0);
        data.read_to(trailer.footer, len, &mut bytes)?;
        if kernel::hash(&bytes, header.nonce) != trailer.directory_hash {
            return Err(Error::Damaged {
                origin: origin.clone(),
                offset: trailer.footer,
                what: "footer's directory".to_owned(),
            });
        }
        let directory = Directory::decode(&bytes);
        let bounds = Bounds {
            records: trailer.records,
            blocks: trailer.blocks,
            start: trailer.footer.saturating_add(trailer.directory_bytes),
            end: trailer.footer.saturating_add(trailer.footer_bytes),
        };
        let columns = Columns::find(&directory, &header.layout, bounds)
            .map_err(|flaw| flaw.of(origin, trailer.footer))?;
        Ok(ArecFile {
            data,
            header,
            trailer,
            directory,
            columns,
            metadata: Slot::new(),
        })
    }

    /// The number of records.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.trailer.records
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.header.layout
    }

    #[cfg(test)]
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// The file's bytes.
    #[inline]
    pub(crate) fn data(&self) -> &Arc<Data> {
        &self.data
    }

    /// Random; another for each file.
    pub(crate) fn uuid(&self) -> [u8; 16] {
        self.header.uuid
    }

    /// The hash of the directory, which covers all columns by their hashes.
    pub(crate) fn directory_hash(&self) -> u64 {
        self.trailer.directory_hash
    }

    /// The fields.
    pub(crate) fn schema(&self) -> Schema {
        self.header.layout.schema()
    }

    /// Keys and values that the writer gave, read and checked at the first call.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Malformed`], [`Error::NotKnown`] where they are over 64 MiB,
    /// those of [`Data::read`].
    pub(crate) fn metadata(&self) -> Result<&[Entry]> {
        if let Some(entries) = self.metadata.get() {
            return Ok(entries);
        }
        let entries = self.read_metadata()?;
        Ok(self.metadata.set(entries))
    }

    fn read_metadata(&self) -> Result<Vec<Entry>> {
        let Some(column) = self.columns.metadata else {
            return Ok(Vec::new());
        };
        let origin = self.data.origin();
        let len = usize::try_from(column.bytes)
            .ok()
            .filter(|_| column.bytes <= metadata::LONGEST);
        let Some(len) = len else {
            return Err(Error::NotKnown {
                origin: origin.clone(),
                offset: column.offset,
                what: format!("{} bytes of metadata; 2^26 at most are read", column.bytes),
            });
        };
        let mut bytes = Vec::new();
        self.data.read_to(column.offset, len, &mut bytes)?;
        if kernel::hash(&bytes, self.header.nonce) != column.hash {
            return Err(Error::Damaged {
                origin: origin.clone(),
                offset: column.offset,
                what: "metadata".to_owned(),
            });
        }
        metadata::decode(&bytes).map_err(|flaw| flaw.of(origin, column.offset))
    }
}

impl Layout {
    /// The fields as a schema.
    pub(crate) fn schema(&self) -> Schema {
        let size = |dim: &u64| match *dim {
            ANY => -1,
            // No other is larger: checked when the layout was made.
            dim => i64::try_from(dim).unwrap_or(i64::MAX),
        };
        Schema::of_fields(self.fields.iter().map(|row| Field {
            name: row.name.clone(),
            dtype: Some(row.dtype),
            shape: FieldShape::Dims(row.dims().iter().map(size).collect()),
            is_bytes: row.kind == FieldKind::Bytes,
        }))
    }
}

pub(super) fn read_trailer(data: &Data, header: &Header) -> Result<Trailer> {
    let unfinished = |why: &str| Error::Unfinished {
        origin: data.origin().clone(),
        why: format!("{why} ({} bytes)", data.len()),
    };
    let at = data
        .len()
        .checked_sub(TRAILER_LEN as u64)
        .filter(|&at| at >= header.layout.header_len && at.is_multiple_of(TRAILER_LEN as u64))
        .ok_or_else(|| unfinished("it doesn't end with a trailer"))?;
    let mut bytes = Vec::new();
    data.read_to(at, TRAILER_LEN, &mut bytes)?;
    bytes
        .first_chunk()
        .and_then(|bytes| Trailer::decode(bytes, header.uuid, at))
        .ok_or_else(|| unfinished("its last 4096 bytes are not its trailer"))
}
