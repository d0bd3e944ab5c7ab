#ifndef CLINUX_DESCRIPTORS_H
#define CLINUX_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// pipe2(2), both ends close-on-exec from birth: no program that another thread starts meanwhile inherits one.
int clinux_pipe(int ends[2]);

// A stream socket of AF_UNIX, close-on-exec.
int clinux_unix_socket(void);

// How many bytes of path a unix address holds, the final zero not counted.
enum { CLINUX_UNIX_PATH_LIMIT = 107 };

// bind(2) and connect(2) with a path; ENAMETOOLONG when the path does not fit.
int clinux_unix_bind(int socket, const char *path);
int clinux_unix_connect(int socket, const char *path);

// The same with a name without a file, which belongs to a network namespace and goes with its last descriptor.
int clinux_unix_bind_abstract(int socket, const char *name);
int clinux_unix_connect_abstract(int socket, const char *name);

// accept4(2), close-on-exec.
int clinux_unix_accept(int socket);

// SO_RCVTIMEO and SO_SNDTIMEO; connect(2) honours the second too. Zero waits for ever.
int clinux_socket_receive_timeout(int socket, long milliseconds);
int clinux_socket_send_timeout(int socket, long milliseconds);

// sendmsg(2) without SIGPIPE, with one descriptor beside the bytes (SCM_RIGHTS), or none when it is negative.
ssize_t clinux_send_with_descriptor(int socket, const void *bytes, size_t count, int descriptor);

// recvmsg(2). A descriptor that came along is stored, close-on-exec; -1 when none came. More than one, or a message cut short
// because we may hold no more descriptors, answers EBADMSG and closes what did come: a peer cannot make us leak.
ssize_t clinux_receive_with_descriptor(int socket, void *bytes, size_t count, int *descriptor);

// SO_PEERCRED: who called connect(2) at the other end.
int clinux_peer_user(int socket, uid_t *user);

// SO_PEERCRED: the process that called listen(2) at the other end, or connect(2); 0 when it is none of our PID namespace.
int clinux_peer_process(int socket, pid_t *process);

// fstat(2): which file it is, and whose. Where NIO is imported too, Swift takes `struct stat` for a type of NIO's own.
int clinux_file_identity(int descriptor, uint64_t *device, uint64_t *inode, uid_t *owner);

// stat(2): when it was written last, in nanoseconds since 1970; -1 when it is not there.
int64_t clinux_file_written(const char *path);

// NS_GET_NSTYPE: the CLONE_NEW… flag of a namespace's descriptor; ENOTTY for any other file.
int clinux_namespace_kind(int descriptor);

#endif
