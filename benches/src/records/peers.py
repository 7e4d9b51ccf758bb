"""Sets of records written and read by others; each line asked for is answered by one."""
import os, sys, time
import numpy as np

BATCH = 256
state = {}


def data(count, size):
    rng = np.random.default_rng(3)
    pool = rng.integers(0, 256, 1 << 24, dtype=np.uint8)
    return lambda i: pool[(i * 64 * 1021) % ((1 << 24) - size) :][:size]


def write_array_record(path, count, size):
    from array_record.python import array_record_module as m
    row = data(count, size)
    w = m.ArrayRecordWriter(path, "group_size:1,uncompressed")
    for i in range(count):
        w.write(row(i).tobytes())
    w.close()


def open_array_record(path):
    from array_record.python import array_record_module as m
    r = m.ArrayRecordReader(path, "readahead_buffer_size:0")
    return lambda idx: r.read(idx.tolist())


def open_array_record_kept(path):
    from array_record.python import array_record_module as m
    r = m.ArrayRecordReader(path, "readahead_buffer_size:0")
    out = state["out"]

    def read(idx):
        for k, b in enumerate(r.read(idx.tolist())):
            out[k] = np.frombuffer(b, np.uint8)

    return read


def write_lmdb(path, count, size):
    import lmdb
    row = data(count, size)
    env = lmdb.open(path, map_size=1 << 36, sync=False)
    with env.begin(write=True) as t:
        for i in range(count):
            t.put(i.to_bytes(4, "big"), row(i).tobytes(), append=True)
    env.close()


def open_lmdb(path):
    import lmdb
    env = lmdb.open(path, map_size=1 << 36, readonly=True, lock=False, readahead=False)
    t = env.begin(buffers=True)
    out = state["out"]

    def read(idx):
        get = t.get
        for k, i in enumerate(idx.tolist()):
            out[k] = np.frombuffer(get(i.to_bytes(4, "big")), np.uint8)

    return read


def write_h5py(path, count, size):
    import h5py
    row = data(count, size)
    with h5py.File(path, "w", libver="latest") as f:
        d = f.create_dataset("x", (count, size), np.uint8)
        for i in range(0, count, 1024):
            n = min(1024, count - i)
            d[i : i + n] = np.stack([row(j) for j in range(i, i + n)])


def open_h5py(path):
    import h5py
    d = h5py.File(path, "r")["x"]
    # Lists of places have to rise in h5py, and have none twice.
    return lambda idx: d[np.unique(idx)]


def write_mds(path, count, size):
    from streaming import MDSWriter
    row = data(count, size)
    with MDSWriter(out=path, columns={"x": f"ndarray:uint8:{size}"}, size_limit=1 << 26) as w:
        for i in range(count):
            w.write({"x": row(i)})


def open_mds(path):
    from streaming import StreamingDataset
    d = StreamingDataset(local=path, remote=None, shuffle=False, batch_size=BATCH)
    out = state["out"]

    def read(idx):
        for k, i in enumerate(idx.tolist()):
            out[k] = d[i]["x"]

    return read


KINDS = {
    "array_record": (write_array_record, open_array_record),
    "array_record, copied": (None, open_array_record_kept),
    "lmdb": (write_lmdb, open_lmdb),
    "h5py": (write_h5py, open_h5py),
    "mds": (write_mds, open_mds),
}


def version(name):
    from importlib.metadata import version as v
    return v(name)


def answer(words):
    what = words[0]
    if what == "version":
        return version(words[1])
    if what == "write":
        kind, path, count, size = words[1], words[2], int(words[3]), int(words[4])
        KINDS[kind][0](path, count, size)
        return "ok"
    if what == "open":
        kind, path, count, size = words[1], words[2], int(words[3]), int(words[4])
        state["out"] = np.zeros((BATCH, size), np.uint8)
        state[kind] = (KINDS[kind][1](path), count)
        return "ok"
    if what == "read":
        kind, seed, batches = words[1], int(words[2]), int(words[3])
        read, count = state[kind]
        idx = np.random.default_rng(seed).integers(0, count, (batches, BATCH))
        start = time.perf_counter()
        for row in idx:
            read(row)
        return repr((time.perf_counter() - start) / batches)
    raise ValueError(what)


# What packages print goes elsewhere: answers alone stand on the output.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    try:
        told = answer(line.rstrip("\n").split("\t"))
    except Exception as error:  # Told and left out by the one who asked.
        told = f"failed: {type(error).__name__}: {error}".replace("\n", " ")
    print(told, file=answers, flush=True)
# Shared memory is given back.
state.clear()
