"""The library through ctypes, and what the scripts of this folder share."""

import contextlib
import ctypes
import os
import pathlib
import sys
import tempfile
import traceback

import ml_dtypes
import numpy as np

from header import Header

HEADER = Header(pathlib.Path(__file__).parents[2] / "include" / "adit.h")
LIBRARY = ctypes.CDLL(os.environ["ADIT_LIBRARY"])
for _name, (_result, _arguments) in HEADER.functions.items():
    _function = getattr(LIBRARY, _name)
    _function.restype, _function.argtypes = _result, _arguments

STATUS_NAMES = {
    number: name
    for name, number in HEADER.constants.items()
    if name.startswith(("ADIT_OK", "ADIT_ERR_", "ADIT_END", "ADIT_TIMEOUT", "ADIT_CANCELLED"))
}
Tensor = HEADER.structs["adit_tensor"]

TYPES = {
    "bool": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "f16": np.float16, "f32": np.float32, "f64": np.float64,
    "complex64": np.complex64, "complex128": np.complex128,
    "bf16": ml_dtypes.bfloat16, "f8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8_e5m2": ml_dtypes.float8_e5m2, "f8_e8m0": ml_dtypes.float8_e8m0fnu,
    "f8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
}
TYPES = {name: np.dtype(kind) for name, kind in TYPES.items()}
VOID = ["bf16", "f8_e4m3fn", "f8_e5m2", "f8_e8m0", "f8_e4m3fnuz", "f8_e5m2fnuz"]
NATIVE = [name for name in TYPES if name not in VOID]
NUMBERS = {name: LIBRARY.adit_dtype_from_name(name.encode()) for name in TYPES}
NAMES = {number: name for name, number in NUMBERS.items()}


def constant(name):
    return HEADER.constants[f"ADIT_{name}"]


class Failure(Exception):
    def __init__(self, call, status, message):
        super().__init__(f"{call}: {STATUS_NAMES[status]}: {message}")
        self.status = STATUS_NAMES[status].removeprefix("ADIT_").removeprefix("ERR_")
        self.message = message


def call(name, *arguments):
    """Calls a function that can fail, the error object aside; raises what it tells."""
    error = ctypes.c_void_p()
    status = getattr(LIBRARY, name)(*arguments, ctypes.byref(error))
    if status == 0:
        assert not error.value, f"{name} succeeds with an error object"
        return
    message = LIBRARY.adit_error_message(error).decode(errors="replace")
    if error.value:
        assert LIBRARY.adit_error_status(error) == status
    LIBRARY.adit_error_free(error)
    raise Failure(name, status, message)


@contextlib.contextmanager
def refused(status, says=""):
    """What is inside must fail with this status."""
    try:
        yield
    except Failure as failure:
        assert failure.status == status, failure
        assert says in failure.message, failure
    else:
        raise AssertionError(f"nothing failed with {status}")


def struct(name, **fields):
    """A struct of the library with its size set, and these fields."""
    made = HEADER.structs[name]()
    if hasattr(made, "struct_size"):
        made.struct_size = ctypes.sizeof(made)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def int64s(values):
    return (ctypes.c_int64 * max(1, len(values)))(*values)


def address(array):
    return array.__array_interface__["data"][0]


