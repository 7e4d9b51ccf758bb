/* A driver that isn't done yet, and one that gives the device up: it answers a wait with an error, as a
 * card that hangs does. Every kind of call that waits says so by its status, nothing hangs, and going
 * is quiet. */
#include "gpus.h"
#include "vulkans.h"

enum { SIZE = 300000 };

/* What the driver answers from now on, once it has waited. */
static VkResult answer = VK_SUCCESS;
/* Whether it isn't done with what is submitted from now on, and the fences of that. */
static bool busy = false;
static VkFence late[8];
static size_t late_fences = 0;
static PFN_vkGetInstanceProcAddr real_get;
static PFN_vkGetDeviceProcAddr real_get_of_device;
static PFN_vkWaitForFences real_wait_for_fences;
static PFN_vkGetFenceStatus real_get_fence_status;
static PFN_vkQueueSubmit real_queue_submit;
static PFN_vkWaitSemaphores real_wait_semaphores;
static PFN_vkGetSemaphoreCounterValue real_get_value;
/* What it answers when it is asked for the semaphore's value. */
static VkResult answer_of_value = VK_SUCCESS;
/* A function that it hasn't. */
static const char *missing = "";
/* How often a semaphore was waited for, and the last value. */
static int semaphore_waits = 0;
static uint64_t waited_value = 0;

