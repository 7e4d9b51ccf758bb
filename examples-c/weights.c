/*
 * Lists the tensors of a model as a table.
 *
 *     weights [-m] [-c] model ...
 *
 * A model is a safetensors file, the index of a sharded one, a GGUF file or the first of a split
 * one; several files are opened as one model. -m lists the metadata first. -c adds the CRC-32C of
 * each tensor's bytes, and below the table that of all of them in the order of their names, which
 * is the same however the model is cut into files.
 */
#include <adit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements of an array that are shown. */
#define SHOWN 6

static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "%s: %s\n", doing, adit_status_name(status));
    if (err != NULL)
        fprintf(stderr, "  %s\n", adit_error_message(err));
    adit_error_free(err);
    return -1;
}

/* Text of a file: nothing in it may steer the terminal. */
static void print_text(const char *text, size_t len, int width)
{
    const size_t most = 60;
    int printed = 0;
    for (size_t i = 0; i < len && i < most; i++, printed++)
        putchar((unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i]);
    if (len > most)
        printed += printf("...");
    printf("%*s", printed < width ? width - printed : 0, "");
}

/* Element `i` of an array of numbers, whose kinds are told apart by their size. */
static void print_number(const adit_model *model, size_t value, int32_t type, uint64_t i)
{
    union { int8_t i8; int16_t i16; int32_t i32; int64_t i64; uint8_t u8; uint16_t u16; uint32_t u32;
            uint64_t u64; float f32; double f64; } v;
    if (adit_model_metadata_array_read(model, value, i, 1, &v, sizeof v, NULL) != ADIT_OK)
        return;
    switch (type) {
    case ADIT_METADATA_U8: printf("%u", v.u8); break;
    case ADIT_METADATA_I8: printf("%d", v.i8); break;
    case ADIT_METADATA_U16: printf("%u", v.u16); break;
    case ADIT_METADATA_I16: printf("%d", v.i16); break;
    case ADIT_METADATA_U32: printf("%lu", (unsigned long)v.u32); break;
    case ADIT_METADATA_I32: printf("%ld", (long)v.i32); break;
    case ADIT_METADATA_U64: printf("%llu", (unsigned long long)v.u64); break;
    case ADIT_METADATA_I64: printf("%lld", (long long)v.i64); break;
    case ADIT_METADATA_F32: printf("%g", (double)v.f32); break;
    case ADIT_METADATA_F64: printf("%g", v.f64); break;
    case ADIT_METADATA_BOOL: printf("%s", v.u8 ? "true" : "false"); break;
    default: break;
    }
}

static void print_array(const adit_model *model, size_t value)
{
    int32_t type = 0;
    uint64_t count = 0;
    if (adit_model_metadata_array_type(model, value, &type, NULL) != ADIT_OK ||
        adit_model_metadata_array_len(model, value, &count, NULL) != ADIT_OK)
        return;
    printf("%llu:", (unsigned long long)count);
    for (uint64_t i = 0; i < count && i < SHOWN; i++) {
        const char *text = NULL;
        size_t len = 0;
        printf(" ");
        if (type == ADIT_METADATA_ARRAY) {
            printf("[...]");
        } else if (type != ADIT_METADATA_STRING) {
            print_number(model, value, type, i);
        } else if (adit_model_metadata_array_string(model, value, i, &text, &len, NULL) == ADIT_OK) {
            putchar('"');
            print_text(text, len, 0);
            putchar('"');
        }
    }
    printf("%s", count > SHOWN ? " ..." : "");
}

/* The calls for numbers take every type that fits them: the first that does is right. */
static void print_value(const adit_model *model, size_t value)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t u = 0;
    int64_t i = 0;
    double f = 0;
    bool b = false;
    if (adit_model_metadata_string(model, value, &text, &len, NULL) == ADIT_OK)
        print_text(text, len, 0);
    else if (adit_model_metadata_u64(model, value, &u, NULL) == ADIT_OK)
        printf("%llu", (unsigned long long)u);
    else if (adit_model_metadata_i64(model, value, &i, NULL) == ADIT_OK)
        printf("%lld", (long long)i);
    else if (adit_model_metadata_f64(model, value, &f, NULL) == ADIT_OK)
        printf("%g", f);
    else if (adit_model_metadata_bool(model, value, &b, NULL) == ADIT_OK)
        printf("%s", b ? "true" : "false");
    else
        print_array(model, value);
}

static int print_metadata(const adit_model *model)
{
    for (size_t value = 0; value < adit_model_metadata_count(model); value++) {
        const char *key = NULL;
        size_t len = 0;
        adit_error *err = NULL;
        const adit_status status = adit_model_metadata_key(model, value, &key, &len, &err);
        if (status != ADIT_OK)
            return fail("metadata", status, err);
        print_text(key, len, 40);
        printf(" ");
        print_value(model, value);
        printf("\n");
    }
    printf("\n");
    return 0;
}

static void print_shape(const int64_t *dims, size_t ndim)
{
    int printed = printf("[");
    for (size_t axis = 0; axis < ndim && axis < ADIT_MAX_DIMS; axis++)
        printed += printf("%s%lld", axis > 0 ? ", " : "", (long long)dims[axis]);
    printed += printf(ndim > ADIT_MAX_DIMS ? ", ...]" : "]");
    printf("%*s", printed < 18 ? 18 - printed : 0, "");
}

