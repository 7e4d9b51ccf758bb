"""Conversions, against NumPy and ml_dtypes."""

import numpy as np

from adit import LIBRARY, NUMBERS, TYPES, address, call, constant, main, random_array, refused, same
from modes import MODES, under
from oracle import COMPLEX, FLOATS, converted, exists

FLAGS = {
    "SATURATE": constant("CONVERT_SATURATE"),
    "STREAMING": constant("STORE_STREAMING"),
    "CACHED": constant("STORE_CACHED"),
}


def convert(values, target, flags=0, offset=0):
    """Into bytes at an odd place, between others that must stay."""
    to = TYPES[target]
    length = values.size * to.itemsize
    buffer = np.full(length + 128, 0xA5, np.uint8)
    source = np.zeros(values.nbytes + offset, np.uint8)
    source[offset:] = values.reshape(-1).view(np.uint8)
    number = NUMBERS[next(name for name in TYPES if TYPES[name] == values.dtype)]
    call("adit_convert", address(source) + offset, number, address(buffer) + 64 - offset,
         NUMBERS[target], values.size, flags)
    assert (buffer[: 64 - offset] == 0xA5).all() and (buffer[64 - offset + length :] == 0xA5).all()
    return buffer[64 - offset :][:length].copy().view(to)


def edges(name):
    """What lies at the limits of any dtype, as far as this one has it, and next to it."""
    dtype = TYPES[name]
    if name in COMPLEX:
        parts = edges("f32" if name == "complex64" else "f64")
        return np.concatenate([parts, parts[::-1]]).view(dtype)
    if dtype.itemsize == 1:
        return np.arange(256 if name != "bool" else 2, dtype=np.uint8).view(dtype)
    if dtype.itemsize == 2:
        return np.arange(65536, dtype=np.uint16).view(dtype)
    if name not in FLOATS:
        limits = np.iinfo(dtype)
        near = [sign * (2**bit) + step for bit in range(65) for sign in (1, -1)
                for step in (-3, -2, -1, 0, 1, 2, 3)]
        # Ties of every float's mantissa, and both their sides.
        near += [top + half + step for bits in (2, 3, 7, 10, 23, 52) for top in (2**30, 2**62, 2**53)
                 for half in (top >> (bits + 1), 3 * (top >> (bits + 1))) for step in (-1, 0, 1)]
        near = {min(max(value * sign, limits.min), limits.max) for value in near for sign in (1, -1)}
        return np.array(sorted(near), dtype)
    exponents = np.arange(-1080, 1024)
    shapes = [1 + n / 64 for n in range(64)] + [1 + 1 / 2**bit for bit in range(7, 53)]
    with np.errstate(over="ignore", under="ignore"):
        wide = np.ldexp(np.array(shapes)[:, None], exponents[None, ::1 if name == "f32" else 7])
        values = np.concatenate([wide.reshape(-1), [np.inf, 0.0, 65504, 65519.99, 65520, 448, 464]])
        for bits in (7, 8, 15, 16, 31, 32, 63, 64):
            values = np.append(values, [2.0**bits, 2.0**bits - 1, 2.0**bits - 0.5, 2.0**bits + 1])
        values = np.concatenate([values, -values]).astype(dtype)
    near = values.view(f"u{dtype.itemsize}")
    sides = np.concatenate([near, near + 1, near - 1])
    nans = {4: [0x7F800001, 0x7FC00000, 0xFFBFFFFF, 0xFFFFFFFF, 0x7F80FFFF],
            8: [0x7FF0000000000001, 0x7FF8000000000000, 0xFFF7FFFFFFFFFFFF, 2**64 - 1]}
    return np.concatenate([sides, np.array(nans[dtype.itemsize], near.dtype)]).view(dtype)


def check_every_pair_at_the_edges(_):
    for source in TYPES:
        values = edges(source)
        for target in TYPES:
            for saturate in (False, True):
                if not exists(source, target):
                    with refused("DTYPE"):
                        convert(values, target, saturate * FLAGS["SATURATE"])
                    continue
                ours = convert(values, target, saturate * FLAGS["SATURATE"])
                differ(ours, converted(values, target, saturate), values, (source, target, saturate))


def differ(ours, theirs, values, what):
    if same(ours, theirs):
        return
    size = ours.itemsize
    wrong = np.flatnonzero((ours.view(np.uint8) != theirs.view(np.uint8)).reshape(-1, size).any(1))
    first = wrong[0]
    raise AssertionError(
        f"{what}: {wrong.size} of {ours.size} differ: {values[first]!r} "
        f"({values[first : first + 1].tobytes().hex()}) became {ours[first]!r} "
        f"({ours[first : first + 1].tobytes().hex()}), not {theirs[first]!r} "
        f"({theirs[first : first + 1].tobytes().hex()})"
    )


