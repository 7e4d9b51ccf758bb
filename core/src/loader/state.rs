//! Where a loader stands in its epoch, in few bytes. docs/loader.md specifies them.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::order::{OrderOptions, Shuffle};
use super::partition::{Partition, Uneven};
use super::plan_error::{PlanError, Result};
use crate::kernel;

/// The bytes of an encoded state.
pub const STATE_BYTES: usize = LEN as usize;

const MAGIC: [u8; 16] = *b"\x89ADITLOADERS\r\n\x1a\n";
const VERSION: u32 = 1;
const LEN: u32 = 128;
/// Where the fields end, and where the checksum stands.
const ZEROS: usize = 102;
const CHECKSUM: usize = STATE_BYTES - 4;

/// What a loader goes through, in which order, and how much of it was delivered. Neither rank nor
/// world belongs to it, nor what only decides how fast it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Which set it is: [`crate::record::RecordReader`]'s identity, or a token source's.
    pub identity: u128,
    /// Its records.
    pub records: u64,
    /// The order's options, with the block that was taken.
    pub order: OrderOptions,
    /// The records of a step over all ranks.
    pub batch: u64,
    /// What becomes of the rest.
    pub uneven: Uneven,
    /// The epoch.
    pub epoch: u64,
    /// The steps of it that were delivered.
    pub step: u64,
}

impl State {
    /// The state's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; STATE_BYTES] {
        let mut out = Out([0; STATE_BYTES], 0);
        out.put(&MAGIC);
        out.put(&VERSION.to_le_bytes());
        out.put(&LEN.to_le_bytes());
        out.put(&self.order.seed.to_le_bytes());
        out.put(&self.epoch.to_le_bytes());
        out.put(&self.step.to_le_bytes());
        out.put(&self.records.to_le_bytes());
        out.put(&self.identity.to_le_bytes());
        out.put(&self.batch.to_le_bytes());
        out.put(&self.order.block.to_le_bytes());
        out.put(&self.order.window.to_le_bytes());
        out.put(&self.order.canonical_nodes.max(1).to_le_bytes());
        out.put(&[shuffle_code(self.order.shuffle), uneven_code(self.uneven)]);
        debug_assert_eq!(out.1, ZEROS);
        let Out(mut bytes, _) = out;
        if let Some((body, checksum)) = bytes.split_last_chunk_mut::<4>() {
            *checksum = kernel::crc32c_of(0, body).to_le_bytes();
        }
        bytes
    }

    /// The state that bytes tell.
    ///
    /// # Errors
    /// [`PlanError::NoState`], [`PlanError::StateVersion`].
    pub fn decode(bytes: &[u8]) -> Result<State> {
        let refuse = |why| PlanError::NoState {
            len: bytes.len(),
            why,
        };
        let mut words = In(bytes);
        if words.take::<16>() != Some(MAGIC) {
            return Err(refuse("they don't start as one"));
        }
        // Of a later version nothing else is known, not even its length.
        let version = words.u32().ok_or_else(|| refuse("they end too early"))?;
        if bytes.len() != STATE_BYTES && version == VERSION {
            return Err(refuse("one has 128 bytes"));
        }
        if version != VERSION {
            return Err(PlanError::StateVersion { version });
        }
        let (body, checksum) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| refuse("they end too early"))?;
        if kernel::crc32c_of(0, body) != u32::from_le_bytes(*checksum) {
            return Err(refuse("they were damaged: their checksum is wrong"));
        }
        let zeros = bytes.get(ZEROS..CHECKSUM).unwrap_or_default();
        if words.u32() != Some(LEN) || zeros.iter().any(|&zero| zero != 0) {
            return Err(refuse("there is more in them than version 1 has"));
        }
        words
            .state()
            .ok_or_else(|| refuse("they have an order or policy that there isn't"))
    }

    /// Whether this state is one of `own`'s set and options, so that a loader with these can go on
    /// from it. Epoch and step may differ.
    ///
    /// # Errors
    /// [`PlanError::OtherState`], which names the first difference.
    pub fn check_against(&self, own: &State) -> Result<()> {
        let (theirs, ours) = (&self.order, &own.order);
        let differ = [
            ("data set", hex(self.identity), hex(own.identity)),
            (
                "number of records",
                self.records.to_string(),
                own.records.to_string(),
            ),
            ("seed", theirs.seed.to_string(), ours.seed.to_string()),
            ("order", name(theirs.shuffle), name(ours.shuffle)),
            ("batch", self.batch.to_string(), own.batch.to_string()),
            ("uneven", policy(self.uneven), policy(own.uneven)),
            ("block", theirs.block.to_string(), ours.block.to_string()),
            ("window", theirs.window.to_string(), ours.window.to_string()),
            (
                "canonical_nodes",
                theirs.canonical_nodes.max(1).to_string(),
                ours.canonical_nodes.max(1).to_string(),
            ),
        ];
        for (what, theirs, ours) in differ {
            if theirs != ours {
                return Err(PlanError::OtherState { what, theirs, ours });
            }
        }
        let steps = Partition {
            batch: own.batch.max(1),
            world: 1,
            rank: 0,
            uneven: own.uneven,
        }
        .steps(own.records);
        if self.step > steps {
            return Err(PlanError::NoStep {
                step: self.step,
                steps,
            });
        }
        Ok(())
    }
}

/// Bytes being put one after the other, and where the next one goes.
struct Out([u8; STATE_BYTES], usize);

