//! Places that are written for the first time.

use std::ops::Range;

use super::buffer::Buffer;
use super::error::Result;
use crate::transfer::reserve;

/// What nobody had written of the places that a call writes. Unless they were written, it is given back
/// when this goes: what was in the memory before isn't for callers to see.
#[derive(Default)]
pub(super) struct Fresh<'a>(Vec<(&'a Buffer, Vec<Range<u64>>)>);

impl<'a> Fresh<'a> {
    /// Says that these bytes are about to be written.
    ///
    /// # Errors
    /// Of memory; then nothing is taken.
    pub(super) fn take(&mut self, buffer: &'a Buffer, bytes: Range<u64>) -> Result<()> {
        reserve(&mut self.0, 1)?;
        let unwritten = buffer.take_unwritten(bytes);
        if !unwritten.is_empty() {
            self.0.push((buffer, unwritten));
        }
        Ok(())
    }

    /// All of them were, or the card was told to.
    pub(super) fn written(mut self) {
        self.0.clear();
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        for (buffer, unwritten) in &self.0 {
            buffer.give_unwritten(unwritten);
        }
    }
}
