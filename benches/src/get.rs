//! Records one by one, from a file in the page cache.
//!
//! Ours lends pointers into its map; the peer copies each record to the heap. The names say so.

use std::hint::black_box;

use rumus::data::{Dataset, RecordDataset};

use crate::adit::{Reader, Tensor};
use crate::data::{
    FILE_HEAD, IMAGE_BYTES, Images, PAYLOAD_BYTES, RECORD_BYTES, Random, image_at, label_at,
    with_peers_copy,
};
use crate::harness::{Side, Unit, interleave, report, time};
use crate::memory::PlainMap;
use crate::sum::sum;
use crate::{Context, RUMUS, Result};

/// 123 MB: more than the caches of one core hold.
const RECORDS: usize = 10_000;

const SUMS: usize = 10_000;
const OWN_GETS: usize = 200_000;
const PEER_GETS: usize = 20_000;

/// One file, open three times.
struct Set {
    ours: Reader,
    peer: RecordDataset,
    plain: PlainMap,
}

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let images = Images::new();
    let file = context.scratch.file("get.rrec");
    images.write(&file, RECORDS)?;
    let set = Set {
        ours: Reader::open(&file)?,
        peer: RecordDataset::open(file.text()?)?,
        plain: PlainMap::open(&file)?,
    };
    set.check(&images)?;
    println!("# {RECORDS} records of {PAYLOAD_BYTES} bytes, in the page cache");
    sums(context, &set, "", RECORDS)?;
    sums(context, &set, " of 100 records", 100)?;

    let mut random = Random(1);
    let sequence = |count: usize, of: usize| (0..count).map(|i| (i % of) as u64).collect();
    let alone = "ours borrowed, rumus's copied";
    let orders: [(String, Vec<u64>); 3] = [
        (
            format!("get alone, {alone}"),
            random.indices(OWN_GETS, RECORDS),
        ),
        (
            format!("get alone, sequential, {alone}"),
            sequence(OWN_GETS, RECORDS),
        ),
        (
            format!("get alone, 8 records again and again, {alone}"),
            sequence(OWN_GETS, 8),
        ),
    ];
    orders
        .iter()
        .try_for_each(|(name, indices)| gets(context, &set, name, indices))
}

/// Gets the first `records` in random order and sums every byte of them.
fn sums(context: &Context, set: &Set, of: &str, records: usize) -> Result<()> {
    // Each run has its own order; the sum of every record tells whether all of it was read.
    let mut own_sums = vec![0_u64; records];
    let mut tensors = [Tensor::EMPTY; 2];
    for (index, own) in own_sums.iter_mut().enumerate() {
        set.ours.get(index as u64, &mut tensors)?;
        *own = tensors.iter().map(|tensor| sum(tensor.bytes())).sum();
    }
    let order = |turn: usize| Random(1000 + turn as u64).indices(SUMS, records);
    let measure = |turn: usize, sum_of: &mut dyn FnMut(u64) -> Result<u64>| {
        let (indices, mut total) = (order(turn), 0);
        let seconds = time(SUMS, || {
            for &index in &indices {
                total += sum_of(index)?;
            }
            Ok(())
        })?;
        let expected: u64 = indices.iter().map(|&index| own_sums[index as usize]).sum();
        if total == expected {
            Ok([seconds])
        } else {
            Err("two sides have different sums of the same bytes".into())
        }
    };
    let mut ours = |index| {
        set.ours.get(index, &mut tensors)?;
        Ok(sum(tensors[0].bytes()) + sum(tensors[1].bytes()))
    };
    let mut peer = |index| {
        Ok(with_peers_copy(&set.peer, index, |image, label| {
            sum(image) + sum(label)
        }))
    };
    let mut plain = |index: u64| {
        let (bytes, index) = (set.plain.bytes(), index as usize);
        let (image, label) = (image_at(index), label_at(index));
        Ok(sum(&bytes[image..image + IMAGE_BYTES]) + sum(&bytes[label..label + 4]))
    };
    let sides: [Side<'_, 1>; 3] = [
        Box::new(|turn| measure(turn, &mut ours)),
        Box::new(|turn| measure(turn, &mut peer)),
        Box::new(|turn| measure(turn, &mut plain)),
    ];
    let [[ours], [peer], [plain]] = interleave(context.rounds, sides)?;
    let name = format!("random get{of} and sum of every byte, ours borrowed, rumus's copied");
    report(&name, Unit::Time, &ours, &peer, RUMUS);
    let rate = Unit::Rate(PAYLOAD_BYTES as f64);
    let limit = "sum in place at known places of a plain map";
    report(&name, rate, &ours, &plain, limit);
    Ok(())
}

