/* Models read to their end, and what of them is no number; tensors passed on by DLPack. */
#include "models.h"

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

/* An f32 tensor with a NaN and two infinities, an f16 one with a NaN, a sound one, integers. */
static const char *write_bad(void) {
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]},"
        "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[32,40]},"
        "\"d\":{\"dtype\":\"U32\",\"shape\":[2],\"data_offsets\":[40,48]}}";
    const uint32_t bits[12] = { 0x3f800000, 0x7f7fffff, 0x7f800000, 0x00000001, 0xff800000, 0x7fc00001,
                                0x00003c00, 0x7e003c00, 0x3f800000, 0x80000000, 0x7fc00000, 0xffffffff };
    return write_safetensors("bad.safetensors", header, 64, bits, sizeof bits);
}

typedef struct findings {
    size_t count;
    adit_model_finding own[4];
} findings;

static void ADIT_CALL found_one(void *ctx, const adit_model_finding *finding) {
    findings *all = (findings *)ctx;
    CHECK(all->count < 4);
    CHECK_EQ(finding->struct_size, sizeof *finding);
    all->own[all->count++] = *finding;
}

static adit_model_verification verify(const adit_model *model, uint32_t flags, findings *all) {
    adit_model_verify_options options = ADIT_MODEL_VERIFY_OPTIONS_INIT;
    adit_model_verification found = ADIT_MODEL_VERIFICATION_INIT;
    options.flags = flags;
    options.finding = all != NULL ? found_one : NULL;
    options.ctx = all;
    EXPECT_OK(adit_model_verify(model, &options, NULL, NULL, &found, &err));
    CHECK_EQ(found.struct_size, sizeof found);
    return found;
}

static void non_finite(void) {
    adit_model *model = open_model(write_bad());
    const uint64_t start = tensor_info(model, 0).offset;
    findings all = { 0, { { 0, 0, 0, 0, 0, 0, 0, 0 } } };
    adit_model_verification found = verify(model, 0, &all);
    CHECK(found.tensors == 4 && found.bytes == 48 && found.bad_tensors == 0 && all.count == 0);
    found = verify(model, ADIT_VERIFY_SCALES, &all);
    CHECK(found.bad_tensors == 0 && all.count == 0);
    found = verify(model, ADIT_VERIFY_NON_FINITE, &all);
    CHECK(found.tensors == 4 && found.bytes == 48 && found.bad_tensors == 2);
    CHECK_EQ(all.count, 2);
    CHECK_EQ(all.own[0].tensor, find_tensor(model, "a"));
    CHECK(all.own[0].nans == 1 && all.own[0].infinities == 2 && all.own[0].first == 2);
    CHECK_EQ(all.own[0].offset, start + 8);
    CHECK_EQ(all.own[0].flags, ADIT_VERIFY_NON_FINITE);
    CHECK_EQ(all.own[1].tensor, find_tensor(model, "b"));
    CHECK(all.own[1].nans == 1 && all.own[1].infinities == 0 && all.own[1].first == 3);
    CHECK_EQ(all.own[1].offset, start + 24 + 6);
    found = verify(model, ADIT_VERIFY_NON_FINITE, NULL);
    CHECK_EQ(found.bad_tensors, 2);
    EXPECT_OK(adit_model_verify(model, NULL, NULL, NULL, NULL, &err));
    adit_model_close(model);
}

/* The scale of the second block of c.q8_0, 34 bytes behind the first, becomes infinite. */
static void scales(void) {
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("gguf/tensors_only.gguf"), &len);
    const uint64_t at = 480 + 34;
    bytes[at] = 0;
    bytes[at + 1] = 0x7c;
    write_file(scratch_path("scales.gguf"), bytes, len);
    free(bytes);
    adit_model *model = open_model(scratch_path("scales.gguf"));
    findings all = { 0, { { 0, 0, 0, 0, 0, 0, 0, 0 } } };
    const adit_model_verification found =
        verify(model, ADIT_VERIFY_SCALES | ADIT_VERIFY_NON_FINITE, &all);
    CHECK(found.tensors == 6 && found.bytes == 356 && found.bad_tensors == 1 && all.count == 1);
    CHECK_EQ(all.own[0].tensor, find_tensor(model, "c.q8_0"));
    CHECK(all.own[0].nans == 0 && all.own[0].infinities == 1 && all.own[0].first == 1);
    CHECK_EQ(all.own[0].offset, at);
    CHECK_EQ(all.own[0].flags, ADIT_VERIFY_SCALES);
    adit_model_close(model);
}

typedef struct told {
    uint64_t calls, done, total, stop_at;
} told;

static int ADIT_CALL progress(void *ctx, uint64_t done, uint64_t total) {
    told *own = (told *)ctx;
    CHECK(done >= own->done && done <= total && (own->calls == 0 || total == own->total));
    own->done = done;
    own->total = total;
    return ++own->calls == own->stop_at;
}

