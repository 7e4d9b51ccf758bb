/* arec files: written, read back, synced, recovered, verified. */
#include "arec.h"
#include "files.h"

static const uint32_t alignments[] = { 64, 256, 4096 };

static void schema(void) {
    adit_record_schema *own = all_kinds();
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    const char *const names[] = { "image", "label", "tokens", "text", "pairs" };
    const int32_t kinds[] = { ADIT_RECORD_KIND_FIXED, ADIT_RECORD_KIND_FIXED,
                              ADIT_RECORD_KIND_RAGGED, ADIT_RECORD_KIND_BYTES,
                              ADIT_RECORD_KIND_RAGGED };
    const int32_t ndims[] = { 2, 0, 1, 1, 2 };
    for (size_t at = 0; at < FIELDS; at++) {
        size_t found = 77;
        EXPECT_OK(adit_record_schema_field(own, at, &field, &err));
        CHECK_STR(field.name, names[at]);
        CHECK_INT(field.kind, kinds[at]);
        CHECK_INT(field.ndim, ndims[at]);
        EXPECT_OK(adit_record_schema_find(own, names[at], &found, &err));
        CHECK_EQ(found, at);
    }
    CHECK_INT(field.dims[0], ADIT_DIM_ANY);
    CHECK_INT(field.dims[1], 3);
    size_t found = 77;
    EXPECT(adit_record_schema_find(own, "nobody", &found, &err), ADIT_ERR_NOT_FOUND);
    CHECK_EQ(found, 0);
    EXPECT_ERROR(adit_record_schema_add_bytes(own, "text", &err), ADIT_ERR_INVALID_ARGUMENT,
                 "\"text\" already");
    EXPECT_ERROR(adit_record_schema_add_bytes(own, "", &err), ADIT_ERR_INVALID_ARGUMENT, "bytes");
    EXPECT_ERROR(adit_record_schema_add_bytes(own, "\xff", &err), ADIT_ERR_INVALID_ARGUMENT,
                 "UTF-8");
    adit_record_schema_free(own);
}

static void all_of(const char *path, uint64_t count) {
    adit_record_reader *reader = open_records(path);
    CHECK_EQ(adit_record_reader_len(reader), count);
    CHECK_EQ(adit_record_reader_shards(reader), 1);
    for (uint64_t index = 0; index < count; index++) check_sample(reader, index, index);
    adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
    EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, &found, &err));
    CHECK_EQ(found.records, count);
    CHECK_EQ(found.bad_records, 0);
    adit_record_reader_close(reader);
}

/* Every alignment, with and without pages, one and many blocks. */
static void layouts(void) {
    for (size_t at = 0; at < 3; at++) {
        for (uint32_t pages = 0; pages < 2; pages++) {
            adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
            options.alignment = alignments[at];
            options.block_bytes = 16384;
            options.flags = pages ? ADIT_RECORD_WRITER_PAGES : 0;
            write_samples(scratch_path("layout.arec"), &options, 0, 300);
            all_of(scratch_path("layout.arec"), 300);
            adit_record_reader *reader = open_records(scratch_path("layout.arec"));
            for (uint64_t index = 0; index < 300; index++) {
                adit_tensor image;
                EXPECT_OK(adit_record_reader_get(reader, index, &image, 1, &err));
                /* The first field stands where the record does. */
                CHECK_EQ((uintptr_t)image.data % alignments[at], 0);
            }
            adit_record_reader_close(reader);
        }
    }
    write_samples(scratch_path("empty.arec"), NULL, 0, 0);
    all_of(scratch_path("empty.arec"), 0);
}

/* Fields at places of their own choosing. */
static void field_alignment(void) {
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.field_alignment = 64;
    write_samples(scratch_path("fields.arec"), &options, 0, 20);
    adit_record_reader *reader = open_records(scratch_path("fields.arec"));
    for (uint64_t index = 0; index < 20; index++) {
        adit_tensor found[FIELDS];
        check_sample(reader, index, index);
        EXPECT_OK(adit_record_reader_get(reader, index, found, FIELDS, &err));
        for (int field = 0; field < FIELDS; field++) CHECK_EQ((uintptr_t)found[field].data % 64, 0);
    }
    adit_record_reader_close(reader);
}

