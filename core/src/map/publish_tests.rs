#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::*;
use crate::error::{Kind, Report};
use crate::map::storage::RealStorage;

#[test]
fn a_foreign_file_at_the_temporary_name_is_neither_published_nor_removed() {
    let name = format!("adit-swapped-{:016x}", random_number());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder).unwrap();
    let path = folder.join("file");
    for is_link in [false, cfg!(unix)] {
        fs::write(&path, b"old").unwrap();
        let mut publication = Publication::create(Arc::new(RealStorage), &path, true).unwrap();
        publication.write(b"new", 0).unwrap();
        let temporary = publication.temporary().to_owned();
        // Beside it, so that its inode isn't given out again.
        fs::rename(&temporary, folder.join("moved")).unwrap();
        if is_link {
            #[cfg(unix)]
            std::os::unix::fs::symlink("moved", &temporary).unwrap();
        } else {
            fs::write(&temporary, b"evil").unwrap();
        }
        let error = publication.publish().unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
        assert_eq!(error.place().path.as_deref(), Some(&*temporary));
        let again = publication.publish().unwrap_err();
        assert_eq!(again.kind(), Kind::Poisoned, "{again}");
        drop(publication);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(fs::symlink_metadata(&temporary).is_ok());
        fs::remove_file(&temporary).unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
}
