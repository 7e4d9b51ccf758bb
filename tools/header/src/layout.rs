//! How a declaration looks in the header.

use crate::Result;
use crate::blocks::{Block, Shape};
use crate::docs;
use crate::lexeme::{code_only, split_outside_brackets, words};

/// The longest line.
const WIDTH: usize = 100;

/// The deepest column at which parameters stand below one another.
const DEEPEST: usize = 56;

/// Marks on functions, by what cbindgen's settings call them.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// `[fn] prefix`
    pub prefix: String,
    /// `[fn] must_use`
    pub must_use: String,
    /// The types that make every function that returns one `must_use`.
    pub must_use_types: Vec<String>,
}

/// The lines of a declaration, its comment first.
pub fn lines(block: &Block, marks: &Marks) -> Result<Vec<String>> {
    let mut lines = docs::comment(&docs::clean(&block.doc), "")?;
    match block.shape {
        Shape::Define => lines.push(define(block)),
        Shape::Opaque => lines.extend(block.code.iter().cloned()),
        Shape::Type => lines.extend(members(block)?),
        Shape::Function => lines.extend(function(block, marks)?),
    }
    Ok(lines)
}

/// A macro whose value is safe in any expression.
fn define(block: &Block) -> String {
    let line = block.code.concat();
    match line
        .split_once(' ')
        .and_then(|(_, rest)| rest.split_once(' '))
    {
        Some((name, value)) if value.starts_with('-') => format!("#define {name} ({value})"),
        _ => line,
    }
}

/// A type with a tag, so that C++ can declare it forward, and with short comments.
fn members(block: &Block) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut code = block.code.iter();
    while let Some(line) = code.next() {
        let text = line.trim_start();
        if text == "/**" {
            let indent = line.strip_suffix(text).unwrap_or_default();
            let inner = code.by_ref().map(|line| line.trim_start());
            let inner = inner.take_while(|line| *line != "*/").map(|line| {
                line.strip_prefix("* ")
                    .or(line.strip_prefix('*'))
                    .unwrap_or(line)
                    .to_owned()
            });
            lines.extend(docs::comment(
                &docs::clean(&inner.collect::<Vec<_>>()),
                indent,
            )?);
            continue;
        }
        match text {
            "typedef struct {" => lines.push(format!("typedef struct {} {{", block.name)),
            "typedef union {" => lines.push(format!("typedef union {} {{", block.name)),
            _ => lines.push(line.clone()),
        }
    }
    Ok(lines)
}

/// A prototype with its parameters filled to the line.
fn function(block: &Block, marks: &Marks) -> Result<Vec<String>> {
    let code = code_only(&block.code.join(" "));
    let unreadable = || format!("can't read the prototype of `{}`: {code}", block.name);
    let text: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text
        .strip_prefix(marks.prefix.as_str())
        .unwrap_or(&text)
        .trim_start();
    let bare = match text.strip_prefix(marks.must_use.as_str()) {
        Some(rest) if !marks.must_use.is_empty() => rest.trim_start(),
        _ => text,
    };
    let (result, rest) = bare
        .split_once(block.name.as_str())
        .ok_or_else(unreadable)?;
    let parameters = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(");"));
    let parameters = parameters.ok_or_else(unreadable)?;
    let by_value = !result.contains('*');
    let status =
        by_value && words(result).any(|word| marks.must_use_types.iter().any(|t| t == word));
    let mut head = marks.prefix.clone();
    if status || bare.len() < text.len() {
        head.push(' ');
        head.push_str(&marks.must_use);
    }
    let head = format!("{} {result}{}(", head.trim(), block.name)
        .trim_start()
        .to_owned();
    Ok(fill(&head, parameters))
}

fn fill(head: &str, parameters: &str) -> Vec<String> {
    let hanging = head.len() <= DEEPEST;
    let indent = " ".repeat(if hanging { head.len() } else { 4 });
    let parameters = split_outside_brackets(parameters, ',');
    let last = parameters.len().saturating_sub(1);
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    for (at, parameter) in parameters.iter().enumerate() {
        let end = if at == last { ");" } else { "," };
        let parameter = format!("{}{end}", parameter.trim());
        let space = if line.ends_with('(') || line.len() == indent.len() {
            ""
        } else {
            " "
        };
        if line.len() + space.len() + parameter.len() > WIDTH && line.len() > indent.len() {
            lines.push(std::mem::replace(&mut line, format!("{indent}{parameter}")));
        } else {
            line.push_str(space);
            line.push_str(&parameter);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

    use super::*;
    use crate::blocks::split;

    fn laid_out(text: &str) -> String {
        let marks = Marks {
            prefix: "ADIT_API".to_owned(),
            must_use: "ADIT_NODISCARD".to_owned(),
            must_use_types: vec!["adit_status".to_owned()],
        };
        lines(&split(text).unwrap()[0], &marks).unwrap().join("\n")
    }

    #[test]
    fn negative_macros_get_brackets() {
        assert_eq!(laid_out("#define ADIT_A -1"), "#define ADIT_A (-1)");
        assert_eq!(
            laid_out("#define ADIT_A (1u << 3)"),
            "#define ADIT_A (1u << 3)"
        );
    }

    #[test]
    fn structs_get_a_tag_and_short_comments() {
        let text = "typedef struct {\n  /**\n   * A [`b`].\n   */\n  int a;\n} adit_x;";
        assert_eq!(
            laid_out(text),
            "typedef struct adit_x {\n  /** A `b`. */\n  int a;\n} adit_x;"
        );
    }

    #[test]
    fn prototypes_are_one_line_where_they_fit() {
        assert_eq!(
            laid_out("ADIT_API\nvoid adit_f(int a,\n            int b);"),
            "ADIT_API void adit_f(int a, int b);"
        );
        assert_eq!(
            laid_out("ADIT_API uint32_t adit_f(void);"),
            "ADIT_API uint32_t adit_f(void);"
        );
    }

    #[test]
    fn a_status_is_not_to_be_dropped() {
        assert_eq!(
            laid_out("ADIT_API adit_status adit_f(int a);"),
            "ADIT_API ADIT_NODISCARD adit_status adit_f(int a);"
        );
        assert_eq!(
            laid_out("ADIT_API\nADIT_NODISCARD\nint adit_f(void);"),
            "ADIT_API ADIT_NODISCARD int adit_f(void);"
        );
        assert_eq!(
            laid_out("ADIT_API const adit_status *adit_f(int a);"),
            "ADIT_API const adit_status *adit_f(int a);"
        );
    }

    #[test]
    fn long_prototypes_are_filled() {
        let long = "ADIT_API adit_x *adit_f(const char *path, void (*release)(void *ctx, uint64_t n), uint64_t the_length, int *p);";
        assert_eq!(
            laid_out(long),
            "ADIT_API adit_x *adit_f(const char *path, void (*release)(void *ctx, uint64_t n),\n                        uint64_t the_length, int *p);"
        );
    }
}
