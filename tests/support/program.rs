//! A C program of `tests/c`: compiled, linked and run in every way that users have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::compiler::{Language, compiler, has_compiler};
use super::library::{Library, library};
use super::skip::{pass_on, skip};
use super::vulkan::{self, vulkan};
use super::{builds, has_tool, must, root, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Shared,
    Static,
    /// Not at all: the program loads the library itself.
    Loaded,
}

/// What rustc names by `--print native-static-libs`.
const NATIVE_LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

/// A folder of a test's own below the target folder, gone with this value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let folder = builds().join(format!("scratch-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One build of a program.
#[derive(Debug)]
pub struct Program {
    name: String,
    label: String,
    library: &'static Library,
    executable: PathBuf,
    _build: Scratch,
}

impl Program {
    pub fn build(name: &str, language: Language, link: Link, library: &'static Library) -> Program {
        let label = format!("{name}-{language:?}-{link:?}");
        let build = Scratch::new(&format!("{label}-build"));
        let source = root().join("tests/c").join(format!("{name}.c"));
        let object = build.path().join("program.o");
        let executable = build.path().join(name);
        let mut compile = compiler(language.is_cpp());
        compile
            .args(["-O1", "-g", "-pthread", "-c"])
            .args(language.arguments())
            .arg(source)
            .arg("-o")
            .arg(&object);
        must(&mut compile);

        let mut linker = compiler(language.is_cpp());
        linker.arg(&object).arg("-o").arg(&executable);
        match link {
            Link::Shared => {
                let folder = library.folder.display();
                linker.arg(format!("-L{folder}")).arg("-ladit");
                linker.arg(format!("-Wl,-rpath,{folder}"));
                linker.arg("-pthread");
            }
            Link::Static => {
                linker.arg(library.archive()).args(NATIVE_LIBRARIES);
            }
            Link::Loaded => {
                linker.args(["-pthread", "-ldl"]);
            }
        }
        must(&mut linker);
        Program {
            name: name.to_owned(),
            label,
            library,
            executable,
            _build: build,
        }
    }

    /// Runs the program, by `wrapper` if there is one: it must end well and leave stderr empty.
    pub fn run(&self, wrapper: &[&str], environment: &[(&str, &str)]) {
        let scratch = Scratch::new(&format!("{}-run", self.label));
        let mut command = match wrapper.split_first() {
            Some((tool, arguments)) => {
                let mut command = Command::new(tool);
                command.args(arguments).arg(&self.executable);
                command
            }
            None => Command::new(&self.executable),
        };
        command
            .arg(root().join("tests/data"))
            .arg(scratch.path())
            .arg(self.library.shared())
            .current_dir(scratch.path())
            .env("LC_ALL", "C")
            .envs(environment.iter().copied());
        let (output, text): (Output, String) = run(&mut command);
        pass_on(&self.name, &text);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command:?}\nended with {}, {} bytes on stderr, and said:\n{text}",
            output.status,
            output.stderr.len(),
        );
        println!("{command:?}: {text}");
        let left: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().contains("adit-tmp"))
            .collect();
        assert!(left.is_empty(), "{command:?} left {left:?}");
    }

    pub fn run_in_valgrind(&self) {
        self.run_in_valgrind_with(&[], &[]);
    }

    /// With more options of valgrind's, and more in the environment.
    pub fn run_in_valgrind_with(&self, options: &[&str], environment: &[(&str, &str)]) {
        if !has_tool("valgrind") {
            return skip("memory errors and leaks of the C tests", "valgrind");
        }
        let mut wrapper = vec![
            "valgrind",
            "--quiet",
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
            "--show-leak-kinds=definite,indirect,possible",
        ];
        wrapper.extend(options);
        let mut all = vec![("ADIT_TEST_VALGRIND", "1")];
        all.extend(environment);
        self.run(&wrapper, &all);
    }
}

/// The languages that every program is written in, as far as there is a compiler for them; skips
/// what `what` is in the others.
pub fn languages(what: &str) -> Vec<Language> {
    let mut languages = vec![Language::C99, Language::C11];
    if has_compiler(true) {
        languages.push(Language::Cpp17);
    } else {
        skip(&format!("{what} in C++"), "a C++ compiler");
    }
    languages
}

/// Builds and runs a program in all languages, with the software driver for a graphics card, which is
/// slow: in one language against the static library and in valgrind.
pub fn check_with_gpu(name: &str) {
    check_with_gpu_and(name, library());
}

/// As `check_with_gpu`, for a program with Vulkan's headers.
#[allow(dead_code, reason = "not every test has a GPU")]
pub fn check_with_vulkan(name: &str) {
    if vulkan::has_headers() {
        check_with_gpu(name);
    } else {
        skip(name, "Vulkan's headers: libvulkan-dev");
    }
}

/// As `check_with_gpu`, against this build of the library.
#[allow(dead_code, reason = "not every test has a GPU")]
pub fn check_with_gpu_and(name: &str, library: &'static Library) {
    let Some(driver) = vulkan() else {
        return skip(name, vulkan::MISSING);
    };
    for language in languages(name) {
        let program = Program::build(name, language, Link::Shared, library);
        program.run(&[], driver);
        if language == Language::C11 {
            vulkan::run_in_valgrind(&program, driver);
            Program::build(name, language, Link::Static, library).run(&[], driver);
        }
    }
}

/// Builds and runs a program in all ways.
pub fn check(name: &str) {
    for language in languages(name) {
        for link in [Link::Shared, Link::Static] {
            let program = Program::build(name, language, link, library());
            program.run(&[], &[]);
            if language == Language::C11 && link == Link::Shared {
                program.run_in_valgrind();
            }
        }
    }
}
