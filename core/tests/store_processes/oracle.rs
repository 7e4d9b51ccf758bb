//! How what a store holds is judged: it must be the model after some whole number of batches of
//! each lane, all that were acknowledged and none that was never issued.

use std::fmt;

use adit_core::store::Snapshot;

use super::work::{GIVEN_UP, Lane};
use super::{Model, get};

/// What was found so far.
#[derive(Default)]
pub struct Figures {
    pub cycles: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub resurrected: u64,
    pub wrong: u64,
    pub first: Option<String>,
}

impl Figures {
    fn blame(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    #[track_caller]
    pub fn assert_sound(&self) {
        assert_eq!(
            (self.lost, self.resurrected, self.wrong),
            (0, 0, 0),
            "{self}: {}",
            self.first.as_deref().unwrap_or_default()
        );
        assert!(self.cycles > 0);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cycles: acknowledged {}, lost {}, resurrected {}, wrong {}",
            self.cycles, self.acknowledged, self.lost, self.resurrected, self.wrong
        )
    }
}

/// How far one lane has come.
pub struct Progress {
    pub lane: Lane,
    /// Batches whose effects are in `model`.
    pub done: u64,
    /// Batches that the writer was told are written, and those that it began.
    pub acknowledged: u64,
    pub issued: u64,
    pub model: Model,
}

impl Progress {
    pub fn new(lane: u64) -> Progress {
        Progress {
            lane: Lane { seed: 0, lane },
            done: 0,
            acknowledged: 0,
            issued: 0,
            model: Model::new(),
        }
    }

    /// Finds the number of batches after which the lane is as the snapshot has it, and goes there.
    fn settle(&mut self, snapshot: &Snapshot, figures: &mut Figures) {
        let (start, before) = (self.done, self.model.clone());
        let mut model = self.model.clone();
        let mut found = None;
        let mut acknowledged = before.clone();
        let mut differs = String::new();
        for done in start..=self.issued {
            if done > start {
                self.lane.apply(done, &mut model);
            }
            if done == self.acknowledged {
                acknowledged = model.clone();
            }
            match difference(snapshot, &model, self.lane) {
                None => found = Some((done, model.clone())),
                Some(what) => differs = what,
            }
        }
        match found {
            Some((done, model)) => {
                if done < self.acknowledged {
                    figures.lost += self.acknowledged - done;
                    figures.blame(format!(
                        "lane {}: {} acknowledged, {done} found",
                        self.lane.lane, self.acknowledged
                    ));
                }
                (self.done, self.model) = (done, model);
            }
            None => {
                let revived = before
                    .keys()
                    .filter(|key| !acknowledged.contains_key(*key) && !model.contains_key(*key))
                    .any(|key| get(snapshot, key).is_some());
                if revived {
                    figures.resurrected += 1;
                } else {
                    figures.wrong += 1;
                }
                figures.blame(format!("lane {}: {differs}", self.lane.lane));
            }
        }
    }
}

/// What a snapshot has otherwise than a model.
fn difference(snapshot: &Snapshot, model: &Model, lane: Lane) -> Option<String> {
    for (key, value) in model {
        match get(snapshot, key) {
            Some(found) if found == *value => {}
            found => {
                let key = String::from_utf8_lossy(key);
                let len = found.map(|found| found.len());
                return Some(format!("'{key}' has {len:?} bytes, not {}", value.len()));
            }
        }
    }
    let mut others = lane.keys().filter(|key| !model.contains_key(key));
    let revived = others.find(|key| get(snapshot, key).is_some())?;
    Some(format!("'{}' is there", String::from_utf8_lossy(&revived)))
}

/// Judges all lanes of a store that was opened after a writer's end.
pub fn judge(snapshot: &Snapshot, lanes: &mut [Progress], figures: &mut Figures) {
    figures.cycles += 1;
    for lane in &mut *lanes {
        figures.acknowledged += lane.acknowledged - lane.done;
        lane.settle(snapshot, figures);
    }
    if get(snapshot, GIVEN_UP).is_some() {
        figures.wrong += 1;
        figures.blame("a stream that was given up is there".to_owned());
    }
    let keys: usize = lanes.iter().map(|lane| lane.model.len()).sum();
    if snapshot.len() != keys as u64 {
        figures.wrong += 1;
        let found = snapshot.len();
        figures.blame(format!("{found} keys, not {keys}"));
    }
}
