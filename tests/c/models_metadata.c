/* Metadata of every type, by what its maker wrote down. */
#include "models.h"

#define NONE ((size_t)1 << 40)

static adit_model *model;

static size_t value_of(const char *key, int32_t type) {
    size_t value = 77, len = 77;
    int32_t found = -1;
    const char *own = NULL;
    EXPECT_OK(adit_model_metadata_find(model, key, &value, &err));
    CHECK(value < adit_model_metadata_count(model));
    EXPECT_OK(adit_model_metadata_key(model, value, &own, &len, &err));
    CHECK_STR(own, key);
    CHECK_EQ(len, strlen(key));
    EXPECT_OK(adit_model_metadata_type(model, value, &found, &err));
    CHECK_INT(found, type);
    return value;
}

static void check_text(size_t value, const char *wanted) {
    const char *text = NULL;
    size_t len = 77;
    EXPECT_OK(adit_model_metadata_string(model, value, &text, &len, &err));
    CHECK_EQ(len, strlen(wanted));
    CHECK_BYTES(text, wanted, len);
}

/* As a number of every kind; where it isn't one, or doesn't fit, the status of that. */
static void check_number(size_t value, adit_status as_u64, uint64_t u64, adit_status as_i64,
                         int64_t i64, adit_status as_f64, double f64, adit_status as_bool) {
    uint64_t found_u64 = 7;
    int64_t found_i64 = 7;
    double found_f64 = 7;
    bool found_bool = true;
    const char *text = (const char *)16;
    size_t len = 7;
    CHECK_INT(adit_model_metadata_u64(model, value, &found_u64, NULL), as_u64);
    CHECK_EQ(found_u64, u64);
    CHECK_INT(adit_model_metadata_i64(model, value, &found_i64, NULL), as_i64);
    CHECK_INT(found_i64, i64);
    CHECK_INT(adit_model_metadata_f64(model, value, &found_f64, NULL), as_f64);
    CHECK(found_f64 == f64);
    CHECK_INT(adit_model_metadata_bool(model, value, &found_bool, NULL), as_bool);
    CHECK(found_bool == (as_bool == ADIT_OK));
    EXPECT_ERROR(adit_model_metadata_string(model, value, &text, &len, &err), ADIT_ERR_DTYPE, "t.");
    CHECK(text == NULL && len == 0);
}

static void numbers(void) {
    const adit_status ok = ADIT_OK, far_off = ADIT_ERR_OUT_OF_RANGE, other = ADIT_ERR_DTYPE;
    check_number(value_of("t.u8", ADIT_METADATA_U8), ok, 200, ok, 200, ok, 200, other);
    check_number(value_of("t.i8", ADIT_METADATA_I8), far_off, 0, ok, -5, ok, -5, other);
    check_number(value_of("t.u16", ADIT_METADATA_U16), ok, 60000, ok, 60000, ok, 60000, other);
    check_number(value_of("t.i16", ADIT_METADATA_I16), far_off, 0, ok, -30000, ok, -30000, other);
    check_number(value_of("t.u32", ADIT_METADATA_U32), ok, 4000000000u, ok, 4000000000, ok, 4e9,
                 other);
    check_number(value_of("t.i32", ADIT_METADATA_I32), far_off, 0, ok, -2000000000, ok, -2e9, other);
    check_number(value_of("t.f32", ADIT_METADATA_F32), other, 0, other, 0, ok, 1.5, other);
    check_number(value_of("t.bool", ADIT_METADATA_BOOL), other, 0, other, 0, other, 0, ok);
    /* 2^63 + 1 and -2^62 are no doubles' exact integers. */
    check_number(value_of("t.u64", ADIT_METADATA_U64), ok, UINT64_C(9223372036854775809), far_off, 0,
                 far_off, 0, other);
    check_number(value_of("t.i64", ADIT_METADATA_I64), far_off, 0, ok,
                 INT64_C(-4611686018427387904), far_off, 0, other);
    check_number(value_of("t.f64", ADIT_METADATA_F64), other, 0, other, 0, ok, 1e300, other);
    uint64_t u64 = 7;
    EXPECT_ERROR(adit_model_metadata_u64(model, value_of("t.i8", ADIT_METADATA_I8), &u64, &err),
                 ADIT_ERR_OUT_OF_RANGE, "t.i8");
    EXPECT_ERROR(adit_model_metadata_u64(model, value_of("t.f32", ADIT_METADATA_F32), &u64, &err),
                 ADIT_ERR_DTYPE, "t.f32");
}

