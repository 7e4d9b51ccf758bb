//! Stores of simd-r-drive: what its versions write, in each of their four layouts, is read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use adit_core::map::Region;
use adit_core::store::{ForeignLayout, ForeignOrder, ForeignStore};

use crate::Result;
use crate::data::Random;
use crate::scratch::Scratch;

/// Stores of each version, and what is done to each.
const STORES: u64 = 6;
const STEPS: u64 = 300;
const KEYS: u64 = 60;

/// A store of the peer that is open for writing.
trait Peer: Sized {
    const LAYOUT: ForeignLayout;
    /// The first version has no deletions, and gives the oldest value after it is opened again.
    const IS_FIRST: bool = false;
    fn open(path: &Path) -> Result<Self>;
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()>;
    fn stream(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    fn delete(&mut self, key: &[u8]) -> Result<()>;
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
}

impl Peer for simd_r_drive_01::AppendStorage {
    const LAYOUT: ForeignLayout = ForeignLayout::Packed19;
    const IS_FIRST: bool = true;

    fn open(path: &Path) -> Result<Self> {
        Ok(simd_r_drive_01::AppendStorage::open(path)?)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.append_entry(key, value)?;
        Ok(())
    }

    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        self.append_entries(entries)?;
        Ok(())
    }

    fn stream(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put(key, value)
    }

    fn delete(&mut self, _: &[u8]) -> Result<()> {
        Err("the first version has no deletions".into())
    }

    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Err("the first version gives the oldest value".into())
    }
}

/// A peer with the interface of 0.10 and later.
macro_rules! peer {
    ($version:ident, $layout:ident) => {
        impl Peer for $version::DataStore {
            const LAYOUT: ForeignLayout = ForeignLayout::$layout;

            fn open(path: &Path) -> Result<Self> {
                Ok($version::DataStore::open(path)?)
            }

            fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
                $version::traits::DataStoreWriter::write(self, key, value)?;
                Ok(())
            }

            fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
                $version::traits::DataStoreWriter::batch_write(self, entries)?;
                Ok(())
            }

            fn stream(&mut self, key: &[u8], mut value: &[u8]) -> Result<()> {
                $version::traits::DataStoreWriter::write_stream(self, key, &mut value)?;
                Ok(())
            }

            fn delete(&mut self, key: &[u8]) -> Result<()> {
                $version::traits::DataStoreWriter::delete(self, key)?;
                Ok(())
            }

            fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
                let entry = $version::traits::DataStoreReader::read(self, key)?;
                Ok(entry.map(|entry| entry.as_slice().to_vec()))
            }
        }
    };
}

peer!(simd_r_drive_10, Packed20);
peer!(simd_r_drive_14, Aligned16);
peer!(simd_r_drive_17, Aligned64);

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn bytes_of(region: Region<'_>) -> Result<Vec<u8>> {
    region
        .to_vec(0, region.len())
        .ok_or_else(|| "out of memory".into())
}

fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(20) {
        0 => 5000 + random.below(50_000),
        1 | 2 => 44 + 64 * random.below(3),
        _ => 1 + random.below(200),
    };
    let is_zeros = random.below(8) == 0;
    let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
    if is_zeros {
        bytes.fill(0);
    }
    // Streams of zeros alone are refused by the peer, and one byte 00 is a deletion.
    if let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    bytes
}

fn check(store: &ForeignStore, model: &Model, keys: &[Vec<u8>]) -> Result<()> {
    assert_eq!(store.len(), model.len() as u64);
    for key in keys {
        let own = store.get(key)?.map(bytes_of).transpose()?;
        assert_eq!(own.as_ref(), model.get(key), "{key:?}");
        assert_eq!(store.contains(key), model.contains_key(key), "{key:?}");
    }
    Ok(())
}

