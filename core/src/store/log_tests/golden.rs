//! The golden stores, which a script made from `docs/store-format.md` alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::super::format::{End, HEAD, Head, Header, PAGE, RecordType, SLOT, Slot};
use super::super::index::{Base, Build, publish_index};
use super::super::log::{Log, Record, View};
use super::super::options::{OpenMode, StoreOptions};
use super::super::recover::{read_slots, recover};
use super::super::scan::{CheckValues, Scanner, Step};
use crate::kernel::crc32c_of;
use crate::map::sim::SimStorage;
use crate::map::{Origin, Storage, StorageFile};

const NAMES: [&str; 2] = ["golden.adit", "golden4096.adit"];

/// A golden store, on a simulated disk and in words.
struct Golden {
    storage: Arc<dyn Storage>,
    disk: SimStorage,
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    origin: Origin,
    bytes: Vec<u8>,
    index: Vec<u8>,
    told: Value,
}

impl Golden {
    fn open(name: &str) -> Golden {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/store");
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let index = std::fs::read(folder.join(format!("{name}.idx"))).unwrap();
        let told = std::fs::read(folder.join("golden.json")).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        let disk = SimStorage::new();
        let path = PathBuf::from("/d").join(name);
        disk.put_durable(&path, &bytes);
        disk.put_durable(&PathBuf::from(format!("/d/{name}.idx")), &index);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        Golden {
            file: storage.open(&path).unwrap(),
            storage,
            disk,
            origin: Origin::Path(path.clone()),
            path,
            bytes,
            index,
            told: told[name].clone(),
        }
    }

    fn header(&self) -> Header {
        Header::decode(&self.bytes[..PAGE]).unwrap()
    }

    fn log(&self) -> Log {
        let file = Arc::clone(&self.file);
        Log::new(file, self.origin.clone(), self.header(), true, 0)
    }

    fn records(&self) -> &[Value] {
        self.told["records"].as_array().unwrap()
    }

    fn index_path(&self) -> PathBuf {
        PathBuf::from(format!("{}.idx", self.path.display()))
    }

    /// What each key that was ever there has last: the record, and whether it's live.
    fn keys(&self) -> BTreeMap<Vec<u8>, (u64, bool)> {
        let mut keys = BTreeMap::new();
        for record in self.records() {
            if record["counts"] == true && record["type"] != "epoch" {
                let is_live = record["type"] != "delete";
                keys.insert(key(record), (number(record, "offset"), is_live));
            }
        }
        let live = self.told["live"].as_object().unwrap();
        assert_eq!(live.len(), keys.values().filter(|(_, live)| *live).count());
        keys
    }
}

fn number(from: &Value, name: &str) -> u64 {
    from[name].as_u64().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let digits = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16));
    digits.map(|byte| byte.unwrap()).collect()
}

fn key(record: &Value) -> Vec<u8> {
    unhex(record["key"].as_str().unwrap())
}

fn kind(record: &Value) -> RecordType {
    match record["type"].as_str().unwrap() {
        "put" => RecordType::Put,
        "delete" => RecordType::Delete,
        "epoch" => RecordType::Epoch,
        "tensor" => RecordType::Tensor,
        other => panic!("{other}"),
    }
}

#[test]
fn headers_are_those_of_the_document() {
    for name in NAMES {
        let golden = Golden::open(name);
        let header = golden.header();
        assert_eq!(
            header.uuid[..],
            unhex(golden.told["uuid"].as_str().unwrap())
        );
        assert_eq!(header.seed, number(&golden.told, "seed"));
        assert_eq!(header.align(), number(&golden.told, "align"));
        assert_eq!(header.features, [0; 3]);
        assert_eq!(header.encode()[..], golden.bytes[..PAGE]);
    }
}

#[test]
fn slots_are_those_of_the_document() {
    for name in NAMES {
        let golden = Golden::open(name);
        let header = golden.header();
        let told = golden.told["slots"].as_array().unwrap();
        let [a, b] = read_slots(&*golden.file, &golden.origin, &header).unwrap();
        let mut found = [a.unwrap(), b.unwrap()];
        found.sort_by_key(|slot| slot.sequence);
        for (slot, (number_from_1, told)) in found
            .iter()
            .zip(told.iter().enumerate().rev().take(2).rev())
        {
            let expected = Slot {
                sequence: number_from_1 as u64 + 1,
                end: End {
                    tail: number(told, "tail"),
                    last: number(told, "last"),
                    chain: number(told, "chain"),
                    records: number(told, "records"),
                },
                live: number(told, "live"),
                live_bytes: number(told, "live_bytes"),
            };
            assert_eq!(*slot, expected);
            let at = Slot::offset(slot.sequence) as usize;
            assert_eq!(slot.encode(&header)[..], golden.bytes[at..at + SLOT]);
        }
    }
}

#[test]
fn records_are_those_of_the_document() {
    for name in NAMES {
        let golden = Golden::open(name);
        let header = golden.header();
        let start = End::start(&header);
        let len = golden.bytes.len() as u64;
        let mut scanner = Scanner::new(
            &*golden.file,
            &golden.origin,
            &header,
            start,
            len,
            CheckValues::Yes,
        );
        let mut end = start;
        for (count, told) in golden.records().iter().enumerate() {
            let Step::Record(record, found_key) = scanner.next().unwrap() else {
                panic!("{name}: no record {count}");
            };
            assert_eq!(found_key, key(told));
            check_record(&golden, &record, told);
            if told["last"] == true {
                let Step::BatchEnd(batch) = scanner.next().unwrap() else {
                    panic!("{name}: no batch ends at record {count}");
                };
                assert_eq!(batch.records, count as u64 + 1);
                end = batch;
            }
        }
        let Step::Stop(stop) = scanner.next().unwrap() else {
            panic!("{name}: it goes on");
        };
        assert_eq!(stop.offset, len);
        assert_eq!(scanner.end(), end);
    }
}

