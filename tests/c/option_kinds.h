/* What holds for every kind of options: sizes, defaults, reserved fields and fields to come. */
#ifndef OPTION_KINDS_H
#define OPTION_KINDS_H

#include "sized.h"

/* One kind of options: what stands in the macro, who fills it, who takes it. */
typedef struct kind {
    const char *name;
    size_t size;
    const void *macro;
    void (*init)(void *options, size_t size);
    adit_status (*use)(const void *options);
    size_t reserved;
} kind;

static inline void check_kind(const kind *own) {
    space filled, zeros;
    const size_t ends[] = { sizeof(size_t), sizeof(size_t) + 1, own->size, own->size + 24, 4096 };
    memset(&zeros, 0, sizeof zeros);

    /* The init function gives the macro's bytes, and as much as the caller's struct has. */
    memset(&filled, 0xa5, sizeof filled);
    own->init(&filled, own->size);
    CHECK_BYTES(&filled, own->macro, own->size);
    CHECK_EQ(filled.bytes[own->size], 0xa5);
    for (size_t at = 0; at < sizeof ends / sizeof ends[0]; at++) {
        memset(&filled, 0xa5, sizeof filled);
        own->init(&filled, ends[at]);
        CHECK_EQ(filled.size, ends[at]);
        CHECK_BYTES(filled.bytes + 8, zeros.bytes, ends[at] - 8);
        if (ends[at] < sizeof filled) CHECK_EQ(filled.bytes[ends[at]], 0xa5);
        /* Shorter ones and longer ones mean the default. */
        EXPECT_OK(own->use(&filled));
    }
    const size_t wrong[] = { 0, 1, 7, 4097, SIZE_MAX };
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        memset(&filled, 0xa5, sizeof filled);
        own->init(&filled, wrong[at]);
        CHECK_EQ(filled.bytes[0], 0xa5);
        memset(&filled, 0, sizeof filled);
        filled.size = wrong[at];
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_INVALID_ARGUMENT, "options->struct_size");
    }
    own->init(NULL, own->size);
    EXPECT_OK(own->use(NULL));
    EXPECT_OK(own->use(own->macro));

    /* Reserved fields, and every byte behind what this version knows. */
    for (size_t at = own->reserved; at < own->size; at++) {
        memset(&filled, 0, sizeof filled);
        filled.size = own->size;
        filled.bytes[at] = 1;
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_UNSUPPORTED, "reserved");
        filled.bytes[at] = 0;
        EXPECT_OK(own->use(&filled));
    }
    for (size_t at = own->size; at < own->size + 16; at++) {
        memset(&filled, 0, sizeof filled);
        filled.size = own->size + 16;
        filled.bytes[at] = 0x80;
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_UNSUPPORTED, "doesn't know");
    }
    /* What a shorter struct doesn't have isn't read. */
    memset(&filled, 0xa5, sizeof filled);
    filled.size = sizeof(size_t);
    EXPECT_OK(own->use(&filled));
    memset(&filled, 0, sizeof filled);
    memcpy(filled.bytes + 1, own->macro, own->size);
    EXPECT_ERROR(own->use(filled.bytes + 1), ADIT_ERR_INVALID_ARGUMENT, "misaligned");
}

static inline void check_kinds(const kind *kinds, size_t count) {
    for (size_t at = 0; at < count; at++) {
        printf("%s\n", kinds[at].name);
        check_kind(&kinds[at]);
    }
}

#endif
