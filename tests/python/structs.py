"""The header as ctypes sees it, against what the library knows of its own structs."""

import ctypes

from adit import HEADER, LIBRARY, NUMBERS, TYPES, Array, Tensor, constant, main, refused, struct


def check_header_is_understood(_):
    assert len(HEADER.functions) > 90 and len(HEADER.structs) >= 12, HEADER.functions.keys()
    assert constant("ERR_MISALIGNED") == 14 and constant("DTYPE_Q1_0") == 141
    assert LIBRARY.adit_abi_version() == constant("ABI_VERSION")
    assert LIBRARY.adit_version() == constant("VERSION_NUMBER")


def check_tensor_is_frozen(_):
    assert ctypes.sizeof(Tensor) == 192
    offsets = {name: getattr(Tensor, name).offset for name, *_ in Tensor._fields_}
    assert offsets == {
        "data": 0, "nbytes": 8, "dtype": 16, "ndim": 20, "shape": 24, "strides": 88,
        "flags": 152, "reserved0": 156, "reserved": 160,
    }


def check_init_functions_write_the_size_and_no_more(_):
    names = [name for name in HEADER.functions if name.endswith("_options_init")]
    assert len(names) >= 4, names
    for name in names:
        size = ctypes.sizeof(HEADER.structs[name.removesuffix("_init")])
        memory = (ctypes.c_uint8 * (size + 64))(*[0xA5] * (size + 64))
        getattr(LIBRARY, name)(memory, size)
        assert ctypes.c_size_t.from_buffer(memory).value == size, name
        assert bytes(memory[8:size]) == bytes(size - 8), name
        assert set(memory[size:]) == {0xA5}, name


def check_options_of_a_later_version(folder):
    with Array.create(folder / "a.npy", "u8", (3,)):
        pass
    known = HEADER.structs["adit_array_options"]

    class Later(ctypes.Structure):
        _fields_ = [("known", known), ("more", ctypes.c_uint64)]

    for more in (0, 1):
        later = Later(known(struct_size=ctypes.sizeof(Later)), more)
        handle = ctypes.c_void_p()

        def opened():
            status = LIBRARY.adit_array_open(
                bytes(folder / "a.npy"), ctypes.byref(later), ctypes.byref(handle), None
            )
            return HEADER.constants["ADIT_ERR_UNSUPPORTED"] == status, status

        assert opened() == ((True, 20) if more else (False, 0))
        LIBRARY.adit_array_close(handle)
    options = struct("adit_array_options")
    options.reserved[3] = 1
    with refused("UNSUPPORTED"):
        Array.open(folder / "a.npy", reserved=options.reserved)


def check_filled_structs_are_written_within_their_size(folder):
    size = ctypes.sizeof(HEADER.structs["adit_array_info"])
    with Array.create(folder / "a.npy", "u16", (3, 5)) as array:
        full = bytes(array.info())
        for given in range(8, size, 4):
            memory = (ctypes.c_uint8 * size)(*[0xA5] * size)
            ctypes.c_size_t.from_buffer(memory).value = given
            status = LIBRARY.adit_array_get_info(array.handle, memory, None)
            assert status == 0, (given, status)
            assert bytes(memory[8:given]) == full[8:given], given
            assert set(memory[given:]) == {0xA5}, given


def check_dtypes(_):
    for name, dtype in TYPES.items():
        number = NUMBERS[name]
        assert constant("DTYPE_" + name.upper()) == number
        assert LIBRARY.adit_dtype_name(number) == name.encode()
        assert LIBRARY.adit_dtype_block_bytes(number) == dtype.itemsize
        assert LIBRARY.adit_dtype_block_elems(number) == 1


main()
