#define _GNU_SOURCE
#include "clinux_netlink.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
const int CLINUX_SOL_NETLINK = SOL_NETLINK;

int clinux_netlink_open(int protocol, unsigned int *port) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (descriptor < 0) return -1;
    struct sockaddr_nl address;
    memset(&address, 0, sizeof address);
    address.nl_family = AF_NETLINK;
    socklen_t length = sizeof address;
    if (bind(descriptor, (struct sockaddr *)&address, length) < 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) < 0) {
        close(descriptor);
        return -1;
    }
    *port = address.nl_pid;
    return descriptor;
}

ssize_t clinux_netlink_send(int descriptor, const void *bytes, size_t count) {
    struct sockaddr_nl kernel;
    memset(&kernel, 0, sizeof kernel);
    kernel.nl_family = AF_NETLINK;
    return sendto(descriptor, bytes, count, 0, (struct sockaddr *)&kernel, sizeof kernel);
}

ssize_t clinux_netlink_receive(int descriptor, void *bytes, size_t count, int flags, unsigned int *sender) {
    struct sockaddr_nl from;
    memset(&from, 0, sizeof from);
    struct iovec vector = {bytes, count};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t received = recvmsg(descriptor, &message, flags | MSG_TRUNC);
    *sender = from.nl_pid;
    return received;
}

int clinux_set_option(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value);
}
