/* Tensors stored and lent back, and values that come in pieces. */
#include "stores.h"

#include <math.h>

static void same_tensor(const adit_tensor *found, const adit_tensor *wanted, const void *elements) {
    CHECK_INT(found->dtype, wanted->dtype);
    CHECK_INT(found->ndim, wanted->ndim);
    CHECK_BYTES(found->shape, wanted->shape, sizeof found->shape);
    CHECK_EQ(found->nbytes, wanted->nbytes);
    CHECK_EQ(found->flags, ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS);
    CHECK_BYTES(found->data, elements, found->nbytes);
    CHECK((found->data == NULL) == (found->nbytes == 0));
    CHECK_EQ((uintptr_t)found->data % 64, 0);
}

static adit_tensor lend(const adit_snapshot *snapshot, const char *key) {
    adit_tensor tensor;
    memset(&tensor, 0xa5, sizeof tensor);
    EXPECT_OK(adit_snapshot_get_tensor(snapshot, key, strlen(key), &tensor, &err));
    return tensor;
}

static adit_tensor tensor_of(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape) {
    adit_tensor tensor;
    EXPECT_OK(adit_tensor_init(&tensor, data, dtype, ndim, shape, &err));
    return tensor;
}

static void put_tensor(const adit_store *store, const char *key, const adit_tensor *tensor) {
    uint64_t sequence = 0;
    EXPECT_OK(adit_store_put_tensor(store, key, strlen(key), tensor, &sequence, &err));
    CHECK(sequence > 0);
}

/* Of every dtype there is, single and in a batch, before and after a close. */
static void dtypes(void) {
    static unsigned char bytes[64 * 1024];
    const int64_t shape[] = { 2, 256 };
    const char *path = scratch_path("dtypes.adit");
    adit_store *store = open_store(path, ADIT_STORE_CREATE);
    adit_store_batch *batch = NULL;
    int count = 0;
    fill(bytes, sizeof bytes, 4);
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    for (int32_t dtype = 1; dtype < 512; dtype++) {
        char key[32];
        if (adit_dtype_block_bytes(dtype) == 0) continue;
        const adit_tensor tensor = tensor_of(bytes, dtype, 2, shape);
        snprintf(key, sizeof key, "one %d", (int)dtype);
        put_tensor(store, key, &tensor);
        snprintf(key, sizeof key, "many %d", (int)dtype);
        EXPECT_OK(adit_store_batch_put_tensor(batch, key, strlen(key), &tensor, &err));
        count++;
    }
    CHECK(count > 20);
    EXPECT_OK(adit_store_write(store, batch, NULL, &err));
    adit_store_batch_free(batch);
    for (int turn = 0; turn < 2; turn++) {
        adit_snapshot *snapshot = take(store);
        CHECK_EQ(adit_snapshot_len(snapshot), 2 * count);
        for (int32_t dtype = 1; dtype < 512; dtype++) {
            char key[32];
            if (adit_dtype_block_bytes(dtype) == 0) continue;
            const adit_tensor wanted = tensor_of(bytes, dtype, 2, shape);
            snprintf(key, sizeof key, "one %d", (int)dtype);
            adit_tensor found = lend(snapshot, key);
            same_tensor(&found, &wanted, bytes);
            CHECK_BYTES(found.strides, wanted.strides, sizeof found.strides);
            snprintf(key, sizeof key, "many %d", (int)dtype);
            found = lend(snapshot, key);
            same_tensor(&found, &wanted, bytes);
            /* As a value it is its elements, at the same place. */
            CHECK(HAS(snapshot, key, bytes, wanted.nbytes) == found.data);
        }
        adit_snapshot_close(snapshot);
        adit_store_close(store);
        store = open_store(path, ADIT_STORE_READ);
    }
    adit_store_close(store);
}

