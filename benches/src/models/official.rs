//! The official Python packages' readers: `safe_open`, `GGUFReader`.
//!
//! They time themselves in a Python process that waits in between; ours is called from this
//! program, so that neither side pays for the other's language. Each is told in seconds of a CPU
//! of its own thread, in turn, round by round.

use std::hint::black_box;

use super::safetensors::small;
use super::{COUNTS, gguf_file};
use crate::adit::{Model, Tensor};
use crate::harness::{Side, Unit, interleave, report, time};
use crate::python::{Script, python_with};
use crate::{Context, Result};

const SCRIPT: &str = include_str!("readers.py");

/// What a run of ours opens at least, and of a peer's, in tensors.
const RUN_OPENED: usize = 40_000;
const RUN_OPENED_PEER: usize = 20_000;

/// The most rounds with a reader that takes ten seconds.
const FEW_ROUNDS: usize = 2;

/// Runs the benchmark, where there is a Python with the packages.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    let Some(python) = python_with("safetensors, gguf, numpy")? else {
        return Ok(());
    };
    let mut script = Script::start(python, SCRIPT)?;
    let versions = script.ask("")?;
    println!("# ours called from this program, the peers from Python: {versions}");
    measure_safetensors(context, &mut script)?;
    measure_gguf(context, &mut script)
}

fn measure_safetensors(context: &Context, script: &mut Script) -> Result<()> {
    for (count, size) in COUNTS {
        let (file, _) = small(context, count)?;
        let path = file.text()?;
        let ours_calls = (RUN_OPENED / count).max(1);
        let peer_calls = (RUN_OPENED_PEER / count).max(1);
        let peer = |reader, found| Reader {
            asked: format!("{reader}\t{path}\t{peer_calls}"),
            found,
        };
        Comparison {
            name: &format!("open, all names, find all, close, safetensors of {size} tensors"),
            peer_name: "safe_open, keys, get_slice of all (safetensors in Python)",
            rounds: context.rounds,
            calls: ours_calls,
        }
        .run(script, &peer("safetensors find", count), || {
            let model = Model::open(black_box(&file))?;
            let mut tensor = Tensor::EMPTY;
            for index in 0..model.len() {
                model.lend(model.find(model.name(index)?)?, &mut tensor)?;
                black_box(&tensor);
            }
            Ok(())
        })?;
        Comparison {
            name: &format!("open and close, safetensors of {size} tensors"),
            peer_name: "safe_open (safetensors in Python)",
            rounds: context.rounds,
            calls: ours_calls,
        }
        .run(script, &peer("safetensors open", 0), || {
            black_box(Model::open(black_box(&file))?.len());
            Ok(())
        })?;
    }
    Ok(())
}

fn measure_gguf(context: &Context, script: &mut Script) -> Result<()> {
    let file = context.scratch.file("vocabulary.gguf");
    gguf_file::write(&file)?;
    let path = file.text()?;
    let rounds = context.rounds.min(FEW_ROUNDS);
    Comparison {
        name: "open and close, GGUF with 256 k tokens and merges",
        peer_name: "GGUFReader (gguf in Python)",
        rounds,
        calls: 10,
    }
    .run(
        script,
        &Reader {
            asked: format!("gguf open\t{path}\t1"),
            found: gguf_file::TENSORS,
        },
        || {
            black_box(Model::open(black_box(&file))?.len());
            Ok(())
        },
    )
}

/// What a reader is asked, and what it finds.
struct Reader {
    asked: String,
    found: usize,
}

struct Comparison<'a> {
    name: &'a str,
    peer_name: &'a str,
    rounds: usize,
    /// Ours in a run.
    calls: usize,
}

impl Comparison<'_> {
    fn run(
        &self,
        script: &mut Script,
        reader: &Reader,
        mut ours: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let sides: [Side<'_, 1>; 2] = [
            Box::new(|_| {
                let own = time(self.calls, || (0..self.calls).try_for_each(|_| ours()))?;
                Ok([own])
            }),
            Box::new(|_| {
                let answer = script.ask(&reader.asked)?;
                let (seconds, found) = answer.split_once('\t').ok_or("half an answer")?;
                if found.parse::<usize>()? != reader.found {
                    return Err(format!("{} found {found}", self.peer_name).into());
                }
                Ok([seconds.parse()?])
            }),
        ];
        let [[ours], [peer]] = interleave(self.rounds, sides)?;
        report(self.name, Unit::Time, &ours, &peer, self.peer_name);
        Ok(())
    }
}
