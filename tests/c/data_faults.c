/* What can't be opened, and how that is told. */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static const int32_t backends[] = { ADIT_BACKEND_AUTO, ADIT_BACKEND_MAP, ADIT_BACKEND_READ };

/* Opening fails in the same way by every backend, plain and with decompression. */
static void cannot_open(const char *path, adit_status status, int32_t os_code, const char *text) {
    for (size_t at = 0; at < 3; at++) {
        for (uint32_t flags = 0; flags <= ADIT_DATA_DECOMPRESS; flags += ADIT_DATA_DECOMPRESS) {
            adit_data *data = (adit_data *)(uintptr_t)16;
            adit_data_options options = ADIT_DATA_OPTIONS_INIT;
            options.backend = backends[at];
            options.flags = flags;
            EXPECT_ERROR(adit_data_open(path, &options, &data, &err), status, text);
            CHECK(data == NULL);
            CHECK_LAST_PATH(path);
            CHECK_INT(last.os_code, os_code);
        }
    }
    adit_record_reader *reader = (adit_record_reader *)(uintptr_t)16;
    adit_array *array = (adit_array *)(uintptr_t)16;
    EXPECT_ERROR(adit_record_reader_open(path, NULL, &reader, &err), status, text);
    CHECK_LAST_PATH(path);
    CHECK(reader == NULL);
    EXPECT_ERROR(adit_array_open(path, NULL, &array, &err), status, text);
    CHECK_LAST_PATH(path);
    CHECK(array == NULL);
}

