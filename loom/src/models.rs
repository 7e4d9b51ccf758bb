//! What must hold whichever thread comes first, of the delta and of those with bugs.

use std::convert::Infallible;

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::index::Entry;
use crate::live::LiveTails;
use crate::{delta, planted};

/// Another hash than that of an empty place.
const HASH: u64 = 5 << 60;

/// The offset of the n-th record, and the tail behind the one before.
fn offset(record: u64) -> u64 {
    16384 + 64 * record
}

fn put(record: u64) -> Entry {
    Entry {
        offset: offset(record),
        is_deleted: false,
    }
}

/// All ways with up to three switches of threads that no thread asked for.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

macro_rules! models {
    ($delta:ty) => {
        /// What a store shares: all under one lock, as in the store.
        struct Shared {
            delta: Arc<$delta>,
            published: u64,
        }

        /// What a snapshot holds.
        struct Snapshot {
            delta: Arc<$delta>,
            tail: u64,
        }

        fn snapshot(shared: &Mutex<Shared>, live: &LiveTails) -> Snapshot {
            let shared = shared.lock().unwrap();
            assert!(live.add(shared.published));
            Snapshot {
                delta: Arc::clone(&shared.delta),
                tail: shared.published,
            }
        }

        fn newest(snapshot: &Snapshot, hash: u64) -> Option<u64> {
            let candidates = snapshot.delta.candidates(hash, snapshot.tail);
            candidates.map(|entry| entry.offset).max()
        }

        fn enter(delta: &$delta, published: u64, live: &LiveTails, record: u64) -> bool {
            let has_key = |_| Ok::<_, Infallible>(true);
            let entered = delta.enter(HASH, put(record), published, live, has_key);
            entered.unwrap_or(false)
        }

        /// A place is seen with the hash that it was stored with.
        pub(super) fn place_and_hash() {
            super::check(|| {
                let delta = Arc::new(<$delta>::new(4).unwrap());
                let writer = {
                    let delta = Arc::clone(&delta);
                    thread::spawn(move || assert!(delta.insert(HASH, put(0))))
                };
                let reader = {
                    let delta = Arc::clone(&delta);
                    thread::spawn(move || {
                        // The hash of a place that is empty, in the bucket of the other.
                        assert_eq!(delta.candidates(0, u64::MAX).count(), 0);
                        let mut candidates = delta.candidates(HASH, u64::MAX);
                        assert!(candidates.all(|entry| entry == put(0)));
                    })
                };
                writer.join().unwrap();
                reader.join().unwrap();
                assert_eq!(delta.candidates(HASH, u64::MAX).count(), 1);
            });
        }

        /// A snapshot finds the newest version below its tail, at once and later, while newer ones
        /// are written over those that nobody sees.
        pub(super) fn snapshots_and_replacement() {
            super::check(|| {
                let delta = <$delta>::new(8).unwrap();
                assert!(delta.insert(HASH, put(0)));
                let shared = Arc::new(Mutex::new(Shared {
                    delta: Arc::new(delta),
                    published: offset(1),
                }));
                let live = Arc::new(LiveTails::new());
                let writer = {
                    let (shared, live) = (Arc::clone(&shared), Arc::clone(&live));
                    thread::spawn(move || {
                        for record in 1..4 {
                            let (delta, published) = {
                                let shared = shared.lock().unwrap();
                                (Arc::clone(&shared.delta), shared.published)
                            };
                            assert!(enter(&delta, published, &live, record));
                            shared.lock().unwrap().published = offset(record + 1);
                        }
                        let delta = Arc::clone(&shared.lock().unwrap().delta);
                        delta.len()
                    })
                };
                let reader = thread::spawn(move || {
                    let snapshot = snapshot(&shared, &live);
                    let last = snapshot.tail - 64;
                    assert_eq!(newest(&snapshot, HASH), Some(last));
                    thread::yield_now();
                    assert_eq!(newest(&snapshot, HASH), Some(last));
                    live.remove(snapshot.tail);
                });
                reader.join().unwrap();
                let versions = writer.join().unwrap();
                // Two, and one for the snapshot.
                assert!(versions <= 3, "{versions}");
            });
        }

        /// A snapshot finds all that was published before it, in the delta that it took, while a
        /// larger one takes its place.
        pub(super) fn growth() {
            super::check(|| {
                let shared = Arc::new(Mutex::new(Shared {
                    delta: Arc::new(<$delta>::new(4).unwrap()),
                    published: offset(0),
                }));
                let live = Arc::new(LiveTails::new());
                let writer = {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        for record in 0..3 {
                            let mut delta = Arc::clone(&shared.lock().unwrap().delta);
                            if !delta.insert(HASH + record, put(record)) {
                                delta = Arc::new(delta.grown(8).unwrap());
                                assert!(delta.insert(HASH + record, put(record)));
                            }
                            let mut shared = shared.lock().unwrap();
                            shared.delta = delta;
                            shared.published = offset(record + 1);
                        }
                    })
                };
                let reader = thread::spawn(move || {
                    let snapshot = snapshot(&shared, &live);
                    for record in 0..3 {
                        let is_seen = offset(record) < snapshot.tail;
                        let expected = is_seen.then_some(offset(record));
                        assert_eq!(newest(&snapshot, HASH + record), expected);
                    }
                });
                writer.join().unwrap();
                reader.join().unwrap();
            });
        }
    };
}

mod sound {
    use super::*;
    models!(delta::Delta);
}

mod place_first {
    use super::*;
    models!(planted::place_first::Delta);
}

mod live_not_asked {
    use super::*;
    models!(planted::live_not_asked::Delta);
}

mod published_not_asked {
    use super::*;
    models!(planted::published_not_asked::Delta);
}

#[test]
fn a_place_is_seen_with_its_hash() {
    sound::place_and_hash();
}

#[test]
fn snapshots_keep_what_they_see() {
    sound::snapshots_and_replacement();
}

#[test]
fn snapshots_keep_the_delta_that_they_took() {
    sound::growth();
}

#[test]
#[should_panic = "left == right"]
fn a_place_stored_before_its_hash_is_caught() {
    place_first::place_and_hash();
}

#[test]
#[should_panic = "left == right"]
fn a_replacement_that_asks_no_live_tails_is_caught() {
    live_not_asked::snapshots_and_replacement();
}

#[test]
#[should_panic = "left == right"]
fn a_replacement_before_it_is_published_is_caught() {
    published_not_asked::snapshots_and_replacement();
}
