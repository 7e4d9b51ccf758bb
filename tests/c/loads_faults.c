/* Loads that are refused, stopped, or fail; and what they may take. */
#include "load_files.h"

#include <pthread.h>

/* What can't be an item is told when it is added. */
static void refused_items(void) {
    const char *path = load_file("refused");
    adit_data *data = open_data(path);
    adit_load_items *items = new_items();
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    float few[4];
    add_halves(items, data, NULL);
#define REFUSED(name, dtype, status, text) \
    do { \
        EXPECT_ERROR(adit_load_items_add_data(items, data, name##_AT, dtype, 2, name##_shape, \
                                              &part, &err), \
                     status, text); \
        adit_load_item_options_init(&part, sizeof part); \
    } while (0)
#define HALVES_shape halves_shape
#define QUANTS_shape quants_shape
    part.row_start = HALVES_ROWS;
    part.row_count = 1;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_OUT_OF_RANGE, "rows 48 to 49");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(1);
    CHECK_LAST_OFFSET(HALVES_AT);
    part.row_start = HALVES_ROWS + 1;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_OUT_OF_RANGE, "rows 49 to 49");
    part.column_start = UINT64_MAX;
    part.column_count = 7;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_OUT_OF_RANGE, "columns");
    part.column_start = 16;
    REFUSED(QUANTS, ADIT_DTYPE_Q8_0, ADIT_ERR_SHAPE, "blocks of 32");
    part.dtype = ADIT_DTYPE_I32;
    REFUSED(QUANTS, ADIT_DTYPE_Q8_0, ADIT_ERR_DTYPE, "no conversion from q8_0 to i32");
    CHECK_LAST_INDEX(1);
    CHECK_LAST_PATH(path);
    part.dtype = 77;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_DTYPE, "77 is no dtype");
    part.dst = few;
    part.dst_bytes = sizeof few;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_OUT_OF_RANGE,
            "item 1 needs 3840 bytes, but its memory has 16");
    part.dst_bytes = 1;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_INVALID_ARGUMENT, "options->dst is NULL");
    part.flags = 2;
    REFUSED(HALVES, ADIT_DTYPE_F16, ADIT_ERR_UNSUPPORTED, "options->flags");
    EXPECT_ERROR(adit_load_items_add_data(items, data, 0, 55, 0, NULL, NULL, &err), ADIT_ERR_DTYPE,
                 "55 is no dtype");
    EXPECT_ERROR(adit_load_items_add_data(items, data, 0, ADIT_DTYPE_F32, 9, halves_shape, NULL,
                                          &err),
                 ADIT_ERR_SHAPE, "9 dimensions");
    EXPECT_ERROR(adit_load_items_add_data(items, data, BULK_AT + 1, ADIT_DTYPE_U8, 1, bulk_shape,
                                          NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "item 1: ");
    CHECK_LAST_OFFSET(BULK_AT + 1);
    /* Without dimensions there is one element. */
    EXPECT_OK(adit_load_items_add_data(items, data, 1, ADIT_DTYPE_U8, 0, NULL, NULL, &err));
    CHECK_EQ(adit_load_items_len(items), 2);
    adit_load_items_free(items);
    adit_data_close(data);
}

