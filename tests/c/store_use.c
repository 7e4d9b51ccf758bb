/* Stores: written, looked up, gone through, closed and opened again. */
#include "stores.h"

static void single_writes(void) {
    const char *path = scratch_path("single.adit");
    adit_store *store = open_store(path, ADIT_STORE_NEW);
    uint64_t first = 0, second = 0, third = 0;
    EXPECT_OK(adit_store_put(store, S("a"), S("one"), &first, &err));
    CHECK_EQ(first, 1);
    EXPECT_OK(adit_store_put(store, S("b"), S("two"), &second, &err));
    CHECK_EQ(second, 2);
    adit_snapshot *old = take(store);
    EXPECT_OK(adit_store_put(store, S("a"), S("three"), NULL, &err));
    EXPECT_OK(adit_store_delete(store, S("b"), &third, &err));
    CHECK_EQ(third, 4);
    EXPECT_OK(adit_store_delete(store, S("never there"), NULL, &err));
    adit_snapshot *snapshot = take(store);
    HAS_TEXT(old, "a", "one");
    HAS_TEXT(old, "b", "two");
    CHECK_EQ(adit_snapshot_len(old), 2);
    const void *value = HAS_TEXT(snapshot, "a", "three");
    CHECK_EQ((uintptr_t)value % 64, 0);
    LACKS(snapshot, "b");
    LACKS(snapshot, "never there");
    LACKS(snapshot, "");
    CHECK_EQ(adit_snapshot_len(snapshot), 1);
    bool is_there = false;
    EXPECT_OK(adit_snapshot_contains(snapshot, S("a"), &is_there, &err));
    CHECK(is_there);
    EXPECT_OK(adit_store_sync(store, third, &err));
    EXPECT_OK(adit_store_sync(store, 0, &err));
    adit_snapshot_close(old);
    /* Values outlive the store. */
    adit_store_close(store);
    HAS_TEXT(snapshot, "a", "three");
    CHECK_BYTES(value, "three", 5);
    adit_snapshot_close(snapshot);

    store = open_store(path, ADIT_STORE_WRITE);
    snapshot = take(store);
    HAS_TEXT(snapshot, "a", "three");
    LACKS(snapshot, "b");
    CHECK_EQ(adit_snapshot_len(snapshot), 1);
    adit_snapshot_close(snapshot);
    /* Numbers are the handle's. */
    EXPECT_OK(adit_store_put(store, S("c"), NULL, 0, &first, &err));
    CHECK_EQ(first, 1);
    adit_store_close(store);
}

