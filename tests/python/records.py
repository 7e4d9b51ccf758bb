"""NumPy's arrays written as arec records, read back, and loaded in batches without a copy."""

import ctypes

import numpy as np

from adit import (
    LIBRARY, NATIVE, NUMBERS, VOID, Tensor, call, constant, int64s, main, random_array,
    random_shape, refused, same, struct, tensor_of, view,
)


class Handle:
    """Something that is opened by a call and closed by another."""

    def __init__(self, close, opened, *arguments):
        self.pointer = ctypes.c_void_p()
        self._close = getattr(LIBRARY, close)
        call(opened, *arguments, ctypes.byref(self.pointer))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._close(self.pointer)
        self.pointer = ctypes.c_void_p()


def schema_of(fields):
    """Of names, each with a dtype's name and a shape, in which None is any size."""
    schema = Handle("adit_record_schema_free", "adit_record_schema_new")
    for name, (dtype, shape) in fields.items():
        dims = int64s([-1 if size is None else size for size in shape])
        call("adit_record_schema_add", schema.pointer, name.encode(), NUMBERS[dtype], len(shape), dims)
    return schema


def write(path, fields, records, **options):
    with schema_of(fields) as schema:
        own = struct("adit_record_writer_options", schema=schema.pointer, **options)
        writer = Handle("adit_record_writer_close", "adit_record_writer_create",
                        str(path).encode(), ctypes.byref(own))
    with writer:
        for record in records:
            tensors = (Tensor * len(record))(*[tensor_of(values) for values in record])
            call("adit_record_writer_append", writer.pointer, tensors, len(record))
        call("adit_record_writer_finish", writer.pointer)


def opened(path):
    return Handle("adit_record_reader_close", "adit_record_reader_open", str(path).encode(), None)


def get(reader, index, fields):
    tensors = (Tensor * fields)()
    call("adit_record_reader_get", reader.pointer, index, tensors, fields)
    return [view(tensor) for tensor in tensors]


def check_every_dtype(folder):
    """Fixed fields of every dtype and order, in files and sets."""
    rng = np.random.default_rng(1)
    for turn, align in enumerate([64, 256, 4096]):
        names = [name for name in NATIVE + VOID]
        shapes = {name: random_shape(rng, 4, 200) for name in names}
        records = []
        for number in range(30):
            record = [random_array(rng, name, shapes[name]) for name in names]
            if number % 2:
                record = [np.array(values, order="F") for values in record]
            records.append(record)
        fields = {name: (name, shapes[name]) for name in names}
        path = folder / ("set.json" if turn == 1 else "file.arec")
        write(path, fields, records, alignment=align, shard_bytes=200_000 if turn == 1 else 0)
        with opened(path) as reader:
            assert LIBRARY.adit_record_reader_len(reader.pointer) == len(records)
            for index, record in enumerate(records):
                for name, values, found in zip(names, record, get(reader, index, len(names))):
                    assert same(found, values), (index, name)
                    assert not found.flags.writeable


def check_ragged(folder):
    """Sizes of each record's own, gathered packed and padded."""
    rng = np.random.default_rng(2)
    tokens = [rng.integers(0, 60_000, rng.integers(0, 50)).astype(np.uint16) for _ in range(100)]
    path = folder / "ragged.arec"
    write(path, {"tokens": ("u16", (None,))}, [[values] for values in tokens])
    chosen = rng.permutation(100)[:40].astype(np.uint64)
    indices = chosen.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64))
    with opened(path) as reader:
        for index, values in enumerate(tokens):
            assert same(get(reader, index, 1)[0], values)
        wanted = np.concatenate([tokens[index] for index in chosen])
        offsets, packed = np.zeros(41, np.uint64), np.zeros(wanted.size, np.int32)
        options = struct("adit_gather_options", dtype=NUMBERS["i32"])
        call("adit_record_reader_gather_ragged", reader.pointer, 0, indices, 40,
             offsets.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)), packed.ctypes.data,
             packed.nbytes, ctypes.byref(options), None)
        assert np.array_equal(packed, wanted)
        assert np.array_equal(np.diff(offsets), [tokens[index].size for index in chosen])
        padded = np.full((40, 50), 7, np.uint16)
        options = struct("adit_gather_options", pad=50)
        call("adit_record_reader_gather", reader.pointer, 0, indices, 40, padded.ctypes.data,
             padded.nbytes, ctypes.byref(options), None)
        for row, index in zip(padded, chosen):
            assert np.array_equal(row[: tokens[index].size], tokens[index])
            assert not row[tokens[index].size :].any()


class Batches:
    """A loader's epoch, batch by batch: record numbers and views of the batch's own memory."""

    def __init__(self, reader, **options):
        own = struct("adit_loader_options", **options)
        self.loader = Handle("adit_loader_close", "adit_loader_open", reader.pointer,
                             ctypes.byref(own))

    def __iter__(self):
        while True:
            try:
                batch = Handle("adit_batch_release", "adit_loader_next", self.loader.pointer)
            except Exception as end:  # noqa: BLE001
                if getattr(end, "status", "") != "END":
                    raise
                return
            with batch:
                records, n = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_size_t()
                call("adit_batch_records", batch.pointer, ctypes.byref(records), ctypes.byref(n))
                tensors = []
                for index in range(LIBRARY.adit_batch_len(batch.pointer)):
                    tensor = Tensor()
                    call("adit_batch_tensor", batch.pointer, index, ctypes.byref(tensor))
                    tensors.append((tensor, view(tensor)))
                yield [records[at] for at in range(n.value)], tensors


def check_loader(folder):
    """Every record once an epoch over the ranks, lent and not copied."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (103, 5, 7)).astype(np.uint8)
    labels = np.arange(103, dtype=np.int64)
    path = folder / "loaded.arec"
    fields = {"image": ("u8", (5, 7)), "label": ("i64", ())}
    write(path, fields, [(image, np.array(label)) for image, label in zip(images, labels)])
    with opened(path) as reader:
        for world in [1, 2, 5]:
            seen = []
            for rank in range(world):
                batches = Batches(reader, batch=20, seed=7, world=world, rank=rank,
                                  uneven=constant("UNEVEN_KEEP"), block=4, window=2)
                for records, [(first, image), (_, label)] in batches:
                    valid = [at for at in records if at != 2**64 - 1]
                    assert first.data == image.__array_interface__["data"][0]
                    assert np.array_equal(image[: len(valid)], images[valid])
                    assert np.array_equal(label[: len(valid)], valid)
                    seen += valid
                batches.loader.close()
            assert sorted(seen) == list(range(103)), world


def check_refusals(folder):
    (folder / "note").write_bytes(b"no records at all, whatever the name says")
    with refused("WRONG_FORMAT", "note"):
        opened(folder / "note")
    with refused("DTYPE", "x"):
        write(folder / "a.arec", {"x": ("f32", (3,))}, [[np.zeros(3, np.float64)]])
    with refused("SHAPE", "x"):
        write(folder / "a.arec", {"x": ("f32", (3,))}, [[np.zeros(4, np.float32)]])
    assert not (folder / "a.arec").exists()


main()
