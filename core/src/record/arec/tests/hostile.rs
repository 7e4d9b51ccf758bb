//! Files made to break a reader, with checksums that are right: each claim is answered.

use super::super::directory::ColumnKind;
use super::super::trailer::TRAILER_LEN;
use super::*;
use crate::error::{Kind, Report};
use crate::map::{Fetch, Mapped};
use crate::record::reader::Check;

/// What a header's field is set to, and what comes of it.
type Claim<'a> = (usize, &'a [u8], Kind, u64, &'a str);

fn refused(bytes: &[u8], kind: Kind, offset: u64, what: &str) {
    let error = open_bytes(bytes).expect_err(what);
    assert_eq!(error.kind(), kind, "{what}: {error}");
    assert_eq!(error.place().offset, Some(offset), "{what}: {error}");
    assert!(error.to_string().contains(what), "{what}: {error}");
}

fn check_header(name: &str, claims: &[Claim<'_>]) {
    for &(at, value, kind, offset, what) in claims {
        let mut bytes = bytes_of(name);
        put(&mut bytes, at, value);
        sum_header(&mut bytes);
        refused(&bytes, kind, offset, what);
    }
}

#[test]
fn headers_claim_anything() {
    const ROW: usize = 128;
    let most = u64::MAX.to_le_bytes();
    let one = 1u64.to_le_bytes();
    let big = (1u64 << 41).to_le_bytes();
    check_header(
        "fixed",
        &[
            (32, &[1], Kind::Unsupported, 32, "features 0x1"),
            (39, &[0x80], Kind::Unsupported, 32, "features"),
            (64, &[0; 4], Kind::Malformed, 64, "0 fields"),
            (64, &[21, 0, 0, 0], Kind::Malformed, 64, "21 fields"),
            (64, &[0xFF; 4], Kind::Malformed, 64, "fields"),
            (68, &[7], Kind::Malformed, 68, "no alignment"),
            (68, &[255], Kind::Malformed, 68, "no alignment"),
            (69, &[1], Kind::Unsupported, 69, "codec 1"),
            (70, &[0], Kind::Unsupported, 70, "checksums of kind 0"),
            (71, &[5], Kind::Malformed, 71, "layout bits"),
            (71, &[0], Kind::Malformed, 71, "all fields are fixed"),
            (72, &[0; 8], Kind::Malformed, 72, "no stride"),
            (72, &[1], Kind::Malformed, 72, "no stride"),
            (72, &big, Kind::Malformed, 72, "no stride"),
            (72, &most, Kind::Malformed, 72, "no stride"),
            (80, &[0; 8], Kind::Malformed, 80, "0 records"),
            (80, &[108], Kind::Malformed, 80, "108 records"),
            (80, &most, Kind::Malformed, 80, "records can't lie"),
            (88, &[0; 8], Kind::Malformed, 88, "stride of records"),
            (88, &most, Kind::Malformed, 88, "stride of records"),
            (96, &one, Kind::Malformed, 96, "end of the fixed fields"),
            (104, &one, Kind::Malformed, 104, "begin at byte 1"),
            (104, &[0; 8], Kind::Malformed, 104, "begin at byte 0"),
            (104, &big, Kind::Malformed, 104, "begin"),
            (ROW, &[0; 64], Kind::Malformed, 128, "name"),
            (ROW, &[b'a'; 64], Kind::Malformed, 128, "name"),
            (ROW, &[0xFF], Kind::Malformed, 128, "name"),
            (ROW + 10, b"x", Kind::Malformed, 128, "name"),
            (ROW + 192, b"image\0", Kind::Malformed, 320, "two fields"),
            (ROW + 64, &[0], Kind::Unsupported, 192, "dtype 0"),
            (ROW + 64, &[0xFF; 4], Kind::Unsupported, 192, "dtype"),
            (ROW + 64, &[2], Kind::Malformed, 272, "called \"u8\""),
            (ROW + 68, &[0], Kind::Malformed, 196, "no kind"),
            (ROW + 68, &[4], Kind::Malformed, 196, "no kind"),
            (
                ROW + 68,
                &[2],
                Kind::Malformed,
                208,
                "no size is a record's own",
            ),
            (ROW + 68, &[3], Kind::Malformed, 208, "bytes are u8"),
            (ROW + 69, &[7], Kind::Malformed, 197, "aligned to more"),
            (ROW + 70, &[9], Kind::Malformed, 198, "9 dimensions"),
            (ROW + 70, &[1], Kind::Malformed, 208, "behind the last"),
            (ROW + 72, &[1], Kind::Malformed, 200, "where a field lies"),
            (ROW + 80, &most, Kind::Malformed, 208, "fixed, but"),
            (
                ROW + 80,
                &(1u64 << 63).to_le_bytes(),
                Kind::Malformed,
                208,
                "too large",
            ),
            (
                ROW + 80,
                &(1u64 << 62).to_le_bytes(),
                Kind::Malformed,
                208,
                "memory",
            ),
            (
                ROW + 80,
                &(1u64 << 50).to_le_bytes(),
                Kind::Malformed,
                96,
                "too long",
            ),
            (ROW + 3 * 192 + 88, &[33], Kind::Malformed, 784, "multiple"),
            (
                ROW + 5 * 192 + 80,
                &[0, 0, 0, 0, 0, 0, 0, 1],
                Kind::Malformed,
                96,
                "too long",
            ),
        ],
    );
    check_header(
        "ragged",
        &[
            (80, &[1], Kind::Malformed, 80, "not all fields are fixed"),
            (71, &[1], Kind::Malformed, 71, "all fields are fixed"),
            (88, &[64], Kind::Malformed, 88, "stride of records"),
            (ROW + 68, &[1], Kind::Malformed, 208, "fixed, but"),
            (ROW + 72, &[1], Kind::Malformed, 200, "where a field lies"),
        ],
    );
    let mut bytes = bytes_of("fixed");
    bytes[16] = 2;
    let error = open_bytes(&bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(
        error.to_string().contains("arec file of version 2"),
        "{error}"
    );
    for (len, kind) in [
        (0u32, Kind::Malformed),
        (100, Kind::Malformed),
        ((1 << 20) + 4096, Kind::Malformed),
        (u32::MAX, Kind::Malformed),
        (1 << 20, Kind::Unfinished),
        (8192, Kind::Checksum),
    ] {
        put(&mut bytes, 16, &[1, 0, 0, 0]);
        put(&mut bytes, 20, &len.to_le_bytes());
        assert_eq!(open_bytes(&bytes).unwrap_err().kind(), kind, "{len}");
    }
    // Compatible features are ignored.
    let mut bytes = bytes_of("fixed");
    put(&mut bytes, 24, &[0xFF; 8]);
    sum_header(&mut bytes);
    assert_eq!(open_bytes(&bytes).unwrap().len(), 130);
}

#[test]
fn trailers_claim_anything() {
    let words = |at: usize| -> Vec<(usize, u64)> {
        let most = [1, 63, 4096, 1 << 40, 1 << 62, u64::MAX - 4095, u64::MAX];
        most.into_iter().map(|value| (at, value)).collect()
    };
    for name in FINISHED {
        let file = open(name);
        let start = file.trailer().at as usize;
        let good = bytes_of(name);
        let claims = (40..104).step_by(8).flat_map(words);
        for (at, value) in claims {
            let mut bytes = good.clone();
            put(&mut bytes, start + at, &value.to_le_bytes());
            let sum = kernel::crc32c_of(0, &bytes[start..start + 4092]);
            put(&mut bytes, start + 4092, &sum.to_le_bytes());
            if bytes == good {
                continue;
            }
            match open_bytes(&bytes) {
                // Columns are told of only as many bytes as they have.
                Err(error) => {
                    let kinds = [Kind::Malformed, Kind::Checksum];
                    assert!(
                        kinds.contains(&error.kind()),
                        "{name} {at} {value}: {error}"
                    );
                    let offset = error.place().offset.unwrap();
                    assert!(
                        offset >= file.trailer().footer,
                        "{name} {at} {value}: {error}"
                    );
                }
                Ok(opened) => assert!(
                    name == "ragged" || name == "pages_ragged" || at == 48,
                    "{name} {at} {value}: {opened:?}"
                ),
            }
        }
        let mut bytes = good.clone();
        put(&mut bytes, start + 32, &(start as u64 + 4096).to_le_bytes());
        sum_trailer(&mut bytes, &file);
        assert_eq!(open_bytes(&bytes).unwrap_err().kind(), Kind::Unfinished);
    }
}

#[test]
fn directories_claim_anything() {
    let file = open("ragged");
    let (directory, rows) = (file.trailer().footer, file.directory.columns.len());
    let good = bytes_of("ragged");
    let with = |row: usize, at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        put(&mut bytes, directory as usize + row * 48 + at, value);
        sum_trailer(&mut bytes, &file);
        bytes
    };
    let row_at = |row: usize, at: u64| directory + row as u64 * 48 + at;
    let most = u64::MAX.to_le_bytes();
    let end = file.trailer().footer + file.trailer().footer_bytes;
    for row in 0..rows - 1 {
        let column = file.directory.columns[row];
        if column.kind != ColumnKind::Metadata as u32 {
            refused(&with(row, 8, &[99]), Kind::Malformed, row_at(row, 8), "99");
            let less = (column.bytes - 1).to_le_bytes();
            refused(
                &with(row, 24, &less),
                Kind::Malformed,
                row_at(row, 24),
                "rows of",
            );
            refused(
                &with(row, 24, &most),
                Kind::Malformed,
                row_at(row, 24),
                "rows of",
            );
        } else {
            refused(
                &with(row, 24, &most),
                Kind::Malformed,
                row_at(row, 16),
                "can't lie",
            );
        }
        for offset in [
            0,
            directory,
            column.offset + 1,
            end.next_multiple_of(64),
            u64::MAX - 63,
        ] {
            let bytes = with(row, 16, &offset.to_le_bytes());
            refused(&bytes, Kind::Malformed, row_at(row, 16), "can't lie");
        }
        let last = open_bytes(&with(row, 0, &most[..4])).unwrap_err();
        assert_eq!(last.kind(), Kind::Malformed, "{last}");
        refused(
            &with(row, 0, &[0]),
            Kind::Malformed,
            row_at(row, 0),
            "order",
        );
    }
    // One column in another's place.
    let blocks = file.directory.columns[0].offset.to_le_bytes();
    refused(
        &with(1, 16, &blocks),
        Kind::Malformed,
        row_at(1, 16),
        "inside of another",
    );
    // One column less.
    let mut bytes = good.clone();
    let at = directory as usize;
    bytes.copy_within(at + 48..at + rows * 48, at);
    let start = file.trailer().at as usize;
    put(
        &mut bytes,
        start + 56,
        &((rows as u64 - 1) * 48).to_le_bytes(),
    );
    let hash = kernel::hash(&bytes[at..at + (rows - 1) * 48], file.header().nonce);
    put(&mut bytes, start + 96, &hash.to_le_bytes());
    let sum = kernel::crc32c_of(0, &bytes[start..start + 4092]);
    put(&mut bytes, start + 4092, &sum.to_le_bytes());
    refused(&bytes, Kind::Malformed, directory, "missing");
}

#[test]
fn columns_claim_any_place() {
    let file = open("ragged");
    let good = bytes_of("ragged");
    let (start, end) = (file.layout().data_start, file.trailer().data_end);
    let index = 21u64;
    let with = |column: u64, value: &[u8]| {
        let mut bytes = good.clone();
        put(&mut bytes, column as usize, value);
        let file = open_bytes(&bytes).unwrap();
        let mut errors: Vec<_> = (0..file.layout().fields.len())
            .map(|field| file.place(&mut Mapped::new(file.data()), index, field))
            .collect();
        let lent = file.lend_each(index, Check::Never, |_, _| {});
        let failed = errors.iter().any(std::result::Result::is_err);
        assert_eq!(failed, lent.is_err());
        errors.retain(std::result::Result::is_err);
        for error in errors {
            let (error, lent) = (error.unwrap_err(), lent.as_ref().unwrap_err());
            assert_eq!(
                (error.kind(), error.place().index),
                (Kind::Malformed, Some(index))
            );
            assert_eq!(error.to_string(), lent.to_string());
            assert_eq!(error.place().offset, Some(column));
        }
        // The others are as they were.
        file.lend_each(index + 1, Check::Always, |_, _| {}).unwrap();
        failed
    };
    let place = file.columns.places + index * 8;
    let (at, len) = file.extent(&mut Mapped::new(file.data()), index).unwrap();
    for value in [
        0,
        start - 64,
        at + 1,
        end,
        end - 64,
        u64::MAX,
        u64::MAX - 63,
    ] {
        assert!(with(place, &value.to_le_bytes()), "{value}");
    }
    assert!(!with(place, &start.to_le_bytes()));
    // Too short for its fixed fields, then for the others.
    let length = file.columns.lengths + index * 4;
    let mut bytes = good.clone();
    put(&mut bytes, length as usize, &[0; 4]);
    let short = open_bytes(&bytes).unwrap();
    let error = short
        .place(&mut Mapped::new(short.data()), index, 1)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    put(&mut bytes, length as usize, &u32::MAX.to_le_bytes());
    let long = open_bytes(&bytes).unwrap();
    assert!(long.extent(&mut Mapped::new(long.data()), index).is_err());
    put(
        &mut bytes,
        length as usize,
        &((len / 64 - 1) as u32).to_le_bytes(),
    );
    let short = open_bytes(&bytes).unwrap();
    let last = short.place(&mut Mapped::new(short.data()), index, 5);
    assert!(last.is_err() || len == 64);
    assert!(
        short
            .place(&mut Mapped::new(short.data()), index, 1)
            .is_ok()
    );
    // Sizes whose product overflows, and those that are nothing beside a zero.
    for (field, row) in file.layout().fields.iter().enumerate() {
        if !row.is_fixed() {
            let row_bytes = usize::from(row.free) * 4;
            let at = file.columns.sizes[field] + index * row_bytes as u64;
            assert!(with(at, &vec![0xFF; row_bytes]), "{}", row.name);
        }
    }
    let pair = file.columns.sizes[4] + index * 8;
    let sound = Mapped::new(file.data()).u32_at(pair).unwrap();
    assert!(sound < 3);
    let mut bytes = good.clone();
    put(
        &mut bytes,
        pair as usize,
        &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
    );
    let zero = open_bytes(&bytes).unwrap();
    let place = zero.place(&mut Mapped::new(zero.data()), index, 4).unwrap();
    assert_eq!(
        (place.bytes, place.shape.dims()),
        (0, &[2, i64::from(u32::MAX), 1, 0][..])
    );
}

#[test]
fn metadata_claims_any_lengths() {
    let file = open("fixed");
    let column = file.columns.metadata.unwrap();
    let number = file.directory.columns.len() - 1;
    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes_of("fixed");
        put(&mut bytes, column.offset as usize + at, value);
        let (start, len) = (column.offset as usize, column.bytes as usize);
        let hash = kernel::hash(&bytes[start..start + len], file.header().nonce);
        put(
            &mut bytes,
            file.trailer().footer as usize + number * 48 + 32,
            &hash.to_le_bytes(),
        );
        sum_trailer(&mut bytes, &file);
        let file = open_bytes(&bytes).unwrap();
        let found = file.verify(&mut go_on).unwrap();
        assert_eq!(found.bad_parts, 1);
        let error = file.metadata().unwrap_err();
        assert_eq!(error.to_string(), found.first_bad.unwrap().to_string());
        assert_eq!(error.kind(), Kind::Malformed);
        error.place().offset.unwrap() - column.offset
    };
    assert_eq!(with(0, &[0; 4]), 0);
    assert_eq!(with(0, &[0xFF; 4]), 0);
    assert_eq!(with(4, &[0xFF; 4]), 0);
    assert_eq!(with(8, &[0xFF]), 0);
    // "source" with 17 bytes, then "blob" with 40, then "empty".
    let second = 8 + 6 + "golden, größer".len();
    assert_eq!(with(second, &[44]), second as u64);
    // The same key again.
    let again = b"\x05\0\0\0\x27\0\0\0empty";
    assert_eq!(with(second, again), column.bytes - 13);
    // Changed without its hash.
    let mut bytes = bytes_of("fixed");
    bytes[column.offset as usize] ^= 1;
    let error = open_bytes(&bytes).unwrap().metadata().unwrap_err().kind();
    assert_eq!(error, Kind::Checksum);
}

#[test]
fn any_pages_between_header_and_trailer() {
    // Nothing is believed of what lies between.
    let mut bytes = bytes_of("ragged");
    let file = open_bytes(&bytes).unwrap();
    let (from, to) = (
        file.layout().header_len as usize,
        file.trailer().footer as usize,
    );
    for fill in [0, 0xFF, 0x41] {
        bytes[from..to].fill(fill);
        let file = open_bytes(&bytes).unwrap();
        let found = file.verify(&mut go_on).unwrap();
        assert!(found.bad_parts > 0 && found.bad_records > 50, "{found:?}");
    }
    let len = bytes.len() - TRAILER_LEN;
    bytes.truncate(len);
    assert_eq!(open_bytes(&bytes).unwrap_err().kind(), Kind::Unfinished);
}
