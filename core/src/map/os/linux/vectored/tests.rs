use super::*;

fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable for the lifetime that the region takes from it.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

/// The bytes that the vectors describe.
fn gathered(vectors: &[libc::iovec]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for vector in vectors {
        // SAFETY: the vectors are of slices that live in the test.
        let piece = unsafe { Region::new(vector.iov_base.cast(), vector.iov_len) };
        bytes.extend(piece.to_vec(0, piece.len()).unwrap_or_default());
    }
    bytes
}

#[test]
fn pieces_arrive_in_order_however_few_bytes_a_call_takes() {
    let pieces: [&[u8]; 6] = [b"one", b"", b"two and more", b"3", b"", b"four"];
    let regions = pieces.map(region);
    let expected = pieces.concat();
    for room in 1..5 {
        for most in [1, 2, 5, 100] {
            for taken in [1, 3, 7, 100] {
                let mut written: Vec<u8> = Vec::new();
                let mut calls = 0;
                let mut call = |vectors: &[libc::iovec], at: u64| {
                    calls += 1;
                    assert_eq!(at, 1000 + written.len() as u64);
                    assert!(vectors.len() <= room);
                    if calls % 3 == 2 {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    let bytes = gathered(vectors);
                    assert!(bytes.len() <= most);
                    let len = bytes.len().min(taken);
                    written.extend(&bytes[..len]);
                    Ok(len)
                };
                let mut room = vec![NOTHING; room];
                let result = in_calls(&regions, 1000, &mut room, most, &mut call);
                assert!(result.is_ok());
                assert_eq!(written, expected);
            }
        }
    }
}

#[test]
fn a_call_that_takes_nothing_ends_it() {
    let mut room = [NOTHING; 2];
    let result = in_calls(&[region(b"some")], 0, &mut room, 9, &mut |_, _| Ok(0));
    let kind = result.map_err(|error| error.kind());
    assert_eq!(kind, Err(io::ErrorKind::WriteZero));
}

#[test]
fn no_pieces_are_no_call() {
    let mut room = [NOTHING; 2];
    let mut call = |_: &[libc::iovec], _| Err(io::ErrorKind::Other.into());
    assert!(in_calls(&[], 0, &mut room, 9, &mut call).is_ok());
    assert!(in_calls(&[region(b"")], 0, &mut room, 9, &mut call).is_ok());
}