static void progresses(void) {
    adit_model *model = open_model(data_path("safetensors/model_small.safetensors"));
    adit_model_verification found = ADIT_MODEL_VERIFICATION_INIT;
    told own = { 0, 0, 0, 0 };
    EXPECT_OK(adit_model_verify(model, NULL, progress, &own, &found, &err));
    CHECK(own.calls > 0 && own.done == 6176 && own.total == 6176);
    CHECK(found.tensors == 13 && found.bytes == 6176);
    told stopped = { 0, 0, 0, 1 };
    EXPECT(adit_model_verify(model, NULL, progress, &stopped, &found, &err), ADIT_CANCELLED);
    CHECK_EQ(stopped.calls, 1);
    CHECK(found.tensors == 0 && found.bytes == 0);
    adit_model_close(model);
}

/* A file that ends early, seen when it is read, and by opening that reads. */
static void cut(void) {
    const char *path = write_bad();
    adit_model *model = open_model(path);
    adit_model_verification found = ADIT_MODEL_VERIFICATION_INIT;
    struct stat info;
    CHECK_INT(stat(path, &info), 0);
    CHECK_INT(truncate(path, info.st_size - 9), 0);
    EXPECT_ERROR(adit_model_verify(model, NULL, NULL, NULL, &found, &err), ADIT_ERR_TRUNCATED,
                 "bad.safetensors");
    CHECK_LAST_PATH(path);
    CHECK_EQ(found.tensors, 0);
    adit_model_close(model);

    /* Mapped as it was whole, cut before the model is made of it. */
    const struct { uint32_t flags; int32_t status; } ways[] = {
        { ADIT_MODEL_VERIFY, ADIT_ERR_TRUNCATED },
        { 0, ADIT_OK },
    };
    for (size_t way = 0; way < 2; way++) {
        adit_data *data = NULL;
        adit_model_options options = ADIT_MODEL_OPTIONS_INIT;
        path = write_bad();
        EXPECT_OK(adit_data_open(path, NULL, &data, &err));
        CHECK_INT(truncate(path, info.st_size - 9), 0);
        const adit_data *given = data;
        options.flags = ways[way].flags;
        model = (adit_model *)(uintptr_t)16;
        const adit_status status = adit_model_from_data(&given, 1, &options, &model, NULL);
        CHECK_INT(status, ways[way].status);
        CHECK((status == ADIT_OK) == (model != NULL));
        adit_model_close(model);
        adit_data_close(data);
    }
}

static void dlpack(void) {
    adit_model *model = open_model(data_path("safetensors/model_small.safetensors"));
    const size_t index = find_tensor(model, "embed");
    DLManagedTensorVersioned *managed = NULL;
    DLManagedTensor *old = NULL;
    adit_tensor own, back;
    unsigned char before[1280];
    EXPECT_OK(adit_model_tensor(model, index, 0, &own, &err));
    memcpy(before, own.data, sizeof before);
    EXPECT_OK(adit_model_to_dlpack(model, index, &managed, &err));
    CHECK(managed->version.major == 1 && managed->flags == 1);
    CHECK(managed->dl_tensor.data == own.data && managed->dl_tensor.ndim == 2);
    CHECK(managed->dl_tensor.shape[0] == 40 && managed->dl_tensor.shape[1] == 16);
    CHECK(managed->dl_tensor.strides[0] == 16 && managed->dl_tensor.strides[1] == 1);
    CHECK(managed->dl_tensor.dtype.code == 4 && managed->dl_tensor.dtype.bits == 16);
    EXPECT_ERROR(adit_model_to_dlpack_unversioned(model, index, 0, &old, &err), ADIT_ERR_READ_ONLY,
                 "ADIT_DLPACK_IGNORE_READ_ONLY");
    CHECK(old == NULL);
    EXPECT_ERROR(adit_model_to_dlpack_unversioned(model, index, 2, &old, &err),
                 ADIT_ERR_UNSUPPORTED, "flags");
    EXPECT_OK(adit_model_to_dlpack_unversioned(model, index, ADIT_DLPACK_IGNORE_READ_ONLY, &old,
                                               &err));
    CHECK(old->dl_tensor.data == own.data);
    EXPECT_OK(adit_tensor_from_dlpack(managed, &back, &err));
    CHECK(back.data == own.data && back.nbytes == own.nbytes && back.dtype == own.dtype);
    DLManagedTensorVersioned *none = managed;
    EXPECT_ERROR(adit_model_to_dlpack(model, 13, &none, &err), ADIT_ERR_OUT_OF_RANGE, "has 13");
    CHECK(none == NULL);
    /* The bytes outlive the model. */
    adit_model_close(model);
    CHECK_BYTES(old->dl_tensor.data, before, sizeof before);
    old->deleter(old);
    CHECK_BYTES(managed->dl_tensor.data, before, sizeof before);
    managed->deleter(managed);

    model = open_model(data_path("gguf/align_64.gguf"));
    const size_t block = find_tensor(model, "c.q8_0");
    managed = (DLManagedTensorVersioned *)(uintptr_t)16;
    old = (DLManagedTensor *)(uintptr_t)16;
    EXPECT_ERROR(adit_model_to_dlpack(model, block, &managed, &err), ADIT_ERR_DTYPE, "q8_0");
    EXPECT_ERROR(adit_model_to_dlpack_unversioned(model, block, ADIT_DLPACK_IGNORE_READ_ONLY, &old,
                                                  &err),
                 ADIT_ERR_DTYPE, "q8_0");
    CHECK(managed == NULL && old == NULL);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    non_finite();
    scales();
    progresses();
    cut();
    dlpack();
    return check_end();
}
