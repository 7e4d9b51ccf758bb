/* Tensors of models used: lent at alignments, copied out in parts and as another dtype. */
#include "models_floats.h"

/* A tensor at an odd address, and one that starts in the middle of an element. */
static void alignment(void) {
    static const char header[] =
        "{\"odd\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
        "\"f\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]},"
        "\"none\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[11,11]}}";
    const float values[] = { 1.5f, -2.5f };
    unsigned char data[11] = { 7, 8, 9 };
    memcpy(data + 3, values, 8);
    const char *path = write_safetensors("odd.safetensors", header, 64, data, sizeof data);
    adit_model *model = open_model(path);
    const size_t index = find_tensor(model, "f"), odd = find_tensor(model, "odd");
    const adit_model_tensor_info info = tensor_info(model, index);
    adit_tensor tensor;
    float copied[2] = { 0, 0 };
    CHECK_EQ(info.alignment, 1);
    CHECK_EQ(info.offset % 64, 3);
    CHECK(tensor_info(model, odd).alignment >= 64);
    memset(&tensor, 0xa5, sizeof tensor);
    EXPECT_ERROR(adit_model_tensor(model, index, 0, &tensor, &err), ADIT_ERR_MISALIGNED,
                 "tensor 'f'");
    CHECK_LAST_PATH(path);
    CHECK_LAST_OFFSET(info.offset);
    CHECK_LAST_INDEX(index);
    CHECK(tensor.data == NULL && tensor.nbytes == 0 && tensor.ndim == 0);
    EXPECT_ERROR(adit_model_tensor(model, index, 2, &tensor, &err), ADIT_ERR_MISALIGNED,
                 "a multiple of 2 bytes in memory, but of 1");
    CHECK_LAST_OFFSET(info.offset);
    EXPECT_OK(adit_model_tensor(model, index, 1, &tensor, &err));
    CHECK_BYTES(tensor.data, values, 8);
    EXPECT_OK(adit_model_read(model, index, NULL, copied, sizeof copied, &tensor, &err));
    CHECK(copied[0] == 1.5f && copied[1] == -2.5f && tensor.data == copied);
    EXPECT_OK(adit_model_tensor(model, odd, 64, &tensor, &err));
    CHECK_EQ((uintptr_t)tensor.data % 64, 0);
    const size_t wrong[] = { 3, 6, 48, SIZE_MAX };
    for (size_t at = 0; at < 4; at++)
        EXPECT_ERROR(adit_model_tensor(model, odd, wrong[at], &tensor, &err),
                     ADIT_ERR_INVALID_ARGUMENT, "no power of two");
    EXPECT_ERROR(adit_model_tensor(model, odd, (size_t)1 << 40, &tensor, &err), ADIT_ERR_MISALIGNED,
                 "1099511627776 bytes");
    /* No bytes lie anywhere. */
    EXPECT_OK(adit_model_tensor(model, find_tensor(model, "none"), 4096, &tensor, &err));
    CHECK(tensor.data == NULL && tensor.nbytes == 0 && tensor.ndim == 2);
    CHECK(tensor.shape[0] == 0 && tensor.shape[1] == 5);
    CHECK_INT(tensor.dtype, ADIT_DTYPE_F64);
    adit_model_close(model);
}

