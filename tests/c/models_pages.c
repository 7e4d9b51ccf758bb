/* Tensors' pages: fetched, counted, let go, locked, of a file that is cut, by many threads. */
#include "locked.h"
#include "models_floats.h"

#include <pthread.h>
#include <sys/resource.h>

static uint64_t resident(const adit_model *model, size_t index) {
    adit_residency found = ADIT_RESIDENCY_INIT;
    EXPECT_OK(adit_model_residency(model, &index, 1, &found, &err));
    CHECK(found.total_bytes >= found.resident_bytes);
    return found.resident_bytes;
}

static void pages(void) {
    adit_model *model = open_model(write_floats());
    const size_t a = find_tensor(model, "a"), d = find_tensor(model, "d"), e = find_tensor(model, "e");
    const size_t none[] = { 99 };
    adit_residency all = ADIT_RESIDENCY_INIT;
    uint64_t freed = 7;
    EXPECT_OK(adit_model_prefetch(model, NULL, ADIT_MODEL_ALL, &err));
    EXPECT_OK(adit_model_prefetch(model, &a, 1, &err));
    EXPECT_OK(adit_model_prefetch(model, none, ADIT_MODEL_ALL, &err));
    EXPECT_OK(adit_model_prefetch(model, none, 0, &err));
    EXPECT_OK(adit_model_prefetch(model, NULL, 0, &err));
    const float sum = touch(model, a);
    for (size_t index = 0; index < 5; index++) touch(model, index);
    EXPECT_OK(adit_model_residency(model, NULL, ADIT_MODEL_ALL, &all, &err));
    CHECK_EQ(all.total_bytes, 5 * PAGE);
    CHECK_EQ(all.resident_bytes, 5 * PAGE);
    CHECK_EQ(all.cached_bytes, 5 * PAGE);
    CHECK_EQ(resident(model, a), PAGE);
    /* An empty selection is none. */
    EXPECT_OK(adit_model_residency(model, NULL, 0, &all, &err));
    CHECK_EQ(all.total_bytes, 0);
    EXPECT_OK(adit_model_release(model, NULL, 0, ADIT_RELEASE_PAGE_CACHE, &freed, &err));
    CHECK_EQ(freed, 0);
    CHECK_EQ(resident(model, a), PAGE);
    /* Half a page is not let go. */
    EXPECT_OK(adit_model_release(model, &d, 1, 0, &freed, &err));
    CHECK_EQ(freed, 0);
    CHECK_EQ(resident(model, d), PAGE);
    const size_t halves[] = { e, d };
    EXPECT_OK(adit_model_release(model, halves, 2, 0, &freed, &err));
    CHECK_EQ(freed, PAGE);
    EXPECT_OK(adit_model_release(model, &a, 1, 0, &freed, &err));
    CHECK_EQ(freed, PAGE);
    CHECK_EQ(resident(model, a), 0);
    /* And comes back. */
    CHECK(touch(model, a) == sum);
    for (size_t index = 0; index < 5; index++) touch(model, index);
    EXPECT_OK(adit_model_release(model, NULL, ADIT_MODEL_ALL, 0, &freed, &err));
    CHECK_EQ(freed, 4 * PAGE);
    EXPECT_OK(adit_model_release(model, NULL, ADIT_MODEL_ALL, ADIT_RELEASE_PAGE_CACHE, NULL, &err));
    CHECK(touch(model, a) == sum);
    EXPECT_ERROR(adit_model_release(model, NULL, ADIT_MODEL_ALL, 2, &freed, &err), ADIT_ERR_UNSUPPORTED, "flags");
    CHECK_EQ(freed, 0);
    const size_t beyond[] = { a, 5 };
    EXPECT_ERROR(adit_model_release(model, beyond, 2, 0, &freed, &err), ADIT_ERR_OUT_OF_RANGE,
                 "has 5");
    CHECK_LAST_INDEX(5);
    EXPECT_ERROR(adit_model_prefetch(model, beyond, 2, &err), ADIT_ERR_OUT_OF_RANGE, "has 5");
    EXPECT_ERROR(adit_model_residency(model, beyond, 2, &all, &err), ADIT_ERR_OUT_OF_RANGE, "has 5");
    CHECK_EQ(all.total_bytes, 0);
    adit_model_close(model);
}

