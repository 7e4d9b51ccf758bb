//! `.npy` files are written as NumPy 2.4 writes them, and types that NumPy lacks are read where
//! they are named.
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

use adit_core::array::{Array, ArrayOptions, Creation, Format};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use array_tools::*;
use common::{Folder, disk, go_on, strided};
use proptest::prelude::*;

/// The four dtypes that NumPy knows by their size alone.
const VOID: [DType; 4] = [DType::BF16, DType::F8E4M3FN, DType::F8E5M2, DType::F8E8M0];

#[test]
fn files_are_written_as_numpy_writes_them() {
    let folder = Folder::new();
    let (mut seen, mut swapped) = (0, 0);
    for (path, sidecar) in sidecars("npy") {
        let producer = sidecar["producer"].as_str().unwrap();
        // Files of versions 2 and 3 become 1, as NumPy itself would write them.
        if sidecar["expect"] != "ok" || !producer.starts_with("numpy 2.4") {
            continue;
        }
        let mut expected = std::fs::read(&path).unwrap();
        let array = open(&path).unwrap();
        if expected[6] > 1 {
            let dims = array.dims();
            expected = npy("<i4", false, dims, &raw(&array));
        }
        let saved = folder.join("saved.npy");
        array
            .save_as(&disk(), &saved, None, false, &mut go_on)
            .unwrap();
        assert_eq!(std::fs::read(&saved).unwrap(), expected, "{path:?}");
        seen += 1;
        let Ok(lent) = array.tensor() else {
            assert!(array.big_endian());
            swapped += 1;
            continue;
        };
        // From the elements in C order, as a caller has them.
        let (dims, size) = (lent.shape.dims(), size_of(lent.dtype));
        let elements = in_c_order(&raw(&array), size, dims, array.fortran_order());
        assert_eq!(all(&array), elements);
        let view = strided(&elements, lent.dtype, dims, &strides(dims, false)).unwrap();
        let how = Creation {
            fortran_order: array.fortran_order(),
            ..Creation::default()
        };
        let copy = folder.join("copy.npy");
        let made = Array::create_from(&disk(), &copy, &how, &view, &mut go_on).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), expected, "{path:?}");
        assert_eq!(all(&made), elements);
    }
    assert_eq!((seen, swapped), (43, 8));
}

#[test]
fn headers_have_numpys_room_to_grow() {
    let folder = Folder::new();
    let mut lengths = std::collections::BTreeSet::new();
    for count in 0..60 {
        let dims = vec![1i64; count];
        let bytes = npy("<f4", false, &dims, &noise(4));
        let path = folder.file("a.npy", &bytes);
        let array = open(&path).unwrap();
        assert_eq!(array.offset() % 64, 0);
        lengths.insert(array.offset());
        let saved = folder.join("b.npy");
        array
            .save_as(&disk(), &saved, None, false, &mut go_on)
            .unwrap();
        assert_eq!(std::fs::read(&saved).unwrap(), bytes, "{count} dimensions");
    }
    assert!(
        lengths.contains(&128) && lengths.contains(&320),
        "{lengths:?}"
    );
}

#[test]
fn types_without_a_name_are_read_where_they_are_named() {
    let folder = Folder::new();
    for dtype in VOID {
        let size = size_of(dtype);
        let data = noise(6 * size);
        for order in ["<", "|", ">", ""] {
            let bytes = npy(&format!("{order}V{size}"), false, &[2, 3], &data);
            let path = folder.file("void.npy", &bytes);
            let error = open(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported, "{error}");
            assert!(error.to_string().contains("name their dtype"), "{error}");
            let array = open_named(&path, dtype).unwrap();
            assert_eq!((array.dtype(), array.dims()), (dtype, &[2, 3][..]));
            assert!(!array.big_endian());
            assert_eq!(all(&array), data);
            assert_eq!(array.tensor().unwrap().dtype, dtype);
        }
    }
    for (text, named) in [
        ("<V2", DType::F8E4M3FN),
        ("<V2", DType::F32),
        ("|V1", DType::BF16),
        ("|V3", DType::BF16),
        ("|V02", DType::BF16),
        ("|V", DType::BF16),
        ("|V0", DType::BF16),
        ("|V22", DType::BF16),
        // A block of 32 elements is no element.
        ("|V34", DType::Q8_0),
        ("|V18", DType::Q4_0),
        ("<f1", DType::F8E4M3FN),
    ] {
        let path = folder.file("void.npy", &npy(text, false, &[32], &noise(2048)));
        let error = open_named(&path, named).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported, "{text} {named:?} {error}");
        assert_eq!(error.place().offset, Some(20));
    }
}

/// ml_dtypes 0.6 calls it so, and NumPy 2.4.6 then doesn't read its own file.
#[test]
fn the_float8_that_numpy_writes_and_does_not_read() {
    let folder = Folder::new();
    let path = folder.file("e5m2.npy", &npy("<f1", false, &[5], &noise(5)));
    let error = open(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("float8_e5m2"), "{error}");
    let array = open_named(&path, DType::F8E5M2).unwrap();
    assert_eq!((array.dtype(), all(&array)), (DType::F8E5M2, noise(5)));
}

