//! The model-based crash harness of the store: see `store_model.rs`.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub mod case;
pub mod chance;
pub mod directed;
pub mod life;
pub mod look;
pub mod model;
pub mod steps;