/// Gets records and looks at nothing of them.
fn gets(context: &Context, set: &Set, name: &str, indices: &[u64]) -> Result<()> {
    let sides: [Side<'_, 1>; 3] = [
        Box::new(|_| {
            let mut tensors = [Tensor::EMPTY; 2];
            let own = time(indices.len(), || {
                for &index in indices {
                    set.ours.get(index, &mut tensors)?;
                    black_box(&tensors);
                }
                Ok(())
            })?;
            Ok([own])
        }),
        Box::new(|_| {
            let peer = time(PEER_GETS, || {
                for &index in &indices[..PEER_GETS] {
                    black_box(set.peer.get(index as usize));
                }
                Ok(())
            })?;
            Ok([peer])
        }),
        Box::new(|_| {
            let plain = time(indices.len(), || {
                for &index in indices {
                    black_box(set.touch(index as usize));
                }
                Ok(())
            })?;
            Ok([plain])
        }),
    ];
    let [[ours], [peer], [plain]] = interleave(context.rounds, sides)?;
    report(name, Unit::Time, &ours, &peer, RUMUS);
    let limit = "plain loads of index entry and heads";
    report(name, Unit::Time, &ours, &plain, limit);
    Ok(())
}

impl Set {
    /// Whether all sides read what was written.
    fn check(&self, images: &Images) -> Result<()> {
        let mut tensors = [Tensor::EMPTY; 2];
        for index in 0..RECORDS {
            self.ours.get(index as u64, &mut tensors)?;
            images.check(index, tensors[0].bytes(), tensors[1].bytes(), "the library")?;
            with_peers_copy(&self.peer, index as u64, |image, label| {
                images.check(index, image, label, RUMUS)
            })?;
            let (image, label) = self.touch(index);
            let at = |place: usize, len| &self.plain.bytes()[place..place + len];
            images.check(index, at(image, IMAGE_BYTES), at(label, 4), "the plain map")?;
        }
        Ok(())
    }

    /// What any reader must load to know where the tensors of a record lie.
    #[inline]
    fn touch(&self, index: usize) -> (usize, usize) {
        let bytes = self.plain.bytes();
        let entry = FILE_HEAD + RECORDS * RECORD_BYTES + index * 16;
        let record = load(bytes, entry) as usize | (load(bytes, entry + 4) as usize) << 32;
        let image = tensor(bytes, record);
        let label = tensor(bytes, image.1);
        (image.0, label.0)
    }
}

/// Where a tensor's elements start and end.
#[inline]
fn tensor(bytes: &[u8], at: usize) -> (usize, usize) {
    let ndim = load(bytes, at) as usize;
    let dims = (0..ndim).map(|axis| load(bytes, at + 4 + 4 * axis) as usize);
    let elements: usize = dims.product();
    let data = at + 8 + 4 * ndim;
    let size = if load(bytes, data - 4) == 0 { 4 } else { 2 };
    (data, data + elements * size)
}

#[inline]
fn load(bytes: &[u8], at: usize) -> u32 {
    let value = bytes[at..at + 4].try_into();
    value.map_or(0, u32::from_le_bytes)
}
