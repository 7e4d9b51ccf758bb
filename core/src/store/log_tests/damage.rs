//! Logs with damage everywhere: what is torn, what is damaged, and where it is said.

use std::path::Path;

use super::super::error::Error;
use super::super::format::{FIRST, PAGE, RecordType, Slot, put, seal};
use super::super::options::OpenMode;
use super::super::recover::{find_tail, read_header};
use super::super::verify::verify_file;
use super::maker::{Disk, Made, Maker, PATH, READ, origin};
use crate::error::{Kind, Report};

use RecordType::{Delete, Put, Tensor};

/// Two checkpoints; then what was durable without one, as later records tell; then what may be torn.
fn sample() -> Maker {
    let mut maker = Maker::new(6);
    maker.epoch(1);
    maker.put(b"a", &[1; 70]);
    maker.batch(&[
        (Put, b"bb", b""),
        (Tensor, b"t", &[2; 24]),
        (Put, b"", &[3; 3]),
    ]);
    maker.checkpoint();
    maker.put(b"a", &[4; 130]);
    maker.batch(&[(Delete, b"bb", b""), (Delete, b"nothing", b"")]);
    maker.sync();
    maker.put(b"late", &[5; 10]);
    maker.batch(&[
        (Put, b"x", &[6; 64]),
        (Put, b"y", &[7; 1]),
        (Delete, b"a", b""),
    ]);
    maker
}

fn place_of(error: &Error) -> (Kind, Option<u64>) {
    let place = error.place();
    assert_eq!(place.path.as_deref(), Some(Path::new(PATH)));
    (error.kind(), place.offset)
}

#[test]
fn the_sample_is_whole() {
    let maker = sample();
    let disk = Disk::of(&maker.bytes);
    let found = disk.recover(PATH).unwrap();
    assert_eq!(found.end, maker.end);
    assert_eq!(found.torn_bytes, 0);
    assert_eq!(found.slot.unwrap().sequence, 2);
    assert_eq!(found.durable, maker.ends[3].tail);
    let held = disk.contents(PATH, &found, &maker.made);
    assert_eq!(held, maker.model(maker.ends.len()));
    let mut none = |damage: &super::super::Damage<'_>| panic!("{damage:?}");
    let verified = verify_file(&disk.storage, Path::new(PATH), &mut none, &mut |_, _| true);
    let verified = verified.unwrap();
    assert_eq!(
        (verified.records, verified.entries, verified.tombstones),
        (12, 8, 3)
    );
    assert_eq!(verified.bytes, maker.bytes.len() as u64);
}

/// What becomes of a record that is damaged, by where its batch lies in the sample.
#[derive(Debug, PartialEq)]
enum Fate {
    /// It and all behind it is no longer there.
    Torn,
    /// An error that says where.
    Damaged,
    /// Nobody looks at values below the checkpoint before somebody wants them.
    Unseen,
}

fn fate(maker: &Maker, made: &Made, at: u64) -> Fate {
    let [_, value] = made.covered();
    let offset = made.record.offset;
    if offset < maker.ends[3].tail && value.contains(&at) {
        return Fate::Unseen;
    }
    if offset < maker.durable {
        return Fate::Damaged;
    }
    Fate::Torn
}

#[test]
fn each_bit_of_every_record_is_guarded() {
    let maker = sample();
    let (mut torn, mut damaged, mut unseen) = (0, 0, 0);
    for made in &maker.made {
        for at in made.covered().into_iter().flatten() {
            for bit in 0..8 {
                let mut bytes = maker.bytes.clone();
                bytes[at as usize] ^= 1 << bit;
                let disk = Disk::of(&bytes);
                let recovered = disk.recover(PATH);
                let fate = fate(&maker, made, at);
                match &fate {
                    Fate::Torn => {
                        let found = recovered.unwrap();
                        assert_eq!(found.end, maker.ends[made.batch - 1], "byte {at}");
                        let held = disk.contents(PATH, &found, &maker.made);
                        assert_eq!(held, maker.model(made.batch));
                        torn += 1;
                    }
                    Fate::Damaged => {
                        let error = recovered.err().unwrap();
                        let offset = made.record.offset;
                        let expected = (Kind::Malformed, Some(offset));
                        let said = place_of(&error);
                        // The checkpoint's last record is looked at first: sound ones before it
                        // aren't counted then.
                        assert_eq!(said, expected, "byte {at}: {error}");
                        damaged += 1;
                    }
                    Fate::Unseen => {
                        assert_eq!(recovered.unwrap().end, maker.end);
                        unseen += 1;
                    }
                }
                if bit == 0 && fate != Fate::Torn {
                    assert_eq!(damages(&disk), [made.record.offset], "byte {at}");
                }
            }
        }
    }
    assert!(
        torn > 1000 && damaged > 1000 && unseen > 1000,
        "{torn} {damaged} {unseen}"
    );
}

