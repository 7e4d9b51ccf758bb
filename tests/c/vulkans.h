/*
 * An engine with a Vulkan of its own, for the tests: its loader, instance, device, queue, and buffers
 * that it sees itself. Nothing in here is adit's.
 */
#ifndef VULKANS_H
#define VULKANS_H

#include "check.h"

#include <dlfcn.h>
#include <pthread.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#define HANDLE(handle) ((uint64_t)(handle))

/* An engine; with `adit_gpu_vulkan_device` it tells of itself. */
typedef struct engine {
    void *library;
    PFN_vkGetInstanceProcAddr get;
    PFN_vkGetDeviceProcAddr get_of_device;
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    VkSemaphore timeline;
    VkCommandPool pool;
    uint32_t api_version, family;
    /* Its lock of the queue, and what was seen of it. */
    pthread_mutex_t mutex;
    pthread_t owner;
    int held;
    unsigned long locks, unlocks;
} engine;

/* Memory of an engine's own. */
typedef struct engine_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *bytes;
    size_t size;
} engine_buffer;

/* A function of the instance's, or of none, or of the device's. */
#define VK(e, name) ((PFN_##name)(e)->get((e)->instance, #name))
#define VK_GLOBAL(e, name) ((PFN_##name)(e)->get(NULL, #name))
#define VK_DEVICE(e, name) ((PFN_##name)(e)->get_of_device((e)->device, #name))
#define VK_OK(call) CHECK_INT(call, VK_SUCCESS)

static inline void ADIT_CALL engine_lock(void *ctx) {
    engine *own = (engine *)ctx;
    CHECK(pthread_mutex_lock(&own->mutex) == 0);
    CHECK_INT(own->held, 0);
    own->held = 1;
    own->owner = pthread_self();
    own->locks++;
}

static inline void ADIT_CALL engine_unlock(void *ctx) {
    engine *own = (engine *)ctx;
    CHECK_INT(own->held, 1);
    CHECK(pthread_equal(own->owner, pthread_self()));
    own->held = 0;
    own->unlocks++;
    CHECK(pthread_mutex_unlock(&own->mutex) == 0);
}

static inline void make_instance(engine *own) {
    VkApplicationInfo application;
    memset(&application, 0, sizeof application);
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = own->api_version;
    VkInstanceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    VK_OK(VK_GLOBAL(own, vkCreateInstance)(&info, NULL, &own->instance));
}

/* The first family with graphics and compute. */
static inline uint32_t find_family(const engine *own) {
    VkQueueFamilyProperties families[32];
    uint32_t count = 32;
    const VkQueueFlags both = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VK(own, vkGetPhysicalDeviceQueueFamilyProperties)(own->physical, &count, families);
    for (uint32_t i = 0; i < count; i++)
        if ((families[i].queueFlags & both) == both) return i;
    CHECK_FAIL("no queue with graphics and compute");
    return 0;
}

/* A device with one queue and nothing enabled, but timeline semaphores if they are `wanted`. */
static inline void make_device(engine *own, bool timeline) {
    uint32_t count = 1;
    const VkResult result = VK(own, vkEnumeratePhysicalDevices)(own->instance, &count,
                                                                &own->physical);
    CHECK(result == VK_SUCCESS || result == VK_INCOMPLETE);
    CHECK_EQ(count, 1);
    own->family = find_family(own);
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue;
    memset(&queue, 0, sizeof queue);
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = own->family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkPhysicalDeviceTimelineSemaphoreFeatures semaphores;
    memset(&semaphores, 0, sizeof semaphores);
    semaphores.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES;
    semaphores.timelineSemaphore = VK_TRUE;
    VkDeviceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = timeline ? &semaphores : NULL;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    VK_OK(VK(own, vkCreateDevice)(own->physical, &info, NULL, &own->device));
    own->get_of_device = VK(own, vkGetDeviceProcAddr);
    VK_DEVICE(own, vkGetDeviceQueue)(own->device, own->family, 0, &own->queue);
    if (!timeline) return;
    VkSemaphoreTypeCreateInfo type;
    memset(&type, 0, sizeof type);
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo semaphore;
    memset(&semaphore, 0, sizeof semaphore);
    semaphore.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    semaphore.pNext = &type;
    VK_OK(VK_DEVICE(own, vkCreateSemaphore)(own->device, &semaphore, NULL, &own->timeline));
}

