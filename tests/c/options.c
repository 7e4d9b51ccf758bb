/* Options of data, records, arrays and loads: structs with their size in the first field. */
#include "option_kinds.h"

static void data_init(void *options, size_t size) {
    adit_data_options_init((adit_data_options *)options, size);
}

static adit_status data_use(const void *options) {
    adit_data *data = NULL;
    const char *path = data_path("rrec/basic_3x4.rrec");
    adit_status status = adit_data_open(path, (const adit_data_options *)options, &data, &err);
    CHECK((status == ADIT_OK) == (data != NULL));
    adit_data_close(data);
    return status;
}

static adit_status data_fd_use(const void *options) {
    adit_data *data = NULL;
    int fd = open(data_path("rrec/basic_3x4.rrec"), O_RDONLY);
    const adit_data_options *own = (const adit_data_options *)options;
    adit_status status = adit_data_open_fd(fd, 0, ADIT_TO_END, own, &data, &err);
    CHECK((status == ADIT_OK) == (data != NULL));
    adit_data_close(data);
    close(fd);
    return status;
}

static void writer_init(void *options, size_t size) {
    adit_record_writer_options_init((adit_record_writer_options *)options, size);
}

static adit_status writer_use(const void *options) {
    adit_record_writer *writer = NULL;
    const adit_record_writer_options *own = (const adit_record_writer_options *)options;
    adit_status status = adit_record_writer_create(scratch_path("x.rrec"), own, &writer, &err);
    CHECK((status == ADIT_OK) == (writer != NULL));
    adit_record_writer_close(writer);
    return status;
}

static adit_status arec_writer_use(const void *options) {
    adit_record_writer *writer = NULL;
    const adit_record_writer_options *own = (const adit_record_writer_options *)options;
    adit_status status = adit_record_writer_create(scratch_path("x.arec"), own, &writer, &err);
    CHECK((status == ADIT_OK) == (writer != NULL));
    adit_record_writer_close(writer);
    return status;
}

static void item_init(void *options, size_t size) {
    adit_load_item_options_init((adit_load_item_options *)options, size);
}

/* One array's worth of items. */
static adit_load_items *items_with(const adit_load_item_options *options, adit_status *status) {
    adit_load_items *items = NULL;
    adit_array *array = NULL;
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    *status = adit_load_items_add_array(items, array, options, &err);
    CHECK_EQ(adit_load_items_len(items), *status == ADIT_OK);
    adit_array_close(array);
    return items;
}

static adit_status item_use(const void *options) {
    adit_status status;
    adit_load_items_free(items_with((const adit_load_item_options *)options, &status));
    return status;
}

static void load_init(void *options, size_t size) {
    adit_load_options_init((adit_load_options *)options, size);
}

static adit_status load_use(const void *options) {
    adit_status status;
    adit_arena *arena = NULL;
    adit_load_items *items = items_with(NULL, &status);
    CHECK_INT(status, ADIT_OK);
    status = adit_load(items, (const adit_load_options *)options, &arena, NULL, &err);
    CHECK((status == ADIT_OK) == (arena != NULL));
    adit_arena_free(arena);
    adit_load_items_free(items);
    return status;
}

static void reader_init(void *options, size_t size) {
    adit_record_reader_options_init((adit_record_reader_options *)options, size);
}

static adit_status reader_use(const void *options) {
    adit_record_reader *reader = NULL;
    const adit_record_reader_options *own = (const adit_record_reader_options *)options;
    const char *path = data_path("rrec/basic_3x4.rrec");
    adit_status status = adit_record_reader_open(path, own, &reader, &err);
    CHECK((status == ADIT_OK) == (reader != NULL));
    adit_record_reader_close(reader);
    return status;
}

static adit_status reader_data_use(const void *options) {
    adit_record_reader *reader = NULL;
    adit_data *data = NULL;
    const adit_record_reader_options *own = (const adit_record_reader_options *)options;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &err));
    adit_status status = adit_record_reader_from_data(data, own, &reader, &err);
    CHECK((status == ADIT_OK) == (reader != NULL));
    adit_record_reader_close(reader);
    adit_data_close(data);
    return status;
}

