//! Any bytes as an index beside three shards: nothing but these is opened, and what opens has
//! exactly the tensors of the shards that the index names.
#![no_main]

use std::path::Path;

use adit_core::map::sim::SimStorage;
use adit_core::model::{Model, ModelOptions};
use libfuzzer_sys::fuzz_target;

const SHARDS: [(&str, &str); 3] = [("one", "a"), ("two", "b"), ("three", "c")];

/// A shard of one tensor.
fn shard(name: &str) -> Vec<u8> {
    let header =
        format!("{{\"{name}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}}}");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.push(7);
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    // Only texts: other bytes may be any kind of model.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return;
    }
    let storage = SimStorage::new();
    for (file, tensor) in SHARDS {
        storage.put_durable(&Path::new("/models").join(file), &shard(tensor));
    }
    storage.put_durable(Path::new("/secret"), &shard("secret"));
    let path = Path::new("/models/index.json");
    storage.put_durable(path, bytes);
    let Ok(model) = Model::open_in(&storage, path, &ModelOptions::default()) else {
        return;
    };
    let tensors = model.tensors();
    let opened = |file: &Path| {
        let name = file.file_name()?.to_str()?;
        SHARDS
            .iter()
            .find(|(shard, _)| *shard == name && file.parent() == path.parent())
    };
    for (number, file) in model.files().iter().enumerate() {
        let file = file.origin().path().expect("a path");
        if file == path {
            // A safetensors file after all.
            return;
        }
        let (_, tensor) = opened(file).expect("only the shards beside the index");
        assert_eq!(tensors.find(tensor.as_bytes()), Some(number));
    }
    assert_eq!(tensors.len(), model.files().len());
    let metadata = model.metadata();
    for value in 0..metadata.len() {
        assert_eq!(
            metadata.find(metadata.key(value).expect("a key")),
            Some(value)
        );
        metadata.kind(value).expect("a value");
    }
});
