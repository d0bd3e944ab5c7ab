#ifndef CLINUX_LAUNCH_H
#define CLINUX_LAUNCH_H

#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// The C names are CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID and CLONE_NEWNET.
enum {
    CLINUX_NAMESPACE_MOUNT = 0x00020000,
    CLINUX_NAMESPACE_UTS = 0x04000000,
    CLINUX_NAMESPACE_IPC = 0x08000000,
    CLINUX_NAMESPACE_PID = 0x20000000,
    CLINUX_NAMESPACE_NETWORK = 0x40000000,
};

// fork(2), which Swift hides. Only for a process with one thread: there the child may go on in Swift.
pid_t clinux_fork(void);

// unshare(2): leaves these namespaces for new ones (the PID namespace begins with the next child).
int clinux_namespaces_new(int namespaces);

// setns(2) by a process descriptor: into all of these namespaces of that process, or into none.
int clinux_namespaces_join(int process, int namespaces);

// pidfd_open(2): becomes readable when the process ends; close-on-exec.
int clinux_process_descriptor(pid_t process);

// PR_SET_PDEATHSIG with SIGKILL.
int clinux_die_with_parent(void);

// signalfd(2), close-on-exec, not blocking.
int clinux_signal_descriptor(const sigset_t *signals);
// The number of the next signal of such a descriptor; -1 when there is none.
int clinux_signal_next(int descriptor);

// mount(2): no mount made from here on is seen outside this mount namespace.
int clinux_mounts_private(void);
// mallopt(3), M_ARENA_MAX: threads share so many heaps. The C library makes up to eight a processor.
void clinux_few_heaps(int count);
// mount(2): /proc as the PID namespace of the caller sees it.
int clinux_mount_proc(void);

// SIOCSIFFLAGS: brings up `lo` in the caller's network namespace.
int clinux_loopback_up(void);

// clock_gettime(2), in nanoseconds. Where NIO is imported too, Swift takes `struct timespec` for a type of NIO's own.
int64_t clinux_clock(clockid_t clock);

// epoll, with the descriptor as its own tag.
enum { CLINUX_READABLE = 0x001, CLINUX_WRITABLE = 0x004 };
struct clinux_ready {
    int descriptor;
    uint32_t events;
};
int clinux_epoll(void);
int clinux_epoll_add(int epoll, int descriptor, uint32_t events);
int clinux_epoll_change(int epoll, int descriptor, uint32_t events);
int clinux_epoll_remove(int epoll, int descriptor);
int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int count, int milliseconds);

// An IPv6 socket that serves IPv4 too, not blocking, close-on-exec, bound to a port of all addresses. A datagram socket tells
// the address each datagram was sent to.
int clinux_serve_stream(uint16_t port, int backlog);
int clinux_serve_datagrams(uint16_t port);
// accept4(2), not blocking, close-on-exec.
int clinux_serve_accept(int socket, struct sockaddr_in6 *peer);

// recvmsg(2) with the peer and the own address the datagram was sent to.
ssize_t clinux_datagram_receive(int socket, void *bytes, size_t count, struct sockaddr_in6 *peer, struct in6_addr *own);
// sendmsg(2) from that own address, so that an answer comes from where the question went.
ssize_t clinux_datagram_send(
    int socket, const void *bytes, size_t count, const struct sockaddr_in6 *peer, const struct in6_addr *own);

#endif
