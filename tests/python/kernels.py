"""Copies, gathers and checksums, against NumPy and a CRC written down here."""

import numpy as np

from adit import LIBRARY, NUMBERS, TYPES, address, call, constant, main, random_array, refused, same
from oracle import converted, exists

STORES = [0, constant("STORE_STREAMING"), constant("STORE_CACHED")]


def guarded(length, offset):
    """Bytes to be written, between others that must stay."""
    buffer = np.full(length + 192, 0xA5, np.uint8)
    return buffer, buffer[64 + offset :][:length]


def untouched(buffer, length, offset):
    return (buffer[: 64 + offset] == 0xA5).all() and (buffer[64 + offset + length :] == 0xA5).all()


def check_copies(_):
    rng = np.random.default_rng(1)
    source = rng.integers(0, 256, 3 << 20, np.uint8)
    lengths = [*range(600), *rng.integers(600, 70_000, 60).tolist(), 1 << 20, (2 << 20) + 77]
    for length in lengths:
        start, offset = int(rng.integers(0, 128)), int(rng.integers(0, 64))
        buffer, to = guarded(length, offset)
        call("adit_copy", address(source) + start, address(buffer) + 64 + offset, length,
             STORES[length % 3])
        assert same(to, source[start : start + length]), length
        assert untouched(buffer, length, offset), length
    call("adit_copy", None, None, 0, 0)
    whole = address(source)
    for arguments, status in [
        ((None, whole, 1, 0), "INVALID_ARGUMENT"),
        ((whole, None, 1, 0), "INVALID_ARGUMENT"),
        ((whole, whole, 1, 0), "INVALID_ARGUMENT"),
        ((whole, whole + 9, 10, 0), "INVALID_ARGUMENT"),
        ((whole + 9, whole, 10, 0), "INVALID_ARGUMENT"),
        ((whole, whole + 10, 10, 1), "UNSUPPORTED"),
        ((whole, whole + 10, 10, 6), "INVALID_ARGUMENT"),
    ]:
        with refused(status):
            call("adit_copy", *arguments)
    call("adit_copy", whole, whole + 10, 10, 0)


def gather(rows, from_dtype, to_dtype, elements, flags, offset):
    starts = np.array([address(row) for row in rows], np.uintp)
    length = len(rows) * elements * TYPES[to_dtype].itemsize
    buffer, to = guarded(length, offset)
    call("adit_gather", address(starts), len(rows), elements, NUMBERS[from_dtype],
         address(buffer) + 64 + offset, length, NUMBERS[to_dtype], flags)
    assert untouched(buffer, length, offset)
    return to.copy().view(TYPES[to_dtype]).reshape(len(rows), elements)


def check_gathers(_):
    rng = np.random.default_rng(2)
    names = list(TYPES)
    for source in names:
        for target in [source] + [name for name in names if exists(source, name)]:
            elements, count = int(rng.integers(0, 150)), int(rng.integers(0, 40))
            table = random_array(rng, source, (64, elements + 3))
            picked = rng.integers(0, 64, count)
            rows = [table[row, 1 : 1 + elements] for row in picked]
            saturate = bool(rng.integers(2))
            flags = saturate * constant("CONVERT_SATURATE") | STORES[rng.integers(3)]
            ours = gather(rows, source, target, elements, flags, int(rng.integers(0, 64)))
            theirs = np.ascontiguousarray(table[picked, 1 : 1 + elements])
            assert same(ours, converted(theirs, target, saturate)), (source, target, count, elements)


def check_large_gathers(_):
    rng = np.random.default_rng(3)
    table = random_array(rng, "f16", (3000, 1000))
    picked = rng.integers(0, 3000, 4000)
    for flags in STORES:
        ours = gather([table[row] for row in picked], "f16", "f16", 1000, flags, 2)
        assert same(ours, table[picked])
        ours = gather([table[row] for row in picked], "f16", "f32", 1000, flags, 4)
        assert same(ours, converted(table[picked], "f32"))


def check_refused_gathers(_):
    table, out = np.ones((4, 8), np.float32), np.zeros((4, 8), np.float32)
    rows = np.array([address(row) for row in table], np.uintp)
    missing = np.array([address(table), 0, address(table), address(table)], np.uintp)
    inside = np.array([address(table), address(out) + 60, address(table), address(table)], np.uintp)
    f32, f16, q4_0 = NUMBERS["f32"], NUMBERS["f16"], constant("DTYPE_Q4_0")
    for arguments, status in [
        ((None, 4, 8, f32, address(out), 128, f32, 0), "INVALID_ARGUMENT"),
        ((address(rows), 4, 8, f32, None, 128, f32, 0), "INVALID_ARGUMENT"),
        ((address(missing), 4, 8, f32, address(out), 128, f32, 0), "INVALID_ARGUMENT"),
        ((address(inside), 4, 8, f32, address(out), 128, f32, 0), "INVALID_ARGUMENT"),
        ((address(rows), 4, 8, f32, address(out), 127, f32, 0), "OUT_OF_RANGE"),
        ((address(rows), 4, 8, f32, address(out), 63, f16, 0), "OUT_OF_RANGE"),
        ((address(rows), 4, 8, q4_0, address(out), 128, f32, 0), "SHAPE"),
        ((address(rows), 4, 8, NUMBERS["complex64"], address(out), 128, f32, 0), "DTYPE"),
        ((address(rows), 4, 8, f32, address(out), 128, f32, 16), "UNSUPPORTED"),
    ]:
        with refused(status):
            call("adit_gather", *arguments)
    # More rows than memory has: no pointer is read.
    with refused("INVALID_ARGUMENT", "rows"):
        call("adit_gather", address(rows), 2**62, 8, f32, address(out), 128, f32, 0)
    assert not out.any()


def crc32c(content, crc=0):
    """RFC 3720: the polynomial 0x1EDC6F41, reflected, bit by bit."""
    crc ^= 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check_checksums(_):
    # The examples of RFC 3720, appendix B.4.
    for content, crc in [
        (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C), (b"123456789", 0xE3069283), (b"", 0),
    ]:
        assert LIBRARY.adit_crc32c(0, content, len(content)) == crc == crc32c(content)
    rng = np.random.default_rng(4)
    for length in [*range(0, 300), 4095, 4096, 4097, 20_001]:
        content = rng.bytes(length + 17)
        array = np.frombuffer(content, np.uint8)
        start, crc = int(rng.integers(0, 17)), int(rng.integers(0, 2**32))
        piece = content[start : start + length]
        assert LIBRARY.adit_crc32c(crc, address(array) + start, length) == crc32c(piece, crc)
        # In two steps the same.
        cut = int(rng.integers(0, length + 1))
        first = LIBRARY.adit_crc32c(crc, address(array) + start, cut)
        whole = LIBRARY.adit_crc32c(first, address(array) + start + cut, length - cut)
        assert whole == crc32c(piece, crc)
    assert LIBRARY.adit_crc32c(77, None, 5) == 77


main()
