//! Opening and closing stores.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::create::create;
use super::error::{Error, Result};
use super::follow;
use super::format::{End, Slot, UNIT};
use super::live::LiveTails;
use super::lock_file::LockFile;
use super::log::Log;
use super::merge::Merger;
use super::network;
use super::options::{OpenMode, StoreAccess, StoreOptions, SyncPolicy};
use super::recover::{Recovered, Tail, find_tail, read_header};
use super::replay::{Merges, replay};
use super::store::{Counters, Inner, Mark, Shared, Store, Writer};
use super::syncs::Syncs;
use crate::map::{self, Origin, Owner, RealStorage, Storage, StorageFile};

/// Bytes that are written again at a time.
const PIECE: u64 = 1 << 20;

impl Store {
    /// Opens or makes the store at a path.
    ///
    /// # Errors
    /// The system's; [`Error::WrongFormat`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::Busy`].
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Store> {
        Store::open_on(Arc::new(RealStorage), path, options)
    }

    /// As [`Store::open`], on another storage.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &StoreOptions,
    ) -> Result<Store> {
        let opening = Opening {
            origin: Origin::Path(path.to_owned()),
            path: resolve(&*storage, path)?,
            storage,
            options: *options,
        };
        let inner = match options.mode {
            OpenMode::Read => opening.to_read()?,
            OpenMode::Create | OpenMode::Write | OpenMode::New => opening.to_write()?,
        };
        Ok(Store { inner })
    }

    /// Closes the store: a checkpoint by policy, the index, the lock. What fails there is logged;
    /// [`Store::sync`] before tells. Snapshots live on.
    pub fn close(self) {}
}

impl Drop for Store {
    fn drop(&mut self) {
        // What a forked child has inherited is its parent's to close.
        if self.inner.owner.is_this_process() {
            self.inner.close();
        }
    }
}

impl Inner {
    fn close(&self) {
        if self.is_writable {
            let mut writer = self.lock_writer();
            writer.is_closed = true;
            self.merger.wait();
            if self.options.sync != SyncPolicy::None && self.syncs.check(&self.origin).is_ok() {
                match self.checkpoint() {
                    Ok(()) => self.write_index(),
                    Err(error) => log::error!("what was written last may be lost: {error}"),
                }
            }
            // Under every policy: the next opening would find it wrong again.
            self.remove_bad_index();
        }
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *lock = None;
    }
}

/// The absolute path, links resolved: of what is there, or of the folder that it is to be in.
fn resolve(storage: &dyn Storage, path: &Path) -> Result<PathBuf> {
    let origin = Origin::Path(path.to_owned());
    let io = |action| map::Error::io(action, &origin);
    if storage.kind(path).map_err(io("look at"))?.is_some() {
        return Ok(storage.resolve(path).map_err(io("find"))?);
    }
    // Without that a folder's name would make a file.
    map::Publication::file_name(path)?;
    let path = std::path::absolute(path).map_err(io("find"))?;
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = storage.resolve(folder).map_err(io("find the folder of"))?;
            Ok(folder.join(name))
        }
        _ => Ok(path),
    }
}

struct Opening {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    origin: Origin,
    options: StoreOptions,
}

impl Opening {
    fn to_read(&self) -> Result<Arc<Inner>> {
        let opened = follow::open(&self.storage, &self.path, &self.origin, &self.options)?;
        let found = opened.recovered;
        Ok(self.inner(self.log(opened.file, &found), found, None))
    }

    fn to_write(&self) -> Result<Arc<Inner>> {
        // Before anything is made beside it: what isn't a store is left alone.
        if self.is_there()? {
            if self.options.mode == OpenMode::New {
                let origin = self.origin.clone();
                return Err(map::Error::Exists { origin }.into());
            }
            let file = self.storage.open(&self.path).map_err(self.io("open"))?;
            read_header(&*file, &self.origin, true)?;
            network::check(&*file, &self.origin, self.options.access)?;
        } else if self.options.mode == OpenMode::Write {
            // For the system's own words.
            self.storage.open(&self.path).map_err(self.io("open"))?;
        }
        let lock = LockFile::take(&self.storage, &self.path, self.options.access)?;
        let is_new = !self.is_there()?;
        if is_new {
            create(&self.storage, &self.path, &self.origin, &self.options)?;
        }
        let file = self.storage.open_to_write(&self.path);
        let file = file.map_err(self.io("open for writing"))?;
        network::check(&*file, &self.origin, self.options.access)?;
        lock.keep(lock.lock_log(&self.storage, &self.path, &*file)?);
        let tail = find_tail(&*file, &self.origin, &self.options, None)?;
        let log = Log::new(
            file,
            self.origin.clone(),
            tail.header,
            self.options.access != StoreAccess::Exclusive,
            self.options.reservation,
        );
        // A log with a later checkpoint had a durable name before that was written.
        if !is_new && tail.slot.is_none_or(|slot| slot.sequence <= 1) {
            self.sync_folder()?;
        }
        self.make_durable(&log, &tail)?;
        let merges = Merges::ToFile;
        let replayed = replay(
            &self.storage,
            &self.path,
            &log,
            &tail,
            &self.options,
            merges,
        )?;
        let inner = self.inner(log, Recovered::new(&tail, replayed), Some(lock));
        inner.checkpoint()?;
        Ok(inner)
    }

