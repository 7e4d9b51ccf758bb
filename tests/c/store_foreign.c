/* Stores of simd-r-drive: fixtures of their makers, copied into a store. */
#include "sha256.h"
#include "stores.h"

#include "foreign_fixtures.h"

static adit_foreign_store *open_foreign(const char *name) {
    adit_foreign_store *store = NULL;
    EXPECT_OK(adit_foreign_store_open(data_path(name), &store, &err));
    CHECK(store != NULL);
    return store;
}

static adit_foreign_store_info info_of(const adit_foreign_store *store) {
    adit_foreign_store_info info = ADIT_FOREIGN_STORE_INFO_INIT;
    EXPECT_OK(adit_foreign_store_get_info(store, &info, &err));
    return info;
}

/* What the sidecars say, and files that stay as they were. */
static void fixtures(void) {
    const size_t files = sizeof foreign_files / sizeof foreign_files[0];
    for (size_t at = 0; at < files; at++) {
        const struct foreign_file *file = &foreign_files[at];
        size_t before = 0, after = 0;
        unsigned char *bytes = read_file(data_path(file->name), &before);
        adit_foreign_store *store = open_foreign(file->name);
        const adit_foreign_store_info info = info_of(store);
        printf("%s\n", file->name);
        CHECK_EQ(info.entries, file->entries);
        CHECK_EQ(info.valid_bytes, file->valid_bytes);
        CHECK_EQ(info.live_keys, file->live);
        CHECK_EQ(info.file_bytes, before);
        if (file->entries > 0) {
            CHECK_INT(info.layout, file->layout);
            CHECK_EQ(info.alignment, file->layout == ADIT_FOREIGN_ALIGNED_64 ? 64 : 1);
        }
        adit_foreign_store_close(store);
        unsigned char *again = read_file(data_path(file->name), &after);
        CHECK_EQ(before, after);
        CHECK_BYTES(again, bytes, before);
        free(bytes);
        free(again);
    }
    const size_t values = sizeof foreign_values / sizeof foreign_values[0];
    for (size_t at = 0; at < values; at++) {
        const struct foreign_value *own = &foreign_values[at];
        adit_foreign_store *store = open_foreign(own->name);
        const uint64_t hash = own->key == NULL ? own->hash : adit_hash(own->key, own->key_len, 0);
        const void *value = own, *by_hash = own;
        size_t len = 7, hash_len = 7;
        if (own->sha256 == NULL) {
            EXPECT_ERROR(adit_foreign_store_get(store, own->key, own->key_len, &value, &len, &err),
                         ADIT_ERR_CHECKSUM, "is damaged");
            CHECK_LAST_PATH(data_path(own->name));
            CHECK(last.has_offset && value == NULL && len == 0);
            EXPECT_ERROR(adit_foreign_store_get_hash(store, hash, &value, &len, &err),
                         ADIT_ERR_CHECKSUM, "is damaged");
        } else {
            EXPECT_OK(adit_foreign_store_get_hash(store, hash, &by_hash, &hash_len, &err));
            CHECK_EQ(hash_len, own->len);
            CHECK_STR(sha256_of(by_hash, hash_len), own->sha256);
            if (own->key != NULL) {
                EXPECT_OK(adit_foreign_store_get(store, own->key, own->key_len, &value, &len, &err));
                CHECK(value == by_hash && len == hash_len);
            }
        }
        adit_foreign_store_close(store);
    }
    CHECK(files > 20 && values > 100);
}

