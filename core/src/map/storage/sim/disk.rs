//! The disk: files, names, the calls on them, and what is left of it all after a crash.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::SECTOR;
use super::inode::{Change, Inode, Share};
use super::names::{Names, key};
use super::rng::Rng;

/// No test needs a longer file; a wild offset must not eat the memory.
const LARGEST_FILE: u64 = 1 << 30;

/// What the first seeds leave: contents, lengths, names.
pub(super) const SPECIAL: [(Share, Share, Share); 5] = {
    use Share::{Everything, Nothing};
    [
        (Nothing, Nothing, Nothing),
        (Everything, Everything, Everything),
        (Nothing, Nothing, Everything),
        (Everything, Everything, Nothing),
        (Nothing, Everything, Everything),
    ]
};

/// A call that changes something.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Create {
        path: PathBuf,
    },
    Write {
        inode: u64,
        offset: u64,
        bytes: Vec<u8>,
    },
    Allocate {
        inode: u64,
        len: u64,
    },
    Cut {
        inode: u64,
        len: u64,
    },
    Sync {
        inode: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        replace: bool,
    },
    Remove {
        path: PathBuf,
    },
    SyncFolder {
        folder: PathBuf,
    },
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Create { path } => write!(f, "create '{}'", path.display()),
            Call::Write {
                inode,
                offset,
                bytes,
            } => write!(f, "write {} bytes at {offset} of file {inode}", bytes.len()),
            Call::Allocate { inode, len } => write!(f, "allocate {len} bytes of file {inode}"),
            Call::Cut { inode, len } => write!(f, "cut file {inode} at {len}"),
            Call::Sync { inode } => write!(f, "sync file {inode}"),
            Call::Rename { from, to, .. } => {
                write!(f, "rename '{}' to '{}'", from.display(), to.display())
            }
            Call::Remove { path } => write!(f, "remove '{}'", path.display()),
            Call::SyncFolder { folder } => write!(f, "sync folder '{}'", folder.display()),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    inodes: BTreeMap<u64, Inode>,
    pub(super) names: Names,
    trace: Vec<String>,
    failures: BTreeMap<u64, i32>,
    crash_at: Option<u64>,
    dead: bool,
    /// The call that the process died in.
    in_flight: Option<Call>,
    pub(super) ignore_sync: bool,
    pub(super) ignore_folder_sync: bool,
    pub(super) whole_sectors: bool,
    pub(super) stale_blocks: bool,
}

impl Disk {
    pub(super) fn fail_at(&mut self, n: u64, errno: i32) {
        self.failures.insert(n, errno);
    }

    pub(super) fn crash_at(&mut self, n: u64) {
        self.crash_at = Some(n);
    }

    pub(super) fn calls(&self) -> u64 {
        self.trace.len() as u64
    }

