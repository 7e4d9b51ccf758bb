//! Names of files beside the file that names them.

/// The longest file name of any system, in bytes; Linux has no longer ones.
const NAME_MAX: usize = 255;

/// Why a name that a file gives is no plain file name, and may lead to another folder.
pub(crate) fn not_plain(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        _ if name.len() > NAME_MAX => Some("it has more bytes than file names have, 255"),
        "." | ".." => Some("it is a folder"),
        _ if name.contains('\0') => Some("it has a NUL"),
        _ if name.contains(['/', '\\']) => Some("it has a slash, which leads to other folders"),
        _ if cfg!(windows) && name.contains(':') => Some("it has a colon"),
        _ => None,
    }
}