static void no_such_file(void) {
    static char longest[5000];
    adit_data *data = NULL;
    cannot_open(scratch_path("missing"), ADIT_ERR_NOT_FOUND, ENOENT, "missing");
    write_file(scratch_path("file"), "x", 1);
    cannot_open(scratch_path("file/below"), ADIT_ERR_NOT_FOUND, ENOTDIR, "below");
    CHECK_INT(symlink("nowhere", scratch_path("dangling")), 0);
    cannot_open(scratch_path("dangling"), ADIT_ERR_NOT_FOUND, ENOENT, "dangling");
    CHECK_INT(symlink("loop", scratch_path("loop")), 0);
    cannot_open(scratch_path("loop"), ADIT_ERR_IO, ELOOP, "loop");
    EXPECT_ERROR(adit_data_open("", NULL, &data, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "path is an empty string");
    memset(longest, 'x', sizeof longest - 1);
    EXPECT_ERROR(adit_data_open(longest, NULL, &data, &err), ADIT_ERR_INVALID_ARGUMENT, "xxx");
    CHECK_INT(last.os_code, ENAMETOOLONG);
}

static void not_a_file(void) {
    int ends[2];
    adit_data *data = NULL;
    cannot_open(check_scratch_folder, ADIT_ERR_NOT_A_FILE, EISDIR, "folder");
    CHECK_INT(mkfifo(scratch_path("fifo"), 0600), 0);
    /* Nobody ever writes to it: the call doesn't wait. */
    cannot_open(scratch_path("fifo"), ADIT_ERR_NOT_A_FILE, 0, "pipe");
    cannot_open("/dev/null", ADIT_ERR_NOT_A_FILE, 0, "device");
    cannot_open("/dev/zero", ADIT_ERR_NOT_A_FILE, 0, "device");

    /* Named in the folder itself: the names of sockets are short. */
    struct sockaddr_un name;
    memset(&name, 0, sizeof name);
    name.sun_family = AF_UNIX;
    memcpy(name.sun_path, "socket", 7);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(listener >= 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    cannot_open(scratch_path("socket"), ADIT_ERR_NOT_A_FILE, 0, "socket");
    EXPECT_ERROR(adit_data_open_fd(listener, 0, ADIT_TO_END, NULL, &data, &err),
                 ADIT_ERR_NOT_A_FILE, "socket");
    close(listener);

    CHECK_INT(pipe(ends), 0);
    EXPECT_ERROR(adit_data_open_fd(ends[0], 0, ADIT_TO_END, NULL, &data, &err),
                 ADIT_ERR_NOT_A_FILE, "file descriptor");
    CHECK(data == NULL && !last.has_path);
    close(ends[0]);
    close(ends[1]);
    int folder = open(check_scratch_folder, O_RDONLY);
    EXPECT_ERROR(adit_data_open_fd(folder, 0, ADIT_TO_END, NULL, &data, &err),
                 ADIT_ERR_NOT_A_FILE, "folder");
    close(folder);
}

static void descriptors(void) {
    adit_data *data = NULL;
    const int closed[] = { -1, 1000000, INT32_MIN, INT32_MAX };
    for (size_t at = 0; at < 4; at++) {
        EXPECT_ERROR(adit_data_open_fd(closed[at], 0, ADIT_TO_END, NULL, &data, &err), ADIT_ERR_IO,
                     "file descriptor");
        CHECK_INT(last.os_code, EBADF);
        CHECK(data == NULL);
    }
    write_file(scratch_path("written"), "abcd", 4);
    int fd = open(scratch_path("written"), O_WRONLY);
    for (size_t at = 0; at < 3; at++) {
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.backend = backends[at];
        EXPECT_ERROR(adit_data_open_fd(fd, 0, ADIT_TO_END, &options, &data, &err),
                     ADIT_ERR_PERMISSION, "file descriptor");
        options.flags = ADIT_DATA_DECOMPRESS;
        EXPECT_ERROR(adit_data_open_fd(fd, 0, ADIT_TO_END, &options, &data, &err),
                     ADIT_ERR_PERMISSION, "file descriptor");
    }
    close(fd);
    fd = open(scratch_path("written"), O_PATH);
    EXPECT_ERROR(adit_data_open_fd(fd, 0, ADIT_TO_END, NULL, &data, &err),
                 ADIT_ERR_PERMISSION, "file descriptor");
    close(fd);

    /* None is left open by what failed or was closed. */
    int before = dup(0);
    close(before);
    for (int turn = 0; turn < 100; turn++) {
        CHECK_INT(adit_data_open(scratch_path("missing"), NULL, &data, NULL), ADIT_ERR_NOT_FOUND);
        CHECK_INT(adit_data_open(check_scratch_folder, NULL, &data, NULL), ADIT_ERR_NOT_A_FILE);
        CHECK_INT(adit_data_open(scratch_path("written"), NULL, &data, NULL), ADIT_OK);
        adit_data_close(data);
    }
    int after = dup(0);
    close(after);
    CHECK_INT(after, before);
    /* A child that execs inherits none of them. */
    CHECK_INT(adit_data_open(scratch_path("written"), NULL, &data, NULL), ADIT_OK);
    CHECK((fcntl(before, F_GETFD) & FD_CLOEXEC) != 0);
    adit_data_close(data);
    fd = open(scratch_path("written"), O_RDONLY);
    CHECK_INT(adit_data_open_fd(fd, 0, 2, NULL, &data, NULL), ADIT_OK);
    CHECK((fcntl(fd + 1, F_GETFD) & FD_CLOEXEC) != 0);
    adit_data_close(data);
    close(fd);

    /* Bytes, but no length. */
    EXPECT_ERROR(adit_data_open("/proc/self/maps", NULL, &data, &err), ADIT_ERR_NOT_A_FILE,
                 "without a length");

    /* No descriptor left. */
    struct rlimit limit, none;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)before;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_ERROR(adit_data_open(scratch_path("written"), NULL, &data, &err), ADIT_ERR_PERMISSION,
                 "written");
    CHECK_INT(last.os_code, EMFILE);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* As somebody else, who may do less. */
static void no_permission(void) {
    write_file(scratch_path("secret"), "abcd", 4);
    CHECK_INT(chmod(scratch_path("secret"), 0), 0);
    if (geteuid() == 0 && seteuid(65534) != 0) {
        check_skip("files without permission", "another user to be");
        return;
    }
    adit_data *data = NULL;
    EXPECT_ERROR(adit_data_open(scratch_path("secret"), NULL, &data, &err), ADIT_ERR_PERMISSION,
                 "secret");
    CHECK_INT(last.os_code, EACCES);
    CHECK(data == NULL);

    /* More memory locked than the limit allows. */
    struct rlimit limit, little;
    CHECK_INT(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    little = limit;
    for (int turn = 0; turn < 2; turn++) {
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.flags = ADIT_DATA_LOCK;
        little.rlim_cur = turn == 0 ? 0 : 4096;
        CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &little), 0);
        adit_status status =
            adit_data_open(data_path("rrec/many_tiny_10k.rrec"), &options, &data, &err);
        CHECK(status == ADIT_ERR_PERMISSION || status == ADIT_ERR_OUT_OF_MEMORY);
        CHECK(data == NULL);
        CHECK_IN(adit_error_message(err), "limit on locked memory");
        CHECK_IN(adit_error_path(err), "many_tiny_10k");
        CHECK(adit_error_os_code(err) != 0);
        adit_error_free(err);
    }
    CHECK_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (getuid() == 0) CHECK_INT(seteuid(0), 0);
}

/* A file system that maps nothing, though it reads. */
static void not_mappable(void) {
    const char *path = "/sys/kernel/notes";
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    int fd = open(path, O_RDONLY);
    struct stat info;
    void *map = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0)
        map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd < 0 || map != MAP_FAILED || errno != ENODEV) {
        check_skip("a file that can't be mapped", path);
        return;
    }
    char some[64];
    CHECK(pread(fd, some, sizeof some, 0) >= 16);
    close(fd);
    EXPECT_OK(adit_data_open(path, &options, &data, &err));
    CHECK(!adit_data_is_mapped(data));
    CHECK_BYTES(adit_data_bytes(data), some, 16);
    CHECK_EQ(adit_data_len(data), info.st_size);
    adit_data_close(data);
    options.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(path, &options, &data, &err));
    CHECK_BYTES(adit_data_bytes(data), some, 16);
    adit_data_close(data);
    options.backend = ADIT_BACKEND_MAP;
    EXPECT_ERROR(adit_data_open(path, &options, &data, &err), ADIT_ERR_IO, "cannot map");
    CHECK_INT(last.os_code, ENODEV);
}

