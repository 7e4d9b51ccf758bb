#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::map::mapping::MapMode;

const EIO: i32 = 5;

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// Every image of `sim` at a power cut, as the contents of `name`.
fn images(sim: &SimStorage, name: &str) -> Vec<Option<Vec<u8>>> {
    (0..200).map(|n| sim.crash(n).contains(name)).collect()
}

impl SimStorage {
    fn contains(&self, name: &str) -> Option<Vec<u8>> {
        self.contents(path(name))
    }
}

fn synced(sim: &SimStorage, name: &str, bytes: &[u8]) -> Arc<dyn StorageFile> {
    let file = sim.create_new(path(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync().unwrap();
    sim.sync_folder(path(name).parent().unwrap()).unwrap();
    file
}

#[test]
fn what_was_synced_survives_and_nothing_else_must() {
    let sim = SimStorage::new();
    let file = synced(&sim, "d/a", b"first");
    file.write_all_at(b"S", 0).unwrap();
    sim.create_new(path("d/b")).unwrap();
    assert_eq!(sim.contains("d/a").unwrap(), b"Sirst");
    let images = images(&sim, "d/a");
    for wanted in [b"first", b"Sirst"] {
        assert!(images.contains(&Some(wanted.to_vec())));
    }
    assert!(
        images
            .iter()
            .flatten()
            .all(|bytes| bytes.ends_with(b"irst"))
    );
    assert_eq!(sim.crash(0).names(), [path("d/a")]);
    assert_eq!(sim.crash(1).names(), [path("d/a"), path("d/b")]);
}

#[test]
fn unsynced_writes_tear_at_sectors_and_come_in_any_order() {
    let sim = SimStorage::new();
    let file = synced(&sim, "a", &[0; 4 * SECTOR]);
    file.write_all_at(&[1; 2 * SECTOR], 0).unwrap();
    file.write_all_at(&[2; 2 * SECTOR], 2 * SECTOR as u64)
        .unwrap();
    let (mut torn, mut reordered) = (false, false);
    for bytes in images(&sim, "a").into_iter().flatten() {
        let sectors: Vec<&[u8]> = bytes.chunks(SECTOR).collect();
        let uniform = |sector: &&[u8]| sector.iter().all(|byte| Some(byte) == sector.first());
        assert!(sectors.iter().all(uniform), "torn within a sector");
        let firsts: Vec<u8> = sectors.iter().filter_map(|s| s.first().copied()).collect();
        torn |= firsts == [0, 1, 2, 2];
        reordered |= firsts == [0, 0, 2, 2];
    }
    assert!(torn && reordered);
}

#[test]
fn a_file_may_have_grown_without_its_bytes() {
    let sim = SimStorage::new();
    let file = synced(&sim, "a", b"x");
    file.allocate(1000).unwrap();
    file.write_all_at(&[7; 600], 1000).unwrap();
    let images: Vec<Vec<u8>> = images(&sim, "a").into_iter().flatten().collect();
    assert!(images.iter().any(|bytes| bytes == b"x"));
    assert!(images.iter().any(|bytes| bytes.len() == 1000));
    let zeros = |bytes: &Vec<u8>| bytes.len() == 1600 && bytes.iter().skip(1).all(|&b| b == 0);
    assert!(images.iter().any(zeros));
    assert!(images.iter().all(|bytes| bytes.starts_with(b"x")));
    assert!(images.iter().all(|bytes| bytes.len() <= 1600));
}

#[test]
fn names_survive_as_a_prefix_for_each_folder() {
    let sim = SimStorage::new();
    for name in ["p/1", "p/2", "q/1"] {
        sim.create_new(path(name)).unwrap();
    }
    sim.rename(path("p/2"), path("q/2")).unwrap();
    sim.create_new(path("q/3")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..500 {
        let image = sim.crash(seed);
        let has = |name: &str| image.contains(name).is_some();
        assert!(!(has("p/2") && has("q/2")), "a rename is atomic");
        assert!(has("p/1") || !(has("p/2") || has("q/2")), "p's order");
        assert!(has("q/1") || !(has("q/2") || has("q/3")), "q's order");
        assert!(has("q/2") || !has("q/3"), "the rename is in q's order");
        seen.insert(image.names());
    }
    assert!(seen.len() >= 7, "{seen:?}");
}

#[test]
fn a_folder_sync_takes_a_rename_whole() {
    let sim = SimStorage::new();
    for name in ["p/1", "p/2", "p/3"] {
        sim.create_new(path(name)).unwrap();
    }
    sim.rename(path("p/2"), path("q/2")).unwrap();
    sim.create_new(path("p/4")).unwrap();
    sim.sync_folder(path("q")).unwrap();
    let names = ["p/1", "p/3", "q/2"].map(path);
    assert_eq!(sim.crash(0).names(), names, "p/4 came after the rename");
    sim.sync_folder(path("./p/")).unwrap();
    assert_eq!(sim.crash(0).names().len(), 4);
}

#[test]
fn a_failed_sync_loses_what_a_later_one_claims() {
    let sim = SimStorage::new();
    let file = synced(&sim, "a", b"old.");
    file.write_all_at(b"new.", 0).unwrap();
    sim.fail_at(sim.calls() + 1, EIO);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(EIO));
    file.write_all_at(b"!", 3).unwrap();
    file.sync().unwrap();
    assert_eq!(sim.contains("a").unwrap(), b"new!");
    let images = images(&sim, "a");
    assert!(images.contains(&Some(b"old!".to_vec())), "lost");
    assert!(
        images.contains(&Some(b"new!".to_vec())),
        "or written before"
    );
    assert!(images.iter().flatten().all(|bytes| bytes.ends_with(b"!")));
}

#[test]
fn a_failed_write_has_written_a_prefix() {
    let mut lengths = std::collections::BTreeSet::new();
    for errno in 1..20 {
        let sim = SimStorage::new();
        let file = sim.create_new(path("a")).unwrap();
        sim.fail_at(2, errno);
        let error = file.write_all_at(&[1; 100], 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
        lengths.insert(sim.contains("a").unwrap().len());
        file.write_all_at(&[1; 100], 0).unwrap();
    }
    assert!(
        lengths.len() > 5 && lengths.last() < Some(&100),
        "{lengths:?}"
    );
}

#[test]
fn the_dead_do_nothing() {
    let sim = SimStorage::new();
    let file = synced(&sim, "a", b"old");
    sim.crash_at(sim.calls() + 1);
    assert!(file.write_all_at(b"new", 0).is_err());
    assert!(file.sync().is_err() && file.info().is_err());
    assert!(sim.open(path("a")).is_err() && sim.remove(path("a")).is_err());
    assert_eq!(sim.calls(), 5);
    assert_eq!(sim.kill(0).contains("a").unwrap(), b"old");
    assert_eq!(sim.kill(1).contains("a").unwrap(), b"new");
    let part = |seed| sim.kill(seed).contains("a").unwrap() == b"nld";
    assert!((0..50).any(part));
    // The page cache outlives the process, but not the power.
    assert_eq!(sim.kill(1).crash(0).contains("a").unwrap(), b"old");
    let (image, again) = (sim.crash(7), sim.crash(7));
    assert_eq!(image.contains("a"), again.contains("a"));
    image.put_durable(path("b"), b"works");
    assert_eq!(image.calls(), 0);
}

#[test]
fn planted_bugs_say_ok() {
    let sim = SimStorage::new();
    sim.ignore_sync();
    sim.ignore_folder_sync();
    synced(&sim, "a", b"bytes");
    assert!(sim.crash(0).names().is_empty());
    assert_eq!(sim.crash(2).contains("a").unwrap(), b"");
}

#[test]
fn names_answer_as_a_file_system_does() {
    let sim = SimStorage::new();
    let file = synced(&sim, "./d/a", b"bytes");
    let kind = |error: io::Error| error.kind();
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotFound, PermissionDenied};
    assert_eq!(
        kind(sim.create_new(path("d/a")).unwrap_err()),
        AlreadyExists
    );
    assert_eq!(kind(sim.open(path("x")).unwrap_err()), NotFound);
    assert_eq!(kind(sim.open(path("d")).unwrap_err()), IsADirectory);
    assert_eq!(kind(sim.remove(path("x")).unwrap_err()), NotFound);
    sim.put_durable(path("d/b"), b"other");
    let taken = sim.rename_new(path("d/a"), path("d/b"));
    assert_eq!(kind(taken.unwrap_err()), AlreadyExists);
    assert_eq!(sim.kind(path("d")).unwrap(), Some(FileKind::Folder));
    assert_eq!(sim.kind(path("d/a")).unwrap(), Some(FileKind::Regular));
    assert_eq!(sim.kind(path("d/c")).unwrap(), None);
    sim.rename(path("d/a"), path("d/b")).unwrap();
    assert_eq!(sim.contains("d/b").unwrap(), b"bytes");
    // A handle follows its file, not the name.
    file.write_all_at(b"B", 0).unwrap();
    let reader = sim.open(path("d/b")).unwrap();
    assert_eq!(
        kind(reader.write_all_at(b"B", 0).unwrap_err()),
        PermissionDenied
    );
    sim.remove(path("d/b")).unwrap();
    let mut out = [std::mem::MaybeUninit::uninit(); 10];
    assert_eq!(reader.read_at(&mut out, 2).unwrap(), 3);
    assert_eq!(reader.read_at(&mut out, 9).unwrap(), 0);
    let map = reader.map(1, 4, MapMode::Read).unwrap();
    assert_eq!(map.region().to_vec(0, 4).unwrap(), b"ytes");
    assert!(reader.map(2, 4, MapMode::Read).is_err());
    assert!(reader.os_file().is_none());
    assert_eq!(reader.info().unwrap().id, file.info().unwrap().id);
}

#[test]
fn another_process_syncs_nothing_of_ours() {
    let sim = SimStorage::new();
    sim.create_new(path("d/ours")).unwrap();
    sim.put_durable(path("d/theirs"), b"x");
    assert_eq!(sim.crash(0).names(), [path("d/theirs")]);
}

#[test]
fn what_grew_unwritten_may_be_what_another_file_had() {
    let sim = SimStorage::new();
    sim.leave_stale_blocks();
    synced(&sim, "d/old", &[7; 2048]);
    let file = synced(&sim, "d/new", &[1; 512]);
    file.write_all_at(&[2; 1024], 512).unwrap();
    let images: Vec<_> = images(&sim, "d/new").into_iter().flatten().collect();
    assert_eq!(images.len(), 200);
    let sectors = images.iter().flat_map(|image| image[512..].iter());
    let found: std::collections::BTreeSet<u8> = sectors.copied().collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 2, 7]);
    assert!(images.iter().all(|image| image[..512] == [1; 512]));
}

