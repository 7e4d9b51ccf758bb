/* Loaders that meet damaged records, tight memory, forks, and options that don't go together. */
#include "loaders.h"

#define COUNT 60

/* A byte of field "x" of a record is changed. */
static void damage(const char *path, uint64_t number) {
    adit_record_reader *reader = open_records(path);
    adit_data *data = NULL;
    adit_tensor found;
    EXPECT_OK(adit_record_reader_get(reader, number, &found, 1, &err));
    EXPECT_OK(adit_record_reader_data(reader, &data, &err));
    const size_t at = (size_t)((const char *)found.data - (const char *)adit_data_bytes(data));
    adit_data_close(data);
    adit_record_reader_close(reader);
    flip(path, at);
}

static void damaged(void) {
    const char *path = write_numbers("damaged.arec", COUNT);
    damage(path, 13);
    damage(path, 14);
    for (uint32_t workers = 0; workers < 2; workers++) {
        adit_loader_options options = batches_of(10);
        options.order = ADIT_ORDER_SEQUENTIAL;
        options.flags = workers == 0 ? ADIT_LOADER_NO_THREADS : 0;
        adit_loader *loader = open_loader(path, &options);
        adit_batch *batch = next_batch(loader);
        adit_batch_release(batch);
        for (int turn = 0; turn < 2; turn++) {
            EXPECT_ERROR(adit_loader_next(loader, &batch, &err), ADIT_ERR_CHECKSUM, "record 13");
            CHECK(batch == NULL);
            CHECK_LAST_PATH(path);
            CHECK_LAST_INDEX(13);
        }
        /* The step isn't delivered: the state says so. */
        unsigned char state[ADIT_LOADER_STATE_BYTES];
        size_t len = 0;
        EXPECT_OK(adit_loader_state_save(loader, state, sizeof state, &len, &err));
        adit_loader_close(loader);

        const uint8_t *flags = NULL;
        size_t n = 0;
        options.bad_record = ADIT_BAD_RECORD_REPLACE;
        loader = open_loader(path, &options);
        EXPECT_OK(adit_loader_state_load(loader, state, len, &err));
        batch = next_batch(loader);
        const uint64_t *records = records_of(batch, 10);
        EXPECT_OK(adit_batch_flags(batch, &flags, &n, &err));
        for (uint64_t row = 0; row < 10; row++) {
            const bool is_bad = row == 3 || row == 4;
            CHECK_EQ(flags[row], is_bad ? ADIT_ROW_REPLACED : ADIT_ROW_SOUND);
            if (!is_bad) CHECK_EQ(records[row], 10 + row);
        }
        /* The first sound one 1, 2, 4... places on. */
        CHECK_EQ(records[3], 15);
        CHECK_EQ(records[4], 15);
        check_numbers(batch, 10);
        adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
        EXPECT_OK(adit_loader_get_stats(loader, &stats, &err));
        CHECK_EQ(stats.replaced, 2);
        CHECK_EQ(stats.steps, 1);
        adit_batch_release(batch);
        adit_loader_close(loader);

        options.bad_record = ADIT_BAD_RECORD_MASK;
        loader = open_loader(path, &options);
        adit_batch_release(next_batch(loader));
        batch = next_batch(loader);
        EXPECT_OK(adit_batch_flags(batch, &flags, &n, &err));
        const adit_tensor x = tensor_of(batch, "x"), label = tensor_of(batch, "label");
        for (int row = 0; row < 10; row++) {
            const bool is_bad = row == 3 || row == 4;
            CHECK_EQ(flags[row], is_bad ? ADIT_ROW_MASKED : ADIT_ROW_SOUND);
            CHECK(((const float *)x.data)[4 * row + 3] == (is_bad ? 0.0f : 103 + 10 * (float)row));
            CHECK_INT(((const int32_t *)label.data)[row], is_bad ? 0 : 10 + row);
        }
        EXPECT_OK(adit_loader_get_stats(loader, &stats, &err));
        CHECK_EQ(stats.masked, 2);
        adit_batch_release(batch);
        adit_loader_close(loader);

        /* Without checks nobody looks. */
        options.bad_record = ADIT_BAD_RECORD_FAIL;
        options.check = ADIT_RECORD_CHECK_NEVER;
        loader = open_loader(path, &options);
        adit_batch_release(next_batch(loader));
        adit_batch_release(next_batch(loader));
        adit_loader_close(loader);
    }
}

