//! Loads into memory: every way of reading gives the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod transfer_tools;

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Data, HeapBytes, Io, Origin, SystemAllocator, TO_END};
use adit_core::tensor::Source;
use adit_core::transfer::{Item, LoadOptions, Loaded, load};
use transfer_tools::*;

fn options(threads: usize, io: Io, direct: bool) -> LoadOptions {
    LoadOptions {
        threads,
        io,
        direct,
        ..LoadOptions::default()
    }
}

fn in_arena(loaded: &Loaded, item: usize) -> Vec<u8> {
    let bytes = loaded.arena.tensor(item).unwrap().bytes;
    bytes.to_vec(0, bytes.len()).unwrap()
}

#[test]
fn every_way_gives_the_same() {
    let (sheet, items) = mixed();
    let wanted: Vec<Vec<u8>> = items.iter().map(|item| sheet.wanted(item)).collect();
    let total = wanted.iter().map(|bytes| bytes.len() as u64).sum();
    let sizes: Vec<usize> = wanted.iter().map(Vec::len).collect();
    let mapped = Arc::clone(&sheet.sources[0].data);
    let ways = [
        (&mapped, options(1, Io::Auto, false)),
        (&mapped, options(3, Io::Auto, false)),
        (&mapped, options(0, Io::Read, false)),
        (&mapped, options(2, Io::Map, false)),
        (&mapped, options(1, Io::Map, false)),
        (&mapped, options(1, Io::Auto, true)),
        (&mapped, options(4, Io::Auto, true)),
        (&sheet.on_the_heap(), options(2, Io::Auto, true)),
        (&sheet.in_memory(), options(2, Io::Read, false)),
    ];
    for (data, options) in ways {
        let mut own = items.clone();
        for item in &mut own {
            item.source.data = Arc::clone(data);
        }
        let mut log = Log::new();
        let loaded = load(&own, &options, &mut log).unwrap();
        log.check(items.len(), total);
        assert_eq!(loaded.stats.bytes, total, "{options:?}");
        assert!(loaded.stats.work_bytes <= 64 << 20);
        if options.threads > 0 {
            assert_eq!(loaded.stats.threads, options.threads);
        }
        let direct = options.direct && can_read_directly(data);
        assert_eq!(loaded.stats.direct_bytes > 0, direct);
        for (number, wanted) in wanted.iter().enumerate() {
            assert!(in_arena(&loaded, number) == *wanted, "{number} {options:?}");
            let tensor = loaded.arena.tensor(number).unwrap();
            assert_eq!(
                Ok(tensor.bytes.len() as u64),
                tensor.shape.bytes(tensor.dtype)
            );
            assert_eq!(tensor.bytes.as_ptr().addr() % 64, 0);
        }
        let rooms = Rooms::for_items(&mut own, &sizes);
        let loaded = load(&own, &options, &mut ()).unwrap();
        assert!(loaded.arena.bytes().is_empty() && loaded.arena.tensor(0).is_none());
        for (number, (found, wanted)) in rooms.take().iter().zip(&wanted).enumerate() {
            assert!(found == wanted, "{number} {options:?}");
        }
    }
}

#[test]
fn a_part_of_a_file_by_its_descriptor() {
    use std::os::fd::AsRawFd;
    let sheet = Sheet::new(&[given(DType::U8, &[5 << 20], 0), given(DType::F16, &[99], 0)]);
    let file = std::fs::File::open(&sheet.path).unwrap();
    let data = Data::open_descriptor(file.as_raw_fd(), 777, TO_END, &Default::default()).unwrap();
    let data = Arc::new(data);
    let source = Source {
        offset: (5 << 20) - 777 - 3,
        data,
        ..sheet.sources[1].clone()
    };
    for direct in [false, true] {
        let loaded = load(
            &[Item::new(source.clone())],
            &options(1, Io::Auto, direct),
            &mut (),
        );
        let bytes = in_arena(&loaded.unwrap(), 0);
        assert_eq!(bytes, sheet.bytes[(5 << 20) - 3..][..198]);
    }
}

