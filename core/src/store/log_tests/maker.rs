//! Logs made record by record, and what they hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::Result;
use super::super::format::{
    End, FIRST, HEAD, Head, Header, RecordType, SLOT, Slot, durable_distance,
};
use super::super::log::{Log, Record};
use super::super::options::{OpenMode, StoreOptions};
use super::super::recover::{Recovered, recover};
use crate::kernel::crc32c_of;
use crate::map::sim::SimStorage;
use crate::map::{Origin, Storage, StorageFile};

pub(super) const PATH: &str = "/d/store.adit";

/// The values of keys.
pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A record that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) record: Record,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The number of its batch.
    pub(super) batch: usize,
}

impl Made {
    /// The bytes that are covered by a checksum.
    pub(super) fn covered(&self) -> [Range<u64>; 2] {
        let Record {
            offset,
            head,
            extent,
        } = self.record;
        let key_end = offset + HEAD as u64 + u64::from(head.key_len);
        [
            offset..key_end,
            extent.prefix..extent.value + head.value_len,
        ]
    }

    fn apply(&self, model: &mut Model) {
        match self.record.head.kind {
            RecordType::Put | RecordType::Tensor => {
                model.insert(self.key.clone(), self.value.clone());
            }
            RecordType::Delete => drop(model.remove(&self.key)),
            RecordType::Epoch => {}
        }
    }
}

#[derive(Clone)]
pub(super) struct Maker {
    pub(super) header: Header,
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
    /// Ends of batches.
    pub(super) ends: Vec<End>,
    pub(super) durable: u64,
    pub(super) made: Vec<Made>,
    sequence: u64,
}

impl Maker {
    pub(super) fn new(align_log2: u32) -> Maker {
        let header = Header {
            uuid: *b"made for a test.",
            seed: 77,
            align_log2,
            features: [0; 3],
        };
        let mut bytes = vec![0; FIRST as usize];
        bytes[..4096].copy_from_slice(&header.encode());
        let mut maker = Maker {
            header,
            bytes,
            end: End::start(&header),
            ends: vec![End::start(&header)],
            durable: FIRST,
            made: Vec::new(),
            sequence: 0,
        };
        maker.checkpoint();
        maker
    }

    pub(super) fn epoch(&mut self, nonce: u8) {
        self.batch(&[(RecordType::Epoch, &[nonce; 16], b"")]);
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.batch(&[(RecordType::Put, key, value)]);
    }

    pub(super) fn batch(&mut self, entries: &[(RecordType, &[u8], &[u8])]) {
        for (number, entry) in entries.iter().enumerate() {
            self.record(entry, number + 1 == entries.len());
        }
        self.ends.push(self.end);
    }

    /// At the end, over what was there.
    pub(super) fn record(&mut self, entry: &(RecordType, &[u8], &[u8]), is_last: bool) {
        let &(kind, key, value) = entry;
        let offset = self.end.tail;
        let prefix = vec![9; kind.prefix() as usize];
        let mut head = Head {
            kind,
            is_last,
            key_len: u16::try_from(key.len()).unwrap(),
            value_len: value.len() as u64,
            key_hash: self.header.hash(key),
            crc: crc32c_of(crc32c_of(0, &prefix), value),
            durable_distance: durable_distance(offset, self.durable),
            chain: 0,
            prev: self.end.last,
        };
        head.chain = self.header.chain(self.end.chain, offset, &head.encode());
        let extent = head.extent(offset, self.header.align());
        let mut bytes = head.encode().to_vec();
        bytes.extend(key);
        bytes.resize((extent.prefix - offset) as usize, 0);
        bytes.extend(prefix);
        bytes.extend(value);
        bytes.resize((extent.end - offset) as usize, 0);
        let needed = self.bytes.len().max(extent.end as usize);
        self.bytes.resize(needed, 0);
        self.bytes[offset as usize..extent.end as usize].copy_from_slice(&bytes);
        self.end = End {
            tail: extent.end,
            last: offset,
            chain: head.chain,
            records: self.end.records + 1,
        };
        self.made.push(Made {
            record: Record {
                offset,
                head,
                extent,
            },
            key: key.to_vec(),
            value: value.to_vec(),
            batch: self.ends.len(),
        });
    }

