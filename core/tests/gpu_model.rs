//! Whole models on the card: every tensor where it is said to be, as it is said to be.
#![cfg(adit_gpu)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gpu_tools;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Device, GpuModel, MemoryPath, ModelOptions, upload_model};
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};
use adit_core::map::RealStorage;
use adit_core::model::{self, Model, ModelWriter, ModelWriterOptions};
use adit_core::transfer::{LoadOptions, Watch};
use common::Folder;
use gpu_tools::{PATHS, Random, get, open, tiny};

/// Tensors of many kinds; the sizes are none of the ring's.
const TENSORS: [(&str, DType, &[i64]); 9] = [
    ("embedding", DType::F16, &[517, 333]),
    ("scalar", DType::F32, &[]),
    ("mask", DType::Bool, &[7, 9]),
    ("empty", DType::F32, &[0, 4]),
    ("norm", DType::BF16, &[1001]),
    ("positions", DType::I64, &[3, 5]),
    ("small", DType::F8E4M3FN, &[13]),
    ("scales", DType::F8E8M0, &[17]),
    ("head", DType::F32, &[301, 257]),
];

fn write(folder: &Folder) -> PathBuf {
    let path = folder.join("model.safetensors");
    let options = ModelWriterOptions::default();
    let mut writer = ModelWriter::create(Arc::new(RealStorage), &path, &options).unwrap();
    for (name, dtype, dims) in TENSORS {
        writer.declare(name, dtype, dims).unwrap();
    }
    writer.begin().unwrap();
    let mut random = Random::new(3);
    for (index, (_, dtype, dims)) in TENSORS.iter().enumerate() {
        let elements: i64 = dims.iter().product();
        let bytes = random.bytes(elements as usize * dtype.block_bytes() as usize);
        writer.write(index, 0, &bytes).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn model(path: &Path) -> Model {
    Model::open(path, &model::ModelOptions::default()).unwrap()
}

fn name(model: &Model, index: usize) -> String {
    String::from_utf8(model.tensors().name(index).unwrap().to_vec()).unwrap()
}

/// A tensor's bytes as the file has them, converted by plain Rust.
fn wanted(model: &Model, index: usize, dtype: DType) -> Vec<u8> {
    let source = model.source(index).unwrap();
    let bytes = source.shape.bytes(source.dtype).unwrap();
    let region = source.data.region().slice(source.offset, bytes).unwrap();
    let stored = region.to_vec(0, bytes as usize).unwrap();
    if dtype == source.dtype {
        return stored;
    }
    let conversion = Conversion::on(CpuPath::Scalar, source.dtype, dtype, Overflow::Plain).unwrap();
    let blocks = stored.len() / source.dtype.block_bytes() as usize;
    let mut result = vec![0; blocks * conversion.bytes_out()];
    // SAFETY: both hold as many elements.
    unsafe { conversion.run(stored.as_ptr(), result.as_mut_ptr(), blocks, Stores::Auto) };
    result
}

/// Every tensor is there, in parts that follow one another; gives the number of all parts.
fn check(model: &Model, loaded: &GpuModel, becomes: impl Fn(DType) -> DType, align: u64) -> usize {
    assert_eq!(loaded.len(), model.tensors().len());
    let mut parts = 0;
    for index in 0..model.tensors().len() {
        let source = model.source(index).unwrap();
        let dtype = becomes(source.dtype);
        let (mut found, mut row) = (Vec::new(), 0);
        for part in 0..loaded.parts(index).unwrap() {
            let place = loaded.place(index, part).unwrap();
            assert_eq!((place.dtype, place.row_start), (dtype, row));
            assert_eq!(place.offset % align, 0);
            assert_eq!(place.shape.dims().get(1..), source.shape.dims().get(1..));
            row += place.shape.dims().first().map_or(1, |&rows| rows as u64);
            let buffer = &loaded.buffers()[place.buffer];
            found.extend(get(buffer, place.offset, place.bytes as usize));
            parts += 1;
        }
        assert_eq!(
            row,
            source.shape.dims().first().map_or(1, |&rows| rows as u64)
        );
        assert!(
            found == wanted(model, index, dtype),
            "{}",
            name(model, index)
        );
        assert_eq!(loaded.place(index, loaded.parts(index).unwrap()), None);
    }
    assert_eq!(
        (
            loaded.parts(model.tensors().len()),
            loaded.place(model.tensors().len(), 0)
        ),
        (None, None)
    );
    parts
}

fn send(device: &Device, model: &Model, options: &ModelOptions) -> GpuModel {
    let load = LoadOptions::default();
    upload_model(device, model, options, &load, &mut ())
        .unwrap()
        .0
}

fn as_f32(own: DType) -> DType {
    match own {
        DType::F64 | DType::F16 | DType::BF16 | DType::F8E4M3FN => DType::F32,
        own if own.is_block() => {
            let can = Conversion::new(own, DType::F32, Overflow::Plain).is_some();
            if can { DType::F32 } else { own }
        }
        own => own,
    }
}

#[test]
fn every_tensor_is_where_it_is_said_to_be() {
    let folder = Folder::new();
    let model = model(&write(&folder));
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let loaded = send(&device, &model, &ModelOptions::default());
        assert_eq!(check(&model, &loaded, |own| own, 256), TENSORS.len());
        assert_eq!(loaded.buffers().len(), 1);

        let mut options = ModelOptions {
            dtype: Some(DType::F32),
            align: 4,
            ..ModelOptions::default()
        };
        let loaded = send(&device, &model, &options);
        assert_eq!(check(&model, &loaded, as_f32, 4), TENSORS.len());
        // They lie side by side.
        let sizes = (0..model.tensors().len()).map(|index| loaded.place(index, 0).unwrap().bytes);
        let sum: u64 = sizes.map(|bytes| bytes.next_multiple_of(4)).sum();
        assert!(sum - loaded.buffers()[0].size() < 4);

        options.align = 1024;
        options.buffer_bytes = 100_003;
        options.split = true;
        options.release = true;
        let loaded = send(&device, &model, &options);
        assert!(check(&model, &loaded, as_f32, 1024) > TENSORS.len());
        assert!(
            loaded
                .buffers()
                .iter()
                .all(|buffer| buffer.size() <= 100_000)
        );
        // The buffers outlive the model.
        let place = loaded.place(0, 0).unwrap();
        let buffer = loaded.buffers()[place.buffer].clone();
        drop(loaded);
        let first = get(&buffer, place.offset, place.bytes as usize);
        assert_eq!(wanted(&model, 0, as_f32(place.dtype))[..first.len()], first);
    }
}

#[test]
fn blocks_are_converted() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let model = model(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/gguf/every_type.gguf"),
        );
        for split in [false, true] {
            let options = ModelOptions {
                dtype: Some(DType::F32),
                buffer_bytes: if split { 4096 } else { 0 },
                split,
                ..ModelOptions::default()
            };
            let loaded = send(&device, &model, &options);
            check(&model, &loaded, as_f32, 256);
        }
        let loaded = send(&device, &model, &ModelOptions::default());
        check(&model, &loaded, |own| own, 256);
    }
}

