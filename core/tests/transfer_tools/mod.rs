//! What the tests of loads share: a file of tensors, what each part of it must become, and a watch
//! that remembers.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use adit_core::dtype::DType;
use adit_core::map::{Backend, Data, DataOptions, HeapBytes, Origin, SystemAllocator};
use adit_core::tensor::{Shape, Slice, Source};
use adit_core::transfer::{Destination, Item, Room, Watch};

use super::common::{Folder, data_of, skip};

/// A tensor to be put into a file.
pub struct Given {
    pub dtype: DType,
    pub dims: Vec<i64>,
    /// Bytes of the file before it, after the tensor before.
    pub gap: usize,
}

pub fn given(dtype: DType, dims: &[i64], gap: usize) -> Given {
    let dims = dims.to_vec();
    Given { dtype, dims, gap }
}

/// Tensors in a file, and the file's bytes.
pub struct Sheet {
    pub folder: Folder,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub sources: Vec<Source>,
}

/// Bytes that are the same for the same seed, and differ from place to place.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

impl Sheet {
    /// A file of these tensors, mapped.
    pub fn new(tensors: &[Given]) -> Sheet {
        let folder = Folder::new();
        let mut end = 0;
        let mut places = Vec::new();
        for tensor in tensors {
            let shape = Shape::new(&tensor.dims).unwrap();
            let bytes = usize::try_from(shape.bytes(tensor.dtype).unwrap()).unwrap();
            places.push((end + tensor.gap, tensor.dtype, shape));
            end += tensor.gap + bytes;
        }
        let mut bytes = noise(7, end);
        for (offset, dtype, shape) in &places {
            make_finite(&mut bytes[*offset..], *dtype, *shape);
        }
        let path = folder.file("tensors", &bytes);
        let data = Arc::new(Data::open(&path, &DataOptions::default()).unwrap());
        let sources = places
            .into_iter()
            .map(|(offset, dtype, shape)| Source {
                data: Arc::clone(&data),
                offset: offset as u64,
                dtype,
                shape,
            })
            .collect();
        Sheet {
            folder,
            path,
            bytes,
            sources,
        }
    }

    /// The same tensors in other bytes: on the heap, read or copied.
    pub fn sources_in(&self, data: &Arc<Data>) -> Vec<Source> {
        let other = |source: &Source| Source {
            data: Arc::clone(data),
            ..source.clone()
        };
        self.sources.iter().map(other).collect()
    }

    pub fn on_the_heap(&self) -> Arc<Data> {
        let options = DataOptions {
            backend: Backend::Read,
            ..DataOptions::default()
        };
        Arc::new(Data::open(&self.path, &options).unwrap())
    }

    pub fn in_memory(&self) -> Arc<Data> {
        data_of(&self.bytes)
    }

    /// What an item must become, element by element.
    pub fn wanted(&self, item: &Item) -> Vec<u8> {
        let source = &item.source;
        let dims: Vec<u64> = source.shape.dims().iter().map(|&dim| dim as u64).collect();
        let block = u64::from(source.dtype.block_elements());
        let size = source.dtype.block_bytes() as usize;
        let last = dims.len().saturating_sub(1);
        let total: u64 = dims.iter().product();
        let mut out = Vec::new();
        for unit in 0..total / block {
            let element = unit * block;
            let inner: u64 = dims.iter().skip(1).product();
            let row = if dims.is_empty() { 0 } else { element / inner };
            let column = element % dims.get(last).copied().unwrap_or(1);
            let in_rows = item
                .slice
                .rows
                .as_ref()
                .is_none_or(|rows| rows.contains(&row));
            let columns = item.slice.columns.as_ref();
            if in_rows && columns.is_none_or(|columns| columns.contains(&column)) {
                let at = source.offset as usize + unit as usize * size;
                convert(
                    source.dtype,
                    item.dtype,
                    &self.bytes[at..at + size],
                    &mut out,
                );
            }
        }
        out
    }
}

