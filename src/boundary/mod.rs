//! What every function of the boundary does in the same way.

mod arguments;
mod failure;
mod guard;
mod guard_out;
mod handle;
mod options;
mod out;

pub(crate) use arguments::{
    buffer_of, bytes_argument, choose, line_to_c, path_argument, path_to_c, paths_argument,
    progress_of, region_of, slice, slice_mut, text_argument,
};
pub(crate) use failure::{Failure, Loud, Outcome, status_of};
pub(crate) use guard::{guard, settle};
pub(crate) use guard_out::{
    LentBytes, Text, guard_bytes, guard_derived, guard_new, guard_text, guard_value,
};
pub(crate) use handle::{
    Handle, Opaque, close, guard_handle, guard_handle_mut, into_raw, peek, peek_sound, with_other,
};
pub(crate) use options::{Options, init_options, read_options, refuse_flags, refuse_reserved};
pub(crate) use out::{DimsOut, ManyOut, Out, SizedOut, Zeroable};