/// Where a verification finds damage.
fn damages(disk: &Disk) -> Vec<u64> {
    let mut found = Vec::new();
    let mut on_damage = |damage: &super::super::Damage<'_>| {
        assert_eq!(damage.path, Path::new(PATH));
        found.push(damage.offset);
    };
    verify_file(
        &disk.storage,
        Path::new(PATH),
        &mut on_damage,
        &mut |_, _| true,
    )
    .unwrap();
    found
}

#[test]
fn a_store_cut_at_any_byte_is_damaged_or_has_whole_batches() {
    let maker = sample();
    for cut in 0..maker.bytes.len() {
        let disk = Disk::of(&maker.bytes[..cut]);
        let recovered = disk.recover(PATH);
        let cut = cut as u64;
        if cut < 16 {
            let error = recovered.err().unwrap();
            assert_eq!(place_of(&error), (Kind::WrongFormat, None));
        } else if cut < maker.ends[3].tail {
            let error = recovered.err().unwrap();
            let offset = if cut < PAGE as u64 { 0 } else { cut };
            assert_eq!(place_of(&error), (Kind::Malformed, Some(offset)), "{error}");
        } else {
            let found = recovered.unwrap();
            let whole = maker.ends.iter().take_while(|end| end.tail <= cut);
            let batches = whole.count();
            assert_eq!(found.end, maker.ends[batches - 1]);
            assert_eq!(found.torn_bytes, cut - found.end.tail);
            let held = disk.contents(PATH, &found, &maker.made);
            assert_eq!(held, maker.model(batches));
        }
    }
}

#[test]
fn each_bit_of_the_header_is_guarded() {
    let maker = sample();
    for at in 0..PAGE {
        let mut bytes = maker.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let disk = Disk::of(&bytes);
        let error = disk.recover(PATH).err().unwrap();
        let expected = match at < 16 {
            true => (Kind::WrongFormat, None),
            false => (Kind::Malformed, Some(0)),
        };
        assert_eq!(place_of(&error), expected, "byte {at}");
    }
}

#[test]
fn headers_of_other_kinds_are_told_apart() {
    let maker = sample();
    let resealed = |at: usize, field: &[u8]| {
        let mut bytes = maker.bytes.clone();
        let page = bytes.first_chunk_mut::<PAGE>().unwrap();
        put(page, at, field);
        seal(page);
        Disk::of(&bytes)
    };
    for (at, field, kind, words) in [
        (16, &[2][..], Kind::Unsupported, "a store of version 2"),
        (20, &[64], Kind::Malformed, "another place"),
        (32, &[1], Kind::Unsupported, "features 0x1"),
        (48, &[0; 16], Kind::Malformed, "no checkpoint"),
        (64, &[0; 8], Kind::Malformed, "no checkpoint"),
        (72, &[5], Kind::Malformed, "alignment"),
        (72, &[13], Kind::Malformed, "alignment"),
    ] {
        let disk = resealed(at, field);
        let error = disk.recover(PATH).err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains(PATH), "{error}");
    }
    // Features that readers needn't know.
    let disk = resealed(24, &[0xFF]);
    assert_eq!(disk.recover(PATH).unwrap().end, maker.end);
    let disk = resealed(40, &[1]);
    assert_eq!(disk.recover(PATH).unwrap().end, maker.end);
    let error = read_header(&*disk.file(PATH), &origin(PATH), true).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("opened for reading"), "{error}");
}

