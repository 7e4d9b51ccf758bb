/* Every function of models and their writers with NULL: the message names the parameter. */
#include "models.h"

#define BEFORE ((uintptr_t)16)
#define IS_NULL(call, parameter) EXPECT_ERROR(call, ADIT_ERR_INVALID_ARGUMENT, parameter " is NULL")

static adit_model *model;

static void zeroed(const void *bytes, size_t len) {
    const unsigned char *at = (const unsigned char *)bytes;
    while (len-- > 0) CHECK(*at++ == 0);
}

static void opening(void) {
    const char *path = data_path("gguf/kv_only.gguf");
    const char *paths[] = { path, NULL };
    adit_model *out = (adit_model *)BEFORE;
    adit_data *data = NULL;
    IS_NULL(adit_model_open(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_model_open(path, NULL, NULL, &err), "out");
    out = (adit_model *)BEFORE;
    IS_NULL(adit_model_open_files(NULL, 1, NULL, &out, &err), "paths");
    CHECK(out == NULL);
    IS_NULL(adit_model_open_files(paths, 2, NULL, &out, &err), "paths[1]");
    IS_NULL(adit_model_open_files(paths, 1, NULL, NULL, &err), "out");
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    const adit_data *given[] = { data, NULL };
    out = (adit_model *)BEFORE;
    IS_NULL(adit_model_from_data(NULL, 1, NULL, &out, &err), "data");
    CHECK(out == NULL);
    IS_NULL(adit_model_from_data(given, 2, NULL, &out, &err), "data[1]");
    IS_NULL(adit_model_from_data(given, 1, NULL, NULL, &err), "out");
    adit_data_close(data);
    CHECK_INT(adit_model_open(NULL, NULL, NULL, NULL), ADIT_ERR_INVALID_ARGUMENT);
    adit_model_close(NULL);
    adit_model_options_init(NULL, sizeof(adit_model_options));
    adit_model_read_options_init(NULL, sizeof(adit_model_read_options));
    adit_model_verify_options_init(NULL, sizeof(adit_model_verify_options));
}

static void looking(void) {
    adit_model_info info = ADIT_MODEL_INFO_INIT;
    adit_model_tensor_info own = ADIT_MODEL_TENSOR_INFO_INIT;
    adit_tensor tensor;
    adit_data *data = (adit_data *)BEFORE;
    const char *name = "x";
    size_t len = 7, index = 7, ndim = 7;
    int64_t dims[2] = { 7, 7 };
    CHECK_EQ(adit_model_len(NULL), 0);
    CHECK_EQ(adit_model_file_count(NULL), 0);
    info.nbytes = 7;
    IS_NULL(adit_model_get_info(NULL, &info, &err), "model");
    CHECK_EQ(info.nbytes, 0);
    IS_NULL(adit_model_get_info(model, NULL, &err), "info");
    IS_NULL(adit_model_name(NULL, 0, &name, &len, &err), "model");
    CHECK(name == NULL && len == 0);
    IS_NULL(adit_model_name(model, 0, NULL, &len, &err), "name");
    IS_NULL(adit_model_find(NULL, "x", &index, &err), "model");
    CHECK_EQ(index, 0);
    IS_NULL(adit_model_find(model, NULL, &index, &err), "name");
    IS_NULL(adit_model_find(model, "x", NULL, &err), "index");
    own.nbytes = 7;
    IS_NULL(adit_model_get_tensor_info(NULL, 0, &own, &err), "model");
    CHECK_EQ(own.nbytes, 0);
    IS_NULL(adit_model_get_tensor_info(model, 0, NULL, &err), "info");
    IS_NULL(adit_model_shape(NULL, 0, dims, 2, &ndim, &err), "model");
    CHECK(ndim == 0 && dims[0] == 0 && dims[1] == 0);
    IS_NULL(adit_model_shape(model, 0, NULL, 2, &ndim, &err), "dims");
    IS_NULL(adit_model_shape(model, 0, dims, 2, NULL, &err), "ndim");
    EXPECT_ERROR(adit_model_shape(model, 0, dims, SIZE_MAX, &ndim, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "more dims than memory can hold");
    EXPECT_OK(adit_model_shape(model, 0, NULL, 0, &ndim, &err));
    CHECK_EQ(ndim, 2);
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_model_tensor(NULL, 0, 0, &tensor, &err), "model");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_model_tensor(model, 0, 0, NULL, &err), "tensor");
    IS_NULL(adit_model_file(NULL, 0, &data, &err), "model");
    CHECK(data == NULL);
    IS_NULL(adit_model_file(model, 0, NULL, &err), "out");
}

