/* Whole models on the card: every tensor's bytes, wherever they came to lie. */
#include "gpus.h"
#include "models.h"

static const char *const files[] = {
    "safetensors/all_dtypes.safetensors", "safetensors/empty_and_scalar.safetensors",
    "safetensors/model_small.safetensors", "safetensors/no_tensors.safetensors",
    "gguf/align_64.gguf",                 "gguf/every_type.gguf",
    "gguf/split-00001-of-00003.gguf",
};
enum { FILES = sizeof files / sizeof files[0] };

/* What the CPU makes of some rows, in the dtype that they have on the card. */
static void check_part(const adit_model *model, size_t index, const adit_gpu_tensor *part,
                       const adit_gpu_buffer *buffer) {
    adit_model_read_options options = ADIT_MODEL_READ_OPTIONS_INIT;
    adit_tensor tensor;
    options.dtype = part->dtype;
    if (part->parts > 1) {
        options.row_start = (uint64_t)part->row_start;
        options.row_count = (uint64_t)part->shape[0];
    }
    void *wanted = malloc(part->nbytes + 1);
    CHECK(wanted != NULL);
    EXPECT_OK(adit_model_read(model, index, &options, wanted, part->nbytes, &tensor, &err));
    CHECK_EQ(tensor.nbytes, part->nbytes);
    CHECK_INT(tensor.ndim, part->ndim);
    for (int axis = 0; axis < 8; axis++) CHECK_INT(tensor.shape[axis], part->shape[axis]);
    check_buffer(buffer, part->offset, wanted, part->nbytes);
    free(wanted);
}

/* All tensors of an uploaded model; the number of parts that there are. */
static size_t check_model(const adit_model *model, const adit_gpu_model *uploaded,
                          const adit_gpu_model_options *options) {
    const size_t tensors = adit_model_len(model), buffers = adit_gpu_model_buffers(uploaded);
    const uint64_t align = options->align == 0 ? 256 : options->align;
    size_t parts = 0;
    CHECK_EQ(adit_gpu_model_len(uploaded), tensors);
    for (size_t index = 0; index < tensors; index++) {
        adit_gpu_tensor part = ADIT_GPU_TENSOR_INIT;
        uint64_t row = 0, count = 1;
        for (uint64_t number = 0; number < count; number++) {
            adit_gpu_buffer *buffer = NULL;
            EXPECT_OK(adit_gpu_model_tensor(uploaded, index, (size_t)number, &part, &err));
            count = part.parts;
            parts++;
            CHECK_EQ(part.row_start, row);
            row += (uint64_t)part.shape[0];
            CHECK(count > 0 && part.buffer < (buffers > 0 ? buffers : 1));
            CHECK_EQ(part.offset % align, 0);
            if (part.nbytes == 0) continue;
            EXPECT_OK(adit_gpu_model_buffer(uploaded, (size_t)part.buffer, &buffer, &err));
            CHECK(part.offset + part.nbytes <= adit_gpu_buffer_size(buffer));
            if (options->buffer_bytes > 0)
                CHECK(adit_gpu_buffer_size(buffer) <= options->buffer_bytes);
            check_part(model, index, &part, buffer);
            adit_gpu_buffer_free(buffer);
        }
        EXPECT_ERROR(adit_gpu_model_tensor(uploaded, index, (size_t)count, &part, &err),
                     ADIT_ERR_OUT_OF_RANGE, "part ");
        CHECK_EQ(part.parts, 0);
    }
    adit_gpu_tensor none = ADIT_GPU_TENSOR_INIT;
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    EXPECT_ERROR(adit_gpu_model_tensor(uploaded, tensors, 0, &none, &err), ADIT_ERR_OUT_OF_RANGE,
                 "tensor ");
    EXPECT_ERROR(adit_gpu_model_buffer(uploaded, buffers, &buffer, &err), ADIT_ERR_OUT_OF_RANGE,
                 "buffer ");
    CHECK(buffer == NULL);
    return parts;
}

static void whole(const adit_gpu *gpu) {
    for (size_t file = 0; file < FILES; file++) {
        adit_model *model = open_model(data_path(files[file]));
        for (uint32_t round = 0; round < 4; round++) {
            adit_gpu_model_options options = ADIT_GPU_MODEL_OPTIONS_INIT;
            adit_load_options load = ADIT_LOAD_OPTIONS_INIT;
            adit_load_stats stats = ADIT_LOAD_STATS_INIT;
            adit_gpu_model *uploaded = NULL;
            watched own = { 0, 0, 0, 0 };
            options.dtype = round % 2 ? ADIT_DTYPE_F32 : ADIT_DTYPE_NONE;
            options.align = round == 3 ? 4 : 0;
            options.flags = round == 2 ? ADIT_GPU_MODEL_RELEASE : 0;
            load.progress = progress;
            load.item_done = item_done;
            load.progress_ctx = load.item_ctx = &own;
            EXPECT_OK(adit_gpu_upload_model(gpu, model, &options, &load, &uploaded, &stats, &err));
            CHECK_EQ(own.done, own.total);
            CHECK_EQ(own.items + 1, (uint64_t)1 << adit_model_len(model));
            CHECK_EQ(stats.bytes, own.total);
            CHECK(adit_gpu_model_buffers(uploaded) <= 1);
            CHECK_EQ(check_model(model, uploaded, &options), adit_model_len(model));
            adit_gpu_model_free(uploaded);
        }
        adit_model_close(model);
    }
}

