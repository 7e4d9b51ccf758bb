/* Using open bytes: advice, prefetch, release, residency, reading, files that change. */
#include "check.h"

#include <sys/mman.h>
#include <sys/statfs.h>

#define PAGES 256

static size_t page;
static uint64_t total;
static unsigned char *content;

/* A file of PAGES pages and a bit, on the disk. */
static const char *pages_file(const char *name) {
    const char *path = scratch_path(name);
    write_file(path, content, total);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fsync(fd) == 0 && close(fd) == 0);
    return path;
}

/* Bytes of [at, at + len) that this process has mapped in, by the kernel's own account. */
static uint64_t mapped_in(const void *at, uint64_t len) {
    uint64_t found = 0, entry = 0;
    uintptr_t first = (uintptr_t)at / page, last_page = ((uintptr_t)at + len - 1) / page;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    CHECK(fd >= 0);
    for (uintptr_t number = first; number <= last_page; number++) {
        CHECK(pread(fd, &entry, sizeof entry, (off_t)(number * sizeof entry)) == sizeof entry);
        if (entry >> 63) found += page;
    }
    close(fd);
    return found;
}

/* Bytes of a file in the page cache, seen through a map of its own that nobody touches. */
static uint64_t in_cache(const char *path) {
    static unsigned char there[PAGES + 1];
    uint64_t found = 0;
    int fd = open(path, O_RDONLY);
    void *map = mmap(NULL, total, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(fd >= 0 && map != MAP_FAILED);
    CHECK_INT(mincore(map, total, there), 0);
    for (size_t at = 0; at < (total + page - 1) / page; at++)
        if (there[at] & 1) found += page;
    munmap(map, total);
    close(fd);
    return found;
}

static unsigned touch(const adit_data *data) {
    const volatile unsigned char *bytes = (const volatile unsigned char *)adit_data_bytes(data);
    unsigned sum = 0;
    for (uint64_t at = 0; at < adit_data_len(data); at += page) sum += bytes[at];
    return sum;
}

static void advice(void) {
    adit_data *mapped = NULL, *heap = NULL, *borrowed = NULL, *empty = NULL;
    const char *path = pages_file("advice");
    adit_data_options read = ADIT_DATA_OPTIONS_INIT;
    read.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(path, NULL, &mapped, &err));
    EXPECT_OK(adit_data_open(path, &read, &heap, &err));
    EXPECT_OK(adit_data_from_bytes(content, total, ADIT_BYTES_BORROW, NULL, NULL, &borrowed, &err));
    EXPECT_OK(adit_data_from_bytes(NULL, 0, ADIT_BYTES_COPY, NULL, NULL, &empty, &err));
    const adit_data *all[] = { mapped, heap, borrowed };
    const int32_t kinds[] = { ADIT_ADVICE_NORMAL, ADIT_ADVICE_SEQUENTIAL, ADIT_ADVICE_RANDOM,
                              ADIT_ADVICE_WILLNEED, ADIT_ADVICE_HUGEPAGE };
    for (size_t which = 0; which < 3; which++) {
        const adit_data *data = all[which];
        for (int32_t kind = 0; kind < 5; kind++) {
            CHECK_INT(kinds[kind], kind);
            EXPECT_OK(adit_data_advise(data, 0, ADIT_TO_END, kind, &err));
            EXPECT_OK(adit_data_advise(data, 0, total, kind, &err));
            EXPECT_OK(adit_data_advise(data, 4097, 1, kind, &err));
            EXPECT_OK(adit_data_advise(data, total, 0, kind, &err));
            EXPECT_OK(adit_data_advise(data, total, ADIT_TO_END, kind, &err));
            EXPECT_ERROR(adit_data_advise(data, total + 1, 0, kind, &err), ADIT_ERR_OUT_OF_RANGE,
                         "bytes");
            EXPECT_ERROR(adit_data_advise(data, 1, total, kind, &err), ADIT_ERR_OUT_OF_RANGE, "");
            CHECK_LAST_OFFSET(1);
        }
        EXPECT_ERROR(adit_data_advise(data, 0, 1, 5, &err), ADIT_ERR_INVALID_ARGUMENT,
                     "advice is 5");
        EXPECT_ERROR(adit_data_advise(data, 0, 1, -1, &err), ADIT_ERR_INVALID_ARGUMENT, "advice");

        EXPECT_OK(adit_data_prefetch(data, 0, ADIT_TO_END, &err));
        EXPECT_OK(adit_data_prefetch(data, 5000, 12345, &err));
        EXPECT_OK(adit_data_prefetch(data, total, 0, &err));
        EXPECT_ERROR(adit_data_prefetch(data, total, 1, &err), ADIT_ERR_OUT_OF_RANGE, "bytes");
        EXPECT_ERROR(adit_data_prefetch(data, UINT64_MAX, UINT64_MAX, &err), ADIT_ERR_OUT_OF_RANGE,
                     "bytes");
        CHECK_BYTES(adit_data_bytes(data), content, total);
    }
    EXPECT_OK(adit_data_advise(empty, 0, ADIT_TO_END, ADIT_ADVICE_WILLNEED, &err));
    EXPECT_OK(adit_data_prefetch(empty, 0, 0, &err));
    EXPECT_ERROR(adit_data_prefetch(empty, 0, 1, &err), ADIT_ERR_OUT_OF_RANGE, "");
    adit_data_close(mapped);
    adit_data_close(heap);
    adit_data_close(borrowed);
    adit_data_close(empty);
}