def tensor_of(array):
    """A NumPy array as a tensor, strides and all; it keeps the array."""
    size = array.itemsize
    assert all(stride % size == 0 for stride in array.strides)
    reach = sum((n - 1) * s for n, s in zip(array.shape, array.strides)) + size
    tensor = Tensor(
        data=address(array) if array.size else None,
        nbytes=reach if array.size else 0,
        dtype=NUMBERS[name_of(array.dtype)],
        ndim=array.ndim,
    )
    tensor.shape[: array.ndim] = array.shape
    tensor.strides[: array.ndim] = [stride // size for stride in array.strides]
    tensor.keeps = array
    return tensor


def name_of(dtype):
    (name,) = [name for name, known in TYPES.items() if known == dtype.newbyteorder("=")]
    return name


def view(tensor):
    """A tensor as a NumPy array over the same memory."""
    dtype = TYPES[NAMES[tensor.dtype]]
    shape = tuple(tensor.shape[: tensor.ndim])
    assert tensor.nbytes == np.prod(shape, dtype=np.int64) * dtype.itemsize
    if 0 in shape:
        assert not tensor.data
        array = np.empty(shape, dtype)
    else:
        assert tensor.data % dtype.alignment == 0
        memory = (ctypes.c_char * tensor.nbytes).from_address(tensor.data)
        # A stride that is never taken can be any number.
        strides = [stride * dtype.itemsize * (n > 1) for n, stride in zip(shape, tensor.strides)]
        array = np.ndarray(shape, dtype, memory, strides=strides)
    array.flags.writeable = not tensor.flags & constant("TENSOR_READ_ONLY")
    return array


class Array:
    """An adit_array; leaving a `with` closes it."""

    def __init__(self, handle):
        self.handle = handle

    @classmethod
    def open(cls, path, mode="READ", dtype=None, **fields):
        options = struct(
            "adit_array_options",
            mode=constant("ARRAY_" + mode),
            dtype=NUMBERS[dtype] if dtype else 0,
            **fields,
        )
        handle = ctypes.c_void_p()
        call("adit_array_open", os.fsencode(path), ctypes.byref(options), ctypes.byref(handle))
        return cls(handle)

    @classmethod
    def from_bytes(cls, content):
        """An array in memory."""
        data, handle = ctypes.c_void_p(), ctypes.c_void_p()
        call("adit_data_from_bytes", content, len(content), constant("BYTES_COPY"), None, None,
             ctypes.byref(data))
        try:
            call("adit_array_from_data", data, None, ctypes.byref(handle))
        finally:
            LIBRARY.adit_data_close(data)
        return cls(handle)

    @classmethod
    def create(cls, path, dtype, shape, **fields):
        options = struct("adit_array_create_options", **fields)
        handle = ctypes.c_void_p()
        call("adit_array_create", os.fsencode(path), NUMBERS[dtype], len(shape), int64s(shape),
             ctypes.byref(options), ctypes.byref(handle))
        return cls(handle)

    @classmethod
    def create_from(cls, path, array, **fields):
        options = struct("adit_array_create_options", **fields)
        handle = ctypes.c_void_p()
        call("adit_array_create_from", os.fsencode(path), ctypes.byref(tensor_of(array)),
             ctypes.byref(options), None, None, ctypes.byref(handle))
        return cls(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        LIBRARY.adit_array_close(self.handle)
        self.handle = None

    def info(self):
        info = struct("adit_array_info")
        call("adit_array_get_info", self.handle, ctypes.byref(info))
        return info

    def shape(self):
        ndim = ctypes.c_size_t()
        call("adit_array_shape", self.handle, None, 0, ctypes.byref(ndim))
        dims = int64s([-1] * ndim.value)
        call("adit_array_shape", self.handle, dims, ndim.value, ctypes.byref(ndim))
        return tuple(dims[: ndim.value])

    def tensor(self):
        tensor = Tensor()
        call("adit_array_tensor", self.handle, ctypes.byref(tensor))
        return tensor

    def view(self):
        """NumPy's array over the lent memory, good until the handle is closed."""
        return view(self.tensor())

    def bytes_mut(self):
        """The elements as writable bytes, in the file's order."""
        data, length = ctypes.c_void_p(), ctypes.c_uint64()
        call("adit_array_data_mut", self.handle, ctypes.byref(data), ctypes.byref(length))
        if not length.value:
            assert not data.value
            return np.empty(0, np.uint8)
        memory = (ctypes.c_uint8 * length.value).from_address(data.value)
        return np.frombuffer(memory, np.uint8)

    def read(self, start=None, shape=None, dtype=None, io="AUTO", flags=0):
        """A copy of a part, in a buffer that ends in bytes that must stay."""
        options = struct(
            "adit_array_read_options",
            dtype=NUMBERS[dtype] if dtype else 0,
            io=constant("IO_" + io),
            flags=flags,
        )
        # They live until the call: the struct has only their addresses.
        starts, sizes = int64s(start or []), int64s(shape or [])
        if start is not None:
            options.start, options.ndim = ctypes.addressof(starts), len(start)
        if shape is not None:
            options.shape, options.ndim = ctypes.addressof(sizes), len(shape)
        whole = self.shape()
        if shape is None:
            shape = [n - s for n, s in zip(whole, start or [0] * len(whole))]
        to = TYPES[dtype or NAMES[self.info().dtype]]
        length = int(np.prod(shape, dtype=np.int64)) * to.itemsize
        buffer = np.full(length + 64, 0xA5, np.uint8)
        tensor = Tensor()
        call("adit_array_read", self.handle, ctypes.byref(options), address(buffer), length,
             ctypes.byref(tensor))
        assert (buffer[length:] == 0xA5).all(), "written behind the buffer"
        assert TYPES[NAMES[tensor.dtype]] == to
        assert tuple(tensor.shape[: tensor.ndim]) == tuple(shape)
        assert tensor.data == (address(buffer) if length else None)
        return buffer[:length].view(to).reshape(shape)


def same(ours, theirs):
    """Equal in dtype, shape and every bit."""
    return (
        ours.dtype == theirs.dtype
        and ours.shape == theirs.shape
        and ours.tobytes() == theirs.tobytes()
    )


def random_array(rng, name, shape):
    """Any bits, NaNs of all kinds included; bools are 0 or 1."""
    dtype = TYPES[name]
    count = int(np.prod(shape, dtype=np.int64))
    raw = rng.integers(0, 2 if name == "bool" else 256, count * dtype.itemsize, np.uint8)
    return raw.view(dtype).reshape(shape)


def random_shape(rng, most_dims=6, most_elements=3000):
    while True:
        shape = tuple(int(n) for n in rng.integers(0, 14, rng.integers(0, most_dims + 1)))
        # Zeros are rarer than chance has them.
        if 0 in shape and rng.random() < 0.6:
            continue
        if np.prod(shape, dtype=np.int64) <= most_elements:
            return shape


def main():
    """Runs the script's functions that start with `check_`, each in a folder of its own."""
    script = sys.modules["__main__"]
    checks = [check for name, check in vars(script).items() if name.startswith("check_")]
    assert checks
    failed = 0
    for check in checks:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder))
                left = [name for name in os.listdir(folder) if "adit-tmp" in name]
                assert not left, f"left {left}"
            except Exception:
                failed += 1
                print(f"{check.__name__} failed:\n{traceback.format_exc()}")
    print(f"{len(checks)} checks, {failed} failed")
    sys.exit(1 if failed else 0)
