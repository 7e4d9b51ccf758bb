//! Plain arguments, checked.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::path::Path;

use adit_core::map::Region;

use super::failure::Failure;
use crate::callbacks::adit_progress_fn;
use crate::error::adit_status;

/// A path: any bytes but NUL on Unix, UTF-8 elsewhere.
///
/// # Safety
/// `ptr` is null or a NUL-terminated string that lives for `'a`.
pub(crate) unsafe fn path_argument<'a>(
    ptr: *const c_char,
    parameter: &str,
) -> Result<&'a Path, Failure> {
    if ptr.is_null() {
        return Err(Failure::null(parameter));
    }
    // SAFETY: not null, so NUL-terminated by the caller's promise.
    let bytes = unsafe { CStr::from_ptr(ptr) };
    if bytes.is_empty() {
        return Err(Failure::invalid(format_args!(
            "{parameter} is an empty string"
        )));
    }
    os_str(bytes).map(Path::new).ok_or_else(|| {
        Failure::invalid(format_args!(
            "{parameter} is not UTF-8, which paths are on this system"
        ))
    })
}

/// Several paths.
///
/// # Safety
/// `ptr` is null or readable for `len` pointers, each as [`path_argument`] asks.
pub(crate) unsafe fn paths_argument<'a>(
    ptr: *const *const c_char,
    len: usize,
    parameter: &str,
) -> Result<Vec<&'a Path>, Failure> {
    // SAFETY: the caller's promise.
    let each = unsafe { slice(ptr, len, parameter) }?;
    let mut paths = Vec::new();
    let room = paths.try_reserve_exact(each.len());
    room.map_err(|_| {
        Failure::new(
            adit_status::ADIT_ERR_OUT_OF_MEMORY,
            "no memory for the paths",
        )
    })?;
    for (number, &path) in each.iter().enumerate() {
        // SAFETY: the caller's promise.
        paths.push(unsafe { path_argument(path, &format!("{parameter}[{number}]")) }?);
    }
    Ok(paths)
}

/// A string of the caller, without its NUL.
///
/// # Safety
/// `ptr` is null or a NUL-terminated string that lives for `'a`.
pub(crate) unsafe fn bytes_argument<'a>(
    ptr: *const c_char,
    parameter: &str,
) -> Result<&'a [u8], Failure> {
    if ptr.is_null() {
        return Err(Failure::null(parameter));
    }
    // SAFETY: not null, so NUL-terminated by the caller's promise.
    Ok(unsafe { CStr::from_ptr(ptr) }.to_bytes())
}

/// As [`bytes_argument`], of UTF-8.
///
/// # Safety
/// As [`bytes_argument`].
pub(crate) unsafe fn text_argument<'a>(
    ptr: *const c_char,
    parameter: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes_argument(ptr, parameter) }?;
    std::str::from_utf8(bytes)
        .map_err(|_| Failure::invalid(format_args!("{parameter} is not UTF-8")))
}

#[cfg(unix)]
fn os_str(bytes: &CStr) -> Option<&OsStr> {
    use std::os::unix::ffi::OsStrExt;
    Some(OsStr::from_bytes(bytes.to_bytes()))
}

#[cfg(not(unix))]
fn os_str(bytes: &CStr) -> Option<&OsStr> {
    bytes.to_str().ok().map(OsStr::new)
}

/// A path as C has it.
#[cfg(unix)]
pub(crate) fn path_to_c(path: &Path) -> Option<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// A path as C has it.
#[cfg(not(unix))]
pub(crate) fn path_to_c(path: &Path) -> Option<CString> {
    CString::new(path.to_str()?).ok()
}

/// The bytes that a line has from a longer text's start, and as many from its end.
const HALF_LINE: usize = 4 << 10;

/// What stands for the rest.
const DOTS: &str = " ... ";

