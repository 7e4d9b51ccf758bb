/* Arrays that are made, changed, saved and grown. */
#include "check.h"
#include "files.h"

static adit_array *open_in(const char *path, int32_t mode) {
    adit_array *array = NULL;
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    options.mode = mode;
    EXPECT_OK(adit_array_open(path, &options, &array, &err));
    return array;
}

static float *floats_of(adit_array *array, uint64_t wanted) {
    void *elements = NULL;
    uint64_t nbytes = 0;
    EXPECT_OK(adit_array_data_mut(array, &elements, &nbytes, &err));
    CHECK_EQ(nbytes, wanted * sizeof(float));
    return (float *)elements;
}

static void check_floats(const char *path, const float *wanted, uint64_t count) {
    adit_array *array = open_in(path, ADIT_ARRAY_READ);
    adit_tensor tensor;
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK_EQ(tensor.nbytes, count * sizeof(float));
    CHECK_BYTES(tensor.data, wanted, count * sizeof(float));
    adit_array_close(array);
}

/* Shape and strides of what was made, and that another handle sees what is written. */
static void made(void) {
    const char *path = scratch_path("made.npy");
    const int64_t shape[] = { 2, 3 };
    const float wanted[] = { 0, 1, 2, 3, 4, 5 };
    adit_array *array = NULL;
    adit_tensor tensor;
    EXPECT_OK(adit_array_create(path, ADIT_DTYPE_F32, 2, shape, NULL, &array, &err));
    adit_array_info info = ADIT_ARRAY_INFO_INIT;
    EXPECT_OK(adit_array_get_info(array, &info, &err));
    CHECK_INT(info.mode, ADIT_ARRAY_READ_WRITE);
    CHECK_INT(info.format, ADIT_ARRAY_FORMAT_NPY);
    CHECK_EQ(info.offset, 128);
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK_EQ(tensor.flags, ADIT_TENSOR_CONTIGUOUS);
    CHECK_INT(tensor.shape[1], 3);
    CHECK_INT(tensor.strides[0], 3);
    float *elements = floats_of(array, 6);
    CHECK(tensor.data == elements);
    adit_array *other = open_in(path, ADIT_ARRAY_READ);
    for (int at = 0; at < 6; at++) {
        CHECK(elements[at] == 0.0f);
        elements[at] = (float)at;
    }
    EXPECT_OK(adit_array_flush(array, 0, ADIT_TO_END, &err));
    EXPECT_OK(adit_array_flush(array, 4, 8, &err));
    EXPECT_OK(adit_array_flush(array, 24, 0, &err));
    EXPECT_ERROR(adit_array_flush(array, 4, 21, &err), ADIT_ERR_OUT_OF_RANGE, "bytes 4 to 4+21");
    CHECK_LAST_PATH(path);
    EXPECT_OK(adit_array_tensor(other, &tensor, &err));
    CHECK_BYTES(tensor.data, wanted, sizeof wanted);
    adit_array_close(array);
    CHECK_BYTES(tensor.data, wanted, sizeof wanted);
    adit_array_close(other);
    check_floats(path, wanted, 6);
    CHECK_INT(count_names("adit-tmp", NULL, 0), 0);

    /* Never over a file that is to stay. */
    adit_array_create_options options = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    options.flags = ADIT_ARRAY_CREATE_NO_REPLACE;
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 2, shape, &options, &array, &err),
                 ADIT_ERR_EXISTS, "exists already");
    CHECK(array == NULL);
    check_floats(path, wanted, 6);
}

