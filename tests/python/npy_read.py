"""NumPy writes, the library reads."""

import ctypes
import gzip
import io

import numpy as np

from adit import (
    LIBRARY, NAMES, NATIVE, TYPES, VOID, Array, constant, main, random_array, random_shape,
    refused, same, struct,
)
from oracle import converted, exists

VERSIONS = [(1, 0), (2, 0), (3, 0)]


def saved(array, version=(1, 0)):
    """What NumPy writes. It gives the types of ml_dtypes as bytes without a type."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def stored(values, order, fortran):
    """The same values in another byte and element order."""
    values = values.astype(values.dtype.newbyteorder(order)) if order == ">" else values
    return np.array(values, order="F") if fortran else values


def read_and_compare(path, values, order, fortran, version, name):
    array = stored(values, order, fortran)
    content = saved(array, version)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    big = order == ">" and array.itemsize > 1
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    with Array.open(path, dtype=name if name in VOID else None) as ours:
        info = ours.info()
        assert info.format == constant("ARRAY_FORMAT_NPY") and info.mode == constant("ARRAY_READ")
        assert NAMES[info.dtype] == name and info.ndim == values.ndim
        assert info.nbytes == values.nbytes and info.offset == len(content) - values.nbytes
        assert info.flags == (big * constant("TENSOR_BIG_ENDIAN")
                              | (not fortran) * constant("TENSOR_CONTIGUOUS")), info.flags
        assert ours.shape() == values.shape
        if big:
            with refused("UNSUPPORTED", "big-endian"):
                ours.tensor()
        else:
            tensor = ours.tensor()
            lent = ours.view()
            assert same(lent, values), (lent, values)
            if values.size:
                strides = tuple(stride // values.itemsize for stride in array.strides)
                kept = [axis for axis, n in enumerate(values.shape) if n > 1]
                assert all(tensor.strides[axis] == strides[axis] for axis in kept)
            assert tensor.flags & constant("TENSOR_READ_ONLY") and not lent.flags.writeable
            assert bool(tensor.flags & constant("TENSOR_CONTIGUOUS")) == (not fortran)
        for way in ("AUTO", "MAP", "READ"):
            assert same(ours.read(io=way), values), way


def check_every_type_order_and_version(folder):
    rng = np.random.default_rng(1)
    for name in TYPES:
        for fortran in (False, True):
            for order in "<>" if name in NATIVE else "<":
                for version in VERSIONS:
                    values = random_array(rng, name, (3, 4, 5))
                    read_and_compare(folder / "a.npy", values, order, fortran, version, name)


def check_random_shapes(folder):
    rng = np.random.default_rng(2)
    names = list(TYPES)
    seen = set()
    for _ in range(600):
        shape = random_shape(rng)
        name = names[rng.integers(len(names))]
        order = "<>"[rng.integers(2)] if name in NATIVE else "<"
        version = VERSIONS[rng.integers(3)]
        values = random_array(rng, name, shape)
        read_and_compare(folder / "a.npy", values, order, bool(rng.integers(2)), version, name)
        seen.add((len(shape), 0 in shape))
    assert seen == {(ndim, empty) for ndim in range(7) for empty in (False, True)} - {(0, True)}


def check_random_parts(folder):
    rng = np.random.default_rng(3)
    names = list(TYPES)
    for _ in range(250):
        name = names[rng.integers(len(names))]
        order = "<>"[rng.integers(2)] if name in NATIVE else "<"
        values = random_array(rng, name, random_shape(rng))
        (folder / "a.npy").write_bytes(saved(stored(values, order, bool(rng.integers(2)))))
        with Array.open(folder / "a.npy", dtype=name if name in VOID else None) as ours:
            for way in ("AUTO", "MAP", "READ"):
                start = [int(rng.integers(0, n + 1)) for n in values.shape]
                shape = [int(rng.integers(0, n - s + 1)) for n, s in zip(values.shape, start)]
                theirs = values[tuple(slice(s, s + n) for s, n in zip(start, shape))]
                assert same(ours.read(start, shape, io=way), theirs), (values.shape, start, shape)
                theirs = values[tuple(slice(s, None) for s in start)]
                assert same(ours.read(start, io=way), theirs)
                theirs = values[tuple(slice(n) for n in shape)]
                assert same(ours.read(shape=shape, io=way), theirs)
                for axis, n in enumerate(values.shape):
                    shape[axis] = n - start[axis] + 1
                    with refused("OUT_OF_RANGE"):
                        ours.read(start, shape, io=way)
                    shape[axis] -= 1


def check_conversions_while_reading(folder):
    rng = np.random.default_rng(4)
    path = folder / "a.npy"
    for source in TYPES:
        for turn, target in enumerate(TYPES):
            values = random_array(rng, source, (7, 5, 6))
            order = "<>"[turn % 2] if source in NATIVE else "<"
            path.write_bytes(saved(stored(values, order, turn % 3 == 0)))
            with Array.open(path, dtype=source if source in VOID else None) as ours:
                if not exists(source, target):
                    with refused("DTYPE"):
                        ours.read(dtype=target)
                    continue
                for way in ("AUTO", "MAP", "READ"):
                    for saturate in (False, True):
                        part = ours.read((1, 0, 2), (5, 5, 3), target, way,
                                         saturate * constant("CONVERT_SATURATE"))
                        theirs = converted(values[1:6, :, 2:5].copy(), target, saturate)
                        assert same(part, theirs), (source, target, way, saturate, part, theirs)


def check_bytes_that_are_no_bools(folder):
    raw = np.arange(256, dtype=np.uint8)
    (folder / "a.npy").write_bytes(saved(raw.view(np.bool_)))
    with Array.open(folder / "a.npy") as ours:
        assert ours.read().view(np.uint8).tobytes() == raw.tobytes()
        for target in ("u8", "i64", "f32"):
            assert same(ours.read(dtype=target), (raw != 0).astype(TYPES[target]))


def check_elements_at_odd_addresses(folder):
    """A header that ends where NumPy's never does."""
    values = np.arange(24, dtype="<f8").reshape(4, 6)
    for shift in range(1, 17):
        text = repr({"descr": "<f8", "fortran_order": False, "shape": (4, 6)}).encode()
        text += b" " * (128 + shift - 10 - len(text) - 1) + b"\n"
        head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        (folder / "a.npy").write_bytes(head + values.tobytes())
        assert same(np.load(folder / "a.npy"), values)
        with Array.open(folder / "a.npy") as ours:
            assert ours.info().offset == 128 + shift
            if shift % 8:
                with refused("MISALIGNED"):
                    ours.tensor()
            else:
                assert same(ours.view(), values)
            for way in ("AUTO", "MAP", "READ"):
                assert same(ours.read(io=way), values)
                assert same(ours.read((1, 2), (3, 3), "f32", way), values[1:, 2:5].astype("f4"))


