//! ggml's own dequantisation, where its shared library is at hand: how far its values are from
//! ours, in units in the last place, and how fast it is.
//!
//! Ours are those of the gguf package, each operation rounded. ggml's compiler may fuse a
//! multiplication and an addition, which is rounded once; so values may differ and that is no
//! error.

use std::ffi::{CStr, CString, c_char, c_void};
use std::hint::black_box;

use crate::adit::{GGML, kernel};
use crate::arena::{Arena, rounds};
use crate::blocks::fill;
use crate::harness::{Unit, interleave, report};
use crate::{Context, Result};

/// The end of the name of each function, and ggml's number of the dtype.
const DTYPES: [(&str, i32); 25] = [
    ("q4_0", 2),
    ("q4_1", 3),
    ("q5_0", 6),
    ("q5_1", 7),
    ("q8_0", 8),
    ("q2_K", 10),
    ("q3_K", 11),
    ("q4_K", 12),
    ("q5_K", 13),
    ("q6_K", 14),
    ("q8_K", 15),
    ("iq2_xxs", 16),
    ("iq2_xs", 17),
    ("iq3_xxs", 18),
    ("iq1_s", 19),
    ("iq4_nl", 20),
    ("iq3_s", 21),
    ("iq2_s", 22),
    ("iq4_xs", 23),
    ("iq1_m", 29),
    ("tq1_0", 34),
    ("tq2_0", 35),
    ("mxfp4", 39),
    ("nvfp4", 40),
    ("q1_0", 41),
];

/// Read and written together: beyond L2.
const BYTES: usize = 6 << 20;

/// `dequantize_row_...` of ggml: blocks, values, their number.
type Dequantize = unsafe extern "C" fn(*const c_void, *mut f32, i64);

/// `ggml_version` of ggml.
type Version = unsafe extern "C" fn() -> *const c_char;

/// A loaded library, never unloaded.
struct Library(*mut c_void);

/// Runs the benchmark, where `ADIT_GGML` names ggml's library.
///
/// # Errors
/// The library's, and a library that can't be loaded.
pub fn run(context: &Context) -> Result<()> {
    let Some(path) = std::env::var_os("ADIT_GGML") else {
        println!("# skipped: ADIT_GGML names no libggml-base.so");
        return Ok(());
    };
    let library = Library::load(&path)?;
    let version = format!("ggml {}", library.version());
    let Some(arena) = Arena::new(BYTES, fill)? else {
        return Ok(());
    };
    println!("# blocks of random bits; GB/s of bytes read and written together, 6 MiB");
    for (name, number) in DTYPES {
        let Some(theirs) = library.dequantize(name)? else {
            println!("# skipped: {version} has no dequantize_row_{name}");
            continue;
        };
        measure(context, &arena, (name, GGML + number), theirs, &version)?;
    }
    Ok(())
}

fn measure(
    context: &Context,
    arena: &Arena,
    (name, dtype): (&str, i32),
    theirs: Dequantize,
    version: &str,
) -> Result<()> {
    let (block, elements) = kernel::block(dtype);
    let blocks = BYTES / (block + 4 * elements);
    let from = &arena.from()[..blocks * block];
    let count = blocks * elements;
    let moved = from.len() + 4 * count;
    let their_call = |from: &[u8], to: &mut [u8]| {
        let to: &mut [f32] = bytemuck::cast_slice_mut(to);
        let (from, to) = (from.as_ptr().cast(), to.as_mut_ptr());
        // SAFETY: ggml reads the blocks of `count` values and writes those.
        unsafe { theirs(from, to, count as i64) };
        Ok(())
    };
    let call = |to: &mut [u8]| kernel::dequantize(from, dtype, to);
    let ours = match arena.result(4 * count, call, <[u8]>::to_vec) {
        Ok(ours) => ours,
        Err(error) => {
            println!("# skipped: {name}: {error}");
            return Ok(());
        }
    };
    let difference = arena.result(
        4 * count,
        |to| their_call(from, to),
        |theirs| Difference::of(bytemuck::cast_slice(&ours), bytemuck::cast_slice(theirs)),
    )?;
    println!("# {name}: {difference} ({version})");
    let sides = [
        arena.side(4 * count, moved, |to| {
            kernel::dequantize(black_box(from), dtype, to)
        }),
        arena.side(4 * count, moved, |to| their_call(black_box(from), to)),
    ];
    let [[ours], [theirs]] = interleave(rounds(context, moved), sides)?;
    let name = format!("{name} to f32, 6 MiB");
    report(&name, Unit::Rate(moved as f64), &ours, &theirs, version);
    Ok(())
}