static void refused(const char *path) {
    adit_record_reader *reader = open_records(path);
    adit_loader *loader = NULL;
#define REFUSED(change, status, text) \
    do { \
        adit_loader_options own = batches_of(10); \
        change; \
        EXPECT_ERROR(adit_loader_open(reader, &own, &loader, &err), status, text); \
        CHECK(loader == NULL); \
    } while (0)
    REFUSED(own.batch = 0, ADIT_ERR_INVALID_ARGUMENT, "batch");
    REFUSED(own.rank = 1, ADIT_ERR_INVALID_ARGUMENT, "rank");
    REFUSED((own.world = 4, own.rank = 4), ADIT_ERR_INVALID_ARGUMENT, "rank");
    REFUSED(own.order = 2, ADIT_ERR_INVALID_ARGUMENT, "adit_order");
    REFUSED(own.uneven = 3, ADIT_ERR_INVALID_ARGUMENT, "adit_uneven");
    REFUSED(own.cache = 3, ADIT_ERR_INVALID_ARGUMENT, "adit_cache");
    REFUSED(own.io = 4, ADIT_ERR_INVALID_ARGUMENT, "adit_io");
    REFUSED(own.check = 3, ADIT_ERR_INVALID_ARGUMENT, "adit_record_check");
    REFUSED(own.bad_record = 3, ADIT_ERR_INVALID_ARGUMENT, "adit_bad_record");
    REFUSED(own.flags = 8, ADIT_ERR_UNSUPPORTED, "options->flags");
    REFUSED(own.workers = 5000, ADIT_ERR_INVALID_ARGUMENT, "5000");
    REFUSED((own.workers = 2, own.flags = ADIT_LOADER_NO_THREADS), ADIT_ERR_INVALID_ARGUMENT,
            "ADIT_LOADER_NO_THREADS");
    REFUSED(own.memory_budget = 100, ADIT_ERR_OUT_OF_RANGE, "memory_budget");
    adit_loader_fields *fields = NULL;
    EXPECT_OK(adit_loader_fields_new(&fields, &err));
    EXPECT_OK(adit_loader_fields_add(fields, "nobody", 0, 0, 0, &err));
    REFUSED(own.fields = fields, ADIT_ERR_INVALID_ARGUMENT, "no field \"nobody\"");
    adit_loader_fields_free(fields);
#undef REFUSED
    adit_record_reader_close(reader);
}

/* Rank and world from a launcher's variables, where they are asked for. */
static void environment(const char *path) {
    adit_record_reader *reader = open_records(path);
    adit_loader *loader = NULL;
    adit_loader_options options = batches_of(12);
    options.order = ADIT_ORDER_SEQUENTIAL;
    options.flags = ADIT_LOADER_FROM_ENVIRONMENT;
    const char *const names[] = { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK",
                                  "PMI_SIZE", "PMIX_RANK", "SLURM_PROCID", "SLURM_NTASKS", "RANK",
                                  "WORLD_SIZE" };
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++) unsetenv(names[at]);
    EXPECT_ERROR(adit_loader_open(reader, &options, &loader, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "OMPI_COMM_WORLD_RANK");
    setenv("RANK", "2", 1);
    setenv("WORLD_SIZE", "3", 1);
    EXPECT_OK(adit_loader_open(reader, &options, &loader, &err));
    adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
    EXPECT_OK(adit_loader_get_stats(loader, &stats, &err));
    CHECK_EQ(stats.rank, 2);
    CHECK_EQ(stats.world, 3);
    adit_batch *batch = next_batch(loader);
    CHECK_EQ(records_of(batch, 4)[0], 8);
    adit_batch_release(batch);
    adit_loader_close(loader);
    setenv("OMPI_COMM_WORLD_RANK", "1", 1);
    setenv("OMPI_COMM_WORLD_SIZE", "3", 1);
    EXPECT_ERROR(adit_loader_open(reader, &options, &loader, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "OMPI_COMM_WORLD_RANK");
    CHECK_IN(last.message, "RANK");
    options.rank = 1;
    EXPECT_ERROR(adit_loader_open(reader, &options, &loader, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "must be 0");
    adit_record_reader_close(reader);
}

/* A child uses nothing of a loader that it inherited, and lets go of all of it. */
static void forked(const char *path) {
    /* What the parent's threads may be at is left alone, which valgrind calls lost. */
    if (getenv("ADIT_TEST_VALGRIND") != NULL) return;
    adit_loader_options options = batches_of(10);
    options.workers = 2;
    adit_loader *loader = open_loader(path, &options);
    adit_batch *batch = next_batch(loader), *more = NULL;
    const pid_t child = check_fork();
    if (child == 0) {
        unsigned char state[ADIT_LOADER_STATE_BYTES] = {0};
        size_t len = 0;
        adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
        EXPECT_ERROR(adit_loader_next(loader, &more, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_loader_set_epoch(loader, 3, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_loader_get_stats(loader, &stats, &err), ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_loader_state_save(loader, state, sizeof state, &len, &err),
                     ADIT_ERR_FORKED, "parent");
        EXPECT_ERROR(adit_loader_state_load(loader, state, len, &err), ADIT_ERR_FORKED, "parent");
        check_numbers(batch, 10);
        adit_batch_release(batch);
        adit_loader_close(loader);
        loader = open_loader(path, &options);
        adit_batch_release(next_batch(loader));
        adit_loader_close(loader);
        child_ends();
    }
    check_child(child);
    adit_batch_release(batch);
    for (int step = 1; step < 6; step++) {
        batch = next_batch(loader);
        check_numbers(batch, 10);
        adit_batch_release(batch);
    }
    ends(loader);
    adit_loader_close(loader);
}

/* A file cut while it is read is a status, and the loader ends at any time. */
static void cut(void) {
    const char *path = write_numbers("cut.arec", COUNT);
    adit_loader_options options = batches_of(10);
    adit_loader *loader = open_loader(path, &options);
    adit_batch *batch = NULL;
    CHECK_INT(truncate(path, 5000), 0);
    adit_status status = ADIT_OK;
    for (int step = 0; step < 6 && status == ADIT_OK; step++) {
        err = NULL;
        status = adit_loader_next(loader, &batch, &err);
        if (status == ADIT_OK) adit_batch_release(batch);
    }
    CHECK_INT(status, ADIT_ERR_TRUNCATED);
    CHECK_STR(adit_error_path(err), path);
    adit_error_free(err);
    adit_loader_close(loader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const char *path = write_numbers("numbers.arec", COUNT);
    damaged();
    refused(path);
    environment(path);
    forked(path);
    cut();
    return check_end();
}
