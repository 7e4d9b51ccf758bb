//! In the place of core/src/store/sync.rs.

use std::ops::Deref;
pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::Mutex;
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Words(Vec<AtomicU64>);

impl Words {
    pub(crate) fn zeroed(len: usize) -> Option<Words> {
        Some(Words((0..len).map(|_| AtomicU64::new(0)).collect()))
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        &self.0
    }
}

pub(crate) fn prefetch<T>(_: &T) {}
