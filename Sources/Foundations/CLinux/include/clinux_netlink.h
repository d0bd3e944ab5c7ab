#ifndef CLINUX_NETLINK_H
#define CLINUX_NETLINK_H

// The C library's headers first: the kernel's then leave out what both define (linux/libc-compat.h).
#include <net/if.h>
#include <netinet/in.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/types.h>

// socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), bound to a port the kernel chooses; the port is stored.
int clinux_netlink_open(int protocol, unsigned int *port);
// sendto the kernel (port 0).
ssize_t clinux_netlink_send(int descriptor, const void *bytes, size_t count);
// recvmsg with MSG_TRUNC; the sender's port is stored, so that messages not from the kernel can be dropped.
ssize_t clinux_netlink_receive(int descriptor, void *bytes, size_t count, int flags, unsigned int *sender);
// setsockopt with an int value.
int clinux_set_option(int descriptor, int level, int name, int value);

extern const int CLINUX_SOL_NETLINK;
// In the kernel since 5.18 and 6.x; absent from Debian 12's headers or hidden there.
enum { CLINUX_IFA_PROTO = 11 };

#endif
