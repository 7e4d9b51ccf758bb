/* A writer and the file system: what stands at the path when, and what is left behind. */
#include "check.h"
#include "files.h"

#include <signal.h>
#include <sys/resource.h>

static const float value = 1.5f;
static adit_tensor pair[2];

static adit_record_writer *create(const char *path, uint32_t flags) {
    adit_record_writer *writer = NULL;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.flags = flags;
    EXPECT_OK(adit_record_writer_create(path, &options, &writer, &err));
    return writer;
}

static uint64_t records_at(const char *path) {
    adit_record_reader *reader = NULL;
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    uint64_t count = adit_record_reader_len(reader);
    adit_record_reader_close(reader);
    return count;
}

static void write_records(const char *path, int count) {
    adit_record_writer *writer = create(path, 0);
    while (count-- > 0) EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
}

static void the_temporary(void) {
    char name[256];
    const char *path = scratch_path("new.rrec");
    adit_record_writer *writer = create(path, 0);
    EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
    CHECK(!exists(path));
    CHECK_INT(count_names(".adit-tmp", name, sizeof name), 1);
    CHECK_EQ(strlen(name), strlen("new.rrec..adit-tmp") + 16);
    CHECK(strncmp(name, "new.rrec.", 9) == 0);
    CHECK_EQ(strspn(name + 9, "0123456789abcdef"), 16);
    CHECK_STR(name + 25, ".adit-tmp");
    struct stat info;
    CHECK_INT(stat(scratch_path(name), &info), 0);
    CHECK(info.st_uid == geteuid());

    /* Two writers of one path don't meet; the last to finish stands. */
    adit_record_writer *other = create(path, 0);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 2);
    EXPECT_OK(adit_record_writer_finish(other, &err));
    adit_record_writer_close(other);
    CHECK_EQ(records_at(path), 0);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    CHECK_EQ(records_at(path), 1);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);

    /* Finished, the writer can only be closed. */
    EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_INVALID_ARGUMENT, "finished");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_record_writer_append(writer, pair, 2, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "finished");
    EXPECT_ERROR(adit_record_writer_append_batch(writer, pair, 2, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "finished");
    CHECK_EQ(adit_record_writer_count(writer), 1);
    adit_record_writer_close(writer);
    CHECK_EQ(records_at(path), 1);

    /* Closed unfinished, it leaves nothing, and what stood there stands. */
    writer = create(path, 0);
    EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
    EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
    CHECK_EQ(records_at(path), 1);
    adit_record_writer_close(writer);
    CHECK_EQ(records_at(path), 1);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    adit_record_writer_close(NULL);
    CHECK_EQ(adit_record_writer_count(NULL), 0);
}

static void replaced(void) {
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    const char *path = scratch_path("replaced.rrec");
    write_records(path, 3);
    EXPECT_OK(adit_record_reader_open(path, NULL, &reader, &err));
    write_records(path, 5);
    CHECK_EQ(records_at(path), 5);
    /* Who has the old one open keeps it. */
    CHECK_EQ(adit_record_reader_len(reader), 3);
    EXPECT_OK(adit_record_reader_get(reader, 2, tensors, 2, &err));
    CHECK_BYTES(tensors[0].data, &value, 4);
    EXPECT_OK(adit_record_reader_verify(reader, NULL, NULL, NULL, &err));
    adit_record_reader_close(reader);

    /* A link is replaced, not followed. */
    const char *link = scratch_path("link.rrec");
    CHECK_INT(symlink("replaced.rrec", link), 0);
    write_records(link, 1);
    struct stat info;
    CHECK_INT(lstat(link, &info), 0);
    CHECK(S_ISREG(info.st_mode));
    CHECK_EQ(records_at(link), 1);
    CHECK_EQ(records_at(path), 5);
}

static void not_replaced(void) {
    adit_record_writer *writer = NULL;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    const char *path = scratch_path("kept.rrec"), *link = scratch_path("dangling.rrec");
    options.flags = ADIT_RECORD_WRITER_NO_REPLACE;
    CHECK_EQ(ADIT_RECORD_WRITER_NO_REPLACE, 1);
    CHECK_INT(symlink("nowhere", link), 0);
    write_records(path, 2);
    EXPECT_ERROR(adit_record_writer_create(path, &options, &writer, &err), ADIT_ERR_EXISTS, "kept");
    CHECK_LAST_PATH(path);
    CHECK(writer == NULL);
    EXPECT_ERROR(adit_record_writer_create(link, &options, &writer, &err), ADIT_ERR_EXISTS,
                 "dangling");

    /* Free at first, and taken at the end. */
    path = scratch_path("late.rrec");
    writer = create(path, ADIT_RECORD_WRITER_NO_REPLACE);
    EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
    write_file(path, "somebody's", 10);
    EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_EXISTS, "late");
    CHECK_LAST_PATH(path);
    EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_POISONED, "closing");
    EXPECT_ERROR(adit_record_writer_append(writer, pair, 2, &err), ADIT_ERR_POISONED, "closing");
    EXPECT_ERROR(adit_record_writer_append_batch(writer, pair, 2, &err), ADIT_ERR_POISONED, "");
    adit_record_writer_close(writer);
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    CHECK_EQ(len, 10);
    CHECK_BYTES(bytes, "somebody's", 10);
    free(bytes);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);

    writer = create(scratch_path("free.rrec"), ADIT_RECORD_WRITER_NO_REPLACE);
    EXPECT_OK(adit_record_writer_finish(writer, &err));
    adit_record_writer_close(writer);
    CHECK_EQ(records_at(scratch_path("free.rrec")), 0);
}

