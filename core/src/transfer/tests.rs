//! What neither a file nor a caller can bring about: loads whose plan is wrong are internal errors,
//! and never memory that nobody wrote.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::error::Result;
use super::feed::feed;
use super::item::{Destination, Item, Room};
use super::load::{LoadOptions, load_planned};
use super::pack::Slots;
use super::plan::Plan;
use super::sink::{Part, Sink};
use crate::dtype::DType;
use crate::error::{Kind, Report};
use crate::kernel::Stores;
use crate::map::{BytesOwner, Data, Region};
use crate::tensor::{Shape, Source};

const LEN: usize = 4 << 20;

struct Noughts(Vec<u8>);

// SAFETY: the vector's bytes stay where they are.
unsafe impl BytesOwner for Noughts {
    fn region(&self) -> Region<'_> {
        // SAFETY: the vector's bytes live as long as the borrow, and nobody writes them.
        unsafe { Region::new(self.0.as_ptr(), self.0.len()) }
    }
}

/// Two items, and their plan for so many threads.
fn planned(threads: usize) -> (Vec<Item>, Plan) {
    let data = Arc::new(Data::lent(Box::new(Noughts(vec![0; 2 * LEN]))));
    let item = |offset: usize| {
        Item::new(Source {
            data: Arc::clone(&data),
            offset: offset as u64,
            dtype: DType::U8,
            shape: Shape::new(&[LEN as i64]).unwrap(),
        })
    };
    let items = vec![item(0), item(LEN)];
    let options = LoadOptions {
        threads,
        ..LoadOptions::default()
    };
    let plan = Plan::new(&items, &options, usize::MAX).unwrap();
    assert_eq!(plan.threads, threads);
    (items, plan)
}

fn is_internal<T: std::fmt::Debug>(result: Result<T>, text: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.to_string().contains("a bug in adit"), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

/// Makes the next look at item 1's pieces panic, wherever that is.
fn spoil(plan: &mut Plan) {
    plan.jobs[1].unit_in = 0;
}

#[test]
fn a_panic_between_pieces_is_an_error() {
    for threads in [2, 3] {
        let (items, mut plan) = planned(threads);
        spoil(&mut plan);
        is_internal(load_planned(&items, &plan, &mut ()), "divide by zero");
    }
}

#[test]
fn an_item_without_pieces_is_an_error() {
    for threads in [1, 2] {
        let (mut items, mut plan) = planned(threads);
        plan.order.pop();
        let result = load_planned(&items, &plan, &mut ());
        is_internal(result, "an item without a room");
        let mut memory = vec![0u8; 2 * LEN];
        for (item, room) in items.iter_mut().zip(memory.chunks_mut(LEN)) {
            // SAFETY: the vector's bytes, which nobody uses during the load.
            let room = unsafe { Room::new(room.as_mut_ptr(), LEN as u64) };
            item.destination = Destination::Given(room);
        }
        let result = load_planned(&items, &plan, &mut ());
        is_internal(result, "a part of an item was not filled");
    }
}

#[test]
fn a_job_of_no_file_is_an_error() {
    for threads in [1, 2] {
        let (items, mut plan) = planned(threads);
        plan.jobs[1].file = 7;
        is_internal(load_planned(&items, &plan, &mut ()), "a piece of no file");
    }
}

#[test]
fn large_loads_pass_by_the_caches_where_memory_was_given() {
    let (mut items, _) = planned(1);
    // SAFETY: nothing is loaded.
    let room = unsafe { Room::new(std::ptr::dangling_mut(), LEN as u64) };
    items[1].destination = Destination::Given(room);
    for (times, given) in [(1, Stores::Auto.over(2 * LEN)), (16, Stores::Streaming)] {
        let items: Vec<Item> = items.iter().cycle().take(2 * times).cloned().collect();
        let plan = Plan::new(&items, &LoadOptions::default(), usize::MAX).unwrap();
        let stores: Vec<Stores> = plan.jobs.iter().map(|job| job.stores).collect();
        assert_eq!(stores, [Stores::Auto, given].repeat(times));
    }
}

const SLOTS: Slots = Slots {
    count: 4,
    bytes: 1 << 20,
    align: 1,
    packs: false,
};

/// Slots that are copied nowhere; counts the copies that nobody waited for.
struct Nowhere {
    slots: Vec<Vec<u8>>,
    on_their_way: usize,
}

impl Nowhere {
    fn new() -> Nowhere {
        let slots = vec![vec![0; 1 << 20]; 4];
        let on_their_way = 0;
        Nowhere {
            slots,
            on_their_way,
        }
    }
}

// SAFETY: the slots' memory stays where it is, and is used by nobody else.
unsafe impl Sink for Nowhere {
    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn slot_bytes(&self) -> usize {
        self.slots[0].len()
    }

    fn acquire(&mut self, slot: usize) -> std::result::Result<*mut u8, i32> {
        Ok(self.slots[slot].as_mut_ptr())
    }

    fn submit(&mut self, _: usize, _: &[Part]) -> std::result::Result<(), i32> {
        self.on_their_way += 1;
        Ok(())
    }

    fn wait(&mut self, _: usize) -> std::result::Result<(), i32> {
        self.on_their_way -= 1;
        Ok(())
    }
}

#[test]
fn a_sink_is_left_in_order() {
    for threads in [1, 2] {
        let (_items, mut plan) = planned(threads);
        plan.order.pop();
        let mut sink = Nowhere::new();
        let fed = feed(&plan, SLOTS, &mut sink, &mut ());
        is_internal(fed, "a part of an item was not filled");
        assert_eq!(sink.on_their_way, 0);
        let (_items, mut plan) = planned(threads);
        plan.jobs[1].run_units = 0;
        let mut sink = Nowhere::new();
        let call = || feed(&plan, SLOTS, &mut sink, &mut ());
        let result = catch_unwind(AssertUnwindSafe(call));
        // A panic in the caller's thread goes to the caller.
        match threads {
            1 => assert!(result.is_err()),
            _ => is_internal(result.unwrap(), "divide by zero"),
        }
        assert_eq!(sink.on_their_way, 0);
    }
}