static void residency_is(const adit_data *data, uint64_t offset, uint64_t len, uint64_t all,
                         uint64_t resident, uint64_t cached) {
    adit_residency found = ADIT_RESIDENCY_INIT;
    EXPECT_OK(adit_data_residency(data, offset, len, &found, &err));
    CHECK_EQ(found.struct_size, sizeof found);
    CHECK_EQ(found.total_bytes, all);
    CHECK_EQ(found.resident_bytes, resident);
    CHECK_EQ(found.cached_bytes, cached);
}

static void release(void) {
    adit_data *data = NULL;
    adit_residency found = ADIT_RESIDENCY_INIT;
    const char *path = pages_file("release");
    const uint64_t all = (PAGES + 1) * page;
    uint64_t freed = 7;
    EXPECT_OK(adit_data_open(path, NULL, &data, &err));
    unsigned sum = touch(data);
    CHECK_EQ(mapped_in(adit_data_bytes(data), total), all);
    residency_is(data, 0, ADIT_TO_END, all, all, all);
    residency_is(data, 0, total, all, all, all);
    residency_is(data, 0, 0, 0, 0, 0);
    residency_is(data, 0, 1, page, page, page);
    residency_is(data, page - 1, 2, 2 * page, 2 * page, 2 * page);
    residency_is(data, total - 1, 1, page, page, page);

    /* Ranges without a whole page let go of nothing. */
    EXPECT_OK(adit_data_release(data, 1, page, 0, &freed, &err));
    CHECK_EQ(freed, 0);
    EXPECT_OK(adit_data_release(data, total, 0, ADIT_RELEASE_PAGE_CACHE, &freed, &err));
    CHECK_EQ(freed, 0);
    EXPECT_OK(adit_data_release(data, PAGES * page, ADIT_TO_END, 0, &freed, &err));
    CHECK_EQ(freed, 0);
    CHECK_EQ(mapped_in(adit_data_bytes(data), total), all);

    /* This process's pages alone; only whole ones. */
    EXPECT_OK(adit_data_release(data, page + 1, 6 * page, 0, &freed, &err));
    CHECK_EQ(freed, 5 * page);
    CHECK_EQ(mapped_in(adit_data_bytes(data), total), all - freed);
    residency_is(data, page, 8 * page, 8 * page, 3 * page, 8 * page);
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, 0, &freed, &err));
    CHECK_EQ(freed, (PAGES - 5) * page);
    CHECK_EQ(mapped_in(adit_data_bytes(data), total), page);
    CHECK_EQ(in_cache(path), all);
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, 0, NULL, &err));

    /* Pointers stay good. */
    CHECK(touch(data) == sum);
    CHECK_BYTES(adit_data_bytes(data), content, total);

    /* The page cache: what left it is what is told, seen by a map of the test's own. */
    CHECK_EQ(ADIT_RELEASE_PAGE_CACHE, 1);
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, ADIT_RELEASE_PAGE_CACHE, &freed, &err));
    CHECK_EQ(mapped_in(adit_data_bytes(data), PAGES * page), 0);
    EXPECT_OK(adit_data_residency(data, 0, PAGES * page, &found, &err));
    CHECK_EQ(found.resident_bytes, 0);
    CHECK_EQ(found.cached_bytes, PAGES * page - freed);
    struct statfs where;
    CHECK_INT(statfs(path, &where), 0);
    if (where.f_type == 0x01021994) {
        check_skip("that released pages leave the page cache", "a scratch folder on a disk");
    } else {
        CHECK(freed > 0);
        /* valgrind reads a file's start when it is mapped, and the kernel more behind it. */
        if (getenv("ADIT_TEST_VALGRIND") == NULL) CHECK(in_cache(path) <= all - freed);
    }
    CHECK_BYTES(adit_data_bytes(data), content, total);

    EXPECT_ERROR(adit_data_release(data, 0, 1, 2, &freed, &err), ADIT_ERR_UNSUPPORTED, "flags");
    CHECK_EQ(freed, 0);
    freed = 7;
    EXPECT_ERROR(adit_data_release(data, total, 1, 0, &freed, &err), ADIT_ERR_OUT_OF_RANGE, "");
    CHECK_EQ(freed, 0);
    EXPECT_ERROR(adit_data_release(data, 0, UINT64_MAX - 1, 0, &freed, &err),
                 ADIT_ERR_OUT_OF_RANGE, "bytes");
    found.total_bytes = 7;
    EXPECT_ERROR(adit_data_residency(data, total, 1, &found, &err), ADIT_ERR_OUT_OF_RANGE, "");
    CHECK_EQ(found.total_bytes, 0);
    adit_data_close(data);

    /* A part of a file: pages count from the file's start, not from the part's. */
    int fd = open(path, O_RDONLY);
    EXPECT_OK(adit_data_open_fd(fd, page / 2, 4 * page, NULL, &data, &err));
    close(fd);
    touch(data);
    CHECK_BYTES(adit_data_bytes(data), content + page / 2, 4 * page);
    residency_is(data, 0, ADIT_TO_END, 5 * page, 5 * page, 5 * page);
    EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, 0, &freed, &err));
    CHECK_EQ(freed, 3 * page);
    CHECK_BYTES(adit_data_bytes(data), content + page / 2, 4 * page);
    adit_data_close(data);
}

