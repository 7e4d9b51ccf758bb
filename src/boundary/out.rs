//! Outputs: zero from the start, written on success, at any address.

use std::mem::MaybeUninit;

use super::failure::Failure;

/// A type whose value with all bytes zero is what a failed call leaves.
///
/// # Safety
/// All bytes zero are a value.
pub(crate) unsafe trait Zeroable: Copy {}

// SAFETY: a null pointer.
unsafe impl<T> Zeroable for *mut T {}
// SAFETY: a null pointer.
unsafe impl<T> Zeroable for *const T {}
// SAFETY: zeros.
unsafe impl Zeroable for [u8; 16] {}
// SAFETY: false.
unsafe impl Zeroable for bool {}
// SAFETY: the number 0.
unsafe impl Zeroable for i32 {}
// SAFETY: the number 0.
unsafe impl Zeroable for i64 {}
// SAFETY: the number 0.
unsafe impl Zeroable for f64 {}
// SAFETY: the number 0.
unsafe impl Zeroable for u64 {}
// SAFETY: the number 0.
unsafe impl Zeroable for usize {}

/// A place that the caller gave for one value.
pub(crate) struct Out<T>(*mut T);

impl<T: Zeroable> Out<T> {
    /// Zeroes the place.
    ///
    /// # Safety
    /// `ptr` is null or valid for writing as long as the result lives.
    pub(crate) unsafe fn zeroed(ptr: *mut T) -> Out<T> {
        if !ptr.is_null() {
            // SAFETY: not null, so valid for writing by the caller's promise.
            unsafe { ptr.cast::<u8>().write_bytes(0, size_of::<T>()) };
        }
        Out(ptr)
    }

    /// Refuses NULL.
    pub(crate) fn required(&self, parameter: &str) -> Result<(), Failure> {
        if self.0.is_null() {
            Err(Failure::null(parameter))
        } else {
            Ok(())
        }
    }

    /// Whether the caller gave a place.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_null()
    }

    /// Changes the zeros to a value, where they are; nothing where the caller gave NULL.
    ///
    /// What `zeroed` promised has to hold of `change` too: nobody else uses the place meanwhile.
    #[inline]
    pub(crate) fn fill(&self, change: impl FnOnce(&mut T)) {
        if self.0.is_aligned() {
            // SAFETY: NULL, or valid for writing by the promise of `zeroed`, which wrote zeros
            // there: a value, by the promise of Zeroable; aligned.
            if let Some(own) = unsafe { self.0.as_mut() } {
                change(own);
            }
            return;
        }
        // SAFETY: zeros are a value, by the promise of Zeroable.
        let mut own = unsafe { MaybeUninit::<T>::zeroed().assume_init() };
        change(&mut own);
        self.set(own);
    }

    /// Writes the value, unless the caller gave NULL.
    pub(crate) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not null, so valid for writing by the promise of `zeroed`.
            unsafe { self.0.write_unaligned(value) };
        }
    }
}

/// A struct that the caller gave to be filled, whose first field says how much of it there is.
pub(crate) struct SizedOut<T> {
    ptr: *mut T,
    size: usize,
}

impl<T: Zeroable> SizedOut<T> {
    /// Zeroes what follows the size.
    ///
    /// # Safety
    /// `T` is `repr(C)` with a `usize` first; `ptr` is null or readable and writable for as many
    /// bytes as that first field says, as long as the result lives.
    pub(crate) unsafe fn zeroed(ptr: *mut T) -> SizedOut<T> {
        if ptr.is_null() {
            return SizedOut { ptr, size: 0 };
        }
        // SAFETY: not null, so at least the size is readable by the caller's promise.
        let size = unsafe { ptr.cast::<usize>().read_unaligned() };
        let out = SizedOut { ptr, size };
        if let Some(rest) = out.known().checked_sub(size_of::<usize>()) {
            let after_size = ptr.cast::<u8>().wrapping_add(size_of::<usize>());
            // SAFETY: `rest` more bytes are writable by the caller's promise.
            unsafe { after_size.write_bytes(0, rest) };
        }
        out
    }

    fn known(&self) -> usize {
        self.size.min(size_of::<T>())
    }

    /// Refuses NULL, and a size that nobody set.
    pub(crate) fn required(&self, parameter: &str) -> Result<(), Failure> {
        if self.ptr.is_null() {
            Err(Failure::null(parameter))
        } else {
            self.optional(parameter)
        }
    }

