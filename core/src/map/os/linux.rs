//! Linux.

mod direct;
mod flight;
mod limit;
mod own;
mod space;
mod vectored;

use std::ffi::CString;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, OnceLock};

pub(in crate::map) use direct::{open_direct, refuses_direct};
pub(in crate::map) use flight::{Flight, FlightRead};
pub(in crate::map) use limit::memory_limit;
pub(in crate::map) use own::{
    OwnFile, has_no_locks, is_first_byte_locked, lock_first_byte, network_file_system,
    unlock_first_byte,
};
pub(in crate::map) use space::{allocate, fill_holes};
pub(in crate::map) use vectored::{is_readable, write_vectored_at};

use super::MemoryAdvice;
use crate::map::region::Region;
use crate::map::storage::{FileId, FileInfo, FileKind};

pub(in crate::map) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: sysconf reads a number and has no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    })
}

/// Which process this is: another after each fork.
pub(in crate::map) type Process = u64;

static FORKS: AtomicU64 = AtomicU64::new(0);

fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Counted by a handler that runs in each forked child: asking for the process's number is a
/// system call, too slow for every record.
pub(in crate::map) fn process() -> Process {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        let (before, after) = (own::before_fork, own::after_fork);
        // SAFETY: the child's handler only adds to an atomic, closes files and lets go of a lock
        // that its one thread holds, which any child may do. The C library takes the handlers back
        // where the code that they lie in is unloaded.
        let set = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(own::in_child)) };
        if set != 0 {
            log::warn!("forks can't be told: no memory for a handler");
        }
    });
    FORKS.load(Ordering::Relaxed)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The least descriptor that is kept. In a process that closed its standard ones, a file opened as
/// 2 would get every message that anybody prints.
const LEAST_DESCRIPTOR: libc::c_int = 3;

fn keep_off_standard_descriptors(file: File) -> io::Result<File> {
    if file.as_raw_fd() >= LEAST_DESCRIPTOR {
        Ok(file)
    } else {
        duplicate_of(file.as_raw_fd())
    }
}

fn duplicate_of(descriptor: libc::c_int) -> io::Result<File> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC takes any number and fails on one that isn't open.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, LEAST_DESCRIPTOR) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `copy` was opened just now and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// O_NONBLOCK keeps the open of a FIFO without a writer from waiting; it has no effect on the
/// regular files that are then let through.
pub(in crate::map) fn open_for_reading(path: &Path) -> io::Result<File> {
    open_existing(path, OpenOptions::new().read(true))
}

pub(in crate::map) fn open_for_writing(path: &Path) -> io::Result<File> {
    open_existing(path, OpenOptions::new().read(true).write(true))
}

fn open_existing(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    keep_off_standard_descriptors(options.custom_flags(flags).open(path)?)
}

pub(in crate::map) fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    keep_off_standard_descriptors(file)
}

pub(in crate::map) fn kind(of: FileType) -> FileKind {
    if of.is_file() {
        FileKind::Regular
    } else if of.is_dir() {
        FileKind::Folder
    } else if of.is_symlink() {
        FileKind::Link
    } else if of.is_fifo() {
        FileKind::Fifo
    } else if of.is_socket() {
        FileKind::Socket
    } else {
        FileKind::Device
    }
}

pub(in crate::map) fn info(meta: &Metadata) -> FileInfo {
    let id = Some(FileId {
        device: meta.dev(),
        inode: meta.ino(),
    });
    FileInfo {
        len: meta.len(),
        kind: kind(meta.file_type()),
        id,
    }
}

/// The error number that the system gives for reading a folder.
pub(in crate::map) const IS_A_FOLDER: i32 = libc::EISDIR;

/// The error number for touching what lies past the end of a mapped file.
pub(in crate::map) const BAD_ADDRESS: i32 = libc::EFAULT;

/// Whether an error of mmap is the file system's word that it maps nothing, though it may read.
pub(in crate::map) fn cannot_map(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENODEV)
}

pub(in crate::map) fn duplicate(descriptor: i32) -> io::Result<File> {
    let file = duplicate_of(descriptor)?;
    // SAFETY: reads the flags of a descriptor that is open.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    if flags & libc::O_ACCMODE == libc::O_WRONLY || flags & libc::O_PATH != 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(file)
}

