/* Stores that can't be opened or written: statuses, what the messages say, and what is left as it was. */
#include "files.h"
#include "stores.h"

#include <signal.h>
#include <sys/resource.h>

static adit_status try_open(const char *path, int32_t mode) {
    const adit_store_options options = store_options(mode);
    adit_store *store = (adit_store *)(uintptr_t)16;
    adit_status status = adit_store_open(path, &options, &store, &err);
    CHECK((status == ADIT_OK) == (store != NULL));
    adit_store_close(store);
    return status;
}

static void refused(void) {
    const char *path = scratch_path("refused.adit"), *folder = scratch_path("folder");
    const char *deep = scratch_path("none/refused.adit");
    for (int32_t mode = ADIT_STORE_WRITE; mode <= ADIT_STORE_READ; mode += 2) {
        EXPECT_ERROR(try_open(path, mode), ADIT_ERR_NOT_FOUND, "refused.adit");
        CHECK_LAST_PATH(path);
        CHECK_INT(last.os_code, ENOENT);
        CHECK_EQ(count_names("refused.adit", NULL, 0), 0);
    }
    EXPECT_ERROR(try_open(deep, ADIT_STORE_CREATE), ADIT_ERR_NOT_FOUND, "none/refused.adit");
    CHECK_INT(mkdir(folder, 0777), 0);
    for (int32_t mode = ADIT_STORE_CREATE; mode <= ADIT_STORE_READ; mode++)
        EXPECT_ERROR(try_open(folder, mode),
                     mode == ADIT_STORE_NEW ? ADIT_ERR_EXISTS : ADIT_ERR_NOT_A_FILE, "folder");

    EXPECT_OK(try_open(path, ADIT_STORE_NEW));
    EXPECT_ERROR(try_open(path, ADIT_STORE_NEW), ADIT_ERR_EXISTS, "refused.adit");
    CHECK_LAST_PATH(path);
    EXPECT_OK(try_open(path, ADIT_STORE_READ));
    EXPECT_OK(try_open(path, ADIT_STORE_WRITE));
    EXPECT_OK(try_open(path, ADIT_STORE_CREATE));
}

/* What isn't a store stays what it is, however it is opened. */
static void foreign(void) {
    static char text[20000];
    const char *path = scratch_path("foreign.adit");
    const size_t lens[] = { 0, 1, 15, 16, 4096, sizeof text };
    memset(text, 't', sizeof text);
    for (size_t at = 0; at < sizeof lens / sizeof lens[0]; at++) {
        for (int32_t mode = ADIT_STORE_CREATE; mode <= ADIT_STORE_READ; mode++) {
            size_t len = 0;
            write_file(path, text, lens[at]);
            if (mode == ADIT_STORE_NEW) {
                EXPECT_ERROR(try_open(path, mode), ADIT_ERR_EXISTS, "foreign.adit");
            } else {
                EXPECT_ERROR(try_open(path, mode), ADIT_ERR_WRONG_FORMAT, "is no store");
                CHECK_LAST_PATH(path);
            }
            unsigned char *bytes = read_file(path, &len);
            CHECK_EQ(len, lens[at]);
            CHECK_BYTES(bytes, text, len);
            free(bytes);
        }
        adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
        EXPECT_ERROR(adit_store_verify_file(path, NULL, NULL, NULL, &found, &err),
                     ADIT_ERR_WRONG_FORMAT, "is no store");
        adit_store_salvaged salvaged = ADIT_STORE_SALVAGED_INIT;
        EXPECT_ERROR(adit_store_salvage(path, scratch_path("salvaged.adit"), NULL, NULL, NULL,
                                        &salvaged, &err),
                     ADIT_ERR_WRONG_FORMAT, "is no store");
        CHECK(!exists(scratch_path("salvaged.adit")));
    }
}

