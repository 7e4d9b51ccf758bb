//! cbindgen's text, cut into declarations.

use crate::Result;
use crate::lexeme::{code_only, first_word, last_word};

/// What a declaration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `#define NAME value`
    Define,
    /// `typedef struct NAME NAME;`
    Opaque,
    /// A struct, union or enum with its members, or another typedef.
    Type,
    /// A function.
    Function,
}

/// One declaration with its documentation.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it declares.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// The lines of its doc comment, without the comment's marks.
    pub doc: Vec<String>,
    /// The lines below.
    pub code: Vec<String>,
}

/// What cbindgen puts around the functions; the header has it around everything.
const LINKAGE: [&str; 2] = [
    "#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n",
    "#ifdef __cplusplus\n}  // extern \"C\"\n#endif  // __cplusplus\n",
];

/// Cuts at the blank lines that no comment, brace or `#if` encloses.
pub fn split(body: &str) -> Result<Vec<Block>> {
    let body = LINKAGE
        .iter()
        .fold(body.to_owned(), |text, linkage| text.replace(linkage, ""));
    let mut blocks = Vec::new();
    let mut chunk = String::new();
    for line in body.lines() {
        if line.trim().is_empty() && is_whole(&chunk) {
            blocks.extend(block(&chunk)?);
            chunk.clear();
        } else {
            chunk.push_str(line.trim_end());
            chunk.push('\n');
        }
    }
    if !is_whole(&chunk) {
        return Err(format!("cbindgen's text ends inside a declaration:\n{chunk}").into());
    }
    blocks.extend(block(&chunk)?);
    Ok(blocks)
}

fn is_whole(chunk: &str) -> bool {
    let code = code_only(chunk);
    let count = |c: char| code.chars().filter(|&other| other == c).count();
    let directives = |word: &str| {
        let lines = code
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix('#'));
        lines
            .filter(|line| line.trim_start().starts_with(word))
            .count()
    };
    count('{') == count('}')
        && count('(') == count(')')
        && directives("if") == directives("endif")
        && chunk
            .rfind("/*")
            .is_none_or(|open| chunk.rfind("*/").is_some_and(|end| end > open))
}

fn block(chunk: &str) -> Result<Option<Block>> {
    if chunk.trim().is_empty() {
        return Ok(None);
    }
    let (doc, code) = match chunk
        .strip_prefix("/**\n")
        .and_then(|text| text.split_once(" */\n"))
    {
        Some((doc, code)) => (doc, code),
        None => ("", chunk),
    };
    let marks = |line: &str| {
        line.strip_prefix(" * ")
            .or(line.strip_prefix(" *"))
            .map(str::to_owned)
    };
    let doc = doc
        .lines()
        .map(|line| marks(line).unwrap_or_else(|| line.to_owned()))
        .collect();
    let Some((name, shape)) = declared(&code_only(code)) else {
        return Err(format!("can't tell what this declares:\n{chunk}").into());
    };
    let code = code.lines().map(str::to_owned).collect();
    Ok(Some(Block {
        name,
        shape,
        doc,
        code,
    }))
}

/// The name and shape of a declaration without comments.
fn declared(code: &str) -> Option<(String, Shape)> {
    let code = code.trim();
    let (name, shape) = if let Some(rest) = code.strip_prefix("#define ") {
        (first_word(rest), Shape::Define)
    } else if let Some(rest) = code.strip_prefix("enum ") {
        (first_word(rest), Shape::Type)
    } else if let Some(rest) = code.strip_prefix("typedef ") {
        let name = last_word(rest.strip_suffix(';')?);
        let opaque = rest == format!("struct {name} {name};");
        (name, if opaque { Shape::Opaque } else { Shape::Type })
    } else {
        (last_word(code.split_once('(')?.0), Shape::Function)
    };
    let named = !name.is_empty();
    named.then(|| (name.to_owned(), shape))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

    use super::*;

    const BODY: &str = "\n/**\n * One.\n *\n * Two { braces (\n */\n#define ADIT_A 1\n\n#define ADIT_B -1\n\n\
/**\n * Status.\n */\nenum adit_status\n#if defined(__cplusplus)\n  : int32_t\n#endif // x\n {\n  \
/**\n   * Fine.\n   */\n  ADIT_OK = 0,\n\n  ADIT_END = 1,\n};\n#ifndef __cplusplus\n#if X\n\
typedef enum adit_status adit_status;\n#else\ntypedef int32_t adit_status;\n#endif // X\n#endif // y\n\n\
typedef struct adit_x adit_x;\n\ntypedef struct {\n  int64_t shape[ADIT_A];\n} adit_t;\n\n\
#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n\n\
ADIT_API\nADIT_NODISCARD\nconst char *adit_f(adit_x *x,\n                   void (*release)(void *ctx));\n\n\
#ifdef __cplusplus\n}  // extern \"C\"\n#endif  // __cplusplus\n";

    #[test]
    fn every_declaration_is_found_with_its_name() {
        let blocks = split(BODY).unwrap();
        let seen: Vec<_> = blocks
            .iter()
            .map(|block| (block.name.as_str(), block.shape))
            .collect();
        assert_eq!(
            seen,
            [
                ("ADIT_A", Shape::Define),
                ("ADIT_B", Shape::Define),
                ("adit_status", Shape::Type),
                ("adit_x", Shape::Opaque),
                ("adit_t", Shape::Type),
                ("adit_f", Shape::Function),
            ]
        );
    }

    #[test]
    fn documentation_is_set_apart_from_code() {
        let blocks = split(BODY).unwrap();
        assert_eq!(blocks[0].doc, ["One.", "", "Two { braces ("]);
        assert_eq!(blocks[0].code, ["#define ADIT_A 1"]);
        assert!(blocks[1].doc.is_empty());
    }

    #[test]
    fn conditions_and_blank_lines_inside_stay_whole() {
        let blocks = split(BODY).unwrap();
        assert_eq!(blocks[2].code.first().unwrap(), "enum adit_status");
        assert_eq!(blocks[2].code.last().unwrap(), "#endif // y");
        assert_eq!(blocks[5].code.len(), 4);
    }

    #[test]
    fn a_torn_text_is_refused() {
        assert!(split("typedef struct {\n  int x;\n").is_err());
        assert!(split("#if X\nint adit_f(void);\n").is_err());
        assert!(split("/** lost\n").is_err());
        assert!(split("int x;\n").is_err());
    }
}
