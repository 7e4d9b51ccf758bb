#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

use super::*;

fn interrupted<T>() -> io::Result<T> {
    Err(io::ErrorKind::Interrupted.into())
}

/// Allocates in a system that has time for so many bytes between two signals.
fn allocated(len: libc::off_t, time_for: libc::off_t) -> Vec<(libc::off_t, libc::off_t)> {
    let mut calls = Vec::new();
    in_stretches(len, |offset, len| {
        if len > time_for {
            return interrupted();
        }
        calls.push((offset, len));
        Ok(())
    })
    .unwrap();
    calls
}

#[test]
fn interrupted_allocations_go_on() {
    let mib = 1 << 20;
    assert_eq!(allocated(0, mib), []);
    assert_eq!(allocated(5, mib), [(0, 5)]);
    assert_eq!(allocated(100 * mib, 100 * mib), [(0, 100 * mib)]);
    assert_eq!(
        allocated(100 * mib + 1, 60 * mib),
        [(0, 50 * mib), (50 * mib, 50 * mib), (100 * mib, 1)]
    );
    let small = allocated(100 * mib, 2 * mib - 1);
    let mut end = 0;
    for (offset, len) in small {
        assert_eq!(offset, end);
        assert!(len >= mib || offset + len == 100 * mib);
        end += len;
    }
    assert_eq!(end, 100 * mib);
    // A file smaller than the least stretch.
    let mut signals = 3;
    let result = in_stretches(7, |offset, len| {
        assert_eq!((offset, len), (0, 7));
        signals -= 1;
        if signals > 0 { interrupted() } else { Ok(()) }
    });
    result.unwrap();
}

#[test]
fn other_failures_end_allocations() {
    let mut calls = 0;
    let result = in_stretches(1 << 30, |_, _| {
        calls += 1;
        match calls {
            1 => interrupted(),
            2 => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        }
    });
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(calls, 3);
}
