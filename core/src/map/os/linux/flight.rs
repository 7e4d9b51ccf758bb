//! Many reads of one file started at once: Linux's asynchronous I/O (io_submit(2)), which needs no
//! threads, and which containers allow that refuse io_uring.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;

use super::{Process, file_advise, process};

/// As linux/aio_abi.h has it, of a little-endian machine or one where `key` and `flags` are zero.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    data: u64,
    key: u32,
    flags: u32,
    opcode: u16,
    priority: i16,
    descriptor: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    more_flags: u32,
    result_descriptor: u32,
}

impl Request {
    fn new(
        number: usize,
        file: &File,
        offset: u64,
        to: *mut MaybeUninit<u8>,
        bytes: usize,
    ) -> io::Result<Request> {
        Ok(Request {
            data: number as u64,
            key: 0,
            flags: 0,
            opcode: READ,
            priority: 0,
            descriptor: file.as_raw_fd().cast_unsigned(),
            buffer: to.expose_provenance() as u64,
            bytes: bytes as u64,
            offset: i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?,
            reserved: 0,
            more_flags: 0,
            result_descriptor: 0,
        })
    }
}

/// As linux/aio_abi.h has it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

const READ: u16 = 0;

/// Fails with EAGAIN rather than wait for the disk (linux/fs.h).
const RWF_NOWAIT: u32 = libc::RWF_NOWAIT.cast_unsigned();

/// Events that are taken at a time.
const EVENTS: usize = 64;

/// What the kernel is asked to read ahead at a time; of more it would read less.
const MOST_AHEAD: usize = 128 << 10;

/// A place for reads that are under way at once, of one thread at a time.
#[derive(Debug)]
pub(in crate::map) struct Flight {
    context: libc::c_ulong,
    /// A forked child has no such place.
    process: Process,
    depth: usize,
}

/// A read of as many bytes as there is room for, and where it goes.
#[derive(Debug)]
pub(in crate::map) struct FlightRead<'a> {
    pub(in crate::map) offset: u64,
    pub(in crate::map) out: &'a mut [MaybeUninit<u8>],
}

/// Told the number of a read that is done, its bytes or what went wrong, and where to.
pub(in crate::map) type FlightDone<'a> =
    &'a mut dyn FnMut(usize, io::Result<usize>, &mut [MaybeUninit<u8>]);