static void *ADIT_CALL nothing(void *ctx, size_t size, size_t align) {
    uint64_t *asked = (uint64_t *)ctx;
    *asked = size;
    (void)align;
    return NULL;
}

static void ADIT_CALL never(void *ctx, void *memory, size_t size, size_t align) {
    (void)ctx;
    (void)size;
    (void)align;
    CHECK(memory == NULL);
}

/* Address space that runs out: a map and a heap that can't be had. */
static void no_memory(void) {
    const char *path = scratch_path("a-gibibyte");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    if (ftruncate(fd, 1 << 30) != 0 || getenv("ADIT_TEST_VALGRIND") != NULL) {
        close(fd);
        remove(path);
        return;
    }
    close(fd);
    pid_t child = check_fork();
    if (child == 0) {
        struct rlimit limit;
        CHECK_INT(getrlimit(RLIMIT_AS, &limit), 0);
        limit.rlim_cur = 512 << 20;
        CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
        for (size_t at = 0; at < 3; at++) {
            adit_data *data = NULL;
            adit_data_options options = ADIT_DATA_OPTIONS_INIT;
            options.backend = backends[at];
            EXPECT_ERROR(adit_data_open(path, &options, &data, &err), ADIT_ERR_OUT_OF_MEMORY,
                         "a-gibibyte");
            CHECK_LAST_PATH(path);
            CHECK(data == NULL);
        }
        child_ends();
    }
    check_child(child);
    remove(path);
}

