/* Options of models and their writers: structs with their size in the first field. */
#include "option_kinds.h"

static void model_init(void *options, size_t size) {
    adit_model_options_init((adit_model_options *)options, size);
}

static adit_status model_use(const void *options) {
    adit_model *model = NULL;
    const adit_model_options *own = (const adit_model_options *)options;
    adit_status status = adit_model_open(data_path("gguf/kv_only.gguf"), own, &model, &err);
    CHECK((status == ADIT_OK) == (model != NULL));
    adit_model_close(model);
    return status;
}

static adit_status model_data_use(const void *options) {
    adit_model *model = NULL;
    adit_data *data = NULL;
    const adit_model_options *own = (const adit_model_options *)options;
    EXPECT_OK(adit_data_open(data_path("gguf/kv_only.gguf"), NULL, &data, &err));
    const adit_data *given = data;
    adit_status status = adit_model_from_data(&given, 1, own, &model, &err);
    CHECK((status == ADIT_OK) == (model != NULL));
    adit_model_close(model);
    adit_data_close(data);
    return status;
}

static void model_read_init(void *options, size_t size) {
    adit_model_read_options_init((adit_model_read_options *)options, size);
}

static adit_status model_read_use(const void *options) {
    adit_model *model = NULL;
    const adit_model_read_options *own = (const adit_model_read_options *)options;
    float elements[15];
    uint64_t nbytes = 0;
    adit_tensor tensor;
    adit_error *first = NULL;
    EXPECT_OK(adit_model_open(data_path("gguf/tensors_only.gguf"), NULL, &model, &err));
    const adit_status size = adit_model_read_size(model, 0, own, &nbytes, &first);
    adit_error_free(first);
    adit_status status = adit_model_read(model, 0, own, elements, sizeof elements, &tensor, &err);
    CHECK((status == ADIT_OK) == (tensor.data == elements) && size == status);
    adit_model_close(model);
    return status;
}

static void model_verify_init(void *options, size_t size) {
    adit_model_verify_options_init((adit_model_verify_options *)options, size);
}

static adit_status model_verify_use(const void *options) {
    adit_model *model = NULL;
    adit_model_verification found = ADIT_MODEL_VERIFICATION_INIT;
    const adit_model_verify_options *own = (const adit_model_verify_options *)options;
    EXPECT_OK(adit_model_open(data_path("gguf/tensors_only.gguf"), NULL, &model, &err));
    adit_status status = adit_model_verify(model, own, NULL, NULL, &found, &err);
    CHECK((status == ADIT_OK) == (found.tensors == 6));
    adit_model_close(model);
    return status;
}

static void model_writer_init(void *options, size_t size) {
    adit_model_writer_options_init((adit_model_writer_options *)options, size);
}

static adit_status model_writer_use(const void *options) {
    adit_model_writer *writer = NULL;
    const adit_model_writer_options *own = (const adit_model_writer_options *)options;
    adit_status status = adit_model_writer_create(scratch_path("m.st"), own, &writer, &err);
    CHECK((status == ADIT_OK) == (writer != NULL));
    adit_model_writer_close(writer);
    return status;
}

static void options(void) {
    const adit_model_options model = ADIT_MODEL_OPTIONS_INIT;
    const adit_model_read_options model_read = ADIT_MODEL_READ_OPTIONS_INIT;
    const adit_model_verify_options verify = ADIT_MODEL_VERIFY_OPTIONS_INIT;
    const adit_model_writer_options model_writer = ADIT_MODEL_WRITER_OPTIONS_INIT;
    const kind kinds[] = {
        { "model", sizeof model, &model, model_init, model_use, 20 },
        { "model of data", sizeof model, &model, model_init, model_data_use, 20 },
        { "model read", sizeof model_read, &model_read, model_read_init, model_read_use, 52 },
        { "verify", sizeof verify, &verify, model_verify_init, model_verify_use, 28 },
        { "model writer", sizeof model_writer, &model_writer, model_writer_init, model_writer_use,
          20 },
    };
    CHECK_EQ(sizeof model, 56);
    CHECK_EQ(sizeof model_read, 88);
    CHECK_EQ(sizeof verify, 64);
    CHECK_EQ(sizeof model_writer, 56);
    check_kinds(kinds, sizeof kinds / sizeof kinds[0]);
}

/* The options inside of options, and the enumerators and flags in them. */
static void fields(void) {
    adit_data_options data = ADIT_DATA_OPTIONS_INIT;
    adit_model_options model = ADIT_MODEL_OPTIONS_INIT;
    adit_model_read_options read = ADIT_MODEL_READ_OPTIONS_INIT;
    adit_model_verify_options verify = ADIT_MODEL_VERIFY_OPTIONS_INIT;
    model.data = &data;
    EXPECT_OK(model_use(&model));
    EXPECT_ERROR(model_data_use(&model), ADIT_ERR_INVALID_ARGUMENT, "options->data");
    data.backend = 3;
    EXPECT_ERROR(model_use(&model), ADIT_ERR_INVALID_ARGUMENT, "options->backend");
    data.struct_size = 3;
    EXPECT_ERROR(model_use(&model), ADIT_ERR_INVALID_ARGUMENT, "struct_size is 3");
    model.data = NULL;
    model.flags = ADIT_MODEL_RAW | ADIT_MODEL_VERIFY;
    EXPECT_OK(model_use(&model));
    EXPECT_OK(model_data_use(&model));
    for (uint32_t bit = 2; bit < 32; bit++) {
        model.flags = verify.flags = 1u << bit;
        EXPECT_ERROR(model_use(&model), ADIT_ERR_UNSUPPORTED, "options->flags");
        EXPECT_ERROR(model_data_use(&model), ADIT_ERR_UNSUPPORTED, "options->flags");
        EXPECT_ERROR(model_verify_use(&verify), ADIT_ERR_UNSUPPORTED, "options->flags");
    }
    verify.flags = ADIT_VERIFY_NON_FINITE | ADIT_VERIFY_SCALES;
    EXPECT_OK(model_verify_use(&verify));
    read.io = 4;
    EXPECT_ERROR(model_read_use(&read), ADIT_ERR_INVALID_ARGUMENT, "options->io is 4");
    read.io = ADIT_IO_DIRECT;
    EXPECT_ERROR(model_read_use(&read), ADIT_ERR_UNSUPPORTED, "options->io is ADIT_IO_DIRECT");
    read.io = ADIT_IO_MAP;
    read.dtype = 77;
    EXPECT_ERROR(model_read_use(&read), ADIT_ERR_DTYPE, "77 is no dtype");
    read.dtype = ADIT_DTYPE_BF16;
    read.flags = ADIT_STORE_STREAMING;
    EXPECT_ERROR(model_read_use(&read), ADIT_ERR_UNSUPPORTED, "options->flags");
    read.flags = ADIT_CONVERT_SATURATE;
    EXPECT_OK(model_read_use(&read));

    adit_model_writer_options model_writer = ADIT_MODEL_WRITER_OPTIONS_INIT;
    model_writer.flags = 2;
    EXPECT_ERROR(model_writer_use(&model_writer), ADIT_ERR_UNSUPPORTED, "options->flags");
    model_writer.flags = ADIT_MODEL_WRITER_NO_REPLACE;
    model_writer.shard_bytes = UINT64_MAX;
    EXPECT_OK(model_writer_use(&model_writer));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    options();
    fields();
    return check_end();
}
