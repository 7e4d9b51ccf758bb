//! What the tests of the C surface share: the library as a user gets it, compilers, programs.

pub mod compiler;
#[allow(dead_code, reason = "not every test builds examples")]
pub mod example;
pub mod library;
pub mod program;
pub mod skip;
#[allow(dead_code, reason = "not every test has a GPU")]
pub mod vulkan;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where builds of the tests go.
pub fn builds() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs a command to its end; what it printed is text.
pub fn run(command: &mut Command) -> (Output, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output, text)
}

/// Runs a command that must succeed and gives what it printed.
pub fn must(command: &mut Command) -> String {
    let (output, text) = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    text
}

/// The header's `ADIT_ABI_VERSION`, the number in the library's SONAME.
pub fn abi_version() -> u32 {
    let header = std::fs::read_to_string(root().join("include/adit.h")).unwrap();
    header
        .lines()
        .find_map(|line| line.strip_prefix("#define ADIT_ABI_VERSION "))
        .expect("the header has an ADIT_ABI_VERSION")
        .trim()
        .parse()
        .unwrap()
}

/// Whether a tool is there: it answers `--version`.
pub fn has_tool(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The functions that the header declares, sorted.
pub fn declared_functions() -> Vec<String> {
    let header = std::fs::read_to_string(root().join("include/adit.h")).unwrap();
    let mut names: Vec<String> = without_comments(&header)
        .split("ADIT_API ")
        .skip(1)
        .filter(|rest| !rest.starts_with("__") && !rest.starts_with('\n'))
        .map(|rest| {
            let before = rest.split('(').next().unwrap();
            let name = before.rsplit([' ', '*']).next().unwrap();
            name.to_owned()
        })
        .collect();
    names.sort();
    assert!(names.len() > 50, "the header was not understood: {names:?}");
    assert!(
        names.iter().all(|name| name.starts_with("adit_")),
        "the header was not understood: {names:?}"
    );
    names
}

fn without_comments(source: &str) -> String {
    let mut text = String::new();
    for (number, part) in source.split("/*").enumerate() {
        text.push_str(match number {
            0 => part,
            _ => part.split_once("*/").unwrap().1,
        });
    }
    text
}
