/* NULL where something must be: records of arec, sets, conversion, loaders and batches. */
#include "loaders.h"

#define IS_NULL(call, parameter) EXPECT_ERROR(call, ADIT_ERR_INVALID_ARGUMENT, parameter " is NULL")

static void schemas(void) {
    adit_record_schema *schema = all_kinds();
    size_t field = 7;
    IS_NULL(adit_record_schema_add_bytes(NULL, "x", &err), "schema");
    IS_NULL(adit_record_schema_add_bytes(schema, NULL, &err), "name");
    IS_NULL(adit_record_schema_find(NULL, "text", &field, &err), "schema");
    CHECK_EQ(field, 0);
    IS_NULL(adit_record_schema_find(schema, NULL, &field, &err), "name");
    IS_NULL(adit_record_schema_find(schema, "text", NULL, &err), "field");
    adit_record_schema_free(schema);
}

static void writers(const char *set) {
    adit_record_writer *writer = sample_writer(scratch_path("nulls.arec"), NULL), *out = NULL;
    const char *path = "x";
    IS_NULL(adit_record_writer_append_to(NULL, NULL, &out, &err), "manifest");
    IS_NULL(adit_record_writer_append_to(set, NULL, NULL, &err), "out");
    IS_NULL(adit_record_writer_set_metadata(NULL, "a", "b", 1, &err), "writer");
    IS_NULL(adit_record_writer_set_metadata(writer, NULL, "b", 1, &err), "key");
    IS_NULL(adit_record_writer_set_metadata(writer, "a", NULL, 1, &err), "value");
    IS_NULL(adit_record_writer_temporary(NULL, &path, &err), "writer");
    CHECK(path == NULL);
    IS_NULL(adit_record_writer_temporary(writer, NULL, &err), "path");
    IS_NULL(adit_record_writer_sync(NULL, &err), "writer");
    adit_record_writer_close(writer);
}

