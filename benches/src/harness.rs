//! Runs sides in turn, A B A B, and prints how they compare.

use std::fmt;
use std::time::Instant;

use crate::Result;

/// How a measure is told. Every measure is kept in seconds for one unit of work.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Time for one call, in the unit that fits.
    Time,
    /// Payload by time: the bytes of one unit of work, in units of 10^9 a second, or of 10^6.
    Rate(f64),
}

impl Unit {
    fn tell(self, seconds: f64) -> String {
        match self {
            Unit::Time if seconds < 1e-6 => format!("{} ns", Digits(seconds * 1e9)),
            Unit::Time if seconds < 1e-3 => format!("{} µs", Digits(seconds * 1e6)),
            Unit::Time if seconds < 1.0 => format!("{} ms", Digits(seconds * 1e3)),
            Unit::Time => format!("{} s", Digits(seconds)),
            Unit::Rate(bytes) if bytes / seconds < 1e8 => {
                format!("{} MB/s", Digits(bytes / seconds / 1e6))
            }
            Unit::Rate(bytes) => format!("{} GB/s", Digits(bytes / seconds / 1e9)),
        }
    }
}

/// A number with three digits, or all before its point.
struct Digits(f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = match self.0 {
            value if value < 10.0 => 2,
            value if value < 100.0 => 1,
            _ => 0,
        };
        write!(f, "{:.places$}", self.0)
    }
}

/// Seconds for one unit of work, one number a round.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Samples that were taken elsewhere.
    #[must_use]
    pub fn new(seconds: Vec<f64>) -> Samples {
        Samples(seconds)
    }

    /// Whether there is a number in each of them.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|seconds| seconds.is_finite())
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The middle one.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted.get(sorted.len() / 2).copied();
        let lower = sorted.get((sorted.len().max(1) - 1) / 2).copied();
        upper
            .zip(lower)
            .map_or(f64::NAN, |(upper, lower)| (upper + lower) / 2.0)
    }
}

/// One of the things that are compared: does a unit of work, or some, and says for each of its `M`
/// measures how many seconds a unit took. It is told its turn, a number that no other run of this
/// comparison has, so that it can use data that no other run has just read.
pub type Side<'a, const M: usize> = Box<dyn FnMut(usize) -> Result<[f64; M]> + 'a>;

/// Runs every side once without counting it, then `rounds` times in turn.
///
/// # Errors
/// The first of a side.
pub fn interleave<const M: usize, const S: usize>(
    rounds: usize,
    mut sides: [Side<'_, M>; S],
) -> Result<[[Samples; M]; S]> {
    let samples = interleave_all(rounds, &mut sides)?;
    samples
        .try_into()
        .map_err(|_| "a side without samples".into())
}

/// As [`interleave`], of as many sides as there are.
///
/// # Errors
/// The first of a side.
pub fn interleave_all<const M: usize>(
    rounds: usize,
    sides: &mut [Side<'_, M>],
) -> Result<Vec<[Samples; M]>> {
    let none = || std::array::from_fn(|_| Samples::default());
    let mut samples: Vec<[Samples; M]> = sides.iter().map(|_| none()).collect();
    let mut turn = 0;
    for round in 0..=rounds {
        for (side, own) in sides.iter_mut().zip(&mut samples) {
            let measured = side(turn)?;
            turn += 1;
            if round > 0 {
                for (samples, seconds) in own.iter_mut().zip(measured) {
                    samples.0.push(seconds);
                }
            }
        }
    }
    Ok(samples)
}

/// Seconds of a CPU that one of `count` units of `work` took of this thread.
///
/// Not of the clock on the wall: on a machine that others use too that tells how often they had the
/// CPU in between. So it is for work that waits for no disk and starts no threads.
///
/// # Errors
/// Those of the work.
pub fn time(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = thread_seconds()?;
    work()?;
    Ok((thread_seconds()? - start) / count as f64)
}

/// Seconds of the clock on the wall: for work that waits for a disk or runs on several threads.
///
/// # Errors
/// Those of the work.
pub fn wall_time(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// The seconds that this thread has been running on a CPU.
fn thread_seconds() -> Result<f64> {
    let mut spent = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a live place for the time.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut spent) };
    if status != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9)
}

/// Prints the line of a comparison: how many times the peer's time ours is, by medians, and how
/// far that went from round to round.
pub fn report(name: &str, unit: Unit, ours: &Samples, peer: &Samples, peer_name: &str) {
    let (own, other) = (ours.median(), peer.median());
    println!(
        "RATIO\t{name}\t{}\t{}\t{:.2}\t{peer_name}",
        unit.tell(own),
        unit.tell(other),
        other / own
    );
    let rounds = ours.0.iter().zip(&peer.0).map(|(own, other)| other / own);
    let (least, most) = rounds.fold((f64::INFINITY, 0.0_f64), |(least, most), ratio| {
        (least.min(ratio), most.max(ratio))
    });
    println!("#   ratio by round {least:.2} to {most:.2}");
}

/// As [`report`], with a line of each side's best round: of times on the wall other programs make
/// some rounds longer, and none shorter.
pub fn report_wall(name: &str, unit: Unit, ours: &Samples, peer: &Samples, peer_name: &str) {
    report(name, unit, ours, peer, peer_name);
    let (own, other) = (ours.least(), peer.least());
    println!(
        "#   best rounds {} and {}, ratio {:.2}",
        unit.tell(own),
        unit.tell(other),
        other / own
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!(Samples::default().median().is_nan());
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }

    #[test]
    fn units() {
        assert_eq!(Unit::Time.tell(57.12e-9), "57.1 ns");
        assert_eq!(Unit::Time.tell(2.04e-3), "2.04 ms");
        assert_eq!(Unit::Rate(3e6).tell(1e-3), "3.00 GB/s");
        assert_eq!(Unit::Rate(3e6).tell(1.0), "3.00 MB/s");
    }

    #[test]
    fn the_first_run_is_not_counted() -> Result<()> {
        let mut runs = 0.0;
        let side: Side<'_, 1> = Box::new(|_| {
            runs += 1.0;
            Ok([runs])
        });
        let [[samples]] = interleave(3, [side])?;
        assert_eq!(samples.0, [2.0, 3.0, 4.0]);
        Ok(())
    }
}
