"""Tensors to NumPy and from it, by DLPack."""

import ctypes
import gc
import os

import numpy as np

from adit import (
    LIBRARY, NAMES, NATIVE, NUMBERS, TYPES, VOID, Array, Tensor, call, constant, main, random_array,
    random_shape, refused, same, tensor_of, view,
)

# The structs of dlpack.h.


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", DLTensor),
    ]


class Unversioned(ctypes.Structure):
    _fields_ = [
        ("tensor", DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]


API = ctypes.pythonapi
API.PyCapsule_New.restype = ctypes.py_object
API.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
API.PyCapsule_GetPointer.restype = ctypes.c_void_p
API.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

CODES = {
    "bool": 6, "i8": 0, "i16": 0, "i32": 0, "i64": 0, "u8": 1, "u16": 1, "u32": 1, "u64": 1,
    "f16": 2, "f32": 2, "f64": 2, "bf16": 4, "complex64": 5, "complex128": 5,
    "f8_e4m3fn": 10, "f8_e4m3fnuz": 11, "f8_e5m2": 12, "f8_e5m2fnuz": 13, "f8_e8m0": 14,
}
READ_ONLY = 1


class Producer:
    """What numpy.from_dlpack asks; it counts the calls of the library's deleter."""

    def __init__(self, array, versioned=True, flags=0):
        pointer = ctypes.c_void_p()
        self.name = b"dltensor_versioned" if versioned else b"dltensor"
        if versioned:
            call("adit_array_to_dlpack", array.handle, ctypes.byref(pointer))
        else:
            call("adit_array_to_dlpack_unversioned", array.handle, flags, ctypes.byref(pointer))
        self.pointer = pointer.value
        self.managed = (Versioned if versioned else Unversioned).from_address(pointer.value)
        original = Deleter(self.managed.deleter)
        self.deleted = 0

        def delete(managed):
            assert managed == self.pointer
            self.deleted += 1
            original(managed)

        self._delete = Deleter(delete)
        self.managed.deleter = ctypes.cast(self._delete, ctypes.c_void_p).value

    def __dlpack_device__(self):
        return self.managed.tensor.device_type, self.managed.tensor.device_id

    def __dlpack__(self, **_):
        return API.PyCapsule_New(self.pointer, self.name, None)

    def delete(self):
        self._delete(self.pointer)


def mapped(path):
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return str(path) in maps.read()


def saved(path, values, name):
    np.save(path, values.view(f"V{values.itemsize}") if name in VOID else values)
    return {"dtype": name if name in VOID else None}


def check_numpy_takes_ours(folder):
    rng = np.random.default_rng(1)
    path = folder / "a.npy"
    for turn in range(200):
        name = NATIVE[turn % len(NATIVE)]
        values = random_array(rng, name, random_shape(rng))
        values = np.array(values, order="F") if turn % 3 == 0 else values
        np.save(path, values)
        for mode in ("READ", "COPY_ON_WRITE", "READ_WRITE"):
            for versioned in (True, False):
                with Array.open(path, mode) as ours:
                    lent = ours.tensor().data
                    if not versioned and mode == "READ":
                        with refused("READ_ONLY"):
                            Producer(ours, versioned)
                    flags = (mode == "READ") * constant("DLPACK_IGNORE_READ_ONLY")
                    producer = Producer(ours, versioned, flags)
                    theirs = np.from_dlpack(producer)
                assert same(theirs, values), (name, values.shape)
                assert not values.size or theirs.__array_interface__["data"][0] == lent
                if versioned:
                    assert bool(producer.managed.flags & READ_ONLY) == (mode == "READ")
                    # NumPy takes no memory from where there are no elements.
                    assert theirs.flags.writeable == (mode != "READ") or not values.size
                assert producer.deleted == 0
                del theirs
                assert producer.deleted == 1, producer.deleted


def check_structs(folder):
    """What NumPy doesn't know as well: bf16 and fp8 by their codes of DLPack 1.1."""
    rng = np.random.default_rng(2)
    for name, dtype in TYPES.items():
        for shape in [(), (3,), (2, 3, 4), (0, 2), (2, 1, 3, 1, 2, 2, 1, 3)]:
            for fortran in (False, True):
                values = random_array(rng, name, shape)
                array = np.array(values, order="F") if fortran else values
                named = saved(folder / "a.npy", array, name)
                for versioned in (True, False):
                    with Array.open(folder / "a.npy", "COPY_ON_WRITE", **named) as ours:
                        producer = Producer(ours, versioned)
                    managed, tensor = producer.managed, producer.managed.tensor
                    if versioned:
                        assert managed.major == 1 and managed.flags == 0
                    assert (tensor.device_type, tensor.device_id) == (1, 0)
                    assert (tensor.code, tensor.bits, tensor.lanes) == (
                        CODES[name], dtype.itemsize * 8, 1
                    )
                    assert tensor.ndim == len(shape) and tuple(tensor.shape[: len(shape)]) == shape
                    strides = [stride // dtype.itemsize for stride in array.strides]
                    if values.size:
                        assert all(
                            tensor.strides[axis] == strides[axis]
                            for axis, n in enumerate(shape) if n > 1
                        )
                        at = tensor.data + tensor.byte_offset
                        assert ctypes.string_at(at, values.nbytes) == array.tobytes("A")
                    else:
                        assert not tensor.data
                    # Back in again: the library takes what it gives.
                    again = Tensor()
                    from_dlpack(producer.pointer, versioned, again)
                    assert same(view(again), values)
                    producer.delete()
                    assert producer.deleted == 1


def check_bytes_outlive_the_handle(folder):
    path = folder / "outlives.npy"
    values = np.arange(100_000, dtype=np.float64)
    np.save(path, values)
    ours = Array.open(path)
    producers = [Producer(ours), Producer(ours)]
    first, second = (np.from_dlpack(producer) for producer in producers)
    ours.close()
    os.unlink(path)
    assert same(first, values) and same(second[::7], values[::7]) and mapped(path)
    part = first[5000:5003]
    del first
    assert producers[0].deleted == 0 and same(part, values[5000:5003])
    del part
    assert producers[0].deleted == 1 and producers[1].deleted == 0
    assert same(second, values) and mapped(path)
    del second
    gc.collect()
    assert [producer.deleted for producer in producers] == [1, 1] and not mapped(path)


def check_writes(folder):
    """Copy-on-write: the map alone; read-write: the file; reading: nothing."""
    path = folder / "a.npy"
    values = np.arange(5000, dtype=np.int32)
    np.save(path, values)
    with Array.open(path, "COPY_ON_WRITE") as ours:
        theirs = np.from_dlpack(Producer(ours))
        theirs[::3] = -1
        assert (ours.view()[::3] == -1).all() and same(ours.read(), theirs)
    assert (theirs[::3] == -1).all() and same(np.load(path), values)
    with Array.open(path, "READ_WRITE") as ours:
        theirs = np.from_dlpack(Producer(ours))
    theirs[4999] = -2
    assert np.load(path)[4999] == -2
    with Array.open(path) as ours:
        theirs = np.from_dlpack(Producer(ours))
        try:
            theirs[0] = 1
        except ValueError:
            pass
        else:
            raise AssertionError("a read-only array was written")


def check_what_appends_leave(folder):
    """A tensor given before an append goes on with the old rows."""
    path = folder / "a.npy"
    rows = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    with Array.create_from(path, rows) as ours:
        before = np.from_dlpack(Producer(ours))
        for _ in range(5):
            call("adit_array_append_rows", ours.handle, ctypes.byref(tensor_of(rows)))
        after = np.from_dlpack(Producer(ours))
    assert same(before, rows) and same(after, np.concatenate([rows] * 6))


def from_dlpack(pointer, versioned, tensor):
    name = "adit_tensor_from_dlpack" + ("" if versioned else "_unversioned")
    call(name, pointer, ctypes.byref(tensor))


def check_ours_takes_numpys(_):
    rng = np.random.default_rng(3)
    for turn in range(400):
        name = NATIVE[turn % len(NATIVE)]
        values = random_array(rng, name, random_shape(rng))
        if turn % 2 and values.ndim:
            values = values.transpose(rng.permutation(values.ndim))
            starts = [int(rng.integers(0, n + 1)) // 2 for n in values.shape]
            values = values[tuple(slice(start, None, rng.integers(1, 3)) for start in starts)]
        values.flags.writeable = turn % 3 > 0 or not values.flags.writeable
        for versioned in (True, False):
            if versioned:
                capsule = values.__dlpack__(max_version=(1, 0))
            elif values.flags.writeable:
                capsule = values.__dlpack__()
            else:
                continue
            pointer = API.PyCapsule_GetPointer(
                capsule, b"dltensor_versioned" if versioned else b"dltensor"
            )
            tensor = Tensor()
            from_dlpack(pointer, versioned, tensor)
            assert NAMES[tensor.dtype] == name and tensor.ndim == values.ndim
            assert tuple(tensor.shape[: values.ndim]) == values.shape
            assert not any(tensor.shape[values.ndim :]) and not any(tensor.strides[values.ndim :])
            read_only = bool(tensor.flags & constant("TENSOR_READ_ONLY"))
            assert read_only == (versioned and not values.flags.writeable)
            contiguous = bool(tensor.flags & constant("TENSOR_CONTIGUOUS"))
            assert contiguous == values.flags.c_contiguous, (values.shape, values.strides)
            if not values.size:
                assert not tensor.data and not tensor.nbytes
                continue
            assert tensor.data == values.__array_interface__["data"][0]
            assert tensor.nbytes == tensor_of(values).nbytes
            for axis, (n, stride) in enumerate(zip(values.shape, values.strides)):
                assert n == 1 or tensor.strides[axis] * values.itemsize == stride


def check_what_is_taken_can_be_saved(folder):
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)[:, ::2].transpose(2, 0, 1)
    capsule = values.__dlpack__(max_version=(1, 0))
    tensor = Tensor()
    from_dlpack(API.PyCapsule_GetPointer(capsule, b"dltensor_versioned"), True, tensor)
    call("adit_array_create_from", bytes(folder / "a.npy"), ctypes.byref(tensor), None, None, None,
         None)
    assert same(np.load(folder / "a.npy"), values)


def check_broadcast_arrays(folder):
    """One stride of 0 repeats; all of them would mean C order."""
    row = np.arange(3, dtype=np.float32)
    for values, repeated in [(np.broadcast_to(row, (4, 3)), False), (np.broadcast_to(row[0], 3), True)]:
        capsule = values.__dlpack__(max_version=(1, 0))
        tensor = Tensor()
        pointer = API.PyCapsule_GetPointer(capsule, b"dltensor_versioned")
        if repeated:
            with refused("UNSUPPORTED", "one element repeated in every dimension"):
                from_dlpack(pointer, True, tensor)
            assert tensor.nbytes == 0 and not tensor.data
            continue
        from_dlpack(pointer, True, tensor)
        assert tensor.nbytes == 12 and tensor.strides[0] == 0
        arguments = (bytes(folder / "a.npy"), ctypes.byref(tensor), None, None, None, None)
        call("adit_array_create_from", *arguments)
        assert same(np.load(folder / "a.npy"), values)


def made(**fields):
    """A struct by hand: 6 f32 in 2 rows."""
    elements = np.arange(6, dtype=np.float32)
    shape, strides = (ctypes.c_int64 * 9)(2, 3), (ctypes.c_int64 * 9)(3, 1)
    tensor = DLTensor(
        data=elements.ctypes.data, device_type=1, device_id=0, ndim=2, code=2, bits=32, lanes=1,
        shape=shape, strides=strides, byte_offset=0,
    )
    versioned = Versioned(major=1, minor=0, tensor=tensor)
    for name, value in fields.items():
        setattr(versioned.tensor if hasattr(DLTensor, name) else versioned, name, value)
    return versioned, elements, shape, strides


def taken(versioned):
    """By both calls, which must agree."""
    tensors = (Tensor(), Tensor())
    failures = []
    unversioned = Unversioned(tensor=versioned.tensor)
    for tensor, struct in zip(tensors, (versioned, unversioned)):
        try:
            from_dlpack(ctypes.byref(struct), struct is versioned, tensor)
        except Exception as failure:  # raised again below
            assert bytes(tensor) == bytes(192)
            failures.append(failure)
    if failures:
        assert len(failures) == 2 and failures[0].status == failures[1].status, failures
        raise failures[0]
    assert bytes(tensors[0]) == bytes(tensors[1])
    return tensors[0]


def check_structs_made_by_hand(_):
    versioned, elements, shape, strides = made()
    assert same(view(taken(versioned)), elements.reshape(2, 3))

    # Strides left out are C order; an offset moves the first element.
    versioned, elements, *_ = made(strides=None)
    assert same(view(taken(versioned)), elements.reshape(2, 3))
    versioned, elements, shape, _ = made(byte_offset=8, ndim=1)
    shape[0], versioned.tensor.strides[0] = 4, 1
    tensor = taken(versioned)
    assert tensor.data == elements.ctypes.data + 8 and tensor.nbytes == 16

    for minor in (0, 1, 2, 9):
        tensor = Tensor()
        versioned, *kept = made(minor=minor, flags=READ_ONLY)
        from_dlpack(ctypes.byref(versioned), True, tensor)
        assert tensor.flags & constant("TENSOR_READ_ONLY")
    for major in (0, 2, 100):
        versioned, *kept = made(major=major)
        with refused("UNSUPPORTED"):
            from_dlpack(ctypes.byref(versioned), True, Tensor())

    for device in (1, 3, 11):
        versioned, *kept = made(device_type=device)
        taken(versioned)
    for device in (2, 4, 7, 8, 10, 13, 14, 0, -1):
        versioned, *kept = made(device_type=device)
        with refused("UNSUPPORTED"):
            taken(versioned)

    for fields in [{"bits": 4}, {"bits": 8}, {"bits": 128}, {"lanes": 4}, {"lanes": 0}, {"code": 3},
                   {"code": 99}, {"code": 17, "bits": 4}, {"code": 6, "bits": 1}]:
        versioned, *kept = made(**fields)
        with refused("DTYPE"):
            taken(versioned)
    for name, code in CODES.items():
        versioned, *kept = made(code=code, bits=TYPES[name].itemsize * 8)
        assert taken(versioned).dtype == NUMBERS[name]

    for ndim in (-1, 9):
        versioned, *kept = made(ndim=ndim)
        with refused("SHAPE"):
            taken(versioned)
    versioned, elements, shape, strides = made()
    shape[0] = -2
    with refused("SHAPE"):
        taken(versioned)
    shape[0], shape[1] = 2**40, 2**40
    with refused("SHAPE"):
        taken(versioned)
    shape[0], shape[1], strides[0] = 2, 3, -3
    with refused("INVALID_ARGUMENT"):
        taken(versioned)
    strides[0] = 2**62
    with refused("SHAPE"):
        taken(versioned)
    shape[0] = 1
    assert same(view(taken(versioned)), elements[:3].reshape(1, 3))
    strides[0] = -2**62
    assert same(view(taken(versioned)), elements[:3].reshape(1, 3))
    versioned, *kept = made(data=None)
    with refused("INVALID_ARGUMENT"):
        taken(versioned)
    for versioned in (True, False):
        with refused("INVALID_ARGUMENT"):
            from_dlpack(None, versioned, Tensor())


def check_what_has_no_dlpack(folder):
    path = folder / "a.npy"
    np.save(path, np.zeros(3, ">f4"))
    for versioned in (True, False):
        with Array.open(path, "COPY_ON_WRITE") as ours, refused("UNSUPPORTED"):
            Producer(ours, versioned)
    np.save(path, np.zeros((1,) * 9))
    with Array.open(path) as ours, refused("UNSUPPORTED"):
        Producer(ours)
    np.save(path, np.zeros(3))
    with Array.open(path) as ours, refused("UNSUPPORTED"):
        Producer(ours, False, 2)
    assert LIBRARY.adit_array_to_dlpack(None, None, None) == constant("ERR_INVALID_ARGUMENT")


main()