/* A store of a later version. */
static void later(void) {
    const char *path = scratch_path("later.adit");
    size_t len = 0, again = 0;
    EXPECT_OK(try_open(path, ADIT_STORE_NEW));
    unsigned char *bytes = read_file(path, &len);
    bytes[16] = 2;
    const uint32_t crc = adit_crc32c(0, bytes, 4092);
    for (int at = 0; at < 4; at++) bytes[4092 + at] = (unsigned char)(crc >> 8 * at);
    write_file(path, bytes, len);
    EXPECT_ERROR(try_open(path, ADIT_STORE_CREATE), ADIT_ERR_UNSUPPORTED, "version 2");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(try_open(path, ADIT_STORE_READ), ADIT_ERR_UNSUPPORTED, "version 2");
    unsigned char *after = read_file(path, &again);
    CHECK_EQ(again, len);
    CHECK_BYTES(after, bytes, len);
    free(bytes);
    free(after);
}

/* One handle writes, any number read, and see what is published. */
static void handles(void) {
    char pid[32];
    const char *path = scratch_path("handles.adit");
    adit_store *writer = open_store(path, ADIT_STORE_NEW);
    put_text(writer, "k", "1");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    for (int32_t mode = ADIT_STORE_CREATE; mode <= ADIT_STORE_WRITE; mode++) {
        EXPECT_ERROR(try_open(path, mode), ADIT_ERR_BUSY, pid);
        CHECK_LAST_PATH(path);
    }
    adit_store *reader = open_store(path, ADIT_STORE_READ);
    adit_snapshot *first = take(reader);
    HAS_TEXT(first, "k", "1");
    put_text(writer, "k", "2");
    adit_snapshot *second = take(reader);
    HAS_TEXT(first, "k", "1");
    HAS_TEXT(second, "k", "2");
    CHECK_EQ(stats_of(reader).writer_pid, getpid());

    adit_store_batch *batch = NULL;
    adit_store_put_stream *stream = NULL;
    adit_tensor tensor;
    const int64_t shape[] = { 1 };
    uint64_t sequence = 7;
    EXPECT_OK(adit_tensor_init(&tensor, "x", ADIT_DTYPE_U8, 1, shape, &err));
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    EXPECT_OK(adit_store_batch_put(batch, S("k"), S("3"), &err));
    EXPECT_ERROR(adit_store_put(reader, S("k"), S("3"), &sequence, &err), ADIT_ERR_READ_ONLY,
                 "opened for reading only");
    CHECK_LAST_PATH(path);
    CHECK_EQ(sequence, 0);
    EXPECT_ERROR(adit_store_delete(reader, S("k"), NULL, &err), ADIT_ERR_READ_ONLY, "reading");
    EXPECT_ERROR(adit_store_write(reader, batch, NULL, &err), ADIT_ERR_READ_ONLY, "reading");
    EXPECT_ERROR(adit_store_put_tensor(reader, S("k"), &tensor, NULL, &err), ADIT_ERR_READ_ONLY,
                 "reading");
    EXPECT_ERROR(adit_store_put_stream_begin(reader, S("k"), &stream, &err), ADIT_ERR_READ_ONLY,
                 "reading");
    EXPECT_ERROR(adit_store_compact(reader, NULL, NULL, &err), ADIT_ERR_READ_ONLY, "reading");
    EXPECT_ERROR(adit_store_sync(reader, 0, &err), ADIT_ERR_READ_ONLY, "reading");
    EXPECT_OK(adit_store_sync(writer, UINT64_MAX, &err));
    adit_store_batch_free(batch);
    adit_store_close(writer);

    /* The next writer, and what it writes. */
    writer = open_store(path, ADIT_STORE_WRITE);
    delete_key(writer, "k");
    adit_snapshot *third = take(reader);
    LACKS(third, "k");
    adit_store_close(reader);
    adit_store_close(writer);
    HAS_TEXT(first, "k", "1");
    HAS_TEXT(second, "k", "2");
    adit_snapshot_close(first);
    adit_snapshot_close(second);
    adit_snapshot_close(third);
}

