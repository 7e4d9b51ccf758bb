/* Models that don't open, and what can't be had of those that do. */
#include "models.h"
#include "model_fixtures.h"

#define COUNT(array) (sizeof array / sizeof array[0])
#define NOWHERE UINT64_MAX

static const struct fault {
    const char *name;
    int32_t status;
    uint64_t offset;
    const char *text;
} faults[] = {
    { "safetensors/bad_begin_after_end.safetensors", ADIT_ERR_MALFORMED, 10, "tensor 'a'" },
    { "safetensors/bad_dtype.safetensors", ADIT_ERR_MALFORMED, 23, "'F33'" },
    { "safetensors/bad_duplicate_names.safetensors", ADIT_ERR_MALFORMED, 63, "twice" },
    { "safetensors/bad_header_len_huge.safetensors", ADIT_ERR_MALFORMED, 0, "100000000" },
    { "safetensors/bad_header_len_past_eof.safetensors", ADIT_ERR_MALFORMED, 66, "incomplete" },
    { "safetensors/bad_hole.safetensors", ADIT_ERR_MALFORMED, 63, "tensor 'b'" },
    { "safetensors/bad_not_json.safetensors", ADIT_ERR_MALFORMED, 9, "header" },
    { "safetensors/bad_offsets_past_eof.safetensors", ADIT_ERR_MALFORMED, 71, "71 of 79 bytes" },
    { "safetensors/bad_overlap.safetensors", ADIT_ERR_MALFORMED, 63, "overlap" },
    { "safetensors/bad_shape_overflow.safetensors", ADIT_ERR_MALFORMED, 10, "4294967296" },
    { "safetensors/bad_size_mismatch.safetensors", ADIT_ERR_MALFORMED, 10, "12 bytes" },
    { "safetensors/bad_too_short.safetensors", ADIT_ERR_WRONG_FORMAT, 0, "7 bytes" },
    { "safetensors/bad_trailing_data.safetensors", ADIT_ERR_MALFORMED, 66, "8 bytes" },
    { "gguf/bad_header_only.gguf", ADIT_ERR_MALFORMED, 16, "cut" },
    { "gguf/bad_magic.gguf", ADIT_ERR_WRONG_FORMAT, 0, "GGUG" },
    { "gguf/bad_n_kv_huge.gguf", ADIT_ERR_MALFORMED, 16, "1152921504606846976 keys" },
    { "gguf/bad_n_tensors_huge.gguf", ADIT_ERR_MALFORMED, 8, "1152921504606846976 tensors" },
    { "gguf/bad_ne_overflow.gguf", ADIT_ERR_MALFORMED, NOWHERE, "tensor 'a'" },
    { "gguf/bad_offset_past_eof.gguf", ADIT_ERR_MALFORMED, NOWHERE, "1099511627776" },
    { "gguf/bad_offset_unaligned.gguf", ADIT_ERR_MALFORMED, NOWHERE, "multiple of 32" },
    { "gguf/bad_string_len_huge.gguf", ADIT_ERR_MALFORMED, 24, "4611686018427387904" },
    { "gguf/bad_truncated_data.gguf", ADIT_ERR_MALFORMED, NOWHERE, "tensor 'f.1'" },
    { "gguf/bad_truncated_kv.gguf", ADIT_ERR_MALFORMED, NOWHERE, "cut" },
    { "gguf/bad_version_0.gguf", ADIT_ERR_UNSUPPORTED, 4, "version 0" },
    { "gguf/bad_version_99.gguf", ADIT_ERR_UNSUPPORTED, 4, "version 99" },
    { "npy/f4_c.npy", ADIT_ERR_WRONG_FORMAT, 0, "NumPy" },
    { "rrec/basic_3x4.rrec", ADIT_ERR_WRONG_FORMAT, 0, "RREC" },
    { "rrec/bad_zero_bytes.rrec", ADIT_ERR_WRONG_FORMAT, 0, "empty" },
};

