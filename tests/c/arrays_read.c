/* Parts of arrays copied out and converted; MMAP files; elements without a type. */
#include "check.h"

static adit_array *open_as(const char *path, int32_t dtype) {
    adit_array *array = NULL;
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    options.dtype = dtype;
    EXPECT_OK(adit_array_open(path, &options, &array, &err));
    return array;
}

/* A 4 x 3 array of 0 to 11, in the order and byte order asked for. */
static const char *twelve(bool fortran_order, bool big_endian) {
    const char *path = scratch_path("twelve.npy");
    unsigned char bytes[128 + 24];
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, "\x93NUMPY\1\0\x76\0", 10);
    int len = snprintf((char *)bytes + 10, 100, "{'descr': '%si2', 'fortran_order': %s, 'shape': (4, 3)}",
                       big_endian ? ">" : "<", fortran_order ? "True" : "False");
    bytes[10 + len] = ' ';
    bytes[127] = '\n';
    for (int row = 0; row < 4; row++) {
        for (int column = 0; column < 3; column++) {
            int at = fortran_order ? 4 * column + row : 3 * row + column;
            bytes[128 + 2 * at + big_endian] = (unsigned char)(3 * row + column);
            bytes[128 + 2 * at + !big_endian] = 0;
        }
    }
    write_file(path, bytes, sizeof bytes);
    return path;
}

static void parts(void) {
    const int32_t ios[] = { ADIT_IO_AUTO, ADIT_IO_MAP, ADIT_IO_READ };
    for (int kind = 0; kind < 12; kind++) {
        adit_array *array = open_as(twelve(kind & 1, kind & 2), ADIT_DTYPE_I16);
        adit_array_read_options options = ADIT_ARRAY_READ_OPTIONS_INIT;
        const int64_t start[] = { 1, 1 }, shape[] = { 2, 2 };
        int16_t all[13], part[4];
        float floats[4];
        adit_tensor tensor;
        options.io = ios[kind / 4];
        all[12] = 77;
        EXPECT_OK(adit_array_read(array, &options, all, 24, &tensor, &err));
        for (int at = 0; at < 12; at++) CHECK_INT(all[at], at);
        CHECK_INT(all[12], 77);
        CHECK(tensor.data == all && tensor.nbytes == 24);
        CHECK_INT(tensor.dtype, ADIT_DTYPE_I16);
        CHECK_EQ(tensor.flags, ADIT_TENSOR_CONTIGUOUS);
        CHECK(tensor.ndim == 2 && tensor.shape[0] == 4 && tensor.strides[0] == 3);
        options.start = start;
        options.shape = shape;
        options.ndim = 2;
        const int16_t wanted[] = { 4, 5, 7, 8 };
        EXPECT_OK(adit_array_read(array, &options, part, sizeof part, NULL, &err));
        CHECK_BYTES(part, wanted, sizeof wanted);
        options.dtype = ADIT_DTYPE_F32;
        EXPECT_OK(adit_array_read(array, &options, floats, sizeof floats, &tensor, &err));
        for (int at = 0; at < 4; at++) CHECK(floats[at] == (float)wanted[at]);
        CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
        CHECK(tensor.shape[0] == 2 && tensor.shape[1] == 2);
        options.shape = NULL;
        options.dtype = 0;
        const int16_t rest[] = { 4, 5, 7, 8, 10, 11 };
        EXPECT_OK(adit_array_read(array, &options, all, sizeof all, NULL, &err));
        CHECK_BYTES(all, rest, sizeof rest);
        adit_array_close(array);
    }
}

