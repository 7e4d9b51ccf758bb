//! Uploads to a graphics card, or to the software driver that stands for one.
//!
//! All times are of the clock on the wall: a software driver works on threads of its own, and shares
//! its cores and its memory with the host.

mod cold;
mod convert;
mod open;
#[cfg(feature = "gpu-peer")]
mod peer;
mod small;
mod upload;

pub use cold::run as cold;
pub use convert::run as convert;
pub use open::run as open;
pub use small::run as small;
pub use upload::run as upload;

use crate::Result;
use crate::adit::{Gpu, GpuBuffer, Way};
use crate::data::Random;
use crate::harness::{Samples, Side, Unit, report_wall};

/// The adapter that is measured on.
struct Adapter {
    #[cfg_attr(not(feature = "gpu-peer"), allow(dead_code, reason = "for the peer"))]
    name: String,
    /// Whether its memory is the host's.
    shared: bool,
}

impl Adapter {
    /// The one that is asked for; none, with a line that says why, where there is none.
    fn find() -> Option<Adapter> {
        let found = Gpu::open(Way::Ring).and_then(|gpu| gpu.adapter());
        match found {
            Ok((name, driver, shared)) => {
                println!("# adapter: {name}, {}", driver.trim());
                #[cfg(not(feature = "gpu-peer"))]
                println!("# without wgpu itself as a peer, which the feature `gpu-peer` brings");
                Some(Adapter { name, shared })
            }
            Err(error) => {
                println!("# skipped: {error}");
                None
            }
        }
    }

    fn ways(&self) -> &'static [Way] {
        match self.shared {
            true => &[Way::Ring, Way::Direct],
            false => &[Way::Ring],
        }
    }
}

/// A side that runs in turn with others, and what its lines call it.
struct Named<'a> {
    name: String,
    side: Side<'a, 1>,
}

fn named<'a>(name: impl Into<String>, mut work: impl FnMut() -> Result<f64> + 'a) -> Named<'a> {
    let name = name.into();
    let side: Side<'a, 1> = Box::new(move |_| Ok([work()?]));
    Named { name, side }
}

/// Runs all in turn, and tells each of the first `ours` against each of the others.
fn compare(rounds: usize, what: &str, unit: Unit, ours: usize, all: Vec<Named<'_>>) -> Result<()> {
    let (names, mut sides): (Vec<String>, Vec<Side<'_, 1>>) = all
        .into_iter()
        .map(|named| (named.name, named.side))
        .unzip();
    let samples = crate::harness::interleave_all(rounds, &mut sides)?;
    let told: Vec<(&String, &Samples)> = names.iter().zip(samples.iter().flatten()).collect();
    let (own, peers) = told.split_at(ours.min(told.len()));
    for (own_name, own) in own {
        for (peer_name, peer) in peers {
            let name = format!("{what}, {own_name}");
            report_wall(&name, unit, own, peer, peer_name);
        }
    }
    Ok(())
}

/// Bytes that look random.
fn fill(bytes: &mut [u8]) {
    let mut random = Random(7);
    for chunk in bytes.chunks_mut(8) {
        let word = random.next().to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
}

/// Whether a buffer has these bytes.
fn check(buffer: &GpuBuffer, wanted: &[u8]) -> Result<()> {
    let mut back = vec![0; wanted.len()];
    buffer.download(&mut back)?;
    if back != wanted {
        return Err("other bytes are there than were uploaded".into());
    }
    Ok(())
}
