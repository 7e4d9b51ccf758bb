/*
 * Counts which token follows which in a set of documents larger than the memory it may use, with
 * several processes that can be killed at any time: the next run goes on from the last checkpoint
 * of all, also with another number of processes, and every document is counted once.
 *
 *     train_tokens [-m MiB] [-k step] <set.json> <folder for checkpoints> <processes>
 *
 * 1. Where there is no set yet, makes one of about so many MiB (16) in 8 shards: documents of 16 to
 *    2,048 tokens, each record one, a ragged field "tokens" of u16. What document n says is a
 *    function of n.
 * 2. Starts the processes. Each may have MEMORY MiB, opens the set and a loader of its own for its
 *    share, and gets batches of documents packed one behind the other, with their offsets.
 * 3. Every so many steps, about 64 times, each keeps what it has counted, and the loader's state, in
 *    a store of its own; when all have, the first one keeps which checkpoint counts.
 * 4. Adds up what all have counted, and compares it with what the documents are made of.
 *
 * With -k the last process kills itself after that step; the others are ended with it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <adit.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARDS = 8, TOKENS = 256, SHORTEST = 16, LONGEST = 2048, BATCH = 256 };

/* Memory that a process may have beside its program and what it has mapped of files: MiB. */
enum { MEMORY = 96 };

/* What was counted, of which documents: `used` has a byte for each. */
typedef struct counts {
    uint64_t step; /* done */
    uint64_t hashes; /* the sum of the documents' */
    uint64_t tokens;
    uint64_t state_len;
    unsigned char state[ADIT_LOADER_STATE_BYTES];
    uint64_t follows[TOKENS][TOKENS];
} counts;

/* Which checkpoint counts. */
typedef struct commit {
    uint64_t step, world; /* none where world is 0 */
} commit;

/* What the processes share. */
typedef struct shared {
    pthread_barrier_t barrier;
    uint64_t peaks[64]; /* KiB */
} shared;

static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "train_tokens: %s: %s: %s\n", doing, adit_status_name(status),
            adit_error_message(err));
    adit_error_free(err);
    return -1;
}

static int refuse(const char *why, const char *what)
{
    fprintf(stderr, "train_tokens: %s: %s\n", what, why);
    return -1;
}

/* Document `number`: gives its length. */
static size_t document(uint64_t number, uint16_t *tokens)
{
    uint64_t state = (number + 1) * 0x9E3779B97F4A7C15u;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
    const size_t len = SHORTEST + (size_t)((state >> 33) % (LONGEST - SHORTEST + 1));
    unsigned token = (unsigned)(state & (TOKENS - 1));
    for (size_t i = 0; i < len; i++) {
        tokens[i] = (uint16_t)token;
        state = state * 6364136223846793005u + 1442695040888963407u;
        token = (token * 5 + 1 + (unsigned)(state >> 60)) & (TOKENS - 1);
    }
    return len;
}

/* Counts a document. */
static int count(counts *c, uint64_t number, const uint16_t *tokens, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (tokens[i] >= TOKENS)
            return refuse("a token that there isn't", "counting");
    for (size_t i = 1; i < len; i++)
        c->follows[tokens[i - 1]][tokens[i]]++;
    c->tokens += len;
    c->hashes += adit_hash(tokens, len * sizeof *tokens, number);
    return 0;
}

/* Writes a set of about so many MiB. */
static int make_set(const char *manifest, uint64_t mib)
{
    const uint64_t bytes = mib << 20, documents = bytes / (SHORTEST + LONGEST + 32);
    const int64_t any = ADIT_DIM_ANY;
    static uint16_t tokens[LONGEST];
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_schema *schema = NULL;
    adit_record_writer *writer = NULL;
    adit_error *err = NULL;
    adit_status status = adit_record_schema_new(&schema, &err);

    if (status == ADIT_OK)
        status = adit_record_schema_add(schema, "tokens", ADIT_DTYPE_U16, 1, &any, &err);
    options.schema = schema;
    options.block_bytes = 64 << 10;
    /* What a file has beside its records is a sixteenth at most, and two blocks. */
    options.shard_bytes = bytes / SHARDS / 16 * 17 + 2 * options.block_bytes;
    if (status == ADIT_OK)
        status = adit_record_writer_create(manifest, &options, &writer, &err);
    for (uint64_t number = 0; number < documents && status == ADIT_OK; number++) {
        adit_tensor tensor;
        const int64_t len = (int64_t)document(number, tokens);
        status = adit_tensor_init(&tensor, tokens, ADIT_DTYPE_U16, 1, &len, &err);
        if (status == ADIT_OK)
            status = adit_record_writer_append(writer, &tensor, 1, &err);
    }
    if (status == ADIT_OK)
        status = adit_record_writer_finish(writer, &err);
    adit_record_writer_close(writer);
    adit_record_schema_free(schema);
    return status == ADIT_OK ? 0 : fail("making the set", status, err);
}