/* What a reader says of its fields, and a schema taken from the first record. */
static void schemas_read(void) {
    adit_record_reader *reader = open_records(scratch_path("fields.arec"));
    adit_record_schema *own = NULL;
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    EXPECT_OK(adit_record_reader_schema(reader, &own, &err));
    CHECK_EQ(adit_record_schema_len(own), FIELDS);
    EXPECT_OK(adit_record_schema_field(own, PAIRS, &field, &err));
    CHECK_STR(field.name, "pairs");
    CHECK_INT(field.dtype, ADIT_DTYPE_F32);
    CHECK_INT(field.kind, ADIT_RECORD_KIND_RAGGED);
    CHECK_INT(field.dims[0], ADIT_DIM_ANY);
    CHECK_INT(field.dims[1], 3);
    EXPECT_OK(adit_record_schema_field(own, TEXT, &field, &err));
    CHECK_INT(field.kind, ADIT_RECORD_KIND_BYTES);
    adit_record_schema_free(own);
    int64_t dims[2];
    size_t ndim = 0;
    EXPECT_OK(adit_record_reader_shape(reader, 13, PAIRS, dims, 2, &ndim, &err));
    CHECK_EQ(ndim, 2);
    CHECK_INT(dims[0], 3);
    CHECK_INT(dims[1], 3);
    EXPECT_OK(adit_record_reader_shape(reader, 13, TOKENS, dims, 2, &ndim, &err));
    CHECK_EQ(ndim, 1);
    CHECK_INT(dims[0], 13 * 7 % 40);
    CHECK_INT(dims[1], 0);
    adit_record_reader_close(reader);

    adit_record_writer *writer = NULL;
    const double values[] = { 1.5, -2.5 };
    const int16_t number = -7;
    adit_tensor tensors[2], found[2];
    tensors[0] = over(values, ADIT_DTYPE_F64, 1, 2, 0);
    tensors[1] = over(&number, ADIT_DTYPE_I16, 0, 0, 0);
    EXPECT_OK(adit_record_writer_create(scratch_path("first.arec"), NULL, &writer, &err));
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    reader = open_records(scratch_path("first.arec"));
    EXPECT_OK(adit_record_reader_schema(reader, &own, &err));
    EXPECT_OK(adit_record_schema_field(own, 1, &field, &err));
    CHECK_STR(field.name, "field1");
    CHECK_INT(field.kind, ADIT_RECORD_KIND_FIXED);
    adit_record_schema_free(own);
    EXPECT_OK(adit_record_reader_get(reader, 1, found, 2, &err));
    check_like(&found[0], &tensors[0]);
    check_like(&found[1], &tensors[1]);
    adit_record_reader_close(reader);
}

/* Many rows at once, of the fixed fields and of ragged ones that are alike. */
static void batches(void) {
    adit_record_schema *own = NULL;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_writer *writer = NULL;
    const int64_t any[] = { ADIT_DIM_ANY }, two[] = { 2 };
    float points[200];
    uint8_t words[300];
    for (int at = 0; at < 200; at++) points[at] = (float)at;
    for (int at = 0; at < 300; at++) words[at] = (uint8_t)at;
    EXPECT_OK(adit_record_schema_new(&own, &err));
    EXPECT_OK(adit_record_schema_add(own, "point", ADIT_DTYPE_F32, 1, two, &err));
    EXPECT_OK(adit_record_schema_add(own, "word", ADIT_DTYPE_U8, 1, any, &err));
    options.schema = own;
    EXPECT_OK(adit_record_writer_create(scratch_path("batch.arec"), &options, &writer, &err));
    const adit_tensor columns[] = { over(points, ADIT_DTYPE_F32, 2, 100, 2),
                                    over(words, ADIT_DTYPE_U8, 2, 100, 3) };
    EXPECT_OK(adit_record_writer_append_batch(writer, columns, 2, &err));
    CHECK_EQ(adit_record_writer_count(writer), 100);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    adit_record_schema_free(own);
    adit_record_reader *reader = open_records(scratch_path("batch.arec"));
    CHECK_EQ(adit_record_reader_len(reader), 100);
    for (uint64_t index = 0; index < 100; index++) {
        adit_tensor found[2];
        EXPECT_OK(adit_record_reader_get(reader, index, found, 2, &err));
        CHECK_BYTES(found[0].data, points + 2 * index, 8);
        CHECK_BYTES(found[1].data, words + 3 * index, 3);
    }
    adit_record_reader_close(reader);
}