static void sparse(void) {
    const uint64_t size = (UINT64_C(5) << 30) + 3;
    uint64_t asked = 0;
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    const char *path = scratch_path("sparse");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || pwrite(fd, "end", 3, (off_t)size - 3) != 3) {
        check_skip("a file of 5 GiB", "sparse files");
        close(fd);
        return;
    }
    CHECK(pwrite(fd, "four", 4, (off_t)(UINT64_C(4) << 30)) == 4);
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    CHECK_EQ(adit_data_len(data), size);
    CHECK(adit_data_is_mapped(data));
    const char *bytes = (const char *)adit_data_bytes(data);
    char some[4];
    CHECK_BYTES(bytes + (UINT64_C(4) << 30), "four", 4);
    CHECK_BYTES(bytes + size - 3, "end", 3);
    EXPECT_OK(adit_data_read(data, UINT64_C(4) << 30, 4, some, &err));
    CHECK_BYTES(some, "four", 4);
    EXPECT_OK(adit_data_prefetch(data, UINT64_C(4) << 30, 4096, &err));
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, 0, NULL, &err));
    adit_data_close(data);

    EXPECT_OK(adit_data_open_fd(fd, UINT64_C(4) << 30, 4, NULL, &data, &err));
    CHECK_BYTES(adit_data_bytes(data), "four", 4);
    adit_data_close(data);
    close(fd);

    /* Memory for all of it is asked for at once, and may be refused. */
    adit_allocator allocator = ADIT_ALLOCATOR_INIT(&asked, nothing, never);
    options.backend = ADIT_BACKEND_READ;
    options.allocator = &allocator;
    EXPECT_ERROR(adit_data_open(path, &options, &data, &err), ADIT_ERR_OUT_OF_MEMORY,
                 "out of memory: 5368709123 bytes");
    CHECK_LAST_PATH(path);
    CHECK_EQ(asked, size);
    CHECK(data == NULL);
    remove(path);
}

static void broken(const char *name, adit_status status, const char *text) {
    adit_data *data = NULL;
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    options.flags = ADIT_DATA_DECOMPRESS;
    EXPECT_ERROR(adit_data_open(data_path(name), &options, &data, &err), status, text);
    CHECK(data == NULL);
    CHECK_LAST_PATH(data_path(name));
}

static void compressed(void) {
    broken("compressed/truncated.gz", ADIT_ERR_MALFORMED, "as gzip");
    broken("compressed/truncated.zst", ADIT_ERR_MALFORMED, "as zstd");
    broken("compressed/header_only.gz", ADIT_ERR_MALFORMED, "as gzip");
    broken("compressed/garbage_behind.gz", ADIT_ERR_MALFORMED, "as gzip");
    broken("compressed/garbage_behind.zst", ADIT_ERR_MALFORMED, "as zstd");
    broken("compressed/bad_crc.gz", ADIT_ERR_CHECKSUM, "gzip");
    broken("compressed/bad_length.gz", ADIT_ERR_CHECKSUM, "gzip");
    broken("compressed/bad_checksum.zst", ADIT_ERR_CHECKSUM, "checksum");
    /* Memory grows with what comes out, not by what a header claims. */
    broken("compressed/claims_a_pebibyte.zst", ADIT_ERR_UNSUPPORTED, "as zstd");
    /* Whether a checksum or the decoder sees it first is chance. */
    const char *blocks[] = { "compressed/bad_block.gz", "compressed/bad_block.zst" };
    for (size_t at = 0; at < 2; at++) {
        adit_data *data = NULL;
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.flags = ADIT_DATA_DECOMPRESS;
        adit_status status = adit_data_open(data_path(blocks[at]), &options, &data, &err);
        CHECK(status == ADIT_ERR_MALFORMED || status == ADIT_ERR_CHECKSUM);
        CHECK(data == NULL);
        CHECK_STR(adit_error_path(err), data_path(blocks[at]));
        adit_error_free(err);
    }

    const char *bombs[] = { "compressed/bomb_64mib.gz", "compressed/bomb_64mib.zst" };
    for (size_t at = 0; at < 2; at++) {
        adit_data *data = NULL;
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.flags = ADIT_DATA_DECOMPRESS;
        options.max_decompressed_bytes = (64 << 20) - 1;
        EXPECT_ERROR(adit_data_open(data_path(bombs[at]), &options, &data, &err),
                     ADIT_ERR_OUT_OF_RANGE, "67108863 bytes allowed");
        CHECK(data == NULL);
        CHECK_LAST_PATH(data_path(bombs[at]));
        options.max_decompressed_bytes = 1;
        EXPECT_ERROR(adit_data_open(data_path(bombs[at]), &options, &data, &err),
                     ADIT_ERR_OUT_OF_RANGE, "the 1 bytes allowed");
    }
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    no_such_file();
    not_a_file();
    descriptors();
    no_permission();
    not_mappable();
    sparse();
    no_memory();
    compressed();
    return check_end();
}
