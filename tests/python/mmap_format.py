"""MMAP files written by hand, and ours taken apart.

Their layout, as scirs2-core 0.4.2 has it: `MMAP`, a version (1), a dtype, the number of dimensions
as u16, the number of elements as u64, six dimensions as u64, then the elements in C order, all
little-endian.
"""

import ctypes
import struct

import numpy as np

from adit import (
    TYPES, Array, call, constant, main, random_array, random_shape, refused, same, tensor_of,
)
from adit import struct as options_of

CODES = {"f32": 1, "f64": 2, "i32": 3, "i64": 4}
HEAD = struct.Struct("<4sBBHQ6Q")
MMAP = constant("ARRAY_FORMAT_MMAP")


def head(code, shape, total=None, magic=b"MMAP", version=1, ndim=None):
    dims = list(shape) + [0] * (6 - len(shape))
    total = int(np.prod(shape, dtype=np.int64)) if total is None else total
    return HEAD.pack(magic, version, code, len(shape) if ndim is None else ndim, total, *dims)


def check_files_by_hand(folder):
    rng = np.random.default_rng(1)
    path = folder / "a.mmap"
    assert HEAD.size == 64
    for turn in range(200):
        name = list(CODES)[turn % 4]
        values = random_array(rng, name, random_shape(rng))
        path.write_bytes(head(CODES[name], values.shape) + values.tobytes())
        with Array.open(path) as ours:
            info = ours.info()
            assert info.format == MMAP and info.offset == 64 and info.nbytes == values.nbytes
            assert info.flags == constant("TENSOR_CONTIGUOUS")
            assert same(ours.view(), values)
            start = [int(rng.integers(0, n + 1)) for n in values.shape]
            part = values[tuple(slice(s, None) for s in start)]
            for way in ("AUTO", "MAP", "READ"):
                assert same(ours.read(io=way), values) and same(ours.read(start, io=way), part)


def check_ours_taken_apart(folder):
    rng = np.random.default_rng(2)
    path = folder / "a.mmap"
    for turn in range(100):
        name = list(CODES)[turn % 4]
        values = random_array(rng, name, random_shape(rng))
        array = values.T if turn % 3 == 0 else values
        Array.create_from(path, array, format=MMAP).close()
        content = path.read_bytes()
        assert content[:64] == head(CODES[name], array.shape), (name, array.shape)
        assert content[64:] == array.tobytes()
        with Array.create(path, name, array.shape, format=MMAP) as ours:
            content = path.read_bytes()
            assert content == head(CODES[name], array.shape) + bytes(array.nbytes)
            ours.bytes_mut()[:] = np.frombuffer(array.tobytes(), np.uint8)
            call("adit_array_flush", ours.handle, 0, 2**64 - 1)
        assert path.read_bytes()[64:] == array.tobytes()


def check_from_one_format_to_the_other(folder):
    values = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    np.save(folder / "a.npy", values)
    with Array.open(folder / "a.npy") as ours:
        options = options_of("adit_array_create_options", format=MMAP)
        call("adit_array_save_as", ours.handle, bytes(folder / "b.mmap"), ctypes.byref(options),
             None, None)
    assert (folder / "b.mmap").read_bytes() == head(2, (2, 3, 4)) + values.tobytes()
    with Array.open(folder / "b.mmap", "COPY_ON_WRITE") as ours:
        ours.view()[1, 2, 3] = -1
        values[1, 2, 3] = -1
        call("adit_array_save_as", ours.handle, bytes(folder / "c.mmap"), None, None, None)
        options.format = constant("ARRAY_FORMAT_NPY")
        call("adit_array_save_as", ours.handle, bytes(folder / "d.npy"), ctypes.byref(options),
             None, None)
    assert (folder / "c.mmap").read_bytes() == head(2, (2, 3, 4)) + values.tobytes()
    np.save(folder / "a.npy", values)
    assert (folder / "d.npy").read_bytes() == (folder / "a.npy").read_bytes()


def check_damaged_files(folder):
    path = folder / "a.mmap"
    values = np.arange(6, dtype=np.float32).reshape(2, 3).tobytes()
    good = head(1, (2, 3)) + values
    for content, status in [
        (good[:63], "MALFORMED"),
        (good[:4], "MALFORMED"),
        (good[:-1], "MALFORMED"),
        (good[:64], "MALFORMED"),
        (head(1, (2, 3), magic=b"MMAQ") + values, "WRONG_FORMAT"),
        (head(1, (2, 3), version=2) + values, "UNSUPPORTED"),
        (head(1, (2, 3), version=0) + values, "UNSUPPORTED"),
        (head(0, (2, 3)) + values, "MALFORMED"),
        (head(5, (2, 3)) + values, "MALFORMED"),
        (head(1, (2, 3), total=7) + values + bytes(4), "MALFORMED"),
        (head(1, (2, 3), total=5) + values, "MALFORMED"),
        (head(1, (2, 3), ndim=1, total=2) + values, "MALFORMED"),
        (head(1, (2, 3), ndim=7) + values, "MALFORMED"),
        (head(1, (2**32, 2**32), total=0) + values, "MALFORMED"),
        (head(1, (2**63, 1), total=2**63) + values, "MALFORMED"),
        (head(1, (2**63, 0), total=0), "MALFORMED"),
    ]:
        path.write_bytes(content)
        with refused(status):
            Array.open(path)
    path.write_bytes(good + b"more")
    with Array.open(path) as ours:
        assert ours.info().nbytes == 24


def check_what_the_format_has_not(folder):
    path = folder / "a.mmap"
    for name, dtype in TYPES.items():
        if name not in CODES:
            with refused("UNSUPPORTED"):
                Array.create_from(path, np.zeros(3, dtype), format=MMAP)
    with refused("UNSUPPORTED"):
        Array.create(path, "f32", (1,) * 7, format=MMAP)
    with refused("UNSUPPORTED"):
        Array.create(path, "f32", (2, 3), format=MMAP,
                     flags=constant("ARRAY_CREATE_FORTRAN_ORDER"))
    assert not path.exists()
    with Array.create(path, "f32", (2, 3), format=MMAP) as ours, refused("UNSUPPORTED"):
        call("adit_array_append_rows", ours.handle,
             ctypes.byref(tensor_of(np.zeros((1, 3), np.float32))))
    options = options_of("adit_array_create_options", format=MMAP)
    for array in (np.zeros((2, 3), ">f4"), np.zeros((2, 3), "f4", order="F")):
        np.save(folder / "a.npy", array)
        with Array.open(folder / "a.npy") as ours, refused("UNSUPPORTED"):
            call("adit_array_save_as", ours.handle, bytes(path), ctypes.byref(options), None, None)
    assert path.read_bytes() == head(1, (2, 3)) + bytes(24)


main()
