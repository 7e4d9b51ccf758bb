//! Where records lie in a file, for peers that read its bytes themselves.

use crate::Result;
use crate::adit::Reader;

/// Where each record of an arec file starts; all of them are as long.
///
/// # Errors
/// The library's, and a reader whose first record isn't where its file starts.
pub fn places(reader: &Reader, file: &[u8], sample: &[u8]) -> Result<Vec<u64>> {
    let first = reader.lend(0)?.bytes().as_ptr().addr();
    let at = first_place(file, sample)?;
    let start = first.checked_sub(at).ok_or("a record before its file")?;
    (0..reader.len())
        .map(|index| {
            let place = reader.lend(index)?.bytes().as_ptr().addr() - start;
            Ok(place as u64)
        })
        .collect()
}

/// Where the first record lies: its bytes are looked for at multiples of 64.
fn first_place(file: &[u8], sample: &[u8]) -> Result<usize> {
    const MOST: usize = 64 << 20;
    let end = file.len().min(MOST);
    let mut starts = (0..end.saturating_sub(sample.len())).step_by(64);
    let found = starts.find(|&start| file.get(start..start + sample.len()) == Some(sample));
    Ok(found.ok_or("the first record isn't in its file")?)
}
