/* Uploads that are refused or fail, and what the device is good for then. */
#include "gpus.h"
#include "load_files.h"

#include <sys/resource.h>

enum { SIZE = 8 << 20 };

static adit_load_item_options into(const adit_gpu_buffer *buffer, uint64_t offset) {
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    options.gpu_buffer = buffer;
    options.gpu_offset = offset;
    return options;
}

/* It still does what it is told. */
static void goes_on(const adit_gpu *gpu) {
    adit_gpu_buffer *buffer = new_buffer(gpu, 1000);
    EXPECT_OK(adit_gpu_status(gpu, &err));
    EXPECT_OK(adit_gpu_upload(buffer, 500, "goes on", 8, NULL, &err));
    check_buffer(buffer, 500, "goes on", 8);
    adit_gpu_buffer_free(buffer);
}

/* What can't be an item is told when it is added. */
static void refused_items(const adit_gpu *gpu) {
    adit_data *data = open_data(load_file("refused"));
    adit_gpu_buffer *buffer = new_buffer(gpu, 1000);
    adit_load_items *items = new_items(), *plain = new_items();
    adit_load_item_options options = into(buffer, 0);
    const int64_t shape[] = { 5 };
    float memory[8];
#define REFUSED(list, status, text) \
    do { \
        const size_t len = adit_load_items_len(list); \
        EXPECT_ERROR(adit_load_items_add_data(list, data, 0, ADIT_DTYPE_U8, 1, shape, &options, &err), \
                     status, text); \
        CHECK_EQ(adit_load_items_len(list), len); \
        options = into(buffer, 0); \
    } while (0)
    options.dst = memory;
    options.dst_bytes = sizeof memory;
    REFUSED(items, ADIT_ERR_INVALID_ARGUMENT, "options->dst and options->gpu_buffer");
    options.gpu_buffer = NULL;
    options.gpu_offset = 4;
    REFUSED(items, ADIT_ERR_INVALID_ARGUMENT, "options->gpu_buffer is NULL");
    options.reserved[1] = 1;
    REFUSED(items, ADIT_ERR_UNSUPPORTED, "reserved");
    options.gpu_buffer = NULL;
    options.flags = ADIT_LOAD_CONVERT_ON_HOST;
    REFUSED(items, ADIT_ERR_INVALID_ARGUMENT, "without a gpu_buffer");
    options.flags = ADIT_LOAD_CONVERT_ON_HOST << 1;
    REFUSED(items, ADIT_ERR_UNSUPPORTED, "options->flags");
    options.dtype = ADIT_DTYPE_Q8_0;
    REFUSED(items, ADIT_ERR_DTYPE, "no conversion from u8");
    options.row_start = 6;
    REFUSED(items, ADIT_ERR_OUT_OF_RANGE, "item 0");

    /* One kind of items a list. */
    EXPECT_OK(adit_load_items_add_data(items, data, 0, ADIT_DTYPE_U8, 1, shape, &options, &err));
    EXPECT_OK(adit_load_items_add_data(plain, data, 0, ADIT_DTYPE_U8, 1, shape, NULL, &err));
    REFUSED(plain, ADIT_ERR_INVALID_ARGUMENT, "options->gpu_buffer is set");
    options.gpu_buffer = NULL;
    REFUSED(items, ADIT_ERR_INVALID_ARGUMENT, "options->gpu_buffer is NULL");

    /* And a call for each. */
    adit_arena *arena = (adit_arena *)(void *)CHECK_GARBAGE;
    adit_sink sink = ADIT_SINK_INIT;
    adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
    EXPECT_ERROR(adit_load(items, NULL, &arena, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "adit_gpu_upload_items");
    CHECK(arena == NULL);
    EXPECT_ERROR(adit_load_to_sink(items, &sink, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "adit_gpu_upload_items");
    EXPECT_ERROR(adit_gpu_upload_items(plain, NULL, NULL, &ticket, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "no items with a gpu_buffer");
    CHECK(ticket == NULL);
    adit_load_items *empty = new_items();
    EXPECT_ERROR(adit_gpu_upload_items(empty, NULL, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "no items with a gpu_buffer");
    adit_load_items_free(empty);
    adit_load_items_free(items);
    adit_load_items_free(plain);
    adit_gpu_buffer_free(buffer);
    adit_data_close(data);
}

/* Two items at these places: the second's number is told. */
static void places(const adit_gpu *gpu, const adit_gpu *other) {
    static const uint64_t bad[][3] = { { 0, 4, 5 }, { 0, 0, 1 }, { 0, 8, 9 }, { 8, 4, 5 }, { 8, 8, 8 } };
    adit_gpu_buffer *buffer = new_buffer(gpu, 100), *foreign = new_buffer(other, 100);
    unsigned char bytes[16];
    memset(bytes, 7, sizeof bytes);
    fill_buffer(buffer, 0xcc);
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        adit_load_items *items = new_items();
        for (size_t number = 0; number < 2; number++) {
            adit_tensor tensor;
            const int64_t len[] = { number == 0 ? (int64_t)bad[at][2] : 5 };
            const adit_load_item_options options = into(buffer, bad[at][number]);
            EXPECT_OK(adit_tensor_init(&tensor, bytes, ADIT_DTYPE_U8, 1, len, &err));
            EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
        }
        EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err),
                     ADIT_ERR_INVALID_ARGUMENT, "overlap");
        CHECK(last.has_index && last.index < 2);
        adit_load_items_free(items);
    }
    static const uint64_t outside[] = { 96, 100, 1000, UINT64_MAX - 3 };
    for (size_t at = 0; at < sizeof outside / sizeof outside[0]; at++) {
        adit_load_items *items = new_items();
        adit_tensor tensor;
        const int64_t len[] = { 5 };
        adit_load_item_options options = into(buffer, 0);
        EXPECT_OK(adit_tensor_init(&tensor, bytes, ADIT_DTYPE_U8, 1, len, &err));
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
        options.gpu_offset = outside[at];
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
        EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err), ADIT_ERR_OUT_OF_RANGE,
                     "buffer of 100");
        CHECK_LAST_INDEX(1);
        adit_load_items_free(items);
        EXPECT_ERROR(adit_gpu_upload(buffer, outside[at], bytes, 5, NULL, &err),
                     ADIT_ERR_OUT_OF_RANGE, "buffer of 100");
        CHECK_LAST_OFFSET(outside[at]);
        EXPECT_ERROR(adit_gpu_download(buffer, outside[at], bytes, 5, &err), ADIT_ERR_OUT_OF_RANGE,
                     "buffer of 100");
    }
    for (uint64_t off = 1; off < 4; off++) {
        adit_load_items *items = new_items();
        adit_tensor tensor;
        const int64_t len[] = { 5 };
        const adit_load_item_options options = into(buffer, off);
        EXPECT_OK(adit_tensor_init(&tensor, bytes, ADIT_DTYPE_U8, 1, len, &err));
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
        EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err),
                     ADIT_ERR_INVALID_ARGUMENT, "multiples of 4");
        CHECK_LAST_INDEX(0);
        adit_load_items_free(items);
        EXPECT_ERROR(adit_gpu_upload(buffer, off, bytes, 4, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                     "multiples of 4");
    }
    /* One device a call. */
    adit_load_items *items = new_items();
    const adit_gpu_buffer *both[] = { buffer, foreign };
    for (size_t at = 0; at < 2; at++) {
        adit_tensor tensor;
        const int64_t len[] = { 5 };
        const adit_load_item_options options = into(both[at], 0);
        EXPECT_OK(adit_tensor_init(&tensor, bytes, ADIT_DTYPE_U8, 1, len, &err));
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
    }
    EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "device");
    CHECK_LAST_INDEX(1);
    adit_load_items_free(items);
    check_byte(buffer, 0, 100, 0xcc);
    adit_gpu_buffer_free(buffer);
    adit_gpu_buffer_free(foreign);
}

