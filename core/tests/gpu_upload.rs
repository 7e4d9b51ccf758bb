//! Uploads, by both ways into a buffer, against the bytes that were sent.
#![cfg(adit_gpu)]
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

use adit_core::gpu::{Buffer, upload};
use adit_core::transfer::LoadOptions;
use gpu_tools::{PATHS, Random, all, bytes_item, get, open, put, send, tiny, to};

#[test]
fn what_is_sent_is_there() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let mut random = Random::new(7);
        for len in [1, 3, 4, 5, 1000, 65_535, 65_536, 65_537, 1_000_003] {
            let bytes = random.bytes(len);
            let buffer = Buffer::create(&device, len as u64).unwrap();
            assert!(
                all(&buffer).iter().all(|&byte| byte == 0),
                "{memory:?} {len}"
            );
            put(&buffer, 0, &bytes).unwrap();
            assert!(all(&buffer) == bytes, "{memory:?} {len}");
        }
    }
}

#[test]
fn many_go_at_once_and_nothing_else_changes() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let mut random = Random::new(9);
        for round in 0..20 {
            let size = 1 + random.below(600_000);
            let buffers: Vec<Buffer> = (0..2)
                .map(|_| Buffer::create(&device, size).unwrap())
                .collect();
            let mut model = Vec::new();
            for buffer in &buffers {
                let old = random.bytes(size as usize);
                put(buffer, 0, &old).unwrap();
                model.push(old);
            }
            let mut uploads = Vec::new();
            for (buffer, model) in buffers.iter().zip(&mut model) {
                let mut at = random.below(64) * 4;
                while at < size {
                    let most = if random.below(4) == 0 { 200_000 } else { 300 };
                    let len = random.below(most).min(size - at) as usize;
                    let bytes = random.bytes(len);
                    uploads.push(to(buffer, at, bytes_item(&bytes)));
                    let start = at as usize;
                    model[start..start + len].copy_from_slice(&bytes);
                    at = (at + len as u64).next_multiple_of(4);
                    let padding = start + len..(at as usize).min(model.len());
                    model[padding].fill(0);
                    at += random.below(3) * 4;
                }
            }
            // The order of a call's items is nobody's business.
            for number in (1..uploads.len()).rev() {
                uploads.swap(number, random.below(number as u64 + 1) as usize);
            }
            if uploads.is_empty() {
                continue;
            }
            let threads = random.below(4) as usize;
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let (ticket, stats) = upload(&uploads, &options, &mut ()).unwrap();
            ticket.wait(None).unwrap();
            let sent: u64 = uploads
                .iter()
                .map(|upload| upload.item.output(0).unwrap().bytes)
                .sum();
            assert_eq!(stats.bytes, sent);
            for (buffer, model) in buffers.iter().zip(&model) {
                assert!(all(buffer) == *model, "{memory:?} {round}");
            }
        }
    }
}

#[test]
fn parts_are_read_back_from_any_byte() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let bytes = Random::new(3).bytes(300_001);
        let buffer = Buffer::create(&device, 300_001).unwrap();
        put(&buffer, 0, &bytes).unwrap();
        for (at, len) in [
            (0, 0),
            (1, 1),
            (2, 5),
            (65_533, 7),
            (3, 299_998),
            (300_001, 0),
        ] {
            assert_eq!(get(&buffer, at, len), bytes[at as usize..at as usize + len]);
        }
    }
}

#[test]
fn nothing_is_sent_of_items_without_elements() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let empty = Buffer::create(&device, 0).unwrap();
        let full = Buffer::create(&device, 8).unwrap();
        put(&full, 0, &[5; 8]).unwrap();
        let uploads = [
            to(&empty, 0, bytes_item(&[])),
            to(&full, 8, bytes_item(&[])),
        ];
        send(&uploads).unwrap();
        send(&uploads[1..]).unwrap();
        assert!(all(&empty).is_empty());
        assert_eq!(all(&full), [5; 8]);
    }
}
