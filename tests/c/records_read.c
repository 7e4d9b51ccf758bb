/* Records read, by what their files' makers wrote down of them. */
#include "check.h"
#include "rrec_fixtures.h"
#include "sha256.h"

/* basic_3x4.rrec, bit for bit: the inputs; the targets are 0 to 7. */
static const uint32_t basic[8][12] = {
    { 0x3efa29be, 0x3e4527e4, 0xbd859e60, 0x3ecf6c40, 0xbefbaee4, 0xbeff3c46,
      0xbeec41ee, 0x3e1da330, 0xbe1ce624, 0xbe0e3cd8, 0xbd712710, 0x3dfec838 },
    { 0xbe7c9840, 0xbe977984, 0xbe88aebc, 0xbef68974, 0x3dcbd210, 0xbe9b852c,
      0x3e005f20, 0xbe025934, 0xbed5e2d2, 0x3ebc2a6e, 0xbdc42b98, 0x3ef4af06 },
    { 0x3e0bb620, 0x3eaa79b2, 0x3df89410, 0x3d193990, 0x3d2bf910, 0x3ec5cabe,
      0x3db192c0, 0xbef48b98, 0x3e5057c4, 0xbec92d74, 0xbd8be6d8, 0xbe7bd28c },
    { 0x3e8fb40a, 0xbedaa952, 0xbec18b98, 0xbd006c50, 0xbef53f1a, 0xbeea01b0,
      0xbe8744ce, 0xbbe64180, 0xbed3dd4a, 0xba621000, 0x3ed8a722, 0x3ca00d80 },
    { 0x3ea921c6, 0x3e041050, 0x3e8772c4, 0x3e815836, 0xbef6f908, 0xbe675764,
      0x3ef08eba, 0xbe51aac8, 0xbdddd1f0, 0x3eab43ee, 0x3e586e10, 0xbeaa73b2 },
    { 0x3d473400, 0xbebf905a, 0x3eed8ea4, 0xbe0270c4, 0x3e45e0c4, 0x3d55d270,
      0x3ef99fcc, 0x3ecd4e66, 0x3e4fca60, 0x3e758764, 0x3ef56b14, 0x3e9c6d30 },
    { 0xbe93a2e8, 0x3eb3de3e, 0xbec9155a, 0xbec22a1e, 0xbeb17576, 0x3efb0c4e,
      0x3e9d756e, 0xbece4c88, 0x3de553a0, 0xbdfe19f0, 0x3e987444, 0x3ee033f4 },
    { 0xbb814780, 0x3e8e4a02, 0x3ea9c938, 0xbe13feb0, 0x3d2860b0, 0x3ee0e484,
      0x3d5dc180, 0xbeb64116, 0x3ee67fa2, 0x3e0e98ac, 0xbebaad40, 0x3eb95e74 },
};

static adit_record_reader *open_reader(const char *name) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(data_path(name), NULL, &reader, &err));
    return reader;
}

/* What holds for every tensor that is lent. */
static void is_sound(const adit_tensor *tensor) {
    uint64_t elements = 1;
    int64_t step = 1;
    CHECK(tensor->ndim >= 0 && tensor->ndim <= 8);
    for (int axis = 7; axis >= 0; axis--) {
        if (axis >= tensor->ndim) {
            CHECK_INT(tensor->shape[axis], 0);
            CHECK_INT(tensor->strides[axis], 0);
            continue;
        }
        elements *= (uint64_t)tensor->shape[axis];
        CHECK_INT(tensor->strides[axis], step);
        step *= tensor->shape[axis] > 0 ? tensor->shape[axis] : 1;
    }
    CHECK_EQ(tensor->nbytes, elements * adit_dtype_block_bytes(tensor->dtype));
    CHECK((tensor->data == NULL) == (elements == 0));
    CHECK_EQ((uintptr_t)tensor->data % adit_dtype_block_bytes(tensor->dtype), 0);
    CHECK_EQ(tensor->flags, ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS);
    CHECK_EQ(tensor->reserved0, 0);
    for (int at = 0; at < 4; at++) CHECK_EQ(tensor->reserved[at], 0);
}

