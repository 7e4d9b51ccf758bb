//! Any bytes as an MMAP file.
#![no_main]

mod array;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| array::exercise(bytes));
