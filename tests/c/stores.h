/* Stores opened, and values compared. */
#ifndef STORES_H
#define STORES_H

#include "check.h"

/* A string literal as key or value: pointer and length without the NUL. */
#define S(text) (text), (sizeof(text) - 1)

/* valgrind has no 64 GiB of address space to give. */
static inline adit_store_options store_options(int32_t mode) {
    adit_store_options options = ADIT_STORE_OPTIONS_INIT;
    options.mode = mode;
    options.reservation = UINT64_C(1) << 30;
    return options;
}

static inline adit_store *open_with(const char *path, const adit_store_options *options) {
    adit_store *store = NULL;
    EXPECT_OK(adit_store_open(path, options, &store, &err));
    CHECK(store != NULL);
    return store;
}

static inline adit_store *open_store(const char *path, int32_t mode) {
    const adit_store_options options = store_options(mode);
    return open_with(path, &options);
}

static inline uint64_t put(const adit_store *store, const char *key, const void *value, size_t len) {
    uint64_t sequence = 0;
    EXPECT_OK(adit_store_put(store, key, strlen(key), value, len, &sequence, &err));
    CHECK(sequence > 0);
    return sequence;
}

static inline void put_text(const adit_store *store, const char *key, const char *text) {
    put(store, key, text, strlen(text));
}

static inline void delete_key(const adit_store *store, const char *key) {
    EXPECT_OK(adit_store_delete(store, key, strlen(key), NULL, &err));
}

static inline adit_snapshot *take(const adit_store *store) {
    adit_snapshot *snapshot = NULL;
    EXPECT_OK(adit_store_snapshot(store, &snapshot, &err));
    CHECK(snapshot != NULL);
    return snapshot;
}

#define HAS(snapshot, key, value, len) has(__FILE__, __LINE__, snapshot, key, value, len)
#define HAS_TEXT(snapshot, key, text) has(__FILE__, __LINE__, snapshot, key, text, strlen(text))
#define LACKS(snapshot, key) lacks(__FILE__, __LINE__, snapshot, key)

static inline const void *has(const char *file, int line, const adit_snapshot *snapshot,
                              const char *key, const void *wanted, size_t wanted_len) {
    const void *value = NULL;
    size_t len = 77;
    adit_status status = adit_snapshot_get(snapshot, key, strlen(key), &value, &len, &err);
    check_quiet(file, line, key, status, ADIT_OK);
    check_u64(file, line, key, len, wanted_len);
    check_u64(file, line, "value == NULL", value == NULL, 0);
    check_bytes(file, line, key, value, wanted, len);
    return value;
}

static inline void lacks(const char *file, int line, const adit_snapshot *snapshot,
                         const char *key) {
    const void *value = key;
    size_t len = 77;
    bool is_there = true;
    adit_status status = adit_snapshot_get(snapshot, key, strlen(key), &value, &len, &err);
    check_quiet(file, line, key, status, ADIT_ERR_NOT_FOUND);
    check_u64(file, line, "value != NULL", value != NULL, 0);
    check_u64(file, line, "len", len, 0);
    status = adit_snapshot_contains(snapshot, key, strlen(key), &is_there, &err);
    check_quiet(file, line, key, status, ADIT_OK);
    check_u64(file, line, "is_there", is_there, 0);
}

static inline adit_store_statistics stats_of(const adit_store *store) {
    adit_store_statistics stats = ADIT_STORE_STATISTICS_INIT;
    EXPECT_OK(adit_store_stats(store, &stats, &err));
    CHECK_EQ(stats.struct_size, sizeof stats);
    return stats;
}

/* Bytes that tell where they came from. */
static inline void fill(unsigned char *bytes, size_t len, uint64_t seed) {
    uint64_t state = seed * 2 + 1;
    for (size_t at = 0; at < len; at++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[at] = (unsigned char)(state >> 56);
    }
}

#endif
