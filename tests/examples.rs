//! The programs that users copy from: built as a user would, run, and their answers looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

#[path = "examples/models.rs"]
mod models;
#[allow(dead_code, reason = "the C programs need more of it")]
mod support;
#[path = "examples/training.rs"]
mod training;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::example::{build, example};
use support::program::Scratch;
use support::{root, run};

fn digits() -> PathBuf {
    root().join("tests/data/digits")
}

#[test]
fn an_array_is_edited_in_memory_and_saved() {
    let scratch = Scratch::new("edit");
    let program = build(&example("edit_array.c"), &scratch, "c99");
    let (images, out) = (
        digits().join("images_u8.npy"),
        scratch.path().join("out.npy"),
    );
    let before = fs::read(&images).unwrap();
    let edit =
        |from: &Path, rows: [&str; 2]| run(Command::new(&program).arg(from).arg(&out).args(rows));
    let (output, said) = edit(&images, ["10", "3"]);
    assert!(output.status.success(), "{said}");
    let sum = |bytes: &[u8]| -> f64 { bytes[128..].iter().map(|&byte| f64::from(byte)).sum() };
    let mut wanted = before.clone();
    wanted[128 + 10 * 64..128 + 13 * 64].fill(0);
    let means = [&before, &wanted].map(|bytes| sum(bytes) / (bytes.len() - 128) as f64);
    let line = said
        .strip_prefix("3 rows of u8 cleared: mean ")
        .expect(&said);
    let told: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(told.len(), 2, "{said}");
    for (told, mean) in told.iter().zip(means) {
        assert!((told - mean).abs() < 1e-4, "{said}");
    }
    assert_eq!(
        fs::read(&images).unwrap(),
        before,
        "the file itself has changed"
    );
    assert!(fs::read(&out).unwrap() == wanted);

    // Over the file that is mapped.
    let (output, said) = edit(&out.clone(), ["0", "1"]);
    assert!(output.status.success(), "{said}");
    wanted[128..128 + 64].fill(0);
    assert!(fs::read(&out).unwrap() == wanted);

    let (output, said) = edit(&images, ["1797", "1"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1797 rows"), "{said}");
    let (output, said) = edit(Path::new("/no/such/file"), ["0", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("ADIT_ERR_NOT_FOUND"), "{said}");
}

#[test]
fn inspection_tells_what_files_hold() {
    let scratch = Scratch::new("inspect");
    let program = build(&example("inspect.c"), &scratch, "c99");
    let data = |name: &str| root().join("tests/data").join(name);
    let inspect = |name: &str| run(Command::new(&program).arg(data(name)));

    let (output, said) = inspect("digits/labels_u8.npy");
    assert!(output.status.success());
    assert!(
        said.contains("NumPy array, u8, 1 dimensions, elements from byte 128"),
        "{said}"
    );
    assert!(
        said.contains("u8 [1797], 1797 bytes: 0, 1, 2, 3, 4, 5, 6, 7, ..."),
        "{said}"
    );

    let (output, said) = inspect("rrec/basic_3x4.rrec");
    assert!(output.status.success());
    assert!(said.contains("basic_3x4.rrec: 8 records"), "{said}");
    assert!(
        said.contains("input    f32 [3, 4], 48 bytes: 0.4886, 0.192535"),
        "{said}"
    );
    assert!(
        said.contains("checked 8 records, 640 bytes: 0 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/f16_hand.rrec");
    assert!(output.status.success());
    assert!(
        said.contains("f16 [15], 30 bytes: 0, -0, 5.96046e-08, -6.09756e-05"),
        "{said}"
    );

    let (output, said) = inspect("rrec/bad_dtype_7.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_MALFORMED") && said.contains("1 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/unfinished_dropped.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_UNFINISHED") && said.contains("adit_record_recover"),
        "{said}"
    );

    let (output, said) = inspect("digits/README.md");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("neither a record nor an array file"),
        "{said}"
    );
}
