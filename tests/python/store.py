"""NumPy's arrays stored as tensors, and lent back from the map without a copy."""

import ctypes

import numpy as np

from adit import (
    LIBRARY, NATIVE, TYPES, VOID, Tensor, call, constant, main, random_array, random_shape, refused,
    same, struct, tensor_of, view,
)


class Handle:
    """Something that is opened by a call and closed by another."""

    def __init__(self, close, opened, *arguments):
        self.pointer = ctypes.c_void_p()
        self._close = getattr(LIBRARY, close)
        call(opened, *arguments, ctypes.byref(self.pointer))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._close(self.pointer)
        self.pointer = ctypes.c_void_p()


def opened(path, mode="CREATE"):
    options = struct("adit_store_options", mode=constant(f"STORE_{mode}"))
    return Handle("adit_store_close", "adit_store_open", str(path).encode(), ctypes.byref(options))


def snapshot_of(store):
    return Handle("adit_snapshot_close", "adit_store_snapshot", store.pointer)


def lend(snapshot, key):
    tensor = Tensor()
    call("adit_snapshot_get_tensor", snapshot.pointer, key, len(key), ctypes.byref(tensor))
    return tensor


def get(snapshot, key):
    value, length = ctypes.c_void_p(), ctypes.c_size_t()
    call("adit_snapshot_get", snapshot.pointer, key, len(key), ctypes.byref(value),
         ctypes.byref(length))
    assert value.value
    return ctypes.string_at(value, length.value)


def check_arrays(folder):
    """Of every dtype and order, one by one and as a batch; seen again by another handle."""
    rng = np.random.default_rng(1)
    path = folder / "arrays.adit"
    arrays = {}
    with opened(path, "NEW") as store:
        batch = Handle("adit_store_batch_free", "adit_store_batch_new")
        for turn in range(200):
            name = (NATIVE + VOID)[turn % len(NATIVE + VOID)]
            values = random_array(rng, name, random_shape(rng))
            if turn % 3 == 0:
                values = np.array(values, order="F")
            if turn % 5 == 0 and values.ndim:
                values = values[::2]
            key = f"{turn} {name}".encode()
            arrays[key] = values
            tensor = tensor_of(values)
            if turn % 2:
                call("adit_store_put_tensor", store.pointer, key, len(key), ctypes.byref(tensor),
                     None)
            else:
                call("adit_store_batch_put_tensor", batch.pointer, key, len(key),
                     ctypes.byref(tensor))
        call("adit_store_write", store.pointer, batch.pointer, None)
        batch.close()
    with opened(path, "READ") as store, snapshot_of(store) as snapshot:
        assert LIBRARY.adit_snapshot_len(snapshot.pointer) == len(arrays)
        for key, values in arrays.items():
            tensor = lend(snapshot, key)
            found = view(tensor)
            assert same(found, values), key
            assert not found.flags.writeable
            assert not values.size or tensor.data % 64 == 0
            assert get(snapshot, key) == np.ascontiguousarray(values).tobytes(), key


def check_lent(folder):
    """What was lent lies in the file's map, and outlives the store."""
    values = np.arange(100_000, dtype=TYPES["f32"])
    with opened(folder / "lent.adit") as store:
        call("adit_store_put_tensor", store.pointer, b"x", 1, ctypes.byref(tensor_of(values)), None)
        snapshot = snapshot_of(store)
        lent = view(lend(snapshot, b"x"))
        assert lend(snapshot, b"x").data == lent.__array_interface__["data"][0]
        with open("/proc/self/maps", encoding="utf-8") as maps:
            own = [line for line in maps if "lent.adit" in line]
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in own]
        start = lent.__array_interface__["data"][0]
        assert any(first <= start and start + lent.nbytes <= last for first, last in ranges)
        call("adit_store_delete", store.pointer, b"x", 1, None)
        call("adit_store_compact", store.pointer, None, None)
        with refused("NOT_FOUND"), snapshot_of(store) as later:
            lend(later, b"x")
    assert same(lent, values)
    snapshot.close()


def check_refusals(folder):
    (folder / "note").write_bytes(b"no store")
    with refused("WRONG_FORMAT", "is no store"):
        opened(folder / "note")
    with opened(folder / "text.adit") as store, snapshot_of(store) as before:
        call("adit_store_put", store.pointer, b"k", 1, b"text", 4, None)
        with refused("BUSY"):
            opened(folder / "text.adit")
        with refused("NOT_FOUND"):
            lend(before, b"k")
        with snapshot_of(store) as snapshot, refused("DTYPE", "can't be lent as a tensor"):
            lend(snapshot, b"k")


main()
