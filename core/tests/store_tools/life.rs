//! What a process does with a store between two crashes.

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::map::sim::SimStorage;
use adit_core::store::{
    Batch, Error, OpenMode, Snapshot, Store, StoreOptions, SyncPolicy, ValueCheck,
};
use adit_core::tensor::Shape;

use super::chance::Chance;
use super::look::{Fault, look, look_at, region};
use super::model::{Model, Verdict, Version, Versions};

pub const PATH: &str = "/data/store";

/// What disturbs a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    None,
    /// The process dies in the call so many calls on.
    Dies(u64),
    /// That call fails.
    Fails(u64, i32),
}

#[derive(Debug)]
pub struct Violation {
    pub verdict: Verdict,
    pub what: String,
}

fn wrong(what: String) -> Violation {
    Violation {
        verdict: Verdict::Wrong,
        what,
    }
}

/// A step of a life.
#[derive(Clone, Debug)]
pub enum Op {
    Write(Versions),
    /// Through the calls for one entry.
    Single(Version),
    Stream(Version, bool),
    Sync,
    Snapshot,
    Reread,
    Look,
    Compact,
    Reopen,
}

pub struct Life<'a> {
    pub disk: &'a SimStorage,
    pub model: &'a mut Model,
    pub options: StoreOptions,
    pub log: &'a mut Vec<String>,
    kept: Vec<(Snapshot, Versions)>,
    is_disturbed: bool,
}

pub fn open(disk: &SimStorage, options: &StoreOptions) -> adit_core::store::Result<Store> {
    Store::open_on(Arc::new(disk.clone()), Path::new(PATH), options)
}

pub fn options(chance: &mut Chance) -> StoreOptions {
    use SyncPolicy::{Batch, Explicit, Group, None};
    StoreOptions {
        mode: OpenMode::Create,
        sync: chance.pick(&[Batch, Batch, Group, Explicit, None]),
        check: chance.pick(&[
            ValueCheck::Never,
            ValueCheck::FirstTouch,
            ValueCheck::Always,
        ]),
        align: chance.pick(&[0, 0, 256, 4096]),
        index_memory: chance.pick(&[256, 512, 2048, 0]),
        checkpoint_bytes: chance.pick(&[64, 1024, 8192, 0]),
        ..StoreOptions::default()
    }
}

