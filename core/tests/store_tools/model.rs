//! What a store must be: a list of versions, and what may have become of it after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A record: a put, a tensor or a delete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    pub key: Vec<u8>,
    /// None for a delete.
    pub value: Option<Arc<Vec<u8>>>,
    /// Rows and columns of a tensor.
    pub tensor: Option<[i64; 2]>,
}

pub type Versions = Vec<Version>;

/// The last version of each key that has a value, in their order.
pub fn live(versions: &[Version]) -> Versions {
    let mut last = BTreeMap::new();
    for (number, version) in versions.iter().enumerate() {
        last.insert(&version.key, number);
    }
    let is_live = |(number, version): &(usize, &Version)| {
        version.value.is_some() && last.get(&version.key) == Some(number)
    };
    let live = versions.iter().enumerate().filter(is_live);
    live.map(|(_, version)| version.clone()).collect()
}

/// What is known of a store.
#[derive(Clone, Default)]
pub struct Model {
    /// Making it was acknowledged.
    pub is_made: bool,
    /// What it had when it was last opened for writing: all of it durable.
    pub start: Versions,
    /// Written since, and in the store as the process sees it.
    pub batches: Vec<Versions>,
    /// How many of them are acknowledged.
    pub acknowledged: usize,
    /// Batches that failed, and how many were before them: each may be there as the last one.
    pub failed: Vec<(usize, Versions)>,
    /// After how many batches a compaction was tried, and may have been done.
    pub compacted: Vec<usize>,
    /// The one that was acknowledged.
    pub is_compacted: Option<usize>,
}

/// What the oracle says of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Right,
    /// It is a state before the acknowledged one.
    Lost,
    /// It has what no longer counts.
    Resurrected,
    Wrong,
}

impl Model {
    /// As the process sees it.
    pub fn versions(&self) -> Versions {
        self.prefix(self.is_compacted, self.batches.len())
    }

    fn prefix(&self, base: Option<usize>, len: usize) -> Versions {
        let plain = |from: usize, to: usize| self.batches[from..to].iter().flatten().cloned();
        let mut versions = self.start.clone();
        let mut from = 0;
        if let Some(base) = base {
            versions.extend(plain(0, base));
            versions = live(&versions);
            from = base;
        }
        versions.extend(plain(from, len));
        versions
    }

    pub fn issued(&mut self, batch: Versions) {
        self.batches.push(batch);
    }

    pub fn acknowledge_all(&mut self) {
        self.acknowledged = self.batches.len();
        let acknowledged = self.acknowledged;
        self.failed.retain(|(before, _)| *before >= acknowledged);
    }

    pub fn has_failed(&mut self, batch: Versions) {
        self.failed.push((self.batches.len(), batch));
    }

    pub fn tries_compaction(&mut self) {
        self.compacted.push(self.batches.len());
    }

    pub fn compacted(&mut self) {
        self.is_compacted = Some(self.batches.len());
        self.compacted.clear();
        self.acknowledge_all();
        self.failed.clear();
    }

    /// From now on this is the start: it was opened for writing and seen.
    pub fn restart(&mut self, seen: Versions) {
        *self = Model {
            is_made: true,
            start: seen,
            ..Model::default()
        };
    }

    /// How a state that was found relates to what may be.
    pub fn judge(&self, seen: &[Version], allow_failed: bool) -> Verdict {
        let mut lost = false;
        let mut bases = vec![self.is_compacted];
        bases.extend(self.compacted.iter().map(|at| Some(*at)));
        for base in bases {
            let from = base.unwrap_or(0);
            let versions = self.prefix(base, from);
            let Some(mut rest) = seen.strip_prefix(&*versions) else {
                continue;
            };
            for len in from..=self.batches.len() {
                if rest.is_empty() {
                    if len >= self.acknowledged {
                        return Verdict::Right;
                    }
                    lost = true;
                }
                let failed = self.failed.iter().filter(|(before, _)| *before == len);
                if len >= self.acknowledged
                    && allow_failed
                    && failed.clone().any(|(_, batch)| **batch == *rest)
                {
                    return Verdict::Right;
                }
                let Some(next) = self.batches.get(len) else {
                    break;
                };
                match rest.strip_prefix(&**next) {
                    Some(behind) => rest = behind,
                    None => break,
                }
            }
        }
        if lost {
            return Verdict::Lost;
        }
        let begins = |versions: &Versions| seen.starts_with(versions);
        match begins(&self.versions()) && seen.len() > self.versions().len() {
            true => Verdict::Resurrected,
            false => Verdict::Wrong,
        }
    }
}