/// No NaNs among floats: these are a matter of conversions, which have tests of their own.
fn make_finite(bytes: &mut [u8], dtype: DType, shape: Shape) {
    let len = usize::try_from(shape.bytes(dtype).unwrap()).unwrap();
    let size = dtype.block_bytes() as usize;
    for block in bytes[..len].chunks_mut(size) {
        match dtype {
            DType::F16 | DType::Q8_0 => block[1] &= 0xBF,
            DType::F32 => block[3] &= 0xBF,
            _ => {}
        }
    }
}

/// One unit, by the definition of its dtype.
fn convert(from: DType, to: Option<DType>, unit: &[u8], out: &mut Vec<u8>) {
    let f16 = |at: usize| half::f16::from_le_bytes([unit[at], unit[at + 1]]).to_f32();
    match (from, to) {
        (DType::F16, Some(DType::F32)) => out.extend(f16(0).to_le_bytes()),
        (DType::Q8_0, Some(DType::F32)) => {
            for &byte in &unit[2..] {
                out.extend((f32::from(byte as i8) * f16(0)).to_le_bytes());
            }
        }
        (DType::U8, Some(DType::F32)) => out.extend(f32::from(unit[0]).to_le_bytes()),
        (from, to) if to.is_none_or(|to| to == from) => out.extend(unit),
        (from, to) => panic!("no oracle for {from:?} to {to:?}"),
    }
}

/// Whether a file's bytes can be read past the page cache, which is tried; a file system that can't
/// is told.
pub fn can_read_directly(data: &Arc<Data>) -> bool {
    let can = data.direct().is_some_and(|direct| {
        let mut window = HeapBytes::aligned(Arc::new(SystemAllocator), direct.window_align());
        window.grow(1 << 20, &Origin::Memory).unwrap();
        direct.fetch(0, 1, window.spare_mut()).unwrap().is_some()
    });
    if data.has_file() && !can {
        skip("direct reads", "a file system that has them");
    }
    can
}

pub fn part(rows: Option<(u64, u64)>, columns: Option<(u64, u64)>) -> Slice {
    Slice {
        rows: rows.map(|(start, end)| start..end),
        columns: columns.map(|(start, end)| start..end),
    }
}

/// Memory for items, with bytes around each that nobody may write.
pub struct Rooms {
    memory: Vec<Vec<MaybeUninit<u8>>>,
}

const AROUND: usize = 67;

impl Rooms {
    /// A room for each item, which then goes there.
    pub fn for_items(items: &mut [Item], sizes: &[usize]) -> Rooms {
        let mut memory: Vec<Vec<MaybeUninit<u8>>> = sizes
            .iter()
            .map(|size| vec![MaybeUninit::new(0xAA); size + 2 * AROUND])
            .collect();
        for ((item, memory), &size) in items.iter_mut().zip(&mut memory).zip(sizes) {
            let start = memory[AROUND..].as_mut_ptr().cast();
            // SAFETY: the vector has these bytes, keeps them where they are, and is read again
            // only after the load.
            item.destination = Destination::Given(unsafe { Room::new(start, size as u64) });
        }
        Rooms { memory }
    }

    pub fn take(self) -> Vec<Vec<u8>> {
        self.memory
            .into_iter()
            .map(|memory| {
                let all: Vec<u8> = memory
                    .into_iter()
                    // SAFETY: every byte was initialised when the memory was made.
                    .map(|byte| unsafe { byte.assume_init() })
                    .collect();
                let (before, rest) = all.split_at(AROUND);
                let (own, after) = rest.split_at(rest.len() - AROUND);
                assert!(before.iter().chain(after).all(|&byte| byte == 0xAA));
                own.to_vec()
            })
            .collect()
    }
}

/// Remembers what it was told, and where.
#[derive(Debug)]
pub struct Log {
    pub progress: Vec<(u64, u64)>,
    pub items: Vec<usize>,
    /// Calls after which it asks to stop.
    pub patience: usize,
    thread: ThreadId,
}

