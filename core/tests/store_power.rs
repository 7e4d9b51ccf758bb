//! Power cuts on a real file system: ext4 on a loop device, shut down by force while a child writes
//! to it, mounted again and looked at. Needs root; `make torture` runs it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod store_processes;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use adit_core::store::{Store, StoreOptions, SyncPolicy};
use common::{Folder, skip};
use store_processes::child::{Running, say, spec};
use store_processes::oracle::{Figures, Progress, judge};
use store_processes::work::Lane;
use store_processes::{Chance, for_reading, open, options};

/// `_IOR('X', 125, __u32)` of `include/uapi/linux/fs.h`, and the flag that drops what the journal
/// doesn't have yet.
const SHUTDOWN: libc::c_ulong = 0x8004_587D;
static NO_LOG_FLUSH: u32 = 2;

/// A file system in a file, seen by this thread and its children alone.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

fn runs(program: &str, args: &[&Path]) -> Result<(), String> {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

impl Disk {
    fn new(folder: &Folder) -> Result<Disk, String> {
        let disk = Disk {
            image: folder.join("image"),
            at: folder.join("mounted"),
        };
        // SAFETY: works on this thread alone.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            return Err("the right to mount".to_owned());
        }
        runs("mount", &["--make-rprivate".as_ref(), "/".as_ref()])?;
        File::create(&disk.image)
            .unwrap()
            .set_len(96 << 20)
            .unwrap();
        std::fs::create_dir(&disk.at).unwrap();
        runs("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &disk.image])?;
        disk.mount()?;
        File::create(disk.canary()).unwrap().sync_all().unwrap();
        File::open(&disk.at).unwrap().sync_all().unwrap();
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        runs(
            "mount",
            &["-o".as_ref(), "loop".as_ref(), &self.image, &self.at],
        )
    }

    fn store(&self) -> PathBuf {
        self.at.join("store")
    }

    /// A file that is as it is on the disk: a sync of it writes nothing, and tells whether the file
    /// system is still there.
    fn canary(&self) -> PathBuf {
        self.at.join("canary")
    }

    fn cut(&self) {
        let folder = File::open(&self.at).unwrap();
        // SAFETY: reads the flag.
        let done = unsafe { libc::ioctl(folder.as_raw_fd(), SHUTDOWN, &raw const NO_LOG_FLUSH) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    fn mount_again(&self) {
        runs("umount", &[&self.at]).unwrap();
        self.mount().unwrap();
        assert!(self.canary().exists());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = runs("umount", &[&self.at]);
    }
}

/// What power cuts have done; none where there can't be any.
fn cuts(cycles: u64, has_syncs: bool) -> Option<Figures> {
    let folder = Folder::new();
    let disk = match Disk::new(&folder) {
        Ok(disk) => disk,
        Err(missing) => {
            skip("power cuts on ext4", missing.trim());
            return None;
        }
    };
    let mut figures = Figures::default();
    let mut lanes = [Progress::new(0)];
    for number in 0..cycles {
        cycle(&disk, number, &mut lanes[0], has_syncs);
        disk.mount_again();
        if disk.store().exists() {
            let store = open(&disk.store(), &for_reading());
            judge(&store.snapshot().unwrap(), &mut lanes, &mut figures);
        } else {
            assert_eq!(lanes[0].acknowledged, 0, "the store is gone");
        }
        if figures.first.is_some() {
            break;
        }
        if number % 20 == 19 {
            for entry in std::fs::read_dir(&disk.at).unwrap() {
                let path = entry.unwrap().path();
                if path != disk.canary() {
                    let _ = std::fs::remove_file(path);
                }
            }
            lanes = [Progress::new(0)];
        }
    }
    Some(figures)
}

#[test]
#[ignore = "long, and needs root: make torture"]
fn power_cuts_lose_nothing() {
    let cycles = match std::env::var("ADIT_TORTURE_CUTS") {
        Ok(cycles) => cycles.parse().unwrap(),
        Err(_) => 5,
    };
    let Some(figures) = cuts(cycles, true) else {
        return;
    };
    println!("POWER {figures}");
    figures.assert_sound();
}

/// Cuts that lose nothing whatever is done prove nothing.
#[cfg(feature = "sim")]
#[test]
#[ignore = "long, and needs root: make torture"]
fn power_cuts_find_a_missing_sync() {
    let Some(figures) = cuts(20, false) else {
        return;
    };
    println!("POWER without syncs: {figures}");
    assert!(figures.lost > 0);
}

fn cycle(disk: &Disk, cycle: u64, progress: &mut Progress, has_syncs: bool) {
    let mut chance = Chance::of(&[cycle, 77]);
    progress.lane.seed = cycle;
    (progress.acknowledged, progress.issued) = (progress.done, progress.done);
    let words = [
        disk.store().to_str().unwrap().to_owned(),
        cycle.to_string(),
        (progress.done + 1).to_string(),
        disk.canary().to_str().unwrap().to_owned(),
        u8::from(has_syncs).to_string(),
    ];
    let mut child = Running::start("part_of_the_writer", &words);
    let target = progress.done + chance.below(120);
    let mut heard = |line: &str| {
        let (what, number) = line.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        match what {
            "begins" => progress.issued = number,
            "wrote" => progress.acknowledged = number,
            _ => panic!("{line}"),
        }
        number
    };
    let mut far = 0;
    while far < target {
        let Some(line) = child.next() else { break };
        far = heard(&line);
    }
    for _ in 0..chance.below(100_000) {
        std::hint::spin_loop();
    }
    disk.cut();
    // It ends by itself: nothing can be written any more.
    while let Some(line) = child.next() {
        heard(&line);
    }
    child.kill();
    child.finish();
}

#[test]
#[ignore = "a child's part"]
fn part_of_the_writer() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    let seed: u64 = spec[1].parse().unwrap();
    let start: u64 = spec[2].parse().unwrap();
    let canary = Path::new(&spec[3]);
    let mut options = options(seed);
    if spec[4] == "0" {
        plant_missing_syncs(&mut options);
    }
    let Ok(store) = Store::open(path, &options) else {
        return;
    };
    let lane = Lane { seed, lane: 0 };
    for number in start.. {
        say(&format!("begins {number}"));
        if !is_durable(&store, &options, lane, number) {
            return;
        }
        // A sync that a shutdown comes into may say that all is well: only if the file system was
        // still there afterwards, it is.
        if !File::open(canary).is_ok_and(|file| file.sync_data().is_ok()) {
            return;
        }
        say(&format!("wrote {number}"));
        if lane.besides(&store, number).is_err() {
            return;
        }
    }
}

#[cfg(feature = "sim")]
fn plant_missing_syncs(options: &mut StoreOptions) {
    options.planted = Some(adit_core::store::planted::Bug::NoSync);
}

#[cfg(not(feature = "sim"))]
fn plant_missing_syncs(_: &mut StoreOptions) {}

fn is_durable(store: &Store, options: &StoreOptions, lane: Lane, number: u64) -> bool {
    let must_sync = matches!(options.sync, SyncPolicy::Explicit | SyncPolicy::None);
    lane.write(store, number).is_ok() && (!must_sync || store.sync(0).is_ok())
}
