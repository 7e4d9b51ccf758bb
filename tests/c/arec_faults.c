/* What arec files and writers refuse, each by its status, with the file and the place. */
#include "arec.h"
#include "files.h"

static void options_refused(void) {
    const char *path = scratch_path("refused.arec");
    adit_record_writer *writer = NULL;
    adit_record_schema *schema = all_kinds(), *empty = NULL, *loose = NULL;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    EXPECT_OK(adit_record_schema_new(&empty, &err));
    EXPECT_OK(adit_record_schema_new(&loose, &err));
    const int64_t three[] = { 3 }, vast[] = { INT64_MAX, INT64_MAX }, odd[] = { 31 };
    adit_record_schema *large = NULL, *part = NULL;
    EXPECT_OK(adit_record_schema_new(&large, &err));
    EXPECT_OK(adit_record_schema_new(&part, &err));
    EXPECT_OK(adit_record_schema_add(large, "large", ADIT_DTYPE_U8, 1, vast, &err));
    EXPECT_OK(adit_record_schema_add(part, "part", ADIT_DTYPE_Q4_0, 1, odd, &err));
    EXPECT_OK(adit_record_schema_add(loose, "any", ADIT_DTYPE_NONE, 1, three, &err));
#define REFUSED(change, status, text) \
    do { \
        adit_record_writer_options own = ADIT_RECORD_WRITER_OPTIONS_INIT; \
        own.schema = schema; \
        change; \
        EXPECT_ERROR(adit_record_writer_create(path, &own, &writer, &err), status, text); \
        CHECK(writer == NULL && !exists(path)); \
    } while (0)
    REFUSED(own.alignment = 65, ADIT_ERR_INVALID_ARGUMENT, "65");
    REFUSED(own.alignment = 128, ADIT_ERR_INVALID_ARGUMENT, "128");
    REFUSED(own.field_alignment = 3, ADIT_ERR_INVALID_ARGUMENT, "3");
    REFUSED(own.field_alignment = 128, ADIT_ERR_INVALID_ARGUMENT, "128");
    REFUSED(own.schema = empty, ADIT_ERR_INVALID_ARGUMENT, "field");
    REFUSED(own.schema = loose, ADIT_ERR_INVALID_ARGUMENT, "\"any\"");
    REFUSED(own.schema = large, ADIT_ERR_SHAPE, "the schema doesn't fit");
    REFUSED(own.schema = part, ADIT_ERR_SHAPE, "\"part\"");
    REFUSED(own.format = 3, ADIT_ERR_INVALID_ARGUMENT, "adit_record_format");
    REFUSED(own.flags = 8, ADIT_ERR_UNSUPPORTED, "options->flags");
    REFUSED(own.format = ADIT_RECORD_FORMAT_RREC1, ADIT_ERR_UNSUPPORTED, "rrec");
#undef REFUSED
    adit_record_schema_free(large);
    adit_record_schema_free(part);
    /* Names that say no format, or one without its option. */
    const char *const names[] = { "a.bin", "a.json", "a" };
    for (size_t at = 0; at < 3; at++)
        EXPECT_ERROR(adit_record_writer_create(scratch_path(names[at]), &options, &writer, &err),
                     ADIT_ERR_UNSUPPORTED, "options->format");
    options.format = ADIT_RECORD_FORMAT_AREC;
    options.schema = schema;
    EXPECT_OK(adit_record_writer_create(scratch_path("named.bin"), &options, &writer, &err));
    append_samples(writer, 0, 2);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    adit_record_reader *reader = open_records(scratch_path("named.bin"));
    check_sample(reader, 1, 1);
    adit_record_reader_close(reader);
    options.flags = ADIT_RECORD_WRITER_NO_REPLACE;
    EXPECT_ERROR(adit_record_writer_create(scratch_path("named.bin"), &options, &writer, &err),
                 ADIT_ERR_EXISTS, "named.bin");
    EXPECT_ERROR(adit_record_writer_create(scratch_path("no/folder.arec"), NULL, &writer, &err),
                 ADIT_ERR_NOT_FOUND, "folder.arec");
    adit_record_schema_free(schema);
    adit_record_schema_free(empty);
    adit_record_schema_free(loose);
}

