/* Many records' field copied into one buffer. */
#include "check.h"

static const int32_t ways[] = { ADIT_IO_AUTO, ADIT_IO_MAP, ADIT_IO_READ };

static adit_record_reader *open_reader(const char *path) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    return reader;
}

static adit_gather_options by(int32_t io) {
    adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
    options.io = io;
    return options;
}

static void is(const adit_tensor *tensor, const void *data, uint64_t nbytes, int32_t dtype,
               int32_t ndim, const int64_t *shape) {
    int64_t step = 1;
    CHECK(tensor->data == data);
    CHECK_EQ(tensor->nbytes, nbytes);
    CHECK_INT(tensor->dtype, dtype);
    CHECK_INT(tensor->ndim, ndim);
    for (int axis = 7; axis >= 0; axis--) {
        CHECK_INT(tensor->shape[axis], axis < ndim ? shape[axis] : 0);
        CHECK_INT(tensor->strides[axis], axis < ndim ? step : 0);
        if (axis < ndim && shape[axis] > 0) step *= shape[axis];
    }
    /* It is the caller's buffer: not read-only. */
    CHECK_EQ(tensor->flags, ADIT_TENSOR_CONTIGUOUS);
    CHECK_EQ(tensor->reserved0, 0);
    for (int at = 0; at < 4; at++) CHECK_EQ(tensor->reserved[at], 0);
}

static void basic(void) {
    adit_record_reader *reader = open_reader(data_path("rrec/basic_3x4.rrec"));
    const uint64_t orders[][8] = {
        { 0, 1, 2, 3, 4, 5, 6, 7 }, { 7, 6, 5, 4, 3, 2, 1, 0 }, { 3, 3, 3, 3, 0, 0, 7, 7 },
    };
    CHECK_INT(ADIT_IO_AUTO, 0);
    CHECK_INT(ADIT_IO_MAP, 1);
    CHECK_INT(ADIT_IO_READ, 2);
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        for (size_t order = 0; order < 3; order++) {
            for (size_t n = 1; n <= 8; n++) {
                /* At an odd address: nothing of the copy need be aligned. */
                unsigned char buffer[1 + 8 * 48 + 5];
                adit_tensor tensor, one[2];
                const int64_t input[] = { (int64_t)n, 3, 4 }, target[] = { (int64_t)n, 1 };
                memset(buffer, 0xa5, sizeof buffer);
                EXPECT_OK(adit_record_reader_gather(reader, 0, orders[order], n, buffer + 1,
                                                    sizeof buffer - 1, &options, &tensor, &err));
                is(&tensor, buffer + 1, n * 48, ADIT_DTYPE_F32, 3, input);
                for (size_t at = 0; at < n; at++) {
                    EXPECT_OK(adit_record_reader_get(reader, orders[order][at], one, 2, &err));
                    CHECK_BYTES(buffer + 1 + at * 48, one[0].data, 48);
                }
                CHECK_EQ(buffer[0], 0xa5);
                for (size_t at = 1 + n * 48; at < sizeof buffer; at++) CHECK(buffer[at] == 0xa5);

                float targets[8];
                EXPECT_OK(adit_record_reader_gather(reader, 1, orders[order], n, targets, 4 * n,
                                                    &options, &tensor, &err));
                is(&tensor, targets, 4 * n, ADIT_DTYPE_F32, 2, target);
                for (size_t at = 0; at < n; at++) CHECK(targets[at] == (float)orders[order][at]);
                /* Nobody has to be told what is in the buffer. */
                EXPECT_OK(adit_record_reader_gather(reader, 1, orders[order], n, targets, 4 * n,
                                                    &options, NULL, &err));
            }
        }
    }
    adit_record_reader_close(reader);
}

static void nothing(void) {
    adit_tensor tensor;
    const int64_t none[] = { 0 }, of_basic[] = { 0, 3, 4 }, empty[] = { 2, 0 };
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        adit_record_reader *reader = open_reader(data_path("rrec/basic_3x4.rrec"));
        EXPECT_OK(adit_record_reader_gather(reader, 0, NULL, 0, NULL, 0, &options, &tensor, &err));
        is(&tensor, NULL, 0, ADIT_DTYPE_F32, 3, of_basic);
        adit_record_reader_close(reader);

        reader = open_reader(data_path("rrec/empty_finished.rrec"));
        EXPECT_OK(adit_record_reader_gather(reader, 0, NULL, 0, NULL, 0, &options, &tensor, &err));
        is(&tensor, NULL, 0, ADIT_DTYPE_NONE, 1, none);
        const uint64_t index = 0;
        EXPECT_ERROR(adit_record_reader_gather(reader, 0, &index, 1, NULL, 0, &options, &tensor,
                                               &err),
                     ADIT_ERR_OUT_OF_RANGE, "record 0");
        CHECK_LAST_INDEX(0);
        adit_record_reader_close(reader);

        /* Records without elements need no buffer. */
        const uint64_t twice[] = { 0, 0 };
        reader = open_reader(data_path("rrec/zero_size_dims.rrec"));
        EXPECT_OK(adit_record_reader_gather(reader, 0, twice, 2, NULL, 0, &options, &tensor, &err));
        is(&tensor, NULL, 0, ADIT_DTYPE_F32, 2, empty);
        adit_record_reader_close(reader);
    }
}

