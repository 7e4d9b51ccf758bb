#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::mem::ManuallyDrop;

use super::*;
use crate::error::{Kind, Report};
use crate::map::{Data, Region};
use crate::model::ModelOptions;

#[test]
fn a_child_waits_for_no_thread_of_its_parent() {
    let bytes = [7_u8; 64];
    // SAFETY: the array outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).unwrap());
    let raw = ModelOptions {
        raw: true,
        ..ModelOptions::default()
    };
    let mut model = ManuallyDrop::new(Model::from_data(vec![data], &raw).unwrap());
    // As a thread that is at them when another one forks.
    let held = ManuallyDrop::new(model.pages.locks.lock().unwrap());
    // SAFETY: the child has this thread alone and ends by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child where it waits for what nobody lets go.
        unsafe { libc::alarm(20) };
        let refused = |result: Result<()>| result.is_err_and(|error| error.kind() == Kind::Forked);
        let mut works = refused(model.lock(&[0])) && refused(model.unlock(&[0]));
        works &= model
            .release(&[0], Release::Resident)
            .is_ok_and(|freed| freed == 0);
        works &= model.pages.layout.get().is_none();
        // SAFETY: dropped once: the child ends here.
        unsafe { ManuallyDrop::drop(&mut model) };
        // SAFETY: ends the child at once, with none of the parent's destructors.
        unsafe { libc::_exit(i32::from(!works)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just forked; `status` is writable.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    drop(ManuallyDrop::into_inner(held));
    assert_eq!(model.release(&[0], Release::Resident).unwrap(), 0);
    drop(ManuallyDrop::into_inner(model));
}
