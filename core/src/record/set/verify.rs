//! Every file of a set looked at.

use super::reader::SetReader;
use crate::map::Progress;
use crate::record::Verification;
use crate::record::error::{Error, Result};

impl SetReader {
    /// Verifies each file. One that can't be opened, or isn't what the manifest says, counts with
    /// all its records as damaged.
    pub(crate) fn verify(&self, progress: Progress<'_>) -> Result<Verification> {
        let mut found = Verification::default();
        let total = self.len();
        for (shard, row) in self.shards().iter().enumerate() {
            let before = self.first_of(shard);
            if !progress(before, total) {
                return Err(Error::Cancelled);
            }
            let verified = self.file(shard).and_then(|file| {
                file.verify(&mut |done, _| progress(before.saturating_add(done), total))
            });
            match verified {
                Ok(own) => {
                    found.records = found.records.saturating_add(own.records);
                    found.bad_records = found.bad_records.saturating_add(own.bad_records);
                    found.bytes = found.bytes.saturating_add(own.bytes);
                    if let Some(error) = own.first_bad {
                        found.first_bad.get_or_insert(self.of_set(shard, error));
                    }
                }
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    found.records = found.records.saturating_add(row.records);
                    found.bad_records = found.bad_records.saturating_add(row.records.max(1));
                    found.first_bad.get_or_insert(error);
                }
            }
        }
        if progress(total, total) {
            Ok(found)
        } else {
            Err(Error::Cancelled)
        }
    }
}
