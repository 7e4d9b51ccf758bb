//! Any bytes as a safetensors file: refused or taken as the safetensors crate does, and as the same
//! tensors; refused more often by the rules that are stricter here.
#![no_main]

use std::sync::Arc;

use adit_core::map::{Data, Region};
use adit_core::model::{Format, Model, ModelOptions};
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

/// What the messages of the stricter rules say, and of content that isn't taken for safetensors.
const STRICTER: &[&str] = &[
    "the header has this name twice",
    "__metadata__ has the key",
    "passes 2^63 - 1",
    "invalid type: sequence, expected a tensor",
    "invalid type: map, expected a string",
];

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"GGUF") {
        return;
    }
    // SAFETY: the bytes outlive the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    let data = Arc::new(Data::copy_of(region).expect("memory"));
    let theirs = SafeTensors::deserialize(bytes);
    match Model::from_data(vec![data], &ModelOptions::default()) {
        Ok(model) => {
            assert_eq!(model.format(), Format::Safetensors);
            compare(
                &model,
                &theirs.expect("what is taken here the crate takes too"),
                bytes,
            );
        }
        Err(error) => {
            let why = error.to_string();
            let stricter = STRICTER.iter().any(|rule| why.contains(rule));
            assert!(theirs.is_err() || stricter, "{why}");
        }
    }
});

fn compare(model: &Model, theirs: &SafeTensors<'_>, bytes: &[u8]) {
    let tensors = model.tensors();
    assert_eq!(tensors.len(), theirs.len());
    let mut end = 0;
    for index in 0..tensors.len() {
        let name = tensors.name(index).expect("a tensor has a name");
        assert_eq!(tensors.find(name), Some(index));
        let name = std::str::from_utf8(name).expect("UTF-8");
        let view = theirs.tensor(name).expect("the crate has it too");
        let entry = tensors.get(index).expect("an entry");
        let dtype = entry.dtype.and_then(|dtype| dtype.safetensors());
        assert_eq!(dtype, Some(&*view.dtype().to_string()));
        let dims = tensors
            .dims(entry)
            .iter()
            .map(|dim| dim.unsigned_abs() as usize);
        assert!(dims.eq(view.shape().iter().copied()));
        let start = usize::try_from(entry.offset).expect("inside");
        assert_eq!(&bytes[start..][..view.data().len()], view.data());
        assert_eq!(entry.bytes, view.data().len() as u64);
        assert!(entry.offset >= end);
        end = entry.offset + entry.bytes;
        let _ = model.source(index);
        let _ = model.tensor(index);
    }
    let metadata = model.metadata();
    for value in 0..metadata.len() {
        metadata.string(value).expect("strings only");
    }
}
