/* Loads to a sink: a device in memory whose copies are done when they are waited for, not before. */
#include "load_files.h"

#include <pthread.h>

enum { MOST_SLOTS = 4 };

typedef enum state { FREE, ACQUIRED, SUBMITTED } state;

typedef struct device {
    pthread_t thread;
    unsigned char *memory[3];
    unsigned char *slots[MOST_SLOTS];
    state states[MOST_SLOTS];
    uint64_t item[MOST_SLOTS], offset[MOST_SLOTS], bytes[MOST_SLOTS];
    uint64_t slot_bytes;
    /* The call that fails, counted over all; 0 for none. */
    int fails_at, calls, waited;
    const char *failed;
} device;

static int call(device *own, const char *what) {
    CHECK(pthread_equal(own->thread, pthread_self()));
    if (++own->calls != own->fails_at) {
        CHECK(own->failed == NULL || strcmp(what, "wait") == 0);
        return 0;
    }
    own->failed = what;
    return -7;
}

static int ADIT_CALL acquire(void *ctx, uint32_t slot, void **memory) {
    device *own = (device *)ctx;
    CHECK_INT(own->states[slot], FREE);
    if (call(own, "acquire") != 0) return -7;
    own->states[slot] = ACQUIRED;
    *memory = own->slots[slot];
    return 0;
}

static int ADIT_CALL submit(void *ctx, uint32_t slot, uint64_t item, uint64_t offset,
                            uint64_t bytes) {
    device *own = (device *)ctx;
    CHECK_INT(own->states[slot], ACQUIRED);
    CHECK(bytes > 0 && bytes <= own->slot_bytes);
    if (call(own, "submit") != 0) return -7;
    own->states[slot] = SUBMITTED;
    own->item[slot] = item;
    own->offset[slot] = offset;
    own->bytes[slot] = bytes;
    return 0;
}

static int ADIT_CALL wait_for(void *ctx, uint32_t slot) {
    device *own = (device *)ctx;
    CHECK_INT(own->states[slot], SUBMITTED);
    own->states[slot] = FREE;
    if (call(own, "wait") != 0) return -7;
    memcpy(own->memory[own->item[slot]] + own->offset[slot], own->slots[slot], own->bytes[slot]);
    memset(own->slots[slot], 0xee, own->slot_bytes);
    own->waited++;
    return 0;
}

/* What the items become, by their numbers. */
static const size_t sizes[] = { BULK_BYTES, QUANTS_ROWS *QUANTS_COLUMNS * 4,
                                HALVES_ROWS *HALVES_COLUMNS * 4 };

static device new_device(uint64_t slot_bytes) {
    device own;
    memset(&own, 0, sizeof own);
    own.thread = pthread_self();
    own.slot_bytes = slot_bytes;
    for (int at = 0; at < 3; at++) own.memory[at] = (unsigned char *)calloc(1, sizes[at]);
    for (int at = 0; at < MOST_SLOTS; at++) own.slots[at] = (unsigned char *)malloc(slot_bytes);
    return own;
}

static void free_device(device *own) {
    for (int at = 0; at < 3; at++) free(own->memory[at]);
    for (int at = 0; at < MOST_SLOTS; at++) {
        /* Nothing is on its way any more. */
        CHECK(own->states[at] != SUBMITTED);
        free(own->slots[at]);
    }
}

static adit_sink sink_of(device *own, uint32_t slots) {
    adit_sink sink = ADIT_SINK_INIT;
    sink.ctx = own;
    sink.slots = slots;
    sink.slot_bytes = own->slot_bytes;
    sink.acquire = acquire;
    sink.submit = submit;
    sink.wait = wait_for;
    return sink;
}

static adit_load_items *three_items(const char *name) {
    adit_data *data = NULL;
    adit_load_items *items = new_items();
    adit_load_item_options as_f32 = ADIT_LOAD_ITEM_OPTIONS_INIT;
    EXPECT_OK(adit_data_open(load_file(name), NULL, &data, &err));
    as_f32.dtype = ADIT_DTYPE_F32;
    add_bulk(items, data, NULL);
    add_quants(items, data, &as_f32);
    add_halves(items, data, &as_f32);
    adit_data_close(data);
    return items;
}

static int ADIT_CALL count(void *ctx, uint64_t done, uint64_t total) {
    uint64_t *told = (uint64_t *)ctx;
    CHECK(done >= told[0] && done <= total);
    told[0] = done;
    told[1] = total;
    return told[2] > 0 && --told[2] == 0;
}

static int ADIT_CALL item(void *ctx, uint64_t number) {
    ((uint64_t *)ctx)[3] |= (uint64_t)1 << number;
    return 0;
}

/* Every byte arrives, however many slots and threads there are. */
static void whole(void) {
    adit_load_items *items = three_items("whole");
    for (uint32_t round = 0; round < 12; round++) {
        const uint64_t slot_bytes[] = { 4096, 100003, 2 << 20 };
        device own = new_device(slot_bytes[round % 3]);
        const adit_sink sink = sink_of(&own, 1 + round % 4);
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        uint64_t told[4] = { 0, 0, 0, 0 };
        options.threads = round % 5;
        options.flags = round % 2 ? ADIT_LOAD_DIRECT : 0;
        options.progress = count;
        options.item_done = item;
        options.progress_ctx = options.item_ctx = told;
        EXPECT_OK(adit_load_to_sink(items, &sink, &options, &stats, &err));
        CHECK_EQ(told[0], sizes[0] + sizes[1] + sizes[2]);
        CHECK_EQ(told[1], told[0]);
        CHECK_EQ(told[3], 7);
        CHECK_EQ(stats.bytes, told[0]);
        CHECK(stats.threads >= 1 && stats.threads <= 1 + round % 4);
        CHECK(own.waited > 3 || slot_bytes[round % 3] == 2 << 20);
        for (size_t at = 0; at < BULK_BYTES; at++)
            if (own.memory[0][at] != bulk_byte(at)) CHECK_FAIL("byte %zu", at);
        const float *quants = (const float *)(void *)own.memory[1];
        const float *halves = (const float *)(void *)own.memory[2];
        for (int64_t at = 0; at < QUANTS_ROWS * QUANTS_COLUMNS; at++)
            CHECK(quants[at] == quant_value(0, at));
        for (int64_t at = 0; at < HALVES_ROWS * HALVES_COLUMNS; at++)
            CHECK(halves[at] == (float)half_value(0, at));
        free_device(&own);
    }
    adit_load_items_free(items);
}

