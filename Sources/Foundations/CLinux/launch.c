#define _GNU_SOURCE
#include "clinux_launch.h"

#include <errno.h>
#include <malloc.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(CLINUX_NAMESPACE_MOUNT == CLONE_NEWNS && CLINUX_NAMESPACE_UTS == CLONE_NEWUTS, "the kernel's flags");
_Static_assert(CLINUX_NAMESPACE_IPC == CLONE_NEWIPC && CLINUX_NAMESPACE_PID == CLONE_NEWPID, "the kernel's flags");
_Static_assert(CLINUX_NAMESPACE_NETWORK == CLONE_NEWNET, "the kernel's flags");
_Static_assert(CLINUX_READABLE == EPOLLIN && CLINUX_WRITABLE == EPOLLOUT, "the kernel's flags");

pid_t clinux_fork(void) { return fork(); }

int clinux_namespaces_new(int namespaces) { return unshare(namespaces); }

int clinux_namespaces_join(int process, int namespaces) { return setns(process, namespaces); }

int clinux_process_descriptor(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int clinux_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }

int clinux_signal_descriptor(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK); }

int clinux_signal_next(int descriptor) {
    struct signalfd_siginfo signal;
    return read(descriptor, &signal, sizeof signal) == sizeof signal ? (int)signal.ssi_signo : -1;
}

int clinux_mounts_private(void) { return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL); }

int clinux_mount_proc(void) { return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL); }

int clinux_loopback_up(void) {
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) return -1;
    struct ifreq request = {.ifr_name = "lo"};
    int answer = ioctl(control, SIOCGIFFLAGS, &request);
    if (answer == 0) {
        request.ifr_flags |= IFF_UP;
        answer = ioctl(control, SIOCSIFFLAGS, &request);
    }
    int error = errno;
    close(control);
    errno = error;
    return answer;
}

void clinux_few_heaps(int count) { mallopt(M_ARENA_MAX, count); }

int64_t clinux_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int clinux_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int epoll, int operation, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int clinux_epoll_add(int epoll, int descriptor, uint32_t events) { return control(epoll, EPOLL_CTL_ADD, descriptor, events); }

int clinux_epoll_change(int epoll, int descriptor, uint32_t events) { return control(epoll, EPOLL_CTL_MOD, descriptor, events); }

int clinux_epoll_remove(int epoll, int descriptor) { return control(epoll, EPOLL_CTL_DEL, descriptor, 0); }

int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int count, int milliseconds) {
    struct epoll_event events[64];
    int found = epoll_wait(epoll, events, count < 64 ? count : 64, milliseconds);
    for (int index = 0; index < found; index++) {
        ready[index].descriptor = events[index].data.fd;
        ready[index].events = events[index].events;
    }
    return found;
}

// Both families by one socket: IPV6_V6ONLY off, whatever net.ipv6.bindv6only says.
static int serve(int type, uint16_t port) {
    int server = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server < 0) return -1;
    int on = 1, off = 0;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    int failed = setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0;
    if (!failed && type == SOCK_STREAM) failed = setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0;
    if (!failed && type == SOCK_DGRAM) failed = setsockopt(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) < 0;
    if (!failed) failed = bind(server, (struct sockaddr *)&address, sizeof address) < 0;
    if (!failed) return server;
    int error = errno;
    close(server);
    errno = error;
    return -1;
}

int clinux_serve_stream(uint16_t port, int backlog) {
    int server = serve(SOCK_STREAM, port);
    if (server >= 0 && listen(server, backlog) < 0) {
        int error = errno;
        close(server);
        errno = error;
        return -1;
    }
    return server;
}

int clinux_serve_datagrams(uint16_t port) { return serve(SOCK_DGRAM, port); }

int clinux_serve_accept(int socket, struct sockaddr_in6 *peer) {
    socklen_t length = sizeof *peer;
    return accept4(socket, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

ssize_t clinux_datagram_receive(int socket, void *bytes, size_t count, struct sockaddr_in6 *peer, struct in6_addr *own) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    struct msghdr message = {
        .msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    memset(own, 0, sizeof *own);
    ssize_t received = recvmsg(socket, &message, 0);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != IPPROTO_IPV6 || header->cmsg_type != IPV6_PKTINFO) continue;
        struct in6_pktinfo information;
        memcpy(&information, CMSG_DATA(header), sizeof information);
        *own = information.ipi6_addr;
    }
    return received;
}

ssize_t clinux_datagram_send(
    int socket, const void *bytes, size_t count, const struct sockaddr_in6 *peer, const struct in6_addr *own) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {
        .msg_name = (void *)peer, .msg_namelen = sizeof *peer, .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    struct in6_pktinfo information = {.ipi6_addr = *own};
    memset(control, 0, sizeof control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof information);
    memcpy(CMSG_DATA(header), &information, sizeof information);
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}
