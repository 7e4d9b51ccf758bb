//! Who may write a store: one handle at a time, whatever becomes of its lock file.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod store_processes;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use adit_core::error::{Kind, Report};
use adit_core::store::{OpenMode, Store, StoreOptions};
use common::{Folder, region, skip};
use store_processes::child::{Running, hear, say, spec};
use store_processes::{for_reading, get, open};

fn writing() -> StoreOptions {
    StoreOptions::default()
}

fn refused(path: &Path, mode: OpenMode) -> adit_core::store::Error {
    let options = StoreOptions {
        mode,
        ..StoreOptions::default()
    };
    Store::open(path, &options).unwrap_err()
}

/// A store with one pair in it.
fn sample(folder: &Folder) -> PathBuf {
    let path = folder.join("store");
    let store = open(&path, &writing());
    store.put(b"key", region(b"value")).unwrap();
    store.close();
    path
}

fn lock_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", path.display()))
}

#[track_caller]
fn reads(path: &Path, key: &[u8], value: &[u8]) {
    let store = open(path, &for_reading());
    let snapshot = store.snapshot().unwrap();
    assert_eq!(get(&snapshot, key).as_deref(), Some(value));
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let folder = Folder::new();
    let path = sample(&folder);
    let first = open(&path, &writing());
    for mode in [OpenMode::Create, OpenMode::Write] {
        let error = refused(&path, mode);
        assert_eq!(error.kind(), Kind::Busy);
        let said = error.to_string();
        assert!(said.contains(&std::process::id().to_string()), "{said}");
        assert!(said.contains("store"), "{said}");
        assert_eq!(error.place().path.as_deref(), Some(&*path));
    }
    first.put(b"key", region(b"another")).unwrap();
    reads(&path, b"key", b"another");
    drop(first);
    assert_eq!(refused(&path, OpenMode::New).kind(), Kind::Exists);
    open(&path, &writing()).close();
}

#[test]
fn a_writer_in_another_process_is_named() {
    let folder = Folder::new();
    let path = sample(&folder);
    let mut child = Running::start("part_of_a_writer", &[path.to_str().unwrap().to_owned()]);
    child.expect("open");
    let said = refused(&path, OpenMode::Write).to_string();
    assert!(said.contains(&format!("process {}", child.pid())), "{said}");
    reads(&path, b"child", b"1");
    // Killed, it keeps nobody out.
    child.kill();
    assert!(!child.finish());
    let store = open(&path, &writing());
    store.put(b"child", region(b"2")).unwrap();
    store.close();
    reads(&path, b"child", b"2");
}

#[test]
#[ignore = "a child's part"]
fn part_of_a_writer() {
    let Some(spec) = spec() else { return };
    let store = open(Path::new(&spec[0]), &writing());
    store.put(b"child", region(b"1")).unwrap();
    say("open");
    hear();
}

#[test]
fn links_lead_to_the_same_lock() {
    let folder = Folder::new();
    let path = sample(&folder);
    let (link, hard, inner) = (
        folder.join("link"),
        folder.join("hard"),
        folder.join("folder"),
    );
    symlink(&path, &link).unwrap();
    fs::hard_link(&path, &hard).unwrap();
    symlink(folder.path(), &inner).unwrap();
    let store = open(&link, &writing());
    for other in [&path, &link, &hard, &inner.join("store")] {
        assert_eq!(
            refused(other, OpenMode::Write).kind(),
            Kind::Busy,
            "{}",
            other.display()
        );
    }
    store.put(b"key", region(b"by the link")).unwrap();
    drop(store);
    reads(&path, b"key", b"by the link");
    assert!(!lock_of(&link).exists());
    let store = open(&hard, &writing());
    assert_eq!(refused(&path, OpenMode::Write).kind(), Kind::Busy);
    drop(store);
}

/// What is done to a lock file while a writer has it.
const HARM: [fn(&Path); 4] = [
    |lock| fs::remove_file(lock).unwrap(),
    |lock| {
        fs::remove_file(lock).unwrap();
        fs::write(lock, b"").unwrap();
    },
    |lock| fs::write(lock, b"").unwrap(),
    |lock| {
        fs::File::options()
            .write(true)
            .open(lock)
            .unwrap()
            .set_len(9)
            .unwrap()
    },
];