    fn is_there(&self) -> Result<bool> {
        let kind = self.storage.kind(&self.path).map_err(self.io("look at"))?;
        Ok(kind.is_some())
    }

    fn io(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> map::Error + use<> {
        map::Error::io(action, &self.origin)
    }

    fn log(&self, file: Arc<dyn StorageFile>, found: &Recovered) -> Log {
        Log::new(
            file,
            self.origin.clone(),
            found.header,
            self.options.access != StoreAccess::Exclusive,
            self.options.reservation,
        )
    }

    /// Whoever made or compacted the store may have ended, or failed, before its name was durable.
    fn sync_folder(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let synced = self.storage.sync_folder(folder);
        Ok(synced.map_err(self.io("sync the folder of"))?)
    }

    /// Writes what lies behind the newest checkpoint again, as it is, and syncs it: the page cache
    /// may have what the disk never got. Of what lies behind the tail the first bytes become zeros:
    /// a record that is none because the file ends too soon would be one when it grows.
    fn make_durable(&self, log: &Log, tail: &Tail) -> Result<()> {
        let (mut at, end) = (tail.durable, tail.end.tail);
        let view = log.view(end)?;
        let mut behind = [0; UNIT as usize];
        let behind = behind.get_mut(..UNIT.min(tail.torn_bytes) as usize);
        let behind = behind.unwrap_or_default();
        view.read(end, behind)?;
        let is_clean = behind.iter().all(|&byte| byte == 0);
        if at >= end && is_clean {
            return Ok(());
        }
        if !is_clean {
            let wrote = log.file.write_all_at(&[0; UNIT as usize], end);
            wrote.map_err(map::Error::io_at("write", &self.origin, end))?;
        }
        let mut piece: Vec<u8> = Vec::new();
        let reserved = piece.try_reserve_exact(PIECE.min(end - at) as usize);
        reserved.map_err(|_| Error::out_of_memory(&self.origin, PIECE))?;
        while at < end {
            let len = PIECE.min(end - at) as usize;
            piece.clear();
            let room = piece.spare_capacity_mut().get_mut(..len);
            view.read_file(at, room.unwrap_or_default())?;
            // SAFETY: read_file filled the first `len` bytes, which are within the capacity.
            unsafe { piece.set_len(len) };
            let wrote = log.file.write_all_at(&piece, at);
            wrote.map_err(map::Error::io_at("write", &self.origin, at))?;
            at += len as u64;
        }
        log.file.sync_data().map_err(self.io("sync"))?;
        Ok(())
    }

    fn inner(&self, log: Log, found: Recovered, lock: Option<LockFile>) -> Arc<Inner> {
        let mark = Mark {
            sequence: 0,
            end: found.end,
            live: found.live,
            live_bytes: found.live_bytes,
        };
        let slot = found.slot.unwrap_or(Slot {
            sequence: 0,
            end: End::start(&found.header),
            live: 0,
            live_bytes: 0,
        });
        let is_writable = lock.is_some();
        let durable = if is_writable {
            found.end.tail
        } else {
            found.durable
        };
        let counters = Counters {
            torn_bytes: AtomicU64::new(found.torn_bytes),
            replayed: AtomicU64::new(found.replayed),
            rebuilt_index: AtomicBool::new(found.rebuilt_index),
            ..Counters::default()
        };
        debug_assert_eq!(counters.commits.load(Ordering::Relaxed), 0);
        Arc::new(Inner {
            storage: Arc::clone(&self.storage),
            path: self.path.clone(),
            origin: self.origin.clone(),
            options: self.options,
            owner: Owner::this_process(),
            is_writable,
            lock: Mutex::new(lock),
            writer: Mutex::new(Writer {
                is_closed: false,
                has_epoch: false,
                busy: None,
                view: None,
            }),
            merger: Merger::default(),
            syncs: Syncs::new(slot, durable),
            shared: Mutex::new(Shared {
                log: Arc::new(log),
                index: found.index,
                live_tails: Arc::new(LiveTails::new()),
                published: mark,
                appended: mark,
            }),
            is_compacting: AtomicBool::new(false),
            counters,
        })
    }
}
