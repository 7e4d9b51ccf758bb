/*
 * Trains on handwritten digits, and can be killed at any time: weights and progress are kept in a
 * store, and the next run goes on from there to the same weights, bit by bit.
 *
 *     checkpoint [-w epoch] [folder with images_u8.npy and labels_u8.npy] [store] [epochs]
 *
 * 1. Opens the store, or makes one; what an earlier run has left is taken up.
 * 2. Trains. After each epoch the weights, as tensors, and the epoch, the loss and the state of the
 *    random numbers go into the store as one batch: all of them, or none.
 * 3. Counts what the model recognises, and tells a checksum of its weights.
 *
 * With -w it waits in the middle of that epoch for a line on its input: time to kill it.
 *
 * Every call's status is looked at; the first failure is told and ends the program through one
 * exit, with all handles closed. Copy that.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <adit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 64, CLASSES = 10, TRAIN = 1500, BATCH = 50, EPOCHS = 30 };

/* A linear model: one row of weights and a bias for each class. */
typedef struct model {
    float weights[CLASSES][PIXELS];
    float bias[CLASSES];
} model;

/* What besides the weights the next epoch depends on, and what was told of the last one. */
typedef struct progress {
    uint64_t epochs; /* done */
    uint64_t random;
    double loss;
} progress;

/* The digits, scaled to 0 to 1. */
typedef struct digits {
    float *images;
    unsigned char *labels;
    int64_t count;
} digits;

/* Tells a failure and frees its error. */
static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "checkpoint: %s: %s: %s\n", doing, adit_status_name(status),
            adit_error_message(err));
    adit_error_free(err);
    return -1;
}

/* Maps an array and lends its tensor, which must be u8 with `ndim` dimensions. */
static int map_u8(const char *folder, const char *name, int ndim, adit_array **array,
                  adit_tensor *tensor)
{
    char path[4096];
    adit_error *err = NULL;
    adit_status status;

    *array = NULL;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        fprintf(stderr, "checkpoint: the path of %s is too long\n", name);
        return -1;
    }
    status = adit_array_open(path, NULL, array, &err);
    if (status == ADIT_OK)
        status = adit_array_tensor(*array, tensor, &err);
    if (status != ADIT_OK)
        return fail("reading the digits", status, err);
    if (tensor->dtype != ADIT_DTYPE_U8 || tensor->ndim != ndim
        || (tensor->flags & ADIT_TENSOR_CONTIGUOUS) == 0) {
        fprintf(stderr, "checkpoint: %s is no contiguous u8 array of %d dimensions\n", path, ndim);
        return -1;
    }
    return 0;
}

/* Reads the digits; what it has allocated the caller frees, also after a failure. */
static int read_digits(const char *folder, digits *d)
{
    adit_array *images = NULL, *labels = NULL;
    adit_tensor pixels, classes;
    int result = -1;

    if (map_u8(folder, "images_u8.npy", 3, &images, &pixels) != 0
        || map_u8(folder, "labels_u8.npy", 1, &labels, &classes) != 0)
        goto done;
    d->count = classes.shape[0];
    if (pixels.shape[0] != d->count || d->count <= TRAIN
        || pixels.shape[1] * pixels.shape[2] != PIXELS) {
        fprintf(stderr, "checkpoint: images and labels don't fit together\n");
        goto done;
    }
    d->images = (float *)malloc((size_t)d->count * PIXELS * sizeof(float));
    d->labels = (unsigned char *)malloc((size_t)d->count);
    if (d->images == NULL || d->labels == NULL) {
        fprintf(stderr, "checkpoint: out of memory\n");
        goto done;
    }
    for (int64_t i = 0; i < d->count * PIXELS; i++)
        d->images[i] = (float)((const unsigned char *)pixels.data)[i] / 16.0f;
    for (int64_t i = 0; i < d->count; i++) {
        d->labels[i] = ((const unsigned char *)classes.data)[i];
        if (d->labels[i] >= CLASSES) {
            fprintf(stderr, "checkpoint: label %lld is %d, not below %d\n", (long long)i,
                    d->labels[i], CLASSES);
            goto done;
        }
    }
    result = 0;
done:
    adit_array_close(images);
    adit_array_close(labels);
    return result;
}

