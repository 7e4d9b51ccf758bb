/* Loaders: epochs, values, ranks, states that go on in another world, batches that are held. */
#include "loaders.h"

#define COUNT 100

/* Every record once an epoch, each epoch in another order, the same again from the same seed. */
static void epochs(const char *path) {
    for (uint32_t workers = 0; workers < 4; workers++) {
        adit_loader_options options = batches_of(10);
        uint64_t orders[3][COUNT];
        options.order = ADIT_ORDER_SHUFFLED;
        if (workers == 0)
            options.flags = ADIT_LOADER_NO_THREADS;
        else
            options.workers = workers;
        adit_loader *loader = open_loader(path, &options);
        CHECK_EQ(adit_loader_steps(loader), 10);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            int seen[COUNT] = { 0 };
            for (uint64_t step = 0; step < 10; step++) {
                adit_batch *batch = next_batch(loader);
                adit_batch_info info = ADIT_BATCH_INFO_INIT;
                const uint8_t *flags = NULL;
                size_t n = 0;
                EXPECT_OK(adit_batch_get_info(batch, &info, &err));
                CHECK_EQ(info.epoch, epoch);
                CHECK_EQ(info.step, step);
                CHECK_EQ(info.rows, 10);
                CHECK_EQ(info.valid, 10);
                CHECK_EQ(info.global_valid, 10);
                CHECK_EQ(adit_batch_len(batch), 2);
                check_numbers(batch, 10);
                EXPECT_OK(adit_batch_flags(batch, &flags, &n, &err));
                CHECK_EQ(n, 10);
                for (size_t row = 0; row < 10; row++) CHECK_EQ(flags[row], ADIT_ROW_SOUND);
                const uint64_t *records = records_of(batch, 10);
                for (size_t row = 0; row < 10; row++) {
                    seen[records[row]]++;
                    orders[epoch][10 * step + row] = records[row];
                }
                adit_batch_release(batch);
            }
            ends(loader);
            for (int at = 0; at < COUNT; at++) CHECK_INT(seen[at], 1);
        }
        CHECK(memcmp(orders[0], orders[1], sizeof orders[0]) != 0);
        CHECK(memcmp(orders[1], orders[2], sizeof orders[0]) != 0);
        EXPECT_OK(adit_loader_set_epoch(loader, 1, &err));
        for (uint64_t step = 0; step < 10; step++) {
            adit_batch *batch = next_batch(loader);
            CHECK_BYTES(records_of(batch, 10), orders[1] + 10 * step, 80);
            adit_batch_release(batch);
        }
        adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
        EXPECT_OK(adit_loader_get_stats(loader, &stats, &err));
        CHECK_EQ(stats.steps, 40);
        CHECK_EQ(stats.records, 400);
        CHECK_EQ(stats.bytes, 400 * 20);
        CHECK(stats.read_bytes >= 400 * 20);
        CHECK_EQ(stats.workers, workers);
        CHECK_EQ(stats.rank, 0);
        CHECK_EQ(stats.world, 1);
        CHECK_EQ(stats.replaced + stats.masked, 0);
        CHECK(stats.memory > 0 && stats.slots >= 2);
        adit_loader_close(loader);
    }
}

static void sequential(const char *path) {
    adit_loader_options options = batches_of(8);
    options.order = ADIT_ORDER_SEQUENTIAL;
    options.epoch = 5;
    for (int32_t uneven = ADIT_UNEVEN_DROP; uneven <= ADIT_UNEVEN_KEEP; uneven++) {
        options.uneven = uneven;
        adit_loader *loader = open_loader(path, &options);
        const uint64_t steps = uneven == ADIT_UNEVEN_DROP ? 12 : 13;
        CHECK_EQ(adit_loader_steps(loader), steps);
        for (uint64_t step = 0; step < steps; step++) {
            adit_batch *batch = next_batch(loader);
            adit_batch_info info = ADIT_BATCH_INFO_INIT;
            const uint64_t *records = records_of(batch, 8);
            const uint8_t *flags = NULL;
            size_t n = 0;
            EXPECT_OK(adit_batch_get_info(batch, &info, &err));
            EXPECT_OK(adit_batch_flags(batch, &flags, &n, &err));
            const uint64_t valid = step == 12 ? 4 : 8;
            CHECK_EQ(info.epoch, 5);
            CHECK_EQ(info.rows, 8);
            CHECK_EQ(info.valid, valid);
            CHECK_EQ(info.global_valid, valid);
            for (uint64_t row = 0; row < 8; row++) {
                const bool is_own = row < valid;
                CHECK_EQ(flags[row], is_own ? ADIT_ROW_SOUND : ADIT_ROW_PADDING);
                if (is_own) CHECK_EQ(records[row], 8 * step + row);
                else if (uneven == ADIT_UNEVEN_PAD) CHECK_EQ(records[row], row - valid);
                else CHECK_EQ(records[row], ADIT_NO_RECORD);
            }
            if (uneven == ADIT_UNEVEN_PAD) check_numbers(batch, 8);
            if (uneven == ADIT_UNEVEN_KEEP && valid == 4) {
                const adit_tensor x = tensor_of(batch, "x");
                for (int at = 16; at < 32; at++) CHECK(((const float *)x.data)[at] == 0);
            }
            adit_batch_release(batch);
        }
        ends(loader);
        adit_loader_close(loader);
    }
}

