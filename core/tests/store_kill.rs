//! Writers that are killed at any time lose nothing that they were told is written.
#![cfg(unix)]
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

use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use adit_core::store::{OpenMode, Snapshot, Store, StoreOptions};
use common::Folder;
use store_processes::child::{Running, say, spec};
use store_processes::oracle::{Figures, Progress, judge};
use store_processes::work::Lane;
use store_processes::{Chance, for_reading, open, options};

/// Cycles on one store before another is begun.
const CYCLES_PER_STORE: u64 = 40;

#[test]
fn killed_writers_lose_nothing() {
    let cycles = match std::env::var("ADIT_TORTURE_KILLS") {
        Ok(cycles) => cycles.parse().unwrap(),
        Err(_) => 200,
    };
    let folder = Folder::new();
    let mut figures = Figures::default();
    let mut store = Subject::new(folder.join("0"));
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_STORE == 0 {
            store = Subject::new(folder.join(&cycle.to_string()));
        }
        store.cycle(cycle, &mut figures);
        if figures.first.is_some() {
            break;
        }
    }
    println!("KILL {figures}");
    figures.assert_sound();
    assert!(figures.acknowledged > cycles);
}

struct Subject {
    path: PathBuf,
    lanes: Vec<Progress>,
}

impl Subject {
    fn new(path: PathBuf) -> Subject {
        let lanes = (0..3).map(Progress::new).collect();
        Subject { path, lanes }
    }

    fn cycle(&mut self, cycle: u64, figures: &mut Figures) {
        let mut chance = Chance::of(&[cycle, 99]);
        let threads = if chance.once_in(2) { 3 } else { 1 };
        let mut words = vec![
            self.path.to_str().unwrap().to_owned(),
            cycle.to_string(),
            u8::from(chance.once_in(8)).to_string(),
        ];
        for lane in &mut self.lanes[..threads] {
            lane.lane.seed = cycle;
            (lane.acknowledged, lane.issued) = (lane.done, lane.done);
            words.push((lane.done + 1).to_string());
        }
        let mut child = Running::start("part_of_the_writer", &words);
        let target = chance.below(3) * chance.below(40);
        let mut acknowledged = 0;
        // None at all: it may be opening, or not even that.
        while acknowledged < target {
            let line = child.next().expect("the child ended by itself");
            acknowledged += u64::from(self.heard(&line));
        }
        for _ in 0..chance.below(50_000) {
            std::hint::spin_loop();
        }
        child.kill();
        while let Some(line) = child.next() {
            self.heard(&line);
        }
        self.check(cycle, figures);
    }

    /// Whether a batch was acknowledged.
    fn heard(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["opening" | "open"] => false,
            [what, lane, number] => {
                let lane = &mut self.lanes[lane.parse::<usize>().unwrap()];
                let number = number.parse().unwrap();
                match what {
                    "begins" => lane.issued = number,
                    "wrote" => lane.acknowledged = number,
                    _ => panic!("{line}"),
                }
                what == "wrote"
            }
            _ => panic!("the child says: {line}"),
        }
    }

    fn check(&mut self, cycle: u64, figures: &mut Figures) {
        // A child that was killed before it had made the store.
        if !self.path.exists() {
            figures.cycles += 1;
            return;
        }
        // By a reader, which changes nothing, or by the next writer, which repairs first; then again.
        let first = if cycle.is_multiple_of(2) {
            for_reading()
        } else {
            StoreOptions {
                mode: OpenMode::Write,
                ..options(cycle)
            }
        };
        let store = open(&self.path, &first);
        judge(&store.snapshot().unwrap(), &mut self.lanes, figures);
        drop(store);
        for lane in &mut self.lanes {
            (lane.acknowledged, lane.issued) = (lane.done, lane.done);
        }
        let store = open(&self.path, &for_reading());
        judge(&store.snapshot().unwrap(), &mut self.lanes, figures);
        figures.cycles -= 1;
    }
}

#[test]
#[ignore = "a child's part"]
fn part_of_the_writer() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    let seed: u64 = spec[1].parse().unwrap();
    let starts: Vec<u64> = spec[3..]
        .iter()
        .map(|start| start.parse().unwrap())
        .collect();
    say("opening");
    let mut store = open(path, &options(seed));
    say("open");
    if spec[2] == "1" {
        leave_a_child_behind();
    }
    if let [start] = starts[..] {
        let lane = Lane { seed, lane: 0 };
        for number in start.. {
            step(&store, lane, number);
            if Chance::of(&[seed, number, 7]).once_in(60) {
                // Closed or dropped, it comes back as it was.
                let store_before = store;
                if number.is_multiple_of(2) {
                    store_before.close();
                } else {
                    drop(store_before);
                }
                store = open(path, &options(seed ^ number));
            }
        }
    }
    std::thread::scope(|scope| {
        for (lane, &start) in starts.iter().enumerate() {
            let (lane, store) = (lane as u64, &store);
            scope.spawn(move || {
                for number in start.. {
                    step(store, Lane { seed, lane }, number);
                }
            });
        }
    });
}

fn step(store: &Store, lane: Lane, number: u64) {
    say(&format!("begins {} {number}", lane.lane));
    if let Err(error) = lane.write(store, number) {
        say(&format!("cannot write: {error}"));
    }
    say(&format!("wrote {} {number}", lane.lane));
    if let Err(error) = lane.besides(store, number) {
        say(&format!("cannot sync or compact: {error}"));
    }
}

/// An idle child of the writer, which lives on when that is killed, for as long as the test.
fn leave_a_child_behind() {
    // SAFETY: the child waits for its standard input to end, and ends by _exit.
    if unsafe { libc::fork() } == 0 {
        // SAFETY: the parent's reader would wait for this end of its pipe.
        unsafe { libc::close(std::io::stdout().as_raw_fd()) };
        let _ = std::io::stdin().read(&mut [0]);
        // SAFETY: ends the child at once, with none of its parent's destructors.
        unsafe { libc::_exit(0) };
    }
}

/// What a writer in the middle of its work leaves can be read while it is stopped, too.
#[test]
fn a_stopped_writer_is_read_around() {
    let folder = Folder::new();
    let mut store = Subject::new(folder.join("store"));
    let words = [store.path.to_str().unwrap(), "4", "0", "1"].map(str::to_owned);
    store.lanes[0].lane.seed = 4;
    let mut child = Running::start("part_of_the_writer", &words);
    let mut figures = Figures::default();
    while store.lanes[0].acknowledged < 50 {
        let line = child.next().unwrap();
        store.heard(&line);
    }
    // SAFETY: signals a child that was not waited for.
    unsafe { libc::kill(child.pid() as i32, libc::SIGSTOP) };
    let reader = open(&store.path, &for_reading());
    let snapshot: Snapshot = reader.snapshot().unwrap();
    // It has gone on since, up to as much as the pipe holds.
    let refused = Store::open(&store.path, &options(4))
        .unwrap_err()
        .to_string();
    assert!(refused.contains(&child.pid().to_string()), "{refused}");
    child.kill();
    while let Some(line) = child.next() {
        store.heard(&line);
    }
    // What is published when it stopped may be all but the batch that it was at.
    store.lanes[0].acknowledged = 50;
    judge(&snapshot, &mut store.lanes[..1], &mut figures);
    figures.assert_sound();
}
