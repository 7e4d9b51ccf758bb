/* Sets of shards: two writers of one, and single files beside them. */
#include "files.h"
#include "models.h"

enum { TENSORS = 3, BYTES = 4096, ROUNDS = 10 };

/* A writer that has only to finish: a set with a tensor in each file, or one file. */
static adit_model_writer *written(const char *path, bool is_set, unsigned char value) {
    unsigned char bytes[BYTES];
    const int64_t shape[] = { BYTES };
    adit_model_writer *writer = NULL;
    adit_model_writer_options options = ADIT_MODEL_WRITER_OPTIONS_INIT;
    options.shard_bytes = is_set ? BYTES : 0;
    memset(bytes, value, sizeof bytes);
    EXPECT_OK(adit_model_writer_create(path, &options, &writer, &err));
    for (int at = 0; at < TENSORS; at++) {
        const char name[] = { (char)('a' + at), 0 };
        EXPECT_OK(adit_model_writer_declare(writer, name, ADIT_DTYPE_U8, 1, shape, NULL, &err));
    }
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    CHECK_EQ(adit_model_writer_files(writer), is_set ? TENSORS : 1);
    for (size_t at = 0; at < TENSORS; at++) {
        EXPECT_OK(adit_model_writer_write(writer, at, 0, bytes, sizeof bytes, &err));
    }
    return writer;
}

static void finish(adit_model_writer *writer) {
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    adit_model_writer_close(writer);
}

/* The value that all bytes of the model have. */
static unsigned char read_value(const char *path) {
    adit_model *model = open_model(path);
    CHECK_EQ(adit_model_len(model), TENSORS);
    unsigned char value = 0;
    for (size_t at = 0; at < TENSORS; at++) {
        adit_tensor tensor;
        EXPECT_OK(adit_model_tensor(model, at, 4, &tensor, &err));
        const unsigned char *bytes = (const unsigned char *)tensor.data;
        if (at == 0) value = bytes[0];
        for (size_t byte = 0; byte < BYTES; byte++) CHECK_INT(bytes[byte], value);
    }
    adit_model_close(model);
    return value;
}

/* Two processes finish the same set at the same time: what stands there is of one of them. */
static void at_once(void) {
    const char *path = scratch_path("twice.safetensors");
    for (int round = 0; round < ROUNDS; round++) {
        int start[2];
        char byte;
        CHECK_INT(pipe(start), 0);
        pid_t child = check_fork();
        if (child == 0) {
            adit_model_writer *writer = written(path, true, 1);
            CHECK_INT(close(start[1]), 0);
            CHECK(read(start[0], &byte, 1) == 0);
            finish(writer);
            child_ends();
        }
        adit_model_writer *writer = written(path, true, 2);
        CHECK_INT(close(start[0]), 0);
        CHECK_INT(close(start[1]), 0);
        finish(writer);
        check_child(child);
        const unsigned char value = read_value(scratch_path("twice.safetensors.index.json"));
        CHECK(value == 1 || value == 2);
        CHECK_INT(count_names("twice", NULL, 0), TENSORS + 1);
    }
}

/* A lock file that was left behind is in nobody's way; what can't be one is. */
static void lock_files(void) {
    const char *path = scratch_path("locked.safetensors");
    const char *lock = scratch_path("locked.safetensors.adit-lock");
    const char *index = scratch_path("locked.safetensors.index.json");
    write_file(lock, "", 0);
    finish(written(path, true, 3));
    CHECK(!exists(lock));

    CHECK_INT(mkdir(lock, 0700), 0);
    adit_model_writer *writer = written(path, true, 4);
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_NOT_A_FILE, "open the lock file");
    CHECK_LAST_PATH(lock);
    CHECK_INT(last.os_code, EISDIR);
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_POISONED, "failed earlier");
    adit_model_writer_close(writer);
    CHECK_INT(rmdir(lock), 0);

    CHECK_INT(symlink("nowhere", lock), 0);
    writer = written(path, true, 5);
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_BUSY, "locked by somebody else");
    CHECK_LAST_PATH(lock);
    adit_model_writer_close(writer);
    CHECK_INT(unlink(lock), 0);
    CHECK_INT(read_value(index), 3);
    CHECK_INT(count_names("locked", NULL, 0), TENSORS + 1);
}

/* A file that comes to the set's own path would be read instead of it: the old set stays. One that
   is written there later leaves the set alone. */
static void single_files(void) {
    const char *path = scratch_path("single.safetensors");
    const char *index = scratch_path("single.safetensors.index.json");
    finish(written(path, true, 6));
    adit_model_writer *writer = written(path, true, 7);
    finish(written(path, false, 8));
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_EXISTS, "before the index");
    CHECK_LAST_PATH(path);
    adit_model_writer_close(writer);
    CHECK_INT(read_value(index), 6);
    CHECK_INT(read_value(path), 8);
    CHECK_INT(count_names("single", NULL, 0), TENSORS + 2);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    at_once();
    lock_files();
    single_files();
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    return check_end();
}
