//! Record files and rumus: what both write is the same file, and each reads the other's.

use std::fs;

use rumus::data::{Dataset, RecordDataset, RecordWriter};

use crate::Result;
use crate::adit::{F16, F32, Reader, Tensor, Writer};
use crate::data::{Random, peers_tensor};
use crate::memory::bytes_of;
use crate::scratch::Scratch;

const RECORDS: usize = 400;

/// Any bits, and so infinities, NaNs of both kinds and subnormals; up to four dimensions, 0 among
/// their sizes.
struct Values {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Values {
    fn random(random: &mut Random) -> Values {
        let ndim = random.below(5);
        let shape: Vec<usize> = (0..ndim).map(|_| random.below(6) as usize).collect();
        let values = (0..shape.iter().product())
            .map(|_| f32::from_bits(random.next() as u32))
            .collect();
        Values { shape, values }
    }

    fn ours(&self) -> Result<Tensor<'_>> {
        Tensor::over(bytes_of(&self.values), F32, &self.dims())
    }

    fn peers(&self) -> rumus::tensor::Tensor {
        peers_tensor(&self.values, &self.shape)
    }

    fn dims(&self) -> Vec<i64> {
        self.shape.iter().map(|&dim| dim as i64).collect()
    }

    fn assert_ours(&self, tensor: &Tensor<'_>) {
        assert_eq!(tensor.dtype(), F32);
        assert_eq!(tensor.dims(), self.dims());
        assert_eq!(tensor.bytes(), bytes_of(&self.values));
    }

    fn assert_peers(&self, tensor: &rumus::tensor::Tensor) {
        assert_eq!(tensor.shape(), self.shape);
        assert_eq!(bytes_of(&tensor.data()), bytes_of(&self.values));
    }
}

#[test]
fn both_write_the_same_file_and_read_each_others() -> Result<()> {
    let scratch = Scratch::new()?;
    let (own_file, peer_file) = (scratch.file("ours.rrec"), scratch.file("peers.rrec"));
    let mut random = Random(2024);
    let records: Vec<[Values; 2]> = (0..RECORDS)
        .map(|_| [Values::random(&mut random), Values::random(&mut random)])
        .collect();

    let mut ours = Writer::create(&own_file)?;
    let mut peers = RecordWriter::create(peer_file.text()?)?;
    for [input, target] in &records {
        ours.append(&[input.ours()?, target.ours()?])?;
        peers.append(&input.peers(), &target.peers())?;
    }
    ours.finish()?;
    peers.finish()?;
    assert_eq!(fs::read(&*own_file)?, fs::read(&*peer_file)?);

    let (ours, peers) = (
        Reader::open(&peer_file)?,
        RecordDataset::open(own_file.text()?)?,
    );
    assert_eq!((ours.len(), peers.len()), (RECORDS as u64, RECORDS));
    let mut tensors = [Tensor::EMPTY; 2];
    for (index, [input, target]) in records.iter().enumerate() {
        ours.get(index as u64, &mut tensors)?;
        input.assert_ours(&tensors[0]);
        target.assert_ours(&tensors[1]);
        let item = peers.get(index);
        input.assert_peers(&item.input);
        target.assert_peers(&item.target);
    }
    Ok(())
}

#[test]
fn a_file_without_records_is_the_same_too() -> Result<()> {
    let scratch = Scratch::new()?;
    let (own_file, peer_file) = (scratch.file("ours.rrec"), scratch.file("peers.rrec"));
    Writer::create(&own_file)?.finish()?;
    RecordWriter::create(peer_file.text()?)?.finish()?;
    assert_eq!(fs::read(&*own_file)?, fs::read(&*peer_file)?);
    assert_eq!(Reader::open(&peer_file)?.len(), 0);
    assert!(RecordDataset::open(own_file.text()?)?.is_empty());
    Ok(())
}

/// The peer writes f16 on a GPU alone, but reads it anywhere, as f32.
#[test]
fn the_peer_reads_our_halves() -> Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("halves.rrec");
    let halves = [0x3c00_u16, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x3555];
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    let mut writer = Writer::create(&file)?;
    writer.append(&[
        Tensor::over(&bytes, F16, &[7])?,
        Tensor::over(&bytes, F16, &[])?,
    ])?;
    writer.finish()?;

    let item = RecordDataset::open(file.text()?)?.get(0);
    let third = 0.333_251_95;
    let values = [
        1.0,
        -2.0,
        65504.0,
        5.960_464_5e-8,
        -0.0,
        f32::INFINITY,
        third,
    ];
    assert_eq!(bytes_of(&item.input.data()), bytes_of(&values));
    assert_eq!((item.target.shape(), item.target.data()[0]), (&[][..], 1.0));
    Ok(())
}
