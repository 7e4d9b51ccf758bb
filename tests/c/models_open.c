/* Models, by what their makers wrote down of them; opened in every way. */
#include "models.h"
#include "model_fixtures.h"
#include "sha256.h"

#define COUNT(array) (sizeof array / sizeof array[0])

static adit_model_info info_of(const adit_model *model) {
    adit_model_info info = ADIT_MODEL_INFO_INIT;
    EXPECT_OK(adit_model_get_info(model, &info, &err));
    CHECK_EQ(info.struct_size, sizeof info);
    return info;
}

static void check_tensor(const adit_model *model, const struct model_tensor *wanted) {
    const size_t index = find_tensor(model, wanted->name);
    const adit_model_tensor_info info = tensor_info(model, index);
    const char *name = NULL;
    size_t len = 0, ndim = 0;
    int64_t dims[8];
    adit_data *data = NULL;
    adit_tensor tensor;
    EXPECT_OK(adit_model_name(model, index, &name, &len, &err));
    CHECK_STR(name, wanted->name);
    CHECK_EQ(len, strlen(wanted->name));
    EXPECT_OK(adit_model_name(model, index, &name, NULL, &err));
    CHECK_STR(name, wanted->name);
    CHECK_INT(info.dtype, wanted->dtype);
    CHECK_EQ(info.ggml_type, wanted->ggml_type);
    CHECK_EQ(info.ndim, wanted->ndim);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.file, 0);
    CHECK_EQ(info.offset, wanted->offset);
    CHECK_EQ(info.nbytes, wanted->nbytes);
    EXPECT_OK(adit_model_shape(model, index, dims, 8, &ndim, &err));
    CHECK_EQ(ndim, wanted->ndim);
    for (size_t axis = 0; axis < 8; axis++) CHECK_INT(dims[axis], wanted->shape[axis]);

    EXPECT_OK(adit_model_file(model, 0, &data, &err));
    const unsigned char *place = (const unsigned char *)adit_data_bytes(data) + info.offset;
    CHECK(info.offset + info.nbytes <= adit_data_len(data));
    CHECK_STR(sha256_of(place, info.nbytes), wanted->sha256);
    CHECK(info.alignment >= 1 && info.alignment <= 4096);
    CHECK_EQ((uintptr_t)place % info.alignment, 0);
    CHECK(info.alignment == 4096 || (uintptr_t)place % (2 * info.alignment) != 0);

    memset(&tensor, 0xa5, sizeof tensor);
    EXPECT_OK(adit_model_tensor(model, index, 1, &tensor, &err));
    CHECK(tensor.data == (info.nbytes > 0 ? place : NULL));
    CHECK_EQ(tensor.nbytes, info.nbytes);
    CHECK_INT(tensor.dtype, wanted->dtype);
    CHECK_INT(tensor.ndim, wanted->ndim);
    CHECK_BYTES(tensor.shape, wanted->shape, sizeof tensor.shape);
    CHECK_EQ(tensor.flags, ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS);
    bool block = adit_dtype_block_elems(tensor.dtype) > 1;
    int64_t step = 1;
    for (int axis = 7; axis >= 0; axis--) {
        bool own = axis < tensor.ndim && !block;
        CHECK_INT(tensor.strides[axis], own ? step : 0);
        if (own && tensor.shape[axis] > 0) step *= tensor.shape[axis];
    }
    adit_data_close(data);
}

