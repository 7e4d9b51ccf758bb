//! Memory that runs out while a model is opened, read or let go is an error, and no fault of the
//! file: allocations of 1 KiB or more, one after the other, fail.
//!
//! Smaller ones of a fixed size, and serde_json's own for strings with escapes, can't be refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gguf_tools;
mod refusing;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use adit_core::error::{Kind, Report};
use adit_core::map::Release;
use adit_core::model::{Model, ModelOptions, VerifyOptions};
use common::Folder;
use refusing::UNTIL;

/// `tensors` of 4 bytes each, `name` giving their names, in the file's order or the other.
fn safetensors(
    tensors: usize,
    front: &str,
    name: &dyn Fn(usize) -> String,
    turned: bool,
) -> Vec<u8> {
    let mut header = format!("{front}{{\"__metadata__\":{{");
    for number in 0..100 {
        let comma = if number == 0 { "" } else { "," };
        write!(header, "{comma}\"key {number}\":\"{:040}\"", number).unwrap();
    }
    header.push('}');
    for number in 0..tensors {
        let place = if turned { tensors - 1 - number } else { number } * 4;
        let end = place + 4;
        let name = name(number);
        write!(
            header,
            ",\"{name}\":{{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[{place},{end}]}}"
        )
        .unwrap();
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 4 * tensors, 7);
    bytes
}

/// What opening says, and reading all tensors ahead, looking at them and letting them go.
fn opened(path: &Path) -> Result<usize, (Kind, String)> {
    let told = |error: adit_core::model::Error| (error.kind(), error.to_string());
    let model = Model::open(path, &ModelOptions::default()).map_err(told)?;
    let all: [usize; 500] = std::array::from_fn(|index| index);
    model.prefetch(&all).map_err(told)?;
    let verified = model.verify(&VerifyOptions::default(), &mut |_, _| true);
    assert_eq!(verified.map_err(told)?.tensors, 500);
    model.release(&all, Release::Resident).map_err(told)?;
    Ok(model.tensors().len())
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_that_runs_out_is_no_fault_of_the_file() {
    let folder = Folder::new();
    let own = |number: usize| format!("tensor {number}");
    let twice = |number: usize| format!("tensor {}", number % 499);
    let gguf = gguf_tools::file(500, 0, |file| {
        for number in 0..500 {
            file.tensor(own(number).as_bytes(), &[8], 0, 32 * (number as u64 ^ 1));
        }
        file.pad(32).data(&[7; 32 * 500]);
    });
    let mut index = "{\"weight_map\":{".to_owned();
    for number in 0..500 {
        let comma = if number == 0 { "" } else { "," };
        write!(index, "{comma}\"tensor {number}\":\"shard\"").unwrap();
    }
    index.push_str("}}");
    folder.file("shard", &safetensors(500, "", &own, false));
    let cases: [(PathBuf, bool); 6] = [
        (folder.join("shard"), true),
        (
            folder.file("turned", &safetensors(500, "", &own, true)),
            true,
        ),
        (
            folder.file("spaces", &safetensors(500, " ", &own, true)),
            true,
        ),
        (
            folder.file("twice", &safetensors(500, "", &twice, true)),
            false,
        ),
        (folder.file("gguf", &gguf), true),
        (folder.file("index.json", index.as_bytes()), true),
    ];
    for (path, sound) in cases {
        let wanted = opened(&path);
        assert_eq!(wanted.is_ok(), sound, "{wanted:?}");
        let mut failures = 0;
        for nth in 1.. {
            UNTIL.store(nth, Ordering::SeqCst);
            let found = opened(&path);
            let reached = UNTIL.swap(0, Ordering::SeqCst) == 0;
            match &found {
                Err((Kind::OutOfMemory, text)) => {
                    let name = path.file_name().unwrap().to_str().unwrap();
                    assert!(text.contains(name) || text.contains("shard"), "{text}");
                    failures += 1;
                }
                found => assert_eq!(*found, wanted, "{path:?}, allocation {nth}"),
            }
            if !reached {
                break;
            }
        }
        assert!(failures > 1, "{path:?}: {failures}");
    }
}
