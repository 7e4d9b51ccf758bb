//! Folders of files that become records.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod converted_tools;

use std::fs;
use std::path::Path;

use adit_core::convert::{FOLDER_FIELDS, Result, convert_folder};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::record::WriterOptions;
use common::{Folder, Tensor, disk, go_on};
use converted_tools::*;

fn convert(from: &Path, to: &Path) -> Result<u64> {
    convert_folder(&disk(), from, to, &WriterOptions::default(), &mut go_on)
}

fn text(tensor: &Tensor) -> &str {
    std::str::from_utf8(&tensor.bytes).unwrap()
}

#[test]
fn files_become_records_in_the_order_of_their_names() {
    let folder = Folder::new();
    let from = folder.join("files");
    fs::create_dir(&from).unwrap();
    let contents = [
        ("b.png", 70_000),
        ("B.png", 0),
        ("a", 1),
        ("b", 5000),
        ("\u{e4}.txt", 9),
    ];
    for (number, (name, len)) in contents.iter().enumerate() {
        fs::write(from.join(name), bytes(number as u64, *len)).unwrap();
    }
    fs::write(from.join(".hidden"), "not this").unwrap();
    let to = folder.join("out.arec");
    assert_eq!(convert(&from, &to).unwrap(), 5);
    let reader = open(&to);
    assert_eq!(rows_of(&reader), [bytes_row("name"), bytes_row("data")]);
    let records = read_all(&reader);
    let names: Vec<&str> = records.iter().map(|record| text(&record[0])).collect();
    assert_eq!(names, ["B.png", "a", "b", "b.png", "\u{e4}.txt"]);
    for (record, number) in records.iter().zip([1, 2, 3, 0, 4]) {
        assert!(record[1].bytes == bytes(number, contents[number as usize].1));
    }
    assert_eq!(FOLDER_FIELDS[..2], ["name", "data"]);
    assert!(reader.metadata().unwrap().is_empty());
}

#[test]
fn folders_become_classes() {
    let folder = Folder::new();
    let from = folder.join("images");
    for (name, count) in [("dog", 2), ("cat", 3), ("empty", 0), ("zebra", 1)] {
        fs::create_dir_all(from.join(name)).unwrap();
        for number in 0..count {
            fs::write(
                from.join(name).join(format!("{number}.jpg")),
                format!("{name} {number}"),
            )
            .unwrap();
        }
    }
    fs::create_dir(from.join(".cache")).unwrap();
    // A link counts as what it leads to.
    std::os::unix::fs::symlink(from.join("cat"), from.join("dog-too")).unwrap();
    let to = folder.join("images.arec");
    assert_eq!(convert(&from, &to).unwrap(), 9);
    let reader = open(&to);
    let label = row("label", DType::I32, &[]);
    assert_eq!(
        rows_of(&reader),
        [bytes_row("name"), bytes_row("data"), label]
    );
    let records = read_all(&reader);
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let label = i32::from_le_bytes(record[2].bytes[..].try_into().unwrap());
            (text(&record[0]), text(&record[1]), label)
        })
        .collect();
    let wanted = [
        ("cat/0.jpg", "cat 0", 0),
        ("cat/1.jpg", "cat 1", 0),
        ("cat/2.jpg", "cat 2", 0),
        ("dog/0.jpg", "dog 0", 1),
        ("dog/1.jpg", "dog 1", 1),
        ("dog-too/0.jpg", "cat 0", 2),
        ("dog-too/1.jpg", "cat 1", 2),
        ("dog-too/2.jpg", "cat 2", 2),
        ("zebra/0.jpg", "zebra 0", 4),
    ];
    assert_eq!(told, wanted);
    let classes = ["cat", "dog", "dog-too", "empty", "zebra"]
        .iter()
        .enumerate();
    let classes: Vec<_> = classes
        .map(|(number, name)| (format!("class.{number}"), name.as_bytes().to_vec()))
        .collect();
    assert_eq!(reader.metadata().unwrap(), classes);
}

#[test]
fn names_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let from = folder.join("files");
    fs::create_dir(&from).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\n\xfe");
    fs::write(from.join(name), "x").unwrap();
    let to = folder.join("out.arec");
    assert_eq!(convert(&from, &to).unwrap(), 1);
    assert_eq!(read_all(&open(&to))[0][0].bytes, b"\xff\n\xfe");
}

#[test]
fn folders_that_tell_no_records_are_refused() {
    let folder = Folder::new();
    let to = folder.join("out.arec");
    let make = |name: &str, files: &[&str]| {
        let from = folder.join(name);
        fs::create_dir(&from).unwrap();
        for file in files {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), "x").unwrap();
        }
        from
    };
    let fifo = make("fifo", &[]);
    let made = std::process::Command::new("mkfifo")
        .arg(fifo.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let gone = make("gone", &[]);
    std::os::unix::fs::symlink("/no/such", gone.join("link")).unwrap();
    let cases = [
        (
            make("mixed", &["a/1", "b"]),
            Kind::InvalidArgument,
            "mixed/b",
            "a file beside folders",
        ),
        (
            make("deep", &["a/b/1"]),
            Kind::NotAFile,
            "deep/a/b",
            "a folder inside",
        ),
        (
            make("empty", &[".hidden"]),
            Kind::InvalidArgument,
            "empty",
            "no files",
        ),
        (
            fifo,
            Kind::NotAFile,
            "fifo/pipe",
            "neither a file nor a folder",
        ),
        (gone, Kind::NotFound, "gone/link", "look at"),
        (folder.join("none"), Kind::NotFound, "none", "list"),
        (
            make("file", &["x"]).join("x"),
            Kind::InvalidArgument,
            "file/x",
            "list",
        ),
    ];
    for (from, kind, path, says) in cases {
        let error = convert(&from, &to).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(says) && said.contains(path), "{said}");
        if says != "list" || kind == Kind::NotFound {
            assert_eq!(error.kind(), kind, "{said}");
        }
        assert_eq!(error.place().path, Some(folder.join(path)), "{said}");
        assert!(!to.exists());
    }
    let from = make("some", &["1", "2"]);
    let options = WriterOptions::default();
    let stopped = convert_folder(&disk(), &from, &to, &options, &mut |_, _| false);
    assert_eq!(stopped.unwrap_err().kind(), Kind::Cancelled);
    assert!(!folder.names().iter().any(|name| name.contains("out.arec")));
}
