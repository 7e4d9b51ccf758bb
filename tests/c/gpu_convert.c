/* Conversions on the card, bit for bit as those of the CPU. */
#include "gpus.h"

typedef struct conversion {
    int32_t from, to;
    size_t block_bytes, block_elements, to_bytes;
} conversion;

static const conversion conversions[] = {
    { ADIT_DTYPE_F16, ADIT_DTYPE_F32, 2, 1, 4 },    { ADIT_DTYPE_BF16, ADIT_DTYPE_F32, 2, 1, 4 },
    { ADIT_DTYPE_Q8_0, ADIT_DTYPE_F32, 34, 32, 4 }, { ADIT_DTYPE_Q8_0, ADIT_DTYPE_F16, 34, 32, 2 },
    { ADIT_DTYPE_Q4_0, ADIT_DTYPE_F32, 18, 32, 4 }, { ADIT_DTYPE_Q4_0, ADIT_DTYPE_F16, 18, 32, 2 },
};
enum { CONVERSIONS = sizeof conversions / sizeof conversions[0] };

/* What the CPU makes of it, freed by the caller. */
static void *by_cpu(const conversion *own, const void *bytes, size_t elements) {
    void *wanted = malloc(elements * own->to_bytes + 1);
    CHECK(wanted != NULL);
    EXPECT_OK(adit_convert(bytes, own->from, wanted, own->to, elements, 0, &err));
    return wanted;
}

/* Every pattern of 16 bits: as a value, or as the scale of a block. */
static unsigned char *patterns(const conversion *own, size_t *nbytes) {
    *nbytes = 65536 * own->block_bytes;
    unsigned char *bytes = noise_bytes(*nbytes);
    for (uint32_t pattern = 0; pattern < 65536; pattern++) {
        const uint16_t value = (uint16_t)pattern;
        memcpy(bytes + pattern * own->block_bytes, &value, 2);
    }
    return bytes;
}

static void all_patterns(const adit_gpu *gpu, const conversion *own) {
    size_t nbytes;
    unsigned char *bytes = patterns(own, &nbytes);
    const size_t elements = 65536 * own->block_elements, to_bytes = elements * own->to_bytes;
    adit_gpu_buffer *from = new_buffer(gpu, nbytes + 8), *to = new_buffer(gpu, to_bytes + 12);
    void *wanted = by_cpu(own, bytes, elements);
    adit_gpu_ticket *ticket = NULL;
    fill_buffer(to, 0xcc);
    EXPECT_OK(adit_gpu_upload(from, 8, bytes, nbytes, NULL, &err));
    EXPECT_OK(adit_gpu_convert(from, 8, own->from, to, 4, own->to, elements, &ticket, &err));
    wait_for(ticket);
    check_byte(to, 0, 4, 0xcc);
    check_buffer(to, 4, wanted, to_bytes);
    check_byte(to, to_bytes + 4, 8, 0xcc);
    check_buffer(from, 8, bytes, nbytes);
    free(wanted);
    free(bytes);
    adit_gpu_buffer_free(from);
    adit_gpu_buffer_free(to);
}

/* Few elements, at all offsets; what lies beside them stays. Without a ticket it waits. */
static void small(const adit_gpu *gpu, const conversion *own) {
    enum { MOST = 9 };
    unsigned char *bytes = noise_bytes(MOST * own->block_bytes);
    adit_gpu_buffer *from = new_buffer(gpu, 4096), *to = new_buffer(gpu, 4096);
    for (size_t blocks = 0; blocks <= MOST; blocks++) {
        const size_t elements = blocks * own->block_elements;
        const size_t to_bytes = elements * own->to_bytes;
        void *wanted = by_cpu(own, bytes, elements);
        for (uint64_t offset = 0; offset < 24; offset += 4) {
            fill_buffer(to, 0xcc);
            EXPECT_OK(adit_gpu_upload(from, offset, bytes, blocks * own->block_bytes, NULL, &err));
            EXPECT_OK(adit_gpu_convert(from, offset, own->from, to, 20 - offset, own->to, elements,
                                       NULL, &err));
            check_byte(to, 0, 20 - (size_t)offset, 0xcc);
            check_buffer(to, 20 - offset, wanted, to_bytes);
            check_byte(to, (20 - offset) + to_bytes, 64, 0xcc);
        }
        free(wanted);
    }
    /* Up to the very end. */
    adit_gpu_buffer *tight = new_buffer(gpu, own->block_elements * own->to_bytes);
    void *one = by_cpu(own, bytes, own->block_elements);
    EXPECT_OK(adit_gpu_upload(from, 0, bytes, own->block_bytes, NULL, &err));
    EXPECT_OK(adit_gpu_convert(from, 0, own->from, tight, 0, own->to, own->block_elements, NULL,
                               &err));
    check_buffer(tight, 0, one, own->block_elements * own->to_bytes);
    free(one);
    adit_gpu_buffer_free(tight);
    free(bytes);
    adit_gpu_buffer_free(from);
    adit_gpu_buffer_free(to);
}

