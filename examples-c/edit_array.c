/*
 * Changes rows of an array without touching its file, and saves the result.
 *
 *     edit_array in.npy out.npy first count
 *
 * Maps the array copy-on-write, sets `count` rows from row `first` on to zero, and publishes the
 * changed array as out.npy, which may be in.npy itself. Only the pages that were written are ever
 * copied in memory. What changed is shown by the mean of all elements, read as f64 whatever the
 * array's dtype is.
 */
#include <adit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements that are looked at together. */
#define AT_ONCE (1 << 20)

static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "%s: %s\n  %s\n", doing, adit_status_name(status), adit_error_message(err));
    adit_error_free(err);
    return -1;
}

/* The mean of all elements, some rows at a time: the array may be larger than memory. */
static int mean_of(const adit_array *array, const adit_tensor *tensor, double *mean)
{
    adit_array_read_options options = ADIT_ARRAY_READ_OPTIONS_INIT;
    adit_error *err = NULL;
    adit_status status = ADIT_OK;
    int64_t start[8] = {0}, shape[8], width = 1, together;
    double sum = 0, *values;

    for (int axis = 1; axis < tensor->ndim; axis++)
        width *= tensor->shape[axis];
    together = width < AT_ONCE ? AT_ONCE / width : 1;
    if (together > tensor->shape[0])
        together = tensor->shape[0];
    values = (double *)malloc((size_t)(together * width) * sizeof *values);
    if (values == NULL)
        return fail("mean", ADIT_ERR_OUT_OF_MEMORY, NULL);
    memcpy(shape, tensor->shape, sizeof shape);
    options.start = start;
    options.shape = shape;
    options.ndim = (size_t)tensor->ndim;
    options.dtype = ADIT_DTYPE_F64;
    while (status == ADIT_OK && start[0] < tensor->shape[0]) {
        const int64_t rest = tensor->shape[0] - start[0];
        shape[0] = rest < together ? rest : together;
        const uint64_t count = (uint64_t)(shape[0] * width);
        status = adit_array_read(array, &options, values, count * sizeof *values, NULL, &err);
        for (uint64_t i = 0; status == ADIT_OK && i < count; i++)
            sum += values[i];
        start[0] += shape[0];
    }
    free(values);
    if (status != ADIT_OK)
        return fail("mean", status, err);
    *mean = sum / (double)(tensor->shape[0] * width);
    return 0;
}

static int edit(adit_array *array, const char *out, long long first, long long count)
{
    adit_error *err = NULL;
    adit_tensor tensor;
    double before = 0, after = 0;
    uint64_t nbytes = 0;
    void *elements = NULL;

    adit_status status = adit_array_tensor(array, &tensor, &err);
    if (status != ADIT_OK)
        return fail("array", status, err);
    if (tensor.ndim == 0 || tensor.nbytes == 0 || !(tensor.flags & ADIT_TENSOR_CONTIGUOUS)) {
        fprintf(stderr, "an array with rows, in C order, is needed\n");
        return -1;
    }
    if (first < 0 || count < 0 || first > tensor.shape[0] || count > tensor.shape[0] - first) {
        fprintf(stderr, "the array has %lld rows\n", (long long)tensor.shape[0]);
        return -1;
    }
    if (mean_of(array, &tensor, &before) != 0)
        return -1;
    status = adit_array_data_mut(array, &elements, &nbytes, &err);
    if (status != ADIT_OK)
        return fail("write", status, err);
    const uint64_t row = nbytes / (uint64_t)tensor.shape[0];
    memset((char *)elements + (uint64_t)first * row, 0, (size_t)((uint64_t)count * row));
    if (mean_of(array, &tensor, &after) != 0)
        return -1;
    status = adit_array_save_as(array, out, NULL, NULL, NULL, &err);
    if (status != ADIT_OK)
        return fail("save", status, err);
    printf("%lld rows of %s cleared: mean %.6g before, %.6g after\n", count,
           adit_dtype_name(tensor.dtype), before, after);
    return 0;
}

int main(int argc, char **argv)
{
    adit_array_options options = ADIT_ARRAY_OPTIONS_INIT;
    adit_array *array = NULL;
    adit_error *err = NULL;
    adit_status status;
    int result;

    if (argc != 5) {
        fprintf(stderr, "usage: edit_array in.npy out.npy first count\n");
        return 2;
    }
    options.mode = ADIT_ARRAY_COPY_ON_WRITE;
    status = adit_array_open(argv[1], &options, &array, &err);
    if (status != ADIT_OK)
        result = fail("open", status, err);
    else
        result = edit(array, argv[2], atoll(argv[3]), atoll(argv[4]));
    adit_array_close(array);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
