//! Writes `include/adit.h` from `src/`, or checks that the committed one is still right.
//!
//! ```text
//! adit-header [--check] [--root DIR]
//! ```
//!
//! cbindgen knows how a Rust item looks in C, but it writes all constants, then all types, then all
//! functions. A header that is read as a manual needs sections: this tool cuts cbindgen's text into
//! declarations ([`blocks`]), finds the file of `src/` that each came from ([`scan`]) and writes
//! them out again by section ([`emit`]), with the `//!` text of the section's file above them.
//! Nothing may get lost on the way: an item of `src/` that isn't in the header is an error.

mod blocks;
mod diff;
mod docs;
mod emit;
mod generate;
mod items;
mod layout;
mod lexeme;
mod order;
mod scan;
#[cfg(test)]
mod tree;
mod verbatim;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What can go wrong is for a person to read: where it is, what it is, and what to do about it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The command line.
struct Arguments {
    /// Compare instead of write.
    check: bool,
    /// The folder of `cbindgen.toml`, `src/` and `include/`.
    root: PathBuf,
}

fn arguments() -> Result<Arguments> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut arguments = Arguments { check: false, root };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--check" => arguments.check = true,
            "--root" => arguments.root = words.next().ok_or("--root needs a folder")?.into(),
            _ => return Err(format!("unknown argument {word:?}: [--check] [--root DIR]").into()),
        }
    }
    Ok(arguments)
}

fn run() -> Result<ExitCode> {
    let Arguments { check, root } = arguments()?;
    let root = root
        .canonicalize()
        .map_err(|error| format!("{}: {error}", root.display()))?;
    let path = root.join("include/adit.h");
    let header = generate::header(&root)?;
    if check {
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        if let Some(hint) = diff::first_difference(&committed, &header) {
            eprintln!("include/adit.h is not what src/ says: run `make header`\n{hint}");
            return Ok(ExitCode::FAILURE);
        }
    } else if std::fs::read_to_string(&path).is_ok_and(|old| old == header) {
        // An unchanged header keeps its time, so that nothing is rebuilt for it.
        println!("include/adit.h is up to date");
    } else {
        std::fs::create_dir_all(root.join("include"))?;
        std::fs::write(&path, &header)?;
        println!("include/adit.h: {} lines", header.lines().count());
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("adit-header: {error}");
        ExitCode::FAILURE
    })
}
