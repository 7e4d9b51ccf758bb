//! A program of `examples-c`, built as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::compiler::compiler;
use super::library::library;
use super::program::Scratch;
use super::{must, root};

/// Compiles a program against the shared library, with the flags that the README shows.
pub fn build(source: &Path, scratch: &Scratch, standard: &str) -> PathBuf {
    build_with(
        compiler(standard.starts_with("c++")),
        &[source],
        scratch,
        standard,
    )
}

/// As `build`, of several sources, by this compiler.
pub fn build_with(
    mut compiler: Command,
    sources: &[&Path],
    scratch: &Scratch,
    standard: &str,
) -> PathBuf {
    let cpp = standard.starts_with("c++");
    let executable = scratch.path().join("program");
    let folder = library().folder.display();
    must(
        compiler
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-x"])
            .arg(if cpp { "c++" } else { "c" })
            .arg(format!("-std={standard}"))
            .arg(format!("-I{}", root().join("include").display()))
            .args(sources)
            .args(["-x", "none", "-o"])
            .arg(&executable)
            .args([format!("-L{folder}"), format!("-Wl,-rpath,{folder}")])
            .args(["-ladit", "-lm", "-pthread"]),
    );
    executable
}

/// `train_digits` with what it shares.
pub fn build_digits(scratch: &Scratch, standard: &str) -> PathBuf {
    let sources = ["train_digits.c", "digits.c"].map(example);
    let sources = sources.each_ref().map(PathBuf::as_path);
    let compiler = compiler(standard.starts_with("c++"));
    build_with(compiler, &sources, scratch, standard)
}

pub fn example(name: &str) -> PathBuf {
    root().join("examples-c").join(name)
}
