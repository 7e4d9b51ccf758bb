/* An engine's queue: shared with it, and left to it. */
#include "gpus.h"
#include "vulkans.h"

enum { OLD = 0xa5, SIZE = 640000 };

/* Threads that upload, beside an engine that submits. */
typedef struct upload_job {
    const adit_gpu_buffer *buffer;
    const unsigned char *bytes;
    uint64_t offset;
} upload_job;

static void *upload_often(void *arg) {
    const upload_job *job = (const upload_job *)arg;
    for (int round = 0; round < 5; round++)
        EXPECT_OK(adit_gpu_upload(job->buffer, job->offset, job->bytes + job->offset, 100000, NULL,
                                  &err));
    return NULL;
}

static void share_queue(void) {
    enum { THREADS = 4 };
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, true);
    engine_buffer made = make_engine_buffer(&own, SIZE, OLD);
    unsigned char *bytes = noise_bytes(SIZE);
    adit_gpu *gpu = adopt(&own, ADIT_GPU_MEMORY_AUTO);
    adit_gpu_buffer *buffer = wrap(gpu, &made);
    pthread_t threads[THREADS];
    upload_job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i].buffer = buffer;
        jobs[i].bytes = bytes;
        jobs[i].offset = (uint64_t)i * 150000;
        CHECK(pthread_create(&threads[i], NULL, upload_often, &jobs[i]) == 0);
    }
    for (int round = 0; round < 50; round++) {
        engine_lock(&own);
        VK_OK(VK_DEVICE(&own, vkQueueSubmit)(own.queue, 0, NULL, VK_NULL_HANDLE));
        engine_unlock(&own);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    const uint64_t value = signaled(gpu);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
    CHECK_EQ(own.locks, own.unlocks);
    CHECK_EQ(own.locks, value + 50);
    see_bytes(&own, value);
    for (int i = 0; i < THREADS; i++) {
        const size_t at = (size_t)i * 150000;
        CHECK_BYTES(made.bytes + at, bytes + at, 100000);
        expect_byte(made.bytes, at + 100000, at + 150000, OLD);
    }
    free(bytes);
    end_engine_buffer(&own, &made);
    end_engine(&own);
}

/* An engine whose own use of the timeline keeps adit's hands off it. */
static adit_gpu *adopt_without_timeline(engine *own) {
    adit_gpu_vulkan_device told = told_of(own);
    const adit_gpu_options options = small_chunks(ADIT_GPU_MEMORY_STAGING);
    adit_gpu *gpu = NULL;
    told.timeline_semaphore = 0;
    told.first_value = 0;
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, &options, &gpu, &err));
    return gpu;
}

/* The engine has the queue wait for the host. */
static void block_queue(engine *own) {
    const uint64_t one = 1;
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkTimelineSemaphoreSubmitInfo values;
    memset(&values, 0, sizeof values);
    values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    values.waitSemaphoreValueCount = 1;
    values.pWaitSemaphoreValues = &one;
    VkSubmitInfo submit;
    memset(&submit, 0, sizeof submit);
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.pNext = &values;
    submit.waitSemaphoreCount = 1;
    submit.pWaitSemaphores = &own->timeline;
    submit.pWaitDstStageMask = &stage;
    engine_lock(own);
    VK_OK(VK_DEVICE(own, vkQueueSubmit)(own->queue, 1, &submit, VK_NULL_HANDLE));
    engine_unlock(own);
}

static void go_on(engine *own) {
    VkSemaphoreSignalInfo signal;
    memset(&signal, 0, sizeof signal);
    signal.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO;
    signal.semaphore = own->timeline;
    signal.value = 1;
    VK_OK(VK_DEVICE(own, vkSignalSemaphore)(own->device, &signal));
}

/* Closing waits for what adit submitted, and not for what the engine did, which may wait for the host. */
static void close_beside_work(void) {
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, true);
    adit_gpu *gpu = adopt_without_timeline(&own);
    adit_gpu_buffer *buffer = new_buffer(gpu, 4096);
    fill_buffer(buffer, 7);
    check_byte(buffer, 0, 4096, 7);

    block_queue(&own);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);

    go_on(&own);
    VK_OK(VK_DEVICE(&own, vkDeviceWaitIdle)(own.device));
    end_engine(&own);
}

/* A semaphore that was signalled can't have that value again. */
static void used_semaphore(void) {
    engine own;
    start_engine(&own, VK_API_VERSION_1_2, true);
    adit_gpu *gpu = adopt(&own, ADIT_GPU_MEMORY_STAGING);
    adit_gpu_buffer *buffer = new_buffer(gpu, 4096);
    fill_buffer(buffer, 6);
    fill_buffer(buffer, 7);
    adit_gpu_buffer_free(buffer);
    const uint64_t reached = signaled(gpu);
    CHECK(reached > 1);
    adit_gpu_close(gpu);
    CHECK_EQ(semaphore_value(&own), reached);

    adit_gpu_vulkan_device told = told_of(&own);
    char text[100];
    for (uint64_t first = 1; first <= reached; first++) {
        told.first_value = first;
        snprintf(text, sizeof text, "semaphore is %" PRIu64 ", but it has %" PRIu64, first, reached);
        gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
        EXPECT_ERROR(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err), ADIT_ERR_INVALID_ARGUMENT, text);
        CHECK(gpu == NULL);
    }
    told.first_value = reached + 1;
    EXPECT_OK(adit_gpu_adopt_vulkan(&told, NULL, &gpu, &err));
    buffer = new_buffer(gpu, 4096);
    fill_buffer(buffer, 7);
    check_byte(buffer, 0, 4096, 7);
    CHECK(signaled(gpu) > reached);
    adit_gpu_buffer_free(buffer);
    adit_gpu_close(gpu);
    end_engine(&own);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    share_queue();
    close_beside_work();
    used_semaphore();
    return check_end();
}
