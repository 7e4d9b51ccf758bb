//! The programs that users copy from: built as a user would, run, and their answers looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the C programs need more of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::compiler::{compiler, has_compiler};
use support::library::library;
use support::program::Scratch;
use support::skip::skip;
use support::{has_tool, must, root, run};

/// Compiles a program against the shared library, with the flags that the README shows.
fn build(source: &Path, scratch: &Scratch, standard: &str) -> PathBuf {
    let cpp = standard.starts_with("c++");
    let executable = scratch.path().join("program");
    let folder = library().folder.display();
    must(
        compiler(cpp)
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-x"])
            .arg(if cpp { "c++" } else { "c" })
            .arg(format!("-std={standard}"))
            .arg(format!("-I{}", root().join("include").display()))
            .arg(source)
            .args(["-x", "none", "-o"])
            .arg(&executable)
            .args([format!("-L{folder}"), format!("-Wl,-rpath,{folder}")])
            .args(["-ladit", "-lm"]),
    );
    executable
}

fn example(name: &str) -> PathBuf {
    root().join("examples-c").join(name)
}

fn digits() -> PathBuf {
    root().join("tests/data/digits")
}

#[test]
fn training_recognises_the_digits() {
    for standard in ["c99", "c11", "c++17"] {
        if !has_compiler(standard.starts_with("c++")) {
            skip("train_digits in C++", "a C++ compiler");
            continue;
        }
        let scratch = Scratch::new(&format!("train-{standard}"));
        let program = build(&example("train_digits.c"), &scratch, standard);
        let said = must(Command::new(program).arg(digits()).arg(scratch.path()));
        let accuracy = said
            .lines()
            .find_map(|line| line.strip_prefix("test accuracy "));
        let accuracy: f64 = accuracy.expect(&said).parse().unwrap();
        // What softmax regression reaches on these digits; far from it, bytes went wrong.
        assert!((0.88..0.93).contains(&accuracy), "{said}");
        assert_eq!(
            said.lines()
                .filter(|line| line.starts_with("epoch "))
                .count(),
            30,
            "{said}"
        );
        assert!(said.contains(" MB mapped"), "{said}");
        // Header, records of 20 + 256 + 16 bytes, index.
        let size = |name: &str| fs::metadata(scratch.path().join(name)).unwrap().len();
        assert_eq!(size("train.rrec"), 64 + 1500 * (16 + 256 + 16 + 16));
        assert_eq!(size("test.rrec"), 64 + 297 * (16 + 256 + 16 + 16));
    }
}

#[test]
fn training_tells_what_is_missing() {
    let scratch = Scratch::new("train-missing");
    let program = build(&example("train_digits.c"), &scratch, "c99");
    let (output, said) = run(Command::new(program)
        .arg("/no/such/folder")
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_NOT_FOUND") && said.contains("/no/such/folder"),
        "{said}"
    );
}

#[test]
fn training_refuses_labels_that_are_no_digits() {
    let scratch = Scratch::new("train-label");
    let program = build(&example("train_digits.c"), &scratch, "c99");
    for name in ["images_u8.npy", "labels_u8.npy"] {
        fs::copy(digits().join(name), scratch.path().join(name)).unwrap();
    }
    let path = scratch.path().join("labels_u8.npy");
    let mut labels = fs::read(&path).unwrap();
    labels[128 + 1700] = 10;
    fs::write(&path, labels).unwrap();
    let (output, said) = run(Command::new(program)
        .arg(scratch.path())
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("label 1700 is 10"), "{said}");
}