    pub(super) fn sync(&mut self) {
        self.durable = self.end.tail;
    }

    pub(super) fn checkpoint(&mut self) {
        self.sync();
        self.sequence += 1;
        let model = self.model(self.ends.len());
        let newest = model.keys().map(|key| {
            let mut versions = self.made.iter().rev();
            versions.find(|made| made.key == *key).unwrap().record
        });
        let slot = Slot {
            sequence: self.sequence,
            end: self.end,
            live: model.len() as u64,
            live_bytes: newest.map(|record| record.bytes()).sum(),
        };
        self.put_slot(&slot);
    }

    /// The last records of the newest two.
    pub(super) fn checkpoints(&self) -> Vec<u64> {
        let slots = [1, 2].map(|sequence| {
            let at = Slot::offset(sequence) as usize;
            Slot::decode(self.bytes[at..].first_chunk().unwrap(), &self.header)
        });
        slots.iter().flatten().map(|slot| slot.end.last).collect()
    }

    pub(super) fn put_slot(&mut self, slot: &Slot) {
        let at = Slot::offset(slot.sequence) as usize;
        self.bytes[at..at + SLOT].copy_from_slice(&slot.encode(&self.header));
    }

    /// The state after the epochs and batches before `batches`.
    pub(super) fn model(&self, batches: usize) -> Model {
        let mut model = Model::new();
        for made in self.made.iter().filter(|made| made.batch < batches) {
            made.apply(&mut model);
        }
        model
    }

    /// What a log of these records alone holds.
    pub(super) fn model_of<'m>(made: impl Iterator<Item = &'m Made>) -> Model {
        let mut model = Model::new();
        made.for_each(|made| made.apply(&mut model));
        model
    }
}

/// A store on a simulated disk.
pub(super) struct Disk {
    pub(super) sim: SimStorage,
    pub(super) storage: Arc<dyn Storage>,
}

pub(super) fn origin(path: &str) -> Origin {
    Origin::Path(PathBuf::from(path))
}

pub(super) const READ: StoreOptions = StoreOptions {
    mode: OpenMode::Read,
    sync: super::super::options::SyncPolicy::Batch,
    check: super::super::options::ValueCheck::Never,
    access: super::super::options::StoreAccess::Mapped,
    align: 0,
    reservation: 0,
    expected_keys: 0,
    index_memory: 0,
    checkpoint_bytes: 0,
    merge_thread: false,
    planted: None,
};

impl Disk {
    pub(super) fn of(bytes: &[u8]) -> Disk {
        let sim = SimStorage::new();
        sim.put_durable(Path::new(PATH), bytes);
        Disk {
            storage: Arc::new(sim.clone()),
            sim,
        }
    }

    pub(super) fn file(&self, path: &str) -> Arc<dyn StorageFile> {
        self.storage.open(Path::new(path)).unwrap()
    }

    pub(super) fn recover(&self, path: &str) -> Result<Recovered> {
        let origin = origin(path);
        let path = Path::new(path);
        let file = self.storage.open(path).unwrap();
        recover(&self.storage, path, &file, &origin, &READ, None)
    }

    /// What the store at `path` holds, of the keys in `keys`.
    pub(super) fn contents(&self, path: &str, found: &Recovered, keys: &[Made]) -> Model {
        let log = Log::new(self.file(path), origin(path), found.header, true, 0);
        let view = log.view(found.end.tail).unwrap();
        let mut model = Model::new();
        for key in keys.iter().map(|made| &made.key) {
            let hash = found.header.hash(key);
            let newest = found.index.find(&view, hash, key).unwrap();
            if let Some(newest) = newest.filter(|newest| !newest.is_deleted) {
                let mut value = vec![0; newest.record.head.value_len as usize];
                view.read(newest.record.extent.value, &mut value).unwrap();
                model.insert(key.clone(), value);
            }
        }
        assert_eq!(model.len() as u64, found.live);
        model
    }
}
