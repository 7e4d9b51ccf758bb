/* Structs that the library fills, with their size in the first field. */
#include "sized.h"

typedef struct outputs {
    adit_data *data;
    adit_record_reader *reader;
    adit_record_schema *schema;
    adit_array *array;
    adit_model *model;
} outputs;

typedef adit_status (*fill)(const outputs *own, void *to);

static adit_status fill_residency(const outputs *own, void *to) {
    return adit_data_residency(own->data, 0, ADIT_TO_END, (adit_residency *)to, &err);
}

static adit_status fill_verification(const outputs *own, void *to) {
    adit_record_verification *found = (adit_record_verification *)to;
    return adit_record_reader_verify(own->reader, NULL, NULL, found, &err);
}

static adit_status fill_field(const outputs *own, void *to) {
    return adit_record_schema_field(own->schema, 0, (adit_record_field *)to, &err);
}

static adit_status fill_info(const outputs *own, void *to) {
    return adit_array_get_info(own->array, (adit_array_info *)to, &err);
}

static adit_status fill_model_info(const outputs *own, void *to) {
    return adit_model_get_info(own->model, (adit_model_info *)to, &err);
}

static adit_status fill_tensor_info(const outputs *own, void *to) {
    return adit_model_get_tensor_info(own->model, 1, (adit_model_tensor_info *)to, &err);
}

static adit_status fill_model_verification(const outputs *own, void *to) {
    adit_model_verification *found = (adit_model_verification *)to;
    return adit_model_verify(own->model, NULL, NULL, NULL, found, &err);
}

static adit_status fill_model_residency(const outputs *own, void *to) {
    return adit_model_residency(own->model, NULL, ADIT_MODEL_ALL, (adit_residency *)to, &err);
}

static adit_status fill_load(const outputs *own, void *to) {
    adit_arena *arena = NULL;
    adit_load_items *items = NULL;
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_load_items_add_array(items, own->array, NULL, &err));
    adit_status status = adit_load(items, NULL, &arena, (adit_load_stats *)to, &err);
    adit_arena_free(arena);
    adit_load_items_free(items);
    return status;
}

static adit_status fill_recovery(const outputs *own, void *to) {
    const char *from = data_path("rrec/unfinished_zero_tail.rrec");
    (void)own;
    remove(scratch_path("saved.rrec"));
    return adit_record_recover(from, scratch_path("saved.rrec"), NULL, NULL, NULL,
                               (adit_record_recovery *)to, &err);
}

/* Of a struct to be filled, as much is written as its size says, and never its size. */
static void filled(const char *name, size_t size, fill call, const outputs *own) {
    space whole, part;
    const size_t bytes = sizeof whole;
    printf("%s\n", name);
    memset(&whole, 0xa5, bytes);
    whole.size = size;
    EXPECT_OK(call(own, &whole));
    CHECK_EQ(whole.size, size);
    for (size_t at = size; at < bytes; at++) CHECK(whole.bytes[at] == 0xa5);
    for (size_t some = 8; some <= size; some += 4) {
        memset(&part, 0xa5, bytes);
        part.size = some;
        EXPECT_OK(call(own, &part));
        CHECK_EQ(part.size, some);
        CHECK_BYTES(part.bytes + 8, whole.bytes + 8, some - 8);
        for (size_t at = some; at < bytes; at++) CHECK(part.bytes[at] == 0xa5);
    }
    memset(&part, 0xa5, bytes);
    part.size = bytes;
    EXPECT_OK(call(own, &part));
    CHECK_EQ(part.size, bytes);
    CHECK_BYTES(part.bytes + 8, whole.bytes + 8, size - 8);
    CHECK(part.bytes[size] == 0xa5);
    for (size_t wrong = 0; wrong < 8; wrong++) {
        memset(&part, 0xa5, bytes);
        part.size = wrong;
        EXPECT_ERROR(call(own, &part), ADIT_ERR_INVALID_ARGUMENT, "->struct_size");
        CHECK_EQ(part.size, wrong);
        CHECK_EQ(part.bytes[8], 0xa5);
    }
}

static void filled_structs(void) {
    outputs own = { NULL, NULL, NULL, NULL, NULL };
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &own.data, &err));
    EXPECT_OK(adit_record_reader_from_data(own.data, NULL, &own.reader, &err));
    EXPECT_OK(adit_record_reader_schema(own.reader, &own.schema, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &own.array, &err));
    /* Every page in memory, so that residency is the same each time. */
    const volatile char *bytes = (const volatile char *)adit_data_bytes(own.data);
    CHECK(bytes[0] == 'R');
    filled("residency", sizeof(adit_residency), fill_residency, &own);
    adit_data_options read = ADIT_DATA_OPTIONS_INIT;
    adit_model_options options = ADIT_MODEL_OPTIONS_INIT;
    read.backend = ADIT_BACKEND_READ;
    options.data = &read;
    EXPECT_OK(adit_model_open(data_path("gguf/align_64.gguf"), &options, &own.model, &err));
    filled("model", sizeof(adit_model_info), fill_model_info, &own);
    filled("tensor of a model", sizeof(adit_model_tensor_info), fill_tensor_info, &own);
    filled("model verification", sizeof(adit_model_verification), fill_model_verification, &own);
    filled("model residency", sizeof(adit_residency), fill_model_residency, &own);
    adit_model_close(own.model);
    filled("verification", sizeof(adit_record_verification), fill_verification, &own);
    filled("field", sizeof(adit_record_field), fill_field, &own);
    filled("info", sizeof(adit_array_info), fill_info, &own);
    filled("load", sizeof(adit_load_stats), fill_load, &own);
    filled("recovery", sizeof(adit_record_recovery), fill_recovery, &own);

    const adit_residency residency = ADIT_RESIDENCY_INIT;
    const adit_record_verification verification = ADIT_RECORD_VERIFICATION_INIT;
    const adit_record_field field = ADIT_RECORD_FIELD_INIT;
    const adit_array_info info = ADIT_ARRAY_INFO_INIT;
    const adit_record_recovery recovery = ADIT_RECORD_RECOVERY_INIT;
    CHECK_EQ(residency.struct_size, 32);
    CHECK_EQ(verification.struct_size, 32);
    CHECK_EQ(field.struct_size, 96);
    CHECK_EQ(info.struct_size, 48);
    const adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    CHECK_EQ(stats.struct_size, 40);
    CHECK_EQ(recovery.struct_size, 40);
    const adit_model_info model = ADIT_MODEL_INFO_INIT;
    const adit_model_tensor_info tensor = ADIT_MODEL_TENSOR_INFO_INIT;
    const adit_model_verification verified = ADIT_MODEL_VERIFICATION_INIT;
    CHECK_EQ(model.struct_size, 40);
    CHECK_EQ(tensor.struct_size, 56);
    CHECK_EQ(verified.struct_size, 32);
    adit_array_close(own.array);
    adit_record_schema_free(own.schema);
    adit_record_reader_close(own.reader);
    adit_data_close(own.data);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    filled_structs();
    return check_end();
}