static void damaged_files(void) {
    size_t seen = 0;
    for (size_t at = 0; at < COUNT(bad_models); at++) CHECK_STR(bad_models[at], faults[at].name);
    for (size_t at = 0; at < COUNT(faults); at++) {
        const struct fault *fault = &faults[at];
        const char *path = data_path(fault->name);
        adit_model *model = (adit_model *)(uintptr_t)16;
        adit_data *data = NULL;
        size_t len = 0;
        EXPECT_ERROR(adit_model_open(path, NULL, &model, &err), fault->status, fault->text);
        CHECK(model == NULL);
        CHECK_LAST_PATH(path);
        CHECK_IN(last.message, path);
        CHECK(last.has_offset);
        if (fault->offset != NOWHERE) CHECK_EQ(last.offset, fault->offset);
        model = (adit_model *)(uintptr_t)16;
        EXPECT_ERROR(adit_model_open_files(&path, 1, NULL, &model, &err), fault->status,
                     fault->text);
        CHECK(model == NULL);

        unsigned char *bytes = read_file(path, &len);
        EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
        const adit_data *given = data;
        model = (adit_model *)(uintptr_t)16;
        EXPECT_ERROR(adit_model_from_data(&given, 1, NULL, &model, &err), fault->status,
                     fault->text);
        CHECK(model == NULL && !last.has_path);
        adit_data_close(data);
        free(bytes);
        seen++;
    }
    CHECK_EQ(seen, COUNT(bad_models) + 3);
}

