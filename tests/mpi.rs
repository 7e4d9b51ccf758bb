//! `train_digits_mpi` run by `mpirun` on this machine, as one, two and four ranks.
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

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::example::{build_with, example};
use support::program::Scratch;
use support::skip::skip;
use support::{has_tool, must, root, run};

/// Others have other options, and other names for what keeps the job on this machine.
fn has_open_mpi_4() -> bool {
    let version = Command::new("mpirun").arg("--version").output();
    version.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains("(Open MPI) 4."))
}

/// The program and where it runs; none where there is no MPI.
struct Job {
    scratch: Scratch,
    program: PathBuf,
}

impl Job {
    fn new(name: &str) -> Option<Job> {
        if !has_open_mpi_4() || !has_tool("mpicc") {
            skip(
                "training by MPI",
                "mpirun and mpicc of Open MPI 4: openmpi-bin, libopenmpi-dev",
            );
            return None;
        }
        let scratch = Scratch::new(name);
        let sources = ["train_digits_mpi.c", "adit_mpi.c", "digits.c"].map(example);
        let sources = sources.each_ref().map(PathBuf::as_path);
        // What mpicc asks its compiler for beside the library isn't ours to be warned of.
        let program = build_with(Command::new("mpicc"), &sources, &scratch, "c99");
        Some(Job { scratch, program })
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn mpirun() -> Command {
        let mut command = Command::new("mpirun");
        // On this machine alone: no daemons, no other interfaces.
        command
            .args(["--allow-run-as-root", "--oversubscribe"])
            .args(["--mca", "btl", "self,vader"])
            .args(["--mca", "btl_vader_single_copy_mechanism", "none"])
            .args(["--mca", "plm", "isolated"])
            .env("OMPI_MCA_rmaps_base_oversubscribe", "1");
        command
    }

    /// `-np ranks program options digits set.json folder epochs`.
    fn arguments(&self, ranks: u32, options: &[&str], set: &Path, folder: &Path) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut arguments = vec!["-np".to_owned(), ranks.to_string(), path(&self.program)];
        arguments.extend(options.iter().map(ToString::to_string));
        arguments.push(path(&root().join("tests/data/digits")));
        arguments.push(path(set));
        arguments.push(path(folder));
        arguments.push("12".to_owned());
        arguments
    }

    fn train(&self, ranks: u32, set: &Path, folder: &Path) -> String {
        must(Job::mpirun().args(self.arguments(ranks, &[], set, folder)))
    }

    /// The last rank kills itself after so many steps.
    fn train_killed(&self, ranks: u32, step: u32, set: &Path, folder: &Path) -> String {
        let options = ["-k", &step.to_string()];
        let arguments = self.arguments(ranks, &options, set, folder);
        let (output, said) = run(Job::mpirun().args(arguments));
        assert!(!output.status.success(), "{said}");
        assert!(!said.contains("test accuracy"), "{said}");
        said
    }
}

fn line<'a>(said: &'a str, start: &str) -> &'a str {
    let found = said.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line starts with {start:?}: {said}"))
}

/// 1,500 records in steps of 64: 24 steps an epoch, the last one of 28.
const EPOCHS: usize = 12;

fn all_used_once(said: &str, epochs: usize) {
    let once = "each of 1500 records once";
    assert_eq!(said.matches(once).count(), epochs, "{said}");
}

#[test]
fn any_number_of_ranks_trains_to_the_same_weights() {
    let Some(job) = Job::new("mpi-same") else {
        return;
    };
    let mut seen: Option<(String, Vec<String>)> = None;
    for ranks in [1, 2, 4] {
        let folder = job.folder(&format!("of-{ranks}"));
        let said = job.train(ranks, &folder.join("digits.json"), &folder);
        all_used_once(&said, EPOCHS);
        let accuracy = line(&said, "test accuracy ").to_owned();
        let value: f64 = accuracy["test accuracy ".len()..].parse().unwrap();
        assert!((0.86..0.93).contains(&value), "{said}");
        let epochs = said.lines().filter(|line| line.starts_with("epoch "));
        let epochs: Vec<String> = epochs
            .chain([accuracy.as_str(), line(&said, "weights ")])
            .map(str::to_owned)
            .collect();
        // The shards are others, the records and their order the same.
        let shards = fs::read_dir(&folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            let name = name.to_string_lossy().into_owned();
            name.starts_with("digits.json-") && name.ends_with(".arec") && !name.contains("test")
        });
        assert_eq!(shards.count(), ranks as usize);
        match &seen {
            None => seen = Some((said, epochs)),
            Some((first, before)) => assert_eq!(&epochs, before, "{said}\n{first}"),
        }
    }
}

#[test]
fn a_job_that_was_killed_goes_on_with_other_ranks() {
    let Some(job) = Job::new("mpi-killed") else {
        return;
    };
    let folder = job.folder("whole");
    let set = folder.join("digits.json");
    let whole = job.train(2, &set, &folder);
    all_used_once(&whole, EPOCHS);

    let folder = job.folder("killed");
    // 24 steps an epoch, a checkpoint every ten: steps 31 to 37 are lost and done again.
    let said = job.train_killed(4, 37, &set, &folder);
    all_used_once(&said, 1);
    let said = job.train_killed(2, 101, &set, &folder);
    line(&said, "going on after step 30 of 4 ranks");
    all_used_once(&said, 3);
    let said = job.train_killed(3, 155, &set, &folder);
    line(&said, "going on after step 100 of 2 ranks");
    let said = job.train(1, &set, &folder);
    line(&said, "going on after step 150 of 3 ranks");
    all_used_once(&said, EPOCHS - 6);
    for start in ["test accuracy ", "weights "] {
        assert_eq!(line(&said, start), line(&whole, start), "{said}\n{whole}");
    }
    // There is nothing left to do, whoever asks.
    let said = job.train(4, &set, &folder);
    line(&said, "going on after step 288 of 1 ranks");
    assert_eq!(line(&said, "weights "), line(&whole, "weights "));
}

#[test]
fn ranks_with_another_set_are_refused() {
    let Some(job) = Job::new("mpi-other") else {
        return;
    };
    let folders = ["one", "two"].map(|name| job.folder(name));
    let sets = folders.each_ref().map(|folder| folder.join("digits.json"));
    for (set, folder) in sets.iter().zip(&folders) {
        job.train(1, set, folder);
    }
    let there = job.folder("there");
    let mut command = Job::mpirun();
    command
        .args(job.arguments(2, &[], &sets[0], &there))
        .arg(":")
        .args(job.arguments(1, &[], &sets[1], &there));
    let (output, said) = run(&mut command);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("rank 2 failed: rank 2 has another set of records than rank 0"),
        "{said}"
    );
    assert!(!said.contains("epoch"), "{said}");

    // A rank that can't open it at all is told by all, too.
    let mut command = Job::mpirun();
    let missing = there.join("none/digits.json");
    command
        .args(job.arguments(1, &[], &sets[0], &there))
        .arg(":")
        .args(job.arguments(1, &[], &missing, &there));
    let (output, said) = run(&mut command);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("rank 1 failed: ")
            && said.contains("ADIT_ERR_NOT_FOUND")
            && said.contains("none/digits.json"),
        "{said}"
    );
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
}