#[test]
fn a_torn_slot_falls_back_to_the_other() {
    let maker = sample();
    for at in 0..128 {
        let mut bytes = maker.bytes.clone();
        bytes[Slot::offset(2) as usize + at] ^= 1 << (at % 8);
        let disk = Disk::of(&bytes);
        let found = disk.recover(PATH).unwrap();
        assert_eq!((found.slot.unwrap().sequence, found.durable), (1, FIRST));
        assert_eq!(found.end, maker.end);
        // And the other one, too.
        bytes[Slot::offset(1) as usize + at] ^= 1 << (at % 8);
        let disk = Disk::of(&bytes);
        let found = disk.recover(PATH).unwrap();
        assert_eq!((found.slot, found.durable), (None, FIRST));
        let held = disk.contents(PATH, &found, &maker.made);
        assert_eq!(held, maker.model(maker.ends.len()));
        assert_eq!(damages(&disk), [4096]);
    }
}

#[test]
fn slots_that_say_what_is_not_so_are_damage() {
    let maker = sample();
    let good = disk_slot(&maker);
    let with = |change: &dyn Fn(&mut Slot)| {
        let mut maker = maker.clone();
        let mut slot = good;
        slot.sequence = 4;
        change(&mut slot);
        maker.put_slot(&slot);
        Disk::of(&maker.bytes)
    };
    let error = |disk: Disk| place_of(&disk.recover(PATH).err().unwrap());
    let len = maker.bytes.len() as u64;
    let beyond = error(with(&|slot| slot.end.tail = len + 64));
    assert_eq!(beyond, (Kind::Malformed, Some(len)));
    let chain = error(with(&|slot| slot.end.chain ^= 1));
    assert_eq!(chain, (Kind::Malformed, Some(good.end.last)));
    let last = error(with(&|slot| slot.end.last += 64));
    assert_eq!(last, (Kind::Malformed, Some(good.end.last + 64)));
    let short = error(with(&|slot| slot.end.tail += 64));
    assert_eq!(short, (Kind::Malformed, Some(good.end.last)));
    // No slot at all: the one that was overwritten is the other's elder.
    for change in [
        (&|slot: &mut Slot| slot.end.tail += 1) as &dyn Fn(&mut Slot),
        &|slot| slot.end.last = slot.end.tail,
        &|slot| slot.end.last = 0,
        &|slot| slot.end.last = 64,
        &|slot| slot.end.last += 1,
        &|slot| slot.end.tail = !63,
        &|slot| slot.sequence = 0,
    ] {
        let found = with(change).recover(PATH).unwrap();
        assert!(found.slot.unwrap().sequence < 4);
        assert_eq!(found.end, maker.end);
    }
    // Counts are no reason to refuse a log.
    let found = with(&|slot| slot.live += 1).recover(PATH).unwrap();
    assert_eq!(found.live, maker.model(maker.ends.len()).len() as u64);
}

fn disk_slot(maker: &Maker) -> Slot {
    let disk = Disk::of(&maker.bytes);
    disk.recover(PATH).unwrap().slot.unwrap()
}

#[test]
fn what_is_none_of_ours_is_left_alone_in_every_mode() {
    let folder = std::env::temp_dir().join(format!("adit-foreign-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"once upon a time"),
        ("almost", b"\x89ADITKVSTORE\r\n\x1a"),
        ("index", b"\x89ADITKVINDEX\r\n\x1a\n and more"),
        ("zeros", &[0; 20000]),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        for mode in [
            OpenMode::Create,
            OpenMode::Write,
            OpenMode::New,
            OpenMode::Read,
        ] {
            let options = super::super::StoreOptions { mode, ..READ };
            let storage = crate::map::RealStorage;
            let file = crate::map::Storage::open(&storage, &path).unwrap();
            let origin = crate::map::Origin::Path(path.clone());
            let error = find_tail(&*file, &origin, &options, None).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongFormat, "{name}");
            assert_eq!(error.place().path.as_deref(), Some(path.as_path()));
            assert!(error.to_string().contains("left as it is"), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(
            std::fs::metadata(&path).unwrap().modified().unwrap(),
            before
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_is_no_store() {
    let path = std::env::temp_dir();
    let storage = crate::map::RealStorage;
    // Some systems don't open folders at all.
    if let Ok(file) = crate::map::Storage::open(&storage, &path) {
        let origin = crate::map::Origin::Path(path);
        let error = find_tail(&*file, &origin, &READ, None).unwrap_err();
        assert_eq!(error.kind(), Kind::NotAFile);
    }
}
