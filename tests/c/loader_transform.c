/* Transforms: on the loader's threads and the caller's, with seeds, failures and allocators. */
#include "loaders.h"

#include <pthread.h>

#define COUNT 60

typedef struct work {
    pthread_mutex_t lock;
    uint64_t seeds[COUNT];
    int calls[COUNT];
    bool on_caller, is_elsewhere;
    pthread_t caller;
    uint64_t bad;
} work;

/* Sums x, and hands the label and the seed on. */
static int ADIT_CALL sum(void *ctx, uint64_t record, uint64_t seed, const adit_tensor *inputs,
                         size_t n_inputs, const adit_tensor *outputs, size_t n_outputs) {
    work *own = (work *)ctx;
    if (n_inputs != 2 || n_outputs != 2 || record >= COUNT) return -1;
    if (inputs[0].dtype != ADIT_DTYPE_F32 || inputs[0].shape[0] != 4 || inputs[1].ndim != 0)
        return -2;
    if (outputs[0].dtype != ADIT_DTYPE_F64 || outputs[0].nbytes != 16 || outputs[1].ndim != 0)
        return -3;
    pthread_mutex_lock(&own->lock);
    /* Without threads the first call is of the first epoch; else the next one is filled ahead. */
    if (own->calls[record]++ == 0) own->seeds[record] = seed;
    if (!pthread_equal(pthread_self(), own->caller)) own->is_elsewhere = true;
    pthread_mutex_unlock(&own->lock);
    if (record == own->bad) return 17;
    double *total = (double *)(uintptr_t)outputs[0].data;
    const float *x = (const float *)inputs[0].data;
    total[0] = (double)x[0] + (double)x[1] + (double)x[2] + (double)x[3];
    total[1] = (double)record;
    memcpy((void *)(uintptr_t)outputs[1].data, &seed, 8);
    return 0;
}

static adit_loader_options transforming(work *own, adit_loader_fields **fields) {
    adit_loader_options options = batches_of(10);
    const int64_t two[] = { 2 };
    memset(own, 0, sizeof *own);
    CHECK_INT(pthread_mutex_init(&own->lock, NULL), 0);
    own->caller = pthread_self();
    own->bad = UINT64_MAX;
    EXPECT_OK(adit_loader_fields_new(fields, &err));
    EXPECT_OK(adit_loader_fields_add_output(*fields, "total", ADIT_DTYPE_F64, 1, two, &err));
    EXPECT_OK(adit_loader_fields_add_output(*fields, "seed", ADIT_DTYPE_U64, 0, NULL, &err));
    options.fields = *fields;
    options.transform = sum;
    options.transform_ctx = own;
    return options;
}

static void epochs(const char *path) {
    uint64_t first[COUNT] = { 0 };
    for (uint32_t workers = 0; workers < 3; workers++) {
        work own;
        adit_loader_fields *fields = NULL;
        adit_loader_options options = transforming(&own, &fields);
        options.workers = workers;
        if (workers == 0) options.flags = ADIT_LOADER_NO_THREADS;
        adit_loader *loader = open_loader(path, &options);
        for (int step = 0; step < 6; step++) {
            adit_batch *batch = next_batch(loader);
            const uint64_t *records = records_of(batch, 10);
            CHECK_EQ(adit_batch_len(batch), 2);
            const adit_tensor total = tensor_of(batch, "total"), seed = tensor_of(batch, "seed");
            for (int row = 0; row < 10; row++) {
                const double *values = (const double *)total.data + 2 * row;
                CHECK(values[0] == 40 * (double)records[row] + 6);
                CHECK(values[1] == (double)records[row]);
                /* Seeds follow from seed, epoch and record alone. */
                const uint64_t *wanted = workers == 0 ? own.seeds : first;
                CHECK_EQ(((const uint64_t *)seed.data)[row], wanted[records[row]]);
            }
            adit_batch_release(batch);
        }
        ends(loader);
        adit_loader_close(loader);
        for (int at = 0; at < COUNT; at++) CHECK(own.calls[at] >= 1);
        CHECK(own.is_elsewhere == (workers > 0));
        /* And they differ. */
        if (workers == 0) {
            memcpy(first, own.seeds, sizeof first);
            for (int at = 0; at < COUNT; at++)
                for (int other = 0; other < at; other++) CHECK(first[at] != first[other]);
        }
        adit_loader_fields_free(fields);
    }
}

