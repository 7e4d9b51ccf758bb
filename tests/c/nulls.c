/* Every function but those of models, with NULL for every pointer: messages name the parameter. */
#include "check.h"

/* What an output holds before a call that fails; a call that leaves it there didn't zero it. */
#define BEFORE ((uintptr_t)16)

static adit_data *data;
static adit_record_schema *schema;
static adit_record_writer *writer;
static adit_record_reader *reader;
static adit_array *array;
static adit_tensor tensors[2];
static const float value = 1.0f;

#define IS_NULL(call, parameter) EXPECT_ERROR(call, ADIT_ERR_INVALID_ARGUMENT, parameter " is NULL")

static void zeroed(const void *bytes, size_t len) {
    const unsigned char *at = (const unsigned char *)bytes;
    while (len-- > 0) CHECK(*at++ == 0);
}

static void data_functions(void) {
    const char *path = data_path("rrec/basic_3x4.rrec");
    adit_data *out = (adit_data *)BEFORE;
    adit_residency residency = ADIT_RESIDENCY_INIT;
    uint64_t freed = 7;
    char byte;
    IS_NULL(adit_data_open(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_data_open(path, NULL, NULL, &err), "out");
    IS_NULL(adit_data_open_fd(0, 0, 0, NULL, NULL, &err), "out");
    out = (adit_data *)BEFORE;
    IS_NULL(adit_data_from_bytes(NULL, 1, ADIT_BYTES_COPY, NULL, NULL, &out, &err), "bytes");
    CHECK(out == NULL);
    IS_NULL(adit_data_from_bytes(&byte, 1, ADIT_BYTES_BORROW, NULL, NULL, NULL, &err), "out");
    CHECK(adit_data_bytes(NULL) == NULL);
    CHECK_EQ(adit_data_len(NULL), 0);
    CHECK(!adit_data_is_mapped(NULL));
    CHECK(adit_data_path(NULL) == NULL);
    IS_NULL(adit_data_advise(NULL, 0, 0, ADIT_ADVICE_NORMAL, &err), "data");
    IS_NULL(adit_data_prefetch(NULL, 0, 0, &err), "data");
    IS_NULL(adit_data_release(NULL, 0, 0, 0, &freed, &err), "data");
    CHECK_EQ(freed, 0);
    IS_NULL(adit_data_release(NULL, 0, 0, 0, NULL, &err), "data");
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, 0, NULL, &err));
    residency.total_bytes = 7;
    IS_NULL(adit_data_residency(NULL, 0, 0, &residency, &err), "data");
    CHECK_EQ(residency.total_bytes, 0);
    CHECK_EQ(residency.struct_size, sizeof residency);
    IS_NULL(adit_data_residency(data, 0, 0, NULL, &err), "residency");
    IS_NULL(adit_data_residency(NULL, 0, 0, NULL, &err), "data");
    IS_NULL(adit_data_read(NULL, 0, 1, &byte, &err), "data");
    IS_NULL(adit_data_read(data, 0, 1, NULL, &err), "buffer");
    EXPECT_OK(adit_data_read(data, 0, 0, NULL, &err));
    IS_NULL(adit_data_status(NULL, &err), "data");
    adit_data_close(NULL);
}

static void schema_functions(void) {
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    const int64_t dims[] = { 1 };
    IS_NULL(adit_record_schema_new(NULL, &err), "out");
    IS_NULL(adit_record_schema_add(NULL, "x", ADIT_DTYPE_F32, 1, dims, &err), "schema");
    IS_NULL(adit_record_schema_add(schema, NULL, ADIT_DTYPE_F32, 1, dims, &err), "name");
    IS_NULL(adit_record_schema_add(schema, "x", ADIT_DTYPE_F32, 1, NULL, &err), "dims");
    CHECK_EQ(adit_record_schema_len(NULL), 0);
    field.name = "x";
    field.ndim = 7;
    IS_NULL(adit_record_schema_field(NULL, 0, &field, &err), "schema");
    CHECK(field.name == NULL && field.ndim == 0);
    IS_NULL(adit_record_schema_field(schema, 0, NULL, &err), "field");
    adit_record_schema_free(NULL);
}

