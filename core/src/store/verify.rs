//! Everything in a store looked at: the log, its checkpoints, and whether the index agrees.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use super::delta::Delta;
use super::error::{Error, Result};
use super::format::{End, FIRST, PAGE, RecordType, Slot, UNIT};
use super::index::{Base, IndexSet};
use super::log::{Log, Record, View};
use super::options::StoreAccess;
use super::recover::{beside, check_checkpoint, len, read_header, read_slots};
use super::salvage::find_header;
use super::store::Store;
use super::survey::{Gap, Sight, Surveyor};
use crate::map::{self, Origin, Progress, Storage, StorageFile};

/// Something that isn't what it was when it was written.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    /// The file: the log, or its index.
    pub path: &'a Path,
    /// Where the damage starts.
    pub offset: u64,
    /// Its bytes, as far as that can be told: up to the next record that is sound.
    pub len: u64,
    /// What is wrong.
    pub why: &'a str,
    /// The hash of the key whose record it was, where that can be told.
    pub key_hash: Option<u64>,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records that are sound, of all kinds and versions.
    pub records: u64,
    /// Of these, puts and tensors.
    pub entries: u64,
    /// Of these, deletes.
    pub tombstones: u64,
    /// Bytes of the log.
    pub bytes: u64,
    /// Bytes behind the tail, of what never was a whole batch: no damage.
    pub torn_bytes: u64,
    /// Calls of the callback.
    pub damages: u64,
    /// Bytes of the log that are damaged.
    pub damaged_bytes: u64,
    /// There was an index of this log, and the log was sound enough to compare it with.
    pub has_index: bool,
}

/// Told of each damage.
pub type OnDamage<'a> = &'a mut dyn FnMut(&Damage<'_>);

/// Checks every byte that is in use of the store at `path`, one that can't be opened too: the
/// header, both checkpoints, each record's chain, key and value, the tail; then each page of the
/// index, and that it has the newest record of each key and no other. Nothing is written.
/// `progress` is told bytes of the log.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Unsupported`], [`Error::Cancelled`]; the system's.
pub fn verify_file(
    storage: &Arc<dyn Storage>,
    path: &Path,
    on_damage: OnDamage<'_>,
    progress: Progress<'_>,
) -> Result<Verified> {
    let origin = Origin::Path(path.to_owned());
    let file = storage
        .open(path)
        .map_err(map::Error::io("open", &origin))?;
    let looked = Looked {
        storage,
        path,
        file: &file,
        origin: &origin,
        limit: None,
        // It may be cut at any time, by whoever made it what it is.
        maps_index: false,
    };
    verify_log(&looked, on_damage, progress)
}

impl Store {
    /// As [`verify_file`], of what snapshots see now. Others may write meanwhile.
    ///
    /// # Errors
    /// As [`verify_file`]; [`Error::Forked`].
    pub fn verify(&self, on_damage: OnDamage<'_>, progress: Progress<'_>) -> Result<Verified> {
        let inner = &*self.inner;
        inner.check_process()?;
        let (log, tail) = {
            let shared = inner.lock_shared();
            (Arc::clone(&shared.log), shared.published.end.tail)
        };
        let looked = Looked {
            storage: &inner.storage,
            path: &inner.path,
            file: &log.file,
            origin: &inner.origin,
            limit: Some(tail),
            maps_index: inner.options.access != StoreAccess::Exclusive,
        };
        verify_log(&looked, on_damage, progress)
    }
}

/// What is verified, and how it is looked at.
struct Looked<'a> {
    storage: &'a Arc<dyn Storage>,
    path: &'a Path,
    file: &'a Arc<dyn StorageFile>,
    origin: &'a Origin,
    /// The tail that is seen; none for the file's end.
    limit: Option<u64>,
    maps_index: bool,
}

