"""The library writes, NumPy reads: the bytes of a file are those that np.save writes."""

import ctypes
import io
import os

import numpy as np

from adit import (
    NATIVE, TYPES, VOID, Array, call, constant, main, random_array, random_shape, refused,
    same, struct, tensor_of,
)


TO_END = 2**64 - 1


def saved(array, fortran=False):
    """What NumPy writes, but for float8_e5m2: NumPy refuses to read the type that it gives it.

    np.save says `fortran_order` only where C order would be another one; asked for it, open_memmap
    says it always.
    """
    file = io.BytesIO()
    if fortran and array.flags.c_contiguous:
        head = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, head | {"fortran_order": True})
        file.write(array.tobytes())
    else:
        np.save(file, array)
    return file.getvalue().replace(b"'descr': '<f1'", b"'descr': '<V1'", 1)


def loaded(path, name, **how):
    """What np.load reads, where NumPy has no name for the type seen as what it is."""
    array = np.load(path, **how)
    if name not in VOID:
        return array
    assert array.dtype.kind == "V" and array.dtype.itemsize == TYPES[name].itemsize
    return array.view(TYPES[name])


def check_create_and_fill(folder):
    rng = np.random.default_rng(1)
    path = folder / "a.npy"
    for name in TYPES:
        for fortran in (False, True):
            for shape in [(), (7,), (3, 0, 2), (4, 1, 5), (2, 1, 3, 1, 2, 2, 1, 3)]:
                values = random_array(rng, name, shape)
                array = np.array(values, order="F") if fortran else values
                flags = fortran * constant("ARRAY_CREATE_FORTRAN_ORDER")
                with Array.create(path, name, shape, flags=flags) as ours:
                    assert ours.info().mode == constant("ARRAY_READ_WRITE")
                    assert not any(loaded(path, name).tobytes())
                    memory = ours.bytes_mut()
                    memory[:] = np.frombuffer(array.tobytes("A"), np.uint8)
                    call("adit_array_flush", ours.handle, 0, TO_END)
                    # The map is the file: seen before it is closed.
                    assert same(loaded(path, name), values)
                    assert same(ours.view(), values)
                assert path.read_bytes() == saved(array, fortran), (name, shape, fortran)


def strided(rng, name):
    """An array with strides of any kind: transposed, stepped, broadcast, cut out."""
    values = random_array(rng, name, random_shape(rng, 4, 400))
    if rng.integers(3) == 0:
        return values.T
    if values.ndim:
        values = values.transpose(rng.permutation(values.ndim))
        values = values[tuple(slice(int(rng.integers(0, n + 1)) // 2, None, int(rng.integers(1, 4)))
                              for n in values.shape)]
    if rng.integers(2):
        values = values[(np.newaxis,) * int(rng.integers(0, 2)) + (...,) + (np.newaxis,)]
        times = [int(rng.integers(0, 4)) if n == 1 else n for n in values.shape]
        values = np.broadcast_to(values, times)
    # Strides that are all 0 mean C order to the library.
    return values if any(values.strides) or values.size == 1 else values.copy()


def check_create_from_any_strides(folder):
    rng = np.random.default_rng(2)
    path = folder / "a.npy"
    kinds = set()
    for turn in range(270):
        name = list(TYPES)[turn % len(TYPES)]
        values = strided(rng, name)
        kinds.add((values.flags.c_contiguous, values.flags.f_contiguous, 0 in values.strides,
                   0 in values.shape))
        fortran = turn % 2
        theirs = np.array(values, order="F" if fortran else "C")
        with Array.create_from(
            path, values, flags=fortran * constant("ARRAY_CREATE_FORTRAN_ORDER")
        ) as ours:
            assert same(ours.view(), values)
        assert same(loaded(path, name), values), (name, values.shape, values.strides)
        assert path.read_bytes() == saved(theirs, fortran), (name, values.shape, fortran)
    assert len(kinds) >= 8, kinds


def check_windows_that_overlap(folder):
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(100, dtype=np.int16), 7)
    for order, flags in (("C", 0), ("F", constant("ARRAY_CREATE_FORTRAN_ORDER"))):
        Array.create_from(folder / "a.npy", windows, flags=flags).close()
        assert (folder / "a.npy").read_bytes() == saved(np.array(windows, order=order))


def check_rows_of_the_array_itself(folder):
    path = folder / "a.npy"
    rows = np.arange(12_000, dtype=np.float32).reshape(3000, 4)
    with Array.create_from(path, rows) as ours:
        for times in (2, 4, 8, 16):
            own = ours.tensor()
            call("adit_array_append_rows", ours.handle, ctypes.byref(own))
            assert same(np.load(path), np.concatenate([rows] * times))
        # Made anew from its own elements, at its own path.
        own = ours.tensor()
        call("adit_array_create_from", bytes(path), ctypes.byref(own), None, None, None, None)
        assert same(np.load(path), np.concatenate([rows] * 16))
        with refused("BUSY"):
            append(ours, rows)


