/* Array files, by what their makers wrote down of them, and the damaged ones. */
#include "check.h"
#include "npy_fixtures.h"
#include "sha256.h"

#define NOWHERE UINT64_MAX

static adit_array_info info_of(const adit_array *array) {
    adit_array_info info = ADIT_ARRAY_INFO_INIT;
    EXPECT_OK(adit_array_get_info(array, &info, &err));
    CHECK_EQ(info.struct_size, sizeof info);
    return info;
}

/* The hash of all elements in C order, walked by their strides. */
static const char *hash_in_c_order(const adit_tensor *tensor) {
    sha256 hash = sha256_new();
    const uint32_t size = adit_dtype_block_bytes(tensor->dtype);
    int64_t at[8] = { 0 };
    uint64_t elements = tensor->nbytes / size;
    for (uint64_t element = 0; element < elements; element++) {
        int64_t from = 0;
        for (int axis = 0; axis < tensor->ndim; axis++) from += at[axis] * tensor->strides[axis];
        sha256_add(&hash, (const char *)tensor->data + from * (int64_t)size, size);
        for (int axis = tensor->ndim - 1; axis >= 0; axis--) {
            if (++at[axis] < tensor->shape[axis]) break;
            at[axis] = 0;
        }
    }
    return sha256_end(&hash);
}

static void check_array(const struct npy_file *file, const adit_array *array) {
    const adit_array_info info = info_of(array);
    int64_t dims[8];
    size_t ndim = 77;
    uint64_t elements = 1;
    adit_tensor tensor;
    adit_data *data = NULL;
    for (int axis = 0; axis < file->ndim; axis++) elements *= (uint64_t)file->shape[axis];
    CHECK_INT(info.format, ADIT_ARRAY_FORMAT_NPY);
    CHECK_INT(info.dtype, file->dtype);
    CHECK_EQ(info.ndim, file->ndim);
    CHECK_EQ(info.nbytes, elements * adit_dtype_block_bytes(file->dtype));
    CHECK_EQ(info.flags, (file->big_endian ? ADIT_TENSOR_BIG_ENDIAN : 0) |
                             (file->fortran_order ? 0 : ADIT_TENSOR_CONTIGUOUS));
    EXPECT_OK(adit_array_shape(array, dims, 8, &ndim, &err));
    CHECK_EQ(ndim, file->ndim);
    for (size_t axis = 0; axis < ndim; axis++) CHECK_INT(dims[axis], file->shape[axis]);
    EXPECT_OK(adit_array_data(array, &data, &err));
    CHECK(info.offset + info.nbytes <= adit_data_len(data));
    const unsigned char *elements_at = (const unsigned char *)adit_data_bytes(data) + info.offset;

    memset(&tensor, 0xa5, sizeof tensor);
    /* Complex numbers are as aligned as their parts. */
    bool is_complex = file->dtype == ADIT_DTYPE_COMPLEX64 || file->dtype == ADIT_DTYPE_COMPLEX128;
    uint32_t align = adit_dtype_block_bytes(file->dtype) / (is_complex ? 2 : 1);
    bool aligned = (uintptr_t)elements_at % align == 0 || info.nbytes == 0;
    if (file->big_endian) {
        EXPECT_ERROR(adit_array_tensor(array, &tensor, &err), ADIT_ERR_UNSUPPORTED, "big-endian");
        CHECK(tensor.data == NULL && tensor.ndim == 0);
        /* The bytes can be had all the same. */
        CHECK_STR(sha256_of(elements_at, info.nbytes), file->sha256);
    } else if (!aligned) {
        EXPECT_ERROR(adit_array_tensor(array, &tensor, &err), ADIT_ERR_MISALIGNED, "copy them out");
        CHECK_LAST_OFFSET(info.offset);
        CHECK(tensor.data == NULL && tensor.ndim == 0);
        if (!file->fortran_order) CHECK_STR(sha256_of(elements_at, info.nbytes), file->sha256);
    } else {
        EXPECT_OK(adit_array_tensor(array, &tensor, &err));
        CHECK_INT(tensor.dtype, file->dtype);
        CHECK_INT(tensor.ndim, file->ndim);
        CHECK_EQ(tensor.nbytes, info.nbytes);
        CHECK(tensor.data == (info.nbytes > 0 ? elements_at : NULL));
        int64_t step = 1;
        for (int at = 0; at < 8; at++) {
            int axis = file->fortran_order ? at : 7 - at;
            bool own = axis < file->ndim;
            CHECK_INT(tensor.shape[axis], own ? file->shape[axis] : 0);
            CHECK_INT(tensor.strides[axis], own ? step : 0);
            if (own && file->shape[axis] > 0) step *= file->shape[axis];
        }
        CHECK_EQ(tensor.flags, ADIT_TENSOR_READ_ONLY |
                                   (file->fortran_order ? 0 : ADIT_TENSOR_CONTIGUOUS));
        CHECK_EQ(tensor.reserved0, 0);
        CHECK_STR(hash_in_c_order(&tensor), file->sha256);
    }
    adit_data_close(data);
}

