"""Writes golden*.adit, their indexes and golden.json from docs/store-format.md alone.

    pip install xxhash && python make_golden.py [folder]
"""
import json
import pathlib
import struct
import sys

import xxhash

TYPES = {"put": 1, "delete": 2, "epoch": 3, "tensor": 4}
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


def page(head):
    head = head.ljust(4092, b"\0")
    return head + struct.pack("<I", crc(head))


class Log:
    def __init__(self, uuid, seed, log2):
        self.uuid, self.seed, self.align = uuid, seed, 1 << log2
        self.file = bytearray(16384)
        head = struct.pack("<16sIIQQQ16sQI", b"\x89ADITKVSTORE\r\n\x1a\n", 1, 16384, 0, 0, 0, uuid, seed, log2)
        self.file[:4096] = page(head)
        self.last, self.chain, self.live, self.records = 0, self.hash(uuid), {}, []
        self.durable, self.sequence, self.slots = 16384, 0, []
        self.checkpoint()

    def hash(self, data):
        return xxhash.xxh3_64_intdigest(data, seed=self.seed)

    def live_bytes(self):
        return sum(self.records[number]["end"] - self.records[number]["offset"] for number in self.live.values())

    def checkpoint(self):
        self.sequence += 1
        self.durable = len(self.file)
        numbers = [self.durable, self.last, self.chain, len(self.records), len(self.live), self.live_bytes()]
        slot = struct.pack("<8s7Q56x", b"ADITSLOT", self.sequence, *numbers)
        at = 4096 if self.sequence % 2 else 8192
        self.file[at : at + 128] = slot + struct.pack("<Q", self.hash(self.uuid + slot))
        self.slots.append(dict(zip(["tail", "last", "chain", "records", "live", "live_bytes"], numbers)))

    def batch(self, *entries, torn=False):
        for kind, key, *value in entries:
            offset, value, prefix = len(self.file), value[0] if value else b"", b""
            if kind == "tensor":
                (number, name, shape), value = value
                prefix = struct.pack("<II8Q24s32x", number, len(shape), *(shape + [0] * 8)[:8], name.encode())
            key_end = offset + 48 + len(key)
            start = align(key_end + len(prefix), self.align) if kind in ("put", "tensor") else key_end
            last = not torn and key == entries[-1][1] and kind == entries[-1][0]
            distance = (offset - self.durable) // 64
            head = struct.pack("<4sBBHQQII", b"ADR1", TYPES[kind], last, len(key), len(value),
                               self.hash(key), crc(prefix + value), distance)
            before = struct.pack("<QQ", self.chain, self.last)
            self.chain = self.hash(self.uuid + struct.pack("<Q", offset) + head + before)
            head += struct.pack("<QQ", self.chain, self.last)
            self.file += (head + key).ljust(start - len(prefix) - offset, b"\0") + prefix + value
            self.file += bytes(align(len(self.file), 64) - len(self.file))
            self.last = offset
            self.records.append({"offset": offset, "type": kind, "last": last, "key": key.hex(), "value_offset": start,
                                 "value_len": len(value), "value_crc": crc(value), "durable_distance": distance,
                                 "chain": self.chain, "end": len(self.file), "counts": not torn})
            if not torn and kind != "epoch":
                self.live.pop(key, None)
                if kind != "delete":
                    self.live[key] = len(self.records) - 1

    def index(self):
        # Any number of home buckets will do: a load of three in four.
        buckets = max(1, -(-len(self.live) // 3))
        places, cursor = [(0, 0)] * (buckets * 4), 0
        for h, offset in sorted((self.hash(key), self.records[number]["offset"]) for key, number in self.live.items()):
            cursor = max(cursor, (h * buckets >> 64) * 4)
            places += [(0, 0)] * (cursor + 1 - len(places))
            places[cursor] = (h, offset)
            cursor += 1
        pages = -(-len(places) // (63 * 4))
        places += [(0, 0)] * (pages * 63 * 4 - len(places))
        numbers = [len(self.file), self.last, self.chain, len(self.records), len(self.live), self.live_bytes()]
        out = page(struct.pack("<16sII16s8Q", b"\x89ADITKVINDEX\r\n\x1a\n", 1, 4096, self.uuid, *numbers, buckets, pages))
        for number in range(pages):
            entries = b"".join(struct.pack("<QQ", *place) for place in places[number * 252 : number * 252 + 252])
            tail = struct.pack("<QQ16s24x", number + 1, len(self.file), self.uuid)
            out += entries + struct.pack("<II", crc(entries + tail), 0) + tail
        return out

    def told(self):
        return {"uuid": self.uuid.hex(), "seed": self.seed, "align": self.align, "slots": self.slots,
                "records": self.records, "live": {key.hex(): number for key, number in self.live.items()}}


def value(size, start):
    return bytes((start + 7 * i) % 251 for i in range(size))


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
log = Log(bytes(range(0x10, 0x20)), 0x0123456789ABCDEF, 6)
log.batch(("epoch", bytes(range(16))))
log.batch(("put", b"one", value(1, 1)))
log.batch(("put", b"sixty-four", value(64, 2)), ("put", b"nothing", b""), ("put", b"", value(5, 3)))
log.checkpoint()
log.batch(("tensor", b"weights", ((12, "f32", [2, 3]), struct.pack("<6f", 0, 0.5, -1, 2, 1e9, -0.0))))
log.batch(("put", b"gone", value(1000, 4)), ("put", b"one", value(1000, 5)))
log.batch(("delete", b"gone"), ("delete", b"never"))
log.batch(("epoch", bytes(range(16, 32))))
log.batch(*[("put", b"key-%d" % n, value(n, n)) for n in range(200)])
log.checkpoint()
(folder / "golden.adit").write_bytes(log.file)
(folder / "golden.adit.idx").write_bytes(log.index())
wide = Log(bytes(range(0xF0, 0x100)), 1, 12)
wide.batch(("epoch", bytes(16)))
wide.batch(("put", b"page", value(64, 6)))
wide.checkpoint()
index = wide.index()
wide.batch(("put", b"behind", value(0, 0)), ("delete", b"page"))
wide.batch(("tensor", b"scalar", ((11, "bf16", []), b"\x80\x3f")))
wide.batch(("put", b"torn", value(100, 7)), ("delete", b"behind"), torn=True)
(folder / "golden4096.adit").write_bytes(wide.file)
(folder / "golden4096.adit.idx").write_bytes(index)
told = {"golden.adit": log.told(), "golden4096.adit": wide.told()}
(folder / "golden.json").write_text(json.dumps(told) + "\n")
