"""The floating-point unit as a host may have set it."""

import ctypes
import platform


class Environment(ctypes.Structure):
    """fenv_t of Linux on x86-64."""

    _fields_ = [("x87", ctypes.c_uint32 * 7), ("mxcsr", ctypes.c_uint32)]


FLUSH, DOWN, UP, TOWARDS_ZERO = 0x8040, 0x2000, 0x4000, 0x6000
MODES = [FLUSH, DOWN, UP, TOWARDS_ZERO, FLUSH | UP] if platform.machine() == "x86_64" else []


def under(mode, function, *arguments):
    """What a call says under a mode, which must be the same after it."""
    libm = ctypes.CDLL("libm.so.6")
    usual, other, after = Environment(), Environment(), Environment()
    libm.fegetenv(ctypes.byref(usual))
    libm.fegetenv(ctypes.byref(other))
    other.mxcsr |= mode
    libm.fesetenv(ctypes.byref(other))
    said = function(*arguments)
    libm.fegetenv(ctypes.byref(after))
    libm.fesetenv(ctypes.byref(usual))
    # The low bits are what has happened since they were cleared.
    assert after.mxcsr >> 6 == other.mxcsr >> 6, hex(mode)
    return said
