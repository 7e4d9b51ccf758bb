#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::words::LEN;
use super::*;
use crate::error::{Kind, Report};
use crate::kernel::hash;
use crate::map::RealStorage;
use crate::map::sim::SimStorage;

const UUID: [u8; 16] = [7; 16];

/// A folder of its own, and a store's path in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("adit-lock-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let folder = Folder(folder.canonicalize().unwrap());
        fs::write(folder.store(), b"a log").unwrap();
        folder
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    fn lock(&self) -> PathBuf {
        self.0.join("store.lock")
    }

    fn take(&self) -> Result<LockFile> {
        LockFile::take(&storage(), &self.store(), StoreAccess::Mapped)
    }

    fn log(&self) -> Arc<dyn StorageFile> {
        storage().open_to_write(&self.store()).unwrap()
    }

    fn board(&self) -> Board {
        Board::read(&*storage(), &self.store(), &*self.log())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn storage() -> Arc<dyn Storage> {
    Arc::new(RealStorage)
}

fn pid() -> u64 {
    u64::from(std::process::id())
}

#[test]
fn one_has_it_at_a_time() {
    let folder = Folder::new("one");
    let lock = folder.take().unwrap();
    let refused = folder.take().unwrap_err();
    assert_eq!(refused.kind(), Kind::Busy);
    let said = refused.to_string();
    assert!(
        said.contains(&format!("this process ({})", pid())),
        "{said}"
    );
    assert!(said.contains("store'"), "{said}");
    drop(lock);
    assert!(folder.take().is_ok());
}

#[test]
fn the_board_says_who_writes_and_what_is_published() {
    let folder = Folder::new("board");
    let nobody = Board {
        is_writer_alive: false,
        pid: None,
        words: None,
    };
    assert_eq!(folder.board(), nobody);
    for epoch in 1..=3 {
        let lock = folder.take().unwrap();
        let mut expected = Board {
            is_writer_alive: true,
            pid: Some(pid()),
            words: Some(Words {
                uuid: [0; 16],
                epoch,
                tail: 0,
            }),
        };
        assert_eq!(folder.board(), expected);
        lock.publish(UUID, 16448);
        let (uuid, tail) = (UUID, 16448);
        expected.words = Some(Words { uuid, epoch, tail });
        assert_eq!(folder.board(), expected);
        drop(lock);
        expected.is_writer_alive = false;
        assert_eq!(folder.board(), expected);
    }
}

/// Byte by byte as docs/store-format.md has it.
#[test]
fn words_are_laid_out_as_documented() {
    let words = Words {
        uuid: *b"0123456789abcdef",
        epoch: 5,
        tail: 0x4000,
    };
    let bytes = words.encode(0x1234);
    let mut expected = b"ADITLOCK\x34\x12\0\0\0\0\0\0".to_vec();
    expected.extend(b"0123456789abcdef\x05\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0");
    expected.extend(hash(&expected[16..], 0).to_le_bytes());
    assert_eq!(bytes.to_vec(), expected);
    assert_eq!(Words::decode(&bytes), Some(words));
    for bit in (0..64).chain(16 * 8..LEN * 8) {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Words::decode(&bytes), None, "bit {bit}");
    }
}

#[test]
fn others_files_are_left_as_they_are() {
    let folder = Folder::new("foreign");
    for contents in [&b"a"[..], b"ADITLOC", &[1; 56], &[0; 57]] {
        fs::write(folder.lock(), contents).unwrap();
        let refused = folder.take().unwrap_err();
        assert_eq!(refused.kind(), Kind::WrongFormat);
        assert!(refused.to_string().contains("store.lock"), "{refused}");
        assert_eq!(fs::read(folder.lock()).unwrap(), contents);
        assert!(!folder.board().is_writer_alive);
        assert_eq!(folder.board().words, None);
    }
}

#[test]
fn what_a_crash_leaves_of_ours_is_taken() {
    let folder = Folder::new("remains");
    let torn: &[u8] = b"ADITLOCK\x01\0\0";
    for contents in [&b""[..], &[0; 30], &[0; 56], torn] {
        fs::write(folder.lock(), contents).unwrap();
        drop(folder.take().unwrap());
        let words = folder.board().words.unwrap();
        assert_eq!((words.epoch, words.tail), (1, 0));
    }
}

