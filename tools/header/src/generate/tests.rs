//! The whole way, on small crates with the settings of this repository.
#![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

use super::*;
use crate::tree::Tree;

const SETTINGS: &str = include_str!("../../../../cbindgen.toml");

const BASE: &str = r#"//! Base
//!
//! Text of the section.

/// How it ended.
#[must_use]
#[repr(i32)]
pub enum adit_status { ADIT_OK = 0 }

/// An enumeration that no function names.
#[repr(i32)]
pub enum adit_dtype { ADIT_F32 = 1 }

/// A handle.
#[repr(transparent)]
pub struct adit_x(Handle<Inner>);

//@c-type
//@ typedef int (ADIT_CALL *adit_fn)(void *ctx);
pub type adit_fn = Option<unsafe extern "C" fn(*mut c_void) -> c_int>;

/// Calls.
///
/// # Safety
/// Rust's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_call(x: *const adit_x, callback: adit_fn) -> adit_status {}

#[cfg(feature = "test-hooks")]
#[unsafe(no_mangle)]
pub extern "C" fn adit_hook() {}
"#;

const INNER: &str = "//! Not a section.\npub(crate) struct Handle<T> { value: T }\n\
    #[repr(C)] pub(crate) struct Inner { a: i32 }\npub(crate) const LIMIT: usize = 1;";

fn made(name: &str, library: &str, base: &str, more: &str) -> std::result::Result<String, String> {
    let tree = Tree::new(
        name,
        &[
            ("cbindgen.toml", SETTINGS),
            ("src/lib.rs", library),
            ("src/inner.rs", INNER),
            ("src/base.rs", base),
            ("src/more.rs", more),
        ],
    );
    header(tree.root()).map_err(|error| error.to_string())
}

fn refused(name: &str, more: &str) -> String {
    made(
        name,
        "mod inner; mod base; mod more;",
        BASE,
        &format!("//! More\n{more}"),
    )
    .unwrap_err()
}

#[test]
fn a_section_has_everything_in_order() {
    let text = made("whole", "mod inner; mod base;", BASE, "").unwrap();
    let parts = [
        " * adit.h - ",
        " *   Base\n",
        "#ifndef ADIT_H\n#define ADIT_H\n\n#include <stdbool.h>\n",
        "#define ADIT_CALL",
        "extern \"C\" {",
        " * Base\n",
        " * Text of the section.\n */\n",
        "/** A handle. */\ntypedef struct adit_x adit_x;\n\n",
        "/** How it ended. */\nenum adit_status\n",
        "enum adit_dtype\n",
        "typedef int (ADIT_CALL *adit_fn)(void *ctx);\n\n",
        "/** Calls. */\n\
         ADIT_API ADIT_NODISCARD adit_status adit_call(const adit_x *x, adit_fn callback);\n\n",
        "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* ADIT_H */\n",
    ];
    let mut rest = text.as_str();
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| unreachable!("no {part:?} in {rest}"));
        rest = &rest[at + part.len()..];
    }
    assert!(rest.is_empty());
    for absent in [
        "adit_hook",
        "Handle",
        "Inner",
        "LIMIT",
        "Rust's",
        "@SECTIONS@",
        "Not a section",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn the_same_sources_make_the_same_header() {
    let library = "mod inner; mod base;";
    assert_eq!(
        made("once", library, BASE, ""),
        made("again", library, BASE, "")
    );
}

#[test]
fn what_cbindgen_loses_is_an_error() {
    let lost = "m! { #[unsafe(no_mangle)] pub extern \"C\" fn adit_lost() {} }";
    assert!(refused("macro", lost).contains("`adit_lost` out of the header"));
    let lost = "#[unsafe(no_mangle)] pub extern \"C\" fn adit_odd(a: [u8; 3]) {}";
    assert!(refused("array", lost).contains("Array as function arguments"));
}

#[test]
fn what_is_not_exported_must_not_appear() {
    assert!(refused("constant", "pub const LIMIT: u32 = 1;").contains("`LIMIT`"));
    assert!(refused("foreign", "unsafe extern \"C\" { fn abort(); }").contains("`abort`"));
}

#[test]
fn shifts_of_a_c_int_are_refused() {
    assert!(refused("shift", "pub const ADIT_A: u64 = 1 << 40;").contains("1u64 <<"));
    let fine = "//! More\npub const ADIT_A: u64 = 1u64 << 40;";
    assert!(made("noshift", "mod inner; mod base; mod more;", BASE, fine).is_ok());
}

#[test]
fn sections_use_those_before_them() {
    let more = "//! More\n#[unsafe(no_mangle)] pub extern \"C\" fn adit_more(x: *const adit_x) {}";
    assert!(made("after", "mod inner; mod base; mod more;", BASE, more).is_ok());
    let message = made("ahead", "mod inner; mod more; mod base;", BASE, more).unwrap_err();
    assert!(
        message.contains("src/more.rs:2: `adit_more` uses `adit_x`"),
        "{message}"
    );
}

#[test]
fn the_header_is_ascii_and_its_comments_are_whole() {
    assert!(refused("ascii", "/// 3 \u{b5}s\npub const ADIT_A: u32 = 1;").contains("ASCII"));
    assert!(refused("comment", "/// src/*.rs\npub const ADIT_A: u32 = 1;").contains("reword"));
}
