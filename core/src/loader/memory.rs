//! How much memory batches take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much memory all batches have, and may have.
#[derive(Debug)]
pub(super) struct Memory {
    used: Arc<AtomicU64>,
    /// The most bytes of one batch.
    pub(super) most_each: u64,
    /// The option, for messages.
    pub(super) budget: u64,
}

impl Memory {
    pub(super) fn new(budget: u64, slots: usize) -> Memory {
        let budget = if budget == 0 { u64::MAX } else { budget };
        Memory {
            used: Arc::default(),
            most_each: budget / (slots.max(1) as u64),
            budget,
        }
    }

    /// For what isn't a batch: counted with the batches', and not limited.
    pub(super) fn beside(&self) -> Memory {
        Memory {
            used: Arc::clone(&self.used),
            most_each: u64::MAX,
            budget: u64::MAX,
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}
