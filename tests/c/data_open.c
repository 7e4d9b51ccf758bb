/* Opening bytes: by path, by descriptor, from memory, compressed. Faults are in data_faults.c. */
#include "check.h"

/* The fixture that everything here is compared with. */
static unsigned char *content;
static size_t content_len;

static void is_content(const adit_data *data) {
    CHECK_EQ(adit_data_len(data), content_len);
    CHECK_BYTES(adit_data_bytes(data), content, content_len);
}

static void null_handle(void) {
    CHECK(adit_data_bytes(NULL) == NULL);
    CHECK_EQ(adit_data_len(NULL), 0);
    CHECK(!adit_data_is_mapped(NULL));
    CHECK(adit_data_path(NULL) == NULL);
    adit_data_close(NULL);
}

static void by_path(void) {
    const char *path = data_path("rrec/basic_3x4.rrec");
    const struct {
        int32_t backend;
        uint32_t flags;
        bool mapped;
    } ways[] = {
        { ADIT_BACKEND_AUTO, 0, true },
        { ADIT_BACKEND_MAP, 0, true },
        { ADIT_BACKEND_READ, 0, false },
        { ADIT_BACKEND_AUTO, ADIT_DATA_HUGE_PAGES, true },
        { ADIT_BACKEND_AUTO, ADIT_DATA_POPULATE, true },
        { ADIT_BACKEND_AUTO, ADIT_DATA_LOCK, true },
        { ADIT_BACKEND_READ, ADIT_DATA_LOCK | ADIT_DATA_POPULATE | ADIT_DATA_HUGE_PAGES, false },
        { ADIT_BACKEND_MAP, ADIT_DATA_DECOMPRESS, true },
        { ADIT_BACKEND_MAP, ADIT_DATA_HUGE_PAGES | ADIT_DATA_POPULATE | ADIT_DATA_LOCK, true },
    };
    for (size_t at = 0; at < sizeof ways / sizeof ways[0]; at++) {
        adit_data *data = NULL;
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.backend = ways[at].backend;
        options.flags = ways[at].flags;
        EXPECT_OK(adit_data_open(path, &options, &data, &err));
        is_content(data);
        CHECK(adit_data_is_mapped(data) == ways[at].mapped);
        CHECK_STR(adit_data_path(data), path);
        CHECK(adit_data_path(data) != path);
        CHECK_EQ((uintptr_t)adit_data_bytes(data) % 64, 0);
        EXPECT_OK(adit_data_status(data, &err));
        adit_data_close(data);
    }
    CHECK_INT(ADIT_BACKEND_AUTO, 0);
    CHECK_INT(ADIT_BACKEND_MAP, 1);
    CHECK_INT(ADIT_BACKEND_READ, 2);
    CHECK_EQ(ADIT_TO_END, UINT64_MAX);
    CHECK_EQ(ADIT_DATA_HUGE_PAGES, 1);
    CHECK_EQ(ADIT_DATA_POPULATE, 2);
    CHECK_EQ(ADIT_DATA_LOCK, 4);
    CHECK_EQ(ADIT_DATA_DECOMPRESS, 8);

    /* Any bytes make a name, and a link leads to its file. */
    const char *odd = scratch_path("\xff caf\xc3\xa9 \n");
    adit_data *data = NULL;
    CHECK_INT(symlink(path, odd), 0);
    EXPECT_OK(adit_data_open(odd, NULL, &data, &err));
    is_content(data);
    CHECK_STR(adit_data_path(data), odd);
    adit_data_close(data);

    /* A relative path is kept as it is. */
    write_file("here", content, content_len);
    EXPECT_OK(adit_data_open("here", NULL, &data, &err));
    CHECK_STR(adit_data_path(data), "here");
    /* What is unlinked or replaced meanwhile stays. */
    CHECK_INT(remove("here"), 0);
    is_content(data);
    EXPECT_OK(adit_data_status(data, &err));
    adit_data_close(data);
}

