/* Loads to a sink whose slots carry parts of several items. */
#include "load_files.h"

enum { SMALL = 1000, SLOTS = 3, MOST_ITEMS = SMALL + 3 };

typedef struct device {
    /* Each item's memory, and how many of its bytes have come. */
    unsigned char *memory[MOST_ITEMS];
    uint64_t come[MOST_ITEMS];
    unsigned char *slots[SLOTS];
    adit_sink_part *parts[SLOTS];
    size_t counts[SLOTS];
    uint64_t slot_bytes, align;
    size_t last_item;
    unsigned submits, one_by_one, parts_in_all;
    int fails_at;
    bool is_acquired[SLOTS];
} device;

static int ADIT_CALL acquire(void *ctx, uint32_t slot, void **memory) {
    device *own = (device *)ctx;
    CHECK(!own->is_acquired[slot]);
    CHECK_EQ(own->counts[slot], 0);
    own->is_acquired[slot] = true;
    *memory = own->slots[slot];
    return 0;
}

static int ADIT_CALL submit_parts(void *ctx, uint32_t slot, const adit_sink_part *parts,
                                  size_t count) {
    device *own = (device *)ctx;
    uint64_t end = 0;
    CHECK(own->is_acquired[slot]);
    CHECK(count > 0 && count <= ADIT_SINK_MAX_PARTS);
    own->is_acquired[slot] = false;
    if ((int)++own->submits == own->fails_at) return 17;
    for (size_t at = 0; at < count; at++) {
        CHECK(parts[at].bytes > 0);
        CHECK(parts[at].start >= end && parts[at].start - end < own->align);
        CHECK_EQ(parts[at].start % own->align, 0);
        CHECK_EQ(parts[at].offset % own->align, 0);
        end = parts[at].start + parts[at].bytes;
        if (at > 0) CHECK(parts[at].item != parts[at - 1].item);
    }
    CHECK(end <= own->slot_bytes);
    own->parts[slot] = (adit_sink_part *)malloc(count * sizeof *parts);
    memcpy(own->parts[slot], parts, count * sizeof *parts);
    own->counts[slot] = count;
    own->parts_in_all += (unsigned)count;
    return 0;
}

static int ADIT_CALL submit_one(void *ctx, uint32_t slot, uint64_t item, uint64_t offset,
                                uint64_t bytes) {
    const adit_sink_part part = { item, offset, 0, bytes };
    ((device *)ctx)->one_by_one++;
    return submit_parts(ctx, slot, &part, 1);
}

static int ADIT_CALL wait_for(void *ctx, uint32_t slot) {
    device *own = (device *)ctx;
    CHECK(own->counts[slot] > 0);
    for (size_t at = 0; at < own->counts[slot]; at++) {
        const adit_sink_part *part = &own->parts[slot][at];
        /* Each item from its start to its end. */
        CHECK_EQ(part->offset, own->come[part->item]);
        memcpy(own->memory[part->item] + part->offset, own->slots[slot] + part->start, part->bytes);
        own->come[part->item] += part->bytes;
    }
    free(own->parts[slot]);
    own->counts[slot] = 0;
    memset(own->slots[slot], 0xee, own->slot_bytes);
    return 0;
}

static device new_device(const adit_load_items *items, uint64_t slot_bytes, uint64_t align) {
    device own;
    memset(&own, 0, sizeof own);
    own.slot_bytes = slot_bytes;
    own.align = align == 0 ? 1 : align;
    for (size_t item = 0; item < adit_load_items_len(items); item++) {
        adit_tensor tensor;
        EXPECT_OK(adit_load_items_tensor(items, item, &tensor, &err));
        own.memory[item] = (unsigned char *)calloc(1, tensor.nbytes + 1);
    }
    for (int slot = 0; slot < SLOTS; slot++) own.slots[slot] = (unsigned char *)malloc(slot_bytes);
    return own;
}

static void free_device(device *own) {
    for (int item = 0; item < MOST_ITEMS; item++) free(own->memory[item]);
    for (int slot = 0; slot < SLOTS; slot++) {
        CHECK_EQ(own->counts[slot], 0);
        free(own->slots[slot]);
    }
}

static adit_sink sink_of(device *own, uint64_t align) {
    adit_sink sink = ADIT_SINK_INIT;
    sink.ctx = own;
    sink.slots = SLOTS;
    sink.slot_bytes = own->slot_bytes;
    sink.acquire = acquire;
    sink.submit_parts = submit_parts;
    sink.wait = wait_for;
    sink.align = align;
    return sink;
}

static int ADIT_CALL count_item(void *ctx, uint64_t item) {
    CHECK(item < MOST_ITEMS);
    ((unsigned char *)ctx)[item]++;
    return 0;
}

static unsigned char small_byte(size_t item, size_t at) {
    return (unsigned char)(item * 7 + at * 13 + 1);
}

/* The three tensors of a file, and many small ones in memory between them. */
static adit_load_items *many_items(const char *name) {
    static unsigned char memory[SMALL][16];
    adit_load_item_options as_f32 = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_load_items *items = new_items();
    adit_data *data = open_data(load_file(name));
    as_f32.dtype = ADIT_DTYPE_F32;
    add_bulk(items, data, NULL);
    for (size_t item = 0; item < SMALL; item++) {
        const int64_t shape[] = { (int64_t)(item % 17) };
        adit_tensor tensor;
        for (size_t at = 0; at < item % 17; at++) memory[item][at] = small_byte(item, at);
        EXPECT_OK(adit_tensor_init(&tensor, memory[item], ADIT_DTYPE_U8, 1, shape, &err));
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, NULL, &err));
    }
    add_quants(items, data, &as_f32);
    add_halves(items, data, NULL);
    adit_data_close(data);
    return items;
}

