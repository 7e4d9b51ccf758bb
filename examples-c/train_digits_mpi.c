/*
 * Trains on handwritten digits with many ranks of an MPI job, and can be killed at any time: the
 * next run goes on from the last checkpoint that all ranks have kept, also with another number of
 * ranks, to the same weights, bit by bit.
 *
 *     mpirun -np 4 train_digits_mpi [-k step] [folder with the two NumPy files] [set.json]
 *                                   [folder for checkpoints] [epochs]
 *
 * 1. Where there is no set yet, each rank writes its part of the digits as a shard of its own, and
 *    rank 0 makes the manifest.
 * 2. All ranks open the set; one that finds another set there than rank 0 is refused.
 * 3. Each rank has a loader for its share of each step. Sums over the share are added up over all
 *    ranks, as integers, so that their number and order make no difference.
 * 4. Every ten steps each rank keeps its part in a store of its own, and rank 0 a commit record.
 * 5. After each epoch the ranks add up how often each record was used: once, or the run fails.
 *
 * With -k the last rank kills itself after that step, as a machine that is lost would.
 *
 *     mpicc -std=c99 train_digits_mpi.c adit_mpi.c digits.c -ladit -lm
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "adit_mpi.h"
#include "digits.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A batch that doesn't divide the records: the last step of an epoch is short. */
enum { BATCH = 64, KEEP = 10 };

/* What a rank keeps. The model and the loader's state are the same on all ranks. */
typedef struct part {
    uint64_t step; /* done, over all epochs */
    uint64_t epochs;
    int64_t loss, images; /* of the epoch that goes on, over all ranks */
    model m;
    uint64_t state_len;
    unsigned char state[ADIT_LOADER_STATE_BYTES];
    uint8_t used[TRAIN]; /* how often this rank has used each record in this epoch */
} part;

static int rank, world;

/* Tells all of a failure that all know of, once. */
static int tell(const adit_mpi_failure *failure)
{
    if (rank == 0)
        fprintf(stderr, "rank %d failed: %s\n", failure->rank, failure->message);
    return -1;
}

/* Agrees on a result of 0 or -1. */
static int agree(const char *doing, int result)
{
    adit_mpi_failure failure;
    const adit_status status = result == 0 ? ADIT_OK : ADIT_ERR_INVALID_ARGUMENT;
    return adit_mpi_agree(MPI_COMM_WORLD, doing, status, NULL, &failure) == 0 ? 0 : tell(&failure);
}

/* `base`, then `middle`, `number` and `end`. */
static int make_path(char *path, size_t room, const char *base, const char *middle, int number,
                     const char *end)
{
    const int len = snprintf(path, room, "%s%s%d%s", base, middle, number, end);
    return len < (int)room ? 0 : refuse("a path is too long");
}

/* Writes the set: a shard by each rank, the manifest by rank 0. */
static int write_set(const char *from, const char *manifest, const char *test_path)
{
    const int64_t first = (int64_t)TRAIN * rank / world, last = (int64_t)TRAIN * (rank + 1) / world;
    char(*shards)[4096] = (char(*)[4096])calloc((size_t)world, sizeof *shards);
    const char **paths = (const char **)calloc((size_t)world, sizeof *paths);
    digits d;
    int result = open_digits(from, &d);

    if (shards == NULL || paths == NULL)
        result = refuse("out of memory");
    for (int r = 0; r < world && result == 0; r++) {
        paths[r] = shards[r];
        result = make_path(shards[r], sizeof shards[r], manifest, "-", r, ".arec");
    }
    if (result == 0)
        result = write_records(shards[rank], &d, first, last - first);
    if (result == 0 && rank == 0)
        result = write_records(test_path, &d, TRAIN, d.count - TRAIN);
    result = agree("writing a shard", result);
    if (result == 0 && rank == 0) {
        adit_error *err = NULL;
        adit_status status =
            adit_record_manifest_create(manifest, paths, (size_t)world, 0, &err);
        if (status != ADIT_OK)
            result = fail("making the manifest", status, err);
    }
    result = agree("making the manifest", result);
    close_digits(&d);
    free(paths);
    free(shards);
    return result;
}

/* The key of a checkpoint's parts. */
static size_t key_of(uint64_t step, char *key, size_t room)
{
    return (size_t)snprintf(key, room, "step %llu", (unsigned long long)step);
}

/* Reads the part of a rank of the run before, whose store another rank may have open. */
static int read_part(const char *folder, int of, uint64_t step, part *p)
{
    adit_store_options options = ADIT_STORE_OPTIONS_INIT;
    char path[4096], key[32];
    adit_store *store = NULL;
    adit_snapshot *snapshot = NULL;
    adit_error *err = NULL;
    adit_status status;
    int result;

    if (make_path(path, sizeof path, folder, "/rank-", of, ".adit") != 0)
        return -1;
    options.mode = ADIT_STORE_READ;
    status = adit_store_open(path, &options, &store, &err);
    if (status == ADIT_OK)
        status = adit_store_snapshot(store, &snapshot, &err);
    if (status != ADIT_OK) {
        result = fail(path, status, err);
    } else {
        key_of(step, key, sizeof key);
        result = get_value(snapshot, key, p, sizeof *p);
        if (result != 1)
            result = refuse("%s has no part of step %llu", path, (unsigned long long)step);
    }
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    return result == 1 ? 0 : -1;
}

