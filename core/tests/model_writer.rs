//! Models written to one file: byte for byte, in pieces of any order, over older ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod writer_tools;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::model::{Location, Model, ModelOptions, ModelWriterOptions};
use common::{Folder, disk, region};
use proptest::prelude::*;
use writer_tools::{REPLACE, Weights, contents, declared, read, small, sorted, write};

#[test]
fn byte_for_byte() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let model = small();
    let mut writer = declared(&disk(), &path, &REPLACE, &model).unwrap();
    writer.set_metadata("format", "np").unwrap();
    writer.set_metadata("who", "me").unwrap();
    writer.set_metadata("format", "pt").unwrap();
    assert_eq!((writer.count(), writer.shards()), (5, 0));
    assert!(folder.names().is_empty());
    writer.begin().unwrap();
    assert_eq!((writer.count(), writer.shards()), (5, 1));
    for (number, own) in model.iter().enumerate() {
        writer.write(number, 0, &own.bytes).unwrap();
    }
    assert!(!path.exists());
    writer.finish().unwrap();

    let header = "{\"__metadata__\":{\"format\":\"pt\",\"who\":\"me\"},\
        \"w.weight\":{\"dtype\":\"F32\",\"shape\":[2,8],\"data_offsets\":[0,64]},\
        \"none\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[64,64]},\
        \"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[64,72]},\
        \"w.bias\":{\"dtype\":\"BF16\",\"shape\":[5],\"data_offsets\":[72,82]},\
        \"odd\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[82,85]}}";
    let padded = (header.len() + 8).next_multiple_of(64) - 8;
    let mut expected = (padded as u64).to_le_bytes().to_vec();
    expected.extend(format!("{header:padded$}").into_bytes());
    for number in [1, 2, 4, 3, 0] {
        expected.extend(&model[number].bytes);
    }
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    assert_eq!(folder.names(), ["m.safetensors"]);
    let start = padded as u64 + 8;
    let locations: Vec<Location> = (0..5).map(|n| writer.location(n).unwrap()).collect();
    let at = |offset, alignment| Location {
        shard: 0,
        offset: start + offset,
        alignment,
    };
    assert_eq!(
        locations,
        [at(82, 2), at(0, 64), at(64, 64), at(72, 8), at(64, 64)]
    );
    assert_eq!(read(&*disk(), &path).unwrap(), sorted(&model));
}

#[test]
fn every_dtype_and_shape() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let known = DType::ALL
        .iter()
        .filter(|dtype| dtype.safetensors().is_some());
    let mut model: Vec<Weights> = known
        .map(|&dtype| Weights::new(7, dtype.name(), dtype, &[3, 4]))
        .collect();
    assert_eq!(model.len(), 22);
    let many = vec![1; 40];
    model.push(Weights::new(8, "40 dimensions", DType::I16, &many));
    model.push(Weights::new(9, "", DType::Bool, &[]));
    model.push(Weights::new(
        9,
        "\"\\\u{1}\u{7f}\u{2028} é 漢 😀\n",
        DType::I8,
        &[1],
    ));
    write(&disk(), &path, &REPLACE, &model).unwrap();
    assert_eq!(read(&*disk(), &path).unwrap(), sorted(&model));
    // Each is aligned at least for its dtype.
    let opened = Model::open(&path, &ModelOptions::default()).unwrap();
    for index in 0..opened.tensors().len() {
        let lent = opened.tensor(index).map(|lent| lent.bytes.len());
        let is_wide = opened.tensors().name(index) == Some(b"40 dimensions");
        assert_eq!(lent.is_ok(), !is_wide, "{lent:?}");
    }
}

#[test]
fn no_tensors() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    write(&disk(), &path, &REPLACE, &[]).unwrap();
    let mut expected = 56u64.to_le_bytes().to_vec();
    expected.extend(format!("{:56}", "{}").into_bytes());
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    assert!(read(&*disk(), &path).unwrap().is_empty());
}