static void cannot_create(const char *path, adit_status status, const char *text) {
    adit_record_writer *writer = (adit_record_writer *)(uintptr_t)16;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    options.format = ADIT_RECORD_FORMAT_RREC1;
    EXPECT_ERROR(adit_record_writer_create(path, &options, &writer, &err), status, text);
    CHECK(writer == NULL);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
}

static void paths(void) {
    static char longest[300];
    adit_record_writer *writer = NULL;
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    CHECK_INT(ADIT_RECORD_FORMAT_AUTO, 0);
    CHECK_INT(ADIT_RECORD_FORMAT_RREC1, 1);
    cannot_create("", ADIT_ERR_INVALID_ARGUMENT, "path is an empty string");
    cannot_create("/", ADIT_ERR_INVALID_ARGUMENT, "names no file");
    cannot_create("..", ADIT_ERR_INVALID_ARGUMENT, "names no file");
    cannot_create(scratch_path("x/.."), ADIT_ERR_INVALID_ARGUMENT, "names no file");
    cannot_create(".", ADIT_ERR_INVALID_ARGUMENT, "names no file");
    cannot_create(check_scratch_folder, ADIT_ERR_NOT_A_FILE, "folder");
    CHECK_INT(mkdir(scratch_path("folder.rrec"), 0700), 0);
    cannot_create(scratch_path("folder.rrec"), ADIT_ERR_NOT_A_FILE, "folder");
    cannot_create(scratch_path("missing/x.rrec"), ADIT_ERR_NOT_FOUND, "x.rrec");
    CHECK_INT(last.os_code, ENOENT);
    cannot_create(scratch_path("kept.rrec/x.rrec"), ADIT_ERR_NOT_FOUND, "x.rrec");

    /* The extension tells the format, or the option. */
    const char *names[] = { "records", "records.rec", "rrec", "records.rrec.bak", "x.RREC" };
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++) {
        const char *path = scratch_path(names[at]);
        options.format = ADIT_RECORD_FORMAT_AUTO;
        EXPECT_ERROR(adit_record_writer_create(path, &options, &writer, &err),
                     ADIT_ERR_UNSUPPORTED, "extension");
        options.format = ADIT_RECORD_FORMAT_RREC1;
        EXPECT_OK(adit_record_writer_create(path, &options, &writer, &err));
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        EXPECT_OK(adit_record_writer_finish(writer, &err));
        adit_record_writer_close(writer);
        CHECK_EQ(records_at(path), 1);
    }
    /* Relative to the working folder, of any bytes, and of the longest names that there are. */
    write_records("relative.rrec", 1);
    CHECK_EQ(records_at(scratch_path("relative.rrec")), 1);
    write_records("./dot.rrec", 1);
    write_records(scratch_path("\xff\n.rrec"), 1);
    for (size_t len = 195; len <= 255; len++) {
        memset(longest, 'x', len);
        memcpy(longest + len - 5, ".rrec", 6);
        write_records(longest, 1);
        CHECK_EQ(records_at(longest), 1);
        CHECK_INT(remove(longest), 0);
    }
    memset(longest, 'x', 256);
    memcpy(longest + 251, ".rrec", 6);
    cannot_create(longest, ADIT_ERR_INVALID_ARGUMENT, "xxx");
    CHECK_INT(last.os_code, ENAMETOOLONG);
}

/* A relative path means the working folder of create, wherever the process goes meanwhile. */
static void working_folder(void) {
    CHECK_INT(mkdir(scratch_path("elsewhere"), 0700), 0);
    for (int finishing = 0; finishing < 2; finishing++) {
        adit_record_writer *writer = create("moved.rrec", 0);
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        CHECK_INT(chdir(scratch_path("elsewhere")), 0);
        if (finishing) {
            EXPECT_OK(adit_record_writer_finish(writer, &err));
            CHECK_EQ(records_at(scratch_path("moved.rrec")), 1);
        }
        adit_record_writer_close(writer);
        CHECK(!exists("moved.rrec"));
        CHECK_INT(chdir(check_scratch_folder), 0);
        char name[256];
        CHECK_INT(count_names(".adit-tmp", name, sizeof name), 0);
    }
}

