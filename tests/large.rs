//! Documents of tokens, counted under a limit on memory by processes that are killed and go on as
//! others: small here, at length by `make test-large`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the C programs need more of it")]
mod support;

use std::path::Path;
use std::process::Command;

use support::example::{build, example};
use support::program::Scratch;
use support::{must, run};

/// Memory of a process, MiB: what it may have, and its program with what is mapped of it.
const MOST_MEMORY: u64 = 96 + 32;

/// Kills three and five processes on their way and ends with two; all together have counted each
/// document once, as one process that ran through has.
fn count(name: &str, mib: u64, kills: [u64; 2]) {
    let scratch = Scratch::new(name);
    let program = build(&example("train_tokens.c"), &scratch, "c99");
    let set = scratch.path().join("tokens.json");
    let folder = |name: &str| {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    let command = |folder: &Path, processes: u32, kill: Option<u64>| {
        let mut command = Command::new(&program);
        command.args(["-m", &mib.to_string()]);
        if let Some(step) = kill {
            command.args(["-k", &step.to_string()]);
        }
        command.arg(&set).arg(folder).arg(processes.to_string());
        command
    };
    let whole = must(&mut command(&folder("whole"), 1, None));
    let told = |said: &str| {
        let line = said.lines().find(|line| line.contains("each once"));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    assert!(
        whole.contains(" documents in 8 shards, each once: "),
        "{whole}"
    );
    let bytes: u64 = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".arec"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(
        (mib << 20).abs_diff(bytes) < (mib << 20) / 10 + (2 << 20),
        "{bytes}"
    );

    let killed = folder("killed");
    let kill = |processes: u32, step: u64| {
        let (output, said) = run(&mut command(&killed, processes, Some(step)));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("each once"), "{said}");
        said
    };
    // What goes on is the last checkpoint before the kill, of so many processes.
    let goes_on = |said: &str, after: u64, processes: u32| {
        let line = said.strip_prefix("going on after step ").expect(said);
        let (step, rest) = line.split_once(' ').unwrap();
        let step: u64 = step.parse().unwrap();
        assert!(
            rest.starts_with(&format!("of {processes} processes\n")),
            "{said}"
        );
        assert!(step <= after && step + 64 > after, "{said}");
    };
    assert!(!kill(3, kills[0]).contains("going on"));
    goes_on(&kill(5, kills[1]), kills[0], 3);
    let said = must(&mut command(&killed, 2, None));
    goes_on(&said, kills[1], 5);
    assert_eq!(told(&said), told(&whole));
    for said in [&whole, &said] {
        let line = said.lines().last().unwrap();
        let peak = line
            .strip_prefix("at most ")
            .and_then(|line| line.split(' ').next());
        let peak: u64 = peak.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert!(peak < MOST_MEMORY, "{said}");
    }
    println!("{whole}{said}");
}

#[test]
fn documents_are_counted_once_by_processes_that_are_killed() {
    count("tokens", 16, [11, 27]);
}

#[test]
#[ignore = "a set of 1 GiB: make test-large"]
fn documents_of_a_set_larger_than_memory_are_counted_once() {
    let mib = std::env::var("ADIT_LARGE_MIB").map_or(1024, |mib| mib.parse().unwrap());
    assert!(mib >= 256);
    count("tokens-large", mib, [mib / 2, mib]);
}
