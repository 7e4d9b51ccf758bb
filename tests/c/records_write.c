/* Records written: byte for byte as the peer does, from tensors of any layout. */
#include "check.h"
#include "files.h"

/* These were written by rumus itself, or by hand in its layout, without oddities. */
static const char *const peers[] = {
    "rrec/basic_3x4.rrec",    "rrec/dims_1_to_5.rrec",  "rrec/empty_finished.rrec",
    "rrec/f16_hand.rrec",     "rrec/many_tiny_10k.rrec", "rrec/ragged.rrec",
    "rrec/scalars_0d.rrec",   "rrec/special_values.rrec", "rrec/zero_size_dims.rrec",
};

static adit_record_writer *create(const char *name) {
    adit_record_writer *writer = NULL;
    EXPECT_OK(adit_record_writer_create(scratch_path(name), NULL, &writer, &err));
    CHECK(writer != NULL);
    CHECK_EQ(adit_record_writer_count(writer), 0);
    return writer;
}

static void finish(adit_record_writer *writer, uint64_t records) {
    CHECK_EQ(adit_record_writer_count(writer), records);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    CHECK_EQ(adit_record_writer_count(writer), records);
    adit_record_writer_close(writer);
}

static adit_tensor floats(const float *data, int32_t ndim, const int64_t *shape) {
    adit_tensor tensor;
    EXPECT_OK(adit_tensor_init(&tensor, data, ADIT_DTYPE_F32, ndim, shape, &err));
    return tensor;
}

static void as_the_peer(void) {
    for (size_t at = 0; at < sizeof peers / sizeof peers[0]; at++) {
        const char *path = data_path(peers[at]);
        adit_record_reader *reader = NULL;
        adit_tensor tensors[2];
        EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
        adit_record_writer *writer = create("peer.rrec");
        const uint64_t records = adit_record_reader_len(reader);
        for (uint64_t index = 0; index < records; index++) {
            EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
            EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
        }
        finish(writer, records);
        adit_record_reader_close(reader);
        same_file(scratch_path("peer.rrec"), path);
    }
}

/* A whole set in one call, and in pieces. */
static void batches(void) {
    adit_record_reader *reader = NULL;
    adit_tensor columns[2], parts[2];
    EXPECT_OK(adit_record_reader_open(data_path("rrec/many_tiny_10k.rrec"), NULL, &reader, &err));
    const uint64_t count = adit_record_reader_len(reader);
    uint64_t *indices = (uint64_t *)malloc(count * sizeof *indices);
    float *buffers[2] = { (float *)malloc(4 * count), (float *)malloc(4 * count) };
    CHECK(indices != NULL && buffers[0] != NULL && buffers[1] != NULL);
    for (uint64_t at = 0; at < count; at++) indices[at] = at;
    for (size_t field = 0; field < 2; field++)
        EXPECT_OK(adit_record_reader_gather(reader, field, indices, count, buffers[field],
                                            4 * count, NULL, &columns[field], &err));
    adit_record_reader_close(reader);
    adit_record_writer *writer = create("batch.rrec");
    EXPECT_OK(adit_record_writer_append_batch(writer, columns, 2, &err));
    finish(writer, count);
    same_file(scratch_path("batch.rrec"), data_path("rrec/many_tiny_10k.rrec"));

    writer = create("pieces.rrec");
    const int64_t sizes[] = { 1, 0, 4095, 17, 5887 };
    int64_t done = 0;
    for (size_t piece = 0; piece < 5; piece++) {
        const int64_t input[] = { sizes[piece], 1 }, target[] = { sizes[piece] };
        parts[0] = floats(buffers[0] + done, 2, input);
        parts[1] = floats(buffers[1] + done, 1, target);
        EXPECT_OK(adit_record_writer_append_batch(writer, parts, 2, &err));
        done += sizes[piece];
        CHECK_EQ(adit_record_writer_count(writer), done);
    }
    finish(writer, count);
    same_file(scratch_path("pieces.rrec"), data_path("rrec/many_tiny_10k.rrec"));
    free(buffers[0]);
    free(buffers[1]);
    free(indices);
}

