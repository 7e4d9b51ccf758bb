//! What a writer does: batches that follow from a seed and a number, in lanes that share no keys.

use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, Result, Store};

use super::{Chance, Model};
use crate::common::region;

/// Keys that are written often, and all keys, of a lane.
const HOT: u64 = 24;
const KEYS: u64 = 3000;

/// Never there.
pub const GIVEN_UP: &[u8] = b"given up";

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

impl Entry {
    pub fn apply(&self, model: &mut Model) {
        match self {
            Entry::Put(key, value) => drop(model.insert(key.clone(), value.clone())),
            Entry::Delete(key) => drop(model.remove(key)),
        }
    }
}

/// The batches of one thread.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    pub seed: u64,
    pub lane: u64,
}

fn key(lane: u64, number: u64) -> Vec<u8> {
    match (lane, number) {
        (0, 0) => Vec::new(),
        (_, 1) => {
            let mut key = vec![0xFF; 700];
            key.push(lane as u8);
            key
        }
        _ => format!("{lane}/{number}").into_bytes(),
    }
}

fn value(chance: &mut Chance) -> Vec<u8> {
    let len = match chance.below(40) {
        0..4 => 0,
        4..8 => 64,
        8..10 => 1 + chance.below(130),
        10..13 => 2000 + chance.below(9000),
        13 => 40_000 + chance.below(80_000),
        _ => 1 + chance.below(300),
    };
    let mut words = chance.clone();
    let mut bytes = Vec::with_capacity(len as usize + 8);
    while bytes.len() < len as usize {
        bytes.extend(words.next().to_le_bytes());
    }
    bytes.truncate(len as usize);
    bytes
}

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Single,
    Batch,
    Stream,
}

impl Lane {
    /// All keys that it may ever write.
    pub fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let lane = self.lane;
        (0..KEYS).map(move |number| key(lane, number))
    }

    fn chance(&self, number: u64, what: u64) -> Chance {
        Chance::of(&[self.seed, self.lane, number, what])
    }

    pub fn form(&self, number: u64) -> Form {
        match self.chance(number, 1).below(20) {
            0 => Form::Stream,
            1..11 => Form::Single,
            _ => Form::Batch,
        }
    }

    pub fn entries(&self, number: u64) -> Vec<Entry> {
        let mut chance = self.chance(number, 2);
        let form = self.form(number);
        let count = match form {
            Form::Single | Form::Stream => 1,
            Form::Batch => 2 + chance.below(14),
        };
        let mut entries = Vec::new();
        for _ in 0..count {
            let keys = if chance.once_in(3) { KEYS } else { HOT };
            let key = key(self.lane, chance.below(keys));
            entries.push(if form != Form::Stream && chance.once_in(4) {
                Entry::Delete(key)
            } else {
                Entry::Put(key, value(&mut chance))
            });
        }
        entries
    }

    pub fn apply(&self, number: u64, model: &mut Model) {
        for entry in self.entries(number) {
            entry.apply(model);
        }
    }

    /// Writes a batch; another's stream or compaction is waited for.
    pub fn write(&self, store: &Store, number: u64) -> Result<u64> {
        loop {
            match self.write_once(store, number) {
                Err(error) if error.kind() == Kind::Busy => std::thread::yield_now(),
                written => return written,
            }
        }
    }

    fn write_once(&self, store: &Store, number: u64) -> Result<u64> {
        let entries = self.entries(number);
        match (self.form(number), entries.first()) {
            (Form::Single, Some(Entry::Put(key, value))) => store.put(key, region(value)),
            (Form::Single, Some(Entry::Delete(key))) => store.delete(key),
            (Form::Stream, Some(Entry::Put(key, value))) => {
                let mut stream = store.put_stream(key)?;
                for piece in value.chunks(7000) {
                    stream.write(region(piece))?;
                }
                stream.commit()
            }
            _ => {
                let mut batch = Batch::new();
                for entry in &entries {
                    match entry {
                        Entry::Put(key, value) => batch.put(key, region(value))?,
                        Entry::Delete(key) => batch.delete(key)?,
                    }
                }
                store.write(&mut batch)
            }
        }
    }

    /// Whatever else a lane does after a batch: a sync, a compaction.
    pub fn besides(&self, store: &Store, number: u64) -> Result<()> {
        let mut chance = self.chance(number, 3);
        if chance.once_in(20) {
            store.sync(0)?;
        }
        if self.lane == 0 && chance.once_in(90) {
            match store.compact(None) {
                Err(error) if error.kind() == Kind::Busy => {}
                done => drop(done?),
            }
        }
        if chance.once_in(30) {
            // A stream that is given up leaves nothing.
            match store.put_stream(GIVEN_UP) {
                Err(error) if error.kind() == Kind::Busy => {}
                stream => {
                    let mut stream = stream?;
                    stream.write(region(&[1; 5000]))?;
                    stream.abort();
                }
            }
        }
        Ok(())
    }
}