static void parts(void) {
    adit_model *model = open_model(write_floats());
    adit_model_read_options options = ADIT_MODEL_READ_OPTIONS_INIT;
    adit_tensor tensor;
    float out[FLOATS];
    double wide[32];
    uint64_t nbytes = 0;
    const size_t a = find_tensor(model, "a"), b = find_tensor(model, "b"), c = find_tensor(model, "c");
    const int32_t ways[] = { ADIT_IO_AUTO, ADIT_IO_MAP, ADIT_IO_READ };
    for (size_t way = 0; way < 3; way++) {
        adit_model_read_options_init(&options, sizeof options);
        options.io = ways[way];
        memset(out, 0, sizeof out);
        EXPECT_OK(adit_model_read(model, a, &options, out, 4096, &tensor, &err));
        CHECK_BYTES(out, floats, 4096);
        CHECK(tensor.data == out && tensor.nbytes == 4096 && tensor.ndim == 2);
        CHECK(tensor.shape[0] == 32 && tensor.shape[1] == 32);
        CHECK(tensor.strides[0] == 32 && tensor.strides[1] == 1);
        CHECK_EQ(tensor.flags, ADIT_TENSOR_CONTIGUOUS);

        /* Rows 3 and 4, of these columns 30 and 31. */
        options.row_start = 3;
        options.row_count = 2;
        EXPECT_OK(adit_model_read_size(model, a, &options, &nbytes, &err));
        CHECK_EQ(nbytes, 256);
        EXPECT_OK(adit_model_read(model, a, &options, out, 256, &tensor, &err));
        CHECK_BYTES(out, floats + 96, 256);
        options.column_start = 30;
        EXPECT_OK(adit_model_read(model, a, &options, out, 16, &tensor, &err));
        CHECK(tensor.shape[0] == 2 && tensor.shape[1] == 2);
        CHECK(out[0] == 126.25f && out[1] == 127.25f && out[2] == 158.25f && out[3] == 159.25f);
        /* As f64, up to the ends. */
        options.row_start = 30;
        options.row_count = 0;
        options.column_start = 29;
        options.column_count = 2;
        options.dtype = ADIT_DTYPE_F64;
        EXPECT_OK(adit_model_read_size(model, a, &options, &nbytes, &err));
        CHECK_EQ(nbytes, 32);
        EXPECT_OK(adit_model_read(model, a, &options, wide, 32, &tensor, &err));
        CHECK(wide[0] == 989.25 && wide[1] == 990.25 && wide[2] == 1021.25 && wide[3] == 1022.25);
        CHECK_INT(tensor.dtype, ADIT_DTYPE_F64);
        /* Rows are of the first dimension, columns of the last. */
        options.row_start = 3;
        options.column_start = 31;
        options.column_count = 0;
        options.dtype = 0;
        EXPECT_OK(adit_model_read(model, b, &options, out, 32, &tensor, &err));
        CHECK(tensor.ndim == 3 && tensor.shape[0] == 1 && tensor.shape[1] == 8);
        CHECK_INT(tensor.shape[2], 1);
        for (int at = 0; at < 8; at++) CHECK(out[at] == floats[1024 + 3 * 256 + 32 * at + 31]);
    }

    adit_model_read_options_init(&options, sizeof options);
    options.row_start = 33;
    memset(&tensor, 0xa5, sizeof tensor);
    EXPECT_ERROR(adit_model_read(model, a, &options, out, sizeof out, &tensor, &err),
                 ADIT_ERR_OUT_OF_RANGE, "tensor 'a'");
    CHECK(tensor.data == NULL && tensor.ndim == 0);
    /* The rest of nothing. */
    EXPECT_ERROR(adit_model_read(model, a, &options, out, sizeof out, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "rows 33 to 33 were asked for, but the tensor has 32");
    options.row_start = 32;
    EXPECT_OK(adit_model_read_size(model, a, &options, &nbytes, &err));
    CHECK_EQ(nbytes, 0);
    options.row_start = 31;
    options.row_count = 2;
    EXPECT_ERROR(adit_model_read(model, a, &options, out, sizeof out, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "rows 31 to 33");
    CHECK_LAST_INDEX(a);
    options.row_count = UINT64_MAX;
    EXPECT_ERROR(adit_model_read_size(model, a, &options, &nbytes, &err), ADIT_ERR_OUT_OF_RANGE,
                 "rows 31");
    adit_model_read_options_init(&options, sizeof options);
    options.column_count = 1;
    EXPECT_ERROR(adit_model_read(model, c, &options, out, sizeof out, NULL, &err), ADIT_ERR_SHAPE,
                 "tensor 'c'");
    options.column_count = 0;
    EXPECT_ERROR(adit_model_read(model, c, &options, out, 4095, NULL, &err), ADIT_ERR_OUT_OF_RANGE,
                 "4096");
    options.dtype = ADIT_DTYPE_Q8_0;
    EXPECT_ERROR(adit_model_read(model, c, &options, out, sizeof out, NULL, &err), ADIT_ERR_DTYPE,
                 "q8_0");
    adit_model_close(model);
}

/* f16 and blocks of the fixtures' own makers, as adit_convert has them. */
static void converted(void) {
    adit_model *model = open_model(data_path("gguf/align_64.gguf"));
    const char *const names[] = { "b.f16", "c.q8_0", "d.q4_0" };
    adit_model_read_options options = ADIT_MODEL_READ_OPTIONS_INIT;
    float out[128], wanted[128];
    options.dtype = ADIT_DTYPE_F32;
    for (size_t at = 0; at < 3; at++) {
        const size_t index = find_tensor(model, names[at]);
        adit_tensor lent, tensor;
        EXPECT_OK(adit_model_tensor(model, index, 0, &lent, &err));
        const uint64_t elements = (uint64_t)(lent.shape[0] * lent.shape[1]);
        EXPECT_OK(adit_convert(lent.data, lent.dtype, wanted, ADIT_DTYPE_F32, elements, 0, &err));
        EXPECT_OK(adit_model_read(model, index, &options, out, 4 * elements, &tensor, &err));
        CHECK_BYTES(out, wanted, 4 * elements);
        CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
        CHECK(tensor.shape[0] == lent.shape[0] && tensor.shape[1] == lent.shape[1]);
        /* The last row alone. */
        options.row_start = (uint64_t)lent.shape[0] - 1;
        const uint64_t width = (uint64_t)lent.shape[1];
        EXPECT_OK(adit_model_read(model, index, &options, out, 4 * width, &tensor, &err));
        CHECK_BYTES(out, wanted + elements - width, 4 * width);
        options.row_start = 0;
        /* As it is stored. */
        unsigned char stored[256];
        EXPECT_OK(adit_model_read(model, index, NULL, stored, sizeof stored, &tensor, &err));
        CHECK_EQ(tensor.nbytes, lent.nbytes);
        CHECK_INT(tensor.dtype, lent.dtype);
        CHECK_BYTES(tensor.strides, lent.strides, sizeof lent.strides);
        CHECK_BYTES(stored, lent.data, lent.nbytes);
    }
    /* Blocks of 32. */
    options.column_start = 32;
    adit_tensor tensor;
    EXPECT_OK(adit_model_read(model, find_tensor(model, "c.q8_0"), &options, out, 256, &tensor, &err));
    CHECK(tensor.shape[0] == 2 && tensor.shape[1] == 32);
    options.column_start = 31;
    EXPECT_ERROR(adit_model_read(model, find_tensor(model, "c.q8_0"), &options, out, 512, NULL, &err),
                 ADIT_ERR_SHAPE, "blocks of 32");
    /* What f16 can't hold. */
    adit_model_read_options_init(&options, sizeof options);
    adit_model_close(model);
    const float large = 1e6f;
    uint16_t half = 0;
    model = open_model(write_safetensors(
        "large.safetensors", "{\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 8,
        &large, 4));
    options.dtype = ADIT_DTYPE_F16;
    EXPECT_OK(adit_model_read(model, 0, &options, &half, 2, NULL, &err));
    CHECK_EQ(half, 0x7c00);
    options.flags = ADIT_CONVERT_SATURATE;
    EXPECT_OK(adit_model_read(model, 0, &options, &half, 2, NULL, &err));
    CHECK_EQ(half, 0x7bff);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    if (sysconf(_SC_PAGESIZE) != PAGE) {
        check_skip("pages of tensors", "pages of 4 KiB");
        return check_end();
    }
    alignment();
    parts();
    converted();
    return check_end();
}
