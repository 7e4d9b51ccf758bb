//! What of a file the page cache has.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::Result;
use crate::memory::PlainMap;

/// How often a file is told to leave, with pages that were still to be written.
const ATTEMPTS: usize = 10;

/// Bytes of the file at `path` that the page cache has, in whole pages.
///
/// # Errors
/// The system's.
pub fn cached_bytes(path: &Path) -> Result<u64> {
    // Mapped and not touched: such a map keeps no page.
    let map = PlainMap::open(path)?;
    let page = page_bytes();
    let mut pages = vec![0_u8; map.bytes().len().div_ceil(page)];
    let start = map.bytes().as_ptr().cast_mut().cast();
    // SAFETY: the map's own range, and room for a byte for each of its pages.
    let status = unsafe { libc::mincore(start, map.bytes().len(), pages.as_mut_ptr()) };
    if status != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let cached = pages.iter().filter(|&state| state & 1 != 0).count();
    Ok((cached * page) as u64)
}

/// Has the file at `path` leave the page cache, and sees to it that it has.
///
/// # Errors
/// The system's, and pages that stay.
pub fn evict(path: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    file.sync_all()?;
    for _ in 0..ATTEMPTS {
        let advice = libc::POSIX_FADV_DONTNEED;
        // SAFETY: an open file; no memory is concerned.
        let status = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, advice) };
        if status != 0 {
            return Err(std::io::Error::from_raw_os_error(status).into());
        }
        if cached_bytes(path)? == 0 {
            return Ok(());
        }
    }
    let left = cached_bytes(path)?;
    Err(format!("{}: {left} bytes stay in the page cache", path.display()).into())
}

fn page_bytes() -> usize {
    // SAFETY: no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).unwrap_or(4096)
}
