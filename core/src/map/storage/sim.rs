//! The simulated storage.
