/* Files verified, and damaged ones recovered. */
#include "check.h"
#include "files.h"
#include "rrec_fixtures.h"

#include <signal.h>

typedef struct progress {
    unsigned calls, cancel_at;
    uint64_t done, total;
    pid_t thread;
} progress;

static int ADIT_CALL told(void *ctx, uint64_t done, uint64_t total) {
    progress *own = (progress *)ctx;
    own->calls++;
    CHECK(done <= total);
    CHECK(done >= own->done);
    if (own->calls > 1) CHECK_EQ(total, own->total);
    own->done = done;
    own->total = total;
    CHECK_INT(gettid(), own->thread);
    return own->cancel_at == own->calls ? -1 : 0;
}

static progress new_progress(unsigned cancel_at) {
    progress own;
    memset(&own, 0, sizeof own);
    own.cancel_at = cancel_at;
    own.thread = gettid();
    return own;
}

static void sound_files(void) {
    for (size_t at = 0; at < sizeof rrec_files / sizeof rrec_files[0]; at++) {
        const char *path = data_path(rrec_files[at].name);
        adit_record_reader *reader = NULL;
        adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
        progress own = new_progress(0);
        struct stat info;
        CHECK_INT(stat(path, &info), 0);
        EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
        EXPECT_OK(adit_record_reader_verify(reader, told, &own, &found, &err));
        CHECK_EQ(found.struct_size, sizeof found);
        CHECK_EQ(found.records, rrec_files[at].records);
        CHECK_EQ(found.bad_records, 0);
        /* All but the header and the index. */
        CHECK_EQ(found.bytes, (uint64_t)info.st_size - 64 - 16 * rrec_files[at].records);
        CHECK(own.calls >= 1);
        CHECK_EQ(own.done, rrec_files[at].records);
        CHECK_EQ(own.total, rrec_files[at].records);
        EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, NULL, &err));
        adit_record_reader_close(reader);
    }
}

static void verify_cancelled(void) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(data_path("rrec/many_tiny_10k.rrec"), NULL, &reader, &err));
    progress all = new_progress(0);
    EXPECT_OK(adit_record_reader_verify(reader, told, &all, NULL, &err));
    CHECK(all.calls > 3);
    for (unsigned cancel_at = 1; cancel_at <= all.calls; cancel_at++) {
        adit_record_verification found = ADIT_RECORD_VERIFICATION_INIT;
        progress own = new_progress(cancel_at);
        found.records = 7;
        EXPECT(adit_record_reader_verify(reader, told, &own, &found, &err), ADIT_CANCELLED);
        CHECK_EQ(own.calls, cancel_at);
        CHECK_EQ(found.records, 0);
        CHECK_EQ(found.bytes, 0);
    }
    CHECK_INT(adit_record_reader_verify(reader, NULL, NULL, NULL, NULL), ADIT_OK);
    adit_record_reader_close(reader);
}

static uint64_t records_at(const char *path) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    uint64_t count = adit_record_reader_len(reader);
    adit_record_reader_close(reader);
    return count;
}

static void saves(const char *from, const adit_record_schema *schema, uint64_t records,
                  int32_t reason, uint64_t stop, uint64_t dropped) {
    const char *to = scratch_path("saved.rrec");
    adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
    progress own = new_progress(0);
    size_t before = 0, after = 0;
    unsigned char *old = read_file(from, &before);
    EXPECT_OK(adit_record_recover(from, to, schema, told, &own, &found, &err));
    CHECK_EQ(found.struct_size, sizeof found);
    CHECK_EQ(found.records, records);
    CHECK_INT(found.reason, reason);
    CHECK_EQ(found.stop_offset, stop);
    CHECK_EQ(found.dropped_bytes, dropped);
    CHECK_EQ(found.reserved0, 0);
    CHECK(own.calls >= 1);
    CHECK_EQ(own.done, own.total);
    CHECK_EQ(records_at(to), records);
    /* The records are those of the old file, to the byte. */
    unsigned char *saved = read_file(to, &after);
    CHECK_EQ(after, stop + 16 * records);
    CHECK_BYTES(saved + 64, old + 64, stop - 64);
    free(saved);
    unsigned char *still = read_file(from, &after);
    CHECK_EQ(after, before);
    CHECK_BYTES(still, old, before);
    free(still);
    free(old);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    CHECK_INT(remove(to), 0);
}