/* A record that is refused leaves the writer as it was. */
static void records_refused(void) {
    const char *path = scratch_path("records.arec");
    adit_record_writer *writer = sample_writer(path, NULL);
    sample own;
    append_samples(writer, 0, 3);
    make_sample(&own, 3);
    const adit_tensor label = own.tensors[LABEL], image = own.tensors[IMAGE];
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, FIELDS - 1, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "n is 4, but records have 5 tensors");
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, SIZE_MAX, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "5 tensors");
    own.tensors[LABEL] = over(own.pairs, ADIT_DTYPE_F32, 0, 0, 0);
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, FIELDS, &err), ADIT_ERR_DTYPE,
                 "label");
    CHECK_LAST_INDEX(3);
    own.tensors[LABEL] = label;
    own.tensors[IMAGE] = over(own.image, ADIT_DTYPE_U8, 2, 4, 3);
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, FIELDS, &err), ADIT_ERR_SHAPE,
                 "image");
    own.tensors[IMAGE] = over(own.image, ADIT_DTYPE_U8, 1, 12, 0);
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, FIELDS, &err), ADIT_ERR_SHAPE,
                 "image");
    own.tensors[IMAGE] = image;
    CHECK_EQ(adit_record_writer_count(writer), 3);
    EXPECT_OK(adit_record_writer_append(writer, own.tensors, FIELDS, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    EXPECT_ERROR(adit_record_writer_append(writer, own.tensors, FIELDS, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "finished");
    EXPECT_ERROR(adit_record_writer_set_metadata(writer, "a", "b", 1, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "finished");
    EXPECT_ERROR(adit_record_writer_sync(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "finished");
    EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "finished");
    adit_record_writer_close(writer);
    adit_record_reader *reader = open_records(path);
    CHECK_EQ(adit_record_reader_len(reader), 4);
    check_sample(reader, 3, 3);
    adit_tensor found[FIELDS + 1];
    EXPECT_ERROR(adit_record_reader_get(reader, 4, found, FIELDS, &err), ADIT_ERR_OUT_OF_RANGE,
                 "record 4");
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(4);
    EXPECT_ERROR(adit_record_reader_get(reader, 0, found, FIELDS + 1, &err), ADIT_ERR_OUT_OF_RANGE,
                 "n is 6, but records have 5 tensors");
    adit_record_reader_close(reader);
}

/* What rrec doesn't have. */
static void not_in_rrec(void) {
    adit_record_writer *writer = NULL;
    const char *path = scratch_path("plain.rrec"), *lent = NULL;
    EXPECT_OK(adit_record_writer_create(path, NULL, &writer, &err));
    EXPECT_ERROR(adit_record_writer_set_metadata(writer, "a", "b", 1, &err), ADIT_ERR_UNSUPPORTED,
                 "metadata");
    EXPECT_OK(adit_record_writer_temporary(writer, &lent, &err));
    CHECK_IN(lent, "plain.rrec.");
    adit_record_writer_close(writer);
    adit_record_reader *reader = open_records(data_path("rrec/basic_3x4.rrec"));
    size_t count = 7;
    EXPECT_OK(adit_record_reader_metadata_count(reader, &count, &err));
    CHECK_EQ(count, 0);
    CHECK_EQ(adit_record_reader_shards(reader), 1);
    uint8_t identity[16] = { 0 }, zeros[16] = { 0 };
    EXPECT_OK(adit_record_reader_identity(reader, identity, &err));
    CHECK(memcmp(identity, zeros, 16) != 0);
    adit_record_reader_close(reader);
    /* Of no records nothing is known. */
    adit_record_schema *schema = NULL;
    adit_record_field field = ADIT_RECORD_FIELD_INIT;
    reader = open_records(data_path("rrec/empty_finished.rrec"));
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    EXPECT_OK(adit_record_schema_field(schema, 1, &field, &err));
    CHECK_STR(field.name, "target");
    CHECK_INT(field.kind, ADIT_RECORD_KIND_ANY);
    CHECK_INT(field.ndim, ADIT_NDIM_ANY);
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
}

static adit_status opens(const char *path) {
    adit_record_reader *reader = NULL;
    err = CHECK_GARBAGE;
    const adit_status status = adit_record_reader_open(path, NULL, &reader, &err);
    CHECK((status == ADIT_OK) == (reader != NULL));
    if (status != ADIT_OK) CHECK_STR(adit_error_path(err), path);
    adit_error_free(err);
    adit_record_reader_close(reader);
    return status;
}

/* Cut anywhere, and with any byte of head or tail changed, it says so. */
static void cut_and_changed(void) {
    const char *path = scratch_path("whole.arec"), *part = scratch_path("part.arec");
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.block_bytes = 16384;
    write_samples(path, &options, 0, 10);
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    for (size_t at = 0; at < len; at += 509) {
        write_file(part, bytes, at);
        const adit_status status = opens(part);
        /* Shorter than a header it is no arec file yet. */
        if (at >= 4096) CHECK_INT(status, ADIT_ERR_UNFINISHED);
        else CHECK(status == ADIT_ERR_WRONG_FORMAT || status == ADIT_ERR_UNFINISHED ||
                   status == ADIT_ERR_MALFORMED);
    }
    for (size_t at = 0; at < 300; at += 7) {
        bytes[at] ^= 1;
        write_file(part, bytes, len);
        const adit_status status = opens(part);
        CHECK(status == ADIT_ERR_WRONG_FORMAT || status == ADIT_ERR_CHECKSUM ||
              status == ADIT_ERR_UNSUPPORTED || status == ADIT_ERR_MALFORMED);
        bytes[at] ^= 1;
    }
    for (size_t at = len - 4096; at < len - 3980; at += 3) {
        bytes[at] ^= 1;
        write_file(part, bytes, len);
        CHECK_INT(opens(part), ADIT_ERR_UNFINISHED);
        bytes[at] ^= 1;
    }
    write_file(part, bytes, len);
    CHECK_INT(opens(part), ADIT_OK);
    free(bytes);
}

/* Recovery of what holds nothing, and to where something stands. */
static void recovery(void) {
    const char *to = scratch_path("recovered.arec");
    adit_record_recovery saved = ADIT_RECORD_RECOVERY_INIT;
    EXPECT_OK(adit_record_recover(scratch_path("whole.arec"), to, NULL, NULL, NULL, &saved, &err));
    CHECK_EQ(saved.records, 10);
    EXPECT_ERROR(adit_record_recover(scratch_path("whole.arec"), to, NULL, NULL, NULL, &saved, &err),
                 ADIT_ERR_EXISTS, "recovered.arec");
    unlink(to);
    write_file(scratch_path("text.arec"), "nothing of ours", 15);
    EXPECT_ERROR(adit_record_recover(scratch_path("text.arec"), to, NULL, NULL, NULL, &saved, &err),
                 ADIT_ERR_WRONG_FORMAT, "text.arec");
    CHECK(!exists(to));
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    options_refused();
    records_refused();
    not_in_rrec();
    cut_and_changed();
    recovery();
    return check_end();
}
