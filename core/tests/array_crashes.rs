//! Making, saving and growing arrays on the simulated disk, interrupted at every call.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod array_tools;
mod common;
mod crash;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use adit_core::array::{Array, ArrayOptions, Creation, Error, Format, Result};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::map::{Access, Storage};
use adit_core::tensor::Shape;
use array_tools::*;
use common::{go_on, strided};
use crash::{Fault, Findings, Image, Outcome, ensure, explore};

fn path() -> &'static Path {
    Path::new("/data/a.npy")
}

fn old() -> Vec<u8> {
    npy("|u1", false, &[1500], &noise(1500))
}

/// The path holds all of the old bytes or all of the new ones, and these once that was said; where
/// the process lives on, nothing else is left.
fn whole(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    before: Option<&[u8]>,
    after: &[u8],
) -> std::result::Result<(), String> {
    let found = image.contents(path());
    let is_new = found.as_deref() == Some(after);
    ensure(is_new || found.as_deref() == before, || {
        format!("{:?} bytes, neither old nor new", found.map(|f| f.len()))
    })?;
    ensure(is_new || !outcome.acknowledged(), || {
        "made, but not there".to_owned()
    })?;
    if outcome.image != Image::Live {
        return Ok(());
    }
    let others = image.names().iter().filter(|name| *name != path()).count();
    ensure(others == 0, || format!("{:?} are left over", image.names()))?;
    let renamed = outcome.disturbed().starts_with("sync folder");
    ensure(!is_new || renamed || outcome.result.is_ok(), || {
        "an error, but the new file stands there".to_owned()
    })
}

/// Explores a scenario that puts `after` at the path, over an old file and over none.
fn appears(after: &[u8], make: impl Fn(&Arc<dyn Storage>) -> Result<()>) -> u64 {
    let mut calls = 0;
    for before in [None, Some(old())] {
        let explored = |plant: fn(&SimStorage)| {
            explore(
                |disk| {
                    if let Some(before) = &before {
                        disk.put_durable(path(), before);
                    }
                    plant(disk);
                },
                |storage| make(&storage),
                |image, outcome| whole(image, outcome, before.as_deref(), after),
            )
        };
        let findings = explored(|_| {});
        findings.assert_sound();
        calls = findings.calls;
        explored(SimStorage::ignore_sync).assert_caught();
        explored(SimStorage::ignore_folder_sync).assert_caught();
    }
    calls
}

#[test]
fn a_created_array_appears_whole_or_not_at_all() {
    for (format, dims) in [
        (Format::Npy, &[40, 50][..]),
        (Format::Npy, &[]),
        (Format::Mmap, &[2, 3]),
    ] {
        let zeros = vec![0; dims.iter().product::<i64>() as usize * 4];
        let unsigned: Vec<u64> = dims.iter().map(|&dim| dim as u64).collect();
        let after = match format {
            Format::Npy => npy("<i4", false, dims, &zeros),
            Format::Mmap => mmap(3, &unsigned, &zeros),
        };
        let calls = appears(&after, |storage| {
            let how = Creation {
                format,
                ..Creation::default()
            };
            let shape = Shape::new(dims).unwrap();
            let array = Array::create(storage, path(), &how, DType::I32, shape)?;
            assert_eq!(raw(&array), zeros);
            Ok(())
        });
        // create, allocate, header, sync, rename, folder sync
        assert_eq!(calls, 6);
    }
}

#[test]
fn a_copied_tensor_appears_whole_or_not_at_all() {
    let data = noise(60 * 50 * 2);
    let dims = [50, 60];
    let elements = part_of(&data, 2, &[1, 50], &[0, 0], &dims);
    let after = npy("<i2", false, &dims, &elements);
    appears(&after, |storage| {
        let view = strided(&data, DType::I16, &dims, &[1, 50]).unwrap();
        let how = Creation::default();
        let array = Array::create_from(storage, path(), &how, &view, &mut go_on)?;
        assert_eq!(raw(&array), elements);
        Ok(())
    });
}

#[test]
fn a_saved_array_appears_whole_or_not_at_all() {
    let file = npy(">u2", true, &[30, 50], &noise(3000));
    let array = from_bytes(&file).unwrap();
    let calls = appears(&file, |storage| {
        array.save_as(storage, path(), None, false, &mut go_on)
    });
    // create, allocate, header, elements, sync, rename, folder sync
    assert_eq!(calls, 7);
}

