/* digits.h tells what these do. */
#include "digits.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", doing, adit_status_name(status), adit_error_message(err));
    adit_error_free(err);
    return -1;
}

int refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -1;
}

/* Maps an array and lends its tensor, which must be contiguous u8. */
static int map_u8(const char *folder, const char *name, adit_array **array, adit_tensor *tensor)
{
    char path[4096];
    adit_error *err = NULL;
    adit_status status;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return refuse("the path of %s is too long", name);
    status = adit_array_open(path, NULL, array, &err);
    if (status == ADIT_OK)
        status = adit_array_tensor(*array, tensor, &err);
    if (status != ADIT_OK)
        return fail("reading the digits", status, err);
    if (tensor->dtype != ADIT_DTYPE_U8 || (tensor->flags & ADIT_TENSOR_CONTIGUOUS) == 0)
        return refuse("%s is no contiguous u8 array", path);
    return 0;
}

int open_digits(const char *folder, digits *d)
{
    memset(d, 0, sizeof *d);
    if (map_u8(folder, "images_u8.npy", &d->arrays[0], &d->images) != 0
        || map_u8(folder, "labels_u8.npy", &d->arrays[1], &d->labels) != 0)
        return -1;
    d->count = d->images.shape[0];
    if (d->images.ndim != 3 || d->images.shape[1] * d->images.shape[2] != PIXELS
        || d->labels.ndim != 1 || d->labels.shape[0] != d->count || d->count <= TRAIN)
        return refuse("images and labels don't fit together");
    for (int64_t i = 0; i < d->count; i++) {
        const int label = ((const unsigned char *)d->labels.data)[i];
        if (label >= CLASSES)
            return refuse("label %lld is %d, not below %d", (long long)i, label, CLASSES);
    }
    return 0;
}

void close_digits(digits *d)
{
    adit_array_close(d->arrays[0]);
    adit_array_close(d->arrays[1]);
    memset(d, 0, sizeof *d);
}

/* The fields of a record. */
static adit_status make_schema(adit_record_schema **schema, adit_error **err)
{
    const int64_t dims[2] = {8, 8};
    adit_status status = adit_record_schema_new(schema, err);
    if (status == ADIT_OK)
        status = adit_record_schema_add(*schema, "image", ADIT_DTYPE_U8, 2, dims, err);
    if (status == ADIT_OK)
        status = adit_record_schema_add(*schema, "label", ADIT_DTYPE_I32, 0, NULL, err);
    return status;
}