static bool is_late(VkFence fence) {
    for (size_t at = 0; busy && at < late_fences; at++)
        if (late[at] == fence) return true;
    return false;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count,
                                                   const VkSubmitInfo *infos, VkFence fence) {
    if (busy) {
        CHECK(late_fences < sizeof late / sizeof *late);
        late[late_fences++] = fence;
    }
    return real_queue_submit(queue, count, infos, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_for_fences(VkDevice device, uint32_t count,
                                                      const VkFence *fences, VkBool32 all,
                                                      uint64_t timeout) {
    for (uint32_t at = 0; at < count; at++) {
        if (!is_late(fences[at])) continue;
        CHECK(timeout != UINT64_MAX);
        return VK_TIMEOUT;
    }
    const VkResult result = real_wait_for_fences(device, count, fences, all, timeout);
    return answer == VK_SUCCESS ? result : answer;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_semaphores(VkDevice device,
                                                      const VkSemaphoreWaitInfo *info,
                                                      uint64_t timeout) {
    CHECK_EQ(info->semaphoreCount, 1);
    semaphore_waits++;
    waited_value = info->pValues[0];
    return real_wait_semaphores(device, info, timeout);
}

static VKAPI_ATTR VkResult VKAPI_CALL get_value(VkDevice device, VkSemaphore semaphore,
                                                uint64_t *value) {
    const VkResult result = real_get_value(device, semaphore, value);
    return answer_of_value == VK_SUCCESS ? result : answer_of_value;
}

static VKAPI_ATTR VkResult VKAPI_CALL get_fence_status(VkDevice device, VkFence fence) {
    const VkResult result = real_get_fence_status(device, fence);
    if (is_late(fence)) return VK_NOT_READY;
    return answer == VK_SUCCESS ? result : answer;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_of_device(VkDevice device, const char *name) {
    if (strcmp(name, missing) == 0) return NULL;
    if (strcmp(name, "vkGetSemaphoreCounterValue") == 0) return (PFN_vkVoidFunction)get_value;
    if (strcmp(name, "vkWaitForFences") == 0) return (PFN_vkVoidFunction)wait_for_fences;
    if (strcmp(name, "vkGetFenceStatus") == 0) return (PFN_vkVoidFunction)get_fence_status;
    if (strcmp(name, "vkWaitSemaphores") == 0) return (PFN_vkVoidFunction)wait_semaphores;
    if (strcmp(name, "vkQueueSubmit") == 0) return (PFN_vkVoidFunction)queue_submit;
    return real_get_of_device(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get(VkInstance instance, const char *name) {
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)get_of_device;
    return real_get(instance, name);
}

static adit_gpu_vulkan_device told_driver(engine *own, uint64_t first_value) {
    start_engine(own, VK_API_VERSION_1_2, true);
    real_get = own->get;
    real_get_of_device = own->get_of_device;
    real_wait_for_fences = VK_DEVICE(own, vkWaitForFences);
    real_get_fence_status = VK_DEVICE(own, vkGetFenceStatus);
    real_queue_submit = VK_DEVICE(own, vkQueueSubmit);
    real_wait_semaphores = VK_DEVICE(own, vkWaitSemaphores);
    real_get_value = VK_DEVICE(own, vkGetSemaphoreCounterValue);
    adit_gpu_vulkan_device told = told_of(own);
    told.get_instance_proc_addr = (adit_gpu_vulkan_fn)get;
    told.first_value = first_value;
    return told;
}

static adit_gpu *adopt_driver(engine *own, int32_t memory, uint64_t first_value) {
    const adit_gpu_vulkan_device told = told_driver(own, first_value);
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    options.memory = memory;
    options.chunk_bytes = 65536;
    options.chunks = 2;
    adit_gpu *gpu = NULL;
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, &options, &gpu, &err));
    CHECK(gpu != NULL);
    return gpu;
}

#define LOST(call) \
    do { \
        EXPECT_ERROR(call, ADIT_ERR_GPU_LOST, "the GPU 'llvmpipe"); \
        CHECK_IN(last.message, "was lost: "); \
    } while (0)

/* Who waits first, and so learns of it. */
typedef enum first {
    UPLOAD,
    WAIT_FOR_TICKET,
    POLL_TICKET,
    DOWNLOAD,
    CONVERT,
    WAIT_FOR_ALL,
    MAKE,
    CLOSE,
    FIRSTS
} first;

static void lose(int32_t memory, VkResult result, first who) {
    engine own;
    adit_gpu *gpu = adopt_driver(&own, memory, 1);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE), *other = new_buffer(gpu, 4000);
    adit_gpu_buffer *another = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    adit_gpu_ticket *ticket = NULL;
    unsigned char *bytes = noise_bytes(SIZE);
    char some[8] = "1234567";
    bool done = true;
    EXPECT_OK(adit_gpu_upload(buffer, 0, bytes, SIZE, NULL, &err));
    /* On its way: a conversion is so on both paths. */
    EXPECT_OK(adit_gpu_convert(buffer, 0, ADIT_DTYPE_F16, other, 0, ADIT_DTYPE_F32, 1000, &ticket,
                               &err));
    answer = result;
    switch (who) {
    case UPLOAD: LOST(adit_gpu_upload(buffer, 0, bytes, SIZE, NULL, &err)); break;
    case WAIT_FOR_TICKET: LOST(adit_gpu_ticket_wait(ticket, ADIT_GPU_FOREVER, &err)); break;
    case POLL_TICKET: LOST(adit_gpu_ticket_poll(ticket, &done, &err)); break;
    case DOWNLOAD: LOST(adit_gpu_download(buffer, 0, some, 8, &err)); break;
    case CONVERT:
        LOST(adit_gpu_convert(buffer, 0, ADIT_DTYPE_F16, other, 0, ADIT_DTYPE_F32, 8, NULL, &err));
        break;
    case WAIT_FOR_ALL: LOST(adit_gpu_wait(gpu, &err)); break;
    case MAKE:
        /* It doesn't wait, and so doesn't know; the upload of more than the ring does. */
        EXPECT_OK(adit_gpu_buffer_create(gpu, 100, &another, &err));
        adit_gpu_buffer_free(another);
        LOST(adit_gpu_upload(buffer, 0, bytes, SIZE, NULL, &err));
        break;
    case CLOSE:
    case FIRSTS: break;
    }
    /* It stays so. */
    for (int round = 0; who != CLOSE && round < 2; round++) {
        LOST(adit_gpu_status(gpu, &err));
        LOST(adit_gpu_wait(gpu, &err));
        LOST(adit_gpu_upload(buffer, 0, bytes, 8, NULL, &err));
        LOST(adit_gpu_download(buffer, 0, some, 8, &err));
        CHECK_STR(some, "1234567");
        LOST(adit_gpu_buffer_create(gpu, 100, &another, &err));
        CHECK(another == NULL);
        LOST(adit_gpu_ticket_wait(ticket, 0, &err));
        done = true;
        LOST(adit_gpu_ticket_poll(ticket, &done, &err));
        CHECK(!done);
    }
    adit_gpu_ticket_free(ticket);
    adit_gpu_close(gpu);
    adit_gpu_buffer_free(other);
    adit_gpu_buffer_free(buffer);
    answer = VK_SUCCESS;
    free(bytes);
    end_engine(&own);
}

/* Closing waits until the semaphore has what was told, and for nothing where nothing was submitted: the
 * value before the first need not come. */
static void close_waits(int32_t memory) {
    engine own;
    semaphore_waits = 0;
    uint64_t value = 0;
    adit_gpu *gpu = adopt_driver(&own, memory, 100);
    EXPECT_OK(adit_gpu_signaled(gpu, &value, &err));
    CHECK_EQ(value, 0);
    adit_gpu_close(gpu);
    CHECK_INT(semaphore_waits, 0);
    end_engine(&own);

    gpu = adopt_driver(&own, memory, 100);
    adit_gpu_buffer *halves = new_buffer(gpu, 4), *floats = new_buffer(gpu, 8);
    EXPECT_OK(adit_gpu_upload(halves, 0, "\0\x3c\0\x40", 4, NULL, &err));
    EXPECT_OK(adit_gpu_convert(halves, 0, ADIT_DTYPE_F16, floats, 0, ADIT_DTYPE_F32, 2, NULL, &err));
    adit_gpu_buffer_free(floats);
    adit_gpu_buffer_free(halves);
    EXPECT_OK(adit_gpu_signaled(gpu, &value, &err));
    CHECK(value >= 100);
    adit_gpu_close(gpu);
    CHECK_INT(semaphore_waits, 1);
    CHECK_EQ(waited_value, value);
    CHECK_EQ(semaphore_value(&own), value);
    end_engine(&own);
}

/* A ticket isn't done before the card is, neither at once nor after a while; other calls go on. */
static void take_long(int32_t memory) {
    engine own;
    adit_gpu *gpu = adopt_driver(&own, memory, 1);
    adit_gpu_buffer *halves = new_buffer(gpu, 4000), *floats = new_buffer(gpu, 8000);
    adit_gpu_ticket *earlier = NULL, *later = NULL;
    unsigned char *bytes = noise_bytes(4000);
    float wanted[2000];
    bool done = true;
    EXPECT_OK(adit_convert(bytes, ADIT_DTYPE_F16, wanted, ADIT_DTYPE_F32, 2000, 0, &err));
    EXPECT_OK(adit_gpu_upload(halves, 0, bytes, 4000, NULL, &err));
    busy = true;
    EXPECT_OK(adit_gpu_convert(halves, 0, ADIT_DTYPE_F16, floats, 0, ADIT_DTYPE_F32, 1000, &earlier,
                               &err));
    EXPECT_OK(adit_gpu_ticket_poll(earlier, &done, &err));
    CHECK(!done);
    EXPECT(adit_gpu_ticket_wait(earlier, 0, &err), ADIT_TIMEOUT);
    CHECK(err == NULL);
    EXPECT(adit_gpu_ticket_wait(earlier, 1000000, &err), ADIT_TIMEOUT);
    CHECK(err == NULL);
    EXPECT_OK(adit_gpu_convert(halves, 2000, ADIT_DTYPE_F16, floats, 4000, ADIT_DTYPE_F32, 1000,
                               &later, &err));
    EXPECT(adit_gpu_ticket_wait(later, 1000000, &err), ADIT_TIMEOUT);
    EXPECT(adit_gpu_ticket_wait(earlier, 0, &err), ADIT_TIMEOUT);
    EXPECT_OK(adit_gpu_status(gpu, &err));
    CHECK(late_fences >= 2);
    busy = false;
    late_fences = 0;
    wait_for(later);
    wait_for(earlier);
    check_buffer(floats, 0, wanted, 8000);
    free(bytes);
    adit_gpu_buffer_free(floats);
    adit_gpu_buffer_free(halves);
    adit_gpu_close(gpu);
    end_engine(&own);
}

/* A semaphore whose value can't be had. */
static void value_unknown(void) {
    static const struct { VkResult answer; int32_t status; const char *text; } wanted[] = {
        { VK_ERROR_OUT_OF_HOST_MEMORY, ADIT_ERR_OUT_OF_MEMORY, "ERROR_OUT_OF_HOST_MEMORY" },
        { VK_ERROR_DEVICE_LOST, ADIT_ERR_GPU_LOST, "ERROR_DEVICE_LOST" },
        { VK_ERROR_UNKNOWN, ADIT_ERR_GPU, "ERROR_UNKNOWN" },
    };
    static const char *const functions[] = { "vkGetSemaphoreCounterValue", "vkWaitSemaphores",
                                             "vkQueueSubmit" };
    engine own;
    const adit_gpu_vulkan_device told = told_driver(&own, 1);
    adit_gpu *gpu = NULL;
    for (size_t at = 0; at < sizeof wanted / sizeof *wanted; at++) {
        answer_of_value = wanted[at].answer;
        gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
        EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err), wanted[at].status,
                     wanted[at].text);
        CHECK(gpu == NULL);
    }
    answer_of_value = VK_SUCCESS;
    for (size_t at = 0; at < sizeof functions / sizeof *functions; at++) {
        missing = functions[at];
        EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err), ADIT_ERR_INVALID_ARGUMENT,
                     missing);
    }
    missing = "";
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err));
    adit_gpu_close(gpu);
    end_engine(&own);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    value_unknown();
    const bool slow = getenv("ADIT_TEST_VALGRIND") != NULL;
    for (size_t at = 0; at < 2; at++) {
        take_long(memory_paths[at]);
        close_waits(memory_paths[at]);
        for (int who = 0; who < FIRSTS; who++) {
            lose(memory_paths[at], VK_ERROR_DEVICE_LOST, (first)who);
            /* wgpu gives a device up whose waits fail otherwise, too. */
            if (!slow) lose(memory_paths[at], VK_ERROR_OUT_OF_HOST_MEMORY, (first)who);
        }
    }
    return check_end();
}
