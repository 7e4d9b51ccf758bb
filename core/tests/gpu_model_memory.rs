//! Host memory while a model goes to the card: the ring's and the threads' at most, and of the page
//! cache what is being read. The software driver's card is the host's memory too, and counted out.
#![cfg(all(adit_gpu, target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gpu_tools;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{DeviceOptions, ModelOptions, upload_model};
use adit_core::map::{Data, RealStorage, Release, TO_END, page_size};
use adit_core::model::{self, Model, ModelWriter, ModelWriterOptions};
use adit_core::transfer::{LoadOptions, Watch};
use common::{Folder, skip};
use gpu_tools::{PATHS, Random, get, open, tiny};

const MIB: u64 = 1 << 20;

/// Tensors, and the rows of each: 300 MiB, one of 128.
const ROWS: [i64; 4] = [128, 100, 71, 1];

/// What a process takes that isn't the library's books: stacks of threads, the driver's lists, the
/// allocator's remains.
const BESIDE: u64 = 24 * MIB;

fn write(folder: &Folder) -> PathBuf {
    let path = folder.join("large.safetensors");
    let options = ModelWriterOptions::default();
    let mut writer = ModelWriter::create(Arc::new(RealStorage), &path, &options).unwrap();
    for (number, rows) in ROWS.iter().enumerate() {
        let name = format!("tensor {number}");
        writer.declare(&name, DType::U8, &[*rows, 1 << 20]).unwrap();
    }
    writer.begin().unwrap();
    let mut random = Random::new(1);
    for (number, rows) in ROWS.iter().enumerate() {
        for row in 0..*rows as u64 {
            writer
                .write(number, row * MIB, &random.bytes(1 << 20))
                .unwrap();
        }
    }
    writer.finish().unwrap();
    File::open(&path).unwrap().sync_all().unwrap();
    path
}

/// A line of /proc/self/status, in bytes.
fn status(line: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = all
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .unwrap();
    let kilobytes = found.trim_start_matches(':').trim().trim_end_matches(" kB");
    kilobytes.trim().parse::<u64>().unwrap() << 10
}

/// Begins to measure the highest memory anew; false where the system has no such thing.
fn measure() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The bytes of the file that the page cache holds.
fn cached(path: &Path) -> u64 {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len() as usize;
    // SAFETY: a new map of an open file, for reading; nobody cuts the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    let mut pages = vec![0u8; len.div_ceil(page_size())];
    // SAFETY: the range is mapped, and `pages` has a byte for each of its pages.
    let result = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), len, pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    let in_memory = pages.iter().filter(|&&page| page & 1 == 1).count();
    (in_memory * page_size()) as u64
}

/// Looks at the page cache on the way, and stops at some byte.
struct Pages<'a> {
    path: &'a Path,
    highest: u64,
    last: u64,
    stops_at: u64,
}

impl Watch for Pages<'_> {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        self.last = cached(self.path);
        self.highest = self.highest.max(self.last);
        done < self.stops_at
    }
}

/// Has the page cache hold the file.
fn keep_in_memory(path: &Path) {
    let mut file = File::open(path).unwrap();
    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
}

fn evict(path: &Path) -> bool {
    let data = Data::open(path, &Default::default()).unwrap();
    data.release(0, TO_END, Release::PageCache).unwrap();
    // Parts of large pages may stay.
    cached(path) < MIB
}

#[test]
fn host_memory_is_bounded() {
    let folder = Folder::new();
    if open(&tiny(PATHS[0])).is_none() {
        return;
    }
    let path = write(&folder);
    let total: u64 = ROWS.iter().map(|&rows| rows as u64 * MIB).sum();
    assert_eq!(total, 300 * MIB);
    let evicts = evict(&path);
    if !evicts {
        skip(
            "release behind an upload",
            "a target folder whose files are on a disk",
        );
    }
    for memory in PATHS {
        let options = DeviceOptions {
            chunk_bytes: 4 << 20,
            chunks: 3,
            ..tiny(memory)
        };
        let device = open(&options).unwrap();
        let model = Model::open(&path, &model::ModelOptions::default()).unwrap();
        let how = ModelOptions {
            release: true,
            // All of it in two buffers.
            buffer_bytes: 200 * MIB,
            ..ModelOptions::default()
        };
        let load = LoadOptions {
            threads: 2,
            ..LoadOptions::default()
        };
        let mut watch = Pages {
            path: &path,
            highest: 0,
            last: 0,
            stops_at: u64::MAX,
        };
        let before = status("VmRSS");
        let measures = measure();
        let (loaded, stats) = upload_model(&device, &model, &how, &load, &mut watch).unwrap();
        let highest = status("VmHWM");
        assert_eq!(stats.bytes, total);
        let on_card: u64 = loaded.buffers().iter().map(|buffer| buffer.size()).sum();
        assert_eq!(on_card, total);
        let ring = options.chunk_bytes * u64::from(options.chunks);
        let bound = on_card + ring + stats.work_bytes + BESIDE;
        // Another copy of the model wouldn't fit.
        assert!(bound < 2 * total);
        if measures {
            assert!(highest - before <= bound, "{before} {highest} {bound}");
        } else {
            skip("the highest memory of an upload", "/proc/self/clear_refs");
        }
        if evicts {
            // What is read between two looks back, 64 MiB and less than a step of 16 more, and what
            // the kernel reads ahead.
            let most = (64 + 16 + 16) * MIB;
            assert!(watch.highest <= most, "{} of {most}", watch.highest);
            assert!(cached(&path) <= MIB, "{}", cached(&path));
        }
        for (index, rows) in ROWS.iter().enumerate() {
            let source = model.source(index).unwrap();
            let place = loaded.place(index, 0).unwrap();
            assert_eq!(place.bytes, *rows as u64 * MIB);
            for at in [0, place.bytes / 3, place.bytes - 100] {
                let region = source.data.region().slice(source.offset + at, 100).unwrap();
                let found = get(
                    &loaded.buffers()[place.buffer],
                    place.offset + at / 4 * 4,
                    100,
                );
                let skew = (at % 4) as usize;
                assert_eq!(found[skew..], region.to_vec(0, 100 - skew).unwrap());
            }
        }
        drop(loaded);

        // What was cancelled takes nothing, and the card is done with it.
        device.wait_idle().unwrap();
        keep_in_memory(&path);
        let before = status("RssAnon") + status("RssShmem");
        watch.stops_at = 150 * MIB;
        let result = upload_model(&device, &model, &how, &load, &mut watch);
        assert_eq!(result.map(|_| ()).unwrap_err().kind(), Kind::Cancelled);
        let pages = cached(&path);
        let after = status("RssAnon") + status("RssShmem");
        assert!(after <= before + BESIDE, "{before} {after}");
        if evicts {
            // It was reading 64 MiB from 128 on, of which a busy kernel may hold a few; what comes behind
            // them may be somebody else's.
            let behind = total - (128 + 64) * MIB;
            assert!(pages <= behind + 16 * MIB, "{pages} of {behind}");
            assert!(
                pages + (64 + 16) * MIB >= watch.last,
                "{pages} of {}",
                watch.last
            );
            evict(&path);
        }
    }
}
