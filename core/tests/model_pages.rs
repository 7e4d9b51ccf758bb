//! The pages of a model's tensors: fetched ahead, let go, kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]
// What is locked is told by /proc.
#![cfg(target_os = "linux")]

mod common;
mod model_tools;

use std::sync::Mutex;

use adit_core::error::{Kind, Report};
use adit_core::map::{Release, TO_END, page_size};
use adit_core::model::Model;
use common::{Folder, skip};
use model_tools::{bytes_tensor, model};

/// What this process has locked, and has mapped, is looked at by one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> impl Sized {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|held| held.into_inner())
}

/// Reads a byte of every page through the map.
fn touch(model: &Model) {
    let region = model.files()[0].region();
    for offset in (0..region.len()).step_by(page_size()) {
        let byte = region
            .slice(offset as u64, 1)
            .unwrap()
            .to_vec(0, 1)
            .unwrap();
        assert_ne!(byte[0], 0);
    }
}

/// The pages that are mapped, as their numbers.
fn resident(model: &Model) -> Vec<usize> {
    let page = page_size() as u64;
    let data = &model.files()[0];
    (0..data.len().div_ceil(page))
        .filter(|number| {
            let len = page.min(data.len() - number * page);
            data.residency(number * page, len).unwrap().resident > 0
        })
        .map(|number| number as usize)
        .collect()
}

/// The bytes that this process has had the disk read.
fn asked_of_the_disk() -> usize {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = counts.lines().find_map(|l| l.strip_prefix("read_bytes: "));
    line.map_or(0, |bytes| bytes.parse().unwrap())
}

/// Kibibytes that this process has locked, as pages.
fn locked() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmLck:"))
        .unwrap();
    let kibibytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024 / page_size()
}

/// Whether the process may lock so many bytes: none of it is read.
fn may_lock(bytes: usize) -> bool {
    // SAFETY: asks for memory of no file, at any address.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    // SAFETY: the memory just mapped.
    let locked = unsafe { libc::mlock(memory, bytes) } == 0;
    // SAFETY: the memory just mapped, which nothing refers to; its lock ends with it.
    assert_eq!(unsafe { libc::munmap(memory, bytes) }, 0);
    locked
}

/// Five tensors of so many bytes, the first one at byte 4096 of the file.
fn five(folder: &Folder, lens: [usize; 5]) -> Model {
    let names = ["a", "b", "c", "d", "e"];
    let tensors: Vec<_> = names
        .into_iter()
        .zip(lens)
        .map(|(name, len)| bytes_tensor(name, len))
        .collect();
    let (model, _) = model(folder, &tensors, page_size());
    for (index, name) in names.into_iter().enumerate() {
        assert_eq!(model.tensors().find(name.as_bytes()), Some(index));
    }
    assert_eq!(model.entry(0).unwrap().offset, page_size() as u64);
    model
}