static void metadata(void) {
    const char *path = scratch_path("metadata.arec");
    adit_record_writer *writer = sample_writer(path, NULL);
    const unsigned char blob[] = { 0, 1, 255 };
    EXPECT_OK(adit_record_writer_set_metadata(writer, "source", "first", 5, &err));
    append_samples(writer, 0, 3);
    EXPECT_OK(adit_record_writer_set_metadata(writer, "blob", blob, 3, &err));
    EXPECT_OK(adit_record_writer_set_metadata(writer, "nothing", NULL, 0, &err));
    EXPECT_OK(adit_record_writer_set_metadata(writer, "source", "second", 6, &err));
    EXPECT_ERROR(adit_record_writer_set_metadata(writer, "", "x", 1, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "key");
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);

    adit_record_reader *reader = open_records(path);
    size_t count = 0, len = 77;
    const char *key = NULL;
    const void *value = NULL;
    EXPECT_OK(adit_record_reader_metadata_count(reader, &count, &err));
    CHECK_EQ(count, 3);
    EXPECT_OK(adit_record_reader_metadata(reader, 0, &key, &value, &len, &err));
    CHECK_STR(key, "source");
    CHECK_EQ(len, 6);
    CHECK_BYTES(value, "second", 6);
    EXPECT_OK(adit_record_reader_metadata_find(reader, "blob", &value, &len, &err));
    CHECK_EQ(len, 3);
    CHECK_BYTES(value, blob, 3);
    EXPECT_OK(adit_record_reader_metadata_find(reader, "nothing", &value, &len, &err));
    CHECK_EQ(len, 0);
    CHECK(value != NULL);
    EXPECT(adit_record_reader_metadata_find(reader, "nobody", &value, &len, &err),
           ADIT_ERR_NOT_FOUND);
    CHECK(value == NULL && len == 0);
    EXPECT_ERROR(adit_record_reader_metadata(reader, 3, &key, &value, &len, &err),
                 ADIT_ERR_OUT_OF_RANGE, "entry 3 of 3");
    CHECK(key == NULL && value == NULL);
    adit_record_reader_close(reader);
}

/* What was synced survives a writer that dies. */
static void unfinished(void) {
    const char *path = scratch_path("unfinished.arec"), *to = scratch_path("saved.arec");
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.block_bytes = 16384;
    options.flags = ADIT_RECORD_WRITER_KEEP_UNFINISHED;
    adit_record_writer *writer = sample_writer(path, &options);
    const char *lent = NULL;
    char temporary[1024];
    append_samples(writer, 0, 150);
    EXPECT_OK(adit_record_writer_sync(writer, &err));
    EXPECT_OK(adit_record_writer_temporary(writer, &lent, &err));
    snprintf(temporary, sizeof temporary, "%s", lent);
    CHECK(strstr(temporary, "unfinished.arec.") != NULL && strstr(temporary, ".adit-tmp") != NULL);
    append_samples(writer, 150, 5);
    adit_record_writer_close(writer);
    CHECK(!exists(path));
    CHECK(exists(temporary));

    adit_record_reader *reader = NULL;
    EXPECT_ERROR(adit_record_reader_open(temporary, NULL, &reader, &err), ADIT_ERR_UNFINISHED,
                 "never finished");
    CHECK_LAST_PATH(temporary);
    adit_record_recovery saved = ADIT_RECORD_RECOVERY_INIT;
    EXPECT_OK(adit_record_recover(temporary, to, NULL, NULL, NULL, &saved, &err));
    CHECK(saved.records >= 150);
    all_of(to, saved.records);
    unlink(temporary);
    unlink(to);

    /* Without the flag nothing stays. */
    options.flags = 0;
    writer = sample_writer(path, &options);
    append_samples(writer, 0, 10);
    adit_record_writer_close(writer);
    CHECK_INT(count_names("unfinished", NULL, 0), 0);
}

