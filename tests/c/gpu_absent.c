/*
 * A build without GPU support: every function of the section is there and says so, before it looks at
 * its arguments, and zeroes what it would have given.
 */
#include "check.h"

#define ABSENT(call) EXPECT_ERROR(call, ADIT_ERR_UNSUPPORTED, "this build of adit has no GPU support")

static void devices(void) {
    adit_gpu *gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
    adit_gpu_options options;
    memset(&options, 0x5a, sizeof options);
    adit_gpu_options_init(&options, sizeof options);
    const adit_gpu_options none = ADIT_GPU_OPTIONS_INIT;
    CHECK_BYTES(&options, &none, sizeof none);
    size_t count = 77;
    ABSENT(adit_gpu_count(&count, &err));
    CHECK_EQ(count, 0);
    ABSENT(adit_gpu_count(NULL, &err));
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    info.vendor = 77;
    ABSENT(adit_gpu_enumerate(0, &info, &err));
    CHECK_EQ(info.vendor, 0);
    info.vendor = 77;
    ABSENT(adit_gpu_get_info(NULL, &info, &err));
    CHECK_EQ(info.vendor, 0);
    ABSENT(adit_gpu_open(NULL, &gpu, &err));
    CHECK(gpu == NULL);
    options.select = 99;
    ABSENT(adit_gpu_open(&options, NULL, &err));
    ABSENT(adit_gpu_status(NULL, &err));
    ABSENT(adit_gpu_wait(NULL, &err));
    adit_gpu_close(NULL);
    CHECK(strstr(adit_build_info(), " gpu;") == NULL);
}

static void buffers(void) {
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    unsigned char bytes[4] = { 1, 2, 3, 4 };
    ABSENT(adit_gpu_buffer_create(NULL, 4, &buffer, &err));
    CHECK(buffer == NULL);
    CHECK_EQ(adit_gpu_buffer_size(NULL), 0);
    adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
    ABSENT(adit_gpu_upload(NULL, 0, bytes, 4, &ticket, &err));
    CHECK(ticket == NULL);
    ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    ABSENT(adit_gpu_upload_items(NULL, NULL, &stats, &ticket, &err));
    CHECK(ticket == NULL);
    ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
    ABSENT(adit_gpu_convert(NULL, 0, ADIT_DTYPE_F16, NULL, 0, ADIT_DTYPE_F32, 1, &ticket, &err));
    CHECK(ticket == NULL);
    ABSENT(adit_gpu_download(NULL, 0, bytes, 4, &err));
    CHECK_EQ(bytes[3], 4);
    ABSENT(adit_gpu_ticket_wait(NULL, ADIT_GPU_FOREVER, &err));
    bool done = true;
    ABSENT(adit_gpu_ticket_poll(NULL, &done, &err));
    CHECK(!done);
    adit_gpu_ticket_free(NULL);
    adit_gpu_buffer_free(NULL);
}

static void vulkan(void) {
    adit_gpu *gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    adit_gpu_vulkan native = ADIT_GPU_VULKAN_INIT;
    native.queue_index = 77;
    ABSENT(adit_gpu_native(NULL, &native, &err));
    CHECK_EQ(native.queue_index, 0);
    uint64_t number = 77;
    ABSENT(adit_gpu_buffer_native(NULL, &number, &err));
    CHECK_EQ(number, 0);
    number = 77;
    ABSENT(adit_gpu_signaled(NULL, &number, &err));
    CHECK_EQ(number, 0);
    ABSENT(adit_gpu_buffer_wrap_vulkan(NULL, 1, 4, &buffer, &err));
    CHECK(buffer == NULL);
    adit_gpu_vulkan_device device;
    memset(&device, 0x5a, sizeof device);
    adit_gpu_vulkan_device_init(&device, sizeof device);
    const adit_gpu_vulkan_device none = ADIT_GPU_VULKAN_DEVICE_INIT;
    CHECK_BYTES(&device, &none, sizeof none);
    ABSENT(adit_gpu_adopt_vulkan(&device, NULL, &gpu, &err));
    CHECK(gpu == NULL);
    const char *name = "x";
    bool of_device = true;
    ABSENT(adit_gpu_vulkan_extensions(0, 0, &name, &of_device, &err));
    CHECK(name == NULL && !of_device);
}

static void models(void) {
    adit_gpu_model_options options;
    memset(&options, 0x5a, sizeof options);
    adit_gpu_model_options_init(&options, sizeof options);
    const adit_gpu_model_options none = ADIT_GPU_MODEL_OPTIONS_INIT;
    CHECK_BYTES(&options, &none, sizeof none);
    adit_gpu_model *uploaded = (adit_gpu_model *)(void *)CHECK_GARBAGE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    stats.bytes = 77;
    ABSENT(adit_gpu_upload_model(NULL, NULL, &options, NULL, &uploaded, &stats, &err));
    CHECK(uploaded == NULL);
    CHECK_EQ(stats.bytes, 0);
    CHECK_EQ(adit_gpu_model_len(NULL), 0);
    CHECK_EQ(adit_gpu_model_buffers(NULL), 0);
    adit_gpu_tensor tensor = ADIT_GPU_TENSOR_INIT;
    tensor.parts = 77;
    ABSENT(adit_gpu_model_tensor(NULL, 0, 0, &tensor, &err));
    CHECK_EQ(tensor.parts, 0);
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    ABSENT(adit_gpu_model_buffer(NULL, 0, &buffer, &err));
    CHECK(buffer == NULL);
    adit_gpu_model_free(NULL);
}

/* An item can't go to a buffer that can't be: no handle of one exists, and none is looked at. */
static void items(void) {
    adit_load_items *list = NULL;
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_tensor tensor;
    const int64_t four[] = { 4 };
    EXPECT_OK(adit_load_items_new(&list, &err));
    EXPECT_OK(adit_tensor_init(&tensor, "abcd", ADIT_DTYPE_U8, 1, four, &err));
    options.gpu_buffer = (const adit_gpu_buffer *)(const void *)CHECK_GARBAGE;
    ABSENT(adit_load_items_add_tensor(list, &tensor, &options, &err));
    CHECK_EQ(adit_load_items_len(list), 0);
    adit_load_items_free(list);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    devices();
    buffers();
    vulkan();
    models();
    items();
    return check_end();
}