static void writer_functions(void) {
    adit_record_writer *out = (adit_record_writer *)BEFORE;
    IS_NULL(adit_record_writer_create(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_record_writer_create(scratch_path("y.rrec"), NULL, NULL, &err), "out");
    CHECK(!exists(scratch_path("y.rrec")));
    IS_NULL(adit_record_writer_append(NULL, tensors, 2, &err), "writer");
    IS_NULL(adit_record_writer_append(writer, NULL, 2, &err), "tensors");
    IS_NULL(adit_record_writer_append_batch(NULL, tensors, 2, &err), "writer");
    IS_NULL(adit_record_writer_append_batch(writer, NULL, 2, &err), "columns");
    /* With n = 0 they aren't read, but rrec has two. */
    EXPECT_ERROR(adit_record_writer_append(writer, NULL, 0, &err), ADIT_ERR_INVALID_ARGUMENT, "2");
    tensors[1].data = NULL;
    EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "tensors[1]: the tensor has 4 bytes of elements but its data is NULL");
    EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, 2, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "columns[1]");
    tensors[1].data = &value;
    CHECK_EQ(adit_record_writer_count(NULL), 0);
    IS_NULL(adit_record_writer_finish(NULL, &err), "writer");
    adit_record_writer_close(NULL);
}

static void reader_functions(void) {
    adit_record_reader *out = (adit_record_reader *)BEFORE;
    adit_record_schema *told = (adit_record_schema *)BEFORE;
    adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
    adit_tensor lent[2];
    adit_data *own = (adit_data *)BEFORE;
    int64_t dims[2] = { 7, 7 };
    size_t ndim = 7;
    const uint64_t index = 0;
    float buffer[1];
    IS_NULL(adit_record_reader_open(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_record_reader_open(data_path("rrec/basic_3x4.rrec"), NULL, NULL, &err), "out");
    out = (adit_record_reader *)BEFORE;
    IS_NULL(adit_record_reader_from_data(NULL, NULL, &out, &err), "data");
    CHECK(out == NULL);
    IS_NULL(adit_record_reader_from_data(data, NULL, NULL, &err), "out");
    CHECK_EQ(adit_record_reader_len(NULL), 0);
    IS_NULL(adit_record_reader_schema(NULL, &told, &err), "reader");
    CHECK(told == NULL);
    IS_NULL(adit_record_reader_schema(reader, NULL, &err), "out");
    memset(lent, 0xa5, sizeof lent);
    IS_NULL(adit_record_reader_get(NULL, 0, lent, 2, &err), "reader");
    zeroed(lent, sizeof lent);
    IS_NULL(adit_record_reader_get(reader, 0, NULL, 1, &err), "tensors");
    IS_NULL(adit_record_reader_get(reader, 0, NULL, SIZE_MAX, &err), "tensors");
    IS_NULL(adit_record_reader_shape(NULL, 0, 0, dims, 2, &ndim, &err), "reader");
    CHECK(ndim == 0 && dims[0] == 0 && dims[1] == 0);
    IS_NULL(adit_record_reader_shape(reader, 0, 0, NULL, 2, &ndim, &err), "dims");
    IS_NULL(adit_record_reader_shape(reader, 0, 0, dims, 2, NULL, &err), "ndim");
    memset(lent, 0xa5, sizeof lent);
    IS_NULL(adit_record_reader_gather(NULL, 0, &index, 1, buffer, 4, NULL, lent, &err), "reader");
    zeroed(lent, sizeof lent[0]);
    IS_NULL(adit_record_reader_gather(reader, 1, NULL, 1, buffer, 4, NULL, lent, &err), "indices");
    IS_NULL(adit_record_reader_gather(reader, 1, &index, 1, NULL, 4, NULL, lent, &err), "buffer");
    EXPECT_OK(adit_record_reader_gather(reader, 1, &index, 1, buffer, 4, NULL, NULL, &err));
    found.records = 7;
    IS_NULL(adit_record_reader_verify(NULL, NULL, NULL, &found, &err), "reader");
    CHECK_EQ(found.records, 0);
    EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, NULL, &err));
    IS_NULL(adit_record_reader_data(NULL, &own, &err), "reader");
    CHECK(own == NULL);
    IS_NULL(adit_record_reader_data(reader, NULL, &err), "out");
    adit_record_reader_close(NULL);
}

static void recover_function(void) {
    adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
    const char *from = data_path("rrec/unfinished_dropped.rrec"), *to = scratch_path("to.rrec");
    found.records = 7;
    IS_NULL(adit_record_recover(NULL, to, NULL, NULL, NULL, &found, &err), "from");
    CHECK_EQ(found.records, 0);
    IS_NULL(adit_record_recover(from, NULL, NULL, NULL, NULL, &found, &err), "to");
    EXPECT_OK(adit_record_recover(from, to, NULL, NULL, NULL, NULL, &err));
}