/* Ranks share the steps of one order, whatever their number, and go on from each other's states. */
static void worlds(const char *path) {
    const uint32_t numbers[] = { 1, 2, 3, 5, 12 };
    uint64_t order[2 * 8][12];
    adit_loader_options options = batches_of(12);
    options.canonical_nodes = 2;
    adit_loader *loader = open_loader(path, &options);
    for (int step = 0; step < 16; step++) {
        if (step == 8) ends(loader);
        adit_batch *batch = next_batch(loader);
        memcpy(order[step], records_of(batch, 12), sizeof order[0]);
        adit_batch_release(batch);
    }
    adit_loader_close(loader);

    unsigned char state[ADIT_LOADER_STATE_BYTES];
    size_t len = 0;
    int step = 0;
    for (size_t at = 0; at < 5; at++) {
        const uint32_t world = numbers[at];
        adit_loader *ranks[12];
        for (uint32_t rank = 0; rank < world; rank++) {
            options.world = world;
            options.rank = rank;
            options.workers = rank % 3;
            ranks[rank] = open_loader(path, &options);
            if (at > 0) EXPECT_OK(adit_loader_state_load(ranks[rank], state, len, &err));
        }
        for (int more = 0; more < 3; more++, step++) {
            size_t row = 0;
            for (uint32_t rank = 0; rank < world; rank++) {
                const size_t rows = 12 * (rank + 1) / world - 12 * rank / world;
                if (step == 8) ends(ranks[rank]);
                adit_batch *batch = next_batch(ranks[rank]);
                CHECK_BYTES(records_of(batch, rows), order[step] + row, 8 * rows);
                check_numbers(batch, rows);
                row += rows;
                adit_batch_release(batch);
            }
            CHECK_EQ(row, 12);
        }
        EXPECT_OK(adit_loader_state_save(ranks[world - 1], state, sizeof state, &len, &err));
        CHECK(len > 0 && len <= ADIT_LOADER_STATE_BYTES);
        for (uint32_t rank = 0; rank < world; rank++) adit_loader_close(ranks[rank]);
    }
}

