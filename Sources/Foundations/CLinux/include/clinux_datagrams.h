#ifndef CLINUX_DATAGRAMS_H
#define CLINUX_DATAGRAMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// An address and a port, as they stand in a socket address.
struct clinux_place {
    // Network order; an IPv4 address in the first four.
    uint8_t address[16];
    // Host order.
    uint16_t port;
    int is_v6;
};

enum {
    // SOCK_STREAM with SO_REUSEADDR; else SOCK_DGRAM with SO_REUSEPORT, so that several threads have sockets of their own.
    CLINUX_BOUND_STREAM = 1,
    // IP_FREEBIND: the address may come later.
    CLINUX_BOUND_EARLY = 2,
    // IP_PKTINFO and IPV6_RECVPKTINFO: it is told where each datagram was sent to.
    CLINUX_BOUND_TELLS = 4,
};

// socket(2) and bind(2), close-on-exec, IPV6_V6ONLY. A datagram socket heeds no path MTU that somebody may have forged
// (IP_PMTUDISC_OMIT), and has room for a burst (SO_RCVBUFFORCE, or SO_RCVBUF).
int clinux_bound_socket(const struct clinux_place *place, int flags);
// getsockname(2): the port; -1 when it has none.
int clinux_bound_port(int socket);
// socket(2), bind(2) and connect(2): a datagram socket, not blocking, close-on-exec, that asks at a place from another.
int clinux_asking_socket(const struct clinux_place *own, const struct clinux_place *server);
// connect(2) to a place of the own node where nothing is: from now on the socket gets no datagram of others, and those that
// share its port get them.
int clinux_leave_group(int socket);
// shutdown(2), SHUT_RD, which wakes all who wait for a datagram, though a socket without a peer answers ENOTCONN.
void clinux_wake_receivers(int socket);

// Memory for many datagrams in one system call: those that came, and answers to them.
struct clinux_batch;
// Room for `capacity` datagrams of `received` bytes each, and as many answers of `answered` bytes. NULL: no memory.
struct clinux_batch *clinux_batch_make(int capacity, size_t received, size_t answered);
void clinux_batch_free(struct clinux_batch *batch);

// recvmmsg(2), MSG_WAITFORONE, or MSG_DONTWAIT when it shall not wait: how many came. What came before is forgotten.
int clinux_batch_receive(struct clinux_batch *batch, int socket, int waits);
// The bytes of the datagram at an index; what was longer than the room for it is cut, and is_cut.
const uint8_t *clinux_batch_received(const struct clinux_batch *batch, int index, size_t *count, int *is_cut);
void clinux_batch_peer(const struct clinux_batch *batch, int index, struct clinux_place *peer);

// Room for the next answer.
uint8_t *clinux_batch_room(const struct clinux_batch *batch);
// What was written to the room, so many bytes, goes to the sender of the datagram at an index, from where that was sent to.
void clinux_batch_answer(struct clinux_batch *batch, int index, size_t count);
// How many answers there are.
int clinux_batch_answers(const struct clinux_batch *batch);
// sendmmsg(2) of the answers from the `start`th on: how many went; -1 when this one did not.
int clinux_batch_send(const struct clinux_batch *batch, int socket, int start);

// Where an answer goes, and from where, for later than the batch.
struct clinux_return {
    _Alignas(8) uint8_t peer[28];
    uint32_t peer_size;
    _Alignas(8) uint8_t control[40];
    size_t control_size;
};
void clinux_batch_return(const struct clinux_batch *batch, int index, struct clinux_return *way);
// sendmsg(2).
ssize_t clinux_send_back(int socket, const void *bytes, size_t count, const struct clinux_return *way);

#endif
