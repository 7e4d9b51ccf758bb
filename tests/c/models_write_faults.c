/* Models that can't be written: what is refused, a full disk, cut sources, forks. */
#include "files.h"
#include "models.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const int64_t four[] = { 4 };
static const float values[4] = { 1, 2, 3, 4 };

static adit_model_writer *create(const char *path) {
    adit_model_writer *writer = NULL;
    EXPECT_OK(adit_model_writer_create(path, NULL, &writer, &err));
    return writer;
}

static adit_model_writer *begun(const char *path) {
    adit_model_writer *writer = create(path);
    EXPECT_OK(adit_model_writer_declare(writer, "w", ADIT_DTYPE_F32, 1, four, NULL, &err));
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    return writer;
}

static void refused(void) {
    const char *path = scratch_path("refused.safetensors");
    const struct {
        const char *name;
        int32_t dtype, ndim;
        int64_t shape[2];
        int32_t status;
        const char *text;
        bool placed;
    } wrong[] = {
        { "w", ADIT_DTYPE_F32, 1, { 4, 0 }, ADIT_ERR_INVALID_ARGUMENT, "tensor 0 already", true },
        { "__metadata__", ADIT_DTYPE_F32, 1, { 4, 0 }, ADIT_ERR_INVALID_ARGUMENT, "metadata", true },
        { "\xff", ADIT_DTYPE_F32, 1, { 4, 0 }, ADIT_ERR_INVALID_ARGUMENT, "name is not UTF-8", false },
        { "x", ADIT_DTYPE_Q8_0, 1, { 32, 0 }, ADIT_ERR_DTYPE, "'x': safetensors", true },
        { "x", ADIT_DTYPE_COMPLEX128, 1, { 4, 0 }, ADIT_ERR_DTYPE, "no dtype complex128", true },
        { "x", ADIT_DTYPE_NONE, 1, { 4, 0 }, ADIT_ERR_DTYPE, "dtype: 0 is no dtype", false },
        { "x", 99, 1, { 4, 0 }, ADIT_ERR_DTYPE, "dtype: 99 is no dtype", false },
        { "x", ADIT_DTYPE_F32, -1, { 4, 0 }, ADIT_ERR_SHAPE, "ndim is -1", false },
        { "x", ADIT_DTYPE_F32, 2, { 4, -3 }, ADIT_ERR_SHAPE, "dimension 1 is -3", true },
        { "x", ADIT_DTYPE_F32, 2, { INT64_MAX, 3 }, ADIT_ERR_SHAPE, "more than memory", true },
        { "x", ADIT_DTYPE_F6_E3M2, 1, { 2, 0 }, ADIT_ERR_SHAPE, "whole byte", true },
    };
    adit_model_writer *writer = create(path);
    EXPECT_OK(adit_model_writer_declare(writer, "w", ADIT_DTYPE_F32, 1, four, NULL, &err));
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        size_t index = 77;
        EXPECT_ERROR(adit_model_writer_declare(writer, wrong[at].name, wrong[at].dtype,
                                               wrong[at].ndim, wrong[at].shape, &index, &err),
                     wrong[at].status, wrong[at].text);
        CHECK_EQ(index, 0);
        CHECK(last.has_index == wrong[at].placed && last.has_path == wrong[at].placed);
        if (wrong[at].placed) CHECK_LAST_INDEX(1);
        if (wrong[at].placed) CHECK_LAST_PATH(path);
        CHECK_EQ(adit_model_writer_count(writer), 1);
    }
    EXPECT_ERROR(adit_model_writer_set_metadata(writer, "\xc0", "v", &err),
                 ADIT_ERR_INVALID_ARGUMENT, "key is not UTF-8");
    EXPECT_ERROR(adit_model_writer_set_metadata(writer, "k", "\xc0", &err),
                 ADIT_ERR_INVALID_ARGUMENT, "value is not UTF-8");

    /* Before it begins. */
    size_t file = 77, alignment = 77;
    uint64_t offset = 77;
    EXPECT_ERROR(adit_model_writer_write(writer, 0, 0, values, 16, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "hasn't begun");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "hasn't begun");
    EXPECT_ERROR(adit_model_writer_location(writer, 0, &file, &offset, &alignment, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "hasn't begun");
    CHECK(file == 0 && offset == 0 && alignment == 0);
    CHECK_INT(count_names("refused", NULL, 0), 0);
    EXPECT_OK(adit_model_writer_begin(writer, &err));

    /* After it has. */
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "has begun");
    EXPECT_ERROR(adit_model_writer_declare(writer, "x", ADIT_DTYPE_F32, 1, four, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "has begun");
    EXPECT_ERROR(adit_model_writer_set_metadata(writer, "k", "v", &err), ADIT_ERR_INVALID_ARGUMENT,
                 "has begun");
    EXPECT_ERROR(adit_model_writer_location(writer, 1, &file, &offset, &alignment, &err),
                 ADIT_ERR_OUT_OF_RANGE, "tensor 1");
    CHECK_LAST_INDEX(1);
    EXPECT_ERROR(adit_model_writer_write(writer, 1, 0, values, 16, &err), ADIT_ERR_OUT_OF_RANGE,
                 "tensor 1");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(1);
    const uint64_t wide[][2] = { { 0, 17 }, { 16, 1 }, { 17, 0 }, { UINT64_MAX, 1 }, { 9, 8 } };
    for (size_t at = 0; at < 5; at++) {
        EXPECT_ERROR(adit_model_writer_write(writer, 0, wide[at][0], values, (size_t)wide[at][1],
                                             &err),
                     ADIT_ERR_OUT_OF_RANGE, "tensor 'w'");
        CHECK_LAST_PATH(path);
        CHECK_LAST_INDEX(0);
    }
    EXPECT_ERROR(adit_model_writer_write(writer, 0, 0, values, SIZE_MAX, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "bytes would have");
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, values, 16, &err));
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "has finished");
    EXPECT_ERROR(adit_model_writer_write(writer, 0, 0, values, 1, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "has finished");
    EXPECT_OK(adit_model_writer_location(writer, 0, NULL, &offset, NULL, &err));
    adit_model_writer_close(writer);
    adit_model *model = open_model(path);
    CHECK_EQ(tensor_info(model, 0).offset, offset);
    adit_model_close(model);
}