/* Takes up the checkpoint that counts: of `commit->world` ranks, which may be others than now. */
static int resume(const char *folder, const adit_mpi_commit *commit, part *p, adit_loader *loader)
{
    const int before = (int)commit->world;
    static part other;
    adit_error *err = NULL;
    adit_status status;

    if (read_part(folder, rank % before, commit->step, p) != 0)
        return -1;
    if (rank >= before)
        memset(p->used, 0, sizeof p->used);
    /* What ranks used that there are no more is counted by those that there are. */
    for (int of = rank + world; of < before; of += world) {
        if (read_part(folder, of, commit->step, &other) != 0)
            return -1;
        for (int i = 0; i < TRAIN; i++)
            p->used[i] = (uint8_t)(p->used[i] + other.used[i]);
    }
    status = adit_loader_state_load(loader, p->state, (size_t)p->state_len, &err);
    return status == ADIT_OK ? 0 : fail("going to where the loader was", status, err);
}

/* Keeps a checkpoint of all ranks; the one before it is forgotten once this one counts. */
static int keep(const adit_store *store, part *p, const adit_loader *loader,
                adit_mpi_commit *last)
{
    const adit_mpi_commit commit = {p->step, (uint64_t)world};
    adit_mpi_failure failure;
    adit_error *err = NULL;
    char key[32];
    size_t key_len = key_of(p->step, key, sizeof key), len = 0;
    adit_status status = adit_loader_state_save(loader, p->state, sizeof p->state, &len, &err);

    p->state_len = len;
    if (status == ADIT_OK)
        status = adit_store_put(store, key, key_len, p, sizeof *p, NULL, &err);
    if (adit_mpi_commit_all(MPI_COMM_WORLD, store, &commit, status, err, &failure) != 0)
        return tell(&failure);
    if (last->world > 0 && last->step != commit.step) {
        key_len = key_of(last->step, key, sizeof key);
        err = NULL;
        status = adit_store_delete(store, key, key_len, NULL, &err);
        if (status != ADIT_OK) /* it takes space, no more */
            fail("forgetting a checkpoint", status, err);
    }
    *last = commit;
    return 0;
}

/* Looks whether every record was used once in this epoch, and all ranks have the same model. */
static int check_epoch(const part *p)
{
    static int64_t used[TRAIN];
    const uint32_t crc = adit_crc32c(0, &p->m, sizeof p->m);
    adit_mpi_failure failure;

    for (int i = 0; i < TRAIN; i++)
        used[i] = p->used[i];
    adit_mpi_sum(MPI_COMM_WORLD, used, TRAIN);
    for (int i = 0; i < TRAIN; i++)
        if (used[i] != 1)
            return rank == 0 ? refuse("record %d was used %lld times", i, (long long)used[i]) : -1;
    return adit_mpi_same(MPI_COMM_WORLD, "model", &crc, sizeof crc, &failure) == 0
               ? 0
               : tell(&failure);
}

/* One step of all ranks: 1, or 0 where the epoch has ended. */
static int step(adit_loader *loader, part *p)
{
    static sums s;
    adit_batch *batch = NULL;
    adit_batch_info info = ADIT_BATCH_INFO_INIT;
    const uint64_t *records = NULL;
    size_t n = 0;
    adit_mpi_failure failure;
    adit_error *err = NULL;
    adit_status status = adit_loader_next(loader, &batch, &err);
    const int ended = status == ADIT_END; /* on all ranks at once: they make the same steps */
    int result = 0;

    if (status == ADIT_OK)
        status = adit_batch_get_info(batch, &info, &err);
    if (status == ADIT_OK)
        status = adit_batch_records(batch, &records, &n, &err);
    memset(&s, 0, sizeof s);
    if (status == ADIT_OK && add_batch(&s, &p->m, batch) != 0)
        status = ADIT_ERR_MALFORMED;
    for (uint64_t i = 0; status == ADIT_OK && i < info.valid; i++) {
        if (records[i] < TRAIN)
            p->used[records[i]]++;
        else
            status = ADIT_ERR_OUT_OF_RANGE;
    }
    adit_batch_release(batch);
    if (adit_mpi_agree(MPI_COMM_WORLD, "training", ended ? ADIT_OK : status, err, &failure) != 0)
        result = tell(&failure);
    if (result != 0 || ended)
        return result;
    adit_mpi_sum(MPI_COMM_WORLD, (int64_t *)&s, SUMS);
    descend(&p->m, &s, 0.5);
    p->loss += s.loss;
    p->images += s.images;
    p->step++;
    return 1;
}

