#define _GNU_SOURCE
#include "clinux_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(CLINUX_UNIX_PATH_LIMIT == sizeof(((struct sockaddr_un *)0)->sun_path) - 1, "the limit the kernel has");

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int clinux_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static int unix_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length > CLINUX_UNIX_PATH_LIMIT) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length + 1);
    return 0;
}

int clinux_unix_bind(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return bind(socket, (struct sockaddr *)&address, sizeof address);
}

int clinux_unix_connect(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return connect(socket, (struct sockaddr *)&address, sizeof address);
}

// The first byte of the path is zero, and the length says where the name ends.
static socklen_t abstract_address(struct sockaddr_un *address, const char *name) {
    size_t length = strlen(name);
    if (length >= CLINUX_UNIX_PATH_LIMIT) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

int clinux_unix_bind_abstract(int socket, const char *name) {
    struct sockaddr_un address;
    socklen_t length = abstract_address(&address, name);
    return length == 0 ? -1 : bind(socket, (struct sockaddr *)&address, length);
}

int clinux_unix_connect_abstract(int socket, const char *name) {
    struct sockaddr_un address;
    socklen_t length = abstract_address(&address, name);
    return length == 0 ? -1 : connect(socket, (struct sockaddr *)&address, length);
}

int clinux_unix_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

static int timeout(int socket, int option, long milliseconds) {
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    return setsockopt(socket, SOL_SOCKET, option, &time, sizeof time);
}

int clinux_socket_receive_timeout(int socket, long milliseconds) { return timeout(socket, SO_RCVTIMEO, milliseconds); }

int clinux_socket_send_timeout(int socket, long milliseconds) { return timeout(socket, SO_SNDTIMEO, milliseconds); }

ssize_t clinux_send_with_descriptor(int socket, const void *bytes, size_t count, int descriptor) {
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    if (descriptor >= 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t clinux_receive_with_descriptor(int socket, void *bytes, size_t count, int *descriptor) {
    // Room for two, so that a second one is seen and refused rather than cut off silently.
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *descriptor = -1;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return received;

    int refused = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < descriptors; index++) {
            int one;
            memcpy(&one, CMSG_DATA(header) + index * sizeof(int), sizeof one);
            if (*descriptor < 0 && !refused) {
                *descriptor = one;
            } else {
                close(one);
                refused = 1;
            }
        }
    }
    if (!refused) return received;
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
    errno = EBADMSG;
    return -1;
}

int clinux_peer_user(int socket, uid_t *user) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    int answer = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
    if (answer == 0) *user = credentials.uid;
    return answer;
}

int clinux_file_identity(int descriptor, uint64_t *device, uint64_t *inode, uid_t *owner) {
    struct stat status;
    int answer = fstat(descriptor, &status);
    if (answer == 0) {
        *device = status.st_dev;
        *inode = status.st_ino;
        *owner = status.st_uid;
    }
    return answer;
}

int64_t clinux_file_written(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return -1;
    return (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
}

int clinux_peer_process(int socket, pid_t *process) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    int answer = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
    if (answer == 0) *process = credentials.pid;
    return answer;
}

int clinux_namespace_kind(int descriptor) { return ioctl(descriptor, NS_GET_NSTYPE); }
