//! The training of handwritten digits, stopped in every way.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::digits;
use crate::support::compiler::has_compiler;
use crate::support::example::build_digits;
use crate::support::program::Scratch;
use crate::support::skip::skip;
use crate::support::{must, run};

fn accuracy(said: &str) -> f64 {
    let mut lines = said.lines();
    let accuracy = lines.find_map(|line| line.strip_prefix("test accuracy "));
    accuracy.expect(said).parse().unwrap()
}

fn last(said: &str) -> String {
    said.lines().last().unwrap().to_owned()
}

/// The trainer, killed when it has said `line`; with `waits_at`, it waits in the middle of that epoch.
fn kill_at(program: &Path, folder: &Path, waits_at: Option<u32>, line: &str) -> String {
    let mut command = Command::new(program);
    if let Some(epoch) = waits_at {
        command.args(["-w", &epoch.to_string()]);
    }
    let mut child = command
        .arg("-v")
        .arg(digits())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for own in BufReader::new(child.stdout.take().unwrap()).lines() {
        let own = own.unwrap();
        said += &own;
        said.push('\n');
        if own.starts_with(line) {
            break;
        }
    }
    // SIGKILL.
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(said.contains(line), "{said}");
    assert!(waits_at.is_none() || status.signal() == Some(9), "{status}");
    said
}

#[test]
fn a_killed_training_goes_on_to_the_same_weights() {
    for standard in ["c99", "c11", "c++17"] {
        if !has_compiler(standard.starts_with("c++")) {
            skip("train_digits in C++", "a C++ compiler");
            continue;
        }
        let scratch = Scratch::new(&format!("train-{standard}"));
        let program = build_digits(&scratch, standard);
        let train = |folder: &Path| must(Command::new(&program).arg(digits()).arg(folder));
        let folder = |name: &str| {
            let folder = scratch.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let whole = train(&folder("whole"));
        // What softmax regression reaches on these digits; far from it, bytes went wrong.
        assert!((0.88..0.93).contains(&accuracy(&whole)), "{whole}");
        assert_eq!(whole.matches("epoch ").count(), 30, "{whole}");
        assert!(whole.contains("train.arec (1500 records)"), "{whole}");
        assert!(last(&whole).starts_with("weights "), "{whole}");

        // In the middle of an epoch, at step 18: what was done since step 10 is lost.
        let killed = folder("killed");
        for (epoch, before) in [(1, 0), (1, 1), (2, 1), (11, 2), (30, 11)] {
            let said = kill_at(&program, &killed, Some(epoch), "in the middle of epoch");
            let goes_on = format!("going on in epoch {before} after 500 records\n");
            assert_eq!(said.contains(&goes_on), before > 0, "{said}");
            assert_eq!(said.contains("wrote "), before == 0, "{said}");
            let epochs = epoch as usize - before.max(1);
            assert_eq!(said.matches("loss").count(), epochs, "{said}");
        }
        let said = train(&killed);
        assert!(
            said.starts_with("going on in epoch 30 after 500 records\nepoch 30  loss "),
            "{said}"
        );
        assert_eq!(last(&said), last(&whole));
        assert!((accuracy(&said) - accuracy(&whole)).abs() < 1e-9);
        let again = train(&killed);
        assert!(
            again.starts_with("going on in epoch 31 after 0 records\ntest accuracy"),
            "{again}"
        );
        assert_eq!(last(&again), last(&whole));
    }
}

/// Anywhere behind a checkpoint that was told: it isn't lost.
#[test]
fn a_training_killed_anywhere_loses_no_checkpoint() {
    let scratch = Scratch::new("train-anywhere");
    let program = build_digits(&scratch, "c11");
    let folder = |name: &str| {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let train = |folder: &Path, epochs: &str| {
        must(Command::new(&program).arg(digits()).arg(folder).arg(epochs))
    };
    let (whole, killed) = (train(&folder("whole"), "30"), folder("killed"));
    for (epoch, step) in [(3, 10), (7, 30), (12, 20), (20, 10), (29, 20)] {
        let line = format!("kept: epoch {epoch}, step {step}");
        kill_at(&program, &killed, None, &line);
        let said = train(&killed, "0");
        let told = said.strip_prefix("going on in epoch ").expect(&said);
        let numbers: Vec<u64> = told
            .split(' ')
            .filter_map(|word| word.trim().parse().ok())
            .take(2)
            .collect();
        let kept = (numbers[0], numbers[1]);
        // All records of an epoch are the start of the next.
        assert!(kept >= (epoch, step * 50), "{said}");
    }
    assert_eq!(last(&train(&killed, "30")), last(&whole));
}

#[test]
fn checkpoints_are_not_taken_from_other_files() {
    let scratch = Scratch::new("train-foreign");
    let program = build_digits(&scratch, "c11");
    let store = scratch.path().join("checkpoint.adit");
    fs::write(&store, "no store").unwrap();
    let train = || run(Command::new(&program).arg(digits()).arg(scratch.path()));
    let (output, said) = train();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("ADIT_ERR_WRONG_FORMAT") && said.contains("checkpoint.adit"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&store).unwrap(), "no store");

    // Nor of records that were made anew: their order and numbers say nothing of these.
    fs::remove_file(&store).unwrap();
    let (output, said) = train();
    assert!(output.status.success(), "{said}");
    fs::remove_file(scratch.path().join("train.arec")).unwrap();
    let (output, said) = train();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("going to where the loader was: ADIT_ERR_INVALID_ARGUMENT"),
        "{said}"
    );
}

#[test]
fn training_tells_what_is_missing() {
    let scratch = Scratch::new("train-missing");
    let program = build_digits(&scratch, "c99");
    let (output, said) = run(Command::new(program)
        .arg("/no/such/folder")
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_NOT_FOUND") && said.contains("/no/such/folder"),
        "{said}"
    );
}

#[test]
fn training_refuses_labels_that_are_no_digits() {
    let scratch = Scratch::new("train-label");
    let program = build_digits(&scratch, "c99");
    for name in ["images_u8.npy", "labels_u8.npy"] {
        fs::copy(digits().join(name), scratch.path().join(name)).unwrap();
    }
    let path = scratch.path().join("labels_u8.npy");
    let mut labels = fs::read(&path).unwrap();
    labels[128 + 1700] = 10;
    fs::write(&path, labels).unwrap();
    let (output, said) = run(Command::new(program)
        .arg(scratch.path())
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("label 1700 is 10"), "{said}");
}