static void gather_init(void *options, size_t size) {
    adit_gather_options_init((adit_gather_options *)options, size);
}

static adit_status gather_use(const void *options) {
    adit_record_reader *reader = NULL;
    const adit_gather_options *own = (const adit_gather_options *)options;
    const uint64_t index = 1;
    float target = 7.0f;
    adit_tensor tensor;
    EXPECT_OK(adit_record_reader_open(data_path("rrec/basic_3x4.rrec"), NULL, &reader, &err));
    adit_status status =
        adit_record_reader_gather(reader, 1, &index, 1, &target, sizeof target, own, &tensor, &err);
    if (status == ADIT_OK) CHECK(target == 1.0f && tensor.data == &target);
    else CHECK(tensor.data == NULL && tensor.nbytes == 0);
    adit_record_reader_close(reader);
    return status;
}

static void array_init(void *options, size_t size) {
    adit_array_options_init((adit_array_options *)options, size);
}

static adit_status array_use(const void *options) {
    adit_array *array = NULL;
    const adit_array_options *own = (const adit_array_options *)options;
    adit_status status = adit_array_open(data_path("npy/f4_c.npy"), own, &array, &err);
    CHECK((status == ADIT_OK) == (array != NULL));
    adit_array_close(array);
    return status;
}

static adit_status array_data_use(const void *options) {
    adit_array *array = NULL;
    adit_data *data = NULL;
    const adit_array_options *own = (const adit_array_options *)options;
    EXPECT_OK(adit_data_open(data_path("npy/f4_c.npy"), NULL, &data, &err));
    adit_status status = adit_array_from_data(data, own, &array, &err);
    CHECK((status == ADIT_OK) == (array != NULL));
    adit_array_close(array);
    adit_data_close(data);
    return status;
}

static void create_init(void *options, size_t size) {
    adit_array_create_options_init((adit_array_create_options *)options, size);
}

static adit_status create_use(const void *options) {
    adit_array *array = NULL;
    const adit_array_create_options *own = (const adit_array_create_options *)options;
    const int64_t shape[] = { 3 };
    adit_status status = adit_array_create(scratch_path("made.npy"), ADIT_DTYPE_F32, 1, shape, own,
                                           &array, &err);
    CHECK((status == ADIT_OK) == (array != NULL));
    adit_array_close(array);
    return status;
}

static adit_status create_from_use(const void *options) {
    const adit_array_create_options *own = (const adit_array_create_options *)options;
    const float value = 1.0f;
    adit_tensor tensor;
    adit_error *first = NULL;
    CHECK_INT(adit_tensor_init(&tensor, &value, ADIT_DTYPE_F32, 0, NULL, &first), ADIT_OK);
    return adit_array_create_from(scratch_path("made.npy"), &tensor, own, NULL, NULL, NULL, &err);
}

static adit_status save_use(const void *options) {
    adit_array *array = NULL;
    const adit_array_create_options *own = (const adit_array_create_options *)options;
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    adit_status status =
        adit_array_save_as(array, scratch_path("made.npy"), own, NULL, NULL, &err);
    adit_array_close(array);
    return status;
}

static void read_init(void *options, size_t size) {
    adit_array_read_options_init((adit_array_read_options *)options, size);
}

static adit_status read_use(const void *options) {
    adit_array *array = NULL;
    const adit_array_read_options *own = (const adit_array_read_options *)options;
    float elements[12];
    adit_tensor tensor;
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &array, &err));
    adit_status status = adit_array_read(array, own, elements, sizeof elements, &tensor, &err);
    CHECK((status == ADIT_OK) == (tensor.data == elements));
    adit_array_close(array);
    return status;
}

