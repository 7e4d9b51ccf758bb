"""Writes the files of this folder that have "made_by" in their sidecars, with gguf 0.19.0.

Usage: make.py <folder>. The other files are those of the common fixtures.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
from gguf import GGUFEndian, GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

T = GGUFValueType
folder = pathlib.Path(sys.argv[1])

NUMBERS = {
    T.UINT8: [0, 1, 255],
    T.INT8: [-128, -1, 127],
    T.UINT16: [0, 258, 65535],
    T.INT16: [-32768, 258, 32767],
    T.UINT32: [0, 16909060, 4294967295],
    T.INT32: [-2147483648, 16909060, 2147483647],
    T.FLOAT32: [1.5, -0.25, 2.0**100],
    T.BOOL: [True, False, True],
    T.UINT64: [0, 72623859790382856, 2**64 - 1],
    T.INT64: [-(2**63), 72623859790382856, 2**63 - 1],
    T.FLOAT64: [1.5, -1e300, 5e-324],
}


def all_kinds(writer):
    for kind, values in NUMBERS.items():
        name = kind.name.lower()
        writer.add_key_value(f"one.{name}", values[1], kind)
        writer.add_key_value(f"many.{name}", values, T.ARRAY, sub_type=kind)
    writer.add_string("one.string", "grüße")
    writer.add_key_value("one.empty", "", T.STRING)
    writer.add_array("many.strings", ["", "a", "grüße", "x" * 300])


def tensors(writer):
    writer.add_tensor("f32", np.arange(15, dtype=np.float32).reshape(3, 5))
    writer.add_tensor("f64", np.arange(4, dtype=np.float64).reshape(2, 1, 2))
    writer.add_tensor("i16", np.arange(-3, 4, dtype=np.int16))
    writer.add_tensor("i8", np.arange(-3, 4, dtype=np.int8))
    writer.add_tensor("4d", np.arange(24, dtype=np.int32).reshape(1, 2, 3, 4))


def big_endian(writer):
    all_kinds(writer)
    tensors(writer)


def little_endian(writer):
    all_kinds(writer)
    tensors(writer)


def nested(writer):
    writer.add_array("two", [[1, 2], [3], [4, 5, 6]])
    writer.add_array("strings", [["a", "bc"], ["", "d"]])
    writer.add_array("three", [[[1.5], [2.5, 3.5]], [[4.5]]])
    writer.add_array("bools", [[True], [False, True]])
    writer.add_array("eight", [[[[[[[[7, 8]]]]]]]])
    writer.add_string("behind", "all of them")


def every_type(writer):
    for kind in GGMLQuantizationType:
        elements, size = GGML_QUANT_SIZES[kind]
        data = np.arange(3 * 2 * size, dtype=np.uint8).reshape(3, 2 * size)
        writer.add_tensor(f"t.{kind.name}", data, raw_dtype=kind)


def split(writer):
    writer.add_string("general.name", "split")
    tensors(writer)


def split_aligned(writer):
    writer.add_custom_alignment(64)
    writer.add_tensor("one", np.arange(5, dtype=np.float32))
    # Its part's data start at byte 192; the alignment of 32 that the part claims says 160.
    writer.add_tensor("two", np.arange(7, dtype=np.float32))


def types(kind, sub_type, value):
    if kind != T.ARRAY:
        return [kind.name]
    inner = GGUFValueType.get_type(value[0]) if sub_type is None else sub_type
    return [kind.name, *types(inner, None, value[0])]


def write(name, fill, **options):
    made = folder / f"{name}.gguf"
    writer = GGUFWriter(made, "made", **options)
    fill(writer)
    paths = writer.format_shard_names(made)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for path, pairs in zip(paths, writer.kv_data):
        # The reader doesn't see where the data of the second such part start.
        if name == "split_aligned":
            sidecar(path, "open_error", None)
            continue
        reader = GGUFReader(path)
        contents = {
            "alignment": int(reader.alignment),
            "data_offset": int(reader.data_offset),
            "version": 3,
            "kv": {
                key: {"types": types(pair.type, pair.sub_type, pair.value), "value": pair.value}
                for key, pair in pairs.items()
            },
            "tensors": {
                tensor.name: {
                    "type": tensor.tensor_type.name,
                    "ne": [int(n) for n in tensor.shape],
                    "n_bytes": int(tensor.n_bytes),
                    "offset_abs": int(tensor.data_offset),
                    "sha256": hashlib.sha256(tensor.data.tobytes()).hexdigest(),
                }
                for tensor in reader.tensors
            },
        }
        sidecar(path, "ok" if path == paths[0] else "open_error", contents)


def sidecar(path, expect, contents):
    data = path.read_bytes()
    about = {
        "file": path.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "format": "gguf",
        "producer": "gguf 0.19.0 (python) GGUFWriter",
        "made_by": "make.py",
        "expect": expect,
    }
    if contents is not None:
        about["contents"] = contents
    path.with_name(path.name + ".json").write_text(json.dumps(about, indent=1) + "\n")


write("little_endian", little_endian)
write("big_endian", big_endian, endianess=GGUFEndian.BIG)
write("nested", nested)
write("every_type", every_type)
write("split", split, split_max_tensors=2)
write("split_aligned", split_aligned, split_max_tensors=1)
