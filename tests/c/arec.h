/* Records with a field of every kind, whose values follow from their number. */
#ifndef AREC_H
#define AREC_H

#include "check.h"

enum { IMAGE, LABEL, TOKENS, TEXT, PAIRS, FIELDS };

typedef struct sample {
    uint8_t image[12];
    int32_t label;
    uint16_t tokens[40];
    char text[32];
    float pairs[12];
    adit_tensor tensors[FIELDS];
} sample;

static inline adit_record_schema *all_kinds(void) {
    adit_record_schema *schema = NULL;
    const int64_t image[] = { 3, 4 }, tokens[] = { ADIT_DIM_ANY }, pairs[] = { ADIT_DIM_ANY, 3 };
    EXPECT_OK(adit_record_schema_new(&schema, &err));
    EXPECT_OK(adit_record_schema_add(schema, "image", ADIT_DTYPE_U8, 2, image, &err));
    EXPECT_OK(adit_record_schema_add(schema, "label", ADIT_DTYPE_I32, 0, NULL, &err));
    EXPECT_OK(adit_record_schema_add(schema, "tokens", ADIT_DTYPE_U16, 1, tokens, &err));
    EXPECT_OK(adit_record_schema_add_bytes(schema, "text", &err));
    EXPECT_OK(adit_record_schema_add(schema, "pairs", ADIT_DTYPE_F32, 2, pairs, &err));
    CHECK_EQ(adit_record_schema_len(schema), FIELDS);
    return schema;
}

static inline int64_t tokens_of(uint64_t number) { return (int64_t)(number * 7 % 40); }
static inline int64_t pairs_of(uint64_t number) { return (int64_t)(number % 5); }

static inline adit_tensor over(const void *data, int32_t dtype, int32_t ndim, int64_t rows,
                               int64_t columns) {
    adit_tensor tensor;
    const int64_t shape[] = { rows, columns };
    EXPECT_OK(adit_tensor_init(&tensor, data, dtype, ndim, shape, &err));
    return tensor;
}

/* Record `number`, as it is appended. */
static inline void make_sample(sample *own, uint64_t number) {
    const int64_t tokens = tokens_of(number), pairs = pairs_of(number);
    for (int at = 0; at < 12; at++) own->image[at] = (uint8_t)(number + (uint64_t)at);
    own->label = (int32_t)number * 3 - 5;
    for (int64_t at = 0; at < tokens; at++) own->tokens[at] = (uint16_t)(number * 100 + (uint64_t)at);
    snprintf(own->text, sizeof own->text, "record %d", (int)number);
    for (int64_t at = 0; at < 3 * pairs; at++)
        own->pairs[at] = (float)number + 0.25f * (float)at;
    own->tensors[IMAGE] = over(own->image, ADIT_DTYPE_U8, 2, 3, 4);
    own->tensors[LABEL] = over(&own->label, ADIT_DTYPE_I32, 0, 0, 0);
    own->tensors[TOKENS] = over(own->tokens, ADIT_DTYPE_U16, 1, tokens, 0);
    own->tensors[TEXT] = over(own->text, ADIT_DTYPE_U8, 1, (int64_t)strlen(own->text), 0);
    own->tensors[PAIRS] = over(own->pairs, ADIT_DTYPE_F32, 2, pairs, 3);
}

static inline void append_samples(adit_record_writer *writer, uint64_t first, uint64_t count) {
    for (uint64_t number = first; number < first + count; number++) {
        sample own;
        make_sample(&own, number);
        EXPECT_OK(adit_record_writer_append(writer, own.tensors, FIELDS, &err));
    }
}

/* A writer of these fields; `options` may be NULL. */
static inline adit_record_writer *sample_writer(const char *path,
                                                const adit_record_writer_options *options) {
    adit_record_writer_options own = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_schema *schema = all_kinds();
    adit_record_writer *writer = NULL;
    if (options != NULL) own = *options;
    own.schema = schema;
    EXPECT_OK(adit_record_writer_create(path, &own, &writer, &err));
    adit_record_schema_free(schema);
    return writer;
}

static inline void write_samples(const char *path, const adit_record_writer_options *options,
                                 uint64_t first, uint64_t count) {
    adit_record_writer *writer = sample_writer(path, options);
    append_samples(writer, first, count);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
}

static inline adit_record_reader *open_records(const char *path) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    return reader;
}

/* The same dtype, shape, strides and bytes. */
static inline void check_like(const adit_tensor *found, const adit_tensor *wanted) {
    CHECK_INT(found->dtype, wanted->dtype);
    CHECK_INT(found->ndim, wanted->ndim);
    for (int at = 0; at < 8; at++) CHECK_INT(found->shape[at], wanted->shape[at]);
    CHECK_EQ(found->nbytes, wanted->nbytes);
    CHECK_BYTES(found->data, wanted->data, wanted->nbytes);
    if (wanted->nbytes == 0) CHECK(found->data == NULL);
}

/* Record `index` of a reader is sample `number`. */
static inline void check_sample(const adit_record_reader *reader, uint64_t index, uint64_t number) {
    adit_tensor found[FIELDS];
    sample own;
    make_sample(&own, number);
    EXPECT_OK(adit_record_reader_get(reader, index, found, FIELDS, &err));
    for (int field = 0; field < FIELDS; field++) {
        check_like(&found[field], &own.tensors[field]);
        CHECK_EQ(found[field].flags, ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS);
    }
}

/* Ways of reading, the last past the page cache: by a system call that valgrind doesn't know. */
static const int32_t all_ways[] = { ADIT_IO_AUTO, ADIT_IO_MAP, ADIT_IO_READ, ADIT_IO_DIRECT };
#define ALL_WAYS (getenv("ADIT_TEST_VALGRIND") != NULL ? 3 : 4)

/* Inverts a byte of a file. */
static inline void flip(const char *path, size_t at) {
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    CHECK(at < len);
    bytes[at] ^= 0xff;
    write_file(path, bytes, len);
    free(bytes);
}

#endif
