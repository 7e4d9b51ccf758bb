//! Appends to files that others use, change or take away, and on disks that fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod array_tools;
mod common;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

use adit_core::array::Array;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, TO_END};
use array_tools::faulty::FaultyDisk;
use array_tools::rows::*;
use array_tools::*;
use common::{Folder, strided};

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const ENOSPC: i32 = 28;
const EOPNOTSUPP: i32 = 95;

#[test]
fn what_trails_is_overwritten_on_demand_only() {
    let folder = Folder::new();
    for trailing in [1, ROW, 5 * ROW, 4096] {
        let path = sample(&folder);
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        file.write_all(&vec![0xEE; trailing]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut array = writable(&path);
        for _ in 0..2 {
            let error = refused(&mut array);
            assert_eq!(error.kind(), Kind::Unfinished);
            assert_eq!(
                error.place().offset,
                Some(array.offset() + (ROWS * ROW) as u64)
            );
            let message = error.to_string();
            for part in [
                "a.npy",
                &format!("{trailing} bytes"),
                "9 rows",
                "flag to overwrite",
            ] {
                assert!(message.contains(part), "{message}");
            }
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        // The refused one keeps nobody out.
        let mut second = overwriting(&path);
        append(&mut second, 2).unwrap();
        append(&mut second, 1).unwrap();
        assert_eq!(all(&second), data()[..(ROWS + 3) * ROW]);
        check(&path, ROWS + 3);
    }
    let path = folder.join("a.npy");
    std::fs::copy(fixtures("npy").join("hand_trailing_bytes.npy"), &path).unwrap();
    let row = strided(&[1; 12], adit_core::dtype::DType::F32, &[1, 3], &[3, 1]).unwrap();
    let error = writable(&path).append_rows(&row).unwrap_err();
    assert_eq!(error.kind(), Kind::Unfinished);
    overwriting(&path).append_rows(&row).unwrap();
    assert_eq!(all(&open(&path).unwrap())[24..], [1; 12]);
}

#[test]
fn what_came_behind_after_the_open_counts_too() {
    let folder = Folder::new();
    let path = sample(&folder);
    let mut array = writable(&path);
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"somebody else's").unwrap();
    assert_eq!(refused(&mut array).kind(), Kind::Unfinished);
}

#[test]
fn one_open_array_appends_at_a_time() {
    let folder = Folder::new();
    for (number, make) in [sample, tight].into_iter().enumerate() {
        let path = make(&folder);
        let (mut first, mut second) = (writable(&path), overwriting(&path));
        append(&mut first, 1).unwrap();
        let error = refused(&mut second);
        assert_eq!(error.kind(), Kind::Busy, "{error}");
        // The rows of a header without room went to a new file.
        let is_new = error.to_string().contains("was replaced");
        let is_locked = error.to_string().contains("is locked");
        assert!(
            is_new == (number == 1) && is_locked == (number == 0),
            "{error}"
        );
        append(&mut first, 1).unwrap();
        // Once it may, its rows are others: it must look again, not overwrite them.
        drop(first);
        let error = refused(&mut second);
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("open it again"), "{error}");
        let mut third = writable(&path);
        append(&mut third, 1).unwrap();
        check(&path, ROWS + 3);
    }
}

/// Readers and writers of elements need no lock.
#[test]
fn appenders_disturb_nobody() {
    let folder = Folder::new();
    let path = sample(&folder);
    let (reader, writer) = (open(&path).unwrap(), writable(&path));
    let mut array = writable(&path);
    append(&mut array, 30).unwrap();
    for old in [&reader, &writer] {
        assert_eq!(old.dims(), [ROWS as i64, 2]);
        assert_eq!(all(old), data()[..ROWS * ROW]);
    }
    // SAFETY: the elements' bytes are writable, and nobody uses them meanwhile.
    unsafe { writer.as_mut_ptr().unwrap().write(0x42) };
    writer.flush(0, TO_END).unwrap();
    assert_eq!((raw(&array)[0], raw(&reader)[0]), (0x42, 0x42));
}

