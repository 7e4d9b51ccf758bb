//! C reads from top to bottom: what a declaration names must stand above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::lexeme::words;

/// One piece of the header, for the check.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where it comes from: file, line and name.
    pub origin: String,
    /// The types and constants that it defines.
    pub defines: Vec<String>,
    /// Its code, without comments and without macros' bodies (those are read where they are used).
    pub code: String,
}

/// Fails at the first piece that uses what a later one defines.
pub fn check(pieces: &[Piece]) -> Result<()> {
    let mut origins: BTreeMap<&str, &str> = BTreeMap::new();
    for piece in pieces {
        for name in &piece.defines {
            if let Some(first) = origins.insert(name, &piece.origin) {
                return Err(format!("{}: {first} defines `{name}` too", piece.origin).into());
            }
        }
    }
    let mut above: BTreeSet<&str> = BTreeSet::new();
    for piece in pieces {
        above.extend(piece.defines.iter().map(String::as_str));
        for word in words(&piece.code).filter(|word| !above.contains(word)) {
            if let Some(later) = origins.get(word) {
                let Piece { origin, .. } = piece;
                return Err(format!(
                    "{origin} uses `{word}`, which the header defines further down ({later}).\n\
                     Sections follow the `mod` lines of src/lib.rs (rustfmt sorts neighbouring ones, \
                     unless `reorder_modules = false` is in rustfmt.toml); a section has its opaque types, \
                     c-before text, constants, types and c-type text in source order, c-after text, \
                     functions."
                )
                .into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(origin: &str, defines: &[&str], code: &str) -> Piece {
        let defines = defines.iter().map(|&name| name.to_owned()).collect();
        Piece {
            origin: origin.to_owned(),
            defines,
            code: code.to_owned(),
        }
    }

    #[test]
    fn uses_below_their_definition_are_fine() {
        let pieces = [
            piece("a", &["adit_x"], "typedef struct adit_x adit_x;"),
            piece("b", &[], "void adit_f(adit_x *x, other *y);"),
        ];
        assert!(check(&pieces).is_ok());
    }

    #[test]
    fn uses_above_their_definition_are_named() {
        let pieces = [
            piece("a", &[], "void adit_f(adit_x *x);"),
            piece("b", &["adit_x"], ""),
        ];
        let message = check(&pieces).map_err(|error| error.to_string());
        assert!(
            message.is_err_and(|text| text.starts_with("a uses `adit_x`") && text.contains("(b)"))
        );
    }

    #[test]
    fn double_definitions_are_refused() {
        assert!(check(&[piece("a", &["X"], ""), piece("b", &["X"], "")]).is_err());
    }
}