/* A state of another order, or none, changes nothing. */
static void states(const char *path) {
    adit_loader_options options = batches_of(10);
    adit_loader *loader = open_loader(path, &options), *other = NULL;
    unsigned char state[ADIT_LOADER_STATE_BYTES];
    size_t len = 0, small = 77;
    adit_batch_release(next_batch(loader));
    EXPECT_OK(adit_loader_state_save(loader, state, sizeof state, &len, &err));
    EXPECT_ERROR(adit_loader_state_save(loader, state, len - 1, &small, &err),
                 ADIT_ERR_OUT_OF_RANGE, "cap is");
    CHECK_EQ(small, 0);
    options.seed = 43;
    other = open_loader(path, &options);
    EXPECT_ERROR(adit_loader_state_load(other, state, len, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "seed is 42, the loader's 43");
    EXPECT_ERROR(adit_loader_state_load(other, state, 0, &err), ADIT_ERR_MALFORMED, "no state");
    EXPECT_ERROR(adit_loader_state_load(other, NULL, len, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "state is NULL");
    state[40] ^= 1;
    EXPECT_ERROR(adit_loader_state_load(loader, state, len, &err), ADIT_ERR_MALFORMED, "checksum");
    adit_loader_close(other);
    adit_batch *batch = next_batch(loader);
    adit_batch_info info = ADIT_BATCH_INFO_INIT;
    EXPECT_OK(adit_batch_get_info(batch, &info, &err));
    CHECK_EQ(info.step, 1);
    adit_batch_release(batch);
    adit_loader_close(loader);
}

/* Held batches stay as they are, also behind the loader; one too many is refused. */
static void held(const char *path) {
    adit_loader_options options = batches_of(10);
    options.max_held = 3;
    options.order = ADIT_ORDER_SEQUENTIAL;
    adit_loader *loader = open_loader(path, &options);
    adit_batch *batches[3], *more = NULL;
    for (int at = 0; at < 3; at++) batches[at] = next_batch(loader);
    EXPECT_ERROR(adit_loader_next(loader, &more, &err), ADIT_ERR_BUSY, "3 batches are held");
    CHECK(more == NULL);
    adit_batch_release(batches[1]);
    batches[1] = next_batch(loader);
    adit_loader_close(loader);
    const uint64_t firsts[] = { 0, 30, 20 };
    for (int at = 0; at < 3; at++) {
        CHECK_EQ(records_of(batches[at], 10)[0], firsts[at]);
        check_numbers(batches[at], 10);
        adit_batch_release(batches[at]);
    }
    adit_batch_release(NULL);
    adit_loader_close(NULL);
    CHECK_EQ(adit_loader_steps(NULL), 0);
    CHECK_EQ(adit_batch_len(NULL), 0);
}

/* Chosen fields, converted, in the order asked for. */
static void fields(const char *path) {
    adit_loader_fields *chosen = NULL;
    adit_loader_options options = batches_of(10);
    EXPECT_OK(adit_loader_fields_new(&chosen, &err));
    EXPECT_OK(adit_loader_fields_add(chosen, "label", ADIT_DTYPE_F32, 0, 0, &err));
    EXPECT_OK(adit_loader_fields_add(chosen, "x", ADIT_DTYPE_F16, 0, 0, &err));
    EXPECT_ERROR(adit_loader_fields_add(chosen, "x", 0, 0, 0, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "\"x\" was added before");
    EXPECT_ERROR(adit_loader_fields_add(chosen, "y", -3, 0, 0, &err), ADIT_ERR_DTYPE, "-3");
    EXPECT_ERROR(adit_loader_fields_add(chosen, "y", 0, 9, 0, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "adit_ragged");
    EXPECT_ERROR(adit_loader_fields_add(chosen, "y", 0, ADIT_RAGGED_PADDED, 0, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "length is 0");
    EXPECT_ERROR(adit_loader_fields_add(chosen, "y", 0, ADIT_RAGGED_PACKED, 4, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "length is 4");
    options.fields = chosen;
    adit_loader *loader = open_loader(path, &options);
    adit_loader_fields_free(chosen);
    adit_batch *batch = next_batch(loader);
    adit_tensor tensor;
    const uint64_t *records = records_of(batch, 10);
    EXPECT_OK(adit_batch_tensor(batch, 0, &tensor, &err));
    CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
    for (int row = 0; row < 10; row++)
        CHECK(((const float *)tensor.data)[row] == (float)records[row]);
    EXPECT_OK(adit_batch_tensor(batch, 1, &tensor, &err));
    CHECK_INT(tensor.dtype, ADIT_DTYPE_F16);
    CHECK_EQ(tensor.nbytes, 80);
    EXPECT_ERROR(adit_batch_tensor(batch, 2, &tensor, &err), ADIT_ERR_OUT_OF_RANGE,
                 "tensor 2 was asked for of 2");
    size_t index = 77;
    EXPECT(adit_batch_find(batch, "nobody", &index, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(index, 0);
    adit_batch_release(batch);
    adit_loader_close(loader);
}

/* What a dtype can't hold becomes NaN, or its greatest value. */
static void saturated(const char *path) {
    adit_loader_fields *chosen = NULL;
    adit_loader_options options = batches_of(10);
    EXPECT_OK(adit_loader_fields_new(&chosen, &err));
    EXPECT_OK(adit_loader_fields_add(chosen, "x", ADIT_DTYPE_F8_E4M3FN, 0, 0, &err));
    options.fields = chosen;
    options.order = ADIT_ORDER_SEQUENTIAL;
    for (int turn = 0; turn < 2; turn++) {
        options.flags = turn == 0 ? 0 : ADIT_LOADER_SATURATE;
        adit_loader *loader = open_loader(path, &options);
        for (int step = 0; step < 6; step++) {
            adit_batch *batch = next_batch(loader);
            const unsigned char *x = (const unsigned char *)tensor_of(batch, "x").data;
            /* 500 is over 448. */
            if (step == 5) CHECK_EQ(x[0], turn == 0 ? 0x7f : 0x7e);
            if (step == 0) CHECK_EQ(x[4], 0x52);
            adit_batch_release(batch);
        }
        adit_loader_close(loader);
    }
    adit_loader_fields_free(chosen);
}

/* Ragged fields, packed and padded. */
static void ragged(void) {
    const char *path = scratch_path("kinds.arec");
    write_samples(path, NULL, 0, 50);
    adit_loader_options options = batches_of(10);
    options.order = ADIT_ORDER_SEQUENTIAL;
    adit_loader *loader = open_loader(path, &options);
    adit_batch *batch = next_batch(loader);
    CHECK_EQ(adit_batch_len(batch), 8);
    adit_tensor tokens = tensor_of(batch, "tokens"), starts = tensor_of(batch, "tokens.offsets");
    CHECK_INT(starts.dtype, ADIT_DTYPE_U64);
    CHECK_INT(starts.shape[0], 11);
    const uint64_t *offsets = (const uint64_t *)starts.data;
    sample own;
    for (uint64_t row = 0; row < 10; row++) {
        make_sample(&own, row);
        CHECK_EQ(offsets[row + 1] - offsets[row], (uint64_t)tokens_of(row));
        CHECK_BYTES((const uint16_t *)tokens.data + offsets[row], own.tokens,
                    2 * (size_t)tokens_of(row));
    }
    CHECK_EQ(tokens.nbytes, 2 * offsets[10]);
    adit_tensor pairs = tensor_of(batch, "pairs");
    offsets = (const uint64_t *)tensor_of(batch, "pairs.offsets").data;
    for (uint64_t row = 0; row < 10; row++) {
        make_sample(&own, row);
        CHECK_EQ(offsets[row + 1] - offsets[row], 3 * (uint64_t)pairs_of(row));
        CHECK_BYTES((const float *)pairs.data + offsets[row], own.pairs,
                    12 * (size_t)pairs_of(row));
    }
    adit_batch_release(batch);
    adit_loader_close(loader);

    adit_loader_fields *chosen = NULL;
    EXPECT_OK(adit_loader_fields_new(&chosen, &err));
    EXPECT_OK(adit_loader_fields_add(chosen, "tokens", ADIT_DTYPE_I32, ADIT_RAGGED_CUT, 20, &err));
    EXPECT_OK(adit_loader_fields_add(chosen, "pairs", 0, ADIT_RAGGED_PADDED, 4, &err));
    options.fields = chosen;
    loader = open_loader(path, &options);
    batch = next_batch(loader);
    CHECK_EQ(adit_batch_len(batch), 4);
    tokens = tensor_of(batch, "tokens");
    CHECK_INT(tokens.dtype, ADIT_DTYPE_I32);
    CHECK_INT(tokens.shape[0], 10);
    CHECK_INT(tokens.shape[1], 20);
    const uint64_t *lengths = (const uint64_t *)tensor_of(batch, "tokens.lengths").data;
    for (uint64_t row = 0; row < 10; row++) {
        const uint64_t wanted = tokens_of(row) > 20 ? 20 : (uint64_t)tokens_of(row);
        CHECK_EQ(lengths[row], wanted);
        for (uint64_t at = 0; at < 20; at++)
            CHECK_INT(((const int32_t *)tokens.data)[20 * row + at],
                      at < wanted ? (int32_t)(100 * row + at) : 0);
    }
    pairs = tensor_of(batch, "pairs");
    CHECK_INT(pairs.ndim, 3);
    CHECK_INT(pairs.shape[1], 4);
    CHECK_INT(pairs.shape[2], 3);
    adit_batch_release(batch);
    adit_loader_close(loader);
    adit_loader_fields_free(chosen);
}

/* The ways of reading give the same batches. */
static void ways(const char *path) {
    const int32_t caches[] = { ADIT_CACHE_AUTO, ADIT_CACHE_KEEP, ADIT_CACHE_DROP };
    for (int io = 0; io < ALL_WAYS; io++) {
        for (int cache = 0; cache < 3; cache++) {
            adit_loader_options options = batches_of(10);
            options.io = all_ways[io];
            options.cache = caches[cache];
            options.check = cache == 1 ? ADIT_RECORD_CHECK_NEVER : ADIT_RECORD_CHECK_ON_COPY;
            options.memory_budget = 1 << 20;
            adit_loader *loader = open_loader(path, &options);
            for (int step = 0; step < 10; step++) {
                adit_batch *batch = next_batch(loader);
                check_numbers(batch, 10);
                adit_batch_release(batch);
            }
            ends(loader);
            adit_loader_close(loader);
        }
    }
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const char *path = write_numbers("numbers.arec", COUNT);
    epochs(path);
    sequential(path);
    worlds(path);
    states(path);
    held(path);
    fields(path);
    saturated(path);
    ragged();
    ways(path);
    return check_end();
}
