/*
 * Uploads a model, or an array, to a graphics card, and reads it back to see that it is there.
 *
 *     upload FILE       a .safetensors, .index.json, .gguf or .npy file
 *
 * f16, bf16, Q8_0 and Q4_0 become f32 on the card; everything else goes as it is. What is read back
 * is compared with what the CPU makes of the same tensors, bit by bit. The environment variable
 * ADIT_GPU says which card: a number, a kind (discrete, integrated, software), a part of its name.
 */
#define _POSIX_C_SOURCE 199309L

#include <adit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Tensors on the card: a buffer for each. */
typedef struct upload {
    adit_gpu *gpu;
    adit_model *model;
    adit_array *array; /* Where the file is no model. */
    size_t count, converted;
    adit_gpu_buffer **buffers;
    adit_load_items *items;
} upload;

static adit_error *err;

static int fail(const char *what, adit_status status)
{
    fprintf(stderr, "%s: %s: %s\n", what, adit_status_name(status), adit_error_message(err));
    adit_error_free(err);
    return 1;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static adit_status open_file(upload *own, const char *path)
{
    adit_status status = adit_model_open(path, NULL, &own->model, &err);
    own->count = adit_model_len(own->model);
    if (status != ADIT_ERR_WRONG_FORMAT)
        return status;
    adit_error_free(err);
    own->count = 1;
    return adit_array_open(path, NULL, &own->array, &err);
}

static adit_status add(const upload *own, adit_load_items *items, size_t index,
                       const adit_load_item_options *options)
{
    if (own->model != NULL)
        return adit_load_items_add_model(items, own->model, index, options, &err);
    return adit_load_items_add_array(items, own->array, options, &err);
}

/* What tensor `index` becomes on the card, and what the options of its item ask for. */
static adit_status plan(const upload *own, size_t index, adit_load_item_options *options,
                        adit_tensor *becomes)
{
    adit_load_items *one = NULL;
    adit_status status = adit_load_items_new(&one, &err);
    if (status == ADIT_OK)
        status = add(own, one, index, NULL);
    if (status == ADIT_OK)
        status = adit_load_items_tensor(one, 0, becomes, &err);
    const int32_t dtype = becomes->dtype;
    if (status == ADIT_OK && (dtype == ADIT_DTYPE_F16 || dtype == ADIT_DTYPE_BF16 ||
                              dtype == ADIT_DTYPE_Q8_0 || dtype == ADIT_DTYPE_Q4_0)) {
        options->dtype = ADIT_DTYPE_F32;
        status = add(own, one, index, options);
        if (status == ADIT_OK)
            status = adit_load_items_tensor(one, 1, becomes, &err);
    }
    adit_load_items_free(one);
    return status;
}

/* Makes the buffers and lists what goes into them. */
static adit_status list(upload *own)
{
    own->buffers = (adit_gpu_buffer **)calloc(own->count + 1, sizeof *own->buffers);
    if (own->buffers == NULL)
        abort();
    adit_status status = adit_load_items_new(&own->items, &err);
    for (size_t index = 0; status == ADIT_OK && index < own->count; index++) {
        adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
        adit_tensor becomes;
        status = plan(own, index, &options, &becomes);
        if (status == ADIT_OK)
            status = adit_gpu_buffer_create(own->gpu, becomes.nbytes, &own->buffers[index], &err);
        options.gpu_buffer = own->buffers[index];
        if (status == ADIT_OK)
            status = add(own, own->items, index, &options);
        own->converted += options.dtype != ADIT_DTYPE_NONE;
    }
    return status;
}

/* Reads tensor `index` back from the card, and lets the CPU make the same; whether they are alike. */
static adit_status compare(const upload *own, size_t index, int *alike)
{
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_load_items *one = NULL;
    adit_tensor becomes;
    adit_status status = plan(own, index, &options, &becomes);
    *alike = status == ADIT_OK;
    if (status != ADIT_OK || becomes.nbytes == 0)
        return status;
    const size_t nbytes = (size_t)becomes.nbytes;
    void *from_card = malloc(nbytes), *from_cpu = malloc(nbytes);
    if (from_card == NULL || from_cpu == NULL)
        abort();
    options.dst = from_cpu;
    options.dst_bytes = becomes.nbytes;
    status = adit_load_items_new(&one, &err);
    if (status == ADIT_OK)
        status = add(own, one, index, &options);
    if (status == ADIT_OK)
        status = adit_load(one, NULL, NULL, NULL, &err);
    if (status == ADIT_OK)
        status = adit_gpu_download(own->buffers[index], 0, from_card, nbytes, &err);
    *alike = status == ADIT_OK && memcmp(from_card, from_cpu, nbytes) == 0;
    adit_load_items_free(one);
    free(from_card);
    free(from_cpu);
    return status;
}

static adit_status print_adapter(const adit_gpu *gpu)
{
    static const char *const kinds[] = { "other", "integrated", "discrete", "virtual", "software" };
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    adit_status status = adit_gpu_get_info(gpu, &info, &err);
    if (status == ADIT_OK)
        printf("%s (%s, %s, driver %s %s), %.1f GiB, %s\n", info.name, info.backend,
               info.kind >= 0 && info.kind < 5 ? kinds[info.kind] : "?", info.driver,
               info.driver_info, (double)info.memory_bytes / (1 << 30),
               info.direct ? "written in place" : "through staging buffers");
    return status;
}

static int run(upload *own, const char *path)
{
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    uint64_t on_card = 0;
    size_t differing = 0;

    adit_status status = open_file(own, path);
    if (status == ADIT_OK)
        status = print_adapter(own->gpu);
    if (status == ADIT_OK)
        status = list(own);
    if (status != ADIT_OK)
        return fail(path, status);

    const double start = seconds();
    /* Without a place for a ticket it returns when the card has everything. */
    status = adit_gpu_upload_items(own->items, NULL, &stats, NULL, &err);
    const double uploaded = seconds();
    if (status != ADIT_OK)
        return fail("upload", status);
    for (size_t index = 0; index < own->count; index++) {
        int alike = 0;
        status = compare(own, index, &alike);
        if (status != ADIT_OK)
            return fail("read back", status);
        differing += !alike;
        on_card += adit_gpu_buffer_size(own->buffers[index]);
    }
    const double compared = seconds();
    printf("%zu tensors, %llu bytes uploaded in %.2f ms (%.2f MB/s)\n", own->count,
           (unsigned long long)stats.bytes, (uploaded - start) * 1e3,
           (double)stats.bytes / (uploaded - start) / 1e6);
    printf("%zu of them became f32 on the card, where all take %llu bytes\n", own->converted,
           (unsigned long long)on_card);
    printf("read back and compared in %.2f ms: %zu differ from what the CPU makes of them\n",
           (compared - uploaded) * 1e3, differing);
    return differing > 0;
}

int main(int argc, char **argv)
{
    adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
    upload own = { NULL, NULL, NULL, 0, 0, NULL, NULL };
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    options.select = ADIT_GPU_SELECT_ENVIRONMENT;
    /* The host's conversions are what the card's are compared with here. */
    options.converter = ADIT_GPU_CONVERTER_CARD;
    const adit_status status = adit_gpu_open(&options, &own.gpu, &err);
    if (status == ADIT_ERR_NO_GPU || status == ADIT_ERR_UNSUPPORTED) {
        printf("nothing uploaded: %s\n", adit_error_message(err));
        adit_error_free(err);
        return 0;
    }
    if (status != ADIT_OK)
        return fail("adit_gpu_open", status);
    const int result = run(&own, argv[1]);
    for (size_t index = 0; own.buffers != NULL && index < own.count; index++)
        adit_gpu_buffer_free(own.buffers[index]);
    free(own.buffers);
    adit_load_items_free(own.items);
    adit_array_close(own.array);
    adit_model_close(own.model);
    adit_gpu_close(own.gpu);
    return result;
}
