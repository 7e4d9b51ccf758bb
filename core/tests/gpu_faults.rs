//! What can't be uploaded, and what goes wrong on the way: each is told with its place, and the
//! device goes on.
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

use std::fs::OpenOptions;
use std::path::Path;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, Error, MemoryPath, Result, Upload, upload};
use adit_core::map::{DataOptions, Io};
use adit_core::transfer::{Destination, Item, LoadOptions, Room, Watch};
use common::Folder;
use gpu_tools::{
    PATHS, Random, all, bytes_item, data, file, open, put, send, source, tiny, to, try_get,
};

/// The error of an upload, which must be of this kind, name this item, and say this.
fn refused(result: Result<()>, kind: Kind, item: Option<u64>, says: &[&str]) {
    let error = result.expect_err("refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.place().index, item, "{error}");
    for text in says {
        assert!(error.to_string().contains(text), "'{text}' in: {error}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let other = open(&tiny(memory)).unwrap();
        let buffer = Buffer::create(&device, 100).unwrap();
        let foreign = Buffer::create(&other, 100).unwrap();
        put(&buffer, 0, &[7; 100]).unwrap();
        let item = |len: usize| bytes_item(&vec![1; len]);
        let wrong = Kind::InvalidArgument;

        let says = ["item 0", "byte 2", "multiples of 4"];
        refused(send(&[to(&buffer, 2, item(4))]), wrong, Some(0), &says);
        let says = ["bytes 4 to 101", "100"];
        refused(
            send(&[to(&buffer, 4, item(97))]),
            Kind::OutOfRange,
            Some(0),
            &says,
        );
        let end = u64::MAX - 3;
        let far = send(&[to(&buffer, 0, item(1)), to(&buffer, end, item(8))]);
        refused(far, Kind::OutOfRange, Some(1), &["outside", "100"]);
        let far = send(&[to(&buffer, end, item(0))]);
        refused(far, Kind::OutOfRange, Some(0), &["outside"]);

        // Where the last word is filled up counts too.
        let meet = [
            to(&buffer, 8, item(4)),
            to(&buffer, 4, item(4)),
            to(&buffer, 0, item(5)),
        ];
        refused(
            send(&meet),
            wrong,
            Some(2),
            &["item 2", "overlaps", "item 1"],
        );
        let beside = [
            to(&buffer, 4, item(4)),
            to(&buffer, 0, item(0)),
            to(&buffer, 0, item(3)),
        ];
        send(&beside).unwrap();
        assert_eq!(all(&buffer)[..9], [1, 1, 1, 0, 1, 1, 1, 1, 7]);

        let two = [to(&buffer, 0, item(4)), to(&foreign, 0, item(4))];
        refused(send(&two), wrong, Some(1), &["item 1", "another device"]);
        refused(send(&[]), wrong, None, &["no items"]);
        let mut room = [0u8; 4];
        let mut own = item(4);
        // SAFETY: four bytes, which nobody uses.
        own.destination = Destination::Given(unsafe { Room::new(room.as_mut_ptr(), 4) });
        refused(
            send(&[to(&buffer, 0, own)]),
            wrong,
            Some(0),
            &["memory of its own"],
        );
        let mut converted = Item::new(source(&data(&[0; 18]), 0, DType::Q4_0, 32));
        converted.dtype = Some(DType::I64);
        let result = send(&[to(&buffer, 0, item(4)), to(&buffer, 8, converted)]);
        refused(result, Kind::DType, Some(1), &["item 1"]);

        for (at, len) in [(0, 101), (101, 0), (u64::MAX, 1), (u64::MAX, 0)] {
            let error = try_get(&buffer, at, len).unwrap_err();
            assert_eq!(error.kind(), Kind::OutOfRange);
            assert!(error.to_string().contains("a download"), "{error}");
        }
        let limit = device.info().limits.buffer_bytes;
        let error = Buffer::create(&device, limit + 1).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
        let says = error.to_string();
        assert!(says.contains(&(limit & !3).to_string()), "{says}");
        assert!(says.contains(&device.info().name), "{says}");
        for size in [u64::MAX, u64::MAX - 3, 1 << 63] {
            assert_eq!(
                Buffer::create(&device, size).unwrap_err().kind(),
                Kind::OutOfRange
            );
        }
    }
}

#[test]
fn rings_have_bounds() {
    if open(&tiny(MemoryPath::Staging)).is_none() {
        return;
    }
    for (bytes, chunks, says) in [
        (4096, 2, "4096 bytes"),
        ((64 << 10) + 1, 2, "65537 bytes"),
        ((256 << 20) + 4096, 2, "268439552 bytes"),
        (64 << 10, 1, "1 staging"),
        (64 << 10, 65, "65 staging"),
    ] {
        let mut options = tiny(MemoryPath::Staging);
        options.chunk_bytes = bytes;
        options.chunks = chunks;
        let error = adit_core::gpu::Device::open(&options).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_file_that_was_cut_is_an_error_and_the_device_goes_on() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        for (io, threads) in [(Io::Read, 1), (Io::Read, 3), (Io::Map, 1), (Io::Auto, 2)] {
            let folder = Folder::new();
            let len = 1 << 20;
            let bytes = Random::new(1).bytes(len);
            let path = folder.file("cut.bin", &bytes);
            let data = file(&path, &DataOptions::default());
            let buffer = Buffer::create(&device, 2 << 20).unwrap();
            let item = || Item::new(source(&data, 0, DType::U8, len));
            let options = LoadOptions {
                threads,
                io,
                ..LoadOptions::default()
            };
            let go = || -> Result<()> {
                let two = [
                    to(&buffer, 1 << 20, bytes_item(&[1; 9])),
                    to(&buffer, 0, item()),
                ];
                let (ticket, _) = upload(&two, &options, &mut ())?;
                ticket.wait(None)
            };
            go().unwrap();
            assert!(all(&buffer)[..len] == bytes);
            let cut = OpenOptions::new().write(true).open(&path).unwrap();
            cut.set_len(300_001).unwrap();
            let error = go().unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{error}");
            assert_eq!(error.place().path.as_deref(), Some(&*path), "{error}");
            assert_eq!(error.place().index, Some(1), "{error}");
            put(&buffer, 4, b"still here").unwrap();
            assert_eq!(all(&buffer)[4..14], *b"still here");
        }
    }
}

/// Cuts a file once a part of it is there.
struct Cuts<'a>(&'a Path);

impl Watch for Cuts<'_> {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        if done > 0 {
            let file = OpenOptions::new().write(true).open(self.0).unwrap();
            file.set_len(4096).unwrap();
        }
        true
    }
}