/* A path that can only be a folder's is refused at once, not when all is written. */
static void trailing_slash(void) {
    adit_record_writer *writer = NULL;
    EXPECT_ERROR(adit_record_writer_create(scratch_path("slash.rrec/"), NULL, &writer, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "slash.rrec/");
    CHECK(!exists(scratch_path("slash.rrec")));
}

/* What isn't a regular file is never replaced. */
static void no_file(void) {
    const char *path = scratch_path("pipe.rrec");
    struct stat info;
    adit_record_writer *writer = NULL;
    CHECK_INT(mkfifo(path, 0600), 0);
    EXPECT_ERROR(adit_record_writer_create(path, NULL, &writer, &err), ADIT_ERR_NOT_A_FILE,
                 "a named pipe");
    CHECK_INT(stat(path, &info), 0);
    CHECK(S_ISFIFO(info.st_mode));
}

/* A replaced file leaves its permissions to the new one. */
static void permissions(void) {
    const char *path = scratch_path("private.rrec");
    struct stat info;
    write_records(path, 1);
    CHECK_INT(chmod(path, 0600), 0);
    write_records(path, 2);
    CHECK_EQ(records_at(path), 2);
    CHECK_INT(stat(path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
}

/* In a process without a stderr, what is printed doesn't end up in the file. */
static void closed_streams(void) {
    const char *path = scratch_path("quiet.rrec");
    pid_t child = check_fork();
    if (child == 0) {
        close(2);
        adit_record_writer *writer = create(path, 0);
        EXPECT_OK(adit_record_writer_append(writer, pair, 2, &err));
        CHECK(write(2, "a message", 9) == -1);
        EXPECT_OK(adit_record_writer_finish(writer, &err));
        adit_record_writer_close(writer);
        child_ends();
    }
    check_child(child);
    CHECK_EQ(records_at(path), 1);
}

/* The limit on a file's size stands in for a full disk. */
static void no_space(void) {
    static char bulk[1 << 20];
    const int64_t shape[] = { sizeof bulk / 4 };
    struct rlimit limit, little;
    adit_tensor tensors[2];
    const char *path = scratch_path("full.rrec");
    EXPECT_OK(adit_tensor_init(&tensors[0], bulk, ADIT_DTYPE_F32, 1, shape, &err));
    EXPECT_OK(adit_tensor_init(&tensors[1], bulk, ADIT_DTYPE_F32, 0, NULL, &err));
    write_records(path, 1);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    little = limit;
    for (int finishing = 0; finishing < 2; finishing++) {
        /* Met by an append, and by a finish that has something left to write. */
        adit_record_writer *writer = create(path, 0);
        adit_status status = ADIT_OK;
        uint64_t appended = 0;
        little.rlim_cur = finishing ? 1000 : 3 << 20;
        CHECK_INT(setrlimit(RLIMIT_FSIZE, &little), 0);
        if (finishing) {
            EXPECT_OK(adit_record_writer_append(writer, tensors, 2, &err));
            appended++;
            EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_NO_SPACE, "full.rrec");
        } else {
            while (appended < 64 && status == ADIT_OK) {
                status = adit_record_writer_append(writer, tensors, 2, &err);
                if (status == ADIT_OK) appended++;
            }
            CHECK_INT(status, ADIT_ERR_NO_SPACE);
            CHECK_INT(adit_error_os_code(err), EFBIG);
            CHECK_IN(adit_error_path(err), "full.rrec");
            adit_error_free(err);
        }
        CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
        /* There is no second try. */
        EXPECT_ERROR(adit_record_writer_append(writer, tensors, 2, &err), ADIT_ERR_POISONED, "");
        EXPECT_ERROR(adit_record_writer_append_batch(writer, tensors, 2, &err), ADIT_ERR_POISONED,
                     "closing");
        EXPECT_ERROR(adit_record_writer_finish(writer, &err), ADIT_ERR_POISONED, "closing");
        CHECK_EQ(records_at(path), 1);
        CHECK_INT(count_names(".adit-tmp", NULL, 0), 1);
        adit_record_writer_close(writer);
        CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
        CHECK_EQ(records_at(path), 1);
    }
}

static void no_permission(void) {
    CHECK_INT(mkdir(scratch_path("closed"), 0700), 0);
    CHECK_INT(mkdir(scratch_path("read-only"), 0755), 0);
    if (geteuid() != 0) CHECK_INT(chmod(scratch_path("read-only"), 0500), 0);
    else if (seteuid(65534) != 0) {
        check_skip("folders without permission", "another user to be");
        return;
    }
    adit_record_writer *writer = NULL;
    const char *path = scratch_path("read-only/x.rrec");
    EXPECT_ERROR(adit_record_writer_create(path, NULL, &writer, &err), ADIT_ERR_PERMISSION,
                 "x.rrec");
    CHECK_INT(last.os_code, EACCES);
    CHECK(writer == NULL);
    if (getuid() == 0) CHECK_INT(seteuid(0), 0);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const int64_t shape[] = { 1 };
    for (int at = 0; at < 2; at++)
        EXPECT_OK(adit_tensor_init(&pair[at], &value, ADIT_DTYPE_F32, 1, shape, &err));
    the_temporary();
    replaced();
    not_replaced();
    paths();
    working_folder();
    trailing_slash();
    no_file();
    permissions();
    closed_streams();
    no_space();
    no_permission();
    return check_end();
}
