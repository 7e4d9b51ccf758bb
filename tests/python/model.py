"""Models through ctypes, for the scripts of this folder."""

import ctypes
import os

import numpy as np

from adit import HEADER, LIBRARY, NAMES, NUMBERS, TYPES, Tensor, address, call, constant, struct, view

DTYPE_NAMES = {
    number: name.removeprefix("ADIT_DTYPE_").lower()
    for name, number in HEADER.constants.items()
    if name.startswith("ADIT_DTYPE_")
}


class Model:
    """An adit_model; leaving a `with` closes it."""

    def __init__(self, *paths, **fields):
        options = struct("adit_model_options", **fields)
        self.handle = ctypes.c_void_p()
        names = (ctypes.c_char_p * len(paths))(*map(os.fsencode, paths))
        if len(paths) == 1:
            call("adit_model_open", names[0], ctypes.byref(options), ctypes.byref(self.handle))
        else:
            call("adit_model_open_files", names, len(paths), ctypes.byref(options),
                 ctypes.byref(self.handle))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBRARY.adit_model_close(self.handle)

    def __len__(self):
        return LIBRARY.adit_model_len(self.handle)

    def info(self):
        info = struct("adit_model_info")
        call("adit_model_get_info", self.handle, ctypes.byref(info))
        return info

    def name(self, index):
        return self._text("adit_model_name", index)

    def _text(self, function, *arguments):
        text, length = ctypes.c_void_p(), ctypes.c_size_t()
        call(function, self.handle, *arguments, ctypes.byref(text), ctypes.byref(length))
        return ctypes.string_at(text.value, length.value).decode()

    def names(self):
        return [self.name(index) for index in range(len(self))]

    def find(self, name):
        index = ctypes.c_size_t()
        call("adit_model_find", self.handle, name.encode(), ctypes.byref(index))
        return index.value

    def tensor_info(self, index):
        info = struct("adit_model_tensor_info")
        call("adit_model_get_tensor_info", self.handle, index, ctypes.byref(info))
        return info

    def shape(self, index):
        dims, ndim = (ctypes.c_int64 * 8)(), ctypes.c_size_t()
        call("adit_model_shape", self.handle, index, dims, 8, ctypes.byref(ndim))
        return tuple(dims[: ndim.value])

    def tensor(self, index, align=0):
        tensor = Tensor()
        call("adit_model_tensor", self.handle, index, align, ctypes.byref(tensor))
        return tensor

    def view(self, index):
        return view(self.tensor(index))

    def bytes(self, index):
        """The elements' bytes, at whatever address."""
        tensor = self.tensor(index, 1)
        return ctypes.string_at(tensor.data, tensor.nbytes) if tensor.nbytes else b""

    def read(self, index, dtype=None, rows=(0, 0), columns=(0, 0), io="AUTO", flags=0):
        """A copy of a part, in a buffer that ends in bytes that must stay. `rows` and `columns`
        are where they start and how many they are."""
        options = struct(
            "adit_model_read_options", dtype=NUMBERS[dtype] if dtype else 0,
            row_start=rows[0], row_count=rows[1], column_start=columns[0], column_count=columns[1],
            io=constant("IO_" + io), flags=flags,
        )
        nbytes = ctypes.c_uint64()
        call("adit_model_read_size", self.handle, index, ctypes.byref(options), ctypes.byref(nbytes))
        buffer = np.full(nbytes.value + 64, 0xA5, np.uint8)
        tensor = Tensor()
        call("adit_model_read", self.handle, index, ctypes.byref(options), address(buffer),
             nbytes.value, ctypes.byref(tensor))
        assert (buffer[nbytes.value :] == 0xA5).all(), "written behind the buffer"
        assert tensor.nbytes == nbytes.value
        assert tensor.data == (address(buffer) if nbytes.value else None)
        shape = tuple(tensor.shape[: tensor.ndim])
        values = buffer[: nbytes.value]
        name = NAMES.get(tensor.dtype)
        return values.view(TYPES[name]).reshape(shape) if name else values

    def metadata(self):
        """All keys with their values."""
        count = LIBRARY.adit_model_metadata_count(self.handle)
        return {
            self._text("adit_model_metadata_key", value): self.value(value) for value in range(count)
        }

    def value(self, value):
        kind = self._one("adit_model_metadata_type", ctypes.c_int32, value)
        if kind == constant("METADATA_STRING"):
            return self._text("adit_model_metadata_string", value)
        if kind == constant("METADATA_BOOL"):
            return self._one("adit_model_metadata_bool", ctypes.c_bool, value)
        if kind in (constant("METADATA_F32"), constant("METADATA_F64")):
            return self._one("adit_model_metadata_f64", ctypes.c_double, value)
        if kind != constant("METADATA_ARRAY"):
            signed = kind in {constant(f"METADATA_I{bits}") for bits in (8, 16, 32, 64)}
            kind = ("i64", ctypes.c_int64) if signed else ("u64", ctypes.c_uint64)
            return self._one(f"adit_model_metadata_{kind[0]}", kind[1], value)
        return self._array(value)

    def _one(self, function, kind, *arguments):
        out = kind()
        call(function, self.handle, *arguments, ctypes.byref(out))
        return out.value

    def _array(self, value):
        kind = self._one("adit_model_metadata_array_type", ctypes.c_int32, value)
        count = self._one("adit_model_metadata_array_len", ctypes.c_uint64, value)
        if kind == constant("METADATA_STRING"):
            return [self._text("adit_model_metadata_array_string", value, at) for at in range(count)]
        if kind == constant("METADATA_ARRAY"):
            nested = (
                self._one("adit_model_metadata_array_nested", ctypes.c_size_t, value, at)
                for at in range(count)
            )
            return [self.value(own) for own in nested]
        (name,) = [
            name for name in ("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "u64", "i64", "f64")
            if constant("METADATA_" + name.upper()) == kind
        ]
        own = np.empty(count, TYPES[name])
        call("adit_model_metadata_array_read", self.handle, value, 0, count, address(own), own.nbytes)
        return own.tolist()
