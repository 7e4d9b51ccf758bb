"""The gguf package writes, the library reads; and the package reads what we did."""

import gguf
import numpy as np

from adit import constant, main, refused, same
from model import DTYPE_NAMES, Model

Type = gguf.GGMLQuantizationType
Value = gguf.GGUFValueType
PLAIN = {Type.F32: np.float32, Type.F16: np.float16, Type.F64: np.float64, Type.I8: np.int8,
         Type.I16: np.int16, Type.I32: np.int32, Type.I64: np.int64}


def theirs(field):
    """A field of the package's reader as plain Python."""
    return field.contents()


def random_tensors(rng, count):
    """Name to type, rows of bytes or elements, and the shape of the elements."""
    tensors = {}
    kinds = list(PLAIN) + [Type.Q8_0, Type.Q4_0, Type.Q5_1, Type.Q6_K, Type.BF16, Type.IQ4_NL]
    for number in range(count):
        kind = kinds[rng.integers(len(kinds))]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
        shape = shape[:-1] + (shape[-1] * block,)
        rows = shape[:-1] + (shape[-1] // block * size,)
        data = rng.integers(0, 256, rows, np.uint8)
        tensors[f"t{number}.{kind.name}"] = (kind, data, shape)
    return tensors


def write(path, tensors, endian=gguf.GGUFEndian.LITTLE, fill=lambda writer: None, **how):
    writer = gguf.GGUFWriter(path, "llama", endianess=endian, **how)
    fill(writer)
    for name, (kind, data, _) in tensors.items():
        plain = PLAIN.get(kind)
        if plain:
            writer.add_tensor(name, data.view(plain))
        else:
            writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_random_models(folder):
    rng = np.random.default_rng(1)
    for turn in range(40):
        tensors = random_tensors(rng, int(rng.integers(1, 25)))
        path = folder / f"m{turn}.gguf"
        alignment = [8, 32, 64, 256][turn % 4]
        write(path, tensors, fill=lambda writer: writer.add_custom_alignment(alignment))
        official = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        with Model(path) as model:
            assert model.info().format == constant("MODEL_FORMAT_GGUF")
            assert sorted(model.names()) == sorted(tensors) == sorted(official)
            for name, (kind, data, shape) in tensors.items():
                index = model.find(name)
                info = model.tensor_info(index)
                assert DTYPE_NAMES[info.dtype].upper() == kind.name and info.ggml_type == kind.value
                assert model.shape(index) == shape
                assert info.offset == official[name].data_offset and info.offset % alignment == 0
                assert info.nbytes == official[name].n_bytes == data.nbytes
                assert model.bytes(index) == data.tobytes()
                assert model.read(index).tobytes() == data.tobytes()
        path.unlink()


def check_dequantised(folder):
    """Whole, some rows, and some blocks of columns: as the package has them, NaNs aside."""
    rng = np.random.default_rng(2)
    tensors = {name: own for name, own in random_tensors(rng, 60).items()
               if own[0] not in PLAIN}
    path = folder / "m.gguf"
    write(path, tensors)
    with Model(path) as model, np.errstate(all="ignore"):
        for name, (kind, data, shape) in tensors.items():
            index = model.find(name)
            wanted = gguf.quants.dequantize(data, kind).reshape(shape)
            block = gguf.GGML_QUANT_SIZES[kind][0]
            rows = (shape[0] - 1, 1) if len(shape) > 1 else (0, 0)
            columns = (shape[-1] - block, block) if len(shape) > 1 else (0, 0)
            parts = [((0, 0), (0, 0), wanted)]
            if len(shape) > 1:
                parts.append((rows, (0, 0), wanted[rows[0] :]))
                parts.append((rows, columns, wanted[rows[0] :, ..., columns[0] :]))
            for own_rows, own_columns, part in parts:
                found = model.read(index, "f32", own_rows, own_columns)
                nan = np.isnan(part)
                assert found.shape == part.shape and (np.isnan(found) == nan).all(), name
                assert same(found[~nan], np.ascontiguousarray(part)[~nan]), name
            if block > 1 and len(shape) > 1:
                with refused("SHAPE", name):
                    model.read(index, "f32", columns=(0, block - 1))


def fill_every_type(writer):
    for kind, value in [("uint8", 200), ("int8", -5), ("uint16", 60000), ("int16", -30000),
                        ("uint32", 4000000000), ("int32", -2000000000), ("float32", 1.5),
                        ("uint64", 2**63 + 1), ("int64", -(2**62)), ("float64", 1e300),
                        ("bool", True), ("string", "h\u00e9llo")]:
        getattr(writer, f"add_{kind}")(f"own.{kind}", value)
    writer.add_array("own.integers", [1, -2, 3])
    writer.add_array("own.floats", [0.5, -0.25])
    writer.add_array("own.bools", [True, False, True])
    writer.add_array("own.strings", [f"token {n}" * (n % 3) for n in range(3000)])


def check_metadata(folder):
    tensors = random_tensors(np.random.default_rng(3), 3)
    for endian in gguf.GGUFEndian:
        path = folder / f"{endian.name}.gguf"
        write(path, tensors, endian, fill_every_type)
        fields = gguf.GGUFReader(path).fields
        wanted = {name: theirs(field) for name, field in fields.items()
                  if not name.startswith("GGUF.")}
        with Model(path) as model:
            assert bool(model.info().flags & constant("TENSOR_BIG_ENDIAN")) == (
                endian == gguf.GGUFEndian.BIG)
            assert model.metadata() == wanted
            assert len(wanted) == 17


def check_big_endian_tensors(folder):
    """Where they are is told; what needs no swapping is lent."""
    path = folder / "m.gguf"
    tensors = {"f": (Type.F32, np.arange(8, dtype=np.float32).view(np.uint8), (8,)),
               "b": (Type.I8, np.arange(8, dtype=np.uint8), (8,))}
    write(path, tensors, gguf.GGUFEndian.BIG)
    content = path.read_bytes()
    with Model(path) as model:
        info = model.tensor_info(model.find("f"))
        own = np.frombuffer(content, ">f4", 8, info.offset)
        assert (own == np.arange(8)).all() and info.flags == constant("TENSOR_BIG_ENDIAN")
        with refused("UNSUPPORTED", "'f'"):
            model.tensor(model.find("f"))
        assert (model.view(model.find("b")) == np.arange(8)).all()


def check_splits(folder):
    tensors = random_tensors(np.random.default_rng(4), 10)
    write(folder / "m.gguf", tensors, split_max_tensors=3)
    parts = sorted(folder.glob("m-*.gguf"))
    assert len(parts) == 4, parts
    with refused("INVALID_ARGUMENT", f"open the first, '{parts[0]}'"):
        Model(parts[1])
    with refused("MALFORMED", parts[3].name):
        Model(parts[0], parts[1], parts[3], parts[3])
    for paths in [parts[:1], parts, [parts[2], parts[0], parts[3], parts[1]]]:
        with Model(*paths) as model:
            assert sorted(model.names()) == sorted(tensors) and model.info().files == 4
            for name, (_, data, shape) in tensors.items():
                assert model.bytes(model.find(name)) == data.tobytes()
                assert model.shape(model.find(name)) == shape
    parts[2].unlink()
    with refused("NOT_FOUND", parts[2].name):
        Model(parts[0])


main()