/* Adds a tensor of f32 to a batch. */
static adit_status add(adit_store_batch *batch, const char *key, const float *elements, int ndim,
                       const int64_t *shape, adit_error **err)
{
    adit_tensor tensor;
    adit_status status = adit_tensor_init(&tensor, elements, ADIT_DTYPE_F32, ndim, shape, err);
    if (status == ADIT_OK)
        status = adit_store_batch_put_tensor(batch, key, strlen(key), &tensor, err);
    return status;
}

/* Keeps model and progress: when this returns 0 they survive a kill and a power cut. */
static int keep(const adit_store *store, const model *m, const progress *p)
{
    const int64_t shape[2] = {CLASSES, PIXELS};
    adit_store_batch *batch = NULL;
    adit_error *err = NULL;
    adit_status status;

    status = adit_store_batch_new(&batch, &err);
    if (status == ADIT_OK)
        status = add(batch, "weights", &m->weights[0][0], 2, shape, &err);
    if (status == ADIT_OK)
        status = add(batch, "bias", m->bias, 1, shape, &err);
    if (status == ADIT_OK)
        status = adit_store_batch_put(batch, "progress", strlen("progress"), p, sizeof *p, &err);
    if (status == ADIT_OK)
        status = adit_store_write(store, batch, NULL, &err);
    adit_store_batch_free(batch);
    return status == ADIT_OK ? 0 : fail("keeping a checkpoint", status, err);
}

/* Copies a tensor of `count` f32 out of a snapshot. */
static adit_status take(const adit_snapshot *snapshot, const char *key, float *elements,
                        size_t count, adit_error **err)
{
    adit_tensor tensor; /* lent: good until the snapshot is closed */
    adit_status status = adit_snapshot_get_tensor(snapshot, key, strlen(key), &tensor, err);
    if (status != ADIT_OK)
        return status;
    /* What a file holds is looked at before it is read as anything. */
    if (tensor.dtype != ADIT_DTYPE_F32 || tensor.nbytes != count * sizeof(float))
        return ADIT_ERR_SHAPE;
    memcpy(elements, tensor.data, count * sizeof(float));
    return ADIT_OK;
}

/* Takes up what an earlier run has kept: 1 if there is something, 0 if not, -1 after a failure. */
static int resume(const adit_store *store, model *m, progress *p)
{
    adit_snapshot *snapshot = NULL;
    adit_error *err = NULL;
    adit_status status;
    const void *value = NULL;
    size_t len = 0;
    int result = -1;

    status = adit_store_snapshot(store, &snapshot, &err);
    if (status == ADIT_OK)
        status = adit_snapshot_get(snapshot, "progress", strlen("progress"), &value, &len, &err);
    if (status == ADIT_ERR_NOT_FOUND) { /* no failure, and no error object */
        result = 0;
        goto done;
    }
    if (status == ADIT_OK && len != sizeof *p)
        status = ADIT_ERR_SHAPE;
    if (status == ADIT_OK) {
        memcpy(p, value, sizeof *p);
        status = take(snapshot, "weights", &m->weights[0][0], CLASSES * PIXELS, &err);
    }
    if (status == ADIT_OK)
        status = take(snapshot, "bias", m->bias, CLASSES, &err);
    result = status == ADIT_OK ? 1 : fail("taking up a checkpoint", status, err);
done:
    adit_snapshot_close(snapshot);
    return result;
}

/* The probability of each class for an image. */
static void predict(const model *m, const float *image, float *probability)
{
    float largest = -INFINITY, sum = 0.0f;
    for (int c = 0; c < CLASSES; c++) {
        float score = m->bias[c];
        for (int p = 0; p < PIXELS; p++)
            score += m->weights[c][p] * image[p];
        probability[c] = score;
        if (score > largest)
            largest = score;
    }
    for (int c = 0; c < CLASSES; c++) {
        probability[c] = expf(probability[c] - largest);
        sum += probability[c];
    }
    for (int c = 0; c < CLASSES; c++)
        probability[c] /= sum;
}

