//! Any other system: the standard library's means. Advice does nothing, residency isn't known.

use std::fs::{self, File, FileType, Metadata, OpenOptions, TryLockError};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use super::{DirectAlign, MemoryAdvice};
use crate::map::region::Region;
use crate::map::storage::{FileId, FileInfo, FileKind};

pub(in crate::map) fn page_size() -> usize {
    // The largest page of the systems in question: aligned to it is aligned to any of them.
    64 * 1024
}

/// Not known.
pub(in crate::map) fn memory_limit() -> Option<u64> {
    None
}

pub(in crate::map) type Process = u32;

pub(in crate::map) fn process() -> Process {
    std::process::id()
}

pub(in crate::map) fn open_for_reading(path: &Path) -> io::Result<File> {
    open_existing(path, OpenOptions::new().read(true))
}

pub(in crate::map) fn open_for_writing(path: &Path) -> io::Result<File> {
    open_existing(path, OpenOptions::new().read(true).write(true))
}

fn open_existing(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() && !fs::metadata(path)?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "not a regular file",
        ));
    }
    options.open(path)
}

pub(in crate::map) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

pub(in crate::map) fn kind(of: FileType) -> FileKind {
    if of.is_file() {
        FileKind::Regular
    } else if of.is_dir() {
        FileKind::Folder
    } else if of.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Device
    }
}

pub(in crate::map) fn info(meta: &Metadata) -> FileInfo {
    FileInfo {
        len: meta.len(),
        kind: kind(meta.file_type()),
        id: id(meta),
    }
}

#[cfg(unix)]
fn id(meta: &Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    Some(FileId {
        device: meta.dev(),
        inode: meta.ino(),
    })
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> Option<FileId> {
    None
}

pub(in crate::map) const IS_A_FOLDER: i32 = 0;

pub(in crate::map) const BAD_ADDRESS: i32 = 0;

pub(in crate::map) fn cannot_map(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

#[cfg(unix)]
pub(in crate::map) fn duplicate(descriptor: i32) -> io::Result<File> {
    use std::os::fd::BorrowedFd;
    if descriptor < 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no open descriptor",
        ));
    }
    // SAFETY: only duplicated at once, which fails on a number that isn't open.
    let given = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(File::from(given.try_clone_to_owned()?))
}

#[cfg(not(unix))]
pub(in crate::map) fn duplicate(_descriptor: i32) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(in crate::map) fn read_at(
    file: &File,
    out: &mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    file.read_at(zeroed(out), offset)
}

#[cfg(windows)]
pub(in crate::map) fn read_at(
    file: &File,
    out: &mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<usize> {
    use std::os::windows::fs::FileExt;
    file.seek_read(zeroed(out), offset)
}

fn zeroed(out: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    for byte in out.iter_mut() {
        byte.write(0);
    }
    // SAFETY: every byte was just written, so the slice is initialised; same length, same borrow.
    unsafe { &mut *(std::ptr::from_mut(out) as *mut [u8]) }
}

#[cfg(unix)]
pub(in crate::map) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(bytes, offset)
}

#[cfg(windows)]
pub(in crate::map) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.seek_write(rest, offset + done as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => done += written,
        }
    }
    Ok(())
}

/// Bytes that are copied from a map at once.
const PIECE: usize = 64 << 10;

/// By one write for each piece.
pub(in crate::map) fn write_vectored_at(
    file: &File,
    pieces: &[Region<'_>],
    offset: u64,
) -> io::Result<()> {
    let mut at = offset;
    for &piece in pieces {
        write_region_at(file, piece, at)?;
        at = at
            .checked_add(piece.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
    }
    Ok(())
}

/// Nobody tells.
pub(in crate::map) fn is_readable(_bytes: Region<'_>) -> bool {
    true
}

pub(in crate::map) fn write_region_at(
    file: &File,
    bytes: Region<'_>,
    offset: u64,
) -> io::Result<()> {
    for start in (0..bytes.len()).step_by(PIECE) {
        let len = PIECE.min(bytes.len() - start);
        let piece = bytes.to_vec(start as u64, len);
        let piece = piece.ok_or(io::ErrorKind::OutOfMemory)?;
        write_all_at(file, &piece, offset + start as u64)?;
    }
    Ok(())
}

pub(in crate::map) fn fill_holes(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

pub(in crate::map) fn allocate(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() < len {
        file.set_len(len)
    } else {
        Ok(())
    }
}

pub(in crate::map) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

pub(in crate::map) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    // A hard link refuses an existing name.
    fs::hard_link(from, to)?;
    if let Err(error) = fs::remove_file(from) {
        log::warn!("cannot remove '{}': {error}", from.display());
    }
    Ok(())
}

pub(in crate::map) fn advise(_: *const u8, _: usize, _: MemoryAdvice) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn lock(_: *const u8, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn unlock(_: *const u8, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn file_will_need(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Several direct reads at once: there are none here.
#[derive(Debug)]
pub(in crate::map) struct Flight;

/// A read of as many bytes as there is room for, and where it goes.
#[derive(Debug)]
#[allow(
    dead_code,
    reason = "asked for in the same way on all systems, and never read here"
)]
pub(in crate::map) struct FlightRead<'a> {
    pub(in crate::map) offset: u64,
    pub(in crate::map) out: &'a mut [MaybeUninit<u8>],
}

/// Told the number of a read that is done, its bytes or what went wrong, and where to.
pub(in crate::map) type FlightDone<'a> =
    &'a mut dyn FnMut(usize, io::Result<usize>, &mut [MaybeUninit<u8>]);

impl Flight {
    pub(in crate::map) fn new(_: usize) -> io::Result<Flight> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::map) fn will_need(&mut self, _: &File, _: &[(u64, u64)]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::map) fn read_each(
        &mut self,
        _: &File,
        _: &mut [FlightRead<'_>],
        _: FlightDone<'_>,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(in crate::map) fn open_direct(_: &File) -> io::Result<(File, DirectAlign)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn refuses_direct(_: &io::Error) -> bool {
    false
}

pub(in crate::map) fn file_drop_cache(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Safety
/// None is needed: nothing is done.
pub(in crate::map) unsafe fn drop_pages(_: *const u8, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn resident_bytes(_: *const u8, _: usize) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::map) fn cached_bytes(_: *const u8, _: usize) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// An open file. Children of a fork keep it open here.
#[derive(Debug)]
pub(in crate::map) struct OwnFile {
    file: File,
    process: Process,
}

impl OwnFile {
    pub(in crate::map) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<OwnFile> {
        let (file, process) = (open()?, process());
        Ok(OwnFile { file, process })
    }

    pub(in crate::map) fn get(&self) -> Option<&File> {
        (self.process == process()).then_some(&self.file)
    }
}

// Locks of whole files stand in for those of one byte. Where they keep others from reading too,
// these know that there is a writer, but not what it says.

pub(in crate::map) fn lock_first_byte(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(in crate::map) fn unlock_first_byte(file: &File) -> io::Result<()> {
    file.unlock()
}

pub(in crate::map) fn is_first_byte_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(in crate::map) fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

pub(in crate::map) fn network_file_system(_: &File) -> io::Result<Option<&'static str>> {
    Ok(None)
}
