//! Writing one file.

mod append;

use std::fmt;
use std::path::Path;

use super::columns::{BlockRow, Columns};
use super::copies::Copies;
use super::filling::{Filling, Sealed};
use super::fits::set_entry;
use super::footer;
use super::header::Header;
use super::layout::Layout;
use super::metadata::Entry;
use crate::map::{self, Origin, Publication, random_bytes, random_number};
use crate::record::error::{Error, Result};
use crate::record::planted::{self, Bug};
use crate::record::schema::Schema;
use crate::record::writer::WriterOptions;

/// Writes one file. Nothing appears at its path before [`ArecWriter::finish`].
pub(crate) struct ArecWriter {
    publication: Publication,
    header: Header,
    filling: Filling,
    columns: Columns,
    copies: Copies,
    /// Records in blocks that are written.
    written: u64,
    /// Where the last block ends: its table, and its strides.
    data_end: u64,
    strides: u64,
    /// The furthest byte that a block has reached, with the zeros behind it.
    reached: u64,
    metadata: Vec<Entry>,
    /// The sizes of the record being appended, and of strided elements those that come next.
    sizes: Vec<u32>,
    piece: Vec<u8>,
    limits: Limits,
    /// Whether the temporary's name is durable.
    is_named: bool,
    state: State,
}

/// What a set asks of its shards.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// The bytes that the file shall not pass, but with its first block; 0 for any.
    pub(crate) bytes: u64,
    /// Records of the set before this file's.
    pub(crate) before: u64,
}

/// What a finished file is in its set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) uuid: [u8; 16],
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) directory_hash: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Finished(Finished),
    Poisoned,
}

impl ArecWriter {
    /// Starts a file.
    pub(crate) fn begin(
        publication: Publication,
        schema: &Schema,
        options: &WriterOptions,
    ) -> Result<ArecWriter> {
        let layout = Layout::plan(schema, &options.arec)?;
        ArecWriter::start(
            publication,
            layout,
            options.keep_unfinished,
            Limits::default(),
        )
    }

    /// Starts a file of this layout.
    pub(crate) fn start(
        publication: Publication,
        layout: Layout,
        keep_unfinished: bool,
        limits: Limits,
    ) -> Result<ArecWriter> {
        let header = Header {
            uuid: random_bytes(),
            nonce: random_number(),
            compatible: 0,
            layout,
        };
        ArecWriter::with_header(publication, header, keep_unfinished, limits)
    }

    /// Starts a file with this header, which no other file has.
    pub(super) fn with_header(
        mut publication: Publication,
        header: Header,
        keep_unfinished: bool,
        limits: Limits,
    ) -> Result<ArecWriter> {
        publication.write(&header.encode(), 0)?;
        if keep_unfinished {
            publication.keep_unfinished();
        }
        let layout = &header.layout;
        Ok(ArecWriter {
            filling: Filling::new(layout),
            columns: Columns::new(layout),
            copies: Copies::default(),
            written: 0,
            data_end: layout.data_start,
            strides: 0,
            reached: 0,
            metadata: Vec::new(),
            sizes: Vec::new(),
            piece: Vec::new(),
            limits,
            is_named: false,
            state: State::Open,
            publication,
            header,
        })
    }

    /// The records appended so far.
    pub(crate) fn count(&self) -> u64 {
        self.written.saturating_add(self.filling.records().into())
    }

    /// Where the unfinished file is.
    pub(crate) fn temporary(&self) -> &Path {
        self.publication.temporary()
    }

    /// What became of the file, once it is finished.
    pub(crate) fn finished(&self) -> Option<Finished> {
        match self.state {
            State::Finished(finished) => Some(finished),
            State::Open | State::Poisoned => None,
        }
    }

    /// The file as it is being published.
    pub(crate) fn publication(&self) -> &Publication {
        &self.publication
    }

    /// Ends without a file, whatever is to be kept of others.
    pub(crate) fn give_up(mut self) {
        self.publication.keep_nothing();
    }

