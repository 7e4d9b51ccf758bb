/* Handles that a child inherits: what can be read can be read, what writes is the parent's. */
#include "check.h"
#include "files.h"
#include "locked.h"

#include <pthread.h>

static const float value = 4.5f;
static adit_tensor pair[2];

static void the_writer(void) {
    const char *path = scratch_path("parent.rrec");
    char name[256];
    for (int closes = 0; closes < 2; closes++) {
        adit_record_writer *writer = NULL;
        adit_record_reader *reader = NULL;
        adit_tensor tensors[2];
        EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        pid_t child = check_fork();
        if (child == 0) {
            EXPECT_ERROR(adit_record_writer_append(writer, pair, 2, &err), ADIT_ERR_FORKED, "parent");
            EXPECT_ERROR(adit_record_writer_append_batch(writer, pair, 2, &err), ADIT_ERR_FORKED,
                         "parent");
            EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_FORKED, "parent");
            /* Closed or not, the parent's temporary is left alone. */
            if (closes) adit_record_writer_close(writer);
            CHECK_INT(count_names(".adit-tmp", name, sizeof name), 1);
            CHECK(!exists(path));
            child_ends();
        }
        check_child(child);
        CHECK_INT(count_names(".adit-tmp", name, sizeof name), 1);
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        EXPECT_OK(adit_record_writer_finish(writer, &err));
        adit_record_writer_close(writer);
        EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
        CHECK_EQ(adit_record_reader_len(reader), 2);
        EXPECT_OK(adit_record_reader_get(reader, 1, tensors, 2, &err));
        CHECK_BYTES(tensors[1].data, &value, 4);
        adit_record_reader_close(reader);
        CHECK_INT(remove(path), 0);
        CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    }
}

/* Children that write to one path at once have temporaries of their own. */
static void children_write(void) {
    const char *path = scratch_path("children.rrec");
    adit_record_writer *first = NULL;
    /* So that what names are made from is there before the fork. */
    EXPECT_OK(adit_record_writer_create(path, NULL, &first, &err));
    adit_record_writer_close(first);
    pid_t children[8];
    for (int at = 0; at < 8; at++) {
        children[at] = check_fork();
        if (children[at] == 0) {
            adit_record_writer *writer = NULL;
            EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
            EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
            EXPECT_OK(adit_record_writer_finish(writer, &err));
            adit_record_writer_close(writer);
            child_ends();
        }
    }
    for (int at = 0; at < 8; at++) check_child(children[at]);
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    CHECK_EQ(adit_record_reader_len(reader), 1);
    adit_record_reader_close(reader);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
}

static void read_all(const adit_data *data, const adit_record_reader *reader,
                     const adit_array *array) {
    adit_tensor tensors[2];
    float targets[8];
    char bytes[16];
    const uint64_t indices[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
    for (uint64_t index = 0; index < 8; index++) {
        EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
        CHECK(*(const float *)tensors[1].data == (float)index);
    }
    for (options.io = 0; options.io <= ADIT_IO_READ; options.io++) {
        EXPECT_OK(adit_record_reader_gather(reader, 1, indices, 8, targets, sizeof targets, &options,
                                            NULL, &err));
        for (int at = 0; at < 8; at++) CHECK(targets[at] == (float)at);
    }
    EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, NULL, &err));
    EXPECT_OK(adit_data_read(data, 0, sizeof bytes, bytes, &err));
    CHECK_BYTES(bytes, adit_data_bytes(data), sizeof bytes);
    EXPECT_OK(adit_data_status(data, &err));
    EXPECT_OK(adit_array_tensor(array, &tensors[0], &err));
    CHECK_EQ(tensors[0].nbytes, 48);
}

static void the_reader(void) {
    adit_data *data = NULL;
    adit_record_reader *reader = NULL;
    adit_array *array = NULL;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    for (int closes = 0; closes < 2; closes++) {
        pid_t child = check_fork();
        if (child == 0) {
            read_all(data, reader, array);
            adit_array_close(array);
            adit_record_reader_close(reader);
            adit_data_close(data);
            child_ends();
        }
        check_child(child);
        read_all(data, reader, array);
    }
    adit_array_close(array);
    adit_record_reader_close(reader);
    adit_data_close(data);
}

/* A child writes a file of its own, and leaves errors to itself. */
static void own_work(void) {
    const char *path = scratch_path("child.rrec");
    adit_error *inherited = NULL;
    adit_data *data = NULL;
    CHECK_INT(adit_data_open(scratch_path("none"), NULL, &data, &inherited), ADIT_ERR_NOT_FOUND);
    pid_t child = check_fork();
    if (child == 0) {
        adit_record_writer *writer = NULL;
        CHECK_IN(adit_error_message(inherited), "none");
        EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        EXPECT_OK(adit_record_writer_finish(writer, &err));
        adit_record_writer_close(writer);
        adit_error_free(inherited);
        child_ends();
    }
    check_child(child);
    adit_error_free(inherited);
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    CHECK_EQ(adit_record_reader_len(reader), 1);
    adit_record_reader_close(reader);
}