/* Nothing is as good as something, and lengths are what they were. */
static void odd_bytes(void) {
    const char *path = scratch_path("odd.adit");
    adit_store *store = open_store(path, ADIT_STORE_CREATE);
    static char key[65536];
    static const char zeros[200] = { 0 };
    const void *value = NULL;
    size_t len = 0;
    memset(key, 'k', sizeof key);
    EXPECT_OK(adit_store_put(store, NULL, 0, S("no key"), NULL, &err));
    EXPECT_OK(adit_store_put(store, S("no value"), NULL, 0, NULL, &err));
    EXPECT_OK(adit_store_put(store, S("zeros"), zeros, sizeof zeros, NULL, &err));
    EXPECT_OK(adit_store_put(store, "nul\0", 4, "\0x", 2, NULL, &err));
    EXPECT_OK(adit_store_put(store, "nul", 3, S("other"), NULL, &err));
    EXPECT_OK(adit_store_put(store, key, ADIT_STORE_MAX_KEY, S("long key"), NULL, &err));
    EXPECT_ERROR(adit_store_put(store, key, ADIT_STORE_MAX_KEY + 1, S("x"), NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "65536 bytes; keys have at most 65535");
    EXPECT_ERROR(adit_store_delete(store, key, ADIT_STORE_MAX_KEY + 1, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "65536");
    EXPECT_ERROR(adit_store_put(store, S("x"), key, (size_t)ADIT_STORE_MAX_VALUE + 1, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "values have at most 2^48");
    for (int turn = 0; turn < 2; turn++) {
        adit_snapshot *snapshot = take(store);
        HAS_TEXT(snapshot, "", "no key");
        HAS(snapshot, "no value", "", 0);
        HAS(snapshot, "zeros", zeros, sizeof zeros);
        HAS_TEXT(snapshot, "nul", "other");
        EXPECT_OK(adit_snapshot_get(snapshot, "nul\0", 4, &value, &len, &err));
        CHECK_EQ(len, 2);
        CHECK_BYTES(value, "\0x", 2);
        EXPECT_OK(adit_snapshot_get(snapshot, key, ADIT_STORE_MAX_KEY, &value, &len, &err));
        CHECK_BYTES(value, "long key", len);
        CHECK_EQ(len, 8);
        EXPECT(adit_snapshot_get(snapshot, key, ADIT_STORE_MAX_KEY - 1, &value, &len, &err),
               ADIT_ERR_NOT_FOUND);
        EXPECT(adit_snapshot_get(snapshot, key, ADIT_STORE_MAX_KEY + 1, &value, &len, &err),
               ADIT_ERR_NOT_FOUND);
        CHECK_EQ(adit_snapshot_len(snapshot), 6);
        adit_snapshot_close(snapshot);
        adit_store_close(store);
        store = open_store(path, ADIT_STORE_WRITE);
    }
    adit_store_close(store);
}

static void batches(void) {
    const char *path = scratch_path("batch.adit");
    adit_store *store = open_store(path, ADIT_STORE_CREATE);
    adit_store_batch *batch = NULL;
    uint64_t sequence = 7;
    static unsigned char large[300000];
    fill(large, sizeof large, 1);
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    CHECK_EQ(adit_store_batch_len(batch), 0);
    /* Nothing is no write. */
    EXPECT_OK(adit_store_write(store, batch, &sequence, &err));
    CHECK_EQ(sequence, 0);
    put_text(store, "gone", "soon");
    EXPECT_OK(adit_store_write(store, batch, &sequence, &err));
    CHECK_EQ(sequence, 1);
    char local[] = "copied";
    EXPECT_OK(adit_store_batch_put(batch, S("a"), local, 6, &err));
    memset(local, 'x', 6);
    EXPECT_OK(adit_store_batch_put_lent(batch, S("large"), large, sizeof large, &err));
    EXPECT_OK(adit_store_batch_put(batch, S("twice"), S("first"), &err));
    EXPECT_OK(adit_store_batch_put(batch, S("twice"), S("second"), &err));
    EXPECT_OK(adit_store_batch_put(batch, S("not"), S("kept"), &err));
    EXPECT_OK(adit_store_batch_delete(batch, S("not"), &err));
    EXPECT_OK(adit_store_batch_delete(batch, S("gone"), &err));
    EXPECT_OK(adit_store_batch_put(batch, NULL, 0, NULL, 0, &err));
    CHECK_EQ(adit_store_batch_len(batch), 8);
    adit_snapshot *before = take(store);
    EXPECT_OK(adit_store_write(store, batch, &sequence, &err));
    CHECK_EQ(sequence, 2);
    CHECK_EQ(adit_store_batch_len(batch), 8);
    adit_snapshot *after = take(store);
    HAS_TEXT(before, "gone", "soon");
    LACKS(before, "a");
    HAS_TEXT(after, "a", "copied");
    HAS(after, "large", large, sizeof large);
    HAS_TEXT(after, "twice", "second");
    LACKS(after, "not");
    LACKS(after, "gone");
    HAS(after, "", "", 0);
    CHECK_EQ(adit_snapshot_len(after), 4);
    adit_snapshot_close(before);
    adit_snapshot_close(after);

    /* A key that is too long leaves the batch as it was. */
    static char key[ADIT_STORE_MAX_KEY + 1];
    EXPECT_ERROR(adit_store_batch_put(batch, key, sizeof key, S("x"), &err), ADIT_ERR_OUT_OF_RANGE,
                 "65536");
    EXPECT_ERROR(adit_store_batch_put_lent(batch, key, sizeof key, S("x"), &err),
                 ADIT_ERR_OUT_OF_RANGE, "65536");
    EXPECT_ERROR(adit_store_batch_delete(batch, key, sizeof key, &err), ADIT_ERR_OUT_OF_RANGE,
                 "65536");
    EXPECT_ERROR(adit_store_batch_put_lent(batch, S("x"), large, (size_t)ADIT_STORE_MAX_VALUE + 1, &err),
                 ADIT_ERR_OUT_OF_RANGE, "2^48");
    CHECK_EQ(adit_store_batch_len(batch), 8);

    /* Again, into another store. */
    adit_store *other = open_store(scratch_path("other.adit"), ADIT_STORE_CREATE);
    EXPECT_OK(adit_store_write(other, batch, &sequence, &err));
    CHECK_EQ(sequence, 1);
    EXPECT_OK(adit_store_batch_clear(batch, &err));
    CHECK_EQ(adit_store_batch_len(batch), 0);
    EXPECT_OK(adit_store_batch_put(batch, S("a"), S("new"), &err));
    EXPECT_OK(adit_store_write(other, batch, &sequence, &err));
    CHECK_EQ(sequence, 2);
    adit_store_batch_free(batch);
    after = take(other);
    HAS_TEXT(after, "a", "new");
    HAS(after, "large", large, sizeof large);
    adit_snapshot_close(after);
    adit_store_close(other);
    adit_store_close(store);
}

static void copies(void) {
    adit_store *store = open_store(scratch_path("copies.adit"), ADIT_STORE_CREATE);
    static unsigned char large[100000], out[100000];
    uint64_t len = 7;
    fill(large, sizeof large, 2);
    put(store, "large", large, sizeof large);
    put(store, "empty", NULL, 0);
    EXPECT_OK(adit_store_read(store, S("large"), out, sizeof out, &len, &err));
    CHECK_EQ(len, sizeof large);
    CHECK_BYTES(out, large, sizeof large);
    /* How long is it? */
    EXPECT_OK(adit_store_read(store, S("large"), NULL, 0, &len, &err));
    CHECK_EQ(len, sizeof large);
    EXPECT_ERROR(adit_store_read(store, S("large"), out, sizeof out - 1, &len, &err),
                 ADIT_ERR_OUT_OF_RANGE, "the value has 100000 bytes, but there is room for 99999");
    CHECK_EQ(len, 0);
    len = 7;
    EXPECT_OK(adit_store_read(store, S("empty"), out, 1, &len, &err));
    CHECK_EQ(len, 0);
    len = 7;
    EXPECT(adit_store_read(store, S("none"), out, 1, &len, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(len, 0);
    delete_key(store, "large");
    EXPECT(adit_store_read(store, S("large"), out, sizeof out, &len, &err), ADIT_ERR_NOT_FOUND);
    adit_store_close(store);
}

/* Many keys at once, in chunks of any size. */
static void many(void) {
    enum { KEYS = 1000 };
    adit_store *store = open_store(scratch_path("many.adit"), ADIT_STORE_CREATE);
    adit_store_batch *batch = NULL;
    static char names[KEYS][8];
    static const void *keys[KEYS], *values[KEYS];
    static size_t key_lens[KEYS], lens[KEYS];
    size_t found = 7;
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    for (int at = 0; at < KEYS; at++) {
        snprintf(names[at], sizeof names[at], "k%d", at);
        keys[at] = names[at];
        key_lens[at] = strlen(names[at]);
        /* Every third is missing, and one of those that are there is empty. */
        if (at % 3 == 0) continue;
        EXPECT_OK(adit_store_batch_put(batch, keys[at], key_lens[at], keys[at],
                                       at == 4 ? 0 : key_lens[at], &err));
    }
    EXPECT_OK(adit_store_write(store, batch, NULL, &err));
    adit_store_batch_free(batch);
    adit_snapshot *snapshot = take(store);
    const size_t counts[] = { 0, 1, 2, 16, 63, 64, 65, 128, 129, KEYS };
    for (size_t at = 0; at < sizeof counts / sizeof counts[0]; at++) {
        const size_t n = counts[at];
        memset(values, 0xa5, sizeof values);
        memset(lens, 0xa5, sizeof lens);
        EXPECT_OK(adit_snapshot_get_many(snapshot, n, keys, key_lens, values, lens, &found, &err));
        CHECK_EQ(found, n - (n + 2) / 3);
        for (size_t key = 0; key < n; key++) {
            if (key % 3 == 0) {
                CHECK(values[key] == NULL && lens[key] == 0);
                continue;
            }
            CHECK(values[key] != NULL);
            CHECK_EQ(lens[key], key == 4 ? 0 : key_lens[key]);
            CHECK_BYTES(values[key], names[key], lens[key]);
        }
        if (n < KEYS) CHECK_EQ(lens[n], SIZE_MAX / 255 * 0xa5);
    }
    EXPECT_OK(adit_snapshot_get_many(snapshot, 0, NULL, NULL, NULL, NULL, NULL, &err));
    /* One key that can't be read: all are zero again. */
    keys[100] = NULL;
    EXPECT_ERROR(adit_snapshot_get_many(snapshot, KEYS, keys, key_lens, values, lens, &found, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "key is NULL");
    CHECK_EQ(found, 0);
    for (int at = 0; at < KEYS; at++) CHECK(values[at] == NULL && lens[at] == 0);
    /* Of no length it isn't read. */
    key_lens[100] = 0;
    EXPECT_OK(adit_snapshot_get_many(snapshot, KEYS, keys, key_lens, values, lens, &found, &err));
    CHECK_EQ(found, KEYS - (KEYS + 2) / 3 - 1);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

/* One step of an iteration that expects "key=value", "key" deleted, or the end. */
static adit_store_entry step(adit_snapshot_iter *iter, const char *key, const char *value,
                             uint32_t flags) {
    adit_store_entry entry = ADIT_STORE_ENTRY_INIT;
    if (key == NULL) {
        entry.offset = entry.key_len = 7;
        EXPECT(adit_snapshot_iter_next(iter, &entry, &err), ADIT_END);
        CHECK(entry.key == NULL && entry.key_len == 0 && entry.offset == 0);
        return entry;
    }
    EXPECT_OK(adit_snapshot_iter_next(iter, &entry, &err));
    CHECK_EQ(entry.struct_size, sizeof entry);
    CHECK_EQ(entry.key_len, strlen(key));
    CHECK_BYTES(entry.key, key, entry.key_len);
    CHECK_EQ(entry.flags, flags);
    CHECK_EQ(entry.reserved0, 0);
    CHECK(entry.offset >= 16384 && entry.offset % 64 == 0);
    if (value == NULL) {
        CHECK(entry.value == NULL && entry.value_len == 0);
        return entry;
    }
    CHECK(entry.value != NULL);
    CHECK_EQ(entry.value_len, strlen(value));
    CHECK_BYTES(entry.value, value, entry.value_len);
    return entry;
}

static adit_snapshot_iter *iterate(const adit_snapshot *snapshot, int32_t order, uint32_t flags,
                                   const char *prefix) {
    adit_store_iter_options options = ADIT_STORE_ITER_OPTIONS_INIT;
    adit_snapshot_iter *iter = NULL;
    options.order = order;
    options.flags = flags;
    options.prefix = prefix;
    options.prefix_len = prefix == NULL ? 0 : strlen(prefix);
    EXPECT_OK(adit_snapshot_iter_new(snapshot, &options, &iter, &err));
    return iter;
}

static void iteration(void) {
    const uint32_t live = ADIT_ENTRY_LIVE, dead = 0, tombstone = ADIT_ENTRY_TOMBSTONE;
    adit_store *store = open_store(scratch_path("iter.adit"), ADIT_STORE_CREATE);
    adit_snapshot *snapshot = take(store);
    adit_snapshot_iter *iter = NULL;
    adit_store_entry newest = ADIT_STORE_ENTRY_INIT;
    newest.offset = 7;
    EXPECT(adit_snapshot_last(snapshot, &newest, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(newest.offset, 0);
    EXPECT_OK(adit_snapshot_iter_new(snapshot, NULL, &iter, &err));
    step(iter, NULL, NULL, 0);
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);
    adit_snapshot_close(snapshot);

    const float number = 1.5f;
    const int64_t shape[] = { 1 };
    adit_tensor tensor;
    EXPECT_OK(adit_tensor_init(&tensor, &number, ADIT_DTYPE_F32, 1, shape, &err));
    put_text(store, "apple", "1");
    put_text(store, "bread", "2");
    put_text(store, "apple", "3");
    delete_key(store, "bread");
    EXPECT_OK(adit_store_put_tensor(store, S("apricot"), &tensor, NULL, &err));
    put_text(store, "cherry", "");
    put_text(store, "b", "4");
    delete_key(store, "cherry");
    snapshot = take(store);
    put_text(store, "later", "5");

    EXPECT_OK(adit_snapshot_last(snapshot, &newest, &err));
    CHECK_EQ(newest.key_len, 1);
    CHECK_BYTES(newest.key, "b", 1);
    CHECK_BYTES(newest.value, "4", 1);
    CHECK_EQ(newest.flags, live);

    EXPECT_OK(adit_snapshot_iter_new(snapshot, NULL, &iter, &err));
    adit_store_entry entry = step(iter, "b", "4", live);
    CHECK_EQ(entry.offset, newest.offset);
    adit_store_entry found = ADIT_STORE_ENTRY_INIT;
    EXPECT_OK(adit_snapshot_iter_next(iter, &found, &err));
    CHECK_BYTES(found.key, "apricot", 7);
    CHECK_EQ(found.flags, live | ADIT_ENTRY_TENSOR);
    CHECK_EQ(found.value_len, 4);
    CHECK_BYTES(found.value, &number, 4);
    CHECK(found.offset < entry.offset);
    step(iter, "apple", "3", live);
    step(iter, NULL, NULL, 0);
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);

    iter = iterate(snapshot, ADIT_STORE_ORDER_LOG, ADIT_STORE_ITER_ALL, NULL);
    /* It keeps what it needs. */
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    const uint64_t first = step(iter, "apple", "1", dead).offset;
    CHECK_EQ(step(iter, "bread", "2", dead).offset, first + 128);
    CHECK_EQ(step(iter, "apple", "3", live).offset, first + 256);
    step(iter, "bread", NULL, tombstone);
    EXPECT_OK(adit_snapshot_iter_next(iter, &found, &err));
    CHECK_EQ(found.flags, live | ADIT_ENTRY_TENSOR);
    step(iter, "cherry", "", dead);
    step(iter, "b", "4", live);
    step(iter, "cherry", NULL, tombstone);
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);

    store = open_store(scratch_path("iter.adit"), ADIT_STORE_READ);
    snapshot = take(store);
    iter = iterate(snapshot, ADIT_STORE_ORDER_LOG, 0, NULL);
    step(iter, "apple", "3", live);
    EXPECT_OK(adit_snapshot_iter_next(iter, &found, &err));
    step(iter, "b", "4", live);
    step(iter, "later", "5", live);
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);
    iter = iterate(snapshot, ADIT_STORE_ORDER_NEWEST, ADIT_STORE_ITER_ALL, "b");
    step(iter, "b", "4", live);
    step(iter, "bread", NULL, tombstone);
    step(iter, "bread", "2", dead);
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);
    iter = iterate(snapshot, ADIT_STORE_ORDER_LOG, 0, "bread and butter");
    step(iter, NULL, NULL, 0);
    adit_snapshot_iter_free(iter);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

/* The store without an index, and what stats tell of it. */
static void statistics(void) {
    char index[1100];
    const char *path = scratch_path("stats.adit");
    adit_store_options options = store_options(ADIT_STORE_CREATE);
    options.sync = ADIT_SYNC_EXPLICIT;
    options.check = ADIT_STORE_CHECK_ALWAYS;
    options.align = 4096;
    adit_store *store = open_with(path, &options);
    adit_store_statistics stats = stats_of(store);
    CHECK_EQ(stats.live_keys, 0);
    CHECK_EQ(stats.commits, 0);
    CHECK_EQ(stats.file_bytes, 16384);
    CHECK_EQ(stats.tail, 16384);
    CHECK_EQ(stats.writer_pid, getpid());
    for (int at = 0; at < 10; at++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", at);
        put(store, key, key, strlen(key));
    }
    put_text(store, "k0", "again");
    delete_key(store, "k1");
    stats = stats_of(store);
    CHECK_EQ(stats.live_keys, 9);
    CHECK_EQ(stats.commits, 12);
    /* The epoch's record and ours. */
    CHECK_EQ(stats.records, 13);
    CHECK(stats.dead_bytes > 0 && stats.live_bytes > 0);
    CHECK(stats.durable_tail < stats.tail && stats.tail <= stats.file_bytes);
    const uint64_t syncs = stats.syncs;
    EXPECT_OK(adit_store_sync(store, 0, &err));
    stats = stats_of(store);
    CHECK_EQ(stats.syncs, syncs + 1);
    CHECK_EQ(stats.durable_tail, stats.tail);
    adit_snapshot *snapshot = take(store), *other = take(store);
    CHECK_EQ(stats_of(store).snapshots, 2);
    const void *value = HAS_TEXT(snapshot, "k0", "again");
    CHECK_EQ((uintptr_t)value % 4096, 0);
    adit_snapshot_close(other);
    CHECK_EQ(stats_of(store).snapshots, 1);
    CHECK(stats_of(store).mapped_bytes >= UINT64_C(1) << 30);
    adit_snapshot_close(snapshot);
    adit_store_close(store);

    snprintf(index, sizeof index, "%s.idx", path);
    unlink(index);
    /* The store's own alignment counts. */
    options = store_options(ADIT_STORE_READ);
    options.align = 64;
    store = open_with(path, &options);
    stats = stats_of(store);
    CHECK_EQ(stats.live_keys, 9);
    CHECK_EQ(stats.records, 13);
    CHECK_EQ(stats.torn_bytes, 0);
    CHECK_EQ(stats.writer_pid, 0);
    snapshot = take(store);
    CHECK_EQ((uintptr_t)HAS_TEXT(snapshot, "k9", "k9") % 4096, 0);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    CHECK(!exists(index));
}

/* Every policy and way to read gives the same store. */
static void modes(void) {
    static unsigned char bytes[5000];
    const int32_t syncs[] = { ADIT_SYNC_BATCH, ADIT_SYNC_GROUP, ADIT_SYNC_EXPLICIT, ADIT_SYNC_NONE };
    const int32_t ways[] = { ADIT_STORE_MAPPED, ADIT_STORE_ANYWHERE, ADIT_STORE_EXCLUSIVE };
    const int32_t checks[] = { ADIT_STORE_CHECK_NEVER, ADIT_STORE_CHECK_FIRST,
                               ADIT_STORE_CHECK_ALWAYS };
    const char *path = scratch_path("modes.adit");
    int turn = 0;
    fill(bytes, sizeof bytes, 3);
    for (int sync = 0; sync < 4; sync++) {
        for (int way = 0; way < 3; way++, turn++) {
            adit_store_options options = store_options(ADIT_STORE_CREATE);
            char key[24];
            options.sync = syncs[sync];
            options.access = ways[way];
            options.check = checks[turn % 3];
            options.flags = turn % 2 ? ADIT_STORE_MERGE_THREAD : 0;
            options.expected_keys = (uint64_t)turn;
            options.checkpoint_bytes = 8192;
            adit_store *store = open_with(path, &options);
            adit_snapshot *snapshot = take(store);
            CHECK_EQ(adit_snapshot_len(snapshot), turn);
            for (int at = 0; at < turn; at++) {
                snprintf(key, sizeof key, "turn %d", at);
                HAS(snapshot, key, bytes, (size_t)(at * 400));
                HAS(snapshot, key, bytes, (size_t)(at * 400));
            }
            snprintf(key, sizeof key, "turn %d", turn);
            put(store, key, bytes, (size_t)(turn * 400));
            LACKS(snapshot, key);
            adit_snapshot_close(snapshot);
            snapshot = take(store);
            HAS(snapshot, key, bytes, (size_t)(turn * 400));
            adit_store_close(store);
            HAS(snapshot, "turn 0", "", 0);
            adit_snapshot_close(snapshot);
        }
    }
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    single_writes();
    odd_bytes();
    batches();
    copies();
    many();
    iteration();
    statistics();
    modes();
    return check_end();
}
