/* adit_tensor: its frozen layout, and adit_tensor_init. */
#include "check.h"

#include <stddef.h>

static const float values[64] = { 1.0f, 2.0f, 3.0f };

static void layout(void) {
    CHECK_EQ(ADIT_MAX_DIMS, 8);
    CHECK_EQ(ADIT_TENSOR_READ_ONLY, 1);
    CHECK_EQ(ADIT_TENSOR_BIG_ENDIAN, 2);
    CHECK_EQ(ADIT_TENSOR_CONTIGUOUS, 4);
    CHECK_EQ(sizeof(adit_tensor), 192);
    CHECK_EQ(offsetof(adit_tensor, data), 0);
    CHECK_EQ(offsetof(adit_tensor, nbytes), 8);
    CHECK_EQ(offsetof(adit_tensor, dtype), 16);
    CHECK_EQ(offsetof(adit_tensor, ndim), 20);
    CHECK_EQ(offsetof(adit_tensor, shape), 24);
    CHECK_EQ(offsetof(adit_tensor, strides), 88);
    CHECK_EQ(offsetof(adit_tensor, flags), 152);
    CHECK_EQ(offsetof(adit_tensor, reserved0), 156);
    CHECK_EQ(offsetof(adit_tensor, reserved), 160);
}

/* All 192 bytes of a tensor. */
static void is(const adit_tensor *tensor, const void *data, uint64_t nbytes, int32_t dtype,
               int32_t ndim, const int64_t *shape, const int64_t *strides) {
    CHECK(tensor->data == data);
    CHECK_EQ(tensor->nbytes, nbytes);
    CHECK_INT(tensor->dtype, dtype);
    CHECK_INT(tensor->ndim, ndim);
    for (int axis = 0; axis < 8; axis++) {
        CHECK_INT(tensor->shape[axis], axis < ndim ? shape[axis] : 0);
        CHECK_INT(tensor->strides[axis], axis < ndim ? strides[axis] : 0);
    }
    CHECK_EQ(tensor->flags, ADIT_TENSOR_CONTIGUOUS);
    CHECK_EQ(tensor->reserved0, 0);
    for (int at = 0; at < 4; at++) CHECK_EQ(tensor->reserved[at], 0);
}

static void success(void) {
    adit_tensor tensor;
    const int64_t one[] = { 1, 1, 1, 1, 1, 1, 1, 1 };

    memset(&tensor, 0xa5, sizeof tensor);
    const int64_t cube[] = { 2, 3, 4 }, cube_strides[] = { 12, 4, 1 };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F32, 3, cube, &err));
    is(&tensor, values, 96, ADIT_DTYPE_F32, 3, cube, cube_strides);

    memset(&tensor, 0xa5, sizeof tensor);
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F64, 0, NULL, &err));
    is(&tensor, values, 8, ADIT_DTYPE_F64, 0, NULL, NULL);

    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_U8, 8, one, &err));
    is(&tensor, values, 1, ADIT_DTYPE_U8, 8, one, one);

    /* Odd addresses are the caller's business. */
    const unsigned char *odd = (const unsigned char *)values + 1;
    EXPECT_OK(adit_tensor_init(&tensor, odd, ADIT_DTYPE_F32, 3, cube, &err));
    CHECK(tensor.data == odd);

    /* Without elements there is no data, whatever the caller gave. */
    const int64_t empty[] = { 2, 0, 4 }, empty_strides[] = { 4, 4, 1 };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F16, 3, empty, &err));
    is(&tensor, NULL, 0, ADIT_DTYPE_F16, 3, empty, empty_strides);
    EXPECT_OK(adit_tensor_init(&tensor, NULL, ADIT_DTYPE_F16, 3, empty, &err));
    is(&tensor, NULL, 0, ADIT_DTYPE_F16, 3, empty, empty_strides);
    const int64_t huge[] = { INT64_MAX, INT64_MAX, 0 };
    EXPECT_OK(adit_tensor_init(&tensor, NULL, ADIT_DTYPE_F64, 3, huge, &err));
    CHECK_EQ(tensor.nbytes, 0);

    /* Blocks have no strides. */
    const int64_t rows[] = { 3, 64 }, none[] = { 0, 0 };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_Q4_0, 2, rows, &err));
    is(&tensor, values, 3 * 2 * 18, ADIT_DTYPE_Q4_0, 2, rows, none);
    const int64_t row[] = { 256 };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_IQ1_M, 1, row, &err));
    is(&tensor, values, 56, ADIT_DTYPE_IQ1_M, 1, row, none);

    /* Packed elements run on across rows, and have none either. */
    const int64_t odd_rows[] = { 4, 3 };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F4_E2M1, 2, odd_rows, &err));
    is(&tensor, values, 6, ADIT_DTYPE_F4_E2M1, 2, odd_rows, none);
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F6_E3M2, 2, odd_rows, &err));
    is(&tensor, values, 9, ADIT_DTYPE_F6_E3M2, 2, odd_rows, none);

    /* The error object isn't needed. */
    CHECK_INT(adit_tensor_init(&tensor, values, ADIT_DTYPE_F32, 3, cube, NULL), ADIT_OK);
}

