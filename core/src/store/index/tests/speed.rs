//! What a look-up costs: `cargo test --release -p adit-core --lib store::index -- --ignored --nocapture`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::super::{Base, Build, Entry, IndexSet, publish_index};
use crate::map::{Origin, RealStorage, Storage};
use crate::store::delta::Delta;
use crate::store::format::{End, FIRST, Head, Header, RecordType};
use crate::store::log::{Log, View};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

/// Records of 128 bytes with keys of 16 and values of 64.
fn write_log(path: &Path, header: &Header, keys: u64) -> End {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let mut end = End::start(header);
    file.write_all(&[0; FIRST as usize]).unwrap();
    for number in 0..keys {
        let key = key(number);
        let mut head = Head {
            kind: RecordType::Put,
            is_last: true,
            key_len: 16,
            value_len: 64,
            key_hash: header.hash(&key),
            crc: 0,
            durable_distance: 0,
            chain: 0,
            prev: end.last,
        };
        head.chain = header.chain(end.chain, end.tail, &head.encode());
        file.write_all(&head.encode()).unwrap();
        file.write_all(&key).unwrap();
        file.write_all(&[7; 64]).unwrap();
        end = End {
            tail: end.tail + 128,
            last: end.tail,
            chain: head.chain,
            records: end.records + 1,
        };
    }
    file.flush().unwrap();
    end
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn time(what: &str, count: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    let each = start.elapsed().as_nanos() as f64 / count as f64;
    println!("{what:40} {each:8.1} ns");
    each
}

#[test]
#[ignore = "prints timings"]
fn look_ups() {
    let keys: u64 = std::env::var("KEYS").map_or(1_000_000, |keys| keys.parse().unwrap());
    let folder =
        Folder(PathBuf::from("/dev/shm").join(format!("adit-speed-{}", std::process::id())));
    std::fs::create_dir(&folder.0).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RealStorage);
    let header = Header {
        uuid: [3; 16],
        seed: 77,
        align_log2: 6,
        features: [0; 3],
    };
    let path = folder.0.join("log");
    let index = folder.0.join("log.idx");
    let end = write_log(&path, &header, keys);
    let log = Log::new(
        storage.open(&path).unwrap(),
        Origin::Path(path.clone()),
        header,
        true,
        0,
    );
    let view = log.view(end.tail).unwrap();
    let place = |number: u64| FIRST + number * 128;
    let hashes: Vec<u64> = (0..keys).map(|number| header.hash(&key(number))).collect();
    let delta = Delta::new((keys as usize) * 2).unwrap();
    time("insert into a delta", keys, || {
        for (number, hash) in hashes.iter().enumerate() {
            let entry = Entry {
                offset: place(number as u64),
                is_deleted: false,
            };
            assert!(delta.insert(*hash, entry));
        }
    });
    let none = Base::empty(Origin::Memory, &End::start(&header));
    let build = Build {
        header: &header,
        covered: end,
        live: keys,
        live_bytes: keys * 128,
        base: &none,
        deltas: &[&delta],
    };
    time("build", keys, || {
        let mut same = |_, _| panic!("hashes are random");
        publish_index(&storage, &index, &build, &mut same, &mut |_, _| true).unwrap();
    });
    let base = Base::open(&storage, &index, &header, end.tail, false)
        .unwrap()
        .unwrap();
    time("build again from the file", keys, || {
        let small = Delta::new(4).unwrap();
        let build = Build {
            base: &base,
            deltas: &[&small],
            ..build
        };
        let mut same = |_, _| panic!("hashes are random");
        let again = folder.0.join("again");
        publish_index(&storage, &again, &build, &mut same, &mut |_, _| true).unwrap();
        assert!(std::fs::read(&again).unwrap() == std::fs::read(&index).unwrap());
    });
    let none = Arc::new(none);
    let base = Arc::new(base);
    let empty = Arc::new(Delta::new(1 << 16).unwrap());
    let delta = Arc::new(delta);
    let in_file = IndexSet {
        base,
        frozen: None,
        active: Arc::clone(&empty),
    };
    let in_memory = IndexSet {
        base: none,
        frozen: None,
        active: delta,
    };
    let count = std::env::var("COUNT").map_or(2_000_000, |count| count.parse().unwrap());
    for round in 0..3 {
        println!("round {round}");
        time("bare: one random record", count, || {
            bare(&view, keys, count)
        });
        for (name, set) in [("file", &in_file), ("delta", &in_memory)] {
            time(&format!("find, {name}"), count, || {
                find(set, &view, &header, keys, count)
            });
            time(&format!("find_many of 16, {name}"), count, || {
                find_many(set, &view, &header, keys, count, 16);
            });
            time(&format!("find_many of 256, {name}"), count, || {
                find_many(set, &view, &header, keys, count, 256);
            });
        }
    }
}

/// What any engine must wait for: a record at a random place that depends on the one before.
fn bare(view: &View, keys: u64, count: u64) {
    let mut state = 99;
    let mut sum = 0;
    for _ in 0..count {
        let number = (random(&mut state) ^ (sum & 1)) % keys;
        let region = view.region(FIRST + number * 128, 64).unwrap();
        sum = sum.wrapping_add(region.u64_at(8).unwrap());
    }
    assert!(sum > 0);
}

fn find(set: &IndexSet, view: &View, header: &Header, keys: u64, count: u64) {
    let mut state = 99;
    let mut sum = 0;
    for _ in 0..count {
        // The next look-up waits for this one.
        let number = (random(&mut state) ^ (sum & 1)) % keys;
        let key = key(number);
        let found = set.find(view, header.hash(&key), &key).unwrap().unwrap();
        assert_eq!(found.record.offset, FIRST + number * 128);
        sum += found.record.head.value_len;
    }
}

fn find_many(set: &IndexSet, view: &View, header: &Header, keys: u64, count: u64, at_once: usize) {
    let mut state = 99;
    let mut found = vec![None; at_once];
    for _ in 0..count / at_once as u64 {
        let numbers: Vec<u64> = (0..at_once).map(|_| random(&mut state) % keys).collect();
        let these: Vec<[u8; 16]> = numbers.iter().map(|number| key(*number)).collect();
        set.find_many(view, header, |number| &these[number], &mut found)
            .unwrap();
        for (found, number) in found.iter().zip(numbers) {
            assert_eq!(found.unwrap().record.offset, FIRST + number * 128);
        }
    }
}
