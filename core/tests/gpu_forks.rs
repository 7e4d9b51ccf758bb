//! A device in a forked child: refused, closed without waiting, and the parent's is unharmed.
#![cfg(all(adit_gpu, target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gpu_tools;

use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, Result, upload};
use adit_core::transfer::LoadOptions;
use gpu_tools::{PATHS, Random, all, bytes_item, open, put, tiny, to, try_get};

fn is_forked<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| {
        error.kind() == Kind::Forked && error.to_string().contains("before a fork")
    })
}

#[test]
fn a_childs_handles_are_refused_and_go_without_waiting() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let bytes = Random::new(4).bytes(1 << 20);
        let buffer = Buffer::create(&device, 1 << 20).unwrap();
        let uploads = [to(&buffer, 0, bytes_item(&bytes))];
        let (ticket, _) = upload(&uploads, &LoadOptions::default(), &mut ()).unwrap();
        // SAFETY: the child does what it does and ends by _exit; the C library's allocator works in
        // a forked child.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            // SAFETY: ends the child where it waits for what nobody lets go.
            unsafe { libc::alarm(30) };
            let refused = is_forked(put(&buffer, 0, &bytes))
                && is_forked(try_get(&buffer, 0, 4))
                && is_forked(Buffer::create(&device, 4))
                && is_forked(device.wait_idle())
                && is_forked(device.native())
                && is_forked(buffer.native())
                && is_forked(ticket.wait(None))
                && is_forked(ticket.is_done());
            drop((uploads, buffer, ticket, device));
            // SAFETY: ends the child at once, with none of the parent's destructors.
            unsafe { libc::_exit(i32::from(!refused)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just forked; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        ticket.wait(None).unwrap();
        assert!(all(&buffer) == bytes);
        put(&buffer, 0, b"afterwards").unwrap();
        assert_eq!(all(&buffer)[..10], *b"afterwards");
    }
}