static void empty(void) {
    const int32_t backends[] = { ADIT_BACKEND_AUTO, ADIT_BACKEND_MAP, ADIT_BACKEND_READ };
    write_file(scratch_path("empty"), NULL, 0);
    for (size_t at = 0; at < 3; at++) {
        for (uint32_t flags = 0; flags < 16; flags++) {
            adit_data *data = NULL;
            adit_data_options options = ADIT_DATA_OPTIONS_INIT;
            options.backend = backends[at];
            options.flags = flags;
            EXPECT_OK(adit_data_open(scratch_path("empty"), &options, &data, &err));
            CHECK(data != NULL);
            CHECK(adit_data_bytes(data) == NULL);
            CHECK_EQ(adit_data_len(data), 0);
            CHECK(!adit_data_is_mapped(data));
            EXPECT_OK(adit_data_read(data, 0, 0, NULL, &err));
            EXPECT_OK(adit_data_status(data, &err));
            adit_data_close(data);
        }
    }
}

static void part(int fd, uint64_t offset, uint64_t len, const unsigned char *whole, uint64_t total,
                 int32_t backend) {
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    uint64_t wanted = len == ADIT_TO_END ? total - offset : len;
    options.backend = backend;
    EXPECT_OK(adit_data_open_fd(fd, offset, len, &options, &data, &err));
    CHECK_EQ(adit_data_len(data), wanted);
    CHECK_BYTES(adit_data_bytes(data), whole + offset, wanted);
    CHECK((adit_data_bytes(data) == NULL) == (wanted == 0));
    CHECK(adit_data_path(data) == NULL);
    CHECK(adit_data_is_mapped(data) == (backend != ADIT_BACKEND_READ && wanted > 0));
    if (wanted > 2) {
        char some[2];
        EXPECT_OK(adit_data_read(data, wanted - 2, 2, some, &err));
        CHECK_BYTES(some, whole + offset + wanted - 2, 2);
        EXPECT_ERROR(adit_data_read(data, wanted - 1, 2, some, &err), ADIT_ERR_OUT_OF_RANGE,
                     "file descriptor");
        CHECK(!last.has_path);
        CHECK_LAST_OFFSET(wanted - 1);
    }
    adit_data_close(data);
}

