/* Many threads on one device, its buffers and tickets. */
#include "gpus.h"
#include "load_files.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 6, SHARE = 200004 };

typedef struct worker {
    pthread_t thread;
    const adit_gpu *gpu;
    const adit_gpu_buffer *shared;
    const adit_data *data;
    unsigned number;
    adit_gpu_ticket *left;
} worker;

/* Uploads to its share of the buffer from memory and from a file, converts, and reads back. */
static void *work(void *ctx) {
    worker *own = (worker *)ctx;
    const uint64_t start = (uint64_t)own->number * SHARE;
    unsigned char *bytes = noise_bytes(SHARE + THREADS);
    adit_gpu_buffer *floats = new_buffer(own->gpu, HALVES_ROWS * HALVES_COLUMNS * 4);
    for (unsigned round = 0; round < ROUNDS; round++) {
        adit_gpu_ticket *ticket = NULL;
        EXPECT_OK(adit_gpu_upload(own->shared, start, bytes + own->number, SHARE, &ticket, &err));
        if (round % 2) wait_for(ticket);
        else adit_gpu_ticket_free(ticket);

        adit_load_items *items = new_items();
        adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
        options.gpu_buffer = own->shared;
        options.gpu_offset = start + 4000;
        add_halves(items, own->data, &options);
        EXPECT_OK(adit_gpu_upload_items(items, NULL, NULL, &ticket, &err));
        adit_gpu_ticket_free(ticket);
        adit_load_items_free(items);
        EXPECT_OK(adit_gpu_convert(own->shared, start + 4000, ADIT_DTYPE_F16, floats, 0,
                                   ADIT_DTYPE_F32, HALVES_ROWS * HALVES_COLUMNS, NULL, &err));
        float *found = (float *)(void *)bytes_of(floats, 0, HALVES_ROWS * HALVES_COLUMNS * 4);
        for (int64_t at = 0; at < HALVES_ROWS * HALVES_COLUMNS; at++)
            CHECK(found[at] == (float)half_value(0, at));
        free(found);
        check_buffer(own->shared, start, bytes + own->number, 4000);
        const size_t end = 4000 + HALVES_ROWS * HALVES_COLUMNS * 2;
        check_buffer(own->shared, start + end, bytes + own->number + end, SHARE - end);
        EXPECT_OK(adit_gpu_status(own->gpu, &err));
        if (round == 2) EXPECT_OK(adit_gpu_wait(own->gpu, &err));
    }
    EXPECT_OK(adit_gpu_upload(own->shared, start, bytes, SHARE, &own->left, &err));
    adit_gpu_buffer_free(floats);
    free(bytes);
    return NULL;
}

static void *wait_one(void *ctx) {
    EXPECT_OK(adit_gpu_ticket_wait((const adit_gpu_ticket *)ctx, ADIT_GPU_FOREVER, &err));
    return NULL;
}

/* Each opens, asks and closes. */
static void *open_one(void *ctx) {
    size_t count = 0;
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    adit_gpu *gpu = NULL;
    EXPECT_OK(adit_gpu_count(&count, &err));
    CHECK_EQ(count, 1);
    EXPECT_OK(adit_gpu_enumerate(0, &info, &err));
    EXPECT_OK(adit_gpu_open(NULL, &gpu, &err));
    adit_gpu_buffer *buffer = new_buffer(gpu, 100);
    adit_gpu_close(gpu);
    EXPECT_OK(adit_gpu_upload(buffer, 0, "opened", 7, NULL, &err));
    check_buffer(buffer, 0, "opened", 7);
    adit_gpu_buffer_free(buffer);
    return ctx;
}

static void together(int32_t path) {
    worker workers[THREADS];
    pthread_t waiters[THREADS];
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *shared = new_buffer(gpu, THREADS * SHARE);
    adit_data *data = open_data(load_file("threads"));
    unsigned char *bytes = noise_bytes(SHARE);
    for (unsigned at = 0; at < THREADS; at++) {
        workers[at].gpu = gpu;
        workers[at].shared = shared;
        workers[at].data = data;
        workers[at].number = at;
        workers[at].left = NULL;
        CHECK_INT(pthread_create(&workers[at].thread, NULL, work, &workers[at]), 0);
    }
    for (int at = 0; at < THREADS; at++) CHECK_INT(pthread_join(workers[at].thread, NULL), 0);
    /* Other threads than those that uploaded wait, two for each ticket. */
    for (int at = 0; at < THREADS; at++)
        CHECK_INT(pthread_create(&waiters[at], NULL, wait_one, workers[at / 2].left), 0);
    for (int at = 0; at < THREADS; at++) CHECK_INT(pthread_join(waiters[at], NULL), 0);
    for (int at = 0; at < THREADS; at++) {
        wait_for(workers[at].left);
        check_buffer(shared, (uint64_t)at * SHARE, bytes, SHARE);
    }
    free(bytes);
    adit_data_close(data);
    adit_gpu_buffer_free(shared);
    adit_gpu_close(gpu);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    pthread_t threads[THREADS];
    for (size_t at = 0; at < 2; at++) together(memory_paths[at]);
    for (int at = 0; at < THREADS; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, open_one, NULL), 0);
    for (int at = 0; at < THREADS; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
    return check_end();
}
