/* Options of stores: structs with their size in the first field. */
#include "option_kinds.h"
#include "stores.h"

static void store_init(void *options, size_t size) {
    adit_store_options_init((adit_store_options *)options, size);
}

/* The default reserves 64 GiB, or what there is. */
static adit_status store_use(const void *options) {
    adit_store *store = NULL;
    const adit_store_options *own = (const adit_store_options *)options;
    adit_status status = adit_store_open(scratch_path("options.adit"), own, &store, &err);
    CHECK((status == ADIT_OK) == (store != NULL));
    adit_store_close(store);
    return status;
}

static adit_status salvage_use(const void *options) {
    const char *from = scratch_path("from.adit"), *to = scratch_path("to.adit");
    const adit_store_options *own = (const adit_store_options *)options;
    unlink(to);
    adit_status status = adit_store_salvage(from, to, own, NULL, NULL, NULL, &err);
    CHECK((status == ADIT_OK) == exists(to));
    return status;
}

static void iter_init(void *options, size_t size) {
    adit_store_iter_options_init((adit_store_iter_options *)options, size);
}

static adit_status iter_use(const void *options) {
    adit_store *store = open_store(scratch_path("from.adit"), ADIT_STORE_READ);
    adit_snapshot *snapshot = take(store);
    adit_snapshot_iter *iter = NULL;
    const adit_store_iter_options *own = (const adit_store_iter_options *)options;
    adit_status status = adit_snapshot_iter_new(snapshot, own, &iter, &err);
    CHECK((status == ADIT_OK) == (iter != NULL));
    adit_snapshot_iter_free(iter);
    adit_snapshot_close(snapshot);
    adit_store_close(store);
    return status;
}

static void verify_init(void *options, size_t size) {
    adit_store_verify_options_init((adit_store_verify_options *)options, size);
}

static adit_status verify_use(const void *options) {
    adit_store *store = open_store(scratch_path("from.adit"), ADIT_STORE_READ);
    const adit_store_verify_options *own = (const adit_store_verify_options *)options;
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
    adit_status status = adit_store_verify(store, own, NULL, NULL, &found, &err);
    CHECK((status == ADIT_OK) == (found.records == 2));
    CHECK_EQ(found.damages, 0);
    adit_store_close(store);
    return status;
}

static adit_status verify_file_use(const void *options) {
    const adit_store_verify_options *own = (const adit_store_verify_options *)options;
    adit_store_verification found = ADIT_STORE_VERIFICATION_INIT;
    adit_status status =
        adit_store_verify_file(scratch_path("from.adit"), own, NULL, NULL, &found, &err);
    CHECK((status == ADIT_OK) == (found.records == 2));
    return status;
}

static void options(void) {
    const adit_store_options store = ADIT_STORE_OPTIONS_INIT;
    const adit_store_iter_options iter = ADIT_STORE_ITER_OPTIONS_INIT;
    const adit_store_verify_options verify = ADIT_STORE_VERIFY_OPTIONS_INIT;
    const kind kinds[] = {
        { "store", sizeof store, &store, store_init, store_use, 64 },
        { "salvage", sizeof store, &store, store_init, salvage_use, 64 },
        { "iter", sizeof iter, &iter, iter_init, iter_use, 32 },
        { "verify", sizeof verify, &verify, verify_init, verify_use, 24 },
        { "verify file", sizeof verify, &verify, verify_init, verify_file_use, 24 },
    };
    CHECK_EQ(sizeof store, 96);
    CHECK_EQ(sizeof iter, 64);
    CHECK_EQ(sizeof verify, 56);
    check_kinds(kinds, sizeof kinds / sizeof kinds[0]);
}

/* Enumerators, flags and numbers. */
static void fields(void) {
    adit_store_options store = ADIT_STORE_OPTIONS_INIT;
    adit_store_iter_options iter = ADIT_STORE_ITER_OPTIONS_INIT;
    store.mode = 4;
    EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "options->mode is 4");
    store.mode = -1;
    EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "options->mode is -1");
    store.mode = 0;
    store.sync = 4;
    EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "options->sync is 4");
    store.sync = 0;
    store.check = 3;
    EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "options->check is 3");
    store.check = 0;
    store.access = 3;
    EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "options->access is 3");
    store.access = 0;
    for (uint32_t bit = 1; bit < 32; bit++) {
        store.flags = iter.flags = 1u << bit;
        EXPECT_ERROR(store_use(&store), ADIT_ERR_UNSUPPORTED, "options->flags");
        EXPECT_ERROR(iter_use(&iter), ADIT_ERR_UNSUPPORTED, "options->flags");
    }
    store.flags = ADIT_STORE_MERGE_THREAD;
    EXPECT_OK(store_use(&store));
    const uint32_t aligns[] = { 1, 32, 63, 65, 96, 8192, UINT32_MAX };
    for (size_t at = 0; at < sizeof aligns / sizeof aligns[0]; at++) {
        store.align = aligns[at];
        EXPECT_ERROR(store_use(&store), ADIT_ERR_INVALID_ARGUMENT, "no power of two from 64 to 4096");
    }
    store.align = 4096;
    /* More than there is, and less than is needed. */
    store.reservation = UINT64_MAX;
    store.expected_keys = UINT64_MAX;
    store.checkpoint_bytes = UINT64_MAX;
    EXPECT_OK(store_use(&store));
    store.reservation = store.expected_keys = store.index_memory = store.checkpoint_bytes = 1;
    EXPECT_OK(store_use(&store));
    iter.flags = ADIT_STORE_ITER_ALL;
    iter.order = ADIT_STORE_ORDER_LOG;
    EXPECT_OK(iter_use(&iter));
    iter.order = 2;
    EXPECT_ERROR(iter_use(&iter), ADIT_ERR_INVALID_ARGUMENT, "options->order is 2");
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adit_store *store = open_store(scratch_path("from.adit"), ADIT_STORE_NEW);
    put_text(store, "k", "v");
    adit_store_close(store);
    options();
    fields();
    return check_end();
}