/* A callback that fails ends the load; what was submitted is waited for. */
static void failing(void) {
    adit_load_items *items = three_items("failing");
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        for (int fails_at = 1; fails_at < 12; fails_at++) {
            device own = new_device(1 << 20);
            const adit_sink sink = sink_of(&own, 3);
            adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
            own.fails_at = fails_at;
            options.threads = threads;
            EXPECT_ERROR(adit_load_to_sink(items, &sink, &options, NULL, &err), ADIT_ERR_CALLBACK,
                         "failed with -7");
            CHECK(own.failed != NULL);
            CHECK_IN(last.message, own.failed);
            CHECK_INT(last.os_code, -7);
            CHECK(last.has_index && last.index < 3);
            free_device(&own);
        }
    }
    adit_load_items_free(items);
}

static void cancelled(void) {
    adit_load_items *items = three_items("cancelled");
    for (uint64_t patience = 1; patience < 6; patience++) {
        device own = new_device(1 << 20);
        const adit_sink sink = sink_of(&own, 2);
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        uint64_t told[4] = { 0, 0, patience, 0 };
        options.threads = 1 + patience % 2;
        options.progress = count;
        options.progress_ctx = told;
        EXPECT(adit_load_to_sink(items, &sink, &options, NULL, &err), ADIT_CANCELLED);
        CHECK_EQ(told[2], 0);
        free_device(&own);
    }
    adit_load_items_free(items);
}

typedef struct cutter {
    const char *path;
} cutter;

static int ADIT_CALL cut(void *ctx, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    CHECK_INT(truncate(((const cutter *)ctx)->path, BULK_AT + (3 << 20)), 0);
    return 0;
}

static void truncated(void) {
    adit_load_items *items = three_items("truncated");
    device own = new_device(1 << 20);
    const adit_sink sink = sink_of(&own, 2);
    adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
    cutter cutting = { scratch_path("truncated") };
    options.progress = cut;
    options.progress_ctx = &cutting;
    EXPECT_ERROR(adit_load_to_sink(items, &sink, &options, NULL, &err), ADIT_ERR_TRUNCATED,
                 "item 0: ");
    CHECK_LAST_PATH(cutting.path);
    CHECK_LAST_INDEX(0);
    CHECK_LAST_OFFSET(BULK_AT + (3 << 20));
    free_device(&own);
    adit_load_items_free(items);
}

static int ADIT_CALL acquire_nothing(void *ctx, uint32_t slot, void **memory) {
    (void)ctx, (void)slot, (void)memory;
    return 0;
}

static void refused(void) {
    adit_load_items *items = three_items("refused");
    device own = new_device(1 << 20);
    const adit_sink good = sink_of(&own, 2);
    adit_sink sink = good;
    adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
#define REFUSED(status, text) \
    do { \
        EXPECT_ERROR(adit_load_to_sink(items, &sink, &options, NULL, &err), status, text); \
        sink = good; \
    } while (0)
    sink.slots = 0;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "the sink has 0 slots");
    sink.slots = 4097;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "4097 slots");
    sink.slot_bytes = 4095;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "4095 bytes");
    sink.slot_bytes = UINT64_MAX;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->slot_bytes");
    sink.acquire = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->acquire is NULL");
    sink.submit = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->submit is NULL");
    sink.wait = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->wait is NULL");
    sink.reserved[1] = 1;
    REFUSED(ADIT_ERR_UNSUPPORTED, "reserved");
    sink.reserved0 = 1;
    REFUSED(ADIT_ERR_UNSUPPORTED, "reserved");
    sink.struct_size = 3;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->struct_size is 3");
    sink.acquire = acquire_nothing;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "gave no memory for slot 0");
    options.threads = 1;
    sink.acquire = acquire_nothing;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "gave no memory for slot 0");
    CHECK_INT(own.calls, 0);

    /* Zeros and the size, from the macro and from the function. */
    const adit_sink macro = ADIT_SINK_INIT;
    memset(&sink, 0xa5, sizeof sink);
    adit_sink_init(&sink, sizeof sink);
    CHECK_BYTES(&sink, &macro, sizeof sink);
    CHECK_EQ(sink.struct_size, 88);
    adit_sink_init(NULL, sizeof sink);

    adit_data *data = NULL;
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    EXPECT_OK(adit_data_open(scratch_path("refused"), NULL, &data, &err));
    part.dst = own.memory[1];
    part.dst_bytes = sizes[1];
    add_quants(items, data, &part);
    sink = good;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "item 3 has memory of its own");
    CHECK_LAST_INDEX(3);
    adit_data_close(data);
    free_device(&own);
    adit_load_items_free(items);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    whole();
    failing();
    cancelled();
    truncated();
    refused();
    return check_end();
}