/// One line for C: paths and names in it can hold any character, and those that control a terminal,
/// end the line or turn its direction are escaped; and names can be long, so that of a long text the
/// middle is left out.
pub(crate) fn line_to_c(text: &str) -> CString {
    if text.len() > 2 * HALF_LINE + DOTS.len() {
        let (start, end) = (
            text.floor_char_boundary(HALF_LINE),
            text.ceil_char_boundary(text.len() - HALF_LINE),
        );
        let (start, end) = (text.get(..start), text.get(end..));
        let (start, end) = (start.unwrap_or_default(), end.unwrap_or_default());
        return line_to_c(&[start, DOTS, end].concat());
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let unseen = matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        );
        if character.is_control() || unseen {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    // NUL is a control character, so none is left.
    CString::new(line).unwrap_or_default()
}

/// The engine's value for an enumerator of the caller.
pub(crate) fn choose<T: Copy>(
    value: i32,
    parameter: &str,
    of: &str,
    table: &[(i32, T)],
) -> Result<T, Failure> {
    let found = table.iter().find(|(known, _)| *known == value);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Failure::invalid(format_args!("{parameter} is {value}, which is no {of}")))
}

/// An array of `len` elements; with `len` 0 the pointer is never read.
///
/// # Safety
/// `ptr` is null or valid for reading `len` elements for `'a`, and nobody writes there meanwhile.
pub(crate) unsafe fn slice<'a, T>(
    ptr: *const T,
    len: usize,
    parameter: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(Failure::null(parameter));
    }
    if !ptr.is_aligned() || len > isize::MAX as usize / size_of::<T>() {
        let why = "is misaligned, or so long that it can't be in memory";
        return Err(Failure::invalid(format_args!("{parameter} {why}")));
    }
    // SAFETY: not null, aligned and of a possible size; readable by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// An array of `len` elements to be written; with `len` 0 the pointer isn't used.
///
/// # Safety
/// `ptr` is null or valid for writing `len` elements for `'a`, holds as many values, and nobody else
/// uses it meanwhile.
pub(crate) unsafe fn slice_mut<'a, T>(
    ptr: *mut T,
    len: usize,
    parameter: &str,
) -> Result<&'a mut [T], Failure> {
    // SAFETY: the caller's promise; the checks are the same.
    let checked = unsafe { slice::<T>(ptr, len, parameter) }?.len();
    if checked == 0 {
        return Ok(&mut []);
    }
    // SAFETY: not null, aligned and of a possible size, as `slice` found; nobody else uses it, by the
    // caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr, checked) })
}

/// The caller's progress callback as a closure; without one it lets everything go on.
///
/// # Safety
/// `callback` may be called with `ctx` as long as the closure lives.
pub(crate) unsafe fn progress_of(
    callback: adit_progress_fn,
    ctx: *mut c_void,
) -> impl FnMut(u64, u64) -> bool {
    move |done, total| match callback {
        // SAFETY: the caller's promise.
        Some(callback) => unsafe { callback(ctx, done, total) == 0 },
        None => true,
    }
}

/// The caller's buffer; with `len` 0 it may be NULL.
///
/// # Safety
/// `buffer` is null or writable for `len` bytes for `'a`, and nobody else uses it meanwhile.
pub(crate) unsafe fn buffer_of<'a>(
    buffer: *mut c_void,
    len: u64,
) -> Result<&'a mut [MaybeUninit<u8>], Failure> {
    if len == 0 {
        return Ok(&mut []);
    }
    if buffer.is_null() {
        return Err(Failure::null("buffer"));
    }
    let Some(len) = usize::try_from(len)
        .ok()
        .filter(|&len| isize::try_from(len).is_ok())
    else {
        return Err(Failure::invalid(
            "the buffer's length is more than memory can hold",
        ));
    };
    // SAFETY: not null and of a possible length, so writable by the caller's promise; bytes need
    // no alignment and no initialisation.
    Ok(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), len) })
}

/// The caller's bytes, which may be mapped from a file; with `len` 0 the pointer is never read.
///
/// # Safety
/// `ptr` is null or mapped readable for `len` bytes for `'a`.
pub(crate) unsafe fn region_of<'a>(
    ptr: *const c_void,
    len: usize,
    parameter: &str,
) -> Result<Region<'a>, Failure> {
    if len == 0 {
        return Ok(Region::EMPTY);
    }
    if ptr.is_null() {
        return Err(Failure::null(parameter));
    }
    if isize::try_from(len).is_err() {
        return Err(Failure::invalid(format_args!(
            "{parameter} would have {len} bytes, more than memory can hold"
        )));
    }
    // SAFETY: readable for `len` bytes, at most isize::MAX, by the caller's promise.
    Ok(unsafe { Region::new(ptr.cast(), len) })
}