static void metadata(void) {
    const char *text = "x";
    size_t len = 7, value = 7;
    int32_t type = 7;
    uint64_t u64 = 7;
    int64_t i64 = 7;
    double f64 = 7;
    bool truth = true;
    size_t strings = 0;
    EXPECT_OK(adit_model_metadata_find(model, "t.arr_s", &strings, &err));
    CHECK_EQ(adit_model_metadata_count(NULL), 0);
    IS_NULL(adit_model_metadata_key(NULL, 0, &text, &len, &err), "model");
    CHECK(text == NULL && len == 0);
    IS_NULL(adit_model_metadata_key(model, 0, NULL, &len, &err), "key");
    EXPECT_OK(adit_model_metadata_key(model, 0, &text, NULL, &err));
    IS_NULL(adit_model_metadata_find(NULL, "k", &value, &err), "model");
    CHECK_EQ(value, 0);
    IS_NULL(adit_model_metadata_find(model, NULL, &value, &err), "key");
    IS_NULL(adit_model_metadata_find(model, "k", NULL, &err), "value");
    IS_NULL(adit_model_metadata_type(NULL, 0, &type, &err), "model");
    IS_NULL(adit_model_metadata_type(model, 0, NULL, &err), "out");
    IS_NULL(adit_model_metadata_u64(NULL, 0, &u64, &err), "model");
    IS_NULL(adit_model_metadata_u64(model, 0, NULL, &err), "out");
    IS_NULL(adit_model_metadata_i64(NULL, 0, &i64, &err), "model");
    IS_NULL(adit_model_metadata_i64(model, 0, NULL, &err), "out");
    IS_NULL(adit_model_metadata_f64(NULL, 0, &f64, &err), "model");
    IS_NULL(adit_model_metadata_f64(model, 0, NULL, &err), "out");
    IS_NULL(adit_model_metadata_bool(NULL, 0, &truth, &err), "model");
    IS_NULL(adit_model_metadata_bool(model, 0, NULL, &err), "out");
    CHECK(type == 0 && u64 == 0 && i64 == 0 && f64 == 0 && !truth);
    text = "x";
    len = 7;
    IS_NULL(adit_model_metadata_string(NULL, 0, &text, &len, &err), "model");
    CHECK(text == NULL && len == 0);
    IS_NULL(adit_model_metadata_string(model, 0, NULL, &len, &err), "text");
    text = "x";
    IS_NULL(adit_model_metadata_string(model, 0, &text, NULL, &err), "len");
    CHECK(text == NULL);
    IS_NULL(adit_model_metadata_array_type(NULL, 0, &type, &err), "model");
    IS_NULL(adit_model_metadata_array_type(model, strings, NULL, &err), "out");
    IS_NULL(adit_model_metadata_array_len(NULL, 0, &u64, &err), "model");
    IS_NULL(adit_model_metadata_array_len(model, strings, NULL, &err), "out");
    IS_NULL(adit_model_metadata_array_read(NULL, 0, 0, 1, &type, 4, &err), "model");
    IS_NULL(adit_model_metadata_array_read(model, 0, 0, 1, NULL, 4, &err), "buffer");
    text = "x";
    IS_NULL(adit_model_metadata_array_string(NULL, 0, 0, &text, &len, &err), "model");
    CHECK(text == NULL);
    IS_NULL(adit_model_metadata_array_string(model, strings, 0, NULL, &len, &err), "text");
    IS_NULL(adit_model_metadata_array_string(model, strings, 0, &text, NULL, &err), "len");
    value = 7;
    IS_NULL(adit_model_metadata_array_nested(NULL, 0, 0, &value, &err), "model");
    CHECK_EQ(value, 0);
    IS_NULL(adit_model_metadata_array_nested(model, strings, 0, NULL, &err), "nested");
}

