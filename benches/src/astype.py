"""NumPy's conversions and the library's, in turn, in one process; driven by numpy.rs.

    astype.py LIBADIT ROUNDS RUN_BYTES SIZE...

A SIZE is of bytes read and written together. Lines of what was measured, fields between tabs:
"sample", name, size, peer, and for each round the seconds of a call of ours and of the peer's, a
comma between them. Other lines say what was left out, and why.
"""

import ctypes
import sys
import time

import numpy as np

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

# Name of the C function, dtypes from and to.
PAIRS = [
    ("f16", "f32", "adit_f16_to_f32"),
    ("f32", "f16", "adit_f32_to_f16"),
    ("bf16", "f32", "adit_bf16_to_f32"),
    ("f32", "bf16", "adit_f32_to_bf16"),
]


def seconds(count, call):
    start = time.thread_time()
    for _ in range(count):
        call()
    return (time.thread_time() - start) / count


def measure(function, name, from_dtype, to_dtype, size, rounds, run_bytes):
    elements = size // (from_dtype.itemsize + to_dtype.itemsize)
    source = np.random.default_rng(11).random(elements, np.float32).astype(from_dtype)
    ours, theirs = np.zeros(elements, to_dtype), np.zeros(elements, to_dtype)
    source_at, ours_at = source.ctypes.data, ours.ctypes.data

    def convert():
        if function(source_at, ours_at, elements, None) != 0:
            sys.exit(f"{name}: the library refused")

    convert()
    sides = {
        "astype": lambda: source.astype(to_dtype),
        "copyto a kept array": lambda: np.copyto(theirs, source, casting="unsafe"),
    }
    if not np.array_equal(source.astype(to_dtype).view("u1"), ours.view("u1")):
        sys.exit(f"{name}: other values than NumPy's")
    count = max(1, run_bytes // size)
    for peer, call in sides.items():
        samples = []
        for turn in range(rounds + 1):
            sample = (seconds(count, convert), seconds(count, call))
            if turn > 0:
                samples.append(f"{sample[0]!r},{sample[1]!r}")
        print("sample", name, size, peer, *samples, sep="\t", flush=True)


def main():
    library, rounds, run_bytes, *sizes = sys.argv[1:]
    adit = ctypes.CDLL(library)
    dtypes = {"f16": np.dtype(np.float16), "f32": np.dtype(np.float32)}
    versions = f"NumPy {np.__version__}"
    if ml_dtypes is None:
        print("skipped: bf16, as this Python has no ml_dtypes")
    else:
        dtypes["bf16"] = np.dtype(ml_dtypes.bfloat16)
        versions += f", ml_dtypes {ml_dtypes.__version__}"
    print("versions", versions, sep="\t")
    for source, target, function in PAIRS:
        if source not in dtypes or target not in dtypes:
            continue
        function = getattr(adit, function)
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
        function.restype = ctypes.c_int32
        for size in sizes:
            measure(
                function,
                f"{source} to {target}",
                dtypes[source],
                dtypes[target],
                int(size),
                int(rounds),
                int(run_bytes),
            )


main()
