"""The library writes models, the safetensors package reads them."""

import ctypes
import json
import os

import numpy as np
import safetensors
from safetensors.numpy import load_file

from adit import LIBRARY, call, constant, int64s, main, name_of, random_array, struct

# What NumPy has of the format's dtypes, by their names there.
NATIVE = {
    "BOOL": "bool", "I8": "i8", "I16": "i16", "I32": "i32", "I64": "i64", "U8": "u8", "U16": "u16",
    "U32": "u32", "U64": "u64", "F16": "f16", "F32": "f32", "F64": "f64", "C64": "complex64",
}
# The others, with the bits of an element.
OTHER = {
    "BF16": ("bf16", 16), "F8_E4M3": ("f8_e4m3fn", 8), "F8_E5M2": ("f8_e5m2", 8),
    "F8_E8M0": ("f8_e8m0", 8), "F8_E4M3FNUZ": ("f8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("f8_e5m2fnuz", 8), "F6_E2M3": ("f6_e2m3", 6), "F6_E3M2": ("f6_e3m2", 6),
    "F4": ("f4_e2m1", 4),
}
NAMES = ["", "plain", "a.b.0.weight", '"quoted"', "back\\slash", "new\nline\ttab", "\x01\x1f\x7f",
         "é漢😀", "\u2028", "{}[]:,", "x" * 3000]


class Writer:
    """An adit_model_writer; leaving a `with` closes it."""

    def __init__(self, path, **fields):
        self.handle = ctypes.c_void_p()
        options = struct("adit_model_writer_options", **fields)
        call("adit_model_writer_create", os.fsencode(path), ctypes.byref(options),
             ctypes.byref(self.handle))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBRARY.adit_model_writer_close(self.handle)

    def declare(self, name, dtype, shape):
        index = ctypes.c_size_t()
        number = LIBRARY.adit_dtype_from_name(dtype.encode())
        call("adit_model_writer_declare", self.handle, name.encode(), number, len(shape),
             int64s(shape), ctypes.byref(index))
        return index.value

    def metadata(self, values):
        for key, value in values.items():
            call("adit_model_writer_set_metadata", self.handle, key.encode(), value.encode())

    def begin(self):
        call("adit_model_writer_begin", self.handle)

    def write(self, index, content, offset=0):
        call("adit_model_writer_write", self.handle, index, offset, content, len(content))

    def location(self, index):
        file, offset, alignment = ctypes.c_size_t(), ctypes.c_uint64(), ctypes.c_size_t()
        call("adit_model_writer_location", self.handle, index, ctypes.byref(file),
             ctypes.byref(offset), ctypes.byref(alignment))
        return file.value, offset.value, alignment.value

    def finish(self):
        call("adit_model_writer_finish", self.handle)


def save(rng, path, arrays, metadata=None, **fields):
    """Writes arrays in pieces of a random order; tells where each lies."""
    with Writer(path, **fields) as writer:
        for number, (name, array) in enumerate(arrays.items()):
            assert writer.declare(name, name_of(array.dtype), array.shape) == number
        writer.metadata(metadata or {})
        writer.begin()
        pieces = []
        for number, array in enumerate(arrays.values()):
            content = array.tobytes()
            cuts = sorted({0, len(content), *rng.integers(0, len(content) + 1, 3).tolist()})
            pieces += [(number, content[a:b], a) for a, b in zip(cuts, cuts[1:])]
        for at in rng.permutation(len(pieces)):
            writer.write(*pieces[at])
        places = [writer.location(number) for number in range(len(arrays))]
        writer.finish()
    return places


def same(found, arrays):
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        own = found[name]
        assert own.dtype == array.dtype and own.shape == array.shape, name
        assert own.tobytes() == array.tobytes(), name


def check_every_dtype_of_numpy(folder):
    rng = np.random.default_rng(1)
    path = folder / "m.safetensors"
    for _ in range(40):
        arrays = {}
        for dtype in rng.permutation(list(NATIVE)):
            shape = tuple(rng.integers(0, 9, rng.integers(0, 5)).tolist())
            arrays[f"{dtype} {shape}"] = random_array(rng, NATIVE[str(dtype)], shape)
        places = save(rng, path, arrays)
        same(load_file(path), arrays)
        with safetensors.safe_open(path, framework="np") as opened:
            assert opened.metadata() is None
            assert sorted(opened.keys()) == sorted(arrays)
            for name, array in arrays.items():
                assert opened.get_slice(name).get_shape() == list(array.shape)
                assert opened.get_tensor(name).tobytes() == array.tobytes()
        content = path.read_bytes()
        for (file, offset, alignment), array in zip(places, arrays.values()):
            assert file == 0 and offset % alignment == 0
            assert alignment == 64 or offset % (2 * alignment)
            assert alignment >= array.dtype.alignment
            assert alignment == 64 or array.nbytes % 64
            assert content[offset: offset + array.nbytes] == array.tobytes()


def check_dtypes_that_numpy_lacks(folder):
    rng = np.random.default_rng(2)
    path = folder / "m.safetensors"
    contents = {}
    with Writer(path) as writer:
        for name, (dtype, bits) in OTHER.items():
            contents[name] = rng.bytes(24 * bits // 8)
            writer.declare(name, dtype, (2, 3, 4))
        writer.begin()
        for number, content in enumerate(contents.values()):
            writer.write(number, content)
        writer.finish()
    found = dict(safetensors.deserialize(path.read_bytes()))
    assert set(found) == set(contents)
    for name, content in contents.items():
        assert found[name]["dtype"] == name
        assert found[name]["shape"] == [2, 3, 4]
        assert bytes(found[name]["data"]) == content


def check_names_and_metadata(folder):
    rng = np.random.default_rng(3)
    path = folder / "m.safetensors"
    arrays = {name: random_array(rng, "f32", (at,)) for at, name in enumerate(NAMES)}
    metadata = {name: NAMES[-1 - at] for at, name in enumerate(NAMES)}
    save(rng, path, arrays, metadata)
    same(load_file(path), arrays)
    with safetensors.safe_open(path, framework="np") as opened:
        assert opened.metadata() == metadata
    # Metadata alone, and nothing at all.
    save(rng, path, {}, {"format": "np"})
    with safetensors.safe_open(path, framework="np") as opened:
        assert opened.metadata() == {"format": "np"} and list(opened.keys()) == []
    save(rng, path, {})
    assert load_file(path) == {}


def check_the_bytes_are_those_of_the_package(folder):
    """Where its order is ours: by alignment of the dtype, then by name."""
    rng = np.random.default_rng(4)
    path = folder / "m.safetensors"
    # Its padding is to 8 bytes, so the header's length must suit both.
    for length in range(64):
        arrays = {
            "a": random_array(rng, "f64", (8, 2)), "b" * (1 + length): random_array(rng, "f32", (3,)),
            "c": random_array(rng, "f16", (5, 1)), "d": random_array(rng, "i8", (3,)),
        }
        theirs = safetensors.numpy.save(arrays, {"é\n": '"'})
        save(rng, path, arrays, {"é\n": '"'})
        ours = path.read_bytes()
        size = int.from_bytes(theirs[:8], "little")
        own_size = int.from_bytes(ours[:8], "little")
        assert (8 + own_size) % 64 == 0
        assert ours[8: 8 + own_size].rstrip(b" ") == theirs[8: 8 + size].rstrip(b" ")
        assert ours[8 + own_size:] == theirs[8 + size:]


def check_shards(folder):
    rng = np.random.default_rng(5)
    for limit in [1, 300, 1500]:
        arrays = {}
        for at in range(30):
            shape = tuple(rng.integers(0, 9, rng.integers(0, 4)).tolist())
            arrays[f"layer.{at}.é"] = random_array(rng, "f32", shape)
        own = folder / str(limit)
        own.mkdir()
        save(rng, own / "model.safetensors", arrays, {"format": "pt"}, shard_bytes=limit,
             flags=constant("MODEL_WRITER_NO_REPLACE"))
        index = json.loads((own / "model.safetensors.index.json").read_text(encoding="utf-8"))
        assert set(index) == {"metadata", "weight_map"}
        assert index["metadata"] == {"total_size": sum(a.nbytes for a in arrays.values())}
        files = sorted(set(index["weight_map"].values()))
        count = len(files)
        names = [f"model-{at:05}-of-{count:05}.safetensors" for at in range(1, count + 1)]
        assert files == names
        assert sorted(os.listdir(own)) == sorted([*names, "model.safetensors.index.json"])
        found = {}
        for name in files:
            shard = load_file(own / name)
            assert {index["weight_map"][tensor] for tensor in shard} == {name}
            sizes = [array.nbytes for array in shard.values()]
            assert sum(sizes) <= limit or max(sizes) > limit and np.count_nonzero(sizes) == 1
            with safetensors.safe_open(own / name, framework="np") as opened:
                assert opened.metadata() == {"format": "pt"}
            found |= shard
        same(found, arrays)


main()
