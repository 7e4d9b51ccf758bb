//! Many threads at once on one device: uploads share the ring, tickets go from thread to thread, and
//! a waiting thread keeps nobody from anything.
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

use std::sync::Mutex;
use std::time::Duration;

use adit_core::gpu::{Buffer, Error, Ticket, upload};
use adit_core::transfer::LoadOptions;
use gpu_tools::{PATHS, Random, all, bytes_item, get, open, put, tiny, to};

const THREADS: u64 = 8;

#[test]
fn uploads_of_many_threads_are_all_there() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let each = 300_000;
        let shared = Buffer::create(&device, THREADS * each).unwrap();
        let tickets: Mutex<Vec<Ticket>> = Mutex::default();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (device, shared, tickets) = (&device, &shared, &tickets);
                scope.spawn(move || {
                    let mut random = Random::new(thread + 1);
                    let own = Buffer::create(device, each).unwrap();
                    for round in 0..10 {
                        let len = each - random.below(5);
                        let bytes = random.bytes(len as usize);
                        let item = bytes_item(&bytes);
                        let uploads = [to(shared, thread * each, item.clone()), to(&own, 0, item)];
                        let options = LoadOptions {
                            threads: 1 + round % 2,
                            ..LoadOptions::default()
                        };
                        let (ticket, _) = upload(&uploads, &options, &mut ()).unwrap();
                        // Waited for by whoever comes.
                        tickets.lock().unwrap().push(ticket);
                        let other = tickets.lock().unwrap().pop();
                        if let Some(other) = other {
                            other.wait(None).unwrap();
                            assert!(other.is_done().unwrap());
                        }
                        assert!(get(&own, 0, bytes.len()) == bytes);
                        assert!(get(shared, thread * each, bytes.len()) == bytes);
                    }
                });
            }
        });
        for ticket in tickets.into_inner().unwrap() {
            ticket.wait(None).unwrap();
        }
    }
}

#[test]
fn waits_have_ends() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let len = 8 << 20;
        let bytes = Random::new(2).bytes(len);
        let buffer = Buffer::create(&device, len as u64).unwrap();
        for _ in 0..20 {
            let uploads = [to(&buffer, 0, bytes_item(&bytes))];
            let (ticket, _) = upload(&uploads, &LoadOptions::default(), &mut ()).unwrap();
            let seen = ticket.is_done().unwrap();
            match ticket.wait(Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(Error::Timeout) => assert!(!seen && memory == PATHS[0]),
                Err(error) => panic!("{error}"),
            }
            let other = ticket.clone();
            std::thread::spawn(move || other.wait(Some(Duration::from_secs(60))))
                .join()
                .unwrap()
                .unwrap();
            assert!(ticket.is_done().unwrap());
        }
        device.wait_idle().unwrap();
        assert!(all(&buffer) == bytes);
    }
}

#[test]
fn things_may_go_in_any_order() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let bytes = Random::new(2).bytes(4 << 20);
        for _ in 0..5 {
            let buffer = Buffer::create(&device, 4 << 20).unwrap();
            let uploads = [to(&buffer, 0, bytes_item(&bytes))];
            let (ticket, _) = upload(&uploads, &LoadOptions::default(), &mut ()).unwrap();
            // While the upload may be on its way.
            drop(uploads);
            drop(buffer);
            ticket.wait(None).unwrap();
        }
        let buffer = Buffer::create(&device, 4 << 20).unwrap();
        let uploads = [to(&buffer, 0, bytes_item(&bytes))];
        let (ticket, _) = upload(&uploads, &LoadOptions::default(), &mut ()).unwrap();
        drop(device);
        put(&buffer, 0, b"goes on").unwrap();
        assert_eq!(get(&buffer, 0, 8), [&b"goes on\0"[..]].concat());
        drop(uploads);
        drop(buffer);
        ticket.wait(None).unwrap();
    }
}
