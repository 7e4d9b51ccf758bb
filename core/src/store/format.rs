//! The bytes of the log and of its records: `docs/store-format.md`.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod slot;

pub(crate) use self::slot::{End, SLOT, Slot};
use crate::kernel::{crc32c_of, hash};

/// A page of the header, and of the index.
pub(crate) const PAGE: usize = 4096;
/// The file starts with this.
pub(crate) const MAGIC: [u8; 16] = *b"\x89ADITKVSTORE\r\n\x1a\n";
/// The only version.
pub(crate) const VERSION: u32 = 1;
/// Where the first record stands.
pub(crate) const FIRST: u64 = HEADER_BYTES as u64;
const HEADER_BYTES: u32 = 16384;
/// What offsets of records are multiples of.
pub(crate) const UNIT: u64 = 64;
/// The part of a record before its key.
pub(crate) const HEAD: usize = 48;
/// Before a tensor's elements.
pub(crate) const TENSOR_PREFIX: u64 = 128;
/// The random bytes that are an epoch's key.
pub(crate) const NONCE: usize = 16;
/// The longest key.
pub const MAX_KEY: usize = u16::MAX as usize;
/// The longest value.
pub const MAX_VALUE: u64 = 1 << 48;
/// No log is longer: sums of a few offsets and lengths fit into 64 bits.
pub(crate) const MAX_LOG: u64 = 1 << 62;
const RECORD_MAGIC: [u8; 4] = *b"ADR1";
/// The bit of a record's flags that ends a batch.
const LAST: u8 = 1;
const CRC_AT: usize = PAGE - 4;

/// The header page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) uuid: [u8; 16],
    pub(crate) seed: u64,
    /// log2 of what values' offsets are multiples of.
    pub(crate) align_log2: u32,
    /// Feature bits: compatible, incompatible, read-only compatible.
    pub(crate) features: [u64; 3],
}

/// What is wrong with a header page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// None of ours: to be left alone.
    Foreign,
    /// Ours by the magic, but its CRC or a field is wrong.
    Damaged(&'static str),
    /// Of a later version.
    Version(u32),
    /// It needs features that this version doesn't know.
    Features(u64),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        put(&mut page, 0, &MAGIC);
        put(&mut page, 16, &VERSION.to_le_bytes());
        put(&mut page, 20, &HEADER_BYTES.to_le_bytes());
        for (at, bits) in [24, 32, 40].into_iter().zip(self.features) {
            put(&mut page, at, &bits.to_le_bytes());
        }
        put(&mut page, 48, &self.uuid);
        put(&mut page, 64, &self.seed.to_le_bytes());
        put(&mut page, 72, &self.align_log2.to_le_bytes());
        seal(&mut page);
        page
    }

    /// `page` is the start of the file, shorter than a page where the file is.
    pub(crate) fn decode(page: &[u8]) -> Result<Header, HeaderFault> {
        if page.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(HeaderFault::Foreign);
        }
        let Some(page) = page.first_chunk::<PAGE>() else {
            return Err(HeaderFault::Damaged("the file ends within it"));
        };
        if !is_sealed(page) {
            return Err(HeaderFault::Damaged("its checksum is wrong"));
        }
        match u32_at(page, 16) {
            VERSION => {}
            version => return Err(HeaderFault::Version(version)),
        }
        let features = [u64_at(page, 24), u64_at(page, 32), u64_at(page, 40)];
        if features[1] != 0 {
            return Err(HeaderFault::Features(features[1]));
        }
        if u32_at(page, 20) != HEADER_BYTES {
            return Err(HeaderFault::Damaged(
                "it names another place for the first record",
            ));
        }
        let align_log2 = u32_at(page, 72);
        if !(6..=12).contains(&align_log2) {
            return Err(HeaderFault::Damaged(
                "its alignment isn't one of 64 to 4096",
            ));
        }
        Ok(Header {
            uuid: bytes_at(page, 48),
            seed: u64_at(page, 64),
            align_log2,
            features,
        })
    }

    /// What a damaged page may have meant, the likeliest first.
    pub(crate) fn guesses(page: &[u8; PAGE]) -> impl Iterator<Item = Header> {
        let named = u32_at(page, 72);
        let others = (6..=12).filter(move |&align| align != named);
        let likely = Some(named).filter(|align| (6..=12).contains(align));
        let uuid = bytes_at(page, 48);
        let seed = u64_at(page, 64);
        likely
            .into_iter()
            .chain(others)
            .map(move |align_log2| Header {
                uuid,
                seed,
                align_log2,
                features: [0; 3],
            })
    }

    /// What offsets of values are multiples of.
    #[inline]
    pub(crate) fn align(&self) -> u64 {
        1 << self.align_log2
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        hash(key, self.seed)
    }

    /// The chain before the first record.
    pub(crate) fn chain_start(&self) -> u64 {
        hash(&self.uuid, self.seed)
    }

    /// The chain of the record at `offset`, whose own is of no account.
    pub(crate) fn chain(&self, before: u64, offset: u64, head: &[u8; HEAD]) -> u64 {
        let mut bytes = [0; 24 + HEAD];
        put(&mut bytes, 0, &self.uuid);
        put(&mut bytes, 16, &offset.to_le_bytes());
        put(&mut bytes, 24, head);
        put(&mut bytes, 24 + 32, &before.to_le_bytes());
        hash(&bytes, self.seed)
    }
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordType {
    Put,
    Delete,
    Epoch,
    Tensor,
}