static void options(void) {
    const adit_data_options data = ADIT_DATA_OPTIONS_INIT;
    const adit_record_writer_options writer = ADIT_RECORD_WRITER_OPTIONS_INIT;
    const adit_record_reader_options reader = ADIT_RECORD_READER_OPTIONS_INIT;
    const adit_gather_options gather = ADIT_GATHER_OPTIONS_INIT;
    const adit_array_options array = ADIT_ARRAY_OPTIONS_INIT;
    const adit_array_create_options create = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    const adit_array_read_options read = ADIT_ARRAY_READ_OPTIONS_INIT;
    const adit_load_item_options item = ADIT_LOAD_ITEM_OPTIONS_INIT;
    const adit_load_options load = ADIT_LOAD_OPTIONS_INIT;
    const kind kinds[] = {
        { "data", sizeof data, &data, data_init, data_use, 32 },
        { "data of a descriptor", sizeof data, &data, data_init, data_fd_use, 32 },
        { "writer", sizeof writer, &writer, writer_init, writer_use, 48 },
        { "arec writer", sizeof writer, &writer, writer_init, arec_writer_use, 48 },
        { "reader", sizeof reader, &reader, reader_init, reader_use, 24 },
        { "reader of data", sizeof reader, &reader, reader_init, reader_data_use, 24 },
        { "gather", sizeof gather, &gather, gather_init, gather_use, 32 },
        { "array", sizeof array, &array, array_init, array_use, 28 },
        { "array of data", sizeof array, &array, array_init, array_data_use, 28 },
        { "create", sizeof create, &create, create_init, create_use, 16 },
        { "create from", sizeof create, &create, create_init, create_from_use, 16 },
        { "save as", sizeof create, &create, create_init, save_use, 16 },
        { "read", sizeof read, &read, read_init, read_use, 44 },
        { "item", sizeof item, &item, item_init, item_use, 80 },
        { "load", sizeof load, &load, load_init, load_use, 80 },
    };
    CHECK_EQ(sizeof data, 64);
    CHECK_EQ(sizeof writer, 80);
    CHECK_EQ(sizeof reader, 48);
    CHECK_EQ(sizeof gather, 56);
    CHECK_EQ(sizeof array, 64);
    CHECK_EQ(sizeof create, 48);
    CHECK_EQ(sizeof read, 80);
    CHECK_EQ(sizeof item, 96);
    CHECK_EQ(sizeof load, 112);
    check_kinds(kinds, sizeof kinds / sizeof kinds[0]);
}

