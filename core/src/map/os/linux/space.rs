//! Space on the disk for what isn't written yet.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::check;

pub(in crate::map) fn fill_holes(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // Not by the count of blocks: a file can have some behind its end.
    // SAFETY: lseek works on the descriptor alone, whose position nobody uses.
    if unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_HOLE) } >= len {
        return Ok(());
    }
    // Not posix_fallocate: where the file system can't, that writes to the file.
    let result = in_stretches(len, |offset, len| {
        let keep = libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: fallocate works on the descriptor alone.
        check(unsafe { libc::fallocate(file.as_raw_fd(), keep, offset, len) })
    });
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => {
            Ok(())
        }
        result => result,
    }
}

pub(in crate::map) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    in_stretches(len, |offset, len| {
        // SAFETY: posix_fallocate works on the descriptor alone.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), offset, len) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    })
}

/// The least that is allocated at once.
const STRETCH: libc::off_t = 1 << 20;

/// Allocates `len` bytes from 0 on, in spite of signals. Older kernels' tmpfs (`shmem_fallocate` in
/// mm/shmem.c) takes back all that an interrupted call has allocated, so the next one asks for half
/// as much: else a timer could keep a large file from ever being done.
fn in_stretches(
    len: libc::off_t,
    mut allocate: impl FnMut(libc::off_t, libc::off_t) -> io::Result<()>,
) -> io::Result<()> {
    let (mut done, mut most) = (0, len);
    while done < len {
        let step = most.min(len - done);
        match allocate(done, step) {
            Ok(()) => done += step,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                most = (step / 2).max(STRETCH);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
