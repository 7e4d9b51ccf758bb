"""The official safetensors package writes, the library reads."""

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from adit import NAMES, TYPES, address, constant, main, random_array, random_shape, refused, same
from model import Model
from oracle import converted, exists

# What the package calls the types that NumPy hasn't.
OFFICIAL = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8",
    "u16": "uint16", "u32": "uint32", "u64": "uint64", "f16": "float16", "f32": "float32",
    "f64": "float64", "bf16": "bfloat16", "f8_e4m3fn": "float8_e4m3fn", "f8_e5m2": "float8_e5m2",
    "complex64": "complex64",
}


def write(path, tensors, metadata=None):
    """By the package's own serialiser, which takes addresses."""
    described = {
        name: safetensors.TensorSpec(dtype=OFFICIAL[dtype], shape=values.shape,
                                     data_ptr=address(values), data_len=values.nbytes)
        for name, (dtype, values) in tensors.items()
    }
    path.unlink(missing_ok=True)
    path.write_bytes(safetensors.serialize(described, metadata))


def random_model(rng, count):
    names = list(OFFICIAL)
    tensors = {}
    for number in range(count):
        dtype = names[rng.integers(len(names))]
        tensors[f"t{number}.{dtype}.\u00e9"] = (dtype, random_array(rng, dtype, random_shape(rng, 4, 500)))
    return tensors


def check_random_models(folder):
    rng = np.random.default_rng(1)
    seen = set()
    for turn in range(60):
        tensors = random_model(rng, int(rng.integers(0, 30)))
        metadata = {f"k{n}": "v\n\u00fc" * n for n in range(turn % 4)}
        path = folder / "m.safetensors"
        write(path, tensors, metadata or None)
        theirs = safetensors.deserialize(path.read_bytes())
        with Model(path) as model:
            assert model.metadata() == metadata
            assert sorted(model.names()) == sorted(name for name, _ in theirs) == sorted(tensors)
            info = model.info()
            assert info.format == constant("MODEL_FORMAT_SAFETENSORS") and info.files == 1
            assert info.nbytes == sum(values.nbytes for _, values in tensors.values())
            for name, official in theirs:
                index = model.find(name)
                dtype, values = tensors[name]
                assert NAMES[model.tensor_info(index).dtype] == dtype
                assert model.shape(index) == tuple(official["shape"]) == values.shape
                assert model.bytes(index) == bytes(official["data"])
                for io in ("AUTO", "MAP", "READ"):
                    assert same(model.read(index, io=io), values)
                if model.tensor_info(index).alignment % values.dtype.alignment == 0 or not values.size:
                    assert same(model.view(index), values)
                else:
                    with refused("MISALIGNED", f"'{name}'"):
                        model.tensor(index)
                seen.add(dtype)
    assert seen == set(OFFICIAL)


def check_random_parts(folder):
    """Rows and columns, as every dtype that there is a conversion to."""
    rng = np.random.default_rng(2)
    path = folder / "m.safetensors"
    for _ in range(15):
        tensors = random_model(rng, 12)
        write(path, tensors)
        with Model(path) as model:
            for name, (dtype, values) in tensors.items():
                index = model.find(name)
                rows = columns = (0, 0)
                part = values
                if values.ndim >= 1 and values.shape[0] > 0:
                    start = int(rng.integers(0, values.shape[0]))
                    rows = (start, int(rng.integers(1, values.shape[0] - start + 1)))
                    part = part[start : sum(rows)]
                if values.ndim >= 2 and values.shape[-1] > 0 and rng.random() < 0.7:
                    start = int(rng.integers(0, values.shape[-1]))
                    columns = (start, int(rng.integers(1, values.shape[-1] - start + 1)))
                    part = part[..., start : sum(columns)]
                targets = [target for target in TYPES if exists(dtype, target)]
                target = targets[rng.integers(len(targets))]
                how = {"dtype": target, "rows": rows, "columns": columns}
                found = [model.read(index, io=io, **how) for io in ("AUTO", "MAP", "READ")]
                wanted = converted(np.atleast_1d(part), target).reshape(part.shape)
                assert all(same(one, wanted) for one in found), (name, how)


def check_shards(folder):
    rng = np.random.default_rng(3)
    paths, everything = [], {}
    for shard in range(3):
        tensors = {f"s{shard}.{name}": own for name, own in random_model(rng, 9).items()}
        paths.append(folder / f"model-{shard + 1:05}-of-00003.safetensors")
        write(paths[-1], tensors)
        everything |= tensors
    with Model(*paths) as model:
        assert model.info().files == 3
        assert sorted(model.names()) == sorted(everything)
        for name, (_, values) in everything.items():
            index = model.find(name)
            assert model.tensor_info(index).file == int(name[1])
            assert same(model.read(index), values)


def check_numpy_of_the_package(folder):
    path = folder / "m.safetensors"
    tensors = {"b": np.arange(7), "a": np.eye(3, dtype=np.float32),
               "c": np.ones((2, 2), ml_dtypes.bfloat16).view(np.uint16)}
    safetensors.numpy.save_file(tensors, path)
    with Model(path) as model:
        for name, values in safetensors.numpy.load_file(path).items():
            assert same(model.view(model.find(name)), values)


main()