/* An engine that starts. */
static inline void start_engine(engine *own, uint32_t api_version, bool timeline) {
    memset(own, 0, sizeof *own);
    CHECK(pthread_mutex_init(&own->mutex, NULL) == 0);
    own->api_version = api_version;
    own->library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK(own->library != NULL);
    void *symbol = dlsym(own->library, "vkGetInstanceProcAddr");
    CHECK(symbol != NULL);
    memcpy(&own->get, &symbol, sizeof own->get);
    make_instance(own);
    make_device(own, timeline);
    VkCommandPoolCreateInfo pool;
    memset(&pool, 0, sizeof pool);
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.queueFamilyIndex = own->family;
    VK_OK(VK_DEVICE(own, vkCreateCommandPool)(own->device, &pool, NULL, &own->pool));
}

static inline void end_engine(engine *own) {
    VK_DEVICE(own, vkDestroyCommandPool)(own->device, own->pool, NULL);
    if (own->timeline != VK_NULL_HANDLE)
        VK_DEVICE(own, vkDestroySemaphore)(own->device, own->timeline, NULL);
    VK_DEVICE(own, vkDestroyDevice)(own->device, NULL);
    VK(own, vkDestroyInstance)(own->instance, NULL);
    CHECK_INT(own->held, 0);
    CHECK_EQ(own->locks, own->unlocks);
    CHECK(pthread_mutex_destroy(&own->mutex) == 0);
    CHECK_INT(dlclose(own->library), 0);
}

/* What adit is told of an engine that uses its queue itself. */
static inline adit_gpu_vulkan_device told_of(engine *own) {
    adit_gpu_vulkan_device told = ADIT_GPU_VULKAN_DEVICE_INIT;
    told.get_instance_proc_addr = (adit_gpu_vulkan_fn)own->get;
    told.instance = own->instance;
    told.physical_device = own->physical;
    told.device = own->device;
    told.api_version = own->api_version;
    told.queue_family = own->family;
    told.queue_index = 0;
    told.lock = engine_lock;
    told.unlock = engine_unlock;
    told.ctx = own;
    if (own->timeline != VK_NULL_HANDLE) {
        told.timeline_semaphore = HANDLE(own->timeline);
        told.first_value = 1;
    }
    return told;
}

/* Memory that the host sees, for copies and shaders, filled with a byte. */
static inline engine_buffer make_engine_buffer(const engine *own, size_t size, int byte) {
    engine_buffer made;
    memset(&made, 0, sizeof made);
    made.size = size;
    VkBufferCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = size;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VK_OK(VK_DEVICE(own, vkCreateBuffer)(own->device, &info, NULL, &made.buffer));
    VkMemoryRequirements needs;
    VK_DEVICE(own, vkGetBufferMemoryRequirements)(own->device, made.buffer, &needs);
    VkPhysicalDeviceMemoryProperties memories;
    VK(own, vkGetPhysicalDeviceMemoryProperties)(own->physical, &memories);
    const VkMemoryPropertyFlags seen =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t type = 0;
    while (type < memories.memoryTypeCount &&
           ((needs.memoryTypeBits >> type & 1) == 0 ||
            (memories.memoryTypes[type].propertyFlags & seen) != seen))
        type++;
    CHECK(type < memories.memoryTypeCount);
    VkMemoryAllocateInfo memory;
    memset(&memory, 0, sizeof memory);
    memory.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    memory.allocationSize = needs.size;
    memory.memoryTypeIndex = type;
    VK_OK(VK_DEVICE(own, vkAllocateMemory)(own->device, &memory, NULL, &made.memory));
    VK_OK(VK_DEVICE(own, vkBindBufferMemory)(own->device, made.buffer, made.memory, 0));
    void *bytes = NULL;
    VK_OK(VK_DEVICE(own, vkMapMemory)(own->device, made.memory, 0, VK_WHOLE_SIZE, 0, &bytes));
    made.bytes = (unsigned char *)bytes;
    memset(made.bytes, byte, size);
    return made;
}

static inline void end_engine_buffer(const engine *own, engine_buffer *made) {
    VK_DEVICE(own, vkUnmapMemory)(own->device, made->memory);
    VK_DEVICE(own, vkDestroyBuffer)(own->device, made->buffer, NULL);
    VK_DEVICE(own, vkFreeMemory)(own->device, made->memory, NULL);
    memset(made, 0, sizeof *made);
}