static void shapes(void) {
    adit_store *store = open_store(scratch_path("shapes.adit"), ADIT_STORE_CREATE);
    float grid[3][4], turned[4][3], second[3];
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 4; column++)
            turned[column][row] = grid[row][column] = (float)(10 * row + column);
    for (int row = 0; row < 3; row++) second[row] = grid[row][1];
    const int64_t whole[] = { 3, 4 }, across[] = { 4, 3 }, none[] = { 3, 0, 2 };
    const int64_t eight[] = { 1, 1, 3, 1, 2, 1, 1, 2 };
    adit_tensor tensor = tensor_of(grid, ADIT_DTYPE_F32, 2, whole);
    put_tensor(store, "grid", &tensor);
    /* Columns before rows, and one column alone: elements with gaps. */
    adit_tensor transposed = tensor_of(grid, ADIT_DTYPE_F32, 2, across);
    transposed.strides[0] = 1;
    transposed.strides[1] = 4;
    put_tensor(store, "turned", &transposed);
    adit_tensor column = tensor_of(grid, ADIT_DTYPE_F32, 1, whole);
    column.data = &grid[0][1];
    column.nbytes = sizeof grid - sizeof(float);
    column.strides[0] = 4;
    put_tensor(store, "column", &column);
    const adit_tensor scalar = tensor_of(&grid[2][3], ADIT_DTYPE_F32, 0, NULL);
    put_tensor(store, "scalar", &scalar);
    const adit_tensor empty = tensor_of(NULL, ADIT_DTYPE_F64, 3, none);
    put_tensor(store, "empty", &empty);
    const adit_tensor deep = tensor_of(grid, ADIT_DTYPE_F32, 8, eight);
    put_tensor(store, "deep", &deep);
    put_text(store, "text", "no tensor");

    adit_snapshot *snapshot = take(store);
    adit_tensor found = lend(snapshot, "grid");
    same_tensor(&found, &tensor, grid);
    found = lend(snapshot, "turned");
    CHECK(found.shape[0] == 4 && found.shape[1] == 3);
    CHECK(found.strides[0] == 3 && found.strides[1] == 1);
    CHECK_BYTES(found.data, turned, sizeof turned);
    found = lend(snapshot, "column");
    CHECK_EQ(found.nbytes, sizeof second);
    CHECK_BYTES(found.data, second, sizeof second);
    CHECK_EQ(found.strides[0], 1);
    found = lend(snapshot, "scalar");
    same_tensor(&found, &scalar, &grid[2][3]);
    found = lend(snapshot, "empty");
    same_tensor(&found, &empty, NULL);
    HAS(snapshot, "empty", "", 0);
    found = lend(snapshot, "deep");
    same_tensor(&found, &deep, grid);

    memset(&found, 0xa5, sizeof found);
    EXPECT(adit_snapshot_get_tensor(snapshot, S("none"), &found, &err), ADIT_ERR_NOT_FOUND);
    CHECK(found.data == NULL && found.dtype == 0 && found.ndim == 0);
    EXPECT_ERROR(adit_snapshot_get_tensor(snapshot, S("text"), &found, &err), ADIT_ERR_DTYPE,
                 "can't be lent as a tensor");
    CHECK(last.has_offset && last.offset >= 16384);
    CHECK_LAST_PATH(scratch_path("shapes.adit"));
    CHECK(found.data == NULL);
    adit_snapshot_close(snapshot);

    /* What is no tensor is refused, and nothing written. */
    const uint64_t tail = stats_of(store).tail;
    adit_store_batch *batch = NULL;
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    tensor.flags = ADIT_TENSOR_BIG_ENDIAN;
    EXPECT_ERROR(adit_store_put_tensor(store, S("x"), &tensor, NULL, &err), ADIT_ERR_UNSUPPORTED,
                 "tensor is big-endian");
    EXPECT_ERROR(adit_store_batch_put_tensor(batch, S("x"), &tensor, &err), ADIT_ERR_UNSUPPORTED,
                 "tensor is big-endian");
    tensor.flags = 0;
    tensor.dtype = 499;
    EXPECT_ERROR(adit_store_put_tensor(store, S("x"), &tensor, NULL, &err), ADIT_ERR_DTYPE,
                 "499 is no dtype");
    tensor.dtype = ADIT_DTYPE_F32;
    tensor.ndim = 9;
    EXPECT_ERROR(adit_store_batch_put_tensor(batch, S("x"), &tensor, &err), ADIT_ERR_SHAPE, "9");
    tensor.ndim = 2;
    tensor.shape[1] = -1;
    EXPECT_ERROR(adit_store_put_tensor(store, S("x"), &tensor, NULL, &err), ADIT_ERR_SHAPE, "-1");
    tensor.shape[1] = 4;
    tensor.nbytes = 47;
    EXPECT_ERROR(adit_store_put_tensor(store, S("x"), &tensor, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "47");
    CHECK_EQ(adit_store_batch_len(batch), 0);
    adit_store_batch_free(batch);
    CHECK_EQ(stats_of(store).tail, tail);
    adit_store_close(store);
}

