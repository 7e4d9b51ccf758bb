"""adit.h for ctypes: its constants, structs and prototypes, read from the header itself."""

import ctypes
import re

SCALARS = {
    "bool": ctypes.c_bool,
    "char": ctypes.c_char,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "void": None,
    "adit_status": ctypes.c_int32,
    **{f"{sign}int{bits}_t": getattr(ctypes, f"c_{sign}int{bits}")
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class Header:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
        self.constants = {
            name: int(number)
            for name, number in re.findall(r"(?m)^\s*(ADIT_\w+) = (\d+),$", text)
            + re.findall(r"(?m)^\s*#define (ADIT_\w+) (\d+)$", text)
        }
        self._types = dict(SCALARS)
        # Callbacks are passed as what ctypes makes of a function.
        for name in re.findall(r"\(ADIT_CALL \*(\w+)\)", text):
            self._types[name] = ctypes.c_void_p
        self.structs = {}
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, flags=re.S):
            fields = [self._field(field) for field in body.split(";") if field.strip()]
            struct = type(name, (ctypes.Structure,), {"_fields_": fields})
            self.structs[name] = self._types[name] = struct
        self.functions = {}
        for before, name, arguments in re.findall(
            r"ADIT_API (?:ADIT_NODISCARD )?([\w \n*]*?)\b(adit_\w+)\((.*?)\);", text, flags=re.S
        ):
            arguments = [] if arguments.strip() == "void" else arguments.split(",")
            self.functions[name] = (
                self._type(before),
                [self._type(re.sub(r"\w+\s*$", "", argument)) for argument in arguments],
            )

    def _field(self, declaration):
        front, name, count = re.fullmatch(
            r"(.*?)(\w+)(?:\[(\d+)\])?", declaration.strip(), flags=re.S
        ).groups()
        kind = self._type(front)
        return name, kind * int(count) if count else kind

    def _type(self, text):
        words = text.replace("*", " * ").split()
        if words.count("*") == 1 and "char" in words:
            return ctypes.c_char_p
        if "*" in words:
            return ctypes.c_void_p
        (name,) = [word for word in words if word not in ("const", "struct")]
        return self._types[name]
