//! What a life consists of, by chance.

use std::sync::Arc;

use super::chance::Chance;
use super::life::Op;
use super::look::{keys, shape};
use super::model::Version;

/// Random steps.
pub struct Steps<'a> {
    pub chance: &'a mut Chance,
    /// Something to put into values that looks like records: the log itself.
    pub log: Vec<u8>,
}

impl Steps<'_> {
    pub fn some(&mut self, most: u64) -> Vec<Op> {
        let count = 1 + self.chance.below(most);
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Op {
        match self.chance.below(24) {
            0..=6 => Op::Single(self.version()),
            7..=13 => {
                let count = 1 + self.chance.below(5);
                Op::Write((0..count).map(|_| self.version()).collect())
            }
            14 | 15 => {
                let version = self.put(2);
                Op::Stream(version, !self.chance.once_in(3))
            }
            16 | 17 => Op::Sync,
            18 => Op::Snapshot,
            19 => Op::Reread,
            20 => Op::Look,
            21 | 22 => Op::Compact,
            _ => Op::Reopen,
        }
    }

    fn version(&mut self) -> Version {
        match self.chance.below(8) {
            0 | 1 => Version {
                key: self.key(),
                value: None,
                tensor: None,
            },
            2 => {
                let mut version = self.put(1);
                let mut value = version.value.as_deref().cloned().unwrap();
                value.truncate(value.len() / 8 * 8);
                version.tensor = Some(shape(&value));
                version.value = Some(Arc::new(value));
                version
            }
            _ => self.put(1),
        }
    }

    fn put(&mut self, scale: u64) -> Version {
        let len = match self.chance.below(8) {
            0 => 0,
            1..=4 => self.chance.below(120),
            5 | 6 => self.chance.below(1500),
            _ => self.chance.below(7000),
        };
        let len = (len * scale) as usize;
        let seed = self.chance.next();
        let kind = self.chance.below(6);
        let mut fill = Chance::new(seed);
        let mut value: Vec<u8> = match kind {
            0 => vec![0; len],
            1 if self.log.len() > len + 16384 => {
                let room = (self.log.len() - len - 16384) as u64 / 64 + 1;
                let at = 16384 + self.chance.below(room) as usize * 64;
                self.log[at..(at + len).min(self.log.len())].to_vec()
            }
            _ => {
                let words = (0..=len / 8).flat_map(|_| fill.next().to_le_bytes());
                words.take(len).collect()
            }
        };
        // Tells values apart, with zeros at the end that a torn write may leave as well.
        for (byte, mark) in value.iter_mut().zip(seed.to_le_bytes()) {
            *byte = mark;
        }
        Version {
            key: self.key(),
            value: Some(Arc::new(value)),
            tensor: None,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let keys = keys();
        keys[self.chance.below(keys.len() as u64) as usize].clone()
    }
}
