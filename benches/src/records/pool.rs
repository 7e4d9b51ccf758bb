//! Threads that are kept, and read places of a file by pread.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::Result;

/// The places that one of the threads reads, and the buffer that it reads to.
struct Part {
    places: Vec<u64>,
    buffer: Vec<u8>,
    failed: Option<std::io::Error>,
}

/// The threads.
pub struct Pool {
    to: Vec<Sender<Part>>,
    back: Receiver<Part>,
    idle: Vec<Part>,
    bytes: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts `threads` of them, for batches of `most` records of `bytes` each.
    ///
    /// # Errors
    /// The system's.
    pub fn start(path: &Path, threads: usize, most: usize, bytes: usize) -> Result<Pool> {
        let file = Arc::new(File::open(path)?);
        let (done, back) = channel();
        let mut pool = Pool {
            to: Vec::new(),
            back,
            idle: Vec::new(),
            bytes,
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let (sender, parts) = channel::<Part>();
            let (file, done) = (Arc::clone(&file), done.clone());
            pool.threads.push(std::thread::spawn(move || {
                for mut part in parts {
                    part.failed = read(&file, &mut part, bytes).err();
                    if done.send(part).is_err() {
                        break;
                    }
                }
            }));
            pool.to.push(sender);
            pool.idle.push(Part {
                places: Vec::with_capacity(most),
                buffer: vec![0; most.div_ceil(threads) * bytes],
                failed: None,
            });
        }
        Ok(pool)
    }

    /// Reads the records at `places`, each thread some of them into a buffer of its own.
    ///
    /// # Errors
    /// The first of a thread.
    pub fn read(&mut self, places: &[u64]) -> Result<()> {
        let each = places.len().div_ceil(self.to.len());
        let mut sent = 0;
        for (own, to) in places.chunks(each).zip(&self.to) {
            let mut part = self.idle.pop().ok_or("no part")?;
            part.places.clear();
            part.places.extend_from_slice(own);
            part.buffer.resize(each * self.bytes, 0);
            to.send(part)?;
            sent += 1;
        }
        for _ in 0..sent {
            let mut part = self.back.recv()?;
            let failed = part.failed.take();
            self.idle.push(part);
            if let Some(error) = failed {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.to.clear();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a reading thread panicked");
            }
        }
    }
}

fn read(file: &File, part: &mut Part, bytes: usize) -> std::io::Result<()> {
    for (&place, to) in part.places.iter().zip(part.buffer.chunks_exact_mut(bytes)) {
        file.read_exact_at(to, place)?;
    }
    Ok(())
}