def check_every_pair_at_random(_):
    rng = np.random.default_rng(1)
    for source in TYPES:
        for target in filter(lambda target: exists(source, target), TYPES):
            for turn in range(6):
                # Lengths around those of vectors, at any alignment.
                count = int(rng.integers(0, 200)) if turn else 4099
                values = random_array(rng, source, (count,))
                saturate = turn % 2 == 1
                flags = [0, FLAGS["STREAMING"], FLAGS["CACHED"]][turn % 3]
                flags |= saturate * FLAGS["SATURATE"]
                ours = convert(values, target, flags, int(rng.integers(0, 17)))
                differ(ours, converted(values, target, saturate), values, (source, target, flags))


def check_values_of_everyday(_):
    """Random bits are mostly huge or tiny: here are numbers around 1, and small integers."""
    rng = np.random.default_rng(2)
    for source in ("f16", "bf16", "f32", "f64", "i32", "i64", "complex64"):
        near = rng.standard_normal(20_001) * np.exp2(rng.integers(-20, 20, 20_001))
        values = converted(near, source)
        for target in filter(lambda target: exists(source, target), TYPES):
            differ(convert(values, target), converted(values, target), values, (source, target))


def check_pairs_with_names_of_their_own(_):
    rng = np.random.default_rng(3)
    for name in ("f16_to_f32", "f32_to_f16", "bf16_to_f32", "f32_to_bf16"):
        source, target = name.split("_to_")
        values = random_array(rng, source, (1001,))
        ours = np.zeros(1001, TYPES[target])
        call("adit_" + name, address(values), address(ours), 1001)
        differ(ours, converted(values, target), values, name)
        with refused("INVALID_ARGUMENT", "from"):
            call("adit_" + name, None, address(ours), 1)
        call("adit_" + name, None, None, 0)


def check_bytes_that_are_no_bools(_):
    values = np.arange(256, dtype=np.uint8).view(np.bool_)
    for target in TYPES:
        if target != "bool" and exists("bool", target):
            ours = convert(values, target)
            differ(ours, converted((values.view(np.uint8) != 0), target), values, target)


def check_refusals(_):
    values, out = np.zeros(64, np.float32), np.zeros(64, np.float64)
    f32, f64 = NUMBERS["f32"], NUMBERS["f64"]
    for arguments, status in [
        ((None, f32, address(out), f64, 1, 0), "INVALID_ARGUMENT"),
        ((address(values), f32, None, f64, 1, 0), "INVALID_ARGUMENT"),
        ((address(out), f32, address(out) + 8, f64, 3, 0), "INVALID_ARGUMENT"),
        ((address(values), f32, address(out), f64, 2**62, 0), "INVALID_ARGUMENT"),
        ((address(values), 0, address(out), f64, 1, 0), "DTYPE"),
        ((address(values), f32, address(out), 101, 1, 0), "DTYPE"),
        ((address(values), f32, address(out), constant("DTYPE_Q4_0"), 32, 0), "DTYPE"),
        ((address(values), f32, address(out), f64, 1, 8), "UNSUPPORTED"),
        ((address(values), f32, address(out), f64, 1, 6), "INVALID_ARGUMENT"),
    ]:
        with refused(status):
            call("adit_convert", *arguments)
    assert not out.any()
    call("adit_convert", None, f32, None, f64, 0, 0)


def check_hosts_that_flush_and_round(_):
    """Neither flushing of subnormals nor another rounding mode changes a bit, or is changed."""
    if not MODES:
        print("SKIPPED: conversions under other floating-point modes (x86-64)")
    rng = np.random.default_rng(4)
    cases = []
    for source, target in [("f32", "f16"), ("f64", "f32"), ("f16", "f32"), ("i64", "f32"),
                           ("f32", "f8_e4m3fn"), ("f64", "bf16"), ("bf16", "f64"), ("u64", "f64"),
                           ("f64", "f16"), ("f16", "f8_e5m2"), ("f32", "u8"), ("f32", "bool")]:
        for values in (random_array(rng, source, (1003,)), edges(source)):
            out = np.zeros(values.size, TYPES[target])
            cases.append((values, out, source, target, converted(values, target)))
    for mode in MODES:
        for values, out, source, target, theirs in cases:
            status = under(mode, LIBRARY.adit_convert, address(values), NUMBERS[source],
                           address(out), NUMBERS[target], values.size, 0, None)
            assert status == 0
            differ(out, theirs, values, (source, target, hex(mode)))


main()
