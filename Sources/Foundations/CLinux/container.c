#define _GNU_SOURCE
#include "clinux_container.h"

#include <grp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int clinux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

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
    if (setgroups(0, NULL) < 0 || setgid(group) < 0) return -1;
    return setuid(user);
}