static void paths(void) {
    adit_model_writer *writer = (adit_model_writer *)(uintptr_t)16;
    EXPECT_ERROR(adit_model_writer_create("", NULL, &writer, &err), ADIT_ERR_INVALID_ARGUMENT, "path");
    CHECK(writer == NULL);
    EXPECT_ERROR(adit_model_writer_create(scratch_path("x/"), NULL, &writer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "folder");
    CHECK_LAST_PATH(scratch_path("x/"));

    /* What is in the way is told by begin, which can be tried again. */
    const char *path = scratch_path("later/m.safetensors");
    writer = create(path);
    EXPECT_OK(adit_model_writer_declare(writer, "w", ADIT_DTYPE_F32, 1, four, NULL, &err));
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_NOT_FOUND, "later/m.safetensors");
    CHECK_LAST_PATH(path);
    CHECK_INT(last.os_code, ENOENT);
    CHECK_INT(mkdir(scratch_path("later"), 0700), 0);
    CHECK_INT(mkdir(path, 0700), 0);
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_NOT_A_FILE, "a folder");
    CHECK_LAST_PATH(path);
    CHECK_INT(rmdir(path), 0);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, values, 16, &err));
    /* The folder goes away, with the temporary in it. */
    CHECK_INT(rename(scratch_path("later"), scratch_path("gone")), 0);
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_NOT_FOUND, "later/m.safetensors");
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_POISONED, "failed earlier");
    CHECK_LAST_PATH(path);
    adit_model_writer_close(writer);
}

