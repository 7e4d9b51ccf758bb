/* Handles used by many threads at once, and closed in every order. */
#include "check.h"

#include <pthread.h>

#define THREADS 8
#define TURNS (getenv("ADIT_TEST_VALGRIND") != NULL ? 20 : 300)

static adit_data *data;
static adit_record_reader *reader;
static adit_record_schema *schema;
static adit_array *array;
static pthread_barrier_t start;

static uint64_t next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

/* Everything that takes a const handle, on the same handles as all other threads. */
static void *share(void *seed) {
    uint64_t state = (uint64_t)(uintptr_t)seed;
    const int turns = TURNS;
    pthread_barrier_wait(&start);
    for (int turn = 0; turn < turns; turn++) {
        adit_tensor tensors[2], tensor;
        uint64_t indices[16], freed;
        float floats[16];
        char bytes[64];
        int64_t dims[8];
        size_t ndim;
        uint64_t index = next(&state) % 10000;
        EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
        const float *input = (const float *)tensors[0].data;
        CHECK(*input == (float)index * 0.25f);
        for (int at = 0; at < 16; at++) indices[at] = next(&state) % 10000;
        adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
        options.io = (int32_t)(next(&state) % 3);
        EXPECT_OK(adit_record_reader_gather(reader, 0, indices, 16, floats, sizeof floats, &options,
                                            &tensor, &err));
        for (int at = 0; at < 16; at++) CHECK(floats[at] == (float)indices[at] * 0.25f);
        EXPECT_OK(adit_record_reader_shape(reader, index, 0, dims, 8, &ndim, &err));
        CHECK(ndim == 1 && dims[0] == 1);
        uint64_t offset = next(&state) % (adit_data_len(data) - sizeof bytes);
        EXPECT_OK(adit_data_read(data, offset, sizeof bytes, bytes, &err));
        CHECK_BYTES((const char *)adit_data_bytes(data) + offset, bytes, sizeof bytes);
        EXPECT_OK(adit_data_prefetch(data, offset, ADIT_TO_END, &err));
        EXPECT_OK(adit_data_advise(data, offset, 1, (int32_t)(next(&state) % 4), &err));
        if (turn % 16 == 0) {
            adit_residency residency = ADIT_RESIDENCY_INIT;
            EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, (uint32_t)turn / 16 % 2, &freed, &err));
            EXPECT_OK(adit_data_residency(data, 0, ADIT_TO_END, &residency, &err));
        }
        EXPECT_OK(adit_data_status(data, &err));
        EXPECT_ERROR(adit_record_reader_get(reader, 10000 + index, tensors, 2, &err),
                     ADIT_ERR_OUT_OF_RANGE, "record");
        CHECK_LAST_INDEX(10000 + index);
        adit_record_field field = ADIT_RECORD_FIELD_INIT;
        EXPECT_OK(adit_record_schema_field(schema, 1, &field, &err));
        CHECK_STR(field.name, "target");
        adit_array_info info = ADIT_ARRAY_INFO_INIT;
        EXPECT_OK(adit_array_tensor(array, &tensor, &err));
        EXPECT_OK(adit_array_get_info(array, &info, &err));
        CHECK_EQ(info.nbytes, tensor.nbytes);
        if (turn % 32 == 0) {
            adit_data *own = NULL;
            adit_record_schema *told = NULL;
            adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
            EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, &found, &err));
            CHECK_EQ(found.records, 10000);
            EXPECT_OK(adit_record_reader_data(reader, &own, &err));
            EXPECT_OK(adit_record_reader_schema(reader, &told, &err));
            CHECK_STR(adit_data_path(own), adit_data_path(data));
            adit_record_schema_free(told);
            adit_data_close(own);
        }
        CHECK_STR(adit_dtype_name(ADIT_DTYPE_F32), "f32");
        CHECK_IN(adit_build_info(), "adit");
    }
    return NULL;
}

static void run(void *(*body)(void *), int count) {
    pthread_t threads[THREADS];
    for (int at = 0; at < count; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, body, (void *)(uintptr_t)(at + 1)), 0);
    for (int at = 0; at < count; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
}

static void shared(void) {
    const char *path = data_path("rrec/many_tiny_10k.rrec");
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    CHECK_INT(pthread_barrier_init(&start, NULL, THREADS), 0);
    run(share, THREADS);
    pthread_barrier_destroy(&start);
    adit_record_schema_free(schema);
    adit_array_close(array);
    adit_record_reader_close(reader);
    adit_data_close(data);
}

