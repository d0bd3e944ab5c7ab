#define _GNU_SOURCE
#include "clinux_resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_event(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void clinux_event_signal(int event) {
    uint64_t one = 1;
    // A full counter is signalled already.
    ssize_t done = write(event, &one, sizeof one);
    (void)done;
}

void clinux_event_clear(int event) {
    uint64_t count;
    ssize_t done = read(event, &count, sizeof count);
    (void)done;
}

static int connected(int type, const uint8_t *address, size_t count, uint16_t port, uint32_t scope) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
    if (count != 4 && count != 16) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    memcpy(count == 4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr, address, count);
    int fd = socket(count == 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const struct sockaddr *to = count == 4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    if (connect(fd, to, count == 4 ? sizeof v4 : sizeof v6) == 0 || errno == EINPROGRESS) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int clinux_connect_datagram(const uint8_t *address, size_t count, uint16_t port, uint32_t scope) {
    return connected(SOCK_DGRAM, address, count, port, scope);
}

int clinux_connect_stream(const uint8_t *address, size_t count, uint16_t port, uint32_t scope) {
    return connected(SOCK_STREAM, address, count, port, scope);
}

int clinux_socket_error(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

ssize_t clinux_send_now(int socket, const void *bytes, size_t count) {
    return send(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t clinux_receive_now(int socket, void *bytes, size_t count) { return recv(socket, bytes, count, MSG_DONTWAIT); }