impl Flight {
    /// A place for `depth` reads.
    pub(in crate::map) fn new(depth: usize) -> io::Result<Flight> {
        let mut context: libc::c_ulong = 0;
        let count = libc::c_uint::try_from(depth).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: io_setup writes a number to `context`, which is 0 before as it asks for.
        let set = unsafe { libc::syscall(libc::SYS_io_setup, count, &raw mut context) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        let process = process();
        Ok(Flight {
            context,
            process,
            depth,
        })
    }

    /// Does all reads, as many at once as there are places, and tells of each as it is done: its
    /// number, the bytes read, and where to. None of them is under way when this returns, or
    /// unwinds.
    pub(in crate::map) fn read_each(
        &mut self,
        file: &File,
        reads: &mut [FlightRead<'_>],
        done: FlightDone<'_>,
    ) -> io::Result<()> {
        let mut requests = Vec::with_capacity(reads.len());
        for (number, read) in reads.iter_mut().enumerate() {
            let (to, bytes) = (read.out.as_mut_ptr(), read.out.len());
            requests.push(Request::new(number, file, read.offset, to, bytes)?);
        }
        // SAFETY: the memory is borrowed until this returns, and nobody touches it before the read
        // is done: `done` is given that of finished reads alone.
        unsafe {
            self.all(&mut requests, &mut |number, result| {
                if let Some(read) = reads.get_mut(number) {
                    done(number, result, read.out);
                }
            })
        }
    }

    /// Asks the kernel to start reading ranges of a file into the page cache, all in one go:
    /// requests that come one by one reach the device one by one.
    ///
    /// Each is a read that gives up rather than wait (`RWF_NOWAIT`), and has started the reading
    /// by then.
    pub(in crate::map) fn will_need(
        &mut self,
        file: &File,
        ranges: &[(u64, u64)],
    ) -> io::Result<()> {
        let mut unwanted = Vec::<u8>::new();
        unwanted
            .try_reserve_exact(MOST_AHEAD)
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        let to = unwanted.spare_capacity_mut().as_mut_ptr();
        let mut requests = Vec::with_capacity(ranges.len());
        for &(offset, len) in ranges {
            let end = offset.saturating_add(len);
            let mut at = offset;
            while at < end {
                let bytes = (end - at).min(MOST_AHEAD as u64);
                let mut request = Request::new(requests.len(), file, at, to, bytes as usize)?;
                request.flags = RWF_NOWAIT;
                requests.push(request);
                at += bytes;
            }
        }
        // From now on reads of this open file bring in what they ask for: else those that lie side
        // by side make the kernel go on far beyond, also over what was just let go of. What fails
        // is no more than slower.
        let _ = file_advise(file, 0, 0, libc::POSIX_FADV_RANDOM);
        let mut refused = None;
        // SAFETY: the memory lives until this returns; that reads write over one another's bytes
        // there is all the same, as nobody looks at them.
        unsafe {
            self.all(&mut requests, &mut |_, result| match result {
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                    refused = Some(error);
                }
                // It is being read; or what is wrong is told when it is read.
                _ => {}
            })
        }?;
        refused.map_or(Ok(()), Err)
    }

    /// Does all requests, whose data are their numbers.
    ///
    /// # Safety
    /// Their memory is writable, and nobody else reads or writes it before they are done.
    unsafe fn all(
        &mut self,
        requests: &mut [Request],
        done: &mut dyn FnMut(usize, io::Result<usize>),
    ) -> io::Result<()> {
        if self.process != process() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut list: Vec<*mut Request> = requests.iter_mut().map(ptr::from_mut).collect();
        let mut under_way = UnderWay {
            flight: self,
            count: 0,
        };
        let mut next = 0;
        while next < list.len() || under_way.count > 0 {
            let room = under_way.flight.depth - under_way.count;
            let end = list.len().min(next + room);
            if let Some(some) = list.get_mut(next..end).filter(|some| !some.is_empty()) {
                // SAFETY: the caller's promise; the requests outlive the call. `UnderWay` waits for
                // what is left when this returns or unwinds.
                match unsafe { under_way.start(some) } {
                    Ok(started) => next += started,
                    // No more places in the kernel for now.
                    Err(error) if is_full(&error) && under_way.count > 0 => {}
                    // The first of them alone is at fault.
                    Err(error) => {
                        done(next, Err(error));
                        next += 1;
                    }
                }
            }
            if under_way.count == 0 {
                continue;
            }
            let mut events = [NO_EVENT; EVENTS];
            let got = under_way.wait(&mut events)?;
            for event in events.iter().take(got) {
                let number = usize::try_from(event.data).unwrap_or(usize::MAX);
                let result = usize::try_from(event.result).map_err(|_| {
                    let code = i32::try_from(event.result.wrapping_neg());
                    io::Error::from_raw_os_error(code.unwrap_or(libc::EIO))
                });
                done(number, result);
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.context != 0 && self.process == process() {
            // SAFETY: io_destroy waits for what is under way; the number is from io_setup, and is
            // forgotten here. It refuses one that it doesn't know.
            let _ = unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
        }
        self.context = 0;
    }
}

const NO_EVENT: Event = Event {
    data: 0,
    request: 0,
    result: 0,
    result2: 0,
};

fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// Counts the reads under way, and waits for them.
struct UnderWay<'a> {
    flight: &'a mut Flight,
    count: usize,
}

impl UnderWay<'_> {
    /// Starts the first of the requests, at least one, and tells how many.
    ///
    /// # Safety
    /// They are readable, and their memory is as [`Flight::all`] asks for.
    unsafe fn start(&mut self, requests: &mut [*mut Request]) -> io::Result<usize> {
        let count = libc::c_long::try_from(requests.len()).unwrap_or(1);
        let (context, list) = (self.flight.context, requests.as_mut_ptr());
        // SAFETY: a list of so many requests, which the kernel copies before it returns; the memory
        // that they name is the caller's promise.
        let sent = unsafe { libc::syscall(libc::SYS_io_submit, context, count, list) };
        match usize::try_from(sent) {
            Ok(0) => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            Ok(sent) => {
                self.count += sent;
                Ok(sent)
            }
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until some are done, at least one.
    fn wait(&mut self, events: &mut [Event]) -> io::Result<usize> {
        let most = libc::c_long::try_from(events.len()).unwrap_or(1);
        // Half of them: each time that this thread is woken costs more than the wait.
        let least = libc::c_long::try_from(self.count / 2)
            .unwrap_or(1)
            .clamp(1, most);
        let no_limit = ptr::null_mut::<libc::timespec>();
        loop {
            let (context, list) = (self.flight.context, events.as_mut_ptr());
            // SAFETY: io_getevents writes at most `most` events, for which there is room.
            let got = unsafe {
                libc::syscall(libc::SYS_io_getevents, context, least, most, list, no_limit)
            };
            match usize::try_from(got) {
                Ok(got) => {
                    self.count = self.count.saturating_sub(got);
                    return Ok(got);
                }
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut events = [NO_EVENT; EVENTS];
        while self.count > 0 {
            if self.wait(&mut events).is_err() {
                // The end of the place waits as well.
                self.flight.end();
                return;
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end();
    }
}
