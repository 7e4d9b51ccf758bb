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

use support::compiler::compiler;
use support::library::library;
use support::program::Scratch;
use support::{must, root, run};

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
    assert!(said.contains("neither an rrec nor a NumPy file"), "{said}");
}

/// The program that the README shows, as it stands there.
#[test]
fn readme_program_runs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = readme.split("```c\n").nth(1).expect("a C program");
    let program = program.split("```").next().unwrap();
    let scratch = Scratch::new("readme");
    let source = scratch.path().join("readme.c");
    fs::write(&source, program).unwrap();
    let executable = build(&source, &scratch, "c99");
    let records = root().join("tests/data/rrec/basic_3x4.rrec");
    assert_eq!(
        must(Command::new(&executable).arg(records)),
        "8 records, targets sum to 28\n"
    );

    let (output, said) = run(Command::new(&executable).arg("/no/such.rrec"));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/no/such.rrec"), "{said}");
}
