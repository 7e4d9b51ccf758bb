//! A loader of real files: fixed, packed and padded fields, one file or shards, by map, pread or past
//! the page cache, and a byte that was flipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::loader::{
    BadRecord, Batch, FieldOption, Loader, LoaderOptions, MASKED, REPLACED, RaggedMode, Uneven,
};
use adit_core::map::Io;
use adit_core::record::{
    Field, ReaderOptions, RecordFormat, RecordReader, RecordWriter, Schema, WriterOptions,
};
use common::{Folder, Tensor, disk, noise};

const RECORDS: u64 = 500;

fn record(number: u64) -> [Tensor; 3] {
    let x = (0..16u64).map(|at| (number * 16 + at) as u32);
    let len = number * 7 % 50;
    let text = (0..len).map(|at| (number + at) as u8).collect();
    let pairs = number % 4;
    let tokens = (0..pairs * 2).flat_map(|at| ((number * 8 + at) as u16).to_le_bytes());
    [
        Tensor::f32_bits(&[4, 4], x),
        Tensor::new(DType::U8, &[len as i64], text),
        Tensor::new(DType::U16, &[pairs as i64, 2], tokens.collect()),
    ]
}

fn write(path: &Path, shard_bytes: u64) {
    let mut schema = Schema::new();
    schema.add(Field::new("x", DType::F32, &[4, 4])).unwrap();
    schema.add(Field::bytes("text")).unwrap();
    schema
        .add(Field::new("pairs", DType::U16, &[-1, 2]))
        .unwrap();
    let mut options = WriterOptions {
        format: RecordFormat::Arec,
        schema: Some(schema),
        shard_bytes,
        ..WriterOptions::default()
    };
    options.arec.block_bytes = 16 << 10;
    let mut writer = RecordWriter::create(disk(), path, &options).unwrap();
    for number in 0..RECORDS {
        let tensors = record(number);
        let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
        writer.append(&views).unwrap();
    }
    writer.finish().unwrap();
}

fn options(io: Io, workers: usize) -> LoaderOptions {
    let mut options = LoaderOptions::new(32);
    options.order.block = 20;
    options.order.window = 3;
    options.partition.uneven = Uneven::Keep;
    options.io = io;
    options.workers = Some(workers);
    let field = |name: &str, ragged| FieldOption {
        name: name.to_owned(),
        dtype: None,
        ragged,
    };
    let padded = RaggedMode::Padded {
        length: 3,
        cut: true,
    };
    options.fields = vec![
        field("text", RaggedMode::Packed),
        field("x", RaggedMode::Packed),
        field("pairs", padded),
    ];
    options
}

fn open(path: &Path, options: &LoaderOptions) -> Loader {
    let reader = RecordReader::open(path, &ReaderOptions::default()).unwrap();
    Loader::open(Arc::new(reader), options).unwrap()
}

fn tensor(batch: &Batch, name: &str) -> Tensor {
    Tensor::of(&batch.tensor(batch.find(name).unwrap()).unwrap())
}

/// Whether all of the batch is what the records it names have; masked ones have nothing.
fn check(batch: &Batch) {
    let (mut text, mut x, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offsets, mut lengths) = (vec![0u64], Vec::new());
    for row in 0..32 {
        if row >= batch.valid() || batch.flags()[row] & MASKED != 0 {
            x.resize(x.len() + 64, 0);
            pairs.resize(pairs.len() + 12, 0);
            lengths.push(0u64);
        } else {
            let [own_x, own_text, mut own_pairs] = record(batch.records()[row]);
            x.extend(own_x.bytes);
            text.extend(own_text.bytes);
            own_pairs.bytes.resize(12, 0);
            pairs.extend(own_pairs.bytes);
            lengths.push(own_pairs.dims[0] as u64);
        }
        offsets.push(text.len() as u64);
    }
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let of = |dtype, dims: &[i64], bytes| Tensor::new(dtype, dims, bytes);
    let bytes = text.len() as i64;
    assert_eq!(tensor(batch, "text"), of(DType::U8, &[bytes], text));
    assert_eq!(tensor(batch, "x"), of(DType::F32, &[32, 4, 4], x));
    assert_eq!(tensor(batch, "pairs"), of(DType::U16, &[32, 3, 2], pairs));
    let offsets = of(DType::U64, &[33], words(&offsets));
    assert_eq!(tensor(batch, "text.offsets"), offsets);
    let lengths = of(DType::U64, &[32], words(&lengths));
    assert_eq!(tensor(batch, "pairs.lengths"), lengths);
}

