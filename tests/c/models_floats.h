/* A model whose tensors have pages of their own, and one that two share. */
#ifndef MODELS_FLOATS_H
#define MODELS_FLOATS_H

#include "models.h"

#define FLOATS 4096
#define PAGE 4096

/* Three tensors, 1024 f32 each in pages of their own; one of a page that it shares with its end. */
static float floats[FLOATS];

static inline const char *write_floats(void) {
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[32,32],\"data_offsets\":[0,4096]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[4,8,32],\"data_offsets\":[4096,8192]},"
        "\"c\":{\"dtype\":\"F32\",\"shape\":[1024],\"data_offsets\":[8192,12288]},"
        "\"d\":{\"dtype\":\"F32\",\"shape\":[512],\"data_offsets\":[12288,14336]},"
        "\"e\":{\"dtype\":\"F32\",\"shape\":[512],\"data_offsets\":[14336,16384]}}";
    for (int at = 0; at < FLOATS; at++) floats[at] = (float)at + 0.25f;
    return write_safetensors("floats.safetensors", header, PAGE, floats, sizeof floats);
}

static inline float touch(const adit_model *model, size_t index) {
    adit_tensor tensor;
    CHECK_INT(adit_model_tensor(model, index, 0, &tensor, NULL), ADIT_OK);
    float sum = 0;
    for (uint64_t at = 0; at < tensor.nbytes / 4; at++) sum += ((const float *)tensor.data)[at];
    return sum;
}

#endif