static void refused(void) {
    adit_array *array = NULL;
    adit_array_create_options mmap = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    const int64_t shape[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const int64_t negative[] = { 3, -1 }, huge[] = { INT64_MAX, 2 }, block[] = { 256 };
    const char *path = scratch_path("refused.npy");
    mmap.format = ADIT_ARRAY_FORMAT_MMAP;
    EXPECT_ERROR(adit_array_create(path, 0, 1, shape, NULL, &array, &err), ADIT_ERR_DTYPE,
                 "0 is no dtype");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 9, shape, NULL, &array, &err),
                 ADIT_ERR_SHAPE, "9 dimensions");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, -1, shape, NULL, &array, &err),
                 ADIT_ERR_SHAPE, "-1 dimensions");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 2, negative, NULL, &array, &err),
                 ADIT_ERR_SHAPE, "dimension 1 is -1");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 2, huge, NULL, &array, &err),
                 ADIT_ERR_SHAPE, "more than memory can hold");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_Q8_0, 1, block, NULL, &array, &err),
                 ADIT_ERR_UNSUPPORTED, "q8_0");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_U8, 1, shape, &mmap, &array, &err),
                 ADIT_ERR_UNSUPPORTED, "MMAP has no dtype u8");
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 7, shape, &mmap, &array, &err),
                 ADIT_ERR_UNSUPPORTED, "7 dimensions");
    mmap.flags = ADIT_ARRAY_CREATE_FORTRAN_ORDER;
    EXPECT_ERROR(adit_array_create(path, ADIT_DTYPE_F32, 2, shape, &mmap, &array, &err),
                 ADIT_ERR_UNSUPPORTED, "Fortran");
    EXPECT_ERROR(adit_array_create(scratch_path("none/x.npy"), ADIT_DTYPE_F32, 1, shape, NULL,
                                   &array, &err),
                 ADIT_ERR_NOT_FOUND, "none/x.npy");
    CHECK(array == NULL && !exists(path));
}

typedef struct steps {
    int calls, cancel_at;
    uint64_t done, total;
} steps;

static steps cancelled_at(int call) {
    const steps own = { 0, call, 0, 0 };
    return own;
}

static int ADIT_CALL count(void *ctx, uint64_t done, uint64_t total) {
    steps *own = (steps *)ctx;
    CHECK(done >= own->done && done <= total);
    own->done = done;
    own->total = total;
    return ++own->calls == own->cancel_at;
}

