//! A set that is made up: its records follow from their numbers, and it fails, waits and panics as
//! it is told to.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use adit_core::dtype::DType;
use adit_core::loader::{
    Batch, Error, Judge, Loader, LoaderOptions, Order, Result, Shuffle, Source, SourceField,
};
use adit_core::map::{self, Origin};
use adit_core::record::{self, Announced, Column, FillCounts, FillOptions, Out, Verdict};
use adit_core::tensor::{Lent, Shape};

pub const X: usize = 0;
pub const TEXT: usize = 1;
pub const ID: usize = 2;
pub const PAIRS: usize = 3;
pub const MATRIX: usize = 4;

/// Records of five fields: x (f32, 3), text (u8, any), id (i64), pairs (i32, any x 2) and matrix
/// (f64, any x any).
#[derive(Default)]
pub struct Toy {
    pub records: u64,
    fields: Vec<SourceField>,
    /// Records that can't be had.
    pub bad: Mutex<BTreeSet<u64>>,
    /// Records that no memory is found for.
    pub starved: Mutex<BTreeSet<u64>>,
    /// One more than a record that is a bug.
    pub bug: AtomicU64,
    /// While it is closed, fills wait.
    closed: Mutex<bool>,
    opened: Condvar,
    pub waiting: AtomicU64,
    pub fills: AtomicU64,
    pub announced: Mutex<Vec<u64>>,
    pub released: Mutex<Vec<(Range<u64>, bool, bool)>>,
}

impl Toy {
    pub fn new(records: u64) -> Toy {
        let field = |name: &str, dtype, dims: &[i64]| SourceField {
            name: name.to_owned(),
            dtype,
            dims: dims.to_vec(),
        };
        Toy {
            records,
            fields: vec![
                field("x", DType::F32, &[3]),
                field("text", DType::U8, &[-1]),
                field("id", DType::I64, &[]),
                field("pairs", DType::I32, &[-1, 2]),
                field("matrix", DType::F64, &[-1, -1]),
            ],
            ..Toy::default()
        }
    }

    pub fn with_bad(records: u64, bad: &[u64]) -> Toy {
        let toy = Toy::new(records);
        *toy.bad.lock().unwrap() = bad.iter().copied().collect();
        toy
    }

    pub fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let mut closed = self.closed.lock().unwrap();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while *closed {
            closed = self.opened.wait(closed).unwrap();
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn fault(&self, record: u64) -> Option<Error> {
        let bug = self.bug.load(Ordering::SeqCst);
        assert_ne!(bug, record + 1, "a bug in record {record}");
        if self.bad.lock().unwrap().contains(&record) {
            return Some(Error::Record(record::Error::Malformed {
                origin: Origin::Memory,
                offset: record * 100,
                index: Some(record),
                why: "it is bad".to_owned(),
            }));
        }
        if !self.starved.lock().unwrap().contains(&record) {
            return None;
        }
        Some(Error::Map(map::Error::OutOfMemory {
            bytes: 1,
            origin: Origin::Memory,
        }))
    }
}

/// What a field of a record is.
pub fn value(record: u64, field: usize) -> (Vec<i64>, Vec<u8>) {
    let number = record as i32;
    match field {
        X => {
            let x = (0..3).flat_map(|at| (number as f32 * 10.0 + at as f32).to_le_bytes());
            (vec![3], x.collect())
        }
        TEXT => {
            let len = record % 7;
            (vec![len as i64], vec![record as u8; len as usize])
        }
        ID => (vec![], (record as i64).to_le_bytes().to_vec()),
        PAIRS => {
            let pairs = record % 3;
            let all = (0..pairs * 2).flat_map(|at| (number * 100 + at as i32).to_le_bytes());
            (vec![pairs as i64, 2], all.collect())
        }
        _ => {
            let (rows, columns) = (record % 3, record % 2 + 1);
            let all = (0..rows * columns).flat_map(|at| (record as f64 + at as f64).to_le_bytes());
            (vec![rows as i64, columns as i64], all.collect())
        }
    }
}

fn put(room: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    room[..bytes.len()].write_copy_of_slice(bytes);
    room[bytes.len()..].fill(MaybeUninit::new(0));
}

// SAFETY: all of the rows' bytes are put, of packed ones in the room asked for.
unsafe impl Source for Toy {
    fn len(&self) -> u64 {
        self.records
    }

    fn origin(&self) -> Origin {
        Origin::Path("toy".into())
    }

    fn identity(&self) -> u128 {
        77
    }

    fn bytes(&self) -> u64 {
        self.records * 32
    }

    fn fields(&self) -> &[SourceField] {
        &self.fields
    }

    fn shape(&self, record: u64, field: usize) -> Result<Shape> {
        Ok(Shape::new(&value(record, field).0).unwrap())
    }

