"""Writes rrec_fixtures.h and npy_fixtures.h from the sidecars in tests/data.

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


rrec()
npy()
