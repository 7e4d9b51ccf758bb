//! Values of a foreign store copied to another.

use super::ForeignStore;
use crate::error::{Kind, Report};
use crate::map::{Progress, Region};
use crate::store::batch::Batch;
use crate::store::error::{Error, Result};
use crate::store::store::Store;

/// Entries, and bytes of values, that are written together.
const BATCH_ENTRIES: usize = 1024;
const BATCH_BYTES: u64 = 16 << 20;

/// What became of the keys that were to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Keys whose values were put.
    pub copied: u64,
    /// Keys that aren't there, or are deleted.
    pub missing: u64,
    /// Keys whose values aren't what was written: nothing was put.
    pub damaged: u64,
}

impl ForeignStore {
    /// Gives the newest value of each of `keys` to `put`. The store has hashes only, so that keys
    /// must be known; one that was never written and has the hash of another gets its value.
    ///
    /// # Errors
    /// What `put` answers, [`Error::Cancelled`]; as [`ForeignStore::get`], but damaged values are
    /// counted and left out.
    pub fn copy_keys(
        &self,
        keys: &[&[u8]],
        put: &mut dyn FnMut(&[u8], Region<'_>) -> Result<()>,
        mut progress: Option<Progress<'_>>,
    ) -> Result<Copied> {
        let mut copied = Copied::default();
        for (number, key) in keys.iter().enumerate() {
            match self.get(key) {
                Ok(Some(value)) => {
                    put(key, value)?;
                    copied.copied += 1;
                }
                Ok(None) => copied.missing += 1,
                Err(error) if error.kind() == Kind::Checksum => {
                    log::info!("not copied: {error}");
                    copied.damaged += 1;
                }
                Err(error) => return Err(error),
            }
            let done = number as u64 + 1;
            if let Some(progress) = &mut progress
                && !progress(done, keys.len() as u64)
            {
                return Err(Error::Cancelled);
            }
        }
        Ok(copied)
    }

    /// Writes the newest value of each of `keys` to another store, in batches: after a failure or a
    /// crash, those of some keys are there.
    ///
    /// # Errors
    /// As [`Store::write`] and [`ForeignStore::copy_keys`].
    pub fn copy_keys_to(
        &self,
        keys: &[&[u8]],
        into: &Store,
        progress: Option<Progress<'_>>,
    ) -> Result<Copied> {
        let mut batch = Batch::new();
        let mut bytes = 0;
        let mut put = |key: &[u8], value: Region<'_>| {
            batch.put(key, value)?;
            bytes += value.len() as u64;
            if batch.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
                into.write(&mut batch)?;
                batch.clear();
                bytes = 0;
            }
            Ok(())
        };
        let copied = self.copy_keys(keys, &mut put, progress)?;
        into.write(&mut batch)?;
        Ok(copied)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::kernel;
    use crate::map::Data;
    use crate::map::sim::SimStorage;
    use crate::store::options::StoreOptions;

    fn foreign(entries: &[(Vec<u8>, Vec<u8>)]) -> ForeignStore {
        let mut bytes: Vec<u8> = Vec::new();
        for (key, value) in entries {
            let prev = bytes.len() as u64;
            bytes.extend(value);
            bytes.extend(kernel::hash(key, 0).to_le_bytes());
            bytes.extend(prev.to_le_bytes());
            bytes.extend(kernel::crc32_of(0, value).to_le_bytes());
        }
        // SAFETY: the bytes outlive the copy that is made of them.
        let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
        ForeignStore::from_data(Data::copy_of(region).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_written_to_a_native_store_in_batches() {
        let entries: Vec<(Vec<u8>, Vec<u8>)> = (0..2500u32)
            .map(|number| {
                let len = number as usize % 90;
                (number.to_le_bytes().to_vec(), vec![number as u8 | 1; len])
            })
            .collect();
        let from = foreign(&entries);
        let options = StoreOptions::default();
        let storage = Arc::new(SimStorage::new());
        let into = Store::open_on(storage, Path::new("/native"), &options).unwrap();
        let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| &key[..]).collect();
        let with_missing = [&keys[..], &[b"nobody"]].concat();
        let copied = from.copy_keys_to(&with_missing, &into, None).unwrap();
        assert_eq!(
            (copied.copied, copied.missing, copied.damaged),
            (2500, 1, 0)
        );

        let shared = into.inner.lock_shared();
        assert_eq!(shared.published.live, 2500);
        assert_eq!(shared.published.sequence, 3);
        let view = shared.log.view(shared.published.end.tail).unwrap();
        for (key, value) in &entries {
            let hash = shared.log.header.hash(key);
            let found = shared.index.find(&view, hash, key).unwrap().unwrap();
            let mut own = vec![0; value.len()];
            view.read(found.record.extent.value, &mut own).unwrap();
            assert_eq!(&own, value);
        }
    }
}
