/* Version, statuses and error objects. */
#include "check.h"

static void versions(void) {
    char text[32];
    CHECK_EQ(adit_version(), ADIT_VERSION_NUMBER);
    CHECK_EQ(ADIT_VERSION_NUMBER,
             ADIT_VERSION_MAJOR * 10000 + ADIT_VERSION_MINOR * 100 + ADIT_VERSION_PATCH);
    CHECK_EQ(adit_abi_version(), ADIT_ABI_VERSION);
    CHECK_STR(adit_version_string(), ADIT_VERSION_STRING);
    snprintf(text, sizeof text, "%d.%d.%d", ADIT_VERSION_MAJOR, ADIT_VERSION_MINOR,
             ADIT_VERSION_PATCH);
    CHECK_STR(ADIT_VERSION_STRING, text);
    CHECK(adit_version_string() == adit_version_string());

    const char *info = adit_build_info();
    CHECK_IN(info, "adit " ADIT_VERSION_STRING);
    CHECK(strchr(info, '\n') == NULL);
    CHECK(adit_build_info() == info);
}

static const struct {
    int32_t status, number;
    const char *name;
} statuses[] = {
#define ROW(status, number) { status, number, #status }
    ROW(ADIT_OK, 0),
    ROW(ADIT_ERR_INVALID_ARGUMENT, 1),
    ROW(ADIT_ERR_IO, 2),
    ROW(ADIT_ERR_NOT_FOUND, 3),
    ROW(ADIT_ERR_PERMISSION, 4),
    ROW(ADIT_ERR_EXISTS, 5),
    ROW(ADIT_ERR_NOT_A_FILE, 6),
    ROW(ADIT_ERR_WRONG_FORMAT, 7),
    ROW(ADIT_ERR_MALFORMED, 8),
    ROW(ADIT_ERR_CHECKSUM, 9),
    ROW(ADIT_ERR_UNFINISHED, 10),
    ROW(ADIT_ERR_TRUNCATED, 11),
    ROW(ADIT_ERR_DTYPE, 12),
    ROW(ADIT_ERR_SHAPE, 13),
    ROW(ADIT_ERR_MISALIGNED, 14),
    ROW(ADIT_ERR_READ_ONLY, 15),
    ROW(ADIT_ERR_BUSY, 16),
    ROW(ADIT_ERR_NO_SPACE, 17),
    ROW(ADIT_ERR_OUT_OF_RANGE, 18),
    ROW(ADIT_ERR_OUT_OF_MEMORY, 19),
    ROW(ADIT_ERR_UNSUPPORTED, 20),
    ROW(ADIT_ERR_POISONED, 21),
    ROW(ADIT_ERR_FORKED, 22),
    ROW(ADIT_END, 23),
    ROW(ADIT_TIMEOUT, 24),
    ROW(ADIT_CANCELLED, 25),
    ROW(ADIT_ERR_NO_GPU, 26),
    ROW(ADIT_ERR_GPU_LOST, 27),
    ROW(ADIT_ERR_GPU, 28),
    ROW(ADIT_ERR_INTERNAL, 29),
    ROW(ADIT_ERR_NOT_DURABLE, 30),
    ROW(ADIT_ERR_CALLBACK, 31),
#undef ROW
};

static void names(void) {
    const int32_t count = (int32_t)(sizeof statuses / sizeof statuses[0]);
    CHECK_EQ(sizeof(adit_status), 4);
    for (int32_t number = 0; number < count; number++) {
        CHECK_INT(statuses[number].status, number);
        CHECK_INT(statuses[number].number, number);
        CHECK_STR(adit_status_name(number), statuses[number].name);
    }
    CHECK(adit_status_name(3) == adit_status_name(3));
    const int32_t unknown[] = { count, -1, 1000, INT32_MAX, INT32_MIN };
    for (size_t at = 0; at < sizeof unknown / sizeof unknown[0]; at++)
        CHECK_STR(adit_status_name(unknown[at]), "unknown status");
}

