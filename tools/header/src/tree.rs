//! A crate to try things on.
#![allow(clippy::unwrap_used)] // for tests alone

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of files, removed at the end.
pub struct Tree(PathBuf);

impl Tree {
    /// Writes the files; `name` is unique among the tests.
    pub fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("adit-header-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