    /// Refuses a size that nobody set.
    pub(crate) fn optional(&self, parameter: &str) -> Result<(), Failure> {
        if !self.ptr.is_null() && self.size < size_of::<usize>() {
            return Err(Failure::invalid(format_args!(
                "{parameter}->struct_size is {}; set it to sizeof(*{parameter})",
                self.size
            )));
        }
        Ok(())
    }

    /// Writes as much of the value as the caller has room for, but not the size.
    pub(crate) fn set(&self, value: T) {
        let skip = size_of::<usize>();
        if let Some(rest) = self
            .known()
            .checked_sub(skip)
            .filter(|_| !self.ptr.is_null())
        {
            let from = (&raw const value).cast::<u8>().wrapping_add(skip);
            let to = self.ptr.cast::<u8>().wrapping_add(skip);
            // SAFETY: `rest` bytes after the size lie inside `value` and, by the promise of
            // `zeroed`, inside the caller's struct; a local doesn't overlap it.
            unsafe { from.copy_to_nonoverlapping(to, rest) };
        }
    }
}

/// An array that the caller gave for as many values as it asks about.
pub(crate) struct ManyOut<T> {
    ptr: *mut T,
    len: usize,
}

impl<T: Zeroable> ManyOut<T> {
    /// Zeroes the array.
    ///
    /// # Safety
    /// `ptr` is null or writable for `len` values as long as the result lives.
    pub(crate) unsafe fn zeroed(ptr: *mut T, len: usize) -> ManyOut<T> {
        let out = ManyOut { ptr, len };
        out.zero();
        out
    }

    /// Makes all of it zeros again.
    pub(crate) fn zero(&self) {
        if !self.ptr.is_null() && self.len <= isize::MAX as usize / size_of::<T>() {
            let bytes = self.len * size_of::<T>();
            // SAFETY: not null, so writable for len values by the promise of `zeroed`.
            unsafe { self.ptr.cast::<u8>().write_bytes(0, bytes) };
        }
    }

    /// Refuses NULL, unless nothing was asked for.
    pub(crate) fn required(&self, parameter: &str) -> Result<(), Failure> {
        match self.ptr.is_null() && self.len > 0 {
            true => Err(Failure::null(parameter)),
            false => Ok(()),
        }
    }

    /// Writes one value, if there is such a place.
    #[inline]
    pub(crate) fn set(&self, at: usize, value: T) {
        if at < self.len && !self.ptr.is_null() {
            // SAFETY: not null and at < len, so writable by the promise of `zeroed`.
            unsafe { self.ptr.wrapping_add(at).write_unaligned(value) };
        }
    }
}

/// The most sizes that memory can hold.
const MOST_DIMS: usize = isize::MAX as usize / size_of::<i64>();

/// An array that the caller gave for dimensions, however many there are.
pub(crate) struct DimsOut {
    dims: *mut i64,
    cap: usize,
}

impl DimsOut {
    /// Zeroes the array.
    ///
    /// # Safety
    /// `dims` is null or writable for `cap` sizes as long as the result lives.
    pub(crate) unsafe fn zeroed(dims: *mut i64, cap: usize) -> DimsOut {
        if !dims.is_null() && cap <= MOST_DIMS {
            // SAFETY: not null, so writable for cap sizes by the caller's promise.
            unsafe { dims.cast::<u8>().write_bytes(0, cap * size_of::<i64>()) };
        }
        DimsOut { dims, cap }
    }

    /// Refuses NULL, unless there is room for nothing, and room that can't be.
    pub(crate) fn required(&self, parameter: &str) -> Result<(), Failure> {
        if self.cap > MOST_DIMS {
            return Err(Failure::invalid(format_args!(
                "cap is {}, more {parameter} than memory can hold",
                self.cap
            )));
        }
        if self.dims.is_null() && self.cap > 0 {
            return Err(Failure::null(parameter));
        }
        Ok(())
    }

    /// Writes as many of `own` as there is room for.
    pub(crate) fn set(&self, own: &[i64]) {
        if self.dims.is_null() {
            return;
        }
        for (axis, &dim) in own.iter().take(self.cap).enumerate() {
            // SAFETY: axis < cap, so writable by the promise of `zeroed`.
            unsafe { self.dims.wrapping_add(axis).write_unaligned(dim) };
        }
    }
}