#[test]
fn what_no_buffer_holds_is_told_by_its_name() {
    let Some(device) = open(&tiny(MemoryPath::Staging)) else {
        return;
    };
    let folder = Folder::new();
    let model = model(&write(&folder));
    let index =
        |wanted: &str| (0..model.tensors().len()).find(|&index| name(&model, index) == wanted);
    for (options, kind, says) in [
        (
            ModelOptions {
                buffer_bytes: 344_321,
                ..ModelOptions::default()
            },
            Kind::OutOfRange,
            ["tensor", "'embedding'", "344322 bytes", "344320"],
        ),
        (
            ModelOptions {
                buffer_bytes: 665,
                split: true,
                ..ModelOptions::default()
            },
            Kind::OutOfRange,
            ["a row of", "'head'", "1028 bytes", "664"],
        ),
        (
            ModelOptions {
                align: 3,
                ..ModelOptions::default()
            },
            Kind::InvalidArgument,
            ["alignment of 3", "", "", ""],
        ),
        (
            ModelOptions {
                align: 4 << 20,
                ..ModelOptions::default()
            },
            Kind::InvalidArgument,
            ["alignment of 4194304", "", "", ""],
        ),
        (
            ModelOptions {
                buffer_bytes: 3,
                ..ModelOptions::default()
            },
            Kind::InvalidArgument,
            ["at most 3 bytes", "", "", ""],
        ),
    ] {
        let load = LoadOptions::default();
        let result = upload_model(&device, &model, &options, &load, &mut ());
        let error = result.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        for text in says {
            assert!(error.to_string().contains(text), "'{text}' in: {error}");
        }
        if kind == Kind::OutOfRange {
            let tensor = index(says[1].trim_matches('\'')).unwrap();
            assert_eq!(error.place().index, Some(tensor as u64), "{error}");
        }
    }
}

/// Remembers, and stops after some calls.
struct Log {
    patience: usize,
    told: Vec<(u64, u64)>,
    tensors: Vec<usize>,
}

impl Watch for Log {
    fn progress(&mut self, done: u64, total: u64) -> bool {
        self.told.push((done, total));
        self.patience -= 1;
        self.patience > 0
    }

    fn item_done(&mut self, item: usize) -> bool {
        self.tensors.push(item);
        self.patience -= 1;
        self.patience > 0
    }
}

#[test]
fn progress_tells_tensors_and_can_stop() {
    let folder = Folder::new();
    let model = model(&write(&folder));
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let options = ModelOptions {
            buffer_bytes: 50_000,
            split: true,
            ..ModelOptions::default()
        };
        let mut patience = 1;
        loop {
            let mut log = Log {
                patience,
                told: Vec::new(),
                tensors: Vec::new(),
            };
            let load = LoadOptions::default();
            let result = upload_model(&device, &model, &options, &load, &mut log);
            if let Err(error) = result.map(|_| ()) {
                assert_eq!(error.kind(), Kind::Cancelled, "{error}");
                assert_eq!(log.patience, 0);
                patience += 1;
                continue;
            }
            let total = log.told[0].1;
            assert!(total > 600_000);
            assert_eq!((log.told[0].0, log.told.last()), (0, Some(&(total, total))));
            assert!(log.told.is_sorted());
            log.tensors.sort_unstable();
            assert_eq!(log.tensors, (0..TENSORS.len()).collect::<Vec<_>>());
            break;
        }
        assert!(patience > TENSORS.len());
        let loaded = send(&device, &model, &options);
        check(&model, &loaded, |own| own, 256);
    }
}

#[test]
fn a_file_that_was_cut_is_told_by_its_tensor() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let folder = Folder::new();
        let path = write(&folder);
        let model = model(&path);
        let len = std::fs::metadata(&path).unwrap().len();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(len - 1).unwrap();
        let (options, load) = (ModelOptions::default(), LoadOptions::default());
        let result = upload_model(&device, &model, &options, &load, &mut ());
        let error = result.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated, "{error}");
        assert_eq!(error.place().path, Some(path));
        assert!(error.place().index.is_some());
        let told = error.place().index.unwrap() as usize;
        let says = format!("tensor {told} '{}': ", name(&model, told));
        assert!(error.to_string().starts_with(&says), "{error}");
    }
}
