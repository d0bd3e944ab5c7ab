#ifndef CLINUX_PACKET_H
#define CLINUX_PACKET_H

#include <stdint.h>
#include <sys/types.h>

// A packet as it passed an interface.
struct clinux_packet {
    // Nanoseconds since 1970, by the kernel (SO_TIMESTAMPNS).
    int64_t time;
    int interface;
    // The C name is PACKET_OUTGOING.
    int is_outgoing;
    // The Ethernet type, host order.
    uint16_t protocol;
};

// socket(AF_PACKET, SOCK_DGRAM): sees every packet of every interface of the namespace from its network header on; not
// blocking, close-on-exec.
int clinux_packet_open(void);
// The next packet's bytes and where it was seen; -1 when there is none.
ssize_t clinux_packet_receive(int socket, void *bytes, size_t count, struct clinux_packet *packet);
// SIOCGIFNAME: the name of an interface of the socket's namespace; at least 16 bytes.
int clinux_interface_name(int socket, int interface, char *name);
// SIOCGIFINDEX: the index of an interface of the socket's namespace; -1 when there is none.
int clinux_interface_index(int socket, const char *name);

// socket(AF_PACKET, SOCK_RAW) that receives nothing yet and whose frames begin with a struct virtio_net_hdr (PACKET_VNET_HDR), which
// says what of a checksum is left to the device; close-on-exec.
int clinux_frame_open(void);
// sendto with a sockaddr_ll: out by this interface. protocol is the Ethernet type, host order.
ssize_t clinux_frame_send(int socket, int interface, uint16_t protocol, const void *bytes, size_t count);
// bind: from now on the socket receives what comes in and goes out by this interface; nothing more where is_on is 0.
int clinux_frame_listen(int socket, int interface, int is_on);
// SIOCETHTOOL with ETHTOOL_GTXCSUM and ETHTOOL_STXCSUM: whether an interface's device computes checksums of what it sends.
int clinux_checksum_offload(int socket, const char *name);
int clinux_set_checksum_offload(int socket, const char *name, int on);

#endif
