/* Vulkan's own handles: told, adopted, wrapped; what an engine sees of its device and its bytes. */
#include "gpus.h"
#include "vulkans.h"

/* What the engine's buffers hold before anything is written. */
enum { OLD = 0xa5, SIZE = 640000 };

/* f16 numbers, and what they are as f32 by the CPU's kernel. */
typedef struct halves {
    uint16_t from[5000];
    float to[5000];
} halves;

static halves *make_halves(void) {
    halves *made = (halves *)malloc(sizeof *made);
    CHECK(made != NULL);
    for (size_t i = 0; i < 5000; i++) made->from[i] = (uint16_t)(i * 13 + 7);
    EXPECT_OK(adit_convert(made->from, ADIT_DTYPE_F16, made->to, ADIT_DTYPE_F32, 5000, 0, &err));
    return made;
}

/* A file's numbers from its second on, as f32, at byte `offset` of a buffer. */
static adit_gpu_ticket *upload_file(const adit_gpu_buffer *buffer, uint64_t offset,
                                    const char *path, int64_t count) {
    adit_data *data = NULL;
    adit_load_items *items = NULL;
    adit_gpu_ticket *ticket = NULL;
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    EXPECT_OK(adit_load_items_new(&items, &err));
    options.gpu_buffer = buffer;
    options.gpu_offset = offset;
    options.dtype = ADIT_DTYPE_F32;
    EXPECT_OK(adit_load_items_add_data(items, data, 2, ADIT_DTYPE_F16, 1, &count, &options, &err));
    EXPECT_OK(adit_gpu_upload_items(items, NULL, NULL, &ticket, &err));
    adit_load_items_free(items);
    adit_data_close(data);
    return ticket;
}

/* Uploads to, conversions in, and downloads from an engine's buffer; all of it read by the engine. */
static void fill_engine_buffer(int32_t memory) {
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, true);
    engine_buffer made = make_engine_buffer(&own, SIZE, OLD);
    halves *numbers = make_halves();
    unsigned char *bytes = noise_bytes(300001);
    const char *path = scratch_path("halves");
    write_file(path, numbers->from, sizeof numbers->from);

    adit_gpu *gpu = adopt(&own, memory);
    CHECK_EQ(signaled(gpu), 0);
    CHECK_EQ(semaphore_value(&own), 0);
    adit_gpu_buffer *buffer = wrap(gpu, &made);
    /* Wrapping is no use of it. */
    check_byte(buffer, 0, SIZE, OLD);

    /* From memory: more than the chunks, not a multiple of 4. By the ticket. */
    adit_gpu_ticket *ticket = NULL;
    const uint64_t before = signaled(gpu);
    EXPECT_OK(adit_gpu_upload(buffer, 4096, bytes, 300001, &ticket, &err));
    CHECK(signaled(gpu) > before);
    wait_for(ticket);
    check_byte(buffer, 0, 4096, OLD);
    check_buffer(buffer, 4096, bytes, 300001);
    check_byte(buffer, 4096 + 300001, 3, 0);
    check_byte(buffer, 4096 + 300004, SIZE - 4096 - 300004, OLD);

    /* From a file, converted on the card. By the semaphore. */
    ticket = upload_file(buffer, 400000, path, 4999);
    uint64_t value = signaled(gpu);
    CHECK(value > before);
    wait_for_value(&own, value);
    CHECK(semaphore_value(&own) >= value);
    wait_for(ticket);

    /* From one of the engine's buffers to another, on the card. */
    engine_buffer other = make_engine_buffer(&own, 12000, OLD);
    adit_gpu_buffer *second = wrap(gpu, &other);
    EXPECT_OK(adit_gpu_upload(second, 1000, numbers->from, 5000 * 2, NULL, &err));
    EXPECT_OK(adit_gpu_convert(second, 1000, ADIT_DTYPE_F16, buffer, 600000, ADIT_DTYPE_F32, 5000,
                               NULL, &err));
    adit_gpu_buffer_free(second);
    EXPECT_OK(adit_gpu_wait(gpu, &err));
    value = signaled(gpu);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
    CHECK(own.locks > 0);
    CHECK_EQ(own.locks, own.unlocks);
    CHECK_EQ(own.locks, value);
    CHECK_EQ(semaphore_value(&own), value);

    see_bytes(&own, value);
    expect_byte(made.bytes, 0, 4096, OLD);
    CHECK_BYTES(made.bytes + 4096, bytes, 300001);
    expect_byte(made.bytes, 304097, 304100, 0);
    expect_byte(made.bytes, 304100, 400000, OLD);
    CHECK_BYTES(made.bytes + 400000, numbers->to + 1, 4999 * 4);
    expect_byte(made.bytes, 419996, 600000, OLD);
    CHECK_BYTES(made.bytes + 600000, numbers->to, 5000 * 4);
    expect_byte(made.bytes, 620000, SIZE, OLD);
    expect_byte(other.bytes, 0, 1000, OLD);
    CHECK_BYTES(other.bytes + 1000, numbers->from, 5000 * 2);
    expect_byte(other.bytes, 11000, 12000, OLD);
    free(numbers);
    free(bytes);
    end_engine_buffer(&own, &other);
    end_engine_buffer(&own, &made);
    end_engine(&own);
}

