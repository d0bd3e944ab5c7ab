#define _GNU_SOURCE
#include "clinux_packet.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// ETH_P_ALL of linux/if_ether.h.
enum { ALL_PROTOCOLS = 0x0003 };

int clinux_packet_open(void) {
    int descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ALL_PROTOCOLS));
    if (descriptor < 0) return -1;
    int on = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

ssize_t clinux_packet_receive(int socket, void *bytes, size_t count, struct clinux_packet *packet) {
    struct sockaddr_ll from;
    memset(&from, 0, sizeof from);
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec vector = {bytes, count};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT);
    if (received < 0) return -1;
    packet->interface = from.sll_ifindex;
    packet->is_outgoing = from.sll_pkttype == PACKET_OUTGOING;
    packet->protocol = ntohs(from.sll_protocol);
    packet->time = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec time;
        memcpy(&time, CMSG_DATA(header), sizeof time);
        packet->time = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    }
    return received;
}

int clinux_interface_name(int socket, int interface, char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_ifindex = interface;
    int result = ioctl(socket, SIOCGIFNAME, &request);
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return result;
}
