/* Conversions: from rrec, from arrays, from folders of files, and between layouts of arec. */
#include "arec.h"
#include "files.h"

static int ADIT_CALL count(void *ctx, uint64_t done, uint64_t total) {
    uint64_t *told = (uint64_t *)ctx;
    told[0] = done;
    told[1] = total;
    return 0;
}

static int ADIT_CALL stop(void *ctx, uint64_t done, uint64_t total) {
    (void)ctx;
    (void)done;
    (void)total;
    return 1;
}

static void from_rrec(void) {
    const char *const names[] = { "rrec/basic_3x4.rrec", "rrec/many_tiny_10k.rrec" };
    for (size_t at = 0; at < 2; at++) {
        uint64_t told[2] = { 7, 7 };
        const char *to = scratch_path("from.arec");
        EXPECT_OK(adit_record_convert(data_path(names[at]), to, NULL, count, told, &err));
        CHECK_EQ(told[0], told[1]);
        adit_record_reader *before = open_records(data_path(names[at])), *after = open_records(to);
        CHECK_EQ(adit_record_reader_len(after), adit_record_reader_len(before));
        for (uint64_t index = 0; index < adit_record_reader_len(before); index++) {
            adit_tensor wanted[2], found[2];
            EXPECT_OK(adit_record_reader_get(before, index, wanted, 2, &err));
            EXPECT_OK(adit_record_reader_get(after, index, found, 2, &err));
            check_like(&found[0], &wanted[0]);
            check_like(&found[1], &wanted[1]);
        }
        adit_record_reader_close(before);
        adit_record_reader_close(after);
    }
}

/* One file to a set and back: other shards and alignment, the same records. */
static void layouts(void) {
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    write_samples(scratch_path("one.arec"), NULL, 0, 500);
    options.shard_bytes = 65536;
    options.block_bytes = 16384;
    options.alignment = 256;
    EXPECT_OK(adit_record_convert(scratch_path("one.arec"), scratch_path("many.json"), &options,
                                  NULL, NULL, &err));
    adit_record_reader *reader = open_records(scratch_path("many.json"));
    CHECK(adit_record_reader_shards(reader) > 1);
    CHECK_EQ(adit_record_reader_len(reader), 500);
    for (uint64_t index = 0; index < 500; index++) check_sample(reader, index, index);
    adit_record_reader_close(reader);
    EXPECT_OK(adit_record_convert(scratch_path("many.json"), scratch_path("again.arec"), NULL, NULL,
                                  NULL, &err));
    reader = open_records(scratch_path("again.arec"));
    for (uint64_t index = 0; index < 500; index++) check_sample(reader, index, index);
    adit_record_reader_close(reader);
    EXPECT(adit_record_convert(scratch_path("one.arec"), scratch_path("stopped.arec"), NULL, stop,
                               NULL, &err),
           ADIT_CANCELLED);
    CHECK_INT(count_names("stopped", NULL, 0), 0);
    EXPECT_ERROR(adit_record_convert(scratch_path("gone.arec"), scratch_path("to.arec"), NULL, NULL,
                                     NULL, &err),
                 ADIT_ERR_NOT_FOUND, "gone.arec");
}

static void from_arrays(void) {
    const char *const paths[] = { data_path("digits/images_u8.npy"),
                                  data_path("digits/labels_u8.npy") };
    const char *const names[] = { "image", "label" };
    const char *to = scratch_path("digits.arec");
    EXPECT_OK(adit_record_convert_arrays(paths, names, 2, to, NULL, NULL, NULL, &err));
    adit_array *images = NULL;
    adit_tensor all, found[2];
    EXPECT_OK(adit_array_open(paths[0], NULL, &images, &err));
    EXPECT_OK(adit_array_tensor(images, &all, &err));
    adit_record_reader *reader = open_records(to);
    CHECK_EQ(adit_record_reader_len(reader), (uint64_t)all.shape[0]);
    const size_t row = (size_t)all.nbytes / (size_t)all.shape[0];
    for (uint64_t index = 0; index < (uint64_t)all.shape[0]; index += 97) {
        EXPECT_OK(adit_record_reader_get(reader, index, found, 2, &err));
        CHECK_EQ(found[0].nbytes, row);
        CHECK_BYTES(found[0].data, (const char *)all.data + index * row, row);
        CHECK_EQ(found[1].nbytes, 1);
    }
    adit_record_schema *schema = NULL;
    size_t field = 7;
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    EXPECT_OK(adit_record_schema_find(schema, "label", &field, &err));
    CHECK_EQ(field, 1);
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
    adit_array_close(images);
    /* Named after the files. */
    EXPECT_OK(adit_record_convert_arrays(paths, NULL, 2, to, NULL, NULL, NULL, &err));
    reader = open_records(to);
    EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
    EXPECT_OK(adit_record_schema_find(schema, "images_u8", &field, &err));
    adit_record_schema_free(schema);
    adit_record_reader_close(reader);
    const char *const uneven[] = { paths[0], data_path("npy/f4_c.npy") };
    EXPECT_ERROR(adit_record_convert_arrays(uneven, names, 2, to, NULL, NULL, NULL, &err),
                 ADIT_ERR_SHAPE, "f4_c.npy");
    EXPECT_ERROR(adit_record_convert_arrays(paths, names, 0, to, NULL, NULL, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "");
}

static void from_folder(void) {
    const char *folder = scratch_path("classes");
    CHECK_INT(mkdir(folder, 0700), 0);
    CHECK_INT(mkdir(scratch_path("classes/cat"), 0700), 0);
    CHECK_INT(mkdir(scratch_path("classes/dog"), 0700), 0);
    write_file(scratch_path("classes/dog/1.txt"), "wow", 3);
    write_file(scratch_path("classes/cat/a.txt"), "miaow", 5);
    write_file(scratch_path("classes/cat/b.txt"), "", 0);
    const char *to = scratch_path("classes.arec");
    EXPECT_OK(adit_record_convert_folder(folder, to, NULL, NULL, NULL, &err));
    adit_record_reader *reader = open_records(to);
    CHECK_EQ(adit_record_reader_len(reader), 3);
    adit_tensor found[3];
    const char *const names[] = { "cat/a.txt", "cat/b.txt", "dog/1.txt" };
    const char *const contents[] = { "miaow", "", "wow" };
    for (uint64_t index = 0; index < 3; index++) {
        EXPECT_OK(adit_record_reader_get(reader, index, found, 3, &err));
        CHECK_EQ(found[0].nbytes, strlen(names[index]));
        CHECK_BYTES(found[0].data, names[index], strlen(names[index]));
        CHECK_EQ(found[1].nbytes, strlen(contents[index]));
        CHECK_BYTES(found[1].data, contents[index], strlen(contents[index]));
        CHECK_INT(*(const int32_t *)found[2].data, index == 2 ? 1 : 0);
    }
    const void *value = NULL;
    size_t len = 0;
    EXPECT_OK(adit_record_reader_metadata_find(reader, "class.1", &value, &len, &err));
    CHECK_EQ(len, 3);
    CHECK_BYTES(value, "dog", 3);
    adit_record_reader_close(reader);
    EXPECT_ERROR(adit_record_convert_folder(scratch_path("nobody"), to, NULL, NULL, NULL, &err),
                 ADIT_ERR_NOT_FOUND, "nobody");
    write_file(scratch_path("classes/beside.txt"), "x", 1);
    EXPECT_ERROR(adit_record_convert_folder(folder, to, NULL, NULL, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "beside.txt");
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    from_rrec();
    layouts();
    from_arrays();
    from_folder();
    return check_end();
}