/* One step of gradient descent on the images with these numbers; returns the summed loss. */
static double step(model *m, const digits *d, const int *order, int count, float rate)
{
    static model gradient;
    float probability[CLASSES];
    double loss = 0.0;
    memset(&gradient, 0, sizeof gradient);
    for (int i = 0; i < count; i++) {
        const float *image = d->images + order[i] * PIXELS;
        const int label = d->labels[order[i]];
        predict(m, image, probability);
        loss -= log((double)probability[label] + 1e-9);
        for (int c = 0; c < CLASSES; c++) {
            const float error = probability[c] - (c == label ? 1.0f : 0.0f);
            gradient.bias[c] += error;
            for (int p = 0; p < PIXELS; p++)
                gradient.weights[c][p] += error * image[p];
        }
    }
    for (int c = 0; c < CLASSES; c++) {
        m->bias[c] -= rate * gradient.bias[c] / (float)count;
        for (int p = 0; p < PIXELS; p++)
            m->weights[c][p] -= rate * gradient.weights[c][p] / (float)count;
    }
    return loss;
}

/* xorshift64*: small, and the same everywhere, so that every run trains the same. */
static int random_below(uint64_t *state, int bound)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (int)((*state * 2685821657736338717u >> 33) % (uint64_t)bound);
}

/* One epoch: all training images once, in an order that `p->random` alone decides. */
static void train(model *m, progress *p, const digits *d, int waits)
{
    static int order[TRAIN];
    double loss = 0.0;
    for (int i = 0; i < TRAIN; i++)
        order[i] = i;
    for (int i = TRAIN - 1; i > 0; i--) { /* Fisher-Yates */
        const int other = random_below(&p->random, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (int at = 0; at < TRAIN; at += BATCH) {
        loss += step(m, d, order + at, BATCH, 0.5f);
        if (waits && at == TRAIN / 2) {
            printf("in the middle of epoch %d\n", (int)p->epochs + 1);
            fflush(stdout);
            for (int c = getchar(); c != '\n' && c != EOF;)
                c = getchar();
        }
    }
    p->epochs++;
    p->loss = loss / TRAIN;
}

/* The part of the other images that the model recognises. */
static double test(const model *m, const digits *d)
{
    int64_t right = 0;
    for (int64_t i = TRAIN; i < d->count; i++) {
        float probability[CLASSES];
        int best = 0;
        predict(m, d->images + i * PIXELS, probability);
        for (int c = 1; c < CLASSES; c++)
            if (probability[c] > probability[best])
                best = c;
        right += best == d->labels[i];
    }
    return (double)right / (double)(d->count - TRAIN);
}

int main(int argc, char **argv)
{
    int waits_at = 0, result = EXIT_FAILURE, found;
    if (argc > 2 && strcmp(argv[1], "-w") == 0) {
        waits_at = atoi(argv[2]);
        argc -= 2;
        argv += 2;
    }
    const char *from = argc > 1 ? argv[1] : "tests/data/digits";
    const char *path = argc > 2 ? argv[2] : "checkpoint.adit";
    const uint64_t epochs = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)EPOCHS;
    adit_store *store = NULL;
    adit_error *err = NULL;
    adit_status status;
    digits d = {NULL, NULL, 0};
    progress p = {0, 20231, 0.0};
    static model m;

    if (read_digits(from, &d) != 0)
        goto done;
    status = adit_store_open(path, NULL, &store, &err); /* durable when a write returns */
    if (status != ADIT_OK) {
        fail("opening the store", status, err);
        goto done;
    }
    found = resume(store, &m, &p);
    if (found < 0)
        goto done;
    if (found > 0)
        printf("going on after epoch %d, loss %.4f\n", (int)p.epochs, p.loss);
    while (p.epochs < epochs) {
        train(&m, &p, &d, p.epochs + 1 == (uint64_t)waits_at);
        if (keep(store, &m, &p) != 0)
            goto done;
        printf("epoch %2d  loss %.4f  kept\n", (int)p.epochs, p.loss);
        fflush(stdout);
    }
    printf("test accuracy %.3f\n", test(&m, &d));
    printf("weights %08x\n", (unsigned)adit_crc32c(0, &m, sizeof m));
    result = EXIT_SUCCESS;
done:
    adit_store_close(store);
    free(d.images);
    free(d.labels);
    return result;
}
