/* Every function of stores with NULL: the message names the parameter. */
#include "stores.h"

#define BEFORE ((uintptr_t)16)
#define IS_NULL(call, parameter) EXPECT_ERROR(call, ADIT_ERR_INVALID_ARGUMENT, parameter " is NULL")

static adit_store *store;
static adit_snapshot *snapshot;

static void zeroed(const void *bytes, size_t len) {
    const unsigned char *at = (const unsigned char *)bytes;
    while (len-- > 0) CHECK(*at++ == 0);
}

static void writing(void) {
    adit_store *out = (adit_store *)BEFORE;
    adit_tensor tensor;
    adit_store_batch *batch = NULL;
    adit_store_put_stream *stream = NULL;
    const adit_store_options options = store_options(ADIT_STORE_CREATE);
    uint64_t sequence = 7, len = 7;
    const int64_t shape[] = { 1 };
    char byte = 0;
    EXPECT_OK(adit_tensor_init(&tensor, &byte, ADIT_DTYPE_U8, 1, shape, &err));
    IS_NULL(adit_store_open(NULL, &options, &out, &err), "path");
    CHECK(out == NULL);
    IS_NULL(adit_store_open(scratch_path("x.adit"), &options, NULL, &err), "out");
    CHECK(!exists(scratch_path("x.adit")));
    EXPECT_ERROR(adit_store_open("", &options, &out, &err), ADIT_ERR_INVALID_ARGUMENT, "path");
    CHECK_INT(adit_store_open(NULL, NULL, NULL, NULL), ADIT_ERR_INVALID_ARGUMENT);
    IS_NULL(adit_store_put(NULL, S("k"), S("v"), &sequence, &err), "store");
    CHECK_EQ(sequence, 0);
    IS_NULL(adit_store_put(store, NULL, 1, S("v"), &sequence, &err), "key");
    IS_NULL(adit_store_put(store, S("k"), NULL, 1, &sequence, &err), "value");
    sequence = 7;
    IS_NULL(adit_store_delete(NULL, S("k"), &sequence, &err), "store");
    CHECK_EQ(sequence, 0);
    IS_NULL(adit_store_delete(store, NULL, 1, NULL, &err), "key");
    IS_NULL(adit_store_read(NULL, S("k"), &byte, 1, &len, &err), "store");
    CHECK_EQ(len, 0);
    IS_NULL(adit_store_read(store, NULL, 1, &byte, 1, &len, &err), "key");
    IS_NULL(adit_store_read(store, S("k"), NULL, 1, &len, &err), "buffer");
    IS_NULL(adit_store_read(store, S("k"), &byte, 1, NULL, &err), "len");
    IS_NULL(adit_store_sync(NULL, 0, &err), "store");
    sequence = 7;
    IS_NULL(adit_store_put_tensor(NULL, S("k"), &tensor, &sequence, &err), "store");
    CHECK_EQ(sequence, 0);
    IS_NULL(adit_store_put_tensor(store, NULL, 1, &tensor, NULL, &err), "key");
    IS_NULL(adit_store_put_tensor(store, S("k"), NULL, NULL, &err), "tensor");

    IS_NULL(adit_store_batch_new(NULL, &err), "out");
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    IS_NULL(adit_store_batch_put(NULL, S("k"), S("v"), &err), "batch");
    IS_NULL(adit_store_batch_put(batch, NULL, 1, S("v"), &err), "key");
    IS_NULL(adit_store_batch_put(batch, S("k"), NULL, 1, &err), "value");
    IS_NULL(adit_store_batch_put_lent(NULL, S("k"), S("v"), &err), "batch");
    IS_NULL(adit_store_batch_put_lent(batch, NULL, 1, S("v"), &err), "key");
    IS_NULL(adit_store_batch_put_lent(batch, S("k"), NULL, 1, &err), "value");
    IS_NULL(adit_store_batch_put_tensor(NULL, S("k"), &tensor, &err), "batch");
    IS_NULL(adit_store_batch_put_tensor(batch, NULL, 1, &tensor, &err), "key");
    IS_NULL(adit_store_batch_put_tensor(batch, S("k"), NULL, &err), "tensor");
    IS_NULL(adit_store_batch_delete(NULL, S("k"), &err), "batch");
    IS_NULL(adit_store_batch_delete(batch, NULL, 1, &err), "key");
    IS_NULL(adit_store_batch_clear(NULL, &err), "batch");
    CHECK_EQ(adit_store_batch_len(NULL), 0);
    CHECK_EQ(adit_store_batch_len(batch), 0);
    sequence = 7;
    IS_NULL(adit_store_write(NULL, batch, &sequence, &err), "store");
    CHECK_EQ(sequence, 0);
    IS_NULL(adit_store_write(store, NULL, &sequence, &err), "batch");
    adit_store_batch_free(batch);
    adit_store_batch_free(NULL);

    stream = (adit_store_put_stream *)BEFORE;
    IS_NULL(adit_store_put_stream_begin(NULL, S("k"), &stream, &err), "store");
    CHECK(stream == NULL);
    IS_NULL(adit_store_put_stream_begin(store, NULL, 1, &stream, &err), "key");
    IS_NULL(adit_store_put_stream_begin(store, S("k"), NULL, &err), "out");
    IS_NULL(adit_store_put_stream_write(NULL, S("v"), &err), "stream");
    sequence = 7;
    IS_NULL(adit_store_put_stream_commit(NULL, &sequence, &err), "stream");
    CHECK_EQ(sequence, 0);
    EXPECT_OK(adit_store_put_stream_begin(store, S("k"), &stream, &err));
    IS_NULL(adit_store_put_stream_write(stream, NULL, 1, &err), "bytes");
    adit_store_put_stream_abort(stream);
    adit_store_put_stream_abort(NULL);
    adit_store_close(NULL);
    adit_store_options_init(NULL, sizeof options);
    CHECK_EQ(stats_of(store).commits, 1);
}

