//! The manifest of a set: what its files are, as `docs/record-format.md` has it.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod object;
mod parse;
mod write;

use self::parse::Parse;
use crate::error::Kind;
use crate::json;
use crate::map::{self, Data, Origin, Publication};
use crate::record::error::{Error, Result};
use crate::record::schema::Schema;

/// The longest manifest.
const MOST_BYTES: u64 = 256 << 20;

/// What a manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) schema: Schema,
    pub(crate) shards: Vec<Shard>,
    pub(crate) metadata: Vec<(String, Vec<u8>)>,
}

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Its plain name, in the manifest's folder.
    pub(crate) file: String,
    pub(crate) uuid: [u8; 16],
    pub(crate) records: u64,
    /// The file's length.
    pub(crate) bytes: u64,
    /// The hash of its directory.
    pub(crate) footer: u64,
}

impl Manifest {
    /// Whether a file that starts so may be a manifest: JSON, where no other format has it.
    pub(crate) fn may_start(first_bytes: &[u8]) -> bool {
        let mut bytes = first_bytes.iter();
        bytes.find(|byte| !b" \t\r\n".contains(byte)) == Some(&b'{')
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Error::WrongFormat`] where it is other JSON, [`Error::Set`] of the kind `Unsupported` for
    /// another version, [`Error::Malformed`], those of [`Data::read`].
    pub(crate) fn read(data: &Data) -> Result<Manifest> {
        let origin = data.origin();
        let malformed = |offset: usize, why: String| Error::Malformed {
            origin: origin.clone(),
            offset: offset as u64,
            index: None,
            why,
        };
        if data.len() > MOST_BYTES {
            let why = format!(
                "a manifest has at most {MOST_BYTES} bytes, it {}",
                data.len()
            );
            return Err(malformed(0, why));
        }
        let mut bytes = Vec::new();
        let len = usize::try_from(data.len()).unwrap_or(usize::MAX);
        data.read_to(0, len, &mut bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let why = "the manifest isn't UTF-8".to_owned();
            malformed(error.valid_up_to(), why)
        })?;
        let mut parse = Parse::default();
        match parse.run(text) {
            Ok(()) => {}
            Err(error) => {
                if let Some(version) = parse.other_version {
                    return Err(Error::Set {
                        origin: origin.clone(),
                        why: format!("a set's manifest of version {version}; only 1 is known"),
                        kind: Kind::Unsupported,
                    });
                }
                if error.is_data() && error.to_string().starts_with(json::NO_MEMORY) {
                    return Err(no_memory(data.len(), origin).into());
                }
                let (place, what) = json::told(text, &error);
                return Err(malformed(
                    place,
                    parse
                        .unknown_dtype
                        .map(|name| format!("the dtype '{name}' isn't known"))
                        .unwrap_or_else(|| format!("the manifest can't be read: {what}")),
                ));
            }
        }
        if !parse.is_set {
            return Err(Error::WrongFormat {
                origin: origin.clone(),
                why: "it is JSON without 'adit_record_set', so no manifest of a set".to_owned(),
            });
        }
        parse.finish().map_err(|why| malformed(text.len(), why))
    }

    /// Writes it to a temporary that becomes the file at `path`.
    ///
    /// # Errors
    /// Those of [`Publication`].
    pub(crate) fn publish(&self, publication: &mut Publication) -> Result<()> {
        let text = self.encode();
        if text.len() as u64 > MOST_BYTES {
            return Err(Error::Set {
                origin: Origin::Path(publication.path().to_owned()),
                why: format!(
                    "the set has so many files that its manifest is over {MOST_BYTES} bytes"
                ),
                kind: Kind::OutOfRange,
            });
        }
        publication.write(text.as_bytes(), 0)?;
        Ok(publication.publish()?)
    }

    /// Whether it can be read again: no file stands there twice, neither by its name nor as a copy,
    /// and the records can be counted.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for Shard { file, .. } in &self.shards {
            if let Some(why) = map::not_plain(file) {
                return Err(format!("the shard's name '{}': {why}", file.escape_debug()));
            }
        }
        let add = |sum: u64, shard: &Shard| sum.checked_add(shard.records);
        if self.shards.iter().try_fold(0, add).is_none() {
            return Err("its files have more records than can be counted".to_owned());
        }
        parse::unique(self)
    }

    /// The number of records.
    pub(crate) fn records(&self) -> u64 {
        let add = |sum: u64, shard: &Shard| sum.saturating_add(shard.records);
        self.shards.iter().fold(0, add)
    }
}

pub(crate) fn no_memory(bytes: u64, origin: &Origin) -> map::Error {
    map::Error::OutOfMemory {
        bytes,
        origin: origin.clone(),
    }
}

#[cfg(test)]
mod tests;