#[test]
fn every_record_comes_once_however_it_is_read() {
    let folder = Folder::new();
    let (one, set) = (folder.join("one.arec"), folder.join("set.json"));
    write(&one, 0);
    write(&set, 64 << 10);
    for path in [&one, &set] {
        for io in [Io::Auto, Io::Read, Io::Map, Io::Direct] {
            for workers in [0, 2] {
                let mut loader = open(path, &options(io, workers));
                assert_eq!(loader.steps(), 16);
                let mut seen = Vec::new();
                while let Some(batch) = loader.next().unwrap() {
                    check(&batch);
                    seen.extend_from_slice(&batch.records()[..batch.valid()]);
                }
                seen.sort_unstable();
                assert_eq!(seen, (0..RECORDS).collect::<Vec<_>>());
                assert!(loader.stats().unwrap().read_bytes > 0);
            }
        }
    }
}

/// Flips a byte of the text of a record, and tells its number.
fn damage(path: &Path) -> u64 {
    let number = 333;
    let [x, text, _] = record(number);
    let mut bytes = std::fs::read(path).unwrap();
    let is_x = |at: &usize| bytes[*at..].starts_with(&x.bytes);
    let place = (0..bytes.len()).find(is_x).unwrap();
    // The fixed field comes first.
    let place = place + x.bytes.len();
    assert!(bytes[place..].starts_with(&text.bytes));
    bytes[place + 2] ^= 4;
    std::fs::write(path, bytes).unwrap();
    number
}

#[test]
fn a_flipped_byte_is_told_by_its_record_replaced_or_masked() {
    let folder = Folder::new();
    let path = folder.join("one.arec");
    write(&path, 0);
    let bad = damage(&path);
    for io in [Io::Read, Io::Map, Io::Direct] {
        for policy in [BadRecord::Fail, BadRecord::Replace, BadRecord::Mask] {
            let mut options = options(io, 1);
            options.bad = policy;
            let mut loader = open(&path, &options);
            let (mut failed, mut rows) = (0, 0);
            loop {
                match loader.next() {
                    Ok(Some(batch)) => {
                        check(&batch);
                        rows += batch.valid();
                    }
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::Checksum, "{error}");
                        assert_eq!(error.place().index, Some(bad));
                        assert_eq!(error.place().path.as_deref(), Some(&*path));
                        let text = error.to_string();
                        assert!(text.starts_with(&format!("record {bad} of '")), "{text}");
                        assert!(text.contains("text"), "{text}");
                        failed += 1;
                        break;
                    }
                }
            }
            let stats = loader.stats().unwrap();
            match policy {
                BadRecord::Fail => assert_eq!(failed, 1),
                BadRecord::Replace => assert_eq!((failed, rows, stats.replaced), (0, 500, 1)),
                BadRecord::Mask => assert_eq!((failed, rows, stats.masked), (0, 500, 1)),
            }
        }
    }
    assert_eq!((REPLACED, MASKED), (1, 2));
}

