//! Holds the floors of the crate: a room imports only from floors below its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Ground floor first. Rooms of one floor don't know one another.
const FLOORS: &[&[&str]] = &[
    &["error", "dtype", "json"],
    &["map", "kernel"],
    &["tensor"],
    &["record", "array", "model", "store"],
    &["convert", "loader", "transfer"],
    &["gpu"],
];

/// The front door: it only says which rooms there are.
const ROOT: &str = "lib.rs";

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn no_room_looks_up_or_sideways() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 10, "{files:?}");
    let mut offences = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
        let text = fs::read_to_string(file).unwrap();
        offences.extend(offences_in(&name.replace('\\', "/"), &text));
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What `text`, the file `name` below `src`, imports against the rules, as `file:line: why`.
fn offences_in(name: &str, text: &str) -> Vec<String> {
    if name == ROOT {
        return Vec::new();
    }
    let module = module_of(name);
    let room = module[0].clone();
    if floor(&room).is_none() {
        return vec![format!(
            "{name}:1: '{room}' stands on no floor: give it one"
        )];
    }
    let mut offences = Vec::new();
    for import in imports(text, &module) {
        if let Some(why) = why_not(&room, &import.path) {
            offences.push(format!("{name}:{}: {why}", import.line));
        }
    }
    offences
}

fn why_not(room: &str, path: &[String]) -> Option<String> {
    let shown = path.join("::");
    let Some(other) = path.first().filter(|first| *first != "*") else {
        return Some("imports the whole crate: name the room".to_owned());
    };
    if other == room {
        return None;
    }
    match (floor(room), floor(other)) {
        (_, None) => Some(format!("'{shown}': '{other}' stands on no floor")),
        (here, there) if there > here => Some(format!("'{shown}' lies above '{room}'")),
        (here, there) if there == here => Some(format!("'{shown}' shares the floor of '{room}'")),
        _ => None,
    }
}

/// `map/storage/mod.rs` is the module `[map, storage]`.
fn module_of(name: &str) -> Vec<String> {
    let stem = name.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').map(str::to_owned).collect()
}

