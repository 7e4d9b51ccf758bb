//! Tests of the item reader.
#![allow(clippy::unwrap_used)] // a test may stop at what it doesn't expect

use super::*;

fn names(source: &str) -> Vec<String> {
    let contents = read(source, "x.rs", false).unwrap();
    contents.items.into_iter().map(|item| item.name).collect()
}

fn refused(source: &str) -> String {
    read(source, "x.rs", false).unwrap_err().to_string()
}

#[test]
fn public_items_and_unmangled_functions_are_exported() {
    let source = r#"
        pub const ADIT_A: u32 = 1u32 << 3;
        pub(crate) const ADIT_PRIVATE: u32 = 1;
        const ADIT_HIDDEN: u32 = 1;
        /// The words `no_mangle` and fn adit_docs() in a comment.
        pub struct adit_x { pub field: *const adit_y }
        #[repr(i32)] #[must_use] pub enum adit_e { A = 1 }
        pub type adit_fn = Option<unsafe extern "C" fn(*const u8)>;
        pub struct Other;
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn adit_f(p: *const adit_x) -> *const adit_y { let fn_adit = "fn adit_s"; }
        pub const fn adit_mangled() {}
        fn helper() {}
    "#;
    assert_eq!(
        names(source),
        ["ADIT_A", "adit_x", "adit_e", "adit_fn", "adit_f"]
    );
    let items = read(source, "x.rs", false).unwrap().items;
    assert_eq!(items[0].constant_type, "u32");
    assert_eq!((items[0].line, items[0].kind), (2, Kind::Constant));
    assert_eq!((items[2].must_use, items[1].must_use), (true, false));
    assert_eq!(items[4].kind, Kind::Function);
}

#[test]
fn items_in_macros_are_seen() {
    assert_eq!(
        names("m! { #[unsafe(no_mangle)] pub extern \"C\" fn adit_f() {} }"),
        ["adit_f"]
    );
    let made = "macro_rules! m { ($n:ident) => { #[unsafe(no_mangle)] pub fn $n() {} } }";
    assert!(refused(made).contains("must be named"));
}

#[test]
fn tests_are_not_exported_and_hooks_are_marked() {
    let source = r#"
        #[cfg(test)] mod tests { #[unsafe(no_mangle)] pub fn adit_a() {} }
        #[cfg(test)] #[unsafe(no_mangle)] pub fn adit_b() {}
        #[cfg(feature = "test-hooks")] #[unsafe(no_mangle)] pub fn adit_c() {}
        #[cfg(feature = "test-hooks")] mod m { #[unsafe(no_mangle)] pub fn adit_d() {} }
        #[unsafe(no_mangle)] pub fn adit_e() {}
    "#;
    let items = read(source, "x.rs", false).unwrap().items;
    let marked: Vec<_> = items
        .iter()
        .map(|item| (item.name.as_str(), item.hook))
        .collect();
    assert_eq!(
        marked,
        [("adit_c", true), ("adit_d", true), ("adit_e", false)]
    );
}

#[test]
fn modules_are_listed_in_order() {
    let source =
        "mod b; pub mod a; #[cfg(test)] mod t; #[cfg(feature = \"test-hooks\")] mod h; mod i {}";
    let modules = read(source, "x.rs", false).unwrap().modules;
    assert_eq!(
        modules,
        [("b".into(), false), ("a".into(), false), ("h".into(), true)]
    );
    assert!(refused("#[path = \"c.rs\"] mod b;").contains("path"));
}

#[test]
fn what_cbindgen_leaves_out_is_refused() {
    assert!(refused("#[cfg_attr(all(), unsafe(no_mangle))] pub fn adit_f() {}").contains("plain"));
    assert!(refused("#[unsafe(export_name = \"adit_f\")] pub fn adit_f() {}").contains("plain"));
    assert!(
        refused("#[cfg(unix)] #[unsafe(no_mangle)] pub fn adit_f() {}").contains("every build")
    );
    assert!(refused("#[unsafe(no_mangle)] pub fn other() {}").contains("must be named"));
}
