//! The C surface as C programs see it: each file of `tests/c` in three languages, against the
//! shared and the static library, and under valgrind; the header alone; what the library exports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::compiler::{Language, compiler, has_compiler};
use support::library::{cargo, library, library_with_hooks, library_without_gpu};
use support::program::{Link, Program, Scratch, check, languages};
use support::skip::skip;
use support::{abi_version, declared_functions, has_tool, must, root, run};

macro_rules! programs {
    ($list:ident, $check:ident: $($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                $check(stringify!($name));
            }
        )*
        pub const $list: &[&str] = &[$(stringify!($name)),*];
    };
}

#[path = "c_programs/gpu.rs"]
mod gpu;

programs! {
    PROGRAMS, check:
    arec_faults,
    arec_gather,
    arec_sets,
    arec_use,
    arrays,
    arrays_read,
    arrays_write,
    callbacks,
    convert,
    data_faults,
    data_open,
    data_use,
    dlpack,
    dtypes,
    filled_structs,
    forks,
    gather,
    kernels,
    loader_faults,
    loader_tokens,
    loader_transform,
    loader_use,
    loads,
    loads_faults,
    loads_parts,
    loads_sources,
    models_faults,
    models_metadata,
    models_nulls,
    models_open,
    models_pages,
    models_use,
    models_verify,
    models_write,
    models_write_faults,
    models_write_sets,
    nulls,
    nulls_records,
    options,
    options_loaders,
    options_models,
    options_stores,
    records_faults,
    records_files,
    records_read,
    records_write,
    schemas,
    sinks,
    sinks_parts,
    store_care,
    store_faults,
    store_foreign,
    store_nulls,
    store_tensors,
    store_threads,
    store_use,
    tensors,
    threads,
    verify_recover,
    version_status,
}

/// Those that are built and run in a way of their own, below.
const OTHER_PROGRAMS: [&str; 2] = ["load", "unwinder"];

#[test]
fn every_program_is_run() {
    let mut there: Vec<String> = sources().into_iter().map(|(name, _)| name).collect();
    there.sort();
    let lists = [
        PROGRAMS,
        &OTHER_PROGRAMS,
        gpu::PROGRAMS,
        &gpu::OTHER_PROGRAMS,
    ];
    let mut run: Vec<&str> = lists.concat();
    run.sort_unstable();
    assert_eq!(there, run);
}

#[test]
fn every_function_is_called() {
    let text: String = sources().into_iter().map(|(_, source)| source).collect();
    let uncalled: Vec<String> = declared_functions()
        .into_iter()
        .filter(|name| !text.contains(&format!("{name}(")))
        .collect();
    assert!(uncalled.is_empty(), "no C program calls {uncalled:?}");
}

#[test]
fn every_constant_is_used() {
    // They say how the header is read, and have no value to be compared.
    let not_constants = ["ADIT_API", "ADIT_CALL", "ADIT_H", "ADIT_NODISCARD"];
    let header = fs::read_to_string(root().join("include/adit.h")).unwrap();
    let names: BTreeSet<&str> = header
        .lines()
        .map(|line| line.trim_start().trim_start_matches("#define "))
        .filter(|line| line.starts_with("ADIT_"))
        .filter_map(|line| line.split([' ', '(', ',']).next())
        .filter(|name| !not_constants.contains(name))
        .collect();
    assert!(
        names.len() > 100,
        "the header was not understood: {names:?}"
    );
    let text: String = sources().into_iter().map(|(_, source)| source).collect();
    let words: BTreeSet<&str> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .collect();
    let unused: Vec<_> = names.difference(&words).collect();
    assert!(unused.is_empty(), "no C program names {unused:?}");
}

/// Names and contents of the C programs.
fn sources() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("tests/c")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Loads the library itself, and lets go of it while threads live.
#[test]
fn load() {
    for language in languages("load") {
        let program = Program::build("load", language, Link::Loaded, library());
        program.run(&[], &[]);
        if language == Language::C11 {
            program.run_in_valgrind();
        }
    }
}

/// The file name of an unwinder that ends the process.
const FOREIGN: &str = "foreign-unwinder.so";

