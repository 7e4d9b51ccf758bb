//! Small readers of C text: identifiers, comments, brackets.

/// Whether a character can be part of a C identifier.
pub fn is_ident(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The words of a text: identifiers, keywords, numbers.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_ident(c)).filter(|word| !word.is_empty())
}

/// The word at the start of a text, with nothing but blanks before it.
pub fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|c| !is_ident(c)).next().unwrap_or_default()
}

/// The word at the end of a text, with nothing but blanks after it.
pub fn last_word(text: &str) -> &str {
    let text = text.trim_end();
    text.rsplit(|c| !is_ident(c)).next().unwrap_or_default()
}

/// The text without its comments and string literals. Lines stay lines.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if c == '"' {
            string_length(rest)
        } else {
            code.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (gone, left) = rest.split_at_checked(skipped).unwrap_or((rest, ""));
        code.extend(gone.chars().filter(|&c| c == '\n'));
        rest = left;
    }
    code
}

/// The code outside preprocessor directives and their continued lines.
pub fn statements_only(text: &str) -> String {
    let code = code_only(text);
    let mut directive = false;
    let lines = code.lines().filter(|line| {
        let inside = directive || line.trim_start().starts_with('#');
        directive = inside && line.ends_with('\\');
        !inside
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The bytes of the string literal that the text starts with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The parts of a text between the separators that no bracket encloses.
pub fn split_outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "a /* b\n c */ d // e\nf \"g\\\"h\" i";
        assert_eq!(code_only(text), "a \n d \nf  i");
    }

    #[test]
    fn directives_are_no_statements() {
        let text = "a;\n#define B \\\n  b; \\\n  c;\nd;\n # if X\ne;";
        assert_eq!(statements_only(text), "a;\nd;\ne;");
    }

    #[test]
    fn brackets_hide_separators() {
        assert_eq!(
            split_outside_brackets("a, f(b, c), {d, e}", ','),
            ["a", " f(b, c)", " {d, e}"]
        );
    }

    #[test]
    fn words_are_found_at_both_ends() {
        assert_eq!(first_word("  adit_x *y"), "adit_x");
        assert_eq!(last_word("const char *name "), "name");
        assert_eq!(
            words("int64_t shape[ADIT_N];").collect::<Vec<_>>(),
            ["int64_t", "shape", "ADIT_N"]
        );
    }
}