    /// Writes the block that has been filled, and begins the next.
    fn write_block(&mut self) -> Result<()> {
        let layout = &self.header.layout;
        let records = self.filling.records();
        if !self.columns.reserve(layout, records as usize) {
            return Err(self.out_of_memory(layout.table_bytes(records.into())));
        }
        self.copies.before_write(&mut self.publication)?;
        let sealed = self
            .filling
            .write(&mut self.publication, layout, self.header.nonce);
        if sealed.is_err() {
            // Its table may be in memory, as bytes of the block.
            self.state = State::Poisoned;
        }
        let Sealed {
            frame,
            end,
            reached,
        } = sealed?;
        let block = BlockRow {
            stride: frame.stride,
            first: frame.first,
            records: frame.count,
            strides: frame.strides,
            table_hash: frame.table_hash,
        };
        self.columns.take(layout, block, self.filling.table());
        self.copies.block_written();
        self.written = self.written.saturating_add(records.into());
        self.strides = frame.stride.saturating_add(frame.strides.into());
        self.data_end = end;
        self.reached = reached;
        self.filling.restart(layout, self.strides, self.written);
        Ok(())
    }

    /// Sets a key's value.
    pub(crate) fn set_metadata(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.check_open()?;
        set_entry(&mut self.metadata, key, value)
    }

    /// Makes all that was appended recoverable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.check_open()?;
        let synced = self.try_sync();
        if synced.is_err() {
            self.state = State::Poisoned;
        }
        synced
    }

    fn try_sync(&mut self) -> Result<()> {
        let records = self.filling.records();
        if self.copies.is_wanted(records) {
            self.copies.before_write(&mut self.publication)?;
            let (out, layout) = (&mut self.publication, &self.header.layout);
            let stride = self.copies.next(self.filling.stride());
            let copy = self
                .filling
                .write_copy(out, layout, self.header.nonce, stride)?;
            let end = super::filling::block_start(layout, stride)
                .saturating_add(copy.frame.block_bytes(layout));
            self.copies.written(records, end);
        }
        self.copies.sync(&mut self.publication)?;
        if !self.is_named {
            self.publication.sync_name()?;
            self.is_named = true;
        }
        Ok(())
    }

    /// Writes what is left and the footer, and publishes the file durably. Done, or failed, the
    /// writer can only be closed.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.check_open()?;
        // Whatever happens now, there is no second try: a failed sync can't be repeated.
        self.state = State::Poisoned;
        if self.filling.records() > 0 {
            self.write_block()?;
        }
        self.copies.before_write(&mut self.publication)?;
        // The trailer is told by the file's end: nothing may stand behind it.
        if self.copies.end().max(self.reached) > self.data_end {
            self.publication.cut(self.data_end)?;
        }
        let content = footer::Content {
            header: &self.header,
            columns: &self.columns,
            metadata: &self.metadata,
            records: self.written,
            data_end: self.data_end,
            strides: self.strides,
        };
        let trailer = content.write(&mut self.publication)?;
        // A trailer says that all before it is there: also after a power cut, and also of the
        // temporary, which may be all that is left then.
        if !planted::has(Bug::TrailerFirst) {
            self.publication.sync()?;
        }
        self.publication.write(&trailer.encode(), trailer.at)?;
        self.publication.publish()?;
        self.state = State::Finished(Finished {
            uuid: self.header.uuid,
            records: self.written,
            bytes: trailer
                .at
                .saturating_add(super::trailer::TRAILER_LEN as u64),
            directory_hash: trailer.directory_hash,
        });
        self.filling = Filling::new(&self.header.layout);
        self.columns = Columns::new(&self.header.layout);
        Ok(())
    }

    #[cold]
    fn refused(&self, error: Error) -> Error {
        Error::Refused {
            origin: self.origin(),
            index: self.limits.before.saturating_add(self.count()),
            source: Box::new(error),
        }
    }

    fn out_of_memory(&self, bytes: u64) -> Error {
        map::Error::OutOfMemory {
            bytes,
            origin: self.origin(),
        }
        .into()
    }

    fn origin(&self) -> Origin {
        Origin::Path(self.publication.path().to_owned())
    }

    /// Whether anything can still be written.
    pub(crate) fn check_open(&self) -> Result<()> {
        let (why, poisoned) = match self.state {
            State::Open => return Ok(self.publication.check_open()?),
            State::Finished(_) => ("has finished", false),
            State::Poisoned => ("failed earlier", true),
        };
        Err(Error::Closed {
            origin: self.origin(),
            why,
            poisoned,
        })
    }
}

impl fmt::Debug for ArecWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.publication.path().display();
        write!(f, "RecordWriter('{path}', {} records)", self.count())
    }
}
