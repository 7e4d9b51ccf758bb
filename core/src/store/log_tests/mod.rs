//! Tests of the log: its format, recovery, verification and salvage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod damage;
mod golden;
mod maker;
mod salvage;
mod stale;
