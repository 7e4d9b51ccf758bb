//! Rows appended to `.npy` files in use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod array_tools;
mod common;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use adit_core::array::{Array, Creation, Format};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, TO_END};
use adit_core::tensor::Shape;
use array_tools::*;
use common::{Folder, disk, go_on, region, strided};

/// Appends rows of f32 columns.
fn append(array: &mut Array, dims: &[i64], bytes: &[u8]) -> adit_core::array::Result<()> {
    let strides = strides(dims, false);
    array.append_rows(&strided(bytes, array.dtype(), dims, &strides).unwrap())
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

/// The file at `path` is NumPy's own of these elements, in place of header room that was used.
fn check(path: &Path, array: &Array, dims: &[i64], data: &[u8]) {
    assert_eq!(array.dims(), dims);
    assert_eq!(all(array), data);
    assert_eq!(raw(array), data);
    let lent = array.tensor().unwrap();
    assert_eq!(lent.shape.dims(), dims);
    let again = open_named(path, array.dtype()).unwrap();
    assert_eq!(again.dims(), dims);
    assert_eq!(all(&again), data);
}

#[test]
fn rows_follow_in_place_where_the_header_has_room() {
    let folder = Folder::new();
    for (before, steps) in [(9, vec![1]), (99, vec![1, 0, 5]), (0, vec![3, 96, 1, 900])] {
        let row = 3 * 4;
        let total = before + steps.iter().sum::<usize>();
        let data = noise(total * row);
        let path = folder.file(
            "a.npy",
            &npy("<f4", false, &[before as i64, 3], &data[..before * row]),
        );
        let (file, offset) = (inode(&path), open(&path).unwrap().offset());
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        let mut rows = before;
        for more in steps {
            let part = &data[rows * row..(rows + more) * row];
            append(&mut array, &[more as i64, 3], part).unwrap();
            rows += more;
            check(&path, &array, &[rows as i64, 3], &data[..rows * row]);
            // NumPy's own header of so many rows, to the byte.
            let expected = npy("<f4", false, &[rows as i64, 3], &data[..rows * row]);
            assert_eq!(std::fs::read(&path).unwrap(), expected);
            assert_eq!((inode(&path), array.offset()), (file, offset));
        }
        array.flush(0, TO_END).unwrap();
    }
}

#[test]
fn pointers_stay_good_through_many_appends() {
    let folder = Folder::new();
    // Rows of 1 MiB, so that the map runs out of its reserve a few times.
    let row = 1 << 20;
    for tight in [false, true] {
        let first = noise(row);
        let dims = [1, (row / 4) as i64];
        let bytes = match tight {
            false => npy("<f4", false, &dims, &first),
            true => tight_npy("<f4", &dims, &first),
        };
        let path = folder.file("a.npy", &bytes);
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        let mut lent: Vec<(*const u8, usize)> = Vec::new();
        let count = if tight { 12 } else { 80 };
        let mut data = first;
        for number in 0..count {
            if array.tensor().is_ok() {
                let found = array.region();
                lent.push((found.as_ptr(), found.len()));
            }
            let more = vec![number; row];
            append(&mut array, &dims, &more).unwrap();
            data.extend(more);
            for &(start, len) in &lent {
                // SAFETY: what the array has lent stays good as long as it lives.
                let bytes = unsafe { std::slice::from_raw_parts(start, len) };
                let last = len - row;
                assert!(bytes[..64] == data[..64] && bytes[last..] == data[last..len]);
            }
        }
        for &(start, len) in &lent {
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(start, len) };
            assert!(bytes == &data[..len]);
        }
        let starts: std::collections::BTreeSet<_> = lent.iter().map(|&(start, _)| start).collect();
        assert!(starts.len() < 8, "mapped {} times", starts.len());
        assert_eq!(all(&array), data);
    }
}

