//! `MMAP` files: those of scirs2-core behave as their sidecars say, ours are theirs byte for byte,
//! and no header makes the reader panic or lend what isn't there.
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

use adit_core::array::{Array, Creation, Format};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::tensor::Shape;
use array_tools::*;
use common::{Folder, disk, go_on, strided};
use proptest::prelude::*;

const DTYPES: [(u8, DType); 4] = [
    (1, DType::F32),
    (2, DType::F64),
    (3, DType::I32),
    (4, DType::I64),
];

fn kind(bytes: &[u8]) -> Kind {
    from_bytes(bytes).unwrap_err().kind()
}

/// A file with one byte string put over another at an offset.
fn patched(at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = mmap(1, &[4, 5], &noise(80));
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test]
fn fixtures_behave_as_their_sidecars_say() {
    let mut seen = [0; 3];
    for (path, sidecar) in sidecars("mmap") {
        let name = sidecar["file"].as_str().unwrap();
        let expect = sidecar["expect"].as_str().unwrap();
        if expect == "open_error" {
            let error = open(&path).unwrap_err();
            let kind = match name {
                "bad_magic.mmap" | "bad_zero_bytes.mmap" => Kind::WrongFormat,
                "bad_version_2.mmap" => Kind::Unsupported,
                _ => Kind::Malformed,
            };
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(error.place().path, Some(path));
            assert!(error.place().offset <= sidecar["bytes"].as_u64());
            seen[0] += 1;
            continue;
        }
        // Trailing bytes are either way for others, tolerated here.
        let contents = &sidecar["contents"];
        let array = open(&path).unwrap();
        let dims = dims_of(contents);
        assert_eq!(array.dims(), dims, "{name}");
        assert_eq!(array.format(), Format::Mmap);
        assert_eq!(array.offset(), 64);
        let dtype = contents["dtype"].as_str().unwrap();
        assert_eq!(array.dtype().npy(), dtype.strip_prefix('<'), "{name}");
        let sum = contents["data_sha256_c_order"].as_str().unwrap();
        assert_eq!(sha256(&all(&array)), sum, "{name}");
        assert_eq!(sha256(&raw(&array)), sum, "{name}");
        let lent = array.tensor().unwrap();
        assert_eq!(lent.shape.dims(), dims);
        assert_eq!(lent.strides(), lent.shape.c_strides());
        assert!(array.source().is_ok());
        seen[if expect == "ok" { 1 } else { 2 }] += 1;
    }
    assert_eq!(seen, [12, 11, 2]);
}