static void streams(void) {
    enum { PIECES = 50 };
    static unsigned char bytes[PIECES * (PIECES + 1) / 2 * 512];
    const char *path = scratch_path("streams.adit");
    adit_store *store = open_store(path, ADIT_STORE_CREATE);
    adit_store_put_stream *stream = NULL, *second = (adit_store_put_stream *)&stream;
    adit_store_batch *batch = NULL;
    uint64_t sequence = 0;
    size_t at = 0;
    fill(bytes, sizeof bytes, 5);
    put_text(store, "before", "1");
    EXPECT_OK(adit_store_put_stream_begin(store, S("value"), &stream, &err));
    for (size_t piece = 1; piece <= PIECES; piece++) {
        EXPECT_OK(adit_store_put_stream_write(stream, bytes + at, piece * 512, &err));
        at += piece * 512;
    }
    EXPECT_OK(adit_store_put_stream_write(stream, NULL, 0, &err));
    CHECK_EQ(at, sizeof bytes);
    /* One at a time, and nobody sees it. */
    EXPECT_ERROR(adit_store_put(store, S("x"), S("y"), NULL, &err), ADIT_ERR_BUSY, "busy");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_store_delete(store, S("before"), NULL, &err), ADIT_ERR_BUSY, "busy");
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    EXPECT_OK(adit_store_batch_put(batch, S("x"), S("y"), &err));
    EXPECT_ERROR(adit_store_write(store, batch, NULL, &err), ADIT_ERR_BUSY, "busy");
    EXPECT_ERROR(adit_store_compact(store, NULL, NULL, &err), ADIT_ERR_BUSY, "busy");
    EXPECT_ERROR(adit_store_put_stream_begin(store, S("x"), &second, &err), ADIT_ERR_BUSY, "busy");
    CHECK(second == NULL);
    adit_snapshot *snapshot = take(store);
    LACKS(snapshot, "value");
    HAS_TEXT(snapshot, "before", "1");
    adit_snapshot_close(snapshot);
    EXPECT_OK(adit_store_put_stream_commit(stream, &sequence, &err));
    CHECK_EQ(sequence, 2);
    EXPECT_ERROR(adit_store_put_stream_write(stream, S("more"), &err), ADIT_ERR_INVALID_ARGUMENT,
                 "committed");
    EXPECT_ERROR(adit_store_put_stream_commit(stream, &sequence, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "committed");
    CHECK_EQ(sequence, 0);
    EXPECT_OK(adit_store_write(store, batch, &sequence, &err));
    CHECK_EQ(sequence, 3);
    adit_store_batch_free(batch);
    snapshot = take(store);
    CHECK_EQ((uintptr_t)HAS(snapshot, "value", bytes, sizeof bytes) % 64, 0);
    adit_snapshot_close(snapshot);
    adit_store_put_stream_abort(stream);

    /* Aborted, of nothing, and in place of an older value. */
    EXPECT_OK(adit_store_put_stream_begin(store, S("value"), &stream, &err));
    EXPECT_OK(adit_store_put_stream_write(stream, bytes, 100000, &err));
    adit_store_put_stream_abort(stream);
    EXPECT_OK(adit_store_put_stream_begin(store, S("empty"), &stream, &err));
    EXPECT_OK(adit_store_put_stream_commit(stream, NULL, &err));
    adit_store_put_stream_abort(stream);
    EXPECT_OK(adit_store_put_stream_begin(store, S("before"), &stream, &err));
    EXPECT_OK(adit_store_put_stream_write(stream, S("after"), &err));
    EXPECT_OK(adit_store_put_stream_commit(stream, &sequence, &err));
    adit_store_put_stream_abort(stream);
    EXPECT_OK(adit_store_sync(store, sequence, &err));
    /* One that is open when the store is closed leaves nothing. */
    EXPECT_OK(adit_store_put_stream_begin(store, S("lost"), &stream, &err));
    EXPECT_OK(adit_store_put_stream_write(stream, bytes, 1000, &err));
    adit_store_close(store);
    adit_store_put_stream_abort(stream);

    store = open_store(path, ADIT_STORE_WRITE);
    snapshot = take(store);
    HAS(snapshot, "value", bytes, sizeof bytes);
    HAS(snapshot, "empty", "", 0);
    HAS_TEXT(snapshot, "before", "after");
    HAS_TEXT(snapshot, "x", "y");
    LACKS(snapshot, "lost");
    CHECK_EQ(adit_snapshot_len(snapshot), 4);
    adit_snapshot_close(snapshot);
    static char key[ADIT_STORE_MAX_KEY + 1];
    EXPECT_ERROR(adit_store_put_stream_begin(store, key, sizeof key, &stream, &err),
                 ADIT_ERR_OUT_OF_RANGE, "65536");
    CHECK(stream == NULL);
    adit_store_close(store);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    dtypes();
    shapes();
    streams();
    return check_end();
}
