//! File systems on which a map isn't what other machines see.

use super::error::{Error, Result};
use super::options::StoreAccess;
use crate::map::{self, Origin, StorageFile};

/// Refuses to map a file of a network file system, unless that was asked for.
///
/// # Errors
/// [`Error::Unsupported`]; the system's.
pub(crate) fn check(file: &dyn StorageFile, origin: &Origin, access: StoreAccess) -> Result<()> {
    if access != StoreAccess::Mapped {
        return Ok(());
    }
    let found = map::network_file_system(file);
    match found.map_err(map::Error::io("find the file system of", origin))? {
        None => Ok(()),
        Some(name) => Err(Error::Unsupported {
            origin: origin.clone(),
            what: refusal(name),
        }),
    }
}

fn refusal(name: &str) -> String {
    format!(
        "it lies on a network file system ({name}), where a map isn't what other machines see; \
         open it with StoreAccess::Exclusive (ADIT_STORE_EXCLUSIVE), by one process at a \
         time, or with StoreAccess::MappedAnywhere (ADIT_STORE_ANYWHERE) if all its \
         users are on this machine"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Storage;
    use crate::map::sim::SimStorage;
    use std::path::Path;

    #[test]
    fn a_refusal_says_what_to_do_instead() {
        let said = refusal("NFS");
        assert!(said.contains("NFS") && said.contains("Exclusive"));
        assert!(said.contains("MappedAnywhere"));
        let header = include_str!("../../../include/adit.h");
        let not_of_a_name = |c: char| c != '_' && !c.is_ascii_alphanumeric();
        let words = || said.split(not_of_a_name);
        let names: Vec<_> = words().filter(|word| word.starts_with("ADIT_")).collect();
        assert_eq!(names, ["ADIT_STORE_EXCLUSIVE", "ADIT_STORE_ANYWHERE"]);
        for name in names {
            assert!(header.contains(&format!("\n  {name} = ")), "{name}");
        }
    }

    #[test]
    fn a_simulated_disk_is_no_network() {
        let sim = SimStorage::new();
        let path = Path::new("/data/store");
        sim.put_durable(path, b"");
        let file = sim.open(path);
        assert!(file.is_ok_and(|file| {
            let origin = Origin::Path(path.to_owned());
            check(&*file, &origin, StoreAccess::Mapped).is_ok()
        }));
    }
}