static void sound_files(void) {
    for (size_t at = 0; at < sizeof npy_files / sizeof npy_files[0]; at++) {
        const struct npy_file *file = &npy_files[at];
        const char *path = data_path(file->name);
        adit_array *array = NULL;
        adit_data *data = NULL;
        adit_data_options read = ADIT_DATA_OPTIONS_INIT;
        adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
        EXPECT_OK(adit_array_open(path, NULL, &array, &err));
        check_array(file, array);
        EXPECT_OK(adit_array_data(array, &data, &err));
        CHECK(adit_data_is_mapped(data));
        CHECK_STR(adit_data_path(data), path);
        adit_data_close(data);
        adit_array_close(array);

        read.backend = ADIT_BACKEND_READ;
        options.data = &read;
        EXPECT_OK(adit_array_open(path, &options, &array, &err));
        check_array(file, array);
        adit_array_close(array);

        /* From memory, at every alignment. */
        size_t len = 0;
        unsigned char *bytes = read_file(path, &len);
        unsigned char *room = (unsigned char *)malloc(len + 16);
        CHECK(room != NULL);
        for (size_t offset = 0; offset < 16; offset++) {
            memcpy(room + offset, bytes, len);
            EXPECT_OK(adit_data_from_bytes(room + offset, len, ADIT_BYTES_BORROW, NULL, NULL, &data,
                                           &err));
            EXPECT_OK(adit_array_from_data(data, NULL, &array, &err));
            adit_data_close(data);
            check_array(file, array);
            adit_array_close(array);
        }
        free(room);
        free(bytes);
    }
}

/* Files that don't open, and the byte that is named. */
static const struct {
    const char *name;
    int32_t status;
    uint64_t offset;
    const char *text;
} bad[] = {
    { "npy/bad_extra_key.npy", ADIT_ERR_MALFORMED, NOWHERE, "unknown key" },
    { "npy/bad_header_len_past_eof.npy", ADIT_ERR_MALFORMED, 8, "incomplete" },
    { "npy/bad_header_len_short.npy", ADIT_ERR_MALFORMED, NOWHERE, "" },
    { "npy/bad_magic.npy", ADIT_ERR_WRONG_FORMAT, 0, "NUMPX" },
    { "npy/bad_missing_shape.npy", ADIT_ERR_MALFORMED, 10, "no key 'shape'" },
    { "npy/bad_negative_dim.npy", ADIT_ERR_MALFORMED, NOWHERE, "negative dimension" },
    { "npy/bad_not_literal.npy", ADIT_ERR_MALFORMED, NOWHERE, "" },
    { "npy/bad_object.npy", ADIT_ERR_UNSUPPORTED, NOWHERE, "Python objects" },
    { "npy/bad_shape_overflow.npy", ADIT_ERR_MALFORMED, NOWHERE, "more than memory can hold" },
    { "npy/bad_truncated_data.npy", ADIT_ERR_MALFORMED, 128, "incomplete" },
    { "npy/bad_truncated_header.npy", ADIT_ERR_MALFORMED, 8, "incomplete" },
    { "npy/bad_version_9.npy", ADIT_ERR_UNSUPPORTED, 6, "version 9.0" },
    { "npy/datetime64.npy", ADIT_ERR_UNSUPPORTED, NOWHERE, "dates or times" },
    { "npy/strings_U5.npy", ADIT_ERR_UNSUPPORTED, NOWHERE, "strings" },
    { "npy/structured_v1.npy", ADIT_ERR_UNSUPPORTED, NOWHERE, "structured" },
    { "npy/structured_v3_utf8.npy", ADIT_ERR_UNSUPPORTED, NOWHERE, "structured" },
    { "rrec/basic_3x4.rrec", ADIT_ERR_WRONG_FORMAT, 0, "RREC" },
    { "rrec/bad_zero_bytes.rrec", ADIT_ERR_WRONG_FORMAT, 0, "empty" },
};