/* What can't be loaded, with items that can be. */
static void refused_loads(void) {
    adit_data *data = open_data(load_file("refused"));
    adit_load_items *items = new_items();
    adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_arena *arena = (adit_arena *)(uintptr_t)16;
    static unsigned char memory[8000];
    add_halves(items, data, NULL);
    EXPECT_ERROR(adit_load(items, NULL, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "arena is NULL, but item 0 has no dst");
    options.budget = ADIT_LOAD_MIN_BUDGET - 1;
    EXPECT_ERROR(adit_load(items, &options, &arena, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "a budget of 1048575 bytes");
    CHECK(arena == NULL);
    options.budget = ADIT_LOAD_MIN_BUDGET;
    const uint64_t aligns[] = { 3, 2 * ADIT_LOAD_MAX_ALIGN, UINT64_MAX };
    for (size_t at = 0; at < 3; at++) {
        options.align = aligns[at];
        EXPECT_ERROR(adit_load(items, &options, &arena, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                     "alignment");
    }
    options.align = ADIT_LOAD_MAX_ALIGN;
    EXPECT_OK(adit_load(items, &options, &arena, NULL, &err));
    CHECK_EQ((uintptr_t)adit_arena_bytes(arena) % ADIT_LOAD_MAX_ALIGN, 0);
    adit_arena_free(arena);
    part.dst = memory;
    part.dst_bytes = sizeof memory;
    add_halves(items, data, &part);
    part.dst = memory + 3839;
    part.dst_bytes = sizeof memory - 3839;
    add_halves(items, data, &part);
    EXPECT_ERROR(adit_load(items, NULL, &arena, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "the memory for item 2 overlaps that for item 1");
    CHECK_LAST_INDEX(2);
    adit_load_items_free(items);
    adit_data_close(data);
}

typedef struct watcher {
    pthread_t thread;
    int patience;
    uint64_t done, total, calls, items;
} watcher;

static int ADIT_CALL progress(void *ctx, uint64_t done, uint64_t total) {
    watcher *own = (watcher *)ctx;
    CHECK(pthread_equal(own->thread, pthread_self()));
    CHECK(done >= own->done && done <= total);
    CHECK(own->calls > 0 || done == 0);
    own->done = done;
    own->total = total;
    own->calls++;
    return --own->patience == 0;
}

static int ADIT_CALL item_done(void *ctx, uint64_t item) {
    watcher *own = (watcher *)ctx;
    CHECK(pthread_equal(own->thread, pthread_self()));
    CHECK(item < 3 && (own->items & (uint64_t)1 << item) == 0);
    own->items |= (uint64_t)1 << item;
    return --own->patience == 0;
}

/* Both are told on this thread, and either stops the load. */
static void watched(void) {
    adit_data *data = open_data(load_file("watched"));
    adit_load_items *items = new_items();
    add_halves(items, data, NULL);
    add_quants(items, data, NULL);
    add_bulk(items, data, NULL);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        int least = 0;
        /* Until nothing is left to be stopped. */
        for (int patience = 1; least == 0; patience++) {
            adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
            adit_arena *arena = (adit_arena *)(uintptr_t)16;
            watcher own = { pthread_self(), patience, 0, 0, 0, 0 };
            CHECK(patience < 20);
            options.threads = threads;
            options.progress = progress;
            options.item_done = item_done;
            options.progress_ctx = options.item_ctx = &own;
            err = CHECK_GARBAGE;
            const adit_status status = adit_load(items, &options, &arena, NULL, &err);
            CHECK(err == NULL);
            if (status == ADIT_CANCELLED) {
                CHECK(arena == NULL);
                CHECK_INT(own.patience, 0);
                continue;
            }
            CHECK_INT(status, ADIT_OK);
            CHECK(own.patience > 0);
            CHECK_EQ(own.items, 7);
            CHECK_EQ(own.done, own.total);
            CHECK_EQ(own.total, HALVES_ROWS * HALVES_COLUMNS * 2 + 20 * 34 + BULK_BYTES);
            least = patience;
            adit_arena_free(arena);
        }
        CHECK(least > 4);
    }
    adit_load_items_free(items);
    adit_data_close(data);
}

/* An allocator that counts what is lent at once, and refuses what passes a limit. */
typedef struct counter {
    pthread_mutex_t lock;
    size_t live, peak, limit;
} counter;

static void *ADIT_CALL counted_alloc(void *ctx, size_t size, size_t align) {
    counter *own = (counter *)ctx;
    void *memory = NULL;
    pthread_mutex_lock(&own->lock);
    if (own->live + size <= own->limit && posix_memalign(&memory, align, size) == 0) {
        own->live += size;
        if (own->live > own->peak) own->peak = own->live;
    }
    pthread_mutex_unlock(&own->lock);
    return memory;
}

static void ADIT_CALL counted_free(void *ctx, void *memory, size_t size, size_t align) {
    counter *own = (counter *)ctx;
    pthread_mutex_lock(&own->lock);
    own->live -= size;
    pthread_mutex_unlock(&own->lock);
    CHECK_EQ((uintptr_t)memory % align, 0);
    free(memory);
}

/* The memory to work in stays within the budget, and so do the threads. */
static void budget(void) {
    adit_data *data = open_data(load_file("budget"));
    adit_load_items *items = new_items();
    adit_load_item_options as_f32 = ADIT_LOAD_ITEM_OPTIONS_INIT;
    counter own = { PTHREAD_MUTEX_INITIALIZER, 0, 0, SIZE_MAX };
    const adit_allocator allocator = ADIT_ALLOCATOR_INIT(&own, counted_alloc, counted_free);
    adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_arena *arena = NULL;
    as_f32.dtype = ADIT_DTYPE_F32;
    add_bulk(items, data, &as_f32);
    add_quants(items, data, &as_f32);
    options.threads = 100;
    options.allocator = &allocator;
    for (int direct = 0; direct < 2; direct++) {
        for (uint64_t mebibytes = 1; mebibytes <= 2; mebibytes++) {
            options.flags = direct ? ADIT_LOAD_DIRECT : 0;
            options.budget = mebibytes << 20;
            own.peak = 0;
            EXPECT_OK(adit_load(items, &options, &arena, &stats, &err));
            CHECK(stats.work_bytes > 0 && stats.work_bytes <= options.budget);
            CHECK(own.peak <= adit_arena_len(arena) + options.budget);
            CHECK_EQ(own.live, adit_arena_len(arena));
            CHECK(stats.threads >= 1 && stats.threads <= 4 * mebibytes);
            const float *floats = (const float *)arena_tensor(arena, 0).data;
            for (size_t at = 0; at < BULK_BYTES; at++)
                if (floats[at] != (float)bulk_byte(at)) CHECK_FAIL("element %zu", at);
            adit_arena_free(arena);
            CHECK_EQ(own.live, 0);
        }
    }
    /* Neither enough for the arena, nor for what is to be worked in. */
    own.limit = 1000;
    EXPECT_ERROR(adit_load(items, &options, &arena, &stats, &err), ADIT_ERR_OUT_OF_MEMORY,
                 "for all items together");
    CHECK(arena == NULL);
    CHECK_EQ(stats.bytes, 0);
    own.limit = BULK_BYTES * 4 + QUANTS_ROWS * QUANTS_COLUMNS * 4 + 1000;
    EXPECT_ERROR(adit_load(items, &options, &arena, NULL, &err), ADIT_ERR_OUT_OF_MEMORY,
                 "out of memory");
    CHECK(arena == NULL);
    CHECK_EQ(own.live, 0);
    adit_load_items_free(items);
    adit_data_close(data);
}

typedef struct cutter {
    const char *path;
    off_t len;
} cutter;

static int ADIT_CALL cut(void *ctx, uint64_t done, uint64_t total) {
    const cutter *own = (const cutter *)ctx;
    CHECK(done <= total);
    CHECK_INT(truncate(own->path, own->len), 0);
    return 0;
}

/* A file cut during the load, and one cut before. */
static void truncated(void) {
    for (uint32_t way = 0; way < 4; way++) {
        const char *path = load_file("cut");
        adit_data *data = open_data(path);
        adit_load_items *items = new_items();
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_arena *arena = NULL;
        cutter own = { path, BULK_AT + 100 };
        add_bulk(items, data, NULL);
        add_halves(items, data, NULL);
        options.threads = way % 2 ? 2 : 1;
        options.flags = way / 2 ? ADIT_LOAD_DIRECT : 0;
        options.progress = cut;
        options.progress_ctx = &own;
        EXPECT_ERROR(adit_load(items, &options, &arena, NULL, &err), ADIT_ERR_TRUNCATED,
                     "item 0: ");
        CHECK_LAST_PATH(path);
        CHECK_LAST_INDEX(0);
        CHECK(last.has_offset && last.offset >= BULK_AT);
        CHECK(arena == NULL);
        EXPECT_ERROR(adit_load(items, NULL, &arena, NULL, &err), ADIT_ERR_TRUNCATED, "was cut");
        /* That which lost bytes, not the first of the file. */
        CHECK_LAST_INDEX(0);
        adit_load_items_free(items);
        adit_data_close(data);
    }
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    refused_items();
    refused_loads();
    watched();
    budget();
    truncated();
    return check_end();
}
