//! The stores that are compared, each used as its documentation says it is fast.

use std::fs;
use std::path::{Path, PathBuf};

use simd_r_drive_17::DataStore;
use simd_r_drive_17::traits::{DataStoreReader, DataStoreWriter};

use super::work::{Key, word};
use crate::Result;
use crate::adit::{Batch, SYNC_BATCH, SYNC_EXPLICIT, Snapshot, Store, StoreOptions};

/// From here on a value is lent to our batches and not copied: what the header advises for large
/// ones. simd-r-drive has no such choice.
const LENT: usize = 16 << 10;

/// When writes are made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durable {
    /// Before each batch returns.
    EachBatch,
    /// Whenever; at the end where the engine does that.
    Later,
}

/// An open store.
pub trait Engine {
    /// Writes a batch.
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()>;

    /// Makes ready for [`Engine::sum`].
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Looks up each key, and sums the first words of the values.
    fn sum(&self, keys: &[Key]) -> Result<u64>;

    /// Closes it as a careful program does.
    fn close(self: Box<Self>) -> Result<()>;
}

/// One of the stores that are compared.
#[derive(Clone, Copy)]
pub struct Kind {
    /// For the lines, with its version.
    pub name: &'static str,
    /// For files.
    pub short: &'static str,
    /// Opens the one in a folder, or makes it.
    pub open: fn(&Path, Durable) -> Result<Box<dyn Engine>>,
}

/// Ours.
pub const OURS: Kind = Kind {
    name: "adit",
    short: "adit",
    open: |folder, durable| {
        let sync = match durable {
            Durable::EachBatch => SYNC_BATCH,
            Durable::Later => SYNC_EXPLICIT,
        };
        let options = StoreOptions::writing(sync);
        let store = Store::open(&own_log(folder), &options)?;
        let batch = Batch::new()?;
        Ok(Box::new(Ours {
            snapshot: None,
            batch,
            store,
        }))
    },
};

/// simd-r-drive, which never syncs.
pub const SIMD_R_DRIVE: Kind = Kind {
    name: crate::SIMD_R_DRIVE,
    short: "simd-r-drive",
    open: |folder, _| Ok(Box::new(SimdRDrive(DataStore::open(&peer_log(folder))?))),
};

/// Our file in a folder.
#[must_use]
pub fn own_log(folder: &Path) -> PathBuf {
    folder.join("store")
}

/// simd-r-drive's.
#[must_use]
pub fn peer_log(folder: &Path) -> PathBuf {
    folder.join("store.bin")
}

/// Syncs every file in a folder: what an engine left to its caller.
///
/// # Errors
/// The system's.
pub fn sync_files(folder: &Path) -> Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_file() {
            fs::File::open(path)?.sync_data()?;
        }
    }
    Ok(())
}

struct Ours {
    snapshot: Option<Snapshot>,
    // A batch's lent values end with `put_all`, which empties it.
    batch: Batch<'static>,
    store: Store,
}

impl Engine for Ours {
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        if entries.iter().any(|(_, value)| value.len() >= LENT) {
            let mut batch = Batch::new()?;
            for (key, value) in entries {
                batch.put_lent(key, value)?;
            }
            return self.store.write(&mut batch);
        }
        self.batch.clear()?;
        for (key, value) in entries {
            self.batch.put(key, value)?;
        }
        self.store.write(&mut self.batch)
    }

    fn settle(&mut self) -> Result<()> {
        self.snapshot = Some(self.store.snapshot()?);
        Ok(())
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let snapshot = self.snapshot.as_ref().ok_or("not settled")?;
        let mut sum: u64 = 0;
        for key in keys {
            sum = sum.wrapping_add(snapshot.first_word(key)?);
        }
        Ok(sum)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct SimdRDrive(DataStore);

impl Engine for SimdRDrive {
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        self.0.batch_write(entries)?;
        Ok(())
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let mut sum: u64 = 0;
        for key in keys {
            let entry = self.0.read(key)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(word(entry.as_slice()));
        }
        Ok(sum)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
