//! The library, built here and nowhere else: what is found lying about is never linked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
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

/// The library without the cargo feature for GPUs.
#[allow(dead_code, reason = "one of the tests wants it")]
pub fn library_without_gpu() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| build("library-without-gpu", &["--no-default-features"]))
}

/// Where all of them are built, so that what they depend on is built once.
pub fn target() -> PathBuf {
    builds().join("library")
}

fn build(folder: &str, arguments: &[&str]) -> Library {
    let library = Library {
        folder: builds().join("libraries").join(folder),
    };
    fs::create_dir_all(&library.folder).unwrap();
    // Cargo puts each build in the place of the one before: no other may begin until this one is
    // copied.
    let lock = File::create(builds().join("libraries/lock")).unwrap();
    lock.lock().unwrap();
    let mut build = cargo();
    build
        .args(["build", "--locked", "--release", "--lib", "--quiet"])
        .arg("--target-dir")
        .arg(target())
        .args(arguments)
        // With a target named, the files lie elsewhere.
        .env_remove("CARGO_BUILD_TARGET");
    must(&mut build);
    for path in [library.shared(), library.archive()] {
        let built = target().join("release").join(path.file_name().unwrap());
        replace(&built, &path);
    }
    let link = library.folder.join(format!("libadit.so.{}", abi_version()));
    if !link.exists() {
        std::os::unix::fs::symlink("libadit.so", &link).unwrap();
    }
    assert!(link.exists());
    library
}

/// Copies a file. Another test process may have mapped what was there: that stays as it is.
fn replace(from: &Path, to: &Path) {
    let new = to.with_extension("new");
    fs::copy(from, &new).unwrap();
    fs::rename(&new, to).unwrap();
}

/// The cargo that runs these tests, in the package's folder.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}