/* A transposed tensor, in C and in Fortran order, in both formats. */
static void made_from(void) {
    const float rows[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    const float columns[] = { 1, 4, 2, 5, 3, 6 };
    const int64_t shape[] = { 3, 2 };
    const char *path = scratch_path("from.npy");
    adit_tensor tensor;
    adit_array *array = NULL;
    adit_array_create_options options = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    steps own = cancelled_at(0);
    EXPECT_OK(adit_tensor_init(&tensor, rows, ADIT_DTYPE_F32, 2, shape, &err));
    tensor.strides[0] = 1;
    tensor.strides[1] = 3;
    EXPECT_OK(adit_array_create_from(path, &tensor, NULL, count, &own, NULL, &err));
    CHECK(own.calls >= 2 && own.done == 24 && own.total == 24);
    check_floats(path, columns, 6);
    options.format = ADIT_ARRAY_FORMAT_MMAP;
    EXPECT_OK(adit_array_create_from(path, &tensor, &options, NULL, NULL, &array, &err));
    CHECK_BYTES(floats_of(array, 6), columns, sizeof columns);
    adit_array_close(array);
    check_floats(path, columns, 6);
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    CHECK_EQ(len, 64 + 24);
    CHECK_BYTES(bytes, "MMAP\1\1\2\0\6\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 32);
    free(bytes);
    options.format = ADIT_ARRAY_FORMAT_NPY;
    options.flags = ADIT_ARRAY_CREATE_FORTRAN_ORDER;
    EXPECT_OK(adit_array_create_from(path, &tensor, &options, NULL, NULL, &array, &err));
    CHECK_BYTES(floats_of(array, 6), rows, sizeof rows);
    adit_tensor lent;
    EXPECT_OK(adit_array_tensor(array, &lent, &err));
    CHECK_INT(lent.strides[0], 1);
    CHECK_INT(lent.strides[1], 3);
    CHECK_EQ(lent.flags, 0);
    adit_array_close(array);

    own = cancelled_at(1);
    array = (adit_array *)(uintptr_t)77;
    CHECK_INT(adit_array_create_from(scratch_path("no.npy"), &tensor, NULL, count, &own, &array,
                                     &err),
              ADIT_CANCELLED);
    CHECK(array == NULL && err == NULL && !exists(scratch_path("no.npy")));
    tensor.flags = ADIT_TENSOR_BIG_ENDIAN;
    EXPECT_ERROR(adit_array_create_from(path, &tensor, NULL, NULL, NULL, &array, &err),
                 ADIT_ERR_UNSUPPORTED, "big-endian");
}

/* One element changed in memory alone, then saved over the file that is still mapped. */
static void copy_on_write(void) {
    const char *path = scratch_path("cow.npy");
    const float before[] = { 1, 2, 3 }, after[] = { 1, 20, 3 };
    const int64_t shape[] = { 3 };
    adit_tensor tensor;
    EXPECT_OK(adit_tensor_init(&tensor, before, ADIT_DTYPE_F32, 1, shape, &err));
    EXPECT_OK(adit_array_create_from(path, &tensor, NULL, NULL, NULL, NULL, &err));
    adit_array *reader = open_in(path, ADIT_ARRAY_READ);
    adit_array *array = open_in(path, ADIT_ARRAY_COPY_ON_WRITE);
    float *elements = floats_of(array, 3);
    elements[1] = 20;
    check_floats(path, before, 3);
    EXPECT_ERROR(adit_array_flush(array, 0, ADIT_TO_END, &err), ADIT_ERR_READ_ONLY,
                 "copy-on-write");
    float copied[3];
    EXPECT_OK(adit_array_read(array, NULL, copied, sizeof copied, NULL, &err));
    CHECK_BYTES(copied, after, sizeof after);
    steps own = cancelled_at(2);
    CHECK_INT(adit_array_save_as(array, path, NULL, count, &own, &err), ADIT_CANCELLED);
    check_floats(path, before, 3);
    EXPECT_OK(adit_array_save_as(array, path, NULL, NULL, NULL, &err));
    check_floats(path, after, 3);
    /* Who has the old file goes on with it. */
    EXPECT_OK(adit_array_tensor(reader, &tensor, &err));
    CHECK_BYTES(tensor.data, before, sizeof before);
    CHECK_BYTES(elements, after, sizeof after);
    uint64_t freed = 77;
    EXPECT_OK(adit_array_release(array, 0, ADIT_TO_END, 0, &freed, &err));
    CHECK_EQ(freed, 0);
    CHECK_BYTES(elements, after, sizeof after);
    adit_array_create_options options = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    options.format = ADIT_ARRAY_FORMAT_MMAP;
    EXPECT_OK(adit_array_save_as(array, scratch_path("cow.mmap"), &options, NULL, NULL, &err));
    check_floats(scratch_path("cow.mmap"), after, 3);
    options.flags = ADIT_ARRAY_CREATE_NO_REPLACE;
    EXPECT_ERROR(adit_array_save_as(array, path, &options, NULL, NULL, &err), ADIT_ERR_EXISTS,
                 "cow.npy");
    adit_array_close(array);
    adit_array_close(reader);
}

static void read_only(void) {
    const char *path = data_path("npy/f4_c.npy");
    adit_array *array = open_in(path, ADIT_ARRAY_READ);
    void *elements = &array;
    uint64_t nbytes = 77;
    adit_tensor tensor;
    EXPECT_ERROR(adit_array_data_mut(array, &elements, &nbytes, &err), ADIT_ERR_READ_ONLY,
                 "open it read-write or copy-on-write");
    CHECK_LAST_PATH(path);
    CHECK(elements == NULL && nbytes == 0);
    EXPECT_ERROR(adit_array_flush(array, 0, 1, &err), ADIT_ERR_READ_ONLY, "open for reading");
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_READ_ONLY, "appended");
    EXPECT_OK(adit_array_advise(array, 0, ADIT_TO_END, ADIT_ADVICE_WILLNEED, &err));
    EXPECT_ERROR(adit_array_advise(array, 0, ADIT_TO_END, 5, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "advice is 5");
    EXPECT_OK(adit_array_prefetch(array, 0, 48, &err));
    EXPECT_ERROR(adit_array_prefetch(array, 0, 49, &err), ADIT_ERR_OUT_OF_RANGE, "has 48");
    EXPECT_ERROR(adit_array_release(array, 0, 1, 2, NULL, &err), ADIT_ERR_UNSUPPORTED, "flags");
    EXPECT_OK(adit_array_release(array, 0, ADIT_TO_END, ADIT_RELEASE_PAGE_CACHE, NULL, &err));
    adit_array_close(array);

    /* Modes that the file or its bytes don't allow. */
    adit_data_options read = ADIT_DATA_OPTIONS_INIT;
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    read.backend = ADIT_BACKEND_READ;
    options.data = &read;
    options.mode = ADIT_ARRAY_READ_WRITE;
    EXPECT_ERROR(adit_array_open(path, &options, &array, &err), ADIT_ERR_UNSUPPORTED,
                 "can't be opened for writing");
    CHECK(array == NULL);
    /* On the heap the bytes are a copy anyway. */
    options.mode = ADIT_ARRAY_COPY_ON_WRITE;
    EXPECT_OK(adit_array_open(path, &options, &array, &err));
    floats_of(array, 12)[0] = 99;
    adit_array_close(array);
}

static adit_tensor rows_of(const float *values, int64_t count, int64_t width) {
    adit_tensor tensor;
    const int64_t shape[] = { count, width };
    EXPECT_OK(adit_tensor_init(&tensor, values, ADIT_DTYPE_F32, 2, shape, &err));
    return tensor;
}

/* Pointers stay, rows come, and one handle at a time appends. */
static void appended(void) {
    const char *path = scratch_path("grow.npy");
    float values[240];
    const int64_t shape[] = { 0, 2 };
    adit_array *array = NULL;
    adit_tensor tensor, old;
    for (int at = 0; at < 240; at++) values[at] = (float)at;
    EXPECT_OK(adit_array_create(path, ADIT_DTYPE_F32, 2, shape, NULL, &array, &err));
    tensor = rows_of(values, 1, 2);
    EXPECT_OK(adit_array_append_rows(array, &tensor, &err));
    EXPECT_OK(adit_array_tensor(array, &old, &err));
    for (int row = 1; row < 119; row += 2) {
        tensor = rows_of(values + 2 * row, 2, 2);
        EXPECT_OK(adit_array_append_rows(array, &tensor, &err));
        check_floats(path, values, 2 * (uint64_t)(row + 2));
    }
    CHECK_BYTES(old.data, values, 8);
    CHECK_INT(old.shape[0], 1);
    EXPECT_OK(adit_array_tensor(array, &tensor, &err));
    CHECK_INT(tensor.shape[0], 119);
    CHECK_BYTES(tensor.data, values, 119 * 8);
    CHECK_BYTES(floats_of(array, 238), values, 119 * 8);
    tensor = rows_of(values, 0, 2);
    EXPECT_OK(adit_array_append_rows(array, &tensor, &err));

    tensor = rows_of(values, 2, 3);
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_SHAPE, "[2, 3]");
    CHECK_LAST_PATH(path);
    tensor = rows_of(values, 2, 2);
    tensor.dtype = ADIT_DTYPE_I32;
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_DTYPE, "not i32");
    tensor.dtype = ADIT_DTYPE_F32;
    tensor.ndim = 1;
    tensor.shape[1] = tensor.strides[1] = 0;
    tensor.strides[0] = 1;
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_SHAPE, "[2]");

    adit_array *other = open_in(path, ADIT_ARRAY_READ_WRITE);
    tensor = rows_of(values, 1, 2);
    EXPECT_ERROR(adit_array_append_rows(other, &tensor, &err), ADIT_ERR_BUSY, "locked");
    adit_array_close(array);
    EXPECT_OK(adit_array_append_rows(other, &tensor, &err));
    adit_array_close(other);

    /* What lies behind the elements is somebody's. */
    FILE *file = fopen(path, "ab");
    CHECK(file != NULL && fwrite("tail", 1, 4, file) == 4 && fclose(file) == 0);
    array = open_in(path, ADIT_ARRAY_READ_WRITE);
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_UNFINISHED,
                 "4 bytes after its 120 rows");
    CHECK_LAST_OFFSET(128 + 960);
    adit_array_close(array);
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    options.mode = ADIT_ARRAY_READ_WRITE;
    options.flags = ADIT_ARRAY_OVERWRITE_TRAILING;
    EXPECT_OK(adit_array_open(path, &options, &array, &err));
    EXPECT_OK(adit_array_append_rows(array, &tensor, &err));
    EXPECT_OK(adit_array_tensor(array, &old, &err));
    CHECK_INT(old.shape[0], 121);
    CHECK_BYTES((const char *)old.data + 960, values, 8);

    /* Rows in a file that has no name any more would be lost. */
    CHECK(rename(path, scratch_path("elsewhere.npy")) == 0);
    EXPECT_ERROR(adit_array_append_rows(array, &tensor, &err), ADIT_ERR_BUSY, "moved or removed");
    CHECK_BYTES((const char *)old.data + 960, values, 8);
    adit_array_close(array);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    made();
    refused();
    made_from();
    copy_on_write();
    read_only();
    appended();
    CHECK_INT(count_names("adit-tmp", NULL, 0), 0);
    return check_end();
}
