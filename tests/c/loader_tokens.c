/* Loaders of token windows over flat arrays and files with heads of their own. */
#include "loaders.h"

#define COUNT 1000

static adit_array *tokens_array(void) {
    adit_array *array = NULL;
    uint16_t tokens[COUNT];
    for (int at = 0; at < COUNT; at++) tokens[at] = (uint16_t)(3 * at);
    const adit_tensor tensor = over(tokens, ADIT_DTYPE_U16, 1, COUNT, 0);
    const char *path = scratch_path("tokens.npy");
    EXPECT_OK(adit_array_create_from(path, &tensor, NULL, NULL, NULL, &array, &err));
    return array;
}

/* Every window once an epoch, with the elements that belong to it. */
static void check_epoch(adit_loader *loader, uint64_t windows, uint64_t stride, int64_t length) {
    int seen[COUNT] = { 0 };
    for (uint64_t step = 0; step < windows / 4; step++) {
        adit_batch *batch = next_batch(loader);
        const adit_tensor tensor = tensor_of(batch, "tokens");
        const uint64_t *records = records_of(batch, 4);
        CHECK_INT(tensor.ndim, 2);
        CHECK_INT(tensor.shape[0], 4);
        CHECK_INT(tensor.shape[1], length);
        for (int64_t row = 0; row < 4; row++) {
            CHECK(records[row] < windows);
            seen[records[row]]++;
            for (int64_t at = 0; at < length; at++) {
                const int64_t wanted = 3 * ((int64_t)(records[row] * stride) + at);
                const int64_t found = tensor.dtype == ADIT_DTYPE_I32
                                          ? ((const int32_t *)tensor.data)[row * length + at]
                                          : ((const uint16_t *)tensor.data)[row * length + at];
                CHECK_INT(found, wanted);
            }
        }
        adit_batch_release(batch);
    }
    ends(loader);
    uint64_t once = 0;
    for (uint64_t at = 0; at < windows; at++) {
        CHECK(seen[at] <= 1);
        once += (uint64_t)seen[at];
    }
    CHECK_EQ(once, windows / 4 * 4);
}

static void arrays(void) {
    adit_array *array = tokens_array();
    adit_loader *loader = NULL;
    adit_loader_options options = batches_of(4);
    /* T + 1 every T: (1000 - 9) / 8 + 1 windows. */
    EXPECT_OK(adit_loader_open_array(array, 9, 8, &options, &loader, &err));
    CHECK_EQ(adit_loader_steps(loader), 124 / 4);
    check_epoch(loader, 124, 8, 9);
    check_epoch(loader, 124, 8, 9);
    adit_loader_close(loader);
    EXPECT_OK(adit_loader_open_array(array, 10, 0, &options, &loader, &err));
    check_epoch(loader, 100, 10, 10);
    adit_loader_close(loader);

    adit_loader_fields *fields = NULL;
    EXPECT_OK(adit_loader_fields_new(&fields, &err));
    EXPECT_OK(adit_loader_fields_add(fields, "tokens", ADIT_DTYPE_I32, 0, 0, &err));
    options.fields = fields;
    options.io = ADIT_IO_MAP;
    options.flags = ADIT_LOADER_NO_THREADS;
    EXPECT_OK(adit_loader_open_array(array, 9, 8, &options, &loader, &err));
    adit_array_close(array);
    check_epoch(loader, 124, 8, 9);

    /* A state goes on in another loader. */
    unsigned char state[ADIT_LOADER_STATE_BYTES];
    size_t len = 0;
    adit_batch_release(next_batch(loader));
    EXPECT_OK(adit_loader_state_save(loader, state, sizeof state, &len, &err));
    adit_batch *batch = next_batch(loader), *same = NULL;
    EXPECT_OK(adit_array_open(scratch_path("tokens.npy"), NULL, &array, &err));
    adit_loader *other = NULL;
    EXPECT_OK(adit_loader_open_array(array, 9, 8, &options, &other, &err));
    adit_array_close(array);
    EXPECT_OK(adit_loader_state_load(other, state, len, &err));
    same = next_batch(other);
    CHECK_BYTES(records_of(same, 4), records_of(batch, 4), 32);
    adit_batch_release(batch);
    adit_batch_release(same);
    adit_loader_close(loader);
    adit_loader_close(other);
    adit_loader_fields_free(fields);
}

/* Elements behind 1024 bytes of something else. */
static void heads(void) {
    unsigned char bytes[1024 + 2 * COUNT + 1];
    memset(bytes, 0xa5, sizeof bytes);
    for (int at = 0; at < COUNT; at++) {
        const uint16_t token = (uint16_t)(3 * at);
        memcpy(bytes + 1024 + 2 * at, &token, 2);
    }
    write_file(scratch_path("tokens.bin"), bytes, sizeof bytes);
    adit_data *data = NULL;
    adit_loader *loader = NULL;
    const adit_loader_options options = batches_of(4);
    EXPECT_OK(adit_data_open(scratch_path("tokens.bin"), NULL, &data, &err));
    EXPECT_OK(adit_loader_open_data(data, 1024, ADIT_DTYPE_U16, 9, 8, &options, &loader, &err));
    check_epoch(loader, 124, 8, 9);
    adit_loader_close(loader);
    EXPECT_ERROR(adit_loader_open_data(data, 4000, ADIT_DTYPE_U16, 9, 8, &options, &loader, &err),
                 ADIT_ERR_OUT_OF_RANGE, "4000");
    CHECK(loader == NULL);
    EXPECT_ERROR(adit_loader_open_data(data, 0, -1, 9, 8, &options, &loader, &err), ADIT_ERR_DTYPE,
                 "-1");
    EXPECT_ERROR(adit_loader_open_data(data, 0, ADIT_DTYPE_U16, 0, 8, &options, &loader, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "");
    adit_data_close(data);
}

static void refused(void) {
    adit_array *array = NULL;
    adit_loader *loader = NULL;
    const adit_loader_options options = batches_of(4);
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    err = CHECK_GARBAGE;
    const adit_status status = adit_loader_open_array(array, 2, 1, &options, &loader, &err);
    CHECK(status == ADIT_ERR_SHAPE);
    CHECK(loader == NULL);
    adit_error_free(err);
    adit_array_close(array);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    arrays();
    heads();
    refused();
    return check_end();
}
