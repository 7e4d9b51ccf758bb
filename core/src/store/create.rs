//! New stores.

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, FIRST, Header, Slot, put, u64_at};
use super::options::StoreOptions;
use crate::map::{Origin, Publication, Storage, random_bytes};

/// Makes a store without records at a path where nothing may be, whole or not at all.
pub(super) fn create(
    storage: &Arc<dyn Storage>,
    path: &Path,
    origin: &Origin,
    options: &StoreOptions,
) -> Result<()> {
    let header = Header {
        uuid: random_bytes(),
        seed: u64_at(&random_bytes(), 0),
        align_log2: align_log2(options, origin)?,
        features: [0; 3],
    };
    let start = start(&header, origin)?;
    let mut file = Publication::create(Arc::clone(storage), path, false)?;
    file.write(&start, 0)?;
    Ok(file.publish()?)
}

/// The bytes of a store without records.
pub(crate) fn start(header: &Header, origin: &Origin) -> Result<Vec<u8>> {
    let slot = Slot {
        sequence: 1,
        end: End::start(header),
        live: 0,
        live_bytes: 0,
    };
    let mut start = Vec::new();
    let reserved = start.try_reserve_exact(FIRST as usize);
    reserved.map_err(|_| Error::out_of_memory(origin, FIRST))?;
    start.resize(FIRST as usize, 0);
    put(&mut start, 0, &header.encode());
    let at = Slot::offset(slot.sequence) as usize;
    put(&mut start, at, &slot.encode(header));
    Ok(start)
}

fn align_log2(options: &StoreOptions, origin: &Origin) -> Result<u32> {
    match options.align {
        0 => Ok(6),
        align if align.is_power_of_two() && (64..=4096).contains(&align) => {
            Ok(align.trailing_zeros())
        }
        align => Err(Error::Unsupported {
            origin: origin.clone(),
            what: format!(
                "values can't be aligned to {align}: only to a power of two from 64 to 4096"
            ),
        }),
    }
}