#[test]
fn a_direct_read_of_a_cut_file_tells_what_was_asked_for() {
    let sheet = Sheet::new(&[given(DType::U8, &[200_000], 0)]);
    let data = Arc::clone(&sheet.sources[0].data);
    if !can_read_directly(&data) {
        return;
    }
    let direct = data.direct().unwrap();
    let memory = |size: usize| {
        let mut heap = HeapBytes::aligned(Arc::new(SystemAllocator), direct.window_align());
        heap.grow(size, &Origin::Memory).unwrap();
        heap
    };
    let (mut out, mut window) = (memory(120_000), memory(16 << 10));
    let (out, window) = (out.spare_mut(), window.spare_mut());
    let file = std::fs::OpenOptions::new().write(true).open(&sheet.path);
    file.unwrap().set_len(50_000).unwrap();
    // Where the bytes go by way of the window, and where most go to their place.
    for address in (0..4096).step_by(32) {
        let out = &mut out[address..][..100_000];
        let error = direct.read(320, out, window).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated);
        assert_eq!(error.place().offset, Some(320), "{address}");
    }
}

#[test]
fn the_arena_has_the_order_of_the_file() {
    let sheet = Sheet::new(&[
        given(DType::U8, &[100], 0),
        given(DType::U8, &[3], 0),
        given(DType::U8, &[0], 0),
        given(DType::F32, &[2], 1),
    ]);
    let mut items: Vec<Item> = sheet.sources.iter().cloned().map(Item::new).collect();
    items.reverse();
    for (align, offsets, end) in [
        (0, [192, 192, 128, 0], 200),
        (4096, [8192, 8192, 4096, 0], 8200),
    ] {
        let options = LoadOptions {
            align,
            ..LoadOptions::default()
        };
        let Loaded { arena, stats } = load(&items, &options, &mut ()).unwrap();
        assert_eq!(stats.threads, 1);
        let all = arena.bytes();
        assert_eq!((all.len(), arena.items()), (end, 4));
        assert_eq!(all.as_ptr().addr() % align.max(64), 0);
        let mut wanted = vec![0; end];
        for (number, offset) in offsets.into_iter().enumerate() {
            let tensor = arena.tensor(number).unwrap();
            let bytes = tensor.bytes;
            if !bytes.is_empty() {
                assert_eq!(bytes.as_ptr().addr() - all.as_ptr().addr(), offset);
            }
            let source = &items[number].source;
            assert_eq!((tensor.dtype, tensor.shape), (source.dtype, source.shape));
            let from = &sheet.bytes[source.offset as usize..][..bytes.len()];
            wanted[offset..offset + bytes.len()].copy_from_slice(from);
        }
        assert_eq!(all.to_vec(0, end), Some(wanted));
        assert!(arena.tensor(4).is_none());
    }
}

#[test]
fn nothing_to_load() {
    let mut log = Log::new();
    let loaded = load(&[], &LoadOptions::default(), &mut log).unwrap();
    assert_eq!(loaded.stats.bytes, 0);
    assert!(loaded.arena.bytes().is_empty());
    log.check(0, 0);
}

#[test]
fn some_to_the_arena_and_some_elsewhere() {
    let sheet = Sheet::new(&[given(DType::U8, &[70], 0), given(DType::U8, &[80], 0)]);
    let mut items: Vec<Item> = sheet.sources.iter().cloned().map(Item::new).collect();
    let rooms = Rooms::for_items(&mut items[1..], &[85]);
    let loaded = load(&items, &LoadOptions::default(), &mut ()).unwrap();
    assert_eq!(in_arena(&loaded, 0), sheet.bytes[..70]);
    assert!(loaded.arena.tensor(1).is_none());
    let room = &rooms.take()[0];
    assert_eq!(room[..80], sheet.bytes[70..]);
    assert_eq!(room[80..], [0xAA; 5]);
}
