//! gzip and zstd files, good, hostile and broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::map::{
    Backend, Data, DataOptions, Error, FileInfo, FileKind, MapMode, Mapping, OsFile, RealStorage,
    Region, Storage, StorageFile,
};
use adit_core::record::RrecReader;
use common::{Folder, fixture, go_on, noise};
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A frame that decoders pass over, one of the 16 kinds.
fn skippable(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32).to_le_bytes();
    [&[0x50 | kind, 0x2a, 0x4d, 0x18], &len[..], content].concat()
}

type Packer = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(&str, Packer); 2] = [("gzip", gzip), ("zstd", zstd)];

fn open(path: &Path, cap: u64) -> Result<Data, Error> {
    let options = DataOptions {
        decompress: Some(cap),
        ..DataOptions::default()
    };
    Data::open(path, &options)
}

fn unpacked(packed: &[u8], cap: u64) -> Result<Vec<u8>, Error> {
    let folder = Folder::new();
    let data = open(&folder.file("packed", packed), cap)?;
    assert!(data.len() <= cap || data.is_mapped());
    Ok(data.region().to_vec(0, data.region().len()).unwrap())
}

/// Words that compress and noise that doesn't.
fn content(len: usize) -> Vec<u8> {
    let words = b"what was once said is said again, ".repeat(len / 68 + 1);
    let noise = noise(1, &[len as i64 / 8 + 1]).bytes;
    let mut bytes = [&words[..len / 2], &noise[..len - len / 2]].concat();
    bytes.rotate_left(len / 3);
    bytes
}

#[test]
fn what_was_packed_comes_back() {
    for (name, pack) in PACKERS {
        for len in [0, 1, 100, 65_535, 65_536, 300_000, 3 << 20] {
            let bytes = content(len);
            let packed = pack(&bytes);
            for cap in [len as u64, len as u64 + 1, u64::MAX] {
                assert!(
                    unpacked(&packed, cap).unwrap() == bytes,
                    "{name}, {len}, {cap}"
                );
            }
        }
    }
}

#[test]
fn a_packed_set_of_records_is_a_set_of_records() {
    let folder = Folder::new();
    let bytes = std::fs::read(fixture("basic_3x4.rrec")).unwrap();
    for (name, pack) in PACKERS {
        let path = folder.file(name, &pack(&bytes));
        for backend in [Backend::Auto, Backend::Map, Backend::Read] {
            let options = DataOptions {
                backend,
                decompress: Some(1 << 20),
                ..DataOptions::default()
            };
            let reader = RrecReader::open(&path, &options).unwrap();
            assert_eq!(reader.len(), 8);
            assert!(!reader.data().is_mapped());
            assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
            // The file may go: nothing is read from it any more.
            reader.data().still_whole().unwrap();
        }
        let error = RrecReader::open(&path, &DataOptions::default()).unwrap_err();
        assert_eq!(
            error.kind(),
            Kind::WrongFormat,
            "{name} without decompression"
        );
    }
}

#[test]
fn members_and_frames_are_joined() {
    let (one, two) = (content(1000), content(200_000));
    let joined = [&one[..], &two].concat();
    for (_, pack) in PACKERS {
        let members = [pack(&one), pack(&[]), pack(&two), pack(&[])].concat();
        assert!(unpacked(&members, 1 << 20).unwrap() == joined);
        // The cap is for all of them together.
        let cap = joined.len() as u64;
        assert!(unpacked(&members, cap).unwrap() == joined);
        assert_eq!(
            unpacked(&members, cap - 1).unwrap_err().kind(),
            Kind::OutOfRange
        );
    }
    let frames = [
        skippable(0, b"at the start"),
        zstd(&one),
        skippable(7, &[]),
        skippable(15, &content(3 << 20)),
        zstd(&two),
        skippable(1, b"at the end"),
    ];
    assert!(unpacked(&frames.concat(), 1 << 20).unwrap() == joined);
    assert_eq!(
        unpacked(&skippable(3, b"alone"), 1 << 20).unwrap(),
        [0u8; 0]
    );
    let cut = skippable(3, b"alone");
    for len in 4..cut.len() {
        assert_eq!(
            unpacked(&cut[..len], 1 << 20).unwrap_err().kind(),
            Kind::Malformed,
            "{len}"
        );
    }
}

