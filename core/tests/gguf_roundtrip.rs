//! Whatever is written as GGUF is read as the same, in both versions and byte orders; whatever
//! bytes are changed, reading ends in a model or an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeMap;

use adit_core::dtype::DType;
use adit_core::model::{MetadataKind, Model};
use proptest::prelude::*;

mod gguf_tools;
use gguf_tools::{Bytes, Value, decoded, open};

fn number_kind() -> impl Strategy<Value = MetadataKind> {
    let numbers = MetadataKind::ALL
        .into_iter()
        .filter(|kind| kind.bytes().is_some());
    proptest::sample::select(numbers.collect::<Vec<_>>())
}

/// The bits of a number: of a bool 0 or 1, of a float no NaN, whose bits may change on the way.
fn fit(kind: MetadataKind, bits: u64) -> u64 {
    match kind {
        MetadataKind::Bool => bits & 1,
        MetadataKind::F32 if f32::from_bits(bits as u32).is_nan() => 0,
        MetadataKind::F64 if f64::from_bits(bits).is_nan() => 0,
        kind => bits & (u64::MAX >> (64 - 8 * kind.bytes().unwrap())),
    }
}

fn array() -> impl Strategy<Value = Value> {
    let numbers =
        (number_kind(), prop::collection::vec(any::<u64>(), 0..9)).prop_map(|(kind, numbers)| {
            let numbers = numbers.into_iter().map(|bits| fit(kind, bits)).collect();
            Value::Numbers(kind, numbers)
        });
    let strings = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)
        .prop_map(Value::Strings);
    let leaf = prop_oneof![numbers, strings];
    leaf.prop_recursive(7, 40, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::Arrays)
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (number_kind(), any::<u64>()).prop_map(|(kind, bits)| Value::Number(kind, fit(kind, bits))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::String),
        array(),
    ]
}

fn name(least: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8.., least..12)
}

/// A tensor's type, and dimensions innermost first.
fn tensor() -> impl Strategy<Value = (DType, Vec<u64>)> {
    let types: Vec<DType> = DType::ALL
        .iter()
        .copied()
        .filter(|dtype| dtype.ggml().is_some())
        .collect();
    let dims = prop::collection::vec(0u64..4, 0..=4);
    (proptest::sample::select(types), dims).prop_map(|(dtype, mut ne)| {
        if dtype.is_block() && ne.is_empty() {
            ne.push(1);
        }
        if let Some(first) = ne.first_mut() {
            *first *= u64::from(dtype.block_elements());
        }
        (dtype, ne)
    })
}

fn bytes_of(dtype: DType, ne: &[u64]) -> usize {
    let elements: u64 = ne.iter().product();
    (elements / u64::from(dtype.block_elements()) * u64::from(dtype.block_bytes())) as usize
}

#[derive(Clone, Debug)]
struct File {
    big: bool,
    version: u32,
    /// Log2 of the alignment, where there is a key for it.
    alignment: Option<u32>,
    metadata: BTreeMap<Vec<u8>, Value>,
    tensors: BTreeMap<Vec<u8>, (DType, Vec<u64>)>,
    /// Whether the data come in the opposite order of their descriptions.
    reversed: bool,
}

fn file() -> impl Strategy<Value = File> {
    (
        any::<bool>(),
        2u32..=3,
        prop::option::of(0u32..8),
        prop::collection::btree_map(name(1), value(), 0..6),
        prop::collection::btree_map(name(0), tensor(), 0..6),
        any::<bool>(),
    )
        .prop_map(
            |(big, version, alignment, metadata, tensors, reversed)| File {
                big,
                version,
                alignment,
                metadata,
                tensors,
                reversed,
            },
        )
}

impl File {
    fn alignment(&self) -> usize {
        self.alignment.map_or(32, |log| 1 << log)
    }

