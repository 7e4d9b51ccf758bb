/*
 * Trains a softmax regression on handwritten digits, and can be killed at any time: the next run
 * goes on from its last checkpoint to the same weights, bit by bit.
 *
 *     train_digits [-v] [-w epoch] [folder with the two NumPy files] [folder to work in] [epochs]
 *
 * 1. Writes train.arec (1,500 records) and test.arec (the rest), unless an earlier run has.
 * 2. Opens the store checkpoint.adit, and takes up what an earlier run has left there.
 * 3. Trains on what a loader gives: batches in a shuffled order, images converted to f32, read
 *    ahead by a thread. Every ten steps the weights, the loader's state and what the epoch's loss
 *    is summed up to go into the store as one batch: all of them, or none.
 * 4. Counts what the model recognises, and tells a checksum of its weights.
 *
 * -v tells of each checkpoint. With -w it waits in the middle of that epoch for a line on its
 * input: time to kill it.
 *
 * Every call's status is looked at; the first failure is told and ends the program through one
 * exit, with all handles closed. Copy that.
 */
#include "digits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 50, KEEP = 10 };

/* What the rest of the training depends on, besides the weights and the loader's state. */
typedef struct progress {
    uint64_t epochs;      /* done */
    int64_t loss, images; /* summed up in the one that goes on */
} progress;

/* Keeps all that goes on: when this returns 0 it survives a kill and a power cut. */
static int keep(const adit_store *store, const model *m, const progress *p,
                const adit_loader *loader)
{
    unsigned char state[ADIT_LOADER_STATE_BYTES] = {0};
    size_t len = 0;
    adit_store_batch *batch = NULL;
    adit_error *err = NULL;
    adit_status status = adit_loader_state_save(loader, state, sizeof state, &len, &err);
    int result = -1;

    if (status == ADIT_OK)
        status = adit_store_batch_new(&batch, &err);
    if (status != ADIT_OK)
        return fail("keeping a checkpoint", status, err);
    if (put_model(batch, m) == 0 && put_value(batch, "progress", p, sizeof *p) == 0
        && put_value(batch, "loader", state, len) == 0) {
        status = adit_store_write(store, batch, NULL, &err);
        result = status == ADIT_OK ? 0 : fail("keeping a checkpoint", status, err);
    }
    adit_store_batch_free(batch);
    return result;
}

/* Takes up what an earlier run has kept: 1 if there is something, 0 if not, -1 after a failure. */
static int resume(const adit_store *store, model *m, progress *p, adit_loader *loader)
{
    adit_snapshot *snapshot = NULL;
    adit_error *err = NULL;
    const void *state = NULL;
    size_t len = 0;
    adit_status status = adit_store_snapshot(store, &snapshot, &err);
    int result;

    if (status != ADIT_OK)
        return fail("taking up a checkpoint", status, err);
    result = get_value(snapshot, "progress", p, sizeof *p);
    if (result == 1 && get_model(snapshot, m) != 0)
        result = -1;
    if (result == 1) {
        status = adit_snapshot_get(snapshot, "loader", strlen("loader"), &state, &len, &err);
        if (status == ADIT_OK)
            status = adit_loader_state_load(loader, state, len, &err);
        if (status != ADIT_OK)
            result = fail("going to where the loader was", status, err);
    }
    adit_snapshot_close(snapshot);
    return result;
}

/* Says where it is and waits for a line: whoever started this may kill it now. */
static void wait_in(uint64_t epoch)
{
    printf("in the middle of epoch %llu\n", (unsigned long long)epoch);
    fflush(stdout);
    for (int c = getchar(); c != '\n' && c != EOF;)
        c = getchar();
}

