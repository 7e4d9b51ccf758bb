"""Writes *.arec and their *.json from docs/record-format.md alone.

    pip install numpy xxhash && python make_golden.py [folder]
"""
import json
import pathlib
import struct
import sys

import numpy as np
import xxhash

ANY = 2**64 - 1
# name: number in adit.h, name of the dtype, bytes and elements of a block, alignment
DTYPES = {
    "bool": (1, 1, 1, 1), "i32": (4, 4, 1, 4), "i64": (5, 8, 1, 8), "u8": (6, 1, 1, 1), "u16": (7, 2, 1, 2),
    "f16": (10, 2, 1, 2), "f32": (12, 4, 1, 4), "f64": (13, 8, 1, 8), "f4_e2m1": (23, 1, 2, 1),
    "q8_0": (108, 34, 32, 2), "q4_k": (112, 144, 256, 2),
}
FIXED, RAGGED, BYTES = 1, 2, 3
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc(data):
    state = 0xFFFFFFFF
    for byte in data:
        state = TABLE[(state ^ byte) & 255] ^ state >> 8
    return state ^ 0xFFFFFFFF


def align(number, to):
    return (number + to - 1) // to * to


class Field:
    def __init__(self, name, dtype, dims, kind=None, align_log2=None):
        self.name, self.dtype, self.dims = name, dtype, dims
        self.number, self.block_bytes, self.block, natural = DTYPES[dtype]
        self.free = dims.count(ANY)
        self.kind = kind or (RAGGED if self.free else FIXED)
        self.align_log2 = natural.bit_length() - 1 if align_log2 is None else align_log2
        self.offset = 0

    def nbytes(self, sizes):
        sizes, elements = list(sizes), 1
        for dim in self.dims:
            elements *= sizes.pop(0) if dim == ANY else dim
        return elements // self.block * self.block_bytes

    def row(self):
        dims = self.dims + [0] * (8 - len(self.dims))
        return struct.pack("<64sIBBBxQ8Q24s24x", self.name.encode(), self.number, self.kind, self.align_log2,
                           len(self.dims), self.offset, *dims, self.dtype.encode())


