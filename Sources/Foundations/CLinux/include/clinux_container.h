#ifndef CLINUX_CONTAINER_H
#define CLINUX_CONTAINER_H

// memfd_create(2), close-on-exec: a file without a name, for input and output that may be larger than a pipe.
int clinux_memory_file(const char *name);

// statfs(2): 1 when what is at the path is kept in memory alone (TMPFS_MAGIC), else 0.
int clinux_is_in_memory(const char *path);
// mount(2) of a file system of this type; with `data` as it wants it.
int clinux_mount(const char *type, const char *target, const char *data);
// The same, MS_RDONLY.
int clinux_mount_read_only(const char *type, const char *target, const char *data);
// mount(2), MS_BIND | MS_REC: the source is seen at the target too.
int clinux_bind(const char *source, const char *target);
// Makes a bind mount read-only; what is mounted below it is not.
int clinux_bind_read_only(const char *target);
// pivot_root(2): `root`, a mount point, becomes /, and what was / is seen at `old`, a directory in it.
int clinux_pivot(const char *root, const char *old);
// umount2(2), MNT_DETACH.
int clinux_unmount(const char *target);

// fstat(2) and stat(2): whether the path still names the open file: 1, 0, or -1 with errno.
int clinux_is_at(int descriptor, const char *path);

// setsid(2) and TIOCSCTTY: standard input, a terminal, becomes the controlling one of a new session.
int clinux_take_terminal(void);
// posix_openpt(3), grantpt(3), unlockpt(3): a new terminal and who uses it, both close-on-exec, neither a controlling one.
int clinux_terminal(int *master, int *slave);

// setgroups(2), setgid(2), setuid(2), in the order that works.
int clinux_become(unsigned user, unsigned group);

#endif