def check_large_strided_arrays(folder):
    rng = np.random.default_rng(3)
    for name in ("u8", "f16", "f32", "f64", "complex128"):
        values = random_array(rng, name, (1009, 613))
        for array in (values, values.T, values[::2, 3:], values[:, ::3].T):
            for order, flags in (("C", 0), ("F", constant("ARRAY_CREATE_FORTRAN_ORDER"))):
                Array.create_from(folder / "a.npy", array, flags=flags).close()
                assert (folder / "a.npy").read_bytes() == saved(np.array(array, order=order))


def check_headers_of_large_shapes(folder):
    """Digits enough to push the header over its next 64 bytes; no elements."""
    for digits in range(1, 19):
        for ndim in range(1, 8):
            shape = (0,) + (10 ** (digits - 1),) + (1,) * (ndim - 1)
            name = ("f32", "complex128", "bool")[(digits + ndim) % 3]
            values = np.empty(shape, TYPES[name])
            Array.create(folder / "a.npy", name, shape).close()
            assert (folder / "a.npy").read_bytes() == saved(values), shape


def check_save_as(folder):
    """Byte order, element order and changes in memory are kept."""
    rng = np.random.default_rng(4)
    source, target = folder / "a.npy", folder / "b.npy"
    options = struct("adit_array_create_options")
    for turn in range(108):
        name = list(TYPES)[turn % len(TYPES)]
        values = random_array(rng, name, random_shape(rng))
        order = ">" if turn % 3 == 1 and name in NATIVE else "<"
        array = values.astype(values.dtype.newbyteorder(">")) if order == ">" else values
        array = np.array(array, order="F") if turn % 2 else array
        np.save(source, array.view(f"V{array.itemsize}") if name in VOID else array)
        before = source.read_bytes()
        with Array.open(source, "COPY_ON_WRITE", name if name in VOID else None) as ours:
            call("adit_array_save_as", ours.handle, bytes(target), ctypes.byref(options), None, None)
            assert target.read_bytes() == saved(array), (name, array.shape, order)
            if not array.size:
                continue
            memory = ours.bytes_mut()
            at = int(rng.integers(memory.size))
            memory[at] ^= 1
            expected = bytearray(saved(array))
            expected[len(expected) - memory.size + at] ^= 1
            call("adit_array_save_as", ours.handle, bytes(target), None, None, None)
            assert target.read_bytes() == expected and source.read_bytes() == before
            # Over the file that it is open on.
            call("adit_array_save_as", ours.handle, bytes(source), None, None, None)
            assert source.read_bytes() == expected
            memory[at] ^= 1
            assert source.read_bytes() == expected
            options.flags = constant("ARRAY_CREATE_NO_REPLACE")
            with refused("EXISTS"):
                call("adit_array_save_as", ours.handle, bytes(source), ctypes.byref(options),
                     None, None)
            options.flags = 0


def append(ours, rows):
    call("adit_array_append_rows", ours.handle, ctypes.byref(tensor_of(rows)))


def check_appended_rows(folder):
    """After each of many appends NumPy reads all rows, and the file is as if saved at once."""
    rng = np.random.default_rng(5)
    path = folder / "a.npy"
    for name, row in [("f32", (3,)), ("i64", ()), ("u8", (2, 5)), ("bf16", (4,)), ("f8_e5m2", (1, 3)),
                      ("complex128", (2,)), ("bool", ()), ("f64", (0,)), ("f16", (700,))]:
        kept = random_array(rng, name, (int(rng.integers(0, 3)),) + row)
        with Array.create_from(path, kept) as ours:
            older = []
            for turn in range(25):
                rows = random_array(rng, name, (int(rng.integers(0, 9)),) + row)
                if turn % 3 == 0:
                    rows = np.asarray(rows[::2])
                if turn % 5 == 0 and rows.ndim == 3:
                    rows = np.array(rows, order="F")
                append(ours, rows)
                kept = np.ascontiguousarray(np.concatenate([kept, rows]))
                # NumPy maps no file without elements.
                mapped = loaded(path, name, mmap_mode="r" if kept.size else None)
                assert same(np.asarray(mapped), kept), (name, turn)
                assert path.read_bytes() == saved(kept), (name, turn)
                assert ours.shape() == kept.shape and same(ours.view(), kept)
                assert same(ours.read(), kept)
                older.append((ours.view(), kept))
            for lent, values in older:
                assert same(lent, values), "an older pointer has moved"
        # A second handle goes on.
        with Array.open(path, "READ_WRITE", name if name in VOID else None) as ours:
            rows = random_array(rng, name, (5,) + row)
            append(ours, rows)
            kept = np.concatenate([kept, rows])
        assert path.read_bytes() == saved(kept)