class File:
    """Records are lists with (own sizes, bytes) for each field."""

    def __init__(self, seed, fields, S, A=6, pages=False, D=None, R=None, compatible=0, H=None):
        self.rng = np.random.default_rng(seed)
        self.uuid, self.nonce = self.rng.bytes(16), int.from_bytes(self.rng.bytes(8), "little")
        self.fields, self.S, self.A_log2, self.A, self.pages = fields, S, A, 1 << A, pages
        end = 0
        for field in fields:
            if field.kind == FIXED:
                field.offset = align(end, 1 << field.align_log2)
                end = field.offset + field.nbytes([])
        self.fixed_end = end
        self.is_fixed = all(field.kind == FIXED for field in fields)
        self.h = 4096 if pages else self.A
        self.L = max(align(end, self.A), self.A) if self.is_fixed else 0
        self.stride = align(self.L, 4096) if pages and self.L > 4096 else self.L
        self.row_bytes = 4 * len(fields)
        if not self.is_fixed:
            self.row_bytes += 8 + 4 * sum(field.free for field in fields)
        self.R = 0
        if self.is_fixed:
            while self.place(self.R) + self.L + (self.R + 1) * self.row_bytes + self.h <= S:
                self.R += 1
            self.R = R or self.R
        self.H = H or align(128 + 192 * len(fields) + 4, 4096)
        self.D = align(self.H, min(S, 4 << 20)) if D is None else D
        head = struct.pack("<16sIIQQ16sQIBBBBQQQQQ16x", b"\x89ADITRECORDS\r\n\x1a\n", 1, self.H, compatible, 0, self.uuid,
                           self.nonce, len(fields), A, 0, 1, self.is_fixed | pages << 1, S, self.R, self.stride,
                           self.fixed_end, self.D)
        head = (head + b"".join(field.row() for field in fields)).ljust(self.H - 4, b"\0")
        self.file = bytearray(head + struct.pack("<I", crc(head)))
        self.records, self.blocks, self.s, self.E = [], [], 0, self.D
        self.told = []

    def hash(self, data):
        return xxhash.xxh3_64_intdigest(bytes(data), seed=self.nonce)

    def place(self, j):
        if self.pages and self.stride <= 4096:
            p = 4096 // self.stride
            return j // p * 4096 + j % p * self.stride
        return j * self.stride

    def record(self, values):
        """A record's bytes, each field's offset in it, all own sizes, CRCs."""
        out, offsets, sizes, crcs = bytearray(self.fixed_end), [None] * len(values), [], []
        for ragged in (False, True):
            for number, (field, (own, data)) in enumerate(zip(self.fields, values)):
                assert len(data) == field.nbytes(own), (field.name, len(data), own)
                if (field.kind != FIXED) != ragged:
                    continue
                if ragged:
                    offsets[number] = align(len(out), 1 << field.align_log2)
                    out += bytes(offsets[number] - len(out)) + data
                    sizes += own
                else:
                    offsets[number] = field.offset
                    out[field.offset:field.offset + len(data)] = data
        return out.ljust(max(align(len(out), self.A), self.A), b"\0"), offsets, sizes, [crc(data) for _, data in values]

    def block(self, values, first, s, copy=False):
        """The bytes of a block of these records, its strides, rows, and where each field lies in the block."""
        out, table, rows, lies = bytearray(self.h), b"", [], []
        for number, value in enumerate(values):
            data, offsets, sizes, crcs = self.record(value)
            start = len(out)
            if self.is_fixed:
                start = self.h + self.place(number)
            elif self.pages and (start % 4096 + len(data) - 1) // 4096 > (len(data) - 1) // 4096:
                start = align(start, 4096)
            out += bytes(start - len(out)) + data
            if not self.is_fixed:
                table += struct.pack("<II", start // self.A, len(data) // self.A)
                table += struct.pack("<%dI" % len(sizes), *sizes)
            table += struct.pack("<%dI" % len(crcs), *crcs)
            rows.append((start, len(data), sizes, crcs))
            lies.append([start + offset for offset in offsets])
        at = align(len(out), 64)
        strides = -(-(at + len(table)) // self.S)
        assert strides == 1 or len(values) == 1 and not self.is_fixed
        frame = struct.pack("<8sQQQIIQQ4x", b"ADITPART" if copy else b"ADITBLCK", self.nonce, s, first, len(values),
                            strides, at, self.hash(table))
        out[:64] = frame + struct.pack("<I", crc(frame))
        return out.ljust(at, b"\0") + table, strides, rows, lies, self.hash(table)

    def put(self, at, data):
        self.file += bytes(max(0, at - len(self.file)))
        self.file[at:at + len(data)] = data

    def add_block(self, values):
        at = self.D + self.s * self.S
        data, strides, rows, lies, table_hash = self.block(values, len(self.records), self.s)
        self.put(at, data)
        self.blocks.append((self.s, len(self.records), len(values), strides, table_hash))
        for value, row, offsets in zip(values, rows, lies):
            self.records.append((at + row[0], *row[1:]))
            self.told.append([{"offset": at + offset, "sizes": own, "bytes": data.hex()}
                              for offset, (own, data) in zip(offsets, value)])
        self.s += strides
        self.E = at + len(data)

    def add(self, values):
        """Records in as few blocks as they need."""
        values, block = list(values), []
        while values:
            block, fits = [], 0
            while fits < len(values) and not (self.is_fixed and fits == self.R):
                data, strides, *_ = self.block(values[:fits + 1], 0, 0) if fits == 0 or self.fits(values[:fits + 1]) else (0, 2)
                if strides > 1 and fits > 0:
                    break
                fits += 1
                if strides > 1:
                    break
            self.add_block(values[:fits])
            values = values[fits:]

    def fits(self, values):
        end = self.h
        for number, value in enumerate(values):
            length = len(self.record(value)[0])
            if self.is_fixed:
                end = self.h + self.place(number)
            elif self.pages and (end % 4096 + length - 1) // 4096 > (length - 1) // 4096:
                end = align(end, 4096)
            end += length
        return align(end, 64) + len(values) * self.row_bytes <= self.S

    def finish(self, metadata=None, unknown=False):
        footer = align(self.E, 4096)
        columns = [(1, 0, 32, b"".join(struct.pack("<QQIIQ", *block) for block in self.blocks))]
        if not self.is_fixed:
            columns.append((2, 0, 8, b"".join(struct.pack("<Q", start) for start, *_ in self.records)))
            columns.append((3, 0, 4, b"".join(struct.pack("<I", length // self.A) for _, length, *_ in self.records)))
            at = 0
            for number, field in enumerate(self.fields):
                if field.free:
                    rows = [sizes[at:at + field.free] for *_, sizes, _ in self.records]
                    columns.append((4, number, 4 * field.free, b"".join(struct.pack("<%dI" % field.free, *row) for row in rows)))
                    at += field.free
        for number in range(len(self.fields)):
            columns.append((5, number, 4, b"".join(struct.pack("<I", crcs[number]) for *_, crcs in self.records)))
        if metadata is not None:
            entries = [struct.pack("<II", len(key.encode()), len(value)) + key.encode() + value for key, value in metadata]
            columns.append((6, 0, 1, b"".join(entries)))
        if unknown:
            columns.append((77, 3, 5, b"later"))
        directory, body, at = b"", b"", align(48 * len(columns), 64)
        for kind, field, row_bytes, data in columns:
            directory += struct.pack("<IIIIQQQQ", kind, field, row_bytes, 0, footer + at + align(len(body), 64), len(data), self.hash(data), 0)
            body += bytes(-len(body) % 64) + data
        size = at + len(body)
        trailer = align(footer + size, 4096)
        self.put(footer, directory.ljust(at, b"\0") + body)
        numbers = [trailer, footer, size, len(directory), len(self.records), len(self.blocks), self.s, self.E, self.hash(directory)]
        head = struct.pack("<16s16s9Q", b"\x89ADITREC-END\r\n\x1a\n", self.uuid, *numbers).ljust(4092, b"\0")
        self.put(trailer, head + struct.pack("<I", crc(head)))
        self.metadata = metadata or []
        return bytes(self.file)

    def json(self):
        kinds = {FIXED: "fixed", RAGGED: "ragged", BYTES: "bytes"}
        fields = [{"name": field.name, "dtype": field.dtype, "kind": kinds[field.kind], "offset": field.offset,
                   "align": 1 << field.align_log2, "shape": [None if dim == ANY else dim for dim in field.dims]}
                  for field in self.fields]
        return {"uuid": self.uuid.hex(), "nonce": self.nonce, "fields": fields, "stride": self.S, "per_block": self.R,
                "record_stride": self.stride, "blocks": [list(block) for block in self.blocks],
                "metadata": [{"key": key, "value": value.hex()} for key, value in getattr(self, "metadata", [])],
                "bytes": len(self.file), "records": self.told}


def write(name, file):
    (folder / (name + ".arec")).write_bytes(file.file)
    (folder / (name + ".json")).write_text(json.dumps(file.json(), separators=(",", ":")) + "\n")


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)

# All fields fixed, two blocks, metadata.
file = File(1, [Field("image", "u8", [5, 7]), Field("weight", "f16", [3]), Field("label", "i64", []),
                Field("blocks", "q8_0", [2, 32]), Field("nothing", "f32", [0, 4]), Field("four", "f4_e2m1", [3, 2])], 16384)
random = lambda count: file.rng.bytes(count)
halves = lambda *shape: file.rng.standard_normal(shape).astype("<f2").tobytes()
file.add([[([], random(35)), ([], halves(3)), ([], struct.pack("<q", n - 50)), ([], random(68)), ([], b""), ([], random(3))]
          for n in range(130)])
assert len(file.blocks) == 2 and file.R == 107
file.finish([("source", "golden, größer".encode()), ("blob", bytes(range(40))), ("empty", b"")])
write("fixed", file)

# A file for the value of a field: whatever looks for blocks meets another file's.
small = File(2, [Field("x", "i32", [4])], 4096, D=4096)
small.add([[([], struct.pack("<4i", n, -n, 2 * n, 7))] for n in range(60)])
small.finish()
write("small", small)

# Fields of all kinds, empty ones, a record of three strides, an unknown column and feature.
file = File(3, [Field("jpeg", "u8", [ANY], BYTES), Field("label", "i32", []), Field("tokens", "u16", [ANY]),
                Field("boxes", "f32", [ANY, 4], align_log2=4), Field("pair", "f64", [2, ANY, 1, ANY]),
                Field("blocks", "q4_k", [ANY, 256]), Field("flags", "bool", [3])], 4096, compatible=1 << 63)
assert small.file[:16] == b"\x89ADITRECORDS\r\n\x1a\n" and len(small.file) > 2 * 4096
def ragged(n):
    jpeg = bytes(small.file) if n == 17 else random(n * 37 % 200 * (n % 5 > 0))
    tokens, boxes, a, b, rows = n % 9, n % 4, n % 3, (n + 1) % 3, int(n % 7 == 0)
    return [([len(jpeg)], jpeg), ([], struct.pack("<i", n)), ([tokens], random(2 * tokens)), ([boxes], random(16 * boxes)),
            ([a, b], file.rng.standard_normal(2 * a * b).astype("<f8").tobytes()), ([rows], random(144 * rows)), ([], b"\0\1\0")]
file.add([ragged(n) for n in range(60)])
assert any(block[3] > 2 for block in file.blocks) and len(file.blocks) > 4
file.finish([("k", b"v")], unknown=True)
write("ragged", file)

# Records of which none touches more pages than it must, of one length and of many.
file = File(4, [Field("a", "u8", [1300]), Field("b", "f32", [])], 16384, A=6, pages=True)
file.add([[([], random(1300)), ([], struct.pack("<f", n))] for n in range(20)])
assert file.stride == 1344 and file.R == 8 and len(file.blocks) == 3
file.finish()
write("pages_fixed", file)
file = File(5, [Field("a", "u8", [4500])], 32768, A=8, pages=True)
file.add([[([], random(4500))] for n in range(5)])
assert file.stride == 8192 and file.R == 3 and len(file.blocks) == 2
file.finish()
write("pages_long", file)
file = File(6, [Field("text", "u8", [ANY], BYTES), Field("id", "i64", [])], 16384, A=8, pages=True)
file.add([[([len(data)], data), ([], struct.pack("<q", n))] for n, data in
          enumerate(random(size) for size in [0, 100, 3000, 4088, 4089, 1, 7000, 255, 248, 3000, 3000, 20000, 5, 2000])])
assert any(block[3] > 1 for block in file.blocks)
file.finish()
write("pages_ragged", file)

# Aligned to pages; a header of two pages and room before the blocks; fewer records a block than fit.
file = File(7, [Field("field %d" % n, "u8", [n]) for n in range(25)], 16384, A=12, D=20480, R=2)
assert file.H == 8192
file.add([[([], random(n)) for n in range(25)] for _ in range(3)])
file.finish()
write("aligned", file)

# No records.
file = File(8, [Field("a", "u8", [ANY, 3]), Field("b", "f32", [])], 16384)
file.finish([])
write("empty", file)

# Not finished: a whole block, then copies of what the next one had, older and newer.
file = File(9, [Field("a", "u8", [ANY], BYTES), Field("b", "i32", [])], 16384)
value = lambda n: [([100 + n], random(100 + n)), ([], struct.pack("<i", n))]
file.add_block([value(n) for n in range(60)])
rest = [value(n) for n in range(60, 75)]
for s, count in [(2, 15), (3, 9)]:
    data = file.block(rest[:count], 60, 1, copy=True)[0]
    file.put(file.D + s * file.S, data)
file.told += [[{"sizes": own, "bytes": data.hex()} for own, data in value] for value in rest]
write("unfinished", file)
