/* Tensors to and from other libraries. The structs are those of dlpack.h 1.1. */
#include "check.h"

#include <pthread.h>

typedef struct { int32_t device_type, device_id; } DLDevice;
typedef struct { uint8_t code, bits; uint16_t lanes; } DLDataType;
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
    DLTensor dl_tensor;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;
typedef struct { uint32_t major, minor; } DLPackVersion;
typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

static adit_array *open_in(const char *path, int32_t mode) {
    adit_array *array = NULL;
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    options.mode = mode;
    EXPECT_OK(adit_array_open(path, &options, &array, &err));
    return array;
}

static void check_lent(const DLTensor *lent, const adit_tensor *own) {
    CHECK(lent->data == own->data);
    CHECK(lent->device.device_type == 1 && lent->device.device_id == 0);
    CHECK_EQ(lent->byte_offset, 0);
    CHECK_INT(lent->ndim, own->ndim);
    CHECK_BYTES(lent->shape, own->shape, 8 * own->ndim);
    CHECK_BYTES(lent->strides, own->strides, 8 * own->ndim);
}

static void *delete_it(void *managed) {
    DLManagedTensorVersioned *own = (DLManagedTensorVersioned *)managed;
    own->deleter(own);
    return NULL;
}

static void lent(void) {
    const char *const names[] = { "npy/f4_c.npy", "npy/f4_f.npy", "npy/f4_0d.npy", "npy/f4_empty_2x0x3.npy" };
    for (size_t at = 0; at < 4; at++) {
        adit_array *array = open_in(data_path(names[at]), ADIT_ARRAY_READ);
        DLManagedTensorVersioned *managed = NULL;
        DLManagedTensor *old = NULL;
        adit_tensor own;
        EXPECT_OK(adit_array_tensor(array, &own, &err));
        EXPECT_OK(adit_array_to_dlpack(array, &managed, &err));
        CHECK(managed->version.major == 1 && managed->version.minor == 1);
        CHECK_EQ(managed->flags, 1);
        check_lent(&managed->dl_tensor, &own);
        CHECK(managed->dl_tensor.dtype.code == 2 && managed->dl_tensor.dtype.bits == 32);
        CHECK_INT(managed->dl_tensor.dtype.lanes, 1);
        EXPECT_ERROR(adit_array_to_dlpack_unversioned(array, 0, &old, &err), ADIT_ERR_READ_ONLY,
                     "ADIT_DLPACK_IGNORE_READ_ONLY");
        CHECK(old == NULL);
        EXPECT_ERROR(adit_array_to_dlpack_unversioned(array, 2, &old, &err), ADIT_ERR_UNSUPPORTED,
                     "flags");
        EXPECT_OK(adit_array_to_dlpack_unversioned(array, ADIT_DLPACK_IGNORE_READ_ONLY, &old, &err));
        check_lent(&old->dl_tensor, &own);

        /* The elements outlive the array, and go with the last who holds them, on any thread. */
        unsigned char before[64];
        CHECK(own.nbytes <= sizeof before);
        if (own.nbytes > 0) memcpy(before, own.data, own.nbytes);
        adit_array_close(array);
        old->deleter(old);
        if (own.nbytes > 0) CHECK_BYTES(managed->dl_tensor.data, before, own.nbytes);

        /* And back again. */
        adit_tensor back;
        EXPECT_OK(adit_tensor_from_dlpack(managed, &back, &err));
        CHECK(back.data == own.data && back.nbytes == own.nbytes && back.dtype == own.dtype);
        CHECK_EQ(back.flags, own.flags);
        CHECK_BYTES(back.shape, own.shape, sizeof own.shape);
        CHECK_BYTES(back.strides, own.strides, sizeof own.strides);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, delete_it, managed) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static void writable(void) {
    const char *path = scratch_path("lent.npy");
    const int64_t shape[] = { 2 };
    adit_array *array = NULL;
    DLManagedTensor *old = NULL;
    DLManagedTensorVersioned *managed = NULL;
    EXPECT_OK(adit_array_create(path, ADIT_DTYPE_F32, 1, shape, NULL, &array, &err));
    EXPECT_OK(adit_array_to_dlpack_unversioned(array, 0, &old, &err));
    ((float *)old->dl_tensor.data)[1] = 5.0f;
    old->deleter(old);
    adit_array_close(array);
    array = open_in(path, ADIT_ARRAY_COPY_ON_WRITE);
    EXPECT_OK(adit_array_to_dlpack(array, &managed, &err));
    adit_array_close(array);
    CHECK_EQ(managed->flags, 0);
    float *values = (float *)managed->dl_tensor.data;
    CHECK(values[1] == 5.0f);
    values[1] = 6.0f;
    array = open_in(path, ADIT_ARRAY_READ);
    adit_tensor tensor;
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK(((const float *)tensor.data)[1] == 5.0f && values[1] == 6.0f);
    adit_array_close(array);
    managed->deleter(managed);

    array = open_in(data_path("npy/f4_be.npy"), ADIT_ARRAY_READ);
    managed = (DLManagedTensorVersioned *)(uintptr_t)77;
    EXPECT_ERROR(adit_array_to_dlpack(array, &managed, &err), ADIT_ERR_UNSUPPORTED, "big-endian");
    CHECK(managed == NULL);
    adit_array_close(array);
}

static void never(DLManagedTensorVersioned *self) {
    (void)self;
    CHECK_FAIL("a borrowed tensor was deleted");
}

/* Every dtype by its code, and what is none of ours. */
static void taken(void) {
    const struct { int32_t dtype; uint8_t code, bits; } types[] = {
        { ADIT_DTYPE_BOOL, 6, 8 },       { ADIT_DTYPE_I8, 0, 8 },
        { ADIT_DTYPE_I16, 0, 16 },       { ADIT_DTYPE_I32, 0, 32 },
        { ADIT_DTYPE_I64, 0, 64 },       { ADIT_DTYPE_U8, 1, 8 },
        { ADIT_DTYPE_U16, 1, 16 },       { ADIT_DTYPE_U32, 1, 32 },
        { ADIT_DTYPE_U64, 1, 64 },       { ADIT_DTYPE_F16, 2, 16 },
        { ADIT_DTYPE_BF16, 4, 16 },      { ADIT_DTYPE_F32, 2, 32 },
        { ADIT_DTYPE_F64, 2, 64 },       { ADIT_DTYPE_F8_E4M3FN, 10, 8 },
        { ADIT_DTYPE_F8_E5M2, 12, 8 },   { ADIT_DTYPE_F8_E8M0, 14, 8 },
        { ADIT_DTYPE_COMPLEX64, 5, 64 }, { ADIT_DTYPE_COMPLEX128, 5, 128 },
    };
    unsigned char memory[256];
    int64_t shape[9] = { 2, 3, 1, 1, 1, 1, 1, 1, 1 }, strides[9] = { 1, 2, 9, 9, 9, 9, 9, 9, 9 };
    DLManagedTensorVersioned managed;
    DLManagedTensor old;
    adit_tensor tensor;
    memset(&managed, 0, sizeof managed);
    memset(&old, 0, sizeof old);
    managed.version.major = 1;
    managed.version.minor = 99;
    managed.deleter = never;
    DLTensor *own = &managed.dl_tensor;
    own->data = memory;
    own->byte_offset = 3;
    own->device.device_type = 1;
    own->ndim = 2;
    own->shape = shape;
    own->dtype.lanes = 1;
    for (size_t at = 0; at < sizeof types / sizeof types[0]; at++) {
        own->dtype.code = types[at].code;
        own->dtype.bits = types[at].bits;
        own->strides = NULL;
        EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
        CHECK_INT(tensor.dtype, types[at].dtype);
        CHECK(tensor.data == memory + 3 && tensor.nbytes == 6u * types[at].bits / 8);
        CHECK(tensor.strides[0] == 3 && tensor.strides[1] == 1);
        CHECK_EQ(tensor.flags, ADIT_TENSOR_CONTIGUOUS);
        own->strides = strides;
        managed.flags = 1;
        EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
        CHECK(tensor.strides[0] == 1 && tensor.strides[1] == 2);
        CHECK_EQ(tensor.flags, ADIT_TENSOR_READ_ONLY);
        managed.flags = 0;
        old.dl_tensor = *own;
        EXPECT_OK(adit_tensor_from_dlpack_unversioned(&old, &tensor, &err));
        CHECK_INT(tensor.dtype, types[at].dtype);
    }
    const int32_t devices[] = { 3, 11 };
    for (int at = 0; at < 2; at++) {
        own->device.device_type = devices[at];
        EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
    }
    own->device.device_type = 2;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "device type 2");
    own->device.device_type = 1;
    managed.version.major = 2;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "version 2.99");
    CHECK(tensor.data == NULL && tensor.dtype == 0);
    managed.version.major = 1;
    own->dtype.lanes = 4;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_DTYPE, "4 lanes");
    own->dtype.lanes = 1;
    own->dtype.code = 17;
    own->dtype.bits = 4;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_DTYPE, "4 bits");
    own->dtype.code = 2;
    own->dtype.bits = 32;
    own->ndim = 9;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_SHAPE, "9 dimensions");
    own->ndim = -1;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_SHAPE, "-1 dimensions");
    own->ndim = 2;
    strides[0] = -1;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "stride -1");
    strides[0] = INT64_MAX;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_SHAPE, "memory can hold");
    strides[0] = strides[1] = 0;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "repeated in every dimension");
    strides[0] = 1;
    strides[1] = 2;
    shape[1] = -3;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_SHAPE, "dimension 1 is -3");
    shape[1] = 3;
    own->byte_offset = UINT64_MAX - 3;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "leads out of memory");
    own->byte_offset = 0;
    own->shape = NULL;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "its shape is NULL");
    own->ndim = 0;
    EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
    own->shape = shape;
    own->ndim = 2;
    /* Nothing is repeated where there is nothing. */
    shape[0] = strides[0] = strides[1] = 0;
    EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
    CHECK(tensor.data == NULL && tensor.nbytes == 0);
    shape[0] = 2;
    strides[0] = 1;
    strides[1] = 2;
    own->data = NULL;
    EXPECT_ERROR(adit_tensor_from_dlpack(&managed, &tensor, &err), ADIT_ERR_INVALID_ARGUMENT, "NULL");
    shape[1] = 0;
    EXPECT_OK(adit_tensor_from_dlpack(&managed, &tensor, &err));
    CHECK(tensor.data == NULL && tensor.nbytes == 0 && tensor.ndim == 2);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    lent();
    writable();
    taken();
    return check_end();
}
