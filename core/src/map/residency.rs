//! Which pages of mapped bytes are in memory, and how they come and go.

use super::data::{Data, os_range};
use super::error::{Error, Result};
use super::locks::each_unlocked;
use super::os::{self, MemoryAdvice};
use super::region::Region;

/// How the bytes will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// No particular way.
    Normal,
    /// From front to back: read ahead a lot.
    Sequential,
    /// Here and there: don't read ahead.
    Random,
    /// Soon: start reading now.
    WillNeed,
    /// In huge pages, where the file system can.
    HugePage,
}

/// What to let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// This process's pages; the kernel keeps the file cached.
    Resident,
    /// The kernel's cache of the file too, as far as no other process maps it and nothing waits
    /// to be written.
    PageCache,
}

/// Which bytes of a range are in memory, counted in whole pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residency {
    /// In all pages that the range touches.
    pub total: u64,
    /// Mapped into this process.
    pub resident: u64,
    /// In memory at all: in the kernel's page cache, or on the heap.
    pub cached: u64,
}

impl Data {
    /// Tells the kernel how a range will be used. For bytes that aren't mapped there is nothing
    /// to tell, and that is a success.
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        let range = self.mapped_range(offset, len)?;
        let Some((ptr, len)) = range else {
            return Ok(());
        };
        let memory_advice = match advice {
            Advice::Normal => MemoryAdvice::Normal,
            Advice::Sequential => MemoryAdvice::Sequential,
            Advice::Random => MemoryAdvice::Random,
            Advice::WillNeed => MemoryAdvice::WillNeed,
            Advice::HugePage => MemoryAdvice::HugePage,
        };
        if let Err(error) = os::advise(ptr, len, memory_advice) {
            log::info!("{}: advice {advice:?} not taken: {error}", self.origin());
        }
        Ok(())
    }

    /// Starts reading a range from the disk and returns at once.
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn prefetch(&self, offset: u64, len: u64) -> Result<()> {
        let (offset, len) = self.range(offset, len)?;
        let Some(range) = self.file().filter(|_| len > 0) else {
            return Ok(());
        };
        if let Some(file) = range.file.os_file()
            && let Err(error) = os::file_will_need(&file, range.offset.saturating_add(offset), len)
        {
            log::info!("{}: no prefetch: {error}", self.origin());
        }
        Ok(())
    }

    /// Lets go of the whole pages inside a range and tells how many bytes were freed: of this
    /// process's memory, or of the page cache where that was asked for.
    ///
    /// Only pages that come back unchanged are dropped: bytes that aren't a read-only map of a
    /// file stay as they are, and 0 bytes are freed. Locked pages stay too.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], the system's.
    pub fn release(&self, offset: u64, len: u64, what: Release) -> Result<u64> {
        let (offset, len) = self.range(offset, len)?;
        let Some((map, range)) = self.droppable() else {
            return Ok(0);
        };
        let Some(region) = map.region().slice(offset, len) else {
            return Ok(0);
        };
        let Some((skipped, ptr, len)) = whole_pages(region) else {
            return Ok(0);
        };
        // Counting is a courtesy: where the system doesn't tell, pages are released all the same.
        let count = || match what {
            Release::Resident => os::resident_bytes(ptr, len),
            Release::PageCache => os::cached_bytes(ptr, len),
        };
        let before = count();
        // Locked pages stay.
        each_unlocked(ptr, len, |at, len| {
            // SAFETY: the pages are those of a read-only map of a file: they come back as they
            // were.
            unsafe { os::drop_pages(at, len) }
                .map_err(Error::io("release pages of", self.origin()))?;
            if let (Release::PageCache, Some(file)) = (what, range.file.os_file()) {
                let before = (at.addr().saturating_sub(ptr.addr()) as u64).saturating_add(skipped);
                let offset = range.offset.saturating_add(offset).saturating_add(before);
                os::file_drop_cache(&file, offset, len as u64)
                    .map_err(Error::io("drop the page cache of", self.origin()))?;
            }
            Ok(())
        })?;
        match before.and_then(|before| Ok(before.saturating_sub(count()?))) {
            Ok(freed) => Ok(freed),
            Err(error) => {
                log::info!(
                    "{}: released, but how much isn't known: {error}",
                    self.origin()
                );
                Ok(0)
            }
        }
    }

    /// Counts which bytes of a range are in memory.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], the system's.
    pub fn residency(&self, offset: u64, len: u64) -> Result<Residency> {
        let Some((ptr, bytes)) = self.mapped_range(offset, len)? else {
            let (_, len) = self.range(offset, len)?;
            return Ok(Residency {
                total: len,
                resident: len,
                cached: len,
            });
        };
        let look = |result: std::io::Result<u64>| {
            result.map_err(Error::io("look at the pages of", self.origin()))
        };
        Ok(Residency {
            total: (bytes.div_ceil(os::page_size()) * os::page_size()) as u64,
            resident: look(os::resident_bytes(ptr, bytes))?,
            cached: look(os::cached_bytes(ptr, bytes))?,
        })
    }

    /// How many pages a range touches, and how many of them aren't in memory; none where the
    /// system doesn't tell: of bytes that aren't a map of a file.
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn cold_pages(&self, offset: u64, len: u64) -> Result<Option<(u64, u64)>> {
        let Some((ptr, bytes)) = self.mapped_range(offset, len)? else {
            return Ok(None);
        };
        let page = os::page_size();
        let pages = bytes.div_ceil(page) as u64;
        Ok(os::cached_bytes(ptr, bytes).ok().map(|cached| {
            let cached = cached / page as u64;
            (pages, pages.saturating_sub(cached))
        }))
    }

    /// The pages that a range touches, where the bytes are mapped from a real file.
    fn mapped_range(&self, offset: u64, len: u64) -> Result<Option<(*const u8, usize)>> {
        let (offset, len) = self.range(offset, len)?;
        let real = self.file().is_some_and(|range| range.file.is_real());
        if !real || !self.is_mapped() || len == 0 {
            return Ok(None);
        }
        Ok(self.region().slice(offset, len).map(os_range))
    }
}

/// The whole pages inside a region: bytes passed over, start, length.
fn whole_pages(region: Region<'_>) -> Option<(u64, *const u8, usize)> {
    let page = os::page_size();
    let skipped = region.as_ptr().addr().wrapping_neg() % page;
    let len = region.len().checked_sub(skipped)?;
    let len = len - len % page;
    if len == 0 {
        return None;
    }
    Some((skipped as u64, region.as_ptr().wrapping_add(skipped), len))
}
