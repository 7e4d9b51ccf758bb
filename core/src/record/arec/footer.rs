//! The footer of a file being written: directory and columns.

use super::columns::{Column, Columns};
use super::directory::{BLOCK_ROW, COLUMN_ALIGN, ColumnKind, ColumnRow, Directory};
use super::header::Header;
use super::layout::{Layout, PAGE};
use super::metadata::{self, Entry};
use super::stage::Stage;
use super::trailer::Trailer;
use crate::kernel;
use crate::map::Publication;
use crate::record::error::Result;

/// A block's row in its column.
const BLOCK_BYTES: u64 = BLOCK_ROW as u64;

/// The footer goes out in writes of this size.
const WRITE: usize = 4 << 20;

/// What a footer is made of.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) header: &'a Header,
    pub(super) columns: &'a Columns,
    pub(super) metadata: &'a [Entry],
    pub(super) records: u64,
    pub(super) data_end: u64,
    pub(super) strides: u64,
}

/// The bytes that a footer and its trailer take at least.
pub(super) fn least(layout: &Layout) -> u64 {
    Directory::bytes(layout, true).saturating_add(2 * PAGE)
}

impl Content<'_> {
    /// Writes the footer, and gives the trailer that belongs to it.
    pub(super) fn write(&self, out: &mut Publication) -> Result<Trailer> {
        let Header {
            layout,
            nonce,
            uuid,
            ..
        } = self.header;
        let metadata = metadata::encode(self.metadata);
        let footer = next(self.data_end, PAGE);
        let directory_bytes = Directory::bytes(layout, !metadata.is_empty());
        let mut end = footer.saturating_add(directory_bytes);
        let mut place = |kind: ColumnKind, field, row_bytes, bytes, hash| {
            let offset = next(end, COLUMN_ALIGN);
            end = offset.saturating_add(bytes);
            ColumnRow {
                kind: kind as u32,
                field,
                row_bytes,
                offset,
                bytes,
                hash,
            }
        };
        let mut rows: Vec<ColumnRow> = Directory::wanted(layout)
            .zip(self.columns.all(layout))
            .map(|((kind, field, row_bytes), column)| {
                place(kind, field, row_bytes, column.bytes(), column.hash(*nonce))
            })
            .collect();
        if !metadata.is_empty() {
            let hash = kernel::hash(&metadata, *nonce);
            rows.push(place(
                ColumnKind::Metadata,
                0,
                1,
                metadata.len() as u64,
                hash,
            ));
        }
        let directory = Directory { columns: rows };
        let encoded = directory.encode();
        let mut stage = Stage::new(WRITE);
        stage.start(footer);
        stage.put(out, &encoded)?;
        let columns = self.columns.all(layout).map(Some).chain([None]);
        for (row, column) in directory.columns.iter().zip(columns) {
            stage.pad_to(out, row.offset)?;
            match column {
                Some(column) => put(&mut stage, out, column)?,
                None => stage.put(out, &metadata)?,
            }
        }
        let footer_end = stage.position();
        let at = next(footer_end, PAGE);
        stage.pad_to(out, at)?;
        stage.flush(out)?;
        Ok(Trailer {
            uuid: *uuid,
            at,
            footer,
            footer_bytes: footer_end.saturating_sub(footer),
            directory_bytes: encoded.len() as u64,
            records: self.records,
            blocks: self.columns.blocks.bytes() / BLOCK_BYTES,
            strides: self.strides,
            data_end: self.data_end,
            directory_hash: kernel::hash(&encoded, *nonce),
        })
    }
}

fn put(stage: &mut Stage, out: &mut Publication, column: &Column) -> Result<()> {
    for piece in column.pieces() {
        stage.put(out, piece)?;
    }
    Ok(())
}

fn next(at: u64, align: u64) -> u64 {
    at.checked_next_multiple_of(align).unwrap_or(u64::MAX)
}