/* A child that was forked reads what it inherited, and nothing else. */
static void forked(void) {
    const char *path = scratch_path("forked.adit");
    adit_store *store = open_store(path, ADIT_STORE_NEW);
    adit_store_batch *batch = NULL;
    adit_store_put_stream *stream = NULL;
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    EXPECT_OK(adit_store_batch_put(batch, S("k"), S("child"), &err));
    put_text(store, "k", "parent");
    adit_snapshot *snapshot = take(store);
    EXPECT_OK(adit_store_put_stream_begin(store, S("stream"), &stream, &err));
    const pid_t child = check_fork();
    if (child == 0) {
        adit_snapshot *own = NULL;
        adit_store_statistics stats = ADIT_STORE_STATISTICS_INIT;
        uint64_t len = 0;
        char byte;
        HAS_TEXT(snapshot, "k", "parent");
        EXPECT_ERROR(adit_store_put(store, S("k"), S("child"), NULL, &err), ADIT_ERR_FORKED,
                     "opened by the parent");
        CHECK_LAST_PATH(path);
        EXPECT_ERROR(adit_store_delete(store, S("k"), NULL, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_write(store, batch, NULL, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_sync(store, 0, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_compact(store, NULL, NULL, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_snapshot(store, &own, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_read(store, S("k"), &byte, 1, &len, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_stats(store, &stats, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_verify(store, NULL, NULL, NULL, NULL, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_put_stream_write(stream, S("child"), &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_store_put_stream_commit(stream, NULL, &err), ADIT_ERR_FORKED, "parent");
        adit_store_put_stream_abort(stream);
        adit_snapshot_close(snapshot);
        adit_store_batch_free(batch);
        adit_store_close(store);
        /* The parent still has it. */
        EXPECT_ERROR(try_open(path, ADIT_STORE_WRITE), ADIT_ERR_BUSY, "busy");
        child_ends();
    }
    check_child(child);
    EXPECT_OK(adit_store_put_stream_write(stream, S("parent"), &err));
    EXPECT_OK(adit_store_put_stream_commit(stream, NULL, &err));
    adit_store_put_stream_abort(stream);
    EXPECT_ERROR(try_open(path, ADIT_STORE_WRITE), ADIT_ERR_BUSY, "busy");
    put_text(store, "k", "after");
    adit_store_batch_free(batch);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    store = open_store(path, ADIT_STORE_WRITE);
    snapshot = take(store);
    HAS_TEXT(snapshot, "k", "after");
    HAS_TEXT(snapshot, "stream", "parent");
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

/* Files may not become that long: nothing is written, and the store goes on. */
static void full(void) {
    static unsigned char large[1 << 20];
    const char *path = scratch_path("full.adit");
    struct rlimit limit, little;
    adit_store *store = open_store(path, ADIT_STORE_NEW);
    adit_store_put_stream *stream = NULL;
    put_text(store, "k", "before");
    const adit_store_statistics before = stats_of(store);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    little = limit;
    little.rlim_cur = 1 << 18;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &little), 0);
    EXPECT_ERROR(adit_store_put(store, S("large"), large, sizeof large, NULL, &err),
                 ADIT_ERR_NO_SPACE, "full.adit");
    CHECK_LAST_PATH(path);
    CHECK_INT(last.os_code, EFBIG);
    EXPECT_OK(adit_store_put_stream_begin(store, S("stream"), &stream, &err));
    adit_status status = ADIT_OK;
    for (int at = 0; at < 64 && status == ADIT_OK; at++)
        status = adit_store_put_stream_write(stream, large, 1 << 16, NULL);
    if (status == ADIT_OK) status = adit_store_put_stream_commit(stream, NULL, NULL);
    CHECK_INT(status, ADIT_ERR_NO_SPACE);
    adit_store_put_stream_abort(stream);
    CHECK_EQ(stats_of(store).tail, before.tail);
    put_text(store, "small", "fits");
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    put(store, "large", large, sizeof large);
    adit_store_close(store);
    store = open_store(path, ADIT_STORE_READ);
    adit_snapshot *snapshot = take(store);
    HAS_TEXT(snapshot, "k", "before");
    HAS_TEXT(snapshot, "small", "fits");
    HAS(snapshot, "large", large, sizeof large);
    LACKS(snapshot, "stream");
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    refused();
    foreign();
    later();
    handles();
    forked();
    full();
    return check_end();
}