/* An engine with nothing enabled, that leaves its queue to adit. */
static void adopt_plain(void) {
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, false);
    engine_buffer made = make_engine_buffer(&own, 65536, OLD);
    adit_gpu_vulkan_device told = told_of(&own);
    told.lock = NULL;
    told.unlock = NULL;
    adit_gpu *gpu = NULL;
    adit_gpu_info info = ADIT_GPU_INFO_INIT, opened = ADIT_GPU_INFO_INIT;
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err));
    EXPECT_OK(adit_gpu_get_info(gpu, &info, &err));
    EXPECT_OK(adit_gpu_enumerate(0, &opened, &err));
    CHECK_STR(info.name, opened.name);
    CHECK_INT(info.kind, opened.kind);
    CHECK_EQ(info.vendor, opened.vendor);
    CHECK_EQ(info.memory_bytes, opened.memory_bytes);
    CHECK_EQ(info.buffer_bytes, opened.buffer_bytes);
    CHECK_EQ(info.binding_bytes, opened.binding_bytes);
    CHECK_EQ(info.binding_align, opened.binding_align);
    uint64_t value = 77;
    EXPECT_ERROR(adit_gpu_signaled(gpu, &value, &err), ADIT_ERR_NOT_FOUND,
                 "the GPU wasn't adopted with a timeline semaphore");
    CHECK_EQ(value, 0);

    /* Buffers of adit's own on it, and conversions between the two. */
    halves *numbers = make_halves();
    adit_gpu_buffer *wrapped = wrap(gpu, &made), *ours = NULL;
    EXPECT_OK(adit_gpu_buffer_create(gpu, sizeof numbers->from, &ours, &err));
    EXPECT_OK(adit_gpu_upload(ours, 0, numbers->from, sizeof numbers->from, NULL, &err));
    EXPECT_OK(adit_gpu_convert(ours, 0, ADIT_DTYPE_F16, wrapped, 1000, ADIT_DTYPE_F32, 5000, NULL,
                               &err));
    check_buffer(wrapped, 1000, numbers->to, sizeof numbers->to);

    /* The device goes on until the last of it is gone. */
    adit_gpu_close(gpu);
    EXPECT_OK(adit_gpu_upload(wrapped, 30000, "abcd", 4, NULL, &err));
    adit_gpu_buffer_free(ours);
    adit_gpu_buffer_free(wrapped);
    CHECK_EQ(own.locks, 0);
    see_bytes(&own, 0);
    expect_byte(made.bytes, 0, 1000, OLD);
    CHECK_BYTES(made.bytes + 1000, numbers->to, sizeof numbers->to);
    expect_byte(made.bytes, 21000, 30000, OLD);
    CHECK_BYTES(made.bytes + 30000, "abcd", 4);
    expect_byte(made.bytes, 30004, 65536, OLD);
    free(numbers);
    end_engine_buffer(&own, &made);
    end_engine(&own);
}

