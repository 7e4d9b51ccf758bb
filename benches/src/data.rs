//! The records of most benchmarks: 3x32x32 f32 and a label, as in CIFAR-10.

use std::path::Path;

use rumus::data::Dataset;
use rumus::tensor;

use crate::Result;
use crate::adit::{F32, Tensor, Writer};
use crate::memory::bytes_of;

/// The shape of an image.
pub const IMAGE: [usize; 3] = [3, 32, 32];
/// The elements of an image.
pub const IMAGE_ELEMENTS: usize = 3 * 32 * 32;
/// The bytes of an image: 12 KiB.
pub const IMAGE_BYTES: usize = 4 * IMAGE_ELEMENTS;
/// The bytes of an image and its label.
pub const PAYLOAD_BYTES: usize = IMAGE_BYTES + 4;

/// Number of dimensions, dimensions, dtype.
pub const IMAGE_HEAD: usize = 4 + 4 * 3 + 4;
/// Number of dimensions, one dimension, dtype.
pub const LABEL_HEAD: usize = 4 + 4 + 4;
/// The bytes of a record in the file.
pub const RECORD_BYTES: usize = IMAGE_HEAD + IMAGE_BYTES + LABEL_HEAD + 4;
/// The bytes before the first record.
pub const FILE_HEAD: usize = 64;

/// Where the image of a record lies in a file of them.
#[must_use]
pub fn image_at(index: usize) -> usize {
    FILE_HEAD + index * RECORD_BYTES + IMAGE_HEAD
}

/// Where the label of a record lies in a file of them.
#[must_use]
pub fn label_at(index: usize) -> usize {
    image_at(index) + IMAGE_BYTES + LABEL_HEAD
}

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// So many record numbers below `end`.
    pub fn indices(&mut self, count: usize, end: usize) -> Vec<u64> {
        (0..count).map(|_| self.below(end as u64)).collect()
    }
}

/// Images that differ from record to record: windows on one pool of random numbers.
#[derive(Debug)]
pub struct Images {
    pool: Vec<f32>,
}

impl Images {
    const PLACES: usize = 65_521;

    /// Makes the pool.
    #[must_use]
    pub fn new() -> Images {
        let mut random = Random(7);
        let mut number = || random.below(1 << 24) as f32 / (1 << 24) as f32;
        Images {
            pool: (0..Images::PLACES + IMAGE_ELEMENTS)
                .map(|_| number())
                .collect(),
        }
    }

    /// The image of a record.
    #[must_use]
    pub fn image(&self, index: usize) -> &[f32] {
        let start = index % Images::PLACES;
        &self.pool[start..start + IMAGE_ELEMENTS]
    }

    /// The label of a record.
    #[must_use]
    pub fn label(&self, index: usize) -> [f32; 1] {
        [index as f32]
    }

    /// Writes a file of `count` records, and sees to it that the library and this program agree
    /// on where they lie.
    ///
    /// # Errors
    /// The library's.
    pub fn write(&self, path: &Path, count: usize) -> Result<()> {
        let mut writer = Writer::create(path)?;
        for index in 0..count {
            writer.append(&self.tensors(self.image(index), &self.label(index))?)?;
        }
        writer.finish()?;
        let expected = FILE_HEAD + count * (RECORD_BYTES + 16);
        match usize::try_from(path.metadata()?.len())? {
            len if len == expected => Ok(()),
            len => Err(format!("{count} records make {len} bytes, not {expected}").into()),
        }
    }

    /// Both tensors of a record, as the library takes them.
    ///
    /// # Errors
    /// The library's.
    pub fn tensors<'a>(&self, image: &'a [f32], label: &'a [f32; 1]) -> Result<[Tensor<'a>; 2]> {
        let shape = IMAGE.map(|dim| dim as i64);
        Ok([
            Tensor::over(bytes_of(image), F32, &shape)?,
            Tensor::over(bytes_of(label), F32, &[1])?,
        ])
    }

    /// Whether these are the bytes of a record's tensors.
    ///
    /// # Errors
    /// Where they aren't.
    pub fn check(&self, index: usize, image: &[u8], label: &[u8], whose: &str) -> Result<()> {
        let right = bytes_of(self.image(index)) == image && bytes_of(&self.label(index)) == label;
        if right {
            Ok(())
        } else {
            Err(format!("{whose} read other values of record {index} than were written").into())
        }
    }
}

/// The peer's record, and its copies of image and label given to `look`.
pub fn with_peers_copy<T>(
    set: &impl Dataset,
    index: u64,
    look: impl FnOnce(&[u8], &[u8]) -> T,
) -> T {
    let item = set.get(index as usize);
    let (image, label) = (item.input.data(), item.target.data());
    look(bytes_of(&image), bytes_of(&label))
}

/// A tensor of the peer.
#[must_use]
pub fn peers_tensor(values: &[f32], shape: &[usize]) -> tensor::Tensor {
    tensor::Tensor::new(values.to_vec(), shape.to_vec())
}