int write_records(const char *path, const digits *d, int64_t first, int64_t count)
{
    const unsigned char *pixels = (const unsigned char *)d->images.data + first * PIXELS;
    const unsigned char *classes = (const unsigned char *)d->labels.data + first;
    const int64_t image_shape[3] = {count, 8, 8}, label_shape[1] = {count};
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_schema *schema = NULL;
    adit_record_writer *writer = NULL;
    adit_error *err = NULL;
    adit_tensor columns[2];
    adit_status status;
    int32_t *labels = (int32_t *)malloc((size_t)count * sizeof *labels);

    if (labels == NULL)
        return refuse("out of memory");
    for (int64_t i = 0; i < count; i++)
        labels[i] = classes[i];
    status = make_schema(&schema, &err);
    options.schema = schema;
    if (status == ADIT_OK)
        status = adit_tensor_init(&columns[0], pixels, ADIT_DTYPE_U8, 3, image_shape, &err);
    if (status == ADIT_OK)
        status = adit_tensor_init(&columns[1], labels, ADIT_DTYPE_I32, 1, label_shape, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_create(path, &options, &writer, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_append_batch(writer, columns, 2, &err);
    if (status == ADIT_OK)
        status = adit_record_writer_finish(writer, &err);
    adit_record_writer_close(writer);
    adit_record_schema_free(schema);
    free(labels);
    return status == ADIT_OK ? 0 : fail("writing records", status, err);
}

/* The probability of each class for an image. */
static void predict(const model *m, const float *image, float *probability)
{
    float largest = -INFINITY, sum = 0.0f;
    for (int c = 0; c < CLASSES; c++) {
        float score = 0.0f;
        for (int p = 0; p < PIXELS; p++)
            score += m->weights[c][p] * image[p];
        probability[c] = m->bias[c] + score / BRIGHTEST;
        if (probability[c] > largest)
            largest = probability[c];
    }
    for (int c = 0; c < CLASSES; c++) {
        probability[c] = expf(probability[c] - largest);
        sum += probability[c];
    }
    for (int c = 0; c < CLASSES; c++)
        probability[c] /= sum;
}

static int64_t fixed_point(double value)
{
    return (int64_t)llrint(value * 4294967296.0);
}

static double of_fixed_point(int64_t value)
{
    return (double)value / 4294967296.0;
}

double mean_loss(int64_t loss, int64_t images)
{
    return images > 0 ? of_fixed_point(loss) / (double)images : 0.0;
}

static void add_image(sums *s, const model *m, const float *image, int label)
{
    float probability[CLASSES];
    predict(m, image, probability);
    s->loss -= fixed_point(log((double)probability[label] + 1e-9));
    s->images += 1;
    for (int c = 0; c < CLASSES; c++) {
        const float error = probability[c] - (c == label ? 1.0f : 0.0f);
        s->bias[c] += fixed_point((double)error);
        for (int p = 0; p < PIXELS; p++)
            s->weights[c][p] += fixed_point((double)(error * image[p]) / BRIGHTEST);
    }
}

void descend(model *m, const sums *s, double rate)
{
    if (s->images == 0)
        return;
    rate /= (double)s->images;
    for (int c = 0; c < CLASSES; c++) {
        m->bias[c] -= (float)(rate * of_fixed_point(s->bias[c]));
        for (int p = 0; p < PIXELS; p++)
            m->weights[c][p] -= (float)(rate * of_fixed_point(s->weights[c][p]));
    }
}

int open_loader(const adit_record_reader *reader, adit_loader_options *options,
                adit_loader **loader)
{
    adit_loader_fields *fields = NULL;
    adit_error *err = NULL;
    adit_status status = adit_loader_fields_new(&fields, &err);
    if (status == ADIT_OK) /* converted by the loader's threads */
        status = adit_loader_fields_add(fields, "image", ADIT_DTYPE_F32, 0, 0, &err);
    if (status == ADIT_OK)
        status = adit_loader_fields_add(fields, "label", 0, 0, 0, &err);
    options->fields = fields;
    if (status == ADIT_OK)
        status = adit_loader_open(reader, options, loader, &err);
    options->fields = NULL;
    adit_loader_fields_free(fields);
    return status == ADIT_OK ? 0 : fail("opening a loader", status, err);
}

int add_batch(sums *s, const model *m, const adit_batch *batch)
{
    adit_batch_info info = ADIT_BATCH_INFO_INIT;
    adit_tensor images, labels;
    const uint64_t *records = NULL;
    size_t n = 0;
    adit_error *err = NULL;
    adit_status status = adit_batch_get_info(batch, &info, &err);
    if (status == ADIT_OK)
        status = adit_batch_tensor(batch, 0, &images, &err);
    if (status == ADIT_OK)
        status = adit_batch_tensor(batch, 1, &labels, &err);
    if (status == ADIT_OK)
        status = adit_batch_records(batch, &records, &n, &err);
    if (status != ADIT_OK)
        return fail("looking at a batch", status, err);
    /* What a file holds is looked at before it is read as anything. */
    if (images.nbytes != info.rows * PIXELS * sizeof(float) || labels.dtype != ADIT_DTYPE_I32
        || labels.nbytes != info.rows * sizeof(int32_t))
        return refuse("the records are no digits");
    for (uint64_t i = 0; i < info.valid; i++) {
        const int32_t label = ((const int32_t *)labels.data)[i];
        if (label < 0 || label >= CLASSES)
            return refuse("record %llu has the label %d", (unsigned long long)records[i], label);
        add_image(s, m, (const float *)images.data + i * PIXELS, label);
    }
    return 0;
}

int recognise(const char *path, const model *m, double *accuracy)
{
    adit_record_reader *reader = NULL;
    adit_error *err = NULL;
    uint64_t right = 0, count = 0;
    int result = -1;
    adit_status status = adit_record_reader_open(path, NULL, &reader, &err);

    if (status != ADIT_OK)
        return fail("opening the test set", status, err);
    count = adit_record_reader_len(reader);
    for (uint64_t i = 0; i < count; i++) {
        adit_tensor record[2]; /* lent: good until the reader is closed */
        float image[PIXELS], probability[CLASSES];
        int best = 0;
        status = adit_record_reader_get(reader, i, record, 2, &err);
        if (status != ADIT_OK) {
            fail("testing", status, err);
            goto done;
        }
        if (record[0].dtype != ADIT_DTYPE_U8 || record[0].nbytes != PIXELS
            || record[1].dtype != ADIT_DTYPE_I32 || record[1].nbytes != sizeof(int32_t)) {
            refuse("record %llu of %s is no digit", (unsigned long long)i, path);
            goto done;
        }
        for (int p = 0; p < PIXELS; p++)
            image[p] = ((const unsigned char *)record[0].data)[p];
        predict(m, image, probability);
        for (int c = 1; c < CLASSES; c++)
            if (probability[c] > probability[best])
                best = c;
        right += best == *(const int32_t *)record[1].data;
    }
    *accuracy = count > 0 ? (double)right / (double)count : 0.0;
    result = 0;
done:
    adit_record_reader_close(reader);
    return result;
}

int put_value(adit_store_batch *batch, const char *key, const void *value, size_t len)
{
    adit_error *err = NULL;
    adit_status status = adit_store_batch_put(batch, key, strlen(key), value, len, &err);
    return status == ADIT_OK ? 0 : fail("keeping a checkpoint", status, err);
}

int get_value(const adit_snapshot *snapshot, const char *key, void *value, size_t len)
{
    adit_error *err = NULL;
    const void *found = NULL;
    size_t found_len = 0;
    adit_status status =
        adit_snapshot_get(snapshot, key, strlen(key), &found, &found_len, &err);
    if (status == ADIT_ERR_NOT_FOUND) /* no failure, and no error object */
        return 0;
    if (status != ADIT_OK)
        return fail("taking up a checkpoint", status, err);
    if (found_len != len)
        return refuse("'%s' in the checkpoint has %zu bytes, not %zu", key, found_len, len);
    memcpy(value, found, len);
    return 1;
}

static int put_floats(adit_store_batch *batch, const char *key, const float *elements, int ndim,
                      const int64_t *shape)
{
    adit_tensor tensor;
    adit_error *err = NULL;
    adit_status status = adit_tensor_init(&tensor, elements, ADIT_DTYPE_F32, ndim, shape, &err);
    if (status == ADIT_OK)
        status = adit_store_batch_put_tensor(batch, key, strlen(key), &tensor, &err);
    return status == ADIT_OK ? 0 : fail("keeping a checkpoint", status, err);
}

static int get_floats(const adit_snapshot *snapshot, const char *key, float *elements, size_t count)
{
    adit_tensor tensor; /* lent: good until the snapshot is closed */
    adit_error *err = NULL;
    adit_status status = adit_snapshot_get_tensor(snapshot, key, strlen(key), &tensor, &err);
    if (status != ADIT_OK)
        return fail("taking up a checkpoint", status, err);
    if (tensor.dtype != ADIT_DTYPE_F32 || tensor.nbytes != count * sizeof(float))
        return refuse("'%s' in the checkpoint is no such tensor", key);
    memcpy(elements, tensor.data, count * sizeof(float));
    return 0;
}

int put_model(adit_store_batch *batch, const model *m)
{
    const int64_t shape[2] = {CLASSES, PIXELS};
    return put_floats(batch, "weights", &m->weights[0][0], 2, shape) == 0
               ? put_floats(batch, "bias", m->bias, 1, shape)
               : -1;
}

int get_model(const adit_snapshot *snapshot, model *m)
{
    return get_floats(snapshot, "weights", &m->weights[0][0], CLASSES * PIXELS) == 0
               ? get_floats(snapshot, "bias", m->bias, CLASSES)
               : -1;
}