#[test]
fn a_header_without_room_makes_a_new_file() {
    let folder = Folder::new();
    let row = 2 * 4;
    let data = noise(1001 * row);
    let padded = std::fs::read(fixtures("npy").join("hand_padded_16.npy")).unwrap();
    for (bytes, before) in [
        (tight_npy("<f4", &[9, 2], &data[..9 * row]), 9),
        (tight_npy("<f4", &[999, 2], &data[..999 * row]), 999),
        (
            npy_of(
                "{'shape': (99,2), 'fortran_order': False, 'descr': '<f4'}",
                &data[..99 * row],
            ),
            99,
        ),
    ] {
        let path = folder.file("a.npy", &bytes);
        let old = open(&path).unwrap();
        let file = inode(&path);
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        append(&mut array, &[1, 2], &data[before * row..][..row]).unwrap();
        let rows = before + 1;
        assert_ne!(inode(&path), file);
        check(&path, &array, &[rows as i64, 2], &data[..rows * row]);
        let expected = npy("<f4", false, &[rows as i64, 2], &data[..rows * row]);
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert_eq!(
            raw(&old),
            data[..before * row],
            "old maps keep the old file"
        );
        // From then on there is room, and the lock went over to the new file.
        let new = inode(&path);
        append(&mut array, &[1, 2], &data[rows * row..][..row]).unwrap();
        assert_eq!(inode(&path), new);
        let mut second = open_as(&path, Access::ReadWrite).unwrap();
        let busy = append(&mut second, &[1, 2], &data[..row]).unwrap_err();
        assert_eq!(busy.kind(), Kind::Busy, "{busy}");
        assert_eq!(folder.names(), ["a.npy"]);
        // The new file is the one that is written and flushed.
        // SAFETY: the elements' bytes are writable, and nobody else's.
        unsafe { array.as_mut_ptr().unwrap().write(0x77) };
        array.flush(0, 1).unwrap();
        assert_eq!(all(&open(&path).unwrap())[0], 0x77);
    }
    // 2 rows become 3 without a digit more: in place, though there is one blank only.
    let path = folder.file("b.npy", &padded);
    let file = inode(&path);
    let mut array = open_as(&path, Access::ReadWrite).unwrap();
    append(&mut array, &[1, 3], &noise(12)).unwrap();
    assert_eq!(inode(&path), file);
    assert_eq!(array.dims(), [3, 3]);
}

#[test]
fn a_change_over_two_sectors_makes_a_new_file() {
    let folder = Folder::new();
    let data = noise(101 * 4);
    let mut seen = [0, 0];
    for room in (380..520).step_by(3) {
        let blanks = " ".repeat(room);
        for before in [5, 9, 99] {
            let header = format!(
                "{{'descr': '<f4',{blanks}'fortran_order': False, 'shape': ({before},), }}      \n"
            );
            let bytes = npy_of(&header, &data[..before * 4]);
            let path = folder.file("a.npy", &bytes);
            let shape = bytes.windows(5).position(|text| text == b"pe': ").unwrap() + 6;
            // A digit more moves what follows, up to the }; else the digits change alone.
            let changed = match before {
                5 => shape..shape + 1,
                _ => shape..shape + before.to_string().len() + 6,
            };
            let in_one = changed.start / 512 == (changed.end - 1) / 512;
            let file = inode(&path);
            let mut array = open_as(&path, Access::ReadWrite).unwrap();
            append(&mut array, &[1], &data[before * 4..][..4]).unwrap();
            assert_eq!(inode(&path) == file, in_one, "{room} {before}");
            check_unaligned(&array, &path, before + 1, &data);
            seen[usize::from(in_one)] += 1;
        }
    }
    assert!(seen[0] >= 4 && seen[1] > 100, "{seen:?}");
}

fn check_unaligned(array: &Array, path: &Path, rows: usize, data: &[u8]) {
    for array in [array, &open(path).unwrap()] {
        assert_eq!(array.dims(), [rows as i64]);
        assert_eq!(all(array), data[..rows * 4]);
    }
}

#[test]
fn a_comment_or_blanks_behind_the_shape_stay() {
    let folder = Folder::new();
    let data = noise(64);
    for (header, expected) in [
        (
            "{'shape': ( 9 , 1 ), 'descr': '<f4', 'fortran_order': False} # mine  \n",
            "{'shape': (10, 1), 'descr': '<f4', 'fortran_order': False} # mine    \n",
        ),
        (
            "{'shape': (9L, 1), 'descr': '<f4', 'fortran_order': False}",
            "{'shape': (10, 1), 'descr': '<f4', 'fortran_order': False}",
        ),
        (
            "{'shape': (9,1), 'descr': '<f4', 'fortran_order': False}\n   ",
            "{'shape': (10, 1), 'descr': '<f4', 'fortran_order': False}\n ",
        ),
    ] {
        let path = folder.file("a.npy", &npy_of(header, &data[..36]));
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        append(&mut array, &[1, 1], &data[36..40]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), npy_of(expected, &data[..40]));
        assert_eq!(all(&open(&path).unwrap()), data[..40]);
    }
}