/* Bytes that wouldn't come back are never let go of. */
static void release_of_memory(void) {
    adit_data *data = NULL;
    uint64_t freed = 7;
    const char *path = pages_file("private");
    adit_data_options read = ADIT_DATA_OPTIONS_INIT;
    read.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(path, &read, &data, &err));
    for (uint32_t flags = 0; flags < 2; flags++) {
        EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, flags, &freed, &err));
        CHECK_EQ(freed, 0);
    }
    CHECK_BYTES(adit_data_bytes(data), content, total);
    residency_is(data, 0, ADIT_TO_END, total, total, total);
    residency_is(data, 5, 10, 10, 10, 10);
    adit_data_close(data);

    int fd = open(path, O_RDONLY);
    unsigned char *map =
        (unsigned char *)mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    close(fd);
    for (uint64_t at = 0; at < total; at += page) map[at] = (unsigned char)(content[at] + 1);
    EXPECT_OK(adit_data_from_bytes(map, total, ADIT_BYTES_BORROW, NULL, NULL, &data, &err));
    for (uint32_t flags = 0; flags < 2; flags++) {
        freed = 7;
        EXPECT_OK(adit_data_release(data, 0, ADIT_TO_END, flags, &freed, &err));
        CHECK_EQ(freed, 0);
        for (uint64_t at = 0; at < total; at += page)
            CHECK(map[at] == (unsigned char)(content[at] + 1));
    }
    adit_data_close(data);
    munmap(map, total);
}

static void reading(void) {
    const char *path = pages_file("reading");
    unsigned char *to = (unsigned char *)malloc(total + 1);
    CHECK(to != NULL);
    for (int way = 0; way < 3; way++) {
        adit_data *data = NULL;
        adit_data_options options = ADIT_DATA_OPTIONS_INIT;
        options.backend = way == 0 ? ADIT_BACKEND_MAP : ADIT_BACKEND_READ;
        if (way < 2) EXPECT_OK(adit_data_open(path, &options, &data, &err));
        else EXPECT_OK(adit_data_from_bytes(content, total, ADIT_BYTES_COPY, NULL, NULL, &data, &err));
        memset(to, 0xa5, total + 1);
        EXPECT_OK(adit_data_read(data, 0, total, to, &err));
        CHECK_BYTES(to, content, total);
        CHECK_EQ(to[total], 0xa5);
        memset(to, 0xa5, total + 1);
        EXPECT_OK(adit_data_read(data, page - 3, 7, to + 1, &err));
        CHECK_BYTES(to + 1, content + page - 3, 7);
        CHECK_EQ(to[0], 0xa5);
        CHECK_EQ(to[8], 0xa5);
        EXPECT_OK(adit_data_read(data, total, 0, NULL, &err));
        EXPECT_ERROR(adit_data_read(data, 0, 1, NULL, &err), ADIT_ERR_INVALID_ARGUMENT,
                     "buffer is NULL");
        EXPECT_ERROR(adit_data_read(data, total, 1, to, &err), ADIT_ERR_OUT_OF_RANGE, "bytes");
        EXPECT_ERROR(adit_data_read(data, 0, total + 1, to, &err), ADIT_ERR_OUT_OF_RANGE, "bytes");
        EXPECT_ERROR(adit_data_read(data, 1, UINT64_MAX - 1, to, &err), ADIT_ERR_OUT_OF_RANGE, "");
        /* Here a length is a length: nobody has a buffer of ADIT_TO_END. */
        EXPECT_ERROR(adit_data_read(data, total - 1, ADIT_TO_END, to, &err), ADIT_ERR_OUT_OF_RANGE,
                     "bytes");
        CHECK_EQ(to[0], 0xa5);
        adit_data_close(data);
    }
    free(to);
}