static void refused(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape,
                    adit_status status, const char *text) {
    adit_tensor tensor, zeros;
    memset(&tensor, 0xa5, sizeof tensor);
    memset(&zeros, 0, sizeof zeros);
    EXPECT_ERROR(adit_tensor_init(&tensor, data, dtype, ndim, shape, &err), status, text);
    CHECK_BYTES(&tensor, &zeros, sizeof tensor);
    CHECK(!last.has_path && !last.has_offset && !last.has_index);
    CHECK_INT(adit_tensor_init(&tensor, data, dtype, ndim, shape, NULL), status);
}

static void failure(void) {
    const int64_t cube[] = { 2, 3, 4 }, nine[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const int64_t negative[] = { 2, -3, 4 }, overflow[] = { 65536, 65536, 65536, 65536 };
    const int64_t most[] = { INT64_MAX }, block[] = { 32, 33 };
    const int64_t thirds[] = { 3, 3 };
    refused(NULL, ADIT_DTYPE_F32, 3, cube, ADIT_ERR_INVALID_ARGUMENT, "data is NULL");
    refused(values, ADIT_DTYPE_F32, 3, NULL, ADIT_ERR_INVALID_ARGUMENT, "shape is NULL");
    refused(values, ADIT_DTYPE_NONE, 3, cube, ADIT_ERR_DTYPE, "dtype: 0");
    refused(values, 24, 3, cube, ADIT_ERR_DTYPE, "dtype: 24");
    refused(values, -1, 3, cube, ADIT_ERR_DTYPE, "dtype: -1");
    refused(values, INT32_MIN, 3, cube, ADIT_ERR_DTYPE, "dtype");
    refused(values, ADIT_DTYPE_F32, -1, cube, ADIT_ERR_SHAPE, "-1");
    refused(values, ADIT_DTYPE_F32, -1, NULL, ADIT_ERR_SHAPE, "-1");
    refused(values, ADIT_DTYPE_F32, INT32_MIN, NULL, ADIT_ERR_SHAPE, "shape");
    refused(values, ADIT_DTYPE_F32, 9, nine, ADIT_ERR_SHAPE, "9");
    refused(values, ADIT_DTYPE_F32, INT32_MAX, nine, ADIT_ERR_SHAPE, "2147483647");
    refused(values, ADIT_DTYPE_F32, 3, negative, ADIT_ERR_SHAPE, "dimension 1 is -3");
    refused(values, ADIT_DTYPE_U8, 4, overflow, ADIT_ERR_SHAPE, "more than memory can hold");
    refused(values, ADIT_DTYPE_U16, 1, most, ADIT_ERR_SHAPE, "more than memory can hold");
    refused(values, ADIT_DTYPE_Q4_0, 2, block, ADIT_ERR_SHAPE, "33");
    refused(values, ADIT_DTYPE_Q4_0, 0, NULL, ADIT_ERR_SHAPE, "1");
    refused(values, ADIT_DTYPE_F4_E2M1, 2, thirds, ADIT_ERR_SHAPE, "9 elements of f4_e2m1");
    refused(values, ADIT_DTYPE_F6_E2M3, 0, NULL, ADIT_ERR_SHAPE, "1 elements of f6_e2m3");
    EXPECT_ERROR(adit_tensor_init(NULL, values, ADIT_DTYPE_F32, 3, cube, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "tensor is NULL");
}

/* The shape may be the tensor's own. */
static void own_shape(void) {
    static const float elements[6] = { 0 };
    adit_tensor tensor;
    memset(&tensor, 0, sizeof tensor);
    tensor.shape[0] = 2;
    tensor.shape[1] = 3;
    EXPECT_OK(adit_tensor_init(&tensor, elements, ADIT_DTYPE_F32, 2, tensor.shape, &err));
    CHECK(tensor.shape[0] == 2 && tensor.shape[1] == 3);
    CHECK(tensor.strides[0] == 3 && tensor.strides[1] == 1);
    CHECK_EQ(tensor.nbytes, sizeof elements);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    layout();
    success();
    own_shape();
    failure();
    return check_end();
}
