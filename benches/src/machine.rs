//! What the numbers were measured on.

use std::ffi::{CStr, CString};
use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;

use crate::{Context, PEERS, Result, adit};

/// Prints machine, builds and rounds.
pub fn describe(context: &Context) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("# CPU: {}, {cores} cores online", cpu());
    println!("# kernel: {}; {}", kernel(), libc());
    println!("# ours: {}", adit::build_info());
    println!(
        "# peers: {}; {}, in this program with fat LTO",
        PEERS.join(", "),
        env!("BENCH_RUSTC")
    );
    #[cfg(feature = "heavy-peers")]
    println!("# heavy peers: {}", crate::CANDLE);
    println!(
        "# {} rounds a measure after one uncounted; load {}; files in {}",
        context.rounds,
        read("/proc/loadavg"),
        context.scratch.folder().display()
    );
    if cfg!(debug_assertions) {
        println!("# a debug build: the peer's numbers mean nothing");
    }
    println!(
        "# RATIO\tname\tours\tpeer\tratio, above 1 where ours is faster\tpeer's name, version"
    );
}

fn cpu() -> String {
    let info = read("/proc/cpuinfo");
    let field = |name| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value)
    };
    let (model, number) = (field("model name"), field("model\t"));
    format!("{model} (family {}, model {number})", field("cpu family"))
}

/// The kernel's name and release.
#[must_use]
pub fn kernel() -> String {
    format!("Linux {}", read("/proc/sys/kernel/osrelease"))
}

/// The C library, whose `memcpy` is a peer.
#[must_use]
pub fn libc() -> String {
    // SAFETY: no preconditions.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: glibc gives a static string.
    let version = unsafe { CStr::from_ptr(version) };
    format!("glibc {}", version.to_string_lossy())
}

/// Bytes of memory that programs can have, and so files' pages too.
#[must_use]
pub fn free_memory() -> u64 {
    let info = read("/proc/meminfo");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes << 10)
}

/// Bytes that files in a folder can have.
///
/// # Errors
/// The system's.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let path = CString::new(folder.as_os_str().as_encoded_bytes())?;
    let mut room = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a live string and room for the struct.
    let status = unsafe { libc::statvfs(path.as_ptr(), room.as_mut_ptr()) };
    if status != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: zeros are numbers, and statvfs filled it.
    let room = unsafe { room.assume_init() };
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}
