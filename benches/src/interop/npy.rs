//! .npy files and ferray-io: each reads the other's. Their headers are padded in another way, so
//! the files differ.

use ferray_core::{Array as Peers, Element, IxDyn};
use ferray_io::memmap::{memmap_mut, memmap_readonly};
use ferray_io::{MemmapMode, NpyElement};

use super::random_shape;
use crate::Result;
use crate::adit::{self, Array, Format, Tensor};
use crate::data::Random;
use crate::scratch::Scratch;

/// Of each dtype.
const ARRAYS: usize = 40;

/// Random shapes of up to 8 dimensions, any bits.
fn agree<T: NpyElement + Element + bytemuck::Pod>(dtype: i32) -> Result<()> {
    let scratch = Scratch::new()?;
    let (own_file, peer_file) = (scratch.file("ours.npy"), scratch.file("peers.npy"));
    let mut random = Random(2026);
    let (mut empty, mut without_dims) = (0, 0);
    for _ in 0..ARRAYS {
        let shape = random_shape(&mut random, 9);
        let count: usize = shape.iter().product();
        let bytes: Vec<u8> = (0..count * size_of::<T>())
            .map(|_| random.next() as u8)
            .collect();
        let values: Vec<T> = bytes
            .chunks_exact(size_of::<T>())
            .map(bytemuck::pod_read_unaligned)
            .collect();
        let dims: Vec<i64> = shape.iter().map(|&dim| dim as i64).collect();
        empty += usize::from(count == 0);
        without_dims += usize::from(shape.is_empty());

        Array::write(&own_file, &Tensor::over(&bytes, dtype, &dims)?, Format::Npy)?;
        let theirs: Peers<T, IxDyn> = ferray_io::load(&*own_file)?;
        assert_eq!(theirs.shape(), shape);
        assert_eq!(bytes_of(theirs.as_slice()), bytes, "{shape:?}");
        let map = memmap_readonly::<T, _>(&*own_file)?;
        assert_eq!(map.shape(), shape);
        assert_eq!(bytes_of(Some(map.as_slice())), bytes, "{shape:?}");

        let array = Peers::from_vec(IxDyn::new(&shape), values)?;
        ferray_io::save(&*peer_file, &array)?;
        let ours = Array::open(&peer_file)?;
        let tensor = ours.tensor()?;
        assert_eq!((tensor.dtype(), tensor.dims()), (dtype, &dims[..]));
        assert_eq!(tensor.bytes(), bytes, "{shape:?}");
    }
    assert!(empty > 0 && without_dims > 0);
    Ok(())
}

fn bytes_of<T: bytemuck::Pod>(values: Option<&[T]>) -> &[u8] {
    values.map_or(&[], bytemuck::cast_slice)
}

macro_rules! tests {
    ($($name:ident: $type:ty, $dtype:ident;)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                agree::<$type>(adit::$dtype)
            }
        )*
    };
}

tests! {
    f16_files_are_read: half::f16, F16;
    f32_files_are_read: f32, F32;
    f64_files_are_read: f64, F64;
    i8_files_are_read: i8, I8;
    i16_files_are_read: i16, I16;
    i32_files_are_read: i32, I32;
    i64_files_are_read: i64, I64;
    u8_files_are_read: u8, U8;
    u16_files_are_read: u16, U16;
    u32_files_are_read: u32, U32;
    u64_files_are_read: u64, U64;
}

/// What is written to the map of one shows in the other's, and what is written copy-on-write
/// doesn't.
#[test]
fn maps_of_both_on_one_file() -> Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("shared.npy");
    let values = [1.0_f32, 2.0, 3.0, 4.0];
    let tensor = Tensor::over(bytemuck::cast_slice(&values), adit::F32, &[4])?;
    Array::write(&file, &tensor, Format::Npy)?;
    let ours = Array::open(&file)?;
    let mut private = Array::open_copy_on_write(&file)?;
    private.bytes_mut()?[..4].copy_from_slice(&9.0_f32.to_ne_bytes());

    let mut theirs = memmap_mut::<f32, _>(&*file, MemmapMode::ReadWrite)?;
    assert_eq!(theirs.as_slice(), values);
    theirs.as_slice_mut()[3] = -4.0;
    theirs.flush()?;
    let changed = [1.0_f32, 2.0, 3.0, -4.0];
    assert_eq!(
        ours.tensor()?.bytes(),
        bytemuck::cast_slice::<f32, u8>(&changed)
    );
    assert_eq!(private.bytes_mut()?[..4], 9.0_f32.to_ne_bytes());
    Ok(())
}