/* Goes on with the CRC-32C of a tensor's bytes. At any address: nothing but bytes is looked at. */
static int add_to_crc(const adit_model *model, size_t index, uint32_t *crc)
{
    adit_error *err = NULL;
    adit_tensor tensor;
    const adit_status status = adit_model_tensor(model, index, 1, &tensor, &err);
    if (status != ADIT_OK)
        return fail("checksum", status, err);
    *crc = adit_crc32c(*crc, tensor.data, (size_t)tensor.nbytes);
    return 0;
}

static int print_tensor(const adit_model *model, size_t index, int with_crc)
{
    adit_model_tensor_info info = ADIT_MODEL_TENSOR_INFO_INIT;
    adit_error *err = NULL;
    const char *name = NULL;
    size_t len = 0, ndim = 0;
    int64_t dims[ADIT_MAX_DIMS];
    uint32_t crc = 0;
    adit_status status = adit_model_name(model, index, &name, &len, &err);

    if (status == ADIT_OK)
        status = adit_model_get_tensor_info(model, index, &info, &err);
    if (status == ADIT_OK)
        status = adit_model_shape(model, index, dims, ADIT_MAX_DIMS, &ndim, &err);
    if (status != ADIT_OK)
        return fail("tensor", status, err);
    print_text(name, len, 52);
    if (info.dtype != ADIT_DTYPE_NONE)
        printf(" %-10s", adit_dtype_name(info.dtype));
    else
        printf(" ggml %-5lu", (unsigned long)info.ggml_type);
    printf(" ");
    print_shape(dims, ndim);
    printf(" %12llu %4llu %12llu", (unsigned long long)info.nbytes, (unsigned long long)info.file,
           (unsigned long long)info.offset);
    if (with_crc) {
        if (add_to_crc(model, index, &crc) != 0)
            return -1;
        printf(" %08lx", (unsigned long)crc);
    }
    printf("\n");
    return 0;
}

/* A tensor's number beside its name, to be sorted. */
typedef struct entry {
    const char *name;
    size_t len, index;
} entry;

static int by_name(const void *a, const void *b)
{
    const entry *x = (const entry *)a, *y = (const entry *)b;
    const int order = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

static int print_crc(const adit_model *model)
{
    const size_t count = adit_model_len(model);
    entry *entries = (entry *)malloc((count + 1) * sizeof *entries);
    uint32_t crc = 0;
    int result = entries != NULL ? 0 : fail("checksum", ADIT_ERR_OUT_OF_MEMORY, NULL);
    for (size_t i = 0; result == 0 && i < count; i++) {
        adit_error *err = NULL;
        const adit_status status =
            adit_model_name(model, i, &entries[i].name, &entries[i].len, &err);
        entries[i].index = i;
        if (status != ADIT_OK)
            result = fail("checksum", status, err);
    }
    if (result == 0)
        qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = add_to_crc(model, entries[i].index, &crc);
    if (result == 0)
        printf("crc-32c of all tensors: %08lx\n", (unsigned long)crc);
    free(entries);
    return result;
}

static int print_files(const adit_model *model)
{
    static const char *const formats[] = {"?", "safetensors", "GGUF", "raw"};
    adit_model_info info = ADIT_MODEL_INFO_INIT;
    adit_error *err = NULL;
    adit_status status = adit_model_get_info(model, &info, &err);

    if (status == ADIT_OK)
        printf("%s%s: %llu tensors, %llu bytes\n", formats[info.format & 3],
               info.flags & ADIT_TENSOR_BIG_ENDIAN ? ", big-endian" : "",
               (unsigned long long)info.tensors, (unsigned long long)info.nbytes);
    for (size_t i = 0; status == ADIT_OK && i < adit_model_file_count(model); i++) {
        adit_data *data = NULL;
        status = adit_model_file(model, i, &data, &err);
        if (status == ADIT_OK)
            printf("file %lu: %s\n", (unsigned long)i, adit_data_path(data));
        adit_data_close(data);
    }
    printf("\n");
    return status == ADIT_OK ? 0 : fail("files", status, err);
}

int main(int argc, char **argv)
{
    int with_metadata = 0, with_crc = 0, first = 1, result;
    adit_model *model = NULL;
    adit_error *err = NULL;
    adit_status status;

    for (; first < argc && argv[first][0] == '-'; first++) {
        with_metadata |= strcmp(argv[first], "-m") == 0;
        with_crc |= strcmp(argv[first], "-c") == 0;
    }
    if (first == argc) {
        fprintf(stderr, "usage: weights [-m] [-c] model ...\n");
        return 2;
    }
    if (argc - first == 1)
        status = adit_model_open(argv[first], NULL, &model, &err);
    else
        status = adit_model_open_files((const char *const *)(argv + first), (size_t)(argc - first),
                                       NULL, &model, &err);
    if (status != ADIT_OK)
        return fail(argv[first], status, err) != 0;

    result = print_files(model);
    if (result == 0 && with_metadata)
        result = print_metadata(model);
    printf("%-52s %-10s %-18s %12s %4s %12s%s\n", "name", "dtype", "shape", "bytes", "file", "offset",
           with_crc ? " crc-32c" : "");
    for (size_t i = 0; result == 0 && i < adit_model_len(model); i++)
        result = print_tensor(model, i, with_crc);
    if (result == 0 && with_crc)
        result = print_crc(model);
    adit_model_close(model);
    return result != 0;
}
