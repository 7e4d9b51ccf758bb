//! What is sound of a damaged store, in a new one.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{FIRST, Header, PAGE, RecordType};
use super::log::Log;
use super::new_log::NewLog;
use super::options::{OpenMode, StoreOptions};
use super::recover::{Tail, len, read_header, read_page, read_slots};
use super::replay::{Merges, replay};
use super::resync::Seeker;
use super::survey::{Sight, Surveyor};
use super::window::Window;
use crate::map::{self, Origin, Progress, Storage, StorageFile, random_bytes};

/// What was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Puts and tensors that were copied, older versions of their keys among them.
    pub entries: u64,
    /// Deletes that were copied.
    pub tombstones: u64,
    /// Keys in the new store.
    pub live: u64,
    /// Stretches that are damaged: a value, or some records.
    pub damaged_stretches: u64,
    /// Their bytes.
    pub skipped_bytes: u64,
    /// Bytes behind the tail of batches that were never whole.
    pub torn_bytes: u64,
}

/// Copies all sound entries of the store at `from` to a new one at `to`, where nothing may stand.
/// They are copied in their order, older versions and deletes too. Where the newest record of a key
/// is damaged, the one before it counts again. The source is only read; `progress` is told its
/// bytes. Of a store in one piece it is a copy.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Damaged`] where nothing can be found, [`Error::Unsupported`],
/// [`Error::Cancelled`]; [`map::Error::Exists`] and the system's.
pub fn salvage(
    storage: &Arc<dyn Storage>,
    from: &Path,
    to: &Path,
    options: &StoreOptions,
    progress: Progress<'_>,
) -> Result<Salvage> {
    let origin = Origin::Path(from.to_owned());
    let file = storage
        .open(from)
        .map_err(map::Error::io("open", &origin))?;
    let header = find_header(&*file, &origin)?;
    let limit = len(&*file, &origin)?;
    let surveyor = Surveyor {
        file: &*file,
        origin: &origin,
        header: &header,
        limit,
        slots: read_slots(&*file, &origin, &header)?,
    };
    let new_header = Header {
        uuid: random_bytes(),
        features: [0; 3],
        ..header
    };
    let mut new = NewLog::create(storage, to, new_header, false)?;
    let mut saved = Salvage::default();
    let mut window = Window::new(&*file, &origin, limit);
    let mut see = |sight| {
        match sight {
            Sight::Record(record) => {
                let count = match record.head.kind {
                    RecordType::Epoch => return Ok(()),
                    RecordType::Delete => &mut saved.tombstones,
                    RecordType::Put | RecordType::Tensor => &mut saved.entries,
                };
                *count = count.saturating_add(1);
                new.copy(&record, &mut window)?;
            }
            Sight::Gap(gap) => {
                saved.damaged_stretches = saved.damaged_stretches.saturating_add(1);
                saved.skipped_bytes = saved.skipped_bytes.saturating_add(gap.len);
            }
            Sight::BatchEnd(_) => {}
        }
        Ok(())
    };
    let survey = surveyor.run(&mut see, progress)?;
    saved.torn_bytes = survey.torn_bytes;
    let (live, live_bytes) = new.count(storage, options)?;
    saved.live = live;
    new.publish(live, live_bytes)?;
    Ok(saved)
}

/// The header, where need be without regard to its checksum: a record that fits to it will do.
pub(crate) fn find_header(file: &dyn StorageFile, origin: &Origin) -> Result<Header> {
    let error = match read_header(file, origin, false) {
        Err(error @ (Error::Damaged { .. } | Error::WrongFormat { .. })) => error,
        found => return found,
    };
    let (page, limit) = read_page(file, origin)?;
    let Some(page) = page.first_chunk::<PAGE>().filter(|_| limit > FIRST) else {
        return Err(error);
    };
    let mut best = None;
    for header in Header::guesses(page) {
        let slots = read_slots(file, origin, &header)?;
        let mut seeker = Seeker::new(file, origin, &header, limit, slots);
        if seeker.next(FIRST, limit)?.is_some() {
            let followed = seeker.followed()?;
            if best.is_none_or(|(most, _)| followed > most) {
                best = Some((followed, header));
            }
        }
    }
    if let Some((_, header)) = best {
        log::warn!("{origin}: the header is damaged, but its records fit to it");
        return Ok(header);
    }
    Err(error)
}

impl NewLog {
    /// Live keys and the bytes of their records, by an index in memory.
    fn count(&mut self, storage: &Arc<dyn Storage>, options: &StoreOptions) -> Result<(u64, u64)> {
        let (file, origin, header, end) = self.written()?;
        let log = Log::new(file, origin, header, false, 0);
        let tail = Tail {
            header,
            slot: None,
            end,
            durable: FIRST,
            torn_bytes: 0,
        };
        let options = StoreOptions {
            mode: OpenMode::Read,
            expected_keys: 0,
            ..*options
        };
        let path = self.temporary().to_owned();
        let replayed = replay(storage, &path, &log, &tail, &options, Merges::OnHeap)?;
        Ok((replayed.counts.live, replayed.counts.live_bytes))
    }
}