#[test]
fn only_regular_files_are_locked() {
    let folder = Folder::new("kinds");
    let refused = |what: &str| {
        let refused = folder.take().unwrap_err();
        assert_eq!(refused.kind(), Kind::NotAFile);
        let said = refused.to_string();
        assert!(said.contains("store.lock") && said.contains(what), "{said}");
        assert!(!folder.board().is_writer_alive);
    };
    fs::create_dir(folder.lock()).unwrap();
    refused("a folder");
    fs::remove_dir(folder.lock()).unwrap();
    let path = std::ffi::CString::new(folder.lock().to_str().unwrap()).unwrap();
    // SAFETY: the path ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    refused("a named pipe");
    fs::remove_file(folder.lock()).unwrap();
    let other = folder.0.join("other");
    fs::write(&other, b"").unwrap();
    symlink(&other, folder.lock()).unwrap();
    refused("a symbolic link");
    assert_eq!(fs::read(&other).unwrap(), b"");
    fs::remove_file(&other).unwrap();
    refused("a symbolic link");
    assert!(!other.exists());
}

#[test]
fn a_lock_file_that_is_removed_lets_no_second_writer_in() {
    let folder = Folder::new("removed");
    let first = folder.take().unwrap();
    let (storage, log) = (storage(), folder.log());
    first.keep(first.lock_log(&storage, &folder.store(), &*log).unwrap());
    for replaced in [false, true] {
        fs::remove_file(folder.lock()).unwrap();
        if replaced {
            fs::write(folder.lock(), b"").unwrap();
        }
        assert!(folder.board().is_writer_alive);
        let second = folder.take().unwrap();
        let refused = second.lock_log(&storage, &folder.store(), &*log);
        assert_eq!(refused.unwrap_err().kind(), Kind::Busy);
    }
    drop(first);
    let second = folder.take().unwrap();
    assert!(second.lock_log(&storage, &folder.store(), &*log).is_ok());
}

#[test]
fn a_log_that_is_replaced_meanwhile_is_not_locked() {
    let folder = Folder::new("replaced");
    let lock = folder.take().unwrap();
    let log = folder.log();
    fs::remove_file(folder.store()).unwrap();
    fs::write(folder.store(), b"another").unwrap();
    let refused = lock.lock_log(&storage(), &folder.store(), &*log);
    assert_eq!(refused.unwrap_err().kind(), Kind::Busy);
}

#[test]
fn the_next_logs_lock_takes_the_place_of_the_one_before() {
    let folder = Folder::new("next");
    let (storage, lock) = (storage(), folder.take().unwrap());
    let old = folder.log();
    lock.keep(lock.lock_log(&storage, &folder.store(), &*old).unwrap());
    let temporary = folder.0.join("temporary");
    let new = storage.create_new(&temporary).unwrap();
    let next = lock.lock_log(&storage, &temporary, &*new).unwrap();
    assert!(is_locked(&*old).unwrap() && is_locked(&*new).unwrap());
    fs::rename(&temporary, folder.store()).unwrap();
    lock.keep(next);
    assert!(!is_locked(&*old).unwrap() && is_locked(&*new).unwrap());
    drop(lock);
    assert!(!is_locked(&*new).unwrap());
}

#[test]
fn a_lock_file_that_is_cut_harms_nobody() {
    let folder = Folder::new("cut");
    let lock = folder.take().unwrap();
    lock.publish(UUID, 16448);
    let file = fs::OpenOptions::new().write(true).open(folder.lock());
    let file = file.unwrap();
    for len in [20, 0] {
        file.set_len(len).unwrap();
        let board = folder.board();
        assert!(board.is_writer_alive && board.words.is_none());
    }
    lock.publish(UUID, 16512);
    assert_eq!(folder.board().words.unwrap().tail, 16512);
    assert_eq!(folder.take().unwrap_err().kind(), Kind::Busy);
}

#[test]
fn nothing_is_left_where_there_are_no_other_processes() {
    let sim = SimStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let path = Path::new("/data/store");
    let lock = LockFile::take(&storage, path, StoreAccess::Mapped).unwrap();
    lock.publish(UUID, 16448);
    assert!(sim.names().is_empty() && sim.calls() == 0);
}

