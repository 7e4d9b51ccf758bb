/* What the programs on models share: files made by hand. */
#ifndef MODELS_H
#define MODELS_H

#include "check.h"

/* A safetensors file: its header, padded with spaces to a multiple of `align`, then the data. */
static inline const char *write_safetensors(const char *name, const char *header, size_t align,
                                            const void *data, size_t len) {
    const char *path = scratch_path(name);
    const size_t text = strlen(header), room = (text + 8 + align - 1) / align * align - 8;
    unsigned char *file = (unsigned char *)malloc(8 + room + len);
    CHECK(file != NULL);
    for (int byte = 0; byte < 8; byte++) file[byte] = (unsigned char)((uint64_t)room >> 8 * byte);
    memset(file + 8, ' ', room);
    memcpy(file + 8, header, text);
    if (len > 0) memcpy(file + 8 + room, data, len);
    write_file(path, file, 8 + room + len);
    free(file);
    return path;
}

static inline adit_model *open_model(const char *path) {
    adit_model *model = NULL;
    EXPECT_OK(adit_model_open(path, NULL, &model, &err));
    CHECK(model != NULL);
    return model;
}

static inline size_t find_tensor(const adit_model *model, const char *name) {
    size_t index = 77;
    EXPECT_OK(adit_model_find(model, name, &index, &err));
    CHECK(index < adit_model_len(model));
    return index;
}

static inline adit_model_tensor_info tensor_info(const adit_model *model, size_t index) {
    adit_model_tensor_info info = ADIT_MODEL_TENSOR_INFO_INIT;
    EXPECT_OK(adit_model_get_tensor_info(model, index, &info, &err));
    CHECK_EQ(info.struct_size, sizeof info);
    return info;
}

#endif
