/* Adapters, devices, buffers, tickets: bytes of memory to the card and back. */
#include "gpus.h"

static size_t count_adapters(void) {
    size_t count = 77;
    EXPECT_OK(adit_gpu_count(&count, &err));
    return count;
}

static void check_text(const char *text, size_t room) {
    const size_t len = strnlen(text, room);
    CHECK(len < room);
    for (size_t at = len; at < room; at++) CHECK_EQ(text[at], 0);
}

static void check_info(const adit_gpu_info *info) {
    CHECK_EQ(info->struct_size, sizeof *info);
    CHECK_INT(info->kind, ADIT_GPU_KIND_SOFTWARE);
    CHECK_STR(info->backend, "vulkan");
    CHECK_IN(info->name, "llvmpipe");
    CHECK_STR(info->driver, "llvmpipe");
    CHECK_IN(info->driver_info, "Mesa");
    check_text(info->name, sizeof info->name);
    check_text(info->driver, sizeof info->driver);
    check_text(info->driver_info, sizeof info->driver_info);
    check_text(info->bus, sizeof info->bus);
    check_text(info->backend, sizeof info->backend);
    /* Mesa's number among the Khronos group's. */
    CHECK_EQ(info->vendor, 0x10005);
    CHECK_EQ(info->shared_memory, 1);
    CHECK_EQ(info->reserved0, 0);
    CHECK(info->memory_bytes > 0);
    CHECK(info->buffer_bytes >= 128 << 20);
    CHECK(info->binding_bytes >= 128 << 20 && info->binding_bytes <= info->buffer_bytes);
    CHECK(info->binding_align >= 4 && info->binding_align <= 256);
    CHECK_EQ(info->binding_align & (info->binding_align - 1), 0);
}

static void adapters(void) {
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    const adit_gpu_info none = ADIT_GPU_INFO_INIT;
    CHECK_EQ(sizeof info, 880);
    const size_t count = count_adapters();
    CHECK_EQ(count, 1);
    EXPECT_OK(adit_gpu_enumerate(0, &info, &err));
    check_info(&info);
    CHECK_EQ(info.direct, 0);
    EXPECT_ERROR(adit_gpu_enumerate(count, &info, &err), ADIT_ERR_OUT_OF_RANGE,
                 "adapter 1 was asked for, but there are 1");
    CHECK_BYTES(&info, &none, sizeof info);
    EXPECT_ERROR(adit_gpu_enumerate(SIZE_MAX, &info, &err), ADIT_ERR_OUT_OF_RANGE,
                 "adapter 18446744073709551615 ");
    CHECK_IN(adit_build_info(), " gpu;");
}

/* Opened, looked at, and closed; whether it writes directly. */
static bool opens(const adit_gpu_options *options) {
    adit_gpu *gpu = NULL;
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    EXPECT_OK(adit_gpu_open(options, &gpu, &err));
    CHECK(gpu != NULL);
    EXPECT_OK(adit_gpu_get_info(gpu, &info, &err));
    check_info(&info);
    EXPECT_OK(adit_gpu_status(gpu, &err));
    EXPECT_OK(adit_gpu_wait(gpu, &err));
    adit_gpu_close(gpu);
    return info.direct == 1;
}

#define NOT_OPENED(status, text) \
    do { \
        gpu = (adit_gpu *)(void *)CHECK_GARBAGE; \
        EXPECT_ERROR(adit_gpu_open(&options, &gpu, &err), status, text); \
        CHECK(gpu == NULL); \
        options = defaults; \
    } while (0)

