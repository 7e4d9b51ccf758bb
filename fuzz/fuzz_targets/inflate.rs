//! Any bytes as a compressed file, decompressed under a cap.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;

use adit_core::map::{Backend, Data, DataOptions, TO_END};
use libfuzzer_sys::fuzz_target;

const CAP: u64 = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<File> = RefCell::new(scratch());
}

/// A file without a name.
fn scratch() -> File {
    let path = std::env::temp_dir().join(format!("adit-fuzz-inflate-{}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .expect("a writable folder for temporary files");
    std::fs::remove_file(&path).expect("the file just made");
    file
}

fuzz_target!(|bytes: &[u8]| {
    SCRATCH.with_borrow_mut(|file| {
        file.set_len(0).expect("room");
        file.rewind().expect("a file that seeks");
        file.write_all(bytes).expect("room");
        for backend in [Backend::Map, Backend::Read] {
            let options = DataOptions {
                backend,
                decompress: Some(CAP),
                ..DataOptions::default()
            };
            match Data::open_descriptor(file.as_raw_fd(), 0, TO_END, &options) {
                Ok(data) => {
                    assert!(data.len() <= CAP || data.len() == bytes.len() as u64);
                    let region = data.region();
                    assert!(region.to_vec(0, region.len()).is_some());
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    });
});
