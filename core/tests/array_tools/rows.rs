//! Files of rows to append to.

use std::path::{Path, PathBuf};

use adit_core::array::{Array, ArrayOptions, Error, Result};
use adit_core::map::Access;

use super::{all, noise, npy, open, open_as, options, raw, tight_npy};
use crate::common::{Folder, strided};

/// The rows of a new file, of two f32s each.
pub const ROWS: usize = 9;
/// The bytes of a row.
pub const ROW: usize = 8;

/// The rows that are there, and those that come.
pub fn data() -> Vec<u8> {
    noise(40 * ROW)
}

pub fn sample(folder: &Folder) -> PathBuf {
    let bytes = npy("<f4", false, &[ROWS as i64, 2], &data()[..ROWS * ROW]);
    fresh(folder, &bytes)
}

/// A file of these bytes; one that stood there goes on as it was, for whoever has it open.
pub fn fresh(folder: &Folder, bytes: &[u8]) -> PathBuf {
    let _ = std::fs::remove_file(folder.join("a.npy"));
    folder.file("a.npy", bytes)
}

/// As [`sample`], with a header that has no room for ten rows.
pub fn tight(folder: &Folder) -> PathBuf {
    let bytes = tight_npy("<f4", &[ROWS as i64, 2], &data()[..ROWS * ROW]);
    fresh(folder, &bytes)
}

/// Appends the rows of [`data`] that come next.
pub fn append(array: &mut Array, rows: usize) -> Result<()> {
    let have = array.dims()[0] as usize;
    let data = data();
    let more = &data[have * ROW..(have + rows) * ROW];
    array.append_rows(&strided(more, array.dtype(), &[rows as i64, 2], &[2, 1]).unwrap())
}

pub fn refused(array: &mut Array) -> Error {
    let before = (array.dims().to_vec(), raw(array));
    let error = append(array, 1).unwrap_err();
    assert_eq!((array.dims().to_vec(), raw(array)), before, "{error}");
    error
}

pub fn writable(path: &Path) -> Array {
    open_as(path, Access::ReadWrite).unwrap()
}

pub fn overwriting(path: &Path) -> Array {
    let options = ArrayOptions {
        overwrite_trailing: true,
        ..options(Access::ReadWrite)
    };
    Array::open(path, &options).unwrap()
}

/// The file has so many rows, the right ones.
pub fn check(path: &Path, rows: usize) {
    let array = open(path).unwrap();
    assert_eq!(array.dims(), [rows as i64, 2]);
    assert_eq!(all(&array), data()[..rows * ROW]);
}