static void whole_files(int32_t backend) {
    for (size_t at = 0; at < sizeof rrec_files / sizeof rrec_files[0]; at++) {
        const struct rrec_file *file = &rrec_files[at];
        adit_record_reader *reader = NULL;
        adit_tensor tensors[2];
        sha256 hashes[2] = { sha256_new(), sha256_new() };
        adit_data_options data = ADIT_DATA_OPTIONS_INIT;
        adit_record_reader_options options = ADIT_RECORD_READER_OPTIONS_INIT;
        data.backend = backend;
        options.data = &data;
        EXPECT_OK(adit_record_reader_open(data_path(file->name), &options, &reader, &err));
        CHECK_EQ(adit_record_reader_len(reader), file->records);
        for (uint64_t index = 0; index < file->records; index++) {
            memset(tensors, 0xa5, sizeof tensors);
            EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
            for (int field = 0; field < 2; field++) {
                is_sound(&tensors[field]);
                sha256_add(&hashes[field], tensors[field].data, tensors[field].nbytes);
            }
        }
        CHECK_STR(sha256_end(&hashes[0]), file->sha256[0]);
        CHECK_STR(sha256_end(&hashes[1]), file->sha256[1]);
        memset(tensors, 0xa5, sizeof tensors);
        EXPECT_ERROR(adit_record_reader_get(reader, file->records, tensors, 2, &err),
                     ADIT_ERR_OUT_OF_RANGE, "record");
        CHECK_LAST_INDEX(file->records);
        CHECK_LAST_PATH(data_path(file->name));
        CHECK(tensors[0].data == NULL && tensors[0].ndim == 0 && tensors[1].nbytes == 0);
        EXPECT_ERROR(adit_record_reader_get(reader, UINT64_MAX, tensors, 2, &err),
                     ADIT_ERR_OUT_OF_RANGE, "18446744073709551615");
        adit_record_reader_close(reader);
    }
}

static void single_tensors(void) {
    for (size_t at = 0; at < sizeof rrec_tensors / sizeof rrec_tensors[0]; at++) {
        const struct rrec_tensor *wanted = &rrec_tensors[at];
        adit_record_reader *reader = open_reader(wanted->name);
        adit_tensor tensors[2];
        int64_t dims[8];
        size_t ndim = 77;
        EXPECT_OK(adit_record_reader_get(reader, wanted->index, tensors, 2, &err));
        const adit_tensor *found = &tensors[wanted->field];
        CHECK_INT(found->dtype, wanted->dtype);
        CHECK_INT(found->ndim, wanted->ndim);
        for (int axis = 0; axis < 8; axis++) CHECK_INT(found->shape[axis], wanted->shape[axis]);
        CHECK_STR(sha256_of(found->data, found->nbytes), wanted->sha256);
        EXPECT_OK(adit_record_reader_shape(reader, wanted->index, (size_t)wanted->field, dims, 8,
                                           &ndim, &err));
        CHECK_EQ(ndim, wanted->ndim);
        for (size_t axis = 0; axis < ndim; axis++) CHECK_INT(dims[axis], wanted->shape[axis]);
        adit_record_reader_close(reader);
    }
}

static void bit_for_bit(void) {
    adit_record_reader *reader = open_reader("rrec/basic_3x4.rrec");
    adit_tensor tensors[2];
    for (uint64_t index = 0; index < 8; index++) {
        EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
        CHECK_INT(tensors[0].dtype, ADIT_DTYPE_F32);
        CHECK_INT(tensors[0].ndim, 2);
        CHECK_INT(tensors[0].shape[0], 3);
        CHECK_INT(tensors[0].shape[1], 4);
        CHECK_INT(tensors[0].strides[0], 4);
        CHECK_INT(tensors[0].strides[1], 1);
        CHECK_EQ(tensors[0].nbytes, 48);
        CHECK_BYTES(tensors[0].data, basic[index], 48);
        const float *target = (const float *)tensors[1].data;
        CHECK_INT(tensors[1].ndim, 1);
        CHECK_EQ(tensors[1].nbytes, 4);
        CHECK(*target == (float)index);

        /* As many tensors as asked for, and not one more. */
        memset(tensors, 0xa5, sizeof tensors);
        EXPECT_OK(adit_record_reader_get(reader, index, tensors, 1, &err));
        CHECK_BYTES(tensors[0].data, basic[index], 48);
        CHECK_INT(tensors[1].dtype, (int32_t)0xa5a5a5a5);
        EXPECT_OK(adit_record_reader_get(reader, index, NULL, 0, &err));
    }
    adit_tensor three[3];
    memset(three, 0xa5, sizeof three);
    EXPECT_ERROR(adit_record_reader_get(reader, 0, three, 3, &err), ADIT_ERR_OUT_OF_RANGE, "n is 3");
    CHECK(three[0].data == NULL && three[1].data == NULL);
    EXPECT_ERROR(adit_record_reader_get(reader, 0, three, SIZE_MAX, &err), ADIT_ERR_OUT_OF_RANGE,
                 "n is");
    EXPECT_ERROR(adit_record_reader_get(reader, 8, NULL, 0, &err), ADIT_ERR_OUT_OF_RANGE, "8");
    adit_record_reader_close(reader);
}