impl<'a> Life<'a> {
    pub fn new(
        disk: &'a SimStorage,
        model: &'a mut Model,
        options: StoreOptions,
        disturbance: Disturbance,
        log: &'a mut Vec<String>,
    ) -> Life<'a> {
        let from = disk.calls();
        match disturbance {
            Disturbance::None => {}
            Disturbance::Dies(n) => disk.crash_at(from + n),
            Disturbance::Fails(n, errno) => disk.fail_at(from + n, errno),
        }
        log.push(format!("life: {options:?}, {disturbance:?}"));
        Life {
            disk,
            model,
            options,
            log,
            kept: Vec::new(),
            is_disturbed: disturbance != Disturbance::None,
        }
    }

    /// Whether an error may be the doing of the disturbance.
    fn excuse(&self, error: &Error, doing: &str) -> Result<(), Violation> {
        match self.is_disturbed {
            true => Ok(()),
            false => Err(wrong(format!("{doing}: {error}"))),
        }
    }

    fn is_durable_at_once(&self) -> bool {
        matches!(self.options.sync, SyncPolicy::Batch | SyncPolicy::Group)
    }

    fn judge(&self, seen: &[Version], allow_failed: bool, what: &str) -> Result<(), Violation> {
        match self.model.judge(seen, allow_failed) {
            Verdict::Right => Ok(()),
            verdict => Err(Violation {
                verdict,
                what: format!("{what}: {}", describe(self.model, seen)),
            }),
        }
    }

    /// Opens for writing, looks, and takes what it sees for the state.
    fn open(&mut self) -> Result<Option<Store>, Violation> {
        let opened = open(self.disk, &self.options);
        self.log.push(format!("open: {}", told(&opened)));
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                self.excuse(&error, "opening for writing")?;
                return Ok(None);
            }
        };
        match look_at(&store) {
            Ok(seen) => {
                self.judge(&seen, true, "after opening for writing")?;
                self.model.restart(seen);
                Ok(Some(store))
            }
            Err(_) if self.disk.is_dead() => Ok(None),
            Err(Fault::Index(error)) => {
                self.log.push(format!("a rotten index: {error}"));
                Ok(None)
            }
            Err(Fault::Other(error)) => Err(wrong(format!("looking after opening: {error}"))),
        }
    }

    /// Goes through the steps until the process dies; then drops the store.
    pub fn run(&mut self, ops: &[Op]) -> Result<(), Violation> {
        let Some(mut store) = self.open()? else {
            return Ok(());
        };
        for op in ops {
            if self.disk.is_dead() {
                break;
            }
            if let Op::Reopen = op {
                self.log.push("close".to_owned());
                store.close();
                if self.disk.is_dead() {
                    return Ok(());
                }
                self.reread()?;
                match self.open()? {
                    Some(opened) => store = opened,
                    None => return Ok(()),
                }
            } else {
                self.step(&store, op)?;
            }
        }
        let calls = self.disk.calls();
        self.log.push(format!("drop, at call {calls}"));
        drop(store);
        if !self.disk.is_dead() {
            self.reread()?;
        }
        Ok(())
    }

    fn step(&mut self, store: &Store, op: &Op) -> Result<(), Violation> {
        match op {
            Op::Write(versions) => {
                let mut batch = Batch::new();
                for version in versions {
                    add(&mut batch, version);
                }
                let wrote = store.write(&mut batch);
                self.wrote(wrote, versions.clone())
            }
            Op::Single(version) => {
                let wrote = match (&version.value, version.tensor) {
                    (None, _) => store.delete(&version.key),
                    (Some(value), None) => store.put(&version.key, region(value)),
                    (Some(value), Some(dims)) => {
                        let shape = Shape::new(&dims).unwrap();
                        store.put_tensor(&version.key, DType::F32, &shape, region(value))
                    }
                };
                self.wrote(wrote, vec![version.clone()])
            }
            Op::Stream(version, commit) => {
                let wrote = store.put_stream(&version.key).and_then(|mut stream| {
                    for piece in version.value.as_deref().unwrap().chunks(5000) {
                        stream.write(region(piece))?;
                    }
                    match commit {
                        true => stream.commit().map(Some),
                        false => {
                            stream.abort();
                            Ok(None)
                        }
                    }
                });
                match wrote {
                    Ok(Some(sequence)) => self.wrote(Ok(sequence), vec![version.clone()]),
                    Ok(None) => {
                        self.log.push("stream aborted".to_owned());
                        Ok(())
                    }
                    Err(error) => self.wrote(Err(error), vec![version.clone()]),
                }
            }
            Op::Sync => {
                let synced = store.sync(0);
                self.log.push(format!("sync: {}", told(&synced)));
                match synced {
                    Ok(()) if self.disk.is_dead() => Ok(()),
                    Ok(()) => {
                        self.model.acknowledge_all();
                        Ok(())
                    }
                    Err(error) => self.excuse(&error, "sync"),
                }
            }
            Op::Snapshot => {
                let Ok(snapshot) = store.snapshot() else {
                    return Err(wrong("no snapshot".to_owned()));
                };
                let seen = match look(&snapshot) {
                    Ok(seen) => seen,
                    Err(fault) => return self.excuse_look(fault),
                };
                self.judge_live(&seen)?;
                self.kept.push((snapshot, seen));
                Ok(())
            }
            Op::Reread => self.reread(),
            Op::Look => match look_at(store) {
                Ok(seen) => self.judge_live(&seen),
                Err(fault) => self.excuse_look(fault),
            },
            Op::Compact => {
                self.model.tries_compaction();
                let compacted = store.compact(None);
                self.log.push(format!("compact: {}", told(&compacted)));
                match compacted {
                    Ok(()) if self.disk.is_dead() => Ok(()),
                    Ok(()) => {
                        self.model.compacted();
                        Ok(())
                    }
                    Err(error) => self.excuse(&error, "compact"),
                }
            }
            Op::Reopen => Ok(()),
        }
    }

    fn wrote(&mut self, wrote: Result<u64, Error>, versions: Versions) -> Result<(), Violation> {
        let bytes: Vec<_> = versions.iter().map(brief).collect();
        self.log.push(format!(
            "write {bytes:?}: {} (call {})",
            told(&wrote),
            self.disk.calls()
        ));
        match wrote {
            Ok(_) => {
                self.model.issued(versions);
                // Of a dead process nobody has heard it.
                if self.is_durable_at_once() && !self.disk.is_dead() {
                    self.model.acknowledge_all();
                }
                Ok(())
            }
            Err(error) => {
                self.model.has_failed(versions);
                self.excuse(&error, "write")
            }
        }
    }

    /// Reads fail only when the process is dead.
    fn excuse_look(&self, fault: Fault) -> Result<(), Violation> {
        match fault {
            _ if self.disk.is_dead() => Ok(()),
            Fault::Index(_) => Ok(()),
            Fault::Other(error) => Err(wrong(format!("looking: {error}"))),
        }
    }

    /// What is visible is what the policy says.
    fn judge_live(&mut self, seen: &[Version]) -> Result<(), Violation> {
        self.judge(seen, !self.is_durable_at_once(), "as the process sees it")?;
        if self.is_durable_at_once() || self.model.failed.is_empty() {
            let versions = self.model.versions();
            let may_be_compacted = !self.model.compacted.is_empty();
            if !may_be_compacted && seen != versions {
                return Err(wrong("the process sees another state".to_owned()));
            }
        }
        Ok(())
    }

    fn reread(&mut self) -> Result<(), Violation> {
        for (snapshot, before) in &self.kept {
            match look(snapshot) {
                Ok(now) if now == *before => {}
                Ok(_) => return Err(wrong("a snapshot has changed".to_owned())),
                Err(_) if self.disk.is_dead() => {}
                Err(Fault::Index(_)) => {}
                Err(Fault::Other(error)) => return Err(wrong(format!("a snapshot: {error}"))),
            }
        }
        Ok(())
    }
}

