//! Tries a writer at every point where it can be interrupted.
//!
//! [`explore`] runs a scenario on the simulated storage once undisturbed to count its calls, then
//! again for every call: the process dies in it, and the call fails with EIO and with ENOSPC while
//! the process goes on. After each run `check` sees every image of the disk that could be left:
//! after power cuts, after the death of the process alone, and, where it lives on, the live view.
//!
//! A scenario tells `check` how far it came by way of captured cells (`let synced = Cell::new(0)`),
//! reset at its start: all checks of a run come before the next run. It must make the same calls
//! in the same order at every run, and drop its writer before it returns.
//!
//! ```ignore
//! explore(
//!     |disk| disk.put_durable(PATH, OLD),
//!     |storage| write_new_file(storage),
//!     |image, outcome| ensure(image.contents(PATH) == .., || "neither old nor new".into()),
//! )
//! .assert_sound();
//! ```

#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::fmt;
use std::sync::Arc;

use adit_core::map::Storage;
use adit_core::map::sim::{SPECIAL_SEEDS, SimStorage};

/// Power cuts tried after each run.
pub const POWER_CUTS: u64 = 40;

pub const EIO: i32 = 5;
pub const ENOSPC: i32 = 28;

/// What disturbed the run. Calls are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The process died in this call.
    Died {
        call: u64,
    },
    /// This call failed; the process went on.
    Failed {
        call: u64,
        errno: i32,
    },
}

/// How the image came about, once the run was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// What any process sees after the run, where it didn't die in it.
    Live,
    /// As after the death of the process: the page cache is intact.
    Killed {
        seed: u64,
    },
    PowerCut {
        seed: u64,
    },
}

/// What there is to know of a run, beside the image.
pub struct Outcome<'a, E> {
    pub fault: Fault,
    pub image: Image,
    /// What the scenario returned. After `Fault::Died` nobody lived to see it.
    pub result: &'a Result<(), E>,
    /// The calls of the run in words, the disturbed one among them.
    pub trace: &'a [String],
}

impl<E> Outcome<'_, E> {
    /// The disturbed call in words, such as "sync folder 'data'"; empty where there is none.
    pub fn disturbed(&self) -> &str {
        match self.fault {
            Fault::None => "",
            Fault::Died { call } | Fault::Failed { call, .. } => &self.trace[call as usize - 1],
        }
    }

    /// Whether the scenario succeeded and lived to tell.
    pub fn acknowledged(&self) -> bool {
        self.result.is_ok() && !matches!(self.fault, Fault::Died { .. })
    }
}

/// What an exploration found.
pub struct Findings {
    /// Calls of the undisturbed run.
    pub calls: u64,
    /// Images that were checked.
    pub images: u64,
    pub violations: Vec<String>,
}

impl Findings {
    /// Panics with the first violations unless there are none.
    #[track_caller]
    pub fn assert_sound(&self) {
        let shown = self.violations[..self.violations.len().min(5)].join("\n\n");
        let count = self.violations.len();
        assert_eq!(count, 0, "of {} images:\n\n{shown}\n", self.images);
        assert!(self.calls > 0 && self.images > 0, "nothing was tried");
    }

    /// Panics unless something was wrong: for scenarios with a planted bug.
    #[track_caller]
    pub fn assert_caught(&self) {
        let count = self.violations.len();
        assert!(count > 0, "{} images, and all are well", self.images);
    }
}

/// For checks: an error unless `holds`.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Tries `scenario` on a disk made by `setup`, disturbed in every way; see the head of this file.
pub fn explore<E: fmt::Debug>(
    setup: impl Fn(&SimStorage),
    scenario: impl Fn(Arc<dyn Storage>) -> Result<(), E>,
    check: impl Fn(&SimStorage, &Outcome<'_, E>) -> Result<(), String>,
) -> Findings {
    let mut findings = Findings {
        calls: 0,
        images: 0,
        violations: Vec::new(),
    };
    let mut run = |fault| {
        let disk = SimStorage::new();
        setup(&disk);
        match fault {
            Fault::None => {}
            Fault::Died { call } => disk.crash_at(call),
            Fault::Failed { call, errno } => disk.fail_at(call, errno),
        }
        let result = scenario(Arc::new(disk.clone()));
        let trace = disk.trace();
        if let Fault::Died { call } | Fault::Failed { call, .. } = fault {
            let made = trace.len() as u64;
            assert!(made >= call, "{call} calls before, now {made}: {trace:#?}");
        }
        for (image, is) in images(&disk, fault) {
            let outcome = Outcome {
                fault,
                image: is,
                result: &result,
                trace: &trace,
            };
            findings.images += 1;
            if let Err(what) = check(&image, &outcome) {
                findings.violations.push(describe(&what, &outcome));
            }
        }
        disk.calls()
    };
    let calls = run(Fault::None);
    for call in 1..=calls {
        run(Fault::Died { call });
        for errno in [EIO, ENOSPC] {
            run(Fault::Failed { call, errno });
        }
    }
    findings.calls = calls;
    findings
}

fn images(disk: &SimStorage, fault: Fault) -> impl Iterator<Item = (SimStorage, Image)> {
    let cuts = (0..POWER_CUTS).map(|seed| (disk.crash(seed), Image::PowerCut { seed }));
    let died = matches!(fault, Fault::Died { .. });
    // The seeds of a kill only say how far the last call got: without one they are all alike.
    let seeds = if died { SPECIAL_SEEDS } else { 1 };
    let kills = (0..seeds).map(|seed| (disk.kill(seed), Image::Killed { seed }));
    let live = (!died).then(|| (disk.clone(), Image::Live));
    cuts.chain(kills).chain(live)
}

fn describe<E: fmt::Debug>(what: &str, outcome: &Outcome<'_, E>) -> String {
    let calls = outcome.trace.join("\n    ");
    format!(
        "{what}\n  {:?} ({}), {:?}, the scenario returned {:?}; calls:\n    {calls}",
        outcome.fault,
        outcome.disturbed(),
        outcome.image,
        outcome.result,
    )
}
