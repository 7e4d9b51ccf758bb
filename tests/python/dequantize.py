"""Blocks of quantised elements, against the gguf package."""

import gguf
import numpy as np

from adit import HEADER, LIBRARY, NUMBERS, TYPES, address, call, constant, main, refused, same
from modes import MODES, under
from oracle import converted

BLOCKS = {
    name.removeprefix("ADIT_DTYPE_"): number
    for name, number in HEADER.constants.items()
    if name.startswith("ADIT_DTYPE_") and number > 100
}


def theirs(number, blocks):
    """What the package makes of blocks; None where it makes nothing."""
    try:
        with np.errstate(all="ignore"):
            return gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType(number - 100))
    except (NotImplementedError, ValueError):
        return None


def random_blocks(rng, number, count):
    return rng.integers(0, 256, (count, LIBRARY.adit_dtype_block_bytes(number)), np.uint8)


def dequantized(number, blocks, offset=0, flags=0):
    count = blocks.shape[0] * LIBRARY.adit_dtype_block_elems(number)
    source = np.zeros(blocks.size + offset, np.uint8)
    source[offset:] = blocks.reshape(-1)
    buffer = np.full(count * 4 + 128, 0xA5, np.uint8)
    call("adit_dequantize", address(source) + offset, number, address(buffer) + 64 - offset, count,
         flags)
    end = 64 - offset + count * 4
    assert (buffer[: 64 - offset] == 0xA5).all() and (buffer[end:] == 0xA5).all()
    return buffer[64 - offset : end].copy().view(np.float32)


def compare(name, ours, expected):
    """The same bits, but for those of NaNs."""
    nan = np.isnan(expected)
    assert (np.isnan(ours) == nan).all(), f"{name}: NaNs in other places"
    wrong = np.flatnonzero((ours.view(np.uint32) != expected.view(np.uint32)) & ~nan)
    assert not wrong.size, (name, wrong.size, wrong[0], ours[wrong[0]], expected[wrong[0]])


def check_tables_agree(_):
    known = {kind.name for kind in gguf.GGMLQuantizationType}
    assert len(BLOCKS) >= 25 and set(BLOCKS) <= known, set(BLOCKS) - known
    for name, number in BLOCKS.items():
        kind = gguf.GGMLQuantizationType[name]
        assert kind.value == number - 100
        assert gguf.GGML_QUANT_SIZES[kind] == (
            LIBRARY.adit_dtype_block_elems(number), LIBRARY.adit_dtype_block_bytes(number)
        ), name


def check_random_blocks(_):
    rng = np.random.default_rng(1)
    compared = []
    for name, number in BLOCKS.items():
        for turn in range(12):
            blocks = random_blocks(rng, number, int(rng.integers(1, 70)))
            expected = theirs(number, blocks)
            if expected is None:
                with refused("DTYPE"):
                    dequantized(number, blocks)
                break
            flags = [0, constant("STORE_STREAMING"), constant("STORE_CACHED")][turn % 3]
            ours = dequantized(number, blocks, int(rng.integers(0, 17)), flags)
            compare(name, ours, expected.reshape(-1))
        else:
            compared.append(name)
    print(f"{len(compared)} of {len(BLOCKS)} block types dequantised: {', '.join(compared)}")
    assert len(compared) >= 23, compared


def check_scales_of_every_kind(_):
    """All f16 bit patterns where a block starts with its scale, NaNs and infinities among them."""
    rng = np.random.default_rng(2)
    for name in ("Q4_0", "Q5_0", "Q8_0", "IQ4_NL"):
        number = BLOCKS[name]
        blocks = random_blocks(rng, number, 65536)
        blocks[:, :2] = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
        compare(name, dequantized(number, blocks), theirs(number, blocks).reshape(-1))


def check_hosts_that_flush_and_round(_):
    """Neither flushing of subnormals nor another rounding mode changes a bit, or is changed."""
    if not MODES:
        print("SKIPPED: dequantisation under other floating-point modes (x86-64)")
    rng = np.random.default_rng(4)
    for name, number in BLOCKS.items():
        blocks = random_blocks(rng, number, 300)
        # Scales, where blocks start with theirs, that make subnormals of f32 or of f16.
        blocks[::3, 1] &= 0x83
        expected = theirs(number, blocks)
        if expected is None:
            continue
        for mode in MODES:
            out = np.zeros(expected.size, np.float32)
            status = under(mode, LIBRARY.adit_dequantize, address(blocks), number, address(out),
                           out.size, 0, None)
            assert status == 0
            compare((name, hex(mode)), out, expected.reshape(-1))


def check_other_targets(_):
    """f16, bf16 and f64 are what f32 is, rounded once more."""
    rng = np.random.default_rng(3)
    for name, number in BLOCKS.items():
        blocks = random_blocks(rng, number, 37)
        expected = theirs(number, blocks)
        count = 37 * LIBRARY.adit_dtype_block_elems(number)
        for target, dtype in TYPES.items():
            out = np.zeros(count, dtype)
            arguments = (address(blocks), number, address(out), NUMBERS[target], count, 0)
            if expected is None or target not in ("f16", "bf16", "f32", "f64"):
                with refused("DTYPE"):
                    call("adit_convert", *arguments)
                continue
            call("adit_convert", *arguments)
            once_more = converted(expected.reshape(-1), target)
            nan = np.isnan(expected.reshape(-1))
            assert (np.isnan(out.astype("f8")) == nan).all() and same(out[~nan], once_more[~nan])


def check_refusals(_):
    blocks, out = np.zeros(180, np.uint8), np.zeros(320, np.float32)
    q4_0 = BLOCKS["Q4_0"]
    for arguments, status in [
        ((address(blocks), q4_0, address(out), 31, 0), "SHAPE"),
        ((address(blocks), NUMBERS["f16"], address(out), 32, 0), "DTYPE"),
        ((address(blocks), 104, address(out), 32, 0), "DTYPE"),
        ((None, q4_0, address(out), 32, 0), "INVALID_ARGUMENT"),
        ((address(blocks), q4_0, None, 32, 0), "INVALID_ARGUMENT"),
        ((address(out), q4_0, address(out), 32, 0), "INVALID_ARGUMENT"),
        ((address(blocks), q4_0, address(out), 32, constant("CONVERT_SATURATE")), "UNSUPPORTED"),
    ]:
        with refused(status):
            call("adit_dequantize", *arguments)
    call("adit_dequantize", None, q4_0, None, 0, 0)


main()
