/*
 * Tells what an .arec, .rrec, .npy or MMAP file holds: shapes, dtypes, counts, first values, and whether it is
 * sound.
 *
 *     inspect file ...
 */
#include <adit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tells a failure as a person would like to read it, and frees its error. */
static int fail(const char *path, adit_status status, adit_error *err)
{
    uint64_t offset;
    printf("%s: %s\n  %s\n", path, adit_status_name(status), adit_error_message(err));
    if (adit_error_offset(err, &offset))
        printf("  at byte %llu (0x%llx)\n", (unsigned long long)offset, (unsigned long long)offset);
    adit_error_free(err);
    return -1;
}

/* A float of any kind. */
static double as_double(const void *at, int32_t dtype)
{
    double value = 0;
    const adit_status status = adit_convert(at, dtype, &value, ADIT_DTYPE_F64, 1, 0, NULL);
    return status == ADIT_OK ? value : 0;
}

/* Prints element `i` of contiguous elements. */
static void print_value(const adit_tensor *t, size_t i)
{
    const unsigned char *at = (const unsigned char *)t->data + i * adit_dtype_block_bytes(t->dtype);
    union { int64_t i; uint64_t u; int32_t i32; int16_t i16; uint32_t u32;
            uint16_t u16; float c[2]; double z[2]; } v;
    memcpy(&v, at, adit_dtype_block_bytes(t->dtype));
    switch (t->dtype) {
    case ADIT_DTYPE_BOOL: printf("%s", *at ? "true" : "false"); break;
    case ADIT_DTYPE_I8: printf("%d", (signed char)*at); break;
    case ADIT_DTYPE_U8: printf("%u", *at); break;
    case ADIT_DTYPE_I16: printf("%d", v.i16); break;
    case ADIT_DTYPE_U16: printf("%u", v.u16); break;
    case ADIT_DTYPE_I32: printf("%ld", (long)v.i32); break;
    case ADIT_DTYPE_U32: printf("%lu", (unsigned long)v.u32); break;
    case ADIT_DTYPE_I64: printf("%lld", (long long)v.i); break;
    case ADIT_DTYPE_U64: printf("%llu", (unsigned long long)v.u); break;
    case ADIT_DTYPE_F16:
    case ADIT_DTYPE_BF16:
    case ADIT_DTYPE_F8_E4M3FN:
    case ADIT_DTYPE_F8_E5M2:
    case ADIT_DTYPE_F8_E8M0:
    case ADIT_DTYPE_F32:
    case ADIT_DTYPE_F64: printf("%g", as_double(at, t->dtype)); break;
    case ADIT_DTYPE_COMPLEX64: printf("%g%+gi", (double)v.c[0], (double)v.c[1]); break;
    case ADIT_DTYPE_COMPLEX128: printf("%g%+gi", v.z[0], v.z[1]); break;
    default: printf("?"); break;
    }
}

static void print_tensor(const char *name, const adit_tensor *t)
{
    const uint32_t size = adit_dtype_block_bytes(t->dtype);
    const uint64_t elements = size > 0 ? t->nbytes / size : 0;
    printf("  %-8s %s [", name, adit_dtype_name(t->dtype));
    for (int axis = 0; axis < t->ndim; axis++)
        printf("%s%lld", axis > 0 ? ", " : "", (long long)t->shape[axis]);
    printf("], %llu bytes%s", (unsigned long long)t->nbytes,
           t->flags & ADIT_TENSOR_CONTIGUOUS ? "" : ", Fortran order");
    for (uint64_t i = 0; i < elements && i < 8; i++) {
        printf(i == 0 ? ": " : ", ");
        print_value(t, (size_t)i);
    }
    printf("%s\n", elements > 8 ? ", ..." : "");
}

static int inspect_array(const char *path, adit_array *array)
{
    adit_array_info info = ADIT_ARRAY_INFO_INIT;
    adit_error *err = NULL;
    adit_tensor tensor;
    adit_status status = adit_array_get_info(array, &info, &err);

    if (status != ADIT_OK)
        return fail(path, status, err);
    printf("%s: %s array, %s, %u dimensions, elements from byte %llu on%s\n", path,
           info.format == ADIT_ARRAY_FORMAT_MMAP ? "MMAP" : "NumPy", adit_dtype_name(info.dtype), info.ndim, (unsigned long long)info.offset,
           info.flags & ADIT_TENSOR_BIG_ENDIAN ? ", big-endian" : "");
    status = adit_array_tensor(array, &tensor, &err);
    if (status != ADIT_OK)
        return fail(path, status, err);
    print_tensor("array", &tensor);
    return 0;
}

