//! A manifest for files that are there already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::Manifest;
use super::reader::FileList;
use crate::error::Kind;
use crate::map::{Data, DataOptions, Origin, Publication, Storage};
use crate::record::arec::ArecFile;
use crate::record::error::{Error, Result};

/// Publishes a manifest at `path` of the arec files `shards`, in this order, which are in its
/// folder. Each is opened, and all must have the same fields. With `replace` false, `path` must be
/// free.
///
/// # Errors
/// Those of [`Data::open`] and of arec files; [`Error::Set`] (no files, one in another folder, one
/// that the manifest would replace, one named twice or a copy of another, fields that differ); those
/// of [`Publication`].
pub fn create_manifest(
    storage: Arc<dyn Storage>,
    path: &Path,
    shards: &[&Path],
    replace: bool,
) -> Result<()> {
    let mut publication = Publication::create(Arc::clone(&storage), path, replace)?;
    manifest_of(&*storage, path, shards)?.publish(&mut publication)
}

fn manifest_of(storage: &dyn Storage, path: &Path, shards: &[&Path]) -> Result<Manifest> {
    let refused = |of: &Path, why: String| Error::Set {
        origin: Origin::Path(of.to_owned()),
        why,
        kind: Kind::InvalidArgument,
    };
    if shards.is_empty() {
        return Err(refused(path, "no shards were given for it".to_owned()));
    }
    let own = folder_of(storage, path);
    let id_of = |path: &Path| storage.info(path).ok().and_then(|info| info.id);
    let own_id = id_of(path);
    let mut list = FileList::default();
    for shard in shards {
        let name = shard.file_name().and_then(|name| name.to_str());
        let Some(name) = name else {
            let why = "a shard's name must be UTF-8, since the manifest is JSON";
            return Err(refused(shard, why.to_owned()));
        };
        if folder_of(storage, shard) != own {
            let path = path.display();
            let why = format!("a shard must stand in the folder of its manifest, '{path}'");
            return Err(refused(shard, why));
        }
        if shard.file_name() == path.file_name()
            || own_id.is_some_and(|id| id_of(shard) == Some(id))
        {
            let why = "it is a shard, which its manifest would replace: give the manifest a path of \
                       its own";
            return Err(refused(path, why.to_owned()));
        }
        let data = Data::open_in(storage, shard, &DataOptions::default())?;
        list.add(&ArecFile::open(Arc::new(data))?, name.to_owned())?;
    }
    let manifest = list.manifest;
    // What no reader would take.
    manifest.check().map_err(|why| refused(path, why))?;
    Ok(manifest)
}

fn folder_of(storage: &dyn Storage, path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new(""));
    storage
        .resolve(folder)
        .unwrap_or_else(|_| folder.to_owned())
}
