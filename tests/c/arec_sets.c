/* Sets: shards by size, manifests, shards that are appended, files that are opened together. */
#include "arec.h"
#include "files.h"

#define SHARD_BYTES 65536

static adit_record_writer_options sharded(void) {
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.shard_bytes = SHARD_BYTES;
    options.block_bytes = 16384;
    return options;
}

static void all_of(const adit_record_reader *reader, uint64_t count) {
    CHECK_EQ(adit_record_reader_len(reader), count);
    for (uint64_t index = 0; index < count; index++) check_sample(reader, index, index);
}

/* The path of a shard, good until the next call. */
static const char *shard_path(const adit_record_reader *reader, size_t shard) {
    static char path[1024];
    adit_data *data = NULL;
    EXPECT_OK(adit_record_reader_shard_data(reader, shard, &data, &err));
    snprintf(path, sizeof path, "%s", adit_data_path(data));
    adit_data_close(data);
    return path;
}

static void written(void) {
    const char *path = scratch_path("set.json");
    const adit_record_writer_options options = sharded();
    adit_record_writer *writer = sample_writer(path, &options);
    append_samples(writer, 0, 1000);
    CHECK(!exists(path));
    EXPECT_OK(adit_record_writer_set_metadata(writer, "source", "test", 4, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    CHECK_EQ(adit_record_writer_count(writer), 1000);
    adit_record_writer_close(writer);

    adit_record_reader *reader = open_records(path);
    const size_t shards = adit_record_reader_shards(reader);
    CHECK(shards > 2);
    CHECK_INT(count_names(".arec", NULL, 0), (int)shards);
    all_of(reader, 1000);
    uint64_t next = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        static size_t before = 0;
        size_t shard = 77;
        uint64_t local = 77;
        EXPECT_OK(adit_record_reader_shard_of(reader, index, &shard, &local, &err));
        CHECK(shard < shards && shard >= before);
        next = shard == before ? next : 0;
        CHECK_EQ(local, next++);
        before = shard;
    }
    for (size_t shard = 0; shard < shards; shard++) {
        struct stat info;
        const char *own = shard_path(reader, shard);
        CHECK_IN(own, "/set-");
        CHECK(stat(own, &info) == 0);
        CHECK((uint64_t)info.st_size <= SHARD_BYTES + 32768);
    }
    const void *value = NULL;
    size_t len = 0;
    EXPECT_OK(adit_record_reader_metadata_find(reader, "source", &value, &len, &err));
    CHECK_EQ(len, 4);
    CHECK_BYTES(value, "test", 4);
    adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
    EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, &found, &err));
    CHECK_EQ(found.records, 1000);
    EXPECT_ERROR(adit_record_reader_shard_data(reader, shards, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "out is NULL");
    adit_record_reader_close(reader);
}