fn told<T>(result: &Result<T, Error>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn brief(version: &Version) -> String {
    let key = String::from_utf8_lossy(&version.key[..version.key.len().min(8)]).into_owned();
    match &version.value {
        None => format!("-{key}"),
        Some(value) => format!("{key}={}", value.len()),
    }
}

/// How a state relates to the model.
pub fn describe(model: &Model, seen: &[Version]) -> String {
    let briefs = |versions: &[Version]| versions.iter().map(brief).collect::<Vec<_>>();
    let batches: Vec<_> = model.batches.iter().map(|batch| briefs(batch)).collect();
    let failed: Vec<_> = model.failed.iter().map(|(n, b)| (n, briefs(b))).collect();
    format!(
        "{} versions were there at first, {} of {} batches were acknowledged, compacted at {:?} or \
         {:?}; seen are {}: {:?}; batches: {batches:?}; failed: {failed:?}",
        model.start.len(),
        model.acknowledged,
        model.batches.len(),
        model.is_compacted,
        model.compacted,
        seen.len(),
        briefs(seen),
    )
}

pub fn add(batch: &mut Batch, version: &Version) {
    match (&version.value, version.tensor) {
        (None, _) => batch.delete(&version.key).unwrap(),
        (Some(value), None) => batch.put(&version.key, region(value)).unwrap(),
        (Some(value), Some(dims)) => {
            let shape = Shape::new(&dims).unwrap();
            let elements = region(value);
            batch
                .put_tensor(&version.key, DType::F32, &shape, elements)
                .unwrap();
        }
    }
}