#[test]
fn a_file_that_is_cut_meanwhile_is_an_error() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        for threads in [1, 3] {
            let folder = Folder::new();
            let len = 64 << 20;
            let path = folder.file("cut.bin", &vec![1; len]);
            let data = file(&path, &DataOptions::default());
            let buffer = Buffer::create(&device, len as u64).unwrap();
            let item = Item::new(source(&data, 0, DType::U8, len));
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let error = upload(&[to(&buffer, 0, item)], &options, &mut Cuts(&path)).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{error}");
            assert_eq!(error.place().path.as_deref(), Some(&*path), "{error}");
            put(&buffer, 4, b"still here").unwrap();
            assert_eq!(all(&buffer)[4..14], *b"still here");
        }
    }
}

/// Ends the load at the `left`-th call.
struct Until {
    left: usize,
    progress: Vec<u64>,
    items: Vec<usize>,
}

impl Watch for Until {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        self.progress.push(done);
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn item_done(&mut self, item: usize) -> bool {
        self.items.push(item);
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

#[test]
fn an_upload_ends_wherever_the_caller_says() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let mut random = Random::new(5);
        let len = 20 << 20;
        let bytes = random.bytes(len);
        let buffer = Buffer::create(&device, 2 * len as u64).unwrap();
        let uploads = [
            to(&buffer, 0, bytes_item(&bytes)),
            to(&buffer, len as u64, bytes_item(&[3; 1001])),
        ];
        for threads in [1, 3] {
            let options = LoadOptions {
                threads,
                ..LoadOptions::default()
            };
            let go = |left| {
                let mut watch = Until {
                    left,
                    progress: Vec::new(),
                    items: Vec::new(),
                };
                (upload(&uploads, &options, &mut watch).map(|_| ()), watch)
            };
            let (done, watch) = go(usize::MAX);
            done.unwrap();
            let mut items = watch.items.clone();
            items.sort_unstable();
            assert_eq!(items, [0, 1]);
            assert!(watch.progress.is_sorted());
            // The start, pieces of memory too, the end.
            assert!(watch.progress.len() > 3, "{memory:?} {:?}", watch.progress);
            assert_eq!(watch.progress.first(), Some(&0));
            assert_eq!(watch.progress.last(), Some(&(len as u64 + 1001)));
            let calls = watch.progress.len() + watch.items.len();
            for left in (1..calls).step_by(1 + calls / 40) {
                let (ended, watch) = go(left);
                assert!(matches!(
                    ended,
                    Err(Error::Transfer(adit_core::transfer::Error::Cancelled))
                ));
                assert_eq!(watch.progress.len() + watch.items.len(), left);
            }
        }
        put(&buffer, 0, &bytes).unwrap();
        assert!(all(&buffer)[..len] == bytes);
    }
}

/// Panics in the middle.
struct Panics(u32);

impl Watch for Panics {
    fn progress(&mut self, _: u64, _: u64) -> bool {
        self.0 -= 1;
        assert!(self.0 > 0, "the caller's own");
        true
    }
}

#[test]
fn a_panic_of_the_callers_leaves_all_in_order() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let len = 20 << 20;
        let bytes = Random::new(5).bytes(len);
        let buffer = Buffer::create(&device, len as u64).unwrap();
        let uploads: [Upload; 1] = [to(&buffer, 0, bytes_item(&bytes))];
        for _ in 0..4 {
            let call = || upload(&uploads, &LoadOptions::default(), &mut Panics(3));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
            assert!(caught.is_err());
        }
        // All of the ring is there.
        send(&uploads).unwrap();
        assert!(all(&buffer) == bytes);
    }
}
