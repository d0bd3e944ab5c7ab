#define _GNU_SOURCE
#include "clinux_datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// IP_PMTUDISC_OMIT of linux/in.h, IPV6_PMTUDISC_OMIT of linux/in6.h.
enum { OMIT_PATH_MTU = 5 };
// Bursts of some thousand queries: the kernel counts about 1 KiB for each.
enum { RECEIVE_ROOM = 4 << 20 };

static socklen_t address_of(const struct clinux_place *place, struct sockaddr_in6 *storage) {
    memset(storage, 0, sizeof *storage);
    if (place->is_v6) {
        storage->sin6_family = AF_INET6;
        storage->sin6_port = htons(place->port);
        memcpy(&storage->sin6_addr, place->address, 16);
        return sizeof *storage;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(place->port);
    memcpy(&v4->sin_addr, place->address, 4);
    return sizeof *v4;
}

static int set(int socket, int level, int name, int value) { return setsockopt(socket, level, name, &value, sizeof value); }

static int prepare(int descriptor, const struct clinux_place *place, int flags) {
    if (place->is_v6 && set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0) return -1;
    // One option for both families.
    if (flags & CLINUX_BOUND_EARLY && set(descriptor, IPPROTO_IP, IP_FREEBIND, 1) < 0) return -1;
    if (flags & CLINUX_BOUND_STREAM) return set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) < 0) return -1;
    if (set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_ROOM) < 0) set(descriptor, SOL_SOCKET, SO_RCVBUF, RECEIVE_ROOM);
    int level = place->is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (set(descriptor, level, place->is_v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, OMIT_PATH_MTU) < 0) return -1;
    if (!(flags & CLINUX_BOUND_TELLS)) return 0;
    return set(descriptor, level, place->is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
}

