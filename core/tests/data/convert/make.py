"""Writes the fixtures of core/tests/convert_fixtures.rs into this folder.

Run by hand with NumPy 2.4.6 and ml_dtypes 0.6.0. All values are little-endian.

  <dtype>_to_f32.bin    every 8-bit pattern of the dtype as f32, by ml_dtypes
  f32.bin               chosen inputs: values, midpoints and neighbours of midpoints
  f32_to_<dtype>.bin    those inputs as the dtype, by NumPy and ml_dtypes
  f64.bin, i64.bin      chosen inputs likewise
  f64_to_<dtype>.bin    by exact fractions: ml_dtypes rounds some of these twice
  i64_to_<dtype>.bin    by exact fractions
"""

import bisect
import pathlib
import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(20260101)

DTYPES = {
    "f8_e4m3fn": (ml_dtypes.float8_e4m3fn, np.uint8),
    "f8_e5m2": (ml_dtypes.float8_e5m2, np.uint8),
    "f8_e8m0": (ml_dtypes.float8_e8m0fnu, np.uint8),
    "f16": (np.float16, np.uint16),
    "bf16": (ml_dtypes.bfloat16, np.uint16),
}


def finite(name):
    """Every finite value that isn't negative, ascending, with its bits; as f64, which is exact."""
    dtype, bits = DTYPES[name]
    patterns = np.arange(np.iinfo(bits).max + 1, dtype=np.uint32).astype(bits)
    values = patterns.view(dtype).astype(np.float32).astype(np.float64)
    keep = np.isfinite(values) & ~np.signbit(values)
    return [(v, int(p)) for v, p in zip(values[keep], patterns[keep])]


def edges(name):
    """Values and midpoints between them, and where the numbers end."""
    values = [v for v, _ in finite(name)]
    if len(values) > 300:
        at = sorted(RANDOM.choice(len(values) - 1, 500, replace=False))
        at = sorted({*at, 0, 1, 2, len(values) - 2})
    else:
        at = range(len(values) - 1)
    middles = [(values[i] + values[i + 1]) / 2 for i in at]
    beyond = values[-1] + (values[-1] - values[-2]) / 2
    return [*(values[i] for i in at), values[-1], *middles, beyond, beyond * 2, values[0] / 2]


def with_neighbours(values, dtype):
    values = np.array(values, dtype)
    up = np.nextafter(values, dtype(np.inf))
    down = np.nextafter(values, dtype(-np.inf))
    every = np.unique(np.concatenate([values, up, down]))
    return np.concatenate([every, -every])


def exactly(name, value):
    """The bits nearest to a fraction, a tie to the even ones; past the end, what comes there."""
    table = TABLES[name]
    magnitude = abs(value)
    at = bisect.bisect_right(table, magnitude, key=lambda row: row[0])
    low, low_bits = table[at - 1]
    if at == len(table):
        # The next number, if there were one.
        high, high_bits = low + (low - table[-2][0]), low_bits + 1
    else:
        high, high_bits = table[at]
    below, above = magnitude - low, high - magnitude
    if below < above or (below == above and low_bits % 2 == 0):
        bits = low_bits
    else:
        bits = min(high_bits, BEYOND[name])
    return bits


BEYOND = {"f8_e4m3fn": 0x7F, "f8_e5m2": 0x7C, "f16": 0x7C00, "bf16": 0x7F80}
TABLES = {n: [(Fraction(v), p) for v, p in finite(n)] for n in BEYOND}


def write(name, array):
    array.astype(array.dtype.newbyteorder("<")).tofile(HERE / f"{name}.bin")


def main():
    for name in ("f8_e4m3fn", "f8_e5m2", "f8_e8m0"):
        patterns = np.arange(256, dtype=np.uint8)
        values = patterns.view(DTYPES[name][0]).astype(np.float32)
        write(f"{name}_to_f32", values.view(np.uint32))

    chosen = [v for name in DTYPES for v in edges(name)]
    f32 = with_neighbours(chosen, np.float32)
    special = np.array([0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001], np.uint32)
    f32 = np.concatenate([f32.view(np.uint32), special])
    write("f32", f32)
    for name, (dtype, bits) in DTYPES.items():
        write(f"f32_to_{name}", f32.view(np.float32).astype(dtype).view(bits))

    chosen = [v for name in BEYOND for v in edges(name)]
    f64 = with_neighbours(chosen, np.float64)
    f64 = RANDOM.choice(f64[np.isfinite(f64)], 3000, replace=False)
    write("f64", f64.view(np.uint64))
    near = [int(v) + d for v in chosen if 1 < v < 2**62 for d in (-1, 0, 1)]
    near += [int(v) >> int(s) for v, s in zip(RANDOM.integers(0, 2**63, 500), range(63))]
    i64 = np.unique(np.array([s * v for v in near for s in (1, -1)], np.int64))
    i64 = RANDOM.choice(i64, min(len(i64), 1500), replace=False)
    write("i64", i64.view(np.uint64))
    for name in BEYOND:
        bits = DTYPES[name][1]
        sign = 1 << (8 * np.dtype(bits).itemsize - 1)
        for source, values in (("f64", f64), ("i64", i64)):
            rows = [
                exactly(name, Fraction(v.item())) | (sign if np.signbit(float(v)) else 0)
                for v in values
            ]
            write(f"{source}_to_{name}", np.array(rows, bits))


main()
