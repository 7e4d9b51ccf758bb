/* Loops over elements: values, every refusal, and nothing written beside the output. */
#include "check.h"

static void copies(void) {
    unsigned char from[5000], to[5003];
    for (size_t at = 0; at < sizeof from; at++) from[at] = (unsigned char)(at * 7);
    const uint32_t stores[] = { 0, ADIT_STORE_STREAMING, ADIT_STORE_CACHED };
    for (int kind = 0; kind < 3; kind++) {
        for (size_t len = 0; len < 5000; len = len * 3 / 2 + 1) {
            memset(to, 0xa5, sizeof to);
            EXPECT_OK(adit_copy(from, to + 1, len, stores[kind], &err));
            CHECK_BYTES(to + 1, from, len);
            CHECK(to[0] == 0xa5 && to[1 + len] == 0xa5);
        }
    }
    EXPECT_ERROR(adit_copy(from, from, 1, 0, &err), ADIT_ERR_INVALID_ARGUMENT, "overlap");
    EXPECT_ERROR(adit_copy(from, from + 9, 10, 0, &err), ADIT_ERR_INVALID_ARGUMENT, "overlap");
    EXPECT_ERROR(adit_copy(from + 9, from, 10, 0, &err), ADIT_ERR_INVALID_ARGUMENT, "overlap");
    EXPECT_ERROR(adit_copy(from, to, 1, 1, &err), ADIT_ERR_UNSUPPORTED, "flags");
    EXPECT_ERROR(adit_copy(from, to, 1, ADIT_STORE_STREAMING | ADIT_STORE_CACHED, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "both");
    EXPECT_ERROR(adit_copy(from, to, SIZE_MAX, 0, &err), ADIT_ERR_INVALID_ARGUMENT, "memory can hold");
    EXPECT_OK(adit_copy(from, from + 10, 10, 0, &err));
    CHECK_BYTES(from + 10, from, 10);
}

static void halves(void) {
    const uint16_t f16[] = { 0x3c00, 0xc000, 0x7c00, 0x0001, 0x7d01, 0xfe00 };
    const uint16_t bf16[] = { 0x3f80, 0xc000, 0x7f80, 0x0001, 0x7f81, 0xffc0 };
    /* A signalling NaN gets quiet and keeps the rest of its payload. */
    const uint32_t of_f16[] = { 0x3f800000, 0xc0000000, 0x7f800000, 0x33800000, 0x7fe02000, 0xffc00000 };
    const uint32_t of_bf16[] = { 0x3f800000, 0xc0000000, 0x7f800000, 0x00010000, 0x7fc10000, 0xffc00000 };
    uint32_t floats[6];
    uint16_t back[6];
    EXPECT_OK(adit_f16_to_f32(f16, (float *)floats, 6, &err));
    CHECK_BYTES(floats, of_f16, sizeof floats);
    EXPECT_OK(adit_f32_to_f16((const float *)floats, back, 6, &err));
    const uint16_t quiet_f16[] = { 0x3c00, 0xc000, 0x7c00, 0x0001, 0x7f01, 0xfe00 };
    CHECK_BYTES(back, quiet_f16, sizeof back);
    EXPECT_OK(adit_bf16_to_f32(bf16, (float *)floats, 6, &err));
    CHECK_BYTES(floats, of_bf16, sizeof floats);
    EXPECT_OK(adit_f32_to_bf16((const float *)floats, back, 6, &err));
    const uint16_t quiet_bf16[] = { 0x3f80, 0xc000, 0x7f80, 0x0001, 0x7fc1, 0xffc0 };
    CHECK_BYTES(back, quiet_bf16, sizeof back);
    /* To nearest, a tie to even, and over the top. */
    const float edges[] = { 1.00048828125f, 1.00146484375f, 65519.9f, 65520.0f, 1e30f, 3e-8f };
    const uint16_t rounded[] = { 0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x7c00, 0x0001 };
    EXPECT_OK(adit_f32_to_f16(edges, back, 6, &err));
    CHECK_BYTES(back, rounded, sizeof back);
    EXPECT_OK(adit_convert(edges, ADIT_DTYPE_F32, back, ADIT_DTYPE_F16, 6, ADIT_CONVERT_SATURATE,
                           &err));
    const uint16_t saturated[] = { 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7bff, 0x0001 };
    CHECK_BYTES(back, saturated, sizeof back);
    /* At odd addresses. */
    unsigned char odd[13], room[26];
    memcpy(odd + 1, f16, 12);
    memset(room, 0xa5, sizeof room);
    EXPECT_OK(adit_f16_to_f32(odd + 1, (float *)(void *)(room + 1), 6, &err));
    CHECK_BYTES(room + 1, of_f16, sizeof of_f16);
    CHECK(room[0] == 0xa5 && room[25] == 0xa5);
}

static void conversions(void) {
    const double doubles[] = { -1.5, 300.7, 1e20, -1e20 };
    const int32_t ints[] = { -1, 300, INT32_MAX, INT32_MIN };
    const uint8_t truth[] = { 0, 1, 2, 255 };
    int32_t i32[4];
    uint8_t u8[4];
    float f32[8];
    double f64[4];
    EXPECT_OK(adit_convert(doubles, ADIT_DTYPE_F64, i32, ADIT_DTYPE_I32, 4, 0, &err));
    CHECK(i32[0] == -1 && i32[1] == 300 && i32[2] == INT32_MAX && i32[3] == INT32_MIN);
    EXPECT_OK(adit_convert(ints, ADIT_DTYPE_I32, u8, ADIT_DTYPE_U8, 4, 0, &err));
    CHECK(u8[0] == 255 && u8[1] == 44 && u8[2] == 255 && u8[3] == 0);
    EXPECT_OK(adit_convert(ints, ADIT_DTYPE_I32, u8, ADIT_DTYPE_U8, 4, ADIT_CONVERT_SATURATE, &err));
    CHECK(u8[0] == 0 && u8[1] == 255 && u8[2] == 255 && u8[3] == 0);
    EXPECT_OK(adit_convert(truth, ADIT_DTYPE_BOOL, f32, ADIT_DTYPE_F32, 4, 0, &err));
    CHECK(f32[0] == 0 && f32[1] == 1 && f32[2] == 1 && f32[3] == 1);
    EXPECT_OK(adit_convert(doubles, ADIT_DTYPE_F64, f32, ADIT_DTYPE_COMPLEX64, 4, 0, &err));
    CHECK(f32[0] == -1.5f && f32[1] == 0 && f32[2] == 300.7f && f32[3] == 0);
    EXPECT_OK(adit_convert(doubles, ADIT_DTYPE_F64, f64, ADIT_DTYPE_F64, 4, 0, &err));
    CHECK_BYTES(f64, doubles, sizeof doubles);

    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_COMPLEX64, f64, ADIT_DTYPE_F64, 1, 0, &err),
                 ADIT_ERR_DTYPE, "no conversion from complex64 to f64");
    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_F32, f64, ADIT_DTYPE_Q8_0, 32, 0, &err),
                 ADIT_ERR_DTYPE, "no conversion from f32 to q8_0");
    EXPECT_ERROR(adit_convert(f32, 0, f64, ADIT_DTYPE_F64, 1, 0, &err), ADIT_ERR_DTYPE,
                 "from_dtype: 0 is no dtype");
    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_F32, f64, 99, 1, 0, &err), ADIT_ERR_DTYPE,
                 "to_dtype: 99 is no dtype");
    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_F32, f64, ADIT_DTYPE_F64, UINT64_MAX / 2, 0, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "memory can hold");
    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_F32, f32 + 1, ADIT_DTYPE_F16, 2, 0, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "overlap");
    EXPECT_ERROR(adit_convert(f32, ADIT_DTYPE_F32, f64, ADIT_DTYPE_F64, 1, 8, &err),
                 ADIT_ERR_UNSUPPORTED, "flags");
}