#[test]
fn a_changed_array_is_saved_over_itself_whole_or_not_at_all() {
    let data = noise(5000);
    let before = npy("|u1", false, &[5000], &data);
    let mut changed = data.clone();
    changed[100..110].fill(0xEE);
    let after = npy("|u1", false, &[5000], &changed);
    let findings = explore(
        |disk| disk.put_durable(path(), &before),
        |storage| {
            let options = options(Access::CopyOnWrite);
            let array = Array::open_in(&storage, path(), &options)?;
            let start = array.as_mut_ptr()?;
            // SAFETY: the 5000 elements are writable, and nobody else's.
            unsafe { start.wrapping_add(100).write_bytes(0xEE, 10) };
            array.save_as(&storage, path(), None, false, &mut go_on)?;
            assert_eq!(all(&array), changed);
            Ok(())
        },
        |image, outcome| whole(image, outcome, Some(&before), &after),
    );
    findings.assert_sound();
}

#[test]
fn a_cancelled_copy_leaves_nothing() {
    let data = noise(3 << 20);
    for at in [0, 1, 2, 3] {
        let disk = SimStorage::new();
        disk.put_durable(path(), &old());
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let view = strided(&data, DType::U8, &[3 << 20, 2], &[1, 0]).unwrap();
        let how = Creation::default();
        let mut told = Vec::new();
        let result = Array::create_from(&storage, path(), &how, &view, &mut |done, total| {
            told.push((done, total));
            told.len() <= at
        });
        if at < 3 {
            assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
            assert_eq!(disk.contents(path()), Some(old()));
            assert_eq!(disk.names(), [path()]);
            assert_eq!(told.len(), at + 1);
        } else {
            result.unwrap();
            assert_eq!(told.last(), Some(&(6 << 20, 6 << 20)));
        }
        assert!(told.iter().all(|&(_, total)| total == 6 << 20));
        assert!(told.is_sorted() && told[0].0 == 0);
    }
}

/// Rows of 40 f32s, so that they end at no sector.
const ROW: usize = 160;

fn rows(count: usize) -> Vec<u8> {
    noise(count * ROW)
}

/// Appends until there are `goal` rows, `step` at a time, from the rows that there should be.
fn append(array: &mut Array, goal: usize, step: usize, grown: &Cell<usize>) -> Result<()> {
    let data = rows(goal);
    while (array.dims()[0] as usize) < goal {
        let have = array.dims()[0] as usize;
        let more = step.min(goal - have);
        let bytes = &data[have * ROW..(have + more) * ROW];
        let dims = [more as i64, 40];
        array.append_rows(&strided(bytes, DType::F32, &dims, &[40, 1]).unwrap())?;
        grown.set(have + more);
        assert_eq!(array.dims()[0] as usize, have + more);
        assert_eq!(raw(array), data[..(have + more) * ROW]);
    }
    Ok(())
}

/// There are `least` rows or some steps more, and they are the right ones.
fn sound_rows(
    image: &SimStorage,
    least: usize,
    step: usize,
    goal: usize,
) -> std::result::Result<(), String> {
    let storage: Arc<dyn Storage> = Arc::new(image.clone());
    let array = Array::open_in(&storage, path(), &ArrayOptions::default());
    let array = array.map_err(|error| error.to_string())?;
    let found = array.dims()[0] as usize;
    let possible = [least, (least + step).min(goal)];
    ensure(possible.contains(&found), || {
        format!("{found} rows, not one of {possible:?}")
    })?;
    ensure(all(&array) == rows(goal)[..found * ROW], || {
        format!("{found} rows, but not the right ones")
    })
}

/// Appends interrupted at every call; `again` repeats what failed, as far as it may be.
fn appends(
    before: usize,
    goal: usize,
    step: usize,
    file: impl Fn(usize, &[u8]) -> Vec<u8>,
    plant: fn(&SimStorage),
    again: bool,
) -> Findings {
    let grown = Cell::new(before);
    let in_file = file(before, &rows(before));
    explore(
        |disk| {
            grown.set(before);
            // A page of the cache is copied to without interruption, and so are its sectors.
            disk.cut_at_sectors();
            disk.put_durable(path(), &in_file);
            plant(disk);
        },
        |storage| {
            let options = options(Access::ReadWrite);
            let mut array = Array::open_in(&storage, path(), &options)?;
            let first = append(&mut array, goal, step, &grown);
            match first {
                Err(_) if again => append(&mut array, goal, step, &grown),
                first => first,
            }
        },
        |image, outcome| {
            sound_rows(image, grown.get(), step, goal)?;
            if outcome.acknowledged() {
                ensure(grown.get() == goal, || "not all was appended".to_owned())?;
            }
            let others = image.names().iter().filter(|name| *name != path()).count();
            let lives = outcome.image == Image::Live;
            ensure(!lives || others == 0, || {
                format!("{:?} are left over", image.names())
            })?;
            // Rows that weren't written are no end, all that comes after is: to sync once more
            // would be a lie.
            if let (Fault::Failed { .. }, true) = (outcome.fault, again) {
                let rows = format!("write {} bytes", step * ROW);
                let is_rows = outcome.disturbed().starts_with(&rows);
                ensure(outcome.result.is_ok() == is_rows, || {
                    format!("{:?} after {}", outcome.result, outcome.disturbed())
                })?;
            }
            Ok(())
        },
    )
}