static void array_writing(void) {
    adit_array *made = NULL;
    const int64_t shape[] = { 1 };
    void *elements = tensors;
    uint64_t freed = 77;
    struct DLManagedTensorVersioned *lent = NULL;
    struct DLManagedTensor *old = NULL;
    adit_tensor tensor;
    const char *path = scratch_path("null.npy");
    IS_NULL(adit_array_create(NULL, ADIT_DTYPE_F32, 1, shape, NULL, &made, &err), "path");
    IS_NULL(adit_array_create(path, ADIT_DTYPE_F32, 1, NULL, NULL, &made, &err), "shape");
    IS_NULL(adit_array_create(path, ADIT_DTYPE_F32, 1, shape, NULL, NULL, &err), "out");
    IS_NULL(adit_array_create_from(NULL, tensors, NULL, NULL, NULL, &made, &err), "path");
    IS_NULL(adit_array_create_from(path, NULL, NULL, NULL, NULL, &made, &err), "tensor");
    IS_NULL(adit_array_save_as(NULL, path, NULL, NULL, NULL, &err), "array");
    IS_NULL(adit_array_save_as(array, NULL, NULL, NULL, NULL, &err), "path");
    CHECK(!exists(path));
    IS_NULL(adit_array_data_mut(NULL, &elements, NULL, &err), "array");
    CHECK(elements == NULL);
    IS_NULL(adit_array_data_mut(array, NULL, NULL, &err), "data");
    IS_NULL(adit_array_flush(NULL, 0, 1, &err), "array");
    IS_NULL(adit_array_append_rows(NULL, tensors, &err), "array");
    IS_NULL(adit_array_append_rows(array, NULL, &err), "rows");
    IS_NULL(adit_array_read(NULL, NULL, &elements, 8, NULL, &err), "array");
    IS_NULL(adit_array_read(array, NULL, NULL, 48, NULL, &err), "buffer");
    IS_NULL(adit_array_advise(NULL, 0, 1, ADIT_ADVICE_NORMAL, &err), "array");
    IS_NULL(adit_array_prefetch(NULL, 0, 1, &err), "array");
    IS_NULL(adit_array_release(NULL, 0, 1, 0, &freed, &err), "array");
    CHECK_EQ(freed, 0);
    IS_NULL(adit_array_to_dlpack(NULL, &lent, &err), "array");
    IS_NULL(adit_array_to_dlpack(array, NULL, &err), "out");
    IS_NULL(adit_array_to_dlpack_unversioned(NULL, 0, &old, &err), "array");
    IS_NULL(adit_array_to_dlpack_unversioned(array, 0, NULL, &err), "out");
    IS_NULL(adit_tensor_from_dlpack(NULL, &tensor, &err), "managed");
    IS_NULL(adit_tensor_from_dlpack_unversioned(NULL, &tensor, &err), "managed");
    IS_NULL(adit_tensor_from_dlpack((const struct DLManagedTensorVersioned *)tensors, NULL, &err),
            "tensor");
    IS_NULL(adit_tensor_from_dlpack_unversioned((const struct DLManagedTensor *)tensors, NULL, &err),
            "tensor");
}

static void array_functions(void) {
    adit_array *out = (adit_array *)BEFORE;
    adit_array_info info = ADIT_ARRAY_INFO_INIT;
    adit_tensor tensor;
    adit_data *own = (adit_data *)BEFORE, *npy = NULL;
    int64_t dims[2] = { 7, 7 };
    size_t ndim = 7;
    IS_NULL(adit_array_open(NULL, NULL, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_array_open(data_path("npy/f4_c.npy"), NULL, NULL, &err), "out");
    out = (adit_array *)BEFORE;
    IS_NULL(adit_array_from_data(NULL, NULL, &out, &err), "data");
    CHECK(out == NULL);
    EXPECT_OK(adit_data_open(data_path("npy/f4_c.npy"), NULL, &npy, &err));
    IS_NULL(adit_array_from_data(npy, NULL, NULL, &err), "out");
    adit_data_close(npy);
    info.nbytes = 7;
    IS_NULL(adit_array_get_info(NULL, &info, &err), "array");
    CHECK_EQ(info.nbytes, 0);
    IS_NULL(adit_array_get_info(array, NULL, &err), "info");
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_array_tensor(NULL, &tensor, &err), "array");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_array_tensor(array, NULL, &err), "tensor");
    IS_NULL(adit_array_shape(NULL, dims, 2, &ndim, &err), "array");
    CHECK(ndim == 0 && dims[0] == 0 && dims[1] == 0);
    IS_NULL(adit_array_shape(array, NULL, 2, &ndim, &err), "dims");
    IS_NULL(adit_array_shape(array, dims, 2, NULL, &err), "ndim");
    EXPECT_OK(adit_array_shape(array, NULL, 0, &ndim, &err));
    CHECK_EQ(ndim, 2);
    IS_NULL(adit_array_data(NULL, &own, &err), "array");
    CHECK(own == NULL);
    IS_NULL(adit_array_data(array, NULL, &err), "out");
    array_writing();
    adit_array_close(NULL);
}

