/* The log and the allocator. Progress is told in verify_recover.c, release in data_open.c. */
#include "check.h"

#include <dirent.h>

typedef struct log_sink {
    int calls;
    int32_t level;
    char message[4500];
} log_sink;

static void ADIT_CALL take(void *ctx, int32_t level, const char *message) {
    log_sink *sink = (log_sink *)ctx;
    sink->calls++;
    sink->level = level;
    CHECK(strchr(message, '\n') == NULL);
    snprintf(sink->message, sizeof sink->message, "%s", message);
}

/* Memory at an address that the library must refuse, which is an error to be logged. */
typedef struct misaligner {
    int given, taken;
    size_t off;
    unsigned char bytes[8192];
} misaligner;

static void *ADIT_CALL misaligned_alloc(void *ctx, size_t size, size_t align) {
    misaligner *own = (misaligner *)ctx;
    uintptr_t start = ((uintptr_t)own->bytes + align - 1) / align * align;
    CHECK(size + 2 * align < sizeof own->bytes);
    own->given++;
    return (void *)(start + own->off);
}

static void ADIT_CALL misaligned_free(void *ctx, void *memory, size_t size, size_t align) {
    misaligner *own = (misaligner *)ctx;
    CHECK((uintptr_t)memory % align == own->off);
    CHECK_EQ(size, 832);
    own->taken++;
}

/* Logs one line at ADIT_LOG_ERROR. */
static void log_an_error(void) {
    misaligner *own = (misaligner *)calloc(1, sizeof *own);
    adit_data *data = NULL;
    CHECK(own != NULL);
    own->off = 16;
    adit_allocator allocator = ADIT_ALLOCATOR_INIT(own, misaligned_alloc, misaligned_free);
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    options.backend = ADIT_BACKEND_READ;
    options.allocator = &allocator;
    EXPECT_ERROR(adit_data_open(data_path("rrec/basic_3x4.rrec"), &options, &data, &err),
                 ADIT_ERR_OUT_OF_MEMORY, "out of memory");
    CHECK(data == NULL);
    CHECK_INT(own->given, 1);
    CHECK_INT(own->taken, 1);
    free(own);
}

/* Logs one line at ADIT_LOG_WARN: the temporary of a writer is gone before the writer. */
static void log_a_warning(void) {
    adit_record_writer *writer = NULL;
    EXPECT_OK(adit_record_writer_create(scratch_path("warned\nof.rrec"), NULL, &writer, &err));
    DIR *folder = opendir(check_scratch_folder);
    CHECK(folder != NULL);
    int removed = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strstr(entry->d_name, ".adit-tmp") != NULL)
            removed += remove(scratch_path(entry->d_name)) == 0;
    closedir(folder);
    CHECK_INT(removed, 1);
    adit_record_writer_close(writer);
}

