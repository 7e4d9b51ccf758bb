//! The header of a crate: cbindgen's view and ours, brought together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use cbindgen::{Builder, Config};
use log::{LevelFilter, Log, Metadata, Record};

use crate::Result;
use crate::blocks::{self, Block, Shape};
use crate::emit::{self, Frame};
use crate::items::Kind;
use crate::layout::Marks;
use crate::lexeme;
use crate::scan::{self, Found, Section};

/// What cbindgen said. It logs why it leaves an item out, and goes on.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Ok(mut complaints) = COMPLAINTS.lock() {
            complaints.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Makes the header of the crate at `root`.
pub fn header(root: &Path) -> Result<String> {
    let sections = scan::scan(root)?;
    let index = scan::index(&sections)?;
    let mut config = Config::from_file(root.join("cbindgen.toml"))?;
    let frame = take_frame(&mut config)?;
    let marks = Marks {
        prefix: config.function.prefix.clone().unwrap_or_default(),
        must_use: config.function.must_use.clone().unwrap_or_default(),
        must_use_types: must_use_types(&index),
    };
    let given = given_names(&sections);
    let in_header = |found: &&Found<'_>| !found.item.hook && !given.contains(&found.item.name);
    let (shown, hidden): (Vec<&Found<'_>>, Vec<&Found<'_>>) = index.values().partition(in_header);
    // What no function names is wanted too: enumerations enter functions as integers.
    let types = shown.iter().filter(|found| found.item.kind == Kind::Type);
    config
        .export
        .include
        .extend(types.map(|found| found.item.name.clone()));
    config
        .export
        .exclude
        .extend(hidden.iter().map(|found| found.item.name.clone()));
    let blocks = hide_rust(blocks::split(&translate(root, config)?)?, &index);
    compare(&shown, &index, &blocks)?;
    for block in &blocks {
        check_shift(block, &index)?;
    }
    emit::header(&frame, &sections, &index, &blocks, &marks)
}

/// Takes what stands around the declarations out of the settings.
fn take_frame(config: &mut Config) -> Result<Frame> {
    let guard = config
        .include_guard
        .take()
        .ok_or("cbindgen.toml: no include_guard")?;
    Ok(Frame {
        overview: config.header.take().unwrap_or_default(),
        guard,
        includes: std::mem::take(&mut config.sys_includes),
        macros: config.after_includes.take().unwrap_or_default(),
    })
}

/// The names that C text in `src/` defines itself.
fn given_names(sections: &[Section]) -> BTreeSet<String> {
    let files = sections.iter().flat_map(|section| &section.files);
    let texts = files.flat_map(|file| &file.verbatim);
    texts
        .flat_map(|text| text.types().into_iter().chain(text.macros()))
        .collect()
}

fn must_use_types(index: &BTreeMap<&str, Found<'_>>) -> Vec<String> {
    let types = index.values().filter(|found| found.item.kind == Kind::Type);
    types
        .filter(|found| found.item.must_use)
        .map(|found| found.item.name.clone())
        .collect()
}

/// Runs cbindgen over the crate alone: `src/lib.rs` and the files of its modules.
fn translate(root: &Path, config: Config) -> Result<String> {
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    let builder = Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"));
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    Ok(String::from_utf8(text)?)
}

/// Makes transparent types opaque, and drops the Rust types inside that cbindgen names for them.
fn hide_rust(blocks: Vec<Block>, index: &BTreeMap<&str, Found<'_>>) -> Vec<Block> {
    let (mut own, others): (Vec<Block>, Vec<Block>) = blocks
        .into_iter()
        .partition(|block| index.contains_key(block.name.as_str()));
    for block in &mut own {
        if index
            .get(block.name.as_str())
            .is_some_and(|found| found.item.transparent)
        {
            block.shape = Shape::Opaque;
            block.code = vec![format!("typedef struct {0} {0};", block.name)];
        }
    }
    let code = |block: &Block| lexeme::code_only(&block.code.join("\n"));
    let named = own.iter().map(code).collect::<Vec<_>>().join("\n");
    let named: BTreeSet<&str> = lexeme::words(&named).collect();
    let unseen = |one: &Block| one.shape == Shape::Opaque && !named.contains(one.name.as_str());
    own.extend(others.into_iter().filter(|block| !unseen(block)));
    own
}

/// Nothing is lost, and nothing is there that `src/` doesn't export.
fn compare(
    shown: &[&Found<'_>],
    index: &BTreeMap<&str, Found<'_>>,
    blocks: &[Block],
) -> Result<()> {
    let written: BTreeSet<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
    if let Some(lost) = shown
        .iter()
        .find(|found| !written.contains(found.item.name.as_str()))
    {
        let complaints = COMPLAINTS.lock().map(|all| all.clone()).unwrap_or_default();
        let about = complaints
            .into_iter()
            .filter(|text| text.contains(lost.item.name.as_str()));
        let about: String = about.map(|text| format!("\n  cbindgen: {text}")).collect();
        let (file, line, name) = (lost.file, lost.item.line, &lost.item.name);
        return Err(format!(
            "{file}:{line}: cbindgen leaves `{name}` out of the header: is it made by a macro, or \
             has it a type or value that C can't express?{about}"
        )
        .into());
    }
    match blocks.iter().find(|block| !index.contains_key(block.name.as_str())) {
        Some(Block { name, .. }) => Err(format!(
            "`{name}` would get into the header, but src/ doesn't export it: make a constant \
             `pub(crate)`, make a type `pub` and name it `adit_...`, move a foreign function to core"
        )
        .into()),
        None => Ok(()),
    }
}

/// `1 << 40` is a `u64` in Rust by the constant's type; in C it is an `int` and undefined.
fn check_shift(block: &Block, index: &BTreeMap<&str, Found<'_>>) -> Result<()> {
    let code = block.code.concat();
    let Some(found) = index
        .get(block.name.as_str())
        .filter(|_| code.starts_with("#define"))
    else {
        return Ok(());
    };
    let kind = found.item.constant_type.as_str();
    let operand = code
        .split("<<")
        .next()
        .map(str::trim_end)
        .filter(|left| left.len() < code.len());
    if kind.starts_with('u')
        && operand.is_some_and(|left| left.ends_with(|c: char| c.is_ascii_digit()))
    {
        let (file, line, name) = (found.file, found.item.line, &block.name);
        return Err(
            format!("{file}:{line}: `{name}`: write `1{kind} <<`, or C shifts an int").into(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
