//! Stores against a plain model, through random steps, failures and crashes. There is one oracle: a
//! store is what the model is after some prefix of the batches that were issued, which has all that
//! were acknowledged, and never again fewer than were once seen by a writer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod store_tools;

use adit_core::store::SyncPolicy;
use adit_core::store::planted::Bug;
use store_tools::case::{Planted, run_until};
use store_tools::directed::{
    cut_by_the_end, every_call, every_call_of_salvage, stale_index, write_again,
};

/// Images that `make test` looks at.
const IMAGES: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `ADIT_TORTURE_IMAGES` for more of them, `ADIT_TORTURE_SEED` for others.
#[test]
fn a_store_is_the_model_after_every_crash() {
    let images = number("ADIT_TORTURE_IMAGES").unwrap_or(IMAGES);
    let seed = number("ADIT_TORTURE_SEED").unwrap_or(1);
    let tally = run_until(images, seed, Planted::default());
    tally.print("store model");
    tally.assert_sound();
}

#[test]
fn every_call_may_fail_or_be_the_last() {
    for sync in [
        SyncPolicy::Batch,
        SyncPolicy::Group,
        SyncPolicy::Explicit,
        SyncPolicy::None,
    ] {
        let tally = every_call(sync);
        tally.print(&format!("every call, {sync:?}"));
        tally.assert_sound();
    }
}

fn with(bug: Bug) -> Planted {
    Planted {
        bug: Some(bug),
        ..Planted::default()
    }
}

#[test]
fn what_a_crash_left_behind_the_tail_stays_dead() {
    let tally = write_again(Planted::default());
    tally.print("written again");
    tally.assert_sound();
    let tally = stale_index(Planted::default());
    assert_eq!((tally.wrong, tally.lost), (0, 0), "{:?}", tally.violations);
}

#[test]
fn a_missing_epoch_is_caught() {
    write_again(with(Bug::NoEpoch)).assert_caught();
}

#[test]
fn a_missing_chain_is_caught() {
    write_again(with(Bug::NoChain)).assert_caught();
}

#[test]
fn a_stale_index_is_caught() {
    stale_index(with(Bug::StaleIndex)).assert_caught();
}

#[test]
fn missing_checksums_are_caught() {
    run_until(IMAGES, 1, with(Bug::NoCrc)).assert_caught();
}

#[test]
fn missing_syncs_are_caught() {
    run_until(IMAGES, 1, with(Bug::NoSync)).assert_caught();
    let planted = Planted {
        no_sync: true,
        ..Planted::default()
    };
    run_until(IMAGES, 1, planted).assert_caught();
}

#[test]
fn publishing_before_the_sync_is_caught() {
    run_until(IMAGES, 1, with(Bug::PublishFirst)).assert_caught();
}

#[test]
fn missing_syncs_of_folders_are_caught() {
    let planted = Planted {
        no_folder_sync: true,
        ..Planted::default()
    };
    run_until(IMAGES, 1, planted).assert_caught();
}

#[test]
fn a_salvage_is_whole_or_not_at_all() {
    let images = every_call_of_salvage();
    println!("every call of salvage: {images} images");
    assert!(images > 500, "{images} images");
}

#[test]
fn a_record_that_the_end_has_cut_stays_cut() {
    let tally = cut_by_the_end();
    tally.print("cut by the end");
    tally.assert_sound();
}