/* The limit on a file's size stands in for a full disk. */
static void no_space(void) {
    const char *path = scratch_path("full.safetensors");
    const int64_t large[] = { 1 << 20 };
    struct rlimit limit, little;
    adit_model_writer *writer = begun(path);
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, values, 16, &err));
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    adit_model_writer_close(writer);

    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    little = limit;
    little.rlim_cur = 100;
    writer = create(path);
    EXPECT_OK(adit_model_writer_declare(writer, "x", ADIT_DTYPE_U8, 1, large, NULL, &err));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &little), 0);
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_NO_SPACE, "allocate space for");
    CHECK_INT(last.os_code, EFBIG);
    CHECK_IN(last.path, "full.safetensors");
    CHECK_INT(count_names("full", NULL, 0), 1);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &little), 0);
    EXPECT_ERROR(adit_model_writer_write(writer, 0, 1000, values, 16, &err), ADIT_ERR_NO_SPACE,
                 "full.safetensors");
    CHECK(last.has_offset && last.offset >= 1000);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    /* There is no second try. */
    EXPECT_ERROR(adit_model_writer_write(writer, 0, 1000, values, 16, &err), ADIT_ERR_POISONED,
                 "close the writer");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_POISONED, "");
    EXPECT_ERROR(adit_model_writer_declare(writer, "y", ADIT_DTYPE_U8, 1, four, NULL, &err),
                 ADIT_ERR_POISONED, "");
    EXPECT_ERROR(adit_model_writer_set_metadata(writer, "k", "v", &err), ADIT_ERR_POISONED, "");
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_POISONED, "");
    adit_model_writer_close(writer);
    CHECK_INT(count_names("full", NULL, 0), 1);
    adit_model *model = open_model(path);
    CHECK_EQ(tensor_info(model, find_tensor(model, "w")).nbytes, 16);
    adit_model_close(model);
}

/* Bytes that are mapped from a file that somebody cuts are an error, not a signal; the writer only
   misses them. */
static void cut_source(void) {
    const char *path = scratch_path("source");
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, (off_t)page), 0);
    void *bytes = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(bytes != MAP_FAILED);
    CHECK_INT(ftruncate(fd, 0), 0);
    const char *target = scratch_path("cut.safetensors");
    adit_model_writer *writer = begun(target);
    uint64_t offset = 0;
    EXPECT_OK(adit_model_writer_location(writer, 0, NULL, &offset, NULL, &err));
    for (int before = 0; before < 2; before++) {
        if (before) EXPECT_OK(adit_model_writer_write(writer, 0, 0, values, 16, &err));
        EXPECT_ERROR(adit_model_writer_write(writer, 0, 4, bytes, 8, &err), ADIT_ERR_IO,
                     "tensor 'w': the bytes given as its bytes 4 to 12 can't be read");
        CHECK_LAST_PATH(target);
        CHECK_LAST_INDEX(0);
        CHECK(last.has_offset && last.offset == offset + 4);
        CHECK_INT(last.os_code, EFAULT);
        EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_UNFINISHED,
                     before ? "bytes 4 to 12 of 16" : "bytes 0 to 16 of 16");
    }
    EXPECT_OK(adit_model_writer_write(writer, 0, 4, values + 1, 8, &err));
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    adit_model_writer_close(writer);
    adit_tensor tensor;
    adit_model *model = open_model(target);
    EXPECT_OK(adit_model_tensor(model, 0, 4, &tensor, &err));
    CHECK_BYTES(tensor.data, values, 16);
    adit_model_close(model);
    CHECK_INT(munmap(bytes, page), 0);
    CHECK_INT(close(fd), 0);
}

static void forks(void) {
    const char *path = scratch_path("parent.safetensors");
    adit_model_writer *writer = begun(path);
    pid_t child = check_fork();
    if (child == 0) {
        EXPECT_ERROR(adit_model_writer_write(writer, 0, 0, values, 16, &err), ADIT_ERR_FORKED,
                     "parent");
        EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_FORKED, "parent");
        /* Closed or not, the parent's temporary is left alone. */
        CHECK_INT(count_names("parent.safetensors.", NULL, 0), 1);
        adit_model_writer_close(writer);
        CHECK_INT(count_names("parent.safetensors.", NULL, 0), 1);
        CHECK(!exists(path));
        child_ends();
    }
    check_child(child);
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, values, 16, &err));
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    adit_model_writer_close(writer);
    adit_tensor tensor;
    adit_model *model = open_model(path);
    EXPECT_OK(adit_model_tensor(model, 0, 4, &tensor, &err));
    CHECK_BYTES(tensor.data, values, 16);
    adit_model_close(model);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    refused();
    paths();
    no_space();
    cut_source();
    forks();
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    return check_end();
}