static void null_error(void) {
    uint64_t offset = 7, index = 7;
    CHECK_INT(adit_error_status(NULL), ADIT_OK);
    CHECK_INT(adit_error_os_code(NULL), 0);
    CHECK_STR(adit_error_message(NULL), "");
    CHECK(adit_error_path(NULL) == NULL);
    CHECK(!adit_error_offset(NULL, &offset));
    CHECK(!adit_error_index(NULL, &index));
    CHECK_EQ(offset, 0);
    CHECK_EQ(index, 0);
    CHECK(!adit_error_offset(NULL, NULL));
    CHECK(!adit_error_index(NULL, NULL));
    adit_error_free(NULL);
}

static void an_error(void) {
    const char *path = scratch_path("there is none");
    adit_data *data = NULL;
    adit_error *first = NULL;
    CHECK_INT(adit_data_open(path, NULL, &data, &first), ADIT_ERR_NOT_FOUND);
    CHECK_INT(adit_error_status(first), ADIT_ERR_NOT_FOUND);
    CHECK_INT(adit_error_os_code(first), ENOENT);
    CHECK_STR(adit_error_path(first), path);
    CHECK_IN(adit_error_message(first), path);
    CHECK(adit_error_message(first) == adit_error_message(first));
    CHECK(!adit_error_offset(first, NULL));

    /* Another call neither touches nor frees an error that the caller still has. */
    adit_error *second = first;
    CHECK_INT(adit_data_open("", NULL, &data, &second), ADIT_ERR_INVALID_ARGUMENT);
    CHECK(second != first);
    CHECK_INT(adit_error_status(first), ADIT_ERR_NOT_FOUND);
    CHECK_INT(adit_error_status(second), ADIT_ERR_INVALID_ARGUMENT);
    CHECK_INT(adit_error_os_code(second), 0);
    CHECK(adit_error_path(second) == NULL);
    adit_error_free(second);

    /* A success overwrites, and frees as little. */
    second = first;
    CHECK_INT(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &second), ADIT_OK);
    CHECK(second == NULL);
    CHECK_STR(adit_error_path(first), path);
    adit_error_free(first);

    /* About a byte and about a record, with a place to write to and without. */
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    CHECK_INT(adit_record_reader_from_data(data, NULL, &reader, NULL), ADIT_OK);
    CHECK_INT(adit_record_reader_get(reader, 8, tensors, 2, &first), ADIT_ERR_OUT_OF_RANGE);
    uint64_t index = 0;
    CHECK(adit_error_index(first, NULL));
    CHECK(adit_error_index(first, &index));
    CHECK_EQ(index, 8);
    adit_error_free(first);
    CHECK_INT(adit_data_read(data, 833, 1, tensors, &first), ADIT_ERR_OUT_OF_RANGE);
    uint64_t offset = 0;
    CHECK(adit_error_offset(first, NULL));
    CHECK(adit_error_offset(first, &offset));
    CHECK_EQ(offset, 833);
    adit_error_free(first);

    /* Nobody has to take the error object. */
    CHECK_INT(adit_data_read(data, 833, 1, tensors, NULL), ADIT_ERR_OUT_OF_RANGE);
    adit_record_reader_close(reader);
    adit_data_close(data);
}

static void messages(void) {
    /* Any bytes but NUL make a path; the message stays one line of UTF-8. */
    const char *names[] = { "a\nb", "\xff\xfe", "caf\xc3\xa9", "\x1b[31mred", "tab\there\r" };
    adit_data *data = NULL;
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++) {
        const char *path = scratch_path(names[at]);
        EXPECT_ERROR(adit_data_open(path, NULL, &data, &err), ADIT_ERR_NOT_FOUND, "cannot open");
        CHECK_LAST_PATH(path);
    }
    EXPECT_ERROR(adit_data_open(scratch_path("caf\xc3\xa9"), NULL, &data, &err),
                 ADIT_ERR_NOT_FOUND, "caf\xc3\xa9");
    CHECK(strstr(last.message, "\xc3\xa9") != NULL);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    versions();
    names();
    null_error();
    an_error();
    messages();
    return check_end();
}
