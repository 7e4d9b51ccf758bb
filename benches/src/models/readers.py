"""The official readers, timed in a process of their own; driven by models/python.rs.

Each line asks: a name of READERS, a path, how many calls, tabs between. The answer: the seconds of
a CPU that a call took, and what the reader says it found, a tab between. An empty line asks for
versions.
"""

import sys
import time
from importlib.metadata import version

from gguf import GGUFReader
from safetensors import safe_open


def safetensors_open(path):
    with safe_open(path, framework="numpy"):
        return 0


def safetensors_find(path):
    found = 0
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():
            file.get_slice(name)
            found += 1
    return found


def gguf_open(path):
    return len(GGUFReader(path).tensors)


READERS = {
    "safetensors open": safetensors_open,
    "safetensors find": safetensors_find,
    "gguf open": gguf_open,
}


def main():
    for line in sys.stdin:
        if not line.strip():
            names = ["safetensors", "gguf", "numpy"]
            answer = ", ".join(f"{name} {version(name)}" for name in names)
            print(f"{answer}, Python {sys.version.split()[0]}", flush=True)
            continue
        name, path, count = line.rstrip("\n").split("\t")
        reader = READERS[name]
        start = time.thread_time()
        for _ in range(int(count)):
            found = reader(path)
        seconds = (time.thread_time() - start) / int(count)
        print(seconds, found, sep="\t", flush=True)


main()
