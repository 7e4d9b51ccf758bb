/*
 * Trains a softmax regression on handwritten digits, straight from record files.
 *
 *     train_digits [folder with images_u8.npy and labels_u8.npy] [folder for the record files]
 *
 * 1. Maps the two NumPy files.
 * 2. Writes train.rrec (1,500 records) and test.rrec (the rest): each record an image of 8 x 8 f32
 *    from 0 to 1, and its label.
 * 3. Maps train.rrec and trains: shuffled mini-batches are gathered from the map.
 * 4. Maps test.rrec and counts what is recognised: images are read where they lie, no copy.
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
#include <time.h>
#include <unistd.h>

enum { PIXELS = 64, CLASSES = 10, TRAIN = 1500, BATCH = 50, EPOCHS = 30 };

/* Tells a failure and frees its error. */
static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "train_digits: %s: %s: %s\n", doing, adit_status_name(status),
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
        fprintf(stderr, "train_digits: the path of %s is too long\n", name);
        return -1;
    }
    status = adit_array_open(path, NULL, array, &err);
    if (status == ADIT_OK)
        status = adit_array_tensor(*array, tensor, &err);
    if (status != ADIT_OK)
        return fail("reading the digits", status, err);
    if (tensor->dtype != ADIT_DTYPE_U8 || tensor->ndim != ndim
        || (tensor->flags & ADIT_TENSOR_CONTIGUOUS) == 0) {
        fprintf(stderr, "train_digits: %s is no contiguous u8 array of %d dimensions\n", path,
                ndim);
        return -1;
    }
    return 0;
}

