/* Preloaded into a child: makes one call of the C library fail, as a disk would.
 *
 * ADIT_FAULT is "call number errno": the number-th use of that call fails. With ENOSPC a write
 * has then done half of its work. The file named by ADIT_FAULT_HIT appears when the fault does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char name[32];
static long number, error;
static atomic_long seen;

__attribute__((constructor)) static void set(void)
{
    const char *spec = getenv("ADIT_FAULT");
    if (!spec || sscanf(spec, "%31s %ld %ld", name, &number, &error) != 3)
        name[0] = 0;
}

static int fails(const char *call)
{
    if (strcmp(call, name) || atomic_fetch_add(&seen, 1) + 1 != number)
        return 0;
    const char *hit = getenv("ADIT_FAULT_HIT");
    if (hit)
        syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, hit, O_CREAT | O_WRONLY, 0600));
    return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    if (fails("pwrite")) {
        if (error == ENOSPC && len > 1)
            syscall(SYS_pwrite64, fd, bytes, len / 2, at);
        errno = (int)error;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite64(fd, bytes, len, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    if (fails("pwritev")) {
        if (error == ENOSPC && count > 1)
            syscall(SYS_pwritev, fd, parts, (long)(count / 2), at, 0L);
        errno = (int)error;
        return -1;
    }
    return syscall(SYS_pwritev, fd, parts, (long)count, at, 0L);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev64(fd, parts, count, at);
}

/* A failed sync may have dropped what it was to write: nothing is synced here. */
int fdatasync(int fd)
{
    if (fails("fdatasync")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (fails("fsync")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    if (fails("rename")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (fails("rename")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int ftruncate64(int fd, off64_t len)
{
    if (fails("ftruncate")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    if (fails("fallocate")) {
        errno = (int)error;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags)
{
    if (fails("copy_file_range")) {
        errno = (int)error;
        return -1;
    }
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, len, flags);
}
