"""Damaged headers: what the library opens, NumPy reads, and as the same array."""

import io
import warnings

import numpy as np
from numpy.lib import _format_impl

from adit import Array, Failure, main, refused

DESCRS = ["<f4", ">f8", "|b1", "|u1", "<i2", ">i8", "<c8", "<f2"]
# What stands in headers, and what could be taken for it.
PIECES = [
    "'", '"', "(", ")", "{", "}", "[", "]", ",", ":", " ", "\t", "\n", "\r", "\\", "\0", "#",
    "L", "_", "-", "+", ".", "0", "1", "7", "00", "0x3", "1e1", "1_0", "True", "False", "None", "1", "()", "(,)",
    "(3)", "3", "'descr'", "'shape'", "'fortran_order'", "descr", "'more': 1", "b'<f4'", "u'<f4'",
    "<", ">", "=", "|", "f4", "i4", "f8", "u1", "V4", "O", "(2, 3)", "[2, 3]", "99999999999999999999",
    "9223372036854775807", "4294967296", "\u00e9", "\ufeff", "\x0c", "'\\x3cf4'", "'<' 'f4'",
]


def head(text, version=(1, 0), length=None):
    text = text if isinstance(text, bytes) else text.encode("utf-8")
    length = len(text) if length is None else length
    field = 2 if version == (1, 0) else 4
    return (b"\x93NUMPY" + bytes(version)
            + (length % 256**field).to_bytes(field, "little") + text)


def header_text(rng):
    """A header as somebody could have written it: keys in any order, blanks anywhere."""
    descr = DESCRS[rng.integers(len(DESCRS))]
    shape = tuple(int(n) for n in rng.integers(0, 5, rng.integers(0, 4)))
    fields = [f"'descr': '{descr}'", f"'fortran_order': {bool(rng.integers(2))}", f"'shape': {shape}"]
    rng.shuffle(fields)
    blanks = " " * int(rng.integers(0, 3))
    text = "{" + f",{blanks} ".join(fields) + ["}", ", }", " }"][rng.integers(3)]
    return text + " " * int(rng.integers(0, 30)) + "\n"


def damaged(rng, content):
    content = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        # Most of it where the header is.
        at = int(rng.integers(0, min(len(content), 120) + 1))
        kind = rng.integers(5)
        piece = PIECES[rng.integers(len(PIECES))].encode("utf-8")
        if kind == 0 and at < len(content):
            content[at] = int(rng.integers(256))
        elif kind == 1:
            content[at:at] = piece
        elif kind == 2:
            content[at : at + len(piece)] = piece
        elif kind == 3:
            del content[at : at + int(rng.integers(1, 5))]
        else:
            del content[at + int(rng.integers(0, 200)) :]
    return bytes(content)


def of_numpy(content):
    """What NumPy reads; None where it refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = io.BytesIO(content)
            version = np.lib.format.read_magic(file)
            shape, _, dtype = _format_impl._read_array_header(file, version)
            elements = 1
            for n in shape:
                elements *= n
            # NumPy would make room first and read then.
            if elements < 0 or elements * dtype.itemsize > len(content):
                return None
            return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception:
        return None


def of_ours(content):
    try:
        with Array.from_bytes(content) as ours:
            return ours.read()
    except Failure as failure:
        assert failure.status in ("MALFORMED", "WRONG_FORMAT", "UNSUPPORTED"), failure
        return None


def agree(content):
    """Whether ours and NumPy read it, ours alone never; what both read must be the same."""
    ours, theirs = of_ours(content), of_numpy(content)
    if ours is None:
        return False, theirs is not None
    assert theirs is not None, f"NumPy refuses {content!r}"
    native = theirs.astype(theirs.dtype.newbyteorder("="))
    assert ours.dtype == native.dtype and ours.shape == native.shape, content
    assert ours.tobytes() == native.tobytes(), content
    return True, True


def check_damage(_):
    rng = np.random.default_rng(1)
    both = alone = 0
    versions = [(1, 0), (2, 0), (3, 0)]
    for _ in range(6000):
        text = header_text(rng)
        content = head(text, versions[rng.integers(3)]) + rng.bytes(2048)
        if rng.integers(4):
            content = damaged(rng, content)
        ours, theirs = agree(content)
        both += ours
        alone += theirs and not ours
    print(f"{both} read by both, {alone} by NumPy alone")
    # Spellings that NumPy takes and nobody writes: sub-arrays as '2<f4', carriage returns, prefixes.
    assert both > 1500 and alone < both / 50


def check_lengths_and_versions(_):
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
    elements = np.arange(6, dtype=np.float32).tobytes()
    for version in [(a, b) for a in range(5) for b in range(3)]:
        ours, theirs = agree(head(text, version) + elements)
        assert ours == theirs == (version in [(1, 0), (2, 0), (3, 0)]), version
    for length in range(len(text) + 30):
        agree(head(text, length=length) + elements)
    content = head(text) + elements
    for cut in range(len(content)):
        assert agree(content[:cut]) == (False, False), cut
    # NumPy reads no header of over 10000 characters unless it is told to.
    for blanks in (9900, 10000 - len(text), 10001 - len(text), 12000, 65000):
        long = text[:-1] + " " * blanks + "\n"
        ours, theirs = agree(head(long) + elements)
        assert ours == theirs == (len(long) <= 10000), (blanks, ours, theirs)


def check_no_pickles(folder):
    np.save(folder / "a.npy", np.array([{}, None], object))
    with refused("UNSUPPORTED"):
        Array.open(folder / "a.npy")


main()