/* Cut at every byte, a file doesn't open, and says where it is. */
static void cut_files(void) {
    const char *const names[] = { "safetensors/via_numpy_save_file.safetensors",
                                  "gguf/tensors_only.gguf" };
    for (size_t at = 0; at < 2; at++) {
        size_t len = 0;
        unsigned char *bytes = read_file(data_path(names[at]), &len);
        /* GGUF files may end in padding. */
        const size_t whole = at == 0 ? len : 772;
        for (size_t kept = 0; kept < whole; kept++) {
            adit_data *data = NULL;
            adit_model *model = NULL;
            EXPECT_OK(adit_data_from_bytes(bytes, kept, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
            const adit_data *given = data;
            adit_status status = adit_model_from_data(&given, 1, NULL, &model, &err);
            CHECK(status == ADIT_ERR_MALFORMED || status == ADIT_ERR_WRONG_FORMAT);
            CHECK(model == NULL && err != NULL);
            adit_error_free(err);
            adit_data_close(data);
        }
        free(bytes);
    }
}

/* Whatever the bytes are, an answer comes, and what is lent lies inside. */
static void any_bytes(void) {
    const char *const names[] = { "safetensors/spaces_padded_header.safetensors",
                                  "gguf/tensors_only.gguf" };
    for (size_t which = 0; which < 2; which++) {
        size_t len = 0;
        unsigned char *bytes = read_file(data_path(names[which]), &len);
        for (size_t at = 0; at < len && at < 352; at++) {
            for (int byte = 0; byte < 256; byte += 15) {
                adit_data *data = NULL;
                adit_model *model = NULL;
                const unsigned char old = bytes[at];
                bytes[at] = (unsigned char)byte;
                EXPECT_OK(
                    adit_data_from_bytes(bytes, len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
                const adit_data *given = data;
                adit_status status = adit_model_from_data(&given, 1, NULL, &model, &err);
                CHECK((status == ADIT_OK) == (model != NULL) && (status == ADIT_OK) == (err == NULL));
                adit_error_free(err);
                for (size_t index = 0; index < adit_model_len(model); index++) {
                    adit_tensor tensor;
                    if (adit_model_tensor(model, index, 1, &tensor, NULL) != ADIT_OK) continue;
                    const unsigned char *start = (const unsigned char *)tensor.data;
                    CHECK(tensor.nbytes == 0 ||
                          (start >= bytes && start + tensor.nbytes <= bytes + len));
                }
                adit_model_close(model);
                adit_data_close(data);
                bytes[at] = old;
            }
        }
        free(bytes);
    }
}

static void index_says(const char *map, int32_t status, const char *text) {
    char index[512];
    const char *path = scratch_path("model.safetensors.index.json");
    adit_model *model = (adit_model *)(uintptr_t)16;
    snprintf(index, sizeof index, "{\"weight_map\":{%s}}", map);
    write_file(path, index, strlen(index));
    EXPECT_ERROR(adit_model_open(path, NULL, &model, &err), status, text);
    CHECK(model == NULL && last.has_path);
}

static void shards(void) {
    const char one[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    const char two[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    const char *first = write_safetensors("one.safetensors", one, 8, "1", 1);
    const char *second = write_safetensors("two.safetensors", two, 8, "2", 1);
    const char *again = write_safetensors("again.safetensors", one, 8, "1", 1);
    const char *missing = scratch_path("none.safetensors");
    const char *gguf = data_path("gguf/tensors_only.gguf");
    adit_model *model = NULL;
    adit_data *data = NULL;
    index_says("\"a\":\"one.safetensors\",\"b\":\"none.safetensors\"", ADIT_ERR_NOT_FOUND,
               "none.safetensors");
    index_says("\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"", ADIT_ERR_MALFORMED, "'");
    index_says("\"b\":\"one.safetensors\"", ADIT_ERR_MALFORMED, "'");
    index_says("\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"", ADIT_ERR_MALFORMED, "'b'");
    index_says("\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"", ADIT_ERR_MALFORMED, "'a'");
    index_says("\"a\":\"../one.safetensors\"", ADIT_ERR_MALFORMED, "../one.safetensors");
    index_says("\"a\":\"/etc/passwd\"", ADIT_ERR_MALFORMED, "/etc/passwd");
    index_says("\"a\":7", ADIT_ERR_MALFORMED, "");

    const char *twice[] = { first, second, again };
    EXPECT_ERROR(adit_model_open_files(twice, 3, NULL, &model, &err), ADIT_ERR_MALFORMED, "'a'");
    CHECK(model == NULL);
    CHECK_IN(last.message, "again.safetensors");
    const char *absent[] = { first, missing };
    EXPECT_ERROR(adit_model_open_files(absent, 2, NULL, &model, &err), ADIT_ERR_NOT_FOUND,
                 "none.safetensors");
    CHECK_LAST_PATH(missing);
    const char *mixed[] = { first, gguf };
    EXPECT_ERROR(adit_model_open_files(mixed, 2, NULL, &model, &err), ADIT_ERR_MALFORMED, "GGUF");
    CHECK(model == NULL);
    /* An index is no use without its folder. */
    EXPECT_OK(adit_data_open(scratch_path("model.safetensors.index.json"), NULL, &data, &err));
    const adit_data *given = data;
    EXPECT_ERROR(adit_model_from_data(&given, 1, NULL, &model, &err), ADIT_ERR_UNSUPPORTED, "index");
    CHECK(model == NULL);
    adit_data_close(data);
}

static void no_such_file(void) {
    adit_model *model = (adit_model *)(uintptr_t)16;
    EXPECT_ERROR(adit_model_open(scratch_path("missing"), NULL, &model, &err), ADIT_ERR_NOT_FOUND,
                 "missing");
    CHECK_LAST_PATH(scratch_path("missing"));
    CHECK_INT(last.os_code, ENOENT);
    CHECK(model == NULL);
    EXPECT_ERROR(adit_model_open(check_scratch_folder, NULL, &model, &err), ADIT_ERR_NOT_A_FILE,
                 "folder");
    EXPECT_ERROR(adit_model_open("", NULL, &model, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "path is an empty string");
    const char *paths[] = { data_path("gguf/kv_only.gguf"), "" };
    EXPECT_ERROR(adit_model_open_files(paths, 2, NULL, &model, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "paths[1] is an empty string");
    EXPECT_ERROR(adit_model_open_files(paths, 0, NULL, &model, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "n is 0");
    EXPECT_ERROR(adit_model_from_data(NULL, 0, NULL, &model, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "n is 0");
}

/* A number behind the last tensor. */
static void no_such_tensor(void) {
    adit_model *model = open_model(data_path("safetensors/model_small.safetensors"));
    const size_t numbers[] = { 13, 14, SIZE_MAX };
    adit_model_tensor_info info = ADIT_MODEL_TENSOR_INFO_INIT;
    adit_tensor tensor;
    for (size_t at = 0; at < 3; at++) {
        const size_t none = numbers[at];
        const char *name = "";
        size_t len = 7, ndim = 7;
        int64_t dims[2] = { 7, 7 };
        uint64_t nbytes = 7;
        unsigned char byte;
        EXPECT_ERROR(adit_model_name(model, none, &name, &len, &err), ADIT_ERR_OUT_OF_RANGE,
                     "the model has 13");
        CHECK_LAST_INDEX(none);
        CHECK(name == NULL && len == 0);
        info.dtype = 7;
        EXPECT_ERROR(adit_model_get_tensor_info(model, none, &info, &err), ADIT_ERR_OUT_OF_RANGE,
                     "has 13");
        CHECK_INT(info.dtype, 0);
        EXPECT_ERROR(adit_model_shape(model, none, dims, 2, &ndim, &err), ADIT_ERR_OUT_OF_RANGE,
                     "has 13");
        CHECK(ndim == 0 && dims[0] == 0 && dims[1] == 0);
        memset(&tensor, 0xa5, sizeof tensor);
        EXPECT_ERROR(adit_model_tensor(model, none, 0, &tensor, &err), ADIT_ERR_OUT_OF_RANGE,
                     "has 13");
        CHECK(tensor.data == NULL && tensor.ndim == 0);
        EXPECT_ERROR(adit_model_read(model, none, NULL, &byte, 1, &tensor, &err),
                     ADIT_ERR_OUT_OF_RANGE, "has 13");
        EXPECT_ERROR(adit_model_read_size(model, none, NULL, &nbytes, &err), ADIT_ERR_OUT_OF_RANGE,
                     "has 13");
        CHECK_EQ(nbytes, 0);
    }
    adit_model_close(model);
}

/* Names that turn a terminal's line round, or fill it. */
static void odd_names(void) {
    static char header[70000];
    char *at = header + snprintf(header, sizeof header, "{\"\xe2\x80\xae\xe2\x80\xa8");
    memset(at, 'x', 60000);
    snprintf(at + 60000, 100, "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}");
    adit_model *model = NULL;
    const char *path = write_safetensors("names.safetensors", header, 8, "1234", 4);
    err = NULL;
    CHECK_INT(adit_model_open(path, NULL, &model, &err), ADIT_ERR_MALFORMED);
    CHECK_IN(adit_error_message(err), "tensor '\\u{202e}\\u{2028}xxx");
    CHECK_IN(adit_error_message(err), "xxx ... xxx");
    CHECK(strlen(adit_error_message(err)) < 10000);
    adit_error_free(err);
}

/* Tensors of types that nobody knows yet, of nine dimensions, and of the other byte order: there, and
 * not lent. */
static void not_lent(void) {
    static const char nine[] = "{\"n\":{\"dtype\":\"I16\",\"shape\":[1,1,1,1,2,1,1,1,1],"
                               "\"data_offsets\":[0,4]}}";
    adit_model *model = open_model(write_safetensors("nine.safetensors", nine, 8, "1234", 4));
    adit_model_tensor_info info = tensor_info(model, 0);
    adit_tensor tensor;
    int64_t dims[10];
    size_t ndim = 0;
    unsigned char bytes[16];
    CHECK_EQ(info.ndim, 9);
    CHECK_INT(info.dtype, ADIT_DTYPE_I16);
    CHECK_EQ(info.nbytes, 4);
    for (size_t cap = 0; cap <= 10; cap++) {
        memset(dims, 0xa5, sizeof dims);
        EXPECT_OK(adit_model_shape(model, 0, cap > 0 ? dims : NULL, cap, &ndim, &err));
        CHECK_EQ(ndim, 9);
        for (size_t axis = 0; axis < cap; axis++)
            CHECK_INT(dims[axis], axis == 4 ? 2 : axis == 9 ? 0 : 1);
        if (cap < 10) CHECK_INT(dims[cap], (int64_t)UINT64_C(0xa5a5a5a5a5a5a5a5));
    }
    EXPECT_ERROR(adit_model_tensor(model, 0, 0, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "9 dimensions");
    CHECK_IN(last.message, "tensor 'n'");
    CHECK_LAST_OFFSET(info.offset);
    EXPECT_ERROR(adit_model_read(model, 0, NULL, bytes, sizeof bytes, NULL, &err),
                 ADIT_ERR_UNSUPPORTED, "9 dimensions");
    adit_model_close(model);

    /* a.f32 becomes one of type 99. Its name stands once in the header, its type 4 + 2 * 8 behind. */
    size_t len = 0, at = 0;
    unsigned char *file = read_file(data_path("gguf/tensors_only.gguf"), &len);
    while (memcmp(file + at, "a.f32", 5) != 0) at++;
    CHECK_EQ(file[at + 5], 2);
    CHECK_EQ(file[at + 25], 0);
    file[at + 25] = 99;
    write_file(scratch_path("unknown.gguf"), file, len);
    free(file);
    model = open_model(scratch_path("unknown.gguf"));
    const size_t index = find_tensor(model, "a.f32");
    info = tensor_info(model, index);
    CHECK_INT(info.dtype, ADIT_DTYPE_NONE);
    CHECK_EQ(info.ggml_type, 99);
    CHECK_EQ(info.offset, 352);
    CHECK_EQ(info.nbytes, 0);
    CHECK_EQ(info.ndim, 2);
    EXPECT_ERROR(adit_model_tensor(model, index, 1, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "type 99");
    CHECK_LAST_PATH(scratch_path("unknown.gguf"));
    EXPECT_ERROR(adit_model_read(model, index, NULL, bytes, sizeof bytes, NULL, &err),
                 ADIT_ERR_UNSUPPORTED, "type 99");
    /* The others are as they were. */
    EXPECT_OK(adit_model_tensor(model, find_tensor(model, "e.i32"), 0, &tensor, &err));
    adit_model_close(model);
}

/* Big-endian GGUF: one key, one tensor of two f32, one of four i8. */
static unsigned char big[256];
static size_t big_len;

static void put_big(uint64_t number, int bytes) {
    while (bytes-- > 0) big[big_len++] = (unsigned char)(number >> 8 * bytes);
}

static void put_text(const char *text) {
    put_big(strlen(text), 8);
    memcpy(big + big_len, text, strlen(text));
    big_len += strlen(text);
}

static void big_endian(void) {
    adit_data *data = NULL;
    adit_model *model = NULL;
    adit_model_info info = ADIT_MODEL_INFO_INIT;
    adit_tensor tensor;
    uint64_t number = 0;
    unsigned char bytes[16];
    memcpy(big, "GGUF", 4);
    big_len = 4;
    put_big(3, 4);
    put_big(2, 8);
    put_big(1, 8);
    put_text("k");
    put_big(ADIT_METADATA_U32, 4);
    put_big(0x01020304, 4);
    put_text("f");
    put_big(1, 4);
    put_big(2, 8);
    put_big(0, 4);
    put_big(0, 8);
    put_text("b");
    put_big(1, 4);
    put_big(4, 8);
    put_big(24, 4);
    put_big(32, 8);
    while (big_len % 32 != 0) put_big(0, 1);
    const size_t start = big_len;
    put_big(0x3f8000003f800000, 8);
    while (big_len % 32 != 0) put_big(0, 1);
    put_big(0x01020304, 4);
    EXPECT_OK(adit_data_from_bytes(big, big_len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
    const adit_data *given = data;
    EXPECT_OK(adit_model_from_data(&given, 1, NULL, &model, &err));
    EXPECT_OK(adit_model_get_info(model, &info, &err));
    CHECK_EQ(info.flags, ADIT_TENSOR_BIG_ENDIAN);
    EXPECT_OK(adit_model_metadata_u64(model, 0, &number, &err));
    CHECK_EQ(number, 0x01020304);
    const size_t floats = find_tensor(model, "f");
    const adit_model_tensor_info own = tensor_info(model, floats);
    CHECK_EQ(own.flags, ADIT_TENSOR_BIG_ENDIAN);
    CHECK_INT(own.dtype, ADIT_DTYPE_F32);
    CHECK_EQ(own.offset, start);
    EXPECT_ERROR(adit_model_tensor(model, floats, 0, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "big-endian");
    EXPECT_ERROR(adit_model_read(model, floats, NULL, bytes, sizeof bytes, &tensor, &err),
                 ADIT_ERR_UNSUPPORTED, "big-endian");
    /* Bytes have no order. */
    EXPECT_OK(adit_model_tensor(model, find_tensor(model, "b"), 0, &tensor, &err));
    CHECK_BYTES(tensor.data, "\1\2\3\4", 4);
    adit_model_close(model);
    adit_data_close(data);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    damaged_files();
    cut_files();
    any_bytes();
    shards();
    no_such_file();
    no_such_tensor();
    odd_names();
    not_lent();
    big_endian();
    return check_end();
}
