//! What every function of the boundary does in the same way.

mod arguments;
mod failure;
mod guard;
mod handle;
mod options;
mod out;

pub(crate) use arguments::{
    buffer_of, choose, line_to_c, path_argument, path_to_c, progress_of, slice,
};
pub(crate) use failure::{Failure, status_of};
pub(crate) use guard::{guard, settle};
pub(crate) use handle::{
    Handle, Opaque, close, guard_handle, guard_handle_mut, into_raw, peek, peek_sound,
};
pub(crate) use options::{Options, init_options, read_options, refuse_flags, refuse_reserved};
pub(crate) use out::{DimsOut, Out, SizedOut, Zeroable};
