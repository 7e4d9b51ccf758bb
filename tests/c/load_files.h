/* Tensors in a file whose elements tell their number, for the tests of loads. */
#ifndef LOAD_FILES_H
#define LOAD_FILES_H

#include "check.h"

/* Where they start in the file, at odd offsets, and how large they are. */
enum {
    HALVES_ROWS = 48,
    HALVES_COLUMNS = 40,
    HALVES_AT = 3,
    QUANTS_ROWS = 5,
    QUANTS_COLUMNS = 128,
    QUANTS_AT = HALVES_AT + HALVES_ROWS * HALVES_COLUMNS * 2 + 2,
    BULK_BYTES = 5 << 20,
    BULK_AT = QUANTS_AT + QUANTS_ROWS * QUANTS_COLUMNS / 32 * 34 + 77,
    ALL_BYTES = BULK_AT + BULK_BYTES
};

static const int64_t halves_shape[] = { HALVES_ROWS, HALVES_COLUMNS };
static const int64_t quants_shape[] = { QUANTS_ROWS, QUANTS_COLUMNS };
static const int64_t bulk_shape[] = { BULK_BYTES };

/* A whole number from 0 to 2047 as a half; these are exact. */
static inline uint16_t half_of(unsigned value) {
    unsigned exponent = 25;
    if (value == 0) return 0;
    while (value < 1024) {
        value *= 2;
        exponent--;
    }
    return (uint16_t)(exponent << 10 | (value & 1023));
}

static inline unsigned half_value(int64_t row, int64_t column) {
    return (unsigned)(row * HALVES_COLUMNS + column) % 2048;
}

static inline int8_t quant(int64_t element) {
    return (int8_t)(element * 37 % 255 - 127);
}

/* Each block has a scale of its own: 0, 0.5, 1, ... */
static inline float quant_value(int64_t row, int64_t column) {
    const int64_t element = row * QUANTS_COLUMNS + column;
    return (float)(element / 32) / 2 * (float)quant(element);
}

static inline unsigned char bulk_byte(size_t at) {
    return (unsigned char)(at * 2654435761u >> 13);
}

/* The file's bytes, freed by the caller. */
static inline unsigned char *load_bytes(void) {
    unsigned char *bytes = (unsigned char *)malloc(ALL_BYTES);
    CHECK(bytes != NULL);
    memset(bytes, 0xbd, BULK_AT);
    for (int64_t row = 0; row < HALVES_ROWS; row++) {
        for (int64_t column = 0; column < HALVES_COLUMNS; column++) {
            const uint16_t half = half_of(half_value(row, column));
            memcpy(bytes + HALVES_AT + (row * HALVES_COLUMNS + column) * 2, &half, 2);
        }
    }
    for (int64_t block = 0; block < QUANTS_ROWS * QUANTS_COLUMNS / 32; block++) {
        unsigned char *at = bytes + QUANTS_AT + block * 34;
        /* Half of a whole number: one less in the exponent. */
        const uint16_t scale = block == 0 ? 0 : (uint16_t)(half_of((unsigned)block) - (1 << 10));
        memcpy(at, &scale, 2);
        for (int64_t in = 0; in < 32; in++) at[2 + in] = (unsigned char)quant(block * 32 + in);
    }
    for (size_t at = 0; at < BULK_BYTES; at++) bytes[BULK_AT + at] = bulk_byte(at);
    return bytes;
}

static inline const char *load_file(const char *name) {
    const char *path = scratch_path(name);
    unsigned char *bytes = load_bytes();
    write_file(path, bytes, ALL_BYTES);
    free(bytes);
    return path;
}

static inline adit_load_items *new_items(void) {
    adit_load_items *items = NULL;
    EXPECT_OK(adit_load_items_new(&items, &err));
    CHECK(items != NULL);
    CHECK_EQ(adit_load_items_len(items), 0);
    return items;
}

static inline void add_halves(adit_load_items *items, const adit_data *data,
                              const adit_load_item_options *options) {
    EXPECT_OK(adit_load_items_add_data(items, data, HALVES_AT, ADIT_DTYPE_F16, 2, halves_shape,
                                       options, &err));
}

static inline void add_quants(adit_load_items *items, const adit_data *data,
                              const adit_load_item_options *options) {
    EXPECT_OK(adit_load_items_add_data(items, data, QUANTS_AT, ADIT_DTYPE_Q8_0, 2, quants_shape,
                                       options, &err));
}

static inline void add_bulk(adit_load_items *items, const adit_data *data,
                            const adit_load_item_options *options) {
    EXPECT_OK(adit_load_items_add_data(items, data, BULK_AT, ADIT_DTYPE_U8, 1, bulk_shape, options,
                                       &err));
}

static inline adit_data *open_data(const char *path) {
    adit_data *data = NULL;
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    return data;
}

static inline adit_tensor arena_tensor(const adit_arena *arena, size_t item) {
    adit_tensor tensor;
    EXPECT_OK(adit_arena_tensor(arena, item, &tensor, &err));
    return tensor;
}

#endif