static void strings(void) {
    check_text(value_of("general.architecture", ADIT_METADATA_STRING), "llama");
    const size_t value = value_of("t.str", ADIT_METADATA_STRING);
    check_text(value, "h\xc3\xa9llo \xf0\x9f\x9a\x80");
    uint64_t number = 7, count = 7;
    bool truth = true;
    EXPECT_ERROR(adit_model_metadata_u64(model, value, &number, &err), ADIT_ERR_DTYPE, "t.str");
    EXPECT_ERROR(adit_model_metadata_bool(model, value, &truth, &err), ADIT_ERR_DTYPE, "t.str");
    EXPECT_ERROR(adit_model_metadata_array_len(model, value, &count, &err), ADIT_ERR_DTYPE, "t.str");
    CHECK(number == 0 && !truth && count == 0);
}

static size_t array_of(const char *key, int32_t type, uint64_t len) {
    const size_t value = value_of(key, ADIT_METADATA_ARRAY);
    int32_t found = -1;
    uint64_t count = 77;
    EXPECT_OK(adit_model_metadata_array_type(model, value, &found, &err));
    CHECK_INT(found, type);
    EXPECT_OK(adit_model_metadata_array_len(model, value, &count, &err));
    CHECK_EQ(count, len);
    return value;
}

static void arrays(void) {
    const size_t i = array_of("t.arr_i", ADIT_METADATA_I32, 3);
    const size_t s = array_of("t.arr_s", ADIT_METADATA_STRING, 3);
    const size_t f = array_of("t.arr_f", ADIT_METADATA_F32, 2);
    const size_t b = array_of("t.arr_b", ADIT_METADATA_BOOL, 2);
    int32_t integers[4] = { 7, 7, 7, 7 };
    float floats[2] = { 7, 7 };
    unsigned char bools[3] = { 7, 7, 7 };
    EXPECT_OK(adit_model_metadata_array_read(model, i, 0, 3, integers, 12, &err));
    CHECK(integers[0] == 1 && integers[1] == 2 && integers[2] == 3 && integers[3] == 7);
    EXPECT_OK(adit_model_metadata_array_read(model, i, 1, 2, integers, sizeof integers, &err));
    CHECK(integers[0] == 2 && integers[1] == 3 && integers[2] == 3);
    EXPECT_OK(adit_model_metadata_array_read(model, i, 3, 0, NULL, 0, &err));
    EXPECT_OK(adit_model_metadata_array_read(model, f, 0, 2, floats, 8, &err));
    CHECK(floats[0] == 0.5f && floats[1] == -0.5f);
    EXPECT_OK(adit_model_metadata_array_read(model, b, 0, 2, bools, 2, &err));
    CHECK(bools[0] == 1 && bools[1] == 0 && bools[2] == 7);

    const uint64_t wrong[][2] = { { 0, 4 }, { 3, 1 }, { 4, 0 }, { UINT64_MAX, 2 }, { 1, UINT64_MAX } };
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
        EXPECT_ERROR(adit_model_metadata_array_read(model, i, wrong[at][0], wrong[at][1], integers,
                                                    sizeof integers, &err),
                     ADIT_ERR_OUT_OF_RANGE, "t.arr_i");
    EXPECT_ERROR(adit_model_metadata_array_read(model, i, 0, 3, integers, 11, &err),
                 ADIT_ERR_OUT_OF_RANGE, "12");
    EXPECT_ERROR(adit_model_metadata_array_read(model, s, 0, 1, integers, 4, &err), ADIT_ERR_DTYPE,
                 "t.arr_s");

    const char *const texts[] = { "a", "", "ccc" };
    for (uint64_t at = 0; at < 3; at++) {
        const char *text = NULL;
        size_t len = 7;
        EXPECT_OK(adit_model_metadata_array_string(model, s, at, &text, &len, &err));
        CHECK_EQ(len, strlen(texts[at]));
        CHECK_BYTES(text, texts[at], len);
    }
    const char *text = "";
    size_t len = 7, nested = 7;
    EXPECT_ERROR(adit_model_metadata_array_string(model, s, 3, &text, &len, &err),
                 ADIT_ERR_OUT_OF_RANGE, "t.arr_s");
    CHECK(text == NULL && len == 0);
    EXPECT_ERROR(adit_model_metadata_array_string(model, i, 0, &text, &len, &err), ADIT_ERR_DTYPE,
                 "t.arr_i");
    EXPECT_ERROR(adit_model_metadata_array_nested(model, i, 0, &nested, &err), ADIT_ERR_DTYPE,
                 "t.arr_i");
    CHECK_EQ(nested, 0);
}