/// A path from the crate's root.
#[derive(Debug, PartialEq)]
struct Import {
    path: Vec<String>,
    line: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Every path of a file that starts with `crate`, `super` or `self`, wherever it stands.
fn imports(text: &str, module: &[String]) -> Vec<Import> {
    let tokens = tokens(text);
    let at = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // The inline modules around, each with the depth of braces at which it ends.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut i) = (0usize, 0);
    while i < tokens.len() {
        match at(i) {
            "{" => {
                if i >= 2 && at(i - 2) == "mod" {
                    inline.push((at(i - 1).to_owned(), depth));
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|(_, ends)| *ends == depth);
            }
            "crate" | "super" | "self" if i == 0 || at(i - 1) != "::" => {
                let mut here = module.to_vec();
                here.extend(inline.iter().map(|(name, _)| name.clone()));
                i = follow(&tokens, i, &here, &mut found);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// Follows the path or group of paths at `i`, below `base`; returns where it ends.
fn follow(tokens: &[Token], mut i: usize, base: &[String], found: &mut Vec<Import>) -> usize {
    let at = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let line = tokens[i].line;
    let mut path = base.to_vec();
    loop {
        match at(i) {
            "crate" => path.clear(),
            // A module above the root is an error of the compiler's.
            "super" => drop(path.pop()),
            "self" => {}
            "{" => return follow_group(tokens, i + 1, &path, found),
            segment => path.push(segment.to_owned()),
        }
        i += 1;
        if at(i) != "::" || !(at(i + 1) == "{" || at(i + 1) == "*" || is_name(at(i + 1))) {
            break;
        }
        i += 1;
    }
    // `pub(crate)`, `&self`, `pub(super)`: not imports, unless the root gets a name by `as`.
    if !path.is_empty() || at(i) == "as" {
        found.push(Import { path, line });
    }
    i
}

fn follow_group(tokens: &[Token], mut i: usize, base: &[String], found: &mut Vec<Import>) -> usize {
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "}" => return i + 1,
            "as" => i += 2,
            "," | "::" => i += 1,
            _ => i = follow(tokens, i, base, found).max(i + 1),
        }
    }
    i
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Names, `::` and single signs; no comments, no literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let end = token_end(&chars, i);
        let text: String = chars[i..end].iter().collect();
        let raw_name = text.strip_prefix("r#").filter(|name| is_name(name));
        let name = raw_name.unwrap_or(&text);
        let whole = !text.ends_with(['"', '\'']);
        if whole && (is_name(name) || text == "::" || is_sign(&text)) {
            tokens.push(Token {
                text: name.to_owned(),
                line,
            });
        }
        line += text.matches('\n').count();
        i = end;
    }
    tokens
}

fn is_sign(text: &str) -> bool {
    text.len() == 1 && text.chars().all(|c| c.is_ascii_punctuation())
}

/// Where the token, comment, literal or blank at `i` ends.
fn token_end(chars: &[char], i: usize) -> usize {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let until = |from: usize, ends: &dyn Fn(char) -> bool| {
        let rest = chars.get(from..).unwrap_or_default();
        rest.iter()
            .position(|&c| ends(c))
            .map_or(chars.len(), |n| from + n)
    };
    match (at(i), at(i + 1)) {
        ('/', '/') => until(i, &|c| c == '\n'),
        ('/', '*') => comment_end(chars, i),
        ('"', _) => quoted_end(chars, i, '"'),
        ('\'', '\\') => quoted_end(chars, i, '\''),
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        // A lifetime; its name is no name of anything here.
        ('\'', _) => until(i + 1, &|c| !word(c)).max(i + 1),
        (':', ':') => i + 2,
        (c, _) if word(c) => {
            let end = until(i, &|c| !word(c));
            let prefix: String = chars[i..end].iter().collect();
            match (prefix.as_str(), at(end)) {
                ("r" | "br" | "cr", '"' | '#') => raw_end(chars, end),
                ("b" | "c", '"') => quoted_end(chars, end, '"'),
                ("b", '\'') => quoted_end(chars, end, '\''),
                _ => end,
            }
        }
        _ => i + 1,
    }
}

/// Block comments nest.
fn comment_end(chars: &[char], mut i: usize) -> usize {
    let mut depth = 0;
    while i < chars.len() {
        match chars[i..].get(..2) {
            Some(['/', '*']) => (depth, i) = (depth + 1, i + 2),
            Some(['*', '/']) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// After the prefix of a raw string, or of a raw name.
fn raw_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start..].iter().take_while(|&&c| c == '#').count();
    if chars.get(start + hashes) != Some(&'"') {
        let name = chars[start + hashes..].iter();
        return start
            + hashes
            + name
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .count();
    }
    let mut i = start + hashes + 1;
    while i < chars.len() {
        let closes = chars[i] == '"' && chars[i + 1..].iter().take(hashes).all(|&c| c == '#');
        if closes {
            return (i + 1 + hashes).min(chars.len());
        }
        i += 1;
    }
    i
}

/// The lines of `text` that offend, as the file `name`.
fn lines(name: &str, text: &str) -> Vec<usize> {
    let line = |offence: String| {
        let rest = offence.strip_prefix(name).unwrap().to_owned();
        rest.split(':').nth(1).unwrap().parse().unwrap()
    };
    let mut lines: Vec<usize> = offences_in(name, text).into_iter().map(line).collect();
    lines.dedup();
    lines
}

#[test]
fn it_sees_imports_from_above_and_beside() {
    for bad in [
        "use crate::record::Writer;",
        "use crate::{dtype::DType, tensor::Shape};",
        "use crate::{error::{Kind, Place}, map::Data, array::{self, npy}};",
        "use {std::io, crate::tensor};",
        "fn f() -> crate::gpu::Buffer { todo() }",
        "fn f() { let x = 'c'; crate::store::open('\\'', \"\") }",
        "use super::tensor::Shape;",
        "use super::{error::Kind, kernel::copy};",
        "use self::super::tensor;",
        "use crate::kernel as loops;",
        "pub use crate::tensor::*;",
        "use crate::*;",
        "use crate as root;",
        "use crate::nowhere::Thing;",
        "macro_rules! m { () => { $crate::tensor::new() } }",
        "mod inner { use super::super::tensor::Shape; }",
    ] {
        assert_eq!(lines("map/mod.rs", &format!("\n{bad}\n")), [2], "{bad}");
    }
    assert_eq!(
        lines("map/os/linux.rs", "use super::super::super::tensor::X;"),
        [1]
    );
    assert_eq!(lines("error.rs", "\n\nuse crate::dtype::DType;"), [3]);
    assert_eq!(lines("dtype.rs", "use super::error::Kind;"), [1]);
    let two = "use crate::{\n    record::Reader,\n    error::Kind,\n    model::Model,\n};";
    assert_eq!(lines("array/npy.rs", two), [2, 4]);
    let after = "mod tests {\n    use super::*;\n}\nuse super::super::record::X;";
    assert_eq!(lines("array/npy.rs", after), [4]);
}

#[test]
fn it_names_the_offender() {
    let found = offences_in("map/mod.rs", "use crate::tensor::Shape;");
    assert_eq!(found, ["map/mod.rs:1: 'tensor::Shape' lies above 'map'"]);
    let found = offences_in("map/data.rs", "use crate::kernel::copy;");
    assert_eq!(
        found,
        ["map/data.rs:1: 'kernel::copy' shares the floor of 'map'"]
    );
    let found = offences_in("cellar/mod.rs", "");
    assert_eq!(
        found,
        ["cellar/mod.rs:1: 'cellar' stands on no floor: give it one"]
    );
}

#[test]
fn it_lets_the_rest_pass() {
    let good = r##"
        //! As [`crate::tensor`] says.
        // use crate::record::Writer;
        /* use crate::record; /* nested */ use crate::array; */
        use crate::error::{Kind, Place};
        use crate::{dtype::DType, error};
        use super::error as other;
        pub(crate) fn f<'a>(&'a self) -> &'a str { "use crate::record::X;" }
        pub(in crate::map) fn g(self) -> Self { self.h(r#"crate::record" "#, b'\'', '"') }
        const C: &std::ffi::CStr = c"crate::gpu::X";
        pub(super) fn h() { self::f(); super::error::f::<u8>(); krate::record(); r#type() }
        mod tests {
            use super::*;
            use super::{Thing, storage::{self, Other}};
            mod deeper { use super::super::{data, super::error}; }
        }
        /// `crate::loader`
        use crate::dtype;
    "##;
    assert_eq!(offences_in("map/mod.rs", good), [""; 0]);
    assert_eq!(lines("map/mod.rs", &format!("{good}use crate::gpu;")), [19]);
    assert_eq!(offences_in("lib.rs", "pub use crate::gpu;"), [""; 0]);
    let above = "use crate::{record, array, tensor, map, kernel, dtype, error};";
    assert_eq!(offences_in("loader/mod.rs", above), [""; 0]);
}
