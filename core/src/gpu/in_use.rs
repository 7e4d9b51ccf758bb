//! Which bytes of a buffer the host uses right now. Two threads that use the same ones, and one of them
//! writes, break what they were asked to keep to: the second is refused, so that nothing but its answer
//! depends on it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct InUse(Mutex<Uses>);

#[derive(Default)]
struct Uses {
    /// Where each ends that is written, by its start; apart.
    written: BTreeMap<u64, u64>,
    read: Vec<Range<u64>>,
}

/// A use, until this goes.
pub(super) struct Use<'a> {
    of: &'a InUse,
    bytes: Range<u64>,
    writes: bool,
}

impl InUse {
    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None where somebody writes some of the bytes.
    pub(super) fn read(&self, bytes: Range<u64>) -> Option<Use<'_>> {
        let mut uses = self.uses();
        if !bytes.is_empty() {
            if uses.writes(&bytes) {
                return None;
            }
            uses.read.push(bytes.clone());
        }
        Some(Use {
            of: self,
            bytes,
            writes: false,
        })
    }

    /// None where somebody reads or writes some of the bytes.
    pub(super) fn write(&self, bytes: Range<u64>) -> Option<Use<'_>> {
        let mut uses = self.uses();
        if !bytes.is_empty() {
            let reads = |read: &Range<u64>| read.start < bytes.end && bytes.start < read.end;
            if uses.writes(&bytes) || uses.read.iter().any(reads) {
                return None;
            }
            uses.written.insert(bytes.start, bytes.end);
        }
        Some(Use {
            of: self,
            bytes,
            writes: true,
        })
    }
}

impl Uses {
    fn writes(&self, bytes: &Range<u64>) -> bool {
        let before = self.written.range(..bytes.end).next_back();
        before.is_some_and(|(_, &end)| bytes.start < end)
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let mut uses = self.of.uses();
        if self.writes {
            uses.written.remove(&self.bytes.start);
        } else if let Some(at) = uses.read.iter().position(|read| *read == self.bytes) {
            uses.read.swap_remove(at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_used_alone() {
        let bytes = InUse::default();
        let first = bytes.write(10..20).unwrap();
        let third = bytes.write(30..40).unwrap();
        let second = bytes.write(20..30).unwrap();
        for taken in [0..11, 19..20, 12..13, 25..26, 39..50, 0..50] {
            assert!(bytes.write(taken.clone()).is_none(), "{taken:?}");
            assert!(bytes.read(taken.clone()).is_none(), "{taken:?}");
        }
        assert!(bytes.write(15..15).is_some() && bytes.read(15..15).is_some());
        assert!(bytes.write(0..10).is_some() && bytes.read(40..50).is_some());
        drop(second);
        assert!(bytes.read(19..30).is_none());
        let (read, again) = (bytes.read(20..30).unwrap(), bytes.read(20..30).unwrap());
        drop(read);
        assert!(bytes.write(29..30).is_none());
        drop((first, third));
        assert!(bytes.write(10..21).is_none() && bytes.write(30..40).is_some());
        drop(again);
        assert!(bytes.write(0..50).is_some());
    }
}
