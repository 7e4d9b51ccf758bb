/* Damaged record files: each malformed fixture, every byte changed, every length cut. */
#include "check.h"

#define NOWHERE UINT64_MAX

/* Files that don't open, and the byte that is named. */
static const struct {
    const char *name;
    int32_t status;
    uint64_t offset;
    const char *text;
} files[] = {
    { "rrec/bad_index_beyond_eof.rrec", ADIT_ERR_MALFORMED, 8, "doesn't fit into the file" },
    { "rrec/bad_magic.rrec", ADIT_ERR_WRONG_FORMAT, NOWHERE, "not \"RREC\"" },
    { "rrec/bad_num_records_plus1.rrec", ADIT_ERR_MALFORMED, 8, "index of 9 records" },
    { "rrec/bad_short_header.rrec", ADIT_ERR_WRONG_FORMAT, NOWHERE, "40 bytes" },
    { "rrec/bad_truncated_in_data.rrec", ADIT_ERR_MALFORMED, 8, "it was cut" },
    { "rrec/bad_truncated_in_index.rrec", ADIT_ERR_MALFORMED, 8, "it was cut" },
    { "rrec/bad_version_0.rrec", ADIT_ERR_UNSUPPORTED, NOWHERE, "version 0" },
    { "rrec/bad_version_2.rrec", ADIT_ERR_UNSUPPORTED, NOWHERE, "version 2" },
    { "rrec/bad_zero_bytes.rrec", ADIT_ERR_WRONG_FORMAT, NOWHERE, "0 bytes" },
    { "rrec/unfinished_dropped.rrec", ADIT_ERR_UNFINISHED, NOWHERE, "adit_record_recover" },
    { "rrec/unfinished_zero_tail.rrec", ADIT_ERR_UNFINISHED, NOWHERE, "adit_record_recover" },
    { "npy/f4_c.npy", ADIT_ERR_WRONG_FORMAT, NOWHERE, "not \"RREC\"" },
};

static void files_that_do_not_open(void) {
    for (size_t at = 0; at < sizeof files / sizeof files[0]; at++) {
        const char *path = data_path(files[at].name);
        adit_record_reader *reader = (adit_record_reader *)(uintptr_t)16;
        adit_data *data = NULL;
        EXPECT_ERROR(adit_record_reader_open(path, NULL, &reader, &err), files[at].status,
                     files[at].text);
        CHECK(reader == NULL);
        CHECK_LAST_PATH(path);
        CHECK(last.has_offset == (files[at].offset != NOWHERE));
        if (last.has_offset) CHECK_EQ(last.offset, files[at].offset);
        CHECK(!last.has_index);

        /* The same of the same bytes without a name. */
        size_t len = 0;
        unsigned char *bytes = read_file(path, &len);
        EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
        reader = (adit_record_reader *)(uintptr_t)16;
        EXPECT_ERROR(adit_record_reader_from_data(data, NULL, &reader, &err), files[at].status,
                     "bytes in memory");
        CHECK(reader == NULL && !last.has_path);
        adit_data_close(data);
        free(bytes);
    }
}

/* Files with one damaged record. */
static const struct {
    const char *name;
    uint64_t records, bad, offset;
    const char *text;
} records[] = {
    { "rrec/bad_dims_overflow_u64.rrec", 3, 1, 144, "elements" },
    { "rrec/bad_dims_too_big.rrec", 2, 1, 144, "elements" },
    { "rrec/bad_dtype_7.rrec", 8, 0, 76, "7 is no dtype" },
    { "rrec/bad_ndim_huge.rrec", 2, 1, 144, "2147483647 dimensions" },
    { "rrec/bad_record_len_too_long.rrec", 8, 3, 752, "index entry" },
    { "rrec/bad_record_len_too_short.rrec", 8, 3, 304, "record ends" },
    { "rrec/bad_record_offset_past_eof.rrec", 8, 2, 736, "index entry" },
};