impl Out {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.1.saturating_add(bytes.len());
        if let Some(room) = self.0.get_mut(self.1..end) {
            room.copy_from_slice(bytes);
        }
        self.1 = end;
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// What stands behind the length.
    fn state(&mut self) -> Option<State> {
        let (seed, epoch, step) = (self.u64()?, self.u64()?, self.u64()?);
        let records = self.u64()?;
        let identity = self.take().map(u128::from_le_bytes)?;
        let batch = self.u64()?;
        let (block, window) = (self.u64()?, self.u64()?);
        let canonical_nodes = self.u32()?;
        let [shuffle, uneven] = self.take()?;
        let order = OrderOptions {
            shuffle: match shuffle {
                1 => Shuffle::Windowed,
                2 => Shuffle::Sequential,
                _ => return None,
            },
            seed,
            block,
            window,
            canonical_nodes,
        };
        let uneven = match uneven {
            1 => Uneven::Drop,
            2 => Uneven::Pad,
            3 => Uneven::Keep,
            _ => return None,
        };
        Some(State {
            identity,
            records,
            order,
            batch,
            uneven,
            epoch,
            step,
        })
    }
}

fn shuffle_code(shuffle: Shuffle) -> u8 {
    match shuffle {
        Shuffle::Windowed => 1,
        Shuffle::Sequential => 2,
    }
}

fn uneven_code(uneven: Uneven) -> u8 {
    match uneven {
        Uneven::Drop => 1,
        Uneven::Pad => 2,
        Uneven::Keep => 3,
    }
}

fn hex(identity: u128) -> String {
    format!("{identity:032x}")
}

fn name(shuffle: Shuffle) -> String {
    match shuffle {
        Shuffle::Windowed => "windowed",
        Shuffle::Sequential => "sequential",
    }
    .to_owned()
}

fn policy(uneven: Uneven) -> String {
    match uneven {
        Uneven::Drop => "drop",
        Uneven::Pad => "pad",
        Uneven::Keep => "keep",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;

    fn some() -> State {
        State {
            identity: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
            records: 1000,
            order: OrderOptions {
                shuffle: Shuffle::Windowed,
                seed: 42,
                block: 16,
                window: 4,
                canonical_nodes: 2,
            },
            batch: 32,
            uneven: Uneven::Drop,
            epoch: 7,
            step: 31,
        }
    }

    #[test]
    fn bytes_give_the_state_back() {
        let mut all = vec![some()];
        for uneven in [Uneven::Drop, Uneven::Pad, Uneven::Keep] {
            for shuffle in [Shuffle::Windowed, Shuffle::Sequential] {
                let mut state = some();
                state.uneven = uneven;
                state.order.shuffle = shuffle;
                state.identity = u128::MAX;
                state.epoch = u64::MAX;
                state.order.seed = u64::MAX - 1;
                all.push(state);
            }
        }
        for state in all {
            assert_eq!(State::decode(&state.encode()), Ok(state));
        }
    }

    #[test]
    fn no_changed_byte_passes() {
        let bytes = some().encode();
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                let mut bytes = bytes;
                bytes[at] ^= flip;
                State::decode(&bytes).unwrap_err();
            }
        }
        for len in 0..bytes.len() {
            State::decode(&bytes[..len]).unwrap_err();
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert_eq!(
            State::decode(&longer).unwrap_err().to_string(),
            "these 129 bytes are no state of a loader: one has 128 bytes"
        );
        assert_eq!(
            State::decode(b"").unwrap_err().to_string(),
            "these 0 bytes are no state of a loader: they don't start as one"
        );
    }

    /// With the checksum of what they are now.
    fn sealed(mut bytes: [u8; STATE_BYTES]) -> [u8; STATE_BYTES] {
        let crc = kernel::crc32c_of(0, &bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn what_version_1_does_not_have_is_refused() {
        let whole = some().encode();
        for (at, value, why) in [
            (16, 2, "the state has version 2; only version 1 is known"),
            (20, 127, "there is more in them than version 1 has"),
            (100, 3, "they have an order or policy that there isn't"),
            (101, 0, "they have an order or policy that there isn't"),
            (102, 1, "there is more in them than version 1 has"),
            (123, 1, "there is more in them than version 1 has"),
        ] {
            let mut bytes = whole;
            bytes[at] = value;
            let error = State::decode(&sealed(bytes)).unwrap_err().to_string();
            assert!(error.ends_with(why), "{at}: {error}");
        }
    }

    #[test]
    fn another_set_or_option_is_named() {
        let own = some();
        let mut later = own;
        later.epoch = 100;
        later.step = 0;
        later.check_against(&own).unwrap();
        type Change = fn(&mut State);
        let changes: [(&str, Change); 9] = [
            ("data set", |state| state.identity = 1),
            ("number of records", |state| state.records = 999),
            ("seed", |state| state.order.seed = 43),
            ("order", |state| state.order.shuffle = Shuffle::Sequential),
            ("batch", |state| state.batch = 64),
            ("uneven", |state| state.uneven = Uneven::Keep),
            ("block", |state| state.order.block = 8),
            ("window", |state| state.order.window = 0),
            ("canonical_nodes", |state| state.order.canonical_nodes = 1),
        ];
        for (name, change) in changes {
            let mut other = own;
            change(&mut other);
            let error = other.check_against(&own).unwrap_err();
            let start = format!("the state is of another epoch order: its {name} is ");
            assert!(error.to_string().starts_with(&start), "{name}: {error}");
        }
        let mut seed = own;
        seed.order.seed = 43;
        assert_eq!(
            seed.check_against(&own).unwrap_err().to_string(),
            "the state is of another epoch order: its seed is 43, the loader's 42; \
             open the loader with what the state was saved with"
        );
        let mut beyond = own;
        beyond.step = 32;
        let no_step = PlanError::NoStep {
            step: 32,
            steps: 31,
        };
        assert_eq!(beyond.check_against(&own), Err(no_step));
    }
}
