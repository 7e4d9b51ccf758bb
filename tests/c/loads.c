/* Many tensors loaded at once: of files, models, arrays; by several threads, in a child. */
#include "load_files.h"

#include <pthread.h>
#include <sys/wait.h>

/* The list says what each item will be; the arena has them in the file's order. */
static void into_an_arena(void) {
    adit_data *data = open_data(load_file("arena"));
    adit_load_items *items = new_items();
    adit_load_item_options as_f32 = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_tensor tensor;
    as_f32.dtype = ADIT_DTYPE_F32;
    add_bulk(items, data, NULL);
    add_quants(items, data, &as_f32);
    add_halves(items, data, NULL);
    CHECK_EQ(adit_load_items_len(items), 3);
    EXPECT_OK(adit_load_items_tensor(items, 1, &tensor, &err));
    CHECK(tensor.data == NULL);
    CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
    CHECK_INT(tensor.ndim, 2);
    CHECK_INT(tensor.shape[0], QUANTS_ROWS);
    CHECK_INT(tensor.shape[1], QUANTS_COLUMNS);
    CHECK_EQ(tensor.nbytes, QUANTS_ROWS * QUANTS_COLUMNS * 4);
    /* Items hold what they need. */
    adit_data_close(data);

    const uint32_t threads[] = { 0, 1, 2, 7 };
    for (size_t at = 0; at < 4 * 3; at++) {
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        adit_arena *arena = NULL;
        options.threads = threads[at % 4];
        options.flags = at / 4 == 1 ? ADIT_LOAD_DIRECT : 0;
        options.io = at / 4 == 2 ? ADIT_IO_MAP : ADIT_IO_AUTO;
        options.align = at % 2 ? 0 : 4096;
        EXPECT_OK(adit_load(items, &options, &arena, &stats, &err));
        const uint64_t total =
            BULK_BYTES + QUANTS_ROWS * QUANTS_COLUMNS * 4 + HALVES_ROWS * HALVES_COLUMNS * 2;
        CHECK_EQ(stats.struct_size, sizeof stats);
        CHECK_EQ(stats.bytes, total);
        CHECK(stats.direct_bytes == 0 || at / 4 == 1);
        if (at / 4 == 1 && stats.direct_bytes == 0) check_skip("direct reads", "a file system");
        CHECK(stats.work_bytes <= 64 << 20);
        CHECK(options.threads == 0 || stats.threads <= options.threads);

        const adit_tensor bulk = arena_tensor(arena, 0), quants = arena_tensor(arena, 1);
        const adit_tensor halves = arena_tensor(arena, 2);
        const unsigned char *start = (const unsigned char *)adit_arena_bytes(arena);
        const uint64_t align = at % 2 ? 64 : 4096;
        CHECK(halves.data == start);
        CHECK(bulk.data > quants.data && quants.data > halves.data);
        CHECK_EQ((uintptr_t)bulk.data % align, 0);
        CHECK_EQ((uintptr_t)quants.data % align, 0);
        CHECK_EQ((uintptr_t)halves.data % align, 0);
        CHECK_EQ((const unsigned char *)bulk.data - start + BULK_BYTES, adit_arena_len(arena));
        for (const unsigned char *gap = start + halves.nbytes; (const void *)gap < quants.data; gap++)
            CHECK(*gap == 0);
        CHECK_INT(bulk.dtype, ADIT_DTYPE_U8);
        CHECK_INT(quants.dtype, ADIT_DTYPE_F32);
        CHECK_INT(halves.dtype, ADIT_DTYPE_F16);
        CHECK_EQ(halves.flags, ADIT_TENSOR_CONTIGUOUS);
        CHECK_INT(quants.strides[0], QUANTS_COLUMNS);
        for (size_t byte = 0; byte < BULK_BYTES; byte++)
            if (((const unsigned char *)bulk.data)[byte] != bulk_byte(byte))
                CHECK_FAIL("byte %zu", byte);
        const float *floats = (const float *)quants.data;
        for (int64_t row = 0; row < QUANTS_ROWS; row++)
            for (int64_t column = 0; column < QUANTS_COLUMNS; column++)
                CHECK(floats[row * QUANTS_COLUMNS + column] == quant_value(row, column));
        const uint16_t *shorts = (const uint16_t *)halves.data;
        for (int64_t element = 0; element < HALVES_ROWS * HALVES_COLUMNS; element++)
            CHECK_EQ(shorts[element], half_of(half_value(0, element)));
        EXPECT_ERROR(adit_arena_tensor(arena, 3, &tensor, &err), ADIT_ERR_OUT_OF_RANGE,
                     "item 3 was asked for, but there are 3");
        CHECK(tensor.data == NULL && tensor.ndim == 0);
        adit_arena_free(arena);
    }
    EXPECT_ERROR(adit_load_items_tensor(items, 3, &tensor, &err), ADIT_ERR_OUT_OF_RANGE, "item 3");
    adit_load_items_free(items);
}

