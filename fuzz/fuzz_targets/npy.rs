//! Any bytes as an npy file.
#![no_main]

use std::sync::Arc;

use adit_core::array::Array;
use adit_core::map::{Data, Region};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).expect("memory"));
    match Array::from_data(data) {
        Ok(array) => use_all(&array),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn use_all(array: &Array) {
    assert!(array.dims().iter().all(|&dim| dim >= 0));
    let region = array.region();
    // Reads every byte.
    assert_eq!(
        region.to_vec(0, region.len()).map(|bytes| bytes.len()),
        Some(region.len())
    );
    let lent = array.tensor();
    assert_eq!(
        lent.is_ok(),
        !array.big_endian() && array.dims().len() <= 8 && is_aligned(array)
    );
    if let Ok(lent) = lent {
        assert_eq!(lent.shape.dims(), array.dims());
        assert_eq!(lent.shape.bytes(lent.dtype), Ok(lent.bytes.len() as u64));
        let last: i128 = std::iter::zip(lent.shape.dims(), lent.strides())
            .map(|(&dim, stride)| i128::from(dim - 1) * i128::from(stride))
            .sum();
        let size = i128::from(lent.dtype.block_bytes());
        assert!(lent.bytes.is_empty() || (last + 1) * size == lent.bytes.len() as i128);
    }
}

fn is_aligned(array: &Array) -> bool {
    array
        .region()
        .as_ptr()
        .addr()
        .is_multiple_of(array.dtype().align() as usize)
}