/* A byte of a field is told by record, field and place. */
static void damaged(void) {
    const char *path = scratch_path("damaged.arec");
    write_samples(path, NULL, 0, 60);
    adit_record_reader *reader = open_records(path);
    adit_tensor found[FIELDS];
    adit_data *data = NULL;
    EXPECT_OK(adit_record_reader_get(reader, 42, found, FIELDS, &err));
    EXPECT_OK(adit_record_reader_data(reader, &data, &err));
    const char *start = (const char *)adit_data_bytes(data);
    const uint64_t at = (uint64_t)((const char *)found[TOKENS].data - start) + 3;
    adit_data_close(data);
    adit_record_reader_close(reader);
    flip(path, at);

    reader = open_records(path);
    adit_record_verification verified = ADIT_RECORD_VERIFICATION_INIT;
    EXPECT_ERROR(adit_record_reader_verify(reader, NULL, NULL, &verified, &err), ADIT_ERR_CHECKSUM,
                 "tokens");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(42);
    CHECK(last.has_offset && last.offset <= at && last.offset + 80 > at);
    CHECK_EQ(verified.records, 60);
    CHECK_EQ(verified.bad_records, 1);
    /* Lent as it is, unless every loan is checked. */
    EXPECT_OK(adit_record_reader_get(reader, 42, found, FIELDS, &err));
    adit_record_reader_close(reader);
    adit_record_reader_options options = ADIT_RECORD_READER_OPTIONS_INIT;
    options.check = ADIT_RECORD_CHECK_ALWAYS;
    EXPECT_OK(adit_record_reader_open(path, &options, &reader, &err));
    EXPECT_ERROR(adit_record_reader_get(reader, 42, found, FIELDS, &err), ADIT_ERR_CHECKSUM,
                 "tokens");
    CHECK_LAST_INDEX(42);
    for (int field = 0; field < FIELDS; field++) CHECK(found[field].data == NULL);
    check_sample(reader, 41, 41);

    /* Copies are checked, or not. */
    uint64_t offsets[2];
    uint16_t copy[40];
    const uint64_t index = 42;
    EXPECT_ERROR(adit_record_reader_gather_ragged(reader, TOKENS, &index, 1, offsets, copy,
                                                  sizeof copy, NULL, NULL, &err),
                 ADIT_ERR_CHECKSUM, "tokens");
    CHECK_LAST_INDEX(42);
    CHECK_EQ(offsets[0], 0);
    CHECK_EQ(offsets[1], 0);
    adit_record_reader_close(reader);
    options.check = ADIT_RECORD_CHECK_NEVER;
    EXPECT_OK(adit_record_reader_open(path, &options, &reader, &err));
    EXPECT_OK(adit_record_reader_gather_ragged(reader, TOKENS, &index, 1, offsets, copy, sizeof copy,
                                               NULL, NULL, &err));
    CHECK_EQ(offsets[1], (uint64_t)tokens_of(42));
    CHECK_EQ(copy[1], (4200 + 1) ^ 0xff00);
    adit_record_reader_close(reader);
}

/* The same bytes, opened another way. */
static void from_data(void) {
    adit_data *data = NULL;
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_data_open(scratch_path("fields.arec"), NULL, &data, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    adit_data_close(data);
    for (uint64_t index = 0; index < 20; index++) check_sample(reader, index, index);
    uint8_t one[16], other[16], third[16];
    EXPECT_OK(adit_record_reader_identity(reader, one, &err));
    adit_record_reader_close(reader);
    reader = open_records(scratch_path("fields.arec"));
    EXPECT_OK(adit_record_reader_identity(reader, other, &err));
    CHECK_BYTES(one, other, 16);
    adit_record_reader_close(reader);
    reader = open_records(scratch_path("batch.arec"));
    EXPECT_OK(adit_record_reader_identity(reader, third, &err));
    CHECK(memcmp(one, third, 16) != 0);
    size_t shard = 7;
    uint64_t local = 7;
    EXPECT_OK(adit_record_reader_shard_of(reader, 5, &shard, &local, &err));
    CHECK_EQ(shard, 0);
    CHECK_EQ(local, 5);
    EXPECT_ERROR(adit_record_reader_shard_of(reader, 100, &shard, &local, &err),
                 ADIT_ERR_OUT_OF_RANGE, "record 100");
    CHECK_EQ(local, 0);
    EXPECT_ERROR(adit_record_reader_shard_data(reader, 1, &data, &err), ADIT_ERR_OUT_OF_RANGE, "1");
    CHECK(data == NULL);
    adit_record_reader_close(reader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    schema();
    layouts();
    field_alignment();
    schemas_read();
    batches();
    metadata();
    unfinished();
    damaged();
    from_data();
    return check_end();
}
