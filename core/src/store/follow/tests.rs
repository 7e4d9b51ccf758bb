#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use std::path::PathBuf;

use super::*;
use crate::error::{Kind, Report};
use crate::map::RealStorage;
use crate::store::lock_file::{LockFile, Words};

const UUID: [u8; 16] = [7; 16];
/// What the last writer had published, and where the log ends.
const PUBLISHED: u64 = 20_480;
const TAIL: u64 = 16_448;

/// A store's folder whose lock file has the words of a writer that is gone.
struct Place {
    folder: PathBuf,
    storage: Arc<dyn Storage>,
}

impl Place {
    fn new(name: &str) -> Place {
        let name = format!("adit-follow-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        let storage: Arc<dyn Storage> = Arc::new(RealStorage);
        let place = Place { folder, storage };
        std::fs::write(place.path(), b"a log").unwrap();
        place.take().publish(UUID, PUBLISHED);
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.join("store")
    }

    fn take(&self) -> LockFile {
        LockFile::take(&self.storage, &self.path(), StoreAccess::Mapped).unwrap()
    }

    fn words(&self) -> Words {
        let log = self.storage.open(&self.path()).unwrap();
        Board::read(&*self.storage, &self.path(), &*log)
            .words
            .unwrap()
    }

    fn is_stale(&self, reach: &Reach, tail: Option<u64>) -> bool {
        let log = self.storage.open(&self.path()).unwrap();
        reach.is_stale(&*self.storage, &self.path(), &*log, tail)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a reader has seen while a writer had the lock and these were the words.
fn reach(words: Words) -> Reach {
    Reach {
        limit: words.tail,
        board: Board {
            is_writer_alive: true,
            pid: None,
            words: Some(words),
        },
        is_published: true,
    }
}

#[test]
fn words_of_the_writer_before_say_nothing_once_the_next_has_spoken() {
    let place = Place::new("before");
    let seen = reach(place.words());
    let lock = place.take();
    assert!(place.is_stale(&seen, Some(TAIL)));
    lock.publish(UUID, TAIL);
    assert!(place.is_stale(&seen, Some(TAIL)));
    // It has gone again.
    drop(lock);
    assert!(place.is_stale(&seen, Some(TAIL)));
    // What fits to the words is as good as it was.
    assert!(!place.is_stale(&seen, Some(PUBLISHED)));
    assert!(!place.is_stale(&seen, None));
}

#[test]
fn a_writer_that_has_published_more_than_there_is_is_believed() {
    let place = Place::new("more");
    let lock = place.take();
    lock.publish(UUID, PUBLISHED);
    let seen = reach(place.words());
    assert!(!place.is_stale(&seen, Some(TAIL)));
    lock.publish(UUID, PUBLISHED + 64);
    assert!(!place.is_stale(&seen, Some(TAIL)));
    let end = End {
        tail: TAIL,
        last: 16_384,
        chain: 1,
        records: 1,
    };
    let error = seen.check(&Origin::Path(place.path()), TAIL, "no valid record", &end);
    assert_eq!(error.unwrap_err().kind(), Kind::Malformed);
}