#[test]
fn rows_of_every_dtype_order_and_stride() {
    let folder = Folder::new();
    for dtype in plain_dtypes() {
        let size = size_of(dtype);
        let (first, more) = (noise(6 * size), Chance::new(size as u64).bytes(12 * size));
        for big_endian in [false, true] {
            if big_endian && (size == 1 || dtype.npy().is_none()) {
                continue;
            }
            let swap = |bytes: &[u8]| match big_endian {
                true => swapped(bytes, dtype),
                false => bytes.to_vec(),
            };
            let bytes = npy(&descr(dtype, big_endian), false, &[2, 3], &swap(&first));
            let path = folder.file("a.npy", &bytes);
            let mut options = options(Access::ReadWrite);
            options.dtype = Some(dtype);
            let mut array = Array::open(&path, &options).unwrap();
            let mut expected = first.clone();
            // Dense, transposed, one row repeated, every other element.
            for (rows, strides) in [(4, [3, 1]), (4, [1, 4]), (2, [0, 1]), (2, [6, 2])] {
                let view = strided(&more, dtype, &[rows, 3], &strides).unwrap();
                array.append_rows(&view).unwrap();
                expected.extend(part_of(&more, size, &strides, &[0, 0], &[rows, 3]));
                assert_eq!(all(&array), expected, "{dtype:?} {strides:?}");
                assert_eq!(raw(&array), swap(&expected));
            }
            let dims = [14, 3];
            let file = npy(&descr(dtype, big_endian), false, &dims, &swap(&expected));
            assert_eq!(std::fs::read(&path).unwrap(), file);
        }
    }
}

#[test]
fn many_rows_are_swapped_piece_by_piece() {
    let folder = Folder::new();
    let path = folder.file("a.npy", &npy(">u4", false, &[0, 1001], &[]));
    let data = noise(1300 * 1001 * 4);
    let mut array = open_as(&path, Access::ReadWrite).unwrap();
    append(&mut array, &[1300, 1001], &data).unwrap();
    assert!(raw(&array) == swapped(&data, DType::U32));
    assert!(all(&array) == data);
}

