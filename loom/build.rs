//! Makes the delta with bugs on purpose: models that don't find them prove nothing.

use std::path::Path;
use std::{env, fs};

/// Each bug: its file, and what stands there instead of what.
const BUGS: [(&str, &str, &str); 3] = [
    (
        "place_first.rs",
        "slot.hash.store(hash, Ordering::Relaxed);
        slot.place.store(entry.word(), Ordering::Release);",
        "slot.place.store(entry.word(), Ordering::Release);
        slot.hash.store(hash, Ordering::Relaxed);",
    ),
    (
        "live_not_asked.rs",
        "&& !live.any_in(old.offset, newer.offset)",
        "&& { let _ = (old, live); true }",
    ),
    (
        "published_not_asked.rs",
        "newer.offset < published &&",
        "{ let _ = published; true } &&",
    ),
];

fn main() {
    let delta = "../core/src/store/delta.rs";
    println!("cargo::rerun-if-changed={delta}");
    println!("cargo::rerun-if-changed=build.rs");
    let source = fs::read_to_string(delta).expect("the delta's source");
    // What is included in a module can't start with its documentation.
    let lines = source.lines().filter(|line| !line.starts_with("//!"));
    let source = lines.collect::<Vec<_>>().join("\n");
    let out = env::var_os("OUT_DIR").expect("set by cargo");
    for (file, sound, planted) in BUGS {
        assert_eq!(
            source.matches(sound).count(),
            1,
            "{delta} has changed: {sound}"
        );
        let path = Path::new(&out).join(file);
        fs::write(path, source.replace(sound, planted)).expect("a file in OUT_DIR");
    }
}