fn agree<P: Peer>() -> Result<()> {
    let scratch = Scratch::new()?;
    let keys: Vec<Vec<u8>> = (0..KEYS).map(|n| format!("key {n}").into_bytes()).collect();
    let mut random = Random(41);
    let key = |random: &mut Random| &keys[random.below(KEYS) as usize];
    let mut deletions = 0;
    for _ in 0..STORES {
        let path = scratch.file("peers.store");
        let mut peer = P::open(&path)?;
        let mut model = Model::new();
        let mut entries = 0;
        for step in 0..STEPS {
            match random.below(10) {
                0 if !P::IS_FIRST && !model.is_empty() => {
                    let key = model.keys().next().cloned().unwrap_or_default();
                    peer.delete(&key)?;
                    model.remove(&key);
                    (entries, deletions) = (entries + 1, deletions + 1);
                }
                1 => {
                    let batch: Vec<(&Vec<u8>, Vec<u8>)> = (0..1 + random.below(9))
                        .map(|_| (key(&mut random), value(&mut random)))
                        .collect();
                    let pairs: Vec<(&[u8], &[u8])> = batch
                        .iter()
                        .map(|(key, value)| (&key[..], &value[..]))
                        .collect();
                    peer.put_all(&pairs)?;
                    entries += batch.len() as u64;
                    model.extend(batch.into_iter().map(|(key, value)| (key.clone(), value)));
                }
                2 => {
                    let (key, value) = (key(&mut random), value(&mut random));
                    peer.stream(key, &value)?;
                    model.insert(key.clone(), value);
                    entries += 1;
                }
                _ => {
                    let (key, value) = (key(&mut random), value(&mut random));
                    peer.put(key, &value)?;
                    model.insert(key.clone(), value);
                    entries += 1;
                }
            }
            // Beside the writer, which goes on.
            if step % 50 == 49 {
                check(&ForeignStore::open(&path)?, &model, &keys)?;
            }
        }
        drop(peer);
        let file = fs::read(&*path)?;
        let store = ForeignStore::open(&path)?;
        assert_eq!(store.layout(), P::LAYOUT);
        assert_eq!(
            (store.entries(), store.valid_bytes()),
            (entries, file.len() as u64)
        );
        check(&store, &model, &keys)?;
        check_cuts::<P>(&store, &file, &scratch, &mut random)?;
        assert_eq!(fs::read(&*path)?, file);
        if !P::IS_FIRST {
            let peer = P::open(&path)?;
            for key in &keys {
                assert_eq!(peer.get(key)?.as_ref(), model.get(key), "{key:?}");
            }
        }
    }
    assert!(P::IS_FIRST || deletions > 20);
    Ok(())
}

/// A file cut anywhere has the entries that are whole.
fn check_cuts<P: Peer>(
    store: &ForeignStore,
    file: &[u8],
    scratch: &Scratch,
    random: &mut Random,
) -> Result<()> {
    let all: Vec<_> = store.iter(ForeignOrder::Oldest, true).collect();
    for _ in 0..20 {
        let first = all[0].len + P::LAYOUT.metadata_bytes();
        let cut = first + random.below(file.len() as u64 - first);
        let torn = scratch.file("torn.store");
        fs::write(&*torn, &file[..cut as usize])?;
        let own = ForeignStore::open(&torn)?;
        let whole = |entry: &&_| {
            let entry: &adit_core::store::ForeignEntry = entry;
            entry.offset + entry.len + P::LAYOUT.metadata_bytes() <= cut
        };
        let left = all.iter().take_while(whole).count() as u64;
        assert_eq!(own.entries(), left, "cut at {cut}");
        for number in 0..left {
            let (own, value) = (own.value(number)?, store.value(number)?);
            assert_eq!(
                own.map(bytes_of).transpose()?,
                value.map(bytes_of).transpose()?
            );
        }
    }
    Ok(())
}

#[test]
fn stores_of_the_first_version_are_read() -> Result<()> {
    agree::<simd_r_drive_01::AppendStorage>()
}

#[test]
fn stores_of_0_10_are_read() -> Result<()> {
    agree::<simd_r_drive_10::DataStore>()
}

#[test]
fn stores_of_0_14_are_read() -> Result<()> {
    agree::<simd_r_drive_14::DataStore>()
}

#[test]
fn stores_of_0_17_are_read() -> Result<()> {
    agree::<simd_r_drive_17::DataStore>()
}