def check_appends_to_files_of_numpy(folder):
    """Every version of header, and one without room for a longer number."""
    path = folder / "a.npy"
    rows = np.arange(6, dtype=np.int32).reshape(2, 3)
    for version in [(1, 0), (2, 0), (3, 0)]:
        with open(path, "wb") as file:
            np.lib.format.write_array(file, rows, version)
        kept = rows
        with Array.open(path, "READ_WRITE") as ours:
            for _ in range(12):
                append(ours, rows)
                kept = np.concatenate([kept, rows])
                assert same(np.load(path), kept)
    nines = np.arange(9 * 3, dtype=np.int32).reshape(9, 3)
    text = repr({"descr": "<i4", "fortran_order": False, "shape": (9, 3)}).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + nines.tobytes())
    assert same(np.load(path), nines)
    with Array.open(path, "READ_WRITE") as ours:
        older = np.load(path, mmap_mode="r")
        append(ours, rows)
        assert same(np.load(path), np.concatenate([nines, rows]))
        assert same(np.asarray(older), nines)
    with refused("READ_ONLY"), Array.open(path) as ours:
        append(ours, rows)


def check_big_endian_and_fortran_appends(folder):
    rng = np.random.default_rng(6)
    path = folder / "a.npy"
    for name in NATIVE:
        dtype = TYPES[name].newbyteorder(">")
        kept = random_array(rng, name, (3, 7))
        np.save(path, kept.astype(dtype))
        with Array.open(path, "READ_WRITE") as ours:
            for count in (1, 5, 1003):
                rows = random_array(rng, name, (count, 21))[:, ::3]
                append(ours, rows)
                kept = np.concatenate([kept, rows])
                assert same(ours.read(), kept), (name, count)
        # NumPy swaps NaNs as bytes, so they come out as they went in.
        assert path.read_bytes() == saved(kept.byteswap().view(dtype)), name
    rows = np.arange(10, dtype=np.float64).reshape(5, 2)
    np.save(path, np.array(rows, order="F"))
    with refused("UNSUPPORTED"), Array.open(path, "READ_WRITE") as ours:
        append(ours, rows)
    for wrong, status in [(rows[:, :1], "SHAPE"), (rows.astype("f4"), "DTYPE"), (rows[0], "SHAPE")]:
        np.save(path, rows)
        with refused(status), Array.open(path, "READ_WRITE") as ours:
            append(ours, wrong)
        assert path.read_bytes() == saved(rows)


def check_modes(folder):
    """What is written is in the file read-write, and in memory alone copy-on-write."""
    path = folder / "a.npy"
    values = np.arange(2000, dtype=np.float32).reshape(40, 50)
    np.save(path, values)
    with Array.open(path, "COPY_ON_WRITE") as ours:
        lent = ours.view()
        lent *= 2
        assert same(ours.read(), values * 2) and same(np.load(path), values)
        with refused("READ_ONLY"):
            call("adit_array_flush", ours.handle, 0, TO_END)
    with Array.open(path, "READ_WRITE") as ours:
        mapped = np.load(path, mmap_mode="r+")
        lent = ours.view()
        lent += 1
        assert same(np.asarray(mapped), values + 1)
        mapped[3] = -1
        assert (lent[3] == -1).all() and (ours.read((3, 0), (1, 50)) == -1).all()
        call("adit_array_flush", ours.handle, 0, 4096)
    with Array.open(path) as ours, refused("READ_ONLY"):
        ours.bytes_mut()


def check_progress(folder):
    """A call that is cancelled leaves what there was."""
    path = folder / "a.npy"
    values = np.zeros((3000, 2000), np.float64)
    told = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)

    def create(progress):
        call("adit_array_create_from", bytes(path), ctypes.byref(tensor_of(values)), None,
             ctypes.cast(progress, ctypes.c_void_p), None, None)

    create(kind(lambda _, done, total: told.append((done, total)) or 0))
    assert told[-1] == (values.nbytes, values.nbytes) and len(told) > 2
    assert all(total == values.nbytes for _, total in told) and told == sorted(told)
    before = os.stat(path)
    with refused("CANCELLED"):
        create(kind(lambda _, done, total: done > 0))
    after = os.stat(path)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def check_what_npy_has_not(folder):
    path = folder / "a.npy"
    handle = ctypes.c_void_p()
    for dtype, status in [(102, "UNSUPPORTED"), (0, "DTYPE"), (99, "DTYPE")]:
        with refused(status):
            call("adit_array_create", bytes(path), dtype, 1, (ctypes.c_int64 * 1)(32), None,
                 ctypes.byref(handle))
    for shape in [(-1,), (2**62, 2), (2**63 - 1,)]:
        with refused("SHAPE"):
            Array.create(path, "f64", shape)
    assert not path.exists()


main()
