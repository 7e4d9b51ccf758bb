//! The sections of the header, as `src/` has them: one module of `src/lib.rs` each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::items::{self, Item};
use crate::verbatim::{self, Verbatim};

/// One file of `src/`.
#[derive(Debug)]
pub struct File {
    /// Its path from the root of the repository, for messages.
    pub name: String,
    /// Its exported items, in order.
    pub items: Vec<Item>,
    /// Its C text, in order.
    pub verbatim: Vec<Verbatim>,
}

/// One section of the header.
#[derive(Debug)]
pub struct Section {
    /// The lines of its first file's `//!` text.
    pub text: Vec<String>,
    /// Its files: the module's own, then its submodules.
    pub files: Vec<File>,
}

impl Section {
    /// Whether the header has anything to say about it.
    pub fn is_empty(&self) -> bool {
        let shown = |file: &File| file.items.iter().any(|item| !item.hook);
        !self
            .files
            .iter()
            .any(|file| shown(file) || !file.verbatim.is_empty())
    }
}

/// An item, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Section, file in the section, line: the order of the header.
    pub place: (usize, usize, usize),
    /// The item.
    pub item: &'a Item,
    /// Its file's name.
    pub file: &'a str,
}

/// Reads `src/lib.rs` and what its `mod` lines name.
pub fn scan(root: &Path) -> Result<Vec<Section>> {
    let source = root.join("src");
    let path = source.join("lib.rs");
    let library = items::read(&read(&path)?, "src/lib.rs", false)?;
    if let Some(item) = library.items.first() {
        let place = format!("src/lib.rs:{}: `{}`", item.line, item.name);
        return Err(format!("{place}: an item needs a section, so a file of its own").into());
    }
    let mut sections = Vec::new();
    for (module, hook) in library.modules {
        let mut section = Section {
            text: Vec::new(),
            files: Vec::new(),
        };
        add_module(&mut section, root, &source, &module, hook)?;
        sections.push(section);
    }
    Ok(sections)
}

/// Adds a module's file and then, as cbindgen does, its submodules'.
fn add_module(
    section: &mut Section,
    root: &Path,
    dir: &Path,
    name: &str,
    hook: bool,
) -> Result<()> {
    let path = module_path(dir, name)?;
    let text = read(&path)?;
    let shown = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .display()
        .to_string();
    if section.files.is_empty() {
        section.text = section_text(&text);
    }
    let contents = items::read(&text, &shown, hook)?;
    let verbatim = verbatim::find(&text, &shown)?;
    section.files.push(File {
        name: shown,
        items: contents.items,
        verbatim,
    });
    for (module, inner) in contents.modules {
        add_module(section, root, &dir.join(name), &module, hook || inner)?;
    }
    Ok(())
}

fn module_path(dir: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [
        dir.join(format!("{name}.rs")),
        dir.join(name).join("mod.rs"),
    ];
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| format!("{}: no file for `mod {name};`", dir.display()).into())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The `//!` lines that a file begins with.
fn section_text(source: &str) -> Vec<String> {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned())
        .collect()
}

/// All items by name. A name is an item's alone.
pub fn index(sections: &[Section]) -> Result<BTreeMap<&str, Found<'_>>> {
    let mut found = BTreeMap::new();
    for (s, section) in sections.iter().enumerate() {
        for (f, file) in section.files.iter().enumerate() {
            for item in &file.items {
                let place = (s, f, item.line);
                let one = Found {
                    place,
                    item,
                    file: &file.name,
                };
                if let Some(other) = found.insert(item.name.as_str(), one) {
                    let first = format!("{}:{}", other.file, other.item.line);
                    let second = format!("{}:{}", file.name, item.line);
                    return Err(format!("{second}: `{}` is in {first} too", item.name).into());
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

    use super::*;
    use crate::tree::Tree;

    #[test]
    fn sections_follow_the_library_and_files_their_module() {
        let tree = Tree::new(
            "order",
            &[
                ("src/lib.rs", "mod b;\nmod a;"),
                (
                    "src/a.rs",
                    "//! A\n//!\n//!   text\n\n//! no\npub struct adit_a;",
                ),
                ("src/b/mod.rs", "//! B\nmod z;\npub struct adit_b;"),
                ("src/b/z.rs", "//! inner\nmod deep;\npub struct adit_z;"),
                (
                    "src/b/z/deep.rs",
                    "//@c-before\n//@ x\npub struct adit_deep;",
                ),
            ],
        );
        let sections = scan(tree.root()).unwrap();
        assert_eq!(sections[0].text, ["B"]);
        assert_eq!(sections[1].text, ["A", "", "  text"]);
        let files: Vec<_> = sections[0]
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        assert_eq!(files, ["src/b/mod.rs", "src/b/z.rs", "src/b/z/deep.rs"]);
        assert_eq!(sections[0].files[2].verbatim.len(), 1);
        let index = index(&sections).unwrap();
        assert_eq!(index["adit_deep"].place, (0, 2, 3));
        assert_eq!(index["adit_a"].place, (1, 0, 6));
    }

    #[test]
    fn a_section_of_helpers_is_empty() {
        let tree = Tree::new(
            "empty",
            &[("src/lib.rs", "mod a;"), ("src/a.rs", "//! A\nfn f() {}")],
        );
        assert!(scan(tree.root()).unwrap()[0].is_empty());
    }

    #[test]
    fn lost_files_and_double_names_are_refused() {
        let tree = Tree::new("lost", &[("src/lib.rs", "mod a;")]);
        assert!(scan(tree.root()).is_err());
        let twice = "pub struct adit_a;\npub struct adit_a;";
        let tree = Tree::new("twice", &[("src/lib.rs", "mod a;"), ("src/a.rs", twice)]);
        assert!(index(&scan(tree.root()).unwrap()).is_err());
        let tree = Tree::new("inlib", &[("src/lib.rs", "pub struct adit_a;")]);
        assert!(scan(tree.root()).is_err());
    }
}