static void the_log(void) {
    log_sink first = { 0, 0, "" }, second = { 0, 0, "" };

    CHECK_INT(ADIT_LOG_OFF, 0);
    CHECK_INT(ADIT_LOG_ERROR, 1);
    CHECK_INT(ADIT_LOG_WARN, 2);
    CHECK_INT(ADIT_LOG_INFO, 3);
    CHECK_INT(ADIT_LOG_DEBUG, 4);

    /* Nothing is told, and nothing printed, before it is asked for. */
    log_an_error();
    log_a_warning();

    EXPECT_OK(adit_log_set(take, &first, ADIT_LOG_WARN, &err));
    log_an_error();
    CHECK_INT(first.calls, 1);
    CHECK_INT(first.level, ADIT_LOG_ERROR);
    CHECK_IN(first.message, "isn't aligned to 64 bytes");
    log_a_warning();
    CHECK_INT(first.calls, 2);
    CHECK_INT(first.level, ADIT_LOG_WARN);
    CHECK_IN(first.message, "cannot remove");
    CHECK_IN(first.message, "warned\\nof.rrec");

    /* Less. */
    EXPECT_OK(adit_log_set(take, &first, ADIT_LOG_ERROR, &err));
    log_a_warning();
    CHECK_INT(first.calls, 2);
    log_an_error();
    CHECK_INT(first.calls, 3);

    /* Another one in its place. */
    EXPECT_OK(adit_log_set(take, &second, ADIT_LOG_DEBUG, &err));
    log_an_error();
    log_a_warning();
    CHECK_INT(first.calls, 3);
    CHECK_INT(second.calls, 2);

    /* A refused level changes nothing. */
    EXPECT_ERROR(adit_log_set(take, &first, 5, &err), ADIT_ERR_INVALID_ARGUMENT, "level is 5");
    EXPECT_ERROR(adit_log_set(take, &first, -1, &err), ADIT_ERR_INVALID_ARGUMENT, "level is -1");
    EXPECT_ERROR(adit_log_set(NULL, NULL, 5, &err), ADIT_ERR_INVALID_ARGUMENT, "level is 5");
    log_an_error();
    CHECK_INT(first.calls, 3);
    CHECK_INT(second.calls, 3);

    /* The level that tells what was done in another way than asked for. */
    adit_data *data = NULL;
    adit_status status = adit_data_open("/sys/kernel/notes", NULL, &data, NULL);
    if (status != ADIT_OK || adit_data_is_mapped(data) || adit_data_len(data) == 0) {
        check_skip("a line at ADIT_LOG_INFO", "a file that can't be mapped");
    } else {
        CHECK_INT(second.calls, 4);
        CHECK_INT(second.level, ADIT_LOG_INFO);
        CHECK_IN(second.message, "'/sys/kernel/notes' can't be mapped");
        second.calls = 3;
    }
    adit_data_close(data);

    /* Off, in both ways. */
    EXPECT_OK(adit_log_set(take, &second, ADIT_LOG_OFF, &err));
    log_an_error();
    EXPECT_OK(adit_log_set(take, &second, ADIT_LOG_INFO, &err));
    log_an_error();
    CHECK_INT(second.calls, 4);
    EXPECT_OK(adit_log_set(NULL, &second, ADIT_LOG_INFO, &err));
    log_an_error();
    CHECK_INT(second.calls, 4);
    CHECK_INT(adit_log_set(NULL, NULL, ADIT_LOG_OFF, NULL), ADIT_OK);
}

/* An allocator that keeps account. */
typedef struct account {
    int allocs, frees, refuse_after;
    size_t live, most;
    struct {
        void *memory;
        size_t size, align;
    } blocks[64];
} account;

static void *ADIT_CALL counted_alloc(void *ctx, size_t size, size_t align) {
    account *own = (account *)ctx;
    void *memory = NULL;
    CHECK(size > 0);
    CHECK(align >= 64 && (align & (align - 1)) == 0);
    if (own->refuse_after >= 0 && own->allocs >= own->refuse_after) return NULL;
    CHECK(own->allocs < 64);
    CHECK_INT(posix_memalign(&memory, align, size), 0);
    memset(memory, 0xee, size);
    own->blocks[own->allocs].memory = memory;
    own->blocks[own->allocs].size = size;
    own->blocks[own->allocs].align = align;
    own->allocs++;
    own->live += size;
    if (own->live > own->most) own->most = own->live;
    return memory;
}

static void ADIT_CALL counted_free(void *ctx, void *memory, size_t size, size_t align) {
    account *own = (account *)ctx;
    for (int at = 0; at < own->allocs; at++) {
        if (own->blocks[at].memory != memory) continue;
        CHECK_EQ(own->blocks[at].size, size);
        CHECK_EQ(own->blocks[at].align, align);
        own->blocks[at].memory = NULL;
        own->live -= size;
        own->frees++;
        free(memory);
        return;
    }
    CHECK_FAIL("free of memory that alloc never gave");
}

static account new_account(int refuse_after) {
    account own;
    memset(&own, 0, sizeof own);
    own.refuse_after = refuse_after;
    return own;
}

