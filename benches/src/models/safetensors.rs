//! Safetensors files of many small tensors: opened, and every tensor found by its name, against
//! the `safetensors` crate over a mapped file.
//!
//! Both sides are given the file's path and close what they opened: the peer's includes open, mmap
//! and munmap. Both give dtype, shape and bytes of each tensor; ours takes two calls for that.

use std::hint::black_box;

use safetensors::SafeTensors;

use super::{COUNTS, Name, write_safetensors};
use crate::adit::{Model, Tensor};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report, time};
use crate::memory::PlainMap;
use crate::scratch::ScratchFile;
use crate::{Context, Result, SAFETENSORS};

/// What a run opens at least, in tensors, and what it finds.
const RUN_OPENED: usize = 40_000;
const RUN_FOUND: usize = 200_000;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or tensors that differ.
pub fn run(context: &Context) -> Result<()> {
    for (count, size) in COUNTS {
        let (file, names) = small(context, count)?;
        check(&file, &names)?;
        let bytes = file.metadata()?.len();
        println!("# {size} tensors of 64 bytes, a file of {bytes} bytes in the page cache");
        measure_open(context, &file, &names, size)?;
        measure_find(context, &file, names, size)?;
    }
    Ok(())
}

/// A file of so many tensors of 64 bytes.
///
/// # Errors
/// The system's.
pub(super) fn small(context: &Context, count: usize) -> Result<(ScratchFile, Vec<Name>)> {
    let file = context.scratch.file("small.safetensors");
    let names = Name::list(count)?;
    write_safetensors(&file, &names, ("BF16", 2), &[2, 16], |number, bytes| {
        let mut random = Random(number as u64);
        bytes.fill_with(|| random.next() as u8);
    })?;
    Ok((file, names))
}

fn check(file: &ScratchFile, names: &[Name]) -> Result<()> {
    let (ours, map) = (Model::open(file)?, PlainMap::open(file)?);
    let peer = SafeTensors::deserialize(map.bytes())?;
    if (ours.len(), peer.len()) != (names.len(), names.len()) {
        return Err("other numbers of tensors than were written".into());
    }
    for name in names {
        let (own, other) = (ours.tensor(ours.find(&name.c)?)?, peer.tensor(&name.text)?);
        let same = own.dtype() == crate::adit::BF16
            && other.dtype() == safetensors::Dtype::BF16
            && own
                .dims()
                .iter()
                .map(|&dim| dim as usize)
                .eq(other.shape().iter().copied())
            && own.bytes() == other.data();
        if !same {
            return Err(format!("the library and the peer differ over {}", name.text).into());
        }
    }
    Ok(())
}

fn measure_open(context: &Context, file: &ScratchFile, names: &[Name], size: &str) -> Result<()> {
    let opens = (RUN_OPENED / names.len()).max(1);
    let sides: [Side<'_, 1>; 4] = [
        Box::new(|_| {
            let own = time(opens, || {
                for _ in 0..opens {
                    black_box(find_all(&Model::open(black_box(file))?, names)?);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let peer = time(opens, || {
                for _ in 0..opens {
                    let map = PlainMap::open(black_box(file))?;
                    let peer = SafeTensors::deserialize(map.bytes())?;
                    for name in names {
                        black_box(peer.tensor(black_box(&name.text))?);
                    }
                }
                Ok(())
            })?;
            Ok([peer])
        }),
        Box::new(|_| {
            let own = time(opens, || {
                for _ in 0..opens {
                    black_box(Model::open(black_box(file))?.len());
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let peer = time(opens, || {
                for _ in 0..opens {
                    let map = PlainMap::open(black_box(file))?;
                    black_box(SafeTensors::deserialize(map.bytes())?.len());
                }
                Ok(())
            })?;
            Ok([peer])
        }),
    ];
    let [[ours], [peer], [own_open], [peer_open]] = interleave(context.rounds, sides)?;
    let name = format!("open, find all, close, safetensors of {size} tensors");
    report(&name, Unit::Time, &ours, &peer, SAFETENSORS);
    let name = format!("open and close, safetensors of {size} tensors");
    report(&name, Unit::Time, &own_open, &peer_open, SAFETENSORS);
    Ok(())
}

/// Lends every tensor, and tells the bytes of all.
pub(super) fn find_all(model: &Model, names: &[Name]) -> Result<usize> {
    let (mut bytes, mut tensor) = (0, Tensor::EMPTY);
    for name in names {
        model.lend(model.find(black_box(&name.c))?, &mut tensor)?;
        bytes += black_box(&tensor).bytes().len();
    }
    Ok(bytes)
}

fn measure_find(
    context: &Context,
    file: &ScratchFile,
    mut names: Vec<Name>,
    size: &str,
) -> Result<()> {
    let mut random = Random(5);
    for last in (1..names.len()).rev() {
        names.swap(last, random.below(last as u64 + 1) as usize);
    }
    let (ours, map) = (Model::open(file)?, PlainMap::open(file)?);
    let peer = SafeTensors::deserialize(map.bytes())?;
    let indices: Vec<usize> = names
        .iter()
        .map(|name| ours.find(&name.c))
        .collect::<Result<_>>()?;
    let turns = RUN_FOUND.div_ceil(names.len());
    let calls = turns * names.len();
    let sides: [Side<'_, 1>; 4] = [
        Box::new(|_| {
            let own = time(calls, || {
                for name in std::iter::repeat_n(&names, turns).flatten() {
                    black_box(ours.find(black_box(&name.c))?);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let own = time(calls, || {
                let mut tensor = Tensor::EMPTY;
                for &index in std::iter::repeat_n(&indices, turns).flatten() {
                    ours.lend(black_box(index), &mut tensor)?;
                    black_box(&tensor);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let own = time(calls, || {
                for _ in 0..turns {
                    black_box(find_all(&ours, &names)?);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let peer = time(calls, || {
                for name in std::iter::repeat_n(&names, turns).flatten() {
                    black_box(peer.tensor(black_box(&name.text))?);
                }
                Ok(())
            })?;
            Ok([peer])
        }),
    ];
    let [[find], [tensor], [both], [peer]] = interleave(context.rounds, sides)?;
    let peer_call = format!("tensor(name), {SAFETENSORS}");
    for (call, own) in [
        ("find", &find),
        ("tensor by number", &tensor),
        ("find and tensor", &both),
    ] {
        let name = format!("{call}, of {size} tensors in random order");
        report(&name, Unit::Time, own, &peer, &peer_call);
    }
    Ok(())
}