#[test]
fn what_cannot_follow_is_refused_and_nothing_changes() {
    let folder = Folder::new();
    let some = noise(64);
    let refuse = |bytes: &[u8], dtype, dims: &[i64], kind: Kind| {
        let path = folder.file("a.npy", bytes);
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        let view = strided(&some, dtype, dims, &strides(dims, false)).unwrap();
        let error = array.append_rows(&view).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("a.npy"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(all(&array), all(&open(&path).unwrap()));
    };
    let f32s = |dims: &[i64]| npy("<f4", false, dims, &some[..24]);
    refuse(&f32s(&[2, 3]), DType::F32, &[1, 2], Kind::Shape);
    refuse(&f32s(&[2, 3]), DType::F32, &[3], Kind::Shape);
    refuse(&f32s(&[2, 3]), DType::F32, &[1, 3, 1], Kind::Shape);
    refuse(&f32s(&[2, 3]), DType::F32, &[], Kind::Shape);
    refuse(&f32s(&[]), DType::F32, &[], Kind::Shape);
    refuse(&f32s(&[]), DType::F32, &[1], Kind::Shape);
    refuse(&f32s(&[2, 3]), DType::I32, &[1, 3], Kind::DType);
    refuse(&f32s(&[2, 3]), DType::F16, &[1, 3], Kind::DType);
    refuse(
        &npy("<f4", true, &[2, 3], &some[..24]),
        DType::F32,
        &[1, 3],
        Kind::Unsupported,
    );
    refuse(
        &npy("<f4", true, &[1, 3], &some[..12]),
        DType::F32,
        &[1, 3],
        Kind::Unsupported,
    );
    refuse(
        &mmap(1, &[2, 3], &some[..24]),
        DType::F32,
        &[1, 3],
        Kind::Unsupported,
    );
    refuse(
        &npy("<f4", false, &[i64::MAX, 0], &[]),
        DType::F32,
        &[1, 0],
        Kind::Shape,
    );
    // In memory, for reading, copy-on-write.
    let path = folder.file("a.npy", &f32s(&[2, 3]));
    for mut array in [
        from_bytes(&f32s(&[2, 3])).unwrap(),
        open(&path).unwrap(),
        open_as(&path, Access::CopyOnWrite).unwrap(),
    ] {
        let error = append(&mut array, &[1, 3], &some[..12]).unwrap_err();
        assert_eq!(error.kind(), Kind::ReadOnly, "{error}");
    }
}

#[test]
fn fortran_order_grows_where_rows_lie_side_by_side() {
    let folder = Folder::new();
    let data = noise(40);
    for dims in [&[9][..], &[9, 1], &[9, 1, 1]] {
        let path = folder.file("a.npy", &npy("<f4", true, dims, &data[..36]));
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        let mut more = dims.to_vec();
        more[0] = 1;
        append(&mut array, &more, &data[36..]).unwrap();
        assert_eq!(array.dims()[0], 10);
        assert!(array.fortran_order());
        let again = open(&path).unwrap();
        assert_eq!((again.dims(), all(&again)), (array.dims(), data.clone()));
    }
}

#[test]
fn rows_without_bytes_are_counted() {
    let folder = Folder::new();
    for tight in [false, true] {
        let bytes = match tight {
            false => npy("<f4", false, &[9, 0, 2], &[]),
            true => tight_npy("<f4", &[9, 0, 2], &[]),
        };
        let path = folder.file("a.npy", &bytes);
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        append(&mut array, &[5, 0, 2], &[]).unwrap();
        append(&mut array, &[0, 0, 2], &[]).unwrap();
        assert_eq!(array.dims(), [14, 0, 2]);
        assert_eq!(open(&path).unwrap().dims(), [14, 0, 2]);
    }
}

#[test]
fn an_array_can_follow_itself() {
    let folder = Folder::new();
    let data = noise(20);
    for bytes in [
        npy("<f4", false, &[5], &data),
        tight_npy("<f4", &[5], &data),
    ] {
        let path = folder.file("a.npy", &bytes);
        let mut array = open_as(&path, Access::ReadWrite).unwrap();
        let start = array.region().as_ptr();
        // SAFETY: pointers into the array stay good while it lives, and nobody writes there.
        let own = unsafe { std::slice::from_raw_parts(start, 20) };
        append(&mut array, &[5], own).unwrap();
        assert_eq!(all(&array), [&data[..], &data].concat());
        assert_eq!(region(own).to_vec(0, 20).unwrap(), data);
    }
}

#[test]
fn locked_arrays_stay_locked() {
    let locked = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmLck:"));
        let number = line.unwrap().split_whitespace().nth(1).unwrap();
        number.parse::<usize>().unwrap() << 10
    };
    let folder = Folder::new();
    let path = folder.file("a.npy", &npy("|u1", false, &[1 << 14], &noise(1 << 14)));
    let mut options = options(Access::ReadWrite);
    options.data.lock = true;
    let Ok(mut array) = Array::open(&path, &options) else {
        common::skip(
            "locked arrays that grow",
            "the limit on locked memory is too low",
        );
        return;
    };
    let before = locked();
    assert!(before >= 1 << 14);
    append(&mut array, &[1 << 14], &noise(1 << 14)).unwrap();
    append(&mut array, &[1 << 14], &noise(1 << 14)).unwrap();
    // The first map is still there, too.
    assert!(locked() >= before + (3 << 14), "{before} {}", locked());
}

#[test]
fn created_arrays_grow() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let shape = Shape::new(&[0, 2]).unwrap();
    let how = Creation::default();
    let mut array = Array::create(&disk(), &path, &how, DType::U8, shape).unwrap();
    let mut data = Vec::new();
    for number in 0..12u8 {
        data.extend([number, !number]);
        append(&mut array, &[1, 2], &data[data.len() - 2..]).unwrap();
    }
    check(&path, &array, &[12, 2], &data);
    let copy = folder.join("b.npy");
    let view = strided(&data, DType::U8, &[12, 2], &[2, 1]).unwrap();
    let mut array = Array::create_from(&disk(), &copy, &how, &view, &mut go_on).unwrap();
    append(&mut array, &[1, 2], &[5, 6]).unwrap();
    assert_eq!(array.dims(), [13, 2]);
    assert_eq!(array.format(), Format::Npy);
}
