//! A device that is lost: every call says so from then on, nothing hangs, and going is quiet.
#![cfg(all(adit_gpu, feature = "test-hooks"))]
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

use std::sync::atomic::{AtomicU32, Ordering};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, Device, Result, convert, upload};
use adit_core::transfer::{LoadOptions, Watch};
use gpu_tools::{PATHS, Random, bytes_item, get, open, put, tiny, to, try_get};

fn is_lost<T>(result: Result<T>) {
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::GpuLost, "{error}");
    assert!(error.to_string().contains("was lost"), "{error}");
}

#[test]
fn every_call_says_that_it_is_lost() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let bytes = Random::new(1).bytes(1 << 20);
        let buffer = Buffer::create(&device, 1 << 20).unwrap();
        let other = Buffer::create(&device, 1 << 20).unwrap();
        let uploads = [to(&buffer, 0, bytes_item(&bytes))];
        let (ticket, _) = upload(&uploads, &LoadOptions::default(), &mut ()).unwrap();
        assert_eq!(device.status().lost, None);
        device.lose();
        assert!(device.status().lost.is_some());
        for _ in 0..2 {
            is_lost(put(&buffer, 0, &bytes));
            is_lost(try_get(&buffer, 0, 8));
            is_lost(Buffer::create(&device, 8));
            is_lost(device.wait_idle());
            is_lost(device.sound());
            is_lost(ticket.wait(None));
            is_lost(ticket.is_done());
            is_lost(device.native());
            is_lost(buffer.native());
            let (from, to) = ((&buffer, 0, DType::F16), (&other, 0, DType::F32));
            is_lost(convert(from, to, 8));
        }
        // Another one is as if nothing were.
        let again = open(&tiny(memory)).unwrap();
        let new = Buffer::create(&again, 8).unwrap();
        put(&new, 0, &[4; 8]).unwrap();
        assert_eq!(get(&new, 0, 8), [4; 8]);
    }
}

struct Loses<'a>(&'a Device, u32);

impl Watch for Loses<'_> {
    fn progress(&mut self, _: u64, _: u64) -> bool {
        self.1 = self.1.saturating_sub(1);
        if self.1 == 0 {
            self.0.lose();
        }
        true
    }
}

#[test]
fn one_that_is_lost_in_the_middle_ends_the_upload() {
    for memory in PATHS {
        for at in [1, 2, 3, 5] {
            for threads in [1, 3] {
                let Some(device) = open(&tiny(memory)) else {
                    return;
                };
                let bytes = Random::new(1).bytes(32 << 20);
                let buffer = Buffer::create(&device, 32 << 20).unwrap();
                let uploads = [to(&buffer, 0, bytes_item(&bytes))];
                let options = LoadOptions {
                    threads,
                    ..LoadOptions::default()
                };
                is_lost(upload(&uploads, &options, &mut Loses(&device, at)));
                is_lost(put(&buffer, 0, &[1]));
            }
        }
    }
}

#[test]
fn one_that_is_lost_under_many_threads_ends_them_all() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let (begun, ended) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let buffer = Buffer::create(&device, 4 << 20).unwrap();
                    let bytes = vec![1; 4 << 20];
                    let error = loop {
                        if let Err(error) = put(&buffer, 0, &bytes) {
                            break error;
                        }
                        begun.fetch_add(1, Ordering::Relaxed);
                    };
                    ended.fetch_add(1, Ordering::Relaxed);
                    is_lost::<()>(Err(error));
                    is_lost(put(&buffer, 0, &bytes));
                });
            }
            while begun.load(Ordering::Relaxed) < 8 && ended.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            device.lose();
        });
    }
}
