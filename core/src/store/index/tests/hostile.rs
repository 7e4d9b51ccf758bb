//! Index files that lie.

use std::sync::Arc;

use super::super::super::delta::Delta;
use super::super::super::error::Error;
use super::super::super::format::{End, PAGE, seal};
use super::super::pages::{FirstPage, seal_page, write_entry};
use super::super::{Base, Build, Entry, IndexSet, publish_index};
use super::tools::{Folder, HEADER, TestLog, bytes_of, same_key};
use crate::error::{Kind, Report};
use crate::map::Origin;

struct Victim {
    folder: Folder,
    log: TestLog,
    keys: Vec<(u64, Vec<u8>, u64)>,
    index: Vec<u8>,
    first: FirstPage,
}

impl Victim {
    /// A log of so many keys, and its index.
    fn new(keys: u64) -> Victim {
        let folder = Folder::simulated();
        let mut log = TestLog::new(&folder);
        let delta = Delta::new(2 * keys as usize + 8).unwrap();
        let mut all = Vec::new();
        for number in 0..keys {
            let key = number.to_le_bytes().to_vec();
            let hash = HEADER.hash(&key);
            let offset = log.append(hash, &key, false);
            let is_deleted = false;
            assert!(delta.insert(hash, Entry { offset, is_deleted }));
            all.push((hash, key, offset));
        }
        all.sort();
        let none = Base::empty(Origin::Memory, &End::start(&HEADER));
        let build = Build {
            header: &HEADER,
            covered: log.end,
            live: keys,
            live_bytes: keys * 64,
            base: &none,
            deltas: &[&delta],
        };
        let view = log.view();
        let mut same = |a, b| same_key(&view, a, b);
        let path = folder.index();
        publish_index(&folder.storage, &path, &build, &mut same, &mut |_, _| true).unwrap();
        let index = bytes_of(&folder.storage, &path);
        let page = index.first_chunk::<PAGE>().unwrap();
        let first = FirstPage::decode(page, &HEADER, index.len() as u64).unwrap();
        Victim {
            folder,
            log,
            keys: all,
            index,
            first,
        }
    }

    fn open(&self, index: &[u8]) -> Option<Base> {
        self.folder.put_index(index);
        let (storage, path) = (&self.folder.storage, self.folder.index());
        Base::open(storage, &path, &HEADER, self.log.end.tail, false).unwrap()
    }

    /// Each key is found where it is, or the index is called a bad one; whether it was.
    fn is_found_out(&self, base: Base) -> bool {
        let entries = base.entries().find_map(Result::err);
        let set = IndexSet {
            base: Arc::new(base),
            frozen: None,
            active: Arc::new(Delta::new(4).unwrap()),
        };
        let view = self.log.view();
        let mut is_bad = entries.is_some();
        // Damage that was seen is no reason for a wrong answer either.
        let step = if is_bad { 31 } else { 1 };
        for (hash, key, offset) in self.keys.iter().step_by(step) {
            match set.find(&view, *hash, key) {
                Ok(found) => {
                    let found = found.map(|found| found.record.offset);
                    assert!(found == Some(*offset) || found.is_none() && is_bad);
                }
                Err(Error::Index { .. } | Error::Record { .. }) => is_bad = true,
                Err(error) => panic!("{error}"),
            }
        }
        is_bad
    }

    /// The index with another page 0, sealed.
    fn with_first(&self, first: &FirstPage) -> Vec<u8> {
        let mut index = self.index.clone();
        index[..PAGE].copy_from_slice(&first.encode());
        index
    }

    /// The index with another page 1, sealed.
    fn with_page(&self, change: impl FnOnce(&mut [u8; PAGE])) -> Vec<u8> {
        let mut index = self.index.clone();
        let page = index[PAGE..].first_chunk_mut::<PAGE>().unwrap();
        change(page);
        seal_page(page, 1, &self.first);
        index
    }
}

#[test]
fn every_flipped_byte_is_found_out() {
    let victim = Victim::new(300);
    assert!(victim.index.len() > 2 * PAGE);
    for at in 0..victim.index.len() {
        let mut index = victim.index.clone();
        index[at] ^= 1 << (at % 8);
        // Not looked at.
        let is_slack = at >= PAGE && (4036..4040).contains(&(at % PAGE));
        let is_bad = victim
            .open(&index)
            .is_none_or(|base| victim.is_found_out(base));
        assert_eq!(is_bad, !is_slack, "byte {at}");
    }
}

#[test]
fn every_other_length_is_refused() {
    let victim = Victim::new(300);
    for len in 0..victim.index.len() {
        assert!(victim.open(&victim.index[..len]).is_none(), "{len}");
    }
    let longer = [&victim.index[..], &[0; PAGE]].concat();
    assert!(victim.open(&longer).is_none());
    assert!(!victim.is_found_out(victim.open(&victim.index).unwrap()));
}