static void selection(void) {
    const adit_gpu_options defaults = ADIT_GPU_OPTIONS_INIT;
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    adit_gpu *gpu = NULL;
    /* The only adapter there is, although it computes on the CPU. */
    CHECK(opens(NULL));
    options.select = ADIT_GPU_SELECT_BEST;
    options.memory = ADIT_GPU_MEMORY_AUTO;
    CHECK(opens(&options));
    options.select = ADIT_GPU_SELECT_INDEX;
    options.memory = ADIT_GPU_MEMORY_STAGING;
    CHECK(!opens(&options));
    options.select = ADIT_GPU_SELECT_KIND;
    options.kind = ADIT_GPU_KIND_SOFTWARE;
    options.memory = ADIT_GPU_MEMORY_DIRECT;
    CHECK(opens(&options));

    options = defaults;
    options.select = ADIT_GPU_SELECT_INDEX;
    options.index = 1;
    NOT_OPENED(ADIT_ERR_NO_GPU, "number 1 was asked for, but the only adapter is 0 'llvmpipe");
    const int32_t others[] = { ADIT_GPU_KIND_OTHER, ADIT_GPU_KIND_INTEGRATED, ADIT_GPU_KIND_DISCRETE,
                               ADIT_GPU_KIND_VIRTUAL };
    const char *names[] = { "other", "integrated", "discrete", "virtual" };
    for (size_t at = 0; at < 4; at++) {
        options.select = ADIT_GPU_SELECT_KIND;
        options.kind = others[at];
        NOT_OPENED(ADIT_ERR_NO_GPU, names[at]);
    }

    /* The environment: nothing, a number, a kind, a part of the name in any case. */
    const char *good[] = { "", " ", "0", "software", "SOFTWARE", "LLVM", " llvmpipe " };
    options.select = ADIT_GPU_SELECT_ENVIRONMENT;
    CHECK_INT(unsetenv("ADIT_GPU"), 0);
    CHECK(opens(&options));
    for (size_t at = 0; at < sizeof good / sizeof good[0]; at++) {
        CHECK_INT(setenv("ADIT_GPU", good[at], 1), 0);
        CHECK(opens(&options));
    }
    const char *bad[] = { "1", "-1", "discrete", "geforce", "\xff" };
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        options.select = ADIT_GPU_SELECT_ENVIRONMENT;
        CHECK_INT(setenv("ADIT_GPU", bad[at], 1), 0);
        NOT_OPENED(ADIT_ERR_NO_GPU, "0 'llvmpipe");
        CHECK_IN(last.message, at == 1 || at > 2 ? "ADIT_GPU asks for '" : "was asked for");
    }
    /* Whoever doesn't ask for the environment doesn't get it. */
    CHECK(opens(NULL));
    CHECK_INT(unsetenv("ADIT_GPU"), 0);
}

static void options(void) {
    const adit_gpu_options defaults = ADIT_GPU_OPTIONS_INIT;
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    adit_gpu *gpu = NULL;
    options.select = 4;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->select is 4");
    options.kind = -1;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->kind is -1");
    options.kind = ADIT_GPU_KIND_SOFTWARE;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->kind is set without ADIT_GPU_SELECT_KIND");
    options.select = ADIT_GPU_SELECT_KIND;
    options.index = 1;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->index is set without ADIT_GPU_SELECT_INDEX");
    options.memory = 3;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->memory is 3");
    options.converter = 3;
    NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "options->converter is 3");
    const uint64_t chunk_bytes[] = { 1, 65535, 65536 - 4096, 65537, (256 << 20) + 4096, UINT64_MAX };
    for (size_t at = 0; at < sizeof chunk_bytes / sizeof chunk_bytes[0]; at++) {
        options.chunk_bytes = chunk_bytes[at];
        NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "staging buffers");
    }
    const uint32_t chunks[] = { 1, 65, UINT32_MAX };
    for (size_t at = 0; at < sizeof chunks / sizeof chunks[0]; at++) {
        options.chunks = chunks[at];
        NOT_OPENED(ADIT_ERR_INVALID_ARGUMENT, "staging buffers");
    }
    options.chunk_bytes = 65536 + 4096;
    options.chunks = 64;
    CHECK(opens(&options));
}

/* From memory into part of a buffer: those bytes, the padding of 0, and no others. */
static void memory(int32_t path) {
    enum { SIZE = 300000 };
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    unsigned char *bytes = noise_bytes(SIZE);
    check_byte(buffer, 0, SIZE, 0);
    const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 63, 64, 65535, 65536, 65537, 131073, 250001 };
    for (size_t at = 0; at < sizeof sizes / sizeof sizes[0]; at++) {
        const size_t nbytes = sizes[at], padded = (nbytes + 3) / 4 * 4;
        adit_gpu_ticket *ticket = NULL;
        fill_buffer(buffer, 0xcc);
        /* From any address. */
        EXPECT_OK(adit_gpu_upload(buffer, 4 * at, bytes + at, nbytes, &ticket, &err));
        wait_for(ticket);
        check_byte(buffer, 0, 4 * at, 0xcc);
        check_buffer(buffer, 4 * at, bytes + at, nbytes);
        if (padded > nbytes) {
            unsigned char *tail = bytes_of(buffer, 4 * at + padded - 4, 4);
            for (size_t in = 4 - (padded - nbytes); in < 4; in++) CHECK_EQ(tail[in], 0);
            free(tail);
        }
        check_byte(buffer, 4 * at + padded, SIZE - 4 * at - padded, 0xcc);
    }
    /* The source may be changed as soon as the call returns. */
    adit_gpu_ticket *tickets[20];
    unsigned char *shared = (unsigned char *)malloc(10000);
    CHECK(shared != NULL);
    for (int at = 0; at < 20; at++) {
        memset(shared, at + 1, 10000);
        EXPECT_OK(adit_gpu_upload(buffer, (uint64_t)at * 10000, shared, 10000, &tickets[at], &err));
    }
    memset(shared, 0xff, 10000);
    for (int at = 0; at < 20; at++) {
        check_byte(buffer, (uint64_t)at * 10000, 10000, at + 1);
        adit_gpu_ticket_free(tickets[at]);
    }
    free(shared);
    free(bytes);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Any bytes of a buffer, to any address; the last ones of a buffer that isn't whole words. */
