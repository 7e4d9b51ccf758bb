//! Where the records of keys are: the index file, what came since, and both together.

mod base;
mod build;
mod entries;
mod entry;
mod pages;
mod set;
#[cfg(test)]
mod tests;

pub(crate) use base::Base;
pub(crate) use build::{Build, build_on_heap, publish_index};
pub(crate) use entry::{Entry, home};
pub(crate) use set::{Found, IndexSet};
