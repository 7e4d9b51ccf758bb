/*
 * A bug inside the library, provoked by a function that only builds for tests have: a status, not
 * the end of the process, and nothing on stderr, which the harness sees.
 */
#include "check.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C"
#endif
adit_status adit_test_panic(const adit_data *data, adit_error **error);

static void is_poisoned(adit_data *data) {
    char byte;
    uint64_t freed = 7;
    adit_residency residency = ADIT_RESIDENCY_INIT;
    adit_record_reader *reader = (adit_record_reader *)(uintptr_t)16;
    EXPECT_ERROR(adit_data_read(data, 0, 1, &byte, &err), ADIT_ERR_POISONED, "only closing");
    EXPECT_ERROR(adit_data_status(data, &err), ADIT_ERR_POISONED, "only closing");
    EXPECT_ERROR(adit_data_prefetch(data, 0, 1, &err), ADIT_ERR_POISONED, "only closing");
    EXPECT_ERROR(adit_data_advise(data, 0, 1, ADIT_ADVICE_NORMAL, &err), ADIT_ERR_POISONED, "");
    EXPECT_ERROR(adit_data_release(data, 0, 1, 0, &freed, &err), ADIT_ERR_POISONED, "");
    CHECK_EQ(freed, 0);
    EXPECT_ERROR(adit_data_residency(data, 0, 1, &residency, &err), ADIT_ERR_POISONED, "");
    EXPECT_ERROR(adit_record_reader_from_data(data, NULL, &reader, &err), ADIT_ERR_POISONED, "");
    CHECK(reader == NULL);
    EXPECT_ERROR(adit_test_panic(data, &err), ADIT_ERR_POISONED, "only closing");
}

static void *panic(void *unused) {
    adit_data *data = NULL;
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &err));
    for (int turn = 0; turn < 50; turn++) {
        adit_data *other = NULL;
        EXPECT_OK(adit_data_from_bytes("abc", 3, ADIT_BYTES_COPY, NULL, NULL, &other, &err));
        EXPECT_ERROR(adit_test_panic(other, &err), ADIT_ERR_INTERNAL, "provoked by a test");
        adit_data_close(other);
    }
    CHECK_INT(adit_data_status(data, NULL), ADIT_OK);
    adit_data_close(data);
    return unused;
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adit_data *data = NULL, *other = NULL;
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &err));
    EXPECT_OK(adit_data_open(data_path("rrec/basic_3x4.rrec"), NULL, &other, &err));
    EXPECT_OK(adit_record_reader_from_data(data, NULL, &reader, &err));

    EXPECT_ERROR(adit_test_panic(NULL, &err), ADIT_ERR_INVALID_ARGUMENT, "data is NULL");
    EXPECT_ERROR(adit_test_panic(data, &err), ADIT_ERR_INTERNAL, "provoked by a test");
    CHECK_IN(last.message, "src/test_hooks.rs:");
    CHECK_IN(last.message, "a bug in adit");
    is_poisoned(data);

    /* Without an error object, too. */
    CHECK_INT(adit_test_panic(data, NULL), ADIT_ERR_POISONED);
    CHECK_INT(adit_test_panic(other, NULL), ADIT_ERR_INTERNAL);
    is_poisoned(other);
    adit_data_close(other);

    /* The bytes are sound, and so are others' handles to them. */
    EXPECT_OK(adit_record_reader_get(reader, 7, tensors, 2, &err));
    EXPECT_OK(adit_record_reader_data(reader, &other, &err));
    adit_data_close(data);
    EXPECT_OK(adit_data_status(other, &err));
    adit_data_close(other);
    adit_record_reader_close(reader);

    pthread_t threads[4];
    for (int at = 0; at < 4; at++) CHECK_INT(pthread_create(&threads[at], NULL, panic, NULL), 0);
    for (int at = 0; at < 4; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
    return check_end();
}