#[test]
fn a_missing_folder_is_said() {
    let path = Path::new("/nowhere/at/all/store");
    let refused = LockFile::take(&storage(), path, StoreAccess::Mapped);
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
}

/// In a forked child: exits with 0 where `holds`.
fn in_child(holds: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child has this thread alone and ends by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child where it waits for what nobody lets go.
        unsafe { libc::alarm(20) };
        let holds = holds();
        // SAFETY: ends the child at once, with none of the parent's destructors.
        unsafe { libc::_exit(i32::from(!holds)) };
    }
    child
}

fn wait(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waits for a child of this process; `status` is writable.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

#[test]
fn a_child_neither_has_the_lock_nor_harms_it() {
    let folder = Folder::new("child");
    let lock = folder.take().unwrap();
    lock.publish(UUID, 16448);
    let child = in_child(|| {
        // Files that the child opens may get the numbers of those that were closed.
        let other = fs::File::create(folder.0.join("other")).unwrap();
        lock.publish(UUID, 99 * 64);
        drop(lock);
        other.sync_all().is_ok() && fs::read(folder.0.join("other")).unwrap().is_empty()
    });
    assert_eq!(wait(child), 0);
}

#[test]
fn a_parent_keeps_its_lock() {
    let folder = Folder::new("parent");
    let lock = folder.take().unwrap();
    lock.publish(UUID, 16448);
    let lock = std::mem::ManuallyDrop::new(lock);
    let child = in_child(|| {
        // SAFETY: the child's copy, used no more: it ends.
        drop(unsafe { std::ptr::read(&*lock) });
        folder.take().is_err_and(|error| error.kind() == Kind::Busy)
    });
    assert_eq!(wait(child), 0);
    let board = folder.board();
    assert!(board.is_writer_alive);
    assert_eq!(board.words.unwrap().tail, 16448);
    drop(std::mem::ManuallyDrop::into_inner(lock));
    assert!(!folder.board().is_writer_alive);
}

/// Forks on one thread while another opens and closes locks: the child closes all that it got.
#[test]
fn forks_at_any_time_harm_nobody() {
    let folder = Folder::new("any-time");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                let lock = folder.take().unwrap();
                let log = lock.lock_log(&storage(), &folder.store(), &*folder.log());
                lock.keep(log.unwrap());
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            assert_eq!(wait(in_child(|| true)), 0);
        }
    });
}

#[test]
fn an_idle_child_of_a_killed_writer_keeps_nobody_out() {
    let folder = Folder::new("idle");
    let mut ends = [[0; 2]; 2];
    for ends in &mut ends {
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    }
    let [[is_ready, ready], [wait_end, keep_waiting]] = ends;
    let writer = in_child(|| {
        let lock = folder.take().unwrap();
        let log = lock.lock_log(&storage(), &folder.store(), &*folder.log());
        lock.keep(log.unwrap());
        in_child(|| {
            close(keep_waiting);
            write_byte(ready);
            read_byte(wait_end)
        });
        std::thread::sleep(std::time::Duration::from_secs(20));
        false
    });
    close(ready);
    assert!(read_byte(is_ready));
    assert_eq!(folder.take().unwrap_err().kind(), Kind::Busy);
    // SAFETY: a child of this process that was not waited for.
    assert_eq!(unsafe { libc::kill(writer, libc::SIGKILL) }, 0);
    assert_eq!(wait(writer), libc::SIGKILL);
    // The grandchild waits on.
    let lock = folder.take().unwrap();
    let log = lock.lock_log(&storage(), &folder.store(), &*folder.log());
    assert!(log.is_ok());
    close(keep_waiting);
}

fn close(end: i32) {
    // SAFETY: an end of a pipe that is used no more.
    unsafe { libc::close(end) };
}

fn write_byte(end: i32) {
    // SAFETY: reads the one byte.
    assert_eq!(unsafe { libc::write(end, [1u8].as_ptr().cast(), 1) }, 1);
}

fn read_byte(end: i32) -> bool {
    let mut byte = [0u8];
    // SAFETY: room for one byte.
    unsafe { libc::read(end, byte.as_mut_ptr().cast(), 1) == 1 }
}
