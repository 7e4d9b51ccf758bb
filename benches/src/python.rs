//! Peers in a Python process.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

/// `ADIT_PYTHON`, or where a venv can lie in cargo's target folder; none, with a line that says
/// so, where it can't import `modules`, a list with commas between.
///
/// # Errors
/// A program that lies in no folder.
pub fn python_with(modules: &str) -> Result<Option<PathBuf>> {
    let python = python()?;
    let import = format!("import {modules}");
    let imports = Command::new(&python).args(["-c", &import]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Ok(Some(python));
    }
    println!(
        "# skipped: {} is no Python with {modules}; ADIT_PYTHON can name one",
        python.display()
    );
    Ok(None)
}

fn python() -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("ADIT_PYTHON") {
        return Ok(python.into());
    }
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    let target = target.ok_or("the program lies in no folder")?;
    Ok(target.join("bench-python/bin/python3"))
}

/// A script that answers each line with one.
#[derive(Debug)]
pub struct Script {
    child: Child,
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Script {
    /// Starts it.
    ///
    /// # Errors
    /// The system's.
    pub fn start(python: PathBuf, script: &str) -> Result<Script> {
        let mut child = Command::new(python)
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = child.stdout.take().ok_or("a script without output")?;
        Ok(Script {
            asked: child.stdin.take(),
            answers: BufReader::new(answers),
            child,
        })
    }

    /// The answer to a line.
    ///
    /// # Errors
    /// The system's, and a script that ends; what failed there is on its stderr, which is ours.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        let asked = self.asked.as_mut().ok_or("a script without input")?;
        writeln!(asked, "{line}")?;
        asked.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(format!("the Python script ended at '{line}'").into());
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.asked = None;
        if let Err(error) = self.child.wait() {
            eprintln!("can't wait for the Python script: {error}");
        }
    }
}