#[test]
fn numbers_of_the_first_page_are_not_believed() {
    let victim = Victim::new(300);
    let good = victim.first;
    let many = [
        0,
        1,
        2,
        63,
        252,
        253,
        1 << 32,
        1 << 62,
        u64::MAX - 1,
        u64::MAX,
    ];
    for number in many {
        let covered = |tail, last| End {
            tail,
            last,
            ..good.covered
        };
        let lies = [
            FirstPage {
                pages: number,
                ..good
            },
            FirstPage {
                buckets: number,
                ..good
            },
            FirstPage {
                live: number,
                ..good
            },
            FirstPage {
                covered: covered(number, good.covered.last),
                ..good
            },
            FirstPage {
                covered: covered(good.covered.tail, number.max(1 << 32)),
                ..good
            },
        ];
        for lie in lies {
            if lie == good {
                continue;
            }
            let base = victim.open(&victim.with_first(&lie));
            assert!(base.is_none_or(|base| victim.is_found_out(base)), "{lie:?}");
        }
        // Only told.
        let lie = FirstPage {
            live_bytes: number,
            ..good
        };
        let base = victim.open(&victim.with_first(&lie)).unwrap();
        assert_eq!(base.live_bytes(), number);
    }
    let other = FirstPage {
        uuid: [1; 16],
        ..good
    };
    assert!(victim.open(&victim.with_first(&other)).is_none());
    for (at, byte) in [(16, 2), (20, 1), (21, 0), (0, 0)] {
        let mut index = victim.index.clone();
        index[at] = byte;
        seal(index.first_chunk_mut::<PAGE>().unwrap());
        assert!(victim.open(&index).is_none(), "{at}");
    }
}

#[test]
fn entries_that_point_anywhere_are_found_out() {
    let victim = Victim::new(300);
    let (hash, _, offset) = victim.keys[0];
    let other = victim.keys[9].2;
    let tail = victim.log.end.tail;
    let places = [
        1,
        63,
        64,
        4096,
        16383,
        offset + 1,
        offset + 32,
        other,
        tail,
        tail - 1,
        tail + 64,
        u64::MAX,
        u64::MAX - 63,
    ];
    let slot = (0..252).find(|slot| {
        let at = PAGE + slot * 16;
        victim.index[at..at + 8] == hash.to_le_bytes()
    });
    for place in places {
        let index = victim.with_page(|page| write_entry(page, slot.unwrap(), hash, place));
        let base = victim.open(&index).unwrap();
        assert!(victim.is_found_out(base), "{place}");
    }
}

#[test]
fn entries_out_of_order_or_place_are_found_out() {
    let victim = Victim::new(300);
    let entry = |page: &[u8; PAGE], slot: usize| {
        let at = slot * 16;
        let word = |at| u64::from_le_bytes(page[at..at + 8].try_into().unwrap());
        (word(at), word(at + 8))
    };
    let taken: Vec<_> = (0..252)
        .filter(|slot| victim.index[PAGE + slot * 16 + 8..][..8] != [0; 8])
        .collect();
    for pair in taken.windows(2) {
        let &[one, other] = pair else { panic!() };
        let swapped = victim.with_page(|page| {
            let (a, b) = (entry(page, one), entry(page, other));
            write_entry(page, one, b.0, b.1);
            write_entry(page, other, a.0, a.1);
        });
        assert!(victim.is_found_out(victim.open(&swapped).unwrap()));
        let doubled = victim.with_page(|page| {
            let (hash, offset) = entry(page, one);
            write_entry(page, other, hash, offset);
        });
        assert!(victim.is_found_out(victim.open(&doubled).unwrap()));
        let missing = victim.with_page(|page| write_entry(page, one, 0, 0));
        assert!(victim.is_found_out(victim.open(&missing).unwrap()));
    }
}

#[test]
fn a_search_does_not_trust_a_long_way() {
    let victim = Victim::new(20_000);
    let (hash, key, _) = victim.keys.last().unwrap();
    // All entries of the file stand in the way, and name one record.
    let mut index = victim.index.clone();
    let pages = index[PAGE..].as_chunks_mut::<PAGE>().0;
    let first = FirstPage {
        buckets: 1,
        ..victim.first
    };
    for (page, number) in pages.iter_mut().zip(1..) {
        for slot in 0..252 {
            write_entry(page, slot, 0, victim.keys[0].2);
        }
        seal_page(page, number, &first);
    }
    index[..PAGE].copy_from_slice(&first.encode());
    let base = victim.open(&index).unwrap();
    let passed = base.candidates(*hash).count();
    assert!(passed > 10_000, "{passed}");
    let set = IndexSet {
        base: Arc::new(base),
        frozen: None,
        active: Arc::new(Delta::new(4).unwrap()),
    };
    let error = set.find(&victim.log.view(), *hash, key).unwrap_err();
    assert!(matches!(error, Error::Index { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Checksum);
    let place = error.place();
    assert_eq!(place.path, Some(victim.folder.index()));
    // The first one that isn't taken on trust.
    assert_eq!(place.offset, Some(PAGE as u64 * 5 + 16 * (1024 - 4 * 252)));
    assert!(error.to_string().contains("log.idx"), "{error}");
}

#[test]
fn a_longer_index_than_its_log_is_not_read() {
    let victim = Victim::new(3);
    // A file with a hole: nothing is sized by it.
    let pages = (1 << 40) / PAGE as u64 - 1;
    let lie = FirstPage {
        pages,
        ..victim.first
    };
    let folder = Folder::real("longer");
    folder.put_index(&lie.encode());
    let file = folder.storage.open_to_write(&folder.index()).unwrap();
    file.write_all_at(&[0; PAGE], (1 << 40) - PAGE as u64)
        .unwrap();
    for on_heap in [false, true] {
        let base = Base::open(
            &folder.storage,
            &folder.index(),
            &HEADER,
            victim.log.end.tail,
            on_heap,
        );
        assert!(base.unwrap().is_none());
    }
}

#[test]
fn what_is_no_file_is_not_used() {
    let folder = Folder::real("no-file");
    let open = || Base::open(&folder.storage, &folder.index(), &HEADER, 1 << 30, false).unwrap();
    assert!(open().is_none());
    std::fs::create_dir(folder.index()).unwrap();
    assert!(open().is_none());
}