#[test]
fn a_dtype_that_is_named_must_be_the_files() {
    let folder = Folder::new();
    for dtype in plain_dtypes().filter(|dtype| dtype.npy().is_some()) {
        let data = noise(3 * size_of(dtype));
        let path = folder.file("typed.npy", &npy(&descr(dtype, false), false, &[3], &data));
        for named in plain_dtypes() {
            match open_named(&path, named) {
                Ok(array) => assert_eq!((array.dtype(), named), (dtype, dtype)),
                Err(error) => {
                    assert_ne!(named, dtype);
                    assert_eq!(error.kind(), Kind::DType);
                    assert_eq!(error.place().offset, Some(20), "{error}");
                    for name in [named.name(), dtype.name(), "typed.npy"] {
                        assert!(error.to_string().contains(name), "{error}");
                    }
                }
            }
        }
    }
}

/// What NumPy 2.4.6 with ml_dtypes 0.6.0 writes for arrays of bfloat16 and float8_e4m3fn.
#[test]
fn types_without_a_name_are_written_as_ml_dtypes_writes_them() {
    let folder = Folder::new();
    for (dtype, text) in [
        (DType::BF16, "'<V2'"),
        (DType::F8E4M3FN, "'<V1'"),
        (DType::F8E8M0, "'<V1'"),
        (DType::F8E5M2, "'<V1'"),
    ] {
        let bytes = noise(6 * size_of(dtype));
        let view = strided(&bytes, dtype, &[2, 3], &[3, 1]).unwrap();
        let path = folder.join("void.npy");
        let how = Creation::default();
        let array = Array::create_from(&disk(), &path, &how, &view, &mut go_on).unwrap();
        assert_eq!((array.dtype(), all(&array)), (dtype, bytes.clone()));
        let file = std::fs::read(&path).unwrap();
        let start = format!("{{'descr': {text}, 'fortran_order': False, 'shape': (2, 3), }}");
        assert!(file[10..].starts_with(start.as_bytes()), "{dtype:?}");
        assert_eq!(file.len(), 128 + bytes.len());
        let again = open_named(&path, dtype).unwrap();
        assert_eq!(all(&again), bytes);
    }
}

#[test]
fn more_dimensions_than_a_tensor_has_are_read() {
    let folder = Folder::new();
    let dims = [1, 2, 1, 2, 3, 1, 2, 1, 2, 1, 2, 2];
    let data = noise(dims.iter().product::<i64>() as usize * 2);
    for fortran_order in [false, true] {
        let bytes = npy("<u2", fortran_order, &dims, &data);
        let array = open(&folder.file("deep.npy", &bytes)).unwrap();
        assert_eq!(array.dims(), dims);
        assert_eq!(array.tensor().unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(array.source().unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(all(&array), in_c_order(&data, 2, &dims, fortran_order));
    }
}

#[test]
fn block_types_are_refused() {
    let folder = Folder::new();
    let path = folder.join("block.npy");
    for dtype in DType::ALL.iter().copied().filter(|dtype| dtype.is_block()) {
        let elements = i64::from(dtype.block_elements());
        let bytes = noise(size_of(dtype));
        let view = strided(&bytes, dtype, &[elements], &[0]).unwrap();
        for format in [Format::Npy, Format::Mmap] {
            let how = Creation {
                format,
                ..Creation::default()
            };
            let made = Array::create_from(&disk(), &path, &how, &view, &mut go_on);
            let error = made.unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported, "{error}");
            let made = Array::create(&disk(), &path, &how, dtype, view.shape());
            assert_eq!(made.unwrap_err().kind(), Kind::Unsupported);
        }
    }
    assert!(folder.names().is_empty());
}

proptest! {
    /// What is made and what is read agree, whatever the shape, order and dtype.
    #[test]
    fn round_trip(
        number in 0..18usize,
        fortran_order: bool,
        dims in prop::collection::vec(0i64..5, 0..=8),
    ) {
        let dtype = plain_dtypes().nth(number).unwrap();
        let folder = Folder::new();
        let size = size_of(dtype);
        let elements = noise(dims.iter().product::<i64>() as usize * size);
        let view = strided(&elements, dtype, &dims, &strides(&dims, false)).unwrap();
        let path = folder.join("a.npy");
        let how = Creation { fortran_order, ..Creation::default() };
        let made = Array::create_from(&disk(), &path, &how, &view, &mut go_on).unwrap();
        prop_assert_eq!(&all(&made), &elements);
        let mut by_strides = Vec::new();
        let order = strides(&dims, fortran_order);
        // The file has element (i, j, ..) where its strides say.
        let file = raw(&made);
        by_strides.extend(part_of(&file, size, &order, &vec![0; dims.len()], &dims));
        prop_assert_eq!(&by_strides, &elements);
        let bytes = npy(&descr(dtype, false), fortran_order, &dims, &file);
        prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let named = ArrayOptions { dtype: Some(dtype), ..ArrayOptions::default() };
        let array = Array::open(&path, &named).unwrap();
        prop_assert_eq!(array.dims(), &dims[..]);
        prop_assert_eq!(array.fortran_order(), fortran_order);
        prop_assert_eq!(all(&array), elements);
    }
}