#[test]
fn an_array_is_edited_in_memory_and_saved() {
    let scratch = Scratch::new("edit");
    let program = build(&example("edit_array.c"), &scratch, "c99");
    let (images, out) = (
        digits().join("images_u8.npy"),
        scratch.path().join("out.npy"),
    );
    let before = fs::read(&images).unwrap();
    let edit =
        |from: &Path, rows: [&str; 2]| run(Command::new(&program).arg(from).arg(&out).args(rows));
    let (output, said) = edit(&images, ["10", "3"]);
    assert!(output.status.success(), "{said}");
    let sum = |bytes: &[u8]| -> f64 { bytes[128..].iter().map(|&byte| f64::from(byte)).sum() };
    let mut wanted = before.clone();
    wanted[128 + 10 * 64..128 + 13 * 64].fill(0);
    let means = [&before, &wanted].map(|bytes| sum(bytes) / (bytes.len() - 128) as f64);
    let line = said
        .strip_prefix("3 rows of u8 cleared: mean ")
        .expect(&said);
    let told: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(told.len(), 2, "{said}");
    for (told, mean) in told.iter().zip(means) {
        assert!((told - mean).abs() < 1e-4, "{said}");
    }
    assert_eq!(
        fs::read(&images).unwrap(),
        before,
        "the file itself has changed"
    );
    assert!(fs::read(&out).unwrap() == wanted);

    // Over the file that is mapped.
    let (output, said) = edit(&out.clone(), ["0", "1"]);
    assert!(output.status.success(), "{said}");
    wanted[128..128 + 64].fill(0);
    assert!(fs::read(&out).unwrap() == wanted);

    let (output, said) = edit(&images, ["1797", "1"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1797 rows"), "{said}");
    let (output, said) = edit(Path::new("/no/such/file"), ["0", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("ADIT_ERR_NOT_FOUND"), "{said}");
}

#[test]
fn inspection_tells_what_files_hold() {
    let scratch = Scratch::new("inspect");
    let program = build(&example("inspect.c"), &scratch, "c99");
    let data = |name: &str| root().join("tests/data").join(name);
    let inspect = |name: &str| run(Command::new(&program).arg(data(name)));

    let (output, said) = inspect("digits/labels_u8.npy");
    assert!(output.status.success());
    assert!(
        said.contains("NumPy array, u8, 1 dimensions, elements from byte 128"),
        "{said}"
    );
    assert!(
        said.contains("u8 [1797], 1797 bytes: 0, 1, 2, 3, 4, 5, 6, 7, ..."),
        "{said}"
    );

    let (output, said) = inspect("rrec/basic_3x4.rrec");
    assert!(output.status.success());
    assert!(said.contains("rrec version 1, 8 records"), "{said}");
    assert!(
        said.contains("input    f32 [3, 4], 48 bytes: 0.4886, 0.192535"),
        "{said}"
    );
    assert!(
        said.contains("checked 8 records, 640 bytes: 0 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/f16_hand.rrec");
    assert!(output.status.success());
    assert!(
        said.contains("f16 [15], 30 bytes: 0, -0, 5.96046e-08, -6.09756e-05"),
        "{said}"
    );

    let (output, said) = inspect("rrec/bad_dtype_7.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_MALFORMED") && said.contains("1 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/unfinished_dropped.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_UNFINISHED") && said.contains("adit_record_recover"),
        "{said}"
    );

    let (output, said) = inspect("digits/README.md");
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("neither an rrec nor an array file"), "{said}");
}

/// The program that the README shows, as it stands there.
#[test]
fn readme_program_runs() {
    let scratch = Scratch::new("readme");
    let source = readme_program(&scratch);
    let executable = build(&source, &scratch, "c99");
    sums_to_28(&executable);

    let (output, said) = run(Command::new(&executable).arg("/no/such.rrec"));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/no/such.rrec"), "{said}");
}

/// The README's ways to build against what `make install` leaves.
#[test]
fn installed_library_is_used_as_the_readme_says() {
    let scratch = Scratch::new("install");
    let prefix = scratch.path().join("usr");
    let target = library().folder.parent().unwrap();
    let mut install = Command::new("make");
    install
        .args(["-s", "install", "DESTDIR="])
        .arg(format!("PREFIX={}", prefix.display()))
        // What is built already, and stays the tests' own.
        .arg(format!("CARGO_TARGET_DIR={}", target.display()))
        .current_dir(root());
    for name in ["MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "CARGO_BUILD_TARGET"] {
        install.env_remove(name);
    }
    for name in ["LIBDIR", "INCLUDEDIR", "DOCDIR"] {
        install.env_remove(name);
    }
    must(&mut install);
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(prefix.join("share/doc/adit").join(name).is_file());
    }
    readme_program(&scratch);

    let line = readme_line("# static");
    let flags = line.strip_prefix("cc program.c ").expect(&line);
    let flags = flags
        .split_whitespace()
        .map(|flag| flag.replace("/usr/local", &prefix.display().to_string()));
    sums_to_28(&build_with(&scratch, flags));

    assert!(readme_line("# shared").contains("$(pkg-config --cflags --libs adit)"));
    if !has_tool("pkg-config") {
        return skip("the installed pkg-config file", "pkg-config");
    }
    let flags = must(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "adit"])
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")),
    );
    let rpath = format!("-Wl,-rpath,{}", prefix.join("lib").display());
    // It puts a backslash before a space of a path.
    let flags = flags.replace("\\ ", "\0");
    let flags = flags
        .split_whitespace()
        .map(|flag| flag.replace('\0', " "))
        .chain([rpath]);
    sums_to_28(&build_with(&scratch, flags));
}

/// Writes the README's program to `program.c`.
fn readme_program(scratch: &Scratch) -> PathBuf {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = readme.split("```c\n").nth(1).expect("a C program");
    let source = scratch.path().join("program.c");
    fs::write(&source, program.split("```").next().unwrap()).unwrap();
    source
}

/// The README's command of this comment, without it.
fn readme_line(comment: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let line = readme.lines().find_map(|line| line.strip_suffix(comment));
    line.expect(comment).trim().to_owned()
}

/// Compiles `program.c` with these flags and no others.
fn build_with(scratch: &Scratch, flags: impl Iterator<Item = String>) -> PathBuf {
    let executable = scratch.path().join("program");
    must(
        compiler(false)
            .arg("program.c")
            .args(flags)
            .arg("-o")
            .arg(&executable)
            .current_dir(scratch.path()),
    );
    executable
}

/// Runs the README's program on records whose targets it sums.
fn sums_to_28(executable: &Path) {
    let records = root().join("tests/data/rrec/basic_3x4.rrec");
    assert_eq!(
        must(Command::new(executable).arg(records)),
        "8 records, targets sum to 28\n"
    );
}
