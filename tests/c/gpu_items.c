/* Items of all kinds, uploaded by one call: from data, arrays, models, records, batches, memory. */
#include "gpus.h"
#include "load_files.h"
#include "loaders.h"

/* An item that goes to byte `offset` of `buffer`, as `dtype`. */
static adit_load_item_options into(const adit_gpu_buffer *buffer, uint64_t offset, int32_t dtype) {
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    options.gpu_buffer = buffer;
    options.gpu_offset = offset;
    options.dtype = dtype;
    return options;
}

static void upload_all(const adit_load_items *items, const adit_load_options *options,
                       uint64_t bytes) {
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_gpu_ticket *ticket = NULL;
    EXPECT_OK(adit_gpu_upload_items(items, options, &stats, &ticket, &err));
    CHECK_EQ(stats.bytes, bytes);
    CHECK(stats.threads >= 1);
    CHECK_EQ(stats.reserved0, 0);
    wait_for(ticket);
}

enum { HALVES_TO = 4, QUANTS_TO = 100000, BULK_TO = 200000, SIZE = BULK_TO + BULK_BYTES + 20 };

static void check_halves(const adit_gpu_buffer *buffer, uint64_t offset) {
    float *found = (float *)(void *)bytes_of(buffer, offset, HALVES_ROWS * HALVES_COLUMNS * 4);
    for (int64_t at = 0; at < HALVES_ROWS * HALVES_COLUMNS; at++)
        CHECK(found[at] == (float)half_value(0, at));
    free(found);
}

static void check_quants(const adit_gpu_buffer *buffer, uint64_t offset) {
    float *found = (float *)(void *)bytes_of(buffer, offset, QUANTS_ROWS * QUANTS_COLUMNS * 4);
    for (int64_t at = 0; at < QUANTS_ROWS * QUANTS_COLUMNS; at++)
        CHECK(found[at] == quant_value(0, at));
    free(found);
}

