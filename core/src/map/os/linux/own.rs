//! Open files that forked children don't keep, and locks that end with them.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Process;

/// Held over each fork, so that a child gets a list that has every file it inherits.
static OPEN: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

type Held = ManuallyDrop<MutexGuard<'static, Vec<OwnedFd>>>;

thread_local! {
    /// The list, in a thread that forks. Nothing that is to be dropped: a thread that ends after
    /// this code was unloaded would jump there.
    static HELD: Cell<Option<Held>> = const { Cell::new(None) };
}

fn open_files() -> MutexGuard<'static, Vec<OwnedFd>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) extern "C" fn before_fork() {
    HELD.set(Some(ManuallyDrop::new(open_files())));
}

pub(super) extern "C" fn after_fork() {
    if let Some(held) = HELD.take() {
        drop(ManuallyDrop::into_inner(held));
    }
}

/// In the child: closes the files. Nothing is allocated or freed, another thread may have been at
/// that when its process was copied.
pub(super) extern "C" fn in_child() {
    super::forked();
    if let Some(held) = HELD.take() {
        ManuallyDrop::into_inner(held).clear();
    }
}

/// An open file that forked children don't keep: in a child, a handler closes it before `fork`
/// returns. What a child kept open would stay locked after this process is gone.
#[derive(Debug)]
pub(in crate::map) struct OwnFile {
    /// Closed by way of the list.
    file: ManuallyDrop<File>,
    process: Process,
}

impl OwnFile {
    /// `open` runs while no thread forks, must not fork itself, and must leave no other descriptor
    /// of the file open.
    pub(in crate::map) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<OwnFile> {
        // Registers the handlers.
        let process = super::process();
        let mut files = open_files();
        files
            .try_reserve(1)
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        let file = OwnedFd::from(open()?);
        let descriptor = file.as_raw_fd();
        files.push(file);
        // SAFETY: open, and closed only by this one's drop or, in another process than this, by
        // the handler, after which it is never used.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        Ok(OwnFile { file, process })
    }

    /// The file; none in a forked child, where the number may be another file's by now.
    pub(in crate::map) fn get(&self) -> Option<&File> {
        (self.process == super::process()).then_some(&*self.file)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.get().is_none() {
            return;
        }
        let descriptor = self.file.as_raw_fd();
        open_files().retain(|file| file.as_raw_fd() != descriptor);
    }
}

fn first_byte(kind: libc::c_int) -> libc::flock {
    // SAFETY: a struct of integers, for which zeros are values.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_len = 1;
    lock
}

fn set_lock(file: &File, kind: libc::c_int) -> io::Result<()> {
    let lock = first_byte(kind);
    loop {
        // SAFETY: reads the struct, and works on the descriptor alone.
        let set = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        match super::check(set) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            set => return set,
        }
    }
}

/// Whether this open file, which must be open for writing, now has the exclusive lock of its first
/// byte.
pub(in crate::map) fn lock_first_byte(file: &File) -> io::Result<bool> {
    match set_lock(file, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

pub(in crate::map) fn unlock_first_byte(file: &File) -> io::Result<()> {
    set_lock(file, libc::F_UNLCK)
}

/// Whether another open file has the lock of the first byte.
pub(in crate::map) fn is_first_byte_locked(file: &File) -> io::Result<bool> {
    let mut lock = first_byte(libc::F_WRLCK);
    // SAFETY: reads and writes the struct, and works on the descriptor alone.
    super::check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(libc::c_int::from(lock.l_type) != libc::F_UNLCK)
}

/// Whether an error of a lock says that the file system has none.
pub(in crate::map) fn has_no_locks(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL)
    )
}

/// Network file systems, and those that stand for one as often as not, by `f_type`: statfs(2) of
/// the Linux man-pages, and `include/uapi/linux/magic.h`; Lustre, GPFS, BeeGFS and PanFS, which are
/// not part of Linux, as `stat -f` of GNU coreutils knows them.
const NETWORK: [(u32, &str); 20] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0000_564C, "NCP"),
    (0x7375_7245, "Coda"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "kAFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x2003_0528, "OrangeFS"),
    (0x0BD0_0BD3, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x786F_4256, "a VirtualBox share"),
    (0x7C7C_6673, "a Parallels share"),
];

/// What the network file system is called that a file lies on; none on others.
pub(in crate::map) fn network_file_system(file: &File) -> io::Result<Option<&'static str>> {
    // SAFETY: a struct of integers, for which zeros are values.
    let mut told: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: writes to the struct, and works on the descriptor alone.
    super::check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut told) })?;
    Ok(network_name(told.f_type as u32))
}

/// The type has 32 bits; the field may be wider, and the sign extended.
fn network_name(f_type: u32) -> Option<&'static str> {
    let mut known = NETWORK.into_iter();
    Some(known.find(|&(number, _)| number == f_type)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network_name(0x0BD0_0BD3), Some("Lustre"));
        // ext4, xfs, btrfs, tmpfs, overlayfs, ZFS.
        for local in [
            0xEF53,
            0x5846_5342,
            0x9123_683E,
            0x0102_1994,
            0x794C_7630,
            0x2FC1_2FC1,
        ] {
            assert_eq!(network_name(local), None);
        }
    }

    #[test]
    fn sign_extended_types_are_known() {
        let cifs = i64::from(0xFF53_4D42_u32 as i32);
        assert_eq!(network_name(cifs as u32), Some("CIFS"));
    }
}