static void bad_files(void) {
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        const char *path = data_path(bad[at].name);
        adit_array *array = (adit_array *)(uintptr_t)16;
        adit_data *data = NULL;
        size_t len = 0;
        EXPECT_ERROR(adit_array_open(path, NULL, &array, &err), bad[at].status, bad[at].text);
        CHECK(array == NULL);
        CHECK_LAST_PATH(path);
        CHECK(last.has_offset);
        if (bad[at].offset != NOWHERE) CHECK_EQ(last.offset, bad[at].offset);
        unsigned char *bytes = read_file(path, &len);
        EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
        EXPECT_ERROR(adit_array_from_data(data, NULL, &array, &err), bad[at].status,
                     "bytes in memory");
        CHECK(array == NULL && !last.has_path);
        adit_data_close(data);
        free(bytes);
    }
}

/* Nine dimensions: told, but no tensor's. */
static void nine_dimensions(void) {
    char file[128 + 8];
    memset(file, ' ', sizeof file);
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    const char *header = "{'descr': '<f4', 'fortran_order': False, "
                         "'shape': (1, 1, 1, 1, 2, 1, 1, 1, 1), }";
    memcpy(file + 10, header, strlen(header));
    file[127] = '\n';
    const float values[] = { 1.5f, 2.5f };
    memcpy(file + 128, values, 8);
    write_file(scratch_path("nine.npy"), file, sizeof file);
    adit_array *array = NULL;
    adit_tensor tensor;
    int64_t dims[10];
    size_t ndim = 0;
    EXPECT_OK(adit_array_open(scratch_path("nine.npy"), NULL, &array, &err));
    EXPECT_ERROR(adit_array_tensor(array, &tensor, &err), ADIT_ERR_UNSUPPORTED, "9 dimensions");
    const adit_array_info info = info_of(array);
    CHECK_EQ(info.ndim, 9);
    CHECK_EQ(info.nbytes, 8);
    CHECK_EQ(info.offset, 128);
    for (size_t cap = 0; cap <= 10; cap++) {
        memset(dims, 0xa5, sizeof dims);
        EXPECT_OK(adit_array_shape(array, cap > 0 ? dims : NULL, cap, &ndim, &err));
        CHECK_EQ(ndim, 9);
        for (size_t axis = 0; axis < 9 && axis < cap; axis++)
            CHECK_INT(dims[axis], axis == 4 ? 2 : 1);
        if (cap < 10) CHECK_INT(dims[cap], (int64_t)UINT64_C(0xa5a5a5a5a5a5a5a5));
    }
    EXPECT_ERROR(adit_array_shape(array, NULL, 1, &ndim, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "dims is NULL");
    CHECK_EQ(ndim, 0);
    adit_array_close(array);
}

/* The set of the example: what is known of it. */
static void digits(void) {
    adit_array *images = NULL, *labels = NULL;
    adit_tensor image, label;
    unsigned sum = 0, most = 0, counts[10] = { 0 };
    EXPECT_OK(adit_array_open(data_path("digits/images_u8.npy"), NULL, &images, &err));
    EXPECT_OK(adit_array_open(data_path("digits/labels_u8.npy"), NULL, &labels, &err));
    EXPECT_OK(adit_array_tensor(images, &image, &err));
    EXPECT_OK(adit_array_tensor(labels, &label, &err));
    CHECK_INT(image.ndim, 3);
    CHECK(image.shape[0] == 1797 && image.shape[1] == 8 && image.shape[2] == 8);
    CHECK(label.ndim == 1 && label.shape[0] == 1797);
    CHECK_INT(image.dtype, ADIT_DTYPE_U8);
    const unsigned char *pixels = (const unsigned char *)image.data;
    const unsigned char *classes = (const unsigned char *)label.data;
    for (uint64_t at = 0; at < image.nbytes; at++) {
        sum += pixels[at];
        if (pixels[at] > most) most = pixels[at];
    }
    for (uint64_t at = 0; at < label.nbytes; at++) {
        CHECK(classes[at] < 10);
        counts[classes[at]]++;
    }
    CHECK_EQ(sum, 561718);
    CHECK_EQ(most, 16);
    const unsigned known[] = { 178, 182, 177, 183, 181, 182, 181, 179, 174, 180 };
    for (int digit = 0; digit < 10; digit++) CHECK_EQ(counts[digit], known[digit]);
    adit_array_close(labels);
    adit_array_close(images);
}

/* Whatever the bytes are, an answer comes, and what is lent lies inside. */
static void any_bytes(void) {
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("npy/f4_f.npy"), &len);
    for (size_t at = 0; at < 128; at++) {
        for (int byte = 0; byte < 256; byte += 3) {
            adit_data *data = NULL;
            adit_array *array = NULL;
            adit_tensor tensor;
            unsigned char old = bytes[at];
            bytes[at] = (unsigned char)byte;
            EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
            adit_status status = adit_array_from_data(data, NULL, &array, &err);
            CHECK((status == ADIT_OK) == (array != NULL) && (status == ADIT_OK) == (err == NULL));
            adit_error_free(err);
            if (array != NULL && adit_array_tensor(array, &tensor, NULL) == ADIT_OK) {
                const unsigned char *start = (const unsigned char *)tensor.data;
                CHECK(tensor.nbytes == 0 ||
                      (start >= bytes && start + tensor.nbytes <= bytes + len));
            }
            adit_array_close(array);
            adit_data_close(data);
            bytes[at] = old;
        }
    }
    free(bytes);
}

/* Closed in any order, the bytes stay until the last handle. */
static void closing(void) {
    for (int order = 0; order < 6; order++) {
        adit_data *data = NULL, *own = NULL;
        adit_array *array = NULL;
        adit_tensor tensor;
        EXPECT_OK(adit_data_open(data_path("npy/f4_c.npy"), NULL, &data, &err));
        EXPECT_OK(adit_array_from_data(data, NULL, &array, &err));
        EXPECT_OK(adit_array_data(array, &own, &err));
        EXPECT_OK(adit_array_tensor(array, &tensor, &err));
        const int steps[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
        for (int step = 0; step < 3; step++) {
            CHECK_STR(sha256_of(tensor.data, tensor.nbytes), hash_in_c_order(&tensor));
            if (steps[order][step] == 0) adit_data_close(data);
            if (steps[order][step] == 1) adit_array_close(array);
            if (steps[order][step] == 2) adit_data_close(own);
        }
    }
    adit_array_close(NULL);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_INT(ADIT_ARRAY_FORMAT_NPY, 1);
    sound_files();
    bad_files();
    nine_dimensions();
    digits();
    any_bytes();
    closing();
    return check_end();
}