fn verify_log(
    looked: &Looked<'_>,
    on_damage: OnDamage<'_>,
    progress: Progress<'_>,
) -> Result<Verified> {
    let Looked { file, origin, .. } = *looked;
    let mut teller = Teller {
        path: looked.path,
        on_damage,
        found: Verified::default(),
    };
    let header = match read_header(&**file, origin, false) {
        Err(Error::Damaged { why, .. }) => {
            teller.tell(0, PAGE as u64, &why, None);
            match find_header(&**file, origin) {
                Ok(header) => header,
                Err(_) => return Ok(teller.found),
            }
        }
        header => header?,
    };
    let file_len = len(&**file, origin)?;
    let slots = read_slots(&**file, origin, &header)?;
    let newest = slots.iter().flatten().map(|slot| slot.end.tail).max();
    let durable = newest.unwrap_or(FIRST);
    // A checkpoint may be newer than the tail that was asked for.
    let limit = looked.limit;
    let limit = limit.map_or(file_len, |limit| limit.max(durable).min(file_len));
    if newest.is_none() {
        let (at, pages) = (Slot::offset(1), (PAGE as u64).saturating_mul(2));
        teller.tell(at, pages, "neither checkpoint is valid", None);
    }
    let mut ends = Ends::new(slots);
    let surveyor = Surveyor {
        file: &**file,
        origin,
        header: &header,
        limit,
        slots,
    };
    let mut is_sound = true;
    let mut see = |sight| {
        match sight {
            Sight::Record(record) => teller.count(&record),
            Sight::Gap(gap) => {
                is_sound = false;
                teller.gap(&gap);
            }
            Sight::BatchEnd(end) => ends.pass(&end),
        }
        Ok(())
    };
    let survey = surveyor.run(&mut see, progress)?;
    teller.found.torn_bytes = survey.torn_bytes;
    teller.found.bytes = limit;
    if durable > file_len {
        is_sound = false;
        let lost = durable.saturating_sub(file_len);
        teller.tell(
            file_len,
            lost,
            "the file was cut: these bytes were durable",
            None,
        );
    }
    if is_sound {
        // Where the log is damaged, its checkpoints are the better word.
        for slot in ends.missed() {
            let why = "this checkpoint isn't of the log's records";
            teller.tell(Slot::offset(slot.sequence), PAGE as u64, why, None);
        }
        // Not mapped: a log that is cut meanwhile is an error.
        let log = Log::new(Arc::clone(file), origin.clone(), header, false, 0);
        let view = log.view(survey.tail)?;
        verify_index(looked, &log, &view, &surveyor, &mut teller)?;
    }
    Ok(teller.found)
}

struct Teller<'a> {
    path: &'a Path,
    on_damage: OnDamage<'a>,
    found: Verified,
}

impl Teller<'_> {
    fn tell(&mut self, offset: u64, len: u64, why: &str, key_hash: Option<u64>) {
        self.found.damaged_bytes = self.found.damaged_bytes.saturating_add(len);
        self.tell_of(self.path, offset, len, why, key_hash);
    }

    fn tell_of(&mut self, path: &Path, offset: u64, len: u64, why: &str, key_hash: Option<u64>) {
        self.found.damages = self.found.damages.saturating_add(1);
        (self.on_damage)(&Damage {
            path,
            offset,
            len,
            why,
            key_hash,
        });
    }

    fn gap(&mut self, gap: &Gap) {
        self.tell(gap.offset, gap.len, gap.why, gap.key_hash);
    }

    fn count(&mut self, record: &Record) {
        let found = &mut self.found;
        found.records = found.records.saturating_add(1);
        let count = match record.head.kind {
            RecordType::Put | RecordType::Tensor => &mut found.entries,
            RecordType::Delete => &mut found.tombstones,
            RecordType::Epoch => return,
        };
        *count = count.saturating_add(1);
    }
}

/// Checkpoints, and whether the log has come by their ends.
struct Ends {
    slots: [Option<Slot>; 2],
}

impl Ends {
    fn new(slots: [Option<Slot>; 2]) -> Ends {
        // The start is no batch's end.
        let slots = slots.map(|slot| slot.filter(|slot| slot.end.last != 0));
        Ends { slots }
    }

    fn pass(&mut self, end: &End) {
        for slot in &mut self.slots {
            if slot.is_some_and(|slot| slot.end == *end) {
                *slot = None;
            }
        }
    }