static void damaged_records(void) {
    for (size_t at = 0; at < sizeof records / sizeof records[0]; at++) {
        const char *path = data_path(records[at].name), *text = records[at].text;
        const uint64_t bad = records[at].bad;
        adit_record_reader *reader = NULL;
        adit_record_schema *schema = (adit_record_schema *)(uintptr_t)16;
        adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
        adit_tensor tensors[2];
        int64_t dims[4];
        size_t ndim;
        float target[2];
        EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
        CHECK_EQ(adit_record_reader_len(reader), records[at].records);
        for (uint64_t index = 0; index < records[at].records; index++) {
            if (index == bad) continue;
            EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
            CHECK_INT(tensors[0].ndim, 2);
            EXPECT_OK(adit_record_reader_shape(reader, index, 0, dims, 4, &ndim, &err));
            CHECK_EQ(ndim, 2);
        }
        memset(tensors, 0xa5, sizeof tensors);
        EXPECT_ERROR(adit_record_reader_get(reader, bad, tensors, 2, &err), ADIT_ERR_MALFORMED,
                     text);
        CHECK_LAST_PATH(path);
        CHECK_LAST_OFFSET(records[at].offset);
        CHECK_LAST_INDEX(bad);
        CHECK(tensors[0].data == NULL && tensors[1].data == NULL);
        /* Asked for a part of it, it is as damaged. */
        EXPECT_ERROR(adit_record_reader_get(reader, bad, tensors, 1, &err), ADIT_ERR_MALFORMED,
                     text);
        EXPECT_ERROR(adit_record_reader_shape(reader, bad, 1, dims, 4, &ndim, &err),
                     ADIT_ERR_MALFORMED, text);
        CHECK_LAST_INDEX(bad);
        const uint64_t indices[] = { bad == 0 ? 1u : 0u, bad };
        adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
        for (options.io = ADIT_IO_AUTO; options.io <= ADIT_IO_READ; options.io++) {
            EXPECT_ERROR(adit_record_reader_gather(reader, 1, indices, 2, target, sizeof target,
                                                   &options, tensors, &err),
                         ADIT_ERR_MALFORMED, text);
            CHECK_LAST_INDEX(bad);
            CHECK_LAST_OFFSET(records[at].offset);
        }
        EXPECT_ERROR(adit_record_reader_verify(reader, NULL, NULL, &found, &err),
                     ADIT_ERR_MALFORMED, text);
        CHECK_LAST_PATH(path);
        CHECK_LAST_INDEX(bad);
        CHECK_EQ(found.records, records[at].records);
        CHECK_EQ(found.bad_records, 1);
        CHECK_EQ(found.bytes, 80 * (records[at].records - 1));
        if (bad == 0) {
            EXPECT_ERROR(adit_record_reader_schema(reader, &schema, &err), ADIT_ERR_MALFORMED,
                         text);
            CHECK_LAST_INDEX(0);
            CHECK(schema == NULL);
        } else {
            EXPECT_OK(adit_record_reader_schema(reader, &schema, &err));
            adit_record_schema_free(schema);
        }
        adit_record_reader_close(reader);
    }
}

/* Whatever the bytes are, an answer comes, and an error with its object. */
static unsigned use(const unsigned char *bytes, uint64_t len) {
    adit_data *data = NULL;
    adit_record_reader *reader = NULL;
    unsigned good = 0;
    EXPECT_OK(adit_data_from_bytes(bytes, len, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
    adit_status status = adit_record_reader_from_data(data, NULL, &reader, &err);
    CHECK((status == ADIT_OK) == (reader != NULL) && (status == ADIT_OK) == (err == NULL));
    adit_error_free(err);
    uint64_t count = adit_record_reader_len(reader);
    CHECK(count <= len / 16);
    for (uint64_t index = 0; index < count; index++) {
        adit_tensor tensors[2];
        int64_t dims[2];
        size_t ndim;
        char target[64];
        status = adit_record_reader_get(reader, index, tensors, 2, &err);
        CHECK((status == ADIT_OK) == (err == NULL));
        adit_error_free(err);
        for (int field = 0; status == ADIT_OK && field < 2; field++) {
            /* Every byte that is lent lies inside. */
            const unsigned char *start = (const unsigned char *)tensors[field].data;
            if (tensors[field].nbytes == 0) continue;
            CHECK(start >= bytes && tensors[field].nbytes <= len &&
                  start - bytes <= (ptrdiff_t)(len - tensors[field].nbytes));
            good++;
        }
        CHECK(adit_record_reader_shape(reader, index, 0, dims, 2, &ndim, NULL) != ADIT_ERR_INTERNAL);
        status = adit_record_reader_gather(reader, 1, &index, 1, target, sizeof target, NULL, NULL,
                                           NULL);
        CHECK(status != ADIT_ERR_INTERNAL && status != ADIT_ERR_POISONED);
    }
    if (reader != NULL) {
        adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
        status = adit_record_reader_verify(reader, NULL, NULL, &found, NULL);
        CHECK(status == ADIT_OK || status == ADIT_ERR_MALFORMED);
        CHECK_EQ(found.records, count);
        CHECK((found.bad_records > 0) == (status == ADIT_ERR_MALFORMED));
    }
    adit_record_reader_close(reader);
    adit_data_close(data);
    return good;
}

static void any_bytes(void) {
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("rrec/basic_3x4.rrec"), &len);
    const unsigned char changes[] = { 0xff, 0x80, 0x01 };
    CHECK_INT(use(bytes, len), 16);
    for (size_t at = 0; at < len; at++) {
        /* Elements can be anything; the rest of the records is alike. */
        if (at >= 64 + 80 && at < 704) continue;
        for (size_t change = 0; change < 3; change++) {
            bytes[at] ^= changes[change];
            use(bytes, len);
            bytes[at] ^= changes[change];
        }
    }
    /* A copy of just the length, so that a read behind it is seen. */
    for (size_t cut = 0; cut < len; cut += cut < 200 || cut > 690 ? 1 : 7) {
        unsigned char *exact = (unsigned char *)malloc(cut > 0 ? cut : 1);
        CHECK(exact != NULL);
        memcpy(exact, bytes, cut);
        CHECK_INT(use(exact, cut), 0);
        free(exact);
    }
    free(bytes);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    files_that_do_not_open();
    damaged_records();
    any_bytes();
    return check_end();
}
