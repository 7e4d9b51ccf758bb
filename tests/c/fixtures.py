"""Writes the headers of fixtures (..._fixtures.h) from the sidecars in tests/data.

Run in this folder. The hashes are those that the fixtures' makers wrote down.
"""

import json
import pathlib

DATA = pathlib.Path("../data")
RREC_DTYPES = {"F32": "ADIT_DTYPE_F32", "F16": "ADIT_DTYPE_F16"}
NPY_DTYPES = {
    "b1": "BOOL", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8", "u2": "U16",
    "u4": "U32", "u8": "U64", "f2": "F16", "f4": "F32", "f8": "F64", "c8": "COMPLEX64",
    "c16": "COMPLEX128",
}
SAFETENSORS_DTYPES = {
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "bool": "BOOL",
    "float8_e4m3fn": "F8_E4M3FN", "float8_e5m2": "F8_E5M2",
    **{f"{sign}int{bits}": f"{sign.upper() or 'I'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
GGML_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "I32": 26}
HEAD = """/* Written by fixtures.py from the sidecars in tests/data. */
#ifndef {guard}
#define {guard}

#include <adit.h>

"""


def sidecars(folder):
    for path in sorted((DATA / folder).glob("*.json")):
        sidecar = json.loads(path.read_text())
        if sidecar["expect"] in ("ok", "either"):
            yield sidecar


def dims(shape):
    return "{ " + (", ".join(str(dim) for dim in shape) or "0") + " }"


def rrec():
    files, tensors = [], []
    for sidecar in sidecars("rrec"):
        contents = sidecar["contents"]
        files.append(
            f'    {{ "rrec/{sidecar["file"]}", {contents["num_records"]},\n'
            f'      {{ "{contents["all_inputs_sha256"]}",\n'
            f'        "{contents["all_targets_sha256"]}" }} }},\n'
        )
        for record in contents["records"]:
            for field, name in enumerate(("input", "target")):
                tensor = record[name]
                shape = tensor["shape"]
                tensors.append(
                    f'    {{ "rrec/{sidecar["file"]}", {record["i"]}, {field}, '
                    f'{RREC_DTYPES[tensor["dtype"]]}, {len(shape)}, {dims(shape)},\n'
                    f'      "{tensor["sha256"]}" }},\n'
                )
    with open("rrec_fixtures.h", "w") as out:
        out.write(HEAD.format(guard="RREC_FIXTURES_H"))
        out.write(
            "/* A file's records, and the hashes of all its inputs and all its targets. */\n"
            "static const struct rrec_file {\n    const char *name;\n    uint64_t records;\n"
            "    const char *sha256[2];\n} rrec_files[] = {\n"
        )
        out.writelines(files)
        out.write(
            "};\n\n/* A tensor of a record, and the hash of its elements. */\n"
            "static const struct rrec_tensor {\n    const char *name;\n    uint64_t index;\n"
            "    int field;\n    int32_t dtype, ndim;\n    int64_t shape[8];\n"
            "    const char *sha256;\n} rrec_tensors[] = {\n"
        )
        out.writelines(tensors)
        out.write("};\n\n#endif\n")


def npy():
    rows = []
    for sidecar in sidecars("npy"):
        contents = sidecar["contents"]
        descr = contents["dtype"]
        rows.append(
            f'    {{ "npy/{sidecar["file"]}", ADIT_DTYPE_{NPY_DTYPES[descr[1:]]}, '
            f'{"true" if descr[0] == ">" else "false"}, '
            f'{"true" if contents.get("fortran_order") else "false"},\n'
            f'      {len(contents["shape"])}, {dims(contents["shape"])},\n'
            f'      "{contents["data_sha256_c_order"]}" }},\n'
        )
    with open("npy_fixtures.h", "w") as out:
        out.write(HEAD.format(guard="NPY_FIXTURES_H"))
        out.write(
            "/* An array, and the hash of its elements in C order and in the file's byte order. */\n"
            "static const struct npy_file {\n    const char *name;\n    int32_t dtype;\n"
            "    bool big_endian, fortran_order;\n    int32_t ndim;\n    int64_t shape[8];\n"
            "    const char *sha256;\n} npy_files[] = {\n"
        )
        out.writelines(rows)
        out.write("};\n\n#endif\n")


def safetensors_tensors(path, contents):
    """Name, dtype, ggml type, shape, offset, bytes, hash; in the order of the data."""
    content = path.read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_bytes])
    for name, tensor in contents["tensors"].items():
        begin, end = header[name]["data_offsets"]
        dtype = SAFETENSORS_DTYPES.get(tensor["dtype"], tensor["dtype"])
        yield (name, dtype, 0, tensor["shape"], 8 + header_bytes + begin, end - begin,
               tensor["sha256"])


