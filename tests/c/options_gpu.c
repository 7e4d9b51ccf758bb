/* Options of GPUs, and what the library tells of them: structs with their size in the first field. */
#include "gpus.h"
#include "option_kinds.h"

static void gpu_init(void *options, size_t size) {
    adit_gpu_options_init((adit_gpu_options *)options, size);
}

static adit_status gpu_use(const void *options) {
    adit_gpu *gpu = NULL;
    adit_status status = adit_gpu_open((const adit_gpu_options *)options, &gpu, &err);
    CHECK((status == ADIT_OK) == (gpu != NULL));
    adit_gpu_close(gpu);
    return status;
}

static adit_gpu *opened;
static adit_model *model;

static void model_init(void *options, size_t size) {
    adit_gpu_model_options_init((adit_gpu_model_options *)options, size);
}

static adit_status model_use(const void *options) {
    adit_gpu_model *uploaded = NULL;
    adit_status status = adit_gpu_upload_model(
        opened, model, (const adit_gpu_model_options *)options, NULL, &uploaded, NULL, &err);
    CHECK((status == ADIT_OK) == (uploaded != NULL));
    adit_gpu_model_free(uploaded);
    return status;
}

/* As much is written as the size says, and never the size. */
static void filled(adit_status (*fill)(adit_gpu_info *info)) {
    adit_gpu_info whole = ADIT_GPU_INFO_INIT;
    CHECK_INT(fill(&whole), ADIT_OK);
    for (size_t some = 8; some <= sizeof whole; some += 8) {
        adit_gpu_info part;
        memset(&part, 0xa5, sizeof part);
        part.struct_size = some;
        CHECK_INT(fill(&part), ADIT_OK);
        CHECK_EQ(part.struct_size, some);
        CHECK_BYTES((const char *)&part + 8, (const char *)&whole + 8, some - 8);
        for (size_t at = some; at < sizeof part; at++)
            CHECK_EQ(((const unsigned char *)&part)[at], 0xa5);
    }
    adit_gpu_info wrong = ADIT_GPU_INFO_INIT;
    wrong.struct_size = 3;
    CHECK_INT(fill(&wrong), ADIT_ERR_INVALID_ARGUMENT);
}

static adit_status of_opened(adit_gpu_info *info) { return adit_gpu_get_info(opened, info, NULL); }

static adit_status of_first(adit_gpu_info *info) { return adit_gpu_enumerate(0, info, NULL); }

/* Likewise of a tensor's place. */
static void places(void) {
    adit_gpu_model *uploaded = NULL;
    adit_gpu_tensor whole = ADIT_GPU_TENSOR_INIT;
    EXPECT_OK(adit_gpu_upload_model(opened, model, NULL, NULL, &uploaded, NULL, &err));
    EXPECT_OK(adit_gpu_model_tensor(uploaded, 1, 0, &whole, &err));
    CHECK_EQ(sizeof whole, 120);
    for (size_t some = 8; some <= sizeof whole; some += 4) {
        adit_gpu_tensor part;
        memset(&part, 0xa5, sizeof part);
        part.struct_size = some;
        EXPECT_OK(adit_gpu_model_tensor(uploaded, 1, 0, &part, &err));
        CHECK_EQ(part.struct_size, some);
        CHECK_BYTES((const char *)&part + 8, (const char *)&whole + 8, some - 8);
        for (size_t at = some; at < sizeof part; at++)
            CHECK_EQ(((const unsigned char *)&part)[at], 0xa5);
    }
    whole.struct_size = 4;
    EXPECT_ERROR(adit_gpu_model_tensor(uploaded, 1, 0, &whole, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "tensor->struct_size is 4");
    adit_gpu_model_free(uploaded);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const adit_gpu_options gpu = ADIT_GPU_OPTIONS_INIT;
    const adit_gpu_model_options gpu_model = ADIT_GPU_MODEL_OPTIONS_INIT;
    const kind kinds[] = {
        { "gpu", sizeof gpu, &gpu, gpu_init, gpu_use, 40 },
        { "gpu model", sizeof gpu_model, &gpu_model, model_init, model_use, 32 },
    };
    CHECK_EQ(sizeof gpu, 72);
    CHECK_EQ(sizeof gpu_model, 64);
    EXPECT_OK(adit_gpu_open(NULL, &opened, &err));
    EXPECT_OK(adit_model_open(data_path("gguf/align_64.gguf"), NULL, &model, &err));
    check_kinds(kinds, sizeof kinds / sizeof kinds[0]);
    places();
    filled(of_opened);
    if (getenv("ADIT_TEST_VALGRIND") == NULL) filled(of_first);
    adit_model_close(model);
    adit_gpu_close(opened);
    return check_end();
}
