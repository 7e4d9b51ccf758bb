/*
 * Handwritten digits, and a linear model of them: what train_digits and train_digits_mpi share.
 *
 * A record is an image, "image", u8 [8, 8] from 0 to BRIGHTEST, and its "label", i32 without
 * dimensions. All functions that can fail return -1 after they have told why.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include <adit.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PIXELS = 64, CLASSES = 10, BRIGHTEST = 16, TRAIN = 1500 };

/* Tells a failure, frees its error, and returns -1. */
int fail(const char *doing, adit_status status, adit_error *err);

/* Tells of something that isn't as it must be, as printf does, and returns -1. */
int refuse(const char *format, ...);

/* The digits as two mapped NumPy files have them. */
typedef struct digits {
    adit_array *arrays[2];
    adit_tensor images, labels;
    int64_t count;
} digits;

/* Maps images_u8.npy and labels_u8.npy; `d` is to be closed, also after a failure. */
int open_digits(const char *folder, digits *d);
void close_digits(digits *d);

/* Writes digits first .. first + count as an arec file; nothing stands at `path` before all do. */
int write_records(const char *path, const digits *d, int64_t first, int64_t count);

/* A linear model: one row of weights and a bias for each class. */
typedef struct model {
    float weights[CLASSES][PIXELS];
    float bias[CLASSES];
} model;

/*
 * Sums over images: of the gradient and the loss, each image's part rounded to 2^-32, and their
 * number. All integers, so that a sum doesn't depend on its order: one process or many ranks, which
 * add these up as one array of SUMS, train to the same weights, bit by bit.
 */
typedef struct sums {
    int64_t weights[CLASSES][PIXELS];
    int64_t bias[CLASSES];
    int64_t loss;
    int64_t images;
} sums;

enum { SUMS = sizeof(sums) / sizeof(int64_t) };

/* The mean of losses that were added up. */
double mean_loss(int64_t loss, int64_t images);

/* Opens a loader of the digits of `reader`: images as f32, labels. The rest is in `options`. */
int open_loader(const adit_record_reader *reader, adit_loader_options *options,
                adit_loader **loader);

/* Adds what the valid rows of a batch say of the model. */
int add_batch(sums *s, const model *m, const adit_batch *batch);

/* One step of gradient descent. */
void descend(model *m, const sums *s, double rate);

/* Counts what the model recognises of a file of records, which are read where they are mapped. */
int recognise(const char *path, const model *m, double *accuracy);

/* Adds the model to what is to be stored at once, and takes it out again. */
int put_model(adit_store_batch *batch, const model *m);
int get_model(const adit_snapshot *snapshot, model *m);

/* Adds a value of any bytes, and takes one that must have `len`: 1, or 0 if there is none. */
int put_value(adit_store_batch *batch, const char *key, const void *value, size_t len);
int get_value(const adit_snapshot *snapshot, const char *key, void *value, size_t len);

#ifdef __cplusplus
}
#endif

#endif
