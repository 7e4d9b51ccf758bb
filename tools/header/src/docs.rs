//! Documentation: from Rust's to C's.

use crate::Result;
use crate::lexeme::is_ident;

/// What of a doc text is for readers of the header: no `# Safety` section (C has no `unsafe`; what a
/// caller must keep stands in the text), no links of rustdoc's, no Markdown headings.
pub fn clean(lines: &[String]) -> Vec<String> {
    let mut cleaned: Vec<String> = Vec::new();
    let (mut safety, mut fenced) = (false, false);
    for line in lines {
        let line = line.trim_end();
        let text = line.trim_start();
        fenced ^= text.starts_with("```");
        let heading = Some(text.trim_start_matches('#'))
            .filter(|title| !fenced && title.len() < text.len() && title.starts_with(' '))
            .map(|title| title.trim().trim_end_matches(':'));
        if let Some(title) = heading {
            safety = title == "Safety";
        }
        let reference = !fenced && text.starts_with('[') && text.contains("]: ");
        if safety || reference {
            continue;
        }
        let line = match heading {
            Some(title) => format!("{title}:"),
            None if fenced => line.to_owned(),
            None => strip_links(line),
        };
        if !(line.is_empty() && cleaned.last().is_none_or(String::is_empty)) {
            cleaned.push(line);
        }
    }
    while cleaned.last().is_some_and(String::is_empty) {
        cleaned.pop();
    }
    cleaned
}

/// A line without the brackets of intra-doc links: ``[`adit_x`](crate::x)`` becomes `` `adit_x` ``.
fn strip_links(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('[') {
        let (before, link) = rest.split_at(at);
        text.push_str(before);
        let subscript = before.ends_with(|c: char| is_ident(c) || c == ']');
        match closed(link, '[', ']').filter(|_| !subscript) {
            Some((inner, after)) if is_link(inner, after) => {
                text.push_str(inner);
                rest = skip_target(after, &mut text);
            }
            _ => {
                text.push('[');
                rest = link.get(1..).unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    text
}

/// What stands in the bracket that the text starts with, and what follows it.
fn closed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some((
                    text.get(open.len_utf8()..at)?,
                    text.get(at + c.len_utf8()..)?,
                ));
            }
        }
    }
    None
}

fn is_link(inner: &str, after: &str) -> bool {
    let name = inner.starts_with("adit_") || inner.starts_with("ADIT_") || inner.contains("::");
    let word = inner.chars().all(|c| is_ident(c) || c == ':');
    inner.starts_with('`') || (name && word) || after.starts_with('(') || after.starts_with("[`")
}

/// Leaves a link's target out, but for an address in the world.
fn skip_target<'a>(after: &'a str, text: &mut String) -> &'a str {
    if let Some((target, rest)) = closed(after, '(', ')').filter(|_| after.starts_with('(')) {
        if target.contains("://") {
            text.push_str(&format!(" ({target})"));
        }
        return rest;
    }
    closed(after, '[', ']')
        .filter(|_| after.starts_with('['))
        .map_or(after, |(_, rest)| rest)
}

/// A doxygen comment. One line stays one line.
pub fn comment(lines: &[String], indent: &str) -> Result<Vec<String>> {
    for line in lines {
        refuse_comment_marks(line)?;
    }
    Ok(match lines {
        [] => Vec::new(),
        [line] if indent.len() + line.len() + 7 <= 100 => vec![format!("{indent}/** {line} */")],
        _ => {
            let body = lines
                .iter()
                .map(|line| format!("{indent} * {line}").trim_end().to_owned());
            let (open, close) = (format!("{indent}/**"), format!("{indent} */"));
            std::iter::once(open)
                .chain(body)
                .chain(std::iter::once(close))
                .collect()
        }
    })
}

/// C comments don't nest, and `-Wcomment` refuses what looks as if they did.
pub fn refuse_comment_marks(line: &str) -> Result<()> {
    if line.contains("/*") || line.contains("*/") {
        return Err(format!("a comment can't hold `/*` or `*/`: reword {line:?}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> String {
        clean(&text.lines().map(str::to_owned).collect::<Vec<_>>()).join("\n")
    }

    #[test]
    fn safety_sections_go_and_headings_lose_their_mark() {
        let text = "Does it.\n\n# Safety\n\nRust's.\n\n# Errors\nNone.\n\n## Safety\nRust's.";
        assert_eq!(cleaned(text), "Does it.\n\nErrors:\nNone.");
    }

    #[test]
    fn rust_links_become_text() {
        assert_eq!(
            cleaned("see [`adit_x`] and [`y`](crate::y), [z][`z`]"),
            "see `adit_x` and `y`, z"
        );
        assert_eq!(
            cleaned("[adit_x], [ADIT_OK] and [the site](https://x.y/)"),
            "adit_x, ADIT_OK and the site (https://x.y/)"
        );
        assert_eq!(cleaned("a\n\n[`x`]: crate::x"), "a");
    }

    #[test]
    fn ranges_and_subscripts_stay() {
        let text = "`shape[8]`, [0, 8), x[ADIT_N], [first, last], [8, [`a`)";
        assert_eq!(cleaned(text), text);
    }

    #[test]
    fn examples_stay_as_they_are() {
        let text = "```c\n#include <adit.h>\n# Safety\nx[`y`];\n```\nafter";
        assert_eq!(cleaned(text), text);
    }

    #[test]
    fn comments_are_as_short_as_they_can_be() {
        let lines = |text: &[&str]| text.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            comment(&lines(&["a"]), "  ").unwrap_or_default(),
            ["  /** a */"]
        );
        let two = comment(&lines(&["a", "", "b"]), "").unwrap_or_default();
        assert_eq!(two, ["/**", " * a", " *", " * b", " */"]);
        assert!(comment(&lines(&["src/*.rs"]), "").is_err());
    }
}
