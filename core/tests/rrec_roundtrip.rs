//! Whatever is written comes back bit for bit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions, Io};
use adit_core::record::RrecReader;
use common::{Folder, Pair, Tensor, create_rrec, disk, encode, gather, go_on, read, write};
use proptest::prelude::*;

fn tensors() -> impl Strategy<Value = Tensor> {
    let dims = prop_oneof![
        4 => prop::collection::vec(0i64..5, 0..4),
        1 => prop::collection::vec(1i64..3, 4..9),
        1 => prop::collection::vec(prop_oneof![Just(0i64), Just(i64::from(u32::MAX))], 1..8)
            .prop_filter("no elements", |dims| dims.contains(&0)),
        1 => (100i64..2000).prop_map(|dim| vec![dim]),
    ];
    (dims, any::<bool>()).prop_flat_map(|(dims, half)| {
        let dtype = if half { DType::F16 } else { DType::F32 };
        let empty = dims.contains(&0);
        let count = if empty {
            0
        } else {
            dims.iter().product::<i64>()
        };
        let size = count as usize * dtype.block_bytes() as usize;
        prop::collection::vec(any::<u8>(), size)
            .prop_map(move |bytes| Tensor::new(dtype, &dims, bytes))
    })
}

fn pairs() -> impl Strategy<Value = Pair> {
    [tensors(), tensors()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn records_come_back(records in prop::collection::vec(pairs(), 0..12)) {
        let folder = Folder::new();
        let path = folder.join("set.rrec");
        write(&path, &records);
        prop_assert_eq!(std::fs::read(&path).unwrap(), encode(&records));
        for backend in [Backend::Map, Backend::Read] {
            let options = DataOptions { backend, ..DataOptions::default() };
            let reader = RrecReader::open(&path, &options).unwrap();
            prop_assert_eq!(read(&reader), records.clone());
            prop_assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
            for (index, record) in records.iter().enumerate() {
                for (field, tensor) in record.iter().enumerate() {
                    check_gather(&reader, index as u64, field, tensor);
                }
            }
        }
    }

    /// Records that are alike, gathered together in any order.
    #[test]
    fn batches_come_back(
        like in pairs(),
        rows in 1usize..20,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        seed in any::<u8>(),
    ) {
        prop_assume!(like.iter().all(|tensor| tensor.dims.len() < 8));
        let folder = Folder::new();
        let path = folder.join("set.rrec");
        let columns = like.clone().map(|tensor| {
            let mut dims = vec![rows as i64];
            dims.extend(&tensor.dims);
            let bytes = (0..rows).flat_map(|row| {
                let key = seed.wrapping_add(row as u8);
                tensor.bytes.iter().map(move |byte| byte ^ key).collect::<Vec<u8>>()
            });
            Tensor::new(tensor.dtype, &dims, bytes.collect())
        });
        let mut writer = create_rrec(disk(), &path, false).unwrap();
        writer.append_batch(&[columns[0].view(), columns[1].view()]).unwrap();
        writer.finish().unwrap();
        let reader = RrecReader::open(&path, &DataOptions::default()).unwrap();
        prop_assert_eq!(reader.len(), rows as u64);
        let indices: Vec<u64> = picks.iter().map(|pick| pick.index(rows) as u64).collect();
        for (field, column) in columns.iter().enumerate() {
            let size = like[field].bytes.len();
            let expected: Vec<u8> = indices
                .iter()
                .flat_map(|&index| column.bytes[index as usize * size..][..size].to_vec())
                .collect();
            for io in [Io::Map, Io::Read] {
                let room = size * indices.len();
                let (found, bytes) = gather(&reader, field, &indices, room, io).unwrap();
                prop_assert_eq!(&bytes, &expected);
                let mut dims = vec![indices.len() as i64];
                dims.extend(&like[field].dims);
                prop_assert_eq!(found.shape.dims(), &dims);
                prop_assert_eq!(found.dtype, Some(column.dtype));
                if room > 0 {
                    let error = gather(&reader, field, &indices, room - 1, io).unwrap_err();
                    prop_assert_eq!(error.kind(), Kind::OutOfRange);
                }
            }
        }
    }
}

fn check_gather(reader: &RrecReader, index: u64, field: usize, tensor: &Tensor) {
    for io in [Io::Map, Io::Read] {
        let room = tensor.bytes.len() + 3;
        let gathered = gather(reader, field, &[index], room, io);
        if tensor.dims.len() == 8 {
            // The record's number takes a dimension.
            assert_eq!(gathered.unwrap_err().kind(), Kind::Unsupported);
        } else {
            assert_eq!(gathered.unwrap().1, tensor.bytes);
        }
        let error = gather(reader, 2, &[index], room, io).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
        let error = gather(reader, field, &[reader.len()], room, io).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
    }
}