static void use(void) {
    adit_tensor tensor;
    adit_residency residency = ADIT_RESIDENCY_INIT;
    adit_model_verification found = ADIT_MODEL_VERIFICATION_INIT;
    struct DLManagedTensorVersioned *lent = (struct DLManagedTensorVersioned *)BEFORE;
    struct DLManagedTensor *old = (struct DLManagedTensor *)BEFORE;
    float buffer[16];
    uint64_t nbytes = 7;
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_model_read(NULL, 0, NULL, buffer, 60, &tensor, &err), "model");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_model_read(model, 0, NULL, NULL, 60, &tensor, &err), "buffer");
    EXPECT_OK(adit_model_read(model, 0, NULL, buffer, 60, NULL, &err));
    IS_NULL(adit_model_read_size(NULL, 0, NULL, &nbytes, &err), "model");
    CHECK_EQ(nbytes, 0);
    IS_NULL(adit_model_read_size(model, 0, NULL, NULL, &err), "nbytes");
    IS_NULL(adit_model_prefetch(NULL, NULL, 0, &err), "model");
    IS_NULL(adit_model_prefetch(model, NULL, 1, &err), "indices");
    nbytes = 7;
    IS_NULL(adit_model_release(NULL, NULL, 0, 0, &nbytes, &err), "model");
    CHECK_EQ(nbytes, 0);
    IS_NULL(adit_model_release(model, NULL, 1, 0, &nbytes, &err), "indices");
    residency.total_bytes = 7;
    IS_NULL(adit_model_residency(NULL, NULL, 0, &residency, &err), "model");
    CHECK_EQ(residency.total_bytes, 0);
    IS_NULL(adit_model_residency(model, NULL, 1, &residency, &err), "indices");
    IS_NULL(adit_model_residency(model, NULL, ADIT_MODEL_ALL, NULL, &err), "residency");
    IS_NULL(adit_model_lock(NULL, NULL, 0, &err), "model");
    IS_NULL(adit_model_lock(model, NULL, 1, &err), "indices");
    IS_NULL(adit_model_unlock(NULL, NULL, 0, &err), "model");
    IS_NULL(adit_model_unlock(model, NULL, 1, &err), "indices");
    found.tensors = 7;
    IS_NULL(adit_model_verify(NULL, NULL, NULL, NULL, &found, &err), "model");
    CHECK_EQ(found.tensors, 0);
    IS_NULL(adit_model_to_dlpack(NULL, 0, &lent, &err), "model");
    IS_NULL(adit_model_to_dlpack(model, 0, NULL, &err), "out");
    IS_NULL(adit_model_to_dlpack_unversioned(NULL, 0, 0, &old, &err), "model");
    IS_NULL(adit_model_to_dlpack_unversioned(model, 0, 0, NULL, &err), "out");
    CHECK(lent == NULL && old == NULL);
}

static void writing(void) {
    adit_model_writer *own = NULL, *out = (adit_model_writer *)BEFORE;
    const char *path = scratch_path("null.safetensors");
    const int64_t shape[] = { 1 };
    const float value = 1.0f;
    size_t index = 77, file = 77, alignment = 77;
    uint64_t offset = 77;
    IS_NULL(adit_model_writer_create(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_model_writer_create(path, NULL, NULL, &err), "out");
    EXPECT_OK(adit_model_writer_create(path, NULL, &own, &err));
    IS_NULL(adit_model_writer_declare(NULL, "x", ADIT_DTYPE_F32, 1, shape, &index, &err), "writer");
    CHECK_EQ(index, 0);
    IS_NULL(adit_model_writer_declare(own, NULL, ADIT_DTYPE_F32, 1, shape, NULL, &err), "name");
    IS_NULL(adit_model_writer_declare(own, "x", ADIT_DTYPE_F32, 1, NULL, NULL, &err), "shape");
    EXPECT_OK(adit_model_writer_declare(own, "x", ADIT_DTYPE_F32, 0, NULL, NULL, &err));
    IS_NULL(adit_model_writer_set_metadata(NULL, "k", "v", &err), "writer");
    IS_NULL(adit_model_writer_set_metadata(own, NULL, "v", &err), "key");
    IS_NULL(adit_model_writer_set_metadata(own, "k", NULL, &err), "value");
    IS_NULL(adit_model_writer_begin(NULL, &err), "writer");
    EXPECT_OK(adit_model_writer_begin(own, &err));
    IS_NULL(adit_model_writer_write(NULL, 0, 0, &value, 4, &err), "writer");
    IS_NULL(adit_model_writer_write(own, 0, 0, NULL, 4, &err), "bytes");
    EXPECT_OK(adit_model_writer_write(own, 0, 0, NULL, 0, &err));
    IS_NULL(adit_model_writer_location(NULL, 0, &file, &offset, &alignment, &err), "writer");
    CHECK(file == 0 && offset == 0 && alignment == 0);
    CHECK_EQ(adit_model_writer_count(NULL), 0);
    CHECK_EQ(adit_model_writer_files(NULL), 0);
    IS_NULL(adit_model_writer_finish(NULL, &err), "writer");
    adit_model_writer_close(NULL);
    adit_model_writer_close(own);
    CHECK(!exists(path));
    adit_model_writer_options_init(NULL, sizeof(adit_model_writer_options));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    model = open_model(data_path("gguf/all_kv_types.gguf"));
    opening();
    looking();
    metadata();
    use();
    writing();
    EXPECT_OK(adit_model_verify(model, NULL, NULL, NULL, NULL, &err));
    adit_model_close(model);
    return check_end();
}