impl RecordType {
    fn number(self) -> u8 {
        match self {
            RecordType::Put => 1,
            RecordType::Delete => 2,
            RecordType::Epoch => 3,
            RecordType::Tensor => 4,
        }
    }

    fn of(number: u8) -> Option<RecordType> {
        match number {
            1 => Some(RecordType::Put),
            2 => Some(RecordType::Delete),
            3 => Some(RecordType::Epoch),
            4 => Some(RecordType::Tensor),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn has_value(self) -> bool {
        matches!(self, RecordType::Put | RecordType::Tensor)
    }

    /// Bytes between the key and the value that belong to the value.
    #[inline]
    pub(crate) fn prefix(self) -> u64 {
        match self {
            RecordType::Tensor => TENSOR_PREFIX,
            RecordType::Put | RecordType::Delete | RecordType::Epoch => 0,
        }
    }
}

/// A record's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: RecordType,
    pub(crate) is_last: bool,
    pub(crate) key_len: u16,
    pub(crate) value_len: u64,
    pub(crate) key_hash: u64,
    pub(crate) crc: u32,
    /// In units of 64 bytes; `u32::MAX` says nothing.
    pub(crate) durable_distance: u32,
    pub(crate) chain: u64,
    pub(crate) prev: u64,
}

/// Where the parts of a record lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where a tensor's prefix starts; the value's start for others.
    pub(crate) prefix: u64,
    /// Where the value starts.
    pub(crate) value: u64,
    /// Where the next record starts.
    pub(crate) end: u64,
}

impl Head {
    pub(crate) fn encode(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        put(&mut head, 0, &RECORD_MAGIC);
        put(&mut head, 4, &[self.kind.number(), u8::from(self.is_last)]);
        put(&mut head, 6, &self.key_len.to_le_bytes());
        put(&mut head, 8, &self.value_len.to_le_bytes());
        put(&mut head, 16, &self.key_hash.to_le_bytes());
        put(&mut head, 24, &self.crc.to_le_bytes());
        put(&mut head, 28, &self.durable_distance.to_le_bytes());
        put(&mut head, 32, &self.chain.to_le_bytes());
        put(&mut head, 40, &self.prev.to_le_bytes());
        head
    }