static void downloads(int32_t path) {
    enum { SIZE = 70003 };
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    unsigned char *bytes = noise_bytes(SIZE), place[64];
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, SIZE, NULL, &err));
    for (size_t nbytes = 0; nbytes < 12; nbytes++) {
        for (uint64_t offset = 0; offset < 16; offset++) {
            memset(place, 0xa5, sizeof place);
            EXPECT_OK(adit_gpu_download(buffer, offset, place + nbytes, nbytes, &err));
            CHECK_BYTES(place + nbytes, bytes + offset, nbytes);
            CHECK_EQ(place[nbytes * 2], 0xa5);
            CHECK(nbytes == 0 || place[nbytes - 1] == 0xa5);
        }
    }
    check_buffer(buffer, SIZE - 3, bytes + SIZE - 3, 3);
    check_buffer(buffer, 0, bytes, SIZE);
    EXPECT_OK(adit_gpu_download(buffer, SIZE / 4 * 4, NULL, 0, &err));
    /* Where the buffer ends, nothing is written: no bytes fit, and none do no harm. */
    EXPECT_OK(adit_gpu_upload(buffer, SIZE / 4 * 4, NULL, 0, NULL, &err));
    EXPECT_OK(adit_gpu_upload(buffer, SIZE - 3, "xyz", 3, NULL, &err));
    check_buffer(buffer, SIZE - 3, "xyz", 3);
    free(bytes);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Children keep their parents: any order of closing. */
static void lifetimes(int32_t path) {
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, 1 << 20), *empty = new_buffer(gpu, 0);
    adit_gpu_ticket *ticket = NULL, *orphan = NULL;
    unsigned char *bytes = noise_bytes(1 << 20);
    EXPECT_OK(adit_gpu_upload(empty, 0, NULL, 0, NULL, &err));
    adit_gpu_buffer_free(empty);
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, 1 << 20, &ticket, &err));
    adit_gpu_close(gpu);
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, 1 << 19, &orphan, &err));
    adit_gpu_ticket_free(orphan);
    check_buffer(buffer, 0, bytes, 1 << 20);
    EXPECT_OK(adit_gpu_upload(buffer, 4, bytes, 1 << 19, &orphan, &err));
    adit_gpu_buffer_free(buffer);
    wait_for(ticket);
    wait_for(orphan);
    free(bytes);
    adit_gpu_close(NULL);
    adit_gpu_buffer_free(NULL);
    adit_gpu_ticket_free(NULL);
    CHECK_EQ(adit_gpu_buffer_size(NULL), 0);
}

/* A wait that may take no time ends at once, one way or the other; a longer one ends well. */
static void waits(int32_t path) {
    enum { SIZE = 8 << 20 };
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    unsigned char *bytes = noise_bytes(SIZE);
    adit_gpu_ticket *ticket = NULL;
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, SIZE, &ticket, &err));
    err = CHECK_GARBAGE;
    const adit_status status = adit_gpu_ticket_wait(ticket, 0, &err);
    CHECK(status == ADIT_TIMEOUT || status == ADIT_OK);
    CHECK(err == NULL);
    EXPECT_OK(adit_gpu_ticket_wait(ticket, UINT64_C(60000000000), &err));
    EXPECT_OK(adit_gpu_ticket_wait(ticket, UINT64_MAX - 1, &err));
    EXPECT_OK(adit_gpu_wait(gpu, &err));
    wait_for(ticket);
    check_buffer(buffer, 0, bytes, SIZE);
    free(bytes);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adapters();
    selection();
    options();
    for (size_t at = 0; at < 2; at++) {
        memory(memory_paths[at]);
        downloads(memory_paths[at]);
        lifetimes(memory_paths[at]);
        waits(memory_paths[at]);
    }
    return check_end();
}
