//! What the tests share: folders that go away, tensors that own their bytes, checks skipped.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use adit_core::dtype::DType;
use adit_core::map::{Data, Io, RealStorage, Region, Storage};
use adit_core::record::{
    GatherOptions, Gathered, ReaderOptions, RecordFormat, RecordReader, RecordWriter, Result,
    RrecReader, WriterOptions,
};
use adit_core::tensor::{Lent, MAX_DIMS, Shape, TensorView};

/// A folder of its own on the disk, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // A killed process of the same number may have left one.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The names of what is in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Tells that `what` isn't checked because something is `missing`, and has it counted in
/// `target/skipped.txt`; the same words count once.
pub fn skip(what: &str, missing: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let line = format!("SKIPPED: {what} ({missing})");
    if !TOLD.lock().unwrap().insert(line.clone()) {
        return;
    }
    // Past the capture of the test's output, which is shown for failures alone.
    let _ = writeln!(std::io::stderr(), "{line}");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"));
    std::fs::create_dir_all(folder).unwrap();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("skipped.txt"))
        .unwrap();
    writeln!(file, "{line}").unwrap();
}

/// The path of a file that another program wrote.
pub fn fixture(name: &str) -> PathBuf {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/rrec");
    Path::new(data).join(name)
}

/// The real storage.
pub fn disk() -> Arc<dyn Storage> {
    Arc::new(RealStorage)
}

/// Bytes as a region, for as long as they are borrowed.
pub fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable and unmoved while the result borrows it.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

/// A copy of bytes, as data.
pub fn data_of(bytes: &[u8]) -> Arc<Data> {
    Arc::new(Data::copy_of(region(bytes)).unwrap())
}

/// A tensor that owns its bytes, in C order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub dtype: DType,
    pub dims: Vec<i64>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    pub fn new(dtype: DType, dims: &[i64], bytes: Vec<u8>) -> Tensor {
        let dims = dims.to_vec();
        Tensor { dtype, dims, bytes }
    }

    /// f32 elements of these bits.
    pub fn f32_bits(dims: &[i64], bits: impl IntoIterator<Item = u32>) -> Tensor {
        let bytes = bits.into_iter().flat_map(u32::to_le_bytes).collect();
        Tensor::new(DType::F32, dims, bytes)
    }

    /// f32 elements.
    pub fn f32(dims: &[i64], values: &[f32]) -> Tensor {
        Tensor::f32_bits(dims, values.iter().map(|value| value.to_bits()))
    }

    pub fn view(&self) -> TensorView<'_> {
        let shape = Shape::new(&self.dims).unwrap();
        strided(&self.bytes, self.dtype, &self.dims, &shape.c_strides()).unwrap()
    }

    pub fn of(lent: &Lent<'_>) -> Tensor {
        let bytes = lent.bytes.to_vec(0, lent.bytes.len()).unwrap();
        Tensor::new(lent.dtype, lent.shape.dims(), bytes)
    }
}

/// A view of bytes with strides in elements.
pub fn strided<'a>(
    bytes: &'a [u8],
    dtype: DType,
    dims: &[i64],
    strides: &[i64],
) -> adit_core::tensor::Result<TensorView<'a>> {
    let mut padded = [0; MAX_DIMS];
    padded[..strides.len().min(MAX_DIMS)].copy_from_slice(&strides[..strides.len().min(MAX_DIMS)]);
    let shape = Shape::new(dims)?;
    // SAFETY: the slice is readable for its length while the view borrows it, and can't change.
    unsafe { TensorView::new(bytes.as_ptr(), bytes.len() as u64, dtype, shape, padded) }
}

/// An input and a target.
pub type Pair = [Tensor; 2];

/// A writer of rrec version 1.
pub fn create_rrec(storage: Arc<dyn Storage>, path: &Path, replace: bool) -> Result<RecordWriter> {
    let options = WriterOptions {
        format: RecordFormat::Rrec1,
        replace,
        ..WriterOptions::default()
    };
    RecordWriter::create(storage, path, &options)
}