static void reading(void) {
    adit_snapshot *out = (adit_snapshot *)BEFORE;
    adit_snapshot_iter *iter = (adit_snapshot_iter *)BEFORE;
    adit_store_entry entry = ADIT_STORE_ENTRY_INIT;
    adit_tensor tensor;
    const void *value = &out, *keys[] = { "k" }, *values[] = { &out };
    size_t len = 7, key_lens[] = { 1 }, lens[] = { 7 }, found = 7;
    bool is_there = true;
    IS_NULL(adit_store_snapshot(NULL, &out, &err), "store");
    CHECK(out == NULL);
    IS_NULL(adit_store_snapshot(store, NULL, &err), "out");
    IS_NULL(adit_snapshot_get(NULL, S("k"), &value, &len, &err), "snapshot");
    CHECK(value == NULL && len == 0);
    IS_NULL(adit_snapshot_get(snapshot, NULL, 1, &value, &len, &err), "key");
    len = 7;
    IS_NULL(adit_snapshot_get(snapshot, S("k"), NULL, &len, &err), "value");
    CHECK_EQ(len, 0);
    IS_NULL(adit_snapshot_get(snapshot, S("k"), &value, NULL, &err), "len");
    CHECK(value == NULL);
    IS_NULL(adit_snapshot_get_many(NULL, 1, keys, key_lens, values, lens, &found, &err), "snapshot");
    CHECK(values[0] == NULL && lens[0] == 0 && found == 0);
    IS_NULL(adit_snapshot_get_many(snapshot, 1, NULL, key_lens, values, lens, &found, &err), "keys");
    IS_NULL(adit_snapshot_get_many(snapshot, 1, keys, NULL, values, lens, &found, &err), "key_lens");
    IS_NULL(adit_snapshot_get_many(snapshot, 1, keys, key_lens, NULL, lens, &found, &err), "values");
    IS_NULL(adit_snapshot_get_many(snapshot, 1, keys, key_lens, values, NULL, &found, &err), "lens");
    CHECK(values[0] == NULL);
    EXPECT_OK(adit_snapshot_get_many(snapshot, 1, keys, key_lens, values, lens, NULL, &err));
    CHECK(values[0] != NULL && lens[0] == 1);
    memset(&tensor, 0xa5, sizeof tensor);
    IS_NULL(adit_snapshot_get_tensor(NULL, S("k"), &tensor, &err), "snapshot");
    zeroed(&tensor, sizeof tensor);
    IS_NULL(adit_snapshot_get_tensor(snapshot, NULL, 1, &tensor, &err), "key");
    IS_NULL(adit_snapshot_get_tensor(snapshot, S("k"), NULL, &err), "tensor");
    IS_NULL(adit_snapshot_contains(NULL, S("k"), &is_there, &err), "snapshot");
    CHECK(!is_there);
    IS_NULL(adit_snapshot_contains(snapshot, NULL, 1, &is_there, &err), "key");
    IS_NULL(adit_snapshot_contains(snapshot, S("k"), NULL, &err), "is_there");
    entry.offset = 7;
    IS_NULL(adit_snapshot_last(NULL, &entry, &err), "snapshot");
    CHECK_EQ(entry.offset, 0);
    IS_NULL(adit_snapshot_last(snapshot, NULL, &err), "entry");
    CHECK_EQ(adit_snapshot_len(NULL), 0);
    adit_snapshot_close(NULL);

    IS_NULL(adit_snapshot_iter_new(NULL, NULL, &iter, &err), "snapshot");
    CHECK(iter == NULL);
    IS_NULL(adit_snapshot_iter_new(snapshot, NULL, NULL, &err), "out");
    adit_store_iter_options options = ADIT_STORE_ITER_OPTIONS_INIT;
    options.prefix_len = 1;
    IS_NULL(adit_snapshot_iter_new(snapshot, &options, &iter, &err), "options->prefix");
    entry.offset = 7;
    IS_NULL(adit_snapshot_iter_next(NULL, &entry, &err), "iter");
    CHECK_EQ(entry.offset, 0);
    EXPECT_OK(adit_snapshot_iter_new(snapshot, NULL, &iter, &err));
    IS_NULL(adit_snapshot_iter_next(iter, NULL, &err), "entry");
    EXPECT_OK(adit_snapshot_iter_next(iter, &entry, &err));
    adit_snapshot_iter_free(iter);
    adit_snapshot_iter_free(NULL);
    adit_store_iter_options_init(NULL, sizeof options);
}

