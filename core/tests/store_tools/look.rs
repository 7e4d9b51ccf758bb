//! Looking at all of a store in every way there is: the ways must agree.

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::map::Region;
use adit_core::store::{Error, IterOptions, Order, Snapshot, Store, StoreStats};

use super::model::{Version, Versions, live};

/// Why a store couldn't be looked at, or what was wrong with it.
#[derive(Debug)]
pub enum Fault {
    /// The index's file rots: the next opening builds it again.
    Index(String),
    Other(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::Index { .. } => Fault::Index(error.to_string()),
            other => Fault::Other(other.to_string()),
        }
    }
}

pub fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable for its own lifetime.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

pub fn bytes(region: Region<'_>) -> Vec<u8> {
    region.to_vec(0, region.len()).unwrap()
}

/// All keys that are ever used.
pub fn keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = (0..12).map(|n| format!("key/{n}").into_bytes()).collect();
    keys.push(Vec::new());
    keys.push(vec![0; 3]);
    keys.push(vec![b'L'; 700]);
    keys
}

/// All versions in the order of the log.
fn versions(snapshot: &Snapshot) -> Result<(Versions, Vec<bool>), Fault> {
    let all = walk(snapshot, Order::Log, true, None)?;
    let mut versions = Vec::new();
    for (version, is_live) in all {
        versions.push((version, is_live));
    }
    Ok(versions.into_iter().unzip())
}

fn walk(
    snapshot: &Snapshot,
    order: Order,
    all_versions: bool,
    prefix: Option<&[u8]>,
) -> Result<Vec<(Version, bool)>, Fault> {
    let options = IterOptions {
        order,
        all_versions,
        prefix,
    };
    let mut iter = snapshot.iter(&options)?;
    let mut found = Vec::new();
    while let Some(item) = iter.next()? {
        let value = (!item.is_tombstone).then(|| Arc::new(bytes(item.value)));
        // The shape is looked up below.
        let tensor = item.is_tensor.then_some([0, 0]);
        let key = bytes(item.key);
        found.push((Version { key, value, tensor }, item.is_live));
    }
    Ok(found)
}

fn same(version: &Version, other: &Version) -> bool {
    (&version.key, &version.value, version.tensor.is_some())
        == (&other.key, &other.value, other.tensor.is_some())
}

fn all_same(some: &[Version], others: &[Version]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(a, b)| same(a, b))
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(Fault::Other(what()))
    }
}

/// The shapes of overwritten tensors can't be asked for: those are by the length of the value.
pub fn shape(value: &[u8]) -> [i64; 2] {
    [value.len() as i64 / 8, 2]
}

/// All versions of a snapshot, where everything else that it says agrees with them.
pub fn look(snapshot: &Snapshot) -> Result<Versions, Fault> {
    let (mut versions, are_live) = versions(snapshot)?;
    for version in &mut versions {
        if let (Some(tensor), Some(value)) = (&mut version.tensor, &version.value) {
            *tensor = shape(value);
        }
    }
    let alive = live(&versions);
    let of_live = versions.iter().zip(&are_live).filter(|(_, live)| **live);
    let marked: Versions = of_live.map(|(version, _)| version.clone()).collect();
    ensure(marked == alive, || "is_live is wrong".to_owned())?;

    let plain = |found: Vec<(Version, bool)>| -> Versions {
        found.into_iter().map(|(version, _)| version).collect()
    };
    let mut back = plain(walk(snapshot, Order::Newest, true, None)?);
    back.reverse();
    ensure(all_same(&back, &versions), || {
        format!(
            "newest first has {} of {} versions, or others",
            back.len(),
            versions.len()
        )
    })?;
    for (order, prefix) in [
        (Order::Log, None),
        (Order::Newest, None),
        (Order::Newest, Some(&b"key/1"[..])),
    ] {
        let mut found = plain(walk(snapshot, order, false, prefix)?);
        if order == Order::Newest {
            found.reverse();
        }
        let begins = |version: &&Version| prefix.is_none_or(|p| version.key.starts_with(p));
        let wanted: Versions = alive.iter().filter(begins).cloned().collect();
        ensure(all_same(&found, &wanted), || {
            format!("{order:?} has {} of {}", found.len(), wanted.len())
        })?;
    }
    ensure(snapshot.len() == alive.len() as u64, || {
        format!("len is {} and not {}", snapshot.len(), alive.len())
    })?;
    let last = snapshot.last()?;
    let same_last = match (&last, alive.last()) {
        (None, None) => true,
        (Some(item), Some(version)) => {
            item.key.is_equal_to(&version.key)
                && version.value.as_deref().map(Vec::as_slice) == Some(&*bytes(item.value))
        }
        _ => false,
    };
    ensure(same_last, || "last is another".to_owned())?;
    look_up(snapshot, &alive)?;
    Ok(versions)
}

fn look_up(snapshot: &Snapshot, alive: &[Version]) -> Result<(), Fault> {
    let keys = keys();
    let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut many = vec![None; keys.len()];
    snapshot.get_many(&slices, &mut many)?;
    for (key, of_many) in keys.iter().zip(&many) {
        let wanted = alive.iter().find(|version| version.key == *key);
        let found = snapshot.get(key)?;
        for found in [&found, of_many] {
            let found = found.as_ref().map(|value| bytes(value.region));
            let value = wanted.and_then(|version| version.value.as_deref());
            ensure(found.as_ref() == value, || {
                let shown = String::from_utf8_lossy(key);
                let of = |value: Option<&Vec<u8>>| value.map(Vec::len);
                let (found, value) = (of(found.as_ref()), of(value));
                format!("get of '{shown}': {found:?} bytes and not {value:?}, or others")
            })?;
        }
        let is_tensor = wanted.is_some_and(|version| version.tensor.is_some());
        if let (true, Some(wanted)) = (is_tensor, wanted) {
            let lent = snapshot.get_tensor(key)?;
            let dims = wanted.tensor.unwrap_or_default();
            let fits = lent.is_some_and(|lent| {
                lent.dtype == DType::F32 && lent.shape.dims() == dims.as_slice()
            });
            ensure(fits, || "a tensor has another shape".to_owned())?;
        }
    }
    let absent = snapshot.get(b"never")?;
    ensure(absent.is_none(), || "a key that never was".to_owned())
}

/// All versions that a store has now.
pub fn look_at(store: &Store) -> Result<Versions, Fault> {
    let snapshot = store.snapshot()?;
    let versions = look(&snapshot)?;
    let stats: StoreStats = store.stats()?;
    ensure(stats.live_keys == snapshot.len(), || {
        format!("stats count {} keys", stats.live_keys)
    })?;
    ensure(stats.live_bytes + 16384 <= stats.tail, || {
        format!("{} live bytes up to {}", stats.live_bytes, stats.tail)
    })?;
    if let Some(version) = live(&versions).first() {
        let value = version.value.as_deref().unwrap();
        let mut out = vec![std::mem::MaybeUninit::uninit(); value.len()];
        let len = store.read(&version.key, &mut out)?;
        // SAFETY: of a type without padding or invalid values; compared only where read filled it.
        let out = unsafe { std::slice::from_raw_parts(out.as_ptr().cast::<u8>(), value.len()) };
        let fits = len == Some(value.len() as u64) && out == &**value;
        ensure(fits, || "read gives something else".to_owned())?;
    }
    Ok(versions)
}