    fn missed(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }
}

/// Whether the index has the newest record of each key and no other.
fn verify_index(
    looked: &Looked<'_>,
    log: &Log,
    view: &View,
    surveyor: &Surveyor<'_>,
    teller: &mut Teller<'_>,
) -> Result<()> {
    let path = beside(looked.path, ".idx");
    let (storage, on_heap) = (looked.storage, !looked.maps_index);
    let Some(base) = Base::open(storage, &path, &log.header, view.tail, on_heap)? else {
        return Ok(());
    };
    let covered = *base.covered();
    if check_checkpoint(
        surveyor.file,
        surveyor.origin,
        surveyor.header,
        &covered,
        view.tail,
    )
    .is_err()
    {
        log::info!("'{}' is of another state of the log", path.display());
        return Ok(());
    }
    teller.found.has_index = true;
    let mut entries: u64 = 0;
    for entry in base.entries() {
        match entry {
            Ok(_) => entries = entries.saturating_add(1),
            Err(error) => return teller.index_error(&path, error),
        }
    }
    let live = base.live();
    let no_delta = Delta::new(1).ok_or_else(|| Error::out_of_memory(&log.origin, UNIT))?;
    let mut lookup = LookUp {
        view,
        index: IndexSet {
            base: Arc::new(base),
            frozen: None,
            active: Arc::new(no_delta),
        },
        covered,
        newest: 0,
        gone: HashMap::new(),
        key: Vec::new(),
        wrong: None,
    };
    let mut see = |sight| match sight {
        Sight::Record(record) => lookup.record(&record),
        Sight::Gap(_) | Sight::BatchEnd(_) => Ok(()),
    };
    match surveyor.run(&mut see, &mut |_, _| true) {
        Err(error @ (Error::Index { .. } | Error::Record { .. })) => {
            return teller.index_error(&path, error);
        }
        result => result?,
    };
    let is_missing = lookup.gone.values().any(|is_deleted| !is_deleted);
    let why = match lookup.wrong {
        Some(why) => why,
        None if is_missing => "it has no entry of a key that is there",
        None if lookup.newest != entries || live != entries => {
            "it counts other keys than there are"
        }
        None => return Ok(()),
    };
    teller.tell_of(&path, 0, 0, why, None);
    Ok(())
}

impl Teller<'_> {
    fn index_error(&mut self, path: &Path, error: Error) -> Result<()> {
        let (Error::Index { offset, why, .. } | Error::Record { offset, why, .. }) = error else {
            return Err(error);
        };
        self.tell_of(path, offset, PAGE as u64, why, None);
        Ok(())
    }
}

/// Compares an index with the records that it covers, in their order.
struct LookUp<'a> {
    view: &'a View,
    index: IndexSet,
    covered: End,
    /// Records that the index has.
    newest: u64,
    /// Keys that the index hasn't, and whether the last record of each deletes it.
    gone: HashMap<u64, bool>,
    key: Vec<u8>,
    wrong: Option<&'static str>,
}

impl LookUp<'_> {
    fn record(&mut self, record: &Record) -> Result<()> {
        let kind = record.head.kind;
        if record.offset >= self.covered.tail || kind == RecordType::Epoch {
            return Ok(());
        }
        let hash = record.head.key_hash;
        self.view.key(record, &mut self.key)?;
        match self.index.find(self.view, hash, &self.key)? {
            Some(found) if found.record.offset < record.offset => {
                self.wrong = Some("it has an old record of a key");
            }
            Some(found) if found.record.offset == record.offset => {
                self.newest = self.newest.saturating_add(1);
                if kind == RecordType::Delete {
                    self.wrong = Some("it has a delete");
                }
            }
            Some(_) => {}
            None => {
                let reserved = self.gone.try_reserve(1);
                let bytes = (self.gone.len() as u64).saturating_mul(16);
                let origin = self.view.origin();
                reserved.map_err(|_| Error::out_of_memory(origin, bytes))?;
                self.gone.insert(hash, kind == RecordType::Delete);
            }
        }
        Ok(())
    }
}
