//! No memory: for a buffer, for the ring, for what the card converts from. Each is an error, after
//! which the device goes on.
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

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, MemoryPath, Result, Upload};
use adit_core::transfer::Item;
use gpu_tools::{PATHS, Random, all, child, data, get, open, put, send, source, tiny, to, try_get};

const MIB: u64 = 1 << 20;

/// Leaves this process so much more address space, or all that it may have.
fn leave(bytes: Option<u64>) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is writable.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    assert_eq!(got, 0);
    let used = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: it takes a number, and gives one.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    limit.rlim_cur = bytes.map_or(limit.rlim_max, |bytes| pages * page + bytes);
    // SAFETY: the limit is readable.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    assert_eq!(set, 0);
}

fn no_memory<T>(result: Result<T>, what: &str) {
    let error = result.map(|_| ()).expect_err("there is no memory");
    assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
    assert!(error.to_string().contains(what), "{error}");
}

/// A buffer that is too large, and then one that isn't.
fn buffers() {
    for memory in PATHS {
        let device = open(&tiny(memory)).unwrap();
        let bytes = Random::new(3).bytes(100_000);
        let buffer = Buffer::create(&device, 100_000).unwrap();
        put(&buffer, 0, &bytes).unwrap();
        leave(Some(256 * MIB));
        for _ in 0..3 {
            no_memory(
                Buffer::create(&device, 1024 * MIB),
                "a buffer of 1073741824 bytes",
            );
            put(&buffer, 4, &bytes[..1001]).unwrap();
            assert_eq!(get(&buffer, 4, 1001), bytes[..1001]);
            let small = Buffer::create(&device, MIB).unwrap();
            put(&small, 0, &bytes).unwrap();
            assert!(get(&small, 0, bytes.len()) == bytes);
        }
        leave(None);
        drop(Buffer::create(&device, 1024 * MIB).unwrap());
        device.sound().unwrap();
    }
}

/// Staging buffers that don't fit, one that does, and none for conversions.
fn staging() {
    let mut options = tiny(MemoryPath::Staging);
    options.chunk_bytes = 128 * MIB;
    let device = open(&options).unwrap();
    let mut bytes = Random::new(3).bytes((1 << 20) + 5);
    bytes = bytes.repeat(190);
    let buffer = Buffer::create(&device, 400 * MIB).unwrap();
    let whole: Upload = to(&buffer, 0, gpu_tools::bytes_item(&bytes));
    let halves = data(&[0, 0x3c, 0, 0xc0]);
    let mut halves = Item::new(source(&halves, 0, DType::F16, 2));
    halves.dtype = Some(DType::F32);
    let halves = to(&buffer, 8, halves);

    leave(Some(64 * MIB));
    no_memory(
        put(&buffer, 0, b"nothing"),
        "a staging buffer of 134217728 bytes",
    );
    no_memory(
        put(&buffer, 0, b"nothing"),
        "a staging buffer of 134217728 bytes",
    );
    // Enough for one of the two.
    leave(Some(200 * MIB));
    send(std::slice::from_ref(&whole)).unwrap();
    no_memory(
        send(std::slice::from_ref(&halves)),
        "a buffer to convert from of 134217728 bytes",
    );
    put(&buffer, 0, b"something").unwrap();
    leave(None);
    assert!(get(&buffer, 12, bytes.len() - 12) == bytes[12..]);
    send(std::slice::from_ref(&halves)).unwrap();
    let mut start = b"something\0\0\0".to_vec();
    start.truncate(8);
    start.extend([1f32.to_le_bytes(), (-2f32).to_le_bytes()].concat());
    assert_eq!(all(&buffer)[..16], start);
    send(std::slice::from_ref(&whole)).unwrap();
    assert!(get(&buffer, 0, bytes.len()) == bytes);
}

/// Staging buffers of downloads that don't fit, and one of the two that does.
fn downloads() {
    let mut options = tiny(MemoryPath::Staging);
    options.chunk_bytes = 128 * MIB;
    let device = open(&options).unwrap();
    let bytes = Random::new(4).bytes((1 << 20) + 5).repeat(190);
    let buffer = Buffer::create(&device, 256 * MIB).unwrap();
    put(&buffer, 0, &bytes).unwrap();
    leave(Some(64 * MIB));
    for _ in 0..2 {
        no_memory(
            try_get(&buffer, 0, 9),
            "a staging buffer of 134217728 bytes",
        );
    }
    put(&buffer, 0, b"something").unwrap();
    // What is read takes memory too.
    leave(Some(400 * MIB));
    assert!(get(&buffer, 12, bytes.len() - 12) == bytes[12..]);
    assert_eq!(get(&buffer, 0, 12), b"something\0\0\0");
    leave(None);
    assert!(get(&buffer, 12, bytes.len() - 12) == bytes[12..]);
}

/// What a child does.
#[test]
fn child() {
    match child::part().as_deref() {
        Some("buffers") => buffers(),
        Some("staging") => staging(),
        Some("downloads") => downloads(),
        _ => {}
    }
}

#[test]
fn no_memory_for_a_buffer_is_an_error() {
    if open(&tiny(MemoryPath::Auto)).is_some() {
        child::said("buffers", &[]);
    }
}

#[test]
fn no_memory_for_staging_is_an_error() {
    if open(&tiny(MemoryPath::Auto)).is_some() {
        child::said("staging", &[]);
    }
}

#[test]
fn no_memory_for_downloads_is_an_error() {
    if open(&tiny(MemoryPath::Auto)).is_some() {
        child::said("downloads", &[]);
    }
}
