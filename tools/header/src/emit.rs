//! The header's text, from its parts.

use std::collections::BTreeMap;

use crate::Result;
use crate::blocks::{Block, Shape};
use crate::docs;
use crate::layout::{self, Marks};
use crate::lexeme::{code_only, statements_only};
use crate::order::{self, Piece};
use crate::scan::{Found, Section};
use crate::verbatim::{Place, Verbatim};

/// The line of the overview that becomes the list of sections.
const CONTENTS: &str = "@SECTIONS@";

/// What stands around the sections.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The overview.
    pub overview: String,
    /// The include guard.
    pub guard: String,
    /// System headers.
    pub includes: Vec<String>,
    /// The macros that declarations need.
    pub macros: String,
}

/// One piece of text with what the check of the order needs.
struct Part {
    lines: Vec<String>,
    piece: Piece,
    /// A macro without a comment stands right below the one before it.
    terse: bool,
}

/// Writes the header.
pub fn header(
    frame: &Frame,
    sections: &[Section],
    index: &BTreeMap<&str, Found<'_>>,
    blocks: &[Block],
    marks: &Marks,
) -> Result<String> {
    let mut text = String::new();
    let mut titles = Vec::new();
    let mut pieces = Vec::new();
    for (number, section) in sections
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.is_empty())
    {
        let (title, banner) = banner(section)?;
        titles.push(title);
        text.push_str(&banner);
        let mut terse = false;
        for part in parts(number, section, index, blocks, marks)? {
            if !(terse && part.terse) {
                text.push('\n');
            }
            terse = part.terse;
            text.extend(part.lines.iter().flat_map(|line| [line.as_str(), "\n"]));
            pieces.push(part.piece);
        }
        text.push('\n');
    }
    order::check(&pieces)?;
    let text = frame_around(frame, &titles, &text);
    match text.lines().find(|line| !line.is_ascii()) {
        // Compilers on Windows read files in the code page of the country.
        Some(line) => Err(format!("the header is ASCII, so reword this line:\n{line}").into()),
        None => Ok(text),
    }
}

fn frame_around(frame: &Frame, titles: &[String], sections: &str) -> String {
    let Frame {
        overview,
        guard,
        includes,
        macros,
    } = frame;
    let mut text = String::new();
    for line in overview.trim().lines() {
        match line.split_once(CONTENTS) {
            Some((mark, _)) => text.extend(titles.iter().map(|title| format!("{mark}{title}\n"))),
            None => text.extend([line.trim_end(), "\n"]),
        }
    }
    let includes: String = includes
        .iter()
        .map(|name| format!("#include <{name}>\n"))
        .collect();
    let macros = macros.trim();
    text.push_str(&format!(
        "#ifndef {guard}\n#define {guard}\n\n{includes}\n{macros}\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n{sections}\
         #ifdef __cplusplus\n}} /* extern \"C\" */\n#endif\n\n#endif /* {guard} */\n"
    ));
    text
}

/// A section's title and the comment that opens it.
fn banner(section: &Section) -> Result<(String, String)> {
    let name = section
        .files
        .first()
        .map(|file| file.name.as_str())
        .unwrap_or_default();
    let lines = docs::clean(&section.text);
    let Some((title, body)) = lines.split_first() else {
        return Err(format!("{name}: a section begins with `//!` lines, its title first").into());
    };
    let title = title.trim_end_matches(['.', ':']).to_owned();
    let rule = "=".repeat(97);
    let mut text = format!("/* {rule}\n * {title}\n * {rule}\n");
    for line in std::iter::once(&title).chain(body) {
        docs::refuse_comment_marks(line).map_err(|error| format!("{name}: {error}"))?;
    }
    for line in body {
        text.push_str(format!(" * {line}").trim_end());
        text.push('\n');
    }
    text.push_str(" */\n");
    Ok((title, text))
}

fn parts(
    number: usize,
    section: &Section,
    index: &BTreeMap<&str, Found<'_>>,
    blocks: &[Block],
    marks: &Marks,
) -> Result<Vec<Part>> {
    let mut sorted: Vec<((u8, usize, usize), Part)> = Vec::new();
    for block in blocks {
        let Some(found) = index
            .get(block.name.as_str())
            .filter(|one| one.place.0 == number)
        else {
            continue;
        };
        let rank = match block.shape {
            Shape::Opaque => 0,
            Shape::Define => 2,
            Shape::Type => 3,
            Shape::Function => 5,
        };
        let part = declaration(block, found, marks)?;
        sorted.push(((rank, found.place.1, found.place.2), part));
    }
    for (at, file) in section.files.iter().enumerate() {
        for verbatim in &file.verbatim {
            let rank = match verbatim.place {
                Place::Before => 1,
                Place::Type => 3,
                Place::After => 4,
            };
            sorted.push(((rank, at, verbatim.line), given(verbatim, &file.name)));
        }
    }
    sorted.sort_by_key(|(place, _)| *place);
    Ok(sorted.into_iter().map(|(_, part)| part).collect())
}

fn declaration(block: &Block, found: &Found<'_>, marks: &Marks) -> Result<Part> {
    let origin = format!("{}:{}: `{}`", found.file, found.item.line, block.name);
    let lines = layout::lines(block, marks).map_err(|error| format!("{origin}: {error}"))?;
    let lazy = block.shape == Shape::Define;
    let code = if lazy {
        String::new()
    } else {
        code_only(&block.code.join("\n"))
    };
    let function = block.shape == Shape::Function;
    let defines = if function {
        Vec::new()
    } else {
        vec![block.name.clone()]
    };
    let terse = lazy && lines.len() == 1;
    Ok(Part {
        lines,
        piece: Piece {
            origin,
            defines,
            code,
        },
        terse,
    })
}

fn given(verbatim: &Verbatim, file: &str) -> Part {
    let origin = format!("{file}:{}: its C text", verbatim.line);
    let code = statements_only(&verbatim.text);
    let defines = verbatim
        .types()
        .into_iter()
        .chain(verbatim.macros())
        .collect();
    let lines = verbatim.text.lines().map(str::to_owned).collect();
    Part {
        lines,
        piece: Piece {
            origin,
            defines,
            code,
        },
        terse: false,
    }
}
