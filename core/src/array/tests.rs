//! What a header that lies would do, could one come past the checks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use super::{Array, ReadOptions, Result};
use crate::dtype::DType;
use crate::error::{Kind, Report};
use crate::map::sim::SimStorage;
use crate::map::{Access, Data, DataOptions, Io, Region, Storage};

const HEADER: &[u8] =
    b"\x93NUMPY\x01\x00\x3b\0{'descr': '|u1', 'fortran_order': False, 'shape': (8,), } \n";

/// An array of 8 bytes whose fields say that it has 4096.
fn lying(storage: &Arc<dyn Storage>, io: Io) -> Array {
    let file = [HEADER, b"elements"].concat();
    let data = match io {
        Io::Read | Io::Direct => {
            let options = DataOptions {
                access: Access::ReadWrite,
                ..DataOptions::default()
            };
            Data::open_in(storage.as_ref(), Path::new("a.npy"), &options).unwrap()
        }
        Io::Auto | Io::Map => {
            // SAFETY: the slice outlives the region, which is copied at once.
            let region = unsafe { Region::new(file.as_ptr(), file.len()) };
            Data::copy_of(region).unwrap()
        }
    };
    let mut array = Array::from_data(Arc::new(data), None).unwrap();
    assert_eq!((array.dims(), array.region().len()), (&[8][..], 8));
    array.header.dims = vec![4096];
    array.bytes = 4096;
    array
}

#[test]
fn elements_outside_the_file_are_an_error() {
    let disk = SimStorage::new();
    disk.put_durable(Path::new("a.npy"), &[HEADER, b"elements"].concat());
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    for io in [Io::Map, Io::Read] {
        let array = lying(&storage, io);
        for dtype in [None, Some(DType::F32)] {
            let options = ReadOptions {
                dtype,
                io,
                ..ReadOptions::default()
            };
            let mut out = vec![MaybeUninit::uninit(); 4 * 4096];
            let error = array.read(&options, &mut out).unwrap_err();
            assert!(
                matches!(error.kind(), Kind::OutOfRange | Kind::Truncated),
                "{error}"
            );
        }
        let target = Path::new("b.npy");
        let saved: Result<()> = array.save_as(&storage, target, None, false, &mut |_, _| true);
        assert_eq!(saved.unwrap_err().kind(), Kind::OutOfRange);
        assert_eq!(disk.names(), [Path::new("a.npy")]);
    }
}
