#define _GNU_SOURCE
#include "clinux_packet.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
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

int clinux_interface_index(int socket, const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(socket, SIOCGIFINDEX, &request) < 0 ? -1 : request.ifr_ifindex;
}

int clinux_frame_open(void) {
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    int on = 1;
    if (setsockopt(descriptor, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

ssize_t clinux_frame_send(int socket, int interface, uint16_t protocol, const void *bytes, size_t count) {
    struct sockaddr_ll to;
    memset(&to, 0, sizeof to);
    to.sll_family = AF_PACKET;
    to.sll_ifindex = interface;
    to.sll_protocol = htons(protocol);
    return sendto(socket, bytes, count, 0, (struct sockaddr *)&to, sizeof to);
}

int clinux_frame_listen(int socket, int interface, int is_on) {
    struct sockaddr_ll at;
    memset(&at, 0, sizeof at);
    at.sll_family = AF_PACKET;
    at.sll_ifindex = interface;
    at.sll_protocol = is_on ? htons(ALL_PROTOCOLS) : 0;
    return bind(socket, (struct sockaddr *)&at, sizeof at);
}

static int checksum_offload(int socket, const char *name, uint32_t command, uint32_t *data) {
    struct ethtool_value value = {.cmd = command, .data = *data};
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_data = (void *)&value;
    int result = ioctl(socket, SIOCETHTOOL, &request);
    *data = value.data;
    return result;
}

int clinux_checksum_offload(int socket, const char *name) {
    uint32_t data = 0;
    return checksum_offload(socket, name, ETHTOOL_GTXCSUM, &data) < 0 ? -1 : (int)data;
}

int clinux_set_checksum_offload(int socket, const char *name, int on) {
    uint32_t data = on ? 1 : 0;
    return checksum_offload(socket, name, ETHTOOL_STXCSUM, &data);
}