/// How two lists of values differ; two NaNs are the same.
#[derive(Debug, Default, PartialEq)]
struct Difference {
    values: usize,
    differ: usize,
    not_both_nan: usize,
    most_ulps: u32,
}

impl Difference {
    fn of(ours: &[f32], theirs: &[f32]) -> Difference {
        let mut difference = Difference {
            values: ours.len(),
            ..Difference::default()
        };
        for (own, other) in ours.iter().zip(theirs) {
            if own.to_bits() == other.to_bits() || (own.is_nan() && other.is_nan()) {
                continue;
            }
            difference.differ += 1;
            if own.is_nan() || other.is_nan() {
                difference.not_both_nan += 1;
            } else {
                let ulps = place(*own).abs_diff(place(*other));
                difference.most_ulps = difference.most_ulps.max(ulps);
            }
        }
        difference
    }
}

/// The number of a value in the order of all values; both zeros have the same.
fn place(value: f32) -> i32 {
    let bits = value.to_bits();
    let distance = (bits & 0x7fff_ffff) as i32;
    if bits >> 31 == 0 { distance } else { -distance }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.differ == 0 {
            return write!(f, "all {} values have the same bits", self.values);
        }
        let Difference {
            values,
            differ,
            not_both_nan,
            most_ulps,
        } = self;
        write!(
            f,
            "{differ} of {values} values differ, by {most_ulps} ulps at most, {not_both_nan} of \
             them NaN on one side alone"
        )
    }
}

impl Library {
    fn load(path: &std::ffi::OsStr) -> Result<Library> {
        let name = CString::new(path.as_encoded_bytes())?;
        // SAFETY: a live string; loading runs the library's own constructors.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            // SAFETY: dlopen has just failed, so this is a string.
            let why = unsafe { libc::dlerror() };
            // SAFETY: as above; this program calls dlerror nowhere else.
            let why = unsafe { CStr::from_ptr(why) };
            return Err(why.to_string_lossy().into());
        }
        Ok(Library(handle))
    }

    fn symbol(&self, name: &str) -> Result<Option<*mut c_void>> {
        let name = CString::new(name)?;
        // SAFETY: a loaded library and a live string.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        Ok((!symbol.is_null()).then_some(symbol))
    }

    fn dequantize(&self, name: &str) -> Result<Option<Dequantize>> {
        let symbol = self.symbol(&format!("dequantize_row_{name}"))?;
        // SAFETY: ggml's functions of these names have this type (ggml-quants.h of ggml 0.9).
        Ok(symbol.map(|symbol| unsafe { std::mem::transmute::<*mut c_void, Dequantize>(symbol) }))
    }

    /// "of an unknown version" where the library is too old to say.
    fn version(&self) -> String {
        let Ok(Some(symbol)) = self.symbol("ggml_version") else {
            return "of an unknown version".to_owned();
        };
        // SAFETY: ggml's function of this name has this type (ggml.h of ggml 0.9).
        let version = unsafe { std::mem::transmute::<*mut c_void, Version>(symbol) };
        // SAFETY: no preconditions.
        let text = unsafe { version() };
        // SAFETY: ggml gives a static string.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_counted() {
        let one_up = f32::from_bits(1.0_f32.to_bits() + 1);
        let ours = [1.0, 1.0, f32::NAN, f32::NAN, 0.0, f32::MIN_POSITIVE];
        let theirs = [1.0, one_up, -f32::NAN, 1.0, -0.0, -f32::MIN_POSITIVE];
        let difference = Difference::of(&ours, &theirs);
        let expected = Difference {
            values: 6,
            differ: 4,
            not_both_nan: 1,
            most_ulps: 1 << 24,
        };
        assert_eq!(difference, expected);
    }
}