#[test]
fn a_file_that_is_no_longer_at_its_path_gets_no_rows() {
    let folder = Folder::new();
    let other = folder.join("other.npy");
    type Change = fn(&Path, &Path);
    let changes: [(Change, &str); 4] = [
        (|path, _| std::fs::remove_file(path).unwrap(), "removed"),
        (|path, other| std::fs::rename(path, other).unwrap(), "moved"),
        (
            |path, other| {
                std::fs::copy(path, other).unwrap();
                std::fs::rename(other, path).unwrap();
            },
            "replaced",
        ),
        (
            |path, other| {
                std::fs::rename(path, other).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            "since it was opened",
        ),
    ];
    for (change, word) in changes {
        for started in [false, true] {
            let path = sample(&folder);
            let mut array = writable(&path);
            let mut rows = ROWS;
            if started {
                append(&mut array, 1).unwrap();
                rows += 1;
            }
            change(&path, &other);
            let error = refused(&mut array);
            assert_eq!(error.kind(), Kind::Busy, "{error}");
            assert!(error.to_string().contains(word), "{error}");
            for left in [&path, &other] {
                if left.is_file() {
                    check(left, rows);
                }
            }
            let _ = std::fs::remove_dir(&path);
            let _ = std::fs::remove_file(&other);
        }
    }
}

#[test]
fn a_file_that_others_changed_gets_no_rows() {
    let folder = Folder::new();
    for started in [false, true] {
        let path = sample(&folder);
        let mut array = writable(&path);
        if started {
            append(&mut array, 1).unwrap();
        }
        // Cut: rows behind the gap would look sound.
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        file.set_len(len - 1).unwrap();
        let error = append(&mut array, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated, "{error}");
        assert_eq!(file.metadata().unwrap().len(), len - 1);
        file.set_len(len).unwrap();
        let error = append(&mut array, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated, "what was lost stays lost");
        assert_eq!(file.metadata().unwrap().len(), len);

        // Another header: of a program that knows nothing of locks.
        let path = sample(&folder);
        let mut array = writable(&path);
        if started {
            append(&mut array, 1).unwrap();
        }
        let theirs = npy("<f4", false, &[20, 2], &data()[..20 * ROW]);
        std::fs::write(&path, &theirs).unwrap();
        let error = append(&mut array, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy, "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), theirs);
    }
}

/// Sets a fault for the time of a call.
fn during<T>(fault: &AtomicI32, errno: i32, call: impl FnOnce() -> T) -> T {
    fault.store(errno, Ordering::Relaxed);
    let result = call();
    fault.store(0, Ordering::Relaxed);
    result
}

#[test]
fn a_failed_write_may_be_repeated() {
    let folder = Folder::new();
    for make in [sample, tight] {
        let path = make(&folder);
        let disk = FaultyDisk::default();
        let options = options(Access::ReadWrite);
        let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
        for (errno, kind) in [(ENOSPC, Kind::NoSpace), (EIO, Kind::Io)] {
            let error = during(&disk.faults.write, errno, || refused(&mut array));
            assert_eq!((error.kind(), error.os_code()), (kind, errno), "{error}");
            check(&path, array.dims()[0] as usize);
            append(&mut array, 2).unwrap();
            check(&path, array.dims()[0] as usize);
        }
        assert_eq!(array.dims()[0] as usize, ROWS + 4);
        assert_eq!(folder.names(), ["a.npy"]);
    }
}

#[test]
fn a_failed_sync_may_not_be_repeated() {
    let folder = Folder::new();
    let path = sample(&folder);
    let disk = FaultyDisk::default();
    let options = options(Access::ReadWrite);
    let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
    append(&mut array, 1).unwrap();
    let error = during(&disk.faults.sync, EIO, || refused(&mut array));
    assert_eq!((error.kind(), error.os_code()), (Kind::Io, EIO), "{error}");
    for _ in 0..2 {
        let error = refused(&mut array);
        assert_eq!(error.kind(), Kind::Poisoned, "{error}");
        assert!(
            error.to_string().contains("open the array again"),
            "{error}"
        );
    }
    assert_eq!(array.flush(0, TO_END).unwrap_err().kind(), Kind::Poisoned);
    assert_eq!(all(&array), data()[..(ROWS + 1) * ROW]);
    check(&path, ROWS + 1);
    drop(array);
    // Whoever opens it again is told of the rows that were on their way.
    assert_eq!(refused(&mut writable(&path)).kind(), Kind::Unfinished);
    append(&mut overwriting(&path), 1).unwrap();
    check(&path, ROWS + 2);
}

#[test]
fn a_new_file_that_cannot_be_synced_leaves_the_old_one() {
    let folder = Folder::new();
    let path = tight(&folder);
    let disk = FaultyDisk::default();
    let options = options(Access::ReadWrite);
    let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
    let error = during(&disk.faults.sync, EIO, || refused(&mut array));
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!(folder.names(), ["a.npy"]);
    check(&path, ROWS);
    // A new file is a new try.
    append(&mut array, 1).unwrap();
    check(&path, ROWS + 1);

    let path = tight(&folder);
    let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
    let error = during(&disk.faults.sync_folder, EIO, || {
        append(&mut array, 1).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::NotDurable, "{error}");
    check(&path, ROWS + 1);
    // The new file stands there, and this handle goes on with it.
    assert_eq!(array.dims()[0], ROWS as i64 + 1);
    append(&mut array, 1).unwrap();
    check(&path, ROWS + 2);
}

#[test]
fn rows_that_cannot_be_mapped_are_in_the_file() {
    let folder = Folder::new();
    for make in [sample, tight] {
        let path = make(&folder);
        let disk = FaultyDisk::default();
        let options = options(Access::ReadWrite);
        let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
        let error = during(&disk.faults.map, ENOMEM, || refused(&mut array));
        assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
        check(&path, ROWS + 1);
        assert_eq!(refused(&mut array).kind(), Kind::Poisoned);
        append(&mut writable_after(array, &path), 1).unwrap();
        check(&path, ROWS + 2);
    }
}

fn writable_after(closed: Array, path: &Path) -> Array {
    drop(closed);
    writable(path)
}

#[test]
fn small_address_spaces_and_disks_without_locks_will_do() {
    let folder = Folder::new();
    let path = sample(&folder);
    let disk = FaultyDisk::default();
    *disk.faults.longest_map.lock().unwrap() = 1 << 20;
    disk.faults.lock.store(EOPNOTSUPP, Ordering::Relaxed);
    let options = options(Access::ReadWrite);
    let mut array = Array::open_in(&disk.storage(), &path, &options).unwrap();
    let (start, len) = (array.region().as_ptr(), array.region().len());
    for rows in ROWS + 1..ROWS + 20 {
        append(&mut array, 1).unwrap();
        assert_eq!(all(&array), data()[..rows * ROW]);
        check(&path, rows);
    }
    // SAFETY: what the array has lent stays good as long as it lives.
    let lent = unsafe { std::slice::from_raw_parts(start, len) };
    assert_eq!(lent, &data()[..len]);
}
