//! Tensors in stores: what was put is lent, and nothing else.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;
mod store_read;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, Error, OpenMode, Store, StoreOptions, ValueCheck};
use adit_core::tensor::Shape;
use common::Folder;
use store_read::{bytes, get, on_both, options, put, region, value};

/// A shape that each dtype can have, of 2 x 256 elements.
fn shape() -> Shape {
    Shape::new(&[2, 256]).unwrap()
}

#[test]
fn tensors_of_all_dtypes_are_lent_as_they_were_put() {
    let folder = Folder::new();
    on_both(&folder.join("dtypes"), |storage, path| {
        for align in [0, 1024] {
            let path = path.with_extension(align.to_string());
            let options = StoreOptions {
                align,
                check: ValueCheck::Always,
                ..options()
            };
            let store = Store::open_on(storage.clone(), &path, &options).unwrap();
            for &dtype in DType::ALL {
                let len = shape().bytes(dtype).unwrap() as usize;
                let elements = value(dtype.number() as u64, 0, len);
                let key = dtype.name().as_bytes();
                store
                    .put_tensor(key, dtype, &shape(), region(&elements))
                    .unwrap();
            }
            let snapshot = store.snapshot().unwrap();
            for &dtype in DType::ALL {
                let key = dtype.name().as_bytes();
                let lent = snapshot.get_tensor(key).unwrap().unwrap();
                assert_eq!((lent.dtype, lent.shape), (dtype, shape()));
                assert!(!lent.fortran_order);
                let len = shape().bytes(dtype).unwrap() as usize;
                assert_eq!(bytes(lent.bytes), value(dtype.number() as u64, 0, len));
                let align = align.max(64) as usize;
                assert_eq!(lent.bytes.as_ptr().addr() % align, 0);
                let plain = snapshot.get(key).unwrap().unwrap();
                assert!(plain.is_tensor);
                assert_eq!(bytes(plain.region), bytes(lent.bytes));
            }
            assert!(snapshot.get_tensor(b"none").unwrap().is_none());
        }
    });
}

#[test]
fn shapes_of_all_ranks_and_none_come_back() {
    let folder = Folder::new();
    on_both(&folder.join("shapes"), |storage, path| {
        let store = Store::open_on(storage, path, &options()).unwrap();
        let mut batch = Batch::new();
        let dims = [1i64, 2, 3, 1, 2, 1, 3, 2];
        for ndim in 0..=8 {
            let shape = Shape::new(&dims[..ndim]).unwrap();
            let len = shape.bytes(DType::F32).unwrap() as usize;
            let elements = value(ndim as u64, 0, len);
            batch
                .put_tensor(&[ndim as u8], DType::F32, &shape, region(&elements))
                .unwrap();
        }
        let empty = Shape::new(&[3, 0, 5]).unwrap();
        batch
            .put_tensor(b"empty", DType::F64, &empty, region(&[]))
            .unwrap();
        store.write(&mut batch).unwrap();
        let snapshot = store.snapshot().unwrap();
        for ndim in 0..=8 {
            let lent = snapshot.get_tensor(&[ndim as u8]).unwrap().unwrap();
            assert_eq!(lent.shape.dims(), &dims[..ndim]);
            assert_eq!(bytes(lent.bytes), value(ndim as u64, 0, lent.bytes.len()));
        }
        let lent = snapshot.get_tensor(b"empty").unwrap().unwrap();
        assert_eq!(lent.shape, empty);
        assert!(lent.bytes.is_empty());
    });
}

#[test]
fn what_is_no_tensor_is_refused() {
    let folder = Folder::new();
    let path = folder.join("refused");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"plain", &value(1, 0, 2048));
    let snapshot = store.snapshot().unwrap();
    let error = snapshot.get_tensor(b"plain").unwrap_err();
    assert!(matches!(error, Error::NoTensor { .. }));
    assert_eq!(error.kind(), Kind::DType);
    let offset = snapshot.get(b"plain").unwrap().unwrap().offset;
    assert_eq!(error.place().offset, Some(offset));
    assert_eq!(error.place().path.as_deref(), Some(&*path));

    let elements = [0; 28];
    let short = store.put_tensor(
        b"t",
        DType::F32,
        &Shape::new(&[8]).unwrap(),
        region(&elements),
    );
    assert!(matches!(short.unwrap_err(), Error::Tensor(_)));
    let blocks = Shape::new(&[33]).unwrap();
    let blocks = store.put_tensor(b"t", DType::Q8_0, &blocks, region(&elements));
    assert!(matches!(blocks.unwrap_err(), Error::Tensor(_)));
    assert!(!store.snapshot().unwrap().contains(b"t").unwrap());
}

/// Writes over the prefix of a stored tensor and lends it.
#[test]
fn prefixes_that_are_wrong_are_refused() {
    let folder = Folder::new();
    let path = folder.join("prefix");
    let store = Store::open(&path, &options()).unwrap();
    let elements = value(3, 0, 24);
    let shape = Shape::new(&[2, 3]).unwrap();
    store
        .put_tensor(b"key", DType::F32, &shape, region(&elements))
        .unwrap();
    let offset = store
        .snapshot()
        .unwrap()
        .get(b"key")
        .unwrap()
        .unwrap()
        .offset;
    store.close();
    let sound = std::fs::read(&path).unwrap();
    let prefix = offset as usize + 64;
    assert_eq!(
        &sound[prefix + 72..prefix + 76],
        DType::F32
            .name()
            .as_bytes()
            .first_chunk::<4>()
            .map_or(&b"f32\0"[..], |name| &name[..])
    );
    let cases: [(usize, &[u8], &str); 8] = [
        (0, &[0xFF; 4], "doesn't know"),
        (0, &DType::I32.number().to_le_bytes(), "name of its dtype"),
        (72, b"x", "name of its dtype"),
        (4, &[9], "more than 8"),
        (4, &[0xFF; 4], "more than 8"),
        (8, &[0xFF; 8], "negative"),
        (8, &[3], "another number of bytes"),
        (15, &[0x40], "none that its dtype can have"),
    ];
    for (at, bytes, why) in cases {
        let mut damaged = sound.clone();
        damaged[prefix + at..][..bytes.len()].copy_from_slice(bytes);
        std::fs::write(&path, &damaged).unwrap();
        let options = StoreOptions {
            mode: OpenMode::Read,
            ..options()
        };
        let store = Store::open(&path, &options).unwrap();
        let snapshot = store.snapshot().unwrap();
        let error = snapshot.get_tensor(b"key").unwrap_err();
        assert_eq!(error.kind(), Kind::DType);
        assert_eq!(error.place().offset, Some(offset));
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(get(&snapshot, b"key").unwrap(), elements);
        let options = StoreOptions {
            check: ValueCheck::Always,
            ..options
        };
        let snapshot = Store::open(&path, &options).unwrap().snapshot().unwrap();
        assert_eq!(snapshot.get(b"key").unwrap_err().kind(), Kind::Checksum);
    }
}
