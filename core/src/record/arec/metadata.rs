//! Keys and values that the writer gave.

use std::collections::HashSet;

use super::parts::{Flaw, Parts};

/// The most bytes of metadata that are read.
pub(crate) const LONGEST: u64 = 64 << 20;

/// A key and its value.
pub(crate) type Entry = (String, Vec<u8>);

pub(crate) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        for len in [key.len(), value.len()] {
            bytes.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        }
        bytes.extend(key.as_bytes());
        bytes.extend(value);
    }
    bytes
}

/// The entries; offsets of flaws are from the first byte.
pub(crate) fn decode(bytes: &[u8]) -> std::result::Result<Vec<Entry>, Flaw> {
    let mut parts = Parts(bytes);
    let mut entries: Vec<Entry> = Vec::new();
    let mut keys = HashSet::new();
    while !parts.0.is_empty() {
        let at = bytes.len().saturating_sub(parts.0.len()) as u64;
        let cut = || Flaw::new(at, "the last entry of the metadata isn't whole");
        let is_headed = parts.0.len() >= 8;
        let (key, value) = (parts.u32(), parts.u32());
        let fits = u64::from(key).saturating_add(value.into()) <= parts.0.len() as u64;
        if !is_headed || !fits {
            return Err(cut());
        }
        let [key, value] = [key, value].map(|len| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            parts.bytes(len)
        });
        let key = std::str::from_utf8(key)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or_else(|| Flaw::new(at, "a key of the metadata is empty or no UTF-8"))?;
        if !keys.insert(key) {
            let why = format!("the metadata has the key {key:?} twice");
            return Err(Flaw::new(at, why));
        }
        entries.push((key.to_owned(), value.to_vec()));
    }
    Ok(entries)
}