static void the_allocator(void) {
    account own = new_account(-1);
    adit_data *data = NULL, *again = NULL;
    adit_record_reader *reader = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    adit_allocator allocator = ADIT_ALLOCATOR_INIT(&own, counted_alloc, counted_free);
    CHECK_EQ(allocator.struct_size, sizeof allocator);
    CHECK_EQ(sizeof allocator, 32);
    options.allocator = &allocator;

    /* A mapped file needs no memory. */
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), &options, &data, &err));
    CHECK_INT(own.allocs, 0);
    adit_data_close(data);

    /* A whole file read, given back by the last handle. The struct was copied. */
    options.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), &options, &data, &err));
    memset(&allocator, 0xa5, sizeof allocator);
    CHECK_INT(own.allocs, 1);
    CHECK_EQ(own.live, 832);
    CHECK(adit_data_bytes(data) == own.blocks[0].memory);
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    adit_data_close(data);
    EXPECT_OK(adit_record_reader_data(reader, &again, &err));
    adit_record_reader_close(reader);
    CHECK_INT(own.frees, 0);
    adit_data_close(again);
    CHECK_INT(own.frees, 1);

    /* An empty file: never a size of 0. */
    adit_allocator fresh = ADIT_ALLOCATOR_INIT(&own, counted_alloc, counted_free);
    options.allocator = &fresh;
    write_file(scratch_path("empty"), NULL, 0);
    EXPECT_OK(adit_data_open(scratch_path("empty"), &options, &data, &err));
    CHECK_INT(own.allocs, 1);
    adit_data_close(data);

    /* Decompressed bytes grow, by readers and arrays as well. */
    adit_array *array = NULL;
    adit_array_options array_options = ADIT_ARRAY_OPTIONS_INIT;
    adit_tensor tensor;
    array_options.data = &options;
    options.flags = ADIT_DATA_DECOMPRESS;
    EXPECT_OK(adit_array_open(data_path("compressed/f4_c.npy.gz"), &array_options, &array, &err));
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK_INT(own.allocs - own.frees, 1);
    const char *block = (const char *)own.blocks[own.allocs - 1].memory;
    CHECK((const char *)tensor.data == block + 128);
    adit_array_close(array);
    EXPECT_OK(adit_data_open(data_path("compressed/bomb_64mib.zst"), &options, &data, &err));
    CHECK_EQ(adit_data_len(data), 64 << 20);
    CHECK(own.live >= 64 << 20 && own.live <= 128 << 20);
    CHECK(own.blocks[own.allocs - 1].align >= 64);
    adit_data_close(data);
    CHECK_EQ(own.live, 0);
    CHECK_INT(own.allocs, own.frees);
}

/* Memory that runs out, at once and while bytes are decompressed, leaks nothing. */
static void no_memory(void) {
    for (int refuse_after = 0; refuse_after < 4; refuse_after++) {
        account own = new_account(refuse_after);
        adit_data *data = (adit_data *)(uintptr_t)16;
        adit_allocator allocator = ADIT_ALLOCATOR_INIT(&own, counted_alloc, counted_free);
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.allocator = &allocator;
        options.flags = ADIT_DATA_DECOMPRESS;
        EXPECT_ERROR(adit_data_open(data_path("compressed/bomb_64mib.gz"), &options, &data, &err),
                     ADIT_ERR_OUT_OF_MEMORY, "out of memory");
        CHECK_LAST_PATH(data_path("compressed/bomb_64mib.gz"));
        CHECK(data == NULL);
        CHECK_INT(own.allocs, refuse_after);
        CHECK_INT(own.frees, refuse_after);
    }
}

static void refused(const adit_allocator *allocator, adit_status status, const char *text) {
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    options.allocator = allocator;
    EXPECT_ERROR(adit_data_open(data_path("rrec/basic_3x4.rrec"), &options, &data, &err), status,
                 text);
    CHECK(data == NULL);
}

static void wrong_allocators(void) {
    account own = new_account(-1);
    struct {
        adit_allocator known;
        uint64_t later;
    } longer;
    const adit_allocator good = ADIT_ALLOCATOR_INIT(&own, counted_alloc, counted_free);
    adit_allocator allocator = good;
    allocator.alloc = NULL;
    refused(&allocator, ADIT_ERR_INVALID_ARGUMENT, "allocator->alloc");
    allocator = good;
    allocator.free = NULL;
    refused(&allocator, ADIT_ERR_INVALID_ARGUMENT, "allocator->free");
    allocator = good;
    allocator.struct_size = 0;
    refused(&allocator, ADIT_ERR_INVALID_ARGUMENT, "allocator->struct_size");
    allocator.struct_size = SIZE_MAX;
    refused(&allocator, ADIT_ERR_INVALID_ARGUMENT, "allocator->struct_size");
    allocator.struct_size = 16;
    refused(&allocator, ADIT_ERR_INVALID_ARGUMENT, "allocator->alloc");
    memset(&longer, 0, sizeof longer);
    longer.known = good;
    longer.known.struct_size = sizeof longer;
    longer.later = 1;
    refused(&longer.known, ADIT_ERR_UNSUPPORTED, "allocator");
    longer.later = 0;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    adit_data *data = NULL;
    options.allocator = &longer.known;
    options.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), &options, &data, &err));
    adit_data_close(data);
    CHECK_INT(own.allocs, 1);
    CHECK_INT(own.frees, 1);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    the_log();
    the_allocator();
    no_memory();
    wrong_allocators();
    return check_end();
}
