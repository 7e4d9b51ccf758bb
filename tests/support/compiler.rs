//! The C and C++ compilers.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use super::program::Scratch;
use super::{must, root};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C99,
    C11,
    C17,
    Cpp11,
    Cpp17,
    Cpp20,
}

impl Language {
    pub const ALL: [Language; 6] = [
        Language::C99,
        Language::C11,
        Language::C17,
        Language::Cpp11,
        Language::Cpp17,
        Language::Cpp20,
    ];

    pub fn is_cpp(self) -> bool {
        matches!(self, Language::Cpp11 | Language::Cpp17 | Language::Cpp20)
    }

    fn standard(self) -> &'static str {
        match self {
            Language::C99 => "c99",
            Language::C11 => "c11",
            Language::C17 => "c17",
            Language::Cpp11 => "c++11",
            Language::Cpp17 => "c++17",
            Language::Cpp20 => "c++20",
        }
    }

    /// The arguments that say what a source file is, with every warning an error.
    pub fn arguments(self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Wconversion",
            "-Wsign-conversion",
            "-Wundef",
            "-Wcast-qual",
            "-Werror",
        ]
        .map(str::to_owned)
        .to_vec();
        if !self.is_cpp() {
            arguments.push("-Wstrict-prototypes".to_owned());
            arguments.push("-Wmissing-prototypes".to_owned());
        }
        arguments.push(format!("-std={}", self.standard()));
        arguments.push("-I".to_owned());
        arguments.push(root().join("include").display().to_string());
        arguments.push("-x".to_owned());
        arguments.push(if self.is_cpp() { "c++" } else { "c" }.to_owned());
        arguments
    }
}

/// Whether programs can be built in C, where they always can, or in C++.
pub fn has_compiler(cpp: bool) -> bool {
    static CPP: OnceLock<bool> = OnceLock::new();
    !cpp || *CPP.get_or_init(|| {
        let scratch = Scratch::new("has-cpp");
        let source = scratch.path().join("program.cpp");
        fs::write(&source, "#include <cstdint>\nint main() { return 0; }\n").unwrap();
        compiler(true)
            .arg(&source)
            .arg("-o")
            .arg(scratch.path().join("program"))
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

/// The compiler that the `cc` crate finds, for C or C++, without arguments.
pub fn compiler(cpp: bool) -> Command {
    static HOST: OnceLock<String> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = must(Command::new(rustc).arg("-vV"));
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        host.expect("rustc tells its host").to_owned()
    });
    let tool = cc::Build::new()
        .cpp(cpp)
        .host(host)
        .target(host)
        .opt_level(1)
        .cargo_metadata(false)
        .get_compiler();
    Command::new(tool.path())
}
