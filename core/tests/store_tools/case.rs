//! Lives and crashes one after the other, and all images of the disk between them.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_core::map::Storage;
use adit_core::map::sim::{SPECIAL_SEEDS, SimStorage};
use adit_core::store::planted::Bug;
use adit_core::store::{OpenMode, StoreOptions};

use super::chance::Chance;
use super::life::{Disturbance, Life, Op, PATH, Violation, describe, open, options};
use super::look::{Fault, look_at};
use super::model::{Model, Verdict, Version};
use super::steps::Steps;

pub const EIO: i32 = 5;
pub const EFBIG: i32 = 27;
pub const ENOSPC: i32 = 28;

pub const INDEX: &str = "/data/store.idx";
/// Images that are looked at after each life.
const IMAGES: u64 = 8;

/// What is wrong on purpose.
#[derive(Clone, Copy, Default, Debug)]
pub struct Planted {
    pub bug: Option<Bug>,
    pub no_folder_sync: bool,
    pub no_sync: bool,
}

#[derive(Default, Debug)]
pub struct Tally {
    pub images: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub resurrected: u64,
    pub wrong: u64,
    /// Look-ups that a damaged index file refused.
    pub rotten: u64,
    pub violations: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.images += other.images;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.resurrected += other.resurrected;
        self.wrong += other.wrong;
        self.rotten += other.rotten;
        self.violations.extend(other.violations);
    }

    fn violated(&mut self, violation: &Violation, seed: u64, log: &[String]) {
        match violation.verdict {
            Verdict::Lost => self.lost += 1,
            Verdict::Resurrected => self.resurrected += 1,
            Verdict::Right | Verdict::Wrong => self.wrong += 1,
        }
        let (verdict, what) = (violation.verdict, &violation.what);
        let log = log.join("\n    ");
        self.violations
            .push(format!("{verdict:?} (seed {seed}): {what}\n    {log}"));
    }

    pub fn print(&self, name: &str) {
        println!(
            "{name}: {} images, {} batches acknowledged, {} lost, {} resurrected, {} wrong, \
             {} refused for a damaged index",
            self.images, self.acknowledged, self.lost, self.resurrected, self.wrong, self.rotten
        );
    }

    #[track_caller]
    pub fn assert_sound(&self) {
        let shown = self.violations[..self.violations.len().min(3)].join("\n\n");
        let bad = self.lost + self.resurrected + self.wrong;
        assert_eq!(bad, 0, "of {} images:\n\n{shown}\n", self.images);
        assert!(
            self.images > 0 && self.acknowledged > 0,
            "nothing was tried"
        );
    }

    #[track_caller]
    pub fn assert_caught(&self) {
        let bad = self.lost + self.resurrected + self.wrong;
        assert!(bad > 0, "{} images, and all are well", self.images);
    }
}

pub struct Case {
    pub planted: Planted,
    pub seed: u64,
    pub tally: Tally,
    pub log: Vec<String>,
    chance: Chance,
    /// An index that the store once had.
    old_index: Option<Vec<u8>>,
}

impl Case {
    pub fn new(seed: u64, planted: Planted) -> Case {
        Case {
            planted,
            seed,
            tally: Tally::default(),
            log: Vec::new(),
            chance: Chance::new(seed),
            old_index: None,
        }
    }

    pub fn disk(&self) -> SimStorage {
        let disk = SimStorage::new();
        if self.planted.no_folder_sync {
            disk.ignore_folder_sync();
        }
        if self.planted.no_sync {
            disk.ignore_sync();
        }
        disk
    }

    fn options(&mut self) -> StoreOptions {
        StoreOptions {
            planted: self.planted.bug,
            ..options(&mut self.chance)
        }
    }