def gguf_tensors(_, contents):
    for name, tensor in contents["tensors"].items():
        dtype = tensor["type"]
        yield (name, dtype, GGML_TYPES[dtype], tensor["ne"][::-1], tensor["offset_abs"],
               tensor["n_bytes"], tensor["sha256"])


def models():
    files, tensors, bad = [], [], []
    for folder, found in (("safetensors", safetensors_tensors), ("gguf", gguf_tensors)):
        for path in sorted((DATA / folder).glob("*.json")):
            sidecar = json.loads(path.read_text())
            if sidecar.get("expect") == "open_error":
                bad.append(f'    "{folder}/{sidecar["file"]}",\n')
            if sidecar.get("expect") != "ok" or "tensors" not in sidecar.get("contents", {}):
                continue
            contents = sidecar["contents"]
            own = list(found(path.with_suffix(""), contents))
            keys = len(contents.get("kv") or contents.get("metadata") or {})
            total = sum(nbytes for *_, nbytes, _ in own)
            files.append(
                f'    {{ "{folder}/{sidecar["file"]}", ADIT_MODEL_FORMAT_{folder.upper()}, '
                f"{len(own)}, {keys}, {total} }},\n"
            )
            for name, dtype, ggml, shape, offset, nbytes, sha256 in own:
                tensors.append(
                    f'    {{ "{folder}/{sidecar["file"]}", "{name}", ADIT_DTYPE_{dtype}, {ggml}, '
                    f"{len(shape)}, {dims(shape)}, {offset}, {nbytes},\n"
                    f'      "{sha256}" }},\n'
                )
    with open("model_fixtures.h", "w") as out:
        out.write(HEAD.format(guard="MODEL_FIXTURES_H"))
        out.write(
            "/* A model of one file: tensors, keys, bytes of all tensors. */\n"
            "static const struct model_file {\n    const char *name;\n    int32_t format;\n"
            "    size_t tensors, keys;\n    uint64_t nbytes;\n} model_files[] = {\n"
        )
        out.writelines(files)
        out.write(
            "};\n\n/* A tensor of a model, and the hash of its bytes. */\n"
            "static const struct model_tensor {\n    const char *file, *name;\n"
            "    int32_t dtype;\n    uint32_t ggml_type, ndim;\n    int64_t shape[8];\n"
            "    uint64_t offset, nbytes;\n    const char *sha256;\n} model_tensors[] = {\n"
        )
        out.writelines(tensors)
        out.write("};\n\n/* Those that must not open. */\nstatic const char *const bad_models[] = {\n")
        out.writelines(bad)
        out.write("};\n\n#endif\n")


def literal(data):
    """Bytes as a C string, each of them escaped."""
    return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


def foreign_stores():
    files, values = [], []
    for folder, layout in (("store010", "PACKED_19"), ("store017", "ALIGNED_64")):
        for path in sorted((DATA / folder).glob("*.json")):
            sidecar = json.loads(path.read_text())
            name = f'"{folder}/{sidecar["file"]}"'
            if sidecar["expect"] not in ("ok", "recover", "checksum_error"):
                continue
            contents = sidecar["contents"]
            corrupt = [bytes.fromhex(key) for key in contents.get("corrupt_keys", [])]
            newest = contents["final_newest_wins"]
            valid = contents.get("valid_prefix_bytes", sidecar["bytes"])
            files.append(
                f"    {{ {name}, ADIT_FOREIGN_{layout}, {contents['entry_count']}, {valid}, "
                f"{len(newest) + len(corrupt)} }},\n"
            )
            for key, value in newest.items():
                by_hash = key.startswith("hash:")
                number = key.removeprefix("hash:") if by_hash else "0"
                key = b"" if by_hash else bytes.fromhex(key)
                values.append(
                    f"    {{ {name}, {'NULL' if by_hash else literal(key)}, {len(key)},\n"
                    f"      UINT64_C(0x{number}), {value['len']}, \"{value['sha256']}\" }},\n"
                )
            for key in corrupt:
                values.append(f"    {{ {name}, {literal(key)}, {len(key)},\n      0, 0, NULL }},\n")
    with open("foreign_fixtures.h", "w") as out:
        out.write(HEAD.format(guard="FOREIGN_FIXTURES_H"))
        out.write(
            "/* A store of simd-r-drive: entries, the bytes that are sound, keys that are there. */\n"
            "static const struct foreign_file {\n    const char *name;\n    int32_t layout;\n"
            "    uint64_t entries, valid_bytes, live;\n} foreign_files[] = {\n"
        )
        out.writelines(files)
        out.write(
            "};\n\n/* What a key has, the key being known or its hash alone; without a hash of its own\n"
            "   it is damaged. */\n"
            "static const struct foreign_value {\n    const char *name, *key;\n    size_t key_len;\n"
            "    uint64_t hash;\n    size_t len;\n    const char *sha256;\n} foreign_values[] = {\n"
        )
        out.writelines(values)
        out.write("};\n\n#endif\n")


rrec()
npy()
models()
foreign_stores()
