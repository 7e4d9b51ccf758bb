//! The persistent index: `docs/store-format.md`.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::fmt;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::error::{Error, Result};
use super::super::format::{End, FIRST, Header, PAGE, UNIT};
use super::home;
use super::pages::{BUCKETS, ENTRY, FirstPage, TRAILER, fault_of};
use crate::map::{
    self, HeapBytes, MapMode, Mapping, Origin, Region, Storage, StorageFile, SystemAllocator,
};

/// Bytes of a page.
pub(super) const PAGE_BYTES: u64 = PAGE as u64;
/// Bytes of a bucket.
const BUCKET_BYTES: u64 = 64;
/// An index that is longer than its log by more than this is no index of ours: a record has 64
/// bytes at least, and its entry takes fewer.
const SLACK: u64 = 64 << 10;
/// Entries that a search passes on trust. From here on their records must have their hashes.
const TRUSTED: u32 = 1024;

/// The entries of all live keys below a tail, mapped or on the heap.
pub(crate) struct Base {
    origin: Origin,
    pub(super) first: FirstPage,
    bytes: Bytes,
    /// A bit for each page that was checked.
    checked: Vec<AtomicU64>,
    /// Something was found that is wrong.
    is_bad: AtomicBool,
}

/// All pages, the first one included.
enum Bytes {
    None,
    Mapped(Mapping),
    Heap(HeapBytes),
}

/// What an index says of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Of the entry, and of the record's key if the index is right.
    pub(crate) hash: u64,
    pub(crate) offset: u64,
    /// Where the entry stands in the index.
    pub(crate) at: u64,
}

impl Base {
    /// The index of a log whose records are all in a delta, or that has none. `origin` is what it is
    /// called in messages.
    pub(crate) fn empty(origin: Origin, end: &End) -> Base {
        Base {
            origin,
            first: FirstPage::empty(end),
            bytes: Bytes::None,
            checked: Vec::new(),
            is_bad: AtomicBool::new(false),
        }
    }

