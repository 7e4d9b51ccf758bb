#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::map::sim::SimStorage;
use crate::map::{Data, DataOptions, Error};

fn path(number: usize) -> PathBuf {
    PathBuf::from(format!("/set/{number}"))
}

fn put(sim: &SimStorage, number: usize) {
    sim.put_durable(&path(number), format!("file {number}").as_bytes());
}

fn files(count: usize, most: usize) -> (SimStorage, Arc<DescriptorPool>, Vec<Data>) {
    let sim = SimStorage::new();
    let pool = Arc::new(DescriptorPool::new(most));
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let open = |number| {
        put(&sim, number);
        Data::open_pooled(&pool, &storage, &path(number), &DataOptions::default()).unwrap()
    };
    let opened = (0..count).map(open).collect();
    (sim, pool, opened)
}

fn read(data: &Data) -> crate::map::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = usize::try_from(data.len()).unwrap();
    data.read_to(0, len, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn all_are_read_and_few_are_open() {
    for most in [1, 2, 7] {
        let (_sim, pool, files) = files(50, most);
        assert_eq!(pool.count(), most);
        for round in 0..3 {
            for number in 0..files.len() {
                let number = number * (round * 2 + 1) % files.len();
                let expected = format!("file {number}");
                assert_eq!(read(&files[number]).unwrap(), expected.as_bytes());
                assert!(pool.count() <= most);
            }
        }
        files[0].still_whole().unwrap();
        drop(files);
        assert_eq!(pool.count(), 0);
    }
}

#[test]
fn what_is_used_again_and_again_stays_open() {
    let (sim, pool, files) = files(20, 4);
    read(&files[3]).unwrap();
    for number in 4..20 {
        read(&files[number]).unwrap();
        read(&files[3]).unwrap();
    }
    // Opened again it would be another.
    sim.remove(&path(3)).unwrap();
    assert_eq!(read(&files[3]).unwrap(), b"file 3");
    assert_eq!(pool.count(), 4);
}

#[test]
fn threads_share_it() {
    let (_sim, pool, files) = files(40, 3);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let files = &files;
            scope.spawn(move || {
                for step in 0..400 {
                    let number = (step * (thread * 2 + 1) + thread) % files.len();
                    let expected = format!("file {number}");
                    assert_eq!(read(&files[number]).unwrap(), expected.as_bytes());
                }
            });
        }
    });
    assert!(pool.count() <= 3);
}

#[test]
fn another_file_at_the_path_is_told() {
    let (sim, _pool, files) = files(3, 1);
    // File 2 is the open one.
    for number in [0, 2] {
        sim.remove(&path(number)).unwrap();
        sim.put_durable(&path(number), b"FILE !");
    }
    assert_eq!(read(&files[2]).unwrap(), b"file 2");
    assert_eq!(read(&files[1]).unwrap(), b"file 1");
    for number in [0, 2] {
        for error in [
            read(&files[number]).unwrap_err(),
            files[number].still_whole().unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(said.contains("another file stands at its path"), "{said}");
            assert!(said.contains(&format!("'/set/{number}'")), "{said}");
        }
        // The map is the old file's.
        assert_eq!(
            files[number].region().to_vec(0, 6).unwrap(),
            format!("file {number}").as_bytes()
        );
    }
}

#[test]
fn a_pooled_file_is_only_read() {
    let (sim, pool, _files) = files(1, 1);
    let storage: Arc<dyn Storage> = Arc::new(sim);
    let file = pool.open(&storage, path(0)).unwrap();
    for error in [
        file.write_all_at(b"x", 0).unwrap_err(),
        file.allocate(1).unwrap_err(),
        file.sync().unwrap_err(),
        file.sync_data().unwrap_err(),
        file.fill_holes(1).unwrap_err(),
        file.try_lock().unwrap_err(),
        file.lock().unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
    let options = DataOptions {
        access: crate::map::Access::ReadWrite,
        ..DataOptions::default()
    };
    let refused = Data::open_pooled(&pool, &storage, &path(0), &options);
    assert!(matches!(refused, Err(Error::NotWritable { .. })));
}