/// Writes a finished file.
pub fn write(path: &Path, records: &[Pair]) {
    let mut writer = create_rrec(disk(), path, true).unwrap();
    for [input, target] in records {
        writer.append(&[input.view(), target.view()]).unwrap();
    }
    assert_eq!(writer.count(), records.len() as u64);
    writer.finish().unwrap();
}

/// All records, by `get`.
pub fn read(reader: &RrecReader) -> Vec<Pair> {
    (0..reader.len())
        .map(|index| reader.get(index).unwrap().map(|lent| Tensor::of(&lent)))
        .collect()
}

/// The same file by the reader of all formats, which gathers.
pub fn in_any_format(reader: &RrecReader) -> Result<RecordReader> {
    RecordReader::from_data(Arc::clone(reader.data()), &ReaderOptions::default())
}

/// Gathers to a buffer of `capacity` bytes and gives what was written.
pub fn gather(
    reader: &RrecReader,
    field: usize,
    indices: &[u64],
    capacity: usize,
    io: Io,
) -> Result<(Gathered, Vec<u8>)> {
    gather_from(&in_any_format(reader)?, field, indices, capacity, io)
}

/// As [`gather`], by the reader that gathers.
pub fn gather_from(
    reader: &RecordReader,
    field: usize,
    indices: &[u64],
    capacity: usize,
    io: Io,
) -> Result<(Gathered, Vec<u8>)> {
    let mut out = vec![MaybeUninit::new(0xAAu8); capacity];
    let gathered = reader.gather(
        field,
        indices,
        &mut out,
        &GatherOptions {
            io,
            ..GatherOptions::default()
        },
    )?;
    // SAFETY: every byte was initialised when `out` was made.
    let bytes = out.iter().map(|byte| unsafe { byte.assume_init() });
    let bytes: Vec<u8> = bytes.collect();
    let (written, rest) = bytes.split_at(usize::try_from(gathered.bytes).unwrap());
    assert!(rest.iter().all(|&byte| byte == 0xAA));
    Ok((gathered, written.to_vec()))
}

/// A progress callback that lets everything go on.
pub fn go_on(_: u64, _: u64) -> bool {
    true
}

/// A tensor's bytes in rrec version 1, by the format's description alone.
pub fn encode_tensor(tensor: &Tensor) -> Vec<u8> {
    let word = |value: i64| u32::try_from(value).unwrap().to_le_bytes();
    let mut out = word(tensor.dims.len() as i64).to_vec();
    out.extend(tensor.dims.iter().flat_map(|&dim| word(dim)));
    out.extend(word(i64::from(tensor.dtype == DType::F16)));
    out.extend(&tensor.bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// A finished file's bytes, by the format's description alone.
pub fn encode(records: &[Pair]) -> Vec<u8> {
    let mut out = vec![0; 64];
    let mut index = Vec::new();
    for [input, target] in records {
        let offset = out.len() as u64;
        out.extend(encode_tensor(input));
        out.extend(encode_tensor(target));
        index.extend(offset.to_le_bytes());
        index.extend((out.len() as u64 - offset).to_le_bytes());
    }
    let head = [b"RREC".to_vec(), 1u32.to_le_bytes().to_vec()].concat();
    out[..8].copy_from_slice(&head);
    out[8..16].copy_from_slice(&(records.len() as u64).to_le_bytes());
    let index_offset = out.len() as u64;
    out[16..24].copy_from_slice(&index_offset.to_le_bytes());
    out.extend(index);
    out
}

/// Where each record of an encoded file ends, the header first.
pub fn ends(records: &[Pair]) -> Vec<u64> {
    let mut ends = vec![64];
    for [input, target] in records {
        let size = encode_tensor(input).len() + encode_tensor(target).len();
        ends.push(ends[ends.len() - 1] + size as u64);
    }
    ends
}

/// `count` f32 values of which none has a zero byte, the same for the same seed.
pub fn noise(seed: u32, dims: &[i64]) -> Tensor {
    let count: i64 = dims.iter().product();
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let bits = (0..count).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state | 0x0101_0101
    });
    Tensor::f32_bits(dims, bits)
}