static void refused(void) {
    adit_array *array = open_as(twelve(false, false), 0);
    adit_array_read_options options = ADIT_ARRAY_READ_OPTIONS_INIT;
    int16_t room[12];
    adit_tensor tensor;
    const int64_t wrong[][4] = {
        { 0, 0, 5, 3 }, { 3, 0, 2, 3 }, { 0, -1, 1, 1 }, { 0, 0, 1, -1 }, { INT64_MAX, 0, 1, 1 },
        { 0, 1, 1, INT64_MAX },
    };
    options.ndim = 2;
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        options.start = wrong[at];
        options.shape = wrong[at] + 2;
        EXPECT_ERROR(adit_array_read(array, &options, room, sizeof room, &tensor, &err),
                     ADIT_ERR_OUT_OF_RANGE, "were asked for, but it has");
        CHECK_LAST_PATH(scratch_path("twelve.npy"));
        CHECK(tensor.data == NULL && tensor.ndim == 0);
    }
    EXPECT_ERROR(adit_array_read(array, NULL, room, sizeof room - 1, &tensor, &err),
                 ADIT_ERR_OUT_OF_RANGE, "the elements take 24 bytes, but the buffer has 23");
    adit_array_read_options quantised = ADIT_ARRAY_READ_OPTIONS_INIT;
    quantised.dtype = ADIT_DTYPE_Q8_0;
    EXPECT_ERROR(adit_array_read(array, &quantised, room, sizeof room, &tensor, &err),
                 ADIT_ERR_DTYPE, "no conversion from i16 to q8_0");

    /* Cut while it is open: a status, not a signal. */
    CHECK(truncate(scratch_path("twelve.npy"), 130) == 0);
    EXPECT_ERROR(adit_array_read(array, NULL, room, sizeof room, &tensor, &err),
                 ADIT_ERR_TRUNCATED, "was cut while open");
    EXPECT_ERROR(adit_array_save_as(array, scratch_path("saved.npy"), NULL, NULL, NULL, &err),
                 ADIT_ERR_TRUNCATED, "was cut while open");
    CHECK(!exists(scratch_path("saved.npy")));
    adit_array_close(array);
}

/* bf16 and fp8 as NumPy has them with ml_dtypes. */
static void named(void) {
    const char *path = scratch_path("bf16.npy");
    const uint16_t values[] = { 0x3f80, 0xc000, 0x7f80 };
    const int64_t shape[] = { 3 };
    float floats[3];
    adit_tensor tensor;
    adit_array *array = NULL;
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_BF16, 1, shape, &err));
    EXPECT_OK(adit_array_create_from(path, &tensor, NULL, NULL, NULL, NULL, &err));
    size_t len = 0;
    char *bytes = (char *)read_file(path, &len);
    CHECK_EQ(len, 128 + 6);
    CHECK_IN(bytes + 10, "{'descr': '<V2', 'fortran_order': False, 'shape': (3,), }");
    free(bytes);
    EXPECT_ERROR(adit_array_open(path, NULL, &array, &err), ADIT_ERR_UNSUPPORTED,
                 "name their dtype when opening");
    CHECK_LAST_OFFSET(20);
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    options.dtype = ADIT_DTYPE_F32;
    EXPECT_ERROR(adit_array_open(path, &options, &array, &err), ADIT_ERR_UNSUPPORTED,
                 "isn't f32, whose elements have 4 bytes");
    array = open_as(path, ADIT_DTYPE_BF16);
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK_INT(tensor.dtype, ADIT_DTYPE_BF16);
    CHECK_BYTES(tensor.data, values, sizeof values);
    adit_array_read_options read = ADIT_ARRAY_READ_OPTIONS_INIT;
    read.dtype = ADIT_DTYPE_F32;
    EXPECT_OK(adit_array_read(array, &read, floats, sizeof floats, NULL, &err));
    CHECK(floats[0] == 1.0f && floats[1] == -2.0f && floats[2] > 3.4e38f);
    adit_array_close(array);

    const unsigned char small[] = { 0x38, 0xc0, 0x7e };
    EXPECT_OK(adit_tensor_init(&tensor, small, ADIT_DTYPE_F8_E4M3FN, 1, shape, &err));
    EXPECT_OK(adit_array_create_from(path, &tensor, NULL, NULL, NULL, NULL, &err));
    array = open_as(path, ADIT_DTYPE_F8_E4M3FN);
    EXPECT_OK(adit_array_read(array, &read, floats, sizeof floats, NULL, &err));
    CHECK(floats[0] == 1.0f && floats[1] == -2.0f && floats[2] == 448.0f);
    adit_array_close(array);
}

typedef struct mmap_file {
    const char *name;
    adit_status status;
    const char *text;
    int32_t dtype;
    int ndim;
    int64_t shape[6];
} mmap_file;

