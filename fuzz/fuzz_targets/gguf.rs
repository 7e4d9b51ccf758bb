//! Any bytes as a GGUF file: every value and every tensor of what opens.
#![no_main]

use std::mem::MaybeUninit;
use std::sync::Arc;

use adit_core::map::{Data, Region};
use adit_core::model::{Metadata, MetadataKind, Model, ModelOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // SAFETY: the bytes outlive the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).unwrap());
    let Ok(model) = Model::from_data(vec![data], &ModelOptions::default()) else {
        return;
    };
    let metadata = model.metadata();
    for number in 0..metadata.len() {
        let key = metadata.key(number).unwrap();
        assert_eq!(metadata.find(key), Some(number));
        value(metadata, number, 0);
    }
    tensors(&model, bytes.len() as u64);
});

fn value(metadata: &Metadata, number: usize, depth: usize) {
    assert!(depth < 8);
    match metadata.kind(number).unwrap() {
        MetadataKind::String => {
            metadata.string(number).unwrap();
        }
        MetadataKind::Bool => {
            metadata.bool(number).unwrap();
        }
        MetadataKind::Array => array(metadata, number, depth),
        MetadataKind::F32 | MetadataKind::F64 => {
            metadata.f64(number).unwrap();
        }
        _ => {
            let _ = metadata.f64(number);
            assert!(metadata.u64(number).is_ok() || metadata.i64(number).is_ok());
        }
    }
}

fn array(metadata: &Metadata, number: usize, depth: usize) {
    let len = metadata.array_len(number).unwrap();
    let kind = metadata.array_kind(number).unwrap();
    match kind {
        MetadataKind::String => {
            for index in 0..len {
                metadata.array_string(number, index).unwrap();
            }
            assert!(metadata.array_string(number, len).is_err());
        }
        MetadataKind::Array => {
            for index in 0..len {
                let nested = metadata.array_nested(number, index).unwrap();
                value(metadata, nested, depth + 1);
            }
        }
        kind => {
            let size = kind.bytes().unwrap();
            let mut out = vec![MaybeUninit::new(0xEE); len as usize * size];
            metadata.array_read(number, 0, len, &mut out).unwrap();
            assert!(metadata.array_read(number, 1, len, &mut out).is_err());
        }
    }
}

fn tensors(model: &Model, len: u64) {
    let tensors = model.tensors();
    let mut places = Vec::new();
    for number in 0..tensors.len() {
        assert_eq!(tensors.find(tensors.name(number).unwrap()), Some(number));
        let entry = tensors.get(number).unwrap();
        assert!(entry.offset + entry.bytes <= len);
        if entry.bytes > 0 {
            places.push((entry.offset, entry.offset + entry.bytes));
        }
        let _ = model.source(number);
        if let Ok(tensor) = model.tensor(number) {
            assert_eq!(tensor.bytes.len() as u64, entry.bytes);
        }
    }
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0));
}
