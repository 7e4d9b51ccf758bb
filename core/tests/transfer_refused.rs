//! Loads that are refused before anything is written.
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
use adit_core::error::{Kind, Place, Report};
use adit_core::map::{BytesOwner, Data, Region};
use adit_core::tensor::{Shape, Source};
use adit_core::transfer::{Destination, Item, LoadOptions, MAX_ALIGN, MIN_BUDGET, Room, load};
use transfer_tools::*;

#[test]
fn refused() {
    let sheet = Sheet::new(&[given(DType::Q8_0, &[2, 64], 3), given(DType::F32, &[4], 0)]);
    let items = items_of(&sheet);
    let refuse = |items: &[Item], options: &LoadOptions, kind, place: Place, text: &str| {
        let error = load(items, options, &mut ()).unwrap_err();
        assert_eq!((error.kind(), error.place()), (kind, place), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    let at = |item: u64, offset: Option<u64>| Place {
        path: Some(sheet.path.clone()),
        offset,
        index: Some(item),
    };
    let no_file = |item: Option<u64>| Place {
        index: item,
        ..Place::default()
    };
    let plain = LoadOptions::default();
    let changed = |change: fn(&mut Item)| {
        let mut items = items.clone();
        change(&mut items[0]);
        items
    };
    let cut = changed(|item| item.slice = part(None, Some((16, 32))));
    refuse(
        &cut,
        &plain,
        Kind::Shape,
        at(0, Some(3)),
        "q8_0's blocks of 32",
    );
    let cut = changed(|item| item.slice = part(Some((1, 3)), None));
    refuse(
        &cut,
        &plain,
        Kind::OutOfRange,
        at(0, Some(3)),
        "rows 1 to 3",
    );
    let turned = changed(|item| item.dtype = Some(DType::I32));
    refuse(
        &turned,
        &plain,
        Kind::DType,
        at(0, None),
        "from q8_0 to i32",
    );
    let outside = changed(|item| item.source.offset = 20);
    refuse(
        &outside,
        &plain,
        Kind::OutOfRange,
        at(0, Some(20)),
        "item 0: ",
    );
    let outside = changed(|item| item.source.offset = u64::MAX - 3);
    let far = Some(u64::MAX - 3);
    refuse(&outside, &plain, Kind::OutOfRange, at(0, far), "item 0: ");

    let mut small = items.clone();
    let _rooms = Rooms::for_items(&mut small, &[136, 15]);
    let error = "item 1 needs 16 bytes, but its memory has 15";
    refuse(&small, &plain, Kind::OutOfRange, no_file(Some(1)), error);
    let mut same = items.clone();
    let _rooms = Rooms::for_items(&mut same[..1], &[136]);
    if let Destination::Given(room) = same[0].destination {
        // SAFETY: the rest of item 0's room.
        let rest = unsafe { Room::new(room.start().wrapping_add(135), 16) };
        same[1].destination = Destination::Given(rest);
    }
    let error = "the memory for item 1 overlaps that for item 0";
    refuse(
        &same,
        &plain,
        Kind::InvalidArgument,
        no_file(Some(1)),
        error,
    );
    let mut null = items.clone();
    // SAFETY: refused before anything is written.
    let nowhere = unsafe { Room::new(std::ptr::null_mut(), 136) };
    null[0].destination = Destination::Given(nowhere);
    let error = "the memory for item 0 is null";
    refuse(
        &null,
        &plain,
        Kind::InvalidArgument,
        no_file(Some(0)),
        error,
    );
    let mut own = items.clone();
    let inside = own[0].source.data.region().as_ptr().wrapping_add(100);
    // SAFETY: as above.
    let inside = unsafe { Room::new(inside.cast_mut(), 200) };
    own[1].destination = Destination::Given(inside);
    own.remove(0);
    let inside = "overlaps the bytes that it is loaded from";
    refuse(
        &own,
        &plain,
        Kind::InvalidArgument,
        no_file(Some(0)),
        inside,
    );

    let budget = LoadOptions {
        budget: MIN_BUDGET - 1,
        ..plain.clone()
    };
    refuse(
        &items,
        &budget,
        Kind::InvalidArgument,
        no_file(None),
        "a budget of 1048575",
    );
    for align in [3, 2 * MAX_ALIGN] {
        let options = LoadOptions {
            align,
            ..plain.clone()
        };
        refuse(
            &items,
            &options,
            Kind::InvalidArgument,
            no_file(None),
            "alignment",
        );
    }
}

/// The 100 bytes in the middle of 300.
struct Middle(*const u8);

// SAFETY: only an address of memory that outlives its user.
unsafe impl Send for Middle {}
// SAFETY: as for Send.
unsafe impl Sync for Middle {}

// SAFETY: the memory outlives every load, and isn't written.
unsafe impl BytesOwner for Middle {
    fn region(&self) -> Region<'_> {
        // SAFETY: as above.
        unsafe { Region::new(self.0.wrapping_add(100), 100) }
    }
}

#[test]
fn memory_that_another_item_comes_from() {
    let mut memory = noise(5, 300);
    let before = memory.clone();
    let start = memory.as_mut_ptr();
    let middle = Arc::new(Data::lent(Box::new(Middle(start))));
    let sheet = Sheet::new(&[given(DType::U8, &[40], 0), given(DType::U8, &[40], 0)]);
    let mut items = items_of(&sheet);
    // Its bytes come before the room, or after, in the same data.
    for offset in [0, 99] {
        items.push(Item::new(Source {
            data: Arc::clone(&middle),
            offset,
            dtype: DType::U8,
            shape: Shape::new(&[1]).unwrap(),
        }));
    }
    for (at, taken) in [
        (60, false),
        (61, true),
        (150, true),
        (199, true),
        (200, false),
    ] {
        for other in [0, 250] {
            for (item, at) in items.iter_mut().zip([at, other]) {
                // SAFETY: nobody uses the memory but the load, and its pointer is used for all.
                let room = unsafe { Room::new(start.wrapping_add(at), 40) };
                item.destination = Destination::Given(room);
            }
            let result = load(&items, &LoadOptions::default(), &mut ());
            if !taken {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert_eq!(error.place().index, Some(0));
            let text = "the memory for item 0 overlaps the bytes that item 2 is loaded from";
            assert_eq!(error.to_string(), text);
        }
    }
    assert_eq!(memory[100..200], before[100..200]);
}