/* Opens the store of a process, for reading alone or also for writing. */
static adit_store *open_store(const char *folder, uint64_t of, int32_t mode)
{
    adit_store_options options = ADIT_STORE_OPTIONS_INIT;
    char path[4096];
    adit_store *store = NULL;
    adit_error *err = NULL;
    adit_status status;

    options.mode = mode;
    snprintf(path, sizeof path, "%s/process-%llu.adit", folder, (unsigned long long)of);
    status = adit_store_open(path, &options, &store, &err);
    if (status != ADIT_OK && mode == ADIT_STORE_READ && status == ADIT_ERR_NOT_FOUND)
        adit_error_free(err); /* nothing was kept yet */
    else if (status != ADIT_OK)
        fail(path, status, err);
    return store;
}

/* Copies out a value of `len` bytes: 1, 0 where there is none, -1 after a failure. */
static int get(const adit_store *store, const char *key, void *value, size_t len)
{
    adit_snapshot *snapshot = NULL;
    adit_error *err = NULL;
    const void *found = NULL;
    size_t found_len = 0;
    int result = -1;
    adit_status status = adit_store_snapshot(store, &snapshot, &err);

    if (status == ADIT_OK)
        status = adit_snapshot_get(snapshot, key, strlen(key), &found, &found_len, &err);
    if (status == ADIT_ERR_NOT_FOUND)
        result = 0;
    else if (status != ADIT_OK)
        fail("reading a checkpoint", status, err);
    else if (found_len != len)
        refuse("it has another length", key);
    else
        result = 1;
    if (result == 1)
        memcpy(value, found, len);
    adit_snapshot_close(snapshot);
    return result;
}

/* Which checkpoint counts. */
static int read_commit(const char *folder, commit *last)
{
    adit_store *store = open_store(folder, 0, ADIT_STORE_READ);
    int result = 0;
    memset(last, 0, sizeof *last);
    if (store != NULL)
        result = get(store, "commit", last, sizeof *last);
    adit_store_close(store);
    return result < 0 ? -1 : 0;
}

/* Adds what process `of` has kept to `sum` and `used`; `part` and `part_used` are room for it. */
static int add_part(const char *folder, uint64_t of, uint64_t step, counts *sum, uint8_t *used,
                    size_t documents, counts *part, uint8_t *part_used)
{
    char key[32];
    adit_store *store = open_store(folder, of, ADIT_STORE_READ);
    int result = -1;

    if (store == NULL)
        return refuse("it has kept nothing", "a process of the run before");
    snprintf(key, sizeof key, "counts %llu", (unsigned long long)step);
    if (get(store, key, part, sizeof *part) == 1) {
        snprintf(key, sizeof key, "used %llu", (unsigned long long)step);
        if (get(store, key, part_used, documents) == 1)
            result = 0;
    }
    adit_store_close(store);
    if (result != 0)
        return refuse("it hasn't kept its part", "a process of the run before");
    sum->hashes += part->hashes;
    sum->tokens += part->tokens;
    for (int a = 0; a < TOKENS; a++)
        for (int b = 0; b < TOKENS; b++)
            sum->follows[a][b] += part->follows[a][b];
    for (size_t i = 0; i < documents; i++)
        used[i] = (uint8_t)(used[i] + part_used[i]);
    sum->step = part->step;
    sum->state_len = part->state_len;
    memcpy(sum->state, part->state, sizeof sum->state);
    return 0;
}