/* Strides: transposed, every second, repeated; and what is never stepped along. */
static void strided(void) {
    float grid[6][8], dense[24], seen[24];
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2], found[2];
    const int64_t shape[] = { 4, 6 }, none[] = { 1 };
    const struct {
        int64_t shape[2], strides[2];
    } layouts[] = {
        { { 6, 4 }, { 8, 1 } }, { { 6, 4 }, { 8, 2 } }, { { 4, 6 }, { 1, 8 } },
        { { 4, 6 }, { 0, 8 } }, { { 4, 6 }, { 0, 0 } }, { { 3, 8 }, { 16, 1 } },
        { { 1, 24 }, { INT64_MIN, 1 } }, { { 24, 1 }, { 1, -5 } }, { { 4, 6 }, { 3, 3 } },
    };
    const size_t count = sizeof layouts / sizeof layouts[0];
    for (int at = 0; at < 48; at++) grid[at / 8][at % 8] = (float)at;
    adit_record_writer *writer = create("strided.rrec");
    for (size_t at = 0; at < count; at++) {
        tensors[0] = floats(&grid[0][0], 2, shape);
        tensors[0].nbytes = sizeof grid;
        tensors[1] = floats(&grid[0][at], 1, none);
        for (int axis = 0; axis < 2; axis++) {
            tensors[0].shape[axis] = layouts[at].shape[axis];
            tensors[0].strides[axis] = layouts[at].strides[axis];
        }
        /* Flags that the library sets mean nothing in a tensor that it is given. */
        tensors[0].flags = ADIT_TENSOR_CONTIGUOUS | ADIT_TENSOR_READ_ONLY;
        EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    }
    finish(writer, count);
    EXPECT_OK(adit_record_reader_open(scratch_path("strided.rrec"), NULL, &reader, &err));
    for (size_t at = 0; at < count; at++) {
        EXPECT_OK(adit_record_reader_get(reader, at, found, 2, &err));
        /* Strides that are all 0 stand for C order. */
        const int64_t *own = layouts[at].shape, *step = layouts[at].strides;
        const int64_t c_order[2] = { own[1], 1 };
        if (step[0] == 0 && step[1] == 0) step = c_order;
        CHECK(found[0].shape[0] == own[0] && found[0].shape[1] == own[1]);
        memcpy(seen, found[0].data, sizeof seen);
        for (int64_t row = 0; row < own[0]; row++)
            for (int64_t column = 0; column < own[1]; column++) {
                int64_t from = (own[0] > 1 ? row * step[0] : 0) + (own[1] > 1 ? column * step[1] : 0);
                dense[row * own[1] + column] = (&grid[0][0])[from];
            }
        CHECK_BYTES(seen, dense, sizeof dense);
    }
    adit_record_reader_close(reader);
}

/* More than a write at once takes, side by side and not, and rows of it in a batch. */
/* Filled by hand: what isn't set is 0, and means the default. */
static void by_hand(void) {
    static const float values[4] = { 1, 2, 3, 4 };
    adit_tensor tensors[2], found[2];
    adit_record_reader *reader = NULL;
    adit_record_writer *writer = create("by_hand.rrec");
    memset(tensors, 0, sizeof tensors);
    for (int at = 0; at < 2; at++) {
        tensors[at].data = values;
        tensors[at].nbytes = sizeof values;
        tensors[at].dtype = ADIT_DTYPE_F32;
        tensors[at].ndim = 1;
        tensors[at].shape[0] = 4;
    }
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    /* What has no meaning yet is refused, so that it can get one. */
    tensors[1].reserved0 = 1;
    EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_UNSUPPORTED,
                 "tensors[1]");
    tensors[1].reserved0 = 0;
    tensors[0].reserved[3] = 1;
    EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_UNSUPPORTED,
                 "tensors[0]");
    tensors[0].reserved[3] = 0;
    tensors[0].flags = 1u << 9;
    EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_UNSUPPORTED,
                 "0x200");
    finish(writer, 1);
    EXPECT_OK(adit_record_reader_open(scratch_path("by_hand.rrec"), NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_get(reader, 0, found, 2, &err));
    CHECK_BYTES(found[0].data, values, sizeof values);
    CHECK_BYTES(found[1].data, values, sizeof values);
    adit_record_reader_close(reader);
}

static void large(void) {
    const int64_t rows = 3, columns = 700 * 1000, shape[] = { rows, columns };
    const uint64_t bytes = (uint64_t)(rows * columns) * sizeof(float);
    float *values = (float *)malloc(bytes);
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2], found[2];
    CHECK(values != NULL);
    for (int64_t at = 0; at < rows * columns; at++) values[at] = (float)at;
    adit_record_writer *writer = create("large.rrec");
    tensors[0] = floats(values, 2, shape);
    tensors[1] = floats(values + 1, 0, NULL);
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    tensors[0].shape[0] = columns;
    tensors[0].shape[1] = rows;
    tensors[0].strides[0] = 1;
    tensors[0].strides[1] = columns;
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    tensors[0] = floats(values, 2, shape);
    tensors[1] = floats(values, 1, shape);
    EXPECT_OK(adit_record_writer_append_batch(writer, tensors, 2, &err));
    finish(writer, 2 + (uint64_t)rows);
    EXPECT_OK(adit_record_reader_open(scratch_path("large.rrec"), NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_get(reader, 0, found, 2, &err));
    CHECK_EQ(found[0].nbytes, bytes);
    CHECK_BYTES(found[0].data, values, bytes);
    EXPECT_OK(adit_record_reader_get(reader, 1, found, 2, &err));
    const float *turned = (const float *)found[0].data, *target = (const float *)found[1].data;
    CHECK(*target == 1.0f);
    for (int64_t column = 0; column < columns; column += 101)
        for (int64_t row = 0; row < rows; row++)
            if (turned[column * rows + row] != (float)(row * columns + column))
                CHECK_FAIL("element %lld of row %lld", (long long)column, (long long)row);
    for (uint64_t row = 0; row < (uint64_t)rows; row++) {
        EXPECT_OK(adit_record_reader_get(reader, 2 + row, found, 2, &err));
        CHECK_EQ(found[0].nbytes, bytes / 3);
        CHECK_BYTES(found[0].data, values + row * (uint64_t)columns, bytes / 3);
    }
    adit_record_reader_close(reader);
    free(values);
}

