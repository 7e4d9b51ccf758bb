//! Threads that work on a load while the caller's thread tells the caller.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, available_parallelism};

use super::error::{Error, Result};

/// The least work in bytes that is worth another thread.
const WORTH: u64 = 1 << 20;

/// More are only taken where the caller says so.
const MOST_BY_DEFAULT: usize = 8;

/// The name of every thread of a load: a panic in one is told by the load, as an error.
pub const THREAD_NAME: &str = "adit-load";

/// How many threads read: as many as asked for, or as is best, but no more than have work.
pub(super) fn count(asked: usize, direct: bool, bytes: u64, least_each: u64, budget: u64) -> usize {
    let useful = usize::try_from(bytes / WORTH).unwrap_or(usize::MAX);
    let affordable = usize::try_from(budget / least_each).unwrap_or(usize::MAX);
    let most = useful.min(affordable);
    if most < 2 {
        // The number of cores is the work of several small loads to find out.
        return 1;
    }
    let wanted = if asked > 0 {
        asked
    } else {
        // This reads files: it isn't asked about what one thread does in a microsecond.
        let cores = available_parallelism().map_or(1, usize::from);
        // A disk is fastest with several reads on their way; where the kernel reads ahead, it has
        // these itself, and threads only copy.
        if direct {
            (cores * 2).clamp(4, MOST_BY_DEFAULT)
        } else {
            cores.clamp(2, MOST_BY_DEFAULT)
        }
    };
    wanted.min(most).max(1)
}

/// The threads of a load: they are gone when this is, whatever the caller's own code does.
struct Crew<'a> {
    threads: Vec<JoinHandle<()>>,
    end: &'a dyn Fn(),
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        (self.end)();
        for thread in self.threads.drain(..) {
            // Panics of the work are caught in the thread.
            let _ = thread.join();
        }
    }
}

/// Does `work` on up to `count` threads (fewer, and none perhaps, where the system has no more)
/// while `lead` runs here, which is told how many. `end` is called when `lead` is over, and makes
/// the threads end, which are waited for.
// A scope of the standard library and its channels do the same, but leave something in this thread
// that is freed when it ends: in the caller's threads nothing of the kind is to be left behind.
pub(super) fn beside<R>(
    count: usize,
    work: &(dyn Fn() + Sync),
    end: &dyn Fn(),
    lead: impl FnOnce(usize) -> R,
) -> R {
    let mut crew = Crew {
        threads: Vec::with_capacity(count),
        end,
    };
    for number in 0..count {
        let builder = Builder::new().name(THREAD_NAME.to_owned());
        // SAFETY: the crew is dropped before this function returns or unwinds, which waits for the
        // thread; what `work` borrows lives longer.
        match unsafe { builder.spawn_unchecked(work) } {
            Ok(thread) => crew.threads.push(thread),
            Err(error) => {
                log::info!("only {number} of {count} threads to load with: {error}");
                break;
            }
        }
    }
    let result = lead(crew.threads.len());
    drop(crew);
    result
}

/// Does a thread's work; a panic in it is an error.
pub(super) fn catch(work: impl FnOnce() -> Result<()>) -> Result<()> {
    // What it works on is the outputs, which are undefined after a failure, and a window, which
    // every use overwrites.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or("no message").to_owned();
        Err(Error::Panicked { what })
    })
}

/// What threads tell one another, in order, until it is closed.
pub(super) struct Queue<T> {
    state: Mutex<(VecDeque<T>, bool)>,
    changed: Condvar,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Queue<T> {
        Queue {
            state: Mutex::new((VecDeque::new(), false)),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, (VecDeque<T>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, what: T) {
        self.state().0.push_back(what);
        self.changed.notify_one();
    }

    /// The oldest, if there is any.
    pub(super) fn try_pop(&self) -> Option<T> {
        self.state().0.pop_front()
    }

    /// The oldest, waited for; none where it is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(what) = state.0.pop_front() {
                return Some(what);
            }
            if state.1 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.state().1 = true;
        self.changed.notify_all();
    }
}