    /// Where each tensor's data start, in the order of the descriptions.
    fn offsets(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self
            .tensors
            .values()
            .map(|(dtype, ne)| bytes_of(*dtype, ne))
            .collect();
        if self.reversed {
            sizes.reverse();
        }
        let mut end = 0usize;
        let mut offsets = Vec::new();
        for size in sizes {
            offsets.push(end);
            end = (end + size).next_multiple_of(self.alignment());
        }
        if self.reversed {
            offsets.reverse();
        }
        offsets
    }

    /// The bytes, and where the data start. Each tensor's data are its number plus one.
    fn encode(&self) -> (Vec<u8>, usize) {
        let mut file = Bytes::new(self.big);
        let keys = self.metadata.len() + usize::from(self.alignment.is_some());
        file.start(self.version, self.tensors.len() as u64, keys as u64);
        for (key, value) in &self.metadata {
            file.key(key, value);
        }
        if self.alignment.is_some() {
            let alignment = Value::Number(MetadataKind::U32, self.alignment() as u64);
            file.key(b"general.alignment", &alignment);
        }
        let offsets = self.offsets();
        for ((name, (dtype, ne)), &offset) in self.tensors.iter().zip(&offsets) {
            file.tensor(name, ne, dtype.ggml().unwrap(), offset as u64);
        }
        let start = file.pad(self.alignment()).bytes.len();
        for (number, ((dtype, ne), offset)) in self.tensors.values().zip(offsets).enumerate() {
            let (from, bytes) = (start + offset, bytes_of(*dtype, ne));
            let len = file.bytes.len().max(from + bytes);
            file.bytes.resize(len, 0);
            file.bytes[from..from + bytes].fill(number as u8 + 1);
        }
        (file.bytes, start)
    }
}

/// Everything that can be asked.
fn walk(model: &Model) {
    for value in 0..model.metadata().len() {
        let _ = decoded(model.metadata(), value);
    }
    for number in 0..model.tensors().len() {
        let entry = *model.entry(number).unwrap();
        let region = model.data_of(&entry).unwrap().region();
        region.to_vec(entry.offset, entry.bytes as usize).unwrap();
        let _ = model.tensor(number);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_are_read_as_written(file in file()) {
        let (bytes, start) = file.encode();
        let model = open(&bytes).unwrap();
        prop_assert_eq!(model.big_endian(), file.big);
        let metadata = model.metadata();
        let keys = file.metadata.len() + usize::from(file.alignment.is_some());
        prop_assert_eq!(metadata.len(), keys);
        for (number, (key, value)) in file.metadata.iter().enumerate() {
            prop_assert_eq!(metadata.key(number), Some(&key[..]));
            prop_assert_eq!(metadata.find(key), Some(number));
            prop_assert_eq!(&decoded(metadata, number), value);
        }
        prop_assert_eq!(model.tensors().len(), file.tensors.len());
        let tensors = file.tensors.iter().zip(file.offsets()).enumerate();
        for (number, ((name, (dtype, ne)), offset)) in tensors {
            prop_assert_eq!(model.tensors().name(number), Some(&name[..]));
            prop_assert_eq!(model.tensors().find(name), Some(number));
            let entry = *model.entry(number).unwrap();
            let dims: Vec<i64> = ne.iter().rev().map(|&ne| ne as i64).collect();
            prop_assert_eq!(model.tensors().dims(&entry), dims);
            prop_assert_eq!(entry.dtype, Some(*dtype));
            prop_assert_eq!(entry.offset, (start + offset) as u64);
            let size = bytes_of(*dtype, ne);
            prop_assert_eq!(entry.bytes, size as u64);
            let region = model.data_of(&entry).unwrap().region();
            let data = region.to_vec(entry.offset, size).unwrap();
            prop_assert_eq!(data, vec![number as u8 + 1; size]);
        }
    }

    #[test]
    fn changed_files_are_read_or_refused(
        file in file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = file.encode();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(model) = open(&bytes) {
            walk(&model);
        }
        bytes.truncate(cut.index(bytes.len()));
        if let Ok(model) = open(&bytes) {
            walk(&model);
        }
    }
}