static void all_records(void) {
    adit_record_reader *reader = open_reader(data_path("rrec/many_tiny_10k.rrec"));
    const size_t count = 10000;
    uint64_t *indices = (uint64_t *)malloc(count * sizeof *indices);
    float *inputs = (float *)malloc(count * 4);
    CHECK(indices != NULL && inputs != NULL);
    for (size_t at = 0; at < count; at++) indices[at] = at * 7919 % count;
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        memset(inputs, 0, count * 4);
        EXPECT_OK(adit_record_reader_gather(reader, 0, indices, count, inputs, count * 4, &options,
                                            NULL, &err));
        for (size_t at = 0; at < count; at++)
            if (inputs[at] != (float)indices[at] * 0.25f) CHECK_FAIL("record %zu", at);
    }
    adit_record_reader_close(reader);
    free(indices);
    free(inputs);
}

static void refused(void) {
    adit_record_reader *reader = open_reader(data_path("rrec/basic_3x4.rrec"));
    uint64_t indices[] = { 0, 1, 8 };
    unsigned char buffer[96];
    adit_tensor tensor, zeros;
    memset(&zeros, 0, sizeof zeros);
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
#define REFUSED(field, indices, n, buffer, len, status, text) \
    do { \
        memset(&tensor, 0xa5, sizeof tensor); \
        EXPECT_ERROR(adit_record_reader_gather(reader, field, indices, n, buffer, len, &options, \
                                               &tensor, &err), \
                     status, text); \
        CHECK_BYTES(&tensor, &zeros, sizeof tensor); \
    } while (0)
        REFUSED(0, indices, 3, buffer, UINT64_C(1) << 40, ADIT_ERR_OUT_OF_RANGE, "record 8");
        CHECK_LAST_INDEX(8);
        CHECK_LAST_PATH(data_path("rrec/basic_3x4.rrec"));
        REFUSED(0, indices, 2, buffer, 95, ADIT_ERR_OUT_OF_RANGE, "95 bytes, but 96");
        REFUSED(0, indices, 2, NULL, 0, ADIT_ERR_OUT_OF_RANGE, "0 bytes, but 96");
        REFUSED(0, indices, 2, NULL, 96, ADIT_ERR_INVALID_ARGUMENT, "buffer is NULL");
        REFUSED(0, NULL, 2, buffer, 96, ADIT_ERR_INVALID_ARGUMENT, "indices is NULL");
        REFUSED(2, indices, 2, buffer, 96, ADIT_ERR_OUT_OF_RANGE, "field 2");
        REFUSED(SIZE_MAX, indices, 2, buffer, 96, ADIT_ERR_OUT_OF_RANGE, "field");
        REFUSED(0, indices, SIZE_MAX, buffer, 96, ADIT_ERR_INVALID_ARGUMENT, "indices");
        REFUSED(0, indices, SIZE_MAX / 8, buffer, 96, ADIT_ERR_INVALID_ARGUMENT, "indices");
        REFUSED(0, indices, SIZE_MAX / 16, buffer, 96, ADIT_ERR_OUT_OF_RANGE, "buffer");
        REFUSED(0, indices, 2, buffer, UINT64_MAX, ADIT_ERR_INVALID_ARGUMENT, "buffer");
        const uint64_t *odd = (const uint64_t *)(const void *)((const char *)indices + 1);
        REFUSED(0, odd, 1, buffer, 96, ADIT_ERR_INVALID_ARGUMENT, "indices is misaligned");
        indices[1] = UINT64_MAX;
        REFUSED(0, indices, 2, buffer, 96, ADIT_ERR_OUT_OF_RANGE, "18446744073709551615");
        CHECK_LAST_INDEX(UINT64_MAX);
        indices[1] = 1;
    }
    adit_record_reader_close(reader);

    /* Records that differ: the first that does is named. */
    reader = open_reader(data_path("rrec/dims_1_to_5.rrec"));
    const uint64_t shapes[] = { 2, 2, 1, 3 };
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        float large[4 * 24];
        REFUSED(0, shapes, 4, large, sizeof large, ADIT_ERR_SHAPE, "[2, 3]");
        CHECK_LAST_INDEX(1);
        REFUSED(1, shapes, 3, large, sizeof large, ADIT_ERR_SHAPE, "[2]");
    }
    adit_record_reader_close(reader);
    /* Of different dtypes, too. */
    reader = open_reader(data_path("rrec/f16_hand.rrec"));
    const uint64_t dtypes[] = { 0, 1 };
    const adit_gather_options options = by(ADIT_IO_AUTO);
    REFUSED(1, dtypes, 2, buffer, sizeof buffer, ADIT_ERR_SHAPE, "f16");
    CHECK_LAST_INDEX(1);
    adit_record_reader_close(reader);
