//! Opening a log: its header, its checkpoint, its tail.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, FIRST, HEAD, Head, Header, HeaderFault, PAGE, SLOT, Slot};
use super::index::IndexSet;
use super::log::Log;
use super::options::{OpenMode, StoreAccess, StoreOptions};
use super::replay::{Merges, Replayed, replay};
use super::resync::Seeker;
use super::scan::{CheckValues, Scanner, Step, Stop};
use super::window::Window;
use crate::map::{self, FileKind, Origin, Storage, StorageFile};

/// What of a log counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) header: Header,
    /// The newest checkpoint, if there is one.
    pub(crate) slot: Option<Slot>,
    /// The end of the last whole batch.
    pub(crate) end: End,
    /// Everything below was durable: the checkpoint's tail, or the first record's place.
    pub(crate) durable: u64,
    /// Bytes behind the tail, of a crash, a failed write, or a stream that was aborted.
    pub(crate) torn_bytes: u64,
}

/// A log that can be read, and its index.
pub(crate) struct Recovered {
    pub(crate) header: Header,
    pub(crate) slot: Option<Slot>,
    pub(crate) end: End,
    pub(crate) durable: u64,
    pub(crate) torn_bytes: u64,
    pub(crate) index: IndexSet,
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
    /// Records that the index didn't have yet.
    pub(crate) replayed: u64,
    /// There was no index that fits.
    pub(crate) rebuilt_index: bool,
}

/// Finds the tail and makes the index ready, for a handle that only reads: `limit` is the tail that
/// a living writer has published. Those that write call [`find_tail`], make the log durable as far
/// as that, and then call [`replay`].
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Unsupported`], [`Error::Damaged`]; the system's.
pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    path: &Path,
    file: &Arc<dyn StorageFile>,
    origin: &Origin,
    options: &StoreOptions,
    limit: Option<u64>,
) -> Result<Recovered> {
    let tail = find_tail(&**file, origin, options, limit)?;
    let is_mapped = options.access != StoreAccess::Exclusive;
    let log = Log::new(
        Arc::clone(file),
        origin.clone(),
        tail.header,
        is_mapped,
        options.reservation,
    );
    let replayed = replay(storage, path, &log, &tail, options, Merges::OnHeap)?;
    Ok(Recovered::new(&tail, replayed))
}

impl Recovered {
    pub(crate) fn new(tail: &Tail, replayed: Replayed) -> Recovered {
        Recovered {
            header: tail.header,
            slot: tail.slot,
            end: tail.end,
            durable: tail.durable,
            torn_bytes: tail.torn_bytes,
            index: replayed.index,
            live: replayed.counts.live,
            live_bytes: replayed.counts.live_bytes,
            replayed: replayed.records,
            rebuilt_index: replayed.rebuilt,
        }
    }
}

/// Where the last whole batch of a log ends. Nothing is written.
///
/// # Errors
/// As [`recover`].
pub(crate) fn find_tail(
    file: &dyn StorageFile,
    origin: &Origin,
    options: &StoreOptions,
    limit: Option<u64>,
) -> Result<Tail> {
    let header = read_header(file, origin, options.mode != OpenMode::Read)?;
    let slot = read_slot(file, origin, &header)?;
    let len = len(file, origin)?;
    let from = slot.map_or(End::start(&header), |slot| slot.end);
    check_checkpoint(file, origin, &header, &from, len)?;
    if slot.is_none() {
        log::warn!("{origin} has no checkpoint that is whole: all of it is checked");
    }
    // A checkpoint made since the writer's word was read is as good.
    let limit = limit.map_or(len, |limit| limit.max(from.tail).min(len));
    let mut scanner = Scanner::new(file, origin, &header, from, limit, CheckValues::Yes);
    #[cfg(any(test, feature = "sim"))]
    scanner.plant(options.planted);
    let stop = scan_to_stop(&mut scanner)?;
    let end = scanner.end();
    if slot.is_none() && end.records == 0 && len > FIRST {
        return Err(Error::Damaged {
            origin: origin.clone(),
            offset: stop.offset,
            why: format!("there is no checkpoint, and {}", stop.why),
            sound: 0,
        });
    }
    let proof = Seeker::new(file, origin, &header, limit, [None; 2]).durable(stop.offset)?;
    if proof > stop.offset {
        return Err(Error::Damaged {
            origin: origin.clone(),
            offset: stop.offset,
            why: format!(
                "{}, and a record behind it was written when this was durable",
                stop.why
            ),
            sound: end.records,
        });
    }
    Ok(Tail {
        header,
        slot,
        end,
        durable: from.tail,
        torn_bytes: len.saturating_sub(end.tail),
    })
}

pub(crate) fn scan_to_stop(scanner: &mut Scanner<'_>) -> Result<Stop> {
    loop {
        if let Step::Stop(stop) = scanner.next()? {
            return Ok(stop);
        }
    }
}

pub(crate) fn len(file: &dyn StorageFile, origin: &Origin) -> Result<u64> {
    let info = file.info().map_err(map::Error::io("look at", origin))?;
    Ok(info.len)
}

/// The header page of a log that is to be read, or written.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Unsupported`], [`Error::Damaged`]; the system's.
pub(crate) fn read_header(
    file: &dyn StorageFile,
    origin: &Origin,
    to_write: bool,
) -> Result<Header> {
    let (page, len) = read_page(file, origin)?;
    let damaged = |offset, why: &str| Error::Damaged {
        origin: origin.clone(),
        offset,
        why: format!("the page of its header is wrong: {why}"),
        sound: 0,
    };
    let header = Header::decode(&page).map_err(|fault| match fault {
        HeaderFault::Foreign => Error::WrongFormat {
            origin: origin.clone(),
            why: match page.is_empty() {
                true => "it is empty".to_owned(),
                false => "it doesn't start as stores do".to_owned(),
            },
        },
        HeaderFault::Damaged(why) => damaged(0, why),
        HeaderFault::Version(version) => Error::Unsupported {
            origin: origin.clone(),
            what: format!("a store of version {version}; this library reads version 1"),
        },
        HeaderFault::Features(bits) => Error::Unsupported {
            origin: origin.clone(),
            what: format!("a store with features {bits:#x}, which this library doesn't know"),
        },
    })?;
    let [_, _, to_be_read_only] = header.features;
    if to_write && to_be_read_only != 0 {
        return Err(Error::Unsupported {
            origin: origin.clone(),
            what: format!(
                "a store with features {to_be_read_only:#x}, which this library doesn't know; it \
                 can be opened for reading"
            ),
        });
    }
    if len < FIRST {
        return Err(damaged(
            len,
            "the file ends before the place of the first record",
        ));
    }
    Ok(header)
}