/* Trains up to so many epochs in all. */
static int train(adit_loader *loader, const adit_store *store, model *m, progress *p,
                 uint64_t epochs, uint64_t waits_at, int verbose)
{
    static sums s;

    while (p->epochs < epochs) {
        adit_batch *batch = NULL;
        adit_batch_info info = ADIT_BATCH_INFO_INIT;
        adit_error *err = NULL;
        adit_status status = adit_loader_next(loader, &batch, &err);
        int added;

        if (status == ADIT_END) { /* no failure: the next call begins another epoch */
            if (p->images == 0)
                continue;
            printf("epoch %2llu  loss %.4f\n", (unsigned long long)p->epochs + 1,
                   mean_loss(p->loss, p->images));
            fflush(stdout);
            p->loss = p->images = 0;
            p->epochs++;
            if (keep(store, m, p, loader) != 0)
                return -1;
            continue;
        }
        if (status == ADIT_OK)
            status = adit_batch_get_info(batch, &info, &err);
        if (status != ADIT_OK) {
            adit_batch_release(batch);
            return fail("loading a batch", status, err);
        }
        memset(&s, 0, sizeof s);
        added = add_batch(&s, m, batch);
        adit_batch_release(batch); /* its memory holds a batch to come from now on */
        if (added != 0)
            return -1;
        descend(m, &s, 0.5);
        p->loss += s.loss;
        p->images += s.images;
        if (p->epochs + 1 == waits_at && info.step == 17)
            wait_in(waits_at);
        if ((info.step + 1) % KEEP == 0) {
            if (keep(store, m, p, loader) != 0)
                return -1;
            if (verbose)
                printf("kept: epoch %llu, step %llu\n", (unsigned long long)p->epochs + 1,
                       (unsigned long long)info.step + 1);
            fflush(stdout);
        }
    }
    return 0;
}

/* Opens train.arec; where there is none, writes it and test.arec first. */
static int open_records(const char *from, const char *train_path, const char *test_path,
                        adit_record_reader **reader)
{
    adit_error *err = NULL;
    adit_status status = adit_record_reader_open(train_path, NULL, reader, &err);
    digits d;

    if (status == ADIT_ERR_NOT_FOUND) {
        int written;
        adit_error_free(err);
        written = open_digits(from, &d) == 0
                  && write_records(test_path, &d, TRAIN, d.count - TRAIN) == 0
                  && write_records(train_path, &d, 0, TRAIN) == 0;
        if (written)
            printf("wrote %s (%d records) and %s (%lld records)\n", train_path, TRAIN, test_path,
                   (long long)d.count - TRAIN);
        close_digits(&d);
        if (!written)
            return -1;
        status = adit_record_reader_open(train_path, NULL, reader, &err);
    }
    return status == ADIT_OK ? 0 : fail("opening the training set", status, err);
}

int main(int argc, char **argv)
{
    char train_path[4096], test_path[4096], store_path[4096];
    uint64_t waits_at = 0;
    int verbose = 0, result = EXIT_FAILURE, found;
    for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
        if (strcmp(argv[1], "-v") == 0) {
            verbose = 1;
        } else if (strcmp(argv[1], "-w") == 0 && argc > 2) {
            waits_at = strtoull(argv[2], NULL, 10);
            argc--, argv++;
        } else {
            fprintf(stderr, "train_digits: what is %s?\n", argv[1]);
            return 2;
        }
    }
    const char *from = argc > 1 ? argv[1] : "tests/data/digits";
    const char *to = argc > 2 ? argv[2] : ".";
    const uint64_t epochs = argc > 3 ? strtoull(argv[3], NULL, 10) : 30;
    adit_loader_options options = ADIT_LOADER_OPTIONS_INIT;
    adit_record_reader *reader = NULL;
    adit_loader *loader = NULL;
    adit_store *store = NULL;
    adit_error *err = NULL;
    adit_status status;
    progress p = {0, 0, 0};
    static model m;
    double accuracy = 0.0;

    snprintf(train_path, sizeof train_path, "%s/train.arec", to);
    snprintf(test_path, sizeof test_path, "%s/test.arec", to);
    snprintf(store_path, sizeof store_path, "%s/checkpoint.adit", to);
    options.batch = BATCH;
    options.seed = 20231;
    options.block = BATCH;
    if (open_records(from, train_path, test_path, &reader) != 0
        || open_loader(reader, &options, &loader) != 0)
        goto done;
    status = adit_store_open(store_path, NULL, &store, &err); /* durable when a write returns */
    if (status != ADIT_OK) {
        fail("opening the store", status, err);
        goto done;
    }
    found = resume(store, &m, &p, loader);
    if (found < 0)
        goto done;
    if (found > 0)
        printf("going on in epoch %llu after %lld records\n", (unsigned long long)p.epochs + 1,
               (long long)p.images);
    if (train(loader, store, &m, &p, epochs, waits_at, verbose) != 0
        || recognise(test_path, &m, &accuracy) != 0)
        goto done;
    printf("test accuracy %.3f\n", accuracy);
    printf("weights %08x\n", (unsigned)adit_crc32c(0, &m, sizeof m));
    result = EXIT_SUCCESS;
done:
    adit_store_close(store);
    adit_loader_close(loader);
    adit_record_reader_close(reader);
    return result;
}