static void files_that_change(void) {
    adit_data *mapped = NULL, *heap = NULL;
    adit_data_options read = ADIT_DATA_OPTIONS_INIT;
    const char *path = pages_file("changing");
    unsigned char some[16];
    uint64_t freed;
    read.backend = ADIT_BACKEND_READ;
    EXPECT_OK(adit_data_open(path, NULL, &mapped, &err));
    EXPECT_OK(adit_data_open(path, &read, &heap, &err));

    /* What is written to it shows in the map alone. */
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, "changed", 7, 100) == 7);
    CHECK_BYTES((const char *)adit_data_bytes(mapped) + 100, "changed", 7);
    EXPECT_OK(adit_data_read(mapped, 100, 7, some, &err));
    CHECK_BYTES(some, "changed", 7);
    CHECK_BYTES(adit_data_bytes(heap), content, total);
    EXPECT_OK(adit_data_status(mapped, &err));

    /* Longer is no harm. */
    CHECK_INT(ftruncate(fd, (off_t)total + 5000), 0);
    EXPECT_OK(adit_data_status(mapped, &err));
    CHECK_EQ(adit_data_len(mapped), total);

    /* Cut: what is left can be read, the rest is a status, for good. */
    CHECK_INT(ftruncate(fd, 2000), 0);
    EXPECT_OK(adit_data_read(mapped, 1984, 16, some, &err));
    EXPECT_ERROR(adit_data_read(mapped, 1985, 16, some, &err), ADIT_ERR_TRUNCATED, "2000");
    CHECK_LAST_PATH(path);
    CHECK_LAST_OFFSET(1985);
    EXPECT_ERROR(adit_data_read(mapped, total - 1, 1, some, &err), ADIT_ERR_TRUNCATED, "cut");
    EXPECT_ERROR(adit_data_status(mapped, &err), ADIT_ERR_TRUNCATED, "cut");
    CHECK_LAST_PATH(path);
    EXPECT_OK(adit_data_advise(mapped, 0, ADIT_TO_END, ADIT_ADVICE_WILLNEED, &err));
    EXPECT_OK(adit_data_prefetch(mapped, 0, ADIT_TO_END, &err));
    EXPECT_OK(adit_data_release(mapped, 0, ADIT_TO_END, 1, &freed, &err));
    adit_residency found = ADIT_RESIDENCY_INIT;
    EXPECT_OK(adit_data_residency(mapped, 0, ADIT_TO_END, &found, &err));

    /* Grown again, with zeros where its bytes were. */
    CHECK_INT(ftruncate(fd, (off_t)total), 0);
    EXPECT_ERROR(adit_data_status(mapped, &err), ADIT_ERR_TRUNCATED, "cut");
    adit_data_close(mapped);

    EXPECT_OK(adit_data_status(heap, &err));
    CHECK_BYTES(adit_data_bytes(heap), content, total);
    adit_data_close(heap);

    /* A read alone remembers as well. */
    EXPECT_OK(adit_data_open(path, NULL, &mapped, &err));
    CHECK_INT(ftruncate(fd, 0), 0);
    EXPECT_ERROR(adit_data_read(mapped, 0, 1, some, &err), ADIT_ERR_TRUNCATED, "ends at 0");
    CHECK_INT(ftruncate(fd, (off_t)total), 0);
    EXPECT_ERROR(adit_data_status(mapped, &err), ADIT_ERR_TRUNCATED, "cut");
    adit_data_close(mapped);

    /* A part that isn't touched by the cut is whole. */
    EXPECT_OK(adit_data_open_fd(fd, 100, 200, NULL, &mapped, &err));
    CHECK_INT(ftruncate(fd, 300), 0);
    EXPECT_OK(adit_data_status(mapped, &err));
    CHECK_INT(ftruncate(fd, 299), 0);
    EXPECT_ERROR(adit_data_status(mapped, &err), ADIT_ERR_TRUNCATED, "file descriptor");
    adit_data_close(mapped);
    close(fd);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    page = (size_t)sysconf(_SC_PAGESIZE);
    total = PAGES * page + 100;
    content = (unsigned char *)malloc(total);
    CHECK(content != NULL);
    for (uint64_t at = 0; at < total; at++) content[at] = (unsigned char)(at * 7 + at / 256);
    advice();
    release();
    release_of_memory();
    reading();
    files_that_change();
    free(content);
    return check_end();
}