static void care(void) {
    adit_store_statistics stats = ADIT_STORE_STATISTICS_INIT;
    adit_store_verification verification = ADIT_STORE_VERIFICATION_INIT;
    adit_store_salvaged salvaged = ADIT_STORE_SALVAGED_INIT;
    const char *path = scratch_path("nulls.adit");
    stats.tail = 7;
    IS_NULL(adit_store_stats(NULL, &stats, &err), "store");
    CHECK_EQ(stats.tail, 0);
    IS_NULL(adit_store_stats(store, NULL, &err), "stats");
    verification.records = 7;
    IS_NULL(adit_store_verify(NULL, NULL, NULL, NULL, &verification, &err), "store");
    CHECK_EQ(verification.records, 0);
    EXPECT_OK(adit_store_verify(store, NULL, NULL, NULL, NULL, &err));
    verification.records = 7;
    IS_NULL(adit_store_verify_file(NULL, NULL, NULL, NULL, &verification, &err), "path");
    CHECK_EQ(verification.records, 0);
    EXPECT_OK(adit_store_verify_file(path, NULL, NULL, NULL, NULL, &err));
    salvaged.entries = 7;
    IS_NULL(adit_store_salvage(NULL, path, NULL, NULL, NULL, &salvaged, &err), "from");
    CHECK_EQ(salvaged.entries, 0);
    IS_NULL(adit_store_salvage(path, NULL, NULL, NULL, NULL, &salvaged, &err), "to");
    IS_NULL(adit_store_compact(NULL, NULL, NULL, &err), "store");
    adit_store_verify_options_init(NULL, sizeof(adit_store_verify_options));
}