/* Every tensor of a model, as it is and as f32, is what adit_model_read gives. */
static void models(void) {
    const char *names[] = { "safetensors/model_small.safetensors", "gguf/tensors_only.gguf" };
    for (size_t file = 0; file < 2; file++) {
        adit_model *model = NULL;
        adit_arena *arena = NULL;
        adit_load_items *items = new_items();
        adit_load_item_options as_f32 = ADIT_LOAD_ITEM_OPTIONS_INIT;
        adit_model_read_options read = ADIT_MODEL_READ_OPTIONS_INIT;
        as_f32.dtype = read.dtype = ADIT_DTYPE_F32;
        EXPECT_OK(adit_model_open(data_path(names[file]), NULL, &model, &err));
        const size_t len = adit_model_len(model);
        CHECK(len > 5);
        for (size_t index = 0; index < len; index++) {
            EXPECT_OK(adit_load_items_add_model(items, model, index, NULL, &err));
            EXPECT_OK(adit_load_items_add_model(items, model, index, &as_f32, &err));
        }
        EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
        for (size_t index = 0; index < len; index++) {
            static unsigned char wanted[1 << 16];
            adit_tensor tensor;
            EXPECT_OK(adit_model_read(model, index, NULL, wanted, sizeof wanted, &tensor, &err));
            adit_tensor found = arena_tensor(arena, 2 * index);
            CHECK_INT(found.dtype, tensor.dtype);
            CHECK_BYTES(found.shape, tensor.shape, sizeof tensor.shape);
            CHECK_EQ(found.nbytes, tensor.nbytes);
            CHECK_BYTES(found.data, wanted, tensor.nbytes);
            EXPECT_OK(adit_model_read(model, index, &read, wanted, sizeof wanted, &tensor, &err));
            found = arena_tensor(arena, 2 * index + 1);
            CHECK_INT(found.dtype, ADIT_DTYPE_F32);
            CHECK_EQ(found.nbytes, tensor.nbytes);
            CHECK_BYTES(found.data, wanted, tensor.nbytes);
        }
        EXPECT_ERROR(adit_load_items_add_model(items, model, len, NULL, &err),
                     ADIT_ERR_OUT_OF_RANGE, "tensor");
        CHECK_EQ(adit_load_items_len(items), 2 * len);
        adit_model_close(model);
        adit_load_items_free(items);
        adit_arena_free(arena);
    }
}