fn check_record(golden: &Golden, record: &Record, told: &Value) {
    let header = golden.header();
    let Record {
        head,
        extent,
        offset,
    } = record;
    assert_eq!(*offset, number(told, "offset"));
    let expected = Head {
        kind: kind(told),
        is_last: told["last"] == true,
        key_len: u16::try_from(key(told).len()).unwrap(),
        value_len: number(told, "value_len"),
        key_hash: header.hash(&key(told)),
        chain: number(told, "chain"),
        durable_distance: u32::try_from(number(told, "durable_distance")).unwrap(),
        ..*head
    };
    assert_eq!(*head, expected);
    let at = *offset as usize;
    assert_eq!(head.encode()[..], golden.bytes[at..at + HEAD]);
    assert_eq!(extent.end, number(told, "end"));
    assert_eq!(extent.value, number(told, "value_offset"));
    let value = extent.value as usize..(extent.value + head.value_len) as usize;
    let value = &golden.bytes[value];
    assert_eq!(u64::from(crc32c_of(0, value)), number(told, "value_crc"));
    if head.kind.has_value() {
        assert!(extent.value.is_multiple_of(header.align()));
        let covered = &golden.bytes[extent.prefix as usize..extent.value as usize + value.len()];
        assert_eq!(crc32c_of(0, covered), head.crc);
    }
}

#[test]
fn they_are_recovered_with_their_index_and_without() {
    for name in NAMES {
        for has_index in [true, false] {
            let golden = Golden::open(name);
            if !has_index {
                golden.storage.remove(&golden.index_path()).unwrap();
            }
            let options = StoreOptions {
                mode: OpenMode::Read,
                ..StoreOptions::default()
            };
            let found = recover(
                &golden.storage,
                &golden.path,
                &golden.file,
                &golden.origin,
                &options,
                None,
            )
            .unwrap();
            let counted = golden
                .records()
                .iter()
                .filter(|record| record["counts"] == true);
            let last = counted.clone().next_back().unwrap();
            let count = counted.count() as u64;
            assert_eq!(found.end.tail, number(last, "end"));
            assert_eq!(found.end.records, count);
            assert_eq!(found.rebuilt_index, !has_index);
            assert_eq!(found.torn_bytes, golden.bytes.len() as u64 - found.end.tail);
            let slots = golden.told["slots"].as_array().unwrap();
            let durable = slots.last().unwrap();
            assert_eq!(found.durable, number(durable, "tail"));
            let unindexed = if has_index {
                number(durable, "records")
            } else {
                0
            };
            assert_eq!(found.replayed, count - unindexed);
            let view = golden.log().view(found.end.tail).unwrap();
            for (key, (offset, is_live)) in golden.keys() {
                let hash = found.header.hash(&key);
                // Deleted keys are no longer in index files.
                match found.index.find(&view, hash, &key).unwrap() {
                    Some(newest) => {
                        assert_eq!(
                            (newest.record.offset, !newest.is_deleted),
                            (offset, is_live)
                        );
                    }
                    None => assert!(!is_live && has_index, "{key:?}"),
                }
            }
            let live = golden.told["live"].as_object().unwrap().values();
            let bytes = live.map(|number| {
                let record = &golden.records()[number.as_u64().unwrap() as usize];
                record["end"].as_u64().unwrap() - record["offset"].as_u64().unwrap()
            });
            assert_eq!(found.live, bytes.len() as u64);
            assert_eq!(found.live_bytes, bytes.sum::<u64>());
            assert_eq!(golden.disk.contents(&golden.path).unwrap(), golden.bytes);
        }
    }
}

#[test]
fn an_index_built_from_the_log_is_the_documents() {
    for name in NAMES {
        let golden = Golden::open(name);
        let header = golden.header();
        let log = golden.log();
        let len = golden.bytes.len() as u64;
        let given = Base::open(&golden.storage, &golden.index_path(), &header, len, true);
        let given = given.unwrap().unwrap();
        let covered = *given.covered();
        golden.storage.remove(&golden.index_path()).unwrap();
        // The log as it was then.
        let then = &golden.bytes[..covered.tail as usize];
        golden.disk.put_durable(&golden.path, then);
        let file = golden.storage.open(&golden.path).unwrap();
        let options = StoreOptions::default();
        let made = recover(
            &golden.storage,
            &golden.path,
            &file,
            &golden.origin,
            &options,
            None,
        )
        .unwrap();
        assert_eq!(made.end, covered);
        let view = log.view(covered.tail).unwrap();
        let build = Build {
            header: &header,
            covered,
            live: made.live,
            live_bytes: made.live_bytes,
            base: &made.index.base,
            deltas: &[&made.index.active],
        };
        publish_index(
            &golden.storage,
            &golden.index_path(),
            &build,
            &mut |a, b| Ok(key_at(&view, a) == key_at(&view, b)),
            &mut |_, _| true,
        )
        .unwrap();
        let built = golden.disk.contents(&golden.index_path()).unwrap();
        assert!(
            built == golden.index,
            "{name}: other bytes than the document's"
        );
    }
}

fn key_at(view: &View, offset: u64) -> Vec<u8> {
    let mut key = Vec::new();
    view.key(&view.record(offset).unwrap(), &mut key).unwrap();
    key
}