static void recovered(void) {
    const int32_t end = ADIT_RECOVERY_STOP_END, cut_short = ADIT_RECOVERY_STOP_CUT;
    const int32_t zeros = ADIT_RECOVERY_STOP_ZEROS, mismatch = ADIT_RECOVERY_STOP_MISMATCH;
    CHECK(end == 1 && cut_short == 2 && zeros == 3 && mismatch == 4);
    saves(data_path("rrec/unfinished_zero_tail.rrec"), NULL, 8, zeros, 704, 4096);
    saves(data_path("rrec/unfinished_dropped.rrec"), NULL, 8, end, 704, 0);
    saves(data_path("rrec/bad_truncated_in_data.rrec"), NULL, 1, cut_short, 144, 20);
    /* Sound files are copied, with all that their index has. */
    for (size_t at = 0; at < sizeof rrec_files / sizeof rrec_files[0]; at++) {
        const struct rrec_file *file = &rrec_files[at];
        if (file->records == 0) continue;
        struct stat info;
        CHECK_INT(stat(data_path(file->name), &info), 0);
        uint64_t stop = (uint64_t)info.st_size - 16 * file->records;
        saves(data_path(file->name), NULL, file->records, end, stop, 0);
    }

    /* The saved file is what the writer would have written. */
    const char *to = scratch_path("basic.rrec");
    EXPECT_OK(adit_record_recover(data_path("rrec/unfinished_zero_tail.rrec"), to, NULL, NULL, NULL,
                                  NULL, &err));
    same_file(to, data_path("rrec/basic_3x4.rrec"));

    /* Garbage where record 3 was. */
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("rrec/unfinished_dropped.rrec"), &len);
    memset(bytes + 64 + 3 * 80, 0xee, 80);
    write_file(scratch_path("garbage"), bytes, len);
    saves(scratch_path("garbage"), NULL, 3, mismatch, 304, 400);
    free(bytes);
}

static adit_record_schema *schema_of(int32_t dtype, int32_t ndim, const int64_t *dims) {
    adit_record_schema *schema = NULL;
    EXPECT_OK(adit_record_schema_new(&schema, &err));
    EXPECT_OK(adit_record_schema_add(schema, "a", dtype, ndim, dims, &err));
    EXPECT_OK(adit_record_schema_add(schema, "b", ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL, &err));
    return schema;
}

static void by_schema(void) {
    const int64_t fits[] = { 3, 4 }, any[] = { ADIT_DIM_ANY, 4 }, other[] = { 3, 5 };
    const char *from = data_path("rrec/unfinished_zero_tail.rrec"), *to = scratch_path("by.rrec");
    const struct {
        int32_t dtype, ndim;
        const int64_t *dims;
        bool saved;
    } rows[] = {
        { ADIT_DTYPE_F32, 2, fits, true },
        { ADIT_DTYPE_NONE, 2, any, true },
        { ADIT_DTYPE_NONE, ADIT_NDIM_ANY, NULL, true },
        { ADIT_DTYPE_F32, 2, other, false },
        { ADIT_DTYPE_F16, 2, fits, false },
        { ADIT_DTYPE_F32, 1, fits, false },
        { ADIT_DTYPE_U8, ADIT_NDIM_ANY, NULL, false },
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        adit_record_schema *schema = schema_of(rows[at].dtype, rows[at].ndim, rows[at].dims);
        if (rows[at].saved) {
            saves(from, schema, 8, ADIT_RECOVERY_STOP_ZEROS, 704, 4096);
        } else {
            adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
            found.records = 7;
            EXPECT_ERROR(adit_record_recover(from, to, schema, NULL, NULL, &found, &err),
                         ADIT_ERR_MALFORMED, "holds no whole record");
            CHECK_LAST_PATH(from);
            CHECK_LAST_OFFSET(64);
            CHECK_EQ(found.records, 0);
            CHECK(!exists(to));
        }
        adit_record_schema_free(schema);
    }
    /* Records of different shapes are followed where the schema says so, and not else. */
    size_t len = 0;
    unsigned char *bytes = read_file(data_path("rrec/ragged.rrec"), &len);
    memset(bytes + 8, 0, 16);
    write_file(scratch_path("ragged"), bytes, len - 32 * 16);
    free(bytes);
    adit_record_schema *schema = schema_of(ADIT_DTYPE_F32, ADIT_NDIM_ANY, NULL);
    saves(scratch_path("ragged"), schema, 32, ADIT_RECOVERY_STOP_END, len - 32 * 16, 0);
    adit_record_schema_free(schema);
    adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
    EXPECT_OK(adit_record_recover(scratch_path("ragged"), to, NULL, NULL, NULL, &found, &err));
    CHECK_EQ(found.records, 1);
    CHECK_INT(found.reason, ADIT_RECOVERY_STOP_MISMATCH);
    CHECK_INT(remove(to), 0);

    EXPECT_OK(adit_record_schema_new(&schema, &err));
    for (int fields = 0; fields < 4; fields++) {
        char name[2] = { (char)('a' + fields), 0 };
        if (fields != 2)
            EXPECT_ERROR(adit_record_recover(from, to, schema, NULL, NULL, NULL, &err),
                         ADIT_ERR_INVALID_ARGUMENT, "2 fields");
        EXPECT_OK(adit_record_schema_add(schema, name, 0, ADIT_NDIM_ANY, NULL, &err));
    }
    adit_record_schema_free(schema);
}