#[test]
fn files_are_written_as_scirs2_writes_them() {
    let folder = Folder::new();
    let mut seen = 0;
    for (path, sidecar) in sidecars("mmap") {
        if sidecar["expect"] != "ok" {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let array = open(&path).unwrap();
        let lent = array.tensor().unwrap();
        let elements = raw(&array);
        let dims = lent.shape.dims();
        let view = strided(&elements, lent.dtype, dims, &strides(dims, false)).unwrap();
        let how = Creation {
            format: Format::Mmap,
            ..Creation::default()
        };
        let copy = folder.join("copy.mmap");
        let made = Array::create_from(&disk(), &copy, &how, &view, &mut go_on).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), bytes);
        assert_eq!(made.format(), Format::Mmap);
        assert_eq!(all(&made), elements);
        let saved = folder.join("saved.mmap");
        array
            .save_as(&disk(), &saved, None, false, &mut go_on)
            .unwrap();
        assert_eq!(std::fs::read(&saved).unwrap(), bytes);
        // To npy and back.
        let npy = folder.join("array.npy");
        made.save_as(&disk(), &npy, Some(Format::Npy), false, &mut go_on)
            .unwrap();
        let array = open(&npy).unwrap();
        assert_eq!(array.format(), Format::Npy);
        array
            .save_as(&disk(), &saved, Some(Format::Mmap), false, &mut go_on)
            .unwrap();
        assert_eq!(std::fs::read(&saved).unwrap(), bytes);
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn every_field_is_checked() {
    assert!(from_bytes(&patched(0, b"")).is_ok());
    for version in [0, 2, 255] {
        assert_eq!(kind(&patched(4, &[version])), Kind::Unsupported);
    }
    for dtype in [0, 5, 255] {
        assert_eq!(kind(&patched(5, &[dtype])), Kind::Malformed);
    }
    for ndim in [0u16, 1, 3, 6, 7, u16::MAX] {
        assert_eq!(kind(&patched(6, &ndim.to_le_bytes())), Kind::Malformed);
    }
    for total in [0u64, 19, 21, 20 + (1 << 32), u64::MAX] {
        assert_eq!(kind(&patched(8, &total.to_le_bytes())), Kind::Malformed);
    }
    for dim in [0u64, 3, 5, 4 + (1 << 62), 1 << 63, u64::MAX] {
        assert_eq!(kind(&patched(16, &dim.to_le_bytes())), Kind::Malformed);
    }
    for axis in 2..6 {
        let error = from_bytes(&patched(16 + 8 * axis, &[1])).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert_eq!(error.place().offset, Some(16 + 8 * axis as u64));
    }
    // Sound words, but more bytes than the file or any memory has.
    for dims in [&[1 << 20, 5][..], &[1 << 61], &[1 << 62], &[1 << 31; 2]] {
        assert_eq!(kind(&mmap(2, dims, &[0; 80])), Kind::Malformed, "{dims:?}");
    }
    // Nothing, however large.
    let array = from_bytes(&mmap(4, &[1 << 62, 0, 1 << 62], &[])).unwrap();
    assert_eq!(array.dims(), [1 << 62, 0, 1 << 62]);
    assert!(array.region().is_empty());
    assert!(all(&array).is_empty());
}

#[test]
fn a_dtype_that_is_named_must_be_the_files() {
    let folder = Folder::new();
    let path = folder.file("a.mmap", &mmap(1, &[4, 5], &noise(80)));
    assert!(open_named(&path, DType::F32).is_ok());
    let error = open_named(&path, DType::I32).unwrap_err();
    assert_eq!((error.kind(), error.place().offset), (Kind::DType, Some(5)));
}

#[test]
fn what_the_format_lacks_is_unsupported() {
    let folder = Folder::new();
    let path = folder.join("a.mmap");
    let create = |fortran_order, dtype, dims: &[i64]| {
        let how = Creation {
            format: Format::Mmap,
            fortran_order,
            no_replace: false,
        };
        let shape = Shape::new(dims).unwrap();
        Array::create(&disk(), &path, &how, dtype, shape).map_err(|error| error.kind())
    };
    for dtype in plain_dtypes() {
        let expected = DTYPES.iter().any(|&(_, known)| known == dtype);
        let found = create(false, dtype, &[2]).map(|_| ()).is_ok();
        assert_eq!(found, expected, "{dtype:?}");
    }
    for (fortran_order, dims) in [(true, &[2, 3][..]), (false, &[1; 7])] {
        let refused = create(fortran_order, DType::F32, dims).unwrap_err();
        assert_eq!(refused, Kind::Unsupported);
    }
    assert!(create(false, DType::F32, &[1; 6]).is_ok());
    let big = folder.file("big.npy", &npy(">f4", false, &[2], &noise(8)));
    let saved = folder.join("saved.mmap");
    let error = open(&big)
        .unwrap()
        .save_as(&disk(), &saved, Some(Format::Mmap), false, &mut go_on)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(!saved.exists());
}

/// Opens bytes and asks for all there is; nothing may lie outside the file.
fn exercise(bytes: &[u8]) {
    let Ok(array) = from_bytes(bytes) else {
        return;
    };
    assert!(array.offset() as usize + array.region().len() <= bytes.len());
    assert!(array.dims().iter().all(|&dim| dim >= 0));
    let _ = array.source();
    if let Ok(lent) = array.tensor() {
        assert_eq!(lent.shape.bytes(lent.dtype), Ok(lent.bytes.len() as u64));
    }
    assert_eq!(all(&array), raw(&array));
}

#[test]
fn every_cut_is_refused_or_right() {
    for (path, sidecar) in sidecars("mmap") {
        let bytes = std::fs::read(&path).unwrap();
        if sidecar["expect"] == "open_error" || bytes.len() > 4096 {
            continue;
        }
        let whole = raw(&from_bytes(&bytes).unwrap());
        for cut in 0..bytes.len() {
            match from_bytes(&bytes[..cut]) {
                Ok(array) => assert!(cut >= 64 + whole.len() && raw(&array) == whole),
                Err(error) => {
                    let expected = if cut < 4 {
                        Kind::WrongFormat
                    } else {
                        Kind::Malformed
                    };
                    assert_eq!(error.kind(), expected, "{error}");
                    assert!(cut < 64 + whole.len());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(rest in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&[b"MMAP", &rest[..]].concat());
        exercise(&[b"MMAP\x01\x01", &rest[..]].concat());
    }

    #[test]
    fn no_words_panic(
        dtype in 0u8..6,
        ndim in 0u16..9,
        total in any::<Option<u64>>(),
        dims in prop::collection::vec(
            prop_oneof![0u64..5, Just(1 << 32), Just(1 << 62), Just(u64::MAX)], 6),
        unused: bool,
        data in 0usize..300,
    ) {
        let used = usize::from(ndim).min(6);
        let product = dims[..used].iter().fold(1u64, |product, &dim| product.wrapping_mul(dim));
        let mut bytes = b"MMAP\x01".to_vec();
        bytes.push(dtype);
        bytes.extend(ndim.to_le_bytes());
        bytes.extend(total.unwrap_or(product).to_le_bytes());
        for (axis, dim) in dims.iter().enumerate() {
            let dim = if axis < used || unused { *dim } else { 0 };
            bytes.extend(dim.to_le_bytes());
        }
        bytes.resize(64 + data, 7);
        exercise(&bytes);
    }

    #[test]
    fn round_trip(
        number in 0usize..4,
        dims in prop::collection::vec(0u64..5, 0..=6),
        trailing in 0usize..9,
    ) {
        let (code, dtype) = DTYPES[number];
        let data = noise(dims.iter().product::<u64>() as usize * size_of(dtype));
        let bytes = [mmap(code, &dims, &data), vec![9; trailing]].concat();
        let array = from_bytes(&bytes).unwrap();
        prop_assert_eq!(array.dtype(), dtype);
        prop_assert_eq!(all(&array), data);
        let signed: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        prop_assert_eq!(array.dims(), signed);
    }
}
