//! Reads by io_uring, as many at a time as a batch has records.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use io_uring::{IoUring, opcode, types};

use crate::Result;

/// A ring and the file that it reads.
pub struct Ring {
    ring: IoUring,
    file: File,
}

impl Ring {
    /// Opens `path`, past the page cache or not.
    ///
    /// # Errors
    /// The system's, such as one that has no io_uring or doesn't let programs use it.
    pub fn open(path: &Path, direct: bool, depth: usize) -> Result<Ring> {
        let flags = if direct { libc::O_DIRECT } else { 0 };
        let ring = IoUring::new(u32::try_from(depth)?)?;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        Ok(Ring { ring, file })
    }

    /// Reads `bytes` at each of the places, at most `depth` of them, into their rows of `to`.
    ///
    /// # Errors
    /// The system's, and short reads.
    pub fn read(&mut self, places: &[u64], bytes: usize, to: &mut [MaybeUninit<u8>]) -> Result<()> {
        let file = types::Fd(self.file.as_raw_fd());
        let len = u32::try_from(bytes)?;
        for (&place, to) in places.iter().zip(to.chunks_exact_mut(bytes)) {
            let read = opcode::Read::new(file, to.as_mut_ptr().cast(), len).offset(place);
            // SAFETY: the row is borrowed until all reads have ended, below, and the file is open.
            let pushed = unsafe { self.ring.submission().push(&read.build()) };
            // Nothing was submitted yet: what is in the queue is the next call's, which never is.
            pushed.map_err(|_| "a full ring")?;
        }
        let mut left = places.len();
        let mut failed = None;
        while left > 0 {
            // A failure here may leave reads into memory that is given back: the process ends.
            if let Err(error) = self.ring.submit_and_wait(left)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                eprintln!("io_uring: {error}");
                std::process::abort();
            }
            for done in self.ring.completion() {
                left -= 1;
                if usize::try_from(done.result()) != Ok(bytes) {
                    failed = Some(done.result());
                }
            }
        }
        match failed {
            None => Ok(()),
            Some(result) => Err(format!("io_uring: a read gave {result}").into()),
        }
    }
}