/* Each thread writes a file of its own, of the same path as the others. */
static void *write_one(void *number) {
    const float value = (float)(uintptr_t)number;
    const int64_t shape[] = { 1 };
    adit_tensor tensors[2];
    for (int at = 0; at < 2; at++)
        EXPECT_OK(adit_tensor_init(&tensors[at], &value, ADIT_DTYPE_F32, 1, shape, &err));
    for (int turn = 0; turn < 5; turn++) {
        adit_record_writer *writer = NULL;
        adit_record_reader *own = NULL;
        adit_tensor lent[2];
        const char *path = scratch_path("raced.rrec");
        EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
        for (int record = 0; record < 100; record++)
            EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
        EXPECT_OK(adit_record_writer_finish(writer, &err));
        adit_record_writer_close(writer);
        /* Whose it is, is chance; whole it is. */
        EXPECT_OK(adit_record_reader_open(path, NULL, &own, &err));
        CHECK_EQ(adit_record_reader_len(own), 100);
        EXPECT_OK(adit_record_reader_get(own, 0, lent, 2, &err));
        const float first = *(const float *)lent[0].data;
        for (uint64_t index = 0; index < 100; index++) {
            EXPECT_OK(adit_record_reader_get(own, index, lent, 2, &err));
            CHECK(*(const float *)lent[1].data == first);
        }
        adit_record_reader_close(own);
    }
    return NULL;
}

/* Which handle holds the bytes is nobody's business: closed in every order, by other threads. */
typedef struct holders {
    adit_data *data, *from_reader, *from_array;
    adit_record_reader *reader, *second;
    adit_tensor tensors[2];
    int released;
} holders;

static void ADIT_CALL count_release(void *ctx, const void *bytes, uint64_t len) {
    holders *own = (holders *)ctx;
    CHECK(bytes != NULL && len == 832);
    own->released++;
}

static void *close_one(void *argument) {
    void **what = (void **)argument;
    holders *own = (holders *)what[0];
    switch (*(int *)what[1]) {
    case 0: adit_data_close(own->data); break;
    case 1: adit_record_reader_close(own->reader); break;
    case 2: adit_record_reader_close(own->second); break;
    default: adit_data_close(own->from_reader); break;
    }
    return NULL;
}

static void close_orders(void) {
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("rrec/basic_3x4.rrec"), &len);
    for (int order = 0; order < 24; order++) {
        holders own;
        int left[4] = { 0, 1, 2, 3 }, rest = order;
        memset(&own, 0, sizeof own);
        EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_BORROW, count_release, &own, &own.data,
                                       &err));
        EXPECT_OK(adit_record_reader_from_data(own.data, NULL, &own.reader, &err));
        EXPECT_OK(adit_record_reader_data(own.reader, &own.from_reader, &err));
        EXPECT_OK(adit_record_reader_from_data(own.from_reader, NULL, &own.second, &err));
        EXPECT_OK(adit_record_reader_get(own.reader, 6, own.tensors, 2, &err));
        for (int closed = 0; closed < 4; closed++) {
            int pick = rest % (4 - closed);
            rest /= 4 - closed;
            CHECK_INT(own.released, 0);
            CHECK(*(const float *)own.tensors[1].data == 6.0f);
            void *argument[2] = { &own, &left[pick] };
            pthread_t thread;
            CHECK_INT(pthread_create(&thread, NULL, close_one, argument), 0);
            CHECK_INT(pthread_join(thread, NULL), 0);
            for (int at = pick; at < 3; at++) left[at] = left[at + 1];
        }
        CHECK_INT(own.released, 1);
    }
    free(bytes);
}

/* When adit_log_set returns, the callback before is no longer running. */
static int alive[2];

static void ADIT_CALL log_line(void *ctx, int32_t level, const char *message) {
    int *own = (int *)ctx;
    (void)level;
    (void)message;
    CHECK(__atomic_load_n(own, __ATOMIC_SEQ_CST) == 1);
}

static void *ADIT_CALL misaligned(void *ctx, size_t size, size_t align) {
    (void)size;
    (void)align;
    return (char *)ctx + 1;
}

static void ADIT_CALL nothing(void *ctx, void *memory, size_t size, size_t align) {
    (void)ctx;
    (void)memory;
    (void)size;
    (void)align;
}

static int logging;

static void *log_lines(void *unused) {
    static char memory[64];
    adit_allocator allocator = ADIT_ALLOCATOR_INIT(memory, misaligned, nothing);
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    const char *path = data_path("rrec/basic_3x4.rrec");
    options.backend = ADIT_BACKEND_READ;
    options.allocator = &allocator;
    while (__atomic_load_n(&logging, __ATOMIC_SEQ_CST)) {
        adit_data *own = NULL;
        CHECK_INT(adit_data_open(path, &options, &own, NULL), ADIT_ERR_OUT_OF_MEMORY);
    }
    return unused;
}