enum { MOST_FIELDS = 16 };

/* Prints a field as the schema has it: sizes of each record's own as "*". */
static void print_field(const adit_record_field *field)
{
    printf("  %-8s %s [", field->name,
           field->dtype != 0 ? adit_dtype_name(field->dtype) : "any dtype");
    for (int axis = 0; axis < field->ndim && axis < 8; axis++) {
        printf("%s", axis > 0 ? ", " : "");
        if (field->dims[axis] < 0)
            printf("*");
        else
            printf("%lld", (long long)field->dims[axis]);
    }
    printf("]%s\n", field->kind == ADIT_RECORD_KIND_BYTES ? " bytes" : "");
}

/* Prints the first records, field by field. */
static int print_records(const char *path, const adit_record_reader *reader,
                         const char *const *names, size_t fields)
{
    const uint64_t count = adit_record_reader_len(reader);
    for (uint64_t i = 0; i < count && i < 3; i++) {
        adit_tensor record[MOST_FIELDS];
        adit_error *err = NULL;
        const adit_status status = adit_record_reader_get(reader, i, record, fields, &err);
        printf(" record %llu\n", (unsigned long long)i);
        if (status != ADIT_OK) {
            fail(path, status, err);
            continue;
        }
        for (size_t field = 0; field < fields; field++)
            print_tensor(names[field], &record[field]);
    }
    if (count > 3)
        printf(" ...\n");
    return 0;
}

static int inspect_records(const char *path, const adit_record_reader *reader)
{
    const char *names[MOST_FIELDS];
    adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
    adit_record_schema *schema = NULL;
    adit_error *err = NULL;
    size_t fields = 0;
    adit_status status = adit_record_reader_schema(reader, &schema, &err);

    printf("%s: %llu records\n", path, (unsigned long long)adit_record_reader_len(reader));
    if (status != ADIT_OK) { /* of rrec: record 0, which tells the fields, is damaged */
        fail(path, status, err);
    } else {
        fields = adit_record_schema_len(schema);
        for (size_t i = 0; i < fields; i++) {
            adit_record_field field = ADIT_RECORD_FIELD_INIT;
            status = adit_record_schema_field(schema, i, &field, &err);
            if (status != ADIT_OK)
                break;
            print_field(&field);
            if (i < MOST_FIELDS)
                names[i] = field.name;
        }
        if (status != ADIT_OK)
            fail(path, status, err);
        else if (fields <= MOST_FIELDS)
            print_records(path, reader, names, fields);
    }
    status = adit_record_reader_verify(reader, NULL, NULL, &found, &err);
    printf(" checked %llu records, %llu bytes: %llu damaged\n", (unsigned long long)found.records,
           (unsigned long long)found.bytes, (unsigned long long)found.bad_records);
    adit_record_schema_free(schema);
    return status == ADIT_OK ? 0 : fail(path, status, err);
}

/* The formats know their own files: the first that doesn't say "another format" has the word. */
static int inspect(const char *path)
{
    adit_data *data = NULL;
    adit_array *array = NULL;
    adit_record_reader *reader = NULL;
    adit_error *err = NULL;
    int result = -1;
    adit_status status = adit_data_open(path, NULL, &data, &err);

    if (status == ADIT_OK) {
        status = adit_record_reader_from_data(data, NULL, &reader, &err);
        if (status == ADIT_ERR_WRONG_FORMAT) {
            adit_error_free(err);
            status = adit_array_from_data(data, NULL, &array, &err);
        }
    }
    if (status == ADIT_ERR_WRONG_FORMAT) {
        printf("%s: neither a record nor an array file, %llu bytes\n", path,
               (unsigned long long)adit_data_len(data));
        adit_error_free(err);
    } else if (status != ADIT_OK) {
        fail(path, status, err);
    } else {
        result = reader != NULL ? inspect_records(path, reader) : inspect_array(path, array);
    }
    adit_record_reader_close(reader);
    adit_array_close(array);
    adit_data_close(data);
    return result;
}

int main(int argc, char **argv)
{
    int result = EXIT_SUCCESS;
    if (argc < 2) {
        fprintf(stderr, "usage: inspect file ...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (inspect(argv[i]) != 0)
            result = EXIT_FAILURE;
    return result;
}
