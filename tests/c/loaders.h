/* Loaders over records whose values follow from their number. */
#ifndef LOADERS_H
#define LOADERS_H

#include "arec.h"

/* `count` records of one f32 field "x" of 4 elements, 10 * number + position, and an i32 "label". */
static inline const char *write_numbers(const char *name, uint64_t count) {
    const char *path = scratch_path(name);
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_schema *schema = NULL;
    adit_record_writer *writer = NULL;
    const int64_t four[] = { 4 };
    EXPECT_OK(adit_record_schema_new(&schema, &err));
    EXPECT_OK(adit_record_schema_add(schema, "x", ADIT_DTYPE_F32, 1, four, &err));
    EXPECT_OK(adit_record_schema_add(schema, "label", ADIT_DTYPE_I32, 0, NULL, &err));
    options.schema = schema;
    EXPECT_OK(adit_record_writer_create(path, &options, &writer, &err));
    for (uint64_t number = 0; number < count; number++) {
        const float x[] = { 10 * (float)number, 10 * (float)number + 1, 10 * (float)number + 2,
                            10 * (float)number + 3 };
        const int32_t label = (int32_t)number;
        const adit_tensor tensors[] = { over(x, ADIT_DTYPE_F32, 1, 4, 0),
                                        over(&label, ADIT_DTYPE_I32, 0, 0, 0) };
        EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    }
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    adit_record_schema_free(schema);
    return path;
}

static inline adit_loader_options batches_of(uint64_t batch) {
    adit_loader_options options = ADIT_LOADER_OPTIONS_INIT;
    options.batch = batch;
    options.seed = 42;
    options.block = 4;
    options.window = 3;
    return options;
}

/* The reader is closed at once: a loader keeps what it needs. */
static inline adit_loader *open_loader(const char *path, const adit_loader_options *options) {
    adit_record_reader *reader = open_records(path);
    adit_loader *loader = NULL;
    EXPECT_OK(adit_loader_open(reader, options, &loader, &err));
    adit_record_reader_close(reader);
    return loader;
}

static inline adit_batch *next_batch(adit_loader *loader) {
    adit_batch *batch = NULL;
    EXPECT_OK(adit_loader_next(loader, &batch, &err));
    CHECK(batch != NULL);
    return batch;
}

static inline void ends(adit_loader *loader) {
    adit_batch *batch = (adit_batch *)(uintptr_t)7;
    EXPECT(adit_loader_next(loader, &batch, &err), ADIT_END);
    CHECK(batch == NULL);
}

static inline adit_tensor tensor_of(const adit_batch *batch, const char *name) {
    size_t index = 77;
    adit_tensor tensor;
    EXPECT_OK(adit_batch_find(batch, name, &index, &err));
    EXPECT_OK(adit_batch_tensor(batch, index, &tensor, &err));
    const bool is_beside = strstr(name, ".offsets") != NULL || strstr(name, ".lengths") != NULL;
    const uint32_t read_only = is_beside ? ADIT_TENSOR_READ_ONLY : 0;
    CHECK_EQ((uintptr_t)tensor.data % (is_beside ? 8 : 4096), 0);
    CHECK_EQ(tensor.flags, ADIT_TENSOR_CONTIGUOUS | read_only);
    return tensor;
}

/* The numbers of a batch's records, whose values stand in its tensors; as many as there are rows. */
static inline const uint64_t *records_of(const adit_batch *batch, size_t rows) {
    const uint64_t *records = NULL;
    size_t n = 0;
    EXPECT_OK(adit_batch_records(batch, &records, &n, &err));
    CHECK_EQ(n, rows);
    return records;
}

static inline void check_numbers(const adit_batch *batch, size_t rows) {
    const uint64_t *records = records_of(batch, rows);
    const adit_tensor x = tensor_of(batch, "x"), label = tensor_of(batch, "label");
    CHECK_INT(x.dtype, ADIT_DTYPE_F32);
    CHECK_INT(x.ndim, 2);
    CHECK_INT(x.shape[0], (int64_t)rows);
    CHECK_INT(x.shape[1], 4);
    CHECK_EQ(x.nbytes, 16 * rows);
    CHECK_INT(label.ndim, 1);
    CHECK_INT(label.shape[0], (int64_t)rows);
    for (size_t row = 0; row < rows; row++) {
        const float *own = (const float *)x.data + 4 * row;
        for (int at = 0; at < 4; at++) CHECK(own[at] == 10 * (float)records[row] + (float)at);
        CHECK_INT(((const int32_t *)label.data)[row], (int32_t)records[row]);
    }
}

#endif