/* Readers that are open keep what they had. */
static void appended(void) {
    const char *path = scratch_path("set.json");
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    adit_record_writer *writer = NULL, *late = NULL;
    adit_record_reader *before = open_records(path);
    const size_t shards = adit_record_reader_shards(before);
    EXPECT_OK(adit_record_writer_append_to(path, &options, &writer, &err));
    EXPECT_OK(adit_record_writer_append_to(path, NULL, &late, &err));
    append_samples(writer, 1000, 30);
    append_samples(late, 1000, 10);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    EXPECT_ERROR(adit_record_writer_finish(late, &err), ADIT_ERR_BUSY, "set.json");
    adit_record_writer_close(late);
    all_of(before, 1000);
    adit_record_reader_close(before);
    adit_record_reader *reader = open_records(path);
    CHECK_EQ(adit_record_reader_shards(reader), shards + 1);
    all_of(reader, 1030);
    adit_record_reader_close(reader);

    /* Another schema is refused. */
    adit_record_schema *other = NULL;
    EXPECT_OK(adit_record_schema_new(&other, &err));
    EXPECT_OK(adit_record_schema_add_bytes(other, "text", &err));
    options.schema = other;
    EXPECT_ERROR(adit_record_writer_append_to(path, &options, &writer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "schema");
    CHECK(writer == NULL);
    adit_record_schema_free(other);
    EXPECT_ERROR(adit_record_writer_append_to(scratch_path("nobody.json"), NULL, &writer, &err),
                 ADIT_ERR_NOT_FOUND, "nobody.json");
    CHECK_LAST_PATH(scratch_path("nobody.json"));
}

/* Several processes write files of their own, and one makes the manifest. */
static void manifest(void) {
    const char *const parts[] = { scratch_path("part0.arec"), scratch_path("part1.arec"),
                                  scratch_path("part2.arec") };
    for (uint64_t part = 0; part < 3; part++) {
        const pid_t child = check_fork();
        if (child == 0) {
            write_samples(parts[part], NULL, 100 * part, 100);
            child_ends();
        }
        check_child(child);
    }
    const char *path = scratch_path("parts.json");
    EXPECT_OK(adit_record_manifest_create(path, parts, 3, 0, &err));
    adit_record_reader *reader = open_records(path), *together = NULL;
    CHECK_EQ(adit_record_reader_shards(reader), 3);
    all_of(reader, 300);
    EXPECT_OK(adit_record_reader_open_files(parts, 3, NULL, &together, &err));
    all_of(together, 300);
    uint8_t one[16], other[16];
    EXPECT_OK(adit_record_reader_identity(reader, one, &err));
    EXPECT_OK(adit_record_reader_identity(together, other, &err));
    CHECK_BYTES(one, other, 16);
    adit_record_reader_close(together);
    adit_record_reader_close(reader);
    const char *const turned[] = { parts[1], parts[0], parts[2] };
    EXPECT_OK(adit_record_reader_open_files(turned, 3, NULL, &together, &err));
    EXPECT_OK(adit_record_reader_identity(together, other, &err));
    CHECK(memcmp(one, other, 16) != 0);
    check_sample(together, 0, 100);
    check_sample(together, 100, 0);
    adit_record_reader_close(together);

    EXPECT_ERROR(adit_record_manifest_create(path, parts, 3, ADIT_RECORD_WRITER_NO_REPLACE, &err),
                 ADIT_ERR_EXISTS, "parts.json");
    EXPECT_ERROR(adit_record_manifest_create(path, parts, 0, 0, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "");
    EXPECT_ERROR(adit_record_manifest_create(path, parts, 3, 8, &err), ADIT_ERR_UNSUPPORTED,
                 "flags");
    const char *const gone[] = { parts[0], scratch_path("gone.arec") };
    EXPECT_ERROR(adit_record_manifest_create(path, gone, 2, 0, &err), ADIT_ERR_NOT_FOUND,
                 "gone.arec");
    const char *const twice[] = { parts[0], parts[0] };
    EXPECT_ERROR(adit_record_manifest_create(path, twice, 2, 0, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "part0.arec");
    EXPECT_ERROR(adit_record_reader_open_files(parts, 0, NULL, &together, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "n is 0");
    EXPECT_ERROR(adit_record_reader_open_files(gone, 2, NULL, &together, &err), ADIT_ERR_NOT_FOUND,
                 "gone.arec");
    CHECK(together == NULL);
}

/* A shard that is damaged, or another one, is told by its name; the others are read as before. */
static void faults(void) {
    const char *path = scratch_path("parts.json"), *part = scratch_path("part1.arec");
    size_t len = 0;
    unsigned char *bytes = read_file(part, &len);
    adit_tensor found[FIELDS];
    CHECK(unlink(part) == 0);
    adit_record_reader *reader = open_records(path);
    check_sample(reader, 0, 0);
    EXPECT_ERROR(adit_record_reader_get(reader, 150, found, FIELDS, &err), ADIT_ERR_NOT_FOUND,
                 "part1.arec");
    CHECK_LAST_PATH(part);
    check_sample(reader, 299, 299);
    /* Tried again: it is there now, but another. */
    write_samples(part, NULL, 100, 100);
    EXPECT_ERROR(adit_record_reader_get(reader, 150, found, FIELDS, &err), ADIT_ERR_MALFORMED,
                 "part1.arec");
    CHECK_LAST_PATH(part);
    adit_record_reader_close(reader);
    write_file(part, bytes, len - 4096);
    reader = open_records(path);
    EXPECT_ERROR(adit_record_reader_get(reader, 199, found, FIELDS, &err), ADIT_ERR_TRUNCATED,
                 "part1.arec");
    adit_record_reader_close(reader);
    write_file(part, bytes, len);
    free(bytes);
    reader = open_records(path);
    all_of(reader, 300);
    adit_record_reader_close(reader);

    const char *const broken[] = { "{", "{}", "{\"adit_record_set\": 2}", "[]" };
    for (size_t at = 0; at < 4; at++) {
        const char *own = scratch_path("broken.json");
        write_file(own, broken[at], strlen(broken[at]));
        err = CHECK_GARBAGE;
        const adit_status status = adit_record_reader_open(own, NULL, &reader, &err);
        CHECK(status == ADIT_ERR_MALFORMED || status == ADIT_ERR_WRONG_FORMAT ||
              status == ADIT_ERR_UNSUPPORTED);
        CHECK(reader == NULL);
        CHECK_IN(adit_error_message(err), "broken.json");
        adit_error_free(err);
    }
}

/* One descriptor does for many shards. */
static void descriptors(void) {
    adit_record_reader_options options = ADIT_RECORD_READER_OPTIONS_INIT;
    adit_record_reader *reader = NULL;
    options.descriptors = 1;
    EXPECT_OK(adit_record_reader_open(scratch_path("set.json"), &options, &reader, &err));
    all_of(reader, 1030);
    uint64_t freed = 0;
    EXPECT_OK(adit_record_reader_release(reader, 0, &freed, &err));
    EXPECT_ERROR(adit_record_reader_release(reader, 1u << 20, &freed, &err), ADIT_ERR_UNSUPPORTED,
                 "flags");
    all_of(reader, 1030);
    adit_record_reader_close(reader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    written();
    appended();
    manifest();
    faults();
    descriptors();
    return check_end();
}