fn roomy(count: usize, data: &[u8]) -> Vec<u8> {
    npy("<f4", false, &[count as i64, 40], data)
}

fn cramped(count: usize, data: &[u8]) -> Vec<u8> {
    tight_npy("<f4", &[count as i64, 40], data)
}

#[test]
fn appended_rows_are_there_or_not() {
    let findings = appends(8, 12, 1, roomy, |_| {}, false);
    findings.assert_sound();
    // Four times rows, sync, header, sync.
    assert_eq!(findings.calls, 16);
    appends(97, 105, 3, roomy, |_| {}, false).assert_sound();
}

#[test]
fn rows_in_a_new_file_are_there_or_not() {
    let findings = appends(9, 11, 1, cramped, |_| {}, false);
    findings.assert_sound();
    // create, header, rows, more rows, sync, rename, folder sync; then in place
    assert_eq!(findings.calls, 7 + 4);
}

#[test]
fn what_failed_is_repeated_as_far_as_it_may_be() {
    appends(9, 11, 1, roomy, |_| {}, true).assert_sound();
}

#[test]
fn missing_syncs_are_caught() {
    appends(9, 11, 1, roomy, SimStorage::ignore_sync, false).assert_caught();
    appends(9, 11, 1, cramped, SimStorage::ignore_sync, false).assert_caught();
    appends(9, 10, 1, cramped, SimStorage::ignore_folder_sync, false).assert_caught();
}

/// Big-endian rows go by a buffer, many of them by several writes.
#[test]
fn rows_of_many_writes_are_there_or_not() {
    let dims = |count: i64| [count, 1 << 19];
    let row = noise(4 << 19);
    let file = |count: i64| {
        let data = swapped(&row, DType::F32).repeat(count as usize);
        npy(">f4", false, &dims(count), &data)
    };
    let (before, after) = (file(0), file(3));
    let more = row.repeat(3);
    explore(
        |disk| {
            disk.cut_at_sectors();
            disk.put_durable(path(), &before);
        },
        |storage| {
            let options = options(Access::ReadWrite);
            let mut array = Array::open_in(&storage, path(), &options)?;
            let view = strided(&more, DType::F32, &dims(3), &[1 << 19, 1]).unwrap();
            array.append_rows(&view)
        },
        |image, outcome| {
            let found = image.contents(path()).unwrap_or_default();
            let is_old = found.get(..before.len()) == Some(&before);
            ensure(found == after || is_old, || {
                "neither old nor new".to_owned()
            })?;
            ensure(found == after || !outcome.acknowledged(), || {
                "lost".to_owned()
            })
        },
    )
    .assert_sound();
}

/// The text of a longer number is another one half-way: the header must be in one sector.
#[test]
fn a_header_that_is_torn_would_be_caught() {
    let blanks = " ".repeat(446);
    let header = |n| {
        format!("{{'descr': '<f4',{blanks}'fortran_order': False, 'shape': ({n}, 40), }}     \n")
    };
    let (before, after) = (npy_of(&header(99), &rows(99)), header(100));
    let findings = explore(
        |disk| {
            disk.cut_at_sectors();
            disk.put_durable(path(), &before);
        },
        |storage| -> Result<()> {
            let file = storage.open_to_write(path()).unwrap();
            let end = before.len() as u64;
            let more = &rows(100)[99 * ROW..];
            let steps = file
                .write_all_at(more, end)
                .and_then(|()| file.sync_data())
                .and_then(|()| file.write_all_at(&after.as_bytes()[..header(99).len()], 10))
                .and_then(|()| file.sync_data());
            steps.map_err(|source| {
                Error::from(adit_core::map::Error::Io {
                    action: "append to",
                    origin: adit_core::map::Origin::Memory,
                    offset: None,
                    source,
                })
            })
        },
        |image, _| sound_rows(image, 99, 1, 100),
    );
    findings.assert_caught();
}