#[test]
fn only_pages_that_no_other_tensor_shares_are_released() {
    let _alone = alone();
    let folder = Folder::new();
    let page = page_size();
    // Header: page 0. a: pages 1 to 3 and a bit of 4; b: the rest of 4, 5, half of 6; c: nothing;
    // d: the rest of 6 and the first byte of 7; e: to the end of 9.
    let bit = 100;
    let lens = [
        3 * page + bit,
        2 * page - bit + page / 2,
        0,
        page / 2 + 1,
        3 * page - 1,
    ];
    let model = five(&folder, lens);
    let all: Vec<usize> = (0..10).collect();
    let cases: [(&[usize], &[usize]); 10] = [
        (&[0], &[1, 2, 3]),
        (&[1], &[5]),
        (&[2], &[]),
        (&[3], &[]),
        (&[4], &[8, 9]),
        (&[1, 0], &[1, 2, 3, 4, 5]),
        (&[3, 1], &[5, 6]),
        (&[0, 4, 0], &[1, 2, 3, 8, 9]),
        (&[4, 3, 2, 1, 0], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (&[], &[]),
    ];
    for (given, gone) in cases {
        touch(&model);
        assert_eq!(resident(&model), all);
        let freed = model.release(given, Release::Resident).unwrap();
        assert_eq!(freed, (gone.len() * page) as u64, "{given:?}");
        let left: Vec<usize> = all
            .iter()
            .copied()
            .filter(|at| !gone.contains(at))
            .collect();
        assert_eq!(resident(&model), left, "{given:?}");
        assert_eq!(model.release(given, Release::Resident).unwrap(), 0);
    }
    touch(&model);
    let error = model.release(&[0, 5], Release::Resident).unwrap_err();
    assert_eq!(error.kind(), Kind::OutOfRange);
    assert_eq!(error.place().index, Some(5));
    assert_eq!(resident(&model), all);
    let found = model.residency(&[0, 2]).unwrap();
    assert_eq!(found.resident, (4 * page) as u64);
    assert_eq!(model.residency(&[9]).unwrap_err().kind(), Kind::OutOfRange);
}

#[test]
fn pages_of_the_cache_go_and_come_back() {
    const LEN: usize = 16 << 20;
    let _alone = alone();
    let folder = Folder::new();
    let model = five(&folder, [LEN, LEN, LEN, 12345, LEN]);
    touch(&model);
    let all = [0, 1, 2, 3, 4];
    let before = model.residency(&all).unwrap();
    assert_eq!(before.cached, before.total);
    let freed = model.release(&all, Release::PageCache).unwrap();
    if freed == 0 {
        return skip(
            "release from the page cache by tensors",
            "a target folder whose files are on a disk",
        );
    }
    // The header's piece stays, and what shares it.
    assert!(freed as usize > 4 * LEN - (4 << 20), "{freed}");
    let left = model.residency(&all).unwrap();
    assert!(left.cached < 8 << 20 && left.resident < 8 << 20, "{left:?}");

    // What was asked of the disk is counted when it is asked for, where the kernel counts it.
    let asked_before = asked_of_the_disk();
    let mut bytes = vec![std::mem::MaybeUninit::uninit(); LEN];
    let last = model.entry(4).unwrap().offset;
    model.files()[0].read(last, &mut bytes).unwrap();
    let asked_by_reading = asked_of_the_disk() - asked_before;
    // More than the kernel reads for one advice; a tensor asked for twice is no more.
    let asked_before = asked_of_the_disk();
    model.prefetch(&[2, 1, 1]).unwrap();
    let asked = asked_of_the_disk() - asked_before;
    if asked_by_reading >= LEN - (4 << 20) {
        assert!(asked >= 2 * LEN - (4 << 20), "{asked}");
        assert!(asked <= 2 * LEN + (4 << 20), "{asked}");
    } else {
        skip("prefetch by tensors", "a kernel that counts what is read");
    }
    let data = &model.files()[0];
    let end = (page_size() + LEN - (4 << 20)) as u64;
    let apart = data.residency(8 << 20, end - (8 << 20)).unwrap();
    assert_eq!(apart.cached, 0, "what wasn't asked for");
    assert_eq!(
        model.prefetch(&[0, 7]).unwrap_err().kind(),
        Kind::OutOfRange
    );
}

#[test]
fn a_page_stays_locked_until_all_are_unlocked() {
    let _alone = alone();
    let folder = Folder::new();
    let page = page_size();
    // a: page 1 and half of 2; b: the rest of 2, and 3; c: nothing; d: page 4; e: 5, 6.
    let model = five(
        &folder,
        [page + page / 2, page + page / 2, 0, page, 2 * page],
    );
    if !may_lock(7 * page) {
        return skip(
            "locked pages of tensors",
            "a limit on locked memory (ulimit -l) of 28 KiB or more",
        );
    }
    let none = locked();
    let mut steps = 0;
    let mut check = |done: adit_core::model::Result<()>, pages: usize| {
        done.unwrap();
        steps += 1;
        assert_eq!(locked(), none + pages, "step {steps}");
    };
    check(model.lock(&[0]), 2);
    check(model.lock(&[1]), 3);
    check(model.lock(&[4, 2]), 5);
    check(model.unlock(&[0]), 4);
    check(model.lock(&[0, 0]), 5);
    check(model.unlock(&[0]), 5);
    check(model.unlock(&[1, 0]), 2);
    check(model.unlock(&[2]), 2);
    for (given, index) in [(&[4, 4][..], 4), (&[4, 0], 0), (&[4, 2], 2)] {
        let error = model.unlock(given).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(error.place().index, Some(index));
        assert!(error.to_string().contains("isn't locked"), "{error}");
    }
    assert_eq!(model.lock(&[0, 5]).unwrap_err().kind(), Kind::OutOfRange);
    assert_eq!(model.unlock(&[4, 5]).unwrap_err().kind(), Kind::OutOfRange);
    check(model.lock(&[]), 2);

    // Locked pages stay where the rest is released, and the others go.
    touch(&model);
    let freed = model.release(&[0, 1, 2, 3, 4], Release::Resident).unwrap();
    assert_eq!(freed, 4 * page as u64);
    assert_eq!(resident(&model), [0, 5, 6]);
    assert_eq!(
        model.files()[0]
            .release(0, TO_END, Release::Resident)
            .unwrap(),
        page as u64
    );
    drop(model);
    assert_eq!(locked(), none);
}
