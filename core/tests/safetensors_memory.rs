//! Memory for a safetensors header is bounded by its bytes, whatever it claims.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod counting;
mod safetensors_tools;

use adit_core::model::{Model, ModelOptions};
use common::data_of;
use counting::counted;
use safetensors_tools::file;

/// The most bytes that opening these takes beside them, and what stays of it.
#[track_caller]
fn opened(bytes: &[u8], sound: bool) -> (usize, usize) {
    let files = vec![data_of(bytes)];
    let (model, most, stays) = counted(|| Model::from_data(files, &ModelOptions::default()));
    assert_eq!(model.is_ok(), sound, "{model:?}");
    (most, stays)
}

#[test]
fn memory_is_bounded_by_the_header() {
    // A header of 100 MB, and shapes and offsets of nearly 2^64, in files of a few bytes.
    let mut claims = file("{}", 64);
    claims[..8].copy_from_slice(&100_000_000u64.to_le_bytes());
    assert!(opened(&claims, false).0 < 4096);
    for (shape, end) in [
        ("4611686018427387904", 0u64),
        ("9223372036854775807,9223372036854775807", 0),
        ("0,9223372036854775807", 0),
        ("1152921504606846976", 1 << 60),
    ] {
        let header = format!(
            "{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{shape}],\"data_offsets\":[0,{end}]}}}}"
        );
        assert!(opened(&file(&header, 0), shape.starts_with("0,")).0 < 4096);
    }

    // The least bytes for the most memory, just past where lists grow; with a blank, which the
    // reader of the usual form doesn't take, and without.
    let count = (1usize << 17) + 1;
    let tensors: Vec<String> = (0..count)
        .map(|number| {
            format!("\"{number:x}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")
        })
        .collect();
    let strings: Vec<String> = (0..count)
        .map(|number| format!("\"{number:x}\":\"\""))
        .collect();
    let escaped: Vec<String> = (0..count)
        .map(|number| format!("\"{number:x}\":\"\\n\""))
        .collect();
    let dims = vec!["0"; count].join(",");
    let one = "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    for blank in ["", " "] {
        for (text, most, stay) in [
            (tensors.join(","), 5, 2),
            (
                format!("\"__metadata__\":{{{}}},{one}", strings.join(",")),
                16,
                7,
            ),
            (
                format!("\"__metadata__\":{{{}}},{one}", escaped.join(",")),
                14,
                6,
            ),
            (one.replacen("[0]", &format!("[{dims}]"), 1), 14, 5),
        ] {
            let file = file(&format!("{{{blank}{text}}}"), 0);
            let (peak, left) = opened(&file, true);
            let times = (
                peak as f64 / file.len() as f64,
                left as f64 / file.len() as f64,
            );
            assert!(
                peak < most * file.len() && left < stay * file.len(),
                "{times:?}"
            );
        }
    }
}
