//! An open file of the simulated disk.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex};

use super::disk::{Call, Disk};
use super::lock;
use crate::map::mapping::{MapMode, Mapping};
use crate::map::region::Region;
use crate::map::storage::{FileId, FileInfo, FileKind, OsFile, StorageFile};

/// Stays good when its name is removed or given to another file, as a descriptor does.
pub(super) struct SimFile {
    disk: Arc<Mutex<Disk>>,
    inode: u64,
    writable: bool,
}

impl SimFile {
    pub(super) fn new(disk: Arc<Mutex<Disk>>, inode: u64, writable: bool) -> SimFile {
        SimFile {
            disk,
            inode,
            writable,
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            let why = "the simulated file was opened for reading";
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
    }

    /// What `read` makes of the bytes that a process sees.
    fn live<T>(&self, read: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let disk = lock(&self.disk);
        disk.alive()?;
        Ok(read(disk.inode(self.inode)?.live()))
    }
}

impl StorageFile for SimFile {
    fn info(&self) -> io::Result<FileInfo> {
        let id = FileId {
            device: 1,
            inode: self.inode,
        };
        self.live(|bytes| FileInfo {
            len: bytes.len() as u64,
            kind: FileKind::Regular,
            id: Some(id),
        })
    }

    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        self.live(|bytes| {
            let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
            let rest = rest.unwrap_or_default();
            let len = rest.len().min(out.len());
            if let (Some(room), Some(rest)) = (out.get_mut(..len), rest.get(..len)) {
                room.write_copy_of_slice(rest);
            }
            len
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        lock(&self.disk).call(Call::Write {
            inode: self.inode,
            offset,
            bytes: bytes.to_vec(),
        })
    }

    fn write_region_at(&self, bytes: Region<'_>, offset: u64) -> io::Result<()> {
        let bytes = bytes.to_vec(0, bytes.len());
        self.write_all_at(&bytes.ok_or(io::ErrorKind::OutOfMemory)?, offset)
    }

    /// One call, as it is on the disk while the pieces are few.
    fn write_vectored_at(&self, pieces: &[Region<'_>], offset: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        for piece in pieces {
            let piece = piece.to_vec(0, piece.len());
            bytes.append(&mut piece.ok_or(io::ErrorKind::OutOfMemory)?);
        }
        self.write_all_at(&bytes, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let inode = self.inode;
        lock(&self.disk).call(Call::Allocate { inode, len })
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let inode = self.inode;
        lock(&self.disk).call(Call::Cut { inode, len })
    }

    fn sync(&self) -> io::Result<()> {
        let inode = self.inode;
        lock(&self.disk).call(Call::Sync { inode })
    }

    /// There are none.
    fn fill_holes(&self, _len: u64) -> io::Result<()> {
        self.check_writable()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    /// Nobody else is there.
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    /// The bytes as they are now: later writes to the file don't show, nor do those to the map. A
    /// range past the end of the file, where a touch would be a fault, is refused.
    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        let bytes = self.live(|bytes| {
            let start = usize::try_from(offset).ok()?;
            Some(bytes.get(start..start.checked_add(len)?)?.to_vec())
        })?;
        match bytes {
            Some(bytes) => Ok(Mapping::simulated(bytes, mode)),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn os_file(&self) -> Option<OsFile<'_>> {
        None
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({})", self.inode)
    }
}