static int train(adit_loader *loader, const adit_store *store, part *p, adit_mpi_commit *last,
                 uint64_t epochs, uint64_t kill_at)
{
    while (p->epochs < epochs) {
        const int went = step(loader, p);
        if (went < 0)
            return -1;
        if (went == 0 && p->images > 0) {
            if (check_epoch(p) != 0)
                return -1;
            if (rank == 0)
                printf("epoch %2llu  loss %.4f  each of %lld records once\n",
                       (unsigned long long)p->epochs + 1, mean_loss(p->loss, p->images),
                       (long long)p->images);
            fflush(stdout);
            p->loss = p->images = 0;
            memset(p->used, 0, sizeof p->used);
            p->epochs++;
        }
        if (went == 1 && p->step == kill_at && rank == world - 1)
            raise(SIGKILL);
        if ((went == 1 && p->step % KEEP == 0) || p->epochs == epochs) {
            if (keep(store, p, loader, last) != 0)
                return -1;
        }
    }
    return 0;
}

/* Opens what a rank trains with, and takes up what was kept; then trains. */
static int run(const adit_record_reader *reader, uint64_t seed, const char *folder,
               uint64_t epochs, uint64_t kill_at, part *p)
{
    adit_loader_options options = ADIT_LOADER_OPTIONS_INIT;
    adit_loader *loader = NULL;
    adit_store *store = NULL;
    adit_mpi_commit last;
    adit_mpi_failure failure;
    adit_error *err = NULL;
    char path[4096];
    int result;

    options.batch = BATCH;
    options.seed = seed;
    options.rank = (uint32_t)rank;
    options.world = (uint32_t)world;
    options.block = 25;
    options.uneven = ADIT_UNEVEN_KEEP;
    result = open_loader(reader, &options, &loader);
    if (result == 0)
        result = make_path(path, sizeof path, folder, "/rank-", rank, ".adit");
    if (result == 0) {
        adit_status status = adit_store_open(path, NULL, &store, &err);
        result = status == ADIT_OK ? 0 : fail(path, status, err);
    }
    if (agree("opening loader and store", result) != 0) {
        result = -1;
    } else if (adit_mpi_committed(MPI_COMM_WORLD, store, &last, &failure) != 0) {
        result = tell(&failure);
    } else {
        if (last.world > 0)
            result = agree("going on", resume(folder, &last, p, loader));
        if (last.world > 0 && result == 0 && rank == 0)
            printf("going on after step %llu of %llu ranks\n", (unsigned long long)last.step,
                   (unsigned long long)last.world);
        if (result == 0)
            result = train(loader, store, p, &last, epochs, kill_at);
    }
    adit_store_close(store);
    adit_loader_close(loader);
    return result;
}

int main(int argc, char **argv)
{
    uint64_t kill_at = 0, seed = 20231;
    adit_record_reader *reader = NULL;
    adit_mpi_failure failure;
    char test_path[4096];
    static part p;
    int result, there = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world);
    if (argc > 2 && strcmp(argv[1], "-k") == 0) {
        kill_at = strtoull(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    const char *from = argc > 1 ? argv[1] : "tests/data/digits";
    const char *manifest = argc > 2 ? argv[2] : "digits.json";
    const char *folder = argc > 3 ? argv[3] : ".";
    const uint64_t epochs = argc > 4 ? strtoull(argv[4], NULL, 10) : 30;

    if (rank == 0) {
        adit_error *err = NULL;
        adit_status status = adit_record_reader_open(manifest, NULL, &reader, &err);
        there = status != ADIT_ERR_NOT_FOUND; /* any other failure is told below */
        adit_error_free(err);
        adit_record_reader_close(reader);
        reader = NULL;
    }
    MPI_Bcast(&there, 1, MPI_INT, 0, MPI_COMM_WORLD);
    result = make_path(test_path, sizeof test_path, manifest, "-test", 0, ".arec");
    if (result == 0 && !there)
        result = write_set(from, manifest, test_path);
    if (result == 0 && adit_mpi_open(MPI_COMM_WORLD, manifest, &reader, &seed, &failure) != 0)
        result = tell(&failure);
    if (result == 0 && adit_record_reader_len(reader) != TRAIN)
        result = refuse("%s has %llu records, not %d", manifest,
                        (unsigned long long)adit_record_reader_len(reader), TRAIN);
    if (result == 0)
        result = run(reader, seed, folder, epochs, kill_at, &p);
    if (result == 0 && rank == 0) {
        double accuracy = 0.0;
        result = recognise(test_path, &p.m, &accuracy);
        printf("test accuracy %.3f\n", accuracy);
        printf("weights %08x\n", (unsigned)adit_crc32c(0, &p.m, sizeof p.m));
    }
    adit_record_reader_close(reader);
    MPI_Finalize();
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
