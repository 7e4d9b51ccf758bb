//! What the tests of several processes share: operations that follow from a seed, so that whoever
//! knows the seed knows what a store must hold, and children that say how far they have come.

#![allow(dead_code, reason = "each test uses a part of this")]

pub mod child;
pub mod oracle;
pub mod work;

use std::collections::BTreeMap;
use std::path::Path;

use adit_core::store::{OpenMode, Snapshot, Store, StoreOptions, SyncPolicy, ValueCheck};

/// What a store holds.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Chance that is the same for the same seed (splitmix64).
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Of several numbers.
    pub fn of(numbers: &[u64]) -> Chance {
        let mut chance = Chance(0);
        for &number in numbers {
            chance.0 ^= number;
            chance.0 = chance.next();
        }
        chance
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Options with small limits, so that whatever happens seldom happens soon.
pub fn options(seed: u64) -> StoreOptions {
    let mut chance = Chance::of(&[seed, 1]);
    let policies = [
        SyncPolicy::Batch,
        SyncPolicy::Group,
        SyncPolicy::Explicit,
        SyncPolicy::None,
    ];
    let checks = [
        ValueCheck::Never,
        ValueCheck::FirstTouch,
        ValueCheck::Always,
    ];
    StoreOptions {
        sync: policies[chance.below(4) as usize],
        check: checks[chance.below(3) as usize],
        reservation: [0, 1 << 20, 64 << 20][chance.below(3) as usize],
        index_memory: [4 << 10, 64 << 10, 0][chance.below(3) as usize],
        checkpoint_bytes: [16 << 10, 256 << 10, 0][chance.below(3) as usize],
        merge_thread: chance.once_in(2),
        ..StoreOptions::default()
    }
}

/// For reading only.
pub fn for_reading() -> StoreOptions {
    StoreOptions {
        mode: OpenMode::Read,
        check: ValueCheck::Always,
        ..StoreOptions::default()
    }
}

pub fn open(path: &Path, options: &StoreOptions) -> Store {
    Store::open(path, options).unwrap()
}

/// The value of a key, copied.
pub fn get(snapshot: &Snapshot, key: &[u8]) -> Option<Vec<u8>> {
    let value = snapshot.get(key).unwrap()?;
    Some(value.region.to_vec(0, value.region.len()).unwrap())
}