static void foreign(void) {
    adit_foreign_store *own = (adit_foreign_store *)BEFORE;
    adit_foreign_store_info info = ADIT_FOREIGN_STORE_INFO_INIT;
    adit_foreign_store_iter *iter = (adit_foreign_store_iter *)BEFORE;
    adit_foreign_entry entry = ADIT_FOREIGN_ENTRY_INIT;
    adit_foreign_copied found = ADIT_FOREIGN_COPIED_INIT;
    const char *path = data_path("store017/basic_8_keys.bin");
    const void *value = &own, *keys[] = { "k" };
    size_t len = 7, lens[] = { 1 };
    IS_NULL(adit_foreign_store_open(NULL, &own, &err), "path");
    CHECK(own == NULL);
    IS_NULL(adit_foreign_store_open(path, NULL, &err), "out");
    EXPECT_OK(adit_foreign_store_open(path, &own, &err));
    info.entries = 7;
    IS_NULL(adit_foreign_store_get_info(NULL, &info, &err), "store");
    CHECK_EQ(info.entries, 0);
    IS_NULL(adit_foreign_store_get_info(own, NULL, &err), "info");
    IS_NULL(adit_foreign_store_get(NULL, S("k"), &value, &len, &err), "store");
    CHECK(value == NULL && len == 0);
    IS_NULL(adit_foreign_store_get(own, NULL, 1, &value, &len, &err), "key");
    IS_NULL(adit_foreign_store_get(own, S("k"), NULL, &len, &err), "value");
    IS_NULL(adit_foreign_store_get(own, S("k"), &value, NULL, &err), "len");
    IS_NULL(adit_foreign_store_get_hash(NULL, 1, &value, &len, &err), "store");
    IS_NULL(adit_foreign_store_get_hash(own, 1, NULL, &len, &err), "value");
    IS_NULL(adit_foreign_store_get_hash(own, 1, &value, NULL, &err), "len");
    IS_NULL(adit_foreign_store_value(NULL, 0, &value, &len, &err), "store");
    IS_NULL(adit_foreign_store_value(own, 0, NULL, &len, &err), "value");
    IS_NULL(adit_foreign_store_value(own, 0, &value, NULL, &err), "len");
    IS_NULL(adit_foreign_store_iter_new(NULL, 0, 0, &iter, &err), "store");
    CHECK(iter == NULL);
    IS_NULL(adit_foreign_store_iter_new(own, 0, 0, NULL, &err), "out");
    entry.hash = 7;
    IS_NULL(adit_foreign_store_iter_next(NULL, &entry, &err), "iter");
    CHECK_EQ(entry.hash, 0);
    EXPECT_OK(adit_foreign_store_iter_new(own, 0, 0, &iter, &err));
    IS_NULL(adit_foreign_store_iter_next(iter, NULL, &err), "entry");
    adit_foreign_store_iter_free(iter);
    adit_foreign_store_iter_free(NULL);
    found.copied = 7;
    IS_NULL(adit_foreign_store_copy_keys(NULL, 1, keys, lens, store, NULL, NULL, &found, &err),
            "store");
    CHECK_EQ(found.copied, 0);
    IS_NULL(adit_foreign_store_copy_keys(own, 1, NULL, lens, store, NULL, NULL, &found, &err), "keys");
    IS_NULL(adit_foreign_store_copy_keys(own, 1, keys, NULL, store, NULL, NULL, &found, &err),
            "key_lens");
    IS_NULL(adit_foreign_store_copy_keys(own, 1, keys, lens, NULL, NULL, NULL, &found, &err), "into");
    EXPECT_OK(adit_foreign_store_copy_keys(own, 1, keys, lens, store, NULL, NULL, NULL, &err));
    adit_foreign_store_close(own);
    adit_foreign_store_close(NULL);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    store = open_store(scratch_path("nulls.adit"), ADIT_STORE_NEW);
    put_text(store, "k", "v");
    snapshot = take(store);
    writing();
    reading();
    care();
    foreign();
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    return check_end();
}
