//! A reader of arec files made from docs/record-format.md alone, which checks all that is said there
//! and panics where a byte isn't as it must be.

use adit_core::dtype::DType;
use adit_core::kernel::{crc32c_of, hash};

use super::{Record, Tensor};

const PAGE: u64 = 4096;
const ANY: u64 = u64::MAX;

/// A finished file.
pub struct Parsed {
    pub records: Vec<Record>,
    pub metadata: Vec<(String, Vec<u8>)>,
    pub blocks: Vec<BlockOf>,
    pub header: Header,
    pub data_end: u64,
}

/// Where a block lies and which records it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockOf {
    pub start: u64,
    /// Where its table ends.
    pub end: u64,
    pub stride: u64,
    pub strides: u64,
    pub first: u64,
    pub count: u64,
}

pub struct FieldOf {
    pub name: String,
    pub dtype: DType,
    kind: u8,
    align: u64,
    offset: u64,
    dims: Vec<u64>,
}

impl FieldOf {
    fn own(&self) -> usize {
        self.dims.iter().filter(|&&dim| dim == ANY).count()
    }
}

pub struct Header {
    pub bytes: u64,
    pub uuid: Vec<u8>,
    pub nonce: u64,
    pub fields: Vec<FieldOf>,
    pub align: u64,
    pub fixed: bool,
    pub pages: bool,
    pub stride: u64,
    pub per_block: u64,
    pub record_stride: u64,
    pub fixed_end: u64,
    pub data_start: u64,
}

