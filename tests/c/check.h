/*
 * What the C tests share. Every program gets the folder of the fixtures, a fresh folder of its own
 * and the path of the shared library. The first check that fails ends the program with 1; what the
 * library prints itself is a failure too, which the harness sees.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <adit.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The error object of the call under test; one for each thread, as the library asks. */
static __thread adit_error *err;

/* What the last EXPECT_ERROR found in its error object. */
typedef struct check_error {
    int32_t os_code;
    char message[1024];
    char path[4200];
    bool has_path, has_offset, has_index;
    uint64_t offset, index;
} check_error;
static __thread check_error last;

static __thread unsigned long check_count;
static const char *check_data_folder, *check_scratch_folder, *check_library;

/* No error object was ever here: a call that reads or frees what `err` holds crashes. */
#define CHECK_GARBAGE ((adit_error *)(uintptr_t)0x5a5a5a5a)

/* A test that hangs, or a child that does, ends. */
#define CHECK_SECONDS 240

#define CHECK_FAIL(...) \
    do { \
        printf("%s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__); \
        printf("\n"); \
        fflush(stdout); \
        _exit(1); \
    } while (0)

#define CHECK(condition) \
    do { \
        check_count++; \
        if (!(condition)) CHECK_FAIL("not so: %s", #condition); \
    } while (0)

/* Two unsigned numbers, or two pointers' worth of one. */
#define CHECK_EQ(found, wanted) \
    check_u64(__FILE__, __LINE__, #found, (uint64_t)(found), (uint64_t)(wanted))

/* Two signed numbers, statuses and enumerators among them. */
#define CHECK_INT(found, wanted) \
    check_i64(__FILE__, __LINE__, #found, (int64_t)(found), (int64_t)(wanted))

#define CHECK_STR(found, wanted) check_str(__FILE__, __LINE__, #found, (found), (wanted))

#define CHECK_IN(text, part) check_in(__FILE__, __LINE__, #text, (text), (part))

#define CHECK_BYTES(found, wanted, len) \
    check_bytes(__FILE__, __LINE__, #found, (found), (wanted), (size_t)(len))

/* A call that takes `&err` and succeeds: `err` is then NULL, whatever it was. */
#define EXPECT_OK(call) EXPECT(call, ADIT_OK)

/* A call that takes `&err` and has this status without an error object. */
#define EXPECT(call, wanted) \
    do { \
        err = CHECK_GARBAGE; \
        check_quiet(__FILE__, __LINE__, #call, (int32_t)(call), (int32_t)(wanted)); \
    } while (0)

/* A call that takes `&err` and fails, with `text` in its message; more is in `last`. */
#define EXPECT_ERROR(call, wanted, text) \
    do { \
        err = CHECK_GARBAGE; \
        check_loud(__FILE__, __LINE__, #call, (int32_t)(call), (int32_t)(wanted), (text)); \
    } while (0)

#define CHECK_LAST_PATH(wanted) \
    do { \
        CHECK(last.has_path); \
        CHECK_STR(last.path, wanted); \
    } while (0)

#define CHECK_LAST_OFFSET(wanted) \
    do { \
        CHECK(last.has_offset); \
        CHECK_EQ(last.offset, wanted); \
    } while (0)

#define CHECK_LAST_INDEX(wanted) \
    do { \
        CHECK(last.has_index); \
        CHECK_EQ(last.index, wanted); \
    } while (0)

static inline void check_u64(const char *file, int line, const char *what, uint64_t found,
                             uint64_t wanted) {
    check_count++;
    if (found == wanted) return;
    printf("%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n", file, line, what, found, wanted);
    fflush(stdout);
    _exit(1);
}

static inline void check_i64(const char *file, int line, const char *what, int64_t found,
                             int64_t wanted) {
    check_count++;
    if (found == wanted) return;
    printf("%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", file, line, what, found, wanted);
    fflush(stdout);
    _exit(1);
}

static inline void check_str(const char *file, int line, const char *what, const char *found,
                             const char *wanted) {
    check_count++;
    if (found != NULL && strcmp(found, wanted) == 0) return;
    printf("%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, found ? found : "(NULL)", wanted);
    fflush(stdout);
    _exit(1);
}

static inline void check_in(const char *file, int line, const char *what, const char *text,
                            const char *part) {
    check_count++;
    if (text != NULL && strstr(text, part) != NULL) return;
    printf("%s:%d: %s is \"%s\", without \"%s\"\n", file, line, what, text ? text : "(NULL)", part);
    fflush(stdout);
    _exit(1);
}

static inline void check_bytes(const char *file, int line, const char *what, const void *found,
                               const void *wanted, size_t len) {
    check_count++;
    if (len == 0) return;
    const unsigned char *left = (const unsigned char *)found;
    const unsigned char *right = (const unsigned char *)wanted;
    if (left != NULL && memcmp(left, right, len) == 0) return;
    size_t at = 0;
    while (left != NULL && left[at] == right[at]) at++;
    printf("%s:%d: %s differs in %zu bytes, first at byte %zu\n", file, line, what, len, at);
    fflush(stdout);
    _exit(1);
}

static inline void check_status(const char *file, int line, const char *call, int32_t found,
                                int32_t wanted) {
    check_count++;
    if (found == wanted) return;
    printf("%s:%d: %s\n  gave %s, not %s: %s\n", file, line, call, adit_status_name(found),
           adit_status_name(wanted),
           err == CHECK_GARBAGE ? "(err was not written)" : adit_error_message(err));
    fflush(stdout);
    _exit(1);
}

static inline void check_quiet(const char *file, int line, const char *call, int32_t found,
                               int32_t wanted) {
    check_status(file, line, call, found, wanted);
    if (err == NULL) return;
    printf("%s:%d: %s left an error object or didn't write err\n", file, line, call);
    fflush(stdout);
    _exit(1);
}

static inline void check_loud(const char *file, int line, const char *call, int32_t found,
                              int32_t wanted, const char *text) {
    check_status(file, line, call, found, wanted);
    if (err == NULL || err == CHECK_GARBAGE) {
        printf("%s:%d: %s gave no error object\n", file, line, call);
        fflush(stdout);
        _exit(1);
    }
    check_i64(file, line, "adit_error_status", (int64_t)adit_error_status(err), wanted);
    const char *message = adit_error_message(err);
    check_in(file, line, call, message, text);
    for (const char *at = message; *at; at++) {
        if ((unsigned char)*at >= ' ' && *at != 127) continue;
        printf("%s:%d: %s: control character %d in \"%s\"\n", file, line, call, *at, message);
        fflush(stdout);
        _exit(1);
    }
    const char *path = adit_error_path(err);
    last.os_code = adit_error_os_code(err);
    snprintf(last.message, sizeof last.message, "%s", message);
    last.has_path = path != NULL;
    snprintf(last.path, sizeof last.path, "%s", path ? path : "");
    last.offset = last.index = 77;
    last.has_offset = adit_error_offset(err, &last.offset);
    last.has_index = adit_error_index(err, &last.index);
    if (!last.has_offset) check_u64(file, line, "an unknown offset", last.offset, 0);
    if (!last.has_index) check_u64(file, line, "an unknown index", last.index, 0);
    adit_error_free(err);
    err = NULL;
}

/* Told what isn't checked here, and what is missing. */
static inline void check_skip(const char *what, const char *missing) {
    printf("SKIPPED: %s (%s)\n", what, missing);
    fflush(stdout);
}

static inline void check_start(int argc, char **argv) {
    if (argc != 4) CHECK_FAIL("usage: %s DATA SCRATCH LIBRARY", argv[0]);
    check_data_folder = argv[1];
    check_scratch_folder = argv[2];
    check_library = argv[3];
    alarm(CHECK_SECONDS);
}

static inline int check_end(void) {
    printf("%lu checks\n", check_count);
    return check_count == 0;
}

/* One of many buffers in turn: good for the next 63 paths of this thread. */
static inline const char *check_path(const char *folder, const char *name) {
    static __thread char paths[64][1024];
    static __thread unsigned turn;
    char *path = paths[turn++ % 64];
    if (snprintf(path, sizeof paths[0], "%s/%s", folder, name) >= (int)sizeof paths[0])
        CHECK_FAIL("a path too long");
    return path;
}

/* A fixture, such as "rrec/basic_3x4.rrec". */
static inline const char *data_path(const char *name) {
    return check_path(check_data_folder, name);
}

/* A file of this program's own. */
static inline const char *scratch_path(const char *name) {
    return check_path(check_scratch_folder, name);
}

static inline void write_file(const char *path, const void *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || (len > 0 && fwrite(bytes, 1, len, file) != len) || fclose(file) != 0)
        CHECK_FAIL("cannot write %s: %s", path, strerror(errno));
}

/* The whole file, freed by the caller; never NULL. */
static inline unsigned char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) CHECK_FAIL("cannot read %s: %s", path, strerror(errno));
    struct stat info;
    if (fstat(fileno(file), &info) != 0) CHECK_FAIL("cannot look at %s", path);
    *len = (size_t)info.st_size;
    unsigned char *bytes = (unsigned char *)malloc(*len + 1);
    if (bytes == NULL || fread(bytes, 1, *len, file) != *len) CHECK_FAIL("cannot read %s", path);
    bytes[*len] = 0;
    fclose(file);
    return bytes;
}

static inline bool exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A child that ends like its parent where it hangs; flushed before, so that nothing is said twice. */
static inline pid_t check_fork(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) CHECK_FAIL("fork: %s", strerror(errno));
    if (child == 0) alarm(CHECK_SECONDS);
    return child;
}

/* The end of a child: 0, and nothing else counts. */
static inline void check_child(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) CHECK_FAIL("the child was ended by signal %d", WTERMSIG(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static inline void child_ends(void) {
    fflush(stdout);
    _exit(0);
}

#endif
