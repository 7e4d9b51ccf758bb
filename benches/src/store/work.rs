//! What is stored: keys and values that are the same for every engine and in every run.

use std::fs;
use std::path::{Path, PathBuf};

use super::engine::Engine;
use crate::Result;
use crate::data::Random;

/// As most of the peers' own benchmarks have them.
pub type Key = [u8; 16];

/// Random bytes that values are parts of: as many as stay in the cache, as what was just made does.
const POOL: usize = 256 << 10;

/// A data set.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// For the lines.
    pub name: &'static str,
    /// Entries.
    pub count: usize,
    /// The bytes of a value.
    pub value: usize,
    /// Entries of a batch.
    pub batch: usize,
}

/// 1 M of 64 B.
pub const SMALL: Size = Size {
    name: "1 M x 64 B",
    count: 1_000_000,
    value: 64,
    batch: 1_000,
};

/// The sizes that everything is measured with.
pub const SIZES: [Size; 3] = [
    SMALL,
    Size {
        name: "1 M x 1 KiB",
        count: 1_000_000,
        value: 1 << 10,
        batch: 1_000,
    },
    Size {
        name: "16 k x 64 KiB",
        count: 16_384,
        value: 64 << 10,
        batch: 100,
    },
];

/// The bytes of a record in our file, and in front of which 16 KiB are.
#[must_use]
pub fn record_bytes(value: usize) -> usize {
    64 + value.next_multiple_of(64)
}

/// The entries of a data set.
#[derive(Debug)]
pub struct Work {
    /// Its size.
    pub size: Size,
    pool: Vec<u8>,
}

impl Work {
    /// Of a size.
    #[must_use]
    pub fn new(size: Size) -> Work {
        let mut random = Random(5);
        let words = (POOL + size.value).div_ceil(8);
        let pool = (0..words).flat_map(|_| random.next().to_le_bytes());
        Work {
            size,
            pool: pool.collect(),
        }
    }

    /// The key of an entry.
    #[must_use]
    pub fn key(index: usize) -> Key {
        let mut random = Random(index as u64);
        let mut key = [0; 16];
        let (first, second) = key.split_at_mut(8);
        first.copy_from_slice(&random.next().to_le_bytes());
        second.copy_from_slice(&random.next().to_le_bytes());
        key
    }

    /// The value of an entry.
    #[must_use]
    pub fn value(&self, index: usize) -> &[u8] {
        let at = index.wrapping_mul(4_160) % POOL;
        self.pool.get(at..at + self.size.value).unwrap_or_default()
    }

    /// Writes entries batch by batch, and has each batch's writing measured: keys and places of
    /// values are prepared before.
    ///
    /// # Errors
    /// The engine's.
    pub fn insert(
        &self,
        engine: &mut dyn Engine,
        entries: std::ops::Range<usize>,
        mut measure: impl FnMut(&mut dyn FnMut() -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let mut from = entries.start;
        while from < entries.end {
            let to = entries.end.min(from + self.size.batch);
            let keys: Vec<Key> = (from..to).map(Work::key).collect();
            let pairs: Vec<(&[u8], &[u8])> = (from..to)
                .zip(&keys)
                .map(|(index, key)| (key.as_slice(), self.value(index)))
                .collect();
            measure(&mut || engine.put_all(&pairs))?;
            from = to;
        }
        Ok(())
    }

    /// Random entries' keys, and the sum of their values' first words.
    #[must_use]
    pub fn some_keys(&self, count: usize, seed: u64) -> (Vec<Key>, u64) {
        let mut random = Random(seed);
        let mut keys = Vec::with_capacity(count);
        let mut sum: u64 = 0;
        for _ in 0..count {
            let index = random.below(self.size.count as u64) as usize;
            keys.push(Work::key(index));
            sum = sum.wrapping_add(word(self.value(index)));
        }
        (keys, sum)
    }
}

/// The first word of a value; 0 if it is shorter.
#[must_use]
#[inline]
pub fn word(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |word: &[u8; 8]| u64::from_le_bytes(*word))
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// The system's.
    pub fn new(parent: &Path, name: &str) -> Result<Folder> {
        let path = parent.join(name);
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }

    /// Removes what is in it.
    ///
    /// # Errors
    /// The system's.
    pub fn empty(&self) -> Result<()> {
        fs::remove_dir_all(&self.0)?;
        Ok(fs::create_dir(&self.0)?)
    }

    /// Copies its files, as they are now, to another one.
    ///
    /// # Errors
    /// The system's.
    pub fn copy_to(&self, other: &Folder) -> Result<()> {
        for file in fs::read_dir(&self.0)? {
            let file = file?;
            fs::copy(file.path(), other.0.join(file.file_name()))?;
        }
        Ok(())
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left goes with the folder that it is in.
        let _ = fs::remove_dir_all(&self.0);
    }
}
