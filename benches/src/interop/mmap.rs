//! MMAP files and scirs2-core: what both write is the same file, and each reads the other's.

use std::fs;

use ndarray::{ArrayD, IxDyn};
use scirs2_core::{MmapArray, MmapElement};

use super::random_shape;
use crate::Result;
use crate::adit::{Array, F32, F64, Format, I32, I64, Tensor};
use crate::data::Random;
use crate::scratch::Scratch;

/// Of each dtype.
const ARRAYS: usize = 60;

/// Random shapes of up to 6 dimensions, any bits.
fn agree<T: MmapElement + std::fmt::Debug>(dtype: i32, bits: fn(u64) -> T) -> Result<()> {
    let scratch = Scratch::new()?;
    let (own_file, peer_file) = (scratch.file("ours.mmap"), scratch.file("peers.mmap"));
    let mut random = Random(2025);
    let (mut empty, mut without_dims) = (0, 0);
    for _ in 0..ARRAYS {
        let shape = random_shape(&mut random, 7);
        let count = shape.iter().product();
        let values: Vec<T> = (0..count).map(|_| bits(random.next())).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&values);
        let dims: Vec<i64> = shape.iter().map(|&dim| dim as i64).collect();
        empty += usize::from(count == 0);
        without_dims += usize::from(shape.is_empty());

        let tensor = Tensor::over(bytes, dtype, &dims)?;
        Array::write(&own_file, &tensor, Format::Mmap)?;
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values.clone())?;
        drop(MmapArray::create(&peer_file, &array)?);
        assert_eq!(fs::read(&*own_file)?, fs::read(&*peer_file)?, "{shape:?}");

        let ours = Array::open(&peer_file)?;
        let tensor = ours.tensor()?;
        assert_eq!((tensor.dtype(), tensor.dims()), (dtype, &dims[..]));
        assert_eq!(tensor.bytes(), bytes);

        for theirs in [
            MmapArray::<T>::open_read_only(&own_file)?,
            MmapArray::<T>::open_cow(&own_file)?,
        ] {
            assert_eq!(theirs.shape(), shape);
            let view = theirs.view()?;
            let read: Vec<T> = view.iter().copied().collect();
            assert_eq!(bytemuck::cast_slice::<T, u8>(&read), bytes, "{shape:?}");
        }
    }
    assert!(empty > 0 && without_dims > 0);
    Ok(())
}

#[test]
fn f32_files_are_the_same() -> Result<()> {
    agree(F32, |bits| f32::from_bits(bits as u32))
}

#[test]
fn f64_files_are_the_same() -> Result<()> {
    agree(F64, f64::from_bits)
}

#[test]
fn i32_files_are_the_same() -> Result<()> {
    agree(I32, |bits| bits as i32)
}

#[test]
fn i64_files_are_the_same() -> Result<()> {
    agree(I64, |bits| bits as i64)
}

/// What is written to the map of either shows in the other's.
#[test]
fn the_peer_changes_our_file() -> Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("changed.mmap");
    let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let tensor = Tensor::over(bytemuck::cast_slice(&values), F32, &[2, 3])?;
    Array::write(&file, &tensor, Format::Mmap)?;
    let ours = Array::open(&file)?;
    let mut theirs = MmapArray::<f32>::open_read_write(&file)?;
    theirs.view_mut()?[[1, 2].as_slice()] = -6.0;
    let changed = [1.0_f32, 2.0, 3.0, 4.0, 5.0, -6.0];
    assert_eq!(
        ours.tensor()?.bytes(),
        bytemuck::cast_slice::<f32, u8>(&changed)
    );
    Ok(())
}