pub(in crate::map) fn read_at(
    file: &File,
    out: &mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: pread writes at most out.len() bytes to out, which is writable memory of that
        // length.
        let got =
            unsafe { libc::pread(file.as_raw_fd(), out.as_mut_ptr().cast(), out.len(), offset) };
        match usize::try_from(got) {
            Ok(got) => return Ok(got),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

pub(in crate::map) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

pub(in crate::map) fn write_region_at(
    file: &File,
    bytes: Region<'_>,
    offset: u64,
) -> io::Result<()> {
    let mut done: u64 = 0;
    while let Some(rest) = bytes
        .slice(done, bytes.len() as u64 - done)
        .filter(|rest| !rest.is_empty())
    {
        let at = offset
            .checked_add(done)
            .and_then(|at| libc::off_t::try_from(at).ok())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        // SAFETY: the region's bytes are mapped for its lifetime; the kernel reads them, and
        // answers EFAULT where the file behind the map has ended.
        let wrote = unsafe { libc::pwrite(file.as_raw_fd(), rest.as_ptr().cast(), rest.len(), at) };
        match u64::try_from(wrote) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(wrote) => done += wrote,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

pub(in crate::map) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open(folder)?;
    match folder.sync_all() {
        // Some network file systems can't sync a folder and say so.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        result => result,
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidFilename.into())
}

pub(in crate::map) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (c_from, c_to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both are NUL-terminated strings that live through the call.
    let result = unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            c_from.as_ptr(),
            libc::AT_FDCWD,
            c_to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    match check(result) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            // A file system without the flag: a hard link refuses an existing name as well.
            // Once it stands there, a leftover temporary is no failure.
            std::fs::hard_link(from, to)?;
            if let Err(error) = std::fs::remove_file(from) {
                log::warn!("cannot remove '{}': {error}", from.display());
            }
            Ok(())
        }
        result => result,
    }
}

/// `ptr` must be page-aligned; any other range is an error, not undefined.
pub(in crate::map) fn advise(ptr: *const u8, len: usize, advice: MemoryAdvice) -> io::Result<()> {
    let advice = match advice {
        MemoryAdvice::Normal => libc::MADV_NORMAL,
        MemoryAdvice::Sequential => libc::MADV_SEQUENTIAL,
        MemoryAdvice::Random => libc::MADV_RANDOM,
        MemoryAdvice::WillNeed => libc::MADV_WILLNEED,
        MemoryAdvice::HugePage => libc::MADV_HUGEPAGE,
        MemoryAdvice::PopulateRead => libc::MADV_POPULATE_READ,
    };
    // SAFETY: none of these changes the contents of memory.
    check(unsafe { libc::madvise(ptr.cast_mut().cast(), len, advice) })
}

/// Drops the pages of a page-aligned range from this process's memory.
///
/// # Safety
/// The range belongs to read-only maps of files: the pages come back from there. In any other
/// memory what was written would be lost.
pub(in crate::map) unsafe fn drop_pages(ptr: *const u8, len: usize) -> io::Result<()> {
    // SAFETY: the caller's promise: nothing is lost, and nobody writes there.
    check(unsafe { libc::madvise(ptr.cast_mut().cast(), len, libc::MADV_DONTNEED) })
}

/// Locks the pages of a range; they are unlocked when they are unmapped.
pub(in crate::map) fn lock(ptr: *const u8, len: usize) -> io::Result<()> {
    // SAFETY: mlock changes no contents and refuses ranges that aren't mapped.
    check(unsafe { libc::mlock(ptr.cast(), len) })
}

/// Unlocks what `lock` locked: for memory that is not unmapped at the end.
pub(in crate::map) fn unlock(ptr: *const u8, len: usize) -> io::Result<()> {
    // SAFETY: munlock changes no contents and refuses ranges that aren't mapped.
    check(unsafe { libc::munlock(ptr.cast(), len) })
}

/// What the kernel is asked to read at a time. Of a longer range it would read no more than its
/// window for reading ahead (`force_page_cache_ra` in mm/readahead.c), 128 KiB by default.
const READ_AHEAD: u64 = 128 << 10;

/// Asks the kernel to start reading a range of the file.
pub(in crate::map) fn file_will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let end = offset.saturating_add(len);
    let mut at = offset;
    while at < end {
        let piece = (READ_AHEAD - at % READ_AHEAD).min(end - at);
        file_advise(file, at, piece, libc::POSIX_FADV_WILLNEED)?;
        at += piece;
    }
    Ok(())
}

/// Asks the kernel to drop a range of the file from the page cache.
pub(in crate::map) fn file_drop_cache(file: &File, offset: u64, len: u64) -> io::Result<()> {
    file_advise(file, offset, len, libc::POSIX_FADV_DONTNEED)
}

fn file_advise(file: &File, offset: u64, len: u64, advice: i32) -> io::Result<()> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: posix_fadvise works on the descriptor alone.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, len, advice) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Pages looked at in one go.
const CHUNK: usize = 256;

/// Calls `look` with each chunk of a page-aligned range, its address and its number of pages, and
/// adds up the pages that it counts, in bytes.
fn count_pages(
    ptr: *const u8,
    len: usize,
    mut look: impl FnMut(*const u8, usize) -> io::Result<usize>,
) -> io::Result<u64> {
    let page = page_size();
    let pages = len.div_ceil(page);
    let mut found = 0;
    for first in (0..pages).step_by(CHUNK) {
        let count = CHUNK.min(pages - first);
        found += (look(ptr.wrapping_add(first * page), count)? * page) as u64;
    }
    Ok(found)
}

/// The bytes of a page-aligned range that this process has mapped in, by /proc/self/pagemap, whose
/// "present" bit needs no privilege.
pub(in crate::map) fn resident_bytes(ptr: *const u8, len: usize) -> io::Result<u64> {
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut entries = [0u8; CHUNK * 8];
    count_pages(ptr, len, |at, count| {
        let entries = entries.get_mut(..count * 8).unwrap_or_default();
        pagemap.read_exact_at(entries, (at.addr() / page_size()) as u64 * 8)?;
        // Bit 63 of an entry, the top bit of its last byte.
        Ok(entries
            .iter()
            .skip(7)
            .step_by(8)
            .filter(|&&byte| byte & 0x80 != 0)
            .count())
    })
}

/// The bytes of a page-aligned range that are in the page cache, by mincore, which tells the truth
/// to whoever could write the file or owns it.
pub(in crate::map) fn cached_bytes(ptr: *const u8, len: usize) -> io::Result<u64> {
    let mut vector = [0u8; CHUNK];
    count_pages(ptr, len, |at, count| {
        let bytes = count * page_size();
        // SAFETY: mincore writes one byte a page, `count` of them, at most CHUNK, for which the
        // vector has room; it refuses ranges that aren't mapped.
        check(unsafe { libc::mincore(at.cast_mut().cast(), bytes, vector.as_mut_ptr()) })?;
        Ok(vector
            .iter()
            .take(count)
            .filter(|&&byte| byte & 1 == 1)
            .count())
    })
}