#undef REFUSED
}

/* Seven dimensions make a tensor of eight; eight make none. */
static void dimensions(void) {
    const float value = 2.5f;
    const int64_t ones[] = { 1, 1, 1, 1, 1, 1, 1, 1 }, eight[] = { 2, 1, 1, 1, 1, 1, 1, 1 };
    const uint64_t twice[] = { 0, 0 };
    float buffer[2];
    adit_tensor tensors[2], tensor;
    adit_record_writer *writer = NULL;
    const char *path = scratch_path("dimensions.rrec");
    EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
    EXPECT_OK(adit_tensor_init(&tensors[0], &value, ADIT_DTYPE_F32, 7, ones, &err));
    EXPECT_OK(adit_tensor_init(&tensors[1], &value, ADIT_DTYPE_F32, 8, ones, &err));
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    adit_record_reader *reader = open_reader(path);
    EXPECT_OK(adit_record_reader_gather(reader, 0, twice, 2, buffer, 8, NULL, &tensor, &err));
    is(&tensor, buffer, 8, ADIT_DTYPE_F32, 8, eight);
    CHECK(buffer[0] == value && buffer[1] == value);
    EXPECT_ERROR(adit_record_reader_gather(reader, 1, twice, 2, buffer, 8, NULL, &tensor, &err),
                 ADIT_ERR_UNSUPPORTED, "8 dimensions");
    adit_record_reader_close(reader);
}

/* Bytes that no tensor could be lent from. */
static void misaligned(void) {
    size_t len = 0;
    const uint64_t indices[] = { 5, 2 };
    float targets[2];
    unsigned char *bytes = read_file(data_path("rrec/basic_3x4.rrec"), &len);
    unsigned char *odd = (unsigned char *)malloc(len + 3);
    adit_data *data = NULL;
    adit_record_reader *reader = NULL;
    CHECK(odd != NULL);
    memcpy(odd + 3, bytes, len);
    EXPECT_OK(adit_data_from_bytes(odd + 3, len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        EXPECT_OK(adit_record_reader_gather(reader, 1, indices, 2, targets, 8, &options, NULL,
                                            &err));
        CHECK(targets[0] == 5.0f && targets[1] == 2.0f);
    }
    adit_record_reader_close(reader);
    adit_data_close(data);
    free(odd);
    free(bytes);
}

/* A file cut after it was opened is a status, whichever way it is read. */
static void cut(void) {
    size_t len = 0;
    float targets[2];
    const uint64_t indices[] = { 0, 7 };
    unsigned char *bytes = read_file(data_path("rrec/basic_3x4.rrec"), &len);
    const char *path = scratch_path("cut.rrec");
    for (size_t way = 0; way < 3; way++) {
        const adit_gather_options options = by(ways[way]);
        write_file(path, bytes, len);
        adit_record_reader *reader = open_reader(path);
        EXPECT_OK(adit_record_reader_gather(reader, 1, indices, 2, targets, 8, &options, NULL,
                                            &err));
        CHECK_INT(truncate(path, 300), 0);
        EXPECT_ERROR(adit_record_reader_gather(reader, 1, indices, 2, targets, 8, &options, NULL,
                                               &err),
                     ADIT_ERR_TRUNCATED, "300");
        CHECK_LAST_PATH(path);
        /* Grown again it would read as zeros. */
        CHECK_INT(truncate(path, (off_t)len), 0);
        EXPECT_ERROR(adit_record_reader_gather(reader, 1, indices, 2, targets, 8, &options, NULL,
                                               &err),
                     ADIT_ERR_TRUNCATED, "cut");
        EXPECT_ERROR(adit_record_reader_verify(reader, NULL, NULL, NULL, &err), ADIT_ERR_TRUNCATED,
                     "cut");
        adit_record_reader_close(reader);
    }
    free(bytes);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    basic();
    nothing();
    all_records();
    refused();
    dimensions();
    misaligned();
    cut();
    return check_end();
}