static void whole(void) {
    adit_load_items *items = many_items("whole");
    const uint64_t sizes[] = { 4096, 100000, 4 << 20 }, aligns[] = { 0, 1, 4, 256 };
    for (int round = 0; round < 12; round++) {
        device own = new_device(items, sizes[round % 3], aligns[round % 4]);
        const adit_sink sink = sink_of(&own, aligns[round % 4]);
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        unsigned char done[MOST_ITEMS] = { 0 };
        options.threads = (uint32_t)(round % 5);
        options.item_done = count_item;
        options.item_ctx = done;
        EXPECT_OK(adit_load_to_sink(items, &sink, &options, &stats, &err));
        uint64_t total = 0;
        for (size_t item = 0; item < MOST_ITEMS; item++) {
            CHECK_EQ(done[item], 1);
            total += own.come[item];
        }
        CHECK_EQ(stats.bytes, total);
        for (size_t at = 0; at < BULK_BYTES; at++)
            if (own.memory[0][at] != bulk_byte(at)) CHECK_FAIL("byte %zu", at);
        for (size_t item = 0; item < SMALL; item++) {
            CHECK_EQ(own.come[item + 1], item % 17);
            for (size_t at = 0; at < item % 17; at++)
                CHECK_EQ(own.memory[item + 1][at], small_byte(item, at));
        }
        const float *quants = (const float *)(void *)own.memory[SMALL + 1];
        const uint16_t *halves = (const uint16_t *)(void *)own.memory[SMALL + 2];
        for (int64_t at = 0; at < QUANTS_ROWS * QUANTS_COLUMNS; at++)
            CHECK(quants[at] == quant_value(0, at));
        for (int64_t at = 0; at < HALVES_ROWS * HALVES_COLUMNS; at++)
            CHECK_EQ(halves[at], half_of(half_value(0, at)));
        /* 5 MiB, and little more. */
        if (sizes[round % 3] == 4 << 20) CHECK_EQ(own.submits, 2);
        free_device(&own);
    }
    adit_load_items_free(items);
}

/* The same small items with and without: a slot each, or a few for all. */
static void fewer_submits(void) {
    static float values[SMALL];
    adit_load_items *items = new_items();
    for (size_t item = 0; item < SMALL; item++) {
        adit_tensor tensor;
        values[item] = (float)item;
        EXPECT_OK(adit_tensor_init(&tensor, &values[item], ADIT_DTYPE_F32, 0, NULL, &err));
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, NULL, &err));
    }
    for (int packed = 0; packed < 2; packed++) {
        device own = new_device(items, 4096, 16);
        adit_sink sink = sink_of(&own, 16);
        /* Where both are there, parts it is. */
        sink.submit = submit_one;
        if (!packed) sink.submit_parts = NULL;
        EXPECT_OK(adit_load_to_sink(items, &sink, NULL, NULL, &err));
        /* 256 of them to a slot. */
        CHECK_EQ(own.submits, packed ? 4 : SMALL);
        CHECK_EQ(own.one_by_one, packed ? 0 : SMALL);
        CHECK_EQ(own.parts_in_all, SMALL);
        for (size_t item = 0; item < SMALL; item++)
            CHECK_BYTES(own.memory[item], &values[item], 4);
        free_device(&own);
    }
    adit_load_items_free(items);
}

/* The error has the first item of the slot. */
static void failing(void) {
    adit_load_items *items = many_items("failing");
    for (uint32_t threads = 1; threads <= 2; threads++) {
        for (int fails_at = 1; fails_at <= 2; fails_at++) {
            device own = new_device(items, 4 << 20, 4);
            const adit_sink sink = sink_of(&own, 4);
            adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
            options.threads = threads;
            own.fails_at = fails_at;
            EXPECT_ERROR(adit_load_to_sink(items, &sink, &options, NULL, &err), ADIT_ERR_CALLBACK,
                         "the sink's submit of slot");
            CHECK_INT(last.os_code, 17);
            CHECK_LAST_INDEX(fails_at == 1 ? SMALL + 2 : 0);
            CHECK_INT(own.submits, fails_at);
            free_device(&own);
        }
    }
    adit_load_items_free(items);
}

static void refused(void) {
    adit_load_items *items = many_items("refused");
    device own = new_device(items, 8192, 1);
    const adit_sink good = sink_of(&own, 1);
    adit_sink sink = good;
#define REFUSED(status, text) \
    do { \
        EXPECT_ERROR(adit_load_to_sink(items, &sink, NULL, NULL, &err), status, text); \
        sink = good; \
    } while (0)
    sink.align = 3;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "the sink's alignment is 3;");
    sink.align = 16384;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "up to a slot's 8192 bytes");
    sink.align = UINT64_MAX;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "the sink's alignment");
    sink.reserved[1] = 1;
    REFUSED(ADIT_ERR_UNSUPPORTED, "reserved");
    sink.submit_parts = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "sink->submit is NULL");
    CHECK_INT(own.submits, 0);
    free_device(&own);
    adit_load_items_free(items);

    /* Blocks of 34 bytes meet 4096 every 69632. */
    adit_data *data = open_data(scratch_path("refused"));
    const int64_t shape[] = { 32 * 1000 };
    items = new_items();
    EXPECT_OK(adit_load_items_add_data(items, data, QUANTS_AT, ADIT_DTYPE_Q8_0, 1, shape, NULL,
                                       &err));
    sink.align = 4096;
    EXPECT_ERROR(adit_load_to_sink(items, &sink, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "item 0 can't be cut at multiples of the sink's alignment, 4096");
    CHECK_LAST_INDEX(0);
    adit_load_items_free(items);
    adit_data_close(data);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    whole();
    fewer_submits();
    failing();
    refused();
    return check_end();
}
