//! A log whose keys have the hashes that a test wants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::super::error::Result;
use super::super::super::format::{End, FIRST, Head, Header, RecordType};
use super::super::super::log::{Log, View};
use crate::map::sim::SimStorage;
use crate::map::{Origin, RealStorage, Storage, StorageFile};

pub(super) const HEADER: Header = Header {
    uuid: [9; 16],
    seed: 5,
    align_log2: 6,
    features: [0; 3],
};

/// Removed at the end, where it is a real one.
pub(super) struct Folder {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) path: PathBuf,
    is_real: bool,
}

impl Folder {
    pub(super) fn real(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("adit-index-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder {
            storage: Arc::new(RealStorage),
            path,
            is_real: true,
        }
    }

    pub(super) fn simulated() -> Folder {
        Folder {
            storage: Arc::new(SimStorage::new()),
            path: PathBuf::from("/folder"),
            is_real: false,
        }
    }

    pub(super) fn index(&self) -> PathBuf {
        self.path.join("log.idx")
    }

    /// Puts any bytes at the index's path.
    pub(super) fn put_index(&self, bytes: &[u8]) {
        let path = self.index();
        let _ = self.storage.remove(&path);
        let file = self.storage.create_new(&path).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_real {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

pub(super) struct TestLog {
    file: Arc<dyn StorageFile>,
    pub(super) log: Log,
    pub(super) end: End,
}

impl TestLog {
    pub(super) fn new(folder: &Folder) -> TestLog {
        let path = folder.path.join("log");
        let _ = folder.storage.remove(&path);
        let file = folder.storage.create_new(&path).unwrap();
        file.write_all_at(&[0; FIRST as usize], 0).unwrap();
        let origin = Origin::Path(path);
        TestLog {
            log: Log::new(Arc::clone(&file), origin, HEADER, true, 1 << 30),
            file,
            end: End::start(&HEADER),
        }
    }

    /// Appends a record without a value; its offset.
    pub(super) fn append(&mut self, hash: u64, key: &[u8], is_delete: bool) -> u64 {
        let offset = self.end.tail;
        let kind = if is_delete {
            RecordType::Delete
        } else {
            RecordType::Put
        };
        let mut head = Head {
            kind,
            is_last: true,
            key_len: key.len() as u16,
            value_len: 0,
            key_hash: hash,
            crc: 0,
            durable_distance: 0,
            chain: 0,
            prev: self.end.last,
        };
        head.chain = HEADER.chain(self.end.chain, offset, &head.encode());
        let end = head.extent(offset, 64).end;
        let mut bytes = [&head.encode()[..], key].concat();
        bytes.resize((end - offset) as usize, 0);
        self.file.write_all_at(&bytes, offset).unwrap();
        self.end = End {
            tail: end,
            last: offset,
            chain: head.chain,
            records: self.end.records + 1,
        };
        offset
    }

    pub(super) fn view(&self) -> View {
        self.log.view(self.end.tail).unwrap()
    }
}

/// Whether two records of a log have the same key.
pub(super) fn same_key(view: &View, a: u64, b: u64) -> Result<bool> {
    let key = |offset| {
        let record = view.record(offset)?;
        let mut key = vec![0; usize::from(record.head.key_len)];
        view.read(offset + 48, &mut key)?;
        Ok::<_, super::super::super::Error>(key)
    };
    Ok(key(a)? == key(b)?)
}

pub(super) fn bytes_of(storage: &Arc<dyn Storage>, path: &Path) -> Vec<u8> {
    let file = storage.open(path).unwrap();
    let len = file.info().unwrap().len as usize;
    let mut bytes = vec![std::mem::MaybeUninit::new(0); len];
    let mut done = 0;
    while done < len {
        done += file.read_at(&mut bytes[done..], done as u64).unwrap();
    }
    // SAFETY: every byte was initialised above.
    bytes
        .into_iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect()
}
