/* Items that lie in the caller's memory, and items that are fields of records. */
#include "arec.h"

static void check_loaded(const adit_arena *arena, size_t item, const adit_tensor *wanted) {
    adit_tensor found;
    EXPECT_OK(adit_arena_tensor(arena, item, &found, &err));
    check_like(&found, wanted);
}

/* The elements are taken when they are loaded, not when they are added. */
static void memory(void) {
    static float values[3][5];
    static uint16_t halves[] = { 0x3c00, 0xc000, 0x7bff };
    static const float wanted_halves[] = { 1, -2, 65504 };
    adit_load_items *items = NULL;
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_arena *arena = NULL;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    adit_tensor whole = over(values, ADIT_DTYPE_F32, 2, 3, 5);
    adit_tensor half = over(halves, ADIT_DTYPE_F16, 1, 3, 0);
    adit_tensor nothing = over(NULL, ADIT_DTYPE_I64, 2, 0, 4);
    adit_tensor scalar = over(&values[2][4], ADIT_DTYPE_F32, 0, 0, 0);
    float middle[4], as_f32[3];
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_load_items_add_tensor(items, &whole, NULL, &err));
    part.row_start = 1;
    part.row_count = 2;
    part.column_start = 2;
    part.column_count = 2;
    part.dst = middle;
    part.dst_bytes = sizeof middle;
    EXPECT_OK(adit_load_items_add_tensor(items, &whole, &part, &err));
    adit_load_item_options_init(&part, sizeof part);
    part.dtype = ADIT_DTYPE_F32;
    part.dst = as_f32;
    part.dst_bytes = sizeof as_f32;
    EXPECT_OK(adit_load_items_add_tensor(items, &half, &part, &err));
    EXPECT_OK(adit_load_items_add_tensor(items, &nothing, NULL, &err));
    EXPECT_OK(adit_load_items_add_tensor(items, &scalar, NULL, &err));
    for (int round = 0; round < 2; round++) {
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        options.flags = round == 0 ? 0 : ADIT_LOAD_DIRECT;
        for (int at = 0; at < 15; at++) values[at / 5][at % 5] = (float)(100 * round + at);
        EXPECT_OK(adit_load(items, &options, &arena, &stats, &err));
        CHECK_EQ(stats.bytes, 60 + 16 + 12 + 4);
        CHECK_EQ(stats.direct_bytes, 0);
        check_loaded(arena, 0, &whole);
        CHECK(middle[0] == values[1][2] && middle[1] == values[1][3]);
        CHECK(middle[2] == values[2][2] && middle[3] == values[2][3]);
        for (int at = 0; at < 3; at++) CHECK(as_f32[at] == wanted_halves[at]);
        check_loaded(arena, 3, &nothing);
        check_loaded(arena, 4, &scalar);
        adit_arena_free(arena);
    }
    /* Onto itself. */
    adit_load_items_free(items);
    EXPECT_OK(adit_load_items_new(&items, &err));
    adit_load_item_options_init(&part, sizeof part);
    part.dst = &values[1][0];
    part.dst_bytes = sizeof values;
    EXPECT_OK(adit_load_items_add_tensor(items, &whole, &part, &err));
    EXPECT_ERROR(adit_load(items, NULL, NULL, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "the memory for item 0 overlaps the bytes that it is loaded from");
    adit_load_items_free(items);
}

static void refused_tensors(void) {
    float values[12] = { 0 };
    adit_load_items *items = NULL;
    const adit_tensor good = over(values, ADIT_DTYPE_F32, 2, 3, 4);
    adit_tensor tensor = good;
    EXPECT_OK(adit_load_items_new(&items, &err));
#define REFUSED(status, text) \
    do { \
        EXPECT_ERROR(adit_load_items_add_tensor(items, &tensor, NULL, &err), status, text); \
        tensor = good; \
    } while (0)
    tensor.strides[0] = 1;
    tensor.strides[1] = 3;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "side by side in C order");
    tensor.nbytes = 47;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "reach 48 bytes, but the tensor has 47");
    tensor.data = NULL;
    REFUSED(ADIT_ERR_INVALID_ARGUMENT, "tensor");
    tensor.flags |= ADIT_TENSOR_BIG_ENDIAN;
    REFUSED(ADIT_ERR_UNSUPPORTED, "tensor is big-endian");
    tensor.reserved[3] = 1;
    REFUSED(ADIT_ERR_UNSUPPORTED, "reserved");
    tensor.dtype = 9999;
    REFUSED(ADIT_ERR_DTYPE, "9999");
    tensor.ndim = 9;
    REFUSED(ADIT_ERR_SHAPE, "9");
    tensor.shape[1] = -4;
    REFUSED(ADIT_ERR_SHAPE, "-4");
    tensor.dtype = ADIT_DTYPE_Q8_0;
    REFUSED(ADIT_ERR_SHAPE, "");
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    part.row_start = 4;
    EXPECT_ERROR(adit_load_items_add_tensor(items, &good, &part, &err), ADIT_ERR_OUT_OF_RANGE,
                 "item 0");
    CHECK_EQ(adit_load_items_len(items), 0);
    adit_load_items_free(items);
}

