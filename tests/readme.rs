//! What the README shows: its programs and commands, as they stand there.
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
use support::example::build;
use support::library::{library, target};
use support::program::Scratch;
use support::skip::skip;
use support::vulkan::{MISSING, vulkan};
use support::{has_tool, must, root, run};

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

/// The README's program for weights.
#[test]
fn readme_program_of_models_runs() {
    let scratch = Scratch::new("readme-models");
    let source = readme_program_number(2, &scratch);
    let executable = build(&source, &scratch, "c99");
    let model = |name: &str| root().join("tests/data").join(name);
    let small = model("safetensors/model_small.safetensors");
    let said = must(Command::new(&executable).arg(&small));
    // The two bytes at 952.
    assert_eq!(said, "bf16, 1280 bytes\nfirst element -0.0231934\n");
    let said =
        must(Command::new(&executable).args([&model("gguf/align_64.gguf"), Path::new("c.q8_0")]));
    // The block at byte 960 has a scale of 1/256, and starts with 127.
    assert_eq!(said, "q8_0, 136 bytes\nfirst element 0.496094\n");
    let (output, said) = run(Command::new(&executable).args([&small, Path::new("none")]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said, "ADIT_ERR_NOT_FOUND \n");
}

/// The README's program for graphics cards.
#[test]
fn readme_program_of_gpus_runs() {
    let scratch = Scratch::new("readme-gpus");
    let source = readme_program_number(5, &scratch);
    let executable = build(&source, &scratch, "c99");
    let model = root().join("tests/data/safetensors/model_small.safetensors");
    let Some(driver) = vulkan() else {
        return skip("the README's program of graphics cards", MISSING);
    };
    let mut command = Command::new(&executable);
    let said = must(command.arg(&model).envs(driver.iter().copied()));
    assert!(said.starts_with("f32, "), "{said}");
}

/// The README's program for stores, and what it has stored.
#[test]
fn readme_program_of_stores_runs() {
    let scratch = Scratch::new("readme-stores");
    let source = readme_program_number(3, &scratch);
    let executable = build(&source, &scratch, "c99");
    let store = scratch.path().join("checkpoint.adit");
    for _ in 0..2 {
        let said = must(Command::new(&executable).arg(&store));
        assert_eq!(said, "2 dimensions, last element 6\n");
    }
    let (output, said) = run(Command::new(&executable).arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("ADIT_ERR_NOT_A_FILE "), "{said}");
}

/// The README's program for records and batches of them.
#[test]
fn readme_program_of_loaders_runs() {
    let scratch = Scratch::new("readme-loaders");
    let source = readme_program_number(4, &scratch);
    let executable = build(&source, &scratch, "c99");
    let records = scratch.path().join("points.arec");
    for _ in 0..2 {
        let said = must(Command::new(&executable).arg(&records));
        assert_eq!(said, "10 batches, a sum of 4950\n");
    }
    let (output, said) = run(Command::new(&executable).arg(scratch.path().join("points.bin")));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("ADIT_ERR_UNSUPPORTED "), "{said}");
}

/// The README's ways to build against what `make install` leaves.
#[test]
fn installed_library_is_used_as_the_readme_says() {
    let scratch = Scratch::new("install");
    let prefix = scratch.path().join("usr");
    library();
    let mut install = Command::new("make");
    install
        .args(["-s", "install", "DESTDIR="])
        .arg(format!("PREFIX={}", prefix.display()))
        // What is built already, and stays the tests' own.
        .arg(format!("CARGO_TARGET_DIR={}", target().display()))
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
    readme_program_number(1, scratch)
}

/// Writes the README's n-th program to `program.c`.
fn readme_program_number(number: usize, scratch: &Scratch) -> PathBuf {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = readme.split("```c\n").nth(number).expect("a C program");
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
