//! Sets of thousands of files, made from a few: copies with a uuid of their own.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::fmt::Write;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use adit_core::kernel::crc32c_of;
use adit_core::record::{ArecOptions, RecordWriter, WriterOptions};

use super::{fill, options};
use crate::common::disk;

const PAGE: usize = 4096;

/// How many files differ in their records.
const KINDS: u64 = 8;

/// The number of the first record of file `file` as its values tell it.
pub fn value_of(file: usize) -> u64 {
    file as u64 % KINDS * 10
}

/// `count` files of one record each, and their manifest.
pub fn many(folder: &Path, count: usize) -> PathBuf {
    let kinds: Vec<Kind> = (0..KINDS as usize)
        .map(|kind| Kind::make(folder, value_of(kind)))
        .collect();
    let mut rows = String::new();
    for file in 0..count {
        let kind = &kinds[file % kinds.len()];
        kind.copy(&folder.join(name(file)), file);
        let comma = if file == 0 { "" } else { "," };
        let (uuid, name) = (u128::from_be_bytes(uuid(file)), name(file));
        writeln!(
            rows,
            "{comma}{{\"file\": \"{name}\", \"uuid\": \"{uuid:032x}\", \"records\": 1, \
             \"bytes\": {}, \"footer\": \"{:016x}\"}}",
            kind.bytes.len(),
            kind.footer
        )
        .unwrap();
    }
    let manifest = folder.join("set.json");
    let text = format!(
        "{{\"adit_record_set\": 1, \"records\": {count}, \"fields\": [\
         {{\"name\": \"number\", \"dtype\": \"u64\", \"kind\": \"fixed\", \"shape\": []}}, \
         {{\"name\": \"tokens\", \"dtype\": \"u16\", \"kind\": \"ragged\", \"shape\": [null]}}],\n\
         \"shards\": [\n{rows}]}}"
    );
    fs::write(&manifest, text).unwrap();
    manifest
}

pub fn name(file: usize) -> String {
    format!("shard-{file:05}.arec")
}

fn uuid(file: usize) -> [u8; 16] {
    (file as u128 + 1).to_be_bytes()
}

/// A file, and which of its pages aren't zeros.
struct Kind {
    bytes: Vec<u8>,
    pages: Vec<Range<usize>>,
    footer: u64,
}

impl Kind {
    fn make(folder: &Path, number: u64) -> Kind {
        let path = folder.join("kind.arec");
        let options = WriterOptions {
            arec: ArecOptions {
                block_bytes: 16 << 10,
                ..ArecOptions::default()
            },
            ..options()
        };
        let mut writer = RecordWriter::create(disk(), &path, &options).unwrap();
        fill(&mut writer, number..number + 1);
        writer.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let pages = (0..bytes.len()).step_by(PAGE).map(|at| at..at + PAGE);
        let pages = pages.filter(|page| bytes[page.clone()].iter().any(|&byte| byte != 0));
        let trailer = bytes.len() - PAGE;
        let footer = u64::from_le_bytes(bytes[trailer + 96..trailer + 104].try_into().unwrap());
        Kind {
            pages: pages.collect(),
            footer,
            bytes,
        }
    }

    /// Without the pages of zeros, which would be most of the writing.
    fn copy(&self, path: &Path, file: usize) {
        let mut bytes = self.bytes.clone();
        let header = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
        let trailer = bytes.len() - PAGE;
        bytes[40..56].copy_from_slice(&uuid(file));
        bytes[trailer + 16..trailer + 32].copy_from_slice(&uuid(file));
        for (start, end) in [(0, header - 4), (trailer, trailer + PAGE - 4)] {
            let crc = crc32c_of(0, &bytes[start..end]);
            bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
        }
        let out = File::create(path).unwrap();
        out.set_len(bytes.len() as u64).unwrap();
        for page in &self.pages {
            out.write_all_at(&bytes[page.clone()], page.start as u64)
                .unwrap();
        }
    }
}