/* Has the host see what the card wrote: a barrier that waits for the timeline's value, if there is one. */
static inline void see_bytes(engine *own, uint64_t value) {
    VkCommandBufferAllocateInfo allocate;
    memset(&allocate, 0, sizeof allocate);
    allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocate.commandPool = own->pool;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    VkCommandBuffer commands;
    VK_OK(VK_DEVICE(own, vkAllocateCommandBuffers)(own->device, &allocate, &commands));
    VkCommandBufferBeginInfo begin;
    memset(&begin, 0, sizeof begin);
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    VK_OK(VK_DEVICE(own, vkBeginCommandBuffer)(commands, &begin));
    VkMemoryBarrier barrier;
    memset(&barrier, 0, sizeof barrier);
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    const VkPipelineStageFlags writers =
        VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    VK_DEVICE(own, vkCmdPipelineBarrier)(commands, writers, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                         &barrier, 0, NULL, 0, NULL);
    VK_OK(VK_DEVICE(own, vkEndCommandBuffer)(commands));
    VkTimelineSemaphoreSubmitInfo values;
    memset(&values, 0, sizeof values);
    values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    values.waitSemaphoreValueCount = 1;
    values.pWaitSemaphoreValues = &value;
    VkSubmitInfo submit;
    memset(&submit, 0, sizeof submit);
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    if (own->timeline != VK_NULL_HANDLE) {
        submit.pNext = &values;
        submit.waitSemaphoreCount = 1;
        submit.pWaitSemaphores = &own->timeline;
        submit.pWaitDstStageMask = &writers;
    }
    VkFenceCreateInfo fences;
    memset(&fences, 0, sizeof fences);
    fences.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    VkFence fence;
    VK_OK(VK_DEVICE(own, vkCreateFence)(own->device, &fences, NULL, &fence));
    engine_lock(own);
    VK_OK(VK_DEVICE(own, vkQueueSubmit)(own->queue, 1, &submit, fence));
    engine_unlock(own);
    VK_OK(VK_DEVICE(own, vkWaitForFences)(own->device, 1, &fence, VK_TRUE, UINT64_MAX));
    VK_DEVICE(own, vkDestroyFence)(own->device, fence, NULL);
    VK_DEVICE(own, vkFreeCommandBuffers)(own->device, own->pool, 1, &commands);
}

/* What is made of an engine's device and its buffers here. */
static inline adit_gpu_options small_chunks(int32_t memory) {
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    options.memory = memory;
    options.converter = ADIT_GPU_CONVERTER_CARD;
    options.chunk_bytes = 65536;
    options.chunks = 2;
    return options;
}

static inline adit_gpu *adopt(engine *own, int32_t memory) {
    const adit_gpu_vulkan_device told = told_of(own);
    const adit_gpu_options options = small_chunks(memory);
    adit_gpu *gpu = NULL;
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, &options, &gpu, &err));
    CHECK(gpu != NULL);
    return gpu;
}

static inline adit_gpu_buffer *wrap(const adit_gpu *gpu, const engine_buffer *made) {
    adit_gpu_buffer *buffer = NULL;
    EXPECT_OK(adit_gpu_buffer_wrap_vulkan(gpu, HANDLE(made->buffer), made->size, &buffer, &err));
    CHECK(buffer != NULL);
    CHECK_EQ(adit_gpu_buffer_size(buffer), made->size);
    return buffer;
}

static inline uint64_t signaled(const adit_gpu *gpu) {
    uint64_t value = 77;
    EXPECT_OK(adit_gpu_signaled(gpu, &value, &err));
    return value;
}

static inline void wait_for_value(const engine *own, uint64_t value) {
    VkSemaphoreWaitInfo wait;
    memset(&wait, 0, sizeof wait);
    wait.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
    wait.semaphoreCount = 1;
    wait.pSemaphores = &own->timeline;
    wait.pValues = &value;
    VK_OK(VK_DEVICE(own, vkWaitSemaphores)(own->device, &wait, UINT64_MAX));
}

static inline uint64_t semaphore_value(const engine *own) {
    uint64_t value = 77;
    VK_OK(VK_DEVICE(own, vkGetSemaphoreCounterValue)(own->device, own->timeline, &value));
    return value;
}

static inline void expect_byte(const unsigned char *bytes, size_t from, size_t to, int byte) {
    for (size_t at = from; at < to; at++)
        if (bytes[at] != byte) CHECK_FAIL("byte %zu is %d, not %d", at, bytes[at], byte);
}

#endif
