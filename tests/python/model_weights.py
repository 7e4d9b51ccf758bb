"""Real weights: all-MiniLM-L6-v2, by the official packages and by the example programs."""

import os
import subprocess

import gguf
import google_crc32c
import numpy as np
import safetensors
import safetensors.numpy

from adit import NAMES, constant, main, same
from model import Model

WEIGHTS = os.environ["ADIT_WEIGHTS"]
LIST, EMBED = os.environ["ADIT_WEIGHTS_PROGRAM"], os.environ["ADIT_EMBED_PROGRAM"]
TOKENS = [101, 7592, 2088, 1997, 30521, 0, 102]


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.returncode, done.stdout[-500:], done.stderr)
    return done.stdout


def official():
    return safetensors.numpy.load_file(WEIGHTS)


def checksum(tensors):
    """CRC-32C of all tensors' bytes in the order of their names."""
    crc = 0
    for name in sorted(tensors):
        crc = google_crc32c.extend(crc, tensors[name].tobytes())
    return f"{crc:08x}"


def listed(path):
    """What the example tells: a row for each tensor, and the checksum of all."""
    lines = said(LIST, "-c", "-m", path).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("name "))
    assert lines[-1].startswith("crc-32c of all tensors: ")
    rows = {}
    for line in lines[start + 1 : -1]:
        front, shape, back = line.replace("[", "]").split("]")
        name, dtype = front.split()
        nbytes, _, offset, crc = back.split()
        rows[name] = (dtype, [int(n) for n in shape.split(",")], int(nbytes), int(offset), crc)
    return rows, lines[-1].split()[-1]


def check_every_tensor_is_what_the_package_has(_):
    with open(WEIGHTS, "rb") as file:
        theirs = dict(safetensors.deserialize(file.read()))
    with Model(WEIGHTS) as model, safetensors.safe_open(WEIGHTS, "numpy") as opened:
        assert sorted(model.names()) == sorted(theirs) and len(model) > 100
        assert model.metadata() == opened.metadata()
        arrays = official()
        for name, own in theirs.items():
            index = model.find(name)
            assert model.shape(index) == tuple(own["shape"])
            assert model.bytes(index) == bytes(own["data"]), name
            assert same(model.view(index), arrays[name])
            assert same(model.read(index), arrays[name])


def check_table_and_checksum(_):
    arrays = official()
    rows, crc = listed(WEIGHTS)
    assert crc == checksum(arrays)
    assert rows.keys() == arrays.keys()
    content = np.memmap(WEIGHTS, np.uint8, "r")
    for name, (dtype, shape, nbytes, offset, own) in rows.items():
        array = arrays[name]
        assert NAMES[constant("DTYPE_" + dtype.upper())] == dtype
        assert tuple(shape) == array.shape and nbytes == array.nbytes
        assert content[offset : offset + nbytes].tobytes() == array.tobytes()
        assert own == f"{google_crc32c.value(array.tobytes()):08x}"


def write_gguf(path, arrays, kind):
    """All floats as one type; where rows are no whole blocks, as F32."""
    stored = {}
    writer = gguf.GGUFWriter(path, "bert")
    for name, array in arrays.items():
        own = gguf.GGMLQuantizationType.F32
        block = gguf.GGML_QUANT_SIZES[kind][0]
        if array.dtype == np.float32 and array.shape[-1] % block == 0:
            own = kind
            array = gguf.quants.quantize(array, kind)
        stored[name] = (own, array)
        if array.dtype == np.int64:
            writer.add_tensor(name, array)
        else:
            writer.add_tensor(name, array, raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def queries(arrays):
    """What the example computes, in f64 from the embedding on."""
    word, place, kind = (arrays[f"embeddings.{name}_embeddings.weight"]
                         for name in ("word", "position", "token_type"))
    x = word[TOKENS].astype("f8") + place[: len(TOKENS)] + kind[0]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    x = x * arrays["embeddings.LayerNorm.weight"] + arrays["embeddings.LayerNorm.bias"]
    front = "encoder.layer.0.attention.self.query."
    return x @ arrays[front + "weight"].astype("f8").T + arrays[front + "bias"]


def compare_embedding(path, arrays):
    wanted = queries(arrays)
    lines = said(EMBED, path, *map(str, TOKENS)).splitlines()
    assert len(lines) == len(TOKENS)
    for token, line, own in zip(TOKENS, lines, wanted):
        numbers = [float(number) for number in line.replace("|", " ").split()]
        assert numbers[0] == token
        assert np.allclose(numbers[1:5], own[:4], rtol=1e-5, atol=1e-4), (line, own[:4])
        assert abs(numbers[5] - np.linalg.norm(own)) < 1e-3, (line, np.linalg.norm(own))


def check_first_layers(_):
    compare_embedding(WEIGHTS, official())


def check_as_gguf(folder):
    """F32, F16 and Q8_0 files: the bytes that the package wrote, and read as f32 what it makes of
    them; the embedding of each."""
    arrays = official()
    for kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16,
                 gguf.GGMLQuantizationType.Q8_0):
        path = str(folder / f"{kind.name}.gguf")
        stored = write_gguf(path, arrays, kind)
        floats = {}
        with Model(path) as model:
            assert sorted(model.names()) == sorted(arrays)
            for name, (own, data) in stored.items():
                index = model.find(name)
                assert model.shape(index) == arrays[name].shape
                assert model.bytes(index) == data.tobytes(), name
                if arrays[name].dtype != np.float32:
                    assert same(model.view(index), arrays[name])
                    continue
                assert model.tensor_info(index).ggml_type == own.value
                wanted = gguf.quants.dequantize(data, own).reshape(arrays[name].shape)
                floats[name] = model.read(index, "f32")
                assert same(floats[name], wanted), name
        compare_embedding(path, floats)
        rows, crc = listed(path)
        assert len(rows) == len(arrays)
        assert crc == checksum({name: data for name, (_, data) in stored.items()})
        # However it is stored, the model is one.
        if kind == gguf.GGMLQuantizationType.F32:
            assert crc == checksum(arrays)


main()