    /// The index at `path`, where there is one that was made for the log with this header, of at
    /// most `log_len` bytes. None where there is none, or its first page is damaged or of another
    /// log: a line in the program's log says which. Whether the log has the last record that the
    /// index covers is the caller's to check.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        path: &Path,
        header: &Header,
        log_len: u64,
        on_heap: bool,
    ) -> Result<Option<Base>> {
        let origin = Origin::Path(path.to_owned());
        let file = match storage.open(path) {
            Ok(file) => file,
            Err(error) => {
                ::log::info!("{origin} is not used: {error}");
                return Ok(None);
            }
        };
        match Base::of_file(&*file, &origin, header, log_len, on_heap)? {
            Ok(base) => Ok(Some(base)),
            Err(why) => {
                ::log::info!("{origin} is not used: {why}");
                Ok(None)
            }
        }
    }

    fn of_file(
        file: &dyn StorageFile,
        origin: &Origin,
        header: &Header,
        log_len: u64,
        on_heap: bool,
    ) -> Result<std::result::Result<Base, &'static str>> {
        let io = |error| Error::Map(map::Error::io("read", origin)(error));
        let info = file.info().map_err(io)?;
        if info.kind != map::FileKind::Regular || info.len < PAGE_BYTES {
            return Ok(Err("it is no file, or ends within its first page"));
        }
        let mut page = [0; PAGE];
        if !read_at(file, &mut page, 0).map_err(io)? {
            return Ok(Err("it was cut"));
        }
        let first = match FirstPage::decode(&page, header, info.len) {
            Ok(first) => first,
            Err(why) => return Ok(Err(why)),
        };
        if first.covered.tail > log_len {
            return Ok(Err("it covers more than the log has"));
        }
        if info.len > log_len.saturating_add(SLACK) {
            return Ok(Err("it is longer than its log"));
        }
        let Ok(len) = usize::try_from(info.len) else {
            return Ok(Err("it is too long for this machine"));
        };
        let bytes = if on_heap || file.os_file().is_none() {
            let mut heap = HeapBytes::new(Arc::new(SystemAllocator));
            heap.grow(len, origin)?;
            let room = heap.spare_mut().get_mut(..len).unwrap_or_default();
            if !read_raw_at(file, room, 0).map_err(io)? {
                return Ok(Err("it was cut"));
            }
            // SAFETY: read_raw_at filled all of the room, which starts the spare memory.
            unsafe { heap.filled(len) };
            Bytes::Heap(heap)
        } else {
            Bytes::Mapped(file.map(0, len, MapMode::Read).map_err(io)?)
        };
        Base::new(origin.clone(), first, bytes).map(Ok)
    }

    /// An index that was just built: all pages but the first one.
    pub(super) fn on_heap(origin: Origin, first: FirstPage, pages: HeapBytes) -> Result<Base> {
        Base::new(origin, first, Bytes::Heap(pages))
    }

    fn new(origin: Origin, first: FirstPage, bytes: Bytes) -> Result<Base> {
        let mut checked = Vec::new();
        let words = first.pages.saturating_add(1).div_ceil(64);
        let words = usize::try_from(words).unwrap_or(usize::MAX);
        if checked.try_reserve_exact(words).is_err() {
            let bytes = (words as u64).saturating_mul(8);
            return Err(Error::out_of_memory(&origin, bytes));
        }
        checked.resize_with(words, AtomicU64::default);
        Ok(Base {
            origin,
            first,
            bytes,
            checked,
            is_bad: AtomicBool::new(false),
        })
    }

    /// The end of the log below which all live keys are here.
    pub(crate) fn covered(&self) -> &End {
        &self.first.covered
    }

    /// Entries, as the index says.
    pub(crate) fn live(&self) -> u64 {
        self.first.live
    }

    /// Bytes of their records, as the index says.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.first.live_bytes
    }

    /// Bytes of the file that are mapped.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        match &self.bytes {
            Bytes::Mapped(map) => map.region().len() as u64,
            Bytes::None | Bytes::Heap(_) => 0,
        }
    }

    /// Bytes of memory that are its own.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let bitmap = size_of_val::<[AtomicU64]>(&self.checked);
        let pages = match &self.bytes {
            Bytes::Heap(heap) => heap.capacity(),
            Bytes::None | Bytes::Mapped(_) => 0,
        };
        pages.saturating_add(bitmap) as u64
    }

    /// What it is called in messages.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The entries that may be of a key with this hash. Where many entries lie in the way they are
    /// given too: their records must have their hashes, or the index is a bad one.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64) -> Candidates<'_> {
        Candidates {
            base: self,
            region: self.region(),
            hash,
            at: self.place(hash),
            passed: 0,
            is_checked: false,
        }
    }

    /// The first of the [`Base::candidates`]: nearly always that of the key.
    #[inline]
    pub(crate) fn first(&self, hash: u64) -> Result<Option<Candidate>> {
        let at = self.place(hash);
        if let Some(bucket) = self.region().u64s_at::<8>(at) {
            self.ensure(at / PAGE_BYTES)?;
            // Without a branch on which of the entries it is: nobody could predict that, and what
            // comes after would wait for the bucket.
            let (mut found, mut count) = (0, 0_u64);
            let [a, a_at, b, b_at, c, c_at, d, d_at] = bucket;
            for (own, offset) in [(a, a_at), (b, b_at), (c, c_at), (d, d_at)] {
                let is_own = u64::from(own == hash);
                found |= offset & is_own.wrapping_neg();
                count = count.saturating_add(is_own);
            }
            if count == 1 && self.is_covered(found) {
                let offset = found;
                return Ok(Some(Candidate { hash, offset, at }));
            }
        }
        self.candidates(hash).next().transpose()
    }

    /// Brings closer what a search for the hash looks at first.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.region().prefetch(self.place(hash));
    }

    #[inline]
    fn region(&self) -> Region<'_> {
        match &self.bytes {
            Bytes::None => Region::EMPTY,
            Bytes::Mapped(map) => map.region(),
            Bytes::Heap(heap) => heap.region(),
        }
    }

    /// Where the home bucket of a hash stands.
    #[inline]
    fn place(&self, hash: u64) -> u64 {
        let bucket = home(hash, self.first.buckets);
        let page = (bucket / BUCKETS).saturating_add(1);
        let within = (bucket % BUCKETS).saturating_mul(BUCKET_BYTES);
        page.saturating_mul(PAGE_BYTES).saturating_add(within)
    }

    /// Checks a page that wasn't yet.
    #[inline]
    fn ensure(&self, number: u64) -> Result<()> {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        let bit = 1 << (number % 64);
        match self.checked.get(word) {
            Some(word) if word.load(Ordering::Relaxed) & bit != 0 => Ok(()),
            _ => self.check(number),
        }
    }

    #[cold]
    fn check(&self, number: u64) -> Result<()> {
        let mut page = [0; PAGE];
        self.checked_page(number, &mut page)?;
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        if let Some(word) = self.checked.get(word) {
            word.fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
        Ok(())
    }

    /// A copy of a page, which is right.
    pub(super) fn checked_page(&self, number: u64, page: &mut [u8; PAGE]) -> Result<()> {
        let at = number.saturating_mul(PAGE_BYTES);
        // SAFETY: u8 and MaybeUninit<u8> have one layout, and copy_to only writes bytes there.
        let raw = unsafe { &mut *(std::ptr::from_mut(page) as *mut [MaybeUninit<u8>; PAGE]) };
        if !self.region().copy_to(at, raw) {
            return Err(self.bad(at, "the page lies behind the end"));
        }
        match fault_of(page, number, &self.first) {
            Some(why) => Err(self.bad(at, why)),
            None => Ok(()),
        }
    }

    /// Whether an offset is that of a record that the index can have.
    #[inline]
    pub(super) fn is_covered(&self, offset: u64) -> bool {
        offset >= FIRST && offset < self.first.covered.tail && offset.is_multiple_of(UNIT)
    }

    /// Whether anything wrong was found: the index must be built again.
    pub(crate) fn is_bad(&self) -> bool {
        self.is_bad.load(Ordering::Relaxed)
    }

    #[cold]
    pub(super) fn bad(&self, at: u64, why: &'static str) -> Error {
        self.is_bad.store(true, Ordering::Relaxed);
        Error::Index {
            origin: self.origin.clone(),
            offset: at,
            why,
        }
    }
}

