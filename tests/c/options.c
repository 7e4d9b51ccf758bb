/* Structs with their size in the first field: options, and what the library fills. */
#include "check.h"

/* One kind of options: what stands in the macro, who fills it, who takes it. */
typedef struct kind {
    const char *name;
    size_t size;
    const void *macro;
    void (*init)(void *options, size_t size);
    adit_status (*use)(const void *options);
    size_t reserved;
} kind;

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

/* Any struct of options with room behind it for those of later versions, aligned as they are. */
typedef union space {
    size_t size;
    uint64_t words[512];
    unsigned char bytes[4096];
} space;

static void check_kind(const kind *own) {
    space filled, zeros;
    const size_t ends[] = { sizeof(size_t), sizeof(size_t) + 1, own->size, own->size + 24, 4096 };
    memset(&zeros, 0, sizeof zeros);

    /* The init function gives the macro's bytes, and as much as the caller's struct has. */
    memset(&filled, 0xa5, sizeof filled);
    own->init(&filled, own->size);
    CHECK_BYTES(&filled, own->macro, own->size);
    CHECK_EQ(filled.bytes[own->size], 0xa5);
    for (size_t at = 0; at < sizeof ends / sizeof ends[0]; at++) {
        memset(&filled, 0xa5, sizeof filled);
        own->init(&filled, ends[at]);
        CHECK_EQ(filled.size, ends[at]);
        CHECK_BYTES(filled.bytes + 8, zeros.bytes, ends[at] - 8);
        if (ends[at] < sizeof filled) CHECK_EQ(filled.bytes[ends[at]], 0xa5);
        /* Shorter ones and longer ones mean the default. */
        EXPECT_OK(own->use(&filled));
    }
    const size_t wrong[] = { 0, 1, 7, 4097, SIZE_MAX };
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        memset(&filled, 0xa5, sizeof filled);
        own->init(&filled, wrong[at]);
        CHECK_EQ(filled.bytes[0], 0xa5);
        memset(&filled, 0, sizeof filled);
        filled.size = wrong[at];
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_INVALID_ARGUMENT, "options->struct_size");
    }
    own->init(NULL, own->size);
    EXPECT_OK(own->use(NULL));
    EXPECT_OK(own->use(own->macro));

    /* Reserved fields, and every byte behind what this version knows. */
    for (size_t at = own->reserved; at < own->size; at++) {
        memset(&filled, 0, sizeof filled);
        filled.size = own->size;
        filled.bytes[at] = 1;
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_UNSUPPORTED, "reserved");
        filled.bytes[at] = 0;
        EXPECT_OK(own->use(&filled));
    }
    for (size_t at = own->size; at < own->size + 16; at++) {
        memset(&filled, 0, sizeof filled);
        filled.size = own->size + 16;
        filled.bytes[at] = 0x80;
        EXPECT_ERROR(own->use(&filled), ADIT_ERR_UNSUPPORTED, "doesn't know");
    }
    /* What a shorter struct doesn't have isn't read. */
    memset(&filled, 0xa5, sizeof filled);
    filled.size = sizeof(size_t);
    EXPECT_OK(own->use(&filled));
    memset(&filled, 0, sizeof filled);
    memcpy(filled.bytes + 1, own->macro, own->size);
    EXPECT_ERROR(own->use(filled.bytes + 1), ADIT_ERR_INVALID_ARGUMENT, "misaligned");
}

