//! Adit measured side by side with its peers and with what the machine can do.
//!
//! ```text
//! ADIT_LIB_DIR=DIR cargo run --release --manifest-path benches/Cargo.toml [-- NAME ...]
//! ```
//!
//! Without names every benchmark runs, else those whose names contain one of them; names can stand
//! in `ADIT_BENCH_ONLY` too, spaces between them. A line `RATIO`, tab, name, ours, the peer's,
//! ratio, the peer's name and version has a ratio above 1 where ours is faster; other lines start
//! with `#`. Numbers are medians of rounds in which the sides ran in turn; but for `append`,
//! `models-write`, loads, records, graphics cards and lines that say so, which wait for a disk or run on several threads,
//! they are of the time that the thread had a CPU, so that other programs on the machine count for
//! less. Rates count payload bytes once, not
//! once read and once written; those of conversions, which read and write different numbers of
//! bytes, count both, and say so.
//!
//! `ADIT_BENCH_ROUNDS` sets the number of rounds, `ADIT_BENCH_DIR` the folder for data files (2 GB
//! free, 10 GB for stores, 14 GB for `records-open`, which else opens fewer records; on a disk for
//! cold loads, stores and records; else they lie below cargo's target folder). Stores are in
//! `/dev/shm` too, up to 8 GB. They are removed at the end.
//!
//! The graphics card is that which `ADIT_GPU` asks for, else the best; without one there are no lines
//! of `gpu`. Peers that cargo doesn't bring are left out with a line where they are missing:
//! `ADIT_PYTHON` names a Python with NumPy, ml_dtypes for bf16, safetensors and gguf for models, and
//! array_record, lmdb, h5py and mosaicml-streaming for records (else `bench-python/bin/python3` below
//! cargo's target folder, where a venv can lie), and
//! `ADIT_GGML` ggml's `libggml-base.so`, such as the one in the npm package
//! `@node-llama-cpp/linux-x64`. The cargo feature `heavy-peers` brings those that take minutes to
//! compile: candle, LMDB, redb, fjall, wgpu (alone by `gpu-peer`). RocksDB is no peer here: its library isn't built or looked for.

mod adit;
mod append;
mod arena;
mod blocks;
mod cache;
mod convert;
mod copy;
mod cow;
mod crc;
mod data;
mod gather;
mod get;
mod ggml;
mod gpu;
mod harness;
#[cfg(test)]
mod interop;
mod load;
mod machine;
mod memory;
mod models;
mod npy;
mod numpy;
mod open;
mod python;
mod read;
mod records;
mod rows;
mod scratch;
mod store;
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

const BENCHMARKS: [(&str, Benchmark); 37] = [
    ("append", append::run),
    ("get", get::run),
    ("open", open::run),
    ("gather", gather::run),
    ("npy", npy::run),
    ("cow", cow::run),
    ("read", read::run),
    ("copy", copy::run),
    ("convert", convert::run),
    ("blocks", blocks::run),
    ("crc", crc::run),
    ("numpy", numpy::run),
    ("ggml", ggml::run),
    ("models-safetensors", models::safetensors),
    ("models-gguf", models::gguf),
    ("models-official", models::official),
    ("models-release", models::release),
    ("models-write", models::write),
    ("load-warm", load::warm),
    ("load-cold", load::cold),
    ("store-tmpfs", store::tmpfs),
    ("store-disk", store::disk),
    ("store-sync", store::sync),
    ("store-large", store::large),
    ("store-compact", store::compact),
    ("store-group", store::group),
    ("records-cold", records::cold),
    ("records-warm", records::warm),
    ("records-write", records::write),
    ("records-open", records::open),
    ("records-loader", records::loader),
    ("records-processes", records::processes),
    ("gpu-open", gpu::open),
    ("gpu-upload", gpu::upload),
    ("gpu-small", gpu::small),
    ("gpu-cold", gpu::cold),
    ("gpu-convert", gpu::convert),
];

const LEAST_ROUNDS: usize = 7;

// The peers, as `Cargo.toml` pins them.
#[cfg(feature = "heavy-peers")]
const CANDLE: &str = "candle-core 0.11.1";
#[cfg(feature = "gpu-peer")]
const WGPU: &str = "wgpu 30.0.1";
const FERRAY: &str = "ferray-io 0.5.0";
const HALF: &str = "half 2.7.1";
const RUMUS: &str = "rumus 0.3.1";
const SAFETENSORS: &str = "safetensors 0.8.0";
const SIMD_R_DRIVE: &str = "simd-r-drive 0.17.5-alpha";
const SCIRS2: &str = "scirs2-core 0.4.2";
const PEERS: [&str; 6] = [RUMUS, SCIRS2, FERRAY, HALF, SAFETENSORS, SIMD_R_DRIVE];

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
    let only = std::env::var("ADIT_BENCH_ONLY").unwrap_or_default();
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    names.extend(only.split_whitespace().map(str::to_owned));
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