static void field_is(const adit_record_schema *schema, size_t index, const char *name,
                     int32_t dtype, int32_t ndim, const int64_t *dims) {
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    EXPECT_OK(adit_record_schema_field(schema, index, &field, &err));
    CHECK_STR(field.name, name);
    CHECK_INT(field.dtype, dtype);
    CHECK_INT(field.ndim, ndim);
    for (int axis = 0; axis < 8; axis++) CHECK_INT(field.dims[axis], axis < ndim ? dims[axis] : 0);
}

static void schemas(void) {
    const int64_t input[] = { 3, 4 }, target[] = { 1 };
    adit_record_schema *schema = NULL;
    adit_record_reader *reader = open_reader("rrec/basic_3x4.rrec");
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    /* It keeps nothing of the reader. */
    adit_record_reader_close(reader);
    CHECK_EQ(adit_record_schema_len(schema), 2);
    field_is(schema, 0, "input", ADIT_DTYPE_F32, 2, input);
    field_is(schema, 1, "target", ADIT_DTYPE_F32, 1, target);
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    field.name = "x";
    EXPECT_ERROR(adit_record_schema_field(schema, 2, &field, &err), ADIT_ERR_OUT_OF_RANGE,
                 "field 2");
    CHECK(field.name == NULL);
    adit_record_schema_free(schema);

    reader = open_reader("rrec/empty_finished.rrec");
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    field_is(schema, 0, "input", ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL);
    field_is(schema, 1, "target", ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL);
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
}