static void readers(const char *path) {
    adit_record_reader *reader = open_records(path), *out = NULL;
    const char *const paths[] = { path, NULL };
    const char *key = "x";
    const void *value = "x";
    size_t n = 7;
    uint64_t number = 7, offsets[2] = { 7, 7 };
    const uint64_t index = 0;
    const size_t field = 0;
    uint8_t identity[16];
    adit_data *data = NULL;
    float x[4];
    void *const buffers[] = { x }, *const none[] = { NULL };
    const uint64_t lens[] = { sizeof x };
    IS_NULL(adit_record_reader_open_files(NULL, 2, NULL, &out, &err), "paths");
    IS_NULL(adit_record_reader_open_files(paths, 2, NULL, &out, &err), "paths[1]");
    IS_NULL(adit_record_reader_open_files(paths, 1, NULL, NULL, &err), "out");
    IS_NULL(adit_record_reader_metadata_count(NULL, &n, &err), "reader");
    CHECK_EQ(n, 0);
    IS_NULL(adit_record_reader_metadata_count(reader, NULL, &err), "count");
    IS_NULL(adit_record_reader_metadata(NULL, 0, &key, &value, &n, &err), "reader");
    CHECK(key == NULL && value == NULL);
    IS_NULL(adit_record_reader_metadata(reader, 0, NULL, &value, &n, &err), "key");
    IS_NULL(adit_record_reader_metadata(reader, 0, &key, NULL, &n, &err), "value");
    IS_NULL(adit_record_reader_metadata(reader, 0, &key, &value, NULL, &err), "len");
    IS_NULL(adit_record_reader_metadata_find(NULL, "a", &value, &n, &err), "reader");
    IS_NULL(adit_record_reader_metadata_find(reader, NULL, &value, &n, &err), "key");
    IS_NULL(adit_record_reader_metadata_find(reader, "a", NULL, &n, &err), "value");
    CHECK_EQ(adit_record_reader_shards(NULL), 0);
    IS_NULL(adit_record_reader_shard_of(NULL, 0, &n, &number, &err), "reader");
    CHECK_EQ(number, 0);
    EXPECT_OK(adit_record_reader_shard_of(reader, 0, NULL, NULL, &err));
    IS_NULL(adit_record_reader_shard_data(NULL, 0, &data, &err), "reader");
    IS_NULL(adit_record_reader_shard_data(reader, 0, NULL, &err), "out");
    IS_NULL(adit_record_reader_identity(NULL, identity, &err), "reader");
    IS_NULL(adit_record_reader_identity(reader, NULL, &err), "identity");
    IS_NULL(adit_record_reader_prefetch(NULL, &index, 1, NULL, 0, NULL, &err), "reader");
    IS_NULL(adit_record_reader_prefetch(reader, NULL, 1, NULL, 0, NULL, &err), "indices");
    IS_NULL(adit_record_reader_prefetch(reader, &index, 1, NULL, 1, NULL, &err), "fields");
    IS_NULL(adit_record_reader_release(NULL, 0, NULL, &err), "reader");
    EXPECT_OK(adit_record_reader_release(reader, 0, NULL, &err));
    IS_NULL(adit_record_reader_gather_ragged(NULL, 0, &index, 1, offsets, x, 16, NULL, NULL, &err),
            "reader");
    CHECK(offsets[0] == 0 && offsets[1] == 0);
    IS_NULL(adit_record_reader_gather_ragged(reader, 0, NULL, 1, offsets, x, 16, NULL, NULL, &err),
            "indices");
    IS_NULL(adit_record_reader_gather_ragged(reader, 0, &index, 1, NULL, x, 16, NULL, NULL, &err),
            "offsets");
    IS_NULL(adit_record_reader_gather_ragged(reader, 0, &index, 1, offsets, NULL, 16, NULL, NULL,
                                             &err),
            "buffer");
    IS_NULL(adit_record_reader_gather_fields(NULL, &field, 1, &index, 1, buffers, lens, NULL, NULL,
                                             &err),
            "reader");
    IS_NULL(adit_record_reader_gather_fields(reader, NULL, 1, &index, 1, buffers, lens, NULL, NULL,
                                             &err),
            "fields");
    IS_NULL(adit_record_reader_gather_fields(reader, &field, 1, NULL, 1, buffers, lens, NULL, NULL,
                                             &err),
            "indices");
    IS_NULL(adit_record_reader_gather_fields(reader, &field, 1, &index, 1, NULL, lens, NULL, NULL,
                                             &err),
            "buffers");
    IS_NULL(adit_record_reader_gather_fields(reader, &field, 1, &index, 1, buffers, NULL, NULL,
                                             NULL, &err),
            "lens");
    IS_NULL(adit_record_reader_gather_fields(reader, &field, 1, &index, 1, none, lens, NULL, NULL,
                                             &err),
            "buffer");
    EXPECT_OK(adit_record_reader_gather_fields(reader, &field, 1, &index, 1, buffers, lens, NULL,
                                               NULL, &err));
    CHECK(x[3] == 3);
    adit_record_reader_close(reader);
}

static void sets(const char *path) {
    const char *const paths[] = { path, NULL };
    const char *to = scratch_path("to.arec");
    IS_NULL(adit_record_manifest_create(NULL, paths, 1, 0, &err), "path");
    IS_NULL(adit_record_manifest_create(to, NULL, 1, 0, &err), "shards");
    IS_NULL(adit_record_manifest_create(to, paths, 2, 0, &err), "shards[1]");
    IS_NULL(adit_record_convert(NULL, to, NULL, NULL, NULL, &err), "from");
    IS_NULL(adit_record_convert(path, NULL, NULL, NULL, NULL, &err), "to");
    IS_NULL(adit_record_convert_arrays(NULL, NULL, 1, to, NULL, NULL, NULL, &err), "paths");
    IS_NULL(adit_record_convert_arrays(paths, paths, 2, to, NULL, NULL, NULL, &err), "paths[1]");
    IS_NULL(adit_record_convert_arrays(paths, paths + 1, 1, to, NULL, NULL, NULL, &err), "names[0]");
    IS_NULL(adit_record_convert_arrays(paths, NULL, 1, NULL, NULL, NULL, NULL, &err), "to");
    IS_NULL(adit_record_convert_folder(NULL, to, NULL, NULL, NULL, &err), "folder");
    IS_NULL(adit_record_convert_folder(path, NULL, NULL, NULL, NULL, &err), "to");
    CHECK(!exists(to));
}