static void blocks(void) {
    unsigned char q8[2 * 34];
    float f32[64];
    uint16_t f16[64];
    for (int block = 0; block < 2; block++) {
        /* A scale of 0.5, then of -2. */
        const uint16_t scale = block == 0 ? 0x3800 : 0xc000;
        memcpy(q8 + 34 * block, &scale, 2);
        for (int at = 0; at < 32; at++) q8[34 * block + 2 + at] = (unsigned char)(at * 8);
    }
    EXPECT_OK(adit_dequantize(q8, ADIT_DTYPE_Q8_0, f32, 64, 0, &err));
    for (int at = 0; at < 64; at++) {
        const int value = (signed char)(unsigned char)(at % 32 * 8);
        CHECK(f32[at] == (float)value * (at < 32 ? 0.5f : -2.0f));
    }
    EXPECT_OK(adit_convert(q8, ADIT_DTYPE_Q8_0, f16, ADIT_DTYPE_F16, 64, 0, &err));
    CHECK(f16[1] == 0x4400 && f16[33] == 0xcc00);
    EXPECT_ERROR(adit_dequantize(q8, ADIT_DTYPE_Q8_0, f32, 63, 0, &err), ADIT_ERR_SHAPE,
                 "63 elements are no whole number of q8_0 blocks");
    EXPECT_ERROR(adit_dequantize(q8, ADIT_DTYPE_F16, f32, 32, 0, &err), ADIT_ERR_DTYPE,
                 "f16 has no blocks");
    EXPECT_ERROR(adit_dequantize(q8, ADIT_DTYPE_Q8_1, f32, 32, 0, &err), ADIT_ERR_DTYPE,
                 "no conversion from q8_1 to f32");
    EXPECT_ERROR(adit_dequantize(q8, ADIT_DTYPE_Q8_0, f32, 32, ADIT_CONVERT_SATURATE, &err),
                 ADIT_ERR_UNSUPPORTED, "flags");
}

