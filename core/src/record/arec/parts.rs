//! Little-endian integers one after the other, in and out of bytes.

/// Takes parts from the start of bytes, whose length the caller has checked: past their end there
/// are zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a>(pub(super) &'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(len).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        for (own, &byte) in array.iter_mut().zip(self.bytes(N)) {
            *own = byte;
        }
        array
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}

/// Puts parts into an array one after the other; what isn't put is zero, what has no room is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Filled<N> {
    pub(super) const EMPTY: Filled<N> = Filled {
        bytes: [0; N],
        at: 0,
    };

    pub(super) fn put(mut self, part: &[u8]) -> Self {
        for (own, &byte) in self.bytes.iter_mut().skip(self.at).zip(part) {
            *own = byte;
        }
        self.skip(part.len())
    }

    pub(super) fn skip(self, len: usize) -> Self {
        let at = self.at.saturating_add(len);
        Filled { at, ..self }
    }

    pub(super) fn u8(self, value: u8) -> Self {
        self.put(&[value])
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn done(self) -> [u8; N] {
        self.bytes
    }

    /// The bytes with the CRC-32C of all before it in the last four.
    pub(super) fn summed(mut self) -> [u8; N] {
        let end = N.saturating_sub(4);
        let sum = crate::kernel::crc32c_of(0, self.bytes.get(..end).unwrap_or_default());
        self.at = end;
        self.u32(sum).done()
    }
}

/// Whether the last four bytes are the CRC-32C of those before them.
pub(super) fn is_summed(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(rest, sum)| crate::kernel::crc32c_of(0, rest) == u32::from_le_bytes(*sum))
}

/// What is wrong with a part of a file, at a byte of that part.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) offset: u64,
    pub(crate) why: String,
}

impl Flaw {
    pub(super) fn new(offset: u64, why: impl Into<String>) -> Flaw {
        let why = why.into();
        Flaw { offset, why }
    }

    /// The error, where the part starts at `start` of the file.
    #[cold]
    pub(super) fn of(self, origin: &crate::map::Origin, start: u64) -> super::super::Error {
        super::super::Error::Malformed {
            origin: origin.clone(),
            offset: start.saturating_add(self.offset),
            index: None,
            why: self.why,
        }
    }
}