static void no_such_value(void) {
    const size_t count = adit_model_metadata_count(model);
    const size_t values[] = { count, NONE, SIZE_MAX };
    size_t value = 7, len = 7;
    EXPECT(adit_model_metadata_find(model, "no such key", &value, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(value, 0);
    for (size_t at = 0; at < 3; at++) {
        const size_t none = values[at];
        const char *text = "";
        int32_t type = 7;
        uint64_t u64 = 7;
        int64_t i64 = 7;
        double f64 = 7;
        bool truth = true;
        EXPECT_ERROR(adit_model_metadata_key(model, none, &text, &len, &err), ADIT_ERR_OUT_OF_RANGE,
                     "key");
        CHECK(text == NULL && len == 0);
        EXPECT_ERROR(adit_model_metadata_type(model, none, &type, &err), ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_u64(model, none, &u64, &err), ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_i64(model, none, &i64, &err), ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_f64(model, none, &f64, &err), ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_bool(model, none, &truth, &err), ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_string(model, none, &text, &len, &err),
                     ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_array_type(model, none, &type, &err), ADIT_ERR_OUT_OF_RANGE,
                     "");
        EXPECT_ERROR(adit_model_metadata_array_len(model, none, &u64, &err), ADIT_ERR_OUT_OF_RANGE,
                     "");
        EXPECT_ERROR(adit_model_metadata_array_read(model, none, 0, 0, NULL, 0, &err),
                     ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_array_string(model, none, 0, &text, &len, &err),
                     ADIT_ERR_OUT_OF_RANGE, "");
        EXPECT_ERROR(adit_model_metadata_array_nested(model, none, 0, &len, &err),
                     ADIT_ERR_OUT_OF_RANGE, "");
        CHECK(type == 0 && u64 == 0 && i64 == 0 && f64 == 0 && !truth);
    }
}

/* A file in memory, byte by byte: GGUF of version 3. */
static unsigned char gguf[1024];
static size_t gguf_len;

static void put(const void *bytes, size_t len) {
    CHECK(gguf_len + len <= sizeof gguf);
    memcpy(gguf + gguf_len, bytes, len);
    gguf_len += len;
}

static void put_number(uint64_t number, int bytes) {
    for (int byte = 0; byte < bytes; byte++) {
        const unsigned char one = (unsigned char)(number >> 8 * byte);
        put(&one, 1);
    }
}

static void put_text(const char *text) {
    put_number(strlen(text), 8);
    put(text, strlen(text));
}

/* [[1, 2], [], [3]] of u16, and [["x"], ["yy", ""]]: arrays in arrays have values of their own. */
static void nested(void) {
    const uint16_t wanted[] = { 1, 2, 3 };
    const uint64_t lengths[] = { 2, 0, 1 };
    gguf_len = 0;
    put("GGUF", 4);
    put_number(3, 4);
    put_number(0, 8);
    put_number(2, 8);
    put_text("n.numbers");
    put_number(ADIT_METADATA_ARRAY, 4);
    put_number(ADIT_METADATA_ARRAY, 4);
    put_number(3, 8);
    for (size_t at = 0, next = 0; at < 3; at++) {
        put_number(ADIT_METADATA_U16, 4);
        put_number(lengths[at], 8);
        for (uint64_t own = 0; own < lengths[at]; own++) put_number(wanted[next++], 2);
    }
    put_text("n.texts");
    put_number(ADIT_METADATA_ARRAY, 4);
    put_number(ADIT_METADATA_ARRAY, 4);
    put_number(2, 8);
    put_number(ADIT_METADATA_STRING, 4);
    put_number(1, 8);
    put_text("x");
    put_number(ADIT_METADATA_STRING, 4);
    put_number(2, 8);
    put_text("yy");
    put_text("");
    /* An alignment's end behind the header, whatever is there. */
    while (gguf_len % 32 != 0) put_number(0, 1);

    adit_data *data = NULL;
    EXPECT_OK(adit_data_from_bytes(gguf, gguf_len, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
    const adit_data *given = data;
    EXPECT_OK(adit_model_from_data(&given, 1, NULL, &model, &err));
    adit_data_close(data);
    CHECK_EQ(adit_model_metadata_count(model), 2);
    const size_t numbers = array_of("n.numbers", ADIT_METADATA_ARRAY, 3);
    for (uint64_t at = 0, next = 0; at < 3; at++) {
        size_t value = 0;
        int32_t type = -1;
        uint64_t len = 7;
        uint16_t own[2] = { 7, 7 };
        const char *key = "";
        EXPECT_OK(adit_model_metadata_array_nested(model, numbers, at, &value, &err));
        CHECK(value >= 2);
        EXPECT_OK(adit_model_metadata_type(model, value, &type, &err));
        CHECK_INT(type, ADIT_METADATA_ARRAY);
        EXPECT_OK(adit_model_metadata_array_type(model, value, &type, &err));
        CHECK_INT(type, ADIT_METADATA_U16);
        EXPECT_OK(adit_model_metadata_array_len(model, value, &len, &err));
        CHECK_EQ(len, lengths[at]);
        EXPECT_OK(adit_model_metadata_array_read(model, value, 0, len, own, 2 * len, &err));
        CHECK_BYTES(own, wanted + next, 2 * len);
        next += len;
        EXPECT_ERROR(adit_model_metadata_key(model, value, &key, NULL, &err), ADIT_ERR_OUT_OF_RANGE,
                     "has 2");
    }
    const size_t texts = array_of("n.texts", ADIT_METADATA_ARRAY, 2);
    size_t value = 0, len = 0;
    const char *text = NULL;
    EXPECT_OK(adit_model_metadata_array_nested(model, texts, 1, &value, &err));
    EXPECT_OK(adit_model_metadata_array_string(model, value, 0, &text, &len, &err));
    CHECK_EQ(len, 2);
    CHECK_BYTES(text, "yy", 2);
    EXPECT_OK(adit_model_metadata_array_string(model, value, 1, &text, &len, &err));
    CHECK_EQ(len, 0);
    EXPECT_ERROR(adit_model_metadata_array_nested(model, texts, 2, &value, &err),
                 ADIT_ERR_OUT_OF_RANGE, "n.texts");
    CHECK_EQ(value, 0);
    adit_model_close(model);
}

/* Strings of safetensors files. */
static void safetensors(void) {
    model = open_model(data_path("safetensors/all_dtypes.safetensors"));
    CHECK_EQ(adit_model_metadata_count(model), 2);
    check_text(value_of("format", ADIT_METADATA_STRING), "adit");
    check_text(value_of("note", ADIT_METADATA_STRING), "\xc3\xbcn\xc3\xaf" "c\xc3\xb6" "d\xc3\xa9");
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const char *const names[] = { "gguf/all_kv_types.gguf", "gguf/kv_only.gguf" };
    for (size_t at = 0; at < 2; at++) {
        model = open_model(data_path(names[at]));
        CHECK_EQ(adit_model_metadata_count(model), 17);
        numbers();
        strings();
        arrays();
        no_such_value();
        adit_model_close(model);
    }
    nested();
    safetensors();
    return check_end();
}