static void load_functions(void) {
    adit_load_items *items = (adit_load_items *)BEFORE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_arena *arena = (adit_arena *)BEFORE;
    adit_sink sink = ADIT_SINK_INIT;
    adit_tensor tensor;
    const int64_t shape[] = { 1 };
    IS_NULL(adit_load_items_new(NULL, &err), "out");
    EXPECT_OK(adit_load_items_new(&items, &err));
    IS_NULL(adit_load_items_add_data(NULL, data, 0, ADIT_DTYPE_U8, 1, shape, NULL, &err), "items");
    IS_NULL(adit_load_items_add_data(items, NULL, 0, ADIT_DTYPE_U8, 1, shape, NULL, &err), "data");
    IS_NULL(adit_load_items_add_data(items, data, 0, ADIT_DTYPE_U8, 1, NULL, NULL, &err), "shape");
    IS_NULL(adit_load_items_add_array(NULL, array, NULL, &err), "items");
    IS_NULL(adit_load_items_add_array(items, NULL, NULL, &err), "array");
    IS_NULL(adit_load_items_add_model(NULL, NULL, 0, NULL, &err), "items");
    IS_NULL(adit_load_items_add_model(items, NULL, 0, NULL, &err), "model");
    memset(&tensor, 0, sizeof tensor);
    IS_NULL(adit_load_items_add_tensor(NULL, &tensor, NULL, &err), "items");
    IS_NULL(adit_load_items_add_tensor(items, NULL, NULL, &err), "tensor");
    IS_NULL(adit_load_items_add_record(NULL, NULL, 0, 0, NULL, &err), "items");
    IS_NULL(adit_load_items_add_record(items, NULL, 0, 0, NULL, &err), "reader");
    CHECK_EQ(adit_load_items_len(NULL), 0);
    CHECK_EQ(adit_load_items_len(items), 0);
    EXPECT_OK(adit_load_items_add_array(items, array, NULL, &err));
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_load_items_tensor(NULL, 0, &tensor, &err), "items");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_load_items_tensor(items, 0, NULL, &err), "tensor");
    stats.bytes = 7;
    IS_NULL(adit_load(NULL, NULL, &arena, &stats, &err), "items");
    CHECK(arena == NULL && stats.bytes == 0);
    IS_NULL(adit_load_to_sink(NULL, &sink, NULL, &stats, &err), "items");
    stats.bytes = 7;
    IS_NULL(adit_load_to_sink(items, NULL, NULL, &stats, &err), "sink");
    CHECK(stats.bytes == 0);
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_arena_tensor(NULL, 0, &tensor, &err), "arena");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_arena_tensor(arena, 0, NULL, &err), "tensor");
    CHECK(adit_arena_bytes(NULL) == NULL);
    CHECK_EQ(adit_arena_len(NULL), 0);
    adit_arena_free(arena);
    adit_arena_free(NULL);
    adit_load_items_free(items);
    adit_load_items_free(NULL);
}

