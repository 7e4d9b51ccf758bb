/*
 * Feeds a model's weights, as f32, to a device of its own: here some memory and a thread that copies
 * to it, where a GPU's queue would be. Two slots: while the device copies from one, the library reads
 * and converts into the other. A slot carries parts of many tensors, so that small ones cost little.
 *
 *     sink MODEL        a .safetensors, .index.json or .gguf file
 */
#include <adit.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 2
#define SLOT_BYTES (1 << 20)

/* The copies from a slot that are to be made, or were. */
typedef struct copy {
    adit_sink_part parts[ADIT_SINK_MAX_PARTS];
    size_t count;
    int is_done;
} copy;

/* The device: its memory, and a queue that its thread works off in order. */
typedef struct device {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    copy copies[SLOTS];
    unsigned queue[SLOTS], head, waiting;
    int ends;
    unsigned char *memory, *slots[SLOTS];
    uint64_t *starts;
    unsigned long submitted, copied;
} device;

static void *work(void *ctx) {
    device *own = (device *)ctx;
    pthread_mutex_lock(&own->lock);
    while (own->waiting > 0 || !own->ends) {
        if (own->waiting == 0) {
            pthread_cond_wait(&own->changed, &own->lock);
            continue;
        }
        const unsigned slot = own->queue[own->head];
        copy *next = &own->copies[slot];
        pthread_mutex_unlock(&own->lock);
        for (size_t at = 0; at < next->count; at++) {
            const adit_sink_part *part = &next->parts[at];
            memcpy(own->memory + own->starts[part->item] + part->offset,
                   own->slots[slot] + part->start, (size_t)part->bytes);
        }
        pthread_mutex_lock(&own->lock);
        next->is_done = 1;
        own->head = (own->head + 1) % SLOTS;
        own->waiting--;
        pthread_cond_broadcast(&own->changed);
    }
    pthread_mutex_unlock(&own->lock);
    return NULL;
}

static int ADIT_CALL acquire(void *ctx, uint32_t slot, void **memory) {
    *memory = ((device *)ctx)->slots[slot];
    return 0;
}

static int ADIT_CALL submit(void *ctx, uint32_t slot, const adit_sink_part *parts, size_t count) {
    device *own = (device *)ctx;
    pthread_mutex_lock(&own->lock);
    memcpy(own->copies[slot].parts, parts, count * sizeof *parts);
    own->copies[slot].count = count;
    own->copies[slot].is_done = 0;
    own->queue[(own->head + own->waiting) % SLOTS] = slot;
    own->waiting++;
    own->submitted++;
    own->copied += count;
    pthread_cond_broadcast(&own->changed);
    pthread_mutex_unlock(&own->lock);
    return 0;
}

static int ADIT_CALL wait_for(void *ctx, uint32_t slot) {
    device *own = (device *)ctx;
    pthread_mutex_lock(&own->lock);
    while (!own->copies[slot].is_done) pthread_cond_wait(&own->changed, &own->lock);
    pthread_mutex_unlock(&own->lock);
    return 0;
}

static int fail(const char *what, adit_status status, adit_error *err) {
    fprintf(stderr, "%s: %s: %s\n", what, adit_status_name(status), adit_error_message(err));
    adit_error_free(err);
    return 1;
}

/* Lists every tensor that can be f32, and where it goes on the device. */
static adit_status list(const adit_model *model, adit_load_items *items, device *own,
                        uint64_t *total, adit_error **err) {
    for (size_t index = 0; index < adit_model_len(model); index++) {
        adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
        adit_tensor tensor;
        options.dtype = ADIT_DTYPE_F32;
        adit_status status = adit_load_items_add_model(items, model, index, &options, err);
        if (status != ADIT_OK) return status;
        status = adit_load_items_tensor(items, index, &tensor, err);
        if (status != ADIT_OK) return status;
        own->starts[index] = *total;
        *total += (tensor.nbytes + 255) / 256 * 256;
    }
    return ADIT_OK;
}

static int run(const char *path, device *own) {
    adit_error *err = NULL;
    adit_model *model = NULL;
    adit_load_items *items = NULL;
    adit_sink sink = ADIT_SINK_INIT;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    uint64_t total = 0;
    double sum = 0;

    adit_status status = adit_model_open(path, NULL, &model, &err);
    if (status == ADIT_OK) status = adit_load_items_new(&items, &err);
    if (status == ADIT_OK) {
        own->starts = (uint64_t *)calloc(adit_model_len(model) + 1, sizeof *own->starts);
        if (own->starts == NULL) abort();
        status = list(model, items, own, &total, &err);
    }
    adit_model_close(model); /* The items hold what they need. */
    if (status == ADIT_OK) {
        own->memory = (unsigned char *)calloc(1, total + 1);
        if (own->memory == NULL) abort();
        sink.ctx = own;
        sink.slots = SLOTS;
        sink.slot_bytes = SLOT_BYTES;
        sink.acquire = acquire;
        sink.submit_parts = submit;
        sink.align = 16; /* What this device would ask of its copies. */
        sink.wait = wait_for;
        status = adit_load_to_sink(items, &sink, NULL, &stats, &err);
    }
    const size_t tensors = adit_load_items_len(items);
    adit_load_items_free(items);
    if (status != ADIT_OK) return fail(path, status, err);

    for (uint64_t at = 0; at + 4 <= total; at += 4) {
        float value;
        memcpy(&value, own->memory + at, 4);
        if (isfinite(value)) sum += value;
    }
    printf("%zu tensors, %llu bytes on the device by %lu copies in %lu submits; their finite "
           "values add up to %.6g\n",
           tensors, (unsigned long long)stats.bytes, own->copied, own->submitted, sum);
    return 0;
}

int main(int argc, char **argv) {
    static device own;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    pthread_mutex_init(&own.lock, NULL);
    pthread_cond_init(&own.changed, NULL);
    for (int slot = 0; slot < SLOTS; slot++) {
        own.slots[slot] = (unsigned char *)malloc(SLOT_BYTES);
        if (own.slots[slot] == NULL) abort();
    }
    if (pthread_create(&own.thread, NULL, work, &own) != 0) abort();
    const int result = run(argv[1], &own);

    pthread_mutex_lock(&own.lock);
    own.ends = 1;
    pthread_cond_broadcast(&own.changed);
    pthread_mutex_unlock(&own.lock);
    pthread_join(own.thread, NULL);
    for (int slot = 0; slot < SLOTS; slot++) free(own.slots[slot]);
    free(own.memory);
    free(own.starts);
    return result;
}