/// A search: see [`Base::candidates`].
pub(crate) struct Candidates<'a> {
    base: &'a Base,
    region: Region<'a>,
    hash: u64,
    at: u64,
    passed: u32,
    /// Whether the page of `at` is.
    is_checked: bool,
}

impl Iterator for Candidates<'_> {
    type Item = Result<Candidate>;

    #[inline]
    fn next(&mut self) -> Option<Result<Candidate>> {
        loop {
            if self.at % PAGE_BYTES == TRAILER as u64 {
                // To the next page.
                self.at = self.at.saturating_add(BUCKET_BYTES);
                self.is_checked = false;
            }
            if !self.is_checked {
                if self.at >= self.region.len() as u64 {
                    return None;
                }
                if let Err(error) = self.base.ensure(self.at / PAGE_BYTES) {
                    self.at = u64::MAX;
                    return Some(Err(error));
                }
                self.is_checked = true;
            }
            let at = self.at;
            let hash = self.region.u64_at(at)?;
            let offset = self.region.u64_at(at.saturating_add(8))?;
            if offset == 0 || hash > self.hash {
                return None;
            }
            self.at = at.saturating_add(ENTRY as u64);
            self.passed = self.passed.saturating_add(1);
            if hash == self.hash || self.passed > TRUSTED {
                if !self.base.is_covered(offset) {
                    return Some(Err(self
                        .base
                        .bad(at, "an entry names a place without a record")));
                }
                return Some(Ok(Candidate { hash, offset, at }));
            }
        }
    }
}

/// Fills `out`; false where the file ends before.
fn read_at(file: &dyn StorageFile, out: &mut [u8], offset: u64) -> std::io::Result<bool> {
    // SAFETY: u8 and MaybeUninit<u8> have one layout, and read_at only writes bytes there.
    let raw = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) };
    read_raw_at(file, raw, offset)
}

fn read_raw_at(
    file: &dyn StorageFile,
    out: &mut [MaybeUninit<u8>],
    offset: u64,
) -> std::io::Result<bool> {
    Ok(map::read_full(file, out, offset)? == out.len())
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base({}, {:?})", self.origin, self.first)
    }
}
