//! C text that stands in a Rust file because cbindgen can't write it.
//!
//! Callback types with a calling convention, initialiser macros and layout assertions are written
//! where they belong, as line comments:
//!
//! ```text
//! //@c-type
//! //@ typedef int (ADIT_CALL *adit_progress_fn)(void *ctx, uint64_t done, uint64_t total);
//! pub type adit_progress_fn = Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> c_int>;
//! ```

use crate::Result;
use crate::lexeme::{code_only, first_word, last_word, split_outside_brackets, statements_only};

/// Where in its section a piece of C text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `//@c-before`: after the banner and the opaque types, before the constants.
    Before,
    /// `//@c-type`: among the types, in source order.
    Type,
    /// `//@c-after`: after the types, before the functions.
    After,
}

/// One run of `//@ ` lines.
#[derive(Clone, Debug)]
pub struct Verbatim {
    /// Where it goes.
    pub place: Place,
    /// The line of its marker, from 1.
    pub line: usize,
    /// The C text.
    pub text: String,
}

impl Verbatim {
    /// The types that the text defines.
    pub fn types(&self) -> Vec<String> {
        let code = statements_only(&self.text);
        let statements = split_outside_brackets(&code, ';').into_iter();
        let typedefs = statements.filter(|statement| first_word(statement) == "typedef");
        let names = typedefs.map(typedef_name).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }

    /// The macros that the text defines.
    pub fn macros(&self) -> Vec<String> {
        let code = code_only(&self.text);
        let directives = code
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix('#'));
        let bodies = directives.filter_map(|line| line.trim_start().strip_prefix("define "));
        bodies.map(first_word).map(str::to_owned).collect()
    }
}

/// The name in `typedef int (ADIT_CALL *NAME)(...)`, `typedef struct x NAME`, `typedef x NAME[2]`.
fn typedef_name(statement: &str) -> &str {
    if let Some((array, _)) = statement
        .rsplit_once('[')
        .filter(|(_, end)| end.trim_end().ends_with(']'))
    {
        return last_word(array);
    }
    let declarator = statement.split_once('(').map(|(_, rest)| rest);
    let pointer = declarator.and_then(|rest| rest.split(')').next());
    match pointer.and_then(|inner| inner.split_once('*')) {
        Some((_, name)) => first_word(name),
        None => last_word(statement),
    }
}

/// Finds the marked C text of a Rust file.
pub fn find(source: &str, file: &str) -> Result<Vec<Verbatim>> {
    let mut found: Vec<Verbatim> = Vec::new();
    let mut open = false;
    for (line, text) in (1..).zip(source.lines()) {
        let Some(text) = text.trim().strip_prefix("//@") else {
            open = false;
            continue;
        };
        let place = match text.trim_end() {
            "c-before" => Some(Place::Before),
            "c-type" => Some(Place::Type),
            "c-after" => Some(Place::After),
            _ => None,
        };
        if let Some(place) = place {
            found.push(Verbatim {
                place,
                line,
                text: String::new(),
            });
            open = true;
            continue;
        }
        let body = if text.is_empty() {
            Some(text)
        } else {
            text.strip_prefix(' ')
        };
        match (body, found.last_mut().filter(|_| open)) {
            (Some(body), Some(last)) => {
                last.text.push_str(body.trim_end());
                last.text.push('\n');
            }
            _ => {
                let markers = "`//@c-before`, `//@c-type` or `//@c-after`, then `//@ ` lines";
                return Err(format!("{file}:{line}: `//@` lines are {markers}").into());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

    use super::*;

    #[test]
    fn marked_lines_lose_their_prefix() {
        let source =
            "//@c-before\n//@ #define A 1\n//@\n//@   indented\nfn x() {}\n\n//@c-after\n//@ b\n";
        let found = find(source, "x.rs").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].place, Place::Before);
        assert_eq!(found[0].text, "#define A 1\n\n  indented\n");
        assert_eq!((found[1].place, found[1].line), (Place::After, 7));
    }

    #[test]
    fn text_without_a_marker_is_refused() {
        assert!(find("//@ #define A 1\n", "x.rs").is_err());
        assert!(find("//@c-before\n\n//@ #define A 1\n", "x.rs").is_err());
        assert!(find("//@c-befor\n", "x.rs").is_err());
        assert!(find("//@c-before\n//@c-aftr\n", "x.rs").is_err());
    }

    #[test]
    fn definitions_are_known_by_name() {
        let text = "/** typedef int no; */\n#define ADIT_A \\\n  1\n# define ADIT_F(x) x\n\
            typedef int (ADIT_CALL *adit_fn)(void *ctx, adit_x *y);\ntypedef struct adit_x adit_x;\n\
            typedef char adit_assert[sizeof(adit_x) == 8 ? 1 : -1];\n";
        let piece = Verbatim {
            place: Place::Type,
            line: 1,
            text: text.to_owned(),
        };
        assert_eq!(piece.types(), ["adit_fn", "adit_x", "adit_assert"]);
        assert_eq!(piece.macros(), ["ADIT_A", "ADIT_F"]);
    }
}