static void shapes(void) {
    adit_record_reader *reader = open_reader("rrec/dims_1_to_5.rrec");
    for (size_t cap = 0; cap < 10; cap++) {
        int64_t dims[12];
        size_t ndim = 77;
        memset(dims, 0xa5, sizeof dims);
        EXPECT_OK(adit_record_reader_shape(reader, 4, 0, cap > 0 ? dims : NULL, cap, &ndim, &err));
        CHECK_EQ(ndim, 5);
        for (size_t axis = 0; axis < 5 && axis < cap; axis++) CHECK_INT(dims[axis], axis + 2);
        CHECK_INT(dims[cap], (int64_t)UINT64_C(0xa5a5a5a5a5a5a5a5));
    }
    int64_t dims[2] = { 7, 7 };
    size_t ndim = 77;
    EXPECT_ERROR(adit_record_reader_shape(reader, 5, 0, dims, 2, &ndim, &err),
                 ADIT_ERR_OUT_OF_RANGE, "record 5");
    CHECK_LAST_INDEX(5);
    CHECK(ndim == 0 && dims[0] == 0 && dims[1] == 0);
    EXPECT_ERROR(adit_record_reader_shape(reader, 0, 2, dims, 2, &ndim, &err),
                 ADIT_ERR_OUT_OF_RANGE, "field 2");
    EXPECT_ERROR(adit_record_reader_shape(reader, 0, SIZE_MAX, dims, 2, &ndim, &err),
                 ADIT_ERR_OUT_OF_RANGE, "field");
    EXPECT_ERROR(adit_record_reader_shape(reader, 0, 0, NULL, 2, &ndim, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "dims is NULL");
    adit_record_reader_close(reader);
}

static void put(unsigned char *to, uint64_t value, int bytes) {
    for (int at = 0; at < bytes; at++) to[at] = (unsigned char)(value >> (8 * at));
}

/* One record of ten dimensions, more than a tensor can tell. */
static void ten_dimensions(void) {
    enum { RECORD = 4 + 10 * 4 + 4 + 8 + 4 + 4 + 4 };
    unsigned char file[64 + RECORD + 16] = "RREC";
    put(file + 4, 1, 4);
    put(file + 8, 1, 8);
    put(file + 16, 64 + RECORD, 8);
    unsigned char *at = file + 64;
    put(at, 10, 4);
    for (int axis = 0; axis < 10; axis++) put(at += 4, axis == 8 ? 2 : 1, 4);
    put(at += 4, 0, 4);
    put(at += 4, UINT64_C(0x3f80000040000000), 8);
    put(at += 8, 0, 4);
    put(at += 4, 0, 4);
    put(at += 4, 0x40400000, 4);
    put(file + 64 + RECORD, 64, 8);
    put(file + 64 + RECORD + 8, RECORD, 8);
    write_file(scratch_path("ten.rrec"), file, sizeof file);

    adit_record_reader *reader = NULL;
    adit_record_schema *schema = NULL;
    adit_tensor tensors[2];
    int64_t dims[10];
    size_t ndim = 0;
    const uint64_t index = 0;
    float floats[2];
    EXPECT_OK(adit_record_reader_open(scratch_path("ten.rrec"), NULL, &reader, &err));
    EXPECT_ERROR(adit_record_reader_get(reader, 0, tensors, 2, &err), ADIT_ERR_UNSUPPORTED,
                 "10 dimensions");
    CHECK_LAST_INDEX(0);
    EXPECT_OK(adit_record_reader_shape(reader, 0, 0, dims, 10, &ndim, &err));
    CHECK_EQ(ndim, 10);
    for (int axis = 0; axis < 10; axis++) CHECK_INT(dims[axis], axis == 8 ? 2 : 1);
    EXPECT_ERROR(adit_record_reader_gather(reader, 0, &index, 1, floats, sizeof floats, NULL, NULL,
                                           &err),
                 ADIT_ERR_UNSUPPORTED, "10 dimensions");
    EXPECT_OK(adit_record_reader_gather(reader, 1, &index, 1, floats, 4, NULL, NULL, &err));
    CHECK(floats[0] == 3.0f);
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    EXPECT_OK(adit_record_schema_field(schema, 0, &field, &err));
    CHECK_INT(field.ndim, 10);
    for (int axis = 0; axis < 8; axis++) CHECK_INT(field.dims[axis], 1);
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
}

/* From bytes in memory, also at an odd address, where nothing can be lent. */
static void from_data(void) {
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("rrec/basic_3x4.rrec"), &len);
    unsigned char *odd = (unsigned char *)malloc(len + 1);
    adit_data *data = NULL, *own = NULL;
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    CHECK(odd != NULL);
    memcpy(odd + 1, bytes, len);
    EXPECT_OK(adit_data_from_bytes(odd + 1, len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    CHECK_EQ(adit_record_reader_len(reader), 8);
    EXPECT_ERROR(adit_record_reader_get(reader, 3, tensors, 2, &err), ADIT_ERR_MISALIGNED,
                 "bytes in memory");
    CHECK_LAST_INDEX(3);
    CHECK_LAST_OFFSET(64 + 3 * 80 + 16);
    CHECK(!last.has_path && tensors[0].data == NULL);
    size_t ndim = 0;
    EXPECT_OK(adit_record_reader_shape(reader, 3, 0, NULL, 0, &ndim, &err));
    CHECK_EQ(ndim, 2);
    EXPECT_OK(adit_record_reader_data(reader, &own, &err));
    CHECK(adit_data_bytes(own) == odd + 1);
    CHECK(own != data);
    adit_record_reader_close(reader);
    adit_data_close(data);
    CHECK_BYTES(adit_data_bytes(own), bytes, len);
    adit_data_close(own);
    free(odd);
    free(bytes);

    reader = open_reader("rrec/basic_3x4.rrec");
    EXPECT_OK(adit_record_reader_data(reader, &data, &err));
    CHECK_STR(adit_data_path(data), data_path("rrec/basic_3x4.rrec"));
    CHECK(adit_data_is_mapped(data));
    EXPECT_OK(adit_record_reader_get(reader, 2, tensors, 2, &err));
    CHECK((const char *)tensors[0].data ==
          (const char *)adit_data_bytes(data) + 64 + 2 * 80 + 16);
    adit_record_reader_close(reader);
    /* The tensors are good as long as any handle holds the bytes. */
    CHECK_BYTES(tensors[0].data, basic[2], 48);
    adit_data_close(data);
    CHECK_EQ(adit_record_reader_len(NULL), 0);
    adit_record_reader_close(NULL);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_STR(sha256_of("abc", 3),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    whole_files(ADIT_BACKEND_AUTO);
    whole_files(ADIT_BACKEND_READ);
    single_tensors();
    bit_for_bit();
    schemas();
    shapes();
    ten_dimensions();
    from_data();
    return check_end();
}
