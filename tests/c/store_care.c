/* Damaged stores found, verified and salvaged; dead bytes let go of. */
#include "files.h"
#include "stores.h"

enum { KEYS = 20, VALUE = 500 };

static unsigned char values[2][KEYS][VALUE];

static const char *name_of(int key) {
    static char names[KEYS][8];
    snprintf(names[key], sizeof names[key], "k%02d", key);
    return names[key];
}

/* KEYS keys, half of them written twice, one deleted; where the records are. */
static void make(const char *path, uint64_t *offsets) {
    adit_store *store = open_store(path, ADIT_STORE_NEW);
    for (int key = 0; key < KEYS; key++) put(store, name_of(key), values[0][key], VALUE);
    for (int key = 0; key < KEYS; key += 2) put(store, name_of(key), values[1][key], VALUE);
    delete_key(store, name_of(1));
    adit_snapshot *snapshot = take(store);
    adit_snapshot_iter *iter = NULL;
    adit_store_iter_options options = ADIT_STORE_ITER_OPTIONS_INIT;
    adit_store_entry entry = ADIT_STORE_ENTRY_INIT;
    options.order = ADIT_STORE_ORDER_LOG;
    options.flags = ADIT_STORE_ITER_ALL;
    EXPECT_OK(adit_snapshot_iter_new(snapshot, &options, &iter, &err));
    for (int at = 0; at < KEYS + KEYS / 2 + 1; at++) {
        EXPECT_OK(adit_snapshot_iter_next(iter, &entry, &err));
        if (offsets != NULL) offsets[at] = entry.offset;
    }
    EXPECT(adit_snapshot_iter_next(iter, &entry, &err), ADIT_END);
    adit_snapshot_iter_free(iter);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

/* What the store made above has. */
static void whole(const adit_snapshot *snapshot) {
    for (int key = 0; key < KEYS; key++) {
        if (key == 1) LACKS(snapshot, name_of(key));
        else HAS(snapshot, name_of(key), values[key % 2 == 0][key], VALUE);
    }
    CHECK_EQ(adit_snapshot_len(snapshot), KEYS - 1);
}

static void flip(const char *path, uint64_t offset) {
    const int fd = open(path, O_RDWR);
    unsigned char byte = 0;
    CHECK(fd >= 0);
    CHECK_INT(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    CHECK_INT(pwrite(fd, &byte, 1, (off_t)offset), 1);
    CHECK_INT(close(fd), 0);
}

typedef struct damages {
    int count;
    adit_store_damage first;
    char path[1100], why[500];
} damages;

static void ADIT_CALL count_damage(void *ctx, const adit_store_damage *damage) {
    damages *own = (damages *)ctx;
    CHECK_EQ(damage->struct_size, sizeof *damage);
    if (own->count++ == 0) {
        own->first = *damage;
        snprintf(own->path, sizeof own->path, "%s", damage->path);
        snprintf(own->why, sizeof own->why, "%s", damage->why);
    }
}

static int ADIT_CALL count_calls(void *ctx, uint64_t done, uint64_t total) {
    uint64_t *told = (uint64_t *)ctx;
    CHECK(done <= total);
    told[0]++;
    told[1] = done;
    told[2] = total;
    return 0;
}

static int ADIT_CALL stop(void *ctx, uint64_t done, uint64_t total) {
    (void)ctx;
    (void)done;
    (void)total;
    return 1;
}

static void sound(void) {
    const char *path = scratch_path("sound.adit"), *to = scratch_path("copy.adit");
    adit_store_verify_options options = ADIT_STORE_VERIFY_OPTIONS_INIT;
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT, file = ADIT_STORE_VERIFICATION_INIT;
    adit_store_salvaged salvaged = ADIT_STORE_SALVAGED_INIT;
    damages own = { 0, { 0, NULL, NULL, 0, 0, 0 }, "", "" };
    uint64_t told[3] = { 0, 0, 0 };
    make(path, NULL);
    options.damage = count_damage;
    options.ctx = &own;
    adit_store *store = open_store(path, ADIT_STORE_READ);
    EXPECT_OK(adit_store_verify(store, &options, count_calls, told, &found, &err));
    /* The epoch's record is one more. */
    CHECK_EQ(found.records, KEYS + KEYS / 2 + 2);
    CHECK_EQ(found.entries, KEYS + KEYS / 2);
    CHECK_EQ(found.tombstones, 1);
    CHECK(found.damages == 0 && found.damaged_bytes == 0 && found.torn_bytes == 0);
    CHECK_EQ(found.bytes, stats_of(store).tail);
    CHECK(told[0] > 0 && told[1] == told[2]);
    CHECK_EQ(own.count, 0);
    EXPECT(adit_store_verify(store, &options, stop, NULL, &found, &err), ADIT_CANCELLED);
    CHECK_EQ(found.records, 0);
    EXPECT_OK(adit_store_verify_file(path, &options, NULL, NULL, &file, &err));
    CHECK_EQ(file.entries, KEYS + KEYS / 2);
    CHECK(file.damages == 0 && own.count == 0);
    EXPECT(adit_store_verify_file(path, NULL, stop, NULL, &file, &err), ADIT_CANCELLED);
    EXPECT_ERROR(adit_store_verify_file(scratch_path("none"), NULL, NULL, NULL, &file, &err),
                 ADIT_ERR_NOT_FOUND, "none");
    adit_store_close(store);

    told[0] = 0;
    EXPECT_OK(adit_store_salvage(path, to, NULL, count_calls, told, &salvaged, &err));
    CHECK_EQ(salvaged.entries, KEYS + KEYS / 2);
    CHECK_EQ(salvaged.tombstones, 1);
    CHECK_EQ(salvaged.live_keys, KEYS - 1);
    CHECK(salvaged.damages == 0 && salvaged.skipped_bytes == 0 && salvaged.torn_bytes == 0);
    CHECK(told[0] > 0 && told[1] == told[2]);
    store = open_store(to, ADIT_STORE_WRITE);
    adit_snapshot *snapshot = take(store);
    whole(snapshot);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    EXPECT_ERROR(adit_store_salvage(path, to, NULL, NULL, NULL, &salvaged, &err), ADIT_ERR_EXISTS,
                 "copy.adit");
    CHECK_EQ(salvaged.entries, 0);
    EXPECT_ERROR(adit_store_salvage(scratch_path("none"), scratch_path("to"), NULL, NULL, NULL, NULL,
                                    &err),
                 ADIT_ERR_NOT_FOUND, "none");
    EXPECT(adit_store_salvage(path, scratch_path("stopped.adit"), NULL, stop, NULL, NULL, &err),
           ADIT_CANCELLED);
    CHECK_EQ(count_names("stopped.adit", NULL, 0), 0);
    CHECK_EQ(count_names("copy.adit.adit-", NULL, 0), 0);
}

/* A value that rots: the others are there, and the damage is told where it is. */
static void rotten_value(void) {
    const char *path = scratch_path("rotten.adit"), *to = scratch_path("rescued.adit");
    uint64_t offsets[KEYS + KEYS / 2 + 1], len = 0;
    const void *value = NULL;
    size_t value_len = 0;
    unsigned char out[VALUE];
    damages own = { 0, { 0, NULL, NULL, 0, 0, 0 }, "", "" };
    adit_store_verify_options options = ADIT_STORE_VERIFY_OPTIONS_INIT;
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
    adit_store_salvaged salvaged = ADIT_STORE_SALVAGED_INIT;
    make(path, offsets);
    /* k04's newest, KEYS + 2 records in; the value starts 64 bytes behind its record's start. */
    const uint64_t record = offsets[KEYS + 2];
    flip(path, record + 64 + 100);
    adit_store_options how = store_options(ADIT_STORE_READ);
    for (int check = 0; check < 3; check++) {
        how.check = check;
        adit_store *store = open_with(path, &how);
        adit_snapshot *snapshot = take(store);
        HAS(snapshot, name_of(2), values[1][2], VALUE);
        HAS(snapshot, name_of(3), values[0][3], VALUE);
        for (int turn = 0; turn < 2; turn++) {
            adit_status status = adit_snapshot_get(snapshot, S("k04"), &value, &value_len, NULL);
            CHECK_INT(status, check == ADIT_STORE_CHECK_NEVER ? ADIT_OK : ADIT_ERR_CHECKSUM);
            if (check == ADIT_STORE_CHECK_NEVER) continue;
            EXPECT_ERROR(adit_snapshot_get(snapshot, S("k04"), &value, &value_len, &err),
                         ADIT_ERR_CHECKSUM, "is damaged: its value doesn't fit its checksum");
            CHECK_LAST_PATH(path);
            CHECK_LAST_OFFSET(record);
            CHECK(value == NULL && value_len == 0);
            EXPECT_ERROR(adit_store_read(store, S("k04"), out, sizeof out, &len, &err),
                         ADIT_ERR_CHECKSUM, "checksum");
            CHECK_LAST_OFFSET(record);
        }
        adit_snapshot_close(snapshot);
        adit_store_close(store);
    }
    options.damage = count_damage;
    options.ctx = &own;
    EXPECT_OK(adit_store_verify_file(path, &options, NULL, NULL, &found, &err));
    CHECK_EQ(found.damages, 1);
    CHECK_EQ(own.count, 1);
    CHECK_EQ(own.first.offset, record);
    CHECK_EQ(own.first.len, found.damaged_bytes);
    CHECK(own.first.len >= VALUE && own.first.len <= 1024);
    CHECK(own.first.key_hash != 0);
    CHECK_STR(own.path, path);
    CHECK_IN(own.why, "value");

    /* A compaction throws nothing away that may be wanted. */
    how = store_options(ADIT_STORE_WRITE);
    adit_store *store = open_with(path, &how);
    EXPECT_ERROR(adit_store_compact(store, NULL, NULL, &err), ADIT_ERR_CHECKSUM, "damaged");
    CHECK_LAST_OFFSET(record);
    adit_store_close(store);

    EXPECT_OK(adit_store_salvage(path, to, NULL, NULL, NULL, &salvaged, &err));
    CHECK_EQ(salvaged.entries, KEYS + KEYS / 2 - 1);
    CHECK_EQ(salvaged.tombstones, 1);
    CHECK_EQ(salvaged.live_keys, KEYS - 1);
    CHECK_EQ(salvaged.damages, 1);
    CHECK(salvaged.skipped_bytes >= VALUE);
    store = open_store(to, ADIT_STORE_READ);
    adit_snapshot *snapshot = take(store);
    /* The one before counts again. */
    HAS(snapshot, name_of(4), values[0][4], VALUE);
    HAS(snapshot, name_of(6), values[1][6], VALUE);
    LACKS(snapshot, name_of(1));
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

/* Headers that rot below what was durable, seen when the log is read; and a torn end. */
static void rotten_log(void) {
    char index[1100];
    const char *path = scratch_path("log.adit"), *to = scratch_path("log_rescued.adit");
    uint64_t offsets[KEYS + KEYS / 2 + 1];
    adit_store *store = NULL;
    adit_store_salvaged salvaged = ADIT_STORE_SALVAGED_INIT;
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
    make(path, offsets);
    snprintf(index, sizeof index, "%s.idx", path);
    unlink(index);
    flip(path, offsets[5] + 8);
    const int32_t modes[] = { ADIT_STORE_CREATE, ADIT_STORE_WRITE, ADIT_STORE_READ };
    for (int at = 0; at < 3; at++) {
        const adit_store_options options = store_options(modes[at]);
        EXPECT_ERROR(adit_store_open(path, &options, &store, &err), ADIT_ERR_MALFORMED,
                     "adit_store_salvage");
        CHECK_LAST_PATH(path);
        CHECK_LAST_OFFSET(offsets[5]);
        CHECK(store == NULL);
    }
    EXPECT_OK(adit_store_verify_file(path, NULL, NULL, NULL, &found, &err));
    CHECK_EQ(found.damages, 1);
    CHECK_EQ(found.entries, KEYS + KEYS / 2 - 1);
    EXPECT_OK(adit_store_salvage(path, to, NULL, NULL, NULL, &salvaged, &err));
    CHECK_EQ(salvaged.entries, KEYS + KEYS / 2 - 1);
    CHECK_EQ(salvaged.live_keys, KEYS - 2);
    store = open_store(to, ADIT_STORE_READ);
    adit_snapshot *snapshot = take(store);
    LACKS(snapshot, name_of(5));
    HAS(snapshot, name_of(6), values[1][6], VALUE);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    /* Sound again, with something behind its end that a crash has left. */
    flip(path, offsets[5] + 8);
    const int fd = open(path, O_WRONLY | O_APPEND);
    CHECK_INT(write(fd, "torn", 4), 4);
    CHECK_INT(close(fd), 0);
    EXPECT_OK(adit_store_verify_file(path, NULL, NULL, NULL, &found, &err));
    CHECK_EQ(found.damages, 0);
    CHECK_EQ(found.torn_bytes, 4);
    store = open_store(path, ADIT_STORE_WRITE);
    CHECK_EQ(stats_of(store).torn_bytes, 4);
    CHECK_EQ(stats_of(store).flags, ADIT_STORE_INDEX_REBUILT);
    snapshot = take(store);
    whole(snapshot);
    adit_snapshot_close(snapshot);
    adit_store_close(store);

    /* Cut below what was durable. */
    CHECK_INT(truncate(path, (off_t)offsets[7]), 0);
    unlink(index);
    const adit_store_options options = store_options(ADIT_STORE_WRITE);
    EXPECT_ERROR(adit_store_open(path, &options, &store, &err), ADIT_ERR_MALFORMED, "log.adit");
    CHECK_LAST_OFFSET(offsets[7]);
}

/* An index that rots costs nothing but time. */
static void rotten_index(void) {
    char index[1100];
    const char *path = scratch_path("index.adit");
    adit_store *store = open_store(path, ADIT_STORE_NEW);
    adit_store_batch *batch = NULL;
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    for (int at = 0; at < 6000; at++) {
        char key[16];
        snprintf(key, sizeof key, "%d", at);
        EXPECT_OK(adit_store_batch_put(batch, key, strlen(key), &at, sizeof at, &err));
    }
    EXPECT_OK(adit_store_write(store, batch, NULL, &err));
    adit_store_batch_free(batch);
    adit_store_close(store);
    snprintf(index, sizeof index, "%s.idx", path);
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
    EXPECT_OK(adit_store_verify_file(path, NULL, NULL, NULL, &found, &err));
    CHECK(found.damages == 0 && found.flags == ADIT_STORE_INDEX_COMPARED);
    struct stat info;
    CHECK_INT(stat(index, &info), 0);
    CHECK(info.st_size > 4096);
    for (int turn = 0; turn < 3; turn++) {
        damages own = { 0, { 0, NULL, NULL, 0, 0, 0 }, "", "" };
        adit_store_verify_options options = ADIT_STORE_VERIFY_OPTIONS_INIT;
        options.damage = count_damage;
        options.ctx = &own;
        if (turn == 0) flip(index, 4096 + 70);
        if (turn == 1) flip(index, 20);
        if (turn == 2) write_file(index, "no index", 8);
        EXPECT_OK(adit_store_verify_file(path, &options, NULL, NULL, &found, &err));
        /* What isn't an index of this log is none at all. */
        CHECK_EQ(found.damages, turn == 0);
        CHECK_EQ(found.damaged_bytes, 0);
        CHECK_EQ(found.flags, turn == 0 ? ADIT_STORE_INDEX_COMPARED : 0);
        if (turn == 0) CHECK_STR(own.path, index);
        store = open_store(path, turn == 1 ? ADIT_STORE_READ : ADIT_STORE_WRITE);
        adit_snapshot *snapshot = take(store);
        CHECK_EQ(adit_snapshot_len(snapshot), 6000);
        for (int at = 0; at < 6000; at++) {
            char key[16];
            const void *value = NULL;
            size_t len = 0;
            snprintf(key, sizeof key, "%d", at);
            adit_status status = adit_snapshot_get(snapshot, key, strlen(key), &value, &len, NULL);
            /* Seen at the first touch of the page, never a wrong answer. */
            if (turn == 0 && status == ADIT_ERR_CHECKSUM) continue;
            CHECK_INT(status, ADIT_OK);
            CHECK(len == sizeof at && memcmp(value, &at, len) == 0);
        }
        adit_snapshot_close(snapshot);
        adit_store_close(store);
        unlink(index);
        store = open_store(path, ADIT_STORE_WRITE);
        CHECK_EQ(stats_of(store).flags, ADIT_STORE_INDEX_REBUILT);
        adit_store_close(store);
    }
}

static void compaction(void) {
    const char *path = scratch_path("compact.adit");
    uint64_t told[3] = { 0, 0, 0 };
    make(path, NULL);
    adit_store *store = open_store(path, ADIT_STORE_WRITE);
    adit_store *reader = open_store(path, ADIT_STORE_READ);
    adit_snapshot *old = take(store), *others = take(reader);
    const void *value = HAS(old, name_of(0), values[1][0], VALUE);
    const adit_store_statistics before = stats_of(store);
    CHECK(before.dead_bytes > 0);
    EXPECT(adit_store_compact(store, stop, NULL, &err), ADIT_CANCELLED);
    CHECK_EQ(stats_of(store).compactions, 0);
    CHECK_EQ(stats_of(store).file_bytes, before.file_bytes);
    EXPECT_OK(adit_store_compact(store, count_calls, told, &err));
    CHECK(told[0] > 0 && told[1] == told[2]);
    const adit_store_statistics after = stats_of(store);
    CHECK_EQ(after.compactions, 1);
    CHECK_EQ(after.live_keys, KEYS - 1);
    CHECK(after.file_bytes < before.file_bytes && after.dead_bytes < before.dead_bytes);
    CHECK_EQ(count_names("compact.adit.adit-", NULL, 0), 0);
    adit_snapshot *now = take(store);
    whole(now);
    whole(old);
    whole(others);
    /* All go on: the handle, readers, and what was lent. */
    put_text(store, "new", "value");
    adit_snapshot *theirs = take(reader);
    HAS_TEXT(theirs, "new", "value");
    HAS(theirs, name_of(3), values[0][3], VALUE);
    EXPECT_OK(adit_store_compact(store, NULL, NULL, &err));
    CHECK_BYTES(value, values[1][0], VALUE);
    LACKS(old, "new");
    adit_store_close(reader);
    adit_store_close(store);
    whole(old);
    whole(now);
    adit_snapshot_close(old);
    adit_snapshot_close(now);
    adit_snapshot_close(others);
    HAS_TEXT(theirs, "new", "value");
    adit_snapshot_close(theirs);
    store = open_store(path, ADIT_STORE_READ);
    now = take(store);
    HAS_TEXT(now, "new", "value");
    CHECK_EQ(adit_snapshot_len(now), KEYS);
    adit_snapshot_close(now);
    adit_store_close(store);

    /* Somebody put another file in its place. */
    store = open_store(path, ADIT_STORE_WRITE);
    CHECK_INT(rename(path, scratch_path("moved.adit")), 0);
    write_file(path, "another", 7);
    EXPECT_ERROR(adit_store_compact(store, NULL, NULL, &err), ADIT_ERR_EXISTS, "compact.adit");
    adit_store_close(store);
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    CHECK_EQ(len, 7);
    CHECK_BYTES(bytes, "another", 7);
    free(bytes);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (int key = 0; key < KEYS; key++) {
        fill(values[0][key], VALUE, (uint64_t)key);
        fill(values[1][key], VALUE, (uint64_t)key + 1000);
    }
    sound();
    rotten_value();
    rotten_log();
    rotten_index();
    compaction();
    return check_end();
}