/* Keeps a checkpoint; it counts once all processes have kept theirs. */
static int keep(shared *all, const adit_store *store, uint64_t rank, uint64_t world, counts *c,
                const uint8_t *used, size_t documents, const adit_loader *loader, uint64_t *last)
{
    const commit now = {c->step, world};
    char names[2][32], before[2][32];
    size_t len = 0;
    adit_store_batch *batch = NULL;
    adit_error *err = NULL;
    adit_status status = adit_loader_state_save(loader, c->state, sizeof c->state, &len, &err);

    c->state_len = len;
    snprintf(names[0], sizeof names[0], "counts %llu", (unsigned long long)c->step);
    snprintf(names[1], sizeof names[1], "used %llu", (unsigned long long)c->step);
    snprintf(before[0], sizeof before[0], "counts %llu", (unsigned long long)*last);
    snprintf(before[1], sizeof before[1], "used %llu", (unsigned long long)*last);
    if (status == ADIT_OK)
        status = adit_store_batch_new(&batch, &err);
    if (status == ADIT_OK)
        status = adit_store_batch_put(batch, names[0], strlen(names[0]), c, sizeof *c, &err);
    if (status == ADIT_OK)
        status = adit_store_batch_put(batch, names[1], strlen(names[1]), used, documents, &err);
    if (status == ADIT_OK)
        status = adit_store_write(store, batch, NULL, &err);
    adit_store_batch_free(batch);
    if (status != ADIT_OK)
        return fail("keeping a checkpoint", status, err);

    pthread_barrier_wait(&all->barrier);
    if (rank == 0) {
        status = adit_store_put(store, "commit", strlen("commit"), &now, sizeof now, NULL, &err);
        if (status != ADIT_OK)
            return fail("committing a checkpoint", status, err);
    }
    pthread_barrier_wait(&all->barrier);
    for (int i = 0; i < 2 && *last != c->step; i++) {
        status = adit_store_delete(store, before[i], strlen(before[i]), NULL, &err);
        if (status != ADIT_OK)
            return fail("forgetting a checkpoint", status, err);
    }
    *last = c->step;
    return 0;
}

/* Counts the documents of a batch. */
static int count_batch(counts *c, uint8_t *used, size_t documents, const adit_batch *batch)
{
    adit_batch_info info = ADIT_BATCH_INFO_INIT;
    adit_tensor tokens, offsets;
    const uint64_t *records = NULL;
    const uint64_t *starts;
    size_t n = 0, at_tokens = 0, at_offsets = 0;
    adit_error *err = NULL;
    adit_status status = adit_batch_get_info(batch, &info, &err);
    if (status == ADIT_OK)
        status = adit_batch_find(batch, "tokens", &at_tokens, &err);
    if (status == ADIT_OK)
        status = adit_batch_find(batch, "tokens.offsets", &at_offsets, &err);
    if (status == ADIT_OK)
        status = adit_batch_tensor(batch, at_tokens, &tokens, &err);
    if (status == ADIT_OK)
        status = adit_batch_tensor(batch, at_offsets, &offsets, &err);
    if (status == ADIT_OK)
        status = adit_batch_records(batch, &records, &n, &err);
    if (status != ADIT_OK)
        return fail("looking at a batch", status, err);
    if (tokens.dtype != ADIT_DTYPE_U16 || offsets.nbytes < (info.rows + 1) * sizeof *starts)
        return refuse("no documents", "the set");
    starts = (const uint64_t *)offsets.data; /* rows + 1 of them, in elements */
    for (uint64_t i = 0; i < info.valid; i++) {
        const uint16_t *first = (const uint16_t *)tokens.data + starts[i];
        if (records[i] >= documents)
            return refuse("a document that there isn't", "the set");
        used[records[i]]++;
        if (count(c, records[i], first, (size_t)(starts[i + 1] - starts[i])) != 0)
            return -1;
    }
    return 0;
}