/* A transform that fails is told, masked or replaced, as a damaged record is. */
static void failures(const char *path) {
    for (uint32_t workers = 0; workers < 2; workers++) {
        work own;
        adit_loader_fields *fields = NULL;
        adit_loader_options options = transforming(&own, &fields);
        options.order = ADIT_ORDER_SEQUENTIAL;
        options.flags = workers == 0 ? ADIT_LOADER_NO_THREADS : 0;
        own.bad = 13;
        adit_loader *loader = open_loader(path, &options);
        adit_batch *batch = next_batch(loader);
        adit_batch_release(batch);
        EXPECT_ERROR(adit_loader_next(loader, &batch, &err), ADIT_ERR_CALLBACK, "record 13");
        CHECK_LAST_INDEX(13);
        CHECK_INT(last.os_code, 17);
        EXPECT_ERROR(adit_loader_next(loader, &batch, &err), ADIT_ERR_CALLBACK, "record 13");
        adit_loader_close(loader);
        options.bad_record = ADIT_BAD_RECORD_MASK;
        loader = open_loader(path, &options);
        adit_batch_release(next_batch(loader));
        batch = next_batch(loader);
        const uint8_t *flags = NULL;
        size_t n = 0;
        EXPECT_OK(adit_batch_flags(batch, &flags, &n, &err));
        CHECK_EQ(flags[3], ADIT_ROW_MASKED);
        CHECK_EQ(flags[4], ADIT_ROW_SOUND);
        const adit_tensor total = tensor_of(batch, "total");
        CHECK(((const double *)total.data)[6] == 0 && ((const double *)total.data)[7] == 0);
        CHECK(((const double *)total.data)[9] == 14);
        adit_batch_release(batch);
        adit_loader_close(loader);
        adit_loader_fields_free(fields);
    }
}

typedef struct counted {
    pthread_mutex_t lock;
    size_t bytes, most;
    int blocks;
} counted;

static void *ADIT_CALL give(void *ctx, size_t size, size_t align) {
    counted *own = (counted *)ctx;
    void *memory = NULL;
    if (posix_memalign(&memory, align, size) != 0) return NULL;
    pthread_mutex_lock(&own->lock);
    own->bytes += size;
    own->blocks++;
    if (own->bytes > own->most) own->most = own->bytes;
    pthread_mutex_unlock(&own->lock);
    return memory;
}

static void ADIT_CALL take(void *ctx, void *memory, size_t size, size_t align) {
    counted *own = (counted *)ctx;
    (void)align;
    pthread_mutex_lock(&own->lock);
    own->bytes -= size;
    own->blocks--;
    pthread_mutex_unlock(&own->lock);
    free(memory);
}

/* Batches' memory is the caller's, and all of it goes back. */
static void memory(const char *path) {
    counted own;
    memset(&own, 0, sizeof own);
    CHECK_INT(pthread_mutex_init(&own.lock, NULL), 0);
    const adit_allocator allocator = ADIT_ALLOCATOR_INIT(&own, give, take);
    adit_loader_options options = batches_of(10);
    options.allocator = &allocator;
    adit_loader *loader = open_loader(path, &options);
    adit_batch *batch = next_batch(loader);
    CHECK(own.most >= 200 && own.blocks > 0);
    adit_loader_close(loader);
    check_numbers(batch, 10);
    CHECK(own.blocks > 0);
    adit_batch_release(batch);
    CHECK_EQ(own.bytes, 0);
    CHECK_INT(own.blocks, 0);
}

static void refused(const char *path) {
    work own;
    adit_loader_fields *fields = NULL;
    adit_loader_options options = transforming(&own, &fields);
    adit_record_reader *reader = open_records(path);
    adit_loader *loader = NULL;
    options.transform = NULL;
    EXPECT_ERROR(adit_loader_open(reader, &options, &loader, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "no transform");
    options.transform = sum;
    options.fields = NULL;
    EXPECT_ERROR(adit_loader_open(reader, &options, &loader, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "output");
    const int64_t negative[] = { -1 }, ones[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    EXPECT_ERROR(adit_loader_fields_add_output(fields, "total", ADIT_DTYPE_F64, 0, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "\"total\" was added before");
    EXPECT_ERROR(adit_loader_fields_add_output(fields, "a", ADIT_DTYPE_F64, 1, negative, &err),
                 ADIT_ERR_SHAPE, "-1");
    EXPECT_ERROR(adit_loader_fields_add_output(fields, "a", ADIT_DTYPE_F64, 8, ones, &err),
                 ADIT_ERR_SHAPE, "8");
    EXPECT_ERROR(adit_loader_fields_add_output(fields, "a", 0, 1, ones, &err), ADIT_ERR_DTYPE, "0");
    adit_loader_fields_free(fields);
    adit_loader_fields_free(NULL);
    adit_record_reader_close(reader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const char *path = write_numbers("numbers.arec", COUNT);
    epochs(path);
    failures(path);
    memory(path);
    refused(path);
    return check_end();
}