typedef struct cutter {
    const char *path;
} cutter;

static int ADIT_CALL cut(void *ctx, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    CHECK_INT(truncate(((const cutter *)ctx)->path, BULK_AT + (3 << 20)), 0);
    return 0;
}

/* A file that is cut, during the upload or before: its path, and where it ends. */
static void truncated(const adit_gpu *gpu) {
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    for (uint32_t way = 0; way < 4; way++) {
        const char *path = load_file("cut");
        adit_data *data = open_data(path);
        adit_load_items *items = new_items();
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
        const adit_load_item_options halves = into(buffer, 0), bulk = into(buffer, 1 << 20);
        cutter own = { path };
        add_halves(items, data, &halves);
        add_bulk(items, data, &bulk);
        options.threads = 1 + way % 2;
        options.flags = way / 2 ? ADIT_LOAD_DIRECT : 0;
        options.progress = cut;
        options.progress_ctx = &own;
        EXPECT_ERROR(adit_gpu_upload_items(items, &options, &stats, &ticket, &err),
                     ADIT_ERR_TRUNCATED, "item 1: ");
        CHECK_LAST_PATH(path);
        CHECK_LAST_INDEX(1);
        CHECK(last.has_offset && last.offset >= BULK_AT);
        CHECK(ticket == NULL);
        CHECK_EQ(stats.bytes, 0);
        EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err), ADIT_ERR_TRUNCATED,
                     "was cut");
        CHECK_LAST_PATH(path);
        goes_on(gpu);
        adit_load_items_free(items);
        adit_data_close(data);
    }
    adit_gpu_buffer_free(buffer);
}

