//! A folder for data files that goes when the program ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

/// A folder of this process alone, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in `ADIT_BENCH_DIR`, or beside the folder of this program: in cargo's target
    /// folder.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Scratch> {
        let parent = match std::env::var_os("ADIT_BENCH_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let program = std::env::current_exe()?;
                let target = program.ancestors().nth(2);
                target.ok_or("the program lies in no folder")?.to_owned()
            }
        };
        Scratch::below(&parent)
    }

    /// Makes one in a folder.
    ///
    /// # Errors
    /// The system's.
    pub fn below(parent: &Path) -> Result<Scratch> {
        // Tests run on several threads of one process.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = parent.join(format!("adit-bench-{process}-{number}"));
        fs::create_dir_all(parent)
            .and_then(|()| fs::create_dir(&folder))
            .map_err(|error| format!("can't make {}: {error}", folder.display()))?;
        Ok(Scratch(folder))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A file in the folder that goes with what is given back.
    #[must_use]
    pub fn file(&self, name: &str) -> ScratchFile {
        ScratchFile(self.0.join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("can't remove {}: {error}", self.0.display());
        }
    }
}

/// The path of a file that is removed, if there is one, when this is dropped.
#[derive(Debug)]
pub struct ScratchFile(PathBuf);

impl ScratchFile {
    /// The path as the peer wants it.
    ///
    /// # Errors
    /// A path that isn't UTF-8.
    pub fn text(&self) -> Result<&str> {
        Ok(self.0.to_str().ok_or("the peer opens UTF-8 paths alone")?)
    }

    /// Removes the file now.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self) -> Result<()> {
        Ok(fs::remove_file(&self.0)?)
    }
}

impl std::ops::Deref for ScratchFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // Where it was never made, or is gone, that is right; the folder takes what is left.
        let _ = fs::remove_file(&self.0);
    }
}