def check_more_dimensions_than_a_tensor_has(folder):
    values = np.arange(2**10 * 3, dtype=np.int16).reshape((2,) * 9 + (6,))
    (folder / "a.npy").write_bytes(saved(np.array(values, order="F")))
    with Array.open(folder / "a.npy") as ours:
        assert ours.shape() == values.shape and ours.info().ndim == 10
        with refused("UNSUPPORTED"):
            ours.tensor()
        start, shape = (0, 1) * 5, (2, 1) * 5
        part = values[tuple(slice(s, s + n) for s, n in zip(start, shape))]
        options = struct("adit_array_read_options", ndim=10)
        starts, sizes = (ctypes.c_int64 * 10)(*start), (ctypes.c_int64 * 10)(*shape)
        options.start, options.shape = ctypes.addressof(starts), ctypes.addressof(sizes)
        buffer = np.zeros(shape, np.int16)
        status = LIBRARY.adit_array_read(ours.handle, ctypes.byref(options), buffer.ctypes.data,
                                         buffer.nbytes, None, None)
        assert status == 0 and same(buffer, part)


def check_types_that_are_no_tensors(folder):
    path = folder / "a.npy"
    for array in (
        np.array(["a", "bc"]), np.array([b"a", b"bc"]), np.array([None, {}], object),
        np.zeros(2, "M8[s]"), np.zeros(2, "m8[ns]"), np.zeros(2, "f4,i4"), np.zeros(2, np.longdouble),
        np.zeros(3, "V2"), np.zeros(3, "V7"),
    ):
        np.save(path, array)
        with refused("UNSUPPORTED"):
            Array.open(path)
    for name in NATIVE:
        np.save(path, np.zeros(3, TYPES[name]))
        for other in TYPES:
            if other == name:
                Array.open(path, dtype=other).close()
            else:
                with refused("DTYPE"):
                    Array.open(path, dtype=other)
    np.save(path, np.zeros(3, "V2"))
    with refused("UNSUPPORTED"):
        Array.open(path, dtype="f8_e4m3fn")


def check_other_ways_to_open(folder):
    """Read to the heap, decompressed, and from bytes in memory."""
    values = np.arange(5000, dtype=np.int16).reshape(50, 100)
    content = saved(np.array(values, order="F"))
    (folder / "a.npy").write_bytes(content)
    (folder / "a.npy.gz").write_bytes(gzip.compress(content))
    read = struct("adit_data_options", backend=constant("BACKEND_READ"))
    inflate = struct("adit_data_options", flags=constant("DATA_DECOMPRESS"))
    for name, options in [("a.npy", read), ("a.npy", inflate), ("a.npy.gz", inflate)]:
        with Array.open(folder / name, data=ctypes.addressof(options)) as ours:
            assert same(ours.view(), values) and not ours.view().flags.writeable
            for way in ("AUTO", "MAP", "READ"):
                assert same(ours.read((1, 2), (40, 3), "f64", way), values[1:41, 2:5].astype("f8"))
    with Array.open(folder / "a.npy.gz", "COPY_ON_WRITE", data=ctypes.addressof(inflate)) as ours:
        lent = ours.view()
        lent += 1
        assert same(ours.read(), values + 1)
    with refused("WRONG_FORMAT"):
        Array.open(folder / "a.npy.gz")
    with Array.from_bytes(content) as ours:
        assert same(ours.view(), values) and same(ours.read(dtype="f32"), values.astype("f4"))


def check_large_arrays(folder):
    """Over the sizes at which reads are split and copies take other loops."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 2**32, (700, 1500), np.uint32).view(np.float32)
    for order in "<>":
        for fortran in (False, True):
            (folder / "a.npy").write_bytes(saved(stored(values, order, fortran)))
            with Array.open(folder / "a.npy") as ours:
                for way in ("MAP", "READ"):
                    assert same(ours.read(io=way), values)
                    part = values[3:650, 11:1400]
                    assert same(ours.read((3, 11), part.shape, io=way), part)
                    assert same(ours.read((3, 11), part.shape, "f64", way),
                                converted(part.copy(), "f64"))


main()
