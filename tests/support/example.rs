//! A program of `examples-c`, built as a user would.

use std::path::{Path, PathBuf};

use super::compiler::compiler;
use super::library::library;
use super::program::Scratch;
use super::{must, root};

/// Compiles a program against the shared library, with the flags that the README shows.
pub fn build(source: &Path, scratch: &Scratch, standard: &str) -> PathBuf {
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
            .args(["-ladit", "-lm", "-pthread"]),
    );
    executable
}

pub fn example(name: &str) -> PathBuf {
    root().join("examples-c").join(name)
}
