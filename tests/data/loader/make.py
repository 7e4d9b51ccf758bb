"""Golden vectors of the loader's order, made from docs/loader.md alone: python3 make.py"""

import json
import os
import struct

WORD = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def key(*words):
    k = 0
    for word in words:
        k = mix(((k ^ word) + STEP) & WORD)
    return k


def permute(n, k, x):
    a = 0
    bit = 1 << 31
    while bit:  # the greatest root with a * a < n, then one more
        if (a + bit) ** 2 < n:
            a += bit
        bit >>= 1
    a += 1
    b = -(-n // a)

    def r(i):
        return mix((k + i * STEP) & WORD)

    def draw(d, r, base):
        return (mix((d + r) & WORD) * base) >> 64

    pairs = 6 if n < 256 else 3
    while True:
        h, l = divmod(x, b)
        for j in range(pairs):
            h = (h + draw(l, r(2 * j + 1), a)) % a
            l = (l + draw(h, r(2 * j + 2), b)) % b
        x = h * b + l
        if x < n:
            return x


def lanes(records, seed, epoch, block, window, nodes):
    """The records of each lane, in order."""
    slots = -(-records // block)
    lists = []
    for lane in range(nodes):
        first, end = slots * lane // nodes, slots * (lane + 1) // nodes
        size = window or max(end - first, 1)
        out = []
        for number, start in enumerate(range(first, end, size)):
            inside = []
            for slot in range(start, min(start + size, end)):
                which = permute(slots, key(1, seed, epoch), slot)
                inside += range(which * block, min((which + 1) * block, records))
            k = key(2, seed, epoch, lane, number)
            out += [inside[permute(len(inside), k, i)] for i in range(len(inside))]
        lists.append(out)
    return lists


def positions(case):
    """For each position its lane and record."""
    if case["order"] == "sequential":
        return [(0, record) for record in range(case["records"])]
    lists = lanes(case["records"], case["seed"], case["epoch"], case["block"], case["window"],
                  max(case["canonical_nodes"], 1))
    out = []
    turn = 0
    while any(turn < len(own) for own in lists):
        out += [(lane, own[turn]) for lane, own in enumerate(lists) if turn < len(own)]
        turn += 1
    return out


def steps(case, batch, world, uneven):
    """For each step, for each rank: its records, and how many of them count."""
    order = positions(case)
    count = len(order) // batch if uneven == "drop" else -(-len(order) // batch)
    out = []
    for step in range(count):
        own = order[step * batch:(step + 1) * batch]
        valid = len(own)
        own = [record for _, record in sorted(own, key=lambda place: place[0])]
        if uneven == "pad":
            own += [order[i % len(order)][1] for i in range(batch - valid)]
        ranks = []
        for rank in range(world):
            start, end = batch * rank // world, batch * (rank + 1) // world
            part = own[start:end]
            ranks.append([part, max(0, min(valid, end) - start)])
        out.append(ranks)
    return out


def crc32c(data):
    crc = WORD >> 32
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ (WORD >> 32)


def state(case, batch, uneven, step, identity):
    body = b"\x89ADITLOADERS\r\n\x1a\n" + struct.pack("<II", 1, 128)
    body += struct.pack("<4Q", case["seed"], case["epoch"], step, case["records"])
    body += identity.to_bytes(16, "little")
    body += struct.pack("<3QI", batch, case["block"], case["window"],
                        max(case["canonical_nodes"], 1))
    body += bytes([{"windowed": 1, "sequential": 2}[case["order"]],
                   {"drop": 1, "pad": 2, "keep": 3}[uneven]])
    body += bytes(124 - len(body))
    return (body + struct.pack("<I", crc32c(body))).hex()


CASES = [
    # order, records, seed, epoch, block, window, canonical_nodes; batch, world, uneven
    ("windowed", 1, 0, 0, 1, 0, 0, 1, 1, "drop"),
    ("windowed", 2, 1, 0, 1, 1, 1, 2, 1, "drop"),
    ("windowed", 10, 42, 0, 3, 2, 1, 4, 2, "keep"),
    ("windowed", 10, 42, 1, 3, 2, 1, 4, 2, "pad"),
    ("windowed", 100, 7, 3, 8, 0, 0, 16, 4, "drop"),
    ("windowed", 101, 7, 3, 8, 3, 4, 16, 4, "pad"),
    ("windowed", 300, (1 << 64) - 1, (1 << 64) - 1, 7, 2, 5, 32, 3, "keep"),
    ("windowed", 1000, 123456789, 12, 1, 16, 3, 90, 7, "keep"),
    ("windowed", 1000, 5, 0, 300, 0, 2, 128, 8, "drop"),
    ("windowed", 5, 9, 2, 2, 1, 16, 64, 64, "pad"),
    ("sequential", 20, 9, 2, 4, 0, 4, 8, 3, "keep"),
]

LARGE = [
    # records, key, numbers
    (1_000_000_000_000, 7, [0, 1, 2, 999_999_999_999, 123_456_789_012]),
    ((1 << 60) - 1, (1 << 64) - 1, [0, 1, (1 << 60) - 2, 1 << 59]),
    (1 << 60, 0, [0, 1, (1 << 60) - 1]),
    (255, 3, [0, 1, 254]),
    (256, 3, [0, 1, 255]),
    (65_537, 11, [0, 1, 65_536]),
]


def main():
    cases = []
    names = ["order", "records", "seed", "epoch", "block", "window", "canonical_nodes"]
    for row in CASES:
        case = dict(zip(names, row[:7]))
        batch, world, uneven = row[7:]
        identity = mix(case["seed"]) << 64 | mix(case["records"])
        cases.append({
            **case,
            "batch": batch, "world": world, "uneven": uneven,
            "identity": f"{identity:032x}",
            "positions": [record for _, record in positions(case)],
            "lanes": [lane for lane, _ in positions(case)],
            "steps": steps(case, batch, world, uneven),
            "record_seed_of_0": key(3, case["seed"], case["epoch"], 0),
            "state_after_step_1": state(case, batch, uneven, 1, identity),
        })
    large = [{"n": n, "key": k, "from": xs, "to": [permute(n, k, x) for x in xs]}
             for n, k, xs in LARGE]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.json")
    with open(path, "w") as out:
        rows = ",\n".join(json.dumps(case) for case in cases)
        more = ",\n".join(json.dumps(one) for one in large)
        out.write(f'{{"made_by": "make.py",\n"cases": [\n{rows}\n],\n"permutations": [\n{more}\n]}}\n')
    for case in cases:
        assert sorted(case["positions"]) == list(range(case["records"]))


main()
