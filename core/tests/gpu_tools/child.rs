//! Programs of their own for what a process has once: the environment at a driver's first look, the
//! limit of its memory.

use std::process::{Command, Output};

/// Says which part a child plays.
const PART: &str = "ADIT_TEST_GPU_CHILD";

/// The part that this process is to play, if it is a child.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Runs the test `child` of this program, which plays `part`, with these variables.
pub fn run(part: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env_remove("ADIT_GPU")
        // Mesa's layer that chooses among cards looks for a display, and tells of it on stderr.
        .env("NODEVICE_SELECT", "1")
        .env(PART, part)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// What a child that did well says.
pub fn said(part: &str, variables: &[(&str, &str)]) -> String {
    let output = run(part, variables);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{part} {variables:?}: {out}{err}");
    assert_eq!(err, "", "{part} {variables:?}");
    let said = out.lines().find_map(|line| line.split_once("SAYS "));
    said.map_or_else(String::new, |said| said.1.to_owned())
}
