"""Conversions as adit.h has them, by NumPy and ml_dtypes where their rules are the same.

Theirs differ where a value is rounded twice (f64 to an 8-bit float by way of f32, i64 to f16 by way
of f32), where C leaves the result open (floats outside an integer's range), and in the bits of NaNs.
"""

import ml_dtypes
import numpy as np

from adit import TYPES, name_of

FLOATS = ["f16", "bf16", "f32", "f64", "f8_e4m3fn", "f8_e5m2", "f8_e8m0"]
INTEGERS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
COMPLEX = ["complex64", "complex128"]
# Only copied.
COPIED = ["f8_e4m3fnuz", "f8_e5m2fnuz"]
PARTS = {"complex64": "f32", "complex128": "f64"}

# Bits of the mantissa where a NaN has a payload.
MANTISSA = {"f16": 10, "bf16": 7, "f32": 23, "f64": 52, "f8_e5m2": 2}
# From narrow to wide: an infinity of one to its left doesn't overflow.
RANGES = ["f8_e4m3fn", "f8_e5m2", "f16", "bf16", "f32", "f64"]


def exists(source, target):
    if source == target:
        return True
    if source in COPIED or target in COPIED:
        return False
    return source not in COMPLEX or target in COMPLEX


def converted(values, target, saturate=False):
    """`values` as the target's dtype, to the bit."""
    with np.errstate(all="ignore"):
        return _converted(values, target, saturate)


def _converted(values, target, saturate):
    source = name_of(values.dtype)
    if source == target:
        return values.copy()
    if source == "bool":
        values, source = (values.view(np.uint8) != 0).astype(np.uint8), "u8"
    if target in COMPLEX:
        part = PARTS[target]
        made = np.zeros(values.shape + (2,), TYPES[part])
        if source in COMPLEX:
            pairs = values.view(TYPES[PARTS[source]]).reshape(values.shape + (2,))
            made[...] = _converted(pairs, part, saturate)
        else:
            made[..., 0] = _converted(values, part, saturate)
        return made.reshape(values.shape[:-1] + (-1,)).view(TYPES[target]).reshape(values.shape)
    if target == "bool":
        return values.astype(TYPES["f64"] if source in FLOATS else values.dtype).astype(np.bool_)
    if target in INTEGERS:
        return _integers(values, source, TYPES[target], saturate)
    return _floats(values, source, target, saturate)


def _integers(values, source, dtype, saturate):
    limits = np.iinfo(dtype)
    if source in INTEGERS:
        if saturate:
            known = np.iinfo(values.dtype)
            values = values.clip(max(limits.min, known.min), min(limits.max, known.max))
        return values.astype(dtype)
    exact = np.trunc(values.astype(np.float64))
    top = float(limits.max + 1)
    made = np.where((exact >= limits.min) & (exact < top), exact, 0).astype(dtype)
    made[exact >= top] = limits.max
    made[exact < limits.min] = limits.min
    return made


def _floats(values, source, target, saturate):
    if source in ("i64", "u64"):
        exact = _f64_with_a_sticky_bit(values) if target != "f64" else values.astype(np.float64)
    else:
        exact = values.astype(np.float64)
    if target in ("f16", "f32", "f64"):
        made = exact.astype(TYPES[target])
    else:
        made = _f32_rounded_to_odd(exact).astype(TYPES[target])
    nan = np.isnan(exact)
    if target == "f8_e8m0":
        if saturate:
            made[(exact <= 0) & ~nan] = np.uint8(0).view(made.dtype)
            bits = made.view(np.uint8)
            bits[(bits == 0xFF) & ~nan] = 0xFE
    elif saturate and not _holds(target, source):
        largest = np.float64(_largest(target))
        over = ~np.isfinite(made.astype(np.float64)) & ~nan
        made[over] = np.copysign(largest, exact[over]).astype(made.dtype)
    if nan.any():
        made[nan] = _nans(values[nan], source, target)
    return made


def _holds(target, source):
    return source in RANGES and RANGES.index(source) <= RANGES.index(target)


def _largest(target):
    return ml_dtypes.finfo(TYPES[target]).max


def _f64_with_a_sticky_bit(integers):
    """Integers as f64 that round to any float of fewer than 40 bits as the integers do."""
    magnitude = np.where(integers < 0, -integers.astype(object), integers.astype(object))
    magnitude = magnitude.astype(np.uint64)
    low = magnitude & np.uint64(0x7FF)
    wide = magnitude >= np.uint64(2**53)
    kept = (magnitude - low) | np.where(low > 0, np.uint64(0x800), np.uint64(0))
    made = np.where(wide, kept, magnitude).astype(np.float64)
    return np.where(integers < 0, -made, made)


def _f32_rounded_to_odd(exact):
    """f64 as f32 that rounds to any narrower float as the f64 does."""
    near = exact.astype(np.float32)
    bits = near.view(np.uint32).copy()
    back = near.astype(np.float64)
    even = (bits & 1 == 0) & (back != exact) & ~np.isnan(exact)
    bits[even & (np.abs(back) < np.abs(exact))] += np.uint32(1)
    bits[even & (np.abs(back) > np.abs(exact))] -= np.uint32(1)
    return bits.view(np.float32)


def _bits(array):
    return array.view(f"u{array.itemsize}").astype(np.uint64)


def _nans(values, source, target):
    """The NaNs that these NaNs become: quiet, with their sign and the high bits of their payload."""
    bits = _bits(values)
    width = values.itemsize * 8
    sign = (bits >> np.uint64(width - 1)) & np.uint64(source != "f8_e8m0")
    payload = np.zeros_like(bits)
    if source in MANTISSA:
        payload = bits << np.uint64(64 - MANTISSA[source])
    payload |= np.uint64(1 << 63)
    to_width = TYPES[target].itemsize * 8
    if target == "f8_e8m0":
        made = np.full_like(bits, 0xFF)
    elif target == "f8_e4m3fn":
        made = np.uint64(0x7F) | sign << np.uint64(7)
    else:
        mantissa = MANTISSA[target]
        top = (1 << (to_width - 1)) - (1 << mantissa)
        made = np.uint64(top) | payload >> np.uint64(64 - mantissa) | sign << np.uint64(to_width - 1)
    return made.astype(f"u{to_width // 8}").view(TYPES[target])