/* One after the other on one buffer, without waiting between: the card keeps the order. */
static void chains(const adit_gpu *gpu) {
    enum { COUNT = 5000 };
    uint16_t *halves = (uint16_t *)malloc(COUNT * 2);
    float *wanted = (float *)malloc(COUNT * 4);
    adit_gpu_buffer *from = new_buffer(gpu, COUNT * 2), *to = new_buffer(gpu, COUNT * 4);
    adit_gpu_ticket *last_one = NULL;
    CHECK(halves != NULL && wanted != NULL);
    for (uint16_t round = 0; round < 8; round++) {
        for (uint16_t at = 0; at < COUNT; at++) halves[at] = (uint16_t)(at * 3 + round);
        adit_gpu_ticket *uploaded = NULL;
        EXPECT_OK(adit_gpu_upload(from, 0, halves, COUNT * 2, &uploaded, &err));
        adit_gpu_ticket_free(uploaded);
        adit_gpu_ticket_free(last_one);
        EXPECT_OK(adit_gpu_convert(from, 0, ADIT_DTYPE_F16, to, 0, ADIT_DTYPE_F32, COUNT, &last_one,
                                   &err));
    }
    EXPECT_OK(adit_f16_to_f32(halves, wanted, COUNT, &err));
    check_buffer(to, 0, wanted, COUNT * 4);
    wait_for(last_one);
    free(halves);
    free(wanted);
    adit_gpu_buffer_free(from);
    adit_gpu_buffer_free(to);
}

static void refused(const adit_gpu *gpu, const adit_gpu *other) {
    adit_gpu_buffer *from = new_buffer(gpu, 1000), *to = new_buffer(gpu, 1000);
    adit_gpu_buffer *foreign = new_buffer(other, 1000);
    adit_gpu_ticket *ticket = NULL;
    fill_buffer(to, 0xcc);
#define REFUSED(a, a_at, a_type, b, b_at, b_type, count, status, text) \
    do { \
        ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE; \
        EXPECT_ERROR(adit_gpu_convert(a, a_at, a_type, b, b_at, b_type, count, &ticket, &err), status, \
                     text); \
        CHECK(ticket == NULL); \
    } while (0)
    const int32_t f16 = ADIT_DTYPE_F16, f32 = ADIT_DTYPE_F32, q8 = ADIT_DTYPE_Q8_0;
    REFUSED(from, 0, f16, from, 500, f32, 10, ADIT_ERR_INVALID_ARGUMENT, "two buffers");
    REFUSED(from, 0, f16, foreign, 0, f32, 10, ADIT_ERR_INVALID_ARGUMENT, "different devices");
    REFUSED(from, 2, f16, to, 0, f32, 10, ADIT_ERR_INVALID_ARGUMENT, "starts at byte 2");
    REFUSED(from, 0, f16, to, 3, f32, 10, ADIT_ERR_INVALID_ARGUMENT, "starts at byte 3");
    REFUSED(from, 0, f16, to, 0, f32, 251, ADIT_ERR_OUT_OF_RANGE, "buffer of 1000");
    REFUSED(from, 4, f16, to, 0, f32, UINT64_MAX, ADIT_ERR_OUT_OF_RANGE, "buffer of 1000");
    REFUSED(from, UINT64_MAX - 3, f16, to, 0, f32, 2, ADIT_ERR_OUT_OF_RANGE, "buffer of 1000");
    REFUSED(from, 0, f16, to, 996, f32, 2, ADIT_ERR_OUT_OF_RANGE, "buffer of 1000");
    CHECK_LAST_OFFSET(996);
    REFUSED(from, 0, q8, to, 0, f32, 33, ADIT_ERR_SHAPE, "33");
    REFUSED(from, 0, f32, to, 0, f16, 4, ADIT_ERR_DTYPE, "f32");
    REFUSED(from, 0, f16, to, 0, f16, 4, ADIT_ERR_DTYPE, "f16");
    REFUSED(from, 0, ADIT_DTYPE_Q4_K, to, 0, f32, 256, ADIT_ERR_DTYPE, "q4_k");
    REFUSED(from, 0, 9999, to, 0, f32, 4, ADIT_ERR_DTYPE, "from_dtype");
    REFUSED(from, 0, f16, to, 0, ADIT_DTYPE_NONE, 4, ADIT_ERR_DTYPE, "to_dtype");
    check_byte(to, 0, 1000, 0xcc);
    EXPECT_OK(adit_gpu_convert(from, 1000, f16, to, 1000, f32, 0, &ticket, &err));
    wait_for(ticket);
    adit_gpu_buffer_free(from);
    adit_gpu_buffer_free(to);
    adit_gpu_buffer_free(foreign);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adit_gpu *gpus[2];
    for (size_t at = 0; at < 2; at++) gpus[at] = open_gpu(memory_paths[at]);
    for (size_t at = 0; at < 2; at++) {
        for (size_t number = 0; number < CONVERSIONS; number++) {
            /* A software adapter under valgrind takes its time. */
            if (getenv("ADIT_TEST_VALGRIND") == NULL) all_patterns(gpus[at], &conversions[number]);
            small(gpus[at], &conversions[number]);
        }
        chains(gpus[at]);
        refused(gpus[at], gpus[1 - at]);
    }
    for (size_t at = 0; at < 2; at++) adit_gpu_close(gpus[at]);
    return check_end();
}