/* The handles of what adit made are its device's. */
static void native_handles(int32_t memory) {
    adit_gpu *gpu = open_gpu(memory);
    adit_gpu_vulkan native = ADIT_GPU_VULKAN_INIT;
    EXPECT_OK(adit_gpu_native(gpu, &native, &err));
    CHECK_EQ(native.struct_size, sizeof native);
    CHECK(native.instance != NULL && native.physical_device != NULL && native.device != NULL);
    CHECK(native.queue != NULL);

    engine seen;
    memset(&seen, 0, sizeof seen);
    seen.library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK(seen.library != NULL);
    void *symbol = dlsym(seen.library, "vkGetInstanceProcAddr");
    CHECK(symbol != NULL);
    memcpy(&seen.get, &symbol, sizeof seen.get);
    seen.instance = (VkInstance)native.instance;
    seen.physical = (VkPhysicalDevice)native.physical_device;
    seen.device = (VkDevice)native.device;
    seen.get_of_device = VK(&seen, vkGetDeviceProcAddr);
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    EXPECT_OK(adit_gpu_get_info(gpu, &info, &err));
    VkPhysicalDeviceProperties properties;
    VK(&seen, vkGetPhysicalDeviceProperties)(seen.physical, &properties);
    CHECK_STR(properties.deviceName, info.name);
    VkQueue queue = VK_NULL_HANDLE;
    VK_DEVICE(&seen, vkGetDeviceQueue)(seen.device, native.queue_family, native.queue_index, &queue);
    CHECK((void *)queue == native.queue);

    adit_gpu_buffer *buffer = new_buffer(gpu, 1001);
    uint64_t handle = 77;
    EXPECT_OK(adit_gpu_buffer_native(buffer, &handle, &err));
    CHECK(handle != 0);
    VkMemoryRequirements needs;
    VK_DEVICE(&seen, vkGetBufferMemoryRequirements)(seen.device, (VkBuffer)handle, &needs);
    CHECK(needs.size >= 1004 && needs.size < 65536);

    fill_buffer(buffer, 3);
    check_byte(buffer, 0, 1000, 3);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
    CHECK_INT(dlclose(seen.library), 0);
}

#define NOT_ADOPTED(status, text) \
    do { \
        gpu = (adit_gpu *)(void *)CHECK_GARBAGE; \
        EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, &options, &gpu, &err), status, text); \
        CHECK(gpu == NULL); \
        told = right; \
        options = defaults; \
    } while (0)

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL knows_nothing(VkInstance instance, const char *name) {
    (void)instance;
    (void)name;
    return NULL;
}