/* Parts of a file, mapped or read, converted on the card, on the host or not at all. */
static void files(int32_t path) {
    const char *file = load_file("files");
    unsigned char *bytes = load_bytes();
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    for (uint32_t round = 0; round < 8; round++) {
        const int32_t ios[] = { ADIT_IO_AUTO, ADIT_IO_MAP };
        adit_data_options backend = ADIT_DATA_OPTIONS_INIT;
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_items *items = new_items();
        adit_data *data = NULL;
        watched own = { 0, 0, 0, 0 };
        backend.backend = round % 4 == 3 ? ADIT_BACKEND_READ : ADIT_BACKEND_AUTO;
        EXPECT_OK(adit_data_open(file, &backend, &data, &err));
        adit_load_item_options halves = into(buffer, HALVES_TO, ADIT_DTYPE_F32);
        adit_load_item_options quants = into(buffer, QUANTS_TO, ADIT_DTYPE_F32);
        const adit_load_item_options bulk = into(buffer, BULK_TO, ADIT_DTYPE_NONE);
        halves.flags = quants.flags = round % 2 ? ADIT_LOAD_CONVERT_ON_HOST : 0;
        add_bulk(items, data, &bulk);
        add_halves(items, data, &halves);
        add_quants(items, data, &quants);
        CHECK_EQ(adit_load_items_len(items), 3);
        adit_tensor tensor;
        EXPECT_OK(adit_load_items_tensor(items, 1, &tensor, &err));
        CHECK(tensor.data == NULL);
        CHECK_INT(tensor.dtype, ADIT_DTYPE_F32);
        CHECK_EQ(tensor.nbytes, HALVES_ROWS * HALVES_COLUMNS * 4);
        adit_data_close(data);
        options.io = ios[round / 2 % 2];
        options.threads = round % 3;
        options.flags = round == 4 ? ADIT_LOAD_DIRECT : 0;
        options.progress = progress;
        options.item_done = item_done;
        options.progress_ctx = options.item_ctx = &own;
        fill_buffer(buffer, 0xcc);
        /* What is converted on the card travels as the file has it. */
        const uint64_t all =
            round % 2 ? (HALVES_ROWS * HALVES_COLUMNS + QUANTS_ROWS * QUANTS_COLUMNS) * 4
                      : HALVES_ROWS * HALVES_COLUMNS * 2 + QUANTS_ROWS * QUANTS_COLUMNS / 32 * 34;
        upload_all(items, &options, BULK_BYTES + all);
        CHECK_EQ(own.done, own.total);
        CHECK_EQ(own.total, BULK_BYTES + all);
        CHECK_EQ(own.items, 7);
        check_halves(buffer, HALVES_TO);
        check_quants(buffer, QUANTS_TO);
        check_buffer(buffer, BULK_TO, bytes + BULK_AT, BULK_BYTES);
        check_byte(buffer, 0, HALVES_TO, 0xcc);
        check_byte(buffer, HALVES_TO + HALVES_ROWS * HALVES_COLUMNS * 4, 1000, 0xcc);
        check_byte(buffer, BULK_TO + BULK_BYTES, 20, 0xcc);
        adit_load_items_free(items);
    }
    free(bytes);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Rows and columns, and a file's own bytes at odd lengths: zeros up to the next word, no more. */
static void slices(int32_t path) {
    unsigned char *bytes = load_bytes();
    adit_data *data = open_data(load_file("slices"));
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, 16384);
    adit_load_items *items = new_items();
    adit_load_item_options part = into(buffer, 8, ADIT_DTYPE_NONE);
    fill_buffer(buffer, 0xcc);
    part.row_start = 5;
    part.row_count = 3;
    part.column_start = 7;
    part.column_count = 5;
    add_halves(items, data, &part);
    const int64_t odd[] = { 7 };
    const adit_load_item_options few = into(buffer, 1000, ADIT_DTYPE_NONE);
    EXPECT_OK(adit_load_items_add_data(items, data, 1, ADIT_DTYPE_U8, 1, odd, &few, &err));
    part = into(buffer, 2000, ADIT_DTYPE_F32);
    part.row_start = 1;
    part.row_count = 2;
    part.column_start = 32;
    part.column_count = 64;
    add_quants(items, data, &part);
    part.gpu_offset = 4000;
    part.dtype = ADIT_DTYPE_F16;
    add_quants(items, data, &part);
    /* No rows, and no bytes. */
    part = into(buffer, 16384, ADIT_DTYPE_NONE);
    part.row_start = HALVES_ROWS;
    add_halves(items, data, &part);
    upload_all(items, NULL, 3 * 5 * 2 + 7 + 2 * 2 * 68);

    unsigned char *found = bytes_of(buffer, 0, 16384);
    for (int64_t row = 0; row < 3; row++) {
        for (int64_t column = 0; column < 5; column++) {
            uint16_t half;
            memcpy(&half, found + 8 + (row * 5 + column) * 2, 2);
            CHECK_EQ(half, half_of(half_value(row + 5, column + 7)));
        }
    }
    CHECK(found[38] == 0 && found[39] == 0 && found[40] == 0xcc && found[7] == 0xcc);
    CHECK_BYTES(found + 1000, bytes + 1, 7);
    CHECK(found[1007] == 0 && found[1008] == 0xcc);
    for (int64_t row = 0; row < 2; row++) {
        for (int64_t column = 0; column < 64; column++) {
            float wide, narrow;
            uint16_t half;
            memcpy(&wide, found + 2000 + (row * 64 + column) * 4, 4);
            CHECK(wide == quant_value(row + 1, column + 32));
            memcpy(&half, found + 4000 + (row * 64 + column) * 2, 2);
            EXPECT_OK(adit_f16_to_f32(&half, &narrow, 1, &err));
            CHECK(narrow == wide);
        }
    }
    CHECK(found[2000 + 512] == 0xcc && found[4000 + 256] == 0xcc);
    free(found);
    free(bytes);
    adit_load_items_free(items);
    adit_data_close(data);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Out of whatever holds tensors; all handles are closed before the upload, what they lend isn't. */
static void sources(int32_t path) {
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, 65536);
    adit_load_items *items = new_items();
    const float ramp[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    adit_load_item_options options = into(buffer, 0, ADIT_DTYPE_NONE);

    /* An array. */
    const adit_tensor flat = over(ramp, ADIT_DTYPE_F32, 2, 3, 4);
    adit_array *array = NULL;
    EXPECT_OK(adit_array_create_from(scratch_path("ramp.npy"), &flat, NULL, NULL, NULL, &array,
                                     &err));
    EXPECT_OK(adit_load_items_add_array(items, array, &options, &err));
    adit_array_close(array);

    /* A tensor of a model, by name. */
    adit_model *model = NULL;
    size_t index = 0;
    adit_tensor weights;
    EXPECT_OK(adit_model_open(data_path("safetensors/model_small.safetensors"), NULL, &model, &err));
    EXPECT_OK(adit_model_find(model, "layers.2.w", &index, &err));
    EXPECT_OK(adit_model_tensor(model, index, 0, &weights, &err));
    CHECK_INT(weights.dtype, ADIT_DTYPE_F16);
    CHECK_EQ(weights.nbytes, 768);
    float wanted[384];
    EXPECT_OK(adit_f16_to_f32(weights.data, wanted, 384, &err));
    options = into(buffer, 1000, ADIT_DTYPE_F32);
    EXPECT_OK(adit_load_items_add_model(items, model, index, &options, &err));
    adit_model_close(model);

    /* Records: a field of a fixed shape, a ragged one. */
    const char *records = scratch_path("records.arec");
    adit_record_reader *reader = NULL;
    sample third, ninth;
    write_samples(records, NULL, 0, 20);
    make_sample(&third, 3);
    make_sample(&ninth, 9);
    EXPECT_OK(adit_record_reader_open(records, NULL, &reader, &err));
    options = into(buffer, 4000, ADIT_DTYPE_NONE);
    EXPECT_OK(adit_load_items_add_record(items, reader, 3, IMAGE, &options, &err));
    options.gpu_offset = 5000;
    EXPECT_OK(adit_load_items_add_record(items, reader, 9, TOKENS, &options, &err));
    adit_record_reader_close(reader);

    /* A batch of a loader, and memory, both borrowed until the upload has returned. */
    const adit_loader_options four = batches_of(4);
    adit_loader *loader = open_loader(write_numbers("numbers.arec", 16), &four);
    adit_batch *batch = next_batch(loader);
    const adit_tensor x = tensor_of(batch, "x");
    CHECK_EQ(x.nbytes, 64);
    options = into(buffer, 6000, ADIT_DTYPE_NONE);
    EXPECT_OK(adit_load_items_add_tensor(items, &x, &options, &err));
    uint16_t halves[3] = { 0x3c00, 0xc000, 0x7bff };
    const adit_tensor memory = over(halves, ADIT_DTYPE_F16, 1, 3, 0);
    options = into(buffer, 7000, ADIT_DTYPE_F32);
    EXPECT_OK(adit_load_items_add_tensor(items, &memory, &options, &err));

    upload_all(items, NULL,
               48 + 384 * 2 + 12 + ninth.tensors[TOKENS].nbytes + 64 + 6);
    halves[0] = halves[1] = halves[2] = 0xffff;
    check_buffer(buffer, 0, ramp, sizeof ramp);
    check_buffer(buffer, 1000, wanted, sizeof wanted);
    check_buffer(buffer, 4000, third.image, sizeof third.image);
    CHECK(ninth.tensors[TOKENS].nbytes > 0);
    check_buffer(buffer, 5000, ninth.tokens, ninth.tensors[TOKENS].nbytes);
    check_buffer(buffer, 6000, x.data, 64);
    const float floats[] = { 1.0f, -2.0f, 65504.0f };
    check_buffer(buffer, 7000, floats, sizeof floats);
    adit_batch_release(batch);
    adit_loader_close(loader);
    adit_load_items_free(items);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Many small items, packed into few submissions, to several buffers; the list goes up twice. */
static void many(int32_t path) {
    enum { COUNT = 700, BYTES = 1001, STEP = 1004, BUFFERS = 3 };
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffers[BUFFERS];
    adit_load_items *items = new_items();
    unsigned char *bytes = noise_bytes(COUNT * BYTES);
    for (int at = 0; at < BUFFERS; at++) buffers[at] = new_buffer(gpu, COUNT * STEP);
    for (int at = 0; at < COUNT; at++) {
        const adit_load_item_options options =
            into(buffers[at % BUFFERS], (uint64_t)at * STEP, ADIT_DTYPE_NONE);
        const adit_tensor tensor = over(bytes + at * BYTES, ADIT_DTYPE_U8, 1, BYTES, 0);
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
    }
    for (int round = 0; round < 2; round++) {
        for (int at = 0; at < BUFFERS; at++) fill_buffer(buffers[at], 0xcc);
        if (round == 0) upload_all(items, NULL, COUNT * BYTES);
        else EXPECT_OK(adit_gpu_upload_items(items, NULL, NULL, NULL, &err));
        for (int buffer = 0; buffer < BUFFERS; buffer++) {
            unsigned char *found = bytes_of(buffers[buffer], 0, COUNT * STEP);
            for (int at = 0; at < COUNT; at++) {
                const unsigned char *own = found + at * STEP;
                if (at % BUFFERS == buffer) {
                    CHECK_BYTES(own, bytes + at * BYTES, BYTES);
                    CHECK(own[1001] == 0 && own[1002] == 0 && own[1003] == 0);
                } else {
                    CHECK(own[0] == 0xcc && own[500] == 0xcc && own[1003] == 0xcc);
                }
            }
            free(found);
        }
    }
    /* Items hold their buffers. */
    for (int at = 0; at < BUFFERS; at++) adit_gpu_buffer_free(buffers[at]);
    adit_gpu_close(gpu);
    upload_all(items, NULL, COUNT * BYTES);
    adit_load_items_free(items);
    free(bytes);
}

/* Values that the narrower dtype can't hold, on whichever side they are converted. */
static void saturated(int32_t path) {
    unsigned char block[34];
    const uint16_t scale = 0x7bff;
    memcpy(block, &scale, 2);
    for (int at = 0; at < 32; at++) block[2 + at] = (unsigned char)(at - 16);
    adit_tensor tensor;
    const int64_t shape[] = { 32 };
    EXPECT_OK(adit_tensor_init(&tensor, block, ADIT_DTYPE_Q8_0, 1, shape, &err));
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, 64);
    for (uint32_t round = 0; round < 4; round++) {
        const uint32_t saturate = round % 2 ? ADIT_CONVERT_SATURATE : 0;
        adit_load_item_options options = into(buffer, 0, ADIT_DTYPE_F16);
        adit_load_items *items = new_items();
        uint16_t wanted[32];
        options.flags = saturate | (round / 2 ? ADIT_LOAD_CONVERT_ON_HOST : 0);
        EXPECT_OK(adit_convert(block, ADIT_DTYPE_Q8_0, wanted, ADIT_DTYPE_F16, 32, saturate, &err));
        CHECK_EQ(wanted[31], saturate ? 0x7bff : 0x7c00);
        EXPECT_OK(adit_load_items_add_tensor(items, &tensor, &options, &err));
        /* The card has no saturation: that is the host's. */
        upload_all(items, NULL, options.flags ? 64 : 34);
        check_buffer(buffer, 0, wanted, 64);
        adit_load_items_free(items);
    }
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

/* Stopped at each call of progress that there is; the device goes on. */
static void cancelled(int32_t path) {
    const uint64_t all = BULK_BYTES + HALVES_ROWS * HALVES_COLUMNS * 2;
    adit_data *data = open_data(load_file("cancelled"));
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE);
    adit_load_items *items = new_items();
    const adit_load_item_options bulk = into(buffer, BULK_TO, ADIT_DTYPE_NONE);
    const adit_load_item_options halves = into(buffer, HALVES_TO, ADIT_DTYPE_F32);
    add_bulk(items, data, &bulk);
    add_halves(items, data, &halves);
    adit_status status = ADIT_CANCELLED;
    /* Each is two uploads: in valgrind not at each call, but at some of them. */
    const uint64_t step = getenv("ADIT_TEST_VALGRIND") != NULL ? 7 : 1;
    for (uint64_t patience = 1; status != ADIT_OK; patience += step) {
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_load_stats stats = ADIT_LOAD_STATS_INIT;
        adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
        watched own = { 0, 0, 0, patience };
        options.threads = 1 + (uint32_t)patience % 2;
        options.progress = progress;
        options.progress_ctx = &own;
        err = CHECK_GARBAGE;
        status = adit_gpu_upload_items(items, &options, &stats, &ticket, &err);
        CHECK(err == NULL);
        if (status == ADIT_OK) {
            CHECK(patience > 2 && own.patience > 0 && own.done == all);
            wait_for(ticket);
            continue;
        }
        CHECK_INT(status, ADIT_CANCELLED);
        CHECK_EQ(own.patience, 0);
        CHECK(ticket == NULL);
        CHECK_EQ(stats.bytes, 0);
        upload_all(items, NULL, all);
        check_halves(buffer, HALVES_TO);
    }
    adit_load_items_free(items);
    adit_data_close(data);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (size_t at = 0; at < 2; at++) {
        files(memory_paths[at]);
        slices(memory_paths[at]);
        sources(memory_paths[at]);
        many(memory_paths[at]);
        saturated(memory_paths[at]);
        cancelled(memory_paths[at]);
    }
    return check_end();
}
