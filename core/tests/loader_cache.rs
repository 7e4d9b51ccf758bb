//! What stays of a set in the page cache while four processes go through it in step: all of it, or
//! no more than the windows that are in use, or nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::loader::{Cache, Loader, LoaderOptions};
use adit_core::map::{Data, DataOptions, Io, Release, TO_END};
use adit_core::record::{
    Field, ReaderOptions, RecordFormat, RecordReader, RecordWriter, Schema, WriterOptions,
};
use common::{Folder, Tensor, disk, skip};

/// Records of 64 KiB: 128 MiB.
const RECORDS: u64 = 2048;
const RECORD: usize = 64 << 10;
const WORLD: u32 = 4;

/// A step's records over all ranks, 2 MiB; a block's, 4 MiB; a window's blocks, 8 MiB.
const BATCH: u64 = 32;
const BLOCK: u64 = 64;
const WINDOW: u64 = 2;

const STEPS: u64 = RECORDS / BATCH;

fn options(rank: u32, cache: Cache, io: Io) -> LoaderOptions {
    let mut options = LoaderOptions::new(BATCH);
    options.order.block = BLOCK;
    options.order.window = WINDOW;
    options.order.seed = 3;
    options.partition.world = WORLD;
    options.partition.rank = rank;
    options.cache = cache;
    options.io = io;
    options.max_held = 1;
    options.depth = 3;
    options
}

fn value(record: u64, at: usize) -> u8 {
    (record as usize * 31 + at / 512 + at % 7) as u8
}

fn write(path: &Path) {
    let mut schema = Schema::new();
    let field = Field::new("bytes", DType::U8, &[RECORD as i64]);
    schema.add(field).unwrap();
    let options = WriterOptions {
        format: RecordFormat::Arec,
        schema: Some(schema),
        ..WriterOptions::default()
    };
    let mut writer = RecordWriter::create(disk(), path, &options).unwrap();
    for record in 0..RECORDS {
        let bytes = (0..RECORD).map(|at| value(record, at)).collect();
        let tensor = Tensor::new(DType::U8, &[RECORD as i64], bytes);
        writer.append(&[tensor.view()]).unwrap();
    }
    writer.finish().unwrap();
}

/// What a child does: a step for each line that it reads, and a line for each.
#[test]
fn child() {
    let Ok(told) = std::env::var("ADIT_LOADER_CHILD") else {
        return;
    };
    let mut told = told.splitn(4, ' ');
    let rank: u32 = told.next().unwrap().parse().unwrap();
    let cache = match told.next().unwrap() {
        "drop" => Cache::Drop,
        _ => Cache::Keep,
    };
    let io = match told.next().unwrap() {
        "direct" => Io::Direct,
        _ => Io::Read,
    };
    let path = Path::new(told.next().unwrap());
    let reader = Arc::new(RecordReader::open(path, &ReaderOptions::default()).unwrap());
    let mut loader = Loader::open(reader, &options(rank, cache, io)).unwrap();
    let mut lines = std::io::stdin().lines();
    let mut out = std::io::stdout();
    while lines.next().is_some() {
        let batch = loader.next().unwrap().unwrap();
        let tensor = batch.tensor(0).unwrap();
        for (row, &record) in batch.records().iter().enumerate() {
            for at in [0, 1, RECORD / 2, RECORD - 1] {
                let mut byte = [std::mem::MaybeUninit::new(0)];
                assert!(tensor.bytes.copy_to((row * RECORD + at) as u64, &mut byte));
                // SAFETY: it was initialised when it was made.
                assert_eq!(unsafe { byte[0].assume_init() }, value(record, at));
            }
        }
        writeln!(out, "step {}", batch.step()).unwrap();
        out.flush().unwrap();
    }
}

struct Rank {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Rank {
    fn start(rank: u32, cache: &str, io: &str, path: &Path) -> Rank {
        let told = format!("{rank} {cache} {io} {}", path.display());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env("ADIT_LOADER_CHILD", told)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Rank {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn step(&mut self, step: u64) {
        let mut line = String::new();
        while !line.trim_end().ends_with(&format!("step {step}")) {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "a rank ended before step {step}");
        }
    }

    fn end(mut self) {
        drop(self.input);
        // The harness of its tests has a word to say too.
        std::io::copy(&mut self.output, &mut std::io::sink()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// The most of the file that was in the cache after any step, and what is at the end, in MiB.
fn epoch(cache: &str, io: &str, path: &Path, data: &Data) -> (u64, u64) {
    data.release(0, TO_END, Release::PageCache).unwrap();
    let cached = || data.residency(0, TO_END).unwrap().cached >> 20;
    let start = |rank| Rank::start(rank, cache, io, path);
    let mut ranks: Vec<Rank> = (0..WORLD).map(start).collect();
    let mut most = 0;
    for step in 0..STEPS {
        for rank in &mut ranks {
            writeln!(rank.input, "go").unwrap();
        }
        for rank in &mut ranks {
            rank.step(step);
        }
        most = most.max(cached());
    }
    let last = cached();
    ranks.into_iter().for_each(Rank::end);
    (most, last)
}

#[test]
fn the_page_cache_stays_flat_where_that_is_asked_for() {
    let folder = Folder::new();
    let path = folder.join("set.arec");
    write(&path);
    let data = Data::open(&path, &DataOptions::default()).unwrap();
    let size = data.len() >> 20;
    assert!(size >= 128);
    data.release(0, TO_END, Release::PageCache).unwrap();
    let left = data.residency(0, TO_END).unwrap().cached >> 20;
    if left > size / 16 {
        skip(
            "the page cache of a loader",
            "the file system keeps all pages",
        );
        return;
    }
    let (_, last) = epoch("keep", "read", &path, &data);
    assert!(last >= size * 9 / 10, "kept {last} of {size} MiB");
    // In use are the window that is read, the one before it, whose last steps were delivered just
    // now, and what is announced and filled ahead.
    let (most, last) = epoch("drop", "read", &path, &data);
    println!("drop: at most {most} MiB, {last} MiB at the end");
    assert!(
        most <= 64 && last <= 48,
        "{most} MiB, and {last} MiB at the end, of {size}"
    );
    let (most, last) = epoch("keep", "direct", &path, &data);
    println!("direct: at most {most} MiB, {last} MiB at the end");
    assert!(
        most <= 4 && last <= 4,
        "{most} MiB, and {last} MiB at the end, of {size}"
    );
}