    fn fill(
        &self,
        rows: &[u64],
        columns: &mut [Column<'_>],
        _how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        self.wait();
        self.fills.fetch_add(1, Ordering::SeqCst);
        let mut records: Vec<Option<u64>> = Vec::new();
        for (row, &record) in rows.iter().enumerate() {
            let mut record = Some(record);
            while let Some(error) = record.and_then(|record| self.fault(record)) {
                record = match judge(row, error)? {
                    Verdict::Mask => None,
                    Verdict::Replace(other) => Some(other),
                };
            }
            records.push(record);
        }
        let mut counts = FillCounts::default();
        for column in columns {
            let of = |record: &Option<u64>| match record {
                Some(record) => value(*record, column.field),
                None => (vec![0, 2], Vec::new()),
            };
            let values: Vec<_> = records.iter().map(of).collect();
            counts.bytes += values
                .iter()
                .map(|(_, bytes)| bytes.len() as u64)
                .sum::<u64>();
            match &mut column.out {
                Out::Fixed(out) => {
                    let size = out.len() / rows.len();
                    for (room, (_, bytes)) in out.chunks_mut(size.max(1)).zip(&values) {
                        put(room, bytes);
                    }
                }
                Out::Packed { offsets, room } => {
                    let all: Vec<u8> = values.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
                    let size = u64::from(column.dtype.block_bytes());
                    let mut end = 0;
                    offsets[0] = 0;
                    for (offset, (_, bytes)) in offsets[1..].iter_mut().zip(&values) {
                        end += bytes.len() as u64 / size;
                        *offset = end;
                    }
                    put(&mut room.room(all.len() as u64)?[..all.len()], &all);
                }
                Out::Padded {
                    size,
                    cut,
                    lengths,
                    out,
                } => {
                    let each = out.len() / rows.len();
                    let rooms = out.chunks_mut(each.max(1));
                    for ((room, (dims, bytes)), length) in
                        rooms.zip(&values).zip(lengths.iter_mut())
                    {
                        assert!(*cut || dims[0] as u64 <= *size);
                        *length = (dims[0] as u64).min(*size);
                        put(room, &bytes[..bytes.len().min(each)]);
                    }
                }
            }
        }
        counts.bytes_read = counts.bytes;
        Ok(counts)
    }

    fn announce(&self, rows: &[u64], fields: &[usize]) -> Announced {
        assert!(!fields.is_empty());
        self.announced.lock().unwrap().extend_from_slice(rows);
        Announced {
            cold_pages: rows.len() as u64,
            ..Announced::default()
        }
    }

    fn release(&self, records: Range<u64>, before: bool, after: bool) -> u64 {
        let bytes = records.end - records.start;
        self.released.lock().unwrap().push((records, before, after));
        bytes
    }
}

/// Batches of so many records of x and id, in blocks of 4 and windows of 2.
pub fn options(batch: u64) -> LoaderOptions {
    let mut options = LoaderOptions::new(batch);
    options.order.seed = 5;
    options.order.block = 4;
    options.order.window = 2;
    options.fields = [field("x"), field("id")].into();
    options
}

pub fn field(name: &str) -> adit_core::loader::FieldOption {
    adit_core::loader::FieldOption {
        name: name.to_owned(),
        dtype: None,
        ragged: adit_core::loader::RaggedMode::Packed,
    }
}

pub fn sequential(batch: u64) -> LoaderOptions {
    let mut options = options(batch);
    options.order.shuffle = Shuffle::Sequential;
    options
}

pub fn open(toy: &Arc<Toy>, options: &LoaderOptions) -> Loader {
    Loader::open_source(Arc::clone(toy) as Arc<dyn Source>, options).unwrap()
}

pub fn refused(toy: &Arc<Toy>, options: &LoaderOptions) -> Error {
    Loader::open_source(Arc::clone(toy) as Arc<dyn Source>, options).unwrap_err()
}

/// The records of an epoch as the order has them.
pub fn expected(records: u64, options: &LoaderOptions, epoch: u64) -> Vec<u64> {
    let order = Order::new(records, &options.order, epoch).unwrap();
    (0..records)
        .map(|position| order.record_at(position).unwrap())
        .collect()
}

pub fn bytes(lent: &Lent<'_>) -> Vec<u8> {
    let mut out = vec![MaybeUninit::uninit(); lent.bytes.len()];
    assert!(lent.bytes.copy_to(0, &mut out));
    // SAFETY: copy_to wrote all of them.
    unsafe { out.assume_init_ref() }.to_vec()
}

pub fn tensor(batch: &Batch, name: &str) -> Vec<u8> {
    let index = batch.find(name).unwrap();
    bytes(&batch.tensor(index).unwrap())
}

pub fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Whether the rows of x and id are those of the records that the batch names, zeros for none.
pub fn check(batch: &Batch) {
    let (mut x, mut id) = (Vec::new(), Vec::new());
    for (&record, &flags) in batch.records().iter().zip(batch.flags()) {
        let is_empty =
            record == adit_core::loader::NO_RECORD || flags & adit_core::loader::MASKED != 0;
        x.extend(if is_empty {
            vec![0; 12]
        } else {
            value(record, X).1
        });
        id.extend(if is_empty {
            vec![0; 8]
        } else {
            value(record, ID).1
        });
    }
    assert_eq!(tensor(batch, "x"), x);
    assert_eq!(tensor(batch, "id"), id);
}

/// The records of the batches of an epoch, which are sound.
pub fn epoch(loader: &mut Loader) -> Vec<u64> {
    let mut records = Vec::new();
    while let Some(batch) = loader.next().unwrap() {
        check(&batch);
        records.extend_from_slice(&batch.records()[..batch.valid()]);
    }
    records
}

/// This process's threads that have a loader's name.
pub fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    tasks
        .filter_map(name)
        .filter(|name| name.trim_end() == adit_core::loader::THREAD_NAME)
        .count()
}

/// Whether they all end: a thread that was joined is still seen for a moment.
pub fn threads_end() -> bool {
    (0..1_000_000).any(|_| {
        std::thread::yield_now();
        threads() == 0
    })
}
