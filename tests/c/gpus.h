/* Devices, and buffers whose bytes are looked at, for the tests of GPUs. */
#ifndef GPUS_H
#define GPUS_H

#include "check.h"

/* Uploads go two ways: through staging buffers and, where the adapter can, right into the buffer. */
static const int32_t memory_paths[] = { ADIT_GPU_MEMORY_STAGING, ADIT_GPU_MEMORY_DIRECT };

static inline adit_gpu *open_gpu(int32_t memory) {
    adit_gpu *gpu = NULL;
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    options.memory = memory;
    options.converter = ADIT_GPU_CONVERTER_CARD;
    /* Small ones, so that little is much to them. */
    options.chunk_bytes = 65536;
    options.chunks = 2;
    EXPECT_OK(adit_gpu_open(&options, &gpu, &err));
    CHECK(gpu != NULL);
    return gpu;
}

static inline adit_gpu_buffer *new_buffer(const adit_gpu *gpu, uint64_t size) {
    adit_gpu_buffer *buffer = NULL;
    EXPECT_OK(adit_gpu_buffer_create(gpu, size, &buffer, &err));
    CHECK(buffer != NULL);
    CHECK_EQ(adit_gpu_buffer_size(buffer), size);
    return buffer;
}

/* Bytes of a buffer, freed by the caller. */
static inline unsigned char *bytes_of(const adit_gpu_buffer *buffer, uint64_t offset,
                                      size_t nbytes) {
    unsigned char *bytes = (unsigned char *)malloc(nbytes + 1);
    CHECK(bytes != NULL);
    memset(bytes, 0xa5, nbytes + 1);
    EXPECT_OK(adit_gpu_download(buffer, offset, bytes, nbytes, &err));
    CHECK_EQ(bytes[nbytes], 0xa5);
    return bytes;
}

static inline void check_buffer(const adit_gpu_buffer *buffer, uint64_t offset, const void *wanted,
                                size_t nbytes) {
    unsigned char *found = bytes_of(buffer, offset, nbytes);
    CHECK_BYTES(found, wanted, nbytes);
    free(found);
}

/* All of a buffer is this byte. */
static inline void fill_buffer(const adit_gpu_buffer *buffer, int byte) {
    const size_t size = (size_t)adit_gpu_buffer_size(buffer);
    void *bytes = malloc(size);
    CHECK(bytes != NULL);
    memset(bytes, byte, size);
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, size, NULL, &err));
    free(bytes);
}

static inline void check_byte(const adit_gpu_buffer *buffer, uint64_t offset, size_t nbytes,
                              int byte) {
    unsigned char *found = bytes_of(buffer, offset, nbytes);
    for (size_t at = 0; at < nbytes; at++)
        if (found[at] != byte) CHECK_FAIL("byte %zu is %d, not %d", at, found[at], byte);
    free(found);
}

static inline unsigned char noise(size_t at) {
    return (unsigned char)((at * 2654435761u + at / 251) >> 11);
}

static inline unsigned char *noise_bytes(size_t nbytes) {
    unsigned char *bytes = (unsigned char *)malloc(nbytes + 1);
    CHECK(bytes != NULL);
    for (size_t at = 0; at < nbytes; at++) bytes[at] = noise(at);
    return bytes;
}

static inline void wait_for(adit_gpu_ticket *ticket) {
    bool done = false;
    CHECK(ticket != NULL);
    EXPECT_OK(adit_gpu_ticket_wait(ticket, ADIT_GPU_FOREVER, &err));
    EXPECT_OK(adit_gpu_ticket_poll(ticket, &done, &err));
    CHECK(done);
    EXPECT_OK(adit_gpu_ticket_wait(ticket, 0, &err));
    adit_gpu_ticket_free(ticket);
}

/* What a load tells, and after how many calls of progress it is cancelled; 0 for never. */
typedef struct watched {
    uint64_t done, total, items, patience;
} watched;

static inline int ADIT_CALL progress(void *ctx, uint64_t done, uint64_t total) {
    watched *own = (watched *)ctx;
    CHECK(done >= own->done && done <= total);
    own->done = done;
    own->total = total;
    return own->patience > 0 && --own->patience == 0;
}

static inline int ADIT_CALL item_done(void *ctx, uint64_t item) {
    watched *own = (watched *)ctx;
    CHECK(item < 64 && (own->items >> item & 1) == 0);
    own->items |= (uint64_t)1 << item;
    return 0;
}

#endif