/* Every field of every record, the ragged ones too; the reader may be closed before. */
static void records(void) {
    const char *path = scratch_path("samples.arec");
    enum { COUNT = 60 };
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_load_items *items = NULL;
    adit_arena *arena = NULL;
    options.block_bytes = 4096;
    write_samples(path, &options, 0, COUNT);
    adit_record_reader *reader = open_records(path);
    EXPECT_OK(adit_load_items_new(&items, &err));
    for (uint64_t number = 0; number < COUNT; number++) {
        for (size_t field = 0; field < FIELDS; field++)
            EXPECT_OK(adit_load_items_add_record(items, reader, COUNT - 1 - number, field, NULL,
                                                 &err));
    }
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    part.row_start = 2;
    part.dtype = ADIT_DTYPE_F32;
    EXPECT_OK(adit_load_items_add_record(items, reader, 7, IMAGE, &part, &err));
    EXPECT_ERROR(adit_load_items_add_record(items, reader, COUNT, 0, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "60");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(COUNT);
    EXPECT_ERROR(adit_load_items_add_record(items, reader, 0, FIELDS, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "5");
    EXPECT_ERROR(adit_load_items_add_record(items, reader, 0, SIZE_MAX, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "");
    CHECK_EQ(adit_load_items_len(items), COUNT * FIELDS + 1);
    adit_record_reader_close(reader);
    for (int way = 0; way < 2; way++) {
        adit_load_options how = ADIT_LOAD_OPTIONS_INIT;
        how.io = way == 0 ? ADIT_IO_READ : ADIT_IO_MAP;
        EXPECT_OK(adit_load(items, &how, &arena, NULL, &err));
        for (uint64_t number = 0; number < COUNT; number++) {
            sample own;
            make_sample(&own, COUNT - 1 - number);
            for (size_t field = 0; field < FIELDS; field++)
                check_loaded(arena, number * FIELDS + field, &own.tensors[field]);
        }
        const float row[] = { 15, 16, 17, 18 };
        const adit_tensor wanted = over(row, ADIT_DTYPE_F32, 2, 1, 4);
        check_loaded(arena, COUNT * FIELDS, &wanted);
        adit_arena_free(arena);
    }
    /* Cut behind the open items: the file tells, and where. */
    CHECK_INT(truncate(path, 5000), 0);
    EXPECT_ERROR(adit_load(items, NULL, &arena, NULL, &err), ADIT_ERR_TRUNCATED, "item ");
    CHECK_LAST_PATH(path);
    adit_load_items_free(items);
}

/* Of a set, by the record's number in all of it. */
static void sets(void) {
    const char *paths[] = { scratch_path("one.arec"), scratch_path("two.arec") };
    adit_record_reader *reader = NULL;
    adit_load_items *items = NULL;
    adit_arena *arena = NULL;
    sample own;
    write_samples(paths[0], NULL, 0, 5);
    write_samples(paths[1], NULL, 5, 5);
    EXPECT_OK(adit_record_reader_open_files(paths, 2, NULL, &reader, &err));
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_load_items_add_record(items, reader, 8, TOKENS, NULL, &err));
    EXPECT_OK(adit_load_items_add_record(items, reader, 2, TEXT, NULL, &err));
    EXPECT_ERROR(adit_load_items_add_record(items, reader, 10, TEXT, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "10");
    adit_record_reader_close(reader);
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    make_sample(&own, 8);
    check_loaded(arena, 0, &own.tensors[TOKENS]);
    make_sample(&own, 2);
    check_loaded(arena, 1, &own.tensors[TEXT]);
    adit_arena_free(arena);
    adit_load_items_free(items);
}

/* A record whose own size is too large for it. */
static void damaged(void) {
    const char *path = scratch_path("damaged.arec");
    adit_load_items *items = NULL;
    size_t len = 0, at = 0;
    write_samples(path, NULL, 0, 50);
    unsigned char *bytes = read_file(path, &len);
    /* The own sizes of tokens, as the footer's column has them: 7, 14, 21, 28, 35, 2, ... */
    const uint32_t column[] = { 0, 7, 14, 21, 28, 35, 2, 9 };
    for (at = 0; at + sizeof column <= len; at++)
        if (memcmp(bytes + at, column, sizeof column) == 0) break;
    if (at + sizeof column > len) CHECK_FAIL("no column of sizes");
    memset(bytes + at + 12, 0xff, 4);
    write_file(path, bytes, len);
    free(bytes);
    adit_record_reader *reader = open_records(path);
    EXPECT_OK(adit_load_items_new(&items, &err));
    EXPECT_OK(adit_load_items_add_record(items, reader, 2, TOKENS, NULL, &err));
    EXPECT_ERROR(adit_load_items_add_record(items, reader, 3, TOKENS, NULL, &err),
                 ADIT_ERR_MALFORMED, "record 3");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(3);
    CHECK_EQ(adit_load_items_len(items), 1);
    adit_load_items_free(items);
    adit_record_reader_close(reader);
}

/* rrec, whose tensors may lie at odd places. */
static void foreign_records(void) {
    adit_record_reader *reader = open_records(data_path("rrec/basic_3x4.rrec"));
    const uint64_t count = adit_record_reader_len(reader);
    adit_load_items *items = NULL;
    adit_arena *arena = NULL;
    adit_tensor wanted[2];
    CHECK(count > 0);
    EXPECT_OK(adit_load_items_new(&items, &err));
    for (uint64_t number = 0; number < count; number++)
        for (size_t field = 0; field < 2; field++)
            EXPECT_OK(adit_load_items_add_record(items, reader, number, field, NULL, &err));
    EXPECT_ERROR(adit_load_items_add_record(items, reader, 0, 2, NULL, &err), ADIT_ERR_OUT_OF_RANGE,
                 "2");
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    for (uint64_t number = 0; number < count; number++) {
        EXPECT_OK(adit_record_reader_get(reader, number, wanted, 2, &err));
        for (size_t field = 0; field < 2; field++)
            check_loaded(arena, number * 2 + field, &wanted[field]);
    }
    adit_arena_free(arena);
    adit_load_items_free(items);
    adit_record_reader_close(reader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    memory();
    refused_tensors();
    records();
    sets();
    damaged();
    foreign_records();
    return check_end();
}