static void by_descriptor(void) {
    /* Three pages and a bit, so that offsets lie in all of them. */
    const uint64_t total = 3 * 4096 + 100;
    unsigned char *whole = (unsigned char *)malloc(total);
    CHECK(whole != NULL);
    for (uint64_t at = 0; at < total; at++) whole[at] = (unsigned char)(at * 7 + at / 256);
    write_file(scratch_path("pages"), whole, total);
    int fd = open(scratch_path("pages"), O_RDONLY);
    CHECK(fd >= 0);
    CHECK(lseek(fd, 17, SEEK_SET) == 17);
    const uint64_t offsets[] = { 0, 1, 63, 64, 4095, 4096, 4097, 8191, 12288, total - 1, total };
    const int32_t backends[] = { ADIT_BACKEND_AUTO, ADIT_BACKEND_MAP, ADIT_BACKEND_READ };
    for (size_t way = 0; way < 3; way++) {
        for (size_t at = 0; at < sizeof offsets / sizeof offsets[0]; at++) {
            uint64_t rest = total - offsets[at];
            part(fd, offsets[at], ADIT_TO_END, whole, total, backends[way]);
            part(fd, offsets[at], rest, whole, total, backends[way]);
            part(fd, offsets[at], rest / 2, whole, total, backends[way]);
            part(fd, offsets[at], 0, whole, total, backends[way]);
        }
    }
    /* The caller's descriptor and its position are as before. */
    CHECK(lseek(fd, 0, SEEK_CUR) == 17);

    adit_data *data = (adit_data *)(uintptr_t)16;
    const struct {
        uint64_t offset, len;
    } outside[] = {
        { total + 1, 0 },
        { total + 1, ADIT_TO_END },
        { total, 1 },
        { 0, total + 1 },
        { 1, total },
        { UINT64_MAX, 1 },
        { UINT64_MAX, ADIT_TO_END },
        { UINT64_MAX, 0 },
        { 1, ADIT_TO_END - 1 },
        { (uint64_t)INT64_MAX, 1 },
        { (uint64_t)INT64_MAX + 1, (uint64_t)INT64_MAX + 1 },
    };
    for (size_t at = 0; at < sizeof outside / sizeof outside[0]; at++) {
        EXPECT_ERROR(adit_data_open_fd(fd, outside[at].offset, outside[at].len, NULL, &data, &err),
                     ADIT_ERR_OUT_OF_RANGE, "file descriptor");
        CHECK(data == NULL);
        CHECK_LAST_OFFSET(outside[at].offset);
    }

    /* A duplicate: the caller may close its own at once. */
    EXPECT_OK(adit_data_open_fd(fd, 100, 200, NULL, &data, &err));
    CHECK_INT(close(fd), 0);
    char some[200];
    EXPECT_OK(adit_data_read(data, 0, 200, some, &err));
    CHECK_BYTES(some, whole + 100, 200);
    EXPECT_OK(adit_data_status(data, &err));
    adit_data_close(data);
    free(whole);

    /* A record file inside another: offsets count from its own start. */
    size_t archive_len = content_len + 4097 + 33;
    unsigned char *archive = (unsigned char *)calloc(1, archive_len);
    CHECK(archive != NULL);
    memcpy(archive + 4096, content, content_len);
    write_file(scratch_path("archive"), archive, archive_len);
    fd = open(scratch_path("archive"), O_RDONLY);
    EXPECT_OK(adit_data_open_fd(fd, 4096, content_len, NULL, &data, &err));
    close(fd);
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    adit_data_close(data);
    EXPECT_OK(adit_record_reader_get(reader, 5, tensors, 2, &err));
    const float *target = (const float *)tensors[1].data;
    CHECK(*target == 5.0f);
    adit_record_reader_close(reader);
    free(archive);
}

typedef struct loan {
    int calls;
    const void *bytes;
    uint64_t len;
} loan;

static void ADIT_CALL released(void *ctx, const void *bytes, uint64_t len) {
    loan *own = (loan *)ctx;
    own->calls++;
    own->bytes = bytes;
    own->len = len;
}