/// The first page, or what there is of it, and the file's length.
pub(crate) fn read_page(file: &dyn StorageFile, origin: &Origin) -> Result<(Vec<u8>, u64)> {
    let info = file.info().map_err(map::Error::io("look at", origin))?;
    if info.kind != FileKind::Regular {
        return Err(map::Error::not_a_file(info.kind, origin.clone()).into());
    }
    let mut window = Window::new(file, origin, info.len);
    let wanted = usize::try_from(info.len).unwrap_or(PAGE).min(PAGE);
    let page = window.get(0, wanted)?.unwrap_or_default();
    let mut copy = Vec::new();
    let reserved = copy.try_reserve_exact(page.len());
    reserved.map_err(|_| Error::out_of_memory(origin, PAGE as u64))?;
    copy.extend_from_slice(page);
    Ok((copy, info.len))
}

/// The newest valid checkpoint.
pub(crate) fn read_slot(
    file: &dyn StorageFile,
    origin: &Origin,
    header: &Header,
) -> Result<Option<Slot>> {
    let [a, b] = read_slots(file, origin, header)?;
    Ok(match (a, b) {
        (Some(a), Some(b)) if b.sequence > a.sequence => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    })
}

/// Both checkpoints, where they are valid.
pub(crate) fn read_slots(
    file: &dyn StorageFile,
    origin: &Origin,
    header: &Header,
) -> Result<[Option<Slot>; 2]> {
    let mut window = Window::new(file, origin, FIRST);
    let mut slots = [None; 2];
    for (slot, sequence) in slots.iter_mut().zip([1, 2]) {
        let bytes = window.array::<SLOT>(Slot::offset(sequence))?;
        *slot = bytes
            .and_then(|bytes| Slot::decode(&bytes, header))
            .filter(|slot| slot.sequence & 1 == sequence & 1);
    }
    Ok(slots)
}

/// Whether the log has what a checkpoint says that it has.
pub(crate) fn check_checkpoint(
    file: &dyn StorageFile,
    origin: &Origin,
    header: &Header,
    end: &End,
    len: u64,
) -> Result<()> {
    let damaged = |offset, why| Error::Damaged {
        origin: origin.clone(),
        offset,
        why,
        sound: 0,
    };
    if end.tail > len {
        let lost = end.tail.saturating_sub(len);
        let why = format!("the file ends here, and {lost} bytes that were durable are gone");
        return Err(damaged(len, why));
    }
    if end.last == 0 {
        return Ok(());
    }
    let mut window = Window::new(file, origin, end.tail);
    let fits = match window.array::<HEAD>(end.last)? {
        Some(bytes) => Head::decode(&bytes).is_ok_and(|head| {
            let extent = head.extent(end.last, header.align());
            head.chain == end.chain && extent.end == end.tail
        }),
        None => false,
    };
    match fits {
        true => Ok(()),
        false => {
            let why = "the record that a checkpoint names as the last isn't there".to_owned();
            Err(damaged(end.last, why))
        }
    }
}

/// The path of a helper of the store at `path`: `.idx`, `.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
