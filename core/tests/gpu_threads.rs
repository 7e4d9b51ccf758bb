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

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, DeviceOptions, Error, MemoryPath, Ticket, Upload, convert, upload};
use adit_core::transfer::{Item, LoadOptions, Watch};
use gpu_tools::{
    PATHS, Random, all, bytes_item, data, get, open, put, send, source, tiny, to, try_get,
};

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

/// wgpu panics where a wait that timed out meets another thread's that didn't.
#[test]
fn who_looks_at_a_ticket_loses_no_device() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let device = &device;
                scope.spawn(move || {
                    let bytes = Random::new(thread + 1).bytes(16 << 10);
                    let halves = Buffer::create(device, 16 << 10).unwrap();
                    let floats = Buffer::create(device, 32 << 10).unwrap();
                    put(&halves, 0, &bytes).unwrap();
                    for round in 0..500 {
                        let (from, to) = ((&halves, 0, DType::F16), (&floats, 0, DType::F32));
                        let ticket = convert(from, to, 1 << (round % 13)).unwrap();
                        match round % 3 {
                            0 => drop(ticket.is_done().unwrap()),
                            1 => match ticket.wait(Some(Duration::from_micros(50))) {
                                Ok(()) | Err(Error::Timeout) => {}
                                Err(error) => panic!("{error}"),
                            },
                            _ => ticket.wait(None).unwrap(),
                        }
                    }
                });
            }
        });
        assert_eq!(device.status().lost, None);
        device.wait_idle().unwrap();
    }
}

/// All chunks go through one scratch buffer.
#[test]
fn the_card_converts_for_many_threads() {
    for memory in PATHS {
        let options = DeviceOptions {
            chunks: 8,
            ..tiny(memory)
        };
        let Some(device) = open(&options) else {
            return;
        };
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let device = &device;
                scope.spawn(move || {
                    let mut random = Random::new(thread + 1);
                    let dtype = [DType::F16, DType::Q4_0][thread as usize % 2];
                    let (block, elements) = (dtype.block_bytes(), dtype.block_elements());
                    // More than a chunk.
                    let count = (200 << 10) / block as usize;
                    let outcome = count * elements as usize * 4;
                    let card = Buffer::create(device, outcome as u64).unwrap();
                    let host = Buffer::create(device, outcome as u64).unwrap();
                    let plain = Buffer::create(device, 100_000).unwrap();
                    for _ in 0..4 {
                        let stored = data(&random.bytes(count * block as usize));
                        let item = Item {
                            dtype: Some(DType::F32),
                            ..Item::new(source(&stored, 0, dtype, count * elements as usize))
                        };
                        let bytes = random.bytes(100_000);
                        let on_host = Upload {
                            on_host: true,
                            ..to(&host, 0, item.clone())
                        };
                        let beside = to(&plain, 0, bytes_item(&bytes));
                        send(&[to(&card, 0, item), beside]).unwrap();
                        send(&[on_host]).unwrap();
                        assert!(all(&card) == all(&host));
                        assert!(all(&plain) == bytes);
                    }
                });
            }
        });
    }
}

/// What the host writes in place is one call's at a time.
#[test]
fn bytes_that_another_call_writes_are_refused() {
    struct Meanwhile<'a>(&'a Buffer, u32);
    impl Watch for Meanwhile<'_> {
        fn progress(&mut self, done: u64, total: u64) -> bool {
            if done < total && self.1 == 0 {
                self.1 += 1;
                let same = || (put(self.0, 4096, b"abcd"), try_get(self.0, 8190, 2));
                let (put_same, got_same) =
                    std::thread::scope(|scope| scope.spawn(same).join().unwrap());
                let refused = |error: Error| {
                    assert_eq!(error.kind(), Kind::InvalidArgument);
                    assert!(error.to_string().contains("another call is"), "{error}");
                };
                refused(put_same.unwrap_err());
                refused(got_same.unwrap_err());
                // Beside them all is well.
                put(self.0, 8192, b"beside").unwrap();
                assert_eq!(try_get(self.0, 8192, 6).unwrap(), b"beside");
            }
            true
        }
    }
    let Some(device) = open(&tiny(MemoryPath::Direct)) else {
        return;
    };
    let buffer = Buffer::create(&device, 16384).unwrap();
    let bytes = Random::new(9).bytes(8192);
    let mut meanwhile = Meanwhile(&buffer, 0);
    let uploads = [to(&buffer, 0, bytes_item(&bytes))];
    upload(&uploads, &LoadOptions::default(), &mut meanwhile).unwrap();
    assert_eq!(meanwhile.1, 1);
    assert!(get(&buffer, 0, 8192) == bytes);
    assert_eq!(get(&buffer, 8192, 8), b"beside\0\0");
}

/// An upload that waited for the chunks of the one whose callback it is in would wait for ever.
#[test]
fn a_callback_of_an_upload_begins_no_other() {
    struct Begins<'a>(&'a Buffer, &'a Buffer, u32);
    impl Watch for Begins<'_> {
        fn progress(&mut self, _: u64, _: u64) -> bool {
            self.2 += 1;
            let error = put(self.0, 0, b"same").unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert!(error.to_string().contains("from a callback"), "{error}");
            put(self.1, 0, b"another").unwrap();
            assert_eq!(get(self.0, 4096, 2).len(), 2);
            true
        }
    }
    let Some(device) = open(&tiny(MemoryPath::Staging)) else {
        return;
    };
    let other = open(&tiny(MemoryPath::Staging)).unwrap();
    let buffer = Buffer::create(&device, 1 << 20).unwrap();
    let beside = Buffer::create(&other, 4096).unwrap();
    let bytes = Random::new(9).bytes(1 << 20);
    let mut begins = Begins(&buffer, &beside, 0);
    let uploads = [to(&buffer, 0, bytes_item(&bytes))];
    for _ in 0..2 {
        upload(&uploads, &LoadOptions::default(), &mut begins).unwrap();
        assert!(all(&buffer) == bytes);
    }
    assert!(begins.2 > 2);
    assert_eq!(get(&beside, 0, 7), b"another");
    put(&buffer, 0, b"over").unwrap();
}
