//! Any bytes as a manifest beside a file that is no shard: nothing outside of its folder is opened,
//! what opens has as many records as its files, and each record is of one of them.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::record::{ReaderOptions, RecordReader};
use libfuzzer_sys::fuzz_target;

/// Records and files looked at one by one: the rest is like them.
const LOOKED_AT: u64 = 16;

fuzz_target!(|bytes: &[u8]| {
    let storage = SimStorage::new();
    let path = Path::new("/set/set.json");
    storage.put_durable(Path::new("/set/one.arec"), b"no shard");
    storage.put_durable(Path::new("/one.arec"), b"outside");
    storage.put_durable(path, bytes);
    let options = ReaderOptions::default();
    let reader = match RecordReader::open_in(Arc::new(storage), path, &options) {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(error.place().path.as_deref(), Some(path), "{error}");
            return;
        }
    };
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // A record file after all.
        return;
    }
    let len = reader.len();
    assert!(reader.shard_of(len).is_err());
    assert!(reader.shard_of(u64::MAX).is_err());
    let files = reader.shards() as u64;
    for step in 0..LOOKED_AT.min(len) {
        let index = (u128::from(len - 1) * u128::from(step) / u128::from(LOOKED_AT)) as u64;
        let (shard, local) = reader.shard_of(index).expect("a record");
        assert!((shard as u64) < files && local <= index);
        let error = reader.get(index).expect_err("no shard");
        let place = error.place().path.expect("a path");
        assert_eq!(place.parent(), path.parent(), "{error}");
    }
    let mut verified = 0;
    let found = reader.verify(&mut |_, _| {
        verified += 1;
        verified < LOOKED_AT
    });
    match found {
        Ok(found) => assert_eq!(found.records, len),
        Err(error) => assert_eq!(error.kind(), Kind::Cancelled, "{error}"),
    }
    let schema = reader.schema().expect("a schema");
    for (number, field) in schema.fields().iter().enumerate() {
        assert_eq!(reader.find_field(&field.name), Some(number));
    }
    reader.identity().expect("a number");
    reader.metadata().expect("the manifest's");
});
