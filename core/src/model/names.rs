//! Many names, each once: found by a hash, told by their number.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Names in one piece of memory, each with a NUL behind it for C, and a hash table of their
/// numbers. The hash has a seed of its own in each table, so that no file is slow everywhere;
/// foldhash doesn't claim to withstand names that are chosen by someone who learns about the seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each name starts; it ends before the NUL in front of the next.
    starts: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// Why a name can't be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is there already, with this number.
    Taken(usize),
    /// There is no memory, or there are 2^32 names.
    Full,
}

impl Names {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Makes room for `names` more names of `bytes` bytes in all; only a wish.
    pub(super) fn reserve(&mut self, names: usize, bytes: usize) {
        let _ = self.starts.try_reserve(names);
        let _ = self.bytes.try_reserve(bytes.saturating_add(names));
        let hasher = &self.hasher;
        let (starts, text) = (&self.starts, &self.bytes);
        let _ = self.table.try_reserve(names, |&number| {
            hasher.hash_one(name_at(starts, text, number as usize))
        });
    }

    /// Adds a name; its number is how many there were.
    pub(super) fn add(&mut self, name: &[u8]) -> Result<usize, Refusal> {
        let number = self.starts.len();
        let small = u32::try_from(number).map_err(|_| Refusal::Full)?;
        let room = name.len().checked_add(1).ok_or(Refusal::Full)?;
        self.bytes.try_reserve(room).map_err(|_| Refusal::Full)?;
        self.starts.try_reserve(1).map_err(|_| Refusal::Full)?;
        let hasher = &self.hasher;
        let (starts, text) = (&self.starts, &self.bytes);
        let at = |&number: &u32| name_at(starts, text, number as usize);
        let hash_of = |number: &u32| hasher.hash_one(at(number));
        self.table
            .try_reserve(1, hash_of)
            .map_err(|_| Refusal::Full)?;
        let same = |number: &u32| at(number) == name;
        match self.table.entry(hasher.hash_one(name), same, hash_of) {
            Entry::Occupied(there) => return Err(Refusal::Taken(*there.get() as usize)),
            Entry::Vacant(free) => free.insert(small),
        };
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        Ok(number)
    }

    /// Forgets all names but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        let Some(&end) = self.starts.get(len) else {
            return;
        };
        for number in len..self.starts.len() {
            let hash = self
                .hasher
                .hash_one(name_at(&self.starts, &self.bytes, number));
            let same = |&other: &u32| other as usize == number;
            if let Ok(entry) = self.table.find_entry(hash, same) {
                entry.remove();
            }
        }
        self.starts.truncate(len);
        self.bytes.truncate(end);
    }

    /// The bytes of all names but the first `skip`, their NULs included.
    pub(super) fn bytes_from(&self, skip: usize) -> usize {
        let start = self.starts.get(skip).copied();
        self.bytes.len().saturating_sub(start.unwrap_or(usize::MAX))
    }

    /// The number of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let same = |&number: &u32| name_at(&self.starts, &self.bytes, number as usize) == name;
        let hash = self.hasher.hash_one(name);
        self.table.find(hash, same).map(|&number| number as usize)
    }

    /// A name without its NUL; the byte behind the result is one.
    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        self.starts.get(number)?;
        Some(name_at(&self.starts, &self.bytes, number))
    }
}

fn name_at<'a>(starts: &[usize], bytes: &'a [u8], number: usize) -> &'a [u8] {
    let start = starts.get(number).copied().unwrap_or(bytes.len());
    let next = starts
        .get(number.saturating_add(1))
        .copied()
        .unwrap_or(bytes.len());
    bytes.get(start..next.saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_once() {
        let mut names = Names::default();
        for number in 0..1000 {
            assert_eq!(names.add(format!("name {number}").as_bytes()), Ok(number));
        }
        assert_eq!(names.add(b""), Ok(1000));
        assert_eq!(names.add(b"name 7"), Err(Refusal::Taken(7)));
        assert_eq!(names.find(b"name 999"), Some(999));
        assert_eq!(names.find(b"name 1000"), None);
        assert_eq!(names.find(b""), Some(1000));
        assert_eq!(names.get(12), Some(&b"name 12"[..]));
        assert_eq!((names.get(1001), names.len()), (None, 1001));
        assert_eq!((names.bytes_from(1001), names.bytes_from(999)), (0, 10));
        names.truncate(1001);
        names.truncate(500);
        assert_eq!((names.find(b"name 500"), names.find(b"")), (None, None));
        assert_eq!(names.get(499), Some(&b"name 499"[..]));
        assert_eq!((names.get(500), names.len()), (None, 500));
        assert_eq!(names.add(b"name 999"), Ok(500));
        assert_eq!(names.add(b"name 499"), Err(Refusal::Taken(499)));
        assert_eq!(names.find(b"name 999"), Some(500));
    }
}