/* Writes images and labels first .. first + count as records. */
static int write_records(const char *path, const adit_tensor *images, const adit_tensor *labels,
                         int64_t first, int64_t count)
{
    const unsigned char *pixels = (const unsigned char *)images->data + first * PIXELS;
    const unsigned char *digits = (const unsigned char *)labels->data + first;
    const int64_t image_shape[3] = {count, 8, 8};
    const int64_t label_shape[2] = {count, 1};
    adit_record_writer *writer = NULL;
    adit_error *err = NULL;
    adit_tensor columns[2];
    adit_status status = ADIT_OK;
    float *scaled = (float *)malloc((size_t)count * PIXELS * sizeof(float));
    float *values = (float *)malloc((size_t)count * sizeof(float));
    int result = -1;

    if (scaled == NULL || values == NULL) {
        fprintf(stderr, "train_digits: out of memory\n");
        goto done;
    }
    for (int64_t i = 0; i < count * PIXELS; i++)
        scaled[i] = (float)pixels[i] / 16.0f;
    for (int64_t i = 0; i < count; i++) {
        if (digits[i] >= CLASSES) {
            fprintf(stderr, "train_digits: label %lld is %d, not below %d\n",
                    (long long)(first + i), digits[i], CLASSES);
            goto done;
        }
        values[i] = (float)digits[i];
    }

    status = adit_tensor_init(&columns[0], scaled, ADIT_DTYPE_F32, 3, image_shape, &err);
    if (status == ADIT_OK)
        status = adit_tensor_init(&columns[1], values, ADIT_DTYPE_F32, 2, label_shape, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_create(path, NULL, &writer, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_append_batch(writer, columns, 2, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_finish(writer, &err); /* nothing stands at path before this */
    if (status == ADIT_OK)
        result = 0;
    else
        fail("writing records", status, err);
done:
    adit_record_writer_close(writer);
    free(scaled);
    free(values);
    return result;
}

/* Whether a number from a file names a class; what isn't a number doesn't. */
static int is_label(float value)
{
    return value >= 0.0f && value < (float)CLASSES;
}

/* A linear model: one row of weights and a bias for each class. */
typedef struct model {
    float weights[CLASSES][PIXELS];
    float bias[CLASSES];
} model;

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

/* One step of gradient descent on a batch of checked labels; returns the summed loss. */
static float step(model *m, const float *images, const float *labels, int count, float rate)
{
    float loss = 0.0f, probability[CLASSES];
    static model gradient;
    memset(&gradient, 0, sizeof gradient);
    for (int i = 0; i < count; i++) {
        const float *image = images + i * PIXELS;
        const int label = (int)labels[i];
        predict(m, image, probability);
        loss -= logf(probability[label] + 1e-9f);
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

/* xorshift64*: small, and the same everywhere, so that every run prints the same. */
static uint64_t random_below(uint64_t *state, uint64_t bound)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 2685821657736338717u >> 33) % bound;
}

static void progress_bar(int epoch, uint64_t done, uint64_t total)
{
    const int width = 30, filled = (int)(done * (uint64_t)width / total);
    printf("\repoch %2d  [", epoch);
    for (int i = 0; i < width; i++)
        putchar(i < filled ? '=' : ' ');
    printf("] %4llu/%llu", (unsigned long long)done, (unsigned long long)total);
    fflush(stdout);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Trains on the records of a file; adds to the records read and the bytes mapped. */
static int train(const char *path, model *m, uint64_t *records, uint64_t *mapped)
{
    static float images[BATCH * PIXELS], labels[BATCH];
    adit_record_reader *reader = NULL;
    adit_data *data = NULL;
    adit_error *err = NULL;
    adit_status status;
    adit_tensor batch[2]; /* what the gathers left in the two buffers */
    uint64_t *order = NULL, state = 20231, count;
    const int terminal = isatty(STDOUT_FILENO);
    int result = -1;

    status = adit_record_reader_open(path, NULL, &reader, &err);
    if (status == ADIT_OK)
        status = adit_record_reader_data(reader, &data, &err);
    if (status != ADIT_OK) {
        fail("opening the training set", status, err);
        goto done;
    }
    *mapped += adit_data_is_mapped(data) ? adit_data_len(data) : 0;
    count = adit_record_reader_len(reader);
    if (count == 0) {
        fprintf(stderr, "train_digits: %s has no records\n", path);
        goto done;
    }
    order = (uint64_t *)malloc((size_t)count * sizeof *order);
    if (order == NULL) {
        fprintf(stderr, "train_digits: out of memory\n");
        goto done;
    }
    for (uint64_t i = 0; i < count; i++)
        order[i] = i;

    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        float loss = 0.0f;
        for (uint64_t i = count - 1; i > 0; i--) { /* Fisher-Yates */
            const uint64_t other = random_below(&state, i + 1), kept = order[i];
            order[i] = order[other];
            order[other] = kept;
        }
        for (uint64_t at = 0; at < count; at += BATCH) {
            const uint64_t rest = count - at, n = rest < BATCH ? rest : (uint64_t)BATCH;
            status = adit_record_reader_gather(reader, 0, order + at, (size_t)n, images,
                                               sizeof images, NULL, &batch[0], &err);
            if (status == ADIT_OK)
                status = adit_record_reader_gather(reader, 1, order + at, (size_t)n, labels,
                                                   sizeof labels, NULL, &batch[1], &err);
            if (status != ADIT_OK) {
                fail("gathering a batch", status, err);
                goto done;
            }
            if (batch[0].dtype != ADIT_DTYPE_F32 || batch[0].nbytes != n * PIXELS * sizeof(float)
                || batch[1].dtype != ADIT_DTYPE_F32 || batch[1].nbytes != n * sizeof(float)) {
                fprintf(stderr, "train_digits: the records of %s are no digits\n", path);
                goto done;
            }
            for (uint64_t i = 0; i < n; i++) {
                if (!is_label(labels[i])) {
                    fprintf(stderr, "train_digits: record %llu of %s has the label %g\n",
                            (unsigned long long)order[at + i], path, (double)labels[i]);
                    goto done;
                }
            }
            loss += step(m, images, labels, (int)n, 0.5f);
            *records += n;
            if (terminal)
                progress_bar(epoch, at + n, count);
        }
        printf("%sepoch %2d  loss %.4f%s\n", terminal ? "\r" : "", epoch,
               (double)(loss / (float)count), terminal ? "                                   " : "");
    }
    result = 0;
done:
    free(order);
    adit_data_close(data);
    adit_record_reader_close(reader);
    return result;
}

/* Counts what the model recognises; each image is read where it lies in the map. */
static int test(const char *path, const model *m, uint64_t *records, uint64_t *mapped,
                double *accuracy)
{
    adit_record_reader *reader = NULL;
    adit_data *data = NULL;
    adit_error *err = NULL;
    adit_status status;
    uint64_t right = 0, count = 0;
    int result = -1;

    status = adit_record_reader_open(path, NULL, &reader, &err);
    if (status == ADIT_OK)
        status = adit_record_reader_data(reader, &data, &err);
    if (status != ADIT_OK) {
        fail("opening the test set", status, err);
        goto done;
    }
    *mapped += adit_data_is_mapped(data) ? adit_data_len(data) : 0;
    count = adit_record_reader_len(reader);
    for (uint64_t i = 0; i < count; i++) {
        adit_tensor record[2]; /* borrowed: good until the reader is closed */
        float probability[CLASSES], label;
        int best = 0;
        status = adit_record_reader_get(reader, i, record, 2, &err);
        if (status != ADIT_OK) {
            fail("testing", status, err);
            goto done;
        }
        /* What a file holds is looked at before it is read as anything. */
        if (record[0].dtype != ADIT_DTYPE_F32 || record[0].nbytes != PIXELS * sizeof(float)
            || record[1].dtype != ADIT_DTYPE_F32 || record[1].nbytes < sizeof(float)) {
            fprintf(stderr, "train_digits: record %llu of %s is no digit\n",
                    (unsigned long long)i, path);
            goto done;
        }
        label = *(const float *)record[1].data;
        if (!is_label(label)) {
            fprintf(stderr, "train_digits: record %llu of %s has the label %g\n",
                    (unsigned long long)i, path, (double)label);
            goto done;
        }
        predict(m, (const float *)record[0].data, probability);
        for (int c = 1; c < CLASSES; c++)
            if (probability[c] > probability[best])
                best = c;
        right += best == (int)label;
        *records += 1;
    }
    *accuracy = count > 0 ? (double)right / (double)count : 0.0;
    result = 0;
done:
    adit_data_close(data);
    adit_record_reader_close(reader);
    return result;
}

int main(int argc, char **argv)
{
    const char *from = argc > 1 ? argv[1] : "tests/data/digits";
    const char *to = argc > 2 ? argv[2] : ".";
    char train_path[4096], test_path[4096];
    adit_array *images = NULL, *labels = NULL;
    adit_tensor pixels, digits;
    static model m;
    uint64_t records = 0, mapped = 0;
    double accuracy = 0.0, started;
    int result = EXIT_FAILURE;

    snprintf(train_path, sizeof train_path, "%s/train.rrec", to);
    snprintf(test_path, sizeof test_path, "%s/test.rrec", to);
    if (map_u8(from, "images_u8.npy", 3, &images, &pixels) != 0
        || map_u8(from, "labels_u8.npy", 1, &labels, &digits) != 0)
        goto done;
    if (pixels.shape[0] != digits.shape[0] || pixels.shape[0] <= TRAIN
        || pixels.shape[1] * pixels.shape[2] != PIXELS) {
        fprintf(stderr, "train_digits: images and labels don't fit together\n");
        goto done;
    }
    printf("%s: %lld images of %lld x %lld\n", from, (long long)pixels.shape[0],
           (long long)pixels.shape[1], (long long)pixels.shape[2]);
    if (write_records(train_path, &pixels, &digits, 0, TRAIN) != 0
        || write_records(test_path, &pixels, &digits, TRAIN, pixels.shape[0] - TRAIN) != 0)
        goto done;
    printf("wrote %s (%d records) and %s (%lld records)\n", train_path, TRAIN, test_path,
           (long long)(pixels.shape[0] - TRAIN));

    started = seconds();
    if (train(train_path, &m, &records, &mapped) != 0
        || test(test_path, &m, &records, &mapped, &accuracy) != 0)
        goto done;
    printf("test accuracy %.3f\n", accuracy);
    printf("%.0f records/s, training included; %.2f MB mapped\n",
           (double)records / (seconds() - started), (double)mapped / 1e6);
    result = EXIT_SUCCESS;
done:
    adit_array_close(images);
    adit_array_close(labels);
    return result;
}
