//! What stands before an item's keyword.

use std::iter::Peekable;

use proc_macro2::TokenTree;
use proc_macro2::token_stream::IntoIter;

/// The attributes and the visibility read so far of the item to come.
#[derive(Default)]
pub(super) struct Pending {
    /// Without blanks; documentation is left out.
    pub(super) attributes: Vec<String>,
    /// `pub`, for everybody.
    pub(super) public: bool,
}

impl Pending {
    /// Whether an attribute holds a text.
    pub(super) fn has(&self, text: &str) -> bool {
        self.attributes
            .iter()
            .any(|attribute| attribute.contains(text))
    }

    /// Whether the item is a test's.
    pub(super) fn test(&self) -> bool {
        self.has("cfg(test)")
    }

    /// Whether the item exists in builds for tests alone.
    pub(super) fn hook(&self) -> bool {
        self.has("cfg(feature=\"test-hooks\")")
    }

    /// Any other condition that the item exists under.
    pub(super) fn other_condition(&self) -> Option<&String> {
        let mut all = self.attributes.iter();
        all.find(|attribute| attribute.starts_with("cfg("))
            .filter(|_| !self.hook())
    }
}

/// The text of an outer attribute without blanks, but for documentation.
pub(super) fn attribute(tokens: &mut Peekable<IntoIter>) -> Option<String> {
    let Some(TokenTree::Group(group)) = tokens.peek() else {
        return None; // an inner one, `#![...]`
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    tokens.next();
    Some(text).filter(|text| !text.starts_with("doc"))
}