/* Arrays: changes in memory are loaded, other orders refused. */
static void arrays(void) {
    adit_array *array = NULL;
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    adit_load_items *items = new_items();
    adit_tensor tensor;
    void *writable = NULL;
    options.mode = ADIT_ARRAY_COPY_ON_WRITE;
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), &options, &array, &err));
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    EXPECT_OK(adit_array_data_mut(array, &writable, NULL, &err));
    ((float *)writable)[1] = 42.0f;
    EXPECT_OK(adit_load_items_add_array(items, array, NULL, &err));
    adit_array_close(array);
    for (int direct = 0; direct < 2; direct++) {
        adit_arena *arena = NULL;
        adit_load_options how = ADIT_LOAD_OPTIONS_INIT;
        how.flags = direct ? ADIT_LOAD_DIRECT : 0;
        EXPECT_OK(adit_load(items, &how, &arena, NULL, &err));
        const adit_tensor loaded = arena_tensor(arena, 0);
        CHECK_BYTES(loaded.shape, tensor.shape, sizeof tensor.shape);
        CHECK_EQ(loaded.nbytes, tensor.nbytes);
        CHECK(((const float *)loaded.data)[1] == 42.0f);
        adit_arena_free(arena);
    }
    const char *others[] = { "npy/f4_f.npy", "npy/f4_be.npy" };
    for (size_t at = 0; at < 2; at++) {
        EXPECT_OK(adit_array_open(data_path(others[at]), NULL, &array, &err));
        EXPECT_ERROR(adit_load_items_add_array(items, array, NULL, &err), ADIT_ERR_UNSUPPORTED,
                     others[at]);
        CHECK_LAST_PATH(data_path(others[at]));
        adit_array_close(array);
    }
    CHECK_EQ(adit_load_items_len(items), 1);
    adit_load_items_free(items);
}

typedef struct looped {
    const adit_load_items *items;
    unsigned char sum;
} looped;

static void *load_often(void *ctx) {
    looped *own = (looped *)ctx;
    for (int round = 0; round < 5; round++) {
        adit_arena *arena = NULL;
        CHECK_INT(adit_load(own->items, NULL, &arena, NULL, NULL), ADIT_OK);
        own->sum ^= ((const unsigned char *)adit_arena_bytes(arena))[adit_arena_len(arena) - 1];
        adit_arena_free(arena);
    }
    return NULL;
}

/* One list loaded by several threads at once. */
static void shared(void) {
    adit_data *data = open_data(load_file("shared"));
    adit_load_items *items = new_items();
    looped own[3] = { { items, 0 }, { items, 0 }, { items, 0 } };
    pthread_t threads[3];
    add_bulk(items, data, NULL);
    for (int at = 0; at < 3; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, load_often, &own[at]), 0);
    for (int at = 0; at < 3; at++) {
        CHECK_INT(pthread_join(threads[at], NULL), 0);
        CHECK_EQ(own[at].sum, bulk_byte(BULK_BYTES - 1));
    }
    adit_load_items_free(items);
    adit_data_close(data);
}

/* A child loads what its parent listed, and uses what it loaded. */
static void forked(void) {
    adit_data *data = open_data(load_file("forked"));
    adit_load_items *items = new_items();
    adit_arena *arena = NULL;
    add_bulk(items, data, NULL);
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    const pid_t child = check_fork();
    if (child == 0) {
        adit_arena *own = NULL;
        EXPECT_OK(adit_load(items, NULL, &own, NULL, &err));
        CHECK_EQ(adit_arena_len(own), BULK_BYTES);
        CHECK_BYTES(adit_arena_bytes(own), adit_arena_bytes(arena), BULK_BYTES);
        adit_arena_free(own);
        adit_arena_free(arena);
        adit_load_items_free(items);
        adit_data_close(data);
        child_ends();
    }
    check_child(child);
    CHECK(((const unsigned char *)adit_arena_bytes(arena))[7] == bulk_byte(7));
    adit_arena_free(arena);
    adit_load_items_free(items);
    adit_data_close(data);
}

static void nothing(void) {
    adit_load_items *items = new_items();
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_arena *arena = NULL;
    stats.bytes = stats.threads = 7;
    EXPECT_OK(adit_load(items, NULL, &arena, &stats, &err));
    CHECK_EQ(stats.bytes, 0);
    CHECK_EQ(stats.threads, 1);
    CHECK_EQ(stats.direct_bytes, 0);
    adit_arena_free(arena);
    EXPECT_OK(adit_load(items, NULL, NULL, NULL, &err));
    adit_load_items_free(items);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    into_an_arena();
    models();
    arrays();
    shared();
    forked();
    nothing();
    return check_end();
}