/* A tensor that is refused leaves the writer as it was. */
static void refused(void) {
    static const float value[4] = { 1, 2, 3, 4 };
    const int64_t pair[] = { 2 }, wide[] = { INT64_C(1) << 33, 0 }, block[] = { 32 };
    const adit_tensor good = floats(value, 1, pair);
    adit_tensor tensors[3] = { good, good, good };
    adit_record_writer *writer = create("refused.rrec");
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
#define REFUSED(status, text) \
    do { \
        EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), status, text); \
        EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, 2, &err), status, text); \
        CHECK_EQ(adit_record_writer_count(writer), 1); \
        tensors[1] = good; \
    } while (0)
    const int32_t dtypes[] = { ADIT_DTYPE_U8, ADIT_DTYPE_F64, ADIT_DTYPE_BF16, ADIT_DTYPE_BOOL };
    for (size_t at = 0; at < 4; at++) {
        tensors[1].dtype = dtypes[at];
        tensors[1].nbytes = sizeof value;
        REFUSED(ADIT_ERR_DTYPE, adit_dtype_name(dtypes[at]));
    }
    EXPECT_OK(adit_tensor_init(&tensors[1], value, ADIT_DTYPE_Q4_0, 1, block, &err));
    REFUSED(ADIT_ERR_DTYPE, "q4_0");
    tensors[1].dtype = 0;
    REFUSED(ADIT_ERR_DTYPE, "[1]: 0 is no dtype");
    tensors[1].dtype = 99;
    REFUSED(ADIT_ERR_DTYPE, "[1]: 99 is no dtype");
    tensors[1].flags = ADIT_TENSOR_BIG_ENDIAN;
    REFUSED(ADIT_ERR_UNSUPPORTED, "[1] is big-endian");
    tensors[1].nbytes = 7;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "reach 8 bytes");
    tensors[1].strides[0] = 3;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "reach 16 bytes");
    tensors[1].strides[0] = -1;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "negative");
    tensors[1].strides[0] = INT64_MAX;
    REFUSED(ADIT_ERR_SHAPE, "[1]");
    tensors[1].data = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "NULL");
    tensors[1].ndim = 9;
    REFUSED(ADIT_ERR_SHAPE, "9");
    tensors[1].ndim = -1;
    REFUSED(ADIT_ERR_SHAPE, "-1");
    tensors[1].shape[0] = -2;
    REFUSED(ADIT_ERR_SHAPE, "-2");
    tensors[1].shape[0] = INT64_MAX;
    REFUSED(ADIT_ERR_SHAPE, "[1]");
#undef REFUSED
    tensors[1] = floats(NULL, 2, wide);
    EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_SHAPE, "32 bits");
    tensors[1] = good;

    /* Other numbers of tensors; an impossible one isn't read. */
    const size_t numbers[] = { 0, 1, 3, 64, 65, SIZE_MAX };
    for (size_t at = 0; at < 6; at++) {
        if (numbers[at] == 64) continue;
        EXPECT_ERROR(adit_record_writer_append(writer, tensors, numbers[at], &err),
                     ADIT_ERR_INVALID_ARGUMENT, "");
        EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, numbers[at], &err),
                     ADIT_ERR_INVALID_ARGUMENT, "");
    }
    /* Columns that are none, or of different lengths. */
    tensors[1] = floats(value, 0, NULL);
    EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, 2, &err), ADIT_ERR_SHAPE,
                 "first dimension");
    const int64_t three[] = { 3 };
    tensors[1] = floats(value, 1, three);
    EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, 2, &err), ADIT_ERR_SHAPE, "rows");
    tensors[1] = good;
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    finish(writer, 2);

    writer = create("asked.rrec");
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    finish(writer, 2);
    same_file(scratch_path("refused.rrec"), scratch_path("asked.rrec"));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    as_the_peer();
    batches();
    strided();
    by_hand();
    large();
    refused();
    return check_end();
}
