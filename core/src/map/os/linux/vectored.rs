//! Bytes from many places in one write.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::map::region::Region;

/// The pieces that one call takes (`UIO_MAXIOV` in Linux's uapi/linux/uio.h).
const MOST_PIECES: usize = 1024;

/// The bytes that one call writes at most, below the kernel's own limit of 2 GiB less a page
/// (`MAX_RW_COUNT`).
const MOST_BYTES: usize = 1 << 30;

const NOTHING: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

pub(in crate::map) fn write_vectored_at(
    file: &File,
    pieces: &[Region<'_>],
    offset: u64,
) -> io::Result<()> {
    let mut room = [NOTHING; MOST_PIECES];
    in_calls(pieces, offset, &mut room, MOST_BYTES, &mut |vectors, at| {
        let at = libc::off_t::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let count = libc::c_int::try_from(vectors.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: there are `count` vectors of regions that are mapped for their lifetimes; the
        // kernel reads them, and answers EFAULT where the file behind a map has ended.
        let wrote = unsafe { libc::pwritev(file.as_raw_fd(), vectors.as_ptr(), count, at) };
        usize::try_from(wrote).map_err(|_| io::Error::last_os_error())
    })
}

/// Writes all pieces by as many calls as it takes: each may take fewer bytes than it is given.
fn in_calls(
    pieces: &[Region<'_>],
    offset: u64,
    room: &mut [libc::iovec],
    most_bytes: usize,
    call: &mut dyn FnMut(&[libc::iovec], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let (mut at, mut next, mut into) = (offset, 0, 0);
    loop {
        let (filled, bytes) = fill(
            pieces.get(next..).unwrap_or_default(),
            into,
            room,
            most_bytes,
        );
        let vectors = room.get(..filled).unwrap_or_default();
        if bytes == 0 {
            return Ok(());
        }
        match call(vectors, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(wrote) => {
                at = at
                    .checked_add(wrote as u64)
                    .ok_or(io::ErrorKind::FileTooLarge)?;
                into += wrote;
                while let Some(piece) = pieces.get(next).filter(|piece| piece.len() <= into) {
                    into -= piece.len();
                    next += 1;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Describes as many pieces as there is room for, from a byte of the first one on, and counts their
/// bytes.
fn fill(
    pieces: &[Region<'_>],
    from: usize,
    room: &mut [libc::iovec],
    most_bytes: usize,
) -> (usize, usize) {
    let (mut filled, mut bytes, mut from) = (0, 0, from);
    for piece in pieces {
        let left = most_bytes - bytes;
        if left == 0 {
            break;
        }
        let len = piece.len().saturating_sub(from).min(left);
        if len > 0 {
            let Some(vector) = room.get_mut(filled) else {
                break;
            };
            vector.iov_base = piece.as_ptr().wrapping_add(from).cast_mut().cast();
            vector.iov_len = len;
            filled += 1;
            bytes += len;
        }
        from = 0;
    }
    (filled, bytes)
}

/// Whether the bytes can be read: of a map whose file has been cut they can't.
pub(in crate::map) fn is_readable(bytes: Region<'_>) -> bool {
    let page = super::page_size();
    let (at, len) = (bytes.as_ptr().addr(), bytes.len());
    let start = std::ptr::without_provenance_mut(at / page * page);
    // SAFETY: this only brings pages in that are mapped, and fails where there are none.
    let result = unsafe { libc::madvise(start, at % page + len, libc::MADV_POPULATE_READ) };
    // Kernels before 5.14 don't know it.
    !matches!(super::check(result), Err(error) if error.raw_os_error() == Some(super::BAD_ADDRESS))
}
