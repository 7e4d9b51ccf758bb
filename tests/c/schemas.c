/* Schemas: fields named, refused, told, many. */
#include "check.h"

static adit_record_schema *new_schema(void) {
    adit_record_schema *schema = NULL;
    EXPECT_OK(adit_record_schema_new(&schema, &err));
    CHECK(schema != NULL);
    CHECK_EQ(adit_record_schema_len(schema), 0);
    return schema;
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

static void added(void) {
    adit_record_schema *schema = new_schema();
    const int64_t dims[] = { 3, ADIT_DIM_ANY, 0, 1, 2, 3, 4, INT64_MAX };
    char name[64];
    CHECK_INT(ADIT_DIM_ANY, -1);
    CHECK_INT(ADIT_NDIM_ANY, -1);
    EXPECT_OK(adit_record_schema_add(schema, "input", ADIT_DTYPE_F32, 2, dims, &err));
    EXPECT_OK(adit_record_schema_add(schema, "any", ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL, &err));
    /* With any shape the sizes are not read. */
    const int64_t *nowhere = (const int64_t *)(uintptr_t)8;
    EXPECT_OK(adit_record_schema_add(schema, "x", ADIT_DTYPE_U8, ADIT_NDIM_ANY, nowhere, &err));
    EXPECT_OK(adit_record_schema_add(schema, "scalar", ADIT_DTYPE_F64, 0, NULL, &err));
    EXPECT_OK(adit_record_schema_add(schema, "caf\xc3\xa9", ADIT_DTYPE_Q4_0, 8, dims, &err));
    /* Names are copied. */
    memset(name, 'n', 63);
    name[63] = 0;
    EXPECT_OK(adit_record_schema_add(schema, name, ADIT_DTYPE_F16, 1, dims, &err));
    memset(name, 'x', 63);

    CHECK_EQ(adit_record_schema_len(schema), 6);
    field_is(schema, 0, "input", ADIT_DTYPE_F32, 2, dims);
    field_is(schema, 1, "any", ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL);
    field_is(schema, 2, "x", ADIT_DTYPE_U8, ADIT_NDIM_ANY, NULL);
    field_is(schema, 3, "scalar", ADIT_DTYPE_F64, 0, NULL);
    field_is(schema, 4, "caf\xc3\xa9", ADIT_DTYPE_Q4_0, 8, dims);
    memset(name, 'n', 63);
    field_is(schema, 5, name, ADIT_DTYPE_F16, 1, dims);
    adit_record_schema_free(schema);
}

static void refused(void) {
    adit_record_schema *schema = new_schema();
    const int64_t dims[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, less[] = { 3, -2 };
    char name[65];
    memset(name, 'n', 64);
    name[64] = 0;
    EXPECT_OK(adit_record_schema_add(schema, "taken", ADIT_DTYPE_F32, 2, dims, &err));
    const struct {
        const char *name;
        int32_t dtype, ndim;
        const int64_t *dims;
        int32_t status;
        const char *text;
    } rows[] = {
        { NULL, ADIT_DTYPE_F32, 1, dims, ADIT_ERR_INVALID_ARGUMENT, "name is NULL" },
        { "", ADIT_DTYPE_F32, 1, dims, ADIT_ERR_INVALID_ARGUMENT, "1 to 63 bytes" },
        { name, ADIT_DTYPE_F32, 1, dims, ADIT_ERR_INVALID_ARGUMENT, "1 to 63 bytes" },
        { "taken", ADIT_DTYPE_U8, 1, dims, ADIT_ERR_INVALID_ARGUMENT, "already" },
        { "\xff", ADIT_DTYPE_F32, 1, dims, ADIT_ERR_INVALID_ARGUMENT, "not UTF-8" },
        { "x", 24, 1, dims, ADIT_ERR_DTYPE, "24 is no dtype" },
        { "x", -1, 1, dims, ADIT_ERR_DTYPE, "-1 is no dtype" },
        { "x", ADIT_DTYPE_F32, 9, dims, ADIT_ERR_SHAPE, "ndim is 9" },
        { "x", ADIT_DTYPE_F32, -2, dims, ADIT_ERR_SHAPE, "ndim is -2" },
        { "x", ADIT_DTYPE_F32, INT32_MIN, dims, ADIT_ERR_SHAPE, "ndim is" },
        { "x", ADIT_DTYPE_F32, 2, less, ADIT_ERR_SHAPE, "-2" },
        { "x", ADIT_DTYPE_F32, 1, NULL, ADIT_ERR_INVALID_ARGUMENT, "dims is NULL" },
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        EXPECT_ERROR(adit_record_schema_add(schema, rows[at].name, rows[at].dtype, rows[at].ndim,
                                            rows[at].dims, &err),
                     rows[at].status, rows[at].text);
        CHECK_EQ(adit_record_schema_len(schema), 1);
    }
    EXPECT_OK(adit_record_schema_add(schema, "x", ADIT_DTYPE_F32, 1, dims, &err));
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    EXPECT_ERROR(adit_record_schema_field(schema, 2, &field, &err), ADIT_ERR_OUT_OF_RANGE, "of 2");
    EXPECT_ERROR(adit_record_schema_field(schema, SIZE_MAX, &field, &err), ADIT_ERR_OUT_OF_RANGE,
                 "of 2");
    CHECK(field.name == NULL && field.ndim == 0);
    adit_record_schema_free(schema);
    CHECK_EQ(adit_record_schema_len(NULL), 0);
    adit_record_schema_free(NULL);
}

static void many(void) {
    adit_record_schema *schema = new_schema();
    char name[16];
    for (int number = 0; number < 1000; number++) {
        snprintf(name, sizeof name, "field%d", number);
        EXPECT_OK(adit_record_schema_add(schema, name, ADIT_DTYPE_F32, ADIT_NDIM_ANY, NULL, &err));
    }
    CHECK_EQ(adit_record_schema_len(schema), 1000);
    for (size_t number = 0; number < 1000; number += 111) {
        snprintf(name, sizeof name, "field%zu", number);
        field_is(schema, number, name, ADIT_DTYPE_F32, ADIT_NDIM_ANY, NULL);
    }
    adit_record_schema_free(schema);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    added();
    refused();
    many();
    return check_end();
}