/// A bug inside the library, whichever unwinder the process has.
#[test]
fn unwinder() {
    let scratch = Scratch::new("foreign-unwinder");
    build_foreign_unwinder(&scratch.path().join(FOREIGN));
    // By its name: LD_PRELOAD takes no path with a space.
    let folder = scratch.path().to_str().unwrap();
    let foreign = [("LD_PRELOAD", FOREIGN), ("LD_LIBRARY_PATH", folder)];
    for language in languages("unwinder") {
        for link in [Link::Shared, Link::Static] {
            let program = Program::build("unwinder", language, link, library_with_hooks());
            program.run(&[], &[]);
            if link == Link::Static {
                // The archive's unwinder is the program's, as its linker decides.
                continue;
            }
            program.run(&[], &foreign);
            match other_unwinder() {
                Some(path) => program.run(&[], &[("LD_PRELOAD", &path)]),
                None => skip("panics under another unwinder", "libunwind8"),
            }
            if language == Language::C11 {
                program.run_in_valgrind();
            }
        }
    }
}

/// An unwinder that ends the process, to be preloaded.
fn build_foreign_unwinder(object: &Path) {
    must(
        compiler(false)
            .args(["-shared", "-fPIC", "-o"])
            .arg(object)
            .arg(root().join("tests/c/preload/unwinder.c")),
    );
}

/// The path of libunwind.so.8, as the dynamic linker would find it.
fn other_unwinder() -> Option<String> {
    let ldconfig = ["ldconfig", "/sbin/ldconfig"];
    let listing = ldconfig
        .iter()
        .find_map(|tool| Command::new(tool).arg("-p").output().ok())?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let line = listing
        .lines()
        .find(|line| line.trim_start().starts_with("libunwind.so.8 "))?;
    Some(line.split_once("=> ")?.1.to_owned())
}

/// The header alone, in every language, with every warning an error.
fn compile_header(by: &str, tool: impl Fn(bool) -> Command) {
    let scratch = Scratch::new(&format!("header-{by}"));
    let source = scratch.path().join("header.c");
    fs::write(&source, "#include <adit.h>\n#include <adit.h>\n").unwrap();
    for language in Language::ALL {
        if by == "default" && !has_compiler(language.is_cpp()) {
            skip("the header in C++", "a C++ compiler");
            continue;
        }
        must(
            tool(language.is_cpp())
                .args(language.arguments())
                .arg("-fsyntax-only")
                .arg(&source),
        );
    }
}

#[test]
fn header_compiles() {
    compile_header("default", compiler);
}

#[test]
fn header_compiles_with_clang() {
    let name = |cpp| if cpp { "clang++" } else { "clang" };
    if has_tool(name(false)) && has_tool(name(true)) {
        compile_header("clang", |cpp| Command::new(name(cpp)));
    } else {
        skip("the header under clang", "clang");
    }
}

#[test]
fn header_is_what_the_sources_say() {
    must(cargo().args([
        "run",
        "--locked",
        "--quiet",
        "-p",
        "adit-header",
        "--",
        "--check",
    ]));
}

#[test]
fn exports_are_what_the_header_declares() {
    if !has_tool("nm") {
        return skip("what the shared library exports", "nm");
    }
    for library in [library(), library_without_gpu()] {
        let listing = must(
            Command::new("nm")
                .args(["-D", "--defined-only"])
                .arg(library.shared()),
        );
        let exported: BTreeSet<&str> = listing
            .lines()
            .filter_map(|line| line.rsplit(' ').next())
            .collect();
        let declared = declared_functions();
        let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
        assert_eq!(exported, declared);
    }

    let hooks = must(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(library_with_hooks().shared()),
    );
    assert!(hooks.contains("adit_test_panic"));
}

#[test]
fn archive_has_what_the_header_declares() {
    if !has_tool("nm") {
        return skip("what the archive defines", "nm");
    }
    // Members without symbols are told on stderr.
    let (output, listing) = run(Command::new("nm")
        .args(["--defined-only", "--extern-only"])
        .arg(library().archive()));
    assert!(output.status.success(), "{listing}");
    let defined: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .filter(|name| name.starts_with("adit_"))
        .collect();
    let declared = declared_functions();
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    assert_eq!(defined, declared);
}

#[test]
fn shared_library_says_what_it_is() {
    if !has_tool("readelf") {
        return skip("SONAME and needs of the shared library", "readelf");
    }
    let dynamic = must(
        Command::new("readelf")
            .args(["--dynamic", "--wide"])
            .arg(library().shared()),
    );
    let soname = format!("Library soname: [libadit.so.{}]", abi_version());
    assert!(dynamic.contains(&soname), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(
        !dynamic.contains("RPATH") && !dynamic.contains("RUNPATH"),
        "{dynamic}"
    );
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    let needed: BTreeSet<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    // Above all not libgcc_s: its unwinder would be another's where one was loaded first.
    let known = [
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "ld-linux-x86-64.so.2",
    ];
    for name in &needed {
        assert!(
            known.contains(name) || name.starts_with("ld-linux"),
            "needs {name}"
        );
    }
}
