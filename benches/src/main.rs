//! Adit measured side by side with rumus 0.3.1 and with what the machine can do.
//!
//! ```text
//! ADIT_LIB_DIR=DIR cargo run --release --manifest-path benches/Cargo.toml [-- NAME ...]
//! ```
//!
//! Without names every benchmark runs, else those whose names contain one of them. A line
//! `RATIO`, tab, name, ours, the peer's, ratio, the peer's name and version has a ratio above 1
//! where ours is faster; other lines start with `#`. Numbers are medians of rounds in which the
//! sides ran in turn. Rates count payload bytes once, not once read and once written.
//!
//! `ADIT_BENCH_ROUNDS` sets the number of rounds, `ADIT_BENCH_DIR` the folder for data files (2 GB
//! free; else they lie below cargo's target folder). They are removed at the end.

mod adit;
mod append;
mod data;
mod gather;
mod get;
mod harness;
#[cfg(test)]
mod interop;
mod machine;
mod memory;
mod npy;
mod open;
mod scratch;
mod sum;

use std::process::ExitCode;

use scratch::Scratch;

/// What a benchmark gives back: nothing, or why it couldn't measure.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What every benchmark is given.
struct Context {
    rounds: usize,
    scratch: Scratch,
}

type Benchmark = fn(&Context) -> Result<()>;

const BENCHMARKS: [(&str, Benchmark); 5] = [
    ("append", append::run),
    ("get", get::run),
    ("open", open::run),
    ("gather", gather::run),
    ("npy", npy::run),
];

const LEAST_ROUNDS: usize = 7;

/// The peer, as `Cargo.toml` pins it.
const RUMUS: &str = "rumus 0.3.1";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|own| name.contains(own));
    let chosen: Vec<_> = BENCHMARKS.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no such benchmark; there are: {}", known.join(", ")).into());
    }
    let rounds = match std::env::var("ADIT_BENCH_ROUNDS") {
        Ok(text) => text
            .parse()
            .ok()
            .filter(|&rounds| rounds > 0)
            .ok_or_else(|| format!("ADIT_BENCH_ROUNDS is {text}, not a number above 0"))?,
        Err(_) => LEAST_ROUNDS,
    };
    let context = Context {
        rounds,
        scratch: Scratch::new()?,
    };
    machine::describe(&context);
    for (name, benchmark) in chosen {
        println!("# {name}");
        benchmark(&context).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}
