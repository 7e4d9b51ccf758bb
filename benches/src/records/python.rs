//! Formats of records that Python packages read, in a Python process that waits in between.

use std::cell::RefCell;

use crate::harness::Side;
use crate::python::{Script, python_with};
use crate::scratch::Scratch;
use crate::{Context, Result};

const SCRIPT: &str = include_str!("peers.py");

/// A peer: its name in the script, what it is called, its module and package.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    script: &'static str,
    told: &'static str,
    /// Whose file it reads.
    file: &'static str,
    module: &'static str,
    package: &'static str,
}

/// Batch reads to a list of byte strings.
pub const ARRAY_RECORD: Kind = Kind {
    script: "array_record",
    told: "batch read to a list of bytes",
    file: "array_record",
    module: "array_record.python.array_record_module",
    package: "array_record",
};
/// The same, copied into one array.
pub const ARRAY_RECORD_COPIED: Kind = Kind {
    script: "array_record, copied",
    told: "batch read, copied into one array",
    file: "array_record",
    module: "array_record.python.array_record_module",
    package: "array_record",
};
/// Look-ups by number.
pub const LMDB: Kind = Kind {
    script: "lmdb",
    told: "a get for each record, copied into one array",
    file: "lmdb",
    module: "lmdb",
    package: "lmdb",
};
/// A list of rows.
pub const H5PY: Kind = Kind {
    script: "h5py",
    told: "a list of rows, in rising order",
    file: "h5py",
    module: "h5py",
    package: "h5py",
};
/// Samples by number.
pub const MDS: Kind = Kind {
    script: "mds",
    told: "a sample for each record, copied into one array",
    file: "mds",
    module: "streaming",
    package: "mosaicml-streaming",
};

/// The script, and those peers that it has.
pub struct Peers {
    script: RefCell<Script>,
    /// Peers and the names for their lines.
    pub kinds: Vec<(Kind, String)>,
    _folder: Scratch,
}

impl Peers {
    /// Has those of `kinds` that are installed write sets of records and open them; none, with
    /// lines that say so, where none is.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        context: &Context,
        kinds: &[Kind],
        count: usize,
        bytes: usize,
    ) -> Result<Option<Peers>> {
        let mut script = None;
        let mut known = Vec::new();
        let folder = Scratch::below(context.scratch.folder())?;
        let mut written = Vec::new();
        for &kind in kinds {
            let Some(python) = python_with(&format!("numpy, {}", kind.module))? else {
                continue;
            };
            let script = match &mut script {
                Some(script) => script,
                none => none.insert(Script::start(python, SCRIPT)?),
            };
            let path = folder.folder().join(kind.file);
            let path = path.to_str().ok_or("Python's paths are UTF-8")?;
            let set = format!("{path}\t{count}\t{bytes}");
            let mut asked = vec![format!("open\t{}\t{set}", kind.script)];
            if !written.contains(&kind.file) {
                asked.insert(0, format!("write\t{}\t{set}", kind.file));
            }
            let mut failed = None;
            for line in &asked {
                let told = script.ask(line)?;
                if failed.is_none() && told != "ok" {
                    failed = Some(told);
                }
            }
            if let Some(failed) = failed {
                println!("# left out: {}: {failed}", kind.package);
                continue;
            }
            written.push(kind.file);
            let version = script.ask(&format!("version\t{}", kind.package))?;
            let name = format!("{} {version} in Python, {}", kind.package, kind.told);
            known.push((kind, name));
        }
        Ok(script.map(|script| Peers {
            script: RefCell::new(script),
            kinds: known,
            _folder: folder,
        }))
    }

    /// A side that reads so many batches in each turn and tells the time on the wall of one.
    pub fn side<const M: usize>(&self, kind: Kind, batches: usize) -> Side<'_, M> {
        Box::new(move |turn| {
            let asked = format!("read\t{}\t{turn}\t{batches}", kind.script);
            let told = self.script.borrow_mut().ask(&asked)?;
            let seconds = told.parse().map_err(|_| told)?;
            Ok([seconds; M])
        })
    }
}