/* What scirs2-core wrote, and what it should have refused. */
static void mmap_files(void) {
    const mmap_file files[] = {
        { "f32_0d", ADIT_OK, NULL, ADIT_DTYPE_F32, 0, { 0 } },
        { "f32_4x5", ADIT_OK, NULL, ADIT_DTYPE_F32, 2, { 4, 5 } },
        { "f32_6d", ADIT_OK, NULL, ADIT_DTYPE_F32, 6, { 1, 2, 3, 4, 5, 6 } },
        { "f64_1d_3", ADIT_OK, NULL, ADIT_DTYPE_F64, 1, { 3 } },
        { "f64_empty_0", ADIT_OK, NULL, ADIT_DTYPE_F64, 1, { 0 } },
        { "i32_2x3x4", ADIT_OK, NULL, ADIT_DTYPE_I32, 3, { 2, 3, 4 } },
        { "i64_extremes", ADIT_OK, NULL, ADIT_DTYPE_I64, 1, { 5 } },
        { "trailing_1_byte", ADIT_OK, NULL, ADIT_DTYPE_F32, 2, { 4, 5 } },
        { "bad_dtype_0", ADIT_ERR_MALFORMED, "no dtype 0", 0, 0, { 0 } },
        { "bad_dtype_9", ADIT_ERR_MALFORMED, "no dtype 9", 0, 0, { 0 } },
        { "bad_header_63", ADIT_ERR_MALFORMED, "ends before its header", 0, 0, { 0 } },
        { "bad_magic", ADIT_ERR_WRONG_FORMAT, "neither npy nor MMAP", 0, 0, { 0 } },
        { "bad_ndim_7", ADIT_ERR_MALFORMED, "7 dimensions", 0, 0, { 0 } },
        { "bad_shape_lies_bigger", ADIT_ERR_MALFORMED, "it is incomplete", 0, 0, { 0 } },
        { "bad_shape_overflow", ADIT_ERR_MALFORMED, "over 2^64", 0, 0, { 0 } },
        { "bad_total_lies", ADIT_ERR_MALFORMED, "21 elements", 0, 0, { 0 } },
        { "bad_truncated_data", ADIT_ERR_MALFORMED, "it is incomplete", 0, 0, { 0 } },
        { "bad_version_2", ADIT_ERR_UNSUPPORTED, "version 2", 0, 0, { 0 } },
        { "bad_zero_bytes", ADIT_ERR_WRONG_FORMAT, "it is empty", 0, 0, { 0 } },
    };
    for (size_t at = 0; at < sizeof files / sizeof files[0]; at++) {
        const mmap_file *file = &files[at];
        char name[64];
        adit_array *array = NULL;
        adit_tensor tensor;
        snprintf(name, sizeof name, "mmap/%s.mmap", file->name);
        if (file->status != ADIT_OK) {
            EXPECT_ERROR(adit_array_open(data_path(name), NULL, &array, &err), file->status,
                         file->text);
            CHECK_LAST_PATH(data_path(name));
            continue;
        }
        EXPECT_OK(adit_array_open(data_path(name), NULL, &array, &err));
        EXPECT_OK(adit_array_tensor(array, &tensor, &err));
        CHECK_INT(tensor.dtype, file->dtype);
        CHECK_INT(tensor.ndim, file->ndim);
        for (int axis = 0; axis < file->ndim; axis++) CHECK_INT(tensor.shape[axis], file->shape[axis]);
        adit_array_info info = ADIT_ARRAY_INFO_INIT;
        EXPECT_OK(adit_array_get_info(array, &info, &err));
        CHECK_INT(info.format, ADIT_ARRAY_FORMAT_MMAP);
        CHECK_EQ(info.offset, 64);
        /* Written anew, it is the same file. */
        if (strstr(name, "trailing") == NULL) {
            size_t len = 0, wanted_len = 0;
            EXPECT_OK(adit_array_save_as(array, scratch_path("again.mmap"), NULL, NULL, NULL, &err));
            unsigned char *wanted = read_file(data_path(name), &wanted_len);
            unsigned char *found = read_file(scratch_path("again.mmap"), &len);
            CHECK_EQ(len, wanted_len);
            CHECK_BYTES(found, wanted, len);
            free(wanted);
            free(found);
        }
        adit_array_close(array);
    }
    adit_array *extremes = open_as(data_path("mmap/i64_extremes.mmap"), 0);
    adit_tensor tensor;
    EXPECT_OK(adit_array_tensor(extremes, &tensor, &err));
    const int64_t wanted[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
    CHECK_BYTES(tensor.data, wanted, sizeof wanted);
    adit_array_close(extremes);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_INT(ADIT_ARRAY_FORMAT_AUTO, 0);
    parts();
    refused();
    named();
    mmap_files();
    return check_end();
}