static void locks(void) {
    if (getenv("ADIT_TEST_VALGRIND") != NULL) return;
    adit_model *model = open_model(write_floats());
    const size_t a = find_tensor(model, "a"), d = find_tensor(model, "d"), e = find_tensor(model, "e");
    const size_t two[] = { d, e };
    uint64_t freed = 7;
    CHECK_EQ(locked_bytes(), 0);
    EXPECT_OK(adit_model_lock(model, &a, 1, &err));
    CHECK_EQ(locked_bytes(), PAGE);
    CHECK_EQ(resident(model, a), PAGE);
    EXPECT_OK(adit_model_release(model, &a, 1, 0, &freed, &err));
    CHECK_EQ(resident(model, a), PAGE);
    EXPECT_OK(adit_model_lock(model, two, 2, &err));
    CHECK_EQ(locked_bytes(), 2 * PAGE);
    EXPECT_OK(adit_model_unlock(model, &d, 1, &err));
    CHECK_EQ(locked_bytes(), 2 * PAGE);
    EXPECT_ERROR(adit_model_unlock(model, two, 2, &err), ADIT_ERR_INVALID_ARGUMENT, "'d'");
    CHECK_LAST_INDEX(d);
    CHECK_EQ(locked_bytes(), 2 * PAGE);
    EXPECT_OK(adit_model_unlock(model, &e, 1, &err));
    CHECK_EQ(locked_bytes(), PAGE);
    const size_t beyond[] = { a, 5 };
    EXPECT_ERROR(adit_model_lock(model, beyond, 2, &err), ADIT_ERR_OUT_OF_RANGE, "has 5");
    EXPECT_ERROR(adit_model_unlock(model, beyond, 2, &err), ADIT_ERR_OUT_OF_RANGE, "has 5");
    EXPECT_OK(adit_model_lock(model, NULL, 0, &err));
    CHECK_EQ(locked_bytes(), PAGE);
    EXPECT_OK(adit_model_unlock(model, NULL, 0, &err));
    CHECK_EQ(locked_bytes(), PAGE);
    /* All, twice. */
    EXPECT_OK(adit_model_lock(model, NULL, ADIT_MODEL_ALL, &err));
    CHECK_EQ(locked_bytes(), 4 * PAGE);
    EXPECT_OK(adit_model_unlock(model, NULL, ADIT_MODEL_ALL, &err));
    CHECK_EQ(locked_bytes(), PAGE);
    adit_model_close(model);
    CHECK_EQ(locked_bytes(), 0);
}

/* Under a limit, as somebody whom it holds for. */
static void limited(void) {
    if (getenv("ADIT_TEST_VALGRIND") != NULL) return;
    const char *path = write_floats();
    pid_t child = check_fork();
    if (child == 0) {
        const struct rlimit little = { 2 * PAGE, 2 * PAGE };
        adit_model *model = open_model(path);
        CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &little), 0);
        if (geteuid() == 0 && seteuid(65534) != 0) {
            check_skip("a limit on locked memory", "another user to be");
            child_ends();
        }
        err = NULL;
        const adit_status status = adit_model_lock(model, NULL, ADIT_MODEL_ALL, &err);
        CHECK(status == ADIT_ERR_OUT_OF_MEMORY || status == ADIT_ERR_PERMISSION);
        CHECK_IN(adit_error_message(err), "limit on locked memory");
        CHECK_STR(adit_error_path(err), path);
        adit_error_free(err);
        CHECK_EQ(locked_bytes(), 0);
        const size_t first[] = { 0, 1 };
        EXPECT_OK(adit_model_lock(model, first, 2, &err));
        CHECK_EQ(locked_bytes(), 2 * PAGE);
        adit_model_close(model);
        child_ends();
    }
    check_child(child);
}

/* A file that was cut: read, it is a status. */
static void cut(void) {
    const char *path = write_floats();
    adit_model *model = open_model(path);
    float out[1024];
    const size_t c = find_tensor(model, "c");
    EXPECT_OK(adit_model_read(model, c, NULL, out, sizeof out, NULL, &err));
    CHECK_INT(truncate(path, 3 * PAGE - 1), 0);
    EXPECT_ERROR(adit_model_read(model, c, NULL, out, sizeof out, NULL, &err), ADIT_ERR_TRUNCATED,
                 "floats.safetensors");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_model_read(model, c, NULL, out, sizeof out, NULL, &err), ADIT_ERR_TRUNCATED,
                 "cut while open");
    adit_model_close(model);
    adit_model *none = NULL;
    EXPECT_ERROR(adit_model_open(path, NULL, &none, &err), ADIT_ERR_MALFORMED, "incomplete");
    CHECK(none == NULL);
}

typedef struct work {
    const adit_model *model;
    size_t own;
    float sum;
} work;

/* One thread uses a tensor and lets it go, over and over, beside others. */
static void *work_on(void *given) {
    work *own = (work *)given;
    for (int turn = 0; turn < 200; turn++) {
        adit_model_read_options options = ADIT_MODEL_READ_OPTIONS_INIT;
        uint64_t freed = 0;
        size_t index = 99;
        double wide[1024];
        char name[2] = { (char)('a' + own->own), 0 };
        CHECK_INT(adit_model_find(own->model, name, &index, NULL), ADIT_OK);
        CHECK_EQ(index, own->own);
        CHECK(touch(own->model, index) == own->sum);
        CHECK_INT(adit_model_release(own->model, &index, 1, 0, &freed, NULL), ADIT_OK);
        CHECK_INT(adit_model_prefetch(own->model, &index, 1, NULL), ADIT_OK);
        options.dtype = ADIT_DTYPE_F64;
        CHECK_INT(adit_model_read(own->model, index, &options, wide, sizeof wide, NULL, NULL),
                  ADIT_OK);
        CHECK(wide[7] == (double)floats[1024 * own->own + 7]);
    }
    return NULL;
}

static void threads(void) {
    adit_model *model = open_model(write_floats());
    pthread_t ids[3];
    work works[3];
    for (size_t at = 0; at < 3; at++) {
        works[at].model = model;
        works[at].own = at;
        works[at].sum = touch(model, at);
        CHECK(pthread_create(&ids[at], NULL, work_on, &works[at]) == 0);
    }
    for (size_t at = 0; at < 3; at++) CHECK(pthread_join(ids[at], NULL) == 0);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    if (sysconf(_SC_PAGESIZE) != PAGE) {
        check_skip("pages of tensors", "pages of 4 KiB");
        return check_end();
    }
    pages();
    locks();
    limited();
    cut();
    threads();
    return check_end();
}
