//! What is done with any bytes as an array file: opened, lent, read, saved, grown.

use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use adit_core::array::{Array, ArrayOptions, ReadOptions};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::kernel::Overflow;
use adit_core::map::sim::SimStorage;
use adit_core::map::{Access, Data, DataOptions, Io, Region, Storage};
use adit_core::tensor::{MAX_DIMS, Shape, TensorView};

/// More bytes than this aren't copied for a comparison.
const MOST: usize = 1 << 14;

pub fn exercise(bytes: &[u8]) {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).expect("memory"));
    for named in [
        None,
        Some(DType::BF16),
        Some(DType::F8E5M2),
        Some(DType::Q8_0),
    ] {
        match Array::from_data(Arc::clone(&data), named) {
            Ok(array) => {
                lend(&array);
                copy(&array, bytes);
                if named.is_none() {
                    save(&array);
                    grow(&array, bytes);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn raw(array: &Array) -> Vec<u8> {
    let region = array.region();
    region.to_vec(0, region.len()).expect("memory")
}

fn lend(array: &Array) {
    assert!(array.dims().iter().all(|&dim| dim >= 0));
    assert!(!array.dtype().is_block());
    let lent = array.tensor();
    assert_eq!(
        lent.is_ok(),
        !array.big_endian() && array.dims().len() <= MAX_DIMS && is_aligned(array)
    );
    if let Ok(lent) = lent {
        assert_eq!(lent.shape.dims(), array.dims());
        assert_eq!(lent.shape.bytes(lent.dtype), Ok(lent.bytes.len() as u64));
        // An empty array's dimensions may be any, and their products more than any integer.
        if !lent.bytes.is_empty() {
            let last: i128 = std::iter::zip(lent.shape.dims(), lent.strides())
                .map(|(&dim, stride)| i128::from(dim - 1) * i128::from(stride))
                .sum();
            let size = i128::from(lent.dtype.block_bytes());
            assert_eq!((last + 1) * size, lent.bytes.len() as i128);
        }
    }
}

fn is_aligned(array: &Array) -> bool {
    array
        .region()
        .as_ptr()
        .addr()
        .is_multiple_of(array.dtype().align() as usize)
}

fn read(array: &Array, options: &ReadOptions<'_>) -> Option<Vec<u8>> {
    const CANARY: u8 = 0xA5;
    let mut bytes = vec![CANARY; MOST];
    let out = std::ptr::from_mut(&mut bytes[..]) as *mut [MaybeUninit<u8>];
    // SAFETY: a slice of bytes is one of maybe-uninitialised bytes, to which only initialised ones
    // are written.
    let written = match array.read(options, unsafe { &mut *out }) {
        Ok(copied) => usize::try_from(copied.bytes).expect("at most the buffer"),
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, Kind::OutOfRange | Kind::DType | Kind::Shape),
                "{error}"
            );
            return None;
        }
    };
    assert!(bytes[written..].iter().all(|&byte| byte == CANARY));
    bytes.truncate(written);
    Some(bytes)
}

/// All of it, and a part that the bytes themselves choose, as it is and converted.
fn copy(array: &Array, bytes: &[u8]) {
    let all = read(array, &ReadOptions::default());
    if let Some(all) = &all {
        assert_eq!(all.len(), array.region().len());
        if array.is_c_order() && !array.big_endian() {
            assert_eq!(*all, raw(array));
        }
    }
    let mut choices = bytes.iter().rev().cycle();
    let mut choose = |most: i64| i64::from(*choices.next().unwrap_or(&0)) % most.saturating_add(1);
    let (mut start, mut counts) = (Vec::new(), Vec::new());
    for &dim in array.dims() {
        let count = choose(dim);
        counts.push(count);
        start.push(choose(dim - count));
    }
    let as_what = DType::ALL[choose(17) as usize];
    for dtype in [None, Some(as_what)] {
        for overflow in [Overflow::Plain, Overflow::Saturate] {
            let options = |io| ReadOptions {
                start: Some(&start),
                counts: Some(&counts),
                dtype,
                overflow,
                io,
            };
            let part = read(array, &options(Io::Map));
            assert_eq!(part, read(array, &options(Io::Read)));
            if let (Some(part), Some(all), None) = (part, &all, dtype) {
                let size = array.dtype().block_bytes() as usize;
                let wanted = part_of(all, size, array.dims(), &start, &counts);
                assert_eq!(part, wanted);
            }
        }
    }
}

/// A part of elements in C order.
fn part_of(all: &[u8], size: usize, dims: &[i64], start: &[i64], counts: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    if counts.contains(&0) {
        return out;
    }
    for number in 0..counts.iter().product::<i64>() {
        let (mut rest, mut element, mut stride) = (number, 0, 1);
        for axis in (0..dims.len()).rev() {
            element += (start[axis] + rest % counts[axis]) * stride;
            rest /= counts[axis];
            stride *= dims[axis];
        }
        let at = usize::try_from(element).expect("inside") * size;
        out.extend(&all[at..at + size]);
    }
    out
}

/// Saved, it is the same array.
fn save(array: &Array) {
    let storage: Arc<dyn Storage> = Arc::new(SimStorage::new());
    let path = Path::new("/saved");
    if array.region().len() > MOST {
        return;
    }
    match array.save_as(&storage, path, None, true, &mut |_, _| true) {
        Ok(()) => {
            let saved = Array::open_in(&storage, path, &ArrayOptions::default()).expect("sound");
            assert_eq!(saved.dims(), array.dims());
            assert_eq!(saved.dtype(), array.dtype());
            assert_eq!(saved.fortran_order(), array.fortran_order());
            assert_eq!(raw(&saved), raw(array));
        }
        // A header of as many dimensions as fit one that NumPy reads, spelled more shortly.
        Err(error) => assert_eq!(error.kind(), Kind::Unsupported, "{error}"),
    }
}

/// Grown by a row, it has this row more and is otherwise the same, or it is as it was.
fn grow(array: &Array, bytes: &[u8]) {
    let disk = SimStorage::new();
    let path = Path::new("/grown");
    if bytes.len() > MOST {
        return;
    }
    disk.put_durable(path, bytes);
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let options = ArrayOptions {
        data: DataOptions {
            access: Access::ReadWrite,
            ..DataOptions::default()
        },
        dtype: None,
        overwrite_trailing: true,
    };
    let mut grown = Array::open_in(&storage, path, &options).expect("opened before");
    let mut dims = array.dims().to_vec();
    if let Some(first) = dims.first_mut() {
        *first = 1;
    }
    let Ok(shape) = Shape::new(&dims) else { return };
    let Some(size) = shape
        .bytes(array.dtype())
        .ok()
        .filter(|&size| size <= MOST as u64)
    else {
        return;
    };
    let row: Vec<u8> = (0..size).map(|n| n as u8).collect();
    // SAFETY: the row outlives the view, and nobody writes to it.
    let view =
        unsafe { TensorView::new(row.as_ptr(), size, array.dtype(), shape, shape.c_strides()) };
    let appended = grown.append_rows(&view.expect("a row"));
    let again = Array::open_in(&storage, path, &ArrayOptions::default()).expect("sound still");
    let (before, after) = (
        read(array, &ReadOptions::default()),
        read(&again, &ReadOptions::default()),
    );
    match appended {
        Ok(()) => {
            assert_eq!(again.dims()[0], array.dims()[0] + 1);
            assert_eq!(again.dims()[1..], array.dims()[1..]);
            assert_eq!(again.dims(), grown.dims());
            if let (Some(before), Some(after)) = (before, after) {
                assert_eq!(after, [before, row].concat());
            }
        }
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, Kind::Unsupported | Kind::Shape), "{error}");
            assert_eq!((again.dims(), after), (array.dims(), before));
        }
    }
}