static void loaders(const char *path) {
    const adit_loader_options options = batches_of(10);
    adit_record_reader *reader = open_records(path);
    adit_loader *loader = NULL;
    adit_loader_fields *fields = NULL;
    adit_batch *batch = NULL;
    unsigned char state[ADIT_LOADER_STATE_BYTES];
    size_t len = 7, n = 7;
    adit_tensor tensor;
    const uint64_t *records = (const uint64_t *)state;
    const uint8_t *flags = state;
    adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
    adit_batch_info info = ADIT_BATCH_INFO_INIT;
    IS_NULL(adit_loader_open(NULL, &options, &loader, &err), "reader");
    IS_NULL(adit_loader_open(reader, &options, NULL, &err), "out");
    IS_NULL(adit_loader_open_array(NULL, 2, 1, &options, &loader, &err), "array");
    IS_NULL(adit_loader_open_data(NULL, 0, ADIT_DTYPE_U16, 2, 1, &options, &loader, &err), "data");
    CHECK(loader == NULL);
    IS_NULL(adit_loader_fields_new(NULL, &err), "out");
    EXPECT_OK(adit_loader_fields_new(&fields, &err));
    IS_NULL(adit_loader_fields_add(NULL, "x", 0, 0, 0, &err), "fields");
    IS_NULL(adit_loader_fields_add(fields, NULL, 0, 0, 0, &err), "name");
    IS_NULL(adit_loader_fields_add_output(NULL, "x", ADIT_DTYPE_U8, 0, NULL, &err), "fields");
    IS_NULL(adit_loader_fields_add_output(fields, NULL, ADIT_DTYPE_U8, 0, NULL, &err), "name");
    IS_NULL(adit_loader_fields_add_output(fields, "x", ADIT_DTYPE_U8, 1, NULL, &err), "dims");
    adit_loader_fields_free(fields);
    EXPECT_OK(adit_loader_open(reader, &options, &loader, &err));
    adit_record_reader_close(reader);
    IS_NULL(adit_loader_next(NULL, &batch, &err), "loader");
    IS_NULL(adit_loader_next(loader, NULL, &err), "batch");
    IS_NULL(adit_loader_get_stats(NULL, &stats, &err), "loader");
    IS_NULL(adit_loader_get_stats(loader, NULL, &err), "stats");
    IS_NULL(adit_loader_set_epoch(NULL, 1, &err), "loader");
    IS_NULL(adit_loader_state_save(NULL, state, sizeof state, &len, &err), "loader");
    CHECK_EQ(len, 0);
    IS_NULL(adit_loader_state_save(loader, NULL, sizeof state, &len, &err), "state");
    IS_NULL(adit_loader_state_save(loader, state, sizeof state, NULL, &err), "len");
    IS_NULL(adit_loader_state_load(NULL, state, 8, &err), "loader");
    batch = next_batch(loader);
    IS_NULL(adit_batch_tensor(NULL, 0, &tensor, &err), "batch");
    IS_NULL(adit_batch_tensor(batch, 0, NULL, &err), "tensor");
    IS_NULL(adit_batch_find(NULL, "x", &n, &err), "batch");
    IS_NULL(adit_batch_find(batch, NULL, &n, &err), "name");
    IS_NULL(adit_batch_find(batch, "x", NULL, &err), "index");
    IS_NULL(adit_batch_records(NULL, &records, &n, &err), "batch");
    CHECK(records == NULL && n == 0);
    IS_NULL(adit_batch_records(batch, NULL, &n, &err), "records");
    IS_NULL(adit_batch_records(batch, &records, NULL, &err), "n");
    IS_NULL(adit_batch_flags(NULL, &flags, &n, &err), "batch");
    CHECK(flags == NULL && n == 0);
    IS_NULL(adit_batch_flags(batch, NULL, &n, &err), "flags");
    IS_NULL(adit_batch_flags(batch, &flags, NULL, &err), "n");
    IS_NULL(adit_batch_get_info(NULL, &info, &err), "batch");
    IS_NULL(adit_batch_get_info(batch, NULL, &err), "info");
    adit_batch_release(batch);
    adit_loader_close(loader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const char *const path[] = { write_numbers("numbers.arec", 20) };
    const char *set = scratch_path("set.json");
    EXPECT_OK(adit_record_manifest_create(set, path, 1, 0, &err));
    schemas();
    writers(set);
    readers(path[0]);
    sets(path[0]);
    loaders(path[0]);
    return check_end();
}