static void refused(engine *own) {
    const adit_gpu_vulkan_device right = told_of(own);
    const adit_gpu_options defaults = ADIT_GPU_OPTIONS_INIT;
    adit_gpu_vulkan_device told = right;
    adit_gpu_options options = defaults;
    adit_gpu *gpu = NULL;
    told.get_instance_proc_addr = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->get_instance_proc_addr is NULL");
    told.get_instance_proc_addr = (adit_gpu_vulkan_fn)knows_nothing;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "vkGetInstanceProcAddr has no vkDestroyInstance");
    told.instance = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->instance is NULL");
    told.physical_device = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->physical_device is NULL");
    told.device = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->device is NULL");
    told.api_version = VK_API_VERSION_1_1;
    NOT_ADOPTED(ADIT_ERR_UNSUPPORTED, "api_version is Vulkan 1.1: a device is adopted from Vulkan 1.2");
    told.api_version = 0;
    NOT_ADOPTED(ADIT_ERR_UNSUPPORTED, "api_version is Vulkan 0.0: a device is adopted from Vulkan 1.2");
    told.queue_family = 99;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "queue_family is 99, but the adapter has ");
    told.queue_index = 99;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "queue_index is 99, but family 0 has ");
    told.lock = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->lock is NULL");
    told.unlock = NULL;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->unlock is NULL");
    told.timeline_semaphore = 0;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "device->first_value is set without a timeline_semaphore");
    told.first_value = 0;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "the first value of the timeline semaphore is 0");
    told.first_value = UINT64_MAX;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "leaves no values");
    told.reserved0 = 1;
    NOT_ADOPTED(ADIT_ERR_UNSUPPORTED, "device sets a reserved field");
    told.reserved[3] = 1;
    NOT_ADOPTED(ADIT_ERR_UNSUPPORTED, "device sets a reserved field");
    options.select = ADIT_GPU_SELECT_INDEX;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "leave `select` at its default");
    options.chunks = 1;
    NOT_ADOPTED(ADIT_ERR_INVALID_ARGUMENT, "1 staging buffers; 2 to 64");

    gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
    EXPECT_ERROR(adit_gpu_adopt_vulkan(NULL, NULL, &gpu, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "device is NULL");
    CHECK(gpu == NULL);
    EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "out is NULL");
    CHECK_EQ(own->locks, 0);

    /* Twice at a time, and again when that has ended. */
    gpu = adopt(own, ADIT_GPU_MEMORY_AUTO);
    adit_gpu *second = (adit_gpu *)(void *)CHECK_GARBAGE;
    EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, NULL, &second, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "queue 0 of family 0 is adopted already");
    CHECK(second == NULL);
    adit_gpu_close(gpu);
    adit_gpu_close(adopt(own, ADIT_GPU_MEMORY_STAGING));
}