int clinux_bound_socket(const struct clinux_place *place, int flags) {
    int type = flags & CLINUX_BOUND_STREAM ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM;
    int descriptor = socket(place->is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_in6 storage;
    socklen_t size = address_of(place, &storage);
    if (prepare(descriptor, place, flags) < 0 || bind(descriptor, (struct sockaddr *)&storage, size) < 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

int clinux_asking_socket(const struct clinux_place *own, const struct clinux_place *server) {
    int descriptor = socket(own->is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_in6 from, to;
    socklen_t from_size = address_of(own, &from), to_size = address_of(server, &to);
    if (bind(descriptor, (struct sockaddr *)&from, from_size) < 0 || connect(descriptor, (struct sockaddr *)&to, to_size) < 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

int clinux_bound_port(int socket) {
    struct sockaddr_in6 storage;
    socklen_t size = sizeof storage;
    // The port stands at the same place in both families.
    return getsockname(socket, (struct sockaddr *)&storage, &size) < 0 ? -1 : ntohs(storage.sin6_port);
}

int clinux_leave_group(int socket) {
    struct sockaddr_in6 own;
    socklen_t size = sizeof own;
    if (getsockname(socket, (struct sockaddr *)&own, &size) < 0) return -1;
    // The socket's own address, or for all addresses (all bits zero) the loopback one: the kernel takes it so. Port 9 discards.
    own.sin6_port = htons(9);
    return connect(socket, (struct sockaddr *)&own, size);
}

void clinux_wake_receivers(int socket) { shutdown(socket, SHUT_RD); }

// Room for one in6_pktinfo or in_pktinfo.
enum { CONTROL_SIZE = 40 };
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= CONTROL_SIZE, "no room for where a datagram was sent to");

struct clinux_batch {
    int capacity, received, answered;
    size_t received_size, answer_size;
    struct mmsghdr *in, *out;
    struct iovec *in_parts, *out_parts;
    struct sockaddr_in6 *peers;
    uint8_t (*controls)[CONTROL_SIZE];
    uint8_t *in_bytes, *out_bytes;
};

// Rooms of a power of two would all begin in the same lines of a processor's cache.
static size_t stride(size_t size) { return ((size + 63) & ~(size_t)63) + 64; }

static void rearm(struct clinux_batch *batch, int index) {
    struct msghdr *header = &batch->in[index].msg_hdr;
    header->msg_namelen = sizeof(struct sockaddr_in6);
    header->msg_controllen = CONTROL_SIZE;
}

struct clinux_batch *clinux_batch_make(int capacity, size_t received, size_t answered) {
    struct clinux_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    size_t count = (size_t)capacity;
    batch->capacity = capacity;
    batch->received_size = stride(received);
    batch->answer_size = stride(answered);
    batch->in = calloc(count, sizeof *batch->in);
    batch->out = calloc(count, sizeof *batch->out);
    batch->in_parts = calloc(count, sizeof *batch->in_parts);
    batch->out_parts = calloc(count, sizeof *batch->out_parts);
    batch->peers = calloc(count, sizeof *batch->peers);
    batch->controls = calloc(count, sizeof *batch->controls);
    batch->in_bytes = malloc(count * batch->received_size);
    batch->out_bytes = malloc(count * batch->answer_size);
    if (!batch->in || !batch->out || !batch->in_parts || !batch->out_parts || !batch->peers || !batch->controls ||
        !batch->in_bytes || !batch->out_bytes) {
        clinux_batch_free(batch);
        return NULL;
    }
    for (int index = 0; index < capacity; index++) {
        batch->in_parts[index] = (struct iovec){batch->in_bytes + (size_t)index * batch->received_size, received};
        struct msghdr *header = &batch->in[index].msg_hdr;
        header->msg_name = &batch->peers[index];
        header->msg_iov = &batch->in_parts[index];
        header->msg_iovlen = 1;
        header->msg_control = batch->controls[index];
        rearm(batch, index);
        batch->out_parts[index] = (struct iovec){batch->out_bytes + (size_t)index * batch->answer_size, answered};
        batch->out[index].msg_hdr.msg_iov = &batch->out_parts[index];
        batch->out[index].msg_hdr.msg_iovlen = 1;
    }
    return batch;
}

void clinux_batch_free(struct clinux_batch *batch) {
    if (!batch) return;
    free(batch->in);
    free(batch->out);
    free(batch->in_parts);
    free(batch->out_parts);
    free(batch->peers);
    free(batch->controls);
    free(batch->in_bytes);
    free(batch->out_bytes);
    free(batch);
}

int clinux_batch_receive(struct clinux_batch *batch, int socket, int waits) {
    for (int index = 0; index < batch->received; index++) rearm(batch, index);
    int count = recvmmsg(socket, batch->in, (unsigned)batch->capacity, waits ? MSG_WAITFORONE : MSG_DONTWAIT, NULL);
    batch->received = count > 0 ? count : 0;
    batch->answered = 0;
    return count;
}

const uint8_t *clinux_batch_received(const struct clinux_batch *batch, int index, size_t *count, int *is_cut) {
    const struct mmsghdr *message = &batch->in[index];
    *count = message->msg_len;
    *is_cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    return message->msg_hdr.msg_iov->iov_base;
}

void clinux_batch_peer(const struct clinux_batch *batch, int index, struct clinux_place *peer) {
    const struct sockaddr_in6 *from = &batch->peers[index];
    peer->is_v6 = from->sin6_family == AF_INET6;
    peer->port = ntohs(from->sin6_port);
    if (peer->is_v6) {
        memcpy(peer->address, &from->sin6_addr, 16);
    } else {
        memcpy(peer->address, &((const struct sockaddr_in *)from)->sin_addr, 4);
    }
}

uint8_t *clinux_batch_room(const struct clinux_batch *batch) {
    return batch->out_bytes + (size_t)batch->answered * batch->answer_size;
}

// What the kernel told of a datagram's own address becomes the wish from where to answer; by which interface is the routes'
// business, but for addresses that mean nothing without one.
static void turn_around(struct msghdr *header) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo information;
            memcpy(&information, CMSG_DATA(control), sizeof information);
            information.ipi_ifindex = 0;
            memcpy(CMSG_DATA(control), &information, sizeof information);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo information;
            memcpy(&information, CMSG_DATA(control), sizeof information);
            if (!IN6_IS_ADDR_LINKLOCAL(&information.ipi6_addr)) information.ipi6_ifindex = 0;
            memcpy(CMSG_DATA(control), &information, sizeof information);
        }
    }
}

void clinux_batch_answer(struct clinux_batch *batch, int index, size_t count) {
    struct msghdr *from = &batch->in[index].msg_hdr;
    struct msghdr *to = &batch->out[batch->answered].msg_hdr;
    to->msg_name = from->msg_name;
    to->msg_namelen = from->msg_namelen;
    to->msg_control = NULL;
    to->msg_controllen = from->msg_controllen;
    if (from->msg_controllen > 0) {
        turn_around(from);
        to->msg_control = from->msg_control;
    }
    to->msg_iov->iov_len = count;
    batch->answered++;
}

int clinux_batch_answers(const struct clinux_batch *batch) { return batch->answered; }

int clinux_batch_send(const struct clinux_batch *batch, int socket, int start) {
    return sendmmsg(socket, batch->out + start, (unsigned)(batch->answered - start), MSG_NOSIGNAL);
}

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct clinux_return *)0)->peer, "no room for an address");
_Static_assert(CONTROL_SIZE <= sizeof((struct clinux_return *)0)->control, "no room for where a datagram was sent to");

void clinux_batch_return(const struct clinux_batch *batch, int index, struct clinux_return *way) {
    struct msghdr *from = &batch->in[index].msg_hdr;
    memset(way, 0, sizeof *way);
    memcpy(way->peer, from->msg_name, from->msg_namelen);
    way->peer_size = from->msg_namelen;
    if (from->msg_controllen > 0) {
        turn_around(from);
        memcpy(way->control, from->msg_control, from->msg_controllen);
        way->control_size = from->msg_controllen;
    }
}

ssize_t clinux_send_back(int socket, const void *bytes, size_t count, const struct clinux_return *way) {
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {
        .msg_name = (void *)way->peer, .msg_namelen = way->peer_size, .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = way->control_size > 0 ? (void *)way->control : NULL, .msg_controllen = way->control_size};
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}