static void kernel_functions(void) {
    float to = 7.0f;
    const void *rows[] = { &value, NULL };
    IS_NULL(adit_copy(NULL, &to, 4, 0, &err), "from");
    IS_NULL(adit_copy(&value, NULL, 4, 0, &err), "to");
    EXPECT_OK(adit_copy(NULL, NULL, 0, 0, &err));
    IS_NULL(adit_convert(NULL, ADIT_DTYPE_F32, &to, ADIT_DTYPE_F32, 1, 0, &err), "from");
    IS_NULL(adit_convert(&value, ADIT_DTYPE_F32, NULL, ADIT_DTYPE_F32, 1, 0, &err), "to");
    EXPECT_OK(adit_convert(NULL, ADIT_DTYPE_F32, NULL, ADIT_DTYPE_F16, 0, 0, &err));
    IS_NULL(adit_f16_to_f32(NULL, &to, 1, &err), "from");
    IS_NULL(adit_f32_to_f16(&value, NULL, 1, &err), "to");
    IS_NULL(adit_bf16_to_f32(NULL, &to, 1, &err), "from");
    IS_NULL(adit_f32_to_bf16(&value, NULL, 1, &err), "to");
    IS_NULL(adit_dequantize(NULL, ADIT_DTYPE_Q8_0, &to, 32, 0, &err), "from");
    IS_NULL(adit_gather(NULL, 2, 1, ADIT_DTYPE_F32, &to, 8, ADIT_DTYPE_F32, 0, &err), "rows");
    IS_NULL(adit_gather(rows, 2, 1, ADIT_DTYPE_F32, &to, 8, ADIT_DTYPE_F32, 0, &err), "rows[1]");
    IS_NULL(adit_gather(rows, 1, 1, ADIT_DTYPE_F32, NULL, 8, ADIT_DTYPE_F32, 0, &err), "to");
    CHECK_EQ(adit_crc32c(77, NULL, 9), 77);
    CHECK(to == 7.0f);
}

static void other_functions(void) {
    adit_tensor tensor;
    const int64_t shape[] = { 1 };
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_tensor_init(NULL, &value, ADIT_DTYPE_F32, 1, shape, &err), "tensor");
    IS_NULL(adit_tensor_init(&tensor, NULL, ADIT_DTYPE_F32, 1, shape, &err), "data");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_tensor_init(&tensor, &value, ADIT_DTYPE_F32, 1, NULL, &err), "shape");
    EXPECT_OK(adit_tensor_init(&tensor, &value, ADIT_DTYPE_F32, 0, NULL, &err));
    EXPECT_OK(adit_log_set(NULL, NULL, ADIT_LOG_DEBUG, &err));
    CHECK_INT(adit_dtype_from_name(NULL), ADIT_DTYPE_NONE);
    CHECK_INT(adit_error_status(NULL), ADIT_OK);
    CHECK_INT(adit_error_os_code(NULL), 0);
    CHECK_STR(adit_error_message(NULL), "");
    CHECK(adit_error_path(NULL) == NULL);
    CHECK(!adit_error_offset(NULL, NULL));
    CHECK(!adit_error_index(NULL, NULL));
    adit_error_free(NULL);
    adit_data_options_init(NULL, sizeof(adit_data_options));
    adit_record_writer_options_init(NULL, sizeof(adit_record_writer_options));
    adit_record_reader_options_init(NULL, sizeof(adit_record_reader_options));
    adit_gather_options_init(NULL, sizeof(adit_gather_options));
    adit_array_options_init(NULL, sizeof(adit_array_options));
    adit_array_create_options_init(NULL, sizeof(adit_array_create_options));
    adit_array_read_options_init(NULL, sizeof(adit_array_read_options));
}

/* Nobody has to take an error object, from any call. */
static void no_error_object(void) {
    adit_data *out = NULL;
    adit_record_reader *records = NULL;
    CHECK_INT(adit_data_open(NULL, NULL, &out, NULL), ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_data_open(NULL, NULL, NULL, NULL), ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_record_reader_get(NULL, 0, NULL, 0, NULL), ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_record_recover(NULL, NULL, NULL, NULL, NULL, NULL, NULL),
              ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_record_reader_gather(NULL, 0, NULL, 0, NULL, 0, NULL, NULL, NULL),
              ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_record_reader_open(data_path("rrec/bad_magic.rrec"), NULL, &records, NULL),
              ADIT_ERR_WRONG_FORMAT);
    CHECK_INT(adit_log_set(NULL, NULL, 9, NULL), ADIT_ERR_INVALID_ARGUMENT);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const int64_t shape[] = { 1 };
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    EXPECT_OK(adit_record_writer_create(scratch_path("x.rrec"), NULL, &writer, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    for (int at = 0; at < 2; at++)
        EXPECT_OK(adit_tensor_init(&tensors[at], &value, ADIT_DTYPE_F32, 1, shape, &err));
    data_functions();
    schema_functions();
    writer_functions();
    reader_functions();
    recover_function();
    array_functions();
    load_functions();
    kernel_functions();
    other_functions();
    no_error_object();

    /* All handles are as they were. */
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    EXPECT_OK(adit_data_status(data, &err));
    CHECK_EQ(adit_record_schema_len(schema), 2);
    adit_array_close(array);
    adit_record_writer_close(writer);
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
    adit_data_close(data);
    return check_end();
}
