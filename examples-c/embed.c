/*
 * The first layers of a real model: BERT's embeddings and the queries of its first attention.
 *
 *     embed model token ...
 *
 * For each token number, a word's, a position's and a type's embedding are added and normalised
 * (LayerNorm), then multiplied with the query weights of layer 0. Weights in f32 are used where
 * they lie in the mapped file, without a copy; others (f16, bf16, quantised) are read as f32: of the
 * large tables of embeddings only the rows that are needed. Prints a line for each token: the
 * length of its query and its first values.
 *
 * Made for all-MiniLM-L6-v2, as safetensors or GGUF with the same names.
 */
#include <adit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN 4

/* BERT's own. */
static const double epsilon = 1e-12;

static int fail(const char *doing, adit_status status, adit_error *err)
{
    fprintf(stderr, "%s: %s\n", doing, adit_status_name(status));
    if (err != NULL)
        fprintf(stderr, "  %s\n", adit_error_message(err));
    adit_error_free(err);
    return -1;
}

/* Rows of a weight: borrowed from the model, or in `own`. */
typedef struct weight {
    const float *values;
    float *own;
    int64_t rows, columns;
} weight;

/*
 * Takes `count` rows from row `first` on of the tensor called `name`; all of it if `count` is 0. A
 * tensor of one dimension is one row. To be freed.
 */
static int take(const adit_model *model, const char *name, uint64_t first, uint64_t count, weight *to)
{
    adit_model_read_options options = ADIT_MODEL_READ_OPTIONS_INIT;
    adit_error *err = NULL;
    adit_tensor tensor;
    int64_t shape[2] = {1, 1};
    size_t index, ndim = 0;
    uint64_t nbytes = 0;
    adit_status status = adit_model_find(model, name, &index, &err);

    to->own = NULL;
    if (status == ADIT_OK)
        status = adit_model_shape(model, index, shape, 2, &ndim, &err);
    if (status == ADIT_OK && ndim == 1) {
        shape[1] = shape[0];
        shape[0] = 1;
    }
    if (status == ADIT_OK && (ndim == 0 || ndim > 2 || shape[1] == 0))
        status = ADIT_ERR_SHAPE;
    if (status == ADIT_OK && count == 0)
        count = (uint64_t)shape[0];
    if (status == ADIT_OK && (first > (uint64_t)shape[0] || count > (uint64_t)shape[0] - first))
        status = ADIT_ERR_OUT_OF_RANGE;
    if (status != ADIT_OK)
        return fail(name, status, err);
    to->rows = (int64_t)count;
    to->columns = shape[1];

    status = adit_model_tensor(model, index, 0, &tensor, &err);
    if (status == ADIT_OK && tensor.dtype == ADIT_DTYPE_F32) {
        to->values = (const float *)tensor.data + first * (uint64_t)shape[1];
        return 0;
    }
    /* Misaligned, or of another dtype. */
    adit_error_free(err);
    options.dtype = ADIT_DTYPE_F32;
    if (ndim == 2) {
        options.row_start = first;
        options.row_count = count;
    }
    status = adit_model_read_size(model, index, &options, &nbytes, &err);
    if (status == ADIT_OK) {
        to->own = (float *)malloc((size_t)nbytes + 1);
        if (to->own == NULL)
            return fail(name, ADIT_ERR_OUT_OF_MEMORY, NULL);
        status = adit_model_read(model, index, &options, to->own, nbytes, NULL, &err);
    }
    to->values = to->own;
    return status == ADIT_OK ? 0 : fail(name, status, err);
}

/* Adds row `row` of a table to `x`. */
static int add_row(const adit_model *model, const char *table, uint64_t row, float *x, int64_t n)
{
    weight rows = {NULL, NULL, 0, 0};
    int result = take(model, table, row, 1, &rows);
    if (result == 0 && rows.columns != n)
        result = fail(table, ADIT_ERR_SHAPE, NULL);
    for (int64_t i = 0; result == 0 && i < n; i++)
        x[i] += rows.values[i];
    free(rows.own);
    return result;
}

static void layer_norm(float *x, int64_t n, const float *scale, const float *bias)
{
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    variance /= (double)n;
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((x[i] - mean) / sqrt(variance + epsilon)) * scale[i] + bias[i];
}

/* The query of one token: its embedding, then a row of the product with each row of the weights. */
static int query_of(const adit_model *model, uint64_t token, uint64_t position, const weight norm[2],
                    const weight query[2], float *x)
{
    const int64_t n = norm[0].columns;
    double length = 0;
    for (int64_t i = 0; i < n; i++)
        x[i] = 0;
    if (add_row(model, "embeddings.word_embeddings.weight", token, x, n) != 0 ||
        add_row(model, "embeddings.position_embeddings.weight", position, x, n) != 0 ||
        add_row(model, "embeddings.token_type_embeddings.weight", 0, x, n) != 0)
        return -1;
    layer_norm(x, n, norm[0].values, norm[1].values);
    printf("%llu", (unsigned long long)token);
    for (int64_t row = 0; row < query[0].rows; row++) {
        const float *weights = query[0].values + row * n;
        double sum = query[1].values[row];
        for (int64_t i = 0; i < n; i++)
            sum += (double)weights[i] * x[i];
        length += sum * sum;
        if (row < SHOWN)
            printf(" %.6f", sum);
    }
    printf(" |%.6f|\n", sqrt(length));
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[4] = {
        "embeddings.LayerNorm.weight",
        "embeddings.LayerNorm.bias",
        "encoder.layer.0.attention.self.query.weight",
        "encoder.layer.0.attention.self.query.bias",
    };
    weight weights[4] = {{NULL, NULL, 0, 0}, {NULL, NULL, 0, 0}, {NULL, NULL, 0, 0}, {NULL, NULL, 0, 0}};
    adit_model *model = NULL;
    adit_error *err = NULL;
    float *x = NULL;
    int result = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: embed model token ...\n");
        return 2;
    }
    const adit_status status = adit_model_open(argv[1], NULL, &model, &err);
    if (status != ADIT_OK)
        return fail(argv[1], status, err) != 0;
    for (int i = 0; result == 0 && i < 4; i++)
        result = take(model, names[i], 0, 0, &weights[i]);
    const int64_t n = weights[0].columns;
    if (result == 0 && (weights[1].columns != n || weights[2].columns != n ||
                        weights[3].columns != weights[2].rows))
        result = fail("weights", ADIT_ERR_SHAPE, NULL);
    if (result == 0) {
        x = (float *)malloc((size_t)n * sizeof *x);
        if (x == NULL)
            result = fail("memory", ADIT_ERR_OUT_OF_MEMORY, NULL);
    }
    for (int i = 2; result == 0 && i < argc; i++)
        result = query_of(model, strtoull(argv[i], NULL, 10), (uint64_t)(i - 2), weights, weights + 2, x);
    free(x);
    for (int i = 0; i < 4; i++)
        free(weights[i].own);
    adit_model_close(model);
    return result != 0;
}