static void gathers(void) {
    static float table[100][300];
    static float out[40 * 300 + 1];
    static uint16_t halves_out[40 * 300];
    const void *rows[40];
    for (int row = 0; row < 100; row++)
        for (int at = 0; at < 300; at++) table[row][at] = (float)(row * 1000 + at) / 64.0f;
    for (int at = 0; at < 40; at++) rows[at] = table[at * 37 % 100];
    out[40 * 300] = 77.0f;
    EXPECT_OK(adit_gather(rows, 40, 300, ADIT_DTYPE_F32, out, 40 * 1200, ADIT_DTYPE_F32, 0, &err));
    for (int at = 0; at < 40; at++) CHECK_BYTES(out + 300 * at, table[at * 37 % 100], 1200);
    CHECK(out[40 * 300] == 77.0f);
    EXPECT_OK(adit_gather(rows, 40, 300, ADIT_DTYPE_F32, halves_out, sizeof halves_out,
                          ADIT_DTYPE_F16, 0, &err));
    EXPECT_OK(adit_f16_to_f32(halves_out, out, 40 * 300, &err));
    for (int at = 0; at < 40; at++) {
        const float wanted = table[at * 37 % 100][7], found = out[300 * at + 7];
        CHECK(found > wanted * 0.999f - 0.01f && found < wanted * 1.001f + 0.01f);
    }
    EXPECT_OK(adit_gather(rows, 0, 300, ADIT_DTYPE_F32, NULL, 0, ADIT_DTYPE_F32, 0, &err));
    EXPECT_OK(adit_gather(rows, 3, 0, ADIT_DTYPE_F32, NULL, 0, ADIT_DTYPE_F32, 0, &err));
    EXPECT_ERROR(adit_gather(rows, 2, 300, ADIT_DTYPE_F32, out, 2399, ADIT_DTYPE_F32, 0, &err),
                 ADIT_ERR_OUT_OF_RANGE, "2 rows take 2400 bytes, but the buffer has 2399");
    EXPECT_ERROR(adit_gather(rows, 2, 300, ADIT_DTYPE_F32, table, sizeof table, ADIT_DTYPE_F32, 0, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "overlap");
    EXPECT_ERROR(adit_gather(rows, SIZE_MAX / 16, 300, ADIT_DTYPE_F32, out, sizeof out,
                             ADIT_DTYPE_F32, 0, &err),
                 ADIT_ERR_OUT_OF_RANGE, "rows take");
    EXPECT_ERROR(adit_gather(rows, 2, 33, ADIT_DTYPE_Q8_0, out, sizeof out, ADIT_DTYPE_F32, 0, &err),
                 ADIT_ERR_SHAPE, "33 elements");
}

/* Records gathered as another dtype. */
static void records(void) {
    adit_record_reader *reader = NULL;
    adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
    const uint64_t indices[] = { 2, 0, 2 };
    float plain[36];
    double doubles[36];
    adit_tensor tensor;
    EXPECT_OK(adit_record_reader_open(data_path("rrec/basic_3x4.rrec"), NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_gather(reader, 0, indices, 3, plain, sizeof plain, NULL, &tensor, &err));
    const uint64_t count = tensor.nbytes / sizeof(float);
    CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
    for (int io = ADIT_IO_AUTO; io <= ADIT_IO_READ; io++) {
        options.io = io;
        options.dtype = ADIT_DTYPE_F64;
        memset(doubles, 0, sizeof doubles);
        EXPECT_OK(adit_record_reader_gather(reader, 0, indices, 3, doubles, sizeof doubles, &options,
                                            &tensor, &err));
        CHECK_INT(tensor.dtype, ADIT_DTYPE_F64);
        CHECK_EQ(tensor.nbytes, count * sizeof(double));
        for (uint64_t at = 0; at < count; at++) CHECK(doubles[at] == (double)plain[at]);
        EXPECT_ERROR(adit_record_reader_gather(reader, 0, indices, 3, doubles,
                                               count * sizeof(double) - 1, &options, &tensor, &err),
                     ADIT_ERR_OUT_OF_RANGE, "buffer");
        options.dtype = ADIT_DTYPE_Q8_0;
        EXPECT_ERROR(adit_record_reader_gather(reader, 0, indices, 3, doubles, sizeof doubles,
                                               &options, &tensor, &err),
                     ADIT_ERR_DTYPE, "q8_0");
    }
    adit_record_reader_close(reader);
}

static void checksums(void) {
    const char *text = "123456789";
    const unsigned char zeros[32] = { 0 };
    CHECK_EQ(adit_crc32c(0, text, 9), 0xe3069283);
    CHECK_EQ(adit_crc32c(0, zeros, 32), 0x8a9136aa);
    for (size_t at = 0; at <= 9; at++)
        CHECK_EQ(adit_crc32c(adit_crc32c(0, text, at), text + at, 9 - at), 0xe3069283);
    CHECK_EQ(adit_crc32c(0, text, 0), 0);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_IN(adit_build_info(), "kernels: ");
    copies();
    halves();
    conversions();
    blocks();
    gathers();
    records();
    checksums();
    return check_end();
}