static void log_replaced(void) {
    pthread_t threads[4];
    logging = 1;
    for (int at = 0; at < 4; at++) CHECK_INT(pthread_create(&threads[at], NULL, log_lines, NULL), 0);
    const int turns = TURNS;
    for (int turn = 0; turn < turns; turn++) {
        int now = turn % 3;
        if (now < 2) __atomic_store_n(&alive[now], 1, __ATOMIC_SEQ_CST);
        EXPECT_OK(adit_log_set(now < 2 ? log_line : NULL, now < 2 ? &alive[now] : NULL,
                               ADIT_LOG_ERROR, &err));
        for (int other = 0; other < 2; other++)
            if (other != now) __atomic_store_n(&alive[other], 0, __ATOMIC_SEQ_CST);
    }
    EXPECT_OK(adit_log_set(NULL, NULL, ADIT_LOG_OFF, &err));
    __atomic_store_n(&logging, 0, __ATOMIC_SEQ_CST);
    for (int at = 0; at < 4; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
}

/* As little stack as threads have anywhere, but for what this file itself keeps per thread. */
static void *with_little_stack(void *unused) {
    adit_residency residency = ADIT_RESIDENCY_INIT;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    adit_gather_options gather = ADIT_GATHER_OPTIONS_INIT;
    adit_data *own = NULL;
    adit_record_reader *records = NULL;
    adit_array *numbers = NULL;
    const uint64_t indices[] = { 0, 1 };
    float floats[2];
    uint64_t freed;
    EXPECT_OK(adit_data_open(data_path("rrec/many_tiny_10k.rrec"), NULL, &own, &err));
    EXPECT_OK(adit_data_residency(own, 0, ADIT_TO_END, &residency, &err));
    EXPECT_OK(adit_data_release(own, 0, ADIT_TO_END, ADIT_RELEASE_PAGE_CACHE, &freed, &err));
    EXPECT_OK(adit_record_reader_from_data(own, NULL, &records, &err));
    EXPECT_OK(adit_record_reader_verify(records, NULL, NULL, NULL, &err));
    gather.io = ADIT_IO_READ;
    EXPECT_OK(adit_record_reader_gather(records, 0, indices, 2, floats, 8, &gather, NULL, &err));
    adit_record_reader_close(records);
    adit_data_close(own);
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &numbers, &err));
    adit_array_close(numbers);
    EXPECT_ERROR(adit_array_open(data_path("npy/bad_magic.npy"), NULL, &numbers, &err),
                 ADIT_ERR_WRONG_FORMAT, "NUMPX");
    EXPECT_OK(adit_record_recover(data_path("rrec/unfinished_zero_tail.rrec"),
                                  scratch_path("little.rrec"), NULL, NULL, NULL, NULL, &err));
    options.flags = ADIT_DATA_DECOMPRESS;
    EXPECT_OK(adit_data_open(data_path("compressed/basic_3x4.rrec.zst"), &options, &own, &err));
    adit_data_close(own);
    EXPECT_OK(adit_data_open(data_path("compressed/basic_3x4.rrec.gz"), &options, &own, &err));
    adit_data_close(own);
    return unused;
}

static void little_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK_INT(pthread_attr_init(&attributes), 0);
    CHECK_INT(pthread_attr_setstacksize(&attributes, (128 + 70) << 10), 0);
    CHECK_INT(pthread_create(&thread, &attributes, with_little_stack, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}

/* Handles closed, and calls made, while a thread or the process ends. */
static void close_late(void *handle) {
    adit_data *own = (adit_data *)handle;
    CHECK_INT(adit_data_status(own, NULL), ADIT_OK);
    CHECK_INT(adit_data_prefetch(own, 1000, 1, NULL), ADIT_ERR_OUT_OF_RANGE);
    adit_data_close(own);
}

static pthread_key_t key;
static adit_data *until_exit;

static void *leave(void *unused) {
    adit_data *own = NULL;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &own, &err));
    CHECK_INT(pthread_setspecific(key, own), 0);
    return unused;
}

static void at_exit(void) {
    close_late(until_exit);
}

static void late_calls(void) {
    CHECK_INT(pthread_key_create(&key, close_late), 0);
    run(leave, 2);
    pthread_key_delete(key);
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &until_exit, &err));
    CHECK_INT(atexit(at_exit), 0);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    shared();
    run(write_one, THREADS);
    close_orders();
    log_replaced();
    little_stack();
    late_calls();
    return check_end();
}
