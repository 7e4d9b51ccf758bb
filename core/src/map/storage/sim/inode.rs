//! A file's contents: what is durable, what may become so, and what a process sees.

use super::SECTOR;
use super::rng::Rng;

/// What a power cut leaves of something that wasn't synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    Nothing,
    Everything,
    Chance,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Extend { len: usize },
    Cut { len: usize },
}

impl Change {
    fn end(&self) -> usize {
        match self {
            Change::Write { offset, bytes } => offset.saturating_add(bytes.len()),
            Change::Extend { len } | Change::Cut { len } => *len,
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => overlay(to, *offset, bytes),
            Change::Extend { len } => extend(to, *len),
            Change::Cut { len } => to.truncate(*len),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A later sync makes it durable.
    Open,
    /// A sync failed: it is on the disk or it never will be.
    Doubtful,
    /// Synced, behind a doubtful one.
    Durable,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    durable: Vec<u8>,
    /// In the order of the calls; the first is never `Durable`.
    changes: Vec<(Change, State)>,
    live: Vec<u8>,
}

impl Inode {
    pub(super) fn of(durable: Vec<u8>) -> Inode {
        Inode {
            live: durable.clone(),
            durable,
            changes: Vec::new(),
        }
    }

    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push((change, State::Open));
    }

    pub(super) fn sync(&mut self) {
        self.settle(State::Durable);
        let is_durable = |(_, state): &(Change, State)| *state == State::Durable;
        let ready = self.changes.iter().take_while(|&c| is_durable(c)).count();
        for (change, _) in self.changes.drain(..ready) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn fail_sync(&mut self) {
        self.settle(State::Doubtful);
    }

    fn settle(&mut self, as_what: State) {
        for (_, state) in &mut self.changes {
            if *state == State::Open {
                *state = as_what;
            }
        }
    }

    /// The contents after a power cut. What grew unwritten has the bytes of `stale`, where there are
    /// any.
    pub(super) fn survivors(
        &self,
        data: Share,
        length: Share,
        stale: Option<&[u8]>,
        rng: &mut Rng,
    ) -> Vec<u8> {
        let mut again = rng.clone();
        let (mut bytes, least) = self.overlaid(self.durable.clone(), data, false, rng);
        let len = self.surviving_length(least, bytes.len(), length, rng);
        if let Some(stale) = stale {
            let mut base = self.durable.clone();
            let stale = stale.get(base.len()..self.live.len().min(stale.len()));
            base.extend_from_slice(stale.unwrap_or_default());
            (bytes, _) = self.overlaid(base, data, true, &mut again);
        }
        bytes.resize(len, 0);
        bytes
    }

    /// `bytes` with what was synced and any part of what wasn't, and the length that is durable.
    /// Where `is_stale`, what a synced change has grown over and not written is zeroed.
    fn overlaid(
        &self,
        mut bytes: Vec<u8>,
        data: Share,
        is_stale: bool,
        rng: &mut Rng,
    ) -> (Vec<u8>, usize) {
        let mut least = self.durable.len();
        for (change, state) in &self.changes {
            if *state == State::Durable {
                let written = match change {
                    Change::Write { offset, .. } => *offset,
                    Change::Extend { len } | Change::Cut { len } => *len,
                };
                let end = written.min(bytes.len());
                if let (true, Some(hole)) = (is_stale, bytes.get_mut(least..end)) {
                    hole.fill(0);
                }
                change.apply(&mut bytes);
                least = match change {
                    Change::Cut { len } => least.min(*len),
                    _ => least.max(change.end()),
                };
            } else if let Change::Cut { len } = change {
                if is_cut(data, rng) {
                    bytes.truncate(*len);
                    least = least.min(*len);
                }
            } else if let Change::Write { offset, bytes: new } = change {
                tear(&mut bytes, *offset, new, data, rng);
            }
        }
        (bytes, least)
    }

    /// The true length lies between the durable and the live one. After a cut that isn't durable it
    /// may be the one before.
    fn surviving_length(&self, least: usize, data: usize, share: Share, rng: &mut Rng) -> usize {
        let most = self.live.len().max(least);
        match share {
            Share::Nothing => least,
            Share::Everything => most,
            Share::Chance => match rng.up_to(3) {
                0 => least,
                1 => data.max(least),
                2 => {
                    let nth = rng.up_to(self.changes.len().saturating_sub(1));
                    let end = self.changes.get(nth).map_or(least, |(c, _)| c.end());
                    end.max(least)
                }
                _ => least.saturating_add(rng.up_to(most.saturating_sub(least))),
            },
        }
    }
}

/// Whether a cut that wasn't synced has reached the disk.
fn is_cut(share: Share, rng: &mut Rng) -> bool {
    match share {
        Share::Nothing => false,
        Share::Everything => true,
        Share::Chance => rng.coin(),
    }
}

fn extend(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

fn overlay(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if new.is_empty() {
        return;
    }
    let end = offset.saturating_add(new.len());
    extend(bytes, end);
    if let Some(room) = bytes.get_mut(offset..end) {
        room.copy_from_slice(new);
    }
}

/// Overlays the sectors of a write that reached the disk.
fn tear(bytes: &mut Vec<u8>, offset: usize, new: &[u8], share: Share, rng: &mut Rng) {
    let share = match share {
        Share::Chance => match rng.up_to(3) {
            0 => Share::Nothing,
            1 => Share::Everything,
            _ => Share::Chance,
        },
        share => share,
    };
    let (mut at, mut rest) = (offset, new);
    while !rest.is_empty() {
        let room = SECTOR - at % SECTOR;
        let (sector, behind) = rest.split_at(room.min(rest.len()));
        let survives = match share {
            Share::Nothing => false,
            Share::Everything => true,
            Share::Chance => rng.coin(),
        };
        if survives {
            overlay(bytes, at, sector);
        }
        at = at.saturating_add(sector.len());
        rest = behind;
    }
}
