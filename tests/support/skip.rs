//! Checks that can't be made here: told at once, and counted in `target/skipped.txt`.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;

use super::root;

/// Tells that `what` isn't checked because something is `missing`; the same words count once.
pub fn skip(what: &str, missing: &str) {
    tell(&format!("SKIPPED: {what} ({missing})"));
}

/// Passes on what a program said that it skipped.
pub fn pass_on(name: &str, output: &str) {
    for line in output.lines().filter(|line| line.starts_with("SKIPPED: ")) {
        let what = line.trim_start_matches("SKIPPED: ");
        tell(&format!("SKIPPED: {name}: {what}"));
    }
}

fn tell(line: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !TOLD.lock().unwrap().insert(line.to_owned()) {
        return;
    }
    // Past the capture of the test's output, which is shown for failures alone.
    let _ = writeln!(std::io::stderr(), "{line}");
    let folder = root().join("target");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("skipped.txt"))
        .unwrap();
    writeln!(file, "{line}").unwrap();
}