#[test]
fn a_lock_file_that_is_gone_lets_no_second_writer_in() {
    for harm in HARM {
        let folder = Folder::new();
        let path = sample(&folder);
        let first = open(&path, &writing());
        first.put(b"key", region(b"1")).unwrap();
        let reader = open(&path, &for_reading());
        harm(&lock_of(&path));
        assert_eq!(refused(&path, OpenMode::Write).kind(), Kind::Busy);
        first.put(b"key", region(b"2")).unwrap();
        // A new one makes a new lock file.
        assert_eq!(refused(&path, OpenMode::Write).kind(), Kind::Busy);
        let mut batch = adit_core::store::Batch::new();
        batch.put(b"key", region(b"3")).unwrap();
        first.write(&mut batch).unwrap();
        reader.snapshot().unwrap();
        first.compact(None).unwrap();
        assert_eq!(refused(&path, OpenMode::Write).kind(), Kind::Busy);
        first.put(b"key", region(b"4")).unwrap();
        drop(first);
        assert_eq!(
            get(&reader.snapshot().unwrap(), b"key").as_deref(),
            Some(&b"4"[..])
        );
        let next = open(&path, &writing());
        next.put(b"key", region(b"5")).unwrap();
        drop(next);
        reads(&path, b"key", b"5");
    }
}

#[test]
fn others_files_at_the_locks_name_stay() {
    let folder = Folder::new();
    let path = sample(&folder);
    let lock = lock_of(&path);
    fs::write(&lock, b"somebody's notes").unwrap();
    let error = refused(&path, OpenMode::Write);
    assert_eq!(error.kind(), Kind::WrongFormat);
    assert!(error.to_string().contains("store.lock"), "{error}");
    assert_eq!(error.place().path.as_deref(), Some(&*lock));
    assert_eq!(fs::read(&lock).unwrap(), b"somebody's notes");
    reads(&path, b"key", b"value");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let error = refused(&path, OpenMode::Write);
    assert_eq!(error.kind(), Kind::NotAFile);
    assert!(error.to_string().contains("a folder"), "{error}");
    reads(&path, b"key", b"value");
    fs::remove_dir(&lock).unwrap();
    let name = std::ffi::CString::new(lock.to_str().unwrap()).unwrap();
    // SAFETY: the name ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let error = refused(&path, OpenMode::Write);
    assert!(error.to_string().contains("a named pipe"), "{error}");
    reads(&path, b"key", b"value");
    fs::remove_file(&lock).unwrap();
    let target = folder.file("target", b"");
    symlink(&target, &lock).unwrap();
    let error = refused(&path, OpenMode::Write);
    assert!(error.to_string().contains("a symbolic link"), "{error}");
    reads(&path, b"key", b"value");
    assert_eq!(fs::read(&target).unwrap(), b"");
    fs::remove_file(&lock).unwrap();
    open(&path, &writing()).close();
}

#[test]
fn reading_needs_no_lock_file_and_makes_none() {
    let folder = Folder::new();
    let path = sample(&folder);
    fs::remove_file(lock_of(&path)).unwrap();
    let before = folder.names();
    reads(&path, b"key", b"value");
    assert_eq!(folder.names(), before);
}

/// As a user who may read the folder alone.
#[test]
fn a_folder_that_is_read_only_can_be_read() {
    let folder = Folder::new();
    let path = sample(&folder);
    fs::remove_file(lock_of(&path)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut child = Running::start("part_of_a_guest", &[path.to_str().unwrap().to_owned()]);
    match child.next().as_deref() {
        Some("root") => skip("a folder that is read-only", "another user to become"),
        said => assert_eq!(said, Some("Permission")),
    }
    assert!(child.finish());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "a child's part"]
fn part_of_a_guest() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    // SAFETY: changes this process alone.
    let is_root = unsafe { libc::geteuid() } == 0;
    // From inside of it: the way there may be closed to guests.
    std::env::set_current_dir(path.parent().unwrap()).unwrap();
    // SAFETY: changes this process alone.
    if is_root && unsafe { libc::seteuid(65_534) } != 0 {
        return say("root");
    }
    let path = Path::new(path.file_name().unwrap());
    let error = refused(path, OpenMode::Write);
    say(&format!("{:?}", error.kind()));
    reads(path, b"key", b"value");
    // SAFETY: as above.
    unsafe { libc::seteuid(0) };
}
