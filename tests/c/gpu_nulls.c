/* Every function of GPUs with NULL for every pointer: messages name the parameter. */
#include "gpus.h"

#define BEFORE ((uintptr_t)16)
#define IS_NULL(call, parameter) EXPECT_ERROR(call, ADIT_ERR_INVALID_ARGUMENT, parameter " is NULL")

static void devices(const adit_gpu *gpu) {
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    IS_NULL(adit_gpu_count(NULL, &err), "count");
    IS_NULL(adit_gpu_enumerate(0, NULL, &err), "info");
    IS_NULL(adit_gpu_open(NULL, NULL, &err), "out");
    info.kind = 7;
    IS_NULL(adit_gpu_get_info(NULL, &info, &err), "gpu");
    CHECK_INT(info.kind, 0);
    IS_NULL(adit_gpu_get_info(gpu, NULL, &err), "info");
    IS_NULL(adit_gpu_status(NULL, &err), "gpu");
    IS_NULL(adit_gpu_wait(NULL, &err), "gpu");
    adit_gpu_close(NULL);
}

static void buffers(const adit_gpu *gpu, const adit_gpu_buffer *buffer) {
    adit_gpu_buffer *out = (adit_gpu_buffer *)BEFORE;
    adit_gpu_ticket *ticket = (adit_gpu_ticket *)BEFORE;
    char bytes[4] = "abc";
    IS_NULL(adit_gpu_buffer_create(NULL, 1, &out, &err), "gpu");
    CHECK(out == NULL);
    IS_NULL(adit_gpu_buffer_create(gpu, 1, NULL, &err), "out");
    CHECK_EQ(adit_gpu_buffer_size(NULL), 0);
    IS_NULL(adit_gpu_download(NULL, 0, bytes, 4, &err), "buffer");
    IS_NULL(adit_gpu_download(buffer, 0, NULL, 4, &err), "dst");
    EXPECT_OK(adit_gpu_download(buffer, 0, NULL, 0, &err));
    IS_NULL(adit_gpu_upload(NULL, 0, bytes, 4, &ticket, &err), "buffer");
    CHECK(ticket == NULL);
    ticket = (adit_gpu_ticket *)BEFORE;
    IS_NULL(adit_gpu_upload(buffer, 0, NULL, 4, &ticket, &err), "bytes");
    CHECK(ticket == NULL);
    EXPECT_OK(adit_gpu_upload(buffer, 0, NULL, 0, NULL, &err));
    adit_gpu_buffer_free(NULL);

    ticket = (adit_gpu_ticket *)BEFORE;
    IS_NULL(adit_gpu_convert(NULL, 0, ADIT_DTYPE_F16, buffer, 0, ADIT_DTYPE_F32, 1, &ticket, &err),
            "from");
    CHECK(ticket == NULL);
    IS_NULL(adit_gpu_convert(buffer, 0, ADIT_DTYPE_F16, NULL, 0, ADIT_DTYPE_F32, 1, NULL, &err),
            "to");
}

static void tickets(const adit_gpu_buffer *buffer) {
    adit_gpu_ticket *ticket = NULL;
    bool done = true;
    IS_NULL(adit_gpu_ticket_wait(NULL, 0, &err), "ticket");
    IS_NULL(adit_gpu_ticket_poll(NULL, &done, &err), "ticket");
    CHECK(!done);
    EXPECT_OK(adit_gpu_upload(buffer, 0, "abc", 4, &ticket, &err));
    IS_NULL(adit_gpu_ticket_poll(ticket, NULL, &err), "done");
    wait_for(ticket);
    adit_gpu_ticket_free(NULL);
}

static void items(const adit_gpu_buffer *buffer) {
    adit_gpu_ticket *ticket = (adit_gpu_ticket *)BEFORE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_load_items *list = NULL;
    adit_tensor tensor;
    const int64_t four[] = { 4 };
    stats.bytes = 7;
    IS_NULL(adit_gpu_upload_items(NULL, NULL, &stats, &ticket, &err), "items");
    CHECK(ticket == NULL);
    CHECK_EQ(stats.bytes, 0);
    EXPECT_OK(adit_load_items_new(&list, &err));
    EXPECT_OK(adit_tensor_init(&tensor, "abcd", ADIT_DTYPE_U8, 1, four, &err));
    options.gpu_buffer = buffer;
    EXPECT_OK(adit_load_items_add_tensor(list, &tensor, &options, &err));
    EXPECT_OK(adit_gpu_upload_items(list, NULL, NULL, NULL, &err));
    check_buffer(buffer, 0, "abcd", 4);
    /* Without a place for the error. */
    CHECK_INT(adit_gpu_upload_items(list, NULL, NULL, NULL, NULL), ADIT_OK);
    CHECK_INT(adit_gpu_upload_items(NULL, NULL, NULL, NULL, NULL), ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_gpu_open(NULL, NULL, NULL), ADIT_ERR_INVALID_ARGUMENT);
    adit_load_items_free(list);
}

static void models(const adit_gpu *gpu) {
    adit_gpu_model *out = (adit_gpu_model *)BEFORE;
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)BEFORE;
    adit_gpu_tensor tensor = ADIT_GPU_TENSOR_INIT;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_model *model = NULL;
    EXPECT_OK(adit_model_open(data_path("gguf/align_64.gguf"), NULL, &model, &err));
    stats.bytes = 7;
    IS_NULL(adit_gpu_upload_model(NULL, model, NULL, NULL, &out, &stats, &err), "gpu");
    CHECK(out == NULL);
    CHECK_EQ(stats.bytes, 0);
    out = (adit_gpu_model *)BEFORE;
    IS_NULL(adit_gpu_upload_model(gpu, NULL, NULL, NULL, &out, NULL, &err), "model");
    CHECK(out == NULL);
    IS_NULL(adit_gpu_upload_model(gpu, model, NULL, NULL, NULL, NULL, &err), "out");
    CHECK_EQ(adit_gpu_model_len(NULL), 0);
    CHECK_EQ(adit_gpu_model_buffers(NULL), 0);
    tensor.parts = 7;
    IS_NULL(adit_gpu_model_tensor(NULL, 0, 0, &tensor, &err), "uploaded");
    CHECK_EQ(tensor.parts, 0);
    IS_NULL(adit_gpu_model_buffer(NULL, 0, &buffer, &err), "uploaded");
    CHECK(buffer == NULL);
    EXPECT_OK(adit_gpu_upload_model(gpu, model, NULL, NULL, &out, NULL, &err));
    IS_NULL(adit_gpu_model_tensor(out, 0, 0, NULL, &err), "tensor");
    IS_NULL(adit_gpu_model_buffer(out, 0, NULL, &err), "out");
    adit_gpu_model_free(out);
    adit_gpu_model_free(NULL);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adit_gpu *gpu = open_gpu(ADIT_GPU_MEMORY_AUTO);
    adit_gpu_buffer *buffer = new_buffer(gpu, 100);
    devices(gpu);
    buffers(gpu, buffer);
    tickets(buffer);
    items(buffer);
    models(gpu);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
    return check_end();
}