static void refused_buffers(engine *own) {
    adit_gpu *gpu = adopt(own, ADIT_GPU_MEMORY_AUTO);
    engine_buffer made = make_engine_buffer(own, 4096, OLD);
    adit_gpu_buffer *buffer = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    const uint64_t handle = HANDLE(made.buffer);
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, 0, 4096, &buffer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "the VkBuffer is a null handle");
    CHECK(buffer == NULL);
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, 0, &buffer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "a buffer of 0 bytes can't be wrapped");
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, 4095, &buffer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "a buffer of 4095 bytes can't be wrapped");
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, 1 << 20, &buffer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "the VkBuffer has ");
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, UINT64_MAX - 3, &buffer, &err),
                 ADIT_ERR_OUT_OF_RANGE, "is more than");
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, 4096, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "out is NULL");
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(NULL, handle, 4096, &buffer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "gpu is NULL");
    EXPECT_OK(adit_gpu_buffer_wrap_vulkan(gpu, handle, 4096, &buffer, &err));
    uint64_t told = 77;
    EXPECT_OK(adit_gpu_buffer_native(buffer, &told, &err));
    CHECK_EQ(told, handle);
    /* One at a time, and again when that is gone. */
    adit_gpu_buffer *again = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, handle, 4096, &again, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "wrapped already");
    CHECK(again == NULL);
    adit_gpu_buffer_free(buffer);
    EXPECT_OK(adit_gpu_buffer_wrap_vulkan(gpu, handle, 4096, &buffer, &err));
    EXPECT_ERROR(adit_gpu_buffer_native(buffer, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "vk_buffer is NULL");
    EXPECT_ERROR(adit_gpu_buffer_native(NULL, &told, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "buffer is NULL");
    CHECK_EQ(told, 0);
    EXPECT_ERROR(adit_gpu_upload(buffer, 4096, "abcd", 4, NULL, &err), ADIT_ERR_OUT_OF_RANGE,
                 "buffer of 4096");
    adit_gpu_buffer_free(buffer);

    /* One of adit's own, whose handle the engine's next may have when it is gone. */
    for (int turn = 0; turn < 3; turn++) {
        buffer = new_buffer(gpu, 4096);
        for (int at = 0; at < 2; at++) EXPECT_OK(adit_gpu_buffer_native(buffer, &told, &err));
        EXPECT_ERROR(adit_gpu_buffer_wrap_vulkan(gpu, told, 4096, &again, &err),
                     ADIT_ERR_INVALID_ARGUMENT, "this library's own");
        CHECK(again == NULL);
        adit_gpu_buffer_free(buffer);
        engine_buffer next = make_engine_buffer(own, 4096, OLD);
        EXPECT_OK(adit_gpu_buffer_wrap_vulkan(gpu, HANDLE(next.buffer), 4096, &buffer, &err));
        check_byte(buffer, 0, 4096, OLD);
        adit_gpu_buffer_free(buffer);
        end_engine_buffer(own, &next);
    }

    adit_gpu_vulkan native = ADIT_GPU_VULKAN_INIT;
    EXPECT_OK(adit_gpu_native(gpu, &native, &err));
    CHECK(native.instance == own->instance && native.device == own->device);
    CHECK(native.physical_device == own->physical && native.queue == own->queue);
    CHECK_EQ(native.queue_family, own->family);
    CHECK_EQ(native.queue_index, 0);
    EXPECT_ERROR(adit_gpu_native(gpu, NULL, &err), ADIT_ERR_INVALID_ARGUMENT, "vulkan is NULL");
    EXPECT_ERROR(adit_gpu_native(NULL, &native, &err), ADIT_ERR_INVALID_ARGUMENT, "gpu is NULL");
    CHECK(native.instance == NULL && native.queue == NULL);
    EXPECT_ERROR(adit_gpu_signaled(gpu, NULL, &err), ADIT_ERR_INVALID_ARGUMENT, "value is NULL");
    EXPECT_ERROR(adit_gpu_signaled(NULL, &told, &err), ADIT_ERR_INVALID_ARGUMENT, "gpu is NULL");
    const uint64_t value = signaled(gpu);
    CHECK(value > 0);
    adit_gpu_close(gpu);
    CHECK_EQ(semaphore_value(own), value);
    end_engine_buffer(own, &made);
}

static void extensions(void) {
    const char *name = "x";
    bool of_device = true;
    EXPECT(adit_gpu_vulkan_extensions(VK_API_VERSION_1_2, 0, &name, &of_device, &err), ADIT_END);
    CHECK(name == NULL && !of_device);
    EXPECT(adit_gpu_vulkan_extensions(VK_API_VERSION_1_3, SIZE_MAX, &name, NULL, &err), ADIT_END);
    EXPECT_ERROR(adit_gpu_vulkan_extensions(VK_API_VERSION_1_1, 0, &name, NULL, &err),
                 ADIT_ERR_UNSUPPORTED, "api_version is Vulkan 1.1");
    EXPECT_ERROR(adit_gpu_vulkan_extensions(VK_API_VERSION_1_2, 0, NULL, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "name is NULL");
}

static void structs(void) {
    adit_gpu_vulkan_device device, none = ADIT_GPU_VULKAN_DEVICE_INIT;
    memset(&device, 0x5a, sizeof device);
    adit_gpu_vulkan_device_init(&device, sizeof device);
    CHECK_BYTES(&device, &none, sizeof device);
    CHECK_EQ(sizeof device, 128);
    CHECK_EQ(sizeof(adit_gpu_vulkan), 48);
    adit_gpu_vulkan_device_init(NULL, sizeof device);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    structs();
    extensions();
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, true);
    refused(&own);
    end_engine(&own);
    start_engine(&own, VK_API_VERSION_1_3, true);
    refused_buffers(&own);
    end_engine(&own);
    adopt_plain();
    for (size_t i = 0; i < sizeof memory_paths / sizeof *memory_paths; i++) {
        fill_engine_buffer(memory_paths[i]);
        native_handles(memory_paths[i]);
    }
    return check_end();
}
