//! The names of files: what is durable, and what a process sees.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::inode::Share;
use super::rng::Rng;
use crate::map::storage::FileKind;

type Map = BTreeMap<PathBuf, u64>;

/// One spelling for each path: `./a` is `a`, and the current folder is the empty path.
pub(super) fn key(path: &Path) -> PathBuf {
    let is_dot = |component: &Component<'_>| *component == Component::CurDir;
    path.components().filter(|c| !is_dot(c)).collect()
}

#[derive(Clone, Debug)]
enum NameChange {
    Add { path: PathBuf, inode: u64 },
    Move { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

impl NameChange {
    fn folders(&self) -> BTreeSet<PathBuf> {
        let folder = |path: &PathBuf| path.parent().map(Path::to_owned).unwrap_or_default();
        match self {
            NameChange::Add { path, .. } | NameChange::Remove { path } => [folder(path)].into(),
            NameChange::Move { from, to } => [folder(from), folder(to)].into(),
        }
    }

    fn touches(&self, name: &Path) -> bool {
        match self {
            NameChange::Add { path, .. } | NameChange::Remove { path } => path == name,
            NameChange::Move { from, to } => from == name || to == name,
        }
    }

    fn apply(&self, map: &mut Map) {
        match self {
            NameChange::Add { path, inode } => {
                map.insert(path.clone(), *inode);
            }
            NameChange::Move { from, to } => {
                if let Some(inode) = map.remove(from) {
                    map.insert(to.clone(), inode);
                }
            }
            NameChange::Remove { path } => {
                map.remove(path);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    durable: Map,
    /// In the order of the calls.
    unsynced: Vec<NameChange>,
    live: Map,
}

impl Names {
    pub(super) fn of(durable: Map) -> Names {
        Names {
            live: durable.clone(),
            durable,
            unsynced: Vec::new(),
        }
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.live.keys().cloned().collect()
    }

    pub(super) fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.live.contains_key(path) {
            return Some(FileKind::Regular);
        }
        let is_folder = self.live.keys().any(|name| name.starts_with(path));
        is_folder.then_some(FileKind::Folder)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        match (self.live.get(path), self.kind(path)) {
            (Some(inode), _) => Ok(*inode),
            (None, Some(_)) => Err(io::ErrorKind::IsADirectory.into()),
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn add(&mut self, path: PathBuf, inode: u64) -> io::Result<()> {
        self.must_be_free(&path)?;
        self.change(NameChange::Add { path, inode });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: PathBuf, to: PathBuf, replace: bool) -> io::Result<()> {
        self.find(&from)?;
        if !replace {
            self.must_be_free(&to)?;
        } else if self.kind(&to) == Some(FileKind::Folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from != to {
            self.change(NameChange::Move { from, to });
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: PathBuf) -> io::Result<()> {
        self.find(&path)?;
        self.change(NameChange::Remove { path });
        Ok(())
    }

    fn must_be_free(&self, path: &Path) -> io::Result<()> {
        match self.kind(path) {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(()),
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    pub(super) fn holds(&self, inode: u64) -> bool {
        self.live.values().any(|&held| held == inode)
    }

    /// Gives a file its name, durably, and leaves everything else as unsynced as it was.
    pub(super) fn put_durable(&mut self, path: PathBuf, inode: u64) {
        if self.unsynced.iter().any(|change| change.touches(&path)) {
            let folder = path.parent().map(Path::to_owned).unwrap_or_default();
            self.sync(&folder);
        }
        self.live.insert(path.clone(), inode);
        self.durable.insert(path, inode);
    }

    /// A rename into or out of the folder takes with it what came before in the other one.
    pub(super) fn sync(&mut self, folder: &Path) {
        let mut folders = BTreeSet::from([folder.to_owned()]);
        let (mut synced, mut left) = (Vec::new(), Vec::new());
        for change in self.unsynced.drain(..).rev() {
            let touched = change.folders();
            if touched.is_disjoint(&folders) {
                left.push(change);
            } else {
                folders.extend(touched);
                synced.push(change);
            }
        }
        left.reverse();
        self.unsynced = left;
        for change in synced.iter().rev() {
            change.apply(&mut self.durable);
        }
    }

    /// The names after a power cut: a prefix of each folder's changes.
    pub(super) fn survivors(&self, share: Share, rng: &mut Rng) -> Map {
        let mut left = self.prefixes(share, rng);
        let mut map = self.durable.clone();
        for change in &self.unsynced {
            let folders = change.folders();
            let survives = folders.iter().all(|folder| left.get(folder) > Some(&0));
            if survives {
                change.apply(&mut map);
            }
            for folder in &folders {
                if let Some(left) = left.get_mut(folder) {
                    *left = if survives { left.saturating_sub(1) } else { 0 };
                }
            }
        }
        map
    }

    /// How many changes of each folder survive at most.
    fn prefixes(&self, share: Share, rng: &mut Rng) -> BTreeMap<PathBuf, usize> {
        let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for folder in self.unsynced.iter().flat_map(NameChange::folders) {
            *counts.entry(folder).or_default() += 1;
        }
        for count in counts.values_mut() {
            *count = match share {
                Share::Nothing => 0,
                Share::Everything => *count,
                Share::Chance => rng.up_to(*count),
            };
        }
        counts
    }
}