static void refused(void) {
    const char *to = scratch_path("refused.rrec");
    const struct {
        const char *from;
        int32_t status;
        const char *text;
    } rows[] = {
        { "rrec/bad_magic.rrec", ADIT_ERR_WRONG_FORMAT, "RREC" },
        { "rrec/bad_short_header.rrec", ADIT_ERR_WRONG_FORMAT, "40 bytes" },
        { "rrec/bad_zero_bytes.rrec", ADIT_ERR_WRONG_FORMAT, "0 bytes" },
        { "rrec/bad_version_2.rrec", ADIT_ERR_UNSUPPORTED, "version 2" },
        { "rrec/empty_finished.rrec", ADIT_ERR_MALFORMED, "no whole record" },
        { "rrec/none", ADIT_ERR_NOT_FOUND, "none" },
        { "rrec", ADIT_ERR_NOT_A_FILE, "folder" },
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        EXPECT_ERROR(adit_record_recover(data_path(rows[at].from), to, NULL, NULL, NULL, NULL, &err),
                     rows[at].status, rows[at].text);
        CHECK_LAST_PATH(data_path(rows[at].from));
        CHECK(!exists(to));
        CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    }
    const char *from = data_path("rrec/unfinished_dropped.rrec");
    write_file(to, "mine", 4);
    EXPECT_ERROR(adit_record_recover(from, to, NULL, NULL, NULL, NULL, &err), ADIT_ERR_EXISTS,
                 "refused.rrec");
    CHECK_LAST_PATH(to);
    struct stat info;
    CHECK_INT(stat(to, &info), 0);
    CHECK_EQ(info.st_size, 4);
    EXPECT_ERROR(adit_record_recover(from, from, NULL, NULL, NULL, NULL, &err), ADIT_ERR_EXISTS,
                 "unfinished_dropped");
    to = scratch_path("missing/x.rrec");
    EXPECT_ERROR(adit_record_recover(from, to, NULL, NULL, NULL, NULL, &err), ADIT_ERR_NOT_FOUND,
                 "x.rrec");
    CHECK_LAST_PATH(to);

    /* Cancelled, at whatever call. */
    to = scratch_path("cancelled.rrec");
    from = data_path("rrec/many_tiny_10k.rrec");
    progress all = new_progress(0);
    EXPECT_OK(adit_record_recover(from, to, NULL, told, &all, NULL, &err));
    CHECK(all.calls > 3);
    CHECK_INT(remove(to), 0);
    for (unsigned cancel_at = 1; cancel_at <= all.calls; cancel_at++) {
        adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
        progress own = new_progress(cancel_at);
        found.records = 7;
        EXPECT(adit_record_recover(from, to, NULL, told, &own, &found, &err), ADIT_CANCELLED);
        CHECK_EQ(own.calls, cancel_at);
        CHECK_EQ(found.records, 0);
        CHECK(!exists(to));
        CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    }
}

/* What a process leaves that is killed while it writes. */
static void killed_writer(void) {
    enum { RECORDS = 40, FLOATS = 100000 };
    char name[256];
    pid_t child = check_fork();
    if (child == 0) {
        adit_record_writer *writer = NULL;
        adit_tensor tensors[2];
        static float values[FLOATS];
        const int64_t shape[] = { FLOATS };
        EXPECT_OK(adit_record_writer_create(scratch_path("killed.rrec"), NULL, &writer, &err));
        for (int record = 0; record < RECORDS; record++) {
            for (int at = 0; at < FLOATS; at++) values[at] = (float)(record + 1);
            EXPECT_OK(adit_tensor_init(&tensors[0], values, ADIT_DTYPE_F32, 1, shape, &err));
            EXPECT_OK(adit_tensor_init(&tensors[1], values, ADIT_DTYPE_F32, 0, NULL, &err));
            EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
        }
        raise(SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(!exists(scratch_path("killed.rrec")));
    CHECK_INT(count_names(".adit-tmp", name, sizeof name), 1);
    CHECK(strncmp(name, "killed.rrec.", 12) == 0);
    const char *to = scratch_path("saved.rrec");
    adit_record_recovery found = ADIT_RECORD_RECOVERY_INIT;
    adit_record_reader *reader = NULL;
    EXPECT_ERROR(adit_record_reader_open(scratch_path(name), NULL, &reader, &err),
                 ADIT_ERR_UNFINISHED, "adit_record_recover");
    EXPECT_OK(adit_record_recover(scratch_path(name), to, NULL, NULL, NULL, &found, &err));
    /* All but what was in the writer's buffers, of about 8 MiB at most. */
    CHECK(found.records >= RECORDS - 22 && found.records <= RECORDS);
    CHECK(found.reason == ADIT_RECOVERY_STOP_CUT || found.reason == ADIT_RECOVERY_STOP_END);
    EXPECT_OK(adit_record_reader_open(to, NULL, &reader, &err));
    for (uint64_t index = 0; index < found.records; index++) {
        adit_tensor tensors[2];
        EXPECT_OK(adit_record_reader_get(reader, index, tensors, 2, &err));
        const float *values = (const float *)tensors[0].data;
        CHECK(tensors[0].shape[0] == FLOATS);
        for (int at = 0; at < FLOATS; at++)
            if (values[at] != (float)(index + 1)) CHECK_FAIL("record %d", (int)index);
    }
    adit_record_reader_close(reader);
    CHECK_INT(remove(scratch_path(name)), 0);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    sound_files();
    verify_cancelled();
    recovered();
    by_schema();
    refused();
    killed_writer();
    return check_end();
}