/* One process: its share of the epoch, from the last checkpoint on. */
static int work(shared *all, const char *manifest, const char *folder, uint64_t rank,
                uint64_t world, uint64_t kill_at)
{
    const struct rlimit limit = {(rlim_t)MEMORY << 20, (rlim_t)MEMORY << 20};
    static counts c, room;
    adit_loader_options options = ADIT_LOADER_OPTIONS_INIT;
    adit_record_reader *reader = NULL;
    adit_loader *loader = NULL;
    adit_store *store = NULL;
    adit_error *err = NULL;
    adit_status status;
    uint8_t *used = NULL, *room_used = NULL;
    size_t documents = 0;
    struct rusage usage;
    commit before;
    uint64_t last = 0, every;
    int result = -1;

    if (setrlimit(RLIMIT_DATA, &limit) != 0) {
        refuse("no limit can be set", "memory");
        goto done;
    }
    status = adit_record_reader_open(manifest, NULL, &reader, &err);
    options.batch = BATCH;
    options.seed = 7;
    options.rank = (uint32_t)rank;
    options.world = (uint32_t)world;
    options.block = 64;
    options.window = 8;
    options.uneven = ADIT_UNEVEN_KEEP;
    options.cache = ADIT_CACHE_DROP;
    options.memory_budget = 24 << 20;
    if (status == ADIT_OK)
        status = adit_loader_open(reader, &options, &loader, &err);
    if (status != ADIT_OK) {
        fail("opening the set", status, err);
        goto done;
    }
    every = adit_loader_steps(loader) / 64 + 8;
    documents = (size_t)adit_record_reader_len(reader);
    used = (uint8_t *)calloc(documents, 1);
    room_used = (uint8_t *)calloc(documents, 1);
    if (used == NULL || room_used == NULL) {
        refuse("no memory", "documents");
        goto done;
    }
    if (read_commit(folder, &before) != 0)
        goto done;
    /* What processes counted that there are no more is taken over by those that there are. */
    for (uint64_t of = rank; of < before.world; of += world)
        if (add_part(folder, of, before.step, &c, used, documents, &room, room_used) != 0)
            goto done;
    if (before.world > 0 && rank >= before.world) { /* only to know where they were */
        if (add_part(folder, 0, before.step, &c, used, documents, &room, room_used) != 0)
            goto done;
        memset(used, 0, documents);
        memset(c.follows, 0, sizeof c.follows);
        c.hashes = c.tokens = 0;
    }
    last = c.step;
    if (before.world > 0) {
        status = adit_loader_state_load(loader, c.state, (size_t)c.state_len, &err);
        if (status != ADIT_OK) {
            fail("going to where the loader was", status, err);
            goto done;
        }
    }
    store = open_store(folder, rank, ADIT_STORE_CREATE);
    if (store == NULL)
        goto done;
    pthread_barrier_wait(&all->barrier); /* all have read what they take over */
    for (;;) {
        adit_batch *batch = NULL;
        int counted;
        status = adit_loader_next(loader, &batch, &err);
        if (status == ADIT_END)
            break;
        if (status != ADIT_OK) {
            fail("loading a batch", status, err);
            goto done;
        }
        counted = count_batch(&c, used, documents, batch);
        adit_batch_release(batch);
        if (counted != 0)
            goto done;
        c.step++;
        if (c.step == kill_at && rank == world - 1)
            raise(SIGKILL);
        if (c.step % every == 0
            && keep(all, store, rank, world, &c, used, documents, loader, &last) != 0)
            goto done;
    }
    result = keep(all, store, rank, world, &c, used, documents, loader, &last);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        all->peaks[rank] = (uint64_t)usage.ru_maxrss;
done:
    adit_store_close(store);
    adit_loader_close(loader);
    adit_record_reader_close(reader);
    free(used);
    free(room_used);
    return result;
}

/* Ends those that still run: they would wait for one that is gone at a barrier. */
static void end_all(const pid_t *children, uint64_t world)
{
    for (uint64_t rank = 0; rank < world; rank++)
        if (children[rank] > 0)
            kill(children[rank], SIGKILL);
}

/* Runs all processes; when one fails, the others are ended. */
static int run_all(shared *all, const char *manifest, const char *folder, uint64_t world,
                   uint64_t kill_at)
{
    pid_t children[64] = {0};
    int failed = 0;

    for (uint64_t rank = 0; rank < world; rank++) {
        children[rank] = fork();
        if (children[rank] == 0) /* nothing of adit was opened before: it can all be used */
            _exit(work(all, manifest, folder, rank, world, kill_at) == 0 ? 0 : 1);
        if (children[rank] < 0)
            failed = 1;
    }
    if (failed)
        end_all(children, world);
    for (uint64_t left = world; left > 0; left--) {
        int how = 0;
        const pid_t ended = wait(&how);
        if (ended < 0)
            break;
        for (uint64_t rank = 0; rank < world; rank++)
            if (children[rank] == ended)
                children[rank] = 0;
        if (how != 0)
            failed = 1;
        if (failed)
            end_all(children, world);
    }
    return failed ? -1 : 0;
}