#[test]
fn a_cut_is_durable_with_a_sync() {
    let sim = SimStorage::new();
    let path = Path::new("/data/file");
    sim.put_durable(path, &[7; 2000]);
    let Ok(file) = sim.open_to_write(path) else {
        panic!("the file is there");
    };
    assert!(file.cut(600).is_ok());
    assert_eq!(sim.contents(path), Some(vec![7; 600]));
    // Nothing unsynced survives, or everything.
    assert_eq!(sim.crash(0).contents(path), Some(vec![7; 2000]));
    assert_eq!(sim.crash(1).contents(path), Some(vec![7; 600]));
    assert!(file.write_all_at(&[8; 10], 1000).is_ok());
    for seed in 0..50 {
        let Some(found) = sim.crash(seed).contents(path) else {
            panic!("the file is durable");
        };
        assert!([600, 1010, 2000].contains(&found.len()) || found.len() < 2000);
        assert!(found.iter().take(600).all(|&byte| byte == 7));
    }
    assert!(file.sync().is_ok());
    let mut whole = vec![7; 600];
    whole.resize(1000, 0);
    whole.resize(1010, 8);
    for seed in 0..50 {
        assert_eq!(sim.crash(seed).contents(path).as_ref(), Some(&whole));
    }
    assert_eq!(sim.trace()[0], "cut file 1 at 600");
}
