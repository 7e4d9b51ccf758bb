"""Writes the oracle's files of the dequantisation tests beside this script.

Run by hand, with gguf 0.19.0 and numpy 2.4.6. For each block type that the gguf package can
dequantise:

- `<type>.bin`: blocks with chosen scales (zero, subnormal, largest, infinite, NaN, of either sign)
  and random quants, then the expected bits of their f32 elements, little-endian;
- a line of `hashes.txt`: type, number of blocks, SHA-256 of the expected bits, for blocks whose
  bytes are the little-endian words of splitmix64, seeded with the type's number in ggml.

Also in `hashes.txt`: lines `grid <type>` with the SHA-256 of the type's grid, a signed byte an
entry. A NaN is written as 0x7fc00000: which NaN NumPy gives depends on the CPU.
"""

import hashlib
import pathlib

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

HERE = pathlib.Path(__file__).parent
HASHED = 2048

# Where the f16 scales of a block stand.
F16_AT = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "TQ1_0": [52], "TQ2_0": [64],
    "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0],
    "IQ1_S": [0], "IQ4_NL": [0], "IQ4_XS": [0],
}  # fmt: skip

# 1, -0.1, 0, -0, smallest and largest subnormals, smallest normal, largest, infinite, NaN.
F16 = [
    0x3C00, 0xAE66, 0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x7BFF, 0xFBFF,
    0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01, 0xFDFF,
]  # fmt: skip


def splitmix64(seed, n):
    mask = np.uint64(0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = ((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)) & mask
        z = ((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)) & mask
        return z ^ (z >> np.uint64(31))


def random_blocks(kind, seed, n):
    size = GGML_QUANT_SIZES[kind][1]
    words = splitmix64(seed, -(-n * size // 8)).astype("<u8")
    return np.frombuffer(words.tobytes(), dtype=np.uint8)[: n * size].reshape(n, size).copy()


def chosen_blocks(kind):
    name = kind.name
    if name == "MXFP4":
        exponents = [0, 1, 2, 3, 100, 126, 127, 128, 129, 200, 251, 252, 253, 254, 255]
        blocks = random_blocks(kind, 1000 + kind.value, len(exponents))
        blocks[:, 0] = exponents
        return blocks
    if name == "NVFP4":
        blocks = random_blocks(kind, 1000 + kind.value, 64)
        blocks[:, :4] = np.arange(256, dtype=np.uint8).reshape(64, 4)
        return blocks
    # With two scales: each value paired with one and with a shifted other, NaN with NaN too.
    pairs = [(x, 0x2E66) for x in F16] + [(0x3C00, x) for x in F16[8:]]
    pairs += [(x, F16[(i + 1) % len(F16)]) for i, x in enumerate(F16) if i >= 9]
    if len(F16_AT.get(name, [0])) == 1:
        pairs = pairs[: len(F16)]
    blocks = random_blocks(kind, 1000 + kind.value, len(pairs))
    for block, pair in zip(blocks, pairs):
        if name == "IQ1_M":
            for i in range(4):
                nibble = (pair[0] >> (4 * i)) & 15
                block[48 + 2 * i + 1] = (block[48 + 2 * i + 1] & 15) | (nibble << 4)
            continue
        for at, bits in zip(F16_AT[name], pair):
            block[at : at + 2] = (bits & 255, bits >> 8)
    return blocks


def expected(kind, blocks):
    with np.errstate(all="ignore"):
        values = quants.dequantize(blocks, kind).reshape(-1)
    bits = values.view(np.uint32).copy()
    bits[np.isnan(values)] = 0x7FC00000
    return bits.astype("<u4").tobytes()


def main():
    lines = []
    for kind in sorted(quants._type_traits, key=lambda kind: kind.value):
        if kind is GGMLQuantizationType.BF16:
            continue
        name = kind.name.lower()
        blocks = chosen_blocks(kind)
        (HERE / f"{name}.bin").write_bytes(blocks.tobytes() + expected(kind, blocks))
        bits = expected(kind, random_blocks(kind, kind.value, HASHED))
        lines.append(f"{name} {HASHED} {hashlib.sha256(bits).hexdigest()}")
    for name in ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S"]:
        traits = quants._type_traits[GGMLQuantizationType[name]]
        traits.init_grid()
        digest = hashlib.sha256(traits.grid.astype(np.int8).tobytes()).hexdigest()
        lines.append(f"grid {name.lower()} {digest}")
    (HERE / "hashes.txt").write_text("\n".join(lines) + "\n")


main()
