//! The exported items of one Rust file, by its tokens.
//!
//! Tokens rather than syntax: an item inside a macro's body is seen too, which cbindgen would
//! leave out without a word.

use std::iter::Peekable;
use std::str::FromStr;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::Result;

mod pending;

use pending::{Pending, attribute};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `pub const`
    Constant,
    /// `pub struct`, `enum`, `union` or `type`
    Type,
    /// An unmangled `fn`.
    Function,
}

/// One exported item.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name in Rust and in C.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its line, from 1.
    pub line: usize,
    /// Exists in builds for tests alone, and so not in the header.
    pub hook: bool,
    /// `#[must_use]`
    pub must_use: bool,
    /// `#[repr(transparent)]`: around a Rust type that C doesn't see.
    pub transparent: bool,
    /// A constant's type.
    pub constant_type: String,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its exported items, in order.
    pub items: Vec<Item>,
    /// Its `mod name;` lines, in order; true for those that exist in builds for tests alone.
    pub modules: Vec<(String, bool)>,
}

/// Reads a file's items. `hook` says that the whole file exists in builds for tests alone.
pub fn read(source: &str, file: &str, hook: bool) -> Result<Contents> {
    let tokens = TokenStream::from_str(source).map_err(|error| {
        let at = error.span().start();
        format!("{file}:{}: {error}", at.line)
    })?;
    let mut reader = Reader {
        file,
        contents: Contents::default(),
    };
    reader.walk(tokens, hook)?;
    Ok(reader.contents)
}

struct Reader<'a> {
    file: &'a str,
    contents: Contents,
}

impl Reader<'_> {
    fn walk(&mut self, tokens: TokenStream, outer_hook: bool) -> Result<()> {
        let mut tokens = tokens.into_iter().peekable();
        let mut pending = Pending::default();
        let mut test = false; // the braces to come belong to a `cfg(test)` item
        let mut hook = outer_hook;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    pending.attributes.extend(attribute(&mut tokens));
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    (pending, test, hook) = (Pending::default(), false, outer_hook);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    pending.public = false; // a field's `pub`; an item's name is read by now
                }
                TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
                    self.walk(group.stream(), hook)?;
                }
                TokenTree::Group(group) => {
                    if !test && !pending.test() {
                        self.walk(group.stream(), hook || pending.hook())?;
                    }
                    (pending, test, hook) = (Pending::default(), false, outer_hook);
                }
                TokenTree::Ident(word) => {
                    let before = (pending.test(), outer_hook || pending.hook());
                    if self.word(&word, &mut tokens, &mut pending, before.1)? {
                        (test, hook) = before;
                        pending = Pending::default();
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes one word; true when it was the keyword of an item, whose name is now read.
    fn word(
        &mut self,
        word: &Ident,
        tokens: &mut Peekable<IntoIter>,
        pending: &mut Pending,
        hook: bool,
    ) -> Result<bool> {
        let kind = match word.to_string().as_str() {
            "pub" => {
                // `pub(crate)` is private to C.
                pending.public = !matches!(tokens.peek(), Some(TokenTree::Group(_)));
                return Ok(false);
            }
            "mod" => return self.module(word, tokens, pending, hook),
            "fn" => Kind::Function,
            "const" if pending.public => Kind::Constant,
            "struct" | "enum" | "union" | "type" if pending.public => Kind::Type,
            _ => return Ok(false),
        };
        let line = word.span().start().line;
        let name = match tokens.peek() {
            Some(TokenTree::Ident(name)) => name.to_string(),
            _ => String::new(),
        };
        if kind == Kind::Constant && matches!(name.as_str(), "fn" | "unsafe" | "extern") {
            return Ok(false);
        }
        let unmangled = pending.has("no_mangle") || pending.has("export_name");
        let exported = match kind {
            Kind::Function => unmangled,
            _ => name.starts_with("adit_") || name.starts_with("ADIT_"),
        };
        if exported && !pending.test() {
            self.check(&name, line, kind, pending)?;
            tokens.next();
            let constant_type = match kind {
                Kind::Constant => constant_type(tokens),
                _ => String::new(),
            };
            let must_use = pending.has("must_use");
            let transparent = pending.has("repr(transparent)");
            let item = Item {
                name,
                kind,
                line,
                hook,
                must_use,
                transparent,
                constant_type,
            };
            self.contents.items.push(item);
        }
        Ok(true)
    }

    /// What cbindgen would get wrong in silence.
    fn check(&self, name: &str, line: usize, kind: Kind, pending: &Pending) -> Result<()> {
        let fail = |text: String| Err(format!("{}:{line}: {text}", self.file).into());
        if let Some(condition) = pending.other_condition() {
            return fail(format!(
                "`{name}` under `{condition}`: every build has every item"
            ));
        }
        if kind == Kind::Function {
            if !name.starts_with("adit_") {
                return fail(format!(
                    "an unmangled function must be named `adit_...`, not `{name}`"
                ));
            }
            if pending.has("cfg_attr") || pending.has("export_name") {
                return fail(format!(
                    "`{name}`: cbindgen sees plain `#[unsafe(no_mangle)]` alone"
                ));
            }
        }
        Ok(())
    }

    fn module(
        &mut self,
        word: &Ident,
        tokens: &mut Peekable<IntoIter>,
        pending: &Pending,
        hook: bool,
    ) -> Result<bool> {
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Ok(false);
        };
        let in_a_file = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ';');
        if in_a_file && !pending.test() {
            let line = word.span().start().line;
            if pending.has("path=") {
                return Err(format!("{}:{line}: `mod {name}` with a path", self.file).into());
            }
            self.contents.modules.push((name.to_string(), hook));
        }
        Ok(true)
    }
}

/// The words between a constant's name and its value.
fn constant_type(tokens: &mut Peekable<IntoIter>) -> String {
    let end = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if matches!(p.as_char(), '=' | ';'));
    let mut text = String::new();
    while let Some(token) = tokens.next_if(|token| !end(token)) {
        text.push_str(&token.to_string());
    }
    text.trim_start_matches(':').to_owned()
}

#[cfg(test)]
mod tests;