static void from_memory(void) {
    adit_data *data = NULL, *second = NULL, *third = NULL;
    adit_record_reader *reader = NULL;
    loan own = { 0, NULL, 0 };
    CHECK_INT(ADIT_BYTES_COPY, 0);
    CHECK_INT(ADIT_BYTES_BORROW, 1);

    /* Copied: the caller's bytes may change and go. */
    unsigned char *bytes = (unsigned char *)malloc(content_len);
    CHECK(bytes != NULL);
    memcpy(bytes, content, content_len);
    EXPECT_OK(adit_data_from_bytes(bytes, content_len, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
    CHECK(adit_data_bytes(data) != bytes);
    CHECK_EQ((uintptr_t)adit_data_bytes(data) % 64, 0);
    memset(bytes, 0, content_len);
    is_content(data);
    CHECK(!adit_data_is_mapped(data));
    CHECK(adit_data_path(data) == NULL);
    EXPECT_OK(adit_data_status(data, &err));
    adit_data_close(data);

    /* Borrowed: the same bytes, given back once, by the last handle. */
    memcpy(bytes, content, content_len);
    EXPECT_OK(adit_data_from_bytes(bytes, content_len, ADIT_BYTES_BORROW, released, &own, &data,
                                   &err));
    CHECK(adit_data_bytes(data) == bytes);
    is_content(data);
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));
    EXPECT_OK(adit_record_reader_data(reader, &second, &err));
    EXPECT_OK(adit_record_reader_data(reader, &third, &err));
    adit_data_close(second);
    adit_data_close(data);
    adit_record_reader_close(reader);
    CHECK_INT(own.calls, 0);
    adit_data_close(third);
    CHECK_INT(own.calls, 1);
    CHECK(own.bytes == bytes);
    CHECK_EQ(own.len, content_len);

    /* A release that isn't wanted. */
    EXPECT_OK(adit_data_from_bytes(bytes, content_len, ADIT_BYTES_BORROW, NULL, &own, &data, &err));
    adit_data_close(data);

    /* Misaligned bytes are bytes. */
    EXPECT_OK(adit_data_from_bytes(bytes + 1, 100, ADIT_BYTES_BORROW, released, &own, &data, &err));
    CHECK(adit_data_bytes(data) == bytes + 1);
    adit_data_close(data);
    CHECK_INT(own.calls, 2);

    /* No bytes: the pointer isn't read, and still goes back. */
    EXPECT_OK(adit_data_from_bytes(NULL, 0, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
    CHECK(adit_data_bytes(data) == NULL);
    CHECK_EQ(adit_data_len(data), 0);
    adit_data_close(data);
    const void *nowhere = (const void *)(uintptr_t)1;
    EXPECT_OK(adit_data_from_bytes(nowhere, 0, ADIT_BYTES_BORROW, released, &own, &data, &err));
    CHECK(adit_data_bytes(data) == NULL);
    EXPECT_OK(adit_data_read(data, 0, 0, NULL, &err));
    adit_data_close(data);
    CHECK_INT(own.calls, 3);
    CHECK(own.bytes == nowhere);
    CHECK_EQ(own.len, 0);

    /* A failed call takes no loan. */
    data = (adit_data *)(uintptr_t)16;
    EXPECT_ERROR(adit_data_from_bytes(NULL, 1, ADIT_BYTES_BORROW, released, &own, &data, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "bytes is NULL");
    CHECK(data == NULL);
    EXPECT_ERROR(adit_data_from_bytes(bytes, 1, 2, released, &own, &data, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "ownership is 2");
    EXPECT_ERROR(adit_data_from_bytes(bytes, 1, -1, released, &own, &data, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "ownership is -1");
    EXPECT_ERROR(adit_data_from_bytes(bytes, 1, ADIT_BYTES_COPY, released, &own, &data, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "release");
    EXPECT_ERROR(adit_data_from_bytes(bytes, 1, ADIT_BYTES_BORROW, released, &own, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "out is NULL");
    EXPECT_ERROR(adit_data_from_bytes(bytes, UINT64_MAX, ADIT_BYTES_BORROW, released, &own, &data,
                                      &err),
                 ADIT_ERR_INVALID_ARGUMENT, "len");
    EXPECT_ERROR(adit_data_from_bytes(bytes, (uint64_t)INT64_MAX + 1, ADIT_BYTES_COPY, NULL, NULL,
                                      &data, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "len");
    EXPECT_ERROR(adit_data_from_bytes(bytes, UINT64_C(1) << 62, ADIT_BYTES_COPY, NULL, NULL, &data,
                                      &err),
                 ADIT_ERR_OUT_OF_MEMORY, "out of memory");
    CHECK(data == NULL);
    CHECK_INT(own.calls, 3);
    free(bytes);
}

static void decompressed(const char *name, uint64_t cap) {
    adit_data *data = NULL;
    const char *path = data_path(name);
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    options.flags = ADIT_DATA_DECOMPRESS | ADIT_DATA_POPULATE;
    options.max_decompressed_bytes = cap;
    EXPECT_OK(adit_data_open(path, &options, &data, &err));
    is_content(data);
    CHECK(!adit_data_is_mapped(data));
    CHECK_STR(adit_data_path(data), path);
    CHECK_EQ((uintptr_t)adit_data_bytes(data) % 64, 0);
    EXPECT_OK(adit_data_status(data, &err));
    adit_data_close(data);
}

static void compressed(void) {
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    CHECK_EQ(ADIT_DATA_DEFAULT_MAX_DECOMPRESSED, UINT64_C(4) << 30);
    const char *names[] = { "compressed/basic_3x4.rrec.gz", "compressed/basic_3x4.rrec.zst",
                            "compressed/two_members.gz", "compressed/frames_and_skippable.zst" };
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++) {
        decompressed(names[at], 0);
        /* The cap is the most that may come out. */
        decompressed(names[at], content_len);
        options.flags = ADIT_DATA_DECOMPRESS;
        options.max_decompressed_bytes = content_len - 1;
        EXPECT_ERROR(adit_data_open(data_path(names[at]), &options, &data, &err),
                     ADIT_ERR_OUT_OF_RANGE, "831");
        CHECK_LAST_PATH(data_path(names[at]));

        /* Without the flag they are opened as they are. */
        EXPECT_OK(adit_data_open(data_path(names[at]), NULL, &data, &err));
        CHECK(adit_data_is_mapped(data));
        CHECK(adit_data_len(data) != content_len);
        adit_data_close(data);
    }

    /* The content decides, not the name; other content is opened as it is, mapped. */
    size_t len = 0;
    unsigned char *zipped = read_file(data_path("compressed/basic_3x4.rrec.zst"), &len);
    options.max_decompressed_bytes = 0;
    write_file(scratch_path("plain.rrec"), zipped, len);
    EXPECT_OK(adit_data_open(scratch_path("plain.rrec"), &options, &data, &err));
    is_content(data);
    adit_data_close(data);
    write_file(scratch_path("plain.gz"), content, content_len);
    EXPECT_OK(adit_data_open(scratch_path("plain.gz"), &options, &data, &err));
    is_content(data);
    CHECK(adit_data_is_mapped(data));
    adit_data_close(data);
    /* Too short for any magic. */
    for (size_t short_len = 1; short_len < 4; short_len++) {
        write_file(scratch_path("short"), zipped, short_len);
        EXPECT_OK(adit_data_open(scratch_path("short"), &options, &data, &err));
        CHECK_EQ(adit_data_len(data), short_len);
        CHECK_BYTES(adit_data_bytes(data), zipped, short_len);
        adit_data_close(data);
    }
    /* From a part of a file. */
    FILE *file = fopen(scratch_path("offset"), "wb");
    CHECK(file != NULL && fputs("head", file) >= 0 && fwrite(zipped, 1, len, file) == len &&
          fputs("tail", file) >= 0 && fclose(file) == 0);
    int fd = open(scratch_path("offset"), O_RDONLY);
    EXPECT_OK(adit_data_open_fd(fd, 4, len, &options, &data, &err));
    is_content(data);
    close(fd);
    adit_data_close(data);
    free(zipped);

    const char *empties[] = { "compressed/empty.gz", "compressed/empty.zst" };
    for (size_t at = 0; at < 2; at++) {
        EXPECT_OK(adit_data_open(data_path(empties[at]), &options, &data, &err));
        CHECK_EQ(adit_data_len(data), 0);
        CHECK(adit_data_bytes(data) == NULL);
        adit_data_close(data);
    }

    /* Readers and arrays take compressed files as well. */
    adit_record_reader *reader = NULL;
    adit_record_reader_options reader_options = ADIT_RECORD_READER_OPTIONS_INIT;
    reader_options.data = &options;
    EXPECT_OK(adit_record_reader_open(data_path(names[0]), &reader_options, &reader, &err));
    CHECK_EQ(adit_record_reader_len(reader), 8);
    adit_record_reader_close(reader);
    EXPECT_ERROR(adit_record_reader_open(data_path(names[0]), NULL, &reader, &err),
                 ADIT_ERR_WRONG_FORMAT, "RREC");
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    content = read_file(data_path("rrec/basic_3x4.rrec"), &content_len);
    CHECK_EQ(content_len, 832);
    null_handle();
    by_path();
    empty();
    by_descriptor();
    from_memory();
    compressed();
    free(content);
    return check_end();
}
