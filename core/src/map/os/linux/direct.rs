//! Files read past the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use super::super::DirectAlign;
use super::{check, keep_off_standard_descriptors};

/// What fits every device where the kernel doesn't tell (before Linux 6.1).
const USUAL: usize = 4096;

/// More than any device asks for; beyond it a file is better read through the page cache.
const MOST: usize = 64 << 10;

/// Opens the same file again, by its name in /proc: flags of the open file that somebody else may
/// share stay as they are.
pub(in crate::map) fn open_direct(file: &File) -> io::Result<(File, DirectAlign)> {
    let align = direct_align(file)?;
    let again = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok((keep_off_standard_descriptors(again)?, align))
}

fn direct_align(file: &File) -> io::Result<DirectAlign> {
    let mut told = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is an empty string, which with AT_EMPTY_PATH stands for the descriptor, and
    // statx writes one struct, for which there is room.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_DIOALIGN,
            told.as_mut_ptr(),
        )
    };
    check(result)?;
    // SAFETY: all bytes zero are a value, and statx wrote over them.
    let told = unsafe { told.assume_init() };
    if told.stx_mask & libc::STATX_DIOALIGN == 0 {
        return Ok(DirectAlign {
            memory: USUAL,
            offset: USUAL,
        });
    }
    let align = DirectAlign {
        memory: told.stx_dio_mem_align as usize,
        offset: told.stx_dio_offset_align as usize,
    };
    let usable = |align: usize| align.is_power_of_two() && align <= MOST;
    if usable(align.memory) && usable(align.offset) {
        Ok(align)
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether a direct read failed because the file system has none of this kind after all.
pub(in crate::map) fn refuses_direct(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}