    /// Some lives and crashes by chance.
    pub fn run(mut self) -> Tally {
        let mut disk = self.disk();
        if self.chance.once_in(4) {
            disk.cut_at_sectors();
        }
        if self.chance.once_in(3) {
            disk.leave_stale_blocks();
        }
        let mut model = Model::default();
        let mut before: Vec<Op> = Vec::new();
        for _ in 0..2 + self.chance.below(3) {
            let mut ops = Vec::new();
            if self.chance.once_in(3) {
                // What many programs do after a crash: the same again.
                ops.append(&mut before);
            }
            let log = disk.contents(Path::new(PATH)).unwrap_or_default();
            let chance = &mut self.chance;
            ops.extend(Steps { chance, log }.some(14));
            let disturbance = self.disturbance();
            let options = self.options();
            let violated = self.live(&disk, &mut model, options, disturbance, &ops);
            if violated.is_err() || self.images(&disk, &model).is_err() {
                return self.tally;
            }
            let (image, how) = self.image(&disk);
            self.log.push(format!("goes on with {how}"));
            disk = image;
            before = ops;
        }
        self.tally
    }

    fn disturbance(&mut self) -> Disturbance {
        let chance = &mut self.chance;
        let call = match chance.below(4) {
            0 => 1 + chance.below(8),
            _ => 1 + chance.below(60),
        };
        match chance.below(8) {
            0 => Disturbance::None,
            1..=4 => Disturbance::Dies(call),
            _ => Disturbance::Fails(call, chance.pick(&[EIO, ENOSPC, EFBIG])),
        }
    }

    /// # Errors
    /// It was counted, and the model is worth nothing any more.
    pub fn live(
        &mut self,
        disk: &SimStorage,
        model: &mut Model,
        options: StoreOptions,
        disturbance: Disturbance,
        ops: &[Op],
    ) -> Result<(), ()> {
        let mut life = Life::new(disk, model, options, disturbance, &mut self.log);
        let lived = life.run(ops);
        drop(life);
        if let Some(index) = disk.contents(Path::new(INDEX)) {
            self.old_index.get_or_insert(index);
        }
        self.tally.acknowledged += model.acknowledged as u64;
        match lived {
            Ok(()) => Ok(()),
            Err(violation) => {
                self.log.extend(disk.trace());
                self.tally.violated(&violation, self.seed, &self.log);
                Err(())
            }
        }
    }

    /// What is left of a disk.
    fn image(&mut self, disk: &SimStorage) -> (SimStorage, String) {
        let seed = match self.chance.below(3) {
            0 => self.chance.below(SPECIAL_SEEDS),
            _ => self.chance.next(),
        };
        match self.chance.once_in(3) {
            true => (disk.kill(seed), format!("a kill, seed {seed}")),
            false => (disk.crash(seed), format!("a power cut, seed {seed}")),
        }
    }

    fn images(&mut self, disk: &SimStorage, model: &Model) -> Result<(), ()> {
        for number in 0..IMAGES {
            let (image, mut how) = match number {
                0 => (disk.crash(0), "a power cut that leaves nothing".to_owned()),
                1 => (disk.kill(1), "a kill".to_owned()),
                _ => self.image(disk),
            };
            if self.chance.once_in(4) {
                how.push_str(self.spoil_index(&image));
            }
            self.check(&image, model.clone(), &how, Some(disk))?;
        }
        Ok(())
    }