/// A format that declares no fields: record 0 says what they are, and another one is a bad record.
#[test]
fn an_rrec_file_is_loaded() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let pair = |number: u32| [noise(number, &[2, 3]), noise(number + 1000, &[])];
    let mut records: Vec<_> = (0..50).map(pair).collect();
    records[31] = [noise(31, &[3, 2]), noise(1031, &[])];
    common::write(&path, &records);
    for (io, workers) in [(Io::Read, 1), (Io::Map, 0), (Io::Direct, 2)] {
        let mut options = LoaderOptions::new(8);
        options.partition.uneven = Uneven::Keep;
        options.io = io;
        options.workers = Some(workers);
        options.bad = BadRecord::Mask;
        let mut loader = open(&path, &options);
        let mut seen = Vec::new();
        while let Some(batch) = loader.next().unwrap() {
            let (mut input, mut target) = (Vec::new(), Vec::new());
            for (row, &number) in batch.records().iter().enumerate() {
                if row < batch.valid() {
                    seen.push(number);
                }
                let masked = batch.flags()[row] & MASKED != 0;
                assert_eq!(masked, number == 31);
                match records.get(number as usize).filter(|_| !masked) {
                    Some([own_input, own_target]) => {
                        input.extend(&own_input.bytes);
                        target.extend(&own_target.bytes);
                    }
                    None => {
                        input.resize(input.len() + 24, 0);
                        let own = records.get(number as usize);
                        let bytes = own.map_or(vec![0; 4], |own| own[1].bytes.clone());
                        target.extend(bytes);
                    }
                }
            }
            assert_eq!(tensor(&batch, "input").bytes, input);
            assert_eq!(tensor(&batch, "input").dims, [8, 2, 3]);
            let masked = batch.flags().iter().any(|flag| flag & MASKED != 0);
            assert!(masked || tensor(&batch, "target").bytes == target);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
}

/// A set of which one file is cut while a loader of it runs, and then has all its bytes again.
#[test]
fn a_file_that_is_cut_has_bad_records_until_it_is_whole_again() {
    for io in [Io::Read, Io::Direct, Io::Map] {
        for bad in [BadRecord::Mask, BadRecord::Replace, BadRecord::Fail] {
            // A map that is read while its file is cut ends the process.
            for workers in [0, if io == Io::Map { 0 } else { 2 }] {
                let folder = Folder::new();
                let path = folder.join("set.json");
                write(&path, 64 << 10);
                let reader = RecordReader::open(&path, &ReaderOptions::default()).unwrap();
                let reader = Arc::new(reader);
                assert!(reader.shards() > 1);
                let in_first = |record: &u64| reader.shard_of(*record).unwrap().0 == 0;
                let mut options = options(io, workers);
                options.bad = bad;
                options.order.shuffle = adit_core::loader::Shuffle::Sequential;
                let mut loader = Loader::open(Arc::clone(&reader), &options).unwrap();
                check(&loader.next().unwrap().unwrap());

                let shard = std::fs::read_dir(folder.path())
                    .unwrap()
                    .filter_map(|entry| {
                        let path = entry.unwrap().path();
                        (path.extension()? == "arec").then_some(path)
                    });
                let mut shards: Vec<_> = shard.collect();
                shards.sort();
                let sound = std::fs::read(&shards[0]).unwrap();
                let file = std::fs::OpenOptions::new().write(true).open(&shards[0]);
                let file = file.unwrap();
                for put_back in [None, Some(0u64), Some(1 << 20)] {
                    // Zeros are no better than nothing.
                    file.set_len(5000).unwrap();
                    if put_back == Some(0) {
                        file.set_len(sound.len() as u64).unwrap();
                    } else if put_back.is_some() {
                        std::fs::write(&shards[0], &sound).unwrap();
                    }
                    let is_sound = put_back == Some(1 << 20) && io != Io::Map;
                    loader.set_epoch(3 + put_back.unwrap_or(1)).unwrap();
                    if bad == BadRecord::Fail && !is_sound {
                        let error = loader.next().unwrap_err();
                        assert_eq!(error.kind(), Kind::Truncated, "{io:?} {error}");
                        assert_eq!(error.place().index, Some(0));
                        continue;
                    }
                    let mut count = 0;
                    while let Some(batch) = loader.next().unwrap() {
                        for row in 0..batch.valid() {
                            let flags = batch.flags()[row];
                            let is_lost = in_first(&(count + row as u64)) && !is_sound;
                            let expected = match bad {
                                _ if !is_lost => 0,
                                BadRecord::Mask => MASKED,
                                _ => REPLACED,
                            };
                            assert_eq!(flags, expected, "{io:?} {bad:?} {put_back:?}");
                        }
                        check(&batch);
                        count += batch.valid() as u64;
                    }
                    assert_eq!(count, RECORDS);
                }
            }
        }
    }
}
