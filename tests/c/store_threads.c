/* One store used by many threads: writers, readers of old snapshots, a compactor. */
#include "stores.h"

#include <pthread.h>

enum { WRITERS = 4, READERS = 3, KEYS = 16, VALUE = 600 };

#define TURNS (getenv("ADIT_TEST_VALGRIND") != NULL ? 12 : 150)

static adit_store *store;
static pthread_barrier_t start;
static int writing;

/* What writer `number` writes in turn `turn` under each of its keys. */
static size_t value_of(unsigned char *value, unsigned number, unsigned turn) {
    const size_t len = 8 + (number * 131 + turn * 37) % (VALUE - 8);
    fill(value, len, number * 100000 + turn);
    memcpy(value, &turn, sizeof turn);
    return len;
}

/* All keys of a batch change together, and writes of several threads beside each other. */
static void *writer(void *argument) {
    const unsigned number = (unsigned)(uintptr_t)argument;
    const unsigned turns = (unsigned)TURNS;
    unsigned char value[VALUE];
    adit_store_batch *batch = NULL;
    uint64_t before = 0, sequence = 0;
    EXPECT_OK(adit_store_batch_new(&batch, &err));
    pthread_barrier_wait(&start);
    for (unsigned turn = 1; turn <= turns; turn++) {
        const size_t len = value_of(value, number, turn);
        EXPECT_OK(adit_store_batch_clear(batch, &err));
        for (int key = 0; key < KEYS; key++) {
            char name[32];
            snprintf(name, sizeof name, "%u/%d", number, key);
            EXPECT_OK(adit_store_batch_put(batch, name, strlen(name), value, len, &err));
        }
        EXPECT_OK(adit_store_write(store, batch, &sequence, &err));
        CHECK(sequence > before);
        before = sequence;
        if (turn % 8 == 0) EXPECT_OK(adit_store_sync(store, sequence, &err));
        /* What this thread wrote it sees. */
        char name[32];
        snprintf(name, sizeof name, "%u/0", number);
        adit_snapshot *snapshot = take(store);
        HAS(snapshot, name, value, len);
        adit_snapshot_close(snapshot);
    }
    adit_store_batch_free(batch);
    __atomic_sub_fetch(&writing, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* A batch is there as a whole, never goes back, and lent values stay what they are. */
static void *reader(void *argument) {
    unsigned char value[VALUE];
    unsigned seen[WRITERS] = { 0 };
    const void *lent[WRITERS] = { NULL };
    size_t lens[WRITERS] = { 0 };
    adit_snapshot *old = NULL;
    (void)argument;
    pthread_barrier_wait(&start);
    do {
        adit_snapshot *snapshot = take(store);
        for (unsigned number = 0; number < WRITERS; number++) {
            char names[KEYS][32];
            const void *keys[KEYS], *values[KEYS];
            size_t key_lens[KEYS], own[KEYS], found;
            for (int key = 0; key < KEYS; key++) {
                snprintf(names[key], sizeof names[key], "%u/%d", number, key);
                keys[key] = names[key];
                key_lens[key] = strlen(names[key]);
            }
            EXPECT_OK(adit_snapshot_get_many(snapshot, KEYS, keys, key_lens, values, own, &found,
                                             &err));
            if (found == 0) continue;
            CHECK_EQ(found, KEYS);
            unsigned turn;
            memcpy(&turn, values[0], sizeof turn);
            CHECK(turn >= seen[number]);
            seen[number] = turn;
            const size_t len = value_of(value, number, turn);
            for (int key = 0; key < KEYS; key++) {
                CHECK_EQ(own[key], len);
                CHECK_BYTES(values[key], value, len);
            }
            if (old == NULL && number == WRITERS - 1) {
                for (unsigned one = 0; one < WRITERS; one++) {
                    const void *first = NULL;
                    size_t first_len = 0;
                    char name[32];
                    snprintf(name, sizeof name, "%u/0", one);
                    if (adit_snapshot_get(snapshot, name, strlen(name), &first, &first_len, NULL)
                        != ADIT_OK)
                        continue;
                    lent[one] = first;
                    lens[one] = first_len;
                }
                old = snapshot;
            }
        }
        if (old != snapshot) adit_snapshot_close(snapshot);
    } while (__atomic_load_n(&writing, __ATOMIC_SEQ_CST) > 0);
    for (unsigned one = 0; one < WRITERS; one++) {
        if (lent[one] == NULL) continue;
        unsigned turn;
        memcpy(&turn, lent[one], sizeof turn);
        CHECK_EQ(lens[one], value_of(value, one, turn));
        CHECK_BYTES(lent[one], value, lens[one]);
    }
    adit_snapshot_close(old);
    return NULL;
}

static void *compactor(void *argument) {
    (void)argument;
    pthread_barrier_wait(&start);
    do {
        EXPECT_OK(adit_store_compact(store, NULL, NULL, &err));
        CHECK(stats_of(store).compactions > 0);
    } while (__atomic_load_n(&writing, __ATOMIC_SEQ_CST) > 0);
    return NULL;
}

static void run(int32_t sync) {
    pthread_t threads[WRITERS + READERS + 1];
    int count = 0;
    const char *path = scratch_path(sync == ADIT_SYNC_GROUP ? "group.adit" : "explicit.adit");
    adit_store_options options = store_options(ADIT_STORE_NEW);
    options.sync = sync;
    options.check = ADIT_STORE_CHECK_FIRST;
    /* Both are outgrown. */
    options.reservation = 1 << 20;
    options.index_memory = 1 << 16;
    options.checkpoint_bytes = 1 << 18;
    options.flags = sync == ADIT_SYNC_GROUP ? ADIT_STORE_MERGE_THREAD : 0;
    store = open_with(path, &options);
    writing = WRITERS;
    CHECK_INT(pthread_barrier_init(&start, NULL, WRITERS + READERS + 1), 0);
    for (uintptr_t at = 0; at < WRITERS; at++)
        CHECK_INT(pthread_create(&threads[count++], NULL, writer, (void *)at), 0);
    for (int at = 0; at < READERS; at++)
        CHECK_INT(pthread_create(&threads[count++], NULL, reader, NULL), 0);
    CHECK_INT(pthread_create(&threads[count++], NULL, compactor, NULL), 0);
    for (int at = 0; at < count; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
    pthread_barrier_destroy(&start);
    const adit_store_statistics stats = stats_of(store);
    CHECK_EQ(stats.live_keys, WRITERS * KEYS);
    CHECK_EQ(stats.commits, WRITERS * TURNS);
    CHECK_EQ(stats.snapshots, 0);
    adit_store_close(store);

    store = open_store(path, ADIT_STORE_READ);
    adit_snapshot *snapshot = take(store);
    for (unsigned number = 0; number < WRITERS; number++) {
        unsigned char value[VALUE];
        const size_t len = value_of(value, number, (unsigned)TURNS);
        for (int key = 0; key < KEYS; key++) {
            char name[32];
            snprintf(name, sizeof name, "%u/%d", number, key);
            HAS(snapshot, name, value, len);
        }
    }
    adit_snapshot_close(snapshot);
    adit_store_close(store);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    run(ADIT_SYNC_GROUP);
    run(ADIT_SYNC_EXPLICIT);
    return check_end();
}