    pub(super) fn trace(&self) -> &[String] {
        &self.trace
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the simulated process is dead"))
        } else {
            Ok(())
        }
    }

    pub(super) fn inode(&self, inode: u64) -> io::Result<&Inode> {
        self.inodes
            .get(&inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_mut(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes
            .get_mut(&inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let inode = self.names.find(&key(path)).ok()?;
        Some(self.inodes.get(&inode)?.live().to_vec())
    }

    pub(super) fn put_durable(&mut self, path: &Path, bytes: &[u8]) {
        let inode = self.free_number();
        self.inodes.insert(inode, Inode::of(bytes.to_vec()));
        self.names.put_durable(key(path), inode);
    }

    fn free_number(&self) -> u64 {
        self.inodes.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// Does a call, or what the plan has in store for it.
    pub(super) fn call(&mut self, call: Call) -> io::Result<()> {
        self.alive()?;
        self.trace.push(call.to_string());
        let n = self.calls();
        if self.crash_at.is_some_and(|at| n >= at) {
            self.dead = true;
            self.in_flight = Some(call);
            return self.alive();
        }
        if let Some(errno) = self.failures.remove(&n) {
            self.fail(
                call,
                &mut Rng::new(n ^ (u64::from(errno.unsigned_abs()) << 32)),
            );
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.perform(call)
    }

    fn perform(&mut self, call: Call) -> io::Result<()> {
        match call {
            Call::Create { path } => {
                let inode = self.free_number();
                self.names.add(path, inode)?;
                self.inodes.insert(inode, Inode::default());
                Ok(())
            }
            Call::Write {
                inode,
                offset,
                bytes,
            } => {
                check_size(offset.saturating_add(bytes.len() as u64))?;
                let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
                self.inode_mut(inode)?
                    .change(Change::Write { offset, bytes });
                Ok(())
            }
            Call::Allocate { inode, len } => {
                let len = check_size(len)?;
                self.inode_mut(inode)?.change(Change::Extend { len });
                Ok(())
            }
            Call::Cut { inode, len } => {
                let len = check_size(len)?;
                self.inode_mut(inode)?.change(Change::Cut { len });
                Ok(())
            }
            Call::Sync { inode } => {
                let ignored = self.ignore_sync;
                let inode = self.inode_mut(inode)?;
                if !ignored {
                    inode.sync();
                }
                Ok(())
            }
            Call::Rename { from, to, replace } => self.names.rename(from, to, replace),
            Call::Remove { path } => self.names.remove(path),
            Call::SyncFolder { folder } => {
                if !self.ignore_folder_sync {
                    self.names.sync(&folder);
                }
                Ok(())
            }
        }
    }

    /// What a call does that fails while the process goes on.
    fn fail(&mut self, call: Call, rng: &mut Rng) {
        match call {
            Call::Write { .. } | Call::Allocate { .. } => self.do_part(call, rng),
            Call::Sync { inode } => {
                if let Ok(inode) = self.inode_mut(inode) {
                    inode.fail_sync();
                }
            }
            Call::Create { .. }
            | Call::Cut { .. }
            | Call::Rename { .. }
            | Call::Remove { .. }
            | Call::SyncFolder { .. } => {}
        }
    }

    /// A write or an allocation cut short, or any other call done or not.
    fn do_part(&mut self, call: Call, rng: &mut Rng) {
        let part = match call {
            Call::Write {
                inode,
                offset,
                mut bytes,
            } => {
                let mut part = rng.up_to(bytes.len().saturating_sub(1));
                if self.whole_sectors {
                    part =
                        part.saturating_sub(offset.saturating_add(part as u64) as usize % SECTOR);
                }
                bytes.truncate(part);
                Call::Write {
                    inode,
                    offset,
                    bytes,
                }
            }
            Call::Allocate { inode, len } => {
                let part = rng.next() % len.max(1);
                Call::Allocate { inode, len: part }
            }
            whole if rng.coin() => whole,
            _ => return,
        };
        // A refusal is one more way of having done nothing.
        let _ = self.perform(part);
    }

    pub(super) fn after_kill(&self, seed: u64) -> Disk {
        let mut rng = Rng::new(seed);
        let share = match seed {
            0 => Share::Nothing,
            1 => Share::Everything,
            _ => Share::Chance,
        };
        self.landed(share, &mut rng)
    }

    pub(super) fn after_power_cut(&self, seed: u64) -> Disk {
        let mut rng = Rng::new(seed);
        let special = usize::try_from(seed).ok().and_then(|n| SPECIAL.get(n));
        let chance = (Share::Chance, Share::Chance, Share::Chance);
        let (data, length, names) = *special.unwrap_or(&chance);
        let landing = match seed {
            0 => Share::Nothing,
            _ if special.is_some() => Share::Everything,
            _ => Share::Chance,
        };
        self.landed(landing, &mut rng)
            .survivors(data, length, names, &mut rng)
    }

    /// A copy for another process: with so much of the call in flight as got through.
    fn landed(&self, share: Share, rng: &mut Rng) -> Disk {
        let mut disk = Disk {
            trace: Vec::new(),
            failures: BTreeMap::new(),
            crash_at: None,
            dead: false,
            in_flight: None,
            ..self.clone()
        };
        if let Some(call) = self.in_flight.clone() {
            match share {
                Share::Nothing => {}
                Share::Chance => disk.do_part(call, rng),
                // A refusal is one more way of having done nothing.
                Share::Everything => drop(disk.perform(call)),
            }
        }
        disk
    }

    fn survivors(self, data: Share, length: Share, names: Share, rng: &mut Rng) -> Disk {
        let names = Names::of(self.names.survivors(names, rng));
        let mut inodes = BTreeMap::new();
        for (number, inode) in &self.inodes {
            // Drawn for every file, so that a seed means the same whichever names survive.
            let stale = self.stale_for(*number, rng);
            let bytes = inode.survivors(data, length, stale, rng);
            if names.holds(*number) {
                inodes.insert(*number, Inode::of(bytes));
            }
        }
        Disk {
            inodes,
            names,
            ..self
        }
    }
}

impl Disk {
    /// What blocks have that a file was given and never wrote to: those of another file, removed or
    /// not.
    fn stale_for(&self, inode: u64, rng: &mut Rng) -> Option<&[u8]> {
        if !self.stale_blocks {
            return None;
        }
        let nth = rng.up_to(self.inodes.len().saturating_sub(1));
        let (number, other) = self.inodes.iter().nth(nth)?;
        (*number != inode).then_some(other.live())
    }
}

fn check_size(len: u64) -> io::Result<usize> {
    if len > LARGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