static void check_model(const adit_model *model, const struct model_file *wanted) {
    const adit_model_info info = info_of(model);
    size_t seen = 0, index = 77;
    CHECK_INT(info.format, wanted->format);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.tensors, wanted->tensors);
    CHECK_EQ(info.files, 1);
    CHECK_EQ(info.nbytes, wanted->nbytes);
    CHECK_EQ(adit_model_len(model), wanted->tensors);
    CHECK_EQ(adit_model_file_count(model), 1);
    CHECK_EQ(adit_model_metadata_count(model), wanted->keys);
    for (size_t at = 0; at < COUNT(model_tensors); at++) {
        if (strcmp(model_tensors[at].file, wanted->name) != 0) continue;
        check_tensor(model, &model_tensors[at]);
        seen++;
    }
    CHECK_EQ(seen, wanted->tensors);
    /* By offset, which the numbers follow. */
    for (uint64_t at = 1, before = 0; at < seen; at++) {
        const uint64_t offset = tensor_info(model, at).offset;
        CHECK(offset >= before);
        before = offset;
    }
    EXPECT(adit_model_find(model, "no such tensor", &index, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(index, 0);
    CHECK(adit_model_find(model, "", &index, NULL) == ADIT_ERR_NOT_FOUND);
}

static void sound_files(void) {
    for (size_t at = 0; at < COUNT(model_files); at++) {
        const struct model_file *file = &model_files[at];
        const char *path = data_path(file->name);
        adit_model *model = open_model(path);
        adit_model_options options = ADIT_MODEL_OPTIONS_INIT;
        adit_data_options how = ADIT_DATA_OPTIONS_INIT;
        adit_data *data = NULL;
        check_model(model, file);
        EXPECT_OK(adit_model_file(model, 0, &data, &err));
        CHECK(adit_data_is_mapped(data));
        CHECK_STR(adit_data_path(data), path);
        adit_data_close(data);
        adit_model_close(model);

        options.data = &how;
        options.flags = ADIT_MODEL_VERIFY;
        how.backend = ADIT_BACKEND_READ;
        EXPECT_OK(adit_model_open(path, &options, &model, &err));
        check_model(model, file);
        adit_model_close(model);
        how.backend = ADIT_BACKEND_MAP;
        how.flags = ADIT_DATA_POPULATE | ADIT_DATA_HUGE_PAGES;
        EXPECT_OK(adit_model_open_files(&path, 1, &options, &model, &err));
        check_model(model, file);
        adit_model_close(model);

        /* From memory, at any address. */
        size_t len = 0;
        unsigned char *bytes = read_file(path, &len);
        unsigned char *room = (unsigned char *)malloc(len + 8);
        CHECK(room != NULL);
        for (size_t offset = 0; offset < 8; offset++) {
            memcpy(room + offset, bytes, len);
            EXPECT_OK(adit_data_from_bytes(room + offset, len, ADIT_BYTES_BORROW, NULL, NULL, &data,
                                           &err));
            const adit_data *given = data;
            EXPECT_OK(adit_model_from_data(&given, 1, NULL, &model, &err));
            adit_data_close(data);
            check_model(model, file);
            adit_model_close(model);
        }
        free(room);
        free(bytes);
    }
}

/* The same tensor in each of three files, by its number. */
static const char *write_shard(const char *name, int number) {
    char header[200];
    const float values[2] = { (float)number, (float)number + 0.5f };
    snprintf(header, sizeof header,
             "{\"__metadata__\":{\"shard\":\"%d\"},"
             "\"t%d\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
             number, number);
    return write_safetensors(name, header, 8, values, sizeof values);
}

static void check_shards(const adit_model *model, size_t shards) {
    CHECK_EQ(adit_model_len(model), shards);
    CHECK_EQ(adit_model_file_count(model), shards);
    const adit_model_info info = info_of(model);
    CHECK_INT(info.format, ADIT_MODEL_FORMAT_SAFETENSORS);
    CHECK_EQ(info.files, shards);
    CHECK_EQ(info.nbytes, 8 * shards);
    for (size_t number = 0; number < shards; number++) {
        char name[32];
        adit_tensor tensor;
        snprintf(name, sizeof name, "t%zu", number);
        const size_t index = find_tensor(model, name);
        EXPECT_OK(adit_model_tensor(model, index, 0, &tensor, &err));
        CHECK(((const float *)tensor.data)[0] == (float)number);
        CHECK(((const float *)tensor.data)[1] == (float)number + 0.5f);
        CHECK_EQ(tensor_info(model, index).file, number);
        /* The caller's struct may lie at any address. */
        adit_tensor places[2];
        char *odd = (char *)places + 1;
        EXPECT_OK(adit_model_tensor(model, index, 0, (adit_tensor *)(void *)odd, &err));
        CHECK(memcmp(odd, &tensor, sizeof tensor) == 0);
    }
}

static void shards(void) {
    char first[1024], second[1024], third[1024];
    adit_model *model = NULL;
    adit_data *data[3], *own = NULL;
    snprintf(first, sizeof first, "%s", write_shard("a-00001.safetensors", 0));
    snprintf(second, sizeof second, "%s", write_shard("a-00002.safetensors", 1));
    snprintf(third, sizeof third, "%s", write_shard("a-00003.safetensors", 2));
    const char *index = "{\"metadata\":{\"total_size\":24},\"weight_map\":{"
                        "\"t0\":\"a-00001.safetensors\",\"t1\":\"a-00002.safetensors\","
                        "\"t2\":\"a-00003.safetensors\"}}";
    write_file(scratch_path("model.safetensors.index.json"), index, strlen(index));
    model = open_model(scratch_path("model.safetensors.index.json"));
    check_shards(model, 3);
    EXPECT_OK(adit_model_file(model, 1, &own, &err));
    CHECK_STR(adit_data_path(own), second);
    adit_model_close(model);
    /* The bytes stay with the handle. */
    CHECK_EQ(adit_data_len(own) % 8, 0);
    CHECK(memcmp((const char *)adit_data_bytes(own) + 9, "\"__metadata__", 13) == 0);
    adit_data_close(own);

    const char *paths[] = { first, second, third };
    EXPECT_OK(adit_model_open_files(paths, 3, NULL, &model, &err));
    check_shards(model, 3);
    EXPECT_ERROR(adit_model_file(model, 3, &own, &err), ADIT_ERR_OUT_OF_RANGE, "the model has 3");
    CHECK(own == NULL);
    adit_model_close(model);
    EXPECT_OK(adit_model_open_files(paths, 2, NULL, &model, &err));
    check_shards(model, 2);
    adit_model_close(model);

    for (int at = 0; at < 3; at++) EXPECT_OK(adit_data_open(paths[at], NULL, &data[at], &err));
    const adit_data *given[] = { data[0], data[1], data[2] };
    EXPECT_OK(adit_model_from_data(given, 3, NULL, &model, &err));
    for (int at = 0; at < 3; at++) adit_data_close(data[at]);
    check_shards(model, 3);
    adit_model_close(model);
}

/* Any bytes, also those of a model, as one tensor. */
static void raw(void) {
    const char *names[] = { "digits/labels_u8.npy", "safetensors/model_small.safetensors" };
    for (size_t at = 0; at < 2; at++) {
        size_t len = 0;
        unsigned char *bytes = read_file(data_path(names[at]), &len);
        adit_model_options options = ADIT_MODEL_OPTIONS_INIT;
        adit_model *model = NULL;
        adit_tensor tensor;
        options.flags = ADIT_MODEL_RAW;
        EXPECT_OK(adit_model_open(data_path(names[at]), &options, &model, &err));
        CHECK_INT(info_of(model).format, ADIT_MODEL_FORMAT_RAW);
        CHECK_EQ(adit_model_len(model), 1);
        EXPECT_OK(adit_model_tensor(model, find_tensor(model, "data"), 64, &tensor, &err));
        CHECK_INT(tensor.dtype, ADIT_DTYPE_U8);
        CHECK(tensor.ndim == 1 && tensor.shape[0] == (int64_t)len);
        CHECK_EQ(tensor.nbytes, len);
        CHECK_BYTES(tensor.data, bytes, len);
        adit_model_close(model);
        free(bytes);
    }
}

/* Decompressed on the heap, only where that is asked for. */
static void compressed(void) {
    static const char header[] = "{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
    /* One stored block of gzip, whose checksum and length stand at its end. */
    unsigned char file[256] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1 };
    unsigned char plain[128];
    const size_t len = 8 + sizeof header - 1 + 4;
    memset(plain, 0, 8);
    plain[0] = sizeof header - 1;
    memcpy(plain + 8, header, sizeof header - 1);
    memcpy(plain + len - 4, "\1\2\3\4", 4);
    file[11] = (unsigned char)len;
    file[13] = (unsigned char)~len;
    file[14] = 0xff;
    memcpy(file + 15, plain, len);
    uint32_t crc = 0xffffffff;
    for (size_t at = 0; at < len; at++) {
        crc ^= plain[at];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (size_t byte = 0; byte < 4; byte++) file[15 + len + byte] = (unsigned char)(~crc >> 8 * byte);
    file[19 + len] = (unsigned char)len;
    write_file(scratch_path("packed.safetensors.gz"), file, 23 + len);

    adit_model *model = NULL;
    adit_data_options how = ADIT_DATA_OPTIONS_INIT;
    adit_model_options options = ADIT_MODEL_OPTIONS_INIT;
    adit_tensor tensor;
    const char *path = scratch_path("packed.safetensors.gz");
    EXPECT_ERROR(adit_model_open(path, NULL, &model, &err), ADIT_ERR_WRONG_FORMAT, "gzip");
    CHECK_LAST_PATH(path);
    options.data = &how;
    how.flags = ADIT_DATA_DECOMPRESS;
    EXPECT_OK(adit_model_open(path, &options, &model, &err));
    EXPECT_OK(adit_model_tensor(model, find_tensor(model, "w"), 0, &tensor, &err));
    CHECK_BYTES(tensor.data, "\1\2\3\4", 4);
    adit_model_close(model);
}

/* Closed in any order, the bytes stay until the last handle. */
static void closing(void) {
    for (int order = 0; order < 2; order++) {
        adit_data *data = NULL, *own = NULL;
        adit_model *model = NULL;
        adit_tensor tensor;
        const char *path = data_path("safetensors/model_small.safetensors");
        EXPECT_OK(adit_data_open(path, NULL, &data, &err));
        const adit_data *given = data;
        EXPECT_OK(adit_model_from_data(&given, 1, NULL, &model, &err));
        EXPECT_OK(adit_model_file(model, 0, &own, &err));
        EXPECT_OK(adit_model_tensor(model, find_tensor(model, "embed"), 0, &tensor, &err));
        adit_data_close(order == 0 ? data : own);
        adit_model_close(model);
        CHECK_STR(sha256_of(tensor.data, tensor.nbytes),
                  "15b253b8396af1ed6f28af22ed691dc1582f3bd8242bfc8dfc4b864f7e8c7537");
        adit_data_close(order == 0 ? own : data);
    }
    adit_model_close(NULL);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_INT(ADIT_MODEL_FORMAT_SAFETENSORS, 1);
    CHECK_INT(ADIT_MODEL_FORMAT_GGUF, 2);
    CHECK_INT(ADIT_MODEL_FORMAT_RAW, 3);
    sound_files();
    shards();
    raw();
    compressed();
    closing();
    return check_end();
}