static void too_large(const adit_gpu *gpu) {
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    char limit[32];
    EXPECT_OK(adit_gpu_get_info(gpu, &info, &err));
    snprintf(limit, sizeof limit, "%" PRIu64, info.buffer_bytes / 4 * 4);
    EXPECT_ERROR(adit_gpu_buffer_create(gpu, info.buffer_bytes + 1, &buffer, &err),
                 ADIT_ERR_OUT_OF_RANGE, limit);
    CHECK(buffer == NULL);
    CHECK_IN(last.message, info.name);
    EXPECT_ERROR(adit_gpu_buffer_create(gpu, UINT64_MAX, &buffer, &err), ADIT_ERR_OUT_OF_RANGE,
                 limit);
    goes_on(gpu);
}

/* The bytes of this process's address space. */
static rlim_t address_space(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) CHECK_FAIL("/proc/self/statm");
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Memory runs out on the card, which is the host's here; the device survives. */
static void out_of_memory(const adit_gpu *gpu) {
    struct rlimit before, tight;
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    CHECK_INT(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = address_space() + (256 << 20);
    CHECK_INT(setrlimit(RLIMIT_AS, &tight), 0);
    EXPECT_ERROR(adit_gpu_buffer_create(gpu, 1 << 30, &buffer, &err), ADIT_ERR_OUT_OF_MEMORY,
                 "a buffer of 1073741824 bytes");
    CHECK_IN(last.message, "llvmpipe");
    CHECK(buffer == NULL);
    goes_on(gpu);
    /* As often as one likes. */
    for (int at = 0; at < 20; at++)
        EXPECT_ERROR(adit_gpu_buffer_create(gpu, 1 << 30, &buffer, &err), ADIT_ERR_OUT_OF_MEMORY,
                     "out of memory");
    CHECK_INT(setrlimit(RLIMIT_AS, &before), 0);
    goes_on(gpu);
}

/* A child has nothing of it, but can close it; the parent goes on. */
static void forks(int32_t path) {
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, 1000);
    adit_gpu_ticket *ticket = NULL;
    EXPECT_OK(adit_gpu_upload(buffer, 0, "before", 7, &ticket, &err));
    adit_model *model = NULL;
    EXPECT_OK(adit_model_open(data_path("safetensors/model_small.safetensors"), NULL, &model, &err));
    adit_gpu_buffer *target = new_buffer(gpu, 100000);
    adit_load_items *items = NULL;
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    options.gpu_buffer = target;
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_load_items_add_model(items, model, 0, &options, &err));
    const pid_t child = check_fork();
    if (child == 0) {
        char bytes[8];
        bool done = true;
        adit_gpu *own = NULL;
        adit_gpu_buffer *another = NULL;
        adit_gpu_model *uploaded = NULL;
        adit_gpu_vulkan native = ADIT_GPU_VULKAN_INIT;
        uint64_t handle = 0;
        EXPECT_ERROR(adit_gpu_status(gpu, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_wait(gpu, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_open(NULL, &own, &err), ADIT_ERR_FORKED, "had a GPU open");
        CHECK(own == NULL);
        EXPECT_ERROR(adit_gpu_buffer_create(gpu, 1000, &another, &err), ADIT_ERR_FORKED, "fork");
        CHECK(another == NULL);
        EXPECT_ERROR(adit_gpu_upload(buffer, 0, "child", 6, NULL, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_download(buffer, 0, bytes, 7, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_native(gpu, &native, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_buffer_native(buffer, &handle, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_convert(buffer, 0, ADIT_DTYPE_F16, target, 0, ADIT_DTYPE_F32, 8, NULL,
                                      &err),
                     ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_upload_items(items, NULL, NULL, NULL, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_upload_model(gpu, model, NULL, NULL, &uploaded, NULL, &err),
                     ADIT_ERR_FORKED, "fork");
        adit_load_items_free(items);
        adit_model_close(model);
        adit_gpu_buffer_free(target);
        EXPECT_ERROR(adit_gpu_ticket_wait(ticket, 0, &err), ADIT_ERR_FORKED, "fork");
        EXPECT_ERROR(adit_gpu_ticket_poll(ticket, &done, &err), ADIT_ERR_FORKED, "fork");
        CHECK(!done);
        adit_gpu_ticket_free(ticket);
        adit_gpu_buffer_free(buffer);
        adit_gpu_close(gpu);
        child_ends();
    }
    check_child(child);
    adit_load_items_free(items);
    adit_model_close(model);
    adit_gpu_buffer_free(target);
    wait_for(ticket);
    check_buffer(buffer, 0, "before", 7);
    goes_on(gpu);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (size_t at = 0; at < 2; at++) {
        adit_gpu *gpu = open_gpu(memory_paths[at]), *other = open_gpu(memory_paths[1 - at]);
        refused_items(gpu);
        places(gpu, other);
        truncated(gpu);
        too_large(gpu);
        if (getenv("ADIT_TEST_VALGRIND") == NULL) out_of_memory(gpu);
        adit_gpu_close(other);
        adit_gpu_close(gpu);
        if (getenv("ADIT_TEST_VALGRIND") == NULL) forks(memory_paths[at]);
    }
    return check_end();
}