/* What a child can do with a model of which the parent has locked all. */
static void the_model(void) {
    if (getenv("ADIT_TEST_VALGRIND") != NULL) return;
    adit_model *model = NULL;
    uint64_t freed = 7;
    EXPECT_OK(adit_model_open(data_path("gguf/align_64.gguf"), NULL, &model, &err));
    CHECK_EQ(adit_model_len(model), 6);
    if (adit_model_lock(model, NULL, ADIT_MODEL_ALL, NULL) != ADIT_OK) {
        check_skip("forks of a locked model", "a limit on locked memory of a page or more");
        adit_model_close(model);
        return;
    }
    const uint64_t held = locked_bytes();
    CHECK(held > 0);
    for (int closes = 0; closes < 2; closes++) {
        pid_t child = check_fork();
        if (child == 0) {
            adit_tensor tensor;
            int32_t read[5];
            CHECK_EQ(locked_bytes(), 0);
            EXPECT_OK(adit_model_tensor(model, 4, 0, &tensor, &err));
            EXPECT_OK(adit_model_read(model, 4, NULL, read, sizeof read, NULL, &err));
            CHECK_BYTES(tensor.data, read, sizeof read);
            EXPECT_OK(adit_model_prefetch(model, NULL, ADIT_MODEL_ALL, &err));
            EXPECT_OK(adit_model_release(model, NULL, ADIT_MODEL_ALL, 0, &freed, &err));
            EXPECT_ERROR(adit_model_lock(model, NULL, 0, &err), ADIT_ERR_FORKED, "align_64.gguf");
            EXPECT_ERROR(adit_model_unlock(model, NULL, ADIT_MODEL_ALL, &err), ADIT_ERR_FORKED,
                         "parent");
            EXPECT_OK(adit_model_read(model, 4, NULL, read, sizeof read, NULL, &err));
            CHECK_BYTES(tensor.data, read, sizeof read);
            if (closes) adit_model_close(model);
            child_ends();
        }
        check_child(child);
        CHECK_EQ(locked_bytes(), held);
    }
    EXPECT_OK(adit_model_unlock(model, NULL, ADIT_MODEL_ALL, &err));
    CHECK_EQ(locked_bytes(), 0);
    adit_model_close(model);
}

static volatile int stopped;

/* Locks and lets go, over and over, so that most forks find it at that. */
static void *lock_on(void *given) {
    const adit_model *model = (const adit_model *)given;
    while (!stopped) {
        CHECK_INT(adit_model_lock(model, NULL, ADIT_MODEL_ALL, NULL), ADIT_OK);
        CHECK_INT(adit_model_release(model, NULL, ADIT_MODEL_ALL, 0, NULL, NULL), ADIT_OK);
        CHECK_INT(adit_model_unlock(model, NULL, ADIT_MODEL_ALL, NULL), ADIT_OK);
    }
    return NULL;
}

/* A child waits for none of its parent's threads. */
static void amid_locks(void) {
    if (getenv("ADIT_TEST_VALGRIND") != NULL) return;
    adit_model *model = NULL;
    pthread_t threads[2];
    EXPECT_OK(adit_model_open(data_path("gguf/align_64.gguf"), NULL, &model, &err));
    if (adit_model_lock(model, NULL, ADIT_MODEL_ALL, NULL) != ADIT_OK) {
        check_skip("forks amid locks", "a limit on locked memory of a page or more");
        adit_model_close(model);
        return;
    }
    for (int at = 0; at < 2; at++)
        CHECK(pthread_create(&threads[at], NULL, lock_on, model) == 0);
    for (int turn = 0; turn < 200; turn++) {
        pid_t child = check_fork();
        if (child == 0) {
            alarm(60);
            CHECK_INT(adit_model_release(model, NULL, ADIT_MODEL_ALL, 0, NULL, NULL), ADIT_OK);
            CHECK_INT(adit_model_lock(model, NULL, ADIT_MODEL_ALL, NULL), ADIT_ERR_FORKED);
            adit_model_close(model);
            child_ends();
        }
        check_child(child);
    }
    stopped = 1;
    for (int at = 0; at < 2; at++) CHECK(pthread_join(threads[at], NULL) == 0);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const int64_t shape[] = { 1 };
    for (int at = 0; at < 2; at++)
        EXPECT_OK(adit_tensor_init(&pair[at], &value, ADIT_DTYPE_F32, 1, shape, &err));
    the_writer();
    children_write();
    the_reader();
    own_work();
    the_model();
    amid_locks();
    return check_end();
}