#[test]
fn bombs_stop_at_the_cap() {
    const CAP: u64 = 1 << 20;
    let zeros = vec![0; 64 << 20];
    for (name, pack) in PACKERS {
        let folder = Folder::new();
        let path = folder.file("bomb", &pack(&zeros));
        assert!(std::fs::metadata(&path).unwrap().len() < CAP, "{name}");
        for cap in [0, 1, CAP, (64 << 20) - 1] {
            let error = open(&path, cap).unwrap_err();
            assert_eq!(error.kind(), Kind::OutOfRange, "{name}: {error}");
            assert!(matches!(error, Error::OverCap { cap: own, .. } if own == cap));
            assert!(
                error
                    .to_string()
                    .contains(&format!("the {cap} bytes allowed")),
                "{error}"
            );
            assert_eq!(error.place().path.as_deref(), Some(&*path));
        }
        assert_eq!(open(&path, 64 << 20).unwrap().len(), 64 << 20);
    }
}

/// Frame headers that claim windows and contents of up to 2^62 bytes: refused, nothing allocated.
#[test]
fn claims_of_frames_are_not_believed() {
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    // An empty last block follows each header.
    let window = [&magic[..], &[0x00, 0xf8], &[1, 0, 0]].concat();
    let single = [&magic[..], &[0xe0], &(1u64 << 62).to_le_bytes(), &[1, 0, 0]].concat();
    let both = [
        &magic[..],
        &[0xc0, 0xff],
        &u64::MAX.to_le_bytes(),
        &[1, 0, 0],
    ]
    .concat();
    // Sound, but larger than what is unpacked here; or larger than the format allows.
    let kinds = [Kind::Unsupported, Kind::Unsupported, Kind::Malformed];
    for (frame, kind) in [window, single, both].into_iter().zip(kinds) {
        let error = unpacked(&frame, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_cut_anywhere_is_malformed() {
    let bytes = content(3000);
    for (name, pack) in PACKERS {
        let packed = pack(&bytes);
        for cut in 0..packed.len() {
            match unpacked(&packed[..cut], 1 << 20) {
                // Too short for a magic number: a file like any other.
                Ok(found) => assert!(cut < 4 && found == packed[..cut], "{name} cut at {cut}"),
                Err(error) => {
                    assert!(cut >= 4, "{name} cut at {cut}");
                    assert_eq!(
                        error.kind(),
                        Kind::Malformed,
                        "{name} cut at {cut}: {error}"
                    );
                    assert!(error.to_string().contains(name), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let bytes = content(1500);
    for (name, pack) in PACKERS {
        let packed = pack(&bytes);
        let (mut found, mut harmless) = (0, 0);
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match unpacked(&flipped, 1 << 20) {
                Ok(content) => {
                    let as_it_is = bit < 32 && content == flipped;
                    assert!(content == bytes || as_it_is, "{name}, bit {bit}");
                    harmless += 1;
                }
                Err(error) => {
                    let kind = error.kind();
                    // The bit that says that a dictionary is needed makes a sound frame of another kind.
                    let known = [
                        Kind::Malformed,
                        Kind::Checksum,
                        Kind::OutOfRange,
                        Kind::Unsupported,
                    ];
                    assert!(known.contains(&kind), "{name}, bit {bit}: {error}");
                    found += 1;
                }
            }
        }
        assert!(
            found > 20 * harmless,
            "{name}: {found} found, {harmless} harmless"
        );
    }
}

#[test]
fn a_wrong_checksum_is_told() {
    let bytes = content(1500);
    for (name, pack) in PACKERS {
        let packed = pack(&bytes);
        // zstd ends in it, gzip in the length after it.
        let at = packed.len() - if name == "gzip" { 8 } else { 4 };
        let mut wrong = packed;
        wrong[at] ^= 1;
        let error = unpacked(&wrong, 1 << 20).unwrap_err();
        let kinds = [Kind::Checksum, Kind::Malformed];
        assert!(kinds.contains(&error.kind()), "{name}: {error}");
        if name == "zstd" {
            assert_eq!(error.kind(), Kind::Checksum, "{error}");
        }
    }
}

#[test]
fn what_follows_the_last_member_must_be_one() {
    for (_, pack) in PACKERS {
        for tail in [&b"x"[..], b"not packed", &[0x1f, 0x8b]] {
            let packed = [pack(b"content"), tail.to_vec()].concat();
            assert_eq!(unpacked(&packed, 100).unwrap_err().kind(), Kind::Malformed);
        }
    }
}

#[test]
fn what_isnt_packed_is_opened_as_it_is() {
    let folder = Folder::new();
    for bytes in [
        &b""[..],
        b"x",
        b"\x1f\x8b",
        b"\x1f\x8b\x08",
        b"\x1f\x8b\x07 another method",
        b"\x28\xb5\x2f\xfe and more",
        b"\x60\x2a\x4d\x18 and more",
        &content(100_000),
    ] {
        let path = folder.file("plain", bytes);
        // The cap is for what is decompressed.
        let data = open(&path, 0).unwrap();
        assert_eq!(data.is_mapped(), !bytes.is_empty());
        assert!(data.region().to_vec(0, bytes.len()).unwrap() == bytes);
    }
}

/// A disk whose files fail, or end, after some bytes.
#[derive(Debug)]
struct Failing {
    from: u64,
    errno: Option<i32>,
}

#[derive(Debug)]
struct FailingFile {
    file: Arc<dyn StorageFile>,
    from: u64,
    errno: Option<i32>,
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Storage for Failing {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = RealStorage.open(path)?;
        Ok(Arc::new(FailingFile {
            file,
            from: self.from,
            errno: self.errno,
        }))
    }
    fn open_to_write(&self, _: &Path) -> io::Result<Arc<dyn StorageFile>> {
        unsupported()
    }
    fn create_new(&self, _: &Path) -> io::Result<Arc<dyn StorageFile>> {
        unsupported()
    }
    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        RealStorage.kind(path)
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
}

impl StorageFile for FailingFile {
    fn info(&self) -> io::Result<FileInfo> {
        self.file.info()
    }
    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        let rest = self.from.saturating_sub(offset) as usize;
        match (rest, self.errno) {
            (0, Some(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => {
                let len = out.len().min(rest);
                self.file.read_at(&mut out[..len], offset)
            }
        }
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unsupported()
    }
    fn write_region_at(&self, _: Region<'_>, _: u64) -> io::Result<()> {
        unsupported()
    }
    fn fill_holes(&self, _: u64) -> io::Result<()> {
        unsupported()
    }
    fn sync_data(&self) -> io::Result<()> {
        unsupported()
    }
    fn try_lock(&self) -> io::Result<bool> {
        unsupported()
    }
    fn lock(&self) -> io::Result<()> {
        unsupported()
    }
    fn allocate(&self, _: u64) -> io::Result<()> {
        unsupported()
    }
    fn sync(&self) -> io::Result<()> {
        unsupported()
    }
    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        self.file.map(offset, len, mode)
    }
    fn os_file(&self) -> Option<OsFile<'_>> {
        self.file.os_file()
    }
}

/// Whoever is told that a sound file is damaged throws it away.
#[test]
fn a_failing_disk_is_no_damaged_file() {
    const EIO: i32 = 5;
    let folder = Folder::new();
    let options = DataOptions {
        decompress: Some(1 << 20),
        ..DataOptions::default()
    };
    for (name, pack) in PACKERS {
        let packed = pack(&content(3000));
        let path = folder.file(name, &packed);
        for from in 4..packed.len() as u64 {
            let disk = Failing {
                from,
                errno: Some(EIO),
            };
            let error = Data::open_in(&disk, &path, &options).unwrap_err();
            let told = (error.kind(), error.os_code(), error.place().offset);
            assert_eq!(told, (Kind::Io, EIO, Some(from)), "{name}, {from}: {error}");

            let disk = Failing { from, errno: None };
            let error = Data::open_in(&disk, &path, &options).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{name}, {from}: {error}");
        }
    }
}