    /// What is wrong with the bytes in words, where something is. Chain, hash, CRC and lengths are
    /// the caller's to check, but for what no record can have.
    pub(crate) fn decode(head: &[u8; HEAD]) -> Result<Head, &'static str> {
        let (words, _) = head.as_chunks::<8>();
        let words = words
            .first_chunk()
            .map(|words| words.map(u64::from_le_bytes));
        Head::of_words(words.unwrap_or_default())
    }

    /// As [`Head::decode`], of the bytes as little-endian words: each is looked at once.
    #[inline]
    pub(crate) fn of_words(words: [u64; HEAD / 8]) -> Result<Head, &'static str> {
        let [start, value_len, key_hash, checks, chain, prev] = words;
        let ([magic, second], [crc, durable_distance]) = (halves(start), halves(checks));
        if magic != u32::from_le_bytes(RECORD_MAGIC) {
            return Err("no record starts here");
        }
        let [number, flags, low, high] = second.to_le_bytes();
        let kind = RecordType::of(number).ok_or("a record of an unknown type")?;
        if flags & !LAST != 0 {
            return Err("a record with unknown flags");
        }
        let most = if kind.has_value() { MAX_VALUE } else { 0 };
        if value_len > most {
            return Err("a record with a value that is longer than any can be");
        }
        if !kind.has_value() && crc != 0 {
            return Err("a record with the checksum of a value that it can't have");
        }
        let is_last = flags & LAST != 0;
        let key_len = u16::from_le_bytes([low, high]);
        if kind == RecordType::Epoch && (!is_last || usize::from(key_len) != NONCE) {
            return Err("an epoch that isn't as long as one, or not the end of its batch");
        }
        Ok(Head {
            kind,
            is_last,
            key_len,
            value_len,
            key_hash,
            crc,
            durable_distance,
            chain,
            prev,
        })
    }

    /// Where the parts of this record lie if it starts at `offset`, at most [`MAX_LOG`].
    #[inline]
    pub(crate) fn extent(&self, offset: u64, align: u64) -> Extent {
        let key_end = offset
            .saturating_add(HEAD as u64)
            .saturating_add(u64::from(self.key_len));
        if !self.kind.has_value() {
            let end = round_up(key_end, UNIT);
            return Extent {
                prefix: key_end,
                value: key_end,
                end,
            };
        }
        let value = round_up(key_end.saturating_add(self.kind.prefix()), align);
        Extent {
            prefix: value.saturating_sub(self.kind.prefix()),
            value,
            end: round_up(value.saturating_add(self.value_len), UNIT),
        }
    }

    /// Below which everything was durable when this record was written at `offset`, where it says.
    pub(crate) fn durable_then(&self, offset: u64) -> Option<u64> {
        let distance = Some(self.durable_distance).filter(|&units| units != u32::MAX)?;
        offset.checked_sub(u64::from(distance).saturating_mul(UNIT))
    }
}

/// The durable distance of a record at `offset`, where everything below `durable` is durable.
pub(crate) fn durable_distance(offset: u64, durable: u64) -> u32 {
    u32::try_from(offset.saturating_sub(durable) / UNIT).unwrap_or(u32::MAX)
}

/// `value` rounded up to a multiple of `to`, a power of two.
#[inline]
pub(crate) fn round_up(value: u64, to: u64) -> u64 {
    let mask = to.saturating_sub(1);
    value.saturating_add(mask) & !mask
}

/// Writes the CRC of a page behind it.
pub(crate) fn seal(page: &mut [u8; PAGE]) {
    let crc = crc32c_of(0, page.get(..CRC_AT).unwrap_or_default());
    put(page, CRC_AT, &crc.to_le_bytes());
}

pub(crate) fn is_sealed(page: &[u8; PAGE]) -> bool {
    crc32c_of(0, page.get(..CRC_AT).unwrap_or_default()) == u32_at(page, CRC_AT)
}

/// A word's lower and upper half.
#[inline]
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

// Places are constants of the format, inside their arrays.

pub(crate) fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    let room = to.get_mut(at..).and_then(|to| to.get_mut(..bytes.len()));
    debug_assert!(room.is_some());
    if let Some(room) = room {
        room.copy_from_slice(bytes);
    }
}

pub(crate) fn bytes_at<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let bytes = from.get(at..).and_then(|from| from.first_chunk::<N>());
    debug_assert!(bytes.is_some());
    bytes.copied().unwrap_or([0; N])
}

pub(crate) fn u32_at(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(from, at))
}

pub(crate) fn u64_at(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(from, at))
}