    /// The index is a cache: whatever becomes of it, the store is the same.
    fn spoil_index(&mut self, image: &SimStorage) -> &'static str {
        let path = Path::new(INDEX);
        let Some(mut index) = image.contents(path).filter(|bytes| !bytes.is_empty()) else {
            if let (true, Some(old)) = (self.chance.once_in(2), &self.old_index) {
                image.put_durable(path, old);
                return ", an old index";
            }
            return "";
        };
        match self.chance.below(4) {
            0 => {
                image.remove(path).unwrap();
                ", no index"
            }
            1 => {
                let at = self.chance.below(index.len() as u64) as usize;
                index[at] ^= 1 << self.chance.below(8);
                image.put_durable(path, &index);
                ", a damaged index"
            }
            2 => {
                index.truncate(self.chance.below(index.len() as u64) as usize);
                image.put_durable(path, &index);
                ", a cut index"
            }
            _ => {
                let old = self.old_index.as_deref().unwrap_or_default();
                image.put_durable(path, old);
                ", an old index"
            }
        }
    }

    /// Opens an image for reading, then for writing; then the power fails again.
    pub fn check(
        &mut self,
        image: &SimStorage,
        model: Model,
        how: &str,
        of: Option<&SimStorage>,
    ) -> Result<(), ()> {
        let marks = self.log.len();
        self.log.push(format!("image: {how}"));
        if let Err(violation) = self.judge(image, model) {
            if let Some(disk) = of {
                self.log.push("calls of the life before:".to_owned());
                self.log.extend(disk.trace());
            }
            self.log.push("calls since:".to_owned());
            self.log.extend(image.trace());
            self.tally.violated(&violation, self.seed, &self.log);
            return Err(());
        }
        self.log.truncate(marks);
        Ok(())
    }

    fn judge(&mut self, image: &SimStorage, mut model: Model) -> Result<(), Violation> {
        self.tally.images += 1;
        self.judge_for_reading(image, &model)?;
        let options = self.options();
        let mut seen = None;
        for _ in 0..2 {
            let store = open(image, &options).map_err(|error| Violation {
                verdict: Verdict::Lost,
                what: format!("opening an image for writing: {error}"),
            })?;
            match look_at(&store) {
                Ok(versions) => {
                    seen = Some(versions);
                    break;
                }
                Err(Fault::Index(_)) => self.tally.rotten += 1,
                Err(Fault::Other(what)) => {
                    let verdict = Verdict::Wrong;
                    return Err(Violation { verdict, what });
                }
            }
        }
        let Some(seen) = seen else {
            let what = "a damaged index is never built again".to_owned();
            let verdict = Verdict::Wrong;
            return Err(Violation { verdict, what });
        };
        judge(&model, &seen, "an image opened for writing")?;
        model.restart(seen);
        self.tally.images += 1;
        let again = image.crash(self.chance.below(8));
        self.judge_for_reading(&again, &model)
    }

    fn judge_for_reading(&mut self, image: &SimStorage, model: &Model) -> Result<(), Violation> {
        let options = StoreOptions {
            mode: OpenMode::Read,
            ..self.options()
        };
        let calls = image.calls();
        let opened = open(image, &options);
        if opened.is_err() && image.contents(Path::new(PATH)).is_none() && !model.is_made {
            return Ok(());
        }
        let store = opened.map_err(|error| Violation {
            verdict: Verdict::Lost,
            what: format!("opening for reading: {error}"),
        })?;
        let looked = look_at(&store);
        drop(store);
        if image.calls() != calls {
            let verdict = Verdict::Wrong;
            let what = "opening for reading has written".to_owned();
            return Err(Violation { verdict, what });
        }
        match looked {
            Ok(seen) => judge(model, &seen, "an image opened for reading"),
            Err(Fault::Index(_)) => {
                self.tally.rotten += 1;
                Ok(())
            }
            Err(Fault::Other(what)) => {
                let verdict = Verdict::Wrong;
                Err(Violation { verdict, what })
            }
        }
    }
}

fn judge(model: &Model, seen: &[Version], what: &str) -> Result<(), Violation> {
    match model.judge(seen, true) {
        Verdict::Right => Ok(()),
        verdict => Err(Violation {
            verdict,
            what: format!("{what}: {}", describe(model, seen)),
        }),
    }
}

/// Runs cases by all processors until there were so many images, or a violation.
pub fn run_until(images: u64, first_seed: u64, planted: Planted) -> Tally {
    let (next, done) = (AtomicU64::new(first_seed), AtomicU64::new(0));
    let total = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < images {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let tally = Case::new(seed, planted).run();
                    let bad = !tally.violations.is_empty();
                    let count = if bad { images } else { tally.images };
                    done.fetch_add(count, Ordering::Relaxed);
                    total.lock().unwrap().add(tally);
                }
            });
        }
    });
    total.into_inner().unwrap()
}