impl Log {
    pub fn new() -> Log {
        Log::stopping_after(usize::MAX)
    }

    pub fn stopping_after(patience: usize) -> Log {
        Log {
            progress: Vec::new(),
            items: Vec::new(),
            patience,
            thread: thread::current().id(),
        }
    }

    fn call(&mut self) -> bool {
        assert_eq!(self.thread, thread::current().id());
        assert!(self.patience > 0, "called after it asked to stop");
        self.patience -= 1;
        self.patience > 0
    }

    /// What must hold of a load that wasn't stopped.
    pub fn check(&self, items: usize, total: u64) {
        assert_eq!(self.progress.first(), Some(&(0, total)));
        assert_eq!(self.progress.last(), Some(&(total, total)));
        assert!(self.progress.is_sorted() && self.progress.iter().all(|told| told.1 == total));
        let mut told = self.items.clone();
        told.sort_unstable();
        assert_eq!(told, (0..items).collect::<Vec<_>>());
    }
}

impl Watch for Log {
    fn progress(&mut self, done: u64, total: u64) -> bool {
        self.progress.push((done, total));
        self.call()
    }

    fn item_done(&mut self, item: usize) -> bool {
        self.items.push(item);
        self.call()
    }
}

/// Some of everything: small neighbours and large ones, odd offsets, parts, conversions, nothing.
pub fn mixed() -> (Sheet, Vec<Item>) {
    use DType::{F16, F32, I64, Q4_0, Q8_0, U8};
    let mut tensors = vec![
        given(F32, &[1000, 300], 1),
        given(F16, &[700, 640], 3),
        given(Q8_0, &[300, 2048], 0),
        given(U8, &[3, 5, 7], 9),
        given(F32, &[], 5),
        given(I64, &[0, 4], 0),
        given(U8, &[11 << 20], 4096),
        given(Q4_0, &[4, 64], 1),
        given(U8, &[2000, 40000], 2),
    ];
    tensors.extend((0..200).map(|number| given(U8, &[1000 + number], (number % 7) as usize)));
    let sheet = Sheet::new(&tensors);
    let mut items: Vec<Item> = Vec::new();
    let mut add = |number: usize, slice: Slice, dtype: Option<DType>| {
        items.push(Item {
            slice,
            dtype,
            ..Item::new(sheet.sources[number].clone())
        });
    };
    // Not in the file's order.
    for number in (9..tensors.len()).rev() {
        add(number, Slice::default(), (number % 3 == 0).then_some(F32));
    }
    for number in 0..8 {
        add(number, Slice::default(), None);
    }
    add(0, part(Some((10, 900)), None), None);
    add(0, part(None, Some((100, 200))), None);
    add(0, part(Some((999, 1000)), Some((299, 300))), None);
    add(1, part(None, None), Some(F32));
    add(1, part(None, Some((320, 640))), Some(F32));
    add(1, part(Some((5, 600)), Some((7, 8))), Some(F32));
    add(1, part(Some((5, 5)), Some((7, 8))), Some(F32));
    add(2, part(None, None), Some(F32));
    add(2, part(Some((100, 200)), Some((1024, 2048))), Some(F32));
    add(2, part(None, Some((32, 64))), None);
    add(2, part(None, Some((32, 64))), Some(F32));
    add(3, part(Some((1, 3)), Some((2, 4))), None);
    add(4, part(None, None), Some(F32));
    // Runs far apart.
    add(8, part(Some((3, 400)), Some((100, 700))), None);
    add(8, part(Some((3, 400)), Some((100, 700))), Some(F32));
    // A run longer than a window.
    add(8, part(Some((0, 50)), None), Some(F32));
    (sheet, items)
}

/// Every tensor of a file, whole and as it is.
pub fn items_of(sheet: &Sheet) -> Vec<Item> {
    sheet.sources.iter().cloned().map(Item::new).collect()
}