fn u32_at(bytes: &[u8], at: u64) -> u32 {
    u32::from_le_bytes(bytes[at as usize..][..4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: u64) -> u64 {
    u64::from_le_bytes(bytes[at as usize..][..8].try_into().unwrap())
}

fn part(bytes: &[u8], at: u64, len: u64) -> &[u8] {
    &bytes[at as usize..][..len as usize]
}

fn zeros(bytes: &[u8], from: u64, to: u64) {
    let gap = part(bytes, from, to - from);
    assert!(gap.iter().all(|&byte| byte == 0), "bytes {from} to {to}");
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap();
    assert!(bytes[end..].iter().all(|&byte| byte == 0));
    String::from_utf8(bytes[..end].to_vec()).unwrap()
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Header {
        assert_eq!(&bytes[..16], b"\x89ADITRECORDS\r\n\x1a\n");
        assert_eq!(u32_at(bytes, 16), 1);
        let len = u64::from(u32_at(bytes, 20));
        assert!(len.is_multiple_of(PAGE) && len <= 1 << 20);
        assert_eq!(
            u32_at(bytes, len - 4),
            crc32c_of(0, part(bytes, 0, len - 4))
        );
        assert_eq!((u64_at(bytes, 24), u64_at(bytes, 32)), (0, 0));
        let count = u64::from(u32_at(bytes, 64));
        let field = |number: u64| {
            let row = part(bytes, 128 + 192 * number, 192);
            let dtype = DType::from_number(u32_at(row, 64) as i32).unwrap();
            let ndim = u64::from(row[70]);
            zeros(row, 71, 72);
            zeros(row, 80 + 8 * ndim, 144);
            zeros(row, 168, 192);
            assert_eq!(text(&row[144..168]), dtype.name());
            FieldOf {
                name: text(&row[..64]),
                dtype,
                kind: row[68],
                align: 1 << row[69],
                offset: u64_at(row, 72),
                dims: (0..ndim).map(|axis| u64_at(row, 80 + 8 * axis)).collect(),
            }
        };
        zeros(bytes, 112, 128);
        zeros(bytes, 128 + 192 * count, len - 4);
        assert_eq!((bytes[69], bytes[70]), (0, 1));
        assert!(bytes[71] < 4);
        let header = Header {
            bytes: len,
            uuid: bytes[40..56].to_vec(),
            nonce: u64_at(bytes, 56),
            fields: (0..count).map(field).collect(),
            align: 1 << bytes[68],
            fixed: bytes[71] & 1 != 0,
            pages: bytes[71] & 2 != 0,
            stride: u64_at(bytes, 72),
            per_block: u64_at(bytes, 80),
            record_stride: u64_at(bytes, 88),
            fixed_end: u64_at(bytes, 96),
            data_start: u64_at(bytes, 104),
        };
        assert!(header.stride.is_multiple_of(PAGE) && header.data_start.is_multiple_of(PAGE));
        assert!(header.data_start >= len);
        header.check_fields();
        header
    }

    fn check_fields(&self) {
        let mut end = 0u64;
        for field in &self.fields {
            assert!(field.align <= self.align);
            assert!(field.align >= u64::from(field.dtype.align()));
            match field.kind {
                1 => {
                    assert_eq!(field.own(), 0);
                    assert_eq!(field.offset, end.next_multiple_of(field.align));
                    end = field.offset + self.bytes_of(field, &[]);
                }
                2 => assert!(field.own() > 0 && field.offset == 0),
                3 => assert!(field.dims == [ANY] && field.dtype == DType::U8),
                kind => panic!("kind {kind}"),
            }
        }
        assert_eq!(self.fixed_end, end);
        assert_eq!(self.fixed, self.fields.iter().all(|field| field.kind == 1));
        if self.fixed {
            let len = end.max(1).next_multiple_of(self.align);
            let pages = self.pages && len > PAGE;
            let stride = if pages {
                len.next_multiple_of(PAGE)
            } else {
                len
            };
            assert_eq!(self.record_stride, stride);
            assert!(self.per_block > 0);
        } else {
            assert_eq!((self.per_block, self.record_stride), (0, 0));
        }
    }

    fn dims_of(&self, field: &FieldOf, own: &[u32]) -> Vec<i64> {
        let mut own = own.iter();
        let size = |&dim: &u64| match dim {
            ANY => i64::from(*own.next().unwrap()),
            dim => dim as i64,
        };
        field.dims.iter().map(size).collect()
    }

    fn bytes_of(&self, field: &FieldOf, own: &[u32]) -> u64 {
        let shape = adit_core::tensor::Shape::new(&self.dims_of(field, own)).unwrap();
        shape.bytes(field.dtype).unwrap()
    }

    fn head(&self) -> u64 {
        if self.pages { PAGE } else { self.align }
    }

    pub fn row_bytes(&self) -> u64 {
        let own: usize = self.fields.iter().map(FieldOf::own).sum();
        let words = self.fields.len() + if self.fixed { 0 } else { 2 + own };
        4 * words as u64
    }

    /// The records that the block at `start` of `bytes` has, if it is this one and whole.
    pub fn block(
        &self,
        bytes: &[u8],
        start: u64,
        (copy, stride, first): (bool, u64, u64),
    ) -> Option<(BlockOf, Vec<Record>)> {
        let bytes = bytes.get(start as usize..)?;
        let frame = bytes.get(..64)?;
        let magic = if copy { b"ADITPART" } else { b"ADITBLCK" };
        let is_right = frame[..8] == *magic
            && u64_at(frame, 8) == self.nonce
            && u32_at(frame, 60) == crc32c_of(0, &frame[..60])
            && (u64_at(frame, 16), u64_at(frame, 24)) == (stride, first);
        if !is_right {
            return None;
        }
        let count = u64::from(u32_at(frame, 32));
        let table_at = u64_at(frame, 40);
        let end = table_at + count * self.row_bytes();
        let table = bytes.get(table_at as usize..end as usize)?;
        if hash(table, self.nonce) != u64_at(frame, 48) {
            return None;
        }
        let mut records = Vec::new();
        let mut place = self.head();
        for number in 0..count {
            let row = part(table, number * self.row_bytes(), self.row_bytes());
            let record = self.record(bytes, row, &mut place)?;
            records.push(record);
        }
        assert_eq!(table_at, place.next_multiple_of(64));
        let strides = u64::from(u32_at(frame, 36));
        assert_eq!(strides, end.div_ceil(self.stride));
        assert!(strides == 1 || count == 1);
        let block = BlockOf {
            start,
            end: start + end,
            stride,
            strides,
            first,
            count,
        };
        Some((block, records))
    }

    /// The record whose row in the table this is, where the one before ends at `end`.
    fn record(&self, block: &[u8], row: &[u8], end: &mut u64) -> Option<Record> {
        let mut words = row.chunks_exact(4).map(|word| u32_at(word, 0));
        let told = (!self.fixed).then(|| {
            let units = [words.next().unwrap(), words.next().unwrap()];
            units.map(|units| u64::from(units) * self.align)
        });
        let own: Vec<Vec<u32>> = self
            .fields
            .iter()
            .map(|field| words.by_ref().take(field.own()).collect())
            .collect();
        let sums: Vec<u32> = words.collect();
        let mut at = self.fixed_end;
        let spans: Vec<(u64, u64)> = self
            .fields
            .iter()
            .zip(&own)
            .map(|(field, own)| {
                let bytes = self.bytes_of(field, own);
                if field.kind == 1 {
                    return (field.offset, bytes);
                }
                let start = at.next_multiple_of(field.align);
                at = start + bytes;
                (start, bytes)
            })
            .collect();
        let len = at.max(1).next_multiple_of(self.align);
        let mut start = *end;
        if self.pages && (start + len - 1) / PAGE - start / PAGE > (len - 1) / PAGE {
            start = start.next_multiple_of(PAGE);
        }
        if let Some(told) = told {
            assert_eq!(told, [start, len]);
        }
        *end = start + len;
        let mut record = Record::new();
        for (number, field) in self.fields.iter().enumerate() {
            let (offset, bytes) = spans[number];
            let bytes = block
                .get((start + offset) as usize..)?
                .get(..bytes as usize)?;
            if crc32c_of(0, bytes) != sums[number] {
                return None;
            }
            record.push(Tensor {
                dtype: field.dtype,
                dims: self.dims_of(field, &own[number]),
                bytes: bytes.to_vec(),
            });
        }
        Some(record)
    }

    /// What a recovery must save of a file's bytes.
    pub fn saved(&self, bytes: &[u8]) -> Vec<Record> {
        let (mut stride, mut saved) = (0, Vec::new());
        loop {
            let first = saved.len() as u64;
            let start = |stride: u64| self.data_start + stride * self.stride;
            if let Some((block, records)) = self.block(bytes, start(stride), (false, stride, first))
            {
                saved.extend(records);
                stride += block.strides;
                continue;
            }
            let copies = [1, 2].map(|behind| {
                let copy = self.block(bytes, start(stride + behind), (true, stride, first));
                copy.map_or(Vec::new(), |(_, records)| records)
            });
            saved.extend(copies.into_iter().max_by_key(Vec::len).unwrap());
            return saved;
        }
    }
}

/// Parses a finished file and checks that all its parts agree.
pub fn parse(bytes: &[u8]) -> Parsed {
    let header = Header::parse(bytes);
    let at = bytes.len() as u64 - PAGE;
    let trailer = &bytes[at as usize..];
    assert_eq!(at % PAGE, 0);
    assert_eq!(&trailer[..16], b"\x89ADITREC-END\r\n\x1a\n");
    assert_eq!(u32_at(trailer, 4092), crc32c_of(0, &trailer[..4092]));
    assert_eq!(trailer[16..32], header.uuid);
    zeros(trailer, 104, 4092);
    let word = |number: u64| u64_at(trailer, 32 + 8 * number);
    let [
        own,
        footer,
        footer_bytes,
        directory_bytes,
        count,
        blocks,
        strides,
        data_end,
        sum,
    ] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(word);
    assert_eq!(own, at);
    assert_eq!(footer, data_end.next_multiple_of(PAGE));
    let directory = part(bytes, footer, directory_bytes);
    assert_eq!(hash(directory, header.nonce), sum);
    assert!(footer + footer_bytes <= at);

    let (mut records, mut found, mut stride) = (Vec::new(), Vec::new(), 0);
    for _ in 0..blocks {
        let start = header.data_start + stride * header.stride;
        let which = (false, stride, records.len() as u64);
        let (block, own) = header.block(bytes, start, which).expect("a whole block");
        records.extend(own);
        stride += block.strides;
        found.push(block);
    }
    assert_eq!((records.len() as u64, stride), (count, strides));
    let end = found.last().map_or(header.data_start, |block| block.end);
    assert_eq!(end, data_end);
    let mut parsed = Parsed {
        records,
        metadata: Vec::new(),
        blocks: found,
        header,
        data_end,
    };
    parsed.check_columns(
        bytes,
        directory,
        footer + directory_bytes,
        footer + footer_bytes,
    );
    parsed
}

impl Parsed {
    /// All columns hold what the blocks' tables do.
    fn check_columns(&mut self, bytes: &[u8], directory: &[u8], from: u64, to: u64) {
        let header = &self.header;
        let mut wanted = self.wanted(bytes);
        let mut metadata = Vec::new();
        let mut end = from;
        for row in directory.chunks_exact(48) {
            let (kind, field, row_bytes) = (u32_at(row, 0), u32_at(row, 4), u32_at(row, 8));
            let (offset, len) = (u64_at(row, 16), u64_at(row, 24));
            zeros(row, 12, 16);
            zeros(row, 40, 48);
            assert!(offset.is_multiple_of(64) && offset >= end && offset + len <= to);
            end = offset + len;
            let column = part(bytes, offset, len);
            assert_eq!(hash(column, header.nonce), u64_at(row, 32));
            if kind == 6 {
                assert_eq!((field, row_bytes), (0, 1));
                metadata = entries(column);
                continue;
            }
            let (which, size, content) = wanted.remove(0);
            assert_eq!((kind, field, row_bytes), (which.0, which.1, size));
            assert!(column == content, "column {which:?}");
        }
        assert!(wanted.is_empty());
        self.metadata = metadata;
    }

    /// Kind, field, bytes a row and content of all columns but the metadata, by the tables.
    fn wanted(&self, bytes: &[u8]) -> Vec<((u32, u32), u32, Vec<u8>)> {
        let header = &self.header;
        let mut wanted: Vec<((u32, u32), u32, Vec<u8>)> = vec![((1, 0), 32, Vec::new())];
        if !header.fixed {
            wanted.push(((2, 0), 8, Vec::new()));
            wanted.push(((3, 0), 4, Vec::new()));
        }
        let numbered = || (0u32..).zip(&header.fields);
        for (number, field) in numbered().filter(|(_, field)| field.kind != 1) {
            wanted.push(((4, number), 4 * field.own() as u32, Vec::new()));
        }
        wanted.extend(numbered().map(|(number, _)| ((5, number), 4, Vec::new())));
        for block in &self.blocks {
            let table_at = block.start + u64_at(bytes, block.start + 40);
            let table = part(bytes, table_at, block.end - table_at);
            let head = &mut wanted[0].2;
            head.extend(block.stride.to_le_bytes());
            head.extend(block.first.to_le_bytes());
            head.extend((block.count as u32).to_le_bytes());
            head.extend((block.strides as u32).to_le_bytes());
            head.extend(hash(table, header.nonce).to_le_bytes());
            for row in table.chunks_exact(header.row_bytes() as usize) {
                let mut at = 0;
                for (which, size, content) in wanted.iter_mut().skip(1) {
                    if *which == (2, 0) {
                        let place = u64::from(u32_at(row, 0)) * header.align;
                        content.extend((block.start + place).to_le_bytes());
                        at = 4;
                    } else {
                        content.extend(&row[at..at + *size as usize]);
                        at += *size as usize;
                    }
                }
                assert_eq!(at, row.len());
            }
        }
        wanted
    }
}

fn entries(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (key, value) = (u32_at(bytes, 0) as usize, u32_at(bytes, 4) as usize);
        let name = String::from_utf8(bytes[8..8 + key].to_vec()).unwrap();
        entries.push((name, bytes[8 + key..8 + key + value].to_vec()));
        bytes = &bytes[8 + key + value..];
    }
    entries
}
