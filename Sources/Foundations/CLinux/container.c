#define _GNU_SOURCE
#include "clinux_container.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int clinux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int clinux_is_in_memory(const char *path) {
    struct statfs found;
    return statfs(path, &found) == 0 && found.f_type == TMPFS_MAGIC;
}

int clinux_mount(const char *type, const char *target, const char *data) {
    return mount(type, target, type, MS_NOSUID, data);
}

int clinux_mount_read_only(const char *type, const char *target, const char *data) {
    return mount(type, target, type, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, data);
}

int clinux_bind(const char *source, const char *target) { return mount(source, target, NULL, MS_BIND | MS_REC, NULL); }

int clinux_bind_read_only(const char *target) { return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL); }

int clinux_pivot(const char *root, const char *old) { return (int)syscall(SYS_pivot_root, root, old); }

int clinux_unmount(const char *target) { return umount2(target, MNT_DETACH); }

int clinux_take_terminal(void) { return setsid() < 0 ? -1 : ioctl(STDIN_FILENO, TIOCSCTTY, 0); }

int clinux_become(unsigned user, unsigned group) {
    int signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &signal) < 0) return -1;
    if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(user) < 0) return -1;
    // With another user the kernel forgets that we are to die with our parent.
    return signal ? prctl(PR_SET_PDEATHSIG, signal) : 0;
}

int clinux_terminal(int *master, int *slave) {
    char name[64];
    int first = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (first < 0) return -1;
    int second = -1;
    if (grantpt(first) == 0 && unlockpt(first) == 0 && ptsname_r(first, name, sizeof name) == 0)
        second = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (second < 0) {
        int code = errno;
        close(first);
        errno = code;
        return -1;
    }
    *master = first;
    *slave = second;
    return 0;
}

int clinux_is_at(int descriptor, const char *path) {
    struct stat here, there;
    if (fstat(descriptor, &here) != 0 || stat(path, &there) != 0) return -1;
    return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}