/* Entries one by one: all of them, newest first the other way round. */
static void iteration(void) {
    adit_foreign_store *store = open_foreign("store017/deletes.bin");
    adit_foreign_store_iter *iter = NULL, *back = NULL;
    adit_foreign_entry entry = ADIT_FOREIGN_ENTRY_INIT, entries[11];
    uint64_t live = 0, dead = 0;
    EXPECT_OK(adit_foreign_store_iter_new(store, ADIT_STORE_ORDER_LOG, ADIT_STORE_ITER_ALL, &iter,
                                          &err));
    EXPECT_OK(adit_foreign_store_iter_new(store, ADIT_STORE_ORDER_NEWEST, ADIT_STORE_ITER_ALL, &back,
                                          &err));
    for (int at = 0; at < 11; at++) {
        const void *value = NULL;
        size_t len = 0;
        EXPECT_OK(adit_foreign_store_iter_next(iter, &entry, &err));
        CHECK_EQ(entry.number, at);
        CHECK_EQ(entry.struct_size, sizeof entry);
        EXPECT_OK(adit_foreign_store_value(store, entry.number, &value, &len, &err));
        CHECK_EQ(len, entry.value_len);
        if (entry.flags & ADIT_ENTRY_TOMBSTONE) {
            CHECK_EQ(len, 1);
            CHECK_BYTES(value, "\0", 1);
            dead++;
        } else {
            CHECK_EQ((uintptr_t)value % 64, 0);
            CHECK_EQ(entry.offset % 64, 0);
        }
        if (entry.flags & ADIT_ENTRY_LIVE) {
            const void *newest = NULL;
            EXPECT_OK(adit_foreign_store_get_hash(store, entry.hash, &newest, &len, &err));
            CHECK(newest == value);
            live++;
        }
        entries[at] = entry;
    }
    CHECK_EQ(live, info_of(store).live_keys);
    CHECK(dead > 0);
    CHECK_EQ(entries[0].hash, UINT64_C(0x84dd8c01a70769f5));
    CHECK_EQ(entries[1].offset, 64);
    EXPECT(adit_foreign_store_iter_next(iter, &entry, &err), ADIT_END);
    CHECK(entry.number == 0 && entry.hash == 0);
    EXPECT(adit_foreign_store_iter_next(iter, &entry, &err), ADIT_END);
    /* It keeps the file. */
    const void *value = iter;
    size_t len = 7;
    EXPECT_ERROR(adit_foreign_store_value(store, 11, &value, &len, &err), ADIT_ERR_OUT_OF_RANGE,
                 "entry 11 of a store that has 11");
    CHECK(value == NULL && len == 0);
    EXPECT(adit_foreign_store_get(store, S("none"), &value, &len, &err), ADIT_ERR_NOT_FOUND);
    EXPECT(adit_foreign_store_get_hash(store, 7, &value, &len, &err), ADIT_ERR_NOT_FOUND);
    adit_foreign_store_close(store);
    for (int at = 10; at >= 0; at--) {
        EXPECT_OK(adit_foreign_store_iter_next(back, &entry, &err));
        CHECK_BYTES(&entry, &entries[at], sizeof entry);
    }
    EXPECT(adit_foreign_store_iter_next(back, &entry, &err), ADIT_END);
    adit_foreign_store_iter_free(iter);
    adit_foreign_store_iter_free(back);

    store = open_foreign("store017/deletes.bin");
    EXPECT_OK(adit_foreign_store_iter_new(store, ADIT_STORE_ORDER_LOG, 0, &iter, &err));
    for (uint64_t at = 0; at < live; at++) {
        EXPECT_OK(adit_foreign_store_iter_next(iter, &entry, &err));
        CHECK_EQ(entry.flags, ADIT_ENTRY_LIVE);
    }
    EXPECT(adit_foreign_store_iter_next(iter, &entry, &err), ADIT_END);
    adit_foreign_store_iter_free(iter);
    EXPECT_ERROR(adit_foreign_store_iter_new(store, 2, 0, &iter, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "order is 2");
    CHECK(iter == NULL);
    EXPECT_ERROR(adit_foreign_store_iter_new(store, 0, 2, &iter, &err), ADIT_ERR_UNSUPPORTED,
                 "flags has the unknown flags 0x2");
    adit_foreign_store_close(store);
}

static int ADIT_CALL stop_at(void *ctx, uint64_t done, uint64_t total) {
    CHECK_EQ(total, 10);
    return done == *(const uint64_t *)ctx;
}

static void copies(void) {
    enum { KEYS = 10 };
    char names[KEYS][16];
    const void *keys[KEYS];
    size_t lens[KEYS];
    uint64_t stop = 0;
    adit_foreign_copied found = ADIT_FOREIGN_COPIED_INIT;
    adit_foreign_store *from = open_foreign("store010/flipped_payload_bit_key4.bin");
    adit_store *to = open_store(scratch_path("copied.adit"), ADIT_STORE_CREATE);
    for (int at = 0; at < KEYS; at++) {
        snprintf(names[at], sizeof names[at], "key-%03d", at);
        keys[at] = names[at];
        lens[at] = strlen(names[at]);
    }
    EXPECT_OK(adit_foreign_store_copy_keys(from, KEYS, keys, lens, to, stop_at, &stop, &found, &err));
    CHECK_EQ(found.copied, 7);
    CHECK_EQ(found.missing, 2);
    CHECK_EQ(found.damaged, 1);
    adit_snapshot *snapshot = take(to);
    CHECK_EQ(adit_snapshot_len(snapshot), 7);
    for (int at = 0; at < KEYS; at++) {
        const void *value = NULL;
        size_t len = 0;
        if (at == 4 || at >= 8) {
            LACKS(snapshot, names[at]);
            continue;
        }
        EXPECT_OK(adit_foreign_store_get(from, keys[at], lens[at], &value, &len, &err));
        HAS(snapshot, names[at], value, len);
    }
    adit_snapshot_close(snapshot);
    EXPECT_OK(adit_foreign_store_copy_keys(from, 0, NULL, NULL, to, NULL, NULL, NULL, &err));
    stop = 3;
    found.copied = 7;
    EXPECT(adit_foreign_store_copy_keys(from, KEYS, keys, lens, to, stop_at, &stop, &found, &err),
           ADIT_CANCELLED);
    CHECK_EQ(found.copied, 0);
    adit_store_close(to);
    to = open_store(scratch_path("copied.adit"), ADIT_STORE_READ);
    EXPECT_ERROR(adit_foreign_store_copy_keys(from, KEYS, keys, lens, to, NULL, NULL, &found, &err),
                 ADIT_ERR_READ_ONLY, "reading only");
    adit_store_close(to);
    adit_foreign_store_close(from);
}

static void refused(void) {
    adit_foreign_store *store = (adit_foreign_store *)(uintptr_t)16;
    EXPECT_ERROR(adit_foreign_store_open(data_path("rrec/basic_3x4.rrec"), &store, &err),
                 ADIT_ERR_WRONG_FORMAT, "no entry of simd-r-drive");
    CHECK_LAST_PATH(data_path("rrec/basic_3x4.rrec"));
    CHECK(store == NULL);
    EXPECT_ERROR(adit_foreign_store_open(scratch_path("none"), &store, &err), ADIT_ERR_NOT_FOUND,
                 "none");
    EXPECT_ERROR(adit_foreign_store_open(data_path("rrec"), &store, &err), ADIT_ERR_NOT_A_FILE, "rrec");
    /* A native one isn't theirs. */
    adit_store_close(open_store(scratch_path("native.adit"), ADIT_STORE_NEW));
    EXPECT_ERROR(adit_foreign_store_open(scratch_path("native.adit"), &store, &err),
                 ADIT_ERR_WRONG_FORMAT, "native.adit");
}

/* CRC-32 of IEEE 802.3, bit by bit. */
static uint32_t crc32_of(const unsigned char *bytes, size_t len) {
    uint32_t crc = UINT32_MAX;
    for (size_t at = 0; at < len; at++) {
        crc ^= bytes[at];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* The two layouts that no fixture has: two entries, the second one where the layout puts it. */
static void layouts(void) {
    const struct { int32_t layout; uint32_t align; } rows[] = {
        { ADIT_FOREIGN_PACKED_20, 1 },
        { ADIT_FOREIGN_ALIGNED_16, 16 },
    };
    const char *const keys[] = { "first", "second" };
    unsigned char written[2][21];
    for (int row = 0; row < 2; row++) {
        unsigned char file[128] = { 0 };
        uint64_t end = 0;
        for (int entry = 0; entry < 2; entry++) {
            const uint64_t prev = end, hash = adit_hash(keys[entry], strlen(keys[entry]), 0);
            fill(written[entry], sizeof written[entry], (uint64_t)entry + 9);
            const uint32_t crc = crc32_of(written[entry], sizeof written[entry]);
            end = (end + rows[row].align - 1) / rows[row].align * rows[row].align;
            memcpy(file + end, written[entry], sizeof written[entry]);
            end += sizeof written[entry];
            memcpy(file + end, &hash, 8);
            memcpy(file + end + 8, &prev, 8);
            memcpy(file + end + 16, &crc, 4);
            end += 20;
        }
        adit_foreign_store *store = NULL;
        write_file(scratch_path("layout"), file, (size_t)end);
        EXPECT_OK(adit_foreign_store_open(scratch_path("layout"), &store, &err));
        const adit_foreign_store_info info = info_of(store);
        CHECK_INT(info.layout, rows[row].layout);
        CHECK_EQ(info.alignment, rows[row].align);
        CHECK(info.entries == 2 && info.live_keys == 2 && info.valid_bytes == end);
        for (int entry = 0; entry < 2; entry++) {
            const void *value = NULL;
            size_t len = 0;
            EXPECT_OK(adit_foreign_store_get(store, keys[entry], strlen(keys[entry]), &value, &len,
                                             &err));
            CHECK_EQ(len, sizeof written[entry]);
            CHECK_BYTES(value, written[entry], len);
        }
        adit_foreign_store_close(store);
    }
    CHECK_INT(foreign_files[0].layout, ADIT_FOREIGN_PACKED_19);
}

/* xxHash's own figures: tests/sanity_test_vectors.h of xxHash 0.8.3, XXH3 of no bytes. */
static void hashes(void) {
    CHECK_EQ(adit_hash(NULL, 0, 0), UINT64_C(0x2d06800538d394c2));
    CHECK_EQ(adit_hash(NULL, 9, 0), UINT64_C(0x2d06800538d394c2));
    CHECK_EQ(adit_hash("x", 0, 0), UINT64_C(0x2d06800538d394c2));
    CHECK_EQ(adit_hash("key-000", 7, 0), UINT64_C(0x84dd8c01a70769f5));
    CHECK(adit_hash("key-000", 7, 1) != adit_hash("key-000", 7, 0));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    hashes();
    fixtures();
    layouts();
    iteration();
    refused();
    copies();
    return check_end();
}
