//! Many stretches of a file at once: read past the page cache, or brought into it.

use std::mem::MaybeUninit;

use super::data::Data;
use super::direct::Direct;
use super::error::Result;
use super::os::{Flight, FlightRead};

/// The most reads under way at once: a fast disk is busy with fewer. All processes of a machine
/// share what the kernel has of them (fs.aio-max-nr, 65,536 unless set), and these are kept for the
/// next call.
const DEPTH: usize = 64;

/// Where one thread's reads are under way at once; set up at the first.
#[derive(Debug, Default)]
pub struct Flights {
    flight: Option<Flight>,
    refused: bool,
    /// The file system can't start reads into the page cache without waiting.
    waits: bool,
}

/// A stretch that is to be fetched.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Where it starts in the data.
    pub offset: u64,
    /// Its bytes.
    pub len: usize,
    /// The window for it: aligned as [`Direct::window_align`] says, and of at least
    /// [`Direct::window_len`].
    pub window: &'a mut [MaybeUninit<u8>],
}

/// Told the number of a stretch that is done, where in its window it starts, or none where the file
/// system refuses direct reads, and the window.
pub type Fetched<'a> = &'a mut dyn FnMut(usize, Result<Option<usize>>, &[MaybeUninit<u8>]);

impl Flights {
    fn get(&mut self) -> Option<&mut Flight> {
        if self.flight.is_none() && !self.refused {
            match Flight::new(DEPTH) {
                Ok(flight) => self.flight = Some(flight),
                Err(error) => {
                    log::info!("direct reads come one after the other: {error}");
                    self.refused = true;
                }
            }
        }
        self.flight.as_mut()
    }
}

impl Data {
    /// As [`Data::prefetch`], of several ranges (offset and length) in one go.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](super::Error::OutOfRange).
    pub fn prefetch_each(&self, flights: &mut Flights, ranges: &[(u64, u64)]) -> Result<()> {
        if !flights.waits
            && ranges.len() > 1
            && let Some(range) = self.file()
            && let Some(file) = range.file.os_file()
            && let Some(flight) = flights.get()
        {
            let mut in_file = Vec::with_capacity(ranges.len());
            for &(offset, len) in ranges {
                let (offset, len) = self.range(offset, len)?;
                in_file.push((range.offset.saturating_add(offset), len));
            }
            match flight.will_need(&file, &in_file) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    log::info!("{}: announced one by one: {error}", self.origin());
                    flights.waits = true;
                }
            }
        }
        ranges
            .iter()
            .try_for_each(|&(offset, len)| self.prefetch(offset, len))
    }
}

impl Direct {
    /// Fetches stretches as [`Direct::fetch`] does, in any order, several at once where the system
    /// can. Each is told to `fetched` once.
    pub fn fetch_each(
        &self,
        flights: &mut Flights,
        wanted: &mut [Wanted<'_>],
        fetched: Fetched<'_>,
    ) {
        let mut told = vec![false; wanted.len()];
        if wanted.len() > 1
            && let Some(flight) = flights.get()
        {
            let ended = self.at_once(flight, wanted, &mut told, fetched);
            if let Err(error) = ended {
                log::info!("direct reads come one after the other: {error}");
                flights.flight = None;
                flights.refused = true;
            }
        }
        // Alone, and whatever went wrong, once more: to read on, or for the error.
        for (number, (wanted, told)) in wanted.iter_mut().zip(told).enumerate() {
            if !told {
                let result = self.fetch(wanted.offset, wanted.len, wanted.window);
                fetched(number, result, wanted.window);
            }
        }
    }

    /// Tells of those that succeed.
    fn at_once(
        &self,
        flight: &mut Flight,
        wanted: &mut [Wanted<'_>],
        told: &mut [bool],
        fetched: Fetched<'_>,
    ) -> std::io::Result<()> {
        let mut numbers = Vec::with_capacity(wanted.len());
        let mut reads = Vec::with_capacity(wanted.len());
        for (number, wanted) in wanted.iter_mut().enumerate() {
            let Ok((offset, skip, size)) = self.cover(wanted.offset, wanted.len) else {
                continue;
            };
            let Some(out) = wanted.window.get_mut(..size) else {
                continue;
            };
            numbers.push((number, skip, skip + wanted.len));
            reads.push(FlightRead { offset, out });
        }
        flight.read_each(self.file(), &mut reads, &mut |read, result, window| {
            let Some(&(number, skip, end)) = numbers.get(read) else {
                return;
            };
            if matches!(result, Ok(got) if got >= end)
                && let Some(told) = told.get_mut(number)
            {
                *told = true;
                fetched(number, Ok(Some(skip)), window);
            }
        })
    }
}

#[cfg(test)]
#[path = "flights_tests.rs"]
mod tests;