static uint64_t bytes_on_card(const adit_gpu_model *uploaded) {
    uint64_t sum = 0;
    for (uint64_t at = 0; at < adit_gpu_model_len(uploaded); at++) {
        adit_gpu_tensor tensor = ADIT_GPU_TENSOR_INIT;
        EXPECT_OK(adit_gpu_model_tensor(uploaded, at, 0, &tensor, &err));
        CHECK_EQ(tensor.parts, 1);
        sum += tensor.nbytes;
    }
    return sum;
}

/* The host converts where it is asked to, and for a software adapter: then what travels is what the card
 * has. The bits are the same. */
static void converters(void) {
    static const int32_t all[] = { ADIT_GPU_CONVERTER_AUTO, ADIT_GPU_CONVERTER_CARD,
                                   ADIT_GPU_CONVERTER_HOST };
    adit_model *model = open_model(data_path("gguf/every_type.gguf"));
    for (size_t at = 0; at < 2 * sizeof all / sizeof *all; at++) {
        adit_gpu_options opened = ADIT_GPU_OPTIONS_INIT;
        adit_gpu_model_options options = ADIT_GPU_MODEL_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        adit_gpu *gpu = NULL;
        adit_gpu_model *uploaded = NULL;
        opened.converter = all[at / 2];
        opened.memory = memory_paths[at % 2];
        options.dtype = ADIT_DTYPE_F32;
        EXPECT_OK(adit_gpu_open(&opened, &gpu, &err));
        EXPECT_OK(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, &stats, &err));
        CHECK_EQ(check_model(model, uploaded, &options), adit_model_len(model));
        const uint64_t there = bytes_on_card(uploaded);
        if (opened.converter == ADIT_GPU_CONVERTER_CARD) CHECK(stats.bytes < there);
        else CHECK_EQ(stats.bytes, there);
        adit_gpu_model_free(uploaded);
        adit_gpu_close(gpu);
    }
    adit_model_close(model);
}

/* Known tensors at known places; the model and the device are closed before they are looked at. */
static void places(int32_t path) {
    const float a[] = { 1, 2, 3, 4, 5, 6 };
    const uint16_t b[] = { 0x3c00, 0xc000, 0x7c00, 0x0001 };
    unsigned char data[32];
    memcpy(data, a, 24);
    memcpy(data + 24, b, 8);
    const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                         "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]}}";
    adit_model *model = open_model(write_safetensors("places.safetensors", header, 8, data, 32));
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_model *uploaded = NULL;
    adit_gpu_model_options options = ADIT_GPU_MODEL_OPTIONS_INIT;
    options.dtype = ADIT_DTYPE_F32;
    const size_t at_a = find_tensor(model, "a"), at_b = find_tensor(model, "b");
    EXPECT_OK(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err));
    adit_model_close(model);
    adit_gpu_close(gpu);
    adit_gpu_tensor first = ADIT_GPU_TENSOR_INIT, second = ADIT_GPU_TENSOR_INIT;
    EXPECT_OK(adit_gpu_model_tensor(uploaded, at_a, 0, &first, &err));
    EXPECT_OK(adit_gpu_model_tensor(uploaded, at_b, 0, &second, &err));
    CHECK_EQ(first.struct_size, sizeof first);
    CHECK(first.buffer == 0 && first.offset == 0 && first.nbytes == 24 && first.parts == 1);
    CHECK_INT(first.dtype, ADIT_DTYPE_F32);
    CHECK(first.ndim == 2 && first.shape[0] == 2 && first.shape[1] == 3 && first.shape[2] == 0);
    CHECK(second.buffer == 0 && second.offset == 256 && second.nbytes == 16 && second.ndim == 1);
    CHECK_INT(second.dtype, ADIT_DTYPE_F32);
    CHECK_EQ(adit_gpu_model_buffers(uploaded), 1);
    adit_gpu_buffer *buffer = NULL;
    EXPECT_OK(adit_gpu_model_buffer(uploaded, 0, &buffer, &err));
    adit_gpu_model_free(uploaded);
    float wide[4];
    EXPECT_OK(adit_f16_to_f32(b, wide, 4, &err));
    check_buffer(buffer, 0, a, 24);
    check_buffer(buffer, 256, wide, 16);
    adit_gpu_buffer_free(buffer);
}