/// Pieces of all tensors, cut anywhere, in any order, some twice.
fn pieces(model: &[Weights], cuts: &[(usize, u64)], order: &[usize]) -> Vec<(usize, u64, u64)> {
    let mut pieces = Vec::new();
    for (number, own) in model.iter().enumerate() {
        let size = own.bytes.len() as u64;
        let own = cuts
            .iter()
            .filter(|(tensor, _)| tensor % model.len() == number);
        let mut ends: Vec<u64> = own
            .map(|(_, cut)| cut % (size + 1))
            .chain([0, size])
            .collect();
        ends.sort_unstable();
        pieces.extend(ends.windows(2).map(|pair| (number, pair[0], pair[1])));
    }
    let mut ordered: Vec<_> = order.iter().map(|&at| pieces[at % pieces.len()]).collect();
    pieces.retain(|piece| !ordered.contains(piece));
    ordered.extend(pieces);
    ordered
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn in_any_order(
        sizes in prop::collection::vec((0i64..300, 0usize..4), 1..8),
        cuts in prop::collection::vec((0usize..8, 0u64..3000), 0..40),
        order in prop::collection::vec(0usize..60, 0..60),
        limit in prop::option::of(0u64..3000),
    ) {
        let folder = Folder::new();
        let path = folder.join("m.safetensors");
        let dtypes = [DType::U8, DType::F16, DType::F32, DType::I64];
        let model: Vec<Weights> = sizes.iter().enumerate().map(|(number, &(size, dtype))| {
            Weights::new(number as u8, &format!("t{number}"), dtypes[dtype], &[size])
        }).collect();
        let options = ModelWriterOptions { shard_bytes: limit, replace: false };
        let mut writer = declared(&disk(), &path, &options, &model).unwrap();
        writer.begin().unwrap();
        let mut covered: Vec<Vec<bool>> =
            model.iter().map(|own| vec![false; own.bytes.len()]).collect();
        for (number, start, end) in pieces(&model, &cuts, &order) {
            // Not whole as long as a byte is missing, and the message says which.
            let missing = covered.iter().position(|bytes| bytes.contains(&false));
            if let Some(first) = missing {
                let error = writer.finish().unwrap_err();
                prop_assert_eq!(error.kind(), Kind::Unfinished);
                let byte = covered[first].iter().position(|&byte| !byte).unwrap() as u64;
                let place = error.place();
                prop_assert_eq!(place.index, Some(first as u64));
                let offset = writer.location(first).unwrap().offset + byte;
                prop_assert_eq!(place.offset, Some(offset));
                let text = error.to_string();
                prop_assert!(text.contains(&format!("'t{first}' bytes {byte} to")), "{}", text);
            }
            let range = start as usize..end as usize;
            covered[number][range.clone()].fill(true);
            writer.write(number, start, &model[number].bytes[range]).unwrap();
        }
        writer.finish().unwrap();
        let name = if writer.shards() > 1 { "m.safetensors.index.json" } else { "m.safetensors" };
        prop_assert_eq!(read(&*disk(), &folder.join(name)).unwrap(), sorted(&model));
    }
}

#[test]
fn bytes_that_are_mapped_or_written_again() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let model = small();
    write(&disk(), &path, &REPLACE, &model).unwrap();
    let old = Model::open(&path, &ModelOptions::default()).unwrap();
    let before = contents(&old);

    // Over the file that is read meanwhile, from its own map.
    let changed = Weights::new(99, "w.weight", DType::F32, &[2, 8]);
    let mut writer = declared(&disk(), &path, &REPLACE, &model).unwrap();
    writer.begin().unwrap();
    for (number, own) in model.iter().enumerate() {
        let index = old.tensors().find(own.name.as_bytes()).unwrap();
        let bytes = old.tensor(index).unwrap().bytes;
        writer.write_region(number, 0, bytes).unwrap();
    }
    writer.write(1, 8, &changed.bytes[8..]).unwrap();
    writer.write(1, 0, &changed.bytes[..20]).unwrap();
    writer.write_region(1, 64, region(&[])).unwrap();
    writer.finish().unwrap();
    assert_eq!(contents(&old), before);
    old.files()[0].still_whole().unwrap();
    let mut expected = small();
    expected[1].bytes = changed.bytes;
    assert_eq!(read(&*disk(), &path).unwrap(), sorted(&expected));
    assert_eq!(folder.names(), ["m.safetensors"]);
}