/* Compares what all have counted with what the documents are made of. */
static int check(const char *manifest, const char *folder)
{
    static counts sum, expected, room;
    static uint16_t tokens[LONGEST];
    adit_record_reader *reader = NULL;
    adit_error *err = NULL;
    uint8_t *used = NULL, *room_used = NULL;
    size_t documents, shards;
    commit last;
    double bits = 0.0;
    int result = -1;
    adit_status status = adit_record_reader_open(manifest, NULL, &reader, &err);

    if (status != ADIT_OK)
        return fail("opening the set", status, err);
    documents = (size_t)adit_record_reader_len(reader);
    shards = adit_record_reader_shards(reader);
    adit_record_reader_close(reader);
    used = (uint8_t *)calloc(documents, 1);
    room_used = (uint8_t *)calloc(documents, 1);
    if (used == NULL || room_used == NULL) {
        refuse("no memory", "documents");
        goto done;
    }
    if (read_commit(folder, &last) != 0)
        goto done;
    for (uint64_t of = 0; of < last.world; of++)
        if (add_part(folder, of, last.step, &sum, used, documents, &room, room_used) != 0)
            goto done;
    for (size_t number = 0; number < documents; number++) {
        if (used[number] != 1) {
            fprintf(stderr, "train_tokens: document %zu was counted %d times\n", number,
                    used[number]);
            goto done;
        }
        if (count(&expected, number, tokens, document(number, tokens)) != 0)
            goto done;
    }
    if (sum.hashes != expected.hashes || sum.tokens != expected.tokens
        || memcmp(sum.follows, expected.follows, sizeof sum.follows) != 0) {
        refuse("what was counted isn't what they say", "documents");
        goto done;
    }
    for (int a = 0; a < TOKENS; a++) {
        uint64_t row = 0;
        for (int b = 0; b < TOKENS; b++)
            row += sum.follows[a][b];
        for (int b = 0; b < TOKENS; b++)
            if (sum.follows[a][b] > 0)
                bits -= (double)sum.follows[a][b] * log2((double)sum.follows[a][b] / (double)row);
    }
    printf("%zu documents in %zu shards, each once: %llu tokens, hashes %016llx, %.2f bits a token\n",
           documents, shards, (unsigned long long)sum.tokens, (unsigned long long)sum.hashes,
           bits / (double)(sum.tokens - documents));
    result = 0;
done:
    free(used);
    free(room_used);
    return result;
}

int main(int argc, char **argv)
{
    uint64_t mib = 16, kill_at = 0, world, peak = 0;
    pthread_barrierattr_t attributes;
    shared *all;
    commit before;

    for (; argc > 2 && argv[1][0] == '-'; argc -= 2, argv += 2) {
        if (strcmp(argv[1], "-m") == 0)
            mib = strtoull(argv[2], NULL, 10);
        else if (strcmp(argv[1], "-k") == 0)
            kill_at = strtoull(argv[2], NULL, 10);
        else
            break;
    }
    world = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (world < 1 || world > 64) {
        fprintf(stderr, "train_tokens [-m MiB] [-k step] <set.json> <folder> <processes: 1-64>\n");
        return 2;
    }
    all = (shared *)mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                         0);
    if (all == MAP_FAILED || pthread_barrierattr_init(&attributes) != 0
        || pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0
        || pthread_barrier_init(&all->barrier, &attributes, (unsigned)world) != 0) {
        refuse("none to be had", "shared memory");
        return EXIT_FAILURE;
    }
    if (access(argv[1], F_OK) != 0 && make_set(argv[1], mib) != 0)
        return EXIT_FAILURE;
    if (read_commit(argv[2], &before) != 0)
        return EXIT_FAILURE;
    if (before.world > 0)
        printf("going on after step %llu of %llu processes\n", (unsigned long long)before.step,
               (unsigned long long)before.world);
    fflush(stdout);
    if (run_all(all, argv[1], argv[2], world, kill_at) != 0 || check(argv[1], argv[2]) != 0)
        return EXIT_FAILURE;
    for (uint64_t rank = 0; rank < world; rank++)
        peak = all->peaks[rank] > peak ? all->peaks[rank] : peak;
    printf("at most %llu MiB of memory in one process\n", (unsigned long long)(peak + 1023) >> 10);
    return EXIT_SUCCESS;
}