/* Buffers of little: several of them, tensors split by rows, or refused by name. */
static void limited(const adit_gpu *gpu) {
    const char *path = data_path("safetensors/model_small.safetensors");
    adit_model *model = open_model(path);
    adit_gpu_model_options options = ADIT_GPU_MODEL_OPTIONS_INIT;
    adit_gpu_model *uploaded = (adit_gpu_model *)(void *)CHECK_GARBAGE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    options.buffer_bytes = 2048;
    EXPECT_OK(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err));
    CHECK(adit_gpu_model_buffers(uploaded) > 3);
    CHECK_EQ(check_model(model, uploaded, &options), adit_model_len(model));
    adit_gpu_model_free(uploaded);

    options.buffer_bytes = 300;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, &stats, &err),
                 ADIT_ERR_OUT_OF_RANGE, "more than a buffer's limit, 300");
    CHECK(last.has_index && last.index < adit_model_len(model));
    const char *name = NULL;
    EXPECT_OK(adit_model_name(model, (size_t)last.index, &name, NULL, &err));
    CHECK_IN(last.message, name);
    CHECK_IN(last.message, path);
    CHECK_LAST_PATH(path);
    CHECK_LAST_OFFSET(tensor_info(model, (size_t)last.index).offset);
    CHECK(last.offset > 0);
    CHECK(uploaded == NULL);
    CHECK_EQ(stats.bytes, 0);

    options.flags = ADIT_GPU_MODEL_SPLIT;
    options.dtype = ADIT_DTYPE_F32;
    EXPECT_OK(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err));
    CHECK(check_model(model, uploaded, &options) > adit_model_len(model));
    adit_gpu_model_free(uploaded);

    options.buffer_bytes = 40;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "a row of ");
    CHECK_LAST_PATH(path);
    const adit_gpu_model_options defaults = ADIT_GPU_MODEL_OPTIONS_INIT;
    static const uint64_t aligns[] = { 1, 2, 3, 12, 4 << 20 };
    for (size_t at = 0; at < sizeof aligns / sizeof aligns[0]; at++) {
        options = defaults;
        options.align = aligns[at];
        EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err),
                     ADIT_ERR_INVALID_ARGUMENT, "alignment");
    }
    options = defaults;
    options.buffer_bytes = 3;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "buffers of at most 3 bytes");
    options = defaults;
    options.dtype = 9999;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err),
                 ADIT_ERR_DTYPE, "9999");
    options = defaults;
    options.flags = 4;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, &options, NULL, &uploaded, NULL, &err),
                 ADIT_ERR_UNSUPPORTED, "options->flags");
    adit_model_close(model);
}

enum { LARGE = 3 << 20 };

static const char *large_file(const char *name) {
    unsigned char *bytes = noise_bytes(LARGE);
    char header[256];
    snprintf(header, sizeof header,
             "{\"small\":{\"dtype\":\"U8\",\"shape\":[1024],\"data_offsets\":[0,1024]},"
             "\"large\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[1024,%d]}}",
             LARGE - 1024, LARGE);
    const char *path = write_safetensors(name, header, 8, bytes, LARGE);
    free(bytes);
    return path;
}

static void cancelled(const adit_gpu *gpu) {
    adit_model *model = open_model(large_file("cancelled.safetensors"));
    adit_load_options load = ADIT_LOAD_OPTIONS_INIT;
    adit_gpu_model *uploaded = (adit_gpu_model *)(void *)CHECK_GARBAGE;
    watched own = { 0, 0, 0, 0 };
    load.progress = progress;
    load.progress_ctx = &own;
    for (uint64_t patience = 1; patience < 3; patience++) {
        own.patience = patience;
        own.done = 0;
        EXPECT(adit_gpu_upload_model(gpu, model, NULL, &load, &uploaded, NULL, &err),
               ADIT_CANCELLED);
        CHECK(uploaded == NULL);
        CHECK_EQ(own.patience, 0);
    }
    adit_model_close(model);
}

static int ADIT_CALL cut(void *ctx, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    CHECK_INT(truncate((const char *)ctx, 1 << 20), 0);
    return 0;
}

static void truncated(const adit_gpu *gpu) {
    char path[1024];
    snprintf(path, sizeof path, "%s", large_file("cut.safetensors"));
    adit_model *model = open_model(path);
    adit_load_options load = ADIT_LOAD_OPTIONS_INIT;
    adit_gpu_model *uploaded = (adit_gpu_model *)(void *)CHECK_GARBAGE;
    load.progress = cut;
    load.progress_ctx = path;
    EXPECT_ERROR(adit_gpu_upload_model(gpu, model, NULL, &load, &uploaded, NULL, &err),
                 ADIT_ERR_TRUNCATED, "'large'");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(find_tensor(model, "large"));
    CHECK(last.has_offset && last.offset >= 1024);
    CHECK(uploaded == NULL);
    EXPECT_OK(adit_gpu_status(gpu, &err));
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (size_t at = 0; at < 2; at++) {
        adit_gpu *gpu = open_gpu(memory_paths[at]);
        whole(gpu);
        limited(gpu);
        cancelled(gpu);
        truncated(gpu);
        adit_gpu_close(gpu);
        places(memory_paths[at]);
    }
    converters();
    return check_end();
}