/* The options inside of options, and the enumerators and flags in them. */
static void fields(void) {
    adit_data_options data = ADIT_DATA_OPTIONS_INIT;
    adit_record_reader_options reader = ADIT_RECORD_READER_OPTIONS_INIT;
    adit_array_options array = ADIT_ARRAY_OPTIONS_INIT;
    reader.data = &data;
    array.data = &data;
    EXPECT_OK(reader_use(&reader));
    EXPECT_OK(array_use(&array));
    EXPECT_ERROR(reader_data_use(&reader), ADIT_ERR_INVALID_ARGUMENT, "options->data");
    EXPECT_ERROR(array_data_use(&array), ADIT_ERR_INVALID_ARGUMENT, "options->data");

    for (uint32_t bit = 4; bit < 32; bit++) {
        data.flags = 1u << bit;
        EXPECT_ERROR(data_use(&data), ADIT_ERR_UNSUPPORTED, "options->flags");
        EXPECT_ERROR(reader_use(&reader), ADIT_ERR_UNSUPPORTED, "flags");
        EXPECT_ERROR(array_use(&array), ADIT_ERR_UNSUPPORTED, "flags");
    }
    data.flags = 0;
    const int32_t backends[] = { 3, -1, INT32_MAX, INT32_MIN };
    for (size_t at = 0; at < 4; at++) {
        data.backend = backends[at];
        EXPECT_ERROR(data_use(&data), ADIT_ERR_INVALID_ARGUMENT, "options->backend");
    }
    data.backend = ADIT_BACKEND_AUTO;
    data.struct_size = 3;
    EXPECT_ERROR(reader_use(&reader), ADIT_ERR_INVALID_ARGUMENT, "struct_size is 3");
    EXPECT_ERROR(array_use(&array), ADIT_ERR_INVALID_ARGUMENT, "struct_size is 3");

    adit_record_writer_options writer = ADIT_RECORD_WRITER_OPTIONS_INIT;
    writer.flags = 8;
    EXPECT_ERROR(writer_use(&writer), ADIT_ERR_UNSUPPORTED, "options->flags");
    writer.flags = 0;
    writer.format = 3;
    EXPECT_ERROR(writer_use(&writer), ADIT_ERR_INVALID_ARGUMENT, "options->format is 3");

    adit_gather_options gather = ADIT_GATHER_OPTIONS_INIT;
    gather.io = 4;
    EXPECT_ERROR(gather_use(&gather), ADIT_ERR_INVALID_ARGUMENT, "options->io is 4");
    gather.io = ADIT_IO_AUTO;
    gather.flags = 2;
    EXPECT_ERROR(gather_use(&gather), ADIT_ERR_UNSUPPORTED, "options->flags");
    gather.flags = 0;
    gather.dtype = 77;
    EXPECT_ERROR(gather_use(&gather), ADIT_ERR_DTYPE, "77 is no dtype");

    array.data = NULL;
    array.mode = 3;
    EXPECT_ERROR(array_use(&array), ADIT_ERR_INVALID_ARGUMENT, "options->mode is 3");
    array.mode = ADIT_ARRAY_COPY_ON_WRITE;
    EXPECT_ERROR(array_data_use(&array), ADIT_ERR_INVALID_ARGUMENT, "options->mode");
    array.mode = ADIT_ARRAY_READ;
    array.flags = 2;
    EXPECT_ERROR(array_use(&array), ADIT_ERR_UNSUPPORTED, "options->flags");
    array.flags = 0;
    array.dtype = 99;
    EXPECT_ERROR(array_use(&array), ADIT_ERR_DTYPE, "99 is no dtype");
    array.dtype = ADIT_DTYPE_F64;
    EXPECT_ERROR(array_use(&array), ADIT_ERR_DTYPE, "the elements are f32, not f64");
    array.dtype = ADIT_DTYPE_F32;
    EXPECT_OK(array_use(&array));

    adit_array_create_options create = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    create.flags = 4;
    EXPECT_ERROR(create_use(&create), ADIT_ERR_UNSUPPORTED, "options->flags");
    create.flags = 0;
    create.format = 3;
    EXPECT_ERROR(create_use(&create), ADIT_ERR_INVALID_ARGUMENT, "options->format is 3");
    EXPECT_ERROR(save_use(&create), ADIT_ERR_INVALID_ARGUMENT, "options->format is 3");

    adit_load_options load = ADIT_LOAD_OPTIONS_INIT;
    load.io = 4;
    EXPECT_ERROR(load_use(&load), ADIT_ERR_INVALID_ARGUMENT, "options->io is 4");
    load.io = ADIT_IO_DIRECT;
    EXPECT_ERROR(load_use(&load), ADIT_ERR_UNSUPPORTED, "options->io is ADIT_IO_DIRECT");
    load.io = ADIT_IO_AUTO;
    load.flags = 2 * ADIT_LOAD_DIRECT;
    EXPECT_ERROR(load_use(&load), ADIT_ERR_UNSUPPORTED, "options->flags");
    load.flags = ADIT_LOAD_DIRECT;
    EXPECT_OK(load_use(&load));

    adit_array_read_options read = ADIT_ARRAY_READ_OPTIONS_INIT;
    const int64_t one[] = { 1, 1 };
    read.io = -1;
    EXPECT_ERROR(read_use(&read), ADIT_ERR_INVALID_ARGUMENT, "options->io is -1");
    read.io = ADIT_IO_MAP;
    read.start = one;
    EXPECT_ERROR(read_use(&read), ADIT_ERR_INVALID_ARGUMENT, "options->ndim is 0");
    read.ndim = 3;
    EXPECT_ERROR(read_use(&read), ADIT_ERR_INVALID_ARGUMENT, "the array has 2 dimensions");
    read.ndim = 2;
    EXPECT_OK(read_use(&read));
    read.flags = ADIT_STORE_STREAMING;
    EXPECT_ERROR(read_use(&read), ADIT_ERR_UNSUPPORTED, "options->flags");
    read.flags = ADIT_CONVERT_SATURATE;
    EXPECT_OK(read_use(&read));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    options();
    fields();
    return check_end();
}
