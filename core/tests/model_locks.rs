//! Locking under a limit: alone in its process, whose limit it changes.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod model_tools;

use adit_core::error::{Kind, Report};
use adit_core::map::page_size;
use common::{Folder, skip};
use model_tools::{bytes_tensor, model};

/// Capabilities of a thread, as `capset` has them (linux/capability.h, version 3).
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// Gives up this thread's capabilities, so that the limit holds for root too.
fn become_ordinary() -> bool {
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: capset reads the header and two times three words.
    unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) == 0 }
}

fn locked() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmLck:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_lock_over_the_limit_is_an_error_and_leaves_nothing() {
    let page = page_size();
    let folder = Folder::new();
    let lens = [page, 4 * page, page + page / 2, page / 2];
    let tensors: Vec<_> = ["a", "big", "c", "d"]
        .into_iter()
        .zip(lens)
        .map(|(name, len)| bytes_tensor(name, len))
        .collect();
    let (model, path) = model(&folder, &tensors, page);
    let limit = libc::rlimit {
        rlim_cur: 4 * page as u64,
        rlim_max: 4 * page as u64,
    };
    // SAFETY: setrlimit reads the struct.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
    if set != 0 || !become_ordinary() {
        return skip(
            "locks over the limit",
            "a process that may give up capabilities",
        );
    }
    let pages = || locked() * 1024 / page;
    assert_eq!(pages(), 0);
    model.lock(&[0]).unwrap();
    assert_eq!(pages(), 1);
    // c would still fit, the big one not.
    for given in [&[1][..], &[2, 1], &[2, 3, 0, 1]] {
        let error = model.lock(given).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
        assert_ne!(error.os_code(), 0);
        let text = error.to_string();
        assert!(
            text.contains("tensor 'big'") && text.contains("ulimit -l"),
            "{text}"
        );
        let place = error.place();
        assert_eq!(place.path.as_deref(), Some(path.as_path()));
        assert_eq!(
            (place.index, place.offset),
            (Some(1), Some(2 * page as u64))
        );
        assert_eq!(pages(), 1, "{given:?}");
    }
    assert_eq!(
        model.unlock(&[2]).unwrap_err().kind(),
        Kind::InvalidArgument
    );
    // A page that two share counts once against the limit.
    model.lock(&[2, 3]).unwrap();
    assert_eq!(pages(), 3);
    model.lock(&[0, 2, 3]).unwrap();
    model.unlock(&[0, 2, 3]).unwrap();
    assert_eq!(pages(), 3);
    model.unlock(&[0]).unwrap();
    assert_eq!(pages(), 2);
    // The big one alone is exactly what the limit allows.
    model.unlock(&[2, 3]).unwrap();
    assert_eq!(pages(), 0);
    model.lock(&[1]).unwrap();
    assert_eq!(pages(), 4);
    drop(model);
    assert_eq!(pages(), 0);
}