static void options(void) {
    const adit_data_options data = ADIT_DATA_OPTIONS_INIT;
    const adit_record_writer_options writer = ADIT_RECORD_WRITER_OPTIONS_INIT;
    const adit_record_reader_options reader = ADIT_RECORD_READER_OPTIONS_INIT;
    const adit_gather_options gather = ADIT_GATHER_OPTIONS_INIT;
    const adit_array_options array = ADIT_ARRAY_OPTIONS_INIT;
    const adit_array_create_options create = ADIT_ARRAY_CREATE_OPTIONS_INIT;
    const adit_array_read_options read = ADIT_ARRAY_READ_OPTIONS_INIT;
    const kind kinds[] = {
        { "data", sizeof data, &data, data_init, data_use, 32 },
        { "data of a descriptor", sizeof data, &data, data_init, data_fd_use, 32 },
        { "writer", sizeof writer, &writer, writer_init, writer_use, 16 },
        { "reader", sizeof reader, &reader, reader_init, reader_use, 16 },
        { "reader of data", sizeof reader, &reader, reader_init, reader_data_use, 16 },
        { "gather", sizeof gather, &gather, gather_init, gather_use, 20 },
        { "array", sizeof array, &array, array_init, array_use, 28 },
        { "array of data", sizeof array, &array, array_init, array_data_use, 28 },
        { "create", sizeof create, &create, create_init, create_use, 16 },
        { "create from", sizeof create, &create, create_init, create_from_use, 16 },
        { "save as", sizeof create, &create, create_init, save_use, 16 },
        { "read", sizeof read, &read, read_init, read_use, 44 },
    };
    CHECK_EQ(sizeof data, 64);
    CHECK_EQ(sizeof writer, 48);
    CHECK_EQ(sizeof reader, 48);
    CHECK_EQ(sizeof gather, 56);
    CHECK_EQ(sizeof array, 64);
    CHECK_EQ(sizeof create, 48);
    CHECK_EQ(sizeof read, 80);
    for (size_t at = 0; at < sizeof kinds / sizeof kinds[0]; at++) {
        printf("%s\n", kinds[at].name);
        check_kind(&kinds[at]);
    }
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
    writer.flags = 2;
    EXPECT_ERROR(writer_use(&writer), ADIT_ERR_UNSUPPORTED, "options->flags");
    writer.flags = 0;
    writer.format = 2;
    EXPECT_ERROR(writer_use(&writer), ADIT_ERR_INVALID_ARGUMENT, "options->format is 2");

    adit_gather_options gather = ADIT_GATHER_OPTIONS_INIT;
    gather.io = 3;
    EXPECT_ERROR(gather_use(&gather), ADIT_ERR_INVALID_ARGUMENT, "options->io is 3");
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

typedef struct outputs {
    adit_data *data;
    adit_record_reader *reader;
    adit_record_schema *schema;
    adit_array *array;
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
    outputs own = { NULL, NULL, NULL, NULL };
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &own.data, &err));
    EXPECT_OK(adit_record_reader_from_data(own.data, NULL, &own.reader, &err));
    EXPECT_OK(adit_record_reader_schema(own.reader, &own.schema, &err));
    EXPECT_OK(adit_array_open(data_path("npy/f4_c.npy"), NULL, &own.array, &err));
    /* Every page in memory, so that residency is the same each time. */
    const volatile char *bytes = (const volatile char *)adit_data_bytes(own.data);
    CHECK(bytes[0] == 'R');
    filled("residency", sizeof(adit_residency), fill_residency, &own);
    filled("verification", sizeof(adit_record_verification), fill_verification, &own);
    filled("field", sizeof(adit_record_field), fill_field, &own);
    filled("info", sizeof(adit_array_info), fill_info, &own);
    filled("recovery", sizeof(adit_record_recovery), fill_recovery, &own);

    const adit_residency residency = ADIT_RESIDENCY_INIT;
    const adit_record_verification verification = ADIT_RECORD_VERIFICATION_INIT;
    const adit_record_field field = ADIT_RECORD_FIELD_INIT;
    const adit_array_info info = ADIT_ARRAY_INFO_INIT;
    const adit_record_recovery recovery = ADIT_RECORD_RECOVERY_INIT;
    CHECK_EQ(residency.struct_size, 32);
    CHECK_EQ(verification.struct_size, 32);
    CHECK_EQ(field.struct_size, 88);
    CHECK_EQ(info.struct_size, 48);
    CHECK_EQ(recovery.struct_size, 40);
    adit_array_close(own.array);
    adit_record_schema_free(own.schema);
    adit_record_reader_close(own.reader);
    adit_data_close(own.data);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    options();
    fields();
    filled_structs();
    return check_end();
}
