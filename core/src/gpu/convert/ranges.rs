//! What a shader sees of its buffers: one binding, or several where the adapter's limit on a
//! binding is lower than the bytes.

/// How many words a program's smallest piece reads and writes, for all but the last of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Of the piece.
    pub(super) elements: u64,
    pub(super) source: u64,
    pub(super) target: u64,
}

impl Words {
    /// Words of the source that the last elements reach into.
    fn source(self, elements: u64) -> Option<u64> {
        Some(elements.checked_mul(self.source)?.div_ceil(self.elements))
    }

    fn target(self, elements: u64) -> Option<u64> {
        Some(elements.checked_mul(self.target)?.div_ceil(self.elements))
    }
}

/// What limits a binding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The most bytes.
    pub(super) bytes: u64,
    /// What its offset is a multiple of.
    pub(super) align: u64,
}

/// Where a shader works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Of the binding, in the buffer.
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// Words of it that lie before the first element.
    pub(super) start: u32,
}

/// A part of a tensor that is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) source: View,
    pub(super) target: View,
    pub(super) elements: u64,
}

/// Shaders count words, bytes and invocations in 32 bits: bindings of more than this aren't made.
const MOST: u64 = 1 << 30;

const WORD: u64 = 4;

/// The ranges of a tensor whose bytes start at these offsets, multiples of 4. None where they don't
/// come to an end: a window that is too small for one piece, or numbers that overflow.
pub(super) fn ranges(
    words: Words,
    source: u64,
    target: u64,
    elements: u64,
    window: Window,
) -> Option<Vec<Range>> {
    let (mut source, mut target, mut left) = (source, target, elements);
    let mut all = Vec::new();
    while left > 0 {
        let room = |offset: u64, each: u64| {
            let before = offset.checked_rem(window.align)?;
            let room = window.bytes.min(MOST).checked_sub(before)?;
            (room / WORD).checked_div(each)
        };
        let pieces = room(source, words.source)?.min(room(target, words.target)?);
        let now = left.min(pieces.checked_mul(words.elements)?);
        if now == 0 {
            return None;
        }
        let view = |offset: u64, words: u64| {
            let before = offset.checked_rem(window.align)?;
            Some(View {
                offset: offset - before,
                bytes: words.checked_mul(WORD)?.checked_add(before)?,
                start: u32::try_from(before / WORD).ok()?,
            })
        };
        let (source_words, target_words) = (words.source(now)?, words.target(now)?);
        all.push(Range {
            source: view(source, source_words)?,
            target: view(target, target_words)?,
            elements: now,
        });
        source = source.checked_add(source_words * WORD)?;
        target = target.checked_add(target_words * WORD)?;
        left -= now;
    }
    Some(all)
}
