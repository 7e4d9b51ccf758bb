//! The library, built here and nowhere else: what is found lying about is never linked.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{abi_version, builds, must, root};

/// A build of the library: a folder with the shared one, its SONAME's link, and the static one.
#[derive(Debug)]
pub struct Library {
    pub folder: PathBuf,
}

impl Library {
    pub fn shared(&self) -> PathBuf {
        self.folder.join("libadit.so")
    }

    pub fn archive(&self) -> PathBuf {
        self.folder.join("libadit.a")
    }
}

/// The library as users get it.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| build("library", &[]))
}

/// The library with the function that panics on purpose.
pub fn library_with_hooks() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| build("library-with-hooks", &["--features", "test-hooks"]))
}

fn build(folder: &str, arguments: &[&str]) -> Library {
    let target = builds().join(folder);
    let mut build = cargo();
    build
        .args(["build", "--locked", "--release", "--lib", "--quiet"])
        .arg("--target-dir")
        .arg(&target)
        .args(arguments)
        // With a target named, the files lie elsewhere.
        .env_remove("CARGO_BUILD_TARGET");
    must(&mut build);
    let library = Library {
        folder: target.join("release"),
    };
    let link = library.folder.join(format!("libadit.so.{}", abi_version()));
    // Another test process may be making the same link.
    if !link.exists() {
        let _ = std::os::unix::fs::symlink("libadit.so", &link);
    }
    assert!(link.exists() && library.archive().exists());
    library
}

/// The cargo that runs these tests, in the package's folder.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}
