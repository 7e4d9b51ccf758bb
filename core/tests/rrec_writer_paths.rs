//! When the record writer's file appears, and at which paths it can't.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use adit_core::error::{Kind, Report};
use adit_core::map::DataOptions;
use adit_core::record::{Error, RecordWriter, RrecReader};
use common::{Folder, Pair, create_rrec, disk, encode, noise, read};

fn pair(seed: u32) -> Pair {
    [noise(seed, &[3, 4]), noise(seed + 1, &[])]
}

fn append(writer: &mut RecordWriter, [input, target]: &Pair) {
    writer.append(&[input.view(), target.view()]).unwrap();
}

fn create(path: &Path, replace: bool) -> Result<RecordWriter, Error> {
    create_rrec(disk(), path, replace)
}

#[test]
fn the_old_file_stays_until_finish_and_for_who_has_it_open() {
    let folder = Folder::new();
    let (old, new) = (pair(1), [pair(2), pair(3)]);
    let path = folder.file("set.rrec", &encode(std::slice::from_ref(&old)));
    let reader = RrecReader::open(&path, &DataOptions::default()).unwrap();
    let mut writer = create(&path, true).unwrap();
    // More than the writer holds back, so that it has written some.
    let large = [noise(9, &[3 << 20]), noise(9, &[])];
    append(&mut writer, &large);
    new.iter().for_each(|pair| append(&mut writer, pair));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        encode(std::slice::from_ref(&old))
    );
    assert_eq!(folder.names().len(), 2);
    let temporary = writer.temporary().unwrap().to_owned();
    assert_eq!(temporary.parent(), Some(folder.path()));
    let name = temporary.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("set.rrec.") && name.ends_with(".adit-tmp"),
        "{name}"
    );
    let error = RrecReader::open(&temporary, &DataOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unfinished);

    writer.finish().unwrap();
    assert_eq!(folder.names(), ["set.rrec"]);
    let [first, second] = new;
    assert!(std::fs::read(&path).unwrap() == encode(&[large, first, second]));
    // The reader's file has no name any more, but all its bytes.
    assert_eq!(read(&reader), [old]);
    reader.data().still_whole().unwrap();
}

#[test]
fn dropped_unfinished_nothing_is_left() {
    let folder = Folder::new();
    let old = folder.file("old.rrec", b"old");
    for path in [folder.join("new.rrec"), old.clone()] {
        let mut writer = create(&path, true).unwrap();
        append(&mut writer, &[noise(9, &[3 << 20]), noise(9, &[])]);
        drop(writer);
        drop(create(&path, true).unwrap());
        assert_eq!(folder.names(), ["old.rrec"]);
    }
    assert_eq!(std::fs::read(old).unwrap(), b"old");
}

#[test]
fn after_finish_only_closing_is_left() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let mut writer = create(&path, false).unwrap();
    append(&mut writer, &pair(1));
    writer.finish().unwrap();
    let [input, target] = pair(2);
    let errors = [
        writer.finish().unwrap_err(),
        writer.append(&[input.view(), target.view()]).unwrap_err(),
        writer
            .append_batch(&[input.view(), input.view()])
            .unwrap_err(),
        writer.append(&[]).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains("set.rrec"), "{error}");
        assert!(error.to_string().contains("has finished"), "{error}");
    }
    assert_eq!(writer.count(), 1);
    drop(writer);
    assert_eq!(folder.names(), ["set.rrec"]);
    assert_eq!(std::fs::read(&path).unwrap(), encode(&[pair(1)]));
}

#[test]
fn paths_that_cant_be_written_are_told_at_create() {
    let folder = Folder::new();
    let file = folder.file("file", b"a file");
    let sub = folder.join("folder");
    std::fs::create_dir(&sub).unwrap();
    let cases = [
        (sub.clone(), Kind::NotAFile),
        (folder.join("missing/set.rrec"), Kind::NotFound),
        (file.join("set.rrec"), Kind::NotFound),
        (Path::new("/").to_owned(), Kind::InvalidArgument),
        (sub.join(".."), Kind::InvalidArgument),
        (Path::new("").to_owned(), Kind::InvalidArgument),
        (folder.join(&"n".repeat(256)), Kind::InvalidArgument),
    ];
    for (path, kind) in cases {
        for replace in [false, true] {
            let error = create(&path, replace).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.place().path, Some(path.clone()), "{error}");
        }
    }
    let error = create(&sub, true).unwrap_err();
    assert_eq!(error.os_code(), libc::EISDIR);
    let error = create(&file, false).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert!(error.to_string().contains("file"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
    assert_eq!(folder.names(), ["file", "folder"]);
    assert!(std::fs::read_dir(&sub).unwrap().next().is_none());
}

#[test]
fn a_file_that_came_meanwhile_is_left() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let mut writer = create(&path, false).unwrap();
    append(&mut writer, &pair(1));
    folder.file("set.rrec", b"somebody else's");
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Poisoned);
    assert_eq!(kind_of_append(&mut writer), Kind::Poisoned);
    drop(writer);
    assert_eq!(folder.names(), ["set.rrec"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
}

fn kind_of_append(writer: &mut RecordWriter) -> Kind {
    let [input, target] = pair(7);
    let result = writer.append(&[input.view(), target.view()]);
    result.unwrap_err().kind()
}

#[test]
fn any_name_that_the_system_takes_will_do() {
    let folder = Folder::new();
    let names: [&[u8]; 4] = [
        &[b'n'; 255],
        b"not \xff utf-8",
        b"-- $x \n",
        "\u{1F4A5}".as_bytes(),
    ];
    for name in names {
        let path = folder.path().join(OsStr::from_bytes(name));
        let mut writer = create(&path, false).unwrap();
        append(&mut writer, &pair(1));
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), encode(&[pair(1)]));
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        names.len()
    );
}

/// A link is replaced, as by any program that writes to a temporary; what it names is left.
#[test]
fn a_link_is_replaced_and_not_followed() {
    let folder = Folder::new();
    let file = folder.file("file", b"a file");
    for target in [file.clone(), folder.join("missing")] {
        let link = folder.join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(create(&link, false).unwrap_err().kind(), Kind::Exists);
        let mut writer = create(&link, true).unwrap();
        writer.finish().unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
        std::fs::remove_file(&link).unwrap();
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
    assert_eq!(folder.names(), ["file"]);
}

/// A child that was forked with a writer open can neither finish nor spoil it.
#[test]
fn a_forked_child_leaves_the_writer_to_its_parent() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let mut writer = create(&path, false).unwrap();
    append(&mut writer, &pair(1));
    // SAFETY: the child calls nothing but the writer's functions and _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let forked = |result: Result<(), Error>| result.is_err_and(|e| e.kind() == Kind::Forked);
        let refused = forked(writer.finish());
        drop(writer);
        // SAFETY: ends the child at once, without the test harness's doing.
        unsafe { libc::_exit(if refused { 7 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call; the child is this test's own.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7,
        "{status}"
    );
    assert_eq!(folder.names().len(), 1);
    append(&mut writer, &pair(2));
    writer.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), encode(&[pair(1), pair(2)]));
    assert_eq!(folder.names(), ["set.rrec"]);
}
